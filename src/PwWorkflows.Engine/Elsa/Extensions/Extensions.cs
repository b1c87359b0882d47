using System.Linq.Expressions;
using System.Reflection;
using System.Runtime.CompilerServices;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Workflows;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using PwWorkflows.Engine.Definitions;

namespace Elsa.Extensions;

/// <summary>What activities ask of inputs, outputs, variables and contexts.</summary>
public static class ActivityExtensions
{
    /// <summary>Value of an input. Throws <see cref="InvalidOperationException"/> when the input is not set.</summary>
    public static T Get<T>(this Input<T>? input, ActivityExecutionContext context) =>
        input is null ? throw new InvalidOperationException($"An input of {context.Activity.Type} ({context.Activity.Id}) is not set.") : context.Get(input)!;
    /// <summary>Value of an input, or the default; safe when the input is not set.</summary>
    public static T? GetOrDefault<T>(this Input<T>? input, ActivityExecutionContext context, Func<T>? defaultValue = null)
    {
        var value = context.Get(input);
        return value is null && defaultValue is not null ? defaultValue() : value;
    }
    /// <summary>Value of an input while triggers are indexed.</summary>
    public static T Get<T>(this Input<T>? input, ExpressionExecutionContext context) =>
        input is null ? throw new InvalidOperationException("The input is not set.") : context.Get<T>(input.MemoryBlockReference())!;
    /// <summary>Value of an input while triggers are indexed, or the default.</summary>
    public static T? GetOrDefault<T>(this Input<T>? input, ExpressionExecutionContext context, Func<T>? defaultValue = null)
    {
        var value = input is null ? default : context.Get<T>(input.MemoryBlockReference());
        return value is null && defaultValue is not null ? defaultValue() : value;
    }
    /// <summary>Writes an output. One that is not bound is only recorded, under the name of the property that was given.</summary>
    public static void Set<T>(this Output<T>? output, ActivityExecutionContext context, T? value, [CallerArgumentExpression(nameof(output))] string? outputName = null) => context.Set(output, value, outputName);
    /// <summary>Writes an output. One that is not bound is only recorded, under the name of the property that was given.</summary>
    public static void Set(this Output? output, ActivityExecutionContext context, object? value, [CallerArgumentExpression(nameof(output))] string? outputName = null) => context.Set(output, value, outputName);
    /// <summary>Writes a variable.</summary>
    public static void Set(this Variable variable, ActivityExecutionContext context, object? value) => context.ExpressionExecutionContext.Set(variable, value);
    /// <summary>Writes a variable.</summary>
    public static void Set(this Variable variable, ExpressionExecutionContext context, object? value) => context.Set(variable, value);
    /// <summary>Current value of a variable.</summary>
    public static object? Get(this Variable variable, ActivityExecutionContext context) => context.ExpressionExecutionContext.Get(variable);
    /// <summary>Keeps the variable with the instance.</summary>
    public static TVariable WithWorkflowStorage<TVariable>(this TVariable variable) where TVariable : Variable
    {
        variable.StorageDriverType = typeof(WorkflowInstanceStorageDriver);
        return variable;
    }
    /// <summary>Keeps the variable in memory only.</summary>
    public static TVariable WithMemoryStorage<TVariable>(this TVariable variable) where TVariable : Variable
    {
        variable.StorageDriverType = typeof(MemoryStorageDriver);
        return variable;
    }

    /// <summary>The first workflow input of the type.</summary>
    public static T? GetWorkflowInput<T>(this ActivityExecutionContext context) => GetWorkflowInput<T>(context, typeof(T).Name);
    /// <summary>A workflow input, or what the resumer passed, converted; default when absent.</summary>
    public static T? GetWorkflowInput<T>(this ActivityExecutionContext context, string key) => context.WorkflowInput.TryGetValue(key, out var v) ? v.ConvertTo<T>() : default;
    /// <summary>A workflow input, converted.</summary>
    public static bool TryGetWorkflowInput<T>(this ActivityExecutionContext context, string key, out T? value)
    {
        var found = context.WorkflowInput.TryGetValue(key, out var v);
        value = found ? v.ConvertTo<T>() : default;
        return found;
    }
    /// <summary>Sets the result. Throws <see cref="InvalidOperationException"/> for an activity without one.</summary>
    public static void SetResult(this ActivityExecutionContext context, object? value)
    {
        if (context.Activity is not IActivityWithResult with) throw new InvalidOperationException($"{context.Activity.Type} has no result.");
        context.Set(with.Result, value, nameof(with.Result));
    }

