using Npgsql;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Storage;

public abstract class LeaseContract(ITestDatabase database) : StoreTestBase(database)
{
    [Fact]
    public async Task A_free_instance_is_claimed_with_its_newest_state()
    {
        var row = Instance(status: InstanceStatus.Suspended, state: "s1");
        await SuspendNewAsync(row);
        var (read, lease) = await Store.ClaimInstanceAsync(row.Id, "node-1", HalfMinute, Ct);
        Assert.Equal("s1"u8.ToArray(), read!.State.ToArray());
        Assert.Equal(row.Id, lease!.InstanceId);
    }

    [Fact]
    public async Task An_unknown_instance_is_not_claimed() => Assert.Equal((null, null), await Store.ClaimInstanceAsync("nobody", "node-1", HalfMinute, Ct));

    [Fact]
    public async Task A_held_instance_is_shown_but_not_given()
    {
        var row = Instance();
        await StartAsync(row);
        var (read, lease) = await Store.ClaimInstanceAsync(row.Id, "node-1", HalfMinute, Ct);
        Assert.Equal(row.Id, read!.Id);
        Assert.Null(lease);
    }

    [Fact]
    public async Task One_of_many_claims_an_instance()
    {
        var row = Instance(status: InstanceStatus.Suspended);
        await SuspendNewAsync(row);
        var other = OpenAnother();
        for (var round = 0; round < 10; round++)
        {
            var claims = await Race.ResultsAsync(16, i => (i % 2 == 0 ? Store : other).ClaimInstanceAsync(row.Id, "node-" + i, HalfMinute, Ct));
            var winner = Assert.Single(claims, c => c.Lease is not null).Lease!;
            await Store.ReleaseLeaseAsync(winner, Ct);
        }
    }

    [Fact]
    public async Task A_claim_that_its_caller_gives_up_leaves_no_lease_that_nobody_has()
    {
        var row = Instance(status: InstanceStatus.Suspended);
        await SuspendNewAsync(row);
        for (var round = 0; round < 20; round++)
        {
            using var stop = new CancellationTokenSource();
            var claiming = Store.ClaimInstanceAsync(row.Id, "node-1", HalfMinute, stop.Token);
            await stop.CancelAsync();
            Lease? lease = null;
            try
            {
                lease = (await claiming).Lease;
            }
            catch (OperationCanceledException)
            {
                // Then the instance is free.
            }

            lease ??= (await Store.ClaimInstanceAsync(row.Id, "node-2", HalfMinute, Ct)).Lease;
            Assert.NotNull(lease);
            await Store.ReleaseLeaseAsync(lease, Ct);
        }
    }

    [Fact]
    public async Task A_claim_that_races_with_a_commit_sees_what_was_committed()
    {
        var row = Instance(status: InstanceStatus.Suspended, state: "0");
        await SuspendNewAsync(row);
        var other = OpenAnother();
        var (_, lease) = await Store.ClaimInstanceAsync(row.Id, "node-1", HalfMinute, Ct);
        for (var round = 1; round <= 50; round++)
        {
            var state = round.ToString("D", null);
            var held = lease!;
            var commit = Task.Run(() => Store.CommitAsync(new InstanceCommit { Instance = row with { State = Bytes(state) }, Lease = held, NodeId = "node-1" }, Ct), Ct);
            (InstanceRow? Instance, Lease? Lease) claim;
            do claim = await other.ClaimInstanceAsync(row.Id, "node-2", HalfMinute, Ct);
            while (claim.Lease is null);
            await commit;
            Assert.Equal(Bytes(state).ToArray(), claim.Instance!.State.ToArray());
            lease = claim.Lease;
        }
    }

    [Fact]
    public async Task A_token_is_never_given_out_twice()
    {
        var row = Instance(status: InstanceStatus.Suspended);
        await SuspendNewAsync(row);
        var tokens = new HashSet<long>();
        for (var i = 0; i < 5; i++)
        {
            var node = OpenAnother();
            for (var n = 0; n < 5; n++)
            {
                var (_, lease) = await node.ClaimInstanceAsync(row.Id, "node-1", HalfMinute, Ct);
                Assert.True(tokens.Add(lease!.Token));
                await node.ReleaseLeaseAsync(lease, Ct);
            }
        }
    }

