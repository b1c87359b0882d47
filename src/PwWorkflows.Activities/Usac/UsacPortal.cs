using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Playwright;
using OtpNet;
using PwWorkflows.Activities.Effects;

namespace PwWorkflows.Activities.Usac;

/// <summary>How a look at a stored session ended.</summary>
public enum UsacProbe
{
    /// <summary>The portal shows the dashboard.</summary>
    SignedIn,

    /// <summary>The portal wants a sign-in.</summary>
    SignedOut,
}

/// <summary>Name, password and TOTP seed of a portal account. Never logged, never stored by us.</summary>
/// <param name="Username">Sign-in name.</param>
/// <param name="Password">Password.</param>
/// <param name="TotpSeed">Base32; spaces and dashes are ignored.</param>
public sealed record UsacCredentials(string Username, string Password, string TotpSeed)
{
    /// <summary>Shows nothing.</summary>
    public override string ToString() => "UsacCredentials";
}

/// <summary>
/// Drives USAC E-File in a real browser by the page map. Every page is recognised by address and heading before anything is typed or
/// believed; a page that is not the expected one ends the attempt with a typed outcome and never counts as success. The submission goes
/// through the effect ledger, and at most one submission request per attempt can leave the browser.
/// </summary>
public sealed class UsacPortal(ChromiumPool browsers, PageMap map, UsacOptions options, TimeProvider clock, ILogger<UsacPortal> logger)
{
    /// <summary>The page map in use.</summary>
    public PageMap Map => map;

    /// <summary>Looks whether a stored session still opens the portal.</summary>
    /// <exception cref="PortalUnavailableException">The portal can't be reached or is under maintenance.</exception>
    public async Task<UsacProbe> ProbeAsync(string storageState, CancellationToken ct)
    {
        try
        {
            return await BoundedAsync(storageState, async (page, stop) =>
            {
                var visit = Visit(page, stop);
                await visit.OpenAsync(map["dashboard"]).ConfigureAwait(false);
                return UsacProbe.SignedIn;
            }, ct).ConfigureAwait(false);
        }
        catch (PortalStop stop)
        {
            return stop.Outcome switch
            {
                FilingOutcome.SessionExpired => UsacProbe.SignedOut,
                FilingOutcome.PortalUnavailable down => throw new PortalUnavailableException(down.Why, stop),
                FilingOutcome.LayoutChanged changed => throw new NonRetryableException($"The portal's page {changed.Step} is not as the page map {map.Version} says ({changed.Field}): {changed.Why}", stop),
                var other => throw new InvalidOperationException($"A look at the portal ended with {other.GetType().Name}.", stop),
            };
        }
    }

    /// <summary>
    /// Signs in with password and one-time code and gives the session as storage state. A code is used once: when fewer than five seconds of
    /// it remain the next one is awaited, and a refused code is followed by exactly one other try.
    /// </summary>
    /// <exception cref="PortalUnavailableException">The portal can't be reached.</exception>
    /// <exception cref="NonRetryableException">The portal refused the sign-in, or its pages have changed. The text holds no secret.</exception>
    public async Task<string> SignInAsync(UsacCredentials credentials, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(credentials);
        if (options.MfaVia != "totp") throw new NonRetryableException($"USAC_MFA_VIA={options.MfaVia} is not supported; expected totp.");
        try
        {
            return await BoundedAsync(null, async (page, stop) =>
            {
                var visit = Visit(page, stop);
                await visit.SignInAsync(credentials).ConfigureAwait(false);
                return await page.Context.StorageStateAsync().ConfigureAwait(false);
            }, ct).ConfigureAwait(false);
        }
        catch (PortalStop stop)
        {
            // The cause is left out: Playwright's texts quote what was typed.
            throw stop.Outcome switch
            {
                FilingOutcome.PortalUnavailable down => new PortalUnavailableException(down.Why),
                FilingOutcome.LayoutChanged changed => new NonRetryableException($"The portal's page {changed.Step} is not as the page map {map.Version} says ({changed.Field})."),
                _ => new NonRetryableException("The portal refused the sign-in: " + stop.Message),
            };
        }
    }

