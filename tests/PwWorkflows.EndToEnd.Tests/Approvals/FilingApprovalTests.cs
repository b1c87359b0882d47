using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.EndToEnd.Tests.MainJob;

namespace PwWorkflows.EndToEnd.Tests.Approvals;

public sealed class FilingApprovalOnSqliteTests() : FilingApprovalTests(null);

public sealed class FilingApprovalOnPostgresTests(PostgresFixture postgres) : FilingApprovalTests(postgres);

/// <summary>An order that needs an administrator's approval before it is filed, on the real server process, which is killed on the way.</summary>
public abstract class FilingApprovalTests(PostgresFixture? postgres)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_flagged_order_asks_once_and_is_filed_once_after_the_approval_wherever_the_server_dies()
    {
        await using var scene = await Scene.StartAsync(Ct, postgres);
        // The first order only counts the commits until it waits.
        await scene.RestartAsync(Ct, $"after:0:{Number(0)}");
        await DeliverAsync(scene, await PrepareAsync(scene, 0));
        var first = await WaitsAsync(scene, Number(0));
        var commits = Commits(scene);
        Assert.True(commits > 5, scene.Server.Log);

        // Around the commit that makes the request, and the one before it.
        (string Side, int Number)[] deaths = [("before", commits), ("after", commits), ("after", commits - 1)];
        for (var n = 1; n <= deaths.Length; n++)
        {
            var @event = await PrepareAsync(scene, n);
            await scene.RestartAsync(Ct, string.Create(CultureInfo.InvariantCulture, $"{deaths[n - 1].Side}:{deaths[n - 1].Number}:{Number(n)}"));
            await DeliverAsync(scene, @event);
            var server = scene.Server;
            await Scene.UntilAsync(() => Task.FromResult(server.HasEnded), () => $"the server dies {deaths[n - 1]}:\n{server.Log}", Ct);
            await scene.RestartAsync(Ct);
            await WaitsAsync(scene, Number(n));
        }

        // Decided while no server runs: nobody was told, so the next start tells.
        await scene.Server.KillAsync();
        var decided = await Pw.RunAsync(["approvals", "approve", first, "--user", "admin", "--note", "checked", "--data", scene.Data], scene.Settings, Ct, "admin");
        Assert.True(decided.ExitCode == 0, decided.Error);
        // That start dies right before the workflow's first step after the wake-up, the next right after it.
        await scene.RestartAsync(Ct, $"before:1:{Number(0)}");
        await Scene.UntilAsync(() => Task.FromResult(scene.Server.HasEnded), () => "the woken server dies: " + scene.Server.Log, Ct);
        await scene.RestartAsync(Ct, $"after:1:{Number(0)}");
        await Scene.UntilAsync(() => Task.FromResult(scene.Server.HasEnded), () => "the woken server dies again: " + scene.Server.Log, Ct);
        await scene.RestartAsync(Ct);
        await scene.CompletedAsync(Number(0), Ct);
        await scene.AssertServedOnceAsync(Number(0), Ct);

        foreach (var n in (int[])[1, 2])
        {
            await scene.CallAsync(HttpMethod.Post, $"/api/v1/admin/approvals/{await WaitsAsync(scene, Number(n))}/decide", new { decision = "approve" }, Ct);
            await scene.CompletedAsync(Number(n), Ct);
            await scene.AssertServedOnceAsync(Number(n), Ct);
        }

        // Rejected: nothing is filed, a ToDo tells why, and saved answers ask again.
        var id = await WaitsAsync(scene, Number(3));
        await scene.CallAsync(HttpMethod.Post, $"/api/v1/admin/approvals/{id}/decide", new { decision = "reject", note = "the revenue looks wrong" }, Ct);
        await Scene.UntilAsync(async () => (await scene.ToDosAsync(Number(3), Ct)).Any(t => Scene.Text(t, "marker") == "approval-rejected"), () => "a ToDo tells of the rejection", Ct);
        Assert.Contains("the revenue looks wrong", Assert.Single(await scene.ToDosAsync(Number(3), Ct)).GetProperty("instructions").GetString(), StringComparison.Ordinal);
        var seen = await scene.ShowAsync(Number(3), Ct);
        Assert.Contains("Rejected by Sandbox Admin", Scene.Text(seen, "hold_reason"), StringComparison.Ordinal);
        Assert.Equal(0, scene.Usac.CountFilings(Number(3)));
        var intake = Sandbox.Stripe.DemoOrder.IntakeData(DateTimeOffset.UtcNow.Year);
        await scene.CallAsync(HttpMethod.Put, $"/api/v1/admin/orders/{Number(3)}/intake", new { intake_data = intake }, Ct);
        var again = "";
        await Scene.UntilAsync(async () => (again = await WaitingAsync(scene, Number(3)) is [var one] ? one : "").Length > 0 && again != id, () => "it asks again", Ct);
        Assert.Empty(await scene.ToDosAsync(Number(3), Ct));
        Assert.Contains("approval", Scene.Text(await scene.ShowAsync(Number(3), Ct), "hold_reason"), StringComparison.Ordinal);
        Assert.DoesNotContain("/approvals/link?t=", scene.Logs, StringComparison.Ordinal);
    }

    private static string Number(int n) => string.Create(CultureInfo.InvariantCulture, $"CO-{0xA0000000 + n:X8}");

    private static async Task<string> PrepareAsync(Scene scene, int n) => Scene.Text(await scene.CheckoutAsync(
        new { service_slug = "fcc-499a", order_number = Number(n), email = $"{Number(n).ToLowerInvariant()}@prairiewavetelecom.net", deliver = false, entity = 1, approval_required = true }, Ct), "event_id")!;

    private static Task DeliverAsync(Scene scene, string eventId) => scene.SandboxAsync("stripe/_resend", new { event_id = eventId }, Ct);

    private static async Task<IReadOnlyList<string>> WaitingAsync(Scene scene, string order) =>
        [.. (await scene.CallAsync(HttpMethod.Get, "/api/v1/admin/approvals?status=waiting&order_number=" + order, null, Ct)).GetProperty("approvals").EnumerateArray().Select(a => a.GetProperty("id").GetString()!)];

    /// <summary>Waits until the order waits for an approval, and gives its only request.</summary>
    private static async Task<string> WaitsAsync(Scene scene, string order)
    {
        await scene.HasStatusAsync(order, "ready_to_file", Ct);
        var all = await scene.CallAsync(HttpMethod.Get, "/api/v1/admin/approvals?order_number=" + order, null, Ct);
        var id = Assert.Single(all.GetProperty("approvals").EnumerateArray()).GetProperty("id").GetString()!;
        Assert.Equal([id], await WaitingAsync(scene, order));
        return id;
    }

    private static int Commits(Scene scene) => scene.Server.Log.Split('\n').Count(l => l.Contains("[kill-point] commit ", StringComparison.Ordinal));
}
