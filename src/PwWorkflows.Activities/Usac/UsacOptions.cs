namespace PwWorkflows.Activities.Usac;

/// <summary>How the USAC portal is reached and driven.</summary>
public sealed class UsacOptions
{
    /// <summary><c>USAC_PORTAL_URL</c>: address of E-File; paths of the page map are relative to it.</summary>
    public Uri PortalUrl { get; set; } = new("https://www2.usac.org/cr/");

    /// <summary><c>USAC_PAGE_MAP</c>: file with the portal's labels and selectors.</summary>
    public string PageMapPath { get; set; } = Path.Combine(AppContext.BaseDirectory, "portals", "usac-499a.json");

    /// <summary><c>CHROMIUM_PATH</c>: the browser; null looks at <c>/usr/bin/chromium</c> and then along <c>PATH</c>.</summary>
    public string? ChromiumPath { get; set; }

    /// <summary>Browser contexts open at once, 1 to 16.</summary>
    public int MaxConcurrent { get; set; } = 2;

    /// <summary>Longest wait for one page or box of the portal.</summary>
    public TimeSpan StepTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest time for one filing, all pages together.</summary>
    public TimeSpan FilingTimeout { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long the browser stays open unused.</summary>
    public TimeSpan BrowserIdle { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary><c>PLAYWRIGHT_STORAGE_BUCKET</c>: bucket of the stored sessions.</summary>
    public string StorageBucket { get; set; } = "playwright-storage";

    /// <summary>Bucket of the evidence.</summary>
    public string EvidenceBucket { get; set; } = "filings";

    /// <summary>How long the portal keeps an unused session; a stored session older than this is taken for expired.</summary>
    public TimeSpan SessionIdle { get; set; } = TimeSpan.FromDays(14);

    /// <summary><c>USAC_MFA_VIA</c>: second factor of the portal; only <c>totp</c> is supported.</summary>
    public string MfaVia { get; set; } = "totp";

    /// <summary>How often the stored sessions that orders wait for are looked at.</summary>
    public TimeSpan SessionWatchInterval { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>What is wrong with the options, each with the variable's name; empty when they are good.</summary>
    public IEnumerable<string> Faults()
    {
        if (!PortalUrl.IsAbsoluteUri || PortalUrl.Scheme is not ("http" or "https")) yield return "USAC_PORTAL_URL: expected an http or https address.";
        else if (!PortalUrl.AbsolutePath.EndsWith('/')) yield return "USAC_PORTAL_URL: expected an address that ends with a slash.";
        if (MfaVia != "totp") yield return $"USAC_MFA_VIA: expected totp, got '{MfaVia}'.";
        if (MaxConcurrent is < 1 or > 16) yield return "USAC_MAX_CONCURRENT: expected 1 to 16.";
        if (StorageBucket.Length == 0) yield return "PLAYWRIGHT_STORAGE_BUCKET: expected the name of a bucket.";
        if (ChromiumPath is { Length: > 0 } path && !File.Exists(path)) yield return $"CHROMIUM_PATH: there is no file '{path}'.";
        if (!File.Exists(PageMapPath)) yield return $"USAC_PAGE_MAP: there is no file '{PageMapPath}'.";
    }
}
