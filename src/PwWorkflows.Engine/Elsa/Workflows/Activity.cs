using System.ComponentModel;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using Elsa.Expressions.Models;
using Elsa.Workflows.Models;
using PwWorkflows.Engine.Execution;

namespace Elsa.Workflows;

/// <summary>Base of all activities. A derived class completes itself (<see cref="ActivityExecutionContext.CompleteActivityAsync"/>), waits on a bookmark, or schedules children.</summary>
public abstract class Activity : IActivity, ISignalHandler
{
    private List<(Type Type, Func<object, SignalContext, ValueTask> Handler)>? _signalHandlers;
    private ICollection<IBehavior>? _behaviors;

    /// <summary>Type name and version come from the attribute or the class.</summary>
    protected Activity(string? source = null, int? line = null)
    {
        var description = ActivityClass.Of(GetType());
        Type = description.TypeName;
        Version = description.Version;
        if (source is not null) CustomProperties["source"] = line is null ? source : $"{System.IO.Path.GetFileName(source)}:{line}";
    }

    /// <summary>With a type name of its own.</summary>
    protected Activity(string activityType, int version = 1, string? source = null, int? line = null) : this(source, line)
    {
        Type = activityType;
        Version = version;
    }

    /// <inheritdoc />
    public string Id { get; set; } = "";
    /// <inheritdoc />
    public string NodeId { get; set; } = "";
    /// <inheritdoc />
    public string? Name { get; set; }
    /// <inheritdoc />
    public string Type { get; set; }
    /// <inheritdoc />
    public int Version { get; set; }

    /// <summary>May start the workflow.</summary>
    [JsonIgnore]
    public bool CanStartWorkflow
    {
        get => CustomProperties.TryGetValue("canStartWorkflow", out var v) && v is true;
        set => CustomProperties["canStartWorkflow"] = value;
    }

    /// <summary>Runs in the background; null: as its type says.</summary>
    [JsonIgnore]
    public bool? RunAsynchronously
    {
        get => CustomProperties.TryGetValue("runAsynchronously", out var v) ? v as bool? : null;
        set
        {
            if (value is { } b) CustomProperties["runAsynchronously"] = b;
            else CustomProperties.Remove("runAsynchronously");
        }
    }

    /// <summary>When the state is committed around this activity.</summary>
    [JsonIgnore]
    public string? CommitStrategy
    {
        get => CustomProperties.TryGetValue("commitStrategyName", out var v) ? v as string : null;
        set
        {
            if (value is not null) CustomProperties["commitStrategyName"] = value;
            else CustomProperties.Remove("commitStrategyName");
        }
    }

    /// <inheritdoc />
    public IDictionary<string, object> CustomProperties { get; set; } = new Dictionary<string, object>();
    /// <inheritdoc />
    [JsonIgnore]
    public IDictionary<string, object> SyntheticProperties { get; set; } = new Dictionary<string, object>();
    /// <inheritdoc />
    public IDictionary<string, object> Metadata { get; set; } = new Dictionary<string, object>();
    /// <summary>Added behaviours.</summary>
    [JsonIgnore]
    public ICollection<IBehavior> Behaviors => _behaviors ??= [];

    /// <summary>Whether it can run now; yes unless overridden.</summary>
    protected virtual ValueTask<bool> CanExecuteAsync(ActivityExecutionContext context) => ValueTask.FromResult(CanExecute(context));
    /// <summary>Whether it can run now; yes unless overridden.</summary>
    protected virtual bool CanExecute(ActivityExecutionContext context) => true;

