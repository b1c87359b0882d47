using Microsoft.AspNetCore.Html;
using PwWorkflows.Activities.Approvals;

namespace PwWorkflows.Server.Pages;

/// <summary>What happened to a request for approval, on its own page and in the story of the order it is about.</summary>
internal static class ApprovalStory
{
    /// <summary>Who asked, every word with its note and its door, and how it ended.</summary>
    /// <param name="a">The request.</param>
    /// <param name="show">Shows values.</param>
    /// <param name="named">Whether each entry names the request and links to it: elsewhere than on its own page.</param>
    public static IEnumerable<TimelineItem> Of(Approval a, Show show, bool named = false)
    {
        // On its own page the heading says what it is about.
        IHtmlContent About(string before, string rest) =>
            named ? new HtmlContentBuilder().Append(before).AppendHtml(show.Link(a.Title, "/approvals/" + Uri.EscapeDataString(a.Id))).Append(rest) : show.Text((before + rest).Trim());

        yield return new(a.RequestedAt, a.RequestedBy ?? "The workflow", "asked for", About(named ? $"{(a.People == 2 ? "two approvals" : "an approval")}: " : a.People == 2 ? "two approvals" : "an approval", $", until {ApprovalPolicy.Time(a.ExpiresAt)}"), Tone.Busy) { Detail = named ? a.Amount() : null };
        if (a.EscalatedAt is { } escalated) yield return new(escalated, "The system", named ? "escalated" : "escalated it", About("", $" to {(a.EscalateTo.Count == 0 ? "every administrator" : string.Join(", ", a.EscalateTo))}"), Tone.Warn);
        foreach (var d in a.Decisions)
            yield return new(d.At, d.DisplayName, d.Decision, About("", $" by {Door(d.Via)}"), d.Decision == ApprovalStatuses.Approved ? Tone.Good : Tone.Bad) { Detail = d.Note, Rank = 1 };
        if (a.Status is ApprovalStatuses.Expired or ApprovalStatuses.Withdrawn) yield return new(a.DecidedAt!.Value, "The system", named ? "ended" : "ended it:", About("", $"{(named ? ": " : "")}{a.Standing()}"), Tone.Bad) { Rank = 1 };
        if (a.DeliveredAt is { } taken && a.Status != ApprovalStatuses.Withdrawn && !named)
            yield return new(taken, "The workflow", "took the outcome and went on:", show.Link(a.DefinitionId, "/studio/host/instance?id=" + Uri.EscapeDataString(a.InstanceId)), Tone.Good) { Rank = 2 };
    }

    private static string Door(string via) => via switch
    {
        ApprovalDoors.Mail => "the link of a mail",
        ApprovalDoors.Studio => "the panel beside the instance",
        ApprovalDoors.CommandLine => "the command line",
        ApprovalDoors.Api => "the API",
        _ => "the console",
    };
}
