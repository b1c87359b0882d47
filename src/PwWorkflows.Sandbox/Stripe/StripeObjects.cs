using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace PwWorkflows.Sandbox.Stripe;

/// <summary>What Stripe knows of one checkout.</summary>
/// <param name="OrderId">Our order or batch number, in <c>client_reference_id</c> and the metadata.</param>
/// <param name="OrderType"><c>compliance</c> or <c>compliance_batch</c>.</param>
/// <param name="AmountCents">Total in cents.</param>
/// <param name="Email">The payer's address.</param>
/// <param name="CustomerName">The payer's name.</param>
/// <param name="Method"><c>card</c>, <c>ach</c> or <c>klarna</c>.</param>
public sealed record StripeCheckout(string OrderId, string OrderType, long AmountCents, string Email, string CustomerName, string Method)
{
    /// <summary>Id of the checkout session.</summary>
    public string SessionId { get; } = StripeIds.New("cs_test_", 58);

    /// <summary>Id of the payment intent; subscriptions have none on the session.</summary>
    public string PaymentIntent { get; } = StripeIds.New("pi_", 24);

    /// <summary>Id of the charge.</summary>
    public string Charge { get; } = StripeIds.New("ch_", 24);

    /// <summary>Id of the customer.</summary>
    public string Customer { get; } = StripeIds.New("cus_", 14);

    /// <summary>Id of the subscription when it is one, else null.</summary>
    public string? Subscription { get; init; }

    /// <summary>When the session was made.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>Cents refunded so far.</summary>
    public long RefundedCents { get; set; }
}

/// <summary>Ids as Stripe makes them.</summary>
public static class StripeIds
{
    /// <summary>A prefix and <paramref name="length"/> random letters and digits.</summary>
    public static string New(string prefix, int length) =>
        prefix + RandomNumberGenerator.GetString("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length);
}

/// <summary>The resources inside events, as API version 2026-10-28.endive shows them.</summary>
public static class StripeObjects
{
    /// <summary>The API version of events unless another is asked for.</summary>
    public const string ApiVersion = "2026-10-28.endive";

    /// <summary>An event around <paramref name="resource"/>.</summary>
    public static JsonObject Event(string id, string type, DateTimeOffset created, JsonNode? apiVersion, JsonObject resource) => new()
    {
        ["id"] = id,
        ["object"] = "event",
        ["api_version"] = apiVersion,
        ["created"] = created.ToUnixTimeSeconds(),
        ["data"] = new JsonObject { ["object"] = resource },
        ["livemode"] = false,
        ["pending_webhooks"] = 1,
        ["request"] = new JsonObject { ["id"] = null, ["idempotency_key"] = null },
        ["type"] = type,
    };

    /// <summary>The metadata our checkout gives a session.</summary>
    public static JsonObject Metadata(StripeCheckout c)
    {
        ArgumentNullException.ThrowIfNull(c);
        return new JsonObject { ["order_id"] = c.OrderId, ["order_type"] = c.OrderType };
    }

    /// <summary>A checkout session.</summary>
    public static JsonObject Session(StripeCheckout c, string status, string paymentStatus, JsonObject metadata)
    {
        ArgumentNullException.ThrowIfNull(c);
        var subscription = c.Subscription is not null;
        return new JsonObject
        {
            ["id"] = c.SessionId,
            ["object"] = "checkout.session",
            ["after_expiration"] = null,
            ["allow_promotion_codes"] = null,
            ["amount_subtotal"] = c.AmountCents,
            ["amount_total"] = c.AmountCents,
            ["automatic_tax"] = new JsonObject { ["enabled"] = false, ["liability"] = null, ["provider"] = null, ["status"] = null },
            ["billing_address_collection"] = null,
            ["cancel_url"] = "https://performancewest.net/order/cancelled",
            ["client_reference_id"] = c.OrderId,
            ["client_secret"] = null,
            ["collected_information"] = null,
            ["consent"] = null,
            ["consent_collection"] = null,
            ["created"] = c.Created.ToUnixTimeSeconds(),
            ["currency"] = "usd",
            ["currency_conversion"] = null,
            ["custom_fields"] = new JsonArray(),
            ["customer"] = c.Customer,
            ["customer_creation"] = "if_required",
            ["customer_details"] = new JsonObject
            {
                ["address"] = new JsonObject { ["city"] = null, ["country"] = "US", ["line1"] = null, ["line2"] = null, ["postal_code"] = "78701", ["state"] = null },
                ["email"] = c.Email,
                ["name"] = c.CustomerName,
                ["phone"] = null,
                ["tax_exempt"] = "none",
                ["tax_ids"] = new JsonArray(),
            },
            ["customer_email"] = c.Email,
            ["discounts"] = new JsonArray(),
            ["expires_at"] = c.Created.AddDays(1).ToUnixTimeSeconds(),
            ["invoice"] = null,
            ["livemode"] = false,
            ["locale"] = null,
            ["metadata"] = metadata,
            ["mode"] = subscription ? "subscription" : "payment",
            ["payment_intent"] = subscription || status == "expired" ? null : c.PaymentIntent,
            ["payment_link"] = null,
            ["payment_method_collection"] = subscription ? "always" : "if_required",
            ["payment_method_types"] = new JsonArray(PaymentMethodType(c)),
            ["payment_status"] = paymentStatus,
            ["phone_number_collection"] = new JsonObject { ["enabled"] = false },
            ["recovered_from"] = null,
            ["setup_intent"] = null,
            ["shipping_address_collection"] = null,
            ["shipping_cost"] = null,
            ["shipping_options"] = new JsonArray(),
            ["status"] = status,
            ["submit_type"] = null,
            ["subscription"] = c.Subscription,
            ["success_url"] = "https://performancewest.net/order/thanks",
            ["total_details"] = new JsonObject { ["amount_discount"] = 0, ["amount_shipping"] = 0, ["amount_tax"] = 0 },
            ["ui_mode"] = "hosted",
            ["url"] = null,
        };
    }

