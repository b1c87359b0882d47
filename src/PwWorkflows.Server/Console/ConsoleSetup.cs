using System.Security.Claims;
using System.Text.Unicode;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.WebEncoders;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary>The console: pages for people, below <c>/</c>.</summary>
internal static class ConsoleSetup
{
    /// <summary>The authentication scheme: a cookie. The API does not take it, so that a page elsewhere can't call the API with it.</summary>
    public const string Scheme = "pw-console";

    /// <summary>What our pages need and no more: nothing inline, nothing from elsewhere. Evidence is shown in frames of our own.</summary>
    public const string ContentPolicy =
        "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; frame-src 'self'";

    /// <summary>The policy that lets in a role by cookie.</summary>
    public static string PolicyOf(string role) => "console-" + role;

    public static IServiceCollection AddConsole(this IServiceCollection services)
    {
        services.AddRazorPages(static pages =>
        {
            pages.RootDirectory = "/Console";
            pages.Conventions.AuthorizeFolder("/", PolicyOf(Roles.Viewer));
            pages.Conventions.AllowAnonymousToPage("/SignIn");
            pages.Conventions.AllowAnonymousToPage("/ApprovalLink"); // Its signed token names the person.
        }).AddMvcOptions(static mvc => mvc.Filters.Add<ConsoleFilter>());
        services.AddAntiforgery(static forms =>
        {
            forms.Cookie.Name = "pw-form";
            forms.Cookie.SameSite = SameSiteMode.Strict;
        });
        // Names of people and carriers are shown as they are; what could be markup is still encoded.
        services.Configure<WebEncoderOptions>(static o => o.TextEncoderSettings = new(UnicodeRanges.All));
        services.AddScoped<Show>();
        services.AddSingleton<Rail>();
        services.AddSingleton<NeedsBoard>();
        services.AddSingleton<LiveFeed>();
        services.AddSingleton<INeeds, ApprovalNeeds>();
        services.AddSingleton<INeeds, ToDoNeeds>();
        services.AddSingleton<INeeds, StuckNeeds>();
        services.AddSingleton<INeeds, MissedNeeds>();
        services.AddSingleton<INeeds, SessionNeeds>();
        services.AddSingleton<INeeds, FactorNeeds>();
        services.AddSingleton<OutsideHealth>();
        services.AddHttpClient(OutsideHealth.ClientName).ConfigurePrimaryHttpMessageHandler(static () => new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }).RemoveAllLoggers();
        services.AddSingleton<ISearch, OrderSearch>();
        services.AddSingleton<ISearch, EventSearch>();
        services.AddSingleton<ISearch, FilingSearch>();
        services.AddSingleton<ISearch, ApprovalSearch>();
        services.AddSingleton<ISearch, InstanceSearch>();

        services.AddAuthentication().AddCookie(Scheme);
        services.AddOptions<CookieAuthenticationOptions>(Scheme).Configure<IOptions<ServerOptions>>(Configure);
        var authorization = services.AddAuthorizationBuilder();
        foreach (var role in Roles.All) authorization.AddPolicy(PolicyOf(role), policy => policy.AddAuthenticationSchemes(Scheme).RequireAuthenticatedUser().RequireRole(role));
        return services;
    }

    public static void Map(IEndpointRouteBuilder routes)
    {
        ConsoleAssets.Map(routes);
        FilingFiles.Map(routes);
        LiveEndpoint.Map(routes);
        routes.MapRazorPages();
    }

    /// <summary>Signs a user in on the pages.</summary>
    public static Task SignInAsync(HttpContext http, AdminUser user) =>
        http.SignInAsync(Scheme, new ClaimsPrincipal(AdminAuthentication.IdentityOf(user, Scheme)), new AuthenticationProperties { IsPersistent = false });

    private static void Configure(CookieAuthenticationOptions cookie, IOptions<ServerOptions> server)
    {
        cookie.Cookie.Name = "pw-console";
        cookie.Cookie.HttpOnly = true;
        cookie.Cookie.SameSite = SameSiteMode.Lax; // Links in mails lead here.
        cookie.Cookie.SecurePolicy = server.Value.Platform.IsProduction ? CookieSecurePolicy.Always : CookieSecurePolicy.SameAsRequest;
        cookie.ExpireTimeSpan = server.Value.AdminTokenLifetime;
        cookie.SlidingExpiration = true;
        (cookie.LoginPath, cookie.LogoutPath, cookie.ReturnUrlParameter) = ("/sign-in", "/sign-out", "next");
        cookie.Events = new CookieAuthenticationEvents
        {
            OnValidatePrincipal = static async context =>
            {
                // The roles of now, not those of the sign-in; and who was deactivated or has another password is out at once.
                if (await context.HttpContext.RequestServices.GetRequiredService<AdminUsers>().OfSessionAsync(context.Principal, context.HttpContext.RequestAborted) is not { } user)
                {
                    context.RejectPrincipal();
                    return;
                }

                context.ReplacePrincipal(new ClaimsPrincipal(AdminAuthentication.IdentityOf(user, Scheme)));
            },
            // What a page asks for by itself is no sign that somebody is there.
            OnCheckSlidingExpiration = static context =>
            {
                if (IsPart(context.HttpContext) || IsEvents(context.HttpContext)) context.ShouldRenew = false;
                return Task.CompletedTask;
            },
            OnRedirectToLogin = static context =>
            {
                if (IsEvents(context.HttpContext))
                {
                    // Whoever listens is told by what it then asks for as a part.
                    context.Response.StatusCode = StatusCodes.Status204NoContent;
                    return Task.CompletedTask;
                }

                if (!IsPart(context.HttpContext))
                {
                    context.Response.Redirect(context.RedirectUri);
                    return Task.CompletedTask;
                }

                // A part of a page can't show the sign-in: the whole page goes there.
                context.Response.StatusCode = StatusCodes.Status200OK;
                context.Response.Headers["HX-Refresh"] = "true";
                return Task.CompletedTask;
            },
            OnRedirectToAccessDenied = static context => ConsoleProblem.DeniedAsync(context.HttpContext),
        };
    }

    /// <summary>Whether a page listens for what changes.</summary>
    private static bool IsEvents(HttpContext http) => http.Request.Path == LiveEndpoint.Path;

    /// <summary>Whether htmx asks for a part of a page.</summary>
    private static bool IsPart(HttpContext http) => http.Request.Headers.ContainsKey("HX-Request");
}
