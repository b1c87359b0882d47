using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/audit</c>: who did what. Viewers and operators see what was done to orders and workflows; sign-ins and users are for administrators.</summary>
internal sealed class AuditPage(AuditLog audit) : ConsolePage
{
    private sealed record Line(long Id, DateTimeOffset At, string Actor, string Action, string Subject, string Detail);

    public Task<IActionResult> OnGetAsync(CancellationToken ct) => TableAsync(
        new Table<Line>
        {
            Name = "audit",
            Select = "id, at, actor, action, subject, detail",
            From = "audit_log",
            Where = May(Roles.Admin) ? null : "action NOT LIKE 'sign-in%' AND action NOT LIKE 'user-%'",
            Key = "id",
            Map = static r => new Line(r.GetInt64(0), r.Time(1), r.GetString(2), r.GetString(3), r.GetString(4), r.GetString(5)),
            Sorts = [new("at", "id", Descending: true)],
            Filters = [new("actor", "Who", "actor = @actor"), new("action", "Did", "action = @action"), new("subject", "To what", "subject = @subject")],
            Columns =
            [
                new("No.", l => Show.Text(l.Id.ToString(CultureInfo.InvariantCulture)), static l => l.Id.ToString(CultureInfo.InvariantCulture)) { Right = true },
                new("When", l => Show.Exact(l.At), static l => l.At.ToString("O", CultureInfo.InvariantCulture)) { Sort = "at" },
                new("Who", l => Show.Text(l.Actor), static l => l.Actor),
                new("Did", l => Show.Text(l.Action.Replace('-', ' ')), static l => l.Action),
                new("To what", l => l.Subject.StartsWith("CO-", StringComparison.Ordinal) ? Show.Id(l.Subject, OrdersPage.Url(l.Subject)) : Show.Text(l.Subject), static l => l.Subject),
                new("Detail", l => Show.Text(l.Detail == "{}" ? null : l.Detail), static l => l.Detail),
            ],
            Empty = new("Nothing was done yet.", "Sign-ins, replays, retries, approvals and changes of users are noted here, each chained to the one before."),
        },
        ct);

    /// <summary>Reads the whole chain; that is for administrators, because it takes long.</summary>
    [NeedsRole(Roles.Admin)]
    public async Task<IActionResult> OnPostVerifyAsync(CancellationToken ct) =>
        GoTo("/audit", await audit.FindFaultAsync(ct).ConfigureAwait(false) is { } fault ? $"The chain is broken: {fault}" : "Every entry is as written, and none is missing.");
}
