using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.ErpNext;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Orders;

/// <summary>What is renewed each year.</summary>
public sealed class RenewalOptions
{
    /// <summary><c>RENEWAL_SERVICES</c>: slugs of the yearly services, with commas between.</summary>
    public IReadOnlyList<string> Services { get; set; } = ["fcc-499a", "fcc-499a-zero", "fcc-499a-499q", "rmd-filing", "cpni-certification", "stir-shaken"];

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        Services = settings.Text("RENEWAL_SERVICES", string.Join(',', Services)).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        foreach (var slug in Services)
        {
            if (!slug.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')) settings.Problem($"RENEWAL_SERVICES: expected slugs such as rmd-filing, found '{slug}'.");
        }
    }
}

/// <summary>When customers are told of a renewal.</summary>
public static class RenewalNotices
{
    /// <summary>Days before the due date, the last first.</summary>
    public static IReadOnlyList<int> Milestones { get; } = [1, 7, 14, 30];

    /// <summary>
    /// The notice that is due: the nearest milestone that has been reached. Milestones that nobody was there for are not made up for, so that a customer never gets two at once.
    /// </summary>
    /// <param name="daysLeft">Days until the due date; 0 on the day itself, less when it has passed.</param>
    /// <param name="lastSent">Milestone of the last notice; <c>null</c>: none yet.</param>
    /// <returns>The milestone; <c>null</c>: no notice is due.</returns>
    public static int? Due(int daysLeft, int? lastSent)
    {
        if (daysLeft < 0) return null;
        foreach (var milestone in Milestones)
        {
            if (milestone >= daysLeft) return lastSent is { } last && last <= milestone ? null : milestone;
        }

        return null;
    }
}

