using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Models;
using Elsa.Workflows.Exceptions;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.Signals;
using PwWorkflows.Engine.Expressions;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Execution;

/// <summary>Runs one burst of a workflow: from a start or a resumption until nothing is scheduled. Knows nothing of the store.</summary>
internal sealed class WorkflowRunner(ExpressionEvaluator evaluator, IStimulusHasher hasher, TimeProvider time, IEnumerable<IIncidentStrategy> strategies)
{
    /// <summary>Name of the engine's own bookmark between two attempts of an activity.</summary>
    public const string RetryBookmark = "Pw.Retry";
    private const string RetryInputProperty = "Pw:RetryInput";
    private readonly IIncidentStrategy[] _strategies = [.. strategies];

    public IStimulusHasher Hasher { get; } = hasher;
    public TimeProvider Time { get; } = time;
    public StateSerializer Serializer { get; } = new();
    public ExpressionEvaluator Evaluator { get; } = evaluator;
    public FlowchartExecutionMode DefaultFlowchartMode { get; init; } = FlowchartExecutionMode.CounterBased;

    /// <summary>A run that has not started.</summary>
    public WorkflowExecutionContext Create(CompiledWorkflow compiled, IServiceProvider services, string id, CancellationToken ct) =>
        new(this, compiled, services, id, Time.GetUtcNow(), ct);

    /// <summary>A run as it was stored.</summary>
    public WorkflowExecutionContext Load(CompiledWorkflow compiled, IServiceProvider services, InstanceRow row, CancellationToken ct)
    {
        var wf = Create(compiled, services, row.Id, ct);
        Serializer.Read(row.State.Span, wf);
        return wf;
    }

    /// <summary>Starts the run and carries it until it waits or ends.</summary>
    public async Task StartAsync(WorkflowExecutionContext wf)
    {
        wf.StoredInput = new Dictionary<string, object>(wf.Input, StringComparer.OrdinalIgnoreCase);
        foreach (var input in wf.Workflow.Inputs)
            if (wf.Input.TryGetValue(input.Name, out var given) && given is not null)
                wf.Input[input.Name] = Elsa.Expressions.Helpers.ObjectConverter.ConvertTo(given, input.IsArray ? input.Type.MakeArrayType() : input.Type)!;
        wf.IsFirstBurst = true;
        wf.Scheduler.Schedule(new ScheduledWork(wf.Compiled.Root, null, null, null, null, null, null));
        await PumpAsync(wf);
    }

    /// <summary>Resumes a bookmark. False when the instance has no such bookmark (it was consumed before).</summary>
    public async Task<bool> ResumeAsync(WorkflowExecutionContext wf, string bookmarkId, IDictionary<string, object>? input)
    {
        var entry = wf.BookmarkList.Find(b => b.Bookmark.Id == bookmarkId);
        if (entry is null || wf.Status == WorkflowStatus.Finished) return false;
        var (bookmark, owner) = entry;
        if (input is not null)
            foreach (var (key, value) in input)
                wf.Input[key] = value;
        if (bookmark.AutoBurn) wf.RemoveBookmark(entry);
        owner.ClearNewBookmarks();
        if (bookmark.Name == RetryBookmark)
        {
            if (owner.GetProperty<IDictionary<string, object>>(RetryInputProperty) is { } kept)
                foreach (var (key, value) in kept)
                    wf.Input[key] = value;
            owner.RemoveProperty(RetryInputProperty);
        }
        wf.ResumedCallbackName = bookmark.CallbackMethodName;
        wf.Scheduler.Schedule(new ScheduledWork(owner.Node, owner.ParentActivityExecutionContext, null, null, null, owner, null)
        {
            Resume = bookmark.Name == RetryBookmark && bookmark.CallbackMethodName is null ? null : Callback(bookmark, owner),
        });
        await PumpAsync(wf);
        return true;
    }

