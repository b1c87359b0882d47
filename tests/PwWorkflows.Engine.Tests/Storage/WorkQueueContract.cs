using PwWorkflows.Engine.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Storage;

public abstract class WorkQueueContract(ITestDatabase database) : StoreTestBase(database)
{
    private Task EnqueueAsync(params WorkItem[] items) => Store.EnqueueAsync(items, "node-1", null, HalfMinute, Ct);

    private Task<IReadOnlyList<WorkItem>> TakeAsync(int max = 100, string node = "node-1") => Store.TakeDueAsync(node, max, HalfMinute, Ct);

    [Fact]
    public async Task An_item_comes_back_as_it_was_sent_with_one_attempt()
    {
        var item = new WorkItem("item-1", WorkKind.Stimulus, null, Clock.GetUtcNow(), Bytes("payload"), "HASH", "CO-1", "owner");
        await EnqueueAsync(item);
        var taken = Assert.Single(await TakeAsync());
        Assert.Equal(item with { Attempts = 1, Payload = default }, taken with { Payload = default });
        Assert.Equal("payload"u8.ToArray(), taken.Payload.ToArray());
    }

    [Fact]
    public async Task Items_are_taken_oldest_due_first_and_not_before_they_are_due()
    {
        await EnqueueAsync(Item("c", dueIn: TimeSpan.FromSeconds(-1)), Item("a", dueIn: TimeSpan.FromSeconds(-3)), Item("later", dueIn: TimeSpan.FromSeconds(5)), Item("b", dueIn: TimeSpan.FromSeconds(-2)));
        Assert.Equal(["a", "b"], (await TakeAsync(max: 2)).Select(w => w.Id));
        Assert.Equal(["c"], (await TakeAsync()).Select(w => w.Id));
        Assert.Equal(Clock.GetUtcNow().AddSeconds(5), await Store.NextDueAsync(Ct));
        Assert.Empty(await TakeAsync());
        Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(["later"], (await TakeAsync()).Select(w => w.Id));
        Assert.Null(await Store.NextDueAsync(Ct));
    }

    [Fact]
    public async Task An_item_sent_twice_is_kept_once_as_first_sent()
    {
        var item = Item("same");
        await EnqueueAsync(item, item with { Payload = Bytes("second") });
        await EnqueueAsync(item with { Payload = Bytes("third") });
        Assert.Equal(item.Payload.ToArray(), Assert.Single(await TakeAsync()).Payload.ToArray());
    }

    [Fact]
    public async Task An_item_whose_taker_died_is_taken_by_another()
    {
        await EnqueueAsync(Item("x"));
        await TakeAsync();
        Assert.Empty(await TakeAsync(node: "node-2"));
        Clock.Advance(HalfMinute + TimeSpan.FromSeconds(1));
        Assert.NotNull(await Store.NextDueAsync(Ct));
        Assert.Equal(2, Assert.Single(await TakeAsync(node: "node-2")).Attempts);
    }

    [Fact]
    public async Task Each_item_is_taken_by_one_of_many_takers()
    {
        await EnqueueAsync([.. Enumerable.Range(0, 400).Select(i => Item($"r{i:D3}"))]);
        var other = OpenAnother();
        var taken = await Race.ResultsAsync(16, async i =>
        {
            var mine = new List<string>();
            while (await (i % 2 == 0 ? Store : other).TakeDueAsync("node-" + i, 7, HalfMinute, Ct) is { Count: > 0 } some) mine.AddRange(some.Select(w => w.Id));
            return mine;
        });
        var all = taken.SelectMany(t => t).ToList();
        Assert.Equal(400, all.Count);
        Assert.Equal(400, all.Distinct().Count());
    }

    [Fact]
    public async Task An_item_is_replaced_by_others_once_and_by_none_when_it_is_gone()
    {
        await EnqueueAsync(Item("whole"), Item("kept"));
        await Store.ReplaceWorkAsync(["whole"], [Item("part 1"), Item("part 2")], "node-1", new HashSet<string> { "part 1" }, HalfMinute, Ct);
        Assert.Equal(["kept", "part 2"], (await TakeAsync(node: "node-2")).Select(w => w.Id).Order());
        await Store.CompleteWorkAsync(["part 1", "part 2"], Ct);
        Assert.Equal(CommitConflict.WorkGone, (await ConflictAsync(Store.ReplaceWorkAsync(["kept", "whole"], [Item("part 1"), Item("part 2")], "node-2", null, HalfMinute, Ct))).Conflict);
        Clock.Advance(HalfMinute + TimeSpan.FromSeconds(1));
        Assert.Equal("kept", Assert.Single(await TakeAsync(node: "node-2")).Id);
    }

