using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Relay;

/// <summary>Registers what reads the bank's alerts.</summary>
public static class RelayRegistration
{
    /// <summary>Adds the mailbox and what is noted from it. Needs <see cref="Data.IPwDatabase"/>.</summary>
    public static IServiceCollection AddRelay(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddJobs();
        services.AddNotifications();
        services.AddSettings<RelayOptions>(static (o, s) => o.Bind(s));
        services.TryAddSingleton<RelayMailbox>();
        services.TryAddSingleton<RelayDeposits>();
        return services;
    }
}
