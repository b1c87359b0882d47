namespace PwWorkflows.Activities.Usac;

/// <summary>How the USAC portal is reached and driven.</summary>
public sealed class UsacOptions
{
    /// <summary><c>USAC_PORTAL_URL</c>: address of E-File; paths of the page map are relative to it.</summary>
    public Uri PortalUrl { get; set; } = new("https://www2.usac.org/cr/");

    /// <summary><c>USAC_PAGE_MAP</c>: file with the portal's labels and selectors.</summary>
    public string PageMapPath { get; set; } = Path.Combine(AppContext.BaseDirectory, "portals", "usac-499a.json");

    /// <summary><c>CHROMIUM_PATH</c>: the browser; null looks at <c>/usr/bin/chromium-headless-shell</c>, <c>/usr/bin/chromium</c> and then along <c>PATH</c>.</summary>
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

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        PortalUrl = settings.Url("USAC_PORTAL_URL") ?? PortalUrl;
        if (!PortalUrl.AbsolutePath.EndsWith('/')) settings.Problem($"USAC_PORTAL_URL: expected an address that ends with a slash, found '{PortalUrl}'.");
        PageMapPath = settings.Text("USAC_PAGE_MAP", PageMapPath);
        if (!File.Exists(PageMapPath)) settings.Problem($"USAC_PAGE_MAP: expected a file, found none at '{PageMapPath}'.");
        else foreach (var fault in PageMap.Faults(PageMapPath)) settings.Problem($"USAC_PAGE_MAP: {fault}");
        ChromiumPath = settings.Text("CHROMIUM_PATH") is { Length: > 0 } path ? path : null;
        if (ChromiumPath is not null && !File.Exists(ChromiumPath)) settings.Problem($"CHROMIUM_PATH: expected a file, found none at '{ChromiumPath}'.");
        MaxConcurrent = settings.Number("USAC_MAX_CONCURRENT", MaxConcurrent, 1, 16);
        StepTimeout = TimeSpan.FromSeconds(settings.Number("USAC_STEP_TIMEOUT_SECONDS", (int)StepTimeout.TotalSeconds, 1, 600));
        FilingTimeout = TimeSpan.FromSeconds(settings.Number("USAC_FILING_TIMEOUT_SECONDS", (int)FilingTimeout.TotalSeconds, 10, 7200));
        SessionWatchInterval = TimeSpan.FromSeconds(settings.Number("USAC_SESSION_WATCH_SECONDS", (int)SessionWatchInterval.TotalSeconds, 1, 3600));
        StorageBucket = settings.Text("PLAYWRIGHT_STORAGE_BUCKET", StorageBucket);
        EvidenceBucket = settings.Text("FILINGS_BUCKET", EvidenceBucket);
        MfaVia = settings.Choice("USAC_MFA_VIA", MfaVia, "totp");
    }
}
