using System.Data.Common;
using System.Globalization;
using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>What to do about due times that passed while a schedule was paused.</summary>
public enum AfterPause
{
    /// <summary>Nothing: they are recorded as skipped.</summary>
    Nothing,
    /// <summary>One run, for all of them.</summary>
    Latest,
    /// <summary>A run for each, one after the other, at most <see cref="ScheduleSettings.MostCatchUps"/> (the newest).</summary>
    All,
}

/// <summary>What became of an order to a schedule.</summary>
public abstract record ScheduleCommandResult
{
    private ScheduleCommandResult() { }

    /// <summary>There is no such schedule.</summary>
    public sealed record Missing : ScheduleCommandResult;

    /// <summary>It can't be done.</summary>
    /// <param name="Why">For people.</param>
    public sealed record Refused(string Why) : ScheduleCommandResult;

    /// <summary>It is done.</summary>
    /// <param name="Schedule">The schedule now.</param>
    /// <param name="Message">What was done, for people.</param>
    /// <param name="RunId">The run that was asked for; <c>null</c> when none was.</param>
    public sealed record Done(ScheduleView Schedule, string Message, string? RunId = null) : ScheduleCommandResult;
}

/// <summary>The schedules, their runs, and what operators can do about them.</summary>
public sealed class ScheduleBook
{
    private const int Tries = 10;
    internal const int SweepBatch = 200;
    private static readonly TimeSpan Claim = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan SweepAfter = TimeSpan.FromSeconds(30);

    /// <summary>How long the rows of runs are kept: more than a year, so that a year can be compared with the one before.</summary>
    public static readonly TimeSpan RunsKeptFor = TimeSpan.FromDays(400);

    private const string RunColumns =
        "r.id, s.name, r.cause, r.nominal_at, r.covers_from, r.covers, r.outcome, r.reason, r.caught_up, r.dry_run, r.due_at, r.started_at, r.ended_at, r.late_ms, r.instance_id, r.version, r.node, r.requested_by, r.error, r.alerted, r.retries, r.retried_at, r.failed_at, r.failure";

    private readonly IPwDatabase _database;
    private readonly IScheduleEngine _engine;
    private readonly TimeProvider _time;
    private readonly ILogger<ScheduleBook> _logger;

    internal ScheduleBook(IPwDatabase database, IScheduleEngine engine, TimeProvider time, ILogger<ScheduleBook> logger) => (_database, _engine, _time, _logger) = (database, engine, time, logger);

    // ---- looking

    /// <summary>The schedules, those due next first; retired ones last, if wanted.</summary>
    public async Task<IReadOnlyList<ScheduleView>> ListAsync(bool retired, CancellationToken ct)
    {
        var rows = await _database.QueryAsync($"SELECT {ScheduleRow.Columns} FROM schedules{(retired ? "" : " WHERE state <> 'retired'")}", Parameters.None, ScheduleRow.Read, ct).ConfigureAwait(false);
        return [.. rows.Select(static r => r.View()).OrderBy(static v => v.State == "retired").ThenBy(static v => v.NextRunAt ?? DateTimeOffset.MaxValue).ThenBy(static v => v.Name, StringComparer.Ordinal)];
    }

    /// <summary>One schedule by its name or id; <c>null</c> when there is none.</summary>
    public async Task<ScheduleView?> FindAsync(string name, CancellationToken ct) => (await FindRowAsync(name, ct).ConfigureAwait(false))?.View();

    /// <summary>What became of a schedule's due times, newest first.</summary>
    /// <param name="scheduleId">The schedule's id; <c>null</c> for all.</param>
    /// <param name="since">Only what was recorded since.</param>
    /// <param name="outcome">Only those of an outcome.</param>
    /// <param name="take">At most so many.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <param name="skip">Leave out so many.</param>
    public async Task<IReadOnlyList<ScheduleRunView>> RunsAsync(string? scheduleId, DateTimeOffset? since, string? outcome, int take, CancellationToken ct, int skip = 0) =>
        await _database.QueryAsync(
            $"SELECT {RunColumns} FROM schedule_runs r JOIN schedules s ON s.id = r.schedule_id WHERE 1 = 1{(scheduleId is null ? "" : " AND r.schedule_id = @schedule")}{(since is null ? "" : " AND r.created_at >= @since")}"
            + $"{(outcome is null ? "" : " AND r.outcome = @outcome")} ORDER BY r.created_at DESC, r.nominal_at DESC, r.id DESC LIMIT @take OFFSET @skip",
            [.. Parameters.Of(("take", (long)take), ("skip", (long)skip)), .. scheduleId is null ? [] : Parameters.Of(("schedule", scheduleId)), .. since is null ? [] : Parameters.Of(("since", since)), .. outcome is null ? [] : Parameters.Of(("outcome", outcome))],
            ReadRun, ct).ConfigureAwait(false);

