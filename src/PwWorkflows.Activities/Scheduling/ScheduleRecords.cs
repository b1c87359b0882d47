using System.Data.Common;
using System.Text.Json;
using System.Text.Json.Serialization;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>A schedule as operators see it.</summary>
/// <param name="Id">Its id, the same over all versions of its definition.</param>
/// <param name="Name">Its name: the definition's id; with several in one definition, that and the activity's name.</param>
/// <param name="DefinitionId">The workflow.</param>
/// <param name="Version">The published version of it.</param>
/// <param name="ActivityId">The <see cref="Schedule"/> activity.</param>
/// <param name="Cron">The cron expression; <c>null</c> for an interval.</param>
/// <param name="Interval">The interval; <c>null</c> for cron.</param>
/// <param name="Anchor">A due time of the interval; <c>null</c> for cron.</param>
/// <param name="TimeZone">IANA name of the zone.</param>
/// <param name="Cadence">The cadence in words.</param>
/// <param name="CatchUp">What becomes of missed times.</param>
/// <param name="Overlap">What becomes of a due time while a run goes on.</param>
/// <param name="Jitter">Most that a run starts after its nominal time.</param>
/// <param name="Deadline">A run that starts later or takes longer raises an alert; <c>null</c>: none.</param>
/// <param name="State"><c>active</c>, <c>overdue</c> (no run has finished for two periods), <c>paused</c>, <c>disabled</c> (switched off in the definition) or <c>retired</c> (no longer published).</param>
/// <param name="NextRunAt">The next due time; <c>null</c> when there is none.</param>
/// <param name="LastRunAt">When the last run started.</param>
/// <param name="LastNominalAt">The due time the last run stood for.</param>
/// <param name="LastOutcome"><c>running</c>, <c>finished</c>, <c>failed</c> or <c>cancelled</c>.</param>
/// <param name="LastLateMs">By how many milliseconds the last run started late.</param>
/// <param name="Running">Runs that go on.</param>
/// <param name="Waiting">Runs that wait for them.</param>
/// <param name="Counts">How many due times ended how since the schedule exists, such as <c>ran</c>, <c>caught_up</c>, <c>skipped overlap</c> or <c>missed down</c>.</param>
/// <param name="Finished">Runs that ended well.</param>
/// <param name="Failed">Runs that ended by a fault.</param>
/// <param name="Cancelled">Runs that were cancelled.</param>
/// <param name="PausedAt">Since when it is paused.</param>
/// <param name="PausedBy">By whom.</param>
/// <param name="PauseReason">Why.</param>
public sealed record ScheduleView(
    string Id, string Name, string DefinitionId, int Version, string ActivityId, string? Cron, string? Interval, DateTimeOffset? Anchor, string TimeZone, string Cadence, string CatchUp, string Overlap, string? Jitter,
    string? Deadline, string State, DateTimeOffset? NextRunAt, DateTimeOffset? LastRunAt, DateTimeOffset? LastNominalAt, string? LastOutcome, long? LastLateMs, int Running, int Waiting,
    IReadOnlyDictionary<string, long> Counts, long Finished, long Failed, long Cancelled, DateTimeOffset? PausedAt, string? PausedBy, string? PauseReason)
{
    /// <summary>When it is due.</summary>
    public Cadence ToCadence() => Interval is { } interval ? Scheduling.Cadence.OfInterval(TimeSpan.ParseExact(interval, "c", null), Anchor!.Value, TimeZone) : Scheduling.Cadence.OfCron(Cron!, TimeZone);
}

/// <summary>What became of one due time, of several in a row with the same fate, or of a run that somebody asked for.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Schedule">The schedule's name.</param>
/// <param name="Cause"><c>due</c> or <c>manual</c>.</param>
/// <param name="NominalAt">The due time; of several the newest; for a manual one the moment it was asked for.</param>
/// <param name="CoversFrom">The oldest due time it stands for.</param>
/// <param name="Covers">How many due times it stands for; 0 for a manual one.</param>
/// <param name="Outcome"><c>waiting</c>, <c>running</c>, <c>finished</c>, <c>failed</c>, <c>cancelled</c>, <c>skipped</c> or <c>missed</c>.</param>
/// <param name="Reason">Why it did not run: <c>overlap</c>, <c>superseded</c>, <c>paused</c>, <c>retracted</c>, <c>changed</c>, <c>down</c>, <c>window</c>, <c>limit</c>.</param>
/// <param name="CaughtUp">It made up for times that were missed.</param>
/// <param name="DryRun">It was asked to change nothing.</param>
/// <param name="DueAt">When it was to start: the nominal time and the jitter.</param>
/// <param name="StartedAt">When it started.</param>
/// <param name="EndedAt">When it ended.</param>
/// <param name="LateMs">By how many milliseconds it started late.</param>
/// <param name="InstanceId">Its workflow instance.</param>
/// <param name="Version">The version of the definition that ran.</param>
/// <param name="Node">The node that started it.</param>
/// <param name="RequestedBy">Who asked for it.</param>
/// <param name="Error">What went wrong.</param>
/// <param name="Alerted">It was later or longer than the deadline.</param>
/// <param name="Retries">How often it was told to go on after it had failed.</param>
/// <param name="RetriedAt">When it last was; <c>null</c> when it never was.</param>
/// <param name="FailedAt">When it had failed before that.</param>
/// <param name="Failure">What had gone wrong then.</param>
public sealed record ScheduleRunView(
    string Id, string Schedule, string Cause, DateTimeOffset NominalAt, DateTimeOffset CoversFrom, long Covers, string Outcome, string? Reason, bool CaughtUp, bool DryRun, DateTimeOffset DueAt, DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt, long? LateMs, string? InstanceId, int? Version, string? Node, string? RequestedBy, string? Error, bool Alerted,
    int Retries, DateTimeOffset? RetriedAt, DateTimeOffset? FailedAt, string? Failure)
{
    /// <summary>How long it took, in milliseconds, from its last retry if there was one; <c>null</c> until it has ended.</summary>
    public long? DurationMs => EndedAt is { } end && (RetriedAt ?? StartedAt) is { } start ? (long)Math.Max(0, (end - start).TotalMilliseconds) : null;
}

