using System.Collections.Concurrent;
using System.Globalization;
using Elsa.Workflows;
using Elsa.Workflows.ActivationValidators;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime.Activities;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine;

/// <summary>What a new instance starts with.</summary>
internal sealed record StartArguments(string InstanceId, string? CorrelationId, IDictionary<string, object?>? Input, string? ParentInstanceId = null, string? TriggerActivityId = null, string? Name = null,
    IDictionary<string, object?>? Properties = null, IDictionary<string, object?>? Variables = null)
{
    /// <summary>Property of an instance: sign-in name of the person who started it, or the one from which it comes. Activities read it by this name.</summary>
    public const string StartedBy = "StartedBy";

    /// <summary>Work items this start carries out; gone when it commits.</summary>
    public IReadOnlyList<string> CompletedWork { get; init; } = [];
    /// <summary>Work that must be in the first commit, such as the next due time of a schedule.</summary>
    public IReadOnlyList<WorkItem> AlsoEnqueue { get; init; } = [];
    /// <summary>What the run writes for a caller that waits for it.</summary>
    public IHeldAnswer? Answer { get; init; }
    /// <summary>Product rows that must be in the first commit.</summary>
    public IReadOnlyList<EnlistedWrite> AlsoWrite { get; init; } = [];
}

/// <summary>What a run writes for a caller, given out when the run is committed. A run that meets a conflict is repeated from its last commit, and so must the answer be.</summary>
internal interface IHeldAnswer
{
    /// <summary>What is written so far is committed, and the run goes on.</summary>
    void Keep();
    /// <summary>A run begins, or is repeated: what was written since the last commit is taken back.</summary>
    void Restore();
}

/// <summary>State of an instance after a burst.</summary>
internal sealed record RunOutcome(string InstanceId, WorkflowSubStatus SubStatus, IReadOnlyList<Bookmark> Bookmarks, IReadOnlyList<ActivityIncident> Incidents, IDictionary<string, object> Output, bool CannotStart = false, bool Matched = true)
{
    public static RunOutcome Refused { get; } = new("", WorkflowSubStatus.Pending, [], [], new Dictionary<string, object>(), CannotStart: true);
    public static RunOutcome NotMatched { get; } = new("", WorkflowSubStatus.Pending, [], [], new Dictionary<string, object>(), Matched: false);

    public WorkflowStatus Status => SubStatus is WorkflowSubStatus.Finished or WorkflowSubStatus.Faulted or WorkflowSubStatus.Cancelled ? WorkflowStatus.Finished : WorkflowStatus.Running;
}

/// <summary>Runs bursts of stored instances: claims the lease, restores the state, runs, commits everything in one transaction. A commit that meets a conflict is repeated from the last committed state.</summary>
internal sealed class InstanceRunner(IEngineStore store, WorkflowRunner runner, WorkflowCatalog catalog, IServiceScopeFactory scopes, EngineOptions options, TimeProvider time, ILogger<InstanceRunner> logger, IEnumerable<IFaultRecorder> faultRecorders, IEnumerable<IEndRecorder> endRecorders)
{
    private readonly IEngineStore _store = store;
    private readonly WorkflowRunner _runner = runner;
    private readonly WorkflowCatalog _catalog = catalog;
    private readonly IServiceScopeFactory _scopes = scopes;
    private readonly EngineOptions _options = options;
    private readonly TimeProvider _time = time;
    private readonly ILogger<InstanceRunner> _logger = logger;
    private readonly IFaultRecorder[] _faultRecorders = [.. faultRecorders];
    private readonly IEndRecorder[] _endRecorders = [.. endRecorders];
    private const int MaxReruns = 8;
    private readonly ConcurrentDictionary<string, Lease> _held = new(StringComparer.Ordinal);
    private int _active;

    /// <summary>Leases of this node, to be renewed.</summary>
    public IReadOnlyCollection<Lease> HeldLeases => [.. _held.Values];

    /// <summary>Bursts that run now.</summary>
    public int Active => Volatile.Read(ref _active);

    /// <summary>Called with work that a commit stored as taken by this node.</summary>
    public Action<WorkItem>? RunHere { get; set; }