    /// <summary>Due times since a moment that nobody was there for, newest first; however many runs there are, only the missed ones are read.</summary>
    public async Task<IReadOnlyList<ScheduleRunView>> MissedAsync(DateTimeOffset since, int take, CancellationToken ct) =>
        await _database.QueryAsync(
            $"SELECT {RunColumns} FROM schedule_runs r JOIN schedules s ON s.id = r.schedule_id WHERE r.outcome = 'missed' AND r.created_at >= @since ORDER BY r.created_at DESC, r.id DESC LIMIT @take",
            Parameters.Of(("since", since), ("take", (long)take)), ReadRun, ct).ConfigureAwait(false);

    /// <summary>One run; <c>null</c> when there is none.</summary>
    public async Task<ScheduleRunView?> FindRunAsync(string runId, CancellationToken ct) =>
        (await _database.QueryAsync($"SELECT {RunColumns} FROM schedule_runs r JOIN schedules s ON s.id = r.schedule_id WHERE r.id = @id", Parameters.Of(("id", runId)), ReadRun, ct).ConfigureAwait(false)).FirstOrDefault();

    /// <summary>How many due times passed since a schedule was paused.</summary>
    public async Task<long> CountPausedAsync(string name, CancellationToken ct)
    {
        if (await FindRowAsync(name, ct).ConfigureAwait(false) is not { State: "paused" } row) return 0;
        var now = await NowAsync(ct).ConfigureAwait(false);
        return row.Cadence.Between(row.Cursor, now).LongCount();
    }

    /// <summary>Schedules that finished nothing for two periods, with the last due time that was finished.</summary>
    public async Task<IReadOnlyList<(string Name, DateTimeOffset? LastFinished)>> OverdueAsync(CancellationToken ct) =>
        await _database.QueryAsync(
            "SELECT name, last_finished_nominal_at FROM schedules WHERE overdue AND state = 'active' ORDER BY name", Parameters.None, static r => (r.GetString(0), r.TimeOrNull(1)), ct).ConfigureAwait(false);

    /// <summary>The database's time.</summary>
    public async Task<DateTimeOffset> NowAsync(CancellationToken ct) =>
        Clock is { } clock ? clock : (await _database.QueryAsync("SELECT now()", Parameters.None, static r => r.Time(0), ct).ConfigureAwait(false))[0];

    // ---- what operators can do

    /// <summary>Asks for a run now. It obeys the overlap policy unless forced, and the answer says what that came to.</summary>
    /// <param name="name">The schedule.</param>
    /// <param name="force">Start it beside a run that goes on.</param>
    /// <param name="dryRun">It shall change nothing and tell what it would do.</param>
    /// <param name="by">Who asks.</param>
    /// <param name="ct">Stops the wait.</param>
    public Task<ScheduleCommandResult> RunNowAsync(string name, bool force, bool dryRun, string by, CancellationToken ct) => CommandAsync(name, async change =>
    {
        var row = change.Row;
        if (row.State == "retired") return new ScheduleCommandResult.Refused($"{row.Name} is not published any more, so it can't run.");
        var nominal = new DateTimeOffset(change.Now.UtcTicks - (change.Now.UtcTicks % TimeSpan.TicksPerMillisecond), TimeSpan.Zero);
        // A dry run changes nothing: it waits for nobody, and nobody waits for it.
        var open = dryRun || row.Running + row.Waiting == 0 || row.Settings.Overlap == Overlap.Allow ? [] : await OpenAsync(row.Id, ct).ConfigureAwait(false);
        open.RemoveAll(static r => r.DryRun);
        var busy = open.Count > 0;
        var run = new PlannedRun(nominal, nominal, 0, false, Fate.Start);
        var message = $"{row.Name} is started{(row.State is "paused" or "disabled" ? $", although it is {row.State}" : "")}.";
        if (busy && !force)
        {
            var since = open.Find(static r => r.Outcome == "running")?.StartedAt;
            var going = since is null ? "a run waits to be started" : $"a run goes on since {since.Value.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC";
            if (row.Settings.Overlap == Overlap.Skip) return new ScheduleCommandResult.Refused($"{row.Name} was not started: {going}, and its overlap policy is Skip. Force it to start another beside it.");
            if (ScheduleLoad.Of(open).Waiting > 0) return new ScheduleCommandResult.Refused($"{row.Name} was not started: {going}, and one more waits already. Force it to start another beside them.");
            run = run with { Fate = Fate.Wait };
            if (row.Settings.Overlap == Overlap.CancelRunning) change.Cancels.AddRange(open.Where(static r => r is { Outcome: "running", InstanceId: not null }).Select(static r => r.InstanceId!));
            message = row.Settings.Overlap == Overlap.CancelRunning ? $"{row.Name} will start when the run that goes on has been cancelled (overlap policy CancelRunning)." : $"{row.Name} waits for the run that goes on (overlap policy QueueOne).";
        }
        else if (busy)
        {
            message = $"{row.Name} is started beside a run that goes on, as you forced it.";
        }

        return new ScheduleCommandResult.Done(row.View(), message, change.Add(run, manual: true, by, dryRun));
    }, ct);

