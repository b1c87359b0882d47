using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace PwWorkflows.Sandbox.ErpNext;

/// <summary>A listing as Frappe takes it: fields, filters, order and page.</summary>
public sealed class ListQuery
{
    static readonly string[] Operators = ["=", "!=", ">", "<", ">=", "<=", "like", "not like", "in", "not in", "is", "between"];

    /// <summary>One condition.</summary>
    /// <param name="Field">Field name.</param>
    /// <param name="Operator">One of Frappe's operators, lower case.</param>
    /// <param name="Value">What it is compared with.</param>
    public sealed record Condition(string Field, string Operator, JsonNode? Value);

    /// <summary>Fields to return; <c>*</c> for all.</summary>
    public IReadOnlyList<string> Fields { get; private init; } = ["name"];

    /// <summary>Conditions that must all hold.</summary>
    public IReadOnlyList<Condition> Filters { get; private init; } = [];

    /// <summary>Conditions of which one must hold, when there are any.</summary>
    public IReadOnlyList<Condition> OrFilters { get; private init; } = [];

    /// <summary>Fields to sort by.</summary>
    public IReadOnlyList<(string Field, bool Descending)> Order { get; private init; } = [("modified", true)];

    /// <summary>How many to skip.</summary>
    public int Start { get; private init; }

    /// <summary>Most to return; 0 for all.</summary>
    public int Limit { get; private init; } = 20;

    /// <summary>Reads the arguments of a listing.</summary>
    /// <exception cref="FrappeException">A field isn't one of the doctype's, an operator is unknown, or the JSON is broken.</exception>
    public static ListQuery Parse(DocType type, Func<string, string?> argument)
    {
        var fields = argument("fields") is { Length: > 0 } f ? Json(f, "fields") is JsonArray a ? a.Select(n => n?.ToString() ?? "").ToArray() : ["name"] : ["name"];
        foreach (var field in fields) if (field != "*") CheckField(type, field);
        return new ListQuery
        {
            Fields = fields,
            Filters = Conditions(type, argument("filters")),
            OrFilters = Conditions(type, argument("or_filters")),
            Order = OrderBy(type, argument("order_by")),
            Start = Number(argument("limit_start"), 0),
            Limit = Number(argument("limit_page_length") ?? argument("limit"), 20),
        };
    }

    /// <summary>Whether <paramref name="doc"/> fulfils the conditions.</summary>
    public bool Matches(Document doc) =>
        Filters.All(c => Holds(c, doc)) && (OrFilters.Count == 0 || OrFilters.Any(c => Holds(c, doc)));

    /// <summary>Sorts and cuts the page.</summary>
    public IEnumerable<Document> Page(IEnumerable<Document> docs)
    {
        IOrderedEnumerable<Document>? sorted = null;
        foreach (var (field, descending) in Order)
        {
            string Key(Document d) => d.Text(field) ?? "";
            sorted = (sorted, descending) switch
            {
                (null, false) => docs.OrderBy(Key, StringComparer.Ordinal),
                (null, true) => docs.OrderByDescending(Key, StringComparer.Ordinal),
                ({ } s, false) => s.ThenBy(Key, StringComparer.Ordinal),
                ({ } s, true) => s.ThenByDescending(Key, StringComparer.Ordinal),
            };
        }
        var page = (sorted ?? docs).Skip(Start);
        return Limit == 0 ? page : page.Take(Limit);
    }

    static bool Holds(Condition c, Document doc)
    {
        var actual = doc.Text(c.Field);
        switch (c.Operator)
        {
            case "is":
                return (c.Value?.ToString() == "set") == !string.IsNullOrEmpty(actual);
            case "in":
                return Values(c.Value).Any(v => Same(actual, v));
            case "not in":
                return !Values(c.Value).Any(v => Same(actual, v));
            case "between":
                var range = Values(c.Value).ToArray();
                return range.Length == 2 && Compare(actual, range[0]) >= 0 && Compare(actual, range[1]) <= 0;
        }
        var expected = c.Value?.ToString();
        return c.Operator switch
        {
            "=" => Same(actual, expected),
            "!=" => !Same(actual, expected),
            ">" => actual is not null && Compare(actual, expected) > 0,
            "<" => actual is not null && Compare(actual, expected) < 0,
            ">=" => actual is not null && Compare(actual, expected) >= 0,
            "<=" => actual is not null && Compare(actual, expected) <= 0,
            "like" => Like(actual, expected),
            _ => !Like(actual, expected),
        };
    }

