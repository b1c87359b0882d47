using System.Text.Json.Serialization;
using Elsa.Expressions.Models;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;

namespace Elsa.Workflows
{
    /// <summary>A step of a workflow. One object serves all runs of a definition: what belongs to a run lives in the context.</summary>
    public interface IActivity
    {
        /// <summary>Id, unique in the definition.</summary>
        string Id { get; set; }
        /// <summary>Ids from the root down to this activity, joined with ':'.</summary>
        string NodeId { get; set; }
        /// <summary>Name for scripts and people.</summary>
        string? Name { get; set; }
        /// <summary>Full type name.</summary>
        string Type { get; set; }
        /// <summary>Version of the activity type.</summary>
        int Version { get; set; }
        /// <summary>Settings of the engine and of the designer.</summary>
        IDictionary<string, object> CustomProperties { get; set; }
        /// <summary>Inputs that no property stands for.</summary>
        [JsonIgnore]
        IDictionary<string, object> SyntheticProperties { get; set; }
        /// <summary>Designer data.</summary>
        IDictionary<string, object> Metadata { get; set; }
        /// <summary>Whether it can run now.</summary>
        ValueTask<bool> CanExecuteAsync(ActivityExecutionContext context);
        /// <summary>Runs it.</summary>
        ValueTask ExecuteAsync(ActivityExecutionContext context);
    }

    /// <summary>An activity with a result.</summary>
    public interface IActivityWithResult
    {
        /// <summary>Where the result goes.</summary>
        Output? Result { get; set; }
    }

    /// <summary>An activity with a typed result.</summary>
    public interface IActivityWithResult<T> : IActivityWithResult
    {
        /// <summary>Where the result goes.</summary>
        new Output<T>? Result { get; set; }
    }

    /// <summary>An activity that can start a workflow.</summary>
    public interface ITrigger : IActivity
    {
        /// <summary>What the trigger listens for, one trigger per payload.</summary>
        ValueTask<IEnumerable<object>> GetTriggerPayloadsAsync(TriggerIndexingContext context);
    }

    /// <summary>A trigger that comes from within, such as a timer.</summary>
    public interface IEventGenerator : ITrigger;

    /// <summary>Ends its flowchart when it completes.</summary>
    public interface ITerminalNode;

    /// <summary>Where a flowchart starts.</summary>
    public interface IStartNode;

    /// <summary>An activity that declares variables.</summary>
    public interface IVariableContainer : IActivity
    {
        /// <summary>Its variables.</summary>
        ICollection<Variable> Variables { get; }
    }

    /// <summary>An activity made of others.</summary>
    public interface IComposite : IActivity
    {
        /// <summary>Prepares the parts.</summary>
        void Setup();
    }

    /// <summary>Receives signals of the activities below it.</summary>
    public interface ISignalHandler
    {
        /// <summary>Called for each signal that passes.</summary>
        ValueTask ReceiveSignalAsync(object signal, SignalContext context);
    }

    /// <summary>Added behaviour of an activity.</summary>
    public interface IBehavior : ISignalHandler
    {
        /// <summary>The activity it belongs to.</summary>
        IActivity Owner { get; }
        /// <summary>Called after the activity ran.</summary>
        ValueTask ExecuteAsync(ActivityExecutionContext context);
    }

    /// <summary>What sort of work an activity is.</summary>
    public enum ActivityKind
    {
        /// <summary>Quick work in the workflow's own burst.</summary>
        Action,
        /// <summary>Can start a workflow.</summary>
        Trigger,
        /// <summary>Long work.</summary>
        Job,
        /// <summary>Can run in the burst or as a job.</summary>
        Task,
    }

    /// <summary>State of one execution of an activity.</summary>
    public enum ActivityStatus
    {
        /// <summary>Scheduled.</summary>
        Pending,
        /// <summary>Started, or waiting.</summary>
        Running,
        /// <summary>Done.</summary>
        Completed,
        /// <summary>Cancelled.</summary>
        Canceled,
        /// <summary>Failed.</summary>
        Faulted,
    }

