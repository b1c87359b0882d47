using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/todos</c>: the administrators' work list, copied to ERPNext.</summary>
internal sealed class ToDosPage : ConsolePage
{
    private sealed record Line(long Id, string About, string Marker, string Instructions, string Status, string? ErpName, DateTimeOffset CreatedAt, DateTimeOffset? ClosedAt);

    public Task<IActionResult> OnGetAsync(CancellationToken ct) => TableAsync(
        new Table<Line>
        {
            Name = "todos",
            Select = "t.id, t.order_number, t.marker, t.instructions, t.status, t.erpnext_name, t.created_at, t.closed_at",
            From = "admin_todos t",
            Key = "t.id",
            Map = static r => new Line(r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4), r.Text(5), r.Time(6), r.TimeOrNull(7)),
            Sorts = [new("raised", "t.id", Descending: true)],
            Filters =
            [
                new("status", "State", "t.status = @status", TableFilter.Words("open", "closed")),
                new("about", "About", "t.order_number = @about"),
                new("id", "Number", "t.id = @id") { Parse = static text => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null },
            ],
            Columns =
            [
                new("About", l => Show.Link(l.About, ToDoNeeds.Href(l.Id, l.About, l.Marker)), static l => l.About),
                new("Why", l => Show.Text(l.Marker.Replace('-', ' ')), static l => l.Marker),
                new("What to do", l => Show.Text(l.Instructions), static l => l.Instructions),
                new("State", l => Show.State(l.Status), static l => l.Status),
                new("In ERPNext", l => Show.Text(l.ErpName), static l => l.ErpName),
                new("Raised", l => Show.Time(l.CreatedAt), static l => l.CreatedAt.ToString("O", CultureInfo.InvariantCulture)) { Sort = "raised" },
                new("Closed", l => Show.Time(l.ClosedAt), static l => l.ClosedAt?.ToString("O", CultureInfo.InvariantCulture)),
                new("Number", _ => Show.Text(""), static l => l.Id.ToString(CultureInfo.InvariantCulture)) { CsvOnly = true },
            ],
            Empty = new("Nothing to do.", "A workflow that needs a person raises a ToDo; it shows up here and in ERPNext."),
        },
        ct);
}
