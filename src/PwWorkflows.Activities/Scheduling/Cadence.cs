using System.Diagnostics.CodeAnalysis;
using Cronos;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>
/// When a schedule is due: a cron expression in a time zone, or an interval from an anchor. The same question has the same answer on every node: nothing here looks at a clock, and each
/// time is worked out from the one before it, never from now.
/// </summary>
public sealed class Cadence
{
    /// <summary>The rule for the two nights of daylight saving, as it is shown beside every calendar and preview.</summary>
    public const string DaylightSavingRule =
        "When clocks go forward, a time that does not exist runs at the moment of the jump. When clocks go back, a time that exists twice runs once, the first time, " +
        "while 'every so many minutes' keeps running through both hours. Intervals count elapsed time and take no notice.";

    private readonly CronExpression? _cron;
    private readonly TimeSpan _interval;
    private readonly DateTimeOffset _anchor;

    private Cadence(CronExpression? cron, TimeZoneInfo zone, TimeSpan interval, DateTimeOffset anchor) => (_cron, Zone, _interval, _anchor) = (cron, zone, interval, anchor);

    /// <summary>The zone in which times are shown, and in which the fields of a cron expression are meant.</summary>
    public TimeZoneInfo Zone { get; }

    /// <summary>A cron expression.</summary>
    /// <param name="expression">Five fields (minute, hour, day of month, month, day of week), or six with seconds in front.</param>
    /// <param name="zone">IANA name of the zone; UTC when empty.</param>
    /// <exception cref="FormatException">One of the two is not understood; the message shows a right example.</exception>
    public static Cadence OfCron(string expression, string? zone) => new(ReadCron(expression), ReadZone(zone), default, default);

    /// <summary>An interval of elapsed time.</summary>
    /// <param name="interval">At least one second.</param>
    /// <param name="anchor">A time at which it is due; all others are whole intervals before and after.</param>
    /// <param name="zone">IANA name of the zone in which times are shown; UTC when empty.</param>
    /// <exception cref="FormatException">The interval is too short, or there is no such zone.</exception>
    public static Cadence OfInterval(TimeSpan interval, DateTimeOffset anchor, string? zone = null) =>
        interval >= TimeSpan.FromSeconds(1) ? new(null, ReadZone(zone), interval, anchor) : throw new FormatException($"'{interval}' is no interval; expected at least one second, such as '7.00:00:00' for seven days.");

    /// <summary>The first due time after another time; <c>null</c> when none ever comes.</summary>
    public DateTimeOffset? Next(DateTimeOffset after)
    {
        // In UTC: what follows is the same instant whatever the offset it was given in.
        if (_cron is not null) return _cron.GetNextOccurrence(after.ToUniversalTime(), Zone)?.ToUniversalTime();
        var passed = (after - _anchor).Ticks;
        var whole = Math.DivRem(passed, _interval.Ticks, out var rest);
        if (rest < 0) whole--;
        var ticks = Int128.CreateChecked(_anchor.UtcTicks) + ((Int128)(whole + 1) * _interval.Ticks);
        return ticks > DateTimeOffset.MaxValue.UtcTicks ? null : new DateTimeOffset((long)ticks, TimeSpan.Zero);
    }

    /// <summary>All due times after <paramref name="after"/> up to and with <paramref name="until"/>, in order.</summary>
    public IEnumerable<DateTimeOffset> Between(DateTimeOffset after, DateTimeOffset until)
    {
        for (var at = Next(after); at <= until; at = Next(at.Value)) yield return at.Value;
    }

    /// <summary>Reads a cron expression.</summary>
    /// <exception cref="FormatException">It is none; the message shows a right example.</exception>
    internal static CronExpression ReadCron(string expression)
    {
        var fields = expression.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
        const string Example = "expected five fields (minute hour day month weekday), such as '0 9 * * *' for every day at 09:00, or six with seconds in front, such as '0 0 9 * * *'";
        if (fields is not (5 or 6) && !expression.TrimStart().StartsWith('@')) throw new FormatException($"'{expression}' has {fields} fields; {Example}.");
        try
        {
            return CronExpression.Parse(expression, fields == 6 ? CronFormat.IncludeSeconds : CronFormat.Standard);
        }
        catch (CronFormatException e)
        {
            throw new FormatException($"'{expression}' is not a cron expression ({e.Message.TrimEnd('.')}); {Example}.", e);
        }
    }

    /// <summary>Finds a time zone by its IANA name; UTC when empty.</summary>
    /// <exception cref="FormatException">There is no such zone; the message shows a right example.</exception>
    [SuppressMessage("Globalization", "CA1303", Justification = "Names of zones are not translated.")]
    internal static TimeZoneInfo ReadZone(string? name)
    {
        if (string.IsNullOrWhiteSpace(name)) return TimeZoneInfo.Utc;
        return TimeZoneInfo.TryFindSystemTimeZoneById(name.Trim(), out var zone) && zone.HasIanaId ? zone : throw new FormatException($"'{name}' is not an IANA time zone; expected a name such as 'America/Chicago' or 'UTC'.");
    }
}