    /// <summary>Whether a workflow still lives.</summary>
    public enum WorkflowStatus
    {
        /// <summary>Runs or waits.</summary>
        Running,
        /// <summary>Ended.</summary>
        Finished,
    }

    /// <summary>Finer state of a workflow.</summary>
    public enum WorkflowSubStatus
    {
        /// <summary>Not started.</summary>
        Pending,
        /// <summary>In a burst.</summary>
        Executing,
        /// <summary>Waits.</summary>
        Suspended,
        /// <summary>Ended well.</summary>
        Finished,
        /// <summary>Cancelled.</summary>
        Cancelled,
        /// <summary>Ended by a fault.</summary>
        Faulted,
    }

    /// <summary>Called when a bookmark is resumed.</summary>
    public delegate ValueTask ExecuteActivityDelegate(ActivityExecutionContext context);

    /// <summary>Called when a scheduled child completes.</summary>
    public delegate ValueTask ActivityCompletionCallback(ActivityCompletedContext context);

    /// <summary>A child has completed: the activity that scheduled it, the child, its result.</summary>
    public sealed record ActivityCompletedContext(ActivityExecutionContext TargetContext, ActivityExecutionContext ChildContext, object? Result = null)
    {
        /// <summary>Stops the run.</summary>
        public CancellationToken CancellationToken => TargetContext.CancellationToken;
        /// <summary>A service of the run.</summary>
        public T GetRequiredService<T>() where T : notnull => TargetContext.GetRequiredService<T>();
        /// <summary>Completes the target.</summary>
        public ValueTask CompleteActivityAsync(object? result = null) => TargetContext.CompleteActivityAsync(result);
        /// <summary>Completes the target with outcomes.</summary>
        public ValueTask CompleteActivityWithOutcomesAsync(params string[] outcomes) => TargetContext.CompleteActivityWithOutcomesAsync(outcomes);
    }

    /// <summary>A signal on its way from an activity up through its ancestors.</summary>
    public sealed class SignalContext(ActivityExecutionContext receiver, ActivityExecutionContext sender, CancellationToken cancellationToken)
    {
        /// <summary>Who receives it now.</summary>
        public ActivityExecutionContext ReceiverActivityExecutionContext { get; } = receiver;
        /// <summary>Who sent it.</summary>
        public ActivityExecutionContext SenderActivityExecutionContext { get; } = sender;
        /// <summary>Stops the run.</summary>
        public CancellationToken CancellationToken { get; } = cancellationToken;
        /// <summary>The receiver is the sender.</summary>
        public bool IsSelf => ReceiverActivityExecutionContext == SenderActivityExecutionContext;
        internal bool StopPropagationRequested { get; private set; }
        /// <summary>Ancestors further up don't get it.</summary>
        public void StopPropagation() => StopPropagationRequested = true;
    }

    /// <summary>What a definition is while its triggers are indexed.</summary>
    public sealed record WorkflowIndexingContext(Activities.Workflow Workflow, CancellationToken CancellationToken);

    /// <summary>A trigger while it is indexed. No instance exists: only literals and definition-level expressions can be evaluated.</summary>
    public sealed class TriggerIndexingContext(WorkflowIndexingContext workflowIndexingContext, ExpressionExecutionContext expressionExecutionContext, ITrigger trigger, CancellationToken cancellationToken)
    {
        /// <summary>The definition.</summary>
        public WorkflowIndexingContext WorkflowIndexingContext { get; } = workflowIndexingContext;
        /// <summary>Scope with the evaluated inputs.</summary>
        public ExpressionExecutionContext ExpressionExecutionContext { get; } = expressionExecutionContext;
        /// <summary>The trigger.</summary>
        public ITrigger Trigger { get; } = trigger;
        /// <summary>Stops the indexing.</summary>
        public CancellationToken CancellationToken { get; } = cancellationToken;
        /// <summary>Name that the stimulus is hashed with; the activity type unless set.</summary>
        public string TriggerName { get; set; } = trigger.Type;
        /// <summary>Value of an input.</summary>
        public T? Get<T>(Input<T>? input) => input is null ? default : ExpressionExecutionContext.Get<T>(input.MemoryBlockReference());
    }

