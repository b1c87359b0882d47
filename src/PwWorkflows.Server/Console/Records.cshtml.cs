using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Records;
using PwWorkflows.Activities.Regulatory;
using PwWorkflows.Activities.Usac;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/records</c>: what the firm keeps by rule: factors and figures, certifications, renewals, call records, portal sessions.</summary>
internal sealed class RecordsPage(IPwDatabase database, RecordDesk desk, UsacSessions sessions, IOptions<CdrOptions> cdr) : ConsolePage
{
    private const int SessionsLooked = 500;
    private const int MostCarriers = 1000;

    private sealed record Factor(long Id, int Year, int Quarter, decimal Percent, decimal? Circularity, string? Notice, string Start, string End, int Told, DateTimeOffset SeenAt, string Source);

    private sealed record Certified(long Id, string Reseller, string Filer, string Carrier, string On, string Due, string Status, string? Signer, string? Contact);

    private sealed record Term(long Id, string Order, string? Carrier, string Service, string Due, string Status, int? Notice, string? Renewal);

    private sealed record Cdr(CdrFile File, string Carrier, string? HoldReason, DateTimeOffset? DeletedAt, string? Certificate);

    private sealed record Carrier(int Id, string Name, string? Frn, string? Filer);

    /// <summary>The tables of the section.</summary>
    public static IReadOnlyList<(string Name, string Path)> Parts { get; } =
        [("Contribution factors", "/records"), ("Form figures", "/records/figures"), ("Certifications", "/records/certifications"), ("Renewals", "/records/renewals"), ("Call records", "/records/cdr"), ("Portal sessions", "/records/sessions"), ("Mail templates", "/mails")];

    /// <summary>The figures that can be entered.</summary>
    public static IReadOnlyList<(string Value, string Text)> Figures { get; } =
        [(RecordDesk.DeMinimis, "de minimis factor"), .. FactorRows.Categories.Select(static c => (c, "safe harbor, " + c.Replace('_', ' ')))];

    public string Part { get; private set; } = "";

    public List<string> Wrong { get; } = [];

    /// <summary>The carriers that a certification can be for.</summary>
    public IReadOnlyList<(int Id, string Name)> Carriers { get; private set; } = [];

    /// <summary>What was typed into a field of a form that could not be taken.</summary>
    public string? Typed(string name) => Request.HasFormContentType ? Request.Form[name].ToString() : null;

    public async Task<IActionResult> OnGetAsync(string? part, CancellationToken ct)
    {
        Part = part ?? "";
        if (Parts.All(p => p.Path != "/records" + (Part.Length > 0 ? "/" + Part : "")))
            return Problem(StatusCodes.Status404NotFound, $"The records have no part “{part}”.", "The link is wrong.", "Choose one of the parts above the table.");
        if (Part == "certifications" && May(Roles.Operator))
            Carriers = await database.QueryAsync($"SELECT id, legal_name FROM telecom_entities ORDER BY legal_name LIMIT {MostCarriers}", Parameters.None, static r => (r.GetInt32(0), r.GetString(1)), ct).ConfigureAwait(false);
        return Part switch
        {
            "figures" => await TableAsync(FormFigures(), ct).ConfigureAwait(false),
            "certifications" => await TableAsync(Certifications(), ct).ConfigureAwait(false),
            "renewals" => await TableAsync(Renewals(), ct).ConfigureAwait(false),
            "cdr" => await TableAsync(CallRecords(), ct).ConfigureAwait(false),
            "sessions" => await TableAsync(Sessions((await sessions.EndsAsync(SessionsLooked, ct).ConfigureAwait(false)).ToDictionary(static e => e.TelecomEntityId, static e => e.EndsAt)), ct).ConfigureAwait(false),
            _ => await TableAsync(Factors(), ct).ConfigureAwait(false),
        };
    }

