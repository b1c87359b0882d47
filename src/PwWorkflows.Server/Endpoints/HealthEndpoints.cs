using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.ErpNext;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Activities.Storage;
using PwWorkflows.Server.Hosting;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary>Result of one check.</summary>
/// <param name="Status"><c>ok</c>, <c>warning</c> (something needs a look, the work goes on) or <c>failed</c>.</param>
/// <param name="DurationMs">How long it took.</param>
/// <param name="Detail">What is wrong; no addresses, no secrets.</param>
public sealed record HealthCheckView(string Status, long DurationMs, string? Detail);

/// <summary>Result of all checks.</summary>
public sealed record HealthView(string Status, DateTimeOffset CheckedAt, IReadOnlyDictionary<string, HealthCheckView> Checks);

/// <summary>Asks the parts whether they work.</summary>
public sealed class HealthChecks(IPwDatabase database, IServiceProvider services, IWorkflowAdmin workflows, TimeProvider time)
{
    private static readonly TimeSpan DatabaseTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan CheckTimeout = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan KeepFor = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private Task<HealthView>? _deep;
    private DateTimeOffset _deepAt;

    /// <summary>The database answers (the configuration is loaded, or nobody would answer here).</summary>
    public async Task<HealthView> ShallowAsync(CancellationToken ct) => View([await DatabaseAsync(ct).ConfigureAwait(false)]);

    /// <summary>Everything the main job needs answers. All checks at once; a result is kept for five seconds, and callers share it.</summary>
    public Task<HealthView> DeepAsync(CancellationToken ct)
    {
        lock (_lock)
        {
            var now = time.GetUtcNow();
            if (_deep is null || (_deep.IsCompleted && (now - _deepAt >= KeepFor || now < _deepAt)))
            {
                _deepAt = now;
                // Not the caller's token: others wait for the same result.
                _deep = RunDeepAsync();
            }

            return _deep.WaitAsync(ct);
        }
    }

    private async Task<HealthView> RunDeepAsync() => View(await Task.WhenAll(
        DatabaseAsync(CancellationToken.None),
        CheckAsync("erpnext", CheckTimeout, async ct =>
        {
            var erp = services.GetRequiredService<ErpNextClient>();
            return !erp.IsConfigured ? "ERPNEXT_URL is not set" : await erp.IsHealthyAsync(ct).ConfigureAwait(false) ? null : "it does not answer or does not know us";
        }),
        CheckAsync("object_store", CheckTimeout, async ct => await services.GetRequiredService<IObjectStore>().IsHealthyAsync(ct).ConfigureAwait(false) ? null : "it does not answer"),
        CheckAsync("work_queue", CheckTimeout, async ct =>
        {
            var queue = await workflows.GetQueueHealthAsync(ct).ConfigureAwait(false);
            return queue.IsHealthy ? null : queue.Detail;
        }),
        SchedulesAsync()).ConfigureAwait(false));

    /// <summary>Schedules of which nothing finishes any more: yellow, because the rest works.</summary>
    private async Task<(string, HealthCheckView)> SchedulesAsync()
    {
        IReadOnlyList<(string Name, DateTimeOffset? LastFinished)> overdue = [];
        var (name, result) = await CheckAsync("schedules", CheckTimeout, async ct =>
        {
            overdue = await services.GetRequiredService<ScheduleBook>().OverdueAsync(ct).ConfigureAwait(false);
            return null;
        }).ConfigureAwait(false);
        return (name, overdue.Count == 0 ? result : result with { Status = "warning", Detail = $"overdue: {string.Join(", ", overdue.Select(static s => s.Name))}" });
    }

    private Task<(string, HealthCheckView)> DatabaseAsync(CancellationToken ct) => CheckAsync(
        "database",
        DatabaseTimeout,
        async token =>
        {
            await database.QueryAsync("SELECT 1", Parameters.None, static r => r.GetInt32(0), token).ConfigureAwait(false);
            return null;
        },
        ct);

    private async Task<(string Name, HealthCheckView Result)> CheckAsync(string name, TimeSpan timeout, Func<CancellationToken, Task<string?>> check, CancellationToken ct = default)
    {
        var started = time.GetTimestamp();
        string? wrong;
        using var limit = new CancellationTokenSource(timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, limit.Token);
        try
        {
            // WaitAsync: a client that ignores its token must not hold the answer up.
            wrong = await check(both.Token).WaitAsync(both.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            wrong = $"no answer within {timeout.TotalSeconds:0} s";
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            // Messages from outside may hold addresses; the kind of error is enough here.
            wrong = e.GetType().Name;
        }

        return (name, new HealthCheckView(wrong is null ? "ok" : "failed", (long)time.GetElapsedTime(started).TotalMilliseconds, wrong));
    }

    private HealthView View(IReadOnlyList<(string Name, HealthCheckView Result)> checks) => new(
        checks.Any(static c => c.Result.Status == "failed") ? "failed" : checks.Any(static c => c.Result.Status == "warning") ? "warning" : "ok", time.GetUtcNow(), checks.ToDictionary(static c => c.Name, static c => c.Result, StringComparer.Ordinal));
}

/// <summary><c>GET /health</c> and <c>GET /health/deep</c>.</summary>
internal static class HealthEndpoints
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/health", async (HealthChecks checks, CancellationToken ct) => Answer(await checks.ShallowAsync(ct).ConfigureAwait(false))).AllowAnonymous();
        routes.MapGet("/health/deep", async (HealthChecks checks, CancellationToken ct) => Answer(await checks.DeepAsync(ct).ConfigureAwait(false))).AllowAnonymous();
    }

    private static IResult Answer(HealthView health) =>
        PwJson.Ok(health, health.Status == "failed" ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK);
}
