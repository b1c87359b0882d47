using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Studio;

internal sealed record InstanceSummary(
    string Id, string DefinitionId, string DefinitionVersionId, int Version, string Status, string SubStatus, string? CorrelationId, string? Name, int IncidentCount,
    DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, DateTimeOffset? FinishedAt);

/// <summary>
/// Ids of executions as the API gives them: that of the instance is part of it, because Studio asks for one execution by its id alone and executions are kept within the instance's journal.
/// </summary>
internal static class ExecutionIds
{
    public static string Outer(string instanceId, string executionId) => $"{instanceId}-{executionId}";

    /// <summary>The instance and its execution; null when the text is no such id.</summary>
    public static (string InstanceId, string ExecutionId)? Parse(string? id) =>
        id is not null && id.LastIndexOf('-') is var cut && cut > 0 && cut < id.Length - 1 ? (id[..cut], id[(cut + 1)..]) : null;

    /// <summary>The execution alone, of an id with or without its instance.</summary>
    public static string? Inner(string? id) => Parse(id)?.ExecutionId ?? id;
}

/// <summary>Instances as the viewer reads them.</summary>
internal static class InstanceModels
{
    public static string Status(InstanceStatus status) => status is InstanceStatus.Finished or InstanceStatus.Faulted or InstanceStatus.Cancelled ? "Finished" : "Running";

    public static string SubStatus(InstanceStatus status) => status switch
    {
        InstanceStatus.Running => "Executing",
        InstanceStatus.Parked => "Interrupted",
        _ => status.ToString(),
    };

    /// <summary>The states that a status of Studio's filter means; null when the text is none.</summary>
    public static IReadOnlyList<InstanceStatus>? ByStatus(string text) => text.ToUpperInvariant() switch
    {
        "RUNNING" => [InstanceStatus.Pending, InstanceStatus.Running, InstanceStatus.Suspended, InstanceStatus.Parked],
        "FINISHED" => [InstanceStatus.Finished, InstanceStatus.Faulted, InstanceStatus.Cancelled],
        _ => null,
    };

    /// <summary>The states that a sub-status of Studio's filter means; null when the text is none.</summary>
    public static IReadOnlyList<InstanceStatus>? BySubStatus(string text) =>
        Enum.GetValues<InstanceStatus>().Where(s => string.Equals(SubStatus(s), text, StringComparison.OrdinalIgnoreCase)).ToList() is { Count: > 0 } found ? found : null;

    public static InstanceSummary Summary(InstanceRow row) =>
        new(row.Id, row.DefinitionId, row.DefinitionVersionId, row.Version, Status(row.Status), SubStatus(row.Status), row.CorrelationId, row.Name, row.IncidentCount, row.CreatedAt, row.UpdatedAt, row.FinishedAt);

    /// <summary>The instance with its state.</summary>
    public static JsonObject Model(InstanceRow row)
    {
        var model = new JsonObject
        {
            ["id"] = row.Id,
            ["definitionId"] = row.DefinitionId,
            ["definitionVersionId"] = row.DefinitionVersionId,
            ["version"] = row.Version,
        };
        if (row.ParentInstanceId is not null) model["parentWorkflowInstanceId"] = row.ParentInstanceId;
        model["workflowState"] = State(row);
        model["status"] = Status(row.Status);
        model["subStatus"] = SubStatus(row.Status);
        model["isExecuting"] = row.Status == InstanceStatus.Running;
        if (row.CorrelationId is not null) model["correlationId"] = row.CorrelationId;
        if (row.Name is not null) model["name"] = row.Name;
        model["incidentCount"] = row.IncidentCount;
        model["isSystem"] = false;
        model["createdAt"] = row.CreatedAt;
        model["updatedAt"] = row.UpdatedAt;
        if (row.FinishedAt is { } finished) model["finishedAt"] = finished;
        return model;
    }

    /// <summary>The state as the contract has it: what is only for the engine left out, what it leaves out put in.</summary>
    public static JsonObject State(InstanceRow row)
    {
        var state = Raw(row);
        string Outer(JsonNode? id) => ExecutionIds.Outer(row.Id, id!.GetValue<string>());
        state["status"] = Status(row.Status);
        state["subStatus"] = SubStatus(row.Status);
        state["isExecuting"] = row.Status == InstanceStatus.Running;
        state["isSystem"] = false;
        foreach (var bookmark in Items(state, "bookmarks")) bookmark["activityInstanceId"] = Outer(bookmark["activityInstanceId"]);
        foreach (var incident in Items(state, "incidents"))
        {
            incident.Remove("activityInstanceId");
            LeaveOutNulls(incident);
        }
        foreach (var callback in Items(state, "completionCallbacks"))
        {
            callback["ownerInstanceId"] = Outer(callback["ownerInstanceId"]);
            callback.Remove("childInstanceId");
        }
        var contexts = Items(state, "activityExecutionContexts").ToList();
        var depths = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var context in contexts)
        {
            var depth = DefinitionJson.Text(context, "parentContextId") is { } parent ? depths.GetValueOrDefault(parent) + 1 : 0;
            depths[DefinitionJson.Text(context, "id")!] = depth;
            context["id"] = Outer(context["id"]);
            if (context["parentContextId"] is { } p) context["parentContextId"] = Outer(p);
            context["callStackDepth"] = depth;
            context["metadata"] = new JsonObject();
            context["isExecuting"] ??= false;
            context["dynamicVariables"] ??= new JsonArray();
            foreach (var own in (string[])["attempt", "tag", "executingCallback"]) context.Remove(own);
        }
        // The newest first, as a stock server has them.
        state["activityExecutionContexts"] = new JsonArray([.. Enumerable.Reverse(contexts).Select(c => c.DeepClone())]);
        return state;
    }

    /// <summary>The state as the engine stores it.</summary>
    public static JsonObject Raw(InstanceRow row) => JsonNode.Parse(row.State.Span)!.AsObject();

    /// <summary>Values of the workflow's variables that are kept, by the ids of the variables.</summary>
    public static JsonObject? Variables(JsonObject state) =>
        Items(state, "activityExecutionContexts").FirstOrDefault(c => c["parentContextId"] is null)?["properties"]?["Variables"] as JsonObject;

    private static void LeaveOutNulls(JsonObject o)
    {
        foreach (var (name, value) in o.ToList())
            if (value is null) o.Remove(name);
            else if (value is JsonObject inner) LeaveOutNulls(inner);
    }

    private static IEnumerable<JsonObject> Items(JsonObject o, string name) => (o[name] as JsonArray)?.OfType<JsonObject>() ?? [];
}
