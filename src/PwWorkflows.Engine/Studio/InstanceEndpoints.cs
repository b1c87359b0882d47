using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Nodes;
using Elsa.Common.Models;
using Elsa.Expressions.Helpers;
using Elsa.Workflows.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Scheduling;
using PwWorkflows.Engine.Storage;
using P = PwWorkflows.Engine.Studio.StudioPermissions;

namespace PwWorkflows.Engine.Studio;

/// <summary>Looking at instances and their history, and moving them on.</summary>
internal static class InstanceEndpoints
{
    private const string Download = "application/octet-stream";
    private const int LongestPage = 1000;
    private const int ExactCountLimit = 2_000;

    public static void Map(IEndpointRouteBuilder api)
    {
        api.MapPost("/workflow-instances", ListByBodyAsync).RequirePermission(P.ReadInstances);
        api.MapGet("/workflow-instances", ListByQueryAsync).RequirePermission(P.ReadInstances);
        api.MapGet("/workflow-instances/{id}", static async (string id, IEngineStore store, CancellationToken ct) =>
            await store.GetInstanceAsync(id, ct) is { } row ? StudioJson.Ok(InstanceModels.Model(row)) : Results.NotFound()).RequirePermission(P.ReadInstances);
        api.MapGet("/workflow-instances/{id}/execution-state", static async (string id, IEngineStore store, CancellationToken ct) =>
            await store.GetInstanceAsync(id, ct) is { } row
                ? StudioJson.Ok(new { status = InstanceModels.Status(row.Status), subStatus = InstanceModels.SubStatus(row.Status), updatedAt = row.UpdatedAt })
                : Results.NotFound()).RequirePermission(P.ReadInstances);
        api.MapMethods("/workflow-instances/{id}/journal", ["GET", "POST"], JournalAsync).RequirePermission(P.ReadInstances);
        api.MapGet("/workflow-instances/{id}/journal/{activityId}", LastEntryAsync).RequirePermission(P.ReadInstances);
        api.MapGet("/workflow-instances/{id}/variables", static async (string id, IEngineStore store, WorkflowCatalog catalog, CancellationToken ct) =>
            await store.GetInstanceAsync(id, ct) is { } row ? StudioJson.List(await VariablesAsync(row, catalog, ct)) : Results.NotFound()).RequirePermission(P.ReadInstances);
        api.MapPost("/workflow-instances/{id}/variables", SetVariablesAsync).RequirePermission(P.WriteInstances);

        api.MapPost("/cancel/workflow-instances/{id}", static async (string id, InstanceCommands commands, CancellationToken ct) =>
        {
            await commands.CancelAsync(id, ct);
            return Results.Ok();
        }).RequirePermission(P.CancelInstances);
        api.MapPost("/bulk-actions/cancel/workflow-instances", BulkCancelAsync).RequirePermission(P.CancelInstances);
        api.MapPost("/retry/workflow-instances/{id}", static async (string id, InstanceCommands commands, CancellationToken ct) => await commands.RetryAsync(id, ct) switch
        {
            null => Results.NotFound(),
            true => Results.Ok(),
            false => StudioJson.Wrong("Only a faulted or interrupted instance can be retried."),
        }).RequirePermission(P.WriteInstances);
        api.MapPost("/bulk-actions/retry/workflow-instances", BulkRetryAsync).RequirePermission(P.WriteInstances);
        api.MapDelete("/workflow-instances/{id}", static async (string id, IEngineStore store, CancellationToken ct) =>
            await store.DeleteInstancesAsync([id], ct) > 0 ? Results.NoContent() : Results.NotFound()).RequirePermission(P.DeleteInstances);
        api.MapPost("/bulk-actions/delete/workflow-instances/by-id", static async (HttpRequest request, IEngineStore store, CancellationToken ct) =>
        {
            var (body, problem) = await StudioJson.ReadAsync(request, ct);
            return problem ?? StudioJson.Ok(new { deleted = await store.DeleteInstancesAsync(body.Texts("ids") ?? [], ct) });
        }).RequirePermission(P.DeleteInstances);
        api.MapGet("/workflow-instances/{id}/export", static async (string id, IEngineStore store, CancellationToken ct) =>
            await store.GetInstanceAsync(id, ct) is { } row ? Results.File(Export(row), Download, FileName(row)) : Results.NotFound()).RequirePermission(P.ReadInstances);
        api.MapPost("/bulk-actions/export/workflow-instances", BulkExportAsync).RequirePermission(P.ReadInstances);
        api.MapPost("/bulk-actions/import/workflow-instances", ImportAsync).RequirePermission(P.WriteInstances);

        api.MapGet("/activity-executions/list", (HttpRequest request, IEngineStore store, CancellationToken ct) =>
            HistoryAsync(request, store, static (h, node, activity, completed) => StudioJson.List(h.Records(node, activity, completed).ToList()), ct)).RequirePermission(P.ReadActivityExecution);
        api.MapGet("/activity-execution-summaries/list", (HttpRequest request, IEngineStore store, CancellationToken ct) =>
            HistoryAsync(request, store, static (h, node, activity, completed) => StudioJson.List(h.Summaries(node, activity, completed).ToList()), ct)).RequirePermission(P.ReadActivityExecution);
        api.MapGet("/activity-executions/count", (HttpRequest request, IEngineStore store, CancellationToken ct) =>
            HistoryAsync(request, store, static (h, node, activity, completed) => StudioJson.Ok(new { count = h.Summaries(node, activity, completed).Count() }), ct)).RequirePermission(P.ReadActivityExecution);
        api.MapPost("/activity-executions/report", ReportAsync).RequirePermission(P.ReadActivityExecution);
        api.MapGet("/activity-executions/by-id", (HttpRequest request, IEngineStore store, CancellationToken ct) => ExecutionAsync(request.Query.Text("id"), store, ct)).RequirePermission(P.ReadActivityExecution);
        api.MapGet("/activity-executions/{id}", ExecutionAsync).RequirePermission(P.ReadActivityExecution);
        api.MapGet("/activity-executions/{id}/call-stack", CallStackAsync).RequirePermission(P.ReadActivityExecution);

        api.MapPost("/events/{eventName}/trigger", TriggerAsync).RequirePermission(P.TriggerEvents);
        api.MapPost("/tasks/{taskId}/complete", CompleteTaskAsync).RequirePermission(P.CompleteTasks);
    }

