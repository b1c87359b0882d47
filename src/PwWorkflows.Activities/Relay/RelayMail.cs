using System.Globalization;
using System.Text;
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
    /// <summary>Longest text looked at; an alert has a few lines.</summary>
    private const int MostText = 100_000;

    /// <summary>There is no mail of the bank's from before.</summary>
    private const int FirstYear = 2000;

    private RelayMail() { }

    /// <summary>Money came in.</summary>
    /// <param name="Cents">Amount.</param>
    /// <param name="Counterparty">Who paid.</param>
    /// <param name="Memo">The memo; <c>null</c>: none.</param>
    /// <param name="At">When the mail was written (UTC), as far as its date can be believed.</param>
    public sealed record Deposit(long Cents, string Counterparty, string? Memo, DateTimeOffset At) : RelayMail;

    /// <summary>A card was used.</summary>
    /// <param name="Cents">Amount.</param>
    /// <param name="Merchant">Where.</param>
    /// <param name="CardLast4">Which card; <c>null</c>: not shown.</param>
    /// <param name="At">When the mail was written (UTC), as far as its date can be believed.</param>
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

    /// <summary>When a mail was written: what its date says, where that can be; else when it came in.</summary>
    /// <param name="message">The mail.</param>
    /// <param name="arrived">When the server took it in (UTC).</param>
    /// <param name="now">The time.</param>
    public static DateTimeOffset WrittenAt(MimeMessage message, DateTimeOffset arrived, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(message);
        // A mail without a date has the first moment of all time, and anybody can write one that has not come yet.
        return message.Date.Year >= FirstYear && message.Date < now.AddDays(1) ? message.Date.ToUniversalTime() : arrived;
    }

    /// <summary>Text of a mail as a database can hold it: what no text may hold is left out, and what is too long is cut.</summary>
    /// <param name="text">What the mail says.</param>
    /// <param name="most">Most characters.</param>
    public static string Clean(string? text, int most = 1000)
    {
        if (text is null) return "";
        var clean = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (clean.Length + rune.Utf16SequenceLength > most) break;
            // Half of a character reads as the replacement character.
            if (rune.Value is '\t' or '\n' or '\r' || !Rune.IsControl(rune)) clean.Append(rune);
        }

        return clean.ToString();
    }

    /// <summary>Reads a mail that says it is from the bank.</summary>
    /// <param name="message">The mail.</param>
    /// <param name="at">When it was written (UTC).</param>
    /// <param name="patterns">The shapes known.</param>
    /// <param name="options">Whom to believe.</param>
    public static RelayMail Read(MimeMessage message, DateTimeOffset at, RelayPatterns patterns, RelayOptions options)
    {
        try
        {
            return ReadKnown(message, at, patterns, options);
        }
        catch (RegexMatchTimeoutException)
        {
            return new Unknown("its text could not be read in time");
        }
    }

    private static RelayMail ReadKnown(MimeMessage message, DateTimeOffset at, RelayPatterns patterns, RelayOptions options)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(patterns);
        ArgumentNullException.ThrowIfNull(options);
        // A group is one entry and may hold several, or none.
        if (message.From is not [MailboxAddress sender]) return new Doubtful("it has not exactly one sender");
        if (WhyDoubtful(message, sender, options) is { } doubt) return new Doubtful(doubt);
        var subject = Clean(message.Subject);
        var fitting = patterns.Patterns.Where(p => Expression(p.Subject).IsMatch(subject)).ToList();
        if (fitting.Count != 1) return new Unknown($"{(fitting.Count == 0 ? "no" : "more than one")} known subject fits '{subject}'");
        var pattern = fitting[0];
        var text = Clean(message.TextBody, MostText);
        if (Find(text, pattern.Amount) is not { } amount) return new Unknown($"{pattern.Name}: it has no line with one amount");
        if (Find(text, pattern.Counterparty) is not { Length: > 0 } who) return new Unknown($"{pattern.Name}: it has no line that says who");
        if (!decimal.TryParse(amount, NumberStyles.AllowThousands | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var dollars) || dollars <= 0 || dollars > 100_000_000)
            return new Unknown($"{pattern.Name}: the amount '{amount}' is none");
        var cents = (long)(dollars * 100);
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
    private static string? WhyDoubtful(MimeMessage message, MailboxAddress sender, RelayOptions options)
    {
        if (options.TrustedAuthserv.Length == 0) return null;
        var stamp = message.Headers.FirstOrDefault(h => h.Id == HeaderId.AuthenticationResults);
        if (stamp is null || !MimeKit.Cryptography.AuthenticationResults.TryParse(stamp.RawValue, out var results)
            || !string.Equals(results.AuthenticationServiceIdentifier, options.TrustedAuthserv, StringComparison.OrdinalIgnoreCase))
            return "our mail server has not checked its signature";
        return results.Results.Any(r => r.Method == "dkim" && r.Result == "pass"
            && r.Properties.Any(p => p.PropertyType == "header" && p.Property is "d" or "i" && IsBelow(p.Value[(p.Value.LastIndexOf('@') + 1)..], options.Domains) && IsBelow(sender.Domain, options.Domains)))
            ? null
            : "it has no valid signature of the bank's domain";
    }

    private static bool IsBelow(string domain, IReadOnlyList<string> domains) =>
        domains.Any(d => domain.Equals(d, StringComparison.OrdinalIgnoreCase) || domain.EndsWith("." + d, StringComparison.OrdinalIgnoreCase));
}
