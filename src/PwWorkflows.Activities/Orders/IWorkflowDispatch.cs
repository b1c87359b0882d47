namespace PwWorkflows.Activities.Orders;

/// <summary>Starts published workflows by their id. How a definition is found differs between engines; this is all that activities need of it.</summary>
public interface IWorkflowDispatch
{
    /// <summary>Starts the published version in the background; inside a workflow step the start is part of the step's commit.</summary>
    /// <param name="definitionId">Definition id, such as <c>service-fcc-499a</c>.</param>
    /// <param name="correlationId">What the instance is about, such as an order's number.</param>
    /// <param name="input">The workflow's input by name.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <returns><c>false</c> when no such workflow is published; nothing was started then.</returns>
    Task<bool> TryDispatchAsync(string definitionId, string correlationId, IDictionary<string, object> input, CancellationToken ct);
}
