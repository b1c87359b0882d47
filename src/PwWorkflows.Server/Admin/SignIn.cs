using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Admin;

/// <summary>Checks names and passwords, for every door where people sign in: one throttle, one audit log.</summary>
public sealed class SignIn(AdminUsers users, LoginThrottle throttle, AuditLog audit, IOptions<ServerOptions> options)
{
    // A password check keeps a processor busy for a quarter of a second: a flood of them must leave room for the work.
    private static readonly SemaphoreSlim Checks = new(Math.Max(1, Environment.ProcessorCount / 2));

    /// <summary>The address a request comes from, for the throttle and the audit log.</summary>
    public static string AddressOf(HttpContext http)
    {
        ArgumentNullException.ThrowIfNull(http);
        return (http.Connection.RemoteIpAddress ?? IPAddress.None).ToString();
    }

    /// <summary>Tries to sign in.</summary>
    /// <returns>The user, or <c>null</c> when name or password are wrong; a wait above zero when nothing was checked because of too many wrong tries.</returns>
    public async Task<(AdminUser? User, TimeSpan Wait)> TryAsync(string username, string password, string address, CancellationToken ct)
    {
        var wait = throttle.Wait(username, address);
        if (wait > TimeSpan.Zero) return (null, wait);

        var user = await users.FindAsync(username, ct).ConfigureAwait(false);
        await Checks.WaitAsync(ct).ConfigureAwait(false);
        bool matches;
        try
        {
            matches = await Task.Run(() => AdminUsers.Matches(user, password), ct).ConfigureAwait(false);
        }
        finally
        {
            Checks.Release();
        }

        var refused = options.Value.Platform.IsProduction && AdminUsers.IsPublished(username, password);
        if (!matches || user is not { Active: true } || refused)
        {
            throttle.Failed(username, address);
            // A name that nobody has may be a password typed into the wrong field.
            await audit.WriteAsync(user?.Username ?? "(unknown)", "sign-in-refused", user?.Username ?? "(unknown)", new JsonObject { ["address"] = address }, ct).ConfigureAwait(false);
            return (null, TimeSpan.Zero);
        }

        throttle.Succeeded(username, address);
        await users.NoteSignInAsync(user.Username, ct).ConfigureAwait(false);
        await audit.WriteAsync(user.Username, "sign-in", user.Username, new JsonObject { ["address"] = address }, ct).ConfigureAwait(false);
        return (user, TimeSpan.Zero);
    }
}
