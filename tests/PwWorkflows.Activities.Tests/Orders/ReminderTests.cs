using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Activities.Tests.Jobs;
using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.Mail;

namespace PwWorkflows.Activities.Tests.Orders;

/// <summary>Reminders of unpaid orders, missing answers and locked call records.</summary>
public abstract class ReminderTests(PostgresFixture? postgres) : JobTests(postgres)
{
    private const string Unpaid = "CO-00000001";

    protected override Dictionary<string, string?> Settings { get; } = [];

    protected override void Register(IServiceCollection services)
    {
        services.AddSettings<ReminderOptions>(static (o, s) => o.Bind(s));
        services.AddSingleton<Reminders>();
    }

    private Reminders Reminders => Get<Reminders>();

    private Task<Order> UnpaidAsync(string number = Unpaid, string? batch = null, string email = "dana@carrier.net") =>
        OrderAsync(number, email, change: o => o with { PaymentStatus = PaymentStatuses.Pending, PaidAt = null, BatchNumber = batch });

    /// <summary>What the job does on a day.</summary>
    private async Task<List<string>> RunAsync(string kind = Reminders.Payment)
    {
        var outcomes = new List<string>();
        foreach (var subject in await Reminders.FindDueAsync(kind, Ct)) outcomes.Add((await Reminders.SendAsync(kind, subject, false, Ct)).Outcome);
        return outcomes;
    }

    private async Task<int> DaysAsync(int days, string kind = Reminders.Payment)
    {
        var sent = 0;
        for (var day = 0; day < days; day++)
        {
            Time.Advance(TimeSpan.FromDays(1));
            sent += (await RunAsync(kind)).Count;
        }

        return sent;
    }

    [Fact]
    public async Task Unpaid_order_is_reminded_of_ten_days_then_weekly_sixty_times_and_then_a_person_is_asked()
    {
        ItIs("2027-01-05 11:00");
        await UnpaidAsync();
        Assert.Empty(await RunAsync()); // Not on the day it was placed.
        Assert.Equal(10, await DaysAsync(10));
        Assert.Equal(0, await DaysAsync(6));
        Assert.Equal(1, await DaysAsync(1));
        Assert.Equal(48, await DaysAsync(48 * 7));
        Assert.Empty(await ToDosAsync());
        Assert.Equal(1, await DaysAsync(7));
        Assert.Equal(60, Mails.Count);
        Assert.Equal([$"{Unpaid} payment-reminders-ended"], await ToDosAsync());
        Assert.Equal(0, await DaysAsync(30));

        // Clearing the last date starts anew, at once.
        await SqlAsync("UPDATE compliance_orders SET payment_reminder_last_at = NULL");
        Assert.Equal(["Sent"], await RunAsync());
        Assert.Equal(9, await DaysAsync(9));
        Assert.Equal(0, await DaysAsync(6));
        Assert.Equal("10", await ValueAsync("SELECT payment_reminder_count FROM compliance_orders"));
    }

    [Fact]
    public async Task Hours_that_end_in_the_middle_of_a_list_hold_the_rest_until_the_next_day_and_nobody_is_mailed_twice()
    {
        ItIs("2027-01-05 11:00");
        foreach (var n in (int[])[1, 2, 3]) await UnpaidAsync($"CO-0000000{n}", email: $"dana{n}@carrier.net");
        Assert.Equal(30, await DaysAsync(10));

        // Now weekly. The list begins a minute before the quiet hours.
        ItIs("2027-01-22 20:59");
        var due = await Reminders.FindDueAsync(Reminders.Payment, Ct);
        Assert.Equal(3, due.Count);
        Assert.Equal("Sent", (await Reminders.SendAsync(Reminders.Payment, due[0], false, Ct)).Outcome);
        Time.Advance(TimeSpan.FromMinutes(1));
        foreach (var subject in due.Skip(1))
        {
            var held = await Reminders.SendAsync(Reminders.Payment, subject, false, Ct);
            Assert.Equal(("Held", true), (held.Outcome, held.Report.EndsWith("Mail to customers is held until 2027-01-23 08:00 America/Chicago.", StringComparison.Ordinal)));
        }

        Assert.Equal(31, Mails.Count);
        Assert.Equal("10,11", await ValueAsync("SELECT MIN(payment_reminder_count) || ',' || MAX(payment_reminder_count) FROM compliance_orders"));
        ItIs("2027-01-23 11:00");
        Assert.Equal(["Sent", "Sent"], await RunAsync());
        Assert.Equal(["dana1@carrier.net", "dana2@carrier.net", "dana3@carrier.net"], Mails.Skip(30).Select(static m => Assert.Single(m.To)).Order());
        Assert.Empty(await RunAsync());
        Assert.Empty(await ToDosAsync());
    }

