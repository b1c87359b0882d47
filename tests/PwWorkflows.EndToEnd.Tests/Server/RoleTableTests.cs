using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Mvc.RazorPages.Infrastructure;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.EndToEnd.Tests.Pages;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.EndToEnd.Tests.Server;

/// <summary>Who may come in at which door: each is knocked at by a stranger, a viewer, an operator and an administrator.</summary>
public sealed partial class RoleTableTests(RunningServer running)
{
    private const string Table = """
        admin GET /settings
        admin POST /api/v1/admin/approvals/{id}/decide
        admin POST /api/v1/admin/cdr-files/{id:long}/release
        admin POST /api/v1/admin/clock
        admin POST /api/v1/admin/effects/settle
        admin POST /approvals/{id}
        admin POST /audit?handler=Verify
        admin POST /records/{part?}?handler=Figure
        admin POST /records/{part?}?handler=Hold
        admin POST /settings?handler=Active
        admin POST /settings?handler=Add
        admin POST /settings?handler=Password
        admin POST /settings?handler=Role
        admin POST /treasury/{part?}?handler=Partner
        admin PUT /api/v1/admin/form-figures/{year:int}/{what}
        admin PUT /api/v1/admin/partners/{code}
        anybody DELETE /studio/host/session
        anybody GET /approvals/link
        anybody GET /console/console.css
        anybody GET /console/console.js
        anybody GET /console/htmx.min.js
        anybody GET /console/icon.svg
        anybody GET /console/roboto.woff2
        anybody GET /diagnostics/structured-logs
        anybody GET /elsa/api/bookmarks/resume
        anybody GET /elsa/api/package/version
        anybody GET /health
        anybody GET /health/deep
        anybody GET /sign-in
        anybody GET /studio
        anybody GET /studio/diagnostics/structured-logs
        anybody GET /studio/host/editor
        anybody GET /studio/host/instance
        anybody GET /studio/host/instances
        anybody GET /studio/host/studio-approvals.js
        anybody GET /studio/host/studio-host.css
        anybody GET /studio/host/studio-host.js
        anybody GET /studio/host/studio-incident.js
        anybody GET /studio/host/workflows
        anybody GET /studio/workflows/definitions/{id}/edit
        anybody GET /studio/workflows/instances/{id}/view
        anybody GET /studio/{**path}
        anybody GET /workflows/definitions/{id}/edit
        anybody GET /workflows/instances/{id}/view
        anybody POST /api/v1/admin/login
        anybody POST /approvals/link
        anybody POST /elsa/api/bookmarks/resume
        anybody POST /elsa/api/identity/login
        anybody POST /sign-in
        anybody POST /studio/host/session
        nobody POST /api/v1/orders
        nobody POST /elsa/api/identity/refresh-token
        operator DELETE /elsa/api/workflow-definition-versions/{id}
        operator DELETE /elsa/api/workflow-definitions/{definitionId}
        operator DELETE /elsa/api/workflow-definitions/{definitionId}/version/{version:int}
        operator DELETE /elsa/api/workflow-instances/{id}
        operator GET /elsa/api/workflow-definitions/{definitionId}/execute
        operator POST /api/v1/admin/cdr-files/{id:long}/hold
        operator POST /api/v1/admin/orders/{order}/officer-authorization
        operator POST /api/v1/admin/reseller-certifications
        operator POST /api/v1/admin/reseller-certifications/{id:long}/revoke
        operator POST /api/v1/admin/schedules/{name}/pause
        operator POST /api/v1/admin/schedules/{name}/resume
        operator POST /api/v1/admin/schedules/{name}/run
        operator POST /api/v1/admin/webhooks/{id:long}/replay
        operator POST /api/v1/admin/workflow-instances/{id}/cancel
        operator POST /api/v1/admin/workflow-instances/{id}/retry
        operator POST /definitions/{id}?handler=Restore
        operator POST /elsa/api/actions/workflow-definitions/refresh
        operator POST /elsa/api/actions/workflow-definitions/reload
        operator POST /elsa/api/bulk-actions/cancel/workflow-instances
        operator POST /elsa/api/bulk-actions/delete/workflow-definitions/by-definition-id
        operator POST /elsa/api/bulk-actions/delete/workflow-definitions/by-id
        operator POST /elsa/api/bulk-actions/delete/workflow-instances/by-id
        operator POST /elsa/api/bulk-actions/import/workflow-instances
        operator POST /elsa/api/bulk-actions/publish/workflow-definitions/by-definition-ids
        operator POST /elsa/api/bulk-actions/retract/workflow-definitions/by-definition-ids
        operator POST /elsa/api/bulk-actions/retry/workflow-instances
        operator POST /elsa/api/cancel/workflow-instances/{id}
        operator POST /elsa/api/events/{eventName}/trigger
        operator POST /elsa/api/retry/workflow-instances/{id}
        operator POST /elsa/api/tasks/{taskId}/complete
        operator POST /elsa/api/tests/activities
        operator POST /elsa/api/workflow-definitions
        operator POST /elsa/api/workflow-definitions/import
        operator POST /elsa/api/workflow-definitions/import-files
        operator POST /elsa/api/workflow-definitions/{definitionId}/bulk-dispatch
        operator POST /elsa/api/workflow-definitions/{definitionId}/dispatch
        operator POST /elsa/api/workflow-definitions/{definitionId}/execute
        operator POST /elsa/api/workflow-definitions/{definitionId}/import
        operator POST /elsa/api/workflow-definitions/{definitionId}/publish
        operator POST /elsa/api/workflow-definitions/{definitionId}/retract
        operator POST /elsa/api/workflow-definitions/{definitionId}/revert/{version:int}
        operator POST /elsa/api/workflow-definitions/{definitionId}/revisions/{revision:long}/restore
        operator POST /elsa/api/workflow-definitions/{definitionId}/update-references
        operator POST /elsa/api/workflow-instances/{id}/variables
        operator POST /instances?handler=Retry
        operator POST /records/{part?}?handler=Certification
        operator POST /records/{part?}?handler=Revoke
        operator POST /schedules/{name}?handler=Pause
        operator POST /schedules/{name}?handler=Resume
        operator POST /schedules/{name}?handler=Run
        operator POST /webhooks/{id:long}?handler=Replay
        operator PUT /api/v1/admin/entities/{id:int}/usac-session
        operator PUT /api/v1/admin/orders/{order}/intake
        operator PUT /elsa/api/workflow-definitions/import
        operator PUT /elsa/api/workflow-definitions/{definitionId}/import
        viewer GET /
        viewer GET /api/v1/admin/approvals
        viewer GET /api/v1/admin/approvals/{id}
        viewer GET /api/v1/admin/cdr-files
        viewer GET /api/v1/admin/effects
        viewer GET /api/v1/admin/form-figures
        viewer GET /api/v1/admin/orders
        viewer GET /api/v1/admin/orders/{order}
        viewer GET /api/v1/admin/partners
        viewer GET /api/v1/admin/reseller-certifications
        viewer GET /api/v1/admin/schedules
        viewer GET /api/v1/admin/schedules/preview
        viewer GET /api/v1/admin/schedules/{name}
        viewer GET /api/v1/admin/schedules/{name}/missed
        viewer GET /api/v1/admin/schedules/{name}/preview
        viewer GET /api/v1/admin/schedules/{name}/runs
        viewer GET /api/v1/admin/schedules/{name}/runs/{run}
        viewer GET /api/v1/admin/todos
        viewer GET /api/v1/admin/webhooks
        viewer GET /api/v1/admin/workflow-instances
        viewer GET /api/v1/admin/workflow-instances/{id}
        viewer GET /api/v1/admin/workflow-instances/{id}/journal
        viewer GET /api/v1/admin/{*path:nonfile}
        viewer GET /approvals
        viewer GET /approvals/{id}
        viewer GET /audit
        viewer GET /definitions
        viewer GET /definitions/{id}
        viewer GET /elsa/api/activity-execution-summaries/list
        viewer GET /elsa/api/activity-executions/by-id
        viewer GET /elsa/api/activity-executions/count
        viewer GET /elsa/api/activity-executions/list
        viewer GET /elsa/api/activity-executions/{id}
        viewer GET /elsa/api/activity-executions/{id}/call-stack
        viewer GET /elsa/api/descriptors/activities
        viewer GET /elsa/api/descriptors/activities/{typeName}
        viewer GET /elsa/api/descriptors/commit-strategies/activities
        viewer GET /elsa/api/descriptors/commit-strategies/workflows
        viewer GET /elsa/api/descriptors/expression-descriptors
        viewer GET /elsa/api/descriptors/incident-strategies
        viewer GET /elsa/api/descriptors/log-persistence-strategies
        viewer GET /elsa/api/descriptors/output-converters
        viewer GET /elsa/api/descriptors/storage-drivers
        viewer GET /elsa/api/descriptors/variables
        viewer GET /elsa/api/descriptors/workflow-activation-strategies
        viewer GET /elsa/api/features/installed
        viewer GET /elsa/api/features/installed/{name}
        viewer GET /elsa/api/workflow-definitions
        viewer GET /elsa/api/workflow-definitions/by-definition-id/{definitionId}
        viewer GET /elsa/api/workflow-definitions/by-id/{id}
        viewer GET /elsa/api/workflow-definitions/many-by-id
        viewer GET /elsa/api/workflow-definitions/query/count
        viewer GET /elsa/api/workflow-definitions/subgraph/segments/{id}
        viewer GET /elsa/api/workflow-definitions/subgraph/{id}
        viewer GET /elsa/api/workflow-definitions/validation/is-name-unique
        viewer GET /elsa/api/workflow-definitions/{definitionId}
        viewer GET /elsa/api/workflow-definitions/{definitionId}/consumers
        viewer GET /elsa/api/workflow-definitions/{definitionId}/export
        viewer GET /elsa/api/workflow-definitions/{definitionId}/revisions
        viewer GET /elsa/api/workflow-definitions/{definitionId}/revisions/{revision:long}
        viewer GET /elsa/api/workflow-definitions/{definitionId}/versions
        viewer GET /elsa/api/workflow-instances
        viewer GET /elsa/api/workflow-instances/{id}
        viewer GET /elsa/api/workflow-instances/{id}/execution-state
        viewer GET /elsa/api/workflow-instances/{id}/export
        viewer GET /elsa/api/workflow-instances/{id}/journal
        viewer GET /elsa/api/workflow-instances/{id}/journal/{activityId}
        viewer GET /elsa/api/workflow-instances/{id}/variables
        viewer GET /elsa/api/{*path:nonfile}
        viewer GET /elsa/hubs/workflow-instance
        viewer GET /elsa/hubs/workflow-instance/negotiate
        viewer GET /filings
        viewer GET /filings/{sequence:long}
        viewer GET /filings/{sequence:long}/files/{name}
        viewer GET /instances
        viewer GET /instances/{id}/log
        viewer GET /live
        viewer GET /live/rail
        viewer GET /mails/{name?}
        viewer GET /orders
        viewer GET /orders/{order}
        viewer GET /records/{part?}
        viewer GET /schedules
        viewer GET /schedules/calendar
        viewer GET /schedules/{name}
        viewer GET /schedules/{name}/runs/{run}
        viewer GET /search
        viewer GET /sign-out
        viewer GET /status
        viewer GET /todos
        viewer GET /treasury/{part?}
        viewer GET /webhooks
        viewer GET /webhooks/{id:long}
        viewer POST /elsa/api/activity-executions/report
        viewer POST /elsa/api/bulk-actions/export/workflow-definitions
        viewer POST /elsa/api/bulk-actions/export/workflow-instances
        viewer POST /elsa/api/descriptors/activities/{typeName}/options/{property}
        viewer POST /elsa/api/scripting/javascript/type-definitions/{definitionId}
        viewer POST /elsa/api/workflow-definitions/{definitionId}/export
        viewer POST /elsa/api/workflow-instances
        viewer POST /elsa/api/workflow-instances/{id}/journal
        viewer POST /filings/{sequence:long}?handler=Verify
        viewer POST /sign-out
        """;

