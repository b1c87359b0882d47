using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime.Stimuli;
using PwWorkflows.Engine.Execution;

namespace Elsa.Workflows.Runtime.Activities;

/// <summary>Waits for an event, or starts a workflow on it.</summary>
[Activity("Elsa", "Primitives", "Wait for an event to be published.")]
public sealed class Event : Trigger<object?>
{
    /// <summary>Workflow input under which the payload of an event arrives.</summary>
    public const string EventPayloadWorkflowInputKey = "__EventPayloadWorkflowInput";

    /// <summary>To be filled in.</summary>
    public Event() { }
    /// <summary>A named event.</summary>
    public Event(string eventName, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<string>(eventName), source, line) { }
    /// <summary>A named event.</summary>
    public Event(Func<string> eventName, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<string>(eventName), source, line) { }
    /// <summary>A named event.</summary>
    public Event(Func<ExpressionExecutionContext, string?> eventName, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<string>(c => eventName(c)!), source, line) { }
    /// <summary>A named event.</summary>
    public Event(Variable<string> variable, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<string>((Variable)variable), source, line) { }
    /// <summary>A named event.</summary>
    public Event(Input<string> eventName, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => EventName = eventName;

    /// <summary>Name of the event; upper and lower case matter.</summary>
    [Required]
    [Input(Description = "The name of the event to listen for.")]
    public Input<string> EventName { get; set; } = null!;

    /// <inheritdoc />
    protected override object GetTriggerPayload(TriggerIndexingContext context) => Stimulus(context.Get(EventName));

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (context.IsTriggerOfWorkflow()) await CompleteInternalAsync(context);
        else context.CreateBookmark(Stimulus(context.Get(EventName)), CompleteInternalAsync, includeActivityInstanceId: false);
    }

    private EventStimulus Stimulus(string? name) => string.IsNullOrWhiteSpace(name) ? throw new InvalidOperationException($"{Type} ({Id}): EventName is empty.") : new EventStimulus(name);

    private async ValueTask CompleteInternalAsync(ActivityExecutionContext context)
    {
        context.SetResult(context.GetWorkflowInput<object>(EventPayloadWorkflowInputKey));
        await context.CompleteActivityAsync();
    }
}

/// <summary>Publishes an event: it starts the workflows and resumes the activities that wait for it.</summary>
[Activity("Elsa", "Primitives", "Publishes an event.")]
public sealed class PublishEvent : CodeActivity
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public PublishEvent([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Name of the event.</summary>
    [Required]
    [Input(Description = "The name of the event to publish.")]
    public Input<string> EventName { get; set; } = null!;
    /// <summary>Only workflows with this business key.</summary>
    [Input(Description = "The correlation ID to scope the event to.")]
    public Input<string?> CorrelationId { get; set; } = null!;
    /// <summary>Only this instance.</summary>
    [Input(DisplayName = "Local event", Description = "Whether the event is local to the workflow. When checked, the event will be delivered to this workflow instance only.")]
    public Input<bool> IsLocalEvent { get; set; } = null!;
    /// <summary>Becomes the result of the waiting activities.</summary>
    [Input(Description = "The payload to send as the event body.")]
    public Input<object?> Payload { get; set; } = null!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var name = EventName.Get(context);
        if (string.IsNullOrWhiteSpace(name)) throw new InvalidOperationException($"{Type} ({Id}): EventName is empty.");
        var correlationId = context.Get(CorrelationId);
        await context.GetRequiredService<IEventPublisher>().PublishAsync(name, string.IsNullOrWhiteSpace(correlationId) ? null : correlationId,
            context.Get(IsLocalEvent) ? context.WorkflowExecutionContext.Id : null, null, context.Get(Payload), asynchronous: true, context.CancellationToken);
    }
}

/// <summary>Hands a task to the outside and waits until its end is reported.</summary>
[Activity("Elsa", "Primitives", "Requests a given task to be run. ")]
public sealed class RunTask : Activity<object?>
{
    /// <summary>Workflow input under which the result of a task arrives.</summary>
    public const string InputKey = "RunTaskInput";

    /// <summary>To be filled in.</summary>
    public RunTask() { }
    /// <summary>A named task.</summary>
    public RunTask(string taskName, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<string>(taskName), source, line) { }
    /// <summary>A named task.</summary>
    public RunTask(Input<string> taskName, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => TaskName = taskName;

    /// <summary>Name of the task.</summary>
    [Required]
    [Input(Description = "The name of the task being requested.")]
    public Input<string> TaskName { get; set; } = null!;
    /// <summary>Parameters of the task.</summary>
    [Input(Description = "Any additional parameters to send to the task.")]
    public Input<IDictionary<string, object>?> Payload { get; set; } = null!;
    /// <summary>Id by which its end is reported.</summary>
    [Output(Description = "The ID of the task that was requested to run.")]
    public Output<string>? TaskId { get; set; }

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var name = TaskName.Get(context);
        if (string.IsNullOrWhiteSpace(name)) throw new InvalidOperationException($"{Type} ({Id}): TaskName is empty.");
        var id = Ids.Part();
        context.Set(TaskId, id);
        context.CreateBookmark(new RunTaskStimulus(id, name), ResumeAsync, includeActivityInstanceId: false);
        await context.GetRequiredService<ITaskDispatcher>().DispatchAsync(new RunTaskRequest(context, id, name, context.Get(Payload)), context.CancellationToken);
    }

    private async ValueTask ResumeAsync(ActivityExecutionContext context)
    {
        context.SetResult(context.GetWorkflowInput<object>(InputKey));
        await context.CompleteActivityAsync();
    }
}
