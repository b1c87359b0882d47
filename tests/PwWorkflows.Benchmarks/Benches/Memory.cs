using PwWorkflows.Benchmarks.Parts;

namespace PwWorkflows.Benchmarks.Benches;

/// <summary>Resident memory when idle and after 100,000 finished instances, and what a step costs before and after them.</summary>
public sealed class Memory : IBench
{
    private const int Instances = 100_000;
    private const int Clients = 8;

    public string Name => "memory";

    public async Task<IReadOnlyList<Result>> MeasureAsync(Run run, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(run);
        var connection = await run.NewDatabaseAsync(ct);
        var workflows = HttpWorkflow.Definitions(run, "http.json");
        foreach (var file in Directory.GetFiles(Path.Combine(Run.Root, "workflows"), "*.json", SearchOption.AllDirectories)) File.Copy(file, Path.Combine(workflows, Path.GetFileName(file)));
        var server = await run.ServeAsync(connection, workflows, ct);
        var request = HttpWorkflow.Request(server.Address);
        await Task.Delay(TimeSpan.FromSeconds(10), ct);
        var idle = server.ResidentMegabytes;

        // What the compilers and pools of a server in use take is there after the first thousands; from then on memory must stay.
        await Load.HttpAsync(server.Address, Clients, TimeSpan.FromMinutes(5), () => request, ct, 10_000);
        var early = new List<Outcome>();
        for (var round = 0; round < run.Options.Rounds; round++) early.Add(await Load.HttpAsync(server.Address, Clients, run.Options.Duration, () => request, ct));
        var warm = server.ResidentMegabytes;
        var so = await run.ScalarAsync<long>(connection, "SELECT count(*) FROM workflow_instances", ct);
        await Load.HttpAsync(server.Address, Clients, TimeSpan.FromMinutes(10), () => request, ct, (int)Math.Max(0, Instances + 10_000 - so));
        var late = new List<Outcome>();
        for (var round = 0; round < run.Options.Rounds; round++) late.Add(await Load.HttpAsync(server.Address, Clients, run.Options.Duration, () => request, ct));
        var after = server.ResidentMegabytes;
        return
        [
            new Result("memory/idle", run.Database, 0, idle, "MiB"),
            new Result("memory/warm", run.Database, Clients, warm, "MiB"),
            new Result("memory/after-100k", run.Database, Clients, after, "MiB", warm),
            new Result("memory/step-after-100k", run.Database, Clients, Run.Median(late, static o => o.PerSecond), "requests/s", Run.Median(early, static o => o.PerSecond),
                Run.Median(late, static o => o.Percentile(0.5)), Run.Median(late, static o => o.Percentile(0.99)), Run.Median(early, static o => o.Percentile(0.99))),
        ];
    }
}
