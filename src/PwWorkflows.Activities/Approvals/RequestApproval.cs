using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Elsa.Workflows.UIHints;
using PwWorkflows.Activities.Filings;

namespace PwWorkflows.Activities.Approvals;

/// <summary>What a <see cref="RequestApproval"/> waits for: the end of its request.</summary>
/// <param name="ApprovalId">The request.</param>
public sealed record ApprovalStimulus(string ApprovalId);

/// <summary>Asks people for an approval and waits until they have decided, or the time is over.</summary>
/// <remarks>
/// The request is a row written in the commit that makes the bookmark, so there is one per execution. The row's state decides the outcome, not what wakes the
/// bookmark: whoever resumes it by another door approves nothing.
/// </remarks>
[Activity("Pw", "Approvals", "Asks administrators for an approval and waits, at no cost, until one (or two different ones) decided or the time is over.", DisplayName = "Request Approval")]
[FlowNode("Approved", "Rejected", "Expired")]
public sealed partial class RequestApproval : Activity
{
    /// <summary>The activity's type.</summary>
    internal const string TypeName = "Pw.RequestApproval";

    /// <summary>Property of an instance that somebody started by hand: the sign-in name. The engine sets it, no input does.</summary>
    internal const string StartedBy = "StartedBy";

    private const int LongestTitle = 200;
    private const int LongestText = 2000;
    private const int MostDetails = 50;
    private static readonly TimeSpan LongestLimit = TimeSpan.FromDays(366);
    private static readonly TimeSpan ShortestReminder = TimeSpan.FromMinutes(1);

