using System.Data.Common;
using Npgsql;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Storage;

public abstract class CommitContract(ITestDatabase database) : StoreTestBase(database)
{
    [Fact]
    public async Task A_finished_instance_is_read_back_as_it_was_written()
    {
        var row = Ended(Instance(correlation: "CO-1", state: """{"x":"ä€😀"}""")) with { Name = "Order CO-1", ParentInstanceId = "parent", IncidentCount = 2 };
        var journal = new JournalSegment(row.Id, 1, 7, Clock.GetUtcNow(), Bytes("[1,2]"));

        var lease = await Store.CommitAsync(new InstanceCommit { Instance = row, IsNew = true, NodeId = "node-1", Journal = [journal] }, Ct);

        Assert.Null(lease);
        var read = await Store.GetInstanceAsync(row.Id, Ct);
        Assert.Equal(row with { State = default }, read! with { State = default });
        Assert.Equal(row.State.ToArray(), read.State.ToArray());
        var segment = Assert.Single(await Store.GetJournalAsync(row.Id, 0, 10, Ct));
        Assert.Equal(journal with { Entries = default }, segment with { Entries = default });
        Assert.Equal(journal.Entries.ToArray(), segment.Entries.ToArray());
    }

    [Fact]
    public async Task A_part_of_a_buffer_is_written_as_state()
    {
        var row = Ended(Instance()) with { State = new byte[] { 1, 2, 3, 4, 5 }.AsMemory(1, 3) };
        await Store.CommitAsync(new InstanceCommit { Instance = row, IsNew = true, NodeId = "node-1" }, Ct);
        Assert.Equal([2, 3, 4], (await Store.GetInstanceAsync(row.Id, Ct))!.State.ToArray());
    }

    [Fact]
    public async Task An_unknown_instance_is_null() => Assert.Null(await Store.GetInstanceAsync("nobody", Ct));

    [Fact]
    public async Task A_commit_that_does_not_give_the_lease_back_keeps_it()
    {
        var row = Instance();
        var lease = await StartAsync(row);
        var kept = await Store.CommitAsync(new InstanceCommit { Instance = row with { State = Bytes("2") }, Lease = lease, ReleaseLease = false, NodeId = "node-1" }, Ct);

        Assert.Equal(lease, kept);
        Assert.Null((await Store.ClaimInstanceAsync(row.Id, "node-2", HalfMinute, Ct)).Lease);
        Assert.Null(await Store.CommitAsync(new InstanceCommit { Instance = row with { State = Bytes("3") }, Lease = kept, NodeId = "node-1" }, Ct));
        var (read, claimed) = await Store.ClaimInstanceAsync(row.Id, "node-2", HalfMinute, Ct);
        Assert.NotNull(claimed);
        Assert.Equal("3"u8.ToArray(), read!.State.ToArray());
    }

    [Fact]
    public async Task A_commit_with_a_lease_taken_over_by_another_is_refused_and_writes_nothing()
    {
        var row = Instance();
        var stale = await StartAsync(row);
        Clock.Advance(TimeSpan.FromMinutes(1));
        var (_, fresh) = await Store.ClaimInstanceAsync(row.Id, "node-2", HalfMinute, Ct);
        Assert.NotNull(fresh);

        foreach (var release in (bool[])[true, false])
        {
            var conflict = await ConflictAsync(Store.CommitAsync(
                new InstanceCommit { Instance = row with { State = Bytes("zombie") }, Lease = stale, ReleaseLease = release, NodeId = "node-1", Enqueue = [Item()] }, Ct));
            Assert.Equal(CommitConflict.LeaseLost, conflict.Conflict);
        }

        Assert.Equal("{}"u8.ToArray(), (await Store.GetInstanceAsync(row.Id, Ct))!.State.ToArray());
        Assert.Null(await Store.NextDueAsync(Ct));
        await Store.CommitAsync(new InstanceCommit { Instance = row, Lease = fresh, NodeId = "node-2" }, Ct);
    }

    [Fact]
    public async Task A_lapsed_lease_that_nobody_took_over_still_commits()
    {
        var row = Instance();
        var lease = await StartAsync(row);
        Clock.Advance(TimeSpan.FromHours(1));
        await Store.CommitAsync(new InstanceCommit { Instance = Ended(row), Lease = lease, NodeId = "node-1" }, Ct);
        Assert.Equal(InstanceStatus.Finished, (await Store.GetInstanceAsync(row.Id, Ct))!.Status);
    }

    [Fact]
    public async Task A_lease_that_was_used_to_end_an_instance_commits_nothing_more()
    {
        var row = Instance();
        var lease = await StartAsync(row);
        await Store.CommitAsync(new InstanceCommit { Instance = Ended(row), Lease = lease, ReleaseLease = false, NodeId = "node-1" }, Ct);
        var conflict = await ConflictAsync(Store.CommitAsync(new InstanceCommit { Instance = row, Lease = lease, NodeId = "node-1" }, Ct));
        Assert.Equal(CommitConflict.LeaseLost, conflict.Conflict);
    }

