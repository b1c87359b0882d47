using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary>
/// What people enter by hand: <c>/api/v1/admin/form-figures</c>, <c>/partners</c>, <c>/reseller-certifications</c>, <c>/cdr-files</c>. Figures, partners and lifting a hold are an administrator's.
/// </summary>
internal static class RecordEndpoints
{
    private const int Most = 500;

    public static void Map(IEndpointRouteBuilder admin)
    {
        admin.MapGet("/form-figures", FiguresAsync).RequireAuthorization(Roles.Viewer);
        admin.MapPut("/form-figures/{year:int}/{what}", SetFigureAsync).RequireAuthorization(Roles.Admin);
        admin.MapGet("/partners", PartnersAsync).RequireAuthorization(Roles.Viewer);
        admin.MapPut("/partners/{code}", SetPartnerAsync).RequireAuthorization(Roles.Admin);
        admin.MapGet("/reseller-certifications", CertificationsAsync).RequireAuthorization(Roles.Viewer);
        admin.MapPost("/reseller-certifications", AddCertificationAsync).RequireAuthorization(Roles.Operator);
        admin.MapPost("/reseller-certifications/{id:long}/revoke", RevokeAsync).RequireAuthorization(Roles.Operator);
        admin.MapGet("/cdr-files", CdrFilesAsync).RequireAuthorization(Roles.Viewer);
        admin.MapPost("/cdr-files/{id:long}/hold", (long id, HttpContext http, RecordDesk desk, CancellationToken ct) => HoldAsync(id, true, http, desk, ct)).RequireAuthorization(Roles.Operator);
        admin.MapPost("/cdr-files/{id:long}/release", (long id, HttpContext http, RecordDesk desk, CancellationToken ct) => HoldAsync(id, false, http, desk, ct)).RequireAuthorization(Roles.Admin);
    }

    private static async Task<IResult> FiguresAsync(IPwDatabase database, CancellationToken ct) => PwJson.Ok(new
    {
        form_figures = await database.QueryAsync(
            $"SELECT form_year, '{RecordDesk.DeMinimis}', factor, source FROM fcc_deminimis_factors UNION ALL SELECT form_year, category, percent, source FROM fcc_safe_harbor_percentages ORDER BY 1 DESC, 2", Parameters.None,
            static r => new FormFigure(r.GetInt32(0), r.GetString(1), r.GetDecimal(2), r.GetString(3)), ct).ConfigureAwait(false),
    });

    private static async Task<IResult> SetFigureAsync(int year, string what, HttpContext http, RecordDesk desk, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        if (fields.Body["value"] is not JsonValue number || number.GetValueKind() != JsonValueKind.Number || !number.TryGetValue<decimal>(out var value))
        {
            fields.Wrong("value", "Expected a number.");
            value = 0;
        }

        var source = fields.Text("source", 300);
        return fields.AreGood ? Answer(fields, await desk.SetFigureAsync(new FormFigure(year, what, value, source), http.UserName(), ct).ConfigureAwait(false)) : fields.Problem();
    }

    private static async Task<IResult> PartnersAsync(IPwDatabase database, CancellationToken ct) => PwJson.Ok(new
    {
        partners = await database.QueryAsync(
            $"SELECT code, name, email, rate_bps, active FROM partners ORDER BY code LIMIT {Most}", Parameters.None,
            static r => new Partner(r.GetString(0), r.GetString(1), r.GetString(2), r.GetInt32(3), r.GetBoolean(4)), ct).ConfigureAwait(false),
    });

    private static async Task<IResult> SetPartnerAsync(string code, HttpContext http, RecordDesk desk, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var (name, email, rate) = (fields.Text("name", 200), fields.Text("email", 254), fields.Whole("rate_bps", 0, 10_000));
        var active = fields.Body["active"] is null || fields.Flag("active");
        return fields.AreGood ? Answer(fields, await desk.SetPartnerAsync(new Partner(code, name, email, (int)rate!.Value, active), http.UserName(), ct).ConfigureAwait(false)) : fields.Problem();
    }

