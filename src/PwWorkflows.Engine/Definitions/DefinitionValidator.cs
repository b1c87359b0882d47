using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.JavaScript.Activities;
using Elsa.Expressions.Models;
using Elsa.Http;
using Elsa.Scheduling.Activities;
using Elsa.Workflows;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Activities.Flowchart.Activities;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Activities.Flowchart.Models;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Expressions;
using PwWorkflows.Engine.Http;

namespace PwWorkflows.Engine.Definitions;

/// <summary>Finds everything that would fail or be passed over in silence at run time. Looks at one definition alone; routes of other workflows are checked where it is published.</summary>
internal sealed class DefinitionValidator(ExpressionEvaluator evaluator, EngineOptions options)
{
    private static readonly string[] WorkflowCommits = ["WorkflowExecuting", "WorkflowExecuted", "ActivityExecuting", "ActivityExecuted"];
    private static readonly string[] ActivityCommits = ["CommitAlways", "CommitNever", "Executing", "Executed"];

    /// <summary>Adds all problems of a definition that was read.</summary>
    public void Check(Workflow workflow, List<DefinitionProblem> problems)
    {
        if (workflow.Options.CommitStrategyName is { Length: > 0 } strategy && !WorkflowCommits.Contains(strategy))
            problems.Add(new DefinitionProblem("", null, "options.commitStrategyName", $"options.commitStrategyName is '{strategy}', which is not known; expected {string.Join(", ", WorkflowCommits)}."));
        try
        {
            RetentionPeriod.Read(workflow.CustomProperties);
        }
        catch (FormatException e)
        {
            problems.Add(new DefinitionProblem("", null, "customProperties.retention", $"customProperties.{RetentionPeriod.PropertyName} {e.Message}"));
        }
        new Visit(evaluator, options, workflow, problems).All();
    }

    /// <summary>Outcomes by which an activity can be left; null when they are known only at run time.</summary>
    public static List<string>? OutcomesOf(IActivity activity)
    {
        List<string> named = [.. activity.GetType().GetCustomAttribute<FlowNodeAttribute>()?.Outcomes ?? ["Done"]];
        return activity switch
        {
            MissingActivity => null,
            WorkflowDefinitionActivity w => [.. w.Definition.Outcomes, "Done"],
            FlowSwitch s => [.. s.Cases.Select(c => c.Label), "Default"],
            FlowFork f => Names(f.Branches),
            RunJavaScript r => Names(r.PossibleOutcomes),
            FlowSendHttpRequest h => Names(h.ExpectedStatusCodes) is { } codes ? [.. codes, "Unmatched status code", "Failed to connect", "Timeout"] : null,
            HttpEndpoint h => [.. named, .. Exposed(h)],
            _ => named,
        };

        // A list as it stands in the definition, and Done.
        static List<string>? Names(Input? input)
        {
            if (input?.Expression is not { } expression) return ["Done"];
            if (expression.Type is not ("Literal" or "Object" or "Json")) return null;
            try
            {
                var values = (expression.Value is string text && text.TrimStart().StartsWith('[') ? JsonSerializer.Deserialize<JsonElement>(text) : expression.Value).ConvertTo<List<object>>() ?? [];
                return [.. values.Select(v => Convert.ToString(v, CultureInfo.InvariantCulture) ?? ""), "Done"];
            }
            catch (Exception e) when (e is JsonException or TypeConversionException)
            {
                return null; // Said where the input itself is checked.
            }
        }

        static IEnumerable<string> Exposed(HttpEndpoint h)
        {
            if (h.ExposeRequestTooLargeOutcome) yield return HttpEndpoint.RequestTooLarge;
            if (h.ExposeFileTooLargeOutcome) yield return HttpEndpoint.FileTooLarge;
            if (h.ExposeInvalidFileExtensionOutcome) yield return HttpEndpoint.InvalidFileExtension;
            if (h.ExposeInvalidFileMimeTypeOutcome) yield return HttpEndpoint.InvalidFileMimeType;
        }
    }

    /// <summary>One look at all activities, with the variables that each can see.</summary>
    private sealed class Visit(ExpressionEvaluator evaluator, EngineOptions options, Workflow workflow, List<DefinitionProblem> problems)
    {
        private static readonly string[] LoopVariables = ["CurrentValue", "CurrentIndex"];
        private readonly HashSet<string> _ids = new(StringComparer.Ordinal);
        private readonly HashSet<string> _inputs = workflow.Inputs.Select(i => i.Name).ToHashSet(StringComparer.OrdinalIgnoreCase);
        private readonly HashSet<string> _outputs = workflow.Outputs.Select(o => o.Name).ToHashSet(StringComparer.Ordinal);

        public void All()
        {
            CompiledWorkflow.GiveIds(workflow.Variables, "Workflow1");
            // Inputs with a storage driver are variables as well.
            Activity(workflow.Root, new Scope(null, workflow.Variables.SelectMany(v => new[] { v.Id, v.Name }).Concat(_inputs)));
        }

        private void Problem(IActivity activity, string? property, string message) => problems.Add(new DefinitionProblem(activity.Id, activity.Type, property, message));

