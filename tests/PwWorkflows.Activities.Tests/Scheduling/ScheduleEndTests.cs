using Microsoft.Extensions.Logging.Abstractions;
using PwWorkflows.Activities.Data;
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
        _database = await TestDatabase.CreateAsync(Ct, postgres?.Server);
        _engine = new FakeEngine(_database);
        _book = new ScheduleBook(_database, _engine, TimeProvider.System, NullLogger<ScheduleBook>.Instance);
        var settings = ScheduleSettings.OfCadence("0 * * * *", null, null, null) with { Overlap = Overlap.Allow };
        await _engine.CommitAsync(await _book.PublishAsync("job", "job:1", 1, [("due", null, settings)], Ct), [], [], Now, Ct);
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
        _engine.CommitAsync([.. ScheduleEnds.Of(new Dictionary<string, object> { [ScheduleEnds.Run] = run }, outcome, outcome == "failed" ? "the other side is down" : null, Now, at ?? Now)], [], [], Now, Ct);

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
    public async Task End_on_a_node_whose_clock_is_ahead_wakes_the_schedule_at_once()
    {
        var run = await StartAsync();
        await _database.RunAsync("UPDATE schedules SET waiting = 1", Ct);
        await EndAsync(run, "finished", Now.AddYears(10));
        var (wake, now) = await _book.NextWakeAsync(Ct);
        Assert.True(wake <= now, $"{wake:O} is not before {now:O}.");
        Assert.Single(await _book.ClaimAsync(10, Ct));
    }

    /// <summary>Writes rows as the engine does; its clock stands until it is moved, and what became of instances is told by the test.</summary>
    private sealed class FakeEngine(TestDatabase database) : IScheduleEngine
    {
        public Func<Task<IReadOnlyDictionary<string, InstanceFate>>> Fates { get; set; } = static () => Task.FromResult<IReadOnlyDictionary<string, InstanceFate>>(new Dictionary<string, InstanceFate>());

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

        public Task<IReadOnlyDictionary<string, InstanceFate>> FatesAsync(IReadOnlyCollection<string> instanceIds, CancellationToken ct) => Fates();
    }

    private sealed class UnexpectedRowsException : Exception;
}

public sealed class ScheduleEndOnSqliteTests() : ScheduleEndTests(null);

public sealed class ScheduleEndOnPostgresTests(PostgresFixture postgres) : ScheduleEndTests(postgres), IClassFixture<PostgresFixture>;
