using System.Security.Claims;
using System.Text.Json.Nodes;
using Elsa.Common.Models;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Studio;

internal sealed record Link(string Href, string Rel, string Method);

internal sealed record DefinitionSummary(
    string Id, string DefinitionId, string Name, string? Description, int Version, string? ToolVersion, bool IsLatest, bool IsPublished, DateTimeOffset CreatedAt, IReadOnlyList<Link>? Links = null)
{
    public string MaterializerName => "Json";
    public bool IsReadonly => false;
    public bool IsMaterializerAvailable => true;
}

/// <summary>Definitions as the designer reads and sends them.</summary>
internal sealed class DefinitionModels(IEngineStore store, ActivityRegistry registry, DefinitionWriter writer)
{
    /// <summary>Marks, in the custom properties, the content that an editor was served. It comes back with a save, so that the save of one who has not seen another's is noticed. It is never stored.</summary>
    public const string BaseProperty = "servedContent";

    // What Studio's own model has; anything else of a stored definition is not in its saves and must not get lost by them.
    private static readonly HashSet<string> KnownToStudio = new(StringComparer.OrdinalIgnoreCase)
    {
        "$schema", "id", "definitionId", "tenantId", "name", "description", "createdAt", "version", "toolVersion", "variables", "inputs", "outputs", "outcomes", "customProperties", "isReadonly", "isSystem", "isLatest",
        "isPublished", "options", "usableAsActivity", "root", "links",
    };

    private static readonly string[] Managed = ["$schema", "id", "tenantId", "createdAt", "version", "isReadonly", "isSystem", "isLatest", "isPublished", "links"];

    private volatile Snapshot? _snapshot;

    private sealed record Snapshot(long Stamp, IReadOnlyList<(DefinitionRow Row, string? ToolVersion)> Rows);

