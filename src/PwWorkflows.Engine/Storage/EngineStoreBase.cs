using System.Data.Common;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace PwWorkflows.Engine.Storage;

/// <summary>
/// What both databases do alike: reading, publishing, deleting, and the checks before a commit. Statements use positional parameters ($1, $2, ...),
/// which both databases understand; the few differences of the dialects are abstract members.
/// </summary>
internal abstract class EngineStoreBase(StoreOptions options, TimeProvider time, ILogger logger) : IEngineStore
{
    private const int TokensPerBlock = 1 << 20;
    private const int ExactCountLimit = 10_000;
    /// <summary>A search that finds more beginnings than this is one for a common word.</summary>
    private const int MostFound = 1000;
    // The ids of the definitions that have instances, each by one step in the index.
    private const string KnownDefinitions =
        "d(id) AS (SELECT min(definition_id) FROM workflow_instances UNION ALL SELECT (SELECT min(definition_id) FROM workflow_instances WHERE definition_id > d.id) FROM d WHERE d.id IS NOT NULL)";
    private static readonly TimeSpan CountsStayFor = TimeSpan.FromSeconds(60);

    private const string InstanceColumns =
        "i.id, i.definition_id, i.definition_version_id, i.version, i.content_hash, i.status, i.correlation_id, i.name, i.parent_instance_id, i.activation_key, " +
        "i.incident_count, i.created_at, i.updated_at, i.finished_at";
    protected const string SelectInstance = "SELECT " + InstanceColumns + ", i.state FROM workflow_instances i";
    protected const string WorkColumns = "w.id, w.kind, w.instance_id, w.due_at, w.payload, w.hash, w.correlation_id, w.owner_key, w.attempts";
    private const string SelectBookmark = "SELECT b.id, b.instance_id, b.hash, b.name, b.activity_instance_id, b.correlation_id, b.created_at FROM workflow_bookmarks b";
    private const string SelectDefinition =
        "SELECT d.id, d.definition_id, d.version, d.name, d.description, d.is_latest, d.is_published, d.content_hash, c.content, d.source_file, d.source_hash, d.created_at, d.created_by " +
        "FROM workflow_definitions d JOIN workflow_contents c ON c.hash = d.content_hash";

    private static readonly string[] SearchedColumns = ["id", "name", "correlation_id", "definition_id"];

    private readonly Dictionary<string, (long Count, DateTimeOffset At)> _counts = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _tokenGate = new(1, 1);
    private readonly Lock _tokenLock = new();
    private long _nextToken;
    private long _endToken;
    private long _roundTrips;

    protected StoreOptions Options { get; } = options;
    protected TimeProvider Time { get; } = time;
    protected ILogger Logger { get; } = logger;
    protected StoreSignal Signal { get; } = new(time);

    public Func<DateTimeOffset>? ClockOverride { get; set; }
    public long RoundTrips => Interlocked.Read(ref _roundTrips);
    public abstract IEngineDatabase Database { get; }

    // ---- dialect

    /// <summary>Runs a query on a pooled connection. <paramref name="hot"/>: one of the few short queries that every run makes.</summary>
    protected abstract Task<List<T>> QueryAsync<T>(string sql, object?[] args, Func<DbDataReader, T> map, bool hot, CancellationToken ct);
    protected abstract DbCommand Command(DbConnection connection, DbTransaction? transaction, string sql, object?[] args);
    protected abstract string AnyOf(string parameter);
    protected abstract string LikeOperator { get; }
    /// <summary>Put after an expression that is to be compared byte by byte.</summary>
    protected abstract string BytewiseCollation { get; }
    protected abstract string NowOf(string parameter);
    protected abstract object? NowArgument { get; }
    protected abstract DateTimeOffset ReadTime(DbDataReader reader, int column);
    protected abstract bool IsUniqueViolation(DbException exception);
    protected abstract Task<long> ReserveTokenBlockAsync(CancellationToken ct);
    protected abstract Task WriteAsync(WriteRequest request);

    /// <summary>One statement of the product, written together with whatever else is ready.</summary>
    protected async Task<int> ExecuteAsync(EnlistedWrite write, CancellationToken ct)
    {
        var request = new WriteRequest { Write = write, Cancellation = ct };
        await WriteAsync(request).ConfigureAwait(false);
        return request.Rows;
    }
    /// <summary>Tells other nodes; this one has been told already.</summary>
    protected abstract void TellOthers();

    protected void CountRoundTrips(int count = 1) => Interlocked.Add(ref _roundTrips, count);

    protected DateTimeOffset Now => ClockOverride?.Invoke() ?? Time.GetUtcNow();

    public async Task MigrateAsync(CancellationToken ct) =>
        await SchemaMigrator.ApplyAsync(Database, "engine", typeof(EngineStoreBase).Assembly, "PwWorkflows.Engine.Storage.Migrations.", ct).ConfigureAwait(false);

    public abstract ValueTask DisposeAsync();

    // ---- commits

    public async Task<Lease?> CommitAsync(InstanceCommit commit, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        if (commit.Lease is { } lease && lease.InstanceId != commit.Instance.Id)
            throw new ArgumentException($"The lease is of instance {lease.InstanceId}, the commit of {commit.Instance.Id}.", nameof(commit));
        if (commit.Lease is null && !commit.IsNew)
            throw new ArgumentException($"Instance {commit.Instance.Id} is not new, so its commit needs a lease.", nameof(commit));
        Check(commit.Enqueue);

        var takes = commit is { Lease: null, ReleaseLease: false } && !WriteRequest.IsEnded(commit.Instance.Status);
        var request = new WriteRequest
        {
            Commit = commit,
            NewToken = takes ? await NextTokensAsync(1, ct).ConfigureAwait(false) : 0,
            Items = commit.Enqueue,
            TakenHere = commit.TakenHere,
            NodeId = commit.NodeId,
            ItemLease = commit.LeaseDuration,
            Cancellation = ct,
        };
        await WriteAsync(request).ConfigureAwait(false);
        // A released lease may free items of the same instance that had to wait for it.
        SignalAfter(request, wakes: commit.AddedBookmarks.Count > 0, local: request.Releases);
        return request.LeaseAfter;
    }

