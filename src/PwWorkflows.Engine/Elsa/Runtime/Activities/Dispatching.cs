using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.UIHints;
using PwWorkflows.Engine.Execution;

namespace Elsa.Workflows.Runtime.Activities;

/// <summary>
/// What the activities share that start other workflows. A child is handed to the durable queue in the commit of its parent; when the parent waits, the child's last commit sends
/// <see cref="WorkflowFinishedStimulus"/> back, so neither a crash nor a second node can lose either message.
/// </summary>
internal static class Children
{
    /// <summary>Property of a child whose end is reported to its parent.</summary>
    public const string WaitForCompletion = "WaitForCompletion";
    /// <summary>Property of a child: type of the activity that waits, which is the name its bookmark is hashed with.</summary>
    public const string WaitingActivityType = "WaitingActivityType";
    /// <summary>Inputs with which the report arrives.</summary>
    public const string OutputKey = "WorkflowOutput", SubStatusKey = "WorkflowSubStatus", InstanceIdKey = "WorkflowInstanceId";

    /// <summary>Hands a child over and gives its instance id.</summary>
    public static async Task<string> DispatchAsync(ActivityExecutionContext context, string? definitionId, string? correlationId, IDictionary<string, object>? input, bool wait, string? channel, ExecuteActivityDelegate onFinished)
    {
        if (string.IsNullOrWhiteSpace(definitionId)) throw new InvalidOperationException($"{context.Activity.Type} ({context.Activity.Id}): WorkflowDefinitionId is empty.");
        var request = new DispatchWorkflowDefinitionRequest
        {
            DefinitionId = definitionId,
            InstanceId = Ids.Part(),
            ParentWorkflowInstanceId = context.WorkflowExecutionContext.Id,
            CorrelationId = string.IsNullOrWhiteSpace(correlationId) ? null : correlationId,
            Input = input is null ? null : new Dictionary<string, object>(input),
        };
        if (context.GetService<PwWorkflows.Engine.EngineOptions>() is { InheritedProperties.Count: > 0 } options)
            foreach (var name in options.InheritedProperties)
                if (context.WorkflowExecutionContext.Properties.TryGetValue(name, out var value))
                    (request.Properties ??= new Dictionary<string, object>())[name] = value;
        if (wait)
        {
            request.Properties ??= new Dictionary<string, object>();
            (request.Properties[WaitForCompletion], request.Properties[WaitingActivityType]) = (true, context.Activity.Type);
            context.CreateBookmark(new WorkflowFinishedStimulus(request.InstanceId), onFinished, includeActivityInstanceId: false);
        }
        var response = await context.GetRequiredService<IWorkflowDispatcher>().DispatchAsync(request, string.IsNullOrWhiteSpace(channel) ? null : new Options.DispatchWorkflowOptions { Channel = channel }, context.CancellationToken);
        if (!response.Succeeded) throw new InvalidOperationException($"{context.Activity.Type} ({context.Activity.Id}): workflow '{definitionId}' could not be dispatched: {response.ErrorMessage}");
        return request.InstanceId;
    }

    /// <summary>What a finished child reported.</summary>
    public static ExecuteWorkflowResult ReportOf(ActivityExecutionContext context)
    {
        var subStatus = Enum.TryParse<WorkflowSubStatus>(context.GetWorkflowInput<string>(SubStatusKey), true, out var s) ? s : WorkflowSubStatus.Finished;
        return new ExecuteWorkflowResult(context.GetWorkflowInput<string>(InstanceIdKey) ?? "", subStatus, context.GetWorkflowInput<IDictionary<string, object>>(OutputKey));
    }
}

/// <summary>How a child workflow ended.</summary>
/// <param name="WorkflowInstanceId">The child.</param>
/// <param name="SubStatus">Finished, Faulted or Cancelled.</param>
/// <param name="Output">Its outputs by name.</param>
public sealed record ExecuteWorkflowResult(string WorkflowInstanceId, WorkflowSubStatus SubStatus, IDictionary<string, object>? Output);

