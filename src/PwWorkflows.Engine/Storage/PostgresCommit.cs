using System.Globalization;
using Npgsql;

namespace PwWorkflows.Engine.Storage;

/// <summary>
/// The statements of one joint commit: for each table at most one statement per kind of change, with the rows of all commits as arrays. A statement that must touch a
/// certain number of rows checks it itself and raises, so that the whole takes one round trip.
/// </summary>
internal sealed class PostgresCommit(IReadOnlyList<WriteRequest> requests, DateTimeOffset? clock, string[] wakeAgain)
{
    public const string LeaseLost = "PW001";
    public const string WorkGone = "PW002";
    public const string UnexpectedRows = "PW003";

    /// <summary>Makes waiting stimuli due ($1 hashes, $2 clock). One that somebody holds is marked instead, and due when it is given back.</summary>
    public const string Wake =
        "UPDATE work_items SET woken = taken_by IS NOT NULL, due_at = CASE WHEN taken_by IS NULL THEN least(due_at, coalesce($2::timestamptz, now())) ELSE due_at END, " +
        "available_at = CASE WHEN taken_by IS NULL THEN least(available_at, coalesce($2::timestamptz, now())) ELSE available_at END " +
        "WHERE hash = ANY($1) AND kind = 'Stimulus'";

    private const string InstanceFields =
        "id, definition_id, definition_version_id, version, content_hash, status, correlation_id, name, parent_instance_id, activation_key, incident_count, created_at, updated_at, finished_at, state";

    private static readonly string InstanceRows = Rows(
        "id text, definition_id text, definition_version_id text, version integer, content_hash text, status text, correlation_id text, name text, parent_instance_id text, activation_key text, " +
        "incident_count integer, created_at timestamptz, updated_at timestamptz, finished_at timestamptz, state bytea");

    internal static readonly string ReleaseRows = Rows("id text, token bigint");
    private static readonly string RenewRows = Rows("id text, token bigint, lease interval");
    internal static readonly string TakeRows = Rows("id text, owner text, token bigint, lease interval");
    private static readonly string BookmarkRows = Rows("id text, instance_id text, hash text, name text, activity_instance_id text, correlation_id text, created_at timestamptz");
    private static readonly string JournalRows = Rows("instance_id text, first_sequence bigint, last_sequence bigint, created_at timestamptz, entries bytea");
    private static readonly string ItemRows = Rows(
        "id text, kind text, instance_id text, due_at timestamptz, taken_by text, lease interval, hash text, correlation_id text, owner_key text, payload bytea");

    private static readonly string ReleaseLeases =
        "WITH gone AS (DELETE FROM instance_leases l USING " + ReleaseRows + " WHERE l.instance_id = t.id AND l.token = t.token RETURNING 1) " +
        $"SELECT engine_require((SELECT count(*) FROM gone), $3, '{LeaseLost}')";

    private static readonly string RenewLeases =
        "WITH held AS (UPDATE instance_leases l SET until = coalesce($5::timestamptz, now()) + t.lease FROM " + RenewRows + " " +
        $"WHERE l.instance_id = t.id AND l.token = t.token RETURNING 1) SELECT engine_require((SELECT count(*) FROM held), $4, '{LeaseLost}')";

    private static readonly string TakeLeases =
        "WITH taken AS (INSERT INTO instance_leases AS l (instance_id, owner, token, until) SELECT t.id, t.owner, t.token, coalesce($6::timestamptz, now()) + t.lease " +
        "FROM " + TakeRows + " " +
        "ON CONFLICT (instance_id) DO UPDATE SET owner = excluded.owner, token = excluded.token, until = excluded.until WHERE l.until <= coalesce($6::timestamptz, now()) RETURNING 1) " +
        $"SELECT engine_require((SELECT count(*) FROM taken), $5, '{LeaseLost}')";

    private static readonly string InsertInstances =
        $"INSERT INTO workflow_instances ({InstanceFields}) SELECT * FROM {InstanceRows}";

    private static readonly string UpdateInstances =
        "WITH updated AS (UPDATE workflow_instances i SET definition_id = t.definition_id, definition_version_id = t.definition_version_id, version = t.version, content_hash = t.content_hash, " +
        "status = t.status, correlation_id = t.correlation_id, name = t.name, parent_instance_id = t.parent_instance_id, activation_key = t.activation_key, incident_count = t.incident_count, " +
        $"updated_at = t.updated_at, finished_at = t.finished_at, state = t.state FROM {InstanceRows} WHERE i.id = t.id RETURNING 1) " +
        $"SELECT engine_require((SELECT count(*) FROM updated), $16, '{LeaseLost}')";

