using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/schedules/pw-x/runs/1</c>: what one run did.</summary>
internal sealed class ScheduleRunPage(ScheduleBook book, ScheduleHistory history) : ConsolePage
{
    public override string? Topic => LiveFeed.Run(RouteData.Values["run"] as string ?? "");

    public ScheduleRunView Run { get; private set; } = null!;

    public IReadOnlyList<ScheduleLogLine> Lines { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync(string name, string run, CancellationToken ct)
    {
        if (await book.FindRunAsync(run, ct).ConfigureAwait(false) is not { } found || found.Schedule != name)
            return Problem(StatusCodes.Status404NotFound, $"There is no such run of '{name}'.", "The link is wrong, or the run is older than is kept.", "Look at the runs of the schedule.");
        Run = found;
        Lines = await history.LinesAsync(found, ct).ConfigureAwait(false);
        return Page();
    }

    /// <summary>Address of a run's page.</summary>
    public static new string Url(string schedule, string run) => $"{SchedulesPage.Url(schedule)}/runs/{Uri.EscapeDataString(run)}";
}
