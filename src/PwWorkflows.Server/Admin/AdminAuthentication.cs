using System.Security.Claims;
using System.Text;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using PwWorkflows.Server.Hosting;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Admin;

/// <summary>Makes the tokens of <c>/api/v1/admin</c>.</summary>
public sealed class AdminTokens(IOptions<ServerOptions> options, TimeProvider time)
{
    /// <summary>Who makes them.</summary>
    public const string Issuer = "pw-workflows";

    /// <summary>Whom they are for.</summary>
    public const string Audience = "pw-admin";

    /// <summary>Whom the tokens are for that only fetch new ones.</summary>
    public const string RefreshAudience = "pw-refresh";

    /// <summary>The claim that holds a role.</summary>
    public const string RoleClaim = "roles";

    /// <summary>The claim that holds <see cref="AdminUser.Stamp"/>.</summary>
    public const string StampClaim = "stamp";

    /// <summary>The key of a secret.</summary>
    internal static SymmetricSecurityKey Key(string secret) => new(Encoding.UTF8.GetBytes(secret));

    /// <summary>Makes a token.</summary>
    /// <returns>The token and when it ends.</returns>
    public (string Token, DateTimeOffset ExpiresAt) Create(AdminUser user) => Create(user, Audience, "access", options.Value.AdminTokenLifetime);

    /// <summary>Makes a token that is good for nothing but fetching a new pair. It lasts twice as long as the other, so that a page that is left open over a night of eight hours stays signed in.</summary>
    public string CreateRefresh(AdminUser user) => Create(user, RefreshAudience, "refresh", options.Value.AdminTokenLifetime * 2).Token;

    private (string Token, DateTimeOffset ExpiresAt) Create(AdminUser user, string audience, string use, TimeSpan lifetime)
    {
        ArgumentNullException.ThrowIfNull(user);
        // Whole seconds, as in the token.
        var now = DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds());
        var expires = now + lifetime;
        var token = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Issuer,
            Audience = audience,
            IssuedAt = now.UtcDateTime,
            NotBefore = now.UtcDateTime,
            Expires = expires.UtcDateTime,
            Claims = new Dictionary<string, object>
            {
                [JwtRegisteredClaimNames.Sub] = user.Username,
                [JwtRegisteredClaimNames.Jti] = Guid.NewGuid().ToString("N"),
                ["name"] = user.DisplayName,
                ["token_use"] = use,
                [StampClaim] = user.Stamp,
                [RoleClaim] = user.Roles,
                [Roles.PermissionClaim] = Roles.PermissionsOf(user.Roles),
            },
            SigningCredentials = new SigningCredentials(Key(options.Value.AdminJwtSecret), SecurityAlgorithms.HmacSha256),
        });
        return (token, expires);
    }
}

/// <summary>Guards <c>/api/v1/admin</c> and <c>/elsa</c>.</summary>
public static class AdminAuthentication
{
    /// <summary>Name of the authentication scheme.</summary>
    public const string Scheme = "pw-admin";

    /// <summary>The scheme of what Elsa Studio calls: the same tokens, the answers of Elsa's contract.</summary>
    public const string StudioScheme = "pw-studio";

    /// <summary>The scheme of the door where tokens are renewed.</summary>
    public const string RefreshScheme = "pw-refresh";

    /// <summary>Adds the schemes and one policy per role, named as the role.</summary>
    public static IServiceCollection AddAdminAuthentication(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddSingleton<AdminTokens>();
        services.AddSingleton<AdminUsers>();
        services.AddSingleton<LoginThrottle>();
        services.AddSingleton<SignIn>();
        services.AddAuthentication().AddJwtBearer(Scheme, static _ => { }).AddJwtBearer(StudioScheme, static _ => { }).AddJwtBearer(RefreshScheme, static _ => { });
        // Comes along with authentication and would write keys into the home folder; cookies and forms are sealed with keys from our own secret.
        services.AddDataProtection();
        services.Replace(ServiceDescriptor.Singleton<IDataProtectionProvider>(Pages.SecretProtection.Create));
        services.Remove(services.First(static s => s.ServiceType == typeof(IHostedService) && s.ImplementationType?.Namespace?.StartsWith("Microsoft.AspNetCore.DataProtection", StringComparison.Ordinal) == true));
        services.AddOptions<JwtBearerOptions>(Scheme).Configure<IOptions<ServerOptions>, TimeProvider>(static (jwt, server, time) =>
        {
            Configure(jwt, server, time, AdminTokens.Audience);
            AnswerWithProblems(jwt.Events);
        });
        foreach (var (scheme, audience) in ((string, string)[])[(StudioScheme, AdminTokens.Audience), (RefreshScheme, AdminTokens.RefreshAudience)])
        {
            services.AddOptions<JwtBearerOptions>(scheme).Configure<IOptions<ServerOptions>, TimeProvider>((jwt, server, time) =>
            {
                Configure(jwt, server, time, audience);
                AnswerAsElsa(jwt.Events);
            });
        }

        var authorization = services.AddAuthorizationBuilder();
        foreach (var role in Roles.All)
        {
            authorization.AddPolicy(role, policy => policy.AddAuthenticationSchemes(Scheme).RequireAuthenticatedUser().RequireRole(role));
        }

        return services;
    }

