using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Approvals;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/orders/CO-…</c>: what happened to this order?</summary>
internal sealed class OrderPage(OrderReader reader, IOrders orders, ApprovalStore approvals, IPwDatabase database) : ConsolePage
{
    public sealed record ToDo(string Marker, string Instructions, string? ErpName, DateTimeOffset CreatedAt, DateTimeOffset? ClosedAt);

    public sealed record Filed(long Sequence, string Form, int Year, string Confirmation, DateTimeOffset FiledAt, FilingManifest Manifest);

    public sealed record Effect(string Key, string Status, int Attempts, string? Result, string? Note, DateTimeOffset At);

    private sealed record Booking(string EventId, string Purpose, long Cents, string Currency, string? Method, string Reference);

    private const int MostApprovals = 100;

    public override string? Topic => LiveFeed.Order(RouteData.Values["order"] as string ?? "");

    public OrderView Order { get; private set; } = null!;
    public TelecomEntity? Carrier { get; private set; }
    public IReadOnlyList<ToDo> ToDos { get; private set; } = [];
    public IReadOnlyList<Filed> Filings { get; private set; } = [];
    public IReadOnlyList<Effect> Effects { get; private set; } = [];
    public IReadOnlyList<TimelineItem> Story { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync(string order, CancellationToken ct)
    {
        if (await reader.FindAsync(order, ct).ConfigureAwait(false) is not { } found)
            return Problem(StatusCodes.Status404NotFound, $"There is no order “{order}”.", "The number is wrong, or the order was placed elsewhere.", "Search for the Sales Order, the customer or the FRN in the bar above.");
        Order = found;
        Carrier = found.TelecomEntityId is { } id ? await orders.GetEntityAsync(id, ct).ConfigureAwait(false) : null;
        var ofOrder = Parameters.Of(("order", order));
        ToDos = await database.QueryAsync(
            "SELECT marker, instructions, erpnext_name, created_at, closed_at FROM admin_todos WHERE order_number = @order ORDER BY id DESC LIMIT 100", ofOrder,
            static r => new ToDo(r.GetString(0), r.GetString(1), r.Text(2), r.Time(3), r.TimeOrNull(4)), ct).ConfigureAwait(false);
        Filings = await database.QueryAsync(
            "SELECT sequence, form, year, confirmation_number, filed_at, manifest FROM filings WHERE order_number = @order ORDER BY sequence", ofOrder,
            static r => new Filed(r.GetInt64(0), r.GetString(1), r.GetInt32(2), r.GetString(3), r.Time(4), JsonSerializer.Deserialize<FilingManifest>(r.GetString(5), FilingManifest.Json)!), ct).ConfigureAwait(false);
        Effects = await EffectsAsync(found, ct).ConfigureAwait(false);
        Story = await StoryAsync(found, ofOrder, ct).ConfigureAwait(false);
        return ListOf(new ListTable<Effect>
        {
            Name = "changes-of-" + order,
            Rows = Effects,
            Columns =
            [
                new("Key", e => Show.Id(e.Key, longest: 60), static e => e.Key) { Sort = "key" },
                new("State", e => Show.State(e.Status), static e => e.Status),
                new("Tries", e => Show.Text(e.Attempts.ToString(CultureInfo.InvariantCulture)), static e => e.Attempts.ToString(CultureInfo.InvariantCulture)) { Right = true },
                new("When", e => Show.Exact(e.At), static e => e.At.ToString("O", CultureInfo.InvariantCulture)) { Sort = "at" },
                new("Result", e => Show.Text(e.Note ?? e.Result), static e => e.Note ?? e.Result),
            ],
            Sorts = new Dictionary<string, Func<Effect, IComparable?>> { ["key"] = static e => e.Key, ["at"] = static e => e.At },
            Filters =
            [
                new("key", "Key holds", static (e, text) => e.Key.Contains(text, StringComparison.OrdinalIgnoreCase)),
                new("state", "State", static (e, state) => e.Status == state, TableFilter.Words([.. Effects.Select(static e => e.Status).Distinct().Order(StringComparer.Ordinal)])),
            ],
            Empty = new("Nothing was changed outside.", "What this order changes in ERPNext, at the portal and by mail is told here."),
        });
    }

    // Keys begin with what they are about; the end of a range is the sign after the colon.
    private async Task<IReadOnlyList<Effect>> EffectsAsync(OrderView order, CancellationToken ct)
    {
        var collate = database.IsPostgres ? " COLLATE \"C\"" : "";
        return await database.QueryAsync(
            $"""
             SELECT key, status, attempts, result, note, started_at FROM effects WHERE key = @sales
             UNION SELECT key, status, attempts, result, note, started_at FROM effects WHERE key{collate} >= @state AND key{collate} < @state_end
             UNION SELECT key, status, attempts, result, note, started_at FROM effects WHERE key{collate} >= @mail AND key{collate} < @mail_end
             UNION SELECT key, status, attempts, result, note, started_at FROM effects WHERE key = @filing
             UNION SELECT key, status, attempts, result, note, started_at FROM effects WHERE status <> 'done' AND key LIKE @any
             ORDER BY started_at
             """,
            Parameters.Of(
                ("sales", "erp:so:" + order.OrderNumber), ("state", $"erp:{order.SalesOrder ?? order.OrderNumber}:"), ("state_end", $"erp:{order.SalesOrder ?? order.OrderNumber};"),
                ("mail", $"mail:{order.OrderNumber}:"), ("mail_end", $"mail:{order.OrderNumber};"),
                ("filing", Filings is [var f, ..] ? $"usac:499a:{f.Year.ToString(CultureInfo.InvariantCulture)}:{f.Manifest.FilerId}:{order.OrderNumber}" : ""), ("any", $"%{order.OrderNumber}%")),
            static r => new Effect(r.GetString(0), r.GetString(1), r.GetInt32(2), r.Text(3), r.Text(4), r.Time(5)), ct).ConfigureAwait(false);
    }

    private async Task<IReadOnlyList<TimelineItem>> StoryAsync(OrderView order, IReadOnlyList<KeyValuePair<string, object?>> ofOrder, CancellationToken ct)
    {
        var story = new List<TimelineItem>();
        var booked = (await database.QueryAsync(
            "SELECT event_id, purpose, amount_cents, currency, method, reference FROM order_payments WHERE order_number = @order", ofOrder,
            static r => new Booking(r.GetString(0), r.GetString(1), r.GetInt64(2), r.GetString(3), r.Text(4), r.GetString(5)), ct).ConfigureAwait(false)).ToList();
        var asked = await approvals.ListAsync(new(OrderNumber: order.OrderNumber), 0, MostApprovals, ct).ConfigureAwait(false);
        // Mails and words of approvers are told below, with what they say.
        foreach (var entry in order.Timeline.Where(t => t.Event != "mail" && !(asked.Count > 0 && IsOfApproval(t.Event))))
        {
            var bookings = booked.Where(b => entry.Message.Contains(b.EventId, StringComparison.Ordinal)).Select(static b => Words(b));
            story.Add(new(entry.At, Actor(entry.Event), "", Show.Text(entry.Message), Feeling(entry.Event)) { Detail = string.Join("; ", bookings), Rank = 1 });
        }

        foreach (var approval in asked) story.AddRange(ApprovalStory.Of(approval, Show, named: true));
        story.AddRange(await MoneyAsync(order, ofOrder, ct).ConfigureAwait(false));
        story.AddRange(await database.QueryAsync(
            """
            SELECT id, provider, event_type, status, reason, received_at FROM webhook_inbox WHERE provider = 'stripe' AND event_id IN (SELECT event_id FROM order_payments WHERE order_number = @order)
            UNION SELECT id, provider, event_type, status, reason, received_at FROM webhook_inbox WHERE status <> 'applied' AND order_number = @order
            """, ofOrder,
            r => new TimelineItem(r.Time(5), "Webhook", "", Show.Link($"{r.GetString(1)} sent {r.Text(2) ?? "a request"}", "/webhooks/" + r.GetInt64(0).ToString(CultureInfo.InvariantCulture)), Show.ToneOf(r.GetString(3)))
            { Detail = $"{r.GetString(3).Replace('_', ' ')}: {r.Text(4)}" }, ct).ConfigureAwait(false));
        foreach (var i in order.WorkflowInstances)
        {
            var link = Show.Link($"{i.DefinitionId} version {i.Version.ToString(CultureInfo.InvariantCulture)}", "/studio/host/instance?id=" + Uri.EscapeDataString(i.Id));
            story.Add(new(i.CreatedAt, "Workflow", "started", link, Tone.Busy));
            if (i.FinishedAt is { } end) story.Add(new(end, "Workflow", i.Status, link, Show.ToneOf(i.Status)) { Detail = $"after {Show.Duration(end - i.CreatedAt)}", Rank = 3 });
            else if (i.Status is "suspended" or "parked") story.Add(new(i.UpdatedAt, "Workflow", i.Status == "parked" ? "parked" : "waits", link, Tone.Warn) { Rank = 3 });
        }

        story.AddRange(await database.QueryAsync(
            "SELECT subject, sent_to, status, body_text, note, at FROM mails WHERE order_number = @order ORDER BY at LIMIT 200", ofOrder,
            r => new TimelineItem(r.Time(5), "Mail", r.GetString(2), Show.Text($"“{r.GetString(0)}” to {r.GetString(1)}"), Show.ToneOf(r.GetString(2))) { Raw = r.GetString(3), Detail = r.Text(4), Rank = 2 }, ct).ConfigureAwait(false));
        story.AddRange(await database.QueryAsync(
            "SELECT officer_name, officer_title, recorded_by, values_sha256, recorded_at, authorized_at FROM officer_authorizations WHERE order_number = @order", ofOrder,
            r => new TimelineItem(r.Time(4), r.GetString(0), "authorized", Show.Text("exactly these values: " + r.GetString(3)[..12]), Tone.Good) { Detail = $"{r.GetString(1)}; recorded by {r.GetString(2)}" }, ct).ConfigureAwait(false));
        // What officers, customers and approvers gave is told above.
        story.AddRange(await database.QueryAsync(
            """
            SELECT id, at, actor, action, detail FROM audit_log WHERE subject = @order AND action NOT IN ('officer-authorization', 'intake-replaced')
            UNION SELECT id, at, actor, action, detail FROM audit_log WHERE subject IN (SELECT id FROM approvals WHERE order_number = @order) AND action IN ('approval-reminded', 'approval-refused') ORDER BY id LIMIT 200
            """, ofOrder,
            r => new TimelineItem(r.Time(1), r.GetString(2), "", Show.Text(r.GetString(3).Replace('-', ' ')), Show.ToneOf(r.GetString(3)[(r.GetString(3).LastIndexOf('-') + 1)..])) { Raw = r.GetString(4) == "{}" ? null : Show.Json(r.GetString(4)), Rank = 2 }, ct).ConfigureAwait(false));
        foreach (var todo in ToDos)
        {
            story.Add(new(todo.CreatedAt, "ToDo", "raised:", Show.Text(todo.Marker.Replace('-', ' ')), Tone.Warn) { Detail = todo.Instructions, Rank = 2 });
            if (todo.ClosedAt is { } closed) story.Add(new(closed, "ToDo", "closed:", Show.Text(todo.Marker.Replace('-', ' ')), Tone.Good) { Rank = 2 });
        }

        foreach (var filing in Filings)
        {
            var at = $"/filings/{filing.Sequence.ToString(CultureInfo.InvariantCulture)}";
            var screens = filing.Manifest.Files.Where(static f => f.ContentType == "image/png").ToList();
            story.Add(new(filing.FiledAt, "Portal", "showed", Show.Link($"{screens.Count} screens", at), Tone.Good) { Pictures = [.. screens.Select(f => ($"{at}/files/{Uri.EscapeDataString(f.Name)}", FilingPage.Caption(f.Name)))], Rank = 0 });
            story.Add(new(filing.FiledAt, "Evidence", "sealed:", Show.Link($"{filing.Manifest.Files.Count} files, number {filing.Sequence.ToString(CultureInfo.InvariantCulture)} of the chain", at), Tone.Good) { Rank = 1 });
        }

        return story;
    }

    // Money beyond the customer's payment: what crypto came in for it, what arrived at the bank, what a partner earned.
    private async Task<IReadOnlyList<TimelineItem>> MoneyAsync(OrderView order, IReadOnlyList<KeyValuePair<string, object?>> ofOrder, CancellationToken ct)
    {
        var money = new List<TimelineItem>();
        string At(string part) => $"/treasury/{part}?order={Uri.EscapeDataString(order.OrderNumber)}";
        var coins = await database.QueryAsync(
            "SELECT crypto, txid, amount_crypto, amount_fiat_cents, state, note, received_at, updated_at FROM crypto_payment_jobs WHERE order_number = @order ORDER BY id", ofOrder,
            static r => (Coin: r.GetString(0), Tx: r.GetString(1), Amount: r.GetString(2), Cents: r.GetInt64(3), State: r.GetString(4), Note: r.Text(5), At: r.Time(6), ChangedAt: r.Time(7)), ct).ConfigureAwait(false);
        foreach (var c in coins)
        {
            var link = Show.Link($"{c.Amount} {c.Coin}, worth {Show.Money(c.Cents, "usd")}", At("crypto"));
            money.Add(new(c.At, "Crypto", "received", link, Tone.Good) { Detail = "transaction " + c.Tx });
            if (c.State != "received") money.Add(new(c.ChangedAt, "Crypto", c.State == "manual" ? "waits for a person:" : c.State.Replace('_', ' ') + ":", link, c.State == "manual" ? Tone.Warn : Show.ToneOf(c.State)) { Detail = c.Note, Rank = 1 });
        }

        money.AddRange(await database.QueryAsync(
            "SELECT amount_cents, counterparty, memo, matched_by, received_at FROM relay_deposits WHERE matched_order_id = @order ORDER BY id", ofOrder,
            r => new TimelineItem(r.Time(4), "Bank", "received", Show.Link($"{Show.Money(r.GetInt64(0), "usd")} from {r.GetString(1)}", At("deposits")), Tone.Good)
            { Detail = $"matched by its {r.Text(3)}{(r.Text(2) is { } memo ? $" “{memo}”" : "")}" }, ct).ConfigureAwait(false));

        var earned = await database.QueryAsync(
            """
            SELECT c.seq, c.partner_code, c.base_cents, c.rate_bps, c.amount_cents, c.status, c.clears_on, c.reason, c.payable_at, c.created_at, s.id, s.created_at, s.mailed_at
            FROM commissions c LEFT JOIN commission_statements s ON s.id = c.statement WHERE c.order_number = @order ORDER BY c.seq
            """, ofOrder,
            static r => (
                Seq: r.GetInt32(0), Partner: r.GetString(1), Base: r.GetInt64(2), Rate: r.GetInt32(3), Cents: r.GetInt64(4), Status: r.GetString(5), ClearsOn: r.GetString(6), Reason: r.Text(7),
                PayableAt: r.TimeOrNull(8), At: r.Time(9), Statement: r.Text(10), StatedAt: r.TimeOrNull(11), MailedAt: r.TimeOrNull(12)), ct).ConfigureAwait(false);
        foreach (var c in earned)
        {
            var link = Show.Link($"{Show.Money(c.Cents, order.Currency)} for {c.Partner}", At("commissions"));
            var rate = string.Create(CultureInfo.InvariantCulture, $"{c.Rate / 100m:0.##} % of {Show.Money(c.Base, order.Currency)}");
            // When it was reversed is not on record.
            money.Add(new(c.At, "Commission", c.Seq == 0 ? "earned:" : "adjusted by", link, c.Status == "reversed" ? Tone.Bad : Tone.Idle)
            { Detail = c.Status switch { "reversed" => $"{rate}; reversed since: {c.Reason}", "pending" => $"{rate}; clears on {c.ClearsOn}", _ => c.Seq == 0 ? rate : $"{rate}; {c.Reason}" } });
            if (c.PayableAt is { } payable && c.Seq == 0) money.Add(new(payable, "Commission", "cleared:", link, Tone.Good) { Rank = 1 });
            if (c.StatedAt is { } stated) money.Add(new(stated, "Commission", "put on the statement:", link) { Detail = $"statement {c.Statement}{(c.MailedAt is null ? ", not mailed yet" : "")}", Rank = 2 });
        }

        return money;
    }

    private static string Words(Booking b) =>
        $"{Show.Money(Math.Abs(b.Cents), b.Currency)} {(b.Purpose == "disputed" ? "is held back" : b.Cents < 0 ? "went back" : "came in")}{(b.Method is null ? "" : " by " + b.Method)} ({b.Reference})";

    // As the approvals' own rows tell it.
    private static bool IsOfApproval(string @event) => @event is "approval-requested" or "approval-first" or "approval-approved" or "approval-rejected" or "approval-expired" or "approval-withdrawn";

    private static string Actor(string @event) => @event switch
    {
        "placed" => "Checkout",
        "fulfilment-begun" or "service-dispatched" => "Workflow",
        "filed" => "Portal",
        "officer-authorized" or "intake-updated" => "Staff",
        _ when @event.StartsWith("sales-order", StringComparison.Ordinal) || @event == "completed" => "ERPNext",
        _ when @event.Contains('.', StringComparison.Ordinal) => "Stripe",
        _ => "Order",
    };

    private static Tone Feeling(string @event) => @event switch
    {
        "filed" or "completed" or "checkout.session.completed" or "checkout.session.async_payment_succeeded" or "invoice.paid" => Tone.Good,
        "payment-suspicious" => Tone.Warn,
        _ when @event.Contains("refund", StringComparison.Ordinal) || @event.Contains("dispute", StringComparison.Ordinal) || @event.Contains("failed", StringComparison.Ordinal) || @event == "stopped" => Tone.Bad,
        _ => Tone.Idle,
    };
}
