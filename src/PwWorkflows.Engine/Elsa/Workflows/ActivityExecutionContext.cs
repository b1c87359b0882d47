using System.Runtime.CompilerServices;
using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Workflows.Activities.Flowchart.Models;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.Options;
using Elsa.Workflows.Signals;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Execution;

namespace Elsa.Workflows;

/// <summary>One execution of an activity: its inputs, its place in the tree, and what it can ask of the engine.</summary>
public sealed class ActivityExecutionContext
{
    private Dictionary<string, object>? _properties;
    private Dictionary<object, object>? _transient;
    private Dictionary<string, object>? _journalData;
    private Dictionary<string, object>? _metadata;
    private Dictionary<string, object>? _activityInput;
    private List<Bookmark>? _newBookmarks;

    internal ActivityExecutionContext(WorkflowExecutionContext workflow, ActivityExecutionContext? parent, ActivityNode node, string id)
    {
        Id = id;
        WorkflowExecutionContext = workflow;
        ParentActivityExecutionContext = parent;
        Node = node;
        ExpressionExecutionContext = new ExpressionExecutionContext(workflow.ServiceProvider, new MemoryRegister(),
            parent?.ExpressionExecutionContext ?? workflow.ExpressionExecutionContext, null, workflow.CancellationToken)
        { ActivityContext = this, WorkflowContext = workflow };
    }

    internal ActivityNode Node { get; }
    internal ActivityCompletionCallback? CompletionCallback { get; set; }
    internal string? CompletionCallbackName { get; set; }
    internal List<Variable>? DynamicVariables { get; set; }
    internal int Attempt { get; set; } = 1;
    internal ActivityRecord? Record { get; set; }
    internal Dictionary<string, object?>? OutputValues { get; set; }
    internal string? ExecutingCallbackName { get; set; }

    /// <summary>Id of this execution.</summary>
    public string Id { get; }
    /// <summary>The run.</summary>
    public WorkflowExecutionContext WorkflowExecutionContext { get; }
    /// <summary>The execution that owns this one.</summary>
    public ActivityExecutionContext? ParentActivityExecutionContext { get; }
    /// <summary>Scope of expressions.</summary>
    public ExpressionExecutionContext ExpressionExecutionContext { get; }
    /// <summary>The activity.</summary>
    public IActivity Activity => Node.Activity;
    /// <summary>What is known of its type.</summary>
    public ActivityDescriptor ActivityDescriptor => Node.Class.Descriptor;
    /// <summary>Node id of the activity.</summary>
    public string NodeId => Node.NodeId;
    /// <summary>Stops the run.</summary>
    public CancellationToken CancellationToken => WorkflowExecutionContext.CancellationToken;
    /// <summary>State of this execution.</summary>
    public ActivityStatus Status { get; internal set; }
    /// <summary>When it started (UTC).</summary>
    public DateTimeOffset StartedAt { get; internal set; }
    /// <summary>When it ended (UTC).</summary>
    public DateTimeOffset? CompletedAt { get; internal set; }
    /// <summary>Why it failed.</summary>
    public Exception? Exception { get; internal set; }
    /// <summary>Given by who scheduled it.</summary>
    public object? Tag { get; set; }
    /// <summary>Runs now.</summary>
    public bool IsExecuting { get; internal set; }
    /// <summary>Faults of this execution and below.</summary>
    public int AggregateFaultCount { get; internal set; }

