using System.Data.Common;
using System.Text.Json.Nodes;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Orders;

/// <summary>The orders in the product's database (tables <c>compliance_orders</c>, <c>telecom_entities</c>, <c>order_timeline</c>).</summary>
public sealed class OrderStore(IPwDatabase database, TimeProvider time) : IOrders
{
    /// <summary>The columns that <see cref="Map"/> reads, in its order.</summary>
    internal const string Columns =
        """
        o.order_number, o.service_slug, o.customer_name, o.customer_email, o.batch_number, o.parent_order_number, o.telecom_entity_id, o.amount_cents,
        o.currency, o.payment_status, o.payment_method, o.paid_at, o.payment_intent, o.stripe_subscription_id, o.fulfillment_status, o.hold_reason,
        o.erpnext_sales_order, o.portal_user_created, o.intake_data, o.intake_data_validated, o.filing_status, o.waive_deminimis_exemption,
        o.engagement_accepted_at, o.engagement_esign_required, o.engagement_esign_signed_at, o.created_at, o.gov_fee_paid_at, o.approval_required
        """;

    /// <summary>How many they are.</summary>
    internal const int ColumnCount = 28;

    // A stopped or finished order keeps its state whatever a late step says.
    private const string StatusUpdate =
        """
        UPDATE compliance_orders SET fulfillment_status = @status, hold_reason = @reason, updated_at = @now
        WHERE order_number = @order AND fulfillment_status NOT IN ('stopped', 'completed')
        """;

    internal const string TimelineInsert = "INSERT INTO order_timeline (order_number, at, event, message) VALUES (@order, @at, @event, @message)";

    /// <inheritdoc />
    public Task<Order?> GetAsync(string orderNumber, CancellationToken ct) => OneAsync("o.order_number = @value", orderNumber, ct);

    /// <inheritdoc />
    public Task<Order?> FindBySalesOrderAsync(string salesOrder, CancellationToken ct) => OneAsync("o.erpnext_sales_order = @value", salesOrder, ct);

    /// <summary>The orders of a Stripe subscription.</summary>
    public async Task<IReadOnlyList<Order>> FindBySubscriptionAsync(string subscriptionId, CancellationToken ct) =>
        await ManyAsync("o.stripe_subscription_id = @value", subscriptionId, ct).ConfigureAwait(false);

    /// <inheritdoc />
    public async Task<IReadOnlyList<Order>> GetBatchAsync(string batchNumber, CancellationToken ct) =>
        await ManyAsync("o.batch_number = @value", batchNumber, ct).ConfigureAwait(false);

    /// <inheritdoc />
    public async Task AddAsync(Order order, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(order);
        var added = await database.ExecuteAsync(
            $"""
             INSERT INTO compliance_orders (order_number, service_slug, customer_name, customer_email, batch_number, parent_order_number, telecom_entity_id,
                 amount_cents, currency, payment_status, payment_method, paid_at, payment_intent, stripe_subscription_id, fulfillment_status, hold_reason,
                 erpnext_sales_order, portal_user_created, intake_data, intake_data_validated, filing_status, waive_deminimis_exemption,
                 engagement_accepted_at, engagement_esign_required, engagement_esign_signed_at, approval_required, created_at, updated_at)
             VALUES (@order, @slug, @name, @email, @batch, @parent, @entity, @amount, @currency, @payment_status, @method, @paid_at, @intent, @subscription,
                 @status, @reason, @sales_order, @portal, {database.Json("@intake")}, @validated, {database.Json("@filing")}, @waive,
                 @engaged, @esign, @signed, @approval, @created, @created)
             ON CONFLICT (order_number) DO NOTHING
             """,
            Parameters.Of(
                ("order", order.OrderNumber), ("slug", order.ServiceSlug), ("name", order.CustomerName), ("email", order.CustomerEmail), ("batch", order.BatchNumber),
                ("parent", order.ParentOrderNumber), ("entity", order.TelecomEntityId), ("amount", order.AmountCents), ("currency", order.Currency),
                ("payment_status", order.PaymentStatus), ("method", order.PaymentMethod), ("paid_at", order.PaidAt), ("intent", order.PaymentIntent),
                ("subscription", order.StripeSubscriptionId), ("status", order.FulfillmentStatus), ("reason", order.HoldReason), ("sales_order", order.SalesOrder),
                ("portal", order.PortalUserCreated), ("intake", order.IntakeData.ToJsonString()), ("validated", order.IntakeDataValidated),
                ("filing", order.FilingStatus.ToJsonString()), ("waive", order.WaiveDeMinimisExemption), ("engaged", order.EngagementAcceptedAt),
                ("esign", order.EngagementEsignRequired), ("signed", order.EngagementEsignSignedAt), ("approval", order.ApprovalRequired),
                ("created", order.CreatedAt == default ? time.GetUtcNow() : order.CreatedAt)),
            ct).ConfigureAwait(false);
        if (added == 0) throw new InvalidOperationException($"There is an order {order.OrderNumber} already.");
    }

