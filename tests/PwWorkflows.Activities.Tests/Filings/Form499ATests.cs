using System.Text;
using System.Text.Json.Nodes;
using PwWorkflows.Activities.Filings;

namespace PwWorkflows.Activities.Tests.Filings;

public sealed class Form499ATests
{
    static IReadOnlyList<FormFault> Check(Action<JsonObject>? change = null)
    {
        var intake = SampleForm.Intake();
        change?.Invoke(intake);
        var (form, faults) = Form499AReader.Read(intake, SampleForm.Entity, 2026);
        return [.. faults, .. Form499ARules.Check(form)];
    }

    static FormFault Only(Action<JsonObject> change) => Assert.Single(Check(change));

    [Fact]
    public void A_complete_form_has_no_faults() => Assert.Empty(Check());

    [Fact]
    public void Computed_lines_follow_the_form()
    {
        var form = SampleForm.Form();
        // 12,000 x 25 % = 3,000; 250,001 x 64.9 % = 162,250.649; 250,001 x 1.5 % = 3,750.015.
        Assert.Equal(new TotalLine(12000, 3000, 0), form.Line315);
        Assert.Equal(new TotalLine(12000 + 250001 + 500 + 7000, 3000 + 162251, 3750 + 500), form.Line419);
        Assert.Equal(new TotalLine(250001, 162251, 3750), form.Line420);
        Assert.Equal(new TotalLine(250001 - 800, 162251 - 300, 3750 - 10), form.Line423);
        Assert.Equal(new BaseLine(250001, 162251 + 3750), form.Line512);
        Assert.Equal(new BaseLine(249901, 165951), form.Line514);
    }

    [Theory]
    [InlineData(1, 50, 1)]
    [InlineData(1, 49.99, 0)]
    [InlineData(3, 50, 2)]
    [InlineData(199, 0.25, 0)]
    [InlineData(200, 0.25, 1)]
    [InlineData(0, 100, 0)]
    public void Shares_round_to_whole_dollars_halves_up(long total, double percent, long expected) =>
        Assert.Equal(expected, new RevenueLine(total, (decimal)percent).Interstate);

    [Theory]
    [InlineData("filer_id_499", "731234", "101")]
    [InlineData("filer_id_499", "83123", "101")]
    [InlineData("filer_id_499", "8312345", "101")]
    [InlineData("frn", "003123456", "107")]
    [InlineData("frn", "00312345678", "107")]
    [InlineData("frn", "00312345AB", "107")]
    [InlineData("ein", "841234567", "103")]
    [InlineData("preparer_email", "nobody", "206")]
    [InlineData("preparer_phone", "555-0100", "204")]
    [InlineData("hq_zip", "7870", "109.zip")]
    [InlineData("hq_state", "ZZ", "109.state")]
    [InlineData("first_telecom_service_year", "2027", "228.year")]
    [InlineData("first_telecom_service_month", "13", "228.month")]
    [InlineData("filing_type", "amended", "612")]
    public void A_wrong_value_names_its_line_and_field(string field, string value, string line)
    {
        var faults = Check(i => i[field] = value);
        Assert.Contains(faults, f => f.Line == line && f.Field == field && f.Message.StartsWith("Expected", StringComparison.Ordinal));
        // The headquarters' address stands in for three other addresses, which then share its fault.
        if (!field.StartsWith("hq_", StringComparison.Ordinal)) Assert.Single(faults);
    }

    [Theory]
    [InlineData(60, 40, true)]
    [InlineData(60, 40.01, false)]
    [InlineData(100, 0, true)]
    [InlineData(0, 100, true)]
    public void Interstate_and_international_percentages_add_to_at_most_100(double interstate, double international, bool good)
    {
        var faults = Check(i => i["revenue"]!["303.1"] = new JsonObject { ["total"] = 10000, ["interstate_pct"] = interstate, ["international_pct"] = international });
        if (good) Assert.Empty(faults);
        else Assert.Equal(("303.1.b", "revenue.303.1.interstate_pct"), (Assert.Single(faults).Line, faults[0].Field));
    }

    [Theory]
    [InlineData("100.01")]
    [InlineData("-1")]
    [InlineData("12.345")]
    [InlineData("many")]
    public void A_percentage_is_from_0_to_100_with_two_decimals(string percent) =>
        Assert.Equal("303.1.b", Only(i => i["revenue"]!["303.1"]!["interstate_pct"] = percent).Line);

