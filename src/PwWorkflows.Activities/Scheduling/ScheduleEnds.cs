using System.Globalization;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>The rows about a scheduled run that ends. The host writes them in the commit that ends its workflow instance.</summary>
internal static class ScheduleEnds
{
    /// <summary>Property of an instance that names its run.</summary>
    public const string Run = "ScheduledRun";

    /// <summary>Property of an instance that tells when it was to start.</summary>
    public const string Due = "ScheduledDue";

    /// <summary>Property of an instance that names the schedule it comes from; those that a run starts inherit it. Dry runs have none: whoever asked for one sees what becomes of it.</summary>
    public const string By = "ScheduledBy";

    /// <summary>The schedule that an instance comes from; <c>null</c> when it comes from none.</summary>
    public static string? ScheduleOf(IDictionary<string, object> properties) => properties.TryGetValue(By, out var by) && by?.ToString() is { Length: > 0 } id ? id : null;

    /// <summary>The statements for an instance that ended; none when it comes from no schedule.</summary>
    /// <param name="definitionId">Its definition.</param>
    /// <param name="properties">Properties of the instance.</param>
    /// <param name="outcome"><c>finished</c>, <c>failed</c> or <c>cancelled</c>.</param>
    /// <param name="error">What went wrong.</param>
    /// <param name="startedAt">When the instance was made.</param>
    /// <param name="at">When it ended.</param>
    public static IEnumerable<ScheduleWrite> Of(string definitionId, IDictionary<string, object> properties, string outcome, string? error, DateTimeOffset startedAt, DateTimeOffset at)
    {
        var id = RunOf(properties);
        IEnumerable<ScheduleWrite> writes = id is null ? [] : OfRun(id, properties, outcome, error, startedAt, at);
        if (outcome != "finished" || ScheduleOf(properties) is not { } schedule) return writes;
        var (sql, values) = StuckWorkflowToDos.CloseOfSchedule(schedule, definitionId, id, at);
        var (forget, whose) = StuckInstances.ForgetOfSchedule(schedule, definitionId, id, at);
        return [.. writes, new ScheduleWrite(sql, values), new ScheduleWrite(forget, whose)];
    }

    /// <summary>The statements for an instance that failed and goes on, because it is retried; none when it comes from no schedule. Its run goes on with it: it counts for overlap and has its deadline from now.</summary>
    /// <param name="properties">Properties of the instance.</param>
    /// <param name="at">When it goes on.</param>
    public static IEnumerable<ScheduleWrite> GoesOn(IDictionary<string, object> properties, DateTimeOffset at)
    {
        if (RunOf(properties) is not { } id) yield break;
        // The schedule's row first, as everywhere. It is looked at "since ever", and so is the run: whoever looks sets the deadline by the clock of the database.
        yield return new ScheduleWrite(
            "UPDATE schedules SET revision = revision + 1, running = running + 1, failed = failed - 1, alert_at = @ever, wake_at = @ever WHERE id = (SELECT r.schedule_id FROM schedule_runs r WHERE r.id = @run AND r.outcome = 'failed')",
            Parameters.Of(("run", id), ("ever", DateTimeOffset.UnixEpoch)));
        yield return new ScheduleWrite(
            "UPDATE schedule_runs SET outcome = 'running', retries = retries + 1, retried_at = @now, failed_at = ended_at, failure = error, ended_at = NULL, error = NULL, alert_at = @ever WHERE id = @run AND outcome = 'failed'",
            Parameters.Of(("run", id), ("now", at), ("ever", DateTimeOffset.UnixEpoch)));
    }

    private static string? RunOf(IDictionary<string, object> properties) => properties.TryGetValue(Run, out var run) && run?.ToString() is { Length: > 0 } text ? text : null;

    private static IEnumerable<ScheduleWrite> OfRun(string id, IDictionary<string, object> properties, string outcome, string? error, DateTimeOffset startedAt, DateTimeOffset at)
    {
        long? late = properties.TryGetValue(Due, out var text) && DateTimeOffset.TryParse(text?.ToString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var due)
            ? (long)Math.Max(0, (startedAt - due).TotalMilliseconds) : null;
        return Of(id, outcome, error, startedAt, late, at);
    }

    /// <summary>The statements for the run with an id.</summary>
    public static IEnumerable<ScheduleWrite> Of(string runId, string outcome, string? error, DateTimeOffset? startedAt, long? late, DateTimeOffset at)
    {
        // The schedule's row first, as everywhere, so that no two writers wait for each other. Each run is counted once, as what it ended as: one that failed and was retried is no failure any more.
        // Something may wait for this end, so the schedule is looked at again: since ever, because this node's clock is not the one that is compared with.
        yield return new ScheduleWrite(
            """
            UPDATE schedules SET revision = revision + 1,
              running = running - (SELECT count(*) FROM schedule_runs r WHERE r.id = @run AND r.outcome = 'running'),
              finished = finished + @finished, failed = failed + @failed - (SELECT count(*) FROM schedule_runs r WHERE r.id = @run AND r.outcome = 'failed'), cancelled = cancelled + @cancelled, last_outcome = @outcome,
              last_finished_nominal_at = coalesce((SELECT r.nominal_at FROM schedule_runs r WHERE r.id = @run AND NOT r.dry_run AND @finished = 1 AND (last_finished_nominal_at IS NULL OR r.nominal_at > last_finished_nominal_at)), last_finished_nominal_at),
              wake_at = CASE WHEN waiting > 0 OR overdue OR alerting THEN @ever ELSE wake_at END
            WHERE id = (SELECT r.schedule_id FROM schedule_runs r WHERE r.id = @run AND r.outcome IN ('running', 'failed'))
            """,
            Parameters.Of(("run", runId), ("finished", outcome == "finished" ? 1 : 0), ("failed", outcome == "failed" ? 1 : 0), ("cancelled", outcome == "cancelled" ? 1 : 0), ("outcome", outcome), ("ever", DateTimeOffset.UnixEpoch)));
        // What it had failed of before a retry is not what is wrong with it when it ends well.
        yield return new ScheduleWrite(
            $"UPDATE schedule_runs SET outcome = @outcome, ended_at = @now, error = {(outcome == "finished" ? "NULLIF(@error, failure)" : "@error")}, started_at = coalesce(@started, started_at), late_ms = coalesce(@late, late_ms), alert_at = NULL WHERE id = @run AND outcome IN ('running', 'failed')",
            Parameters.Of(("outcome", outcome), ("now", at), ("error", error), ("started", startedAt), ("late", late), ("run", runId)));
    }
}
