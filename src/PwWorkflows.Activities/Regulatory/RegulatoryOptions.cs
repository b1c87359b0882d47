namespace PwWorkflows.Activities.Regulatory;

/// <summary>Where the regulators' pages are.</summary>
public sealed class RegulatoryOptions
{
    /// <summary><c>USAC_FACTORS_URL</c>: USAC's page of contribution factors; in the sandbox by default the stand-in's beside <c>USAC_PORTAL_URL</c>.</summary>
    public Uri FactorsUrl { get; set; } = new("https://www.usac.org/service-providers/making-payments/contribution-factors/");

    /// <summary><c>USF_MONITOR_DRY_RUN</c>: the factor monitor tells what it would do and changes nothing.</summary>
    public bool MonitorDryRun { get; set; }

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var stands = settings.Choice("PW_ENVIRONMENT", "development", "production", "sandbox", "development") == "sandbox" ? settings.Url("USAC_PORTAL_URL") : null;
        if (stands is not null) FactorsUrl = new Uri(stands, "service-providers/making-payments/contribution-factors/");
        FactorsUrl = settings.Url("USAC_FACTORS_URL") ?? FactorsUrl;
        MonitorDryRun = settings.Flag("USF_MONITOR_DRY_RUN", false);
    }
}
