using System.Text.Json;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Payments;

/// <summary>What an event tells about the world, before we look at our orders.</summary>
internal abstract record StripeFact
{
    private StripeFact() { }

    /// <summary>A checkout session: how it stands with its money.</summary>
    public sealed record Checkout(
        string SessionId, string? OrderReference, string NewStatus, long? AmountCents, string? Currency, string? PaymentIntent, string? Subscription, string Method) : StripeFact;

    /// <summary>Money went back.</summary>
    public sealed record Refund(string ChargeId, string? PaymentIntent, string? OrderReference, long AmountCents, bool Full, string Currency) : StripeFact;

    /// <summary>The customer's bank asks for the money back.</summary>
    public sealed record Dispute(string DisputeId, string? PaymentIntent, string? OrderReference, long AmountCents, string Currency, string Reason, string Status, string? DueBy) : StripeFact
    {
        /// <summary>Only a question of the bank's: no money has moved.</summary>
        public bool IsInquiry => Status.StartsWith("warning_", StringComparison.Ordinal);
    }

    /// <summary>A recurring service was paid for one more cycle.</summary>
    public sealed record Renewal(string InvoiceId, string Subscription, long AmountCents, string Currency) : StripeFact;

    /// <summary>A cycle of a recurring service could not be paid.</summary>
    public sealed record Overdue(string InvoiceId, string Subscription, long AmountCents, string Currency, string? NextTry) : StripeFact;

    /// <summary>A subscription has ended: no cycle will be paid any more.</summary>
    public sealed record Ended(string Subscription) : StripeFact;

    /// <summary>Nothing for us.</summary>
    public sealed record Ignored(string Why) : StripeFact;

    /// <summary>Rightly signed, but not what its type promises.</summary>
    public sealed record Malformed(string Why) : StripeFact;
}

/// <summary>What the rules need to know of an order.</summary>
internal sealed record PayableOrder(
    string OrderNumber, long AmountCents, string Currency, string PaymentStatus, string? SessionId, string? PaymentIntent, long RefundedCents, bool WasPaid);

/// <summary>What becomes of an event.</summary>
/// <param name="Outcome">Outcome of the activity.</param>
/// <param name="InboxStatus">Status of the inbox row.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="Orders">The orders it changes or concerns.</param>
internal sealed record StripeDecision(string Outcome, string InboxStatus, string Reason, IReadOnlyList<PayableOrder> Orders)
{
    /// <summary>New payment status of the orders; <c>null</c> to leave it.</summary>
    public string? NewStatus { get; init; }

    /// <summary>The billing cycle that was paid or not paid, for subscriptions.</summary>
    public string Cycle { get; init; } = "";

    /// <summary>Short stable word for the ToDo, when a person should know.</summary>
    public string Marker { get; init; } = "";
}

/// <summary>Outcomes of the Stripe activities.</summary>
internal static class StripeOutcomes
{
    public const string Paid = "Paid";
    public const string Renewed = "Renewed";
    public const string Overdue = "Overdue";
    public const string Stopped = "Stopped";
    public const string Attention = "Attention";
    public const string Noted = "Noted";
    public const string Waiting = "Waiting";
    public const string Duplicate = "Duplicate";
    public const string Ignored = "Ignored";
    public const string Rejected = "Rejected";
    public const string GaveUp = "Gave up";
}

/// <summary>The rules about Stripe's events. No input or output, no clock.</summary>
internal static class StripeRules
{
    /// <summary>Reads what an event tells.</summary>
    public static StripeFact Read(StripeEvent e)
    {
        var o = e.Object;
        return e.Type switch
        {
            "checkout.session.completed" => Checkout(o, completed: true),
            "checkout.session.async_payment_succeeded" => Checkout(o, completed: true),
            "checkout.session.async_payment_failed" => Checkout(o, completed: false, PaymentStatuses.Failed),
            "checkout.session.expired" => Checkout(o, completed: false, PaymentStatuses.Expired),
            "charge.refunded" => Refund(o),
            "charge.dispute.created" => Dispute(o),
            "invoice.paid" => Paid(o),
            "invoice.payment_failed" => Unpaid(o),
            "customer.subscription.deleted" => o.Text("id") is { Length: > 0 and <= 255 } id
                ? new StripeFact.Ended(id)
                : new StripeFact.Malformed("data.object.id: expected the subscription's id, a text"),
            _ => new StripeFact.Ignored($"events of type {e.Type} are not used"),
        };
    }

