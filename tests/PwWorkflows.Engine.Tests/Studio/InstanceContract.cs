using System.IO.Compression;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Runtime;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Studio;

/// <summary>Running workflows, looking at instances and their history, moving them on: as a stock server answers.</summary>
public abstract class InstanceContract(ITestDatabase database) : StudioTest(database)
{
    /// <summary>Of a dictionary the stock server says what type it has; tenants and other databases' details are not here. Who started an instance it does not keep.</summary>
    private static readonly string[] Loosely =
    [
        "$.workflowState.properties.StartedBy",
        "$.items[].tenantId", "$.tenantId", "$.items[].properties", "$.items[].metadata", "$.properties", "$.metadata", "$.stats[].metadata", "$.items[].schedulingWorkflowInstanceId",
        "$.workflowState.activityExecutionContexts[].properties", "$.workflowState.activityExecutionContexts[].activityState", "$.workflowState.incidents[].exception.metadata",
        // How the engine keeps these is its own.
        "$.workflowState.input", "$.workflowState.completionCallbacks", "$.workflowState.scheduledActivities",
    ];

    [Fact]
    public async Task Running_answers_as_recorded()
    {
        await using var host = await StartStudioAsync();
        foreach (var name in (string[])["http", "foreach", "faulty", "event"]) await host.PublishAsync(name, Ct);
        foreach (var name in (string[])["094-execute-foreach", "095-execute-get", "096-execute-fault", "097-execute-missing", "098-dispatch-event", "099-bulk-dispatch", "100-dispatch-missing"])
        {
            var stock = Capture.Read(name);
            var ours = await SendAsync(host, new HttpMethod(stock.Request.GetProperty("method").GetString()!), stock.Path, stock.RequestBody.ValueKind == JsonValueKind.Null ? null : stock.RequestBody, "ada *");
            try
            {
                ours.ShouldLookLike(stock, [.. Loosely, "$.workflowState.activityExecutionContexts", "$.workflowState.input", "$.workflowState.incidents[].attempt"]);
                foreach (var header in stock.Response.GetProperty("headers").EnumerateObject().Where(h => h.Name.StartsWith("x-elsa", StringComparison.Ordinal)))
                {
                    var value = Assert.Single(ours.Message.Headers.GetValues(header.Name));
                    if (header.Name.EndsWith("-id", StringComparison.Ordinal)) Assert.Equal(ours.Body.GetProperty("workflowState").GetProperty("id").GetString(), value);
                    else Assert.Equal(header.Value.GetString(), value);
                }
                if (ours.Body.ValueKind == JsonValueKind.Object && ours.Body.TryGetProperty("workflowState", out var state))
                    foreach (var p in (string[])["status", "subStatus", "definitionId", "executionLogSequence"])
                        Assert.True(JsonElement.DeepEquals(stock.Body.GetProperty("workflowState").GetProperty(p), state.GetProperty(p)), $"{p}: {state.GetProperty(p)}");
            }
            catch (Exception e)
            {
                throw new InvalidOperationException(name, e);
            }
        }

        // Started by hand there is no request to answer: it waits for one.
        var http = await PostAsync(host, "/workflow-definitions/anchor-http/execute", new { correlationId = "c-1" });
        Assert.Equal(200, http.Status);
        var waiting = http.Body.GetProperty("workflowState");
        Assert.Equal("ada", waiting.GetProperty("properties").GetProperty("StartedBy").GetString());
        Assert.Equal(("Running", "Suspended", "c-1"), (waiting.GetProperty("status").GetString(), waiting.GetProperty("subStatus").GetString(), waiting.GetProperty("correlationId").GetString()));
        Assert.Equal(Capture.Read("093-execute-http").Body.GetProperty("workflowState").GetProperty("bookmarks").EnumerateArray().Select(b => b.GetProperty("hash").GetString()).Order(),
            waiting.GetProperty("bookmarks").EnumerateArray().Select(b => b.GetProperty("hash").GetString()).Order());
        // And so it does when the designer starts it. The stock server leaves out what is null in a payload.
        var studio = Capture.Read("173-studio-run");
        (await PostAsync(host, studio.Path, studio.RequestBody)).ShouldLookLike(studio, [.. Loosely, "$.workflowState.activityExecutionContexts", "$.workflowState.bookmarks[].payload"]);
    }

