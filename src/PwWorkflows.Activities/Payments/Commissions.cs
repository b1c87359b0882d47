using System.Data.Common;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.ErpNext;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Payments;

/// <summary>When commissions clear.</summary>
public sealed class CommissionOptions
{
    /// <summary><c>COMMISSION_CLEARING_DAYS</c>: days after the payment until a commission is payable, 0 to 365; default 30.</summary>
    public int ClearingDays { get; set; } = 30;

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ClearingDays = settings.Number("COMMISSION_CLEARING_DAYS", ClearingDays, 0, 365);
    }
}

/// <summary>What becomes of the commission of an order.</summary>
public enum CommissionMove
{
    /// <summary>Nothing.</summary>
    None,
    /// <summary>It is payable now, or payable with another amount.</summary>
    Pay,
    /// <summary>It is reversed.</summary>
    Reverse,
    /// <summary>It waits again: the reason for its reversal has gone away.</summary>
    Reopen,
    /// <summary>It is on a statement; the difference is entered as an adjustment.</summary>
    Adjust,
}

/// <summary>The rules of commissions. Money is in cents; parts of a cent are dropped.</summary>
public static class CommissionRules
{
    /// <summary>What is earned on an amount.</summary>
    /// <param name="baseCents">What the customer paid and did not get back.</param>
    /// <param name="rateBps">Hundredths of a percent, 0 to 10000.</param>
    public static long Amount(long baseCents, int rateBps) => baseCents <= 0 ? 0 : baseCents * rateBps / 10_000;

    /// <summary>What becomes of a commission.</summary>
    /// <param name="status"><c>pending</c>, <c>payable</c> or <c>reversed</c>.</param>
    /// <param name="onStatement">Whether it is on a statement.</param>
    /// <param name="entered">What the ledger holds for the order, adjustments included.</param>
    /// <param name="owed">What the order has earned now: 0 when its money went back or is disputed.</param>
    /// <param name="gone">The order was refunded in full or is disputed.</param>
    /// <param name="clearsOn">First day on which it may be payable.</param>
    /// <param name="today">The day.</param>
    public static CommissionMove Move(string status, bool onStatement, long entered, long owed, bool gone, DateOnly clearsOn, DateOnly today) => status switch
    {
        "pending" when gone => CommissionMove.Reverse,
        "pending" => today >= clearsOn ? CommissionMove.Pay : CommissionMove.None,
        "payable" when onStatement => entered == owed ? CommissionMove.None : CommissionMove.Adjust,
        "payable" when gone => CommissionMove.Reverse,
        "payable" => entered == owed ? CommissionMove.None : CommissionMove.Pay,
        "reversed" => gone ? CommissionMove.None : CommissionMove.Reopen,
        _ => CommissionMove.None,
    };
}

