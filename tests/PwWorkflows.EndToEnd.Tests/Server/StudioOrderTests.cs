using System.Text.Json;
using Microsoft.Playwright;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.EndToEnd.Tests.MainJob;

namespace PwWorkflows.EndToEnd.Tests.Server;

/// <summary>An operator changes the workflow of a service in the real designer; the next order is served by it.</summary>
public sealed class StudioOrderTests
{
    private const string Id = "service-fcc-499a";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_service_moved_edited_and_published_in_the_designer_serves_the_next_order_and_the_viewer_shows_its_journal()
    {
        await using var scene = await Scene.StartAsync(Ct);
        await using var browser = await StudioBrowser.StartAsync(scene.Server.BaseUrl, 1920, 1200);
        var page = browser.Page;
        var designer = new Designer(page);
        await browser.SignInAsync("operator", "/studio/host/editor?id=" + Id);

        // Everything of ours is there, with what the catalogue says of it.
        var before = await LatestAsync(scene);
        var activities = before.GetProperty("root").GetProperty("activities").EnumerateArray().ToList();
        var catalogue = (await scene.CallAsync(HttpMethod.Get, "/elsa/api/descriptors/activities", null, Ct)).GetProperty("items").EnumerateArray().ToLookup(d => d.GetProperty("typeName").GetString()!);
        await designer.ShowAllAsync(activities.Count);
        var ours = activities.Where(a => a.GetProperty("type").GetString()!.StartsWith("Pw.", StringComparison.Ordinal)).ToList();
        Assert.True(ours.Count >= 7, $"{ours.Count} activities of ours");
        foreach (var activity in ours)
        {
            var descriptor = catalogue[activity.GetProperty("type").GetString()!].First();
            var (id, kind) = (activity.GetProperty("id").GetString()!, descriptor.GetProperty("displayName").GetString()!);
            var box = designer.Box(id);
            await box.Locator(".activity-label", new() { HasTextString = activity.GetProperty("metadata").GetProperty("displayText").GetString() }).WaitForAsync();
            await box.Locator(".activity-type", new() { HasTextString = kind }).WaitForAsync();
            await box.Locator(".activity-icon svg").First.WaitForAsync();
            // The picker opens one category at a time and holds the others folded.
            var category = page.Locator(".mud-expand-panel", new() { Has = page.Locator(".mud-expand-panel-text", new() { HasTextString = descriptor.GetProperty("category").GetString() }) });
            await category.Locator("[draggable=true]", new() { HasTextString = kind }).First.WaitForAsync(new() { State = WaitForSelectorState.Attached });
            await designer.ChooseAsync(id);
            foreach (var input in descriptor.GetProperty("inputs").EnumerateArray().Where(i => i.GetProperty("isBrowsable").GetBoolean())) await page.GetByText(input.GetProperty("description").GetString()!).First.WaitForAsync();
        }

        // To move something makes no version; to change something does.
        var (x, y) = await designer.MoveAsync("deliver", 10, 120);
        Assert.NotEqual(Place(before), (x, y));
        await Scene.UntilAsync(async () => Place(await LatestAsync(scene)) == (x, y), () => "where it was moved to is saved", Ct);
        var moved = await LatestAsync(scene);
        Assert.Equal((before.GetProperty("version").GetInt32(), true), (moved.GetProperty("version").GetInt32(), moved.GetProperty("isPublished").GetBoolean()));
        await designer.ChooseAsync("deliver");
        await designer.WriteAsync(designer.Input("Name of the service in the mail."), "FCC Form 499-A, as the designer calls it");
        await browser.PictureAsync("editor-service-fcc-499a-edited");
        await designer.PublishAsync();
        var after = await LatestAsync(scene);
        Assert.Equal((before.GetProperty("version").GetInt32() + 1, true), (after.GetProperty("version").GetInt32(), after.GetProperty("isPublished").GetBoolean()));
        Assert.Equal((x, y), Place(after));

        var order = await scene.OrderAsync(Ct);
        await scene.CompletedAsync(order, Ct);
        var confirmation = await scene.AssertServedOnceAsync(order, Ct);
        Assert.Contains("FCC Form 499-A, as the designer calls it", Assert.Single(await scene.FiledMailsAsync(confirmation, Ct)).Text, StringComparison.Ordinal);

        // The order's page leads to the viewer, which tells what the new version did.
        await page.GotoAsync("/orders/" + order);
        await page.Locator(".timeline a", new() { HasText = $"{Id} version {after.GetProperty("version").GetInt32()}" }).First.ClickAsync();
        await page.WaitForURLAsync("**/studio/host/instance?id=*");
        await page.Locator("tr", new() { HasText = "Definition version" }).GetByText("2", new() { Exact = true }).First.WaitForAsync();
        foreach (var step in (string[])["Check Intake", "Open USAC Session", "File Form 499-A", "Keep Evidence", "Deliver Filing"]) await page.Locator(".mud-timeline-item", new() { HasText = step + " - Completed" }).First.WaitForAsync();
        await browser.PictureAsync("instance-service-fcc-499a");
    }

    private static Task<JsonElement> LatestAsync(Scene scene) => scene.CallAsync(HttpMethod.Get, $"/elsa/api/workflow-definitions/by-definition-id/{Id}?versionOptions=Latest", null, Ct);

    private static (double X, double Y) Place(JsonElement definition)
    {
        var position = definition.GetProperty("root").GetProperty("activities").EnumerateArray().Single(a => a.GetProperty("id").GetString() == "deliver").GetProperty("metadata").GetProperty("designer").GetProperty("position");
        return (position.GetProperty("x").GetDouble(), position.GetProperty("y").GetDouble());
    }
}
