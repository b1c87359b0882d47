using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Playwright;
using Npgsql;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.EndToEnd.Tests.MainJob;

namespace PwWorkflows.EndToEnd.Tests.Pages;

/// <summary>Health, audit, people: each role sees and can do exactly its part.</summary>
[Collection(ConsoleTests.Name)]
public sealed class HousePagesTests(ConsoleScene console)
{
    private const string Password = "a long enough password";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private Scene Scene => console.Scene;

    [Theory]
    [InlineData("viewer", "/orders /filings /webhooks /definitions /instances /status /audit", "/settings")]
    [InlineData("operator", "/orders /filings /webhooks /definitions /instances /status /audit", "/settings")]
    [InlineData("admin", "/orders /filings /webhooks /definitions /instances /status /audit /settings", "")]
    public async Task Each_role_reaches_exactly_its_sections(string user, string mine, string others)
    {
        await using var tab = await console.OpenAsync(user, "/");
        var rail = await tab.Page.Locator(".rail li a").EvaluateAllAsync<string[]>("links => links.map(l => l.getAttribute('href'))");
        foreach (var path in mine.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            Assert.Contains(path, rail);
            Assert.Equal(200, (await tab.Page.GotoAsync(path))!.Status);
            await tab.PictureAsync($"{path[1..]}-{user}");
        }

        tab.Expect(403);
        foreach (var path in others.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            Assert.DoesNotContain(path, rail);
            Assert.Equal(403, (await tab.Page.GotoAsync(path))!.Status);
            await tab.SeesAsync("Your role does not allow this.");
        }
    }

