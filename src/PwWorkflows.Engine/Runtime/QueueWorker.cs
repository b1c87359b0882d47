using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Channels;
using Elsa.Workflows;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine;

/// <summary>Carries out the durable queue on this node: takes due items, runs them, renews leases, takes over from nodes that died.</summary>
internal sealed class QueueWorker : BackgroundService
{
    /// <summary>Least time between two looks into the queue when the first found nothing.</summary>
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(5);

    private readonly IEngineStore _store;
    private readonly InstanceRunner _runner;
    private readonly WorkflowCatalog _catalog;
    private readonly IStimulusHasher _hasher;
    private readonly EngineOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<QueueWorker> _logger;
    private readonly Channel<WorkItem> _local = Channel.CreateUnbounded<WorkItem>();
    private readonly ConcurrentDictionary<string, byte> _taken = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, TaskCompletionSource<IReadOnlyList<RunOutcome>>> _waiters = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _slots;
    private readonly CancellationTokenSource _intake = new();

    public QueueWorker(IEngineStore store, InstanceRunner runner, WorkflowCatalog catalog, IStimulusHasher hasher, EngineOptions options, TimeProvider time, ILogger<QueueWorker> logger)
    {
        (_store, _runner, _catalog, _hasher, _options, _time, _logger) = (store, runner, catalog, hasher, options, time, logger);
        _slots = new SemaphoreSlim(options.MaxConcurrency);
        runner.RunHere = item =>
        {
            _taken[item.Id] = 0;
            if (!_local.Writer.TryWrite(item)) _taken.TryRemove(item.Id, out _);
        };
    }

    /// <summary>Stores an item as taken by this node and runs it at once. Returns after it was stored.</summary>
    public async Task EnqueueHereAsync(IReadOnlyList<WorkItem> items, CancellationToken ct)
    {
        var here = new HashSet<string>();
        var now = _time.GetUtcNow();
        foreach (var item in items)
            if (item.DueAt <= now && _slots.CurrentCount > 0)
                here.Add(item.Id);
        await _store.EnqueueAsync(items, _options.NodeId, here, _options.Lease, ct);
        foreach (var item in items)
            if (here.Contains(item.Id))
                _runner.RunHere!(item);
    }

