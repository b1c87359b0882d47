using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Regulatory;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Activities.Tests.Jobs;
using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.Mail;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.Activities.Tests.Regulatory;

/// <summary>USAC's contribution factors, from the page to the customers.</summary>
public abstract class FactorTests(PostgresFixture? postgres) : JobTests(postgres)
{
    private static readonly FactorRow Coming = new("January – March 2027", "37.9%", "27.1%", "DA 26-1301");

    protected override void Register(IServiceCollection services) => services.AddRegulatory();

    private ContributionFactors Factors => Get<ContributionFactors>();

    private UsacSystem Usac => Sandbox.System<UsacSystem>();

    /// <summary>What the workflow does up to the mails.</summary>
    private async Task<FactorDifferences> MonitorAsync()
    {
        await Factors.SeedAsync(false, Ct);
        var page = await Factors.FetchAsync(Ct);
        var differences = await Factors.CompareAsync(page.Text, Ct);
        if (differences.Any) await Factors.SaveAsync(await Factors.KeepAsync(page, differences.Words, Ct), Ct);
        return differences;
    }

    private async Task<List<string>> MailAllAsync(bool dryRun = false)
    {
        var outcomes = new List<string>();
        foreach (var item in await Factors.FindMailsAsync(Ct)) outcomes.Add((await Factors.MailAsync(item, dryRun, Ct)).Outcome);
        return outcomes;
    }

    [Fact]
    public async Task Seeds_are_the_file_and_nobody_is_told_of_them()
    {
        await EntityAsync(1, "Voice LLC");
        await OrderAsync("CO-00000001", entity: 1);
        ItIs("2026-11-26 09:00");
        Assert.Equal(30, await Factors.SeedAsync(dryRun: true, Ct));
        Assert.Empty(await Factors.ListAsync(Ct));
        Assert.Equal(30, await Factors.SeedAsync(false, Ct));
        Assert.Equal(0, await Factors.SeedAsync(false, Ct));
        var stored = await Factors.ListAsync(Ct);
        Assert.Equal((new Quarter(2019, 1), 20.0m, "DA 18-1249"), (stored[0].Published.Quarter, stored[0].Published.Percent, stored[0].Published.Notice));
        Assert.Equal((new Quarter(2026, 2), 37.0m), (stored[^1].Published.Quarter, stored[^1].Published.Percent));
        Assert.Equal("2026-04-01 2026-06-30", await ValueAsync("SELECT effective_start || ' ' || effective_end FROM usf_contribution_factors WHERE year = 2026 AND quarter = 2"));
        Assert.Empty(await Factors.FindMailsAsync(Ct));
    }

    [Fact]
    public async Task First_look_completes_history_and_the_second_finds_nothing()
    {
        await EntityAsync(1, "Voice LLC");
        await OrderAsync("CO-00000001", entity: 1);
        var first = await MonitorAsync();
        Assert.Empty(first.New);
        Assert.Empty(first.Conflicts);
        Assert.Contains(first.Completed, f => f.Quarter == new Quarter(2024, 4) && f.Circularity == 26.2258m);
        Assert.False((await MonitorAsync()).Any);
        Assert.Empty(await Factors.FindMailsAsync(Ct));
    }

