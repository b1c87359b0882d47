using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Pages;

[Collection(ConsoleTests.Name)]
public sealed class RecordsOnPostgresTests(ConsoleScene console) : RecordsContract
{
    private protected override Uri Server => console.Scene.Server.BaseUrl;

    private protected override string Secret => console.Scene.Settings["WEBHOOK_SECRET"];

    [Fact]
    public async Task Treasury_and_records_read_well_on_desk_and_phone()
    {
        await CarrierAsync();
        // A coin of its own: the server's sweep looks at the others every half hour.
        await console.Scene.SqlAsync("""
            INSERT INTO cold_wallet_positions (crypto, amount_crypto, fiat_cents, float_cents, excess_cents, decision, note, looked_at)
                VALUES ('SHOWN-USDC', '1250.5', 125050, 50000, 75050, 'WouldSweep', 'SHOWN-USDC: 1250.5 worth $1,250.50, float $500.00. Would sweep 750.5 ($750.50) to 0xabc. Nothing was moved.', now()) ON CONFLICT DO NOTHING;
            INSERT INTO crypto_payment_jobs (order_number, crypto, txid, amount_crypto, amount_fiat_cents, state, received_at, updated_at) VALUES ('CO-CRYPTO1', 'ETH-USDC', '0xfeed', '499.0', 49900, 'manual', now(), now()) ON CONFLICT DO NOTHING;
            INSERT INTO relay_mails (account, folder, uid_validity, uid, message_id, sha256, from_address, subject, received_at, kind, reason, read_at)
                VALUES ('ops@x', 'INBOX', 1, 1, '<a@x>', 'a', 'alerts@relayfi.com', 'You received a deposit', now(), 'deposit', 'patterns 1', now()), ('ops@x', 'INBOX', 1, 2, '<b@x>', 'b', 'alerts@relayfi.com', '<b>Something new</b>', now(), 'unknown', 'it is of no known shape', now()) ON CONFLICT DO NOTHING;
            INSERT INTO relay_deposits (mail_id, amount_cents, received_at, counterparty, memo, source_kind) SELECT id, 49850, now(), 'BRIDGE BUILDING INC', 'PW-ORDER-?', 'offramp_bridge' FROM relay_mails WHERE message_id = '<a@x>' ON CONFLICT DO NOTHING;
            INSERT INTO cdr_files (telecom_entity_id, bucket, object_key, first_call_on, last_call_on, records, sha256, uploaded_at) VALUES (987, 'cdr', 'one.csv', '2024-01-01', '2024-03-31', 12345, 'c0ffee', now()) ON CONFLICT DO NOTHING;
            INSERT INTO usf_contribution_factors (year, quarter, effective_start, effective_end, factor_pct, source, first_seen_at) VALUES (2026, 4, '2026-10-01', '2026-12-31', 38.1, 'https://www.usac.org', now()) ON CONFLICT DO NOTHING;
            """, Ct);
        await using var desk = await console.OpenAsync("admin", "/treasury");
        await desk.SeesAsync("Would sweep 750.5");
        await desk.PictureAsync("treasury");
        await desk.GoAsync("/treasury/deposits?matched=no");
        await desk.SeesAsync("BRIDGE BUILDING INC");
        await desk.SeesAsync("not matched");
        await desk.PictureAsync("treasury-deposits");
        await desk.GoAsync("/treasury/mails?kind=unknown");
        await desk.SeesAsync("<b>Something new</b>");
        await desk.GoAsync("/treasury/partners");
        await desk.PictureAsync("treasury-partners");
        await desk.GoAsync("/records/cdr");
        await desk.SeesAsync("18 months after the last call");
        await desk.PictureAsync("records-cdr");
        await desk.GoAsync("/records/certifications");
        await desk.PictureAsync("records-certifications");
        await desk.GoAsync("/records/sessions");
        await desk.SeesAsync("none stored");
        await using var phone = await console.OpenAsync("admin", "/records", phone: true, dark: true);
        await phone.SeesAsync("38.1 %");
        await phone.PictureAsync("records");
        await phone.GoAsync("/records/figures");
        await phone.PictureAsync("records-figures");
        await phone.GoAsync("/treasury/crypto");
        await phone.PictureAsync("treasury-crypto");
    }

