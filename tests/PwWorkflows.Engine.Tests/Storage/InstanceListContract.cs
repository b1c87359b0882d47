using PwWorkflows.Engine.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Storage;

public abstract class InstanceListContract(ITestDatabase database) : StoreTestBase(database)
{
    private async Task<List<InstanceRow>> FillAsync(int count, Func<int, InstanceRow>? make = null)
    {
        var rows = new List<InstanceRow>();
        for (var i = 0; i < count; i++)
        {
            Clock.Advance(TimeSpan.FromSeconds(1));
            rows.Add(make?.Invoke(i) ?? Ended(Instance()));
        }

        await Task.WhenAll(rows.Select(r => Store.CommitAsync(new InstanceCommit { Instance = r, IsNew = true, NodeId = "node-1", Journal = [new JournalSegment(r.Id, 1, 1, r.CreatedAt, Bytes("[]"))] }, Ct)));
        return rows;
    }

    [Fact]
    public async Task The_newest_come_first_page_by_page_without_their_state()
    {
        var rows = await FillAsync(25);
        var expected = rows.AsEnumerable().Reverse().Select(r => r.Id).ToList();
        for (var skip = 0; skip < 30; skip += 10)
        {
            var (page, total) = await Store.ListInstancesAsync(new InstanceFilter(), skip, 10, Ct);
            Assert.Equal(expected.Skip(skip).Take(10), page.Select(p => p.Id));
            Assert.All(page, p => Assert.True(p.State.IsEmpty));
            Assert.Equal(25, total);
        }
    }

    [Fact]
    public async Task All_conditions_of_a_filter_must_hold()
    {
        await FillAsync(12, i => i switch
        {
            < 6 => Ended(Instance("f" + i, definition: "order", correlation: "CO-" + i)),
            < 9 => Instance("s" + i, InstanceStatus.Suspended, "order") with { ParentInstanceId = "p" },
            _ => Ended(Instance("x" + i, definition: "sweep"), InstanceStatus.Faulted) with { IncidentCount = 1, Name = "50% of_it" },
        });

        async Task<string> Ids(InstanceFilter filter)
        {
            var (items, total) = await Store.ListInstancesAsync(filter, 0, 100, Ct);
            Assert.Equal(items.Count, total);
            Assert.Equal(total, await Store.CountInstancesAsync(filter, Ct));
            return string.Join(' ', items.Select(i => i.Id).Order(StringComparer.Ordinal));
        }

        Assert.Equal("f1 x9", await Ids(new InstanceFilter(Ids: ["f1", "x9", "none"])));
        Assert.Equal("", await Ids(new InstanceFilter(Ids: [])));
        Assert.Equal("x10 x11 x9", await Ids(new InstanceFilter(DefinitionIds: ["sweep"])));
        Assert.Equal("s6 s7 s8 x10 x11 x9", await Ids(new InstanceFilter(DefinitionIds: ["sweep", "order"], Statuses: [InstanceStatus.Suspended, InstanceStatus.Faulted])));
        Assert.Equal("f0 f1 f2 f3 f4 f5 s6 s7 s8", await Ids(new InstanceFilter(Statuses: [InstanceStatus.Suspended, InstanceStatus.Finished])));
        Assert.Equal("", await Ids(new InstanceFilter(Statuses: [])));
        Assert.Equal("x10 x11 x9", await Ids(new InstanceFilter(DefinitionVersionIds: ["sweep:1"])));
        Assert.Equal("f2", await Ids(new InstanceFilter(CorrelationId: "CO-2")));
        Assert.Equal("s6 s7 s8", await Ids(new InstanceFilter(ParentInstanceId: "p")));
        Assert.Equal("x10 x11 x9", await Ids(new InstanceFilter(HasIncidents: true)));
        Assert.Equal("", await Ids(new InstanceFilter(HasIncidents: true, DefinitionIds: ["order"])));
        Assert.Equal("f4", await Ids(new InstanceFilter(SearchTerm: " co-4 ")));
        Assert.Equal("x10 x11 x9", await Ids(new InstanceFilter(SearchTerm: "50% OF_")));
        Assert.Equal("", await Ids(new InstanceFilter(SearchTerm: "5%f")));
    }

