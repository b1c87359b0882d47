using System.Text.Json.Nodes;
using Elsa.Common.Models;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Runtime;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Management;

/// <summary>Drafts, versions and what is published of them, as the captures of a stock server show.</summary>
public abstract class ManagementContract(ITestDatabase database) : EngineHostTest(database)
{
    /// <summary>A definition that answers on a path and can't be mistaken for another text.</summary>
    private static string Http(string text, string id = "hello", string path = "hello") =>
        $$$"""
        {"definitionId":"{{{id}}}","name":" Hello ","description":"{{{text}}}","root":{"type":"Elsa.Flowchart","id":"f","activities":[
          {"type":"Elsa.HttpEndpoint","id":"a","customProperties":{"canStartWorkflow":true},"path":{"typeName":"String","expression":{"type":"Literal","value":"{{{path}}}"} } },
          {"type":"Elsa.WriteHttpResponse","id":"b","content":{"typeName":"Object","expression":{"type":"Literal","value":"{{{text}}}"} } }],
         "connections":[{"source":{"activity":"a","port":"Done"},"target":{"activity":"b","port":"In"}}]}}
        """;

    private static async Task<(int Version, bool Latest, bool Published)[]> VersionsAsync(EngineHost host, string id = "hello") =>
        [.. (await host.Publisher.ListVersionsAsync(id, Ct)).Select(v => (v.Version, v.IsLatest, v.IsPublished))];

    private static Task<string> GetAsync(EngineHost host) => host.Http.GetStringAsync("/workflows/hello", Ct);

    [Fact]
    public async Task Draft_is_saved_into_the_newest_version_until_that_is_published()
    {
        await using var host = await StartAsync();
        var first = await host.Publisher.SaveDraftAsync(Http("one"), "ann", Ct);
        Assert.Equal((1, true, false, "Hello", "one", "ann"), (first.Version, first.IsLatest, first.IsPublished, first.Name, first.Description, first.CreatedBy));
        var again = await host.Publisher.SaveDraftAsync(Http("two"), "bob", Ct);
        Assert.Equal((first.Id, 1, "two"), (again.Id, again.Version, again.Description));
        Assert.Equal(System.Net.HttpStatusCode.NotFound, (await host.Http.GetAsync("/workflows/hello", Ct)).StatusCode);

        Assert.False((await host.Publisher.PublishVersionAsync("hello", null, Ct))!.AlreadyPublished);
        Assert.True((await host.Publisher.PublishVersionAsync("hello", null, Ct))!.AlreadyPublished);
        Assert.Equal("two", await GetAsync(host));
        var second = await host.Publisher.SaveDraftAsync(Http("three"), null, Ct);
        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal([(2, true, false), (1, false, true)], await VersionsAsync(host));
        Assert.Equal("two", await GetAsync(host));

        await host.Publisher.PublishVersionAsync("hello", VersionOptions.Draft, Ct);
        Assert.Equal([(2, true, true), (1, false, false)], await VersionsAsync(host));
        Assert.Equal("three", await GetAsync(host));
        await host.Publisher.PublishVersionAsync("hello", VersionOptions.SpecificVersion(1), Ct);
        Assert.Equal([(2, true, false), (1, false, true)], await VersionsAsync(host));
        Assert.Equal("two", await GetAsync(host));
        Assert.Null(await host.Publisher.PublishVersionAsync("unknown", null, Ct));
    }

    [Fact]
    public async Task Unknown_or_missing_id_makes_a_first_version()
    {
        await using var host = await StartAsync();
        var row = await host.Publisher.SaveDraftAsync("""{"definitionId":null,"name":"New","root":{"id":"c8","type":"Elsa.Flowchart","version":1,"name":"Flowchart1"}}""", null, Ct);
        Assert.Equal(1, row.Version);
        Assert.NotEmpty(row.DefinitionId);
        Assert.Equal(row.DefinitionId, JsonNode.Parse(row.Content)!["definitionId"]!.GetValue<string>());
        Assert.Equal("Workflow1:c8", JsonNode.Parse(row.Content)!["root"]!["nodeId"]!.GetValue<string>());
        Assert.NotEqual(row.DefinitionId, (await host.Publisher.SaveDraftAsync("""{"name":"New"}""", null, Ct)).DefinitionId);
    }