    /// <summary>The payment intent of a fact that says: nothing of it stays with us. <c>null</c> for every other fact.</summary>
    public static string? TakenBack(StripeFact fact) => fact switch
    {
        StripeFact.Refund { Full: true } refund => refund.PaymentIntent,
        StripeFact.Dispute { IsInquiry: false } dispute => dispute.PaymentIntent,
        _ => null,
    };

    /// <summary>Decides what becomes of a fact, given the orders found for it.</summary>
    /// <param name="fact">The fact.</param>
    /// <param name="liveMode">Whether the event is of Stripe's live mode.</param>
    /// <param name="expectsLiveMode">Whether it has to be.</param>
    /// <param name="orders">The orders it is about.</param>
    /// <param name="sessionPaid">An order that the fact's checkout session has paid before; <c>null</c> when there is none.</param>
    public static StripeDecision Decide(StripeFact fact, bool liveMode, bool expectsLiveMode, IReadOnlyList<PayableOrder> orders, string? sessionPaid)
    {
        switch (fact)
        {
            case StripeFact.Ignored ignored:
                return new StripeDecision(StripeOutcomes.Ignored, "ignored", ignored.Why, []);
            case StripeFact.Malformed malformed:
                return new StripeDecision(StripeOutcomes.Rejected, "rejected", malformed.Why, []);
        }

        if (liveMode != expectsLiveMode)
        {
            var why = liveMode ? "an event of Stripe's live mode came to a system that is not production" : "an event of Stripe's test mode came to production";
            return Suspicious(why, "stripe-livemode", orders);
        }

        if (orders.Count == 0) return new StripeDecision(StripeOutcomes.Waiting, "waiting", "the order is not known yet", []);
        return fact switch
        {
            StripeFact.Checkout checkout => DecideCheckout(checkout, orders, sessionPaid),
            StripeFact.Refund refund => DecideRefund(refund, orders),
            StripeFact.Dispute dispute => DecideDispute(dispute, orders),
            StripeFact.Renewal renewal => DecideRenewal(renewal, orders),
            StripeFact.Overdue overdue => new StripeDecision(
                StripeOutcomes.Overdue, "applied",
                $"{JsonReading.Money(overdue.AmountCents, overdue.Currency)} for another cycle could not be collected ({overdue.InvoiceId}){(overdue.NextTry is null ? "" : $"; Stripe tries again on {overdue.NextTry}")}",
                orders)
            { Cycle = overdue.InvoiceId, Marker = "renewal-unpaid" },
            StripeFact.Ended => new StripeDecision(
                StripeOutcomes.Attention, "applied", "the subscription has ended: no further cycle is paid or served", orders)
            { Marker = "subscription-ended" },
            _ => throw new InvalidOperationException($"No rule for {fact.GetType().Name}."),
        };
    }

