using Elsa.Workflows.Models;

namespace Elsa.Workflows.Runtime.Messages
{
    /// <summary>Makes and runs an instance.</summary>
    public sealed class CreateAndRunWorkflowInstanceRequest
    {
        /// <summary>What to run.</summary>
        public WorkflowDefinitionHandle WorkflowDefinitionHandle { get; set; } = null!;
        /// <summary>Business key.</summary>
        public string? CorrelationId { get; set; }
        /// <summary>Name of the instance.</summary>
        public string? Name { get; set; }
        /// <summary>Input.</summary>
        public IDictionary<string, object>? Input { get; set; }
        /// <summary>First values of variables, by name.</summary>
        public IDictionary<string, object>? Variables { get; set; }
        /// <summary>Kept properties.</summary>
        public IDictionary<string, object>? Properties { get; set; }
        /// <summary>The instance that asks.</summary>
        public string? ParentId { get; set; }
        /// <summary>The activity that starts the run.</summary>
        public string? TriggerActivityId { get; set; }
        /// <summary>The activity to start with.</summary>
        public ActivityHandle? ActivityHandle { get; set; }
        /// <summary>Give the output back.</summary>
        public bool IncludeWorkflowOutput { get; set; }
    }

    /// <summary>Makes an instance without running it.</summary>
    public sealed class CreateWorkflowInstanceRequest
    {
        /// <summary>What to run.</summary>
        public WorkflowDefinitionHandle WorkflowDefinitionHandle { get; set; } = null!;
        /// <summary>Business key.</summary>
        public string? CorrelationId { get; set; }
        /// <summary>Name of the instance.</summary>
        public string? Name { get; set; }
        /// <summary>Input.</summary>
        public IDictionary<string, object>? Input { get; set; }
        /// <summary>Kept properties.</summary>
        public IDictionary<string, object>? Properties { get; set; }
        /// <summary>The instance that asks.</summary>
        public string? ParentId { get; set; }
    }

    /// <summary>An instance was made.</summary>
    public sealed record CreateWorkflowInstanceResponse;

    /// <summary>Runs an instance on.</summary>
    public sealed class RunWorkflowInstanceRequest
    {
        /// <summary>The activity that starts the run.</summary>
        public string? TriggerActivityId { get; set; }
        /// <summary>The bookmark to resume.</summary>
        public string? BookmarkId { get; set; }
        /// <summary>The activity to run.</summary>
        public ActivityHandle? ActivityHandle { get; set; }
        /// <summary>Kept properties.</summary>
        public IDictionary<string, object>? Properties { get; set; }
        /// <summary>Input.</summary>
        public IDictionary<string, object>? Input { get; set; }
        /// <summary>New values of variables, by name.</summary>
        public IDictionary<string, object>? Variables { get; set; }
        /// <summary>Give the output back.</summary>
        public bool IncludeWorkflowOutput { get; set; }
    }

    /// <summary>State of an instance after a run.</summary>
    public sealed class RunWorkflowInstanceResponse
    {
        /// <summary>The instance.</summary>
        public string WorkflowInstanceId { get; set; } = "";
        /// <summary>Whether it lives.</summary>
        public WorkflowStatus Status { get; set; }
        /// <summary>Finer state.</summary>
        public WorkflowSubStatus SubStatus { get; set; }
        /// <summary>Where it waits.</summary>
        public ICollection<Bookmark> Bookmarks { get; set; } = [];
        /// <summary>Faults.</summary>
        public ICollection<ActivityIncident> Incidents { get; set; } = [];
        /// <summary>Output, when asked for.</summary>
        public IDictionary<string, object>? Output { get; set; }
    }

    /// <summary>Starts a workflow if its activation strategy allows.</summary>
    public sealed class StartWorkflowRequest
    {
        /// <summary>What to run.</summary>
        public WorkflowDefinitionHandle? WorkflowDefinitionHandle { get; set; }
        /// <summary>Business key.</summary>
        public string? CorrelationId { get; set; }
        /// <summary>Input.</summary>
        public IDictionary<string, object>? Input { get; set; }
        /// <summary>First values of variables, by name.</summary>
        public IDictionary<string, object>? Variables { get; set; }
        /// <summary>Kept properties.</summary>
        public IDictionary<string, object>? Properties { get; set; }
        /// <summary>The instance that asks.</summary>
        public string? ParentId { get; set; }
        /// <summary>The activity that starts the run.</summary>
        public string? TriggerActivityId { get; set; }
    }

