using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PwWorkflows.EndToEnd.Tests.Orders;

public sealed class PaymentsOnSqliteTests(SqliteOrderServer server) : PaymentContract(server), IClassFixture<SqliteOrderServer>;

public sealed class PaymentsOnPostgresTests(PostgresOrderServer server) : PaymentContract(server), IClassFixture<PostgresOrderServer>;

/// <summary>What each of Stripe's events does to an order, in whatever order they come.</summary>
public abstract class PaymentContract(OrderServer server)
{
    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    private async Task<string> StatusAsync(string eventId) => (await server.InboxLineAsync(eventId))!.Value.GetProperty("status").GetString()!;

    private static void Taken((string Id, int[] Answers) sent) => Assert.Equal(200, Assert.Single(sent.Answers));

    private async Task NotRunAsync(string order)
    {
        Assert.Empty(await server.InstancesAsync("order-fulfilment", order));
        Assert.Empty(await server.RunsAsync(order));
    }

    private async Task<(long Paid, long Back)> LedgerAsync(string order) => (
        await server.CountAsync("SELECT COALESCE(SUM(amount_cents), 0) FROM order_payments WHERE order_number = @o AND amount_cents > 0", ("o", order)),
        await server.CountAsync("SELECT COALESCE(SUM(amount_cents), 0) FROM order_payments WHERE order_number = @o AND amount_cents < 0", ("o", order)));

    private async Task StoppedAsync(string order, string payment)
    {
        // The ToDo is raised a moment before the order's state is committed.
        await server.WaitAsync(async () => await server.FulfilmentAsync(order) == "stopped", $"{order} is stopped");
        Assert.Equal(payment, await server.PaymentAsync(order));
    }

    private Task FiledAsync(string order) => server.ExecuteAsync("UPDATE compliance_orders SET fulfillment_status = 'completed' WHERE order_number = @o", ("o", order));

    [Fact]
    public async Task An_unpaid_checkout_waits_and_the_money_starts_the_service()
    {
        var order = await server.PlaceAsync();
        Taken(await server.PayAsync(order, new { payment_status = "unpaid" }));
        Assert.Equal("processing", await server.PaymentAsync(order));
        await NotRunAsync(order);
        Taken(await server.EventAsync("checkout.session.async_payment_succeeded", order));
        await server.RanAsync(order);
        Assert.Equal("paid", await server.PaymentAsync(order));
    }

    [Theory]
    [InlineData("checkout.session.async_payment_failed", "failed")]
    [InlineData("checkout.session.expired", "expired")]
    public async Task A_payment_that_comes_to_nothing_shows(string type, string status)
    {
        var order = await server.PlaceAsync();
        await server.PayAsync(order, new { payment_status = "unpaid" });
        Taken(await server.EventAsync(type, order));
        Assert.Equal(status, await server.PaymentAsync(order));
        Assert.Contains(await server.TimelineAsync(order), t => t.Event == type);
        await NotRunAsync(order);
        // The news of the finished checkout comes late: it is no news any more.
        await server.PayAsync(order, new { payment_status = "unpaid", resource = new { } });
        if (status == "failed") Assert.Equal(status, await server.PaymentAsync(order));
    }

    [Theory]
    [InlineData("no_payment_required")]
    [InlineData("some_day_a_new_word")]
    public async Task Every_status_but_unpaid_counts_as_paid(string paymentStatus)
    {
        var order = await server.PlaceAsync();
        await server.PayAsync(order, new { payment_status = paymentStatus });
        await server.RanAsync(order);
    }

    [Fact]
    public async Task Money_before_the_finished_checkout_is_paid_once()
    {
        var order = await server.PlaceAsync();
        await server.EventAsync("checkout.session.async_payment_succeeded", order);
        var late = await server.PayAsync(order, new { payment_status = "unpaid" });
        var again = await server.PayAsync(order);
        Assert.Equal("duplicate", await StatusAsync(late.Id));
        Assert.Equal("duplicate", await StatusAsync(again.Id));
        Assert.Equal("paid", await server.PaymentAsync(order));
        await server.RanAsync(order);
        await server.EndedAsync("order-fulfilment", order);
        Assert.Single(await server.RunsAsync(order));
    }

    [Fact]
    public async Task A_late_expiry_or_failure_takes_no_payment_back()
    {
        var order = await server.PlaceAsync();
        await server.PayAsync(order);
        Assert.Equal("duplicate", await StatusAsync((await server.EventAsync("checkout.session.expired", order)).Id));
        Assert.Equal("duplicate", await StatusAsync((await server.EventAsync("checkout.session.async_payment_failed", order)).Id));
        Assert.Equal("paid", await server.PaymentAsync(order));
    }