    public async Task<IActionResult> OnPostFigureAsync(string? year, string? what, string? value, string? source, CancellationToken ct)
    {
        if (!int.TryParse(year, NumberStyles.None, CultureInfo.InvariantCulture, out var formYear)) Wrong.Add("Form year: expected a year such as 2027.");
        if (!decimal.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) Wrong.Add("Value: expected a number such as 0.256.");
        if (Wrong.Count == 0) Wrong.AddRange((await desk.SetFigureAsync(new FormFigure(formYear, what ?? "", number, (source ?? "").Trim()), HttpContext.UserName(), ct).ConfigureAwait(false)).Words());
        return await AfterAsync("figures", $"The figure of {year} is on record.", ct).ConfigureAwait(false);
    }

    [NeedsRole(Roles.Operator)]
    public async Task<IActionResult> OnPostCertificationAsync(int entity, string? reseller, string? filer, string? email, string? on, string? signer, string? title, CancellationToken ct)
    {
        if (!DateOnly.TryParseExact(on, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)) Wrong.Add("Signed on: expected a day.");
        if (Wrong.Count == 0)
            Wrong.AddRange((await desk.AddCertificationAsync(
                new ResellerCertification(entity, (filer ?? "").Trim(), (reseller ?? "").Trim(), (email ?? "").Trim(), day, (signer ?? "").Trim(), (title ?? "").Trim()), HttpContext.UserName(), ct).ConfigureAwait(false)).Words());
        return await AfterAsync("certifications", "The certification is on record.", ct).ConfigureAwait(false);
    }

    [NeedsRole(Roles.Operator)]
    public async Task<IActionResult> OnPostRevokeAsync(long id, string? reason, CancellationToken ct)
    {
        Wrong.AddRange((await desk.RevokeCertificationAsync(id, (reason ?? "").Trim(), HttpContext.UserName(), ct).ConfigureAwait(false)).Words());
        return await AfterAsync("certifications", "The certification is revoked.", ct).ConfigureAwait(false);
    }

    [NeedsRole(Roles.Operator)]
    public async Task<IActionResult> OnPostHoldAsync(long id, bool hold, string? reason, CancellationToken ct)
    {
        if (!hold && !May(Roles.Admin)) return ConsoleProblem.Denied(Roles.Admin).Result(HttpContext);
        Wrong.AddRange((await desk.HoldAsync(id, hold, (reason ?? "").Trim(), HttpContext.UserName(), ct).ConfigureAwait(false)).Words());
        return await AfterAsync("cdr", hold ? "The file is held." : "The hold is lifted.", ct).ConfigureAwait(false);
    }

    private async Task<IActionResult> AfterAsync(string part, string done, CancellationToken ct)
    {
        if (Wrong.Count == 0) return GoTo("/records/" + part, done);
        Response.StatusCode = StatusCodes.Status422UnprocessableEntity;
        return await OnGetAsync(part, ct).ConfigureAwait(false);
    }

    private Table<Factor> Factors() => new()
    {
        Name = "contribution-factors",
        Select = "u.id, u.year, u.quarter, u.factor_pct, u.circularity_pct, u.fcc_public_notice, u.effective_start, u.effective_end, u.notification_count, u.first_seen_at, u.source",
        From = "usf_contribution_factors u",
        Key = "u.id",
        Map = static r => new(r.GetInt64(0), r.GetInt32(1), r.GetInt32(2), r.GetDecimal(3), r.IsDBNull(4) ? null : r.GetDecimal(4), r.Text(5), r.GetString(6), r.GetString(7), r.GetInt32(8), r.Time(9), r.GetString(10)),
        Sorts = [new("quarter", "u.effective_start", Descending: true)],
        Filters = [new("year", "Year", "u.year = @year") { Parse = static t => int.TryParse(t, NumberStyles.None, CultureInfo.InvariantCulture, out var y) ? y : null }],
        Columns =
        [
            new("Quarter", f => Show.Text($"{f.Year} Q{f.Quarter}"), static f => $"{f.Year}Q{f.Quarter}") { Sort = "quarter" },
            new("Factor", f => Show.Text(Percent(f.Percent)), static f => Number(f.Percent)) { Right = true },
            new("Circularity", f => Show.Text(f.Circularity is { } c ? Percent(c) : null), static f => f.Circularity is { } c ? Number(c) : null) { Right = true },
            new("In force", f => Show.Text($"{f.Start} to {f.End}"), static f => f.Start),
            new("Public notice", f => Show.Text(f.Notice), static f => f.Notice),
            new("Customers told", f => Show.Text(f.Told.ToString(CultureInfo.InvariantCulture)), static f => f.Told.ToString(CultureInfo.InvariantCulture)) { Right = true },
            new("Seen", f => Show.Time(f.SeenAt), static f => Iso(f.SeenAt)),
            new("Until", _ => Show.Text(""), static f => f.End) { CsvOnly = true },
            new("Source", _ => Show.Text(""), static f => f.Source) { CsvOnly = true },
        ],
        Empty = new("No contribution factor is on record.", "The factor monitor reads them from USAC's page.", "/schedules/pw-usf-factor-monitor", "Its schedule"),
    };

