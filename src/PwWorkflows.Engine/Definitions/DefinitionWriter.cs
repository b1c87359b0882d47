using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Definitions;

/// <summary>Definitions as others see them: in the designer and in files.</summary>
public sealed class DefinitionWriter(ActivityRegistry registry)
{
    private const string Schema = "https://elsaworkflows.io/schemas/workflow-definition/v3.0.0/schema.json";
    private static readonly JsonSerializerOptions FileFormat = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = 128 };

    private static readonly string[] DefinitionOrder = ["$schema", "definitionId", "name", "description", "toolVersion", "variables", "inputs", "outputs", "outcomes", "customProperties", "options"];
    private static readonly string[] ViewOrder =
        ["id", "definitionId", "name", "description", "createdAt", "version", "toolVersion", "variables", "inputs", "outputs", "outcomes", "customProperties", "isReadonly", "isSystem", "isLatest", "isPublished", "options"];
    private static readonly string[] ActivityOrder = ["type", "version", "id", "name", "customProperties", "metadata", "variables"];
    private static readonly string[] OptionOrder = ["activationStrategyType", "incidentStrategyType", "commitStrategyName", "usableAsActivity", "activityCategory", "autoUpdateConsumingWorkflows"];
    private static readonly string[] VariableOrder = ["id", "name", "typeName", "isArray", "value", "storageDriverTypeName"];
    private static readonly string[] ArgumentOrder = ["type", "isArray", "name", "displayName", "description", "category", "uiHint", "storageDriverType"];
    private static readonly string[] InputOrder = ["typeName", "expression", "memoryReference", "converter"];
    private static readonly string[] ExpressionOrder = ["type", "value"];
    private static readonly string[] ConnectionOrder = ["source", "target"];
    private static readonly string[] CaseOrder = ["label", "statusCode", "condition", "activity"];

    /// <summary>
    /// A stored version as the designer gets it: the JSON as it was saved, with the fields that the server manages set to what they are, lists that are missing empty, activities of unknown types as
    /// not-found activities, and places for activities that have none. What is sent back is stored without all of that.
    /// </summary>
    /// <exception cref="DefinitionFormatException">The content is no JSON object.</exception>
    public JsonObject View(DefinitionRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        var view = DefinitionJson.Parse(row.Content);
        DefinitionLayout.Complete(view, registry);
        if (view["root"] is JsonObject root) DefinitionJson.Substitute(root, registry);
        view.Remove("links");
        var values = new Dictionary<string, JsonNode?>
        {
            ["id"] = row.Id,
            ["definitionId"] = row.DefinitionId,
            ["name"] = row.Name,
            ["description"] = row.Description,
            ["createdAt"] = row.CreatedAt.ToString("O", CultureInfo.InvariantCulture),
            ["version"] = row.Version,
            ["isReadonly"] = false,
            ["isSystem"] = false,
            ["isLatest"] = row.IsLatest,
            ["isPublished"] = row.IsPublished,
        };
        string? before = view.ContainsKey("$schema") ? "$schema" : null;
        foreach (var name in ViewOrder)
        {
            if (values.TryGetValue(name, out var value)) DefinitionJson.Set(view, name, value, before);
            else if (view[name] is null && name != "toolVersion")
                DefinitionJson.Set(view, name, name switch
                {
                    "customProperties" => new JsonObject(),
                    "options" => new JsonObject { ["autoUpdateConsumingWorkflows"] = false },
                    _ => new JsonArray(),
                }, before);
            if (view.ContainsKey(name)) before = name;
        }
        return view;
    }

    /// <summary>
    /// A definition as a file: always the same order and indentation, without what the server manages, what follows from the rest (node ids, defaults, unset inputs) and without layout, so that two
    /// versions differ in a diff only where they differ in meaning. Unknown properties stay.
    /// </summary>
    /// <exception cref="DefinitionFormatException">The text is no JSON object.</exception>
    public string Export(string json) => Export(DefinitionJson.Parse(json));

    internal string Export(JsonObject definition)
    {
        definition = (JsonObject)definition.DeepClone();
        DefinitionJson.Prepare(definition, registry);
        var activities = definition["root"] is JsonObject root ? DefinitionJson.Visit(root, registry).Select(v => v.Activity).ToHashSet(ReferenceEqualityComparer.Instance) : [];
        foreach (var name in DefinitionJson.ServerManaged) definition.Remove(name);
        var file = new JsonObject { ["$schema"] = Schema };
        var options = definition["options"] as JsonObject ?? [];
        if (definition["usableAsActivity"] is JsonValue usable && options["usableAsActivity"] is null) options["usableAsActivity"] = usable.DeepClone();
        definition.Remove("usableAsActivity");
        foreach (var (name, value) in Ordered(definition, DefinitionOrder, "root"))
        {
            var written = name switch
            {
                "name" or "description" => value is JsonValue v && v.TryGetValue<string>(out var text) ? text.Trim() : value?.DeepClone(),
                "variables" => List(value, v => Pick(v, VariableOrder, Variable)),
                "inputs" or "outputs" => List(value, v => Pick(v, ArgumentOrder, static (n, x) => n == "isArray" && IsFalse(x) ? null : x?.DeepClone())),
                "options" => Pick(options, OptionOrder, static (n, x) => n is "usableAsActivity" or "autoUpdateConsumingWorkflows" && IsFalse(x) ? null : x?.DeepClone()),
                "root" when value is JsonObject r => Activity(r, activities),
                _ => value?.DeepClone(),
            };
            if (!IsEmpty(written)) file[name] = written;
        }
        if (definition["options"] is not JsonObject && options.Count > 0) file.Insert(Math.Min(file.Count, file.ContainsKey("root") ? file.IndexOf("root") : file.Count), "options", Pick(options, OptionOrder, static (_, x) => x?.DeepClone()));
        return file.ToJsonString(FileFormat) + "\n";
    }

    private static JsonObject Activity(JsonObject activity, HashSet<object?> activities)
    {
        var written = new JsonObject();
        foreach (var (name, value) in Ordered(activity, ActivityOrder, "activities", "connections"))
        {
            var node = name switch
            {
                "nodeId" or "workflowDefinitionVersionId" or "latestAvailablePublishedVersion" or "latestAvailablePublishedVersionId" => null,
                "customProperties" when value is JsonObject custom => Pick(custom, [], static (n, x) => n is "canStartWorkflow" or "runAsynchronously" && IsFalse(x) || n == "notFoundConnections" && IsEmpty(x) ? null : x?.DeepClone()),
                "metadata" when value is JsonObject metadata => Pick(metadata, [], static (n, x) => n == "designer" || n == "showDescription" && IsFalse(x) || x is JsonValue v && v.TryGetValue<string>(out var t) && t.Length == 0 ? null : x?.DeepClone()),
                "variables" => List(value, v => Pick(v, VariableOrder, Variable)),
                "connections" => List(value, Connection),
                _ => Node(value, activities),
            };
            if (node is null || name is "customProperties" or "metadata" or "variables" or "connections" && IsEmpty(node)) continue;
            written[name] = node;
        }
        return written;
    }

    private static JsonNode? Node(JsonNode? value, HashSet<object?> activities)
    {
        switch (value)
        {
            case JsonArray list: return new JsonArray([.. list.Select(x => Node(x, activities))]);
            case not JsonObject: return value?.DeepClone();
        }
        var o = (JsonObject)value;
        if (activities.Contains(o)) return Activity(o, activities);
        if (o.ContainsKey("expression") || o.ContainsKey("memoryReference"))
        {
            var hasExpression = o["expression"] is JsonObject;
            var wrapped = new JsonObject();
            foreach (var (name, x) in Ordered(o, InputOrder))
                // Where an input has its value in memory follows from its activity. Stock Elsa looks for the type's name, even when it is null.
                if (name == "typeName" || x is not null && !(hasExpression && name == "memoryReference"))
                    wrapped[name] = name == "expression" && x is JsonObject e ? Pick(e, ExpressionOrder, static (_, y) => y?.DeepClone()) : x?.DeepClone();
            return wrapped;
        }
        var isCase = o.ContainsKey("condition") || o.ContainsKey("statusCode");
        var copy = new JsonObject();
        foreach (var (name, x) in isCase ? Ordered(o, CaseOrder) : o.Select(p => (p.Key, p.Value)))
            if (x is not null || !isCase)
                copy[name] = name == "condition" && x is JsonObject e ? Pick(e, ExpressionOrder, static (_, y) => y?.DeepClone()) : Node(x, activities);
        return copy;
    }

    private static JsonNode? Variable(string name, JsonNode? value) => name switch
    {
        "isArray" when IsFalse(value) => null,
        // Stock servers shorten it; the designer finds it in its list by the long text.
        "storageDriverTypeName" when value is JsonValue v && v.TryGetValue<string>(out var text) && text is "WorkflowInstanceStorageDriver" or "MemoryStorageDriver" => $"Elsa.Workflows.{text}, Elsa.Workflows.Core",
        _ => value?.DeepClone(),
    };

    private static JsonObject Connection(JsonObject connection)
    {
        var copy = (JsonObject)connection.DeepClone();
        copy["source"] = End(copy, "source", "sourcePort", "Done");
        copy["target"] = End(copy, "target", "targetPort", "In");
        foreach (var gone in new[] { "vertices", "sourcePort", "targetPort" }) copy.Remove(gone);
        return Pick(copy, ConnectionOrder, static (_, x) => x?.DeepClone());

        static JsonObject End(JsonObject c, string name, string portName, string otherwise)
        {
            var end = c[name] as JsonObject ?? new JsonObject { ["activity"] = c[name]?.DeepClone(), ["port"] = c[portName]?.DeepClone() };
            var copy = (JsonObject)end.DeepClone();
            if (DefinitionJson.Text(copy, "port") is not { Length: > 0 }) copy["port"] = otherwise;
            return Pick(copy, ["activity", "port"], static (_, x) => x?.DeepClone());
        }
    }

    /// <summary>A copy in order, without what is null afterwards.</summary>
    private static JsonObject Pick(JsonObject o, string[] order, Func<string, JsonNode?, JsonNode?> write)
    {
        var copy = new JsonObject();
        foreach (var (name, value) in Ordered(o, order))
            if (write(name, value) is { } written)
                copy[name] = written;
        return copy;
    }

    /// <summary>The named ones first, then the others by name, then those that come last. Names get the spelling of the format.</summary>
    private static IEnumerable<(string Name, JsonNode? Value)> Ordered(JsonObject o, string[] order, params string[] last)
    {
        foreach (var name in order)
            if (o.TryGetPropertyValue(name, out var value))
                yield return (name, value);
        foreach (var (name, value) in o.Where(p => !order.Contains(p.Key, StringComparer.OrdinalIgnoreCase) && !last.Contains(p.Key, StringComparer.OrdinalIgnoreCase)).OrderBy(p => p.Key, StringComparer.Ordinal))
            yield return (name, value);
        foreach (var name in last)
            if (o.TryGetPropertyValue(name, out var value))
                yield return (name, value);
    }

    private static JsonNode? List(JsonNode? list, Func<JsonObject, JsonNode> write) => list is JsonArray a ? new JsonArray([.. a.Select(x => x is JsonObject o ? write(o) : x?.DeepClone())]) : list?.DeepClone();

    private static bool IsFalse(JsonNode? value) => value is JsonValue v && v.TryGetValue<bool>(out var b) && !b;

    private static bool IsEmpty(JsonNode? value) => value is null or JsonArray { Count: 0 } or JsonObject { Count: 0 };
}

