using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace PwWorkflows.Activities.Effects;

/// <summary>Registers the effect ledger.</summary>
public static class EffectLedgerRegistration
{
    /// <summary>Adds <see cref="IEffectLedger"/> and <see cref="EffectRecords"/>; needs <see cref="Data.IPwDatabase"/>.</summary>
    public static IServiceCollection AddEffectLedger(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IEffectLedger, EffectLedger>();
        services.TryAddSingleton<EffectRecords>();
        return services;
    }
}