    private static readonly string[] People = ["", "viewer", "operator", "admin"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_door_lets_in_exactly_those_whom_the_table_names()
    {
        var tokens = new Dictionary<string, string?> { [""] = null };
        var pages = new Dictionary<string, ConsoleHttp> { [""] = ConsoleHttp.Stranger(running.Server.BaseUrl) };
        foreach (var person in People[1..])
        {
            tokens[person] = await running.TokenAsync(person, Ct);
            pages[person] = await ConsoleHttp.SignInAsync(running.Server.BaseUrl, person, Ct);
        }

        var found = new List<string>();
        foreach (var (method, route, isPage) in await DoorsAsync())
        {
            var path = Parameter().Replace(route, static m => m.Value.Contains(":int", StringComparison.Ordinal) || m.Value.Contains(":long", StringComparison.Ordinal) ? "2147483000" : "none");
            var answers = new List<HttpStatusCode>();
            foreach (var person in People) answers.Add(isPage ? await pages[person].KnockAsync(method, path, Ct) : await KnockAsync(method, path, tokens[person]));
            found.Add($"{Least(answers)} {method} {route}");
        }

        foreach (var page in pages.Values) page.Dispose();
        var table = Table.Split('\n', StringSplitOptions.TrimEntries);
        Assert.True(found.ToHashSet(StringComparer.Ordinal).SetEquals(table), $"The table does not have:\n{string.Join('\n', found.Except(table))}\nThe server does not have:\n{string.Join('\n', table.Except(found))}");
    }

    /// <summary>The least of the people who is let in, when everybody above is as well and strangers are asked to sign in; nobody, when something else than a sign-in is asked for; else what each was told.</summary>
    private static string Least(List<HttpStatusCode> answers)
    {
        if (answers.TrueForAll(static a => a == HttpStatusCode.Unauthorized)) return "nobody";
        var first = answers.FindIndex(static a => a is not (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden));
        var wanted = answers.Select((a, i) => i >= first ? a is not (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden) : a == (i == 0 ? HttpStatusCode.Unauthorized : HttpStatusCode.Forbidden));
        return first >= 0 && wanted.All(static w => w) ? first == 0 ? "anybody" : People[first] : string.Join('/', answers.Select(static a => ((int)a).ToString(CultureInfo.InvariantCulture)));
    }

    private async Task<HttpStatusCode> KnockAsync(string method, string path, string? token)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await running.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Ct);
        return answer.StatusCode;
    }

    /// <summary>Every door of the server that asks who comes in, as the server itself names them.</summary>
    private static async Task<List<(string Method, string Route, bool IsPage)>> DoorsAsync()
    {
        using var folder = new TemporaryFolder();
        // Built and not started: nothing is connected to.
        await using var app = ServerHost.Build(new HostSettings(Path.Combine(AppContext.BaseDirectory, "env.sandbox"), folder.FullPath, "http://127.0.0.1:0", QuietLogs: true));
        var loader = app.Services.GetRequiredService<PageLoader>();
        var doors = new List<(string Method, string Route, bool IsPage)>();
        foreach (var endpoint in ((IEndpointRouteBuilder)app).DataSources.SelectMany(static d => d.Endpoints).OfType<RouteEndpoint>())
        {
            var route = "/" + endpoint.RoutePattern.RawText!.Trim('/');
            if (endpoint.Metadata.GetMetadata<PageActionDescriptor>() is { } page)
            {
                doors.Add(("GET", route, true));
                foreach (var handler in (await loader.LoadAsync(page, endpoint.Metadata)).HandlerMethods.Where(static h => string.Equals(h.HttpMethod, "POST", StringComparison.OrdinalIgnoreCase))) doors.Add(("POST", handler.Name is null ? route : $"{route}?handler={handler.Name}", true));
            }
            else
            {
                foreach (var method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"]) doors.Add((method, route, !route.StartsWith("/api/", StringComparison.Ordinal) && !route.StartsWith("/elsa/", StringComparison.Ordinal)));
            }
        }

        // What ends a session comes last.
        return [.. doors.Distinct().OrderBy(static d => d switch { ("POST", "/sign-out", _) => 1, ("DELETE", "/studio/host/session", _) => 2, _ => 0 })];
    }

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Parameter();
}