    /// <summary>A variable by name, innermost first.</summary>
    public static T? GetVariable<T>(this ActivityExecutionContext context, string name) => context.ExpressionExecutionContext.GetVariable<T>(name);
    /// <summary>Writes a variable by name, innermost first; made in this scope when there is none.</summary>
    public static Variable SetVariable(this ActivityExecutionContext context, string name, object? value) => context.ExpressionExecutionContext.SetVariable(name, value);
    /// <summary>Makes a variable in this activity's scope.</summary>
    public static Variable CreateVariable(this ActivityExecutionContext context, string name, object? value)
    {
        var variable = new Variable(name, value);
        context.WorkflowExecutionContext.Runner.DeclareDynamic(context, variable);
        return variable;
    }
    /// <summary>This activity started the run.</summary>
    public static bool IsTriggerOfWorkflow(this ActivityExecutionContext context) => context.WorkflowExecutionContext.TriggerActivityId == context.Activity.Id && context.WorkflowExecutionContext.IsFirstBurst && WorkflowDefinitionActivity.Around(context) is null;

    /// <summary>Sends a signal up through the ancestors.</summary>
    public static async ValueTask SendSignalAsync(this ActivityExecutionContext context, object signal)
    {
        for (var receiver = context; receiver is not null; receiver = receiver.ParentActivityExecutionContext)
        {
            if (receiver.Activity is not ISignalHandler handler) continue;
            var signalContext = new SignalContext(receiver, context, context.CancellationToken);
            await handler.ReceiveSignalAsync(signal, signalContext);
            if (signalContext.StopPropagationRequested) return;
        }
    }

    internal static ValueTask SendToAsync(this ActivityExecutionContext context, ActivityExecutionContext receiver, object signal) =>
        receiver.Activity is ISignalHandler handler ? handler.ReceiveSignalAsync(signal, new SignalContext(receiver, context, context.CancellationToken)) : ValueTask.CompletedTask;

    /// <summary>Cancels this execution and everything below it.</summary>
    public static ValueTask CancelActivityAsync(this ActivityExecutionContext context)
    {
        context.WorkflowExecutionContext.Runner.CancelActivity(context);
        return ValueTask.CompletedTask;
    }

    /// <summary>Output of another activity.</summary>
    public static object? GetActivityOutput(this ActivityExecutionContext context, Func<IActivity> activity, string outputName = "Result") =>
        context.WorkflowExecutionContext.FindOutput(activity().Id, outputName);
    /// <summary>Result of the last activity that had one.</summary>
    public static object? GetLastResult(this ActivityExecutionContext context) => context.WorkflowExecutionContext.LastResult;
    /// <summary>Executions around this one, nearest first.</summary>
    public static IEnumerable<ActivityExecutionContext> GetAncestors(this ActivityExecutionContext context)
    {
        for (var a = context.ParentActivityExecutionContext; a is not null; a = a.ParentActivityExecutionContext) yield return a;
    }
    /// <summary>Nearest ancestor that satisfies the condition.</summary>
    public static ActivityExecutionContext? FindParent(this ActivityExecutionContext context, Func<ActivityExecutionContext, bool> predicate) => context.GetAncestors().FirstOrDefault(predicate);
    /// <summary>Evaluates an input property that is not evaluated by itself.</summary>
    public static async ValueTask<T?> EvaluateInputPropertyAsync<TActivity, T>(this ActivityExecutionContext context, Expression<Func<TActivity, Input<T>>> property) where TActivity : IActivity
    {
        var info = (PropertyInfo)((MemberExpression)property.Body).Member;
        var value = await context.EvaluateAsync((Input<T>?)info.GetValue(context.Activity));
        context.ActivityState[info.Name] = value!;
        return value;
    }