    private static readonly string InsertBookmarks =
        "INSERT INTO workflow_bookmarks (id, instance_id, hash, name, activity_instance_id, correlation_id, created_at) " +
        "SELECT * FROM " + BookmarkRows;

    private static readonly string InsertJournal =
        "INSERT INTO workflow_journal (instance_id, first_sequence, last_sequence, created_at, entries) " +
        "SELECT * FROM " + JournalRows;

    private static readonly string InsertItems =
        "INSERT INTO work_items (id, kind, instance_id, due_at, available_at, taken_by, attempts, hash, correlation_id, owner_key, payload) " +
        "SELECT t.id, t.kind, t.instance_id, t.due_at, CASE WHEN t.taken_by IS NULL THEN t.due_at ELSE coalesce($11::timestamptz, now()) + t.lease END, " +
        "t.taken_by, CASE WHEN t.taken_by IS NULL THEN 0 ELSE 1 END, t.hash, t.correlation_id, t.owner_key, t.payload " +
        "FROM " + ItemRows + " ON CONFLICT (id) DO NOTHING";

    private readonly DateTimeOffset? _clock = clock?.ToUniversalTime();
    private IList<NpgsqlBatchCommand> _commands = null!;

    /// <summary>Enlisted writes whose row count could not be checked in the statement: to be compared before the transaction is committed.</summary>
    public List<(NpgsqlBatchCommand Command, int Expected)> RowsToCheck { get; } = [];

    private readonly List<(WriteRequest Request, NpgsqlBatchCommand Command)> _counted = [];

    /// <summary>Tells the callers of single statements how many rows these touched.</summary>
    public void CountRows()
    {
        foreach (var (request, command) in _counted) request.Rows = command.RecordsAffected;
    }

