using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/sign-out</c>.</summary>
internal sealed class SignOutPage : ConsolePage
{
    public IActionResult OnGet() => LocalRedirect("/");

    [NeedsRole(Roles.Viewer)]
    public async Task<IActionResult> OnPostAsync()
    {
        await HttpContext.SignOutAsync(ConsoleSetup.Scheme).ConfigureAwait(false);
        return LocalRedirect("/sign-in");
    }
}
