using System.Text;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.ErpNext;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Payments;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Activities.Tests.Jobs;
using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.ErpNext;

namespace PwWorkflows.Activities.Tests.Payments;

/// <summary>Commissions from the paid order to the partner's statement.</summary>
public abstract class CommissionTests(PostgresFixture? postgres) : JobTests(postgres)
{
    private const string Order = "CO-00000001";

    /// <summary>Mail at any hour: the days begin at midnight.</summary>
    protected override Dictionary<string, string?> Settings => new() { ["MAIL_QUIET_HOURS"] = "none" };

    protected override void Register(IServiceCollection services)
    {
        services.AddSettings<CommissionOptions>(static (o, s) => o.Bind(s));
        services.AddSingleton<Commissions>();
    }

    private Commissions Commissions => Get<Commissions>();

    private async Task RunAsync(bool dryRun = false)
    {
        await Commissions.OpenAsync(dryRun, Ct);
        await Commissions.SettleAsync(dryRun, Ct);
        foreach (var s in await Commissions.FindStatementsAsync(Ct)) await Commissions.MakeStatementAsync(s, dryRun, Ct);
        foreach (var row in await Commissions.FindUnmirroredAsync(Ct)) await Commissions.MirrorAsync(row, dryRun, Ct);
        foreach (var s in await Commissions.FindStatementMailsAsync(Ct)) await Commissions.MailStatementAsync(s, dryRun, Ct);
    }

    /// <summary>An order of 499.01 dollars, paid on 2026-11-25, by a partner with 12.5 percent: 62.37 dollars (and 6.25 hundredths of a cent).</summary>
    private async Task PaidAsync(string number = Order)
    {
        await SqlAsync("INSERT INTO partners (code, name, email, rate_bps) VALUES ('acme', 'Acme', 'pay@acme.net', 1250) ON CONFLICT (code) DO NOTHING");
        await OrderAsync(number, change: o => o with { AmountCents = 49_901 });
        await SqlAsync($"UPDATE compliance_orders SET partner_code = 'acme' WHERE order_number = '{number}'");
    }

    private Task<string?> LedgerAsync() => ValueAsync($"SELECT {(Database.IsPostgres ? "string_agg(amount_cents || ' ' || status, ', ' ORDER BY id)" : "group_concat(amount_cents || ' ' || status, ', ')")} FROM commissions");

    private Task<int> OrderIsAsync(string status, long refunded = 0) => SqlAsync($"UPDATE compliance_orders SET payment_status = '{status}', refunded_cents = {refunded}");

    [Fact]
    public async Task Commission_is_payable_when_its_clearing_days_are_over()
    {
        await PaidAsync();
        await RunAsync(dryRun: true);
        Assert.Null(await LedgerAsync());
        await RunAsync();
        ItIs("2026-12-24 23:59");
        await RunAsync();
        Assert.Equal("6237 pending", await LedgerAsync());
        ItIs("2026-12-25 00:00");
        await RunAsync(dryRun: true);
        Assert.Equal("6237 pending", await LedgerAsync());
        await RunAsync();
        Assert.Equal("6237 payable", await LedgerAsync());
    }

    [Theory]
    [InlineData("refunded", 49_901, "6237 reversed")]
    [InlineData("disputed", 0, "6237 reversed")]
    [InlineData("partially_refunded", 9_901, "5000 payable")]
    public async Task Money_that_went_back_before_the_statement_is_not_paid_for(string status, long refunded, string ledger)
    {
        await PaidAsync();
        await RunAsync();
        await OrderIsAsync(status, refunded);
        ItIs("2026-12-26 12:00");
        await RunAsync();
        Assert.Equal(ledger, await LedgerAsync());
        // The same when it was payable already.
        await OrderIsAsync("paid");
        await RunAsync();
        await RunAsync();
        Assert.Equal("6237 payable", await LedgerAsync());
        await OrderIsAsync(status, refunded);
        await RunAsync();
        Assert.Equal(ledger, await LedgerAsync());
    }

    [Fact]
    public async Task Statement_of_a_month_is_made_kept_and_mailed_once_and_later_refunds_go_into_the_next()
    {
        await PaidAsync();
        await RunAsync();
        ItIs("2026-12-31 23:30");
        await RunAsync();
        Assert.Empty(Mails);
        ItIs("2027-01-01 00:00");
        await RunAsync(dryRun: true);
        Assert.Null(await ValueAsync("SELECT id FROM commission_statements"));
        await RunAsync();
        await RunAsync();
        var mail = Assert.Single(Mails);
        Assert.Contains("December 2026", mail.Subject, StringComparison.Ordinal);
        Assert.Contains("$62.37", mail.Text, StringComparison.Ordinal);
        Assert.Equal("acme-2026-12.csv", Assert.Single(mail.Attachments).Name);
        var kept = Encoding.UTF8.GetString((await Get<JobEvidence>().ReadAsync((await ValueAsync("SELECT document_key FROM commission_statements"))!, Ct))!.Value.Span);
        Assert.Contains(",CO-00000001,earned,62.37,\n,,total,62.37,\n", kept, StringComparison.Ordinal);

        await OrderIsAsync("refunded", 49_901);
        await RunAsync();
        await RunAsync();
        Assert.Equal("6237 payable, -6237 payable", await LedgerAsync());
        ItIs("2027-02-01 12:00");
        await RunAsync();
        Assert.Contains("-$62.37", Mails[1].Text, StringComparison.Ordinal);
        Assert.Equal("acme-2027-01 -6237", await ValueAsync("SELECT id || ' ' || total_cents FROM commission_statements WHERE month = '2027-01'"));
    }

