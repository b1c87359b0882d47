using System.Globalization;
using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Elsa.Workflows.UIHints;
using PwWorkflows.Activities.ErpNext;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Filings;

/// <summary>Tells the outside that a filing is in: the Sales Order moves on and the customer gets one mail.</summary>
public sealed class FilingDelivery(IOrders orders, SalesOrders erp, IMailSender mail, IAdminToDos todos)
{
    const string Marker = "sales-order-stuck";

    /// <summary>Advances the Sales Order, mails the customer and completes the order. May run again; nothing happens twice.</summary>
    /// <param name="orderNumber">The order.</param>
    /// <param name="cycle">The billing cycle of a renewal; empty for the order itself.</param>
    /// <param name="confirmationNumber">The portal's number.</param>
    /// <param name="submittedAt">Time of submission as the portal shows it.</param>
    /// <param name="serviceName">Name of the service as the customer knows it.</param>
    /// <param name="state">State the Sales Order is moved to.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <exception cref="NonRetryableException">There is no such order, or the configured states don't fit ERPNext.</exception>
    public async Task DeliverAsync(string orderNumber, string cycle, string confirmationNumber, string submittedAt, string serviceName, string state, CancellationToken ct)
    {
        var order = await orders.GetAsync(orderNumber, ct).ConfigureAwait(false) ?? throw new NonRetryableException($"There is no order {orderNumber}.");
        if (order.SalesOrder is { } salesOrder)
        {
            var stuck = await erp.AdvanceAsync(salesOrder, state, ct).ConfigureAwait(false) switch
            {
                AdvanceResult.NotAllowed refused => refused.Why,
                AdvanceResult.Missing => $"There is no Sales Order {salesOrder}.",
                _ => null,
            };
            // The form is in whatever ERPNext says: a person sorts the Sales Order out.
            if (stuck is null) await todos.CloseAsync(orderNumber, Marker, ct).ConfigureAwait(false);
            else await todos.RaiseAsync(new(order.ServiceSlug, orderNumber, Marker, $"The filing is in (confirmation {confirmationNumber}), but the Sales Order can't be moved to {state}: {stuck}") { SalesOrder = salesOrder }, ct).ConfigureAwait(false);
        }

        var entity = order.TelecomEntityId is { } id ? await orders.GetEntityAsync(id, ct).ConfigureAwait(false) : null;
        await mail.SendAsync(new($"mail:{orderNumber}:order-filed{(cycle.Length == 0 ? "" : ":" + cycle)}", order.CustomerEmail, "order-filed", new Dictionary<string, object?>
        {
            ["customer_name"] = order.CustomerName,
            ["order_number"] = orderNumber,
            ["service_name"] = serviceName,
            ["entity_name"] = entity?.LegalName,
            ["confirmation_number"] = confirmationNumber,
            ["filed_at"] = Shown(submittedAt),
        }, orderNumber), ct).ConfigureAwait(false);
        orders.EnlistFulfillmentStatus(orderNumber, FulfillmentStatuses.Completed);
        orders.EnlistTimeline(orderNumber, "completed", "The Sales Order was moved on and the customer was told.");
    }

    static string Shown(string time) => DateTimeOffset.TryParse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
        ? at.ToUniversalTime().ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture)
        : time;
}

/// <summary>Tells ERPNext and the customer that a filing is in.</summary>
[Activity("Pw", "Filings", "Moves the Sales Order on, mails the customer the confirmation number once, and completes the order.", DisplayName = "Deliver Filing", Kind = ActivityKind.Task)]
public sealed class DeliverFiling : CodeActivity
{
    /// <summary>Creates the activity.</summary>
    public DeliverFiling([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>The billing cycle of a renewal; empty for the order itself.</summary>
    [Input(Description = "The billing cycle of a renewal; empty for the order itself.")]
    public Input<string?> Cycle { get; set; } = default!;

    /// <summary>The portal's number.</summary>
    [Input(DisplayName = "Confirmation number", Description = "The portal's number.")]
    public Input<string> ConfirmationNumber { get; set; } = default!;

    /// <summary>Time of submission as the portal shows it.</summary>
    [Input(DisplayName = "Submitted at", Description = "Time of submission as the portal shows it.")]
    public Input<string> SubmittedAt { get; set; } = default!;

    /// <summary>Name of the service in the mail.</summary>
    [Input(DisplayName = "Service name", Description = "Name of the service in the mail.")]
    public Input<string> ServiceName { get; set; } = new("FCC Form 499-A");

    /// <summary>State of the Sales Order to reach.</summary>
    [Input(DisplayName = "Sales Order state", Description = "State of the Sales Order to reach.", UIHint = InputUIHints.DropDown, UIHandler = typeof(SalesOrderStates))]
    public Input<string> State { get; set; } = new("Delivered");

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        await context.GetRequiredService<FilingDelivery>().DeliverAsync(
            OrderNumber.Get(context), Cycle.GetOrDefault(context) ?? "", ConfirmationNumber.Get(context), SubmittedAt.Get(context), ServiceName.Get(context), State.Get(context), context.CancellationToken);
    }
}
