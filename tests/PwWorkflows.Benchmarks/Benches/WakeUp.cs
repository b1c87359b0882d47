using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using PwWorkflows.Benchmarks.Parts;

namespace PwWorkflows.Benchmarks.Benches;

/// <summary>Notes when it is reached.</summary>
[Activity("Bench", "Bench", "Notes when it is reached.")]
public sealed class Reached : CodeActivity
{
    internal static ConcurrentDictionary<string, TaskCompletionSource<long>> Times { get; } = new(StringComparer.Ordinal);

    public Reached([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    protected override void Execute(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (Times.TryRemove(context.WorkflowExecutionContext.Id, out var reached)) reached.TrySetResult(Stopwatch.GetTimestamp());
    }
}

/// <summary>From publishing an event to the next activity of the instance that waits for it, on an idle engine.</summary>
public sealed class WakeUp : IBench
{
    public string Name => "wake-up";

    public async Task<IReadOnlyList<Result>> MeasureAsync(Run run, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(run);
        await using var engine = await EngineInProcess.StartAsync(run, await run.NewDatabaseAsync(ct), ct, "wake-up.json");
        var latencies = new List<long>();
        for (var i = 0; i < 700; i++)
        {
            var client = await engine.Get<IWorkflowRuntime>().CreateClientAsync(ct);
            var reached = Reached.Times[client.WorkflowInstanceId] = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
            await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId("wake-up") }, ct);
            var start = Stopwatch.GetTimestamp();
            await engine.Get<IEventPublisher>().PublishAsync("WakeUp", workflowInstanceId: client.WorkflowInstanceId, asynchronous: true, cancellationToken: ct);
            var at = await reached.Task.WaitAsync(TimeSpan.FromSeconds(30), ct);
            if (i >= 200) latencies.Add(at - start);
        }

        latencies.Sort();
        var outcome = new Outcome(latencies.Count, TimeSpan.FromSeconds(1), [.. latencies]);
        return [new Result(Name, run.Database, 1, outcome.Percentile(0.5), "ms (median)", P50: outcome.Percentile(0.5), P99: outcome.Percentile(0.99))];
    }
}