        private void Activity(IActivity activity, Scope scope)
        {
            if (activity.Id.Length > 0 && !_ids.Add(activity.Id)) Problem(activity, "id", "is used by more than one activity.");
            if (activity is MissingActivity) return;
            if (activity is WorkflowDefinitionActivity used)
            {
                Used(used, scope);
                return;
            }
            var inner = scope;
            if (activity is IVariableContainer container and not Composite)
            {
                CompiledWorkflow.GiveIds(container.Variables, activity.Id);
                if (container.Variables.Count > 0) inner = new Scope(scope, container.Variables.SelectMany(v => new[] { v.Id, v.Name }));
            }
            Inputs(activity, activity is IVariableContainer ? inner : scope);
            Outputs(activity, scope);
            Settings(activity);
            Endpoint(activity);
            if (activity is Flowchart chart) Chart(chart);
            if (IsLoop(activity.GetType())) inner = new Scope(inner, LoopVariables);
            foreach (var child in CompiledWorkflow.ChildrenOf(activity)) Activity(child, inner);
        }

        private void Used(WorkflowDefinitionActivity used, Scope scope)
        {
            foreach (var (input, value) in used.InputValues)
                if (value is not null)
                    Expression(used, input.Name, value, WorkflowDefinitionActivity.TypeOf(input), scope);
            foreach (var (name, output) in used.SyntheticProperties) Binding(used, name, output as Output, scope);
            Settings(used);
        }

        private static bool IsLoop(Type type)
        {
            if (type == typeof(For)) return true;
            for (var t = type; t is not null; t = t.BaseType)
                if (t.IsGenericType && t.GetGenericTypeDefinition() is { } g && (g == typeof(ForEach<>) || g == typeof(ParallelForEach<>)))
                    return true;
            return false;
        }

        private void Inputs(IActivity activity, Scope scope)
        {
            foreach (var input in ActivityClass.Of(activity.GetType()).Inputs)
            {
                var value = input.Access.Get(activity);
                if (!input.IsWrapped)
                {
                    if (value is Variable variable)
                    {
                        if (!scope.Has(variable.Id) && !scope.Has(variable.Name)) Problem(activity, input.Name, $"names the variable '{(variable.Name.Length > 0 ? variable.Name : variable.Id)}', which is not declared here.");
                    }
                    else if (value is null && input.IsRequired) Problem(activity, input.Name, "is required, but not set.");
                    else if (value is ICollection<SwitchCase> cases)
                        foreach (var c in cases) Expression(activity, $"{input.Name}, {c.Label}", c.Condition, typeof(bool), scope);
                    else if (value is ICollection<FlowSwitchCase> flowCases)
                        foreach (var c in flowCases) Expression(activity, $"{input.Name}, {c.Label}", c.Condition, typeof(bool), scope);
                    continue;
                }
                var expression = ((Input?)value)?.Expression;
                if (input.IsRequired && (expression is null or { Type: "Literal", Value: null } || expression is { Type: "Literal", Value: string text } && string.IsNullOrWhiteSpace(text)))
                {
                    Problem(activity, input.Name, "is required, but not set.");
                    continue;
                }
                if (expression is null) continue;
                Expression(activity, input.Name, expression, input.FullType, scope);
                if (activity is RunJavaScript && input.Name == nameof(RunJavaScript.Script) && expression is { Type: "Literal", Value: string script })
                    Expression(activity, input.Name, new Expression("JavaScript", script), typeof(object), scope);
            }
        }

        private void Expression(IActivity activity, string property, Expression expression, Type type, Scope scope)
        {
            if (evaluator.Find(expression.Type) is not { } handler)
            {
                Problem(activity, property, $"uses '{expression.Type}' expressions, which are not supported; use Literal, Object, Variable, Input, JavaScript or Liquid.");
                return;
            }
            try
            {
                if (handler.Validate(expression, type) is { } wrong) Problem(activity, property, wrong);
                else if (expression.Type.Equals("Variable", StringComparison.OrdinalIgnoreCase) && expression.Value is not Variable)
                {
                    var (id, name) = ReferencedNames.Of(expression, "Variable");
                    if (!scope.Has(id) && !scope.Has(name)) Problem(activity, property, $"reads the variable '{name ?? id}', which is not declared here.");
                }
                else if (expression.Type.Equals("Input", StringComparison.OrdinalIgnoreCase) && ReferencedNames.Of(expression, "Input").Name is { } input && !_inputs.Contains(input))
                    Problem(activity, property, $"reads the input '{input}', which the workflow does not declare.");
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                Problem(activity, property, $"is not the JSON of a{(expression.Type == "Input" ? "n input" : " variable")}: {e.Message}");
            }
        }

        private void Outputs(IActivity activity, Scope scope)
        {
            foreach (var output in ActivityClass.Of(activity.GetType()).Outputs) Binding(activity, output.Name, output.Access.Get(activity) as Output, scope);
        }

