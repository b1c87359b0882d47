using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Http;
using Elsa.Workflows;
using Elsa.Workflows.ActivationValidators;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Activities.Flowchart.Activities;
using Elsa.Workflows.Activities.Flowchart.Models;
using Elsa.Workflows.IncidentStrategies;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Definitions;

/// <summary>The activity types that definitions may use. A closed list: a type name is never looked up anywhere else.</summary>
public sealed class ActivityRegistry
{
    private readonly ConcurrentDictionary<string, SortedDictionary<int, ActivityClass>> _types = new(StringComparer.Ordinal);

    private volatile UsableWorkflows _workflows = UsableWorkflows.None;

    /// <summary>Workflows that can be used as activities; kept up to date by the catalog.</summary>
    public UsableWorkflows Workflows
    {
        get => _workflows;
        internal set => _workflows = value;
    }

    /// <summary>All registered classes.</summary>
    public IEnumerable<ActivityClass> All => _types.Values.SelectMany(v => v.Values);

    /// <summary>Adds an activity class.</summary>
    public void Register(Type type)
    {
        var c = ActivityClass.Of(type);
        var versions = _types.GetOrAdd(c.TypeName, _ => []);
        lock (versions) versions[c.Version] = c;
    }

    /// <summary>Adds the exported, concrete, non-generic activities of an assembly.</summary>
    public void RegisterFrom(Assembly assembly)
    {
        foreach (var type in assembly.GetExportedTypes())
            if (type is { IsAbstract: false, IsInterface: false, IsGenericType: false } && typeof(IActivity).IsAssignableFrom(type))
                Register(type);
    }

    /// <summary>Whether an activity of a definition has a type that is known here, a class or a workflow.</summary>
    internal bool Knows(System.Text.Json.Nodes.JsonObject activity) => DefinitionJson.Text(activity, "type") is not { } type || Find(type) is not null || Workflows.Find(activity) is not null;

    /// <summary>The class of a type name: the exact version, else the newest; null when unknown.</summary>
    public ActivityClass? Find(string typeName, int version = 0)
    {
        if (!_types.TryGetValue(typeName, out var versions)) return null;
        lock (versions) return versions.TryGetValue(version, out var exact) ? exact : versions.Values.Last();
    }
}

/// <summary>A definition could not be read; says where and why.</summary>
public sealed class DefinitionFormatException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Reads definition JSON into workflows that can be run. Property names are read in any case; types only by their aliases.</summary>
public sealed class DefinitionReader(ActivityRegistry registry)
{
    private static readonly Type[] ActivationStrategies = [typeof(AllowAlwaysStrategy), typeof(SingletonStrategy), typeof(CorrelatedSingletonStrategy), typeof(CorrelationStrategy)];
    private static readonly Type[] IncidentStrategies = [typeof(FaultStrategy), typeof(ContinueWithIncidentsStrategy)];
    private static readonly Type[] StorageDrivers = [typeof(WorkflowInstanceStorageDriver), typeof(WorkflowStorageDriver), typeof(MemoryStorageDriver)];

    /// <summary>How definition JSON is read: comments and trailing commas are let through.</summary>
    internal static readonly JsonDocumentOptions JsonOptions = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>Reads and compiles a stored version. Throws <see cref="DefinitionFormatException"/>.</summary>
    public CompiledWorkflow Compile(DefinitionRow row)
    {
        var workflow = Read(row.Content);
        workflow.DefinitionId = row.DefinitionId;
        workflow.VersionId = row.Id;
        workflow.DefinitionVersion = row.Version;
        workflow.DefinitionName = row.Name;
        return CompiledWorkflow.Compile(workflow, row.ContentHash);
    }

    /// <summary>Reads definition JSON. Throws <see cref="DefinitionFormatException"/> naming all activities and properties that can't be read.</summary>
    public Workflow Read(string json)
    {
        var (workflow, problems) = ReadAll(json);
        if (problems.Where(p => p.Unreadable).ToList() is { Count: > 0 } unreadable) throw new DefinitionFormatException(string.Join(Environment.NewLine, unreadable.Select(p => p.Problem)));
        return workflow;
    }