    [Fact]
    public async Task Ledger_is_mirrored_row_by_row_and_again_when_it_changes()
    {
        await PaidAsync();
        await RunAsync();
        var entry = (await Get<ErpNextClient>().GetDocumentAsync("Commission Ledger Entry", "PW-COM-" + await ValueAsync("SELECT id FROM commissions"), Ct))!;
        Assert.Equal(("pending", 62.37m, "acme", Order), (entry["status"]!.GetValue<string>(), entry["amount"]!.GetValue<decimal>(), entry["partner"]!.GetValue<string>(), entry["order_number"]!.GetValue<string>()));
        Assert.Empty(await Commissions.FindUnmirroredAsync(Ct));
        await OrderIsAsync("refunded", 49_901);
        await RunAsync();
        entry = (await Get<ErpNextClient>().GetDocumentAsync("Commission Ledger Entry", "PW-COM-" + await ValueAsync("SELECT id FROM commissions"), Ct))!;
        Assert.Equal(("reversed", "order refunded"), (entry["status"]!.GetValue<string>(), entry["reason"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Row_that_is_as_it_was_once_before_is_mirrored_again()
    {
        await PaidAsync();
        await RunAsync();
        await OrderIsAsync("disputed");
        await RunAsync();
        await OrderIsAsync("paid");
        await RunAsync();
        var entry = (await Get<ErpNextClient>().GetDocumentAsync("Commission Ledger Entry", "PW-COM-" + await ValueAsync("SELECT id FROM commissions"), Ct))!;
        Assert.Equal("pending", entry["status"]!.GetValue<string>());
        await OrderIsAsync("disputed");
        await RunAsync();
        entry = (await Get<ErpNextClient>().GetDocumentAsync("Commission Ledger Entry", "PW-COM-" + await ValueAsync("SELECT id FROM commissions"), Ct))!;
        Assert.Equal("reversed", entry["status"]!.GetValue<string>());
        Assert.Equal("4", await ValueAsync("SELECT mirrors FROM commissions"));
    }

    /// <summary>The statement of a month in which one commission became payable, due to be made.</summary>
    private async Task<string> DueStatementAsync()
    {
        await PaidAsync();
        await RunAsync();
        ItIs("2026-12-26 12:00");
        await RunAsync();
        ItIs("2027-01-01 12:00");
        return Assert.Single(await Commissions.FindStatementsAsync(Ct));
    }

    [Fact]
    public async Task Statement_of_which_nothing_is_left_is_not_made_and_leaves_the_month_free()
    {
        var statement = await DueStatementAsync();
        await OrderIsAsync("refunded", 49_901);
        await Commissions.SettleAsync(false, Ct);
        Assert.Equal("NotDue", (await Commissions.MakeStatementAsync(statement, false, Ct)).Outcome);
        Assert.Null(await ValueAsync("SELECT id FROM commission_statements"));
        Assert.Empty(await Commissions.FindStatementsAsync(Ct));
        Assert.Empty(await Commissions.FindStatementMailsAsync(Ct));
    }

    [Fact]
    public async Task Ledger_of_many_pages_is_settled_whole()
    {
        await PaidAsync();
        await Commissions.OpenAsync(false, Ct);
        var rows = Commissions.Page + 1;
        await SqlAsync($"""
            WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
            INSERT INTO compliance_orders (order_number, service_slug, customer_name, customer_email, amount_cents, payment_status) SELECT 'CO-' || i, 'fcc-499a', 'Dana', 'dana@carrier.net', 49901, 'paid' FROM n
            """);
        await SqlAsync("INSERT INTO commissions (order_number, seq, partner_code, base_cents, rate_bps, amount_cents, status, clears_on, created_at) SELECT o.order_number, 0, c.partner_code, c.base_cents, c.rate_bps, c.amount_cents, c.status, c.clears_on, c.created_at FROM compliance_orders o JOIN commissions c ON c.order_number <> o.order_number");
        ItIs("2026-12-25 12:00");
        Assert.StartsWith($"{rows} payable", (await Commissions.SettleAsync(false, Ct)).Report, StringComparison.Ordinal);
        Assert.Equal(rows.ToString(System.Globalization.CultureInfo.InvariantCulture), await ValueAsync("SELECT COUNT(*) FROM commissions WHERE status = 'payable'"));
    }

    [Fact]
    public async Task Answer_of_ERPNext_that_is_lost_makes_no_second_entry()
    {
        await PaidAsync();
        await Commissions.OpenAsync(false, Ct);
        var row = Assert.Single(await Commissions.FindUnmirroredAsync(Ct));
        var erp = Sandbox.System<ErpNextSystem>();
        erp.Faults.Add(new Fault { Kind = FaultKinds.DropAnswer, Method = "POST", Count = 1 });
        await Assert.ThrowsAsync<ErpNextUnavailableException>(() => Commissions.MirrorAsync(row, false, Ct));
        Assert.Equal("Mirrored", (await Commissions.MirrorAsync(row, false, Ct)).Outcome);
        Assert.Single(erp.Log.Read().SelectMany(e => e.Changed), c => c.Contains("Commission Ledger Entry", StringComparison.Ordinal) && c.Contains("created", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Row_that_ERPNext_refuses_is_for_a_person_and_holds_up_no_other()
    {
        await PaidAsync();
        await PaidAsync("CO-00000002");
        await Commissions.OpenAsync(false, Ct);
        Sandbox.System<ErpNextSystem>().Faults.Add(new Fault { Kind = FaultKinds.Status, Method = "POST", Match = "Commission", Status = 417, Count = 1 });
        var rows = await Commissions.FindUnmirroredAsync(Ct);
        Assert.Equal(["Refused", "Mirrored"], [(await Commissions.MirrorAsync(rows[0], false, Ct)).Outcome, (await Commissions.MirrorAsync(rows[1], false, Ct)).Outcome]);
        Assert.Equal(["PW-COM-" + rows[0] + " commission-mirror-refused"], await ToDosAsync());
        Assert.Equal("Mirrored", (await Commissions.MirrorAsync(Assert.Single(await Commissions.FindUnmirroredAsync(Ct)), false, Ct)).Outcome);
        Assert.Empty(await ToDosAsync());
    }

    [Fact]
    public async Task Statement_that_is_not_in_the_store_is_for_a_person_and_mailed_when_it_is_back()
    {
        var statement = await DueStatementAsync();
        await Commissions.MakeStatementAsync(statement, false, Ct);
        await SqlAsync("UPDATE commission_statements SET document_key = 'gone/' || document_key");
        Assert.Equal("Refused", (await Commissions.MailStatementAsync(statement, false, Ct)).Outcome);
        Assert.Equal([statement + " statement-missing"], await ToDosAsync());
        await SqlAsync("UPDATE commission_statements SET document_key = substr(document_key, 6)");
        Assert.Equal("Sent", (await Commissions.MailStatementAsync(Assert.Single(await Commissions.FindStatementMailsAsync(Ct)), false, Ct)).Outcome);
        Assert.Empty(await ToDosAsync());
    }

    [Fact]
    public async Task Order_without_partner_or_of_one_who_left_earns_nothing()
    {
        await PaidAsync();
        await OrderAsync("CO-00000002");
        await SqlAsync($"UPDATE partners SET active = {(Database.IsPostgres ? "false" : "0")}");
        await RunAsync();
        Assert.Null(await LedgerAsync());
    }
}

public sealed class CommissionOnSqliteTests() : CommissionTests(null);

public sealed class CommissionOnPostgresTests(PostgresFixture postgres) : CommissionTests(postgres), IClassFixture<PostgresFixture>;

/// <summary>The rules at their edges.</summary>
public sealed class CommissionRuleTests
{
    [Theory]
    [InlineData(0, 1250, 0)]
    [InlineData(-1, 1250, 0)]
    [InlineData(7, 1250, 0)]
    [InlineData(8, 1250, 1)]
    [InlineData(49_901, 1250, 6237)]
    [InlineData(100, 10_000, 100)]
    [InlineData(100, 0, 0)]
    public void Parts_of_a_cent_are_dropped(long cents, int bps, long amount) => Assert.Equal(amount, CommissionRules.Amount(cents, bps));

    [Theory]
    [InlineData("pending", false, 5, 5, false, -1, CommissionMove.None)]
    [InlineData("pending", false, 5, 5, false, 0, CommissionMove.Pay)]
    [InlineData("pending", false, 5, 0, true, 5, CommissionMove.Reverse)]
    [InlineData("payable", false, 5, 5, false, 5, CommissionMove.None)]
    [InlineData("payable", false, 5, 4, false, 5, CommissionMove.Pay)]
    [InlineData("payable", false, 5, 0, true, 5, CommissionMove.Reverse)]
    [InlineData("payable", true, 5, 5, false, 5, CommissionMove.None)]
    [InlineData("payable", true, 5, 0, true, 5, CommissionMove.Adjust)]
    [InlineData("payable", true, 0, 0, true, 5, CommissionMove.None)]
    [InlineData("payable", true, 0, 5, false, 5, CommissionMove.Adjust)]
    [InlineData("reversed", false, 5, 0, true, 5, CommissionMove.None)]
    [InlineData("reversed", false, 5, 5, false, 5, CommissionMove.Reopen)]
    public void Each_state_moves_in_one_way(string status, bool stated, long entered, long owed, bool gone, int daysOver, CommissionMove move)
    {
        var today = new DateOnly(2026, 12, 25);
        Assert.Equal(move, CommissionRules.Move(status, stated, entered, owed, gone, today.AddDays(-daysOver), today));
    }
}
