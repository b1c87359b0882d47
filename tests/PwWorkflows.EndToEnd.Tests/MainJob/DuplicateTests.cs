using System.Globalization;
using System.Text.RegularExpressions;

namespace PwWorkflows.EndToEnd.Tests.MainJob;

/// <summary>However often and in whatever order an order's events come, it is served once.</summary>
public sealed partial class DuplicateTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_same_event_fifty_times_and_three_events_in_any_order_start_one_workflow_each()
    {
        await using var scene = await Scene.StartAsync(Ct);
        var paid = await scene.CheckoutAsync(new { service_slug = "fcc-499a", order_number = "CO-D0000000", deliver = false, entity = 1 }, Ct);
        var eventId = paid.GetProperty("event_id").GetString()!;
        var statuses = await Task.WhenAll(Enumerable.Range(0, 10).Select(async _ =>
            (await scene.SandboxAsync("stripe/_resend", new { event_id = eventId, duplicate = 4 }, Ct)).GetProperty("deliveries").EnumerateArray().Select(d => d.GetProperty("status").GetInt32()).ToList()));
        Assert.Equal(50, statuses.Sum(s => s.Count));
        Assert.All(statuses.SelectMany(s => s), s => Assert.Equal(200, s));

        // Paid by bank transfer: the checkout ends unpaid, the success follows, and a late copy of the checkout says paid.
        (string Type, string PaymentStatus)[] events = [("checkout.session.completed", "unpaid"), ("checkout.session.async_payment_succeeded", "paid"), ("checkout.session.completed", "paid")];
        int[][] sequences = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        var orders = new List<string> { "CO-D0000000" };
        foreach (var sequence in sequences)
        {
            var order = string.Create(CultureInfo.InvariantCulture, $"CO-D{orders.Count:X7}");
            await scene.CheckoutAsync(new { service_slug = "fcc-499a", order_number = order, deliver = false, method = "ach", payment_status = "unpaid", entity = 1 + orders.Count % 3 }, Ct);
            foreach (var i in sequence)
            {
                var sent = await scene.SandboxAsync("stripe/_event", new { type = events[i].Type, payment_status = events[i].PaymentStatus, order_number = order }, Ct);
                Assert.All(sent.GetProperty("deliveries").EnumerateArray(), d => Assert.Equal(200, d.GetProperty("status").GetInt32()));
            }

            orders.Add(order);
        }

        foreach (var order in orders) await scene.CompletedAsync(order, Ct);
        foreach (var order in orders)
        {
            var confirmation = await scene.AssertServedOnceAsync(order, Ct);
            Assert.Single(await scene.FiledMailsAsync(confirmation, Ct));
        }

        Assert.Equal(orders.Count, scene.Usac.CountFilings());

        // What operators grep for, word for word, each once.
        foreach (var (order, method) in orders.Select(static o => (o, o == "CO-D0000000" ? "card" : "ach")))
        {
            var salesOrder = Scene.Text(await scene.ShowAsync(order, Ct), "sales_order")!;
            string[] expected =
            [
                $"[checkout] Payment confirmed: compliance {order} via {method}",
                $"[checkout] Advanced compliance Sales Order {salesOrder} to Service Queued",
                $"[checkout] Worker dispatched: {order} (fcc-499a)",
                $"[worker] process_compliance_service: {order} (Form499AHandler)",
            ];
            Assert.Equal(expected, OperatorLines(scene.Logs).Where(l => l.Contains(order, StringComparison.Ordinal) || l.Contains(salesOrder + " to Service Queued", StringComparison.Ordinal)));
        }
    }

    /// <summary>The messages that begin with one of the marks, without the time, level and source in front of them.</summary>
    private static IEnumerable<string> OperatorLines(string log) =>
        log.Split('\n').Select(static l => OperatorLine().Match(l)).Where(static m => m.Success).Select(static m => m.Groups[1].Value);

    [GeneratedRegex(@"(?<=\] )(\[(?:checkout|worker)\] .*)$")]
    private static partial Regex OperatorLine();
}