    [Theory]
    [InlineData("RUN-0", "run-0")] // an id, in whatever case
    [InlineData("run-1", "run-1 run-10 run-11")] // how ids begin
    [InlineData("co-77", "run-7")] // how a business key begins
    [InlineData("ÉTÉ de", "run-8")] // how a name begins
    [InlineData("weep", "run-10 run-11")] // any part of a definition's id
    [InlineData("o-sw", "run-10 run-11 run-9")] // in the middle of a key, too, when it is one of a definition
    [InlineData("-777", "run-7")] // in the middle, as nothing begins with it
    [InlineData("TAIL", "run-8")]
    [InlineData("none", "")]
    public async Task A_search_finds_by_id_key_name_and_definition(string term, string found)
    {
        await FillAsync(12, i => i switch
        {
            7 => Ended(Instance("run-7", correlation: "CO-777")),
            8 => Ended(Instance("run-8")) with { Name = "été de la cocktail" },
            9 => Ended(Instance("run-9", definition: "go-swim")),
            > 9 => Ended(Instance("run-" + i, definition: "go-sweep")),
            _ => Ended(Instance("run-" + i)),
        });
        var (items, total) = await Store.ListInstancesAsync(new InstanceFilter(SearchTerm: term), 0, 100, Ct);
        Assert.Equal(found, string.Join(' ', items.Select(i => i.Id).Order(StringComparer.Ordinal)));
        Assert.Equal(total, await Store.CountInstancesAsync(new InstanceFilter(SearchTerm: term), Ct));
        var (suspended, _) = await Store.ListInstancesAsync(new InstanceFilter(SearchTerm: term, Statuses: [InstanceStatus.Suspended]), 0, 100, Ct);
        Assert.Empty(suspended);
    }

    [Fact]
    public async Task An_activation_is_looked_for_among_the_living()
    {
        await FillAsync(1, _ => Ended(Instance(correlation: "CO-1")));
        Assert.False(await Store.IsActiveAsync("order", null, Ct));
        await SuspendNewAsync(Instance("w", InstanceStatus.Suspended, correlation: "CO-2"));
        Assert.True(await Store.IsActiveAsync("order", null, Ct));
        Assert.True(await Store.IsActiveAsync("order", "CO-2", Ct));
        Assert.True(await Store.IsActiveAsync(null, "CO-2", Ct));
        Assert.False(await Store.IsActiveAsync("order", "CO-1", Ct));
        Assert.False(await Store.IsActiveAsync("sweep", "CO-2", Ct));
    }

    [Fact]
    public async Task Deleted_instances_leave_nothing_behind()
    {
        var row = Instance("gone", InstanceStatus.Suspended);
        var bookmark = Bookmark("gone");
        await Store.CommitAsync(new InstanceCommit
        {
            Instance = row,
            IsNew = true,
            NodeId = "node-1",
            AddedBookmarks = [bookmark],
            Journal = [new JournalSegment("gone", 1, 1, row.CreatedAt, Bytes("[]"))],
            Enqueue = [Item(kind: WorkKind.Resume, instance: "gone", owner: bookmark.Id)],
        }, Ct);
        await FillAsync(2);
        Assert.Equal(1, await Store.DeleteInstancesAsync(["gone", "gone", "unknown"], Ct));
        Assert.Null(await Store.GetInstanceAsync("gone", Ct));
        Assert.Null(await Store.GetBookmarkAsync(bookmark.Id, Ct));
        Assert.Empty(await Store.GetJournalAsync("gone", 0, 10, Ct));
        Assert.Null(await Store.NextDueAsync(Ct));
        Assert.Equal(2, await Store.CountInstancesAsync(new InstanceFilter(), Ct));
    }

