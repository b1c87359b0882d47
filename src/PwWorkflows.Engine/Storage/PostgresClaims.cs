using System.Data.Common;
using Npgsql;

namespace PwWorkflows.Engine.Storage;

/// <summary>Claims of instances by several callers in one round trip.</summary>
/// <param name="impatient">Connections that give up when somebody holds a lease's row for long: a joint claim must not make all wait for one.</param>
/// <param name="patient">Connections that wait.</param>
/// <param name="selectInstance">Selects instances as <paramref name="map"/> reads them.</param>
/// <param name="map">Reads an instance.</param>
/// <param name="clock">The time in place of the database's own, for tests.</param>
/// <param name="countRoundTrip">Counts a round trip.</param>
internal sealed class PostgresClaims(NpgsqlDataSource impatient, NpgsqlDataSource patient, string selectInstance, Func<DbDataReader, InstanceRow> map, Func<object?> clock, Action countRoundTrip)
    : PostgresRounds<PostgresClaims.Claim>
{
    /// <summary>Claims an instance. Once asked for, the claim is waited for whatever its caller does: one that nobody knew of would keep the instance until it lapses.</summary>
    public Task<(InstanceRow? Instance, Lease? Lease)> ClaimAsync(string instanceId, string nodeId, long token, TimeSpan lease)
    {
        var claim = new Claim(instanceId, nodeId, token, lease);
        Ask(claim);
        return claim.Done;
    }

    protected override async Task MakeAsync(IReadOnlyList<Claim> requests, bool alone)
    {
        // Of several that want one instance the first asks; the others learn that it is taken. In the order of their ids, so that two rounds don't wait for each other.
        var asked = requests.DistinctBy(static c => c.InstanceId).OrderBy(static c => c.InstanceId, StringComparer.Ordinal).ToList();
        var ids = PostgresCommit.Typed(asked.ConvertAll(static c => c.InstanceId).ToArray());
        countRoundTrip();
        await using var batch = (alone ? patient : impatient).CreateBatch();
        // Two statements, because the second must see what was committed while the first waited for a lease.
        batch.BatchCommands.Add(PostgresCommit.Statement(
            "INSERT INTO instance_leases AS l (instance_id, owner, token, until) SELECT t.id, t.owner, t.token, coalesce($5::timestamptz, now()) + t.lease " +
            "FROM " + PostgresCommit.TakeRows + " WHERE EXISTS (SELECT 1 FROM workflow_instances i WHERE i.id = t.id) " +
            "ON CONFLICT (instance_id) DO UPDATE SET owner = excluded.owner, token = excluded.token, until = excluded.until, takeovers = l.takeovers + 1 " +
            // Its own token is there already when an answer was lost and the claim is made once more.
            "WHERE l.until <= coalesce($5::timestamptz, now()) OR l.token = excluded.token RETURNING instance_id",
            ids, PostgresCommit.Typed(asked.ConvertAll(static c => c.NodeId).ToArray()), PostgresCommit.Typed(asked.ConvertAll(static c => c.Token).ToArray()),
            PostgresCommit.Typed(asked.ConvertAll(static c => c.Lease).ToArray()), PostgresCommit.Untyped(clock())));
        batch.BatchCommands.Add(PostgresCommit.Statement(selectInstance + " WHERE i.id = ANY($1)", PostgresCommit.Typed(asked.ConvertAll(static c => c.InstanceId).ToArray())));
        var claimed = new HashSet<string>(StringComparer.Ordinal);
        var rows = new Dictionary<string, InstanceRow>(StringComparer.Ordinal);
        var unreadable = new Dictionary<string, Exception>(StringComparer.Ordinal);
        await using (var reader = await batch.ExecuteReaderAsync().ConfigureAwait(false))
        {
            while (await reader.ReadAsync().ConfigureAwait(false)) claimed.Add(reader.GetString(0));
            await reader.NextResultAsync().ConfigureAwait(false);
            while (await reader.ReadAsync().ConfigureAwait(false))
            {
                var id = reader.GetString(0);
                try
                {
                    rows[id] = map(reader);
                }
                catch (Exception exception)
                {
                    // The others of the round trip are not harmed.
                    unreadable[id] = exception;
                }
            }
        }

        foreach (var claim in requests) claim.Found = (rows.GetValueOrDefault(claim.InstanceId), false);
        foreach (var claim in asked)
        {
            claim.Unreadable = unreadable.GetValueOrDefault(claim.InstanceId);
            claim.Found = (claim.Found.Row, claimed.Contains(claim.InstanceId));
            if (claim.Unreadable is null || !claim.Found.Claimed) continue;
            await using var release = patient.CreateCommand("DELETE FROM instance_leases WHERE instance_id = $1 AND token = $2");
            release.Parameters.Add(PostgresCommit.Typed(claim.InstanceId));
            release.Parameters.Add(PostgresCommit.Typed(claim.Token));
            countRoundTrip();
            await release.ExecuteNonQueryAsync().ConfigureAwait(false);
        }
    }

    internal sealed class Claim(string instanceId, string nodeId, long token, TimeSpan lease) : RoundRequest
    {
        private readonly TaskCompletionSource<(InstanceRow? Instance, Lease? Lease)> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string InstanceId { get; } = instanceId;
        public string NodeId { get; } = nodeId;
        public long Token { get; } = token;
        public TimeSpan Lease { get; } = lease;
        public (InstanceRow? Row, bool Claimed) Found { get; set; }
        public Task<(InstanceRow? Instance, Lease? Lease)> Done => _done.Task;

        /// <summary>Why the instance's row can't be read; null when it can.</summary>
        public Exception? Unreadable { get; set; }

        public override void Reset() => (Found, Unreadable) = (default, null);

        public override void Complete()
        {
            if (Unreadable is not null) _done.TrySetException(Unreadable);
            else _done.TrySetResult(Found.Row is null ? (null, null) : (Found.Row, Found.Claimed ? new Lease(InstanceId, Token) : null));
        }

        public override void Fail(Exception exception) => _done.TrySetException(exception);
    }
}
