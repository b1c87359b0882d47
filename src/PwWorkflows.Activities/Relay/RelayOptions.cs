using System.Net;

namespace PwWorkflows.Activities.Relay;

/// <summary>The mailbox that the bank's alerts come to, and what is believed of them.</summary>
public sealed class RelayOptions
{
    /// <summary><c>OPS_IMAP_HOST</c>: the mail server; empty: nothing is read.</summary>
    public string Host { get; set; } = "";

    /// <summary><c>OPS_IMAP_PORT</c>; default 993.</summary>
    public int Port { get; set; } = 993;

    /// <summary><c>OPS_IMAP_USER</c>.</summary>
    public string User { get; set; } = "";

    /// <summary><c>OPS_IMAP_PASS</c>.</summary>
    public string Password { get; set; } = "";

    /// <summary><c>OPS_IMAP_TLS</c>: <c>implicit</c> (default), <c>required</c> (STARTTLS or nothing) or <c>none</c> (only on this machine).</summary>
    public string Tls { get; set; } = "implicit";

    /// <summary><c>RELAY_IMAP_FOLDER</c>; default INBOX.</summary>
    public string Folder { get; set; } = "INBOX";

    /// <summary><c>RELAY_ALERT_DOMAINS</c>: domains the bank's alerts come from, with commas between.</summary>
    public IReadOnlyList<string> Domains { get; set; } = ["relayfi.com"];

    /// <summary>
    /// <c>RELAY_TRUSTED_AUTHSERV</c>: name of our mail server in <c>Authentication-Results</c> (RFC 8601). Only mail that it says passed DKIM for the bank's domain is believed. Empty (not in
    /// production): not asked.
    /// </summary>
    public string TrustedAuthserv { get; set; } = "";

    /// <summary><c>RELAY_MAIL_PATTERNS</c>: file with the shapes of the alerts; default <c>config/relay-mail-patterns.json</c> beside the program.</summary>
    public string Patterns { get; set; } = Path.Combine(AppContext.BaseDirectory, "config", "relay-mail-patterns.json");

    /// <summary><c>RELAY_BANK_MEMO_PREFIX</c>: comes before an order's number in a bank memo; default PW-ORDER-.</summary>
    public string MemoPrefix { get; set; } = "PW-ORDER-";

    /// <summary><c>MAX_SLIPPAGE_BPS</c>: how far a deposit may be from an order's amount to be taken for it, in hundredths of a percent; default 300.</summary>
    public int SlippageBps { get; set; } = 300;

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        Host = settings.Text("OPS_IMAP_HOST");
        Port = settings.Number("OPS_IMAP_PORT", Port, 1, 65535);
        User = settings.Text("OPS_IMAP_USER");
        Password = settings.Secret("OPS_IMAP_PASS");
        Tls = settings.Choice("OPS_IMAP_TLS", Tls, "implicit", "required", "none");
        Folder = settings.Text("RELAY_IMAP_FOLDER", Folder);
        Domains = settings.Text("RELAY_ALERT_DOMAINS", string.Join(',', Domains)).ToLowerInvariant().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        TrustedAuthserv = settings.Text("RELAY_TRUSTED_AUTHSERV");
        Patterns = settings.Text("RELAY_MAIL_PATTERNS", Patterns);
        MemoPrefix = settings.Text("RELAY_BANK_MEMO_PREFIX", MemoPrefix);
        SlippageBps = settings.Number("MAX_SLIPPAGE_BPS", SlippageBps, 0, 10_000);
        if (!File.Exists(Patterns)) settings.Problem($"RELAY_MAIL_PATTERNS: expected a file, found none at '{Patterns}'.");
        if (Host.Length == 0) return;
        if (User.Length == 0) settings.Problem("OPS_IMAP_USER: expected the mailbox's user, found nothing.");
        if (Password.Length == 0) settings.Problem("OPS_IMAP_PASS: expected the password of OPS_IMAP_USER, found nothing.");
        var loopback = Host == "localhost" || (IPAddress.TryParse(Host, out var address) && IPAddress.IsLoopback(address));
        if (Tls == "none" && !loopback) settings.Problem("OPS_IMAP_TLS: expected implicit or required for a server on another machine, found none.");
        if (TrustedAuthserv.Length == 0 && settings.Choice("PW_ENVIRONMENT", "development", "production", "sandbox", "development") == "production")
            settings.Problem("RELAY_TRUSTED_AUTHSERV: expected the name by which our mail server signs Authentication-Results, found nothing; anyone could write alerts.");
    }
}