/// <summary>Commissions of partners: the ledger (table <c>commissions</c>), its copy in ERPNext, and a statement per partner and month.</summary>
public sealed class Commissions(
    IPwDatabase database, ErpNextClient erp, IEffectLedger effects, JobEvidence evidence, IMailSender mails, IAdminToDos todos, TimeProvider time, IOptions<CommissionOptions> options, IOptions<MailOptions> mailOptions)
{
    /// <summary>The job.</summary>
    public const string Job = "pw-commission-worker";

    /// <summary>Rows that are looked at together.</summary>
    internal const int Page = 500;

    private const string DocType = "Commission Ledger Entry";

    private sealed record Row(long Id, string Order, string Partner, int RateBps, long Cents, string Status, DateOnly ClearsOn, string? Statement, long Entered, int Seqs, long OrderCents, long RefundedCents, string PaymentStatus);

    private sealed record Entry(long Id, string Order, int Seq, string Partner, long Cents, string Status, string ClearsOn, string? Statement, string? Reason, string? MirroredAs, int Mirrors)
    {
        public string Signature => string.Create(CultureInfo.InvariantCulture, $"{Status}:{Cents}:{Statement}");
    }

    private sealed record Name(string Value);

    private DateOnly Today => mailOptions.Value.Hours.DateOf(time.GetUtcNow());

    /// <summary>Enters the commissions of paid orders that a partner brought.</summary>
    public async Task<StepResult> OpenAsync(bool dryRun, CancellationToken ct)
    {
        var orders = await database.QueryAsync(
            """
            SELECT o.order_number, p.code, p.rate_bps, o.amount_cents - o.refunded_cents, o.paid_at FROM compliance_orders o JOIN partners p ON p.code = o.partner_code AND p.active
            WHERE o.payment_status IN ('paid', 'partially_refunded') AND o.paid_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM commissions c WHERE c.order_number = o.order_number) ORDER BY o.order_number
            """,
            Parameters.None, static r => (Order: r.GetString(0), Partner: r.GetString(1), Rate: r.GetInt32(2), Base: r.GetInt64(3), Paid: r.Time(4)), ct).ConfigureAwait(false);
        foreach (var o in dryRun ? [] : orders)
        {
            await database.ExecuteAsync(
                """
                INSERT INTO commissions (order_number, seq, partner_code, base_cents, rate_bps, amount_cents, status, clears_on, created_at)
                VALUES (@order, 0, @partner, @base, @rate, @amount, 'pending', @clears, @now) ON CONFLICT (order_number, seq) DO NOTHING
                """,
                Parameters.Of(("order", o.Order), ("partner", o.Partner), ("base", o.Base), ("rate", o.Rate), ("amount", CommissionRules.Amount(o.Base, o.Rate)),
                    ("clears", Iso(mailOptions.Value.Hours.DateOf(o.Paid).AddDays(options.Value.ClearingDays))), ("now", time.GetUtcNow())), ct).ConfigureAwait(false);
        }

        return new("Done", string.Create(CultureInfo.InvariantCulture, $"{(dryRun ? "Would enter" : "Entered")} {orders.Count} commissions."));
    }

    /// <summary>Makes payable what has cleared and reverses what was refunded or is disputed.</summary>
    public async Task<StepResult> SettleAsync(bool dryRun, CancellationToken ct)
    {
        var moves = new Dictionary<CommissionMove, int>();
        await foreach (var row in RowsAsync(ct).ConfigureAwait(false))
        {
            var gone = row.PaymentStatus is not (PaymentStatuses.Paid or PaymentStatuses.PartiallyRefunded);
            var kept = row.OrderCents - row.RefundedCents;
            var owed = gone ? 0 : CommissionRules.Amount(kept, row.RateBps);
            var move = CommissionRules.Move(row.Status, row.Statement is not null, row.Entered, owed, gone, row.ClearsOn, Today);
            if (move == CommissionMove.None) continue;
            moves[move] = moves.GetValueOrDefault(move) + 1;
            if (!dryRun) await MoveAsync(row, move, kept, owed, ct).ConfigureAwait(false);
        }

        string Of(CommissionMove move, string word) => string.Create(CultureInfo.InvariantCulture, $"{moves.GetValueOrDefault(move)} {word}");
        return new("Done", $"{(dryRun ? "Would be: " : "")}{Of(CommissionMove.Pay, "payable")}, {Of(CommissionMove.Reverse, "reversed")}, {Of(CommissionMove.Reopen, "waiting again")}, {Of(CommissionMove.Adjust, "adjusted")}.");
    }

    private async Task MoveAsync(Row row, CommissionMove move, long kept, long owed, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var reason = $"order {row.PaymentStatus.Replace('_', ' ')}";
        // Each statement checks what it goes out from, so that a second node or life changes nothing.
        var (sql, values) = move switch
        {
            CommissionMove.Pay => (
                "UPDATE commissions SET status = 'payable', base_cents = @base, amount_cents = @owed, payable_at = COALESCE(payable_at, @now), reason = NULL WHERE id = @id AND status IN ('pending', 'payable') AND statement IS NULL",
                Parameters.Of(("base", kept), ("owed", owed), ("now", now), ("id", row.Id))),
            CommissionMove.Reverse => (
                "UPDATE commissions SET status = 'reversed', payable_at = NULL, reason = @reason WHERE id = @id AND status IN ('pending', 'payable') AND statement IS NULL", Parameters.Of(("reason", reason), ("id", row.Id))),
            CommissionMove.Reopen => ("UPDATE commissions SET status = 'pending', reason = NULL WHERE id = @id AND status = 'reversed'", Parameters.Of(("id", row.Id))),
            _ => (
                """
                INSERT INTO commissions (order_number, seq, partner_code, base_cents, rate_bps, amount_cents, status, clears_on, payable_at, reason, created_at)
                VALUES (@order, @seq, @partner, @base, @rate, @amount, 'payable', @clears, @now, @reason, @now) ON CONFLICT (order_number, seq) DO NOTHING
                """,
                Parameters.Of(("order", row.Order), ("seq", row.Seqs), ("partner", row.Partner), ("base", kept), ("rate", row.RateBps), ("amount", owed - row.Entered), ("clears", Iso(Today)), ("now", now), ("reason", reason))),
        };
        await database.ExecuteAsync(sql, values, ct).ConfigureAwait(false);
    }

    /// <summary>Rows that ERPNext does not have as they are.</summary>
    public async Task<IReadOnlyList<string>> FindUnmirroredAsync(CancellationToken ct) => erp.IsConfigured
        ? await database.QueryAsync(
            "SELECT id FROM commissions WHERE mirrored_as IS NULL OR mirrored_as <> status || ':' || CAST(amount_cents AS text) || ':' || COALESCE(statement, '') ORDER BY id",
            Parameters.None, static r => r.GetInt64(0).ToString(CultureInfo.InvariantCulture), ct).ConfigureAwait(false)
        : [];

    /// <summary>Writes a row to ERPNext.</summary>
    public async Task<StepResult> MirrorAsync(string id, bool dryRun, CancellationToken ct)
    {
        if (!long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) throw new NonRetryableException($"'{id}' is no row of the commission ledger.");
        if (await EntriesAsync("c.id = @id", Parameters.Of(("id", number)), ct).ConfigureAwait(false) is not [var entry] || entry.MirroredAs == entry.Signature) return new("Current", $"ERPNext has row {id} as it is.");
        if (dryRun) return new("Mirrored", $"Would write row {id} ({entry.Order}, {Money(entry.Cents)}, {entry.Status}) to ERPNext.");
        var reference = "PW-COM-" + id;
        var fields = new JsonObject
        {
            ["reference"] = reference,
            ["order_number"] = entry.Order,
            ["partner"] = entry.Partner,
            ["entry_type"] = entry.Seq == 0 ? "Earned" : "Adjustment",
            ["amount"] = entry.Cents / 100m,
            ["status"] = entry.Status,
            ["clears_on"] = entry.ClearsOn,
            ["statement"] = entry.Statement ?? "",
            ["reason"] = entry.Reason ?? "",
        };
        Name name;
        try
        {
            // With the number of the writing: a row that is again as it was once is written again.
            name = await effects.RunAsync(
                string.Create(CultureInfo.InvariantCulture, $"erp:commission:{id}:{entry.Mirrors}:{entry.Signature}"),
                "erpnext.commission",
                async token =>
                {
                    if (await erp.GetDocumentAsync(DocType, reference, token).ConfigureAwait(false) is null)
                    {
                        await erp.CreateAsync(DocType, fields, token).ConfigureAwait(false);
                        return new Name(reference);
                    }

                    var change = (JsonObject)fields.DeepClone();
                    change.Remove("reference");
                    await erp.UpdateAsync(DocType, reference, change, token).ConfigureAwait(false);
                    return new Name(reference);
                },
                async token => await erp.GetDocumentAsync(DocType, reference, token).ConfigureAwait(false) is { } there
                    && ErpNextClient.Text(there, "status") == entry.Status && ErpNextClient.Text(there, "statement") == (entry.Statement ?? "") && there["amount"]?.GetValue<decimal>() == entry.Cents / 100m
                    ? new Reconciliation<Name>.Happened(new Name(reference))
                    : new Reconciliation<Name>.DidNotHappen(),
                ct).ConfigureAwait(false);
        }
        catch (NonRetryableException e)
        {
            // One row that ERPNext will not have must not hold up those after it.
            await todos.RaiseAsync(new ToDoRequest(Job, reference, "commission-mirror-refused", $"Row {id} of the commission ledger ({entry.Order}, {Money(entry.Cents)}, {entry.Status}) can't be written to ERPNext: {e.Message} It is tried again with each run."), ct).ConfigureAwait(false);
            return new("Refused", $"Row {id} can't be written to ERPNext: {e.Message}");
        }

        await database.ExecuteAsync(
            "UPDATE commissions SET erpnext_name = @name, mirrored_as = @signature, mirrors = mirrors + 1 WHERE id = @id AND mirrors = @mirrors",
            Parameters.Of(("name", name.Value), ("signature", entry.Signature), ("id", number), ("mirrors", entry.Mirrors)), ct).ConfigureAwait(false);
        await todos.CloseAsync(reference, "commission-mirror-refused", ct).ConfigureAwait(false);
        return new("Mirrored", $"Row {id} ({entry.Order}, {Money(entry.Cents)}, {entry.Status}) is {name.Value} in ERPNext.");
    }

    /// <summary>Statements to make: <c>acme-2026-10</c>, one per partner for the month before this one.</summary>
    public async Task<IReadOnlyList<string>> FindStatementsAsync(CancellationToken ct)
    {
        var month = FirstOfMonth.AddMonths(-1);
        var partners = await database.QueryAsync(
            "SELECT DISTINCT partner_code FROM commissions WHERE status = 'payable' AND statement IS NULL AND payable_at < @end ORDER BY partner_code",
            Parameters.Of(("end", MonthStart(FirstOfMonth))), static r => r.GetString(0), ct).ConfigureAwait(false);
        var unfinished = await database.QueryAsync("SELECT id FROM commission_statements WHERE document_key IS NULL ORDER BY id", Parameters.None, static r => r.GetString(0), ct).ConfigureAwait(false);
        return [.. unfinished.Union(partners.Select(p => StatementId(p, month)))];
    }

    /// <summary>Makes a statement of everything payable and not yet stated of a partner, up to the end of the month, and keeps it as a CSV file.</summary>
    public async Task<StepResult> MakeStatementAsync(string statement, bool dryRun, CancellationToken ct)
    {
        var (partner, month) = Split(statement);
        var end = MonthStart(month.AddMonths(1));
        if (dryRun)
        {
            var open = await EntriesAsync("c.status = 'payable' AND c.statement IS NULL AND c.partner_code = @partner AND c.payable_at < @end", Parameters.Of(("partner", partner), ("end", end)), ct).ConfigureAwait(false);
            return new("Made", $"Would make the statement {statement} of {open.Count.ToString(CultureInfo.InvariantCulture)} rows.");
        }

        if (month >= FirstOfMonth) return new("NotDue", $"The month of {statement} is not over.");
        await database.WriteAsync(
            async (connection, transaction, token) =>
            {
                var added = await connection.ExecuteAsync(
                    transaction, "INSERT INTO commission_statements (id, partner_code, month, total_cents, created_at) VALUES (@id, @partner, @month, 0, @now) ON CONFLICT (id) DO NOTHING",
                    Parameters.Of(("id", statement), ("partner", partner), ("month", month.ToString("yyyy-MM", CultureInfo.InvariantCulture)), ("now", time.GetUtcNow())), token).ConfigureAwait(false);
                // What was stated once is never changed: later rows go into the next month's.
                if (added == 0) return 0;
                var stated = await connection.ExecuteAsync(
                    transaction, "UPDATE commissions SET statement = @id WHERE partner_code = @partner AND status = 'payable' AND statement IS NULL AND payable_at < @end",
                    Parameters.Of(("id", statement), ("partner", partner), ("end", end)), token).ConfigureAwait(false);
                // All of it was reversed since it was found: an empty statement would take the month's place and never be sent.
                if (stated == 0) return await connection.ExecuteAsync(transaction, "DELETE FROM commission_statements WHERE id = @id", Parameters.Of(("id", statement)), token).ConfigureAwait(false);
                return await connection.ExecuteAsync(
                    transaction, "UPDATE commission_statements SET total_cents = (SELECT COALESCE(SUM(amount_cents), 0) FROM commissions WHERE statement = @id) WHERE id = @id", Parameters.Of(("id", statement)), token).ConfigureAwait(false);
            },
            ct).ConfigureAwait(false);
        var rows = await EntriesAsync("c.statement = @statement", Parameters.Of(("statement", statement)), ct).ConfigureAwait(false);
        if (rows.Count == 0) return new("NotDue", $"There is nothing to state for {statement}.");
        var csv = Csv(rows);
        var key = await evidence.KeepAsync(Job, statement, statement + ".csv", Encoding.UTF8.GetBytes(csv), "text/csv", "commission statement", ct).ConfigureAwait(false);
        await database.ExecuteAsync("UPDATE commission_statements SET document_key = @key WHERE id = @id", Parameters.Of(("key", key), ("id", statement)), ct).ConfigureAwait(false);
        return new("Made", $"Made the statement {statement}: {rows.Count.ToString(CultureInfo.InvariantCulture)} rows, {Money(rows.Sum(r => r.Cents))}. Kept: {key}");
    }

    /// <summary>Statements that were not mailed yet.</summary>
    public async Task<IReadOnlyList<string>> FindStatementMailsAsync(CancellationToken ct) =>
        await database.QueryAsync("SELECT id FROM commission_statements WHERE mailed_at IS NULL AND document_key IS NOT NULL ORDER BY id", Parameters.None, static r => r.GetString(0), ct).ConfigureAwait(false);

    /// <summary>Mails a statement to its partner, once.</summary>
    public async Task<StepResult> MailStatementAsync(string statement, bool dryRun, CancellationToken ct)
    {
        var rows = await database.QueryAsync(
            "SELECT p.name, p.email, s.month, s.total_cents, s.document_key FROM commission_statements s JOIN partners p ON p.code = s.partner_code WHERE s.id = @id AND s.mailed_at IS NULL AND s.document_key IS NOT NULL",
            Parameters.Of(("id", statement)), static r => (Name: r.GetString(0), Email: r.GetString(1), Month: r.GetString(2), Total: r.GetInt64(3), Key: r.GetString(4)), ct).ConfigureAwait(false);
        if (rows is not [var s]) return new("NotDue", $"The statement {statement} needs no mail.");
        if (dryRun) return new("Sent", $"Would mail the statement {statement} ({Money(s.Total)}) to {s.Email}.");
        if (await evidence.ReadAsync(s.Key, ct).ConfigureAwait(false) is not { } document)
        {
            await todos.RaiseAsync(new ToDoRequest(Job, statement, "statement-missing", $"The commission statement {statement} can't be mailed to {s.Email}: it is not in the store any more ({s.Key}). Find out what happened to it; put back, the next run mails it."), ct).ConfigureAwait(false);
            return new("Refused", $"The statement {statement} is not in the store: {s.Key}.");
        }

        var month = DateOnly.ParseExact(s.Month + "-01", "yyyy-MM-dd", CultureInfo.InvariantCulture).ToString("MMMM yyyy", CultureInfo.InvariantCulture);
        var values = new Dictionary<string, object?> { ["partner_name"] = s.Name, ["month"] = month, ["total"] = Money(s.Total), ["statement"] = statement };
        var (outcome, report) = ("Sent", $"Mailed the statement {statement} ({Money(s.Total)}) to {s.Email}.");
        try
        {
            await mails.SendAsync(new MailToSend("mail:commission-statement:" + statement, s.Email, "commission-statement", values, null, [new MailAttachment(statement + ".csv", "text/csv", document)]) { Bulk = true, Hold = MailHold.AllHours }, ct).ConfigureAwait(false);
        }
        catch (MailHeldException e)
        {
            return new StepResult("Held", $"The statement {statement} waits. {e.Message}");
        }
        catch (NonRetryableException e)
        {
            await todos.RaiseAsync(new ToDoRequest(Job, statement, "statement-mail-refused", $"The commission statement {statement} can't be mailed to {s.Email}: {e.Message}. It is kept as {s.Key}; send it another way."), ct).ConfigureAwait(false);
            (outcome, report) = ("Refused", $"The statement {statement} can't be mailed: {e.Message}");
        }

        await todos.CloseAsync(statement, "statement-missing", ct).ConfigureAwait(false);
        await database.ExecuteAsync("UPDATE commission_statements SET mailed_at = @now WHERE id = @id AND mailed_at IS NULL", Parameters.Of(("now", time.GetUtcNow()), ("id", statement)), ct).ConfigureAwait(false);
        return new(outcome, report);
    }

    private DateOnly FirstOfMonth => new(Today.Year, Today.Month, 1);

    private DateTimeOffset MonthStart(DateOnly first)
    {
        var local = first.ToDateTime(TimeOnly.MinValue);
        return new DateTimeOffset(local, mailOptions.Value.Hours.Zone.GetUtcOffset(local)).ToUniversalTime();
    }

    private static string StatementId(string partner, DateOnly month) => $"{partner}-{month.ToString("yyyy-MM", CultureInfo.InvariantCulture)}";

    private static (string Partner, DateOnly Month) Split(string statement)
    {
        ArgumentNullException.ThrowIfNull(statement);
        return statement.Length > 8 && statement[^8] == '-' && DateOnly.TryParseExact(statement[^7..] + "-01", "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var month)
            ? (statement[..^8], month)
            : throw new NonRetryableException($"'{statement}' is no statement: expected a partner and month such as acme-2026-10.");
    }

    private static string Csv(IReadOnlyList<Entry> rows)
    {
        var text = new StringBuilder("entry,order,type,amount_usd,reason\n");
        foreach (var r in rows)
            text.Append(CultureInfo.InvariantCulture, $"{r.Id},{r.Order},{(r.Seq == 0 ? "earned" : "adjustment")},{(r.Cents / 100m).ToString("0.00", CultureInfo.InvariantCulture)},{r.Reason}\n");
        return text.Append(CultureInfo.InvariantCulture, $",,total,{(rows.Sum(r => r.Cents) / 100m).ToString("0.00", CultureInfo.InvariantCulture)},\n").ToString();
    }

    private static string Money(long cents) => string.Create(CultureInfo.InvariantCulture, $"{(cents < 0 ? "-" : "")}${Math.Abs(cents) / 100m:#,0.00}");

    /// <summary>What the orders in the ledger have earned, some hundred at a time; those of which the rules can make nothing new are left out.</summary>
    private async IAsyncEnumerable<Row> RowsAsync([EnumeratorCancellation] CancellationToken ct)
    {
        var today = Iso(Today);
        for (var after = 0L; ;)
        {
            var page = await database.QueryAsync(
                """
                SELECT c.id, c.order_number, c.partner_code, c.rate_bps, c.amount_cents, c.status, c.clears_on, c.statement,
                    (SELECT CAST(SUM(x.amount_cents) AS bigint) FROM commissions x WHERE x.order_number = c.order_number), (SELECT COUNT(*) FROM commissions x WHERE x.order_number = c.order_number),
                    o.amount_cents, o.refunded_cents, o.payment_status
                FROM commissions c JOIN compliance_orders o ON o.order_number = c.order_number
                WHERE c.seq = 0 AND c.id > @after AND (c.status = 'payable' OR (c.status = 'pending' AND c.clears_on <= @today) OR (c.status = 'reversed') = (o.payment_status IN ('paid', 'partially_refunded')))
                ORDER BY c.id LIMIT @page
                """,
                Parameters.Of(("after", after), ("today", today), ("page", (long)Page)),
                static r => new Row(r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetInt32(3), r.GetInt64(4), r.GetString(5), Day(r.GetString(6)), r.Text(7), r.GetInt64(8), (int)r.GetInt64(9), r.GetInt64(10), r.GetInt64(11), r.GetString(12)), ct).ConfigureAwait(false);
            foreach (var row in page) yield return row;
            if (page.Count < Page) yield break;
            after = page[^1].Id;
        }
    }

    private Task<List<Entry>> EntriesAsync(string where, IReadOnlyList<KeyValuePair<string, object?>> values, CancellationToken ct) => database.QueryAsync(
        $"SELECT c.id, c.order_number, c.seq, c.partner_code, c.amount_cents, c.status, c.clears_on, c.statement, c.reason, c.mirrored_as, c.mirrors FROM commissions c WHERE {where} ORDER BY c.id", values, Map, ct);

    private static Entry Map(DbDataReader r) => new(r.GetInt64(0), r.GetString(1), r.GetInt32(2), r.GetString(3), r.GetInt64(4), r.GetString(5), r.GetString(6), r.Text(7), r.Text(8), r.Text(9), r.GetInt32(10));

    private static DateOnly Day(string text) => DateOnly.ParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Iso(DateOnly date) => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
