using System.Text.Json;
using Elsa.Expressions.Helpers;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine;

/// <summary>Makes and reads the rows of the durable queue.</summary>
internal static class WorkItems
{
    /// <summary>Start an instance: the payload of <see cref="WorkKind.Start"/>.</summary>
    public sealed record StartPayload(string? DefinitionId, string? DefinitionVersionId, IDictionary<string, object?>? Input, string? ParentInstanceId, string? ParentBookmarkId,
        string? TriggerActivityId, string? Name, IDictionary<string, object?>? Properties = null, bool ReportToParent = false);

    /// <summary>Resume a bookmark: the payload of <see cref="WorkKind.Resume"/>.</summary>
    public sealed record ResumePayload(string BookmarkId, IDictionary<string, object?>? Input);

    /// <summary>Deliver a stimulus: the payload of <see cref="WorkKind.Stimulus"/>.</summary>
    public sealed record StimulusPayload(string? InstanceId, string? ActivityInstanceId, IDictionary<string, object?>? Input, DateTimeOffset? ExpiresAt, bool StartTriggers);

    /// <summary>A due time of a scheduled trigger: the payload of <see cref="WorkKind.Trigger"/>.</summary>
    public sealed record TriggerPayload(string DefinitionId, string DefinitionVersionId, string ActivityId, string ActivityType, string? Cron, string? TimeZone, TimeSpan? Interval, DateTimeOffset Nominal);

    public static WorkItem Start(string instanceId, StartPayload payload, string? correlationId, TimeProvider time) =>
        new(Ids.Row(time.GetUtcNow()), WorkKind.Start, instanceId, time.GetUtcNow(), Write(payload), null, correlationId);

    public static WorkItem Resume(string instanceId, string bookmarkId, DateTimeOffset due, TimeProvider time, IDictionary<string, object?>? input = null, bool timer = true) =>
        new(Ids.Row(time.GetUtcNow()), WorkKind.Resume, instanceId, due, Write(new ResumePayload(bookmarkId, input)), null, null, timer ? bookmarkId : null);

    public static ReadOnlyMemory<byte> Write<T>(T payload) => JsonSerializer.SerializeToUtf8Bytes(payload, ObjectConverter.Json);

    public static T Read<T>(WorkItem item) => JsonSerializer.Deserialize<T>(item.Payload.Span, ObjectConverter.Json)
        ?? throw new InvalidOperationException($"Work item {item.Id} ({item.Kind}) has an empty payload.");
}

/// <summary>Rows of the durable queue for hosts that write them in a transaction of their own (<see cref="IEngineStore.WriteAsync"/>).</summary>
public static class QueuedWork
{
    /// <summary>Starts an instance of one version by one of its triggers, as soon as a node is free.</summary>
    /// <param name="instanceId">Id of the instance, chosen by the caller: the same one twice starts one.</param>
    /// <param name="versionId">The definition's version.</param>
    /// <param name="triggerActivityId">The trigger it starts from.</param>
    /// <param name="name">Display name.</param>
    /// <param name="input">Its input.</param>
    /// <param name="properties">Properties it keeps to its end.</param>
    /// <param name="at">Not before this time (UTC).</param>
    public static WorkItem Start(string instanceId, string versionId, string triggerActivityId, string? name, IDictionary<string, object?> input, IDictionary<string, object?> properties, DateTimeOffset at) =>
        new(StartId(instanceId), WorkKind.Start, instanceId, at, WorkItems.Write(new WorkItems.StartPayload(null, versionId, input, null, null, triggerActivityId, name, properties)));

    /// <summary>Id of the row that <see cref="Start"/> makes for an instance.</summary>
    public static string StartId(string instanceId) => "start-" + instanceId;

    /// <summary>Cancels an instance as soon as nobody runs it.</summary>
    public static WorkItem Cancel(string instanceId, DateTimeOffset at) => new("cancel-" + instanceId, WorkKind.Cancel, instanceId, at, "{}"u8.ToArray());
}
