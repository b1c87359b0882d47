using System.Text.RegularExpressions;
using Npgsql;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Sandbox;

namespace PwWorkflows.EndToEnd.Tests.MainJob;

/// <summary>The server with exactly the settings that <c>docker-compose.yml</c> and a filled-in <c>.env.example</c> give it, on PostgreSQL and an S3 server.</summary>
public sealed partial class ComposeTests(PostgresFixture postgres)
{
    private static readonly string[] Required = ["ADMIN_JWT_SECRET", "WEBHOOK_SECRET", "SHKEEPER_API_KEY", "STRIPE_WEBHOOK_SECRET"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_example_as_it_is_names_every_secret_that_is_missing()
    {
        using var folder = new TemporaryFolder();
        var result = await Pw.RunAsync(["serve", "--data", folder.FullPath], Settings(Example()), Ct);
        Assert.Equal(1, result.ExitCode);
        Assert.All(Required, name => Assert.Contains(name + ": expected a secret of your own in production", result.Error, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Filled_in_it_starts_and_is_healthy_down_to_erpnext_and_the_object_store()
    {
        using var folder = new TemporaryFolder();
        await using var s3 = await S3Server.StartAsync(Ct);
        var secrets = new SandboxSecrets { ErpNextApiKey = "composekey0001", ErpNextApiSecret = "composesecret0001" };
        await using var outside = await SandboxHost.StartAsync(new SandboxOptions { Urls = "http://127.0.0.1:0", SmtpPort = 0, Secrets = secrets }, Ct);
        var database = await postgres.RentDatabaseAsync(Ct);

        var env = Example();
        foreach (var name in Required) env[name] = "own-" + new string('x', 40);
        (env["POSTGRES_PASSWORD"], env["MINIO_SECRET_KEY"]) = ("ownpassword", "S3RVER");
        (env["ERPNEXT_URL"], env["ERPNEXT_API_KEY"], env["ERPNEXT_API_SECRET"]) = (outside.BaseUrl + "/erpnext", secrets.ErpNextApiKey, secrets.ErpNextApiSecret);
        (env["SMTP_HOST"], env["SMTP_PORT"]) = ("127.0.0.1", outside.SmtpPort.ToString(System.Globalization.CultureInfo.InvariantCulture));
        var settings = Settings(env);
        // The names of the containers become addresses of this machine; nothing else is changed.
        var builder = new NpgsqlConnectionStringBuilder(database);
        Assert.Equal("postgres://pw:ownpassword@postgres:5432/pw", settings["DATABASE_URL"]);
        settings["DATABASE_URL"] = $"postgres://{builder.Username}:ownpassword@{builder.Host}:{builder.Port}/{builder.Database}";
        Assert.Equal(("minio:9000", "pw"), (settings["MINIO_ENDPOINT"], settings["MINIO_ACCESS_KEY"]));
        (settings["MINIO_ENDPOINT"], settings["MINIO_ACCESS_KEY"]) = (s3.Endpoint, "S3RVER");

        await using (var server = await ServerProcess.StartAsync(settings, folder.FullPath, Ct))
        {
            using var health = await server.Http.GetAsync("/health", Ct);
            Assert.True(health.IsSuccessStatusCode, await health.Content.ReadAsStringAsync(Ct));
            using var deep = await server.Http.GetAsync("/health/deep", Ct);
            Assert.True(deep.IsSuccessStatusCode, await deep.Content.ReadAsStringAsync(Ct));
            using var clock = await server.Http.PostAsync("/api/v1/admin/clock", null, Ct);
            Assert.Equal(401, (int)clock.StatusCode);
            Assert.Equal(0, await server.StopAsync(Ct));
            Assert.DoesNotContain("ownpassword", server.Log, StringComparison.Ordinal);
        }

        NpgsqlConnection.ClearAllPools();
        await postgres.ReturnDatabaseAsync(database, Ct);
    }

    private static Dictionary<string, string> Example() => File.ReadAllLines(Path.Combine(S3Server.Root(), ".env.example"))
        .Where(l => l.Length > 0 && l[0] != '#').Select(l => l.Split('=', 2)).ToDictionary(p => p[0], p => p[1], StringComparer.Ordinal);

    /// <summary>What compose makes of the <c>.env</c> and of the server's <c>environment</c>.</summary>
    private static Dictionary<string, string> Settings(Dictionary<string, string> env)
    {
        var compose = File.ReadAllText(Path.Combine(S3Server.Root(), "docker-compose.yml"));
        var server = compose[compose.IndexOf("  server:", StringComparison.Ordinal)..compose.IndexOf("  postgres:", StringComparison.Ordinal)];
        Assert.Contains("env_file: .env", server, StringComparison.Ordinal);
        var settings = new Dictionary<string, string>(env, StringComparer.Ordinal);
        foreach (Match line in Setting().Matches(server)) settings[line.Groups[1].Value] = Variable().Replace(line.Groups[2].Value, v => env[v.Groups[1].Value]);
        Assert.Equal("production", settings["PW_ENVIRONMENT"]);
        return settings;
    }

    [GeneratedRegex(@"(?m)^      ([A-Z_]+): (.+)$")]
    private static partial Regex Setting();

    [GeneratedRegex(@"\$\{([A-Z_]+)[^}]*\}")]
    private static partial Regex Variable();
}