    /// <summary>
    /// Looks in the portal's filing list for a form with an order's reference.
    /// </summary>
    /// <returns>Happened with the confirmation; DidNotHappen when the form is there saved and unsubmitted; Unknown when neither is listed.</returns>
    /// <exception cref="PortalUnavailableException">The portal can't be reached, or the session has ended.</exception>
    public async Task<Reconciliation<FiledForm>> FindFilingAsync(string storageState, string filerId, int year, string orderNumber, CancellationToken ct)
    {
        try
        {
            return await BoundedAsync(storageState, (page, stop) => Visit(page, stop).FindAsync(filerId, year, orderNumber), ct).ConfigureAwait(false);
        }
        catch (PortalStop stop)
        {
            throw new PortalUnavailableException(stop.Message, stop);
        }
    }

    /// <summary>Files a form, or finds out that it is filed already.</summary>
    /// <param name="request">What to file.</param>
    /// <param name="storageState">The carrier's session.</param>
    /// <param name="evidence">Takes every screen.</param>
    /// <param name="ledger">Sees to it that the submission happens at most once.</param>
    /// <param name="ct">Stops the attempt.</param>
    /// <returns>The outcome, and the session as it is now when the portal took it for good.</returns>
    /// <exception cref="EffectUncertainException">An earlier submission was begun and the portal lists neither it nor the saved form.</exception>
    public async Task<(FilingOutcome Outcome, string? StorageState)> FileAsync(
        FilingRequest request, string storageState, IFilingEvidence evidence, IEffectLedger ledger, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(evidence);
        ArgumentNullException.ThrowIfNull(ledger);
        (FilingOutcome Outcome, string? StorageState) result;
        try
        {
            result = await BoundedAsync(storageState, async (page, stop) =>
            {
                var outcome = await new FilingVisit(Visit(page, stop), request, evidence, ledger, clock, logger).FileAsync().ConfigureAwait(false);
                var state = outcome is FilingOutcome.Filed or FilingOutcome.SavedUnsubmitted ? await page.Context.StorageStateAsync().ConfigureAwait(false) : null;
                return (outcome, state);
            }, ct).ConfigureAwait(false);
        }
        catch (PortalStop stop)
        {
            result = (stop.Outcome, null);
        }

        if (result.Outcome is FilingOutcome.Filed filed) Log.Filed(logger, request.OrderNumber, filed.Form.ConfirmationNumber);
        else Log.NotFiled(logger, request.OrderNumber, result.Outcome.ToString()!);
        return result;
    }

    PortalVisit Visit(IPage page, CancellationToken ct) => new(page, map, options, clock, ct);

    /// <summary>Runs browser work within the time a filing may take; the browser's own failures become outcomes.</summary>
    async Task<T> BoundedAsync<T>(string? storageState, Func<IPage, CancellationToken, Task<T>> work, CancellationToken ct)
    {
        using var limit = new CancellationTokenSource(options.FilingTimeout, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, limit.Token);
        try
        {
            return await browsers.UseAsync(storageState, work, both.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new PortalStop(new FilingOutcome.PortalUnavailable($"the portal took longer than {options.FilingTimeout.TotalMinutes:0.#} minutes"), e);
        }
        catch (Exception e) when (e is PlaywrightException or TimeoutException && !ct.IsCancellationRequested)
        {
            throw new PortalStop(new FilingOutcome.PortalUnavailable("the browser failed: " + PortalVisit.FirstLine(e)), e);
        }
    }
}

/// <summary>The portal can't be used just now; trying again later may help.</summary>
public sealed class PortalUnavailableException : Exception
{
    /// <summary>Creates the exception.</summary>
    public PortalUnavailableException() { }

    /// <summary>Creates the exception with what was seen.</summary>
    public PortalUnavailableException(string message) : base(message) { }

