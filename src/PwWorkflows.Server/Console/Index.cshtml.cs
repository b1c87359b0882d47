using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using PwWorkflows.Activities.Data;
using PwWorkflows.Server.Endpoints;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/</c>: what needs me?</summary>
internal sealed class OverviewPage(NeedsBoard board, OutsideHealth health, IWorkflowAdmin workflows, IPwDatabase database) : ConsolePage
{
    /// <summary>A filing as it is listed here.</summary>
    public sealed record FilingLine(string Order, string Form, int Year, string Confirmation, DateTimeOffset FiledAt, long Sequence);

    public override string? Topic => LiveFeed.Overview;

    public IReadOnlyList<(INeeds Source, NeedsOfSection? Needs)> Needs { get; private set; } = [];

    public IReadOnlyList<(string Label, long Count)> Today { get; private set; } = [];

    public IReadOnlyDictionary<string, HealthCheckView> Health { get; private set; } = new Dictionary<string, HealthCheckView>();

    public IReadOnlyList<FilingLine> Filings { get; private set; } = [];

    public async Task OnGetAsync(CancellationToken ct)
    {
        Needs = await board.ReadAsync(ct, Seen).ConfigureAwait(false);
        (Health, _) = await health.ReadAsync(ct).ConfigureAwait(false);
        // The viewer's day.
        var local = TimeZoneInfo.ConvertTime(Show.Now, Show.Zone).Date;
        var since = new DateTimeOffset(local, Show.Zone.GetUtcOffset(local));
        var runs = await workflows.CountRunsAsync(since, ct).ConfigureAwait(false);
        Today = [
            ("Orders placed", await CountAsync("compliance_orders WHERE created_at >= @since", since, ct).ConfigureAwait(false)),
            ("Filed", await CountAsync("filings WHERE filed_at >= @since", since, ct).ConfigureAwait(false)),
            ("Runs finished", runs["finished"]),
            ("Running", runs["running"]),
            ("Waiting", runs["suspended"]),
            ("Failed", runs["faulted"]),
        ];
        Filings = await database.QueryAsync(
            "SELECT order_number, form, year, confirmation_number, filed_at, sequence FROM filings ORDER BY sequence DESC LIMIT 5", Parameters.None,
            static r => new FilingLine(r.GetString(0), r.GetString(1), r.GetInt32(2), r.GetString(3), r.Time(4), r.GetInt64(5)), ct).ConfigureAwait(false);
    }

    /// <summary>The content alone, for the page to renew itself.</summary>
    public async Task<PartialViewResult> OnGetPartAsync(CancellationToken ct)
    {
        await OnGetAsync(ct).ConfigureAwait(false);
        return Partial("_Overview", this);
    }

    private async Task<long> CountAsync(string what, DateTimeOffset since, CancellationToken ct) =>
        (await database.QueryAsync($"SELECT COUNT(*) FROM {what}", Parameters.Of(("since", since)), static r => r.GetInt64(0), ct).ConfigureAwait(false))[0];
}
