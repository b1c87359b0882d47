using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Server;

/// <summary>The real, unmodified Elsa Studio in a real browser on the real server.</summary>
public sealed class StudioPagesTests(RunningServer running)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_workflow_is_opened_changed_published_run_and_its_instance_shown()
    {
        var token = await running.TokenAsync("operator", Ct);
        var id = "studio-" + Guid.NewGuid().ToString("N")[..8];
        using (var made = await Api.SendAsync(running.Http, HttpMethod.Post, "/elsa/api/workflow-definitions", token, new { model = Definition(id), publish = true }, Ct)) Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(Ct));

        await using var browser = await StudioBrowser.StartAsync(running.Server.BaseUrl);
        var page = browser.Page;
        await browser.SignInAsync("operator", "/studio/host/editor?id=" + id);
        await page.GetByText("Say hello").First.WaitForAsync();
        await page.GetByText("Primitives").First.WaitForAsync();
        await browser.PictureAsync("editor");

        // Change the text of the activity: Studio saves it by itself.
        await page.GetByText("Say hello").First.ClickAsync();
        var text = page.Locator(".mud-input-control", new() { HasText = "The text to write." }).Locator("input").First;
        await text.FillAsync("Hello from the designer");
        await text.PressAsync("Tab");
        await Eventually.TrueAsync(async () => (await LatestAsync(id, token)).GetRawText().Contains("Hello from the designer", StringComparison.Ordinal), "the change is saved as a draft", Ct);
        Assert.Equal(2, (await LatestAsync(id, token)).GetProperty("version").GetInt32());
        await browser.PictureAsync("editor-activity");

        await page.Locator(".mud-toolbar button.mud-primary-text").ClickAsync(); // the cloud: publish
        await Eventually.TrueAsync(async () => (await LatestAsync(id, token)).GetProperty("isPublished").GetBoolean(), "it is published", Ct);
        await page.Locator(".mud-toolbar button.mud-success-text").ClickAsync(); // the triangle: run
        await page.GetByText("Show the instance").ClickAsync();
        await page.WaitForURLAsync("**/studio/host/instance?id=*");
        await page.GetByText("Say hello").First.WaitForAsync();
        await page.GetByText("Finished").First.WaitForAsync();
        await browser.PictureAsync("instance");
        var instance = new Uri(page.Url).Query.Split('=')[1];
        var journal = await Api.GetAsync(running.Http, $"/elsa/api/workflow-instances/{instance}/journal", token, Ct);
        Assert.Contains(journal.GetProperty("items").EnumerateArray(), e => e.GetProperty("activityId").GetString() == "hello" && e.GetProperty("eventName").GetString() == "Completed");
        Assert.Equal(2, (await Api.GetAsync(running.Http, $"/elsa/api/workflow-instances/{instance}", token, Ct)).GetProperty("version").GetInt32());

        await page.GotoAsync("/studio/host/instances");
        await page.GetByText(Name(id)).First.WaitForAsync();
        await browser.PictureAsync("instances");
        await page.GotoAsync("/studio/host/workflows?search=" + id);
        await page.GetByText(Name(id)).First.WaitForAsync();
        await browser.PictureAsync("workflows");
        // A picture that does not exist would be asked for, and tell.
        Assert.False(await page.EvaluateAsync<bool>("() => 'hacked' in window"));
    }

    [Fact]
    public async Task An_unsaved_edit_outlives_the_token_and_the_second_of_two_people_is_told_who_saved_when()
    {
        var token = await running.TokenAsync("operator", Ct);
        var id = "two-" + Guid.NewGuid().ToString("N")[..8];
        using (var made = await Api.SendAsync(running.Http, HttpMethod.Post, "/elsa/api/workflow-definitions", token, new { model = Definition(id), publish = false }, Ct)) Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(Ct));
        await using var browser = await StudioBrowser.StartAsync(running.Server.BaseUrl);
        var page = browser.Page;
        var designer = new Designer(page);
        await page.AddInitScriptAsync(HeldRenewal);
        await browser.SignInAsync("operator", "/studio/host/editor?id=" + id);
        await designer.ChooseAsync("hello");
        await page.Locator(".mud-toolbar .mud-switch-input").UncheckAsync(new() { Force = true }); // Auto-save
        var text = designer.Input("The text to write.");
        await text.FillAsync("Written before the renewal");
        await text.PressAsync("Tab");
        await designer.UnsavedAsync();
        var first = await page.EvaluateAsync<string>("() => window.pwStudio.token()");
        await page.EvaluateAsync("() => window.due()");
        Assert.NotEqual(first, await page.EvaluateAsync<string>("() => window.pwStudio.token()"));
        await designer.UnsavedAsync();
        await Assertions.Expect(text).ToHaveValueAsync("Written before the renewal");
        await designer.SaveAsync("Written before the renewal");

        // Somebody else saves what this page does not show.
        var admin = await running.TokenAsync("admin", Ct);
        var theirs = JsonNode.Parse((await LatestAsync(id, admin)).GetRawText())!.AsObject();
        theirs["description"] = "The administrator's";
        using (var made = await Api.SendAsync(running.Http, HttpMethod.Post, "/elsa/api/workflow-definitions", admin, new { model = theirs, publish = false }, Ct)) Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(Ct));
        await text.FillAsync("Written too late");
        await text.PressAsync("Tab");
        await designer.UnsavedAsync();
        browser.Expect(400);
        await page.Locator(Designer.Disk).ClickAsync();
        await page.GetByText("admin saved this workflow at").First.WaitForAsync();
        await browser.PictureAsync("editor-two-people");
        var latest = (await LatestAsync(id, token)).GetRawText();
        Assert.Contains("The administrator's", JsonSerializer.Deserialize<JsonElement>(latest).GetProperty("description").GetString(), StringComparison.Ordinal);
        Assert.Contains("Written before the renewal", latest, StringComparison.Ordinal);
        var refused = (await Api.GetAsync(running.Http, $"/elsa/api/workflow-definitions/{id}/revisions", token, Ct)).GetProperty("items").EnumerateArray().First(r => !r.GetProperty("accepted").GetBoolean()).GetProperty("id").GetInt64();
        Assert.Contains("Written too late", (await Api.GetAsync(running.Http, $"/elsa/api/workflow-definitions/{id}/revisions/{refused}", token, Ct)).GetRawText(), StringComparison.Ordinal);
    }

    // An open tab renews its token by the clock; here it is done when the test says so.
    private const string HeldRenewal = "const real = window.setTimeout; window.setTimeout = (call, wait, ...more) => { if (call.name === 'again') { window.due = call; window.pause = wait; return 0; } return real(call, wait, ...more); };";

    private async Task<JsonElement> LatestAsync(string id, string token) => await Api.GetAsync(running.Http, $"/elsa/api/workflow-definitions/by-definition-id/{id}?versionOptions=Latest", token, Ct);

    /// <summary>A name that must stay text.</summary>
    private static string Name(string id) => "<script>window.hacked=1</script><img src=x onerror=\"window.hacked=1\"> " + id;

    private static object Definition(string id) => new
    {
        definitionId = id,
        name = Name(id),
        toolVersion = "3.8.0.0",
        root = new
        {
            id = "flow",
            type = "Elsa.Flowchart",
            version = 1,
            name = "Flowchart1",
            activities = new object[]
            {
                new
                {
                    id = "hello",
                    type = "Elsa.WriteLine",
                    version = 1,
                    name = "WriteLine1",
                    text = new { typeName = "String", expression = new { type = "Literal", value = "Hello" } },
                    metadata = new { displayText = "Say hello", designer = new { position = new { x = 100, y = 100 }, size = new { width = 180, height = 60 } } },
                },
            },
            connections = Array.Empty<object>(),
        },
    };

    [Theory]
    [InlineData("operator", true)]
    [InlineData("viewer", false)]
    public async Task A_real_workflow_of_ours_opens_without_a_complaint_and_can_be_published_by_whoever_may(string user, bool may)
    {
        var token = await running.TokenAsync("viewer", Ct);
        var before = await LatestAsync("service-fcc-499a", token);
        await using var browser = await StudioBrowser.StartAsync(running.Server.BaseUrl);
        await browser.SignInAsync(user, "/studio/host/editor?id=service-fcc-499a");
        await browser.Page.GetByText("File the form").First.WaitForAsync();
        await browser.PictureAsync("editor-service-fcc-499a-" + user);
        Assert.Equal(may, await browser.Page.Locator(".mud-toolbar button.mud-primary-text").IsVisibleAsync());
        Assert.Equal(before.GetProperty("version").GetInt32(), (await LatestAsync("service-fcc-499a", token)).GetProperty("version").GetInt32());
    }

    [Fact]
    public async Task Whoever_is_not_signed_in_is_led_to_the_sign_in_and_back_and_an_unknown_workflow_is_told()
    {
        await using var browser = await StudioBrowser.StartAsync(running.Server.BaseUrl, 390, 844);
        var page = browser.Page;
        await page.GotoAsync("/studio");
        await page.WaitForURLAsync("**/sign-in?next=*");
        await page.FillAsync("input[name=username]", "viewer");
        await page.FillAsync("input[name=password]", "not the password");
        await page.ClickAsync("button[type=submit]");
        await page.GetByText("The name or the password is wrong.").WaitForAsync();
        await browser.PictureAsync("sign-in-phone");
        await page.FillAsync("input[name=password]", "viewer");
        await page.ClickAsync("button[type=submit]");
        await page.WaitForURLAsync("**/studio/host/workflows**");
        browser.Expect(404);
        await page.GotoAsync("/workflows/definitions/no-such/edit");
        await page.GetByText("There is no workflow \"no-such\".").WaitForAsync();
        // Signed out here, signed out on the console's pages, and the other way round.
        await page.GotoAsync("/studio/host/workflows");
        await page.ClickAsync("#pw-sign-out");
        await page.WaitForURLAsync("**/sign-in");
        await page.GotoAsync("/orders");
        await page.WaitForURLAsync("**/sign-in?next=*");
        await page.FillAsync("input[name=username]", "operator");
        await page.FillAsync("input[name=password]", "operator");
        await page.ClickAsync("button[type=submit]");
        await page.WaitForURLAsync("**/orders");
        await page.GotoAsync("/studio/host/instances");
        await page.GetByText("Workflow Instances").First.WaitForAsync();
        await page.Locator("#pw-user").GetByText("operator").WaitForAsync(new() { State = WaitForSelectorState.Attached });

        // An open tab renews its token by the clock: over its own token while the console can't be asked, and no more once the sign-in has ended elsewhere.
        await page.AddInitScriptAsync(HeldRenewal);
        await page.GotoAsync("/studio/host/instances");
        await page.GetByText("Workflow Instances").First.WaitForAsync();
        var first = await page.EvaluateAsync<string>("() => window.pwStudio.token()");
        browser.ExpectFailures();
        browser.Expect(503);
        await page.RouteAsync("**/studio/host/session", route => route.AbortAsync());
        await page.EvaluateAsync("() => window.due()");
        Assert.NotEqual(first, await page.EvaluateAsync<string>("() => window.pwStudio.token()"));
        Assert.Equal(0, await page.GetByText("Your sign-in has ended.").CountAsync());
        // A server that only fails for a while has not ended it either: the page asks again soon.
        var second = await page.EvaluateAsync<string>("() => window.pwStudio.token()");
        await page.UnrouteAsync("**/studio/host/session");
        foreach (var door in (string[])["**/studio/host/session", "**/identity/refresh-token"]) await page.RouteAsync(door, route => route.FulfillAsync(new() { Status = 503 }));
        await page.EvaluateAsync("() => window.due()");
        Assert.Equal((0, second, 15000), (await page.GetByText("Your sign-in has ended.").CountAsync(), await page.EvaluateAsync<string>("() => window.pwStudio.token()"), await page.EvaluateAsync<int>("() => window.pause")));
        foreach (var door in (string[])["**/studio/host/session", "**/identity/refresh-token"]) await page.UnrouteAsync(door);
        await page.EvaluateAsync("() => window.due()");
        Assert.NotEqual(15000, await page.EvaluateAsync<int>("() => window.pause"));
        Assert.Equal(0, await page.GetByText("Your sign-in has ended.").CountAsync());
        await page.Context.APIRequest.DeleteAsync("/studio/host/session");
        await page.EvaluateAsync("() => window.due()");
        await page.GetByText("Your sign-in has ended.").WaitForAsync();
        Assert.Null(await page.EvaluateAsync<string?>("() => window.pwStudio.token()"));
    }

    [Fact]
    public async Task The_package_is_served_packed_and_cacheable_with_a_strict_policy_and_no_way_out_of_its_folder()
    {
        using var answer = await running.Http.GetAsync("/studio/host/editor", Ct);
        var policy = Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
        Assert.StartsWith("default-src 'none';", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("'unsafe-eval'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("script-src 'self' 'unsafe-inline'", policy, StringComparison.Ordinal);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/studio/_framework/blazor.webassembly.js") { Headers = { { "Accept-Encoding", "gzip, br" } } };
        using var script = await running.Http.SendAsync(request, Ct);
        Assert.Equal("br", Assert.Single(script.Content.Headers.ContentEncoding));
        Assert.Equal("text/javascript", script.Content.Headers.ContentType?.MediaType);
        Assert.Equal("no-cache", script.Headers.CacheControl?.ToString());
        using var again = new HttpRequestMessage(HttpMethod.Get, "/studio/_framework/blazor.webassembly.js") { Headers = { { "Accept-Encoding", "gzip, br" }, { "If-None-Match", script.Headers.ETag!.ToString() } } };
        using var unchanged = await running.Http.SendAsync(again, Ct);
        Assert.Equal(304, (int)unchanged.StatusCode);
        foreach (var path in (string[])["/studio/index.html", "/studio/no-such.js", "/studio/..%2f..%2fpackage.json", "/studio/%2e%2e/%2e%2e/package.json", "/studio/package.json%00.js"])
        {
            using var refused = await running.Http.GetAsync(path, Ct);
            Assert.True((int)refused.StatusCode is 400 or 404, $"{path}: {refused.StatusCode}");
        }
    }
}
