using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Runtime;
using PwWorkflows.Engine.Tests.Storage;

namespace PwWorkflows.Engine.Tests.Management;

/// <summary>Nothing of a definition is lost by loading and saving it; files have one form.</summary>
public sealed class FormatTests() : EngineHostTest(new OnSqliteFile())
{
    /// <summary>A definition with things nobody knows, wherever there can be some.</summary>
    private const string Strange = """
        {
          "zeta": 1.50, "definitionId": "strange", "name": "Strange é 'quoted' <tag>", "customProperties": { "VariableTestValues": { "v1": "7" }, "own": [1, null, { "b": 1, "a": 2 }] },
          "variables": [{ "name": "Total", "future": true, "id": "v1", "typeName": "Int32" }],
          "inputs": [{ "name": "Order", "type": "String", "future": { "x": 1 } }],
          "outputs": [{ "type": "String", "name": "Answer", "future": 2 }],
          "root": { "connections": [{ "future": "kept", "target": { "port": "In", "activity": "b", "extra": 1 }, "source": { "activity": "a", "port": "Done" }, "vertices": [{ "x": 1, "y": 2 }] },
                { "source": { "activity": "gone", "port": "Odd" }, "target": { "activity": "c", "port": "In" } }, { "source": { "activity": "b", "port": "Done" }, "target": { "activity": "gone", "port": "In" } }],
            "type": "Elsa.Flowchart", "id": "flow", "theme": "dark", "activities": [
              { "future": [], "id": "a", "type": "Elsa.WriteLine", "metadata": { "designer": { "position": { "x": 1.5, "y": 2 }, "own": 1 }, "owner": "ann" }, "customProperties": { "tag": "x", "canStartWorkflow": true },
                "text": { "expression": { "value": "one", "type": "Literal", "hint": "big" }, "typeName": "String", "future": 1 } },
              { "type": "Elsa.If", "id": "b", "then": { "type": "Elsa.WriteLine", "future": 1 }, "else": null },
              { "type": "Acme.Gone", "id": "gone", "secretSauce": { "z": 1, "a": [true] }, "activities": [{ "type": "Elsa.WriteLine", "id": "inside" }] },
              { "type": "Elsa.WriteLine", "id": "c", "name": "C" }] }
        }
        """;

