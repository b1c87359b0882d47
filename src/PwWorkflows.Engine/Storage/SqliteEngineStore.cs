using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace PwWorkflows.Engine.Storage;

/// <summary>The store on SQLite: one writing thread that joins what is ready (see <see cref="SqliteWriter"/>), any number of readers.</summary>
internal sealed class SqliteEngineStore : EngineStoreBase
{
    private readonly SqliteWriter _writer;
    private readonly SqliteDatabase _database;
    private int _disposed;

    public SqliteEngineStore(StoreOptions options, TimeProvider time, ILogger logger) : base(options, time, logger)
    {
        _writer = new SqliteWriter(options.ConnectionString, options.MaxCommitsPerTransaction, () => CountRoundTrips(), logger);
        _database = new SqliteDatabase(options.ConnectionString, _writer, () => CountRoundTrips(), ExecuteAsync);
    }

    public override IEngineDatabase Database => _database;

    // ---- dialect

    protected override string AnyOf(string parameter) => $" IN (SELECT value FROM json_each({parameter}))";
    protected override string LikeOperator => "LIKE";
    protected override string BytewiseCollation => "";
    protected override string NowOf(string parameter) => parameter;
    protected override object? NowArgument => SqliteValue.Of(Now);
    protected override DateTimeOffset ReadTime(DbDataReader reader, int column) => SqliteValue.Time(reader, column);

    protected override bool IsUniqueViolation(DbException exception) =>
        exception is SqliteException { SqliteExtendedErrorCode: SQLitePCL.raw.SQLITE_CONSTRAINT_UNIQUE or SQLitePCL.raw.SQLITE_CONSTRAINT_PRIMARYKEY };

    protected override DbCommand Command(DbConnection connection, DbTransaction? transaction, string sql, object?[] args)
    {
        var command = ((SqliteConnection)connection).CreateCommand();
#pragma warning disable CA2100 // Only statements of the engine itself, with parameters.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.Transaction = (SqliteTransaction?)transaction;
        for (var i = 0; i < args.Length; i++) command.Parameters.Add(new SqliteParameter(SqliteValue.Name(i), SqliteValue.Of(args[i])));
        return command;
    }

    protected override Task<List<T>> QueryAsync<T>(string sql, object?[] args, Func<DbDataReader, T> map, bool hot, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        // SQLite reads in the caller's thread; there is nothing to wait for.
        return Task.FromResult(_database.Query(sql, args, map));
    }

    protected override Task<long> ReserveTokenBlockAsync(CancellationToken ct) =>
        _writer.RunAsync(
            session => session.Query("UPDATE engine_stamps SET value = value + 1 WHERE name = 'lease_token_blocks' RETURNING value", [], static r => r.GetInt64(0))[0], ct);

    protected override void TellOthers()
    {
        // There are no other nodes on a SQLite file.
    }

    public override Task<bool> WaitForSignalAsync(TimeSpan atMost, CancellationToken ct) => Signal.WaitAsync(atMost, ct);

    // ---- commits

    protected override Task WriteAsync(WriteRequest request) =>
        _writer.RunAsync(
            session =>
            {
                Write(session, request);
                return true;
            }, request.Cancellation);

    private void Write(SqliteSession session, WriteRequest request)
    {
        try
        {
            var now = SqliteValue.Of(Now);
            if (request.Write is { } write) request.Rows = session.Execute(write.Sql, write.Parameters);
            foreach (var enlisted in request.Writes) Enlisted(session, enlisted);
            if (request.Commit is { } commit) Write(session, request, commit, now);
            foreach (var id in request.ReplacedWork) Require(session.Execute("DELETE FROM work_items WHERE id = $1", id), CommitConflict.WorkGone);
            foreach (var id in request.CompletedWork) session.Execute("DELETE FROM work_items WHERE id = $1", id);
            foreach (var item in request.Items) Insert(session, item, request, now);
            if (request.Commit is { } wakes && !request.Ends)
            {
                foreach (var bookmark in wakes.AddedBookmarks) Wake(session, bookmark.Hash, now);
            }
        }
        catch (SqliteException exception) when (request.Write is null && IsUniqueViolation(exception))
        {
            throw new CommitConflictException(CommitConflict.UniqueKey, "A key is already there: " + exception.Message, exception);
        }
    }

