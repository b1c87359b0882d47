using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Studio;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Studio;

/// <summary>The API has every endpoint that Studio's client can call.</summary>
public sealed class EndpointListTests() : StudioTest(new OnSqliteFile())
{
    // Sections 3 to 6 of the contract. What belongs to features that are not reported (resilience, secrets, alterations) is not among them.
    private const string Listed = """
        GET /features/installed
        GET /features/installed/{name}
        GET /descriptors/activities
        GET /descriptors/activities/{type}
        POST /descriptors/activities/{type}/options/{property}
        GET /descriptors/expression-descriptors
        GET /descriptors/storage-drivers
        GET /descriptors/variables
        GET /descriptors/workflow-activation-strategies
        GET /descriptors/incident-strategies
        GET /descriptors/log-persistence-strategies
        GET /descriptors/commit-strategies/workflows
        GET /descriptors/commit-strategies/activities
        GET /descriptors/output-converters
        POST /scripting/javascript/type-definitions/{id}
        GET /package/version
        GET /workflow-definitions
        GET /workflow-definitions/by-definition-id/{id}
        GET /workflow-definitions/by-id/{id}
        GET /workflow-definitions/many-by-id
        GET /workflow-definitions/query/count
        GET /workflow-definitions/validation/is-name-unique
        GET /workflow-definitions/{id}/consumers
        GET /workflow-definitions/subgraph/{id}
        GET /workflow-definitions/subgraph/segments/{id}
        POST /workflow-definitions
        POST /workflow-definitions/{id}/publish
        POST /workflow-definitions/{id}/retract
        DELETE /workflow-definitions/{id}
        DELETE /workflow-definition-versions/{id}
        POST /workflow-definitions/{id}/revert/{number}
        POST /workflow-definitions/{id}/update-references
        GET /workflow-definitions/{id}/export
        POST /workflow-definitions/{id}/export
        POST /bulk-actions/export/workflow-definitions
        POST /workflow-definitions/import
        PUT /workflow-definitions/import
        POST /workflow-definitions/{id}/import
        PUT /workflow-definitions/{id}/import
        POST /workflow-definitions/import-files
        POST /bulk-actions/delete/workflow-definitions/by-definition-id
        POST /bulk-actions/delete/workflow-definitions/by-id
        POST /bulk-actions/publish/workflow-definitions/by-definition-ids
        POST /bulk-actions/retract/workflow-definitions/by-definition-ids
        POST /workflow-definitions/{id}/execute
        POST /workflow-definitions/{id}/dispatch
        POST /tests/activities
        GET /workflow-instances
        POST /workflow-instances
        GET /workflow-instances/{id}
        GET /workflow-instances/{id}/execution-state
        GET /workflow-instances/{id}/journal
        POST /workflow-instances/{id}/journal
        GET /workflow-instances/{id}/variables
        POST /cancel/workflow-instances/{id}
        POST /bulk-actions/cancel/workflow-instances
        DELETE /workflow-instances/{id}
        POST /bulk-actions/delete/workflow-instances/by-id
        GET /workflow-instances/{id}/export
        POST /bulk-actions/export/workflow-instances
        POST /bulk-actions/import/workflow-instances
        POST /tasks/{id}/complete
        POST /events/{name}/trigger
        GET /bookmarks/resume
        POST /bookmarks/resume
        POST /activity-executions/report
        GET /activity-executions/list
        GET /activity-execution-summaries/list
        GET /activity-executions/by-id
        GET /activity-executions/{id}
        GET /activity-executions/{id}/call-stack
        """;

