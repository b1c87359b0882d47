using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Treasury;

/// <summary>Registers what looks after crypto receipts and hot wallets.</summary>
public static class TreasuryRegistration
{
    /// <summary>Adds <see cref="HotWallets"/> and <see cref="CryptoPayments"/>. Needs <see cref="Data.IPwDatabase"/>.</summary>
    public static IServiceCollection AddTreasury(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddNotifications();
        services.AddSettings<TreasuryOptions>(static (o, s) => o.Bind(s));
        services.AddHttpClient(HotWallets.HttpClientName, static client => client.Timeout = TimeSpan.FromSeconds(30))
            .ConfigurePrimaryHttpMessageHandler(static () => new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })
            .RemoveAllLoggers();
        services.TryAddSingleton<HotWallets>();
        services.TryAddSingleton<CryptoPayments>();
        return services;
    }
}
