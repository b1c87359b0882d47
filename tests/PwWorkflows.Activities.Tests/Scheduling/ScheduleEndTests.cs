using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging.Abstractions;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Activities.Tests.Filings;

namespace PwWorkflows.Activities.Tests.Scheduling;

/// <summary>A run is settled once, whoever comes first, and wakes its schedule by the clock of the database alone.</summary>
public abstract class ScheduleEndTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private static readonly DateTimeOffset Now = new(2026, 4, 6, 12, 0, 0, TimeSpan.Zero);

    private TestDatabase _database = null!;
    private FakeEngine _engine = null!;
    private ScheduleBook _book = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(Ct, postgres);
        _engine = new FakeEngine(_database);
        _book = new ScheduleBook(_database, _engine, TimeProvider.System, NullLogger<ScheduleBook>.Instance);
        var settings = ScheduleSettings.OfCadence("0 * * * *", null, null, null) with { Overlap = Overlap.Allow };
        await _engine.CommitAsync((await _book.PublishAsync("job", "job:1", 1, [("due", null, settings)], Ct)).Writes, [], [], Now, Ct);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Starts a run; its id is its instance's too.</summary>
    private async Task<string> StartAsync() => Assert.IsType<ScheduleCommandResult.Done>(await _book.RunNowAsync("job", force: true, dryRun: false, "test", Ct)).RunId!;

    /// <summary>The instance of a run ends, as the host writes it.</summary>
    private Task<bool> EndAsync(string run, string outcome, DateTimeOffset? at = null) =>
        _engine.CommitAsync([.. ScheduleEnds.Of("job", new Dictionary<string, object> { [ScheduleEnds.Run] = run }, outcome, outcome == "failed" ? "the other side is down" : null, Now, at ?? Now)], [], [], Now, Ct);

    private async Task<string> CountsAsync()
    {
        var s = (await _book.FindAsync("job", Ct))!;
        return $"{s.Running} running, {s.Finished} finished, {s.Failed} failed, {s.Cancelled} cancelled, {s.LastOutcome}";
    }

    private async Task<(string Outcome, string? Error)> RunAsync(string id) => (await _book.FindRunAsync(id, Ct)) is { } run ? (run.Outcome, run.Error) : default;

    [Theory]
    [InlineData("finished")]
    [InlineData("failed")]
    public async Task End_that_comes_while_the_sweep_looks_is_counted_once_and_keeps_its_words(string outcome)
    {
        var run = await StartAsync();
        _engine.Passed = TimeSpan.FromMinutes(1);
        // The sweep has read the run's row; the instance ends and is deleted before it looks for it.
        _engine.Fates = async () =>
        {
            await EndAsync(run, outcome);
            return new Dictionary<string, InstanceFate>();
        };
        await _book.SweepAsync(Ct);
        Assert.Equal((outcome, outcome == "failed" ? "the other side is down" : null), await RunAsync(run));
        Assert.Equal($"0 running, {(outcome == "finished" ? 1 : 0)} finished, {(outcome == "failed" ? 1 : 0)} failed, 0 cancelled, {outcome}", await CountsAsync());
    }

    [Fact]
    public async Task Sweep_settles_all_lost_runs_of_a_schedule_at_once()
    {
        string[] runs = [await StartAsync(), await StartAsync(), await StartAsync()];
        _engine.Passed = TimeSpan.FromMinutes(1);
        _engine.Fates = () => Task.FromResult<IReadOnlyDictionary<string, InstanceFate>>(new Dictionary<string, InstanceFate> { [runs[1]] = new(null, null) });
        await _book.SweepAsync(Ct);
        await _book.SweepAsync(Ct);
        Assert.Equal(["failed", "running", "failed"], [(await RunAsync(runs[0])).Outcome, (await RunAsync(runs[1])).Outcome, (await RunAsync(runs[2])).Outcome]);
        Assert.StartsWith("1 running, 0 finished, 2 failed", await CountsAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lost_run_behind_a_page_of_long_ones_is_settled()
    {
        var live = await StartAsync();
        _engine.Passed = TimeSpan.FromSeconds(1);
        var lost = await StartAsync();
        await _database.RunAsync($"""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ScheduleBook.SweepBatch})
            INSERT INTO schedule_runs (id, schedule_id, cause, nominal_at, covers_from, covers, due_at, outcome, caught_up, dry_run, started_at, instance_id, alerted, created_at)
            SELECT 'live-' || n.i, r.schedule_id, 'manual', r.nominal_at, r.covers_from, 0, r.due_at, 'running', r.caught_up, r.dry_run, r.started_at, 'live-' || n.i, r.alerted, r.created_at FROM n, schedule_runs r WHERE r.id = '{live}'
            """, Ct);
        _engine.Passed = TimeSpan.FromMinutes(1);
        _engine.FatesOf = ids => ids.Where(i => i != lost).ToDictionary(static i => i, static _ => new InstanceFate(null, null));
        await _book.SweepAsync(Ct);
        Assert.Equal(("running", "failed"), ((await RunAsync(live)).Outcome, (await RunAsync(lost)).Outcome));
    }

    [Fact]
    public async Task Run_that_is_retried_counts_as_what_it_ended_as_in_the_end()
    {
        var run = await StartAsync();
        await EndAsync(run, "failed");
        await EndAsync(run, "failed");
        Assert.Equal("0 running, 0 finished, 1 failed, 0 cancelled, failed", await CountsAsync());
        await EndAsync(run, "finished");
        await EndAsync(run, "finished");
        Assert.Equal("0 running, 1 finished, 0 failed, 0 cancelled, finished", await CountsAsync());
    }

    [Fact]
    public async Task Run_that_goes_on_after_it_failed_is_running_again_and_keeps_what_it_failed_of()
    {
        var run = await StartAsync();
        Task<bool> GoOnAsync(int minute) => _engine.CommitAsync([.. ScheduleEnds.GoesOn(new Dictionary<string, object> { [ScheduleEnds.Run] = run }, Now.AddMinutes(minute))], [], [], Now, Ct);
        await GoOnAsync(1); // It has not failed: nothing to go on from.
        Assert.Equal("1 running, 0 finished, 0 failed, 0 cancelled, running", await CountsAsync());
        await EndAsync(run, "failed", Now.AddMinutes(2));
        await GoOnAsync(3);
        await GoOnAsync(3);
        Assert.Equal("1 running, 0 finished, 0 failed, 0 cancelled, running", await CountsAsync());
        Assert.Equal(("running", null), await RunAsync(run));
        await EndAsync(run, "failed", Now.AddMinutes(4));
        Assert.Equal("0 running, 0 finished, 1 failed, 0 cancelled, failed", await CountsAsync());
        await GoOnAsync(60);
        await EndAsync(run, "finished", Now.AddMinutes(61));
        Assert.Equal("0 running, 1 finished, 0 failed, 0 cancelled, finished", await CountsAsync());
        var ended = (await _book.FindRunAsync(run, Ct))!;
        Assert.Equal(("finished", null, 2, Now.AddMinutes(60), Now.AddMinutes(4), "the other side is down", 60_000), (ended.Outcome, ended.Error, ended.Retries, ended.RetriedAt, ended.FailedAt, ended.Failure, ended.DurationMs));
    }

    [Fact]
    public async Task End_on_a_node_whose_clock_is_ahead_wakes_the_schedule_at_once()
    {
        var run = await StartAsync();
        await _database.RunAsync("UPDATE schedules SET waiting = 1", Ct);
        await EndAsync(run, "finished", Now.AddYears(10));
        var (wake, now) = await _book.NextWakeAsync(Ct);
        Assert.True(wake <= now, $"{wake:O} is not before {now:O}.");
        Assert.Single(await _book.ClaimAsync(10, Ct));
    }

    private async Task PublishAsync(ScheduleSettings? settings, string id = "other", params (string Id, string? Name)[] schedules)
    {
        var (writes, tell) = await _book.PublishAsync(id, id + ":1", 1, settings is null ? [] : [.. (schedules.Length == 0 ? [("due", null)] : schedules).Select(s => (s.Id, s.Name, settings))], Ct);
        await _engine.CommitAsync(writes, [], [], Now + _engine.Passed, Ct);
        tell();
    }

    /// <summary>It is so long after the start, and a node looks at what is due.</summary>
    private async Task LookAsync(TimeSpan passed)
    {
        _engine.Passed = passed;
        foreach (var (row, now) in await _book.ClaimAsync(10, Ct)) await _book.AdvanceAsync(row, now, Ct);
    }

    /// <summary>Starts a run of the other schedule that goes on.</summary>
    private async Task<string> AskAsync(bool dryRun) => Assert.IsType<ScheduleCommandResult.Done>(await _book.RunNowAsync("other", force: false, dryRun, "ann", Ct)).RunId!;

    private async Task<string> OtherRunsAsync() =>
        string.Join(", ", (await _book.RunsAsync("other:due", null, null, 100, Ct)).Reverse().Select(static r => $"{r.Cause} {r.Outcome}{(r.Reason is null ? "" : " " + r.Reason)}"));

    private Task<List<string>> ToDosAsync(string of) => _database.QueryAsync("SELECT order_number, marker FROM admin_todos WHERE status = 'open' AND order_number LIKE @of ORDER BY order_number, marker", Parameters.Of(("of", of + "%")), static r => r.GetString(0) + " " + r.GetString(1), Ct);

    [Fact]
    public async Task Dry_run_neither_waits_nor_costs_a_due_time_its_run()
    {
        await PublishAsync(ScheduleSettings.OfCadence("0 * * * *", null, null, null));
        await AskAsync(dryRun: true);
        await LookAsync(TimeSpan.FromHours(1));
        Assert.Equal("manual running, due running", await OtherRunsAsync());
        _engine.Passed += TimeSpan.FromSeconds(1);
        await AskAsync(dryRun: true);
        Assert.IsType<ScheduleCommandResult.Refused>(await _book.RunNowAsync("other", force: false, dryRun: false, "ann", Ct));
    }

    [Fact]
    public async Task Due_time_that_comes_during_a_run_somebody_asked_for_runs_after_it()
    {
        await PublishAsync(ScheduleSettings.OfCadence("0 * * * *", null, null, null));
        var manual = await AskAsync(dryRun: false);
        await LookAsync(TimeSpan.FromHours(1));
        Assert.Equal("manual running, due waiting", await OtherRunsAsync());
        await LookAsync(TimeSpan.FromHours(2)); // One that waits is enough.
        Assert.Equal("manual running, due waiting, due skipped overlap", await OtherRunsAsync());
        await EndAsync(manual, "finished");
        await LookAsync(_engine.Passed);
        Assert.Equal("manual finished, due running, due skipped overlap", await OtherRunsAsync());
        await LookAsync(TimeSpan.FromHours(3)); // An ordinary run goes on.
        Assert.EndsWith("due skipped overlap, due skipped overlap", await OtherRunsAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Queue_of_one_holds_one_whoever_asked_for_it()
    {
        await PublishAsync(ScheduleSettings.OfCadence("0 * * * *", null, null, null) with { Overlap = Overlap.QueueOne, CatchUp = CatchUp.RunOnce });
        await LookAsync(TimeSpan.FromHours(1));
        _engine.Passed += TimeSpan.FromSeconds(1);
        await AskAsync(dryRun: false);
        Assert.Equal("due running, manual waiting", await OtherRunsAsync());
        await LookAsync(TimeSpan.FromHours(2.5)); // Half an hour late: it makes up for what was missed.
        Assert.Equal("due running, manual skipped superseded, due waiting", await OtherRunsAsync());
        await LookAsync(TimeSpan.FromHours(3));
        Assert.Equal("due running, manual skipped superseded, due skipped superseded, due waiting", await OtherRunsAsync());
        Assert.Equal(1, (await _book.FindAsync("other", Ct))!.Waiting);
    }

    [Fact]
    public async Task Schedule_that_gets_another_name_leaves_no_ToDo_under_the_old_one()
    {
        var settings = ScheduleSettings.OfCadence("0 * * * *", null, null, null) with { Overlap = Overlap.Allow, Deadline = TimeSpan.FromMinutes(10) };
        await PublishAsync(settings);
        await LookAsync(TimeSpan.FromHours(1));
        await LookAsync(TimeSpan.FromHours(2));
        await LookAsync(TimeSpan.FromHours(2.5));
        await _database.RunAsync("INSERT INTO admin_todos (order_number, service_slug, marker, instructions, status, created_at) VALUES ('other', 'other', 'workflow-stopped:other:act', 'x', 'open', '2026-04-06 12:00:00+00:00')", Ct);
        Assert.Equal(["other schedule-deadline", "other schedule-overdue", "other workflow-stopped:other:act"], await ToDosAsync("other"));
        await PublishAsync(settings, "other", ("due", "first"), ("second", null));
        Assert.Equal(["other:first schedule-deadline", "other:first schedule-overdue"], await ToDosAsync("other"));
        foreach (var run in await _book.RunsAsync("other:due", null, "running", 10, Ct)) await EndAsync(run.Id, "finished");
        await LookAsync(_engine.Passed);
        Assert.Empty(await ToDosAsync("other"));
    }

    [Fact]
    public async Task Runs_that_fail_alike_are_one_ToDo_which_a_later_run_that_finishes_closes()
    {
        var properties = new Dictionary<string, object> { [ScheduleEnds.By] = "job:due" };
        async Task FailAsync(string run)
        {
            await EndAsync(run, "failed");
            var (sql, values) = StuckWorkflowToDos.RaiseOfSchedule("job:due", run, "job", "read", "the other side is down", Now);
            await _database.ExecuteAsync(sql, values, Ct);
        }

        Task<bool> FinishAsync(string? run, string definition) => _engine.CommitAsync(
            [.. ScheduleEnds.Of(definition, run is null ? properties : new Dictionary<string, object>(properties) { [ScheduleEnds.Run] = run }, "finished", null, Now, Now)], [], [], Now, Ct);

        var early = await StartAsync();
        foreach (var second in (int[])[1, 2, 3])
        {
            _engine.Passed = TimeSpan.FromSeconds(second);
            await FailAsync(await StartAsync());
        }

        Assert.Equal(["job workflow-stopped:job:read"], await ToDosAsync("job"));
        await FinishAsync(early, "job"); // An earlier one tells nothing.
        await FinishAsync(null, "job-mails"); // Nor does another workflow.
        Assert.Single(await ToDosAsync("job"));
        _engine.Passed = TimeSpan.FromSeconds(4);
        await FinishAsync(await StartAsync(), "job");
        Assert.Empty(await ToDosAsync("job"));
    }

    [Fact]
    public async Task Each_due_time_is_counted_once_by_what_became_of_it_and_why()
    {
        // Other tests count at the same time; this name is of this test alone.
        var name = $"counted-{Guid.NewGuid():N}";
        var counted = new ConcurrentQueue<string>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument is { Meter.Name: "PwWorkflows.Schedules", Name: "pw.schedule.due_times" }) l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            var given = tags.ToArray().ToDictionary(static t => t.Key, static t => (string?)t.Value);
            if (given["schedule"] == name) counted.Enqueue($"{value} {given["outcome"]} {given["reason"]}".TrimEnd());
        });
        listener.Start();
        var settings = ScheduleSettings.OfCadence("0 * * * *", null, null, null);
        Task PublishedAsync(ScheduleSettings? changed) => PublishAsync(changed, name);

        await PublishedAsync(settings);
        await CountsAsync("1 ran", 1);
        await CountsAsync("1 skipped overlap", 2);
        await EndAllAsync();
        await CountsAsync("3 caught_up", 5.5); // Half an hour late, and two before it.
        await EndAllAsync();
        await PublishedAsync(settings with { CatchUp = CatchUp.Skip });
        await CountsAsync("3 missed down", 8.5);
        await PublishedAsync(settings with { CatchUpWindow = TimeSpan.FromHours(1) });
        await CountsAsync("2 missed window, 1 caught_up", 11.5);
        await EndAllAsync();
        await PublishedAsync(settings with { CatchUp = CatchUp.RunEach, CatchUpLimit = 1 });
        await CountsAsync("2 missed limit, 1 caught_up", 14.5);
        await PublishedAsync(settings with { Overlap = Overlap.QueueOne });
        await CountsAsync("", 15); // It waits,
        await CountsAsync("1 skipped superseded", 16); // and the next one in its place.
        Assert.IsType<ScheduleCommandResult.Done>(await _book.PauseAsync(name, "test", "ann", Ct));
        await CountsAsync("1 skipped paused", 16);
        _engine.Passed = TimeSpan.FromHours(18);
        Assert.IsType<ScheduleCommandResult.Done>(await _book.ResumeAsync(name, AfterPause.Nothing, "ann", Ct));
        await CountsAsync("2 skipped paused", 18);
        // What a person asks for is no due time.
        Assert.IsType<ScheduleCommandResult.Done>(await _book.RunNowAsync(name, force: true, dryRun: false, "ann", Ct));
        await CountsAsync("", 18);
        await EndAllAsync();
        // Edited and retracted before anybody looked.
        _engine.Passed = TimeSpan.FromHours(19);
        await PublishedAsync(settings with { Cron = "30 * * * *", Jitter = TimeSpan.FromMinutes(20) });
        Assert.Empty(counted); // What was due waits for its run.
        await CountsAsync("1 ran", 19);
        await EndAllAsync();
        _engine.Passed = TimeSpan.FromHours(19.5);
        await PublishedAsync(settings with { Cron = "15 * * * *" });
        Assert.Equal("1 skipped changed", string.Join(", ", counted)); // It waited for its jitter.
        counted.Clear();
        _engine.Passed = TimeSpan.FromHours(21.5);
        await PublishedAsync(null);
        Assert.Equal("2 skipped retracted", string.Join(", ", counted));
        var shown = (await _book.FindAsync(name, Ct))!;
        Assert.Equal("caught_up 5, missed down 3, missed limit 2, missed window 2, ran 2, skipped changed 1, skipped overlap 1, skipped paused 3, skipped retracted 2, skipped superseded 1", string.Join(", ", shown.Counts.OrderBy(static c => c.Key, StringComparer.Ordinal).Select(static c => $"{c.Key} {c.Value}")));

        async Task CountsAsync(string expected, double hours)
        {
            await LookAsync(TimeSpan.FromHours(hours));
            Assert.Equal(expected, string.Join(", ", counted));
            counted.Clear();
        }

        async Task EndAllAsync()
        {
            foreach (var run in await _book.RunsAsync(name + ":due", null, "running", 10, Ct)) await EndAsync(run.Id, "finished");
        }
    }

    /// <summary>Writes rows as the engine does; its clock stands until it is moved, and what became of instances is told by the test.</summary>
    private sealed class FakeEngine(TestDatabase database) : IScheduleEngine
    {
        public Func<Task<IReadOnlyDictionary<string, InstanceFate>>> Fates { get; set; } = static () => Task.FromResult<IReadOnlyDictionary<string, InstanceFate>>(new Dictionary<string, InstanceFate>());

        /// <summary>What became of some instances, in place of <see cref="Fates"/>.</summary>
        public Func<IReadOnlyCollection<string>, IReadOnlyDictionary<string, InstanceFate>>? FatesOf { get; set; }

        public TimeSpan Passed { get; set; }

        public string Node => "node";

        public DateTimeOffset? Clock => Now + Passed;

        public async Task<bool> CommitAsync(IReadOnlyList<ScheduleWrite> writes, IReadOnlyList<ScheduleStart> starts, IReadOnlyCollection<string> cancels, DateTimeOffset now, CancellationToken ct)
        {
            try
            {
                return await database.WriteAsync(
                    async (connection, transaction, token) =>
                    {
                        foreach (var write in writes)
                            if (await connection.ExecuteAsync(transaction, write.Sql, write.Parameters, token) is var rows && write.ExpectedRows is { } expected && rows != expected) throw new UnexpectedRowsException();
                        return true;
                    }, ct);
            }
            catch (UnexpectedRowsException)
            {
                return false;
            }
        }

        public Task<IReadOnlyDictionary<string, InstanceFate>> FatesAsync(IReadOnlyCollection<string> instanceIds, CancellationToken ct) => FatesOf is { } of ? Task.FromResult(of(instanceIds)) : Fates();
    }

    private sealed class UnexpectedRowsException : Exception;
}

public sealed class ScheduleEndOnSqliteTests() : ScheduleEndTests(null);

public sealed class ScheduleEndOnPostgresTests(PostgresFixture postgres) : ScheduleEndTests(postgres), IClassFixture<PostgresFixture>;
