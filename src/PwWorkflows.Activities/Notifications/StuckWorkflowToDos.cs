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
        ToDoRows.Raise(
            correlationId is { Length: > 0 } ? correlationId : instanceId, definitionId, Marker(instanceId),
            $"The workflow {definitionId} stopped{(activityId.Length > 0 ? $" at the step {activityId}" : "")}: {message}\n"
                + $"Put the cause right, then let it go on from there: pw instances retry {instanceId}",
            at);

    /// <summary>
    /// The row that tells of a stopped workflow that a schedule started, itself or by way of another: one for all its runs that stop at the same step, because the next run does the same work anew.
    /// </summary>
    /// <param name="scheduleId">The schedule.</param>
    /// <param name="instanceId">The workflow instance.</param>
    /// <param name="definitionId">Its definition.</param>
    /// <param name="activityId">The step that failed; empty when it is the whole workflow.</param>
    /// <param name="message">What went wrong.</param>
    /// <param name="at">When (UTC).</param>
    public static (string Sql, IReadOnlyList<KeyValuePair<string, object?>> Values) RaiseOfSchedule(
        string scheduleId, string instanceId, string definitionId, string activityId, string message, DateTimeOffset at) =>
        ("""
         INSERT INTO admin_todos (order_number, service_slug, marker, instructions, status, created_at) SELECT s.name, @slug, @marker, @instructions, 'open', @now FROM schedules s WHERE s.id = @schedule
         ON CONFLICT (order_number, marker) WHERE status = 'open' DO NOTHING
         """,
         Parameters.Of(("slug", definitionId), ("marker", $"{Marker(definitionId)}:{activityId}"),
             ("instructions", $"The workflow {definitionId} stopped{(activityId.Length > 0 ? $" at the step {activityId}" : "")}: {message}\n"
                 + $"Put the cause right. The next run does the work anew, and this closes itself when one finishes. To let the first run that stopped go on from there: pw instances retry {instanceId}"),
             ("now", at), ("schedule", scheduleId)));

    /// <summary>The row that closes what <see cref="RaiseOfSchedule"/> opened about a workflow, when an instance of it ended well.</summary>
    /// <param name="scheduleId">The schedule.</param>
    /// <param name="definitionId">The workflow.</param>
    /// <param name="runId">The schedule's run that ended; <c>null</c> for a workflow that it started. While a run that came later stands failed, nothing is closed.</param>
    /// <param name="at">When (UTC).</param>
    internal static (string Sql, IReadOnlyList<KeyValuePair<string, object?>> Values) CloseOfSchedule(string scheduleId, string definitionId, string? runId, DateTimeOffset at)
    {
        var mark = Marker(definitionId) + ":";
        return ($"""
             UPDATE admin_todos SET status = 'closed', closed_at = @now WHERE status = 'open' AND order_number = (SELECT s.name FROM schedules s WHERE s.id = @schedule) AND substr(marker, 1, @length) = @mark
             {(runId is null ? "" : "AND NOT EXISTS (SELECT 1 FROM schedule_runs f WHERE f.schedule_id = @schedule AND f.outcome = 'failed' AND f.created_at > (SELECT r.created_at FROM schedule_runs r WHERE r.id = @run))")}
             """,
            [.. Parameters.Of(("now", at), ("schedule", scheduleId), ("length", mark.Length), ("mark", mark)), .. runId is null ? [] : Parameters.Of(("run", runId))]);
    }

    /// <summary>Whether a ToDo's marker is one of <see cref="RaiseOfSchedule"/>: its subject is the schedule's name.</summary>
    internal static bool IsOfSchedule(string marker) => marker.StartsWith(Prefix, StringComparison.Ordinal) && marker.AsSpan(Prefix.Length).Contains(':');

    /// <summary>The row that closes what <see cref="Raise"/> opened; nothing happens when there is none.</summary>
    /// <param name="instanceId">The workflow instance.</param>
    /// <param name="at">When it went on (UTC).</param>
    public static (string Sql, IReadOnlyList<KeyValuePair<string, object?>> Values) Close(string instanceId, DateTimeOffset at) =>
        ToDoRows.Close(Marker(instanceId), at);

    /// <summary>Begins the marker of every ToDo about a stopped workflow.</summary>
    internal const string Prefix = "workflow-stopped:";

    private static string Marker(string what) => Prefix + what;
}
