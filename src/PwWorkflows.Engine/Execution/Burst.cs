using System.Buffers;
using System.Text;
using System.Text.Json;
using Elsa.Workflows;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.Options;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Execution
{
    /// <summary>A bookmark with the execution that made it.</summary>
    internal sealed record BookmarkEntry(Bookmark Bookmark, ActivityExecutionContext Owner);

    /// <summary>What a burst has asked for and the next commit writes.</summary>
    internal sealed class BurstEffects
    {
        public HashSet<string> AddedBookmarks { get; } = [];
        public List<string> RemovedBookmarks { get; } = [];
        public List<WorkItem> Enqueue { get; } = [];
        public List<EnlistedWrite> Writes { get; } = [];
        public List<string> CompletedWork { get; } = [];

        public void Clear()
        {
            AddedBookmarks.Clear();
            RemovedBookmarks.Clear();
            Enqueue.Clear();
            Writes.Clear();
            CompletedWork.Clear();
        }
    }

    /// <summary>One execution of an activity, as the journal keeps it.</summary>
    internal sealed class ActivityRecord
    {
        public required string Id { get; init; }
        public string? ParentId { get; init; }
        public required ActivityNode Node { get; init; }
        public ActivityStatus Status { get; set; }
        public DateTimeOffset StartedAt { get; set; }
        public DateTimeOffset? CompletedAt { get; set; }
        public IDictionary<string, object>? State { get; set; }
        public Dictionary<string, object?>? Outputs { get; set; }
        public Dictionary<string, object>? Payload { get; set; }
        public ExceptionState? Exception { get; set; }
        public int Attempt { get; set; }
        public int Epoch { get; init; }
        public int Index { get; init; }
    }

    /// <summary>Collects what happens in a burst: log entries and activity records, written with the commit.</summary>
    internal sealed class JournalRecorder(WorkflowExecutionContext workflow)
    {
        /// <summary>Entries of a segment at most.</summary>
        public const int MostEntries = 500;
        private readonly List<Entry> _entries = [];
        private readonly List<ActivityRecord> _records = [];
        private int _epoch;

        private readonly record struct Entry(long Sequence, DateTimeOffset At, int Record, string Event, string? Message, string? Source, object? Payload);

        public long NextSequence { get; set; }
        public bool IsEmpty => _entries.Count == 0;

        public ActivityRecord RecordOf(ActivityExecutionContext c)
        {
            if (c.Record is { } known && known.Epoch == _epoch) return known;
            var record = new ActivityRecord { Id = c.Id, ParentId = c.ParentActivityExecutionContext?.Id, Node = c.Node, StartedAt = c.StartedAt, Attempt = c.Attempt, Epoch = _epoch, Index = _records.Count };
            c.Record = record;
            _records.Add(record);
            return record;
        }

        public void Add(ActivityExecutionContext c, string eventName, string? message = null, string? source = null, object? payload = null)
        {
            var record = RecordOf(c);
            _entries.Add(new Entry(NextSequence++, workflow.Now, record.Index, eventName, message, source, payload));
        }

        public void Update(ActivityExecutionContext c, ExceptionState? exception = null)
        {
            var r = RecordOf(c);
            r.Status = c.Status;
            r.CompletedAt = c.CompletedAt;
            r.State = c.ActivityState.Count > 0 ? c.ActivityState : null;
            r.Outputs = c.OutputValues;
            r.Payload = c.JournalDataOrNull;
            r.Exception = exception ?? r.Exception;
            r.Attempt = c.Attempt;
        }

        /// <summary>The last execution of an activity in this burst, or null.</summary>
        public ActivityRecord? Seen(string activityId) => _records.FindLast(r => r.Node.Activity.Id == activityId);

        /// <summary>The segments of this burst, and a fresh start. Nearly always one; a burst of thousands of steps is cut, so that a page of it is read without the rest.</summary>
        public IReadOnlyList<JournalSegment> TakeSegments(DateTimeOffset now, StateSerializer serializer)
        {
            if (_entries.Count == 0) return [];
            var segments = new List<JournalSegment>(1);
            if (_entries.Count <= MostEntries) segments.Add(Segment(_entries, _records, now, serializer));
            else
            {
                // What is read of an execution is what its last segment says: each is written where its last entry is, and in short where it has earlier ones.
                var last = new int[_records.Count];
                Array.Fill(last, (_entries.Count - 1) / MostEntries);
                for (var i = 0; i < _entries.Count; i++) last[_entries[i].Record] = i / MostEntries;
                for (var from = 0; from < _entries.Count; from += MostEntries)
                {
                    var part = from / MostEntries;
                    var entries = _entries.GetRange(from, Math.Min(MostEntries, _entries.Count - from));
                    var within = new Dictionary<int, int>();
                    var records = new List<ActivityRecord>();
                    foreach (var (_, _, record, _, _, _, _) in entries) Take(record);
                    if (from + MostEntries >= _entries.Count)
                        for (var record = 0; record < last.Length; record++)
                            if (last[record] == part) Take(record);
                    segments.Add(Segment([.. entries.Select(e => e with { Record = within[e.Record] })], records, now, serializer));

                    void Take(int record)
                    {
                        if (!within.TryAdd(record, records.Count)) return;
                        var whole = _records[record];
                        records.Add(last[record] == part ? whole : new ActivityRecord { Id = whole.Id, ParentId = whole.ParentId, Node = whole.Node, StartedAt = whole.StartedAt, Status = ActivityStatus.Running });
                    }
                }
            }

            _entries.Clear();
            _records.Clear();
            _epoch++;
            return segments;
        }

        private JournalSegment Segment(List<Entry> entries, List<ActivityRecord> records, DateTimeOffset now, StateSerializer serializer)
        {
            var buffer = new ArrayBufferWriter<byte>(1024);
            using (var w = new Utf8JsonWriter(buffer, StateSerializer.WriterOptions))
            {
                w.WriteStartObject();
                w.WriteStartArray("a");
                foreach (var r in records)
                {
                    w.WriteStartObject();
                    w.WriteString("i", r.Id);
                    if (r.ParentId is not null) w.WriteString("p", r.ParentId);
                    w.WriteString("n", r.Node.NodeId);
                    w.WriteString("t", r.Node.Activity.Type);
                    if (r.Node.Activity.Version != 1) w.WriteNumber("v", r.Node.Activity.Version);
                    if (r.Node.Activity.Name is { } name) w.WriteString("nm", name);
                    w.WriteNumber("s", (int)r.Status);
                    w.WriteNumber("st", r.StartedAt.UtcTicks);
                    if (r.CompletedAt is { } done) w.WriteNumber("ct", done.UtcTicks);
                    if (r.Attempt > 1) w.WriteNumber("at", r.Attempt);
                    if (r.State is { Count: > 0 }) { w.WritePropertyName("in"); serializer.WriteMap(w, r.State!); }
                    if (r.Outputs is { Count: > 0 }) { w.WritePropertyName("out"); serializer.WriteMap(w, r.Outputs); }
                    if (r.Payload is { Count: > 0 }) { w.WritePropertyName("pl"); serializer.WriteMap(w, r.Payload!); }
                    if (r.Exception is not null) { w.WritePropertyName("x"); JsonSerializer.Serialize(w, r.Exception, Elsa.Expressions.Helpers.ObjectConverter.Json); }
                    w.WriteEndObject();
                }
                w.WriteEndArray();
                w.WriteStartArray("e");
                foreach (var (sequence, at, record, name, message, source, payload) in entries)
                {
                    w.WriteStartArray();
                    w.WriteNumberValue(sequence);
                    w.WriteNumberValue(at.UtcTicks);
                    w.WriteNumberValue(record);
                    w.WriteStringValue(name);
                    if (message is not null || source is not null || payload is not null)
                    {
                        w.WriteStringValue(message);
                        w.WriteStringValue(source);
                        serializer.WriteValue(w, payload);
                    }
                    w.WriteEndArray();
                }
                w.WriteEndArray();
                w.WriteEndObject();
            }

            return new JournalSegment(workflow.Id, entries[0].Sequence, entries[^1].Sequence, now, buffer.WrittenMemory);
        }
    }
}

