using System.Text.Json.Nodes;

namespace PwWorkflows.Activities.Orders;

/// <summary>Values of <see cref="Order.PaymentStatus"/>.</summary>
public static class PaymentStatuses
{
    /// <summary>Nothing paid yet.</summary>
    public const string Pending = "pending";
    /// <summary>Checkout finished, money under way (bank debit).</summary>
    public const string Processing = "processing";
    /// <summary>Paid.</summary>
    public const string Paid = "paid";
    /// <summary>The payment failed.</summary>
    public const string Failed = "failed";
    /// <summary>The checkout ran out unpaid.</summary>
    public const string Expired = "expired";
    /// <summary>Part of the money went back.</summary>
    public const string PartiallyRefunded = "partially_refunded";
    /// <summary>All of the money went back.</summary>
    public const string Refunded = "refunded";
    /// <summary>The customer's bank disputes the payment.</summary>
    public const string Disputed = "disputed";
}

/// <summary>Values of <see cref="Order.FulfillmentStatus"/>; names of the original where it has one.</summary>
public static class FulfillmentStatuses
{
    /// <summary>Not paid, nothing begun.</summary>
    public const string New = "new";
    /// <summary>Fulfilment has begun.</summary>
    public const string Begun = "begun";
    /// <summary>The Sales Order is Service Queued and the service is (or could not be) dispatched.</summary>
    public const string Queued = "service_queued";
    /// <summary>Paid, but the customer's answers are missing.</summary>
    public const string AwaitingIntake = "awaiting_intake";
    /// <summary>Waits for a signature or an officer's authorization.</summary>
    public const string AwaitingAuthorization = "awaiting_authorization";
    /// <summary>Waits for a portal session or something else of the outside.</summary>
    public const string WaitingOnActivation = "waiting_on_activation";
    /// <summary>Prepared; waits for a person's word.</summary>
    public const string ReadyToFile = "ready_to_file";
    /// <summary>The service is being carried out.</summary>
    public const string InProgress = "in_progress";
    /// <summary>Filed; afterwork may be left.</summary>
    public const string Filed = "filed";
    /// <summary>Everything done.</summary>
    public const string Completed = "completed";
    /// <summary>Stopped before filing (refund, dispute, cancelled). Nothing is filed any more.</summary>
    public const string Stopped = "stopped";
}

/// <summary>A paid service for one carrier: a row of <c>compliance_orders</c>.</summary>
/// <param name="OrderNumber"><c>CO-</c> (a service) or <c>CG-</c> (a government fee) and eight upper case hexadecimal digits.</param>
/// <param name="ServiceSlug">Key of the service, such as <c>fcc-499a</c>.</param>
/// <param name="CustomerName">The customer's name.</param>
/// <param name="CustomerEmail">Where mails to the customer go.</param>
public sealed record Order(string OrderNumber, string ServiceSlug, string CustomerName, string CustomerEmail)
{
    /// <summary><c>CB-…</c> when paid together with others.</summary>
    public string? BatchNumber { get; init; }
    /// <summary>The order whose government fee this one pays; only <c>CG-</c> orders have it.</summary>
    public string? ParentOrderNumber { get; init; }
    /// <summary>The carrier: id in <c>telecom_entities</c>.</summary>
    public int? TelecomEntityId { get; init; }
    /// <summary>Price in cents, surcharge included.</summary>
    public long AmountCents { get; init; }
    /// <summary>Lower case ISO 4217 code.</summary>
    public string Currency { get; init; } = "usd";
    /// <summary>One of <see cref="PaymentStatuses"/>.</summary>
    public string PaymentStatus { get; init; } = PaymentStatuses.Pending;
    /// <summary>How it was paid: <c>card</c>, <c>ach</c>, <c>klarna</c>, <c>paypal</c>, <c>crypto</c>.</summary>
    public string? PaymentMethod { get; init; }
    /// <summary>When it was paid.</summary>
    public DateTimeOffset? PaidAt { get; init; }
    /// <summary>Stripe's payment intent, by which refunds and disputes find the order.</summary>
    public string? PaymentIntent { get; init; }
    /// <summary>Stripe's subscription of a recurring service.</summary>
    public string? StripeSubscriptionId { get; init; }
    /// <summary>One of <see cref="FulfillmentStatuses"/>.</summary>
    public string FulfillmentStatus { get; init; } = FulfillmentStatuses.New;
    /// <summary>Why the order waits or was stopped, for people.</summary>
    public string? HoldReason { get; init; }
    /// <summary>Name of the ERPNext Sales Order, once there is one.</summary>
    public string? SalesOrder { get; init; }
    /// <summary>Whether the ERPNext portal account is done.</summary>
    public bool PortalUserCreated { get; init; }
    /// <summary>The customer's answers.</summary>
    public JsonObject IntakeData { get; init; } = [];
    /// <summary>Whether the answers were checked and found complete.</summary>
    public bool IntakeDataValidated { get; init; }
    /// <summary>What is known of the filing: confirmation number, evidence keys.</summary>
    public JsonObject FilingStatus { get; init; } = [];
    /// <summary>The carrier gives up the de minimis exemption.</summary>
    public bool WaiveDeMinimisExemption { get; init; }
    /// <summary>When the customer accepted the engagement.</summary>
    public DateTimeOffset? EngagementAcceptedAt { get; init; }
    /// <summary>Whether an engagement letter must be signed first (past-due or multi-year filings).</summary>
    public bool EngagementEsignRequired { get; init; }
    /// <summary>When the engagement letter was signed.</summary>
    public DateTimeOffset? EngagementEsignSignedAt { get; init; }
    /// <summary>When the order was placed.</summary>
    public DateTimeOffset CreatedAt { get; init; }
    /// <summary>When the government fee of this order came in, by its <c>CG-</c> order.</summary>
    public DateTimeOffset? GovFeePaidAt { get; init; }
    /// <summary>Whether an administrator must approve before anything is filed.</summary>
    public bool ApprovalRequired { get; init; }

