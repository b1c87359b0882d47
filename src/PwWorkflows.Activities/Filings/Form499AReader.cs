using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Filings;

/// <summary>Something wrong with the values of a form.</summary>
/// <param name="Line">Form line, such as <c>107</c> or <c>303.1.b</c>.</param>
/// <param name="Field">The field of the answers it comes from, such as <c>frn</c> or <c>revenue.303.1.interstate_pct</c>.</param>
/// <param name="Message">What was expected, for people.</param>
public sealed record FormFault(string Line, string Field, string Message)
{
    /// <inheritdoc />
    public override string ToString() => $"Line {Line} ({Field}): {Message}";
}

/// <summary>
/// Builds a <see cref="Form499A"/> from an order's answers and the carrier's record (snake_case names of the original). The answers win over
/// the record. Reads as much as it can and tells every value it could not read.
/// </summary>
/// <remarks>
/// Revenue comes as <c>revenue: {"404.4": {"total": 1200, "interstate_pct": 64.9, "international_pct": 0}}</c>; uncollectible revenue as
/// <c>uncollectible: {"421": {"total", "interstate", "international"}, "422": {…}, "513": {"total", "interstate_international"}}</c>; block 5 as
/// <c>block_5: {"503": {"block_3_pct", "block_4_pct"}}</c>; line 511 as <c>noncontributing_resellers: {"total", "interstate_international"}</c>.
/// </remarks>
public static class Form499AReader
{
    /// <summary>The service that files with every revenue line zero.</summary>
    public const string ZeroSlug = "fcc-499a-zero";

    /// <summary>Reads an order.</summary>
    /// <returns>The form, and the values that could not be read.</returns>
    public static (Form499A Form, IReadOnlyList<FormFault> Faults) Read(Order order, TelecomEntity? entity)
    {
        ArgumentNullException.ThrowIfNull(order);
        var year = (order.PaidAt ?? order.CreatedAt).Year;
        return Read(order.IntakeData, entity, year, order.ServiceSlug == ZeroSlug);
    }

    /// <summary>Reads answers.</summary>
    /// <param name="intake">The answers.</param>
    /// <param name="entity">The carrier, if known.</param>
    /// <param name="defaultFilingYear">Filing year when the answers have no <c>filing_year</c>.</param>
    /// <param name="zero">Whether every revenue line is zero whatever the answers say.</param>
    public static (Form499A Form, IReadOnlyList<FormFault> Faults) Read(JsonObject intake, TelecomEntity? entity, int defaultFilingYear, bool zero = false)
    {
        ArgumentNullException.ThrowIfNull(intake);
        return new Reading(intake, entity).Form(defaultFilingYear, zero);
    }

    sealed class Reading(JsonObject intake, TelecomEntity? entity)
    {
        readonly List<FormFault> _faults = [];

        public (Form499A, IReadOnlyList<FormFault>) Form(int defaultFilingYear, bool zero)
        {
            var form = new Form499A
            {
                FilingYear = Find("filing_year") is null ? defaultFilingYear : (int)Whole("year", "filing_year", Find("filing_year"), 0, 9999),
                Texts = Texts(),
                Categories = Categories(),
                Jurisdictions = [.. List("227", "jurisdictions_served").Select(j => j.ToUpperInvariant()).Distinct()],
                OfficerCount = (int)Whole("221.count", "officer_count_claimed", Find("officer_count_claimed"), 0, 9),
                EntityStructure = Plain(Find("entity_structure")),
                Flags = Form499ALines.Flags.Where(f => Ticked(f.Line, f.Field)).Select(f => f.Line).ToImmutableSortedSet(StringComparer.Ordinal),
                FilingType = Plain(Find("filing_type")),
            };
            if (zero) return (form, _faults);
            var uncollectible = Object("421", "uncollectible");
            return (form with
            {
                Revenue = Revenue(),
                Line421 = Totals("421", "uncollectible.421", uncollectible?["421"]),
                Line422 = Totals("422", "uncollectible.422", uncollectible?["422"]),
                Regions = Regions(),
                Line511 = Bases("511", "noncontributing_resellers", Find("noncontributing_resellers")),
                Line513 = Bases("513", "uncollectible.513", uncollectible?["513"]),
            }, _faults);
        }

        ImmutableSortedDictionary<string, string> Texts()
        {
            var texts = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
            foreach (var line in Form499ALines.Texts)
            {
                var value = line.Fields.Select(f => Plain(Find(f))).FirstOrDefault(v => v.Length > 0);
                if (value is not null) texts[line.Line] = value;
            }

            return texts.ToImmutable();
        }

        List<string> Categories()
        {
            var ranked = new List<string>();
            var primary = Plain(Find("line_105_primary"));
            if (primary.Length > 0) ranked.Add(primary);
            foreach (var category in List("105", "line_105_categories"))
                if (!ranked.Contains(category)) ranked.Add(category);
            return ranked;
        }