namespace Elsa.Workflows
{
    using PwWorkflows.Engine.Execution;

    /// <summary>A child that waits for its turn.</summary>
    internal sealed record ScheduledWork(ActivityNode Node, ActivityExecutionContext? Owner, ActivityCompletionCallback? Callback, object? Tag, ICollection<Variable>? Variables,
        ActivityExecutionContext? Existing, IDictionary<string, object>? Input)
    {
        /// <summary>Called instead of executing the activity: the callback of a resumed bookmark.</summary>
        public Func<ActivityExecutionContext, ValueTask>? Resume { get; init; }
    }

    /// <summary>Children that wait for their turn, first in, first out.</summary>
    public sealed class ActivityScheduler
    {
        private readonly LinkedList<ScheduledWork> _queue = [];

        /// <summary>Anything left.</summary>
        public bool HasAny => _queue.Count > 0;
        /// <summary>How many wait.</summary>
        public int Count => _queue.Count;
        /// <summary>Drops everything.</summary>
        public void Clear() => _queue.Clear();

        internal IEnumerable<ScheduledWork> Items => _queue;
        internal void Schedule(ScheduledWork work) => _queue.AddLast(work);
        internal bool Any(Func<ScheduledWork, bool> predicate) => _queue.Any(predicate);

        internal void PutBack(ScheduledWork work) => _queue.AddFirst(work);

        internal ScheduledWork Take()
        {
            var first = _queue.First!.Value;
            _queue.RemoveFirst();
            return first;
        }

        internal void Remove(Func<ScheduledWork, bool> predicate)
        {
            for (var n = _queue.First; n is not null;)
            {
                var next = n.Next;
                if (predicate(n.Value)) _queue.Remove(n);
                n = next;
            }
        }
    }
}