    /// <summary>Refunded, disputed or cancelled before filing: nothing may be filed.</summary>
    public bool IsStopped =>
        FulfillmentStatus == FulfillmentStatuses.Stopped
        || (!IsFiled && PaymentStatus is (PaymentStatuses.Refunded or PaymentStatuses.Disputed));

    /// <summary>The form is at the authority.</summary>
    public bool IsFiled => FulfillmentStatus is FulfillmentStatuses.Filed or FulfillmentStatuses.Completed;
}

/// <summary>A carrier: a row of <c>telecom_entities</c>.</summary>
/// <param name="Id">Its number.</param>
/// <param name="LegalName">Its legal name.</param>
public sealed record TelecomEntity(int Id, string LegalName)
{
    /// <summary>FCC Registration Number, ten digits.</summary>
    public string? Frn { get; init; }
    /// <summary>USAC's Form 499 filer id.</summary>
    public string? FilerId499 { get; init; }
    /// <summary>All other fields by their column names of the original (<c>ceo_name</c>, <c>officer_1_street</c>, …).</summary>
    public JsonObject Fields { get; init; } = [];
}

/// <summary>An entry of an order's history.</summary>
/// <param name="At">When it happened.</param>
/// <param name="Event">Short stable name, such as <c>payment-confirmed</c>.</param>
/// <param name="Message">What happened, for people.</param>
public sealed record TimelineEntry(DateTimeOffset At, string Event, string Message);

/// <summary>The orders.</summary>
/// <remarks>
/// Methods that begin with <c>Enlist</c> are for workflow steps: they write with the step's commit (see
/// <see cref="Data.IPwDatabase.Enlist"/>). The others write at once.
/// </remarks>
public interface IOrders
{
    /// <summary>An order by its number; <c>null</c> when there is none.</summary>
    Task<Order?> GetAsync(string orderNumber, CancellationToken ct);

    /// <summary>The order whose Sales Order has this name; <c>null</c> when there is none.</summary>
    Task<Order?> FindBySalesOrderAsync(string salesOrder, CancellationToken ct);

    /// <summary>The orders paid together under a <c>CB-…</c> number, by number.</summary>
    Task<IReadOnlyList<Order>> GetBatchAsync(string batchNumber, CancellationToken ct);

    /// <summary>Places an order. The caller has checked price and answers.</summary>
    /// <exception cref="InvalidOperationException">There is an order of that number.</exception>
    Task AddAsync(Order order, CancellationToken ct);

    /// <summary>Whether the order was refunded, disputed or cancelled before it was filed. Ask right before anything irreversible.</summary>
    /// <exception cref="NonRetryableException">There is no such order.</exception>
    Task<bool> IsStoppedAsync(string orderNumber, CancellationToken ct);

    /// <summary>A carrier by id; <c>null</c> when there is none.</summary>
    Task<TelecomEntity?> GetEntityAsync(int id, CancellationToken ct);

    /// <summary>Adds a carrier, or replaces the one of that id.</summary>
    Task SaveEntityAsync(TelecomEntity entity, CancellationToken ct);

    /// <summary>The order's history, oldest first.</summary>
    Task<IReadOnlyList<TimelineEntry>> GetTimelineAsync(string orderNumber, CancellationToken ct);

    /// <summary>Adds to the history at once.</summary>
    Task AddTimelineAsync(string orderNumber, string @event, string message, CancellationToken ct);

    /// <summary>Adds to the history with the step's commit.</summary>
    void EnlistTimeline(string orderNumber, string @event, string message);

    /// <summary>Sets the fulfilment status and reason at once, unless the order is stopped or completed.</summary>
    /// <returns>Whether it was set.</returns>
    Task<bool> SetFulfillmentStatusAsync(string orderNumber, string status, string? holdReason, CancellationToken ct);

    /// <summary>Sets the fulfilment status and reason with the step's commit, unless the order is stopped or completed.</summary>
    void EnlistFulfillmentStatus(string orderNumber, string status, string? holdReason = null);

    /// <summary>Merges properties into <c>filing_status</c> (first level only) with the step's commit.</summary>
    void EnlistFilingStatus(string orderNumber, JsonObject properties);
}
