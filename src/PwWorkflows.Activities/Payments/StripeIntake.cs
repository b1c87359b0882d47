using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Payments;

/// <summary>
/// Takes Stripe's events in: checks, looks once at the inbox and the orders, decides, and enlists everything it writes in the commit of the
/// running workflow step.
/// </summary>
public sealed class StripeIntake
{
    /// <summary>How much of a refused request is kept.</summary>
    private const int RejectedBodyBytes = 4096;

    /// <summary>How long an event waits for its order before a person is asked.</summary>
    internal static readonly TimeSpan LongestWait = TimeSpan.FromHours(24);

    private readonly IPwDatabase _database;
    private readonly TimeProvider _time;
    private readonly PaymentOptions _options;

    /// <summary>Creates the service.</summary>
    public StripeIntake(IPwDatabase database, TimeProvider time, IOptions<PaymentOptions> options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _database = database;
        _time = time;
        _options = options.Value;
    }

    /// <summary>Takes a request in.</summary>
    internal async Task<(StripeEvent? Event, StripeDecision Decision)> ReceiveAsync(
        ReadOnlyMemory<byte> body, string? signature, string headers, string instanceId, CancellationToken ct)
    {
        var now = _time.GetUtcNow();
        var problem = StripeSignature.Check(body.Span, signature, _options.StripeWebhookSecret, now);
        StripeEvent? e = null;
        if (problem is null) e = StripeEvent.Parse(body, out problem);
        if (e is null) return (null, Reject(problem, body, headers, instanceId));

        var fact = StripeRules.Read(e);
        if (fact is StripeFact.Malformed malformed) return (e, Reject($"{e.Type}: {malformed.Why}", body, headers, instanceId));
        var (known, orders) = await LookAsync(e.Id, fact, ct).ConfigureAwait(false);
        if (known is not null)
            return (e, new StripeDecision(StripeOutcomes.Duplicate, "duplicate", $"the event {e.Id} has come before", orders));

        var decision = StripeRules.Decide(fact, e.LiveMode, _options.ExpectsLiveMode, orders);
        EnlistInbox(e.Id, e.Type, decision, headers, body, instanceId);
        Enlist(e, fact, decision);
        return (e, decision);
    }

    /// <summary>Looks again at an event that waits for its order.</summary>
    internal async Task<(StripeDecision Decision, TimeSpan NextLook)> RetryAsync(string eventId, CancellationToken ct)
    {
        var rows = await _database.QueryAsync(
            "SELECT body, received_at, status FROM webhook_inbox WHERE provider = 'stripe' AND event_id = @event",
            Parameters.Of(("event", eventId)),
            static r => (Body: r.GetFieldValue<byte[]>(0), ReceivedAt: r.Time(1), Status: r.GetString(2)),
            ct).ConfigureAwait(false);
        if (rows.Count == 0) throw new NonRetryableException($"There is no event '{eventId}' in the inbox.");
        var row = rows[0];
        if (row.Status != "waiting") return (new StripeDecision(StripeOutcomes.Duplicate, "duplicate", "the event has been dealt with", []), TimeSpan.Zero);

        var e = StripeEvent.Parse(row.Body, out var problem) ?? throw new NonRetryableException($"The event '{eventId}' can't be read any more: {problem}");
        var fact = StripeRules.Read(e);
        var (_, orders) = await LookAsync(e.Id, fact, ct).ConfigureAwait(false);
        var decision = StripeRules.Decide(fact, e.LiveMode, _options.ExpectsLiveMode, orders);
        var age = _time.GetUtcNow() - row.ReceivedAt;
        if (decision.Outcome == StripeOutcomes.Waiting)
        {
            if (age < LongestWait) return (decision, NextLook(age));
            decision = new StripeDecision(StripeOutcomes.GaveUp, "gave_up", $"no order was found for it in {LongestWait.TotalHours.ToString("0", CultureInfo.InvariantCulture)} hours", [])
            {
                Marker = "stripe-unknown-order",
            };
        }

        _database.Enlist(
            "UPDATE webhook_inbox SET status = @status, reason = @reason, order_number = @order WHERE provider = 'stripe' AND event_id = @event AND status = 'waiting'",
            Parameters.Of(("status", decision.InboxStatus), ("reason", decision.Reason), ("order", OrderOf(decision)), ("event", eventId)),
            1);
        Enlist(e, fact, decision);
        return (decision, TimeSpan.Zero);
    }