    [Fact]
    public async Task Retention_deletes_old_ended_instances_in_small_steps_and_spares_the_rest()
    {
        await FillAsync(6, i => Ended(Instance("o" + i, definition: "order")));
        await FillAsync(4, i => Ended(Instance("k" + i, definition: "keep")));
        await FillAsync(3, i => Ended(Instance("s" + i, definition: "sweep")));
        await FillAsync(1, _ => Instance("lives", InstanceStatus.Suspended));
        var late = Clock.GetUtcNow().AddSeconds(1);
        Clock.Advance(TimeSpan.FromSeconds(1));
        await FillAsync(1, _ => Ended(Instance("young")));

        Assert.Equal(2, await Store.DeleteFinishedAsync("order", [], late, late, 2, Ct));
        Assert.Null(await Store.GetInstanceAsync("o0", Ct));
        Assert.Null(await Store.GetInstanceAsync("o1", Ct));
        Assert.Equal(5, await Store.DeleteFinishedAsync(null, ["keep"], late, late, 5, Ct));
        Assert.Equal(2, await Store.DeleteFinishedAsync(null, ["keep"], late, late, 5, Ct));
        Assert.Equal(0, await Store.DeleteFinishedAsync(null, ["keep"], late, late, 5, Ct));
        var (left, _) = await Store.ListInstancesAsync(new InstanceFilter(), 0, 100, Ct);
        Assert.Equal(["k0", "k1", "k2", "k3", "lives", "young"], left.Select(i => i.Id).Order(StringComparer.Ordinal));
        Assert.Empty(await Store.GetJournalAsync("o0", 0, 10, Ct));
    }

    [Fact]
    public async Task Retention_spares_an_ended_instance_that_is_being_retried()
    {
        await FillAsync(1, _ => Ended(Instance("again"), InstanceStatus.Faulted));
        var (_, lease) = await Store.ClaimInstanceAsync("again", "node-1", HalfMinute, Ct);
        Assert.Equal(0, await Store.DeleteFinishedAsync("order", [], Clock.GetUtcNow().AddDays(1), Clock.GetUtcNow().AddDays(1), 10, Ct));
        await Store.ReleaseLeaseAsync(lease!, Ct);
        Assert.Equal(1, await Store.DeleteFinishedAsync("order", [], Clock.GetUtcNow().AddDays(1), Clock.GetUtcNow().AddDays(1), 10, Ct));
    }

    [Fact]
    public async Task Retention_keeps_faulted_instances_longer_and_those_with_work_in_the_queue()
    {
        var early = Clock.GetUtcNow();
        await FillAsync(1, _ => Ended(Instance("faulted"), InstanceStatus.Faulted));
        await FillAsync(1, _ => Ended(Instance("cancelled"), InstanceStatus.Cancelled));
        await FillAsync(1, _ => Ended(Instance("retried"), InstanceStatus.Faulted));
        await Store.EnqueueAsync([Item("retry", WorkKind.Retry, "retried")], "node-1", null, HalfMinute, Ct);
        var late = Clock.GetUtcNow().AddDays(1);
        Assert.Equal(1, await Store.DeleteFinishedAsync("order", [], late, early, 10, Ct));
        Assert.Null(await Store.GetInstanceAsync("cancelled", Ct));
        Assert.Equal(1, await Store.DeleteFinishedAsync(null, [], late, late, 10, Ct));
        Assert.Null(await Store.GetInstanceAsync("faulted", Ct));
        Assert.NotNull(await Store.GetInstanceAsync("retried", Ct));
        Assert.Equal("retry", Assert.Single(await Store.TakeDueAsync("node-1", 10, HalfMinute, Ct)).Id);
    }

    [Fact]
    public async Task Retention_on_many_nodes_at_once_deletes_each_instance_once()
    {
        await FillAsync(120, i => Ended(Instance("old" + i)));
        await FillAsync(3, i => Instance("lives" + i, InstanceStatus.Suspended));
        var late = Clock.GetUtcNow().AddDays(1);
        var nodes = Enumerable.Range(0, 4).Select(_ => OpenAnother()).ToArray();
        var deleted = await Race.ResultsAsync(nodes.Length, async n =>
        {
            var all = 0;
            // A node whose look was skipped past what others delete right now finds fewer than a batch; it looks once more than it has to.
            for (var empty = 0; empty < 3;)
            {
                var some = await nodes[n].DeleteFinishedAsync(null, [], late, late, 7, Ct);
                all += some;
                if (some == 0) empty++;
            }
            return all;
        });
        Assert.Equal(120, deleted.Sum());
        Assert.Equal(3, await Store.CountInstancesAsync(new InstanceFilter(), Ct));
    }

