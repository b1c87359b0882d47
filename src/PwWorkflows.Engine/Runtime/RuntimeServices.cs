using Elsa.Workflows;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Activities;
using Elsa.Workflows.Runtime.Filters;
using Elsa.Workflows.Runtime.Messages;
using Elsa.Workflows.Runtime.Options;
using Elsa.Workflows.Runtime.Results;
using Elsa.Workflows.Runtime.Stimuli;
using Elsa.Workflows.State;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine;

/// <summary>The runtime services that activities and hosts call. Inside an activity, dispatches and stimuli join the commit of the run; outside they are stored before the call returns.</summary>
internal sealed class RuntimeServices(IEngineStore store, QueueWorker queue, InstanceRunner runner, WorkflowCatalog catalog, IStimulusHasher hasher, EngineOptions options, TimeProvider time)
    : IWorkflowDispatcher, IStimulusSender, IBookmarkResumer, IBookmarkQueue, IEventPublisher, ITaskReporter, ITaskDispatcher, IWorkflowStarter, IWorkflowRuntime
{
    private readonly IEngineStore _store = store;
    private readonly QueueWorker _queue = queue;
    private readonly InstanceRunner _runner = runner;
    private readonly WorkflowCatalog _catalog = catalog;
    private readonly IStimulusHasher _hasher = hasher;
    private readonly EngineOptions _options = options;
    private readonly TimeProvider _time = time;
    private static readonly SendStimulusResult Stored = new([]);

    // ---- dispatch

    public async Task<DispatchWorkflowResponse> DispatchAsync(DispatchWorkflowDefinitionRequest request, DispatchWorkflowOptions? o = null, CancellationToken cancellationToken = default)
    {
        if (request.DefinitionVersionId is null && (request.DefinitionId is null || _catalog.FindPublishedRow(request.DefinitionId) is null))
            return new DispatchWorkflowResponse(false, $"There is no published workflow '{request.DefinitionId}'.");
        var now = _time.GetUtcNow();
        await SubmitAsync(WorkItems.Start(request.InstanceId ?? Ids.Row(now),
            new WorkItems.StartPayload(request.DefinitionId, request.DefinitionVersionId, request.Input!, request.ParentWorkflowInstanceId, null, request.TriggerActivityId, null, WithStarter(request.Properties!)), request.CorrelationId, _time), cancellationToken);
        return DispatchWorkflowResponse.Success();
    }

    // Who started a workflow has started those that it starts.
    private static IDictionary<string, object?>? WithStarter(IDictionary<string, object?>? properties) =>
        Ambient.Current?.GetProperty<string>(StartArguments.StartedBy) is not { } user ? properties : new Dictionary<string, object?>(properties ?? new Dictionary<string, object?>()) { [StartArguments.StartedBy] = user };

    public async Task<DispatchWorkflowResponse> DispatchAsync(DispatchWorkflowInstanceRequest request, DispatchWorkflowOptions? o = null, CancellationToken cancellationToken = default)
    {
        await SubmitAsync(WorkItems.Resume(request.InstanceId, request.BookmarkId ?? throw new ArgumentException("A bookmark id is needed to run an instance on.", nameof(request)), _time.GetUtcNow(), _time, request.Input!, timer: false), cancellationToken);
        return DispatchWorkflowResponse.Success();
    }

    public async Task<DispatchWorkflowResponse> DispatchAsync(DispatchTriggerWorkflowsRequest request, DispatchWorkflowOptions? o = null, CancellationToken cancellationToken = default)
    {
        await SubmitAsync(Stimulus(_hasher.Hash(request.ActivityTypeName, request.BookmarkPayload), new StimulusMetadata { CorrelationId = request.CorrelationId, WorkflowInstanceId = request.WorkflowInstanceId, Input = request.Input }), cancellationToken);
        return DispatchWorkflowResponse.Success();
    }

    public async Task<DispatchWorkflowResponse> DispatchAsync(DispatchResumeWorkflowsRequest request, DispatchWorkflowOptions? o = null, CancellationToken cancellationToken = default)
    {
        await SubmitAsync(Stimulus(_hasher.Hash(request.ActivityTypeName, request.BookmarkPayload), new StimulusMetadata { CorrelationId = request.CorrelationId, WorkflowInstanceId = request.WorkflowInstanceId, Input = request.Input }, triggers: false), cancellationToken);
        return DispatchWorkflowResponse.Success();
    }

    private Task SubmitAsync(WorkItem item, CancellationToken ct)
    {
        if (Ambient.Current is { } run)
        {
            run.Burst.Enqueue.Add(item);
            return Task.CompletedTask;
        }
        return _queue.EnqueueHereAsync([item], ct);
    }

    // ---- stimuli

    private WorkItem Stimulus(string hash, StimulusMetadata? m, bool triggers = true)
    {
        var now = _time.GetUtcNow();
        return new WorkItem(Ids.Row(now), WorkKind.Stimulus, null, now,
            WorkItems.Write(new WorkItems.StimulusPayload(m?.WorkflowInstanceId, m?.ActivityInstanceId, m?.Input!, now + _options.StimulusRetention, triggers && m?.WorkflowInstanceId is null)), hash, m?.CorrelationId);
    }

    public Task<SendStimulusResult> SendAsync(string activityTypeName, object stimulus, StimulusMetadata? metadata = null, CancellationToken cancellationToken = default) =>
        SendAsync(_hasher.Hash(activityTypeName, stimulus, metadata?.ActivityInstanceId), metadata, cancellationToken);

    public async Task<SendStimulusResult> SendAsync(string stimulusHash, StimulusMetadata? metadata = null, CancellationToken cancellationToken = default)
    {
        var item = Stimulus(stimulusHash, metadata);
        if (Ambient.Current is not null)
        {
            await SubmitAsync(item, cancellationToken);
            return Stored;
        }
        // Who waits for the outcome needs no row of the queue to have it: the answer is the commit. What can't be met now waits in the queue as ever.
        if (metadata?.WorkflowInstanceId is { } instance
            && await _runner.ResumeByStimulusAsync(instance, stimulusHash, metadata.CorrelationId, metadata.ActivityInstanceId, metadata.Input!, cancellationToken) is { } direct)
            return new SendStimulusResult([Response(direct)]);
        var outcomes = await _queue.RunAndWaitAsync(item, cancellationToken);
        return new SendStimulusResult([.. outcomes.Where(o => o.Matched).Select(o => Response(o))]);
    }

    public async Task PublishAsync(string eventName, string? correlationId = null, string? workflowInstanceId = null, string? activityInstanceId = null, object? payload = null, bool asynchronous = false, CancellationToken cancellationToken = default)
    {
        var metadata = new StimulusMetadata { CorrelationId = correlationId, WorkflowInstanceId = workflowInstanceId, ActivityInstanceId = activityInstanceId };
        if (payload is not null) metadata.Input = new Dictionary<string, object> { [Event.EventPayloadWorkflowInputKey] = payload };
        var hash = _hasher.Hash("Elsa.Event", new EventStimulus(eventName));
        if (asynchronous || Ambient.Current is not null) await SubmitAsync(Stimulus(hash, metadata), cancellationToken);
        else await SendAsync(hash, metadata, cancellationToken);
    }

    public Task ReportCompletionAsync(string taskId, object? result = default, CancellationToken cancellationToken = default) =>
        SendAsync(_hasher.Hash("Elsa.RunTask", new RunTaskStimulus(taskId, "")), new StimulusMetadata { Input = new Dictionary<string, object> { [RunTask.InputKey] = result! } }, cancellationToken);

    /// <summary>Nobody takes tasks by default: who reports their completion finds them by the bookmark.</summary>
    public Task DispatchAsync(RunTaskRequest request, CancellationToken cancellationToken = default) => Task.CompletedTask;

    public Task EnqueueAsync(NewBookmarkQueueItem item, CancellationToken cancellationToken = default)
    {
        if (item.BookmarkId is { } bookmark && item.WorkflowInstanceId is { } instance) return SubmitAsync(WorkItems.Resume(instance, bookmark, _time.GetUtcNow(), _time, item.Options?.Input!, timer: false), cancellationToken);
        var hash = item.StimulusHash ?? throw new ArgumentException("A stimulus hash, or a bookmark with its instance, is needed.", nameof(item));
        return SubmitAsync(Stimulus(hash, new StimulusMetadata { WorkflowInstanceId = item.WorkflowInstanceId, ActivityInstanceId = item.ActivityInstanceId, CorrelationId = item.CorrelationId, Input = item.Options?.Input }, triggers: false), cancellationToken);
    }

    // ---- bookmarks

    public Task<ResumeBookmarkResult> ResumeAsync<TActivity>(object stimulus, ResumeBookmarkOptions? o = null, CancellationToken cancellationToken = default) where TActivity : IActivity => ResumeAsync<TActivity>(stimulus, null, o, cancellationToken);

    public Task<ResumeBookmarkResult> ResumeAsync<TActivity>(object stimulus, string? workflowInstanceId, ResumeBookmarkOptions? o = null, CancellationToken cancellationToken = default) where TActivity : IActivity =>
        ResumeAsync(new BookmarkFilter { Hash = _hasher.Hash(ActivityClass.Of(typeof(TActivity)).TypeName, stimulus), WorkflowInstanceId = workflowInstanceId }, o, cancellationToken);

    public Task<ResumeBookmarkResult> ResumeAsync(string bookmarkId, IDictionary<string, object> input, CancellationToken cancellationToken = default) =>
        ResumeAsync(new BookmarkFilter { BookmarkId = bookmarkId }, new ResumeBookmarkOptions { Input = input }, cancellationToken);

    public Task<ResumeBookmarkResult> ResumeAsync(ResumeBookmarkRequest request, CancellationToken cancellationToken = default) =>
        ResumeAsync(new BookmarkFilter { BookmarkId = request.BookmarkId, WorkflowInstanceId = request.WorkflowInstanceId }, new ResumeBookmarkOptions { Input = request.Input }, cancellationToken);

    public async Task<ResumeBookmarkResult> ResumeAsync(BookmarkFilter filter, ResumeBookmarkOptions? o = null, CancellationToken cancellationToken = default)
    {
        var found = filter.BookmarkId is { } id ? await _store.GetBookmarkAsync(id, cancellationToken) is { } b ? [b] : [] :
            filter.Hash is { } hash ? await _store.FindBookmarksAsync(hash, filter.WorkflowInstanceId, filter.CorrelationId, filter.ActivityInstanceId, cancellationToken)
            : throw new ArgumentException("A bookmark id or a hash is needed.", nameof(filter));
        ResumeBookmarkResult? last = null;
        foreach (var bookmark in found)
        {
            if (filter.WorkflowInstanceId is { } instance && bookmark.InstanceId != instance) continue;
            var outcome = await ResumeNowAsync(bookmark.InstanceId, bookmark.Id, o?.Input, cancellationToken);
            last = new ResumeBookmarkResult(outcome is { Matched: true }, outcome is { Matched: true } ? Response(outcome) : null);
        }
        return last ?? new ResumeBookmarkResult(false, null);
    }

    /// <summary>Resumes a bookmark for a caller that waits; through the queue only when another node runs the instance now.</summary>
    private async Task<RunOutcome?> ResumeNowAsync(string instanceId, string bookmarkId, IDictionary<string, object>? input, CancellationToken ct)
    {
        if (Ambient.Current is null && await _runner.ResumeAsync(instanceId, bookmarkId, input!, [], ct) is { } outcome) return outcome;
        var outcomes = await _queue.RunAndWaitAsync(WorkItems.Resume(instanceId, bookmarkId, _time.GetUtcNow(), _time, input!, timer: false), ct);
        return outcomes is [var one] ? one : null;
    }

    // ---- starting

    public async Task<StartWorkflowResponse> StartWorkflowAsync(StartWorkflowRequest request, CancellationToken cancellationToken = default)
    {
        var compiled = await _catalog.ResolveAsync(request.WorkflowDefinitionHandle ?? throw new ArgumentException("A definition handle is needed.", nameof(request)), cancellationToken);
        var o = await _runner.StartAsync(compiled, new StartArguments(Ids.Row(_time.GetUtcNow()), request.CorrelationId, request.Input!, request.ParentId, request.TriggerActivityId, null, request.Properties!, request.Variables!), cancellationToken);
        return o.CannotStart ? new StartWorkflowResponse { CannotStart = true }
            : new StartWorkflowResponse { WorkflowInstanceId = o.InstanceId, Status = o.Status, SubStatus = o.SubStatus, Bookmarks = [.. o.Bookmarks], Incidents = [.. o.Incidents] };
    }

    public ValueTask<IWorkflowClient> CreateClientAsync(CancellationToken cancellationToken = default) => CreateClientAsync(null, cancellationToken);

    public ValueTask<IWorkflowClient> CreateClientAsync(string? workflowInstanceId, CancellationToken cancellationToken = default) => ValueTask.FromResult<IWorkflowClient>(new Client(this, workflowInstanceId ?? Ids.Row(_time.GetUtcNow())));

    private static RunWorkflowInstanceResponse Response(RunOutcome o, bool output = false) => new()
    {
        WorkflowInstanceId = o.InstanceId,
        Status = o.Status,
        SubStatus = o.SubStatus,
        Bookmarks = [.. o.Bookmarks],
        Incidents = [.. o.Incidents],
        Output = output ? o.Output : null,
    };

    private sealed class Client(RuntimeServices services, string id) : IWorkflowClient
    {
        private CreateWorkflowInstanceRequest? _created;

        public string WorkflowInstanceId => id;

        public Task<CreateWorkflowInstanceResponse> CreateInstanceAsync(CreateWorkflowInstanceRequest request, CancellationToken cancellationToken = default)
        {
            _created = request;
            return Task.FromResult(new CreateWorkflowInstanceResponse());
        }

        public async Task<RunWorkflowInstanceResponse> RunInstanceAsync(RunWorkflowInstanceRequest request, CancellationToken cancellationToken = default)
        {
            if (_created is { } c)
            {
                _created = null;
                return await CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest
                {
                    WorkflowDefinitionHandle = c.WorkflowDefinitionHandle,
                    CorrelationId = c.CorrelationId,
                    Name = c.Name,
                    Input = request.Input ?? c.Input,
                    Properties = c.Properties,
                    ParentId = c.ParentId,
                    TriggerActivityId = request.TriggerActivityId,
                    Variables = request.Variables,
                    IncludeWorkflowOutput = request.IncludeWorkflowOutput,
                }, cancellationToken);
            }
            var bookmark = request.BookmarkId ?? throw new ArgumentException($"Instance {id} is stored; a bookmark id is needed to run it on.", nameof(request));
            return await services.ResumeNowAsync(id, bookmark, request.Input, cancellationToken) is { Matched: true } o ? Response(o, request.IncludeWorkflowOutput) : throw new InvalidOperationException($"Instance {id} has no bookmark {bookmark}.");
        }

        public async Task<RunWorkflowInstanceResponse> CreateAndRunInstanceAsync(CreateAndRunWorkflowInstanceRequest request, CancellationToken cancellationToken = default)
        {
            var compiled = await services._catalog.ResolveAsync(request.WorkflowDefinitionHandle, cancellationToken);
            var o = await services._runner.StartAsync(compiled, new StartArguments(id, request.CorrelationId, request.Input!, request.ParentId, request.TriggerActivityId, request.Name, request.Properties!, request.Variables!), cancellationToken);
            return o.CannotStart ? throw new InvalidOperationException($"The activation strategy of '{compiled.DefinitionId}' allows no other instance now.") : Response(o, request.IncludeWorkflowOutput);
        }

        public async Task CancelAsync(CancellationToken cancellationToken = default) =>
            await services._queue.RunAndWaitAsync(new WorkItem(Ids.Row(services._time.GetUtcNow()), WorkKind.Cancel, id, services._time.GetUtcNow(), WorkItems.Write(new object())), cancellationToken);

        public async Task<WorkflowState> ExportStateAsync(CancellationToken cancellationToken = default)
        {
            var row = await services._store.GetInstanceAsync(id, cancellationToken) ?? throw new InvalidOperationException($"There is no instance {id}.");
            var o = (await services._runner.GetOutcomeAsync(id, cancellationToken))!;
            return new WorkflowState
            {
                Id = id,
                DefinitionId = row.DefinitionId,
                DefinitionVersionId = row.DefinitionVersionId,
                DefinitionVersion = row.Version,
                CorrelationId = row.CorrelationId,
                Name = row.Name,
                Status = o.Status,
                SubStatus = o.SubStatus,
                Bookmarks = [.. o.Bookmarks],
                Incidents = [.. o.Incidents],
                Output = o.Output,
                CreatedAt = row.CreatedAt,
                UpdatedAt = row.UpdatedAt,
                FinishedAt = row.FinishedAt,
            };
        }

        public Task ImportStateAsync(WorkflowState workflowState, CancellationToken cancellationToken = default) => services._runner.UpdateAsync(id, wf =>
        {
            wf.CorrelationId = workflowState.CorrelationId;
            wf.Name = workflowState.Name;
            foreach (var (key, value) in workflowState.Properties) wf.Properties[key] = value;
        }, cancellationToken);

        public async Task<bool> InstanceExistsAsync(CancellationToken cancellationToken = default) => await services._store.GetInstanceAsync(id, cancellationToken) is not null;

        public async Task<bool> DeleteAsync(CancellationToken cancellationToken = default) => await services._store.DeleteInstancesAsync([id], cancellationToken) > 0;
    }
}
