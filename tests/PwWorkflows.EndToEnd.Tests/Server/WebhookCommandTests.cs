using System.Globalization;
using System.Text.Json;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.EndToEnd.Tests.MainJob;

namespace PwWorkflows.EndToEnd.Tests.Server;

/// <summary><c>pw webhooks</c>: what came to nothing is delivered again by a person, and nothing else is.</summary>
public sealed class WebhookCommandTests
{
    // A service without a workflow: the order is paid and stays queued.
    private const string Slug = "fcc-compliance-checkup";
    private const string Order = "CO-5E91A700";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static Task<PwResult> PwAsync(Scene scene, params string[] args) => Pw.RunAsync(["webhooks", .. args, "--data", scene.Data], scene.Settings, Ct);

    private static async Task<List<JsonElement>> ListAsync(Scene scene, params string[] args)
    {
        var result = await PwAsync(scene, ["list", "--json", .. args]);
        Assert.True(result.ExitCode == 0, result.Error);
        return [.. JsonSerializer.Deserialize<JsonElement>(result.Output).EnumerateArray()];
    }

    private static string Id(JsonElement line) => line.GetProperty("id").GetInt64().ToString(CultureInfo.InvariantCulture);

    private static async Task RefusedAsync(Scene scene, string id, string because, string? server = null)
    {
        var result = await PwAsync(scene, "replay", id, "--server", server ?? scene.Server.BaseUrl.ToString());
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
        Assert.StartsWith("pw: ", result.Error, StringComparison.Ordinal);
        Assert.Contains(because, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Event_that_was_given_up_is_delivered_again_and_pays_its_order_and_no_other_event_is_replayed()
    {
        await using var scene = await Scene.StartAsync(Ct);
        var early = await scene.CheckoutAsync(new { service_slug = Slug, order_number = Order, place = false }, Ct);
        Assert.Equal(200, Assert.Single(early.GetProperty("deliveries").EnumerateArray()).GetProperty("status").GetInt32());
        var eventId = Scene.Text(early, "event_id")!;
        using (var forged = await scene.Server.Http.PostAsync("/api/v1/webhooks/stripe", new StringContent("""{"id":"evt_forged","type":"checkout.session.completed"}"""), Ct))
            Assert.Equal(400, (int)forged.StatusCode);

        var waiting = Assert.Single(await ListAsync(scene, "--status", "waiting"));
        Assert.Equal(("stripe", eventId, "checkout.session.completed"), (Scene.Text(waiting, "provider"), Scene.Text(waiting, "event_id"), Scene.Text(waiting, "event_type")));
        await RefusedAsync(scene, Id(waiting), "looked at again by itself");
        var forgedLine = Assert.Single(await ListAsync(scene, "--status", "rejected"));
        await RefusedAsync(scene, Id(forgedLine), "nothing proves who sent it");
        await RefusedAsync(scene, "999999", "there is no line 999999");
        Assert.Equal([Id(forgedLine), Id(waiting)], (await ListAsync(scene)).Select(Id));

        await scene.AdvanceAsync(25 * 3600, Ct);
        await Scene.UntilAsync(async () => (await ListAsync(scene, "--status", "gave_up")).Count == 1, () => "the event is given up:\n" + scene.Server.Log, Ct);
        // The server's clock goes right again: the event is signed by the machine's.
        await scene.RestartAsync(Ct);
        await RefusedAsync(scene, Id(waiting), "did not answer", "http://127.0.0.1:1");
        await scene.CheckoutAsync(new { service_slug = Slug, order_number = Order, deliver = false }, Ct);
        Assert.Equal("pending", Scene.Text(await scene.ShowAsync(Order, Ct), "status"));

        var replay = await PwAsync(scene, "replay", Id(waiting), "--server", scene.Server.BaseUrl.ToString());
        Assert.True(replay.ExitCode == 0, replay.Error);
        Assert.Equal($"delivered {eventId}, answered 200", replay.Output.Trim());
        await scene.UntilAsync(Order, o => (Scene.Text(o, "status"), Scene.Text(o, "fulfillment_status")) == ("paid", "service_queued"), "paid and queued", Ct);

        var applied = Assert.Single(await ListAsync(scene, "--order", Order));
        Assert.Equal(("applied", eventId), (Scene.Text(applied, "status"), Scene.Text(applied, "event_id")));
        await RefusedAsync(scene, Id(applied), "It has been applied");
        await RefusedAsync(scene, Id(waiting), "replayed already");
        var table = await PwAsync(scene, "list");
        Assert.Equal(0, table.ExitCode);
        Assert.All((string[])["ID", "STATUS", "applied", "gave_up", "rejected", eventId, Order], part => Assert.Contains(part, table.Output, StringComparison.Ordinal));
    }
}