    /// <summary>Stops a schedule from running; what goes on is not touched.</summary>
    /// <param name="name">The schedule.</param>
    /// <param name="reason">Why; shown until it is resumed.</param>
    /// <param name="by">Who.</param>
    /// <param name="ct">Stops the wait.</param>
    public Task<ScheduleCommandResult> PauseAsync(string name, string reason, string by, CancellationToken ct) => CommandAsync(name, async change =>
    {
        if (change.Row.State != "active") return new ScheduleCommandResult.Refused($"{change.Row.Name} is {change.Row.State}, so it can't be paused.");
        foreach (var run in await OpenAsync(change.Row.Id, ct).ConfigureAwait(false))
            if (run is { Outcome: "waiting", Cause: "due" })
                change.Drop(run, "paused");
        if (change.Row.Overdue) change.Close("schedule-overdue");
        change.Row = change.Row with { State = "paused", PausedAt = change.Now, PausedBy = by, PauseReason = reason, Overdue = false, OverdueAt = null };
        return new ScheduleCommandResult.Done(change.Row.View(), $"{change.Row.Name} is paused.");
    }, ct);

    /// <summary>Lets a paused schedule run again.</summary>
    /// <param name="name">The schedule.</param>
    /// <param name="missed">What to do about the due times that passed meanwhile.</param>
    /// <param name="by">Who.</param>
    /// <param name="ct">Stops the wait.</param>
    public Task<ScheduleCommandResult> ResumeAsync(string name, AfterPause missed, string by, CancellationToken ct) => CommandAsync(name, change =>
    {
        var row = change.Row;
        if (row.State != "paused") return Task.FromResult<ScheduleCommandResult>(new ScheduleCommandResult.Refused($"{row.Name} is {row.State}, not paused."));
        var passed = row.Cadence.Between(row.Cursor, change.Now).ToList();
        var left = missed switch { AfterPause.Nothing => passed.Count, AfterPause.All => Math.Max(0, passed.Count - ScheduleSettings.MostCatchUps), _ => 0 };
        if (left > 0) change.Add(new PlannedRun(passed[left - 1], passed[0], left, false, Fate.Skip, missed == AfterPause.Nothing ? "paused" : "limit"));
        if (passed.Count > left)
        {
            if (missed == AfterPause.Latest) change.Add(new PlannedRun(passed[^1], passed[0], passed.Count, true, Fate.Wait));
            else foreach (var at in passed.Skip(left)) change.Add(new PlannedRun(at, at, 1, true, Fate.Wait), by: by);
            change.LookAgain = true;
        }

        change.Row = change.Row with
        {
            State = "active",
            Cursor = passed.Count > 0 ? passed[^1] : row.Cursor,
            WatchedFrom = change.Now,
            PausedAt = null,
            PausedBy = null,
            PauseReason = null,
        };
        Watch(change, late: false);
        var what = passed.Count == 0 ? "no due time passed meanwhile"
            : string.Create(CultureInfo.InvariantCulture, $"{passed.Count} due time{(passed.Count == 1 ? "" : "s")} passed meanwhile: ")
            + missed switch { AfterPause.Nothing => "nothing is done about them", AfterPause.Latest => "one run makes up for all", _ => string.Create(CultureInfo.InvariantCulture, $"{passed.Count - left} run one after the other") };
        return Task.FromResult<ScheduleCommandResult>(new ScheduleCommandResult.Done(change.Row.View(), $"{row.Name} is resumed; {what}."));
    }, ct);

