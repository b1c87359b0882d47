using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Activities.Tests.Jobs;

namespace PwWorkflows.Activities.Tests.Orders;

/// <summary>Yearly services and resellers' certifications: notices, the next year's order, the end.</summary>
public abstract class RenewalTests(PostgresFixture? postgres) : JobTests(postgres)
{
    private const string First = "CO-00000001";

    /// <summary>Mail at any hour: the days begin at midnight.</summary>
    protected override Dictionary<string, string?> Settings => new() { ["MAIL_QUIET_HOURS"] = "none" };

    protected override void Register(IServiceCollection services)
    {
        services.AddSettings<RenewalOptions>(static (o, s) => o.Bind(s));
        services.AddSettings<ReminderOptions>(static (o, s) => o.Bind(s));
        services.AddSingleton<Renewals>();
        services.AddSingleton<Reminders>();
    }

    private Renewals Renewals => Get<Renewals>();

    /// <summary>What the job does on a day.</summary>
    private async Task RunAsync(bool dryRun = false)
    {
        await Renewals.KeepTermsAsync(dryRun, Ct);
        await Renewals.ExpireAsync(dryRun, Ct);
        foreach (var term in await Renewals.FindOrdersToOpenAsync(Ct)) await Renewals.OpenOrderAsync(term, dryRun, Ct);
        foreach (var item in await Renewals.FindNoticesAsync(Ct)) await Renewals.SendNoticeAsync(item, dryRun, Ct);
    }

    private Task<string?> TermsAsync() => ValueAsync($"SELECT {(Database.IsPostgres ? "string_agg(renewal_due || ' ' || status, ', ' ORDER BY id)" : "group_concat(renewal_due || ' ' || status, ', ')")} FROM service_terms");

    [Fact]
    public async Task Year_runs_from_the_payment_with_four_notices_an_order_and_an_end()
    {
        await EntityAsync(1, "Voice LLC");
        await OrderAsync(First, entity: 1); // Paid on 2026-11-25.
        await RunAsync();
        Assert.Equal("2027-11-25 active", await TermsAsync());
        var sent = new List<string>();
        for (ItIs("2027-10-25 12:00"); Time.GetUtcNow() < new DateTimeOffset(2027, 11, 27, 0, 0, 0, TimeSpan.Zero); Time.Advance(TimeSpan.FromDays(1)))
        {
            var before = Mails.Count;
            await RunAsync();
            if (Mails.Count > before) sent.Add(Time.GetUtcNow().ToString("MM-dd", System.Globalization.CultureInfo.InvariantCulture));
        }

        Assert.Equal(["10-26", "11-11", "11-18", "11-24"], sent);
        Assert.Equal("2027-11-25 expired", await TermsAsync());
        Assert.Equal([$"{First} term-expired"], await ToDosAsync());
        Assert.Contains("FCC Form 499-A annual filing for Voice LLC: renewal due November 25, 2027", Mails[0].Subject, StringComparison.Ordinal);
        var renewal = (await ValueAsync("SELECT renewal_order FROM service_terms"))!;
        Assert.Matches("^CO-[0-9A-F]{8}$", renewal);
        Assert.All(Mails, m => Assert.Contains("order/pay?order=" + renewal, m.Text, StringComparison.Ordinal));
        Assert.Equal("1", await ValueAsync("SELECT COUNT(*) FROM compliance_orders WHERE renews_order_number IS NOT NULL"));
        var order = (await Get<IOrders>().GetAsync(renewal, Ct))!;
        Assert.Equal((49_900, "pending", "fcc-499a", 1), (order.AmountCents, order.PaymentStatus, order.ServiceSlug, order.TelecomEntityId));
        // The renewal's notices remind of it; the job for unpaid orders leaves it alone.
        Assert.Empty(await Get<Reminders>().FindDueAsync(Reminders.Payment, Ct));
    }

    [Theory]
    [InlineData("2027-11-01 12:00")] // Early.
    [InlineData("2027-12-03 12:00")] // After the end.
    public async Task Renewal_that_is_paid_goes_on_from_the_end_of_the_year_before(string paid)
    {
        await OrderAsync(First);
        await RunAsync();
        ItIs("2027-11-01 11:00");
        await RunAsync();
        ItIs(paid);
        await RunAsync();
        await SqlAsync("UPDATE compliance_orders SET payment_status = 'paid', paid_at = '2027-11-28 00:00:00+00:00' WHERE renews_order_number IS NOT NULL");
        await RunAsync();
        await RunAsync();
        Assert.Equal("2027-11-25 renewed, 2028-11-25 active", await TermsAsync());
        Assert.Empty(await ToDosAsync()); // Nobody needs to ask about the end any more.
    }

