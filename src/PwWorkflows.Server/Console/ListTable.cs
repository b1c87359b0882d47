using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.WebUtilities;

namespace PwWorkflows.Server.Pages;

/// <summary>A filter of a <see cref="ListTable{T}"/>.</summary>
/// <param name="Name">Its name in the address.</param>
/// <param name="Label">Its name for people.</param>
/// <param name="Matches">Whether a row matches what was chosen or typed.</param>
/// <param name="Options">The choices; <c>null</c> for a field to type in.</param>
internal sealed record ListFilter<T>(string Name, string Label, Func<T, string, bool> Matches, IReadOnlyList<(string Value, string Text)>? Options = null);

/// <summary>A table over a short list that is there as a whole, such as the schedules: looks and behaves as <see cref="Table{T}"/>, and is paged by number.</summary>
internal sealed class ListTable<T>
{
    /// <summary>Name of the CSV file, without its ending.</summary>
    public required string Name { get; init; }
    /// <summary>All rows, in the order that is shown when nothing else is asked for.</summary>
    public required IReadOnlyList<T> Rows { get; init; }
    /// <summary>The columns; seven are shown at most.</summary>
    public required IReadOnlyList<Column<T>> Columns { get; init; }
    /// <summary>What a column's <see cref="Column{T}.Sort"/> sorts by.</summary>
    public IReadOnlyDictionary<string, Func<T, IComparable?>> Sorts { get; init; } = new Dictionary<string, Func<T, IComparable?>>();
    /// <summary>The filters.</summary>
    public IReadOnlyList<ListFilter<T>> Filters { get; init; } = [];
    /// <summary>What else of the address is kept, such as a switch of the page.</summary>
    public IReadOnlyList<string> Kept { get; init; } = [];
    /// <summary>What is said when there are no rows at all.</summary>
    public required EmptyState Empty { get; init; }
    /// <summary>What its parameters in the address begin with, for a page with several tables; by default nothing.</summary>
    public string Prefix { get; init; } = "";
    /// <summary>What it is called for those who can't see it, where a page has several tables.</summary>
    public string Label { get; init; } = "the table";

    /// <summary>Whether the address asks for this table as CSV.</summary>
    public bool IsCsv(HttpContext http) => http.Request.Query["format"] == Prefix + "csv";

    /// <summary>The page that the address asks for.</summary>
    public TableView Read(HttpContext http)
    {
        var (query, path) = (http.Request.Query, http.Request.Path.ToString());
        var rows = Asked(http, out var given, out var sort, out var descending);
        var page = int.TryParse(query[Prefix + "page"], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? Math.Clamp(number, 1, Math.Max(1, (rows.Count + Table<T>.PageSize - 1) / Table<T>.PageSize)) : 1;
        return new TableView
        {
            Columns = [.. Columns.Where(static c => !c.CsvOnly).Select(c => new TableHead(
                c.Title, c.Right, c.Sort is null ? null : Url((Prefix + "sort", c.Sort == sort && !descending ? "-" + c.Sort : c.Sort)), c.Sort is not null && c.Sort == sort ? descending : null))],
            Rows = [.. rows.Skip((page - 1) * Table<T>.PageSize).Take(Table<T>.PageSize).Select(r => (IReadOnlyList<Microsoft.AspNetCore.Html.IHtmlContent>)[.. Columns.Where(static c => !c.CsvOnly).Select(c => c.Cell(r))])],
            Filters = [.. Filters.Select(f => new TableFilterView(Prefix + f.Name, f.Label, given.GetValueOrDefault(f.Name, ""), f.Options))],
            SortParameter = sort is null ? null : (descending ? "-" : "") + sort,
            SortName = Prefix + "sort",
            Label = Label,
            Path = path,
            Csv = Url(("format", Prefix + "csv")),
            First = page > 1 ? Url() : null,
            Previous = page > 1 ? Url((Prefix + "page", (page - 1).ToString(CultureInfo.InvariantCulture))) : null,
            Next = page * Table<T>.PageSize < rows.Count ? Url((Prefix + "page", (page + 1).ToString(CultureInfo.InvariantCulture))) : null,
            Empty = given.Count > 0 ? new EmptyState("Nothing matches.", "Take a filter away, or look at all of them.", path, "Show all") : Empty,
        };

        string Url(params (string Name, string Value)[] more)
        {
            var all = given.Select(g => new KeyValuePair<string, string?>(Prefix + g.Key, g.Value)).Concat(Kept.Where(k => query.ContainsKey(k)).Select(k => new KeyValuePair<string, string?>(k, query[k]))).ToList();
            if (sort is not null && more.All(m => m.Name != Prefix + "sort")) all.Add(new(Prefix + "sort", (descending ? "-" : "") + sort));
            return QueryHelpers.AddQueryString(path, [.. all, .. more.Select(static m => new KeyValuePair<string, string?>(m.Name, m.Value))]);
        }
    }

    /// <summary>All rows that the filters let through, as CSV.</summary>
    public IActionResult Csv(HttpContext http)
    {
        var text = Tables.Line(Columns.Select(static c => c.Title)) + string.Concat(Asked(http, out _, out _, out _).Select(r => Tables.Line(Columns.Select(c => c.Plain(r)))));
        return new FileContentResult(System.Text.Encoding.UTF8.GetBytes(text), "text/csv; charset=utf-8") { FileDownloadName = Name + ".csv" };
    }

    private IReadOnlyList<T> Asked(HttpContext http, out Dictionary<string, string> given, out string? sort, out bool descending)
    {
        var query = http.Request.Query;
        given = Filters.Select(f => (f.Name, Value: query[Prefix + f.Name].ToString().Trim())).Where(static f => f.Value.Length is > 0 and <= 200).ToDictionary(static f => f.Name, static f => f.Value, StringComparer.Ordinal);
        var asked = query[Prefix + "sort"].ToString();
        (sort, descending) = Sorts.ContainsKey(asked.TrimStart('-')) ? (asked.TrimStart('-'), asked.StartsWith('-')) : (null, false);
        var values = given;
        var rows = Rows.Where(r => Filters.All(f => !values.TryGetValue(f.Name, out var value) || f.Matches(r, value)));
        if (sort is null) return [.. rows];
        // What has no value stands at the end, whichever way the rest is sorted.
        var by = Sorts[sort];
        var withValue = rows.OrderBy(r => by(r) is null);
        return [.. descending ? withValue.ThenByDescending(by) : withValue.ThenBy(by)];
    }
}