    [Theory]
    [InlineData("1000.50")]
    [InlineData("-5")]
    [InlineData("1e3")]
    [InlineData("1,000")]
    [InlineData("1000000000000")]
    public void Revenue_is_in_whole_dollars(string total) =>
        Assert.Contains(Check(i => i["revenue"]!["418.1"]!["total"] = total), f => f.Line == "418.1.a" && f.Field == "revenue.418.1.total");

    [Fact]
    public void An_unknown_revenue_line_is_named() => Assert.Equal("315", Only(i => i["revenue"]!["315"] = new JsonObject { ["total"] = 1 }).Line);

    [Fact]
    public void Non_telecommunications_revenue_has_no_percentages() =>
        Assert.Equal("418.1.b", Only(i => i["revenue"]!["418.1"]!["interstate_pct"] = 5).Line);

    [Theory]
    [InlineData(87.49, false)]
    [InlineData(87.5, true)]
    [InlineData(87.51, false)]
    public void Regional_percentages_add_to_exactly_100(double last, bool good)
    {
        var faults = Check(i => i["block_5"]!["509"]!["block_4_pct"] = last);
        if (good) Assert.Empty(faults);
        else Assert.Equal("510.b", Assert.Single(faults).Line);
    }

    [Fact]
    public void Regional_percentages_are_0_without_revenue() =>
        Assert.Equal("510.a", Only(i => ((JsonObject)i["revenue"]!).Remove("303.1")).Line);

    [Theory]
    [InlineData("llc", 1, "221.count")]
    [InlineData("llc", 4, "221.count")]
    [InlineData("sole_proprietorship", 2, "221.count")]
    [InlineData("llc", 3, "225.name")]
    public void The_number_of_officers_must_fit(string structure, int count, string line) =>
        Assert.Contains(Check(i => (i["entity_structure"], i["officer_count_claimed"]) = (structure, count)), f => f.Line == line);

    [Fact]
    public void Each_officer_needs_a_business_address()
    {
        var form = SampleForm.Form();
        var without = form with { Texts = form.Texts.Where(t => t.Key != "224.street").ToDictionary() };
        Assert.Equal(("224.street", "officer_2_street"), (Assert.Single(Form499ARules.Check(without)).Line, Form499ARules.Check(without)[0].Field));
    }

    [Fact]
    public void An_exemption_needs_its_reason() => Assert.Equal("603.reason", Only(i => i["exempt_usf"] = true).Line);

    [Fact]
    public void A_holding_company_needs_its_tax_number() => Assert.Equal("106.2", Only(i => i["affiliated_filer_name"] = "Holding Inc").Line);

    [Fact]
    public void More_than_five_categories_are_too_many() =>
        Assert.Equal("105", Only(i => i["line_105_categories"] = new JsonArray("clec", "ilec", "ixc", "wireless", "paging")).Line);

    [Fact]
    public void An_unknown_category_is_named() => Assert.Equal("105.2", Only(i => i["line_105_categories"] = new JsonArray("carrier_pigeon")).Line);

    [Theory]
    [InlineData("421", "total", 269502, "421.a")]
    [InlineData("422", "total", 250002, "422.a")]
    [InlineData("422", "interstate", 795, "422.d")]
    public void Uncollectible_revenue_stays_within_its_base(string line, string part, long value, string fault) =>
        Assert.Equal(fault, Only(i => i["uncollectible"]![line]![part] = value).Line);

    [Theory]
    [InlineData(269501)]
    public void Uncollectible_revenue_may_be_all_of_it(long value) => Assert.Empty(Check(i => i["uncollectible"]!["421"]!["total"] = value));

    [Fact]
    public void Line_511_and_513_stay_within_the_TRS_base()
    {
        Assert.Contains(Check(i => i["noncontributing_resellers"] = new JsonObject { ["total"] = 250002, ["interstate_international"] = 0 }), f => f.Line == "511.a");
        Assert.Empty(Check(i => (i["noncontributing_resellers"], i["uncollectible"]!["513"]) = (new JsonObject { ["total"] = 250001, ["interstate_international"] = 0 }, null)));
        Assert.Equal("513.a", Only(i => i["uncollectible"]!["513"]!["total"] = 250002).Line);
    }

