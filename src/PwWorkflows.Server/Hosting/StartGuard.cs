using System.Net;
using PwWorkflows.Activities;

namespace PwWorkflows.Server.Hosting;

/// <summary>Refuses a start whose settings are dangerous: production with missing or published secrets, the sandbox with the real outside.</summary>
public static class StartGuard
{
    /// <summary>The value that example files carry.</summary>
    public const string Placeholder = "change-this-in-production";

    private static readonly string[] Required = ["ADMIN_JWT_SECRET", "WEBHOOK_SECRET", "SHKEEPER_API_KEY", "STRIPE_WEBHOOK_SECRET"];
    private static readonly string[] Outside = ["ERPNEXT_URL", "USAC_PORTAL_URL", "SMTP_HOST", "BRIDGE_API_URL", "SHKEEPER_URL", "USAC_FACTORS_URL", "FCC_RMD_URL", "FCC_RMD_ORDERS_URL", "OPS_IMAP_HOST"];
    private static readonly string[] LivePrefixes = ["sk_live_", "rk_live_", "pk_live_"];

    /// <summary>The secrets of <c>.env.sandbox</c>, by name: everybody may know them.</summary>
    public static IReadOnlyDictionary<string, string> PublishedSecrets { get; } = LoadPublished();

    /// <summary>Whether the settings ask for the sandbox.</summary>
    public static bool IsSandbox(IConfiguration configuration)
    {
        var platform = new PlatformOptions();
        platform.Bind(new SettingsReader(configuration));
        return platform.IsSandbox;
    }

    /// <summary>Everything that forbids the start, each with the variable's name; never a value of a secret.</summary>
    public static IReadOnlyList<string> Problems(IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var platform = new PlatformOptions();
        platform.Bind(new SettingsReader(configuration)); // A wrong PW_ENVIRONMENT is told by the options themselves.
        if (platform.IsSandbox) return Sandbox(configuration);
        var problems = platform.IsProduction ? Production(configuration) : [];
        if (!string.IsNullOrWhiteSpace(configuration[KillPointOptions.Variable])) problems.Add($"{KillPointOptions.Variable}: expected nothing outside of the sandbox, where it makes the server crash.");
        return problems;
    }

    private static List<string> Production(IConfiguration configuration)
    {
        var problems = new List<string>();
        foreach (var name in Required.Concat(PublishedSecrets.Keys).Distinct(StringComparer.Ordinal))
        {
            var value = configuration[name]?.Trim() ?? "";
            if (value.Length == 0)
            {
                if (Required.Contains(name)) problems.Add($"{name}: expected a secret of your own in production, found nothing.");
            }
            else if (value == Placeholder)
            {
                problems.Add($"{name}: expected a secret of your own in production, found '{Placeholder}'.");
            }
            else if (PublishedSecrets.Values.Contains(value))
            {
                problems.Add($"{name}: expected a secret of your own in production, found one of the published sandbox values.");
            }
        }

        return problems;
    }

    private static List<string> Sandbox(IConfiguration configuration)
    {
        var problems = new List<string>();
        foreach (var name in Outside)
        {
            if (configuration[name]?.Trim() is { Length: > 0 } value && !IsLoopback(value))
                problems.Add($"{name}: expected an address of this machine in the sandbox, found '{HostOf(value)}'.");
        }

        // Without a portal of its own the sandbox would file at the real one.
        if (string.IsNullOrWhiteSpace(configuration["USAC_PORTAL_URL"])) problems.Add("USAC_PORTAL_URL: expected the address of the sandbox's portal, found nothing.");
        foreach (var (name, value) in configuration.AsEnumerable())
        {
            if (value is not null && LivePrefixes.Any(p => value.StartsWith(p, StringComparison.Ordinal)))
                problems.Add($"{name}: expected a test key in the sandbox, found a live key.");
        }

        return problems;
    }

    private static bool IsLoopback(string address)
    {
        var host = HostOf(address);
        return host is "localhost" || (IPAddress.TryParse(host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));
    }

    private static string HostOf(string address) =>
        Uri.TryCreate(address.Contains("://", StringComparison.Ordinal) ? address : "tcp://" + address, UriKind.Absolute, out var url) ? url.Host : address;

    private static Dictionary<string, string> LoadPublished()
    {
        using var stream = typeof(StartGuard).Assembly.GetManifestResourceStream("env.sandbox") ?? throw new InvalidOperationException("The program lacks its embedded .env.sandbox.");
        using var reader = new StreamReader(stream);
        return EnvironmentFiles.Parse(reader.ReadToEnd(), ".env.sandbox")
            .Where(static v => v.Key.Contains("SECRET", StringComparison.Ordinal) || v.Key.Contains("KEY", StringComparison.Ordinal) || v.Key.Contains("PASS", StringComparison.Ordinal))
            .ToDictionary(static v => v.Key, static v => v.Value!, StringComparer.Ordinal);
    }
}
