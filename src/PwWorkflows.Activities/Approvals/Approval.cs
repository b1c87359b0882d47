using System.Globalization;
using System.Text.Json;

namespace PwWorkflows.Activities.Approvals;

/// <summary>Values of <see cref="Approval.Status"/>.</summary>
public static class ApprovalStatuses
{
    /// <summary>Nobody has decided yet, or the first of two people has.</summary>
    public const string Waiting = "waiting";
    /// <summary>As many people as were asked for have approved.</summary>
    public const string Approved = "approved";
    /// <summary>Somebody has rejected.</summary>
    public const string Rejected = "rejected";
    /// <summary>The time ran out first.</summary>
    public const string Expired = "expired";
    /// <summary>The workflow that asked no longer waits: it was cancelled or took another way.</summary>
    public const string Withdrawn = "withdrawn";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Waiting, Approved, Rejected, Expired, Withdrawn];
}

/// <summary>Values of <see cref="ApprovalDecision.Via"/>: by which door somebody decided.</summary>
public static class ApprovalDoors
{
    /// <summary>The page of the console.</summary>
    public const string Console = "console";
    /// <summary>The panel beside Studio's instance viewer.</summary>
    public const string Studio = "studio";
    /// <summary>The admin API.</summary>
    public const string Api = "api";
    /// <summary><c>pw approvals</c>.</summary>
    public const string CommandLine = "command-line";
    /// <summary>The link of a mail.</summary>
    public const string Mail = "mail";
}

/// <summary>One person's word about a request.</summary>
/// <param name="Username">Who.</param>
/// <param name="DisplayName">The name to show.</param>
/// <param name="Decision"><c>approved</c> or <c>rejected</c>.</param>
/// <param name="Note">What they said; may be empty.</param>
/// <param name="Via">One of <see cref="ApprovalDoors"/>.</param>
/// <param name="At">When (UTC).</param>
public sealed record ApprovalDecision(string Username, string DisplayName, string Decision, string Note, string Via, DateTimeOffset At);

/// <summary>A fact shown to whoever decides.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Value">Its value.</param>
public sealed record ApprovalDetail(string Name, string Value)
{
    /// <summary>A fact from a workflow's value, as it is shown.</summary>
    internal static ApprovalDetail Of(string name, object? value) => new(name.Trim(), (Shown(value) ?? "").Trim());

    private static string? Shown(object? value) => value switch
    {
        null => "",
        string text => text,
        bool flag => flag ? "yes" : "no",
        JsonElement { ValueKind: JsonValueKind.String } json => json.GetString(),
        JsonElement { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined } => "",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => JsonSerializer.Serialize(value),
    };
}