    private async Task<ScheduleCommandResult> CommandAsync(string name, Func<ScheduleChange, Task<ScheduleCommandResult>> command, CancellationToken ct)
    {
        for (var tries = 1; ; tries++)
        {
            if (await FindRowAsync(name, ct).ConfigureAwait(false) is not { } row) return new ScheduleCommandResult.Missing();
            var change = new ScheduleChange(row, await NowAsync(ct).ConfigureAwait(false), _engine.Node);
            var result = await command(change).ConfigureAwait(false);
            if (result is not ScheduleCommandResult.Done done) return result;
            if (await CommitAsync(change, ct).ConfigureAwait(false)) return done with { Schedule = change.Row.View() };
            if (tries == Tries) return new ScheduleCommandResult.Refused($"{row.Name} changes all the time; try again.");
        }
    }

    // ---- what the clock does

    /// <summary>When somebody must look next (<c>null</c>: never), and the database's time.</summary>
    internal async Task<(DateTimeOffset? WakeAt, DateTimeOffset Now)> NextWakeAsync(CancellationToken ct)
    {
        var clock = Clock;
        var found = await _database.QueryAsync(
            $"SELECT min(wake_at), {NowSql} FROM schedules WHERE wake_at IS NOT NULL", Parameters.Of(("now", clock)), r => (r.TimeOrNull(0), clock ?? r.Time(1)), ct).ConfigureAwait(false);
        return found[0];
    }

    /// <summary>Takes schedules that must be looked at: nobody else gets them for some seconds.</summary>
    internal async Task<IReadOnlyList<(ScheduleRow Row, DateTimeOffset Now)>> ClaimAsync(int most, CancellationToken ct)
    {
        var clock = Clock;
        var until = _database.IsPostgres ? string.Create(CultureInfo.InvariantCulture, $"{NowSql} + interval '{Claim.TotalSeconds} seconds'") : "@until";
        var sql =
            $"UPDATE schedules SET wake_at = {until}, revision = revision + 1 WHERE id IN (SELECT id FROM schedules WHERE wake_at <= {NowSql} ORDER BY wake_at LIMIT @most{(_database.IsPostgres ? " FOR UPDATE SKIP LOCKED" : "")}) "
            + $"RETURNING {ScheduleRow.Columns}{(_database.IsPostgres ? $", {NowSql}" : "")}";
        var parameters = Parameters.Of(("now", clock), ("most", (long)most));
        (ScheduleRow, DateTimeOffset) Map(DbDataReader r) => (ScheduleRow.Read(r), clock ?? r.Time(31));
        // One statement, its own transaction: a node that is frozen can't hold rows back in the middle of it.
        return _database.IsPostgres
            ? await _database.QueryAsync(sql, parameters, Map, ct).ConfigureAwait(false)
            : await _database.WriteAsync((c, t, token) => c.QueryAsync(t, sql, [.. parameters, new("until", clock!.Value + Claim)], Map, token), ct).ConfigureAwait(false);
    }

    /// <summary>Brings one schedule up to date: starts what is due or waited, records what is not to run, tells of what takes too long.</summary>
    internal async Task AdvanceAsync(ScheduleRow row, DateTimeOffset now, CancellationToken ct)
    {
        for (var tries = 1; ; tries++)
        {
            var change = new ScheduleChange(row, now, _engine.Node);
            await PlanAsync(change, ct).ConfigureAwait(false);
            if (await CommitAsync(change, ct).ConfigureAwait(false)) return;
            // A run ended meanwhile, somebody gave an order, or another node was faster.
            if (tries == Tries || (await _database.QueryAsync($"SELECT {ScheduleRow.Columns} FROM schedules WHERE id = @id", Parameters.Of(("id", row.Id)), ScheduleRow.Read, ct).ConfigureAwait(false)) is not [var again]) return;
            (row, now) = (again, await NowAsync(ct).ConfigureAwait(false));
        }
    }