    private Table<FormFigure> FormFigures() => new()
    {
        Name = "form-figures",
        Select = "x.form_year, x.what, x.value, x.source",
        From = $"""
            (SELECT form_year, '{RecordDesk.DeMinimis}' AS what, factor AS value, source, {(database.IsPostgres ? "form_year::text" : "CAST(form_year AS text)")} || ' {RecordDesk.DeMinimis}' AS place FROM fcc_deminimis_factors
             UNION ALL SELECT form_year, category, percent, source, {(database.IsPostgres ? "form_year::text" : "CAST(form_year AS text)")} || ' ' || category FROM fcc_safe_harbor_percentages) x
            """,
        Key = "x.place",
        Map = static r => new(r.GetInt32(0), r.GetString(1), r.GetDecimal(2), r.GetString(3)),
        Sorts = [new("year", "x.place", Descending: true)],
        Filters = [new("year", "Form year", "x.form_year = @year") { Parse = static t => int.TryParse(t, NumberStyles.None, CultureInfo.InvariantCulture, out var y) ? y : null }],
        Columns =
        [
            new("Form year", f => Show.Text(f.FormYear.ToString(CultureInfo.InvariantCulture)), static f => f.FormYear.ToString(CultureInfo.InvariantCulture)) { Sort = "year" },
            new("What", f => Show.Text(Figures.FirstOrDefault(x => x.Value == f.What).Text), static f => f.What),
            new("Value", f => Show.Text(f.What == RecordDesk.DeMinimis ? Number(f.Value) : Percent(f.Value)), static f => Number(f.Value)) { Right = true },
            new("Where it is published", f => Show.Text(f.Source), static f => f.Source),
        ],
        Empty = new("No figure is on record.", "They are published with the instructions of Form 499-A each year; an administrator enters them below."),
    };

