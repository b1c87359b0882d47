using System.Globalization;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Regulatory;
using PwWorkflows.Activities.Usac;

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

    /// <summary>Another number than before says that what was read before is out of date: the board then reads again at once.</summary>
    long Version => 0;

    /// <summary>Reads them.</summary>
    Task<NeedsOfSection> ReadAsync(CancellationToken ct);
}

/// <summary>All that needs a person, read at most every few seconds however many look.</summary>
internal sealed class NeedsBoard(IEnumerable<INeeds> sources, TimeProvider time, ILogger<NeedsBoard> logger)
{
    private static readonly TimeSpan KeepFor = TimeSpan.FromSeconds(3);

    private readonly Lock _lock = new();
    private readonly IReadOnlyList<INeeds> _sources = [.. sources];
    private Task<IReadOnlyList<(INeeds Source, NeedsOfSection? Needs)>>? _read;
    private string? _mark;
    private long _version;
    private long _readAt;

    /// <summary>Every source with what it found; <c>null</c> when it could not be asked.</summary>
    /// <param name="ct">Stops the wait.</param>
    /// <param name="mark">The mark of <see cref="LiveFeed.Overview"/> that the page has seen: nothing that was read for another one is shown, or a page that is renewed for a change would keep what was before it.</param>
    public Task<IReadOnlyList<(INeeds Source, NeedsOfSection? Needs)>> ReadAsync(CancellationToken ct, string? mark = null)
    {
        lock (_lock)
        {
            var version = _sources.Sum(static s => s.Version);
            if (_read is null || version != _version || (mark is not null && mark != _mark) || (_read.IsCompleted && time.GetElapsedTime(_readAt) >= KeepFor))
            {
                (_readAt, _version, _mark) = (time.GetTimestamp(), version, mark ?? _mark);
                _read = ReadAllAsync(); // Not the caller's token: others wait for the same.
            }

            return _read.WaitAsync(ct);
        }
    }

    /// <summary>The numbers beside the rail's sections, by address.</summary>
    /// <inheritdoc cref="ReadAsync" />
    public async Task<IReadOnlyDictionary<string, long>> CountsAsync(CancellationToken ct, string? mark = null) =>
        (await ReadAsync(ct, mark).ConfigureAwait(false)).Where(static n => n.Source.Section.Length > 0 && n.Needs is { Count: > 0 })
            .GroupBy(static n => n.Source.Section, StringComparer.Ordinal).ToDictionary(static g => g.Key, static g => g.Sum(static n => n.Needs!.Count), StringComparer.Ordinal);

    private async Task<IReadOnlyList<(INeeds, NeedsOfSection?)>> ReadAllAsync()
    {
        var all = new List<(INeeds, NeedsOfSection?)>();
        foreach (var source in _sources)
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
    public string? All => "/todos?status=open";

    /// <summary>The page of what a ToDo is about; the ToDo's own row when that has none.</summary>
    public static string Href(long id, string about, string marker) => about switch
    {
        _ when marker.StartsWith("schedule-", StringComparison.Ordinal) || StuckWorkflowToDos.IsOfSchedule(marker) => "/schedules/" + Uri.EscapeDataString(about),
        _ when about.StartsWith("AP-", StringComparison.Ordinal) => "/approvals/" + Uri.EscapeDataString(about),
        _ when about.StartsWith("CO-", StringComparison.Ordinal) || about.StartsWith("CG-", StringComparison.Ordinal) => OrdersPage.Url(about),
        _ => "/todos?id=" + id.ToString(CultureInfo.InvariantCulture),
    };

    public async Task<NeedsOfSection> ReadAsync(CancellationToken ct)
    {
        // Those about stopped workflows are counted with the instances.
        const string Open = $"FROM admin_todos WHERE status = 'open' AND marker NOT LIKE '{StuckWorkflowToDos.Prefix}%'";
        var count = await database.QueryAsync($"SELECT COUNT(*) {Open}", Parameters.None, static r => r.GetInt64(0), ct).ConfigureAwait(false);
        var first = await database.QueryAsync(
            $"SELECT id, order_number, marker, instructions, created_at {Open} ORDER BY id DESC LIMIT @take", Parameters.Of(("take", (long)INeeds.Shown)),
            static r => new Need($"{r.GetString(1)}: {r.GetString(2).Replace('-', ' ')}", r.GetString(3), Href(r.GetInt64(0), r.GetString(1), r.GetString(2)), r.Time(4), Tone.Warn), ct).ConfigureAwait(false);
        return new(count[0], first);
    }
}

/// <summary>Instances that failed and wait for a retry, those stuck alike as one.</summary>
internal sealed class StuckNeeds(StuckInstances stuck) : INeeds
{
    public string Title => "Stuck instances";
    public string Section => "/instances";
    public string? All => "/instances";

