using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Regulatory;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Activities.Tests.Jobs;
using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.Fcc;

namespace PwWorkflows.Activities.Tests.Regulatory;

/// <summary>The watch over the FCC's Robocall Mitigation Database.</summary>
public abstract class RmdTests(PostgresFixture? postgres) : JobTests(postgres)
{
    private const string Frn = "0031234567"; // Listed by the stand-in.

    protected override Dictionary<string, string?> Settings { get; } = [];

    protected override void Register(IServiceCollection services) => services.AddRegulatory();

    private RobocallMitigation Rmd => Get<RobocallMitigation>();

    private FccSystem Fcc => Sandbox.System<FccSystem>();

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await EntityAsync(1, "Voice LLC", Frn);
        await OrderAsync("CO-00000001", entity: 1);
    }

    /// <summary>What the job does in a week.</summary>
    private async Task<string> RunAsync()
    {
        var (taken, _) = await Rmd.TakeAsync(false, Ct);
        if (taken.Outcome != "NotAsExpected") await Rmd.CompareAsync(false, Ct);
        await Rmd.ReadOrdersAsync(false, Ct);
        foreach (var removal in await Rmd.FindAlertsAsync(Ct)) await Rmd.AlertAsync(removal, false, Ct);
        Time.Advance(TimeSpan.FromDays(7));
        return taken.Outcome;
    }

    private void Changed(string shape, int? count = null) => Fcc.Faults.Add(new Fault { Kind = "changed_listing", Count = count, Data = new() { ["shape"] = shape } });

    [Fact]
    public async Task First_snapshot_alarms_nobody_even_when_a_customer_is_missing()
    {
        await EntityAsync(2, "Missing Inc", "0077777777");
        await OrderAsync("CO-00000002", "lee@other.net", 2, o => o with { ServiceSlug = "rmd-filing", FulfillmentStatus = FulfillmentStatuses.Completed });
        Assert.Equal("First", await RunAsync());
        Assert.Empty(Mails);
        Assert.Empty(await ToDosAsync());
        // A filing takes some days to show.
        Assert.Equal("Taken", await RunAsync());
        Assert.Empty(await ToDosAsync());
        // From then on, whoever had us file and never appeared is missed, once, and told when the next run misses him too.
        Assert.Equal("Taken", await RunAsync());
        Assert.Equal(["RMD 0077777777 rmd-unconfirmed"], await ToDosAsync());
        Assert.Empty(Mails);
        Assert.Equal("Taken", await RunAsync());
        Assert.Equal("Taken", await RunAsync());
        Assert.Equal(["RMD 0077777777 rmd-missing"], await ToDosAsync());
        Assert.Contains("although a filing was made", Assert.Single(Mails).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Customer_who_is_removed_is_told_once_and_offered_to_file_again()
    {
        await RunAsync();
        Fcc.Remove(Frn);
        await RunAsync();
        Assert.Empty(Mails);
        Assert.Equal([$"RMD {Frn} rmd-unconfirmed"], await ToDosAsync());
        await RunAsync();
        await RunAsync();
        var mail = Assert.Single(Mails);
        Assert.Equal("Voice LLC is no longer listed in the FCC's Robocall Mitigation Database", mail.Subject);
        Assert.Contains("order?service=rmd-filing&frn=0031234567", mail.Text, StringComparison.Ordinal);
        Assert.Equal([$"RMD {Frn} rmd-removed"], await ToDosAsync());
        // Back, and removed again: a new alarm.
        Fcc.Restore(Frn);
        await RunAsync();
        Fcc.Remove(Frn);
        await RunAsync();
        await RunAsync();
        Assert.Equal(2, Mails.Count);
    }

    [Fact]
    public async Task Alert_that_comes_to_the_quiet_hours_waits_and_is_sent_once()
    {
        await SqlAsync($"INSERT INTO rmd_removals (telecom_entity_id, frn, reason, source, found_at, confirmed_at) VALUES (1, '{Frn}', 'order', 'DA-1', '2026-11-25 15:00:00+00:00', '2026-11-25 15:00:00+00:00')");
        ItIs("2026-11-25 21:00");
        var alert = Assert.Single(await Rmd.FindAlertsAsync(Ct));
        Assert.Equal("Held", (await Rmd.AlertAsync(alert, false, Ct)).Outcome);
        Assert.Empty(Mails);
        Assert.Equal(["RMD " + Frn + " rmd-order"], await ToDosAsync()); // An administrator is told at any hour.
        ItIs("2026-11-26 08:00");
        Assert.Equal("Alerted", (await Rmd.AlertAsync(Assert.Single(await Rmd.FindAlertsAsync(Ct)), false, Ct)).Outcome);
        Assert.Single(Mails);
        Assert.Empty(await Rmd.FindAlertsAsync(Ct));
    }

    [Fact]
    public async Task Carrier_that_one_run_alone_misses_is_for_a_person_and_the_customer_hears_nothing()
    {
        await RunAsync();
        Fcc.Remove(Frn);
        await RunAsync();
        Fcc.Restore(Frn);
        await RunAsync();
        await RunAsync();
        Assert.Empty(Mails);
        Assert.Empty(await ToDosAsync());
        Assert.Empty(await Rmd.FindAlertsAsync(Ct));
    }

    [Fact]
    public async Task Looks_of_one_run_that_was_tried_again_are_one_look()
    {
        await EntityAsync(2, "Missing Inc", "0077777777");
        await OrderAsync("CO-00000002", "lee@other.net", 2, o => o with { ServiceSlug = "rmd-filing", FulfillmentStatus = FulfillmentStatuses.Completed });
        Time.Advance(TimeSpan.FromDays(30));
        // The first one.
        await Rmd.TakeAsync(false, Ct);
        await Rmd.TakeAsync(false, Ct);
        await Rmd.CompareAsync(false, Ct);
        Assert.Empty(await ToDosAsync());
        // And the one that misses somebody.
        Time.Advance(TimeSpan.FromDays(7));
        Fcc.Remove(Frn);
        for (var i = 0; i < 3; i++)
        {
            await Rmd.TakeAsync(false, Ct);
            await Rmd.CompareAsync(false, Ct);
        }

        Assert.Empty(await Rmd.FindAlertsAsync(Ct));
        Assert.Equal(["RMD 0031234567 rmd-unconfirmed", "RMD 0077777777 rmd-unconfirmed"], await ToDosAsync());
    }

    [Fact]
    public async Task Page_of_the_first_orders_and_a_second_look_that_differs_from_the_first_are_kept()
    {
        Fcc.Publish("DA-25-1A1", []);
        await RunAsync();
        var first = Assert.Single(await Get<JobEvidence>().ListAsync(RobocallMitigation.Job, 10, Ct), e => e.Key.EndsWith("-rmd-orders.html", StringComparison.Ordinal));
        Assert.Equal(first.Key, await ValueAsync("SELECT evidence_key FROM rmd_removal_orders WHERE baseline AND document = 'DA-25-1A1'"));

        Fcc.Remove(Frn);
        Changed("order", count: 1);
        await RunAsync();
        Assert.Contains(await Get<JobEvidence>().ListAsync(RobocallMitigation.Job, 10, Ct), e => e.Key.EndsWith("-rmd-listing-again.csv", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Order_makes_certain_what_one_run_missed()
    {
        Fcc.Publish("DA-25-1A1", []);
        await RunAsync();
        Fcc.Remove(Frn);
        Fcc.Publish("DA-26-2A1", [Frn]);
        await RunAsync();
        Assert.Contains("order DA-26-2A1 removes Voice LLC", Assert.Single(Mails).Text, StringComparison.Ordinal);
        Assert.Equal([$"RMD {Frn} rmd-order"], await ToDosAsync());
    }

    [Fact]
    public async Task Order_that_can_t_be_reached_is_told_and_read_by_the_next_run_and_holds_up_no_other()
    {
        Fcc.Publish("DA-25-1A1", []);
        await RunAsync();
        Fcc.Publish("DA-26-2A1", [Frn]);
        Fcc.Publish("DA-26-3A1", ["0099000003"]);
        Fcc.Faults.Add(new Fault { Kind = FaultKinds.Status, Status = 404, Match = "DA-26-2A1", Count = 1 });
        var result = await Rmd.ReadOrdersAsync(false, Ct);
        Assert.Equal("NotAsExpected", result.Outcome);
        Assert.Contains("DA-26-2A1", result.Report, StringComparison.Ordinal);
        Assert.Equal("1", await ValueAsync("SELECT COUNT(*) FROM rmd_removal_orders WHERE NOT baseline"));
        Assert.Empty(await Rmd.FindAlertsAsync(Ct));
        await RunAsync();
        Assert.Single(Mails);
    }

    [Fact]
    public async Task Removal_is_found_although_the_run_that_saw_it_first_died()
    {
        await RunAsync();
        Fcc.Remove(Frn);
        await Rmd.TakeAsync(false, Ct); // And then nothing.
        await RunAsync();
        await RunAsync();
        Assert.Single(Mails);
    }

    [Fact]
    public async Task Carrier_that_only_one_of_two_looks_misses_is_not_removed()
    {
        await RunAsync();
        Changed("few", count: 1);
        Settings["RMD_MIN_ROWS"] = "1";
        Build();
        await SqlAsync("UPDATE rmd_snapshots SET listed = 8");
        await SqlAsync($"UPDATE telecom_entities SET frn = '0099000050'"); // Among those the short listing lacks.
        await SqlAsync($"UPDATE rmd_snapshot_carriers SET frn = '0099000050'");
        Assert.Equal("Taken", await RunAsync());
        Assert.Empty(Mails);
    }

    [Theory]
    [InlineData("few", "lists 7 filers")]
    [InlineData("no_frn", "no column is headed FRN")]
    public async Task Listing_that_is_not_as_expected_alarms_nobody_and_is_told(string shape, string why)
    {
        await RunAsync();
        Fcc.Remove(Frn);
        Changed(shape);
        var (result, _) = await Rmd.TakeAsync(false, Ct);
        Assert.Equal("NotAsExpected", result.Outcome);
        Assert.Contains(why, result.Report, StringComparison.Ordinal);
        Assert.Equal("1", await ValueAsync("SELECT COUNT(*) FROM rmd_snapshots"));
    }

    [Fact]
    public async Task Welcome_page_without_its_link_is_not_as_expected()
    {
        Fcc.Faults.Add(new Fault { Kind = "no_link", Count = 1 });
        Assert.Equal("NotAsExpected", (await Rmd.TakeAsync(false, Ct)).Result.Outcome);
    }

    [Fact]
    public async Task Columns_may_come_in_another_order()
    {
        Changed("order");
        Assert.Equal("First", await RunAsync());
        Assert.Equal(Frn, await ValueAsync("SELECT frn FROM rmd_snapshot_carriers"));
    }

    [Fact]
    public async Task Listing_that_shrinks_or_lacks_its_control_is_not_believed()
    {
        await RunAsync();
        await SqlAsync("UPDATE rmd_snapshots SET listed = 151"); // 120 rows are less than four fifths.
        Assert.Equal("NotAsExpected", (await Rmd.TakeAsync(false, Ct)).Result.Outcome);
        await SqlAsync("UPDATE rmd_snapshots SET listed = 150");
        Assert.Equal("Taken", (await Rmd.TakeAsync(false, Ct)).Result.Outcome);
        Settings["RMD_CONTROL_FRN"] = "0011111111";
        Build();
        Assert.Equal("NotAsExpected", (await Rmd.TakeAsync(false, Ct)).Result.Outcome);
    }

    [Fact]
    public async Task New_removal_order_that_names_a_customer_alarms_and_the_old_ones_do_not()
    {
        Fcc.Publish("DA-25-1A1", [Frn]);
        await RunAsync();
        Assert.Empty(Mails);
        Fcc.Publish("DA-26-2A1", ["0099000003", Frn]);
        await RunAsync();
        await RunAsync();
        Assert.Contains("order DA-26-2A1 removes Voice LLC", Assert.Single(Mails).Text, StringComparison.Ordinal);
        // When it shows in the listing a week later, it is the same removal.
        Fcc.Remove(Frn);
        await RunAsync();
        Assert.Single(Mails);
        Assert.Equal("2", await ValueAsync("SELECT frns FROM rmd_removal_orders WHERE document = 'DA-26-2A1'"));
    }

    [Fact]
    public async Task Order_that_is_not_understood_is_told_and_read_again()
    {
        await RunAsync();
        Fcc.Publish("DA-26-3A1", [], "Robocall Mitigation Database: we remove some providers, see the attached sheet.");
        var result = await Rmd.ReadOrdersAsync(false, Ct);
        Assert.Equal("NotAsExpected", result.Outcome);
        Assert.Contains("DA-26-3A1: it names no FRN", result.Report, StringComparison.Ordinal);
        Fcc.Publish("DA-26-3A1", [Frn]);
        await RunAsync();
        Assert.Single(Mails);
    }

    [Fact]
    public async Task Dry_run_writes_nothing()
    {
        await RunAsync();
        Fcc.Remove(Frn);
        Assert.Contains("Gone: Voice LLC", (await Rmd.TakeAsync(true, Ct)).Result.Report, StringComparison.Ordinal);
        await Rmd.CompareAsync(true, Ct);
        Assert.Equal("1", await ValueAsync("SELECT COUNT(*) FROM rmd_snapshots"));
        Assert.Empty(await Rmd.FindAlertsAsync(Ct));
    }
}

public sealed class RmdOnSqliteTests() : RmdTests(null);

public sealed class RmdOnPostgresTests(PostgresFixture postgres) : RmdTests(postgres), IClassFixture<PostgresFixture>;

/// <summary>The listing and the orders, as texts.</summary>
public sealed class RmdListingTests
{
    [Fact]
    public void Quotes_line_breaks_and_lost_zeros_are_understood()
    {
        var (frns, rows) = RmdListing.Parse("\uFEFF\"FRN\",\"Business Name\"\r\n31234567,\"A, \"\"B\"\"\nC\"\r\n0031234568,D\r\n");
        Assert.Equal(2, rows);
        Assert.Equal(["0031234567", "0031234568"], frns.Order());
    }

    [Theory]
    [InlineData("")]
    [InlineData("Business Name,Number\nA,1\n")]
    [InlineData("FRN,Number\n0031234567,1\n")]
    [InlineData("FRN,Business Name\n003123456X,A\n")]
    [InlineData("FRN,Business Name\n00312345678,A\n")]
    [InlineData("FRN,Business Name\n,A\n")]
    [InlineData("FRN,Business Name\n0031234567\n")]
    [InlineData("FRN,Business Name\n0031234567,\"A\n")]
    [InlineData("<html><body>Maintenance</body></html>")]
    public void What_is_no_listing_is_refused(string csv) => Assert.Throws<PageShapeException>(() => RmdListing.Parse(csv));

    [Theory]
    [InlineData("The Bureau removes from the Robocall Mitigation Database: FRN 0031234567.", 1)]
    [InlineData("Removal from the Robocall Mitigation Database\n0031234567\n0031234568\n0031234567", 2)]
    public void Orders_name_whom_they_remove(string text, int count) => Assert.Equal(count, RmdListing.FrnsOf(text).Count);

    [Theory]
    [InlineData("The Bureau fines a provider, FRN 0031234567.")]
    [InlineData("The Robocall Mitigation Database opens. FRN 0031234567")]
    [InlineData("Removal from the Robocall Mitigation Database of those in the sheet.")]
    public void Other_documents_are_not_taken_for_orders(string text) => Assert.Throws<PageShapeException>(() => RmdListing.FrnsOf(text));

    [Theory]
    [InlineData("<a href='javascript:void(0)'>CSV</a>", null)]
    [InlineData("<a href='http://['>CSV</a>", null)]
    [InlineData("<a href='mailto:a@fcc.gov'>CSV by mail</a><a href='/all.csv'>All</a>", "https://fcc.gov/all.csv")]
    [InlineData("<a href='/all.csv'>All</a><a href='/all.csv'>CSV</a>", "https://fcc.gov/all.csv")]
    [InlineData("<a href='/all.csv'>All</a><a href='/new.csv'>CSV</a>", null)]
    public void The_listing_is_what_one_link_that_can_be_read_leads_to(string html, string? link) => Assert.Equal(link, RmdListing.CsvLink(html, new Uri("https://fcc.gov/rmd"))?.AbsoluteUri);

    [Fact]
    public void Documents_are_found_by_their_numbers()
    {
        var orders = RmdListing.Orders("<a href='/public/attachments/DA-25-694A1.pdf'>Order</a><a href='/public/attachments/da-25-694a1.txt'>text</a><a href='/x'>x</a>", new Uri("https://docs.fcc.gov/list"));
        Assert.Equal([("DA-25-694A1", new Uri("https://docs.fcc.gov/public/attachments/DA-25-694A1.txt"))], orders);
        Assert.Throws<PageShapeException>(() => RmdListing.Orders("<p>nothing</p>", new Uri("https://docs.fcc.gov/list")));
    }
}