    [Fact]
    public async Task Items_taken_here_are_nobody_elses_until_their_time_is_over()
    {
        await Store.EnqueueAsync([Item("mine"), Item("free")], "node-1", new HashSet<string> { "mine" }, HalfMinute, Ct);
        await Store.CommitAsync(new InstanceCommit { Instance = Ended(Instance()), IsNew = true, NodeId = "node-1", Enqueue = [Item("own"), Item("open")], TakenHere = new HashSet<string> { "own" } }, Ct);
        Assert.Equal(["free", "open"], (await TakeAsync(node: "node-2")).Select(w => w.Id));
        await Store.CompleteWorkAsync(["free", "open", "unknown"], Ct);
        Clock.Advance(HalfMinute + TimeSpan.FromSeconds(1));
        var late = await TakeAsync(node: "node-2");
        Assert.Equal(["mine", "own"], late.Select(w => w.Id));
        Assert.All(late, w => Assert.Equal(2, w.Attempts));
    }

    [Fact]
    public async Task Items_of_a_leased_instance_wait_for_its_lease()
    {
        var row = Instance();
        var lease = await StartAsync(row);
        await EnqueueAsync(Item("for-it", instance: row.Id), Item("other"));
        Assert.Equal(["other"], (await TakeAsync()).Select(w => w.Id));
        Assert.Equal(Clock.GetUtcNow() + HalfMinute, await Store.NextDueAsync(Ct));
        await Store.CommitAsync(new InstanceCommit { Instance = row with { Status = InstanceStatus.Suspended }, Lease = lease, NodeId = "node-1" }, Ct);
        Assert.Equal(["for-it"], (await TakeAsync()).Select(w => w.Id));
    }

    [Fact]
    public async Task Returned_items_are_due_at_the_time_given()
    {
        await EnqueueAsync(Item("x"));
        await TakeAsync();
        await Store.ReturnWorkAsync(["x", "unknown"], Clock.GetUtcNow().AddSeconds(20), Ct);
        Assert.Empty(await TakeAsync());
        Assert.Equal(Clock.GetUtcNow().AddSeconds(20), await Store.NextDueAsync(Ct));
        Clock.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(2, Assert.Single(await TakeAsync()).Attempts);
    }

    [Fact]
    public async Task Completed_items_are_gone()
    {
        await EnqueueAsync(Item("x"), Item("y"));
        await Store.CompleteWorkAsync(["x"], Ct);
        Assert.Equal(["y"], (await TakeAsync()).Select(w => w.Id));
    }

    [Fact]
    public async Task Items_are_removed_by_their_owner()
    {
        await EnqueueAsync(Item("a", owner: "trigger:x"), Item("b", owner: "trigger:x", dueIn: HalfMinute), Item("c", owner: "trigger:y"));
        Assert.Equal(2, await Store.RemoveWorkByOwnerAsync("trigger:x", Ct));
        Assert.Equal(["c"], (await TakeAsync()).Select(w => w.Id));
    }

    [Fact]
    public async Task A_committed_bookmark_wakes_the_stimuli_that_wait_for_it()
    {
        await EnqueueAsync(Item("waits", WorkKind.Stimulus, null, TimeSpan.FromHours(1), "H"), Item("else", WorkKind.Stimulus, null, TimeSpan.FromHours(1), "OTHER"));
        var row = Instance(status: InstanceStatus.Suspended);
        await SuspendNewAsync(row, Bookmark(row.Id, "H"));
        // The second wake-up, after the commit, may hold the row while one looks.
        var taken = new List<string>();
        await Eventually.TrueAsync(
            async () =>
            {
                taken.AddRange((await TakeAsync()).Select(w => w.Id));
                return taken.Count > 0;
            },
            "the stimulus is due", Ct);
        Assert.Equal(["waits"], taken);
    }

    [Fact]
    public async Task A_stimulus_woken_while_it_is_held_is_due_as_soon_as_it_is_given_back()
    {
        await EnqueueAsync(Item("held", WorkKind.Stimulus, null, hash: "H"));
        await TakeAsync();
        var row = Instance(status: InstanceStatus.Suspended);
        await SuspendNewAsync(row, Bookmark(row.Id, "H"));
        Assert.Empty(await TakeAsync(node: "node-2"));
        await Store.ReturnWorkAsync(["held"], Clock.GetUtcNow().AddHours(1), Ct);
        // The second wake-up, after the commit, may hold the row while one looks, and wakes it once more.
        await Eventually.TrueAsync(async () => (await TakeAsync()).Count == 1, "the stimulus is due", Ct);
        await Eventually.TrueAsync(async () =>
        {
            await Store.ReturnWorkAsync(["held"], Clock.GetUtcNow().AddHours(1), Ct);
            return (await TakeAsync()).Count == 0;
        }, "it is due later", Ct);
    }