    [Fact]
    public async Task Coming_quarter_is_told_to_each_customer_once_with_all_its_carriers_and_a_copy_to_the_administrator()
    {
        await EntityAsync(1, "Voice LLC");
        await EntityAsync(2, "Fiber & Sons Inc");
        await OrderAsync("CO-00000001", entity: 1);
        await OrderAsync("CO-00000002", "Dana@Carrier.net", entity: 2);
        await OrderAsync("CO-00000003", "lee@other.net", entity: 2, o => o with { PaymentStatus = "pending" });
        await OrderAsync("CO-00000004", "kim@third.net", entity: 2, o => o with { PaymentStatus = "refunded" });
        await OrderAsync("CO-00000005", "no-carrier@fourth.net");
        Usac.PublishFactor(Coming);
        var page = Assert.Single((await MonitorAsync()).New);
        Assert.Equal(new PublishedFactor(new Quarter(2027, 1), 37.9m, 27.1m, "DA 26-1301"), page);

        Assert.Equal(["Sent"], await MailAllAsync(dryRun: true));
        Assert.Empty(Mails);
        Assert.Equal(["Sent"], await MailAllAsync());
        Assert.Empty(await MailAllAsync());
        var mail = Assert.Single(Mails);
        Assert.Contains("January – March 2027: 37.9 %", mail.Subject, StringComparison.Ordinal);
        Assert.Contains("Fiber & Sons Inc, Voice LLC", mail.Text, StringComparison.Ordinal);
        Assert.Contains("Fiber &amp; Sons Inc", mail.Html, StringComparison.Ordinal);
        Assert.DoesNotContain("Factor before", mail.Text, StringComparison.Ordinal); // 2026Q4 is not on record.
        Assert.Equal(["dana@carrier.net", "ops@performancewest.net"], Sandbox.System<MailSystem>().Messages[0].Recipients.Order());
        Assert.Equal("1", await ValueAsync("SELECT notification_count FROM usf_contribution_factors WHERE year = 2027"));
        Assert.Equal(await ValueAsync("SELECT evidence_key FROM usf_contribution_factors WHERE year = 2027"), Assert.Single(await Get<JobEvidence>().ListAsync(ContributionFactors.Job, 10, Ct)).Key);
    }

    [Fact]
    public async Task Node_that_dies_after_the_mail_does_not_send_it_again()
    {
        await EntityAsync(1, "Voice LLC");
        await OrderAsync("CO-00000001", entity: 1);
        Usac.PublishFactor(Coming);
        await MonitorAsync();
        await MailAllAsync();
        await SqlAsync("DELETE FROM usf_factor_notices");
        Assert.Equal(["Sent"], await MailAllAsync());
        Assert.Single(Mails);
        Assert.Empty(await Factors.FindMailsAsync(Ct));
    }

    [Theory]
    [InlineData("2026-12-31 23:59", 1)]
    [InlineData("2027-01-01 00:00", 0)]
    public async Task Quarter_that_has_begun_is_history_when_it_is_first_seen(string now, int told)
    {
        await EntityAsync(1, "Voice LLC");
        await OrderAsync("CO-00000001", entity: 1);
        ItIs(now);
        Usac.PublishFactor(Coming);
        Assert.Single((await MonitorAsync()).New);
        Assert.Equal(told, (await Factors.FindMailsAsync(Ct)).Count);
    }

    [Fact]
    public async Task Quarter_that_began_before_its_mails_went_out_is_told_to_nobody()
    {
        await EntityAsync(1, "Voice LLC");
        await OrderAsync("CO-00000001", entity: 1);
        Usac.PublishFactor(Coming);
        await MonitorAsync();
        var item = Assert.Single(await Factors.FindMailsAsync(Ct));
        ItIs("2027-01-01 09:00");
        Assert.Empty(await Factors.FindMailsAsync(Ct));
        Assert.Equal("NotDue", (await Factors.MailAsync(item, false, Ct)).Outcome);
        Assert.Empty(Mails);
    }

    [Fact]
    public async Task Factor_of_a_quarter_that_has_begun_is_never_overwritten()
    {
        await MonitorAsync();
        Usac.PublishFactor(new("January – March 2026", "38.6%", "", "DA 25-1026"));
        Assert.Equal(37.6m, Assert.Single((await MonitorAsync()).Conflicts).OnRecord);
        Assert.Contains((await Factors.ListAsync(Ct)), f => f.Published.Quarter == new Quarter(2026, 1) && f.Published.Percent == 37.6m);
        Assert.Equal(["USF 2026Q1 factor-conflict"], await ToDosAsync());
    }

    [Fact]
    public async Task Factor_corrected_before_its_quarter_is_taken_over_and_left_to_a_person()
    {
        await EntityAsync(1, "Voice LLC");
        await OrderAsync("CO-00000001", entity: 1);
        Usac.PublishFactor(Coming);
        await MonitorAsync();
        await MailAllAsync();
        Usac.PublishFactor(Coming with { Factor = "37.8%" });
        Assert.Equal(37.8m, Assert.Single((await MonitorAsync()).Changed).Percent);
        Assert.Empty(await MailAllAsync());
        Assert.Single(Mails);
        Assert.Equal(["USF 2027Q1 factor-corrected:37.8"], await ToDosAsync());
        Usac.PublishFactor(Coming with { Factor = "37.7%" });
        await MonitorAsync();
        Assert.Equal(["USF 2027Q1 factor-corrected:37.7", "USF 2027Q1 factor-corrected:37.8"], await ToDosAsync());
    }