    /// <summary>Creates the exception with what was seen and the cause.</summary>
    public PortalUnavailableException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>Ends an attempt at the portal with an outcome.</summary>
sealed class PortalStop(FilingOutcome outcome, Exception? cause = null) : Exception(outcome.ToString(), cause)
{
    public FilingOutcome Outcome { get; } = outcome;
}

/// <summary>What is on the screen.</summary>
/// <param name="Path">Address relative to the portal's.</param>
/// <param name="Heading">The heading; empty when there is none.</param>
/// <param name="Errors">The portal's error messages.</param>
/// <param name="Notices">Its other messages.</param>
/// <param name="ShowsSecret">Whether a box is on it that no picture may show.</param>
sealed record Screen(string Path, string Heading, IReadOnlyList<PortalError> Errors, IReadOnlyList<string> Notices, bool ShowsSecret);

/// <summary>One browser page at the portal, with the page map in hand.</summary>
sealed class PortalVisit
{
    // So often a picture is asked for before its loss is an error of the visit.
    const int Pictures = 4;

    const string Mark = "() => { document.documentElement.dataset.pwLeft = '1'; }";
    const string Left = "() => document.readyState === 'complete' && !document.documentElement.dataset.pwLeft";

    const string Look = """
        m => { const text = e => (e?.textContent ?? '').replace(/\s+/g, ' ').trim(); const all = s => [...document.querySelectorAll(s)];
          return { url: location.href, heading: text(document.querySelector(m.heading)), notices: all(m.notices).map(text), secret: m.secrets.some(s => document.querySelector(s)),
            errors: all(m.errors).map(e => ({ line: e.getAttribute(m.line) ?? '', message: text(e) })) }; }
        """;

    /// <summary>
    /// Finds all boxes of a page in one go, by what a label says or by selector, and marks each. When each is there exactly once, every box that a person could change
    /// gets its value with the events that typing gives. Tells what each box then holds.
    /// </summary>
    const string SetBoxes = """
        fs => { const norm = t => (t ?? '').replace(/\s+/g, ' ').trim(); const byLabel = new Map();
          const value = e => e.type === 'checkbox' ? (e.checked ? 'yes' : '')
            : e.tagName === 'SELECT' ? [...e.selectedOptions].map(o => o.label).filter(t => t).join(',') : e.value ?? '';
          const put = (e, wanted) => {
            if (value(e) === wanted || e.disabled || e.readOnly || e.getClientRects().length === 0) return;
            if (e.type === 'checkbox') { e.click(); return; }
            if (e.maxLength >= 0 && wanted.length > e.maxLength) return;
            e.focus();
            if (e.tagName === 'SELECT') { const all = e.multiple ? wanted.split(',') : [wanted]; for (const o of e.options) o.selected = !o.disabled && all.includes(o.label); }
            else Object.getOwnPropertyDescriptor(Object.getPrototypeOf(e), 'value').set.call(e, wanted);
            for (const type of ['input', 'change']) e.dispatchEvent(new Event(type, { bubbles: true }));
            e.blur(); };
          for (const e of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
            for (const name of new Set([...(e.labels ?? [])].map(l => norm(l.textContent)).concat(norm(e.getAttribute('aria-label')))))
              byLabel.set(name, [...(byLabel.get(name) ?? []), e]);
          const found = fs.map(f => { try { return f.selector ? [...document.querySelectorAll(f.selector)] : byLabel.get(f.label) ?? []; } catch { return []; } });
          if (found.every(es => es.length === 1)) found.forEach(([e], i) => { e.setAttribute('data-pw-box', i); put(e, fs[i].value); });
          return found.map(es => ({ count: es.length, value: es.length === 1 ? value(es[0]) : '' })); }
        """;

    /// <summary>
    /// Finds the one button that says a name, brings it into view and marks the document as the one to leave. Ready only when it is plainly the one and a press at its middle meets it;
    /// everything else (names put together from elsewhere, boxes on top, buttons not enabled yet) is left to Playwright, which waits and weighs, and loads its scripts into every page for it.
    /// </summary>
    const string FindButton = """
        name => { const norm = t => (t ?? '').replace(/\s+/g, ' ').trim();
          const buttons = [...document.querySelectorAll('button, input[type=submit], input[type=button], [role=button]')].filter(e => e.getClientRects().length > 0 && getComputedStyle(e).visibility === 'visible');
          const [button, ...more] = buttons.filter(e => e.hasAttribute('aria-labelledby') || norm(e.getAttribute('aria-label') ?? (e.tagName === 'INPUT' ? e.value : e.textContent)) === name);
          if (!button || more.length > 0 || button.hasAttribute('aria-labelledby') || button.matches(':disabled, [aria-disabled=true]')) return { ready: false };
          button.scrollIntoView({ block: 'center', behavior: 'instant' });
          const box = button.getBoundingClientRect(), x = box.left + box.width / 2, y = box.top + box.height / 2, hit = document.elementFromPoint(x, y);
          if (!hit || !button.contains(hit)) return { ready: false };
          document.documentElement.dataset.pwLeft = '1';
          return { ready: true, x, y }; }
        """;

