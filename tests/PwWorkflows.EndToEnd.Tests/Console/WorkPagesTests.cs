using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Playwright;
using Npgsql;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.EndToEnd.Tests.MainJob;

namespace PwWorkflows.EndToEnd.Tests.Pages;

/// <summary>What is stuck, and what workflows are made of.</summary>
[Collection(ConsoleTests.Name)]
public sealed class WorkPagesTests(ConsoleScene console)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private Scene Scene => console.Scene;

    [Fact]
    public async Task Fifty_that_are_stuck_alike_go_on_from_the_failed_step_with_one_retry()
    {
        var (id, order) = ("fragile-" + Guid.NewGuid().ToString("N")[..8], "CO-" + Guid.NewGuid().ToString("N")[..8].ToUpperInvariant());
        await SaveAsync(Fragile(id, order), publish: true);
        for (var i = 0; i < 50; i++) using (await Scene.Server.Http.PostAsync("/workflows/" + id, null, Ct)) { }

        await using (var viewer = await console.OpenAsync("viewer", "/instances?definition=" + id))
        {
            await viewer.SeesAsync($"There is no order '{order}'.");
            Assert.Equal(0, await viewer.Page.GetByRole(AriaRole.Button, new() { Name = "Retry all 50" }).CountAsync());
        }

        await using var tab = await console.OpenAsync("operator", "/");
        await tab.Page.Locator(".needs").GetByText($"50 × {id} at link").WaitForAsync();
        await tab.PictureAsync("overview-stuck");
        await tab.Page.Locator(".needs").GetByText($"50 × {id} at link").ClickAsync();
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Retry all 50" }).WaitForAsync();
        await tab.PictureAsync("instances");
        var links = await tab.Page.Locator("td[data-label=Instance] a").EvaluateAllAsync<string[]>("all => all.map(a => a.getAttribute('href'))");
        Assert.Equal(50, links.Length);

        // The cause is put right, then one button.
        await Scene.CheckoutAsync(new { service_slug = "fcc-compliance-checkup", order_number = order, deliver = false }, Ct);
        tab.Page.Dialog += (_, dialog) => dialog.AcceptAsync();
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Retry all 50" }).ClickAsync();
        await tab.SeesAsync($"50 instances of {id} go on from the failed step.");
        await Scene.UntilAsync(async () => (await InstancesAsync(id, "finished")).Count == 50, () => "all of them end:\n" + Scene.Server.Log, Ct);
        foreach (var instance in await InstancesAsync(id, "finished")) await JournalOfRetryAsync(instance);

        await tab.GoAsync("/instances?definition=" + id);
        Assert.Equal(0, await tab.Page.GetByText("There is no order '" + order).CountAsync());
        using var http = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "viewer", Ct);
        Assert.Equal(403, (int)(await http.SendAsync("/", "/instances?handler=Retry", new() { ["definition"] = id, ["step"] = "link", ["kind"] = "x" }, Ct)).Status);
    }

    /// <summary>What was done before the failed step was done once; the step failed, was tried again, and went through.</summary>
    private async Task JournalOfRetryAsync(string instance)
    {
        var journal = (await Scene.CallAsync(HttpMethod.Get, $"/api/v1/admin/workflow-instances/{instance}/journal?take=500", null, Ct)).GetProperty("entries").EnumerateArray().ToList();
        Assert.Single(journal, e => Scene.Text(e, "activity_id") == "before" && Scene.Text(e, "event") == "Completed");
        Assert.Contains(journal, e => Scene.Text(e, "activity_id") == "link" && Scene.Text(e, "event") == "Faulted");
        Assert.Single(journal, e => Scene.Text(e, "activity_id") == "link" && Scene.Text(e, "event") == "Completed");
    }

    /// <summary>Stops at its last step while there is no such order.</summary>
    private static object Fragile(string id, string order) => Requested(
        id, "POST",
        new { type = "Elsa.WriteLine", version = 1, id = "before", name = "WriteLine1", text = Text("once") },
        new { type = "Pw.EnsureSalesOrder", version = 1, id = "link", name = "EnsureSalesOrder1", orderNumber = Text(order) });

    /// <summary>A workflow that a request to its id starts.</summary>
    private static object Requested(string id, string method, params object[] steps) => new
    {
        definitionId = id,
        name = id,
        toolVersion = "3.8.0.0",
        root = new
        {
            type = "Elsa.Sequence",
            version = 1,
            id = "main",
            name = "Sequence1",
            activities = (object[])[
                new { type = "Elsa.HttpEndpoint", version = 1, id = "start", name = "HttpEndpoint1", customProperties = new { canStartWorkflow = true }, path = Text(id), supportedMethods = new { typeName = "String[]", expression = new { type = "Object", value = $"[\"{method}\"]" } } },
                .. steps,
            ],
        },
    };

    [Fact]
    public async Task A_stuck_instance_tells_why_beside_the_viewer_and_goes_on_from_exactly_the_failed_step()
    {
        var (id, order) = ("fragile-" + Guid.NewGuid().ToString("N")[..8], "CO-" + Guid.NewGuid().ToString("N")[..8].ToUpperInvariant());
        await SaveAsync(Fragile(id, order), publish: true);
        using (await Scene.Server.Http.PostAsync("/workflows/" + id, null, Ct)) { }
        var instance = Assert.Single(await InstancesAsync(id, "faulted"));
        await using (var viewer = await StudioBrowser.StartAsync(Scene.Server.BaseUrl, 390, 844))
        {
            await viewer.SignInAsync("viewer", "/studio/host/instance?id=" + instance);
            await viewer.Page.Locator("#pw-incident").GetByText("An operator can retry it.").WaitForAsync();
            await viewer.PictureAsync("instance-stuck-phone");
        }

        await using var browser = await StudioBrowser.StartAsync(Scene.Server.BaseUrl);
        await browser.SignInAsync("operator", "/studio/host/instance?id=" + instance);
        var panel = browser.Page.Locator("#pw-incident");
        await panel.GetByText("Stopped at link").WaitForAsync();
        await panel.GetByText($"There is no order '{order}'.").WaitForAsync();
        await browser.PictureAsync("instance-stuck");

        // The cause is put right, then the button.
        await Scene.CheckoutAsync(new { service_slug = "fcc-compliance-checkup", order_number = order, deliver = false }, Ct);
        await panel.GetByRole(AriaRole.Button, new() { Name = "Retry from this step" }).ClickAsync();
        await Scene.UntilAsync(async () => (await InstancesAsync(id, "finished")).Count == 1, () => "it ends:\n" + Scene.Server.Log, Ct);
        await panel.GetByText("It went on from the failed step and has ended.").WaitForAsync();
        await browser.PictureAsync("instance-stuck-ended");
        await JournalOfRetryAsync(instance);
        // Where Studio's link to the logs leads.
        await using var log = await console.OpenAsync("viewer", "/diagnostics/structured-logs?workflowInstanceId=" + instance);
        Assert.Equal($"/instances/{instance}/log", new Uri(log.Page.Url).AbsolutePath);
        await log.SeesAsync($"There is no order '{order}'.");
        await log.PictureAsync("instance-log");
    }

    [Fact]
    public async Task Versions_are_compared_in_words_and_as_json_and_a_save_is_restored()
    {
        var id = "compare-" + Guid.NewGuid().ToString("N")[..8];
        const string name = "Compare <b onclick=\"window.hacked=1\">me</b>";
        await SaveAsync(Simple(id, name, "Hello"), publish: true);
        await SaveAsync(Simple(id, name, "Hello again <i>you</i>"), publish: true);
        await SaveAsync(Simple(id, name, "Never published"), publish: false);
        await using (var viewer = await console.OpenAsync("viewer", "/definitions"))
        {
            await viewer.SeesAsync(name);
            await viewer.PictureAsync("definitions");
            await viewer.Page.Locator($"a[href='/definitions/{id}']").ClickAsync();
            await viewer.SeesAsync("Saved in the last 30 days");
            Assert.Equal(0, await viewer.Page.GetByRole(AriaRole.Button, new() { Name = "Restore" }).CountAsync());
            await viewer.Page.SelectOptionAsync("select[name=from]", "v1");
            await viewer.Page.SelectOptionAsync("select[name=to]", "v2");
            await viewer.Page.GetByRole(AriaRole.Button, new() { Name = "Compare", Exact = true }).ClickAsync();
            await viewer.SeesAsync("“Say hello”: text is “Hello again <i>you</i>” instead of “Hello”.");
            await viewer.Page.Locator(".diff .added", new() { HasText = "Hello again <i>you</i>" }).WaitForAsync();
            await viewer.Page.Locator(".diff .gone", new() { HasText = "\"Hello\"" }).WaitForAsync();
            Assert.False(await viewer.Page.EvaluateAsync<bool>("() => 'hacked' in window"));
            await viewer.PictureAsync("definition-compared");
        }

        await using var tab = await console.OpenAsync("operator", "/definitions/" + id);
        var first = tab.Page.Locator("[aria-labelledby=saves] tbody tr").Last;
        await first.GetByText("look").ClickAsync();
        await tab.Page.Locator("pre", new() { HasText = "\"Hello\"" }).WaitForAsync();
        tab.Page.Dialog += (_, dialog) => dialog.AcceptAsync();
        await tab.Page.Locator("[aria-labelledby=saves] tbody tr").Last.GetByRole(AriaRole.Button).ClickAsync();
        await tab.SeesAsync("The save is the draft again, version 3.");
        await tab.PictureAsync("definition");
        var latest = await Api.GetAsync(Scene.Server.Http, $"/elsa/api/workflow-definitions/by-definition-id/{id}?versionOptions=Latest", Scene.Token, Ct);
        Assert.Contains("\"Hello\"", latest.GetRawText(), StringComparison.Ordinal);
        Assert.False(latest.GetProperty("isPublished").GetBoolean());
        await using var phone = await console.OpenAsync("operator", "/definitions/" + id, phone: true, dark: true);
        await phone.PictureAsync("definition");
        using var http = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "viewer", Ct);
        Assert.Equal(403, (int)(await http.SendAsync("/", $"/definitions/{id}?handler=Restore", new() { ["revision"] = "1" }, Ct)).Status);
    }

    [Fact]
    public async Task The_saves_of_a_deleted_workflow_are_listed_and_bring_it_back()
    {
        var id = "deleted-" + Guid.NewGuid().ToString("N")[..8];
        await SaveAsync(Simple(id, "Gone", "Hello"), publish: true);
        await SaveAsync(Simple(id, "Gone", "Hello again"), publish: false);
        using var http = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "operator", Ct);
        Assert.Null((await http.PageAsync("/definitions", Ct)).QuerySelector($"[aria-labelledby=deleted] a[href='/definitions/{id}']"));
        // Whose draft would make way is told before: the administrator saved it.
        Assert.StartsWith("The draft of now is admin's, saved on ", (await http.PageAsync("/definitions/" + id, Ct)).QuerySelector("[aria-labelledby=saves] button[data-ask]")?.GetAttribute("data-ask"), StringComparison.Ordinal);
        using (var deleted = await Api.SendAsync(Scene.Server.Http, HttpMethod.Delete, "/elsa/api/workflow-definitions/" + id, Scene.Token, null, Ct)) Assert.True(deleted.IsSuccessStatusCode);

        Assert.NotNull((await http.PageAsync("/definitions", Ct)).QuerySelector($"[aria-labelledby=deleted] a[href='/definitions/{id}']"));
        var page = await http.PageAsync("/definitions/" + id, Ct);
        Assert.Contains("This workflow was deleted.", page.QuerySelector("main")!.TextContent, StringComparison.Ordinal);
        Assert.Equal(2, ConsoleHttp.Column(page, "Look").Count);
        var save = page.QuerySelectorAll("[aria-labelledby=saves] input[name=revision]")[^1].GetAttribute("value")!;
        await http.PageAsync($"/definitions/{id}?revision={save}", Ct);
        Assert.Equal(302, (int)(await http.SendAsync("/definitions/" + id, $"/definitions/{id}?handler=Restore", new() { ["revision"] = save }, Ct)).Status);
        var back = await Api.GetAsync(Scene.Server.Http, $"/elsa/api/workflow-definitions/by-definition-id/{id}?versionOptions=Latest", Scene.Token, Ct);
        Assert.Contains("\"Hello\"", back.GetRawText(), StringComparison.Ordinal);
        await http.PageAsync("/definitions/never-there", Ct, System.Net.HttpStatusCode.NotFound);

        // Both tables are filtered and given as CSV by themselves.
        Assert.Equal(3, (await http.TextAsync($"/definitions/{id}?format=s-csv&s-by=admin", Ct)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal(2, (await http.TextAsync($"/definitions/{id}?format=v-csv", Ct)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_workflow_answers_can_neither_run_scripts_as_a_page_of_ours_nor_touch_our_cookies(bool answers)
    {
        var id = "answer-" + Guid.NewGuid().ToString("N")[..8];
        var headers = JsonSerializer.Serialize(new Dictionary<string, string[]>
        {
            ["Content-Security-Policy"] = ["default-src *"],
            ["X-Content-Type-Options"] = ["anything"],
            ["Set-Cookie"] = ["pw-console=stolen; Path=/", "mine=1; Path=/", " PW-form=stolen", "=pw-zone=stolen"],
        });
        object last = answers
            ? new { type = "Elsa.WriteLine", version = 1, id = "end", name = "WriteLine1", text = Text("done") }
            : new { type = "Elsa.Fault", version = 1, id = "end", name = "Fault1", code = Text("X"), message = Text("no"), category = Text("c"), faultType = Text("t") };
        var write = new
        {
            type = "Elsa.WriteHttpResponse",
            version = 1,
            id = "write",
            name = "WriteHttpResponse1",
            content = new { typeName = "Object", expression = new { type = "Literal", value = "<script>window.hacked=1</script>" } },
            contentType = Text("text/html"),
            responseHeaders = new { typeName = "HttpHeaders", expression = new { type = "Object", value = headers } },
        };
        await SaveAsync(Requested(id, "GET", write, last), publish: true);
        using var http = new HttpClient(new HttpClientHandler { UseCookies = false }) { BaseAddress = Scene.Server.BaseUrl };
        using var answer = await http.GetAsync("/workflows/" + id, Ct);
        Assert.Equal(answers ? 200 : 500, (int)answer.StatusCode);
        Assert.Equal("sandbox", Assert.Single(answer.Headers.GetValues("Content-Security-Policy")));
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal(answers ? ["mine=1; Path=/"] : [], answer.Headers.TryGetValues("Set-Cookie", out var cookies) ? cookies : []);
        if (answers) Assert.Equal("text/html", answer.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task Those_without_a_kind_of_error_are_retried_as_a_group_too()
    {
        var definition = "kindless-" + Guid.NewGuid().ToString("N")[..8];
        await using var database = NpgsqlDataSource.Create(Scene.Database!);
        foreach (var retried in (bool[])[false, true])
            await using (var add = database.CreateCommand("INSERT INTO stuck_instances (instance_id, definition_id, activity_id, kind, message, at, retried_at) VALUES ($1, $2, '', '', 'from before', now(), CASE WHEN $3 THEN now() - interval '1 hour' END)"))
            {
                add.Parameters.AddWithValue(Guid.NewGuid().ToString("N"));
                add.Parameters.AddWithValue(definition);
                add.Parameters.AddWithValue(retried);
                await add.ExecuteNonQueryAsync(Ct);
            }

        using var http = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "operator", Ct);
        var part = (await http.PageAsync("/instances?definition=" + definition, Ct)).QuerySelector("#stuck[data-live^='stuck~']");
        Assert.Contains("1 of 2 told to go on", part?.TextContent, StringComparison.Ordinal);
        Assert.Equal(302, (int)(await http.SendAsync("/instances", "/instances?handler=Retry", new() { ["definition"] = definition, ["step"] = "", ["kind"] = "" }, Ct)).Status);
        // The engine knows no such instance: what is asked to go on and is not there is taken off the list.
        await using var count = database.CreateCommand("SELECT COUNT(*) FROM stuck_instances WHERE definition_id = $1");
        count.Parameters.AddWithValue(definition);
        Assert.Equal(0L, await count.ExecuteScalarAsync(Ct));
    }

    private async Task SaveAsync(object model, bool publish)
    {
        using var made = await Api.SendAsync(Scene.Server.Http, HttpMethod.Post, "/elsa/api/workflow-definitions", Scene.Token, new { model, publish }, Ct);
        Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(Ct));
    }

    private async Task<IReadOnlyList<string>> InstancesAsync(string definition, string status) =>
        [.. (await Scene.CallAsync(HttpMethod.Get, $"/api/v1/admin/workflow-instances?definition_id={definition}&status={status}&take=500", null, Ct)).GetProperty("workflow_instances").EnumerateArray().Select(i => i.GetProperty("id").GetString()!)];

    private static object Text(string value) => new { typeName = "String", expression = new { type = "Literal", value } };

    private static object Simple(string id, string name, string text) => new
    {
        definitionId = id,
        name,
        toolVersion = "3.8.0.0",
        root = new
        {
            id = "flow",
            type = "Elsa.Flowchart",
            version = 1,
            name = "Flowchart1",
            activities = new object[] { new { id = "hello", type = "Elsa.WriteLine", version = 1, name = "WriteLine1", text = Text(text), metadata = new { displayText = "Say hello", designer = new { position = new { x = 100, y = 100 }, size = new { width = 180, height = 60 } } } } },
            connections = Array.Empty<object>(),
        },
    };
}
