using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/settings</c>: who may sign in, and what for. Only administrators come here.</summary>
internal sealed class SettingsPage(AdminUsers users, AuditLog audit, IOptions<ServerOptions> options) : ConsolePage
{
    /// <summary>What was typed into the form for a new user, apart from the password.</summary>
    public sealed record NewUser(string Username, string DisplayName, string Email, string Role);

    public IReadOnlyList<(AdminUser User, DateTimeOffset? LastSignIn)> Users { get; private set; } = [];

    /// <summary>Everything that is wrong with what was sent.</summary>
    public List<string> Wrong { get; } = [];

    public NewUser Form { get; private set; } = new("", "", "", Roles.Viewer);

    public async Task OnGetAsync(CancellationToken ct) => Users = await users.ListAsync(ct).ConfigureAwait(false);

    public async Task<IActionResult> OnPostAddAsync(string? username, string? displayName, string? email, string? role, string? password, CancellationToken ct)
    {
        Form = new((username ?? "").Trim(), (displayName ?? "").Trim(), (email ?? "").Trim(), role ?? "");
        if (AdminUsers.WhyBadName(Form.Username) is { } badName) Wrong.Add("Name: " + badName + ".");
        if (Form.DisplayName.Length > 100) Wrong.Add("Shown as: expected at most 100 characters.");
        if (!CustomerAddresses.IsWellFormed(Form.Email)) Wrong.Add("Mail: expected an e-mail address.");
        CheckRole(Form.Role);
        CheckPassword(Form.Username, password ?? "");
        if (Wrong.Count > 0) return await AgainAsync(ct).ConfigureAwait(false);
        var user = new AdminUser(Form.Username, AdminUsers.Hash(password!), Form.DisplayName.Length > 0 ? Form.DisplayName : Form.Username, Form.Email, [Form.Role], true);
        var added = await users.AddAsync(
            user, ct,
            (connection, transaction, token) => audit.AppendAsync(connection, transaction, HttpContext.UserName(), "user-added", Form.Username, new JsonObject { ["role"] = Form.Role }, token)).ConfigureAwait(false);
        if (!added)
        {
            Wrong.Add($"Name: there is a user {Form.Username} already.");
            return await AgainAsync(ct).ConfigureAwait(false);
        }

        return GoTo("/settings", $"{Form.Username} may sign in as {Form.Role}.");
    }

    public async Task<IActionResult> OnPostRoleAsync(string username, string? role, CancellationToken ct)
    {
        CheckRole(role ?? "");
        CheckOther(username, "role");
        if (Wrong.Count == 0 && await users.SetRoleAsync(username, role!, HttpContext.UserName(), audit, ct).ConfigureAwait(false) is { } why) Wrong.Add(why);
        return Wrong.Count > 0 ? await AgainAsync(ct).ConfigureAwait(false) : GoTo("/settings", $"{username} is {role} now.");
    }

    public async Task<IActionResult> OnPostActiveAsync(string username, bool active, CancellationToken ct)
    {
        CheckOther(username, "account");
        if (Wrong.Count == 0 && await users.SetActiveAsync(username, active, HttpContext.UserName(), audit, ct).ConfigureAwait(false) is { } why) Wrong.Add(why);
        return Wrong.Count > 0 ? await AgainAsync(ct).ConfigureAwait(false) : GoTo("/settings", active ? $"{username} may sign in again." : $"{username} can't sign in any more.");
    }

    public async Task<IActionResult> OnPostPasswordAsync(string username, string? password, CancellationToken ct)
    {
        CheckPassword(username, password ?? "");
        if (Wrong.Count == 0 && await users.SetPasswordAsync(username, password!, HttpContext.UserName(), audit, ct).ConfigureAwait(false) is { } why) Wrong.Add(why);
        return Wrong.Count > 0 ? await AgainAsync(ct).ConfigureAwait(false) : GoTo("/settings", $"{username} has a new password. Whoever was signed in with the old one is out.");
    }

    private void CheckRole(string role)
    {
        if (!Roles.All.Contains(role)) Wrong.Add($"Role: expected one of {string.Join(", ", Roles.All)}.");
    }

    private void CheckPassword(string username, string password)
    {
        if (AdminUsers.WhyBadPassword(password) is { } bad) Wrong.Add($"Password: {bad}.");
        else if (options.Value.Platform.IsProduction && AdminUsers.IsPublished(username, password)) Wrong.Add("Password: expected one that is not published.");
    }

    // Whoever is here stays an administrator, unless another one changes that at the same moment: the change itself looks once more that one is left.
    private void CheckOther(string username, string what)
    {
        if (username == HttpContext.UserName()) Wrong.Add($"Your own {what} is changed by another administrator.");
    }

    private async Task<IActionResult> AgainAsync(CancellationToken ct)
    {
        await OnGetAsync(ct).ConfigureAwait(false);
        Response.StatusCode = StatusCodes.Status422UnprocessableEntity;
        return Page();
    }
}
