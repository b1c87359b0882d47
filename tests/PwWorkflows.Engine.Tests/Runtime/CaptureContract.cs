using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>
/// Runs the definitions of the captures and compares states, journals and records with what a stock server answered (<c>Data/captures</c>). Left out are ids and times, what belongs to the server's
/// own API, and the known differences: the run's input is kept, flowcharts count visits of activities earlier, inputs that are not set are not listed, a run that was cancelled keeps no activities.
/// </summary>
public abstract class CaptureContract(ITestDatabase database) : EngineHostTest(database)
{
    private static JsonNode Captured(string file) => JsonNode.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data", "captures", file + ".json")))!["response"]!;

    private static JsonNode CapturedState(string file) => Captured(file)["body"]!["workflowState"]!;

    [Theory]
    [InlineData("GET", "/workflows/anchor/hello", "089-http-trigger")]
    [InlineData("GET", "/workflows/anchor/hello?name=Bob", "090-http-trigger-named")]
    [InlineData("DELETE", "/workflows/anchor/hello", "091-http-trigger-wrong-method")]
    [InlineData("GET", "/workflows/no/such", "092-http-trigger-unknown")]
    public async Task Request_is_answered_as_captured(string method, string path, string capture)
    {
        await using var host = await StartAsync();
        await host.PublishAsync("http", Ct);
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await host.Http.SendAsync(request, Ct);
        var expected = Captured(capture);
        Assert.Equal((int)expected["status"]!, (int)response.StatusCode);
        if (response.StatusCode != HttpStatusCode.OK) return;
        Assert.Equal((string)expected["headers"]!["Content-Type"]!, response.Content.Headers.ContentType?.MediaType);
        Assert.Equal(expected["body"]!.ToJsonString(), JsonNode.Parse(await response.Content.ReadAsStringAsync(Ct))!.ToJsonString());
    }

    [Theory]
    [InlineData("http", "093-execute-http", "c-1")]
    [InlineData("foreach", "094-execute-foreach", "c-2")]
    [InlineData("foreach", "095-execute-get", "c-3")]
    [InlineData("faulty", "096-execute-fault", null)]
    [InlineData("faulty", "147-instance-faulted", null)]
    [InlineData("event", "106-instance-get", "order-42")]
    [InlineData("approval", "129-execute-approval", null)]
    public async Task Workflow_that_was_executed_is_in_the_state_captured(string definition, string capture, string? correlation)
    {
        await using var host = await StartAsync();
        host.Services.GetRequiredService<ActivityRegistry>().Register(typeof(AwaitApproval));
        await host.PublishAsync(definition, Ct);
        var run = await RunAsync(host, "anchor-" + definition, correlation);
        var row = (await host.Store.GetInstanceAsync(run.WorkflowInstanceId, Ct))!;
        Assert.Equal(Comparable(CapturedState(capture)), Comparable(JsonNode.Parse(row.State.Span)!));
        Assert.Equal((string?)CapturedState(capture)["correlationId"], row.CorrelationId);
        Assert.Equal(CapturedState(capture)["incidents"]!.AsArray().Count, row.IncidentCount);
        Assert.Equal(CapturedState(capture)["finishedAt"] is not null, row.FinishedAt is not null);
    }

    [Theory]
    [InlineData("event", "111-instance-journal")]
    [InlineData("faulty", "148-instance-faulted-journal")]
    public async Task Journal_has_the_captured_events_in_order(string definition, string capture)
    {
        await using var host = await StartAsync();
        await host.PublishAsync(definition, Ct);
        var run = await RunAsync(host, "anchor-" + definition);
        var expected = Captured(capture)["body"]!["items"]!.AsArray().Select(e => $"{e!["sequence"]} {e["nodeId"]} {e["activityType"]} {e["eventName"]} {e["message"]}");
        var lines = (await host.Store.GetJournalAsync(run.WorkflowInstanceId, 0, 100, Ct)).SelectMany(InstanceJournal.Read);
        Assert.Equal(expected, lines.Select(l => $"{l.Sequence} {l.ActivityNodeId} {l.ActivityType} {l.Event} {l.Message}"));
    }