    [Fact]
    public async Task Reminder_says_what_is_owed_and_where_to_pay_and_goes_out_once_a_day_whatever_dies()
    {
        await UnpaidAsync();
        Time.Advance(TimeSpan.FromDays(1));
        Assert.Equal("Sent", (await Reminders.SendAsync(Reminders.Payment, Unpaid, dryRun: true, Ct)).Outcome);
        Assert.Empty(Mails);
        Assert.Equal(["Sent"], await RunAsync());
        var mail = Assert.Single(Mails);
        Assert.Contains("$499.00", mail.Text, StringComparison.Ordinal);
        Assert.Contains("https://performancewest.net/order/pay?order=CO-00000001", mail.Text, StringComparison.Ordinal);
        Assert.Contains("FCC Form 499-A annual filing", mail.Html, StringComparison.Ordinal);
        Assert.Empty(await RunAsync());

        // Died between the mail and its note; and started anew on the same day.
        await SqlAsync("UPDATE compliance_orders SET payment_reminder_count = 0, payment_reminder_last_at = NULL");
        Assert.Equal(["Sent"], await RunAsync());
        Assert.Single(Mails);
    }

    [Fact]
    public async Task Days_are_those_of_Chicago()
    {
        Settings["MAIL_QUIET_HOURS"] = "none";
        Build();
        ItIs("2027-03-13 23:30");
        await UnpaidAsync();
        ItIs("2027-03-14 00:00");
        Assert.Equal(["Sent"], await RunAsync());
        ItIs("2027-03-14 23:59");
        Assert.Empty(await RunAsync());
        ItIs("2027-03-15 00:00");
        Assert.Equal(["Sent"], await RunAsync());
    }