    [Fact]
    public async Task An_instance_deleted_under_its_runner_cannot_be_committed()
    {
        var row = Instance();
        var lease = await StartAsync(row);
        Assert.Equal(1, await Store.DeleteInstancesAsync([row.Id], Ct));
        Assert.Equal(CommitConflict.LeaseLost, (await ConflictAsync(Store.CommitAsync(new InstanceCommit { Instance = row, Lease = lease, NodeId = "node-1" }, Ct))).Conflict);
        Assert.Null(await Store.GetInstanceAsync(row.Id, Ct));
    }

    [Fact]
    public async Task A_commit_of_a_known_instance_without_a_lease_is_refused_with_a_clear_error()
    {
        var error = await Assert.ThrowsAsync<ArgumentException>(() => Store.CommitAsync(new InstanceCommit { Instance = Instance("i-1"), NodeId = "node-1" }, Ct));
        Assert.Contains("i-1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_new_instance_is_written_once_when_many_race()
    {
        var row = Ended(Instance());
        var outcomes = await Race.OutcomesAsync(16, i => Store.CommitAsync(new InstanceCommit { Instance = row with { State = Bytes(i.ToString("D2", null)) }, IsNew = true, NodeId = "node-1" }, Ct));
        Assert.Equal(1, outcomes.Count(o => o is null));
        Assert.All(outcomes.OfType<Exception>(), e => Assert.Equal(CommitConflict.UniqueKey, Assert.IsType<CommitConflictException>(e).Conflict));
    }

    [Fact]
    public async Task One_lease_commits_once_when_many_race_to_give_it_back()
    {
        var row = Instance();
        var lease = await StartAsync(row);
        var outcomes = await Race.OutcomesAsync(16, _ => Store.CommitAsync(new InstanceCommit { Instance = Ended(row), Lease = lease, NodeId = "node-1" }, Ct));
        Assert.Equal(1, outcomes.Count(o => o is null));
        Assert.All(outcomes.OfType<Exception>(), e => Assert.Equal(CommitConflict.LeaseLost, Assert.IsType<CommitConflictException>(e).Conflict));
    }

    [Fact]
    public async Task One_work_item_is_completed_once_when_many_race()
    {
        var item = Item();
        await Store.EnqueueAsync([item], "node-1", null, HalfMinute, Ct);
        var outcomes = await Race.OutcomesAsync(16, _ => Store.CommitAsync(new InstanceCommit { Instance = Ended(Instance()), IsNew = true, NodeId = "node-1", CompletedWorkIds = [item.Id] }, Ct));
        Assert.Equal(1, outcomes.Count(o => o is null));
        Assert.All(outcomes.OfType<Exception>(), e => Assert.Equal(CommitConflict.WorkGone, Assert.IsType<CommitConflictException>(e).Conflict));
        Assert.Equal(1, await Store.CountInstancesAsync(new InstanceFilter(), Ct));
    }

    [Fact]
    public async Task An_activation_key_is_held_by_one_instance_until_it_ends()
    {
        var first = Instance(activationKey: "order:CO-1");
        var lease = await StartAsync(first);
        var conflict = await ConflictAsync(Store.CommitAsync(new InstanceCommit { Instance = Instance(activationKey: "order:CO-1"), IsNew = true, NodeId = "node-1" }, Ct));
        Assert.Equal(CommitConflict.UniqueKey, conflict.Conflict);

        await Store.CommitAsync(new InstanceCommit { Instance = Ended(first), Lease = lease, NodeId = "node-1" }, Ct);
        Assert.Null((await Store.GetInstanceAsync(first.Id, Ct))!.ActivationKey);
        await Store.CommitAsync(new InstanceCommit { Instance = Instance(activationKey: "order:CO-1"), IsNew = true, NodeId = "node-1" }, Ct);
    }

    [Fact]
    public async Task One_bad_commit_among_twenty_good_ones_harms_only_itself()
    {
        await StartAsync(Instance("taken"));
        for (var round = 0; round < 5; round++)
        {
            var rows = Enumerable.Range(0, 20).Select(_ => Ended(Instance())).ToList();
            rows.Insert(10, Ended(Instance("taken")));
            var outcomes = await Race.OutcomesAsync(rows.Count, i => Store.CommitAsync(new InstanceCommit { Instance = rows[i], IsNew = true, NodeId = "node-1", Enqueue = [Item("w" + rows[i].Id)] }, Ct));

            var bad = Assert.IsType<CommitConflictException>(outcomes[10]);
            Assert.Equal(CommitConflict.UniqueKey, bad.Conflict);
            Assert.All(outcomes.Where((_, i) => i != 10), Assert.Null);
            foreach (var row in rows.Where(r => r.Id != "taken")) Assert.NotNull(await Store.GetInstanceAsync(row.Id, Ct));
            Assert.Equal(InstanceStatus.Running, (await Store.GetInstanceAsync("taken", Ct))!.Status);
        }

        var taken = await Store.TakeDueAsync("node-1", 1000, HalfMinute, Ct);
        Assert.Equal(100, taken.Count);
        Assert.DoesNotContain(taken, w => w.Id == "wtaken");
    }

    [Fact]
    public async Task Commits_of_all_kinds_at_once_share_transactions()
    {
        var before = Store.RoundTrips;
        var rows = Enumerable.Range(0, 200).Select(_ => Ended(Instance())).ToList();
        var outcomes = await Race.OutcomesAsync(rows.Count, i => Store.CommitAsync(new InstanceCommit { Instance = rows[i], IsNew = true, NodeId = "node-1" }, Ct));
        Assert.All(outcomes, Assert.Null);
        Assert.InRange(Store.RoundTrips - before, 1, 150);
    }

    [Fact]
    public async Task A_commit_alone_takes_one_round_trip()
    {
        await Store.CommitAsync(new InstanceCommit { Instance = Ended(Instance()), IsNew = true, NodeId = "node-1" }, Ct);
        var row = Instance();
        var lease = await StartAsync(row);
        var before = Store.RoundTrips;
        await Store.CommitAsync(new InstanceCommit
        {
            Instance = row,
            Lease = lease,
            NodeId = "node-1",
            Journal = [new JournalSegment(row.Id, 1, 2, Clock.GetUtcNow(), Bytes("[]"))],
            Enqueue = [Item(dueIn: HalfMinute)],
        }, Ct);
        Assert.Equal(1, Store.RoundTrips - before);
    }

    [Fact]
    public async Task A_consumed_bookmark_takes_its_timer_with_it()
    {
        var row = Instance(status: InstanceStatus.Suspended);
        var (first, second) = (Bookmark(row.Id, "A"), Bookmark(row.Id, "B"));
        await Store.CommitAsync(new InstanceCommit
        {
            Instance = row,
            IsNew = true,
            NodeId = "node-1",
            AddedBookmarks = [first, second],
            Enqueue = [Item(kind: WorkKind.Resume, instance: row.Id, dueIn: HalfMinute, owner: first.Id), Item(kind: WorkKind.Resume, instance: row.Id, dueIn: 2 * HalfMinute, owner: second.Id)],
        }, Ct);
        Assert.Equal(Clock.GetUtcNow() + HalfMinute, await Store.NextDueAsync(Ct));

        var (_, lease) = await Store.ClaimInstanceAsync(row.Id, "node-1", HalfMinute, Ct);
        await Store.CommitAsync(new InstanceCommit { Instance = row, Lease = lease, NodeId = "node-1", RemovedBookmarkIds = [first.Id] }, Ct);
        Assert.Null(await Store.GetBookmarkAsync(first.Id, Ct));
        Assert.Equal(second, await Store.GetBookmarkAsync(second.Id, Ct));
        Assert.Equal(Clock.GetUtcNow() + (2 * HalfMinute), await Store.NextDueAsync(Ct));
    }

    [Theory]
    [InlineData(InstanceStatus.Finished)]
    [InlineData(InstanceStatus.Faulted)]
    [InlineData(InstanceStatus.Cancelled)]
    public async Task An_instance_that_ends_leaves_no_bookmark_timer_or_lease(InstanceStatus end)
    {
        var row = Instance(status: InstanceStatus.Suspended);
        var bookmark = Bookmark(row.Id);
        await Store.CommitAsync(new InstanceCommit
        {
            Instance = row,
            IsNew = true,
            NodeId = "node-1",
            AddedBookmarks = [bookmark],
            Enqueue = [Item(kind: WorkKind.Resume, instance: row.Id, dueIn: HalfMinute, owner: bookmark.Id)],
        }, Ct);
        var (_, lease) = await Store.ClaimInstanceAsync(row.Id, "node-1", HalfMinute, Ct);
        var held = await Store.CommitAsync(new InstanceCommit { Instance = Ended(row, end), Lease = lease, ReleaseLease = false, NodeId = "node-1", AddedBookmarks = [Bookmark(row.Id)] }, Ct);

        Assert.Null(held);
        Assert.Empty(await Store.FindBookmarksAsync(bookmark.Hash, null, null, null, Ct));
        Assert.Null(await Store.NextDueAsync(Ct));
        Assert.NotNull((await Store.ClaimInstanceAsync(row.Id, "node-2", HalfMinute, Ct)).Lease);
    }

    [Fact]
    public async Task A_contradiction_of_status_and_end_is_refused_by_the_database()
    {
        await Assert.ThrowsAnyAsync<DbException>(() => Store.CommitAsync(new InstanceCommit { Instance = Instance() with { FinishedAt = Clock.GetUtcNow() }, IsNew = true, NodeId = "node-1" }, Ct));
        Assert.Equal(0, await Store.CountInstancesAsync(new InstanceFilter(), Ct));
    }

    [Fact]
    public async Task A_cancelled_caller_writes_nothing()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.CommitAsync(new InstanceCommit { Instance = Ended(Instance()), IsNew = true, NodeId = "node-1" }, cancelled.Token));
        Assert.Equal(0, await Store.CountInstancesAsync(new InstanceFilter(), Ct));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_timer_is_carried_out_by_the_commit_that_burns_its_bookmark(bool ends)
    {
        var row = Instance(status: InstanceStatus.Suspended);
        var bookmark = new BookmarkRow("timed-" + row.Id, row.Id, "hash", "Elsa.Delay", "activity", null, row.CreatedAt);
        await SuspendNewAsync(row, bookmark);
        var timer = Item("timer-" + row.Id) with { InstanceId = row.Id, OwnerKey = bookmark.Id };
        await Store.EnqueueAsync([timer], "node-1", new HashSet<string> { timer.Id }, HalfMinute, Ct);
        var (_, lease) = await Store.ClaimInstanceAsync(row.Id, "node-1", HalfMinute, Ct);

        await Store.CommitAsync(new InstanceCommit { Instance = ends ? Ended(row) : row, Lease = lease, NodeId = "node-1", RemovedBookmarkIds = [bookmark.Id], CompletedWorkIds = [timer.Id] }, Ct);
        Assert.Null(await Store.GetBookmarkAsync(bookmark.Id, Ct));
        Assert.Null(await Store.NextDueAsync(Ct));
    }

    [Fact]
    public async Task A_closed_store_says_so()
    {
        var store = OpenAnother();
        await store.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => store.CompleteWorkAsync(["x"], Ct));
    }
}