    [Fact]
    public async Task Event_and_task_lead_through_the_captured_states()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("event", Ct);
        await host.Services.GetRequiredService<IWorkflowDispatcher>().DispatchAsync(new DispatchWorkflowDefinitionRequest { DefinitionId = "anchor-event", CorrelationId = "order-42", InstanceId = "dispatched", Input = new Dictionary<string, object> { ["orderId"] = "42" } }, null, Ct);
        await IsAsync(host, "dispatched", InstanceStatus.Suspended);
        Assert.Equal(Comparable(CapturedState("106-instance-get")), Comparable(await StateAsync(host, "dispatched")));
        Assert.Equal(Record(Captured("114-activity-executions-list")["body"]!["items"]![0]!), Record((await RecordsAsync(host, "dispatched"))["Workflow1:fd:d1"]));

        await host.Services.GetRequiredService<IEventPublisher>().PublishAsync("OrderPaid", workflowInstanceId: "dispatched", payload: new Dictionary<string, object> { ["amount"] = 10 }, cancellationToken: Ct);
        var waiting = await StateAsync(host, "dispatched");
        Assert.Equal(Comparable(CapturedState("123-instance-after-event")), Comparable(waiting));

        await host.Services.GetRequiredService<ITaskReporter>().ReportCompletionAsync((string)waiting["bookmarks"]![0]!["payload"]!["taskId"]!, new Dictionary<string, object> { ["shipped"] = true }, Ct);
        var ended = await StateAsync(host, "dispatched");
        Assert.Equal(Comparable(CapturedState("125-instance-after-task")), Comparable(ended));
        var variables = ended["activityExecutionContexts"]![0]!["properties"]!["Variables"]!.AsObject();
        Assert.Equal(Captured("126-instance-variables-after")["body"]!["items"]!.AsArray().Select(v => $"{v!["id"]}={v["value"]!.ToJsonString()}"), variables.Select(v => $"{v.Key}={v.Value!.ToJsonString()}"));

