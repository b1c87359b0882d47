using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using PwWorkflows.Activities.Filings;

namespace PwWorkflows.Activities.Usac;

/// <summary>What kind of box a field of the page map is.</summary>
public enum MapFieldKind
{
    /// <summary>A text box.</summary>
    Text,

    /// <summary>A check box.</summary>
    Check,

    /// <summary>A drop-down list with one choice.</summary>
    Select,

    /// <summary>A list with several choices.</summary>
    MultiSelect,
}

/// <summary>Where one box of a page is: by its visible label, or by a CSS selector. Exactly one of the two is given.</summary>
/// <param name="Name">The form box it takes, such as <c>303.1.a</c>, or the name of a sign-in box.</param>
/// <param name="Label">Exact label text.</param>
/// <param name="Selector">CSS selector.</param>
/// <param name="Kind">Kind of box.</param>
/// <param name="Options">For lists: our value to the portal's text; null when they are the same.</param>
public sealed record MapField(string Name, string? Label, string? Selector, MapFieldKind Kind, IReadOnlyDictionary<string, string>? Options)
{
    /// <summary>What the portal shows for a value of ours.</summary>
    public string Shown(string value) => Options is not null && Options.TryGetValue(value, out var text) ? text : value;
}

/// <summary>One page of the portal.</summary>
/// <param name="Key">Its name in the map.</param>
/// <param name="Path">Its address relative to the portal's, <c>*</c> for a part that changes; null when any.</param>
/// <param name="Heading">Its heading, exactly.</param>
/// <param name="Fields">Its boxes.</param>
/// <param name="Buttons">Its buttons by purpose, such as <c>next</c>: the visible name.</param>
/// <param name="Selectors">Other places on it, by purpose: CSS selectors.</param>
public sealed record MapPage(
    string Key, string? Path, string Heading, IReadOnlyList<MapField> Fields, IReadOnlyDictionary<string, string> Buttons, IReadOnlyDictionary<string, string> Selectors)
{
    readonly Regex? _path = Path is null ? null : new Regex("^" + Regex.Escape(Path).Replace("\\*", "[^/]+", StringComparison.Ordinal) + "$", RegexOptions.CultureInvariant);

    /// <summary>Whether this is the page with that address (relative to the portal's) and heading.</summary>
    public bool Is(string path, string heading) => (_path is null || _path.IsMatch(path)) && string.Equals(heading, Heading, StringComparison.Ordinal);
}

/// <summary>The page map is wrong. The message lists every fault with its page and field.</summary>
public sealed class PageMapException : Exception
{
    /// <summary>Creates the exception.</summary>
    public PageMapException() { }

    /// <summary>Creates the exception with its message.</summary>
    public PageMapException(string message) : base(message) { }

    /// <summary>Creates the exception with its message and cause.</summary>
    public PageMapException(string message, Exception innerException) : base(message, innerException) { }

    /// <summary>Creates the exception for the faults of a file.</summary>
    public PageMapException(string path, IReadOnlyList<string> faults)
        : base($"The page map '{path}' is wrong:{Environment.NewLine}{string.Join(Environment.NewLine, (faults ?? []).Select(f => "- " + f))}") => Faults = faults ?? [];

    /// <summary>Each fault, naming page and field.</summary>
    public IReadOnlyList<string> Faults { get; } = [];
}

/// <summary>
/// What is known of the portal's pages, as data: an operator can mend it when the portal moves a field. Its version goes into the evidence of
/// every filing made by it.
/// </summary>
public sealed class PageMap
{
    /// <summary>Pages besides the form's own steps that a map must have.</summary>
    static readonly (string Key, string[] Fields, string[] Buttons, string[] Selectors)[] FixedPages =
    [
        ("sign_in", ["username", "password"], ["next"], []),
        ("one_time_code", ["code"], ["next"], []),
        ("maintenance", [], [], []),
        ("dashboard", ["year", "reference"], ["start"], ["open_rows", "open_reference", "open_link"]),
        ("filings", [], [], ["rows", "year", "filer_id", "reference", "status", "confirmation_number", "submitted_at", "link"]),
        ("review", [], ["certify", "leave"], ["values"]),
        ("certify", ["606", "607", "608", "609", "610", "611", "attest"], ["submit"], []),
        ("confirmation", [], [], ["confirmation_number", "reference", "pdf_link"]),
    ];

