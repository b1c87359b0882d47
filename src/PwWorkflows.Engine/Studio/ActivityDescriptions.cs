using System.Collections;
using System.Reflection;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Elsa.Workflows.UIHints;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Studio;

internal sealed record InputView(
    string Name, string TypeName, string? DisplayName, string? Description, float Order, bool IsBrowsable, bool IsSerializable, bool IsSynthetic, bool IsWrapped, string UiHint, string? Category,
    object? DefaultValue, string? DefaultSyntax, bool IsReadOnly, bool IsSensitive, bool AutoEvaluate, IDictionary<string, object> UiSpecifications);

internal sealed record OutputView(string Name, string TypeName, string? DisplayName, string? Description, float Order, bool IsBrowsable, bool? IsSerializable, bool IsSynthetic);

internal sealed record PortView(string Name, string? DisplayName, PortType Type, bool IsBrowsable);

internal sealed record ActivityView(
    string TypeName, string ClrType, string Namespace, string Name, int Version, string Category, string? DisplayName, string? Description, IReadOnlyList<InputView> Inputs, IReadOnlyList<OutputView> Outputs,
    ActivityKind Kind, bool RunAsynchronously, IReadOnlyList<PortView> Ports, IDictionary<string, object> CustomProperties, IDictionary<string, object> ConstructionProperties,
    bool IsContainer, bool IsBrowsable, bool IsStart, bool IsTerminal);

/// <summary>Describes activities to the designer, from their classes and attributes alone.</summary>
internal sealed class ActivityDescriptions(ActivityRegistry registry, DefinitionReader reader, IEnumerable<IPropertyUIHandler> handlers)
{
    /// <summary>Stands in the designer for an activity whose type this server does not have; it can't be run, so it has no class.</summary>
    private static readonly ActivityView NotFound = new(
        "Elsa.NotFoundActivity", "NotFoundActivity", "Elsa", "NotFoundActivity", 1, "System", "Not Found Activity", "Stands for an activity whose type this server does not have.",
        [], [], ActivityKind.Action, false, [], new Dictionary<string, object>(), new Dictionary<string, object>(), false, false, false, false);

    private readonly Dictionary<Type, IPropertyUIHandler> _handlers = handlers.GroupBy(h => h.GetType()).ToDictionary(g => g.Key, g => g.Last());

    /// <summary>Every type once, at its highest version.</summary>
    public async Task<IReadOnlyList<ActivityView>> AllAsync(CancellationToken ct)
    {
        var all = new List<ActivityView>();
        all.Add(NotFound);
        foreach (var c in registry.All.GroupBy(c => c.TypeName, StringComparer.Ordinal).Select(g => g.MaxBy(c => c.Version)!)) all.Add(await DescribeAsync(c, ct));
        // Every version of a workflow used as an activity: the designer finds an activity only by its exact type and version.
        all.AddRange(registry.Workflows.All.Select(Describe).OfType<ActivityView>().DistinctBy(v => (v.TypeName, v.Version)).Where(v => registry.Find(v.TypeName) is null));
        return all;
    }

    /// <summary>One type; the exact version, else the newest; null when unknown.</summary>
    public async Task<ActivityView?> FindAsync(string typeName, int version, CancellationToken ct) => registry.Find(typeName, version) is { } c ? await DescribeAsync(c, ct) : null;

    /// <summary>Options of an input's control for what the other inputs hold now; null when there is no such input.</summary>
    public async Task<IDictionary<string, object>?> OptionsAsync(string typeName, string input, object? context, CancellationToken ct) =>
        registry.Find(typeName)?.Inputs.FirstOrDefault(i => string.Equals(i.Name, input, StringComparison.OrdinalIgnoreCase)) is { } found ? await SpecificationsAsync(found, context, ct) : null;

    private async Task<ActivityView> DescribeAsync(ActivityClass c, CancellationToken ct)
    {
        var d = c.Descriptor;
        var inputs = new List<InputView>(c.Inputs.Length);
        foreach (var input in c.Inputs)
        {
            var i = input.Descriptor;
            inputs.Add(new InputView(
                i.Name, TypeName(i.Type), i.DisplayName, i.Description, i.Order, i.IsBrowsable ?? true, i.IsSerializable ?? true, i.IsSynthetic, i.IsWrapped, i.UIHint, i.Category,
                i.DefaultValue is Enum e ? e.ToString() : i.DefaultValue, i.DefaultSyntax, i.IsReadOnly ?? false, i.IsSensitive, i.AutoEvaluate, await SpecificationsAsync(input, null, ct)));
        }
        return new ActivityView(
            d.TypeName, TypeName(d.ClrType), d.Namespace, d.Name, d.Version, d.Category, d.DisplayName, d.Description, inputs,
            [.. d.Outputs.Select(o => new OutputView(o.Name, TypeName(o.Type), o.DisplayName, o.Description, 0, o.IsBrowsable ?? true, o.IsSerializable, false))],
            d.Kind, c.ClrType.GetCustomAttribute<ActivityAttribute>(inherit: false)?.RunAsynchronously ?? false,
            [.. d.Ports.Select(p => new PortView(p.Name, p.DisplayName, p.Type, p.IsBrowsable ?? true))],
            new Dictionary<string, object>(d.CustomProperties) { ["Type"] = TypeName(d.ClrType) }, new Dictionary<string, object>(), d.IsContainer, d.IsBrowsable, d.IsStart, d.IsTerminal);
    }