    [Fact]
    public async Task Last_reminder_is_noted_with_its_ToDo_or_not_at_all()
    {
        Settings["INTAKE_REMINDER_MAX"] = "1";
        Build();
        await UnpaidAsync();
        Time.Advance(TimeSpan.FromDays(1));
        await SqlAsync(Database.IsPostgres
            ? "CREATE FUNCTION dies() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'dies'; END $$ LANGUAGE plpgsql; CREATE TRIGGER dies BEFORE INSERT ON admin_todos EXECUTE FUNCTION dies()"
            : "CREATE TRIGGER dies BEFORE INSERT ON admin_todos BEGIN SELECT RAISE(ABORT, 'dies'); END");
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => RunAsync());
        Assert.Equal("0", await ValueAsync("SELECT payment_reminder_count FROM compliance_orders"));
        await SqlAsync(Database.IsPostgres ? "DROP TRIGGER dies ON admin_todos" : "DROP TRIGGER dies");
        Assert.Equal(["Sent"], await RunAsync());
        Assert.Equal([$"{Unpaid} payment-reminders-ended"], await ToDosAsync());
        Assert.Equal("1", await ValueAsync("SELECT payment_reminder_count FROM compliance_orders"));
        Assert.Single(Mails);
    }

    [Theory]
    [InlineData("dana@example.com")]
    [InlineData("noreply@carrier.net")]
    public async Task Placeholder_is_not_reminded_but_a_person_is_asked(string address)
    {
        await UnpaidAsync(email: address);
        Time.Advance(TimeSpan.FromDays(1));
        Assert.Equal(["Refused"], await RunAsync());
        Assert.Empty(Mails);
        Assert.Equal([$"{Unpaid} payment-reminder-refused"], await ToDosAsync());
        await SqlAsync("UPDATE compliance_orders SET customer_email = 'dana@carrier.net'");
        Assert.Equal(["Sent"], await RunAsync());
        Assert.Empty(await ToDosAsync());
    }

    [Fact]
    public async Task Orders_of_a_batch_are_one_reminder()
    {
        await UnpaidAsync("CO-00000001", "CB-0000000A");
        await UnpaidAsync("CO-00000002", "CB-0000000A");
        Assert.Equal(2, await DaysAsync(2));
        Assert.Equal(2, Mails.Count);
        Assert.Contains("CB-0000000A", Mails[0].Subject, StringComparison.Ordinal);
        Assert.Contains("$998.00", Mails[0].Text, StringComparison.Ordinal);
        Assert.Equal("4", await ValueAsync("SELECT SUM(payment_reminder_count) FROM compliance_orders"));
        Assert.Equal("2", await ValueAsync("SELECT COUNT(*) FROM order_timeline WHERE order_number = 'CO-00000002' AND event = 'reminder'"));
    }

    [Theory]
    [InlineData("payment_status = 'paid'")]
    [InlineData("payment_status = 'processing'")]
    [InlineData("payment_status = 'refunded'")]
    [InlineData("payment_status = 'disputed'")]
    [InlineData("fulfillment_status = 'stopped'")]
    [InlineData("renews_order_number = 'CO-00000009'")]
    [InlineData("amount_cents = 0")]
    public async Task Reminders_of_payment_stop(string change)
    {
        await UnpaidAsync();
        Time.Advance(TimeSpan.FromDays(1));
        var due = Assert.Single(await Reminders.FindDueAsync(Reminders.Payment, Ct));
        await SqlAsync($"UPDATE compliance_orders SET {change}");
        // Paid between the list and the mail.
        Assert.Equal("NotDue", (await Reminders.SendAsync(Reminders.Payment, due, false, Ct)).Outcome);
        Assert.Empty(await Reminders.FindDueAsync(Reminders.Payment, Ct));
        Assert.Empty(Mails);
    }

    [Theory]
    [InlineData("failed")]
    [InlineData("expired")]
    public async Task Failed_and_expired_checkouts_are_unpaid(string status)
    {
        await UnpaidAsync();
        await SqlAsync($"UPDATE compliance_orders SET payment_status = '{status}'");
        Assert.Equal(1, await DaysAsync(1));
    }

    [Fact]
    public async Task Paid_order_without_answers_is_reminded_of_them_with_its_own_count()
    {
        await OrderAsync(Unpaid);
        Assert.Equal(0, await DaysAsync(1, Reminders.Intake));
        await SqlAsync("UPDATE compliance_orders SET fulfillment_status = 'awaiting_intake'");
        Assert.Equal(10, await DaysAsync(11 + 5, Reminders.Intake));
        Assert.Contains("/order/intake?order=CO-00000001", Mails[0].Text, StringComparison.Ordinal);
        Assert.Equal("0", await ValueAsync("SELECT payment_reminder_count FROM compliance_orders"));
        await SqlAsync("UPDATE compliance_orders SET fulfillment_status = 'in_progress'");
        Assert.Equal(0, await DaysAsync(14, Reminders.Intake));
    }

    [Fact]
    public async Task Locked_call_records_are_reminded_of_until_they_are_paid_for_withdrawn_or_gone()
    {
        await EntityAsync(1, "Voice LLC");
        await UnpaidAsync();
        await SqlAsync($"INSERT INTO cdr_traffic_studies (id, telecom_entity_id, reporting_year, order_number, created_at) VALUES (7, 1, 2025, '{Unpaid}', '2026-11-25 16:00:00+00:00')");
        Time.Advance(TimeSpan.FromDays(1));
        Assert.Empty(await RunAsync(Reminders.CdrUnlock)); // Nothing was uploaded.
        await SqlAsync("INSERT INTO cdr_files (telecom_entity_id, study_id, bucket, object_key, first_call_on, last_call_on, records, sha256, uploaded_at) VALUES (1, 7, 'cdr', 'a.csv', '2025-01-01', '2025-12-31', 3, 'x', '2026-11-25 16:00:00+00:00')");
        Assert.Equal(["Sent"], await RunAsync(Reminders.CdrUnlock));
        Assert.Contains("Voice LLC (1 file)", Assert.Single(Mails).Text, StringComparison.Ordinal);
        // The order itself is not reminded of twice.
        Assert.Empty(await RunAsync(Reminders.Payment));

        Time.Advance(TimeSpan.FromDays(1));
        foreach (var stop in new[] { "cdr_traffic_studies SET withdrawn_at = '2026-11-27 16:00:00+00:00'", "cdr_traffic_studies SET unlocked_at = '2026-11-27 16:00:00+00:00'", "compliance_orders SET payment_status = 'paid'" })
        {
            Assert.Single(await Reminders.FindDueAsync(Reminders.CdrUnlock, Ct));
            await SqlAsync("UPDATE " + stop);
            Assert.Empty(await Reminders.FindDueAsync(Reminders.CdrUnlock, Ct));
            await SqlAsync("UPDATE cdr_traffic_studies SET withdrawn_at = NULL, unlocked_at = NULL");
            await SqlAsync("UPDATE compliance_orders SET payment_status = 'pending'");
        }

        await SqlAsync("UPDATE cdr_files SET deleted_at = '2026-11-27 16:00:00+00:00', certificate_key = 'x'");
        Assert.Empty(await Reminders.FindDueAsync(Reminders.CdrUnlock, Ct));
    }

    [Fact]
    public async Task Address_that_the_relay_refuses_is_left_to_a_person_and_the_others_get_theirs()
    {
        await UnpaidAsync();
        await UnpaidAsync("CO-00000002", email: "lee@other.net");
        Sandbox.System<MailSystem>().Faults.Add(new Fault { Kind = MailSystem.Refuse, Status = 550, Match = "dana@carrier.net" });
        Time.Advance(TimeSpan.FromDays(1));
        Assert.Equal(["Refused", "Sent"], await RunAsync());
        Assert.Equal([$"{Unpaid} payment-reminder-refused"], await ToDosAsync());
        Assert.Equal("0", await ValueAsync($"SELECT payment_reminder_count FROM compliance_orders WHERE order_number = '{Unpaid}'"));
    }

    [Fact]
    public async Task Relay_that_is_down_fails_the_step_so_that_it_is_tried_again()
    {
        await UnpaidAsync();
        Sandbox.System<MailSystem>().Faults.Add(new Fault { Kind = MailSystem.Down, Count = 1 });
        Time.Advance(TimeSpan.FromDays(1));
        Assert.IsNotAssignableFrom<NonRetryableException>(await Assert.ThrowsAnyAsync<Exception>(RunAsync2));
        Assert.Equal(["Sent"], await RunAsync());

        Task RunAsync2() => RunAsync();
    }
}

public sealed class ReminderOnSqliteTests() : ReminderTests(null);

public sealed class ReminderOnPostgresTests(PostgresFixture postgres) : ReminderTests(postgres), IClassFixture<PostgresFixture>;
