using Microsoft.Extensions.Logging;
using Microsoft.Playwright;

namespace PwWorkflows.Activities.Usac;

/// <summary>
/// One Chromium shared by all filings: a fresh context (no cookies, no cache) for each use, at most
/// <see cref="UsacOptions.MaxConcurrent"/> at a time. The browser starts with the first use, is replaced when it dies, and is closed when
/// nobody has used it for <see cref="UsacOptions.BrowserIdle"/>.
/// </summary>
public sealed class ChromiumPool : IAsyncDisposable
{
    /// <summary>
    /// Parts of the browser to leave out. The first line is Playwright's own list, which a second <c>--disable-features</c> would replace; the second is the window's buttons
    /// that are web pages themselves, of which every window without a screen would run some for nobody: they take half of all processor time.
    /// </summary>
    const string LeftOut =
        "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,DialMediaRouteProvider,GlobalMediaControls,HttpsUpgrades,LensOverlay,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,BlockOriginHeaderModificationOnRedirect,AvoidCorsURLLoaderRestartOnRedirect,Translate,AutoDeElevate,OptimizationHints,NetworkTimeServiceQuerying,AimEnabled,"
        + "InitialWebUI,WebUIReloadButton,WebUIToolbar,PreloadTopChromeWebUI,WebUIOmniboxPopup";

    static readonly string[] Arguments =
    [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-features=" + LeftOut,
    ];

    readonly UsacOptions _options;
    readonly ILogger<ChromiumPool> _logger;
    readonly SemaphoreSlim _slots;
    readonly SemaphoreSlim _gate = new(1, 1);
    readonly ITimer _idle;
    IPlaywright? _playwright;
    IBrowser? _browser;
    int _inUse;
    bool _disposed;

    /// <summary>Creates the pool; nothing starts yet.</summary>
    public ChromiumPool(UsacOptions options, TimeProvider clock, ILogger<ChromiumPool> logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(clock);
        _options = options;
        _logger = logger;
        _slots = new(options.MaxConcurrent, options.MaxConcurrent);
        _idle = clock.CreateTimer(_ => _ = CloseIdleAsync(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Contexts open now.</summary>
    public int InUse => Volatile.Read(ref _inUse);

    /// <summary>Whether a browser process is running.</summary>
    public bool IsRunning => _browser?.IsConnected == true;

    /// <summary>
    /// Where the browser is: the option, else <c>/usr/bin/chromium-headless-shell</c> (the same browser without windows, which takes less processor time), else
    /// <c>/usr/bin/chromium</c>, else the first found along <c>PATH</c>.
    /// </summary>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    public static string Locate(UsacOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.ChromiumPath is { Length: > 0 } given) return given;
        foreach (var usual in new[] { "/usr/bin/chromium-headless-shell", "/usr/bin/chromium" })
            if (File.Exists(usual)) return usual;
        foreach (var folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
            foreach (var name in new[] { "chromium", "chromium-browser", "google-chrome", "chrome" })
                if (Path.Combine(folder, name) is var candidate && File.Exists(candidate)) return candidate;
        throw new FileNotFoundException("No Chromium was found. Install the Debian package chromium or set CHROMIUM_PATH.");
    }

    /// <summary>Runs work on a page of its own. The context is closed afterwards, whatever happens.</summary>
    /// <param name="storageState">Playwright storage state to begin with, as text; null for none.</param>
    /// <param name="work">What to do. Cancelling <paramref name="ct"/> closes the page under it.</param>
    /// <param name="ct">Stops the wait and the work.</param>
    public async Task<T> UseAsync<T>(string? storageState, Func<IPage, CancellationToken, Task<T>> work, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(work);
        ObjectDisposedException.ThrowIf(_disposed, this);
        await _slots.WaitAsync(ct).ConfigureAwait(false);
        Interlocked.Increment(ref _inUse);
        try
        {
            var browser = await BrowserAsync(ct).ConfigureAwait(false);
            var context = await browser.NewContextAsync(new()
            {
                StorageState = storageState,
                Locale = "en-US",
                ViewportSize = new() { Width = 1280, Height = 900 },
            }).ConfigureAwait(false);
            try
            {
                context.SetDefaultTimeout((float)_options.StepTimeout.TotalMilliseconds);
                context.SetDefaultNavigationTimeout((float)_options.StepTimeout.TotalMilliseconds);
                await using var stop = ct.Register(() => _ = QuietlyAsync(context.CloseAsync()));
                return await work(await context.NewPageAsync().ConfigureAwait(false), ct).ConfigureAwait(false);
            }
            finally
            {
                await QuietlyAsync(context.CloseAsync()).ConfigureAwait(false);
            }
        }
        catch (PlaywrightException) when (ct.IsCancellationRequested)
        {
            throw new OperationCanceledException(ct);
        }
        finally
        {
            if (Interlocked.Decrement(ref _inUse) == 0 && !_disposed) _idle.Change(_options.BrowserIdle, Timeout.InfiniteTimeSpan);
            _slots.Release();
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        await _idle.DisposeAsync().ConfigureAwait(false);
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            await CloseBrowserAsync().ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    async Task<IBrowser> BrowserAsync(CancellationToken ct)
    {
        await _gate.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (_browser is { IsConnected: true }) return _browser;
            if (_browser is not null) Log.BrowserLost(_logger);
            await CloseBrowserAsync().ConfigureAwait(false);
            _playwright = await Playwright.CreateAsync().ConfigureAwait(false);
            _browser = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = Locate(_options), Headless = true, Args = Arguments }).ConfigureAwait(false);
            Log.BrowserStarted(_logger, _browser.Version);
            return _browser;
        }
        finally
        {
            _gate.Release();
        }
    }

    async Task CloseIdleAsync()
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            // Somebody may have come since the timer fired; a use under way holds its count before it asks for the browser.
            if (InUse == 0) await CloseBrowserAsync().ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    async Task CloseBrowserAsync()
    {
        if (_browser is not null) await QuietlyAsync(_browser.CloseAsync()).ConfigureAwait(false);
        _browser = null;
        _playwright?.Dispose();
        _playwright = null;
    }

    /// <summary>Closing something that is already gone is not an error.</summary>
    static async Task QuietlyAsync(Task closing)
    {
        try
        {
            await closing.ConfigureAwait(false);
        }
        catch (Exception e) when (e is PlaywrightException or TimeoutException)
        {
            // Gone already.
        }
    }
}
