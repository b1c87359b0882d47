using System.Globalization;
using System.Text.Json.Nodes;
using PwWorkflows.Activities.Records;
using PwWorkflows.Activities.Usac;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>/api/v1/admin/entities</c>.</summary>
internal static class EntityEndpoints
{
    public static void Map(IEndpointRouteBuilder admin) =>
        admin.MapPut("/entities/{id:int}/usac-session", StoreSessionAsync).RequireAuthorization(Roles.Operator);

    /// <summary>Stores a carrier's browser session at the USAC portal, as Playwright exports it. Orders that wait for it go on.</summary>
    private static async Task<IResult> StoreSessionAsync(int id, HttpContext http, UsacSessions sessions, AuditLog audit, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        if (id < 1) fields.Wrong("id", "Expected a positive number.");
        if (fields.Body["cookies"] is not JsonArray { Count: > 0 } cookies || cookies.Any(static c => c is not JsonObject))
            fields.Wrong("cookies", "Expected a list of cookies, as Playwright's storage state has it.");
        if (!fields.AreGood) return fields.Problem();

        // The cookies are as good as a password: only the fact goes into the audit log.
        await audit.WriteAsync(http.UserName(), "usac-session-stored", id.ToString(CultureInfo.InvariantCulture), null, ct).ConfigureAwait(false);
        await sessions.SaveAsync(id, fields.Body.ToJsonString(), ct).ConfigureAwait(false);
        return Results.NoContent();
    }
}
