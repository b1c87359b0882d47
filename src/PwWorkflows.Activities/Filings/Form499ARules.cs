using System.Globalization;
using System.Text.RegularExpressions;

namespace PwWorkflows.Activities.Filings;

/// <summary>
/// The rules a Form 499-A must meet before a browser is opened: those the form and its instructions state for lines 101 to 612. Pure; tells
/// every fault at once.
/// </summary>
public static partial class Form499ARules
{
    static readonly (string Name, string Address, int Number)[] Officers = [("221", "222", 1), ("223", "224", 2), ("225", "226", 3)];
    static readonly string[] AddressParts = ["street", "city", "state", "zip"];

    /// <summary>Checks a form.</summary>
    /// <param name="form">The form.</param>
    /// <returns>Every fault, in the order of the form; empty when it may be filed.</returns>
    public static IReadOnlyList<FormFault> Check(Form499A form)
    {
        ArgumentNullException.ThrowIfNull(form);
        var faults = new List<FormFault>();
        Texts(form, faults);
        Categories(form, faults);
        OfficersAndService(form, faults);
        Revenue(form, faults);
        Uncollectible(form, faults);
        RegionsAndTrs(form, faults);
        Block6(form, faults);
        return faults;
    }

    /// <summary>
    /// Whether the filer is de minimis: its yearly contribution would be <b>less than</b> 10,000 dollars (47 CFR 54.708), estimated by Appendix A as
    /// the interstate and international end-user base of the filer and its affiliates times the year's factor.
    /// </summary>
    /// <param name="baseDollars">The base in whole dollars.</param>
    /// <param name="estimationFactor">Line 10 of Appendix A of that form year, such as 0.256 for 2026.</param>
    public static bool IsDeMinimis(long baseDollars, decimal estimationFactor) => baseDollars * estimationFactor < 10_000m;