    /// <inheritdoc />
    public async Task<bool> IsStoppedAsync(string orderNumber, CancellationToken ct)
    {
        // A refund that came in the same moment as its payment did not find the order yet and waits.
        var rows = await database.LookUpAsync(
            $"""
             SELECT {Columns}, (SELECT COUNT(*) FROM webhook_inbox w WHERE w.status = 'waiting' AND w.takes_back = o.payment_intent)
             FROM compliance_orders o WHERE o.order_number = @order
             """,
            Parameters.Of(("order", orderNumber)),
            static r => (Order: Map(r), TakenBack: r.GetInt64(ColumnCount)),
            ct).ConfigureAwait(false);
        return rows is [var row] ? row.Order.IsStopped || row.TakenBack > 0 : throw Unknown(orderNumber);
    }

    /// <inheritdoc />
    public async Task<TelecomEntity?> GetEntityAsync(int id, CancellationToken ct)
    {
        var rows = await database.LookUpAsync(
            "SELECT id, legal_name, frn, filer_id_499, fields FROM telecom_entities WHERE id = @id",
            Parameters.Of(("id", id)),
            static r => new TelecomEntity(r.GetInt32(0), r.GetString(1)) { Frn = r.Text(2), FilerId499 = r.Text(3), Fields = r.Object(4) },
            ct).ConfigureAwait(false);
        return rows.Count == 0 ? null : rows[0];
    }

    /// <inheritdoc />
    public async Task SaveEntityAsync(TelecomEntity entity, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(entity);
        await database.ExecuteAsync(
            $"""
             INSERT INTO telecom_entities (id, legal_name, frn, filer_id_499, fields, updated_at) VALUES (@id, @name, @frn, @filer, {database.Json("@fields")}, @now)
             ON CONFLICT (id) DO UPDATE SET legal_name = excluded.legal_name, frn = excluded.frn, filer_id_499 = excluded.filer_id_499,
                 fields = excluded.fields, updated_at = excluded.updated_at
             """,
            Parameters.Of(("id", entity.Id), ("name", entity.LegalName), ("frn", entity.Frn), ("filer", entity.FilerId499),
                ("fields", entity.Fields.ToJsonString()), ("now", time.GetUtcNow())),
            ct).ConfigureAwait(false);
    }

    /// <inheritdoc />
    public async Task<IReadOnlyList<TimelineEntry>> GetTimelineAsync(string orderNumber, CancellationToken ct) =>
        await database.LookUpAsync(
            "SELECT at, event, message FROM order_timeline WHERE order_number = @order ORDER BY id",
            Parameters.Of(("order", orderNumber)),
            static r => new TimelineEntry(r.Time(0), r.GetString(1), r.GetString(2)),
            ct).ConfigureAwait(false);

    /// <inheritdoc />
    public Task AddTimelineAsync(string orderNumber, string @event, string message, CancellationToken ct) =>
        database.ExecuteAsync(TimelineInsert, TimelineParameters(orderNumber, @event, message), ct);

    /// <inheritdoc />
    public void EnlistTimeline(string orderNumber, string @event, string message) =>
        database.Enlist(TimelineInsert, TimelineParameters(orderNumber, @event, message), 1);

    /// <inheritdoc />
    public async Task<bool> SetFulfillmentStatusAsync(string orderNumber, string status, string? holdReason, CancellationToken ct) =>
        await database.ExecuteAsync(StatusUpdate, StatusParameters(orderNumber, status, holdReason), ct).ConfigureAwait(false) == 1;

    /// <inheritdoc />
    public void EnlistFulfillmentStatus(string orderNumber, string status, string? holdReason = null) =>
        database.Enlist(StatusUpdate, StatusParameters(orderNumber, status, holdReason));

