using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Activities.Usac;
using PwWorkflows.Sandbox.Usac;
using UglyToad.PdfPig;

namespace PwWorkflows.Activities.Tests.Usac;

/// <summary>A real Chromium against the sandbox portal over HTTP.</summary>
public sealed class FilingTests : IClassFixture<PortalFixture>
{
    readonly PortalFixture _portal;
    readonly EvidenceInMemory _evidence = new();
    readonly LedgerInMemory _ledger = new();

    public FilingTests(PortalFixture portal)
    {
        _portal = portal;
        _portal.Clean();
    }

    static CancellationToken Ct => TestContext.Current.CancellationToken;

    async Task<FilingOutcome> FileAsync(FilingRequest? request = null, PageMap? map = null, string? state = null, IEffectLedger? ledger = null) =>
        (await _portal.Portal(map).FileAsync(request ?? PortalFixture.Request(), state ?? _portal.SignedIn(), _evidence, ledger ?? _ledger, Ct)).Outcome;

    [Fact]
    public async Task An_authorized_form_is_filed_with_every_value_and_every_screen_is_kept()
    {
        var form = SampleForm.Form();
        var outcome = await FileAsync(PortalFixture.Request(form));

        var filed = Assert.IsType<FilingOutcome.Filed>(outcome);
        Assert.StartsWith("499A-2026-", filed.Form.ConfirmationNumber, StringComparison.Ordinal);
        Assert.False(filed.Reconciled);
        Assert.Equal(1, _portal.Usac.CountFilings(SampleForm.OrderNumber));
        var map = PageMap.Load(PortalFixture.MapPath).Steps.SelectMany(s => s.Fields).ToDictionary(f => f.Name);
        var wanted = form.Boxes().ToDictionary(b => b.Key, b => map[b.Key].Shown(b.Value));
        var held = _portal.Usac.LastFiledValues!.Where(v => v.Value.Length > 0).ToDictionary(v => v.Key, v => v.Value);
        Assert.Equal(wanted.OrderBy(v => v.Key), held.OrderBy(v => v.Key));
        string[] pages = ["00-filings-before", "10-block-1", "11-block-2a", "12-block-2b", "13-block-2c", "14-block-3", "15-block-4a", "16-block-4b", "17-block-5", "18-block-6",
            "80-review", "85-certify-before-submission", "90-confirmation", "91-filings-after"];
        Assert.All(pages, p => Assert.True(_evidence.Files[p + ".png"] is [0x89, (byte)'P', (byte)'N', (byte)'G', ..], p));
        // A picture begins with its width and height: the window's for a page that fits, the whole page's for one that does not.
        (int Width, int Height) SizeOf(string page) => (BinaryPrimitives.ReadInt32BigEndian(_evidence.Files[page + ".png"].AsSpan(16)), BinaryPrimitives.ReadInt32BigEndian(_evidence.Files[page + ".png"].AsSpan(20)));
        Assert.Equal((1280, 900), SizeOf("00-filings-before"));
        Assert.True(SizeOf("80-review") is (1280, > 2000), $"{SizeOf("80-review")}");
        using var confirmation = PdfDocument.Open(_evidence.Files["confirmation.pdf"]);
        Assert.Contains(filed.Form.ConfirmationNumber, string.Concat(confirmation.GetPages().Select(p => p.Text)), StringComparison.Ordinal);
        using var copy = PdfDocument.Open(_evidence.Files["filed-form.pdf"]);
        Assert.Contains("Line 404.4 (d) Interstate revenues: 162251", string.Concat(copy.GetPages().Select(p => p.Text)), StringComparison.Ordinal);
        Assert.Equal(form.CanonicalJson(), _evidence.Files["values.json"]);
        Assert.Contains("Your FCC Form 499-A has been submitted", _evidence.Text("messages-after.json"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_an_officers_word_the_form_stays_saved_and_unsubmitted_and_the_same_form_is_filed_later()
    {
        var form = SampleForm.Form();
        var saved = Assert.IsType<FilingOutcome.SavedUnsubmitted>(await FileAsync(PortalFixture.Request(form, authorized: false)));

        Assert.Equal("Olivia Officer", saved.ForWhom);
        Assert.Equal(form.ValuesSha256(), saved.ValuesSha256);
        Assert.Equal(0, _portal.Usac.CountFilings());
        Assert.Equal(0, _ledger.Performed);
        Assert.IsType<FilingOutcome.Filed>(await FileAsync(PortalFixture.Request(form)));
        Assert.Equal(1, _portal.Usac.CountFilings());
        Assert.Single(_portal.Usac.Log.Read(), e => e.Method == "POST" && e.Path == "/usac/forms");
    }

    [Fact]
    public async Task An_authorization_for_other_values_does_not_certify()
    {
        var other = SampleForm.Form(i => i["revenue"]!["303.1"]!["total"] = 11000);
        var request = PortalFixture.Request() with { Authorization = SampleForm.Authorize(other, TimeProvider.System.GetUtcNow()) };

        var saved = Assert.IsType<FilingOutcome.SavedUnsubmitted>(await FileAsync(request));
        Assert.Contains("values have changed", saved.Why, StringComparison.Ordinal);
        Assert.Equal(0, _portal.Usac.CountFilings());
    }

    [Fact]
    public async Task The_portals_validation_errors_come_back_by_line()
    {
        var form = SampleForm.Form(i => i["frn"] = "0099999999");
        var failed = Assert.IsType<FilingOutcome.ValidationFailed>(await FileAsync(PortalFixture.Request(form)));

        Assert.Equal("block-1", failed.Step);
        var error = Assert.Single(failed.Errors);
        Assert.Equal("107", error.Line);
        Assert.Contains("does not belong to this Filer ID", error.Message, StringComparison.Ordinal);
        Assert.Contains(_evidence.Files.Keys, k => k.StartsWith("failed-", StringComparison.Ordinal) && k.EndsWith("block-1.png", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_signer_who_is_no_listed_officer_is_not_certified()
    {
        var form = SampleForm.Form();
        var request = new FilingRequest(form, SampleForm.OrderNumber, SampleForm.Authorize(form, TimeProvider.System.GetUtcNow()) with { OfficerName = "Some Body" });

        Assert.IsType<FilingOutcome.SavedUnsubmitted>(await FileAsync(request));
        Assert.Equal(0, _portal.Usac.CountFilings());
    }

    [Fact]
    public async Task A_refused_certification_can_be_tried_again_and_is_filed_once()
    {
        var form = SampleForm.Form();
        var wrong = new FilingRequest(form, SampleForm.OrderNumber, SampleForm.Authorize(form, TimeProvider.System.GetUtcNow()) with { Email = "nobody" });
        _portal.Sandbox.Clock.Advance(TimeSpan.FromDays(5));
        var failed = Assert.IsType<FilingOutcome.ValidationFailed>(await FileAsync(wrong));
        Assert.Equal("certify", failed.Step);
        Assert.Contains(failed.Errors, e => e.Line == "611");
        Assert.False(_ledger.IsStarted(wrong.EffectKey));

        _portal.Sandbox.Clock.Reset();
        Assert.IsType<FilingOutcome.Filed>(await FileAsync());
        Assert.Equal(1, _portal.Usac.CountFilings());
    }

    [Fact]
    public async Task A_session_that_ends_in_the_middle_of_the_form_is_told()
    {
        _portal.Fault("expired_session", "/block-4a", "POST");
        Assert.IsType<FilingOutcome.SessionExpired>(await FileAsync());
        Assert.Equal(0, _portal.Usac.CountFilings());
        Assert.DoesNotContain(_evidence.Files.Keys, k => k.StartsWith("failed-", StringComparison.Ordinal));

        Assert.IsType<FilingOutcome.Filed>(await FileAsync());
        Assert.Single(_portal.Usac.Log.Read(), e => e.Method == "POST" && e.Path == "/usac/forms");
    }

    [Fact]
    public async Task A_session_that_ends_at_submission_files_nothing_and_can_go_on()
    {
        _portal.Fault("expired_session", "/certify", "POST");
        Assert.IsType<FilingOutcome.SessionExpired>(await FileAsync());
        Assert.Equal(0, _portal.Usac.CountFilings());

        Assert.IsType<FilingOutcome.Filed>(await FileAsync());
        Assert.Equal(1, _portal.Usac.CountFilings());
    }

    [Theory]
    [InlineData("block-3", "303.1.a")]
    [InlineData("block-6", "612")]
    [InlineData("certify", "610")]
    public async Task A_moved_box_is_named(string page, string field)
    {
        _portal.Fault("changed_layout", "/" + page, count: null, field: field);
        var changed = Assert.IsType<FilingOutcome.LayoutChanged>(await FileAsync());
        Assert.Equal((page, field), (changed.Step, changed.Field));
        Assert.Equal(0, _portal.Usac.CountFilings());
    }

    [Fact]
    public async Task An_operator_mends_a_moved_box_in_the_page_map()
    {
        _portal.Fault("changed_layout", "/block-3", count: null, field: "303.1.a");
        var json = JsonNode.Parse(File.ReadAllText(PortalFixture.MapPath))!;
        json["version"] = "2026.1-mended";
        json["steps"]!.AsArray().Single(s => s!["key"]!.GetValue<string>() == "block-3")!["fields"] =
            new JsonArray(new JsonObject { ["name"] = "303.1.a", ["selector"] = "#l-303-1-a-v2" });
        var mended = PageMap.Parse(Encoding.UTF8.GetBytes(json.ToJsonString()), "mended.json");

        Assert.IsType<FilingOutcome.Filed>(await FileAsync(map: mended));
        Assert.Equal("12000", _portal.Usac.LastFiledValues!["303.1.a"]);
        Assert.Contains("2026.1-mended", _evidence.Text("messages-after.json"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_labels_that_were_swapped_are_noticed_on_the_review_page()
    {
        var text = File.ReadAllText(PortalFixture.MapPath).Replace("Line 111 Telephone number for customer inquiries", "@@", StringComparison.Ordinal);
        var json = JsonNode.Parse(text)!;
        var fields = json["steps"]![0]!["fields"]!.AsArray();
        var phone = fields.Single(f => f!["name"]!.GetValue<string>() == "111")!;
        var trade = fields.Single(f => f!["name"]!.GetValue<string>() == "108")!;
        (phone["label"], trade["label"]) = ("Line 112 Trade names used in the past three years", trade["label"]!.GetValue<string>());
        fields.Single(f => f!["name"]!.GetValue<string>() == "112")!["label"] = "Line 111 Telephone number for customer inquiries";
        // Line 112 must look like a telephone number, or the portal itself would refuse.
        var form = SampleForm.Form(i => i["trade_names"] = "512-555-0177");

        var changed = Assert.IsType<FilingOutcome.LayoutChanged>(await FileAsync(PortalFixture.Request(form), PageMap.Parse(Encoding.UTF8.GetBytes(json.ToJsonString()), "swapped.json")));
        Assert.Equal("review", changed.Step);
        Assert.Contains(changed.Field, new[] { "111", "112" });
    }

    [Theory]
    [InlineData("maintenance", "maintenance")]
    [InlineData("html", "maintenance")]
    [InlineData("status", "500")]
    public async Task A_portal_that_is_down_is_unavailable(string kind, string why)
    {
        _portal.Fault(kind, "/block-2b", "GET");
        var down = Assert.IsType<FilingOutcome.PortalUnavailable>(await FileAsync());
        Assert.Contains(why, down.Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_captcha_page_is_never_taken_for_success()
    {
        _portal.Fault("robot", "/usac/filings/", "GET", count: null);
        var outcome = await FileAsync();
        Assert.IsType<FilingOutcome.LayoutChanged>(outcome);
        Assert.Equal(1, _portal.Usac.CountFilings());

        _portal.Usac.Faults.Clear();
        Assert.True(Assert.IsType<FilingOutcome.Filed>(await FileAsync()).Reconciled);
        Assert.Equal(1, _portal.Usac.CountFilings());
    }

    [Fact]
    public async Task A_filing_whose_answer_never_arrives_is_found_in_the_list_and_not_sent_again()
    {
        _portal.Fault("drop_answer", "/certify", "POST");
        var filed = Assert.IsType<FilingOutcome.Filed>(await FileAsync());

        Assert.True(filed.Reconciled);
        Assert.Equal(1, _portal.Usac.CountFilings());
        Assert.Single(_portal.Usac.Log.Read(), e => e.Method == "POST" && e.Path.EndsWith("/certify", StringComparison.Ordinal));
        Assert.True(_evidence.Files.ContainsKey("confirmation.pdf"));
    }

    [Fact]
    public async Task A_lost_answer_and_a_portal_that_goes_down_are_sorted_out_by_the_next_attempt()
    {
        _portal.Fault("drop_answer", "/certify", "POST");
        // The list is asked before the filing (passes), then after the lost answer (down).
        _portal.Usac.Faults.Add(new() { Kind = "maintenance", Match = "/usac/filings", After = 1 });
        Assert.IsType<FilingOutcome.PortalUnavailable>(await FileAsync());
        Assert.True(_ledger.IsStarted(PortalFixture.Request().EffectKey));

        _portal.Usac.Faults.Clear();
        Assert.True(Assert.IsType<FilingOutcome.Filed>(await FileAsync()).Reconciled);
        Assert.Equal(1, _portal.Usac.CountFilings());
    }

    [Fact]
    public async Task A_submission_that_was_lost_on_the_way_is_sent_by_the_next_attempt()
    {
        _portal.Fault("drop", "/certify", "POST");
        Assert.IsType<FilingOutcome.PortalUnavailable>(await FileAsync());
        Assert.Equal(0, _portal.Usac.CountFilings());

        Assert.IsType<FilingOutcome.Filed>(await FileAsync());
        Assert.Equal(1, _portal.Usac.CountFilings());
    }

    [Fact]
    public async Task A_node_that_was_silent_before_the_submission_does_not_send_what_another_has_taken_over()
    {
        await using var database = await TestDatabase.CreateAsync(Ct);
        var ledger = new EffectLedger(database, TimeProvider.System, NullLogger<EffectLedger>.Instance);
        _evidence.Added = name => name == "85-certify-before-submission.png"
            ? database.RunAsync($"UPDATE effects SET owner = 'another', attempts = attempts + 1, lease_until = {database.UnixNow()} + 30", Ct)
            : Task.CompletedTask;

        var lost = await Assert.ThrowsAsync<EffectLeaseLostException>(() => FileAsync(ledger: ledger));
        Assert.Contains(PortalFixture.Request().EffectKey, lost.Message, StringComparison.Ordinal);
        Assert.Equal(0, _portal.Usac.CountFilings());
        Assert.DoesNotContain(_portal.Usac.Log.Read(), e => e.Method == "POST" && e.Path.EndsWith("/certify", StringComparison.Ordinal));
        var record = Assert.Single(await new EffectRecords(database, TimeProvider.System).ListAsync(null, 10, Ct));
        Assert.Equal(("started", 2), (record.Status, record.Attempts));

        // The other is never heard of again: the portal's list says that it had not filed, and the next try does.
        _evidence.Added = static _ => Task.CompletedTask;
        await database.RunAsync("UPDATE effects SET lease_until = 0", Ct);
        Assert.IsType<FilingOutcome.Filed>(await FileAsync(ledger: ledger));
        Assert.Equal(1, _portal.Usac.CountFilings());
    }

    [Fact]
    public async Task A_form_that_is_in_already_is_not_begun_again_even_when_our_books_were_lost()
    {
        var first = Assert.IsType<FilingOutcome.Filed>(await FileAsync());
        var again = Assert.IsType<FilingOutcome.Filed>(await FileAsync(ledger: new LedgerInMemory()));

        Assert.Equal(first.Form, again.Form);
        Assert.True(again.Reconciled);
        Assert.Single(_portal.Usac.Log.Read(), e => e.Method == "POST" && e.Path == "/usac/forms");
    }

    [Fact]
    public async Task A_confirmation_page_without_its_number_is_not_believed()
    {
        _portal.Fault("no_confirmation", count: 1);
        var filed = Assert.IsType<FilingOutcome.Filed>(await FileAsync());
        Assert.True(filed.Reconciled);
        Assert.NotEmpty(filed.Form.ConfirmationNumber);
        Assert.Equal(1, _portal.Usac.CountFilings());
    }

    [Fact]
    public async Task An_order_stopped_right_before_submission_is_not_filed()
    {
        var request = PortalFixture.Request() with { StopReason = _ => Task.FromResult<string?>("refunded") };
        Assert.Equal(new FilingOutcome.Stopped("refunded"), await FileAsync(request));
        Assert.Equal(0, _portal.Usac.CountFilings());
    }

    [Fact]
    public async Task Reconciling_tells_a_filing_a_saved_form_and_nothing_apart()
    {
        var portal = _portal.Portal();
        var state = _portal.SignedIn();
        Task<Reconciliation<FiledForm>> FindAsync() => portal.FindFilingAsync(state, "831234", 2026, SampleForm.OrderNumber, Ct);

        Assert.IsType<Reconciliation<FiledForm>.Unknown>(await FindAsync());
        await FileAsync(PortalFixture.Request(authorized: false));
        Assert.IsType<Reconciliation<FiledForm>.DidNotHappen>(await FindAsync());
        var filed = Assert.IsType<FilingOutcome.Filed>(await FileAsync());
        Assert.Equal(filed.Form, Assert.IsType<Reconciliation<FiledForm>.Happened>(await FindAsync()).Result);
        Assert.IsType<Reconciliation<FiledForm>.Unknown>(await portal.FindFilingAsync(state, "831234", 2026, "CO-1A2B3C4", Ct));
    }

    [Fact]
    public async Task No_more_browsers_than_allowed_work_at_once_and_all_are_cleaned_up()
    {
        var state = _portal.SignedIn();
        var most = 0;
        var runs = Enumerable.Range(0, 5).Select(_ => _portal.Browsers.UseAsync(state, async (page, ct) =>
        {
            most = Math.Max(most, _portal.Browsers.InUse);
            await page.GotoAsync(_portal.Sandbox.BaseUrl + "/usac/dashboard");
            return page;
        }, Ct));
        var pages = await Task.WhenAll(runs);

        Assert.InRange(most, 1, _portal.Options.MaxConcurrent);
        Assert.Equal(0, _portal.Browsers.InUse);
        Assert.All(pages, p => Assert.True(p.IsClosed));
    }

    [Fact]
    public async Task Cancelling_closes_the_page_and_leaves_the_pool_usable()
    {
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _portal.Browsers.UseAsync<int>(null, async (page, ct) =>
        {
            await page.GotoAsync(_portal.Sandbox.BaseUrl + "/usac/sign-in");
            await cancel.CancelAsync();
            await page.WaitForFunctionAsync("() => false");
            return 1;
        }, cancel.Token));
        Assert.Equal(0, _portal.Browsers.InUse);
        Assert.Equal(UsacProbe.SignedIn, await _portal.Portal().ProbeAsync(_portal.SignedIn(), Ct));
    }

    [Fact]
    public async Task A_browser_that_dies_is_replaced()
    {
        var state = _portal.SignedIn();
        await _portal.Browsers.UseAsync(state, async (page, ct) =>
        {
            await page.Context.Browser!.CloseAsync();
            return 0;
        }, Ct);
        Assert.Equal(UsacProbe.SignedIn, await _portal.Portal().ProbeAsync(state, Ct));
    }

    [Fact]
    public async Task Nothing_secret_reaches_the_evidence()
    {
        var state = _portal.SignedIn();
        var cookie = JsonNode.Parse(state)!["cookies"]![0]!["value"]!.GetValue<string>();
        _portal.Fault("maintenance", "/block-5", "GET");
        await FileAsync(state: state);
        await FileAsync(state: state);

        string[] secrets = [cookie, .. UsacDemo.Entities.SelectMany(e => new[] { e.Password, e.TotpSeed })];
        foreach (var (name, content) in _evidence.Files)
        {
            var text = name.EndsWith(".pdf", StringComparison.Ordinal) ? PdfText(content) : Encoding.Latin1.GetString(content);
            Assert.All(secrets, s => Assert.DoesNotContain(s, text, StringComparison.Ordinal));
        }

        Assert.True(_evidence.Files.Count > 15);
    }

    static string PdfText(byte[] content)
    {
        using var pdf = PdfDocument.Open(content);
        return Encoding.Latin1.GetString(content) + string.Concat(pdf.GetPages().Select(p => p.Text));
    }
}