    static void Texts(Form499A form, List<FormFault> faults)
    {
        foreach (var line in Form499ALines.Texts)
        {
            var value = form.Text(line.Line);
            var field = line.Fields[0];
            if (value.Length == 0)
            {
                if (line.Required) faults.Add(new(line.Line, field, "This line is required."));
                continue;
            }

            var expected = line.Kind switch
            {
                LineKind.FilerId when !FilerIdShape().IsMatch(value) => "Expected a Filer ID: six digits beginning with 8.",
                LineKind.Frn when !FrnShape().IsMatch(value) => "Expected an FCC Registration Number: ten digits.",
                LineKind.Ein when !EinShape().IsMatch(value) => "Expected an employer identification number as NN-NNNNNNN.",
                LineKind.Email when !EmailShape().IsMatch(value) => "Expected an email address.",
                LineKind.Phone when value.Count(char.IsAsciiDigit) != 10 => "Expected a telephone number of ten digits.",
                LineKind.State when !Form499ALines.Jurisdictions.Contains(value) => "Expected a two-letter state code.",
                LineKind.Zip when !ZipShape().IsMatch(value) => "Expected a ZIP code of five or nine digits.",
                LineKind.Year when !int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var year) || year < 1900 || year > form.FilingYear
                    => $"Expected a year from 1900 to {form.FilingYear}.",
                LineKind.Month when !int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var month) || month is < 1 or > 12 => "Expected a month from 1 to 12.",
                _ => null,
            };
            if (expected is not null) faults.Add(new(line.Line, field, expected));
        }

        if ((form.Text("106.1").Length > 0) != (form.Text("106.2").Length > 0))
            faults.Add(new("106.2", "affiliated_filer_ein", "Lines 106.1 and 106.2 go together: give both or neither."));
    }

    static void Categories(Form499A form, List<FormFault> faults)
    {
        if (form.Categories.Count == 0) faults.Add(new("105.1", "line_105_primary", "Expected the principal category of telecommunications activity."));
        if (form.Categories.Count > 5) faults.Add(new("105", "line_105_categories", "Expected at most five categories, most important first."));
        for (var i = 0; i < form.Categories.Count; i++)
            if (!Form499ALines.Categories.Contains(form.Categories[i]))
                faults.Add(new(string.Create(CultureInfo.InvariantCulture, $"105.{i + 1}"), "line_105_categories", $"'{form.Categories[i]}' is not one of {string.Join(", ", Form499ALines.Categories)}."));
    }

    static void OfficersAndService(Form499A form, List<FormFault> faults)
    {
        var sole = form.EntityStructure.StartsWith("sole_prop", StringComparison.Ordinal);
        if (sole && form.OfficerCount != 1) faults.Add(new("221.count", "officer_count_claimed", "A sole proprietor names exactly one officer."));
        if (!sole && form.OfficerCount is < 2 or > 3) faults.Add(new("221.count", "officer_count_claimed", "A company names two or three officers."));
        foreach (var (name, address, number) in Officers)
        {
            var named = form.Text(name + ".name").Length > 0;
            if (number <= form.OfficerCount && !named && number > 1) faults.Add(new(name + ".name", $"officer_{number}_name", $"{form.OfficerCount} officers are claimed."));
            if (number > form.OfficerCount && named) faults.Add(new(name + ".name", $"officer_{number}_name", $"Only {form.OfficerCount} officers are claimed."));
            if (!named || number == 1) continue;
            if (form.Text(name + ".title").Length == 0) faults.Add(new(name + ".title", $"officer_{number}_title", "Each officer needs a title."));
            foreach (var part in AddressParts)
                if (form.Text($"{address}.{part}").Length == 0) faults.Add(new($"{address}.{part}", $"officer_{number}_{part}", "Each officer needs a business address."));
        }

        if (form.Jurisdictions.Count == 0) faults.Add(new("227", "jurisdictions_served", "Expected at least one jurisdiction."));
        foreach (var unknown in form.Jurisdictions.Where(j => !Form499ALines.Jurisdictions.Contains(j)))
            faults.Add(new("227", "jurisdictions_served", $"'{unknown}' is not a state, the District of Columbia or a territory."));
    }

    static void Revenue(Form499A form, List<FormFault> faults)
    {
        foreach (var (line, revenue) in form.Revenue)
        {
            if (revenue.Total < 0) faults.Add(new(line + ".a", $"revenue.{line}.total", "Expected whole dollars, not negative."));
            if (revenue.InterstatePercent is < 0 or > 100) faults.Add(new(line + ".b", $"revenue.{line}.interstate_pct", "Expected a percentage from 0 to 100."));
            if (revenue.InternationalPercent is < 0 or > 100) faults.Add(new(line + ".c", $"revenue.{line}.international_pct", "Expected a percentage from 0 to 100."));
            if (revenue.InterstatePercent + revenue.InternationalPercent > 100)
                faults.Add(new(line + ".b", $"revenue.{line}.interstate_pct", "Interstate and international percentages add to more than 100."));
            // Half a dollar rounds up in each column, so a line of 50 % and 50 % of one dollar would report two.
            else if (revenue.Interstate + revenue.International > revenue.Total)
                faults.Add(new(line + ".d", $"revenue.{line}.interstate_pct", "Interstate and international revenue round to more than the total; shift a percentage slightly."));
            if (Form499ALines.TotalOnly.Contains(line) && (revenue.InterstatePercent != 0 || revenue.InternationalPercent != 0))
                faults.Add(new(line + ".b", $"revenue.{line}.interstate_pct", "Non-telecommunications revenue has no jurisdiction; leave the percentages out."));
        }
    }

    static void Uncollectible(Form499A form, List<FormFault> faults)
    {
        foreach (var (line, value, of, gross) in new[] { ("421", form.Line421, "419", form.Line419), ("422", form.Line422, "420", form.Line420) })
        {
            foreach (var (column, part, name, most) in new[]
            {
                ("a", value.Total, "total", gross.Total), ("d", value.Interstate, "interstate", gross.Interstate), ("e", value.International, "international", gross.International),
            })
            {
                if (part < 0 || part > most) faults.Add(new($"{line}.{column}", $"uncollectible.{line}.{name}", $"Expected whole dollars from 0 to line {of} ({most})."));
            }

            if (value.Interstate + value.International > value.Total)
                faults.Add(new(line + ".d", $"uncollectible.{line}.interstate", "Interstate and international parts exceed the total."));
        }
    }

    static void RegionsAndTrs(Form499A form, List<FormFault> faults)
    {
        Split("510.a", "block_3_pct", "Block 3", form.Regions.Values.Sum(r => r.Block3Percent), form.Total(Form499ALines.Block3));
        Split("510.b", "block_4_pct", "Block 4", form.Regions.Values.Sum(r => r.Block4Percent), form.Total(Form499ALines.Block4));
        foreach (var (line, value) in form.Regions)
        {
            if (value.Block3Percent is < 0 or > 100) faults.Add(new(line + ".a", $"block_5.{line}.block_3_pct", "Expected a percentage from 0 to 100."));
            if (value.Block4Percent is < 0 or > 100) faults.Add(new(line + ".b", $"block_5.{line}.block_4_pct", "Expected a percentage from 0 to 100."));
        }

        if (form.Line511.Total < 0 || form.Line511.InterstateAndInternational < 0) faults.Add(new("511.a", "noncontributing_resellers.total", "Expected whole dollars, not negative."));
        if (form.Line512.Total < 0) faults.Add(new("511.a", "noncontributing_resellers.total", "Line 511 exceeds the TRS base; line 512 would be negative."));
        if (form.Line512.InterstateAndInternational < 0) faults.Add(new("511.b", "noncontributing_resellers.interstate_international", "Line 511 exceeds the TRS base; line 512 would be negative."));
        if (form.Line513.Total < 0 || form.Line513.InterstateAndInternational < 0) faults.Add(new("513.a", "uncollectible.513.total", "Expected whole dollars, not negative."));
        if (form.Line512.Total >= 0 && form.Line514.Total < 0) faults.Add(new("513.a", "uncollectible.513.total", "Line 513 exceeds line 512."));
        if (form.Line512.InterstateAndInternational >= 0 && form.Line514.InterstateAndInternational < 0)
            faults.Add(new("513.b", "uncollectible.513.interstate_international", "Line 513 exceeds line 512."));

        void Split(string line, string field, string block, decimal sum, long revenue)
        {
            if (revenue > 0 && sum != 100) faults.Add(new(line, $"block_5.*.{field}", $"The {block} percentages of lines 503 to 509 must add to 100, not {sum.ToString("0.##", CultureInfo.InvariantCulture)}."));
            if (revenue == 0 && sum != 0) faults.Add(new(line, $"block_5.*.{field}", $"There is no {block} revenue, so its percentages must be 0."));
        }
    }

    static void Block6(Form499A form, List<FormFault> faults)
    {
        if (form.Flags.Any(f => f.StartsWith("603", StringComparison.Ordinal)) && form.Text("603.reason").Length == 0)
            faults.Add(new("603.reason", "exemption_reason", "An exemption claim needs its explanation."));
        if (!Form499ALines.FilingTypes.Contains(form.FilingType))
            faults.Add(new("612", "filing_type", $"Expected one of {string.Join(", ", Form499ALines.FilingTypes)}, got '{form.FilingType}'."));
    }

    [GeneratedRegex(@"^8\d{5}$")] private static partial Regex FilerIdShape();
    [GeneratedRegex(@"^\d{10}$")] private static partial Regex FrnShape();
    [GeneratedRegex(@"^\d{2}-\d{7}$")] private static partial Regex EinShape();
    [GeneratedRegex(@"^[^@\s]+@[^@\s]+\.[^@\s]+$")] private static partial Regex EmailShape();
    [GeneratedRegex(@"^\d{5}(-\d{4})?$")] private static partial Regex ZipShape();
}
