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
    public sealed record Dispute(string DisputeId, string? PaymentIntent, string? OrderReference, long AmountCents, string Currency, string Reason, string Status, string? DueBy) : StripeFact;

    /// <summary>A recurring service was paid for one more cycle.</summary>
    public sealed record Renewal(string InvoiceId, string Subscription, long AmountCents, string Currency) : StripeFact;

    /// <summary>Nothing for us.</summary>
    public sealed record Ignored(string Why) : StripeFact;

    /// <summary>Rightly signed, but not what its type promises.</summary>
    public sealed record Malformed(string Why) : StripeFact;
}

/// <summary>What the rules need to know of an order.</summary>
internal sealed record PayableOrder(
    string OrderNumber, string ServiceSlug, long AmountCents, string Currency, string PaymentStatus, string FulfillmentStatus, string? SessionId, long RefundedCents);

/// <summary>What becomes of an event.</summary>
/// <param name="Outcome">Outcome of the activity.</param>
/// <param name="InboxStatus">Status of the inbox row.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="Orders">The orders it changes or concerns.</param>
internal sealed record StripeDecision(string Outcome, string InboxStatus, string Reason, IReadOnlyList<PayableOrder> Orders)
{
    /// <summary>New payment status of the orders; <c>null</c> to leave it.</summary>
    public string? NewStatus { get; init; }

    /// <summary>The billing cycle to serve, for renewals.</summary>
    public string Cycle { get; init; } = "";

    /// <summary>Short stable word for the ToDo, when a person should know.</summary>
    public string Marker { get; init; } = "";
}