    [Fact]
    public async Task Renewed_leases_last_and_lost_ones_are_named()
    {
        var (a, b, c) = (await StartAsync(Instance("a")), await StartAsync(Instance("b")), await StartAsync(Instance("c")));
        Clock.Advance(TimeSpan.FromSeconds(20));
        Assert.Empty(await Store.RenewLeasesAsync([a, b, c], HalfMinute, Ct));
        Clock.Advance(TimeSpan.FromSeconds(20));
        Assert.Null((await Store.ClaimInstanceAsync("a", "node-2", HalfMinute, Ct)).Lease);
        Clock.Advance(TimeSpan.FromSeconds(20));
        Assert.NotNull((await Store.ClaimInstanceAsync("b", "node-2", HalfMinute, Ct)).Lease);
        await Store.DeleteInstancesAsync(["c"], Ct);
        Assert.Equal([b, c], (await Store.RenewLeasesAsync([a, b, c], HalfMinute, Ct)).OrderBy(l => l.InstanceId));
    }

    [Fact]
    public async Task A_stale_lease_releases_nothing()
    {
        var row = Instance();
        var stale = await StartAsync(row);
        Clock.Advance(TimeSpan.FromMinutes(1));
        await Store.ClaimInstanceAsync(row.Id, "node-2", HalfMinute, Ct);
        await Store.ReleaseLeaseAsync(stale, Ct);
        Assert.Null((await Store.ClaimInstanceAsync(row.Id, "node-3", HalfMinute, Ct)).Lease);
    }

    [Fact]
    public async Task Running_instances_of_dead_nodes_are_claimed_and_counted()
    {
        await StartAsync(Instance("dead"));
        await StartAsync(Instance("alive"), TimeSpan.FromHours(1));
        await SuspendNewAsync(Instance("waits", InstanceStatus.Suspended));
        await SuspendNewAsync(Instance("orphan"));
        await Store.CommitAsync(new InstanceCommit { Instance = Ended(Instance("ended")), IsNew = true, NodeId = "node-1" }, Ct);
        Clock.Advance(TimeSpan.FromMinutes(1));

        var claimed = await Store.ClaimLapsedAsync("node-2", 10, HalfMinute, Ct);
        Assert.Equal(["dead", "orphan"], claimed.Select(c => c.Instance.Id).Order());
        Assert.All(claimed, c => Assert.Equal(1, c.Takeovers));
        Assert.Empty(await Store.ClaimLapsedAsync("node-3", 10, HalfMinute, Ct));

        Clock.Advance(TimeSpan.FromMinutes(1));
        var again = await Store.ClaimLapsedAsync("node-3", 10, HalfMinute, Ct);
        Assert.All(again, c => Assert.Equal(2, c.Takeovers));

        var dead = again.Single(c => c.Instance.Id == "dead");
        await Store.CommitAsync(new InstanceCommit { Instance = dead.Instance, Lease = dead.Lease, NodeId = "node-3" }, Ct);
        Assert.Equal(1, Assert.Single(await Store.ClaimLapsedAsync("node-1", 10, HalfMinute, Ct)).Takeovers);
    }

    [Fact]
    public async Task Each_lapsed_instance_goes_to_one_of_many_nodes()
    {
        for (var i = 0; i < 60; i++) await StartAsync(Instance());
        Clock.Advance(TimeSpan.FromMinutes(1));
        var other = OpenAnother();
        var claims = await Race.ResultsAsync(8, i => (i % 2 == 0 ? Store : other).ClaimLapsedAsync("node-" + i, 20, HalfMinute, Ct));
        var ids = claims.SelectMany(c => c).Select(c => c.Instance.Id).ToList();
        Assert.Equal(ids.Count, ids.Distinct().Count());
        while (await Store.ClaimLapsedAsync("last", 20, HalfMinute, Ct) is { Count: > 0 } rest) ids.AddRange(rest.Select(c => c.Instance.Id));
        Assert.Equal(60, ids.Distinct().Count());
        Assert.Equal(60, ids.Count);
    }

