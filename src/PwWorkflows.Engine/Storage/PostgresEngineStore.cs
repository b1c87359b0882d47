using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace PwWorkflows.Engine.Storage;

/// <summary>
/// The store on PostgreSQL. Three kinds of connections: <em>writers</em>, one per committer loop, whose commits are on disk when they are answered; <em>hot</em> ones for
/// claims, takes and short reads, which don't wait for the disk (what they write may be lost in a crash of the database without harm: a lost claim is a lapsed lease, and
/// tokens are never given out twice); and those of <see cref="Database"/> for everything else.
/// </summary>
internal sealed class PostgresEngineStore : EngineStoreBase
{
    // The plans of the hot statements are made once and must fit tables of any size, which only index look-ups do.
    private const string HotPlans = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_bitmapscan=off -c plan_cache_mode=force_generic_plan -c jit=off";

    private readonly BlockingCollection<WriteRequest> _requests = [];
    private readonly NpgsqlDataSource _writers;
    private readonly NpgsqlDataSource _hot;
    private readonly NpgsqlDataSource _claimers;
    private readonly PostgresLookUps _lookUps;
    private readonly PostgresClaims _claims;
    private readonly PostgresDatabase _database;
    private readonly PostgresNotifier _notifier;
    private readonly Task[] _loops;
    private int _disposed;

