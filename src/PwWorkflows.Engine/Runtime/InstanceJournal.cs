using System.Text.Json;
using Elsa.Expressions.Helpers;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine;

/// <summary>A line of an instance's journal.</summary>
/// <param name="Sequence">Its place, from 0.</param>
/// <param name="At">When it happened (UTC).</param>
/// <param name="ActivityInstanceId">The execution.</param>
/// <param name="ActivityNodeId">The activity's node id.</param>
/// <param name="ActivityType">The activity's type.</param>
/// <param name="Event">What happened, such as Completed.</param>
/// <param name="Message">More about it, may be null.</param>
public sealed record JournalLine(long Sequence, DateTimeOffset At, string ActivityInstanceId, string ActivityNodeId, string ActivityType, string Event, string? Message);

/// <summary>Reads the journal that the engine writes.</summary>
public static class InstanceJournal
{
    /// <summary>Lines of a segment.</summary>
    public static IEnumerable<JournalLine> Read(JournalSegment segment)
    {
        using var doc = JsonDocument.Parse(segment.Entries);
        var records = doc.RootElement.GetProperty("a").EnumerateArray().Select(a => (Id: a.GetProperty("i").GetString()!, Node: a.GetProperty("n").GetString()!, Type: a.GetProperty("t").GetString()!)).ToList();
        foreach (var e in doc.RootElement.GetProperty("e").EnumerateArray())
        {
            var (id, node, type) = records[e[2].GetInt32()];
            yield return new JournalLine(e[0].GetInt64(), new DateTimeOffset(e[1].GetInt64(), TimeSpan.Zero), id, node, type, e[3].GetString()!, e.GetArrayLength() > 4 ? PlainObjectConverter.ToPlain(e[4]) as string : null);
        }
    }
}