    readonly Dictionary<string, MapPage> _pages;

    PageMap(string portal, string version, string sha256, Dictionary<string, MapPage> pages, IReadOnlyList<MapPage> steps, Markup markup)
    {
        Portal = portal;
        Version = version;
        Sha256 = sha256;
        _pages = pages;
        Steps = steps;
        Marks = markup;
    }

    /// <summary>Name of the portal.</summary>
    public string Portal { get; }

    /// <summary>Version an operator gives the map.</summary>
    public string Version { get; }

    /// <summary>SHA-256 of the file, lower case hexadecimal: a changed file with an unchanged version still shows.</summary>
    public string Sha256 { get; }

    /// <summary>The pages of the form in the order they are filled.</summary>
    public IReadOnlyList<MapPage> Steps { get; }

    /// <summary>What all pages share.</summary>
    internal Markup Marks { get; }

    /// <summary>A fixed page such as <c>review</c>.</summary>
    internal MapPage this[string key] => _pages[key];

    /// <summary>Marks that all pages share.</summary>
    /// <param name="Heading">Selector of the page's heading.</param>
    /// <param name="ErrorItems">Selector of the portal's error messages.</param>
    /// <param name="ErrorLine">Attribute of an error message that tells its line.</param>
    /// <param name="Notices">Selector of the portal's other messages.</param>
    /// <param name="ReviewLine">Attribute of a value on the review page that tells its line.</param>
    /// <param name="Secrets">Selectors of boxes that no picture may show.</param>
    /// <param name="Submitted">Status text of a filing that is in.</param>
    /// <param name="Incomplete">Status text of a form that is saved and unsubmitted.</param>
    internal sealed record Markup(
        string Heading, string ErrorItems, string ErrorLine, string Notices, string ReviewLine, IReadOnlyList<string> Secrets, string Submitted, string Incomplete);

    /// <summary>What is wrong with a map, each fault with the file's name; empty when it is good.</summary>
    internal static IReadOnlyList<string> Faults(string path)
    {
        try
        {
            Load(path);
            return [];
        }
        catch (PageMapException e)
        {
            return e.Faults.Count == 0 ? [e.Message] : [.. e.Faults.Select(f => $"{path}: {f}")];
        }
    }

    /// <summary>Reads and checks a map.</summary>
    /// <exception cref="PageMapException">The file can't be read or has faults; all of them are named.</exception>
    public static PageMap Load(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PageMapException($"The page map '{path}' can't be read: {e.Message}", e);
        }

