using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using PwWorkflows.Activities.Usac;

namespace PwWorkflows.Activities.Filings;

/// <summary>Tells which definition, and which version of it, an activity runs in. Each engine has its own way.</summary>
public interface IDefinitionVersionSource
{
    /// <summary>Id of the running definition's version.</summary>
    string VersionOf(ActivityExecutionContext context);

    /// <summary>Id of the running definition, over all its versions.</summary>
    string DefinitionOf(ActivityExecutionContext context);
}

/// <summary>Checks an order's answers and gates before anything is filed.</summary>
[Activity("Pw", "Filings", "Checks the order's answers for FCC Form 499-A line by line, and the engagement letter. Raises a ToDo naming everything that is missing. NeedsApproval: an administrator must approve these values first.", DisplayName = "Check Intake")]
[FlowNode("Complete", "Incomplete", "NeedsApproval")]
public sealed class CheckIntake : Activity
{
    const string Started = "PwServiceStarted";

    /// <summary>Creates the activity.</summary>
    public CheckIntake([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>The billing cycle of a renewal; empty for the order itself.</summary>
    [Input(Description = "The billing cycle of a renewal; empty for the order itself.")]
    public Input<string?> Cycle { get; set; } = default!;

    /// <summary>What is missing or wrong, one text per form line.</summary>
    [Output(Description = "What is missing or wrong, one text per form line.")]
    public Output<ICollection<string>> Faults { get; set; } = default!;

    /// <summary>What must be approved, in one line.</summary>
    [Output(DisplayName = "Approval title", Description = "What must be approved, in one line.")]
    public Output<string> ApprovalTitle { get; set; } = default!;

    /// <summary>Stable key of what must be approved.</summary>
    [Output(DisplayName = "Approval subject", Description = "Stable key of what must be approved.")]
    public Output<string> ApprovalSubject { get; set; } = default!;

    /// <summary>Facts for whoever approves.</summary>
    [Output(DisplayName = "Approval details", Description = "Facts for whoever approves.")]
    public Output<IDictionary<string, object?>> ApprovalDetails { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var service = context.GetRequiredService<Form499AService>();
        var order = OrderNumber.Get(context);
        if (!context.WorkflowExecutionContext.GetProperty<bool>(Started))
        {
            service.LogStart(order);
            context.WorkflowExecutionContext.SetProperty(Started, true);
        }

        var (faults, approval) = await service.CheckIntakeAsync(order, Cycle.GetOrDefault(context) ?? "", context.CancellationToken);
        context.Set(Faults, (ICollection<string>)[.. faults.Select(f => f.ToString())]);
        if (approval is not null)
        {
            context.Set(ApprovalTitle, approval.Title);
            context.Set(ApprovalSubject, approval.Subject);
            context.Set(ApprovalDetails, new Dictionary<string, object?>(approval.Details));
        }

        await context.CompleteActivityWithOutcomesAsync(faults.Count > 0 ? "Incomplete" : approval is null ? "Complete" : "NeedsApproval");
    }
}

/// <summary>Looks whether the carrier's stored portal session works.</summary>
[Activity("Pw", "USAC", "Opens the carrier's stored USAC session. Without a working one it raises a ToDo; the event usac-session:<order> comes when the session is there.", DisplayName = "Open USAC Session")]
[FlowNode("Ready", "Missing", "Expired")]
public sealed class OpenUsacSession : Activity
{
    /// <summary>Creates the activity.</summary>
    public OpenUsacSession([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var session = await context.GetRequiredService<Form499AService>().OpenSessionAsync(OrderNumber.Get(context), context.CancellationToken);
        await context.CompleteActivityWithOutcomesAsync(session switch
        {
            UsacSession.Ready => "Ready",
            UsacSession.Missing => "Missing",
            _ => "Expired",
        });
    }
}

/// <summary>Files Form 499-A at the portal.</summary>
[Activity("Pw", "USAC", "Files FCC Form 499-A at USAC in a real browser, once. Certifies only with an officer's authorization for exactly these values; otherwise the form stays saved and unsubmitted.", DisplayName = "File Form 499-A", Kind = ActivityKind.Task)]
[FlowNode("Filed", "SavedUnsubmitted", "ValidationFailed", "SessionExpired", "Stopped", "ApprovalMissing")]
public sealed class FileForm499A : Activity
{
    /// <summary>Creates the activity.</summary>
    public FileForm499A([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>The billing cycle of a renewal; empty for the order itself.</summary>
    [Input(Description = "The billing cycle of a renewal; empty for the order itself.")]
    public Input<string?> Cycle { get; set; } = default!;

    /// <summary>The portal's number, when filed.</summary>
    [Output(DisplayName = "Confirmation number", Description = "The portal's number, when filed.")]
    public Output<string> ConfirmationNumber { get; set; } = default!;

    /// <summary>Our reference on the form, when filed.</summary>
    [Output(Description = "Our reference on the form, when filed.")]
    public Output<string> Reference { get; set; } = default!;

    /// <summary>Time of submission as the portal shows it, when filed.</summary>
    [Output(DisplayName = "Submitted at", Description = "Time of submission as the portal shows it, when filed.")]
    public Output<string> SubmittedAt { get; set; } = default!;

    /// <summary>Why it was not filed, for people.</summary>
    [Output(Description = "Why it was not filed, for people.")]
    public Output<string> Reason { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var outcome = await context.GetRequiredService<Form499AService>().FileAsync(OrderNumber.Get(context), Cycle.GetOrDefault(context) ?? "", context.CancellationToken);
        if (outcome is FilingOutcome.Filed filed)
        {
            context.Set(ConfirmationNumber, filed.Form.ConfirmationNumber);
            context.Set(Reference, filed.Form.Reference);
            context.Set(SubmittedAt, filed.Form.SubmittedAt);
        }
        else
        {
            context.Set(Reason, outcome switch
            {
                FilingOutcome.SavedUnsubmitted saved => $"Saved and unsubmitted for {saved.ForWhom}: {saved.Why}.",
                FilingOutcome.ValidationFailed failed => string.Join(' ', failed.Errors.Select(e => e.Message)),
                FilingOutcome.Stopped stopped => stopped.Why,
                FilingOutcome.ApprovalMissing => "An administrator must approve these values first.",
                _ => "The session has ended.",
            });
        }

        context.JournalData["Outcome"] = outcome.GetType().Name;
        await context.CompleteActivityWithOutcomesAsync(outcome.GetType().Name);
    }
}

/// <summary>Closes the evidence of a filing.</summary>
[Activity("Pw", "Filings", "Closes the evidence of a filing: a manifest with the hash of every file, chained to the filing before, and the confirmation on the order.", DisplayName = "Keep Evidence", Kind = ActivityKind.Task)]
public sealed class KeepEvidence : CodeActivity
{
    /// <summary>Creates the activity.</summary>
    public KeepEvidence([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order.</summary>
    [Input(DisplayName = "Order number", Description = "The order, such as CO-1A2B3C4D.")]
    public Input<string> OrderNumber { get; set; } = default!;

    /// <summary>The billing cycle of a renewal; empty for the order itself.</summary>
    [Input(Description = "The billing cycle of a renewal; empty for the order itself.")]
    public Input<string?> Cycle { get; set; } = default!;

    /// <summary>The portal's number.</summary>
    [Input(DisplayName = "Confirmation number", Description = "The portal's number.")]
    public Input<string> ConfirmationNumber { get; set; } = default!;

    /// <summary>Our reference on the form.</summary>
    [Input(Description = "Our reference on the form.")]
    public Input<string> Reference { get; set; } = default!;

    /// <summary>Time of submission as the portal shows it.</summary>
    [Input(DisplayName = "Submitted at", Description = "Time of submission as the portal shows it.")]
    public Input<string> SubmittedAt { get; set; } = default!;

    /// <summary>Where the evidence lies: bucket and folder.</summary>
    [Output(Description = "Where the evidence lies: bucket and folder.")]
    public Output<string> Evidence { get; set; } = default!;

    /// <summary>Hash of the manifest.</summary>
    [Output(DisplayName = "Manifest SHA-256", Description = "Hash of the manifest.")]
    public Output<string> ManifestSha256 { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var filed = new FiledForm(ConfirmationNumber.Get(context), Reference.Get(context), SubmittedAt.Get(context));
        var version = context.GetRequiredService<IDefinitionVersionSource>().VersionOf(context);
        var record = await context.GetRequiredService<Form499AService>().KeepEvidenceAsync(OrderNumber.Get(context), Cycle.GetOrDefault(context) ?? "", filed, version, context.WorkflowExecutionContext.Id, context.CancellationToken);
        context.Set(Evidence, record.EvidencePath);
        context.Set(ManifestSha256, record.ManifestSha256);
    }
}