    /// <summary>Makes an instance and runs its first burst.</summary>
    public Task<RunOutcome> StartAsync(CompiledWorkflow compiled, StartArguments start, CancellationToken ct) =>
        CountedAsync(async () =>
        {
            for (var rerun = 0; ; rerun++)
            {
                start.Answer?.Restore();
                var key = ActivationKey(compiled, start.CorrelationId);
                if (key is not null && await IsBusyAsync(compiled, start.CorrelationId, ct)) return await RefuseAsync(start, ct);
                await using var scope = _scopes.CreateAsyncScope();
                var wf = _runner.Create(compiled, scope.ServiceProvider, start.InstanceId, ct);
                wf.CorrelationId = start.CorrelationId;
                wf.ParentWorkflowInstanceId = start.ParentInstanceId;
                wf.TriggerActivityId = start.TriggerActivityId;
                wf.Name = start.Name;
                if (start.Input is not null) foreach (var (k, v) in start.Input) wf.Input[k] = v!;
                if (start.Properties is not null) foreach (var (k, v) in start.Properties) wf.Properties[k] = v!;
                wf.FirstVariables = start.Variables;
                wf.Burst.CompletedWork.AddRange(start.CompletedWork);
                wf.Burst.Enqueue.AddRange(start.AlsoEnqueue);
                wf.Burst.Writes.AddRange(start.AlsoWrite);
                var burst = new Burst(this, wf, key, start.Answer);
                try
                {
                    // An instance that must be alone is on record before it does anything.
                    if (key is not null)
                    {
                        wf.StoredInput = new Dictionary<string, object>(wf.Input, StringComparer.OrdinalIgnoreCase);
                        wf.SubStatus = WorkflowSubStatus.Executing;
                        wf.StartPending = true;
                        await burst.CommitAsync(ended: false);
                        wf.StartPending = false;
                    }
                    await _runner.StartAsync(wf);
                    await burst.CommitAsync(ended: true);
                    return Outcome(wf);
                }
                catch (CommitConflictException e) when (e.Conflict is CommitConflict.UniqueKey or CommitConflict.UnexpectedRows && rerun < MaxReruns)
                {
                    if (!burst.IsStored) continue;
                    await burst.AbandonAsync();
                    return await ClaimAndRunAsync(start.InstanceId, [], GoOnAsync, ct, answer: start.Answer) ?? RunOutcome.NotMatched;
                }
                catch (CommitConflictException e) when (e.Conflict is CommitConflict.WorkGone or CommitConflict.LeaseLost)
                {
                    _logger.LogInformation("Instance {InstanceId} is run by another node: {Reason}", start.InstanceId, e.Message);
                    burst.Forget();
                    return RunOutcome.NotMatched;
                }
                catch
                {
                    await burst.AbandonAsync();
                    throw;
                }
            }
        });

    /// <summary>Resumes a bookmark. Not matched when the instance or the bookmark is gone; null when another node runs the instance now.</summary>
    public Task<RunOutcome?> ResumeAsync(string instanceId, string bookmarkId, IDictionary<string, object?>? input, IReadOnlyList<string> completedWork, CancellationToken ct, IHeldAnswer? answer = null) =>
        CountedAsync(() => ClaimAndRunAsync(instanceId, completedWork, (wf, _) => _runner.ResumeAsync(wf, bookmarkId, input!), ct, answer: answer));

    /// <summary>Resumes the bookmarks of one instance that a stimulus meets, without a row of the queue: for callers that wait for the outcome. Null when there is none now, or another node runs the instance.</summary>
    public async Task<RunOutcome?> ResumeByStimulusAsync(string instanceId, string hash, string? correlationId, string? activityInstanceId, IDictionary<string, object?>? input, CancellationToken ct)
    {
        var outcome = await CountedAsync(() => ClaimAndRunAsync(instanceId, [], async (wf, _) =>
        {
            if (correlationId is not null && wf.CorrelationId != correlationId) return false;
            var met = wf.BookmarkList.Where(b => b.Bookmark.Hash == hash && (activityInstanceId is null || b.Owner.Id == activityInstanceId)).Select(b => b.Bookmark.Id).ToList();
            var resumed = false;
            foreach (var bookmark in met) resumed |= await _runner.ResumeAsync(wf, bookmark, input!);
            return resumed;
        }, ct));
        return outcome is { Matched: true } ? outcome : null;
    }