    private static async Task<IResult> CertificationsAsync(IPwDatabase database, CancellationToken ct) => PwJson.Ok(new
    {
        reseller_certifications = await database.QueryAsync(
            $"""
             SELECT id, filer_telecom_entity_id, reseller_filer_id_499, reseller_legal_name, reseller_contact_email, certification_date, renewal_due, status, signer_name, signer_title
             FROM reseller_certifications ORDER BY renewal_due, id LIMIT {Most}
             """, Parameters.None,
            static r => new
            {
                id = r.GetInt64(0),
                telecom_entity_id = r.GetInt32(1),
                reseller_filer_id_499 = r.GetString(2),
                reseller_legal_name = r.GetString(3),
                reseller_contact_email = r.Text(4),
                certification_date = r.GetString(5),
                renewal_due = r.GetString(6),
                status = r.GetString(7),
                signer_name = r.Text(8),
                signer_title = r.Text(9),
            }, ct).ConfigureAwait(false),
    });

    private static async Task<IResult> AddCertificationAsync(HttpContext http, RecordDesk desk, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var entity = fields.Whole("telecom_entity_id", 1, int.MaxValue);
        if (!DateOnly.TryParseExact(fields.Text("certification_date", 10), "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var on)) fields.Wrong("certification_date", "Expected a day such as 2026-03-31.");
        var certification = new ResellerCertification(
            (int)(entity ?? 0), fields.Text("reseller_filer_id_499", 6), fields.Text("reseller_legal_name", 200), fields.Text("reseller_contact_email", 254, required: false), on, fields.Text("signer_name", 200), fields.Text("signer_title", 200));
        return fields.AreGood ? Answer(fields, await desk.AddCertificationAsync(certification, http.UserName(), ct).ConfigureAwait(false)) : fields.Problem();
    }

    private static async Task<IResult> RevokeAsync(long id, HttpContext http, RecordDesk desk, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var reason = fields.Text("reason", 500);
        return fields.AreGood ? Answer(fields, await desk.RevokeCertificationAsync(id, reason, http.UserName(), ct).ConfigureAwait(false)) : fields.Problem();
    }

    private static async Task<IResult> CdrFilesAsync(IPwDatabase database, CancellationToken ct) => PwJson.Ok(new
    {
        cdr_files = await database.QueryAsync(
            $"""
             SELECT id, telecom_entity_id, first_call_on, last_call_on, records, sha256, backs_form_year, legal_hold, legal_hold_reason, deleted_at, certificate_key FROM cdr_files ORDER BY id DESC LIMIT {Most}
             """, Parameters.None,
            static r => new
            {
                id = r.GetInt64(0),
                telecom_entity_id = r.GetInt32(1),
                first_call_on = r.GetString(2),
                last_call_on = r.GetString(3),
                records = r.GetInt64(4),
                sha256 = r.GetString(5),
                backs_form_year = r.Int(6),
                legal_hold = r.GetBoolean(7),
                legal_hold_reason = r.Text(8),
                deleted_at = r.TimeOrNull(9),
                certificate_key = r.Text(10),
            }, ct).ConfigureAwait(false),
    });

    private static async Task<IResult> HoldAsync(long id, bool hold, HttpContext http, RecordDesk desk, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var reason = fields.Text("reason", 500);
        return fields.AreGood ? Answer(fields, await desk.HoldAsync(id, hold, reason, http.UserName(), ct).ConfigureAwait(false)) : fields.Problem();
    }

    private static IResult Answer(Fields fields, EntryResult result)
    {
        foreach (var (field, expected) in result.Wrong) fields.Wrong(field, expected);
        return !result.IsKept ? fields.Problem() : result.Id is { } id ? PwJson.Ok(new { id }) : Results.NoContent();
    }
}
