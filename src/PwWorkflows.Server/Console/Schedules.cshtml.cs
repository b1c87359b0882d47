using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary>Due times that nobody was there for and that nothing made up for, while they are new enough to be acted upon.</summary>
internal sealed class MissedNeeds(ScheduleBook book) : INeeds
{
    /// <summary>Over a weekend and a day.</summary>
    private static readonly TimeSpan Told = TimeSpan.FromDays(3);

    private const int Looked = 200;

    public string Title => "Missed due times";
    public string Section => "/schedules";
    public string? All => "/schedules";

    public async Task<NeedsOfSection> ReadAsync(CancellationToken ct)
    {
        var missed = await book.MissedAsync(await book.NowAsync(ct).ConfigureAwait(false) - Told, Looked, ct).ConfigureAwait(false);
        var schedules = missed.GroupBy(static r => r.Schedule, StringComparer.Ordinal).ToList();
        return new(schedules.Count, [.. schedules.Take(INeeds.Shown).Select(static g =>
        {
            var (count, last) = (g.Sum(static r => r.Covers), g.First());
            return new Need($"{g.Key}: {(count == 1 ? "1 due time" : string.Create(CultureInfo.InvariantCulture, $"{count} due times"))} missed", $"{ScheduleHistory.Why(last.Reason)}. Run it now if its work can't wait for the next one.", SchedulesPage.Url(g.Key), last.NominalAt, Tone.Warn);
        })]);
    }
}

/// <summary><c>/schedules</c>: what runs by the clock, and what was missed.</summary>
internal sealed class SchedulesPage(ScheduleBook book) : ConsolePage
{
    private static readonly TimeSpan Told = TimeSpan.FromDays(30);

    public override string? Topic => LiveFeed.Schedules;

    /// <summary>Due times of the last 30 days that nobody was there for.</summary>
    public IReadOnlyList<ScheduleRunView> Missed { get; private set; } = [];

    public bool WithRetired { get; private set; }

    public async Task<IActionResult> OnGetAsync(bool all, CancellationToken ct)
    {
        WithRetired = all;
        Missed = await book.MissedAsync(Show.Now - Told, 20, ct).ConfigureAwait(false);
        return ListOf(new ListTable<ScheduleView>
        {
            Name = "schedules",
            Rows = await book.ListAsync(all, ct).ConfigureAwait(false),
            Kept = ["all"],
            Columns =
            [
                new("Schedule", s => Show.Link(s.Name, Url(s.Name)), static s => s.Name) { Sort = "name" },
                new("Cadence", s => Show.Lines(s.Cadence, s.Cron), static s => s.Cron ?? s.Interval),
                new("Zone", s => Show.Text(s.TimeZone), static s => s.TimeZone),
                new("Next", s => Show.Lines(Show.Time(s.NextRunAt), s.NextRunAt is null ? null : Local(s.NextRunAt, s)), static s => Iso(s.NextRunAt)) { Sort = "next" },
                new("Last", s => Show.Lines(Show.Time(s.LastRunAt), s.LastOutcome is null ? null : Show.State(s.LastOutcome)), static s => Iso(s.LastRunAt)) { Sort = "last" },
                new("Late by", s => Show.Text(Late(s.LastLateMs)), static s => s.LastLateMs?.ToString(CultureInfo.InvariantCulture)),
                new("State", s => Show.Lines(Show.State(s.State), s.PauseReason), static s => s.State),
                new("Cadence in words", _ => Show.Text(""), static s => s.Cadence) { CsvOnly = true },
                new("Last outcome", _ => Show.Text(""), static s => s.LastOutcome) { CsvOnly = true },
                new("Workflow", _ => Show.Text(""), static s => s.DefinitionId) { CsvOnly = true },
            ],
            Sorts = new Dictionary<string, Func<ScheduleView, IComparable?>> { ["name"] = static s => s.Name, ["next"] = static s => s.NextRunAt, ["last"] = static s => s.LastRunAt },
            Filters =
            [
                new("q", "Name holds", static (s, text) => s.Name.Contains(text, StringComparison.OrdinalIgnoreCase)),
                new("state", "State", static (s, state) => s.State == state, TableFilter.Words("active", "overdue", "paused", "disabled", "retired")),
            ],
            Empty = new("Nothing runs by the clock.", "Draw a workflow that begins with Schedule, or put a definition file into workflows/schedules.", "/studio/host/workflows", "Open the designer"),
        });
    }

    private static string? Iso(DateTimeOffset? at) => at?.ToString("O", CultureInfo.InvariantCulture);

    /// <summary>Address of a schedule's page.</summary>
    public static new string Url(string name) => "/schedules/" + Uri.EscapeDataString(name);

    /// <summary>A time by the wall clock of a schedule's zone.</summary>
    public static string Local(DateTimeOffset? at, ScheduleView schedule) =>
        at is { } time ? TimeZoneInfo.ConvertTime(time, schedule.ToCadence().Zone).ToString("ddd MMM d, HH:mm:ss", CultureInfo.InvariantCulture) : "–";

    /// <summary>How late the last run started, in words.</summary>
    public static string Late(long? ms) => ms is not { } late ? "–" : late < 1000 ? "in time" : ScheduleHistory.Length(TimeSpan.FromMilliseconds(late));
}
