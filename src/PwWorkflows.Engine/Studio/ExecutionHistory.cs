using System.Text.Json;
using System.Text.Json.Nodes;
using Elsa.Workflows;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Studio;

internal sealed record JournalRecord(
    string Id, string ActivityInstanceId, string? ParentActivityInstanceId, string ActivityId, string ActivityType, int ActivityTypeVersion, string? ActivityName, string NodeId, DateTimeOffset Timestamp, long Sequence,
    string EventName, string? Message, string? Source, JsonNode? Payload);

internal sealed record ExecutionSummary(
    string WorkflowInstanceId, string ActivityId, string ActivityNodeId, string ActivityType, int ActivityTypeVersion, string? ActivityName, DateTimeOffset StartedAt, bool HasBookmarks, string Status,
    JsonObject Metadata, int AggregateFaultCount, string Id, DateTimeOffset? CompletedAt);

internal sealed record ExecutionRecord(
    string WorkflowInstanceId, string ActivityId, string ActivityNodeId, string ActivityType, int ActivityTypeVersion, string? ActivityName, JsonObject? ActivityState, JsonObject? Payload, JsonObject? Outputs,
    JsonObject Properties, JsonObject Metadata, JsonNode? Exception, DateTimeOffset StartedAt, bool HasBookmarks, string Status, int AggregateFaultCount, DateTimeOffset? CompletedAt,
    string? SchedulingActivityExecutionId, string? SchedulingActivityId, string? SchedulingWorkflowInstanceId, int CallStackDepth, string Id);

internal sealed record ExecutionStats(string ActivityId, string ActivityNodeId, int StartedCount, int CompletedCount, int UncompletedCount, bool IsBlocked, bool IsFaulted, int AggregateFaultCount, JsonObject Metadata);

/// <summary>What an instance has done, read from its journal.</summary>
internal sealed class ExecutionHistory
{
    private readonly Dictionary<string, Execution> _byId = new(StringComparer.Ordinal);
    private readonly List<Execution> _executions = [];
    private readonly HashSet<string> _blocked = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _faults = new(StringComparer.Ordinal);
    private readonly string _instanceId;

    private ExecutionHistory(string instanceId) => _instanceId = instanceId;

    private sealed class Execution
    {
        public required string Id { get; init; }
        public string? ParentId { get; set; }
        public required string NodeId { get; init; }
        public required string Type { get; init; }
        public int Version { get; init; } = 1;
        public string? Name { get; init; }
        public ActivityStatus Status { get; set; }
        public DateTimeOffset StartedAt { get; init; }
        public DateTimeOffset? CompletedAt { get; set; }
        public JsonObject? State { get; set; }
        public JsonObject? Outputs { get; set; }
        public JsonObject? Payload { get; set; }
        public JsonNode? Exception { get; set; }
        public Execution? ScheduledBy { get; set; }
        public string ActivityId => NodeId[(NodeId.LastIndexOf(':') + 1)..];
    }

    /// <summary>Reads the whole journal of an instance.</summary>
    public static async Task<ExecutionHistory> ReadAsync(IEngineStore store, InstanceRow instance, CancellationToken ct)
    {
        var history = new ExecutionHistory(instance.Id);
        await foreach (var segment in SegmentsAsync(store, instance.Id, 0, ct)) history.Add(segment);
        var state = InstanceModels.Raw(instance);
        foreach (var bookmark in (state["bookmarks"] as JsonArray)?.OfType<JsonObject>() ?? []) history._blocked.Add(bookmark["activityInstanceId"]!.GetValue<string>());
        foreach (var context in (state["activityExecutionContexts"] as JsonArray)?.OfType<JsonObject>() ?? []) history._faults[context["id"]!.GetValue<string>()] = context["faultCount"]?.GetValue<int>() ?? 0;
        return history;
    }

    /// <summary>Journal segments from a sequence number on, in order.</summary>
    public static async IAsyncEnumerable<JournalSegment> SegmentsAsync(IEngineStore store, string instanceId, long from, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        // A page mostly lies in the first few; whoever reads on reads more at a time.
        for (var batch = 4; ; batch = Math.Min(batch * 4, 256))
        {
            var segments = await store.GetJournalAsync(instanceId, from, batch, ct);
            foreach (var segment in segments) yield return segment;
            if (segments.Count < batch) yield break;
            from = segments[^1].LastSequence + 1;
        }
    }

    /// <summary>Journal entries of a segment.</summary>
    public static IEnumerable<JournalRecord> Entries(JournalSegment segment)
    {
        var root = JsonNode.Parse(segment.Entries.Span)!.AsObject();
        var records = root["a"]!.AsArray().Select(a => a!.AsObject()).ToList();
        foreach (var entry in root["e"]!.AsArray().Select(e => e!.AsArray()))
        {
            var a = records[entry[2]!.GetValue<int>()];
            var node = a["n"]!.GetValue<string>();
            var sequence = entry[0]!.GetValue<long>();
            yield return new JournalRecord(
                ExecutionIds.Outer(segment.InstanceId, sequence.ToString(System.Globalization.CultureInfo.InvariantCulture)), ExecutionIds.Outer(segment.InstanceId, a["i"]!.GetValue<string>()),
                a["p"] is { } parent ? ExecutionIds.Outer(segment.InstanceId, parent.GetValue<string>()) : null, node[(node.LastIndexOf(':') + 1)..], a["t"]!.GetValue<string>(), a["v"]?.GetValue<int>() ?? 1, a["nm"]?.GetValue<string>(),
                node, At(entry[1]!), sequence, entry[3]!.GetValue<string>(), entry.Count > 4 ? entry[4]?.GetValue<string>() : null, entry.Count > 5 ? entry[5]?.GetValue<string>() : null, entry.Count > 6 ? entry[6]?.DeepClone() : null);
        }
    }