    [Fact]
    public async Task A_draft_runs_as_it_is_saved_and_one_that_can_not_be_read_says_why()
    {
        await using var host = await StartStudioAsync();
        var model = JsonNode.Parse(EngineHost.Definition("foreach"))!.AsObject();
        await PostAsync(host, "/workflow-definitions", new { model, publish = false });
        var studio = new { correlationId = (string?)null, triggerActivityId = (string?)null, versionOptions = "Latest", input = (object?)null };
        Assert.Equal(200, (await PostAsync(host, "/workflow-definitions/anchor-foreach/execute", studio)).Status);
        Assert.Equal(404, (await PostAsync(host, "/workflow-definitions/anchor-foreach/execute", new { })).Status);
        await PostAsync(host, "/workflow-definitions", Capture.Read("043-definition-save-unknown-activity").RequestBody);
        var unknown = await PostAsync(host, "/workflow-definitions/anchor-unknown/execute", studio);
        Assert.Equal(400, unknown.Status);
        Assert.Contains("No.Such.Activity", unknown.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_may_not_start_says_so()
    {
        await using var host = await StartStudioAsync();
        var model = JsonNode.Parse(EngineHost.Definition("event"))!.AsObject();
        model["options"] = new JsonObject { ["activationStrategyType"] = "Elsa.Workflows.Runtime.ActivationValidators.SingletonStrategy, Elsa.Workflows.Runtime" };
        await PostAsync(host, "/workflow-definitions", new { model, publish = true });
        Assert.Equal("False", (await PostAsync(host, "/workflow-definitions/anchor-event/execute", new { })).Message.Headers.GetValues("x-elsa-workflow-cannot-start").Single());
        var second = await PostAsync(host, "/workflow-definitions/anchor-event/execute", new { });
        Assert.Equal((200, ""), (second.Status, second.Text));
        Assert.Equal("True", second.Message.Headers.GetValues("x-elsa-workflow-cannot-start").Single());
    }

    [Fact]
    public async Task An_instance_is_shown_as_recorded_from_its_start_to_its_end()
    {
        await using var host = await StartStudioAsync();
        await host.PublishAsync("event", Ct);
        var id = (await PostAsync(host, "/workflow-definitions/anchor-event/dispatch", Capture.Read("098-dispatch-event").RequestBody)).Body.GetProperty("workflowInstanceId").GetString()!;
        await Eventually.TrueAsync(async () => (await GetAsync(host, $"/workflow-instances/{id}")).Text.Contains("Elsa.Event", StringComparison.Ordinal), "the instance waits for its event", Ct);
        var stockId = "52d20034b282dd83";
        var executions = await GetAsync(host, $"/activity-executions/list?WorkflowInstanceId={id}&ActivityNodeId=Workflow1:fd:d1");
        var execution = Assert.Single(executions.Body.GetProperty("items").EnumerateArray()).GetProperty("id").GetString()!;
        foreach (var name in (string[])
            ["106-instance-get", "107-instance-get-missing", "108-instance-execution-state", "109-instance-variables", "111-instance-journal", "112-instance-journal-filtered", "113-instance-journal-last", "114-activity-executions-list",
             "115-activity-execution-summaries", "116-activity-executions-count", "117-activity-executions-report", "118-activity-execution-by-id", "119-activity-execution-by-path", "120-activity-execution-call-stack",
             "110-instance-variables-set", "122-event-trigger-sync"])
        {
            var stock = Capture.Read(name);
            var path = stock.Path.Replace(stockId, id, StringComparison.Ordinal).Replace("5d399229903a57a0", execution, StringComparison.Ordinal);
            var body = stock.RequestBody.ValueKind == JsonValueKind.Null ? null : JsonNode.Parse(stock.RequestBody.GetRawText().Replace(stockId, id, StringComparison.Ordinal));
            var ours = await SendAsync(host, new HttpMethod(stock.Request.GetProperty("method").GetString()!), path, body, "ada *");
            try
            {
                ours.ShouldLookLike(stock, [.. Loosely, "$.items[].activityState", "$.items[].outputs", "$.outputs"]);
                if (name is "116-activity-executions-count" or "117-activity-executions-report") Same(stock.Body, ours.Body);
                if (name.Contains("journal", StringComparison.Ordinal) && stock.Body.TryGetProperty("items", out var items))
                    Assert.Equal(items.EnumerateArray().Select(Entry), ours.Body.GetProperty("items").EnumerateArray().Select(Entry));
                if (name.StartsWith("120", StringComparison.Ordinal))
                    Assert.Equal(stock.Body.GetProperty("items").EnumerateArray().Select(i => (i.GetProperty("activityId").GetString(), i.GetProperty("callStackDepth").GetInt32())),
                        ours.Body.GetProperty("items").EnumerateArray().Select(i => (i.GetProperty("activityId").GetString(), i.GetProperty("callStackDepth").GetInt32())));
                if (name.StartsWith("118", StringComparison.Ordinal)) Same(stock.Body.GetProperty("activityState"), ours.Body.GetProperty("activityState"));
                if (name.StartsWith("110", StringComparison.Ordinal)) Same(stock.Body, ours.Body);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException(name, e);
            }
        }

        var blocked = (await GetAsync(host, $"/workflow-instances/{id}")).Body.GetProperty("workflowState").GetProperty("bookmarks")[0];
        Assert.Equal("Elsa.RunTask", blocked.GetProperty("name").GetString());
        var task = blocked.GetProperty("payload").GetProperty("taskId").GetString();
        (await PostAsync(host, $"/tasks/{task}/complete", Capture.Read("124-task-complete").RequestBody)).ShouldLookLike(Capture.Read("124-task-complete"));
        var ended = await GetAsync(host, $"/workflow-instances/{id}");
        ended.ShouldLookLike(Capture.Read("125-instance-after-task"), Loosely);
        Same(Capture.Read("126-instance-variables-after").Body, (await GetAsync(host, $"/workflow-instances/{id}/variables")).Body);
        Assert.Equal(400, (await PostAsync(host, $"/workflow-instances/{id}/variables", new { variables = new[] { new { id = "vp", value = "late" } } })).Status);
        (await PostAsync(host, "/tasks/nope/complete", new { })).ShouldLookLike(Capture.Read("127-task-complete-unknown"));
        (await PostAsync(host, Capture.Read("128-event-trigger-async").Path, Capture.Read("128-event-trigger-async").RequestBody)).ShouldLookLike(Capture.Read("128-event-trigger-async"));
        Assert.Equal(404, (await GetAsync(host, "/activity-executions/by-id?id=nope")).Status);

        static (string?, string?, int) Entry(JsonElement e) => (e.GetProperty("nodeId").GetString(), e.GetProperty("eventName").GetString(), e.GetProperty("sequence").GetInt32());
    }

    [Fact]
    public async Task A_long_run_has_a_journal_that_is_read_in_pages_from_anywhere()
    {
        const int Rounds = 700;
        await using var host = await StartStudioAsync();
        var definition = EngineHost.Definition("foreach").Replace("['a','b','c']", $"Array.from({{ length: {Rounds} }}, (_, i) => 'x' + i)", StringComparison.Ordinal);
        await host.Publisher.PublishAsync(definition, null, null, Ct);
        var id = (await PostAsync(host, "/workflow-definitions/anchor-foreach/execute", new { })).Message.Headers.GetValues("x-elsa-workflow-instance-id").Single();
        var total = (await GetAsync(host, $"/workflow-instances/{id}/journal?take=1")).Body.GetProperty("totalCount").GetInt32();
        Assert.InRange(total, 2 * Rounds, 100_000);

        // One burst, and yet no page needs the whole of it.
        var segments = await host.Store.GetJournalAsync(id, 0, 1000, Ct);
        Assert.All(segments, s => Assert.InRange(s.LastSequence - s.FirstSequence, 0, 499));
        Assert.Equal(total - 1, segments[^1].LastSequence);
        var seen = new List<int>();
        for (var skip = 0; skip < total; skip += 333) seen.AddRange(Sequences(await GetAsync(host, $"/workflow-instances/{id}/journal?skip={skip}&take=333")));
        Assert.Equal(Enumerable.Range(0, total), seen);
        Assert.Empty(Sequences(await GetAsync(host, $"/workflow-instances/{id}/journal?skip={total}&take=10")));

        // Every execution is known as it ended, also those that a cut goes through.
        var all = (await GetAsync(host, $"/activity-executions/list?WorkflowInstanceId={id}&ActivityNodeId=Workflow1:fe")).Body.GetProperty("items").EnumerateArray().Single();
        Assert.Equal("Completed", all.GetProperty("status").GetString());
        var each = (await GetAsync(host, $"/activity-executions/list?WorkflowInstanceId={id}")).Body.GetProperty("items").EnumerateArray().ToList();
        Assert.True(each.Count > 2 * Rounds, $"{each.Count} executions");
        Assert.All(each, e => Assert.Equal(("Completed", JsonValueKind.String), (e.GetProperty("status").GetString(), e.GetProperty("completedAt").ValueKind)));

        // Studio's own pages are of the nodes within the root.
        var scoped = await PostAsync(host, $"/workflow-instances/{id}/journal?skip=0&take=10", new { filter = new { activityNodeIds = (string[])["Workflow1:fe"] } });
        Assert.Equal(2, scoped.Body.GetProperty("totalCount").GetInt32());

        static IEnumerable<int> Sequences(Answer page) => page.Body.GetProperty("items").EnumerateArray().Select(e => e.GetProperty("sequence").GetInt32());
    }

    [Fact]
    public async Task A_fault_shows_its_incident_and_the_retry_all_attempts()
    {
        await using var host = await StartStudioAsync();
        await host.PublishAsync("faulty", Ct);
        var id = (await PostAsync(host, "/workflow-definitions/anchor-faulty/execute", new { })).Message.Headers.GetValues("x-elsa-workflow-instance-id").Single();
        (await GetAsync(host, $"/workflow-instances/{id}")).ShouldLookLike(Capture.Read("147-instance-faulted"), [.. Loosely, "$.workflowState.incidents[].attempt"]);
        var journal = await GetAsync(host, $"/workflow-instances/{id}/journal");
        journal.ShouldLookLike(Capture.Read("148-instance-faulted-journal"), "$.items[].payload");
        Assert.Equal("It broke", journal.Body.GetProperty("items").EnumerateArray().Last(e => e.GetProperty("eventName").GetString() == "Faulted").GetProperty("message").GetString());
        var faults = await PostAsync(host, $"/workflow-instances/{id}/journal?skip=0&take=10", new { filter = new { eventNames = (string[])["Faulted"] } });
        Assert.All(faults.Body.GetProperty("items").EnumerateArray(), e => Assert.Equal("Faulted", e.GetProperty("eventName").GetString()));

        Assert.Equal(200, (await PostAsync(host, $"/retry/workflow-instances/{id}")).Status);
        await Eventually.TrueAsync(async () => (await GetAsync(host, $"/workflow-instances/{id}")).Body is var b && b.GetProperty("incidentCount").GetInt32() == 2 && b.GetProperty("subStatus").GetString() == "Faulted", "a second incident", Ct);
        Assert.Equal(404, (await PostAsync(host, "/retry/workflow-instances/nope")).Status);
        Assert.Equal(0, (await PostAsync(host, "/bulk-actions/retry/workflow-instances", new { ids = (string[])["nope"] })).Body.GetProperty("retried").GetInt32());
    }

    [Fact]
    public async Task Instances_are_cancelled_deleted_exported_and_imported_as_recorded()
    {
        await using var host = await StartStudioAsync();
        await host.PublishAsync("event", Ct);
        var ids = (await PostAsync(host, "/workflow-definitions/anchor-event/bulk-dispatch", Capture.Read("099-bulk-dispatch").RequestBody)).Body.GetProperty("workflowInstanceIds").EnumerateArray().Select(i => i.GetString()!).ToList();
        await Eventually.TrueAsync(async () => (await host.Store.ListInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Suspended]), 0, 10, Ct)).Total == 3, "three wait", Ct);
        (await PostAsync(host, $"/cancel/workflow-instances/{ids[0]}", new { })).ShouldLookLike(Capture.Read("140-instance-cancel"));
        (await PostAsync(host, "/cancel/workflow-instances/nope", new { })).ShouldLookLike(Capture.Read("141-instance-cancel-missing"));
        (await GetAsync(host, $"/workflow-instances/{ids[0]}")).ShouldLookLike(Capture.Read("143-instance-after-cancel"), [.. Loosely, "$.workflowState.activityExecutionContexts"]);
        Same(Capture.Read("142-instances-bulk-cancel").Body, (await PostAsync(host, "/bulk-actions/cancel/workflow-instances", new { ids = (string[])[ids[1], "nope"] })).Body);