    /// <summary>Runs again what had failed, from exactly there.</summary>
    /// <param name="wf">The instance.</param>
    /// <param name="before">Called when it is ready to go on, before it does anything.</param>
    /// <returns>How many activities had failed; with none, nothing is done.</returns>
    public async Task<int> RetryFaultedAsync(WorkflowExecutionContext wf, Func<Task>? before = null)
    {
        var faulted = wf.Contexts.Where(c => c.Status == ActivityStatus.Faulted).ToList();
        if (faulted.Count == 0) return 0;
        // What waited in other branches went with the end, rows and timers alike: it waits again, and what came for it in between is delivered.
        if (wf.Status == WorkflowStatus.Finished)
        {
            foreach (var waiting in wf.BookmarkList)
            {
                wf.Burst.AddedBookmarks.Add(waiting.Bookmark.Id);
                if (waiting.Bookmark.Name == RetryBookmark) wf.Burst.Enqueue.Add(WorkItems.Resume(wf.Id, waiting.Bookmark.Id, Time.GetUtcNow(), Time));
            }
        }

        wf.SubStatus = WorkflowSubStatus.Executing;
        wf.FinishedAt = null;
        wf.PendingFault = null;
        foreach (var c in faulted)
        {
            c.Attempt++;
            for (var a = c; a is not null; a = a.ParentActivityExecutionContext) a.AggregateFaultCount = Math.Max(0, a.AggregateFaultCount - 1);
            wf.Scheduler.Schedule(new ScheduledWork(c.Node, c.ParentActivityExecutionContext, null, null, null, c, null));
        }
        if (before is not null) await before();
        await PumpAsync(wf);
        return faulted.Count;
    }

    /// <summary>Goes on with what was scheduled or executing when the instance was last committed.</summary>
    public Task ContinueAsync(WorkflowExecutionContext wf)
    {
        if (wf.Contexts.Count == 0 && !wf.Scheduler.HasAny) return StartAsync(wf);
        // An activity that was executing when its node died is run again from its start; what it did outside is guarded by its effect ledger.
        foreach (var c in wf.Contexts.Where(c => c is { Status: ActivityStatus.Running, IsExecuting: true }).ToList())
        {
            c.IsExecuting = false;
            if (wf.Scheduler.Any(s => s.Existing == c)) continue;
            var method = c.ExecutingCallbackName is { } name ? c.Node.Class.Method(name) : null;
            wf.Scheduler.Schedule(new ScheduledWork(c.Node, c.ParentActivityExecutionContext, null, null, null, c, null)
            {
                Resume = method is null ? null : x => method.CreateDelegate<ExecuteActivityDelegate>(method.IsStatic ? null : x.Activity)(x),
            });
        }
        return PumpAsync(wf);
    }

    private static Func<ActivityExecutionContext, ValueTask> Callback(Bookmark bookmark, ActivityExecutionContext owner)
    {
        if (bookmark.CallbackMethodName is { } name)
        {
            var method = owner.Node.Class.Method(name) ?? throw new InvalidOperationException($"{owner.Activity.Type} has no method {name} to resume.");
            var callback = method.CreateDelegate<ExecuteActivityDelegate>(method.IsStatic ? null : owner.Activity);
            return c => callback(c);
        }
        return bookmark.AutoComplete ? c => c.CompleteActivityAsync() : _ => ValueTask.CompletedTask;
    }

    private async Task PumpAsync(WorkflowExecutionContext wf)
    {
        wf.SubStatus = WorkflowSubStatus.Executing;
        var ambient = Ambient.Enter(wf);
        try
        {
            var afterFault = -1;
            while (wf.Scheduler.HasAny && wf.Status != WorkflowStatus.Finished)
            {
                wf.CancellationToken.ThrowIfCancellationRequested();
                if (wf.PendingFault is not null)
                {
                    // Work that was scheduled when the fault happened still runs; what it schedules waits for a retry.
                    if (afterFault < 0) afterFault = wf.Scheduler.Count;
                    if (afterFault-- == 0) break;
                }
                var work = wf.Scheduler.Take();
                if (wf.CommitDue && !IsEffect(work.Node)) await CommitMidRunAsync(wf, work);
                await InvokeAsync(wf, work);
            }
        }
        finally
        {
            ambient.Dispose();
        }
        wf.UpdatedAt = Time.GetUtcNow();
        if (wf.Status == WorkflowStatus.Finished) return;
        if (wf.PendingFault is not null)
        {
            wf.SubStatus = WorkflowSubStatus.Faulted;
            wf.FinishedAt = wf.UpdatedAt;
        }
        else wf.SubStatus = WorkflowSubStatus.Suspended;
    }