/// <summary>Where activities stand in the designer. Files leave it out: it belongs to the server.</summary>
internal static class DefinitionLayout
{
    private const int Left = 40, Top = 40, Column = 260, Row = 120;

    /// <summary>Gives activities the places that those with the same id have in another version, where they have none. True when that changed anything.</summary>
    public static bool Copy(JsonObject from, JsonObject to, ActivityRegistry registry)
    {
        if (from["root"] is not JsonObject old || to["root"] is not JsonObject root) return false;
        var places = new Dictionary<string, JsonNode>(StringComparer.Ordinal);
        foreach (var (activity, _) in DefinitionJson.Visit(old, registry))
            if (DefinitionJson.Text(activity, "id") is { } id && activity["metadata"]?["designer"] is { } designer)
                places.TryAdd(id, designer);
        var changed = false;
        foreach (var (activity, _) in DefinitionJson.Visit(root, registry))
            if (DefinitionJson.Text(activity, "id") is { } id && places.TryGetValue(id, out var place) && activity["metadata"]?["designer"] is null)
            {
                if (activity["metadata"] is not JsonObject metadata) activity["metadata"] = metadata = [];
                metadata["designer"] = place.DeepClone();
                changed = true;
            }
        return changed;
    }

    /// <summary>Gives places to activities of flowcharts that have none: in columns by their distance from the start, below what has a place.</summary>
    public static void Complete(JsonObject definition, ActivityRegistry registry)
    {
        if (definition["root"] is not JsonObject root) return;
        foreach (var (chart, _) in DefinitionJson.Visit(root, registry).ToList())
            if (chart["connections"] is JsonArray connections && chart["activities"] is JsonArray activities)
                Complete([.. activities.OfType<JsonObject>()], connections);
    }