    /// <summary>What became of a start.</summary>
    public sealed class StartWorkflowResponse
    {
        /// <summary>The activation strategy refused.</summary>
        public bool CannotStart { get; set; }
        /// <summary>The instance, null when refused.</summary>
        public string? WorkflowInstanceId { get; set; }
        /// <summary>Whether it lives.</summary>
        public WorkflowStatus Status { get; set; }
        /// <summary>Finer state.</summary>
        public WorkflowSubStatus SubStatus { get; set; }
        /// <summary>Where it waits.</summary>
        public ICollection<Bookmark> Bookmarks { get; set; } = [];
        /// <summary>Faults.</summary>
        public ICollection<ActivityIncident> Incidents { get; set; } = [];
    }
}

namespace Elsa.Workflows.Runtime.Options
{
    /// <summary>What a resumer passes.</summary>
    public sealed class ResumeBookmarkOptions
    {
        /// <summary>Input for the callback.</summary>
        public IDictionary<string, object>? Input { get; set; }
        /// <summary>Kept properties.</summary>
        public IDictionary<string, object>? Properties { get; set; }
    }

    /// <summary>How a dispatch is done.</summary>
    public sealed class DispatchWorkflowOptions
    {
        /// <summary>Channel; all are one here.</summary>
        public string? Channel { get; set; }
    }
}

namespace Elsa.Workflows.Runtime.Filters
{
    /// <summary>Selects bookmarks; all given conditions must hold.</summary>
    public sealed class BookmarkFilter
    {
        /// <summary>By id.</summary>
        public string? BookmarkId { get; set; }
        /// <summary>By hash.</summary>
        public string? Hash { get; set; }
        /// <summary>By instance.</summary>
        public string? WorkflowInstanceId { get; set; }
        /// <summary>By business key.</summary>
        public string? CorrelationId { get; set; }
        /// <summary>By execution.</summary>
        public string? ActivityInstanceId { get; set; }
    }
}

namespace Elsa.Workflows.Runtime.Results
{
    /// <summary>What a stimulus did.</summary>
    public sealed record SendStimulusResult(ICollection<Messages.RunWorkflowInstanceResponse> WorkflowInstanceResponses);

    /// <summary>What a resumption did.</summary>
    public sealed record ResumeBookmarkResult(bool Matched, Messages.RunWorkflowInstanceResponse? Response);
}

namespace Elsa.Workflows.Runtime
{
    using Elsa.Workflows.Runtime.Filters;
    using Elsa.Workflows.Runtime.Messages;
    using Elsa.Workflows.Runtime.Options;
    using Elsa.Workflows.Runtime.Results;

    /// <summary>Gives clients of instances.</summary>
    public interface IWorkflowRuntime
    {
        /// <summary>A client of a new instance.</summary>
        ValueTask<IWorkflowClient> CreateClientAsync(CancellationToken cancellationToken = default);
        /// <summary>A client of an instance.</summary>
        ValueTask<IWorkflowClient> CreateClientAsync(string? workflowInstanceId, CancellationToken cancellationToken = default);
    }

    /// <summary>Drives one instance.</summary>
    public interface IWorkflowClient
    {
        /// <summary>The instance.</summary>
        string WorkflowInstanceId { get; }
        /// <summary>Makes it.</summary>
        Task<CreateWorkflowInstanceResponse> CreateInstanceAsync(CreateWorkflowInstanceRequest request, CancellationToken cancellationToken = default);
        /// <summary>Runs it on.</summary>
        Task<RunWorkflowInstanceResponse> RunInstanceAsync(RunWorkflowInstanceRequest request, CancellationToken cancellationToken = default);
        /// <summary>Makes and runs it.</summary>
        Task<RunWorkflowInstanceResponse> CreateAndRunInstanceAsync(CreateAndRunWorkflowInstanceRequest request, CancellationToken cancellationToken = default);
        /// <summary>Cancels it.</summary>
        Task CancelAsync(CancellationToken cancellationToken = default);
        /// <summary>Its state.</summary>
        Task<State.WorkflowState> ExportStateAsync(CancellationToken cancellationToken = default);
        /// <summary>Replaces its state.</summary>
        Task ImportStateAsync(State.WorkflowState workflowState, CancellationToken cancellationToken = default);
        /// <summary>Whether it is stored.</summary>
        Task<bool> InstanceExistsAsync(CancellationToken cancellationToken = default);
        /// <summary>Deletes it.</summary>
        Task<bool> DeleteAsync(CancellationToken cancellationToken = default);
    }

    /// <summary>Starts workflows within their activation strategy.</summary>
    public interface IWorkflowStarter
    {
        /// <summary>Starts one.</summary>
        Task<StartWorkflowResponse> StartWorkflowAsync(StartWorkflowRequest request, CancellationToken cancellationToken = default);
    }

