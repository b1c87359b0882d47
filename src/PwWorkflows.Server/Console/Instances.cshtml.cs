using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.WebUtilities;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/instances</c>: what is stuck, and one retry for all that is stuck alike.</summary>
internal sealed class InstancesPage(StuckInstances stuck, IWorkflowAdmin workflows) : ConsolePage
{
    private const int ShownGroups = 100;

    private sealed record Line(string Id, string Definition, string Step, string Message, string? Correlation, DateTimeOffset At, DateTimeOffset? RetriedAt);

    public override string? Topic => LiveFeed.Stuck;

    public IReadOnlyList<StuckGroup> Groups { get; private set; } = [];

    public bool MayRetry => May(Roles.Operator);

    public async Task<IActionResult> OnGetAsync(CancellationToken ct)
    {
        Groups = await stuck.GroupsAsync(ShownGroups, ct).ConfigureAwait(false);
        return await TableAsync(
            new Table<Line>
            {
                Name = "stuck-instances",
                Select = "instance_id, definition_id, activity_id, message, correlation_id, at, retried_at",
                From = "stuck_instances",
                Key = "instance_id",
                Map = static r => new Line(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.Text(4), r.Time(5), r.TimeOrNull(6)),
                Sorts = [new("at", "at", Descending: true), new("instance", "instance_id")],
                Filters = [new("definition", "Workflow", "definition_id = @definition"), new("step", "Step", "activity_id = @step"), new("kind", "Kind of error", "kind = @kind")],
                Columns =
                [
                    new("Instance", l => Show.Id(l.Id, "/studio/host/instance?id=" + Uri.EscapeDataString(l.Id)), static l => l.Id) { Sort = "instance" },
                    new("Workflow", l => Show.Text(l.Definition), static l => l.Definition),
                    new("Step", l => Show.Text(l.Step), static l => l.Step),
                    new("About", l => l.Correlation is null ? Show.Text(null) : Show.Id(l.Correlation, l.Correlation.StartsWith('C') ? OrdersPage.Url(l.Correlation) : null), static l => l.Correlation),
                    new("Error", l => Show.Text(l.Message), static l => l.Message),
                    new("Stuck", l => Show.Time(l.At), static l => l.At.ToString("O", CultureInfo.InvariantCulture)) { Sort = "at" },
                    new("State", l => l.RetriedAt is null ? Show.Badge("stuck", Tone.Bad) : Show.Badge("told to go on", Tone.Busy), static l => l.RetriedAt?.ToString("O", CultureInfo.InvariantCulture)),
                ],
                Empty = new("Nothing is stuck.", "All workflows run or have ended."),
            },
            ct).ConfigureAwait(false);
    }

    [NeedsRole(Roles.Operator)]
    public async Task<IActionResult> OnPostRetryAsync(string definition, string? step, string? kind, CancellationToken ct)
    {
        var told = await stuck.RetryAsync((definition, step ?? "", kind ?? ""), async (id, token) => await workflows.RetryAsync(id, token).ConfigureAwait(false) != InstanceCommandResult.NotFound, ct).ConfigureAwait(false);
        await AuditAsync("instances-retry", definition, new JsonObject { ["step"] = step, ["instances"] = told }, ct).ConfigureAwait(false);
        return GoTo("/instances", told == 0 ? "All of them had been told to go on already." : string.Create(CultureInfo.InvariantCulture, $"{told} instance{(told == 1 ? "" : "s")} of {definition} go{(told == 1 ? "es" : "")} on from the failed step."));
    }

    /// <summary>The list of a group's instances.</summary>
    public static string Filter(StuckGroup group) =>
        QueryHelpers.AddQueryString("/instances", new Dictionary<string, string?> { ["definition"] = group.DefinitionId, ["step"] = group.ActivityId.Length == 0 ? null : group.ActivityId, ["kind"] = group.Kind.Length == 0 ? null : group.Kind });
}