    private async Task PlanAsync(ScheduleChange change, CancellationToken ct)
    {
        var row = change.Row;
        var settings = row.Settings;
        var due = row.IsActive && row.NextAt <= change.Now;
        var open = row.Waiting > 0 || row.Alerting || row.AlertAt <= change.Now || (due && row.Running > 0) ? await OpenAsync(row.Id, ct).ConfigureAwait(false) : [];
        Alerts(change, open);
        var promoted = new HashSet<string>();
        var load = ScheduleLoad.Of(open);
        if (row.State != "retired")
        {
            foreach (var run in open.Where(static r => r.Outcome == "waiting"))
            {
                if (load.Running > 0 && settings.Overlap != Overlap.Allow) break;
                change.Promote(run);
                promoted.Add(run.Id);
                if (!run.DryRun) load = load with { Running = load.Running + 1, Waiting = load.Waiting - 1 };
            }
        }

        var late = false;
        if (due)
        {
            var plan = ScheduleRules.Decide(row.Id, settings, row.Cadence, row.Cursor, change.Now, load);
            // The newest alone waits, whoever asked for the others, except for runs that are to make up for missed times one after the other.
            if (plan.Supersedes)
                foreach (var run in open.Where(r => r.Outcome == "waiting" && !promoted.Contains(r.Id) && !(r.CaughtUp && (settings.CatchUp == CatchUp.RunEach || r.RequestedBy is not null))))
                    change.Drop(run, "superseded");
            if (plan.Cancels) change.Cancels.AddRange(open.Where(static r => r is { Outcome: "running", InstanceId: not null, DryRun: false }).Select(static r => r.InstanceId!));
            foreach (var run in plan.Runs)
            {
                change.Add(run);
                late |= run.CaughtUp || run.Fate == Fate.Miss;
                change.Row = change.Row with { Cursor = run.Nominal > change.Row.Cursor ? run.Nominal : change.Row.Cursor };
            }
        }

        Watch(change, late);
    }

    private static void Alerts(ScheduleChange change, List<OpenRun> open)
    {
        var row = change.Row;
        if (row.AlertAt is { } at && at <= change.Now)
        {
            DateTimeOffset? next = null;
            foreach (var run in open)
            {
                if (run.AlertAt == DateTimeOffset.UnixEpoch) change.Rearm(run);
                if ((run.AlertAt == DateTimeOffset.UnixEpoch ? change.Now + row.Settings.Deadline : run.AlertAt) is not { } mine) continue;
                if (mine > change.Now)
                {
                    if (next is null || mine < next) next = mine;
                    continue;
                }

                change.MarkAlerted(run);
                var deadline = CadenceWords.Length(row.Settings.Deadline ?? TimeSpan.Zero);
                change.Alert(run.Id, run.Outcome == "running"
                    ? $"The run of {row.Name} for {run.Nominal.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC goes on since {run.StartedAt?.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC; its deadline is {deadline}. Its workflow instance is {run.InstanceId}."
                    : $"The run of {row.Name} for {run.Nominal.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC still waits for an earlier one; its deadline is {deadline}.");
            }

            change.Row = change.Row with { AlertAt = next };
        }
        else if (row.Alerting && !open.Exists(static r => r.Alerted))
        {
            change.Close("schedule-deadline");
            change.Row = change.Row with { Alerting = false };
        }
    }