    // MariaDB's default collation ignores case; Frappe treats a null as the empty text.
    static bool Same(string? a, string? b) => string.Equals(a ?? "", b ?? "", StringComparison.OrdinalIgnoreCase)
        || (decimal.TryParse(a, CultureInfo.InvariantCulture, out var x) && decimal.TryParse(b, CultureInfo.InvariantCulture, out var y) && x == y);

    static int Compare(string? a, string? b) =>
        decimal.TryParse(a, CultureInfo.InvariantCulture, out var x) && decimal.TryParse(b, CultureInfo.InvariantCulture, out var y)
            ? x.CompareTo(y)
            : string.CompareOrdinal(a ?? "", b ?? "");

    static bool Like(string? actual, string? pattern)
    {
        var regex = "^" + Regex.Escape(pattern ?? "").Replace("%", ".*", StringComparison.Ordinal).Replace('_', '.') + "$";
        return Regex.IsMatch(actual ?? "", regex, RegexOptions.IgnoreCase | RegexOptions.Singleline | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
    }

    static IEnumerable<string?> Values(JsonNode? value) => value switch
    {
        JsonArray a => a.Select(n => n?.ToString()),
        null => [],
        _ => value.ToString().Split(',', StringSplitOptions.TrimEntries),
    };

    static List<Condition> Conditions(DocType type, string? json)
    {
        var conditions = new List<Condition>();
        switch (string.IsNullOrEmpty(json) ? null : Json(json, "filters"))
        {
            case JsonObject o:
                foreach (var (field, value) in o)
                    conditions.Add(value is JsonArray { Count: 2 } pair
                        ? Make(type, field, pair[0]?.ToString() ?? "=", pair[1])
                        : Make(type, field, "=", value));
                break;
            case JsonArray a:
                // A single condition may stand without its outer brackets.
                foreach (var row in a.Count > 0 && a[0] is JsonArray or JsonObject ? a.AsEnumerable() : a.Count > 0 ? [a] : [])
                    conditions.Add(row switch
                    {
                        JsonArray { Count: 2 } r => Make(type, r[0]?.ToString() ?? "", "=", r[1]),
                        JsonArray { Count: 3 } r => Make(type, r[0]?.ToString() ?? "", r[1]?.ToString() ?? "", r[2]),
                        JsonArray { Count: >= 4 } r => Make(type, r[1]?.ToString() ?? "", r[2]?.ToString() ?? "", r[3]),
                        _ => throw FrappeException.Validation("Filter must have 4 values (doctype, fieldname, operator, value): " + row?.ToJsonString()),
                    });
                break;
        }
        return conditions;
    }

    static Condition Make(DocType type, string field, string op, JsonNode? value)
    {
        CheckField(type, field);
        op = op.ToLowerInvariant();
        if (!Operators.Contains(op)) throw FrappeException.Validation("Operator must be one of " + string.Join(", ", Operators));
        return new Condition(field, op, value);
    }

    static List<(string, bool)> OrderBy(DocType type, string? text)
    {
        if (string.IsNullOrWhiteSpace(text)) return [("modified", true)];
        var order = new List<(string, bool)>();
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var words = part.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            // `tabSales Order`.`creation` desc is a common way to write it.
            var field = words[0].Split('.')[^1].Trim('`');
            CheckField(type, field);
            order.Add((field, words.Length > 1 && words[^1].Equals("desc", StringComparison.OrdinalIgnoreCase)));
        }
        return order;
    }

    static void CheckField(DocType type, string field)
    {
        if (!DocType.Standard.Contains(field) && type.Field(field) is not { Kind: not FieldKind.Table })
            throw FrappeException.Validation("DataError", "Field not permitted in query: " + field);
    }

    static JsonNode? Json(string text, string argument)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            throw FrappeException.Validation($"Invalid JSON in {argument}");
        }
    }

    static int Number(string? text, int otherwise) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : otherwise;
}
