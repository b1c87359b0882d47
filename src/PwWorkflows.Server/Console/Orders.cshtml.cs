using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/orders</c>: find an order.</summary>
internal sealed class OrdersPage(IPwDatabase database) : ConsolePage
{
    private static readonly IReadOnlyList<(string, string)> Statuses = TableFilter.Words(
        FulfillmentStatuses.New, FulfillmentStatuses.Begun, FulfillmentStatuses.Queued, FulfillmentStatuses.AwaitingIntake, FulfillmentStatuses.AwaitingAuthorization, FulfillmentStatuses.WaitingOnActivation,
        FulfillmentStatuses.ReadyToFile, FulfillmentStatuses.InProgress, FulfillmentStatuses.Filed, FulfillmentStatuses.Completed, FulfillmentStatuses.Stopped);

    public Task<IActionResult> OnGetAsync(CancellationToken ct) => TableAsync(
        new Table<OrderLine>
        {
            Name = "orders",
            Select = "o.order_number, o.service_slug, o.payment_status, o.fulfillment_status, o.erpnext_sales_order, o.customer_name, o.amount_cents, o.currency, o.hold_reason, o.created_at",
            From = "compliance_orders o",
            Key = "o.order_number",
            Map = static r => new OrderLine(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.Text(4), r.GetString(5), r.GetInt64(6), r.GetString(7), r.Text(8), r.Time(9)),
            Sorts = [new("placed", "o.created_at", Descending: true), new("order", "o.order_number")],
            Filters =
            [
                new("q", "Order, Sales Order, customer, FRN or Filer ID", "") { Choose = Search, Parse = Typed },
                new("status", "Status", "o.fulfillment_status = @status", Statuses),
            ],
            Columns =
            [
                new("Order", o => Show.Id(o.OrderNumber, Url(o.OrderNumber)), static o => o.OrderNumber) { Sort = "order" },
                new("Customer", o => Show.Text(o.CustomerName), static o => o.CustomerName),
                new("Service", o => Show.Text(o.ServiceSlug), static o => o.ServiceSlug),
                new("Status", o => Show.State(o.FulfillmentStatus), static o => o.FulfillmentStatus),
                new("Sales Order", o => Show.Id(o.SalesOrder), static o => o.SalesOrder),
                new("Amount", o => Show.Text(Show.Money(o.AmountCents, o.Currency)), static o => o.AmountCents.ToString(CultureInfo.InvariantCulture)) { Right = true },
                new("Placed", o => Show.Time(o.CreatedAt), static o => o.CreatedAt.ToString("O", CultureInfo.InvariantCulture)) { Sort = "placed" },
                new("Currency", _ => Show.Text(""), static o => o.Currency) { CsvOnly = true },
                new("Payment", _ => Show.Text(""), static o => o.Status) { CsvOnly = true },
                new("Why it waits", _ => Show.Text(""), static o => o.HoldReason) { CsvOnly = true },
            ],
            Empty = new("No orders yet.", "An order appears as soon as its checkout is begun. In the sandbox, ./run places one."),
        },
        ct);

    /// <summary>An order's page.</summary>
    public static new string Url(string order) => "/orders/" + Uri.EscapeDataString(order);

    /// <summary>What a text can be, by its shape: each way is an index.</summary>
    private string Search(string text) => text switch
    {
        _ when text.StartsWith("CB-", StringComparison.OrdinalIgnoreCase) => "o.batch_number = @q",
        _ when text.StartsWith("CO-", StringComparison.OrdinalIgnoreCase) || text.StartsWith("CG-", StringComparison.OrdinalIgnoreCase) => "o.order_number = @q",
        _ when text.StartsWith("SAL-", StringComparison.OrdinalIgnoreCase) => "o.erpnext_sales_order = @q",
        _ when text.All(char.IsAsciiDigit) => "o.telecom_entity_id IN (SELECT id FROM telecom_entities WHERE frn = @q UNION SELECT id FROM telecom_entities WHERE filer_id_499 = @q)",
        _ => OrderSearch.CustomerBegins(database, "o.customer_name", "@q"),
    };

    private static string Typed(string text) => text.Length > 3 && text[2] == '-' || text.StartsWith("SAL-", StringComparison.OrdinalIgnoreCase) ? text.ToUpperInvariant() : text;
}