    private static void Complete(List<JsonObject> activities, JsonArray connections)
    {
        var without = activities.Where(a => a["metadata"]?["designer"]?["position"] is not JsonObject).ToList();
        if (without.Count == 0) return;
        var ids = activities.Select(a => DefinitionJson.Text(a, "id") ?? "").ToList();
        var next = connections.OfType<JsonObject>().ToLookup(c => End(c, "source"), c => End(c, "target"));
        var inbound = connections.OfType<JsonObject>().Select(c => End(c, "target")).ToHashSet(StringComparer.Ordinal);
        var columns = new Dictionary<string, int>(StringComparer.Ordinal);
        var open = new Queue<string>(ids.Where(id => !inbound.Contains(id)).DefaultIfEmpty(ids[0]));
        foreach (var id in open) columns[id] = 0;
        while (open.TryDequeue(out var id))
            foreach (var target in next[id])
                if (columns.TryAdd(target, columns[id] + 1))
                    open.Enqueue(target);
        var top = activities.Except(without).Select(a => a["metadata"]!["designer"]!["position"]!["y"] is JsonValue y && y.TryGetValue<double>(out var d) ? (int)d + 2 * Row : Top).DefaultIfEmpty(Top).Max();
        var rows = new Dictionary<int, int>();
        foreach (var activity in without)
        {
            var column = columns.GetValueOrDefault(DefinitionJson.Text(activity, "id") ?? "");
            var row = rows[column] = rows.GetValueOrDefault(column, -1) + 1;
            if (activity["metadata"] is not JsonObject metadata) activity["metadata"] = metadata = [];
            if (metadata["designer"] is not JsonObject designer) metadata["designer"] = designer = [];
            designer["position"] = new JsonObject { ["x"] = Left + column * Column, ["y"] = top + row * Row };
        }

        static string End(JsonObject connection, string name) => (connection[name] is JsonObject end ? DefinitionJson.Text(end, "activity") : DefinitionJson.Text(connection, name)) ?? "";
    }
}
