using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace PwWorkflows.Activities.Filings;

/// <summary>One revenue line of blocks 3 and 4-A.</summary>
/// <param name="Total">Column (a), whole dollars, not negative.</param>
/// <param name="InterstatePercent">Column (b), 0 to 100, at most two decimals.</param>
/// <param name="InternationalPercent">Column (c), 0 to 100, at most two decimals.</param>
public sealed record RevenueLine(long Total, decimal InterstatePercent = 0, decimal InternationalPercent = 0)
{
    /// <summary>Column (d) = (a) times (b), to the whole dollar, halves away from zero.</summary>
    public long Interstate => Share(InterstatePercent);

    /// <summary>Column (e) = (a) times (c), to the whole dollar, halves away from zero.</summary>
    public long International => Share(InternationalPercent);

    long Share(decimal percent) => (long)Math.Round(Total * percent / 100, MidpointRounding.AwayFromZero);
}

/// <summary>A line of totals: whole dollars in columns (a), (d) and (e).</summary>
/// <param name="Total">Column (a).</param>
/// <param name="Interstate">Column (d).</param>
/// <param name="International">Column (e).</param>
public sealed record TotalLine(long Total, long Interstate, long International)
{
    /// <summary>Nothing in any column.</summary>
    public static TotalLine Zero { get; } = new(0, 0, 0);

    /// <summary>Column by column.</summary>
    public static TotalLine operator -(TotalLine left, TotalLine right)
    {
        ArgumentNullException.ThrowIfNull(left);
        ArgumentNullException.ThrowIfNull(right);
        return new(left.Total - right.Total, left.Interstate - right.Interstate, left.International - right.International);
    }

    /// <summary>Column by column.</summary>
    public static TotalLine Subtract(TotalLine left, TotalLine right) => left - right;
}

/// <summary>A line of block 5: whole dollars in columns (a) total and (b) interstate and international.</summary>
/// <param name="Total">Column (a).</param>
/// <param name="InterstateAndInternational">Column (b).</param>
public sealed record BaseLine(long Total, long InterstateAndInternational)
{
    /// <summary>Nothing in either column.</summary>
    public static BaseLine Zero { get; } = new(0, 0);
}

/// <summary>Share of a region of block 5 in percent.</summary>
/// <param name="Block3Percent">Share of block 3 revenue, 0 to 100.</param>
/// <param name="Block4Percent">Share of block 4 revenue, 0 to 100.</param>
public sealed record RegionShare(decimal Block3Percent, decimal Block4Percent);

/// <summary>
/// The values of one FCC Form 499-A, as they go to the portal. Revenue is in whole dollars, as the form demands. Lines that the form
/// computes from others are computed here. Built by <see cref="Form499AReader"/>, checked by <see cref="Form499ARules"/>.
/// </summary>
public sealed record Form499A
{
    /// <summary>Year of the form; it reports the revenue of the year before. Due 1 April (47 CFR 54.711(a)).</summary>
    public required int FilingYear { get; init; }

