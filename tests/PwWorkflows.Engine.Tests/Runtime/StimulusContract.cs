using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>Stimuli reach the instances they are meant for, whatever else is going on, and nobody else.</summary>
public abstract class StimulusContract(ITestDatabase database) : EngineHostTest(database)
{
    private const string Listener = """
        {"definitionId":"listener","id":"listener:1","name":"listener","version":1,"variables":[{"id":"got","name":"Got","typeName":"Object","storageDriverTypeName":"WorkflowInstanceStorageDriver"}],
         "outputs":[{"name":"Heard","type":"Object"}],
         "root":{"type":"Elsa.Sequence","id":"s","activities":[
          {"type":"Elsa.Event","id":"e","eventName":{"typeName":"String","expression":{"type":"JavaScript","value":"getInput('Listen')"}},"result":{"typeName":"Object","memoryReference":{"id":"got"}}},
          {"type":"Elsa.SetOutput","id":"o","outputName":{"typeName":"String","expression":{"type":"Literal","value":"Heard"}},
           "outputValue":{"typeName":"Object","expression":{"type":"JavaScript","value":"getCorrelationId() + ' heard ' + getGot()"}}}]}}
        """;

    [Theory]
    [InlineData(1), InlineData(2), InlineData(3)]
    public async Task A_stimulus_never_resumes_another_correlation(int seed)
    {
        var random = new Random(seed);
        await using var host = await StartAsync();
        await host.Publisher.PublishAsync(Listener, null, null, Ct);
        var events = host.Services.GetRequiredService<IEventPublisher>();
        string[] names = ["Paid", "Queued"];
        // Each listener's event is sent once, before or after it listens; others are sent to correlations where nobody listens for them.
        var listeners = Enumerable.Range(0, 24).Select(i => (Correlation: $"c-{i}", Name: names[random.Next(names.Length)])).ToList();
        var acts = new List<Func<Task>>();
        foreach (var (correlation, name) in listeners)
        {
            acts.Add(() => StartAsync(host, correlation, name));
            acts.Add(() => events.PublishAsync(name, correlation, payload: $"{name} for {correlation}", asynchronous: true, cancellationToken: Ct));
            if (random.Next(3) == 0) acts.Add(() => events.PublishAsync(names.First(n => n != name), correlation, payload: "wrong name", asynchronous: true, cancellationToken: Ct));
            if (random.Next(3) == 0) acts.Add(() => events.PublishAsync(name, correlation + "0", payload: "wrong correlation", asynchronous: true, cancellationToken: Ct));
            if (random.Next(3) == 0) acts.Add(() => events.PublishAsync(name, "C" + correlation[1..], payload: "wrong case", asynchronous: true, cancellationToken: Ct));
        }
        // A listener without a correlation hears nothing that is meant for one.
        acts.Add(() => StartAsync(host, null, names[0]));
        var shuffled = acts.ToArray();
        random.Shuffle(shuffled);
        await Parallel.ForEachAsync(shuffled, new ParallelOptions { MaxDegreeOfParallelism = 6, CancellationToken = Ct }, async (act, _) => await act());

        await Eventually.TrueAsync(async () => await host.Store.CountInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Finished]), Ct) == listeners.Count, $"seed {seed}: every listener hears its own event", Ct);
        var (ended, _) = await host.Store.ListInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Finished]), 0, 100, Ct);
        var heard = new List<string>();
        foreach (var row in ended)
        {
            var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(row.Id, Ct);
            heard.Add((string)(await client.ExportStateAsync(Ct)).Output["Heard"]);
        }
        Assert.Equal(listeners.Select(l => $"{l.Correlation} heard {l.Name} for {l.Correlation}").Order(StringComparer.Ordinal), heard.Order(StringComparer.Ordinal));
        var (waiting, _) = await host.Store.ListInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Suspended]), 0, 100, Ct);
        Assert.Null(Assert.Single(waiting).CorrelationId);
    }

    [Fact]
    public async Task A_report_that_comes_before_its_task_is_stored_is_kept_for_it()
    {
        await using var host = await StartAsync();
        await host.Publisher.PublishAsync(Listener, null, null, Ct);
        var queue = host.Services.GetRequiredService<IBookmarkQueue>();
        await queue.EnqueueAsync(new NewBookmarkQueueItem { StimulusHash = host.Services.GetRequiredService<Elsa.Workflows.IStimulusHasher>().Hash("Elsa.Event", new Elsa.Workflows.Runtime.Stimuli.EventStimulus("Early")), CorrelationId = "early" }, Ct);
        await StartAsync(host, "early", "Early");
        await Eventually.TrueAsync(async () => await host.Store.CountInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Finished]), Ct) == 1, "the kept stimulus resumes the instance", Ct);
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task An_event_that_several_wait_for_is_heard_by_each_once_though_one_is_busy_and_all_wait_for_it_again(bool waits)
    {
        const string Again = """
            {"definitionId":"again","name":"again","root":{"type":"Elsa.Sequence","id":"s","activities":[
              {"type":"Elsa.Event","id":"e","customProperties":{"canStartWorkflow":true},"eventName":{"typeName":"String","expression":{"type":"Literal","value":"Go"} } },
              {"type":"Elsa.Event","id":"f","eventName":{"typeName":"String","expression":{"type":"Literal","value":"Go"} } },
              {"type":"Elsa.Event","id":"g","eventName":{"typeName":"String","expression":{"type":"Literal","value":"Go"} } }]} }
            """;
        await using var host = await StartAsync();
        await host.Publisher.PublishAsync(Again, null, null, Ct);
        var events = host.Services.GetRequiredService<IEventPublisher>();
        var hash = host.Services.GetRequiredService<Elsa.Workflows.IStimulusHasher>().Hash("Elsa.Event", new Elsa.Workflows.Runtime.Stimuli.EventStimulus("Go"));
        // Two that wait. The event starts a third one.
        for (var i = 0; i < 2; i++)
        {
            var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(i == 0 ? "busy" : "free", Ct);
            await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId("again"), TriggerActivityId = "e" }, Ct);
        }
        var before = (await host.Store.FindBookmarksAsync(hash, null, null, null, Ct)).ToDictionary(b => b.InstanceId, b => b.Id);
        var (_, lease) = await host.Store.ClaimInstanceAsync("busy", "another node", TimeSpan.FromMinutes(10), Ct);
        await events.PublishAsync("Go", asynchronous: !waits, cancellationToken: Ct);
        await Eventually.TrueAsync(async () => (await host.Store.FindBookmarksAsync(hash, "free", null, null, Ct)).Any(b => b.Id != before["free"]), "the one that is free hears it", Ct);
        Assert.Equal(before["busy"], Assert.Single(await host.Store.FindBookmarksAsync(hash, "busy", null, null, Ct)).Id);
        await host.Store.ReleaseLeaseAsync(lease!, Ct);
        await Eventually.TrueAsync(async () => (await host.Store.FindBookmarksAsync(hash, "busy", null, null, Ct)).Any(b => b.Id != before["busy"]), "the one that was busy hears it", Ct);
        await Eventually.TrueAsync(async () => await host.Store.NextDueAsync(Ct) is null, "nothing is left in the queue", Ct);
        // Heard twice, they would have ended; and the one that the event started has not heard it as well.
        var (all, _) = await host.Store.ListInstancesAsync(new InstanceFilter(), 0, 10, Ct);
        Assert.Equal(3, all.Count);
        Assert.All(all, i => Assert.Equal(InstanceStatus.Suspended, i.Status));
        Assert.Equal(3, (await host.Store.FindBookmarksAsync(hash, null, null, null, Ct)).Count);
        Assert.Equal(all.Select(i => i.Id == "busy" || i.Id == "free" ? "g" : "f").Order(), (await Task.WhenAll(all.Select(async i => (await host.Services.GetRequiredService<InstanceRunner>().GetOutcomeAsync(i.Id, Ct))!.Bookmarks.Single().ActivityId))).Order());
    }

    private static async Task StartAsync(EngineHost host, string? correlation, string listen)
    {
        var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(Ct);
        await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest
        {
            WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId("listener"),
            CorrelationId = correlation,
            Input = new Dictionary<string, object> { ["Listen"] = listen },
        }, Ct);
    }
}

public sealed class StimuliOnSqlite() : StimulusContract(new OnSqliteFile());

public sealed class StimuliOnPostgres(PostgresFixture postgres) : StimulusContract(new OnPostgresServer(postgres));
