namespace PwWorkflows.EndToEnd.Tests.Infrastructure;

/// <summary>The settings of <c>.env.sandbox</c>, as <c>./run</c> gives them to the server.</summary>
public static class SandboxSettings
{
    public static IReadOnlyDictionary<string, string> Published { get; } = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "env.sandbox"))
        .Where(l => l.Length > 0 && l[0] != '#')
        .Select(l => l.Split('=', 2))
        .ToDictionary(p => p[0], p => p[1], StringComparer.Ordinal);

    /// <summary>A copy with the sandbox's addresses.</summary>
    /// <param name="sandboxUrl">Address of the sandbox, without a slash at the end.</param>
    /// <param name="smtpPort">Port of its mail server.</param>
    public static Dictionary<string, string> For(string sandboxUrl, int smtpPort) => new(Published, StringComparer.Ordinal)
    {
        ["ERPNEXT_URL"] = sandboxUrl + "/erpnext",
        ["USAC_PORTAL_URL"] = sandboxUrl + "/usac/",
        ["SMTP_HOST"] = "127.0.0.1",
        ["SMTP_PORT"] = smtpPort.ToString(System.Globalization.CultureInfo.InvariantCulture),
    };
}