    /// <summary>Between two looks whether the next document is there. The browser's own time passes, whatever clock the rest goes by.</summary>
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    readonly IPage _page;
    readonly PageMap _map;
    readonly UsacOptions _options;
    readonly TimeProvider _clock;
    readonly CancellationToken _ct;
    ICDPSession? _devTools;
    int _status;

    public PortalVisit(IPage page, PageMap map, UsacOptions options, TimeProvider clock, CancellationToken ct)
    {
        (_page, _map, _options, _clock, _ct) = (page, map, options, clock, ct);
        _page.Response += (_, response) =>
        {
            if (response.Request.IsNavigationRequest && response.Frame == _page.MainFrame) _status = response.Status;
        };
    }

    public IPage Page => _page;

    public PageMap Map => _map;

    public CancellationToken Ct => _ct;

    public static string FirstLine(Exception e) => e.Message.Split('\n', 2)[0].Trim();

    /// <summary>Goes to a page of the map that has a fixed address.</summary>
    public Task<Screen> OpenAsync(MapPage page) => OpenAsync(page, new Uri(_options.PortalUrl, page.Path));

    /// <summary>Goes to an address and makes sure of what is there.</summary>
    public async Task<Screen> OpenAsync(MapPage page, Uri address)
    {
        _ct.ThrowIfCancellationRequested();
        _status = 0;
        try
        {
            await _page.GotoAsync(address.AbsoluteUri, new() { WaitUntil = WaitUntilState.Load }).ConfigureAwait(false);
        }
        catch (Exception e) when (e is PlaywrightException or TimeoutException && !_ct.IsCancellationRequested)
        {
            throw new PortalStop(new FilingOutcome.PortalUnavailable($"page {page.Key} did not open: {FirstLine(e)}"), e);
        }

        return await ExpectAsync(page).ConfigureAwait(false);
    }

    /// <summary>Does something that leaves the page, and waits until another document is there.</summary>
    public async Task LeaveAsync(string step, Func<Task> act)
    {
        _ct.ThrowIfCancellationRequested();
        _status = 0;
        await _page.EvaluateAsync(Mark).ConfigureAwait(false);
        await act().ConfigureAwait(false);
        await ArriveAsync(step).ConfigureAwait(false);
    }

    /// <summary>Waits until the marked document is gone and another one is there, whole.</summary>
    async Task ArriveAsync(string step)
    {
        var since = Stopwatch.GetTimestamp();
        try
        {
            while (!await HasArrivedAsync().WaitAsync(_options.StepTimeout, _ct).ConfigureAwait(false))
            {
                if (Stopwatch.GetElapsedTime(since) > _options.StepTimeout) throw new TimeoutException();
                await Task.Delay(Pause, _ct).ConfigureAwait(false);
            }
        }
        catch (TimeoutException e)
        {
            throw new PortalStop(new FilingOutcome.PortalUnavailable($"no answer to page {step} within {_options.StepTimeout.TotalSeconds:0} s"), e);
        }
    }

    async Task<bool> HasArrivedAsync()
    {
        try
        {
            return await _page.EvaluateAsync<bool>(Left).ConfigureAwait(false);
        }
        catch (PlaywrightException) when (!_page.IsClosed && _page.Context.Browser?.IsConnected != false)
        {
            // The document went away under the question.
            return false;
        }
    }