        ImmutableSortedDictionary<string, RevenueLine> Revenue()
        {
            var lines = ImmutableSortedDictionary.CreateBuilder<string, RevenueLine>(StringComparer.Ordinal);
            foreach (var (line, node) in Object("303", "revenue") ?? [])
            {
                var field = "revenue." + line;
                if (!Form499ALines.Block3.Contains(line) && !Form499ALines.Block4.Contains(line))
                {
                    _faults.Add(new(line, field, "Expected a line from 303.1 to 314 or from 403 to 418.4."));
                    continue;
                }

                if (node is not JsonObject value)
                {
                    _faults.Add(new(line, field, "Expected an object with total, interstate_pct and international_pct."));
                    continue;
                }

                lines[line] = new(
                    Dollars(line + ".a", field + ".total", value["total"]),
                    Percent(line + ".b", field + ".interstate_pct", value["interstate_pct"]),
                    Percent(line + ".c", field + ".international_pct", value["international_pct"]));
            }

            return lines.ToImmutable();
        }

        ImmutableSortedDictionary<string, RegionShare> Regions()
        {
            var regions = ImmutableSortedDictionary.CreateBuilder<string, RegionShare>(StringComparer.Ordinal);
            foreach (var (line, node) in Object("503", "block_5") ?? [])
            {
                var field = "block_5." + line;
                if (!Form499ALines.Regions.Contains(line) || node is not JsonObject value)
                {
                    _faults.Add(new(line, field, "Expected a line from 503 to 509 with block_3_pct and block_4_pct."));
                    continue;
                }

                regions[line] = new(Percent(line + ".a", field + ".block_3_pct", value["block_3_pct"]), Percent(line + ".b", field + ".block_4_pct", value["block_4_pct"]));
            }

            return regions.ToImmutable();
        }

        TotalLine Totals(string line, string field, JsonNode? node) => node is not JsonObject value ? TotalLine.Zero : new(
            Dollars(line + ".a", field + ".total", value["total"]),
            Dollars(line + ".d", field + ".interstate", value["interstate"]),
            Dollars(line + ".e", field + ".international", value["international"]));

        BaseLine Bases(string line, string field, JsonNode? node) => node is not JsonObject value ? BaseLine.Zero : new(
            Dollars(line + ".a", field + ".total", value["total"]),
            Dollars(line + ".b", field + ".interstate_international", value["interstate_international"]));

        long Dollars(string line, string field, JsonNode? node) => Whole(line, field, node, 0, 999_999_999_999);

        long Whole(string line, string field, JsonNode? node, long least, long most)
        {
            var text = Plain(node);
            if (text.Length == 0) return 0;
            if (decimal.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
                && number == decimal.Truncate(number) && number >= least && number <= most) return (long)number;
            _faults.Add(new(line, field, $"Expected a whole number from {least} to {most}, got '{text}'."));
            return 0;
        }

        decimal Percent(string line, string field, JsonNode? node)
        {
            var text = Plain(node);
            if (text.Length == 0) return 0;
            if (decimal.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var percent)
                && percent is >= 0 and <= 100 && decimal.Round(percent, 2) == percent) return percent;
            _faults.Add(new(line, field, $"Expected a percentage from 0 to 100 with at most two decimals, got '{text}'."));
            return 0;
        }

        bool Ticked(string line, string field)
        {
            var text = Plain(Find(field));
            if (text.Length == 0 || text.Equals("false", StringComparison.OrdinalIgnoreCase)) return false;
            if (text.Equals("true", StringComparison.OrdinalIgnoreCase)) return true;
            _faults.Add(new(line, field, $"Expected true or false, got '{text}'."));
            return false;
        }

        List<string> List(string line, string field)
        {
            var node = Find(field);
            switch (node)
            {
                case null: return [];
                case JsonArray array when array.All(i => i is JsonValue v && v.GetValueKind() == JsonValueKind.String): return [.. array.Select(i => i!.GetValue<string>().Trim()).Where(t => t.Length > 0)];
                case JsonValue value when value.GetValueKind() == JsonValueKind.String: return [.. value.GetValue<string>().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
                default:
                    _faults.Add(new(line, field, "Expected a list of texts."));
                    return [];
            }
        }

        JsonObject? Object(string line, string field)
        {
            var node = Find(field);
            if (node is JsonObject value) return value;
            if (node is not null) _faults.Add(new(line, field, "Expected an object by form line."));
            return null;
        }

        JsonNode? Find(string field)
        {
            if (intake[field] is { } answered && !(answered is JsonValue v && Plain(v).Length == 0)) return answered;
            if (entity?.Fields[field] is { } known) return known;
            return field switch
            {
                "legal_name" => entity?.LegalName,
                "frn" => entity?.Frn,
                "filer_id_499" => entity?.FilerId499,
                _ => null,
            };
        }

        static string Plain(JsonNode? node) => node is not JsonValue value ? "" : value.GetValueKind() switch
        {
            JsonValueKind.String => value.GetValue<string>().Trim(),
            JsonValueKind.Null => "",
            _ => value.ToJsonString(),
        };
    }
}
