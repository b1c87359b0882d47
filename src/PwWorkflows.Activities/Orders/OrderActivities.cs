using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Elsa.Workflows.UIHints;
using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.ErpNext;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Orders;

/// <summary>Begins an order once, whatever the door it came by.</summary>
[Activity("Pw", "Orders", "Begins the fulfilment of an order, once per order and billing cycle, whatever the door it came by.", DisplayName = "Begin Fulfilment")]
[FlowNode("Begun", "AlreadyBegun", "GovernmentFee", "Unknown", "Stopped")]
public sealed class BeginFulfilment : Activity
{
    /// <summary>Creates the activity.</summary>
    public BeginFulfilment([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>The billing cycle of a renewal; empty for the order itself.</summary>
    [Input(Description = "The billing cycle of a renewal; empty for the order itself.")]
    public Input<string?> Cycle { get; set; } = default!;

    /// <summary>How the order came: stripe, erpnext, jobs.</summary>
    [Input(Description = "How the order came.", UIHint = InputUIHints.DropDown, Options = new[] { "stripe", "erpnext", "jobs" })]
    public Input<string?> Door { get; set; } = default!;

    /// <summary>Key of the service.</summary>
    [Output(DisplayName = "Service slug", Description = "Key of the service, such as fcc-499a.")]
    public Output<string> ServiceSlug { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var (outcome, order) = await context.GetRequiredService<Fulfilment>().BeginAsync(
            OrderNumber.Get(context), Cycle.GetOrDefault(context) ?? "", Door.GetOrDefault(context) is { Length: > 0 } door ? door : "unknown", context.WorkflowExecutionContext.Id, context.CancellationToken);
        context.Set(ServiceSlug, order?.ServiceSlug ?? "unknown");
        await context.CompleteActivityWithOutcomesAsync(outcome);
    }
}

/// <summary>Makes sure that the order has its Sales Order.</summary>
[Activity("Pw", "ERPNext", "Finds or makes the customer and the Sales Order of an order, and links it.", DisplayName = "Ensure Sales Order")]
public sealed class EnsureSalesOrder : CodeActivity
{
    /// <summary>Creates the activity.</summary>
    public EnsureSalesOrder([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>Name of the Sales Order.</summary>
    [Output(DisplayName = "Sales Order", Description = "Name of the Sales Order, such as SAL-ORD-2026-00042.")]
    public Output<string> SalesOrder { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var orders = context.GetRequiredService<OrderStore>();
        var number = OrderNumber.Get(context);
        var order = await orders.GetAsync(number, context.CancellationToken) ?? throw OrderStore.Unknown(number);
        if (order.SalesOrder is { } linked)
        {
            context.Set(SalesOrder, linked);
            return;
        }

        var link = await context.GetRequiredService<SalesOrders>().EnsureSalesOrderAsync(order, context.CancellationToken);
        orders.EnlistSalesOrder(number, link.Customer, link.SalesOrder);
        orders.EnlistTimeline(number, "sales-order", $"Sales Order {link.SalesOrder} of customer {link.Customer}.");
        context.Set(SalesOrder, link.SalesOrder);
    }
}

/// <summary>Makes sure that the customer has a portal account.</summary>
[Activity("Pw", "ERPNext", "Makes the customer's ERPNext portal account, unless there is one or the address can't receive mail.", DisplayName = "Ensure Portal User")]
public sealed class EnsurePortalUser : CodeActivity
{
    /// <summary>Creates the activity.</summary>
    public EnsurePortalUser([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var orders = context.GetRequiredService<OrderStore>();
        var number = OrderNumber.Get(context);
        var order = await orders.GetAsync(number, context.CancellationToken) ?? throw OrderStore.Unknown(number);
        if (order.PortalUserCreated) return;
        if (await context.GetRequiredService<SalesOrders>().EnsurePortalUserAsync(order.CustomerEmail, order.CustomerName, context.CancellationToken))
            orders.EnlistPortalUser(number);
    }
}

/// <summary>Moves a Sales Order forward.</summary>
[Activity("Pw", "ERPNext", "Moves a Sales Order forward to a state. At that state or beyond already counts as done.", DisplayName = "Advance Sales Order")]
[FlowNode("Done", "NotAllowed", "Missing")]
public sealed class AdvanceSalesOrder : Activity
{
    /// <summary>Creates the activity.</summary>
    public AdvanceSalesOrder([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>Name of the Sales Order; the order's own when not given.</summary>
    [Input(DisplayName = "Sales Order", Description = "Name of the Sales Order; the order's own when empty.")]
    public Input<string?> SalesOrder { get; set; } = default!;

    /// <summary>The state to reach.</summary>
    [Input(Description = "The state to reach, such as Service Queued.", UIHint = InputUIHints.DropDown, UIHandler = typeof(SalesOrderStates))]
    public Input<string> State { get; set; } = new("Service Queued");

    /// <summary>Why it was not moved, for people.</summary>
    [Output(Description = "Why it was not moved, for people.")]
    public Output<string> Reason { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var orders = context.GetRequiredService<OrderStore>();
        var number = OrderNumber.Get(context);
        var state = State.Get(context);
        var name = SalesOrder.GetOrDefault(context);
        if (string.IsNullOrEmpty(name))
        {
            var order = await orders.GetAsync(number, context.CancellationToken) ?? throw OrderStore.Unknown(number);
            name = order.SalesOrder ?? throw new NonRetryableException($"The order {number} has no Sales Order yet.");
        }

        switch (await context.GetRequiredService<SalesOrders>().AdvanceAsync(name, state, context.CancellationToken))
        {
            case AdvanceResult.Reached reached:
                orders.EnlistTimeline(number, "sales-order-state", reached.Moved ? $"Sales Order {name} moved to {reached.State}." : $"Sales Order {name} is {reached.State} already.");
                if (state == "Service Queued") orders.EnlistFulfillmentStatus(number, FulfillmentStatuses.Queued);
                OrderLog.Advanced(context.GetRequiredService<ILogger<AdvanceSalesOrder>>(), name, state);
                await context.CompleteActivityWithOutcomesAsync("Done");
                break;
            case AdvanceResult.NotAllowed refused:
                context.Set(Reason, refused.Why);
                await context.CompleteActivityWithOutcomesAsync("NotAllowed");
                break;
            default:
                context.Set(Reason, $"There is no Sales Order {name}.");
                await context.CompleteActivityWithOutcomesAsync("Missing");
                break;
        }
    }
}

/// <summary>Starts the workflow that carries the order's service out.</summary>
[Activity("Pw", "Orders", "Starts the workflow service-<slug> for an order, once per order and billing cycle.", DisplayName = "Dispatch Service")]
[FlowNode("Dispatched", "AlreadyDispatched", "Unknown")]
public sealed class DispatchService : Activity
{
    /// <summary>Creates the activity.</summary>
    public DispatchService([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>The billing cycle of a renewal; empty for the order itself.</summary>
    [Input(Description = "The billing cycle of a renewal; empty for the order itself.")]
    public Input<string?> Cycle { get; set; } = default!;

    /// <summary>What stands before the slug in the id of the workflow.</summary>
    [Input(Description = "What stands before the slug in the id of the workflow.")]
    public Input<string> Prefix { get; set; } = new("service-");

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var started = await context.GetRequiredService<Fulfilment>().DispatchServiceAsync(
            OrderNumber.Get(context), Cycle.GetOrDefault(context) ?? "", Prefix.GetOrDefault(context) ?? "service-", context.WorkflowExecutionContext.Id, context.CancellationToken);
        await context.CompleteActivityWithOutcomesAsync(started switch { null => "Unknown", true => "Dispatched", false => "AlreadyDispatched" });
    }
}

/// <summary>Goes on with the order whose government fee was paid.</summary>
[Activity("Pw", "Orders", "Notes a paid government fee (CG- order) on the order it belongs to, and starts that order's service once more with GovFeePaid if it ran already.", DisplayName = "Dispatch Parent")]
[FlowNode("Dispatched", "Noted", "Unknown", "Stopped")]
public sealed class DispatchParent : Activity
{
    /// <summary>Creates the activity.</summary>
    public DispatchParent([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The government fee order.</summary>
    [Input(DisplayName = "Order number", Description = "The government fee order, such as CG-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>What stands before the slug in the id of the workflow.</summary>
    [Input(Description = "What stands before the slug in the id of the workflow.")]
    public Input<string> Prefix { get; set; } = new("service-");

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        await context.CompleteActivityWithOutcomesAsync(await context.GetRequiredService<Fulfilment>().DispatchParentAsync(
            OrderNumber.Get(context), Prefix.GetOrDefault(context) ?? "service-", context.WorkflowExecutionContext.Id, context.CancellationToken));
    }
}

/// <summary>Starts the fulfilment of one or several orders.</summary>
[Activity("Pw", "Orders", "Starts order-fulfilment for each order: the orders of a batch each get their own.", DisplayName = "Dispatch Fulfilment")]
public sealed class DispatchFulfilment : CodeActivity
{
    /// <summary>Creates the activity.</summary>
    public DispatchFulfilment([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The orders.</summary>
    [Input(Description = "The orders, one or several numbers.")]
    public Input<ICollection<string>> Orders { get; set; } = default!;

    /// <summary>The billing cycle of a renewal; empty for the orders themselves.</summary>
    [Input(Description = "The billing cycle of a renewal; empty for the orders themselves.")]
    public Input<string?> Cycle { get; set; } = default!;

    /// <summary>How the orders came: stripe, erpnext, jobs.</summary>
    [Input(Description = "How the orders came.", UIHint = InputUIHints.DropDown, Options = new[] { "stripe", "erpnext", "jobs" })]
    public Input<string> Door { get; set; } = default!;

    /// <summary>The workflow to start.</summary>
    [Input(DisplayName = "Workflow", Description = "Id of the workflow to start.", UIHint = InputUIHints.WorkflowDefinitionPicker)]
    public Input<string> Workflow { get; set; } = new("order-fulfilment");

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var workflow = Workflow.GetOrDefault(context) ?? "order-fulfilment";
        var cycle = Cycle.GetOrDefault(context) ?? "";
        foreach (var order in Orders.GetOrDefault(context) ?? [])
        {
            var input = new Dictionary<string, object> { ["OrderNumber"] = order, ["Door"] = Door.GetOrDefault(context) ?? "unknown", ["Cycle"] = cycle };
            if (!await context.GetRequiredService<IWorkflowDispatch>().TryDispatchAsync(workflow, Fulfilment.Correlation(order, cycle), input, context.CancellationToken))
                throw new InvalidOperationException($"The workflow '{workflow}' is not published, so {order} can't be carried out.");
        }
    }
}

/// <summary>Starts the workflow that deals with an order that must stop, or that a person should look at.</summary>
[Activity("Pw", "Orders", "Starts a workflow such as order-stopped or order-attention for each order, or once for what has no order.", DisplayName = "Dispatch Attention")]
public sealed class DispatchAttention : CodeActivity
{
    /// <summary>Creates the activity.</summary>
    public DispatchAttention([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The orders; empty when none is known.</summary>
    [Input(Description = "The orders; empty when none is known.")]
    public Input<ICollection<string>> Orders { get; set; } = default!;

    /// <summary>Stands for the order when none is known, such as the event's id.</summary>
    [Input(Description = "Stands for the order when none is known, such as the event's id.")]
    public Input<string?> Subject { get; set; } = default!;

    /// <summary>Short stable word for the reason.</summary>
    [Input(Description = "Short stable word for the reason, such as refunded.")]
    public Input<string> Marker { get; set; } = default!;

    /// <summary>What happened, for people.</summary>
    [Input(Description = "What happened, for people.")]
    public Input<string> Reason { get; set; } = default!;

    /// <summary>The billing cycle it is about; empty for the orders themselves.</summary>
    [Input(Description = "The billing cycle it is about; empty for the orders themselves.")]
    public Input<string?> Cycle { get; set; } = default!;

    /// <summary>The workflow to start.</summary>
    [Input(Description = "Id of the workflow to start.", UIHint = InputUIHints.WorkflowDefinitionPicker)]
    public Input<string> Workflow { get; set; } = new("order-attention");

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var orders = Orders.GetOrDefault(context) ?? [];
        var workflow = Workflow.GetOrDefault(context) ?? "order-attention";
        var marker = Marker.GetOrDefault(context) ?? "attention";
        foreach (var order in orders.Count > 0 ? orders : [Subject.GetOrDefault(context) ?? "unknown"])
        {
            var input = new Dictionary<string, object> { ["OrderNumber"] = order, ["Marker"] = marker, ["Reason"] = Reason.GetOrDefault(context) ?? "", ["Cycle"] = Cycle.GetOrDefault(context) ?? "" };
            if (!await context.GetRequiredService<IWorkflowDispatch>().TryDispatchAsync(workflow, order, input, context.CancellationToken))
                throw new InvalidOperationException($"The workflow '{workflow}' is not published, so nobody would hear of {order}: {marker}.");
        }
    }
}

/// <summary>Stops an order that is not filed yet.</summary>
[Activity("Pw", "Orders", "Stops an order before filing (refund, dispute, cancelled). A filed order can't be stopped.", DisplayName = "Stop Order")]
[FlowNode("Stopped", "AlreadyStopped", "Filed", "Unknown")]
public sealed class StopOrder : Activity
{
    /// <summary>Creates the activity.</summary>
    public StopOrder([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>Why, for people.</summary>
    [Input(Description = "Why, for people.")]
    public Input<string> Reason { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var outcome = await context.GetRequiredService<Fulfilment>().StopAsync(OrderNumber.Get(context), Reason.Get(context), context.CancellationToken);
        await context.CompleteActivityWithOutcomesAsync(outcome);
    }
}

/// <summary>Adds a line to an order's history.</summary>
[Activity("Pw", "Orders", "Adds a line to an order's history.", DisplayName = "Record Timeline")]
public sealed class RecordTimeline : CodeActivity
{
    /// <summary>Creates the activity.</summary>
    public RecordTimeline([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>Short stable name of what happened.</summary>
    [Input(Description = "Short stable name of what happened.")]
    public Input<string> Event { get; set; } = default!;

    /// <summary>What happened, for people.</summary>
    [Input(Description = "What happened, for people.")]
    public Input<string> Message { get; set; } = default!;

    /// <inheritdoc />
    protected override void Execute(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.GetRequiredService<IOrders>().EnlistTimeline(OrderNumber.Get(context), Event.Get(context), Message.Get(context));
    }
}

/// <summary>Gives administrators something to do.</summary>
[Activity("Pw", "Notifications", "Raises a ToDo for the administrators, unless an open one with the same order and marker exists. Never fails the workflow.", DisplayName = "Raise ToDo")]
public sealed class RaiseToDo : CodeActivity
{
    /// <summary>Creates the activity.</summary>
    public RaiseToDo([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D, or what else it is about.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>Short stable word for the reason.</summary>
    [Input(Description = "Short stable word for the reason, such as unknown-service.")]
    public Input<string> Marker { get; set; } = default!;

    /// <summary>What happened and what to do, for people.</summary>
    [Input(Description = "What happened and what to do, for people.", UIHint = "multiline")]
    public Input<string> Instructions { get; set; } = default!;

    /// <summary>The job it comes from, when it is about no order.</summary>
    [Input(Description = "The job it comes from, such as pw-usf-factor-monitor, when it is about no order.")]
    public Input<string?> Job { get; set; } = default!;

    /// <summary>Raise nothing; only tell.</summary>
    [Input(DisplayName = "Dry run", Description = "Raise nothing; only tell.")]
    public Input<bool> DryRun { get; set; } = new(false);

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (DryRun.GetOrDefault(context))
        {
            context.AddExecutionLogEntry("DryRun", $"Would raise a ToDo: {OrderNumber.Get(context)}, {Marker.Get(context)}: {Instructions.Get(context)}");
            return;
        }

        var number = OrderNumber.Get(context);
        var order = await context.GetRequiredService<IOrders>().GetAsync(number, context.CancellationToken);
        var request = new ToDoRequest(order?.ServiceSlug ?? (Job.GetOrDefault(context) is { Length: > 0 } job ? job : "unknown"), number, Marker.Get(context), Instructions.Get(context)) { SalesOrder = order?.SalesOrder };
        await context.GetRequiredService<IAdminToDos>().RaiseAsync(request, context.CancellationToken);
    }
}

/// <summary>Mails the customer.</summary>
[Activity("Pw", "Notifications", "Mails the customer of an order from a template, once per order (once per batch for order-received).", DisplayName = "Notify Customer")]
public sealed class NotifyCustomer : CodeActivity
{
    /// <summary>Creates the activity.</summary>
    public NotifyCustomer([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>Name of the template.</summary>
    [Input(Description = "Name of the template, such as order-received.", UIHint = InputUIHints.DropDown, UIHandler = typeof(MailTemplateChoices))]
    public Input<string> Template { get; set; } = default!;

    /// <summary>The billing cycle of a renewal; empty for the order itself.</summary>
    [Input(Description = "The billing cycle of a renewal; empty for the order itself.")]
    public Input<string?> Cycle { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var orders = context.GetRequiredService<IOrders>();
        var number = OrderNumber.Get(context);
        var template = Template.Get(context);
        var cycle = Cycle.GetOrDefault(context) ?? "";
        var order = await orders.GetAsync(number, context.CancellationToken) ?? throw OrderStore.Unknown(number);
        if (CustomerAddresses.IsPlaceholder(order.CustomerEmail))
        {
            // A mail to nobody is no reason to hold the order up.
            await context.GetRequiredService<IAdminToDos>().RaiseAsync(new ToDoRequest(order.ServiceSlug, number, "customer-address", $"The customer can't be mailed ({template}): '{order.CustomerEmail}' stands in for an address. Ask the customer for a real one.") { SalesOrder = order.SalesOrder }, context.CancellationToken);
            orders.EnlistTimeline(number, "mail", $"The customer was not mailed ({template}): there is no real address.");
            return;
        }

        var entity = order.TelecomEntityId is { } id ? await orders.GetEntityAsync(id, context.CancellationToken) : null;
        var subject = template == "order-received" && order.BatchNumber is { } batch ? batch : number;
        var key = cycle.Length == 0 ? $"mail:{subject}:{template}" : $"mail:{subject}:{template}:{cycle}";
        var names = context.GetRequiredService<SalesOrders>().Workflow;
        var services = subject == number ? [order] : await orders.GetBatchAsync(subject, context.CancellationToken);
        var values = new Dictionary<string, object?>
        {
            ["customer_name"] = order.CustomerName,
            ["order_number"] = subject,
            ["service_name"] = string.Join(", ", services.Select(o => names.NameFor(o.ServiceSlug)).Distinct()),
            ["entity_name"] = entity?.LegalName,
            ["confirmation_number"] = order.FilingStatus["confirmation_number"]?.ToString(),
        };
        await context.GetRequiredService<IMailSender>().SendAsync(new MailToSend(key, order.CustomerEmail, template, values, number), context.CancellationToken);
        orders.EnlistTimeline(number, "mail", $"The customer was mailed ({template}).");
    }
}

/// <summary>Lets ERPNext's webhook in.</summary>
[Activity("Pw", "Orders", "Checks a call of ERPNext's webhook (shared secret or X-Frappe-Webhook-Signature over the raw body) and finds its order.", DisplayName = "Authenticate Service Queued")]
[FlowNode("Accepted", "Rejected", "Invalid", "Unknown")]
public sealed class AuthenticateServiceQueued : Activity
{
    /// <summary>Creates the activity.</summary>
    public AuthenticateServiceQueued([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order found, as a list of one.</summary>
    [Output(Description = "The order found, as a list of one.")]
    public Output<ICollection<string>> Orders { get; set; } = default!;

    /// <summary>Why it was not taken.</summary>
    [Output(Description = "Why it was not taken.")]
    public Output<string> Reason { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var request = await IncomingRequest.ReadAsync(context);
        var (outcome, reason, order) = await context.GetRequiredService<ServiceDoors>().QueuedAsync(request, context.WorkflowExecutionContext.Id, context.CancellationToken);
        context.Set(Orders, order.Length == 0 ? [] : (ICollection<string>)[order]);
        context.Set(Reason, reason);
        await context.CompleteActivityWithOutcomesAsync(outcome);
    }
}

/// <summary>Lets calls of the old job server in.</summary>
[Activity("Pw", "Orders", "Checks a call to /jobs (WEBHOOK_SECRET as bearer token or X-Webhook-Secret; action process_compliance_service) and finds its order.", DisplayName = "Read Job")]
[FlowNode("Accepted", "Rejected", "Invalid", "Unknown")]
public sealed class ReadJob : Activity
{
    /// <summary>Creates the activity.</summary>
    public ReadJob([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order found, as a list of one.</summary>
    [Output(Description = "The order found, as a list of one.")]
    public Output<ICollection<string>> Orders { get; set; } = default!;

    /// <summary>Why it was not taken.</summary>
    [Output(Description = "Why it was not taken.")]
    public Output<string> Reason { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var request = await IncomingRequest.ReadAsync(context);
        var (outcome, reason, order) = await context.GetRequiredService<ServiceDoors>().JobAsync(request, context.WorkflowExecutionContext.Id, context.CancellationToken);
        context.Set(Orders, order.Length == 0 ? [] : (ICollection<string>)[order]);
        context.Set(Reason, reason);
        await context.CompleteActivityWithOutcomesAsync(outcome);
    }
}
