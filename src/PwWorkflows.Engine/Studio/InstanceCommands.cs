using System.Text.Json;
using System.Text.Json.Nodes;
using Elsa.Workflows.Models;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Scheduling;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Studio;

/// <summary>What people do to instances. Each is done when the call returns, so that the page that asks next shows it.</summary>
internal sealed class InstanceCommands(IEngineStore store, QueueWorker queue, InstanceRunner runner, WorkflowCatalog catalog, EngineOptions options, TimeProvider time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>Cancels an instance; false when there is none or it has ended.</summary>
    public async Task<bool> CancelAsync(string id, CancellationToken ct)
    {
        if (await store.GetInstanceAsync(id, ct) is not { } row || InstanceModels.Status(row.Status) == "Finished") return false;
        await queue.RunAndWaitAsync(Item(row, WorkKind.Cancel), ct);
        return true;
    }

    /// <summary>Runs a faulted or parked instance on from where it failed; null when there is none, false when it is neither.</summary>
    public async Task<bool?> RetryAsync(string id, CancellationToken ct)
    {
        if (await store.GetInstanceAsync(id, ct) is not { } row) return null;
        if (row.Status is not (InstanceStatus.Faulted or InstanceStatus.Parked)) return false;
        // It may run for long: stored is enough.
        await queue.EnqueueHereAsync([Item(row, WorkKind.Retry)], ct);
        return true;
    }

    /// <summary>Sets variables of a living instance, by their ids; false when it has ended or does not pause.</summary>
    public async Task<bool> SetVariablesAsync(string id, IReadOnlyDictionary<string, object?> values, CancellationToken ct)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            var outcome = await runner.UpdateAsync(id, wf =>
            {
                var root = wf.Contexts.First(c => c.ParentActivityExecutionContext is null);
                foreach (var (variable, value) in values)
                    if (root.ExpressionExecutionContext.Memory.TryGetBlock(variable, out var block)) block.Value = value;
            }, ct);
            if (outcome is not null) return outcome.Matched;
            // Somebody runs it now; most bursts are short.
            if (time.GetElapsedTime(began) > Patience) return false;
            await Task.Delay(Pause, time, ct);
        }
    }

    /// <summary>Stores an exported instance; what is wrong with it, or null.</summary>
    public async Task<string?> ImportAsync(string json, CancellationToken ct)
    {
        JsonObject state;
        try
        {
            state = JsonNode.Parse(json, new JsonNodeOptions { PropertyNameCaseInsensitive = true })?["WorkflowState"] as JsonObject ?? throw new JsonException("Expected an object with a WorkflowState.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            return e.Message;
        }
        if (DefinitionJson.Text(state, "id") is not { Length: > 0 } id || DefinitionJson.Text(state, "definitionVersionId") is not { } versionId) return "Expected id and definitionVersionId.";
        if (await store.GetInstanceAsync(id, ct) is not null) return $"There is an instance {id} already.";
        if (await store.GetDefinitionVersionAsync(versionId, ct) is not { } definition) return $"Its workflow version {versionId} is not here.";
        if (!Enum.TryParse<Elsa.Workflows.WorkflowSubStatus>(DefinitionJson.Text(state, "subStatus"), out var subStatus)) return $"Its subStatus '{DefinitionJson.Text(state, "subStatus")}' is not known.";
        var now = time.GetUtcNow();
        var status = subStatus switch
        {
            Elsa.Workflows.WorkflowSubStatus.Finished => InstanceStatus.Finished,
            Elsa.Workflows.WorkflowSubStatus.Faulted => InstanceStatus.Faulted,
            Elsa.Workflows.WorkflowSubStatus.Cancelled => InstanceStatus.Cancelled,
            // One that was running somewhere else must not run here by itself.
            Elsa.Workflows.WorkflowSubStatus.Suspended => InstanceStatus.Suspended,
            _ => InstanceStatus.Parked,
        };
        try
        {
            var correlation = DefinitionJson.Text(state, "correlationId");
            var bookmarks = (state["bookmarks"] as JsonArray)?.OfType<JsonObject>().ToList() ?? [];
            var row = new InstanceRow(
                id, definition.DefinitionId, versionId, definition.Version, definition.ContentHash, status, correlation, DefinitionJson.Text(state, "name"), DefinitionJson.Text(state, "parentWorkflowInstanceId"), null,
                (state["incidents"] as JsonArray)?.Count ?? 0, Time(state, "createdAt") ?? now, Time(state, "updatedAt") ?? now, InstanceModels.Status(status) == "Finished" ? Time(state, "finishedAt") ?? now : null,
                JsonSerializer.SerializeToUtf8Bytes(state, StudioJson.Options));
            await runner.CheckAsync(await catalog.GetVersionAsync(versionId, row, ct), row, ct);
            await store.CommitAsync(new InstanceCommit
            {
                Instance = row,
                IsNew = true,
                NodeId = options.NodeId,
                AddedBookmarks = [.. bookmarks.Select(b => new BookmarkRow(Needed(b, "id"), id, Needed(b, "hash"), Needed(b, "name"), Needed(b, "activityInstanceId"), correlation, Time(b, "createdAt") ?? now))],
                // What waits for a time goes on waiting for it.
                Enqueue = [.. bookmarks.Where(b => b["metadata"]?[DueBookmarks.DueAt] is not null).Select(b => WorkItems.Resume(id, Needed(b, "id"), Time((JsonObject)b["metadata"]!, DueBookmarks.DueAt) ?? now, time))],
            }, ct);
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or KeyNotFoundException or JsonException or ArgumentException or CommitConflictException)
        {
            return e.Message;
        }
    }

    private WorkItem Item(InstanceRow row, WorkKind kind) => new(Ids.Row(time.GetUtcNow()), kind, row.Id, time.GetUtcNow(), WorkItems.Write(new object()), CorrelationId: row.CorrelationId);

    private static string Needed(JsonObject o, string name) => DefinitionJson.Text(o, name) ?? throw new FormatException($"A bookmark has no {name}.");

    private static DateTimeOffset? Time(JsonObject o, string name) =>
        DefinitionJson.Text(o, name) is { } text ? DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal | System.Globalization.DateTimeStyles.AdjustToUniversal) : null;
}
