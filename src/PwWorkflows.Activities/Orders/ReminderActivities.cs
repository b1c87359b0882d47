using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Elsa.Workflows.UIHints;
using PwWorkflows.Activities.Jobs;

namespace PwWorkflows.Activities.Orders;

/// <summary>Finds whom a reminder is due to.</summary>
[Activity("Pw", "Orders", "Finds whom a reminder is due to today: unpaid orders, missing answers, or call records locked for payment.", DisplayName = "Find Due Reminders")]
[FlowNode(Found, None)]
public sealed class FindDueReminders : FindStep
{
    /// <summary>Creates the activity.</summary>
    public FindDueReminders([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>What to remind of.</summary>
    [Input(Description = "What to remind of.", UIHint = InputUIHints.DropDown, Options = new[] { Reminders.Payment, Reminders.Intake, Reminders.CdrUnlock })]
    public Input<string> Kind { get; set; } = default!;

    /// <inheritdoc />
    protected override string One => "reminder due";

    /// <inheritdoc />
    protected override async Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await context.GetRequiredService<Reminders>().FindDueAsync(Kind.Get(context), context.CancellationToken);
    }
}

/// <summary>Sends a reminder.</summary>
[Activity("Pw", "Orders", "Sends one reminder, if it is still due: at most one a day; after the last one a person takes over.", DisplayName = "Send Reminder", Kind = ActivityKind.Task)]
[FlowNode("Sent", "NotDue", "Refused", "Held")]
public sealed class SendReminder : JobStep
{
    /// <summary>Creates the activity.</summary>
    public SendReminder([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>What to remind of.</summary>
    [Input(Description = "What to remind of.", UIHint = InputUIHints.DropDown, Options = new[] { Reminders.Payment, Reminders.Intake, Reminders.CdrUnlock })]
    public Input<string> Kind { get; set; } = default!;

    /// <summary>Whom.</summary>
    [Input(Description = "Order, batch or study, as Find Due Reminders gave it.")]
    public Input<string> Subject { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<Reminders>().SendAsync(Kind.Get(context), Subject.Get(context), dryRun, context.CancellationToken);
    }
}
