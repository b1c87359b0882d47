using System.Security.Claims;
using System.Text;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.DataProtection;
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

    /// <summary>The claim that holds a role.</summary>
    public const string RoleClaim = "roles";

    /// <summary>The key of a secret.</summary>
    internal static SymmetricSecurityKey Key(string secret) => new(Encoding.UTF8.GetBytes(secret));

    /// <summary>Makes a token.</summary>
    /// <returns>The token and when it ends.</returns>
    public (string Token, DateTimeOffset ExpiresAt) Create(AdminUser user)
    {
        ArgumentNullException.ThrowIfNull(user);
        // Whole seconds, as in the token.
        var now = DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds());
        var expires = now + options.Value.AdminTokenLifetime;
        var token = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Issuer,
            Audience = Audience,
            IssuedAt = now.UtcDateTime,
            NotBefore = now.UtcDateTime,
            Expires = expires.UtcDateTime,
            Claims = new Dictionary<string, object>
            {
                [JwtRegisteredClaimNames.Sub] = user.Username,
                [JwtRegisteredClaimNames.Jti] = Guid.NewGuid().ToString("N"),
                [RoleClaim] = user.Roles,
            },
            SigningCredentials = new SigningCredentials(Key(options.Value.AdminJwtSecret), SecurityAlgorithms.HmacSha256),
        });
        return (token, expires);
    }
}

/// <summary>Guards <c>/api/v1/admin</c>.</summary>
public static class AdminAuthentication
{
    /// <summary>Name of the authentication scheme.</summary>
    public const string Scheme = "pw-admin";

    /// <summary>Adds the scheme and one policy per role, named as the role.</summary>
    public static IServiceCollection AddAdminAuthentication(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddSingleton<AdminTokens>();
        services.AddSingleton<AdminUsers>();
        services.AddSingleton<LoginThrottle>();
        services.AddAuthentication().AddJwtBearer(Scheme, static _ => { });
        // Comes along with authentication and would write keys into the home folder; tokens are signed with a key of our own.
        services.AddDataProtection().UseEphemeralDataProtectionProvider();
        services.Remove(services.First(static s => s.ServiceType == typeof(IHostedService) && s.ImplementationType?.Namespace?.StartsWith("Microsoft.AspNetCore.DataProtection", StringComparison.Ordinal) == true));
        services.AddOptions<JwtBearerOptions>(Scheme).Configure<IOptions<ServerOptions>, TimeProvider>(Configure);
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

    private static void Configure(JwtBearerOptions jwt, IOptions<ServerOptions> server, TimeProvider time)
    {
        jwt.MapInboundClaims = false;
        jwt.RequireHttpsMetadata = false; // There is no metadata: the key is ours.
        jwt.SaveToken = false;
        jwt.TokenValidationParameters = new TokenValidationParameters
        {
            ValidIssuer = AdminTokens.Issuer,
            ValidAudience = AdminTokens.Audience,
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
                // The roles of now, not those of the sign-in; and a user who was deactivated is out at once.
                var users = context.HttpContext.RequestServices.GetRequiredService<AdminUsers>();
                var name = context.Principal?.FindFirstValue(JwtRegisteredClaimNames.Sub);
                if (string.IsNullOrEmpty(name) || await users.FindAsync(name, context.HttpContext.RequestAborted) is not { Active: true } user)
                {
                    context.Fail("The user is not active.");
                    return;
                }

                var identity = new ClaimsIdentity(
                    [new Claim(JwtRegisteredClaimNames.Sub, user.Username), .. user.Roles.SelectMany(Roles.Including).Distinct(StringComparer.Ordinal).Select(static r => new Claim(AdminTokens.RoleClaim, r))],
                    Scheme, JwtRegisteredClaimNames.Sub, AdminTokens.RoleClaim);
                context.Principal = new ClaimsPrincipal(identity);
            },
            OnChallenge = static context =>
            {
                context.HandleResponse();
                context.Response.Headers.WWWAuthenticate = "Bearer";
                return Problems.WriteAsync(context.HttpContext, StatusCodes.Status401Unauthorized, "Expected a valid token: sign in at POST /api/v1/admin/login and send Authorization: Bearer <token>.");
            },
            OnForbidden = static context => Problems.WriteAsync(context.HttpContext, StatusCodes.Status403Forbidden, "Your role does not allow this."),
        };
    }
}
