using Elsa.Extensions;
using Elsa.Http;
using Elsa.Scheduling;
using Elsa.Scheduling.Activities;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Activities;
using Elsa.Workflows.Runtime.Messages;
using Elsa.Workflows.Runtime.Options;
using Elsa.Workflows.Runtime.Stimuli;
using Microsoft.Extensions.DependencyInjection;
using static PwWorkflows.Engine.Tests.Execution.Build;

namespace PwWorkflows.Engine.Tests.Execution;

public sealed class BookmarkTests
{
    private sealed record OrderStimulus(string OrderId, [property: ExcludeFromHash] string? Hint);

    [Fact]
    public void Hash_equals_the_check_value_of_the_contract()
    {
        var hasher = new StimulusHasher();
        Assert.Equal("832ACCE943FFB11875396CB5B1B81D4EDDC897BF0E19D231DD6E81AAD923BA4F", hasher.Hash("Acme.OrderReceived", new OrderStimulus("1", "ignored")));
        Assert.Equal(Convert.ToHexString(System.Security.Cryptography.SHA256.HashData("Acme.OrderReceived|{\"OrderId\":\"1\"}|abc"u8)), hasher.Hash("Acme.OrderReceived", new OrderStimulus("1", null), "abc"));
    }

    // Hashes that a stock Elsa 3.8 server has stored for these payloads.
    [Fact]
    public void Hashes_of_built_in_payloads_equal_those_of_a_stock_server()
    {
        var hasher = new StimulusHasher();
        Assert.Equal("D8AE1B387DEDC7A39444DE03D2F43C9C1E37921D190FF3F0BB9E1FB6B4D5033B", hasher.Hash("Elsa.HttpEndpoint", new HttpEndpointBookmarkPayload("/anchor/hello", "get", false)));
        Assert.Equal("109E7C2862F9094276536518A4B69AAD695A082AC8E3B3DEEB6B0039D6067622", hasher.Hash("Elsa.HttpEndpoint", new HttpEndpointBookmarkPayload("/anchor/hello", "post", false)));
        Assert.Equal("2564EA06509CB58E5511EDED8F8204C511A86FCF911D9AC58ADAF5159C5E10D2", hasher.Hash("Elsa.Event", new EventStimulus("OrderPaid")));
        Assert.Equal("F5B8A522F41AB9739ED43C4F2E9B021C71AA6CCB07FB8021E5BB0469FD70109C", hasher.Hash("Elsa.RunTask", new RunTaskStimulus("4dfb3a1ab16177fe", "ShipOrder")));
    }

    [Fact]
    public async Task Bookmark_overloads_keep_their_defaults()
    {
        var made = new List<(string Call, Bookmark Bookmark)>();
        var activity = new Makes { Do = (c, call, b) => made.Add((call, b)) };
        var w = await new InMemoryWorkflow(activity).StartAsync();
        Assert.Equal("Running/Suspended", w.Status);
        var hasher = new StimulusHasher();
        var stimulus = new EventStimulus("x");
        var (own, shared) = (hasher.Hash(activity.Type, stimulus, made[0].Bookmark.ActivityInstanceId), hasher.Hash(activity.Type, stimulus));
        Assert.Equal(hasher.Hash(activity.Type, null, made[0].Bookmark.ActivityInstanceId), made.Single(m => m.Call == "none").Bookmark.Hash);
        Assert.Equal(shared, made.Single(m => m.Call == "args").Bookmark.Hash);
        Assert.Equal(own, made.Single(m => m.Call == "stimulus").Bookmark.Hash);
        Assert.Equal(own, made.Single(m => m.Call == "callback").Bookmark.Hash);
        Assert.Equal(shared, made.Single(m => m.Call == "shared").Bookmark.Hash);
        Assert.All(made, m => Assert.True(m.Bookmark.AutoBurn && m.Bookmark.AutoComplete));
        Assert.Equal("Resumed", made.Single(m => m.Call == "callback").Bookmark.CallbackMethodName);
        Assert.Null(made.Single(m => m.Call == "none").Bookmark.CallbackMethodName);
    }

    private sealed class Makes : Activity
    {
        public Action<ActivityExecutionContext, string, Bookmark>? Do { get; set; }

