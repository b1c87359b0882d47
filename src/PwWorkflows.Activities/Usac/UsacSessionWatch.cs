using Elsa.Workflows.Runtime;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Filings;

namespace PwWorkflows.Activities.Usac;

/// <summary>
/// Wakes orders that wait for a portal session as soon as a new one is stored. Any number of nodes may watch: waking twice does no harm, since
/// the order looks at the session itself.
/// </summary>
public sealed class UsacSessionWatch(IPwDatabase database, UsacSessions sessions, IEventPublisher events, UsacOptions options, TimeProvider clock, ILogger<UsacSessionWatch> logger) : BackgroundService
{
    /// <summary>Looks once at every session that is waited for.</summary>
    /// <returns>Number of orders woken.</returns>
    public async Task<int> LookAsync(CancellationToken ct)
    {
        var waits = await database.QueryAsync(
            "SELECT order_number, telecom_entity_id, fingerprint FROM usac_session_waits ORDER BY since", Parameters.None,
            r => (Order: r.GetString(0), Entity: r.GetInt32(1), Fingerprint: r.GetString(2)), ct).ConfigureAwait(false);
        var woken = 0;
        foreach (var entity in waits.GroupBy(w => w.Entity))
        {
            if (await sessions.ReadAsync(entity.Key, ct).ConfigureAwait(false) is not UsacSession.Ready ready) continue;
            // The same text that the portal refused before would only be refused again.
            var fingerprint = UsacSessions.Fingerprint(ready.StorageState);
            var goOn = entity.Where(w => w.Fingerprint != fingerprint).ToList();
            foreach (var wait in goOn)
            {
                // First wake, then forget: a crash between the two wakes once more.
                await events.PublishAsync(FilingEvents.SessionReady(wait.Order), cancellationToken: ct).ConfigureAwait(false);
                await database.ExecuteAsync(
                    "DELETE FROM usac_session_waits WHERE order_number = @order AND fingerprint = @fingerprint", Parameters.Of(("order", wait.Order), ("fingerprint", wait.Fingerprint)), ct).ConfigureAwait(false);
            }

            if (goOn.Count > 0) Log.SessionArrived(logger, entity.Key, goOn.Count);
            woken += goOn.Count;
        }

        return woken;
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.SessionWatchInterval, clock);
        try
        {
            do
            {
                try
                {
                    await LookAsync(stoppingToken).ConfigureAwait(false);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    Log.WatchFailed(logger, e);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // The host stops.
        }
    }
}