/// <summary>Outcomes of the Stripe activities.</summary>
internal static class StripeOutcomes
{
    public const string Paid = "Paid";
    public const string Renewed = "Renewed";
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
            "invoice.paid" => Invoice(o),
            _ => new StripeFact.Ignored($"events of type {e.Type} are not used"),
        };
    }

    /// <summary>Decides what becomes of a fact, given the orders found for it.</summary>
    public static StripeDecision Decide(StripeFact fact, bool liveMode, bool expectsLiveMode, IReadOnlyList<PayableOrder> orders)
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
            StripeFact.Checkout checkout => DecideCheckout(checkout, orders),
            StripeFact.Refund refund => DecideRefund(refund, orders),
            StripeFact.Dispute dispute => DecideDispute(dispute, orders),
            StripeFact.Renewal renewal => DecideRenewal(renewal, orders),
            _ => throw new InvalidOperationException($"No rule for {fact.GetType().Name}."),
        };
    }

    private static StripeDecision DecideCheckout(StripeFact.Checkout checkout, IReadOnlyList<PayableOrder> orders)
    {
        if (checkout.NewStatus != PaymentStatuses.Paid)
        {
            // Late news about a checkout never takes a payment back; another session may have paid meanwhile.
            var open = orders.Where(static o => o.PaymentStatus is PaymentStatuses.Pending or PaymentStatuses.Processing or PaymentStatuses.Failed or PaymentStatuses.Expired)
                .Where(o => o.PaymentStatus != checkout.NewStatus)
                .Where(o => checkout.NewStatus != PaymentStatuses.Processing || o.PaymentStatus is not PaymentStatuses.Failed || o.SessionId != checkout.SessionId)
                .ToList();
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

        if (orders.All(o => IsPaidOrBeyond(o) && o.SessionId == checkout.SessionId))
            return new StripeDecision(StripeOutcomes.Duplicate, "duplicate", "this payment is known", orders);

        if (checkout.AmountCents is not { } amount || amount < 0) return Suspicious("amount_total is missing or negative", "stripe-amount", orders);
        var currency = orders[0].Currency;
        if (!string.Equals(checkout.Currency, currency, StringComparison.OrdinalIgnoreCase) || orders.Any(o => o.Currency != currency))
            return Suspicious($"it was paid in '{checkout.Currency}', but the order is in '{currency}'", "stripe-currency", orders);
        var due = orders.Sum(static o => o.AmountCents);
        if (amount != due)
            return Suspicious($"{JsonReading.Money(amount, currency)} were paid, but the order says {JsonReading.Money(due, currency)}", "stripe-amount", orders);

        var twice = orders.Where(IsPaidOrBeyond).Where(o => o.SessionId != checkout.SessionId).ToList();
        if (twice.Count > 0)
            return Suspicious($"{string.Join(", ", twice.Select(static o => o.OrderNumber))} was paid before by another checkout: one of the two payments must go back", "stripe-paid-twice", orders);

        var pay = orders.Where(static o => !IsPaidOrBeyond(o)).ToList();
        return new StripeDecision(StripeOutcomes.Paid, "applied", $"paid {JsonReading.Money(amount, currency)} by {checkout.Method}", pay) { NewStatus = PaymentStatuses.Paid };
    }

    private static StripeDecision DecideRefund(StripeFact.Refund refund, IReadOnlyList<PayableOrder> orders)
    {
        if (refund.AmountCents <= 0) return Suspicious("amount_refunded is not positive", "stripe-refund", orders);
        if (orders.All(o => o.RefundedCents >= refund.AmountCents))
            return new StripeDecision(StripeOutcomes.Duplicate, "duplicate", "this refund is known", orders);
        var what = $"{(refund.Full ? "all" : "part")} of the payment was refunded ({JsonReading.Money(refund.AmountCents, refund.Currency)})";
        return refund.Full
            ? new StripeDecision(StripeOutcomes.Stopped, "applied", what, orders) { NewStatus = PaymentStatuses.Refunded, Marker = "refunded" }
            : new StripeDecision(StripeOutcomes.Attention, "applied", what, orders) { NewStatus = PaymentStatuses.PartiallyRefunded, Marker = "partly-refunded" };
    }

    private static StripeDecision DecideDispute(StripeFact.Dispute dispute, IReadOnlyList<PayableOrder> orders)
    {
        var due = dispute.DueBy is null ? "" : $", answer due by {dispute.DueBy}";
        var what = $"the payment is disputed ({dispute.Reason}, {dispute.Status}, {JsonReading.Money(dispute.AmountCents, dispute.Currency)}{due})";
        if (orders.All(static o => o.PaymentStatus == PaymentStatuses.Disputed))
            return new StripeDecision(StripeOutcomes.Duplicate, "duplicate", "this dispute is known", orders);
        return new StripeDecision(StripeOutcomes.Stopped, "applied", what, orders) { NewStatus = PaymentStatuses.Disputed, Marker = "disputed" };
    }

    private static StripeDecision DecideRenewal(StripeFact.Renewal renewal, IReadOnlyList<PayableOrder> orders)
    {
        var currency = orders[0].Currency;
        if (renewal.AmountCents < 0 || !string.Equals(renewal.Currency, currency, StringComparison.OrdinalIgnoreCase))
            return Suspicious($"the renewal was paid with {JsonReading.Money(renewal.AmountCents, renewal.Currency)}, but the order is in '{currency}'", "stripe-renewal", orders);
        return new StripeDecision(StripeOutcomes.Renewed, "applied", $"paid for another cycle ({renewal.InvoiceId})", orders) { Cycle = renewal.InvoiceId };
    }

    private static StripeDecision Suspicious(string why, string marker, IReadOnlyList<PayableOrder> orders) =>
        new(StripeOutcomes.Attention, "suspicious", $"not taken as a payment: {why}", orders) { Marker = marker };

    private static bool IsPaidOrBeyond(PayableOrder o) =>
        o.PaymentStatus is PaymentStatuses.Paid or PaymentStatuses.PartiallyRefunded or PaymentStatuses.Refunded or PaymentStatuses.Disputed;

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
        if (metadata.Text("payment_method") is { Length: > 0 and <= 40 } named) return named;
        var types = session.Child("payment_method_types");
        if (types.ValueKind != JsonValueKind.Array || types.GetArrayLength() != 1) return "stripe";
        return types[0].ValueKind == JsonValueKind.String
            ? types[0].GetString() switch { "us_bank_account" => "ach", { Length: > 0 and <= 40 } type => type, _ => "stripe" }
            : "stripe";
    }

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
        var due = o.Child("evidence_details").Number("due_by") is { } seconds and > 0 and < 253402300799
            ? DateTimeOffset.FromUnixTimeSeconds(seconds).ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture)
            : null;
        var status = o.Text("status") ?? "unknown";
        if (status is "won" or "prevented" or "warning_closed") return new StripeFact.Ignored($"the dispute is over ({status})");
        return Locatable(o, out var intent, out var reference)
            ? new StripeFact.Dispute(id, intent, reference, o.Number("amount") ?? 0, o.Text("currency") ?? "usd", o.Text("reason") ?? "no reason given", status, due)
            : new StripeFact.Ignored("the dispute names neither payment intent nor order");
    }

    private static bool Locatable(JsonElement o, out string? intent, out string? reference)
    {
        intent = o.Reference("payment_intent");
        reference = o.Child("metadata").Text("order_number") ?? o.Child("metadata").Text("order_id");
        return intent is not null || reference is not null;
    }

    private static StripeFact Invoice(JsonElement o)
    {
        if (o.Text("id") is not { Length: > 0 and <= 255 } id) return new StripeFact.Malformed("data.object.id: expected the invoice's id, a text");
        if (o.Text("billing_reason") != "subscription_cycle") return new StripeFact.Ignored($"an invoice for '{o.Text("billing_reason")}' starts no cycle");
        // Newer API versions keep the subscription under parent.
        var subscription = o.Reference("subscription") ?? o.Child("parent").Child("subscription_details").Reference("subscription");
        if (subscription is null) return new StripeFact.Malformed("data.object.subscription: expected the subscription's id");
        if (o.Number("amount_paid") is not { } amount) return new StripeFact.Malformed("data.object.amount_paid: expected cents, a whole number");
        return new StripeFact.Renewal(id, subscription, amount, o.Text("currency") ?? "usd");
    }
}
