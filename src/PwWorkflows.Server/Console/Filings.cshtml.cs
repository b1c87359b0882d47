using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/filings</c>: what was filed, the newest first.</summary>
internal sealed class FilingsPage : ConsolePage
{
    private sealed record Line(long Sequence, string Order, string Form, int Year, string Filer, string Confirmation, DateTimeOffset FiledAt);

    public Task<IActionResult> OnGetAsync(CancellationToken ct) => TableAsync(
        new Table<Line>
        {
            Name = "filings",
            Select = "sequence, order_number, form, year, filer_id, confirmation_number, filed_at",
            From = "filings",
            Key = "sequence",
            Map = static r => new Line(r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetInt32(3), r.GetString(4), r.GetString(5), r.Time(6)),
            Sorts = [new("filed", "sequence", Descending: true)],
            Filters =
            [
                new("order", "Order", "order_number = @order") { Parse = static text => text.ToUpperInvariant() },
                new("filer", "Filer ID", "filer_id = @filer"),
                new("confirmation", "Confirmation", "confirmation_number = @confirmation") { Parse = static text => text.ToUpperInvariant() },
            ],
            Columns =
            [
                new("No.", l => Show.Link(l.Sequence.ToString(CultureInfo.InvariantCulture), Url(l.Sequence)), static l => l.Sequence.ToString(CultureInfo.InvariantCulture)),
                new("Form", l => Show.Link($"{l.Form} {l.Year.ToString(CultureInfo.InvariantCulture)}", Url(l.Sequence)), static l => l.Form),
                new("Filer ID", l => Show.Id(l.Filer), static l => l.Filer),
                new("Confirmation", l => Show.Id(l.Confirmation, Url(l.Sequence), 32), static l => l.Confirmation),
                new("Order", l => Show.Id(l.Order, OrdersPage.Url(l.Order)), static l => l.Order),
                new("Filed", l => Show.Time(l.FiledAt), static l => l.FiledAt.ToString("O", CultureInfo.InvariantCulture)) { Sort = "filed" },
                new("Year", l => Show.Text(null), static l => l.Year.ToString(CultureInfo.InvariantCulture)) { CsvOnly = true },
            ],
            Empty = new("Nothing filed yet.", "A paid order ends here, with the portal's screens, the values and the confirmation.", "/orders", "Orders"),
        },
        ct);

    private static new string Url(long sequence) => "/filings/" + sequence.ToString(CultureInfo.InvariantCulture);
}
