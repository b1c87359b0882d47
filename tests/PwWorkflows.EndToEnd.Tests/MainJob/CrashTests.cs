using System.Globalization;
using System.Text.RegularExpressions;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Sandbox.Mail;

namespace PwWorkflows.EndToEnd.Tests.MainJob;

/// <summary>
/// The server is killed (SIGKILL) at every commit of the main job, each time with another order, and started again. The two databases take turns with the side of the commit:
/// SQLite right before it, PostgreSQL right after it.
/// </summary>
public abstract partial class CrashTests(PostgresFixture? postgres, string side)
{
    // An instance that three nodes have died under is parked at the fourth death; so many lives may pass before an order must be done.
    private const int LivesBetweenChecks = 3;

    [Fact]
    public async Task Killed_at_each_commit_and_started_again_every_order_is_filed_once_and_mailed_once()
    {
        var ct = TestContext.Current.CancellationToken;
        await using var scene = await Scene.StartAsync(ct, postgres);
        var first = Number(0);
        await scene.RestartAsync(ct, $"{side}:0:{first}");
        var prepared = await PrepareAsync(scene, first, ct);
        await DeliverAsync(scene, prepared, ct);
        await scene.CompletedAsync(first, ct);
        var commits = Commits(scene.Server).Count;
        Assert.True(commits > 20, $"The main job makes {commits} commits:\n{scene.Server.Log}");

        // The orders are placed before the commits are counted: what counts is what the event sets going.
        var events = new List<string>();
        for (var n = 1; n <= commits; n++) events.Add(await PrepareAsync(scene, Number(n), ct));
        var deaths = new List<string>();
        for (var n = 1; n <= commits; n++)
        {
            var order = Number(n);
            await scene.RestartAsync(ct, string.Create(CultureInfo.InvariantCulture, $"{side}:{n}:{order}"));
            if (n % LivesBetweenChecks == 1)
                for (var earlier = Math.Max(1, n - LivesBetweenChecks); earlier < n; earlier++) await EndedAsync(scene, Number(earlier), ct);
            await DeliverAsync(scene, events[n - 1], ct);
            var server = scene.Server;
            await Scene.UntilAsync(
                async () => server.HasEnded || Scene.Text(await TryShowAsync(scene, order, ct), "fulfillment_status") == "completed",
                () => $"the server is killed at commit {n}:\n{server.Log}", ct);
            // A slow machine renews a lease now and then, which is a commit more in one run than in another.
            if (server.HasEnded) deaths.Add(order);
            else Assert.True(Commits(server).Count < n, $"The server lives on after commit {n}:\n{server.Log}");
        }

        await scene.RestartAsync(ct);
        for (var n = 1; n <= commits; n++) await EndedAsync(scene, Number(n), ct);
        Assert.True(deaths.Count >= commits - 2, $"{deaths.Count} deaths at {commits} commits");
        var copies = 0;
        foreach (var order in deaths)
        {
            var confirmation = await scene.AssertServedOnceAsync(order, ct);
            MailView[] mails = [.. (await scene.FiledMailsAsync(confirmation, ct)).OrderBy(m => m.Id)];
            if (mails.Length == 1) continue;
            // A relay can't be asked whether it took a mail. So a death between the hand-over and its note, and nothing else, sends a copy, which says so:
            // a server ended between the two mails, and the hand-over was never noted twice.
            Assert.Equal(2, mails.Length);
            Assert.Equal(mails[0].MessageId, mails[1].MessageId);
            Assert.Equal([false, true], mails.Select(m => m.Headers.ContainsKey("X-PW-Possible-Repeat")));
            Assert.Contains(scene.Deaths, d => mails[0].ReceivedAt <= d && d <= mails[1].ReceivedAt);
            Assert.InRange(SentLine().Matches(scene.Logs).Count(m => m.Groups[1].Value == mails[0].MessageId), 0, 1);
            copies++;
        }

        // One death is meant to be there; the next orders' deaths may happen to be.
        Assert.InRange(copies, 0, LivesBetweenChecks);
        await scene.VerifyEvidenceAsync(ct);
    }

    [Fact]
    public async Task An_accepted_filing_whose_answer_never_arrives_is_not_filed_again_even_when_the_server_dies_then()
    {
        var ct = TestContext.Current.CancellationToken;
        await using var scene = await Scene.StartAsync(ct, postgres);
        scene.Fault(scene.Usac, "drop_answer", "/certify", "POST", count: 1);
        var lost = await scene.OrderAsync(ct);
        await scene.CompletedAsync(lost, ct);
        await scene.AssertServedOnceAsync(lost, ct);

        // The portal has it, the answer is held back, and the server dies waiting for it.
        scene.Usac.Faults.Clear();
        scene.Fault(scene.Usac, "slow", "/usac/filings/", "GET");
        var killed = await scene.OrderAsync(ct);
        await Scene.UntilAsync(() => Task.FromResult(scene.Usac.CountFilings(killed) > 0), () => "the portal has the filing", ct);
        await scene.RestartAsync(ct);
        scene.Usac.Faults.Clear();
        await scene.CompletedAsync(killed, ct);
        await scene.AssertServedOnceAsync(killed, ct);
        await scene.VerifyEvidenceAsync(ct);
    }

    private static string Number(int n) => string.Create(CultureInfo.InvariantCulture, $"CO-{0xC0000000 + n:X8}");

    // Each order has a customer of its own: making the customer and the portal account are commits of the job too.
    private static async Task<string> PrepareAsync(Scene scene, string order, CancellationToken ct) =>
        Scene.Text(await scene.CheckoutAsync(new { service_slug = "fcc-499a", order_number = order, email = $"{order.ToLowerInvariant()}@prairiewavetelecom.net", deliver = false, entity = 1 }, ct), "event_id")!;

    private static Task DeliverAsync(Scene scene, string eventId, CancellationToken ct) => scene.SandboxAsync("stripe/_resend", new { event_id = eventId }, ct);

    /// <summary>
    /// Waits until an order is completed and nothing of it runs any more: what a workflow has left to do after its order's last step would count one more death.
    /// </summary>
    private static Task EndedAsync(Scene scene, string order, CancellationToken ct) => scene.UntilAsync(
        order,
        seen => Scene.Text(seen, "fulfillment_status") == "completed"
            && seen.GetProperty("workflow_instances").EnumerateArray().All(i => Scene.Text(i, "status") is "finished" or "faulted"),
        "completed with all its workflows ended", ct);

    private static async Task<System.Text.Json.JsonElement> TryShowAsync(Scene scene, string order, CancellationToken ct)
    {
        try
        {
            return await scene.ShowAsync(order, ct);
        }
        catch (Exception e) when (e is HttpRequestException or System.Net.Sockets.SocketException)
        {
            // A connection whose other side dies between two system calls is told of as it is.
            return default;
        }
    }

    private static List<string> Commits(ServerProcess server) => [.. CommitLine().Matches(server.Log).Select(m => m.Groups[1].Value)];

    [GeneratedRegex(@"\[kill-point\] commit \d+: (.*)")]
    private static partial Regex CommitLine();

    [GeneratedRegex(@"\[mail\] Sent .* \((\S+)\)")]
    private static partial Regex SentLine();
}

public sealed class CrashOnSqliteTests() : CrashTests(null, "before");

public sealed class CrashOnPostgresTests(PostgresFixture postgres) : CrashTests(postgres, "after");
