using Elsa.Workflows;
using Microsoft.Extensions.DependencyInjection;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>Registers what schedules need.</summary>
public static class SchedulingRegistration
{
    /// <summary>Adds the designer's choices of time zones.</summary>
    public static IServiceCollection AddScheduling(this IServiceCollection services)
    {
        services.AddScoped<IPropertyUIHandler, TimeZones>();
        return services;
    }
}
