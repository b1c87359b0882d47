using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Regulatory;

/// <summary>Registers what watches the regulators.</summary>
public static class RegulatoryRegistration
{
    /// <summary>Adds the factor monitor, the check of the year's figures and the watch over the Robocall Mitigation Database. Needs <see cref="Data.IPwDatabase"/>.</summary>
    public static IServiceCollection AddRegulatory(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddJobs();
        services.AddNotifications();
        services.AddSettings<RegulatoryOptions>(static (o, s) => o.Bind(s));
        services.AddHttpClient(PublicPages.HttpClientName, static client =>
        {
            client.Timeout = PublicPages.Timeout;
            client.MaxResponseContentBufferSize = PublicPages.MaxBytes;
        }).RemoveAllLoggers();
        services.TryAddSingleton<PublicPages>();
        services.TryAddSingleton<ContributionFactors>();
        services.TryAddSingleton<FactorRows>();
        services.TryAddSingleton<RobocallMitigation>();
        return services;
    }
}
