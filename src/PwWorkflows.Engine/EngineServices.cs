using Elsa.Workflows;
using Elsa.Workflows.IncidentStrategies;
using Elsa.Workflows.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Expressions;
using PwWorkflows.Engine.Http;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine;

/// <summary>Adds the engine to a host.</summary>
public static class EngineServices
{
    /// <summary>Registers the engine on a store. Safe to call twice: the second call changes nothing.</summary>
    public static IServiceCollection AddWorkflowEngine(this IServiceCollection services, Func<IServiceProvider, IEngineStore> store, Action<EngineOptions>? configure = null, Action<ActivityRegistry>? activities = null)
    {
        if (services.Any(s => s.ServiceType == typeof(WorkflowCatalog))) return services;
        var options = new EngineOptions();
        configure?.Invoke(options);
        services.TryAddSingleton(TimeProvider.System);
        services.AddHttpContextAccessor();
        services.AddOutboundHttp();
        services.AddSingleton(options);
        services.AddSingleton(store);
        services.AddSingleton(_ =>
        {
            var registry = new ActivityRegistry();
            registry.RegisterFrom(typeof(EngineServices).Assembly);
            activities?.Invoke(registry);
            return registry;
        });
        services.AddSingleton<DefinitionReader>();
        services.AddSingleton<DefinitionWriter>();
        services.AddSingleton<WorkflowCatalog>();
        services.AddSingleton<DefinitionPublisher>();
        services.AddSingleton<IStimulusHasher, StimulusHasher>();
        services.AddSingleton<IIncidentStrategy, FaultStrategy>();
        services.AddSingleton<IIncidentStrategy, ContinueWithIncidentsStrategy>();
        services.AddSingleton<IExpressionHandler, LiteralHandler>();
        services.AddSingleton<IExpressionHandler, ObjectHandler>();
        services.AddSingleton<IExpressionHandler, VariableHandler>();
        services.AddSingleton<IExpressionHandler, InputHandler>();
        services.AddSingleton<IExpressionHandler, DelegateHandler>();
        services.AddSingleton<JavaScriptHandler>();
        services.AddSingleton<IExpressionHandler>(p => p.GetRequiredService<JavaScriptHandler>());
        services.TryAddSingleton<IJavaScriptRunner>(p => p.GetRequiredService<JavaScriptHandler>());
        services.AddSingleton<IExpressionHandler, LiquidHandler>();
        services.AddSingleton<ExpressionEvaluator>();
        services.AddSingleton(p => new WorkflowRunner(p.GetRequiredService<ExpressionEvaluator>(), p.GetRequiredService<IStimulusHasher>(), p.GetRequiredService<TimeProvider>(), p.GetServices<IIncidentStrategy>()) { DefaultFlowchartMode = options.FlowchartMode });
        services.AddSingleton<InstanceRunner>();
        services.AddSingleton<QueueWorker>();
        services.AddHostedService(p => p.GetRequiredService<QueueWorker>());
        services.AddHostedService<RetentionWorker>();
        services.AddSingleton<RuntimeServices>();
        services.AddSingleton<IWorkflowDispatcher>(p => p.GetRequiredService<RuntimeServices>());
        services.AddSingleton<IStimulusSender>(p => p.GetRequiredService<RuntimeServices>());
        services.AddSingleton<IBookmarkResumer>(p => p.GetRequiredService<RuntimeServices>());
        services.AddSingleton<IBookmarkQueue>(p => p.GetRequiredService<RuntimeServices>());
        services.AddSingleton<IEventPublisher>(p => p.GetRequiredService<RuntimeServices>());
        services.AddSingleton<ITaskReporter>(p => p.GetRequiredService<RuntimeServices>());
        services.TryAddSingleton<ITaskDispatcher>(p => p.GetRequiredService<RuntimeServices>());
        services.AddSingleton<IWorkflowStarter>(p => p.GetRequiredService<RuntimeServices>());
        services.AddSingleton<IWorkflowRuntime>(p => p.GetRequiredService<RuntimeServices>());
        return services;
    }

    /// <summary>Serves the routes of published HTTP endpoints.</summary>
    public static IApplicationBuilder UseWorkflowHttpEndpoints(this IApplicationBuilder app) => app.UseMiddleware<WorkflowHttpMiddleware>();
}