        private void Binding(IActivity activity, string name, Output? output, Scope scope)
        {
            if (output?.MemoryBlockReference().Id is not { Length: > 0 } place) return;
            if (!scope.Has(place) && !_outputs.Contains(place) && !place.StartsWith(activity.Id + ":", StringComparison.Ordinal))
                Problem(activity, name, $"is bound to '{place}', which is neither a variable that is declared here nor an output of the workflow.");
        }

        private void Settings(IActivity activity)
        {
            try
            {
                RetryPolicy.Read(activity);
            }
            catch (Exception e) when (e is FormatException or InvalidOperationException)
            {
                Problem(activity, RetryPolicy.PropertyName, e.Message);
            }
            if (Setting(activity, "mergeMode") is { Length: > 0 } merge && !merge.Equals("None", StringComparison.OrdinalIgnoreCase) && (!Enum.TryParse<MergeMode>(merge, true, out var mode) || !Enum.IsDefined(mode)))
                Problem(activity, "mergeMode", $"is '{merge}', which is not known; expected None, {string.Join(", ", Enum.GetNames<MergeMode>())}.");
            if (Setting(activity, "commitStrategyName") is { Length: > 0 } commit && !ActivityCommits.Contains(commit))
                Problem(activity, "commitStrategyName", $"is '{commit}', which is not known; expected {string.Join(", ", ActivityCommits)}.");
            if (activity is not Cron cron) return;
            Time(nameof(Cron.CronExpression), cron.CronExpression, text => Schedules.Parse(text));
            Time(nameof(Cron.TimeZone), cron.TimeZone, text => Schedules.Zone(text));

            void Time(string property, Input? input, Action<string> read)
            {
                if (input?.Expression is not { Type: "Literal", Value: string { Length: > 0 } text }) return;
                try
                {
                    read(text);
                }
                catch (FormatException e)
                {
                    Problem(activity, property, e.Message);
                }
            }
        }

        /// <summary>What an HTTP endpoint asks for that is not there. What only an expression says is seen where its triggers are worked out, or where it begins to wait.</summary>
        private void Endpoint(IActivity activity)
        {
            var starts = activity is Activity { CanStartWorkflow: true };
            if (activity is HttpEndpoint http)
            {
                if (!IsUnset(http.Authorize)) Problem(activity, nameof(http.Authorize), EndpointRules.NoCallers);
                if (!IsUnset(http.Policy)) Problem(activity, nameof(http.Policy), EndpointRules.NoCallers);
                if (!IsUnset(http.RequestTimeout)) Problem(activity, nameof(http.RequestTimeout), EndpointRules.NoTimeout);
                if (http.Path?.Expression is { Type: "Literal", Value: string path } && !string.IsNullOrWhiteSpace(path) && EndpointRules.PathProblem(path, starts, options) is { } wrong) Problem(activity, nameof(http.Path), wrong);
            }
            else if (activity is IListensToHttp custom)
            {
                try
                {
                    foreach (var (property, message) in EndpointRules.Problems(custom.Options, starts, options)) Problem(activity, property, message);
                }
                catch (Exception e)
                {
                    Problem(activity, null, $"can't say what it listens to: {e.Message}");
                }
            }

            static bool IsUnset(Input? input) =>
                input?.Expression is null or { Type: "Literal", Value: null } || input.Expression.Type == "Literal" && Convert.ToString(input.Expression.Value, CultureInfo.InvariantCulture) is { } text && (string.IsNullOrWhiteSpace(text) || text.Equals("false", StringComparison.OrdinalIgnoreCase));
        }

        private static string? Setting(IActivity activity, string name) => activity.CustomProperties.TryGetValue(name, out var value) ? value?.ToString() : null;

        private void Chart(Flowchart chart)
        {
            foreach (var connection in chart.Connections)
            {
                var source = connection.Source.Activity;
                if (OutcomesOf(source) is { } outcomes && !outcomes.Contains(connection.SourcePort))
                    Problem(source, "connections", $"is left by '{connection.SourcePort}' to '{connection.Target.Activity.Id}', but its outcomes are {string.Join(", ", outcomes.Distinct())}.");
            }
            var reached = new HashSet<IActivity>();
            var open = new Stack<IActivity>(chart.Activities.Where(a => a is Activity { CanStartWorkflow: true }));
            if (chart.FindStart() is { } start) open.Push(start);
            var next = chart.Connections.ToLookup(c => c.Source.Activity, c => c.Target.Activity);
            while (open.TryPop(out var a))
                if (reached.Add(a))
                    foreach (var target in next[a])
                        open.Push(target);
            foreach (var activity in chart.Activities)
                if (!reached.Contains(activity))
                    Problem(activity, null, "can't be reached from the start of its flowchart; connect it or take it out.");
        }
    }

    /// <summary>Ids and names of variables that can be seen.</summary>
    private sealed class Scope(Scope? around, IEnumerable<string> names)
    {
        private readonly HashSet<string> _names = names.Where(n => n.Length > 0).ToHashSet(StringComparer.OrdinalIgnoreCase);

        public bool Has(string? name) => name is { Length: > 0 } && (_names.Contains(name) || around?.Has(name) == true);
    }
}
