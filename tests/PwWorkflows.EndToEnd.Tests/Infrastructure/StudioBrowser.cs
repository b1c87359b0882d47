using Microsoft.Playwright;

namespace PwWorkflows.EndToEnd.Tests.Infrastructure;

/// <summary>A real Chromium for the pages of Studio. It fails the test at its end when the console complained or a request failed, unless the test says that one must.</summary>
public sealed class StudioBrowser : IAsyncDisposable
{
    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;
    private readonly PageWatch _watch;

    private StudioBrowser(IPlaywright playwright, IBrowser browser, IPage page)
    {
        _playwright = playwright;
        _browser = browser;
        Page = page;
        _watch = new PageWatch(page);
    }

    /// <summary>The page.</summary>
    public IPage Page { get; }

    public static async Task<StudioBrowser> StartAsync(Uri server, int width = 1440, int height = 900)
    {
        var playwright = await Playwright.CreateAsync();
        var browser = await TestBrowser.LaunchAsync(playwright);
        var context = await browser.NewContextAsync(new() { BaseURL = server.ToString(), ViewportSize = new() { Width = width, Height = height } });
        context.SetDefaultTimeout(60_000);
        return new StudioBrowser(playwright, browser, await context.NewPageAsync());
    }

    /// <inheritdoc cref="PageWatch.Expect" />
    public void Expect(int status) => _watch.Expect(status);

    /// <inheritdoc cref="PageWatch.ExpectFailures" />
    public void ExpectFailures() => _watch.ExpectFailures();

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
        await _watch.EndAsync(() => _browser.CloseAsync());
        _playwright.Dispose();
    }
}