    private async Task InvokeAsync(WorkflowExecutionContext wf, ScheduledWork work)
    {
        var c = work.Existing;
        if (c is null)
        {
            c = new ActivityExecutionContext(wf, work.Owner, work.Node, Ids.Part()) { Tag = work.Tag };
            if (work.Callback is { } callback)
            {
                c.CompletionCallback = callback;
                c.CompletionCallbackName = callback.Method.Name;
            }
            DeclareVariables(c);
            if (work.Variables is not null)
                foreach (var v in work.Variables) DeclareDynamic(c, v);
            if (work.Input is not null)
                foreach (var (key, value) in work.Input) c.ActivityInput[key] = value;
            wf.Contexts.Add(c);
            c.StartedAt = Time.GetUtcNow();
        }
        else if (c.Status is ActivityStatus.Completed or ActivityStatus.Canceled) return;
        c.Status = ActivityStatus.Running;
        c.ClearNewBookmarks();
        wf.Journal.Add(c, work.Resume is null ? "Started" : "Resumed");
        try
        {
            await EvaluateInputsAsync(c);
            IActivity activity = c.Activity;
            if (work.Resume is null && !await activity.CanExecuteAsync(c))
            {
                wf.Journal.Add(c, "Precondition Failed", "The activity can't run now.");
                return;
            }
            c.IsExecuting = true;
            c.ExecutingCallbackName = work.Resume is null ? null : wf.ResumedCallbackName;
            var effect = IsEffect(c.Node);
            if (effect) await CommitMidRunAsync(wf);
            if (work.Resume is { } resume) await resume(c);
            else await activity.ExecuteAsync(c);
            if (effect) wf.CommitDue = true;
            if (c.Status == ActivityStatus.Running && c.NewBookmarks.Any()) wf.Journal.Add(c, "Suspended");
            if (c.Status == ActivityStatus.Running) wf.Journal.Update(c);
        }
        catch (OperationCanceledException) when (wf.CancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (CommitConflictException)
        {
            throw;
        }
        catch (Exception e)
        {
            await FaultAsync(c, e, work);
        }
        finally
        {
            c.IsExecuting = false;
        }
    }

    private async ValueTask EvaluateInputsAsync(ActivityExecutionContext c)
    {
        var node = c.Node;
        if (node.Inputs.Length == 0 && node.RawInputs.Length == 0) return;
        var state = new Dictionary<string, object>(node.Inputs.Length + node.RawInputs.Length);
        c.ActivityState = state;
        foreach (var (property, input) in node.Inputs)
        {
            object? value;
            try
            {
                value = await EvaluateInputAsync(c, input);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                throw new InputEvaluationException(c.Activity.Type, property.Name, e);
            }
            if (property.IsSerializable) state[property.Name] = property.IsSecret && value is not null ? "***" : value!;
        }
        foreach (var (name, value) in node.RawInputs) state[name] = value!;
    }

    /// <summary>Evaluates an input and keeps the value in the activity's memory.</summary>
    internal async ValueTask<object?> EvaluateInputAsync(ActivityExecutionContext c, Input input)
    {
        if (input.Expression is null) return c.ExpressionExecutionContext.Get(input.MemoryBlockReference());
        var value = await Evaluator.EvaluateAsync(input.Expression, input.Type, c.ExpressionExecutionContext);
        var id = input.MemoryBlockReference().Id;
        c.ExpressionExecutionContext.Memory.Blocks[id] = new MemoryBlock(value);
        return value;
    }

    internal void DeclareVariables(ActivityExecutionContext c)
    {
        if (c.Activity is not IVariableContainer { Variables: { Count: > 0 } variables }) return;
        foreach (var v in variables)
            if (!c.ExpressionExecutionContext.Memory.HasBlock(v.Id))
            {
                var block = c.ExpressionExecutionContext.Memory.Blocks[v.Id] = v.Declare();
                if (c.ParentActivityExecutionContext is null && c.WorkflowExecutionContext.FirstVariables?.TryGetValue(v.Name, out var first) == true)
                    block.Value = Elsa.Expressions.Helpers.ObjectConverter.ConvertTo(first, v.ValueType);
            }
    }

    internal void DeclareDynamic(ActivityExecutionContext c, Variable v)
    {
        if (v.Id.Length == 0) v.Id = $"{c.Id}:{v.Name}";
        (c.DynamicVariables ??= []).Add(v);
        c.ExpressionExecutionContext.Memory.Blocks[v.Id] = v.Declare();
    }

    internal async ValueTask CompleteAsync(ActivityExecutionContext c, object? result)
    {
        if (c.Status is not (ActivityStatus.Running or ActivityStatus.Pending)) return;
        var wf = c.WorkflowExecutionContext;
        c.Status = ActivityStatus.Completed;
        c.CompletedAt = Time.GetUtcNow();
        CancelChildren(c);
        if (result is Outcomes outcomes) c.JournalData["Outcomes"] = outcomes.Names;
        DropBookmarks(c);
        wf.Journal.Add(c, "Completed", null, null, c.JournalDataOrNull is { Count: > 0 } data ? data : null);
        wf.Journal.Update(c);
        if (c.ParentActivityExecutionContext is not { } owner)
        {
            wf.Scheduler.Clear();
            wf.TransitionTo(WorkflowSubStatus.Finished);
            Tidy(wf);
            return;
        }
        await c.SendToAsync(owner, new ActivityCompleted(result));
        await c.RunCallbackAsync(new ActivityCompletedContext(owner, c, result));
        if (wf.Status != WorkflowStatus.Finished) wf.Contexts.Remove(c);
    }

    private static void Tidy(WorkflowExecutionContext wf)
    {
        foreach (var b in wf.BookmarkList.ToList()) wf.RemoveBookmark(b);
        wf.Contexts.RemoveAll(x => x.ParentActivityExecutionContext is not null);
    }

    private static void DropBookmarks(ActivityExecutionContext c)
    {
        var wf = c.WorkflowExecutionContext;
        if (wf.BookmarkList.Count == 0) return;
        foreach (var b in wf.BookmarkList.Where(b => b.Owner == c).ToList()) wf.RemoveBookmark(b);
    }

    private void CancelChildren(ActivityExecutionContext c)
    {
        var wf = c.WorkflowExecutionContext;
        if (wf.Scheduler.HasAny) wf.Scheduler.Remove(s => s.Owner == c && s.Existing != c);
        foreach (var child in wf.Contexts.Where(x => x.ParentActivityExecutionContext == c).ToList()) CancelActivity(child);
    }

    /// <summary>Cancels an execution and everything below it.</summary>
    internal void CancelActivity(ActivityExecutionContext c)
    {
        if (c.Status is not (ActivityStatus.Running or ActivityStatus.Pending)) return;
        var wf = c.WorkflowExecutionContext;
        CancelChildren(c);
        c.Status = ActivityStatus.Canceled;
        c.CompletedAt = Time.GetUtcNow();
        wf.Scheduler.Remove(s => s.Existing == c);
        DropBookmarks(c);
        wf.Journal.Add(c, "Canceled");
        wf.Journal.Update(c);
        wf.Contexts.Remove(c);
    }

    /// <summary>Cancels the whole run.</summary>
    internal void CancelWorkflow(WorkflowExecutionContext wf)
    {
        if (wf.Status == WorkflowStatus.Finished) return;
        wf.Scheduler.Clear();
        foreach (var c in wf.Contexts.Where(x => x.ParentActivityExecutionContext is null).ToList()) CancelActivity(c);
        wf.TransitionTo(WorkflowSubStatus.Cancelled);
        wf.UpdatedAt = Time.GetUtcNow();
        Tidy(wf);
    }

    /// <summary>Ends the run well, whatever is still scheduled or waits.</summary>
    internal void Finish(WorkflowExecutionContext wf)
    {
        wf.Scheduler.Clear();
        var root = wf.Contexts[0];
        CancelChildren(root);
        root.Status = ActivityStatus.Completed;
        root.CompletedAt = Time.GetUtcNow();
        wf.Journal.Add(root, "Completed");
        wf.Journal.Update(root);
        wf.TransitionTo(WorkflowSubStatus.Finished);
        Tidy(wf);
    }

    private ValueTask FaultAsync(ActivityExecutionContext c, Exception e, ScheduledWork work)
    {
        var wf = c.WorkflowExecutionContext;
        DropBookmarks(c);
        CancelChildren(c);
        if (c.Node.Retry is { } policy && policy.Allows(e, c.Attempt))
        {
            var wait = policy.Delay(c.Attempt, Random.Shared.NextDouble());
            wf.Journal.Add(c, "Retrying", $"Attempt {c.Attempt} of {policy.Attempts} failed: {e.Message}", null, new Dictionary<string, object?> { ["attempt"] = c.Attempt, ["delay"] = wait, ["exception"] = ExceptionState.FromException(e) });
            c.Status = ActivityStatus.Running;
            wf.Journal.Update(c, ExceptionState.FromException(e));
            c.Attempt++;
            if (wf.Input.Count > wf.StoredInput.Count) c.Properties[RetryInputProperty] = new Dictionary<string, object>(wf.Input);
            var due = Time.GetUtcNow() + wait;
            var callback = work.Resume is null ? null : wf.ResumedCallbackName;
            var bookmark = new Bookmark(Ids.Part(), RetryBookmark, Hasher.Hash(RetryBookmark, null, c.Id + c.Attempt), null, c.Activity.Id, c.NodeId, c.Id, Time.GetUtcNow(), true, callback, true);
            wf.AddBookmark(bookmark, c);
            wf.Burst.Enqueue.Add(WorkItems.Resume(wf.Id, bookmark.Id, due, Time));
            return ValueTask.CompletedTask;
        }
        c.Status = ActivityStatus.Faulted;
        c.Exception = e;
        for (var a = c; a is not null; a = a.ParentActivityExecutionContext) a.AggregateFaultCount++;
        var inner = e is InputEvaluationException { InnerException: { } cause } ? cause : e;
        var incident = new ActivityIncident(c.Activity.Id, c.NodeId, c.Activity.Type, e.Message, ExceptionState.FromException(inner), Time.GetUtcNow()) { ActivityInstanceId = c.Id, Attempt = c.Attempt };
        wf.IncidentList.Add(incident);
        wf.Journal.Add(c, "Faulted", e.Message, null, new Dictionary<string, object?> { ["attempt"] = c.Attempt });
        wf.Journal.Update(c, incident.Exception);
        StrategyOf(wf).HandleIncident(c);
        return ValueTask.CompletedTask;
    }

    private IIncidentStrategy StrategyOf(WorkflowExecutionContext wf)
    {
        var type = wf.Workflow.Options.IncidentStrategyType;
        return (type is null ? null : Array.Find(_strategies, s => s.GetType() == type)) ?? _strategies[0];
    }

    /// <summary>Commits in the middle of a run, when the run has a store behind it.</summary>
    internal async Task CommitMidRunAsync(WorkflowExecutionContext wf, object? pending = null)
    {
        wf.CommitDue = false;
        if (wf.MidRunCommit is not { } commit || wf.Status == WorkflowStatus.Finished) return;
        // Work just taken off the queue belongs to the committed state until it has run.
        if (pending is ScheduledWork work) wf.Scheduler.PutBack(work);
        wf.StoredInput = new Dictionary<string, object>(wf.Input, StringComparer.OrdinalIgnoreCase);
        wf.UpdatedAt = Time.GetUtcNow();
        await commit();
        if (pending is ScheduledWork) wf.Scheduler.Take();
    }

    /// <summary>Tasks and jobs change something outside: the state is committed before and after them.</summary>
    private static bool IsEffect(ActivityNode node) => node.Class.Descriptor.Kind is ActivityKind.Task or ActivityKind.Job;
}

/// <summary>An input could not be evaluated; names activity and input.</summary>
public sealed class InputEvaluationException(string activityType, string input, Exception inner) : Exception($"{activityType}: input {input}: {inner.Message}", inner)
{
    /// <summary>Name of the input.</summary>
    public string Input { get; } = input;
}

/// <summary>The run that the current code is part of, so that dispatches and writes made inside an activity join its commit.</summary>
internal static class Ambient
{
    private static readonly AsyncLocal<WorkflowExecutionContext?> Local = new();

    public static WorkflowExecutionContext? Current => Local.Value;

    public static Scope Enter(WorkflowExecutionContext wf)
    {
        var before = Local.Value;
        Local.Value = wf;
        return new Scope(before);
    }

    public readonly struct Scope(WorkflowExecutionContext? before) : IDisposable
    {
        public void Dispose() => Local.Value = before;
    }
}