    public void AddTo(IList<NpgsqlBatchCommand> commands)
    {
        _commands = commands;
        List<InstanceRow>? inserts = null, updates = null;
        List<WriteRequest>? releases = null, renews = null, takes = null;
        List<string>? removedBookmarks = null, ended = null, completed = null, completedLoose = null;
        List<BookmarkRow>? bookmarks = null;
        List<JournalSegment>? journal = null;
        List<(WorkItem Item, WriteRequest Request)>? items = null;
        List<(FusedStatement? Fused, List<EnlistedWrite> Writes)>? enlisted = null;

        foreach (var request in requests)
        {
            foreach (var item in request.Items) (items ??= []).Add((item, request));
            if (request.Write is { } statement) _counted.Add((request, AddEnlisted(statement)));
            foreach (var write in request.Writes) AddEnlisted(write);
            if (request.ReplacedWork.Count > 0) (completed ??= []).AddRange(request.ReplacedWork);
            if (request.CompletedWork.Count > 0) (completedLoose ??= []).AddRange(request.CompletedWork);
            if (request.Commit is not { } commit) continue;

            if (commit.Writes.Count > 0) Group(enlisted ??= [], commit.Writes);
            if (request.Releases) (releases ??= []).Add(request);
            else if (commit.Lease is not null) (renews ??= []).Add(request);
            else if (request.TakesLease) (takes ??= []).Add(request);
            if (commit.IsNew) (inserts ??= []).Add(commit.Instance);
            else (updates ??= []).Add(commit.Instance);
            if (request.Ends && !commit.IsNew) (ended ??= []).Add(commit.Instance.Id);
            else if (commit.RemovedBookmarkIds.Count > 0) (removedBookmarks ??= []).AddRange(commit.RemovedBookmarkIds);
            if (commit.AddedBookmarks.Count > 0 && !request.Ends) (bookmarks ??= []).AddRange(commit.AddedBookmarks);
            if (commit.CompletedWorkIds.Count > 0) (completed ??= []).AddRange(commit.CompletedWorkIds);
            if (commit.Journal.Count > 0) (journal ??= []).AddRange(commit.Journal);
        }

        foreach (var (fused, writes) in enlisted ?? [])
        {
            if (writes.Count > 1 && fused?.Fuse(writes) is { } one) _commands.Add(one);
            else foreach (var write in writes) AddEnlisted(write);
        }

        if (releases is not null)
        {
            Add(
                ReleaseLeases,
                Column(releases, r => r.Commit!.Lease!.InstanceId), Column(releases, r => r.Commit!.Lease!.Token), Typed((long)releases.Count));
        }

        if (renews is not null)
        {
            Add(
                RenewLeases,
                Column(renews, r => r.Commit!.Lease!.InstanceId), Column(renews, r => r.Commit!.Lease!.Token), Column(renews, r => r.Commit!.LeaseDuration), Typed((long)renews.Count), Clock());
        }

        if (takes is not null)
        {
            Add(
                TakeLeases,
                Column(takes, r => r.Commit!.Instance.Id), Column(takes, r => r.Commit!.NodeId), Column(takes, r => r.NewToken), Column(takes, r => r.Commit!.LeaseDuration), Typed((long)takes.Count), Clock());
        }

        if (inserts is not null)
            Add(InsertInstances, Instances(inserts));

        if (updates is not null)
        {
            Add(
                UpdateInstances,
                [.. Instances(updates), Typed((long)updates.Count)]);
        }

        // First what was carried out: the timer that woke an instance belongs to a bookmark that goes too.
        if (completed is not null)
        {
            Add(
                $"WITH gone AS (DELETE FROM work_items WHERE id = ANY($1) RETURNING 1) SELECT engine_require((SELECT count(*) FROM gone), $2, '{WorkGone}')",
                Typed(completed.ToArray()), Typed((long)completed.Count));
        }

        if (ended is not null)
        {
            Add(
                "WITH gone AS (DELETE FROM workflow_bookmarks WHERE instance_id = ANY($1) RETURNING id) DELETE FROM work_items w USING gone WHERE w.owner_key = gone.id",
                Typed(ended.ToArray()));
        }

        if (removedBookmarks is not null)
        {
            var ids = removedBookmarks.ToArray();
            Add("DELETE FROM workflow_bookmarks WHERE id = ANY($1)", Typed(ids));
            Add("DELETE FROM work_items WHERE owner_key = ANY($1)", Typed(ids));
        }

        if (bookmarks is not null)
        {
            Add(
                InsertBookmarks,
                Column(bookmarks, b => b.Id), Column(bookmarks, b => b.InstanceId), Column(bookmarks, b => b.Hash), Column(bookmarks, b => b.Name),
                Column(bookmarks, b => b.ActivityInstanceId), Column(bookmarks, b => b.CorrelationId), Column(bookmarks, b => b.CreatedAt.ToUniversalTime()));
        }

        if (completedLoose is not null) Add("DELETE FROM work_items WHERE id = ANY($1)", Typed(completedLoose.ToArray()));
        if (items is not null) AddItems(items);

        if (bookmarks is not null || wakeAgain.Length > 0)
            Add(Wake, Typed<string[]>([.. (bookmarks ?? []).Select(b => b.Hash).Concat(wakeAgain).Distinct(StringComparer.Ordinal)]), Clock());

        if (journal is not null)
        {
            Add(
                InsertJournal,
                Column(journal, j => j.InstanceId), Column(journal, j => j.FirstSequence), Column(journal, j => j.LastSequence), Column(journal, j => j.CreatedAt.ToUniversalTime()),
                Column(journal, j => StoreText.Bytes(j.Entries)));
        }
    }

    private void AddItems(List<(WorkItem Item, WriteRequest Request)> items)
    {
        static bool Taken((WorkItem Item, WriteRequest Request) i) => i.Request.TakenHere?.Contains(i.Item.Id) == true;
        Add(
            InsertItems,
            Column(items, i => i.Item.Id), Column(items, i => StoreText.Of(i.Item.Kind)), Column(items, i => i.Item.InstanceId), Column(items, i => i.Item.DueAt.ToUniversalTime()),
            Column(items, i => Taken(i) ? i.Request.NodeId : null), Column(items, i => i.Request.ItemLease), Column(items, i => i.Item.Hash), Column(items, i => i.Item.CorrelationId),
            Column(items, i => i.Item.OwnerKey), Column(items, i => StoreText.Bytes(i.Item.Payload)), Clock());
    }

