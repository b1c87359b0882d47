using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Approvals;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/approvals</c>: what waits for an administrator's word, and what was decided.</summary>
internal sealed class ApprovalsPage(ApprovalStore store, IPwDatabase database) : ConsolePage
{
    /// <summary>How many of those that wait are shown as cards.</summary>
    private const int Cards = 30;

    /// <summary>A request as it is listed.</summary>
    public sealed record Line(string Id, string Title, string Status, string? Order, long? AmountCents, string? Currency, DateTimeOffset RequestedAt, DateTimeOffset? DecidedAt, string? By);

    public override string? Topic => LiveFeed.Approvals;

    /// <summary>Those that wait, by the time they have left.</summary>
    public IReadOnlyList<Approval> Waiting { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync(CancellationToken ct)
    {
        await ReadWaitingAsync(ct).ConfigureAwait(false);
        return await TableAsync(History(), ct).ConfigureAwait(false);
    }

    /// <summary>Those that wait alone, for the page to renew itself.</summary>
    public async Task<IActionResult> OnGetPartAsync(CancellationToken ct)
    {
        await ReadWaitingAsync(ct).ConfigureAwait(false);
        return Partial("_ApprovalCards", this);
    }

    private async Task ReadWaitingAsync(CancellationToken ct) => Waiting = await store.ListAsync(new(ApprovalStatuses.Waiting), 0, Cards, ct).ConfigureAwait(false);

    private Table<Line> History() => new()
    {
        Name = "approvals",
        Select = $"""
            a.id, a.title, a.status, a.order_number, a.amount_cents, a.currency, a.requested_at, a.decided_at,
            (SELECT {(database.IsPostgres ? "string_agg" : "group_concat")}(COALESCE(NULLIF(u.display_name, ''), d.username), ', ') FROM approval_decisions d
             LEFT JOIN admin_users u ON u.username = d.username WHERE d.approval_id = a.id)
            """,
        From = "approvals a",
        Key = "a.id",
        Map = static r => new(r.GetString(0), r.GetString(1), r.GetString(2), r.Text(3), r.IsDBNull(4) ? null : r.GetInt64(4), r.Text(5), r.Time(6), r.TimeOrNull(7), r.Text(8)),
        Columns =
        [
            new("What", l => Show.Link(l.Title, "/approvals/" + l.Id), static l => l.Title),
            new("State", l => Show.State(l.Status), static l => l.Status),
            new("Amount", l => Show.Text(l.AmountCents is { } cents ? Show.Money(cents, l.Currency ?? "") : null), static l => l.AmountCents?.ToString(System.Globalization.CultureInfo.InvariantCulture)) { Right = true },
            new("Order", l => Show.Id(l.Order, l.Order is { } order ? "/orders/" + Uri.EscapeDataString(order) : null), static l => l.Order),
            new("Asked", l => Show.Time(l.RequestedAt), static l => l.RequestedAt.ToString("O", System.Globalization.CultureInfo.InvariantCulture)) { Sort = "asked" },
            new("Ended", l => Show.Time(l.DecidedAt), static l => l.DecidedAt?.ToString("O", System.Globalization.CultureInfo.InvariantCulture)),
            new("By", l => Show.Text(l.By), static l => l.By),
            new("Id", l => Show.Id(l.Id), static l => l.Id) { CsvOnly = true },
            new("Currency", l => Show.Text(l.Currency), static l => l.Currency) { CsvOnly = true },
        ],
        Sorts = [new("asked", "a.requested_at", Descending: true)],
        Filters =
        [
            new("status", "State", "a.status = @status", TableFilter.Words([.. ApprovalStatuses.All])),
            new("order", "Order", "a.order_number = @order"),
            new("title", "Title holds", "lower(a.title) LIKE lower(@title) ESCAPE '\\'")
            {
                Parse = static text => $"%{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal)}%",
            },
        ],
        Empty = new("Nothing was asked yet.", "A workflow asks with the step Request Approval; what it asks shows up here."),
    };
}

/// <summary>Requests that wait for an administrator.</summary>
internal sealed class ApprovalNeeds(ApprovalStore store, TimeProvider time) : INeeds
{
    /// <summary>From then on a request is urgent.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromHours(24);

    public string Title => "Approvals";
    public string Section => "/approvals";
    public string? All => "/approvals";

    public async Task<NeedsOfSection> ReadAsync(CancellationToken ct)
    {
        var query = new ApprovalQuery(ApprovalStatuses.Waiting);
        var first = await store.ListAsync(query, 0, INeeds.Shown, ct).ConfigureAwait(false);
        var now = time.GetUtcNow();
        return new(await store.CountAsync(query, ct).ConfigureAwait(false), [.. first.Select(a => new Need(
            a.Title, $"{(a.AmountCents is null ? "" : a.Amount() + ", ")}{(a.People == 2 ? $"{a.Decisions.Count} of 2 people, " : "")}{ApprovalPolicy.Duration(a.ExpiresAt - now)} left",
            "/approvals/" + a.Id, a.RequestedAt, a.ExpiresAt - now < Soon || a.EscalatedAt is not null ? Tone.Bad : Tone.Warn))]);
    }
}

/// <summary>Requests by their number.</summary>
internal sealed class ApprovalSearch(ApprovalStore store) : ISearch
{
    public async Task<IReadOnlyList<SearchHit>> FindAsync(string text, CancellationToken ct) =>
        text.StartsWith("AP-", StringComparison.OrdinalIgnoreCase) && await store.FindAsync(text.ToUpperInvariant(), ct).ConfigureAwait(false) is { } found
            ? [new SearchHit("Approval", found.Title, "/approvals/" + found.Id)] : [];
}
