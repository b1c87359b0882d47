using PwWorkflows.Activities.Data;

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
        ("""
         INSERT INTO admin_todos (order_number, service_slug, marker, instructions, sales_order, status, created_at)
         VALUES (@order, @definition, @marker, @instructions, (SELECT erpnext_sales_order FROM compliance_orders WHERE order_number = @order), 'open', @now)
         ON CONFLICT (order_number, marker) WHERE status = 'open' DO NOTHING
         """,
         Parameters.Of(
             ("order", correlationId is { Length: > 0 } ? correlationId : instanceId),
             ("definition", definitionId),
             ("marker", Marker(instanceId)),
             ("instructions", $"The workflow {definitionId} stopped{(activityId.Length > 0 ? $" at the step {activityId}" : "")}: {message}\n"
                 + $"Put the cause right, then let it go on from there: pw instances retry {instanceId}"),
             ("now", at)));

    /// <summary>The row that closes what <see cref="Raise"/> opened; nothing happens when there is none.</summary>
    /// <param name="instanceId">The workflow instance.</param>
    /// <param name="at">When it went on (UTC).</param>
    public static (string Sql, IReadOnlyList<KeyValuePair<string, object?>> Values) Close(string instanceId, DateTimeOffset at) =>
        ("UPDATE admin_todos SET status = 'closed', closed_at = @now WHERE marker = @marker AND status = 'open'",
         Parameters.Of(("now", at), ("marker", Marker(instanceId))));

    private static string Marker(string instanceId) => "workflow-stopped:" + instanceId;
}