    private static NpgsqlParameter[] Instances(List<InstanceRow> rows) =>
    [
        Column(rows, r => r.Id), Column(rows, r => r.DefinitionId), Column(rows, r => r.DefinitionVersionId), Column(rows, r => r.Version), Column(rows, r => r.ContentHash),
        Column(rows, r => StoreText.Of(r.Status)), Column(rows, r => r.CorrelationId), Column(rows, r => r.Name), Column(rows, r => r.ParentInstanceId),
        Column(rows, r => WriteRequest.IsEnded(r.Status) ? null : r.ActivationKey), Column(rows, r => r.IncidentCount), Column(rows, r => r.CreatedAt.ToUniversalTime()),
        Column(rows, r => r.UpdatedAt.ToUniversalTime()), Column(rows, r => r.FinishedAt?.ToUniversalTime()), Column(rows, r => StoreText.Bytes(r.State)),
    ];

    // Each commit's writes keep their order: one goes to a group of its kind that does not come before the group of the one before it.
    private static void Group(List<(FusedStatement? Fused, List<EnlistedWrite> Writes)> groups, IReadOnlyList<EnlistedWrite> writes)
    {
        var from = 0;
        foreach (var write in writes)
        {
            var fused = FusedStatement.Of(write.Sql) is { } shape && shape.Takes(write) ? shape : null;
            var at = fused is null ? -1 : groups.FindIndex(from, g => g.Fused == fused && g.Writes[0].ExpectedRows == write.ExpectedRows);
            if (at < 0)
            {
                at = groups.Count;
                groups.Add((fused, []));
            }

            groups[at].Writes.Add(write);
            from = at;
        }
    }

    private NpgsqlBatchCommand AddEnlisted(EnlistedWrite write)
    {
        var sql = write.Sql.Trim().TrimEnd(';');
        var checks = write.ExpectedRows is not null && !(write.ExpectedRows == 1 && FusedStatement.Of(write.Sql)?.AlwaysAddsOne == true);
        // Most statements can be counted by the database itself; the rest costs a second round trip.
        var countable = checks && !sql.Contains("returning", StringComparison.OrdinalIgnoreCase) &&
            (sql.StartsWith("insert", StringComparison.OrdinalIgnoreCase) || sql.StartsWith("update", StringComparison.OrdinalIgnoreCase) || sql.StartsWith("delete", StringComparison.OrdinalIgnoreCase));
        var command = new NpgsqlBatchCommand(
            countable
                ? $"WITH enlisted AS ({sql}\nRETURNING 1) SELECT engine_require((SELECT count(*) FROM enlisted), {write.ExpectedRows!.Value.ToString(CultureInfo.InvariantCulture)}, '{UnexpectedRows}')"
                : sql);
        foreach (var (name, value) in write.Parameters)
            command.Parameters.Add(new NpgsqlParameter(name.TrimStart('@'), Value(value)));
        _commands.Add(command);
        if (checks && !countable) RowsToCheck.Add((command, write.ExpectedRows!.Value));
        return command;
    }

    private void Add(string sql, params NpgsqlParameter[] parameters) => _commands.Add(Statement(sql, parameters));

    private NpgsqlParameter Clock() => Untyped(_clock);

    private static NpgsqlParameter<TColumn[]> Column<TRow, TColumn>(List<TRow> rows, Func<TRow, TColumn> value)
    {
        var column = new TColumn[rows.Count];
        for (var i = 0; i < column.Length; i++) column[i] = value(rows[i]);
        return Typed(column);
    }

    /// <summary>
    /// The rows of arrays of one length, $1, $2 and so on, as a table <c>t</c>. The functions stand in a select list: in a FROM the database keeps what each of them gives in a store
    /// of its own first, which for a few rows costs more than to write them.
    /// </summary>
    /// <param name="columns">Names and types, such as <c>id text, token bigint</c>.</param>
    public static string Rows(string columns) =>
        "(SELECT " + string.Join(", ", columns.Split(", ").Select(static (c, i) => c.Split(' ') is [var name, var type] ? string.Create(CultureInfo.InvariantCulture, $"unnest(${i + 1}::{type}[]) AS {name}") : throw new FormatException(c))) + ") AS t";

    public static NpgsqlBatchCommand Statement(string sql, params NpgsqlParameter[] parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters) command.Parameters.Add(parameter);
        return command;
    }

    public static NpgsqlParameter<T> Typed<T>(T value) => new() { TypedValue = value };

    public static NpgsqlParameter Untyped(object? value) => new() { Value = Value(value) };

    private static object Value(object? value) => value switch
    {
        null => DBNull.Value,
        DateTimeOffset time => time.ToUniversalTime(),
        ReadOnlyMemory<byte> bytes => StoreText.Bytes(bytes),
        _ => value,
    };
}
