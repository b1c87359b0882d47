namespace PwWorkflows.Activities.Regulatory;

/// <summary>Where the regulators' pages are.</summary>
public sealed class RegulatoryOptions
{
    /// <summary><c>USAC_FACTORS_URL</c>: USAC's page of contribution factors; in the sandbox by default the stand-in's beside <c>USAC_PORTAL_URL</c>.</summary>
    public Uri FactorsUrl { get; set; } = new("https://www.usac.org/service-providers/making-payments/contribution-factors/");

    /// <summary><c>USF_MONITOR_DRY_RUN</c>: the factor monitor tells what it would do and changes nothing.</summary>
    public bool MonitorDryRun { get; set; }

    /// <summary><c>FCC_RMD_URL</c>: the listing of the Robocall Mitigation Database as CSV, or a page with one link to it.</summary>
    public Uri RmdUrl { get; set; } = new("https://fccprod.servicenowservices.com/rmd?id=rmd_welcome");

    /// <summary><c>FCC_RMD_ORDERS_URL</c>: a page that links to the FCC's removal orders (<c>…/DA-25-694A1.txt</c> or <c>.pdf</c>).</summary>
    public Uri RmdOrdersUrl { get; set; } = new("https://www.fcc.gov/robocall-mitigation-database");

    /// <summary><c>RMD_MIN_ROWS</c>: fewer filers than this are no listing; default 3000, in the sandbox 50.</summary>
    public int RmdMinRows { get; set; } = 3000;

    /// <summary><c>RMD_CONTROL_FRN</c>: an FRN that is always listed; a listing without it is not believed. Empty: none.</summary>
    public string RmdControlFrn { get; set; } = "";

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var stands = settings.Choice("PW_ENVIRONMENT", "development", "production", "sandbox", "development") == "sandbox" ? settings.Url("USAC_PORTAL_URL") : null;
        if (stands is not null)
        {
            FactorsUrl = new Uri(stands, "service-providers/making-payments/contribution-factors/");
            RmdUrl = new Uri(stands, "../fcc/rmd");
            RmdOrdersUrl = new Uri(stands, "../fcc/orders");
        }

        FactorsUrl = settings.Url("USAC_FACTORS_URL") ?? FactorsUrl;
        RmdUrl = settings.Url("FCC_RMD_URL") ?? RmdUrl;
        RmdOrdersUrl = settings.Url("FCC_RMD_ORDERS_URL") ?? RmdOrdersUrl;
        RmdMinRows = settings.Number("RMD_MIN_ROWS", stands is null ? RmdMinRows : 50, 1, 1_000_000);
        RmdControlFrn = settings.Text("RMD_CONTROL_FRN");
        if (RmdControlFrn.Length > 0 && (RmdControlFrn.Length != 10 || !RmdControlFrn.All(char.IsAsciiDigit))) settings.Problem($"RMD_CONTROL_FRN: expected ten digits, found '{RmdControlFrn}'.");
        MonitorDryRun = settings.Flag("USF_MONITOR_DRY_RUN", false);
    }
}