    /// <summary>A workflow input inside an expression.</summary>
    public static T? GetInput<T>(this ExpressionExecutionContext context, string name) => context.GetInput(name) is { } v ? v.ConvertTo<T>() : default;
    /// <summary>A workflow input inside an expression.</summary>
    public static object? GetInput(this ExpressionExecutionContext context, string name)
    {
        if (WorkflowDefinitionActivity.Around(context.FindActivityContext()) is not { } used) return context.GetWorkflowExecutionContext().Input.TryGetValue(name, out var v) ? v : null;
        var declared = used.Activity.Definition.Inputs.FirstOrDefault(i => string.Equals(i.Name, name, StringComparison.OrdinalIgnoreCase));
        return WorkflowDefinitionActivity.InputsOf(used.Context).TryGetValue(name, out var given) ? declared is null ? given : given.ConvertTo(WorkflowDefinitionActivity.TypeOf(declared)) : null;
    }
    private static ActivityExecutionContext? FindActivityContext(this ExpressionExecutionContext context) => context.ActivityContext ?? context.ParentContext?.FindActivityContext();
    /// <summary>Inputs that the workflow around declares: the run's, or those of a workflow used as an activity.</summary>
    internal static IEnumerable<InputDefinition> DeclaredInputs(this ExpressionExecutionContext context) =>
        WorkflowDefinitionActivity.Around(context.FindActivityContext()) is { } used ? used.Activity.Definition.Inputs : context.GetWorkflowExecutionContext().Workflow.Inputs;
    /// <summary>All inputs of the workflow around, by name.</summary>
    internal static IDictionary<string, object> InputValues(this ExpressionExecutionContext context) =>
        WorkflowDefinitionActivity.Around(context.FindActivityContext()) is { } used ? WorkflowDefinitionActivity.InputsOf(used.Context) : context.GetWorkflowExecutionContext().Input;
    /// <summary>A variable by name, innermost first.</summary>
    public static T? GetVariable<T>(this ExpressionExecutionContext context, string name) => context.FindVariable(name) is { } block ? block.Value.ConvertTo<T>() : default;
    /// <summary>Writes a variable by name, innermost first; made in this scope when there is none.</summary>
    public static Variable SetVariable(this ExpressionExecutionContext context, string name, object? value)
    {
        if (context.FindVariable(name) is { Metadata: Variable variable } block)
        {
            block.Value = variable.ValueType == typeof(object) ? value : value.ConvertTo(variable.ValueType);
            return variable;
        }
        if (context.ActivityContext is { } activity) return activity.CreateVariable(name, value);
        throw new InvalidOperationException($"There is no variable '{name}'.");
    }
    /// <summary>The run.</summary>
    public static WorkflowExecutionContext GetWorkflowExecutionContext(this ExpressionExecutionContext context) =>
        context.WorkflowContext ?? context.ParentContext?.GetWorkflowExecutionContext() ?? throw new InvalidOperationException("This scope belongs to no run.");
    /// <summary>The execution.</summary>
    public static ActivityExecutionContext GetActivityExecutionContext(this ExpressionExecutionContext context) =>
        context.ActivityContext ?? context.ParentContext?.GetActivityExecutionContext() ?? throw new InvalidOperationException("This scope belongs to no activity.");
    /// <summary>Value of an input.</summary>
    public static T? Get<T>(this ExpressionExecutionContext context, Input<T>? input) => input is null ? default : context.Get<T>(input.MemoryBlockReference());

    internal static MemoryBlock? FindVariable(this ExpressionExecutionContext context, string name)
    {
        for (var scope = context; scope is not null; scope = scope.ParentContext)
            foreach (var block in scope.Memory.Blocks.Values)
                if (block.Metadata is Variable v && v.Name == name)
                    return block;
        return null;
    }

    /// <summary>All variables in scope, innermost first; an outer one of the same name is hidden.</summary>
    internal static IEnumerable<(Variable Variable, MemoryBlock Block)> VariablesInScope(this ExpressionExecutionContext context)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var scope = context; scope is not null; scope = scope.ParentContext)
            foreach (var block in scope.Memory.Blocks.Values)
                if (block.Metadata is Variable v && v.Name.Length > 0 && seen.Add(v.Name))
                    yield return (v, block);
    }
}
