using System.ComponentModel;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using Elsa.Expressions.Models;
using Elsa.Workflows.Activities.Flowchart.Models;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.Signals;

namespace Elsa.Workflows.Activities;

/// <summary>An activity with children and variables.</summary>
public abstract class Container : Activity, IVariableContainer
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected Container(string? source = null, int? line = null) : base(source, line) { }

    /// <summary>Children.</summary>
    public ICollection<IActivity> Activities { get; set; } = new List<IActivity>();
    /// <summary>Variables of this scope.</summary>
    public ICollection<Variable> Variables { get; set; } = new List<Variable>();

    /// <inheritdoc />
    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => ScheduleChildrenAsync(context);

    /// <summary>Schedules the first children.</summary>
    protected virtual ValueTask ScheduleChildrenAsync(ActivityExecutionContext context)
    {
        ScheduleChildren(context);
        return ValueTask.CompletedTask;
    }

    /// <summary>Schedules the first children.</summary>
    protected virtual void ScheduleChildren(ActivityExecutionContext context) { }
}

/// <summary>An activity made of others, with one root.</summary>
public abstract class Composite : Activity, IComposite, IVariableContainer
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected Composite(string? source = null, int? line = null) : base(source, line) { }

    /// <summary>Variables of this scope.</summary>
    [JsonIgnore]
    public ICollection<Variable> Variables { get; init; } = new List<Variable>();
    /// <summary>The part that runs.</summary>
    [Port]
    [Browsable(false)]
    [JsonIgnore]
    public IActivity Root { get; set; } = new Sequence();

    /// <inheritdoc />
    public virtual void Setup() { }

    /// <inheritdoc />
    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.ScheduleActivityAsync(Root, OnRootCompletedAsync);

    private async ValueTask OnRootCompletedAsync(ActivityCompletedContext context)
    {
        await OnCompletedAsync(context);
        await context.TargetContext.CompleteActivityAsync(context.Result is Outcomes ? null : context.Result);
    }

    /// <summary>Called when the root has completed.</summary>
    protected virtual ValueTask OnCompletedAsync(ActivityCompletedContext context) => ValueTask.CompletedTask;

    /// <inheritdoc />
    protected override async ValueTask OnSignalReceivedAsync(object signal, SignalContext context)
    {
        await base.OnSignalReceivedAsync(signal, context);
        if (signal is CompleteCompositeSignal complete && !context.IsSelf)
        {
            context.StopPropagation();
            await OnCompletedAsync(new ActivityCompletedContext(context.ReceiverActivityExecutionContext, context.SenderActivityExecutionContext, complete.Value));
            await context.ReceiverActivityExecutionContext.CompleteActivityAsync(complete.Value);
        }
    }

    /// <summary>Completes the composite with outcomes.</summary>
    protected static ValueTask CompleteAsync(ActivityExecutionContext context, params string[] outcomes) => context.CompleteActivityAsync(new Outcomes(outcomes));
}

/// <summary>A <see cref="Composite"/> with a result.</summary>
public abstract class Composite<T> : Composite, IActivityWithResult<T>
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected Composite(string? source = null, int? line = null) : base(source, line) { }

    /// <inheritdoc />
    public Output<T>? Result { get; set; }

    Output? IActivityWithResult.Result
    {
        get => Result;
        set => Result = (Output<T>?)value;
    }
}

/// <summary>The activity around a definition's root: it holds the workflow's variables, inputs and outputs.</summary>
[Activity("Elsa", "Workflows", "A workflow is an activity that executes its root.")]
[Browsable(false)]
public sealed class Workflow : Composite<object>
{
    /// <summary>An empty workflow.</summary>
    public Workflow() { }

    /// <summary>A workflow around a root.</summary>
    public Workflow(IActivity root) => Root = root;

    /// <summary>Definition over all versions.</summary>
    public string DefinitionId { get; set; } = "";
    /// <summary>Id of this version.</summary>
    public string VersionId { get; set; } = "";
    /// <summary>Number of this version, from 1.</summary>
    public int DefinitionVersion { get; set; } = 1;
    /// <summary>Shown name of the definition.</summary>
    public string? DefinitionName { get; set; }
    /// <summary>Declared inputs.</summary>
    public ICollection<InputDefinition> Inputs { get; set; } = new List<InputDefinition>();
    /// <summary>Declared outputs.</summary>
    public ICollection<OutputDefinition> Outputs { get; set; } = new List<OutputDefinition>();
    /// <summary>Outcomes when used as an activity.</summary>
    public ICollection<string> Outcomes { get; set; } = new List<string>();
    /// <summary>The variable that holds the result of a workflow written in code.</summary>
    internal Variable? ResultVariable { get; set; }
    /// <summary>Options.</summary>
    public WorkflowOptions Options { get; set; } = new();
}

/// <summary>Runs its activities one after the other.</summary>
[Activity("Elsa", "Workflows", "Execute a set of activities in sequence.")]
[Category("Workflows")]
[Browsable(false)]
public sealed class Sequence : Container
{
    private const string CurrentIndex = "CurrentIndex";

    /// <inheritdoc cref="Activity(string?, int?)" />
    public Sequence([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line)
    {
        OnSignalReceived<BreakSignal>(OnBreakAsync);
        OnSignalReceived<CompleteCompositeSignal>((_, _) => { });
    }

    /// <inheritdoc />
    protected override ValueTask ScheduleChildrenAsync(ActivityExecutionContext context) => NextAsync(context);

    private async ValueTask NextAsync(ActivityExecutionContext context)
    {
        var index = context.GetProperty<int>(CurrentIndex);
        var child = Activities.ElementAtOrDefault(index);
        if (child is null)
        {
            await context.CompleteActivityAsync();
            return;
        }
        context.SetProperty(CurrentIndex, index + 1);
        await context.ScheduleActivityAsync(child, OnChildCompletedAsync);
    }

    private async ValueTask OnChildCompletedAsync(ActivityCompletedContext context)
    {
        var target = context.TargetContext;
        if (target.Status != ActivityStatus.Running) return;
        if (context.ChildContext.Activity is ITerminalNode && context.ChildContext.Activity is not Break) await target.CompleteActivityAsync();
        else await NextAsync(target);
    }

    private static ValueTask OnBreakAsync(BreakSignal signal, SignalContext context)
    {
        context.ReceiverActivityExecutionContext.SetProperty(CurrentIndex, int.MaxValue - 1);
        return ValueTask.CompletedTask;
    }
}
