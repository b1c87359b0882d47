using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;

namespace PwWorkflows.Sandbox.ErpNext;

/// <summary>Who makes a request.</summary>
/// <param name="Name">Login, or <c>Guest</c>.</param>
/// <param name="Roles">Roles held.</param>
public sealed record FrappeUser(string Name, IReadOnlySet<string> Roles)
{
    /// <summary>Nobody signed in.</summary>
    public static FrappeUser Guest { get; } = new("Guest", FrozenSet<string>.Empty);

    /// <summary>Login of the user that works on orders.</summary>
    public const string OrderUser = "api@performancewest.net";

    /// <summary>Login of the System Manager that reads Sensitive IDs.</summary>
    public const string ManagerUser = "sensitive@performancewest.net";
}

/// <summary>Knows the two API users by their key pairs.</summary>
public sealed class FrappeAuth(SandboxSecrets secrets)
{
    readonly (byte[] Pair, FrappeUser User)[] _users =
    [
        (Pair(secrets.ErpNextApiKey, secrets.ErpNextApiSecret),
            new FrappeUser(FrappeUser.OrderUser, new[] { "Sales User", "Sales Manager", "Accounting Advisor" }.ToFrozenSet())),
        (Pair(secrets.ErpNextSensitiveApiKey, secrets.ErpNextSensitiveApiSecret),
            new FrappeUser(FrappeUser.ManagerUser, new[] { Site.SystemManager, "Sales User" }.ToFrozenSet())),
    ];

    /// <summary>Reads <c>Authorization</c>: <c>token key:secret</c> or Basic of the same; none means Guest.</summary>
    /// <exception cref="FrappeException">401: the header is there but opens nothing.</exception>
    public FrappeUser Authenticate(string? header)
    {
        if (string.IsNullOrEmpty(header)) return FrappeUser.Guest;
        byte[]? given = null;
        if (header.StartsWith("token ", StringComparison.OrdinalIgnoreCase)) given = Encoding.UTF8.GetBytes(header["token ".Length..].Trim());
        else if (header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
        {
            var buffer = new byte[header.Length];
            if (Convert.TryFromBase64String(header["Basic ".Length..].Trim(), buffer, out var length)) given = buffer[..length];
        }
        if (given is not null)
            foreach (var (pair, user) in _users)
                if (CryptographicOperations.FixedTimeEquals(pair, given)) return user;
        throw FrappeException.Authentication();
    }

    static byte[] Pair(string key, string secret) => Encoding.UTF8.GetBytes(key + ":" + secret);
}
