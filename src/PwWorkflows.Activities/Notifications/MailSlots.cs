using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Notifications;

/// <summary>
/// Keeps the mails of a minute below a limit, on all nodes together (table <c>mail_slots</c>). The clock is that of the database, so that nodes whose clocks differ count the same minute; SQLite
/// has none of its own, and its nodes are on one machine.
/// </summary>
internal sealed class MailSlots(IPwDatabase database, TimeProvider time, int perMinute)
{
    private const long AdvisoryLock = 0x5057_4D41_494C; // "PWMAIL"
    private const long Minute = 60_000;

    /// <summary>Takes a slot.</summary>
    /// <param name="wait">Wait for a free one; else one is taken over the limit, and counts.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task TakeAsync(bool wait, CancellationToken ct)
    {
        if (perMinute == 0) return;
        while (true)
        {
            var free = await TryTakeAsync(wait, ct).ConfigureAwait(false);
            if (free <= 0) return;
            await Task.Delay(TimeSpan.FromMilliseconds(free), time, ct).ConfigureAwait(false);
        }
    }

    /// <summary>Takes a slot if there is one.</summary>
    /// <param name="limited">Only a free one.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <returns>0 when a slot was taken, else the milliseconds until the next is free.</returns>
    internal Task<long> TryTakeAsync(bool limited, CancellationToken ct) => database.WriteAsync(
        async (connection, transaction, token) =>
        {
            if (database.IsPostgres) await connection.ExecuteAsync(transaction, $"SELECT pg_advisory_xact_lock({AdvisoryLock})", Parameters.None, token).ConfigureAwait(false);
            var now = database.IsPostgres
                ? (await connection.QueryAsync(transaction, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)", Parameters.None, static r => r.GetInt64(0), token).ConfigureAwait(false))[0]
                : time.GetUtcNow().ToUnixTimeMilliseconds();
            // A clock that was set back would leave slots of the future behind, which nobody could wait for.
            await connection.ExecuteAsync(transaction, "DELETE FROM mail_slots WHERE at_ms <= @old OR at_ms > @now", Parameters.Of(("old", now - Minute), ("now", now)), token).ConfigureAwait(false);
            if (limited)
            {
                var used = await connection.QueryAsync(
                    transaction, "SELECT COUNT(*), COALESCE(MIN(at_ms), 0) FROM mail_slots", Parameters.None, static r => (Count: r.GetInt64(0), Oldest: r.GetInt64(1)), token).ConfigureAwait(false);
                if (used[0].Count >= perMinute) return Math.Max(1, used[0].Oldest + Minute - now);
            }

            await connection.ExecuteAsync(transaction, "INSERT INTO mail_slots (at_ms) VALUES (@now)", Parameters.Of(("now", now)), token).ConfigureAwait(false);
            return 0L;
        },
        ct);
}
