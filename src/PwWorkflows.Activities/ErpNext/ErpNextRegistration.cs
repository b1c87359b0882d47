using Elsa.Workflows;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PwWorkflows.Activities.Effects;

namespace PwWorkflows.Activities.ErpNext;

/// <summary>Registers what talks to ERPNext.</summary>
public static class ErpNextRegistration
{
    /// <summary>Adds <see cref="ErpNextClient"/> and <see cref="SalesOrders"/>.</summary>
    public static IServiceCollection AddErpNext(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddEffectLedger();
        services.AddSettings<ErpNextOptions>(static (o, s) => o.Bind(s));
        services.AddHttpClient(ErpNextClient.HttpClientName)
            .ConfigureHttpClient(static client => client.Timeout = Timeout.InfiniteTimeSpan) // Each call has its own, on the injected clock.
                                                                                             // A redirect would turn a POST into a GET and take the token elsewhere.
            .ConfigurePrimaryHttpMessageHandler(static () => new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })
            .RemoveAllLoggers();
        services.TryAddSingleton<ErpNextClient>();
        services.TryAddSingleton<SalesOrders>();
        services.AddScoped<IPropertyUIHandler, SalesOrderStates>();
        return services;
    }
}
