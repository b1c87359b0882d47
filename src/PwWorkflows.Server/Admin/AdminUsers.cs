using System.Data.Common;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.JsonWebTokens;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Records;
using PwWorkflows.Engine.Studio;

namespace PwWorkflows.Server.Admin;

/// <summary>Roles of people who may sign in; each includes the ones after it.</summary>
public static class Roles
{
    /// <summary>May do everything.</summary>
    public const string Admin = "admin";
    /// <summary>May work on orders and workflows.</summary>
    public const string Operator = "operator";
    /// <summary>May look.</summary>
    public const string Viewer = "viewer";

    /// <summary>All of them, the mightiest first.</summary>
    public static IReadOnlyList<string> All { get; } = [Admin, Operator, Viewer];

    /// <summary>A role with those it includes.</summary>
    public static IReadOnlyList<string> Including(string role) => role switch
    {
        Admin => [Admin, Operator, Viewer],
        Operator => [Operator, Viewer],
        Viewer => [Viewer],
        _ => [],
    };

    /// <summary>The claim that holds one of Elsa's permissions.</summary>
    public const string PermissionClaim = StudioPermissions.ClaimType;

    /// <summary>What roles allow in Elsa's words: viewers read, operators also change definitions and move instances, administrators do everything.</summary>
    public static IReadOnlyList<string> PermissionsOf(IEnumerable<string> roles)
    {
        var held = roles.SelectMany(Including).ToHashSet(StringComparer.Ordinal);
        return held.Contains(Admin) ? [StudioPermissions.All]
            : held.Contains(Operator) ? [.. StudioPermissions.Reading, .. StudioPermissions.Operating]
            : held.Contains(Viewer) ? StudioPermissions.Reading : [];
    }
}

/// <summary>A row of <c>admin_users</c>.</summary>
/// <param name="Username">Sign-in name.</param>
/// <param name="PasswordHash">bcrypt hash.</param>
/// <param name="DisplayName">Name shown.</param>
/// <param name="Email">Address.</param>
/// <param name="Roles">Roles as given, without those included.</param>
/// <param name="Active">Whether the user may sign in.</param>
public sealed record AdminUser(string Username, string PasswordHash, string DisplayName, string Email, IReadOnlyList<string> Roles, bool Active)
{
    /// <summary>Stands for the password in sessions and tokens, which end with it: another password has another one. It tells nothing of the hash.</summary>
    public string Stamp => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(PasswordHash)))[..16];

    /// <summary>Never shows the hash.</summary>
    public override string ToString() => Username;
}

/// <summary>People who may sign in (table <c>admin_users</c>). Rows that the runbook's SQL inserts work as they are.</summary>
public sealed class AdminUsers(IPwDatabase database, TimeProvider time)
{
    /// <summary>bcrypt's cost: 2^12 rounds, as the runbook says.</summary>
    public const int Cost = 12;

    /// <summary>Fewest characters of a new password.</summary>
    public const int ShortestPassword = 12;

    /// <summary>bcrypt reads no more bytes than these.</summary>
    public const int LongestPasswordBytes = 72;

    // The hash of a random text that nobody kept: an unknown user costs the same time as a wrong password. Making it anew at each start would cost a quarter of a second.
    private const string NobodysHash = "$2b$12$tkwLvdQiBsgjlyymLyv2EOvgvnY3oLBsc9K81srJaqglYCh/h2qH.";

    /// <summary>The sandbox's users, whose passwords are their names. As everyone knows them, the fewest rounds that bcrypt has are enough.</summary>
    internal static IReadOnlyList<AdminUser> Published { get; } =
    [
        new(Roles.Admin, "$2b$04$3SHeTVKYMT76uhhz9MO0ze5XTJl73gk6BqYlrpTw.S85l0VV8/2RC", "Sandbox Admin", "admin@performancewest.net", [Roles.Admin], true),
        new(Roles.Operator, "$2b$04$oC0xIiplhEqq40BQU5U4tuXBdYU3PDRYWeuQmA0sxBua/BTzZfFz2", "Sandbox Operator", "operator@performancewest.net", [Roles.Operator], true),
        new(Roles.Viewer, "$2b$04$uO.GkjUC7yOB5l/yVdXhcObTMi2lpRa6lzBVYy9uhVyiJVDjchFVq", "Sandbox Viewer", "viewer@performancewest.net", [Roles.Viewer], true),
    ];

