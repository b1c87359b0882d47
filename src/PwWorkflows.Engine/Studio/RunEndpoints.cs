using System.Text.Json.Nodes;
using Elsa.Common.Models;
using Elsa.Expressions.Helpers;
using Elsa.Workflows;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime.Activities;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;
using P = PwWorkflows.Engine.Studio.StudioPermissions;

namespace PwWorkflows.Engine.Studio;

/// <summary>Running workflows, now or soon, and trying out one activity.</summary>
internal static class RunEndpoints
{
    private const int MostAtOnce = 1000;
    private static readonly Type[] HandsOver = [typeof(PublishEvent), typeof(RunTask), typeof(DispatchWorkflow)];

    public static void Map(IEndpointRouteBuilder api)
    {
        api.MapPost("/workflow-definitions/{definitionId}/execute", static async (string definitionId, HttpContext http, Starter starter, CancellationToken ct) =>
        {
            var (body, problem) = await StudioJson.ReadAsync(http.Request, ct);
            return problem ?? await ExecuteAsync(definitionId, body, http, starter, ct);
        }).RequirePermission(P.ExecuteDefinitions);
        api.MapGet("/workflow-definitions/{definitionId}/execute", ExecuteByQueryAsync).RequirePermission(P.ExecuteDefinitions);
        api.MapPost("/workflow-definitions/{definitionId}/dispatch", DispatchAsync).RequirePermission(P.ExecuteDefinitions);
        api.MapPost("/workflow-definitions/{definitionId}/bulk-dispatch", BulkDispatchAsync).RequirePermission(P.ExecuteDefinitions);
        api.MapPost("/tests/activities", TestAsync).RequirePermission(P.ExecuteTests);
    }

    /// <summary>What starting needs.</summary>
    internal sealed class Starter(IEngineStore store, WorkflowCatalog catalog, InstanceRunner runner, QueueWorker queue, IHttpContextAccessor accessor, TimeProvider time)
    {
        public IEngineStore Store => store;

        /// <summary>The version that is asked for; the published one when none is named.</summary>
        public async Task<(CompiledWorkflow? Workflow, IResult? Problem)> FindAsync(string definitionId, JsonObject body, CancellationToken ct)
        {
            try
            {
                return (await catalog.ResolveAsync(WorkflowDefinitionHandle.ByDefinitionId(definitionId, DefinitionModels.Versions(body.Text("versionOptions")) ?? VersionOptions.Published), ct), null);
            }
            catch (WorkflowNotFoundException)
            {
                return (null, Results.NotFound());
            }
            catch (Exception e) when (e is DefinitionFormatException or FormatException)
            {
                return (null, StudioJson.Wrong(e.Message));
            }
        }

        /// <summary>Runs the first burst of a new instance to its commit. Activities must not take the API's own request for one that a workflow answers.</summary>
        public Task<RunOutcome> RunAsync(CompiledWorkflow workflow, StartArguments start)
        {
            return Task.Run(() =>
            {
                accessor.HttpContext = null;
                return runner.StartAsync(workflow, start, CancellationToken.None);
            });
        }

        /// <summary>What the request says, and who sends it: no input can name another starter.</summary>
        public StartArguments Arguments(JsonObject body, HttpContext http, string? instanceId = null) => new(
            instanceId ?? Ids.Row(time.GetUtcNow()), Given(body, "correlationId"), Map(body["input"]), TriggerActivityId: Given(body, "triggerActivityId") ?? (body["activityHandle"] as JsonObject)?.Text("activityId"),
            Name: Given(body, "name"), Properties: http.User.Identity?.Name is { } user ? new Dictionary<string, object?> { [StartArguments.StartedBy] = user } : null, Variables: Map(body["variables"]));

        /// <summary>Stores starts; each instance has its id already.</summary>
        public async Task<IReadOnlyList<string>> DispatchAsync(CompiledWorkflow workflow, IReadOnlyList<StartArguments> starts, CancellationToken ct)
        {
            await queue.EnqueueHereAsync(
                [.. starts.Select(s => WorkItems.Start(s.InstanceId, new WorkItems.StartPayload(workflow.DefinitionId, workflow.Workflow.VersionId, s.Input, null, null, s.TriggerActivityId, s.Name, s.Properties), s.CorrelationId, time))], ct);
            return [.. starts.Select(s => s.InstanceId)];
        }