    /// <summary>Version options as Studio writes them; null when the text is empty.</summary>
    /// <exception cref="FormatException">The text is something else.</exception>
    public static VersionOptions? Versions(string? text) => text switch
    {
        null or "" => null,
        _ when text.Equals("Latest", StringComparison.OrdinalIgnoreCase) => VersionOptions.Latest,
        _ when text.Equals("Published", StringComparison.OrdinalIgnoreCase) => VersionOptions.Published,
        _ when text.Equals("LatestOrPublished", StringComparison.OrdinalIgnoreCase) => VersionOptions.LatestOrPublished,
        _ when text.Equals("LatestAndPublished", StringComparison.OrdinalIgnoreCase) => VersionOptions.LatestAndPublished,
        _ when text.Equals("Draft", StringComparison.OrdinalIgnoreCase) => VersionOptions.Draft,
        _ when text.Equals("AllVersions", StringComparison.OrdinalIgnoreCase) => VersionOptions.All,
        _ when int.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var number) && number > 0 => VersionOptions.SpecificVersion(number),
        _ => throw new FormatException($"versionOptions: expected Latest, Published, LatestOrPublished, LatestAndPublished, Draft, AllVersions or a version number, found '{text}'."),
    };

    /// <summary>All versions of all definitions without what is large, read again only when definitions have changed.</summary>
    public async Task<IReadOnlyList<(DefinitionRow Row, string? ToolVersion)>> HeadsAsync(CancellationToken ct)
    {
        var stamp = await store.GetDefinitionsStampAsync(ct);
        if (_snapshot is { } known && known.Stamp == stamp) return known.Rows;
        var rows = new List<(DefinitionRow, string?)>();
        foreach (var row in await store.GetDefinitionsAsync(null, ct)) rows.Add((row with { Content = "" }, DefinitionJson.Text(DefinitionJson.Parse(row.Content), "toolVersion")));
        _snapshot = new Snapshot(stamp, rows);
        return rows;
    }

    public static DefinitionSummary Summary(DefinitionRow row, string? toolVersion, ClaimsPrincipal? caller) =>
        new(row.Id, row.DefinitionId, Name(row), row.Description, row.Version, toolVersion, row.IsLatest, row.IsPublished, row.CreatedAt, caller is null ? null : Permitted(LinksOf(row.DefinitionId), caller));

    public static DefinitionSummary Summary(DefinitionRow row) => Summary(row, DefinitionJson.Text(DefinitionJson.Parse(row.Content), "toolVersion"), null);

    /// <summary>The definition for the designer, with the mark of what was served, and the links of what the caller may do: Studio shows it read-only without them.</summary>
    public JsonObject Model(DefinitionRow row, ClaimsPrincipal caller)
    {
        var model = writer.View(row with { Name = Name(row) });
        model.Remove("$schema");
        if (row.Description is null) model.Remove("description");
        ((JsonObject)model["customProperties"]!)[BaseProperty] = row.ContentHash;
        model.Insert(0, "links", new JsonArray([.. Permitted(LinksOf(row.DefinitionId), caller).Select(l => (JsonNode)new JsonObject { ["href"] = l.Href, ["rel"] = l.Rel, ["method"] = l.Method })]));
        return model;
    }

    /// <summary>The definition as a file that any Elsa server imports, originals of unknown activity types included.</summary>
    public JsonObject Export(DefinitionRow row)
    {
        var model = Complete(row);
        model.Insert(0, "$schema", "https://elsaworkflows.io/schemas/workflow-definition/v3.0.0/schema.json");
        return model;
    }

    /// <summary>Name of an exported file.</summary>
    public static string FileName(DefinitionRow row)
    {
        var slug = string.Join('-', new string([.. Name(row).Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : ' ')]).Split(' ', StringSplitOptions.RemoveEmptyEntries));
        return $"workflow-definition-{slug}-{row.DefinitionId}-{row.Id}.json";
    }

    /// <summary>Makes what a client sent ready to be stored: without what the server manages, with what Studio does not know of.</summary>
    /// <returns>The JSON and the mark of the content it is based on, null when it carries none.</returns>
    public static (string Json, string? Base) Received(JsonObject model, DefinitionRow? latest)
    {
        var copy = (JsonObject)model.DeepClone();
        foreach (var name in Managed) copy.Remove(name);
        string? served = null;
        if (copy["customProperties"] is JsonObject custom && custom[BaseProperty] is { } mark)
        {
            served = mark.ToString();
            custom.Remove(BaseProperty);
        }
        if (latest is not null)
            foreach (var (name, value) in DefinitionJson.Parse(latest.Content))
                if (!KnownToStudio.Contains(name) && !copy.ContainsKey(name)) copy[name] = value?.DeepClone();
        return (copy.ToJsonString(DefinitionJson.Compact), served);
    }

    /// <summary>The node at a place of the graph, with its port, or null.</summary>
    public (JsonObject Activity, string Port)? FindNode(JsonObject model, string nodeId) =>
        Path(model, nodeId) is { Count: > 0 } path ? (path[^1].Activity, path[^1].Port) : null;

    /// <summary>The activities from the root down to a node, each with the port of the one around it that it sits in.</summary>
    public List<(JsonObject Activity, string Port)>? Path(JsonObject model, string nodeId)
    {
        return model["root"] is JsonObject root ? Search(root, "Root") : null;

        List<(JsonObject, string)>? Search(JsonObject activity, string port)
        {
            var id = DefinitionJson.Text(activity, "nodeId") ?? "";
            if (id == nodeId) return [(activity, port)];
            if (!nodeId.StartsWith(id + ":", StringComparison.Ordinal)) return null;
            foreach (var child in DefinitionJson.ChildrenOf(activity, registry))
                if (Search(child, PortOf(activity, child)) is { } below)
                    return [(activity, port), .. below];
            return null;
        }
    }

    private static string PortOf(JsonObject activity, JsonObject child)
    {
        for (JsonNode? node = child; node is not null; node = node.Parent)
            if (node.Parent == activity) return Pascal(node.GetPropertyName());
        return "";
    }

    private static string Pascal(string name) => name.Length == 0 ? name : char.ToUpperInvariant(name[0]) + name[1..];

    private static string Name(DefinitionRow row) => string.IsNullOrEmpty(row.Name) ? row.DefinitionId : row.Name;

    private static JsonObject Complete(DefinitionRow row)
    {
        var stored = DefinitionJson.Parse(row.Content);
        foreach (var name in Managed) stored.Remove(name);
        var model = new JsonObject(new JsonNodeOptions { PropertyNameCaseInsensitive = true })
        {
            ["id"] = row.Id,
            ["definitionId"] = row.DefinitionId,
            ["name"] = Name(row),
            ["description"] = row.Description,
            ["createdAt"] = row.CreatedAt,
            ["version"] = row.Version,
        };
        if (row.Description is null) model.Remove("description");
        foreach (var name in (string[])["definitionId", "name", "description"]) stored.Remove(name);
        Move("toolVersion", null);
        foreach (var name in (string[])["variables", "inputs", "outputs", "outcomes"]) Move(name, () => new JsonArray());
        Move("customProperties", () => new JsonObject());
        model["isReadonly"] = false;
        model["isSystem"] = false;
        model["isLatest"] = row.IsLatest;
        model["isPublished"] = row.IsPublished;
        Move("options", () => new JsonObject { ["autoUpdateConsumingWorkflows"] = false });
        foreach (var (name, value) in stored.ToList())
        {
            stored.Remove(name);
            model[name] = value;
        }
        return model;

        // Studio takes null for none here, but a collection must be there.
        void Move(string name, Func<JsonNode>? otherwise)
        {
            var value = stored[name];
            stored.Remove(name);
            if ((value ?? otherwise?.Invoke()) is { } present) model[name] = present;
        }
    }

    private static IReadOnlyList<Link> LinksOf(string id)
    {
        var path = "/workflow-definitions/" + Uri.EscapeDataString(id);
        return
        [
            new(path, "self", "GET"), new("/workflow-definitions/by-definition-id/" + Uri.EscapeDataString(id), "self", "GET"), new(path + "/versions", "versions", "GET"),
            new(path + "/bulk-dispatch", "bulk-dispatch", "POST"), new(path + "/dispatch", "dispatch", "POST"), new(path + "/execute", "execute", "POST"), new(path + "/export", "export", "POST"),
            new(path + "/publish", "publish", "POST"), new(path + "/retract", "retract", "POST"), new(path, "delete", "DELETE"), new(path + "/import", "import", "PUT"),
            new(path + "/update-references", "update-references", "POST"),
        ];
    }

    private static List<Link> Permitted(IEnumerable<Link> links, ClaimsPrincipal caller) => [.. links.Where(l => l.Rel switch
    {
        "publish" or "bulk-publish" or "update-references" => caller.May(StudioPermissions.PublishDefinitions),
        "retract" or "bulk-retract" => caller.May(StudioPermissions.RetractDefinitions),
        "delete" or "bulk-delete-by-definition-id" or "bulk-delete-by-id" => caller.May(StudioPermissions.DeleteDefinitions),
        "import" or "import-files" or "create" => caller.May(StudioPermissions.WriteDefinitions),
        "execute" or "dispatch" or "bulk-dispatch" => caller.May(StudioPermissions.ExecuteDefinitions),
        _ => true,
    })];

    /// <summary>Links of the list as a whole. Studio shows the list read-only without them.</summary>
    public static IReadOnlyList<Link> ListLinksFor(ClaimsPrincipal caller) => Permitted(ListLinks, caller);

    private static readonly Link[] ListLinks =
    [
        new("/workflow-definitions", "self", "GET"), new("/workflow-definitions/validation/is-name-unique", "is-name-unique", "GET"), new("/workflow-definitions/query/count", "count", "GET"),
        new("/workflow-definitions/many-by-id", "many-by-id", "GET"), new("/bulk-actions/delete/workflow-definitions/by-definition-id", "bulk-delete-by-definition-id", "POST"),
        new("/bulk-actions/delete/workflow-definitions/by-id", "bulk-delete-by-id", "POST"), new("/bulk-actions/publish/workflow-definitions/by-definition-ids", "bulk-publish", "POST"),
        new("/bulk-actions/retract/workflow-definitions/by-definition-ids", "bulk-retract", "POST"), new("/workflow-definitions/import", "import", "POST"),
        new("/workflow-definitions/import-files", "import-files", "POST"), new("/workflow-definitions", "create", "POST"),
    ];
}
