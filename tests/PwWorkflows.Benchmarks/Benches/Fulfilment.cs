using PwWorkflows.Benchmarks.Parts;

namespace PwWorkflows.Benchmarks.Benches;

/// <summary>From a signed event to the Sales Order in "Service Queued" and the service's dispatch, against the sandbox's ERPNext and mail.</summary>
public sealed class Fulfilment : IBench
{
    private const int Clients = 8;

    /// <summary>Orders before the first that counts: while the compilers still work on what an order runs, they take nearly half of the server's time. Told in a row of their own.</summary>
    private const int Warm = 4_000;

    public string Name => "fulfilment";

    public async Task<IReadOnlyList<Result>> MeasureAsync(Run run, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(run);
        var folder = HttpWorkflow.Definitions(run, "service-fcc-499a.json");
        foreach (var part in (string[])["webhooks", "orders"])
            foreach (var file in Directory.GetFiles(Path.Combine(Run.Root, "workflows", part)))
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        var (_, settings) = await run.SandboxAsync(ct);
        var connection = await run.NewDatabaseAsync(ct);
        var server = await run.ServeAsync(connection, folder, ct, settings);
        var orders = await PaidOrders.PlaceAsync(run, connection, server.Address, 30_000, ct);
        var each = (int)(run.Options.Duration.TotalSeconds * 250);
        var done = 0L;
        var fresh = await RoundAsync(Warm);
        var rates = new List<double>();
        for (var round = 0; round < run.Options.Rounds; round++) rates.Add(await RoundAsync(each));
        return [new Result(Name, run.Database, Clients, Run.Median(rates), "orders/s"), new Result(Name + "/fresh", run.Database, Clients, fresh, "orders/s (the first 4,000 after the start)")];

        async Task<double> RoundAsync(int count)
        {
            var start = System.Diagnostics.Stopwatch.GetTimestamp();
            await Load.HttpAsync(server.Address, Clients, TimeSpan.FromMinutes(5), () => orders.Next(), ct, count);
            done += count;
            await Run.UntilAsync(
                async () => await run.ScalarAsync<long>(connection, "SELECT count(*) FROM order_fulfilments WHERE dispatched_at IS NOT NULL", ct) >= done, TimeSpan.FromMinutes(5), $"{done} orders dispatched", ct);
            return count / System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }
}
