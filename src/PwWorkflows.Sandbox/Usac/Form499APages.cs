using System.Globalization;
using System.Text.RegularExpressions;

namespace PwWorkflows.Sandbox.Usac;

/// <summary>How the portal reads and checks one box of the form.</summary>
internal enum BoxKind { Text, LongText, Email, Phone, Zip, State, Digits, Ein, Money, Percent, Check, Choice, Choices, YearText, Month }

/// <summary>One box of the form as the portal shows it.</summary>
internal sealed record Box(string Line, string Label, BoxKind Kind, bool Required = false, int Length = 0, string[]? Options = null)
{
    /// <summary>HTML id and name.</summary>
    public string Name => "l-" + Line.Replace('.', '-');

    /// <summary>The form line without the column, as used in error messages.</summary>
    public string FormLine
    {
        get
        {
            var parts = Line.Split('.');
            return parts.Length > 1 && char.IsDigit(parts[1][0]) ? parts[0] + "." + parts[1] : parts[0];
        }
    }
}

/// <summary>A message of the portal about one line.</summary>
internal sealed record BoxError(string Line, string Message);

/// <summary>One page of the form.</summary>
internal sealed record FormPage(string Key, string Heading, IReadOnlyList<Box> Boxes);

/// <summary>
/// FCC Form 499-A as the sandbox portal asks for it: a page per block, and the portal's own arithmetic. Written from the published form;
/// it shares nothing with the code that fills it.
/// </summary>
internal static partial class Form499APages
{
    public static readonly string[] States =
    [
        "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA", "ME", "MD", "MA", "MI",
        "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT",
        "VA", "WA", "WV", "WI", "WY", "AS", "GU", "MP", "PR", "VI",
    ];

    public static readonly string[] ServiceTypes =
    [
        "Interconnected VoIP", "Non-Interconnected VoIP", "CAP/CLEC", "Incumbent LEC", "Local Reseller", "Toll Reseller", "Interexchange Carrier (IXC)",
        "Cellular/PCS/SMR Wireless", "Mobile Virtual Network Operator", "Prepaid Card", "Private Service Provider", "Satellite Service Provider",
        "Payphone Service Provider", "Operator Service Provider (OSP)", "Shared-Tenant Service Provider", "Audio Bridging Service", "Toll-Free Service",
        "Paging & Messaging", "SMR (dispatch)", "Fixed Wireless", "Mobile Satellite", "Other",
    ];

    public static readonly string[] FilingTypes =
    [
        "Original April 1 filing for year", "New filer, registration only", "Revised filing with updated registration", "Revised filing with updated revenue data",
    ];

    public static readonly string[] Block3Lines =
        ["303.1", "303.2", "304.1", "304.2", "305.1", "305.2", "306", "307", "308", "309", "310", "311", "312", "313", "314"];

    public static readonly string[] Block4Lines =
    [
        "403", "404.1", "404.2", "404.3", "404.4", "404.5", "405", "406", "407", "408", "409", "410", "411", "412", "413", "414.1", "414.2", "415", "416",
        "417", "418.1", "418.2", "418.3", "418.4",
    ];

    public static readonly string[] Regions = ["503", "504", "505", "506", "507", "508", "509"];

    static readonly string[] ActivityLines = ["105.1", "105.2", "105.3", "105.4", "105.5"];
    static readonly string[] TotalLines = ["419", "420", "421", "422", "423"];
    static readonly string[] AddressParts = ["street", "city", "state", "zip"];
    static readonly string[] ExemptionLines = ["603.usf", "603.trs", "603.nanpa", "603.lnp", "603.itsp"];
    static readonly string[] RegionNames = ["Southeast", "Western", "West Coast", "Mid-Atlantic", "Mid-West", "Northeast", "Southwest"];

    /// <summary>Lines 418.1 to 418.3 are not telecommunications and have no percentages.</summary>
    static bool TotalOnly(string line) => line is "418.1" or "418.2" or "418.3";

    public static readonly IReadOnlyList<FormPage> All =
    [
        new("block-1", "Block 1: Contributor Identification Information", Block1()),
        new("block-2a", "Block 2-A: Regulatory Contact Information", Block2A()),
        new("block-2b", "Block 2-B: Agent for Service of Process", Block2B()),
        new("block-2c", "Block 2-C: FCC Registration Information", Block2C()),
        new("block-3", "Block 3: Carrier's Carrier Revenue Information", Revenue(Block3Lines, "315")),
        new("block-4a", "Block 4-A: End-User and Non-Telecommunications Revenue Information", Revenue(Block4Lines, null)),
        new("block-4b", "Block 4-B: Total Revenue and Uncollectible Revenue Information", Block4B()),
        new("block-5", "Block 5: Additional Revenue Breakouts", Block5()),
        new("block-6", "Block 6: Certification Information", Block6()),
    ];