    [Fact]
    public void Every_fault_is_told_at_once()
    {
        var (form, read) = Form499AReader.Read(new JsonObject { ["exempt_usf"] = "maybe", ["revenue"] = 5 }, null, 2026);
        var faults = read.Concat(Form499ARules.Check(form)).ToList();
        Assert.True(faults.Count > 30);
        Assert.All(new[] { "101", "102", "103", "105.1", "107", "109.street", "203", "209", "221.name", "221.count", "227", "228.year", "603.usf", "303", "612" }, l => Assert.Contains(faults, f => f.Line == l));
    }

    [Fact]
    public void The_zero_form_has_every_revenue_line_zero()
    {
        var intake = SampleForm.Intake();
        var (form, faults) = Form499AReader.Read(intake, SampleForm.Entity, 2026, zero: true);
        Assert.Empty(faults);
        Assert.Empty(Form499ARules.Check(form));
        Assert.Equal(TotalLine.Zero, form.Line419);
    }

    [Fact]
    public void Equal_values_have_equal_hashes_whatever_their_order()
    {
        var reordered = new JsonObject();
        foreach (var (name, value) in SampleForm.Intake().Reverse()) reordered[name] = value?.DeepClone();
        reordered["line_105_categories"] = SampleForm.Intake()["line_105_categories"]!.DeepClone();
        Assert.Equal(SampleForm.Form().ValuesSha256(), Form499AReader.Read(reordered, SampleForm.Entity, 2026).Form.ValuesSha256());
    }

    [Fact]
    public void Any_changed_value_changes_the_hash()
    {
        var hash = SampleForm.Form().ValuesSha256();
        Action<JsonObject>[] changes =
        [
            i => i["revenue"]!["303.1"]!["total"] = 12001, i => i["trade_names"] = "Sandvoice", i => i["filing_year"] = 2025, i => i["nondisclosure_requested"] = false,
            i => i["jurisdictions_served"] = new JsonArray("TX"), i => i["filing_type"] = "revised_revenue", i => i["block_5"]!["503"]!["block_4_pct"] = 12.4,
        ];
        Assert.All(changes, c => Assert.NotEqual(hash, SampleForm.Form(c).ValuesSha256()));
    }

    [Fact]
    public void Canonical_values_name_form_year_and_lines_in_order()
    {
        var text = Encoding.UTF8.GetString(SampleForm.Form().CanonicalJson());
        Assert.StartsWith("""{"form":"499-A","filing_year":2026,"lines":{"101":"831234","102":"Sandbox Voice LLC",""", text, StringComparison.Ordinal);
        Assert.Contains("\"404.4.a\":\"250001\",\"404.4.b\":\"64.9\",\"404.4.c\":\"1.5\",\"404.4.d\":\"162251\",\"404.4.e\":\"3750\"", text, StringComparison.Ordinal);
    }

    [Fact]
    public void An_authorization_is_for_exactly_these_values_and_a_listed_officer()
    {
        var form = SampleForm.Form();
        var now = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
        var given = SampleForm.Authorize(form, now);
        Assert.Null(given.Refusal(form, now));
        Assert.Contains("changed", given.Refusal(SampleForm.Form(i => i["trade_names"] = "Other"), now), StringComparison.Ordinal);
        Assert.Contains("not an officer", (given with { OfficerName = "Rita Regs" }).Refusal(form, now), StringComparison.Ordinal);
        Assert.Contains("future", (given with { AuthorizedAt = now.AddMinutes(6) }).Refusal(form, now), StringComparison.Ordinal);
        Assert.Equal(given, OfficerAuthorization.FromIntake(new JsonObject { ["officer_authorization"] = given.ToJson() }));
        Assert.Null(OfficerAuthorization.FromIntake([]));
    }

    [Theory]
    [InlineData(39062, true)]
    [InlineData(39063, false)]
    public void De_minimis_is_strictly_less_than_ten_thousand_dollars(long revenue, bool exempt) => Assert.Equal(exempt, Form499ARules.IsDeMinimis(revenue, 0.256m));

    [Fact]
    public void Exactly_ten_thousand_dollars_is_not_de_minimis() => Assert.False(Form499ARules.IsDeMinimis(40_000, 0.25m));
}
