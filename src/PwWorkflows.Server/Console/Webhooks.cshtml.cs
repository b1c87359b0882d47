using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Data;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/webhooks</c>: everything that came in, refused requests too.</summary>
internal sealed class WebhooksPage : ConsolePage
{
    public Task<IActionResult> OnGetAsync(CancellationToken ct) => TableAsync(
        new Table<InboxLine>
        {
            Name = "webhooks",
            Select = WebhookReplay.Columns,
            From = "webhook_inbox",
            Key = "id",
            Map = WebhookReplay.Line,
            Sorts = [new("received", "id", Descending: true)],
            Filters =
            [
                new("status", "Outcome", "status = @status", TableFilter.Words("applied", "ignored", "duplicate", "waiting", "suspicious", "rejected", "gave_up")),
                new("order", "Order", "id IN (SELECT i.id FROM webhook_inbox i WHERE i.provider = 'stripe' AND i.event_id IN (SELECT event_id FROM order_payments WHERE order_number = @order) UNION SELECT i.id FROM webhook_inbox i WHERE i.status <> 'applied' AND i.order_number = @order)")
                    { Parse = static text => text.ToUpperInvariant() },
                new("event", "Event", "id IN (SELECT i.id FROM webhook_inbox i WHERE i.provider IN ('stripe', 'erpnext', 'jobs') AND i.event_id = @event)"),
            ],
            Columns =
            [
                new("Received", l => Show.Time(l.ReceivedAt), static l => l.ReceivedAt.ToString("O", CultureInfo.InvariantCulture)) { Sort = "received" },
                new("From", l => Show.Text(l.Provider), static l => l.Provider),
                new("Event", l => Show.Id(l.EventId ?? "request " + l.Id.ToString(CultureInfo.InvariantCulture), "/webhooks/" + l.Id.ToString(CultureInfo.InvariantCulture)), static l => l.EventId),
                new("Type", l => Show.Text(l.EventType), static l => l.EventType),
                new("Outcome", l => Show.State(l.Status), static l => l.Status),
                new("Order", l => l.OrderNumber is null ? Show.Text(null) : l.OrderNumber.Contains(' ', StringComparison.Ordinal) ? Show.Text(l.OrderNumber) : Show.Id(l.OrderNumber, OrdersPage.Url(l.OrderNumber)), static l => l.OrderNumber),
                new("Why", l => Show.Text(l.Reason), static l => l.Reason),
            ],
            Empty = new("Nothing has come in yet.", "Point Stripe's webhook at /api/v1/webhooks/stripe; every request shows up here, refused ones too."),
        },
        ct);
}
