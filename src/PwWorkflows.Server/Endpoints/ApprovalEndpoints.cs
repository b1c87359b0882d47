using PwWorkflows.Activities.Approvals;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>/api/v1/admin/approvals</c>: everyone who signs in may look, administrators decide.</summary>
internal static class ApprovalEndpoints
{
    private static readonly string[] Words = ["approve", "reject"];
    private static readonly string[] Doors = [ApprovalDoors.Api, ApprovalDoors.Studio];

    public static void Map(IEndpointRouteBuilder admin)
    {
        var approvals = admin.MapGroup("/approvals");
        approvals.MapGet("", ListAsync).RequireAuthorization(Roles.Viewer);
        approvals.MapGet("/{id}", ShowAsync).RequireAuthorization(Roles.Viewer);
        approvals.MapPost("/{id}/decide", DecideAsync).RequireAuthorization(Roles.Admin);
    }

    /// <summary>A request as it stands for whoever asks.</summary>
    private sealed record View(Approval Approval, string Standing, string Amount, IReadOnlyList<PolicyCheck> Checks, bool MayApprove, bool MayReject);

    private static async Task<IResult> ListAsync(HttpContext http, ApprovalStore store, CancellationToken ct)
    {
        if (!Paging.TryRead(http, out var skip, out var take, out var problem)) return problem;
        string? Asked(string name) => http.Request.Query[name].ToString() is { Length: > 0 } text ? text : null;
        var status = Asked("status");
        if (status is not null && !ApprovalStatuses.All.Contains(status))
            return Problems.OfFields(new Dictionary<string, string[]> { ["status"] = [$"Expected one of {string.Join(", ", ApprovalStatuses.All)}."] });
        var query = new ApprovalQuery(status, Asked("instance_id"), Asked("order_number"), Asked("search"));
        return PwJson.Ok(new { approvals = await store.ListAsync(query, skip, take, ct).ConfigureAwait(false), total = await store.CountAsync(query, ct).ConfigureAwait(false) });
    }

    private static async Task<IResult> ShowAsync(string id, HttpContext http, ApprovalStore store, ApprovalDesk desk, CancellationToken ct) =>
        await store.FindAsync(id, ct).ConfigureAwait(false) is { } approval ? PwJson.Ok(await ViewAsync(approval, http.UserName(), store, desk, ct).ConfigureAwait(false)) : Missing(id);

    private static async Task<IResult> DecideAsync(string id, HttpContext http, ApprovalStore store, ApprovalDesk desk, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var word = fields.Text("decision", 10);
        if (word.Length > 0 && !Words.Contains(word)) fields.Wrong("decision", "Expected approve or reject.");
        // Whoever is turned down must learn why.
        var note = fields.Text("note", ApprovalDesk.LongestNote, required: word == "reject");
        var via = fields.Text("via", 10, required: false) is { Length: > 0 } door ? door : ApprovalDoors.Api;
        if (!Doors.Contains(via)) fields.Wrong("via", "Expected api or studio.");
        if (!fields.AreGood) return fields.Problem();

        switch (await desk.DecideAsync(id, http.UserName(), word == "approve", note, via, ct).ConfigureAwait(false))
        {
            case DecideResult.Taken taken:
                return PwJson.Ok(await ViewAsync(taken.Approval, http.UserName(), store, desk, ct).ConfigureAwait(false));
            case DecideResult.Repeated repeated:
                return PwJson.Ok(await ViewAsync(repeated.Approval, http.UserName(), store, desk, ct).ConfigureAwait(false));
            case DecideResult.TooLate late:
                return Problems.Of(StatusCodes.Status409Conflict, late.Approval.Standing());
            case DecideResult.Refused refused:
                return Problems.Of(StatusCodes.Status403Forbidden, string.Join(' ', refused.Why.Select(static c => c.Text)));
            default:
                return Missing(id);
        }
    }

    private static async Task<View> ViewAsync(Approval approval, string username, ApprovalStore store, ApprovalDesk desk, CancellationToken ct)
    {
        var person = await store.ApproverAsync(username, ct).ConfigureAwait(false) ?? new Approver(username, username, "", false, false);
        var checks = desk.Check(approval, person);
        return new View(approval, approval.Standing(), approval.Amount(), checks, ApprovalPolicy.Allows(checks, true), ApprovalPolicy.Allows(checks, false));
    }

    private static IResult Missing(string id) => Problems.Of(StatusCodes.Status404NotFound, $"There is no approval '{id}'.");
}
