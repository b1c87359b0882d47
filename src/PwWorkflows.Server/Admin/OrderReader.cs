using System.Text.Json.Nodes;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Admin;

/// <summary>An order as it is listed.</summary>
public sealed record OrderLine(
    string OrderNumber, string ServiceSlug, string Status, string FulfillmentStatus, string? SalesOrder, string CustomerName, long AmountCents, string Currency, string? HoldReason, DateTimeOffset CreatedAt);

/// <summary>What is known of an order's filing.</summary>
/// <param name="ConfirmationNumber">The authority's number.</param>
/// <param name="Evidence">Bucket and folder of the evidence.</param>
/// <param name="SubmittedAt">When it was submitted, as the portal shows it.</param>
/// <param name="ManifestSha256">Hash of the evidence's manifest.</param>
public sealed record FilingView(string ConfirmationNumber, string? Evidence, string? SubmittedAt, string? ManifestSha256);

/// <summary>An order with everything an operator asks for.</summary>
public sealed record OrderView(
    string OrderNumber, string ServiceSlug, string Status, string FulfillmentStatus, string? HoldReason, string? SalesOrder, string CustomerName, string CustomerEmail,
    long AmountCents, string Currency, string? PaymentMethod, DateTimeOffset? PaidAt, string? BatchNumber, int? TelecomEntityId, DateTimeOffset CreatedAt,
    IReadOnlyList<WorkflowInstanceInfo> WorkflowInstances, FilingView? Filing, IReadOnlyList<TimelineEntry> Timeline);

/// <summary>Reads orders for people.</summary>
public sealed class OrderReader(IPwDatabase database, IOrders orders, IWorkflowAdmin workflows)
{
    /// <summary>Orders, newest first.</summary>
    /// <param name="fulfillmentStatus">Only those of a fulfilment status; <c>null</c> for all.</param>
    /// <param name="skip">Leave out so many.</param>
    /// <param name="take">At most so many.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<IReadOnlyList<OrderLine>> ListAsync(string? fulfillmentStatus, int skip, int take, CancellationToken ct) =>
        await database.QueryAsync(
            """
            SELECT order_number, service_slug, payment_status, fulfillment_status, erpnext_sales_order, customer_name, amount_cents, currency, hold_reason, created_at FROM compliance_orders
            WHERE (@status = '' OR fulfillment_status = @status) ORDER BY created_at DESC, order_number LIMIT @take OFFSET @skip
            """,
            Parameters.Of(("status", fulfillmentStatus ?? ""), ("take", (long)take), ("skip", (long)skip)),
            static r => new OrderLine(
                r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.Text(4), r.GetString(5), r.GetInt64(6), r.GetString(7), r.Text(8), r.Time(9)),
            ct).ConfigureAwait(false);

    /// <summary>An order; <c>null</c> when there is none.</summary>
    public async Task<OrderView?> FindAsync(string orderNumber, CancellationToken ct)
    {
        if (await orders.GetAsync(orderNumber, ct).ConfigureAwait(false) is not { } o) return null;
        var cycles = await database.QueryAsync(
            "SELECT cycle FROM order_fulfilments WHERE order_number = @order AND cycle <> '' ORDER BY begun_at", Parameters.Of(("order", orderNumber)), static r => r.GetString(0), ct).ConfigureAwait(false);
        var instances = new List<WorkflowInstanceInfo>();
        foreach (var cycle in (string[])["", .. cycles])
            instances.AddRange((await workflows.ListInstancesAsync(new WorkflowInstanceQuery { CorrelationId = Fulfilment.Correlation(orderNumber, cycle), Take = 200 }, ct).ConfigureAwait(false)).Items);
        return new OrderView(
            o.OrderNumber, o.ServiceSlug, o.PaymentStatus, o.FulfillmentStatus, o.HoldReason, o.SalesOrder, o.CustomerName, o.CustomerEmail,
            o.AmountCents, o.Currency, o.PaymentMethod, o.PaidAt, o.BatchNumber, o.TelecomEntityId, o.CreatedAt,
            instances, Filing(o.FilingStatus), await orders.GetTimelineAsync(orderNumber, ct).ConfigureAwait(false));
    }

    private static FilingView? Filing(JsonObject status)
    {
        string? Part(string name) => status[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
        return Part("confirmation_number") is { Length: > 0 } number ? new(number, Part("evidence"), Part("submitted_at"), Part("manifest_sha256")) : null;
    }
}