    /// <summary>A workflow as an activity; null when it can't be read.</summary>
    private ActivityView? Describe(DefinitionRow row)
    {
        Elsa.Workflows.Activities.Workflow workflow;
        try
        {
            workflow = reader.Read(row.Content);
        }
        catch (DefinitionFormatException)
        {
            return null;
        }
        var published = registry.Workflows.FindPublished(row.DefinitionId) ?? row;
        var name = UsableWorkflows.TypeNameOf(row);
        return new ActivityView(
            name, "WorkflowDefinitionActivity", "", name, row.Version, workflow.Options.ActivityCategory ?? "Workflows", row.Name ?? row.DefinitionId, row.Description,
            [.. workflow.Inputs.Select(i => new InputView(
                i.Name, TypeName(WorkflowDefinitionActivity.TypeOf(i)), i.DisplayName, i.Description, 0, true, true, true, true, i.UIHint is { Length: > 0 } hint ? hint : InputUIHints.SingleLine, i.Category, null, null, false, false, true, new Dictionary<string, object>()))],
            [.. workflow.Outputs.Select(o => new OutputView(o.Name, TypeName(WorkflowDefinitionActivity.TypeOf(o)), o.DisplayName, o.Description, 0, true, true, true))],
            ActivityKind.Action, false, [.. workflow.Outcomes.Select(o => new PortView(o, o, PortType.Flow, true))],
            new Dictionary<string, object> { ["RootType"] = "WorkflowDefinitionActivity" },
            new Dictionary<string, object>
            {
                ["workflowDefinitionId"] = row.DefinitionId,
                ["workflowDefinitionVersionId"] = row.Id,
                ["latestAvailablePublishedVersion"] = published.Version,
                ["latestAvailablePublishedVersionId"] = published.Id,
            }, false, row.IsPublished, false, false);
    }

    private async Task<IDictionary<string, object>> SpecificationsAsync(InputProperty input, object? context, CancellationToken ct)
    {
        var attribute = input.Property.GetCustomAttribute<InputAttribute>();
        var result = new Dictionary<string, object>();
        if (Choices(input, attribute) is { } choices)
            switch (input.Descriptor.UIHint)
            {
                case InputUIHints.DropDown: result["dropdown"] = new { SelectList = new { Items = choices } }; break;
                case InputUIHints.RadioList: result["radiolist"] = new { RadioList = new { Items = choices, IsFlagsEnum = false } }; break;
                case InputUIHints.CheckList: result["checklist"] = new { CheckList = new { Items = choices, IsFlagsEnum = IsFlags(input) } }; break;
            }
        else if (input.Descriptor.UIHint is InputUIHints.CodeEditor or InputUIHints.JsonEditor)
            result["code-editor"] = new { Language = attribute?.Options as string ?? (input.Descriptor.UIHint == InputUIHints.JsonEditor ? "json" : "plaintext") };
        else if (attribute?.Options is { } options) result[input.Descriptor.UIHint] = options;
        // The one with the highest priority has the last word.
        foreach (var handler in (attribute?.UIHandlers ?? []).Append(attribute?.UIHandler).Select(t => t is null ? null : _handlers.GetValueOrDefault(t)).OfType<IPropertyUIHandler>().OrderBy(h => h.Priority))
            foreach (var (key, value) in await handler.GetUIPropertiesAsync(input.Property, context, ct))
                result[key] = value;
        return result;
    }

    private static List<object>? Choices(InputProperty input, InputAttribute? attribute)
    {
        if (attribute?.Options is IEnumerable<string> texts) return [.. texts.Select(t => (object)new { Text = t, Value = t })];
        if (attribute?.Options is not null) return null;
        var type = input.ValueType;
        if (!type.IsEnum && type.IsGenericType && typeof(IEnumerable).IsAssignableFrom(type)) type = type.GetGenericArguments()[0];
        return type.IsEnum ? [.. Enum.GetValuesAsUnderlyingType(type).Cast<object>().Distinct().Select(v => Enum.GetName(type, v)!).Select(n => (object)new { Text = n, Value = n })] : null;
    }

    private static bool IsFlags(InputProperty input) => input.ValueType.IsEnum && input.ValueType.IsDefined(typeof(FlagsAttribute), false);

    /// <summary>What definitions call a type; a type they have no name for is shown by its bare name.</summary>
    private static string TypeName(Type type)
    {
        if (type.IsArray) return TypeName(type.GetElementType()!) + "[]";
        var name = TypeAliases.NameOf(type);
        if (type.IsGenericType && name.StartsWith("List<", StringComparison.Ordinal)) return $"List<{TypeName(type.GetGenericArguments()[0])}>";
        return name.Contains(',', StringComparison.Ordinal) ? type.Name.Split('`')[0] : name;
    }
}
