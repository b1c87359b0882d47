using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Records;

/// <summary>Registers the records that are kept and deleted by rule.</summary>
public static class RecordsRegistration
{
    /// <summary>Adds the audit log, the retention of call detail records and what people enter by hand. Needs <see cref="Data.IPwDatabase"/> and the effect ledger.</summary>
    public static IServiceCollection AddRecords(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddJobs();
        services.AddNotifications();
        services.AddSettings<CdrOptions>(static (o, s) => o.Bind(s));
        services.TryAddSingleton<AuditLog>();
        services.TryAddSingleton<CdrFiles>();
        services.TryAddSingleton<RecordDesk>();
        return services;
    }
}
