using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Orders;

/// <summary>The rules of carrying an order out once, whatever the door it came by. What it writes is enlisted in the step's commit.</summary>
public sealed class Fulfilment(IPwDatabase database, OrderStore orders, IWorkflowDispatch workflows, TimeProvider time, ILogger<Fulfilment> logger)
{
    internal const string Begun = "Begun";
    internal const string AlreadyBegun = "AlreadyBegun";
    internal const string UnknownOrder = "Unknown";
    internal const string StoppedOrder = "Stopped";
    internal const string GovernmentFee = "GovernmentFee";
    internal const string Dispatched = "Dispatched";
    internal const string Noted = "Noted";

    /// <summary>What the instances of an order (and billing cycle) are correlated by.</summary>
    public static string Correlation(string orderNumber, string cycle) => cycle.Length == 0 ? orderNumber : $"{orderNumber}#{cycle}";

    /// <summary>
    /// Begins an order once per billing cycle. An order begun whose service was never dispatched (its fulfilment failed on the way) is begun
    /// again: every step on the way does nothing when it is done.
    /// </summary>
    internal async Task<(string Outcome, Order? Order)> BeginAsync(string orderNumber, string cycle, string door, string instanceId, CancellationToken ct)
    {
        var rows = await database.LookUpAsync(
            $"""
             SELECT {OrderStore.Columns}, f.begun_at, f.dispatched_at FROM compliance_orders o
             LEFT JOIN order_fulfilments f ON f.order_number = o.order_number AND f.cycle = @cycle
             WHERE o.order_number = @order
             """,
            Parameters.Of(("order", orderNumber), ("cycle", cycle)),
            static r => (Order: OrderStore.Map(r), BegunAt: r.TimeOrNull(OrderStore.ColumnCount), DispatchedAt: r.TimeOrNull(OrderStore.ColumnCount + 1)),
            ct).ConfigureAwait(false);
        if (rows.Count == 0) return (UnknownOrder, null);
        var (order, begunAt, dispatchedAt) = rows[0];
        if (order.IsStopped) return (StoppedOrder, order);
        if (dispatchedAt is not null) return (AlreadyBegun, order);
        var begun = order.ParentOrderNumber is null ? Begun : GovernmentFee;
        if (begunAt is not null) return (begun, order);

        var now = time.GetUtcNow();
        database.Enlist(
            "INSERT INTO order_fulfilments (order_number, cycle, door, instance_id, begun_at) VALUES (@order, @cycle, @door, @instance, @now)",
            Parameters.Of(("order", orderNumber), ("cycle", cycle), ("door", door), ("instance", instanceId), ("now", now)),
            1);
        database.Enlist(
            $"""
             UPDATE compliance_orders SET fulfillment_status = 'begun', hold_reason = NULL, updated_at = @now
             WHERE order_number = @order AND fulfillment_status IN ({(cycle.Length == 0 ? "'new'" : "'new', 'completed', 'filed'")})
             """,
            Parameters.Of(("now", now), ("order", orderNumber)));
        orders.EnlistTimeline(orderNumber, "fulfilment-begun", cycle.Length == 0 ? $"Fulfilment began (by {door})." : $"Fulfilment of the cycle {cycle} began (by {door}).");
        // Accounting may queue an order by hand before the money is on record; that is no confirmed payment.
        if (cycle.Length > 0 || order.PaymentStatus is PaymentStatuses.Paid or PaymentStatuses.PartiallyRefunded) OrderLog.PaymentConfirmed(logger, orderNumber, order.PaymentMethod ?? door);
        else OrderLog.BegunUnpaid(logger, orderNumber, order.PaymentStatus, door);
        return (begun, order);
    }

    /// <summary>Starts the service's workflow, once per order and cycle.</summary>
    /// <returns><c>null</c> when no workflow serves it; else whether it was started now.</returns>
    internal async Task<bool?> DispatchServiceAsync(string orderNumber, string cycle, string prefix, string instanceId, CancellationToken ct)
    {
        var order = await orders.GetAsync(orderNumber, ct).ConfigureAwait(false) ?? throw OrderStore.Unknown(orderNumber);
        var rows = await database.LookUpAsync(
            "SELECT dispatched_at FROM order_fulfilments WHERE order_number = @order AND cycle = @cycle",
            Parameters.Of(("order", orderNumber), ("cycle", cycle)),
            static r => r.TimeOrNull(0),
            ct).ConfigureAwait(false);
        if (rows is [not null]) return false;

        var input = new Dictionary<string, object>
        {
            ["OrderNumber"] = orderNumber,
            ["ServiceSlug"] = order.ServiceSlug,
            ["Cycle"] = cycle,
            ["GovFeePaid"] = order.GovFeePaidAt is not null,
        };
        if (!await workflows.TryDispatchAsync(prefix + order.ServiceSlug, Correlation(orderNumber, cycle), input, ct).ConfigureAwait(false))
        {
            OrderLog.UnknownService(logger, orderNumber, order.ServiceSlug);
            return null;
        }

        // A government fee that comes in at this very moment must not be missed: then this step is run again and tells the service.
        database.Enlist(
            "UPDATE compliance_orders SET updated_at = @now WHERE order_number = @order AND (gov_fee_paid_at IS NOT NULL) = @paid",
            Parameters.Of(("now", time.GetUtcNow()), ("order", orderNumber), ("paid", order.GovFeePaidAt is not null)),
            1);
        EnlistDispatched(orderNumber, cycle, instanceId);
        orders.EnlistTimeline(orderNumber, "service-dispatched", $"The service {order.ServiceSlug} was started.");
        OrderLog.Dispatched(logger, orderNumber, order.ServiceSlug);
        return true;
    }