    /// <summary>Presses a button of a page by its visible name, and waits for the next document.</summary>
    public async Task PressAsync(MapPage page, string button)
    {
        _ct.ThrowIfCancellationRequested();
        var found = await _page.EvaluateAsync<JsonElement>(FindButton, page.Buttons[button]).ConfigureAwait(false);
        if (found.GetProperty("ready").GetBoolean())
        {
            _status = 0;
            var browser = await DevToolsAsync().ConfigureAwait(false);
            foreach (var type in new[] { "mousePressed", "mouseReleased" })
                await browser.SendAsync("Input.dispatchMouseEvent", new() { ["type"] = type, ["x"] = found.GetProperty("x").GetDouble(), ["y"] = found.GetProperty("y").GetDouble(), ["button"] = "left", ["clickCount"] = 1 }).ConfigureAwait(false);
            await ArriveAsync(page.Key).ConfigureAwait(false);
            return;
        }

        var locator = _page.GetByRole(AriaRole.Button, new() { Name = page.Buttons[button], Exact = true });
        if (await locator.CountAsync().ConfigureAwait(false) != 1) throw Changed(page.Key, button, $"expected one button '{page.Buttons[button]}'");
        await LeaveAsync(page.Key, () => locator.ClickAsync()).ConfigureAwait(false);
    }

    async Task<ICDPSession> DevToolsAsync() => _devTools ??= await _page.Context.NewCDPSessionAsync(_page).ConfigureAwait(false);

    /// <summary>What is on the screen now.</summary>
    public async Task<Screen> LookAsync()
    {
        var seen = await _page.EvaluateAsync<JsonElement>(Look, new
        {
            heading = _map.Marks.Heading,
            notices = _map.Marks.Notices,
            errors = _map.Marks.ErrorItems,
            line = _map.Marks.ErrorLine,
            secrets = _map.Marks.Secrets,
        }).ConfigureAwait(false);
        var url = new Uri(seen.GetProperty("url").GetString()!);
        var path = _options.PortalUrl.IsBaseOf(url) ? _options.PortalUrl.MakeRelativeUri(new Uri(url.GetLeftPart(UriPartial.Path))).ToString() : url.GetLeftPart(UriPartial.Path);
        return new(
            path, seen.GetProperty("heading").GetString()!,
            [.. seen.GetProperty("errors").EnumerateArray().Select(e => new PortalError(e.GetProperty("line").GetString()!, e.GetProperty("message").GetString()!))],
            [.. seen.GetProperty("notices").EnumerateArray().Select(n => n.GetString()!)], seen.GetProperty("secret").GetBoolean());
    }

    /// <summary>Makes sure that the page on the screen is the expected one.</summary>
    public async Task<Screen> ExpectAsync(MapPage page) => Expect(page, await LookAsync().ConfigureAwait(false));

    /// <summary>As <see cref="ExpectAsync"/>, of a screen just seen.</summary>
    public Screen Expect(MapPage page, Screen screen)
    {
        ThrowIfElsewhere(screen, page.Key);
        if (!page.Is(screen.Path, screen.Heading))
            throw Changed(page.Key, "page", $"expected '{page.Heading}' at {page.Path ?? "any address"}, saw '{screen.Heading}' at {screen.Path}");
        return screen;
    }

    /// <summary>Ends the attempt when the portal shows its sign-in, maintenance or an error page.</summary>
    public void ThrowIfElsewhere(Screen screen, string step)
    {
        if (IsSignIn(screen)) throw new PortalStop(new FilingOutcome.SessionExpired());
        if (_map["maintenance"].Is(screen.Path, screen.Heading)) throw new PortalStop(new FilingOutcome.PortalUnavailable("the portal is under maintenance"));
        if (_status is >= 500 or 408 or 429) throw new PortalStop(new FilingOutcome.PortalUnavailable($"page {step} answered {_status}"));
        if (screen.Path.StartsWith("chrome-error:", StringComparison.Ordinal)) throw new PortalStop(new FilingOutcome.PortalUnavailable($"the connection broke at page {step}"));
    }

    /// <summary>Whether the screen asks for a password or a code. Such a screen is never pictured.</summary>
    public bool IsSignIn(Screen screen) => _map["sign_in"].Is(screen.Path, screen.Heading) || _map["one_time_code"].Is(screen.Path, screen.Heading);

    public static PortalStop Changed(string step, string field, string why) => new(new FilingOutcome.LayoutChanged(step, field, why));

