using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Workflows;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Models;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Definitions;

/// <summary>The workflows that can be used as activities. Every version that ever was usable stays known: a definition names the version it was made with.</summary>
public sealed class UsableWorkflows
{
    private readonly Dictionary<string, DefinitionRow> _byVersionId;
    private readonly Dictionary<string, DefinitionRow> _published;
    private readonly Dictionary<string, DefinitionRow> _byType = new(StringComparer.Ordinal);

    /// <summary>None.</summary>
    public static UsableWorkflows None { get; } = new([]);

    internal UsableWorkflows(IEnumerable<DefinitionRow> rows)
    {
        _byVersionId = rows.ToDictionary(r => r.Id, StringComparer.Ordinal);
        _published = _byVersionId.Values.Where(r => r.IsPublished).ToDictionary(r => r.DefinitionId, StringComparer.Ordinal);
        foreach (var row in _published.Values.OrderBy(r => r.DefinitionId, StringComparer.Ordinal)) _byType.TryAdd(TypeNameOf(row), row);
    }

    /// <summary>The published ones, by definition id. Their activity type is <see cref="TypeNameOf"/>.</summary>
    public IEnumerable<DefinitionRow> Published => _published.Values.OrderBy(r => r.DefinitionId, StringComparer.Ordinal);

    /// <summary>All versions that definitions may name.</summary>
    internal IEnumerable<DefinitionRow> All => _byVersionId.Values.OrderBy(r => r.DefinitionId, StringComparer.Ordinal).ThenBy(r => r.Version);

    /// <summary>Type of the activity that a workflow is used by: its name with each word capitalized and everything else than letters and digits taken out, such as <c>OrderIntake</c>.</summary>
    public static string TypeNameOf(DefinitionRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        var text = new StringBuilder();
        var start = true;
        foreach (var c in string.IsNullOrWhiteSpace(row.Name) ? row.DefinitionId : row.Name)
        {
            if (char.IsLetterOrDigit(c)) text.Append(start ? char.ToUpper(c, CultureInfo.InvariantCulture) : c);
            start = !char.IsLetterOrDigit(c);
        }
        return text.ToString();
    }

    /// <summary>The version that an activity stands for: the one it names, else the published one of the definition it names, else the published one of its type; null when there is none.</summary>
    internal DefinitionRow? Find(string? versionId, string? definitionId, string? type) =>
        versionId is not null && _byVersionId.TryGetValue(versionId, out var version) ? version
        : definitionId is { Length: > 0 } ? _published.GetValueOrDefault(definitionId)
        : type is not null ? _byType.GetValueOrDefault(type) : null;

    internal DefinitionRow? Find(JsonObject activity) =>
        Find(DefinitionJson.Text(activity, "workflowDefinitionVersionId"), DefinitionJson.Text(activity, "workflowDefinitionId"), DefinitionJson.Text(activity, "type"));

    /// <summary>One version, or null.</summary>
    internal DefinitionRow? FindVersion(string versionId) => _byVersionId.GetValueOrDefault(versionId);

    /// <summary>The published version of a definition, or null.</summary>
    internal DefinitionRow? FindPublished(string definitionId) => _published.GetValueOrDefault(definitionId);
}

/// <summary>
/// A workflow used as an activity: runs inside the instance that uses it, in a scope of its own. Its inputs are evaluated in the scope around it and are what the activities inside see as the
/// workflow's input; its outputs go where they are bound; <c>Elsa.Complete</c> inside chooses its outcomes.
/// </summary>
internal sealed class WorkflowDefinitionActivity : Composite
{
    private const string InputsProperty = "Inputs";
    private readonly IReadOnlyList<(InputDefinition Definition, Expression? Value)> _inputs;

    public WorkflowDefinitionActivity(string type, Workflow definition, IReadOnlyList<(InputDefinition Definition, Expression? Value)> inputs, IReadOnlyDictionary<string, Output> outputs)
    {
        Type = type;
        Version = definition.DefinitionVersion;
        Definition = definition;
        Root = definition.Root;
        foreach (var variable in definition.Variables) Variables.Add(variable);
        _inputs = inputs;
        foreach (var (name, output) in outputs) SyntheticProperties[name] = output;
    }

    /// <summary>The workflow.</summary>
    internal Workflow Definition { get; }

    /// <summary>Its inputs as they are set here.</summary>
    internal IReadOnlyList<(InputDefinition Definition, Expression? Value)> InputValues => _inputs;

    /// <summary>The nearest one around an execution, with its own execution; null outside of all.</summary>
    public static (WorkflowDefinitionActivity Activity, ActivityExecutionContext Context)? Around(ActivityExecutionContext? context)
    {
        for (var c = context; c is not null; c = c.ParentActivityExecutionContext)
            if (c.Activity is WorkflowDefinitionActivity activity)
                return (activity, c);
        return null;
    }

    /// <summary>What the workflow was given, by input name in any case.</summary>
    public static IDictionary<string, object> InputsOf(ActivityExecutionContext context) =>
        new Dictionary<string, object>(context.GetProperty<IDictionary<string, object>>(InputsProperty) ?? new Dictionary<string, object>(), StringComparer.OrdinalIgnoreCase);

    /// <summary>Type of the values of an input.</summary>
    public static Type TypeOf(ArgumentDefinition argument) => argument.IsArray ? argument.Type.MakeArrayType() : argument.Type;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var scope = context.ParentActivityExecutionContext!.ExpressionExecutionContext;
        var values = new Dictionary<string, object>();
        foreach (var (definition, expression) in _inputs)
        {
            if (expression is null) continue;
            try
            {
                if (await context.WorkflowExecutionContext.Runner.Evaluator.EvaluateAsync(expression, TypeOf(definition), scope) is { } value) values[definition.Name] = value;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                throw new InputEvaluationException(Type, definition.Name, e);
            }
        }
        context.SetProperty(InputsProperty, values);
        foreach (var (name, value) in values) context.ActivityState[name] = value;
        await base.ExecuteAsync(context);
    }
}
