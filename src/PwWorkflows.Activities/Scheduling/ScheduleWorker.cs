using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>How the clock of schedules runs on this node.</summary>
public sealed class ScheduleOptions
{
    /// <summary>Longest time between two looks at the schedules; one that is due sooner is looked at when it is. Default: 1 second.</summary>
    /// <remarks>What another node or the command line changes is seen within this time.</remarks>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Most schedules that are taken at once. Default: 100.</summary>
    public int Batch { get; set; } = 100;

    /// <summary>Time between two looks for runs whose instance is gone. Default: 30 seconds.</summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromSeconds(30);
}

/// <summary>Looks at schedules when they are due, on every node: whoever comes first takes them.</summary>
public sealed class ScheduleWorker(ScheduleBook book, ScheduleOptions options, ILogger<ScheduleWorker> logger) : BackgroundService
{
    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        var sweep = 0L;
        while (!stoppingToken.IsCancellationRequested)
        {
            var wait = options.PollInterval;
            try
            {
                if (TimeProvider.System.GetElapsedTime(sweep) >= options.SweepInterval)
                {
                    sweep = TimeProvider.System.GetTimestamp();
                    await book.SweepAsync(stoppingToken).ConfigureAwait(false);
                }

                if (await LookAsync(stoppingToken).ConfigureAwait(false) is { } next && next < wait) wait = next > TimeSpan.Zero ? next : TimeSpan.Zero;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                ScheduleLog.LookFailed(logger, e);
            }

            try
            {
                // The machine's clock: a moved clock is seen at the next look. A millisecond more, so that it is not before the moment.
                if (wait > TimeSpan.Zero) await Task.Delay(wait + TimeSpan.FromMilliseconds(1), TimeProvider.System, stoppingToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>Looks at everything that is due now.</summary>
    /// <returns>How long until the next one; <c>null</c> when none is known.</returns>
    internal async Task<TimeSpan?> LookAsync(CancellationToken ct)
    {
        while (true)
        {
            var (wakeAt, now) = await book.NextWakeAsync(ct).ConfigureAwait(false);
            if (wakeAt is not { } wake) return null;
            if (wake > now) return wake - now;
            var claimed = await book.ClaimAsync(options.Batch, ct).ConfigureAwait(false);
            if (claimed.Count == 0) return TimeSpan.FromMilliseconds(20); // Another node has them in hand.
            // All at once: their commits share transactions.
            await Task.WhenAll(claimed.Select(c => AdvanceAsync(c.Row, c.Now, ct))).ConfigureAwait(false);
        }
    }

    private async Task AdvanceAsync(ScheduleRow row, DateTimeOffset now, CancellationToken ct)
    {
        try
        {
            await book.AdvanceAsync(row, now, ct).ConfigureAwait(false);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            // Its turn comes again when the claim lapses; the others must not suffer.
            ScheduleLog.AdvanceFailed(logger, row.Name, e);
        }
    }
}