    /// <summary>Executions, oldest first, of one node or activity when given.</summary>
    public IEnumerable<ExecutionRecord> Records(string? nodeId, string? activityId, bool? completed) => Select(nodeId, activityId, completed).Select(Record);

    /// <summary>The same without what is large.</summary>
    public IEnumerable<ExecutionSummary> Summaries(string? nodeId, string? activityId, bool? completed) => Select(nodeId, activityId, completed).Select(e => new ExecutionSummary(
        _instanceId, e.ActivityId, e.NodeId, e.Type, e.Version, e.Name, e.StartedAt, _blocked.Contains(e.Id), Status(e), [], FaultsOf(e), ExecutionIds.Outer(_instanceId, e.Id), e.CompletedAt));

    /// <summary>One execution by its id within the instance, or null.</summary>
    public ExecutionRecord? Find(string executionId) => _byId.TryGetValue(executionId, out var e) ? Record(e) : null;

    /// <summary>The executions that led to one, root first; null when there is no such execution.</summary>
    public IReadOnlyList<ExecutionRecord>? CallStack(string executionId)
    {
        if (!_byId.TryGetValue(executionId, out var e)) return null;
        var stack = new List<ExecutionRecord>();
        for (var at = e; at is not null; at = at.ScheduledBy) stack.Insert(0, Record(at));
        return stack;
    }

    /// <summary>Counts per node; of the given nodes, or of all.</summary>
    public IEnumerable<ExecutionStats> Stats(IReadOnlyCollection<string>? nodeIds) =>
        from e in _executions
        where nodeIds?.Contains(e.NodeId) != false
        group e by e.NodeId into node
        let completed = node.Count(e => e.Status == ActivityStatus.Completed)
        select new ExecutionStats(
            node.First().ActivityId, node.Key, node.Count(), completed, node.Count() - completed, node.Any(e => _blocked.Contains(e.Id)), node.Any(e => e.Status == ActivityStatus.Faulted), node.Sum(FaultsOf), []);

    private IEnumerable<Execution> Select(string? nodeId, string? activityId, bool? completed) => _executions.Where(e =>
        (nodeId is null || e.NodeId == nodeId) && (activityId is null || e.ActivityId == activityId) && (completed is null || completed == (e.Status is not (ActivityStatus.Pending or ActivityStatus.Running))));

    private void Add(JournalSegment segment)
    {
        using var document = JsonDocument.Parse(segment.Entries);
        foreach (var a in document.RootElement.GetProperty("a").EnumerateArray())
        {
            var id = a.GetProperty("i").GetString()!;
            if (!_byId.TryGetValue(id, out var e))
            {
                e = new Execution
                {
                    Id = id,
                    ParentId = a.TryGetProperty("p", out var p) ? p.GetString() : null,
                    NodeId = a.GetProperty("n").GetString()!,
                    Type = a.GetProperty("t").GetString()!,
                    Version = a.TryGetProperty("v", out var v) ? v.GetInt32() : 1,
                    Name = a.TryGetProperty("nm", out var name) ? name.GetString() : null,
                    StartedAt = new DateTimeOffset(a.GetProperty("st").GetInt64(), TimeSpan.Zero),
                };
                // A child of a container is led to by the sibling that ended last before it; the first by the container.
                e.ScheduledBy = _executions.LastOrDefault(x => x.ParentId == e.ParentId && e.ParentId is not null && x.CompletedAt <= e.StartedAt) ?? (e.ParentId is null ? null : _byId.GetValueOrDefault(e.ParentId));
                _byId[id] = e;
                _executions.Add(e);
            }
            // A later segment tells how an execution went on.
            e.Status = (ActivityStatus)a.GetProperty("s").GetInt32() is var s && s == ActivityStatus.Pending ? ActivityStatus.Running : s;
            if (a.TryGetProperty("ct", out var done)) e.CompletedAt = new DateTimeOffset(done.GetInt64(), TimeSpan.Zero);
            if (a.TryGetProperty("in", out var input)) e.State = JsonObject.Create(input.Clone());
            if (a.TryGetProperty("out", out var output)) e.Outputs = JsonObject.Create(output.Clone());
            if (a.TryGetProperty("pl", out var payload)) e.Payload = JsonObject.Create(payload.Clone());
            e.Exception = a.TryGetProperty("x", out var x) ? JsonNode.Parse(x.GetRawText()) : e.Status == ActivityStatus.Faulted ? e.Exception : null;
        }
    }

    private ExecutionRecord Record(Execution e)
    {
        var depth = 0;
        for (var at = e.ScheduledBy; at is not null; at = at.ScheduledBy) depth++;
        return new ExecutionRecord(
            _instanceId, e.ActivityId, e.NodeId, e.Type, e.Version, e.Name, Copy(e.State), Copy(e.Payload), Copy(e.Outputs), [], [], e.Exception?.DeepClone(), e.StartedAt, _blocked.Contains(e.Id), Status(e), FaultsOf(e), e.CompletedAt,
            e.ScheduledBy is { } by ? ExecutionIds.Outer(_instanceId, by.Id) : null, e.ScheduledBy?.ActivityId, null, depth, ExecutionIds.Outer(_instanceId, e.Id));

        static JsonObject? Copy(JsonObject? o) => o?.DeepClone().AsObject();
    }

    private string Status(Execution e) => e.Status.ToString();

    private int FaultsOf(Execution e) => _faults.TryGetValue(e.Id, out var count) ? count : e.Status == ActivityStatus.Faulted ? 1 : 0;

    private static DateTimeOffset At(JsonNode ticks) => new(ticks.GetValue<long>(), TimeSpan.Zero);
}