    /// <summary>Runs a faulted instance again from its failed activities, and a parked one from its last commit.</summary>
    public Task<RunOutcome?> RetryAsync(string instanceId, IReadOnlyList<string> completedWork, CancellationToken ct) =>
        CountedAsync(() => ClaimAndRunAsync(instanceId, completedWork, async (wf, _) =>
        {
            if (wf.SubStatus != WorkflowSubStatus.Executing)
            {
                var writes = wf.Status == WorkflowStatus.Finished && wf.Properties.Count > 0 ? _endRecorders.SelectMany(r => r.GoesOn(wf.Properties, _time.GetUtcNow())).ToList() : [];
                return await _runner.RetryFaultedAsync(wf, async () =>
                {
                    if (writes.Count == 0) return;
                    wf.Burst.Writes.AddRange(writes);
                    await _runner.CommitMidRunAsync(wf);
                }) > 0;
            }

            await _runner.ContinueAsync(wf);
            return true;
        }, ct, alsoEnded: true));

    /// <summary>Cancels an instance.</summary>
    public Task<RunOutcome?> CancelAsync(string instanceId, IReadOnlyList<string> completedWork, CancellationToken ct) =>
        CountedAsync(async () =>
        {
            // Asked before the instance is looked for: it comes into being in the commit that takes its start out of the queue, so the other way round it could be seen in neither.
            var isToCome = await _store.IsQueuedAsync(QueuedWork.StartId(instanceId), ct);
            return await ClaimAndRunAsync(instanceId, completedWork, (wf, _) =>
            {
                _runner.CancelWorkflow(wf);
                return Task.FromResult(true);
            }, ct, isToCome: isToCome);
        });

    /// <summary>Changes a waiting instance in place (variables, properties), under its lease.</summary>
    public Task<RunOutcome?> UpdateAsync(string instanceId, Action<WorkflowExecutionContext> change, CancellationToken ct) =>
        CountedAsync(() => ClaimAndRunAsync(instanceId, [], (wf, _) =>
        {
            change(wf);
            return Task.FromResult(true);
        }, ct));

    /// <summary>Restores a state without running it; throws when it does not fit the definition.</summary>
    public async Task CheckAsync(CompiledWorkflow compiled, InstanceRow row, CancellationToken ct)
    {
        await using var scope = _scopes.CreateAsyncScope();
        _runner.Load(compiled, scope.ServiceProvider, row, ct);
    }

    /// <summary>Goes on with an instance whose node died, or parks it after too many deaths.</summary>
    public Task<RunOutcome?> RecoverAsync(InstanceRow row, Lease lease, int takeovers, CancellationToken ct) =>
        CountedAsync(async () =>
        {
            _held[row.Id] = lease;
            _logger.LogInformation("Instance {InstanceId} is taken over from a node that died (takeover {Takeovers})", row.Id, takeovers);
            if (takeovers > _options.MaxTakeovers)
                return (RunOutcome?)await RunClaimedAsync(row, lease, [], (wf, _) =>
                {
                    wf.IncidentList.Add(new ActivityIncident("", "", "Elsa.Workflow", $"{takeovers} nodes died while running this instance; it is parked until a person starts it again.", null, _time.GetUtcNow()));
                    wf.IsParked = true;
                    return Task.FromResult(true);
                }, ct);
            return await RunClaimedAsync(row, lease, [], GoOnAsync, ct);
        });

    /// <summary>Current state of an instance.</summary>
    public async Task<RunOutcome?> GetOutcomeAsync(string instanceId, CancellationToken ct)
    {
        var row = await _store.GetInstanceAsync(instanceId, ct);
        if (row is null) return null;
        await using var scope = _scopes.CreateAsyncScope();
        return Outcome(_runner.Load(await _catalog.GetVersionAsync(row.DefinitionVersionId, row, ct), scope.ServiceProvider, row, ct));
    }

    /// <summary>Another instance must end first. What was to start this one is done, and what must follow it is in the same transaction, such as the next due time of a schedule.</summary>
    private async Task<RunOutcome> RefuseAsync(StartArguments start, CancellationToken ct)
    {
        try
        {
            if (start.AlsoEnqueue.Count > 0) await _store.ReplaceWorkAsync(start.CompletedWork, start.AlsoEnqueue, _options.NodeId, null, _options.Lease, ct);
            else if (start.CompletedWork.Count > 0) await _store.CompleteWorkAsync([.. start.CompletedWork], ct);
        }
        catch (CommitConflictException e) when (e.Conflict == CommitConflict.WorkGone)
        {
            _logger.LogInformation("Instance {InstanceId} is refused by another node: {Reason}", start.InstanceId, e.Message);
        }
        return RunOutcome.Refused;
    }

