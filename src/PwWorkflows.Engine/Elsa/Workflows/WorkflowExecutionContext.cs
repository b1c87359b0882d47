using Elsa.Expressions.Models;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.Options;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace Elsa.Workflows;

/// <summary>One run of a workflow.</summary>
public sealed class WorkflowExecutionContext
{
    private Dictionary<object, object>? _transient;

    internal WorkflowExecutionContext(WorkflowRunner runner, CompiledWorkflow compiled, IServiceProvider services, string id, DateTimeOffset createdAt, CancellationToken cancellationToken)
    {
        Runner = runner;
        Compiled = compiled;
        ServiceProvider = services;
        Id = id;
        CreatedAt = UpdatedAt = createdAt;
        CancellationToken = cancellationToken;
        ExpressionExecutionContext = new ExpressionExecutionContext(services, new MemoryRegister(), null, null, cancellationToken) { WorkflowContext = this };
        Journal = new JournalRecorder(this);
        Scheduler = new ActivityScheduler();
    }

    internal WorkflowRunner Runner { get; }
    internal CompiledWorkflow Compiled { get; }
    internal JournalRecorder Journal { get; }
    internal List<ActivityExecutionContext> Contexts { get; } = [];
    internal List<BookmarkEntry> BookmarkList { get; } = [];
    internal List<ActivityIncident> IncidentList { get; } = [];
    internal Dictionary<(string ActivityId, string Output), object?> OutputRegister { get; } = [];
    internal object? LastResult { get; set; }
    internal DateTimeOffset Now => Runner.Time.GetUtcNow();
    internal BurstEffects Burst { get; } = new();
    internal ActivityIncident? PendingFault { get; set; }
    internal bool IsSystem { get; set; }
    internal bool IsParked { get; set; }
    internal bool StartPending { get; set; }
    internal IDictionary<string, object?>? FirstVariables { get; set; }
    internal bool CommitDue { get; set; }
    internal bool IsFirstBurst { get; set; }
    internal Dictionary<string, object> StoredInput { get; set; } = new(StringComparer.OrdinalIgnoreCase);
    internal string? ResumedCallbackName { get; set; }
    internal Func<Task>? MidRunCommit { get; set; }

    /// <summary>Services of the run.</summary>
    public IServiceProvider ServiceProvider { get; }
    /// <summary>Instance id.</summary>
    public string Id { get; }
    /// <summary>The definition that runs.</summary>
    public Workflow Workflow => Compiled.Workflow;
    /// <summary>Business key.</summary>
    public string? CorrelationId { get; set; }
    /// <summary>Name of the instance.</summary>
    public string? Name { get; set; }
    /// <summary>The instance that started this one.</summary>
    public string? ParentWorkflowInstanceId { get; internal set; }
    /// <summary>Whether it lives.</summary>
    public WorkflowStatus Status => SubStatus is WorkflowSubStatus.Finished or WorkflowSubStatus.Faulted or WorkflowSubStatus.Cancelled ? WorkflowStatus.Finished : WorkflowStatus.Running;
    /// <summary>Finer state.</summary>
    public WorkflowSubStatus SubStatus { get; internal set; }
    /// <summary>Input.</summary>
    public IDictionary<string, object> Input { get; internal set; } = new Dictionary<string, object>(StringComparer.OrdinalIgnoreCase);
    /// <summary>Output.</summary>
    public IDictionary<string, object> Output { get; internal set; } = new Dictionary<string, object>();
    /// <summary>Kept with the instance.</summary>
    public IDictionary<string, object> Properties { get; internal set; } = new Dictionary<string, object>();
    /// <summary>Kept for this burst only.</summary>
    public IDictionary<object, object> TransientProperties => _transient ??= [];
    /// <summary>Where it waits.</summary>
    public ICollection<Bookmark> Bookmarks => BookmarkList.Select(b => b.Bookmark).ToList();
    /// <summary>Faults so far.</summary>
    public ICollection<ActivityIncident> Incidents => IncidentList;
    /// <summary>Executions that are not done.</summary>
    public IReadOnlyCollection<ActivityExecutionContext> ActivityExecutionContexts => Contexts;
    /// <summary>What is scheduled.</summary>
    public ActivityScheduler Scheduler { get; }
    /// <summary>Scope of the workflow.</summary>
    public ExpressionExecutionContext ExpressionExecutionContext { get; }
    /// <summary>Variables of the workflow.</summary>
    public IEnumerable<Variable> Variables => Workflow.Variables;
    /// <summary>The activity that started the run.</summary>
    public string? TriggerActivityId { get; internal set; }
    /// <summary>Stops the run.</summary>
    public CancellationToken CancellationToken { get; }
    /// <summary>When it was made (UTC).</summary>
    public DateTimeOffset CreatedAt { get; internal set; }
    /// <summary>When it was last committed (UTC).</summary>
    public DateTimeOffset UpdatedAt { get; internal set; }
    /// <summary>When it ended (UTC).</summary>
    public DateTimeOffset? FinishedAt { get; internal set; }

