using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Payments;

/// <summary>Takes a Stripe event in.</summary>
[Activity("Pw", "Payments", "Checks a Stripe event (signature over the raw body, tolerance 300 s), keeps it once, and changes what its orders have paid.", DisplayName = "Verify Stripe Payment")]
[FlowNode("Paid", "Renewed", "Overdue", "Stopped", "Attention", "Noted", "Waiting", "Duplicate", "Ignored", "Rejected")]
public sealed class VerifyStripePayment : Activity
{
    /// <summary>Creates the activity.</summary>
    public VerifyStripePayment([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The orders it is about.</summary>
    [Output(Description = "The orders it is about.")]
    public Output<ICollection<string>> Orders { get; set; } = default!;

    /// <summary>The event's id.</summary>
    [Output(DisplayName = "Event id", Description = "The event's id.")]
    public Output<string> EventId { get; set; } = default!;

    /// <summary>The billing cycle, for renewals.</summary>
    [Output(Description = "The billing cycle that was paid or not paid, for subscriptions.")]
    public Output<string> Cycle { get; set; } = default!;

    /// <summary>Short stable word for what a person should know.</summary>
    [Output(Description = "Short stable word for what a person should know.")]
    public Output<string> Marker { get; set; } = default!;

    /// <summary>What became of it and why, for people.</summary>
    [Output(Description = "What became of it and why, for people.")]
    public Output<string> Reason { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var request = await IncomingRequest.ReadAsync(context);
        var headers = KeptHeaders.Of(request.Headers.Select(static h => new KeyValuePair<string, string>(h.Key, h.Value.ToString())));
        var (e, decision) = await context.GetRequiredService<StripeIntake>().ReceiveAsync(
            request.Body, request.Header("Stripe-Signature"), headers, context.WorkflowExecutionContext.Id, context.CancellationToken);
        if (decision.Outcome == StripeOutcomes.Rejected)
            OrderLog.Refused(context.GetRequiredService<ILogger<VerifyStripePayment>>(), "webhooks/stripe", decision.Reason);
        context.Set(EventId, e?.Id ?? "");
        context.Set(Orders, (ICollection<string>)[.. decision.Orders.Select(static o => o.OrderNumber)]);
        context.Set(Cycle, decision.Cycle);
        context.Set(Marker, decision.Marker);
        context.Set(Reason, decision.Reason);
        await context.CompleteActivityWithOutcomesAsync(decision.Outcome);
    }
}

/// <summary>Looks again at a Stripe event that waits for its order.</summary>
[Activity("Pw", "Payments", "Looks again at a Stripe event that waits for its order. Gives up after 24 hours.", DisplayName = "Retry Stripe Event")]
[FlowNode("Paid", "Renewed", "Overdue", "Stopped", "Attention", "Noted", "Waiting", "Gave up", "Duplicate", "Ignored", "Rejected")]
public sealed class RetryStripeEvent : Activity
{
    /// <summary>Creates the activity.</summary>
    public RetryStripeEvent([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The event's id.</summary>
    [Input(DisplayName = "Event id", Description = "The event's id.")]
    public Input<string> EventId { get; set; } = default!;

    /// <summary>The orders it is about.</summary>
    [Output(Description = "The orders it is about.")]
    public Output<ICollection<string>> Orders { get; set; } = default!;

    /// <summary>The billing cycle, for renewals.</summary>
    [Output(Description = "The billing cycle that was paid or not paid, for subscriptions.")]
    public Output<string> Cycle { get; set; } = default!;

    /// <summary>Short stable word for what a person should know.</summary>
    [Output(Description = "Short stable word for what a person should know.")]
    public Output<string> Marker { get; set; } = default!;

    /// <summary>What became of it and why, for people.</summary>
    [Output(Description = "What became of it and why, for people.")]
    public Output<string> Reason { get; set; } = default!;

    /// <summary>How long to wait before the next look.</summary>
    [Output(DisplayName = "Next look", Description = "How long to wait before the next look, such as 00:00:30.")]
    public Output<string> NextLook { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var (decision, next) = await context.GetRequiredService<StripeIntake>().RetryAsync(EventId.Get(context), context.CancellationToken);
        context.Set(Orders, (ICollection<string>)[.. decision.Orders.Select(static o => o.OrderNumber)]);
        context.Set(Cycle, decision.Cycle);
        context.Set(Marker, decision.Marker);
        context.Set(Reason, decision.Reason);
        context.Set(NextLook, next.ToString("c", System.Globalization.CultureInfo.InvariantCulture));
        await context.CompleteActivityWithOutcomesAsync(decision.Outcome);
    }
}