    // ---- lists

    private static async Task<IResult> ListByBodyAsync(HttpRequest request, IEngineStore store, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        return problem ?? await ListAsync(body, store, ct);
    }

    /// <summary>The same conditions in the query: one value or several of a name.</summary>
    private static Task<IResult> ListByQueryAsync(HttpRequest request, IEngineStore store, CancellationToken ct)
    {
        var body = new JsonObject(new JsonNodeOptions { PropertyNameCaseInsensitive = true });
        foreach (var (name, values) in request.Query)
            body[name] = name.ToUpperInvariant() is "DEFINITIONIDS" or "STATUSES" or "SUBSTATUSES" or "CORRELATIONIDS" or "IDS" ? new JsonArray([.. values.Select(v => (JsonNode?)v)]) : values.ToString();
        return ListAsync(body, store, ct);
    }

    private static async Task<IResult> ListAsync(JsonObject body, IEngineStore store, CancellationToken ct)
    {
        var (page, size) = (body.Number("page") ?? 0, body.Number("pageSize") ?? 100);
        var problems = new List<string>();
        if (page < 0) problems.Add("page must be 0 or more.");
        if (size is < 1 or > LongestPage) problems.Add($"pageSize must be 1 to {LongestPage}.");
        if ((long)page * size > int.MaxValue) problems.Add("page is too far back.");
        HashSet<InstanceStatus>? statuses = null;
        Narrow("status", "statuses", InstanceModels.ByStatus);
        Narrow("subStatus", "subStatuses", InstanceModels.BySubStatus);
        var times = new List<InstanceTimeCondition>();
        foreach (var filter in (body["timestampFilters"] as JsonArray)?.OfType<JsonObject>() ?? [])
        {
            var column = filter.Text("column") switch { "CreatedAt" => InstanceTime.Created, "UpdatedAt" => InstanceTime.Updated, "FinishedAt" => InstanceTime.Finished, _ => (InstanceTime?)null };
            var known = Enum.TryParse<TimeComparison>(filter.Text("operator"), ignoreCase: true, out var comparison);
            var read = DateTimeOffset.TryParse(filter.Text("timestamp"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at);
            if (column is null) problems.Add($"timestampFilters: expected the column CreatedAt, UpdatedAt or FinishedAt, found '{filter.Text("column")}'.");
            if (!known) problems.Add($"timestampFilters: expected the operator {string.Join(", ", Enum.GetNames<TimeComparison>())}, found '{filter.Text("operator")}'.");
            if (!read) problems.Add($"timestampFilters: expected a time such as 2026-01-31T09:00:00+00:00, found '{filter.Text("timestamp")}'.");
            if (column is { } c && known && read) times.Add(new InstanceTimeCondition(c, comparison, at.ToUniversalTime()));
        }
        var order = body.Text("orderBy")?.ToUpperInvariant() switch
        {
            null or "" or "CREATED" => InstanceOrder.Created,
            "LASTEXECUTED" or "UPDATEDAT" => InstanceOrder.Updated,
            "FINISHED" => InstanceOrder.Finished,
            "NAME" => InstanceOrder.Name,
            _ => (InstanceOrder?)null,
        };
        if (order is null) problems.Add($"orderBy: expected Created, LastExecuted, UpdatedAt, Finished or Name, found '{body.Text("orderBy")}'.");
        if (problems.Count > 0) return StudioJson.Wrong(problems);
        if (body.Flag("isSystem") == true) return StudioJson.Ok(new { items = Array.Empty<InstanceSummary>(), totalCount = 0 });
        var definitions = body.Texts("definitionIds");
        if (body.Text("definitionId") is { Length: > 0 } definition) definitions = definitions is null || definitions.Contains(definition) ? [definition] : [];
        var filterBy = new InstanceFilter(
            DefinitionIds: definitions, Statuses: statuses, CorrelationId: body.Text("correlationId") is { Length: > 0 } correlation ? correlation : null, ParentInstanceId: body.Texts("parentWorkflowInstanceIds")?[0],
            HasIncidents: body.Flag("hasIncidents"), SearchTerm: body.Text("searchTerm")?.Trim() is { Length: > 0 } term ? term : null, Version: body.Number("version"), Times: times.Count > 0 ? times : null);
        var (items, total) = await store.ListInstancesAsync(filterBy, page * size, size, ct, order!.Value, !string.Equals(body.Text("orderDirection"), "Ascending", StringComparison.OrdinalIgnoreCase));
        return StudioJson.Ok(new { items = items.Select(InstanceModels.Summary), totalCount = total });

        void Narrow(string one, string many, Func<string, IReadOnlyList<InstanceStatus>?> mean)
        {
            var texts = (body.Texts(many) ?? []).Append(body.Text(one)).Where(t => !string.IsNullOrEmpty(t)).Select(t => t!).ToList();
            if (texts.Count == 0) return;
            foreach (var unknown in texts.Where(t => mean(t) is null)) problems.Add($"{one}: '{unknown}' is not known.");
            var meant = texts.SelectMany(t => mean(t) ?? []).ToHashSet();
            statuses = statuses is null ? meant : [.. statuses.Intersect(meant)];
        }
    }

    // ---- journal

    private static async Task<IResult> JournalAsync(string id, HttpRequest request, IEngineStore store, CancellationToken ct)
    {
        if (await store.GetInstanceAsync(id, ct) is not { } row) return Results.NotFound();
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        var (skip, take) = (request.Query.Number("skip") ?? 0, request.Query.Number("take") ?? 100);
        if (skip < 0 || take is < 0 or > LongestPage) return StudioJson.Wrong($"skip must not be negative, take must be 0 to {LongestPage}.");
        var filter = body["filter"] as JsonObject ?? [];
        var (activities, nodes, excluded, events) = (filter.Texts("activityIds"), filter.Texts("activityNodeIds"), filter.Texts("excludedActivityTypes"), filter.Texts("eventNames"));
        var all = InstanceModels.Raw(row)["executionLogSequence"]?.GetValue<long>() ?? 0;
        var items = new List<JournalRecord>();
        if (activities is null && nodes is null && excluded is null && events is null)
        {
            // Sequence numbers have no gaps: the page begins at one.
            await foreach (var segment in ExecutionHistory.SegmentsAsync(store, id, skip, ct))
            {
                items.AddRange(ExecutionHistory.Entries(segment).Where(e => e.Sequence >= skip).Take(take - items.Count));
                if (items.Count >= take) break;
            }
            return StudioJson.Ok(new { items, totalCount = all });
        }
        var matching = 0L;
        await foreach (var segment in ExecutionHistory.SegmentsAsync(store, id, 0, ct))
        {
            foreach (var entry in ExecutionHistory.Entries(segment))
            {
                if (activities?.Contains(entry.ActivityId) == false || nodes?.Contains(entry.NodeId) == false || excluded?.Contains(entry.ActivityType) == true || events?.Contains(entry.EventName) == false) continue;
                if (matching++ >= skip && items.Count < take) items.Add(entry);
            }
            // Nobody reads the last digit of a long journal's length: one more than shown makes the page go on.
            if (items.Count >= take && matching > skip + take && segment.LastSequence > ExactCountLimit) return StudioJson.Ok(new { items, totalCount = Math.Max(matching, all) });
        }
        return StudioJson.Ok(new { items, totalCount = matching });
    }

    private static async Task<IResult> LastEntryAsync(string id, string activityId, IEngineStore store, CancellationToken ct)
    {
        if (await store.GetInstanceAsync(id, ct) is not { } row) return Results.NotFound();
        JournalRecord? last = null;
        await foreach (var segment in ExecutionHistory.SegmentsAsync(store, id, 0, ct))
            last = ExecutionHistory.Entries(segment).LastOrDefault(e => e.ActivityId == activityId && e.EventName == "Started") ?? last;
        return last is null ? Results.NotFound() : StudioJson.Ok(new
        {
            workflowDefinitionId = row.DefinitionId,
            workflowDefinitionVersionId = row.DefinitionVersionId,
            workflowInstanceId = row.Id,
            workflowVersion = row.Version,
            last.ActivityInstanceId,
            last.ParentActivityInstanceId,
            last.ActivityId,
            last.ActivityType,
            last.ActivityTypeVersion,
            last.ActivityName,
            activityNodeId = last.NodeId,
            last.Timestamp,
            last.Sequence,
            last.EventName,
            last.Message,
            last.Source,
            last.Payload,
            last.Id,
        });
    }

    // ---- variables

    private sealed record VariableView(string Id, string Name, JsonNode? Value);

    private static async Task<List<VariableView>> VariablesAsync(InstanceRow row, WorkflowCatalog catalog, CancellationToken ct)
    {
        var workflow = (await catalog.GetVersionAsync(row.DefinitionVersionId, row, ct)).Workflow;
        var kept = InstanceModels.Variables(InstanceModels.Raw(row));
        return [.. workflow.Variables.Select(v => new VariableView(v.Id, v.Name, kept?[v.Id]?.DeepClone()))];
    }

    private static async Task<IResult> SetVariablesAsync(string id, HttpRequest request, IEngineStore store, InstanceCommands commands, WorkflowCatalog catalog, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        if (await store.GetInstanceAsync(id, ct) is not { } row) return Results.NotFound();
        var known = (await catalog.GetVersionAsync(row.DefinitionVersionId, row, ct)).Workflow.Variables.ToDictionary(v => v.Id);
        var (values, problems) = (new Dictionary<string, object?>(), new List<string>());
        foreach (var given in (body["variables"] as JsonArray)?.OfType<JsonObject>() ?? [])
        {
            if (given.Text("id") is not { } variable || !known.TryGetValue(variable, out var v))
            {
                problems.Add($"The workflow has no variable with id '{given.Text("id")}'.");
                continue;
            }
            try
            {
                values[variable] = ObjectConverter.ConvertTo(PlainObjectConverter.ToPlain(given["value"]), v.ValueType);
            }
            catch (Exception e) when (e is FormatException or InvalidCastException or JsonException or NotSupportedException or OverflowException or ArgumentException)
            {
                problems.Add($"{v.Name}: {e.Message}");
            }
        }
        if (problems.Count > 0) return StudioJson.Wrong(problems);
        if (!await commands.SetVariablesAsync(id, values, ct)) return StudioJson.Wrong("The instance has ended, or is running just now; its variables can't be set.");
        return await store.GetInstanceAsync(id, ct) is { } after ? StudioJson.List(await VariablesAsync(after, catalog, ct)) : Results.NotFound();
    }

    // ---- many at once

    private static async Task<IResult> BulkCancelAsync(HttpRequest request, IEngineStore store, InstanceCommands commands, DefinitionPublisher publisher, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        var ids = body.Texts("ids") ?? [];
        List<string>? versions = body.Text("definitionVersionId") is { Length: > 0 } version ? [version] : null;
        if (body.Text("definitionId") is { Length: > 0 } definition)
            try
            {
                var options = DefinitionModels.Versions(body.Text("versionOptions")) ?? VersionOptions.All;
                versions = [.. (await publisher.ListVersionsAsync(definition, ct)).Where(v => v.Matches(options)).Select(v => v.Id)];
            }
            catch (FormatException e)
            {
                return StudioJson.WrongField("versionOptions", e.Message);
            }
        if (versions is not null)
        {
            var living = new InstanceFilter(DefinitionVersionIds: versions, Statuses: InstanceModels.ByStatus("Running"));
            // Read before any of them is cancelled: pages would move under the hands.
            for (var skip = 0; ; skip += LongestPage)
            {
                var (items, _) = await store.ListInstancesAsync(living, skip, LongestPage, ct);
                ids.AddRange(items.Select(i => i.Id));
                if (items.Count < LongestPage) break;
            }
        }
        var cancelled = 0;
        foreach (var id in ids.Distinct(StringComparer.Ordinal))
            if (await commands.CancelAsync(id, ct)) cancelled++;
        return StudioJson.Ok(new { cancelled });
    }

    private static async Task<IResult> BulkRetryAsync(HttpRequest request, InstanceCommands commands, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        var retried = 0;
        foreach (var id in (body.Texts("ids") ?? []).Distinct(StringComparer.Ordinal))
            if (await commands.RetryAsync(id, ct) == true) retried++;
        return StudioJson.Ok(new { retried });
    }

    // ---- files

    private static string FileName(InstanceRow row) => $"workflow-instance-{row.Id}.json";

    private static byte[] Export(InstanceRow row) => JsonSerializer.SerializeToUtf8Bytes(
        new JsonObject { ["WorkflowState"] = InstanceModels.Raw(row), ["Bookmarks"] = null, ["ActivityExecutionRecords"] = null, ["WorkflowExecutionLogRecords"] = null }, StudioJson.Options);

    private static async Task<IResult> BulkExportAsync(HttpRequest request, IEngineStore store, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        using var buffer = new MemoryStream();
        var count = 0;
        using (var zip = new ZipArchive(buffer, ZipArchiveMode.Create, leaveOpen: true))
            foreach (var id in (body.Texts("ids") ?? []).Distinct(StringComparer.Ordinal))
                if (await store.GetInstanceAsync(id, ct) is { } row)
                {
                    using var entry = zip.CreateEntry(FileName(row)).Open();
                    entry.Write(Export(row));
                    count++;
                }
        return count == 0 ? Results.NoContent() : Results.File(buffer.ToArray(), Download, "workflow-instances.zip");
    }

    private static async Task<IResult> ImportAsync(HttpRequest request, InstanceCommands commands, CancellationToken ct)
    {
        if (!request.HasFormContentType) return StudioJson.WrongField("files", "Expected a form with JSON or zip files.");
        var imported = 0;
        var problems = new List<string>();
        foreach (var (name, json) in await StudioFiles.ReadAsync((await request.ReadFormAsync(ct)).Files, problems, ct))
            if (await commands.ImportAsync(json, ct) is { } wrong) problems.Add($"{name}: {wrong}");
            else imported++;
        return problems.Count > 0 ? StudioJson.WrongField("files", problems) : StudioJson.Ok(new { imported, count = imported });
    }

    // ---- executions

    private static async Task<IResult> HistoryAsync(HttpRequest request, IEngineStore store, Func<ExecutionHistory, string?, string?, bool?, IResult> answer, CancellationToken ct)
    {
        var q = request.Query;
        if (q.Text("workflowInstanceId") is not { } id) return StudioJson.WrongField("workflowInstanceId", "is required; expected the id of an instance.");
        if (await store.GetInstanceAsync(id, ct) is not { } row) return Results.NotFound();
        return answer(await ExecutionHistory.ReadAsync(store, row, ct), q.Text("activityNodeId"), q.Text("activityId"), q.Flag("completed"));
    }

    private static async Task<IResult> ReportAsync(HttpRequest request, IEngineStore store, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        if (body.Text("workflowInstanceId") is not { Length: > 0 } id) return StudioJson.WrongField("workflowInstanceId", "is required; expected the id of an instance.");
        if (await store.GetInstanceAsync(id, ct) is not { } row) return StudioJson.Ok(new { stats = Array.Empty<ExecutionStats>() });
        return StudioJson.Ok(new { stats = (await ExecutionHistory.ReadAsync(store, row, ct)).Stats(body.Texts("activityNodeIds")?.ToHashSet(StringComparer.Ordinal) ?? []) });
    }

    private static async Task<IResult> ExecutionAsync(string? id, IEngineStore store, CancellationToken ct) =>
        ExecutionIds.Parse(id) is var (instance, execution) && await store.GetInstanceAsync(instance, ct) is { } row && (await ExecutionHistory.ReadAsync(store, row, ct)).Find(execution) is { } found
            ? StudioJson.Ok(found) : Results.NotFound();

    private static async Task<IResult> CallStackAsync(string id, HttpRequest request, IEngineStore store, CancellationToken ct)
    {
        if (ExecutionIds.Parse(id) is not var (instance, execution) || await store.GetInstanceAsync(instance, ct) is not { } row
            || (await ExecutionHistory.ReadAsync(store, row, ct)).CallStack(execution) is not { } stack) return Results.NotFound();
        var (skip, take) = (request.Query.Number("skip"), request.Query.Number("take"));
        return StudioJson.Ok(new { activityExecutionId = id, items = stack.Skip(skip ?? 0).Take(take ?? int.MaxValue), totalCount = stack.Count, skip, take });
    }

    // ---- stimuli

    private static async Task<IResult> TriggerAsync(string eventName, HttpRequest request, IEventPublisher events, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        await events.PublishAsync(eventName, Given("correlationId"), Given("workflowInstanceId"), ExecutionIds.Inner(Given("activityInstanceId")), PlainObjectConverter.ToPlain(body["input"]),
            !string.Equals(body.Text("workflowExecutionMode"), "Synchronous", StringComparison.OrdinalIgnoreCase), ct);
        return Results.Ok();

        string? Given(string name) => body.Text(name) is { Length: > 0 } text ? text : null;
    }

    private static async Task<IResult> CompleteTaskAsync(string taskId, HttpRequest request, ITaskReporter tasks, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        await tasks.ReportCompletionAsync(taskId, PlainObjectConverter.ToPlain(body["result"]), ct);
        return Results.Ok();
    }
}