    private Table<Certified> Certifications() => new()
    {
        Name = "reseller-certifications",
        Select = "c.id, c.reseller_legal_name, c.reseller_filer_id_499, e.legal_name, c.certification_date, c.renewal_due, c.status, c.signer_name, c.reseller_contact_email",
        From = "reseller_certifications c JOIN telecom_entities e ON e.id = c.filer_telecom_entity_id",
        Key = "c.id",
        Map = static r => new(r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4), r.GetString(5), r.GetString(6), r.Text(7), r.Text(8)),
        Sorts = [new("due", "c.renewal_due"), new("number", "c.id", Descending: true)],
        Filters = [new("status", "State", "c.status = @status", TableFilter.Words("active", "expired", "revoked")), new("filer", "Reseller's Filer ID", "c.reseller_filer_id_499 = @filer")],
        Columns =
        [
            new("No.", c => Show.Text(c.Id.ToString(CultureInfo.InvariantCulture)), static c => c.Id.ToString(CultureInfo.InvariantCulture)) { Sort = "number", Right = true },
            new("Reseller", c => Show.Text(c.Reseller), static c => c.Reseller),
            new("Filer ID", c => Show.Id(c.Filer), static c => c.Filer),
            new("Given to", c => Show.Text(c.Carrier), static c => c.Carrier),
            new("Signed", c => Show.Text(c.Signer is null ? c.On : $"{c.On} by {c.Signer}"), static c => c.On),
            new("Due again", c => Show.Text(c.Due), static c => c.Due) { Sort = "due" },
            new("State", c => Show.State(c.Status), static c => c.Status),
            new("Signer", _ => Show.Text(""), static c => c.Signer) { CsvOnly = true },
            new("Contact", _ => Show.Text(""), static c => c.Contact) { CsvOnly = true },
        ],
        Empty = new("No certification is on record.", "Resellers sign one each year; an operator enters it below, and the renewal worker asks for the next."),
    };

    private Table<Term> Renewals() => new()
    {
        Name = "renewals",
        Select = "t.id, t.order_number, e.legal_name, t.service_slug, t.renewal_due, t.status, t.last_notice_days, t.renewal_order",
        From = "service_terms t LEFT JOIN telecom_entities e ON e.id = t.telecom_entity_id",
        Key = "t.id",
        Map = static r => new(r.GetInt64(0), r.GetString(1), r.Text(2), r.GetString(3), r.GetString(4), r.GetString(5), r.Int(6), r.Text(7)),
        Sorts = [new("due", "t.renewal_due"), new("newest", "t.id", Descending: true)],
        Filters = [new("status", "State", "t.status = @status", TableFilter.Words("active", "renewed", "expired", "cancelled")), new("service", "Service", "t.service_slug = @service")],
        Columns =
        [
            new("Order", t => Show.Id(t.Order, OrdersPage.Url(t.Order)), static t => t.Order) { Sort = "newest" },
            new("Carrier", t => Show.Text(t.Carrier), static t => t.Carrier),
            new("Service", t => Show.Text(t.Service), static t => t.Service),
            new("Due", t => Show.Text(t.Due), static t => t.Due) { Sort = "due" },
            new("State", t => Show.State(t.Status), static t => t.Status),
            new("Last notice", t => Show.Text(t.Notice is { } days ? string.Create(CultureInfo.InvariantCulture, $"{days} days before") : null), static t => t.Notice?.ToString(CultureInfo.InvariantCulture)),
            new("Renewed by", t => Show.Id(t.Renewal, t.Renewal is null ? null : OrdersPage.Url(t.Renewal)), static t => t.Renewal),
        ],
        Empty = new("No service runs by the year yet.", "A paid order of a yearly service is listed here with the day it is due again.", "/schedules/pw-renewal-worker", "The schedule that looks after them"),
    };

    private Table<Cdr> CallRecords() => new()
    {
        Name = "call-records",
        Select = """
            f.id, f.telecom_entity_id, f.bucket, f.object_key, f.first_call_on, f.last_call_on, f.records, f.sha256, f.backs_form_year, f.legal_hold,
            (SELECT MAX(x.filed_at) FROM filings x WHERE x.filer_id = e.filer_id_499 AND x.year = f.backs_form_year), e.legal_name, f.legal_hold_reason, f.deleted_at, f.certificate_key
            """,
        From = "cdr_files f JOIN telecom_entities e ON e.id = f.telecom_entity_id",
        Key = "f.id",
        Map = static r => new(
            new CdrFile(r.GetInt64(0), r.GetInt32(1), r.GetString(2), r.GetString(3), Day(r.GetString(4)), Day(r.GetString(5)), r.GetInt64(6), r.GetString(7), r.Int(8), r.GetBoolean(9), r.TimeOrNull(10) is { } filed ? DateOnly.FromDateTime(filed.UtcDateTime) : null),
            r.GetString(11), r.Text(12), r.TimeOrNull(13), r.Text(14)),
        Sorts = [new("number", "f.id", Descending: true), new("oldest", "f.last_call_on")],
        Filters =
        [
            new("kept", "Kept", "(CASE WHEN f.deleted_at IS NULL THEN 'kept' ELSE 'deleted' END) = @kept", TableFilter.Words("kept", "deleted")),
            new("hold", "Legal hold", "(CASE WHEN f.legal_hold THEN 'yes' ELSE 'no' END) = @hold", TableFilter.Words("yes", "no")),
        ],
        Columns =
        [
            new("No.", c => Show.Text(c.File.Id.ToString(CultureInfo.InvariantCulture)), static c => c.File.Id.ToString(CultureInfo.InvariantCulture)) { Sort = "number", Right = true },
            new("Carrier", c => Show.Text(c.Carrier), static c => c.Carrier),
            new("Calls", c => Show.Text($"{Text(c.File.FirstCall)} to {Text(c.File.LastCall)}"), static c => Text(c.File.LastCall)) { Sort = "oldest" },
            new("Records", c => Show.Text(c.File.Records.ToString("#,##0", CultureInfo.InvariantCulture)), static c => c.File.Records.ToString(CultureInfo.InvariantCulture)) { Right = true },
            new("Kept until", c => Show.Text(c.DeletedAt is not null ? null : KeptUntil(c.File)), c => c.DeletedAt is not null ? null : KeptUntil(c.File)),
            new("Hold", c => c.File.LegalHold ? Show.Badge("held: " + c.HoldReason, Tone.Warn) : Show.Text(null), static c => c.File.LegalHold ? c.HoldReason : null),
            new("Deleted", c => Show.Time(c.DeletedAt), static c => c.DeletedAt is { } at ? Iso(at) : null),
            new("SHA-256", _ => Show.Text(""), static c => c.File.Sha256) { CsvOnly = true },
            new("Certificate", _ => Show.Text(""), static c => c.Certificate) { CsvOnly = true },
        ],
        Empty = new("No call records are kept.", "A file that a carrier uploads is listed here with the day until which it must be kept, and why."),
    };

    private Table<Carrier> Sessions(Dictionary<int, DateTimeOffset> ends) => new()
    {
        Name = "portal-sessions",
        Select = "e.id, e.legal_name, e.frn, e.filer_id_499",
        From = "telecom_entities e",
        Key = "e.id",
        Map = static r => new(r.GetInt32(0), r.GetString(1), r.Text(2), r.Text(3)),
        Sorts = [new("number", "e.id")],
        Filters = [new("filer", "Filer ID", "e.filer_id_499 = @filer"), new("frn", "FRN", "e.frn = @frn")],
        Columns =
        [
            new("No.", c => Show.Text(c.Id.ToString(CultureInfo.InvariantCulture)), static c => c.Id.ToString(CultureInfo.InvariantCulture)) { Sort = "number", Right = true },
            new("Carrier", c => Show.Text(c.Name), static c => c.Name),
            new("FRN", c => Show.Id(c.Frn), static c => c.Frn),
            new("Filer ID", c => Show.Id(c.Filer, c.Filer is null ? null : "/orders?q=" + c.Filer), static c => c.Filer),
            new("Session at USAC E-File", c => ends.TryGetValue(c.Id, out var end) ? end <= Show.Now ? Show.Badge("ended", Tone.Bad) : Show.Badge("signed in", end - Show.Now < TimeSpan.FromDays(3) ? Tone.Warn : Tone.Good) : Show.Badge("none stored", Tone.Idle),
                c => ends.TryGetValue(c.Id, out var end) ? end <= Show.Now ? "ended" : "signed in" : "none"),
            new("Ends", c => Show.Time(ends.TryGetValue(c.Id, out var end) && end < DateTimeOffset.MaxValue ? end : null), c => ends.TryGetValue(c.Id, out var end) && end < DateTimeOffset.MaxValue ? Iso(end) : null),
        ],
        Empty = new("No carrier is on record.", "A carrier is entered with its first order."),
    };

    private string KeptUntil(CdrFile file)
    {
        var decision = CdrFiles.Decide(file, DateOnly.FromDateTime(Show.Now.UtcDateTime), cdr.Value.Months);
        return decision.KeepUntil is { } until ? $"{Text(until)}: {decision.Rule}" : decision.Rule;
    }

    private static DateOnly Day(string text) => DateOnly.ParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Text(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Percent(decimal value) => Number(value) + " %";

    private static string Number(decimal value) => value.ToString("0.####", CultureInfo.InvariantCulture);

    private static string Iso(DateTimeOffset at) => at.ToString("O", CultureInfo.InvariantCulture);
}