/// <summary>A request for approval: a row of <c>approvals</c> with the words given so far.</summary>
/// <param name="Id"><c>AP-</c> and twenty upper case hexadecimal digits; ten, where it was made before they became longer.</param>
/// <param name="InstanceId">The workflow instance that waits.</param>
/// <param name="ActivityInstanceId">The execution of the activity that waits.</param>
/// <param name="DefinitionId">The instance's definition.</param>
/// <param name="Title">What is to be approved, in one line.</param>
public sealed record Approval(string Id, string InstanceId, string ActivityInstanceId, string DefinitionId, string Title)
{
    /// <summary>Business key of the instance; <c>null</c> when it has none.</summary>
    public string? CorrelationId { get; init; }
    /// <summary>The order it is about, if any.</summary>
    public string? OrderNumber { get; init; }
    /// <summary>Stable key of what exactly is approved, such as a form's values; <c>null</c> when the workflow gives none.</summary>
    public string? Subject { get; init; }
    /// <summary>The facts shown, in their order.</summary>
    public IReadOnlyList<ApprovalDetail> Details { get; init; } = [];
    /// <summary>What happens when it is approved, for people.</summary>
    public string IfApproved { get; init; } = "";
    /// <summary>What happens when it is rejected, for people.</summary>
    public string IfRejected { get; init; } = "";
    /// <summary>Role that may decide.</summary>
    public string ApproverRole { get; init; } = ApprovalPolicy.DecidingRole;
    /// <summary>Sign-in names of those who may decide; empty: everyone with the role.</summary>
    public IReadOnlyList<string> Approvers { get; init; } = [];
    /// <summary>How many different people must approve, 1 or 2.</summary>
    public int People { get; init; } = 1;
    /// <summary>Amount in cents; <c>null</c> when it is not about money.</summary>
    public long? AmountCents { get; init; }
    /// <summary>Upper case ISO 4217 code of the amount.</summary>
    public string? Currency { get; init; }
    /// <summary>Sign-in name of who asks; <c>null</c> for the system.</summary>
    public string? RequestedBy { get; init; }
    /// <summary>Sign-in name of who started the workflow by hand, who can't approve it either where two are asked; <c>null</c> when nobody did.</summary>
    public string? StartedBy { get; init; }
    /// <summary>When it was asked for (UTC).</summary>
    public DateTimeOffset RequestedAt { get; init; }
    /// <summary>When the time runs out (UTC); from this instant on nobody can decide.</summary>
    public DateTimeOffset ExpiresAt { get; init; }
    /// <summary>Time between two reminders; <c>null</c> for none.</summary>
    public TimeSpan? RemindEvery { get; init; }
    /// <summary>When the next reminder is due (UTC).</summary>
    public DateTimeOffset? NextReminderAt { get; init; }
    /// <summary>How many reminders went out.</summary>
    public int RemindersSent { get; init; }
    /// <summary>When it is escalated (UTC); <c>null</c> for never.</summary>
    public DateTimeOffset? EscalateAt { get; init; }
    /// <summary>Sign-in names of those who may decide as well once it is escalated; empty: every administrator.</summary>
    public IReadOnlyList<string> EscalateTo { get; init; } = [];
    /// <summary>When it was escalated (UTC).</summary>
    public DateTimeOffset? EscalatedAt { get; init; }
    /// <summary>One of <see cref="ApprovalStatuses"/>.</summary>
    public string Status { get; init; } = ApprovalStatuses.Waiting;
    /// <summary>When it ended (UTC).</summary>
    public DateTimeOffset? DecidedAt { get; init; }
    /// <summary>When the request was written into the audit log and its mails were made (UTC).</summary>
    public DateTimeOffset? AnnouncedAt { get; init; }
    /// <summary>When the workflow took the outcome (UTC).</summary>
    public DateTimeOffset? DeliveredAt { get; init; }
    /// <summary>The words given, oldest first.</summary>
    public IReadOnlyList<ApprovalDecision> Decisions { get; init; } = [];

    /// <summary>Whether somebody still can decide at an instant.</summary>
    public bool IsOpenAt(DateTimeOffset now) => Status == ApprovalStatuses.Waiting && now < ExpiresAt;

    /// <summary>The amount as people read it, such as <c>1,250.00 USD</c>; empty when there is none.</summary>
    public string Amount() => AmountCents is { } cents ? string.Create(CultureInfo.InvariantCulture, $"{cents / 100m:#,##0.00} {Currency}") : "";

    /// <summary>How it stands, as one sentence that names who decided and when.</summary>
    /// <param name="notes">Whether what people noted is told too.</param>
    public string Standing(bool notes = true)
    {
        string By(ApprovalDecision d) => $"{d.DisplayName} on {ApprovalPolicy.Time(d.At)}{(d.Note.Length == 0 || !notes ? "" : $" (“{d.Note}”)")}";
        return Status switch
        {
            ApprovalStatuses.Approved => $"Approved by {string.Join(" and ", Decisions.Select(By))}.",
            ApprovalStatuses.Rejected => $"Rejected by {string.Join(" and ", Decisions.Where(static d => d.Decision == ApprovalStatuses.Rejected).Select(By))}.",
            ApprovalStatuses.Expired => $"Nobody decided before {ApprovalPolicy.Time(ExpiresAt)}: the time ran out.",
            ApprovalStatuses.Withdrawn => $"The workflow no longer waits for it, since {ApprovalPolicy.Time(DecidedAt ?? ExpiresAt)}.",
            _ => Decisions.Count == 0 ? "Nobody has decided yet." : $"Approved by {string.Join(" and ", Decisions.Select(By))}; a second person is needed.",
        };
    }
}
