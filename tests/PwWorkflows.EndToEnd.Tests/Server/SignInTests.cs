using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Npgsql;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.EndToEnd.Tests.Server;

public sealed class SignInTests(RunningServer running, PostgresFixture postgres)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Sign_in_answers_token_expiry_and_user()
    {
        var before = DateTimeOffset.UtcNow;
        using var answer = await Api.SendAsync(running.Http, HttpMethod.Post, "/api/v1/admin/login", null, new { username = "operator", password = "operator" }, Ct);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("no-store", answer.Headers.CacheControl?.ToString());
        var body = await answer.Content.ReadFromJsonAsync<JsonElement>(Ct);
        Assert.Equal(["token", "expires_at", "user"], body.EnumerateObject().Select(p => p.Name));
        Assert.Equal(["username", "display_name", "roles"], body.GetProperty("user").EnumerateObject().Select(p => p.Name));
        Assert.Equal("operator", body.GetProperty("user").GetProperty("username").GetString());
        Assert.Equal(["operator"], body.GetProperty("user").GetProperty("roles").EnumerateArray().Select(r => r.GetString()));
        Assert.True(body.GetProperty("expires_at").GetDateTimeOffset() > before.AddHours(7));

        var token = new JsonWebTokenHandler().ReadJsonWebToken(body.GetProperty("token").GetString());
        Assert.Equal("HS256", token.Alg);
        Assert.Equal("operator", token.Subject);
        Assert.Equal(body.GetProperty("expires_at").GetDateTimeOffset().UtcDateTime, token.ValidTo);
    }

    [Theory]
    [InlineData("admin", "wrong")]
    [InlineData("nobody-of-this-name", "admin")]
    [InlineData("ADMIN", "admin")]
    public async Task Wrong_name_and_wrong_password_get_the_same_answer(string user, string password)
    {
        using var answer = await Api.SendAsync(running.Http, HttpMethod.Post, "/api/v1/admin/login", null, new { username = user, password }, Ct);
        var problem = await Api.ProblemAsync(answer, 401, Ct);
        Assert.Equal("The username or the password is wrong.", problem.GetProperty("detail").GetString());
    }

    [Fact]
    public async Task Missing_fields_are_named()
    {
        using var answer = await Api.SendAsync(running.Http, HttpMethod.Post, "/api/v1/admin/login", null, new { username = 5 }, Ct);
        var errors = (await Api.ProblemAsync(answer, 400, Ct)).GetProperty("errors");
        Assert.Equal("Expected a text.", errors.GetProperty("username")[0].GetString());
        Assert.Equal("Expected a text, found nothing.", errors.GetProperty("password")[0].GetString());
    }

    [Fact]
    public async Task Guessing_on_one_account_must_wait_and_others_need_not()
    {
        var account = "guessed-" + Guid.NewGuid().ToString("N")[..8];
        HttpStatusCode last = default;
        for (var i = 0; i < 4; i++)
        {
            using var answer = await Api.SendAsync(running.Http, HttpMethod.Post, "/api/v1/admin/login", null, new { username = account, password = "guess" + i }, Ct);
            last = answer.StatusCode;
            if (last == HttpStatusCode.TooManyRequests)
            {
                Assert.NotNull(answer.Headers.RetryAfter);
                await Api.ProblemAsync(answer, 429, Ct);
            }
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, last);
        Assert.NotEmpty(await running.TokenAsync("viewer", Ct));
    }

    [Fact]
    public void The_delay_grows_with_each_wrong_try_is_bounded_and_is_forgotten()
    {
        var time = new FakeTimeProvider();
        var throttle = new LoginThrottle(time);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(TimeSpan.Zero, throttle.Wait("a", "1.1.1.1"));
            throttle.Failed("a", "1.1.1.1");
        }

        var waits = new List<TimeSpan>();
        for (var i = 0; i < 12; i++)
        {
            waits.Add(throttle.Wait("a", "1.1.1.1"));
            throttle.Failed("a", "1.1.1.1");
        }

        Assert.Equal([1, 2, 4, 8], waits.Take(4).Select(w => w.TotalSeconds));
        Assert.Equal(waits.Order(), waits);
        Assert.Equal(300, waits[^1].TotalSeconds);
        // Others at the same address and the account's owner elsewhere are not held up yet.
        Assert.Equal(TimeSpan.Zero, throttle.Wait("b", "1.1.1.1"));
        Assert.Equal(TimeSpan.FromSeconds(1), throttle.Wait("a", "2.2.2.2"));
        time.Advance(TimeSpan.FromMinutes(16));
        Assert.Equal(TimeSpan.Zero, throttle.Wait("a", "1.1.1.1"));
    }

    [Fact]
    public void Strangers_delay_the_owner_of_an_account_by_half_a_minute_at_most()
    {
        var throttle = new LoginThrottle(new FakeTimeProvider());
        for (var i = 0; i < 500; i++) throttle.Failed("admin", $"10.0.{i / 250}.{i % 250}");
        Assert.Equal(TimeSpan.FromSeconds(30), throttle.Wait("admin", "9.9.9.9"));
        Assert.Equal(TimeSpan.Zero, throttle.Wait("operator", "9.9.9.9"));
    }

    private static string Token(string secret, DateTime? expires = null, string issuer = AdminTokens.Issuer, string audience = AdminTokens.Audience, string subject = "admin", DateTime? notBefore = null, string? stamp = null) =>
        new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = issuer,
            Audience = audience,
            Claims = new Dictionary<string, object> { ["sub"] = subject, ["roles"] = new[] { "admin" }, [AdminTokens.StampClaim] = stamp ?? AdminUsers.Published[0].Stamp },
            NotBefore = notBefore,
            Expires = expires,
            SigningCredentials = new SigningCredentials(new SymmetricSecurityKey(Encoding.UTF8.GetBytes(secret)), SecurityAlgorithms.HmacSha256),
        });

    private static string Unsigned() =>
        Base64UrlEncoder.Encode("""{"alg":"none","typ":"JWT"}""") + "."
        + Base64UrlEncoder.Encode($$"""{"sub":"admin","roles":["admin"],"iss":"{{AdminTokens.Issuer}}","aud":"{{AdminTokens.Audience}}","exp":{{DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeSeconds()}}}""") + ".";

    public static TheoryData<string> BadTokens => ["none", "garbage", "alg-none", "expired", "no-expiry", "other-key", "other-audience", "other-issuer", "not-yet", "cut", "other-password", "unknown-user"];

    [Theory]
    [MemberData(nameof(BadTokens))]
    public async Task A_bad_token_opens_no_admin_door(string kind)
    {
        var secret = running.Settings["ADMIN_JWT_SECRET"];
        var later = DateTime.UtcNow.AddHours(1);
        var token = kind switch
        {
            "none" => null,
            "garbage" => "not.a.token",
            "alg-none" => Unsigned(),
            "expired" => Token(secret, DateTime.UtcNow.AddSeconds(-5)),
            "no-expiry" => Token(secret),
            "other-key" => Token(new string('x', 64), later),
            "other-audience" => Token(secret, later, audience: "studio"),
            "other-issuer" => Token(secret, later, issuer: "somebody"),
            "not-yet" => Token(secret, later, notBefore: DateTime.UtcNow.AddMinutes(30)),
            "cut" => Token(secret, later)[..^3],
            "other-password" => Token(secret, later, stamp: AdminUsers.Published[1].Stamp),
            _ => Token(secret, later, subject: "nobody"),
        };
        foreach (var (method, path) in AdminDoors)
        {
            using var answer = await Api.SendAsync(running.Http, method, path, token, method == HttpMethod.Get ? null : new { }, Ct);
            await Api.ProblemAsync(answer, 401, Ct);
            Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.ToString());
        }
    }

    [Fact]
    public async Task A_token_made_with_the_right_key_is_let_in()
    {
        using var answer = await Api.SendAsync(running.Http, HttpMethod.Get, "/api/v1/admin/orders", Token(running.Settings["ADMIN_JWT_SECRET"], DateTime.UtcNow.AddMinutes(5)), null, Ct);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    private static IReadOnlyList<(HttpMethod Method, string Path)> AdminDoors { get; } =
    [
        (HttpMethod.Get, "/api/v1/admin/orders"), (HttpMethod.Get, "/api/v1/admin/orders/CO-00000000"),
        (HttpMethod.Post, "/api/v1/admin/orders/CO-00000000/officer-authorization"), (HttpMethod.Put, "/api/v1/admin/orders/CO-00000000/intake"),
        (HttpMethod.Get, "/api/v1/admin/workflow-instances"), (HttpMethod.Get, "/api/v1/admin/workflow-instances/x"), (HttpMethod.Get, "/api/v1/admin/workflow-instances/x/journal"),
        (HttpMethod.Post, "/api/v1/admin/workflow-instances/x/retry"), (HttpMethod.Post, "/api/v1/admin/workflow-instances/x/cancel"),
        (HttpMethod.Get, "/api/v1/admin/webhooks"), (HttpMethod.Post, "/api/v1/admin/webhooks/1/replay"),
        (HttpMethod.Put, "/api/v1/admin/entities/1/usac-session"), (HttpMethod.Get, "/api/v1/admin/no-such-door"),
    ];

    [Fact]
    public async Task A_viewer_may_look_but_change_nothing()
    {
        var token = await running.TokenAsync("viewer", Ct);
        foreach (var (method, path) in AdminDoors)
        {
            using var answer = await Api.SendAsync(running.Http, method, path, token, method == HttpMethod.Get ? null : new { }, Ct);
            if (method == HttpMethod.Get) Assert.NotEqual(HttpStatusCode.Forbidden, answer.StatusCode);
            else await Api.ProblemAsync(answer, 403, Ct);
        }
    }

    [Fact]
    public async Task The_runbooks_sql_adds_a_user_who_can_sign_in_and_a_deactivated_one_is_out_at_once()
    {
        var database = await (await postgres.ServerAsync(Ct)).CreateDatabaseAsync(Ct);
        using var folder = new TemporaryFolder();
        var settings = new Dictionary<string, string>(running.Settings) { ["DATABASE_URL"] = database };
        await using var server = await ServerProcess.StartAsync(settings, folder.FullPath, Ct);
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync(Ct);
        await using (var insert = new NpgsqlCommand(
            """
            INSERT INTO admin_users (username, password_hash, display_name, email, active)
            VALUES ('opsadmin', crypt('correct horse battery', gen_salt('bf', 12)), 'Operations Admin', 'ops@performancewest.net', TRUE);
            """, connection))
        {
            await insert.ExecuteNonQueryAsync(Ct);
        }

        var token = await Api.TokenAsync(server.Http, "opsadmin", "correct horse battery", Ct);
        using (var answer = await Api.SendAsync(server.Http, HttpMethod.Get, "/api/v1/admin/orders", token, null, Ct)) Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await using (var update = new NpgsqlCommand("UPDATE admin_users SET active = FALSE WHERE username = 'opsadmin'", connection)) await update.ExecuteNonQueryAsync(Ct);
        using (var answer = await Api.SendAsync(server.Http, HttpMethod.Get, "/api/v1/admin/orders", token, null, Ct)) await Api.ProblemAsync(answer, 401, Ct);
        using (var answer = await Api.SendAsync(server.Http, HttpMethod.Post, "/api/v1/admin/login", null, new { username = "opsadmin", password = "correct horse battery" }, Ct)) await Api.ProblemAsync(answer, 401, Ct);
    }

    [Fact]
    public async Task Sign_ins_and_refusals_are_in_the_audit_log_without_passwords()
    {
        var database = await (await postgres.ServerAsync(Ct)).CreateDatabaseAsync(Ct);
        using var folder = new TemporaryFolder();
        var settings = new Dictionary<string, string>(running.Settings) { ["DATABASE_URL"] = database };
        await using var server = await ServerProcess.StartAsync(settings, folder.FullPath, Ct);
        await Api.TokenAsync(server.Http, "admin", "admin", Ct);
        foreach (var (user, password) in ((string, string)[])[("admin", "wrong-password-7"), ("typed-password-8", "x")])
        {
            using var answer = await Api.SendAsync(server.Http, HttpMethod.Post, "/api/v1/admin/login", null, new { username = user, password }, Ct);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        }

        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync(Ct);
        await using var select = new NpgsqlCommand("SELECT actor, action, detail FROM audit_log ORDER BY id", connection);
        await using var rows = await select.ExecuteReaderAsync(Ct);
        var found = new List<(string Actor, string Action, string Detail)>();
        while (await rows.ReadAsync(Ct)) found.Add((rows.GetString(0), rows.GetString(1), rows.GetString(2)));
        Assert.Equal([("admin", "sign-in"), ("admin", "sign-in-refused"), ("(unknown)", "sign-in-refused")], found.Select(f => (f.Actor, f.Action)));
        Assert.All(found, f => Assert.DoesNotContain("password", f.Detail, StringComparison.Ordinal));
        Assert.DoesNotContain("typed-password-8", server.Log, StringComparison.Ordinal);
    }
}
