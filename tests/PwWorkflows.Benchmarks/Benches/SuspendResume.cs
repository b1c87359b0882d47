using System.Collections.Concurrent;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using PwWorkflows.Benchmarks.Parts;

namespace PwWorkflows.Benchmarks.Benches;

/// <summary>10,000 instances: each runs a script and waits for an event, later gets its event, runs a script and ends. None may be left over.</summary>
public sealed class SuspendResume : IBench
{
    private const int Instances = 10_000;
    private const int Callers = 8;
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(10);

    public string Name => "suspend-resume";

    public async Task<IReadOnlyList<Result>> MeasureAsync(Run run, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(run);
        var connection = await run.NewDatabaseAsync(ct);
        await using var engine = await EngineInProcess.StartAsync(run, connection, ct, "bench-event.json");
        var runtime = engine.Get<IWorkflowRuntime>();
        var events = engine.Get<IEventPublisher>();
        var waiting = new ConcurrentQueue<string>();
        var definition = WorkflowDefinitionHandle.ByDefinitionId("bench-event");

        async Task SuspendOneAsync()
        {
            var client = await runtime.CreateClientAsync(ct);
            await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = definition }, ct);
            waiting.Enqueue(client.WorkflowInstanceId);
        }

        async Task ResumeOneAsync()
        {
            if (!waiting.TryDequeue(out var id)) throw new InvalidOperationException("Nothing waits any more.");
            await events.PublishAsync("BenchEvent", workflowInstanceId: id, cancellationToken: ct);
        }

        // Warm-up, and the rows the floors write.
        const int Warm = 10_000;
        await Load.RunAsync(Callers, Long, _ => SuspendOneAsync, ct, Warm);
        byte[][] suspended, resumed;
        await using (var opened = await run.ConnectAsync(connection, ct))
        {
            suspended =
            [
                await Floors.RowAsync(opened, HttpWorkflow.Newest, ct),
                await Floors.RowAsync(opened, HttpWorkflow.NewestJournal, ct),
                await Floors.RowAsync(opened, "SELECT * FROM workflow_bookmarks LIMIT 1", ct),
            ];
            await Load.RunAsync(Callers, Long, _ => ResumeOneAsync, ct, Warm);
            resumed = [await Floors.RowAsync(opened, HttpWorkflow.Newest, ct), await Floors.RowAsync(opened, "SELECT * FROM workflow_journal WHERE first_sequence > 0 LIMIT 1", ct)];
        }

        await using var suspendFloor = await Floors.OpenAsync(run.Database, await run.NewDatabaseAsync(ct), suspended, ct);
        await using var resumeFloor = await Floors.OpenAsync(run.Database, await run.NewDatabaseAsync(ct), resumed, ct);
        await Load.RunAsync(Callers, Long, _ => () => suspendFloor.CommitAsync(ct), ct, Warm);
        await Load.RunAsync(Callers, Long, _ => () => resumeFloor.CommitAsync(ct), ct, Warm);

        List<Outcome> floorIn = [], ourIn = [], floorOut = [], ourOut = [];
        var each = Instances / run.Options.Rounds;
        for (var round = 0; round < run.Options.Rounds; round++)
        {
            floorIn.Add(await Load.RunAsync(Callers, Long, _ => () => suspendFloor.CommitAsync(ct), ct, each));
            ourIn.Add(await Load.RunAsync(Callers, Long, _ => SuspendOneAsync, ct, each));
        }

        for (var round = 0; round < run.Options.Rounds; round++)
        {
            floorOut.Add(await Load.RunAsync(Callers, Long, _ => () => resumeFloor.CommitAsync(ct), ct, each));
            ourOut.Add(await Load.RunAsync(Callers, Long, _ => ResumeOneAsync, ct, each));
        }

        var left = await run.ScalarAsync<long>(connection, "SELECT (SELECT count(*) FROM workflow_instances WHERE status <> 'Finished') + (SELECT count(*) FROM workflow_bookmarks) + (SELECT count(*) FROM work_items)", ct);
        return
        [
            Compared("suspend-resume/suspend", run, ourIn, floorIn),
            Compared("suspend-resume/resume", run, ourOut, floorOut),
            new Result("suspend-resume/left-over", run.Database, Callers, left, "rows"),
        ];
    }

    private static Result Compared(string name, Run run, List<Outcome> ours, List<Outcome> floor) => new(
        name, run.Database, Callers, Run.Median(ours, static o => o.PerSecond), "instances/s", Run.Median(floor, static o => o.PerSecond),
        Run.Median(ours, static o => o.Percentile(0.5)), Run.Median(ours, static o => o.Percentile(0.99)), Run.Median(floor, static o => o.Percentile(0.99)));
}
