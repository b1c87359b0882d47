using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Activities.Flowchart.Activities;
using PwWorkflows.Engine.Execution;

namespace PwWorkflows.Engine.Definitions;

/// <summary>Definitions as JSON, so that nothing the engine does not know is lost: order of properties and unknown properties stay wherever they are.</summary>
internal static class DefinitionJson
{
    /// <summary>Type that stands in the designer for an activity type this server does not have.</summary>
    public const string NotFoundType = "Elsa.NotFoundActivity";
    private const string Original = "originalActivityJson";
    private const string NotFoundConnections = "notFoundConnections";
    private const string Order = "order";
    private const string Added = "added";

    /// <summary>Text as people read it: letters beyond ASCII and quotes in scripts are not escaped.</summary>
    public static JsonSerializerOptions Compact { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = 128 };

    /// <summary>Top-level properties that the server manages: what a client or file says of them does not count.</summary>
    public static string[] ServerManaged { get; } = ["$schema", "id", "tenantId", "createdAt", "version", "isLatest", "isPublished", "isReadonly", "isSystem", "links"];

    /// <summary>Parses a definition. Property names are found in any case. Throws <see cref="DefinitionFormatException"/>.</summary>
    public static JsonObject Parse(string json)
    {
        try
        {
            var node = JsonNode.Parse(json, new JsonNodeOptions { PropertyNameCaseInsensitive = true }, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 128 });
            if (node is not JsonObject definition) throw new DefinitionFormatException("The definition must be a JSON object.");
            Touch(definition);
            return definition;
        }
        catch (JsonException e)
        {
            throw new DefinitionFormatException($"The definition is not JSON: {e.Message}", e);
        }
        catch (ArgumentException e)
        {
            throw new DefinitionFormatException($"The definition has a property twice: {e.Message}", e);
        }
    }

    /// <summary>Property names are checked when an object is first looked into; this looks into all.</summary>
    private static void Touch(JsonNode? node)
    {
        if (node is JsonObject o)
            foreach (var (_, value) in o) Touch(value);
        else if (node is JsonArray a)
            foreach (var value in a) Touch(value);
    }

    /// <summary>Text of a property, or null.</summary>
    public static string? Text(JsonObject o, string name) => o[name] is JsonValue v && v.TryGetValue<string>(out var text) ? text : null;

    /// <summary>Whether two definitions say the same, apart from what the server manages and from lists that are empty in one and missing in the other.</summary>
    public static bool Same(JsonObject a, JsonObject b) => JsonNode.DeepEquals(Essence(a), Essence(b));

    private static JsonNode Essence(JsonObject definition)
    {
        var copy = (JsonObject)definition.DeepClone();
        foreach (var name in ServerManaged) copy.Remove(name);
        if (copy["options"] is JsonObject options && options["autoUpdateConsumingWorkflows"] is JsonValue v && v.TryGetValue<bool>(out var b) && !b) options.Remove("autoUpdateConsumingWorkflows");
        foreach (var name in new[] { "name", "description" })
            if (Text(copy, name) is { } text)
                copy[name] = text.Trim();
        foreach (var name in copy.Where(p => p.Value is null or JsonArray { Count: 0 } or JsonObject { Count: 0 }).Select(p => p.Key).ToList()) copy.Remove(name);
        return copy;
    }

    /// <summary>
    /// What a definition does, in one form: without what the server manages, without layout, without what says nothing (nulls, empty custom properties), activities of flowcharts in the order of their ids.
    /// Two definitions with equal meanings run alike.
    /// </summary>
    public static JsonNode Meaning(JsonObject definition)
    {
        var meaning = (JsonObject)definition.DeepClone();
        foreach (var name in (string[])[.. ServerManaged, "toolVersion"]) meaning.Remove(name);
        return Simplify(meaning);
    }

    private static JsonNode Simplify(JsonNode node)
    {
        if (node is JsonArray array) return new JsonArray([.. array.Select(item => item is null ? null : Simplify(item))]);
        if (node is not JsonObject o) return node.DeepClone();
        var result = new JsonObject();
        // The designer writes an input that it has not touched as it read it, others with a null in every place.
        foreach (var (name, value) in o)
        {
            if (value is null || LayoutOnly.Contains(name)) continue;
            var simple = Simplify(value);
            // A definition without something and one with an empty something mean the same; only a literal's value may be meant to be empty.
            if (simple is JsonObject { Count: 0 } or JsonArray { Count: 0 } && name != "value") continue;
            result[name] = simple;
        }
        if (Text(result, "type") == "Elsa.Flowchart" && result["activities"] is JsonArray activities)
            result["activities"] = new JsonArray([.. activities.OfType<JsonObject>().OrderBy(a => Text(a, "id"), StringComparer.Ordinal).Select(a => a.DeepClone())]);
        return result;
    }

    // nodeId follows from the place; VariableTestValues are the designer's own.
    private static readonly HashSet<string> LayoutOnly = new(["designer", "vertices", "nodeId", "VariableTestValues"], StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Makes a definition ready to be stored: an empty sequence where the root is missing, the originals of not-found activities and the connections that leave them put back,
    /// ids for activities that have none, node ids by place, and the version of each workflow that is used as an activity. True when that changed anything.
    /// </summary>
    public static bool Prepare(JsonObject definition, ActivityRegistry registry)
    {
        var changed = false;
        if (definition["root"] is not JsonObject root)
        {
            definition["root"] = root = new JsonObject { ["type"] = "Elsa.Sequence", ["version"] = 1, ["activities"] = new JsonArray() };
            changed = true;
        }
        changed |= Restore(root, registry);
        root = (JsonObject)definition["root"]!;
        var used = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (activity, _) in Visit(root, registry))
            if (Text(activity, "id") is { Length: > 0 } id) used.Add(id);
        var counters = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (activity, parent) in Visit(root, registry))
        {
            if (Text(activity, "id") is not { Length: > 0 } id)
            {
                var shortType = (Text(activity, "type") ?? "Activity").Split('.')[^1];
                do
                {
                    var n = counters[shortType] = counters.GetValueOrDefault(shortType) + 1;
                    id = $"{shortType}{n}";
                }
                while (!used.Add(id));
                Set(activity, "id", id, after: "version");
                changed = true;
            }
            changed |= Pin(activity, registry);
            var nodeId = $"{(parent is null ? "Workflow1" : Text(parent, "nodeId"))}:{id}";
            if (Text(activity, "nodeId") == nodeId) continue;
            Set(activity, "nodeId", nodeId, after: "id");
            changed = true;
        }
        return changed;
    }

    /// <summary>Names the version of the workflow that an activity stands for, so that it stays the same until someone chooses another.</summary>
    private static bool Pin(JsonObject activity, ActivityRegistry registry)
    {
        if (Text(activity, "type") is not { } type || registry.Find(type) is not null || registry.Workflows.Find(activity) is not { } used) return false;
        var latest = registry.Workflows.FindPublished(used.DefinitionId) ?? used;
        var changed = false;
        foreach (var (name, value) in new (string, JsonNode)[] { ("latestAvailablePublishedVersionId", latest.Id), ("latestAvailablePublishedVersion", latest.Version), ("workflowDefinitionVersionId", used.Id), ("workflowDefinitionId", used.DefinitionId) })
        {
            if (JsonNode.DeepEquals(activity[name], value)) continue;
            Set(activity, name, value, after: "name");
            changed = true;
        }
        return changed;
    }

    /// <summary>All activities of a tree with the activity around each, in the order in which the engine visits them. What is inside an unknown type can't be known.</summary>
    public static IEnumerable<(JsonObject Activity, JsonObject? Parent)> Visit(JsonObject root, ActivityRegistry registry)
    {
        return Walk(root, null);

        IEnumerable<(JsonObject, JsonObject?)> Walk(JsonObject activity, JsonObject? parent)
        {
            yield return (activity, parent);
            foreach (var child in ChildrenOf(activity, registry).ToList())
                foreach (var below in Walk(child, activity))
                    yield return below;
        }
    }

    /// <summary>Direct children: ports, then lists, then cases.</summary>
    public static IEnumerable<JsonObject> ChildrenOf(JsonObject activity, ActivityRegistry registry)
    {
        if (Text(activity, "type") is not { } type || registry.Find(type) is not { } c) yield break;
        foreach (var port in c.Ports)
            if (port.Property.CanWrite && port.Property.Name != nameof(Flowchart.Start) && activity[port.JsonName] is JsonObject child)
                yield return child;
        if (c.ClrType.IsAssignableTo(typeof(Container)) && activity["activities"] is JsonArray activities)
            foreach (var child in activities.OfType<JsonObject>())
                yield return child;
        foreach (var input in c.Inputs)
            if (!input.IsWrapped && activity[input.JsonName] is JsonArray cases)
                foreach (var one in cases.OfType<JsonObject>())
                    if (one["activity"] is JsonObject child)
                        yield return child;
    }

    /// <summary>Sets a property; a new one comes after the named one, else first.</summary>
    public static void Set(JsonObject o, string name, JsonNode? value, string? after = null)
    {
        if (o.ContainsKey(name)) o[name] = value;
        else o.Insert(after is not null && o.ContainsKey(after) ? o.IndexOf(after) + 1 : 0, name, value);
    }

    /// <summary>Puts back what <see cref="Substitute"/> had taken out for the designer.</summary>
    private static bool Restore(JsonObject activity, ActivityRegistry registry)
    {
        if (Text(activity, "type") == NotFoundType && Text(activity, Original) is { } text)
        {
            JsonObject original;
            try
            {
                original = Parse(text);
            }
            catch (DefinitionFormatException)
            {
                return false;
            }
            // The designer may have moved or renamed what stands for it.
            if (activity["metadata"]?["designer"] is { } designer)
            {
                if (original["metadata"] is not JsonObject metadata) original["metadata"] = metadata = [];
                metadata["designer"] = designer.DeepClone();
            }
            if (Text(activity, "id") is { } id) Set(original, "id", id, after: "version");
            activity.ReplaceWith(original);
            return true;
        }
        var changed = false;
        foreach (var child in ChildrenOf(activity, registry).ToList()) changed |= Restore(child, registry);
        if (activity["customProperties"]?[NotFoundConnections] is JsonArray { Count: > 0 } taken)
        {
            var added = taken[0]?[Added] is JsonValue flag && flag.TryGetValue<int>(out var level) ? level : 0;
            if (activity["connections"] is not JsonArray connections) activity["connections"] = connections = [];
            foreach (var connection in taken.ToList())
            {
                taken.Remove(connection);
                var place = connections.Count;
                if (connection is JsonObject c && c[Order] is JsonValue order && order.TryGetValue<int>(out var n))
                {
                    c.Remove(Order);
                    c.Remove(Added);
                    place = Math.Clamp(n, 0, connections.Count);
                }
                connections.Insert(place, connection);
            }
            var custom = (JsonObject)activity["customProperties"]!;
            if (added > 0) custom.Remove(NotFoundConnections);
            if (added > 1 && custom.Count == 0) activity.Remove("customProperties");
            changed = true;
        }
        return changed;
    }

    /// <summary>For the designer: activities whose type this server does not have become not-found activities, and the connections that leave them are put aside in their flowchart.</summary>
    public static void Substitute(JsonObject activity, ActivityRegistry registry)
    {
        if (Text(activity, "type") is { } type && type != NotFoundType && !registry.Knows(activity))
        {
            var original = (JsonObject)activity.DeepClone();
            original.Remove("nodeId");
            var metadata = activity["metadata"]?.DeepClone() as JsonObject ?? [];
            metadata["displayText"] = $"Not Found: {type}";
            metadata["description"] = $"Could not find activity type {type} with version 0";
            activity.ReplaceWith(new JsonObject
            {
                ["type"] = NotFoundType,
                ["version"] = 1,
                ["id"] = activity["id"]?.DeepClone(),
                ["nodeId"] = activity["nodeId"]?.DeepClone(),
                ["name"] = activity["name"]?.DeepClone(),
                ["customProperties"] = activity["customProperties"]?.DeepClone() ?? new JsonObject(),
                ["metadata"] = metadata,
                ["missingTypeName"] = type,
                ["missingTypeVersion"] = 0,
                [Original] = original.ToJsonString(Compact),
            });
            return;
        }
        var children = ChildrenOf(activity, registry).ToList();
        var gone = children.Where(c => Text(c, "type") != NotFoundType && !registry.Knows(c)).Select(c => Text(c, "id")).ToHashSet(StringComparer.Ordinal);
        foreach (var child in children) Substitute(child, registry);
        if (gone.Count == 0 || activity["connections"] is not JsonArray connections) return;
        var leaving = connections.OfType<JsonObject>().Where(c => gone.Contains(c["source"] is JsonObject s ? Text(s, "activity") : Text(c, "source"))).ToList();
        if (leaving.Count == 0) return;
        // What is added for them goes again with them.
        var added = activity["customProperties"] is not JsonObject ? 2 : activity["customProperties"]![NotFoundConnections] is not JsonArray ? 1 : 0;
        if (activity["customProperties"] is not JsonObject custom) activity["customProperties"] = custom = [];
        if (custom[NotFoundConnections] is not JsonArray aside) custom[NotFoundConnections] = aside = [];
        // Their places among the others are kept: connections are followed in order.
        foreach (var (connection, order) in leaving.Select(c => (c, connections.IndexOf(c))).ToList())
        {
            connections.Remove(connection);
            connection[Order] = order;
            connection[Added] = added;
            aside.Add(connection);
        }
    }
}
