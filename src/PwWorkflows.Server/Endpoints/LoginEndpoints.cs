using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Hosting;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>POST /api/v1/admin/login</c>.</summary>
internal static class LoginEndpoints
{
    // A password check keeps a processor busy for a quarter of a second: a flood of them must leave room for the work.
    private static readonly SemaphoreSlim Checks = new(Math.Max(1, Environment.ProcessorCount / 2));

    private sealed record UserView(string Username, string DisplayName, IReadOnlyList<string> Roles);

    private sealed record LoginView(string Token, DateTimeOffset ExpiresAt, UserView User);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/api/v1/admin/login", LoginAsync).AllowAnonymous();

    private static async Task<IResult> LoginAsync(
        HttpContext http, AdminUsers users, AdminTokens tokens, LoginThrottle throttle, AuditLog audit, IOptions<ServerOptions> options, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var username = fields.Text("username", 100);
        var password = fields.Text("password", 1000);
        if (!fields.AreGood) return fields.Problem();

        var address = (http.Connection.RemoteIpAddress ?? IPAddress.None).ToString();
        var wait = throttle.Wait(username, address);
        if (wait > TimeSpan.Zero)
        {
            http.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            return Problems.Of(StatusCodes.Status429TooManyRequests, "Too many wrong tries. Wait and try again.");
        }

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
            return Problems.Of(StatusCodes.Status401Unauthorized, "The username or the password is wrong.");
        }

        throttle.Succeeded(username, address);
        await users.NoteSignInAsync(user.Username, ct).ConfigureAwait(false);
        await audit.WriteAsync(user.Username, "sign-in", user.Username, new JsonObject { ["address"] = address }, ct).ConfigureAwait(false);
        var (token, expires) = tokens.Create(user);
        http.Response.Headers.CacheControl = "no-store";
        return PwJson.Ok(new LoginView(token, expires, new UserView(user.Username, user.DisplayName, user.Roles)));
    }
}
