using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Approvals;

namespace PwWorkflows.Server.Pages;

/// <summary>
/// <c>/approvals/link?t=…</c>: where a mail's link leads. The signed token names the person, so nobody need be signed in; whoever is, decides here as the person of the link
/// all the same. Opening the page decides nothing, because mail scanners open links: only the form does.
/// </summary>
internal sealed class ApprovalLinkPage(ApprovalStore store, ApprovalDesk desk, ApprovalLinks links) : ConsolePage
{
    /// <summary>The request; only for an administrator who can still be asked by this link, or who has just decided by it. Mails are forwarded, and their links outlive what they were for.</summary>
    public ApprovalView? View { get; private set; }

    /// <summary>Whom the link names.</summary>
    public Approver? Person { get; private set; }

    /// <summary>What was said after the form was sent, or why the link does not work; <c>null</c> with no request: it is none of ours.</summary>
    public string? Said { get; private set; }

    public async Task<IActionResult> OnGetAsync(string? t, CancellationToken ct) => await ShowAsync(t, null, false, null, null, ct).ConfigureAwait(false);

    public async Task<IActionResult> OnPostAsync(string? t, string? decision, string? note, CancellationToken ct)
    {
        var (link, fault) = await links.ReadAsync(t, ct).ConfigureAwait(false);
        var word = ApprovalWord.Read(decision, note);
        // A used link is let through to the desk: a double click is told what the first one did, anything else that it comes too late.
        if (link is null || fault == LinkFault.Expired) return await ShowAsync(t, null, false, null, null, ct).ConfigureAwait(false);
        if (word.Wrong is not null) return await ShowAsync(t, null, false, word.Wrong, note, ct).ConfigureAwait(false);
        var result = await desk.DecideAsync(link.ApprovalId, link.Username, word.Approve, word.Note, ApprovalDoors.Mail, ct).ConfigureAwait(false);
        return await ShowAsync(t, ApprovalWord.Say(result, notes: false), result is DecideResult.Taken, null, null, ct).ConfigureAwait(false);
    }

    private async Task<IActionResult> ShowAsync(string? token, string? said, bool decided, string? wrong, string? note, CancellationToken ct)
    {
        // The address acts for a person: no other site, and no page of ours, gets to know it.
        Response.Headers["Referrer-Policy"] = "no-referrer";
        var (link, fault) = await links.ReadAsync(token, ct).ConfigureAwait(false);
        if (link is null || await store.FindAsync(link.ApprovalId, ct).ConfigureAwait(false) is not { } approval)
        {
            Response.StatusCode = StatusCodes.Status404NotFound;
            return Page();
        }

        Person = await store.ApproverAsync(link.Username, ct).ConfigureAwait(false) ?? new Approver(link.Username, link.Username, "", false, false);
        var mayLook = Person is { IsAdmin: true, IsActive: true };
        Said = !mayLook ? $"{Person.DisplayName} {(Person.IsActive ? "is no administrator" : "is no longer active")}. Nothing was changed." : said ?? fault switch
        {
            LinkFault.Used => $"This link was used by {Person.DisplayName} and works no more.",
            _ when approval.Status != ApprovalStatuses.Waiting => approval.Standing(notes: false),
            LinkFault.Expired => $"This link ran out at {ApprovalPolicy.Time(link.ExpiresAt)}. Sign in to decide, or wait for the next reminder.",
            _ => null,
        };
        if (mayLook && (decided || (fault == LinkFault.None && approval.Status == ApprovalStatuses.Waiting)))
            View = new(approval, desk.Check(approval, Person)) { Token = token, Wrong = wrong, Note = note, IsUsable = fault == LinkFault.None };
        return Page();
    }
}
