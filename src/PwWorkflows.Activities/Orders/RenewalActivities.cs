using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using PwWorkflows.Activities.Jobs;

namespace PwWorkflows.Activities.Orders;

/// <summary>Keeps the yearly terms in step with the orders.</summary>
[Activity("Pw", "Orders", "Opens the yearly terms of orders that were paid, renews those whose renewal was paid, cancels those whose money went back, and reopens those whose money came again.", DisplayName = "Keep Service Terms", Kind = ActivityKind.Task)]
[FlowNode("Done")]
public sealed class KeepServiceTerms : JobStep
{
    /// <summary>Creates the activity.</summary>
    public KeepServiceTerms([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<Renewals>().KeepTermsAsync(dryRun, context.CancellationToken);
    }
}

/// <summary>Ends what was not renewed.</summary>
[Activity("Pw", "Orders", "Ends yearly services and resellers' certifications that were due before today and are not renewed.", DisplayName = "Expire Renewals", Kind = ActivityKind.Task)]
[FlowNode("Done")]
public sealed class ExpireRenewals : JobStep
{
    /// <summary>Creates the activity.</summary>
    public ExpireRenewals([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<Renewals>().ExpireAsync(dryRun, context.CancellationToken);
    }
}

/// <summary>Finds what needs its renewal order.</summary>
[Activity("Pw", "Orders", "Finds yearly services that end within 31 days and need the order for the next year.", DisplayName = "Find Renewal Orders")]
[FlowNode(Found, None)]
public sealed class FindRenewalOrders : FindStep
{
    /// <summary>Creates the activity.</summary>
    public FindRenewalOrders([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override string One => "renewal order to open";

    /// <inheritdoc />
    protected override async Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await context.GetRequiredService<Renewals>().FindOrdersToOpenAsync(context.CancellationToken);
    }
}

/// <summary>Opens the order for another year.</summary>
[Activity("Pw", "Orders", "Opens the unpaid order for another year of a service, once.", DisplayName = "Open Renewal Order", Kind = ActivityKind.Task)]
[FlowNode("Opened", "NotDue")]
public sealed class OpenRenewalOrder : JobStep
{
    /// <summary>Creates the activity.</summary>
    public OpenRenewalOrder([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The term, as Find Renewal Orders gave it.</summary>
    [Input(Description = "The term, as Find Renewal Orders gave it.")]
    public Input<string> Term { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<Renewals>().OpenOrderAsync(Term.Get(context), dryRun, context.CancellationToken);
    }
}

/// <summary>Finds the renewal notices due.</summary>
[Activity("Pw", "Orders", "Finds the renewals that customers are to be told of: 30, 14, 7 and 1 days ahead, for yearly services and resellers' certifications.", DisplayName = "Find Renewal Notices")]
[FlowNode(Found, None)]
public sealed class FindRenewalNotices : FindStep
{
    /// <summary>Creates the activity.</summary>
    public FindRenewalNotices([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override string One => "renewal notice due";

    /// <inheritdoc />
    protected override async Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await context.GetRequiredService<Renewals>().FindNoticesAsync(context.CancellationToken);
    }
}

/// <summary>Tells a customer of a renewal.</summary>
[Activity("Pw", "Orders", "Tells a customer of a renewal, if it is still due; each milestone once.", DisplayName = "Send Renewal Notice", Kind = ActivityKind.Task)]
[FlowNode("Sent", "NotDue", "Refused", "Held")]
public sealed class SendRenewalNotice : JobStep
{
    /// <summary>Creates the activity.</summary>
    public SendRenewalNotice([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The renewal, as Find Renewal Notices gave it.</summary>
    [Input(Description = "The renewal, as Find Renewal Notices gave it.")]
    public Input<string> Renewal { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<Renewals>().SendNoticeAsync(Renewal.Get(context), dryRun, context.CancellationToken);
    }
}