    private static StripeDecision DecideCheckout(StripeFact.Checkout checkout, IReadOnlyList<PayableOrder> orders, string? sessionPaid)
    {
        if (checkout.NewStatus != PaymentStatuses.Paid)
        {
            var open = orders.Where(o => Changes(checkout, o)).ToList();
            var why = checkout.NewStatus switch
            {
                PaymentStatuses.Processing => "checkout finished, the money is not there yet",
                PaymentStatuses.Failed => "the payment failed",
                _ => "the checkout ran out unpaid",
            };
            return open.Count == 0
                ? new StripeDecision(StripeOutcomes.Duplicate, "duplicate", $"{why}, but that is known or overtaken", orders)
                : new StripeDecision(StripeOutcomes.Noted, "applied", why, open) { NewStatus = checkout.NewStatus };
        }

        if (orders.All(o => o.WasPaid && o.SessionId == checkout.SessionId))
            return new StripeDecision(StripeOutcomes.Duplicate, "duplicate", "this payment is known", orders);
        if (sessionPaid is not null && orders.All(o => o.OrderNumber != sessionPaid))
            return Suspicious($"the checkout {checkout.SessionId} has paid {sessionPaid} before, it can't pay for another order", "stripe-session", orders);

        if (checkout.AmountCents is not { } amount || amount < 0) return Suspicious("amount_total is missing or negative", "stripe-amount", orders);
        var currency = orders[0].Currency;
        if (!string.Equals(checkout.Currency, currency, StringComparison.OrdinalIgnoreCase) || orders.Any(o => o.Currency != currency))
            return Suspicious($"it was paid in '{checkout.Currency}', but the order is in '{currency}'", "stripe-currency", orders);
        var due = orders.Sum(static o => o.AmountCents);
        if (amount != due)
            return Suspicious($"{JsonReading.Money(amount, currency)} were paid, but the order says {JsonReading.Money(due, currency)}", "stripe-amount", orders);

        var twice = orders.Where(o => o.WasPaid && o.SessionId != checkout.SessionId).ToList();
        if (twice.Count > 0)
            return Suspicious($"{string.Join(", ", twice.Select(static o => o.OrderNumber))} was paid before by another checkout: one of the two payments must go back", "stripe-paid-twice", orders);

        var pay = orders.Where(static o => !o.WasPaid).ToList();
        var what = $"paid {JsonReading.Money(amount, currency)} by {checkout.Method}";
        // The refund or dispute of this payment came first: the payment is noted, and nothing is carried out.
        return pay.All(static o => o.PaymentStatus is PaymentStatuses.Refunded or PaymentStatuses.Disputed)
            ? new StripeDecision(StripeOutcomes.Noted, "applied", $"{what}, but the money has gone back already", pay) { NewStatus = PaymentStatuses.Paid }
            : new StripeDecision(StripeOutcomes.Paid, "applied", what, pay) { NewStatus = PaymentStatuses.Paid };
    }

    // Late news about a checkout never takes a payment back, and never says anything about a newer checkout of the order.
    private static bool Changes(StripeFact.Checkout checkout, PayableOrder o)
    {
        if (o.WasPaid || o.PaymentStatus == checkout.NewStatus) return false;
        var same = o.SessionId is null || o.SessionId == checkout.SessionId;
        return o.PaymentStatus switch
        {
            PaymentStatuses.Pending or PaymentStatuses.Expired => true,
            PaymentStatuses.Processing => same,
            PaymentStatuses.Failed => !same && checkout.NewStatus == PaymentStatuses.Processing,
            _ => false,
        };
    }

    private static StripeDecision DecideRefund(StripeFact.Refund refund, IReadOnlyList<PayableOrder> orders)
    {
        if (refund.AmountCents <= 0) return Suspicious("amount_refunded is not positive", "stripe-refund", orders);
        if (OfAnotherPayment(refund.PaymentIntent, orders))
            return new StripeDecision(StripeOutcomes.Noted, "applied", $"{JsonReading.Money(refund.AmountCents, refund.Currency)} of another payment for this order were refunded ({refund.PaymentIntent})", orders);
        if (orders.All(o => o.RefundedCents > 0 && o.RefundedCents >= RefundedOf(refund, o, orders.Count)))
            return new StripeDecision(StripeOutcomes.Duplicate, "duplicate", "this refund is known", orders);
        var what = $"{(refund.Full ? "all" : "part")} of the payment was refunded ({JsonReading.Money(refund.AmountCents, refund.Currency)})";
        return refund.Full
            ? new StripeDecision(StripeOutcomes.Stopped, "applied", what, orders) { NewStatus = PaymentStatuses.Refunded, Marker = "refunded" }
            : new StripeDecision(StripeOutcomes.Attention, "applied", what, orders) { NewStatus = PaymentStatuses.PartiallyRefunded, Marker = "partly-refunded" };
    }

