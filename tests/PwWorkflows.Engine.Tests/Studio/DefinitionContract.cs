using System.IO.Compression;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Tests.Runtime;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Studio;

/// <summary>Looking at definitions, saving, publishing, deleting, importing and exporting them, as a stock server answers and safer.</summary>
public abstract class DefinitionContract(ITestDatabase database) : StudioTest(database)
{
    /// <summary>The stock server writes every input of an activity, set or not, and no mark of what it served.</summary>
    private static readonly string[] Loosely = ["$.workflowDefinition.root", "$.workflowDefinition.customProperties", "$.root", "$.customProperties", "$.items[].root", "$.items[].customProperties"];

    [Fact]
    public async Task Saving_and_publishing_answer_as_recorded()
    {
        await using var host = await StartStudioAsync();
        host.Services.GetRequiredService<ActivityRegistry>().Register(typeof(CaptureContract.AwaitApproval));
        foreach (var name in (string[])
            ["030-definition-save-new-draft", "031-definition-save-draft-http", "032-definition-save-draft-again", "033-definition-publish", "034-definition-publish-again", "035-definition-save-publish-cron",
             "036-definition-save-publish-timer", "037-definition-save-publish-event", "038-definition-save-publish-foreach", "039-definition-save-publish-approval", "040-definition-save-publish-faulty", "041-definition-publish-bad-cron",
             "042-definition-publish-duplicate-path", "043-definition-save-unknown-activity", "045-definition-save-draft-v2"])
        {
            var stock = Capture.Read(name);
            var ours = await PostAsync(host, stock.Path, stock.RequestBody);
            try
            {
                ours.ShouldLookLike(stock, Loosely);
                if (stock.Status == 200) SameValues(stock.Body.GetProperty("workflowDefinition"), ours.Body.GetProperty("workflowDefinition"), "name", "description", "version", "toolVersion", "isLatest", "isPublished", "isReadonly", "isSystem");
                if (stock.Status == 200) Assert.Equal(stock.Body.GetProperty("alreadyPublished").GetBoolean(), ours.Body.GetProperty("alreadyPublished").GetBoolean());
            }
            catch (Exception e)
            {
                throw new InvalidOperationException(name, e);
            }
        }

        // What the designer itself sends. The nulls in it are kept here, and left out by the stock server.
        foreach (var name in (string[])["170-studio-save-after-edit", "175-studio-autosave-rename"])
        {
            var studio = Capture.Read(name);
            (await PostAsync(host, studio.Path, studio.RequestBody)).ShouldLookLike(studio, [.. Loosely, "$.workflowDefinition.variables[].value", "$.workflowDefinition.options"]);
        }

        var taken = await PostAsync(host, "/workflow-definitions", Capture.Read("042-definition-publish-duplicate-path").RequestBody);
        Assert.Equal(2, taken.Body.GetProperty("errors").GetProperty("generalErrors").EnumerateArray().Count(t => t.GetString()!.Contains("/anchor/hello", StringComparison.Ordinal)));
        var malformed = await PostAsync(host, "/workflow-definitions", new StringContent("{\"model\":", Encoding.UTF8, "application/json"));
        malformed.ShouldLookLike(Capture.Read("044-definition-save-malformed"), "$.errors");
        var notFound = (await GetAsync(host, "/workflow-definitions/by-definition-id/anchor-unknown?versionOptions=Latest")).Body.GetProperty("root").GetProperty("activities").EnumerateArray().Single(a => a.GetProperty("id").GetString() == "b2");
        var stockNotFound = Capture.Read("043-definition-save-unknown-activity").Body.GetProperty("workflowDefinition").GetProperty("root").GetProperty("activities").EnumerateArray().Single(a => a.GetProperty("id").GetString() == "b2");
        SameValues(stockNotFound, notFound, "type", "version", "nodeId", "name", "missingTypeName", "missingTypeVersion", "metadata", "customProperties");
    }

