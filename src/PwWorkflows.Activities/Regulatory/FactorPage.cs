using System.Globalization;
using System.Text.RegularExpressions;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;

namespace PwWorkflows.Activities.Regulatory;

/// <summary>A contribution factor as published.</summary>
/// <param name="Quarter">The quarter it applies to.</param>
/// <param name="Percent">Percent of the contribution base, above 0 and below 100, at most four places.</param>
/// <param name="Circularity">The circularity factor in percent; <c>null</c> where none is published.</param>
/// <param name="Notice">The FCC's public notice, such as <c>DA 24-924</c>; <c>null</c> where none is named.</param>
public sealed record PublishedFactor(Quarter Quarter, decimal Percent, decimal? Circularity, string? Notice);

/// <summary>
/// Reads USAC's page of contribution factors: one table with the headings <c>Applies to Quarter | Contribution Factor | Circularity Factor | Public Notice</c>.
/// What is not exactly understood is refused as a whole: a wrong factor would go to every customer.
/// </summary>
public static partial class FactorPage
{
    private static readonly string[] Headings = ["applies to quarter", "contribution factor", "circularity factor", "public notice"];
    private static readonly string[] Months = CultureInfo.InvariantCulture.DateTimeFormat.MonthNames;

    /// <summary>Reads the page.</summary>
    /// <exception cref="PageShapeException">It is not as expected; the message says where.</exception>
    public static IReadOnlyList<PublishedFactor> Parse(string html)
    {
        using var document = new HtmlParser().ParseDocument(html);
        var tables = document.QuerySelectorAll("table").Select(t => (Table: t, Columns: ColumnsOf(t))).Where(t => t.Columns is not null).ToList();
        if (tables.Count != 1) throw new PageShapeException($"expected one table with the headings {string.Join(" | ", Headings)}, found {tables.Count}");
        var (table, columns) = (tables[0].Table, tables[0].Columns!);
        var rows = new List<PublishedFactor>();
        foreach (var row in table.QuerySelectorAll("tr"))
        {
            var cells = row.Children.Where(c => c.LocalName == "td").Select(Text).ToList();
            if (cells.Count == 0) continue; // The headings.
            if (cells.Count != row.Children.Length || cells.Count <= columns.Max()) throw new PageShapeException($"row '{string.Join(" | ", cells)}': expected a cell below each heading");
            rows.Add(Read(cells[columns[0]], cells[columns[1]], cells[columns[2]], cells[columns[3]]));
        }

        if (rows.Count == 0) throw new PageShapeException("the table has no rows");
        if (rows.GroupBy(r => r.Quarter).FirstOrDefault(g => g.Count() > 1) is { } twice) throw new PageShapeException($"{twice.Key} is listed twice");
        return rows;
    }

    /// <summary>The notice's number as we write it; <c>null</c> when the text holds none.</summary>
    public static string? NoticeIn(string text) => Notice().Match(text) is { Success: true } m ? $"DA {m.Groups[1].Value}-{m.Groups[2].Value}" : null;

    private static PublishedFactor Read(string quarter, string factor, string circularity, string notice)
    {
        var period = Period().Match(quarter);
        if (!period.Success) throw new PageShapeException($"quarter '{quarter}': expected something like October – December 2024");
        var (first, last) = (Month(period.Groups[1].Value), Month(period.Groups[2].Value));
        if (first == 0 || first % 3 != 1 || last != first + 2) throw new PageShapeException($"quarter '{quarter}': expected the three months of a calendar quarter");
        var year = int.Parse(period.Groups[3].Value, CultureInfo.InvariantCulture);
        if (year is < 1998 or > 2099) throw new PageShapeException($"quarter '{quarter}': expected a year from 1998 to 2099");
        var percent = Percent(factor) ?? throw new PageShapeException($"contribution factor '{factor}' of {quarter}: expected a percentage such as 35.8%");
        decimal? circular = circularity is "" or "-" or "–" or "—" || circularity.Equals("N/A", StringComparison.OrdinalIgnoreCase)
            ? null
            : Percent(circularity) ?? throw new PageShapeException($"circularity factor '{circularity}' of {quarter}: expected a percentage such as 26.2258%");
        if (notice.Length > 0 && NoticeIn(notice) is null) throw new PageShapeException($"public notice '{notice}' of {quarter}: expected something like DA 24-924");
        return new PublishedFactor(new Quarter(year, (first + 2) / 3), percent, circular, NoticeIn(notice));
    }

    private static int[]? ColumnsOf(IElement table)
    {
        var head = table.QuerySelectorAll("tr").FirstOrDefault(r => r.Children.Any(c => c.LocalName == "th"));
        if (head is null) return null;
        var names = head.Children.Select(c => Text(c).ToLowerInvariant()).ToList();
        var columns = Headings.Select(h => names.IndexOf(h)).ToArray();
        return columns.All(c => c >= 0) ? columns : null;
    }

    private static string Text(IElement cell) => Space().Replace(cell.TextContent, " ").Trim();

    private static int Month(string name) => Array.FindIndex(Months, m => m.Length > 0 && m.Equals(name, StringComparison.OrdinalIgnoreCase)) + 1;

    private static decimal? Percent(string text) =>
        PercentText().Match(text) is { Success: true } m && decimal.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture) is > 0 and < 100 and var value ? value : null;

    [GeneratedRegex(@"^(\p{L}+)\s*[–—-]\s*(\p{L}+),?\s+(\d{4})$", RegexOptions.None, 1000)]
    private static partial Regex Period();

    [GeneratedRegex(@"^(\d{1,3}(?:\.\d{1,4})?)\s*%$", RegexOptions.None, 1000)]
    private static partial Regex PercentText();

    [GeneratedRegex(@"\bDA[ -](\d{2})-(\d{1,5})\b", RegexOptions.None, 1000)]
    private static partial Regex Notice();

    [GeneratedRegex(@"[\s\u00a0]+", RegexOptions.None, 1000)]
    private static partial Regex Space();
}
