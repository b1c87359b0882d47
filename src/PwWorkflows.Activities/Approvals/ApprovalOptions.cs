using System.Security.Cryptography;
using System.Text;

namespace PwWorkflows.Activities.Approvals;

/// <summary>How approvals are asked for.</summary>
public sealed class ApprovalOptions
{
    /// <summary><c>PUBLIC_URL</c>: the server's address as people reach it, for the links of mails; default <c>http://127.0.0.1:8080</c>.</summary>
    public Uri PublicUrl { get; set; } = new("http://127.0.0.1:8080");

    /// <summary><c>APPROVAL_LINK_HOURS</c>, 1 to 720: how long a mail's link works; default 72. No link works longer than its request.</summary>
    public TimeSpan LinkLifetime { get; set; } = TimeSpan.FromHours(72);

    /// <summary><c>APPROVAL_TWO_PEOPLE_FROM_CENTS</c>: from this amount on two people are asked for, whatever the workflow says; <c>null</c> (0, the default): never.</summary>
    public long? TwoPeopleFromCents { get; set; }

    /// <summary><c>FILING_APPROVAL</c>: <c>flagged</c> (default: orders that say so) or <c>always</c>: which filings need an administrator's approval.</summary>
    public bool EveryFiling { get; set; }

    /// <summary>Time between two looks at what is due. Tests shorten it.</summary>
    public TimeSpan WatchInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Signs the links; derived from <c>ADMIN_JWT_SECRET</c>, so that changing that ends all links.</summary>
    public ReadOnlyMemory<byte> LinkKey { get; set; } = RandomNumberGenerator.GetBytes(32);

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        PublicUrl = settings.Url("PUBLIC_URL") ?? Listening(settings.Text("PW_URLS"));
        LinkLifetime = TimeSpan.FromHours(settings.Number("APPROVAL_LINK_HOURS", 72, 1, 720));
        TwoPeopleFromCents = settings.Number("APPROVAL_TWO_PEOPLE_FROM_CENTS", 0, 0, int.MaxValue) is > 0 and var cents ? cents : null;
        EveryFiling = settings.Choice("FILING_APPROVAL", "flagged", "flagged", "always") == "always";
        if (settings.Secret("ADMIN_JWT_SECRET") is { Length: > 0 } secret) LinkKey = HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), "pw-approval-links"u8);
    }

    // An address to listen on is good enough on the machine itself.
    private static Uri Listening(string urls) =>
        Uri.TryCreate(urls.Split(';')[0].Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal).Replace("[::]", "127.0.0.1", StringComparison.Ordinal).Trim(), UriKind.Absolute, out var url)
            ? url : new Uri("http://127.0.0.1:8080");
}
