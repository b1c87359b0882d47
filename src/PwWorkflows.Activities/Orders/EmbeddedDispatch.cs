using Elsa.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace PwWorkflows.Activities.Orders;

/// <summary>Starts workflows of PwWorkflows.Engine, which finds a published definition by its id. Not compiled for the upstream engine, whose host brings its own.</summary>
internal sealed class EmbeddedDispatch(IWorkflowDispatcher dispatcher) : IWorkflowDispatch
{
    public async Task<bool> TryDispatchAsync(string definitionId, string correlationId, IDictionary<string, object> input, CancellationToken ct)
    {
        var request = new DispatchWorkflowDefinitionRequest { DefinitionId = definitionId, CorrelationId = correlationId, Input = input };
        return (await dispatcher.DispatchAsync(request, cancellationToken: ct).ConfigureAwait(false)).Succeeded;
    }
}

public static partial class OrdersRegistration
{
    static partial void AddDispatch(IServiceCollection services) => services.TryAddSingleton<IWorkflowDispatch, EmbeddedDispatch>();
}