    /// <summary>A service.</summary>
    public T GetRequiredService<T>() where T : notnull => ServiceProvider.GetRequiredService<T>();
    /// <summary>A kept property.</summary>
    public T? GetProperty<T>(string key) => Properties.TryGetValue(key, out var v) ? Elsa.Expressions.Helpers.ObjectConverter.ConvertTo<T>(v) : default;
    /// <summary>Keeps a property.</summary>
    public void SetProperty<T>(string key, T value) => Properties[key] = value!;
    /// <summary>Changes a kept property.</summary>
    public T UpdateProperty<T>(string key, Func<T?, T> update)
    {
        var value = update(GetProperty<T>(key));
        Properties[key] = value!;
        return value;
    }

    /// <summary>Changes the state.</summary>
    public void TransitionTo(WorkflowSubStatus subStatus)
    {
        if (Status == WorkflowStatus.Finished && subStatus != SubStatus) throw new InvalidOperationException($"Instance {Id} is {SubStatus} and can't become {subStatus}.");
        SubStatus = subStatus;
        if (Status == WorkflowStatus.Finished) FinishedAt = Now;
    }

    /// <summary>Cancels the run: everything scheduled and waiting is dropped.</summary>
    public void Cancel() => Runner.CancelWorkflow(this);

    /// <summary>Commits what has happened so far, then goes on.</summary>
    public Task CommitAsync() => Runner.CommitMidRunAsync(this);

    internal void AddBookmark(Bookmark bookmark, ActivityExecutionContext owner)
    {
        BookmarkList.Add(new BookmarkEntry(bookmark, owner));
        Burst.AddedBookmarks.Add(bookmark.Id);
    }

    internal void RemoveBookmark(BookmarkEntry entry)
    {
        BookmarkList.Remove(entry);
        if (!Burst.AddedBookmarks.Remove(entry.Bookmark.Id)) Burst.RemovedBookmarks.Add(entry.Bookmark.Id);
        Burst.Enqueue.RemoveAll(w => w.OwnerKey == entry.Bookmark.Id);
    }

    internal void ScheduleChild(IActivity activity, ActivityExecutionContext owner, ScheduleWorkOptions? options)
    {
        var node = Compiled.FindNode(activity)
            ?? throw new InvalidOperationException($"Activity {activity.Id} ({activity.Type}) is not part of workflow {Compiled.DefinitionId}; it can't be scheduled by {owner.NodeId}.");
        if (options?.PreventDuplicateScheduling == true && Scheduler.Any(w => w.Node == node && w.Owner == owner)) return;
        Scheduler.Schedule(new ScheduledWork(node, owner, options?.CompletionCallback, options?.Tag, options?.Variables, options?.ExistingActivityExecutionContext, options?.Input));
    }

    /// <summary>Keeps an output for the scripts of this burst and, when it is plain data, for the record of the execution.</summary>
    internal void RecordOutput(ActivityExecutionContext context, OutputProperty output, object? value)
    {
        OutputRegister[(context.Activity.Id, output.Name)] = value;
        if (output.Descriptor.IsSerializable != false && value is not Lazy<object?>) (context.OutputValues ??= [])[output.Name] = value;
        if (output.Name == "Result") LastResult = value;
    }

    /// <summary>What an activity gave in this burst; null when nothing.</summary>
    internal object? FindOutput(string activityId, string output) =>
        OutputRegister.GetValueOrDefault((activityId, output)) is var value && value is Lazy<object?> late ? late.Value : value;

    /// <summary>Sets an output of the workflow when there is one of this name.</summary>
    internal void SetOutput(string name, object? value)
    {
        if (Compiled.OutputNames.Contains(name)) Output[name] = value!;
    }
}
