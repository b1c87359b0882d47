using Cronos;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine;

/// <summary>Due times of triggers that come from the clock.</summary>
internal static class Schedules
{
    /// <summary>Reads a cron expression of 5 or 6 fields. Throws <see cref="FormatException"/> naming what is expected.</summary>
    public static CronExpression Parse(string cron)
    {
        var fields = cron.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
        try
        {
            return CronExpression.Parse(cron, fields == 6 ? CronFormat.IncludeSeconds : CronFormat.Standard);
        }
        catch (CronFormatException e)
        {
            throw new FormatException($"'{cron}' is not a cron expression of 5 or 6 fields, such as '0 9 * * *': {e.Message}", e);
        }
    }

    /// <summary>A time zone by its IANA name; UTC when null. Throws <see cref="FormatException"/>.</summary>
    public static TimeZoneInfo Zone(string? name)
    {
        if (string.IsNullOrWhiteSpace(name)) return TimeZoneInfo.Utc;
        return TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone) ? zone : throw new FormatException($"'{name}' is not a time zone; expected an IANA name such as 'America/Chicago'.");
    }

    /// <summary>The due time after <paramref name="nominal"/>; null when there is none. Worked out from the nominal time, never from now, so that no time is run twice or early.</summary>
    public static DateTimeOffset? Next(WorkItems.TriggerPayload p, DateTimeOffset nominal) =>
        p.Cron is { } cron ? Parse(cron).GetNextOccurrence(nominal, Zone(p.TimeZone)) : p.Interval is { } interval && interval > TimeSpan.Zero ? nominal + interval : null;

    /// <summary>The queue item of a due time. Its id follows from trigger and time, so that enqueuing it twice keeps one.</summary>
    public static WorkItem Item(WorkItems.TriggerPayload p) =>
        new($"{p.DefinitionVersionId}:{p.ActivityId}:{p.Nominal.UtcTicks}", WorkKind.Trigger, null, p.Nominal, WorkItems.Write(p), OwnerKey: OwnerOf(p.DefinitionId));

    /// <summary>Owner of all due times of a definition.</summary>
    public static string OwnerOf(string definitionId) => $"trigger:{definitionId}";
}