    /// <summary>Where a stimulus goes.</summary>
    public sealed class StimulusMetadata
    {
        /// <summary>Only this instance.</summary>
        public string? WorkflowInstanceId { get; set; }
        /// <summary>Only this business key.</summary>
        public string? CorrelationId { get; set; }
        /// <summary>Only this execution.</summary>
        public string? ActivityInstanceId { get; set; }
        /// <summary>Only this bookmark.</summary>
        public string? BookmarkId { get; set; }
        /// <summary>Parent of what it starts.</summary>
        public string? ParentWorkflowInstanceId { get; set; }
        /// <summary>Input.</summary>
        public IDictionary<string, object>? Input { get; set; }
        /// <summary>Kept properties.</summary>
        public IDictionary<string, object>? Properties { get; set; }
    }

    /// <summary>Sends stimuli: starts matching triggers and resumes matching bookmarks.</summary>
    public interface IStimulusSender
    {
        /// <summary>By activity type (or bookmark name) and stimulus.</summary>
        Task<SendStimulusResult> SendAsync(string activityTypeName, object stimulus, StimulusMetadata? metadata = null, CancellationToken cancellationToken = default);
        /// <summary>By hash.</summary>
        Task<SendStimulusResult> SendAsync(string stimulusHash, StimulusMetadata? metadata = null, CancellationToken cancellationToken = default);
    }

    /// <summary>Names a bookmark to resume.</summary>
    public sealed class ResumeBookmarkRequest
    {
        /// <summary>The instance.</summary>
        public string WorkflowInstanceId { get; set; } = "";
        /// <summary>The bookmark.</summary>
        public string BookmarkId { get; set; } = "";
        /// <summary>Input for the callback.</summary>
        public IDictionary<string, object>? Input { get; set; }
    }

    /// <summary>Resumes bookmarks.</summary>
    public interface IBookmarkResumer
    {
        /// <summary>By activity and stimulus.</summary>
        Task<ResumeBookmarkResult> ResumeAsync<TActivity>(object stimulus, ResumeBookmarkOptions? options = null, CancellationToken cancellationToken = default) where TActivity : IActivity;
        /// <summary>By activity and stimulus, of one instance.</summary>
        Task<ResumeBookmarkResult> ResumeAsync<TActivity>(object stimulus, string? workflowInstanceId, ResumeBookmarkOptions? options = null, CancellationToken cancellationToken = default) where TActivity : IActivity;
        /// <summary>By bookmark id.</summary>
        Task<ResumeBookmarkResult> ResumeAsync(string bookmarkId, IDictionary<string, object> input, CancellationToken cancellationToken = default);
        /// <summary>By request.</summary>
        Task<ResumeBookmarkResult> ResumeAsync(ResumeBookmarkRequest request, CancellationToken cancellationToken = default);
        /// <summary>By filter.</summary>
        Task<ResumeBookmarkResult> ResumeAsync(BookmarkFilter filter, ResumeBookmarkOptions? options = null, CancellationToken cancellationToken = default);
    }

    /// <summary>Publishes events that Event activities wait for.</summary>
    public interface IEventPublisher
    {
        /// <summary>Publishes one. Inside an activity it joins the commit of the run; outside it is stored before the call returns.</summary>
        Task PublishAsync(string eventName, string? correlationId = null, string? workflowInstanceId = null, string? activityInstanceId = null, object? payload = null, bool asynchronous = false, CancellationToken cancellationToken = default);
    }

    /// <summary>Reports the end of tasks that RunTask waits for.</summary>
    public interface ITaskReporter
    {
        /// <summary>Reports one.</summary>
        Task ReportCompletionAsync(string taskId, object? result = default, CancellationToken cancellationToken = default);
    }

    /// <summary>A task that the outside shall do.</summary>
    public sealed record RunTaskRequest(ActivityExecutionContext ActivityExecutionContext, string TaskId, string TaskName, IDictionary<string, object>? TaskPayload);

    /// <summary>Hands tasks to the outside.</summary>
    public interface ITaskDispatcher
    {
        /// <summary>Hands one over.</summary>
        Task DispatchAsync(RunTaskRequest request, CancellationToken cancellationToken = default);
    }

    /// <summary>A stimulus that may come before its bookmark.</summary>
    public sealed class NewBookmarkQueueItem
    {
        /// <summary>The instance.</summary>
        public string? WorkflowInstanceId { get; set; }
        /// <summary>The bookmark.</summary>
        public string? BookmarkId { get; set; }
        /// <summary>Its hash.</summary>
        public string? StimulusHash { get; set; }
        /// <summary>The execution.</summary>
        public string? ActivityInstanceId { get; set; }
        /// <summary>Business key.</summary>
        public string? CorrelationId { get; set; }
        /// <summary>Activity type.</summary>
        public string? ActivityTypeName { get; set; }
        /// <summary>What to pass.</summary>
        public ResumeBookmarkOptions? Options { get; set; }
    }

