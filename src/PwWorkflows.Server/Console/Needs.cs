using System.Globalization;
using PwWorkflows.Activities.Data;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary>Something that needs a person.</summary>
/// <param name="Title">What, in a few words.</param>
/// <param name="Detail">What to do.</param>
/// <param name="Href">Where it is done.</param>
/// <param name="Since">Since when it waits.</param>
/// <param name="Tone">How urgent it is.</param>
internal sealed record Need(string Title, string Detail, string Href, DateTimeOffset Since, Tone Tone);

/// <summary>What needs a person in one section.</summary>
/// <param name="Count">How many there are.</param>
/// <param name="First">The first few, the most urgent first.</param>
internal sealed record NeedsOfSection(long Count, IReadOnlyList<Need> First);

/// <summary>
/// A source of what needs a person: register one as a singleton, and the overview lists it and the rail counts it. It is asked every few seconds and must cost an indexed query or two.
/// </summary>
internal interface INeeds
{
    /// <summary>How many entries the overview shows of one source.</summary>
    const int Shown = 8;

    /// <summary>Heading on the overview, such as <c>Approvals</c>.</summary>
    string Title { get; }

    /// <summary>Address of the rail's section that carries the number, such as <c>/approvals</c>; empty for none.</summary>
    string Section { get; }

    /// <summary>Where all of them are listed; <c>null</c> when the overview shows all there is.</summary>
    string? All { get; }

    /// <summary>Reads them.</summary>
    Task<NeedsOfSection> ReadAsync(CancellationToken ct);
}

/// <summary>All that needs a person, read at most every few seconds however many look.</summary>
internal sealed class NeedsBoard(IEnumerable<INeeds> sources, TimeProvider time, ILogger<NeedsBoard> logger)
{
    private static readonly TimeSpan KeepFor = TimeSpan.FromSeconds(3);

    private readonly Lock _lock = new();
    private Task<IReadOnlyList<(INeeds Source, NeedsOfSection? Needs)>>? _read;
    private long _readAt;

    /// <summary>Every source with what it found; <c>null</c> when it could not be asked.</summary>
    public Task<IReadOnlyList<(INeeds Source, NeedsOfSection? Needs)>> ReadAsync(CancellationToken ct)
    {
        lock (_lock)
        {
            if (_read is null || (_read.IsCompleted && time.GetElapsedTime(_readAt) >= KeepFor))
            {
                _readAt = time.GetTimestamp();
                _read = ReadAllAsync(); // Not the caller's token: others wait for the same.
            }

            return _read.WaitAsync(ct);
        }
    }

    /// <summary>The numbers beside the rail's sections, by address.</summary>
    public async Task<IReadOnlyDictionary<string, long>> CountsAsync(CancellationToken ct) =>
        (await ReadAsync(ct).ConfigureAwait(false)).Where(static n => n.Source.Section.Length > 0 && n.Needs is { Count: > 0 })
            .GroupBy(static n => n.Source.Section, StringComparer.Ordinal).ToDictionary(static g => g.Key, static g => g.Sum(static n => n.Needs!.Count), StringComparer.Ordinal);

    private async Task<IReadOnlyList<(INeeds, NeedsOfSection?)>> ReadAllAsync()
    {
        var all = new List<(INeeds, NeedsOfSection?)>();
        foreach (var source in sources)
        {
            try
            {
                all.Add((source, await source.ReadAsync(CancellationToken.None).ConfigureAwait(false)));
            }
            catch (Exception e)
            {
                // One source that fails must not hide the others, nor pass for one that has nothing.
                logger.LogError(e, "What needs a person could not be read: {Source}", source.Title);
                all.Add((source, null));
            }
        }

        return all;
    }
}

/// <summary>Open ToDos.</summary>
internal sealed class ToDoNeeds(IPwDatabase database) : INeeds
{
    public string Title => "ToDos";
    public string Section => "";
    public string? All => null;

    public async Task<NeedsOfSection> ReadAsync(CancellationToken ct)
    {
        // Those about stopped workflows are counted with the instances.
        const string Open = "FROM admin_todos WHERE status = 'open' AND marker NOT LIKE 'workflow-stopped:%'";
        var count = await database.QueryAsync($"SELECT COUNT(*) {Open}", Parameters.None, static r => r.GetInt64(0), ct).ConfigureAwait(false);
        var first = await database.QueryAsync(
            $"SELECT order_number, marker, instructions, created_at {Open} ORDER BY id DESC LIMIT @take", Parameters.Of(("take", (long)INeeds.Shown)),
            static r => new Need($"{r.GetString(0)}: {r.GetString(1).Replace('-', ' ')}", r.GetString(2), "/orders/" + Uri.EscapeDataString(r.GetString(0)), r.Time(3), Tone.Warn), ct).ConfigureAwait(false);
        return new(count[0], first);
    }
}

/// <summary>Instances that failed and wait for a retry.</summary>
internal sealed class FaultNeeds(IWorkflowAdmin workflows) : INeeds
{
    public string Title => "Stuck instances";
    public string Section => "/studio/host/instances";
    public string? All => null;

    public async Task<NeedsOfSection> ReadAsync(CancellationToken ct)
    {
        var found = new List<WorkflowInstanceInfo>();
        var count = 0L;
        foreach (var status in (string[])["faulted", "parked"])
        {
            var (items, total) = await workflows.ListInstancesAsync(new WorkflowInstanceQuery { Status = status, Take = INeeds.Shown }, ct).ConfigureAwait(false);
            found.AddRange(items);
            count += total;
        }

        return new(count, [.. found.Take(INeeds.Shown).Select(static i => new Need(
            $"{i.DefinitionId} {i.Status}", $"{(i.CorrelationId is null ? "" : i.CorrelationId + ", ")}version {i.Version.ToString(CultureInfo.InvariantCulture)}", "/studio/host/instance?id=" + Uri.EscapeDataString(i.Id), i.UpdatedAt, Tone.Bad))]);
    }
}
