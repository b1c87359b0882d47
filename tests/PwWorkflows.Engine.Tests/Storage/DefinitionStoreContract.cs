using PwWorkflows.Engine.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Storage;

public abstract class DefinitionStoreContract(ITestDatabase database) : StoreTestBase(database)
{
    private DefinitionRow Version(string definition, int version, bool published = true, bool latest = true, string? content = null) =>
        new($"{definition}:{version}", definition, version, "Name " + definition, null, latest, published, "hash of " + (content ?? $"{definition}{version}"), content ?? $"{definition}{version}",
            "orders/" + definition + ".json", "filehash", Clock.GetUtcNow(), "admin");

    private static TriggerRow Trigger(string definition, int version, string? route = null, string id = "t") =>
        new($"{definition}:{id}", definition, $"{definition}:{version}", "activity", "Elsa.HttpEndpoint", "HASH", route, "{}");

    private Task ChangeAsync(DefinitionChange change) => Store.ChangeDefinitionsAsync(change, Ct);

    [Fact]
    public async Task Versions_are_read_back_newest_first()
    {
        await ChangeAsync(new DefinitionChange { Save = [Version("order", 1, published: false, latest: false), Version("order", 2), Version("sweep", 1)] });
        Assert.Equal([Version("order", 2), Version("order", 1, false, false), Version("sweep", 1)], await Store.GetDefinitionsAsync(null, Ct));
        Assert.Equal([Version("order", 2), Version("order", 1, false, false)], await Store.GetDefinitionsAsync("order", Ct));
        Assert.Equal([Version("order", 2), Version("sweep", 1)], await Store.GetPublishedAsync(Ct));
        Assert.Equal(Version("order", 2), await Store.GetDefinitionVersionAsync("order:2", Ct));
        Assert.Null(await Store.GetDefinitionVersionAsync("order:3", Ct));
    }

    [Fact]
    public async Task Publishing_moves_the_triggers_and_schedules_to_the_new_version_in_one_step()
    {
        await ChangeAsync(new DefinitionChange
        {
            Save = [Version("order", 1)],
            ReplaceTriggersOf = ["order"],
            Triggers = [Trigger("order", 1, "POST /orders")],
            Schedules = [Item("tick-1", WorkKind.Trigger, null, owner: "trigger:order")],
        });
        await ChangeAsync(new DefinitionChange
        {
            Save = [Version("order", 2), Version("order", 1, published: false, latest: false)],
            ReplaceTriggersOf = ["order"],
            Triggers = [Trigger("order", 2, "POST /orders")],
            Schedules = [Item("tick-2", WorkKind.Trigger, null, owner: "trigger:order")],
        });
        Assert.Equal([Trigger("order", 2, "POST /orders")], await Store.GetTriggersAsync(Ct));
        Assert.Equal("order:2", Assert.Single(await Store.GetPublishedAsync(Ct)).Id);
        Assert.Equal(["tick-2"], (await Store.TakeDueAsync("node-1", 10, HalfMinute, Ct)).Select(w => w.Id));

        await ChangeAsync(new DefinitionChange { Save = [Version("order", 2, published: false)], ReplaceTriggersOf = ["order"] });
        Assert.Empty(await Store.GetTriggersAsync(Ct));
        Assert.Null(await Store.NextDueAsync(Ct));
    }

    [Fact]
    public async Task A_route_taken_by_another_definition_refuses_the_whole_change()
    {
        await ChangeAsync(new DefinitionChange { Save = [Version("order", 1)], ReplaceTriggersOf = ["order"], Triggers = [Trigger("order", 1, "POST /orders"), Trigger("order", 1, null, "e1"), Trigger("order", 1, null, "e2")] });
        var stamp = await Store.GetDefinitionsStampAsync(Ct);
        var conflict = await ConflictAsync(ChangeAsync(new DefinitionChange { Save = [Version("other", 1)], ReplaceTriggersOf = ["other"], Triggers = [Trigger("other", 1, "POST /orders")] }));
        Assert.Equal(CommitConflict.UniqueKey, conflict.Conflict);
        Assert.Null(await Store.GetDefinitionVersionAsync("other:1", Ct));
        Assert.Equal(stamp, await Store.GetDefinitionsStampAsync(Ct));
    }

    [Fact]
    public async Task A_definition_has_one_published_version()
    {
        await ChangeAsync(new DefinitionChange { Save = [Version("order", 1)] });
        Assert.Equal(CommitConflict.UniqueKey, (await ConflictAsync(ChangeAsync(new DefinitionChange { Save = [Version("order", 2)] }))).Conflict);
        Assert.Equal(CommitConflict.UniqueKey, (await ConflictAsync(ChangeAsync(new DefinitionChange { Save = [Version("order", 1, published: false) with { Id = "another" }] }))).Conflict);
    }

    [Fact]
    public async Task A_route_published_by_many_at_once_goes_to_one()
    {
        var other = OpenAnother();
        var outcomes = await Race.OutcomesAsync(16, i => (i % 2 == 0 ? Store : other).ChangeDefinitionsAsync(
            new DefinitionChange { Save = [Version("d" + i, 1)], ReplaceTriggersOf = ["d" + i], Triggers = [Trigger("d" + i, 1, "GET /same")] }, Ct));
        Assert.Equal(1, outcomes.Count(o => o is null));
        Assert.All(outcomes.OfType<Exception>(), e => Assert.Equal(CommitConflict.UniqueKey, Assert.IsType<CommitConflictException>(e).Conflict));
        Assert.Single(await Store.GetPublishedAsync(Ct));
    }

