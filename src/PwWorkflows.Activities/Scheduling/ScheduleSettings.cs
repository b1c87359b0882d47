using System.Globalization;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>What becomes of due times that nobody was there for, because the service was down or too late.</summary>
public enum CatchUp
{
    /// <summary>They are recorded as missed.</summary>
    Skip,
    /// <summary>One run makes up for all of them, with the newest as its nominal time.</summary>
    RunOnce,
    /// <summary>Each gets its run, oldest first, one after the other.</summary>
    RunEach,
}

/// <summary>What becomes of a due time while an earlier run still goes on.</summary>
public enum Overlap
{
    /// <summary>It is skipped, and recorded so.</summary>
    Skip,
    /// <summary>It waits for the earlier run's end; of several that would wait the newest does, the others are skipped.</summary>
    QueueOne,
    /// <summary>The earlier run is cancelled; the new one starts when it has stopped.</summary>
    CancelRunning,
    /// <summary>It starts beside the earlier one.</summary>
    Allow,
}

/// <summary>What a schedule's activity says: the inputs of <see cref="Schedule"/> with their values.</summary>
/// <param name="Cron">Five fields, or six with seconds in front; <c>null</c> for an interval.</param>
/// <param name="TimeZone">IANA zone of the cron fields; UTC when <c>null</c>.</param>
/// <param name="Interval">Elapsed time between two due times, at least one second; <c>null</c> for a cron expression.</param>
/// <param name="Anchor">A due time of the interval; when <c>null</c>, one interval after it was first published.</param>
/// <param name="CatchUp">What becomes of missed times.</param>
/// <param name="CatchUpLimit">Most runs that <see cref="CatchUp.RunEach"/> makes, 1 to 1000; the newest win.</param>
/// <param name="CatchUpWindow">Missed times older than this are not caught up; <c>null</c> for any age.</param>
/// <param name="Overlap">What becomes of a due time while a run goes on.</param>
/// <param name="Jitter">Runs start up to this long after their nominal time, each by its own fixed amount; zero for none.</param>
/// <param name="Deadline">A run that starts later than this, or takes longer, raises an alert; <c>null</c> for none.</param>
/// <param name="Enabled">Whether it is due at all.</param>
public sealed record ScheduleSettings(
    string? Cron, string? TimeZone, TimeSpan? Interval, DateTimeOffset? Anchor, CatchUp CatchUp, int CatchUpLimit, TimeSpan? CatchUpWindow, Overlap Overlap, TimeSpan Jitter, TimeSpan? Deadline, bool Enabled)
{
    /// <summary>Most runs that catching up may be asked for.</summary>
    public const int MostCatchUps = 1000;

    /// <summary>So many times are looked at for the shortest period: a year of what is due every six hours.</summary>
    private const int TimesLookedAt = 1500;

    /// <summary>Settings of nothing but a cadence, to look at when it is due.</summary>
    public static ScheduleSettings OfCadence(string? cron, string? zone, TimeSpan? interval, DateTimeOffset? anchor) =>
        new(cron, zone, interval, anchor, CatchUp.RunOnce, 1, null, Overlap.Skip, TimeSpan.Zero, null, true);

    /// <summary>The cadence.</summary>
    /// <param name="published">Anchor of an interval that has none of its own.</param>
    /// <exception cref="FormatException">The settings have problems.</exception>
    public Cadence ToCadence(DateTimeOffset published) => Interval is { } interval ? Cadence.OfInterval(interval, Anchor ?? published, TimeZone) : Cadence.OfCron(Cron ?? "", TimeZone);

    /// <summary>Whether another publication is due at the same times.</summary>
    public bool HasCadenceOf(ScheduleSettings? other) => other is not null && (Cron, TimeZone, Interval, Anchor) == (other.Cron, other.TimeZone, other.Interval, other.Anchor);

    /// <summary>Everything that is wrong, by the name of the input.</summary>
    /// <param name="now">From here on the next times are looked at.</param>
    public IReadOnlyList<(string Field, string Message)> Problems(DateTimeOffset now)
    {
        var problems = new List<(string Field, string Message)>();
        var cron = !string.IsNullOrWhiteSpace(Cron);
        if (cron && Interval is not null) problems.Add((nameof(Interval), "is set beside Cron; expected one of the two."));
        if (!cron && Interval is null) problems.Add((nameof(Cron), "is not set, and Interval is not either; expected a cron expression such as '0 9 * * *' (every day at 09:00), or an interval such as '7.00:00:00' (every seven days)."));
        if (cron) Try(nameof(Cron), () => Cadence.ReadCron(Cron!));
        Try(nameof(TimeZone), () => Cadence.ReadZone(TimeZone));
        if (Interval is { } interval && (interval < TimeSpan.FromSeconds(1) || interval.Ticks % TimeSpan.TicksPerMillisecond != 0))
            problems.Add((nameof(Interval), $"is '{interval}'; expected one second or more in whole milliseconds, such as '7.00:00:00' for seven days."));
        if (Anchor is not null && Interval is null) problems.Add((nameof(Anchor), "is set, but Interval is not; an anchor belongs to an interval."));
        if (Anchor is { } anchor && anchor.Ticks % TimeSpan.TicksPerMillisecond != 0) problems.Add((nameof(Anchor), "has parts of a millisecond; expected a time such as '2026-01-05T06:00:00Z'."));
        if (!Enum.IsDefined(CatchUp)) problems.Add((nameof(CatchUp), $"is not known; expected {string.Join(", ", Enum.GetNames<CatchUp>())}."));
        if (!Enum.IsDefined(Overlap)) problems.Add((nameof(Overlap), $"is not known; expected {string.Join(", ", Enum.GetNames<Overlap>())}."));
        if (CatchUpLimit is < 1 or > MostCatchUps) problems.Add((nameof(CatchUpLimit), string.Create(CultureInfo.InvariantCulture, $"is {CatchUpLimit}; expected a number from 1 to {MostCatchUps}.")));
        if (CatchUpWindow <= TimeSpan.Zero) problems.Add((nameof(CatchUpWindow), $"is '{CatchUpWindow}'; expected more than zero, such as '3.00:00:00' for three days, or nothing for any age."));
        if (Deadline <= TimeSpan.Zero) problems.Add((nameof(Deadline), $"is '{Deadline}'; expected more than zero, such as '00:30:00' for half an hour, or nothing."));
        if (Jitter < TimeSpan.Zero) problems.Add((nameof(Jitter), $"is '{Jitter}'; expected zero or more, such as '00:00:30'."));
        if (problems.Count > 0) return problems;

        var cadence = ToCadence(now);
        if (cadence.Next(now) is not { } first) problems.Add((nameof(Cron), $"'{Cron}' never comes round again; expected an expression such as '0 9 * * *'."));
        else if (Jitter > TimeSpan.Zero && Shortest(cadence, first) is { } period && Jitter >= period)
            problems.Add((nameof(Jitter), $"is '{Jitter}', but some times are only {CadenceWords.Length(period)} apart; expected less than that, such as '{(period / 2).ToString("c", CultureInfo.InvariantCulture)}'."));
        return problems;

        // Times need not be equally far apart: '0 9,10 * * *' has one hour and 23, and a night of daylight saving one more or less.
        static TimeSpan? Shortest(Cadence cadence, DateTimeOffset first)
        {
            var (at, shortest) = (first, (TimeSpan?)null);
            for (var looked = 0; looked < TimesLookedAt && cadence.Next(at) is { } next; looked++, at = next)
                if (shortest is null || next - at < shortest) shortest = next - at;
            return shortest;
        }

        void Try(string field, Action read)
        {
            try
            {
                read();
            }
            catch (FormatException e)
            {
                problems.Add((field, e.Message));
            }
        }
    }
}
