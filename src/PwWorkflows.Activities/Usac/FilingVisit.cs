using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Playwright;
using PwWorkflows.Activities.Effects;

namespace PwWorkflows.Activities.Usac;

/// <summary>One attempt to file one form.</summary>
sealed class FilingVisit(PortalVisit visit, FilingRequest request, IFilingEvidence evidence, IEffectLedger ledger, TimeProvider clock, ILogger logger)
{
    static readonly JsonSerializerOptions Json = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    readonly System.Collections.Immutable.ImmutableSortedDictionary<string, string> _boxes = request.Form.Boxes();
    readonly List<object> _messages = [];

    PageMap Map => visit.Map;

    public async Task<FilingOutcome> FileAsync()
    {
        var step = "filings";
        try
        {
            // A form that is in already is never begun again, whatever our own books say.
            if (await FindAsync().ConfigureAwait(false) is Reconciliation<FiledForm>.Happened earlier)
            {
                var known = await ledger.RunAsync(request.EffectKey, Kind, _ => Task.FromResult(earlier.Result), _ => Task.FromResult<Reconciliation<FiledForm>>(earlier), visit.Ct).ConfigureAwait(false);
                return await ConfirmedAsync(known, reconciled: true).ConfigureAwait(false);
            }

            await KeepAsync("00-filings-before", step).ConfigureAwait(false);
            await evidence.AddAsync("values.json", request.Form.CanonicalJson(), "application/json", visit.Ct).ConfigureAwait(false);
            step = "dashboard";
            await BeginAsync().ConfigureAwait(false);
            for (var i = 0; i < Map.Steps.Count; i++)
            {
                step = Map.Steps[i].Key;
                await FillStepAsync(Map.Steps[i], i + 1 < Map.Steps.Count ? Map.Steps[i + 1] : Map["review"], i).ConfigureAwait(false);
            }

            step = "review";
            await ReviewAsync().ConfigureAwait(false);
            var refusal = request.Authorization is null ? "no officer has authorized these values" : request.Authorization.Refusal(request.Form, clock.GetUtcNow());
            if (refusal is not null)
            {
                await visit.PressAsync(Map["review"], "leave").ConfigureAwait(false);
                await visit.ExpectAsync(Map["dashboard"]).ConfigureAwait(false);
                await KeepAsync("81-saved-unsubmitted", "dashboard").ConfigureAwait(false);
                await MessagesAsync("messages-before.json").ConfigureAwait(false);
                var officer = request.Authorization?.OfficerName ?? (request.Form.Officers is [var first, ..] ? first : "an officer of the filer");
                return new FilingOutcome.SavedUnsubmitted(officer, refusal, request.Form.ValuesSha256());
            }

            if (request.StopReason is not null && await request.StopReason(visit.Ct).ConfigureAwait(false) is { } why) return new FilingOutcome.Stopped(why);
            step = "certify";
            var certify = await CertifyAddressAsync().ConfigureAwait(false);
            var filed = await SubmitOnceAsync(certify).ConfigureAwait(false);
            return await ConfirmedAsync(filed.Form, filed.Reconciled).ConfigureAwait(false);
        }
        catch (PortalStop stop) when (stop.Outcome is not FilingOutcome.SessionExpired)
        {
            await KeepFailureAsync(step, stop.Outcome).ConfigureAwait(false);
            throw;
        }
    }

    const string Kind = "usac.form-499a";

    Task<Reconciliation<FiledForm>> FindAsync() => visit.FindAsync(request.Form.FilerId, request.Form.FilingYear, request.OrderNumber);

    /// <summary>Goes on with the saved form of exactly these values, or starts one.</summary>
    async Task BeginAsync()
    {
        var dashboard = Map["dashboard"];
        await visit.OpenAsync(dashboard).ConfigureAwait(false);
        var saved = visit.Page.Locator(dashboard.Selectors["open_rows"]).Filter(new() { HasText = request.Reference });
        if (await saved.CountAsync().ConfigureAwait(false) > 0)
        {
            var link = saved.First.Locator(dashboard.Selectors["open_link"]);
            if (await link.CountAsync().ConfigureAwait(false) != 1) throw PortalVisit.Changed("dashboard", "open_link", "expected one link to go on with the saved form");
            await visit.LeaveAsync("dashboard", () => link.ClickAsync()).ConfigureAwait(false);
        }
        else
        {
            await visit.FillAsync(dashboard, f => f.Name == "year" ? request.Form.FilingYear.ToString(CultureInfo.InvariantCulture) : request.Reference).ConfigureAwait(false);
            await visit.PressAsync(dashboard, "start").ConfigureAwait(false);
            var screen = await visit.LookAsync().ConfigureAwait(false);
            if (screen.Errors.Count > 0) throw new PortalStop(new FilingOutcome.ValidationFailed("dashboard", screen.Errors));
        }

        await visit.ExpectAsync(Map.Steps[0]).ConfigureAwait(false);
    }

