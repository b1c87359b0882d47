using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Notifications;

/// <summary>Instances stuck alike: one definition, one step, one error but for its numbers.</summary>
/// <param name="DefinitionId">The workflow.</param>
/// <param name="ActivityId">The step; empty when it is the whole workflow.</param>
/// <param name="Kind">Stands for the error.</param>
/// <param name="Message">The error of one of them.</param>
/// <param name="Count">How many.</param>
/// <param name="Retried">How many of them have been told to go on and have not come back yet.</param>
/// <param name="Since">When the first got stuck (UTC).</param>
/// <param name="Last">When the last got stuck (UTC).</param>
/// <param name="Needs">How many things that is for a person: runs of one schedule are one, because the next run does their work anew.</param>
public sealed record StuckGroup(string DefinitionId, string ActivityId, string Kind, string Message, long Count, long Retried, DateTimeOffset Since, DateTimeOffset Last, long Needs);

/// <summary>The table <c>stuck_instances</c>: what can't go on without a person. The host writes it in the commits that stop workflows and let them go on.</summary>
public sealed partial class StuckInstances(IPwDatabase database, TimeProvider time)
{
    /// <summary>How long a retry may take to show before the instance may be retried once more.</summary>
    private static readonly TimeSpan RetryShows = TimeSpan.FromMinutes(10);

    /// <summary>The row that notes a stopped workflow, again with what it stopped at now.</summary>
    /// <param name="instanceId">The workflow instance.</param>
    /// <param name="definitionId">Its definition.</param>
    /// <param name="correlationId">Its business key; <c>null</c> when it has none.</param>
    /// <param name="activityId">The step that failed; empty when it is the whole workflow.</param>
    /// <param name="message">What went wrong.</param>
    /// <param name="at">When (UTC).</param>
    /// <param name="scheduleId">The schedule it comes from; <c>null</c> when it comes from none.</param>
    public static (string Sql, IReadOnlyList<KeyValuePair<string, object?>> Values) Note(string instanceId, string definitionId, string? correlationId, string activityId, string message, DateTimeOffset at, string? scheduleId) =>
        ("""
         INSERT INTO stuck_instances (instance_id, definition_id, activity_id, kind, message, correlation_id, at, schedule_id) VALUES (@id, @definition, @activity, @kind, @message, @correlation, @at, @schedule)
         ON CONFLICT (instance_id) DO UPDATE SET activity_id = @activity, kind = @kind, message = @message, at = @at, retried_at = NULL
         """,
         Parameters.Of(("id", instanceId), ("definition", definitionId), ("activity", activityId), ("kind", KindOf(message)), ("message", message), ("correlation", correlationId), ("at", at), ("schedule", scheduleId)));

    /// <summary>The rows that forget what a schedule's workflow that ended well has done anew: those of it that got stuck before.</summary>
    /// <param name="scheduleId">The schedule.</param>
    /// <param name="definitionId">The workflow.</param>
    /// <param name="runId">The schedule's run that ended, after which later ones may have come; <c>null</c> for a workflow that it started.</param>
    /// <param name="at">When it ended (UTC).</param>
    internal static (string Sql, IReadOnlyList<KeyValuePair<string, object?>> Values) ForgetOfSchedule(string scheduleId, string definitionId, string? runId, DateTimeOffset at) =>
        ($"""
         DELETE FROM stuck_instances WHERE schedule_id = @schedule AND definition_id = @definition AND
         {(runId is null ? "at <= @at" : "instance_id IN (SELECT f.instance_id FROM schedule_runs f WHERE f.schedule_id = @schedule AND f.created_at <= (SELECT r.created_at FROM schedule_runs r WHERE r.id = @run))")}
         """,
         [.. Parameters.Of(("schedule", scheduleId), ("definition", definitionId)), .. runId is null ? Parameters.Of(("at", at)) : Parameters.Of(("run", runId))]);

    /// <summary>The row that forgets one that goes on.</summary>
    public static (string Sql, IReadOnlyList<KeyValuePair<string, object?>> Values) Forget(string instanceId) =>
        ("DELETE FROM stuck_instances WHERE instance_id = @id", Parameters.Of(("id", instanceId)));

    /// <summary>The groups, the largest first.</summary>
    /// <param name="take">At most so many.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<IReadOnlyList<StuckGroup>> GroupsAsync(int take, CancellationToken ct) =>
        await database.QueryAsync(
            """
            SELECT definition_id, activity_id, kind, MIN(message), COUNT(*), SUM(CASE WHEN retried_at IS NULL THEN 0 ELSE 1 END), MIN(at), MAX(at),
              COUNT(DISTINCT schedule_id) + SUM(CASE WHEN schedule_id IS NULL THEN 1 ELSE 0 END) FROM stuck_instances
            GROUP BY definition_id, activity_id, kind ORDER BY COUNT(*) DESC, MIN(at) LIMIT @take
            """,
            Parameters.Of(("take", (long)take)),
            static r => new StuckGroup(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetInt64(4), Convert.ToInt64(r.GetValue(5), System.Globalization.CultureInfo.InvariantCulture), r.Time(6), r.Time(7), r.GetInt64(8)), ct).ConfigureAwait(false);

    /// <summary>Takes those of a group that nobody has told to go on, each once however many people ask at the same moment.</summary>
    /// <param name="group">Definition, step and kind.</param>
    /// <param name="retry">Lets one go on; <c>false</c> when there is no such instance any more.</param>
    /// <param name="ct">Stops between two instances.</param>
    /// <returns>How many were told to go on.</returns>
    public async Task<int> RetryAsync((string DefinitionId, string ActivityId, string Kind) group, Func<string, CancellationToken, Task<bool>> retry, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(retry);
        var (told, after) = (0, "");
        while (true)
        {
            var ids = await database.QueryAsync(
                "SELECT instance_id FROM stuck_instances WHERE definition_id = @definition AND activity_id = @activity AND kind = @kind AND instance_id > @after ORDER BY instance_id LIMIT 200",
                Parameters.Of(("definition", group.DefinitionId), ("activity", group.ActivityId), ("kind", group.Kind), ("after", after)), static r => r.GetString(0), ct).ConfigureAwait(false);
            foreach (var id in ids)
            {
                var now = time.GetUtcNow();
                var mine = await database.ExecuteAsync(
                    "UPDATE stuck_instances SET retried_at = @now WHERE instance_id = @id AND (retried_at IS NULL OR retried_at < @old)", Parameters.Of(("now", now), ("id", id), ("old", now - RetryShows)), ct).ConfigureAwait(false);
                if (mine == 0) continue;
                if (await retry(id, ct).ConfigureAwait(false)) told++;
                else await database.ExecuteAsync("DELETE FROM stuck_instances WHERE instance_id = @id", Parameters.Of(("id", id)), ct).ConfigureAwait(false);
            }

            if (ids.Count < 200) return told;
            after = ids[^1];
        }
    }

    /// <summary>The same for two errors that differ in numbers and ids only.</summary>
    internal static string KindOf(string message) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Numbers().Replace(message, "#"))))[..16];

    [GeneratedRegex("[0-9A-Fa-f]{8,}|[0-9]+")]
    private static partial Regex Numbers();
}
