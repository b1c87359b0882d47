namespace PwWorkflows.Activities.Notifications;

/// <summary>The ToDos about workflows that can't go on without a person. The host writes them in the commit that stops the workflow.</summary>
public static class StuckWorkflowToDos
{
    /// <summary>The row that tells of a stopped workflow; nothing is written while one about it is open.</summary>
    /// <param name="instanceId">The workflow instance.</param>
    /// <param name="definitionId">Its definition.</param>
    /// <param name="correlationId">Its business key, such as an order number; <c>null</c> when it has none.</param>
    /// <param name="activityId">The step that failed; empty when it is the whole workflow.</param>
    /// <param name="message">What went wrong.</param>
    /// <param name="at">When (UTC).</param>
    public static (string Sql, IReadOnlyList<KeyValuePair<string, object?>> Values) Raise(
        string instanceId, string definitionId, string? correlationId, string activityId, string message, DateTimeOffset at) =>
        ToDoRows.Raise(
            correlationId is { Length: > 0 } ? correlationId : instanceId, definitionId, Marker(instanceId),
            $"The workflow {definitionId} stopped{(activityId.Length > 0 ? $" at the step {activityId}" : "")}: {message}\n"
                + $"Put the cause right, then let it go on from there: pw instances retry {instanceId}",
            at);

    /// <summary>The row that closes what <see cref="Raise"/> opened; nothing happens when there is none.</summary>
    /// <param name="instanceId">The workflow instance.</param>
    /// <param name="at">When it went on (UTC).</param>
    public static (string Sql, IReadOnlyList<KeyValuePair<string, object?>> Values) Close(string instanceId, DateTimeOffset at) =>
        ToDoRows.Close(Marker(instanceId), at);

    private static string Marker(string instanceId) => "workflow-stopped:" + instanceId;
}