    /// <summary>Does the work.</summary>
    protected virtual ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        Execute(context);
        return ValueTask.CompletedTask;
    }

    /// <summary>Does the work.</summary>
    protected virtual void Execute(ActivityExecutionContext context) { }

    /// <summary>Receives a signal from below.</summary>
    protected virtual ValueTask OnSignalReceivedAsync(object signal, SignalContext context)
    {
        OnSignalReceived(signal, context);
        return ValueTask.CompletedTask;
    }

    /// <summary>Receives a signal from below.</summary>
    protected virtual void OnSignalReceived(object signal, SignalContext context) { }

    /// <summary>Registers a handler of one kind of signal.</summary>
    protected void OnSignalReceived<T>(Action<T, SignalContext> handler) => OnSignalReceived<T>((s, c) =>
    {
        handler(s, c);
        return ValueTask.CompletedTask;
    });

    /// <summary>Registers a handler of one kind of signal.</summary>
    protected void OnSignalReceived<T>(Func<T, SignalContext, ValueTask> handler) =>
        (_signalHandlers ??= []).Add((typeof(T), (s, c) => handler((T)s, c)));

    /// <summary>Completes it.</summary>
    protected static ValueTask CompleteAsync(ActivityExecutionContext context) => context.CompleteActivityAsync();

    ValueTask<bool> IActivity.CanExecuteAsync(ActivityExecutionContext context) => CanExecuteAsync(context);

    async ValueTask IActivity.ExecuteAsync(ActivityExecutionContext context)
    {
        await ExecuteAsync(context);
        await AfterExecuteAsync(context);
        if (_behaviors is not null)
            foreach (var behavior in _behaviors)
                await behavior.ExecuteAsync(context);
    }

    internal virtual ValueTask AfterExecuteAsync(ActivityExecutionContext context) => ValueTask.CompletedTask;

    async ValueTask ISignalHandler.ReceiveSignalAsync(object signal, SignalContext context)
    {
        await OnSignalReceivedAsync(signal, context);
        if (_signalHandlers is not null)
            foreach (var (type, handler) in _signalHandlers)
                if (type.IsInstanceOfType(signal))
                    await handler(signal, context);
        if (_behaviors is not null)
            foreach (var behavior in _behaviors)
                await behavior.ReceiveSignalAsync(signal, context);
    }
}

/// <summary>An activity with a result.</summary>
public abstract class Activity<T> : Activity, IActivityWithResult<T>
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected Activity(string? source = null, int? line = null) : base(source, line) { }
    /// <inheritdoc cref="Activity(string, int, string?, int?)" />
    protected Activity(string activityType, int version = 1, string? source = null, int? line = null) : base(activityType, version, source, line) { }
    /// <summary>The result goes to a place, such as a variable.</summary>
    protected Activity(MemoryBlockReference? output, string? source = null, int? line = null) : base(source, line)
    {
        if (output is not null) Result = new Output<T>(output);
    }

    /// <summary>The result goes to an output.</summary>
    protected Activity(Output<T>? output, string? source = null, int? line = null) : base(source, line) => Result = output;

    /// <inheritdoc />
    public Output<T>? Result { get; set; }

    Output? IActivityWithResult.Result
    {
        get => Result;
        set => Result = (Output<T>?)value;
    }
}

/// <summary>An activity that completes itself after it ran, unless it made a bookmark or has completed.</summary>
public abstract class CodeActivity : Activity
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected CodeActivity(string? source = null, int? line = null) : base(source, line) { }
    /// <inheritdoc cref="Activity(string, int, string?, int?)" />
    protected CodeActivity(string activityType, int version = 1, string? source = null, int? line = null) : base(activityType, version, source, line) { }

    internal override ValueTask AfterExecuteAsync(ActivityExecutionContext context) => context.CompleteUnlessWaitingAsync();
}

/// <summary>A <see cref="CodeActivity"/> with a typed result.</summary>
public abstract class CodeActivity<T> : Activity<T>
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected CodeActivity(string? source = null, int? line = null) : base(source, line) { }
    /// <inheritdoc cref="Activity(string, int, string?, int?)" />
    protected CodeActivity(string activityType, int version = 1, string? source = null, int? line = null) : base(activityType, version, source, line) { }
    /// <summary>The result goes to a place, such as a variable.</summary>
    protected CodeActivity(MemoryBlockReference? output, string? source = null, int? line = null) : base(output, source, line) { }
    /// <summary>The result goes to an output.</summary>
    protected CodeActivity(Output<T>? output, string? source = null, int? line = null) : base(output, source, line) { }

    internal override ValueTask AfterExecuteAsync(ActivityExecutionContext context) => context.CompleteUnlessWaitingAsync();
}

