using System.Globalization;
using System.Net;
using System.Text;
using PwWorkflows.Sandbox.Core;

namespace PwWorkflows.Sandbox.Usac;

/// <summary>A row of USAC's page of contribution factors, in the page's own words.</summary>
/// <param name="Quarter">Such as <c>October – December 2024</c>.</param>
/// <param name="Factor">Such as <c>35.8%</c>.</param>
/// <param name="Circularity">Such as <c>26.2258%</c>; empty when none.</param>
/// <param name="Notice">Such as <c>DA 24-924</c>.</param>
public sealed record FactorRow(string Quarter, string Factor, string Circularity, string Notice);

/// <summary>The public page of contribution factors, newest quarter first, with an en dash between the months.</summary>
sealed class FactorPages
{
    static readonly FactorRow[] Published =
    [
        new("April – June 2026", "37.0%", "", "DA 26-218"),
        new("January – March 2026", "37.6%", "", "DA 25-1026"),
        new("October – December 2025", "38.1%", "", "DA 25-840"),
        new("July – September 2025", "36.0%", "", ""),
        new("April – June 2025", "36.6%", "", ""),
        new("January – March 2025", "36.3%", "", ""),
        new("October – December 2024", "35.8%", "26.2258%", "DA 24-924"),
        new("July – September 2024", "34.4%", "25.4644%", "DA 24-557"),
        new("April – June 2024", "32.8%", "24.6808%", "DA 24-257"),
        new("January – March 2024", "34.6%", "25.5973%", "DA 23-1156"),
        new("October – December 2021", "29.1%", "", "DA-21-1134"),
    ];

    readonly Lock _gate = new();
    List<FactorRow> _rows = [.. Published];

    public IReadOnlyList<FactorRow> Rows
    {
        get
        {
            lock (_gate) return [.. _rows];
        }
    }

    public void Reset()
    {
        lock (_gate) _rows = [.. Published];
    }

    /// <summary>Puts a row on top, in place of one of the same quarter.</summary>
    public void Publish(FactorRow row)
    {
        lock (_gate)
        {
            _rows.RemoveAll(r => r.Quarter == row.Quarter);
            _rows.Insert(0, row);
        }
    }

    /// <summary>The page; a changed one when a <c>changed_factors</c> fault is set: <c>data.shape</c> is <c>heading</c>, <c>list</c>, <c>percent</c>, <c>months</c> or <c>two_tables</c>.</summary>
    public string Page(string? shape)
    {
        var rows = Rows;
        var html = new StringBuilder("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Contribution Factors - USAC</title></head><body><h1>Contribution Factors</h1>"
            + "<p>The FCC announces the contribution factor before the beginning of each quarter.</p>");
        if (shape == "list") return html.Append("<ul>").AppendJoin("", rows.Select(r => $"<li>{WebUtility.HtmlEncode(r.Quarter)}: {r.Factor}</li>")).Append("</ul></body></html>").ToString();
        var table = new StringBuilder();
        table.Append(CultureInfo.InvariantCulture, $"<table class=\"wp-block-table\"><thead><tr><th>Applies to Quarter</th><th>{(shape == "heading" ? "Proposed Factor" : "Contribution&nbsp;Factor")}</th><th>Circularity Factor</th><th>Public Notice</th></tr></thead><tbody>");
        for (var i = 0; i < rows.Count; i++)
        {
            var (quarter, factor) = (rows[i].Quarter, rows[i].Factor);
            if (i == 0 && shape == "percent") factor = factor.TrimEnd('%');
            if (i == 0 && shape == "months") quarter = quarter[(quarter.IndexOf('–', StringComparison.Ordinal) + 2)..];
            table.Append(CultureInfo.InvariantCulture, $"<tr><td>{WebUtility.HtmlEncode(quarter)}</td><td>{factor}</td><td>{rows[i].Circularity}</td><td><a href=\"#\">{rows[i].Notice}</a></td></tr>");
        }

        table.Append("</tbody></table>");
        html.Append(table);
        if (shape == "two_tables") html.Append("<h2>Archive</h2>").Append(table);
        return html.Append("</body></html>").ToString();
    }
}
