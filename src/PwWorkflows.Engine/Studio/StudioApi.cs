using Elsa.Workflows;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace PwWorkflows.Engine.Studio;

/// <summary>Adds the REST API that Elsa Studio speaks to a host that has the engine. Signing in is the host's.</summary>
public static class StudioApi
{
    /// <summary>Registers what the API needs.</summary>
    public static IServiceCollection AddStudioApi(this IServiceCollection services, Action<StudioOptions>? configure = null)
    {
        var options = new StudioOptions();
        configure?.Invoke(options);
        services.AddSingleton(options);
        services.AddAuthorization();
        services.AddScoped<ActivityDescriptions>();
        services.AddScoped<IPropertyUIHandler, HttpPathHandler>();
        services.AddScoped<IPropertyUIHandler, CronRunsHandler>();
        services.AddScoped<IPropertyUIHandler, TimeZoneChoices>();
        services.AddSingleton<ScriptTypes>();
        services.AddSingleton<BookmarkLinks>();
        services.AddSingleton<DefinitionModels>();
        services.AddSingleton<DefinitionSaves>();
        services.AddSingleton<InstanceCommands>();
        services.AddSingleton<RunEndpoints.Starter>();
        services.AddLiveUpdates();
        return services;
    }

    /// <summary>Maps the endpoints. An endpoint without a permission of its own is open to everybody who is signed in.</summary>
    public static IEndpointRouteBuilder MapStudioApi(this IEndpointRouteBuilder routes)
    {
        var options = routes.ServiceProvider.GetRequiredService<StudioOptions>();
        var api = routes.MapGroup(options.BasePath + "/api");
        // Errors have the bodies of the contract, mostly none; the host's pages for them must stay away.
        api.AddEndpointFilter(static (context, next) =>
        {
            if (context.HttpContext.Features.Get<IStatusCodePagesFeature>() is { } pages) pages.Enabled = false;
            context.HttpContext.Response.Headers.CacheControl = "no-store";
            return next(context);
        });
        api.MapGet("/package/version", static () => StudioJson.Ok(new { packageVersion = "3.8.2" })).AllowAnonymous();
        BookmarkLinks.Map(api);
        var guarded = api.MapGroup("").RequireAuthorization(policy => policy.AddAuthenticationSchemes([.. options.AuthenticationSchemes]).RequireAuthenticatedUser());
        DescriptorEndpoints.Map(guarded);
        DefinitionEndpoints.Map(guarded);
        RunEndpoints.Map(guarded);
        InstanceEndpoints.Map(guarded);
        routes.MapHub<WorkflowInstanceHub>(options.BasePath + "/hubs/workflow-instance", static o => o.CloseOnAuthenticationExpiration = true)
            .RequireAuthorization(policy => policy.AddAuthenticationSchemes([.. options.AuthenticationSchemes]).RequireAuthenticatedUser())
            .RequirePermission(StudioPermissions.ReadAll, StudioPermissions.ReadInstances);
        guarded.MapFallback("/{**path}", static () => Results.NotFound());
        return routes;
    }
}
