using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Hosting;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>/api/v1/admin/workflow-instances</c>.</summary>
internal static class WorkflowEndpoints
{
    public static readonly string[] Statuses = ["pending", "running", "suspended", "finished", "faulted", "cancelled", "parked"];

    public static void Map(IEndpointRouteBuilder admin)
    {
        var instances = admin.MapGroup("/workflow-instances");
        instances.MapGet("", ListAsync).RequireAuthorization(Roles.Viewer);
        instances.MapGet("/{id}", ShowAsync).RequireAuthorization(Roles.Viewer);
        instances.MapGet("/{id}/journal", JournalAsync).RequireAuthorization(Roles.Viewer);
        instances.MapPost("/{id}/retry", (string id, HttpContext http, IWorkflowAdmin workflows, AuditLog audit, CancellationToken ct) =>
            CommandAsync(id, "retry", http, workflows.RetryAsync, audit, ct)).RequireAuthorization(Roles.Operator);
        instances.MapPost("/{id}/cancel", (string id, HttpContext http, IWorkflowAdmin workflows, AuditLog audit, CancellationToken ct) =>
            CommandAsync(id, "cancel", http, workflows.CancelAsync, audit, ct)).RequireAuthorization(Roles.Operator);
    }

    private static async Task<IResult> ListAsync(HttpContext http, IWorkflowAdmin workflows, CancellationToken ct)
    {
        if (!Paging.TryRead(http, out var skip, out var take, out var problem)) return problem;
        string? Query(string name) => http.Request.Query[name].ToString() is { Length: > 0 } text ? text : null;
        if (Query("status") is { } status && !Statuses.Contains(status))
            return Problems.OfFields(new Dictionary<string, string[]> { ["status"] = [$"Expected one of {string.Join(", ", Statuses)}."] });
        var (items, total) = await workflows.ListInstancesAsync(
            new WorkflowInstanceQuery { CorrelationId = Query("correlation_id"), DefinitionId = Query("definition_id"), Status = Query("status"), Skip = skip, Take = take }, ct).ConfigureAwait(false);
        return PwJson.Ok(new { workflow_instances = items, total });
    }

    private static async Task<IResult> ShowAsync(string id, IWorkflowAdmin workflows, CancellationToken ct) =>
        await workflows.GetInstanceAsync(id, ct).ConfigureAwait(false) is { } found ? PwJson.Ok(new { instance = found.Instance, detail = found.Detail }) : Missing(id);

    private static async Task<IResult> JournalAsync(string id, HttpContext http, IWorkflowAdmin workflows, CancellationToken ct)
    {
        if (!Paging.TryRead(http, out var skip, out var take, out var problem)) return problem;
        return await workflows.GetJournalAsync(id, skip, take, ct).ConfigureAwait(false) is { } entries ? PwJson.Ok(new { entries }) : Missing(id);
    }

    private static async Task<IResult> CommandAsync(
        string id, string what, HttpContext http, Func<string, CancellationToken, Task<InstanceCommandResult>> command, AuditLog audit, CancellationToken ct)
    {
        switch (await command(id, ct).ConfigureAwait(false))
        {
            case InstanceCommandResult.Accepted:
                await audit.WriteAsync(http.UserName(), "instance-" + what, id, null, ct).ConfigureAwait(false);
                return PwJson.Ok(new { id, accepted = what }, StatusCodes.Status202Accepted);
            case InstanceCommandResult.WrongState:
                return Problems.Of(StatusCodes.Status409Conflict, what == "retry" ? "Only a faulted or parked instance can be retried." : "The instance has ended.");
            default:
                return Missing(id);
        }
    }

    private static IResult Missing(string id) => Problems.Of(StatusCodes.Status404NotFound, $"There is no workflow instance '{id}'.");
}