    private async Task<T> CountedAsync<T>(Func<Task<T>> run)
    {
        Interlocked.Increment(ref _active);
        try
        {
            return await run();
        }
        finally
        {
            Interlocked.Decrement(ref _active);
        }
    }

    /// <summary>Runs on from the last commit.</summary>
    private async Task<bool> GoOnAsync(WorkflowExecutionContext wf, CancellationToken ct)
    {
        await _runner.ContinueAsync(wf);
        return true;
    }

    private async Task<RunOutcome?> ClaimAndRunAsync(string instanceId, IReadOnlyList<string> completedWork, Func<WorkflowExecutionContext, CancellationToken, Task<bool>> run, CancellationToken ct, bool alsoEnded = false, bool isToCome = false, IHeldAnswer? answer = null)
    {
        for (var rerun = 0; ; rerun++)
        {
            var (row, lease) = await _store.ClaimInstanceAsync(instanceId, _options.NodeId, _options.Lease, ct);
            if (row is not null && lease is null || row is null && isToCome) return null;
            if (row is null || lease is null)
            {
                if (completedWork.Count > 0) await _store.CompleteWorkAsync([.. completedWork], ct);
                return RunOutcome.NotMatched;
            }
            if (row.Status is InstanceStatus.Finished or InstanceStatus.Cancelled || row.Status == InstanceStatus.Faulted && !alsoEnded)
            {
                await _store.ReleaseLeaseAsync(lease, ct);
                if (completedWork.Count > 0) await _store.CompleteWorkAsync([.. completedWork], ct);
                return RunOutcome.NotMatched;
            }
            try
            {
                answer?.Restore();
                return await RunClaimedAsync(row, lease, completedWork, run, ct, answer);
            }
            catch (CommitConflictException e) when (e.Conflict is CommitConflict.UniqueKey or CommitConflict.UnexpectedRows && rerun < MaxReruns)
            {
                _logger.LogDebug(e, "Instance {InstanceId} is run again from its last commit", instanceId);
                // What had to be done first is in an earlier commit of this run, and so is the work that it carried out.
                if (e.RunHasCommitted) (run, completedWork) = (GoOnAsync, []);
            }
        }
    }

    private async Task<RunOutcome> RunClaimedAsync(InstanceRow row, Lease lease, IReadOnlyList<string> completedWork, Func<WorkflowExecutionContext, CancellationToken, Task<bool>> run, CancellationToken ct, IHeldAnswer? answer = null)
    {
        _held[row.Id] = lease;
        Burst? burst = null;
        try
        {
            var compiled = await _catalog.GetVersionAsync(row.DefinitionVersionId, row, ct);
            await using var scope = _scopes.CreateAsyncScope();
            var wf = _runner.Load(compiled, scope.ServiceProvider, row, ct);
            wf.Burst.CompletedWork.AddRange(completedWork);
            burst = new Burst(this, wf, row.ActivationKey, answer, row, lease);
            if (!await run(wf, ct))
            {
                await burst.AbandonAsync();
                if (completedWork.Count > 0) await _store.CompleteWorkAsync([.. completedWork], ct);
                return Outcome(wf) with { Matched = false };
            }
            await burst.CommitAsync(ended: true);
            return Outcome(wf);
        }
        catch (CommitConflictException e) when (e.Conflict is CommitConflict.WorkGone or CommitConflict.LeaseLost)
        {
            _logger.LogInformation("Instance {InstanceId} is run by another node: {Reason}", row.Id, e.Message);
            burst?.Forget();
            _held.TryRemove(row.Id, out _);
            if (e.Conflict == CommitConflict.WorkGone) await _store.ReleaseLeaseAsync(lease, CancellationToken.None);
            return RunOutcome.NotMatched;
        }
        catch (Exception e)
        {
            if (e is CommitConflictException conflict) conflict.RunHasCommitted = burst?.HasCommitted == true;
            if (burst is not null) await burst.AbandonAsync();
            else
            {
                _held.TryRemove(row.Id, out _);
                await _store.ReleaseLeaseAsync(lease, CancellationToken.None);
            }
            throw;
        }
    }