    [Fact]
    public async Task A_contribution_factor_that_was_published_or_corrected_lately_is_on_the_overview_and_a_seeded_one_is_not()
    {
        await console.Scene.SqlAsync("""
            INSERT INTO usf_contribution_factors (year, quarter, effective_start, effective_end, factor_pct, source, evidence_key, first_seen_at) VALUES
                (2090, 1, '2090-01-01', '2090-03-31', 31.1, 'x', 'jobs/new', now()), (2090, 2, '2090-04-01', '2090-06-30', 32.2, 'x', 'jobs/corrected', now() - interval '60 days'),
                (2090, 3, '2090-07-01', '2090-09-30', 33.3, 'x', 'jobs/old', now() - interval '60 days'), (2090, 4, '2090-10-01', '2090-12-31', 34.4, 'x', NULL, now()), (2020, 1, '2020-01-01', '2020-03-31', 35.5, 'x', 'jobs/new', now());
            INSERT INTO job_evidence (job, source, bucket, object_key, sha256, bytes, content_type, note, kept_at) VALUES
                ('pw-usf-factor-monitor', 'x', 'records', 'jobs/corrected', 'c1', 1, 'text/html', '', now()), ('pw-usf-factor-monitor', 'x', 'records', 'jobs/old', 'c2', 1, 'text/html', '', now() - interval '60 days');
            """, Ct);
        using var viewer = await ConsoleHttp.SignInAsync(Server, "viewer", Ct);
        IEnumerable<string> told = [];
        // What needs a person is read every few seconds.
        await MainJob.Scene.UntilAsync(async () => (told = (await viewer.PageAsync("/", Ct)).QuerySelectorAll(".needs a[href='/records']").Select(a => a.TextContent.Trim()).Where(t => t.StartsWith("2090", StringComparison.Ordinal) || t.StartsWith("2020", StringComparison.Ordinal)).Order(StringComparer.Ordinal)).Any(), () => "the factors are told", Ct);
        Assert.Equal(["2090Q1: 31.1 %", "2090Q2: 32.2 %"], told);
        await console.Scene.SqlAsync("DELETE FROM usf_contribution_factors WHERE year IN (2020, 2090); DELETE FROM job_evidence WHERE sha256 IN ('c1', 'c2')", Ct);
    }

    [Fact]
    public async Task A_file_under_a_legal_hold_says_so_and_only_an_administrator_lifts_it()
    {
        await CarrierAsync();
        await console.Scene.SqlAsync("INSERT INTO cdr_files (telecom_entity_id, bucket, object_key, first_call_on, last_call_on, records, sha256, uploaded_at) VALUES (987, 'cdr', 'held.csv', '2024-01-01', '2024-03-31', 5, 'c0ffee', now())", Ct);
        using var viewer = await ConsoleHttp.SignInAsync(Server, "viewer", Ct);
        var number = ConsoleHttp.Column(await viewer.PageAsync("/records/cdr", Ct), "No.")[0];
        using var @operator = await ConsoleHttp.SignInAsync(Server, "operator", Ct);
        Assert.Equal(HttpStatusCode.Redirect, (await @operator.SendAsync("/records/cdr", "/records/cdr?handler=Hold", new() { ["id"] = number, ["hold"] = "true", ["reason"] = "Case 12-345" }, Ct)).Status);
        Assert.Equal("held: Case 12-345", ConsoleHttp.Column(await viewer.PageAsync("/records/cdr", Ct), "Hold")[0]);
        Assert.Equal(HttpStatusCode.Forbidden, (await @operator.SendAsync("/records/cdr", "/records/cdr?handler=Hold", new() { ["id"] = number, ["hold"] = "false", ["reason"] = "over" }, Ct)).Status);
        using var http = new HttpClient { BaseAddress = Server };
        using (var refused = await Api.SendAsync(http, HttpMethod.Post, $"/api/v1/admin/cdr-files/{number}/release", await Api.TokenAsync(http, "operator", "operator", Ct), new { reason = "over" }, Ct)) await Api.ProblemAsync(refused, 403, Ct);
        using (var lifted = await Api.SendAsync(http, HttpMethod.Post, $"/api/v1/admin/cdr-files/{number}/release", await Api.TokenAsync(http, "admin", "admin", Ct), new { reason = "over" }, Ct)) Assert.Equal(HttpStatusCode.OK, lifted.StatusCode);
        Assert.Equal("–", ConsoleHttp.Column(await viewer.PageAsync("/records/cdr", Ct), "Hold")[0]);
        using (var none = await Api.SendAsync(http, HttpMethod.Post, "/api/v1/admin/cdr-files/987654/hold", await Api.TokenAsync(http, "admin", "admin", Ct), new { reason = "x" }, Ct)) await Api.ProblemAsync(none, 400, Ct);
    }
}