        private static string? Given(JsonObject body, string name) => body.Text(name) is { Length: > 0 } text ? text : null;

        private static IDictionary<string, object?>? Map(JsonNode? node) => node is JsonObject o ? o.ToDictionary(p => p.Key, p => PlainObjectConverter.ToPlain(p.Value)) : null;
    }

    private static Task<IResult> ExecuteByQueryAsync(string definitionId, HttpContext http, Starter starter, CancellationToken ct)
    {
        var body = new JsonObject(new JsonNodeOptions { PropertyNameCaseInsensitive = true });
        foreach (var name in (string[])["correlationId", "triggerActivityId", "versionOptions", "name"])
            if (http.Request.Query.Text(name) is { } text) body[name] = text;
        foreach (var name in (string[])["input", "variables"])
            if (http.Request.Query.Text(name) is { } json)
                try
                {
                    body[name] = JsonNode.Parse(json);
                }
                catch (System.Text.Json.JsonException e)
                {
                    return Task.FromResult(StudioJson.Wrong($"{name}: {e.Message}"));
                }
        return ExecuteAsync(definitionId, body, http, starter, ct);
    }

    private static async Task<IResult> ExecuteAsync(string definitionId, JsonObject body, HttpContext http, Starter starter, CancellationToken ct)
    {
        var (workflow, problem) = await starter.FindAsync(definitionId, body, ct);
        if (workflow is null) return problem!;
        var outcome = await starter.RunAsync(workflow, starter.Arguments(body, http));
        http.Response.Headers["x-elsa-workflow-cannot-start"] = outcome.CannotStart ? "True" : "False";
        http.Response.Headers.AccessControlExposeHeaders = "x-elsa-workflow-instance-id, x-elsa-workflow-cannot-start, x-elsa-response";
        if (outcome.CannotStart) return Results.Ok();
        http.Response.Headers["x-elsa-workflow-instance-id"] = outcome.InstanceId;
        var faulted = outcome.SubStatus == WorkflowSubStatus.Faulted;
        if (!faulted) http.Response.Headers["x-elsa-response"] = "true";
        var row = await starter.Store.GetInstanceAsync(outcome.InstanceId, ct);
        return StudioJson.Ok(new { workflowState = row is null ? null : InstanceModels.State(row) }, faulted ? StatusCodes.Status500InternalServerError : StatusCodes.Status200OK);
    }

    private static async Task<IResult> DispatchAsync(string definitionId, HttpContext http, Starter starter, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(http.Request, ct);
        if (problem is not null) return problem;
        (var workflow, problem) = await starter.FindAsync(definitionId, body, ct);
        if (workflow is null) return problem!;
        var id = body.Text("instanceId") is { Length: > 0 } given ? given : null;
        if (id is not null && await starter.Store.GetInstanceAsync(id, ct) is not null) return StudioJson.Wrong($"There is an instance {id} already.");
        return StudioJson.Ok(new { workflowInstanceId = (await starter.DispatchAsync(workflow, [starter.Arguments(body, http, id)], ct))[0] });
    }

    private static async Task<IResult> BulkDispatchAsync(string definitionId, HttpContext http, Starter starter, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(http.Request, ct);
        if (problem is not null) return problem;
        var count = body.Number("count") ?? 1;
        if (count is < 1 or > MostAtOnce) return StudioJson.Wrong($"count must be 1 to {MostAtOnce}.");
        (var workflow, problem) = await starter.FindAsync(definitionId, body, ct);
        if (workflow is null) return problem!;
        return StudioJson.Ok(new { workflowInstanceIds = await starter.DispatchAsync(workflow, [.. Enumerable.Range(0, count).Select(_ => starter.Arguments(body, http))], ct) });
    }