    public static FormPage? Find(string key) => All.FirstOrDefault(p => p.Key == key);

    /// <summary>A page's own faults, in the order of its boxes.</summary>
    public static List<BoxError> Check(FormPage page, IReadOnlyDictionary<string, string> values, UsacDemoEntity account, int filingYear)
    {
        var errors = new List<BoxError>();
        foreach (var box in page.Boxes) CheckBox(box, values, errors);
        switch (page.Key)
        {
            case "block-1": CheckBlock1(values, account, errors); break;
            case "block-2c": CheckOfficers(values, filingYear, errors); break;
            case "block-3": CheckRevenue(Block3Lines, values, errors); CheckSum("315", ["a", "d", "e"], Block3Lines, values, errors); break;
            case "block-4a": CheckRevenue(Block4Lines, values, errors); break;
            case "block-4b": CheckTotals(values, errors); break;
            case "block-5": CheckBlock5(values, errors); break;
            case "block-6": CheckBlock6(values, errors); break;
        }

        return errors;
    }

    /// <summary>Every fault of the whole form, with the page it belongs to.</summary>
    public static List<(FormPage Page, BoxError Error)> CheckAll(IReadOnlyDictionary<string, string> values, UsacDemoEntity account, int filingYear) =>
        [.. All.SelectMany(p => Check(p, values, account, filingYear).Select(e => (p, e)))];

    static List<Box> Address(string line, string what, bool required = true) =>
    [
        new($"{line}.street", $"Line {line} {what} street", BoxKind.Text, required),
        new($"{line}.city", $"Line {line} {what} city", BoxKind.Text, required),
        new($"{line}.state", $"Line {line} {what} state", BoxKind.State, required),
        new($"{line}.zip", $"Line {line} {what} ZIP code", BoxKind.Zip, required),
    ];

    static List<Box> Block1() =>
    [
        new("101", "Line 101 Filer 499 ID", BoxKind.Digits, true, 6),
        new("102", "Line 102 Legal name of filer", BoxKind.Text, true),
        new("103", "Line 103 IRS employer identification number", BoxKind.Ein, true),
        new("104", "Line 104 Name telecommunications service provider is doing business as", BoxKind.Text),
        new("105.1", "Line 105 Principal telecommunications activity", BoxKind.Choice, true, Options: ServiceTypes),
        new("105.2", "Line 105 Second activity", BoxKind.Choice, Options: ServiceTypes),
        new("105.3", "Line 105 Third activity", BoxKind.Choice, Options: ServiceTypes),
        new("105.4", "Line 105 Fourth activity", BoxKind.Choice, Options: ServiceTypes),
        new("105.5", "Line 105 Fifth activity", BoxKind.Choice, Options: ServiceTypes),
        new("106.1", "Line 106.1 Affiliated filers name or holding company name", BoxKind.Text),
        new("106.2", "Line 106.2 Affiliated filers IRS employer identification number", BoxKind.Ein),
        new("107", "Line 107 FCC Registration Number (FRN)", BoxKind.Digits, true, 10),
        new("108", "Line 108 Management company", BoxKind.Text),
        .. Address("109", "Headquarters"),
        .. Address("110", "Customer inquiries"),
        new("111", "Line 111 Telephone number for customer inquiries", BoxKind.Phone, true),
        new("112", "Line 112 Trade names used in the past three years", BoxKind.LongText),
    ];

    static List<Box> Block2A() =>
    [
        new("203", "Line 203 Person who completed this worksheet", BoxKind.Text, true),
        new("204", "Line 204 Telephone number of this person", BoxKind.Phone, true),
        new("205", "Line 205 Fax number of this person", BoxKind.Phone),
        new("206", "Line 206 Email of this person", BoxKind.Email, true),
        new("207.name", "Line 207 Corporate office contact name", BoxKind.Text, true),
        .. Address("207", "Corporate office"),
        new("208.name", "Line 208 Billing contact name", BoxKind.Text, true),
        new("208.email", "Line 208 Billing contact email", BoxKind.Email, true),
        .. Address("208", "Billing"),
    ];