    [Fact]
    public async Task The_total_is_exact_for_small_answers_and_close_for_large_ones()
    {
        await FillAsync(50);
        await Store.Database.WriteAsync(async (connection, transaction, ct) =>
        {
            await using var command = connection.CreateCommand();
            command.Transaction = transaction;
            command.CommandText =
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 11000) INSERT INTO workflow_instances (id, definition_id, definition_version_id, version, content_hash, status, " +
                "incident_count, created_at, updated_at, finished_at, state) SELECT 'bulk-' || n.x, definition_id, definition_version_id, version, content_hash, status, incident_count, created_at, " +
                "updated_at, finished_at, state FROM n, (SELECT * FROM workflow_instances LIMIT 1) one";
            return await command.ExecuteNonQueryAsync(ct);
        }, Ct);
        Assert.Equal(11_050, (await Store.ListInstancesAsync(new InstanceFilter(), 0, 10, Ct)).Total);
        await FillAsync(1);
        Assert.InRange((await Store.ListInstancesAsync(new InstanceFilter(), 0, 10, Ct)).Total, 11_050, 11_051);
        Clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(11_051, (await Store.ListInstancesAsync(new InstanceFilter(), 0, 10, Ct)).Total);
    }

    [Theory]
    [InlineData("ärger"), InlineData("ÄRGER"), InlineData("Ärger m"), InlineData("größe"), InlineData("MIT GRÖ"), InlineData("т ж")]
    public async Task A_search_takes_no_notice_of_the_case_of_any_letter(string term)
    {
        var row = Instance() with { Name = "Ärger mit Größe т Ж" };
        await StartAsync(row);
        await StartAsync(Instance() with { Name = "another" });
        var (items, _) = await Store.ListInstancesAsync(new InstanceFilter(SearchTerm: term), 0, 10, Ct);
        Assert.Equal(row.Id, Assert.Single(items).Id);
    }

    [Fact]
    public async Task Journal_segments_come_in_order_from_a_sequence_on()
    {
        var row = Instance();
        var lease = await StartAsync(row);
        for (var i = 0; i < 5; i++)
        {
            lease = (await Store.CommitAsync(new InstanceCommit
            {
                Instance = row,
                Lease = lease,
                ReleaseLease = false,
                NodeId = "node-1",
                Journal = [new JournalSegment(row.Id, (i * 10) + 1, (i * 10) + 10, Clock.GetUtcNow(), Bytes(i.ToString("D", null)))],
            }, Ct))!;
        }

        Assert.Equal([21L, 31L], (await Store.GetJournalAsync(row.Id, 25, 2, Ct)).Select(s => s.FirstSequence));
        Assert.Equal([41L], (await Store.GetJournalAsync(row.Id, 50, 10, Ct)).Select(s => s.FirstSequence));
        Assert.Empty(await Store.GetJournalAsync(row.Id, 51, 10, Ct));
    }

    [Fact]
    public async Task Bookmarks_are_found_by_hash_and_never_across_correlations()
    {
        foreach (var (id, correlation) in new[] { ("a", "CO-1"), ("b", "CO-2"), ("c", (string?)null) })
        {
            Clock.Advance(TimeSpan.FromSeconds(1));
            await SuspendNewAsync(Instance(id, InstanceStatus.Suspended, correlation: correlation), Bookmark(id, "H", correlation, "bm-" + id), Bookmark(id, "OTHER-" + id, correlation));
        }

        async Task<string> Find(string? instance = null, string? correlation = null, string? activity = null) =>
            string.Join(' ', (await Store.FindBookmarksAsync("H", instance, correlation, activity, Ct)).Select(b => b.InstanceId));

        Assert.Equal("a b c", await Find());
        Assert.Equal("b", await Find(correlation: "CO-2"));
        Assert.Equal("", await Find(correlation: "CO-3"));
        Assert.Equal("c", await Find(instance: "c"));
        Assert.Equal("", await Find(instance: "a", correlation: "CO-2"));
        Assert.Equal("a b c", await Find(activity: "activity-1"));
        Assert.Equal("", await Find(activity: "activity-2"));
    }
}

public sealed class InstanceListOnSqlite() : InstanceListContract(new OnSqliteFile());

public sealed class InstanceListOnPostgres(PostgresFixture postgres) : InstanceListContract(new OnPostgresServer(postgres));
