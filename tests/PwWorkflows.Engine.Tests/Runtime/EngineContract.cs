using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Elsa.Workflows;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>What the captures of a stock server show of the shared definitions, and what the store promises on top.</summary>
public abstract class EngineContract(ITestDatabase database) : EngineHostTest(database)
{
    [Theory]
    [InlineData("/workflows/anchor/hello", "Hello World, it is 3", "default")]
    [InlineData("/workflows/anchor/hello?name=Bob", "Hello Bob, it is 3", "named")]
    public async Task Http_workflow_answers_as_the_captures_show(string path, string greeting, string branch)
    {
        await using var host = await StartAsync();
        await host.PublishAsync("http", Ct);
        using var response = await host.Http.GetAsync(path, Ct);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        // What a workflow answers is no page of this origin.
        Assert.Equal("sandbox", Assert.Single(response.Headers.GetValues("Content-Security-Policy")));
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
        var body = await response.Content.ReadFromJsonAsync<JsonElement>(Ct);
        Assert.Equal(greeting, body.GetProperty("greeting").GetString());
        Assert.Equal(branch, body.GetProperty("path").GetString());
        var (items, _) = await host.Store.ListInstancesAsync(new InstanceFilter(DefinitionIds: ["anchor-http"]), 0, 10, Ct);
        var instance = Assert.Single(items);
        Assert.Equal(InstanceStatus.Finished, instance.Status);
        Assert.NotEmpty(await host.Store.GetJournalAsync(instance.Id, 0, 10, Ct));
    }

