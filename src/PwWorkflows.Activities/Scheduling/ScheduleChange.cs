using System.Globalization;
using System.Text.Json;
using PwWorkflows.Activities.Approvals;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>Collects what one step changes of one schedule: its row, the rows of its runs, what is started and what is asked to stop. Everything is written in one transaction, or nothing.</summary>
internal sealed class ScheduleChange(ScheduleRow row, DateTimeOffset now, string node)
{
    private const string InsertRun =
        """
        INSERT INTO schedule_runs (id, schedule_id, cause, nominal_at, covers_from, covers, due_at, outcome, reason, caught_up, dry_run, started_at, ended_at, late_ms, instance_id, version, node, requested_by, error, alert_at, alerted, created_at)
        VALUES (@id, @schedule, @cause, @nominal, @from, @covers, @due, @outcome, @reason, @caught_up, @dry_run, @started, @ended, @late, @instance, @version, @node, @by, NULL, @alert, @alerted, @now)
        """;

    private readonly long _revision = row.Revision;
    private readonly Dictionary<string, long> _fates = new(row.Fates, StringComparer.Ordinal);
    private readonly List<ScheduleWrite> _writes = [];

    /// <summary>The schedule as it will be.</summary>
    public ScheduleRow Row { get; set; } = row;

    public DateTimeOffset Now { get; } = now;

    public List<ScheduleStart> Starts { get; } = [];

    public List<string> Cancels { get; } = [];

    /// <summary>Somebody is to look at once whether what waits can start, although something runs: that may be a dry run.</summary>
    public bool LookAgain { get; set; }

    /// <summary>What there is to tell once it is written.</summary>
    public List<Action<Microsoft.Extensions.Logging.ILogger>> Tell { get; } = [];

    /// <summary>Takes a planned run in.</summary>
    /// <param name="run">What was decided.</param>
    /// <param name="manual">Somebody asked for it.</param>
    /// <param name="by">Who.</param>
    /// <param name="dryRun">It shall change nothing.</param>
    /// <returns>Its id.</returns>
    public string Add(PlannedRun run, bool manual = false, string? by = null, bool dryRun = false)
    {
        var id = Guid.CreateVersion7(Now).ToString("N");
        var due = manual ? run.Nominal : ScheduleRules.DueAt(Row.Id, Row.Settings, run.Nominal);
        var late = (long)Math.Max(0, (Now - due).TotalMilliseconds);
        var starts = run.Fate == Fate.Start;
        // What makes up for missed times is late by its nature; the other runs are not to be later than the deadline.
        var tooLate = starts && !run.CaughtUp && !manual && Row.Settings.Deadline is { } deadline && Now - due > deadline;
        var alert = Row.Settings.Deadline is { } longest && run.Fate is Fate.Start or Fate.Wait ? (starts || run.CaughtUp ? Now : due) + Row.Settings.Deadline : null;
        if (tooLate) alert = null;
        _writes.Add(new ScheduleWrite(InsertRun, Parameters.Of(
            ("id", id), ("schedule", Row.Id), ("cause", manual ? "manual" : "due"), ("nominal", run.Nominal), ("from", run.From), ("covers", manual ? 0 : run.Covers), ("due", due),
            ("outcome", run.Fate switch { Fate.Start => "running", Fate.Wait => "waiting", Fate.Skip => "skipped", _ => "missed" }), ("reason", run.Reason), ("caught_up", run.CaughtUp), ("dry_run", dryRun),
            ("started", starts ? Now : null), ("ended", run.Reason is null ? null : Now), ("late", starts ? late : null), ("instance", starts ? id : null), ("version", starts ? Row.Version : null), ("node", node), ("by", by),
            ("alert", alert), ("alerted", tooLate), ("now", Now))));
        if (alert is { } at && (Row.AlertAt is null || at < Row.AlertAt)) Row = Row with { AlertAt = at };
        switch (run.Fate)
        {
            case Fate.Start:
                Start(id, run.Nominal, due, run.CaughtUp, dryRun, manual ? 1 : run.Covers, manual, late, by);
                if (tooLate) Alert(id, $"{Row.Name} started {CadenceWords.Length(Now - due)} late; its deadline is {CadenceWords.Length(Row.Settings.Deadline!.Value)}.");
                break;
            case Fate.Wait:
                Row = Row with { Waiting = Row.Waiting + 1 };
                break;
            default:
                Count(run);
                break;
        }

        return id;
    }

    /// <summary>Starts a run that waited.</summary>
    public void Promote(OpenRun run)
    {
        var late = (long)Math.Max(0, (Now - run.DueAt).TotalMilliseconds);
        var alert = Now + Row.Settings.Deadline;
        _writes.Add(new ScheduleWrite(
            "UPDATE schedule_runs SET outcome = 'running', started_at = @now, late_ms = @late, instance_id = @id, version = @version, node = @node, alert_at = @alert WHERE id = @id AND outcome = 'waiting'",
            Parameters.Of(("now", Now), ("late", late), ("id", run.Id), ("version", Row.Version), ("node", node), ("alert", alert)), 1));
        if (alert is { } at && (Row.AlertAt is null || at < Row.AlertAt)) Row = Row with { AlertAt = at };
        Row = Row with { Waiting = Row.Waiting - 1 };
        Start(run.Id, run.Nominal, run.DueAt, run.CaughtUp, run.DryRun, Math.Max(1, run.Covers), run.Cause == "manual", late, run.RequestedBy);
    }

