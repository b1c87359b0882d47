using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>/api/v1/admin/effects</c> and <c>/todos</c>: what was changed outside, and what waits for a person.</summary>
internal static class EffectEndpoints
{
    public static readonly string[] Statuses = ["started", "done", "uncertain"];

    public static void Map(IEndpointRouteBuilder admin)
    {
        var effects = admin.MapGroup("/effects");
        effects.MapGet("", ListAsync).RequireAuthorization(Roles.Viewer);
        effects.MapPost("/settle", SettleAsync).RequireAuthorization(Roles.Admin);
        admin.MapGet("/todos", ToDosAsync).RequireAuthorization(Roles.Viewer);
    }

    private static async Task<IResult> ListAsync(HttpContext http, EffectRecords effects, CancellationToken ct)
    {
        if (!Paging.TryRead(http, out _, out var take, out var problem)) return problem;
        var status = http.Request.Query["status"].ToString();
        if (status.Length > 0 && !Statuses.Contains(status))
            return Problems.OfFields(new Dictionary<string, string[]> { ["status"] = [$"Expected one of {string.Join(", ", Statuses)}."] });
        return PwJson.Ok(new { effects = await effects.ListAsync(status, take, ct).ConfigureAwait(false) });
    }

    private static async Task<IResult> ToDosAsync(HttpContext http, AdminToDos todos, CancellationToken ct)
    {
        if (!Paging.TryRead(http, out _, out var take, out var problem)) return problem;
        return PwJson.Ok(new { todos = await todos.ListAsync(http.Request.Query["all"] == "true", take, ct).ConfigureAwait(false) });
    }

    private static async Task<IResult> SettleAsync(HttpContext http, EffectRecords effects, AuditLog audit, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var key = fields.Text("key", 300);
        var reason = fields.Text("reason", 500);
        if (fields.Body["happened"]?.GetValueKind() is not (System.Text.Json.JsonValueKind.True or System.Text.Json.JsonValueKind.False)) fields.Wrong("happened", "Expected true or false.");
        else if (fields.Body["happened"]!.GetValue<bool>() != fields.Body["result"] is not null) fields.Wrong("result", "Expected the result as an object when it happened, and none when it did not.");
        if (!fields.AreGood) return fields.Problem();

        var settled = await effects.SettleAsync(
            key, fields.Body["result"]?.ToJsonString(), ct,
            (connection, transaction, token) => audit.AppendAsync(
                connection, transaction, http.UserName(), "effect-settled", key, new() { ["happened"] = fields.Body["happened"]!.GetValue<bool>(), ["reason"] = reason }, token)).ConfigureAwait(false);
        return settled is { } why ? Problems.Of(StatusCodes.Status409Conflict, why) : Results.NoContent();
    }
}
