using System.Globalization;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Admin;

/// <summary>A line of a run's log.</summary>
/// <param name="At">When (UTC).</param>
/// <param name="Text">What happened.</param>
public sealed record ScheduleLogLine(DateTimeOffset At, string Text);

/// <summary>What an instance did.</summary>
/// <param name="Lines">Oldest first.</param>
/// <param name="Whole">Its journal has no more than was read for them.</param>
internal sealed record InstanceSteps(IReadOnlyList<ScheduleLogLine> Lines, bool Whole);

/// <summary>A coming run.</summary>
/// <param name="At">The due time (UTC).</param>
/// <param name="Local">The same by the wall clock of the schedule's zone, with its offset.</param>
/// <param name="Note">That clocks change on this day; <c>null</c> on others.</param>
public sealed record ComingRun(DateTimeOffset At, string Local, string? Note);

/// <summary>Tells of runs: what they did, and of schedules when the next ones come.</summary>
internal sealed class ScheduleHistory(IWorkflowAdmin workflows)
{
    /// <summary>Most lines of one run.</summary>
    public const int MostLines = 1000;

    /// <summary>Most workflows that one started of which the log tells.</summary>
    private const int MostChildren = 50;

    /// <summary>How deep the log follows workflows that start others.</summary>
    private const int Deepest = 3;

    private static readonly string[] Containers = ["Elsa.Flowchart", "Elsa.Sequence", "Elsa.Workflow", "Elsa.Parallel"];

    /// <summary>
    /// What a run did, step by step, from its start to its end, with what the workflows did that it started; those may go on after its end. What an ended instance's journal no longer holds is missing.
    /// </summary>
    public async Task<IReadOnlyList<ScheduleLogLine>> LinesAsync(ScheduleRunView run, CancellationToken ct)
    {
        var lines = new List<ScheduleLogLine>();
        if (run.StartedAt is { } started) lines.Add(new ScheduleLogLine(started, Started(run)));
        if (run.InstanceId is { } instance && await StepsAsync(instance, ct).ConfigureAwait(false) is { } steps) lines.AddRange(steps.Lines);
        if (run is { RetriedAt: { } retried, FailedAt: { } failed })
        {
            // Between the two it did nothing.
            var goesOn = lines.FindIndex(l => l.At >= retried);
            lines.InsertRange(goesOn < 0 ? lines.Count : goesOn,
                [new ScheduleLogLine(failed, "failed: " + (run.Failure ?? "").ReplaceLineEndings(" ")), new ScheduleLogLine(retried, string.Create(CultureInfo.InvariantCulture, $"told to go on (retry {run.Retries})"))]);
        }

        if (Ended(run) is { } ended) lines.Add(ended);
        return run.InstanceId is { } parent ? await WithChildrenAsync(lines, parent, Deepest, ct).ConfigureAwait(false) : lines;
    }

    /// <summary>Puts the lines of the workflows that an instance started between its own, in the order of their times; each journal keeps its own order, because nodes' clocks may differ.</summary>
    private async Task<List<ScheduleLogLine>> WithChildrenAsync(List<ScheduleLogLine> lines, string parent, int depth, CancellationToken ct)
    {
        var (children, _) = await workflows.ListInstancesAsync(new WorkflowInstanceQuery { ParentId = parent, Take = MostChildren }, ct).ConfigureAwait(false);
        foreach (var child in children.OrderBy(static c => c.CreatedAt).ThenBy(static c => c.Id, StringComparer.Ordinal))
        {
            if (lines.Count >= MostLines) break;
            if (await StepsAsync(child.Id, ct).ConfigureAwait(false) is not { } steps) continue;
            List<ScheduleLogLine> mine = [.. steps.Lines];
            if (child.FinishedAt is { } end) mine.Add(new ScheduleLogLine(end, child.Status));
            if (depth > 1) mine = await WithChildrenAsync(mine, child.Id, depth - 1, ct).ConfigureAwait(false);
            lines = Merged(lines, [.. mine.Take(MostLines - lines.Count).Select(l => l with { Text = $"{child.DefinitionId}: {l.Text}" })]);
        }

        return lines;
    }

    private static List<ScheduleLogLine> Merged(List<ScheduleLogLine> one, List<ScheduleLogLine> other)
    {
        var merged = new List<ScheduleLogLine>(one.Count + other.Count);
        var next = 0;
        for (var i = 0; i < one.Count; i++)
        {
            // The end comes last, also within the same moment.
            while (next < other.Count && (other[next].At < one[i].At || (i == one.Count - 1 && other[next].At == one[i].At))) merged.Add(other[next++]);
            merged.Add(one[i]);
        }

        merged.AddRange(other.Skip(next));
        return merged;
    }