    public async Task EnqueueAsync(IReadOnlyList<WorkItem> items, string nodeId, IReadOnlySet<string>? takenHere, TimeSpan itemLease, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        if (items.Count == 0) return;
        Check(items);
        var request = new WriteRequest { Items = items, TakenHere = takenHere, NodeId = nodeId, ItemLease = itemLease, Cancellation = ct };
        await WriteAsync(request).ConfigureAwait(false);
        SignalAfter(request, wakes: false, local: false);
    }

    public async Task WriteAsync(IReadOnlyList<EnlistedWrite> writes, IReadOnlyList<WorkItem> items, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        if (writes.Count + items.Count == 0) return;
        Check(items);
        var request = new WriteRequest { Writes = writes, Items = items, Cancellation = ct };
        await WriteAsync(request).ConfigureAwait(false);
        SignalAfter(request, wakes: false, local: false);
    }

    public async Task<bool> IsQueuedAsync(string workId, CancellationToken ct) =>
        (await QueryAsync("SELECT count(*) FROM work_items WHERE id = $1", [workId], static r => r.GetInt64(0), hot: false, ct).ConfigureAwait(false))[0] > 0;

    public async Task CompleteWorkAsync(IReadOnlyCollection<string> ids, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        if (ids.Count > 0) await WriteAsync(new WriteRequest { CompletedWork = ids, Cancellation = ct }).ConfigureAwait(false);
    }

    public async Task ReplaceWorkAsync(IReadOnlyCollection<string> ids, IReadOnlyList<WorkItem> items, string nodeId, IReadOnlySet<string>? takenHere, TimeSpan itemLease, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        Check(items);
        var request = new WriteRequest { ReplacedWork = ids, Items = items, TakenHere = takenHere, NodeId = nodeId, ItemLease = itemLease, Cancellation = ct };
        await WriteAsync(request).ConfigureAwait(false);
        SignalAfter(request, wakes: false, local: false);
    }

    private static void Check(IReadOnlyList<WorkItem> items)
    {
        foreach (var item in items)
        {
            if (item.InstanceId is null && item.Kind is not (WorkKind.Stimulus or WorkKind.Trigger))
                throw new ArgumentException($"Work item {item.Id} of kind {item.Kind} names no instance.", nameof(items));
        }
    }

    private void SignalAfter(WriteRequest request, bool wakes, bool local)
    {
        var others = wakes;
        foreach (var item in request.Items)
        {
            if (request.TakenHere?.Contains(item.Id) == true) continue;
            local = true;
            others |= item.DueAt <= Now;
        }

        if (local || wakes) Signal.Set();
        if (others) TellOthers();
    }