    /// <summary>Stores an item and waits for what it does on this node.</summary>
    public async Task<IReadOnlyList<RunOutcome>> RunAndWaitAsync(WorkItem item, CancellationToken ct)
    {
        var done = new TaskCompletionSource<IReadOnlyList<RunOutcome>>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiters[item.Id] = done;
        try
        {
            await _store.EnqueueAsync([item], _options.NodeId, new HashSet<string> { item.Id }, _options.Lease, ct);
            _taken[item.Id] = 0;
            if (!_local.Writer.TryWrite(item)) throw new InvalidOperationException("This node is stopping.");
            return await done.Task.WaitAsync(ct);
        }
        finally
        {
            _waiters.TryRemove(item.Id, out _);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, _intake.Token);
        await Task.WhenAll(DispatchLocalAsync(stop.Token), PollAsync(stop.Token), RenewAsync(stop.Token), RecoverAsync(stop.Token));
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        // Drain: intake ends, what runs may finish; leases that are left lapse by themselves and any node goes on.
        _local.Writer.TryComplete();
        await _intake.CancelAsync();
        for (var i = 0; i < _options.MaxConcurrency; i++)
        {
            try
            {
                await _slots.WaitAsync(cancellationToken);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }
        await base.StopAsync(cancellationToken);
        var left = _taken.Keys.ToList();
        if (left.Count > 0) await _store.ReturnWorkAsync(left, _time.GetUtcNow(), CancellationToken.None);
    }

    private async Task DispatchLocalAsync(CancellationToken ct)
    {
        try
        {
            await foreach (var item in _local.Reader.ReadAllAsync(ct))
            {
                await _slots.WaitAsync(ct);
                _ = RunItemAsync(item);
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested) { }
    }

    private async Task PollAsync(CancellationToken ct)
    {
        // The queue was empty at the last look, and nobody has signalled since: then whether it still is, is all that is asked for.
        var quiet = false;
        while (!ct.IsCancellationRequested)
        {
            try
            {
                var looked = Stopwatch.GetTimestamp();
                if (await _catalog.RefreshAsync(ct)) _logger.LogInformation("The published workflows have changed; this node runs them as they are now");
                var free = _slots.CurrentCount - _local.Reader.Count;
                var taken = 0;
                if (free > 0 && !quiet)
                {
                    var items = await _store.TakeDueAsync(_options.NodeId, free, _options.Lease, ct);
                    taken = items.Count;
                    foreach (var item in items)
                    {
                        _taken[item.Id] = 0;
                        await _slots.WaitAsync(ct);
                        _ = RunItemAsync(item);
                    }
                }
                if (free <= taken)
                {
                    // More may be due. Nobody signals that a run has ended here, so this waits for a place itself; those that end in one commit leave together.
                    if (await _slots.WaitAsync(_options.PollInterval, ct)) _slots.Release();
                    var passed = Stopwatch.GetElapsedTime(looked);
                    if (passed < BetweenLooks) await WaitAsync(BetweenLooks - passed, ct);
                    continue;
                }
                var wait = _options.PollInterval;
                var next = await _store.NextDueAsync(ct);
                if (quiet && next is not null)
                {
                    quiet = false;
                    continue;
                }
                if (next is { } due)
                {
                    var until = due - (_store.ClockOverride?.Invoke() ?? _time.GetUtcNow());
                    // Due items that could not be taken wait for a lease to end; looking again at once would spin.
                    if (until < wait) wait = until > TimeSpan.FromMilliseconds(20) ? until : TimeSpan.FromMilliseconds(20);
                }
                // Only the database's clock tells what is due, so a queue that holds anything is asked for it each time.
                quiet = !await _store.WaitForSignalAsync(wait, ct) && next is null;
                // A busy node is signalled by each of its own commits, and what follows from these it mostly holds already.
                var since = Stopwatch.GetElapsedTime(looked);
                if (taken == 0 && since < BetweenLooks) await WaitAsync(BetweenLooks - since, ct);
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested) { return; }
            catch (Exception e)
            {
                _logger.LogError(e, "The queue can't be read; trying again");
                await WaitAsync(TimeSpan.FromSeconds(1), ct);
            }
        }
    }

    private async Task RenewAsync(CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            if (!await WaitAsync(_options.Lease / 3, ct)) return;
            try
            {
                var held = _runner.HeldLeases;
                if (held.Count > 0)
                    foreach (var lost in await _store.RenewLeasesAsync(held, _options.Lease, ct))
                        _logger.LogWarning("The lease of {InstanceId} is lost: another node has taken it over", lost.InstanceId);
                var taken = _taken.Keys.ToList();
                if (taken.Count > 0) await _store.RenewWorkAsync(taken, _options.NodeId, _options.Lease, ct);
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested) { return; }
            catch (Exception e)
            {
                _logger.LogError(e, "Leases can't be renewed; trying again");
            }
        }
    }

    private async Task RecoverAsync(CancellationToken ct)
    {
        for (var first = true; !ct.IsCancellationRequested; first = false)
        {
            try
            {
                if (first)
                    foreach (var gone in await _store.LapseAsync(NodeNames.IsGone, ct))
                        _logger.LogInformation("Node {Node} of this machine is gone; what it held is taken over at once", gone);
                foreach (var (row, lease, takeovers) in await _store.ClaimLapsedAsync(_options.NodeId, 16, _options.Lease, ct))
                {
                    await _slots.WaitAsync(ct);
                    _ = RecoverOneAsync(row, lease, takeovers, ct);
                }
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested) { return; }
            catch (Exception e)
            {
                _logger.LogError(e, "Instances of dead nodes can't be looked for; trying again");
            }
            if (!await WaitAsync(TimeSpan.FromSeconds(2), ct)) return;
        }
    }

    private async Task RecoverOneAsync(InstanceRow row, Lease lease, int takeovers, CancellationToken ct)
    {
        try
        {
            await _runner.RecoverAsync(row, lease, takeovers, ct);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            _logger.LogError(e, "Instance {InstanceId} can't be recovered now", row.Id);
        }
        catch (OperationCanceledException) { }
        finally
        {
            _slots.Release();
        }
    }

    private async Task<bool> WaitAsync(TimeSpan delay, CancellationToken ct)
    {
        try
        {
            // Lease keeping runs on the machine's clock: a test that moves the fake clock must not let leases lapse.
            await Task.Delay(delay, TimeProvider.System, ct);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private async Task RunItemAsync(WorkItem item)
    {
        await Task.Yield();
        IReadOnlyList<RunOutcome>? outcomes = null;
        try
        {
            outcomes = await ExecuteItemAsync(item, CancellationToken.None);
            if (outcomes is null) await _store.ReturnWorkAsync([item.Id], Soon(item), CancellationToken.None);
        }
        catch (WorkflowNotFoundException e)
        {
            _logger.LogError("Work item {WorkId} ({Kind}) is dropped: {Reason}", item.Id, item.Kind, e.Message);
            await CompleteQuietlyAsync(item.Id);
            Fail(item, e);
        }
        catch (Exception e)
        {
            _logger.LogError(e, "Work item {WorkId} ({Kind}, instance {InstanceId}) failed; it is tried again", item.Id, item.Kind, item.InstanceId);
            await ReturnQuietlyAsync(item);
            Fail(item, e);
        }
        finally
        {
            _taken.TryRemove(item.Id, out _);
            _slots.Release();
        }
        if (outcomes is not null && _waiters.TryRemove(item.Id, out var waiter)) waiter.TrySetResult(outcomes);
    }

    /// <summary>When an item is looked at again whose instance is busy.</summary>
    private DateTimeOffset Soon(WorkItem item) => _time.GetUtcNow() + TimeSpan.FromMilliseconds(50 * Math.Min(item.Attempts + 1, 40));

    private void Fail(WorkItem item, Exception e)
    {
        if (_waiters.TryRemove(item.Id, out var waiter)) waiter.TrySetException(e);
    }

    private async Task CompleteQuietlyAsync(string id)
    {
        try
        {
            await _store.CompleteWorkAsync([id], CancellationToken.None);
        }
        catch (Exception e)
        {
            _logger.LogError(e, "Work item {WorkId} could not be removed", id);
        }
    }

    private async Task ReturnQuietlyAsync(WorkItem item)
    {
        try
        {
            await _store.ReturnWorkAsync([item.Id], _time.GetUtcNow() + TimeSpan.FromSeconds(Math.Min(60, Math.Pow(2, item.Attempts))), CancellationToken.None);
        }
        catch (Exception e)
        {
            _logger.LogError(e, "Work item {WorkId} could not be given back; its lease lapses by itself", item.Id);
        }
    }

    /// <summary>Null: the instance is busy elsewhere, try again shortly.</summary>
    private async Task<IReadOnlyList<RunOutcome>?> ExecuteItemAsync(WorkItem item, CancellationToken ct)
    {
        switch (item.Kind)
        {
            case WorkKind.Start:
                {
                    var p = WorkItems.Read<WorkItems.StartPayload>(item);
                    var compiled = p.DefinitionVersionId is { } v ? await _catalog.GetVersionAsync(v, null, ct)
                        : await _catalog.ResolveAsync(Elsa.Workflows.Models.WorkflowDefinitionHandle.ByDefinitionId(p.DefinitionId!), ct);
                    var outcome = await _runner.StartAsync(compiled, new StartArguments(item.InstanceId!, item.CorrelationId, p.Input, p.ParentInstanceId, p.TriggerActivityId, p.Name, p.Properties) { CompletedWork = [item.Id] }, ct);
                    return [outcome];
                }
            case WorkKind.Resume:
                {
                    var p = WorkItems.Read<WorkItems.ResumePayload>(item);
                    return List(await _runner.ResumeAsync(item.InstanceId!, p.BookmarkId, p.Input, [item.Id], ct));
                }
            case WorkKind.Retry: return List(await _runner.RetryAsync(item.InstanceId!, [item.Id], ct));
            case WorkKind.Cancel: return List(await _runner.CancelAsync(item.InstanceId!, [item.Id], ct));
            case WorkKind.Continue: return List(await _runner.ResumeAsync(item.InstanceId!, "", null, [item.Id], ct));
            case WorkKind.Trigger: return await RunTriggerAsync(item, ct);
            default: return await DeliverAsync(item, ct);
        }

        static IReadOnlyList<RunOutcome>? List(RunOutcome? o) => o is null ? null : [o];
    }

    private async Task<IReadOnlyList<RunOutcome>?> RunTriggerAsync(WorkItem item, CancellationToken ct)
    {
        var p = WorkItems.Read<WorkItems.TriggerPayload>(item);
        var compiled = await _catalog.GetVersionAsync(p.DefinitionVersionId, null, ct);
        var next = Schedules.Next(p, p.Nominal);
        var also = next is { } at ? [Schedules.Item(p with { Nominal = at })] : Array.Empty<WorkItem>();
        var start = new StartArguments(Ids.Row(_time.GetUtcNow()), null, new Dictionary<string, object?> { ["NominalTime"] = p.Nominal }, TriggerActivityId: p.ActivityId) { CompletedWork = [item.Id], AlsoEnqueue = also };
        return [await _runner.StartAsync(compiled, start, ct)];
    }

    private async Task<IReadOnlyList<RunOutcome>?> DeliverAsync(WorkItem item, CancellationToken ct)
    {
        var p = WorkItems.Read<WorkItems.StimulusPayload>(item);
        var bookmarks = await _store.FindBookmarksAsync(item.Hash!, p.InstanceId, item.CorrelationId, p.ActivityInstanceId, ct);
        var triggers = p.StartTriggers ? _catalog.FindTriggers(item.Hash!) : [];
        if (bookmarks.Count == 0 && triggers.Count == 0)
        {
            var now = _store.ClockOverride?.Invoke() ?? _time.GetUtcNow();
            if (p.ExpiresAt is not { } expires || expires <= now)
            {
                _logger.LogInformation("Stimulus {Hash} ended without a waiter", item.Hash);
                await _store.CompleteWorkAsync([item.Id], ct);
            }
            else
            {
                // A bookmark that is committed wakes it; looking again now and then is the safety net.
                var look = now + TimeSpan.FromSeconds(30);
                await _store.ReturnWorkAsync([item.Id], expires < look ? expires : look, ct);
            }
            return [];
        }
        if (bookmarks.Count + triggers.Count == 1)
        {
            if (triggers.Count == 1) return [await StartTriggerAsync(triggers[0], item, p, ct)];
            var one = await _runner.ResumeAsync(bookmarks[0].InstanceId, bookmarks[0].Id, p.Input, [item.Id], ct);
            return one is null ? null : [one];
        }
        return await DeliverToEachAsync(item,
        [
            .. triggers.Select(t => new WorkItem(PartId(item, t.Id), WorkKind.Start, InstanceOf(item.Id + t.Id), item.DueAt,
                WorkItems.Write(new WorkItems.StartPayload(null, t.DefinitionVersionId, p.Input, null, null, t.ActivityId, null)), null, item.CorrelationId)),
            .. bookmarks.Select(b => new WorkItem(PartId(item, b.Id), WorkKind.Resume, b.InstanceId, item.DueAt, WorkItems.Write(new WorkItems.ResumePayload(b.Id, p.Input)))),
        ], ct);
    }

    /// <summary>Puts a row for each of several in the place of a stimulus, in one commit: whatever becomes of one of them, or of this node, nobody is met twice or forgotten.</summary>
    private async Task<IReadOnlyList<RunOutcome>> DeliverToEachAsync(WorkItem item, List<WorkItem> parts, CancellationToken ct)
    {
        // Who waits is told of all that can be run now; else each takes a free place, here or on another node.
        var isAwaited = _waiters.ContainsKey(item.Id);
        var here = (isAwaited ? parts : parts.Take(_slots.CurrentCount)).ToList();
        try
        {
            await _store.ReplaceWorkAsync([item.Id], parts, _options.NodeId, here.Select(i => i.Id).ToHashSet(), _options.Lease, ct);
        }
        catch (CommitConflictException e) when (e.Conflict == CommitConflict.WorkGone)
        {
            _logger.LogInformation("Stimulus {Hash} is delivered by another node: {Reason}", item.Hash, e.Message);
            return [];
        }
        var outcomes = new List<RunOutcome>();
        foreach (var part in here)
        {
            if (isAwaited) _taken[part.Id] = 0;
            else _runner.RunHere!(part);
        }
        if (isAwaited)
            foreach (var part in here)
                outcomes.AddRange(await RunPartAsync(part, ct));
        return outcomes;
    }

    /// <summary>Nothing, when it can't be run now: it stays in the queue.</summary>
    private async Task<IReadOnlyList<RunOutcome>> RunPartAsync(WorkItem part, CancellationToken ct)
    {
        try
        {
            if (await ExecuteItemAsync(part, ct) is { } outcomes) return outcomes;
            await _store.ReturnWorkAsync([part.Id], Soon(part), CancellationToken.None);
        }
        catch (Exception e)
        {
            _logger.LogError(e, "Work item {WorkId} ({Kind}, instance {InstanceId}) failed; it is tried again", part.Id, part.Kind, part.InstanceId);
            await ReturnQuietlyAsync(part);
        }
        finally
        {
            _taken.TryRemove(part.Id, out _);
        }
        return [];
    }

    /// <summary>Id of the part of a stimulus that meets one trigger or bookmark. It follows from both, so that there is one.</summary>
    private string PartId(WorkItem item, string met) => _hasher.Hash("part", item.Id + met)[..32].ToLowerInvariant();

    /// <summary>Id of the instance that a stimulus starts. It follows from the stimulus, so that delivering it twice starts nothing twice.</summary>
    private string InstanceOf(string idSource) => _hasher.Hash("start", idSource)[..32].ToLowerInvariant();

    private async Task<RunOutcome> StartTriggerAsync(TriggerRow t, WorkItem item, WorkItems.StimulusPayload p, CancellationToken ct)
    {
        var compiled = await _catalog.GetVersionAsync(t.DefinitionVersionId, null, ct);
        var instanceId = InstanceOf(item.Id);
        if (await _store.GetInstanceAsync(instanceId, ct) is not null)
        {
            await _store.CompleteWorkAsync([item.Id], ct);
            return await _runner.GetOutcomeAsync(instanceId, ct) ?? RunOutcome.NotMatched;
        }
        return await _runner.StartAsync(compiled, new StartArguments(instanceId, item.CorrelationId, p.Input, TriggerActivityId: t.ActivityId) { CompletedWork = [item.Id] }, ct);
    }
}
