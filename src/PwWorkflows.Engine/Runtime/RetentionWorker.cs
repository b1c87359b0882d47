using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine;

/// <summary>
/// Deletes ended instances with their journals once their time is over, in small batches, and definition content that neither a version nor an instance uses any more.
/// What lives is never touched; faulted instances, which a person may still retry, are kept for the longer of the definition's period and <see cref="EngineOptions.FaultedRetention"/>.
/// Only tables of the engine are cleaned: evidence, orders and the audit log belong to the product. Any number of nodes may run it: they skip what another is deleting.
/// </summary>
internal sealed class RetentionWorker(IEngineStore store, EngineOptions options, TimeProvider time, ILogger<RetentionWorker> logger) : BackgroundService
{
    private const int ContentBatch = 500;
    private static readonly TimeSpan FirstLook = TimeSpan.FromMinutes(1);
    private HashSet<string> _unused = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await Task.Delay(FirstLook < options.RetentionInterval ? FirstLook : options.RetentionInterval, time, stoppingToken);
            while (true)
            {
                try
                {
                    await CleanAsync(stoppingToken);
                }
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    logger.LogError(e, "Old instances can't be deleted now; trying again in {Interval}", options.RetentionInterval);
                }
                await Task.Delay(options.RetentionInterval, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { }
    }

    /// <summary>Deletes everything whose time is over now.</summary>
    public async Task CleanAsync(CancellationToken ct)
    {
        var own = new Dictionary<string, TimeSpan>(StringComparer.Ordinal);
        foreach (var versions in (await store.GetDefinitionsAsync(null, ct)).GroupBy(d => d.DefinitionId, StringComparer.Ordinal))
        {
            var current = versions.FirstOrDefault(v => v.IsPublished) ?? versions.First();
            try
            {
                if (RetentionPeriod.Read(current.Content) is { } period) own[current.DefinitionId] = period;
            }
            catch (Exception e) when (e is FormatException or System.Text.Json.JsonException)
            {
                // A draft may say anything: nothing of it is deleted until that is put right.
                own[current.DefinitionId] = Timeout.InfiniteTimeSpan;
                logger.LogWarning("The retention of {DefinitionId} can't be read, its instances are kept: {Reason}", current.DefinitionId, e.Message);
            }
        }

        var deleted = 0;
        foreach (var (definition, period) in own)
            if (period != Timeout.InfiniteTimeSpan)
                deleted += await DeleteAsync(definition, [], period, ct);
        if (options.Retention is { } otherwise) deleted += await DeleteAsync(null, own.Keys, otherwise, ct);
        if (deleted > 0) logger.LogInformation("Deleted {Count} ended instances whose time was over", deleted);

        int revisions;
        do revisions = await store.DeleteRevisionsAsync(time.GetUtcNow() - options.RevisionRetention, options.RetentionBatch, ct);
        while (revisions == options.RetentionBatch);

        // What nothing uses now may still be started by a node that has read the definition a moment ago: it goes when it was unused at the look before as well.
        var unused = await store.FindUnusedContentsAsync(ContentBatch, ct);
        await store.DeleteContentsAsync([.. unused.Where(_unused.Contains)], ct);
        _unused = [.. unused];
    }

    private async Task<int> DeleteAsync(string? definition, IReadOnlyCollection<string> except, TimeSpan period, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var faulted = period > options.FaultedRetention ? period : options.FaultedRetention;
        var all = 0;
        while (true)
        {
            var began = Stopwatch.GetTimestamp();
            var deleted = await store.DeleteFinishedAsync(definition, except, Before(now, period), Before(now, faulted), options.RetentionBatch, ct);
            all += deleted;
            if (deleted < options.RetentionBatch) return all;
            // At most half of the time goes into cleaning: runs come first.
            await Task.Delay(Stopwatch.GetElapsedTime(began), ct);
        }
    }

    private static DateTimeOffset Before(DateTimeOffset now, TimeSpan period) => now - DateTimeOffset.UnixEpoch > period ? now - period : DateTimeOffset.UnixEpoch;
}
