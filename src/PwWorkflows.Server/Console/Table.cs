using System.Data.Common;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Html;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.WebUtilities;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Server.Pages;

/// <summary>A column of a table.</summary>
/// <param name="Title">Its head.</param>
/// <param name="Cell">What is shown.</param>
/// <param name="Plain">What the CSV holds: the whole value, times in ISO 8601, money in cents.</param>
internal sealed record Column<T>(string Title, Func<T, IHtmlContent> Cell, Func<T, string?> Plain)
{
    /// <summary>Name of the <see cref="TableSort"/> that a click on the head asks for; <c>null</c> when it can't be sorted by.</summary>
    public string? Sort { get; init; }
    /// <summary>Numbers stand at the right.</summary>
    public bool Right { get; init; }
    /// <summary>Only in the CSV.</summary>
    public bool CsvOnly { get; init; }
}

/// <summary>An order of the rows. The column must never be null and should lie in an index together with the key.</summary>
/// <param name="Name">Its name in the address.</param>
/// <param name="Sql">The column.</param>
/// <param name="Descending">Whether the largest comes first when nothing else is asked for.</param>
internal sealed record TableSort(string Name, string Sql, bool Descending = false);

/// <summary>A filter above a table, kept in the address.</summary>
/// <param name="Name">Its name in the address and as a parameter of the condition.</param>
/// <param name="Label">Its name for people.</param>
/// <param name="Condition">SQL that holds <c>@</c> and the name; only used when the filter is set.</param>
/// <param name="Options">The choices, value and text; <c>null</c> for a field to type in.</param>
internal sealed record TableFilter(string Name, string Label, string Condition, IReadOnlyList<(string Value, string Text)>? Options = null)
{
    /// <summary>Choices whose words are their values.</summary>
    public static IReadOnlyList<(string, string)> Words(params ReadOnlySpan<string> values)
    {
        var words = new List<(string, string)>(values.Length);
        foreach (var value in values) words.Add((value, value.Replace('_', ' ')));
        return words;
    }

    /// <summary>Turns what was typed into the parameter's value, such as a number; <c>null</c>: that can match nothing. Default: the text as it is.</summary>
    public Func<string, object?> Parse { get; init; } = static text => text;

    /// <summary>Chooses the condition by what was typed; default: <see cref="Condition"/>.</summary>
    public Func<string, string>? Choose { get; init; }
}

/// <summary>What an empty table says.</summary>
/// <param name="Title">That there is nothing.</param>
/// <param name="Text">What to do next, or why that is so.</param>
/// <param name="Href">Where that is done.</param>
/// <param name="Action">The link's words.</param>
internal sealed record EmptyState(string Title, string Text, string? Href = null, string? Action = null);

/// <summary>
/// A table over SQL that reads one page at a time by keyset, on both databases: filter, order and place are in the address, so a link can be shared, and page 1,000 costs what page 1 costs.
/// </summary>
internal sealed class Table<T>
{
    /// <summary>Rows of a page.</summary>
    public const int PageSize = 50;
    private const int CsvBatch = 500;

    /// <summary>Name of the CSV file, without its ending.</summary>
    public required string Name { get; init; }
    /// <summary>The columns to read, without <c>SELECT</c>.</summary>
    public required string Select { get; init; }
    /// <summary>The tables, without <c>FROM</c>.</summary>
    public required string From { get; init; }
    /// <summary>A condition that always holds; may use <see cref="Parameters"/>.</summary>
    public string? Where { get; init; }
    /// <summary>Parameters of <see cref="Where"/>.</summary>
    public IReadOnlyList<KeyValuePair<string, object?>> Parameters { get; init; } = [];
    /// <summary>The column that tells rows apart: text or a whole number.</summary>
    public required string Key { get; init; }
    /// <summary>Reads a row; columns from 0 on as in <see cref="Select"/>.</summary>
    public required Func<DbDataReader, T> Map { get; init; }
    /// <summary>The columns; seven are shown at most.</summary>
    public required IReadOnlyList<Column<T>> Columns { get; init; }
    /// <summary>The orders, the default one first.</summary>
    public required IReadOnlyList<TableSort> Sorts { get; init; }
    /// <summary>The filters.</summary>
    public IReadOnlyList<TableFilter> Filters { get; init; } = [];
    /// <summary>What is said when there are no rows at all.</summary>
    public required EmptyState Empty { get; init; }

