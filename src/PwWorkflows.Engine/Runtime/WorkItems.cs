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
    public sealed record StimulusPayload(string? InstanceId, string? ActivityInstanceId, IDictionary<string, object?>? Input, DateTimeOffset? ExpiresAt, bool StartTriggers, bool Waiting = false);

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
