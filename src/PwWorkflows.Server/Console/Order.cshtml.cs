using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/orders/CO-…</c>: what happened to this order?</summary>
internal sealed class OrderPage(OrderReader reader, IOrders orders, IPwDatabase database) : ConsolePage
{
    public sealed record ToDo(string Marker, string Instructions, string? ErpName, DateTimeOffset CreatedAt, DateTimeOffset? ClosedAt);

    public sealed record Filed(long Sequence, string Form, int Year, string Confirmation, DateTimeOffset FiledAt, FilingManifest Manifest);

    public sealed record Effect(string Key, string Status, int Attempts, string? Result, string? Note, DateTimeOffset At);

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
        // Mails are told below, with their text.
        foreach (var entry in order.Timeline.Where(static t => t.Event != "mail"))
            story.Add(new(entry.At, Actor(entry.Event), "", Show.Text(entry.Message), Feeling(entry.Event)) { Rank = 1 });
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
        // What officers and customers gave is told above.
        story.AddRange(await database.QueryAsync(
            """
            SELECT id, at, actor, action, detail FROM audit_log WHERE subject = @order AND action NOT IN ('officer-authorization', 'intake-replaced')
            UNION SELECT id, at, actor, action, detail FROM audit_log WHERE subject IN (SELECT id FROM approvals WHERE order_number = @order) ORDER BY id LIMIT 200
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
        "filed" or "completed" => Tone.Good,
        _ when @event.Contains("refund", StringComparison.Ordinal) || @event.Contains("dispute", StringComparison.Ordinal) || @event.Contains("failed", StringComparison.Ordinal) || @event == "stopped" => Tone.Bad,
        _ => Tone.Idle,
    };
}