public sealed class CommitOnSqlite() : CommitContract(new OnSqliteFile());

public sealed class CommitOnPostgres(PostgresFixture postgres) : CommitContract(new OnPostgresServer(postgres))
{
    [Fact]
    public async Task After_lost_connections_no_answered_commit_is_missing_and_the_store_goes_on_by_itself()
    {
        var other = OpenAnother();
        var answered = new List<string>();
        var failures = new List<Exception>();
        await other.WaitForSignalAsync(TimeSpan.Zero, Ct);
        for (var round = 0; round < 3; round++)
        {
            var rows = Enumerable.Range(0, 40).Select(_ => Ended(Instance())).ToList();
            var racing = Race.OutcomesAsync(rows.Count, i => Store.CommitAsync(new InstanceCommit { Instance = rows[i], IsNew = true, NodeId = "node-1" }, Ct));
            await CutAllAsync();
            var outcomes = await racing;
            answered.AddRange(rows.Where((_, i) => outcomes[i] is null).Select(r => r.Id));
            failures.AddRange(outcomes.OfType<Exception>());
            await Eventually.TrueAsync(
                async () => await Record.ExceptionAsync(() => Store.CommitAsync(new InstanceCommit { Instance = Ended(Instance()), IsNew = true, NodeId = "node-1" }, Ct)) is null,
                "commits work again", Ct);
        }

        // A lost connection is no verdict on the commit.
        Assert.DoesNotContain(failures, f => f is CommitConflictException);
        List<string> stored = [];
        await Eventually.TrueAsync(async () => await Record.ExceptionAsync(async () =>
            stored = [.. (await Store.ListInstancesAsync(new InstanceFilter(), 0, 1000, Ct)).Items.Select(i => i.Id)]) is null, "reading works again", Ct);
        Assert.Empty(answered.Except(stored));
        await Eventually.TrueAsync(async () =>
        {
            var waiting = other.WaitForSignalAsync(Timeout.InfiniteTimeSpan, Ct);
            Clock.Advance(TimeSpan.FromSeconds(2));
            await Record.ExceptionAsync(() => Store.EnqueueAsync([Item()], "node-1", null, HalfMinute, Ct));
            return await Task.WhenAny(waiting, Task.Delay(TimeSpan.FromMilliseconds(50), Ct)) == waiting;
        }, "the other node hears again", Ct);
    }

    private async Task CutAllAsync()
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(Options.ConnectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(Ct);
        await using var command = new NpgsqlCommand("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()", connection);
        await command.ExecuteNonQueryAsync(Ct);
    }
}
