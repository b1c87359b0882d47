using System.Globalization;
using System.Text.Json;
using Microsoft.Playwright;

namespace PwWorkflows.EndToEnd.Tests.Infrastructure;

/// <summary>A person's hands in Studio's designer: everything is done with the real mouse and keyboard on the page that is open.</summary>
/// <param name="page">The page with the editor.</param>
public sealed class Designer(IPage page)
{
    /// <summary>The activity's box on the canvas.</summary>
    public ILocator Box(string activityId) => page.Locator($".x6-node[data-cell-id='{activityId}']");

    /// <summary>The control of an input of the chosen activity, found by what stands below it.</summary>
    public ILocator Input(string description) => page.Locator(".mud-input-control", new() { HasText = description }).Locator("input, textarea").First;

    /// <summary>The row of an input of the chosen activity, found by its label.</summary>
    public ILocator Row(string label) => page.Locator(".d-flex.flex-row.gap-3", new() { Has = page.GetByText(label, new() { Exact = true }) }).Last;

    /// <summary>Drags an activity from the picker onto the canvas.</summary>
    /// <param name="category">The picker's category.</param>
    /// <param name="kind">What the picker calls the activity.</param>
    /// <param name="name">The name that Studio gives it.</param>
    /// <param name="x">Where on the page it goes.</param>
    /// <param name="y">Where on the page it goes.</param>
    /// <returns>The id that Studio gave it.</returns>
    public async Task<string> DropAsync(string category, string kind, string name, float x, float y)
    {
        var panel = page.Locator(".mud-expand-panel", new() { Has = page.Locator(".mud-expand-panel-header").GetByText(category, new() { Exact = true }) });
        var chip = panel.Locator("[draggable=true]", new() { Has = page.GetByText(kind, new() { Exact = true }) });
        if (!(await panel.GetAttributeAsync("class"))!.Contains("mud-panel-expanded", StringComparison.Ordinal)) await panel.Locator(".mud-expand-panel-header").ClickAsync();
        await chip.HoverAsync(); // waits until it stands still
        var saved = SavedAsync(publish: false, holding: name);
        await page.Mouse.DownAsync();
        await page.Mouse.MoveAsync(x - 20, y - 10, new() { Steps = 5 });
        await page.Mouse.MoveAsync(x, y, new() { Steps = 5 });
        await page.Mouse.UpAsync();
        await saved;
        return await page.Locator(".x6-node", new() { Has = page.GetByText(name, new() { Exact = true }) }).GetAttributeAsync("data-cell-id") ?? throw new InvalidOperationException(name + " has no id.");
    }

    /// <summary>Draws a connection from a port to an activity's entry.</summary>
    public async Task ConnectAsync(string from, string port, string to)
    {
        var edges = page.Locator(".x6-edge");
        var before = await edges.CountAsync();
        var (start, end) = (Port(from, port), Port(to, "In"));
        var saved = SavedAsync(publish: false);
        await start.HoverAsync();
        await page.Mouse.DownAsync();
        var target = await end.BoundingBoxAsync() ?? throw new InvalidOperationException($"{to} has no entry.");
        await page.Mouse.MoveAsync(target.X + (target.Width / 2), target.Y + (target.Height / 2), new() { Steps = 10 });
        await page.Mouse.UpAsync();
        await Assertions.Expect(edges).ToHaveCountAsync(before + 1, new() { Timeout = 120_000 });
        await saved;
    }

    private ILocator Port(string activityId, string port) => Box(activityId).Locator($".x6-port-body[port='{port}'] .elsa-designer-port-hit-area");

    /// <summary>Makes an input of the chosen activity a JavaScript expression and types it into the editor, and waits until Studio has saved it.</summary>
    public async Task WriteJavaScriptAsync(string label, string script)
    {
        var row = Row(label);
        await row.Locator(".mud-menu button").ClickAsync();
        // The editor knows the helper functions only after it is there.
        await page.RunAndWaitForResponseAsync(() => page.Locator(".mud-popover-open").GetByText("JavaScript", new() { Exact = true }).ClickAsync(), r => r.Url.Contains("/scripting/javascript/type-definitions/", StringComparison.Ordinal));
        var saved = SavedAsync(publish: false, holding: script);
        await row.Locator(".monaco-editor").First.ClickAsync();
        await page.Keyboard.InsertTextAsync(script);
        await saved;
    }

    /// <summary>Waits until the canvas has drawn all activities, and makes it show them all.</summary>
    public async Task ShowAllAsync(int activities)
    {
        await Assertions.Expect(page.Locator(".x6-node")).ToHaveCountAsync(activities, new() { Timeout = 120_000 });
        await page.Locator(".mud-toolbar button").First.ClickAsync(); // the frame: zoom to fit
    }

