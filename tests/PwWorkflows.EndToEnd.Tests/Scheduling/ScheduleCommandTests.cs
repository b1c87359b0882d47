using System.Net;
using System.Text.Json;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Scheduling;

/// <summary>The real program: <c>pw schedules</c> beside a running server, and the admin API.</summary>
public sealed class ScheduleCommandTests : IAsyncLifetime
{
    private const string Definition =
        """
        {"definitionId":"NAME","id":"NAME:1","name":"NAME","version":1,
         "root":{"type":"Elsa.Sequence","id":"s","activities":[
          {"type":"Pw.Schedule","id":"schedule","customProperties":{"canStartWorkflow":true},"cron":{"typeName":"String","expression":{"type":"Literal","value":"0 9 * * *"}},
           "timeZone":{"typeName":"String","expression":{"type":"Literal","value":"America/Chicago"}}},
          {"type":"Elsa.RunJavaScript","id":"work","script":{"typeName":"String","expression":{"type":"Literal","value":"SCRIPT"}}}]}}
        """;

    private readonly TemporaryFolder _folder = new();
    private ServerProcess _server = null!;
    private Dictionary<string, string> _settings = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string Data => Path.Combine(_folder.FullPath, "data");

    public async ValueTask InitializeAsync()
    {
        var workflows = Directory.CreateDirectory(Path.Combine(_folder.FullPath, "workflows")).FullName;
        foreach (var (name, script) in new[] { ("pw-good", "1 + 1"), ("pw-bad", "throw new Error('no luck')") })
            await File.WriteAllTextAsync(Path.Combine(workflows, name + ".json"), Definition.Replace("NAME", name, StringComparison.Ordinal).Replace("SCRIPT", script, StringComparison.Ordinal), Ct);
        _settings = SandboxSettings.For("http://127.0.0.1:9", 9);
        _settings["PW_WORKFLOWS"] = workflows;
        _server = await ServerProcess.StartAsync(_settings, Data, Ct);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    private Task<PwResult> PwAsync(params string[] args) => Pw.RunAsync(["schedules", .. args, "--data", Data], _settings, Ct);

    private async Task<JsonElement> JsonAsync(params string[] args)
    {
        var result = await PwAsync([.. args, "--json"]);
        Assert.True(result.ExitCode == 0, result.Error);
        return JsonSerializer.Deserialize<JsonElement>(result.Output);
    }

    [Fact]
    public async Task The_command_line_lists_runs_pauses_and_tells_of_schedules()
    {
        var list = await PwAsync("list");
        Assert.Equal(["NEXT", "LEFT", "LAST", "PASSED", "NAME", "STATE", "ZONE"], list.Output.Split('\n').First(l => l.Contains("NEXT", StringComparison.Ordinal)).Split([' ', '│', '|'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        Assert.Contains("America/Chicago", list.Output, StringComparison.Ordinal);
        var first = (await JsonAsync("list")).EnumerateArray().Single(s => s.GetProperty("name").GetString() == "pw-good");
        Assert.Equal(("0 9 * * *", "America/Chicago", "active", JsonValueKind.Null), (first.GetProperty("cron").GetString(), first.GetProperty("time_zone").GetString(), first.GetProperty("state").GetString(), first.GetProperty("last_run_at").ValueKind));
        Assert.Equal(9, TimeZoneInfo.ConvertTime(first.GetProperty("next_run_at").GetDateTimeOffset(), TimeZoneInfo.FindSystemTimeZoneById("America/Chicago")).Hour);

        // The exit code of a run is its outcome, and its log is followed.
        var good = await PwAsync("run", "pw-good", "--dry-run");
        Assert.True(good.ExitCode == 0, good.Error);
        Assert.Contains("started, asked for by command-line, dry run", good.Output, StringComparison.Ordinal);
        Assert.Contains("]: work: Completed", good.Output, StringComparison.Ordinal);
        Assert.Contains("]: finished after", good.Output, StringComparison.Ordinal);
        var bad = await PwAsync("run", "pw-bad");
        Assert.Equal(1, bad.ExitCode);
        Assert.Contains("no luck", bad.Output, StringComparison.Ordinal);
        Assert.Equal(1, (await PwAsync("run", "pw-nothing")).ExitCode);

        var history = await PwAsync("history", "pw-bad", "--since", "1 day ago");
        Assert.Contains("]: failed after", history.Output, StringComparison.Ordinal);
        Assert.Equal("failed", Assert.Single((await JsonAsync("history", "pw-bad")).EnumerateArray()).GetProperty("run").GetProperty("outcome").GetString());
        Assert.Empty((await JsonAsync("history", "pw-bad", "--since", "2100-01-01")).EnumerateArray());
        Assert.Equal(2, (await PwAsync("history", "pw-bad", "--since", "whenever")).ExitCode);

        Assert.Equal(2, (await PwAsync("pause", "pw-good")).ExitCode);
        Assert.Equal("paused", (await JsonAsync("pause", "pw-good", "--reason", "vendor is down")).GetProperty("state").GetString());
        Assert.Contains("by command-line: vendor is down", (await PwAsync("show", "pw-good")).Output, StringComparison.Ordinal);
        Assert.Contains("no due time passed meanwhile", (await PwAsync("resume", "pw-good", "--reason", "it is back")).Output, StringComparison.Ordinal);

        var year = (await JsonAsync("preview", "pw-good", "--for", "1y")).EnumerateArray().ToList();
        Assert.Equal(365, year.Count);
        Assert.Equal(2, year.Count(r => r.GetProperty("note").ValueKind != JsonValueKind.Null));
        Assert.Equal(24, (await JsonAsync("preview", "--cron", "0 * * * *", "--zone", "Europe/Berlin", "--for", "1d")).GetArrayLength());
        var wrong = await PwAsync("preview", "--cron", "61 * * * *", "--zone", "Europe/Bern");
        Assert.Equal(2, wrong.ExitCode);
        Assert.Contains("'0 9 * * *'", wrong.Error, StringComparison.Ordinal);
        Assert.Contains("--zone", wrong.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_is_yellow_while_nothing_of_a_schedule_finishes_and_names_it()
    {
        Assert.Equal(("ok", null), await SchedulesAsync());
        // Every day's run of pw-bad fails and every day's run of pw-good finishes. A sign-in does not last a day.
        for (var day = 1; day <= 3; day++)
        {
            using (var moved = await Api.SendAsync(_server.Http, HttpMethod.Post, "/api/v1/admin/clock", await Api.TokenAsync(_server.Http, "admin", "admin", Ct), new { advance_seconds = 24 * 3600 }, Ct))
                Assert.Equal(HttpStatusCode.OK, moved.StatusCode);
            var viewer = await Api.TokenAsync(_server.Http, "viewer", "viewer", Ct);
            foreach (var (name, outcome) in new[] { ("pw-good", "finished"), ("pw-bad", "failed") })
            {
                await Eventually.TrueAsync(async () => (await Api.GetAsync(_server.Http, $"/api/v1/admin/schedules/{name}/runs", viewer, Ct)).GetProperty("runs").EnumerateArray()
                    .Count(r => r.GetProperty("outcome").GetString() == outcome) >= day, $"{name} {outcome} {day} times", Ct);
            }
        }

        await Eventually.TrueAsync(async () =>
        {
            // What was caught up has five minutes to finish, and a look at the checks is kept for five seconds, all by the server's clock.
            using (await Api.SendAsync(_server.Http, HttpMethod.Post, "/api/v1/admin/clock", await Api.TokenAsync(_server.Http, "admin", "admin", Ct), new { advance_seconds = 120 }, Ct)) { }
            return await SchedulesAsync() is ("warning", "overdue: pw-bad");
        }, "health tells of pw-bad", Ct);

        async Task<(string?, string?)> SchedulesAsync()
        {
            using var answer = await _server.Http.GetAsync("/health/deep", Ct);
            var check = JsonSerializer.Deserialize<JsonElement>(await answer.Content.ReadAsStringAsync(Ct)).GetProperty("checks").GetProperty("schedules");
            return (check.GetProperty("status").GetString(), check.TryGetProperty("detail", out var detail) ? detail.GetString() : null);
        }
    }

    [Fact]
    public async Task The_admin_api_shows_schedules_and_takes_orders_from_operators()
    {
        var viewer = await Api.TokenAsync(_server.Http, "viewer", "viewer", Ct);
        var admin = await Api.TokenAsync(_server.Http, "admin", "admin", Ct);
        const string Path = "/api/v1/admin/schedules";
        var listed = (await Api.GetAsync(_server.Http, Path, viewer, Ct)).GetProperty("schedules").EnumerateArray().Select(s => s.GetProperty("name").GetString()).Order();
        Assert.Equal(["pw-bad", "pw-good"], listed);
        foreach (var order in new[] { "run", "pause", "resume" })
        {
            using var denied = await Api.SendAsync(_server.Http, HttpMethod.Post, $"{Path}/pw-good/{order}", viewer, new { reason = "x" }, Ct);
            Assert.Equal(HttpStatusCode.Forbidden, denied.StatusCode);
        }

        using (var started = await Api.SendAsync(_server.Http, HttpMethod.Post, $"{Path}/pw-good/run", admin, new { dry_run = true }, Ct))
        {
            Assert.Equal(HttpStatusCode.OK, started.StatusCode);
            var run = JsonSerializer.Deserialize<JsonElement>(await started.Content.ReadAsStringAsync(Ct)).GetProperty("run_id").GetString();
            await Eventually.TrueAsync(async () => (await Api.GetAsync(_server.Http, $"{Path}/pw-good/runs/{run}", viewer, Ct)).GetProperty("run").GetProperty("outcome").GetString() == "finished", "the run finishes", Ct);
        }

        using (var nameless = await Api.SendAsync(_server.Http, HttpMethod.Post, $"{Path}/pw-good/pause", admin, new { }, Ct)) await Api.ProblemAsync(nameless, 400, Ct);
        using (var paused = await Api.SendAsync(_server.Http, HttpMethod.Post, $"{Path}/pw-good/pause", admin, new { reason = "test" }, Ct)) Assert.Equal(HttpStatusCode.OK, paused.StatusCode);
        using (var again = await Api.SendAsync(_server.Http, HttpMethod.Post, $"{Path}/pw-good/pause", admin, new { reason = "test" }, Ct)) await Api.ProblemAsync(again, 409, Ct);
        // The sandbox's clock: two days later two due times have passed.
        using (var moved = await Api.SendAsync(_server.Http, HttpMethod.Post, "/api/v1/admin/clock", admin, new { advance_seconds = 2 * 24 * 3600 }, Ct)) Assert.Equal(HttpStatusCode.OK, moved.StatusCode);
        (viewer, admin) = (await Api.TokenAsync(_server.Http, "viewer", "viewer", Ct), await Api.TokenAsync(_server.Http, "admin", "admin", Ct));
        Assert.Equal(2, (await Api.GetAsync(_server.Http, $"{Path}/pw-good/missed", viewer, Ct)).GetProperty("count").GetInt32());
        using (var resumed = await Api.SendAsync(_server.Http, HttpMethod.Post, $"{Path}/pw-good/resume", admin, new { reason = "over", missed = "latest" }, Ct)) Assert.Equal(HttpStatusCode.OK, resumed.StatusCode);
        await Eventually.TrueAsync(async () => (await Api.GetAsync(_server.Http, $"{Path}/pw-good/runs", viewer, Ct)).GetProperty("runs").EnumerateArray()
            .Any(r => r.GetProperty("covers").GetInt32() == 2 && r.GetProperty("outcome").GetString() == "finished"), "one run makes up for both", Ct);
        var all = await IdsAsync("");
        Assert.True(all.Count >= 2);
        Assert.Equal(all.Skip(1), await IdsAsync("?skip=1"));
        Assert.Equal([all[1]], await IdsAsync("?skip=1&take=1"));
        Assert.Empty(await IdsAsync("?skip=1000"));

        using (var wrong = await Api.SendAsync(_server.Http, HttpMethod.Get, $"{Path}/preview?cron=0+9+*+*&zone=Mars", viewer, null, Ct))
            Assert.Equal(["cron", "zone"], (await Api.ProblemAsync(wrong, 400, Ct)).GetProperty("errors").EnumerateObject().Select(e => e.Name));
        var preview = await Api.GetAsync(_server.Http, $"{Path}/preview?cron=0+9+*+*+*&zone=America/Chicago&days=365", viewer, Ct);
        Assert.Equal(("every day at 09:00", 365), (preview.GetProperty("cadence").GetString(), preview.GetProperty("runs").GetArrayLength()));
        using (var none = await Api.SendAsync(_server.Http, HttpMethod.Get, $"{Path}/pw-nothing", viewer, null, Ct)) await Api.ProblemAsync(none, 404, Ct);

        async Task<List<string>> IdsAsync(string query) => [.. (await Api.GetAsync(_server.Http, $"{Path}/pw-good/runs{query}", viewer, Ct)).GetProperty("runs").EnumerateArray().Select(r => r.GetProperty("id").GetString()!)];
    }
}