    /// <summary>A workflow written in code.</summary>
    public interface IWorkflow
    {
        /// <summary>Builds it.</summary>
        ValueTask BuildAsync(IWorkflowBuilder builder, CancellationToken cancellationToken = default);
    }

    /// <summary>Hashes what a bookmark or trigger waits for.</summary>
    public interface IStimulusHasher
    {
        /// <summary>SHA-256 in upper-case hex over name, payload and activity instance, joined with '|', empty parts left out.</summary>
        string Hash(string stimulusName, object? payload = null, string? activityInstanceId = null);
    }

    /// <summary>Decides what happens to the workflow when an activity faults.</summary>
    public interface IIncidentStrategy
    {
        /// <summary>Called after the incident is recorded.</summary>
        void HandleIncident(ActivityExecutionContext context);
    }

    /// <summary>Supplies the options of a control in the designer.</summary>
    public interface IPropertyUIHandler
    {
        /// <summary>Higher wins.</summary>
        float Priority { get; }
        /// <summary>Options of the control, by name.</summary>
        ValueTask<IDictionary<string, object>> GetUIPropertiesAsync(System.Reflection.PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken = default);
    }

    /// <summary>Base of UI handlers.</summary>
    public abstract class PropertyUIHandlerBase : IPropertyUIHandler
    {
        /// <inheritdoc />
        public virtual float Priority => 0;
        /// <inheritdoc />
        public abstract ValueTask<IDictionary<string, object>> GetUIPropertiesAsync(System.Reflection.PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken = default);
    }

    /// <summary>Gives the default value of an input.</summary>
    public interface IActivityPropertyDefaultValueProvider
    {
        /// <summary>The default value.</summary>
        object GetDefaultValue(System.Reflection.PropertyInfo property);
    }
}

namespace Elsa.Workflows.UIHints.Dropdown
{
    /// <summary>A choice in a drop-down.</summary>
    public sealed record SelectListItem(string Text, string Value);

    /// <summary>Supplies the choices of a drop-down.</summary>
    public abstract class DropDownOptionsProviderBase : PropertyUIHandlerBase
    {
        /// <summary>Ask again when another input changes.</summary>
        protected virtual bool RefreshOnChange => false;

        /// <summary>The choices.</summary>
        protected abstract ValueTask<ICollection<SelectListItem>> GetItemsAsync(System.Reflection.PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken);

        /// <inheritdoc />
        public override async ValueTask<IDictionary<string, object>> GetUIPropertiesAsync(System.Reflection.PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken = default)
        {
            var items = await GetItemsAsync(propertyInfo, context, cancellationToken);
            var result = new Dictionary<string, object> { ["dropdown"] = new { SelectList = new { Items = items, IsFlagsEnum = false } } };
            if (RefreshOnChange) result["Refresh"] = true;
            return result;
        }
    }
}

namespace Elsa.Workflows.Options
{
    /// <summary>How a child is scheduled.</summary>
    public sealed class ScheduleWorkOptions(ActivityCompletionCallback? completionCallback = null, object? tag = null, ICollection<Variable>? variables = null,
        ActivityExecutionContext? existingActivityExecutionContext = null, bool preventDuplicateScheduling = false, IDictionary<string, object>? input = null)
    {
        /// <summary>Instance method of the owner, called when the child completes.</summary>
        public ActivityCompletionCallback? CompletionCallback { get; set; } = completionCallback;
        /// <summary>Kept with the child's context.</summary>
        public object? Tag { get; set; } = tag;
        /// <summary>Variables declared for the child.</summary>
        public ICollection<Variable>? Variables { get; set; } = variables;
        /// <summary>Run again in this context.</summary>
        public ActivityExecutionContext? ExistingActivityExecutionContext { get; set; } = existingActivityExecutionContext;
        /// <summary>Don't schedule it twice for one owner.</summary>
        public bool PreventDuplicateScheduling { get; set; } = preventDuplicateScheduling;
        /// <summary>Input for the child.</summary>
        public IDictionary<string, object>? Input { get; set; } = input;
    }
}

namespace Elsa.Workflows.Signals
{
    /// <summary>Ends the nearest loop.</summary>
    public sealed record BreakSignal;