    [Fact]
    public async Task An_administrator_adds_somebody_changes_the_role_and_disables_the_account()
    {
        var name = "person-" + Guid.NewGuid().ToString("N")[..8];
        await using var admin = await console.OpenAsync("admin", "/settings");
        admin.Page.Dialog += (_, dialog) => dialog.AcceptAsync();
        admin.Expect(422);
        await FillAsync("short");
        await admin.SeesAsync("Password: expected 12 characters to 72 bytes.");
        Assert.Equal(name, await admin.Page.Locator("[aria-labelledby=add] input[name=username]").InputValueAsync());
        await admin.PictureAsync("settings-wrong");
        await FillAsync(Password);
        await admin.SeesAsync($"{name} may sign in as viewer.");
        await FillAsync(Password);
        await admin.SeesAsync($"Name: there is a user {name} already.");

        await using var person = await console.StrangerAsync();
        await person.SignInAsync(name, Password);
        await person.Page.Locator("header.bar").WaitForAsync();
        person.Expect(403);
        await person.GoAsync("/settings");
        await person.SeesAsync("Your role does not allow this.");

        await admin.Page.SelectOptionAsync($"select[aria-label='Role of {name}']", "admin");
        await admin.Page.GetByLabel($"Set the role of {name}").ClickAsync();
        await admin.SeesAsync($"{name} is admin now.");
        await person.GoAsync("/settings");
        await person.SeesAsync("People who may sign in");

        await admin.Page.GetByLabel("Disable " + name).ClickAsync();
        await admin.SeesAsync($"{name} can't sign in any more.");
        await person.GoAsync("/orders");
        Assert.Contains("/sign-in", person.Page.Url, StringComparison.Ordinal);
        await person.SignInAsync(name, Password);
        await person.SeesAsync("The name or the password is wrong.");
        await admin.GoAsync("/audit?subject=" + name);
        foreach (var action in (string[])["user added", "user role", "user disabled", "sign in refused"]) await admin.Page.Locator("td[data-label=Did]").GetByText(action, new() { Exact = true }).First.WaitForAsync();
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Verify the chain" }).ClickAsync();
        await admin.SeesAsync("Every entry is as written, and none is missing.");

        // An administrator can't be left without the own account.
        using var http = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "admin", Ct);
        Assert.Contains("changed by another administrator", (await http.SendAsync("/settings", "/settings?handler=Active", new() { ["username"] = "admin", ["active"] = "false" }, Ct)).Body, StringComparison.Ordinal);
        using var operators = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "operator", Ct);
        var refused = await operators.SendAsync("/", "/settings?handler=Role", new() { ["username"] = "operator", ["role"] = "admin" }, Ct);
        Assert.Equal(403, (int)refused.Status);

        async Task FillAsync(string password)
        {
            var form = admin.Page.Locator("[aria-labelledby=add]");
            await form.Locator("input[name=username]").FillAsync(name);
            await form.Locator("input[name=email]").FillAsync(name + "@performancewest.net");
            await form.Locator("input[name=password]").FillAsync(password);
            await form.GetByRole(AriaRole.Button, new() { Name = "Add" }).ClickAsync();
        }
    }

    [Fact]
    public async Task A_new_password_ends_every_session_of_its_user_and_of_nobody_else()
    {
        const string other = "another long password";
        var name = "person-" + Guid.NewGuid().ToString("N")[..8];
        using var admin = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "admin", Ct);
        Assert.Equal(302, (int)(await admin.SendAsync("/settings", "/settings?handler=Add", new() { ["username"] = name, ["email"] = name + "@performancewest.net", ["role"] = "viewer", ["password"] = Password }, Ct)).Status);
        using var pages = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, name, Ct, Password);
        await pages.PageAsync("/orders", Ct);
        var token = await Api.TokenAsync(Scene.Server.Http, name, Password, Ct);
        string refresh;
        using (var login = await Scene.Server.Http.PostAsJsonAsync("/elsa/api/identity/login", new { username = name, password = Password }, Ct))
            refresh = Scene.Text(await login.Content.ReadFromJsonAsync<JsonElement>(Ct), "refreshToken")!;
        Assert.Equal("200 200 200", await DoorsAsync());

        Assert.Equal(302, (int)(await admin.SendAsync("/settings", "/settings?handler=Password", new() { ["username"] = name, ["password"] = other }, Ct)).Status);
        Assert.Equal("401 401 401", await DoorsAsync());
        await pages.PageAsync("/orders", Ct, System.Net.HttpStatusCode.Redirect);
        await admin.PageAsync("/settings", Ct);
        using var anew = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, name, Ct, other);
        await anew.PageAsync("/orders", Ct);
        token = await Api.TokenAsync(Scene.Server.Http, name, other, Ct);
        Assert.Equal("200 200 401", await DoorsAsync());

        async Task<string> DoorsAsync()
        {
            var all = new List<int>();
            foreach (var (method, path, with) in ((HttpMethod, string, string)[])[(HttpMethod.Get, "/api/v1/admin/orders", token), (HttpMethod.Get, "/elsa/api/features/installed", token), (HttpMethod.Post, "/elsa/api/identity/refresh-token", refresh)])
            {
                using var request = new HttpRequestMessage(method, path) { Headers = { Authorization = new("Bearer", with) } };
                using var answer = await Scene.Server.Http.SendAsync(request, Ct);
                all.Add((int)answer.StatusCode);
            }

            return string.Join(' ', all);
        }
    }

    [Fact]
    public async Task All_open_todos_are_listed_and_each_leads_to_what_it_is_about()
    {
        var marker = "look-" + Guid.NewGuid().ToString("N")[..8];
        string[] about = ["AP-" + marker, "CO-" + marker, "CG-" + marker, "job " + marker, .. Enumerable.Range(0, 8).Select(i => $"job-{i}-{marker}")];
        await using var database = NpgsqlDataSource.Create(Scene.Database!);
        var ids = new List<long>();
        foreach (var subject in about)
        {
            await using var add = database.CreateCommand("INSERT INTO admin_todos (order_number, service_slug, marker, instructions, status, created_at) VALUES ($1, 'job', $2, 'Look at it.', 'open', now()) RETURNING id");
            add.Parameters.AddWithValue(subject);
            add.Parameters.AddWithValue(marker);
            ids.Add((long)(await add.ExecuteScalarAsync(Ct))!);
        }

        try
        {
            using var http = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "viewer", Ct);
            var links = new[] { "/approvals/" + about[0], "/orders/" + about[1], "/orders/" + about[2] }.Concat(ids[3..].Select(id => "/todos?id=" + id)).ToList();
            var page = await http.PageAsync("/todos?status=open", Ct);
            Assert.Equal(about.Reverse(), ConsoleHttp.Column(page, "About").Take(about.Length));
            Assert.Equal(links.AsEnumerable().Reverse(), page.QuerySelectorAll("td[data-label=About] a").Take(about.Length).Select(a => a.GetAttribute("href")));
            Assert.Equal([about[3]], ConsoleHttp.Column(await http.PageAsync(links[3], Ct), "About"));
            Assert.Empty(ConsoleHttp.Column(await http.PageAsync("/todos?id=nothing", Ct), "About"));
            await Eventually.TrueAsync(async () =>
            {
                var needs = (await http.PageAsync("/", Ct)).QuerySelector(".needs")!;
                return needs.QuerySelector($"a[href='{links[^1]}']") is not null && needs.QuerySelector("a[href='/todos?status=open']") is not null;
            }, "the overview leads to all of them", Ct);
            await using var tab = await console.OpenAsync("viewer", "/todos");
            await tab.PictureAsync("todos");
        }
        finally
        {
            await using var close = database.CreateCommand("UPDATE admin_todos SET status = 'closed', closed_at = now() WHERE marker = $1");
            close.Parameters.AddWithValue(marker);
            await close.ExecuteNonQueryAsync(Ct);
        }
    }

    [Theory]
    [InlineData("nobody", "")]
    [InlineData("viewer,admin", "admin")]
    public async Task The_role_that_is_set_beside_a_name_is_the_one_the_user_has(string roles, string shown)
    {
        var name = "person-" + Guid.NewGuid().ToString("N")[..8];
        await using var database = NpgsqlDataSource.Create(Scene.Database!);
        await using (var add = database.CreateCommand("INSERT INTO admin_users (username, password_hash, roles) VALUES ($1, 'x', $2)"))
        {
            add.Parameters.AddWithValue(name);
            add.Parameters.AddWithValue(roles);
            await add.ExecuteNonQueryAsync(Ct);
        }

        using var http = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "admin", Ct);
        var found = await http.PageAsync("/settings?sort=-name&q=" + name, Ct);
        Assert.Equal([name], ConsoleHttp.Column(found, "Name"));
        Assert.Contains($"{name},", await http.TextAsync("/settings?format=csv&q=" + name, Ct), StringComparison.Ordinal);
        var select = (AngleSharp.Html.Dom.IHtmlSelectElement)found.QuerySelector($"select[aria-label='Role of {name}']")!;
        Assert.Equal(shown, select.Value);
        Assert.Equal(422, (int)(await http.SendAsync("/settings", "/settings?handler=Role", new() { ["username"] = name, ["role"] = "" }, Ct)).Status);
    }

    [Fact]
    public async Task Sign_ins_in_the_audit_log_are_for_administrators()
    {
        using (var viewer = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "viewer", Ct))
            Assert.DoesNotContain("sign in", ConsoleHttp.Column(await viewer.PageAsync("/audit?action=sign-in", Ct), "Did"));
        using var admin = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "admin", Ct);
        Assert.Contains("sign in", ConsoleHttp.Column(await admin.PageAsync("/audit?action=sign-in", Ct), "Did"));
    }

    [Fact]
    public async Task Health_names_every_system_and_an_order_without_a_session_is_on_the_overview()
    {
        await using var tab = await console.OpenAsync("viewer", "/status");
        foreach (var system in (string[])["Database", "ERPNext", "Object store", "Work queue", "USAC E-File", "Mail relay", "Schedules"]) await tab.SeesAsync(system);
        Assert.Equal(7, await tab.Page.Locator("td .badge.good").CountAsync());

        // A carrier whose session is gone.
        File.Delete(Path.Combine(Scene.Data, "objects", "playwright-storage", "usac", "3", "storage_state.json"));
        var order = Scene.Text(await Scene.CheckoutAsync(new { service_slug = "fcc-499a", entity = 3 }, Ct), "order_number")!;
        await Scene.UntilAsync(async () => (await Scene.ToDosAsync(order, Ct)).Count > 0, () => "a ToDo is raised:\n" + Scene.Server.Log, Ct);
        await tab.GoAsync("/");
        await Eventually.TrueAsync(async () =>
        {
            await tab.GoAsync("/");
            return await tab.Page.Locator(".needs").GetByText(order).CountAsync() > 0;
        }, "the ToDo is on the overview", Ct);
        await tab.PictureAsync("overview-todo");
        await tab.Page.Locator(".needs").GetByText(order).ClickAsync();
        await tab.Page.Locator("section.todo").WaitForAsync();
        await tab.PictureAsync("order-waits");
    }
}