    async Task FillStepAsync(MapPage step, MapPage next, int index)
    {
        await visit.FillAsync(step, f => _boxes.TryGetValue(f.Name, out var value) ? f.Shown(value) : "").ConfigureAwait(false);
        await KeepAsync(string.Create(CultureInfo.InvariantCulture, $"{10 + index:D2}-{step.Key}"), step.Key).ConfigureAwait(false);
        await visit.PressAsync(step, "next").ConfigureAwait(false);
        var screen = await visit.LookAsync().ConfigureAwait(false);
        Note(step.Key, screen);
        visit.ThrowIfElsewhere(screen, step.Key);
        if (step.Is(screen.Path, screen.Heading) && screen.Errors.Count > 0) throw new PortalStop(new FilingOutcome.ValidationFailed(step.Key, screen.Errors));
        visit.Expect(next, screen);
    }

    /// <summary>Compares what the portal says it holds with what we meant, box by box, both ways.</summary>
    async Task ReviewAsync()
    {
        var review = Map["review"];
        var screen = await visit.ExpectAsync(review).ConfigureAwait(false);
        Note("review", screen);
        await KeepAsync("80-review", "review").ConfigureAwait(false);
        if (screen.Errors.Count > 0) throw new PortalStop(new FilingOutcome.ValidationFailed("review", screen.Errors));
        var pairs = await visit.Page.Locator(review.Selectors["values"]).EvaluateAllAsync<string[][]>(
            "(es, a) => es.map(e => [e.getAttribute(a), e.textContent.trim()])", Map.Marks.ReviewLine).ConfigureAwait(false);
        var held = pairs.GroupBy(p => p[0]).ToDictionary(g => g.Key, g => g.First()[1]);
        foreach (var field in Map.Steps.SelectMany(s => s.Fields))
        {
            var wanted = _boxes.TryGetValue(field.Name, out var value) ? field.Shown(value) : "";
            var shown = held.GetValueOrDefault(field.Name, "");
            if (Collapse(shown) != Collapse(wanted)) throw PortalVisit.Changed("review", field.Name, $"the portal holds '{shown}' instead of '{wanted}'");
        }
    }

    async Task<Uri> CertifyAddressAsync()
    {
        await visit.PressAsync(Map["review"], "certify").ConfigureAwait(false);
        await visit.ExpectAsync(Map["certify"]).ConfigureAwait(false);
        return new Uri(visit.Page.Url);
    }

    async Task<(FiledForm Form, bool Reconciled)> SubmitOnceAsync(Uri certify)
    {
        PortalStop? lost = null;
        var submitted = false;

        async Task<FiledForm> PerformAsync(CancellationToken ct)
        {
            // A second attempt after a lost answer belongs to another visit: the ledger asks the filing list first.
            if (submitted) throw new EffectNotPerformedException("The portal does not list the submission; the form is still saved and unsubmitted.");
            await SignAsync(certify).ConfigureAwait(false);
            submitted = true;
            try
            {
                return await PressSubmitAsync().ConfigureAwait(false);
            }
            catch (PortalStop stop)
            {
                lost = stop;
                if (stop.Outcome is FilingOutcome.ValidationFailed) throw new EffectNotPerformedException("The portal refused the certification.", stop);
                throw;
            }
        }

        async Task<Reconciliation<FiledForm>> ReconcileAsync(CancellationToken ct) => await FindAsync().ConfigureAwait(false);

        try
        {
            var filed = await ledger.RunAsync(request.EffectKey, Kind, PerformAsync, ReconcileAsync, visit.Ct).ConfigureAwait(false);
            return (filed, !submitted);
        }
        catch (EffectNotPerformedException e) when (lost is not null || e.InnerException is PortalStop)
        {
            throw lost ?? (PortalStop)e.InnerException!;
        }
        catch (EffectNotPerformedException e)
        {
            throw new PortalStop(new FilingOutcome.PortalUnavailable(PortalVisit.FirstLine(e.InnerException ?? e)), e);
        }
        catch (PortalStop) when (lost is not null)
        {
            // The answer never arrived. Ask the portal at once; when it can't answer either, a later attempt asks again.
            try
            {
                return (await ledger.RunAsync(request.EffectKey, Kind, PerformAsync, ReconcileAsync, visit.Ct).ConfigureAwait(false), true);
            }
            catch (EffectNotPerformedException e)
            {
                throw new PortalStop(lost.Outcome is FilingOutcome.SessionExpired or FilingOutcome.LayoutChanged ? lost.Outcome : new FilingOutcome.PortalUnavailable(e.Message), lost);
            }
        }
    }

