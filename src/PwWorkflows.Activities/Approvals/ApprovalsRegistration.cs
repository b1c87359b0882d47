using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Records;

namespace PwWorkflows.Activities.Approvals;

/// <summary>Registers approvals.</summary>
public static class ApprovalsRegistration
{
    /// <summary>Adds what <see cref="RequestApproval"/> and the doors to deciding need, and the watch over what is due. Needs <see cref="Data.IPwDatabase"/> and the engine's dispatcher and runtime.</summary>
    public static IServiceCollection AddApprovals(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddNotifications();
        services.AddSettings<ApprovalOptions>(static (o, s) => o.Bind(s));
        services.TryAddSingleton(static p => p.GetRequiredService<IOptions<ApprovalOptions>>().Value);
        services.TryAddSingleton<AuditLog>();
        services.TryAddSingleton<ApprovalStore>();
        services.TryAddSingleton<ApprovalDesk>();
        services.TryAddSingleton<ApprovalLinks>();
        services.TryAddSingleton<ApprovalWatch>();
        services.AddSingleton<IHostedService>(static p => p.GetRequiredService<ApprovalWatch>());
        return services;
    }
}
