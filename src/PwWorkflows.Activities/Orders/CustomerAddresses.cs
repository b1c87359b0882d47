using System.Net.Mail;

namespace PwWorkflows.Activities.Orders;

/// <summary>Rules for customers' e-mail addresses.</summary>
public static class CustomerAddresses
{
    private static readonly string[] ReservedEndings = [".invalid", ".test", ".example", ".localhost"];
    private static readonly string[] ReservedDomains = ["example.com", "example.net", "example.org", "localhost"];
    private static readonly string[] PlaceholderNames = ["noemail", "no-email", "no.email", "none", "unknown", "placeholder", "noreply", "no-reply", "donotreply"];

    /// <summary>Whether a text has the form of one plain address.</summary>
    public static bool IsWellFormed(string? address) =>
        !string.IsNullOrWhiteSpace(address)
        && address.Length <= 254
        && !address.Any(char.IsControl)
        && MailAddress.TryCreate(address, out var parsed)
        && parsed.Address == address
        && parsed.Host.Contains('.', StringComparison.Ordinal);

    /// <summary>
    /// Whether nobody can read what is sent there: reserved domains (RFC 2606 and 6761) and the stand-ins that people type when they have no address.
    /// </summary>
    public static bool IsPlaceholder(string address)
    {
        ArgumentNullException.ThrowIfNull(address);
        var at = address.LastIndexOf('@');
        if (at <= 0) return true;
        var name = address[..at].ToLowerInvariant();
        var domain = address[(at + 1)..].ToLowerInvariant();
        return PlaceholderNames.Contains(name)
            || ReservedDomains.Any(d => domain == d || domain.EndsWith("." + d, StringComparison.Ordinal))
            || ReservedEndings.Any(e => domain.EndsWith(e, StringComparison.Ordinal));
    }
}
