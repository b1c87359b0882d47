using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Authentication;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Http;
using PwWorkflows.Server.Pages;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>/elsa/api/identity</c>: Elsa's way to sign in, with the accounts of the admin API.</summary>
internal static class StudioSignIn
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    private sealed record LoginView(bool IsAuthenticated, string? AccessToken = null, string? RefreshToken = null);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/elsa/api/identity/login", LoginAsync).AllowAnonymous();
        routes.MapPost("/elsa/api/identity/refresh-token", RefreshAsync)
            .RequireAuthorization(static policy => policy.AddAuthenticationSchemes(AdminAuthentication.RefreshScheme).RequireAuthenticatedUser());
        // The cookie does not come along from other sites (SameSite), and their pages could not read the answer.
        routes.MapPost("/studio/host/session", FromConsoleAsync).AllowAnonymous();
        routes.MapDelete("/studio/host/session", static (HttpContext http) => http.SignOutAsync(ConsoleSetup.Scheme)).AllowAnonymous();
    }

    // A wrong password is 200 with isAuthenticated false: so it is in Elsa's contract.
    private static async Task<IResult> LoginAsync(HttpContext http, SignIn signIn, AdminTokens tokens, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var username = fields.Text("username", 100);
        var password = fields.Text("password", 1000);
        if (!fields.AreGood) return fields.Problem();
        var (user, wait) = await signIn.TryAsync(username, password, SignIn.AddressOf(http), ct).ConfigureAwait(false);
        return wait > TimeSpan.Zero ? LoginEndpoints.TooMany(http, wait) : Answer(http, user, tokens);
    }

    /// <summary>Tokens for Studio's pages, from the sign-in of the console's.</summary>
    private static async Task<IResult> FromConsoleAsync(HttpContext http, AdminUsers users, AdminTokens tokens, CancellationToken ct) =>
        Answer(http, await users.OfSessionAsync((await http.AuthenticateAsync(ConsoleSetup.Scheme).ConfigureAwait(false)).Principal, ct).ConfigureAwait(false), tokens);

    // The scheme let in only a refresh token; asked once more, or a password that is changed right now would come with fresh tokens for the old session.
    private static async Task<IResult> RefreshAsync(HttpContext http, AdminUsers users, AdminTokens tokens, CancellationToken ct) =>
        Answer(http, await users.OfSessionAsync(http.User, ct).ConfigureAwait(false), tokens);

    private static IResult Answer(HttpContext http, AdminUser? user, AdminTokens tokens)
    {
        http.Response.Headers.CacheControl = "no-store";
        return Results.Json(user is null ? new LoginView(false) : new LoginView(true, tokens.Create(user).Token, tokens.CreateRefresh(user)), Json);
    }
}