    /// <summary>Often at first (the order may be a second late), then ever more seldom.</summary>
    internal static TimeSpan NextLook(TimeSpan age) =>
        age < TimeSpan.FromMinutes(1) ? TimeSpan.FromSeconds(5)
        : age < TimeSpan.FromMinutes(10) ? TimeSpan.FromSeconds(30)
        : age < TimeSpan.FromHours(1) ? TimeSpan.FromMinutes(5)
        : TimeSpan.FromMinutes(30);

    private StripeDecision Reject(string why, ReadOnlyMemory<byte> body, string headers, string instanceId)
    {
        var decision = new StripeDecision(StripeOutcomes.Rejected, "rejected", why, []);
        EnlistInbox(null, null, decision, headers, body.Length <= RejectedBodyBytes ? body : body[..RejectedBodyBytes], instanceId);
        return decision;
    }

    private async Task<(string? Known, IReadOnlyList<PayableOrder> Orders)> LookAsync(string eventId, StripeFact fact, CancellationToken ct)
    {
        var (where, value) = fact switch
        {
            StripeFact.Checkout { OrderReference: { } reference } => ByReference(reference),
            StripeFact.Refund { OrderReference: { } reference } => ByReference(reference),
            StripeFact.Dispute { OrderReference: { } reference } => ByReference(reference),
            StripeFact.Refund refund => ("o.payment_intent = @value", refund.PaymentIntent!),
            StripeFact.Dispute dispute => ("o.payment_intent = @value", dispute.PaymentIntent!),
            StripeFact.Renewal renewal => ("o.stripe_subscription_id = @value", renewal.Subscription),
            _ => ("1 = 0 AND o.order_number = @value", ""),
        };
        var rows = await _database.QueryAsync(
            $"""
             SELECT i.status, o.order_number, o.service_slug, o.amount_cents, o.currency, o.payment_status, o.fulfillment_status, o.checkout_session_id, o.refunded_cents
             FROM (SELECT 1 AS one) x
             LEFT JOIN webhook_inbox i ON i.provider = 'stripe' AND i.event_id = @event
             LEFT JOIN compliance_orders o ON {where}
             ORDER BY o.order_number
             """,
            Parameters.Of(("event", eventId), ("value", value)),
            static r => (
                Inbox: r.Text(0),
                Order: r.IsDBNull(1) ? null : new PayableOrder(r.GetString(1), r.GetString(2), r.GetInt64(3), r.GetString(4), r.GetString(5), r.GetString(6), r.Text(7), r.GetInt64(8))),
            ct).ConfigureAwait(false);
        return (rows[0].Inbox, [.. rows.Select(static r => r.Order).OfType<PayableOrder>()]);
    }

    private static (string Where, string Value) ByReference(string reference) =>
        reference.StartsWith("CB-", StringComparison.OrdinalIgnoreCase) ? ("o.batch_number = @value", reference) : ("o.order_number = @value", reference);

    private void EnlistInbox(string? eventId, string? type, StripeDecision decision, string headers, ReadOnlyMemory<byte> body, string instanceId) =>
        _database.Enlist(
            """
            INSERT INTO webhook_inbox (provider, event_id, event_type, received_at, status, reason, order_number, instance_id, headers, body)
            VALUES ('stripe', @event, @type, @at, @status, @reason, @order, @instance, @headers, @body)
            """,
            Parameters.Of(
                ("event", eventId), ("type", type), ("at", _time.GetUtcNow()), ("status", decision.InboxStatus), ("reason", decision.Reason),
                ("order", OrderOf(decision)), ("instance", instanceId), ("headers", headers), ("body", body.ToArray())),
            1);

    private static string? OrderOf(StripeDecision decision) => decision.Orders.Count == 0 ? null : string.Join(' ', decision.Orders.Select(static o => o.OrderNumber));

