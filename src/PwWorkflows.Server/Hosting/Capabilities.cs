using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PwWorkflows.Activities;
using PwWorkflows.Activities.Approvals;
using PwWorkflows.Activities.ErpNext;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Records;
using PwWorkflows.Activities.Regulatory;
using PwWorkflows.Activities.Relay;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Activities.Storage;
using PwWorkflows.Activities.Treasury;
using PwWorkflows.Activities.Usac;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Endpoints;
using PwWorkflows.Server.Pages;

namespace PwWorkflows.Server.Hosting;

/// <summary>Registers what workflows can do, and the doors to it.</summary>
internal static class Capabilities
{
    public static IServiceCollection AddCapabilities(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSettings<ServerOptions>(static (o, s) => o.Bind(s));
        services.AddSettings<PlatformOptions>(static (o, s) => o.Bind(s));
        services.AddObjectStorage();
        services.AddErpNext();
        services.AddNotifications();
        services.AddOrders();
        services.AddApprovals();
        services.AddUsacFilings();
        services.AddScheduling();
        services.AddRegulatory();
        services.AddRelay();
        services.AddTreasury();
        services.AddRecords();
        return services;
    }

    /// <summary>What only the sandbox has: a clock that can be moved, and crashes on demand.</summary>
    public static IServiceCollection AddSandboxTools(this IServiceCollection services)
    {
        services.AddSingleton<MovableClock>();
        services.AddSingleton<TimeProvider>(static p => p.GetRequiredService<MovableClock>());
        services.AddSettings<KillPointOptions>(static (o, s) => o.Bind(s));
        services.AddSingleton<KillPoint>();
        return services;
    }

    public static IServiceCollection AddDoors(this IServiceCollection services)
    {
        services.AddConsole();
        services.AddAdminAuthentication();
        services.TryAddSingleton<OrderReader>();
        services.TryAddSingleton<ScheduleHistory>();
        services.TryAddSingleton<WebhookReplay>();
        services.TryAddSingleton<HealthChecks>();
        services.AddHttpClient(WebhookReplay.ClientName, static client => client.Timeout = TimeSpan.FromSeconds(30)).RemoveAllLoggers();
        return services;
    }

    public static void MapDoors(this WebApplication app)
    {
        HealthEndpoints.Map(app);
        LoginEndpoints.Map(app);
        StudioSignIn.Map(app);
        StudioPages.Map(app);
        ConsoleSetup.Map(app);
        OrderIntake.Map(app);
        var admin = MapAdmin(app);
        OrderEndpoints.Map(admin);
        WorkflowEndpoints.Map(admin);
        WebhookEndpoints.Map(admin);
        EntityEndpoints.Map(admin);
        RecordEndpoints.Map(admin);
        EffectEndpoints.Map(admin);
        ScheduleEndpoints.Map(admin);
        ApprovalEndpoints.Map(admin);
        if (app.Services.GetService<MovableClock>() is not null) ClockEndpoints.Map(admin);
        // Unknown paths below /api/v1/admin are guarded too: a stranger can't tell them from known ones.
        admin.MapFallback(static () => Http.Problems.Of(StatusCodes.Status404NotFound, null)).RequireAuthorization(Roles.Viewer);
    }

    /// <summary>The group of the admin API. Whoever forgets to name a role on an endpoint gets the strictest one; a policy of the group itself would be asked for besides the endpoint's own.</summary>
    internal static RouteGroupBuilder MapAdmin(IEndpointRouteBuilder routes)
    {
        var admin = routes.MapGroup("/api/v1/admin");
        ((IEndpointConventionBuilder)admin).Finally(static endpoint =>
        {
            if (!endpoint.Metadata.Any(static m => m is IAuthorizeData)) endpoint.Metadata.Add(new AuthorizeAttribute(Roles.Admin));
        });
        return admin;
    }
}