    /// <summary>Reads as much as can be read, and tells what was left out or could not be read. Throws <see cref="DefinitionFormatException"/> for a text that is no JSON object.</summary>
    internal (Workflow Workflow, IReadOnlyList<(DefinitionProblem Problem, bool Unreadable)> Problems) ReadAll(string json)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json, JsonOptions);
        }
        catch (JsonException e)
        {
            throw new DefinitionFormatException($"The definition is not JSON: {e.Message}", e);
        }
        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new DefinitionFormatException("The definition must be a JSON object.");
            var reading = new Reading(registry, []);
            return (reading.Definition(document.RootElement), reading.Problems);
        }
    }

    /// <summary>One reading of one definition: goes on after a problem, so that all are told at once.</summary>
    private sealed class Reading(ActivityRegistry registry, IReadOnlyList<string> within)
    {
        public List<(DefinitionProblem Problem, bool Unreadable)> Problems { get; } = [];

        private IReadOnlyList<string> _chain = within;

        public Workflow Definition(JsonElement d)
        {
            if (Text(d, "definitionId")?.Trim() is { Length: > 0 } self && !_chain.Contains(self)) _chain = [.. _chain, self];
            var workflow = new Workflow(Property(d, "root") is { ValueKind: JsonValueKind.Object } root ? ReadActivity(root) : new Sequence())
            {
                Id = "Workflow1",
                DefinitionId = Text(d, "definitionId")?.Trim() ?? "",
                VersionId = Text(d, "id") ?? "",
                DefinitionVersion = Property(d, "version") is { ValueKind: JsonValueKind.Number } v && v.TryGetInt32(out var number) ? number : 1,
                DefinitionName = Text(d, "name"),
                Variables = [.. Items(d, "variables").Select(e => ReadVariable(e, null)).OfType<Variable>()],
                Inputs = [.. Items(d, "inputs").Select(ReadInput)],
                Outputs = [.. Items(d, "outputs").Select(ReadOutput)],
                Outcomes = [.. Items(d, "outcomes").Select(o => o.ValueKind == JsonValueKind.String ? o.GetString()! : "").Where(o => o.Length > 0)],
            };
            if (Property(d, "options") is { ValueKind: JsonValueKind.Object } o)
                workflow.Options = new WorkflowOptions
                {
                    ActivationStrategyType = Named(o, "activationStrategyType", ActivationStrategies, null, "options.activationStrategyType"),
                    IncidentStrategyType = Named(o, "incidentStrategyType", IncidentStrategies, null, "options.incidentStrategyType"),
                    CommitStrategyName = Text(o, "commitStrategyName"),
                    UsableAsActivity = (Property(o, "usableAsActivity") ?? Property(d, "usableAsActivity")) is { ValueKind: JsonValueKind.True },
                    ActivityCategory = Text(o, "activityCategory"),
                };
            else if (Property(d, "usableAsActivity") is { ValueKind: JsonValueKind.True }) workflow.Options = new WorkflowOptions { UsableAsActivity = true };
            foreach (var p in Properties(d, "customProperties")) workflow.CustomProperties[p.Name] = PlainObjectConverter.ToPlain(p.Value)!;
            return workflow;
        }

        private void Problem(IActivity? activity, string? property, string message, bool unreadable = false) =>
            Problems.Add((new DefinitionProblem(activity?.Id ?? "", activity?.Type, property, message), unreadable));

        private IActivity ReadActivity(JsonElement e)
        {
            var typeName = Text(e, "type") ?? "";
            var version = Property(e, "version") is { ValueKind: JsonValueKind.Number } n && n.TryGetInt32(out var v) ? v : 0;
            var id = Text(e, "id") ?? "";
            var c = registry.Find(typeName, version);
            if (c is null && registry.Workflows.Find(Text(e, "workflowDefinitionVersionId"), Text(e, "workflowDefinitionId"), typeName) is { } used) return ReadWorkflowActivity(e, id, typeName, used);
            if (c is null && Text(e, "workflowDefinitionId") is { Length: > 0 } gone)
                Problems.Add((new DefinitionProblem(id, typeName, "workflowDefinitionId", $"uses the workflow '{gone}', which is not published as usable as an activity."), true));
            else if (c is null) Problems.Add((new DefinitionProblem(id, typeName, "type", typeName.Length == 0 ? "is missing; expected the activity's type" : $"has the type '{typeName}', which this server does not have."), true));
            var activity = c?.Create() ?? new MissingActivity(typeName);
            activity.Id = id;
            activity.Name = Text(e, "name");
            foreach (var p in Properties(e, "customProperties")) activity.CustomProperties[p.Name] = PlainObjectConverter.ToPlain(p.Value)!;
            foreach (var p in Properties(e, "metadata")) activity.Metadata[p.Name] = PlainObjectConverter.ToPlain(p.Value)!;
            if (c is null) return activity;
            foreach (var input in c.Inputs)
                if (Property(e, input.JsonName) is { } value)
                    Guard(activity, input.Name, () => ReadInputProperty(activity, input, value));
            foreach (var output in c.Outputs)
                if (Property(e, output.JsonName) is { ValueKind: JsonValueKind.Object } value && Property(value, "memoryReference") is { ValueKind: JsonValueKind.Object } reference && Text(reference, "id") is { Length: > 0 } place)
                    output.Access.Set(activity, Activator.CreateInstance(output.Property.PropertyType, new MemoryBlockReference(place)));
            foreach (var port in c.Ports)
                if (port.Property.CanWrite && port.Property.Name != nameof(Flowchart.Start) && Property(e, port.JsonName) is { ValueKind: JsonValueKind.Object } child)
                    Guard(activity, port.PortName, () => port.Access.Set(activity, ReadActivity(child)));
            if (activity is Container container)
            {
                foreach (var child in Items(e, "activities")) container.Activities.Add(ReadActivity(child));
                foreach (var variable in Items(e, "variables").Select(x => ReadVariable(x, activity)).OfType<Variable>()) container.Variables.Add(variable);
            }
            if (activity is Flowchart chart) ReadConnections(e, chart);
            return activity;
        }

        private IActivity ReadWorkflowActivity(JsonElement e, string id, string typeName, DefinitionRow used)
        {
            Workflow definition;
            if (_chain.Contains(used.DefinitionId))
            {
                Problems.Add((new DefinitionProblem(id, typeName, "workflowDefinitionId", $"uses the workflow '{used.DefinitionId}' inside of itself ({string.Join(" > ", _chain)} > {used.DefinitionId})."), true));
                definition = new Workflow();
            }
            else
            {
                using var document = JsonDocument.Parse(used.Content, JsonOptions);
                var inner = new Reading(registry, [.. _chain, used.DefinitionId]);
                definition = inner.Definition(document.RootElement);
                foreach (var (problem, _) in inner.Problems.Where(p => p.Unreadable))
                    Problems.Add((new DefinitionProblem(id, typeName, "workflowDefinitionId", $"uses the workflow '{used.DefinitionId}', version {used.Version}, which can't be run: {problem}"), true));
            }
            definition.DefinitionId = used.DefinitionId;
            definition.VersionId = used.Id;
            definition.DefinitionVersion = used.Version;
            definition.DefinitionName = used.Name;
            var inputs = definition.Inputs.Select(i => (i, Property(e, ActivityClass.Camel(i.Name)) is { ValueKind: not JsonValueKind.Null } value ? ReadExpression(value) : null)).ToList();
            var outputs = new Dictionary<string, Output>(StringComparer.Ordinal);
            foreach (var output in definition.Outputs)
                outputs[output.Name] = new Output(new MemoryBlockReference(
                    Property(e, ActivityClass.Camel(output.Name)) is { ValueKind: JsonValueKind.Object } value && Property(value, "memoryReference") is { ValueKind: JsonValueKind.Object } reference && Text(reference, "id") is { Length: > 0 } place
                        ? place : $"{id}:output-{ActivityClass.Kebab(output.Name)}"));
            var activity = new WorkflowDefinitionActivity(typeName, definition, inputs, outputs) { Id = id, Name = Text(e, "name") };
            foreach (var p in Properties(e, "customProperties")) activity.CustomProperties[p.Name] = PlainObjectConverter.ToPlain(p.Value)!;
            foreach (var p in Properties(e, "metadata")) activity.Metadata[p.Name] = PlainObjectConverter.ToPlain(p.Value)!;
            return activity;
        }

        private void Guard(IActivity? activity, string property, Action read)
        {
            try
            {
                read();
            }
            catch (Exception x) when (x is not OutOfMemoryException)
            {
                Problem(activity, property, (x as TargetInvocationException)?.InnerException?.Message ?? x.Message, unreadable: true);
            }
        }

        private void ReadInputProperty(IActivity activity, InputProperty input, JsonElement value)
        {
            if (value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined) return;
            if (input.IsWrapped)
            {
                if (ReadExpression(value) is { } expression) input.Access.Set(activity, Activator.CreateInstance(input.Property.PropertyType, expression, new MemoryBlockReference()));
                return;
            }
            if (input.ValueType == typeof(Variable) || input.ValueType.IsSubclassOf(typeof(Variable)))
            {
                input.Access.Set(activity, new Variable(Text(value, "name") ?? "", null, Text(value, "id")));
                return;
            }
            if (typeof(IEnumerable<SwitchCase>).IsAssignableFrom(input.ValueType))
            {
                input.Access.Set(activity, value.EnumerateArray().Select(x => new SwitchCase
                {
                    Label = Text(x, "label") ?? "",
                    Condition = Property(x, "condition") is { } k && ReadExpression(k) is { } condition ? condition : Expression.LiteralExpression(false),
                    Activity = Property(x, "activity") is { ValueKind: JsonValueKind.Object } a ? ReadActivity(a) : null,
                }).ToList());
                return;
            }
            if (typeof(IEnumerable<FlowSwitchCase>).IsAssignableFrom(input.ValueType))
            {
                input.Access.Set(activity, value.EnumerateArray().Select(x => new FlowSwitchCase(Text(x, "label") ?? "",
                    Property(x, "condition") is { } k && ReadExpression(k) is { } condition ? condition : Expression.LiteralExpression(false))).ToList());
                return;
            }
            if (typeof(IEnumerable<HttpStatusCodeCase>).IsAssignableFrom(input.ValueType))
            {
                input.Access.Set(activity, value.EnumerateArray().Select(x => new HttpStatusCodeCase(
                    Property(x, "statusCode") is { } code ? PlainObjectConverter.ToPlain(code).ConvertTo<int>() : 0,
                    Property(x, "activity") is { ValueKind: JsonValueKind.Object } a ? ReadActivity(a) : null)).ToList());
                return;
            }
            input.Access.Set(activity, PlainObjectConverter.ToPlain(value).ConvertTo(input.Property.PropertyType));
        }

        private void ReadConnections(JsonElement e, Flowchart chart)
        {
            var byId = chart.Activities.GroupBy(a => a.Id).ToDictionary(g => g.Key, g => g.First(), StringComparer.Ordinal);
            if (Property(e, "start") is { } start)
            {
                var id = start.ValueKind == JsonValueKind.String ? start.GetString() : start.ValueKind == JsonValueKind.Object ? Text(start, "id") : null;
                if (id is not null) chart.Start = byId.GetValueOrDefault(id);
                if (id is { Length: > 0 } && chart.Start is null) Problem(chart, "start", $"names the activity '{id}', which is not in this flowchart.");
            }
            foreach (var c in Items(e, "connections"))
            {
                if (Property(c, "source") is not { } s || Property(c, "target") is not { } t)
                {
                    Problem(chart, "connections", "has a connection without source or target.");
                    continue;
                }
                var (source, sourcePort) = s.ValueKind == JsonValueKind.String ? (s.GetString(), Text(c, "sourcePort")) : (Text(s, "activity"), Text(s, "port"));
                var (target, targetPort) = t.ValueKind == JsonValueKind.String ? (t.GetString(), Text(c, "targetPort")) : (Text(t, "activity"), Text(t, "port"));
                IActivity? from = null, to = null;
                if (source is null || !byId.TryGetValue(source, out from)) Problem(chart, "connections", $"has a connection from '{source}' to '{target}', but no activity '{source}'.");
                if (target is null || !byId.TryGetValue(target, out to)) Problem(chart, "connections", $"has a connection from '{source}' to '{target}', but no activity '{target}'.");
                if (from is not null && to is not null) chart.Connections.Add(new Connection(new Endpoint(from, sourcePort), new Endpoint(to, targetPort)));
            }
        }

        private Variable? ReadVariable(JsonElement e, IActivity? owner)
        {
            var name = Text(e, "name") ?? "";
            var typeName = Text(e, "typeName") ?? "Object";
            if (TypeAliases.Find(typeName) is not { } type)
            {
                Problem(owner, "variables", $"has the variable '{name}' of the type '{typeName}', which is not known.");
                return null;
            }
            if (Property(e, "isArray") is { ValueKind: JsonValueKind.True }) type = type.MakeArrayType();
            var variable = (Variable)Activator.CreateInstance(typeof(Variable<>).MakeGenericType(type))!;
            variable.Name = name;
            variable.Id = Text(e, "id") ?? "";
            variable.StorageDriverType = Named(e, "storageDriverTypeName", StorageDrivers, owner, $"variables, {name}");
            if (Property(e, "value") is { ValueKind: not JsonValueKind.Null } value) Guard(owner, $"variables, {name}", () => variable.Value = PlainObjectConverter.ToPlain(value).ConvertTo(type));
            else if (type.IsValueType) variable.Value = Activator.CreateInstance(type);
            return variable;
        }

        private InputDefinition ReadInput(JsonElement e) => Fill(e, new InputDefinition { UIHint = Text(e, "uiHint") }, "inputs");

        private OutputDefinition ReadOutput(JsonElement e) => Fill(e, new OutputDefinition(), "outputs");

        private T Fill<T>(JsonElement e, T d, string list) where T : ArgumentDefinition
        {
            d.Name = Text(e, "name") ?? "";
            var typeName = Text(e, "type") ?? "Object";
            if (TypeAliases.Find(typeName) is not { } type)
            {
                Problem(null, list, $"has '{d.Name}' of the type '{typeName}', which is not known.");
                type = typeof(object);
            }
            d.Type = type;
            d.IsArray = Property(e, "isArray") is { ValueKind: JsonValueKind.True };
            d.DisplayName = Text(e, "displayName") ?? d.Name;
            d.Description = Text(e, "description") ?? "";
            d.Category = Text(e, "category") ?? "";
            return d;
        }

        /// <summary>One of the known classes, by the class name inside the text.</summary>
        private Type? Named(JsonElement e, string name, Type[] known, IActivity? owner, string property)
        {
            if (Text(e, name) is not { Length: > 0 } text) return null;
            var shortName = text.Split(',')[0].Trim().Split('.')[^1];
            var found = Array.Find(known, t => t.Name == shortName);
            if (found is null) Problem(owner, property, $"is '{text}', which is not known; expected {string.Join(", ", known.Select(t => t.Name))}.");
            return found;
        }
    }

    /// <summary>An expression object, an input object around one, or a bare value as a literal; null when not set.</summary>
    private static Expression? ReadExpression(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object) return value.ValueKind == JsonValueKind.Array ? new Expression("Object", value.GetRawText()) : Expression.LiteralExpression(PlainObjectConverter.ToPlain(value));
        var e = Property(value, "expression") is { } inner ? inner : value;
        if (e.ValueKind != JsonValueKind.Object || Text(e, "type") is not { } type) return null;
        if (Property(e, "value") is not { ValueKind: not JsonValueKind.Null } raw) return type == "Literal" ? Expression.LiteralExpression(null) : null;
        return new Expression(type, type is "Variable" or "Input" ? raw.ValueKind == JsonValueKind.String ? raw.GetString() : raw.Clone() : PlainObjectConverter.ToPlain(raw));
    }

    private static JsonElement? Property(JsonElement e, string name)
    {
        if (e.ValueKind != JsonValueKind.Object) return null;
        if (e.TryGetProperty(name, out var exact)) return exact;
        foreach (var p in e.EnumerateObject())
            if (string.Equals(p.Name, name, StringComparison.OrdinalIgnoreCase))
                return p.Value;
        return null;
    }

    private static string? Text(JsonElement e, string name) => Property(e, name) is { ValueKind: JsonValueKind.String } v ? v.GetString() : null;

    private static IEnumerable<JsonElement> Items(JsonElement e, string name) => Property(e, name) is { ValueKind: JsonValueKind.Array } a ? a.EnumerateArray() : [];

    private static IEnumerable<JsonProperty> Properties(JsonElement e, string name) => Property(e, name) is { ValueKind: JsonValueKind.Object } o ? o.EnumerateObject() : [];
}

/// <summary>Stands for an activity whose type this server does not have while a definition is looked at. It is never run.</summary>
internal sealed class MissingActivity : Activity
{
    public MissingActivity(string type) : base(type, 1) { }
}