    [Fact]
    public async Task Correction_that_dies_before_it_is_on_record_is_told_once_and_taken_over_by_the_next_run()
    {
        Usac.PublishFactor(Coming);
        await MonitorAsync();
        Usac.PublishFactor(Coming with { Factor = "37.8%" });
        await SqlAsync(Database.IsPostgres
            ? "CREATE FUNCTION dies() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'dies'; END $$ LANGUAGE plpgsql; CREATE TRIGGER dies BEFORE UPDATE ON usf_contribution_factors EXECUTE FUNCTION dies()"
            : "CREATE TRIGGER dies BEFORE UPDATE ON usf_contribution_factors BEGIN SELECT RAISE(ABORT, 'dies'); END");
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(MonitorAsync);
        Assert.Equal(["USF 2027Q1 factor-corrected:37.8"], await ToDosAsync());
        await SqlAsync(Database.IsPostgres ? "DROP TRIGGER dies ON usf_contribution_factors" : "DROP TRIGGER dies");
        await MonitorAsync();
        Assert.Equal(["USF 2027Q1 factor-corrected:37.8"], await ToDosAsync());
        Assert.Contains(await Factors.ListAsync(Ct), f => f.Published.Quarter == new Quarter(2027, 1) && f.Published.Percent == 37.8m);
    }

    [Theory]
    [InlineData("heading", "found 0")]
    [InlineData("list", "found 0")]
    [InlineData("two_tables", "found 2")]
    [InlineData("percent", "expected a percentage")]
    [InlineData("months", "expected something like")]
    public async Task Page_of_another_shape_is_refused_as_a_whole(string shape, string why)
    {
        Usac.PublishFactor(Coming);
        Usac.Faults.Add(new Fault { Kind = "changed_factors", Count = 1, Data = new() { ["shape"] = shape } });
        var page = await Factors.FetchAsync(Ct);
        Assert.Contains(why, (await Assert.ThrowsAsync<PageShapeException>(() => Factors.CompareAsync(page.Text, Ct))).Message, StringComparison.Ordinal);
        Assert.Empty(await Factors.ListAsync(Ct));
    }