    [Fact]
    public async Task Lists_and_look_ups_answer_as_recorded()
    {
        await using var host = await StartStudioAsync();
        await SaveAsync(host, "031-definition-save-draft-http", "033-definition-publish", "035-definition-save-publish-cron", "036-definition-save-publish-timer", "038-definition-save-publish-foreach", "045-definition-save-draft-v2");
        foreach (var name in (string[])
            ["046-definitions-list", "047-definitions-list-published", "048-definitions-list-search", "049-definitions-list-all-versions", "050-definitions-count", "051-definition-by-definition-id-latest",
             "052-definition-by-definition-id-published", "053-definition-by-definition-id-version", "054-definition-by-definition-id-missing", "056-definition-by-id-missing", "058-definition-versions", "059-definition-name-unique",
             "060-definition-name-unique-self", "065-definition-consumers", "066-definition-update-references", "074-definition-retract", "075-definition-retract-again", "076-definition-republish", "085-definition-delete-missing",
             "086-definition-reload", "087-definition-refresh"])
        {
            var stock = Capture.Read(name);
            var ours = await SendAsync(host, new HttpMethod(stock.Request.GetProperty("method").GetString()!), stock.Path, stock.RequestBody.ValueKind == JsonValueKind.Null ? null : stock.RequestBody, "ada *");
            try
            {
                ours.ShouldLookLike(stock, [.. Loosely, "$[].customProperties", "$[].variables", "$[].createdAt"]);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException(name, e);
            }
        }

        SameValues(Capture.Read("060-definition-name-unique-self").Body, (await GetAsync(host, Capture.Read("060-definition-name-unique-self").Path)).Body, "isUnique");
        SameValues(Capture.Read("059-definition-name-unique").Body, (await GetAsync(host, Capture.Read("059-definition-name-unique").Path)).Body, "isUnique");
        var published = await GetAsync(host, "/workflow-definitions?versionOptions=Published&Page=0&PageSize=2&OrderBy=Name&OrderDirection=Descending");
        Assert.Equal(["anchor-timer", "anchor-http"], published.Body.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("definitionId").GetString()));
        Assert.Equal(4, published.Body.GetProperty("totalCount").GetInt32());
        Assert.Equal(400, (await GetAsync(host, "/workflow-definitions?versionOptions=Newest")).Status);
        // Studio asks so for the names of instances: no version filter, every id it names.
        var ids = (await GetAsync(host, "/workflow-definitions?versionOptions=AllVersions&DefinitionIds=anchor-http")).Body.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("id").GetString()!).ToList();
        Assert.Equal(2, (await GetAsync(host, $"/workflow-definitions?versionOptions=&Ids={ids[0]}&Ids={ids[1]}")).Body.GetProperty("items").GetArrayLength());
        var both = await GetAsync(host, $"/workflow-definitions/many-by-id?ids={ids[0]}&ids={ids[1]}");
        both.ShouldLookLike(Capture.Read("057-definitions-many-by-id"), Loosely);
        Assert.Equal(2, both.Body.GetProperty("count").GetInt32());
        var one = await GetAsync(host, $"/workflow-definitions/by-id/{ids[0]}");
        one.ShouldLookLike(Capture.Read("055-definition-by-id"), Loosely);
        Assert.Equal(ids[0], one.Body.GetProperty("id").GetString());
    }

    [Fact]
    public async Task Graphs_below_a_node_answer_as_recorded()
    {
        await using var host = await StartStudioAsync();
        await SaveAsync(host, "038-definition-save-publish-foreach");
        var id = (await GetAsync(host, "/workflow-definitions/by-definition-id/anchor-foreach")).Body.GetProperty("id").GetString();
        foreach (var name in (string[])["061-definition-subgraph", "063-definition-subgraph-node", "064-definition-subgraph-segments"])
        {
            var stock = Capture.Read(name);
            var ours = await GetAsync(host, stock.Path.Replace("47d66974932afe36", id, StringComparison.Ordinal));
            ours.ShouldLookLike(stock, "$.activity", "$.childNode.activity", "$.container.activity");
            if (name.StartsWith("064", StringComparison.Ordinal)) Assert.True(JsonElement.DeepEquals(stock.Body.GetProperty("pathSegments"), ours.Body.GetProperty("pathSegments")), ours.Text);
            else SameValues(stock.Body, ours.Body, "nodeId", "port");
        }

        Assert.Equal("Workflow1:fe", (await GetAsync(host, $"/workflow-definitions/subgraph/{id}")).Body.GetProperty("nodeId").GetString());
        Assert.Equal(404, (await GetAsync(host, $"/workflow-definitions/subgraph/{id}?parentNodeId=no-such")).Status);
    }

    [Fact]
    public async Task Versions_are_made_reverted_and_deleted_as_recorded()
    {
        await using var host = await StartStudioAsync();
        await SaveAsync(host, "031-definition-save-draft-http", "033-definition-publish", "045-definition-save-draft-v2", "077-definition-publish-v2");
        var revert = Capture.Read("078-definition-revert");
        var reverted = await PostAsync(host, revert.Path);
        reverted.ShouldLookLike(revert, "$.isMaterializerAvailable");
        SameValues(revert.Body, reverted.Body, "version", "isLatest", "isPublished", "description");
        Assert.Equal($"/elsa/api/workflow-definitions/by-id/{reverted.Body.GetProperty("id").GetString()}", reverted.Message.Headers.Location?.OriginalString);
        (await SendAsync(host, HttpMethod.Delete, Capture.Read("079-definition-delete-version").Path, null, "ada *")).ShouldLookLike(Capture.Read("079-definition-delete-version"));
        await SaveAsync(host, "080-definition-save-draft-v4");
        var draft = (await GetAsync(host, "/workflow-definitions/by-definition-id/anchor-http?versionOptions=Latest")).Body.GetProperty("id").GetString();
        (await SendAsync(host, HttpMethod.Delete, $"/workflow-definition-versions/{draft}", null, "ada *")).ShouldLookLike(Capture.Read("081-definition-delete-version-by-id"));
        (await PostAsync(host, Capture.Read("082-definitions-bulk-delete-versions").Path, Capture.Read("082-definitions-bulk-delete-versions").RequestBody)).ShouldLookLike(Capture.Read("082-definitions-bulk-delete-versions"));
        var deleted = await PostAsync(host, Capture.Read("083-definitions-bulk-delete").Path, new { definitionIds = (string[])["anchor-http", "no-such"] });
        deleted.ShouldLookLike(Capture.Read("083-definitions-bulk-delete"));
        Assert.Equal(1, deleted.Body.GetProperty("deleted").GetInt32());
        Assert.Equal(404, (await SendAsync(host, HttpMethod.Delete, "/workflow-definitions/anchor-http", null, "ada *")).Status);
    }

    [Fact]
    public async Task What_another_workflow_uses_is_not_deleted_and_the_answer_says_why()
    {
        await using var host = await StartStudioAsync();
        var used = await host.Publisher.PublishAsync("""{"definitionId":"greeter","name":"greet","options":{"usableAsActivity":true},"root":{"type":"Elsa.Sequence","id":"s"}}""", null, null, Ct);
        await host.Publisher.PublishAsync("""{"definitionId":"consumer","name":"uses it","root":{"type":"Elsa.Sequence","id":"s","activities":[{"type":"Greet","id":"g"}]}}""", null, null, Ct);
        await host.Publisher.SaveDraftAsync("""{"definitionId":"free","root":{"type":"Elsa.Sequence","id":"s"}}""", null, Ct);
        foreach (var path in (string[])["/workflow-definitions/greeter", "/workflow-definitions/greeter/version/1", "/workflow-definition-versions/" + used.Id])
        {
            var refused = await SendAsync(host, HttpMethod.Delete, path, null, "ada *");
            Assert.True(refused.Status == 400, $"{path}: {refused.Status}");
            Assert.Contains("used as an activity by another workflow", refused.Text, StringComparison.Ordinal);
        }

        // Of many all others are deleted.
        var many = await PostAsync(host, "/bulk-actions/delete/workflow-definitions/by-definition-id", new { definitionIds = (string[])["greeter", "free"] });
        Assert.Equal(400, many.Status);
        Assert.Contains("Version 1 of 'greeter'", many.Text, StringComparison.Ordinal);
        Assert.Contains("deleted: 1", many.Text, StringComparison.Ordinal);
        Assert.Equal(400, (await PostAsync(host, "/bulk-actions/delete/workflow-definitions/by-id", new { ids = (string[])[used.Id] })).Status);
        Assert.Equal((200, 404), ((await GetAsync(host, "/workflow-definitions/greeter")).Status, (await GetAsync(host, "/workflow-definitions/free")).Status));
    }

    [Fact]
    public async Task What_is_imported_or_restored_does_not_replace_another_persons_draft_unseen()
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 3, 1, 9, 30, 0, TimeSpan.Zero));
        await using var host = await StartStudioAsync(services: s => s.AddSingleton<TimeProvider>(clock));
        static object Definition(string text) => new { definitionId = "shared", name = "Shared", description = text, root = new { type = "Elsa.Sequence", id = "s" } };
        Assert.Equal(200, (await PostAsync(host, "/workflow-definitions/import", Definition("Bob's"), "bob *")).Status);
        Assert.Equal(200, (await PostAsync(host, "/workflow-definitions/import", Definition("Bob's again"), "bob *")).Status);
        const string Told = "bob saved a draft of “Shared” at 09:30:00 UTC on 2026-03-01";
        var imported = await PostAsync(host, "/workflow-definitions/import", Definition("Ada's"));
        using var form = new MultipartFormDataContent { { new StringContent(JsonSerializer.Serialize(Definition("Ada's file"))), "files", "shared.json" } };
        var files = await PostAsync(host, "/workflow-definitions/import-files", form);
        var revisions = (await GetAsync(host, "/workflow-definitions/shared/revisions")).Body.GetProperty("items").EnumerateArray().ToList();
        Assert.Equal([("ada", false), ("bob", true), ("bob", true)], revisions.Select(r => (r.GetProperty("savedBy").GetString(), r.GetProperty("accepted").GetBoolean())));
        var restore = $"/workflow-definitions/shared/revisions/{revisions[0].GetProperty("id").GetInt64()}/restore";
        Assert.All((Answer[])[imported, files, await PostAsync(host, restore)], refused =>
        {
            Assert.Equal(400, refused.Status);
            Assert.Contains(Told, refused.Text, StringComparison.Ordinal);
        });
        Assert.Equal("Bob's again", (await GetAsync(host, "/workflow-definitions/shared?versionOptions=Latest")).Body.GetProperty("description").GetString());
        Assert.Equal(200, (await PostAsync(host, restore + "?over=true")).Status);
        Assert.Equal("Ada's", (await GetAsync(host, "/workflow-definitions/shared?versionOptions=Latest")).Body.GetProperty("description").GetString());
        // What is published is nobody's draft.
        Assert.Equal(200, (await PostAsync(host, "/workflow-definitions/shared/publish", new { })).Status);
        Assert.Equal(200, (await PostAsync(host, "/workflow-definitions/import", Definition("Bob's third"), "bob *")).Status);
    }

    [Fact]
    public async Task Many_are_published_and_retracted_at_once_as_recorded()
    {
        await using var host = await StartStudioAsync();
        await SaveAsync(host, "035-definition-save-publish-cron", "069-definition-import");
        foreach (var name in (string[])["072-definitions-bulk-publish", "073-definitions-bulk-retract"])
        {
            var stock = Capture.Read(name);
            var ours = await PostAsync(host, stock.Path, stock.RequestBody);
            Assert.True(JsonElement.DeepEquals(stock.Body, ours.Body), ours.Text);
        }
    }

    [Fact]
    public async Task Files_are_exported_and_imported_and_nothing_is_lost()
    {
        await using var host = await StartStudioAsync();
        var imported = Capture.Read("069-definition-import");
        (await PostAsync(host, imported.Path, imported.RequestBody)).ShouldLookLike(imported, Loosely);
        var anonymous = Capture.Read("070-definition-import-new");
        (await PostAsync(host, anonymous.Path, anonymous.RequestBody)).ShouldLookLike(anonymous, Loosely);
        foreach (var name in (string[])["http", "cron", "timer", "event", "foreach", "faulty"])
        {
            var file = JsonNode.Parse(EngineHost.Definition(name))!.AsObject();
            file["unknownToStudio"] = new JsonObject { ["kept"] = true };
            var id = file["definitionId"]!.GetValue<string>();
            Assert.Equal(200, (await PostAsync(host, "/workflow-definitions/import", file)).Status);
            // What Studio does: it reads the definition, and sends back what it knows of it.
            var model = JsonNode.Parse((await GetAsync(host, $"/workflow-definitions/by-definition-id/{id}?versionOptions=Latest")).Text)!.AsObject();
            model.Remove("unknownToStudio");
            model["links"] = null;
            Assert.Equal(200, (await PostAsync(host, "/workflow-definitions", new { model, publish = false })).Status);
            var export = await GetAsync(host, $"/workflow-definitions/{id}/export?versionOptions=Latest&includeConsumingWorkflows=False");
            Assert.Equal("application/octet-stream", export.Message.Content.Headers.ContentType?.MediaType);
            Assert.Matches($"^workflow-definition-[a-z0-9-]+-{id}-[0-9a-f]+\\.json$", export.Message.Content.Headers.ContentDisposition!.FileName!.Trim('"'));
            var back = JsonNode.Parse(export.Text)!.AsObject();
            foreach (var managed in (string[])["id", "createdAt", "version", "isLatest", "isPublished", "isReadonly", "isSystem"]) (file.Remove(managed), back.Remove(managed)).ToString();
            Assert.True(JsonNode.DeepEquals(file, back), $"{name}:\n{file}\n{back}");
        }

        var unknown = await PostAsync(host, "/workflow-definitions", Capture.Read("043-definition-save-unknown-activity").RequestBody);
        await PostAsync(host, "/workflow-definitions", new { model = unknown.Body.GetProperty("workflowDefinition"), publish = false });
        Assert.Contains("\"type\":\"No.Such.Activity\"", (await GetAsync(host, "/workflow-definitions/anchor-unknown/export")).Text, StringComparison.Ordinal);

        var ids = (await GetAsync(host, "/workflow-definitions?versionOptions=Latest")).Body.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("id").GetString()!).ToList();
        var zipped = await PostAsync(host, "/bulk-actions/export/workflow-definitions", new { ids, includeConsumingWorkflows = false });
        Assert.Equal("workflow-definitions.zip", zipped.Message.Content.Headers.ContentDisposition?.FileName);
        var bytes = await zipped.Message.Content.ReadAsByteArrayAsync(Ct);
        await using (var zip = new ZipArchive(new MemoryStream(bytes))) Assert.Equal(ids.Count, zip.Entries.Count);
        Assert.Equal(204, (await PostAsync(host, "/bulk-actions/export/workflow-definitions", new { ids = (string[])["nope"] })).Status);
        using var form = new MultipartFormDataContent { { new ByteArrayContent(bytes) { Headers = { ContentType = new MediaTypeHeaderValue("application/zip") } }, "files", "all.zip" } };
        var files = await PostAsync(host, "/workflow-definitions/import-files", form);
        files.ShouldLookLike(Capture.Read("071-definitions-import-files"));
        Assert.Equal($$"""{"count":{{ids.Count}}}""", files.Text);
        (await SendAsync(host, HttpMethod.Delete, "/workflow-definitions/anchor-unknown", null, "ada *")).ShouldLookLike(Capture.Read("084-definition-delete"));
        using var broken = new MultipartFormDataContent { { new StringContent("{"), "files", "broken.json" } };
        var refused = await PostAsync(host, "/workflow-definitions/import-files", broken);
        Assert.Equal(400, refused.Status);
        Assert.Contains("broken.json", refused.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_change_of_layout_makes_no_new_version_and_loses_nothing()
    {
        await using var host = await StartStudioAsync();
        await host.PublishAsync("http", Ct);
        var model = JsonNode.Parse((await GetAsync(host, "/workflow-definitions/by-definition-id/anchor-http")).Text)!.AsObject();
        // What the designer does when a node is dragged: another place, a measured size, the node at the end of the list, nulls for what is not set.
        var activities = model["root"]!["activities"]!.AsArray();
        var moved = activities[0]!;
        moved["metadata"] = JsonNode.Parse("""{"designer":{"position":{"x":7,"y":8},"size":{"width":195.5,"height":60}}}""");
        moved["result"] = null;
        activities.RemoveAt(0);
        activities.Add(moved);
        model["customProperties"]!["VariableTestValues"] = new JsonObject();
        foreach (var publish in (bool[])[false, true])
        {
            var saved = await PostAsync(host, "/workflow-definitions", new { model, publish });
            Assert.Equal(200, saved.Status);
            Assert.Equal(1, saved.Body.GetProperty("workflowDefinition").GetProperty("version").GetInt32());
            Assert.True(saved.Body.GetProperty("workflowDefinition").GetProperty("isPublished").GetBoolean());
        }

        Assert.Contains("\"x\":7", (await GetAsync(host, "/workflow-definitions/by-definition-id/anchor-http")).Text, StringComparison.Ordinal);
        using (var answer = await host.Http.GetAsync("/workflows/anchor/hello", Ct)) Assert.True(answer.IsSuccessStatusCode);
        model["root"]!["activities"]!.AsArray()[0]!["name"] = "Renamed";
        var changed = await PostAsync(host, "/workflow-definitions", new { model, publish = false });
        Assert.Equal(2, changed.Body.GetProperty("workflowDefinition").GetProperty("version").GetInt32());
    }

    [Fact]
    public async Task The_second_of_two_people_in_a_draft_is_told_who_saved_when_and_nothing_is_lost()
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 3, 1, 9, 30, 0, TimeSpan.Zero));
        await using var host = await StartStudioAsync(services: s => s.AddSingleton<TimeProvider>(clock));
        await host.PublishAsync("foreach", Ct);
        const string Path = "/workflow-definitions/by-definition-id/anchor-foreach?versionOptions=Latest";
        var (ada, bob) = (Read(await GetAsync(host, Path, "ada *")), Read(await GetAsync(host, Path, "bob *")));
        ada["description"] = "Ada's";
        var first = await PostAsync(host, "/workflow-definitions", new { model = ada, publish = false }, "ada *");
        Assert.Equal(200, first.Status);
        bob["description"] = "Bob's";
        clock.Advance(TimeSpan.FromMinutes(5));
        foreach (var publish in (bool[])[false, true])
        {
            var second = await PostAsync(host, "/workflow-definitions", new { model = bob, publish }, "bob *");
            Assert.Equal(400, second.Status);
            Assert.Contains("ada saved this workflow at 09:30:00 UTC on 2026-03-01", Assert.Single(second.Body.GetProperty("errors").GetProperty("generalErrors").EnumerateArray()).GetString(), StringComparison.Ordinal);
        }

        Assert.Equal("Ada's", Read(await GetAsync(host, Path))["description"]!.GetValue<string>());
        // Auto-saves of one person overtake the answers to those before them.
        ada["description"] = "Ada's second, based on what she read at first";
        Assert.Equal(200, (await PostAsync(host, "/workflow-definitions", new { model = ada, publish = false }, "ada *")).Status);

        var revisions = (await GetAsync(host, "/workflow-definitions/anchor-foreach/revisions")).Body.GetProperty("items").EnumerateArray().ToList();
        Assert.Equal([("ada", true), ("bob", false), ("bob", false), ("ada", true), (null, true)], revisions.Select(r => (r.TryGetProperty("savedBy", out var by) ? by.GetString() : null, r.GetProperty("accepted").GetBoolean())));
        var lost = revisions[1].GetProperty("id").GetInt64();
        Assert.Equal("Bob's", (await GetAsync(host, $"/workflow-definitions/anchor-foreach/revisions/{lost}")).Body.GetProperty("description").GetString());
        Assert.Equal(404, (await GetAsync(host, $"/workflow-definitions/anchor-http/revisions/{lost}")).Status);
        var restored = await PostAsync(host, $"/workflow-definitions/anchor-foreach/revisions/{lost}/restore?over=true", null, "bob *");
        Assert.Equal(200, restored.Status);
        Assert.Equal("Bob's", Read(await GetAsync(host, Path))["description"]!.GetValue<string>());

        static JsonObject Read(Answer answer) => JsonNode.Parse(answer.Text)!.AsObject();
    }

    [Fact]
    public async Task Every_saved_state_is_kept_for_thirty_days_and_no_longer()
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 3, 1, 9, 0, 0, TimeSpan.Zero));
        await using var host = await StartStudioAsync(services: s => s.AddSingleton<TimeProvider>(clock));
        var model = JsonNode.Parse(EngineHost.Definition("foreach"))!.AsObject();
        for (var i = 0; i < 5; i++)
        {
            model["description"] = $"save {i}";
            Assert.Equal(200, (await PostAsync(host, "/workflow-definitions", new { model, publish = false })).Status);
            clock.Advance(TimeSpan.FromDays(1));
        }

        Assert.Single((await GetAsync(host, "/workflow-definitions?versionOptions=AllVersions")).Body.GetProperty("items").EnumerateArray());
        var retention = host.Services.GetServices<Microsoft.Extensions.Hosting.IHostedService>().OfType<RetentionWorker>().Single();
        await retention.CleanAsync(Ct);
        var ids = await RevisionsAsync();
        Assert.Equal(5, ids.Count);
        Assert.Equal("save 0", (await GetAsync(host, $"/workflow-definitions/anchor-foreach/revisions/{ids[^1]}")).Body.GetProperty("description").GetString());
        clock.Advance(TimeSpan.FromDays(27.5));
        await retention.CleanAsync(Ct);
        await retention.CleanAsync(Ct);
        Assert.Equal(2, (await RevisionsAsync()).Count);
        Assert.Equal("save 4", (await GetAsync(host, "/workflow-definitions/by-definition-id/anchor-foreach?versionOptions=Latest")).Body.GetProperty("description").GetString());

        async Task<List<long>> RevisionsAsync() => [.. (await GetAsync(host, "/workflow-definitions/anchor-foreach/revisions")).Body.GetProperty("items").EnumerateArray().Select(r => r.GetProperty("id").GetInt64())];
    }

    [Fact]
    public async Task Saves_at_once_take_turns_and_each_is_kept()
    {
        await using var host = await StartStudioAsync();
        await PostAsync(host, "/workflow-definitions", new { model = JsonNode.Parse(EngineHost.Definition("foreach")), publish = false });
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
        {
            var model = JsonNode.Parse(EngineHost.Definition("foreach"))!.AsObject();
            model["description"] = $"save {i}";
            return PostAsync(host, "/workflow-definitions", new { model, publish = false });
        }));
        Assert.All(answers, a => Assert.Equal(200, a.Status));
        Assert.Equal(21, (await GetAsync(host, "/workflow-definitions/anchor-foreach/revisions")).Body.GetProperty("count").GetInt32());
        Assert.Equal(1, (await GetAsync(host, "/workflow-definitions?versionOptions=AllVersions")).Body.GetProperty("totalCount").GetInt32());
    }

    [Fact]
    public async Task A_definition_that_can_not_be_published_is_saved_as_a_draft_with_all_that_is_wrong_told()
    {
        await using var host = await StartStudioAsync();
        var bad = Capture.Read("041-definition-publish-bad-cron");
        Assert.Equal(400, (await PostAsync(host, bad.Path, bad.RequestBody)).Status);
        var draft = await GetAsync(host, "/workflow-definitions/by-definition-id/anchor-badcron?versionOptions=Latest");
        Assert.Equal(200, draft.Status);
        Assert.False(draft.Body.GetProperty("isPublished").GetBoolean());
        var published = await PostAsync(host, "/workflow-definitions/anchor-badcron/publish", new { });
        Assert.Equal(400, published.Status);
        Assert.Contains("not a cron", published.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_change_needs_its_own_permission()
    {
        await using var host = await StartStudioAsync();
        await SaveAsync(host, "038-definition-save-publish-foreach");
        var save = Capture.Read("038-definition-save-publish-foreach").RequestBody;
        foreach (var (method, path, permission, body) in ((HttpMethod, string, string, object?)[])
            [(HttpMethod.Post, "/workflow-definitions", "write:workflow-definitions", new { model = save.GetProperty("model"), publish = false }), (HttpMethod.Post, "/workflow-definitions/no-such/publish", "publish:workflow-definitions", new { }),
             (HttpMethod.Post, "/workflow-definitions/no-such/retract", "retract:workflow-definitions", new { }), (HttpMethod.Delete, "/workflow-definitions/no-such", "delete:workflow-definitions", null),
             (HttpMethod.Get, "/workflow-definitions", "read:workflow-definitions", null)])
        {
            Assert.Equal(401, (await SendAsync(host, method, path, body, null)).Status);
            Assert.Equal(403, (await SendAsync(host, method, path, body, "eve read:activity-descriptors")).Status);
            Assert.NotEqual(403, (await SendAsync(host, method, path, body, $"bob {permission}")).Status);
        }

        // Studio shows as read-only what has no link to publish it.
        foreach (var (caller, may) in ((string, bool)[])[("vera read:workflow-definitions", false), ("olga read:workflow-definitions publish:workflow-definitions", true)])
        {
            Assert.Equal(may, Rels((await GetAsync(host, "/workflow-definitions/by-definition-id/anchor-foreach", caller)).Body).Contains("publish"));
            var list = (await GetAsync(host, "/workflow-definitions", caller)).Body;
            Assert.Equal((may, may), (Rels(list).Contains("bulk-publish"), Rels(list.GetProperty("items")[0]).Contains("publish")));
            Assert.DoesNotContain("delete", Rels(list.GetProperty("items")[0]));
        }

        // Saving with publication is publishing.
        Assert.Equal(403, (await PostAsync(host, "/workflow-definitions", save, "bob write:workflow-definitions")).Status);
        Assert.Equal(200, (await PostAsync(host, "/workflow-definitions", save, "bob write:workflow-definitions publish:workflow-definitions")).Status);
    }

    private static async Task SaveAsync(EngineHost host, params string[] captures)
    {
        foreach (var name in captures)
        {
            var capture = Capture.Read(name);
            var answer = await PostAsync(host, capture.Path, capture.RequestBody);
            Assert.True(answer.Status == capture.Status, $"{name}: {answer.Text}");
        }
    }

    private static HashSet<string?> Rels(JsonElement e) => [.. e.GetProperty("links").EnumerateArray().Select(l => l.GetProperty("rel").GetString())];

    private static void SameValues(JsonElement stock, JsonElement ours, params string[] properties)
    {
        foreach (var p in properties)
            Assert.True(stock.TryGetProperty(p, out var a) == ours.TryGetProperty(p, out var b) && (a.ValueKind == JsonValueKind.Undefined || JsonElement.DeepEquals(a, b)), $"{p}: {a} there, {b} here");
    }
}

public sealed class DefinitionsOnSqlite() : DefinitionContract(new OnSqliteFile());

public sealed class DefinitionsOnPostgres(PostgresFixture postgres) : DefinitionContract(new OnPostgresServer(postgres));
