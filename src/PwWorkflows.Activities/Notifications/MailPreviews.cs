using Microsoft.Extensions.Options;

namespace PwWorkflows.Activities.Notifications;

/// <summary>A mail as a template makes it of made-up values.</summary>
/// <param name="Subject">Its subject.</param>
/// <param name="Text">The plain part.</param>
/// <param name="Html">The HTML part.</param>
public sealed record MailPreview(string Subject, string Text, string Html);

/// <summary>Shows what the mail templates make, before a customer sees it.</summary>
public sealed class MailPreviews
{
    private const string Ending = ".txt.liquid";

    // One value for every name that a template of ours uses; a template of an operator's may use them all.
    private static readonly Dictionary<string, object?> Samples = new(StringComparer.Ordinal)
    {
        ["customer_name"] = "Dana Doe",
        ["order_number"] = "CO-1A2B3C4D",
        ["carrier"] = "Example Voice LLC",
        ["entity_name"] = "Example Voice LLC",
        ["name"] = "Dana Doe",
        ["partner_name"] = "Example Referrals",
        ["service_name"] = "FCC Form 499-A",
        ["service"] = "FCC Form 499-A",
        ["services"] = new List<string> { "FCC Form 499-A", "RMD recertification" },
        ["pay_url"] = "https://example.com/pay",
        ["intake_url"] = "https://example.com/intake",
        ["refile_url"] = "https://example.com/refile",
        ["link"] = "https://example.com/approvals/link",
        ["frn"] = "0031234567",
        ["due"] = "2027-04-01",
        ["amount"] = "499.00 USD",
        ["reason"] = "removed",
        ["days"] = 30,
        ["kind"] = "reminder",
        ["title"] = "File Form 499-A for Example Voice LLC",
        ["reseller"] = "Example Reseller Inc",
        ["reseller_filer_id"] = "812345",
        ["quarter"] = "2027Q1",
        ["quarter_name"] = "first quarter of 2027",
        ["month"] = "November 2026",
        ["factor"] = "38.1",
        ["previous_factor"] = "37.6",
        ["direction"] = "up",
        ["effective_start"] = "January 1, 2027",
        ["notice"] = "DA 26-1234",
        ["carriers"] = new List<string> { "Example Voice LLC", "Example Mobile LLC" },
        ["total"] = "$123.45",
        ["statement"] = "CS-2026-11-example",
        ["source"] = "the FCC's Robocall Mitigation Database",
        ["requested_by"] = "operator",
        ["requested_at"] = "2026-11-29 12:00 UTC",
        ["expires_at"] = "2026-12-01 12:00 UTC",
        ["link_expires_at"] = "2026-12-01 12:00 UTC",
        ["left"] = "2 days",
        ["subject"] = "filing:499-A:2026:CO-1A2B3C4D:5E1F0A",
        ["if_approved"] = "The form is filed.",
        ["if_rejected"] = "The order stops.",
        ["people"] = 2,
        ["files"] = new List<string> { "2026-Q3.csv" },
        ["filed_at"] = "2026-11-29 12:00 UTC",
        ["confirmation_number"] = "499A-2026-12345678",
        ["details"] = new List<Dictionary<string, object>> { new() { ["name"] = "Filer ID", ["value"] = "831234" }, new() { ["name"] = "Form year", ["value"] = "2026" } },
    };

    private readonly MailOptions _options;
    private readonly MailTemplates _templates;

    /// <summary>Creates it.</summary>
    public MailPreviews(IOptions<MailOptions> options)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_options, _templates) = (options.Value, new MailTemplates(options.Value.Templates));
    }

    /// <summary>The folder of the templates.</summary>
    public string Folder => _options.Templates;

    /// <summary>The names of the templates.</summary>
    public IReadOnlyList<string> List() => Directory.Exists(Folder) ? [.. Directory.EnumerateFiles(Folder, "*" + Ending).Select(static f => Path.GetFileName(f)[..^Ending.Length]).Order(StringComparer.Ordinal)] : [];

    /// <summary>What a template makes of made-up values.</summary>
    /// <exception cref="NonRetryableException">It can't be read or is broken; the text says where.</exception>
    public async Task<MailPreview> ShowAsync(string name, CancellationToken ct)
    {
        var mail = await _templates.RenderAsync(name, new Dictionary<string, object?>(Samples, StringComparer.Ordinal) { ["reply_address"] = _options.ReplyTo, ["site_url"] = _options.Site.AbsoluteUri.TrimEnd('/') }, ct).ConfigureAwait(false);
        return new(mail.Subject, mail.Text, mail.Html);
    }
}