    /// <summary>Chooses an activity, so that its inputs are shown.</summary>
    public Task ChooseAsync(string activityId) => Box(activityId).Locator(".activity-label").ClickAsync(new() { Force = true }); // the frame of a chosen one lies over it

    /// <summary>Drags an activity over the canvas.</summary>
    /// <returns>Where its upper left corner is afterwards, in the canvas's own measure.</returns>
    public async Task<(double X, double Y)> MoveAsync(string activityId, float right, float down)
    {
        var icon = await Box(activityId).Locator(".activity-icon").BoundingBoxAsync() ?? throw new InvalidOperationException($"{activityId} is not shown.");
        var (x, y) = (icon.X + (icon.Width / 2), icon.Y + (icon.Height / 2));
        await page.Mouse.MoveAsync(x, y);
        await page.Mouse.DownAsync();
        await page.Mouse.MoveAsync(x + right, y + down, new() { Steps = 10 });
        await page.Mouse.UpAsync();
        var transform = await Box(activityId).GetAttributeAsync("transform") ?? "";
        double[] place = [.. transform["translate(".Length..^1].Split(',').Select(n => double.Parse(n, CultureInfo.InvariantCulture))];
        return (place[0], place[1]);
    }

    /// <summary>Writes into an input and leaves it, and waits until Studio has saved that by itself.</summary>
    public async Task WriteAsync(ILocator input, string text)
    {
        var saved = SavedAsync(publish: false, holding: text);
        await input.FillAsync(text);
        await input.PressAsync("Tab");
        await saved;
    }

    /// <summary>Picks an item of a drop-down input, and waits until Studio has saved it. A save that comes back meanwhile draws the panel anew and folds the list: it is opened again then.</summary>
    public async Task PickAsync(string description, string item)
    {
        var saved = SavedAsync(publish: false);
        var option = page.Locator(".mud-popover-open").GetByText(item, new() { Exact = true });
        for (var tries = 0; ; tries++)
        {
            await page.Locator(".mud-input-control", new() { HasText = description }).First.ClickAsync(new() { Force = true });
            try
            {
                await option.ClickAsync(new() { Timeout = 10_000 });
                break;
            }
            catch (TimeoutException) when (tries < 12)
            {
            }
        }

        await saved;
    }

    /// <summary>Publishes with the button of the toolbar.</summary>
    public async Task PublishAsync()
    {
        var saved = SavedAsync(publish: true);
        await page.Locator(".mud-toolbar button.mud-primary-text").ClickAsync(); // the cloud
        await saved;
    }

    /// <summary>Takes the published version back with the menu of the toolbar.</summary>
    public async Task UnpublishAsync()
    {
        await page.Locator(".mud-toolbar .mud-menu button").First.ClickAsync();
        var response = await page.RunAndWaitForResponseAsync(() => page.Locator(".mud-popover-open").GetByText("Unpublish", new() { Exact = true }).ClickAsync(), r => r.Url.EndsWith("/retract", StringComparison.Ordinal));
        if (!response.Ok) Assert.Fail($"{response.Status}: {await response.TextAsync()}");
    }

    /// <summary>The server's answer to a save that Studio sends.</summary>
    /// <param name="publish">Whether it publishes.</param>
    /// <param name="holding">A text that what is saved must hold.</param>
    public async Task SavedAsync(bool publish, string? holding = null)
    {
        var response = await page.WaitForResponseAsync(r => r.Request.Method == "POST" && r.Url.EndsWith("/elsa/api/workflow-definitions", StringComparison.Ordinal) && Is(r.Request.PostData));
        if (!response.Ok) Assert.Fail($"{response.Status}: {await response.TextAsync()}"); // the body of a good one may be gone already

        bool Is(string? body)
        {
            if (body is null) return false;
            var sent = JsonSerializer.Deserialize<JsonElement>(body);
            return sent.TryGetProperty("publish", out var publishes) && publishes.GetBoolean() == publish && (holding is null || Holds(sent, holding));
        }
    }

    /// <summary>Whether a value is somewhere in it, however it is escaped.</summary>
    private static bool Holds(JsonElement json, string text) => json.ValueKind switch
    {
        JsonValueKind.Object => json.EnumerateObject().Any(p => Holds(p.Value, text)),
        JsonValueKind.Array => json.EnumerateArray().Any(e => Holds(e, text)),
        JsonValueKind.String => json.GetString()!.Contains(text, StringComparison.Ordinal),
        _ => false,
    };
}
