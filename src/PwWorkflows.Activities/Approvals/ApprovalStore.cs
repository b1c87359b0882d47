using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Approvals;

/// <summary>Which requests to list.</summary>
/// <param name="Status">One of <see cref="ApprovalStatuses"/>; <c>null</c> for all.</param>
/// <param name="InstanceId">Only those of an instance.</param>
/// <param name="OrderNumber">Only those of an order.</param>
/// <param name="Search">Only those whose title, order or number holds this text, whatever its case.</param>
public sealed record ApprovalQuery(string? Status = null, string? InstanceId = null, string? OrderNumber = null, string? Search = null);

/// <summary>Reads and makes requests for approval (tables <c>approvals</c>, <c>approval_decisions</c>) and those who decide them (<c>admin_users</c>).</summary>
public sealed class ApprovalStore(IPwDatabase database)
{
    private const string Columns =
        """
        a.id, a.instance_id, a.activity_instance_id, a.definition_id, a.title, a.correlation_id, a.order_number, a.subject, a.details, a.if_approved, a.if_rejected,
        a.approver_role, a.approvers, a.people, a.amount_cents, a.currency, a.requested_by, a.requested_at, a.expires_at, a.remind_every_seconds, a.next_reminder_at,
        a.reminders_sent, a.escalate_at, a.escalate_to, a.escalated_at, a.status, a.decided_at, a.announced_at, a.delivered_at, a.started_by
        """;

    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// The number of the request that an execution of an activity makes: the same on every node and try. Requests on record may have shorter ones, which were given before; what belongs to an execution
    /// is looked up by <see cref="FindAsync(string, string, CancellationToken)"/>, not by this.
    /// </summary>
    public static string IdOf(string instanceId, string activityInstanceId) =>
        "AP-" + Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes($"{instanceId}|{activityInstanceId}")))[..20];

    /// <summary>A request by its number; <c>null</c> when there is none.</summary>
    public Task<Approval?> FindAsync(string id, CancellationToken ct) =>
        database.ReadAsync((connection, token) => FindAsync(connection, null, id, false, token), ct);

    /// <summary>The request that an execution of an activity made, whatever its number; <c>null</c> when it made none.</summary>
    public async Task<Approval?> FindAsync(string instanceId, string activityInstanceId, CancellationToken ct) =>
        await database.ReadAsync(
            async (connection, token) => (await WithDecisionsAsync(connection, null, await connection.QueryAsync(
                null, $"SELECT {Columns} FROM approvals a WHERE a.instance_id = @instance AND a.activity_instance_id = @activity",
                Parameters.Of(("instance", instanceId), ("activity", activityInstanceId)), Map, token).ConfigureAwait(false), token).ConfigureAwait(false)).SingleOrDefault(),
            ct).ConfigureAwait(false);

    /// <summary>Requests: those that wait by the time they have left, then the others, newest first.</summary>
    /// <param name="query">Which.</param>
    /// <param name="skip">How many to leave out at the start.</param>
    /// <param name="take">At most so many.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<IReadOnlyList<Approval>> ListAsync(ApprovalQuery query, int skip, int take, CancellationToken ct)
    {
        var (where, values) = Where(query);
        return await database.ReadAsync(
            async (connection, token) => await WithDecisionsAsync(connection, null, await connection.QueryAsync(
                null,
                $"SELECT {Columns} FROM approvals a{where} ORDER BY CASE WHEN a.status = 'waiting' THEN 0 ELSE 1 END, CASE WHEN a.status = 'waiting' THEN a.expires_at END, a.requested_at DESC, a.id LIMIT @take OFFSET @skip",
                [.. values, new("take", (long)take), new("skip", (long)skip)], Map, token).ConfigureAwait(false), token).ConfigureAwait(false),
            ct).ConfigureAwait(false);
    }

    /// <summary>How many requests there are.</summary>
    public async Task<long> CountAsync(ApprovalQuery query, CancellationToken ct)
    {
        var (where, values) = Where(query);
        return (await database.QueryAsync($"SELECT count(*) FROM approvals a{where}", values, static r => r.GetInt64(0), ct).ConfigureAwait(false))[0];
    }

    /// <summary>
    /// Whether exactly this was approved: not the subject alone, which any workflow can name, but what people were shown beside it.
    /// </summary>
    /// <param name="subject">The request's <see cref="Approval.Subject"/>.</param>
    /// <param name="title">Its title.</param>
    /// <param name="orderNumber">The order it is about.</param>
    /// <param name="details">The facts shown, as the workflow gives them; their order does not matter.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<bool> IsApprovedAsync(string subject, string title, string orderNumber, IReadOnlyDictionary<string, object?> details, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(details);
        var facts = details.Select(static d => ApprovalDetail.Of(d.Key, d.Value)).ToHashSet();
        var shown = await database.QueryAsync(
            "SELECT details FROM approvals WHERE subject = @subject AND title = @title AND order_number = @order AND status = 'approved'",
            Parameters.Of(("subject", subject), ("title", title), ("order", orderNumber)), static r => Details(r.GetString(0)), ct).ConfigureAwait(false);
        return shown.Any(facts.SetEquals);
    }

    /// <summary>Makes a request with the commit of the step that waits for it.</summary>
    public void Enlist(Approval approval)
    {
        ArgumentNullException.ThrowIfNull(approval);
        database.Enlist(
            """
            INSERT INTO approvals (id, instance_id, activity_instance_id, definition_id, title, correlation_id, order_number, subject, details, if_approved, if_rejected, approver_role,
                approvers, people, amount_cents, currency, requested_by, started_by, requested_at, expires_at, remind_every_seconds, next_reminder_at, escalate_at, escalate_to, status)
            VALUES (@id, @instance, @activity, @definition, @title, @correlation, @order, @subject, @details, @if_approved, @if_rejected, @role,
                @approvers, @people, @amount, @currency, @by, @starter, @at, @expires, @every, @reminder, @escalate, @escalate_to, 'waiting')
            """,
            Parameters.Of(
                ("id", approval.Id), ("instance", approval.InstanceId), ("activity", approval.ActivityInstanceId), ("definition", approval.DefinitionId), ("title", approval.Title),
                ("correlation", approval.CorrelationId), ("order", approval.OrderNumber), ("subject", approval.Subject), ("details", JsonSerializer.Serialize(approval.Details, Json)),
                ("if_approved", approval.IfApproved), ("if_rejected", approval.IfRejected), ("role", approval.ApproverRole), ("approvers", JsonSerializer.Serialize(approval.Approvers, Json)),
                ("people", approval.People), ("amount", approval.AmountCents), ("currency", approval.Currency), ("by", approval.RequestedBy), ("starter", approval.StartedBy), ("at", approval.RequestedAt),
                ("expires", approval.ExpiresAt), ("every", approval.RemindEvery is { } every ? (long)every.TotalSeconds : null), ("reminder", approval.NextReminderAt),
                ("escalate", approval.EscalateAt), ("escalate_to", JsonSerializer.Serialize(approval.EscalateTo, Json))),
            1);
    }

    /// <summary>Notes with the step's commit that the workflow took the outcome.</summary>
    public void EnlistDelivered(string id, DateTimeOffset now) =>
        database.Enlist("UPDATE approvals SET delivered_at = @now WHERE id = @id AND delivered_at IS NULL", Parameters.Of(("now", now), ("id", id)));

    /// <summary>Those who decide or could be asked to: active administrators, and whoever else is named.</summary>
    public Task<IReadOnlyList<Approver>> ApproversAsync(CancellationToken ct) => database.ReadAsync((connection, token) => ApproversAsync(connection, null, token), ct);

    /// <summary>A person by sign-in name; <c>null</c> when there is none.</summary>
    public async Task<Approver?> ApproverAsync(string username, CancellationToken ct) =>
        (await ApproversAsync(ct).ConfigureAwait(false)).FirstOrDefault(a => a.Username == username);

    /// <summary>The people who may sign in, seen from a transaction.</summary>
    internal static async Task<IReadOnlyList<Approver>> ApproversAsync(DbConnection connection, DbTransaction? transaction, CancellationToken ct) =>
        await connection.QueryAsync(
            transaction, "SELECT username, display_name, email, roles, active FROM admin_users ORDER BY username", Parameters.None,
            static r => new Approver(
                r.GetString(0), r.GetString(1) is { Length: > 0 } name ? name : r.GetString(0), r.GetString(2),
                r.GetString(3).Split([',', ' '], StringSplitOptions.RemoveEmptyEntries).Contains(ApprovalPolicy.DecidingRole), r.GetBoolean(4)),
            ct).ConfigureAwait(false);

    /// <summary>A request seen from a transaction, locked against other deciders when asked for (SQLite has one writer anyway).</summary>
    internal async Task<Approval?> FindAsync(DbConnection connection, DbTransaction? transaction, string id, bool locked, CancellationToken ct)
    {
        var rows = await connection.QueryAsync(
            transaction, $"SELECT {Columns} FROM approvals a WHERE a.id = @id{(locked && database.IsPostgres ? " FOR UPDATE" : "")}", Parameters.Of(("id", id)), Map, ct).ConfigureAwait(false);
        return rows.Count == 0 ? null : (await WithDecisionsAsync(connection, transaction, rows, ct).ConfigureAwait(false))[0];
    }

    private static async Task<IReadOnlyList<Approval>> WithDecisionsAsync(DbConnection connection, DbTransaction? transaction, List<Approval> rows, CancellationToken ct)
    {
        if (rows.Count == 0) return rows;
        var names = rows.Select(static (_, i) => "i" + i.ToString(CultureInfo.InvariantCulture)).ToList();
        var words = await connection.QueryAsync(
            transaction,
            $"""
             SELECT d.approval_id, d.username, COALESCE(NULLIF(u.display_name, ''), d.username), d.decision, d.note, d.via, d.at FROM approval_decisions d
             LEFT JOIN admin_users u ON u.username = d.username WHERE d.approval_id IN ({string.Join(", ", names.Select(static n => "@" + n))}) ORDER BY d.at, d.username
             """,
            [.. rows.Select((a, i) => new KeyValuePair<string, object?>(names[i], a.Id))],
            static r => (Id: r.GetString(0), Decision: new ApprovalDecision(r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4), r.GetString(5), r.Time(6))),
            ct).ConfigureAwait(false);
        var byId = words.ToLookup(static w => w.Id, static w => w.Decision);
        return [.. rows.Select(a => a with { Decisions = [.. byId[a.Id]] })];
    }

    private static (string Sql, List<KeyValuePair<string, object?>> Values) Where(ApprovalQuery query)
    {
        var (conditions, values) = (new List<string>(), new List<KeyValuePair<string, object?>>());
        void Add(string condition, string name, string? value)
        {
            if (value is null) return;
            conditions.Add(condition);
            values.Add(new(name, value));
        }

        Add("a.status = @status", "status", query.Status);
        Add("a.instance_id = @instance", "instance", query.InstanceId);
        Add("a.order_number = @order", "order", query.OrderNumber);
        // A search for 50% finds 50%.
        var pattern = query.Search?.Trim() is { Length: > 0 } text
            ? $"%{text.ToLowerInvariant().Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal)}%"
            : null;
        Add("(lower(a.title) LIKE @search ESCAPE '\\' OR lower(a.id) LIKE @search ESCAPE '\\' OR lower(COALESCE(a.order_number, '')) LIKE @search ESCAPE '\\')", "search", pattern);
        return (conditions.Count == 0 ? "" : " WHERE " + string.Join(" AND ", conditions), values);
    }

    private static List<ApprovalDetail> Details(string json) => JsonSerializer.Deserialize<List<ApprovalDetail>>(json, Json) ?? [];

    private static Approval Map(DbDataReader r) => new(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4))
    {
        CorrelationId = r.Text(5),
        OrderNumber = r.Text(6),
        Subject = r.Text(7),
        Details = Details(r.GetString(8)),
        IfApproved = r.GetString(9),
        IfRejected = r.GetString(10),
        ApproverRole = r.GetString(11),
        Approvers = JsonSerializer.Deserialize<List<string>>(r.GetString(12), Json) ?? [],
        People = r.GetInt32(13),
        AmountCents = r.IsDBNull(14) ? null : r.GetInt64(14),
        Currency = r.Text(15),
        RequestedBy = r.Text(16),
        RequestedAt = r.Time(17),
        ExpiresAt = r.Time(18),
        RemindEvery = r.IsDBNull(19) ? null : TimeSpan.FromSeconds(r.GetInt64(19)),
        NextReminderAt = r.TimeOrNull(20),
        RemindersSent = r.GetInt32(21),
        EscalateAt = r.TimeOrNull(22),
        EscalateTo = JsonSerializer.Deserialize<List<string>>(r.GetString(23), Json) ?? [],
        EscalatedAt = r.TimeOrNull(24),
        Status = r.GetString(25),
        DecidedAt = r.TimeOrNull(26),
        AnnouncedAt = r.TimeOrNull(27),
        DeliveredAt = r.TimeOrNull(28),
        StartedBy = r.Text(29),
    };
}