    /// <summary>Reads the page that the address asks for.</summary>
    public async Task<TableView> ReadAsync(HttpContext http, IPwDatabase database, CancellationToken ct)
    {
        if (Columns.Count(static c => !c.CsvOnly) > 7) throw new InvalidOperationException($"The table {Name} has more than seven columns.");
        var request = Request.Of(http, this);
        var back = request.Before is not null;
        var rows = await RowsAsync(database, request, request.Before ?? request.After, back, PageSize + 1, ct).ConfigureAwait(false);
        var more = rows.Count > PageSize;
        if (more) rows.RemoveAt(PageSize);
        if (back) rows.Reverse();
        var (earlier, later) = back ? (more, true) : (request.After is not null, more);
        var path = http.Request.Path.ToString();
        return new TableView
        {
            Columns = [.. Columns.Where(static c => !c.CsvOnly).Select(c =>
            {
                var sort = Sorts.FirstOrDefault(s => s.Name == c.Sort);
                var active = sort is not null && sort == request.Sort;
                return new TableHead(c.Title, c.Right, sort is null ? null : request.Url(path, ("sort", (active ? !request.Descending : sort.Descending) ? "-" + sort.Name : sort.Name)), active ? request.Descending : null);
            })],
            Rows = [.. rows.Select(r => (IReadOnlyList<IHtmlContent>)[.. Columns.Where(static c => !c.CsvOnly).Select(c => c.Cell(r.Row))])],
            Filters = [.. Filters.Select(f => new TableFilterView(f.Name, f.Label, request.Filters.GetValueOrDefault(f.Name, ""), f.Options))],
            SortParameter = request.SortParameter,
            Path = path,
            Csv = request.Url(path, ("format", "csv")),
            First = earlier ? request.Url(path) : null,
            Previous = earlier && rows.Count > 0 ? request.Url(path, ("before", rows[0].Cursor)) : null,
            Next = later && rows.Count > 0 ? request.Url(path, ("after", rows[^1].Cursor)) : null,
            Empty = request.Filters.Count > 0 || request.After is not null || request.Before is not null ? new EmptyState("Nothing matches.", "Take a filter away, or look at all of them.", path, "Show all") : Empty,
        };
    }

    /// <summary>All rows that the filters let through, as CSV, read in pages.</summary>
    public async Task<IActionResult> CsvAsync(HttpContext http, IPwDatabase database, CancellationToken ct)
    {
        var request = Request.Of(http, this);
        http.Response.ContentType = "text/csv; charset=utf-8";
        http.Response.Headers.ContentDisposition = $"attachment; filename=\"{Name}.csv\"";
        var text = new StringBuilder(Tables.Line(Columns.Select(static c => c.Title)));
        for (string? cursor = null; ;)
        {
            var rows = await RowsAsync(database, request, cursor, false, CsvBatch, ct).ConfigureAwait(false);
            foreach (var (row, _) in rows) text.Append(Tables.Line(Columns.Select(c => c.Plain(row))));
            await http.Response.WriteAsync(text.ToString(), ct).ConfigureAwait(false);
            if (rows.Count < CsvBatch) return new EmptyResult();
            cursor = rows[^1].Cursor;
            text.Clear();
        }
    }