    /// <summary>Completes the nearest composite.</summary>
    public sealed record CompleteCompositeSignal(object? Value = null);

    /// <summary>A child has completed.</summary>
    public sealed record ActivityCompleted(object? Result = null);

    /// <summary>Cancels the receiver's children.</summary>
    public sealed record CancelSignal;
}

namespace Elsa.Workflows.Models
{
    /// <summary>How a bookmark is made.</summary>
    public sealed class CreateBookmarkArgs
    {
        /// <summary>Id; generated when null.</summary>
        public string? BookmarkId { get; set; }
        /// <summary>What it waits for.</summary>
        public object? Stimulus { get; set; }
        /// <summary>Instance method called when resumed.</summary>
        public ExecuteActivityDelegate? Callback { get; set; }
        /// <summary>Name it is hashed with; the activity type when null.</summary>
        public string? BookmarkName { get; set; }
        /// <summary>Removed when resumed.</summary>
        public bool AutoBurn { get; set; } = true;
        /// <summary>Only this activity instance matches.</summary>
        public bool IncludeActivityInstanceId { get; set; }
        /// <summary>Complete the activity when resumed without a callback.</summary>
        public bool AutoComplete { get; set; } = true;
        /// <summary>Free data.</summary>
        public IDictionary<string, string>? Metadata { get; set; }
    }

    /// <summary>A place where a workflow waits.</summary>
    public sealed record Bookmark(string Id, string Name, string Hash, object? Payload, string ActivityId, string ActivityNodeId, string? ActivityInstanceId,
        DateTimeOffset CreatedAt, bool AutoBurn = true, string? CallbackMethodName = null, bool AutoComplete = true, IDictionary<string, string>? Metadata = null);

    /// <summary>An exception as data.</summary>
    public sealed record ExceptionState(string Type, string Message, string? StackTrace, ExceptionState? InnerException, IDictionary<string, object>? Metadata = null)
    {
        /// <summary>Takes what is worth keeping of an exception.</summary>
        public static ExceptionState? FromException(Exception? e) => e is null ? null : new(
            e.GetType().Name, e.Message, e.StackTrace, FromException(e.InnerException),
            e is Exceptions.FaultException f ? new Dictionary<string, object> { ["Code"] = f.Code, ["Category"] = f.Category, ["Type"] = f.Type } : null);
    }

    /// <summary>A fault of an activity.</summary>
    public sealed record ActivityIncident(string ActivityId, string ActivityNodeId, string ActivityType, string Message, ExceptionState? Exception, DateTimeOffset Timestamp)
    {
        /// <summary>The execution that failed.</summary>
        public string? ActivityInstanceId { get; init; }
        /// <summary>Which attempt failed, from 1.</summary>
        public int Attempt { get; init; } = 1;
    }

    /// <summary>Names a definition or one version of it.</summary>
    public sealed class WorkflowDefinitionHandle
    {
        /// <summary>Definition over all versions.</summary>
        public string? DefinitionId { get; init; }
        /// <summary>Which version.</summary>
        public Common.Models.VersionOptions? VersionOptions { get; init; }
        /// <summary>One version.</summary>
        public string? DefinitionVersionId { get; init; }
        /// <summary>A definition; the published version unless told.</summary>
        public static WorkflowDefinitionHandle ByDefinitionId(string definitionId, Common.Models.VersionOptions? versionOptions = null) => new() { DefinitionId = definitionId, VersionOptions = versionOptions };
        /// <summary>One version.</summary>
        public static WorkflowDefinitionHandle ByDefinitionVersionId(string definitionVersionId) => new() { DefinitionVersionId = definitionVersionId };
    }

    /// <summary>Names an activity of a definition.</summary>
    public sealed record ActivityHandle(string? ActivityId = null, string? ActivityNodeId = null, string? ActivityInstanceId = null)
    {
        /// <summary>By id.</summary>
        public static ActivityHandle FromActivityId(string id) => new(ActivityId: id);
        /// <summary>By execution.</summary>
        public static ActivityHandle FromActivityInstanceId(string id) => new(ActivityInstanceId: id);
    }