    [Fact]
    public async Task Same_content_makes_no_new_version_and_no_change()
    {
        await using var host = await StartAsync();
        var published = await host.Publisher.PublishAsync(Http("one"), null, null, Ct);
        var stamp = await host.Store.GetDefinitionsStampAsync(Ct);
        // What a client loads, it sends back with the fields of the server.
        var loaded = (JsonObject)JsonNode.Parse(published.Content)!;
        loaded["id"] = published.Id;
        loaded["version"] = 7;
        loaded["isLatest"] = true;
        loaded["createdAt"] = "2026-01-31T09:00:00+00:00";
        Assert.Equal(published, await host.Publisher.SaveDraftAsync(loaded.ToJsonString(), "ann", Ct));
        Assert.Equal(published, await host.Publisher.PublishAsync(loaded.ToJsonString(), null, "ann", Ct));
        Assert.Equal(stamp, await host.Store.GetDefinitionsStampAsync(Ct));
    }

    [Fact]
    public async Task Draft_may_be_invalid_but_is_not_published_and_the_published_version_stays()
    {
        await using var host = await StartAsync();
        await host.Publisher.PublishAsync(Http("one"), null, null, Ct);
        var draft = await host.Publisher.SaveDraftAsync(Http("two").Replace("Elsa.WriteHttpResponse", "No.Such", StringComparison.Ordinal), null, Ct);
        await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.PublishVersionAsync("hello", null, Ct));
        Assert.Equal(draft, await host.Publisher.FindAsync("hello", VersionOptions.Draft, Ct));
        Assert.Equal([(2, true, false), (1, false, true)], await VersionsAsync(host));
        Assert.Equal("one", await GetAsync(host));
        await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.SaveDraftAsync("{\"model\":", null, Ct));
        await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.SaveDraftAsync("[]", null, Ct));
        await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.SaveDraftAsync("""{"name":"a","Name":"b"}""", null, Ct));
    }

    [Fact]
    public async Task Options_name_their_version()
    {
        await using var host = await StartAsync();
        await host.Publisher.PublishAsync(Http("one"), null, null, Ct);
        await host.Publisher.SaveDraftAsync(Http("two"), null, Ct);
        async Task<int?> Find(string options) => (await host.Publisher.FindAsync("hello", VersionOptions.FromString(options), Ct))?.Version;
        Assert.Equal([2, 1, 1, 2, 2, 1, null, null], new[] { await Find("Latest"), await Find("Published"), await Find("LatestOrPublished"), await Find("Draft"), await Find("AllVersions"), await Find("1"), await Find("LatestAndPublished"), await Find("3") });
        await host.Publisher.PublishVersionAsync("hello", null, Ct);
        Assert.Equal([2, null], new[] { await Find("LatestAndPublished"), await Find("Draft") });
        Assert.Throws<FormatException>(() => VersionOptions.FromString("Newest"));
    }

    [Fact]
    public async Task Reverting_copies_the_old_version_as_a_draft()
    {
        await using var host = await StartAsync();
        await host.Publisher.PublishAsync(Http("one"), null, null, Ct);
        await host.Publisher.PublishAsync(Http("two"), null, null, Ct);
        var draft = await host.Publisher.RevertAsync("hello", 1, "ann", Ct);
        Assert.Equal((3, "one", true, false, "ann"), (draft!.Version, draft.Description, draft.IsLatest, draft.IsPublished, draft.CreatedBy));
        Assert.Equal([(3, true, false), (2, false, true), (1, false, false)], await VersionsAsync(host));
        Assert.Null(await host.Publisher.RevertAsync("hello", 9, null, Ct));
    }

    [Fact]
    public async Task Deleting_a_version_moves_latest_and_takes_the_routes_of_the_published_one()
    {
        await using var host = await StartAsync();
        var one = await host.Publisher.PublishAsync(Http("one"), null, null, Ct);
        var two = await host.Publisher.SaveDraftAsync(Http("two"), null, Ct);
        Assert.True(await host.Publisher.DeleteVersionAsync(two.Id, Ct));
        Assert.Equal([(1, true, true)], await VersionsAsync(host));
        Assert.Equal("one", await GetAsync(host));
        Assert.True(await host.Publisher.DeleteVersionAsync(one.Id, Ct));
        Assert.False(await host.Publisher.DeleteVersionAsync(one.Id, Ct));
        Assert.Equal(System.Net.HttpStatusCode.NotFound, (await host.Http.GetAsync("/workflows/hello", Ct)).StatusCode);

        await host.Publisher.PublishAsync(Http("one"), null, null, Ct);
        await host.Publisher.PublishAsync(Http("two"), null, null, Ct);
        Assert.True(await host.Publisher.DeleteAsync("hello", Ct));
        Assert.False(await host.Publisher.DeleteAsync("hello", Ct));
        Assert.Empty(await host.Store.GetTriggersAsync(Ct));
        Assert.Empty(await VersionsAsync(host));
    }

    [Fact]
    public async Task Running_instance_ends_on_the_content_it_began_with()
    {
        await using var host = await StartAsync();
        const string waits = """
            {"definitionId":"waits","name":"Waits","outputs":[{"name":"Said","type":"String"}],"root":{"type":"Elsa.Sequence","id":"s","activities":[
              {"type":"Elsa.Event","id":"e","eventName":{"typeName":"String","expression":{"type":"Literal","value":"go"}}},
              {"type":"Elsa.Correlate","id":"c","correlationId":{"typeName":"String","expression":{"type":"Literal","value":"old"}}}]}}
            """;
        var draft = await host.Publisher.SaveDraftAsync(waits, null, Ct);
        var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(Ct);
        var run = await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionVersionId(draft.Id) }, Ct);
        Assert.Equal(Elsa.Workflows.WorkflowSubStatus.Suspended, run.SubStatus);
        await host.Publisher.SaveDraftAsync(waits.Replace("\"old\"", "\"new\"", StringComparison.Ordinal), null, Ct);
        await host.Publisher.DeleteAsync("waits", Ct);
        await host.Services.GetRequiredService<IEventPublisher>().PublishAsync("go", cancellationToken: Ct);
        await Eventually.TrueAsync(async () => (await host.Store.GetInstanceAsync(run.WorkflowInstanceId, Ct))!.Status == InstanceStatus.Finished, "the instance ends", Ct);
        Assert.Equal("old", (await host.Store.GetInstanceAsync(run.WorkflowInstanceId, Ct))!.CorrelationId);
    }

    [Fact]
    public async Task Saves_of_one_definition_by_many_on_two_nodes_take_turns()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        await one.Publisher.PublishAsync(Http("zero"), null, null, Ct);
        await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Task.Run(async () =>
        {
            var host = i % 2 == 0 ? one : two;
            if (i % 3 == 0) await host.Publisher.PublishAsync(Http($"text {i}"), null, null, Ct);
            else await host.Publisher.SaveDraftAsync(Http($"text {i}"), null, Ct);
        }, Ct)));
        var versions = await one.Publisher.ListVersionsAsync("hello", Ct);
        Assert.Single(versions, v => v.IsLatest);
        Assert.True(versions[0].IsLatest);
        var published = Assert.Single(versions, v => v.IsPublished);
        Assert.Equal(Enumerable.Range(1, versions.Count).Reverse(), versions.Select(v => v.Version));
        Assert.Equal(published.Id, Assert.Single(await one.Store.GetTriggersAsync(Ct)).DefinitionVersionId);
    }

    [Fact]
    public async Task File_makes_its_own_version_beside_a_draft_and_an_operators_version_stays_until_the_file_changes()
    {
        await using var host = await StartAsync();
        async Task<DefinitionImport> Import(string text, bool force = false) => (await host.Publisher.ImportFileAsync("a/hello.json", Http(text), force, "start", Ct)).Outcome;
        Assert.Equal(DefinitionImport.Published, await Import("A"));
        Assert.Equal(DefinitionImport.Unchanged, await Import("A"));
        var draft = await host.Publisher.SaveDraftAsync(Http("draft"), "ann", Ct);
        Assert.Equal(DefinitionImport.Published, await Import("B"));
        Assert.Equal(draft.Content, (await host.Publisher.FindVersionAsync(draft.Id, Ct))!.Content);
        Assert.Equal([(3, true, true), (2, false, false), (1, false, false)], await VersionsAsync(host));
        // Back to what it was: that is a change of the file too.
        Assert.Equal(DefinitionImport.Published, await Import("A"));
        await host.Publisher.PublishAsync(Http("operator"), null, "ann", Ct);
        Assert.Equal(DefinitionImport.Kept, await Import("A"));
        Assert.Equal("operator", await GetAsync(host));
        // The operator's version arrives as a file: nothing to publish, but from now on the file counts.
        Assert.Equal(DefinitionImport.Unchanged, await Import("operator"));
        Assert.Equal("a/hello.json", (await host.Publisher.FindAsync("hello", VersionOptions.Published, Ct))!.SourceFile);
        Assert.Equal(DefinitionImport.Published, await Import("A"));
        await host.Publisher.PublishAsync(Http("operator again"), null, "ann", Ct);
        Assert.Equal(DefinitionImport.Published, await Import("A", force: true));
        Assert.Equal("A", await GetAsync(host));
    }
}

public sealed class ManagementOnSqlite() : ManagementContract(new OnSqliteFile());

public sealed class ManagementOnPostgres(PostgresFixture postgres) : ManagementContract(new OnPostgresServer(postgres));
