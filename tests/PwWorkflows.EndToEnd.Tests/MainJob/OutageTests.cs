using System.Text.Json.Nodes;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.MainJob;

/// <summary>The outside fails in every way it can; orders wait and go on by themselves, or tell a person what to do.</summary>
public sealed class OutageTests : IAsyncLifetime
{
    private Scene _scene = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string MapPath => Path.Combine(_scene.Folder, "page-map.json");

    public async ValueTask InitializeAsync() => _scene = await Scene.StartAsync(Ct, configure: s =>
    {
        File.Copy(Path.Combine(S3Server.Root(), "portals", "usac-499a.json"), Path.Combine(s.Folder, "page-map.json"));
        s.Settings["USAC_PAGE_MAP"] = Path.Combine(s.Folder, "page-map.json");
        s.Settings["USAC_SESSION_WATCH_SECONDS"] = "1";
    });

    public ValueTask DisposeAsync() => _scene.DisposeAsync();

    [Fact]
    public async Task Erpnext_down_for_a_minute_delays_an_order_and_nobody_has_to_help()
    {
        _scene.Fault(_scene.Erp, "status", "/api/", status: 503);
        var order = await _scene.OrderAsync(Ct);
        await Scene.UntilAsync(() => Task.FromResult(Refused() > 0), () => "ERPNext is asked", Ct);
        for (var second = 0; second < 60; second += 6) await _scene.AdvanceAsync(6, Ct);
        await Scene.UntilAsync(() => Task.FromResult(Refused() > 1), () => "ERPNext is asked again", Ct);
        Assert.Equal(0, _scene.Usac.CountFilings(order));
        _scene.Erp.Faults.Clear();
        await _scene.CompletedInTimeAsync(order, Ct);
        await _scene.AssertServedOnceAsync(order, Ct);
        Assert.Empty(await _scene.ToDosAsync(order, Ct, all: true));

        int Refused() => _scene.Erp.Log.Read().Count(e => e.Status == 503);
    }

    [Fact]
    public async Task A_missing_an_expired_and_a_mid_form_ended_session_each_wait_for_a_new_one_and_go_on()
    {
        // Missing: the stored one is taken away.
        Directory.Delete(Path.Combine(_scene.Data, "objects", "playwright-storage", "usac", "2"), recursive: true);
        var missing = await _scene.OrderAsync(Ct, entity: 2);
        var waits = await _scene.HasStatusAsync(missing, "waiting_on_activation", Ct);
        Assert.Contains("no stored USAC session", Scene.Text(waits, "hold_reason"), StringComparison.Ordinal);

        // Expired: the portal has ended it.
        _scene.Usac.ExpireSessions();
        var expired = await _scene.OrderAsync(Ct, entity: 3);
        waits = await _scene.HasStatusAsync(expired, "waiting_on_activation", Ct);
        Assert.Contains("no longer works", Scene.Text(waits, "hold_reason"), StringComparison.Ordinal);

        // Ended in the middle of the form.
        await _scene.StoreSessionAsync(Ct, 1);
        _scene.Fault(_scene.Usac, "expired_session", "/block-4a", "POST", count: 1);
        var midForm = await _scene.OrderAsync(Ct, entity: 1);
        await _scene.HasStatusAsync(midForm, "waiting_on_activation", Ct);

        Assert.Equal(0, _scene.Usac.CountFilings());
        string[] orders = [midForm, missing, expired];
        foreach (var order in orders)
        {
            var todo = Assert.Single(await _scene.ToDosAsync(order, Ct));
            Assert.Equal("usac-session-missing", Scene.Text(todo, "marker"));
            Assert.Contains("Sign in to USAC E-File", Scene.Text(todo, "instructions"), StringComparison.Ordinal);
        }

        for (var entity = 1; entity <= 3; entity++) await _scene.StoreSessionAsync(Ct, entity);
        foreach (var order in orders)
        {
            await _scene.CompletedAsync(order, Ct);
            await _scene.AssertServedOnceAsync(order, Ct);
            Assert.Empty(await _scene.ToDosAsync(order, Ct));
        }

        // The form begun before the session ended was gone on with.
        Assert.Equal(3, _scene.Usac.Log.Read().Count(e => e is { Method: "POST", Path: "/usac/forms" }));
    }

    [Fact]
    public async Task A_portal_under_maintenance_is_tried_again_later_and_the_failed_screen_is_kept()
    {
        _scene.Fault(_scene.Usac, "maintenance", "/block-3", "GET");
        var order = await _scene.OrderAsync(Ct);
        await Scene.UntilAsync(() => Task.FromResult(Evidence(order).Any(f => f.StartsWith("failed-", StringComparison.Ordinal) && f.EndsWith("messages.json", StringComparison.Ordinal))), () => "the failed attempt leaves its screen", Ct);
        Assert.Equal(0, _scene.Usac.CountFilings(order));

        _scene.Usac.Faults.Clear();
        await _scene.CompletedInTimeAsync(order, Ct);
        await _scene.AssertServedOnceAsync(order, Ct);
        Assert.Empty(await _scene.ToDosAsync(order, Ct, all: true));
        await _scene.VerifyEvidenceAsync(Ct, order);
    }

    [Fact]
    public async Task A_moved_box_stops_the_order_until_an_operator_mends_the_page_map()
    {
        _scene.Fault(_scene.Usac, "changed_layout", "/block-3", field: "303.1.a");
        var order = await _scene.OrderAsync(Ct);
        var stuck = await _scene.UntilAsync(order, o => o.GetProperty("workflow_instances").EnumerateArray().Any(i => Scene.Text(i, "status") == "faulted"), "stuck", Ct);
        Assert.Equal(0, _scene.Usac.CountFilings(order));
        Assert.Contains(await _scene.ToDosAsync(order, Ct), t => Scene.Text(t, "marker") == "usac-page-changed" && Scene.Text(t, "instructions")!.Contains("303.1.a", StringComparison.Ordinal));
        Assert.Contains(Evidence(order), f => f.StartsWith("failed-", StringComparison.Ordinal) && f.EndsWith("block-3.png", StringComparison.Ordinal));

        var map = JsonNode.Parse(await File.ReadAllTextAsync(MapPath, Ct))!;
        map["version"] = "mended";
        map["steps"]!.AsArray().Single(s => s!["key"]!.GetValue<string>() == "block-3")!["fields"] = new JsonArray(new JsonObject { ["name"] = "303.1.a", ["selector"] = "#l-303-1-a-v2" });
        await File.WriteAllTextAsync(MapPath, map.ToJsonString(), Ct);
        await _scene.RestartAsync(Ct);
        var instance = Scene.Text(stuck.GetProperty("workflow_instances").EnumerateArray().Single(i => Scene.Text(i, "status") == "faulted"), "id");
        await _scene.CallAsync(HttpMethod.Post, $"/api/v1/admin/workflow-instances/{instance}/retry", null, Ct);
        await _scene.CompletedAsync(order, Ct);
        await _scene.AssertServedOnceAsync(order, Ct);
        Assert.Empty(await _scene.ToDosAsync(order, Ct));
        Assert.Contains("\"page_map_version\": \"mended\"", await File.ReadAllTextAsync(Path.Combine(Folder(order), "manifest.json"), Ct), StringComparison.Ordinal);
    }

    private string Folder(string order) => Path.Combine(_scene.Data, "objects", "filings", "fcc-499a", order, "evidence");

    private IEnumerable<string> Evidence(string order) => Directory.Exists(Folder(order)) ? Directory.EnumerateFiles(Folder(order)).Select(f => Path.GetFileName(f)!) : [];
}