    /// <summary>How much of an order's price has gone back after a refund. A part of what several orders were paid with belongs to none of them.</summary>
    internal static long RefundedOf(StripeFact.Refund refund, PayableOrder order, int orders) =>
        orders == 1 ? refund.AmountCents : refund.Full ? order.AmountCents : order.RefundedCents;

    private static StripeDecision DecideDispute(StripeFact.Dispute dispute, IReadOnlyList<PayableOrder> orders)
    {
        var due = dispute.DueBy is null ? "" : $", answer due by {dispute.DueBy}";
        var money = $"{dispute.Reason}, {dispute.Status}, {JsonReading.Money(dispute.AmountCents, dispute.Currency)}{due}";
        if (OfAnotherPayment(dispute.PaymentIntent, orders))
            return new StripeDecision(StripeOutcomes.Attention, "applied", $"another payment for this order is disputed ({dispute.PaymentIntent}: {money})", orders) { Marker = "disputed-other" };
        if (dispute.IsInquiry)
            return new StripeDecision(StripeOutcomes.Attention, "applied", $"the customer's bank asks about the payment ({money}); no money has moved", orders) { Marker = "dispute-inquiry" };
        if (orders.All(static o => o.PaymentStatus == PaymentStatuses.Disputed))
            return new StripeDecision(StripeOutcomes.Duplicate, "duplicate", "this dispute is known", orders);
        return new StripeDecision(StripeOutcomes.Stopped, "applied", $"the payment is disputed ({money})", orders) { NewStatus = PaymentStatuses.Disputed, Marker = "disputed" };
    }

    // An order paid twice by mistake gets one of the payments back: that must not stop it.
    private static bool OfAnotherPayment(string? intent, IReadOnlyList<PayableOrder> orders) =>
        intent is not null && orders.All(o => o.PaymentIntent is not null && o.PaymentIntent != intent);

    private static StripeDecision DecideRenewal(StripeFact.Renewal renewal, IReadOnlyList<PayableOrder> orders)
    {
        var currency = orders[0].Currency;
        var due = orders.Sum(static o => o.AmountCents);
        if (!string.Equals(renewal.Currency, currency, StringComparison.OrdinalIgnoreCase) || renewal.AmountCents < due)
            return Suspicious($"the renewal was paid with {JsonReading.Money(renewal.AmountCents, renewal.Currency)}, but the order says {JsonReading.Money(due, currency)}", "stripe-renewal", orders);
        return new StripeDecision(StripeOutcomes.Renewed, "applied", $"paid for another cycle ({renewal.InvoiceId})", orders) { Cycle = renewal.InvoiceId };
    }

    private static StripeDecision Suspicious(string why, string marker, IReadOnlyList<PayableOrder> orders) =>
        new(StripeOutcomes.Attention, "suspicious", $"not taken as a payment: {why}", orders) { Marker = marker };

    private static StripeFact Checkout(JsonElement o, bool completed, string status = PaymentStatuses.Paid)
    {
        if (o.Text("id") is not { Length: > 0 and <= 255 } id) return new StripeFact.Malformed("data.object.id: expected the checkout session's id, a text");
        if (completed)
        {
            // 'completed' only says that the customer is through; bank debits pay days later or not at all. The list of values is open.
            if (o.Text("payment_status") is not { Length: > 0 } payment) return new StripeFact.Malformed("data.object.payment_status: expected a text");
            status = payment == "unpaid" ? PaymentStatuses.Processing : PaymentStatuses.Paid;
        }

        var metadata = o.Child("metadata");
        var reference = metadata.Text("order_number") ?? metadata.Text("order_id") ?? o.Text("client_reference_id");
        if (string.IsNullOrWhiteSpace(reference)) return new StripeFact.Ignored("the checkout carries no order number");
        return new StripeFact.Checkout(
            id, reference, status, o.Number("amount_total"), o.Text("currency"), o.Reference("payment_intent"), o.Reference("subscription"), Method(o, metadata));
    }

