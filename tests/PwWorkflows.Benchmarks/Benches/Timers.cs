using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using PwWorkflows.Benchmarks.Parts;

namespace PwWorkflows.Benchmarks.Benches;

/// <summary>10,000 instances that wait for the same moment: how late each ended. On PostgreSQL also 10,000 schedules on two servers (<see cref="ScheduledRuns"/>).</summary>
public sealed class Timers : IBench
{
    private const int Instances = 10_000;

    public string Name => "timers";

    public async Task<IReadOnlyList<Result>> MeasureAsync(Run run, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(run);
        var connection = await run.NewDatabaseAsync(ct);
        await using var engine = await EngineInProcess.StartAsync(run, connection, ct, "timers.json");
        var runtime = engine.Get<IWorkflowRuntime>();
        // The slower the machine, the longer it takes to set them; a first thousand tells.
        async Task SetAsync(DateTimeOffset at) => await (await runtime.CreateClientAsync(ct)).CreateAndRunInstanceAsync(
            new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId("timers"), Input = new Dictionary<string, object> { ["Due"] = at.ToString("O") } }, ct);
        var trial = await Load.RunAsync(8, TimeSpan.FromMinutes(5), _ => () => SetAsync(DateTimeOffset.UtcNow), ct, 1000);
        var due = DateTimeOffset.UtcNow + (trial.Elapsed * 15) + TimeSpan.FromSeconds(5);
        due = new DateTimeOffset(due.Ticks - (due.Ticks % TimeSpan.TicksPerSecond), TimeSpan.Zero);
        await Load.RunAsync(8, TimeSpan.FromMinutes(5), _ => () => SetAsync(due), ct, Instances);
        if (DateTimeOffset.UtcNow > due) throw new InvalidOperationException("The timers were not set before they were due.");
        await Run.UntilAsync(
            async () => await run.ScalarAsync<long>(connection, "SELECT count(*) FROM workflow_instances WHERE status = 'Finished'", ct) == Instances + 1000, TimeSpan.FromMinutes(2), "all timers ran", ct);
        var late = new List<double>();
        await using (var opened = await run.ConnectAsync(connection, ct))
        {
            await using var command = opened.CreateCommand();
            command.CommandText = run.IsPostgres ? $"SELECT (extract(epoch FROM finished_at) * 1000000)::bigint FROM workflow_instances ORDER BY created_at DESC LIMIT {Instances}" : $"SELECT finished_at FROM workflow_instances ORDER BY created_at DESC LIMIT {Instances}";
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct)) late.Add((reader.GetInt64(0) - (due - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond) / 1000.0);
        }

        late.Sort();
        if (late[0] < 0) throw new InvalidOperationException($"A timer ran {-late[0]} ms early.");
        var waiting = new Result(Name, run.Database, Instances, late[^1], "ms late (the last)", P50: late[late.Count / 2], P99: late[late.Count * 99 / 100]);
        // Two servers share schedules on PostgreSQL only.
        return run.IsPostgres ? [waiting, .. await ScheduledRuns.MeasureAsync(run, ct)] : [waiting];
    }
}