    [Fact]
    public async Task What_a_node_that_is_gone_still_held_can_be_taken_at_once_and_the_rest_stays_held()
    {
        var (dead, living) = (Instance(), Instance());
        await StartAsync(dead, node: "node-dead");
        await StartAsync(living, node: "node-living");
        await Store.EnqueueAsync([Item("taken")], "node-dead", new HashSet<string> { "taken" }, HalfMinute, Ct);
        Assert.Empty(await Store.TakeDueAsync("node-3", 10, HalfMinute, Ct));

        Assert.Equal(["node-dead"], await Store.LapseAsync(static node => node == "node-dead", Ct));
        Assert.Equal([dead.Id], (await Store.ClaimLapsedAsync("node-3", 16, HalfMinute, Ct)).Select(c => c.Instance.Id));
        Assert.Equal(["taken"], (await Store.TakeDueAsync("node-3", 10, HalfMinute, Ct)).Select(w => w.Id));
        Assert.Empty(await Store.LapseAsync(static node => node == "node-dead", Ct));
    }
}

public sealed class LeaseOnSqlite() : LeaseContract(new OnSqliteFile());

public sealed class LeaseOnPostgres(PostgresFixture postgres) : LeaseContract(new OnPostgresServer(postgres))
{
    [Fact]
    public async Task A_claim_whose_answer_was_lost_is_had_when_it_is_made_once_more()
    {
        var row = Instance(status: InstanceStatus.Suspended);
        await SuspendNewAsync(row);
        await using var source = NpgsqlDataSource.Create(Options.ConnectionString);
        await using var claims = new PostgresClaims(source, source, "SELECT i.id FROM workflow_instances i", r => row with { Id = r.GetString(0) }, () => Clock.GetUtcNow(), static () => { });
        var token = (await Store.ClaimInstanceAsync(row.Id, "node-1", HalfMinute, Ct)).Lease!.Token;
        Assert.Equal(token, (await claims.ClaimAsync(row.Id, "node-1", token, HalfMinute)).Lease!.Token);
        Assert.Null((await claims.ClaimAsync(row.Id, "node-2", token + 1, HalfMinute)).Lease);
    }

    [Fact]
    public async Task An_instance_that_can_not_be_read_harms_no_claim_made_with_its_own()
    {
        InstanceRow[] rows = [.. Enumerable.Range(0, 12).Select(_ => Instance(status: InstanceStatus.Suspended))];
        foreach (var row in rows) await SuspendNewAsync(row);
        await using var source = NpgsqlDataSource.Create(Options.ConnectionString);
        await using var claims = new PostgresClaims(
            source, source, "SELECT i.id FROM workflow_instances i", r => r.GetString(0) == rows[5].Id ? throw new FormatException("unreadable") : rows[0] with { Id = r.GetString(0) }, () => Clock.GetUtcNow(), static () => { });
        var outcomes = await Race.OutcomesAsync(rows.Length, async i => Assert.NotNull((await claims.ClaimAsync(rows[i].Id, "node-1", 1_000_000 + i, HalfMinute)).Lease));
        for (var i = 0; i < rows.Length; i++)
        {
            if (i == 5) Assert.IsType<FormatException>(outcomes[i]);
            else Assert.Null(outcomes[i]);
        }

        // And the one that can't be read is free for whoever can.
        Assert.NotNull((await Store.ClaimInstanceAsync(rows[5].Id, "node-2", HalfMinute, Ct)).Lease);
    }

    [Fact]
    public async Task Without_a_test_clock_leases_run_on_the_clock_of_the_database()
    {
        var store = OpenAnother();
        store.ClockOverride = null;
        var row = Instance();
        // The node's own clock stands still years away; the lease is living all the same, and the item is due.
        await store.CommitAsync(new InstanceCommit { Instance = row, IsNew = true, ReleaseLease = false, NodeId = "node-1" }, Ct);
        Assert.Null((await store.ClaimInstanceAsync(row.Id, "node-2", HalfMinute, Ct)).Lease);
        await store.EnqueueAsync([Item("past") with { DueAt = DateTimeOffset.UnixEpoch }], "node-1", null, HalfMinute, Ct);
        Assert.Single(await store.TakeDueAsync("node-1", 10, HalfMinute, Ct));
    }
}
