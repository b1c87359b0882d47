using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace PwWorkflows.EndToEnd.Tests.Infrastructure;

/// <summary>A real Chromium for the pages of Studio. What its console and network complain of is collected.</summary>
public sealed class StudioBrowser : IAsyncDisposable
{
    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;
    private readonly ConcurrentQueue<string> _complaints = new();
    private readonly ConcurrentQueue<string> _requests = new();

    private StudioBrowser(IPlaywright playwright, IBrowser browser, IPage page)
    {
        _playwright = playwright;
        _browser = browser;
        Page = page;
        page.Console += (_, m) =>
        {
            if (m.Type is "error") _complaints.Enqueue($"console: {m.Text}");
        };
        page.PageError += (_, e) => _complaints.Enqueue($"error: {e}");
        page.RequestFailed += (_, r) =>
        {
            // A request that the page itself gives up because it is left is no failure.
            if (r.Failure != "net::ERR_ABORTED") _complaints.Enqueue($"request failed: {r.Method} {r.Url} {r.Failure}");
        };
        page.Response += (_, r) =>
        {
            _requests.Enqueue($"{r.Request.Method} {r.Status} {r.Url}");
            if (r.Status >= 400) _complaints.Enqueue($"{r.Status}: {r.Request.Method} {r.Url}");
        };
    }

    /// <summary>The page.</summary>
    public IPage Page { get; }

    /// <summary>Console errors, failed requests and error answers so far.</summary>
    public IReadOnlyList<string> Complaints => [.. _complaints];

    /// <summary>Requests that were answered: method, status, address.</summary>
    public IReadOnlyList<string> Requests => [.. _requests];

    public static async Task<StudioBrowser> StartAsync(Uri server, int width = 1440, int height = 900)
    {
        var playwright = await Playwright.CreateAsync();
        var browser = await TestBrowser.LaunchAsync(playwright);
        var context = await browser.NewContextAsync(new() { BaseURL = server.ToString(), ViewportSize = new() { Width = width, Height = height } });
        context.SetDefaultTimeout(120_000);
        return new StudioBrowser(playwright, browser, await context.NewPageAsync());
    }

    /// <summary>Signs in on the sign-in page and waits for the page that was asked for.</summary>
    public async Task SignInAsync(string user, string page)
    {
        await Page.GotoAsync(page);
        await Page.FillAsync("input[name=username]", user);
        await Page.FillAsync("input[name=password]", user);
        await Page.ClickAsync("button[type=submit]");
        await Page.WaitForURLAsync("**" + page);
    }

    /// <summary>Keeps a picture of the page for people to look at, in the folder of the test program.</summary>
    public Task PictureAsync(string name) => Page.KeepPictureAsync(name);

    public async ValueTask DisposeAsync()
    {
        await _browser.CloseAsync();
        _playwright.Dispose();
    }
}
