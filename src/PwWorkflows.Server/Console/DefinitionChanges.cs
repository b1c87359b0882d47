using System.Text.Json.Nodes;

namespace PwWorkflows.Server.Pages;

/// <summary>Tells in words what changed between two definitions that were written with stable formatting.</summary>
internal static class DefinitionChanges
{
    private const int LongestValue = 140;

    // What is compared in its own way, or says nothing.
    private static readonly HashSet<string> NotCompared = new(StringComparer.Ordinal) { "id", "type", "activities", "connections", "metadata", "nodeId" };

    /// <summary>One sentence a change; none when nothing changed that has a meaning.</summary>
    public static IReadOnlyList<string> InWords(string before, string after)
    {
        var (old, now) = (JsonNode.Parse(before) as JsonObject ?? [], JsonNode.Parse(after) as JsonObject ?? []);
        var words = new List<string>();
        foreach (var name in (string[])["name", "description"]) Value(words, $"The {name}", old[name], now[name]);

        var (had, has) = (Activities(old), Activities(now));
        foreach (var (id, activity) in has.Where(a => !had.ContainsKey(a.Key))) words.Add($"{Label(activity)} is new ({Text(activity["type"])}, id {id}).");
        foreach (var (id, activity) in had.Where(a => !has.ContainsKey(a.Key))) words.Add($"{Label(activity)} is gone ({Text(activity["type"])}, id {id}).");
        foreach (var (id, activity) in has)
        {
            if (!had.TryGetValue(id, out var then)) continue;
            var label = Label(activity);
            if (Label(then) != label) words.Add($"{Label(then)} is called {label} now.");
            if (Text(then["type"]) != Text(activity["type"])) words.Add($"{label} is another kind of step: {Text(activity["type"])} instead of {Text(then["type"])}.");
            foreach (var property in then.Select(static p => p.Key).Union(activity.Select(static p => p.Key)).Where(static p => !NotCompared.Contains(p))) Value(words, $"{label}: {property}", then[property], activity[property]);
        }

        // Names of now, so that a renamed step does not look like another one.
        var names = had.Concat(has).GroupBy(static a => a.Key).ToDictionary(static g => g.Key, static g => Label(g.Last().Value), StringComparer.Ordinal);
        var (led, leads) = (Connections(old), Connections(now));
        words.AddRange(leads.Except(led).Select(c => Way(c, names) + " is new."));
        words.AddRange(led.Except(leads).Select(c => Way(c, names) + " is gone."));

        foreach (var (list, word) in ((string, string)[])[("variables", "variable"), ("inputs", "input"), ("outputs", "output")]) Named(words, word, old[list] as JsonArray, now[list] as JsonArray);
        foreach (var part in (string[])["outcomes", "options", "customProperties"])
        {
            if (old[part] is JsonObject || now[part] is JsonObject)
            {
                var (o, n) = (old[part] as JsonObject ?? [], now[part] as JsonObject ?? []);
                foreach (var name in o.Select(static p => p.Key).Union(n.Select(static p => p.Key))) Value(words, $"The setting {name}", o[name], n[name]);
            }
            else
            {
                Value(words, $"The list of {part}", old[part], now[part]);
            }
        }

        return words;
    }

    private static void Named(List<string> words, string word, JsonArray? before, JsonArray? after)
    {
        Dictionary<string, JsonObject> ByName(JsonArray? list) => (list ?? []).OfType<JsonObject>().GroupBy(static v => Text(v["name"])).ToDictionary(static g => g.Key, static g => g.First(), StringComparer.Ordinal);
        var (old, now) = (ByName(before), ByName(after));
        words.AddRange(now.Keys.Except(old.Keys).Select(n => $"The {word} {n} is new."));
        words.AddRange(old.Keys.Except(now.Keys).Select(n => $"The {word} {n} is gone."));
        foreach (var name in now.Keys.Intersect(old.Keys))
            foreach (var property in old[name].Select(static p => p.Key).Union(now[name].Select(static p => p.Key)).Where(static p => p is not "id")) Value(words, $"The {word} {name}: {property}", old[name][property], now[name][property]);
    }