    private async Task<List<(T Row, string Cursor)>> RowsAsync(IPwDatabase database, Request request, string? cursor, bool back, int take, CancellationToken ct)
    {
        var conditions = new List<string>();
        var parameters = new List<KeyValuePair<string, object?>>(Parameters) { new("table_take", (long)take) };
        if (Where is not null) conditions.Add(Where);
        foreach (var filter in Filters)
        {
            if (!request.Filters.TryGetValue(filter.Name, out var text)) continue;
            if (text.Contains('\0', StringComparison.Ordinal)) return []; // No text of a database holds it, and PostgreSQL takes none.
            if (filter.Options is not null)
            {
                // A choice is a constant of ours. It goes into the text, so that an index of those rows alone can be used.
                if (!filter.Options.Any(o => o.Value == text)) return [];
                conditions.Add(filter.Condition.Replace("@" + filter.Name, $"'{text.Replace("'", "''", StringComparison.Ordinal)}'", StringComparison.Ordinal));
                continue;
            }

            if (filter.Parse(text) is not { } value) return [];
            conditions.Add(filter.Choose?.Invoke(text) ?? filter.Condition);
            parameters.Add(new(filter.Name, value));
        }

        var descending = request.Descending != back;
        var (direction, than) = descending ? ("DESC", "<") : ("ASC", ">");
        var byKey = request.Sort.Sql == Key;
        if (cursor is not null)
        {
            if (Request.Read(cursor) is not var (sort, key)) return [];
            conditions.Add(byKey ? $"{Key} {than} @table_key" : $"({request.Sort.Sql}, {Key}) {than} (@table_sort, @table_key)");
            parameters.Add(new("table_key", key));
            if (!byKey) parameters.Add(new("table_sort", sort));
        }

        var sql = $"""
            SELECT {Select}, {request.Sort.Sql}, {Key} FROM {From} {(conditions.Count > 0 ? "WHERE " + string.Join(" AND ", conditions) : "")}
            ORDER BY {(byKey ? "" : $"{request.Sort.Sql} {direction}, ")}{Key} {direction} LIMIT @table_take
            """;
        return await database.QueryAsync(sql, parameters, r => (Map(r), Request.Write(r, request.IsTime(r))), ct).ConfigureAwait(false);
    }

    /// <summary>What the address asks for.</summary>
    private sealed record Request(TableSort Sort, bool Descending, IReadOnlyDictionary<string, string> Filters, string? After, string? Before, bool IsDefaultSort)
    {
        public string? SortParameter => IsDefaultSort ? null : (Descending ? "-" : "") + Sort.Name;

        public static Request Of(HttpContext http, Table<T> table)
        {
            var query = http.Request.Query;
            var asked = query["sort"].ToString();
            var sort = table.Sorts.FirstOrDefault(s => s.Name == asked.TrimStart('-')) ?? table.Sorts[0];
            var descending = sort.Name == asked.TrimStart('-') ? asked.StartsWith('-') : sort.Descending;
            var filters = table.Filters.Select(f => (f.Name, Value: query[f.Name].ToString().Trim())).Where(f => f.Value.Length is > 0 and <= 200).ToDictionary(static f => f.Name, static f => f.Value, StringComparer.Ordinal);
            return new(sort, descending, filters, Given("after"), Given("before"), sort == table.Sorts[0] && descending == sort.Descending);

            string? Given(string name) => query[name].ToString() is { Length: > 0 } text ? text : null;
        }

        /// <summary>An address with the same filters, and the same order unless another is given.</summary>
        public string Url(string path, params (string Name, string Value)[] more)
        {
            var query = Filters.Select(static f => new KeyValuePair<string, string?>(f.Key, f.Value)).ToList();
            if (SortParameter is not null && more.All(static m => m.Name != "sort")) query.Add(new("sort", SortParameter));
            query.AddRange(more.Select(static m => new KeyValuePair<string, string?>(m.Name, m.Value)));
            return QueryHelpers.AddQueryString(path, query);
        }

        // On SQLite a time is text; it goes back as the time it is, or its text would be compared in another form.
        public bool IsTime(DbDataReader r) => Sort.Sql.EndsWith("_at", StringComparison.Ordinal) || Sort.Sql.EndsWith(".at", StringComparison.Ordinal) || Sort.Sql == "at" || r.GetFieldType(r.FieldCount - 2) == typeof(DateTime);

        public static string Write(DbDataReader r, bool isTime)
        {
            object sort = isTime ? r.GetFieldValue<DateTimeOffset>(r.FieldCount - 2).ToUniversalTime() : r.GetValue(r.FieldCount - 2);
            return WebEncoders.Base64UrlEncode(JsonSerializer.SerializeToUtf8Bytes((object[])[isTime ? "t" : "v", sort, r.GetValue(r.FieldCount - 1)]));
        }

        public static (object Sort, object Key)? Read(string cursor)
        {
            try
            {
                var parts = JsonSerializer.Deserialize<JsonElement[]>(WebEncoders.Base64UrlDecode(cursor));
                return parts is [var kind, var sort, var key] ? (kind.GetString() == "t" ? sort.GetDateTimeOffset() : Plain(sort), Plain(key)) : null;
            }
            catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
            {
                return null;
            }

            static object Plain(JsonElement value) => value.ValueKind == JsonValueKind.Number ? value.GetInt64() : value.GetString() is { } text && !text.Contains('\0', StringComparison.Ordinal) ? text : throw new FormatException();
        }
    }
}

/// <summary>What all tables share.</summary>
internal static class Tables
{
    /// <summary>A line of a CSV file.</summary>
    public static string Line(IEnumerable<string?> cells) => string.Join(',', cells.Select(Field)) + "\r\n";

    // A spreadsheet would carry out a cell that begins like a formula.
    private static string Field(string? value)
    {
        var cell = value ?? "";
        if (cell.Length > 0 && cell[0] is '=' or '+' or '-' or '@' or '\t' or '\r' && !decimal.TryParse(cell, CultureInfo.InvariantCulture, out _)) cell = "'" + cell;
        return cell.Any(static c => c is ',' or ';' or '\t' or '"' or '\r' or '\n') ? $"\"{cell.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : cell;
    }
}

/// <summary>The head of a column as it is shown.</summary>
/// <param name="Title">Its words.</param>
/// <param name="Right">Numbers stand at the right.</param>
/// <param name="SortUrl">Where a click leads.</param>
/// <param name="Descending">How the table is sorted by it; <c>null</c> when it is not.</param>
internal sealed record TableHead(string Title, bool Right, string? SortUrl, bool? Descending);

/// <summary>A filter with its value.</summary>
internal sealed record TableFilterView(string Name, string Label, string Value, IReadOnlyList<(string Value, string Text)>? Options);

/// <summary>A page of a table, for <c>Shared/_Table.cshtml</c>.</summary>
internal sealed class TableView
{
    public required IReadOnlyList<TableHead> Columns { get; init; }
    public required IReadOnlyList<IReadOnlyList<IHtmlContent>> Rows { get; init; }
    public required IReadOnlyList<TableFilterView> Filters { get; init; }
    public required string? SortParameter { get; init; }
    public string SortName { get; init; } = "sort";
    public string Label { get; init; } = "the table";
    public required string Path { get; init; }
    public required string Csv { get; init; }
    public required string? First { get; init; }
    public required string? Previous { get; init; }
    public required string? Next { get; init; }
    public required EmptyState Empty { get; init; }
}