    /// <summary>Options of a workflow.</summary>
    public sealed class WorkflowOptions
    {
        /// <summary>How many instances may live at once.</summary>
        public Type? ActivationStrategyType { get; set; }
        /// <summary>What a fault does.</summary>
        public Type? IncidentStrategyType { get; set; }
        /// <summary>When state is committed.</summary>
        public string? CommitStrategyName { get; set; }
        /// <summary>Offered as an activity.</summary>
        public bool? UsableAsActivity { get; set; }
        /// <summary>Consumers follow new versions.</summary>
        public bool AutoUpdateConsumingWorkflows { get; set; }
        /// <summary>Group in the picker.</summary>
        public string? ActivityCategory { get; set; }
    }
}

namespace Elsa.Common.Models
{
    /// <summary>Selects a version of a definition.</summary>
    public readonly record struct VersionOptions
    {
        /// <summary>The newest.</summary>
        public static readonly VersionOptions Latest = new() { IsLatest = true };
        /// <summary>The published one.</summary>
        public static readonly VersionOptions Published = new() { IsPublished = true };
        /// <summary>The published one, else the newest.</summary>
        public static readonly VersionOptions LatestOrPublished = new() { IsLatestOrPublished = true };
        /// <summary>The newest, if it is the published one.</summary>
        public static readonly VersionOptions LatestAndPublished = new() { IsLatestAndPublished = true };
        /// <summary>The unpublished newest.</summary>
        public static readonly VersionOptions Draft = new() { IsDraft = true };
        /// <summary>All.</summary>
        public static readonly VersionOptions All = new() { AllVersions = true };
        /// <summary>The newest.</summary>
        public bool IsLatest { get; init; }
        /// <summary>The published one, else the newest.</summary>
        public bool IsLatestOrPublished { get; init; }
        /// <summary>The newest, if it is the published one.</summary>
        public bool IsLatestAndPublished { get; init; }
        /// <summary>The published one.</summary>
        public bool IsPublished { get; init; }
        /// <summary>The unpublished newest.</summary>
        public bool IsDraft { get; init; }
        /// <summary>All.</summary>
        public bool AllVersions { get; init; }
        /// <summary>One number, or 0.</summary>
        public int Version { get; init; }
        /// <summary>One number.</summary>
        public static VersionOptions SpecificVersion(int version) => new() { Version = version };

        /// <summary>From <c>Latest</c>, <c>Published</c>, <c>LatestOrPublished</c>, <c>LatestAndPublished</c>, <c>Draft</c>, <c>AllVersions</c> or a number. Throws <see cref="FormatException"/>.</summary>
        public static VersionOptions FromString(string value) => TryParse(value, out var options) ? options
            : throw new FormatException($"'{value}' names no version; expected Latest, Published, LatestOrPublished, LatestAndPublished, Draft, AllVersions or a number from 1.");

        /// <summary>As <see cref="FromString"/>, but false for anything else.</summary>
        public static bool TryParse(string value, out VersionOptions versionOptions)
        {
            VersionOptions? found = value switch
            {
                "AllVersions" => All,
                "Draft" => Draft,
                "Latest" => Latest,
                "Published" => Published,
                "LatestOrPublished" => LatestOrPublished,
                "LatestAndPublished" => LatestAndPublished,
                _ => int.TryParse(value, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number) && number > 0 ? SpecificVersion(number) : null,
            };
            versionOptions = found ?? default;
            return found is not null;
        }
    }
}

namespace Elsa.Common
{
    /// <summary>The clock.</summary>
    public interface ISystemClock
    {
        /// <summary>Now, in UTC.</summary>
        DateTimeOffset UtcNow { get; }
    }
}

namespace Elsa.Workflows.Exceptions
{
    /// <summary>A fault with codes for people and reports.</summary>
    public sealed class FaultException(string code, string category, string type, string? message = null) : Exception(message)
    {
        /// <summary>Code, such as "ORDER-1".</summary>
        public string Code { get; } = code;
        /// <summary>Category.</summary>
        public string Category { get; } = category;
        /// <summary>System or business.</summary>
        public string Type { get; } = type;
    }
}
