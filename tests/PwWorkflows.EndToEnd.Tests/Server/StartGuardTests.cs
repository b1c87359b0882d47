using System.Diagnostics;
using System.Text.Json.Nodes;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Server;

public sealed class StartGuardTests : IDisposable
{
    private static readonly string[] Required = ["ADMIN_JWT_SECRET", "WEBHOOK_SECRET", "SHKEEPER_API_KEY", "STRIPE_WEBHOOK_SECRET"];
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    private Task<PwResult> ServeAsync(params (string Name, string Value)[] environment) =>
        Pw.RunAsync(["serve", "--urls", "http://127.0.0.1:0", "--data", _folder.FullPath], environment.ToDictionary(e => e.Name, e => e.Value), Ct);

    private static (string, string)[] GoodProduction() =>
    [
        ("PW_ENVIRONMENT", "production"), ("ADMIN_JWT_SECRET", new string('a', 64)), ("WEBHOOK_SECRET", "own-webhook"), ("SHKEEPER_API_KEY", "own-shkeeper"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_own"), ("ERPNEXT_URL", "http://127.0.0.1:1"), ("ERPNEXT_API_KEY", "k"), ("ERPNEXT_API_SECRET", "s"), ("SMTP_HOST", "127.0.0.1"),
    ];

    [Theory]
    [InlineData("production")]
    [InlineData(null)]
    public async Task Production_without_secrets_names_every_missing_one_at_once(string? environment)
    {
        var result = await ServeAsync(environment is null ? [] : [("PW_ENVIRONMENT", environment)]);
        Assert.Equal(1, result.ExitCode);
        Assert.All(Required, name => Assert.Contains(name + ": expected a secret of your own", result.Error, StringComparison.Ordinal));
        Assert.DoesNotContain("ready", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Production_refuses_the_placeholder_of_example_files()
    {
        var result = await ServeAsync([.. Required.Select(n => (n, "change-this-in-production"))]);
        Assert.Equal(1, result.ExitCode);
        Assert.All(Required, name => Assert.Contains(name + ": expected a secret of your own in production, found 'change-this-in-production'", result.Error, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Production_refuses_every_published_sandbox_secret_without_printing_it()
    {
        var secrets = SandboxSettings.Published.Where(s => s.Key.Contains("SECRET", StringComparison.Ordinal) || s.Key.Contains("KEY", StringComparison.Ordinal)).ToList();
        Assert.True(secrets.Count >= 8);
        var result = await ServeAsync([.. SandboxSettings.Published.Where(s => s.Key != "PW_ENVIRONMENT").Select(s => (s.Key, s.Value))]);
        Assert.Equal(1, result.ExitCode);
        Assert.All(secrets, s => Assert.Contains(s.Key + ": expected a secret of your own in production, found one of the published", result.Error, StringComparison.Ordinal));
        Assert.All(secrets, s => Assert.DoesNotContain(s.Value, result.Error, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Settings_of_workflows_that_are_out_of_range_stop_the_start_and_are_named()
    {
        var result = await ServeAsync([.. GoodProduction(), ("WORKFLOW_RETENTION_DAYS", "-1"), ("WORKFLOW_FAULTED_RETENTION_DAYS", "never"), ("WORKFLOW_HTTP_BASE_PATH", "/orders/flows")]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("WORKFLOW_RETENTION_DAYS: expected a whole number from 0 to 36500, found '-1'", result.Error, StringComparison.Ordinal);
        Assert.Contains("WORKFLOW_FAULTED_RETENTION_DAYS: expected a whole number from 1 to 36500, found 'never'", result.Error, StringComparison.Ordinal);
        Assert.Contains("WORKFLOW_HTTP_BASE_PATH: expected a path such as /workflows, of letters, digits, - and _, that is none of the server's own, found '/orders/flows'", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_page_map_stops_the_start_and_each_fault_is_told_beside_the_other_settings()
    {
        var map = (JsonObject)JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(S3Server.Root(), "portals", "usac-499a.json"), Ct))!;
        map.Remove("version");
        ((JsonObject)map["pages"]!["certify"]!["buttons"]!).Remove("submit");
        var path = Path.Combine(_folder.FullPath, "moved.json");
        await File.WriteAllTextAsync(path, map.ToJsonString(), Ct);
        var result = await ServeAsync([.. GoodProduction(), ("USAC_PAGE_MAP", path), ("USAC_MAX_CONCURRENT", "17")]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains($"USAC_PAGE_MAP: {path}: version: expected a text.", result.Error, StringComparison.Ordinal);
        Assert.Contains($"USAC_PAGE_MAP: {path}: pages.certify: button submit is missing.", result.Error, StringComparison.Ordinal);
        Assert.Contains("USAC_MAX_CONCURRENT: expected a whole number from 1 to 16, found '17'", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("ready", result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("production")]
    [InlineData("development")]
    public async Task Crashes_on_demand_are_refused_outside_of_the_sandbox(string environment)
    {
        var result = await ServeAsync([.. GoodProduction().Where(s => s.Item1 != "PW_ENVIRONMENT"), ("PW_ENVIRONMENT", environment), ("PW_KILL_AT", "after:1:CO-00000001")]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("PW_KILL_AT: expected nothing outside of the sandbox", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Production_refuses_a_published_secret_under_another_name()
    {
        var settings = GoodProduction().Where(s => s.Item1 != "WEBHOOK_SECRET").Append(("WEBHOOK_SECRET", SandboxSettings.Published["SHKEEPER_API_KEY"])).ToArray();
        var result = await ServeAsync(settings);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("WEBHOOK_SECRET: expected a secret of your own in production, found one of the published", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_settings_are_told_all_at_once_with_what_was_expected()
    {
        var settings = GoodProduction().Where(s => s.Item1 != "ADMIN_JWT_SECRET").Concat(
        [
            ("ADMIN_JWT_SECRET", "short-but-secret"), ("ADMIN_TOKEN_MINUTES", "soon"), ("SMTP_PORT", "99999"), ("DATABASE_URL", "mysql://x"), ("USAC_MFA_VIA", "sms"), ("ADMIN_EMAIL", "nobody"),
        ]).ToArray();
        var result = await ServeAsync(settings);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("ADMIN_JWT_SECRET: expected at least 32 characters", result.Error, StringComparison.Ordinal);
        Assert.Contains("ADMIN_TOKEN_MINUTES: expected a whole number from 5 to 1440, found 'soon'", result.Error, StringComparison.Ordinal);
        Assert.Contains("SMTP_PORT: expected a whole number from 1 to 65535, found '99999'", result.Error, StringComparison.Ordinal);
        Assert.Contains("DATABASE_URL is not understood", result.Error, StringComparison.Ordinal);
        Assert.Contains("USAC_MFA_VIA", result.Error, StringComparison.Ordinal);
        Assert.Contains("ADMIN_EMAIL: expected a mail address, found 'nobody'", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("short-but-secret", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_environment_is_refused()
    {
        var result = await ServeAsync(("PW_ENVIRONMENT", "prod"));
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("PW_ENVIRONMENT: expected one of production, sandbox, development, found 'prod'", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_sandbox_refuses_the_real_outside()
    {
        var settings = SandboxSettings.Published.ToDictionary(s => s.Key, s => s.Value);
        settings["ERPNEXT_URL"] = "https://crm.performancewest.net";
        settings["SMTP_HOST"] = "smtp.example.com";
        settings["STRIPE_API_KEY"] = "sk_live_1234567890";
        settings.Remove("USAC_PORTAL_URL");
        var result = await ServeAsync([.. settings.Select(s => (s.Key, s.Value))]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("ERPNEXT_URL: expected an address of this machine in the sandbox, found 'crm.performancewest.net'", result.Error, StringComparison.Ordinal);
        Assert.Contains("SMTP_HOST: expected an address of this machine in the sandbox, found 'smtp.example.com'", result.Error, StringComparison.Ordinal);
        Assert.Contains("USAC_PORTAL_URL: expected the address of the sandbox's portal, found nothing", result.Error, StringComparison.Ordinal);
        Assert.Contains("STRIPE_API_KEY: expected a test key in the sandbox, found a live key", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("sk_live_1234567890", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Production_starts_with_secrets_of_its_own_also_from_files()
    {
        var file = Path.Combine(_folder.FullPath, "jwt");
        await File.WriteAllTextAsync(file, new string('z', 48) + "\n", Ct);
        var settings = GoodProduction().Where(s => s.Item1 != "ADMIN_JWT_SECRET").Append(("ADMIN_JWT_SECRET_FILE", file)).ToDictionary(s => s.Item1, s => s.Item2);
        await using var server = await ServerProcess.StartAsync(settings, Path.Combine(_folder.FullPath, "data"), Ct);
        using var health = await server.Http.GetAsync("/health", Ct);
        Assert.Equal(200, (int)health.StatusCode);
        // Over a proxy that speaks TLS for us as well, the browser gives none of our cookies to a plain connection.
        using var page = await server.Http.GetAsync("/sign-in", Ct);
        Assert.Equal(200, (int)page.StatusCode);
        Assert.Contains("; secure", Assert.Single(page.Headers.GetValues("Set-Cookie"), c => c.StartsWith("pw-form=", StringComparison.Ordinal)), StringComparison.Ordinal);
        // The sandbox's users do not exist here.
        using var login = await Api.SendAsync(server.Http, HttpMethod.Post, "/api/v1/admin/login", null, new { username = "admin", password = "admin" }, Ct);
        await Api.ProblemAsync(login, 401, Ct);
    }

    [Fact]
    public async Task Production_refuses_a_database_that_holds_the_sandbox_users()
    {
        var data = Path.Combine(_folder.FullPath, "data");
        await using (await ServerProcess.StartAsync(SandboxSettings.Published, data, Ct))
        {
            // It has made its users by now.
        }

        var result = await Pw.RunAsync(["serve", "--urls", "http://127.0.0.1:0", "--data", data], GoodProduction().ToDictionary(s => s.Item1, s => s.Item2), Ct);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("admin_users: expected no published passwords in production, found the sandbox's user(s) admin, operator, viewer", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_secret_given_both_ways_and_a_missing_secret_file_are_refused()
    {
        var result = await ServeAsync([.. GoodProduction(), ("WEBHOOK_SECRET_FILE", "/nowhere/webhook"), ("SMTP_PASS_FILE", "/nowhere/smtp")]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("WEBHOOK_SECRET_FILE: expected either WEBHOOK_SECRET or WEBHOOK_SECRET_FILE, found both", result.Error, StringComparison.Ordinal);
        Assert.Contains("SMTP_PASS_FILE: expected a readable file, found '/nowhere/smtp'", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_taken_port_is_told_and_leaves_no_process_behind()
    {
        await using var first = await ServerProcess.StartAsync(SandboxSettings.Published, Path.Combine(_folder.FullPath, "one"), Ct);
        var taken = first.BaseUrl.ToString().TrimEnd('/');
        var second = await Pw.RunAsync(["serve", "--urls", taken, "--data", Path.Combine(_folder.FullPath, "two")], SandboxSettings.Published, Ct);
        // One line, nothing of a start that had to be undone.
        Assert.Equal((1, "", $"pw: can't listen on {taken}: address already in use; give another with --urls or PW_URLS\n"), (second.ExitCode, second.Output, second.Error));
    }

    [Fact]
    public async Task A_stop_ends_the_server_with_exit_code_0()
    {
        await using var server = await ServerProcess.StartAsync(SandboxSettings.Published, _folder.FullPath, Ct);
        Assert.Equal(0, await server.StopAsync(Ct));
        Assert.Throws<ArgumentException>(() => Process.GetProcessById(server.ProcessId));
    }
}