    private void Enlist(StripeEvent e, StripeFact fact, StripeDecision decision)
    {
        if (decision.InboxStatus is not ("applied" or "suspicious")) return;
        var now = _time.GetUtcNow();
        foreach (var order in decision.Orders)
        {
            switch (decision.NewStatus, fact)
            {
                case (PaymentStatuses.Paid, StripeFact.Checkout checkout):
                    _database.Enlist(
                        """
                        UPDATE compliance_orders SET payment_status = 'paid', payment_method = @method, payment_intent = @intent, checkout_session_id = @session,
                            stripe_subscription_id = COALESCE(@subscription, stripe_subscription_id), paid_at = @now, updated_at = @now
                        WHERE order_number = @order AND payment_status = @before
                        """,
                        Parameters.Of(("method", checkout.Method), ("intent", checkout.PaymentIntent), ("session", checkout.SessionId), ("subscription", checkout.Subscription),
                            ("now", now), ("order", order.OrderNumber), ("before", order.PaymentStatus)),
                        1);
                    EnlistPayment(e, order, checkout.SessionId, "paid", order.AmountCents, order.Currency, checkout.Method, now);
                    break;
                case ({ } status, StripeFact.Checkout checkout):
                    _database.Enlist(
                        """
                        UPDATE compliance_orders SET payment_status = @status, checkout_session_id = @session, updated_at = @now
                        WHERE order_number = @order AND payment_status = @before
                        """,
                        Parameters.Of(("status", status), ("session", checkout.SessionId), ("now", now), ("order", order.OrderNumber), ("before", order.PaymentStatus)),
                        1);
                    break;
                case ({ } status, StripeFact.Refund refund):
                    _database.Enlist(
                        """
                        UPDATE compliance_orders SET payment_status = @status, refunded_cents = @refunded, updated_at = @now
                        WHERE order_number = @order AND payment_status = @before
                        """,
                        Parameters.Of(("status", order.PaymentStatus == PaymentStatuses.Disputed ? order.PaymentStatus : status), ("refunded", refund.AmountCents), ("now", now),
                            ("order", order.OrderNumber), ("before", order.PaymentStatus)),
                        1);
                    EnlistPayment(
                        e, order, refund.ChargeId, string.Create(CultureInfo.InvariantCulture, $"refunded:{refund.AmountCents}"), -refund.AmountCents, refund.Currency, null, now);
                    break;
                case ({ } status, StripeFact.Dispute dispute):
                    _database.Enlist(
                        "UPDATE compliance_orders SET payment_status = @status, updated_at = @now WHERE order_number = @order AND payment_status = @before",
                        Parameters.Of(("status", status), ("now", now), ("order", order.OrderNumber), ("before", order.PaymentStatus)),
                        1);
                    EnlistPayment(e, order, dispute.DisputeId, "disputed", -dispute.AmountCents, dispute.Currency, null, now);
                    break;
                case (null, StripeFact.Renewal renewal) when decision.Outcome == StripeOutcomes.Renewed:
                    EnlistPayment(e, order, renewal.InvoiceId, "renewed", renewal.AmountCents, renewal.Currency, null, now);
                    break;
            }

            _database.Enlist(
                "INSERT INTO order_timeline (order_number, at, event, message) VALUES (@order, @at, @event, @message)",
                Parameters.Of(("order", order.OrderNumber), ("at", now), ("event", decision.InboxStatus == "suspicious" ? "payment-suspicious" : e.Type),
                    ("message", $"{decision.Reason} ({e.Id})")),
                1);
        }
    }

    // Two events about one movement of money (there may be two ids for one change) leave one line.
    private void EnlistPayment(StripeEvent e, PayableOrder order, string reference, string purpose, long amount, string currency, string? method, DateTimeOffset now) =>
        _database.Enlist(
            """
            INSERT INTO order_payments (provider, reference, purpose, order_number, amount_cents, currency, method, event_id, at)
            VALUES ('stripe', @reference, @purpose, @order, @amount, @currency, @method, @event, @at)
            ON CONFLICT (order_number, provider, reference, purpose) DO NOTHING
            """,
            Parameters.Of(("reference", reference), ("purpose", purpose), ("order", order.OrderNumber), ("amount", amount), ("currency", currency.ToLowerInvariant()),
                ("method", method), ("event", e.Id), ("at", now)));
}

/// <summary>The headers of a request that are worth keeping; never the ones that prove something.</summary>
internal static class KeptHeaders
{
    private static readonly string[] Names = ["Content-Type", "Content-Length", "User-Agent", "X-Forwarded-For", "X-Request-Id"];

    public static string Of(IEnumerable<KeyValuePair<string, string>> headers) =>
        JsonSerializer.Serialize(headers.Where(static h => Names.Contains(h.Key, StringComparer.OrdinalIgnoreCase)).ToDictionary(static h => h.Key, static h => h.Value, StringComparer.Ordinal));
}
