using PwWorkflows.Benchmarks.Parts;

namespace PwWorkflows.Benchmarks.Benches;

/// <summary>From the start of the process to ready, on an existing database and on an empty one.</summary>
public sealed class Start : IBench
{
    public string Name => "start";

    public async Task<IReadOnlyList<Result>> MeasureAsync(Run run, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(run);
        var workflows = Path.Combine(Run.Root, "workflows");
        List<double> fresh = [], existing = [];
        for (var round = 0; round < run.Options.Rounds; round++)
        {
            var connection = await run.NewDatabaseAsync(ct);
            fresh.Add(await OnceAsync(connection));
            existing.Add(await OnceAsync(connection));
        }

        return [new Result("start/existing", run.Database, 1, Run.Median(existing), "s"), new Result("start/empty", run.Database, 1, Run.Median(fresh), "s")];

        async Task<double> OnceAsync(string connection)
        {
            var server = await run.ServeAsync(connection, workflows, ct);
            await run.StopAsync(server);
            return server.StartTime.TotalSeconds;
        }
    }
}