    static List<Box> Block2B() =>
    [
        new("209", "Line 209 D.C. agent for service of process", BoxKind.Text, true),
        new("210", "Line 210 D.C. agent telephone", BoxKind.Phone, true),
        new("211", "Line 211 D.C. agent fax", BoxKind.Phone),
        new("212", "Line 212 D.C. agent email", BoxKind.Email, true),
        .. Address("213", "D.C. agent"),
        new("214", "Line 214 Alternate agent for service of process", BoxKind.Text),
        new("215", "Line 215 Alternate agent telephone", BoxKind.Phone),
        new("216", "Line 216 Alternate agent fax", BoxKind.Phone),
        new("217", "Line 217 Alternate agent email", BoxKind.Email),
        .. Address("218", "Alternate agent", required: false),
    ];

    static List<Box> Block2C() =>
    [
        new("221.count", "Number of officers named in lines 221 to 226", BoxKind.Digits, true, 1),
        new("221.name", "Line 221 Chief executive officer name", BoxKind.Text, true),
        new("221.title", "Line 221 Chief executive officer title", BoxKind.Text, true),
        .. Address("222", "Chief executive officer business"),
        new("223.name", "Line 223 Second officer name", BoxKind.Text),
        new("223.title", "Line 223 Second officer title", BoxKind.Text),
        .. Address("224", "Second officer business", required: false),
        new("225.name", "Line 225 Third officer name", BoxKind.Text),
        new("225.title", "Line 225 Third officer title", BoxKind.Text),
        .. Address("226", "Third officer business", required: false),
        new("227", "Line 227 Jurisdictions in which service is provided", BoxKind.Choices, true, Options: States),
        new("228.year", "Line 228 Year service first provided", BoxKind.YearText, true),
        new("228.month", "Line 228 Month service first provided", BoxKind.Month, true),
    ];

    static List<Box> Revenue(string[] lines, string? total)
    {
        var boxes = new List<Box>();
        foreach (var line in lines)
        {
            boxes.Add(new($"{line}.a", $"Line {line} (a) Total revenues", BoxKind.Money));
            if (TotalOnly(line)) continue;
            boxes.Add(new($"{line}.b", $"Line {line} (b) Interstate percent", BoxKind.Percent));
            boxes.Add(new($"{line}.c", $"Line {line} (c) International percent", BoxKind.Percent));
            boxes.Add(new($"{line}.d", $"Line {line} (d) Interstate revenues", BoxKind.Money));
            boxes.Add(new($"{line}.e", $"Line {line} (e) International revenues", BoxKind.Money));
        }

        if (total is not null) boxes.AddRange(Totals(total));
        return boxes;
    }

    static Box[] Totals(string line) =>
    [
        new($"{line}.a", $"Line {line} (a) Total revenues", BoxKind.Money, true),
        new($"{line}.d", $"Line {line} (d) Interstate revenues", BoxKind.Money, true),
        new($"{line}.e", $"Line {line} (e) International revenues", BoxKind.Money, true),
    ];

    static List<Box> Block4B() => [.. TotalLines.SelectMany(Totals)];

    static List<Box> Block5()
    {
        var boxes = new List<Box>();
        for (var i = 0; i < Regions.Length; i++)
        {
            boxes.Add(new($"{Regions[i]}.a", $"Line {Regions[i]} {RegionNames[i]} Block 3 percent", BoxKind.Percent));
            boxes.Add(new($"{Regions[i]}.b", $"Line {Regions[i]} {RegionNames[i]} Block 4 percent", BoxKind.Percent));
        }

        boxes.Add(new("510.a", "Line 510 Total Block 3 percent", BoxKind.Percent, true));
        boxes.Add(new("510.b", "Line 510 Total Block 4 percent", BoxKind.Percent, true));
        foreach (var (line, what) in new[]
        {
            ("511", "Revenues from resellers that do not contribute"), ("512", "Gross TRS contribution base"), ("513", "Uncollectible revenue for the TRS base"),
            ("514", "Net TRS contribution base"),
        })
        {
            boxes.Add(new($"{line}.a", $"Line {line} (a) {what}, total", BoxKind.Money, true));
            boxes.Add(new($"{line}.b", $"Line {line} (b) {what}, interstate and international", BoxKind.Money, true));
        }

        return boxes;
    }

    static List<Box> Block6() =>
    [
        new("603.usf", "Line 603 Exempt from Universal Service", BoxKind.Check),
        new("603.trs", "Line 603 Exempt from TRS", BoxKind.Check),
        new("603.nanpa", "Line 603 Exempt from NANPA", BoxKind.Check),
        new("603.lnp", "Line 603 Exempt from LNP administration", BoxKind.Check),
        new("603.itsp", "Line 603 Exempt from ITSP regulatory fees", BoxKind.Check),
        new("603.reason", "Line 603 Explanation of exemption", BoxKind.LongText),
        new("604.gov", "Line 604 State or local government entity", BoxKind.Check),
        new("604.501c", "Line 604 Tax exempt under IRC 501", BoxKind.Check),
        new("605", "Line 605 Request nondisclosure of revenue information", BoxKind.Check),
        new("612", "Line 612 Type of filing", BoxKind.Choice, true, Options: FilingTypes),
    ];