    public async Task<NeedsOfSection> ReadAsync(CancellationToken ct)
    {
        var groups = await stuck.GroupsAsync(100, ct).ConfigureAwait(false);
        return new(groups.Sum(static g => g.Needs), [.. groups.Take(INeeds.Shown).Select(static g => new Need(
            $"{(g.Count == 1 ? "" : g.Count.ToString(CultureInfo.InvariantCulture) + " × ")}{g.DefinitionId}{(g.ActivityId.Length == 0 ? "" : " at " + g.ActivityId)}", g.Message, InstancesPage.Filter(g), g.Since, Tone.Bad))]);
    }
}

/// <summary>Portal sessions that end soon or have ended.</summary>
internal sealed class SessionNeeds(UsacSessionEnds ends, IPwDatabase database, TimeProvider time) : INeeds
{
    public string Title => "Portal sessions";
    public string Section => "";
    public string? All => "/records/sessions";
    public long Version => ends.Version;

    public async Task<NeedsOfSection> ReadAsync(CancellationToken ct)
    {
        var ending = await ends.EndingAsync(ct).ConfigureAwait(false);
        var now = time.GetUtcNow();
        var needs = new List<Need>();
        foreach (var (entity, end) in ending.Take(INeeds.Shown))
        {
            var rows = await database.QueryAsync("SELECT legal_name, filer_id_499 FROM telecom_entities WHERE id = @id", Parameters.Of(("id", entity)), static r => (r.GetString(0), r.Text(1)), ct).ConfigureAwait(false);
            var (name, filer) = rows is [var row] ? row : ($"Carrier {entity.ToString(CultureInfo.InvariantCulture)}", null);
            var ended = end <= now;
            needs.Add(new Need(
                name, $"Its session at USAC E-File {(ended ? "has ended" : "ends soon")}. Run {SessionRefresh.Job} on the Schedules page, or sign in by hand and store the session.",
                filer is null ? "/records/sessions" : "/records/sessions?filer=" + Uri.EscapeDataString(filer), end, ended ? Tone.Bad : Tone.Warn));
        }

        return new(ending.Count, needs);
    }
}

/// <summary>Contribution factors that were published or corrected lately and whose quarter is not over: what is billed follows from them. Seeded ones are no news.</summary>
internal sealed class FactorNeeds(IPwDatabase database, TimeProvider time) : INeeds
{
    private static readonly TimeSpan News = TimeSpan.FromDays(14);

    public string Title => "Contribution factors";
    public string Section => "";
    public string? All => "/records";

    public async Task<NeedsOfSection> ReadAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        // The page that a figure was last changed from is kept with its time.
        var needs = await database.QueryAsync(
            """
            SELECT year, quarter, factor_pct, seen, changed FROM (
                SELECT u.year, u.quarter, u.factor_pct, u.first_seen_at AS seen, CASE WHEN e.kept_at > u.first_seen_at THEN e.kept_at ELSE u.first_seen_at END AS changed
                FROM usf_contribution_factors u LEFT JOIN job_evidence e ON e.job = @job AND e.object_key = u.evidence_key WHERE u.evidence_key IS NOT NULL AND u.effective_end >= @today) f
            WHERE changed > @since ORDER BY changed DESC
            """,
            Parameters.Of(("job", ContributionFactors.Job), ("today", now.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)), ("since", now - News)),
            static r => new Need(
                string.Create(CultureInfo.InvariantCulture, $"{new Quarter(r.GetInt32(0), r.GetInt32(1))}: {ContributionFactors.Show(r.GetDecimal(2))} %"),
                r.Time(4) > r.Time(3) ? "USAC changed what it had published for this quarter. Check what was billed and announced with the earlier figure." : "USAC published this quarter's factor. Customers' line items may not exceed it.",
                "/records", r.Time(4), Tone.Busy), ct).ConfigureAwait(false);
        return new(needs.Count, [.. needs.Take(INeeds.Shown)]);
    }
}