    /// <summary>Lets a run that waited not run.</summary>
    public void Drop(OpenRun run, string reason)
    {
        _writes.Add(new ScheduleWrite(
            "UPDATE schedule_runs SET outcome = 'skipped', reason = @reason, ended_at = @now, alert_at = NULL WHERE id = @id AND outcome = 'waiting'",
            Parameters.Of(("reason", reason), ("now", Now), ("id", run.Id)), 1));
        Row = Row with { Waiting = Row.Waiting - 1 };
        if (run.Cause == "due") Count(new PlannedRun(run.Nominal, run.Nominal, run.Covers, run.CaughtUp, Fate.Skip, reason));
    }

    /// <summary>Tells people of a run that is past its deadline.</summary>
    public void Alert(string runId, string message)
    {
        Row = Row with { Alerting = true };
        Raise("schedule-deadline", $"{message}\nSee: pw schedules history {Row.Name}. This closes itself when no run is past its deadline any more.");
        var name = Row.Name;
        Tell.Add(l => ScheduleLog.PastDeadline(l, name, runId));
    }

    /// <summary>Gives a run that was told to go on its deadline from now.</summary>
    public void Rearm(OpenRun run) =>
        _writes.Add(new ScheduleWrite("UPDATE schedule_runs SET alert_at = @at WHERE id = @id", Parameters.Of(("at", Now + Row.Settings.Deadline), ("id", run.Id))));

    /// <summary>Marks a run as told of.</summary>
    public void MarkAlerted(OpenRun run) =>
        _writes.Add(new ScheduleWrite("UPDATE schedule_runs SET alerted = @yes, alert_at = NULL WHERE id = @id", Parameters.Of(("yes", true), ("id", run.Id))));

    /// <summary>Raises a ToDo, unless one like it is open.</summary>
    public void Raise(string marker, string instructions) => _writes.Add(new ScheduleWrite(
        """
        INSERT INTO admin_todos (order_number, service_slug, marker, instructions, sales_order, status, created_at) VALUES (@order, @slug, @marker, @instructions, NULL, 'open', @now)
        ON CONFLICT (order_number, marker) WHERE status = 'open' DO NOTHING
        """,
        Parameters.Of(("order", Row.Name), ("slug", Row.DefinitionId), ("marker", marker), ("instructions", instructions), ("now", Now))));

    /// <summary>Closes a ToDo whose reason is gone.</summary>
    public void Close(string marker) => _writes.Add(new ScheduleWrite(
        "UPDATE admin_todos SET status = 'closed', closed_at = @now WHERE order_number = @order AND marker = @marker AND status = 'open'",
        Parameters.Of(("now", Now), ("order", Row.Name), ("marker", marker))));

    /// <summary>Closes the ToDos about the schedule under a name that it has no more, or that nothing runs under any more.</summary>
    public void CloseAll(string name, bool deadline) => _writes.Add(new ScheduleWrite(
        $"UPDATE admin_todos SET status = 'closed', closed_at = @now WHERE order_number = @order AND (marker = 'schedule-overdue'{(deadline ? " OR marker = 'schedule-deadline'" : "")} OR marker LIKE '{StuckWorkflowToDos.Prefix}%') AND status = 'open'",
        Parameters.Of(("now", Now), ("order", name))));

    /// <summary>Everything to be written, the schedule's own row first: whoever read an older one is stopped there.</summary>
    public IReadOnlyList<ScheduleWrite> Finish()
    {
        var active = Row.IsActive;
        var cadence = Row.Cadence;
        var next = active ? cadence.Next(Row.Cursor) : null;
        DateTimeOffset? wake = next is { } nominal ? ScheduleRules.DueAt(Row.Id, Row.Settings, nominal) : null;
        if (active && !Row.Overdue) wake = Earlier(wake, Row.OverdueAt);
        wake = Earlier(wake, Row.AlertAt);
        if (Row.State != "retired" && Row.Waiting > 0 && (LookAgain || Row.Running == 0 || Row.Settings.Overlap == Overlap.Allow)) wake = Now;
        Row = Row with { NextAt = next, Revision = _revision + 1 };
        return
        [
            new ScheduleWrite(
                """
                UPDATE schedules SET name = @name, version_id = @version_id, version = @version, activity_id = @activity, settings = @settings, anchor = @anchor, state = @state, revision = revision + 1, cursor_at = @cursor,
                  next_at = @next, wake_at = @wake, waiting = @waiting, running = @running, last_run_at = @last_run, last_nominal_at = @last_nominal, last_late_ms = @last_late, watched_from = @watched, overdue_at = @overdue_at,
                  overdue = @overdue, alert_at = @alert, alerting = @alerting, fates = @fates, paused_at = @paused_at, paused_by = @paused_by, pause_reason = @pause_reason, updated_at = @now
                WHERE id = @id AND revision = @revision
                """,
                [.. Values(wake), new("revision", _revision)], 1),
            .. _writes,
        ];
    }

