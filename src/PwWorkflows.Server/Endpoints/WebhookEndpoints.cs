using System.Globalization;
using Microsoft.AspNetCore.Hosting.Server;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>/api/v1/admin/webhooks</c>.</summary>
internal static class WebhookEndpoints
{
    public static void Map(IEndpointRouteBuilder admin)
    {
        var webhooks = admin.MapGroup("/webhooks");
        webhooks.MapGet("", ListAsync).RequireAuthorization(Roles.Viewer);
        webhooks.MapPost("/{id:long}/replay", ReplayAsync).RequireAuthorization(Roles.Operator);
    }

    private static async Task<IResult> ListAsync(HttpContext http, WebhookReplay inbox, CancellationToken ct)
    {
        if (!Paging.TryRead(http, out _, out var take, out var problem)) return problem;
        return PwJson.Ok(new { webhooks = await inbox.ListAsync(http.Request.Query["status"], http.Request.Query["order"], take, ct).ConfigureAwait(false) });
    }

    private static async Task<IResult> ReplayAsync(long id, HttpContext http, WebhookReplay inbox, IServer server, AuditLog audit, CancellationToken ct)
    {
        switch (await inbox.ReplayAsync(id, WebhookReplay.OwnAddress(server, http), ct).ConfigureAwait(false))
        {
            case ReplayResult.Delivered delivered:
                await audit.WriteAsync(http.UserName(), "webhook-replay", delivered.EventId, null, ct).ConfigureAwait(false);
                return PwJson.Ok(new { event_id = delivered.EventId, status = delivered.Status }, StatusCodes.Status202Accepted);
            case ReplayResult.Refused refused:
                return Problems.Of(StatusCodes.Status409Conflict, refused.Why);
            default:
                return Problems.Of(StatusCodes.Status404NotFound, $"There is no line {id.ToString(CultureInfo.InvariantCulture)} in the webhook inbox.");
        }
    }
}
