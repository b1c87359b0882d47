using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Html;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Rendering;
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

    public async Task<IActionResult> OnGetAsync(CancellationToken ct)
    {
        Users = await users.ListAsync(ct).ConfigureAwait(false);
        return ListOf(new ListTable<(AdminUser User, DateTimeOffset? LastSignIn)>
        {
            Name = "people",
            Rows = Users,
            Columns =
            [
                new("Name", p => Show.Text(p.User.Username), static p => p.User.Username) { Sort = "name" },
                new("Shown as", p => Show.Text(p.User.DisplayName), static p => p.User.DisplayName),
                new("Mail", p => Show.Text(p.User.Email), static p => p.User.Email),
                new("State", p => p.User.Active ? Show.Badge("active", Tone.Good) : Show.Badge("disabled", Tone.Idle), static p => p.User.Active ? "active" : "disabled"),
                new("Last sign-in", p => Show.Time(p.LastSignIn), static p => p.LastSignIn?.ToString("O", CultureInfo.InvariantCulture)) { Sort = "last" },
                new("Role", RoleOf, static p => string.Join(", ", p.User.Roles)),
                new("Change", StateOf, static _ => null),
            ],
            Sorts = new Dictionary<string, Func<(AdminUser User, DateTimeOffset? LastSignIn), IComparable?>> { ["name"] = static p => p.User.Username, ["last"] = static p => p.LastSignIn },
            Filters =
            [
                new("q", "Name or mail holds", static (p, text) => p.User.Username.Contains(text, StringComparison.OrdinalIgnoreCase) || p.User.DisplayName.Contains(text, StringComparison.OrdinalIgnoreCase) || p.User.Email.Contains(text, StringComparison.OrdinalIgnoreCase)),
                new("role", "Role", static (p, role) => p.User.Roles.Contains(role), TableFilter.Words([.. Roles.All])),
                new("state", "State", static (p, state) => p.User.Active == (state == "active"), TableFilter.Words("active", "disabled")),
            ],
            Empty = new("Nobody may sign in.", "Add somebody below."),
        });
    }

    private bool IsOwn(AdminUser user) => user.Username == User.Identity!.Name;

    private IHtmlContent RoleOf((AdminUser User, DateTimeOffset? LastSignIn) person)
    {
        var user = person.User;
        if (IsOwn(user)) return Show.Text(string.Join(", ", user.Roles));
        var held = Roles.All.FirstOrDefault(user.Roles.Contains);
        var choice = new TagBuilder("select") { Attributes = { ["name"] = "role", ["aria-label"] = "Role of " + user.Username } };
        if (held is null) Add("", "none");
        foreach (var role in Roles.All) Add(role, role);
        return CellForm("Role", [("username", user.Username)], choice, CellButton("Set", "Set the role of " + user.Username));

        void Add(string value, string text)
        {
            var option = new TagBuilder("option") { Attributes = { ["value"] = value } };
            if (value == (held ?? "")) option.Attributes["selected"] = "selected";
            option.InnerHtml.Append(text);
            choice.InnerHtml.AppendHtml(option);
        }
    }

    private IHtmlContent StateOf((AdminUser User, DateTimeOffset? LastSignIn) person)
    {
        var (name, active) = (person.User.Username, person.User.Active);
        return IsOwn(person.User) ? Show.Text("you") : CellForm(
            "Active", [("username", name), ("active", active ? "false" : "true")],
            active ? CellButton("Disable", "Disable " + name, $"Disable {name}? Who is signed in is out at once.", "danger") : CellButton("Enable", "Enable " + name, $"Let {name} sign in again?"));
    }

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