    [Fact]
    public async Task Renewal_that_is_paid_while_its_notice_waits_for_the_mail_hours_is_not_asked_for()
    {
        await OrderAsync(First);
        await RunAsync();
        ItIs("2027-11-01 11:00");
        await RunAsync();
        Assert.Single(Mails);
        ItIs("2027-11-11 11:00");
        var notice = Assert.Single(await Renewals.FindNoticesAsync(Ct));
        await SqlAsync("UPDATE compliance_orders SET payment_status = 'paid', paid_at = '2027-11-11 00:00:00+00:00' WHERE renews_order_number IS NOT NULL");
        Assert.Equal("NotDue", (await Renewals.SendNoticeAsync(notice, false, Ct)).Outcome);
        Assert.Empty(await Renewals.FindNoticesAsync(Ct));
        Assert.Single(Mails);
        // Not ended either, although the step that notes the payment has run before it.
        ItIs("2027-11-26 11:00");
        await Renewals.ExpireAsync(false, Ct);
        Assert.Empty(await ToDosAsync());
    }

    [Fact]
    public async Task Year_from_29_February_ends_on_the_last_day_of_February_and_its_days_are_those_of_Chicago()
    {
        ItIs("2028-02-29 23:30"); // March in UTC.
        await OrderAsync(First);
        await RunAsync();
        Assert.Equal("2029-02-28 active", await TermsAsync());
        ItIs("2029-01-28 23:30"); // 31 days ahead, 30 in UTC.
        await RunAsync();
        Assert.Empty(Mails);
        ItIs("2029-01-29 00:00");
        await RunAsync();
        Assert.Single(Mails);
        // Down over two of its days: one notice.
        ItIs("2029-02-25 12:00");
        await RunAsync();
        await RunAsync();
        Assert.Equal(2, Mails.Count);
        Assert.Contains("in 3 days", Mails[1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Notice_of_the_morning_names_the_order_that_the_job_opened_the_evening_before()
    {
        await OrderAsync(First);
        await RunAsync();
        Time.SetUtcNow(new DateTimeOffset(2027, 10, 26, 4, 0, 0, TimeSpan.Zero)); // The job's hour: 23:00 of the 25th in Chicago, 31 days before the end.
        foreach (var term in await Renewals.FindOrdersToOpenAsync(Ct)) await Renewals.OpenOrderAsync(term, false, Ct);
        Assert.Empty(await Renewals.FindNoticesAsync(Ct));
        ItIs("2027-10-26 08:00");
        Assert.Equal("Sent", (await Renewals.SendNoticeAsync(Assert.Single(await Renewals.FindNoticesAsync(Ct)), false, Ct)).Outcome);
        Assert.Contains("order/pay?order=" + await ValueAsync("SELECT renewal_order FROM service_terms"), Assert.Single(Mails).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_mail_workflows_that_waited_for_the_same_hour_tell_the_customer_once()
    {
        await OrderAsync(First);
        await RunAsync();
        ItIs("2027-11-11 08:00");
        var (one, other) = (Assert.Single(await Renewals.FindNoticesAsync(Ct)), Assert.Single(await Renewals.FindNoticesAsync(Ct)));
        var outcomes = await Task.WhenAll(Renewals.SendNoticeAsync(one, false, Ct), Renewals.SendNoticeAsync(other, false, Ct));
        Assert.All(outcomes, o => Assert.Contains(o.Outcome, (string[])["Sent", "NotDue"]));
        Assert.Equal("NotDue", (await Renewals.SendNoticeAsync(one, false, Ct)).Outcome);
        Assert.Single(Mails);
    }

    [Fact]
    public async Task Year_that_a_dispute_cancelled_is_back_when_the_order_is_paid_again()
    {
        await OrderAsync(First);
        await RunAsync();
        await SqlAsync("UPDATE compliance_orders SET payment_status = 'disputed'");
        await RunAsync();
        Assert.Equal("2027-11-25 cancelled", await TermsAsync());
        await SqlAsync("UPDATE compliance_orders SET payment_status = 'paid'");
        await RunAsync(dryRun: true);
        Assert.Equal("2027-11-25 cancelled", await TermsAsync());
        await RunAsync();
        Assert.Equal("2027-11-25 active", await TermsAsync());
        // Stopped, it stays as it is, though paid.
        await SqlAsync("UPDATE compliance_orders SET fulfillment_status = 'stopped'");
        await RunAsync();
        await RunAsync();
        Assert.Equal("2027-11-25 cancelled", await TermsAsync());
    }

    [Theory]
    [InlineData("stripe_subscription_id = 'sub_1'")]
    [InlineData("service_slug = 'fcc-compliance-checkup'")]
    [InlineData("payment_status = 'pending'")]
    [InlineData("fulfillment_status = 'stopped'")]
    [InlineData("parent_order_number = 'CO-00000009'")]
    public async Task Other_orders_have_no_year(string change)
    {
        await OrderAsync(First);
        await SqlAsync($"UPDATE compliance_orders SET {change}");
        await RunAsync();
        Assert.Null(await TermsAsync());
    }

    [Theory]
    [InlineData("refunded")]
    [InlineData("disputed")]
    public async Task Year_whose_money_went_back_is_cancelled(string status)
    {
        await OrderAsync(First);
        await RunAsync();
        await SqlAsync($"UPDATE compliance_orders SET payment_status = '{status}'");
        ItIs("2027-11-24 12:00");
        await RunAsync();
        Assert.Equal("2027-11-25 cancelled", await TermsAsync());
        Assert.Empty(Mails);
    }

    [Fact]
    public async Task Dry_run_changes_nothing()
    {
        await OrderAsync(First);
        await RunAsync(dryRun: true);
        Assert.Null(await TermsAsync());
        await RunAsync();
        ItIs("2027-11-24 12:00");
        await RunAsync(dryRun: true);
        Assert.Null(await ValueAsync("SELECT renewal_order FROM service_terms"));
        Assert.Empty(Mails);
    }

    [Fact]
    public async Task Certification_of_a_reseller_is_told_to_the_carrier_s_customer_and_ends()
    {
        await EntityAsync(1, "Voice LLC");
        await OrderAsync(First, entity: 1, change: o => o with { ServiceSlug = "fcc-compliance-checkup" });
        await SqlAsync("INSERT INTO reseller_certifications (id, filer_telecom_entity_id, reseller_filer_id_499, reseller_legal_name, certification_date, renewal_due) VALUES (5, 1, '839999', 'Resell & Co', '2025-12-01', '2026-12-01')");
        await RunAsync();
        await RunAsync();
        var mail = Assert.Single(Mails);
        Assert.Contains("Resell & Co (Filer ID 839999) for Voice LLC is due for renewal on December 1, 2026, in 6 days", mail.Text, StringComparison.Ordinal);
        ItIs("2026-12-01 23:00");
        await RunAsync();
        Assert.Contains("which is today", Mails[1].Text, StringComparison.Ordinal);
        Assert.Equal("active", await ValueAsync("SELECT status FROM reseller_certifications"));
        ItIs("2026-12-02 00:00");
        await RunAsync();
        Assert.Equal("expired", await ValueAsync("SELECT status FROM reseller_certifications"));
        Assert.Equal(["certification 5 certification-expired"], await ToDosAsync());
        Assert.Equal(2, Mails.Count);
    }

    [Fact]
    public async Task Notice_without_an_address_is_for_a_person_and_does_not_come_again()
    {
        await EntityAsync(1, "Voice LLC");
        await SqlAsync("INSERT INTO reseller_certifications (id, filer_telecom_entity_id, reseller_filer_id_499, reseller_legal_name, certification_date, renewal_due) VALUES (5, 1, '839999', 'Resell', '2025-12-01', '2026-12-01')");
        Assert.Equal("Refused", (await Renewals.SendNoticeAsync("certification|5", false, Ct)).Outcome);
        Assert.Equal(["certification 5 renewal-notice-refused"], await ToDosAsync());
        Assert.Empty(await Renewals.FindNoticesAsync(Ct));
    }
}

public sealed class RenewalOnSqliteTests() : RenewalTests(null);

public sealed class RenewalOnPostgresTests(PostgresFixture postgres) : RenewalTests(postgres), IClassFixture<PostgresFixture>;

/// <summary>Which notice is due.</summary>
public sealed class RenewalNoticeTests
{
    [Theory]
    [InlineData(31, null, null)]
    [InlineData(30, null, 30)]
    [InlineData(29, 30, null)]
    [InlineData(25, null, 30)] // Nobody was there on the day.
    [InlineData(15, 30, null)]
    [InlineData(14, 30, 14)]
    [InlineData(7, 14, 7)]
    [InlineData(5, 30, 7)] // One notice, not two.
    [InlineData(5, 7, null)]
    [InlineData(1, 7, 1)]
    [InlineData(0, 7, 1)]
    [InlineData(0, 1, null)]
    [InlineData(-1, null, null)]
    public void The_nearest_milestone_reached_is_due_once(int left, int? last, int? due) => Assert.Equal(due, RenewalNotices.Due(left, last));
}