    [Fact]
    public async Task Route_lives_with_the_published_version_only()
    {
        await using var host = await StartAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await host.Http.GetAsync("/workflows/anchor/hello", Ct)).StatusCode);
        await host.PublishAsync("http", Ct);
        Assert.Equal(HttpStatusCode.OK, (await host.Http.GetAsync("/workflows/anchor/hello", Ct)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await host.Http.DeleteAsync("/workflows/anchor/hello", Ct)).StatusCode);
        Assert.True(await host.Publisher.RetractAsync("anchor-http", Ct));
        Assert.Equal(HttpStatusCode.NotFound, (await host.Http.GetAsync("/workflows/anchor/hello", Ct)).StatusCode);
    }

    [Fact]
    public async Task Second_workflow_on_a_taken_route_is_refused_and_names_the_first()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("http", Ct);
        var other = EngineHost.Definition("http").Replace("\"anchor-http\"", "\"other\"", StringComparison.Ordinal);
        var refused = await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.PublishAsync(other, null, null, Ct));
        Assert.Contains(refused.Problems, p => p.Message.Contains("anchor-http", StringComparison.Ordinal) && p.Property == "Path");
        Assert.DoesNotContain(await host.Store.GetPublishedAsync(Ct), d => d.DefinitionId == "other");
    }

    [Fact]
    public async Task All_problems_of_a_definition_are_told_at_once()
    {
        await using var host = await StartAsync();
        var bad = EngineHost.Definition("http")
            .Replace("getGreeting().indexOf('World') >= 0", "getGreeting((", StringComparison.Ordinal)
            .Replace("\"anchor/hello\"", "\"\"", StringComparison.Ordinal)
            .Replace("\"value\": \"OK\"", "\"value\": \"NoSuchStatus\"", StringComparison.Ordinal);
        var refused = await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.PublishAsync(bad, null, null, Ct));
        Assert.Contains(refused.Problems, p => p is { ActivityId: "a3", Property: "Condition" });
        Assert.Contains(refused.Problems, p => p is { ActivityId: "a4", Property: "StatusCode" });
        Assert.Contains(refused.Problems, p => p is { ActivityId: "a5", Property: "StatusCode" });
        Assert.Empty(await host.Store.GetPublishedAsync(Ct));
    }

    [Fact]
    public async Task Fault_ends_the_instance_and_keeps_code_and_message()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("faulty", Ct);
        var run = await RunAsync(host, "anchor-faulty");
        Assert.Equal(WorkflowSubStatus.Faulted, run.SubStatus);
        var incident = Assert.Single(run.Incidents);
        Assert.Equal("It broke", incident.Message);
        Assert.Equal("g2", incident.ActivityId);
        Assert.Equal("ORDER-1", incident.Exception!.Metadata!["Code"].ToString());
    }

    [Fact]
    public async Task Loop_runs_to_its_end()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("foreach", Ct);
        var run = await RunAsync(host, "anchor-foreach", new Dictionary<string, object> { ["x"] = 1 });
        Assert.Equal(WorkflowSubStatus.Finished, run.SubStatus);
        var state = await host.Store.GetInstanceAsync(run.WorkflowInstanceId, Ct);
        using var doc = JsonDocument.Parse(state!.State);
        var root = Assert.Single(doc.RootElement.GetProperty("activityExecutionContexts").EnumerateArray());
        Assert.Equal("Completed", root.GetProperty("status").GetString());
        Assert.Equal("abc", root.GetProperty("properties").GetProperty("Variables").GetProperty("vs").GetString());
    }

    [Fact]
    public async Task A_cancel_that_comes_before_the_start_of_its_instance_waits_for_it()
    {
        await using var host = await StartAsync();
        var row = await host.Publisher.PublishAsync(
            """
            {"definitionId":"waits","name":"Waits","root":{"type":"Elsa.Sequence","id":"main","activities":[
              {"type":"Elsa.WriteLine","id":"begin","text":{"typeName":"String","expression":{"type":"Literal","value":"begun"}}},
              {"type":"Elsa.Event","id":"wait","eventName":{"typeName":"String","expression":{"type":"Literal","value":"go on"}}}]}}
            """, null, null, Ct);
        var (id, now) = (Guid.NewGuid().ToString("N"), TimeProvider.System.GetUtcNow());
        await host.Store.WriteAsync([], [
            QueuedWork.Cancel(id, now),
            QueuedWork.Start(id, row.Id, "begin", null, new Dictionary<string, object?>(), new Dictionary<string, object?>(), now.AddSeconds(1)),
        ], Ct);
        await Eventually.TrueAsync(async () => (await host.Store.GetInstanceAsync(id, Ct))?.Status == InstanceStatus.Cancelled, "the instance is cancelled", Ct);
        await Eventually.TrueAsync(async () => !await host.Store.IsQueuedAsync("cancel-" + id, Ct), "nothing is left in the queue", Ct);

        // One of which nothing is to come is forgotten.
        await host.Store.WriteAsync([], [QueuedWork.Cancel("nobody", now)], Ct);
        await Eventually.TrueAsync(async () => !await host.Store.IsQueuedAsync("cancel-nobody", Ct), "nothing waits for an instance that never comes", Ct);
    }

    [Fact]
    public async Task Places_that_become_free_are_taken_by_what_waits_without_a_look_by_the_clock()
    {
        // Nobody looks by the clock here, and nobody signals: what ends must make room by itself.
        await using var host = await StartAsync(o => (o.MaxConcurrency, o.PollInterval) = (2, TimeSpan.FromHours(1)));
        var row = await host.Publisher.PublishAsync(
            """
            {"definitionId":"short","name":"Short","root":{"type":"Elsa.Sequence","id":"main","activities":[
              {"type":"Elsa.WriteLine","id":"begin","text":{"typeName":"String","expression":{"type":"Literal","value":"begun"}}}]}}
            """, null, null, Ct);
        const int Runs = 200;
        var (now, none) = (TimeProvider.System.GetUtcNow(), new Dictionary<string, object?>());
        await host.Store.WriteAsync([], [.. Enumerable.Range(0, Runs).Select(n => QueuedWork.Start($"short-{n}", row.Id, "begin", null, none, none, now))], Ct);
        await Eventually.TrueAsync(async () => (await host.Store.ListInstancesAsync(new InstanceFilter(DefinitionIds: ["short"], Statuses: [InstanceStatus.Finished]), 0, 1, Ct)).Total == Runs, "all have run", Ct);
    }

    [Fact]
    public async Task Event_and_task_resume_a_waiting_instance_across_a_restart()
    {
        string id;
        await using (var host = await StartAsync())
        {
            await host.PublishAsync("event", Ct);
            var run = await RunAsync(host, "anchor-event", new Dictionary<string, object> { ["orderId"] = "42" }, "order-42");
            Assert.Equal(WorkflowSubStatus.Suspended, run.SubStatus);
            var waits = Assert.Single(run.Bookmarks);
            Assert.Equal("2564EA06509CB58E5511EDED8F8204C511A86FCF911D9AC58ADAF5159C5E10D2", waits.Hash);
            id = run.WorkflowInstanceId;
        }
        await using (var host = await StartAsync())
        {
            await host.Services.GetRequiredService<IEventPublisher>().PublishAsync("OrderPaid", "order-42", payload: new Dictionary<string, object> { ["amount"] = 10 }, cancellationToken: Ct);
            var (after, _) = await LoadAsync(host, id);
            var task = Assert.Single(after.Bookmarks, b => b.Name == "Elsa.RunTask");
            var payload = Assert.IsType<IDictionary<string, object?>>(task.Payload, exactMatch: false);
            await host.Services.GetRequiredService<ITaskReporter>().ReportCompletionAsync((string)(payload.TryGetValue("taskId", out var t) ? t : payload["TaskId"])!, "shipped", Ct);
            Assert.Equal(InstanceStatus.Finished, (await host.Store.GetInstanceAsync(id, Ct))!.Status);
        }
    }

    [Fact]
    public async Task Event_of_another_correlation_wakes_nobody()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("event", Ct);
        var run = await RunAsync(host, "anchor-event", null, "order-1");
        await host.Services.GetRequiredService<IStimulusSender>().SendAsync("Elsa.Event", new Elsa.Workflows.Runtime.Stimuli.EventStimulus("OrderPaid"), new StimulusMetadata { CorrelationId = "order-2" }, Ct);
        var (state, row) = await LoadAsync(host, run.WorkflowInstanceId);
        Assert.Equal(InstanceStatus.Suspended, row.Status);
        Assert.Equal("Elsa.Event", Assert.Single(state.Bookmarks).Name);
    }

    [Fact]
    public async Task Event_that_comes_before_its_waiter_is_kept_for_it()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("event", Ct);
        await host.Services.GetRequiredService<IEventPublisher>().PublishAsync("OrderPaid", "order-7", cancellationToken: Ct);
        var run = await RunAsync(host, "anchor-event", null, "order-7");
        await Eventually.TrueAsync(async () => (await LoadAsync(host, run.WorkflowInstanceId)).State.Bookmarks.Any(b => b.Name == "Elsa.RunTask"), "the kept event resumes the instance", Ct);
    }

    [Fact]
    public async Task Same_event_sent_by_many_at_once_resumes_once()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("bench-event", Ct);
        var definition = (await host.Store.GetPublishedAsync(Ct)).Single().DefinitionId;
        var run = await RunAsync(host, definition, null, "c-1");
        var bookmark = Assert.Single(run.Bookmarks);
        var resumer = host.Services.GetRequiredService<IBookmarkResumer>();
        var results = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() => resumer.ResumeAsync(bookmark.Id, new Dictionary<string, object>(), Ct), Ct)));
        Assert.Single(results, r => r.Matched);
        Assert.Equal(InstanceStatus.Finished, (await host.Store.GetInstanceAsync(run.WorkflowInstanceId, Ct))!.Status);
    }

    [Fact]
    public async Task Many_instances_suspend_and_resume_and_none_is_left()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("bench-event", Ct);
        var definition = (await host.Store.GetPublishedAsync(Ct)).Single().DefinitionId;
        var dispatcher = host.Services.GetRequiredService<IWorkflowDispatcher>();
        await Parallel.ForAsync(0, 200, Ct, async (i, ct) => await dispatcher.DispatchAsync(new DispatchWorkflowDefinitionRequest { DefinitionId = definition, CorrelationId = $"c-{i}" }, null, ct));
        await Eventually.TrueAsync(async () => await host.Store.CountInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Suspended]), Ct) == 200, "all instances wait", Ct);
        var events = host.Services.GetRequiredService<IEventPublisher>();
        await Parallel.ForAsync(0, 200, Ct, async (i, ct) => await events.PublishAsync("BenchEvent", $"c-{i}", cancellationToken: ct));
        await Eventually.TrueAsync(async () => await host.Store.CountInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Finished]), Ct) == 200, "all instances end", Ct);
    }

    [Fact]
    public async Task Request_over_the_limit_is_refused_and_stores_nothing()
    {
        await using var host = await StartAsync(o => o.HttpRequestSizeLimit = 1000);
        await host.PublishAsync("http", Ct);
        using var response = await host.Http.PostAsync("/workflows/anchor/hello", new ByteArrayContent(new byte[1001]), Ct);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Equal(0, await host.Store.CountInstancesAsync(new InstanceFilter(), Ct));
    }

    private static async Task<RunWorkflowInstanceResponse> RunAsync(EngineHost host, string definitionId, IDictionary<string, object>? input = null, string? correlationId = null)
    {
        var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(Ct);
        return await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId(definitionId), Input = input, CorrelationId = correlationId }, Ct);
    }

    private static async Task<(Elsa.Workflows.State.WorkflowState State, InstanceRow Row)> LoadAsync(EngineHost host, string id)
    {
        var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(id, Ct);
        return (await client.ExportStateAsync(Ct), (await host.Store.GetInstanceAsync(id, Ct))!);
    }
}

public sealed class EngineOnSqlite() : EngineContract(new OnSqliteFile());

public sealed class EngineOnPostgres(PostgresFixture postgres) : EngineContract(new OnPostgresServer(postgres));
