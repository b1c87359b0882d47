using System.Security.Cryptography;
using System.Text;

namespace PwWorkflows.Activities.Payments;

/// <summary>Checks callers who prove themselves by <c>WEBHOOK_SECRET</c>. All comparisons take the same time whatever differs.</summary>
internal static class SharedSecret
{
    /// <summary>Whether a presented secret is ours.</summary>
    public static bool Matches(string? presented, string secret) =>
        secret.Length > 0 && !string.IsNullOrEmpty(presented)
        && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(presented)), SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    /// <summary>Whether a signature is <c>base64(HMAC-SHA256(secret, body))</c>, as Frappe sends it.</summary>
    public static bool Signs(string? signature, ReadOnlySpan<byte> body, string secret)
    {
        if (secret.Length == 0 || string.IsNullOrEmpty(signature) || signature.Length > 100) return false;
        Span<byte> presented = stackalloc byte[80];
        return Convert.TryFromBase64String(signature, presented, out var length)
            && length == HMACSHA256.HashSizeInBytes
            && CryptographicOperations.FixedTimeEquals(presented[..length], HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), body));
    }

    /// <summary>The token of an <c>Authorization: Bearer …</c> header.</summary>
    public static string? Bearer(string? authorization) =>
        authorization is not null && authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? authorization["Bearer ".Length..].Trim() : null;
}
