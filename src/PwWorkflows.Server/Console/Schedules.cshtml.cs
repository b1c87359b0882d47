using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/schedules</c>: what runs by the clock, and what was missed.</summary>
internal sealed class SchedulesPage(ScheduleBook book) : ConsolePage
{
    private static readonly TimeSpan Told = TimeSpan.FromDays(30);

    public override string? Topic => LiveFeed.Schedules;

    public IReadOnlyList<ScheduleView> Schedules { get; private set; } = [];

    /// <summary>Due times of the last 30 days that nobody was there for.</summary>
    public IReadOnlyList<ScheduleRunView> Missed { get; private set; } = [];

    public bool WithRetired { get; private set; }

    public async Task OnGetAsync(bool all, CancellationToken ct)
    {
        WithRetired = all;
        Schedules = await book.ListAsync(all, ct).ConfigureAwait(false);
        Missed = await book.RunsAsync(null, Show.Now - Told, "missed", 20, ct).ConfigureAwait(false);
    }

    /// <summary>Address of a schedule's page.</summary>
    public static new string Url(string name) => "/schedules/" + Uri.EscapeDataString(name);

    /// <summary>A time by the wall clock of a schedule's zone.</summary>
    public static string Local(DateTimeOffset? at, ScheduleView schedule) =>
        at is { } time ? TimeZoneInfo.ConvertTime(time, schedule.ToCadence().Zone).ToString("ddd MMM d, HH:mm:ss", System.Globalization.CultureInfo.InvariantCulture) : "–";

    /// <summary>How late the last run started, in words.</summary>
    public static string Late(long? ms) => ms is not { } late ? "–" : late < 1000 ? "in time" : ScheduleHistory.Length(TimeSpan.FromMilliseconds(late));
}