/// <summary>Starts another workflow in the background; can wait for its end.</summary>
[Activity("Elsa", "Composition", "Create a new workflow instance of the specified workflow and dispatch it for execution.")]
public sealed class DispatchWorkflow : Activity<object?>
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public DispatchWorkflow([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The definition; its published version runs.</summary>
    [Required]
    [Input(DisplayName = "Workflow Definition", Description = "The definition ID of the workflow to dispatch.", UIHint = InputUIHints.WorkflowDefinitionPicker)]
    public Input<string> WorkflowDefinitionId { get; set; } = null!;
    /// <summary>Business key of the child.</summary>
    [Input(DisplayName = "Correlation ID", Description = "The correlation ID to associate the workflow with.")]
    public Input<string?> CorrelationId { get; set; } = null!;
    /// <summary>Input of the child.</summary>
    [Input(Description = "The input to send to the workflow.")]
    public Input<IDictionary<string, object>?> Input { get; set; } = null!;
    /// <summary>Wait for its end.</summary>
    [Input(DisplayName = "Wait for Completion", Description = "Wait for the child workflow to complete before completing this activity.")]
    public Input<bool> WaitForCompletion { get; set; } = null!;
    /// <summary>Start a trace of its own; every run has its own here.</summary>
    [Input(DisplayName = "Start New Trace", Description = "Start a new trace context when using Open Telemetry.", Category = "Open Telemetry")]
    public Input<bool> StartNewTrace { get; set; } = null!;
    /// <summary>Channel; all are one here.</summary>
    [Input(DisplayName = "Channel", Description = "The channel to dispatch the workflow to.", UIHint = InputUIHints.DropDown)]
    public Input<string?> ChannelName { get; set; } = null!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var wait = context.Get(WaitForCompletion);
        var id = await Children.DispatchAsync(context, context.Get(WorkflowDefinitionId), context.Get(CorrelationId), context.Get(Input), wait, context.Get(ChannelName), OnChildWorkflowCompletedAsync);
        context.JournalData["WorkflowInstanceId"] = id;
        if (wait) return;
        context.SetResult(id);
        await context.CompleteActivityAsync();
    }

    private async ValueTask OnChildWorkflowCompletedAsync(ActivityExecutionContext context)
    {
        var report = Children.ReportOf(context);
        context.JournalData["WorkflowInstanceId"] = report.WorkflowInstanceId;
        context.JournalData["WorkflowSubStatus"] = report.SubStatus.ToString();
        context.SetResult(report.Output);
        await context.CompleteActivityAsync();
    }
}

/// <summary>Starts another workflow and gives how it ended. The child always runs as an instance of its own, in the background.</summary>
[Activity("Elsa", "Composition", "Create a new workflow instance of the specified workflow and execute it.", Kind = ActivityKind.Task)]
public sealed class ExecuteWorkflow : Activity<ExecuteWorkflowResult>
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public ExecuteWorkflow([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The definition; its published version runs.</summary>
    [Required]
    [Input(DisplayName = "Workflow Definition", Description = "The definition ID of the workflow to execute.", UIHint = InputUIHints.WorkflowDefinitionPicker)]
    public Input<string> WorkflowDefinitionId { get; set; } = null!;
    /// <summary>Business key of the child.</summary>
    [Input(DisplayName = "Correlation ID", Description = "The correlation ID to associate the workflow with.")]
    public Input<string?> CorrelationId { get; set; } = null!;
    /// <summary>Input of the child.</summary>
    [Input(Description = "The input to send to the workflow.")]
    public Input<IDictionary<string, object>?> Input { get; set; } = null!;
    /// <summary>Wait for its end; else the result tells the instance only.</summary>
    [Input(DisplayName = "Wait for Completion", Description = "Wait for the child workflow to complete before completing this activity.")]
    public Input<bool> WaitForCompletion { get; set; } = null!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var wait = context.Get(WaitForCompletion);
        var id = await Children.DispatchAsync(context, context.Get(WorkflowDefinitionId), context.Get(CorrelationId), context.Get(Input), wait, null, OnChildWorkflowCompletedAsync);
        context.JournalData["WorkflowInstanceId"] = id;
        if (wait) return;
        context.SetResult(new ExecuteWorkflowResult(id, WorkflowSubStatus.Pending, null));
        await context.CompleteActivityAsync();
    }

    private async ValueTask OnChildWorkflowCompletedAsync(ActivityExecutionContext context)
    {
        var report = Children.ReportOf(context);
        context.JournalData["WorkflowInstanceId"] = report.WorkflowInstanceId;
        context.JournalData["WorkflowSubStatus"] = report.SubStatus.ToString();
        context.SetResult(report);
        await context.CompleteActivityAsync();
    }
}

/// <summary>Starts a workflow for each item; can wait for all of them and run an activity for each that ends.</summary>
[FlowNode("Completed", "Canceled", "Done")]
[Activity("Elsa", "Composition", "Create new workflow instances for each item in the data source and dispatch them for execution.", Kind = ActivityKind.Task)]
public sealed class BulkDispatchWorkflows : Activity
{
    private const string Pending = "PendingChildren";
    private const string Canceled = "CanceledChildren";