    private static RunOutcome Outcome(WorkflowExecutionContext wf) =>
        new(wf.Id, wf.SubStatus, [.. wf.BookmarkList.Select(b => b.Bookmark)], [.. wf.IncidentList], wf.Output);

    private static string? ActivationKey(CompiledWorkflow compiled, string? correlationId)
    {
        var strategy = compiled.Workflow.Options.ActivationStrategyType;
        return strategy == typeof(SingletonStrategy) ? $"d:{compiled.DefinitionId}"
            : strategy == typeof(CorrelatedSingletonStrategy) ? $"dc:{compiled.DefinitionId}:{correlationId}"
            : strategy == typeof(CorrelationStrategy) && correlationId is not null ? $"c:{correlationId}"
            : null;
    }

    private async Task<bool> IsBusyAsync(CompiledWorkflow compiled, string? correlationId, CancellationToken ct)
    {
        var strategy = compiled.Workflow.Options.ActivationStrategyType;
        return strategy == typeof(SingletonStrategy) ? await _store.IsActiveAsync(compiled.DefinitionId, null, ct)
            : strategy == typeof(CorrelationStrategy) ? await _store.IsActiveAsync(null, correlationId, ct)
            : await _store.IsActiveAsync(compiled.DefinitionId, correlationId, ct);
    }

    /// <summary>One burst and its commits.</summary>
    private sealed class Burst
    {
        private readonly InstanceRunner _owner;
        private readonly WorkflowExecutionContext _wf;
        private readonly string? _activationKey;
        private readonly IHeldAnswer? _answer;
        private Lease? _lease;

        public Burst(InstanceRunner owner, WorkflowExecutionContext wf, string? activationKey, IHeldAnswer? answer, InstanceRow? row = null, Lease? lease = null)
        {
            (_owner, _wf, _activationKey, _answer, _lease) = (owner, wf, activationKey, answer, lease);
            IsStored = row is not null;
            wf.MidRunCommit = () => CommitAsync(ended: false);
        }

        public bool IsStored { get; private set; }

        /// <summary>Something of this burst is committed.</summary>
        public bool HasCommitted { get; private set; }

        public async Task CommitAsync(bool ended)
        {
            var wf = _wf;
            var now = wf.UpdatedAt = _owner._time.GetUtcNow();
            var finished = wf.Status == WorkflowStatus.Finished;
            if (finished) ReportToParent(wf);
            if (finished && wf.Properties.Count > 0)
                foreach (var recorder in _owner._endRecorders)
                    wf.Burst.Writes.AddRange(recorder.Ended(new EndedInstance(wf.Id, wf.Compiled.DefinitionId, Status(wf.SubStatus), wf.Properties, wf.IncidentList.LastOrDefault()?.Message, wf.CreatedAt, now)));
            foreach (var b in wf.BookmarkList)
                if (wf.Burst.AddedBookmarks.Contains(b.Bookmark.Id) && b.Bookmark.Metadata is { } m && m.TryGetValue("DueAt", out var due))
                    wf.Burst.Enqueue.Add(WorkItems.Resume(wf.Id, b.Bookmark.Id, DateTimeOffset.Parse(due, CultureInfo.InvariantCulture), _owner._time));
            var taken = Take(wf, now);
            var status = wf.IsParked ? InstanceStatus.Parked : Status(wf.SubStatus);
            var row = new InstanceRow(wf.Id, wf.Compiled.DefinitionId, wf.Workflow.VersionId, wf.Workflow.DefinitionVersion, wf.Compiled.ContentHash, status, wf.CorrelationId, wf.Name, wf.ParentWorkflowInstanceId,
                finished ? null : _activationKey, wf.IncidentList.Count, wf.CreatedAt, now, wf.FinishedAt, _owner._runner.Serializer.Write(wf));
            var commit = new InstanceCommit
            {
                Instance = row,
                IsNew = !IsStored,
                Lease = _lease,
                ReleaseLease = ended,
                NodeId = _owner._options.NodeId,
                LeaseDuration = _owner._options.Lease,
                AddedBookmarks = [.. wf.BookmarkList.Where(b => wf.Burst.AddedBookmarks.Contains(b.Bookmark.Id) && b.Bookmark.Name != WorkflowRunner.RetryBookmark)
                    .Select(b => new BookmarkRow(b.Bookmark.Id, wf.Id, b.Bookmark.Hash, b.Bookmark.Name, b.Owner.Id, wf.CorrelationId, b.Bookmark.CreatedAt))],
                RemovedBookmarkIds = [.. wf.Burst.RemovedBookmarks],
                Enqueue = [.. wf.Burst.Enqueue],
                TakenHere = taken,
                CompletedWorkIds = [.. wf.Burst.CompletedWork],
                Journal = wf.Journal.TakeSegments(now, _owner._runner.Serializer),
                Writes = ended && wf.IncidentList.Count > 0 ? [.. wf.Burst.Writes, .. FaultRows(wf, status, now)] : [.. wf.Burst.Writes],
            };
            var lease = await _owner._store.CommitAsync(commit, CancellationToken.None);
            IsStored = HasCommitted = true;
            if (!ended) _answer?.Keep();
            _lease = ended ? null : lease ?? _lease;
            if (_lease is { } held) _owner._held[wf.Id] = held;
            else _owner._held.TryRemove(wf.Id, out _);
            if (taken.Count > 0 && _owner.RunHere is { } runHere)
                foreach (var item in commit.Enqueue)
                    if (taken.Contains(item.Id))
                        runHere(item);
            wf.Burst.Clear();
        }