    /// <summary>Variables declared by this activity.</summary>
    public IEnumerable<Variable> Variables => (Activity is IVariableContainer c ? c.Variables : []).Concat(DynamicVariables ?? []);
    /// <summary>Kept with the instance.</summary>
    public IDictionary<string, object> Properties => _properties ??= [];
    internal Dictionary<string, object>? PropertiesOrNull => _properties;
    /// <summary>Kept for this burst only.</summary>
    public IDictionary<object, object> TransientProperties => _transient ??= [];
    /// <summary>Free data of the execution.</summary>
    public IDictionary<string, object> Metadata => _metadata ??= [];
    /// <summary>Input of the workflow.</summary>
    public IDictionary<string, object> WorkflowInput
    {
        get
        {
            if (WorkflowDefinitionActivity.Around(this) is not { } used) return WorkflowExecutionContext.Input;
            // Inside a workflow used as an activity its own inputs come first; what a resumer passes is in the run's input.
            var input = new Dictionary<string, object>(WorkflowExecutionContext.Input, StringComparer.OrdinalIgnoreCase);
            foreach (var (name, value) in WorkflowDefinitionActivity.InputsOf(used.Context)) input[name] = value;
            return input;
        }
    }
    /// <summary>Input given by who scheduled it.</summary>
    public IDictionary<string, object> ActivityInput => _activityInput ??= [];
    /// <summary>Goes into the record and the journal's Completed entry.</summary>
    public IDictionary<string, object> JournalData => _journalData ??= [];
    internal Dictionary<string, object>? JournalDataOrNull => _journalData;
    /// <summary>Evaluated inputs, by name.</summary>
    public IDictionary<string, object> ActivityState { get; internal set; } = new Dictionary<string, object>();
    /// <summary>Executions owned by this one.</summary>
    public IEnumerable<ActivityExecutionContext> Children => WorkflowExecutionContext.Contexts.Where(c => c.ParentActivityExecutionContext == this);
    /// <summary>Bookmarks of this execution.</summary>
    public IEnumerable<Bookmark> Bookmarks => WorkflowExecutionContext.BookmarkList.Where(b => b.Owner == this).Select(b => b.Bookmark);
    /// <summary>Bookmarks made in this burst.</summary>
    public IEnumerable<Bookmark> NewBookmarks => _newBookmarks ?? [];

    /// <summary>A service.</summary>
    public T GetRequiredService<T>() where T : notnull => WorkflowExecutionContext.ServiceProvider.GetRequiredService<T>();
    /// <summary>A service.</summary>
    public object GetRequiredService(Type serviceType) => WorkflowExecutionContext.ServiceProvider.GetRequiredService(serviceType);
    /// <summary>A service or null.</summary>
    public T? GetService<T>() => WorkflowExecutionContext.ServiceProvider.GetService<T>();
    /// <summary>All services of a type.</summary>
    public IEnumerable<T> GetServices<T>() => WorkflowExecutionContext.ServiceProvider.GetServices<T>();
    /// <summary>A service, or an object made with services.</summary>
    public T GetOrCreateService<T>() => ActivatorUtilities.GetServiceOrCreateInstance<T>(WorkflowExecutionContext.ServiceProvider);

    /// <summary>Value of an input; default when the input is not set.</summary>
    public T? Get<T>(Input<T>? input) => input is null ? default : ExpressionExecutionContext.Get<T>(input.MemoryBlockReference());
    /// <summary>Value of an output; default when it is not bound.</summary>
    public T? Get<T>(Output<T>? output) => output is null ? default : ExpressionExecutionContext.Get<T>(output.MemoryBlockReference());
    /// <summary>Value of a place.</summary>
    public object? Get(MemoryBlockReference reference) => ExpressionExecutionContext.Get(reference);
    /// <summary>Value of a place.</summary>
    public T? Get<T>(MemoryBlockReference reference) => ExpressionExecutionContext.Get<T>(reference);
    /// <summary>Value of a place, false when none.</summary>
    public bool TryGet(MemoryBlockReference reference, out object? value) => ExpressionExecutionContext.TryGet(reference, out value);
    /// <summary>Writes a place.</summary>
    public void Set(MemoryBlockReference reference, object? value) => ExpressionExecutionContext.Set(reference, value);
    /// <summary>Writes an output. One that is not bound is only recorded, under the name of the property that was given.</summary>
    public void Set<T>(Output<T>? output, T? value, [CallerArgumentExpression(nameof(output))] string? outputName = null) => Set((Output?)output, value, outputName);

