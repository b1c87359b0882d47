using System.Globalization;
using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace PwWorkflows.Sandbox;

/// <summary>How the sandbox starts.</summary>
public sealed record SandboxOptions
{
    /// <summary>Address to listen on, loopback only; port 0 takes a free one.</summary>
    public string Urls { get; init; } = "http://127.0.0.1:8070";

    /// <summary>Port of the SMTP sink on 127.0.0.1; 0 takes a free one.</summary>
    public int SmtpPort { get; init; } = 8025;

    /// <summary>The SMTP sink's certificate with its key, by which it offers STARTTLS; none by default.</summary>
    public X509Certificate2? SmtpCertificate { get; init; }

    /// <summary>Base address of the server that receives events and orders; may be set later through <c>POST /stripe/_server</c>.</summary>
    public string ServerUrl { get; init; } = "http://127.0.0.1:8080";

    /// <summary>The secrets shared with the server.</summary>
    public SandboxSecrets Secrets { get; init; } = SandboxSecrets.Published;

    /// <summary>The host's clock.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Value of <c>PW_ENVIRONMENT</c>; <c>production</c> is refused.</summary>
    public string? Environment { get; init; }

    /// <summary>
    /// Reads the command line (<c>--urls</c>, <c>--smtp-port</c>, <c>--server</c>) and the environment
    /// (<c>PW_ENVIRONMENT</c>, <c>SMTP_PORT</c>, <c>PW_SERVER_URL</c> and the secrets).
    /// </summary>
    /// <exception cref="SandboxOptionException">An option is unknown or has a wrong value; the message names it.</exception>
    public static SandboxOptions Parse(IReadOnlyList<string> args, Func<string, string?> environment)
    {
        var options = new SandboxOptions
        {
            Secrets = SandboxSecrets.FromEnvironment(environment),
            Environment = environment("PW_ENVIRONMENT"),
        };
        if (environment("PW_SERVER_URL") is { Length: > 0 } server) options = options with { ServerUrl = HttpAddress("PW_SERVER_URL", server) };
        if (environment("SMTP_PORT") is { Length: > 0 } port) options = options with { SmtpPort = Port("SMTP_PORT", port) };
        for (var i = 0; i < args.Count; i++)
        {
            var (name, inline) = args[i].Split('=', 2) is [var n, var v] ? (n, v) : (args[i], null);
            if (name is not ("--urls" or "--smtp-port" or "--server"))
                throw new SandboxOptionException($"unknown option {name}: expected --urls URL, --smtp-port PORT or --server URL");
            var value = inline ?? (i + 1 < args.Count ? args[++i] : throw new SandboxOptionException($"{name} needs a value"));
            options = name switch
            {
                "--urls" => options with { Urls = value },
                "--smtp-port" => options with { SmtpPort = Port(name, value) },
                _ => options with { ServerUrl = HttpAddress(name, value) },
            };
        }
        return options;
    }

    /// <summary>Refuses what a sandbox must never be: part of production, or reachable from another machine.</summary>
    /// <exception cref="SandboxOptionException">The environment is production, or an address is not loopback.</exception>
    public void Validate()
    {
        if (string.Equals(Environment?.Trim(), "production", StringComparison.OrdinalIgnoreCase))
            throw new SandboxOptionException("the sandbox refuses to start with PW_ENVIRONMENT=production: its secrets are published and its systems are not real");
        foreach (var url in Urls.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var host = Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttp
                ? uri.Host
                : throw new SandboxOptionException($"--urls {url}: expected an address such as http://127.0.0.1:8070");
            if (host != "localhost" && !(IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address)))
                throw new SandboxOptionException($"--urls {url}: the sandbox listens on loopback only (127.0.0.1, [::1] or localhost)");
        }
    }

    static int Port(string name, string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port <= 65535
            ? port
            : throw new SandboxOptionException($"{name} {value}: expected a port from 0 to 65535");

    static string HttpAddress(string name, string value) =>
        Uri.TryCreate(value, UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps)
            ? value.TrimEnd('/')
            : throw new SandboxOptionException($"{name} {value}: expected an http address");
}

/// <summary>The sandbox can't start as asked; the message says why and what is expected.</summary>
public sealed class SandboxOptionException(string message) : Exception(message);