    [Fact]
    public async Task Every_listed_endpoint_is_there_and_only_two_are_for_anybody()
    {
        await using var host = await StartStudioAsync();
        var routes = host.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .SelectMany(e => e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Select(m => $"{m} {Shape(e.RoutePattern.RawText!)}") ?? []).ToHashSet(StringComparer.Ordinal);
        var open = new List<string>();
        Assert.Multiple([.. Listed.Split('\n', StringSplitOptions.TrimEntries).Select(line => (Action)(() => Assert.Contains(Shape(line.Replace(" /", " /elsa/api/", StringComparison.Ordinal)), routes)))]);
        foreach (var line in Listed.Split('\n', StringSplitOptions.TrimEntries))
        {
            var (method, path) = (line.Split(' ')[0], line.Split(' ')[1]);
            var answer = await SendAsync(host, new HttpMethod(method), path.Replace("{number}", "1", StringComparison.Ordinal).Replace("{", "", StringComparison.Ordinal).Replace("}", "", StringComparison.Ordinal), null, caller: null);
            if (answer.Status != 401) open.Add(path);
        }

        Assert.Equal(["/bookmarks/resume", "/package/version"], open.Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(401, (await SendAsync(host, HttpMethod.Post, "/elsa/hubs/workflow-instance/negotiate?negotiateVersion=1", null, caller: null)).Status);
        Assert.Equal(200, (await SendAsync(host, HttpMethod.Post, "/elsa/hubs/workflow-instance/negotiate?negotiateVersion=1", null, "ada *")).Status);

        // Names of parameters are ours.
        static string Shape(string route) => string.Join('/', route.Split('/').Select(static part => part.StartsWith('{') ? "{}" : part));
    }

    [Fact]
    public async Task A_signed_link_resumes_its_bookmark_once_and_no_other_token_does()
    {
        await using var host = await StartStudioAsync();
        await host.PublishAsync("event", Ct);
        var id = (await PostAsync(host, "/workflow-definitions/anchor-event/dispatch", Capture.Read("098-dispatch-event").RequestBody)).Body.GetProperty("workflowInstanceId").GetString()!;
        var bookmark = "";
        await Eventually.TrueAsync(async () => (bookmark = await WaitsAsync("Elsa.Event")) is not "", "the instance waits for its event", Ct);
        var links = host.Services.GetRequiredService<BookmarkLinks>();
        var now = host.Services.GetRequiredService<TimeProvider>().GetUtcNow();
        var link = links.Create(id, bookmark, now.AddHours(1));
        foreach (var bad in (string[])["/elsa/api/bookmarks/resume", "/elsa/api/bookmarks/resume?t=nope", link[..^2] + (link[^2..] == "AA" ? "BB" : "AA"), links.Create(id, bookmark, now.AddSeconds(-1))])
            Assert.Equal((400, "Invalid token."), await SendAsync(host, HttpMethod.Get, bad, null, caller: null) is var a ? (a.Status, a.Body.GetProperty("errors").GetProperty("generalErrors")[0].GetString()) : default);
        (await SendAsync(host, HttpMethod.Get, "/elsa/api/bookmarks/resume?t=nope", null, caller: null)).ShouldLookLike(Capture.Read("133-bookmark-resume-bad-token"));
        Assert.Equal(bookmark, await WaitsAsync("Elsa.Event"));

        (await SendAsync(host, HttpMethod.Post, link, Capture.Read("131-bookmark-resume").RequestBody, caller: null)).ShouldLookLike(Capture.Read("131-bookmark-resume"));
        await Eventually.TrueAsync(async () => await WaitsAsync("Elsa.RunTask") is not "", "the instance went on", Ct);
        (await SendAsync(host, HttpMethod.Post, link, Capture.Read("132-bookmark-resume-again").RequestBody, caller: null)).ShouldLookLike(Capture.Read("132-bookmark-resume-again"));
        Assert.Equal(200, (await SendAsync(host, HttpMethod.Get, link, null, caller: null)).Status);
        Assert.NotEqual("", await WaitsAsync("Elsa.RunTask"));

        async Task<string> WaitsAsync(string name) => (await GetAsync(host, $"/workflow-instances/{id}")) is { Status: 200 } shown
            ? shown.Body.GetProperty("workflowState").GetProperty("bookmarks").EnumerateArray().Where(b => b.GetProperty("name").GetString() == name).Select(static b => b.GetProperty("id").GetString()!).FirstOrDefault("") : "";
    }
}
