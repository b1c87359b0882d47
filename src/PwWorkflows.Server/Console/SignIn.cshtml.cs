using System.Globalization;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/sign-in</c>: the accounts of the admin API, for the pages.</summary>
internal sealed class SignInPage(SignIn signIn) : ConsolePage
{
    /// <summary>The page that was asked for.</summary>
    [BindProperty(SupportsGet = true)]
    public string? Next { get; set; }

    [BindProperty]
    public string? Username { get; set; }

    /// <summary>Why it did not work.</summary>
    public string? Wrong { get; private set; }

    public async Task<IActionResult> OnGetAsync() =>
        (await HttpContext.AuthenticateAsync(ConsoleSetup.Scheme).ConfigureAwait(false)).Succeeded ? LocalRedirect(Destination) : Page();

    public async Task<IActionResult> OnPostAsync(string? password, CancellationToken ct)
    {
        if (string.IsNullOrEmpty(Username) || string.IsNullOrEmpty(password) || Username.Length > 100 || password.Length > 1000) return Again("Give your name and your password.");
        var (user, wait) = await signIn.TryAsync(Username, password, Admin.SignIn.AddressOf(HttpContext), ct).ConfigureAwait(false);
        if (wait > TimeSpan.Zero) return Again(string.Create(CultureInfo.InvariantCulture, $"Too many wrong tries. Try again in {Math.Ceiling(wait.TotalSeconds):0} seconds."));
        if (user is null) return Again("The name or the password is wrong.");
        if (user.Roles.All(static r => Roles.Including(r).Count == 0)) return Again("You have no role yet. Ask an administrator to give you one.");
        await ConsoleSetup.SignInAsync(HttpContext, user).ConfigureAwait(false);
        return LocalRedirect(Destination);
    }

    // Only addresses of our own: nothing from elsewhere may use the sign-in as its springboard.
    private string Destination => Url.IsLocalUrl(Next) ? Next : "/";

    private IActionResult Again(string why)
    {
        Wrong = why;
        return Page();
    }
}