    /// <summary>Creates the activity.</summary>
    public RequestApproval([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>What is to be approved, in one line.</summary>
    [Input(Description = "What is to be approved, in one line.", Order = 1)]
    public Input<string> Title { get; set; } = default!;

    /// <summary>Facts shown to whoever decides: names and values.</summary>
    [Input(Description = "Facts shown to whoever decides: an object of names and values.", UIHint = InputUIHints.JsonEditor, Order = 2)]
    public Input<IDictionary<string, object?>?> Details { get; set; } = default!;

    /// <summary>What happens once it is approved.</summary>
    [Input(DisplayName = "If approved", Description = "What happens once it is approved, for people.", UIHint = InputUIHints.MultiLine, Order = 3)]
    public Input<string?> IfApproved { get; set; } = default!;

    /// <summary>What happens once it is rejected.</summary>
    [Input(DisplayName = "If rejected", Description = "What happens once it is rejected, for people.", UIHint = InputUIHints.MultiLine, Order = 4)]
    public Input<string?> IfRejected { get; set; } = default!;

    /// <summary>The role that may decide.</summary>
    [Input(Description = "The role that may decide. Only administrators can: whoever edits workflows must not be able to give himself the right.", UIHint = InputUIHints.DropDown, Options = new[] { ApprovalPolicy.DecidingRole }, DefaultValue = ApprovalPolicy.DecidingRole, Order = 5)]
    public Input<string?> Role { get; set; } = new(ApprovalPolicy.DecidingRole);

    /// <summary>Only these administrators may decide.</summary>
    [Input(Description = "Only these administrators may decide (sign-in names); empty for all of them.", UIHint = InputUIHints.MultiText, Order = 6)]
    public Input<ICollection<string>?> Approvers { get; set; } = default!;

    /// <summary>How many different people must approve.</summary>
    [Input(Description = "How many different people must approve, 1 or 2. With 2, whoever asks can't be one of them.", UIHint = InputUIHints.DropDown, Options = new[] { "1", "2" }, DefaultValue = 1, Order = 7)]
    public Input<int> People { get; set; } = new(1);

    /// <summary>Amount in cents, when it is about money.</summary>
    [Input(DisplayName = "Amount (cents)", Description = "Amount in whole cents, when it is about money.", Order = 8)]
    public Input<long?> AmountCents { get; set; } = default!;

    /// <summary>Currency of the amount.</summary>
    [Input(Description = "Currency of the amount, three letters (ISO 4217).", DefaultValue = "USD", Order = 9)]
    public Input<string?> Currency { get; set; } = new("USD");

    /// <summary>The order it is about.</summary>
    [Input(DisplayName = "Order number", Description = "The order it is about, if any: its history tells who decided.", Order = 10)]
    public Input<string?> OrderNumber { get; set; } = default!;

    /// <summary>Stable key of what exactly is approved.</summary>
    [Input(Description = "Stable key of what exactly is approved, if a later step asks for it.", Order = 11)]
    public Input<string?> Subject { get; set; } = default!;

    /// <summary>Who asks.</summary>
    [Input(DisplayName = "Requested by", Description = "Sign-in name of who asks; empty for whoever started the workflow by hand, else the system.", Order = 12)]
    public Input<string?> RequestedBy { get; set; } = default!;

    /// <summary>How long it waits.</summary>
    [Input(DisplayName = "Time limit", Description = "How long it waits (days.hours:minutes:seconds) before the outcome is Expired.", DefaultValue = "7.00:00:00", Order = 13)]
    public Input<TimeSpan> TimeLimit { get; set; } = new(TimeSpan.FromDays(7));

    /// <summary>Time between two reminders.</summary>
    [Input(DisplayName = "Remind every", Description = "Time between two reminders by mail; empty or 0 for none.", DefaultValue = "1.00:00:00", Order = 14)]
    public Input<TimeSpan?> RemindEvery { get; set; } = new(TimeSpan.FromDays(1));

    /// <summary>When it is escalated.</summary>
    [Input(DisplayName = "Escalate after", Description = "After this time without a decision others are asked as well and a ToDo is raised; empty or 0 for never.", Order = 15)]
    public Input<TimeSpan?> EscalateAfter { get; set; } = default!;

    /// <summary>Who may decide as well once it is escalated.</summary>
    [Input(DisplayName = "Escalate to", Description = "Administrators who may decide as well once it is escalated (sign-in names); empty for all of them.", UIHint = InputUIHints.MultiText, Order = 16)]
    public Input<ICollection<string>?> EscalateTo { get; set; } = default!;

    /// <summary>Number of the request.</summary>
    [Output(DisplayName = "Approval", Description = "Number of the request, such as AP-1A2B3C4D5E6F708192A3.")]
    public Output<string> ApprovalId { get; set; } = default!;

    /// <summary>Who decided.</summary>
    [Output(DisplayName = "Decided by", Description = "Sign-in names of who decided, separated by commas; empty when the time ran out.")]
    public Output<string> DecidedBy { get; set; } = default!;

    /// <summary>When it was decided.</summary>
    [Output(DisplayName = "Decided at", Description = "When it was decided or ran out (UTC).")]
    public Output<DateTimeOffset> DecidedAt { get; set; } = default!;

    /// <summary>What they said.</summary>
    [Output(Description = "What those who decided said.")]
    public Output<string> Note { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var store = context.GetRequiredService<ApprovalStore>();
        var id = (await store.FindAsync(context.WorkflowExecutionContext.Id, context.Id, context.CancellationToken))?.Id;
        if (id is null)
        {
            id = ApprovalStore.IdOf(context.WorkflowExecutionContext.Id, context.Id);
            store.Enlist(await ReadAsync(context, store, id));
        }

        context.Set(ApprovalId, id);
        context.JournalData["Approval"] = id;
        Wait(context, id);
    }

    private void Wait(ActivityExecutionContext context, string id) =>
        context.CreateBookmark(new CreateBookmarkArgs { Stimulus = new ApprovalStimulus(id), BookmarkName = TypeName, Callback = DecidedAsync, IncludeActivityInstanceId = false });

    private async ValueTask DecidedAsync(ActivityExecutionContext context)
    {
        var store = context.GetRequiredService<ApprovalStore>();
        var approval = await store.FindAsync(context.WorkflowExecutionContext.Id, context.Id, context.CancellationToken)
            ?? throw new NonRetryableException($"The request {ApprovalStore.IdOf(context.WorkflowExecutionContext.Id, context.Id)} is not on record.");
        var id = approval.Id;
        var outcome = approval.Status switch
        {
            ApprovalStatuses.Approved => "Approved",
            ApprovalStatuses.Rejected => "Rejected",
            ApprovalStatuses.Expired => "Expired",
            _ => null,
        };
        if (outcome is null)
        {
            // Somebody resumed the bookmark, but nobody has decided.
            Wait(context, id);
            return;
        }

        store.EnlistDelivered(id, context.GetRequiredService<TimeProvider>().GetUtcNow());
        var words = approval.Decisions.Where(d => d.Decision == approval.Status).ToList();
        context.Set(ApprovalId, id);
        context.Set(DecidedBy, string.Join(", ", words.Select(static w => w.Username)));
        context.Set(DecidedAt, approval.DecidedAt ?? approval.ExpiresAt);
        context.Set(Note, string.Join('\n', words.Select(static w => w.Note).Where(static n => n.Length > 0)));
        context.JournalData["Approval"] = id;
        context.JournalData["Decision"] = approval.Standing();
        await context.CompleteActivityWithOutcomesAsync(outcome);
    }

    private async Task<Approval> ReadAsync(ActivityExecutionContext context, ApprovalStore store, string id)
    {
        var faults = new List<string>();
        var people = await store.ApproversAsync(context.CancellationToken);
        var options = context.GetRequiredService<ApprovalOptions>();
        var now = context.GetRequiredService<TimeProvider>().GetUtcNow();

        var title = Text(Title.GetOrDefault(context), nameof(Title), LongestTitle, faults);
        if (title.Length == 0) faults.Add($"{nameof(Title)}: expected a line that says what is to be approved, found nothing.");
        var role = Role.GetOrDefault(context) is { Length: > 0 } given ? given : ApprovalPolicy.DecidingRole;
        if (role != ApprovalPolicy.DecidingRole) faults.Add($"{nameof(Role)}: expected {ApprovalPolicy.DecidingRole}, found '{role}'.");
        var count = People.GetOrDefault(context, static () => 1);
        if (count is not (1 or 2)) faults.Add(string.Create(CultureInfo.InvariantCulture, $"{nameof(People)}: expected 1 or 2, found {count}."));
        var amount = AmountCents.GetOrDefault(context);
        if (amount < 0) faults.Add($"{nameof(AmountCents)}: expected whole cents of 0 or more, found {amount}.");
        var currency = (Currency.GetOrDefault(context) is { Length: > 0 } code ? code : "USD").ToUpperInvariant();
        if (amount is not null && !CurrencyCode().IsMatch(currency)) faults.Add($"{nameof(Currency)}: expected three letters such as USD, found '{currency}'.");
        if (amount >= options.TwoPeopleFromCents) count = 2;

        var limit = TimeLimit.GetOrDefault(context, static () => TimeSpan.FromDays(7));
        if (limit <= TimeSpan.Zero || limit > LongestLimit) faults.Add($"{nameof(TimeLimit)}: expected more than 0 and at most 366 days, found {limit}.");
        var every = Positive(RemindEvery.GetOrDefault(context));
        if (every < ShortestReminder) faults.Add($"{nameof(RemindEvery)}: expected a minute or more, found {every}.");
        var escalate = Positive(EscalateAfter.GetOrDefault(context));
        var approvers = Names(Approvers.GetOrDefault(context), nameof(Approvers), people, faults);
        var escalateTo = Names(EscalateTo.GetOrDefault(context), nameof(EscalateTo), people, faults);
        var starter = context.WorkflowExecutionContext.GetProperty<string>(StartedBy);
        var by = RequestedBy.GetOrDefault(context) is { } asker && asker.Trim().Length > 0 ? Text(asker, nameof(RequestedBy), 100, faults) : starter;
        if (count == 2 && approvers.Count > 0)
        {
            var able = approvers.Count(a => (by is null || !ApprovalPolicy.IsSame(a, by)) && (starter is null || !ApprovalPolicy.IsSame(a, starter)));
            if (able < 2 && escalate is null) faults.Add(string.Create(CultureInfo.InvariantCulture, $"{nameof(Approvers)}: expected two people or more besides who asks, since two must approve; found {able}."));
        }

        var details = Facts(Details.GetOrDefault(context), faults);
        var definition = context.GetRequiredService<IDefinitionVersionSource>().DefinitionOf(context);
        var approved = Text(IfApproved.GetOrDefault(context), nameof(IfApproved), LongestText, faults);
        var rejected = Text(IfRejected.GetOrDefault(context), nameof(IfRejected), LongestText, faults);
        var order = Text(OrderNumber.GetOrDefault(context), nameof(OrderNumber), 100, faults);
        var subject = Text(Subject.GetOrDefault(context), nameof(Subject), 300, faults);
        if (faults.Count > 0) throw new NonRetryableException($"The approval can't be asked for: {string.Join(' ', faults)}");

        return new Approval(id, context.WorkflowExecutionContext.Id, context.Id, definition, title)
        {
            CorrelationId = context.WorkflowExecutionContext.CorrelationId,
            OrderNumber = order.Length > 0 ? order : null,
            Subject = subject.Length > 0 ? subject : null,
            Details = details,
            IfApproved = approved.Length > 0 ? approved : $"The workflow {definition} goes on at “Approved”.",
            IfRejected = rejected.Length > 0 ? rejected : $"The workflow {definition} goes on at “Rejected”.",
            Approvers = approvers,
            People = count,
            AmountCents = amount,
            Currency = amount is null ? null : currency,
            RequestedBy = by,
            StartedBy = starter,
            RequestedAt = now,
            ExpiresAt = now + limit,
            RemindEvery = every,
            NextReminderAt = every is { } pause && pause < limit ? now + pause : null,
            EscalateAt = escalate is { } wait && wait < limit ? now + wait : null,
            EscalateTo = escalateTo,
        };
    }

    private static TimeSpan? Positive(TimeSpan? time) => time > TimeSpan.Zero ? time : null;

    private static string Text(string? text, string field, int longest, List<string> faults)
    {
        text = text?.Trim() ?? "";
        if (text.Length > longest) faults.Add(string.Create(CultureInfo.InvariantCulture, $"{field}: expected at most {longest} characters, found {text.Length}."));
        if (text.Contains('\0', StringComparison.Ordinal)) faults.Add($"{field}: expected text without NUL characters.");
        return text;
    }

    private static List<string> Names(IEnumerable<string>? names, string field, IReadOnlyList<Approver> people, List<string> faults)
    {
        var list = (names ?? []).Select(static n => n.Trim()).Where(static n => n.Length > 0).Distinct(StringComparer.OrdinalIgnoreCase).ToList();
        foreach (var name in list.Where(n => !people.Any(p => ApprovalPolicy.IsSame(p.Username, n) && p is { IsActive: true, IsAdmin: true })))
            faults.Add($"{field}: expected active administrators, found '{name}'.");
        return list;
    }

    private static List<ApprovalDetail> Facts(IDictionary<string, object?>? details, List<string> faults)
    {
        if (details is null) return [];
        if (details.Count > MostDetails) faults.Add(string.Create(CultureInfo.InvariantCulture, $"{nameof(Details)}: expected at most {MostDetails} facts, found {details.Count}."));
        return [.. details.Take(MostDetails).Select(static d => ApprovalDetail.Of(d.Key, d.Value)).Select(d =>
            new ApprovalDetail(Text(d.Name, nameof(Details), LongestTitle, faults), Text(d.Value, $"{nameof(Details)}.{d.Name}", LongestText, faults)))];
    }

    [GeneratedRegex("^[A-Z]{3}$")]
    private static partial Regex CurrencyCode();
}
