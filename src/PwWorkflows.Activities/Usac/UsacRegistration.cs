using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.ErpNext;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Storage;

namespace PwWorkflows.Activities.Usac;

/// <summary>Reads secrets from ERPNext's <c>Sensitive ID</c> records.</summary>
sealed class SensitiveIdSecrets(SalesOrders erp) : ISecretSource
{
    public Task<string?> ReadAsync(string name, CancellationToken ct) => erp.GetSecretAsync(name, ct);
}

/// <summary>Registers the USAC portal and the filings.</summary>
public static class UsacRegistration
{
    /// <summary>
    /// Adds what <c>service-fcc-499a</c> needs. Expects <see cref="Data.IPwDatabase"/>, <see cref="IObjectStore"/>, the effect ledger, orders, approvals, ToDos, the
    /// engine's <c>IEventPublisher</c> and an <see cref="IDefinitionVersionSource"/> to be registered. The page map is checked with
    /// the settings, before the host starts.
    /// </summary>
    public static IServiceCollection AddUsacFilings(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSettings<UsacOptions>(static (o, s) => o.Bind(s));
        services.TryAddSingleton(static p => p.GetRequiredService<IOptions<UsacOptions>>().Value);
        services.TryAddSingleton(static p => PageMap.Load(p.GetRequiredService<UsacOptions>().PageMapPath));
        services.TryAddSingleton<ChromiumPool>();
        services.TryAddSingleton<UsacPortal>();
        services.TryAddSingleton<UsacSessions>();
        services.TryAddSingleton<UsacSessionEnds>();
        services.TryAddSingleton<ISecretSource, SensitiveIdSecrets>();
        services.TryAddSingleton<SessionRefresh>();
        services.TryAddSingleton<FilingEvidence>();
        services.TryAddSingleton<EvidenceVerifier>();
        services.TryAddSingleton<OfficerAuthorizations>();
        services.TryAddSingleton<FilingApprovals>();
        services.TryAddSingleton<Form499AService>();
        services.TryAddSingleton<FilingDelivery>();
        services.AddHostedService<UsacSessionWatch>();
        return services;
    }
}
