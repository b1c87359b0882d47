using System.Net;
using Microsoft.Playwright;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Pages;

/// <summary>What open pages learn by themselves.</summary>
[Collection(ConsoleTests.Name)]
public sealed class LiveTests(ConsoleScene console)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_open_order_shows_what_happens_and_keeps_what_somebody_reads_open()
    {
        var order = await console.Scene.OrderAsync(Ct);
        await console.Scene.CompletedAsync(order, Ct);
        await using var tab = await console.OpenAsync("viewer", "/orders/" + order);
        await tab.Page.Locator("html[data-liveness=on]").WaitForAsync();
        await tab.Page.EvaluateAsync("() => { window.sameDocument = true; }");
        await NoteAsync("The customer called about it.");
        await tab.SeesAsync("The customer called about it.");

        await tab.Page.Locator("#order details").First.EvaluateAsync("d => { d.open = true; }");
        await NoteAsync("The customer called again.");
        await tab.Page.Locator("button.renew").WaitForAsync();
        Assert.Equal(0, await tab.Page.GetByText("The customer called again.").CountAsync());
        await tab.PictureAsync("order-changed");
        await tab.Page.Locator("button.renew").ClickAsync();
        await tab.SeesAsync("The customer called again.");
        await tab.Page.Locator("button.renew").WaitForAsync(new() { State = WaitForSelectorState.Detached });
        Assert.True(await tab.Page.EvaluateAsync<bool>("() => window.sameDocument"));

        Task NoteAsync(string text) => console.Scene.SqlAsync($"INSERT INTO order_timeline (order_number, at, event, message) VALUES ('{order}', now(), 'note', '{text}')", Ct);
    }

    [Fact]
    public async Task A_page_listens_again_after_the_line_was_cut()
    {
        await using var tab = await console.StrangerAsync();
        tab.ExpectFailures();
        var cut = 0;
        await tab.Page.RouteAsync("**/live?*", route => Interlocked.Increment(ref cut) == 1 ? route.AbortAsync() : route.ContinueAsync());
        await tab.SignInAsync("viewer");
        await tab.Page.Locator("html[data-liveness=on]").WaitForAsync();
        Assert.True(cut > 1);
    }

    [Fact]
    public async Task Listening_needs_the_sign_in_and_ends_with_it()
    {
        using var stranger = new HttpClient(new HttpClientHandler { UseCookies = false }) { BaseAddress = console.Scene.Server.BaseUrl };
        using (var nobody = await stranger.GetAsync("/live?on=overview", Ct)) Assert.Equal(HttpStatusCode.NoContent, nobody.StatusCode);
        using var admin = await ConsoleHttp.SignInAsync(console.Scene.Server.BaseUrl, "admin", Ct);
        var name = "listener-" + Guid.NewGuid().ToString("N")[..6];
        await admin.SendAsync("/settings", "/settings?handler=Add", new() { ["username"] = name, ["displayName"] = "Lis", ["email"] = name + "@example.com", ["role"] = "viewer", ["password"] = "long enough a password" }, Ct);
        using var listener = await ConsoleHttp.SignInAsync(console.Scene.Server.BaseUrl, name, Ct, "long enough a password");
        await using var events = await listener.StreamAsync("/live?on=schedules&on=order:CO-NONE", Ct);
        using var lines = new StreamReader(events);
        Assert.Equal("event: here", await lines.ReadLineAsync(Ct));
        await admin.SendAsync("/settings", "/settings?handler=Active", new() { ["username"] = name, ["active"] = "false" }, Ct);
        var rest = await lines.ReadToEndAsync(Ct);
        Assert.EndsWith("event: end\ndata: \n\n", rest, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/live")]
    [InlineData("/live?on=everything")]
    [InlineData("/live?on=order:")]
    [InlineData("/live?on=overview&on=order:1&on=order:2&on=order:3&on=order:4&on=order:5&on=order:6&on=order:7&on=order:8")]
    public async Task Listening_to_what_there_is_not_is_refused(string address)
    {
        using var viewer = await ConsoleHttp.SignInAsync(console.Scene.Server.BaseUrl, "viewer", Ct);
        await viewer.PageAsync(address, Ct, HttpStatusCode.BadRequest);
    }
}
