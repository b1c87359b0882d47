using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Records;

/// <summary>Registers the records that are kept and deleted by rule.</summary>
public static class RecordsRegistration
{
    /// <summary>Adds the audit log and the retention of call detail records. Needs <see cref="Data.IPwDatabase"/> and the effect ledger.</summary>
    public static IServiceCollection AddRecords(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddJobs();
        services.AddNotifications();
        services.AddSettings<CdrOptions>(static (o, s) => o.Bind(s));
        services.TryAddSingleton<AuditLog>();
        services.TryAddSingleton<CdrFiles>();
        return services;
    }
}