    /// <summary>Everything to be written for a schedule that is new.</summary>
    public IReadOnlyList<ScheduleWrite> FinishNew()
    {
        var next = Row.IsActive ? Row.Cadence.Next(Row.Cursor) : null;
        Row = Row with { NextAt = next };
        return
        [
            new ScheduleWrite(
                """
                INSERT INTO schedules (id, definition_id, name, version_id, version, activity_id, settings, anchor, state, revision, cursor_at, next_at, wake_at, waiting, running, last_run_at, last_nominal_at, last_late_ms, watched_from,
                  overdue_at, overdue, alert_at, alerting, fates, paused_at, paused_by, pause_reason, created_at, updated_at)
                VALUES (@id, @definition, @name, @version_id, @version, @activity, @settings, @anchor, @state, 0, @cursor, @next, @wake, @waiting, @running, @last_run, @last_nominal, @last_late, @watched,
                  @overdue_at, @overdue, @alert, @alerting, @fates, @paused_at, @paused_by, @pause_reason, @now, @now)
                """,
                [.. Values(next is { } nominal ? ScheduleRules.DueAt(Row.Id, Row.Settings, nominal) : null), new("definition", Row.DefinitionId)]),
        ];
    }

    private IReadOnlyList<KeyValuePair<string, object?>> Values(DateTimeOffset? wake) => Parameters.Of(
        ("id", Row.Id), ("name", Row.Name), ("version_id", Row.VersionId), ("version", Row.Version), ("activity", Row.ActivityId), ("settings", ScheduleRow.Write(Row.Settings)), ("anchor", Row.Anchor), ("state", Row.State),
        ("cursor", Row.Cursor), ("next", Row.NextAt), ("wake", wake), ("waiting", Row.Waiting), ("running", Row.Running), ("last_run", Row.LastRunAt), ("last_nominal", Row.LastNominalAt), ("last_late", Row.LastLateMs),
        ("watched", Row.WatchedFrom), ("overdue_at", Row.OverdueAt), ("overdue", Row.Overdue), ("alert", Row.AlertAt), ("alerting", Row.Alerting), ("fates", JsonSerializer.Serialize(_fates)), ("paused_at", Row.PausedAt),
        ("paused_by", Row.PausedBy), ("pause_reason", Row.PauseReason), ("now", Now));

    private static DateTimeOffset? Earlier(DateTimeOffset? a, DateTimeOffset? b) => a is null || b < a ? b ?? a : a;

    private void Start(string id, DateTimeOffset nominal, DateTimeOffset due, bool caughtUp, bool dryRun, long covers, bool manual, long late, string? by)
    {
        Row = Row with { Running = Row.Running + 1, LastRunAt = Now, LastNominalAt = nominal, LastLateMs = late };
        if (!manual) Bump(caughtUp ? "caught_up" : "ran", covers);
        var properties = new Dictionary<string, object?> { [ScheduleEnds.Run] = id, [ScheduleEnds.Due] = due.UtcDateTime.ToString("O", CultureInfo.InvariantCulture) };
        // Whoever runs it by hand is who asks for what it asks an approval for.
        if (by is not null) properties[RequestApproval.StartedBy] = by;
        if (!dryRun) properties[ScheduleEnds.By] = Row.Id;
        Starts.Add(new ScheduleStart(
            id, Row.VersionId, Row.ActivityId, string.Create(CultureInfo.InvariantCulture, $"{Row.Name} {nominal.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z"),
            new Dictionary<string, object?>
            {
                [nameof(Schedule.NominalTime)] = nominal,
                [nameof(Schedule.CaughtUp)] = caughtUp,
                [nameof(Schedule.DryRun)] = dryRun,
                [nameof(Schedule.Covers)] = covers,
                ["ScheduleName"] = Row.Name,
            },
            properties));
        var name = Row.Name;
        Tell.Add(l => ScheduleLog.Started(l, name, nominal.ToUniversalTime(), id, late));
    }

    private void Count(PlannedRun run)
    {
        var outcome = run.Fate == Fate.Miss ? "missed" : "skipped";
        Bump($"{outcome} {run.Reason}", run.Covers);
        var (name, covers, nominal, reason) = (Row.Name, run.Covers, run.Nominal.ToUniversalTime(), run.Reason ?? "");
        Tell.Add(l => ScheduleLog.NotRun(l, name, covers, nominal, outcome, reason));
    }

    private void Bump(string fate, long by)
    {
        _fates[fate] = _fates.GetValueOrDefault(fate) + by;
        ScheduleMeter.Count(Tell, Row.Name, fate, by);
    }
}