    /// <summary>Gives every box of a page its value; boxes without one are emptied.</summary>
    public async Task FillAsync(MapPage page, Func<MapField, string> value)
    {
        string[] wanted = [.. page.Fields.Select(value)];
        var boxes = await _page.EvaluateAsync<JsonElement>(SetBoxes, page.Fields.Select((f, i) => new { label = f.Label, selector = f.Selector, value = wanted[i] }).ToArray()).ConfigureAwait(false);
        for (var i = 0; i < page.Fields.Count; i++)
        {
            var (field, found) = (page.Fields[i], boxes[i].GetProperty("count").GetInt32());
            if (found != 1) throw Changed(page.Key, field.Name, $"expected one box {(field.Selector is null ? $"labelled '{field.Label}'" : $"at {field.Selector}")}, found {found}");
        }

        // What did not take its value that way is typed key by key, as a person would.
        for (var i = 0; i < page.Fields.Count; i++)
        {
            _ct.ThrowIfCancellationRequested();
            var field = page.Fields[i];
            if (boxes[i].GetProperty("value").GetString() == wanted[i]) continue;
            try
            {
                await TypeAsync(field, _page.Locator(string.Create(CultureInfo.InvariantCulture, $"[data-pw-box='{i}']")), wanted[i]).ConfigureAwait(false);
            }
            catch (Exception e) when (e is PlaywrightException or TimeoutException && !_ct.IsCancellationRequested && !_page.IsClosed)
            {
                throw Changed(page.Key, field.Name, $"the box does not take '{(page.Key is "sign_in" or "one_time_code" ? "its value" : wanted[i])}'");
            }
        }
    }

