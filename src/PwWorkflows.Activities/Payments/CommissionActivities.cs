using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using PwWorkflows.Activities.Jobs;

namespace PwWorkflows.Activities.Payments;

/// <summary>Enters commissions.</summary>
[Activity("Pw", "Payments", "Enters the commissions of paid orders that a partner brought; they clear after some days.", DisplayName = "Open Commissions", Kind = ActivityKind.Task)]
[FlowNode("Done")]
public sealed class OpenCommissions : JobStep
{
    /// <summary>Creates the activity.</summary>
    public OpenCommissions([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<Commissions>().OpenAsync(dryRun, context.CancellationToken);
    }
}

/// <summary>Settles commissions.</summary>
[Activity("Pw", "Payments", "Makes commissions payable that have cleared, and reverses those whose order was refunded or is disputed; what is on a statement is adjusted.", DisplayName = "Settle Commissions", Kind = ActivityKind.Task)]
[FlowNode("Done")]
public sealed class SettleCommissions : JobStep
{
    /// <summary>Creates the activity.</summary>
    public SettleCommissions([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<Commissions>().SettleAsync(dryRun, context.CancellationToken);
    }
}

/// <summary>Finds what ERPNext lacks.</summary>
[Activity("Pw", "Payments", "Finds rows of the commission ledger that ERPNext does not have as they are.", DisplayName = "Find Unmirrored Commissions")]
[FlowNode(Found, None)]
public sealed class FindUnmirroredCommissions : FindStep
{
    /// <summary>Creates the activity.</summary>
    public FindUnmirroredCommissions([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override string One => "row to mirror";

    /// <inheritdoc />
    protected override async Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await context.GetRequiredService<Commissions>().FindUnmirroredAsync(context.CancellationToken);
    }
}

/// <summary>Mirrors a ledger row to ERPNext.</summary>
[Activity("Pw", "Payments", "Writes a row of the commission ledger to ERPNext.", DisplayName = "Mirror Commission", Kind = ActivityKind.Task)]
[FlowNode("Mirrored", "Current", "Refused")]
public sealed class MirrorCommission : JobStep
{
    /// <summary>Creates the activity.</summary>
    public MirrorCommission([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The row, as Find Unmirrored Commissions gave it.</summary>
    [Input(Description = "The row, as Find Unmirrored Commissions gave it.")]
    public Input<string> Commission { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<Commissions>().MirrorAsync(Commission.Get(context), dryRun, context.CancellationToken);
    }
}

/// <summary>Finds the statements to make.</summary>
[Activity("Pw", "Payments", "Finds partners whose statement of a past month is to be made.", DisplayName = "Find Commission Statements")]
[FlowNode(Found, None)]
public sealed class FindCommissionStatements : FindStep
{
    /// <summary>Creates the activity.</summary>
    public FindCommissionStatements([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override string One => "statement to make";

    /// <inheritdoc />
    protected override async Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await context.GetRequiredService<Commissions>().FindStatementsAsync(context.CancellationToken);
    }
}

/// <summary>Makes a statement.</summary>
[Activity("Pw", "Payments", "Makes the statement of a partner and month and keeps it.", DisplayName = "Make Commission Statement", Kind = ActivityKind.Task)]
[FlowNode("Made", "NotDue")]
public sealed class MakeCommissionStatement : JobStep
{
    /// <summary>Creates the activity.</summary>
    public MakeCommissionStatement([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Partner and month, as Find Commission Statements gave them.</summary>
    [Input(Description = "Partner and month, as Find Commission Statements gave them.")]
    public Input<string> Statement { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<Commissions>().MakeStatementAsync(Statement.Get(context), dryRun, context.CancellationToken);
    }
}

/// <summary>Finds statements to mail.</summary>
[Activity("Pw", "Payments", "Finds statements that were not mailed yet.", DisplayName = "Find Statement Mails")]
[FlowNode(Found, None)]
public sealed class FindStatementMails : FindStep
{
    /// <summary>Creates the activity.</summary>
    public FindStatementMails([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override string One => "statement to mail";

    /// <inheritdoc />
    protected override async Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await context.GetRequiredService<Commissions>().FindStatementMailsAsync(context.CancellationToken);
    }
}

/// <summary>Mails a statement.</summary>
[Activity("Pw", "Payments", "Mails a statement to its partner, once.", DisplayName = "Mail Commission Statement", Kind = ActivityKind.Task)]
[FlowNode("Sent", "NotDue", "Refused", "Held")]
public sealed class MailCommissionStatement : JobStep
{
    /// <summary>Creates the activity.</summary>
    public MailCommissionStatement([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Partner and month.</summary>
    [Input(Description = "Partner and month.")]
    public Input<string> Statement { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<Commissions>().MailStatementAsync(Statement.Get(context), dryRun, context.CancellationToken);
    }
}