        var export = await GetAsync(host, $"/workflow-instances/{ids[2]}/export");
        Assert.Equal($"workflow-instance-{ids[2]}.json", export.Message.Content.Headers.ContentDisposition?.FileName);
        var zip = await PostAsync(host, "/bulk-actions/export/workflow-instances", new { ids = (string[])[ids[1], ids[2]] });
        Assert.Equal("workflow-instances.zip", zip.Message.Content.Headers.ContentDisposition?.FileName);
        var bytes = await zip.Message.Content.ReadAsByteArrayAsync(Ct);
        await using (var archive = new ZipArchive(new MemoryStream(bytes))) Assert.Equal(2, archive.Entries.Count);
        (await SendAsync(host, HttpMethod.Delete, $"/workflow-instances/{ids[0]}", null, "ada *")).ShouldLookLike(Capture.Read("144-instance-delete"));
        (await SendAsync(host, HttpMethod.Delete, "/workflow-instances/nope", null, "ada *")).ShouldLookLike(Capture.Read("145-instance-delete-missing"));
        var deleted = await PostAsync(host, Capture.Read("146-instances-bulk-delete").Path, new { ids });
        deleted.ShouldLookLike(Capture.Read("146-instances-bulk-delete"));
        Assert.Equal(2, deleted.Body.GetProperty("deleted").GetInt32());