public sealed class RecordsOnSqliteTests(RunningServer running) : RecordsContract
{
    private protected override Uri Server => running.Server.BaseUrl;

    private protected override string Secret => running.Settings["WEBHOOK_SECRET"];
}

/// <summary>What people enter by hand, on the pages and by the API.</summary>
public abstract class RecordsContract
{
    private protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    private protected abstract Uri Server { get; }

    private protected abstract string Secret { get; }

    /// <summary>Carriers come with their first order.</summary>
    private protected async Task CarrierAsync(int id = 987, string name = "Recorded Voice LLC", string? filer = null)
    {
        using var api = new HttpClient { BaseAddress = Server };
        api.DefaultRequestHeaders.Add("X-Webhook-Secret", Secret);
        using var answer = await api.PostAsJsonAsync("/api/v1/orders", new
        {
            order_number = "CO-" + Guid.NewGuid().ToString("N")[..8].ToUpperInvariant(),
            service_slug = "records-test",
            amount_cents = 100,
            currency = "usd",
            customer = new { name = "Records", email = "records@carrier.net" },
            intake_data = new { },
            telecom_entity = new { id, legal_name = name, filer_id_499 = filer },
        }, Ct);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Ct));
    }

    [Fact]
    public async Task Every_part_of_treasury_and_records_can_be_read_sorted_and_taken_as_csv()
    {
        using var viewer = await ConsoleHttp.SignInAsync(Server, "viewer", Ct);
        foreach (var part in (string[])["/treasury", "/treasury/crypto", "/treasury/deposits", "/treasury/mails", "/treasury/commissions", "/treasury/partners", "/records", "/records/figures", "/records/certifications", "/records/renewals", "/records/cdr", "/records/sessions"])
        {
            var page = await viewer.PageAsync(part, Ct);
            Assert.Equal(part, page.QuerySelector(".parts a[aria-current]")!.GetAttribute("href"));
            // Writing is for others.
            Assert.Empty(page.QuerySelectorAll("main form[method=post]"));
            foreach (var sort in page.QuerySelectorAll("th a")) await viewer.PageAsync(sort.GetAttribute("href")!, Ct);
            foreach (var filter in page.QuerySelectorAll(".filters [name]"))
                await viewer.PageAsync($"{part}?{filter.GetAttribute("name")}={filter.QuerySelector("option:last-child")?.GetAttribute("value") ?? "2026"}", Ct);
            Assert.EndsWith("\r\n", await viewer.TextAsync(part + "?format=csv", Ct), StringComparison.Ordinal);
        }

        await viewer.PageAsync("/treasury/gold", Ct, HttpStatusCode.NotFound);
        await viewer.PageAsync("/records/gold", Ct, HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_portal_session_that_ends_soon_is_on_the_overview_until_a_fresh_one_is_stored()
    {
        const int carrier = 989;
        await CarrierAsync(carrier, "Ending Voice LLC", "899989");
        using var viewer = await ConsoleHttp.SignInAsync(Server, "viewer", Ct);
        using var http = new HttpClient { BaseAddress = Server };
        var token = await Api.TokenAsync(http, "operator", "operator", Ct);
        Assert.Null(await ToldAsync());

        await StoreAsync(2);
        Assert.Contains("Its session at USAC E-File ends soon. Run pw-usac-session-refresh on the Schedules page, or sign in by hand and store the session.", await ToldAsync(), StringComparison.Ordinal);
        var row = await viewer.PageAsync("/records/sessions?filer=899989", Ct);
        Assert.Equal(["Ending Voice LLC"], ConsoleHttp.Column(row, "Carrier"));
        Assert.Equal(["signed in"], ConsoleHttp.Column(row, "Session at USAC E-File"));
        await StoreAsync(-1);
        Assert.Contains("Its session at USAC E-File has ended.", await ToldAsync(), StringComparison.Ordinal);
        await StoreAsync(10);
        Assert.Null(await ToldAsync());

        // The page is read once: what was stored counts at once.
        async Task<string?> ToldAsync() => (await viewer.PageAsync("/", Ct)).QuerySelector(".needs a[href='/records/sessions?filer=899989']")?.ParentElement?.TextContent;

        async Task StoreAsync(int days)
        {
            var cookie = new { name = "session", value = "secret", domain = "127.0.0.1", path = "/", expires = TimeProvider.System.GetUtcNow().AddDays(days).ToUnixTimeSeconds() };
            using var stored = await Api.SendAsync(http, HttpMethod.Put, $"/api/v1/admin/entities/{carrier}/usac-session", token, new { cookies = new[] { cookie } }, Ct);
            Assert.Equal(HttpStatusCode.NoContent, stored.StatusCode);
        }
    }

    [Fact]
    public async Task A_figure_is_entered_by_an_administrator_and_replaces_the_one_before()
    {
        using var @operator = await ConsoleHttp.SignInAsync(Server, "operator", Ct);
        using var admin = await ConsoleHttp.SignInAsync(Server, "admin", Ct);
        var figure = new Dictionary<string, string> { ["year"] = "2031", ["what"] = "deminimis", ["value"] = "0.271", ["source"] = "2031 instructions, Appendix A" };
        Assert.Equal(HttpStatusCode.Forbidden, (await @operator.SendAsync("/", "/records/figures?handler=Figure", figure, Ct)).Status);
        Assert.Equal(HttpStatusCode.Redirect, (await admin.SendAsync("/records/figures", "/records/figures?handler=Figure", figure, Ct)).Status);
        var wrong = await admin.SendAsync("/records/figures", "/records/figures?handler=Figure", new(figure) { ["value"] = "27.1" }, Ct);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, wrong.Status);
        Assert.Contains("expected a factor above 0 and below 1", wrong.Body, StringComparison.Ordinal);

        using var http = new HttpClient { BaseAddress = Server };
        var token = await Api.TokenAsync(http, "admin", "admin", Ct);
        using (var set = await Api.SendAsync(http, HttpMethod.Put, "/api/v1/admin/form-figures/2031/deminimis", token, new { value = 0.272m, source = "corrected" }, Ct)) Assert.Equal(HttpStatusCode.NoContent, set.StatusCode);
        using (var refused = await Api.SendAsync(http, HttpMethod.Put, "/api/v1/admin/form-figures/2031/radio", token, new { value = 1.5, source = "x" }, Ct)) await Api.ProblemAsync(refused, 400, Ct);
        var all = await Api.GetAsync(http, "/api/v1/admin/form-figures", await Api.TokenAsync(http, "viewer", "viewer", Ct), Ct);
        var ours = Assert.Single(all.GetProperty("form_figures").EnumerateArray(), f => f.GetProperty("form_year").GetInt32() == 2031);
        Assert.Equal(0.272m, ours.GetProperty("value").GetDecimal());
        Assert.Equal("corrected", Assert.Single(ConsoleHttp.Column(await admin.PageAsync("/records/figures?year=2031", Ct), "Where it is published")));
        Assert.Equal(2, ConsoleHttp.Column(await admin.PageAsync("/audit?action=deminimis-factor-set", Ct), "Did").Count);
    }

    [Fact]
    public async Task Partners_and_certifications_are_entered_by_form_and_api()
    {
        using var http = new HttpClient { BaseAddress = Server };
        var (admin, @operator) = (await Api.TokenAsync(http, "admin", "admin", Ct), await Api.TokenAsync(http, "operator", "operator", Ct));
        using (var denied = await Api.SendAsync(http, HttpMethod.Put, "/api/v1/admin/partners/acme", @operator, new { name = "Acme", email = "acme@example.com", rate_bps = 1000 }, Ct)) await Api.ProblemAsync(denied, 403, Ct);
        using (var bad = await Api.SendAsync(http, HttpMethod.Put, "/api/v1/admin/partners/A", admin, new { name = "Acme", email = "no mail", rate_bps = 1000 }, Ct))
            Assert.Equal(["code", "email"], (await Api.ProblemAsync(bad, 400, Ct)).GetProperty("errors").EnumerateObject().Select(e => e.Name).Order());
        using (var added = await Api.SendAsync(http, HttpMethod.Put, "/api/v1/admin/partners/acme", admin, new { name = "Acme", email = "acme@example.com", rate_bps = 1000 }, Ct)) Assert.Equal(HttpStatusCode.NoContent, added.StatusCode);
        using var console = await ConsoleHttp.SignInAsync(Server, "admin", Ct);
        await console.SendAsync("/treasury/partners", "/treasury/partners?handler=Partner", new() { ["code"] = "acme", ["name"] = "Acme Referrals", ["email"] = "acme@example.com", ["percent"] = "12.5", ["active"] = "true" }, Ct);
        Assert.Equal("12.50 %", ConsoleHttp.Column(await console.PageAsync("/treasury/partners", Ct), "Commission")[0]);

        await CarrierAsync();
        var carriers = (await console.PageAsync("/records/certifications", Ct)).QuerySelectorAll("select[name=entity] option");
        var certification = new { telecom_entity_id = int.Parse(carriers[0].GetAttribute("value")!, System.Globalization.CultureInfo.InvariantCulture), reseller_filer_id_499 = "812345", reseller_legal_name = "Reselling LLC", certification_date = "2026-02-01", signer_name = "Sam Signer", signer_title = "CEO" };
        using var entered = await Api.SendAsync(http, HttpMethod.Post, "/api/v1/admin/reseller-certifications", @operator, certification, Ct);
        Assert.True(entered.IsSuccessStatusCode, await entered.Content.ReadAsStringAsync(Ct));
        var id = (await entered.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("id").GetInt64();
        Assert.Contains("2027-02-01", ConsoleHttp.Column(await console.PageAsync("/records/certifications?filer=812345", Ct), "Due again"));
        using (var revoked = await Api.SendAsync(http, HttpMethod.Post, $"/api/v1/admin/reseller-certifications/{id}/revoke", @operator, new { reason = "Sold" }, Ct)) Assert.Equal(HttpStatusCode.OK, revoked.StatusCode);
        using (var again = await Api.SendAsync(http, HttpMethod.Post, $"/api/v1/admin/reseller-certifications/{id}/revoke", @operator, new { reason = "Sold" }, Ct)) await Api.ProblemAsync(again, 400, Ct);
        Assert.Equal("revoked", ConsoleHttp.Column(await console.PageAsync("/records/certifications?filer=812345", Ct), "State")[0]);
    }
}
