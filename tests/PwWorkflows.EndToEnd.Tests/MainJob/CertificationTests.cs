using System.Text.Json.Nodes;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Sandbox.Stripe;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.EndToEnd.Tests.MainJob;

/// <summary>Only an officer's word for exactly these values certifies a form; and a running order keeps the workflow it began with.</summary>
public sealed class CertificationTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_an_officers_word_for_exactly_these_values_the_form_stays_saved_until_it_is_given()
    {
        await using var scene = await Scene.StartAsync(Ct);
        var order = Scene.Text(await scene.CheckoutAsync(new { service_slug = "fcc-499a", officer_authorization = false, entity = 1 }, Ct), "order_number")!;
        await scene.HasStatusAsync(order, "awaiting_authorization", Ct);
        var authorization = DemoOrder.OfficerAuthorization(UsacDemo.Default, scene.Sandbox.Clock.GetUtcNow().Year, scene.Sandbox.Clock.GetUtcNow());
        var todo = Assert.Single(await scene.ToDosAsync(order, Ct));
        Assert.Equal("officer-authorization-missing", Scene.Text(todo, "marker"));
        Assert.Contains(authorization["officer_name"]!.GetValue<string>(), Scene.Text(todo, "instructions"), StringComparison.Ordinal);
        Assert.Contains(authorization["values_sha256"]!.GetValue<string>(), Scene.Text(todo, "instructions"), StringComparison.Ordinal);
        Assert.Equal(0, scene.Usac.CountFilings());
        Assert.Contains(scene.Usac.Log.Read(), e => e is { Method: "POST", Path: "/usac/forms" });
        Assert.DoesNotContain(scene.Usac.Log.Read(), e => e.Method == "POST" && e.Path.EndsWith("/certify", StringComparison.Ordinal));

        // A word for other values is no word for these.
        var other = (JsonObject)authorization.DeepClone();
        other["values_sha256"] = new string('0', 64);
        await scene.CallAsync(HttpMethod.Post, $"/api/v1/admin/orders/{order}/officer-authorization", other, Ct);
        await scene.UntilAsync(order, o => o.GetProperty("timeline").EnumerateArray().Count(t => Scene.Text(t, "event") == "saved-unsubmitted") == 2, "looked at again and still saved", Ct);
        Assert.Equal(0, scene.Usac.CountFilings());

        await scene.CallAsync(HttpMethod.Post, $"/api/v1/admin/orders/{order}/officer-authorization", authorization, Ct);
        await scene.CompletedAsync(order, Ct);
        await scene.AssertServedOnceAsync(order, Ct);
        Assert.Empty(await scene.ToDosAsync(order, Ct));
        Assert.Single(scene.Usac.Log.Read(), e => e is { Method: "POST", Path: "/usac/forms" });
    }

    [Fact]
    public async Task An_order_ends_on_the_version_it_began_with_and_the_next_runs_the_new_one()
    {
        await using var scene = await Scene.StartAsync(Ct, configure: s =>
        {
            Copy(Path.Combine(S3Server.Root(), "workflows"), Path.Combine(s.Folder, "workflows"));
            s.Settings["PW_WORKFLOWS"] = Path.Combine(s.Folder, "workflows");
            s.Settings["USAC_SESSION_WATCH_SECONDS"] = "1";
        });
        Directory.Delete(Path.Combine(scene.Data, "objects", "playwright-storage", "usac", "2"), recursive: true);
        var old = await scene.OrderAsync(Ct, entity: 2);
        await scene.HasStatusAsync(old, "waiting_on_activation", Ct);

        var file = Path.Combine(scene.Folder, "workflows", "services", "service-fcc-499a.json");
        var definition = JsonNode.Parse(await File.ReadAllTextAsync(file, Ct))!;
        definition["description"] = "Files the form; second version.";
        await File.WriteAllTextAsync(file, definition.ToJsonString(), Ct);
        // Another process imports; the server looks for changes once a second.
        int Changes() => scene.Server.Log.Split("The published workflows have changed").Length;
        var changes = Changes();
        var import = await Pw.RunAsync(["workflows", "import", "--data", scene.Data], scene.Settings, Ct);
        Assert.True(import.ExitCode == 0, import.Output + import.Error);

        await Scene.UntilAsync(() => Task.FromResult(Changes() > changes), () => $"the server runs the new version:\n{scene.Server.Log}", Ct);
        var next = await scene.OrderAsync(Ct, entity: 1);
        await scene.CompletedAsync(next, Ct);
        await scene.StoreSessionAsync(Ct, 2);
        await scene.CompletedAsync(old, Ct);
        Assert.Equal((1, 2), (await VersionAsync(scene, old), await VersionAsync(scene, next)));
        await scene.AssertServedOnceAsync(old, Ct);
        await scene.AssertServedOnceAsync(next, Ct);
    }

    private static async Task<int> VersionAsync(Scene scene, string order) =>
        (await scene.ShowAsync(order, Ct)).GetProperty("workflow_instances").EnumerateArray().Single(i => Scene.Text(i, "definition_id") == "service-fcc-499a").GetProperty("version").GetInt32();

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*.json", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }
}