        using var form = new MultipartFormDataContent { { new ByteArrayContent(bytes) { Headers = { ContentType = new MediaTypeHeaderValue("application/zip") } }, "files", "i.zip" } };
        var imported = await PostAsync(host, "/bulk-actions/import/workflow-instances", form);
        imported.ShouldLookLike(Capture.Read("139-instances-import"), "$.count");
        Assert.Equal(2, imported.Body.GetProperty("imported").GetInt32());
        // What waited goes on waiting, and goes on when its event comes.
        Assert.Equal(200, (await PostAsync(host, "/events/OrderPaid/trigger", new { workflowInstanceId = ids[2], input = new { amount = 1 }, workflowExecutionMode = "Synchronous" })).Status);
        Assert.Equal("Elsa.RunTask", (await GetAsync(host, $"/workflow-instances/{ids[2]}")).Body.GetProperty("workflowState").GetProperty("bookmarks")[0].GetProperty("name").GetString());
        using var again = new MultipartFormDataContent { { new ByteArrayContent(bytes), "files", "i.zip" } };
        Assert.Equal(400, (await PostAsync(host, "/bulk-actions/import/workflow-instances", again)).Status);

        var version = (await GetAsync(host, "/workflow-definitions/by-definition-id/anchor-event")).Body.GetProperty("id").GetString();
        Assert.Equal(1, (await PostAsync(host, "/bulk-actions/cancel/workflow-instances", new { definitionVersionId = version })).Body.GetProperty("cancelled").GetInt32());
    }

    [Fact]
    public async Task Lists_filter_sort_and_page_as_the_contract_says()
    {
        await using var host = await StartStudioAsync();
        foreach (var name in (string[])["foreach", "faulty", "event"]) await host.PublishAsync(name, Ct);
        for (var i = 0; i < 3; i++) await PostAsync(host, "/workflow-definitions/anchor-foreach/execute", new { correlationId = $"c-{i}", name = $"Run {2 - i}" });
        await PostAsync(host, "/workflow-definitions/anchor-faulty/execute", new { });
        await PostAsync(host, "/workflow-definitions/anchor-event/execute", new { correlationId = "order-42" });
        foreach (var name in (string[])["101-instances-list", "102-instances-list-filter", "103-instances-list-incidents", "104-instances-list-bad"])
            (await PostAsync(host, "/workflow-instances", Capture.Read(name).RequestBody)).ShouldLookLike(Capture.Read(name), "$.items[].correlationId", "$.items[].finishedAt", "$.items[].name");
        (await PostAsync(host, "/workflow-instances", Capture.Read("153-timer-instances").RequestBody)).ShouldLookLike(Capture.Read("153-timer-instances"));
        (await GetAsync(host, Capture.Read("105-instances-list-get").Path)).ShouldLookLike(Capture.Read("105-instances-list-get"), "$.items[].correlationId");

        var studio = JsonNode.Parse(
            """{"page":0,"pageSize":10,"searchTerm":"","definitionId":null,"definitionIds":[],"correlationId":null,"version":null,"hasIncidents":null,"isSystem":false,"status":null,"statuses":[],"subStatus":null,"subStatuses":[],"orderBy":null,"orderDirection":"Descending","timestampFilters":[]}""")!.AsObject();
        Assert.Equal(["anchor-event", "anchor-faulty", "anchor-foreach", "anchor-foreach", "anchor-foreach"], await DefinitionsAsync());
        Assert.Equal(["anchor-event"], await DefinitionsAsync(("statuses", new JsonArray("Running"))));
        Assert.Equal(["anchor-faulty"], await DefinitionsAsync(("status", "Finished"), ("subStatuses", new JsonArray("Faulted", "Suspended"))));
        Assert.Equal(["anchor-faulty"], await DefinitionsAsync(("hasIncidents", true)));
        Assert.Equal(["anchor-event"], await DefinitionsAsync(("searchTerm", "order-4")));
        Assert.Equal(["anchor-event"], await DefinitionsAsync(("correlationId", "order-42")));
        Assert.Equal([], await DefinitionsAsync(("version", 2)));
        Assert.Equal([], await DefinitionsAsync(("isSystem", true)));
        Assert.Equal(["anchor-foreach", "anchor-foreach"], await DefinitionsAsync(("page", 1), ("pageSize", 3)));
        Assert.Equal("Run 0", (await ListAsync(("orderBy", "Name"), ("orderDirection", "Ascending"))).GetProperty("items")[0].GetProperty("name").GetString());
        Assert.Equal("anchor-event", (await ListAsync(("orderBy", "Finished"), ("orderDirection", "Descending"))).GetProperty("items")[4].GetProperty("definitionId").GetString());
        Assert.Equal("anchor-event", (await ListAsync(("orderBy", "LastExecuted"))).GetProperty("items")[0].GetProperty("definitionId").GetString());
        Assert.Equal([], await DefinitionsAsync(("timestampFilters", JsonNode.Parse("""[{"column":"CreatedAt","operator":"LessThan","timestamp":"2020-01-01T00:00:00+00:00"}]"""))));
        Assert.Equal(4, (await ListAsync(("timestampFilters", JsonNode.Parse("""[{"column":"FinishedAt","operator":"GreaterThanOrEqual","timestamp":"2020-01-01T00:00:00Z"}]""")))).GetProperty("totalCount").GetInt32());
        foreach (var wrong in ((string, JsonNode?)[])[("timestampFilters", JsonNode.Parse("""[{"column":"Id; DROP TABLE x","operator":"Is","timestamp":"2020-01-01T00:00:00Z"}]""")), ("orderBy", "x"), ("status", "x"), ("pageSize", 0)])
        {
            studio[wrong.Item1] = wrong.Item2;
            Assert.Equal(400, (await PostAsync(host, "/workflow-instances", studio)).Status);
            studio[wrong.Item1] = wrong.Item1 == "pageSize" ? 10 : null;
        }

        async Task<JsonElement> ListAsync(params (string Name, JsonNode? Value)[] changes)
        {
            var request = studio.DeepClone().AsObject();
            foreach (var (name, value) in changes) request[name] = value;
            var answer = await PostAsync(host, "/workflow-instances", request);
            Assert.True(answer.Status == 200, answer.Text);
            return answer.Body;
        }

        async Task<IEnumerable<string?>> DefinitionsAsync(params (string, JsonNode?)[] changes) => (await ListAsync(changes)).GetProperty("items").EnumerateArray().Select(i => i.GetProperty("definitionId").GetString()).ToList();
    }

    [Fact]
    public async Task One_activity_is_tried_out_and_one_that_changes_something_outside_is_not()
    {
        await using var host = await StartStudioAsync();
        await host.PublishAsync("foreach", Ct);
        var version = (await GetAsync(host, "/workflow-definitions/by-definition-id/anchor-foreach")).Body.GetProperty("id").GetString();
        var tried = await PostAsync(host, "/tests/activities", new { workflowDefinitionHandle = new { definitionVersionId = version }, activityHandle = new { activityId = "e4" } });
        tried.ShouldLookLike(Capture.Read("136-test-activity"));
        Same(Capture.Read("136-test-activity").Body.GetProperty("activityState"), tried.Body.GetProperty("activityState"));
        Assert.Equal("Completed", tried.Body.GetProperty("status").GetString());
        Assert.Equal(0, (await host.Store.ListInstancesAsync(new InstanceFilter(), 0, 10, Ct)).Total);
        Assert.Equal(404, (await PostAsync(host, "/tests/activities", new { workflowDefinitionHandle = new { definitionVersionId = version }, activityHandle = new { activityId = "nope" } })).Status);

        await host.PublishAsync("faulty", Ct);
        var faulty = await PostAsync(host, "/tests/activities", new { workflowDefinitionHandle = new { definitionId = "anchor-faulty" }, activityHandle = new { activityNodeId = "Workflow1:fg:g2" } });
        Assert.Equal("Faulted", faulty.Body.GetProperty("status").GetString());
        Assert.Equal("It broke", faulty.Body.GetProperty("exception").GetProperty("message").GetString());
        var root = new { id = "r", type = "Elsa.Sequence", version = 1, activities = new[] { new { id = "s", type = "Elsa.SendHttpRequest", version = 1, url = new { expression = new { type = "Literal", value = "http://127.0.0.1:1/" } } } } };
        await PostAsync(host, "/workflow-definitions", new { model = new { definitionId = "sends", name = "Sends", root }, publish = false });
        object Set(string name) => new { expression = new { type = "Literal", value = name } };
        var handing = new { id = "h", type = "Elsa.Sequence", version = 1, activities = new object[] { new { id = "p", type = "Elsa.PublishEvent", version = 1, eventName = Set("Paid") }, new { id = "t", type = "Elsa.RunTask", version = 1, taskName = Set("Pack") }, new { id = "d", type = "Elsa.DispatchWorkflow", version = 1, workflowDefinitionId = Set("sends") } } };
        await PostAsync(host, "/workflow-definitions", new { model = new { definitionId = "hands", name = "Hands", root = handing }, publish = false });
        foreach (var (definition, activity) in ((string, string)[])[("sends", "r"), ("sends", "s"), ("hands", "p"), ("hands", "t"), ("hands", "d")])
        {
            var outside = await PostAsync(host, "/tests/activities", new { workflowDefinitionHandle = new { definitionId = definition }, activityHandle = new { activityId = activity } });
            Assert.Equal(400, outside.Status);
            Assert.Contains("changes something outside", outside.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Looking_and_moving_need_their_permissions()
    {
        await using var host = await StartStudioAsync();
        foreach (var (method, path, permission) in ((HttpMethod, string, string)[])
            [(HttpMethod.Post, "/workflow-instances", "read:workflow-instances"), (HttpMethod.Get, "/workflow-instances/x/journal", "read:workflow-instances"), (HttpMethod.Post, "/workflow-instances/x/variables", "write:workflow-instances"),
             (HttpMethod.Post, "/cancel/workflow-instances/x", "cancel:workflow-instances"), (HttpMethod.Post, "/retry/workflow-instances/x", "write:workflow-instances"), (HttpMethod.Delete, "/workflow-instances/x", "delete:workflow-instances"),
             (HttpMethod.Get, "/activity-executions/by-id?id=x", "read:activity-execution"), (HttpMethod.Post, "/events/x/trigger", "trigger:event"), (HttpMethod.Post, "/tasks/x/complete", "tasks:complete"),
             (HttpMethod.Post, "/workflow-definitions/x/execute", "exec:workflow-definitions"), (HttpMethod.Post, "/tests/activities", "exec:tests")])
        {
            Assert.Equal(401, (await SendAsync(host, method, path, null, null)).Status);
            Assert.Equal(403, (await SendAsync(host, method, path, null, "eve read:workflow-definitions")).Status);
            Assert.DoesNotContain((await SendAsync(host, method, path, null, $"bob {permission}")).Status, (int[])[401, 403, 500]);
        }
    }

    private static void Same(JsonElement stock, JsonElement ours) => Assert.True(JsonNode.DeepEquals(Plain(stock), Plain(ours)), $"{stock}\n{ours}");

    private static JsonNode? Plain(JsonElement e)
    {
        var node = JsonNode.Parse(e.GetRawText());
        Strip(node);
        return node;

        static void Strip(JsonNode? n)
        {
            if (n is JsonObject o)
            {
                o.Remove("_type");
                foreach (var (_, value) in o) Strip(value);
            }
            else if (n is JsonArray a)
                foreach (var value in a) Strip(value);
        }
    }
}

public sealed class InstancesOnSqlite() : InstanceContract(new OnSqliteFile());

public sealed class InstancesOnPostgres(PostgresFixture postgres) : InstanceContract(new OnPostgresServer(postgres));