    /// <summary>Writes an output. One that is not bound is only recorded, under the name of the property that was given.</summary>
    public void Set(Output? output, object? value, [CallerArgumentExpression(nameof(output))] string? outputName = null)
    {
        if (output is null)
        {
            var property = outputName.AsSpan()[(outputName.AsSpan().LastIndexOf('.') + 1)..];
            foreach (var known in Node.Class.Outputs)
                if (property.SequenceEqual(known.Property.Name))
                    WorkflowExecutionContext.RecordOutput(this, known, value);
            return;
        }
        var reference = output.MemoryBlockReference();
        // Outputs of a workflow used as an activity belong to the scope around it.
        var scope = Activity is WorkflowDefinitionActivity ? ParentActivityExecutionContext!.ExpressionExecutionContext : ExpressionExecutionContext;
        var block = scope.FindBlock(reference.Id);
        if (block is not null)
            block.Value = block.Metadata is Variable { ValueType: var type } && type != typeof(object) ? Elsa.Expressions.Helpers.ObjectConverter.ConvertTo(value, type) : value;
        else
            scope.Memory.Blocks[reference.Id] = new MemoryBlock(value);
        if (Node.OutputOf(output) is { } bound) WorkflowExecutionContext.RecordOutput(this, bound, value);
        else if (Activity is WorkflowDefinitionActivity && Activity.SyntheticProperties.FirstOrDefault(p => p.Value == output).Key is { } synthetic)
        {
            WorkflowExecutionContext.OutputRegister[(Activity.Id, synthetic)] = value;
            (OutputValues ??= [])[synthetic] = value;
        }
        // An output of the workflow is bound by its name: of the one used as an activity around, else of the run.
        if (WorkflowDefinitionActivity.Around(Activity is WorkflowDefinitionActivity ? ParentActivityExecutionContext : this) is not { } used) WorkflowExecutionContext.SetOutput(reference.Id, value);
        else if (used.Activity.SyntheticProperties.TryGetValue(reference.Id, out var outer)) used.Context.Set((Output)outer, value);
    }

    /// <summary>A kept property converted.</summary>
    public T? GetProperty<T>(string key) => _properties is not null && _properties.TryGetValue(key, out var v) ? Elsa.Expressions.Helpers.ObjectConverter.ConvertTo<T>(v) : default;
    /// <summary>A kept property, or one made and kept.</summary>
    public T GetProperty<T>(string key, Func<T> defaultValue)
    {
        if (_properties is not null && _properties.TryGetValue(key, out var v)) return Elsa.Expressions.Helpers.ObjectConverter.ConvertTo<T>(v)!;
        var made = defaultValue();
        Properties[key] = made!;
        return made;
    }
    /// <summary>Keeps a property.</summary>
    public void SetProperty<T>(string key, T? value) => Properties[key] = value!;
    /// <summary>Changes a kept property.</summary>
    public T UpdateProperty<T>(string key, Func<T?, T> update)
    {
        var value = update(GetProperty<T>(key));
        Properties[key] = value!;
        return value;
    }
    /// <summary>Drops a kept property.</summary>
    public void RemoveProperty(string key) => _properties?.Remove(key);

    /// <summary>Completes the activity; an <see cref="Outcomes"/> result names the outcomes. A second call is ignored.</summary>
    public ValueTask CompleteActivityAsync(object? result = null) => WorkflowExecutionContext.Runner.CompleteAsync(this, result);
    /// <summary>Completes the activity with outcomes.</summary>
    public ValueTask CompleteActivityWithOutcomesAsync(params string[] outcomes) => CompleteActivityAsync(new Outcomes(outcomes));
    /// <summary>Completes the enclosing composite with outcomes.</summary>
    public ValueTask CompleteCompositeAsync(params string[] outcomes) => this.SendSignalAsync(new CompleteCompositeSignal(new Outcomes(outcomes)));

    internal ValueTask CompleteUnlessWaitingAsync() =>
        Status == ActivityStatus.Completed || _newBookmarks is { Count: > 0 } || Status is ActivityStatus.Canceled or ActivityStatus.Faulted ? ValueTask.CompletedTask : CompleteActivityAsync();

    /// <summary>Schedules a child.</summary>
    public ValueTask ScheduleActivityAsync(IActivity? activity, ActivityCompletionCallback? completionCallback, object? tag = null, IEnumerable<Variable>? variables = null) =>
        ScheduleActivityAsync(activity, new ScheduleWorkOptions(completionCallback, tag, variables?.ToList()));
    /// <summary>Schedules a child.</summary>
    public ValueTask ScheduleActivityAsync(IActivity? activity, ScheduleWorkOptions? options = null) => ScheduleActivityAsync(activity, this, options);
    /// <summary>Schedules a child of an owner. A null activity calls the callback at once or completes the owner.</summary>
    public async ValueTask ScheduleActivityAsync(IActivity? activity, ActivityExecutionContext? owner, ScheduleWorkOptions? options = null)
    {
        owner ??= this;
        if (activity is null)
        {
            if (options?.CompletionCallback is { } callback) await callback(new ActivityCompletedContext(owner, owner));
            else await owner.CompleteActivityAsync();
            return;
        }
        WorkflowExecutionContext.ScheduleChild(activity, owner, options);
    }
    /// <summary>Schedules children.</summary>
    public ValueTask ScheduleActivitiesAsync(params IActivity?[] activities) => ScheduleActivities(activities);
    /// <summary>Schedules children.</summary>
    public async ValueTask ScheduleActivities(IEnumerable<IActivity?> activities, ActivityCompletionCallback? completionCallback = null)
    {
        foreach (var activity in activities) await ScheduleActivityAsync(activity, completionCallback);
    }

