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

    /// <summary>Publishes with the button of the toolbar.</summary>
    public async Task PublishAsync()
    {
        var saved = SavedAsync(publish: true);
        await page.Locator(".mud-toolbar button.mud-primary-text").ClickAsync(); // the cloud
        await saved;
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
