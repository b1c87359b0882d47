using System.Globalization;
using System.Text;
using System.Text.Json;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Studio;

/// <summary>TypeScript declarations of what a script of a workflow can use: the helper functions, the variables, inputs and outputs. The code editor completes and checks with them.</summary>
internal sealed class ScriptTypes(IEngineStore store, ActivityRegistry registry)
{
    private const string Functions = """
        declare function getWorkflowDefinitionId(): string;
        declare function getWorkflowDefinitionVersionId(): string;
        declare function getWorkflowDefinitionVersion(): number;
        declare function getWorkflowInstanceId(): string;
        declare function getCorrelationId(): string;
        declare function setCorrelationId(value: string): void;
        declare function getWorkflowInstanceName(): string;
        declare function setWorkflowInstanceName(value: string): void;
        declare function setVariable(name: string, value: any): void;
        declare function getVariable(name: string): any;
        declare function getInput(name: string): any;
        declare function getOutputFrom(activityIdOrName: string, outputName?: string): any;
        declare function getLastResult(): any;
        declare function getQuery(): { [name: string]: string };
        declare function isNullOrWhiteSpace(value: string): boolean;
        declare function isNullOrEmpty(value: string): boolean;
        declare function newGuid(): string;
        declare function newGuidString(): string;
        declare function newShortGuid(): string;
        declare function parseGuid(value: string): string;
        declare function toJson(value: any): string;

        """;

    /// <summary>Declarations for the newest version of a definition; those of the helper functions alone when there is none.</summary>
    public async Task<string> DeclareAsync(string definitionId, CancellationToken ct)
    {
        var text = new StringBuilder(Functions);
        var versions = await store.GetDefinitionsAsync(definitionId, ct);
        if ((versions.FirstOrDefault(v => v.IsLatest) ?? (versions.Count > 0 ? versions[0] : null)) is not { } row) return text.ToString();
        using var document = JsonDocument.Parse(row.Content);
        var root = document.RootElement;
        var variables = new List<(string Name, string Type)>();
        var outputs = new List<(string Activity, string Output, string Type)>();
        Collect(root, variables);
        if (Member(root, "root") is { ValueKind: JsonValueKind.Object } activity) Walk(activity, variables, outputs);
        foreach (var (name, type) in variables.DistinctBy(v => Identifier(v.Name)))
            text.Append(CultureInfo.InvariantCulture, $"declare function get{Identifier(name)}(): {type};\ndeclare function set{Identifier(name)}(value: {type}): void;\n");
        if (variables.Count > 0) text.Append("declare const variables: { ").AppendJoin(' ', variables.DistinctBy(v => v.Name).Select(v => $"{JsonSerializer.Serialize(v.Name)}: {v.Type};")).Append(" };\n");
        foreach (var input in Items(root, "inputs"))
            if (Text(input, "name") is { Length: > 0 } name && !variables.Exists(v => Identifier(v.Name) == Identifier(name))) text.Append(CultureInfo.InvariantCulture, $"declare function get{Identifier(name)}(): {TypeOf(Text(input, "type"), input)};\n");
        foreach (var (name, output, type) in outputs.DistinctBy(o => (Identifier(o.Activity), Identifier(o.Output)))) text.Append(CultureInfo.InvariantCulture, $"declare function get{Identifier(output)}From{Identifier(name)}(): {type};\n");
        return text.ToString();
    }

    private void Walk(JsonElement e, List<(string, string)> variables, List<(string, string, string)> outputs)
    {
        if (e.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in e.EnumerateArray()) Walk(item, variables, outputs);
            return;
        }
        if (e.ValueKind != JsonValueKind.Object) return;
        if (Text(e, "type") is { } typeName && registry.Find(typeName) is { } c)
        {
            Collect(e, variables);
            if (Text(e, "name") is { Length: > 0 } name)
                foreach (var output in c.Outputs)
                    outputs.Add((name, output.Name, TypeOf(TypeAliases.NameOf(output.ValueType), default)));
        }
        foreach (var p in e.EnumerateObject())
            if (p.Value.ValueKind is JsonValueKind.Object or JsonValueKind.Array && p.Name is not ("metadata" or "customProperties")) Walk(p.Value, variables, outputs);
    }

    private static void Collect(JsonElement e, List<(string, string)> variables)
    {
        foreach (var v in Items(e, "variables"))
            if (Text(v, "name") is { Length: > 0 } name) variables.Add((name, TypeOf(Text(v, "typeName"), v)));
    }

    private static string TypeOf(string? alias, JsonElement declared)
    {
        var many = Member(declared, "isArray") is { ValueKind: JsonValueKind.True } || alias?.EndsWith("[]", StringComparison.Ordinal) == true || alias?.StartsWith("List<", StringComparison.Ordinal) == true;
        var type = (alias?.Replace("[]", "", StringComparison.Ordinal).Replace("List<", "", StringComparison.Ordinal).TrimEnd('>', '?')) switch
        {
            "String" or "Guid" or "DateTime" or "DateTimeOffset" or "TimeSpan" => "string",
            "Boolean" => "boolean",
            "Int16" or "Int32" or "Int64" or "Long" or "Single" or "Double" or "Decimal" => "number",
            "StringDictionary" or "StringMap" => "{ [name: string]: string }",
            "ObjectDictionary" or "ObjectMap" or "JsonObject" or "JSON" => "{ [name: string]: any }",
            _ => "any",
        };
        return many ? $"({type})[]" : type;
    }

    // The same rule by which scripts find getters.
    private static string Identifier(string name) =>
        name.Length == 0 ? name : char.ToUpperInvariant(name[0]) + string.Concat(name[1..].Where(c => char.IsLetterOrDigit(c) || c is '_' or '$'));

    private static JsonElement? Member(JsonElement e, string name) =>
        e.ValueKind != JsonValueKind.Object ? null : e.EnumerateObject().Where(p => string.Equals(p.Name, name, StringComparison.OrdinalIgnoreCase)).Select(p => (JsonElement?)p.Value).FirstOrDefault();

    private static string? Text(JsonElement e, string name) => Member(e, name) is { ValueKind: JsonValueKind.String } v ? v.GetString() : null;

    private static IEnumerable<JsonElement> Items(JsonElement e, string name) => Member(e, name) is { ValueKind: JsonValueKind.Array } a ? a.EnumerateArray() : [];
}