    [Fact]
    public async Task Content_outlives_its_version_for_the_instances_pinned_to_it()
    {
        await ChangeAsync(new DefinitionChange { Save = [Version("order", 1, content: "old")], Triggers = [Trigger("order", 1)] });
        await SuspendNewAsync(Instance(status: InstanceStatus.Suspended) with { ContentHash = "hash of old" });
        await ChangeAsync(new DefinitionChange { Save = [Version("order", 1, content: "new")] });
        Assert.Equal("new", (await Store.GetDefinitionVersionAsync("order:1", Ct))!.Content);
        await ChangeAsync(new DefinitionChange { Delete = ["order:1"] });
        Assert.Empty(await Store.GetDefinitionsAsync(null, Ct));
        Assert.Empty(await Store.GetTriggersAsync(Ct));
        Assert.Equal("old", await Store.GetContentAsync("hash of old", Ct));
        Assert.Null(await Store.GetContentAsync("unknown", Ct));
    }

    [Fact]
    public async Task Content_is_unused_when_neither_a_version_nor_an_instance_has_it()
    {
        await ChangeAsync(new DefinitionChange { Save = [Version("order", 1, content: "pinned")] });
        await SuspendNewAsync(Instance(status: InstanceStatus.Suspended) with { ContentHash = "hash of pinned" });
        await ChangeAsync(new DefinitionChange { Save = [Version("order", 1, content: "overwritten")] });
        Assert.Empty(await Store.FindUnusedContentsAsync(10, Ct));
        await ChangeAsync(new DefinitionChange { Save = [Version("order", 1, content: "current")] });
        // What was saved is kept as long as its revision.
        Assert.Empty(await Store.FindUnusedContentsAsync(10, Ct));
        Assert.Equal(3, await Store.DeleteRevisionsAsync(Clock.GetUtcNow().AddDays(1), 10, Ct));
        Assert.Equal(["hash of overwritten"], await Store.FindUnusedContentsAsync(10, Ct));

        Assert.Equal(1, await Store.DeleteContentsAsync(["hash of overwritten", "hash of pinned", "hash of current", "unknown"], Ct));
        Assert.Null(await Store.GetContentAsync("hash of overwritten", Ct));
        Assert.Equal("pinned", await Store.GetContentAsync("hash of pinned", Ct));
        Assert.Equal("current", await Store.GetContentAsync("hash of current", Ct));
    }

    [Fact]
    public async Task A_change_planned_on_an_older_state_is_refused_and_writes_nothing()
    {
        var stamp = await Store.GetDefinitionsStampAsync(Ct);
        await ChangeAsync(new DefinitionChange { IfStamp = stamp, Save = [Version("order", 1)] });
        var conflict = await ConflictAsync(ChangeAsync(new DefinitionChange { IfStamp = stamp, Save = [Version("sweep", 1)] }));
        Assert.Equal(CommitConflict.DefinitionsChanged, conflict.Conflict);
        Assert.Equal([Version("order", 1)], await Store.GetDefinitionsAsync(null, Ct));
        var outcomes = await Race.OutcomesAsync(8, async i => await ((i % 2 == 0) ? Store : OpenAnother()).ChangeDefinitionsAsync(new DefinitionChange { IfStamp = stamp + 1, Save = [Version("d" + i, 1)] }, Ct));
        Assert.Equal(1, outcomes.Count(o => o is null));
        Assert.Equal(2, (await Store.GetDefinitionsAsync(null, Ct)).Count);
    }

    [Fact]
    public async Task Versions_usable_as_activities_are_found_and_who_names_them()
    {
        var usable = Version("greeter", 1, content: """{"options":{"usableAsActivity":true}}""");
        var pretty = Version("pretty", 1, content: """{"options": {"usableAsActivity": true}}""");
        await ChangeAsync(new DefinitionChange { Save = [usable, pretty, Version("plain", 1, content: """{"options":{"usableAsActivity":null}}""")] });
        Assert.Equal([usable, pretty], await Store.GetUsableDefinitionsAsync(Ct));
        Assert.False(await Store.IsNamedInContentAsync("greeter:1", "greeter", Ct));
        // Its own content does not count; that of another does, also when only an instance still needs it.
        await ChangeAsync(new DefinitionChange { Save = [Version("greeter", 2, published: false, content: "copy of greeter:1")] });
        Assert.False(await Store.IsNamedInContentAsync("greeter:1", "greeter", Ct));
        await ChangeAsync(new DefinitionChange { Save = [Version("user", 1, content: "uses greeter:1")] });
        Assert.True(await Store.IsNamedInContentAsync("greeter:1", "greeter", Ct));
        await ChangeAsync(new DefinitionChange { Delete = ["user:1"] });
        Assert.True(await Store.IsNamedInContentAsync("greeter:1", "greeter", Ct));
    }

    [Fact]
    public async Task Every_change_moves_the_stamp_and_ends_waits()
    {
        var stamp = await OpenAnother().GetDefinitionsStampAsync(Ct);
        var waiting = Store.WaitForSignalAsync(Timeout.InfiniteTimeSpan, Ct);
        await ChangeAsync(new DefinitionChange { Save = [Version("order", 1)] });
        await waiting;
        Assert.NotEqual(stamp, await OpenAnother().GetDefinitionsStampAsync(Ct));
    }
}

public sealed class DefinitionStoreOnSqlite() : DefinitionStoreContract(new OnSqliteFile());

public sealed class DefinitionStoreOnPostgres(PostgresFixture postgres) : DefinitionStoreContract(new OnPostgresServer(postgres));
