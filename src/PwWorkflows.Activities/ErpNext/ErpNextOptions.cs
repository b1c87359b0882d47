namespace PwWorkflows.Activities.ErpNext;

/// <summary>Where ERPNext is and who we are there.</summary>
public sealed class ErpNextOptions
{
    /// <summary><c>ERPNEXT_URL</c>: base address, such as <c>https://crm.performancewest.net</c>; <c>null</c> when ERPNext is not set up.</summary>
    public Uri? Url { get; set; }

    /// <summary><c>ERPNEXT_API_KEY</c>: the user who works on orders.</summary>
    public string ApiKey { get; set; } = "";

    /// <summary><c>ERPNEXT_API_SECRET</c>.</summary>
    public string ApiSecret { get; set; } = "";

    /// <summary><c>ERPNEXT_SENSITIVE_API_KEY</c>: the System Manager who may read Sensitive IDs; defaults to the order user.</summary>
    public string SensitiveApiKey { get; set; } = "";

    /// <summary><c>ERPNEXT_SENSITIVE_API_SECRET</c>.</summary>
    public string SensitiveApiSecret { get; set; } = "";

    /// <summary><c>ERPNEXT_COMPANY</c>: the company Sales Orders are made for; empty for the site's default.</summary>
    public string Company { get; set; } = "";

    /// <summary><c>ERPNEXT_TIMEOUT_SECONDS</c>: how long one call may take, 1 to 300; default 20.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary><c>ERPNEXT_WORKFLOW_FILE</c>: the states, actions and items; default <c>config/erpnext-workflow.json</c> beside the program.</summary>
    public string WorkflowFile { get; set; } = Path.Combine(AppContext.BaseDirectory, "config", "erpnext-workflow.json");

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        Url = settings.Url("ERPNEXT_URL");
        ApiKey = settings.Text("ERPNEXT_API_KEY");
        ApiSecret = settings.Secret("ERPNEXT_API_SECRET");
        SensitiveApiKey = settings.Text("ERPNEXT_SENSITIVE_API_KEY", ApiKey);
        SensitiveApiSecret = settings.Secret("ERPNEXT_SENSITIVE_API_SECRET") is { Length: > 0 } secret ? secret : ApiSecret;
        Company = settings.Text("ERPNEXT_COMPANY");
        Timeout = TimeSpan.FromSeconds(settings.Number("ERPNEXT_TIMEOUT_SECONDS", 20, 1, 300));
        WorkflowFile = settings.Text("ERPNEXT_WORKFLOW_FILE", WorkflowFile);
        if (!File.Exists(WorkflowFile)) settings.Problem($"ERPNEXT_WORKFLOW_FILE: expected a file with states, actions and items, found none at '{WorkflowFile}'.");
        if (settings.Choice("PW_ENVIRONMENT", "development", "production", "sandbox", "development") == "production" && Url is null)
            settings.Problem("ERPNEXT_URL: expected the address of ERPNext, found nothing.");
        if (Url is null) return;
        if (ApiKey.Length == 0) settings.Problem("ERPNEXT_API_KEY: expected the API key of the order user, found nothing.");
        if (ApiSecret.Length == 0) settings.Problem("ERPNEXT_API_SECRET: expected the API secret of the order user, found nothing.");
    }
}
