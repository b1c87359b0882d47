using System.Text.Json.Nodes;

namespace PwWorkflows.Sandbox.Core;

/// <summary>Kinds of faults that the core itself plays on HTTP requests.</summary>
public static class FaultKinds
{
    /// <summary>Answers <see cref="Fault.Status"/> without processing the request.</summary>
    public const string Status = "status";

    /// <summary>Holds the request up for <see cref="Fault.Seconds"/>, then drops the connection; nothing is processed.</summary>
    public const string Timeout = "timeout";

    /// <summary>Waits <see cref="Fault.DelayMs"/>, then goes on as usual.</summary>
    public const string Slow = "slow";

    /// <summary>Answers a maintenance page: 503 with HTML.</summary>
    public const string Html = "html";

    /// <summary>Drops the connection at once; nothing is processed.</summary>
    public const string Drop = "drop";

    /// <summary>
    /// Processes the request fully, then drops the connection: the answer never arrives. Beware that Chromium by itself sends a
    /// request again when a used connection breaks before the first byte of an answer.
    /// </summary>
    public const string DropAnswer = "drop_answer";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> Http { get; } = [Status, Timeout, Slow, Html, Drop, DropAnswer];
}

/// <summary>A fault to inject, as <c>POST /&lt;system&gt;/_faults</c> takes it.</summary>
public sealed record Fault
{
    /// <summary>One of <see cref="FaultKinds.Http"/> or of the system's own kinds.</summary>
    public required string Kind { get; init; }

    /// <summary>Status of a <c>status</c> fault, 400 to 599; 500 when left out.</summary>
    public int Status { get; init; } = 500;

    /// <summary>How many requests it hits; null until cleared.</summary>
    public int? Count { get; init; }

    /// <summary>How many matching requests pass before it begins.</summary>
    public int After { get; init; }

    /// <summary>Part of the path it hits; null for every path.</summary>
    public string? Match { get; init; }

    /// <summary>Method it hits; null for every method.</summary>
    public string? Method { get; init; }

    /// <summary>Delay of a <c>slow</c> fault in milliseconds.</summary>
    public int DelayMs { get; init; } = 1000;

    /// <summary>How long a <c>timeout</c> fault holds the request, in seconds.</summary>
    public double Seconds { get; init; } = 30;

    /// <summary>Value of <c>Retry-After</c> in seconds for a <c>status</c> fault, or null for none.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>Body of a <c>status</c> fault; null for the system's usual one.</summary>
    public string? Body { get; init; }

    /// <summary>What a system's own kind needs besides.</summary>
    public JsonObject? Data { get; init; }
}

/// <summary>The faults set on one system. Reading costs nothing while none is set.</summary>
public sealed class FaultBoard
{
    sealed class Slot(Fault fault)
    {
        public Fault Fault { get; } = fault;
        public int? Left { get; set; } = fault.Count;
        public int Skip { get; set; } = fault.After;
        public int Hits { get; set; }
    }

    readonly Lock _gate = new();
    readonly List<Slot> _slots = [];
    volatile bool _any;

    /// <summary>Whether any fault is set.</summary>
    public bool Any => _any;

    /// <summary>Sets <paramref name="fault"/> behind those already set.</summary>
    public void Add(Fault fault)
    {
        lock (_gate)
        {
            _slots.Add(new Slot(fault));
            _any = true;
        }
    }

    /// <summary>Removes every fault.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _slots.Clear();
            _any = false;
        }
    }

    /// <summary>
    /// Takes one hit of the first fault of <paramref name="kind"/> that matches, or null. For the kinds a system plays itself.
    /// </summary>
    public Fault? Take(string kind, string method, string path)
    {
        if (!_any) return null;
        lock (_gate) return TakeFirst(f => f.Kind == kind, method, path);
    }

    /// <summary>Whether a fault of <paramref name="kind"/> matches, without using up a hit.</summary>
    public bool IsSet(string kind, string method, string path)
    {
        if (!_any) return false;
        lock (_gate) return _slots.Exists(s => s.Fault.Kind == kind && Matches(s, method, path) && s.Skip == 0);
    }

    /// <summary>Takes the hits due for an HTTP request: at most one delay and at most one fault of another kind.</summary>
    public (Fault? Slow, Fault? Other) TakeHttp(string method, string path)
    {
        if (!_any) return (null, null);
        lock (_gate)
        {
            var slow = TakeFirst(f => f.Kind == FaultKinds.Slow, method, path);
            var other = TakeFirst(f => f.Kind != FaultKinds.Slow && FaultKinds.Http.Contains(f.Kind), method, path);
            return (slow, other);
        }
    }

    /// <summary>The faults set, with how often each was hit and how many hits are left (null: until cleared).</summary>
    public IReadOnlyList<(Fault Fault, int Hits, int? Left)> Read()
    {
        lock (_gate) return _slots.ConvertAll(s => (s.Fault, s.Hits, s.Left));
    }

    Fault? TakeFirst(Func<Fault, bool> kind, string method, string path)
    {
        foreach (var slot in _slots)
        {
            if (!kind(slot.Fault) || !Matches(slot, method, path)) continue;
            if (slot.Skip > 0)
            {
                slot.Skip--;
                continue;
            }
            slot.Hits++;
            if (slot.Left is { } left) slot.Left = left - 1;
            return slot.Fault;
        }
        return null;
    }

    static bool Matches(Slot slot, string method, string path) =>
        slot.Left is null or > 0
        && (slot.Fault.Method is null || slot.Fault.Method.Equals(method, StringComparison.OrdinalIgnoreCase))
        && (slot.Fault.Match is null || path.Contains(slot.Fault.Match, StringComparison.OrdinalIgnoreCase));
}
