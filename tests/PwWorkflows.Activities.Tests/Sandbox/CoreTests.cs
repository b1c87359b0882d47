using System.Net;
using System.Text.Json.Nodes;
using PwWorkflows.Sandbox;

namespace PwWorkflows.Activities.Tests.Sandbox;

public sealed class CoreTests : SandboxTest
{
    const string Ping = "erpnext/api/method/ping";

    [Fact]
    public async Task Health_names_every_system()
    {
        var health = JsonNode.Parse(await Http.GetStringAsync("_health", Ct))!;
        Assert.Equal("ok", health["status"]!.GetValue<string>());
        Assert.Equal(["erpnext", "usac", "stripe", "mail", "fcc", "shkeeper"], health["systems"]!.AsArray().Select(s => s!.GetValue<string>()));
    }

    [Theory]
    [InlineData("production")]
    [InlineData("Production")]
    public void Production_settings_are_refused(string environment)
    {
        var error = Assert.Throws<SandboxOptionException>(() => SandboxApp.Create(new SandboxOptions { Urls = "http://127.0.0.1:0", Environment = environment }));
        Assert.Contains("PW_ENVIRONMENT=production", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://0.0.0.0:8070")]
    [InlineData("http://*:8070")]
    [InlineData("http://192.0.2.1:8070")]
    [InlineData("http://127.0.0.1:8070;http://0.0.0.0:8071")]
    [InlineData("8070")]
    public void Addresses_off_loopback_are_refused(string urls)
    {
        var error = Assert.Throws<SandboxOptionException>(() => SandboxApp.Create(new SandboxOptions { Urls = urls }));
        Assert.Contains("--urls", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Command_line_and_environment_are_read()
    {
        var environment = new Dictionary<string, string> { ["WEBHOOK_SECRET"] = "another-secret", ["SMTP_PORT"] = "2525" };
        var options = SandboxOptions.Parse(["--urls", "http://127.0.0.1:9000", "--server=http://127.0.0.1:9001/"], environment.GetValueOrDefault);
        Assert.Equal("http://127.0.0.1:9000", options.Urls);
        Assert.Equal("http://127.0.0.1:9001", options.ServerUrl);
        Assert.Equal(2525, options.SmtpPort);
        Assert.Equal("another-secret", options.Secrets.WebhookSecret);
        Assert.Equal(SandboxSecrets.Published.StripeWebhookSecret, options.Secrets.StripeWebhookSecret);
    }

    [Theory]
    [InlineData("--smtp-port", "65536")]
    [InlineData("--server", "ftp://x")]
    [InlineData("--colour", "red")]
    public void Wrong_options_are_named(string option, string value)
    {
        var error = Assert.Throws<SandboxOptionException>(() => SandboxOptions.Parse([option, value], _ => null));
        Assert.Contains(option, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Published_settings_file_holds_the_secrets_the_sandbox_expects()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "PwWorkflows.sln"))) folder = folder.Parent;
        var lines = await File.ReadAllLinesAsync(Path.Combine(folder!.FullName, ".env.sandbox"), Ct);
        var values = lines.Where(l => l.Contains('=', StringComparison.Ordinal) && !l.StartsWith('#')).Select(l => l.Split('=', 2)).ToDictionary(l => l[0], l => l[1]);
        Assert.Equal(SandboxSecrets.Published, SandboxSecrets.FromEnvironment(values.GetValueOrDefault));
        Assert.Equal("sandbox", values["PW_ENVIRONMENT"]);
        Assert.StartsWith("whsec_", values["STRIPE_WEBHOOK_SECRET"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_fault_hits_as_often_as_asked()
    {
        await FaultAsync("erpnext", """{"kind":"status","status":503,"count":2,"retry_after":7}""");
        for (var i = 0; i < 2; i++)
        {
            using var refused = await Http.GetAsync(Ping, Ct);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Equal("7", refused.Headers.GetValues("Retry-After").Single());
        }
        using var fine = await Http.GetAsync(Ping, Ct);
        Assert.Equal(HttpStatusCode.OK, fine.StatusCode);
    }

    [Fact]
    public async Task Faults_hit_only_what_they_match()
    {
        await FaultAsync("erpnext", """{"kind":"status","status":500,"match":"/api/resource","method":"POST"}""");
        using var other = await Http.GetAsync(Ping, Ct);
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        using var hit = await Http.PostAsync("erpnext/api/resource/ToDo", Json("{}"), Ct);
        Assert.Equal(HttpStatusCode.InternalServerError, hit.StatusCode);
        using var elsewhere = await Http.GetAsync("stripe/v1/events", Ct);
        Assert.Equal(HttpStatusCode.Unauthorized, elsewhere.StatusCode);
    }

    [Fact]
    public async Task Fault_can_let_requests_pass_first()
    {
        await FaultAsync("erpnext", """{"kind":"status","after":1,"count":1}""");
        int[] got = [await StatusAsync(), await StatusAsync(), await StatusAsync()];
        Assert.Equal([200, 500, 200], got);
    }

    [Fact]
    public async Task Cleared_faults_hit_nothing()
    {
        await FaultAsync("erpnext", """{"kind":"status"}""");
        Assert.Equal(500, await StatusAsync());
        using var cleared = await Http.DeleteAsync("erpnext/_faults", Ct);
        Assert.Equal(HttpStatusCode.OK, cleared.StatusCode);
        Assert.Equal(200, await StatusAsync());
    }

    [Fact]
    public async Task Maintenance_is_a_page_not_json()
    {
        await FaultAsync("erpnext", """{"kind":"html"}""");
        using var answer = await Http.GetAsync(Ping, Ct);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Equal("text/html", answer.Content.Headers.ContentType!.MediaType);
        Assert.StartsWith("<!DOCTYPE html>", await answer.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"kind":"drop"}""", "drop")]
    [InlineData("""{"kind":"timeout","seconds":0.02}""", "timeout")]
    public async Task Dropped_requests_get_no_answer_and_change_nothing(string fault, string kind)
    {
        await FaultAsync("erpnext", fault);
        await Assert.ThrowsAsync<HttpRequestException>(() => Authorised().PostAsync("erpnext/api/resource/ToDo", Json("""{"description":"x"}"""), Ct));
        var entry = Assert.Single(await LogAsync("erpnext"))!;
        Assert.Equal(kind, entry["fault"]!.GetValue<string>());
        Assert.Equal(0, entry["status"]!.GetValue<int>());
        Assert.Empty(entry["changed"]!.AsArray());
    }

    [Fact]
    public async Task Drop_answer_does_the_work_and_loses_the_answer()
    {
        await FaultAsync("erpnext", """{"kind":"drop_answer","count":1}""");
        await Assert.ThrowsAsync<HttpRequestException>(() => Authorised().PostAsync("erpnext/api/resource/ToDo", Json("""{"description":"kept"}"""), Ct));
        var entry = Assert.Single(await LogAsync("erpnext"))!;
        Assert.Equal(200, entry["status"]!.GetValue<int>());
        Assert.Contains("created", entry["changed"]![0]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Contains("kept", await Authorised().GetStringAsync("erpnext/api/resource/ToDo?fields=[\"description\"]", Ct), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Slow_fault_delays_and_then_serves()
    {
        await FaultAsync("erpnext", """{"kind":"slow","delay_ms":20,"count":1}""");
        Assert.Equal(200, await StatusAsync());
        Assert.Equal("slow", (await LogAsync("erpnext"))[0]!["fault"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("""{"kind":"earthquake"}""", "kind")]
    [InlineData("""{"kind":"status","status":200}""", "status")]
    [InlineData("""{"kind":"status","count":0}""", "count")]
    [InlineData("""{"kind":"status","cuont":1}""", "cuont")]
    [InlineData("""not json""", "fault")]
    public async Task Wrong_faults_are_refused_by_name(string fault, string named)
    {
        using var answer = await Http.PostAsync("erpnext/_faults", Json(fault), Ct);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(named, await answer.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
        Assert.Equal(200, await StatusAsync());
    }

    [Fact]
    public async Task Misspelt_control_options_are_refused()
    {
        using var answer = await Http.PostAsync("stripe/_checkout", Json("""{"service_slugg":"fcc-499a"}"""), Ct);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("service_slugg", await answer.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Log_keeps_order_and_masks_secrets()
    {
        var secrets = SandboxSecrets.Published;
        var manager = Authorised(secrets.ErpNextSensitiveApiKey, secrets.ErpNextSensitiveApiSecret);
        using var first = await manager.PostAsync("erpnext/api/resource/Sensitive%20ID", Json("""{"name":"relay-filing-card","id_type":"DEBIT_CARD","encrypted_value":"4000-TOP-SECRET"}"""), Ct);
        using var second = await manager.GetAsync("erpnext/api/resource/Sensitive%20ID/relay-filing-card", Ct);
        var log = await LogAsync("erpnext");
        Assert.Equal([1L, 2L], log.Select(e => e!["seq"]!.GetValue<long>()));
        Assert.Equal(["POST", "GET"], log.Select(e => e!["method"]!.GetValue<string>()));
        Assert.All(log, e => Assert.Equal(200, e!["status"]!.GetValue<int>()));
        Assert.DoesNotContain("TOP-SECRET", log.ToJsonString(), StringComparison.Ordinal);
        Assert.Contains("DEBIT_CARD", log.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clock_moves_and_returns_on_reset()
    {
        await PostOkAsync("_clock", """{"now":"2026-03-31T23:59:50Z"}""");
        await PostOkAsync("_clock", """{"advance_seconds":20}""");
        using var created = await Authorised().PostAsync("erpnext/api/resource/ToDo", Json("""{"description":"x"}"""), Ct);
        Assert.Contains("\"creation\":\"2026-04-01 00:00:", await created.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
        await PostOkAsync("_reset", "");
        // Back on the host's clock: what it tells lies between two looks at that clock.
        var before = TimeProvider.System.GetUtcNow();
        var now = Host.Clock.GetUtcNow();
        Assert.InRange(now, before, TimeProvider.System.GetUtcNow());
    }

    [Fact]
    public async Task Wrong_clock_settings_are_refused()
    {
        using var answer = await Http.PostAsync("_clock", Json("""{"advance_seconds":"soon"}"""), Ct);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("advance_seconds", await answer.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reset_starts_everything_clean()
    {
        using var created = await Authorised().PostAsync("erpnext/api/resource/ToDo", Json("""{"description":"x"}"""), Ct);
        await FaultAsync("erpnext", """{"kind":"status"}""");
        await PostOkAsync("_reset", "");
        Assert.Empty(await LogAsync("erpnext"));
        Assert.Equal("""{"data":[]}""", await Authorised().GetStringAsync("erpnext/api/resource/ToDo", Ct));
    }

    async Task<int> StatusAsync()
    {
        using var answer = await Http.GetAsync(Ping, Ct);
        return (int)answer.StatusCode;
    }

    HttpClient Authorised(string? key = null, string? secret = null)
    {
        var client = new HttpClient { BaseAddress = Http.BaseAddress };
        client.DefaultRequestHeaders.Add("Authorization", $"token {key ?? SandboxSecrets.Published.ErpNextApiKey}:{secret ?? SandboxSecrets.Published.ErpNextApiSecret}");
        return client;
    }
}