    [Fact]
    public async Task Page_that_is_down_is_worth_another_try()
    {
        Usac.Faults.Add(new Fault { Kind = FaultKinds.Html, Count = 1 });
        await Assert.ThrowsAsync<PageUnavailableException>(() => Factors.FetchAsync(Ct));
        Assert.Contains("<table", (await Factors.FetchAsync(Ct)).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2026-12-19 23:59", "NotYet")]
    [InlineData("2026-12-20 00:00", "Overdue")]
    public async Task Coming_factor_is_overdue_from_the_twentieth_on(string now, string outcome)
    {
        await MonitorAsync();
        ItIs(now);
        Assert.Equal((outcome, new Quarter(2027, 1)), await Factors.CheckComingAsync(Ct));
        Usac.PublishFactor(Coming);
        await MonitorAsync();
        Assert.Equal("Known", (await Factors.CheckComingAsync(Ct)).Outcome);
    }

    [Theory]
    [InlineData("2026-12-31 18:00", "")]
    [InlineData("2027-01-31 12:00", "")]
    [InlineData("2027-02-01 12:00", "2027")]
    [InlineData("2027-03-31 12:00", "2027")]
    [InlineData("2027-04-01 12:00", "2027")]
    public async Task Figures_of_the_coming_form_year_are_missed_from_February_on(string now, string missing)
    {
        ItIs(now);
        var problems = await Get<FactorRows>().FindProblemsAsync(Ct);
        Assert.All(problems, p => Assert.StartsWith("form year " + missing, p, StringComparison.Ordinal));
        Assert.Equal(missing.Length > 0 ? 5 : 0, problems.Count);
    }

    [Fact]
    public async Task Each_missing_or_impossible_figure_is_named()
    {
        await SqlAsync("DELETE FROM fcc_safe_harbor_percentages WHERE category = 'paging'");
        await SqlAsync("UPDATE fcc_deminimis_factors SET factor = 25.6");
        Assert.Equal(["form year 2026: the de minimis factor 25.6 is not between 0 and 1", "form year 2026: no safe harbor for paging"],
            (await Get<FactorRows>().FindProblemsAsync(Ct)).Select(p => p.Replace("25.6000", "25.6", StringComparison.Ordinal)));
    }
}

public sealed class FactorOnSqliteTests() : FactorTests(null);

public sealed class FactorOnPostgresTests(PostgresFixture postgres) : FactorTests(postgres), IClassFixture<PostgresFixture>;

/// <summary>What is read from USAC's page, row by row.</summary>
public sealed class FactorPageTests
{
    private static string Page(string quarter = "October – December 2024", string factor = "35.8%", string circularity = "26.2258%", string notice = "DA 24-924", string more = "") =>
        $"<table><tr><th>Applies to Quarter</th><th>Contribution Factor</th><th>Circularity Factor</th><th>Public Notice</th></tr><tr><td>{quarter}</td><td>{factor}</td><td>{circularity}</td><td>{notice}</td></tr>{more}</table>";

    [Theory]
    [InlineData("October – December 2024", "2024Q4")]
    [InlineData("October — December 2024", "2024Q4")]
    [InlineData("january-march 2025", "2025Q1")]
    [InlineData("  April&nbsp;–\n June  2025 ", "2025Q2")]
    public void Quarters_are_read_in_every_way_they_are_written(string text, string quarter) =>
        Assert.Equal(quarter, Assert.Single(FactorPage.Parse(Page(text))).Quarter.ToString());

    [Theory]
    [InlineData("November – January 2024")]
    [InlineData("October – November 2024")]
    [InlineData("December – October 2024")]
    [InlineData("Fourth quarter 2024")]
    [InlineData("October – December 24")]
    [InlineData("October – December 1997")]
    [InlineData("")]
    public void Other_periods_are_refused(string text) => Assert.Throws<PageShapeException>(() => FactorPage.Parse(Page(text)));

    [Theory]
    [InlineData("0.01%", "0.01")]
    [InlineData("99.9999 %", "99.9999")]
    [InlineData("42%", "42")]
    public void Percentages_are_exact(string text, string value) => Assert.Equal(decimal.Parse(value, System.Globalization.CultureInfo.InvariantCulture), Assert.Single(FactorPage.Parse(Page(factor: text))).Percent);

    [Theory]
    [InlineData("0%")]
    [InlineData("100%")]
    [InlineData("35.8")]
    [InlineData("0.358")]
    [InlineData("-3%")]
    [InlineData("35,8%")]
    [InlineData("35.80001%")]
    [InlineData("35.8% (proposed)")]
    [InlineData("")]
    public void What_is_no_plain_percentage_is_refused(string text) => Assert.Throws<PageShapeException>(() => FactorPage.Parse(Page(factor: text)));

    [Theory]
    [InlineData("DA-21-1134", "DA 21-1134")]
    [InlineData("DA 24-924", "DA 24-924")]
    [InlineData("", null)]
    public void Notices_are_written_one_way(string text, string? notice) => Assert.Equal(notice, Assert.Single(FactorPage.Parse(Page(notice: text))).Notice);

    [Theory]
    [InlineData("n/a")]
    [InlineData("—")]
    [InlineData("")]
    public void A_quarter_may_have_no_circularity_factor(string text) => Assert.Null(Assert.Single(FactorPage.Parse(Page(circularity: text))).Circularity);

    [Theory]
    [InlineData("<tr><td>October – December 2024</td><td>35.9%</td><td></td><td></td></tr>")]
    [InlineData("<tr><td>July – September 2024</td><td>34.4%</td><td></td></tr>")]
    [InlineData("<tr><td colspan=4>Earlier years</td></tr>")]
    public void A_row_that_does_not_fit_refuses_the_page(string row) => Assert.Throws<PageShapeException>(() => FactorPage.Parse(Page(more: row)));

    [Fact]
    public void A_page_without_rows_is_refused() =>
        Assert.Throws<PageShapeException>(() => FactorPage.Parse("<table><tr><th>Applies to Quarter</th><th>Contribution Factor</th><th>Circularity Factor</th><th>Public Notice</th></tr></table>"));
}