    public PostgresEngineStore(StoreOptions options, TimeProvider time, ILogger logger) : base(options, time, logger)
    {
        _writers = Source(options.ConnectionString, HotPlans, options.CommitLoops + 1);
        _hot = Source(options.ConnectionString, HotPlans + " -c synchronous_commit=off", 8);
        _lookUps = new PostgresLookUps(_hot, () => CountRoundTrips());
        _claimers = Source(options.ConnectionString, HotPlans + " -c synchronous_commit=off -c lock_timeout=250", 1);
        _claims = new PostgresClaims(_claimers, _hot, SelectInstance, MapInstance, () => NowArgument, () => CountRoundTrips());
        _database = new PostgresDatabase(options.ConnectionString, () => CountRoundTrips(), ExecuteAsync, _lookUps);
        _notifier = new PostgresNotifier(_database.Source, options.ConnectionString, Signal, time, logger);
        _loops = [.. Enumerable.Range(0, options.CommitLoops).Select(_ => Task.Factory.StartNew(RunCommits, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
    }

    public override IEngineDatabase Database => _database;

    private static NpgsqlDataSource Source(string connectionString, string options, int size)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString)
        {
            MaxPoolSize = size,
            MinPoolSize = 0,
            MaxAutoPrepare = 100,
            AutoPrepareMinUsages = 2,
            NoResetOnClose = true,
            Enlist = false,
        };
        builder.Options = string.IsNullOrEmpty(builder.Options) ? options : builder.Options + " " + options;
        // Only built-in types are used here; asking the server for its types takes longer than anything else at the start.
        return new NpgsqlDataSourceBuilder(builder.ConnectionString).ConfigureTypeLoading(types => types.EnableTypeLoading(false)).Build();
    }

    // ---- dialect

    protected override string AnyOf(string parameter) => $" = ANY({parameter})";
    protected override string LikeOperator => "ILIKE";
    protected override string BytewiseCollation => " COLLATE \"C\"";
    protected override string NowOf(string parameter) => $"coalesce({parameter}::timestamptz, now())";
    protected override object? NowArgument => ClockOverride?.Invoke().ToUniversalTime();
    protected override DateTimeOffset ReadTime(DbDataReader reader, int column) => reader.GetFieldValue<DateTimeOffset>(column);
    protected override bool IsUniqueViolation(DbException exception) => exception.SqlState == PostgresErrorCodes.UniqueViolation;

    protected override DbCommand Command(DbConnection connection, DbTransaction? transaction, string sql, object?[] args)
    {
        var command = new NpgsqlCommand(sql, (NpgsqlConnection)connection, (NpgsqlTransaction?)transaction);
        foreach (var arg in args) command.Parameters.Add(PostgresCommit.Untyped(arg));
        return command;
    }

    protected override async Task<List<T>> QueryAsync<T>(string sql, object?[] args, Func<DbDataReader, T> map, bool hot, CancellationToken ct)
    {
        CountRoundTrips();
        await using var command = (hot ? _hot : _database.Source).CreateCommand(sql);
        foreach (var arg in args) command.Parameters.Add(PostgresCommit.Untyped(arg));
        await using var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        var rows = new List<T>();
        while (await reader.ReadAsync(ct).ConfigureAwait(false)) rows.Add(map(reader));
        return rows;
    }

    protected override async Task<long> ReserveTokenBlockAsync(CancellationToken ct)
    {
        CountRoundTrips();
        await using var command = _database.Source.CreateCommand("SELECT nextval('lease_token_blocks')");
        return (long)(await command.ExecuteScalarAsync(ct).ConfigureAwait(false))!;
    }

    protected override void TellOthers() => _notifier.Tell();

    public override Task<bool> WaitForSignalAsync(TimeSpan atMost, CancellationToken ct)
    {
        _notifier.Listen();
        return Signal.WaitAsync(atMost, ct);
    }

    // ---- group commit

    protected override Task WriteAsync(WriteRequest request)
    {
        try
        {
            _requests.Add(request);
        }
        catch (InvalidOperationException) when (_requests.IsAddingCompleted)
        {
            throw new ObjectDisposedException(nameof(IEngineStore), "The store is closed.");
        }

        return request.Done.Task;
    }

    // A thread of its own that waits for requests and for the database itself: no commit waits until the pool, which is busy with what is to be committed, has a thread for it.
    private void RunCommits()
    {
        var batch = new List<WriteRequest>(Options.MaxCommitsPerTransaction);
        var rewake = new HashSet<string>(StringComparer.Ordinal);
        NpgsqlConnection? connection = null;
        try
        {
            foreach (var first in _requests.GetConsumingEnumerable())
            {
                batch.Clear();
                var request = first;
                do
                {
                    if (request.Cancellation.IsCancellationRequested) request.Done.TrySetCanceled(request.Cancellation);
                    else batch.Add(request);
                }
                while (batch.Count < Options.MaxCommitsPerTransaction && _requests.TryTake(out request));

                if (batch.Count == 0) continue;
                try
                {
                    connection = Open(connection);
                    WriteBatch(connection, batch, rewake);
                    // A stimulus that was enqueued and tried while the bookmark's transaction was under way saw no bookmark, and the wake-up in that
                    // transaction did not see the stimulus. So it is woken once more, with the next commit or when there is none.
                    if (rewake.Count > 0 && _requests.Count == 0) Rewake(connection, rewake);
                }
                catch (Exception exception)
                {
                    // Whether it was committed is not known (or the database can't be reached): each caller has to find out.
                    foreach (var waiting in batch) waiting.Done.TrySetException(exception);
                    rewake.Clear();
                }
            }
        }
        finally
        {
            connection?.Dispose();
        }
    }

    private NpgsqlConnection Open(NpgsqlConnection? connection)
    {
        if (connection is { FullState: System.Data.ConnectionState.Open }) return connection;
        connection?.Dispose();
        return _writers.OpenConnection();
    }

    private void WriteBatch(NpgsqlConnection connection, List<WriteRequest> batch, HashSet<string> rewake)
    {
        var again = rewake.ToArray();
        rewake.Clear();
        foreach (var request in batch)
        {
            if (request.Commit is { } commit) foreach (var bookmark in commit.AddedBookmarks) rewake.Add(bookmark.Hash);
        }

        try
        {
            Execute(connection, batch, again);
            foreach (var request in batch) request.Done.TrySetResult();
            return;
        }
        catch (Exception refused) when (refused is PostgresException or CommitConflictException && connection.FullState == System.Data.ConnectionState.Open)
        {
            if (batch.Count == 1 && !IsTransient(refused))
            {
                batch[0].Done.TrySetException(Refusal(batch[0], refused));
                return;
            }

            if (batch.Count > 1) Log.JointCommitRefused(Logger, batch.Count, refused is PostgresException p ? p.SqlState : refused.Message);
        }

        foreach (var request in batch) WriteAlone(connection, request);
    }

    private void WriteAlone(NpgsqlConnection connection, WriteRequest request)
    {
        const int Tries = 5;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                Execute(connection, [request], []);
                request.Done.TrySetResult();
                return;
            }
            catch (Exception refused) when (refused is PostgresException or CommitConflictException && connection.FullState == System.Data.ConnectionState.Open)
            {
                if (IsTransient(refused) && attempt < Tries) continue;
                request.Done.TrySetException(Refusal(request, refused));
                return;
            }
        }
    }

    private void Execute(NpgsqlConnection connection, IReadOnlyList<WriteRequest> requests, string[] wakeAgain)
    {
        var commit = new PostgresCommit(requests, ClockOverride?.Invoke(), wakeAgain);
        using var batch = new NpgsqlBatch(connection);
        commit.AddTo(batch.BatchCommands);
        CountRoundTrips();
        if (commit.RowsToCheck.Count == 0)
        {
            // One round trip: the statements of a batch are one transaction.
            batch.ExecuteNonQuery();
            commit.CountRows();
            return;
        }

        // BEGIN travels with the batch.
        using var transaction = connection.BeginTransaction();
        batch.Transaction = transaction;
        batch.ExecuteNonQuery();
        foreach (var (command, expected) in commit.RowsToCheck)
        {
            var touched = command.RecordsAffected;
            if (touched != expected)
                throw new CommitConflictException(CommitConflict.UnexpectedRows, $"An enlisted write touched {touched} rows where {expected} were expected.");
        }

        CountRoundTrips();
        transaction.Commit();
        commit.CountRows();
    }

    private void Rewake(NpgsqlConnection connection, HashSet<string> hashes)
    {
        var again = hashes.ToArray();
        hashes.Clear();
        try
        {
            Execute(connection, [], again);
        }
        catch (DbException exception)
        {
            // The stimulus is tried again anyway when its time comes.
            Log.HintNotSent(Logger, exception);
        }
    }

    private static bool IsTransient(Exception exception) =>
        exception is PostgresException { SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.LockNotAvailable };

    /// <summary>A commit learns which promise did not hold; a statement of the product gets the database's own words.</summary>
    private static Exception Refusal(WriteRequest request, Exception exception) => request.Write is not null ? exception : Conflict(exception);

    private static Exception Conflict(Exception exception) => exception is not PostgresException error ? exception : error.SqlState switch
    {
        PostgresErrorCodes.UniqueViolation => new CommitConflictException(CommitConflict.UniqueKey, $"The key {error.ConstraintName} is already there.", error),
        PostgresCommit.LeaseLost => new CommitConflictException(CommitConflict.LeaseLost, "The lease is no longer held: another node has taken the instance over.", error),
        PostgresCommit.WorkGone => new CommitConflictException(CommitConflict.WorkGone, "A completed work item was gone: another node did it.", error),
        PostgresCommit.UnexpectedRows => new CommitConflictException(CommitConflict.UnexpectedRows, "An enlisted write: " + error.MessageText + ".", error),
        _ => error,
    };

    // ---- queue

    public override async Task<IReadOnlyList<WorkItem>> TakeDueAsync(string nodeId, int max, TimeSpan itemLease, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(max);
        const string Sql =
            "WITH due AS (SELECT w.id FROM work_items w WHERE w.available_at <= coalesce($4::timestamptz, now()) AND NOT EXISTS " +
            "(SELECT 1 FROM instance_leases l WHERE l.instance_id = w.instance_id AND l.until > coalesce($4::timestamptz, now())) " +
            "ORDER BY w.available_at LIMIT $3 FOR UPDATE OF w SKIP LOCKED) " +
            "UPDATE work_items w SET taken_by = $1, available_at = coalesce($4::timestamptz, now()) + $2, attempts = w.attempts + 1, woken = false FROM due WHERE w.id = due.id RETURNING " + WorkColumns;
        var items = await QueryAsync(Sql, [nodeId, itemLease, max, NowArgument], MapWork, hot: true, ct).ConfigureAwait(false);
        items.Sort(static (a, b) => a.DueAt != b.DueAt ? a.DueAt.CompareTo(b.DueAt) : string.CompareOrdinal(a.Id, b.Id));
        return items;
    }

    public override async Task RenewWorkAsync(IReadOnlyCollection<string> ids, string nodeId, TimeSpan itemLease, CancellationToken ct)
    {
        if (ids.Count == 0) return;
        await QueryAsync(
            "UPDATE work_items SET available_at = coalesce($4::timestamptz, now()) + $3 WHERE id = ANY($1) AND taken_by = $2 RETURNING id",
            [ids.ToArray(), nodeId, itemLease, NowArgument], static r => r.GetString(0), hot: false, ct).ConfigureAwait(false);
    }

    public override async Task ReturnWorkAsync(IReadOnlyCollection<string> ids, DateTimeOffset dueAt, CancellationToken ct)
    {
        if (ids.Count == 0) return;
        // One that was woken while it was held is due at once.
        var returned = await QueryAsync(
            "UPDATE work_items SET taken_by = NULL, woken = false, due_at = CASE WHEN woken THEN coalesce($3::timestamptz, now()) ELSE $2::timestamptz END, " +
            "available_at = CASE WHEN woken THEN coalesce($3::timestamptz, now()) ELSE $2::timestamptz END WHERE id = ANY($1) RETURNING id",
            [ids.ToArray(), dueAt, NowArgument], static r => r.GetString(0), hot: true, ct).ConfigureAwait(false);
        if (returned.Count > 0) Signal.Set();
    }

    // ---- leases

    public override async Task<(InstanceRow? Instance, Lease? Lease)> ClaimInstanceAsync(string instanceId, string nodeId, TimeSpan lease, CancellationToken ct)
    {
        var token = await NextTokensAsync(1, ct).ConfigureAwait(false);
        ct.ThrowIfCancellationRequested();
        return await _claims.ClaimAsync(instanceId, nodeId, token, lease).ConfigureAwait(false);
    }

    public override async Task<IReadOnlyList<(InstanceRow Instance, Lease Lease, int Takeovers)>> ClaimLapsedAsync(string nodeId, int max, TimeSpan lease, CancellationToken ct)
    {
        if (max <= 0) return [];
        var first = await NextTokensAsync(max, ct).ConfigureAwait(false);
        var claimed = await QueryAsync(
            "INSERT INTO instance_leases AS l (instance_id, owner, token, until, takeovers) SELECT c.id, $1, $2 + row_number() OVER () - 1, coalesce($5::timestamptz, now()) + $3, 1 FROM (" +
            "SELECT i.id FROM workflow_instances i LEFT JOIN instance_leases held ON held.instance_id = i.id " +
            "WHERE i.status = 'Running' AND i.status <> 'Finished' AND (held.until IS NULL OR held.until <= coalesce($5::timestamptz, now())) ORDER BY i.created_at LIMIT $4) c " +
            "ON CONFLICT (instance_id) DO UPDATE SET owner = excluded.owner, token = excluded.token, until = excluded.until, takeovers = l.takeovers + 1 " +
            "WHERE l.until <= coalesce($5::timestamptz, now()) RETURNING instance_id, token, takeovers",
            [nodeId, first, lease, max, NowArgument],
            static r => (Lease: new Lease(r.GetString(0), r.GetInt64(1)), Takeovers: r.GetInt32(2)), hot: true, ct).ConfigureAwait(false);
        if (claimed.Count == 0) return [];

        // Read after the claim: what was committed before it counts, and nothing can be committed by others after it.
        var rows = (await QueryAsync(SelectInstance + " WHERE i.id = ANY($1)", [claimed.Select(c => c.Lease.InstanceId).ToArray()], MapInstance, hot: true, ct).ConfigureAwait(false))
            .ToDictionary(row => row.Id, StringComparer.Ordinal);
        var result = new List<(InstanceRow, Lease, int)>(claimed.Count);
        foreach (var (held, takeovers) in claimed)
        {
            if (rows.TryGetValue(held.InstanceId, out var row) && row.Status == InstanceStatus.Running) result.Add((row, held, takeovers));
            else await ReleaseLeaseAsync(held, ct).ConfigureAwait(false);
        }

        return result;
    }

    public override async Task<IReadOnlyList<Lease>> RenewLeasesAsync(IReadOnlyCollection<Lease> leases, TimeSpan lease, CancellationToken ct)
    {
        if (leases.Count == 0) return [];
        var kept = await QueryAsync(
            "UPDATE instance_leases l SET until = coalesce($4::timestamptz, now()) + $3 FROM " + PostgresCommit.ReleaseRows + " " +
            "WHERE l.instance_id = t.id AND l.token = t.token RETURNING l.instance_id, l.token",
            [leases.Select(l => l.InstanceId).ToArray(), leases.Select(l => l.Token).ToArray(), lease, NowArgument],
            static r => new Lease(r.GetString(0), r.GetInt64(1)), hot: true, ct).ConfigureAwait(false);
        return kept.Count == leases.Count ? [] : [.. leases.Except(kept)];
    }

    public override async Task ReleaseLeaseAsync(Lease lease, CancellationToken ct)
    {
        var released = await QueryAsync(
            "DELETE FROM instance_leases WHERE instance_id = $1 AND token = $2 RETURNING 1", [lease.InstanceId, lease.Token], static _ => true, hot: true, ct).ConfigureAwait(false);
        if (released.Count > 0) Signal.Set();
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        _requests.CompleteAdding();
        await Task.WhenAll(_loops).ConfigureAwait(false);
        await _notifier.DisposeAsync().ConfigureAwait(false);
        await _lookUps.DisposeAsync().ConfigureAwait(false);
        await _claims.DisposeAsync().ConfigureAwait(false);
        await _claimers.DisposeAsync().ConfigureAwait(false);
        await _writers.DisposeAsync().ConfigureAwait(false);
        await _hot.DisposeAsync().ConfigureAwait(false);
        await _database.Source.DisposeAsync().ConfigureAwait(false);
    }
}
