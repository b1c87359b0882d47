using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Approvals;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary>A request as one person sees it: what is asked, what will happen, and every rule as it stands for them.</summary>
/// <param name="Approval">The request.</param>
/// <param name="Checks">The rules.</param>
internal sealed record ApprovalView(Approval Approval, IReadOnlyList<PolicyCheck> Checks)
{
    /// <summary>The token of the mail's link; <c>null</c> on the console.</summary>
    public string? Token { get; init; }
    /// <summary>Whether links into the console lead somewhere for them.</summary>
    public bool IsSignedIn { get; init; }
    /// <summary>What was wrong with what they sent.</summary>
    public string? Wrong { get; init; }
    /// <summary>The note they typed.</summary>
    public string? Note { get; init; }
    /// <summary>Whether the buttons are shown at all: a link that was used or ran out only shows.</summary>
    public bool IsUsable { get; init; } = true;

    public bool MayApprove => IsUsable && ApprovalPolicy.Allows(Checks, true);

    public bool MayReject => IsUsable && ApprovalPolicy.Allows(Checks, false);
}

/// <summary>Reads what a form about a request sent, the same on the page and behind a mail's link.</summary>
/// <param name="Approve">Which button it was.</param>
/// <param name="Note">The note.</param>
/// <param name="Wrong">What is wrong with it; <c>null</c> when it can be taken.</param>
internal sealed record ApprovalWord(bool Approve, string Note, string? Wrong)
{
    public static ApprovalWord Read(string? decision, string? note)
    {
        var text = note?.Replace("\r\n", "\n", StringComparison.Ordinal).Trim() ?? "";
        return new(decision == "approve", text, decision is not ("approve" or "reject") ? "Choose Approve or Reject."
            : text.Contains('\0', StringComparison.Ordinal) ? "The note holds a character that can't be kept."
            : text.Length > ApprovalDesk.LongestNote ? $"The note has {text.Length} characters; {ApprovalDesk.LongestNote} are the most."
            : decision == "reject" && text.Length == 0 ? "Say why you reject it: whoever asked must learn it." : null);
    }

    /// <summary>What is said after a decision.</summary>
    /// <param name="result">How it went.</param>
    /// <param name="notes">Whether what people noted is told too.</param>
    public static string Say(DecideResult result, bool notes = true) => result switch
    {
        DecideResult.Taken { Approval.Status: ApprovalStatuses.Waiting } => "Your approval is recorded. A second person must approve as well.",
        DecideResult.Taken { Approval.Status: ApprovalStatuses.Approved } => "Approved. The workflow goes on.",
        DecideResult.Taken => "Rejected. The workflow goes on.",
        DecideResult.Repeated { Approval: var before } => "You had said so already; nothing was changed. " + before.Standing(notes),
        DecideResult.TooLate late => "Too late, nothing was changed. " + late.Approval.Standing(notes),
        DecideResult.Refused refused => "Nothing was changed. " + string.Join(' ', refused.Why.Select(static c => c.Text)),
        _ => "There is no such request.",
    };
}

/// <summary><c>/approvals/{id}</c>: look at a request and decide it.</summary>
internal sealed class ApprovalPage(ApprovalStore store, ApprovalDesk desk) : ConsolePage
{
    public override string? Topic => LiveFeed.Approvals;

    public ApprovalView View { get; private set; } = null!;

    public IReadOnlyList<TimelineItem> Story { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync(string id, CancellationToken ct) => await ShowAsync(id, null, null, ct).ConfigureAwait(false);

    /// <summary>How it stands, for the page to renew itself; the whole page when somebody else has decided since.</summary>
    public async Task<IActionResult> OnGetStandingAsync(string id, CancellationToken ct)
    {
        if (await store.FindAsync(id, ct).ConfigureAwait(false) is not { } approval) return NotFound();
        if (Request.Query["seen"] != SeenOf(approval)) Response.Headers["HX-Refresh"] = "true";
        return Content(approval.Standing());
    }

    [NeedsRole(Roles.Admin)]
    public async Task<IActionResult> OnPostAsync(string id, string? decision, string? note, CancellationToken ct)
    {
        var word = ApprovalWord.Read(decision, note);
        if (word.Wrong is not null) return await ShowAsync(id, word.Wrong, note, ct).ConfigureAwait(false);
        var result = await desk.DecideAsync(id, User.Identity!.Name!, word.Approve, word.Note, ApprovalDoors.Console, ct).ConfigureAwait(false);
        return result is DecideResult.Unknown ? Unknown(id) : GoTo("/approvals/" + Uri.EscapeDataString(id), ApprovalWord.Say(result));
    }

    /// <summary>What a page that shows this state has seen.</summary>
    public static string SeenOf(Approval approval) => $"{approval.Status}-{approval.Decisions.Count}";

    private async Task<IActionResult> ShowAsync(string id, string? wrong, string? note, CancellationToken ct)
    {
        if (await store.FindAsync(id, ct).ConfigureAwait(false) is not { } approval) return Unknown(id);
        var name = User.Identity!.Name!;
        var person = await store.ApproverAsync(name, ct).ConfigureAwait(false) ?? new Approver(name, name, "", false, false);
        View = new(approval, desk.Check(approval, person)) { IsSignedIn = true, Wrong = wrong, Note = note };
        Story = [.. ApprovalStory.Of(approval, Show)];
        return Page();
    }

    private IActionResult Unknown(string id) => Problem(
        StatusCodes.Status404NotFound, $"There is no request {id}.", "The link is wrong, or it is of another installation.", "Look at the list of requests.");
}
