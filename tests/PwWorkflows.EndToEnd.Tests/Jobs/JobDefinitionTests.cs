using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.EndToEnd.Tests.MainJob;
using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.Mail;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.EndToEnd.Tests.Jobs;

/// <summary>The definitions of <c>workflows/schedules</c> on the real server: each runs to its end, dry without a trace and wet with its effect.</summary>
public sealed class JobDefinitionTests : IAsyncLifetime
{
    private Scene _scene = null!;
    private string _token = "";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Every schedule of the product, by its file.</summary>
    private static IReadOnlyList<string> Jobs { get; } = [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "workflows", "schedules"), "*.json").Select(f => Path.GetFileNameWithoutExtension(f)!).Order(StringComparer.Ordinal)];

    public ValueTask InitializeAsync() => StartAsync(null);

    private async ValueTask StartAsync(string? setting)
    {
        _scene = await Scene.StartAsync(Ct, configure: s =>
        {
            s.Settings["MAIL_QUIET_HOURS"] = "none"; // By day and by night.
            if (setting is not null) s.Settings[setting] = "true";
        });
        using var answer = await _scene.Server.Http.PostAsJsonAsync("/elsa/api/identity/login", new { username = "admin", password = "admin" }, Ct);
        _token = (await answer.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("accessToken").GetString()!;
    }

    public ValueTask DisposeAsync() => _scene.DisposeAsync();

    /// <summary>Calls Elsa's API; undefined for what is not there.</summary>
    private async Task<JsonElement> ElsaAsync(HttpMethod method, string path, object? body = null)
    {
        using var request = new HttpRequestMessage(method, "/elsa/api/" + path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _token);
        if (body is not null) request.Content = JsonContent.Create(body);
        using var answer = await _scene.Server.Http.SendAsync(request, Ct);
        var text = await answer.Content.ReadAsStringAsync(Ct);
        if (method == HttpMethod.Get && answer.StatusCode == System.Net.HttpStatusCode.NotFound) return default;
        Assert.True(answer.IsSuccessStatusCode, $"{method} {path} answered {(int)answer.StatusCode}: {text}");
        return JsonSerializer.Deserialize<JsonElement>(text);
    }

    /// <summary>Runs a job to its end; what its steps reported.</summary>
    private async Task<string> RunAsync(string job, bool dryRun)
    {
        var id = (await ElsaAsync(HttpMethod.Post, $"workflow-definitions/{job}/dispatch", new { input = new { DryRun = dryRun } })).GetProperty("workflowInstanceId").GetString()!;
        await Scene.UntilAsync(
            // A dispatched instance is a row of the queue until a worker has taken it.
            async () => Scene.Text(await ElsaAsync(HttpMethod.Get, "workflow-instances/" + id), "status") == "Finished", () => $"{job} ends\n{_scene.Server.Log}", Ct);
        Assert.Equal("Finished", (await ElsaAsync(HttpMethod.Get, "workflow-instances/" + id)).GetProperty("subStatus").GetString());
        var told = await ReportsAsync(id);
        foreach (var child in (await ElsaAsync(HttpMethod.Post, "workflow-instances", new { parentWorkflowInstanceIds = (string[])[id] })).GetProperty("items").EnumerateArray())
        {
            Assert.Equal("Finished", child.GetProperty("subStatus").GetString());
            told += '\n' + await ReportsAsync(child.GetProperty("id").GetString()!);
        }

        return told;
    }

    private async Task<string> ReportsAsync(string id)
    {
        var journal = await ElsaAsync(HttpMethod.Get, $"workflow-instances/{id}/journal?skip=0&take=500");
        return string.Join('\n', journal.GetProperty("items").EnumerateArray().Where(e => e.GetProperty("eventName").GetString() is "Report" or "DryRun").Select(e => e.GetProperty("message").GetString()));
    }

    private async Task<IReadOnlyList<JsonElement>> ToDosAsync() => [.. (await _scene.CallAsync(HttpMethod.Get, "/api/v1/admin/todos?take=500&all=true", null, Ct)).GetProperty("todos").EnumerateArray()];

    private IReadOnlyList<MailView> MailsTo(string address) => [.. _scene.Sandbox.System<MailSystem>().Messages.Select(m => m.View()).Where(m => m.To.Contains(address))];

    [Fact]
    public async Task Every_job_runs_dry_to_its_end_and_leaves_no_trace()
    {
        Assert.Superset(new HashSet<string> { "pw-usf-factor-monitor", "pw-payment-reminder", "pw-cdr-retention" }, Jobs.ToHashSet());
        _scene.Usac.PublishFactor(new FactorRow("January – March 2099", "37.9%", "", "DA 98-1"));
        foreach (var job in Jobs) await RunAsync(job, dryRun: true);
        Assert.Contains("new 2099Q1: 37.9 %", await RunAsync("pw-usf-factor-monitor", dryRun: true), StringComparison.Ordinal);
        Assert.Empty(_scene.Sandbox.System<MailSystem>().Messages);
        Assert.Empty(await ToDosAsync());
    }

    [Fact]
    public async Task Factor_monitor_that_is_dry_by_its_setting_leaves_no_trace_of_a_wet_run()
    {
        await _scene.DisposeAsync();
        await StartAsync("USF_MONITOR_DRY_RUN");
        _scene.Usac.Faults.Add(new Fault { Kind = "changed_factors", Data = new() { ["shape"] = "heading" } });
        Assert.Contains("not as expected", await RunAsync("pw-usf-factor-monitor", dryRun: false), StringComparison.Ordinal);
        Assert.Empty(await ToDosAsync());
        Assert.Empty(_scene.Sandbox.System<MailSystem>().Messages);
    }

    [Fact]
    public async Task Customers_are_told_of_a_coming_factor_once_by_the_drawn_workflow()
    {
        await _scene.CompletedAsync(await _scene.OrderAsync(Ct), Ct);
        _scene.Usac.PublishFactor(new FactorRow("January – March 2099", "37.9%", "", "DA 98-1"));
        Assert.Contains("Told regulatory@sandboxvoice.net of 2099Q1 for Sandbox Voice LLC.", await RunAsync("pw-usf-factor-monitor", dryRun: false), StringComparison.Ordinal);
        await RunAsync("pw-usf-factor-monitor", dryRun: false);
        Assert.Single(MailsTo("regulatory@sandboxvoice.net"), m => m.Subject.Contains("37.9 %", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_job_runs_wet_to_its_end_twice()
    {
        await _scene.CompletedAsync(await _scene.OrderAsync(Ct), Ct);
        foreach (var job in Jobs.Concat(Jobs)) await RunAsync(job, dryRun: false);
    }
}
