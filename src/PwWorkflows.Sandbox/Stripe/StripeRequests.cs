using System.Text.Json.Nodes;

namespace PwWorkflows.Sandbox.Stripe;

/// <summary>How an event is signed and sent; shared by checkouts and single events.</summary>
public record DeliveryRequest
{
    /// <summary>False builds and keeps the event, but sends nothing; <c>POST /stripe/_resend</c> sends it later.</summary>
    public bool Deliver { get; init; } = true;

    /// <summary>How often it is sent besides the first time, one after the other.</summary>
    public int Duplicate { get; init; }

    /// <summary>Secrets to sign with, one <c>v1</c> each; the shared one when left out.</summary>
    public IReadOnlyList<string>? Secrets { get; init; }

    /// <summary>Seconds added to the time of signing; negative makes it stale.</summary>
    public int TimestampOffset { get; init; }

    /// <summary>The signature header to send instead of a made one; an empty text sends an empty header.</summary>
    public string? SignatureHeader { get; init; }

    /// <summary>Whether a failed delivery is tried again on the schedule.</summary>
    public bool Retry { get; init; } = true;
}

/// <summary>What <c>POST /stripe/_checkout</c> takes.</summary>
public sealed record CheckoutRequest : DeliveryRequest
{
    /// <summary>Slug of the service, such as <c>fcc-499a</c>; may be left out when <see cref="Batch"/> is given.</summary>
    public string? ServiceSlug { get; init; }

    /// <summary><c>card</c> (default), <c>ach</c> or <c>klarna</c>.</summary>
    public string Method { get; init; } = "card";

    /// <summary><c>CO-</c> and eight upper-case hex digits (<c>CB-</c> for a batch); random when left out.</summary>
    public string? OrderNumber { get; init; }

    /// <summary>The payer's address; the demo's when left out.</summary>
    public string? Email { get; init; }

    /// <summary>The payer's name; the demo's when left out.</summary>
    public string? CustomerName { get; init; }

    /// <summary><c>paid</c>, <c>unpaid</c> or <c>no_payment_required</c>. Left out: <c>paid</c>; for <c>ach</c> an unpaid session, then the success event.</summary>
    public string? PaymentStatus { get; init; }

    /// <summary>Number of a carrier with a portal account (1 to 3), or fields that replace the demo carrier's.</summary>
    public JsonNode? Entity { get; init; }

    /// <summary>Answers instead of the demo's; no authorization goes with them unless one is given.</summary>
    public JsonObject? Intake { get; init; }

    /// <summary>Answers that replace single ones of the demo's; a null takes one away. The demo's authorization stays, but no longer fits.</summary>
    public JsonObject? IntakePatch { get; init; }

    /// <summary>Whether an administrator must approve before the form is filed.</summary>
    public bool ApprovalRequired { get; init; }

    /// <summary>The officer's authorization; <c>false</c> for none.</summary>
    public JsonNode? OfficerAuthorization { get; init; }

    /// <summary>Slugs paid together: one order each, one event with the batch number.</summary>
    public IReadOnlyList<string>? Batch { get; init; }

    /// <summary>Price of each order in cents; the catalog's when left out.</summary>
    public long? AmountCents { get; init; }

    /// <summary>Whether it is a subscription.</summary>
    public bool Subscription { get; init; }

    /// <summary>False skips placing the order at the server: the event then names an order the server doesn't know.</summary>
    public bool Place { get; init; } = true;

    /// <summary>How long to wait for the Sales Order to appear in the sandbox's ERPNext before answering, in seconds.</summary>
    public double WaitSeconds { get; init; }
}

/// <summary>What <c>POST /stripe/_event</c> takes.</summary>
public sealed record EventRequest : DeliveryRequest
{
    /// <summary>Event type; any text.</summary>
    public string Type { get; init; } = "checkout.session.completed";

    /// <summary>The order or batch it is about; one that Stripe doesn't know is made up on the spot.</summary>
    public string? OrderNumber { get; init; }

    /// <summary>Event id; random when left out.</summary>
    public string? EventId { get; init; }

    /// <summary><c>payment_status</c> of a session; what fits the type when left out.</summary>
    public string? PaymentStatus { get; init; }

    /// <summary>API version; null is sent as null.</summary>
    public JsonNode? ApiVersion { get; init; } = StripeObjects.ApiVersion;

    /// <summary>
    /// Metadata of the resource: an object, <c>true</c> for the order's, <c>false</c> for none. Left out: the order's, but none on charges (a
    /// session's metadata does not reach them) and never on disputes.
    /// </summary>
    public JsonNode? Metadata { get; init; }

    /// <summary>Cents refunded by this refund; the rest of the charge when left out.</summary>
    public long? AmountRefunded { get; init; }

    /// <summary>Status of a dispute.</summary>
    public string DisputeStatus { get; init; } = "needs_response";

    /// <summary>Reason of a dispute.</summary>
    public string DisputeReason { get; init; } = "fraudulent";

    /// <summary><c>billing_reason</c> of an invoice.</summary>
    public string BillingReason { get; init; } = "subscription_cycle";

    /// <summary>Fields that replace single ones of the resource.</summary>
    public JsonObject? Resource { get; init; }

    /// <summary>The body to sign and send instead of a made one; need not be JSON.</summary>
    public string? Body { get; init; }
}

/// <summary>What <c>POST /stripe/_events</c> takes: several events, sent in another order or at once.</summary>
public sealed record EventsRequest
{
    /// <summary>The events.</summary>
    public required IReadOnlyList<EventRequest> Events { get; init; }

    /// <summary><c>given</c>, <c>reverse</c> or <c>random</c>.</summary>
    public string Order { get; init; } = "given";

    /// <summary>How many are under way at a time.</summary>
    public int Parallel { get; init; } = 1;
}

/// <summary>What <c>POST /stripe/_resend</c> takes.</summary>
public sealed record ResendRequest : DeliveryRequest
{
    /// <summary>Id of an event made before.</summary>
    public required string EventId { get; init; }
}