    /// <summary>Keeps stimuli until their bookmark is stored.</summary>
    public interface IBookmarkQueue
    {
        /// <summary>Keeps one.</summary>
        Task EnqueueAsync(NewBookmarkQueueItem item, CancellationToken cancellationToken = default);
    }

    /// <summary>Starts a definition in the background.</summary>
    public sealed class DispatchWorkflowDefinitionRequest
    {
        /// <summary>An empty request.</summary>
        public DispatchWorkflowDefinitionRequest() { }
        /// <summary>Of a version.</summary>
        public DispatchWorkflowDefinitionRequest(string definitionVersionId) => DefinitionVersionId = definitionVersionId;
        /// <summary>The version, when known.</summary>
        public string? DefinitionVersionId { get; set; }
        /// <summary>The definition (its published version), when no version is given.</summary>
        public string? DefinitionId { get; set; }
        /// <summary>Parent instance.</summary>
        public string? ParentWorkflowInstanceId { get; set; }
        /// <summary>Input.</summary>
        public IDictionary<string, object>? Input { get; set; }
        /// <summary>Kept properties.</summary>
        public IDictionary<string, object>? Properties { get; set; }
        /// <summary>Business key.</summary>
        public string? CorrelationId { get; set; }
        /// <summary>Id of the instance to be; generated when null.</summary>
        public string? InstanceId { get; set; }
        /// <summary>The activity that starts the run.</summary>
        public string? TriggerActivityId { get; set; }
    }

    /// <summary>Runs an instance on in the background.</summary>
    public sealed class DispatchWorkflowInstanceRequest(string instanceId)
    {
        /// <summary>The instance.</summary>
        public string InstanceId { get; } = instanceId;
        /// <summary>The bookmark to resume.</summary>
        public string? BookmarkId { get; set; }
        /// <summary>Input.</summary>
        public IDictionary<string, object>? Input { get; set; }
    }

    /// <summary>Starts triggers in the background.</summary>
    public sealed class DispatchTriggerWorkflowsRequest(string activityTypeName, object bookmarkPayload)
    {
        /// <summary>Activity type.</summary>
        public string ActivityTypeName { get; } = activityTypeName;
        /// <summary>Stimulus.</summary>
        public object BookmarkPayload { get; } = bookmarkPayload;
        /// <summary>Business key.</summary>
        public string? CorrelationId { get; set; }
        /// <summary>Only this instance.</summary>
        public string? WorkflowInstanceId { get; set; }
        /// <summary>Input.</summary>
        public IDictionary<string, object>? Input { get; set; }
    }

    /// <summary>Resumes bookmarks in the background.</summary>
    public sealed class DispatchResumeWorkflowsRequest(string activityTypeName, object bookmarkPayload)
    {
        /// <summary>Activity type.</summary>
        public string ActivityTypeName { get; } = activityTypeName;
        /// <summary>Stimulus.</summary>
        public object BookmarkPayload { get; } = bookmarkPayload;
        /// <summary>Business key.</summary>
        public string? CorrelationId { get; set; }
        /// <summary>Only this instance.</summary>
        public string? WorkflowInstanceId { get; set; }
        /// <summary>Input.</summary>
        public IDictionary<string, object>? Input { get; set; }
    }

    /// <summary>What became of a dispatch.</summary>
    public sealed record DispatchWorkflowResponse(bool Succeeded, string? ErrorMessage = null)
    {
        /// <summary>It is stored.</summary>
        public static DispatchWorkflowResponse Success() => new(true);
    }

    /// <summary>Hands work to the durable queue. Inside an activity the work joins the commit of the run; outside it is stored before the call returns.</summary>
    public interface IWorkflowDispatcher
    {
        /// <summary>Starts a definition.</summary>
        Task<DispatchWorkflowResponse> DispatchAsync(DispatchWorkflowDefinitionRequest request, DispatchWorkflowOptions? options = null, CancellationToken cancellationToken = default);
        /// <summary>Runs an instance on.</summary>
        Task<DispatchWorkflowResponse> DispatchAsync(DispatchWorkflowInstanceRequest request, DispatchWorkflowOptions? options = null, CancellationToken cancellationToken = default);
        /// <summary>Starts triggers.</summary>
        Task<DispatchWorkflowResponse> DispatchAsync(DispatchTriggerWorkflowsRequest request, DispatchWorkflowOptions? options = null, CancellationToken cancellationToken = default);
        /// <summary>Resumes bookmarks.</summary>
        Task<DispatchWorkflowResponse> DispatchAsync(DispatchResumeWorkflowsRequest request, DispatchWorkflowOptions? options = null, CancellationToken cancellationToken = default);
    }
}