    public static TheoryData<string> Files()
    {
        var data = new TheoryData<string>();
        foreach (var path in Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Data", "definitions"), "*.json").Order(StringComparer.Ordinal)) data.Add(Path.GetFileName(path));
        foreach (var path in Directory.EnumerateFiles(Workflows(), "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal)) data.Add(Path.GetRelativePath(Workflows(), path));
        data.Add("(strange)");
        return data;
    }

    private static string Workflows([CallerFilePath] string source = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(source)!, "..", "..", "..", "workflows"));

    private static string Read(string file) => file == "(strange)" ? Strange
        : File.ReadAllText(file.Contains(Path.DirectorySeparatorChar, StringComparison.Ordinal) ? Path.Combine(Workflows(), file) : Path.Combine(AppContext.BaseDirectory, "Data", "definitions", file));

    /// <summary>The JSON with its order, apart from node ids and what the server manages.</summary>
    private static string InOrder(JsonNode? node, bool top = false) => node switch
    {
        JsonObject o => "{" + string.Join(",", o.Where(p => p.Key != "nodeId" && !(top && ServerManaged.Contains(p.Key))).Select(p => $"{p.Key}:{InOrder(p.Value)}")) + "}",
        JsonArray a => "[" + string.Join(",", a.Select(x => InOrder(x))) + "]",
        _ => node?.ToJsonString() ?? "null",
    };

    private static readonly string[] ServerManaged = ["$schema", "id", "version", "createdAt", "isLatest", "isPublished", "isReadonly", "isSystem"];

    [Theory]
    [MemberData(nameof(Files))]
    public async Task Saving_what_was_loaded_gives_the_same_json_in_the_same_order(string file)
    {
        await using var host = await StartAsync();
        var text = Read(file);
        var stored = await host.Publisher.SaveDraftAsync(text, null, Ct);
        var given = JsonNode.Parse(text)!;
        // The one activity without an id gets one.
        if (file == "(strange)") given["root"]!["activities"]![1]!["then"] = new JsonObject { ["id"] = "WriteLine1", ["type"] = "Elsa.WriteLine", ["future"] = 1 };
        Assert.Equal(InOrder(given, true), InOrder(JsonNode.Parse(stored.Content), true));

        // Through the designer and back: nothing new, so no new version and not one byte changed.
        var view = host.Services.GetService(typeof(DefinitionWriter)) is DefinitionWriter writer ? writer.View(stored) : null;
        Assert.Equal(stored, await host.Publisher.SaveDraftAsync(view!.ToJsonString(), "ann", Ct));
        // With a change: everything else is as it was.
        view["description"] = "changed";
        var changed = await host.Publisher.SaveDraftAsync(view.ToJsonString(), "ann", Ct);
        Assert.Equal(stored.Id, changed.Id);
        var (before, after) = (JsonNode.Parse(stored.Content)!["root"]!, JsonNode.Parse(changed.Content)!["root"]!);
        foreach (var root in new[] { before, after }) RemovePlaces(root);
        Assert.Equal(InOrder(before), InOrder(after));

        // Activities without a place get one by being saved from the designer.
        static void RemovePlaces(JsonNode? node)
        {
            if (node is JsonArray a)
                foreach (var x in a) RemovePlaces(x);
            if (node is not JsonObject o) return;
            foreach (var (_, x) in o) RemovePlaces(x);
            if (o["metadata"] is JsonObject metadata)
            {
                metadata.Remove("designer");
                if (metadata.Count == 0) o.Remove("metadata");
            }
        }
    }

    [Fact]
    public async Task Activity_of_an_unknown_type_is_shown_as_not_found_and_kept_as_it_is()
    {
        await using var host = await StartAsync();
        var row = await host.Publisher.SaveDraftAsync(Strange, null, Ct);
        var root = ((DefinitionWriter)host.Services.GetService(typeof(DefinitionWriter))!).View(row)["root"]!;
        var gone = root["activities"]![2]!;
        Assert.Equal("Elsa.NotFoundActivity", (string?)gone["type"]);
        Assert.Equal(("Acme.Gone", 0, "gone", "Workflow1:flow:gone"), ((string?)gone["missingTypeName"], (int)gone["missingTypeVersion"]!, (string?)gone["id"], (string?)gone["nodeId"]));
        Assert.Equal("Not Found: Acme.Gone", (string?)gone["metadata"]!["displayText"]);
        Assert.Equal("Could not find activity type Acme.Gone with version 0", (string?)gone["metadata"]!["description"]);
        Assert.Contains("secretSauce", (string?)gone["originalActivityJson"], StringComparison.Ordinal);
        // What leaves it is put aside, what leads to it stays.
        Assert.Equal(["a", "b"], root["connections"]!.AsArray().Select(c => (string?)c!["source"]!["activity"]));
        Assert.Equal("gone", (string?)Assert.Single(root["customProperties"]!["notFoundConnections"]!.AsArray())!["source"]!["activity"]);
        Assert.Contains("Acme.Gone", row.Content, StringComparison.Ordinal);
        Assert.DoesNotContain("NotFound", row.Content, StringComparison.Ordinal);
    }

    [Fact]
    public async Task View_tells_what_the_server_manages_and_gives_places()
    {
        await using var host = await StartAsync();
        var writer = (DefinitionWriter)host.Services.GetService(typeof(DefinitionWriter))!;
        var row = await host.Publisher.PublishAsync(EngineHost.Definition("http"), "http.json", null, Ct);
        var view = writer.View(row);
        Assert.Equal((row.Id, 1, true, true), ((string?)view["id"], (int)view["version"]!, (bool)view["isLatest"]!, (bool)view["isPublished"]!));
        Assert.Equal(row.CreatedAt, DateTimeOffset.Parse((string)view["createdAt"]!, System.Globalization.CultureInfo.InvariantCulture));
        var bare = await host.Publisher.SaveDraftAsync(writer.Export(row.Content).Replace("anchor-http", "bare", StringComparison.Ordinal), null, Ct);
        var activities = writer.View(bare)["root"]!["activities"]!.AsArray();
        var places = activities.Select(a => ((int)a!["metadata"]!["designer"]!["position"]!["x"]!, (int)a["metadata"]!["designer"]!["position"]!["y"]!)).ToList();
        Assert.Equal(places.Count, places.Distinct().Count());
        Assert.Equal([40, 300, 560, 820, 820], places.Select(p => p.Item1));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public async Task Exported_file_imported_and_exported_again_is_the_same_bytes(string file)
    {
        await using var host = await StartAsync();
        var writer = (DefinitionWriter)host.Services.GetService(typeof(DefinitionWriter))!;
        var exported = writer.Export(Read(file));
        Assert.Equal(exported, writer.Export(exported));
        var stored = await host.Publisher.SaveDraftAsync(Read(file), null, Ct);
        Assert.Equal(exported, writer.Export(stored.Content));
        Assert.Equal(exported, writer.Export(writer.View(stored).ToJsonString()));
        foreach (var noise in new[] { "\"designer\"", "nodeId", "\"vertices\"", "createdAt", "isLatest" }) Assert.DoesNotContain(noise, exported, StringComparison.Ordinal);
        Assert.EndsWith("}\n", exported, StringComparison.Ordinal);
        Assert.DoesNotContain("\r", exported, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Moving_and_renaming_on_the_canvas_shows_in_no_file_and_survives_an_import()
    {
        await using var host = await StartAsync();
        var writer = (DefinitionWriter)host.Services.GetService(typeof(DefinitionWriter))!;
        var file = writer.Export(EngineHost.Definition("http"));
        Assert.Equal(DefinitionImport.Published, (await host.Publisher.ImportFileAsync("http.json", file, false, null, Ct)).Outcome);
        var view = writer.View((await host.Publisher.FindAsync("anchor-http", Elsa.Common.Models.VersionOptions.Latest, Ct))!);
        view["root"]!["activities"]![0]!["metadata"]!["designer"]!["position"]!["x"] = -777;
        var moved = await host.Publisher.PublishAsync(view.ToJsonString(), null, "ann", Ct);
        Assert.Equal(1, moved.Version);
        Assert.Equal(file, writer.Export(moved.Content));
        Assert.Equal(DefinitionImport.Unchanged, (await host.Publisher.ImportFileAsync("http.json", file, false, null, Ct)).Outcome);
        // The file as another editor would write it: nothing of it is new.
        Assert.Equal(DefinitionImport.Unchanged, (await host.Publisher.ImportFileAsync("http.json", EngineHost.Definition("http"), false, null, Ct)).Outcome);
        var (row, outcome) = await host.Publisher.ImportFileAsync("http.json", file.Replace("default", "another", StringComparison.Ordinal), false, null, Ct);
        Assert.Equal((DefinitionImport.Published, 2), (outcome, row.Version));
        Assert.Equal(-777, (int)writer.View(row)["root"]!["activities"]![0]!["metadata"]!["designer"]!["position"]!["x"]!);
    }

    /// <summary>The files of the repository are what an export would write: a diff after an operator's edit shows that edit only.</summary>
    [Fact]
    public void Definition_files_have_the_form_of_an_export()
    {
        var registry = new ActivityRegistry();
        registry.RegisterFrom(typeof(EngineServices).Assembly);
        var writer = new DefinitionWriter(registry);
        foreach (var path in Directory.EnumerateFiles(Workflows(), "*.json", SearchOption.AllDirectories))
        {
            var text = File.ReadAllText(path);
            var exported = writer.Export(text);
            Assert.True(text == exported, $"{path} differs from its export; bring it into form with: pw workflows format {Workflows()}");
        }
    }

    /// <summary>What the captures show as accepted by a stock server is accepted.</summary>
    [Theory]
    [InlineData("http")]
    [InlineData("cron")]
    [InlineData("timer")]
    [InlineData("event")]
    [InlineData("foreach")]
    [InlineData("faulty")]
    [InlineData("bench-event")]
    public async Task Definitions_that_a_stock_server_published_are_published(string name)
    {
        await using var host = await StartAsync();
        Assert.True((await host.PublishAsync(name, Ct)).IsPublished);
    }
}