    static void CheckBox(Box box, IReadOnlyDictionary<string, string> values, List<BoxError> errors)
    {
        var value = values.GetValueOrDefault(box.Line, "").Trim();
        if (value.Length == 0)
        {
            if (box.Required) errors.Add(new(box.Line, "This item is required."));
            return;
        }

        var message = box.Kind switch
        {
            BoxKind.Email when !EmailShape().IsMatch(value) => "Enter a valid email address.",
            BoxKind.Phone when value.Count(char.IsAsciiDigit) != 10 => "Enter a ten digit telephone number.",
            BoxKind.Zip when !ZipShape().IsMatch(value) => "Enter a ZIP code of five or nine digits.",
            BoxKind.State when !States.Contains(value) => "Choose a state.",
            BoxKind.Ein when !EinShape().IsMatch(value) => "Enter the employer identification number as NN-NNNNNNN.",
            BoxKind.Digits when value.Length != box.Length || !value.All(char.IsAsciiDigit) => $"Enter exactly {box.Length} digit{(box.Length == 1 ? "" : "s")}.",
            BoxKind.Money when !MoneyShape().IsMatch(value) => "Enter whole dollars, without cents.",
            BoxKind.Percent when !PercentShape().IsMatch(value) || decimal.Parse(value, CultureInfo.InvariantCulture) > 100 => "Enter a percentage from 0 to 100.",
            BoxKind.Choice when !box.Options!.Contains(value) => "Choose one of the listed items.",
            BoxKind.Choices when value.Split(',').Any(v => !box.Options!.Contains(v)) => "Choose from the listed items.",
            BoxKind.YearText when !YearShape().IsMatch(value) => "Enter a year of four digits.",
            BoxKind.Month when !int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var month) || month is < 1 or > 12 => "Enter a month from 1 to 12.",
            _ => null,
        };
        if (message is not null) errors.Add(new(box.Line, message));
    }

    static void CheckBlock1(IReadOnlyDictionary<string, string> values, UsacDemoEntity account, List<BoxError> errors)
    {
        if (Given(values, "101") && values["101"] != account.FilerId) errors.Add(new("101", "The Filer ID is not the one of the signed-in filer."));
        if (Given(values, "107") && values["107"].Length == 10 && values["107"] != account.Frn) errors.Add(new("107", "The FRN does not belong to this Filer ID."));
        var ranked = ActivityLines.Where(l => Given(values, l)).ToList();
        foreach (var twice in ranked.GroupBy(l => values[l]).Where(g => g.Count() > 1))
            errors.Add(new(twice.Last(), "The same activity is ranked twice."));
    }

    static void CheckOfficers(IReadOnlyDictionary<string, string> values, int filingYear, List<BoxError> errors)
    {
        if (Given(values, "221.count") && values["221.count"].Length == 1)
        {
            var count = values["221.count"][0] - '0';
            if (count is < 1 or > 3) errors.Add(new("221.count", "Name one, two or three officers."));
            (string Name, string Address)[] officers = [("221", "222"), ("223", "224"), ("225", "226")];
            for (var i = 0; i < officers.Length; i++)
            {
                var named = Given(values, officers[i].Name + ".name");
                if (i < count && !named && i > 0) errors.Add(new(officers[i].Name + ".name", $"{count} officers are claimed; name officer {i + 1}."));
                if (i >= count && named) errors.Add(new(officers[i].Name + ".name", $"Only {count} officer(s) are claimed."));
                if (!named || i == 0) continue;
                foreach (var part in AddressParts)
                    if (!Given(values, $"{officers[i].Address}.{part}")) errors.Add(new($"{officers[i].Address}.{part}", "Each officer needs a business address."));
            }
        }

        if (Given(values, "228.year") && YearShape().IsMatch(values["228.year"]) && int.Parse(values["228.year"], CultureInfo.InvariantCulture) > filingYear)
            errors.Add(new("228.year", "Service cannot first be provided after the filing year."));
    }

    static void CheckRevenue(string[] lines, IReadOnlyDictionary<string, string> values, List<BoxError> errors)
    {
        foreach (var line in lines.Where(l => !TotalOnly(l)))
        {
            decimal total = Number(values, line + ".a"), interstate = Number(values, line + ".b"), international = Number(values, line + ".c");
            if (interstate + international > 100) errors.Add(new(line + ".b", "Interstate and international percentages add to more than 100."));
            if (Number(values, line + ".d") != Dollars(total * interstate / 100)) errors.Add(new(line + ".d", "Interstate revenues must equal column (a) times column (b)."));
            if (Number(values, line + ".e") != Dollars(total * international / 100)) errors.Add(new(line + ".e", "International revenues must equal column (a) times column (c)."));
        }
    }

    static void CheckTotals(IReadOnlyDictionary<string, string> values, List<BoxError> errors)
    {
        string[] columns = ["a", "d", "e"];
        CheckSum("419", columns, [.. Block3Lines, .. Block4Lines], values, errors);
        CheckSum("420", columns, [.. Block4Lines.Where(l => l != "412" && !l.StartsWith("418", StringComparison.Ordinal))], values, errors);
        foreach (var c in columns)
        {
            if (Number(values, "421." + c) > Number(values, "419." + c)) errors.Add(new("421." + c, "Uncollectible revenue exceeds line 419."));
            if (Number(values, "422." + c) > Number(values, "420." + c)) errors.Add(new("422." + c, "Uncollectible revenue exceeds line 420."));
            if (Number(values, "423." + c) != Number(values, "420." + c) - Number(values, "422." + c)) errors.Add(new("423." + c, "Line 423 must equal line 420 less line 422."));
        }
    }

    static void CheckBlock5(IReadOnlyDictionary<string, string> values, List<BoxError> errors)
    {
        foreach (var (column, name, lines) in new[] { ("a", "Block 3", Block3Lines), ("b", "Block 4", Block4Lines) })
        {
            var sum = Regions.Sum(r => Number(values, $"{r}.{column}"));
            var revenue = lines.Sum(l => Number(values, l + ".a"));
            if (Number(values, "510." + column) != sum) errors.Add(new("510." + column, "Line 510 must be the sum of lines 503 to 509."));
            if (revenue > 0 && sum != 100) errors.Add(new("510." + column, $"{name} percentages must add to 100."));
            if (revenue == 0 && sum != 0) errors.Add(new("510." + column, $"{name} percentages must be 0 when there is no {name} revenue."));
        }

        string[] trs = [.. Block4Lines.Where(l => l is not ("412" or "418.1" or "418.2" or "418.3"))];
        decimal all = trs.Sum(l => Number(values, l + ".a")), subject = trs.Sum(l => Number(values, l + ".d") + Number(values, l + ".e"));
        foreach (var (column, gross) in new[] { ("a", all), ("b", subject) })
        {
            if (Number(values, "512." + column) != gross - Number(values, "511." + column)) errors.Add(new("512." + column, "Line 512 must equal lines 403 to 411, 413 to 417 and 418.4 less line 511."));
            if (Number(values, "514." + column) != Number(values, "512." + column) - Number(values, "513." + column)) errors.Add(new("514." + column, "Line 514 must equal line 512 less line 513."));
        }
    }

    static void CheckBlock6(IReadOnlyDictionary<string, string> values, List<BoxError> errors)
    {
        if (ExemptionLines.Any(l => Given(values, l)) && !Given(values, "603.reason"))
            errors.Add(new("603.reason", "Explain the exemption claimed."));
    }

    static void CheckSum(string total, string[] columns, string[] lines, IReadOnlyDictionary<string, string> values, List<BoxError> errors)
    {
        foreach (var c in columns)
            if (Number(values, $"{total}.{c}") != lines.Sum(l => Number(values, $"{l}.{c}")))
                errors.Add(new($"{total}.{c}", $"Line {total} does not equal the sum of its lines."));
    }

    static bool Given(IReadOnlyDictionary<string, string> values, string line) => values.GetValueOrDefault(line, "").Trim().Length > 0;

    static decimal Number(IReadOnlyDictionary<string, string> values, string line) =>
        decimal.TryParse(values.GetValueOrDefault(line, ""), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var n) ? n : 0;

    static decimal Dollars(decimal exact) => Math.Round(exact, MidpointRounding.AwayFromZero);

    [GeneratedRegex(@"^[^@\s]+@[^@\s]+\.[^@\s]+$")] private static partial Regex EmailShape();
    [GeneratedRegex(@"^\d{5}(-\d{4})?$")] private static partial Regex ZipShape();
    [GeneratedRegex(@"^\d{2}-\d{7}$")] private static partial Regex EinShape();
    [GeneratedRegex(@"^\d{1,12}$")] private static partial Regex MoneyShape();
    [GeneratedRegex(@"^\d{1,3}(\.\d{1,2})?$")] private static partial Regex PercentShape();
    [GeneratedRegex(@"^(19|20)\d{2}$")] private static partial Regex YearShape();
}