    /// <summary>The dead man's check: a schedule of which nothing has finished for two periods and its grace is overdue.</summary>
    /// <param name="change">The schedule.</param>
    /// <param name="late">It was away and catches up now: that gets time to finish first.</param>
    private static void Watch(ScheduleChange change, bool late)
    {
        var row = change.Row;
        if (!row.IsActive) return;
        var last = row.LastFinishedNominalAt > row.WatchedFrom ? row.LastFinishedNominalAt.Value : row.WatchedFrom;
        var at = ScheduleRules.OverdueAt(row.Settings, row.Cadence, last);
        // Time that was given stays given.
        if (row.OverdueAt is { } given && given > at) at = given;
        if (at is null || at > change.Now)
        {
            if (row.Overdue) change.Close("schedule-overdue");
            change.Row = row with { Overdue = false, OverdueAt = at };
        }
        else if (late && !row.Overdue)
        {
            change.Row = row with { OverdueAt = change.Now + (row.Settings.Deadline > ScheduleRules.OverdueGrace ? row.Settings.Deadline : ScheduleRules.OverdueGrace) };
        }
        else if (!row.Overdue)
        {
            change.Row = row with { Overdue = true, OverdueAt = null };
            change.Raise("schedule-overdue",
                $"The schedule {row.Name} ({CadenceWords.Of(row.Settings)}) is overdue: {(row.LastFinishedNominalAt is { } done ? $"the last due time whose run finished is {done.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC" : "no run of it has finished yet")}.\n"
                + $"See: pw schedules history {row.Name}. This closes itself when a run finishes.");
            change.Tell.Add(l => ScheduleLog.Overdue(l, row.Name, row.LastFinishedNominalAt));
        }
    }

    /// <summary>Settles runs whose instance ended without telling (it was deleted, or never started), and deletes rows that are too old.</summary>
    internal async Task SweepAsync(CancellationToken ct)
    {
        var now = await NowAsync(ct).ConfigureAwait(false);
        // Page by page: however many long runs are alive, a lost one behind them is come to.
        for (var (after, last, more) = (DateTimeOffset.UnixEpoch, "", true); more;)
        {
            var open = await _database.QueryAsync(
                $"""
                 SELECT r.id, r.instance_id, s.name, s.id, s.revision, r.started_at FROM schedule_runs r JOIN schedules s ON s.id = r.schedule_id
                 WHERE r.outcome = 'running' AND r.started_at < @before AND r.started_at >= @after AND (r.started_at > @after OR r.id > @last) ORDER BY r.started_at, r.id LIMIT {SweepBatch}
                 """,
                Parameters.Of(("before", now - SweepAfter), ("after", after), ("last", last)),
                static r => (Run: r.GetString(0), Instance: r.GetString(1), Schedule: r.GetString(2), Id: r.GetString(3), Revision: r.GetInt64(4), At: r.Time(5)), ct).ConfigureAwait(false);
            more = open.Count == SweepBatch;
            if (open.Count == 0) break;
            (after, last) = (open[^1].At, open[^1].Run);
            var fates = await _engine.FatesAsync([.. open.Select(static r => r.Instance)], ct).ConfigureAwait(false);
            var revisions = open.DistinctBy(static r => r.Id).ToDictionary(static r => r.Id, static r => r.Revision, StringComparer.Ordinal);
            foreach (var run in open)
            {
                if (fates.TryGetValue(run.Instance, out var fate) && fate.Outcome is null) continue;
                var ends = fate is { Outcome: { } outcome }
                    ? ScheduleEnds.Of(run.Run, outcome, null, null, null, fate.EndedAt ?? now)
                    : ScheduleEnds.Of(run.Run, "failed", "its workflow instance is not there: it was deleted, or the workflow's activation strategy did not let it start", null, null, now);
                // Every end raises the revision: when one came between the two looks, it is not settled again.
                var first = new ScheduleWrite("UPDATE schedules SET revision = revision + 1 WHERE id = @id AND revision = @revision", Parameters.Of(("id", run.Id), ("revision", revisions[run.Id])), 1);
                if (!await _engine.CommitAsync([first, .. ends], [], [], now, ct).ConfigureAwait(false)) continue;
                revisions[run.Id] += 2; // By this commit.
                if (fate is null) ScheduleLog.Lost(_logger, run.Schedule, run.Run);
            }
        }

        await _database.ExecuteAsync(
            "DELETE FROM schedule_runs WHERE id IN (SELECT r.id FROM schedule_runs r WHERE r.created_at < @before AND r.outcome NOT IN ('waiting', 'running') ORDER BY r.created_at LIMIT 500)",
            Parameters.Of(("before", now - RunsKeptFor)), ct).ConfigureAwait(false);
    }

    // ---- publications

    /// <summary>
    /// The rows that follow from a publication, to be written in its transaction, and what is to be told once they are. A schedule whose cadence stays goes on as if nothing had happened; with another cadence, what was due by the old one is settled by
    /// the old rules and the new one counts from now; one that is gone is retired, and what was due but not started is skipped.
    /// </summary>
    /// <param name="definitionId">The definition.</param>
    /// <param name="versionId">The version published from now on.</param>
    /// <param name="version">Its number.</param>
    /// <param name="published">Its schedules: activity id, activity name, settings. Empty when none is published from now on.</param>
    /// <param name="ct">Stops the wait.</param>
    internal async Task<(IReadOnlyList<ScheduleWrite> Writes, Action Tell)> PublishAsync(string definitionId, string versionId, int version, IReadOnlyList<(string ActivityId, string? Name, ScheduleSettings Settings)> published, CancellationToken ct)
    {
        var known = await _database.QueryAsync($"SELECT {ScheduleRow.Columns} FROM schedules WHERE definition_id = @definition", Parameters.Of(("definition", definitionId)), ScheduleRow.Read, ct).ConfigureAwait(false);
        if (known.Count + published.Count == 0) return ([], static () => { });
        var now = await NowAsync(ct).ConfigureAwait(false);
        // Whole milliseconds, so that the due times of an interval are exact in both databases.
        var anchor = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % TimeSpan.TicksPerMillisecond), TimeSpan.Zero);
        var writes = new List<ScheduleWrite>();
        var tells = new List<Action<ILogger>>();
        foreach (var row in known)
        {
            var change = new ScheduleChange(row, now, _engine.Node);
            if (published.FirstOrDefault(p => p.ActivityId == row.ActivityId) is not { Settings: { } settings } mine)
            {
                if (row.State == "retired") continue;
                await SettleAsync(change, retires: true, ct).ConfigureAwait(false);
                // Nothing finishes under this name any more. Its last run may still be past its deadline; that ToDo closes with it.
                change.CloseAll(row.Name, deadline: false);
                change.Row = change.Row with { State = "retired", Overdue = false, OverdueAt = null, PausedAt = null, PausedBy = null, PauseReason = null };
            }
            else
            {
                var same = settings.HasCadenceOf(row.Settings) && row.State != "retired" && settings.Enabled == row.Settings.Enabled;
                if (!same && row.State != "retired") await SettleAsync(change, retires: false, ct).ConfigureAwait(false);
                change.Row = change.Row with
                {
                    Name = NameOf(definitionId, mine.ActivityId, mine.Name, published.Count),
                    VersionId = versionId,
                    Version = version,
                    Settings = settings,
                    State = !settings.Enabled ? "disabled" : row.State == "paused" ? "paused" : "active",
                    OverdueAt = null,
                };
                if (change.Row.Name != row.Name)
                {
                    change.CloseAll(row.Name, deadline: true);
                    if (row.Alerting) change.Raise("schedule-deadline", $"A run of {change.Row.Name}, which was called {row.Name} when it started, is past its deadline.\nSee: pw schedules history {change.Row.Name}. This closes itself when no run is past its deadline any more.");
                    // Told again under the new name, if it is so still.
                    change.Row = change.Row with { Overdue = false };
                }

                if (!same)
                {
                    if (change.Row.Overdue) change.Close("schedule-overdue");
                    // Never again what is on record already, even when the clock was set back meanwhile.
                    change.Row = change.Row with { Cursor = now > change.Row.Cursor ? now : change.Row.Cursor, WatchedFrom = now, Overdue = false, Anchor = settings.Interval == row.Settings.Interval && row.State != "retired" ? row.Anchor : anchor };
                }

                Watch(change, late: false);
            }

            writes.AddRange(change.Finish());
            tells.AddRange(change.Tell);
        }

