using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using PwWorkflows.Activities.Jobs;

namespace PwWorkflows.Activities.Relay;

/// <summary>Reads the mailbox of the bank's alerts.</summary>
[Activity("Pw", "Relay", "Reads new mails of the bank's alert mailbox by IMAP, each once, and keeps those that claim to be the bank's.", DisplayName = "Read Relay Mail", Kind = ActivityKind.Task)]
[FlowNode("Read", "Nothing", "NotConfigured")]
public sealed class ReadRelayMail : JobStep
{
    /// <summary>Creates the activity.</summary>
    public ReadRelayMail([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The mails that wait to be noted.</summary>
    [Output(Description = "The mails that wait to be noted, those of earlier runs too.")]
    public Output<ICollection<string>> Items { get; set; } = default!;

    /// <inheritdoc />
    protected override async Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        var mailbox = context.GetRequiredService<RelayMailbox>();
        var read = await mailbox.ReadAsync(dryRun, context.CancellationToken);
        var pending = await mailbox.PendingAsync(context.CancellationToken);
        context.Set(Items, (ICollection<string>)[.. pending]);
        if (read is not { } done) return new StepResult("NotConfigured", "OPS_IMAP_HOST is not set: there is no mailbox to read.");
        return new StepResult(pending.Count > 0 ? "Read" : "Nothing", dryRun ? $"Would read {Count(done.Read, "mail")}." : $"Read {Count(done.Read, "mail")}, of which the bank's: {Count(done.Claimed, "mail")}.");
    }
}

/// <summary>Notes what a mail of the bank says.</summary>
[Activity("Pw", "Relay", "Notes what a mail of the bank says: a deposit, matched to its order where that is certain, or a card charge. Other shapes and doubtful senders are left to a person.", DisplayName = "Note Relay Mail", Kind = ActivityKind.Task)]
[FlowNode("Deposit", "Charge", "Unknown", "Doubtful", "Noted", "Refused")]
public sealed class NoteRelayMail : JobStep
{
    /// <summary>Creates the activity.</summary>
    public NoteRelayMail([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Number of the mail.</summary>
    [Input(Description = "Number of the mail, as Read Relay Mail gave it.")]
    public Input<string> Mail { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<RelayDeposits>().NoteAsync(Mail.Get(context), dryRun, context.CancellationToken);
    }
}
