using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Approvals;

/// <summary>A mail's link to a request, for one person.</summary>
/// <param name="Id">Its number.</param>
/// <param name="ApprovalId">The request.</param>
/// <param name="Username">Whom it names.</param>
/// <param name="Mail">Which mail it is in: <c>requested</c>, <c>reminder-1</c>, …, <c>escalated</c>.</param>
/// <param name="ExpiresAt">Until when it works (UTC).</param>
/// <param name="UsedAt">When its person gave their word (UTC); it works no more since.</param>
public sealed record ApprovalLink(string Id, string ApprovalId, string Username, string Mail, DateTimeOffset ExpiresAt, DateTimeOffset? UsedAt);

/// <summary>Why a link does not work.</summary>
public enum LinkFault
{
    /// <summary>It works.</summary>
    None,
    /// <summary>It is not one of ours, or was changed.</summary>
    Forged,
    /// <summary>Its time is over.</summary>
    Expired,
    /// <summary>Its person has given their word.</summary>
    Used,
}

/// <summary>
/// Signs and reads the links of mails. A token is the link's number and an HMAC-SHA256 over everything that the link stands for; the key comes from
/// <c>ADMIN_JWT_SECRET</c> and neither token nor signature is stored, so that nobody who reads the database or the sent mails can act for the person.
/// </summary>
public sealed class ApprovalLinks(IPwDatabase database, ApprovalOptions options, TimeProvider time)
{
    private const int LongestToken = 200;

    /// <summary>The address of the page that a link opens.</summary>
    public const string Path = "/approvals/link";

    /// <summary>The whole address that goes into the mail.</summary>
    public Uri Address(ApprovalLink link) => new(options.PublicUrl, $"{Path}?t={Token(link)}");

    /// <summary>The token of a link.</summary>
    public string Token(ApprovalLink link)
    {
        ArgumentNullException.ThrowIfNull(link);
        return $"{link.Id}.{Convert.ToHexStringLower(Signature(link))}";
    }

    /// <summary>Reads a token; changes nothing.</summary>
    /// <returns>The link it is for, unless it is forged, and why it does not work.</returns>
    public async Task<(ApprovalLink? Link, LinkFault Fault)> ReadAsync(string? token, CancellationToken ct)
    {
        if (token is null || token.Length > LongestToken || token.Split('.') is not [{ Length: 32 } id, { Length: 64 } signature] || !id.All(char.IsAsciiHexDigitLower) || !signature.All(char.IsAsciiHexDigitLower))
            return (null, LinkFault.Forged);
        var rows = await database.QueryAsync(
            "SELECT id, approval_id, username, mail, expires_at, used_at FROM approval_links WHERE id = @id", Parameters.Of(("id", id)),
            static r => new ApprovalLink(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.Time(4), r.TimeOrNull(5)), ct).ConfigureAwait(false);
        if (rows is not [var link] || !CryptographicOperations.FixedTimeEquals(Signature(link), Convert.FromHexString(signature))) return (null, LinkFault.Forged);
        return (link, link.UsedAt is not null ? LinkFault.Used : link.ExpiresAt <= time.GetUtcNow() ? LinkFault.Expired : LinkFault.None);
    }

    private byte[] Signature(ApprovalLink link) => HMACSHA256.HashData(
        options.LinkKey.Span,
        Encoding.UTF8.GetBytes(string.Join('\n', link.Id, link.ApprovalId, link.Username, link.ExpiresAt.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture))));
}