        foreach (var (activityId, name, settings) in published.Where(p => known.TrueForAll(k => k.ActivityId != p.ActivityId)))
        {
            var change = new ScheduleChange(new ScheduleRow
            {
                Id = $"{definitionId}:{activityId}",
                Name = NameOf(definitionId, activityId, name, published.Count),
                DefinitionId = definitionId,
                VersionId = versionId,
                Version = version,
                ActivityId = activityId,
                Settings = settings,
                Anchor = anchor,
                State = settings.Enabled ? "active" : "disabled",
                Revision = 0,
                Cursor = now,
                WatchedFrom = now,
                Fates = new Dictionary<string, long>(),
            }, now, _engine.Node);
            Watch(change, late: false);
            writes.AddRange(change.FinishNew());
        }

        return (writes, () => tells.ForEach(tell => tell(_logger)));
    }

    private static string NameOf(string definitionId, string activityId, string? name, int count) => count == 1 ? definitionId : $"{definitionId}:{(string.IsNullOrWhiteSpace(name) ? activityId : name.Trim().Replace('/', '-'))}";

    /// <summary>Gives every due time up to now its fate by the rules that held until now; nothing is started here.</summary>
    private async Task SettleAsync(ScheduleChange change, bool retires, CancellationToken ct)
    {
        var row = change.Row;
        if (retires && row.Waiting > 0)
            foreach (var run in await OpenAsync(row.Id, ct).ConfigureAwait(false))
                if (run.Outcome == "waiting")
                    change.Drop(run, "retracted");
        if (row.State == "disabled") return;
        var due = row.Cadence.Between(row.Cursor, change.Now).ToList();
        if (due.Count == 0) return;
        if (row.State == "paused" || retires) change.Add(new PlannedRun(due[^1], due[0], due.Count, false, Fate.Skip, row.State == "paused" ? "paused" : "retracted"));
        else
        {
            // As the clock would have, but what would start waits for the worker. The newest may only be waiting for its jitter: its cadence is gone, so it goes too.
            var load = row.Running + row.Waiting == 0 ? default : ScheduleLoad.Of(await OpenAsync(row.Id, ct).ConfigureAwait(false));
            var plan = ScheduleRules.Decide(row.Id, row.Settings, row.Cadence, row.Cursor, change.Now, load);
            foreach (var run in plan.Runs) change.Add(run.Fate == Fate.Start ? run with { Fate = Fate.Wait } : run);
            var seen = plan.Runs.Count == 0 ? row.Cursor : plan.Runs.Max(static r => r.Nominal);
            if (due[^1] > seen) change.Add(new PlannedRun(due[^1], due[^1], 1, false, Fate.Skip, "changed"));
        }

        change.Row = change.Row with { Cursor = due[^1] };
    }

    // ---- rows

    private DateTimeOffset? Clock => _engine.Clock ?? (_database.IsPostgres ? null : _time.GetUtcNow());

    private string NowSql => _database.IsPostgres ? "coalesce(@now::timestamptz, now())" : "@now";

    private async Task<bool> CommitAsync(ScheduleChange change, CancellationToken ct)
    {
        if (!await _engine.CommitAsync(change.Finish(), change.Starts, change.Cancels, change.Now, ct).ConfigureAwait(false)) return false;
        foreach (var tell in change.Tell) tell(_logger);
        return true;
    }

    private async Task<ScheduleRow?> FindRowAsync(string name, CancellationToken ct) =>
        (await _database.QueryAsync(
            $"SELECT {ScheduleRow.Columns} FROM schedules WHERE name = @name OR id = @name ORDER BY CASE WHEN state = 'retired' THEN 1 ELSE 0 END, updated_at DESC LIMIT 1",
            Parameters.Of(("name", name)), ScheduleRow.Read, ct).ConfigureAwait(false)).FirstOrDefault();

    /// <summary>The runs that wait or go on, oldest due time first.</summary>
    private Task<List<OpenRun>> OpenAsync(string scheduleId, CancellationToken ct) =>
        _database.QueryAsync(
            "SELECT id, nominal_at, due_at, cause, outcome, caught_up, dry_run, covers, instance_id, started_at, alert_at, alerted, requested_by FROM schedule_runs WHERE schedule_id = @id AND outcome IN ('waiting', 'running') ORDER BY nominal_at, id",
            Parameters.Of(("id", scheduleId)),
            static r => new OpenRun(r.GetString(0), r.Time(1), r.Time(2), r.GetString(3), r.GetString(4), r.GetBoolean(5), r.GetBoolean(6), r.GetInt64(7), r.Text(8), r.TimeOrNull(9), r.TimeOrNull(10), r.GetBoolean(11), r.Text(12)),
            ct);

    private static ScheduleRunView ReadRun(DbDataReader r) => new(
        r.GetString(0), r.GetString(1), r.GetString(2), r.Time(3), r.Time(4), r.GetInt64(5), r.GetString(6), r.Text(7), r.GetBoolean(8), r.GetBoolean(9), r.Time(10), r.TimeOrNull(11), r.TimeOrNull(12),
        r.IsDBNull(13) ? null : r.GetInt64(13), r.Text(14), r.Int(15), r.Text(16), r.Text(17), r.Text(18), r.GetBoolean(19), r.GetInt32(20), r.TimeOrNull(21), r.TimeOrNull(22), r.Text(23));
}