    /// <summary>The user of a guarded request.</summary>
    public static string UserName(this HttpContext http)
    {
        ArgumentNullException.ThrowIfNull(http);
        return http.User.FindFirstValue(JwtRegisteredClaimNames.Sub) ?? throw new InvalidOperationException("The endpoint is not guarded.");
    }

    /// <summary>Who a user is on a request: the name, the roles with those they include, and Elsa's permissions.</summary>
    public static ClaimsIdentity IdentityOf(AdminUser user, string scheme)
    {
        ArgumentNullException.ThrowIfNull(user);
        return new ClaimsIdentity(
            [
                new Claim(JwtRegisteredClaimNames.Sub, user.Username),
                new Claim(AdminTokens.StampClaim, user.Stamp),
                .. user.Roles.SelectMany(Roles.Including).Distinct(StringComparer.Ordinal).Select(static r => new Claim(AdminTokens.RoleClaim, r)),
                .. Roles.PermissionsOf(user.Roles).Select(static p => new Claim(Roles.PermissionClaim, p)),
            ],
            scheme, JwtRegisteredClaimNames.Sub, AdminTokens.RoleClaim);
    }

    private static void Configure(JwtBearerOptions jwt, IOptions<ServerOptions> server, TimeProvider time, string audience)
    {
        jwt.MapInboundClaims = false;
        jwt.RequireHttpsMetadata = false; // There is no metadata: the key is ours.
        jwt.SaveToken = false;
        jwt.TokenValidationParameters = new TokenValidationParameters
        {
            ValidIssuer = AdminTokens.Issuer,
            ValidAudience = audience,
            ValidAlgorithms = [SecurityAlgorithms.HmacSha256],
            IssuerSigningKey = AdminTokens.Key(server.Value.AdminJwtSecret),
            RequireSignedTokens = true,
            RequireExpirationTime = true,
            NameClaimType = JwtRegisteredClaimNames.Sub,
            RoleClaimType = AdminTokens.RoleClaim,
            LifetimeValidator = (from, until, _, _) => until > time.GetUtcNow().UtcDateTime && (from is null || from <= time.GetUtcNow().UtcDateTime.AddSeconds(30)),
        };
        jwt.Events = new JwtBearerEvents
        {
            OnTokenValidated = static async context =>
            {
                // The roles of now, not those of the sign-in; and who was deactivated or has another password is out at once.
                if (await context.HttpContext.RequestServices.GetRequiredService<AdminUsers>().OfSessionAsync(context.Principal, context.HttpContext.RequestAborted) is not { } user)
                {
                    context.Fail("The user is not active, or has another password by now.");
                    return;
                }

                context.Principal = new ClaimsPrincipal(IdentityOf(user, Scheme));
            },
        };
    }

    private static void AnswerWithProblems(JwtBearerEvents events)
    {
        events.OnChallenge = static context =>
        {
            context.HandleResponse();
            context.Response.Headers.WWWAuthenticate = "Bearer";
            return Problems.WriteAsync(context.HttpContext, StatusCodes.Status401Unauthorized, "Expected a valid token: sign in at POST /api/v1/admin/login and send Authorization: Bearer <token>.");
        };
        events.OnForbidden = static context => Problems.WriteAsync(context.HttpContext, StatusCodes.Status403Forbidden, "Your role does not allow this.");
    }

    private static void AnswerAsElsa(JwtBearerEvents events)
    {
        // A browser can't set a header on a WebSocket. Elsewhere a token in an address would end up in logs and histories.
        events.OnMessageReceived = static context =>
        {
            if (context.Request.Path.StartsWithSegments("/elsa/hubs") && context.Request.Query["access_token"].ToString() is { Length: > 0 } token) context.Token = token;
            return Task.CompletedTask;
        };
        events.OnChallenge = static context =>
        {
            context.HandleResponse();
            WithoutBody(context.HttpContext);
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            context.Response.Headers.WWWAuthenticate = context.AuthenticateFailure is null ? "Bearer" : "Bearer error=\"invalid_token\"";
            return Task.CompletedTask;
        };
        events.OnForbidden = static context =>
        {
            WithoutBody(context.HttpContext);
            return Task.CompletedTask;
        };
    }

    private static void WithoutBody(HttpContext http)
    {
        if (http.Features.Get<IStatusCodePagesFeature>() is { } pages) pages.Enabled = false;
    }
}
