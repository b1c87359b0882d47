using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Endpoints;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/schedules/pw-x</c>: one schedule with its runs, what operators can do, and what another cadence would do.</summary>
internal sealed class SchedulePage(ScheduleBook book) : ConsolePage
{
    private const int Shown = 12;
    /// <summary>The newest runs that are listed, page by page; the rest is told by the API.</summary>
    private const int MostRuns = 1000;

    public override string? Topic => LiveFeed.Schedule(RouteData.Values["name"] as string ?? "");

    public ScheduleView Schedule { get; private set; } = null!;

    /// <summary>Due times that passed since it was paused.</summary>
    public long Passed { get; private set; }

    /// <summary>The coming runs as it is published.</summary>
    public IReadOnlyList<ComingRun> Coming { get; private set; } = [];

    /// <summary>The cadence that somebody thinks of.</summary>
    public (string Cron, string Zone, string Interval) Thought { get; private set; }

    /// <summary>Its coming runs; <c>null</c> when none was asked for.</summary>
    public IReadOnlyList<ComingRun>? Changed { get; private set; }

    /// <summary>It in words, or what is wrong with it.</summary>
    public IReadOnlyList<string> ChangedWords { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync(string name, string? cron, string? zone, string? interval, CancellationToken ct)
    {
        if (await book.FindAsync(name, ct).ConfigureAwait(false) is not { } found) return Missing(name);
        Schedule = found;
        Passed = await book.CountPausedAsync(name, ct).ConfigureAwait(false);
        var now = await book.NowAsync(ct).ConfigureAwait(false);
        Coming = found.State is "retired" or "disabled" ? [] : ScheduleHistory.Coming(found.ToCadence(), now, now.AddYears(2), Shown);
        Thought = (cron?.Trim() ?? found.Cron ?? "", zone?.Trim() ?? found.TimeZone, interval?.Trim() ?? found.Interval ?? "");
        if (cron is not null || interval is not null) Think(now);
        return ListOf(new ListTable<ScheduleRunView>
        {
            Name = found.Name + "-runs",
            Rows = await book.RunsAsync(found.Id, null, null, MostRuns, ct).ConfigureAwait(false),
            Kept = ["cron", "zone", "interval"],
            Columns =
            [
                new("Due", r => Show.Lines(Show.Exact(r.NominalAt), r.Cause == "manual" ? "by " + r.RequestedBy : r.Covers > 1 ? $"and {r.Covers - 1} before" : null), static r => Iso(r.NominalAt)),
                new("Outcome", r => Show.Lines(Show.State(r.Outcome), Remarks(r)), static r => r.Outcome),
                new("Started", r => Show.Exact(r.StartedAt), static r => Iso(r.StartedAt)),
                new("Late by", r => Show.Text(SchedulesPage.Late(r.LateMs)), static r => r.LateMs?.ToString(CultureInfo.InvariantCulture)) { Sort = "late" },
                new("Took", r => Show.Text(r.DurationMs is { } ms && r.StartedAt is not null ? Show.Duration(TimeSpan.FromMilliseconds(ms)) : null), static r => r.DurationMs?.ToString(CultureInfo.InvariantCulture)) { Sort = "took" },
                new("Why, or what went wrong", r => Show.Text(r.Error ?? ScheduleHistory.Why(r.Reason)), static r => r.Error ?? ScheduleHistory.Why(r.Reason)),
                new("Log", r => r.StartedAt is null ? Show.Text(null) : Show.Link("Log", ScheduleRunPage.Url(found.Name, r.Id)), static r => r.Id),
                new("Cause", _ => Show.Text(""), static r => r.Cause) { CsvOnly = true },
                new("Due times", _ => Show.Text(""), static r => r.Covers.ToString(CultureInfo.InvariantCulture)) { CsvOnly = true },
                new("Remarks", _ => Show.Text(""), static r => Remarks(r)) { CsvOnly = true },
            ],
            Sorts = new Dictionary<string, Func<ScheduleRunView, IComparable?>> { ["late"] = static r => r.LateMs, ["took"] = static r => r.StartedAt is null ? null : r.DurationMs },
            Filters = [new("outcome", "Outcome", static (r, outcome) => r.Outcome == outcome, TableFilter.Words(ScheduleEndpoints.Outcomes))],
            Empty = new("No due time has come yet.", "Each one is listed here with what became of it."),
        });
    }

    private static string? Iso(DateTimeOffset? at) => at?.ToString("O", CultureInfo.InvariantCulture);

    private static string? Remarks(ScheduleRunView run)
    {
        var remarks = string.Join(", ", ((string?[])[run.CaughtUp ? "caught up" : null, run.DryRun ? "dry run" : null, run.Alerted ? "past the deadline" : null, run.Retries > 0 ? ScheduleHistory.Retries(run) : null]).OfType<string>());
        return remarks.Length > 0 ? remarks : null;
    }

    /// <summary>What the other cadence would do, before anything is published.</summary>
    private void Think(DateTimeOffset now)
    {
        TimeSpan? every = null;
        if (Thought.Interval.Length > 0)
        {
            if (!TimeSpan.TryParse(Thought.Interval, CultureInfo.InvariantCulture, out var span))
            {
                ChangedWords = [$"Interval: '{Thought.Interval}' is no length of time; expected one such as 7.00:00:00."];
                return;
            }

            every = span;
        }

        var settings = ScheduleSettings.OfCadence(Thought.Cron.Length > 0 ? Thought.Cron : null, Thought.Zone, every, every is null ? null : Schedule.Anchor ?? now);
        var problems = settings.Problems(now);
        ChangedWords = problems.Count > 0 ? [.. problems.Select(static p => $"{p.Field} {p.Message}")] : [CadenceWords.Of(settings)];
        if (problems.Count == 0) Changed = ScheduleHistory.Coming(settings.ToCadence(now), now, now.AddYears(2), Shown);
    }

    [NeedsRole(Roles.Operator)]
    public async Task<IActionResult> OnPostRunAsync(string name, bool force, bool dryRun, CancellationToken ct) =>
        await AnswerAsync(name, await book.RunNowAsync(name, force, dryRun, HttpContext.UserName(), ct).ConfigureAwait(false), "schedule-run", new() { ["force"] = force, ["dry_run"] = dryRun }, ct).ConfigureAwait(false);

    [NeedsRole(Roles.Operator)]
    public async Task<IActionResult> OnPostPauseAsync(string name, string? reason, CancellationToken ct)
    {
        if (string.IsNullOrWhiteSpace(reason)) return Problem(StatusCodes.Status400BadRequest, "The schedule was not paused: a reason is missing.", "Whoever finds it paused must know why.", "Go back and write the reason.");
        return await AnswerAsync(name, await book.PauseAsync(name, reason.Trim(), HttpContext.UserName(), ct).ConfigureAwait(false), "schedule-pause", new() { ["reason"] = reason.Trim() }, ct).ConfigureAwait(false);
    }

    [NeedsRole(Roles.Operator)]
    public async Task<IActionResult> OnPostResumeAsync(string name, string? reason, string? missed, CancellationToken ct)
    {
        if (string.IsNullOrWhiteSpace(reason)) return Problem(StatusCodes.Status400BadRequest, "The schedule was not resumed: a reason is missing.", "The audit log keeps why.", "Go back and write the reason.");
        ScheduleEndpoints.TryReadMissed(missed ?? "", out var after);
        return await AnswerAsync(name, await book.ResumeAsync(name, after, HttpContext.UserName(), ct).ConfigureAwait(false), "schedule-resume", new() { ["reason"] = reason.Trim(), ["missed"] = after.ToString() }, ct).ConfigureAwait(false);
    }

    private async Task<IActionResult> AnswerAsync(string name, ScheduleCommandResult result, string action, JsonObject detail, CancellationToken ct)
    {
        switch (result)
        {
            case ScheduleCommandResult.Done done:
                if (done.RunId is not null) detail["run"] = done.RunId;
                await AuditAsync(action, done.Schedule.Name, detail, ct).ConfigureAwait(false);
                return GoTo(done.RunId is null ? SchedulesPage.Url(done.Schedule.Name) : ScheduleRunPage.Url(done.Schedule.Name, done.RunId), done.Message);
            case ScheduleCommandResult.Refused refused:
                return Problem(StatusCodes.Status409Conflict, refused.Why, "Nothing was changed.", "Look at its runs, then try again.");
            default:
                return Missing(name);
        }
    }

    private IActionResult Missing(string name) => Problem(StatusCodes.Status404NotFound, $"There is no schedule '{name}'.", "The name is wrong, or its workflow was never published.", "Look for it in the list of schedules.");
}