    [Fact]
    public async Task A_stimulus_never_stays_behind_however_it_races_with_its_bookmark()
    {
        for (var round = 0; round < 40; round++)
        {
            var hash = "R" + round;
            var row = Instance(status: InstanceStatus.Suspended);
            var outcomes = await Race.OutcomesAsync(2, async i =>
            {
                if (i == 0)
                {
                    await SuspendNewAsync(row, Bookmark(row.Id, hash));
                    return;
                }

                // What an engine does with a stimulus: take it, look for the bookmark, and give it back for later when there is none.
                await EnqueueAsync(Item("s" + hash, WorkKind.Stimulus, null, hash: hash));
                foreach (var item in await TakeAsync())
                {
                    if ((await Store.FindBookmarksAsync(item.Hash!, null, null, null, Ct)).Count == 0) await Store.ReturnWorkAsync([item.Id], Clock.GetUtcNow().AddHours(1), Ct);
                    else await Store.CompleteWorkAsync([item.Id], Ct);
                }
            });
            Assert.All(outcomes, Assert.Null);
            await Eventually.TrueAsync(async () =>
            {
                await Store.CompleteWorkAsync([.. (await TakeAsync()).Select(w => w.Id)], Ct);
                return await Store.NextDueAsync(Ct) is null;
            }, "the stimulus was delivered", Ct);
        }
    }

    [Fact]
    public async Task Taking_is_as_quick_with_many_items_waiting_for_later()
    {
        for (var i = 0; i < 20; i++) await EnqueueAsync([.. Enumerable.Range(0, 500).Select(n => Item($"w{i:D2}{n:D3}", dueIn: TimeSpan.FromDays(1)))]);
        await EnqueueAsync(Item("now"));
        var before = Store.RoundTrips;
        Assert.Equal(["now"], (await TakeAsync()).Select(w => w.Id));
        Assert.InRange(Store.RoundTrips - before, 1, 2);
        var plan = await ExplainTakeAsync();
        Assert.Contains("work_items_available", plan, StringComparison.Ordinal);
        Assert.DoesNotContain("Seq Scan on work_items", plan, StringComparison.Ordinal);
    }

    private Task<string> ExplainTakeAsync() => Store.Database.ReadAsync(async (connection, ct) =>
    {
        await using var command = connection.CreateCommand();
        command.CommandText = (Options.Provider == DatabaseProvider.PostgreSql ? "EXPLAIN SELECT id FROM work_items WHERE available_at <= now()" : "EXPLAIN QUERY PLAN SELECT id FROM work_items WHERE available_at <= 1") + " ORDER BY available_at LIMIT 10";
        await using var reader = await command.ExecuteReaderAsync(ct);
        var lines = new List<string>();
        while (await reader.ReadAsync(ct)) lines.Add(reader.GetString(reader.FieldCount - 1));
        return string.Join('\n', lines);
    }, Ct);

    [Fact]
    public async Task Work_without_an_instance_is_refused_where_one_is_needed()
    {
        var error = await Assert.ThrowsAsync<ArgumentException>(() => EnqueueAsync(Item("x", WorkKind.Resume, instance: null)));
        Assert.Contains("names no instance", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task New_work_ends_the_wait_for_a_signal()
    {
        var waiting = Store.WaitForSignalAsync(Timeout.InfiniteTimeSpan, Ct);
        await EnqueueAsync(Item());
        await waiting;
    }

    [Fact]
    public async Task A_signal_between_two_waits_is_not_lost()
    {
        await EnqueueAsync(Item());
        await Store.WaitForSignalAsync(Timeout.InfiniteTimeSpan, Ct);
    }

    [Fact]
    public async Task A_wait_ends_with_its_time_or_its_caller()
    {
        await EnqueueAsync(Item());
        await Store.WaitForSignalAsync(Timeout.InfiniteTimeSpan, Ct);
        var waiting = Store.WaitForSignalAsync(HalfMinute, Ct);
        await Eventually.TrueAsync(
            () =>
            {
                Clock.Advance(TimeSpan.FromSeconds(1));
                return waiting.IsCompletedSuccessfully;
            }, "the wait ended with its time", Ct);
        using var cancelled = new CancellationTokenSource();
        var another = Store.WaitForSignalAsync(Timeout.InfiniteTimeSpan, cancelled.Token);
        if (!another.IsCompleted) await cancelled.CancelAsync();
        await Record.ExceptionAsync(() => another);
        Assert.True(another.IsCompleted);
    }
}

public sealed class WorkQueueOnSqlite() : WorkQueueContract(new OnSqliteFile());

public sealed class WorkQueueOnPostgres(PostgresFixture postgres) : WorkQueueContract(new OnPostgresServer(postgres))
{
    [Fact]
    public async Task Work_of_one_node_ends_the_wait_of_another()
    {
        var other = OpenAnother();
        await Eventually.TrueAsync(async () =>
        {
            var waiting = other.WaitForSignalAsync(Timeout.InfiniteTimeSpan, Ct);
            await Store.EnqueueAsync([Item()], "node-1", null, HalfMinute, Ct);
            var first = await Task.WhenAny(waiting, Task.Delay(TimeSpan.FromMilliseconds(50), Ct));
            return first == waiting;
        }, "the other node was told", Ct);
    }
}