        /// <summary>Gives the lease back; what was not committed is as if it had not been.</summary>
        public async Task AbandonAsync()
        {
            Forget();
            if (_lease is not { } lease) return;
            _lease = null;
            try
            {
                await _owner._store.ReleaseLeaseAsync(lease, CancellationToken.None);
            }
            catch (Exception e) when (e is System.Data.Common.DbException or InvalidOperationException or TimeoutException)
            {
                _owner._logger.LogWarning(e, "The lease of {InstanceId} could not be given back; it lapses by itself", _wf.Id);
            }
        }

        public void Forget() => _owner._held.TryRemove(_wf.Id, out _);

        private HashSet<string> Take(WorkflowExecutionContext wf, DateTimeOffset now)
        {
            var taken = new HashSet<string>();
            if (_owner.RunHere is null) return taken;
            var free = _owner._options.MaxConcurrency - _owner.Active;
            foreach (var item in wf.Burst.Enqueue)
                if (free > 0 && item.DueAt <= now)
                {
                    taken.Add(item.Id);
                    free--;
                }
            return taken;
        }

        private IEnumerable<EnlistedWrite> FaultRows(WorkflowExecutionContext wf, InstanceStatus status, DateTimeOffset now)
        {
            var last = wf.IncidentList[^1];
            var stuck = status is InstanceStatus.Faulted or InstanceStatus.Parked || status == InstanceStatus.Suspended && wf.BookmarkList.Count == 0;
            return _owner._faultRecorders.SelectMany(r => stuck
                ? r.Stuck(new StuckInstance(wf.Id, wf.Compiled.DefinitionId, wf.CorrelationId, last.ActivityId, last.Message, now, wf.Properties))
                : r.Mended(wf.Id, now));
        }

        private void ReportToParent(WorkflowExecutionContext wf)
        {
            if (wf.ParentWorkflowInstanceId is not { } parent || wf.GetProperty<bool>("WaitForCompletion") is false || wf.GetProperty<string>("WaitingActivityType") is not { } waiting) return;
            var hash = _owner._runner.Hasher.Hash(waiting, new WorkflowFinishedStimulus(wf.Id));
            var input = new Dictionary<string, object?> { ["WorkflowOutput"] = wf.Output, ["WorkflowSubStatus"] = wf.SubStatus.ToString(), ["WorkflowInstanceId"] = wf.Id };
            wf.Burst.Enqueue.Add(new WorkItem($"{wf.Id}-ended", WorkKind.Stimulus, null, wf.UpdatedAt,
                WorkItems.Write(new WorkItems.StimulusPayload(parent, null, input, wf.UpdatedAt + _owner._options.StimulusRetention, StartTriggers: false)), hash));
        }

        private static InstanceStatus Status(WorkflowSubStatus s) => s switch
        {
            WorkflowSubStatus.Pending => InstanceStatus.Pending,
            WorkflowSubStatus.Executing => InstanceStatus.Running,
            WorkflowSubStatus.Suspended => InstanceStatus.Suspended,
            WorkflowSubStatus.Finished => InstanceStatus.Finished,
            WorkflowSubStatus.Faulted => InstanceStatus.Faulted,
            _ => InstanceStatus.Cancelled,
        };
    }
}
