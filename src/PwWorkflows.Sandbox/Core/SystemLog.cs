using System.Text.Json.Nodes;

namespace PwWorkflows.Sandbox.Core;

/// <summary>One thing a system received, sent or did.</summary>
/// <param name="At">When it began, on the sandbox's clock.</param>
/// <param name="Method">HTTP method, or the protocol's own verb (<c>SMTP</c>).</param>
/// <param name="Path">Path with the system's prefix; the whole address for what the system sent.</param>
/// <param name="Status">Status answered (or got, for what the system sent); 0 when no answer was made or came.</param>
public sealed record SystemLogEntry(DateTimeOffset At, string Method, string Path, int Status)
{
    /// <summary>Position in the log, from 1; set by the log.</summary>
    public long Seq { get; init; }

    /// <summary><c>in</c> for what the system received, <c>out</c> for what it sent.</summary>
    public string Direction { get; init; } = "in";

    /// <summary>Query string with its question mark, or null.</summary>
    public string? Query { get; init; }

    /// <summary>What it changed, in words, one item per change; empty when nothing changed.</summary>
    public IReadOnlyList<string> Changed { get; init; } = [];

    /// <summary>The kind of the injected fault that hit it, or null.</summary>
    public string? Fault { get; init; }

    /// <summary>The body as received or sent; masked when the log is read.</summary>
    public string? Body { get; init; }

    /// <summary>Further facts the system gives.</summary>
    public JsonNode? Detail { get; init; }
}

/// <summary>
/// What a system received and did, in order. Keeps the newest <see cref="Capacity"/> entries so that long benches stay flat in
/// memory; safe for any number of threads.
/// </summary>
public sealed class SystemLog(Masking masking)
{
    /// <summary>Most entries kept.</summary>
    public const int Capacity = 50_000;

    readonly Lock _gate = new();
    readonly Queue<SystemLogEntry> _entries = new();
    long _seq;

    /// <summary>Appends <paramref name="entry"/>.</summary>
    public void Add(SystemLogEntry entry)
    {
        lock (_gate)
        {
            _entries.Enqueue(entry with { Seq = ++_seq });
            if (_entries.Count > Capacity) _entries.Dequeue();
        }
    }

    /// <summary>The entries kept, oldest first, with secrets masked.</summary>
    public IReadOnlyList<SystemLogEntry> Read()
    {
        SystemLogEntry[] copy;
        lock (_gate) copy = _entries.ToArray();
        return Array.ConvertAll(copy, e => e with
        {
            Query = e.Query is null ? null : masking.Apply(e.Query),
            Body = e.Body is null ? null : masking.Apply(e.Body),
        });
    }

    /// <summary>Forgets everything and counts from 1 again.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _entries.Clear();
            _seq = 0;
        }
    }
}
