using System.Globalization;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/schedules/calendar</c>: a month of coming runs in the viewer's zone, with the days on which clocks change.</summary>
internal sealed class ScheduleCalendarPage(ScheduleBook book) : ConsolePage
{
    private const int MostTimes = 4;

    /// <summary>What a schedule does on a day.</summary>
    /// <param name="Name">The schedule.</param>
    /// <param name="What">Its times, or how many there are.</param>
    public sealed record Entry(string Name, string What);

    /// <summary>A day.</summary>
    /// <param name="Date">It, in the viewer's zone.</param>
    /// <param name="Entries">What runs on it.</param>
    /// <param name="Notes">Zones whose clocks change on it.</param>
    public sealed record Day(DateTime Date, IReadOnlyList<Entry> Entries, IReadOnlyList<string> Notes);

    public DateTime Month { get; private set; }

    public DateTime Today { get; private set; }

    /// <summary>Whole weeks, from a Monday on.</summary>
    public IReadOnlyList<Day> Days { get; private set; } = [];

    public async Task OnGetAsync(string? month, CancellationToken ct)
    {
        var now = await book.NowAsync(ct).ConfigureAwait(false);
        Today = TimeZoneInfo.ConvertTime(now, Show.Zone).Date;
        Month = DateTime.TryParseExact(month, "yyyy-MM", CultureInfo.InvariantCulture, DateTimeStyles.None, out var given) && given.Year is > 2000 and < 2200 ? given : new DateTime(Today.Year, Today.Month, 1);
        var first = Month.AddDays(-(((int)Month.DayOfWeek + 6) % 7));
        var days = (int)Math.Ceiling((Month.AddMonths(1) - first).TotalDays / 7) * 7;
        var schedules = await book.ListAsync(retired: false, ct).ConfigureAwait(false);
        var zones = schedules.Select(static s => s.ToCadence().Zone).Append(Show.Zone).DistinctBy(static z => z.Id).ToList();
        Days = [.. Enumerable.Range(0, days).Select(n => first.AddDays(n)).Select(date => new Day(
            date,
            [.. schedules.Where(static s => s.State is not "disabled").Select(s => EntryOf(s, Begin(date), Begin(date.AddDays(1)), now)).OfType<Entry>()],
            [.. zones.Select(z => (z.Id, Change: ScheduleHistory.ClockChange(z, date))).Where(static z => z.Change is not null).Select(static z => $"{z.Id}: {z.Change}")]))];
    }

    private Entry? EntryOf(ScheduleView schedule, DateTimeOffset begin, DateTimeOffset end, DateTimeOffset now)
    {
        // What is past is history and has its fate there.
        var times = schedule.ToCadence().Between((begin > now ? begin : now).AddTicks(-1), end.AddTicks(-1)).Take(2000).ToList();
        return times.Count == 0 ? null : new Entry(schedule.Name, times.Count <= MostTimes
            ? string.Join(", ", times.Select(t => Show.Local(t, "HH:mm")))
            : string.Create(CultureInfo.InvariantCulture, $"{schedule.Cadence}, {times.Count} times"));
    }

    private DateTimeOffset Begin(DateTime date)
    {
        // A midnight that the clocks jump over begins the day when it is over.
        while (Show.Zone.IsInvalidTime(date)) date = date.AddMinutes(15);
        return new DateTimeOffset(date, Show.Zone.GetUtcOffset(date));
    }
}