        protected override void Execute(ActivityExecutionContext context)
        {
            var stimulus = new EventStimulus("x");
            Do!(context, "none", context.CreateBookmark());
            Do(context, "args", context.CreateBookmark(new CreateBookmarkArgs { Stimulus = stimulus }));
            Do(context, "stimulus", context.CreateBookmark(stimulus, (IDictionary<string, string>?)null));
            Do(context, "callback", context.CreateBookmark(stimulus, Resumed));
            Do(context, "shared", context.CreateBookmark(stimulus, includeActivityInstanceId: false));
        }

        private ValueTask Resumed(ActivityExecutionContext context) => context.CompleteActivityAsync();
    }

    [Fact]
    public async Task Bookmark_that_does_not_burn_can_be_resumed_again()
    {
        var w = await new InMemoryWorkflow(Sequence(new Counts { Id = "n" }, new Step("end"))).StartAsync();
        var id = Assert.Single(w.Bookmarks).Id;
        Assert.True(await w.ResumeBookmarkAsync(id));
        Assert.True(await w.ResumeBookmarkAsync(id));
        Assert.Equal(("1 2 end", "Finished/Finished"), (w.Steps, w.Status));
    }

    private sealed class Counts : Activity
    {
        protected override void Execute(ActivityExecutionContext context) => context.CreateBookmark(new CreateBookmarkArgs { Callback = AgainAsync, AutoBurn = false });

        private async ValueTask AgainAsync(ActivityExecutionContext context)
        {
            var n = context.UpdateProperty<int>("n", x => x + 1);
            context.GetRequiredService<Trace>().Add(n.ToString(System.Globalization.CultureInfo.InvariantCulture));
            if (n == 2) await context.CompleteActivityAsync();
        }
    }

    [Fact]
    public async Task Bookmark_without_callback_and_auto_complete_does_nothing_when_resumed()
    {
        var w = await new InMemoryWorkflow(Sequence(new Inert(), new Step("b"))).StartAsync();
        await w.ResumeAsync();
        Assert.Equal(("", "Running/Suspended"), (w.Steps, w.Status));
    }

    private sealed class Inert : Activity
    {
        protected override void Execute(ActivityExecutionContext context) => context.CreateBookmark(new CreateBookmarkArgs { AutoComplete = false });
    }