        // The end of a task that nobody knows, and an event that nobody waits for, change nothing and are no error (captures 127 and 128).
        await host.Services.GetRequiredService<ITaskReporter>().ReportCompletionAsync("nope", 1, Ct);
        await host.Services.GetRequiredService<IEventPublisher>().PublishAsync("OrderPaid", "order-42", asynchronous: true, cancellationToken: Ct);
        Assert.Equal(1, await host.Store.CountInstancesAsync(new InstanceFilter(), Ct));
    }

    [Fact]
    public async Task Approval_is_recorded_and_ended_as_captured()
    {
        await using var host = await StartAsync();
        host.Services.GetRequiredService<ActivityRegistry>().Register(typeof(AwaitApproval));
        await host.PublishAsync("approval", Ct);
        var run = await RunAsync(host, "anchor-approval");
        var expected = Captured("130-approval-executions")["body"]!["items"]![0]!;
        var record = (await RecordsAsync(host, run.WorkflowInstanceId))["Workflow1:ff:f1"];
        Assert.Equal(Record(expected), Record(record));
        // Outputs that are bound to nothing are recorded too.
        Assert.Equal(expected["outputs"]!.AsObject().Where(o => o.Value is not null).Select(o => o.Key), record["out"]!.AsObject().Select(o => o.Key));

        var resumer = host.Services.GetRequiredService<IBookmarkResumer>();
        var bookmark = Assert.Single(run.Bookmarks).Id;
        Assert.True((await resumer.ResumeAsync(bookmark, new Dictionary<string, object> { ["Decision"] = "Approved" }, Ct)).Matched);
        Assert.False((await resumer.ResumeAsync(bookmark, new Dictionary<string, object> { ["Decision"] = "Approved" }, Ct)).Matched);
        Assert.Equal(Comparable(CapturedState("135-instance-approval-after")), Comparable(await StateAsync(host, run.WorkflowInstanceId)));
    }

    [Fact]
    public async Task Bulk_dispatch_makes_instances_and_a_cancelled_one_ends_as_captured()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("event", Ct);
        var count = Captured("099-bulk-dispatch")["body"]!["workflowInstanceIds"]!.AsArray().Count;
        for (var i = 0; i < count; i++)
            Assert.True((await host.Services.GetRequiredService<IWorkflowDispatcher>().DispatchAsync(new DispatchWorkflowDefinitionRequest { DefinitionId = "anchor-event", InstanceId = "bulk-" + i }, null, Ct)).Succeeded);
        await Eventually.TrueAsync(async () => await host.Store.CountInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Suspended]), Ct) == count, "all wait", Ct);
        // Capture 100: what is not published is not dispatched.
        Assert.False((await host.Services.GetRequiredService<IWorkflowDispatcher>().DispatchAsync(new DispatchWorkflowDefinitionRequest { DefinitionId = "no-such" }, null, Ct)).Succeeded);

        var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync("bulk-0", Ct);
        await client.CancelAsync(Ct);
        var state = await StateAsync(host, "bulk-0");
        var expected = CapturedState("143-instance-after-cancel");
        foreach (var part in (string[])["status", "subStatus", "bookmarks", "incidents", "completionCallbacks", "scheduledActivities"])
            Assert.Equal(expected[part]!.ToJsonString(), state[part]!.ToJsonString());
        Assert.NotNull(state["finishedAt"]);
        Assert.Equal(count - 1, await host.Store.CountInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Suspended]), Ct));
        Assert.Single(await host.Store.FindBookmarksAsync("2564EA06509CB58E5511EDED8F8204C511A86FCF911D9AC58ADAF5159C5E10D2", "bulk-1", null, null, Ct));
    }

    // ---- what is compared

    /// <summary>A state without ids and times; executions are named by their activity.</summary>
    private static string Comparable(JsonNode state)
    {
        var contexts = state["activityExecutionContexts"]!.AsArray();
        var nodes = contexts.ToDictionary(c => (string)c!["id"]!, c => (string)c!["scheduledActivityNodeId"]!);
        var text = new JsonObject
        {
            ["definitionId"] = state["definitionId"]!.DeepClone(),
            ["status"] = state["status"]!.DeepClone(),
            ["subStatus"] = state["subStatus"]!.DeepClone(),
            ["executionLogSequence"] = state["executionLogSequence"]!.DeepClone(),
            ["output"] = state["output"]!.DeepClone(),
            ["properties"] = state["properties"]!.DeepClone(),
            ["scheduledActivities"] = state["scheduledActivities"]!.DeepClone(),
            ["bookmarks"] = Sorted(state["bookmarks"]!.AsArray().Select(b =>
            {
                var payload = WithoutNulls(b!["payload"]!);
                var generated = payload.ContainsKey("taskId");
                if (generated) payload["taskId"] = "(made at random)";
                return new JsonObject
                {
                    ["name"] = b["name"]!.DeepClone(),
                    ["hash"] = generated ? "(follows from the task id)" : b["hash"]!.DeepClone(),
                    ["payload"] = payload,
                    ["node"] = b["activityNodeId"]!.DeepClone(),
                    ["activity"] = b["activityId"]!.DeepClone(),
                    ["owner"] = nodes[(string)b["activityInstanceId"]!],
                    ["autoBurn"] = b["autoBurn"]!.DeepClone(),
                    ["callback"] = b["callbackMethodName"]!.DeepClone(),
                    ["autoComplete"] = b["autoComplete"]!.DeepClone(),
                };
            })),
            ["incidents"] = Sorted(state["incidents"]!.AsArray().Select(i => new JsonObject
            {
                ["node"] = i!["activityNodeId"]!.DeepClone(),
                ["activity"] = i["activityId"]!.DeepClone(),
                ["type"] = i["activityType"]!.DeepClone(),
                ["message"] = i["message"]!.DeepClone(),
                ["exception"] = ((string)i["exception"]!["type"]!).Split('.', ',')[^1],
                ["exceptionMessage"] = i["exception"]!["message"]!.DeepClone(),
            })),
            ["completionCallbacks"] = Sorted(state["completionCallbacks"]!.AsArray().Select(c => new JsonObject
            {
                ["owner"] = nodes[(string)c!["ownerInstanceId"]!],
                ["child"] = c["childNodeId"]!.DeepClone(),
                ["method"] = c["methodName"]!.DeepClone(),
            })),
            ["contexts"] = Sorted(contexts.Select(c => new JsonObject
            {
                ["node"] = c!["scheduledActivityNodeId"]!.DeepClone(),
                ["parent"] = c["parentContextId"] is { } p ? nodes[(string)p!] : null,
                ["owner"] = c["ownerActivityNodeId"]?.DeepClone(),
                ["status"] = c["status"]!.DeepClone(),
                ["faultCount"] = c["faultCount"]!.DeepClone(),
                ["state"] = WithoutNulls(c["activityState"]!),
                ["properties"] = WithoutNulls(WithoutVisits(c["properties"]!)),
            })),
        };
        return text.ToJsonString(new JsonSerializerOptions { WriteIndented = true });
    }

    private static JsonArray Sorted(IEnumerable<JsonObject> items) => [.. items.OrderBy(i => i.ToJsonString(), StringComparer.Ordinal)];

    /// <summary>Flowcharts count the visits of an activity when it is scheduled, a stock server when it has ended; the counts of connections are the same.</summary>
    private static JsonNode WithoutVisits(JsonNode properties)
    {
        var copy = properties.DeepClone();
        if (copy["FlowScope"] is not JsonObject scope) return copy;
        scope.Remove("activitiesVisitCount");
        if (scope.All(p => p.Value is JsonObject { Count: 0 })) copy.AsObject().Remove("FlowScope");
        return copy;
    }

    /// <summary>What is empty says nothing.</summary>
    private static JsonObject WithoutNulls(JsonNode map) =>
        new(map.AsObject().Where(p => p.Value is not null and not JsonObject { Count: 0 }).OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value!.DeepClone())));

    /// <summary>The record of one execution, as the API gives it or as the journal keeps it.</summary>
    private static string Record(JsonNode record)
    {
        var ours = record["n"] is not null;
        return new JsonObject
        {
            ["node"] = record[ours ? "n" : "activityNodeId"]!.DeepClone(),
            ["type"] = record[ours ? "t" : "activityType"]!.DeepClone(),
            ["name"] = record[ours ? "nm" : "activityName"]!.DeepClone(),
            ["status"] = ours ? ((ActivityStatus)(int)record["s"]!).ToString() : (string)record["status"]!,
            ["state"] = WithoutNulls(record[ours ? "in" : "activityState"] ?? new JsonObject()),
            ["payload"] = WithoutNulls(new JsonObject((record[ours ? "pl" : "payload"] ?? new JsonObject()).DeepClone().AsObject().Where(p => p.Key != "_type").Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())))),
            ["ended"] = record[ours ? "ct" : "completedAt"] is not null,
        }.ToJsonString();
    }

    private static async Task<Dictionary<string, JsonNode>> RecordsAsync(EngineHost host, string instance)
    {
        var records = new Dictionary<string, JsonNode>(StringComparer.Ordinal);
        foreach (var segment in await host.Store.GetJournalAsync(instance, 0, 100, Ct))
            foreach (var r in JsonNode.Parse(segment.Entries.Span)!["a"]!.AsArray())
                records[(string)r!["n"]!] = r;
        return records;
    }

    private static async Task<JsonNode> StateAsync(EngineHost host, string instance) => JsonNode.Parse((await host.Store.GetInstanceAsync(instance, Ct))!.State.Span)!;

    private static Task IsAsync(EngineHost host, string instance, InstanceStatus status) =>
        Eventually.TrueAsync(async () => (await host.Store.GetInstanceAsync(instance, Ct))?.Status == status, $"{instance} is {status}", Ct);

    private static async Task<RunWorkflowInstanceResponse> RunAsync(EngineHost host, string definitionId, string? correlationId = null)
    {
        var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(Ct);
        return await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId(definitionId), CorrelationId = correlationId }, Ct);
    }

    /// <summary>The custom activity of the captured server.</summary>
    [Activity("Sample", "Approvals", "Blocks until someone approves or rejects.", Kind = ActivityKind.Task)]
    [FlowNode("Approved", "Rejected")]
    public sealed class AwaitApproval : Activity<string>
    {
        public Input<string> Subject { get; set; } = null!;
        public Input<string> Approver { get; set; } = null!;
        public Input<bool> Remind { get; set; } = new(true);
        public Output<string>? ResumeUrl { get; set; }
        public Output<string>? EventUrl { get; set; }

        public sealed record Stimulus(string Subject);

        protected override void Execute(ActivityExecutionContext context)
        {
            var subject = Subject.Get(context);
            context.JournalData["Subject"] = subject;
            var bookmark = context.CreateBookmark(new Stimulus(subject), OnResumeAsync, includeActivityInstanceId: false);
            ResumeUrl.Set(context, "/resume/" + bookmark.Id);
            context.Set(EventUrl, "/trigger/Reminder");
        }

        private async ValueTask OnResumeAsync(ActivityExecutionContext context)
        {
            var decision = context.GetWorkflowInput<string>("Decision")!;
            context.SetResult(decision);
            await context.CompleteActivityWithOutcomesAsync(decision);
        }
    }
}

public sealed class CapturesOnSqlite() : CaptureContract(new OnSqliteFile());

public sealed class CapturesOnPostgres(PostgresFixture postgres) : CaptureContract(new OnPostgresServer(postgres));