    private const string Columns = "username, password_hash, display_name, email, roles, active";

    private static AdminUser Read(DbDataReader r) =>
        new(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4).Split([',', ' '], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries), r.GetBoolean(5));

    /// <summary>A user by name; <c>null</c> when there is none.</summary>
    public async Task<AdminUser?> FindAsync(string username, CancellationToken ct)
    {
        var rows = await database.QueryAsync(
            $"SELECT {Columns} FROM admin_users WHERE username = @name", Parameters.Of(("name", username)), Read, ct).ConfigureAwait(false);
        return rows.Count == 0 ? null : rows[0];
    }

    /// <summary>The user of a session or token, as of now; <c>null</c> when they may not sign in any more, or have had another password since.</summary>
    public async Task<AdminUser?> OfSessionAsync(ClaimsPrincipal? session, CancellationToken ct) =>
        session?.FindFirstValue(JwtRegisteredClaimNames.Sub) is { Length: > 0 } name && await FindAsync(name, ct).ConfigureAwait(false) is { Active: true } user && session.FindFirstValue(AdminTokens.StampClaim) == user.Stamp ? user : null;

    /// <summary>Adds a user.</summary>
    /// <param name="user">Who.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <param name="also">Written in the same transaction when it is, such as the entry of the audit log.</param>
    /// <returns>Whether it was added; <c>false</c> when the name is taken.</returns>
    public Task<bool> AddAsync(AdminUser user, CancellationToken ct, Func<DbConnection, DbTransaction, CancellationToken, Task>? also = null)
    {
        ArgumentNullException.ThrowIfNull(user);
        return database.WriteAsync(
            async (connection, transaction, token) =>
            {
                var added = await connection.ExecuteAsync(
                    transaction,
                    """
                    INSERT INTO admin_users (username, password_hash, display_name, email, roles, active) VALUES (@name, @hash, @display, @email, @roles, @active)
                    ON CONFLICT (username) DO NOTHING
                    """,
                    Parameters.Of(("name", user.Username), ("hash", user.PasswordHash), ("display", user.DisplayName), ("email", user.Email),
                        ("roles", string.Join(',', user.Roles)), ("active", user.Active)),
                    token).ConfigureAwait(false) == 1;
                if (added && also is not null) await also(connection, transaction, token).ConfigureAwait(false);
                return added;
            },
            ct);
    }

    /// <summary>All of them by name, with when each signed in last.</summary>
    public async Task<IReadOnlyList<(AdminUser User, DateTimeOffset? LastSignIn)>> ListAsync(CancellationToken ct) =>
        await database.QueryAsync(
            "SELECT username, display_name, email, roles, active, last_login_at FROM admin_users ORDER BY username LIMIT 1000", Parameters.None,
            static r => (new AdminUser(r.GetString(0), "", r.GetString(1), r.GetString(2), r.GetString(3).Split([',', ' '], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries), r.GetBoolean(4)), r.TimeOrNull(5)),
            ct).ConfigureAwait(false);

    /// <summary>Changes what somebody may do, together with its trace in the audit log. It holds from the next request on.</summary>
    /// <returns>Why nothing was changed; <c>null</c> when it was.</returns>
    public Task<string?> SetRoleAsync(string username, string role, string by, AuditLog audit, CancellationToken ct) =>
        ChangeAsync("roles = @value", role, u => u with { Roles = [role] }, username, "user-role", new JsonObject { ["role"] = role }, by, audit, ct);

    /// <summary>Lets somebody sign in or not, together with its trace in the audit log. Who is signed in is out with the next request.</summary>
    /// <returns>Why nothing was changed; <c>null</c> when it was.</returns>
    public Task<string?> SetActiveAsync(string username, bool active, string by, AuditLog audit, CancellationToken ct) =>
        ChangeAsync("active = @value", active, u => u with { Active = active }, username, active ? "user-enabled" : "user-disabled", null, by, audit, ct);

    /// <summary>Gives somebody another password, together with its trace in the audit log.</summary>
    /// <returns>Why nothing was changed; <c>null</c> when it was.</returns>
    public Task<string?> SetPasswordAsync(string username, string password, string by, AuditLog audit, CancellationToken ct) =>
        ChangeAsync("password_hash = @value", Hash(password), static u => u, username, "user-password", null, by, audit, ct);

    private Task<string?> ChangeAsync(string what, object value, Func<AdminUser, AdminUser> change, string username, string action, JsonObject? detail, string by, AuditLog audit, CancellationToken ct) =>
        database.WriteAsync(async (connection, transaction, token) =>
        {
            // Of two changes at once the second sees the first: SQLite has one writer, on PostgreSQL the rows are locked.
            var users = await connection.QueryAsync(transaction, $"SELECT {Columns} FROM admin_users ORDER BY username{(database.IsPostgres ? " FOR UPDATE" : "")}", Parameters.None, Read, token).ConfigureAwait(false);
            if (!users.Exists(u => u.Username == username)) return $"There is no user {username}.";
            if (users.Exists(IsAdmin) && !users.Exists(u => IsAdmin(u.Username == username ? change(u) : u))) return "Nothing was changed: without this account nobody would be an administrator who may sign in.";
            await connection.ExecuteAsync(transaction, $"UPDATE admin_users SET {what} WHERE username = @name", Parameters.Of(("value", value), ("name", username)), token).ConfigureAwait(false);
            await audit.AppendAsync(connection, transaction, by, action, username, (JsonObject?)detail?.DeepClone(), token).ConfigureAwait(false);
            return null;

            static bool IsAdmin(AdminUser user) => user.Active && user.Roles.Contains(Roles.Admin);
        }, ct);

    /// <summary>What is wrong with a new password; <c>null</c> when nothing is.</summary>
    public static string? WhyBadPassword(string password) =>
        password.Length < ShortestPassword || Encoding.UTF8.GetByteCount(password) > LongestPasswordBytes ? $"expected {ShortestPassword} characters to {LongestPasswordBytes} bytes" : null;

    /// <summary>What is wrong with a new name; <c>null</c> when nothing is.</summary>
    public static string? WhyBadName(string username) =>
        username.Length is 0 or > 100 || username.Any(static c => char.IsControl(c) || char.IsWhiteSpace(c)) ? "expected 1 to 100 characters without blanks" : null;

    /// <summary>Notes a sign-in.</summary>
    public Task NoteSignInAsync(string username, CancellationToken ct) =>
        database.ExecuteAsync("UPDATE admin_users SET last_login_at = @now WHERE username = @name", Parameters.Of(("now", time.GetUtcNow()), ("name", username)), ct);

    /// <summary>Adds the sandbox's users that are missing.</summary>
    public async Task AddPublishedAsync(CancellationToken ct)
    {
        foreach (var user in Published) await AddAsync(user, ct).ConfigureAwait(false);
    }

    /// <summary>Names of active users who still have a published password.</summary>
    public async Task<IReadOnlyList<string>> WithPublishedPasswordAsync(CancellationToken ct)
    {
        var found = new List<string>();
        foreach (var user in Published)
        {
            if (await FindAsync(user.Username, ct).ConfigureAwait(false) is { Active: true } row && row.PasswordHash == user.PasswordHash) found.Add(row.Username);
        }

        return found;
    }

    /// <summary>Whether name and password are those of a sandbox user.</summary>
    internal static bool IsPublished(string username, string password) => username == password && Published.Any(u => u.Username == username);

    /// <summary>Hashes a password.</summary>
    public static string Hash(string password) => BCrypt.Net.BCrypt.HashPassword(password, Cost);

    /// <summary>Compares a password with a user's hash; takes the same time when there is no user.</summary>
    internal static bool Matches(AdminUser? user, string password)
    {
        // A longer password can't have been set; cutting it silently would accept what is not the password.
        var tooLong = Encoding.UTF8.GetByteCount(password) > LongestPasswordBytes;
        try
        {
            return BCrypt.Net.BCrypt.Verify(tooLong ? "" : password, user?.PasswordHash ?? NobodysHash) && user is not null && !tooLong;
        }
        catch (Exception e) when (e is BCrypt.Net.SaltParseException or ArgumentException or FormatException)
        {
            _ = BCrypt.Net.BCrypt.Verify("", NobodysHash);
            return false;
        }
    }
}
