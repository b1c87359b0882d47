using System.Globalization;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.ErpNext;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Orders;

/// <summary>
/// Reminders to customers: of unpaid orders (<c>payment</c>; the orders of a batch in one), of missing answers to paid ones (<c>intake</c>), and of uploaded call records that wait for their
/// order's payment (<c>cdr-unlock</c>). They stop when what they are about is done, stopped or refunded, and after the last one a person takes over.
/// </summary>
public sealed class Reminders(
    IPwDatabase database, IMailSender mails, IAdminToDos todos, SalesOrders salesOrders, TimeProvider time, IOptions<ReminderOptions> options, IOptions<MailOptions> mailOptions)
{
    /// <summary>Of unpaid orders.</summary>
    public const string Payment = "payment";
    /// <summary>Of missing answers.</summary>
    public const string Intake = "intake";
    /// <summary>Of call records locked for payment.</summary>
    public const string CdrUnlock = "cdr-unlock";

    private sealed record Row(string Subject, string Order, string Slug, string Name, string Email, long Cents, int Sent, DateTimeOffset? Last, DateTimeOffset Since, string? Carrier, long Files, long Study);

    private sealed record Candidate(string Subject, IReadOnlyList<Row> Rows)
    {
        public Row First => Rows[0];
        public int Sent => Rows.Max(r => r.Sent);
        // Cleared on one order of a batch is meant for all of it.
        public DateTimeOffset? Last => Rows.Any(r => r.Last is null) ? null : Rows.Max(r => r.Last);
        public DateTimeOffset Since => Rows.Min(r => r.Since);
    }

    private DateOnly DateOf(DateTimeOffset at) => mailOptions.Value.Hours.DateOf(at);

    /// <summary>Whom a reminder is due to: order or batch numbers; for <c>cdr-unlock</c> numbers of studies.</summary>
    /// <param name="kind">One of <see cref="Payment"/>, <see cref="Intake"/>, <see cref="CdrUnlock"/>.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <exception cref="NonRetryableException">There is no such kind.</exception>
    public async Task<IReadOnlyList<string>> FindDueAsync(string kind, CancellationToken ct) =>
        [.. (await CandidatesAsync(kind, null, ct).ConfigureAwait(false)).Where(c => TurnOf(c).Turn == ReminderTurn.Due).Select(c => c.Subject)];

    /// <summary>Sends a reminder if it is still due.</summary>
    /// <param name="kind">As for <see cref="FindDueAsync"/>.</param>
    /// <param name="subject">As <see cref="FindDueAsync"/> gave it.</param>
    /// <param name="dryRun">Only tell what would be sent.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<StepResult> SendAsync(string kind, string subject, bool dryRun, CancellationToken ct)
    {
        var found = await CandidatesAsync(kind, subject, ct).ConfigureAwait(false);
        if (found is not [var candidate]) return new StepResult("NotDue", $"{subject} needs no {kind} reminder any more.");
        var (turn, number) = TurnOf(candidate);
        if (turn != ReminderTurn.Due) return new StepResult("NotDue", $"{subject}: no {kind} reminder is due today.");
        var to = candidate.First.Email;
        if (dryRun) return new StepResult("Sent", string.Create(CultureInfo.InvariantCulture, $"Would send {to} the {kind} reminder {number} of {subject}."));

        var now = time.GetUtcNow();
        var site = mailOptions.Value.Site.AbsoluteUri.TrimEnd('/');
        var values = new Dictionary<string, object?>
        {
            ["customer_name"] = candidate.First.Name,
            ["order_number"] = kind == CdrUnlock ? candidate.First.Order : subject,
            ["services"] = candidate.Rows.Select(r => salesOrders.Workflow.NameFor(r.Slug)).Distinct().ToList(),
            ["amount"] = string.Create(CultureInfo.InvariantCulture, $"${candidate.Rows.Sum(r => r.Cents) / 100m:#,0.00}"),
            ["number"] = number,
            ["carrier"] = candidate.First.Carrier,
            ["files"] = candidate.First.Files,
            ["pay_url"] = $"{site}/order/pay?order={Uri.EscapeDataString(kind == CdrUnlock ? candidate.First.Order : subject)}",
            ["intake_url"] = $"{site}/order/intake?order={Uri.EscapeDataString(candidate.First.Order)}",
        };
        try
        {
            // By the day, so that not even a start anew sends two on one day.
            await mails.SendAsync(new MailToSend($"mail:{subject}:{kind}-reminder:{Iso(DateOf(now))}", to, kind + "-reminder", values, candidate.First.Order) { Bulk = true, Hold = MailHold.AllHours }, ct).ConfigureAwait(false);
        }
        catch (MailHeldException e)
        {
            return new StepResult("Held", $"{subject}: the {kind} reminder waits. {e.Message}");
        }
        catch (NonRetryableException e)
        {
            await todos.RaiseAsync(new ToDoRequest(candidate.First.Slug, candidate.First.Order, kind + "-reminder-refused", $"The {kind} reminder to {to} can't be sent: {e.Message} Reach the customer another way, or correct the address."), ct).ConfigureAwait(false);
            return new StepResult("Refused", $"{subject}: the {kind} reminder to {to} can't be sent: {e.Message}");
        }

        // It could be sent after all: nobody needs to correct the address any more.
        await todos.CloseAsync(candidate.First.Order, kind + "-reminder-refused", ct).ConfigureAwait(false);
        await NoteAsync(kind, candidate, number, now, ct).ConfigureAwait(false);
        return new StepResult("Sent", string.Create(CultureInfo.InvariantCulture, $"Sent {to} the {kind} reminder {number} of {subject}."));
    }

    private (ReminderTurn Turn, int Number) TurnOf(Candidate c) =>
        ReminderCadence.Of(c.Sent, c.Last is { } last ? DateOf(last) : null, DateOf(c.Since), DateOf(time.GetUtcNow()), options.Value);

    /// <summary>Notes a reminder, in one transaction with the ToDo that the last one brings: noted without it, the order would be forgotten. What an earlier life of this step noted stays as it is.</summary>
    private Task<bool> NoteAsync(string kind, Candidate candidate, int number, DateTimeOffset now, CancellationToken ct) => database.WriteAsync(
        async (connection, transaction, token) =>
        {
            var noted = false;
            foreach (var row in candidate.Rows)
            {
                var (sql, values) = kind switch
                {
                    CdrUnlock => ("UPDATE cdr_traffic_studies SET nudge_count = @number, nudge_last_at = @now WHERE id = @study AND nudge_count = @before",
                        Parameters.Of(("number", number), ("now", now), ("study", row.Study), ("before", row.Sent))),
                    _ => ($"UPDATE compliance_orders SET {kind}_reminder_count = @number, {kind}_reminder_last_at = @now, updated_at = @now WHERE order_number = @order AND {kind}_reminder_count = @before",
                        Parameters.Of(("number", number), ("now", now), ("order", row.Order), ("before", row.Sent))),
                };
                if (await connection.ExecuteAsync(transaction, sql, values, token).ConfigureAwait(false) != 1) continue;
                noted = true;
                await connection.ExecuteAsync(
                    transaction, "INSERT INTO order_timeline (order_number, at, event, message) VALUES (@order, @at, 'reminder', @message)",
                    Parameters.Of(("order", row.Order), ("at", now), ("message", string.Create(CultureInfo.InvariantCulture, $"The customer was reminded ({kind}, number {number})."))), token).ConfigureAwait(false);
            }

            if (!noted || number != options.Value.Max) return noted;
            var (todo, about) = ToDoRows.Raise(candidate.First.Order, candidate.First.Slug, kind + "-reminders-ended",
                string.Create(CultureInfo.InvariantCulture, $"{number} {kind} reminders were sent to {candidate.First.Email} without success; there are no more. Call the customer. Clearing the date of the last reminder starts them anew."), now);
            await connection.ExecuteAsync(transaction, todo, about, token).ConfigureAwait(false);
            return noted;
        },
        ct);

    private async Task<IReadOnlyList<Candidate>> CandidatesAsync(string kind, string? subject, CancellationToken ct)
    {
        var sql = kind switch
        {
            // A CDR study's own order is reminded of by its own job, which says what is at stake.
            Payment =>
                $"""
                 SELECT COALESCE(o.batch_number, o.order_number), o.order_number, o.service_slug, o.customer_name, o.customer_email, o.amount_cents, o.payment_reminder_count, o.payment_reminder_last_at, o.created_at, NULL, 0, 0
                 FROM compliance_orders o
                 WHERE o.payment_status IN ('pending', 'failed', 'expired') AND o.fulfillment_status <> 'stopped' AND o.renews_order_number IS NULL AND o.amount_cents > 0
                     AND NOT EXISTS (SELECT 1 FROM cdr_traffic_studies s WHERE s.order_number = o.order_number AND s.unlocked_at IS NULL AND s.withdrawn_at IS NULL)
                     {(subject is null ? "" : "AND (o.batch_number = @subject OR (o.batch_number IS NULL AND o.order_number = @subject))")} ORDER BY o.order_number
                 """,
            Intake =>
                $"""
                 SELECT o.order_number, o.order_number, o.service_slug, o.customer_name, o.customer_email, o.amount_cents, o.intake_reminder_count, o.intake_reminder_last_at, COALESCE(o.paid_at, o.created_at), NULL, 0, 0
                 FROM compliance_orders o
                 WHERE o.payment_status IN ('paid', 'partially_refunded') AND o.fulfillment_status = 'awaiting_intake' {(subject is null ? "" : "AND o.order_number = @subject")} ORDER BY o.order_number
                 """,
            CdrUnlock =>
                $"""
                 SELECT CAST(s.id AS text), o.order_number, o.service_slug, o.customer_name, o.customer_email, o.amount_cents, s.nudge_count, s.nudge_last_at, s.created_at, e.legal_name,
                     (SELECT COUNT(*) FROM cdr_files f WHERE f.study_id = s.id AND f.deleted_at IS NULL), s.id
                 FROM cdr_traffic_studies s JOIN compliance_orders o ON o.order_number = s.order_number JOIN telecom_entities e ON e.id = s.telecom_entity_id
                 WHERE s.unlocked_at IS NULL AND s.withdrawn_at IS NULL AND o.payment_status IN ('pending', 'failed', 'expired') AND o.fulfillment_status <> 'stopped'
                     AND EXISTS (SELECT 1 FROM cdr_files f WHERE f.study_id = s.id AND f.deleted_at IS NULL) {(subject is null ? "" : "AND s.id = @id")} ORDER BY s.id
                 """,
            _ => throw new NonRetryableException($"'{kind}' is no kind of reminder: expected {Payment}, {Intake} or {CdrUnlock}."),
        };
        var rows = await database.QueryAsync(
            sql, subject is null ? Parameters.None : kind == CdrUnlock ? Parameters.Of(("id", long.TryParse(subject, NumberStyles.None, CultureInfo.InvariantCulture, out var study) ? study : 0)) : Parameters.Of(("subject", subject)),
            static r => new Row(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4).Trim(), r.GetInt64(5), r.GetInt32(6), r.TimeOrNull(7), r.Time(8), r.Text(9), r.GetInt64(10), r.GetInt64(11)),
            ct).ConfigureAwait(false);
        return [.. rows.GroupBy(r => r.Subject).Select(g => new Candidate(g.Key, [.. g]))];
    }

    private static string Iso(DateOnly date) => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