/// <summary>
/// Renewals of yearly services (table <c>service_terms</c>: the year that a paid order pays for) and of resellers' certifications (table <c>reseller_certifications</c>): notices 30, 14, 7
/// and 1 days ahead, the order for the next year, the end of what was not renewed. Subscriptions renew themselves at Stripe and are left out.
/// </summary>
public sealed class Renewals(
    IPwDatabase database, IMailSender mails, IAdminToDos todos, SalesOrders salesOrders, TimeProvider time, IOptions<RenewalOptions> options, IOptions<MailOptions> mailOptions)
{
    /// <summary>The job.</summary>
    public const string Job = "pw-renewal-worker";

    /// <summary>
    /// Days before the due date from which on the order for the next year is open: one more than the first notice. The job runs at 04:00 UTC, which is the evening before in Chicago, and its mails wait for
    /// the morning, so that they are sent a day nearer to the due date than the one its orders were looked for on. The notice is to name its order.
    /// </summary>
    internal const int OrderDays = 31;

    private const string Service = "service", Certification = "certification";

    private sealed record Term(long Id, string Order, string Slug, DateOnly Due, string Status, int? LastNotice, string? RenewalOrder, string Name, string Email, string? Carrier, string PaymentStatus, string FulfillmentStatus, bool RenewalPaid);

    private sealed record Certificate(long Id, string Filer, string Reseller, string ResellerFilerId, DateOnly Due, string Status, int? LastNotice, string? Name, string? Email);

    private const string RenewalIsPaid = "EXISTS (SELECT 1 FROM compliance_orders n WHERE n.order_number = t.renewal_order AND n.payment_status IN ('paid', 'partially_refunded'))";

    private DateOnly Today => mailOptions.Value.Hours.DateOf(time.GetUtcNow());

    /// <summary>Opens the terms of yearly orders that were paid, renews terms whose renewal order was paid, cancels those whose money went back, and reopens those whose money came again, such as after a dispute that was won.</summary>
    public async Task<StepResult> KeepTermsAsync(bool dryRun, CancellationToken ct)
    {
        int opened = 0, renewed = 0, cancelled = 0, reopened = 0;
        var slugs = options.Value.Services.Select(static (slug, i) => KeyValuePair.Create("slug" + i.ToString(CultureInfo.InvariantCulture), (object?)slug)).ToList();
        var orders = slugs.Count == 0 ? [] : await database.QueryAsync(
            $"""
             SELECT o.order_number, o.service_slug, o.telecom_entity_id, COALESCE(o.paid_at, o.created_at), b.renewal_due
             FROM compliance_orders o LEFT JOIN service_terms b ON b.order_number = o.renews_order_number
             WHERE o.payment_status IN ('paid', 'partially_refunded') AND o.service_slug IN ({string.Join(", ", slugs.Select(static s => "@" + s.Key))})
                 AND o.stripe_subscription_id IS NULL AND o.parent_order_number IS NULL AND o.fulfillment_status <> 'stopped'
                 AND NOT EXISTS (SELECT 1 FROM service_terms t WHERE t.order_number = o.order_number) ORDER BY o.order_number
             """,
            slugs, static r => (Order: r.GetString(0), Slug: r.GetString(1), Entity: r.Int(2), Paid: r.Time(3), Before: r.Text(4)), ct).ConfigureAwait(false);
        foreach (var o in orders)
        {
            // A renewal counts from the end of the year before it, so that whoever pays early loses nothing.
            var from = o.Before is { } before ? Day(before) : mailOptions.Value.Hours.DateOf(o.Paid);
            opened++;
            if (dryRun) continue;
            await database.ExecuteAsync(
                """
                INSERT INTO service_terms (order_number, telecom_entity_id, service_slug, renewal_due, created_at) VALUES (@order, @entity, @slug, @due, @now) ON CONFLICT (order_number) DO NOTHING
                """,
                Parameters.Of(("order", o.Order), ("entity", o.Entity), ("slug", o.Slug), ("due", Iso(from.AddYears(1))), ("now", time.GetUtcNow())), ct).ConfigureAwait(false);
        }

        foreach (var term in await TermsAsync("t.status = 'cancelled' AND o.payment_status IN ('paid', 'partially_refunded') AND o.fulfillment_status <> 'stopped'", Parameters.None, ct).ConfigureAwait(false))
        {
            reopened++;
            if (!dryRun) await database.ExecuteAsync("UPDATE service_terms SET status = 'active' WHERE id = @id AND status = 'cancelled'", Parameters.Of(("id", term.Id)), ct).ConfigureAwait(false);
        }

        const string Back = "o.payment_status IN ('refunded', 'disputed') OR (o.fulfillment_status = 'stopped' AND t.status = 'active')";
        foreach (var term in await TermsAsync($"t.status IN ('active', 'expired') AND ({Back} OR {RenewalIsPaid})", Parameters.None, ct).ConfigureAwait(false))
        {
            var back = term.PaymentStatus is PaymentStatuses.Refunded or PaymentStatuses.Disputed || (term.FulfillmentStatus == FulfillmentStatuses.Stopped && term.Status == "active");
            if (back) cancelled++;
            else renewed++;
            if (dryRun) continue;
            // Whoever was to ask the customer about the end need not any more.
            if (term.Status == "expired") await todos.CloseAsync(term.Order, "term-expired", ct).ConfigureAwait(false);
            await database.ExecuteAsync("UPDATE service_terms SET status = @to WHERE id = @id AND status = @from", Parameters.Of(("to", back ? "cancelled" : "renewed"), ("id", term.Id), ("from", term.Status)), ct).ConfigureAwait(false);
        }

        return new("Done", string.Create(CultureInfo.InvariantCulture, $"{(dryRun ? "Would open" : "Opened")} {opened} yearly terms, {(dryRun ? "renew" : "renewed")} {renewed}, {(dryRun ? "cancel" : "cancelled")} {cancelled}, {(dryRun ? "reopen" : "reopened")} {reopened}."));
    }

    /// <summary>Ends what was due before today and is not renewed.</summary>
    public async Task<StepResult> ExpireAsync(bool dryRun, CancellationToken ct)
    {
        var today = Parameters.Of(("today", Iso(Today)));
        var terms = await TermsAsync($"t.status = 'active' AND t.renewal_due < @today AND NOT {RenewalIsPaid}", today, ct).ConfigureAwait(false);
        var certificates = await CertificatesAsync("c.status = 'active' AND c.renewal_due < @today", today, ct).ConfigureAwait(false);
        if (!dryRun)
        {
            foreach (var term in terms)
            {
                await todos.RaiseAsync(new ToDoRequest(term.Slug, term.Order, "term-expired", $"The yearly service {term.Slug} of {term.Carrier ?? term.Name} ended on {Iso(term.Due)} and was not renewed{(term.RenewalOrder is { } o ? $" (order {o} is unpaid)" : "")}. Ask the customer."), ct).ConfigureAwait(false);
                await database.ExecuteAsync("UPDATE service_terms SET status = 'expired' WHERE id = @id AND status = 'active'", Parameters.Of(("id", term.Id)), ct).ConfigureAwait(false);
            }

            foreach (var c in certificates)
            {
                await todos.RaiseAsync(new ToDoRequest(Job, $"certification {c.Id.ToString(CultureInfo.InvariantCulture)}", "certification-expired",
                    $"The certification of the reseller {c.Reseller} ({c.ResellerFilerId}) for {c.Filer} ended on {Iso(c.Due)}. Without a new one its revenue is end-user revenue and not carrier's carrier revenue (Line 303)."), ct).ConfigureAwait(false);
                await database.ExecuteAsync("UPDATE reseller_certifications SET status = 'expired' WHERE id = @id AND status = 'active'", Parameters.Of(("id", c.Id)), ct).ConfigureAwait(false);
            }
        }

        return new("Done", string.Create(CultureInfo.InvariantCulture, $"{(dryRun ? "Would end" : "Ended")} {terms.Count} yearly terms and {certificates.Count} certifications."));
    }

    /// <summary>Terms that need the order for their next year.</summary>
    public async Task<IReadOnlyList<string>> FindOrdersToOpenAsync(CancellationToken ct) =>
        [.. (await TermsAsync("t.status = 'active' AND t.renewal_order IS NULL AND t.renewal_due BETWEEN @from AND @to", Within(OrderDays), ct).ConfigureAwait(false)).Select(t => t.Id.ToString(CultureInfo.InvariantCulture))];

    /// <summary>Opens the order for a term's next year: the same service and price, unpaid, with answers to be given anew.</summary>
    public async Task<StepResult> OpenOrderAsync(string termId, bool dryRun, CancellationToken ct)
    {
        if (!long.TryParse(termId, NumberStyles.None, CultureInfo.InvariantCulture, out var id)) throw new NonRetryableException($"'{termId}' is no number of a term.");
        if (await TermsAsync("t.id = @id AND t.status = 'active' AND t.renewal_order IS NULL AND t.renewal_due BETWEEN @from AND @to", [.. Within(OrderDays), new("id", id)], ct).ConfigureAwait(false) is not [var term])
            return new("NotDue", $"The term {termId} needs no order.");
        if (dryRun) return new("Opened", $"Would open an order for another year of {term.Slug} after {term.Order}.");
        var number = "CO-" + Convert.ToHexString(RandomNumberGenerator.GetBytes(4));
        var opened = await database.WriteAsync(
            async (connection, transaction, token) =>
            {
                if (await connection.ExecuteAsync(
                    transaction, "UPDATE service_terms SET renewal_order = @number WHERE id = @id AND renewal_order IS NULL AND status = 'active'", Parameters.Of(("number", number), ("id", term.Id)), token).ConfigureAwait(false) != 1) return false;
                var now = time.GetUtcNow();
                await connection.ExecuteAsync(
                    transaction,
                    """
                    INSERT INTO compliance_orders (order_number, service_slug, telecom_entity_id, customer_name, customer_email, amount_cents, currency, renews_order_number, partner_code, created_at, updated_at)
                    SELECT @number, service_slug, telecom_entity_id, customer_name, customer_email, amount_cents, currency, order_number, partner_code, @now, @now FROM compliance_orders WHERE order_number = @before
                    """,
                    Parameters.Of(("number", number), ("now", now), ("before", term.Order)), token).ConfigureAwait(false);
                await connection.ExecuteAsync(
                    transaction, "INSERT INTO order_timeline (order_number, at, event, message) VALUES (@number, @now, 'renewal-opened', @message)",
                    Parameters.Of(("number", number), ("now", now), ("message", $"Opened to renew {term.Order}, due {Iso(term.Due)}.")), token).ConfigureAwait(false);
                return true;
            },
            ct).ConfigureAwait(false);
        return opened ? new("Opened", $"Opened {number} for another year of {term.Slug} after {term.Order}, due {Iso(term.Due)}.") : new("NotDue", $"The term {termId} has its order already.");
    }

    /// <summary>Notices due today: <c>service|12</c>, <c>certification|5</c>.</summary>
    public async Task<IReadOnlyList<string>> FindNoticesAsync(CancellationToken ct)
    {
        var today = Today;
        var near = Within(RenewalNotices.Milestones.Max());
        var terms = (await TermsAsync($"t.status = 'active' AND t.renewal_due BETWEEN @from AND @to AND NOT {RenewalIsPaid}", near, ct).ConfigureAwait(false)).Where(t => RenewalNotices.Due(Left(t.Due, today), t.LastNotice) is not null).Select(t => $"{Service}|{t.Id.ToString(CultureInfo.InvariantCulture)}");
        var certificates = (await CertificatesAsync("c.status = 'active' AND c.renewal_due BETWEEN @from AND @to", near, ct).ConfigureAwait(false)).Where(c => RenewalNotices.Due(Left(c.Due, today), c.LastNotice) is not null).Select(c => $"{Certification}|{c.Id.ToString(CultureInfo.InvariantCulture)}");
        return [.. terms, .. certificates];
    }

    /// <summary>Sends a notice if it is still due.</summary>
    public async Task<StepResult> SendNoticeAsync(string item, bool dryRun, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(item);
        if (item.Split('|') is not [var kind, var idText] || kind is not (Service or Certification) || !long.TryParse(idText, NumberStyles.None, CultureInfo.InvariantCulture, out var id)) throw new NonRetryableException($"'{item}' is no renewal.");
        var today = Today;
        var site = mailOptions.Value.Site.AbsoluteUri.TrimEnd('/');
        string? name, email, order = null;
        DateOnly due;
        int? last;
        Dictionary<string, object?> values;
        if (kind == Service)
        {
            // Paid while this mail waited for its hours is renewed, although the next run only writes it down.
            if (await TermsAsync("t.id = @id AND t.status = 'active'", Parameters.Of(("id", id)), ct).ConfigureAwait(false) is not [{ RenewalPaid: false } t]) return new("NotDue", $"{item} is not active any more, or renewed.");
            (name, email, due, last, order) = (t.Name, t.Email, t.Due, t.LastNotice, t.RenewalOrder ?? t.Order);
            values = new()
            {
                ["service"] = salesOrders.Workflow.NameFor(t.Slug),
                ["carrier"] = t.Carrier,
                ["order_number"] = t.RenewalOrder,
                ["pay_url"] = t.RenewalOrder is { } o ? $"{site}/order/pay?order={Uri.EscapeDataString(o)}" : null,
            };
        }
        else
        {
            if (await CertificatesAsync("c.id = @id AND c.status = 'active'", Parameters.Of(("id", id)), ct).ConfigureAwait(false) is not [var c]) return new("NotDue", $"{item} is not active any more.");
            (name, email, due, last) = (c.Name, c.Email, c.Due, c.LastNotice);
            values = new() { ["carrier"] = c.Filer, ["reseller"] = c.Reseller, ["reseller_filer_id"] = c.ResellerFilerId };
        }

        var left = Left(due, today);
        if (RenewalNotices.Due(left, last) is not { } milestone) return new("NotDue", $"{item}: no notice is due today.");
        if (dryRun) return new("Sent", string.Create(CultureInfo.InvariantCulture, $"Would tell {email ?? "nobody, for there is no address,"} that {item} is due on {Iso(due)}, in {left} days."));
        values["customer_name"] = name ?? "customer";
        values["due"] = due.ToString("MMMM d, yyyy", CultureInfo.InvariantCulture);
        values["days"] = left;
        var table = kind == Service ? "service_terms" : "reseller_certifications";
        var refused = email is null ? "there is no customer's address" : null;
        if (email is not null)
        {
            try
            {
                await mails.SendAsync(new MailToSend(string.Create(CultureInfo.InvariantCulture, $"mail:renewal:{kind}:{id}:{Iso(due)}:{milestone}"), email, "renewal-" + kind, values, order) { Bulk = true, Hold = MailHold.AllHours }, ct).ConfigureAwait(false);
            }
            catch (MailHeldException e)
            {
                return new StepResult("Held", $"{item}: the notice waits. {e.Message}");
            }
            catch (NonRetryableException e)
            {
                refused = e.Message;
            }
        }

        if (refused is not null)
            await todos.RaiseAsync(new ToDoRequest(Job, order ?? $"certification {idText}", "renewal-notice-refused", string.Create(CultureInfo.InvariantCulture, $"The notice that {item} is due on {Iso(due)} ({left} days) reaches nobody: {refused}. Reach the customer another way.")), ct).ConfigureAwait(false);
        // Noted also when it reached nobody: the ToDo is what became of it.
        await database.ExecuteAsync(
            $"UPDATE {table} SET last_notice_days = @milestone WHERE id = @id AND (last_notice_days IS NULL OR last_notice_days > @milestone)", Parameters.Of(("milestone", milestone), ("id", id)), ct).ConfigureAwait(false);
        return refused is null
            ? new("Sent", string.Create(CultureInfo.InvariantCulture, $"Told {email} that {item} is due on {Iso(due)}, in {left} days."))
            : new("Refused", $"The notice of {item} reaches nobody: {refused}");
    }

    /// <summary>From today to so many days ahead, as <c>@from</c> and <c>@to</c>.</summary>
    private IReadOnlyList<KeyValuePair<string, object?>> Within(int days) => Parameters.Of(("from", Iso(Today)), ("to", Iso(Today.AddDays(days))));

    private static int Left(DateOnly due, DateOnly today) => due.DayNumber - today.DayNumber;

    private Task<List<Term>> TermsAsync(string where, IReadOnlyList<KeyValuePair<string, object?>> values, CancellationToken ct) => database.QueryAsync(
        $"""
         SELECT t.id, t.order_number, t.service_slug, t.renewal_due, t.status, t.last_notice_days, t.renewal_order, o.customer_name, o.customer_email, e.legal_name, o.payment_status, o.fulfillment_status,
             CASE WHEN {RenewalIsPaid} THEN 1 ELSE 0 END
         FROM service_terms t JOIN compliance_orders o ON o.order_number = t.order_number LEFT JOIN telecom_entities e ON e.id = t.telecom_entity_id WHERE {where} ORDER BY t.id
         """,
        values,
        static r => new Term(r.GetInt64(0), r.GetString(1), r.GetString(2), Day(r.GetString(3)), r.GetString(4), r.Int(5), r.Text(6), r.GetString(7), r.GetString(8), r.Text(9), r.GetString(10), r.GetString(11), r.GetInt32(12) == 1), ct);

    // Certifications belong to a carrier; its customer is who ordered for it last.
    private Task<List<Certificate>> CertificatesAsync(string where, IReadOnlyList<KeyValuePair<string, object?>> values, CancellationToken ct) => database.QueryAsync(
        $"""
         SELECT c.id, e.legal_name, c.reseller_legal_name, c.reseller_filer_id_499, c.renewal_due, c.status, c.last_notice_days, o.customer_name, o.customer_email
         FROM reseller_certifications c JOIN telecom_entities e ON e.id = c.filer_telecom_entity_id
         LEFT JOIN compliance_orders o ON o.order_number = (SELECT x.order_number FROM compliance_orders x WHERE x.telecom_entity_id = e.id AND x.payment_status IN ('paid', 'partially_refunded') ORDER BY x.created_at DESC, x.order_number LIMIT 1)
         WHERE {where} ORDER BY c.id
         """,
        values,
        static r => new Certificate(r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetString(3), Day(r.GetString(4)), r.GetString(5), r.Int(6), r.Text(7), r.Text(8)), ct);

    private static DateOnly Day(string text) => DateOnly.ParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Iso(DateOnly date) => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
