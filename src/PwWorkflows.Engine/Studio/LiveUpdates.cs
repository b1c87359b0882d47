using System.Collections.Concurrent;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Studio;

/// <summary>Tells viewers that an instance they look at went on.</summary>
internal sealed class WorkflowInstanceHub(IEngineStore store, InstanceWatcher watcher) : Hub
{
    /// <summary>The caller wants to know of an instance from now on.</summary>
    public async Task ObserveInstanceAsync(string instanceId)
    {
        // What an instance says to a viewer that is not there, a stock server says too.
        if (await store.GetInstanceAsync(instanceId, Context.ConnectionAborted) is null) throw new HubException("Access denied.");
        await Groups.AddToGroupAsync(Context.ConnectionId, instanceId, Context.ConnectionAborted);
        watcher.Watch(Context.ConnectionId, instanceId);
    }

    /// <inheritdoc />
    public override Task OnDisconnectedAsync(Exception? exception)
    {
        watcher.Forget(Context.ConnectionId);
        return base.OnDisconnectedAsync(exception);
    }
}

/// <summary>
/// Looks at the instances that somebody watches and tells of those that have changed. It reads the database, so it sees what any node commits; with nobody watching it does nothing.
/// </summary>
internal sealed class InstanceWatcher(IEngineStore store, IHubContext<WorkflowInstanceHub> hub, TimeProvider time, ILogger<InstanceWatcher> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<string, byte>> _watched = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (DateTimeOffset UpdatedAt, InstanceStatus Status)> _seen = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _anybody = new(0);

    /// <summary>Tells of an instance from now on, and of its state once: what a viewer shows it read before it came here, and a commit in between would be told to nobody.</summary>
    public void Watch(string connectionId, string instanceId)
    {
        _watched.GetOrAdd(connectionId, static _ => new(StringComparer.Ordinal))[instanceId] = 0;
        _seen.TryRemove(instanceId, out _);
        _anybody.Release();
    }

    public void Forget(string connectionId) => _watched.TryRemove(connectionId, out _);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                if (_watched.IsEmpty)
                {
                    _seen.Clear();
                    await _anybody.WaitAsync(stoppingToken);
                }
                try
                {
                    await LookAsync(stoppingToken);
                }
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    logger.LogWarning(e, "Viewers can't be told of what their instances do; trying again");
                }
                await Task.Delay(Interval, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { }
    }

    private async Task LookAsync(CancellationToken ct)
    {
        var ids = _watched.Values.SelectMany(w => w.Keys).ToHashSet(StringComparer.Ordinal);
        foreach (var gone in _seen.Keys.Where(id => !ids.Contains(id)).ToList()) _seen.TryRemove(gone, out _);
        if (ids.Count == 0) return;
        var (rows, _) = await store.ListInstancesAsync(new InstanceFilter(Ids: ids), 0, ids.Count, ct);
        foreach (var row in rows)
        {
            var now = (row.UpdatedAt, row.Status);
            if (_seen.TryGetValue(row.Id, out var before) && before == now) continue;
            _seen[row.Id] = now;
            if (await store.GetInstanceAsync(row.Id, ct) is not { } whole) continue;
            var viewers = hub.Clients.Group(row.Id);
            await viewers.SendAsync("ActivityExecutionLogUpdatedAsync", new { stats = (await ExecutionHistory.ReadAsync(store, whole, ct)).Stats(null).ToList() }, ct);
            await viewers.SendAsync("WorkflowExecutionLogUpdatedAsync", new { }, ct);
            await viewers.SendAsync("WorkflowInstanceUpdatedAsync", new { workflowInstanceId = row.Id }, ct);
        }
    }

    /// <inheritdoc />
    public override void Dispose()
    {
        _anybody.Dispose();
        base.Dispose();
    }
}

/// <summary>Registers what the hub needs.</summary>
internal static class LiveUpdates
{
    public static IServiceCollection AddLiveUpdates(this IServiceCollection services)
    {
        services.AddSignalR().AddJsonProtocol(static o =>
        {
            o.PayloadSerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
            o.PayloadSerializerOptions.Converters.Add(new JsonStringEnumConverter());
        });
        services.AddSingleton<InstanceWatcher>();
        services.AddHostedService(static p => p.GetRequiredService<InstanceWatcher>());
        return services;
    }
}
