using System.Reflection;
using PwWorkflows.Activities;

namespace PwWorkflows.Server.Hosting;

/// <summary>How the server runs.</summary>
public sealed class ServerOptions
{
    /// <summary>Fewest characters of <c>ADMIN_JWT_SECRET</c>: 256 bits of HMAC-SHA256 need as many bytes.</summary>
    public const int ShortestSecret = 32;

    /// <summary><c>PW_URLS</c> or <c>--urls</c>: addresses to listen on; default <c>http://127.0.0.1:8080</c>.</summary>
    public string Urls { get; set; } = "http://127.0.0.1:8080";

    /// <summary><c>PW_DATA</c> or <c>--data</c>: folder of everything the server writes; default <c>./data</c>.</summary>
    public string DataFolder { get; set; } = "./data";

    /// <summary><c>PW_WORKFLOWS</c>: folder of the definition files; default <c>workflows</c> beside the program.</summary>
    public string WorkflowsFolder { get; set; } = Path.Combine(AppContext.BaseDirectory, "workflows");

    /// <summary><c>PW_STUDIO</c>: folder of the npm package <c>@elsa-workflows/elsa-studio-wasm</c>; default <c>studio</c> beside the program, else where <c>npm ci</c> puts it beside the server's sources. Missing: there is no designer.</summary>
    public string StudioFolder { get; set; } = DefaultStudioFolder;

    private static string DefaultStudioFolder => Path.Combine(AppContext.BaseDirectory, "studio") is var beside && Directory.Exists(beside) ? beside
        : typeof(ServerOptions).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(static a => a.Key == "StudioFolder")?.Value ?? beside;

    /// <summary><c>DATABASE_URL</c>: PostgreSQL; empty for SQLite in the data folder.</summary>
    public string DatabaseUrl { get; set; } = "";

    /// <summary><c>ADMIN_JWT_SECRET</c>: signs the administrators' tokens.</summary>
    /// <remarks>Changing it signs everybody out.</remarks>
    public string AdminJwtSecret { get; set; } = "";

    /// <summary><c>WEBHOOK_SECRET</c>: shared with the checkout and ERPNext. Empty: every call is refused.</summary>
    public string WebhookSecret { get; set; } = "";

    /// <summary><c>STRIPE_WEBHOOK_SECRET</c>: signs an event that an administrator replays.</summary>
    public string StripeWebhookSecret { get; set; } = "";

    /// <summary><c>ADMIN_TOKEN_MINUTES</c>: how long a token lasts, 5 to 1440; default 480.</summary>
    public TimeSpan AdminTokenLifetime { get; set; } = TimeSpan.FromHours(8);

    /// <summary><c>PW_ENVIRONMENT</c>: <c>production</c> (when unset), <c>sandbox</c> or <c>development</c>.</summary>
    public PlatformOptions Platform { get; } = new();

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        Platform.Bind(settings);
        Urls = settings.Text("PW_URLS", Urls);
        foreach (var url in Urls.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (!url.StartsWith("http://", StringComparison.Ordinal) && !url.StartsWith("https://", StringComparison.Ordinal))
                settings.Problem($"PW_URLS: expected addresses such as http://127.0.0.1:8080, found '{url}'.");
        }

        DataFolder = Path.GetFullPath(settings.Text("PW_DATA", DataFolder));
        if (File.Exists(DataFolder)) settings.Problem($"PW_DATA: expected a folder, found the file '{DataFolder}'.");
        WorkflowsFolder = Path.GetFullPath(settings.Text("PW_WORKFLOWS", WorkflowsFolder));
        if (!Directory.Exists(WorkflowsFolder)) settings.Problem($"PW_WORKFLOWS: expected the folder of the workflow definitions, found none at '{WorkflowsFolder}'.");
        StudioFolder = Path.GetFullPath(settings.Text("PW_STUDIO", StudioFolder));
        DatabaseUrl = settings.Secret("DATABASE_URL");
        WebhookSecret = settings.Secret("WEBHOOK_SECRET");
        StripeWebhookSecret = settings.Secret("STRIPE_WEBHOOK_SECRET");
        AdminTokenLifetime = TimeSpan.FromMinutes(settings.Number("ADMIN_TOKEN_MINUTES", 480, 5, 1440));
        AdminJwtSecret = settings.Secret("ADMIN_JWT_SECRET");
        // In production the start-up guard speaks of a missing or published one.
        if (AdminJwtSecret.Length < ShortestSecret && (AdminJwtSecret.Length > 0 ? AdminJwtSecret != StartGuard.Placeholder : !Platform.IsProduction))
            settings.Problem($"ADMIN_JWT_SECRET: expected at least {ShortestSecret} characters (openssl rand -base64 48), found {AdminJwtSecret.Length}.");
    }
}