    /// <summary>Fills the officer's certification with the officer's own authorization.</summary>
    async Task SignAsync(Uri certify)
    {
        var page = Map["certify"];
        var officer = request.Authorization!;
        try
        {
            // A repeated attempt comes from the filing list.
            if (new Uri(visit.Page.Url) != certify) await visit.OpenAsync(page, certify).ConfigureAwait(false);
            await visit.FillAsync(page, f => f.Name switch
            {
                "606" or "607" => officer.OfficerName,
                "608" => officer.OfficerTitle,
                "609" => officer.Phone,
                "610" => officer.Email,
                "611" => clock.GetUtcNow().ToString("MM/dd/yyyy", CultureInfo.InvariantCulture),
                _ => "yes",
            }).ConfigureAwait(false);
            await evidence.AddAsync("authorization.json", JsonSerializer.SerializeToUtf8Bytes(officer.ToJson(), Json), "application/json", visit.Ct).ConfigureAwait(false);
            await KeepAsync("85-certify-before-submission", "certify").ConfigureAwait(false);
            await MessagesAsync("messages-before.json").ConfigureAwait(false);
        }
        catch (Exception e) when (e is PortalStop or PlaywrightException or TimeoutException)
        {
            // Nothing was sent.
            throw new EffectNotPerformedException("The certification page could not be filled.", e);
        }
    }

    /// <summary>
    /// Sends the form. The request passes through our own hands: Chromium by itself repeats a POST when a kept-alive connection breaks before
    /// the answer, which would file twice. It is sent exactly once, without retry; a second one, such as from a double click, is dropped. The last thing
    /// before it is the question whether the filing is still this node's: one that was frozen for a while must not send what another has sent since.
    /// </summary>
    async Task<FiledForm> PressSubmitAsync()
    {
        var page = Map["certify"];
        var sent = 0;
        ExceptionDispatchInfo? unsent = null;

        async Task GuardAsync(IRoute route)
        {
            if (!string.Equals(route.Request.Method, "POST", StringComparison.OrdinalIgnoreCase))
            {
                await route.ContinueAsync().ConfigureAwait(false);
                return;
            }

            if (Interlocked.Increment(ref sent) > 1)
            {
                await route.AbortAsync().ConfigureAwait(false);
                return;
            }

            try
            {
                await ledger.ConfirmAsync(request.EffectKey, visit.Ct).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                unsent = ExceptionDispatchInfo.Capture(e);
                await BreakAsync(route).ConfigureAwait(false);
                return;
            }

            try
            {
                var answer = await route.FetchAsync(new() { MaxRedirects = 0, MaxRetries = 0 }).ConfigureAwait(false);
                await route.FulfillAsync(new() { Response = answer }).ConfigureAwait(false);
            }
            catch (Exception e) when (e is PlaywrightException or TimeoutException)
            {
                // The page learns of it as a broken connection; the ledger then asks the filing list.
                await BreakAsync(route).ConfigureAwait(false);
            }
        }

        static async Task BreakAsync(IRoute route)
        {
            try
            {
                await route.AbortAsync("connectionreset").ConfigureAwait(false);
            }
            catch (PlaywrightException)
            {
                // The page is gone as well.
            }
        }

        await visit.Page.RouteAsync("**/*", GuardAsync).ConfigureAwait(false);
        try
        {
            await visit.PressAsync(page, "submit").ConfigureAwait(false);
            var screen = await visit.LookAsync().ConfigureAwait(false);
            Note("certify", screen);
            visit.ThrowIfElsewhere(screen, "certify");
            if (page.Is(screen.Path, screen.Heading) && screen.Errors.Count > 0) throw new PortalStop(new FilingOutcome.ValidationFailed("certify", screen.Errors));
            return await ReadConfirmationAsync().ConfigureAwait(false);
        }
        catch (Exception) when (unsent is not null)
        {
            // Whatever the page made of it.
            unsent.Throw();
            throw;
        }
        finally
        {
            await UnguardAsync().ConfigureAwait(false);
        }

        async Task UnguardAsync()
        {
            try
            {
                await visit.Page.UnrouteAllAsync(new() { Behavior = UnrouteBehavior.IgnoreErrors }).ConfigureAwait(false);
            }
            catch (PlaywrightException)
            {
                // The page is gone.
            }
        }
    }

    async Task<FiledForm> ReadConfirmationAsync()
    {
        var page = Map["confirmation"];
        await visit.ExpectAsync(page).ConfigureAwait(false);
        var number = await TextAsync(page, "confirmation_number").ConfigureAwait(false);
        if (number.Length == 0) throw PortalVisit.Changed("confirmation", "confirmation_number", "the confirmation page shows no confirmation number");
        var reference = await TextAsync(page, "reference").ConfigureAwait(false);
        if (reference != request.Reference) throw PortalVisit.Changed("confirmation", "reference", $"expected '{request.Reference}', saw '{reference}'");
        var submittedAt = page.Selectors.ContainsKey("submitted_at") ? await TextAsync(page, "submitted_at").ConfigureAwait(false) : clock.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
        return new(number, reference, submittedAt);
    }

