using System.Globalization;

namespace PwWorkflows.Activities.Approvals;

/// <summary>Somebody who may be asked to decide: a row of <c>admin_users</c>.</summary>
/// <param name="Username">Sign-in name.</param>
/// <param name="DisplayName">The name to show.</param>
/// <param name="Email">Address; may be empty.</param>
/// <param name="IsAdmin">Whether they have the role that decides.</param>
/// <param name="IsActive">Whether they may sign in.</param>
public sealed record Approver(string Username, string DisplayName, string Email, bool IsAdmin, bool IsActive);

/// <summary>A rule, checked for one person at one instant.</summary>
/// <param name="Rule">Short stable name: <c>open</c>, <c>approver</c>, <c>different-person</c>, <c>own-request</c>, <c>amount</c>, <c>time-left</c>.</param>
/// <param name="Passed">Whether it allows the decision.</param>
/// <param name="Text">The rule and how it stands, for people.</param>
/// <param name="OnlyApproving">Whether it is only about approving: who may not approve their own request may still reject it.</param>
public sealed record PolicyCheck(string Rule, bool Passed, string Text, bool OnlyApproving = false);

/// <summary>The rules of who may decide what. Pure: the same rules are shown on every page and asked again when somebody decides.</summary>
public static class ApprovalPolicy
{
    /// <summary>
    /// The only role that decides. Operators edit workflows: if a workflow could name their role, whoever draws it could give himself the right.
    /// </summary>
    public const string DecidingRole = "admin";

    /// <summary>Checks every rule for a person at an instant.</summary>
    /// <param name="approval">The request.</param>
    /// <param name="person">Who wants to decide.</param>
    /// <param name="now">The instant (UTC).</param>
    /// <param name="twoPeopleFromCents">From this amount on two people are asked for; <c>null</c> for no such limit.</param>
    public static IReadOnlyList<PolicyCheck> Check(Approval approval, Approver person, DateTimeOffset now, long? twoPeopleFromCents)
    {
        ArgumentNullException.ThrowIfNull(approval);
        ArgumentNullException.ThrowIfNull(person);
        var checks = new List<PolicyCheck>
        {
            new("open", approval.Status == ApprovalStatuses.Waiting, (approval.Status == ApprovalStatuses.Waiting ? "It is open. " : "It has ended. ") + approval.Standing()),
            Named(approval, person),
        };
        if (approval.People == 2)
        {
            checks.Add(approval.Decisions.FirstOrDefault(d => IsSame(d.Username, person.Username)) is { } own
                ? new("different-person", false, $"Two different people must approve; {own.DisplayName} has given their word already, on {Time(own.At)}.")
                : new("different-person", true, approval.Decisions.Count == 0
                    ? "Two different people must approve; this is the first."
                    : $"Two different people must approve; {approval.Decisions[0].DisplayName} was the first, on {Time(approval.Decisions[0].At)}."));
            checks.Add(IsOwn(approval, person.Username)
                ? new("own-request", false, $"{person.DisplayName} asked for this and can't approve it.", OnlyApproving: true)
                : new("own-request", true, $"Whoever asks can't approve; {approval.RequestedBy ?? "the system"} asked."));
        }

        if (approval.AmountCents is { } cents)
        {
            var limit = twoPeopleFromCents is { } from ? string.Create(CultureInfo.InvariantCulture, $" (two from {from / 100m:#,##0.00} on)") : "";
            // The limit may have been lowered since the request was made.
            var enough = twoPeopleFromCents is not { } least || cents < least || approval.People == 2;
            checks.Add(new("amount", enough, enough
                ? $"{approval.Amount()}: {(approval.People == 2 ? "two people are asked for" : "one person is enough")}{limit}."
                : $"{approval.Amount()} needs two people{limit}, but only one was asked for: reject it and have it asked again.", OnlyApproving: true));
        }

        checks.Add(new("time-left", now < approval.ExpiresAt, now < approval.ExpiresAt
            ? $"{Duration(approval.ExpiresAt - now)} left, until {Time(approval.ExpiresAt)}."
            : $"The time ran out at {Time(approval.ExpiresAt)}."));
        return checks;
    }

    /// <summary>Whether the checks let a decision pass.</summary>
    public static bool Allows(IEnumerable<PolicyCheck> checks, bool approve) => checks.All(c => c.Passed || (!approve && c.OnlyApproving));

    /// <summary>Whether a person is among those who may decide.</summary>
    public static bool IsNamed(Approval approval, Approver person)
    {
        ArgumentNullException.ThrowIfNull(approval);
        ArgumentNullException.ThrowIfNull(person);
        if (!person.IsActive || !person.IsAdmin) return false;
        if (approval.Approvers.Count == 0 || approval.Approvers.Any(a => IsSame(a, person.Username))) return true;
        return approval.EscalatedAt is not null && (approval.EscalateTo.Count == 0 || approval.EscalateTo.Any(a => IsSame(a, person.Username)));
    }

    /// <summary>Whether a mail that asks for a decision goes to a person.</summary>
    internal static bool IsAsked(Approval approval, Approver person) =>
        IsNamed(approval, person)
        && !approval.Decisions.Any(d => IsSame(d.Username, person.Username))
        && !(approval.People == 2 && IsOwn(approval, person.Username));

    // A workflow may name somebody else as who asks: whoever started it asks all the same.
    private static bool IsOwn(Approval approval, string username) =>
        (approval.RequestedBy is { } by && IsSame(by, username)) || (approval.StartedBy is { } starter && IsSame(starter, username));

    /// <summary>Names are compared without case, so that nobody is two people.</summary>
    internal static bool IsSame(string one, string other) => string.Equals(one, other, StringComparison.OrdinalIgnoreCase);

    /// <summary>A time as people read it, in UTC.</summary>
    public static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    /// <summary>A duration as people read it, such as <c>2 d 3 h</c>.</summary>
    public static string Duration(TimeSpan time) => time switch
    {
        { TotalDays: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalDays} d {time.Hours} h"),
        { TotalHours: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours} h {time.Minutes} min"),
        { TotalMinutes: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{Math.Max(0, (int)time.TotalSeconds)} s"),
    };

    private static PolicyCheck Named(Approval approval, Approver person)
    {
        var whom = approval.Approvers.Count == 0
            ? "Every administrator may decide"
            : $"Only {string.Join(", ", approval.Approvers)} may decide"
                + (approval.EscalatedAt is null ? "" : approval.EscalateTo.Count == 0 ? ", and every administrator since it was escalated" : $", and {string.Join(", ", approval.EscalateTo)} since it was escalated");
        return IsNamed(approval, person)
            ? new("approver", true, $"{whom}; {person.DisplayName} is one of them.")
            : new("approver", false, $"{whom}; {person.DisplayName} {(person.IsActive ? person.IsAdmin ? "is not named" : "is no administrator" : "is no longer active")}.");
    }
}