    private static string Method(JsonElement session, JsonElement metadata)
    {
        if (metadata.Text("payment_method") is { } named && IsWord(named)) return named;
        var types = session.Child("payment_method_types");
        if (types.ValueKind != JsonValueKind.Array || types.GetArrayLength() != 1 || types[0].ValueKind != JsonValueKind.String) return "stripe";
        return types[0].GetString() switch { "us_bank_account" => "ach", { } type when IsWord(type) => type, _ => "stripe" };
    }

    // It goes into a log line.
    private static bool IsWord(string text) => text.Length is > 0 and <= 40 && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-');

    private static StripeFact Refund(JsonElement o)
    {
        if (o.Text("id") is not { Length: > 0 and <= 255 } id) return new StripeFact.Malformed("data.object.id: expected the charge's id, a text");
        if (o.Number("amount_refunded") is not { } refunded) return new StripeFact.Malformed("data.object.amount_refunded: expected cents, a whole number");
        var full = o.Flag("refunded") || (o.Number("amount") is { } amount && refunded >= amount);
        return Locatable(o, out var intent, out var reference)
            ? new StripeFact.Refund(id, intent, reference, refunded, full, o.Text("currency") ?? "usd")
            : new StripeFact.Ignored("the charge names neither payment intent nor order");
    }

    private static StripeFact Dispute(JsonElement o)
    {
        if (o.Text("id") is not { Length: > 0 and <= 255 } id) return new StripeFact.Malformed("data.object.id: expected the dispute's id, a text");
        var status = o.Text("status") ?? "unknown";
        if (status is "won" or "prevented" or "warning_closed") return new StripeFact.Ignored($"the dispute is over ({status})");
        return Locatable(o, out var intent, out var reference)
            ? new StripeFact.Dispute(id, intent, reference, o.Number("amount") ?? 0, o.Text("currency") ?? "usd", o.Text("reason") ?? "no reason given", status, Date(o.Child("evidence_details").Number("due_by")))
            : new StripeFact.Ignored("the dispute names neither payment intent nor order");
    }

    private static bool Locatable(JsonElement o, out string? intent, out string? reference)
    {
        intent = o.Reference("payment_intent");
        reference = o.Child("metadata").Text("order_number") ?? o.Child("metadata").Text("order_id");
        return intent is not null || reference is not null;
    }

    private static StripeFact Paid(JsonElement o)
    {
        if (o.Text("billing_reason") != "subscription_cycle") return new StripeFact.Ignored($"an invoice for '{o.Text("billing_reason")}' starts no cycle");
        if (Invoice(o, out var id, out var subscription) is { } malformed) return malformed;
        if (o.Number("amount_paid") is not { } amount) return new StripeFact.Malformed("data.object.amount_paid: expected cents, a whole number");
        return new StripeFact.Renewal(id, subscription, amount, o.Text("currency") ?? "usd");
    }

    private static StripeFact Unpaid(JsonElement o)
    {
        if (Invoice(o, out var id, out var subscription) is { } malformed) return malformed;
        return new StripeFact.Overdue(id, subscription, o.Number("amount_due") ?? 0, o.Text("currency") ?? "usd", Date(o.Number("next_payment_attempt")));
    }

    private static StripeFact? Invoice(JsonElement o, out string id, out string subscription)
    {
        // Newer API versions keep the subscription under parent.
        var (invoice, of) = (o.Text("id"), o.Reference("subscription") ?? o.Child("parent").Child("subscription_details").Reference("subscription"));
        (id, subscription) = (invoice ?? "", of ?? "");
        if (invoice is not { Length: > 0 and <= 255 }) return new StripeFact.Malformed("data.object.id: expected the invoice's id, a text");
        return of is null ? new StripeFact.Malformed("data.object.subscription: expected the subscription's id") : null;
    }

    private static string? Date(long? seconds) =>
        seconds is > 0 and < 253402300799 ? DateTimeOffset.FromUnixTimeSeconds(seconds.Value).ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture) : null;
}