    /// <summary>Makes a bookmark. Without arguments only this activity instance matches.</summary>
    public Bookmark CreateBookmark(CreateBookmarkArgs? options = null)
    {
        var o = options ?? new CreateBookmarkArgs { IncludeActivityInstanceId = true };
        var name = o.BookmarkName ?? Activity.Type;
        var hasher = WorkflowExecutionContext.Runner.Hasher;
        var bookmark = new Bookmark(o.BookmarkId ?? Ids.Part(), name, hasher.Hash(name, o.Stimulus, o.IncludeActivityInstanceId ? Id : null), o.Stimulus, Activity.Id, NodeId, Id,
            WorkflowExecutionContext.Now, o.AutoBurn, o.Callback?.Method.Name, o.AutoComplete, o.Metadata);
        (_newBookmarks ??= []).Add(bookmark);
        WorkflowExecutionContext.AddBookmark(bookmark, this);
        return bookmark;
    }

    /// <summary>Makes a bookmark that only this activity instance matches.</summary>
    public Bookmark CreateBookmark(ExecuteActivityDelegate callback, IDictionary<string, string>? metadata = null) =>
        CreateBookmark(new CreateBookmarkArgs { Callback = callback, Metadata = metadata, IncludeActivityInstanceId = true });
    /// <summary>Makes a bookmark for a stimulus.</summary>
    public Bookmark CreateBookmark(object stimulus, ExecuteActivityDelegate? callback, bool includeActivityInstanceId = true, IDictionary<string, string>? customProperties = null) =>
        CreateBookmark(new CreateBookmarkArgs { Stimulus = stimulus, Callback = callback, IncludeActivityInstanceId = includeActivityInstanceId, Metadata = customProperties });
    /// <summary>Makes a bookmark for a stimulus.</summary>
    public Bookmark CreateBookmark(object stimulus, bool includeActivityInstanceId, IDictionary<string, string>? customProperties = null) =>
        CreateBookmark(new CreateBookmarkArgs { Stimulus = stimulus, IncludeActivityInstanceId = includeActivityInstanceId, Metadata = customProperties });
    /// <summary>Makes a bookmark for a stimulus.</summary>
    public Bookmark CreateBookmark(object stimulus, IDictionary<string, string>? metadata = null) =>
        CreateBookmark(new CreateBookmarkArgs { Stimulus = stimulus, IncludeActivityInstanceId = true, Metadata = metadata });
    /// <summary>Makes a bookmark for each payload.</summary>
    public void CreateBookmarks(IEnumerable<object> payloads, ExecuteActivityDelegate? callback = null, bool includeActivityInstanceId = true, string? bookmarkName = null)
    {
        foreach (var payload in payloads)
            CreateBookmark(new CreateBookmarkArgs { Stimulus = payload, Callback = callback, IncludeActivityInstanceId = includeActivityInstanceId, BookmarkName = bookmarkName });
    }

    /// <summary>Adds a line to the journal.</summary>
    public void AddExecutionLogEntry(string eventName, string? message = null, string? source = null, object? payload = null) =>
        WorkflowExecutionContext.Journal.Add(this, eventName, message, source, payload);

    /// <summary>Evaluates an input now, for those that are not evaluated by themselves.</summary>
    public async ValueTask<T?> EvaluateAsync<T>(Input<T>? input)
    {
        if (input is null) return default;
        var value = await WorkflowExecutionContext.Runner.EvaluateInputAsync(this, input);
        return Elsa.Expressions.Helpers.ObjectConverter.ConvertTo<T>(value);
    }

    internal void ClearNewBookmarks() => _newBookmarks = null;

    internal ValueTask RunCallbackAsync(ActivityCompletedContext completed) =>
        CompletionCallback is { } callback ? callback(completed) : ValueTask.CompletedTask;
}