        return Parse(bytes, path);
    }

    /// <summary>Checks the text of a map.</summary>
    /// <param name="bytes">UTF-8 JSON; comments and trailing commas are allowed.</param>
    /// <param name="path">Its name for messages.</param>
    /// <exception cref="PageMapException">It has faults.</exception>
    public static PageMap Parse(byte[] bytes, string path)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(bytes, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        }
        catch (JsonException e)
        {
            throw new PageMapException($"The page map '{path}' is not JSON: {e.Message}", e);
        }

        using (document) return new Reading().Map(document.RootElement, Convert.ToHexStringLower(SHA256.HashData(bytes)), path);
    }

    sealed class Reading
    {
        readonly List<string> _faults = [];

        public PageMap Map(JsonElement root, string sha256, string path)
        {
            if (root.ValueKind != JsonValueKind.Object) throw new PageMapException(path, ["expected a JSON object."]);
            var marks = new Markup(
                Text(root, "", "heading_selector"), Text(root, "", "error_items"), Text(root, "", "error_line_attribute"), Text(root, "", "notices"),
                Text(root, "", "review_line_attribute"), Texts(root, "secret_selectors"), Text(root, "", "status_submitted"), Text(root, "", "status_incomplete"));
            var pages = new Dictionary<string, MapPage>(StringComparer.Ordinal);
            var given = root.TryGetProperty("pages", out var p) && p.ValueKind == JsonValueKind.Object ? p : default;
            foreach (var (key, fields, buttons, selectors) in FixedPages)
            {
                if (given.ValueKind != JsonValueKind.Object || !given.TryGetProperty(key, out var page))
                {
                    _faults.Add($"pages.{key}: this page is missing.");
                    continue;
                }

                var read = pages[key] = Page(page, key, $"pages.{key}");
                foreach (var name in fields.Where(f => read.Fields.All(x => x.Name != f))) _faults.Add($"pages.{key}: field {name} is missing.");
                foreach (var name in buttons.Where(b => !read.Buttons.ContainsKey(b))) _faults.Add($"pages.{key}: button {name} is missing.");
                foreach (var name in selectors.Where(s => !read.Selectors.ContainsKey(s))) _faults.Add($"pages.{key}: selector {name} is missing.");
            }

            var steps = Steps(root);
            var map = new PageMap(Text(root, "", "portal"), Text(root, "", "version"), sha256, pages, steps, marks);
            return _faults.Count == 0 ? map : throw new PageMapException(path, _faults);
        }

        List<MapPage> Steps(JsonElement root)
        {
            var steps = new List<MapPage>();
            if (!root.TryGetProperty("steps", out var given) || given.ValueKind != JsonValueKind.Array)
            {
                _faults.Add("steps: expected the list of the form's pages.");
                return steps;
            }

            foreach (var step in given.EnumerateArray())
            {
                var key = Text(step, $"steps[{steps.Count}]", "key");
                var page = Page(step, key, $"steps.{key}");
                if (!page.Buttons.ContainsKey("next")) _faults.Add($"steps.{key}: button next is missing.");
                if (steps.Any(s => s.Key == key)) _faults.Add($"steps.{key}: this step is given twice.");
                steps.Add(page);
            }

            var known = Form499ABoxes.All;
            var mapped = steps.SelectMany(s => s.Fields.Select(f => (Step: s.Key, Field: f))).ToList();
            foreach (var (step, field) in mapped.Where(m => !known.ContainsKey(m.Field.Name))) _faults.Add($"steps.{step}.{field.Name}: the form has no such box.");
            foreach (var twice in mapped.GroupBy(m => m.Field.Name).Where(g => g.Count() > 1)) _faults.Add($"steps.{twice.Last().Step}.{twice.Key}: this box is mapped twice.");
            foreach (var box in known.Keys.Except(mapped.Select(m => m.Field.Name))) _faults.Add($"steps: box {box} of the form is on no page.");
            foreach (var (step, field) in mapped)
            {
                if (!known.TryGetValue(field.Name, out var values) || values is null) continue;
                if (field.Kind is not (MapFieldKind.Select or MapFieldKind.MultiSelect)) _faults.Add($"steps.{step}.{field.Name}: expected kind select.");
                foreach (var value in values.Where(v => field.Options is null || !field.Options.ContainsKey(v))) _faults.Add($"steps.{step}.{field.Name}: options has no text for {value}.");
            }

            return steps;
        }

        MapPage Page(JsonElement page, string key, string at)
        {
            if (page.ValueKind != JsonValueKind.Object)
            {
                _faults.Add($"{at}: expected an object.");
                return new(key, null, "", [], new Dictionary<string, string>(), new Dictionary<string, string>());
            }

            var fields = new Dictionary<string, MapField>(StringComparer.Ordinal);
            foreach (var grid in List(page, "grids", at))
            {
                var cells = grid.TryGetProperty("cells", out var c) && c.ValueKind == JsonValueKind.Object ? c.EnumerateObject().ToList() : [];
                if (cells.Count == 0) _faults.Add($"{at}.grids: a grid needs cells.");
                foreach (var line in Texts(grid, "lines", at + ".grids"))
                    foreach (var cell in cells)
                        Field(fields, cell.Value, $"{line}.{cell.Name}", at, line);
            }

            var fromGrids = fields.Keys.ToHashSet();
            // A field given by itself replaces the one of a grid: that is how a single moved box is mended.
            foreach (var field in List(page, "fields", at))
            {
                var name = Text(field, at + ".fields", "name");
                if (fromGrids.Remove(name)) fields.Remove(name);
                Field(fields, field, name, at, null);
            }

            return new(key, Optional(page, "path", at), Text(page, at, "heading"), [.. fields.Values], Pairs(page, "buttons", at), Pairs(page, "selectors", at));
        }

        void Field(Dictionary<string, MapField> fields, JsonElement field, string name, string at, string? line)
        {
            string? label = Optional(field, "label", $"{at}.{name}"), selector = Optional(field, "selector", $"{at}.{name}");
            if (line is not null)
            {
                label = label?.Replace("{line}", line, StringComparison.Ordinal);
                selector = selector?.Replace("{line}", line, StringComparison.Ordinal);
            }

            if (label is null == selector is null) _faults.Add($"{at}.{name}: expected either label or selector.");
            var kind = Optional(field, "kind", $"{at}.{name}") switch
            {
                null or "text" => MapFieldKind.Text,
                "check" => MapFieldKind.Check,
                "select" => MapFieldKind.Select,
                "multi_select" => MapFieldKind.MultiSelect,
                var other => Fault($"{at}.{name}: kind: expected text, check, select or multi_select, got '{other}'."),
            };
            var options = field.TryGetProperty("options", out _) ? Pairs(field, "options", $"{at}.{name}") : null;
            if (!fields.TryAdd(name, new(name, label, selector, kind, options))) _faults.Add($"{at}.{name}: this field is given twice.");
        }

        MapFieldKind Fault(string fault)
        {
            _faults.Add(fault);
            return MapFieldKind.Text;
        }

        string Text(JsonElement element, string at, string name)
        {
            var text = Optional(element, name, at);
            if (text is null) _faults.Add($"{(at.Length > 0 ? at + "." : "")}{name}: expected a text.");
            return text ?? "";
        }

        string? Optional(JsonElement element, string name, string at)
        {
            if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null) return null;
            if (value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text) return text;
            _faults.Add($"{at}.{name}: expected a text that is not empty.");
            return null;
        }

        List<string> Texts(JsonElement element, string name, string at = "")
        {
            if (element.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array && list.EnumerateArray().All(i => i.ValueKind == JsonValueKind.String))
                return [.. list.EnumerateArray().Select(i => i.GetString()!)];
            _faults.Add($"{(at.Length > 0 ? at + "." : "")}{name}: expected a list of texts.");
            return [];
        }

        List<JsonElement> List(JsonElement element, string name, string at)
        {
            if (!element.TryGetProperty(name, out var list)) return [];
            if (list.ValueKind == JsonValueKind.Array && list.EnumerateArray().All(i => i.ValueKind == JsonValueKind.Object)) return [.. list.EnumerateArray()];
            _faults.Add($"{at}.{name}: expected a list of objects.");
            return [];
        }

        Dictionary<string, string> Pairs(JsonElement element, string name, string at)
        {
            if (!element.TryGetProperty(name, out var pairs)) return [];
            if (pairs.ValueKind == JsonValueKind.Object && pairs.EnumerateObject().All(i => i.Value.ValueKind == JsonValueKind.String))
                return pairs.EnumerateObject().ToDictionary(i => i.Name, i => i.Value.GetString()!, StringComparer.Ordinal);
            _faults.Add($"{at}.{name}: expected texts by name.");
            return [];
        }
    }
}