    /// <summary>Lines that are texts, such as <c>102</c> or <c>109.street</c>; empty ones are left out.</summary>
    public IReadOnlyDictionary<string, string> Texts { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Line 105: up to five categories, the principal one first; names as in the intake (<c>voip_interconnected</c>, …).</summary>
    public IReadOnlyList<string> Categories { get; init; } = [];

    /// <summary>Line 227: two-letter codes.</summary>
    public IReadOnlyList<string> Jurisdictions { get; init; } = [];

    /// <summary>Number of officers claimed in lines 221 to 226.</summary>
    public int OfficerCount { get; init; }

    /// <summary><c>sole_proprietorship</c> or another structure; decides how many officers are needed. Not shown on the form.</summary>
    public string EntityStructure { get; init; } = "";

    /// <summary>Lines 303 to 314 and 403 to 418; a missing line has no revenue.</summary>
    public IReadOnlyDictionary<string, RevenueLine> Revenue { get; init; } = ImmutableSortedDictionary<string, RevenueLine>.Empty;

    /// <summary>Line 421, uncollectible part of line 419.</summary>
    public TotalLine Line421 { get; init; } = TotalLine.Zero;

    /// <summary>Line 422, uncollectible part of line 420.</summary>
    public TotalLine Line422 { get; init; } = TotalLine.Zero;

    /// <summary>Lines 503 to 509; a missing region has 0 percent.</summary>
    public IReadOnlyDictionary<string, RegionShare> Regions { get; init; } = ImmutableSortedDictionary<string, RegionShare>.Empty;

    /// <summary>Line 511, revenue from resellers that do not contribute; left out of the TRS base.</summary>
    public BaseLine Line511 { get; init; } = BaseLine.Zero;

    /// <summary>Line 513, uncollectible part of line 512.</summary>
    public BaseLine Line513 { get; init; } = BaseLine.Zero;

    /// <summary>Ticked boxes of block 6, such as <c>603.usf</c>.</summary>
    public IReadOnlySet<string> Flags { get; init; } = ImmutableSortedSet<string>.Empty;

    /// <summary>Line 612: <c>original</c>, <c>registration</c>, <c>revised_registration</c> or <c>revised_revenue</c>.</summary>
    public string FilingType { get; init; } = "";

    /// <summary>Line 101.</summary>
    public string FilerId => Text("101");

    /// <summary>Line 102.</summary>
    public string LegalName => Text("102");

    /// <summary>Line 315: sum of lines 303 to 314.</summary>
    public TotalLine Line315 => Sum(Form499ALines.Block3);

    /// <summary>Line 419, gross billed revenue: lines 303 to 314 and 403 to 418.</summary>
    public TotalLine Line419 => Sum([.. Form499ALines.Block3, .. Form499ALines.Block4]);

    /// <summary>Line 420, gross universal service contribution base: lines 403 to 411 and 413 to 417 (47 CFR 54.706).</summary>
    public TotalLine Line420 => Sum(Form499ALines.UsfBase);

    /// <summary>Line 423, net universal service contribution base: line 420 less line 422.</summary>
    public TotalLine Line423 => Line420 - Line422;

    /// <summary>Line 512, gross TRS contribution base: lines 403 to 411, 413 to 417 and 418.4, less line 511.</summary>
    public BaseLine Line512
    {
        get
        {
            var all = Sum(Form499ALines.TrsBase);
            return new(all.Total - Line511.Total, all.Interstate + all.International - Line511.InterstateAndInternational);
        }
    }

    /// <summary>Line 514, net TRS contribution base: line 512 less line 513.</summary>
    public BaseLine Line514 => new(Line512.Total - Line513.Total, Line512.InterstateAndInternational - Line513.InterstateAndInternational);

    /// <summary>Revenue of a block, column (a).</summary>
    internal long Total(IReadOnlyList<string> lines) => lines.Sum(l => Revenue.TryGetValue(l, out var r) ? r.Total : 0);

    /// <summary>Names of lines 221, 223 and 225 that are filled, in that order.</summary>
    public IReadOnlyList<string> Officers => [.. OfficerLines.Select(Text).Where(n => n.Length > 0)];

    static readonly string[] OfficerLines = ["221.name", "223.name", "225.name"];

    /// <summary>A text line, or the empty text.</summary>
    public string Text(string line) => Texts.TryGetValue(line, out var text) ? text : "";

    /// <summary>
    /// Every filled box by its line, in ordinal order, exactly as it is typed: <c>303.1.a</c> is column (a) of line 303.1, a ticked box is
    /// <c>yes</c>. These are the values that an officer authorizes.
    /// </summary>
    public ImmutableSortedDictionary<string, string> Boxes()
    {
        var boxes = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var (line, text) in Texts) boxes[line] = text;
        for (var i = 0; i < Categories.Count; i++) boxes[string.Create(CultureInfo.InvariantCulture, $"105.{i + 1}")] = Categories[i];
        if (Jurisdictions.Count > 0) boxes["227"] = string.Join(',', Jurisdictions.Order(StringComparer.Ordinal));
        if (OfficerCount > 0) boxes["221.count"] = Number(OfficerCount);
        foreach (var (line, revenue) in Revenue.Where(r => r.Value.Total != 0))
        {
            boxes[line + ".a"] = Number(revenue.Total);
            if (Form499ALines.TotalOnly.Contains(line)) continue;
            boxes[line + ".b"] = Number(revenue.InterstatePercent);
            boxes[line + ".c"] = Number(revenue.InternationalPercent);
            boxes[line + ".d"] = Number(revenue.Interstate);
            boxes[line + ".e"] = Number(revenue.International);
        }

        foreach (var (line, total) in new[] { ("315", Line315), ("419", Line419), ("420", Line420), ("421", Line421), ("422", Line422), ("423", Line423) })
        {
            boxes[line + ".a"] = Number(total.Total);
            boxes[line + ".d"] = Number(total.Interstate);
            boxes[line + ".e"] = Number(total.International);
        }

        foreach (var (line, share) in Regions)
        {
            if (share.Block3Percent != 0) boxes[line + ".a"] = Number(share.Block3Percent);
            if (share.Block4Percent != 0) boxes[line + ".b"] = Number(share.Block4Percent);
        }

        boxes["510.a"] = Number(Regions.Values.Sum(r => r.Block3Percent));
        boxes["510.b"] = Number(Regions.Values.Sum(r => r.Block4Percent));
        foreach (var (line, value) in new[] { ("511", Line511), ("512", Line512), ("513", Line513), ("514", Line514) })
        {
            boxes[line + ".a"] = Number(value.Total);
            boxes[line + ".b"] = Number(value.InterstateAndInternational);
        }

        foreach (var flag in Flags) boxes[flag] = "yes";
        if (FilingType.Length > 0) boxes["612"] = FilingType;
        return boxes.ToImmutable();
    }

    /// <summary>The values in one fixed form: UTF-8 JSON without white space, lines in ordinal order.</summary>
    public byte[] CanonicalJson()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("form", "499-A");
            json.WriteNumber("filing_year", FilingYear);
            json.WriteStartObject("lines");
            foreach (var (line, value) in Boxes()) json.WriteString(line, value);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    /// <summary>SHA-256 of <see cref="CanonicalJson"/> in lower case hexadecimal: what an officer's authorization is bound to.</summary>
    public string ValuesSha256() => Convert.ToHexStringLower(SHA256.HashData(CanonicalJson()));

    TotalLine Sum(IEnumerable<string> lines)
    {
        long total = 0, interstate = 0, international = 0;
        foreach (var line in lines)
        {
            if (!Revenue.TryGetValue(line, out var revenue)) continue;
            total += revenue.Total;
            interstate += revenue.Interstate;
            international += revenue.International;
        }

        return new(total, interstate, international);
    }

    static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    static string Number(decimal value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
