using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace PwWorkflows.Activities;

/// <summary>Reads the runbook's environment variables and collects everything that is wrong, so that an operator sees it all at once.</summary>
/// <remarks>A message names the variable, what is expected and the value found; the value of a secret is never shown.</remarks>
public sealed class SettingsReader(IConfiguration configuration)
{
    private readonly List<string> _problems = [];

    /// <summary>What is wrong so far.</summary>
    public IReadOnlyList<string> Problems => _problems;

    /// <summary>A text; <paramref name="fallback"/> when unset or empty.</summary>
    public string Text(string name, string fallback = "") => Value(name) ?? fallback;

    /// <summary>A secret; empty when unset. Its value never gets into a message.</summary>
    public string Secret(string name) => Value(name) ?? "";

    /// <summary>A whole number within limits.</summary>
    public int Number(string name, int fallback, int min, int max)
    {
        if (Value(name) is not { } text) return fallback;
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max) return number;
        Problem($"{name}: expected a whole number from {min} to {max}, found '{text}'.");
        return fallback;
    }

    /// <summary><c>true</c> or <c>false</c>.</summary>
    public bool Flag(string name, bool fallback)
    {
        if (Value(name) is not { } text) return fallback;
        if (bool.TryParse(text, out var flag)) return flag;
        Problem($"{name}: expected true or false, found '{text}'.");
        return fallback;
    }

    /// <summary>An absolute http or https address; <c>null</c> when unset.</summary>
    public Uri? Url(string name)
    {
        if (Value(name) is not { } text) return null;
        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.UserInfo.Length == 0) return url;
        Problem($"{name}: expected an address such as https://crm.example.com, without user and password.");
        return null;
    }

    /// <summary>One of a few words, lower case.</summary>
    public string Choice(string name, string fallback, params ReadOnlySpan<string> choices)
    {
        if (Value(name) is not { } text) return fallback;
        var lower = text.ToLowerInvariant();
        foreach (var choice in choices)
        {
            if (choice == lower) return lower;
        }

        Problem($"{name}: expected one of {string.Join(", ", choices!)}, found '{text}'.");
        return fallback;
    }

    /// <summary>Writes down something that is wrong.</summary>
    public void Problem(string message) => _problems.Add(message);

    private string? Value(string name) => configuration[name]?.Trim() is { Length: > 0 } value ? value : null;
}

/// <summary>Registers settings that are read from the environment and checked when the host starts.</summary>
public static class SettingsRegistration
{
    /// <summary>Registers <typeparamref name="T"/> as options read by <paramref name="bind"/>; a second call for the same type does nothing.</summary>
    public static IServiceCollection AddSettings<T>(this IServiceCollection services, Action<T, SettingsReader> bind) where T : class
    {
        ArgumentNullException.ThrowIfNull(services);
        if (services.Any(s => s.ServiceType == typeof(Registered<T>))) return services;
        services.AddSingleton(new Registered<T>());
        services.AddOptions<T>()
            .Configure<IConfiguration>((options, configuration) =>
            {
                var reader = new SettingsReader(configuration);
                bind(options, reader);
                if (reader.Problems.Count > 0) throw new OptionsValidationException(typeof(T).Name, typeof(T), reader.Problems);
            })
            .ValidateOnStart();
        return services;
    }

    private sealed class Registered<T>;
}

/// <summary>Which world the process works for: <c>PW_ENVIRONMENT</c>.</summary>
public sealed class PlatformOptions
{
    /// <summary><c>production</c>, <c>sandbox</c> or <c>development</c> (default).</summary>
    public string Environment { get; set; } = "development";

    /// <summary>The real world: mails reach customers, forms are filed.</summary>
    public bool IsProduction => Environment == "production";

    /// <summary>The stand-ins of PwWorkflows.Sandbox: everything runs as in production, nothing leaves the machine.</summary>
    public bool IsSandbox => Environment == "sandbox";

    /// <summary>Reads <c>PW_ENVIRONMENT</c>.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        Environment = settings.Choice("PW_ENVIRONMENT", "development", "production", "sandbox", "development");
    }
}