    /// <inheritdoc />
    public void EnlistFilingStatus(string orderNumber, JsonObject properties)
    {
        ArgumentNullException.ThrowIfNull(properties);
        database.Enlist(
            database.IsPostgres
                ? "UPDATE compliance_orders SET filing_status = filing_status || CAST(@properties AS jsonb), updated_at = @now WHERE order_number = @order"
                : "UPDATE compliance_orders SET filing_status = json_patch(filing_status, @properties), updated_at = @now WHERE order_number = @order",
            Parameters.Of(("properties", properties.ToJsonString()), ("now", time.GetUtcNow()), ("order", orderNumber)),
            1);
    }

    /// <summary>Links the Sales Order with the step's commit.</summary>
    public void EnlistSalesOrder(string orderNumber, string customer, string salesOrder) =>
        database.Enlist(
            "UPDATE compliance_orders SET erpnext_customer = @customer, erpnext_sales_order = @sales_order, updated_at = @now WHERE order_number = @order",
            Parameters.Of(("customer", customer), ("sales_order", salesOrder), ("now", time.GetUtcNow()), ("order", orderNumber)),
            1);

    /// <summary>Notes with the step's commit that the portal account is done.</summary>
    public void EnlistPortalUser(string orderNumber) =>
        database.Enlist(
            "UPDATE compliance_orders SET portal_user_created = @done, updated_at = @now WHERE order_number = @order",
            Parameters.Of(("done", true), ("now", time.GetUtcNow()), ("order", orderNumber)),
            1);

    /// <summary>Whether the order (and billing cycle) has been begun.</summary>
    internal async Task<bool> HasFulfilmentAsync(string orderNumber, string cycle, CancellationToken ct) =>
        (await database.LookUpAsync(
            "SELECT 1 FROM order_fulfilments WHERE order_number = @order AND cycle = @cycle",
            Parameters.Of(("order", orderNumber), ("cycle", cycle)),
            static r => r.GetInt32(0),
            ct).ConfigureAwait(false)).Count > 0;

    /// <summary>The order's row as read by <see cref="Columns"/>, from column <paramref name="c"/> on.</summary>
    internal static Order Map(DbDataReader r, int c = 0) =>
        new(r.GetString(c), r.GetString(c + 1), r.GetString(c + 2), r.GetString(c + 3))
        {
            BatchNumber = r.Text(c + 4),
            ParentOrderNumber = r.Text(c + 5),
            TelecomEntityId = r.Int(c + 6),
            AmountCents = r.GetInt64(c + 7),
            Currency = r.GetString(c + 8),
            PaymentStatus = r.GetString(c + 9),
            PaymentMethod = r.Text(c + 10),
            PaidAt = r.TimeOrNull(c + 11),
            PaymentIntent = r.Text(c + 12),
            StripeSubscriptionId = r.Text(c + 13),
            FulfillmentStatus = r.GetString(c + 14),
            HoldReason = r.Text(c + 15),
            SalesOrder = r.Text(c + 16),
            PortalUserCreated = r.GetBoolean(c + 17),
            IntakeData = r.Object(c + 18),
            IntakeDataValidated = r.GetBoolean(c + 19),
            FilingStatus = r.Object(c + 20),
            WaiveDeMinimisExemption = r.GetBoolean(c + 21),
            EngagementAcceptedAt = r.TimeOrNull(c + 22),
            EngagementEsignRequired = r.GetBoolean(c + 23),
            EngagementEsignSignedAt = r.TimeOrNull(c + 24),
            CreatedAt = r.Time(c + 25),
            GovFeePaidAt = r.TimeOrNull(c + 26),
            ApprovalRequired = r.GetBoolean(c + 27),
        };

    internal static NonRetryableException Unknown(string orderNumber) => new($"There is no order '{orderNumber}'.");

    private async Task<Order?> OneAsync(string where, string value, CancellationToken ct)
    {
        var rows = await ManyAsync(where, value, ct).ConfigureAwait(false);
        return rows.Count == 0 ? null : rows[0];
    }

    private Task<List<Order>> ManyAsync(string where, string value, CancellationToken ct) =>
        database.LookUpAsync(
            $"SELECT {Columns} FROM compliance_orders o WHERE {where} ORDER BY o.order_number",
            Parameters.Of(("value", value)),
            static r => Map(r),
            ct);

    private IReadOnlyList<KeyValuePair<string, object?>> TimelineParameters(string orderNumber, string @event, string message) =>
        Parameters.Of(("order", orderNumber), ("at", time.GetUtcNow()), ("event", @event), ("message", message));

    private IReadOnlyList<KeyValuePair<string, object?>> StatusParameters(string orderNumber, string status, string? reason) =>
        Parameters.Of(("status", status), ("reason", reason), ("now", time.GetUtcNow()), ("order", orderNumber));
}