    /// <summary>Runs one activity by itself, in memory; nothing of it is stored. What changes something outside is not tried out: it would really happen.</summary>
    private static async Task<IResult> TestAsync(
        HttpRequest request, DefinitionPublisher publisher, DefinitionReader reader, WorkflowRunner runner, StudioOptions options, IServiceScopeFactory scopes, IHttpContextAccessor accessor, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        var (handle, activityHandle) = (body["workflowDefinitionHandle"] as JsonObject ?? [], body["activityHandle"] as JsonObject ?? []);
        DefinitionRow? row;
        Workflow workflow;
        try
        {
            row = handle.Text("definitionVersionId") is { Length: > 0 } version ? await publisher.FindVersionAsync(version, ct)
                : handle.Text("definitionId") is { Length: > 0 } definition ? await publisher.FindAsync(definition, DefinitionModels.Versions(handle.Text("versionOptions")) ?? VersionOptions.Latest, ct) : null;
            if (row is null) return Results.NotFound();
            workflow = reader.Read(row.Content);
        }
        catch (Exception e) when (e is DefinitionFormatException or FormatException)
        {
            return StudioJson.Wrong(e.Message);
        }
        var compiled = CompiledWorkflow.Compile(workflow, row.ContentHash);
        var wanted = (Node: activityHandle.Text("activityNodeId"), Id: activityHandle.Text("activityId"));
        if (compiled.Nodes.FirstOrDefault(n => wanted.Node is { Length: > 0 } ? n.NodeId == wanted.Node : n.Activity.Id == wanted.Id) is not { } node) return Results.NotFound();
        if (Below(node).FirstOrDefault(n => ChangesOutside(n.Class, options)) is { } outside)
            return StudioJson.Wrong($"{outside.Class.Descriptor.DisplayName} changes something outside of the workflow, so it can't be tried out by itself. Run the workflow instead.");
        await using var scope = scopes.CreateAsyncScope();
        accessor.HttpContext = null;
        var alone = CompiledWorkflow.Compile(new Workflow(node.Activity)
        {
            Id = "Workflow1",
            DefinitionId = row.DefinitionId,
            VersionId = row.Id,
            DefinitionVersion = row.Version,
            DefinitionName = row.Name,
            Variables = [.. Around(node).SelectMany(n => (n.Activity as IVariableContainer)?.Variables ?? [])],
            Inputs = workflow.Inputs,
            Outputs = workflow.Outputs,
        }, row.ContentHash);
        var wf = runner.Create(alone, scope.ServiceProvider, Ids.Part(), ct);
        wf.FirstVariables = TestValues(workflow, row.Content);
        await runner.StartAsync(wf);
        var seen = wf.Journal.Seen(node.Activity.Id);
        return StudioJson.Ok(new
        {
            activityState = seen?.State ?? new Dictionary<string, object>(),
            outputs = seen?.Outputs ?? [],
            payload = seen?.Payload ?? [],
            exception = seen?.Exception,
            status = (seen?.Status is null or ActivityStatus.Pending ? ActivityStatus.Running : seen.Status).ToString(),
        });
    }

    // What hands work to the engine has no kind in Elsa, and its work would be lost with the run that nobody commits.
    private static bool ChangesOutside(ActivityClass activity, StudioOptions options) =>
        activity.Descriptor.Kind is ActivityKind.Task or ActivityKind.Job || HandsOver.Contains(activity.ClrType) || !options.MayTryOut(activity.ClrType);

    private static IEnumerable<ActivityNode> Below(ActivityNode node) => node.Children.SelectMany(Below).Prepend(node);

    private static IEnumerable<ActivityNode> Around(ActivityNode node)
    {
        for (var at = node.Parent; at is not null; at = at.Parent) yield return at;
    }

    /// <summary>Values that the designer keeps for trying out, by the names of the variables.</summary>
    private static Dictionary<string, object?> TestValues(Workflow workflow, string content)
    {
        var values = new Dictionary<string, object?>();
        if (DefinitionJson.Parse(content)["customProperties"]?["VariableTestValues"] is JsonObject test)
            foreach (var variable in workflow.Variables)
                if (test[variable.Id] is { } value) values[variable.Name] = PlainObjectConverter.ToPlain(value);
        return values;
    }
}