    private static void Write(SqliteSession session, WriteRequest request, InstanceCommit commit, long now)
    {
        foreach (var write in commit.Writes) Enlisted(session, write);

        var row = commit.Instance;
        if (request.Releases)
        {
            Require(session.Execute("DELETE FROM instance_leases WHERE instance_id = $1 AND token = $2", row.Id, commit.Lease!.Token), CommitConflict.LeaseLost);
        }
        else if (commit.Lease is { } held)
        {
            Require(session.Execute("UPDATE instance_leases SET until = $3 WHERE instance_id = $1 AND token = $2", row.Id, held.Token, now + Micros(commit.LeaseDuration)), CommitConflict.LeaseLost);
        }
        else if (request.TakesLease)
        {
            Require(
                session.Execute(
                    "INSERT INTO instance_leases (instance_id, owner, token, until) VALUES ($1, $2, $3, $4) " +
                    "ON CONFLICT (instance_id) DO UPDATE SET owner = excluded.owner, token = excluded.token, until = excluded.until WHERE until <= $5",
                    row.Id, commit.NodeId, request.NewToken, now + Micros(commit.LeaseDuration), now),
                CommitConflict.LeaseLost);
        }

        if (commit.IsNew)
        {
            session.Execute(
                "INSERT INTO workflow_instances (id, definition_id, definition_version_id, version, content_hash, status, correlation_id, name, parent_instance_id, activation_key, " +
                "incident_count, created_at, updated_at, finished_at, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
                row.Id, row.DefinitionId, row.DefinitionVersionId, row.Version, row.ContentHash, StoreText.Of(row.Status), row.CorrelationId, row.Name, row.ParentInstanceId,
                request.Ends ? null : row.ActivationKey, row.IncidentCount, SqliteValue.Of(row.CreatedAt), SqliteValue.Of(row.UpdatedAt),
                row.FinishedAt is { } end ? SqliteValue.Of(end) : null, StoreText.Bytes(row.State));
        }
        else
        {
            Require(
                session.Execute(
                    "UPDATE workflow_instances SET definition_id = $2, definition_version_id = $3, version = $4, content_hash = $5, status = $6, correlation_id = $7, name = $8, " +
                    "parent_instance_id = $9, activation_key = $10, incident_count = $11, updated_at = $12, finished_at = $13, state = $14 WHERE id = $1",
                    row.Id, row.DefinitionId, row.DefinitionVersionId, row.Version, row.ContentHash, StoreText.Of(row.Status), row.CorrelationId, row.Name, row.ParentInstanceId,
                    request.Ends ? null : row.ActivationKey, row.IncidentCount, SqliteValue.Of(row.UpdatedAt), row.FinishedAt is { } end ? SqliteValue.Of(end) : null, StoreText.Bytes(row.State)),
                CommitConflict.LeaseLost);
        }

        // First what was carried out: the timer that woke the instance belongs to a bookmark that goes too.
        foreach (var id in commit.CompletedWorkIds)
            Require(session.Execute("DELETE FROM work_items WHERE id = $1", id), CommitConflict.WorkGone);

        if (request.Ends)
        {
            if (!commit.IsNew)
            {
                session.Execute("DELETE FROM work_items WHERE owner_key IN (SELECT id FROM workflow_bookmarks WHERE instance_id = $1)", row.Id);
                session.Execute("DELETE FROM workflow_bookmarks WHERE instance_id = $1", row.Id);
            }
        }
        else
        {
            foreach (var id in commit.RemovedBookmarkIds)
            {
                session.Execute("DELETE FROM workflow_bookmarks WHERE id = $1", id);
                session.Execute("DELETE FROM work_items WHERE owner_key = $1", id);
            }

            foreach (var bookmark in commit.AddedBookmarks)
            {
                session.Execute(
                    "INSERT INTO workflow_bookmarks (id, instance_id, hash, name, activity_instance_id, correlation_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    bookmark.Id, bookmark.InstanceId, bookmark.Hash, bookmark.Name, bookmark.ActivityInstanceId, bookmark.CorrelationId, SqliteValue.Of(bookmark.CreatedAt));
            }
        }

        foreach (var journal in commit.Journal)
        {
            session.Execute(
                "INSERT INTO workflow_journal (instance_id, first_sequence, last_sequence, created_at, entries) VALUES ($1, $2, $3, $4, $5)",
                journal.InstanceId, journal.FirstSequence, journal.LastSequence, SqliteValue.Of(journal.CreatedAt), StoreText.Bytes(journal.Entries));
        }
    }

    private static void Insert(SqliteSession session, WorkItem item, WriteRequest request, long now)
    {
        var taken = request.TakenHere?.Contains(item.Id) == true;
        var due = SqliteValue.Of(item.DueAt);
        session.Execute(
            "INSERT INTO work_items (id, kind, instance_id, due_at, available_at, taken_by, attempts, hash, correlation_id, owner_key, payload) " +
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING",
            item.Id, StoreText.Of(item.Kind), item.InstanceId, due, taken ? now + Micros(request.ItemLease) : due, taken ? request.NodeId : null, taken ? 1 : 0,
            item.Hash, item.CorrelationId, item.OwnerKey, StoreText.Bytes(item.Payload));
    }

    private static void Enlisted(SqliteSession session, EnlistedWrite write)
    {
        var rows = session.Execute(write.Sql, write.Parameters);
        if (write.ExpectedRows is { } expected && rows != expected)
            throw new CommitConflictException(CommitConflict.UnexpectedRows, $"An enlisted write touched {rows} rows where {expected} were expected.");
    }

    private static void Require(int rows, CommitConflict conflict)
    {
        if (rows == 1) return;
        throw new CommitConflictException(conflict, conflict == CommitConflict.WorkGone
            ? "A completed work item was gone: another node did it."
            : "The lease is no longer held: another node has taken the instance over.");
    }

    private static long Micros(TimeSpan span) => span.Ticks / TimeSpan.TicksPerMicrosecond;

    // ---- queue

    public override async Task<IReadOnlyList<WorkItem>> TakeDueAsync(string nodeId, int max, TimeSpan itemLease, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(max);
        // A look without the writer first: mostly there is nothing to take.
        var due = await QueryAsync("SELECT 1 FROM work_items WHERE available_at <= $1 LIMIT 1", [SqliteValue.Of(Now)], static _ => true, hot: true, ct).ConfigureAwait(false);
        if (due.Count == 0) return [];
        var items = await _writer.RunAsync(
            session =>
            {
                var now = SqliteValue.Of(Now);
                return session.Query(
                    "UPDATE work_items AS w SET taken_by = $1, available_at = $2, attempts = w.attempts + 1, woken = 0 WHERE w.rowid IN (" +
                    "SELECT d.rowid FROM work_items d WHERE d.available_at <= $3 AND NOT EXISTS (SELECT 1 FROM instance_leases l WHERE l.instance_id = d.instance_id AND l.until > $3) " +
                    "ORDER BY d.available_at LIMIT $4) RETURNING " + WorkColumns.Replace("w.", "", StringComparison.Ordinal),
                    [nodeId, now + Micros(itemLease), now, max], MapWork);
            }, ct).ConfigureAwait(false);
        items.Sort(static (a, b) => a.DueAt != b.DueAt ? a.DueAt.CompareTo(b.DueAt) : string.CompareOrdinal(a.Id, b.Id));
        return items;
    }

    public override async Task RenewWorkAsync(IReadOnlyCollection<string> ids, string nodeId, TimeSpan itemLease, CancellationToken ct)
    {
        if (ids.Count == 0) return;
        await _writer.RunAsync(
            session =>
            {
                var until = SqliteValue.Of(Now) + Micros(itemLease);
                foreach (var id in ids) session.Execute("UPDATE work_items SET available_at = $3 WHERE id = $1 AND taken_by = $2", id, nodeId, until);
                return true;
            }, ct).ConfigureAwait(false);
    }

    public override async Task ReturnWorkAsync(IReadOnlyCollection<string> ids, DateTimeOffset dueAt, CancellationToken ct)
    {
        if (ids.Count == 0) return;
        await _writer.RunAsync(
            session =>
            {
                // One that was woken while it was held is due at once.
                foreach (var id in ids)
                {
                    session.Execute(
                        "UPDATE work_items SET taken_by = NULL, due_at = CASE WHEN woken THEN $3 ELSE $2 END, available_at = CASE WHEN woken THEN $3 ELSE $2 END, woken = 0 WHERE id = $1",
                        id, SqliteValue.Of(dueAt), SqliteValue.Of(Now));
                }

                return true;
            }, ct).ConfigureAwait(false);
        Signal.Set();
    }

    // One that somebody holds is marked instead, and due when it is given back.
    private static void Wake(SqliteSession session, string hash, long now) =>
        session.Execute(
            "UPDATE work_items SET woken = taken_by IS NOT NULL, due_at = CASE WHEN taken_by IS NULL THEN min(due_at, $2) ELSE due_at END, " +
            "available_at = CASE WHEN taken_by IS NULL THEN min(available_at, $2) ELSE available_at END WHERE hash = $1 AND kind = 'Stimulus'",
            hash, now);

    // ---- leases

    public override async Task<(InstanceRow? Instance, Lease? Lease)> ClaimInstanceAsync(string instanceId, string nodeId, TimeSpan lease, CancellationToken ct)
    {
        var token = await NextTokensAsync(1, ct).ConfigureAwait(false);
        return await _writer.RunAsync<(InstanceRow?, Lease?)>(
            session =>
            {
                var rows = session.Query(SelectInstance + " WHERE i.id = $1", [instanceId], MapInstance);
                if (rows.Count == 0) return (null, null);
                var now = SqliteValue.Of(Now);
                return (rows[0], Claim(session, instanceId, nodeId, token, now, now + Micros(lease), takeovers: 0) is null ? null : new Lease(instanceId, token));
            }, ct).ConfigureAwait(false);
    }

    public override async Task<IReadOnlyList<(InstanceRow Instance, Lease Lease, int Takeovers)>> ClaimLapsedAsync(string nodeId, int max, TimeSpan lease, CancellationToken ct)
    {
        if (max <= 0) return [];
        var first = await NextTokensAsync(max, ct).ConfigureAwait(false);
        return await _writer.RunAsync<IReadOnlyList<(InstanceRow, Lease, int)>>(
            session =>
            {
                var now = SqliteValue.Of(Now);
                var rows = session.Query(
                    SelectInstance + " LEFT JOIN instance_leases held ON held.instance_id = i.id WHERE i.status = 'Running' AND i.status <> 'Finished' " +
                    "AND (held.until IS NULL OR held.until <= $1) ORDER BY i.created_at LIMIT $2", [now, max], MapInstance);
                var result = new List<(InstanceRow, Lease, int)>(rows.Count);
                var token = first;
                foreach (var row in rows)
                {
                    if (Claim(session, row.Id, nodeId, token, now, now + Micros(lease), takeovers: 1) is { } takeovers) result.Add((row, new Lease(row.Id, token), takeovers));
                    token++;
                }

                return result;
            }, ct).ConfigureAwait(false);
    }

    private static int? Claim(SqliteSession session, string instanceId, string nodeId, long token, long now, long until, int takeovers)
    {
        var claimed = session.Query(
            "INSERT INTO instance_leases (instance_id, owner, token, until, takeovers) VALUES ($1, $2, $3, $4, $6) ON CONFLICT (instance_id) DO UPDATE SET " +
            "owner = excluded.owner, token = excluded.token, until = excluded.until, takeovers = takeovers + 1 WHERE until <= $5 RETURNING takeovers",
            [instanceId, nodeId, token, until, now, takeovers], static r => r.GetInt32(0));
        return claimed.Count == 0 ? null : claimed[0];
    }

    public override async Task<IReadOnlyList<Lease>> RenewLeasesAsync(IReadOnlyCollection<Lease> leases, TimeSpan lease, CancellationToken ct)
    {
        if (leases.Count == 0) return [];
        return await _writer.RunAsync<IReadOnlyList<Lease>>(
            session =>
            {
                var until = SqliteValue.Of(Now) + Micros(lease);
                return [.. leases.Where(l => session.Execute("UPDATE instance_leases SET until = $3 WHERE instance_id = $1 AND token = $2", l.InstanceId, l.Token, until) == 0)];
            }, ct).ConfigureAwait(false);
    }

    public override async Task ReleaseLeaseAsync(Lease lease, CancellationToken ct)
    {
        var released = await _writer.RunAsync(
            session => session.Execute("DELETE FROM instance_leases WHERE instance_id = $1 AND token = $2", lease.InstanceId, lease.Token), ct).ConfigureAwait(false);
        if (released > 0) Signal.Set();
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        await _writer.CloseAsync().ConfigureAwait(false);
        _database.Dispose();
    }
}