    /// <inheritdoc cref="Activity(string?, int?)" />
    public BulkDispatchWorkflows([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The definition; its published version runs.</summary>
    [Required]
    [Input(DisplayName = "Workflow Definition", Description = "The definition ID of the workflows to dispatch.", UIHint = InputUIHints.WorkflowDefinitionPicker)]
    public Input<string> WorkflowDefinitionId { get; set; } = null!;
    /// <summary>The items: a list, or text that holds a JSON array. An item that is an object becomes inputs by name.</summary>
    [Input(Description = "The data source to use for dispatching the workflows.")]
    public Input<object> Items { get; set; } = null!;
    /// <summary>Input under which an item arrives that is not an object.</summary>
    [Input(Description = "The default key to use for the input name when sending the current item to the dispatched workflow. Will not be used if the Items field contain a list of dictionaries", DefaultValue = "Item")]
    public Input<string> DefaultItemInputKey { get; set; } = new("Item");
    /// <summary>Business key of each child; the variables Item and ItemIndex tell the item.</summary>
    [Input(DisplayName = "Correlation ID Function", Description = "A function to compute the correlation ID to associate a dispatched workflow with.", AutoEvaluate = false)]
    public Input<string?> CorrelationIdFunction { get; set; } = null!;
    /// <summary>Input of every child.</summary>
    [Input(Description = "Additional input to send to the workflows being dispatched.")]
    public Input<IDictionary<string, object>?> Input { get; set; } = null!;
    /// <summary>Wait for all of them.</summary>
    [Input(DisplayName = "Wait for Completion", Description = "Wait for the dispatched workflows to complete before completing this activity.", DefaultValue = true)]
    public Input<bool> WaitForCompletion { get; set; } = new(true);
    /// <summary>Start a trace of its own; every run has its own here.</summary>
    [Input(DisplayName = "Start New Trace", Description = "Start a new trace context when using Open Telemetry.", Category = "Open Telemetry")]
    public Input<bool> StartNewTrace { get; set; } = null!;
    /// <summary>Channel; all are one here.</summary>
    [Input(DisplayName = "Channel", Description = "The channel to dispatch the workflow to.", UIHint = InputUIHints.DropDown)]
    public Input<string?> ChannelName { get; set; } = null!;
    /// <summary>Runs for each child that finished; the variables ChildInstanceId and ChildOutput tell which.</summary>
    [Port]
    public IActivity? ChildCompleted { get; set; }
    /// <summary>Runs for each child that faulted; the variables ChildInstanceId and ChildOutput tell which.</summary>
    [Port]
    public IActivity? ChildFaulted { get; set; }

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var items = context.Get(Items).ConvertTo<List<object?>>() ?? [];
        var wait = context.Get(WaitForCompletion);
        for (var i = 0; i < items.Count; i++)
        {
            var input = new Dictionary<string, object>(context.Get(Input) ?? new Dictionary<string, object>());
            if (items[i] is IDictionary<string, object> map)
                foreach (var (key, value) in map) input[key] = value;
            else input[context.Get(DefaultItemInputKey) is { Length: > 0 } itemKey ? itemKey : "Item"] = items[i]!;
            await Children.DispatchAsync(context, context.Get(WorkflowDefinitionId), await CorrelationIdOfAsync(context, items[i], i), input, wait, context.Get(ChannelName), OnChildWorkflowCompletedAsync);
        }
        if (!wait) await context.CompleteActivityWithOutcomesAsync("Done");
        else
        {
            context.SetProperty(Pending, items.Count);
            if (items.Count == 0) await EndAsync(context);
        }
    }

    private async ValueTask<string?> CorrelationIdOfAsync(ActivityExecutionContext context, object? item, int index)
    {
        if (CorrelationIdFunction?.Expression is not { } expression) return null;
        var memory = new MemoryRegister();
        foreach (var variable in new Variable[] { new("Item", item, "Item"), new("ItemIndex", index, "ItemIndex") }) memory.Blocks[variable.Id] = variable.Declare();
        var scope = new ExpressionExecutionContext(context.ExpressionExecutionContext.ServiceProvider, memory, context.ExpressionExecutionContext, null, context.CancellationToken);
        return (string?)await context.WorkflowExecutionContext.Runner.Evaluator.EvaluateAsync(expression, typeof(string), scope);
    }

    private async ValueTask OnChildWorkflowCompletedAsync(ActivityExecutionContext context)
    {
        var report = Children.ReportOf(context);
        context.UpdateProperty<int>(Pending, n => n - 1);
        if (report.SubStatus == WorkflowSubStatus.Cancelled) context.UpdateProperty<int>(Canceled, n => n + 1);
        var port = report.SubStatus switch { WorkflowSubStatus.Finished => ChildCompleted, WorkflowSubStatus.Faulted => ChildFaulted, _ => null };
        if (port is not null) await context.ScheduleActivityAsync(port, OnPortCompletedAsync, variables: [new Variable("ChildInstanceId", report.WorkflowInstanceId), new Variable("ChildOutput", report.Output)]);
        else if (context.GetProperty<int>(Pending) == 0 && !context.HasOtherChildren(context)) await EndAsync(context);
    }

    private ValueTask OnPortCompletedAsync(ActivityCompletedContext context) =>
        context.TargetContext.GetProperty<int>(Pending) == 0 && !context.TargetContext.HasOtherChildren(context.ChildContext) ? EndAsync(context.TargetContext) : ValueTask.CompletedTask;

    private static ValueTask EndAsync(ActivityExecutionContext context) => context.CompleteActivityWithOutcomesAsync(context.GetProperty<int>(Canceled) > 0 ? "Canceled" : "Completed", "Done");
}