    [Fact]
    public async Task Event_waits_and_gives_its_payload()
    {
        var payload = new Elsa.Workflows.Memory.Variable<object>("Payload", null!).WithWorkflowStorage();
        var w = await new InMemoryWorkflow(new Elsa.Workflows.Activities.Sequence { Variables = { payload }, Activities = { new Event("OrderPaid") { Id = "e", Result = new(payload) }, Say.Variable("Payload") } }).StartAsync();
        var b = Assert.Single(w.Bookmarks);
        Assert.Equal(("Elsa.Event", "2564EA06509CB58E5511EDED8F8204C511A86FCF911D9AC58ADAF5159C5E10D2", "CompleteInternalAsync"), (b.Name, b.Hash, b.CallbackMethodName));
        Assert.Contains("\"payload\":{\"eventName\":\"OrderPaid\"}", w.State, StringComparison.Ordinal);
        await w.ResumeAsync("e", new Dictionary<string, object> { [Event.EventPayloadWorkflowInputKey] = "ten" });
        Assert.Equal(("ten", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Event_that_started_the_run_does_not_wait()
    {
        var w = await new InMemoryWorkflow(Sequence(new Event("OrderPaid") { Id = "e", CanStartWorkflow = true }, new Event("OrderPaid") { Id = "again" })).StartAsync(trigger: "e");
        Assert.Equal("again", Assert.Single(w.Bookmarks).ActivityId);
    }

    [Fact]
    public async Task Published_event_carries_scope_and_payload()
    {
        var published = new Published();
        var w = await new InMemoryWorkflow(Sequence(new PublishEvent { EventName = new("A"), CorrelationId = new("c-1"), Payload = new((object)7) }, new PublishEvent { EventName = new("B"), IsLocalEvent = new(true) }), services: s => s.AddSingleton<IEventPublisher>(published)).StartAsync();
        Assert.Equal("Finished/Finished", w.Status);
        Assert.Equal(["A c-1  7", "B  instance-1 "], published.Calls);
    }

    private sealed class Published : IEventPublisher
    {
        public List<string> Calls { get; } = [];
        public Task PublishAsync(string eventName, string? correlationId = null, string? workflowInstanceId = null, string? activityInstanceId = null, object? payload = null, bool asynchronous = false, CancellationToken cancellationToken = default)
        {
            Calls.Add($"{eventName} {correlationId} {workflowInstanceId} {payload}");
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task Task_is_dispatched_once_and_its_report_is_the_result()
    {
        var tasks = new Tasks();
        var result = new Elsa.Workflows.Memory.Variable<object>("R", null!).WithWorkflowStorage();
        var w = await new InMemoryWorkflow(new Elsa.Workflows.Activities.Sequence
        {
            Variables = { result },
            Activities = { new RunTask("ShipOrder") { Id = "t", Result = new(result), Payload = new(new Dictionary<string, object> { ["orderId"] = "42" }) }, Say.Variable("R") },
        }, services: s => s.AddSingleton<ITaskDispatcher>(tasks)).StartAsync();
        var request = Assert.Single(tasks.Requests);
        var b = Assert.Single(w.Bookmarks);
        Assert.Equal(("ShipOrder", "42", "ResumeAsync"), (request.TaskName, request.TaskPayload!["orderId"], b.CallbackMethodName));
        Assert.Equal(new StimulusHasher().Hash("Elsa.RunTask", new RunTaskStimulus(request.TaskId, "anything")), b.Hash);
        await w.ResumeAsync(input: new Dictionary<string, object> { [RunTask.InputKey] = "shipped" });
        Assert.Equal(("shipped", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Single(tasks.Requests);
    }

    private sealed class Tasks : ITaskDispatcher
    {
        public List<RunTaskRequest> Requests { get; } = [];
        public Task DispatchAsync(RunTaskRequest request, CancellationToken cancellationToken = default)
        {
            Requests.Add(request);
            return Task.CompletedTask;
        }
    }

    // Timers

    [Fact]
    public async Task Delay_waits_with_a_due_time_and_completes_when_resumed()
    {
        var w = await new InMemoryWorkflow(Sequence(new Delay(TimeSpan.FromMinutes(5)), new Step("end"))).StartAsync();
        Assert.Equal("2026-03-02T09:05:00.0000000Z", Assert.Single(w.Bookmarks).Metadata!["DueAt"]);
        await w.ResumeAsync();
        Assert.Equal(("end", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Delay_of_nothing_does_not_wait() => Assert.Equal("Finished/Finished", (await new InMemoryWorkflow(Delay.FromSeconds(0)).StartAsync()).Status);

    [Theory]
    [InlineData("0 30 3 * * *", null, "2026-03-03T03:30:00.0000000Z"), InlineData("30 3 * * *", "America/New_York", "2026-03-03T08:30:00.0000000Z"), InlineData("@hourly", "", "2026-03-02T10:00:00.0000000Z")]
    public async Task Cron_in_a_running_workflow_waits_for_its_next_time(string cron, string? zone, string due)
    {
        var w = await new InMemoryWorkflow(new Cron(cron) { TimeZone = new(zone) }).StartAsync();
        Assert.Equal(due, Assert.Single(w.Bookmarks).Metadata!["DueAt"]);
    }

    [Theory]
    [InlineData("every day", null, "'every day' is not a cron expression of 5 or 6 fields"), InlineData("61 * * * *", null, "'61 * * * *' is not a cron expression"), InlineData("0 3 * * *", "Mars/Olympus", "'Mars/Olympus' is not a time zone"), InlineData("", null, "'' is not a cron expression"), InlineData("0 0 30 2 *", null, "never comes round")]
    public async Task Bad_cron_is_refused_with_what_was_expected(string cron, string? zone, string message)
    {
        var w = await new InMemoryWorkflow(new Cron(cron) { TimeZone = new(zone) }).StartAsync();
        Assert.Contains(message, Assert.Single(w.Incidents).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_at_waits_for_the_future_and_passes_the_past()
    {
        var at = new DateTimeOffset(2026, 3, 2, 12, 0, 0, TimeSpan.FromHours(2));
        var w = await new InMemoryWorkflow(Sequence(new StartAt(at.AddDays(-1)), new StartAt(at))).StartAsync();
        Assert.Equal("2026-03-02T10:00:00.0000000Z", Assert.Single(w.Bookmarks).Metadata!["DueAt"]);
    }

    [Fact]
    public async Task Timer_starts_a_run_or_waits_for_one_interval()
    {
        var timer = new Elsa.Scheduling.Activities.Timer(TimeSpan.FromSeconds(15)) { Id = "t" };
        Assert.Equal("Finished/Finished", (await new InMemoryWorkflow(timer).StartAsync(trigger: "t")).Status);
        Assert.Equal("2026-03-02T09:00:15.0000000Z", Assert.Single((await new InMemoryWorkflow(new Elsa.Scheduling.Activities.Timer(TimeSpan.FromSeconds(15))).StartAsync()).Bookmarks).Metadata!["DueAt"]);
    }

    // Dispatching

    private sealed class Dispatches : IWorkflowDispatcher
    {
        public List<DispatchWorkflowDefinitionRequest> Requests { get; } = [];
        public string? Refuse { get; init; }
        public Task<DispatchWorkflowResponse> DispatchAsync(DispatchWorkflowDefinitionRequest request, DispatchWorkflowOptions? options = null, CancellationToken cancellationToken = default)
        {
            Requests.Add(request);
            return Task.FromResult(Refuse is null ? DispatchWorkflowResponse.Success() : new DispatchWorkflowResponse(false, Refuse));
        }
        public Task<DispatchWorkflowResponse> DispatchAsync(DispatchWorkflowInstanceRequest request, DispatchWorkflowOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();
        public Task<DispatchWorkflowResponse> DispatchAsync(DispatchTriggerWorkflowsRequest request, DispatchWorkflowOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();
        public Task<DispatchWorkflowResponse> DispatchAsync(DispatchResumeWorkflowsRequest request, DispatchWorkflowOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    }

    private static Dictionary<string, object> Report(string id, string subStatus = "Finished") => new() { ["WorkflowInstanceId"] = id, ["WorkflowSubStatus"] = subStatus, ["WorkflowOutput"] = new Dictionary<string, object> { ["Total"] = 5 } };

    [Fact]
    public async Task Dispatched_workflow_is_not_waited_for_unless_asked()
    {
        var d = new Dispatches();
        var w = await new InMemoryWorkflow(Sequence(new DispatchWorkflow { WorkflowDefinitionId = new("child"), CorrelationId = new("c"), Input = new(new Dictionary<string, object> { ["a"] = 1 }) }, new Step("end")), services: s => s.AddSingleton<IWorkflowDispatcher>(d)).StartAsync();
        Assert.Equal(("end", "Finished/Finished"), (w.Steps, w.Status));
        var r = Assert.Single(d.Requests);
        Assert.Equal(("child", "c", "instance-1", 1, true), (r.DefinitionId, r.CorrelationId, r.ParentWorkflowInstanceId, (int)r.Input!["a"], r.Properties is null));
    }

    [Fact]
    public async Task Parent_waits_for_the_child_it_dispatched()
    {
        var d = new Dispatches();
        var output = new Elsa.Workflows.Memory.Variable<object>("Out", null!).WithWorkflowStorage();
        var w = await new InMemoryWorkflow(new Elsa.Workflows.Activities.Sequence
        {
            Variables = { output },
            Activities = { new DispatchWorkflow { WorkflowDefinitionId = new("child"), WaitForCompletion = new(true), Result = new(output) }, new Say { Text = new(c => c.GetVariable<IDictionary<string, object>>("Out")!["Total"].ToString()!) } },
        }, services: s => s.AddSingleton<IWorkflowDispatcher>(d)).StartAsync();
        var r = Assert.Single(d.Requests);
        Assert.Equal((true, "Elsa.DispatchWorkflow"), ((bool)r.Properties!["WaitForCompletion"], (string)r.Properties["WaitingActivityType"]));
        Assert.Equal(new StimulusHasher().Hash("Elsa.DispatchWorkflow", new WorkflowFinishedStimulus(r.InstanceId!)), Assert.Single(w.Bookmarks).Hash);
        await w.ResumeAsync(input: Report(r.InstanceId!));
        Assert.Equal(("5", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Refused_dispatch_faults_with_the_reason()
    {
        var w = await new InMemoryWorkflow(new ExecuteWorkflow { WorkflowDefinitionId = new("gone") }, services: s => s.AddSingleton<IWorkflowDispatcher>(new Dispatches { Refuse = "no such definition" })).StartAsync();
        Assert.Contains("'gone' could not be dispatched: no such definition", Assert.Single(w.Incidents).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Executed_workflow_tells_how_it_ended()
    {
        var d = new Dispatches();
        var result = new Elsa.Workflows.Memory.Variable<ExecuteWorkflowResult>("R", null!).WithWorkflowStorage();
        var w = await new InMemoryWorkflow(new Elsa.Workflows.Activities.Sequence
        {
            Variables = { result },
            Activities = { new ExecuteWorkflow { WorkflowDefinitionId = new("child"), WaitForCompletion = new(true), Result = new(result) }, new Wait("w"), new Say { Text = new(c => result.Get(c)!.SubStatus.ToString()) } },
        }, services: s => s.AddSingleton<IWorkflowDispatcher>(d)).StartAsync();
        await w.ResumeAsync(input: Report(d.Requests[0].InstanceId!, "Faulted"));
        await w.ResumeAsync();
        Assert.Equal("w w! Faulted", w.Steps);
    }

    [Fact]
    public async Task Bulk_dispatch_waits_for_all_children_and_runs_its_ports()
    {
        var d = new Dispatches();
        var bulk = new BulkDispatchWorkflows
        {
            Id = "bulk",
            WorkflowDefinitionId = new("child"),
            Items = new(new object[] { "x", new Dictionary<string, object> { ["Sku"] = "y" }, "z" }),
            Input = new(new Dictionary<string, object> { ["Common"] = 1 }),
            CorrelationIdFunction = new(c => $"c-{c.GetVariable<int>("ItemIndex")}"),
            ChildCompleted = Sequence(new Wait("done")),
            ChildFaulted = new Step("faulted"),
        };
        Step completed = new("completed"), end = new("end");
        var w = await new InMemoryWorkflow(Chart([bulk, completed, end], (bulk, "Completed", completed), (bulk, "Done", end)), services: s => s.AddSingleton<IWorkflowDispatcher>(d)).StartAsync();
        Assert.Equal(["c-0", "c-1", "c-2"], d.Requests.Select(r => r.CorrelationId));
        Assert.Equal(["Common,Item", "Common,Sku", "Common,Item"], d.Requests.Select(r => string.Join(',', r.Input!.Keys)));
        var byChild = d.Requests.ConvertAll(r => w.Bookmarks.Single(b => b.Hash == new StimulusHasher().Hash("Elsa.BulkDispatchWorkflows", new WorkflowFinishedStimulus(r.InstanceId!))).Id);
        await w.ResumeBookmarkAsync(byChild[1], Report(d.Requests[1].InstanceId!, "Faulted"));
        await w.ResumeBookmarkAsync(byChild[0], Report(d.Requests[0].InstanceId!));
        await w.ResumeBookmarkAsync(byChild[2], Report(d.Requests[2].InstanceId!));
        Assert.Equal(("faulted done done", "Running/Suspended"), (w.Steps, w.Status));
        await w.ResumeAllAsync();
        Assert.Equal(("faulted done done done! done! completed end", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Bulk_dispatch_of_nothing_completes()
    {
        var bulk = new BulkDispatchWorkflows { Id = "bulk", WorkflowDefinitionId = new("child"), Items = new("[]") };
        var end = new Step("end");
        var w = await new InMemoryWorkflow(Chart([bulk, end], (bulk, "Completed", end)), services: s => s.AddSingleton<IWorkflowDispatcher>(new Dispatches())).StartAsync();
        Assert.Equal(("end", "Finished/Finished"), (w.Steps, w.Status));
    }
}
