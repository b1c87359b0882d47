using Elsa.Workflows;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>Registers what schedules need; the host adds its <see cref="IScheduleEngine"/>.</summary>
public static class SchedulingRegistration
{
    /// <summary>Adds <see cref="ScheduleBook"/>, the worker that looks at the clock, and what the designer shows of due times.</summary>
    public static IServiceCollection AddScheduling(this IServiceCollection services)
    {
        services.TryAddSingleton<ScheduleOptions>();
        services.TryAddSingleton(static p => new ScheduleBook(p.GetRequiredService<IPwDatabase>(), p.GetRequiredService<IScheduleEngine>(), p.GetRequiredService<TimeProvider>(), p.GetRequiredService<ILogger<ScheduleBook>>()));
        services.TryAddSingleton<ScheduleWorker>();
        services.AddHostedService(static p => p.GetRequiredService<ScheduleWorker>());
        services.AddScoped<IPropertyUIHandler, DueTimes>();
        return services;
    }
}
