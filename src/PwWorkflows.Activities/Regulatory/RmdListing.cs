using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;

namespace PwWorkflows.Activities.Regulatory;

/// <summary>Reads the listing of the Robocall Mitigation Database and the FCC's removal orders. FRNs are text of ten digits with leading zeros.</summary>
public static partial class RmdListing
{
    /// <summary>The FRNs listed. Columns are found by their normalised headings, in any order; spreadsheet programs drop leading zeros, which are put back.</summary>
    /// <returns>The FRNs, and the number of rows.</returns>
    /// <exception cref="PageShapeException">It is no listing; the message says why.</exception>
    public static (IReadOnlySet<string> Frns, int Rows) Parse(string csv)
    {
        ArgumentNullException.ThrowIfNull(csv);
        var records = Records(csv.TrimStart('\uFEFF'));
        using var rows = records.GetEnumerator();
        if (!rows.MoveNext()) throw new PageShapeException("the listing is empty");
        var headings = rows.Current.Select(h => new string([.. h.ToLowerInvariant().Where(char.IsAsciiLetterOrDigit)])).ToList();
        var frn = headings.FindIndex(h => h is "frn" or "fccregistrationnumber" or "fccregistrationnumberfrn");
        if (frn < 0) throw new PageShapeException($"no column is headed FRN: {string.Join(" | ", rows.Current)}");
        if (!headings.Exists(h => h.Contains("businessname", StringComparison.Ordinal) || h.Contains("companyname", StringComparison.Ordinal))) throw new PageShapeException($"no column is headed Business Name: {string.Join(" | ", rows.Current)}");
        var (frns, count) = (new HashSet<string>(StringComparer.Ordinal), 0);
        while (rows.MoveNext())
        {
            if (rows.Current is [""]) continue;
            count++;
            if (rows.Current.Count != headings.Count) throw new PageShapeException(string.Create(CultureInfo.InvariantCulture, $"row {count} has {rows.Current.Count} columns and not {headings.Count}"));
            var text = rows.Current[frn].Trim();
            if (text.Length is 0 or > 10 || !text.All(char.IsAsciiDigit)) throw new PageShapeException(string.Create(CultureInfo.InvariantCulture, $"row {count}: '{text}' is no FRN"));
            frns.Add(text.PadLeft(10, '0'));
        }

        return (frns, count);
    }

    /// <summary>The one link of a page to its CSV file; <c>null</c> when there is none or more than one.</summary>
    public static Uri? CsvLink(string html, Uri page)
    {
        using var document = new HtmlParser().ParseDocument(html);
        var links = document.QuerySelectorAll("a[href]").Where(a => a.TextContent.Contains("CSV", StringComparison.OrdinalIgnoreCase) || a.GetAttribute("href")!.EndsWith(".csv", StringComparison.OrdinalIgnoreCase))
            .Select(a => Uri.TryCreate(page, a.GetAttribute("href"), out var link) ? link : null).OfType<Uri>().Where(static l => l.Scheme == Uri.UriSchemeHttp || l.Scheme == Uri.UriSchemeHttps).Distinct().ToList();
        return links is [var link] ? link : null;
    }

    /// <summary>The removal orders a page links to: document and the address of its text.</summary>
    /// <exception cref="PageShapeException">It links to none.</exception>
    public static IReadOnlyList<(string Document, Uri Text)> Orders(string html, Uri page)
    {
        using var document = new HtmlParser().ParseDocument(html);
        var orders = new Dictionary<string, Uri>(StringComparer.Ordinal);
        foreach (var link in document.QuerySelectorAll("a[href]"))
        {
            var href = link.GetAttribute("href")!;
            if (Document().Match(href) is { Success: true } m && Uri.TryCreate(page, Ending().Replace(href, ".txt"), out var text) && (text.Scheme == Uri.UriSchemeHttp || text.Scheme == Uri.UriSchemeHttps))
                orders.TryAdd(m.Groups[1].Value.ToUpperInvariant(), text);
        }

        return orders.Count > 0 ? [.. orders.Select(o => (o.Key, o.Value)).OrderBy(o => o.Key, StringComparer.Ordinal)] : throw new PageShapeException("the page links to no document such as DA-25-694A1");
    }

    /// <summary>The FRNs that an order removes.</summary>
    /// <exception cref="PageShapeException">It is no removal order, or names no FRN.</exception>
    public static IReadOnlySet<string> FrnsOf(string order)
    {
        ArgumentNullException.ThrowIfNull(order);
        if (!order.Contains("Robocall Mitigation Database", StringComparison.OrdinalIgnoreCase) || !Removal().IsMatch(order)) throw new PageShapeException("it is no order of removal from the Robocall Mitigation Database");
        var frns = Frn().Matches(order).Select(m => m.Value).ToHashSet(StringComparer.Ordinal);
        return frns.Count > 0 ? frns : throw new PageShapeException("it names no FRN");
    }

    /// <summary>The records of a CSV text (RFC 4180): fields in quotes may hold commas, quotes and line breaks.</summary>
    private static IEnumerable<List<string>> Records(string text)
    {
        var (record, field, quoted) = (new List<string>(), new StringBuilder(), false);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (quoted)
            {
                if (c != '"') field.Append(c);
                else if (i + 1 < text.Length && text[i + 1] == '"') field.Append(text[++i]);
                else quoted = false;
            }
            else if (c == '"') quoted = true;
            else if (c == ',')
            {
                record.Add(field.ToString());
                field.Clear();
            }
            else if (c == '\n')
            {
                record.Add(field.ToString().TrimEnd('\r'));
                field.Clear();
                yield return record;
                record = [];
            }
            else field.Append(c);
        }

        if (quoted) throw new PageShapeException("the last field has no end");
        if (field.Length == 0 && record.Count == 0) yield break;
        record.Add(field.ToString());
        yield return record;
    }

    [GeneratedRegex(@"\b(DA-\d{2}-\d{1,5}A\d+)\.(?:txt|pdf|docx?)$", RegexOptions.IgnoreCase, 1000)]
    private static partial Regex Document();

    [GeneratedRegex(@"\.(?:pdf|docx?)$", RegexOptions.IgnoreCase, 1000)]
    private static partial Regex Ending();

    [GeneratedRegex(@"\bremov(?:e|es|ed|al|ing)\b", RegexOptions.IgnoreCase, 1000)]
    private static partial Regex Removal();

    [GeneratedRegex(@"\b00\d{8}\b", RegexOptions.None, 1000)]
    private static partial Regex Frn();
}