    /// <summary>A charge with what was refunded of it.</summary>
    public static JsonObject Charge(StripeCheckout c, long refunded, JsonObject metadata)
    {
        ArgumentNullException.ThrowIfNull(c);
        return new JsonObject
        {
            ["id"] = c.Charge,
            ["object"] = "charge",
            ["amount"] = c.AmountCents,
            ["amount_captured"] = c.AmountCents,
            ["amount_refunded"] = refunded,
            ["balance_transaction"] = StripeIds.New("txn_", 24),
            ["billing_details"] = new JsonObject { ["email"] = c.Email, ["name"] = c.CustomerName, ["phone"] = null },
            ["captured"] = true,
            ["created"] = c.Created.ToUnixTimeSeconds(),
            ["currency"] = "usd",
            ["customer"] = c.Customer,
            ["disputed"] = false,
            ["failure_code"] = null,
            ["failure_message"] = null,
            ["livemode"] = false,
            ["metadata"] = metadata,
            ["outcome"] = new JsonObject { ["network_status"] = "approved_by_network", ["risk_level"] = "normal", ["type"] = "authorized" },
            ["paid"] = true,
            ["payment_intent"] = c.PaymentIntent,
            ["payment_method_details"] = new JsonObject { ["type"] = PaymentMethodType(c) },
            ["receipt_email"] = c.Email,
            ["refunded"] = refunded >= c.AmountCents,
            ["status"] = "succeeded",
        };
    }

    /// <summary>A dispute; its metadata is its own and empty.</summary>
    public static JsonObject Dispute(StripeCheckout c, string status, string reason, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(c);
        return new JsonObject
        {
            ["id"] = StripeIds.New("du_", 24),
            ["object"] = "dispute",
            ["amount"] = c.AmountCents,
            ["balance_transactions"] = new JsonArray(),
            ["charge"] = c.Charge,
            ["created"] = now.ToUnixTimeSeconds(),
            ["currency"] = "usd",
            ["evidence_details"] = new JsonObject
            {
                ["due_by"] = now.AddDays(9).ToUnixTimeSeconds(),
                ["has_evidence"] = false,
                ["past_due"] = false,
                ["submission_count"] = 0,
            },
            ["is_charge_refundable"] = status.StartsWith("warning", StringComparison.Ordinal),
            ["livemode"] = false,
            ["metadata"] = new JsonObject(),
            ["payment_intent"] = c.PaymentIntent,
            ["reason"] = reason,
            ["status"] = status,
        };
    }

    /// <summary>An invoice of a subscription.</summary>
    public static JsonObject Invoice(StripeCheckout c, bool paid, string billingReason, JsonObject metadata, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(c);
        return new JsonObject
        {
            ["id"] = StripeIds.New("in_", 24),
            ["object"] = "invoice",
            ["amount_due"] = c.AmountCents,
            ["amount_paid"] = paid ? c.AmountCents : 0,
            ["amount_remaining"] = paid ? 0 : c.AmountCents,
            ["attempt_count"] = 1,
            ["attempted"] = true,
            ["billing_reason"] = billingReason,
            ["collection_method"] = "charge_automatically",
            ["created"] = now.ToUnixTimeSeconds(),
            ["currency"] = "usd",
            ["customer"] = c.Customer,
            ["customer_email"] = c.Email,
            ["customer_name"] = c.CustomerName,
            ["livemode"] = false,
            ["metadata"] = new JsonObject(),
            ["next_payment_attempt"] = paid ? null : now.AddDays(3).ToUnixTimeSeconds(),
            ["parent"] = new JsonObject
            {
                ["quote_details"] = null,
                ["subscription_details"] = new JsonObject { ["metadata"] = metadata, ["subscription"] = c.Subscription },
                ["type"] = "subscription_details",
            },
            ["period_end"] = now.ToUnixTimeSeconds(),
            ["period_start"] = now.AddMonths(-1).ToUnixTimeSeconds(),
            ["status"] = paid ? "paid" : "open",
            ["total"] = c.AmountCents,
        };
    }

    /// <summary>A subscription that has ended.</summary>
    public static JsonObject EndedSubscription(StripeCheckout c, JsonObject metadata, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(c);
        return new JsonObject
        {
            ["id"] = c.Subscription,
            ["object"] = "subscription",
            ["cancel_at"] = null,
            ["cancel_at_period_end"] = false,
            ["canceled_at"] = now.ToUnixTimeSeconds(),
            ["collection_method"] = "charge_automatically",
            ["created"] = c.Created.ToUnixTimeSeconds(),
            ["currency"] = "usd",
            ["customer"] = c.Customer,
            ["ended_at"] = now.ToUnixTimeSeconds(),
            ["livemode"] = false,
            ["metadata"] = metadata,
            ["status"] = "canceled",
        };
    }

    static string PaymentMethodType(StripeCheckout c) => c.Method == "ach" ? "us_bank_account" : c.Method;
}
