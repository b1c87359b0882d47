using PwWorkflows.Benchmarks.Parts;

namespace PwWorkflows.Benchmarks.Benches;

/// <summary>
/// Signed Stripe events of distinct paid orders, acknowledged: inbox row, payment, workflow instance and the dispatch of its fulfilment are on disk. The node only takes
/// in (WORKFLOW_CONCURRENCY=0); what carries the orders out is measured by <see cref="Fulfilment"/>.
/// </summary>
public sealed class WebhookAck : IBench
{
    public string Name => "webhook-ack";

    public async Task<IReadOnlyList<Result>> MeasureAsync(Run run, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(run);
        var connection = await run.NewDatabaseAsync(ct);
        var server = await run.ServeAsync(connection, Path.Combine(Run.Root, "workflows"), ct, new Dictionary<string, string> { ["WORKFLOW_CONCURRENCY"] = "0" });
        var orders = await PaidOrders.PlaceAsync(run, connection, server.Address, 300_000, ct);
        await Load.HttpAsync(server.Address, 1, TimeSpan.FromSeconds(1), () => orders.Next(), ct);

        await using (var opened = await run.ConnectAsync(connection, ct))
        {
            byte[][] rows =
            [
                await Floors.RowAsync(opened, "SELECT * FROM webhook_inbox ORDER BY id DESC LIMIT 1", ct),
                await Floors.RowAsync(opened, HttpWorkflow.Newest, ct),
                await Floors.RowAsync(opened, HttpWorkflow.NewestJournal, ct),
                await Floors.RowAsync(opened, "SELECT * FROM work_items WHERE kind = 'Start' LIMIT 1", ct),
                await Floors.RowAsync(opened, "SELECT * FROM order_payments ORDER BY at DESC LIMIT 1", ct),
                await Floors.RowAsync(opened, "SELECT * FROM order_timeline ORDER BY id DESC LIMIT 1", ct),
                await Floors.RowAsync(opened, "SELECT * FROM compliance_orders WHERE payment_status = 'paid' LIMIT 1", ct),
            ];
            var floor = await run.FloorAsync(rows, ct);
            await Load.HttpAsync(server.Address, 16, Run.WarmUp, () => orders.Next(), ct);
            await Load.HttpAsync(floor.Address, 16, Run.WarmUp, () => orders.Next(spend: false), ct);
            var results = new List<Result>();
            foreach (var clients in run.Options.Clients)
            {
                results.Add(await run.CompareAsync(
                    Name, clients, duration => Load.HttpAsync(floor.Address, clients, duration, () => orders.Next(spend: false), ct),
                    duration => Load.HttpAsync(server.Address, clients, duration, () => orders.Next(), ct), "events/s", floor, server));
            }

            return results;
        }
    }
}
