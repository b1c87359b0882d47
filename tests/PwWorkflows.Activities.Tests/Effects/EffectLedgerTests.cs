using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Activities.Tests.Effects;

/// <summary>An effect happens at most once: across races, failures, dead processes and lapsed leases. Owners are ledgers of their own over one database.</summary>
public abstract class EffectLedgerTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private enum Channel { Bridge, Card }

    private sealed record Step(string Name, DateTimeOffset At);

    private sealed record Receipt(string Number, long Cents = 0, Channel Paid = Channel.Bridge, DateTimeOffset? At = null, string? Note = null, IReadOnlyList<Step>? Steps = null);

    private sealed class RefusedBeforeSendingException : Exception, IEffectFailure
    {
        public bool NothingHappened => true;
    }

    private const string Key = "usac:499a:2026:829341:CO-1A2B3C4D";

    /// <summary>Counts the waits that were begun: a waiter makes one when it has looked and found that it must wait.</summary>
    private sealed class CountingTime(DateTimeOffset start) : FakeTimeProvider(start)
    {
        private int _waits;

        public int Waits => Volatile.Read(ref _waits);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            Interlocked.Increment(ref _waits);
            return timer;
        }
    }

    private readonly CountingTime _time = new(new DateTimeOffset(2026, 3, 30, 9, 0, 0, TimeSpan.Zero));
    private TestDatabase _database = null!;
    private EffectRecords _records = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(Ct, postgres);
        _records = new EffectRecords(_database, _time);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>A ledger of this living process, as each node has one.</summary>
    private EffectLedger Living() => new(_database, _time, NullLogger<EffectLedger>.Instance);

    /// <summary>A ledger whose owner is a process of this machine that is gone: the id is taken, by a process that started at another time.</summary>
    private EffectLedger Dead() => Owned($"{ProcessIdentity.Current with { StartedAt = 1 }}|dead");

    private EffectLedger Owned(string owner) => new(_database, _time, NullLogger<EffectLedger>.Instance, owner);

    private static Task<Receipt> Never(CancellationToken ct) => throw new InvalidOperationException("It must not be done again.");

    private static Task<Reconciliation<Receipt>> NeverAsked(CancellationToken ct) => throw new InvalidOperationException("Nobody needs to ask.");

    private static Func<CancellationToken, Task<Receipt>> Gives(string number) => _ => Task.FromResult(new Receipt(number));

    private static Func<CancellationToken, Task<Reconciliation<Receipt>>> Answers(Reconciliation<Receipt> answer) => _ => Task.FromResult(answer);

    private static Task<Receipt> RunAsync(EffectLedger ledger, Func<CancellationToken, Task<Receipt>> perform, Func<CancellationToken, Task<Reconciliation<Receipt>>> reconcile, string key = Key) =>
        ledger.RunAsync(key, "test.filing", perform, reconcile, Ct);

    private async Task<EffectRecord?> RecordAsync(string key = Key) => (await _records.ListAsync(null, 100, Ct)).SingleOrDefault(e => e.Key == key);

    private Task<bool> LeaseLivesAsync() => _database.ReadAsync(
        async (connection, ct) =>
        {
            await using var command = connection.CreateCommand();
            command.CommandText = $"SELECT COUNT(*) FROM effects WHERE lease_until > {_database.UnixNow()}";
            return Convert.ToInt64(await command.ExecuteScalarAsync(ct), CultureInfo.InvariantCulture) == 1;
        },
        Ct);

    /// <summary>Moves the clock until a waiter has looked at the row again and is through.</summary>
    private async Task<Receipt> ResultOfWaiterAsync(Task<Receipt> waiter)
    {
        await Eventually.TrueAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromMilliseconds(250));
                return waiter.IsCompleted;
            },
            "the waiter looks again and ends", Ct);
        return await waiter;
    }

    /// <summary>An owner that stops between started and done and is never heard of again.</summary>
    private async Task<TaskCompletionSource<Receipt>> StopMidwayAsync(EffectLedger owner)
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var end = new TaskCompletionSource<Receipt>(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = RunAsync(owner, _ =>
        {
            begun.SetResult();
            return end.Task;
        }, NeverAsked);
        await begun.Task.WaitAsync(Ct);
        Assert.Equal("started", (await RecordAsync())!.Status);
        return end;
    }

    [Fact]
    public async Task Of_many_owners_that_race_for_a_key_one_performs_and_all_get_its_result()
    {
        var performed = 0;
        var all = Task.WhenAll(Enumerable.Range(0, 8).Select(i => RunAsync(Living(), async ct =>
        {
            Interlocked.Increment(ref performed);
            await Task.Yield();
            return new Receipt($"A-{i}");
        }, NeverAsked)));
        await Eventually.TrueAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromMilliseconds(250));
                return all.IsCompleted;
            },
            "all owners have a result", Ct);
        Assert.Single((await all).Distinct());
        Assert.Equal(1, performed);
        Assert.Equal(("done", 1), ((await RecordAsync())!.Status, (await RecordAsync())!.Attempts));
    }

    [Fact]
    public async Task Callers_of_one_owner_queue_and_perform_once()
    {
        var ledger = Living();
        var performed = 0;
        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => RunAsync(ledger, async ct =>
        {
            await Task.Yield();
            return new Receipt($"A-{Interlocked.Increment(ref performed)}");
        }, NeverAsked)));
        Assert.All(results, static r => Assert.Equal("A-1", r.Number));
    }

    [Fact]
    public async Task Keys_do_not_wait_for_each_other()
    {
        var ledger = Living();
        await StopMidwayAsync(ledger);
        Assert.Equal("B-1", (await RunAsync(ledger, Gives("B-1"), NeverAsked, "usac:499a:2026:829341:CO-OTHER")).Number);
    }

    public static TheoryData<string> ProofsThatNothingHappened => ["typed", "refused connection", "unknown host", "socket"];

    private static Exception Proof(string name) => name switch
    {
        "typed" => new RefusedBeforeSendingException(),
        "refused connection" => new HttpRequestException(HttpRequestError.ConnectionError, "refused"),
        "unknown host" => new HttpRequestException(HttpRequestError.NameResolutionError, "no such host"),
        _ => new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.ConnectionRefused),
    };

    [Theory]
    [MemberData(nameof(ProofsThatNothingHappened))]
    public async Task Failure_that_proves_nothing_happened_frees_the_key(string proof)
    {
        var failure = Proof(proof);
        Assert.Same(failure, await Assert.ThrowsAnyAsync<Exception>(() => RunAsync(Living(), _ => throw failure, NeverAsked)));
        Assert.Null(await RecordAsync());
        Assert.Equal("A-1", (await RunAsync(Living(), Gives("A-1"), NeverAsked)).Number);
    }

    public static TheoryData<string> FailuresThatProveNothing => ["lost connection", "timeout", "http 500", "bug"];

    private static Exception NoProof(string name) => name switch
    {
        "lost connection" => new HttpRequestException(HttpRequestError.ResponseEnded, "the connection was lost"),
        "timeout" => new TaskCanceledException("no answer", new TimeoutException()),
        "http 500" => new HttpRequestException("boom", null, System.Net.HttpStatusCode.InternalServerError),
        _ => new InvalidOperationException("our own mistake"),
    };

    [Theory]
    [MemberData(nameof(FailuresThatProveNothing))]
    public async Task Failure_that_proves_nothing_leaves_it_started_and_the_outside_is_asked_first(string proof)
    {
        var failure = NoProof(proof);
        Assert.Same(failure, await Assert.ThrowsAnyAsync<Exception>(() => RunAsync(Living(), _ => throw failure, NeverAsked)));
        var left = (await RecordAsync())!;
        Assert.Equal(("started", failure.GetType().Name), (left.Status, left.Note));

        Assert.Equal("A-1", (await RunAsync(Living(), Never, Answers(new Reconciliation<Receipt>.Happened(new Receipt("A-1"))))).Number);
        var done = (await RecordAsync())!;
        Assert.Equal(("done", 2, (string?)null), (done.Status, done.Attempts, done.Note));
        Assert.Equal("A-1", (await RunAsync(Living(), Never, NeverAsked)).Number);
    }

    [Fact]
    public async Task Effect_that_had_not_happened_is_performed_after_asking()
    {
        await Assert.ThrowsAsync<TimeoutException>(() => RunAsync(Living(), static _ => throw new TimeoutException("no answer"), NeverAsked));
        Assert.Equal("A-2", (await RunAsync(Living(), Gives("A-2"), Answers(new Reconciliation<Receipt>.DidNotHappen()))).Number);
        Assert.Equal("done", (await RecordAsync())!.Status);
    }

    [Fact]
    public async Task Effect_of_which_nobody_can_tell_is_uncertain_until_the_outside_can()
    {
        await Assert.ThrowsAsync<TimeoutException>(() => RunAsync(Living(), static _ => throw new TimeoutException("no answer"), NeverAsked));
        var uncertain = await Assert.ThrowsAsync<EffectUncertainException>(() => RunAsync(Living(), Never, Answers(new Reconciliation<Receipt>.Unknown("the list is down."))));
        Assert.Equal(Key, uncertain.Key);
        Assert.Contains("the list is down.", uncertain.Message, StringComparison.Ordinal);
        Assert.IsAssignableFrom<NonRetryableException>(uncertain);
        var record = (await RecordAsync())!;
        Assert.Equal(("uncertain", "the list is down."), (record.Status, record.Note));

        await Assert.ThrowsAsync<EffectUncertainException>(() => RunAsync(Living(), Never, Answers(new Reconciliation<Receipt>.Unknown("still down."))));
        Assert.Equal("still down.", (await RecordAsync())!.Note);

        Assert.Equal("A-3", (await RunAsync(Living(), Never, Answers(new Reconciliation<Receipt>.Happened(new Receipt("A-3"))))).Number);
        Assert.Equal("done", (await RecordAsync())!.Status);
    }

    [Fact]
    public async Task Question_that_fails_leaves_it_started_and_is_asked_again()
    {
        await Assert.ThrowsAsync<TimeoutException>(() => RunAsync(Living(), static _ => throw new TimeoutException("no answer"), NeverAsked));
        await Assert.ThrowsAsync<HttpRequestException>(() => RunAsync(Living(), Never, static _ => throw new HttpRequestException(HttpRequestError.ConnectionError, "refused")));
        Assert.Equal("started", (await RecordAsync())!.Status);
        Assert.Equal("A-1", (await RunAsync(Living(), Never, Answers(new Reconciliation<Receipt>.Happened(new Receipt("A-1"))))).Number);
    }

    [Fact]
    public async Task Owner_of_a_dead_process_is_not_waited_for_and_its_effect_not_done_again()
    {
        await StopMidwayAsync(Dead());
        Assert.True(await LeaseLivesAsync());
        Assert.Equal("A-1", (await RunAsync(Living(), Never, Answers(new Reconciliation<Receipt>.Happened(new Receipt("A-1"))))).Number);
    }

    [Fact]
    public async Task Owner_of_another_process_is_waited_for_while_that_process_lives_and_not_after_it_has_ended()
    {
        // A name that says something else to whoever reads the process's fields from the wrong parenthesis.
        using var folder = new TemporaryFolder();
        var program = Path.Combine(folder.FullPath, "a) Z 7 (");
        File.Copy("/bin/sleep", program);
        using var process = Process.Start(program, "600");
        try
        {
            await StopMidwayAsync(Owned($"{ProcessIdentity.Of(process.Id)}|x"));
            await IsWaitedForAsync();
        }
        finally
        {
            process.Kill();
        }

        await process.WaitForExitAsync(Ct);
        Assert.True(await LeaseLivesAsync());
        Assert.Equal("A-1", (await RunAsync(Living(), Never, Answers(new Reconciliation<Receipt>.Happened(new Receipt("A-1"))))).Number);
    }

    [Fact]
    public async Task Owner_as_an_earlier_version_wrote_it_is_waited_for_until_its_lease_ends()
    {
        // Two processes did not agree on when a third one had started.
        using var self = Process.GetCurrentProcess();
        await StopMidwayAsync(Owned(string.Create(CultureInfo.InvariantCulture, $"{Environment.MachineName}|{self.Id}|{self.StartTime.ToUniversalTime().Ticks + 20_000}|x")));
        await IsWaitedForAsync();
        await _database.RunAsync($"UPDATE effects SET lease_until = {_database.UnixNow()} - 1", Ct);
        Assert.Equal("A-1", (await RunAsync(Living(), Never, Answers(new Reconciliation<Receipt>.Happened(new Receipt("A-1"))))).Number);
    }

    /// <summary>Somebody who comes for the key looks and waits, neither asks nor performs, and leaves nothing behind when called off.</summary>
    private async Task IsWaitedForAsync()
    {
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var before = _time.Waits;
        var waiter = Living().RunAsync(Key, "test.filing", Never, NeverAsked, caller.Token);
        await Eventually.TrueAsync(() => waiter.IsCompleted || _time.Waits > before, "the waiter has looked", Ct);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiter);
    }

    [Fact]
    public async Task Lapsed_lease_of_another_machine_is_taken_over_and_the_outside_asked()
    {
        await StopMidwayAsync(Owned("another-machine|17|638000000000000000|x"));
        await _database.RunAsync($"UPDATE effects SET lease_until = {_database.UnixNow()} - 1", Ct);
        Assert.Equal("A-1", (await RunAsync(Living(), Never, Answers(new Reconciliation<Receipt>.Happened(new Receipt("A-1"))))).Number);
        Assert.Equal(2, (await RecordAsync())!.Attempts);
    }

    [Fact]
    public async Task Of_many_who_find_a_dead_owner_one_asks_and_performs()
    {
        await StopMidwayAsync(Dead());
        var (asked, performed) = (0, 0);
        var all = Task.WhenAll(Enumerable.Range(0, 6).Select(_ => RunAsync(
            Living(),
            _ => Task.FromResult(new Receipt($"A-{Interlocked.Increment(ref performed)}")),
            _ =>
            {
                Interlocked.Increment(ref asked);
                return Task.FromResult<Reconciliation<Receipt>>(new Reconciliation<Receipt>.DidNotHappen());
            })));
        await Eventually.TrueAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromMilliseconds(250));
                return all.IsCompleted;
            },
            "all have a result", Ct);
        Assert.All(await all, static r => Assert.Equal("A-1", r.Number));
        Assert.Equal((1, 1), (asked, performed));
    }

    [Fact]
    public async Task Living_lease_is_waited_for_and_its_result_taken()
    {
        var owner = await StopMidwayAsync(Owned("another-machine|17|638000000000000000|x"));
        var waiter = RunAsync(Living(), Never, NeverAsked);
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.False(waiter.IsCompleted);
        owner.SetResult(new Receipt("A-1"));
        Assert.Equal("A-1", (await ResultOfWaiterAsync(waiter)).Number);
        Assert.Equal(1, (await RecordAsync())!.Attempts);
    }

    [Fact]
    public async Task Waiter_performs_when_the_owner_proves_that_nothing_happened()
    {
        var owner = await StopMidwayAsync(Living());
        var waiter = RunAsync(Living(), Gives("A-2"), NeverAsked);
        owner.SetException(new RefusedBeforeSendingException());
        Assert.Equal("A-2", (await ResultOfWaiterAsync(waiter)).Number);
    }

    [Fact]
    public async Task Lease_is_renewed_while_the_effect_is_under_way()
    {
        var owner = await StopMidwayAsync(Living());
        await _database.RunAsync("UPDATE effects SET lease_until = 1", Ct);
        Assert.False(await LeaseLivesAsync());
        _time.Advance(TimeSpan.FromSeconds(EffectLedger.LeaseSeconds / 3.0));
        await Eventually.TrueAsync(LeaseLivesAsync, "the lease lives again", Ct);
        owner.SetResult(new Receipt("A-1"));
        await Eventually.TrueAsync(async () => (await RecordAsync())!.Status == "done", "the effect is done", Ct);
    }

    /// <summary>An effect of a living owner that another takes over, as it does when the owner was frozen for longer than its lease.</summary>
    private async Task TakeOverAsync() =>
        Assert.Equal(1, await _database.RunAsync($"UPDATE effects SET owner = 'another', attempts = attempts + 1, lease_until = {_database.UnixNow()} + {EffectLedger.LeaseSeconds}", Ct));

    [Fact]
    public async Task Work_is_called_off_when_a_renewal_finds_that_another_has_taken_the_effect_over()
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var work = RunAsync(Living(), async ct =>
        {
            begun.SetResult();
            await Task.Delay(Timeout.Infinite, ct);
            return new Receipt("never");
        }, NeverAsked);
        await begun.Task.WaitAsync(Ct);
        await TakeOverAsync();
        _time.Advance(TimeSpan.FromSeconds(EffectLedger.LeaseSeconds / 3.0));

        Assert.False((await Assert.ThrowsAsync<EffectLeaseLostException>(() => work)).NothingHappened);
        // The other's row is left alone, with its lease.
        Assert.Equal(("started", 2, (string?)null), ((await RecordAsync())!.Status, (await RecordAsync())!.Attempts, (await RecordAsync())!.Note));
        await IsWaitedForAsync();
    }

    [Fact]
    public async Task Step_that_cannot_be_taken_back_is_confirmed_only_to_the_owner_and_lengthens_its_lease()
    {
        var ledger = Living();
        await RunAsync(ledger, async ct =>
        {
            await _database.RunAsync("UPDATE effects SET lease_until = 1", ct);
            await ledger.ConfirmAsync(Key, ct);
            Assert.True(await LeaseLivesAsync());
            await Assert.ThrowsAsync<EffectLeaseLostException>(() => Living().ConfirmAsync(Key, ct));

            await TakeOverAsync();
            Assert.True((await Assert.ThrowsAsync<EffectLeaseLostException>(() => ledger.ConfirmAsync(Key, ct))).NothingHappened);
            return new Receipt("A-1");
        }, NeverAsked);
        await Assert.ThrowsAsync<EffectLeaseLostException>(() => ledger.ConfirmAsync(Key, Ct));
    }

    [Fact]
    public async Task Owner_that_confirms_too_late_leaves_the_other_its_row()
    {
        var ledger = Living();
        await Assert.ThrowsAsync<EffectLeaseLostException>(() => RunAsync(ledger, async ct =>
        {
            await TakeOverAsync();
            await ledger.ConfirmAsync(Key, ct);
            return new Receipt("never");
        }, NeverAsked));
        Assert.Equal(("started", 2), ((await RecordAsync())!.Status, (await RecordAsync())!.Attempts));
        await IsWaitedForAsync();
    }

    [Fact]
    public async Task Answer_that_came_after_another_took_over_performs_nothing()
    {
        await Assert.ThrowsAsync<TimeoutException>(() => RunAsync(Living(), static _ => throw new TimeoutException("no answer"), NeverAsked));
        await Assert.ThrowsAsync<EffectLeaseLostException>(() => RunAsync(Living(), Never, async _ =>
        {
            await TakeOverAsync();
            return new Reconciliation<Receipt>.DidNotHappen();
        }));
        await IsWaitedForAsync();
    }

    [Fact]
    public async Task What_an_owner_may_have_done_is_asked_for_although_another_took_over_and_freed_the_key()
    {
        await Assert.ThrowsAsync<TimeoutException>(() => RunAsync(Living(), async ct =>
        {
            await _database.RunAsync("DELETE FROM effects", ct);
            throw new TimeoutException("no answer");
        }, NeverAsked));
        Assert.Equal(("started", "TimeoutException"), ((await RecordAsync())!.Status, (await RecordAsync())!.Note));
        Assert.Equal("A-1", (await RunAsync(Living(), Never, Answers(new Reconciliation<Receipt>.Happened(new Receipt("A-1"))))).Number);
    }

    [Fact]
    public async Task What_an_owner_has_done_is_kept_although_another_took_over_and_freed_the_key()
    {
        await RunAsync(Living(), async ct =>
        {
            await _database.RunAsync("DELETE FROM effects", ct);
            return new Receipt("A-1");
        }, NeverAsked);
        Assert.Equal("A-1", (await RunAsync(Living(), Never, NeverAsked)).Number);
    }

    [Fact]
    public async Task Result_is_kept_when_the_caller_goes_away_after_the_effect()
    {
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        await Living().RunAsync(Key, "test.filing", _ =>
        {
            caller.Cancel();
            return Task.FromResult(new Receipt("A-1"));
        }, NeverAsked, caller.Token);
        Assert.Equal("A-1", (await RunAsync(Living(), Never, NeverAsked)).Number);
    }

    [Fact]
    public async Task Waiter_that_is_called_off_changes_nothing()
    {
        var owner = await StopMidwayAsync(Owned("another-machine|17|638000000000000000|x"));
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var waiter = Living().RunAsync(Key, "test.filing", Never, NeverAsked, caller.Token);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiter);
        owner.SetResult(new Receipt("A-1"));
        await Eventually.TrueAsync(async () => (await RecordAsync())!.Status == "done", "the owner ends undisturbed", Ct);
    }

    [Fact]
    public async Task Effect_settled_by_a_person_gives_their_result_or_is_free_again()
    {
        foreach (var key in (string[])["filing:1", "filing:2"])
        {
            await Assert.ThrowsAsync<TimeoutException>(() => RunAsync(Living(), static _ => throw new TimeoutException("no answer"), NeverAsked, key));
            await Assert.ThrowsAsync<EffectUncertainException>(() => RunAsync(Living(), Never, Answers(new Reconciliation<Receipt>.Unknown("no list.")), key));
        }

        Assert.Null(await _records.SettleAsync("filing:1", """{"number":"A-7","cents":12500,"paid":1}""", Ct));
        Assert.Equal(new Receipt("A-7", 12500, Channel.Card), await RunAsync(Living(), Never, NeverAsked, "filing:1"));
        Assert.Null(await _records.SettleAsync("filing:2", null, Ct));
        Assert.Equal("A-8", (await RunAsync(Living(), Gives("A-8"), NeverAsked, "filing:2")).Number);
    }

    [Fact]
    public async Task Result_reads_back_as_it_was()
    {
        var at = new DateTimeOffset(2026, 3, 30, 9, 15, 30, 123, TimeSpan.FromHours(-5));
        var given = new Receipt("Ä-\"1\"<>\u2028\n", long.MaxValue, Channel.Card, at, null, [new("filed", at), new("paid", at.AddTicks(1))]);
        Assert.Same(given, await RunAsync(Living(), _ => Task.FromResult(given), NeverAsked));
        var back = await RunAsync(Living(), Never, NeverAsked);
        Assert.Equal(given with { Steps = null }, back with { Steps = null });
        Assert.Equal(given.Steps, back.Steps);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("long")]
    public async Task Bad_key_is_refused_before_anything_happens(string key) =>
        await Assert.ThrowsAnyAsync<ArgumentException>(() => RunAsync(Living(), Never, NeverAsked, key == "long" ? new string('k', 301) : key));
}

public sealed class EffectLedgerOnSqlite() : EffectLedgerTests(null);

public sealed class EffectLedgerOnPostgres(PostgresFixture postgres) : EffectLedgerTests(postgres), IClassFixture<PostgresFixture>;
