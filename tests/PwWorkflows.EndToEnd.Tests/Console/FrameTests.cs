using System.Net;
using Microsoft.Playwright;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Pages;

/// <summary>What all pages of the console share.</summary>
[Collection(ConsoleTests.Name)]
public sealed class FrameTests(ConsoleScene console)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task The_overview_reads_well_on_desk_and_phone_in_light_and_dark(bool phone, bool dark)
    {
        await using var tab = await console.OpenAsync("viewer", "/", phone, dark);
        await tab.SeesAsync("What needs you");
        await tab.SeesAsync("SANDBOX");
        await tab.PictureAsync("overview");
        if (phone)
        {
            await tab.Page.Locator(".dock").GetByText("Menu").ClickAsync();
            await tab.Page.Locator(".rail").GetByText("Overview").WaitForAsync();
            await tab.Page.KeepPictureAsync($"console-sheet-phone{(dark ? "-dark" : "")}");
        }
    }

    [Theory]
    [InlineData("/schedules")]
    [InlineData("/approvals")]
    [InlineData("/definitions")]
    public async Task A_page_is_printed_black_on_white_in_full_and_without_what_can_only_be_clicked(string path)
    {
        await using var tab = await console.OpenAsync("admin", path, dark: true);
        await tab.Page.SetViewportSizeAsync(717, 1000); // A4 without its margins: narrower than what counts as a phone
        await tab.Page.EmulateMediaAsync(new() { Media = Media.Print });
        foreach (var part in (string[])[".bar", ".rail", ".dock", ".filters", "button"]) Assert.Equal(0, await tab.Page.Locator(part).Locator("visible=true").CountAsync());
        Assert.Equal("rgb(0, 0, 0) rgb(255, 255, 255)", await tab.Page.EvaluateAsync<string>("() => { const s = getComputedStyle(document.documentElement); return s.color + ' ' + s.backgroundColor; }"));
        foreach (var table in await tab.Page.Locator("table[data-rows]").AllAsync()) Assert.True(await table.Locator("thead").IsVisibleAsync());
        await tab.PictureAsync("print-" + path[1..]);
    }

    [Fact]
    public async Task Whoever_is_not_signed_in_is_led_to_the_sign_in_and_back()
    {
        await using var tab = await console.StrangerAsync(phone: true);
        await tab.GoAsync("/?from=mail");
        Assert.Contains("/sign-in?next=", tab.Page.Url, StringComparison.Ordinal);
        await tab.SignInAsync("viewer", "not the password");
        await tab.SeesAsync("The name or the password is wrong.");
        await tab.PictureAsync("sign-in");
        await tab.SignInAsync("viewer");
        Assert.EndsWith("/?from=mail", tab.Page.Url, StringComparison.Ordinal);

        await tab.Page.Locator("details.user summary").ClickAsync();
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Sign out" }).ClickAsync();
        await tab.SeesAsync("Password");
        await tab.GoAsync("/");
        Assert.Contains("/sign-in", tab.Page.Url, StringComparison.Ordinal);

        // Nothing from elsewhere may use the sign-in as its springboard.
        await tab.GoAsync("/sign-in?next=https://example.com/");
        await tab.SignInAsync("viewer");
        Assert.StartsWith(console.Scene.Server.BaseUrl.ToString(), tab.Page.Url, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Times_are_shown_in_the_viewers_zone_with_utc_on_hover()
    {
        await console.Scene.CompletedAsync(await console.Scene.OrderAsync(Ct), Ct);
        await using var tab = await console.OpenAsync("viewer", "/");
        var time = tab.Page.Locator("time").First;
        await time.WaitForAsync();
        var title = await time.GetAttributeAsync("title");
        Assert.Contains("(America/Chicago)", title, StringComparison.Ordinal);
        Assert.EndsWith(" UTC", title, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_theme_and_the_folded_rail_are_kept()
    {
        await using var tab = await console.OpenAsync("viewer", "/");
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Fold or unfold the sections" }).ClickAsync();
        await tab.Page.Locator("details.user summary").ClickAsync();
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Dark or light" }).ClickAsync();
        await tab.GoAsync("/");
        Assert.Equal("dark", await tab.Page.Locator("html").GetAttributeAsync("data-theme"));
        Assert.Equal("narrow", await tab.Page.Locator("html").GetAttributeAsync("data-rail"));
        await tab.PictureAsync("folded");
    }

    [Fact]
    public async Task The_keyboard_leads_to_the_search_to_the_help_and_to_sections()
    {
        await using var tab = await console.OpenAsync("viewer", "/");
        await tab.Page.Keyboard.PressAsync("/");
        Assert.Equal("q", await tab.Page.EvaluateAsync<string>("() => document.activeElement.name"));
        await tab.Page.Keyboard.PressAsync("Escape");
        await tab.Page.Keyboard.PressAsync("?");
        await tab.Page.Locator("dialog#help[open]").WaitForAsync();
        await tab.PictureAsync("help");
        await tab.Page.Keyboard.PressAsync("Escape");
        await tab.GoAsync("/?here");
        await tab.Page.Keyboard.PressAsync("g");
        await tab.Page.Keyboard.PressAsync("o");
        await Eventually.TrueAsync(() => !tab.Page.Url.EndsWith("here", StringComparison.Ordinal), "the overview is opened", Ct);
    }

    [Fact]
    public async Task An_unknown_address_says_what_happened_what_to_try_and_an_id_to_quote()
    {
        await using var tab = await console.OpenAsync("viewer", "/");
        tab.Expect(404);
        await tab.GoAsync("/no/such/page");
        await tab.SeesAsync("There is nothing at this address.");
        await tab.SeesAsync("Id to quote:");
        await tab.PictureAsync("not-found");
    }

    [Fact]
    public async Task Pages_carry_a_strict_policy_and_are_kept_nowhere()
    {
        var state = await console.OpenAsync("viewer", "/");
        await using (state)
        {
            var answer = await state.Page.APIRequest.GetAsync("/");
            Assert.Contains("default-src 'none'", answer.Headers["content-security-policy"], StringComparison.Ordinal);
            Assert.DoesNotContain("unsafe", answer.Headers["content-security-policy"], StringComparison.Ordinal);
            Assert.Contains("no-store", answer.Headers["cache-control"], StringComparison.Ordinal);
            Assert.Equal("nosniff", answer.Headers["x-content-type-options"]);
            var cookie = Assert.Single(await state.Page.Context.CookiesAsync(), c => c.Name == "pw-console");
            Assert.True(cookie.HttpOnly);
            Assert.Equal(SameSiteAttribute.Lax, cookie.SameSite);
        }
    }

    [Fact]
    public async Task A_form_without_its_token_is_refused_and_the_api_takes_no_cookie()
    {
        await using var tab = await console.OpenAsync("admin", "/");
        var refused = await tab.Page.APIRequest.PostAsync("/sign-out", new() { Headers = new Dictionary<string, string> { ["Accept"] = "text/html" } });
        Assert.Equal(400, refused.Status);
        Assert.Contains("The form can&#x27;t be taken.", await refused.TextAsync(), StringComparison.Ordinal);
        Assert.Equal(200, (await tab.Page.APIRequest.GetAsync("/")).Status);
        Assert.Equal(401, (await tab.Page.APIRequest.GetAsync("/api/v1/admin/orders")).Status);
        Assert.Equal(401, (await tab.Page.APIRequest.GetAsync("/elsa/api/workflow-definitions")).Status);
    }

    [Fact]
    public async Task The_sign_in_survives_a_restart_and_a_changed_cookie_is_nobodys()
    {
        await using var tab = await console.OpenAsync("viewer", "/");
        var cookie = (await tab.Page.Context.CookiesAsync()).Single(c => c.Name == "pw-console");
        tab.ExpectFailures(); // The open page listens.
        await console.Scene.RestartAsync(Ct);
        using var http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = console.Scene.Server.BaseUrl };
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(cookie.Value));
        Assert.Equal(HttpStatusCode.Redirect, await StatusAsync(cookie.Value[..^6] + "AAAAAA"));

        async Task<HttpStatusCode> StatusAsync(string value)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/") { Headers = { { "Cookie", "pw-console=" + value } } };
            using var answer = await http.SendAsync(request, Ct);
            return answer.StatusCode;
        }
    }
}