    /// <summary>
    /// Notes a paid government fee on the order it belongs to. A service that ran already, and held for the fee, is started once more with
    /// <c>GovFeePaid</c>; one that is still to be started is told then.
    /// </summary>
    /// <returns><c>Dispatched</c>, <c>Noted</c> (the service is still to be started), <c>Stopped</c> or <c>Unknown</c> (there is no such parent).</returns>
    /// <exception cref="NonRetryableException">There is no such fee order, or no workflow any more that serves its parent.</exception>
    internal async Task<string> DispatchParentAsync(string feeOrder, string prefix, string instanceId, CancellationToken ct)
    {
        var child = await orders.GetAsync(feeOrder, ct).ConfigureAwait(false) ?? throw OrderStore.Unknown(feeOrder);
        if (child.ParentOrderNumber is null || await orders.GetAsync(child.ParentOrderNumber, ct).ConfigureAwait(false) is not { } parent) return UnknownOrder;
        if (parent.IsStopped) return StoppedOrder;
        var rows = await database.LookUpAsync(
            "SELECT 1 FROM order_fulfilments WHERE order_number = @order AND cycle = '' AND dispatched_at IS NOT NULL",
            Parameters.Of(("order", parent.OrderNumber)), static r => r.GetInt32(0), ct).ConfigureAwait(false);
        var ran = rows.Count > 0;
        if (ran)
        {
            var input = new Dictionary<string, object> { ["OrderNumber"] = parent.OrderNumber, ["ServiceSlug"] = parent.ServiceSlug, ["Cycle"] = "", ["GovFeePaid"] = true };
            if (!await workflows.TryDispatchAsync(prefix + parent.ServiceSlug, parent.OrderNumber, input, ct).ConfigureAwait(false))
                throw new NonRetryableException($"The government fee of {parent.OrderNumber} was paid, but no workflow {prefix}{parent.ServiceSlug} is published that could go on with it.");
        }

        var now = time.GetUtcNow();
        database.Enlist(
            "UPDATE compliance_orders SET gov_fee_paid_at = @now, updated_at = @now WHERE order_number = @order",
            Parameters.Of(("now", now), ("order", parent.OrderNumber)),
            1);
        // The row above is locked now: if the service was started in between, this line is not written and the step is run again.
        database.Enlist(
            """
            INSERT INTO order_timeline (order_number, at, event, message) SELECT @order, @now, 'government-fee-paid', @message
            WHERE EXISTS (SELECT 1 FROM order_fulfilments f WHERE f.order_number = @order AND f.cycle = '' AND f.dispatched_at IS NOT NULL) = @ran
            """,
            Parameters.Of(("order", parent.OrderNumber), ("now", now), ("message", $"The government fee was paid ({feeOrder})."), ("ran", ran)),
            1);
        database.Enlist(
            "UPDATE compliance_orders SET fulfillment_status = 'completed', hold_reason = NULL, updated_at = @now WHERE order_number = @order",
            Parameters.Of(("now", now), ("order", feeOrder)),
            1);
        EnlistDispatched(feeOrder, "", instanceId);
        if (ran) OrderLog.Dispatched(logger, parent.OrderNumber, parent.ServiceSlug);
        return ran ? Dispatched : Noted;
    }

    // The row of a fulfilment begun in this very run is not committed yet, so a read does not show it: the write meets it.
    private void EnlistDispatched(string orderNumber, string cycle, string instanceId) => database.Enlist(
        """
        INSERT INTO order_fulfilments (order_number, cycle, door, instance_id, begun_at, dispatched_at) VALUES (@order, @cycle, 'direct', @instance, @now, @now)
        ON CONFLICT (order_number, cycle) DO UPDATE SET dispatched_at = excluded.dispatched_at WHERE order_fulfilments.dispatched_at IS NULL
        """,
        Parameters.Of(("now", time.GetUtcNow()), ("order", orderNumber), ("cycle", cycle), ("instance", instanceId)),
        1);

    /// <summary>Stops an order that is not filed yet.</summary>
    /// <returns><c>Stopped</c>, <c>AlreadyStopped</c>, <c>Filed</c> (too late) or <c>Unknown</c>.</returns>
    internal async Task<string> StopAsync(string orderNumber, string reason, CancellationToken ct)
    {
        var order = await orders.GetAsync(orderNumber, ct).ConfigureAwait(false);
        if (order is null) return UnknownOrder;
        if (order.IsFiled) return "Filed";
        if (order.FulfillmentStatus == FulfillmentStatuses.Stopped) return "AlreadyStopped";
        database.Enlist(
            """
            UPDATE compliance_orders SET fulfillment_status = 'stopped', hold_reason = @reason, updated_at = @now
            WHERE order_number = @order AND fulfillment_status = @before
            """,
            Parameters.Of(("reason", reason), ("now", time.GetUtcNow()), ("order", orderNumber), ("before", order.FulfillmentStatus)),
            1);
        orders.EnlistTimeline(orderNumber, "stopped", $"Stopped: {reason}");
        OrderLog.Stopped(logger, orderNumber, reason);
        return StoppedOrder;
    }
}
