using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/instances/1/log</c>: what one instance did, line by line. Studio's viewer links to it.</summary>
internal sealed class InstanceLogPage(IWorkflowAdmin workflows, ScheduleHistory history) : ConsolePage
{
    public WorkflowInstanceInfo Instance { get; private set; } = null!;

    public InstanceSteps Steps { get; private set; } = null!;

    public async Task<IActionResult> OnGetAsync(string id, CancellationToken ct)
    {
        if (await workflows.GetInstanceAsync(id, ct).ConfigureAwait(false) is not var (instance, _) || await history.StepsAsync(id, ct).ConfigureAwait(false) is not { } steps)
            return Problem(StatusCodes.Status404NotFound, "There is no such instance.", "The link is wrong, or the instance is older than is kept.", "Look for it in the list of instances.");
        (Instance, Steps) = (instance, steps);
        return Page();
    }

    /// <summary>Address of an instance's log.</summary>
    public static new string Url(string id) => $"/instances/{Uri.EscapeDataString(id)}/log";
}
