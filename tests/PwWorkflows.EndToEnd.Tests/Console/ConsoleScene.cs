using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Playwright;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.EndToEnd.Tests.MainJob;

namespace PwWorkflows.EndToEnd.Tests.Pages;

/// <summary>All tests of the console share one server on PostgreSQL and one browser; the same pages are read from SQLite without a browser.</summary>
[CollectionDefinition(Name)]
public sealed class ConsoleTests : ICollectionFixture<ConsoleScene>
{
    public const string Name = "Console";
}

/// <summary>A server on PostgreSQL with what an order needs, and a real Chromium. Every test opens tabs of its own.</summary>
public sealed class ConsoleScene(PostgresFixture postgres) : IAsyncLifetime
{
    private ConsoleBrowser _browser = null!;

    public Scene Scene { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Scene = await Scene.StartAsync(TestContext.Current.CancellationToken, postgres);
        _browser = await ConsoleBrowser.StartAsync(() => Scene.Server.BaseUrl);
    }

    /// <inheritdoc cref="ConsoleBrowser.StrangerAsync" />
    public Task<ConsoleTab> StrangerAsync(bool phone = false, bool dark = false) => _browser.StrangerAsync(phone, dark);

    /// <inheritdoc cref="ConsoleBrowser.OpenAsync" />
    public Task<ConsoleTab> OpenAsync(string user, string path, bool phone = false, bool dark = false) => _browser.OpenAsync(user, path, phone, dark);

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        await Scene.DisposeAsync();
    }
}

/// <summary>A real Chromium for the console of one server.</summary>
public sealed class ConsoleBrowser : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, string> _signedIn = new();
    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;
    private readonly Func<Uri> _server;

    private ConsoleBrowser(IPlaywright playwright, IBrowser browser, Func<Uri> server) => (_playwright, _browser, _server) = (playwright, browser, server);

    public static async Task<ConsoleBrowser> StartAsync(Func<Uri> server)
    {
        var playwright = await Playwright.CreateAsync();
        var browser = await TestBrowser.LaunchAsync(playwright);
        return new ConsoleBrowser(playwright, browser, server);
    }

    /// <summary>A tab of nobody.</summary>
    public Task<ConsoleTab> StrangerAsync(bool phone = false, bool dark = false) => OpenAsync(null, phone, dark);

    /// <summary>A tab of somebody who is signed in, at a page.</summary>
    /// <param name="user"><c>viewer</c>, <c>operator</c> or <c>admin</c>.</param>
    /// <param name="path">The page.</param>
    /// <param name="phone">390 by 844 instead of 1440 by 900.</param>
    /// <param name="dark">The dark theme.</param>
    /// <param name="password">The password, when it is not the name.</param>
    public async Task<ConsoleTab> OpenAsync(string user, string path, bool phone = false, bool dark = false, string? password = null)
    {
        if (!_signedIn.TryGetValue(user, out var state))
        {
            await using var tab = await StrangerAsync();
            await tab.SignInAsync(user, password);
            await tab.Page.Locator("header.bar").WaitForAsync();
            _signedIn[user] = state = await tab.Page.Context.StorageStateAsync();
        }

        var opened = await OpenAsync(state, phone, dark);
        await opened.GoAsync(path);
        return opened;
    }

    /// <summary>Signs everybody in again from now on: a test that moved the clock has outlived the sessions.</summary>
    public void SignInAgain() => _signedIn.Clear();

    private async Task<ConsoleTab> OpenAsync(string? state, bool phone, bool dark)
    {
        var context = await _browser.NewContextAsync(new()
        {
            BaseURL = _server().ToString(),
            ViewportSize = phone ? new() { Width = 390, Height = 844 } : new() { Width = 1440, Height = 900 },
            ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
            TimezoneId = "America/Chicago",
            StorageState = state,
        });
        context.SetDefaultTimeout(60_000);
        return new ConsoleTab(context, await context.NewPageAsync(), (phone ? "-phone" : "") + (dark ? "-dark" : ""));
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.CloseAsync();
        _playwright.Dispose();
    }
}

/// <summary>A tab with a session of its own. It fails the test at its end when the console complained or a request failed, unless the test says that one must.</summary>
public sealed class ConsoleTab : IAsyncDisposable
{
    private static readonly Lazy<string> Axe = new(static () =>
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "PwWorkflows.sln"))) folder = folder.Parent;
        var script = Path.Combine(folder!.FullName, "tests", "npm", "node_modules", "axe-core", "axe.min.js");
        return File.Exists(script) ? File.ReadAllText(script) : throw new InvalidOperationException("axe-core is missing: run npm ci in tests/npm, as ./test does.");
    });

    private readonly IBrowserContext _context;
    private readonly string _kind;
    private readonly PageWatch _watch;

    internal ConsoleTab(IBrowserContext context, IPage page, string kind)
    {
        (_context, Page, _kind) = (context, page, kind);
        _watch = new PageWatch(page);
    }

    public IPage Page { get; }

    /// <inheritdoc cref="PageWatch.Expect" />
    public void Expect(int status) => _watch.Expect(status);

    /// <inheritdoc cref="PageWatch.ExpectFailures" />
    public void ExpectFailures() => _watch.ExpectFailures();

    public Task GoAsync(string path) => Page.GotoAsync(path);

    /// <summary>Signs in on the sign-in page; a user of the sandbox, whose password is the name.</summary>
    public async Task SignInAsync(string user, string? password = null)
    {
        if (!Page.Url.Contains("/sign-in", StringComparison.Ordinal)) await Page.GotoAsync("/sign-in");
        await Page.FillAsync("input[name=username]", user);
        await Page.FillAsync("input[name=password]", password ?? user);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        if (password is null) await Page.Locator("header.bar").WaitForAsync();
    }

    /// <summary>Waits for a text on the page.</summary>
    public Task SeesAsync(string text) => Page.GetByText(text).First.WaitForAsync();

    /// <summary>Keeps a picture for people to look at, and checks names, contrast and that nothing is wider than the screen or the card it is in.</summary>
    public async Task PictureAsync(string name)
    {
        await Page.KeepPictureAsync($"console-{name}{_kind}", fullPage: true);
        await Page.EvaluateAsync(Axe.Value);
        var faults = await Page.EvaluateAsync<JsonElement>(
            "async () => (await axe.run(document, { resultTypes: ['violations'] })).violations.map(v => v.id + ': ' + v.help + ' at ' + v.nodes.slice(0, 3).map(n => n.html).join(' | '))");
        Assert.True(faults.GetArrayLength() == 0, $"{name}{_kind}: {faults}");
        Assert.True(await Page.EvaluateAsync<bool>("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"), $"{name}{_kind} is wider than the screen.");
        var wide = await Page.EvaluateAsync<string[]>("() => [...document.querySelectorAll('.card')].filter(c => c.scrollWidth > c.clientWidth + 1).map(c => c.innerText.slice(0, 200))");
        Assert.True(wide.Length == 0, $"{name}{_kind} has text beyond its card: {string.Join(" | ", wide)}");
    }

    public ValueTask DisposeAsync() => _watch.EndAsync(() => _context.CloseAsync());
}