    /// <summary>What an instance did, step by step: the first <see cref="MostLines"/> entries of its journal; <c>null</c> when there is no such instance.</summary>
    public async Task<InstanceSteps?> StepsAsync(string instance, CancellationToken ct)
    {
        if (await workflows.GetJournalAsync(instance, 0, MostLines, ct).ConfigureAwait(false) is not { } entries) return null;
        var lines = new List<ScheduleLogLine>();
        foreach (var e in entries)
        {
            var containers = e.ActivityType is null || Containers.Contains(e.ActivityType);
            if (e.Message is { Length: > 0 } message) lines.Add(new ScheduleLogLine(e.At, $"{e.ActivityId}: {(e.Event is "Report" or "DryRun" ? "" : e.Event + ": ")}{message.ReplaceLineEndings(" ")}"));
            else if (!containers && e.Event != "Started") lines.Add(new ScheduleLogLine(e.At, $"{e.ActivityId}: {e.Event}"));
        }

        return new InstanceSteps(lines, entries.Count < MostLines);
    }

    /// <summary>The last line of a run; <c>null</c> while it waits or goes on.</summary>
    public static ScheduleLogLine? Ended(ScheduleRunView run)
    {
        var times = run.Covers > 1 ? string.Create(CultureInfo.InvariantCulture, $"{run.Covers} due times from {run.CoversFrom.UtcDateTime:yyyy-MM-dd HH:mm:ss} to {run.NominalAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC") : $"due time {Utc(run.NominalAt)}";
        return run.EndedAt is not { } at ? null : new ScheduleLogLine(at, run.Outcome switch
        {
            "skipped" or "missed" => $"{times} {run.Outcome}: {Why(run.Reason)}",
            _ => $"{run.Outcome}{(run.DurationMs is { } ms ? " after " + Length(TimeSpan.FromMilliseconds(ms)) : "")}{(run.Retries == 0 ? "" : ", " + Retries(run))}{(run.Error is null ? "" : ": " + run.Error.ReplaceLineEndings(" "))}",
        });
    }

    /// <summary>Such as <c>2 retries</c>.</summary>
    public static string Retries(ScheduleRunView run) => run.Retries == 1 ? "1 retry" : string.Create(CultureInfo.InvariantCulture, $"{run.Retries} retries");

    /// <summary>A reason in words.</summary>
    public static string Why(string? reason) => reason switch
    {
        "overlap" => "an earlier run went on (overlap)",
        "superseded" => "a later one took its place in the queue (superseded)",
        "paused" => "the schedule was paused",
        "retracted" => "the workflow was retracted",
        "changed" => "the cadence was changed",
        "down" => "nobody was there to run it (down)",
        "window" => "it was too old to be caught up (window)",
        "limit" => "more than may be caught up (limit)",
        _ => reason ?? "",
    };

    /// <summary>The due times of a cadence within a span.</summary>
    public static IReadOnlyList<ComingRun> Coming(Cadence cadence, DateTimeOffset after, DateTimeOffset until, int most) =>
        [.. cadence.Between(after, until).Take(most).Select(at =>
        {
            var local = TimeZoneInfo.ConvertTime(at, cadence.Zone);
            return new ComingRun(at, local.ToString("ddd yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture), ClockChange(cadence.Zone, local.Date));
        })];

    /// <summary>What happens to the clocks of a zone on a day; <c>null</c> on most.</summary>
    public static string? ClockChange(TimeZoneInfo zone, DateTime day)
    {
        // At noon of the day before and of the day itself: no zone changes its clocks at noon.
        var change = zone.GetUtcOffset(day.Date.AddHours(12)) - zone.GetUtcOffset(day.Date.AddHours(-12));
        return change == TimeSpan.Zero ? null : change > TimeSpan.Zero ? $"clocks go forward by {Length(change)}" : $"clocks go back by {Length(-change)}";
    }

    /// <summary>A short length of time, to the millisecond below a second.</summary>
    public static string Length(TimeSpan length) => length.TotalSeconds < 1 ? string.Create(CultureInfo.InvariantCulture, $"{(long)length.TotalMilliseconds} ms")
        : length.TotalSeconds < 10 ? string.Create(CultureInfo.InvariantCulture, $"{length.TotalSeconds:0.0} s") : CadenceWords.Length(length);

    private static string Started(ScheduleRunView run) =>
        (run.Cause == "manual" ? $"started, asked for by {run.RequestedBy ?? "somebody"}" : $"started for {Utc(run.NominalAt)}{(run.LateMs is { } late ? $", {Length(TimeSpan.FromMilliseconds(late))} late" : "")}")
        + (run.DryRun ? ", dry run" : "") + (run.CaughtUp ? run.Covers > 1 ? string.Create(CultureInfo.InvariantCulture, $", makes up for {run.Covers} due times") : ", caught up" : "");

    private static string Utc(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) + " UTC";
}