    async Task<string> TextAsync(MapPage page, string selector)
    {
        var locator = visit.Page.Locator(page.Selectors[selector]);
        return await locator.CountAsync().ConfigureAwait(false) == 1
            ? Collapse(await locator.InnerTextAsync().ConfigureAwait(false))
            : throw PortalVisit.Changed(page.Key, selector, $"expected one element at {page.Selectors[selector]}");
    }

    /// <summary>Pictures what the portal shows of the filing. Runs again after a crash, and then gives the same files.</summary>
    async Task<FilingOutcome> ConfirmedAsync(FiledForm filed, bool reconciled)
    {
        MapPage list = Map["filings"], confirmation = Map["confirmation"];
        await visit.OpenAsync(list).ConfigureAwait(false);
        await KeepAsync("91-filings-after", "filings").ConfigureAwait(false);
        var link = visit.Page.Locator(list.Selectors["rows"]).Locator(list.Selectors["link"]).Filter(new() { HasText = filed.ConfirmationNumber });
        if (await link.CountAsync().ConfigureAwait(false) != 1) throw PortalVisit.Changed("filings", "link", $"expected one link to {filed.ConfirmationNumber}");
        await visit.LeaveAsync("filings", () => link.ClickAsync()).ConfigureAwait(false);
        Note("confirmation", await visit.ExpectAsync(confirmation).ConfigureAwait(false));
        await KeepAsync("90-confirmation", "confirmation").ConfigureAwait(false);
        await evidence.AddAsync("confirmation.pdf", await visit.Page.PdfAsync(new() { PrintBackground = true, Format = "Letter" }).ConfigureAwait(false), "application/pdf", visit.Ct).ConfigureAwait(false);
        var pdf = await visit.Page.Locator(confirmation.Selectors["pdf_link"]).GetAttributeAsync("href").ConfigureAwait(false);
        var copy = await visit.Page.APIRequest.GetAsync(new Uri(new Uri(visit.Page.Url), pdf).AbsoluteUri).ConfigureAwait(false);
        if (!copy.Ok) throw new PortalStop(new FilingOutcome.PortalUnavailable($"the portal's copy of the filed form answered {copy.Status}"));
        await evidence.AddAsync("filed-form.pdf", await copy.BodyAsync().ConfigureAwait(false), "application/pdf", visit.Ct).ConfigureAwait(false);
        await MessagesAsync("messages-after.json").ConfigureAwait(false);
        return new FilingOutcome.Filed(filed, reconciled);
    }

    Task KeepAsync(string name, string step) => PictureAsync(name + ".png", step);

    async Task PictureAsync(string file, string step)
    {
        var screen = await visit.LookAsync().ConfigureAwait(false);
        if (visit.IsSignIn(screen)) return;
        var picture = await visit.PictureAsync(screen).ConfigureAwait(false);
        await evidence.AddAsync(file, picture, "image/png", visit.Ct).ConfigureAwait(false);
        Note(step, screen);
    }

    /// <summary>A failed attempt leaves its last screen too. Failing at that must not hide why the attempt failed.</summary>
    async Task KeepFailureAsync(string step, FilingOutcome outcome)
    {
        try
        {
            var stamp = clock.GetUtcNow().ToString("yyyyMMddTHHmmss", CultureInfo.InvariantCulture);
            await PictureAsync($"failed-{stamp}-{step}.png", step).ConfigureAwait(false);
            _messages.Add(new { at = clock.GetUtcNow(), step, outcome = outcome.ToString() });
            await MessagesAsync($"failed-{stamp}-messages.json").ConfigureAwait(false);
        }
        catch (Exception e) when (e is PlaywrightException or TimeoutException or Storage.ObjectStoreException)
        {
            Log.NoPicture(logger, step, request.OrderNumber, PortalVisit.FirstLine(e));
        }
    }

    void Note(string step, Screen screen) => _messages.Add(new
    {
        at = clock.GetUtcNow(),
        step,
        path = screen.Path,
        heading = screen.Heading,
        notices = screen.Notices,
        errors = screen.Errors.Select(e => new { line = e.Line, message = e.Message }),
    });

    Task MessagesAsync(string name) => evidence.AddAsync(
        name, JsonSerializer.SerializeToUtf8Bytes(new { page_map = Map.Version, page_map_sha256 = Map.Sha256, messages = _messages }, Json), "application/json", visit.Ct);

    static string Collapse(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
