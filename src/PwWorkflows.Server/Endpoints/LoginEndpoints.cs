using System.Globalization;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>POST /api/v1/admin/login</c>.</summary>
internal static class LoginEndpoints
{
    private sealed record UserView(string Username, string DisplayName, IReadOnlyList<string> Roles);

    private sealed record LoginView(string Token, DateTimeOffset ExpiresAt, UserView User);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/api/v1/admin/login", LoginAsync).AllowAnonymous();

    private static async Task<IResult> LoginAsync(HttpContext http, SignIn signIn, AdminTokens tokens, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var username = fields.Text("username", 100);
        var password = fields.Text("password", 1000);
        if (!fields.AreGood) return fields.Problem();

        var (user, wait) = await signIn.TryAsync(username, password, SignIn.AddressOf(http), ct).ConfigureAwait(false);
        if (wait > TimeSpan.Zero) return TooMany(http, wait);
        if (user is null) return Problems.Of(StatusCodes.Status401Unauthorized, "The username or the password is wrong.");
        var (token, expires) = tokens.Create(user);
        http.Response.Headers.CacheControl = "no-store";
        return PwJson.Ok(new LoginView(token, expires, new UserView(user.Username, user.DisplayName, user.Roles)));
    }

    /// <summary>The answer to somebody who has to wait.</summary>
    internal static IResult TooMany(HttpContext http, TimeSpan wait)
    {
        http.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        return Problems.Of(StatusCodes.Status429TooManyRequests, "Too many wrong tries. Wait and try again.");
    }
}
