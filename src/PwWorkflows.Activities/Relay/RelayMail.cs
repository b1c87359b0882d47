using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using MimeKit;

namespace PwWorkflows.Activities.Relay;

/// <summary>A shape of the bank's alerts. The texts are regular expressions over single lines; the first group is what is read.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Kind"><c>deposit</c> or <c>card</c>.</param>
/// <param name="Subject">Finds the mail by its subject.</param>
/// <param name="Amount">The amount in dollars.</param>
/// <param name="Counterparty">Who paid, or where the card was used.</param>
/// <param name="Memo">The memo, where there is one.</param>
/// <param name="Card">The card's last four digits, where they are shown.</param>
public sealed record RelayPattern(string Name, string Kind, string Subject, string Amount, string Counterparty, string? Memo = null, string? Card = null);

/// <summary>The shapes known, and their version.</summary>
/// <param name="Version">Grows with each change, so that what was read can be told by which.</param>
/// <param name="Patterns">The shapes.</param>
public sealed record RelayPatterns(string Version, IReadOnlyList<RelayPattern> Patterns)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow };

    /// <summary>Reads and checks the file.</summary>
    /// <exception cref="InvalidOperationException">It is not understood; the message names the file and the mistake.</exception>
    public static RelayPatterns Load(string path)
    {
        try
        {
            var read = JsonSerializer.Deserialize<RelayPatterns>(File.ReadAllBytes(path), Json) ?? throw new JsonException("the file is empty");
            foreach (var p in read.Patterns)
            {
                if (p.Kind is not ("deposit" or "card")) throw new JsonException($"{p.Name}: kind: expected deposit or card, found '{p.Kind}'");
                foreach (var text in new[] { p.Subject, p.Amount, p.Counterparty, p.Memo ?? "", p.Card ?? "" }) _ = RelayMail.Expression(text);
            }

            return read;
        }
        catch (Exception e) when (e is JsonException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"{path}: {e.Message}", e);
        }
    }
}

/// <summary>What a mail of the bank says.</summary>
public abstract record RelayMail
{
    private RelayMail() { }

    /// <summary>Money came in.</summary>
    /// <param name="Cents">Amount.</param>
    /// <param name="Counterparty">Who paid.</param>
    /// <param name="Memo">The memo; <c>null</c>: none.</param>
    /// <param name="At">When the mail was written (UTC).</param>
    public sealed record Deposit(long Cents, string Counterparty, string? Memo, DateTimeOffset At) : RelayMail;

    /// <summary>A card was used.</summary>
    /// <param name="Cents">Amount.</param>
    /// <param name="Merchant">Where.</param>
    /// <param name="CardLast4">Which card; <c>null</c>: not shown.</param>
    /// <param name="At">When the mail was written (UTC).</param>
    public sealed record CardCharge(long Cents, string Merchant, string? CardLast4, DateTimeOffset At) : RelayMail;

    /// <summary>No shape fits.</summary>
    /// <param name="Why">What is different.</param>
    public sealed record Unknown(string Why) : RelayMail;

    /// <summary>It can't be shown to be from the bank.</summary>
    /// <param name="Why">Why not.</param>
    public sealed record Doubtful(string Why) : RelayMail;

    /// <summary>Whether a mail says that it is from the bank.</summary>
    public static bool ClaimsToBeTheBank(MimeMessage message, IReadOnlyList<string> domains)
    {
        ArgumentNullException.ThrowIfNull(message);
        return message.From.Mailboxes.Any(m => IsBelow(m.Domain, domains));
    }

    /// <summary>Reads a mail that says it is from the bank.</summary>
    public static RelayMail Read(MimeMessage message, RelayPatterns patterns, RelayOptions options)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(patterns);
        ArgumentNullException.ThrowIfNull(options);
        if (message.From.Count != 1) return new Doubtful("it has several senders");
        if (WhyDoubtful(message, options) is { } doubt) return new Doubtful(doubt);
        var subject = message.Subject ?? "";
        var fitting = patterns.Patterns.Where(p => Expression(p.Subject).IsMatch(subject)).ToList();
        if (fitting.Count != 1) return new Unknown($"{(fitting.Count == 0 ? "no" : "more than one")} known subject fits '{subject}'");
        var pattern = fitting[0];
        var text = message.TextBody ?? "";
        if (Find(text, pattern.Amount) is not { } amount) return new Unknown($"{pattern.Name}: it has no line with one amount");
        if (Find(text, pattern.Counterparty) is not { Length: > 0 } who) return new Unknown($"{pattern.Name}: it has no line that says who");
        if (!decimal.TryParse(amount, NumberStyles.AllowThousands | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var dollars) || dollars <= 0 || dollars > 100_000_000)
            return new Unknown($"{pattern.Name}: the amount '{amount}' is none");
        var cents = (long)(dollars * 100);
        var at = message.Date.ToUniversalTime();
        return pattern.Kind == "deposit"
            ? new Deposit(cents, who, pattern.Memo is null ? null : Find(text, pattern.Memo) is { Length: > 0 } memo ? memo : null, at)
            : new CardCharge(cents, who, pattern.Card is null ? null : Find(text, pattern.Card), at);
    }

    /// <summary>A regular expression of the file, bounded in time.</summary>
    internal static Regex Expression(string text) => new(text, RegexOptions.Multiline | RegexOptions.CultureInvariant | RegexOptions.IgnoreCase, TimeSpan.FromSeconds(1));

    /// <summary>The first group of the one place that fits; <c>null</c> when none or several do: two amounts are no amount.</summary>
    private static string? Find(string text, string expression)
    {
        var matches = Expression(expression).Matches(text.ReplaceLineEndings("\n"));
        return matches.Count == 1 ? matches[0].Groups[1].Value.Trim() : null;
    }

    /// <summary>Our own server stamps the topmost result; anyone can write the others (RFC 8601, section 5).</summary>
    private static string? WhyDoubtful(MimeMessage message, RelayOptions options)
    {
        if (options.TrustedAuthserv.Length == 0) return null;
        var stamp = message.Headers.FirstOrDefault(h => h.Id == HeaderId.AuthenticationResults);
        if (stamp is null || !MimeKit.Cryptography.AuthenticationResults.TryParse(stamp.RawValue, out var results)
            || !string.Equals(results.AuthenticationServiceIdentifier, options.TrustedAuthserv, StringComparison.OrdinalIgnoreCase))
            return "our mail server has not checked its signature";
        var sender = message.From.Mailboxes.Single().Domain;
        return results.Results.Any(r => r.Method == "dkim" && r.Result == "pass"
            && r.Properties.Any(p => p.PropertyType == "header" && p.Property is "d" or "i" && IsBelow(p.Value[(p.Value.LastIndexOf('@') + 1)..], options.Domains) && IsBelow(sender, options.Domains)))
            ? null
            : "it has no valid signature of the bank's domain";
    }

    private static bool IsBelow(string domain, IReadOnlyList<string> domains) =>
        domains.Any(d => domain.Equals(d, StringComparison.OrdinalIgnoreCase) || domain.EndsWith("." + d, StringComparison.OrdinalIgnoreCase));
}