    [Fact]
    public async Task News_of_an_old_checkout_says_nothing_about_a_newer_one()
    {
        var order = await server.PlaceAsync();
        await server.PayAsync(order, new { payment_status = "unpaid", resource = new { id = "cs_new_" + order } });
        await server.EventAsync("checkout.session.expired", order, new { resource = new { id = "cs_old_" + order } });
        Assert.Equal("processing", await server.PaymentAsync(order));
    }

    [Theory]
    [InlineData("""{"amount_total":100}""", "100")]
    [InlineData("""{"amount_total":-49900}""", "negative")]
    [InlineData("""{"amount_total":"49900"}""", "missing")]
    [InlineData("""{"amount_total":49901}""", "499.01")]
    [InlineData("""{"currency":"eur"}""", "eur")]
    [InlineData("""{"currency":null}""", "''")]
    public async Task A_payment_that_does_not_fit_is_not_taken_and_an_administrator_sees_why(string changes, string because)
    {
        var order = await server.PlaceAsync();
        var (id, answers) = await server.PayAsync(order, new { resource = JsonNode.Parse(changes) });
        Assert.Equal(200, Assert.Single(answers));
        Assert.Equal("pending", await server.PaymentAsync(order));
        var line = (await server.InboxLineAsync(id))!.Value;
        Assert.Equal("suspicious", line.GetProperty("status").GetString());
        var marker = because.Contains("eur", StringComparison.Ordinal) || because == "''" ? "stripe-currency" : "stripe-amount";
        Assert.Contains("not taken as a payment", await server.ToDoAsync(order, marker), StringComparison.Ordinal);
        if (because != "100") Assert.Contains(because, line.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Contains(await server.TimelineAsync(order), t => t.Event == "payment-suspicious");
        await NotRunAsync(order);
    }

    [Fact]
    public async Task An_event_of_the_other_mode_is_not_taken()
    {
        var order = await server.PlaceAsync();
        var body = JsonSerializer.SerializeToUtf8Bytes(new
        {
            id = "evt_live_" + order,
            type = "checkout.session.completed",
            livemode = true,
            data = new { @object = new { id = "cs_" + order, payment_status = "paid", amount_total = 49900, currency = "usd", metadata = new { order_id = order } } },
        });
        Assert.Equal(200, (await server.PostStripeAsync(body, server.Sign(body))).Status);
        Assert.Contains("live mode", await server.ToDoAsync(order, "stripe-livemode"), StringComparison.Ordinal);
        Assert.Equal("pending", await server.PaymentAsync(order));
        await NotRunAsync(order);
    }

    [Fact]
    public async Task A_checkout_pays_for_its_own_order_only()
    {
        var (mine, other) = (await server.PlaceAsync(), await server.PlaceAsync());
        await server.PayAsync(mine, new { resource = new { id = "cs_" + mine } });
        await server.PayAsync(other, new { resource = new { id = "cs_" + mine } });
        Assert.Contains(mine, await server.ToDoAsync(other, "stripe-session"), StringComparison.Ordinal);
        Assert.Equal("pending", await server.PaymentAsync(other));
        await NotRunAsync(other);
    }

    [Fact]
    public async Task An_order_paid_twice_is_served_once_and_giving_one_payment_back_does_not_stop_it()
    {
        var order = await server.PlaceAsync();
        await server.PayAsync(order);
        await server.PayAsync(order, new { resource = new { id = "cs_second_" + order, payment_intent = "pi_second_" + order } });
        Assert.Contains("one of the two payments must go back", await server.ToDoAsync(order, "stripe-paid-twice"), StringComparison.Ordinal);
        await server.EventAsync("charge.refunded", order, new { metadata = true, resource = new { payment_intent = "pi_second_" + order } });
        Assert.Equal("paid", await server.PaymentAsync(order));
        await server.RanAsync(order);
        await server.EndedAsync("order-fulfilment", order);
        Assert.Single(await server.RunsAsync(order));
        Assert.Empty(await server.InstancesAsync("order-stopped", order));
    }

    [Theory]
    [InlineData("charge.refunded", "refunded", "refunded")]
    [InlineData("charge.dispute.created", "disputed", "disputed")]
    public async Task A_refund_or_dispute_stops_an_unfiled_order_and_tells_an_administrator(string type, string status, string marker)
    {
        var order = await server.PlaceAsync();
        await server.PayAsync(order);
        await server.RanAsync(order);
        // It is found by its payment intent: neither charge nor dispute carries the order's number.
        Taken(await server.EventAsync(type, order));
        Assert.Contains("stopped", await server.ToDoAsync(order, marker), StringComparison.Ordinal);
        await StoppedAsync(order, status);
        Assert.Equal((49900, -49900), await LedgerAsync(order));

        // The other doors do not wake it again.
        await server.EventAsync(type, order);
        Assert.Equal((49900, -49900), await LedgerAsync(order));
        using var job = await Doors.JobAsync(server, new { action = "process_compliance_service", order_number = order });
        await server.ToDoAsync(order, "stopped-order");
        Assert.Single(await server.RunsAsync(order));
    }

    [Theory]
    [InlineData("charge.refunded", "refunded", "refunded")]
    [InlineData("charge.dispute.created", "disputed", "disputed")]
    public async Task A_filed_order_stays_filed_and_gets_a_ToDo(string type, string status, string marker)
    {
        var order = await server.PlaceAsync();
        await server.PayAsync(order);
        await server.RanAsync(order);
        await server.EndedAsync("order-fulfilment", order);
        await FiledAsync(order);
        await server.EventAsync(type, order);
        Assert.Contains("filed already", await server.ToDoAsync(order, marker), StringComparison.Ordinal);
        Assert.Equal((status, "completed"), (await server.PaymentAsync(order), await server.FulfilmentAsync(order)));
    }

    [Fact]
    public async Task Partial_refunds_add_up_and_only_the_last_one_stops_the_order()
    {
        var order = await server.PlaceAsync();
        await server.PayAsync(order);
        await server.RanAsync(order);
        await server.EventAsync("charge.refunded", order, new { amount_refunded = 10000 });
        Assert.Contains("100.00 USD", await server.ToDoAsync(order, "partly-refunded"), StringComparison.Ordinal);
        Assert.Equal("partially_refunded", await server.PaymentAsync(order));
        Assert.NotEqual("stopped", await server.FulfilmentAsync(order));
        await server.EventAsync("charge.refunded", order, new { amount_refunded = 5000 });
        Assert.Equal((49900, -15000), await LedgerAsync(order));
        // An older event that comes late changes nothing.
        var old = await server.EventAsync("charge.refunded", order, new { resource = new { amount_refunded = 10000, refunded = false } });
        Assert.Equal("duplicate", await StatusAsync(old.Id));
        await server.EventAsync("charge.refunded", order);
        await server.ToDoAsync(order, "refunded");
        await StoppedAsync(order, "refunded");
        Assert.Equal((49900, -49900), await LedgerAsync(order));
    }

    [Theory]
    [InlineData("warning_needs_response")]
    [InlineData("warning_under_review")]
    public async Task A_question_of_the_bank_moves_no_money_and_stops_nothing(string disputeStatus)
    {
        var order = await server.PlaceAsync();
        await server.PayAsync(order);
        await server.RanAsync(order);
        await server.EventAsync("charge.dispute.created", order, new { dispute_status = disputeStatus });
        Assert.Contains("no money has moved", await server.ToDoAsync(order, "dispute-inquiry"), StringComparison.Ordinal);
        Assert.Equal("paid", await server.PaymentAsync(order));
        Assert.NotEqual("stopped", await server.FulfilmentAsync(order));
        Assert.Equal((49900, 0), await LedgerAsync(order));
    }

    [Theory]
    [InlineData("charge.refunded", "refunded")]
    [InlineData("charge.dispute.created", "disputed")]
    public async Task Money_that_went_back_before_we_heard_of_it_is_never_served(string type, string status)
    {
        var order = await server.PlaceAsync();
        // Built, but held back: the refund overtakes the payment it takes back.
        var paid = await server.PayAsync(order, new { deliver = false });
        var back = await server.EventAsync(type, order);
        Taken(back);
        Assert.Equal("waiting", await StatusAsync(back.Id));
        Taken(await server.ResendAsync(paid.Id));
        Assert.Contains("stopped", await server.ToDoAsync(order, status), StringComparison.Ordinal);
        await StoppedAsync(order, status);
        Assert.Equal((49900, -49900), await LedgerAsync(order));
        Assert.Equal("applied", await StatusAsync(back.Id));
        await NotRunAsync(order);
        server.Clock.Advance(TimeSpan.FromSeconds(10));
        await server.EndedAsync("stripe-event-retry", back.Id);
        Assert.Equal((49900, -49900), await LedgerAsync(order));
    }

    [Fact]
    public async Task A_refund_that_names_its_order_before_the_payment_is_never_served_either()
    {
        var order = await server.PlaceAsync();
        await server.EventAsync("charge.refunded", order, new { metadata = true });
        await server.ToDoAsync(order, "refunded");
        await server.PayAsync(order);
        await StoppedAsync(order, "refunded");
        await NotRunAsync(order);
        Assert.DoesNotContain(await server.ToDosAsync(order), t => t.Marker == "stripe-paid-twice");
    }

    [Fact]
    public async Task A_partial_refund_before_the_payment_does_not_keep_the_service_back()
    {
        var order = await server.PlaceAsync();
        await server.EventAsync("charge.refunded", order, new { metadata = true, amount_refunded = 1000 });
        await server.PayAsync(order);
        await server.RanAsync(order);
        Assert.Equal("partially_refunded", await server.PaymentAsync(order));
    }

    [Fact]
    public async Task An_order_that_waits_to_be_filed_asks_for_waiting_refunds_too()
    {
        var order = await server.PlaceAsync();
        await server.PayAsync(order);
        var orders = (Activities.Orders.IOrders)server.Services.GetService(typeof(Activities.Orders.IOrders))!;
        Assert.False(await orders.IsStoppedAsync(order, Ct));
        var intent = (await orders.GetAsync(order, Ct))!.PaymentIntent;
        // Two nodes took payment and refund in the same moment: the refund saw no order yet, and waits.
        await server.ExecuteAsync(
            "INSERT INTO webhook_inbox (provider, event_id, received_at, status, takes_back) VALUES ('stripe', @id, @now, 'waiting', @intent)",
            ("id", "evt_race_" + order), ("now", server.Clock.GetUtcNow()), ("intent", intent));
        Assert.True(await orders.IsStoppedAsync(order, Ct));
    }

    [Fact]
    public async Task An_event_that_comes_before_its_order_waits_for_it()
    {
        var number = OrderServer.NewNumber();
        var (id, answers) = await server.PayAsync(number);
        Assert.Equal(200, Assert.Single(answers));
        Assert.Equal("waiting", await StatusAsync(id));
        server.Clock.Advance(TimeSpan.FromSeconds(6));
        await server.PlaceAsync(OrderServer.Order(number));
        server.Clock.Advance(TimeSpan.FromSeconds(6));
        await server.RanAsync(number);
        Assert.Equal(("applied", "paid"), (await StatusAsync(id), await server.PaymentAsync(number)));
        await server.EndedAsync("stripe-event-retry", id);
    }

    [Fact]
    public async Task An_event_whose_order_never_comes_becomes_a_ToDo_after_a_day_and_can_be_replayed()
    {
        var number = OrderServer.NewNumber();
        var (id, _) = await server.PayAsync(number);
        await server.WaitAsync(async () => (await server.InstancesAsync("stripe-event-retry", id)).Count == 1, "the event is looked after");
        // Each look says when the next one is; the last one is after a day.
        for (var hours = 0; await StatusAsync(id) == "waiting" && hours < 200; hours++)
        {
            server.Clock.Advance(TimeSpan.FromMinutes(31));
            var looked = server.Clock.GetUtcNow();
            await server.WaitAsync(
                async () => await StatusAsync(id) != "waiting" || (await server.InstancesAsync("stripe-event-retry", id)).Single().GetProperty("updated_at").GetDateTimeOffset() >= looked,
                "the event is looked at again");
        }

        Assert.Equal("gave_up", await StatusAsync(id));
        Assert.Contains("24 hours", await server.ToDoAsync(id, "stripe-unknown-order"), StringComparison.Ordinal);
        await server.PlaceAsync(OrderServer.Order(number));
        var line = (await server.InboxLineAsync(id))!.Value.GetProperty("id").GetInt64();
        using var replay = await Infrastructure.Api.SendAsync(server.Http, HttpMethod.Post, $"/api/v1/admin/webhooks/{line}/replay", await server.TokenAsync(), null, Ct);
        Assert.True(replay.IsSuccessStatusCode, await replay.Content.ReadAsStringAsync(Ct));
        await server.RanAsync(number);
        Assert.Equal("applied", await StatusAsync(id));
    }
}