    private static void Value(List<string> words, string what, JsonNode? before, JsonNode? after)
    {
        var (old, now) = (Shallow(before), Shallow(after));
        if (JsonNode.DeepEquals(old, now)) return;
        words.Add((old, now) switch
        {
            (null, _) => $"{what} is set to {Shown(now)}.",
            (_, null) => $"{what} is not set any more; it was {Shown(old)}.",
            _ => $"{what} is {Shown(now)} instead of {Shown(old)}.",
        });
    }

    private static Dictionary<string, JsonObject> Activities(JsonNode? node)
    {
        var found = new Dictionary<string, JsonObject>(StringComparer.Ordinal);
        Walk(node);
        return found;

        void Walk(JsonNode? n)
        {
            switch (n)
            {
                case JsonObject o:
                    if (IsActivity(o)) found.TryAdd(Text(o["id"]), o);
                    foreach (var (_, value) in o) Walk(value);
                    break;
                case JsonArray a:
                    foreach (var item in a) Walk(item);
                    break;
            }
        }
    }

    private static bool IsActivity(JsonObject o) => o["id"] is JsonValue && o["type"] is JsonValue && o["version"] is JsonValue;

    /// <summary>The same with every step in it replaced by its id: steps are compared by themselves.</summary>
    private static JsonNode? Shallow(JsonNode? node) => node switch
    {
        JsonObject o when IsActivity(o) => $"the step {Text(o["id"])}",
        JsonObject o => new JsonObject(o.Select(static p => KeyValuePair.Create(p.Key, Shallow(p.Value)))),
        JsonArray a => new JsonArray([.. a.Select(Shallow)]),
        _ => node?.DeepClone(),
    };

    private static IReadOnlyList<(string From, string Port, string To)> Connections(JsonNode? node)
    {
        var found = new List<(string, string, string)>();
        Walk(node);
        return found;

        void Walk(JsonNode? n)
        {
            switch (n)
            {
                case JsonObject o:
                    foreach (var c in (o["connections"] as JsonArray ?? []).OfType<JsonObject>()) found.Add((Text(c["source"]?["activity"]), c["source"]?["port"] is { } port ? Text(port) : "Done", Text(c["target"]?["activity"])));
                    foreach (var (_, value) in o) Walk(value);
                    break;
                case JsonArray a:
                    foreach (var item in a) Walk(item);
                    break;
            }
        }
    }

    private static string Way((string From, string Port, string To) c, Dictionary<string, string> names) => $"The way from {names.GetValueOrDefault(c.From, c.From)} on {c.Port} to {names.GetValueOrDefault(c.To, c.To)}";

    private static string Label(JsonObject activity)
    {
        var text = Text(activity["metadata"]?["displayText"]);
        if (text.Length == 0) text = Text(activity["name"]);
        return $"“{(text.Length == 0 ? Text(activity["id"]) : text)}”";
    }

    private static string Shown(JsonNode? value)
    {
        // An input of a step: its expression is what people typed.
        if (value is JsonObject input && input["expression"] is JsonObject expression)
        {
            var typed = Text(expression["value"]);
            return Text(expression["type"]) is "Literal" or "Object" ? Quoted(typed) : $"{Text(expression["type"])} {Quoted(typed)}";
        }

        return value is JsonValue plain && plain.TryGetValue<string>(out var text) ? Quoted(text) : Short(value?.ToJsonString() ?? "nothing");
    }

    private static string Quoted(string text) => $"“{Short(text)}”";

    private static string Short(string text) => text.Length <= LongestValue ? text : text[..LongestValue] + "…";

    private static string Text(JsonNode? node) => node switch { null => "", JsonValue v when v.TryGetValue<string>(out var text) => text, _ => node.ToJsonString() };
}