    /// <summary>The first of <paramref name="count"/> tokens that nobody else gets, now or later.</summary>
    protected async ValueTask<long> NextTokensAsync(int count, CancellationToken ct)
    {
        if (TryDraw(count, out var first)) return first;
        await _tokenGate.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            while (!TryDraw(count, out first))
            {
                var block = await ReserveTokenBlockAsync(ct).ConfigureAwait(false);
                lock (_tokenLock) (_nextToken, _endToken) = (block * TokensPerBlock, (block + 1) * TokensPerBlock);
            }

            return first;
        }
        finally
        {
            _tokenGate.Release();
        }
    }

    private bool TryDraw(int count, out long first)
    {
        lock (_tokenLock)
        {
            first = _nextToken;
            if (first + count > _endToken) return false;
            _nextToken += count;
            return true;
        }
    }

    // ---- abstract writes of their own kind

    public abstract Task<IReadOnlyList<WorkItem>> TakeDueAsync(string nodeId, int max, TimeSpan itemLease, CancellationToken ct);
    public abstract Task RenewWorkAsync(IReadOnlyCollection<string> ids, string nodeId, TimeSpan itemLease, CancellationToken ct);
    public abstract Task ReturnWorkAsync(IReadOnlyCollection<string> ids, DateTimeOffset dueAt, CancellationToken ct);
    public abstract Task<(InstanceRow? Instance, Lease? Lease)> ClaimInstanceAsync(string instanceId, string nodeId, TimeSpan lease, CancellationToken ct);
    public abstract Task<IReadOnlyList<(InstanceRow Instance, Lease Lease, int Takeovers)>> ClaimLapsedAsync(string nodeId, int max, TimeSpan lease, CancellationToken ct);
    public abstract Task<IReadOnlyList<Lease>> RenewLeasesAsync(IReadOnlyCollection<Lease> leases, TimeSpan lease, CancellationToken ct);
    public abstract Task ReleaseLeaseAsync(Lease lease, CancellationToken ct);
    public abstract Task<bool> WaitForSignalAsync(TimeSpan atMost, CancellationToken ct);

    public async Task<IReadOnlyList<string>> LapseAsync(Func<string, bool> isGone, CancellationToken ct)
    {
        var holders = await QueryAsync("SELECT owner FROM instance_leases UNION SELECT taken_by FROM work_items WHERE taken_by IS NOT NULL", [], static r => r.GetString(0), hot: false, ct).ConfigureAwait(false);
        var gone = holders.FindAll(h => isGone(h));
        foreach (var node in gone)
            await Database.WriteAsync(
                async (c, t, token) =>
                {
                    await ExecuteAsync(c, t, "UPDATE instance_leases SET until = " + NowOf("$2") + " WHERE owner = $1 AND until > " + NowOf("$2"), [node, NowArgument], token).ConfigureAwait(false);
                    return await ExecuteAsync(c, t, "UPDATE work_items SET available_at = " + NowOf("$2") + " WHERE taken_by = $1 AND available_at > " + NowOf("$2"), [node, NowArgument], token).ConfigureAwait(false);
                }, ct).ConfigureAwait(false);
        if (gone.Count > 0) Signal.Set();
        return gone;
    }

    // ---- queue

    public async Task<DateTimeOffset?> NextDueAsync(CancellationToken ct)
    {
        // An item whose instance is leased can be taken when the lease ends. Enough rows are looked at that a crowd of such items hides no other one.
        const int Look = 256;
        var rows = await QueryAsync(
            "SELECT w.available_at, l.until FROM work_items w LEFT JOIN instance_leases l ON l.instance_id = w.instance_id AND l.until > " + NowOf("$1") +
            " WHERE w.taken_by IS NULL OR w.available_at <= " + NowOf("$1") + " ORDER BY w.available_at LIMIT 256",
            [NowArgument],
            r => (Available: ReadTime(r, 0), Blocked: r.IsDBNull(1) ? (DateTimeOffset?)null : ReadTime(r, 1)), hot: true, ct).ConfigureAwait(false);
        if (rows.Count == 0) return null;
        var next = rows.Min(row => row.Blocked > row.Available ? row.Blocked.Value : row.Available);
        return rows.Count == Look && rows[^1].Available < next ? rows[^1].Available : next;
    }

    public async Task<int> RemoveWorkByOwnerAsync(string ownerKey, CancellationToken ct) =>
        await Database.WriteAsync((c, t, token) => ExecuteAsync(c, t, "DELETE FROM work_items WHERE owner_key = $1", [ownerKey], token), ct).ConfigureAwait(false);

    protected WorkItem MapWork(DbDataReader r) => new(
        r.GetString(0), StoreText.Kind(r.GetString(1)), Text(r, 2), ReadTime(r, 3), r.GetFieldValue<byte[]>(4), Text(r, 5), Text(r, 6), Text(r, 7), r.GetInt32(8));

    // ---- instances

    public async Task<InstanceRow?> GetInstanceAsync(string id, CancellationToken ct) =>
        (await QueryAsync(SelectInstance + " WHERE i.id = $1", [id], MapInstance, hot: true, ct).ConfigureAwait(false)).FirstOrDefault();

    public async Task<(IReadOnlyList<InstanceRow> Items, long Total)> ListInstancesAsync(
        InstanceFilter filter, int skip, int take, CancellationToken ct, InstanceOrder order = InstanceOrder.Created, bool descending = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(skip);
        ArgumentOutOfRangeException.ThrowIfNegative(take);
        var (where, args) = Where(filter, await FindSearchedAsync(filter, ct).ConfigureAwait(false));
        var limits = string.Create(CultureInfo.InvariantCulture, $" LIMIT {take} OFFSET {skip}");
        var by = string.Create(CultureInfo.InvariantCulture, $" ORDER BY {OrderColumn(order)} {(descending ? "DESC" : "ASC")}{(order is InstanceOrder.Finished or InstanceOrder.Name ? " NULLS LAST" : "")}, i.id {(descending ? "DESC" : "ASC")}");
        // The inner select finds the page in the index alone; only the rows of the page are fetched.
        var items = await QueryAsync(
            "SELECT " + InstanceColumns + " FROM (SELECT i.id AS page_id FROM workflow_instances i" + where + by + limits +
            ") p JOIN workflow_instances i ON i.id = p.page_id" + by,
            args, MapInstanceHead, hot: false, ct).ConfigureAwait(false);
        if (skip == 0 && items.Count < take) return (items, items.Count);
        return (items, await TotalAsync(where, args, ct).ConfigureAwait(false));
    }

    private static string OrderColumn(InstanceOrder order) => order switch
    {
        InstanceOrder.Updated => "i.updated_at",
        InstanceOrder.Finished => "i.finished_at",
        InstanceOrder.Name => "i.name",
        _ => "i.created_at",
    };

    // Counting many rows takes long on any database, and a listing does not need the last digit: large counts are kept for a minute.
    private async Task<long> TotalAsync(string where, object?[] args, CancellationToken ct)
    {
        var some = await CountAsync("SELECT count(*) FROM (SELECT 1 FROM workflow_instances i" + where + " LIMIT 10001) few", args, ct).ConfigureAwait(false);
        if (some <= ExactCountLimit) return some;

        var key = new StringBuilder(where);
        foreach (var arg in args) key.Append('\n').Append(arg is string[] many ? string.Join('\t', many) : arg);
        var name = key.ToString();
        var now = Time.GetUtcNow();
        lock (_counts)
        {
            if (_counts.TryGetValue(name, out var known) && now - known.At < CountsStayFor) return Math.Max(known.Count, some);
        }

        var count = await CountAsync("SELECT count(*) FROM workflow_instances i" + where, args, ct).ConfigureAwait(false);
        lock (_counts)
        {
            if (_counts.Count >= 256) _counts.Clear();
            _counts[name] = (count, now);
        }

        return count;
    }

    public async Task<long> CountInstancesAsync(InstanceFilter filter, CancellationToken ct)
    {
        var (where, args) = Where(filter, await FindSearchedAsync(filter, ct).ConfigureAwait(false));
        return await CountAsync("SELECT count(*) FROM workflow_instances i" + where, args, ct).ConfigureAwait(false);
    }

    private async Task<long> CountAsync(string sql, object?[] args, CancellationToken ct) =>
        (await QueryAsync(sql, args, r => r.GetInt64(0), hot: false, ct).ConfigureAwait(false))[0];

    /// <summary>What a search found in the indexes.</summary>
    /// <param name="Ids">Instances whose id, business key or name begins with the text.</param>
    /// <param name="Definitions">Definitions whose id holds it.</param>
    private sealed record Searched(IReadOnlyList<string> Ids, IReadOnlyList<string> Definitions);

    /// <summary>
    /// Looks a search up in the indexes first: what begins with it, and the few definitions whose id holds it. Only when there is nothing of the kind, or too much for it to be what was meant, is the text looked for
    /// in the middle of ids, keys and names, which no index helps with.
    /// </summary>
    private async Task<Searched?> FindSearchedAsync(InstanceFilter filter, CancellationToken ct)
    {
        if (filter.SearchTerm?.Trim() is not { Length: > 0 } term) return null;
        var definitions = await QueryAsync(
            $"WITH RECURSIVE {KnownDefinitions} SELECT id FROM d WHERE id {LikeOperator} $1 ESCAPE '\\'", ["%" + Escaped(term) + "%"], static r => r.GetString(0), hot: false, ct).ConfigureAwait(false);
        var arms = new List<string>();
        var args = new List<object?>();
        foreach (var text in new[] { term, term.ToLowerInvariant(), term.ToUpperInvariant() }.Distinct(StringComparer.Ordinal))
        {
            arms.Add(Begins("id", text));
            arms.Add("correlation_id IS NOT NULL AND " + Begins("correlation_id", text));
        }

        // SQLite's lower() leaves letters as they are that are not of ASCII: these are looked for as they may have been written.
        foreach (var text in new[] { term.ToLowerInvariant(), AsciiLower(term), AsciiLower(term.ToUpperInvariant()) }.Distinct(StringComparer.Ordinal))
            arms.Add("name IS NOT NULL AND " + Begins("lower(name)" + BytewiseCollation, text));
        var ids = await QueryAsync(string.Join(" UNION ", arms.Select(static a => $"SELECT id FROM (SELECT id FROM workflow_instances WHERE {a} LIMIT {MostFound + 1}) found")), [.. args], static r => r.GetString(0), hot: false, ct).ConfigureAwait(false);
        return ids.Count + definitions.Count is 0 || ids.Count > MostFound ? null : new(ids, definitions);

        string Begins(string what, string text)
        {
            args.Add(text);
            args.Add(text + "\U0010FFFF"); // Nothing that begins with the text comes after it.
            return string.Create(CultureInfo.InvariantCulture, $"{what} >= ${args.Count - 1} AND {what} < ${args.Count}");
        }
    }

    private static string AsciiLower(string text) => string.Create(text.Length, text, static (lower, from) =>
    {
        for (var i = 0; i < from.Length; i++) lower[i] = char.IsAscii(from[i]) ? char.ToLowerInvariant(from[i]) : from[i];
    });

    private static string Escaped(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal);

    private (string Where, object?[] Args) Where(InstanceFilter filter, Searched? searched = null)
    {
        var conditions = new List<string>();
        var args = new List<object?>();
        string Next(object? value)
        {
            args.Add(value);
            return "$" + args.Count.ToString(CultureInfo.InvariantCulture);
        }

        if (filter.Ids is { } ids) conditions.Add("i.id" + AnyOf(Next(ids.ToArray())));
        if (filter.DefinitionIds is { Count: 1 } one) conditions.Add("i.definition_id = " + Next(one.First()));
        else if (filter.DefinitionIds is { } definitions) conditions.Add("i.definition_id" + AnyOf(Next(definitions.ToArray())));
        if (filter.DefinitionVersionIds is { } versions) conditions.Add("i.definition_version_id" + AnyOf(Next(versions.ToArray())));
        if (filter.Statuses is { } statuses)
        {
            // As literals, so that the partial index of the unfinished ones can be used.
            conditions.Add(statuses.Count == 0 ? "1 = 0" : "i.status IN (" + string.Join(", ", statuses.Distinct().Select(s => "'" + StoreText.Of(s) + "'")) + ")");
            if (!statuses.Contains(InstanceStatus.Finished)) conditions.Add("i.status <> 'Finished'");
        }

        if (filter.Version is { } version) conditions.Add("i.version = " + Next(version));
        foreach (var time in filter.Times ?? [])
        {
            var column = time.Time switch { InstanceTime.Updated => "i.updated_at", InstanceTime.Finished => "i.finished_at", _ => "i.created_at" };
            var comparison = time.Comparison switch
            {
                TimeComparison.IsNot => "<>",
                TimeComparison.LessThan => "<",
                TimeComparison.GreaterThan => ">",
                TimeComparison.LessThanOrEqual => "<=",
                TimeComparison.GreaterThanOrEqual => ">=",
                _ => "=",
            };
            conditions.Add($"{column} {comparison} {Next(time.At)}");
        }

        if (filter.CorrelationId is { } correlation) conditions.Add("i.correlation_id = " + Next(correlation));
        if (filter.ParentInstanceId is { } parent) conditions.Add("i.parent_instance_id = " + Next(parent));
        if (filter.HasIncidents is { } incidents) conditions.Add(incidents ? "i.incident_count > 0" : "i.incident_count = 0");
        if (searched is not null)
        {
            var found = new List<string>();
            if (searched.Ids.Count > 0) found.Add("i.id" + AnyOf(Next(searched.Ids.ToArray())));
            if (searched.Definitions is [var only]) found.Add("i.definition_id = " + Next(only));
            else if (searched.Definitions.Count > 0) found.Add("i.definition_id" + AnyOf(Next(searched.Definitions.ToArray())));
            conditions.Add("(" + string.Join(" OR ", found) + ")");
        }
        else if (!string.IsNullOrWhiteSpace(filter.SearchTerm))
        {
            var pattern = Next("%" + Escaped(filter.SearchTerm.Trim()) + "%");
            conditions.Add("(" + string.Join(" OR ", SearchedColumns.Select(c => $"i.{c} {LikeOperator} {pattern} ESCAPE '\\'")) + ")");
        }

        return (conditions.Count == 0 ? "" : " WHERE " + string.Join(" AND ", conditions), [.. args]);
    }

    public async Task<bool> IsActiveAsync(string? definitionId, string? correlationId, CancellationToken ct)
    {
        var (where, args) = Where(new InstanceFilter(
            DefinitionIds: definitionId is null ? null : [definitionId],
            CorrelationId: correlationId,
            Statuses: [InstanceStatus.Pending, InstanceStatus.Running, InstanceStatus.Suspended, InstanceStatus.Parked]));
        return (await QueryAsync("SELECT 1 FROM workflow_instances i" + where + " LIMIT 1", args, _ => true, hot: false, ct).ConfigureAwait(false)).Count > 0;
    }

    public async Task<int> DeleteInstancesAsync(IReadOnlyCollection<string> ids, CancellationToken ct)
    {
        if (ids.Count == 0) return 0;
        var many = ids.Distinct(StringComparer.Ordinal).ToArray();
        return await Database.WriteAsync((c, t, token) => DeleteAsync(c, t, many, token), ct).ConfigureAwait(false);
    }

    private async Task<int> DeleteAsync(DbConnection connection, DbTransaction transaction, string[] ids, CancellationToken ct)
    {
        // The instances first: it waits for whoever commits one of them, and their lease goes, so that who runs one can't commit any more.
        var count = await ExecuteAsync(connection, transaction, "DELETE FROM workflow_instances WHERE id" + AnyOf("$1"), [ids], ct).ConfigureAwait(false);
        await ExecuteAsync(connection, transaction, "DELETE FROM instance_leases WHERE instance_id" + AnyOf("$1"), [ids], ct).ConfigureAwait(false);
        await ExecuteAsync(connection, transaction, "DELETE FROM workflow_bookmarks WHERE instance_id" + AnyOf("$1"), [ids], ct).ConfigureAwait(false);
        await ExecuteAsync(connection, transaction, "DELETE FROM work_items WHERE instance_id" + AnyOf("$1"), [ids], ct).ConfigureAwait(false);
        await ExecuteAsync(connection, transaction, "DELETE FROM workflow_journal WHERE instance_id" + AnyOf("$1"), [ids], ct).ConfigureAwait(false);
        return count;
    }

    public async Task<int> DeleteFinishedAsync(string? definitionId, IReadOnlyCollection<string> except, DateTimeOffset before, DateTimeOffset faultedBefore, int max, CancellationToken ct)
    {
        // One definition after the other, so that those kept longer are not read over and over.
        IEnumerable<string> definitions = [definitionId!];
        if (definitionId is null)
        {
            var known = await QueryAsync(
                $"WITH RECURSIVE {KnownDefinitions} SELECT id FROM d WHERE id IS NOT NULL",
                [], r => r.GetString(0), hot: false, ct).ConfigureAwait(false);
            definitions = known.Except(except, StringComparer.Ordinal);
        }

        var deleted = 0;
        foreach (var definition in definitions)
        {
            if (deleted >= max) break;
            var limit = max - deleted;
            deleted += await Database.WriteAsync(async (c, t, token) =>
            {
                var sql = "SELECT i.id FROM workflow_instances i WHERE i.definition_id = $1 AND i.finished_at < $2 AND i.finished_at IS NOT NULL AND (i.status <> 'Faulted' OR i.finished_at < $3) " +
                    "AND NOT EXISTS (SELECT 1 FROM instance_leases l WHERE l.instance_id = i.id) AND i.id NOT IN (SELECT w.instance_id FROM work_items w WHERE w.instance_id IS NOT NULL) ORDER BY i.finished_at LIMIT " + limit.ToString(CultureInfo.InvariantCulture) +
                    (Database.Provider == DatabaseProvider.PostgreSql ? " FOR UPDATE OF i SKIP LOCKED" : "");
                var ids = new List<string>();
                await using (var command = Command(c, t, sql, [definition, before, faultedBefore]))
                await using (var reader = await command.ExecuteReaderAsync(token).ConfigureAwait(false))
                {
                    CountRoundTrips();
                    while (await reader.ReadAsync(token).ConfigureAwait(false)) ids.Add(reader.GetString(0));
                }

                return ids.Count == 0 ? 0 : await DeleteAsync(c, t, [.. ids], token).ConfigureAwait(false);
            }, ct).ConfigureAwait(false);
        }

        return deleted;
    }

    private const string Unused =
        "NOT EXISTS (SELECT 1 FROM workflow_definitions d WHERE d.content_hash = c.hash) AND NOT EXISTS (SELECT 1 FROM workflow_definition_revisions r WHERE r.content_hash = c.hash) AND c.hash NOT IN (SELECT i.content_hash FROM workflow_instances i)";

    public async Task<IReadOnlyList<string>> FindUnusedContentsAsync(int max, CancellationToken ct)
    {
        // Instances have no index on the hash, so they are looked through only when there is something without a version.
        var orphans = await QueryAsync(
            "SELECT 1 FROM workflow_contents c WHERE NOT EXISTS (SELECT 1 FROM workflow_definitions d WHERE d.content_hash = c.hash) " +
            "AND NOT EXISTS (SELECT 1 FROM workflow_definition_revisions r WHERE r.content_hash = c.hash) LIMIT 1", [], static _ => true, hot: false, ct).ConfigureAwait(false);
        if (orphans.Count == 0) return [];
        return await QueryAsync("SELECT c.hash FROM workflow_contents c WHERE " + Unused + " ORDER BY c.hash LIMIT $1", [max], static r => r.GetString(0), hot: false, ct).ConfigureAwait(false);
    }

    public async Task<int> DeleteContentsAsync(IReadOnlyCollection<string> hashes, CancellationToken ct)
    {
        if (hashes.Count == 0) return 0;
        return await Database.WriteAsync(
            (c, t, token) => ExecuteAsync(c, t, "DELETE FROM workflow_contents AS c WHERE c.hash" + AnyOf("$1") + " AND " + Unused, [hashes.ToArray()], token), ct).ConfigureAwait(false);
    }

    protected InstanceRow MapInstance(DbDataReader r) => MapInstanceHead(r) with { State = r.GetFieldValue<byte[]>(14) };

    private InstanceRow MapInstanceHead(DbDataReader r) => new(
        r.GetString(0), r.GetString(1), r.GetString(2), r.GetInt32(3), r.GetString(4), StoreText.Status(r.GetString(5)), Text(r, 6), Text(r, 7), Text(r, 8), Text(r, 9),
        r.GetInt32(10), ReadTime(r, 11), ReadTime(r, 12), r.IsDBNull(13) ? null : ReadTime(r, 13), ReadOnlyMemory<byte>.Empty);

    // ---- journal and bookmarks

    public async Task<IReadOnlyList<JournalSegment>> GetJournalAsync(string instanceId, long fromSequence, int maxSegments, CancellationToken ct) =>
        await QueryAsync(
            // The key leads to the segment that holds the number: a page in the middle of a long journal costs what its first page costs.
            "SELECT instance_id, first_sequence, last_sequence, created_at, entries FROM workflow_journal WHERE instance_id = $1 AND first_sequence >= " +
            "coalesce((SELECT max(first_sequence) FROM workflow_journal WHERE instance_id = $1 AND first_sequence <= $2), 0) AND last_sequence >= $2 ORDER BY first_sequence LIMIT $3",
            [instanceId, fromSequence, maxSegments],
            r => new JournalSegment(r.GetString(0), r.GetInt64(1), r.GetInt64(2), ReadTime(r, 3), r.GetFieldValue<byte[]>(4)), hot: false, ct).ConfigureAwait(false);

    public async Task<IReadOnlyList<BookmarkRow>> FindBookmarksAsync(string hash, string? instanceId, string? correlationId, string? activityInstanceId, CancellationToken ct)
    {
        var sql = new StringBuilder(SelectBookmark).Append(" WHERE b.hash = $1");
        var args = new List<object?> { hash };
        void And(string column, string? value)
        {
            if (value is null) return;
            args.Add(value);
            sql.Append(CultureInfo.InvariantCulture, $" AND b.{column} = ${args.Count}");
        }

        And("instance_id", instanceId);
        And("correlation_id", correlationId);
        And("activity_instance_id", activityInstanceId);
        return await QueryAsync(sql.Append(" ORDER BY b.created_at, b.id").ToString(), [.. args], MapBookmark, hot: true, ct).ConfigureAwait(false);
    }

    public async Task<BookmarkRow?> GetBookmarkAsync(string id, CancellationToken ct) =>
        (await QueryAsync(SelectBookmark + " WHERE b.id = $1", [id], MapBookmark, hot: true, ct).ConfigureAwait(false)).FirstOrDefault();

    private BookmarkRow MapBookmark(DbDataReader r) => new(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4), Text(r, 5), ReadTime(r, 6));

    // ---- definitions

    public async Task ChangeDefinitionsAsync(DefinitionChange change, CancellationToken ct)
    {
        try
        {
            await Database.WriteAsync(async (c, t, token) =>
            {
                // First, so that two nodes that publish at once take turns.
                if (change.IfStamp is not { } stamp) await ExecuteAsync(c, t, "UPDATE engine_stamps SET value = value + 1 WHERE name = 'definitions'", [], token).ConfigureAwait(false);
                else if (await ExecuteAsync(c, t, "UPDATE engine_stamps SET value = value + 1 WHERE name = 'definitions' AND value = $1", [stamp], token).ConfigureAwait(false) == 0)
                    throw new CommitConflictException(CommitConflict.DefinitionsChanged, "The change of definitions is refused: they were changed by someone else meanwhile.");
                foreach (var definition in change.ReplaceTriggersOf)
                {
                    await ExecuteAsync(c, t, "DELETE FROM workflow_triggers WHERE definition_id = $1", [definition], token).ConfigureAwait(false);
                    await ExecuteAsync(c, t, "DELETE FROM work_items WHERE owner_key = $1", ["trigger:" + definition], token).ConfigureAwait(false);
                }

                if (change.Delete.Count > 0)
                    await ExecuteAsync(c, t, "DELETE FROM workflow_definitions WHERE id" + AnyOf("$1"), [change.Delete.ToArray()], token).ConfigureAwait(false);
                // Those no longer published first: there is at most one published version at any moment.
                foreach (var row in change.Save.OrderBy(row => row.IsPublished))
                    await SaveAsync(c, t, row, token).ConfigureAwait(false);
                foreach (var trigger in change.Triggers)
                {
                    await ExecuteAsync(
                        c, t,
                        "INSERT INTO workflow_triggers (id, definition_id, definition_version_id, activity_id, name, hash, route_key, payload) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                        [trigger.Id, trigger.DefinitionId, trigger.DefinitionVersionId, trigger.ActivityId, trigger.Name, trigger.Hash, trigger.RouteKey, trigger.Payload],
                        token).ConfigureAwait(false);
                }

                foreach (var item in change.Schedules)
                {
                    await ExecuteAsync(
                        c, t,
                        "INSERT INTO work_items (id, kind, instance_id, due_at, available_at, attempts, hash, correlation_id, owner_key, payload) " +
                        "VALUES ($1, $2, $3, $4, $4, 0, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
                        [item.Id, StoreText.Of(item.Kind), item.InstanceId, item.DueAt, item.Hash, item.CorrelationId, item.OwnerKey, StoreText.Bytes(item.Payload)],
                        token).ConfigureAwait(false);
                }

                foreach (var write in change.Writes)
                    if (await ExecuteAsync(c, t, write, token).ConfigureAwait(false) is var rows && write.ExpectedRows is { } expected && rows != expected)
                        throw new CommitConflictException(CommitConflict.DefinitionsChanged, $"The change of definitions is refused: what follows from it touched {rows} rows where {expected} were expected.");

                return true;
            }, ct).ConfigureAwait(false);
        }
        catch (DbException exception) when (IsUniqueViolation(exception))
        {
            throw new CommitConflictException(CommitConflict.UniqueKey, "The change of definitions is refused: a route, version number or published version is already taken.", exception);
        }

        Signal.Set();
        TellOthers();
    }

    private async Task SaveAsync(DbConnection c, DbTransaction t, DefinitionRow row, CancellationToken ct)
    {
        await ExecuteAsync(c, t, "INSERT INTO workflow_contents (hash, content) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING", [row.ContentHash, row.Content], ct).ConfigureAwait(false);
        await using (var stored = Command(c, t, "SELECT content_hash FROM workflow_definitions WHERE id = $1", [row.Id]))
            if (await stored.ExecuteScalarAsync(ct).ConfigureAwait(false) as string != row.ContentHash) await AddRevisionAsync(c, t, row, accepted: true, ct).ConfigureAwait(false);
        await ExecuteAsync(
            c, t,
            "INSERT INTO workflow_definitions (id, definition_id, version, name, description, is_latest, is_published, content_hash, source_file, source_hash, created_at, created_by) " +
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO UPDATE SET definition_id = excluded.definition_id, version = excluded.version, " +
            "name = excluded.name, description = excluded.description, is_latest = excluded.is_latest, is_published = excluded.is_published, content_hash = excluded.content_hash, " +
            "source_file = excluded.source_file, source_hash = excluded.source_hash, created_at = excluded.created_at, created_by = excluded.created_by",
            [row.Id, row.DefinitionId, row.Version, row.Name, row.Description, row.IsLatest, row.IsPublished, row.ContentHash, row.SourceFile, row.SourceHash, row.CreatedAt, row.CreatedBy],
            ct).ConfigureAwait(false);
    }

    private async Task<long> AddRevisionAsync(DbConnection c, DbTransaction t, DefinitionRow row, bool accepted, CancellationToken ct)
    {
        await using var insert = Command(
            c, t,
            "INSERT INTO workflow_definition_revisions (definition_id, definition_version_id, version, name, description, content_hash, accepted, saved_at, saved_by) " +
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
            [row.DefinitionId, row.Id, row.Version, row.Name, row.Description, row.ContentHash, accepted, Time.GetUtcNow(), row.CreatedBy]);
        return (long)(await insert.ExecuteScalarAsync(ct).ConfigureAwait(false))!;
    }

    private const string RevisionColumns = "r.id, r.definition_id, r.definition_version_id, r.version, r.name, r.description, r.content_hash, r.accepted, r.saved_at, r.saved_by";

    public async Task<IReadOnlyList<DefinitionRevision>> ListRevisionsAsync(string definitionId, int skip, int take, CancellationToken ct) =>
        await QueryAsync(
            "SELECT " + RevisionColumns + " FROM workflow_definition_revisions r WHERE r.definition_id = $1 ORDER BY r.id DESC LIMIT $2 OFFSET $3", [definitionId, take, skip],
            r => MapRevision(r, ""), hot: false, ct).ConfigureAwait(false);

    public async Task<IReadOnlyList<DefinitionRevision>> ListDeletedAsync(int take, CancellationToken ct) =>
        await QueryAsync(
            "SELECT " + RevisionColumns + " FROM workflow_definition_revisions r WHERE NOT EXISTS (SELECT 1 FROM workflow_definitions d WHERE d.definition_id = r.definition_id) " +
            "AND NOT EXISTS (SELECT 1 FROM workflow_definition_revisions later WHERE later.definition_id = r.definition_id AND later.id > r.id) ORDER BY r.id DESC LIMIT $1", [take],
            r => MapRevision(r, ""), hot: false, ct).ConfigureAwait(false);

    public async Task<DefinitionRevision?> GetRevisionAsync(string definitionId, long id, CancellationToken ct) =>
        (await QueryAsync(
            "SELECT " + RevisionColumns + ", c.content FROM workflow_definition_revisions r JOIN workflow_contents c ON c.hash = r.content_hash WHERE r.id = $1 AND r.definition_id = $2", [id, definitionId],
            r => MapRevision(r, r.GetString(10)), hot: false, ct).ConfigureAwait(false)).FirstOrDefault();

    public async Task<long> AddRefusedRevisionAsync(DefinitionRow row, CancellationToken ct) =>
        await Database.WriteAsync(
            async (c, t, token) =>
            {
                await ExecuteAsync(c, t, "INSERT INTO workflow_contents (hash, content) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING", [row.ContentHash, row.Content], token).ConfigureAwait(false);
                return await AddRevisionAsync(c, t, row, accepted: false, token).ConfigureAwait(false);
            }, ct).ConfigureAwait(false);

    public async Task<int> DeleteRevisionsAsync(DateTimeOffset before, int max, CancellationToken ct) =>
        await Database.WriteAsync(
            (c, t, token) => ExecuteAsync(
                c, t, "DELETE FROM workflow_definition_revisions WHERE id IN (SELECT r.id FROM workflow_definition_revisions r WHERE r.saved_at < $1 ORDER BY r.saved_at LIMIT $2)", [before, max], token),
            ct).ConfigureAwait(false);

    private DefinitionRevision MapRevision(DbDataReader r, string content) =>
        new(r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetInt32(3), Text(r, 4), Text(r, 5), r.GetString(6), content, r.GetBoolean(7), ReadTime(r, 8), Text(r, 9));

    public async Task<IReadOnlyList<DefinitionRow>> GetDefinitionsAsync(string? definitionId, CancellationToken ct) => definitionId is null
        ? await QueryAsync(SelectDefinition + " ORDER BY d.definition_id, d.version DESC", [], MapDefinition, hot: false, ct).ConfigureAwait(false)
        : await QueryAsync(SelectDefinition + " WHERE d.definition_id = $1 ORDER BY d.version DESC", [definitionId], MapDefinition, hot: false, ct).ConfigureAwait(false);

    public async Task<IReadOnlyList<DefinitionRow>> GetDefinitionHeadsAsync(CancellationToken ct) =>
        await QueryAsync(
            "SELECT d.id, d.definition_id, d.version, d.name, d.description, d.is_latest, d.is_published, d.content_hash, '', d.source_file, d.source_hash, d.created_at, d.created_by FROM workflow_definitions d ORDER BY d.definition_id, d.version DESC",
            [], MapDefinition, hot: false, ct).ConfigureAwait(false);

    public async Task<IReadOnlyList<DefinitionRow>> GetPublishedAsync(CancellationToken ct) =>
        await QueryAsync(SelectDefinition + " WHERE d.is_published ORDER BY d.definition_id", [], MapDefinition, hot: false, ct).ConfigureAwait(false);

    public async Task<IReadOnlyList<DefinitionRow>> GetUsableDefinitionsAsync(CancellationToken ct) =>
        await QueryAsync(SelectDefinition + " WHERE c.content LIKE '%\"usableAsActivity\":true%' OR c.content LIKE '%\"usableAsActivity\": true%' ORDER BY d.definition_id, d.version DESC", [], MapDefinition, hot: false, ct).ConfigureAwait(false);

    public async Task<bool> IsNamedInContentAsync(string versionId, string definitionId, CancellationToken ct) =>
        (await QueryAsync(
            "SELECT 1 FROM workflow_contents c WHERE c.content LIKE $1 AND NOT EXISTS (SELECT 1 FROM workflow_definitions d WHERE d.content_hash = c.hash AND d.definition_id = $2) LIMIT 1",
            [$"%{versionId}%", definitionId], _ => true, hot: false, ct).ConfigureAwait(false)).Count > 0;

    public async Task<DefinitionRow?> GetDefinitionVersionAsync(string versionId, CancellationToken ct) =>
        (await QueryAsync(SelectDefinition + " WHERE d.id = $1", [versionId], MapDefinition, hot: false, ct).ConfigureAwait(false)).FirstOrDefault();

    public async Task<string?> GetContentAsync(string contentHash, CancellationToken ct) =>
        (await QueryAsync("SELECT content FROM workflow_contents WHERE hash = $1", [contentHash], r => r.GetString(0), hot: false, ct).ConfigureAwait(false)).FirstOrDefault();

    public async Task<IReadOnlyList<TriggerRow>> GetTriggersAsync(CancellationToken ct) =>
        await QueryAsync(
            "SELECT id, definition_id, definition_version_id, activity_id, name, hash, route_key, payload FROM workflow_triggers ORDER BY definition_id, id", [],
            r => new TriggerRow(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4), r.GetString(5), Text(r, 6), r.GetString(7)), hot: false, ct).ConfigureAwait(false);

    public async Task<long> GetDefinitionsStampAsync(CancellationToken ct) =>
        (await QueryAsync("SELECT value FROM engine_stamps WHERE name = 'definitions'", [], r => r.GetInt64(0), hot: true, ct).ConfigureAwait(false))[0];

    private DefinitionRow MapDefinition(DbDataReader r) => new(
        r.GetString(0), r.GetString(1), r.GetInt32(2), Text(r, 3), Text(r, 4), r.GetBoolean(5), r.GetBoolean(6), r.GetString(7), r.GetString(8), Text(r, 9), Text(r, 10), ReadTime(r, 11), Text(r, 12));

    // ---- small things

    public async Task<bool> IsHealthyAsync(CancellationToken ct)
    {
        try
        {
            return (await QueryAsync("SELECT value FROM engine_stamps WHERE name = 'definitions'", [], r => r.GetInt64(0), hot: false, ct).ConfigureAwait(false)).Count == 1;
        }
        catch (Exception exception) when (exception is DbException or IOException or TimeoutException or InvalidOperationException)
        {
            Log.DatabaseUnhealthy(Logger, exception);
            return false;
        }
    }

    private async Task<int> ExecuteAsync(DbConnection connection, DbTransaction transaction, EnlistedWrite write, CancellationToken ct)
    {
        CountRoundTrips();
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
#pragma warning disable CA2100 // Written by the product's own code, with parameters.
        command.CommandText = write.Sql;
#pragma warning restore CA2100
        foreach (var (name, value) in write.Parameters)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            parameter.Value = value switch
            {
                null => DBNull.Value,
                DateTimeOffset time => time.ToUniversalTime(),
                ReadOnlyMemory<byte> bytes => StoreText.Bytes(bytes),
                _ => value,
            };
            command.Parameters.Add(parameter);
        }

        return await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    protected static string? Text(DbDataReader r, int column) => r.IsDBNull(column) ? null : r.GetString(column);

    private async Task<int> ExecuteAsync(DbConnection connection, DbTransaction transaction, string sql, object?[] args, CancellationToken ct)
    {
        CountRoundTrips();
        await using var command = Command(connection, transaction, sql, args);
        return await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }
}