    /// <summary>A picture of the whole page as PNG. Boxes that hold secrets are covered.</summary>
    public async Task<byte[]> PictureAsync(Screen screen)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await TakePictureAsync(screen).ConfigureAwait(false);
            }
            catch (PlaywrightException e) when (attempt < Pictures && e.Message.Contains("Unable to capture screenshot", StringComparison.Ordinal) && !_ct.IsCancellationRequested)
            {
                // A browser on a busy machine loses a frame now and then and says so; the page is as it was, and the next frame shows it.
            }
        }
    }

    async Task<byte[]> TakePictureAsync(Screen screen)
    {
        if (screen.ShowsSecret) return await _page.ScreenshotAsync(new() { FullPage = true, Mask = [.. _map.Marks.Secrets.Select(s => _page.Locator(s))] }).ConfigureAwait(false);
        // The browser's own call takes a quarter of the processor time of Playwright's, which lays the page out anew and packs the picture as small as it can.
        var browser = await DevToolsAsync().ConfigureAwait(false);
        var layout = (await browser.SendAsync("Page.getLayoutMetrics").ConfigureAwait(false))!.Value;
        var (whole, shown) = (layout.GetProperty("cssContentSize"), layout.GetProperty("cssLayoutViewport"));
        var (width, height) = (whole.GetProperty("width").GetDouble(), whole.GetProperty("height").GetDouble());
        var options = new Dictionary<string, object> { ["format"] = "png", ["optimizeForSpeed"] = true };
        // A page that fits is pictured as it stands; for a larger one the browser lays it out at its whole size, and back again.
        if (width > shown.GetProperty("clientWidth").GetDouble() || height > shown.GetProperty("clientHeight").GetDouble())
        {
            options["captureBeyondViewport"] = true;
            options["clip"] = new Dictionary<string, object> { ["x"] = 0, ["y"] = 0, ["width"] = width, ["height"] = height, ["scale"] = 1 };
        }

        var picture = await browser.SendAsync("Page.captureScreenshot", options).ConfigureAwait(false);
        return picture!.Value.GetProperty("data").GetBytesFromBase64();
    }

    static Task TypeAsync(MapField field, ILocator locator, string wanted) => field.Kind switch
    {
        MapFieldKind.Check => locator.SetCheckedAsync(wanted.Length > 0),
        MapFieldKind.Select => locator.SelectOptionAsync(new SelectOptionValue { Label = wanted }),
        MapFieldKind.MultiSelect => locator.SelectOptionAsync(wanted.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(w => new SelectOptionValue { Label = w })),
        _ => locator.FillAsync(wanted),
    };

    public async Task SignInAsync(UsacCredentials credentials)
    {
        MapPage signIn = _map["sign_in"], code = _map["one_time_code"], dashboard = _map["dashboard"];
        try
        {
            await OpenAsync(signIn).ConfigureAwait(false);
        }
        catch (PortalStop stop) when (stop.Outcome is FilingOutcome.SessionExpired)
        {
            // It is the page we want.
        }

        await FillAsync(signIn, f => f.Name == "username" ? credentials.Username : credentials.Password).ConfigureAwait(false);
        await PressAsync(signIn, "next").ConfigureAwait(false);
        var screen = await LookAsync().ConfigureAwait(false);
        if (!code.Is(screen.Path, screen.Heading)) throw Refused(screen);
        var totp = new Totp(Base32Encoding.ToBytes(credentials.TotpSeed.Replace(" ", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal)));
        for (var attempt = 1; ; attempt++)
        {
            var remaining = totp.RemainingSeconds(_clock.GetUtcNow().UtcDateTime);
            if (attempt > 1 || remaining < 5) await Task.Delay(TimeSpan.FromSeconds(remaining + 1), _clock, _ct).ConfigureAwait(false);
            var once = totp.ComputeTotp(_clock.GetUtcNow().UtcDateTime);
            await FillAsync(code, _ => once).ConfigureAwait(false);
            await PressAsync(code, "next").ConfigureAwait(false);
            screen = await LookAsync().ConfigureAwait(false);
            if (dashboard.Is(screen.Path, screen.Heading)) return;
            // One more try with the next code, then stop: more would lock the account.
            if (attempt == 2 || !code.Is(screen.Path, screen.Heading)) throw Refused(screen);
        }
    }

    PortalStop Refused(Screen screen)
    {
        if (!IsSignIn(screen)) ThrowIfElsewhere(screen, "sign_in");
        return IsSignIn(screen) ? new(new FilingOutcome.ValidationFailed("sign_in", screen.Errors)) : Changed("sign_in", "page", "an unknown page followed");
    }

    /// <summary>Rows of the portal's filing list.</summary>
    public async Task<Reconciliation<FiledForm>> FindAsync(string filerId, int year, string orderNumber)
    {
        var list = _map["filings"];
        await OpenAsync(list).ConfigureAwait(false);
        var rows = await _page.Locator(list.Selectors["rows"]).EvaluateAllAsync<JsonElement>(
            "(rows, s) => rows.map(r => Object.fromEntries(Object.entries(s).map(([k, v]) => [k, (r.querySelector(v)?.textContent ?? '').trim()])))",
            list.Selectors.Where(s => s.Key is not ("rows" or "link")).ToDictionary()).ConfigureAwait(false);
        var incomplete = false;
        foreach (var row in rows.EnumerateArray())
        {
            string Cell(string name) => row.GetProperty(name).GetString() ?? "";
            if (Cell("year") != year.ToString(CultureInfo.InvariantCulture) || Cell("filer_id") != filerId || !IsOf(Cell("reference"), orderNumber)) continue;
            if (Cell("status") == _map.Marks.Submitted)
            {
                return Cell("confirmation_number").Length > 0
                    ? new Reconciliation<FiledForm>.Happened(new(Cell("confirmation_number"), Cell("reference"), Cell("submitted_at")))
                    : new Reconciliation<FiledForm>.Unknown($"The portal lists the form of {orderNumber} as submitted, without a confirmation number.");
            }

            if (Cell("status") != _map.Marks.Incomplete)
                return new Reconciliation<FiledForm>.Unknown($"The portal lists the form of {orderNumber} with the unknown status '{Cell("status")}'.");
            incomplete = true;
        }

        return incomplete
            ? new Reconciliation<FiledForm>.DidNotHappen()
            : new Reconciliation<FiledForm>.Unknown($"The portal lists neither a filing nor a saved form for {orderNumber}.");
    }

    static bool IsOf(string reference, string orderNumber) => reference == orderNumber || reference.StartsWith(orderNumber + "/", StringComparison.Ordinal);
}