/// <summary>A <see cref="CodeActivity"/> with a result of any type.</summary>
public abstract class CodeActivityWithResult : CodeActivity, IActivityWithResult
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected CodeActivityWithResult(string? source = null, int? line = null) : base(source, line) { }
    /// <inheritdoc cref="Activity(string, int, string?, int?)" />
    protected CodeActivityWithResult(string activityType, int version = 1, string? source = null, int? line = null) : base(activityType, version, source, line) { }
    /// <summary>The result goes to a place, such as a variable.</summary>
    protected CodeActivityWithResult(MemoryBlockReference? output, string? source = null, int? line = null) : base(source, line)
    {
        if (output is not null) Result = new Output(output);
    }

    /// <summary>The result goes to an output.</summary>
    protected CodeActivityWithResult(Output? output, string? source = null, int? line = null) : base(source, line) => Result = output;

    /// <inheritdoc />
    public Output? Result { get; set; }
}

/// <summary>Base of triggers.</summary>
public abstract class Trigger : Activity, ITrigger
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected Trigger(string? source = null, int? line = null) : base(source, line) { }
    /// <inheritdoc cref="Activity(string, int, string?, int?)" />
    protected Trigger(string activityType, int version = 1, string? source = null, int? line = null) : base(activityType, version, source, line) { }

    /// <summary>Payloads; by default those of <see cref="GetTriggerPayloads"/>.</summary>
    protected virtual ValueTask<IEnumerable<object>> GetTriggerPayloadsAsync(TriggerIndexingContext context) => ValueTask.FromResult(GetTriggerPayloads(context));
    /// <summary>Payloads; by default the one of <see cref="GetTriggerPayload"/>.</summary>
    protected virtual IEnumerable<object> GetTriggerPayloads(TriggerIndexingContext context) => [GetTriggerPayload(context)];
    /// <summary>The payload; an empty object by default.</summary>
    protected virtual object GetTriggerPayload(TriggerIndexingContext context) => new();

    ValueTask<IEnumerable<object>> ITrigger.GetTriggerPayloadsAsync(TriggerIndexingContext context) => GetTriggerPayloadsAsync(context);
}

/// <summary>Base of triggers with a result.</summary>
public abstract class Trigger<T> : Activity<T>, ITrigger
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected Trigger(string? source = null, int? line = null) : base(source, line) { }
    /// <inheritdoc cref="Activity(string, int, string?, int?)" />
    protected Trigger(string activityType, int version = 1, string? source = null, int? line = null) : base(activityType, version, source, line) { }
    /// <summary>The result goes to a place, such as a variable.</summary>
    protected Trigger(MemoryBlockReference? output, string? source = null, int? line = null) : base(output, source, line) { }
    /// <summary>The result goes to an output.</summary>
    protected Trigger(Output<T>? output, string? source = null, int? line = null) : base(output, source, line) { }

    /// <summary>Payloads; by default those of <see cref="GetTriggerPayloads"/>.</summary>
    protected virtual ValueTask<IEnumerable<object>> GetTriggerPayloadsAsync(TriggerIndexingContext context) => ValueTask.FromResult(GetTriggerPayloads(context));
    /// <summary>Payloads; by default the one of <see cref="GetTriggerPayload"/>.</summary>
    protected virtual IEnumerable<object> GetTriggerPayloads(TriggerIndexingContext context) => [GetTriggerPayload(context)];
    /// <summary>The payload; an empty object by default.</summary>
    protected virtual object GetTriggerPayload(TriggerIndexingContext context) => new();

    ValueTask<IEnumerable<object>> ITrigger.GetTriggerPayloadsAsync(TriggerIndexingContext context) => GetTriggerPayloadsAsync(context);
}

/// <summary>Base of triggers that come from within, such as timers.</summary>
public abstract class EventGenerator : Trigger, IEventGenerator
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected EventGenerator(string? source = null, int? line = null) : base(source, line) { }
    /// <inheritdoc cref="Activity(string, int, string?, int?)" />
    protected EventGenerator(string activityType, int version = 1, string? source = null, int? line = null) : base(activityType, version, source, line) { }
}
