using System.Globalization;
using System.Text.Json;
using PwWorkflows.Sandbox.Core;

namespace PwWorkflows.Sandbox.Usac;

/// <summary>
/// A stand-in for USAC E-File, the portal where FCC Form 499-A is filed: sign-in with a one-time code, a session that idles out after
/// 14 days, the form by block, the officer's certification, a confirmation number, the filing list. Nothing public gives the real portal's
/// HTML, so labels and addresses are our own; whoever drives it keeps them in data.
/// </summary>
/// <remarks>
/// Besides the core's faults it plays: <c>maintenance</c> (the maintenance page with 503, like <c>html</c>), <c>expired_session</c> (the session
/// ends at the request it hits), <c>changed_layout</c> (the box named by <c>data.field</c>, such as <c>303.1.a</c>, gets another id and label),
/// <c>robot</c> (a CAPTCHA page), <c>no_confirmation</c> (the confirmation page lacks its number) and <c>changed_factors</c> (the public page of contribution factors in another shape). A form sent twice is filed twice.
/// </remarks>
/// <param name="context">What the core gives.</param>
public sealed class UsacSystem(SandboxContext context)
    : SandboxSystem("usac", context, "maintenance", "expired_session", "changed_layout", "robot", "no_confirmation", ChangedFactors)
{
    const string PendingCookie = "usac_pending";

    /// <summary>Fault kind: the page of contribution factors has another shape, named by <c>data.shape</c>.</summary>
    const string ChangedFactors = "changed_factors";

    static readonly string[] OfficerLines = ["221.name", "223.name", "225.name"];

    readonly UsacBooks _books = new(context.Clock);
    readonly FactorPages _factors = new();

    /// <summary>Boxes of the officer's certification, lines 606 to 611.</summary>
    internal static readonly IReadOnlyList<Box> CertificationBoxes =
    [
        new("607", "Line 607 Printed name of officer", BoxKind.Text, true),
        new("608", "Line 608 Position with reporting entity", BoxKind.Text, true),
        new("609", "Line 609 Business telephone number of officer", BoxKind.Phone, true),
        new("610", "Line 610 Email of officer", BoxKind.Email, true),
        new("606", "Line 606 Signature of officer", BoxKind.Text, true),
        new("611", "Line 611 Date", BoxKind.Text, true),
        new("attest", "I certify that the statements in this worksheet are true", BoxKind.Check, true),
    ];

    /// <summary>Number of accepted filings with this filer's reference, or of all when null.</summary>
    public int CountFilings(string? reference = null) => _books.Filings().Count(f => reference is null || f.Reference == reference || f.Reference.StartsWith(reference + "/", StringComparison.Ordinal));

    /// <summary>The values of the newest accepted filing by line; null when there is none.</summary>
    public IReadOnlyDictionary<string, string>? LastFiledValues => _books.Filings() is [.., var last] ? last.Values : null;

    /// <inheritdoc />
    public override void Reset()
    {
        _books.Reset();
        _factors.Reset();
    }

    /// <summary>Publishes a contribution factor, or another one for its quarter.</summary>
    public void PublishFactor(FactorRow row) => _factors.Publish(row);

    /// <inheritdoc />
    public override string MaintenancePage => UsacHtml.Maintenance();

    /// <inheritdoc />
    public override (string ContentType, string Body) FaultBody(int status) =>
        ("text/html; charset=utf-8", UsacHtml.Page("Something went wrong", "<p>An unexpected error occurred.</p>"));

    /// <summary>Ends every session, as the portal does on its own after 14 idle days.</summary>
    public void ExpireSessions() => _books.CloseAll();

    /// <summary>
    /// Signs the demo account of a carrier in and gives the browser state that an operator would export: Playwright's storage state as JSON.
    /// </summary>
    /// <param name="telecomEntityId">A carrier of <see cref="UsacDemo.Entities"/>.</param>
    /// <param name="origin">The portal's address as the browser will use it, such as <c>http://127.0.0.1:8070</c>.</param>
    /// <exception cref="ArgumentException">No such carrier.</exception>
    public string StorageState(int telecomEntityId, Uri origin)
    {
        ArgumentNullException.ThrowIfNull(origin);
        var account = UsacDemo.Entities.FirstOrDefault(e => e.TelecomEntityId == telecomEntityId)
            ?? throw new ArgumentException($"telecom_entity_id: expected one of {string.Join(", ", UsacDemo.Entities.Select(e => e.TelecomEntityId))}, got {telecomEntityId}.", nameof(telecomEntityId));
        var expires = (Clock.GetUtcNow() + UsacDemo.SessionIdle).ToUnixTimeMilliseconds() / 1000.0;
        return JsonSerializer.Serialize(new
        {
            cookies = new[]
            {
                new
                {
                    name = UsacDemo.SessionCookie, value = _books.OpenSession(account), domain = origin.Host, path = "/usac", expires, httpOnly = true,
                    secure = origin.Scheme == Uri.UriSchemeHttps, sameSite = "Lax",
                },
            },
            origins = Array.Empty<object>(),
        });
    }

    /// <inheritdoc />
    public override void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/", context => Redirect(context, Account(context) is null ? "/usac/sign-in" : "/usac/dashboard"));
        routes.MapGet("/sign-in", context => Html(context, () => UsacHtml.SignIn(context.Request.Query.ContainsKey("expired") ? "Your session has ended. Sign in again." : null)));
        routes.MapPost("/sign-in", SignIn);
        routes.MapGet("/one-time-code", context => Html(context, () => UsacHtml.OneTimeCode(null)));
        routes.MapPost("/one-time-code", OneTimeCode);
        routes.MapPost("/sign-out", SignOut);
        routes.MapGet("/dashboard", context => Guarded(context, account => Write(context, UsacHtml.Dashboard(account, _books.OpenForms(account), CurrentFilingYear, Notice(context)))));
        routes.MapGet("/filings", context => Guarded(context, account => Write(context, UsacHtml.Filings(account, _books.Filings(account.FilerId), _books.OpenForms(account)))));
        routes.MapGet("/filings/{number}", context => Guarded(context, account => ShowFiling(context, account)));
        routes.MapGet("/filings/{number}/pdf", context => Guarded(context, account => ShowPdf(context, account)));
        routes.MapPost("/forms", context => Guarded(context, account => Begin(context, account)));
        routes.MapGet("/forms/{id}/review", context => Guarded(context, account => WithForm(context, account, form => Write(context, UsacHtml.Review(form, Form499APages.CheckAll(form.Values, account, form.Year))))));
        routes.MapGet("/forms/{id}/certify", context => Guarded(context, account => WithForm(context, account, form => ShowCertify(context, form))));
        routes.MapPost("/forms/{id}/certify", context => Guarded(context, account => WithForm(context, account, form => Certify(context, form))));
        routes.MapGet("/forms/{id}/{page}", context => Guarded(context, account => WithForm(context, account, form => ShowPage(context, form))));
        routes.MapPost("/forms/{id}/{page}", context => Guarded(context, account => WithForm(context, account, form => SavePage(context, form))));
        routes.MapGet("/_filings", () => SandboxJson.Ok(
            _books.Filings().Select(f => new { f.ConfirmationNumber, f.FilerId, f.LegalName, f.Year, f.Reference, f.SubmittedAt, f.OfficerName, f.OfficerTitle, f.Values })));
        routes.MapPost("/_session", (Delegate)SessionAsync);
        routes.MapGet("/service-providers/making-payments/contribution-factors", http => Write(
            http, _factors.Page(Faults.Take(ChangedFactors, http.Request.Method, http.Request.Path.Value ?? "")?.Data?["shape"]?.ToString())));
        routes.MapGet("/_factors", () => SandboxJson.Ok(_factors.Rows));
        routes.MapPost("/_factors", (FactorRow row) =>
        {
            _factors.Publish(row);
            return SandboxJson.Ok(_factors.Rows);
        });
    }

    /// <summary>A form filed in a calendar year reports the year before and bears the calendar year's number.</summary>
    int CurrentFilingYear => Clock.GetUtcNow().Year;

    static string PageKey(HttpContext context) => (string)context.GetRouteValue("page")!;

    static string? Notice(HttpContext context) => context.Request.Query.ContainsKey("saved") ? "Your form is saved and unsubmitted." : null;

    UsacDemoEntity? Account(HttpContext context) => _books.Use(context.Request.Cookies[UsacDemo.SessionCookie]);

    async Task SignIn(HttpContext context)
    {
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        var pending = _books.CheckPassword(form["username"].ToString(), form["password"].ToString());
        if (pending is null)
        {
            await Html(context, () => UsacHtml.SignIn("The username or password is not right."));
            return;
        }

        context.Response.Cookies.Append(PendingCookie, pending, new CookieOptions { HttpOnly = true, Path = "/usac", SameSite = SameSiteMode.Lax });
        await Redirect(context, "/usac/one-time-code");
    }

    async Task OneTimeCode(HttpContext context)
    {
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        var session = _books.CheckCode(context.Request.Cookies[PendingCookie], form["code"].ToString().Trim());
        if (session is null)
        {
            await Html(context, () => UsacHtml.OneTimeCode("The code is not right or was used before. Wait for the next code."));
            return;
        }

        context.Response.Cookies.Delete(PendingCookie, new CookieOptions { Path = "/usac" });
        Keep(context, session);
        await Redirect(context, "/usac/dashboard");
    }

    Task SignOut(HttpContext context)
    {
        _books.Close(context.Request.Cookies[UsacDemo.SessionCookie]);
        context.Response.Cookies.Delete(UsacDemo.SessionCookie, new CookieOptions { Path = "/usac" });
        return Redirect(context, "/usac/sign-in");
    }

    async Task Begin(HttpContext context, UsacDemoEntity account)
    {
        var posted = await context.Request.ReadFormAsync(context.RequestAborted);
        var reference = posted["reference"].ToString().Trim();
        if (!int.TryParse(posted["year"].ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var year) || year < 2000 || year > CurrentFilingYear + 1)
        {
            await Write(context, UsacHtml.Page("Dashboard", UsacHtml.Errors([new("", "Enter a filing year that is open for filing.")]), account.LegalName));
            return;
        }

        var form = _books.Begin(account, year, reference.Length > 40 ? reference[..40] : reference);
        context.Changed($"FCC Form 499-A {form.Year} begun for {account.FilerId}, reference {form.Reference}");
        await Redirect(context, $"/usac/forms/{form.Id}/block-1");
    }

    Task ShowPage(HttpContext context, PortalForm form)
    {
        var page = Form499APages.Find(PageKey(context));
        return page is null ? NotFound(context) : Write(context, UsacHtml.FormPage(form, page, form.Values, [], Renamed(context)));
    }

    async Task SavePage(HttpContext context, PortalForm form)
    {
        var page = Form499APages.Find(PageKey(context));
        if (page is null)
        {
            await NotFound(context);
            return;
        }

        var posted = await context.Request.ReadFormAsync(context.RequestAborted);
        foreach (var box in page.Boxes) form.Values[box.Line] = string.Join(',', posted[box.Name].Select(v => v?.Trim()));
        if (posted["go"] == "exit")
        {
            await Redirect(context, "/usac/dashboard?saved");
            return;
        }

        var errors = Form499APages.Check(page, form.Values, form.Account, form.Year);
        if (errors.Count > 0)
        {
            await Write(context, UsacHtml.FormPage(form, page, form.Values, errors, Renamed(context)));
            return;
        }

        var at = Form499APages.All.ToList().IndexOf(page);
        await Redirect(context, $"/usac/forms/{form.Id}/{(at + 1 < Form499APages.All.Count ? Form499APages.All[at + 1].Key : "review")}");
    }

    Task ShowCertify(HttpContext context, PortalForm form) =>
        Form499APages.CheckAll(form.Values, form.Account, form.Year).Count > 0
            ? Redirect(context, $"/usac/forms/{form.Id}/review")
            : Write(context, UsacHtml.Certify(form, new Dictionary<string, string>(), [], Renamed(context)));

    async Task Certify(HttpContext context, PortalForm form)
    {
        var posted = await context.Request.ReadFormAsync(context.RequestAborted);
        var values = CertificationBoxes.ToDictionary(b => b.Line, b => posted[b.Name].ToString().Trim());
        var errors = CertificationBoxes.Where(b => values[b.Line].Length == 0).Select(b => new BoxError(b.Line, "This item is required.")).ToList();
        string[] officers = [.. OfficerLines.Select(l => form.Values.GetValueOrDefault(l, "")).Where(n => n.Length > 0)];
        if (values["607"].Length > 0 && !officers.Contains(values["607"], StringComparer.OrdinalIgnoreCase)) errors.Add(new("607", "Only an officer named in lines 221 to 226 may certify."));
        if (values["606"].Length > 0 && !string.Equals(values["606"], values["607"], StringComparison.OrdinalIgnoreCase)) errors.Add(new("606", "The signature must be the officer's name."));
        var today = Clock.GetUtcNow();
        if (values["611"].Length > 0 && (!DateOnly.TryParseExact(values["611"], "MM/dd/yyyy", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date)
            || Math.Abs(date.DayNumber - DateOnly.FromDateTime(today.UtcDateTime).DayNumber) > 1))
            errors.Add(new("611", "Enter today's date as MM/DD/YYYY."));
        errors.AddRange(Form499APages.CheckAll(form.Values, form.Account, form.Year).Select(e => e.Error));
        if (errors.Count > 0)
        {
            await Write(context, UsacHtml.Certify(form, values, errors, Renamed(context)));
            return;
        }

        var filing = _books.Submit(form, values["607"], values["608"]);
        context.Changed($"filing {filing.ConfirmationNumber}: FCC Form 499-A {filing.Year} of {filing.FilerId}, reference {filing.Reference}");
        await Redirect(context, $"/usac/filings/{filing.ConfirmationNumber}");
    }

    Task ShowFiling(HttpContext context, UsacDemoEntity account)
    {
        var filing = _books.Filings(account.FilerId).FirstOrDefault(f => f.ConfirmationNumber == (string)context.GetRouteValue("number")!);
        return filing is null ? NotFound(context) : Write(context, UsacHtml.Confirmation(filing, Strikes(context, "no_confirmation") is not null));
    }

    async Task ShowPdf(HttpContext context, UsacDemoEntity account)
    {
        var filing = _books.Filings(account.FilerId).FirstOrDefault(f => f.ConfirmationNumber == (string)context.GetRouteValue("number")!);
        if (filing is null)
        {
            await NotFound(context);
            return;
        }

        var lines = new List<string>
        {
            "FCC Form 499-A, sandbox copy", $"Confirmation number {filing.ConfirmationNumber}", $"Filer ID {filing.FilerId}  {filing.LegalName}", $"Filing year {filing.Year}",
            $"Filer's reference {filing.Reference}", $"Submitted {filing.SubmittedAt:yyyy-MM-ddTHH:mm:ssZ}", $"Certified by {filing.OfficerName}, {filing.OfficerTitle}", "",
        };
        lines.AddRange(Form499APages.All.SelectMany(p => p.Boxes).Where(b => filing.Values.GetValueOrDefault(b.Line, "").Length > 0).Select(b => $"{b.Label}: {filing.Values[b.Line]}"));
        context.Response.ContentType = "application/pdf";
        context.Response.Headers.ContentDisposition = $"attachment; filename=\"{filing.ConfirmationNumber}.pdf\"";
        await context.Response.Body.WriteAsync(UsacPdf.Write(lines), context.RequestAborted);
    }

    async Task<IResult> SessionAsync(HttpContext context)
    {
        try
        {
            var body = await context.Request.ReadFromJsonAsync<JsonElement>(context.RequestAborted);
            if (body.ValueKind != JsonValueKind.Object || !body.TryGetProperty("telecom_entity_id", out var id) || !id.TryGetInt32(out var entity))
                return SandboxJson.Problem(400, "telecom_entity_id: expected a whole number");
            return Results.Text(StorageState(entity, new Uri($"{context.Request.Scheme}://{context.Request.Host}")), "application/json");
        }
        catch (Exception e) when (e is ArgumentException or JsonException or InvalidOperationException)
        {
            return SandboxJson.Problem(400, e.Message);
        }
    }

    Fault? Strikes(HttpContext context, string kind) => Faults.Take(kind, context.Request.Method, context.Request.Path.Value!);

    string? Renamed(HttpContext context) => Strikes(context, "changed_layout")?.Data?["field"]?.GetValue<string>();

    /// <summary>Runs a page for a signed-in filer, after the faults that strike it; everybody else is sent to the sign-in page.</summary>
    async Task Guarded(HttpContext context, Func<UsacDemoEntity, Task> show)
    {
        if (await Struck(context)) return;
        if (Strikes(context, "expired_session") is not null) _books.Close(context.Request.Cookies[UsacDemo.SessionCookie]);
        var account = Account(context);
        if (account is null)
        {
            await Redirect(context, "/usac/sign-in?expired");
            return;
        }

        Keep(context, context.Request.Cookies[UsacDemo.SessionCookie]!);
        await show(account);
    }

    async Task<bool> Struck(HttpContext context)
    {
        if (Strikes(context, "maintenance") is not null)
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            await Write(context, UsacHtml.Maintenance());
            return true;
        }

        if (Strikes(context, "robot") is null) return false;
        await Write(context, UsacHtml.Robot());
        return true;
    }

    async Task Html(HttpContext context, Func<string> html)
    {
        if (!await Struck(context)) await Write(context, html());
    }

    Task WithForm(HttpContext context, UsacDemoEntity account, Func<PortalForm, Task> use)
    {
        var form = _books.Form((string)context.GetRouteValue("id")!, account);
        return form is null ? NotFound(context) : use(form);
    }

    void Keep(HttpContext context, string session) => context.Response.Cookies.Append(UsacDemo.SessionCookie, session, new CookieOptions
    {
        HttpOnly = true,
        Path = "/usac",
        SameSite = SameSiteMode.Lax,
        Expires = Clock.GetUtcNow() + UsacDemo.SessionIdle,
    });

    static Task NotFound(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Write(context, UsacHtml.Page("Page not found", "<p>There is no such page.</p>"));
    }

    static Task Redirect(HttpContext context, string to)
    {
        context.Response.Redirect(to);
        return Task.CompletedTask;
    }

    static Task Write(HttpContext context, string html)
    {
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsync(html, context.RequestAborted);
    }
}
