using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Payments;

/// <summary>
/// Takes Stripe's events in: checks, looks once at the inbox and the orders, decides, and enlists everything it writes in the commit of the
/// running workflow step. The plain payment of an order is not even looked up: it is written under the condition that all is as it nearly always
/// is; when it is not, the commit is refused, the step runs again, and then it looks.
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
    private readonly RecentIds _seen = new(4096);

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
        // Rightly signed, so all of it is kept: whoever mends this reads there what Stripe meant.
        if (fact is StripeFact.Malformed malformed) return (e, Reject($"{e.Type}: {malformed.Why}", body, headers, instanceId, keepAll: true));
        if (e.Type == "checkout.session.completed" && fact is StripeFact.Checkout checkout && PlainPayment(e, checkout) is { } plain && _seen.Add(e.Id))
        {
            EnlistInbox(e.Id, e.Type, plain, null, headers, body, instanceId);
            EnlistPlain(e, checkout, plain);
            return (e, plain);
        }

        var look = await LookAsync(e.Id, fact, ct).ConfigureAwait(false);
        if (look.Known) return (e, new StripeDecision(StripeOutcomes.Duplicate, "duplicate", $"the event {e.Id} has come before", look.Orders));

        var (decision, back) = await DecideAsync(e, fact, look, ct).ConfigureAwait(false);
        EnlistInbox(e.Id, e.Type, decision, decision.InboxStatus == "waiting" ? StripeRules.TakenBack(fact) : null, headers, body, instanceId);
        Enlist(e, fact, decision, back);
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
        var (decision, back) = await DecideAsync(e, fact, await LookAsync(e.Id, fact, ct).ConfigureAwait(false), ct).ConfigureAwait(false);
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
        Enlist(e, fact, decision, back);
        return (decision, TimeSpan.Zero);
    }

    /// <summary>Often at first (the order may be a second late), then ever more seldom.</summary>
    internal static TimeSpan NextLook(TimeSpan age) =>
        age < TimeSpan.FromMinutes(1) ? TimeSpan.FromSeconds(5)
        : age < TimeSpan.FromMinutes(10) ? TimeSpan.FromSeconds(30)
        : age < TimeSpan.FromHours(1) ? TimeSpan.FromMinutes(5)
        : TimeSpan.FromMinutes(30);

    private StripeDecision Reject(string why, ReadOnlyMemory<byte> body, string headers, string instanceId, bool keepAll = false)
    {
        var decision = new StripeDecision(StripeOutcomes.Rejected, "rejected", why, []);
        EnlistInbox(null, null, decision, null, headers, keepAll || body.Length <= RejectedBodyBytes ? body : body[..RejectedBodyBytes], instanceId);
        return decision;
    }

    /// <summary>What becomes of a checkout when its order is there, open, and has the price that was paid; <c>null</c> when it might be anything else.</summary>
    private StripeDecision? PlainPayment(StripeEvent e, StripeFact.Checkout checkout)
    {
        if (checkout is not { NewStatus: PaymentStatuses.Paid, OrderReference: { } number, AmountCents: { } amount, Currency: { } currency } || IsBatch(number)) return null;
        var order = new PayableOrder(number, amount, currency, PaymentStatuses.Pending, null, null, 0, WasPaid: false);
        return StripeRules.Decide(checkout, e.LiveMode, _options.ExpectsLiveMode, [order], null) is { Outcome: StripeOutcomes.Paid } paid ? paid : null;
    }

    // Everything that the look-up would have shown is a condition here, but for the event itself, which the inbox takes once.
    private void EnlistPlain(StripeEvent e, StripeFact.Checkout checkout, StripeDecision decision)
    {
        var now = _time.GetUtcNow();
        var order = decision.Orders[0];
        _database.Enlist(
            """
            UPDATE compliance_orders SET payment_status = 'paid', payment_method = @method, payment_intent = @intent, checkout_session_id = @session,
                stripe_subscription_id = COALESCE(@subscription, stripe_subscription_id), paid_at = @now, updated_at = @now
            WHERE order_number = @order AND payment_status = 'pending' AND paid_at IS NULL AND refunded_cents = 0 AND amount_cents = @amount AND currency = @currency
                AND (SELECT COUNT(*) FROM order_payments p WHERE p.provider = 'stripe' AND p.reference = @session AND p.purpose = 'paid') = 0
                AND (SELECT COUNT(*) FROM webhook_inbox w WHERE w.status = 'waiting' AND w.takes_back = @intent) = 0
            """,
            Parameters.Of(("method", checkout.Method), ("intent", checkout.PaymentIntent), ("session", checkout.SessionId), ("subscription", checkout.Subscription),
                ("now", now), ("order", order.OrderNumber), ("amount", order.AmountCents), ("currency", order.Currency)),
            1);
        EnlistPayment(e, order, checkout.SessionId, "paid", order.AmountCents, order.Currency, checkout.Method, now, checkout.PaymentIntent);
        EnlistTimeline(e, order, decision, now);
    }

    /// <summary>What one look shows.</summary>
    /// <param name="Known">Whether the event is in the inbox.</param>
    /// <param name="SessionPaid">An order that the checkout session has paid before.</param>
    /// <param name="TakenBack">How many refunds and disputes of the checkout's payment came before it and wait.</param>
    /// <param name="Orders">The orders it is about.</param>
    private sealed record Look(bool Known, string? SessionPaid, long TakenBack, IReadOnlyList<PayableOrder> Orders);

    /// <summary>A refund or dispute that came before the payment it takes back.</summary>
    private sealed record TakeBack(StripeEvent Event, StripeFact Fact, StripeDecision Decision);

    // A refund or dispute that came before its payment waits in the inbox. When the payment comes, both are taken together: fulfilment never begins.
    private async Task<(StripeDecision Decision, TakeBack? Back)> DecideAsync(StripeEvent e, StripeFact fact, Look look, CancellationToken ct)
    {
        var decision = StripeRules.Decide(fact, e.LiveMode, _options.ExpectsLiveMode, look.Orders, look.SessionPaid);
        if (decision.Outcome != StripeOutcomes.Paid || look.TakenBack == 0 || fact is not StripeFact.Checkout checkout) return (decision, null);
        var paid = decision.Orders.Select(o => o with { PaymentStatus = PaymentStatuses.Paid, SessionId = checkout.SessionId, PaymentIntent = checkout.PaymentIntent, WasPaid = true }).ToList();
        var bodies = await _database.QueryAsync(
            "SELECT body FROM webhook_inbox WHERE provider = 'stripe' AND status = 'waiting' AND takes_back = @intent ORDER BY id",
            Parameters.Of(("intent", checkout.PaymentIntent)), static r => r.GetFieldValue<byte[]>(0), ct).ConfigureAwait(false);
        foreach (var body in bodies)
        {
            if (StripeEvent.Parse(body, out _) is not { } event2) continue;
            var fact2 = StripeRules.Read(event2);
            var decision2 = StripeRules.Decide(fact2, event2.LiveMode, _options.ExpectsLiveMode, paid, null);
            if (decision2.Outcome != StripeOutcomes.Stopped) continue;
            var both = decision with { Outcome = StripeOutcomes.Stopped, Reason = $"{decision.Reason}, and {decision2.Reason}", Marker = decision2.Marker };
            return (both, new TakeBack(event2, fact2, decision2));
        }

        return (decision, null);
    }

    private async Task<Look> LookAsync(string eventId, StripeFact fact, CancellationToken ct)
    {
        var (orders, value) = fact switch
        {
            StripeFact.Checkout { OrderReference: { } reference } => ByReference(reference),
            StripeFact.Refund { OrderReference: { } reference } => ByReference(reference),
            StripeFact.Dispute { OrderReference: { } reference } => ByReference(reference),
            StripeFact.Refund refund => (ByIntent, refund.PaymentIntent!),
            StripeFact.Dispute dispute => (ByIntent, dispute.PaymentIntent!),
            StripeFact.Renewal renewal => (BySubscription, renewal.Subscription),
            StripeFact.Overdue overdue => (BySubscription, overdue.Subscription),
            StripeFact.Ended ended => (BySubscription, ended.Subscription),
            _ => ("compliance_orders o ON 1 = 0 AND o.order_number = @value", ""),
        };
        var checkout = fact as StripeFact.Checkout;
        var rows = await _database.LookUpAsync(
            $"""
             SELECT i.status, o.order_number, o.amount_cents, o.currency, o.payment_status, o.checkout_session_id, o.payment_intent, o.refunded_cents, o.paid_at,
                 (SELECT MIN(p.order_number) FROM order_payments p WHERE p.provider = 'stripe' AND p.reference = @session AND p.purpose = 'paid'),
                 (SELECT COUNT(*) FROM webhook_inbox w WHERE w.status = 'waiting' AND w.takes_back = @intent)
             FROM (SELECT 1 AS one) x
             LEFT JOIN webhook_inbox i ON i.provider = 'stripe' AND i.event_id = @event
             LEFT JOIN {orders}
             ORDER BY o.order_number
             """,
            Parameters.Of(("event", eventId), ("value", value), ("session", checkout?.SessionId ?? ""), ("intent", checkout?.PaymentIntent ?? "")),
            static r => (
                Inbox: r.Text(0),
                Order: r.IsDBNull(1) ? null : new PayableOrder(
                    r.GetString(1), r.GetInt64(2), r.GetString(3), r.GetString(4), r.Text(5), r.Text(6), r.GetInt64(7), !r.IsDBNull(8) || r.GetString(4) == PaymentStatuses.Paid),
                SessionPaid: r.Text(9),
                TakenBack: r.GetInt64(10)),
            ct).ConfigureAwait(false);
        return new Look(rows[0].Inbox is not null, rows[0].SessionPaid, rows[0].TakenBack, [.. rows.Select(static r => r.Order).OfType<PayableOrder>().DistinctBy(static o => o.OrderNumber)]);
    }

    private const string ByIntent =
        "(order_payments paid JOIN compliance_orders o ON o.order_number = paid.order_number) ON paid.payment_intent = @value AND paid.provider = 'stripe' AND paid.purpose = 'paid'";

    private const string BySubscription = "compliance_orders o ON o.stripe_subscription_id = @value";

    private static bool IsBatch(string reference) => reference.StartsWith("CB-", StringComparison.OrdinalIgnoreCase);

    private static (string Orders, string Value) ByReference(string reference) =>
        IsBatch(reference)
            ? ("compliance_orders o ON o.batch_number = @value", reference)
            : ("compliance_orders o ON o.order_number = @value", reference);

    private void EnlistInbox(string? eventId, string? type, StripeDecision decision, string? takesBack, string headers, ReadOnlyMemory<byte> body, string instanceId) =>
        _database.Enlist(
            """
            INSERT INTO webhook_inbox (provider, event_id, event_type, received_at, status, reason, order_number, instance_id, takes_back, headers, body)
            VALUES ('stripe', @event, @type, @at, @status, @reason, @order, @instance, @back, @headers, @body)
            """,
            Parameters.Of(
                ("event", eventId), ("type", type), ("at", _time.GetUtcNow()), ("status", decision.InboxStatus), ("reason", decision.Reason),
                ("order", OrderOf(decision)), ("instance", instanceId), ("back", takesBack), ("headers", headers), ("body", body.ToArray())),
            1);

    private static string? OrderOf(StripeDecision decision) => decision.Orders.Count == 0 ? null : string.Join(' ', decision.Orders.Select(static o => o.OrderNumber));

    private void Enlist(StripeEvent e, StripeFact fact, StripeDecision decision, TakeBack? back)
    {
        Enlist(e, fact, decision);
        if (back is null) return;
        _database.Enlist(
            "UPDATE webhook_inbox SET status = @status, reason = @reason, order_number = @order WHERE provider = 'stripe' AND event_id = @event AND status = 'waiting'",
            Parameters.Of(("status", back.Decision.InboxStatus), ("reason", back.Decision.Reason), ("order", OrderOf(back.Decision)), ("event", back.Event.Id)),
            1);
        Enlist(back.Event, back.Fact, back.Decision);
    }

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
                        UPDATE compliance_orders SET payment_status = CASE WHEN payment_status IN ('refunded', 'partially_refunded', 'disputed') THEN payment_status ELSE 'paid' END, payment_method = @method, payment_intent = @intent, checkout_session_id = @session,
                            stripe_subscription_id = COALESCE(@subscription, stripe_subscription_id), paid_at = @now, updated_at = @now
                        WHERE order_number = @order AND payment_status = @before
                        """,
                        Parameters.Of(("method", checkout.Method), ("intent", checkout.PaymentIntent), ("session", checkout.SessionId), ("subscription", checkout.Subscription),
                            ("now", now), ("order", order.OrderNumber), ("before", order.PaymentStatus)),
                        1);
                    EnlistPayment(e, order, checkout.SessionId, "paid", order.AmountCents, order.Currency, checkout.Method, now, checkout.PaymentIntent);
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
                    var refunded = StripeRules.RefundedOf(refund, order, decision.Orders.Count);
                    _database.Enlist(
                        """
                        UPDATE compliance_orders SET payment_status = @status, refunded_cents = @refunded, updated_at = @now
                        WHERE order_number = @order AND payment_status = @before AND refunded_cents = @refunded_before
                        """,
                        Parameters.Of(("status", order.PaymentStatus == PaymentStatuses.Disputed ? order.PaymentStatus : status), ("refunded", refunded), ("now", now),
                            ("order", order.OrderNumber), ("before", order.PaymentStatus), ("refunded_before", order.RefundedCents)),
                        1);
                    // Stripe tells the sum of all refunds so far.
                    if (refunded != order.RefundedCents)
                        EnlistPayment(e, order, refund.ChargeId, string.Create(CultureInfo.InvariantCulture, $"refunded:{refunded}"), order.RefundedCents - refunded, refund.Currency, null, now);
                    break;
                case ({ } status, StripeFact.Dispute dispute):
                    _database.Enlist(
                        "UPDATE compliance_orders SET payment_status = @status, updated_at = @now WHERE order_number = @order AND payment_status = @before",
                        Parameters.Of(("status", status), ("now", now), ("order", order.OrderNumber), ("before", order.PaymentStatus)),
                        1);
                    EnlistPayment(e, order, dispute.DisputeId, "disputed", decision.Orders.Count == 1 ? -dispute.AmountCents : -order.AmountCents, dispute.Currency, null, now);
                    break;
                case (null, StripeFact.Renewal renewal) when decision.Outcome == StripeOutcomes.Renewed:
                    EnlistPayment(e, order, renewal.InvoiceId, "renewed", renewal.AmountCents, renewal.Currency, null, now);
                    break;
            }

            EnlistTimeline(e, order, decision, now);
        }
    }

    private void EnlistTimeline(StripeEvent e, PayableOrder order, StripeDecision decision, DateTimeOffset now) =>
        _database.Enlist(
            "INSERT INTO order_timeline (order_number, at, event, message) VALUES (@order, @at, @event, @message)",
            Parameters.Of(("order", order.OrderNumber), ("at", now), ("event", decision.InboxStatus == "suspicious" ? "payment-suspicious" : e.Type),
                ("message", $"{decision.Reason} ({e.Id})")),
            1);

    // Two events about one movement of money (there may be two ids for one change) leave one line.
    private void EnlistPayment(StripeEvent e, PayableOrder order, string reference, string purpose, long amount, string currency, string? method, DateTimeOffset now, string? paymentIntent = null) =>
        _database.Enlist(
            """
            INSERT INTO order_payments (provider, reference, purpose, order_number, amount_cents, currency, method, event_id, at, payment_intent)
            VALUES ('stripe', @reference, @purpose, @order, @amount, @currency, @method, @event, @at, @intent)
            ON CONFLICT (order_number, provider, reference, purpose) DO NOTHING
            """,
            Parameters.Of(("reference", reference), ("purpose", purpose), ("order", order.OrderNumber), ("amount", amount), ("currency", currency.ToLowerInvariant()),
                ("method", method), ("event", e.Id), ("at", now), ("intent", paymentIntent)));
}

/// <summary>The ids seen last, so many at most.</summary>
internal sealed class RecentIds(int capacity)
{
    private readonly Lock _lock = new();
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();

    /// <summary>Whether an id is new; from now on it is not.</summary>
    public bool Add(string id)
    {
        lock (_lock)
        {
            if (!_known.Add(id)) return false;
            _order.Enqueue(id);
            if (_order.Count > capacity) _known.Remove(_order.Dequeue());
            return true;
        }
    }
}

/// <summary>The headers of a request that are worth keeping; never the ones that prove something.</summary>
internal static class KeptHeaders
{
    private static readonly string[] Names = ["Content-Type", "Content-Length", "User-Agent", "X-Forwarded-For", "X-Request-Id"];

    public static string Of(IEnumerable<KeyValuePair<string, string>> headers) =>
        JsonSerializer.Serialize(headers.Where(static h => Names.Contains(h.Key, StringComparer.OrdinalIgnoreCase)).ToDictionary(static h => h.Key, static h => h.Value, StringComparer.Ordinal));
}
