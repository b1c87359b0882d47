using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/mails</c>: what do our mails look like?</summary>
internal sealed class MailsPage(MailPreviews previews) : ConsolePage
{
    /// <summary>The HTML part alone: nothing in it runs, nothing is fetched, and only our own pages frame it.</summary>
    private const string FramePolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox";

    public IReadOnlyList<string> Names { get; private set; } = [];

    public string? Name { get; private set; }

    public MailPreview? Mail { get; private set; }

    /// <summary>Why the template can't be used.</summary>
    public string? Broken { get; private set; }

    public string Folder => previews.Folder;

    public async Task<IActionResult> OnGetAsync(string? name, CancellationToken ct)
    {
        Names = previews.List();
        Name = name ?? (Names.Count > 0 ? Names[0] : null);
        if (Name is null) return Page();
        if (!Names.Contains(Name)) return Missing();
        try
        {
            Mail = await previews.ShowAsync(Name, ct).ConfigureAwait(false);
        }
        catch (NonRetryableException e)
        {
            Broken = e.Message;
        }

        return Page();
    }

    public async Task<IActionResult> OnGetHtmlAsync(string? name, CancellationToken ct)
    {
        if (name is null || !previews.List().Contains(name)) return Missing();
        try
        {
            var mail = await previews.ShowAsync(name, ct).ConfigureAwait(false);
            Response.Headers.ContentSecurityPolicy = FramePolicy;
            return Content(mail.Html, "text/html; charset=utf-8");
        }
        catch (NonRetryableException e)
        {
            return Problem(StatusCodes.Status422UnprocessableEntity, "This template can't be used.", e.Message, "Correct the file and load the page again.");
        }
    }

    private IActionResult Missing() => Problem(StatusCodes.Status404NotFound, "There is no such mail template.", "Its file is missing, or the link is wrong.", "Choose one of the templates on /mails.");
}