/// <summary>A row of <c>schedules</c>.</summary>
internal sealed record ScheduleRow
{
    private static readonly JsonSerializerOptions Json = new() { Converters = { new JsonStringEnumConverter() }, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public const string Columns =
        "id, name, definition_id, version_id, version, activity_id, settings, anchor, state, revision, cursor_at, next_at, waiting, running, last_run_at, last_nominal_at, last_late_ms, last_outcome, " +
        "last_finished_nominal_at, watched_from, overdue_at, overdue, alert_at, alerting, finished, failed, cancelled, fates, paused_at, paused_by, pause_reason";

    public required string Id { get; init; }
    public required string Name { get; init; }
    public required string DefinitionId { get; init; }
    public required string VersionId { get; init; }
    public required int Version { get; init; }
    public required string ActivityId { get; init; }
    public required ScheduleSettings Settings { get; init; }
    public required DateTimeOffset Anchor { get; init; }
    public required string State { get; init; }
    public required long Revision { get; init; }
    public required DateTimeOffset Cursor { get; init; }
    public DateTimeOffset? NextAt { get; init; }
    public int Waiting { get; init; }
    public int Running { get; init; }
    public DateTimeOffset? LastRunAt { get; init; }
    public DateTimeOffset? LastNominalAt { get; init; }
    public long? LastLateMs { get; init; }
    public string? LastOutcome { get; init; }
    public DateTimeOffset? LastFinishedNominalAt { get; init; }
    public required DateTimeOffset WatchedFrom { get; init; }
    public DateTimeOffset? OverdueAt { get; init; }
    public bool Overdue { get; init; }
    public DateTimeOffset? AlertAt { get; init; }
    public bool Alerting { get; init; }
    public long Finished { get; init; }
    public long Failed { get; init; }
    public long Cancelled { get; init; }
    public required IReadOnlyDictionary<string, long> Fates { get; init; }
    public DateTimeOffset? PausedAt { get; init; }
    public string? PausedBy { get; init; }
    public string? PauseReason { get; init; }

    public Cadence Cadence => Settings.ToCadence(Anchor);

    public bool IsActive => State == "active";

    public static ScheduleRow Read(DbDataReader r) => new()
    {
        Id = r.GetString(0),
        Name = r.GetString(1),
        DefinitionId = r.GetString(2),
        VersionId = r.GetString(3),
        Version = r.GetInt32(4),
        ActivityId = r.GetString(5),
        Settings = JsonSerializer.Deserialize<ScheduleSettings>(r.GetString(6), Json) ?? throw new JsonException("The settings of a schedule are empty."),
        Anchor = r.Time(7),
        State = r.GetString(8),
        Revision = r.GetInt64(9),
        Cursor = r.Time(10),
        NextAt = r.TimeOrNull(11),
        Waiting = r.GetInt32(12),
        Running = r.GetInt32(13),
        LastRunAt = r.TimeOrNull(14),
        LastNominalAt = r.TimeOrNull(15),
        LastLateMs = r.IsDBNull(16) ? null : r.GetInt64(16),
        LastOutcome = r.Text(17),
        LastFinishedNominalAt = r.TimeOrNull(18),
        WatchedFrom = r.Time(19),
        OverdueAt = r.TimeOrNull(20),
        Overdue = r.GetBoolean(21),
        AlertAt = r.TimeOrNull(22),
        Alerting = r.GetBoolean(23),
        Finished = r.GetInt64(24),
        Failed = r.GetInt64(25),
        Cancelled = r.GetInt64(26),
        Fates = JsonSerializer.Deserialize<Dictionary<string, long>>(r.GetString(27)) ?? [],
        PausedAt = r.TimeOrNull(28),
        PausedBy = r.Text(29),
        PauseReason = r.Text(30),
    };

    public static string Write(ScheduleSettings settings) => JsonSerializer.Serialize(settings, Json);

    public ScheduleView View() => new(
        Id, Name, DefinitionId, Version, ActivityId, Settings.Cron, Settings.Interval?.ToString("c"), Settings.Interval is null ? null : Settings.Anchor ?? Anchor, Cadence.Zone.Id, CadenceWords.Of(Settings),
        Settings.CatchUp.ToString(), Settings.Overlap.ToString(), Settings.Jitter > TimeSpan.Zero ? Settings.Jitter.ToString("c") : null, Settings.Deadline?.ToString("c"),
        IsActive && Overdue ? "overdue" : State, IsActive ? NextAt : null, LastRunAt, LastNominalAt, Running > 0 ? "running" : LastOutcome, LastLateMs, Running, Waiting, Fates, Finished, Failed, Cancelled, PausedAt, PausedBy, PauseReason);
}

/// <summary>A run that waits or goes on.</summary>
internal sealed record OpenRun(string Id, DateTimeOffset Nominal, DateTimeOffset DueAt, string Cause, string Outcome, bool CaughtUp, bool DryRun, long Covers, string? InstanceId, DateTimeOffset? StartedAt, DateTimeOffset? AlertAt, bool Alerted, string? RequestedBy);
