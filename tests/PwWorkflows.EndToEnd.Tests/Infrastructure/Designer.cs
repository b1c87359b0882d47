using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Microsoft.Playwright;

namespace PwWorkflows.EndToEnd.Tests.Infrastructure;

/// <summary>
/// A person's hands in Studio's designer: everything is done with the real mouse and keyboard on the page that is open.
/// Studio saves by itself after each gesture and takes over what the server answers, which undoes a gesture that is made meanwhile. So each waits until the one before it is done, as a person does.
/// </summary>
public sealed class Designer
{
    /// <summary>The button that saves.</summary>
    public const string Disk = ".elsa-toolbar-icon button";

    /// <summary>The point beside the disk, which says whether all is saved.</summary>
    private const string Badge = ".elsa-toolbar-icon .mud-badge";

    private static readonly TimeSpan Still = TimeSpan.FromMilliseconds(500);

    private readonly IPage _page;
    private readonly ConcurrentDictionary<IRequest, bool> _unanswered = new();
    private long _asked = Environment.TickCount64;

    /// <param name="page">The page with the editor.</param>
    public Designer(IPage page)
    {
        _page = page;
        page.Request += (_, r) =>
        {
            if (!r.Url.Contains("/elsa/api/", StringComparison.Ordinal)) return;
            _unanswered[r] = true;
            Interlocked.Exchange(ref _asked, Environment.TickCount64);
        };
        page.Response += (_, r) => Answered(r.Request);
        page.RequestFailed += (_, r) => Answered(r);
        page.DOMContentLoaded += (_, _) => _unanswered.Clear(); // what another document asked for

        void Answered(IRequest request)
        {
            if (_unanswered.TryRemove(request, out bool _)) Interlocked.Exchange(ref _asked, Environment.TickCount64);
        }
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private ILocator Popover => _page.Locator(".mud-popover-open");

    /// <summary>The activity's box on the canvas.</summary>
    public ILocator Box(string activityId) => _page.Locator($".x6-node[data-cell-id='{activityId}']");

    /// <summary>The control of an input of the chosen activity, found by what stands below it.</summary>
    public ILocator Input(string description) => Control(description).Locator("input, textarea").First;

    private ILocator Control(string description) => _page.Locator(".mud-input-control", new() { HasText = description }).First;

    /// <summary>Waits until the canvas has drawn all activities, and makes it show them all.</summary>
    public async Task ShowAllAsync(int activities)
    {
        await Assertions.Expect(_page.Locator(".x6-node")).ToHaveCountAsync(activities, new() { Timeout = 60_000 });
        await _page.Locator(".mud-toolbar button").First.ClickAsync(); // the frame: zoom to fit
    }

    /// <summary>Chooses an activity, so that its inputs are shown.</summary>
    public Task ChooseAsync(string activityId) => Box(activityId).Locator(".activity-label").ClickAsync(new() { Force = true }); // the frame of a chosen one lies over it

    /// <summary>Drags an activity from the picker onto the canvas.</summary>
    /// <param name="category">The picker's category.</param>
    /// <param name="kind">What the picker calls the activity.</param>
    /// <param name="name">The name that Studio gives it.</param>
    /// <param name="x">Where on the page it goes.</param>
    /// <param name="y">Where on the page it goes.</param>
    /// <returns>The id that Studio gave it.</returns>
    public async Task<string> DropAsync(string category, string kind, string name, float x, float y)
    {
        var panel = _page.Locator(".mud-expand-panel", new() { Has = _page.Locator(".mud-expand-panel-header").GetByText(category, new() { Exact = true }) });
        var chip = panel.Locator("[draggable=true]", new() { Has = _page.GetByText(kind, new() { Exact = true }) });
        await DoneAsync(
            async () =>
            {
                if (!(await panel.GetAttributeAsync("class"))!.Contains("mud-panel-expanded", StringComparison.Ordinal)) await panel.Locator(".mud-expand-panel-header").ClickAsync();
                await panel.Locator(".mud-collapse-entered").WaitForAsync();
                await Assertions.Expect(_page.Locator(".mud-expand-panel .mud-collapse-exiting, .mud-expand-panel .mud-collapse-entering")).ToHaveCountAsync(0); // one unfolds while another folds up
                await chip.HoverAsync();
                await _page.Mouse.DownAsync();
                await _page.Mouse.MoveAsync(x - 20, y - 10, new() { Steps = 5 });
                await _page.Mouse.MoveAsync(x, y, new() { Steps = 5 });
                await _page.Mouse.UpAsync();
            },
            name);
        return await _page.Locator(".x6-node", new() { Has = _page.GetByText(name, new() { Exact = true }) }).GetAttributeAsync("data-cell-id") ?? throw new InvalidOperationException(name + " has no id.");
    }

    /// <summary>Draws a connection from a port to an activity's entry.</summary>
    public Task ConnectAsync(string from, string port, string to) => DoneAsync(
        async () =>
        {
            await Port(from, port).HoverAsync();
            await _page.Mouse.DownAsync();
            var target = await Port(to, "In").BoundingBoxAsync() ?? throw new InvalidOperationException($"{to} has no entry.");
            await _page.Mouse.MoveAsync(target.X + (target.Width / 2), target.Y + (target.Height / 2), new() { Steps = 10 });
            await _page.Mouse.UpAsync();
        },
        model => model.GetProperty("root").GetProperty("connections").EnumerateArray().Any(c => Is(c.GetProperty("source"), from, port) && c.GetProperty("target").GetProperty("activity").GetString() == to));

    private static bool Is(JsonElement end, string activity, string port) => (end.GetProperty("activity").GetString(), end.GetProperty("port").GetString()) == (activity, port);

    private ILocator Port(string activityId, string port) => Box(activityId).Locator($".x6-port-body[port='{port}'] .elsa-designer-port-hit-area");

    /// <summary>Drags an activity over the canvas.</summary>
    /// <returns>Where its upper left corner is afterwards, in the canvas's own measure.</returns>
    public async Task<(double X, double Y)> MoveAsync(string activityId, float right, float down)
    {
        var icon = await Box(activityId).Locator(".activity-icon").BoundingBoxAsync() ?? throw new InvalidOperationException($"{activityId} is not shown.");
        var (x, y) = (icon.X + (icon.Width / 2), icon.Y + (icon.Height / 2));
        await _page.Mouse.MoveAsync(x, y);
        await _page.Mouse.DownAsync();
        await _page.Mouse.MoveAsync(x + right, y + down, new() { Steps = 10 });
        await _page.Mouse.UpAsync();
        var transform = await Box(activityId).GetAttributeAsync("transform") ?? "";
        double[] place = [.. transform["translate(".Length..^1].Split(',').Select(n => double.Parse(n, CultureInfo.InvariantCulture))];
        return (place[0], place[1]);
    }

    /// <summary>Makes a variable with the form beside the canvas.</summary>
    public async Task AddVariableAsync(string name)
    {
        var dialog = _page.Locator(".mud-dialog");
        await _page.GetByRole(AriaRole.Tab, new() { Name = "Variables" }).ClickAsync();
        await _page.GetByRole(AriaRole.Button, new() { Name = "Add variable" }).ClickAsync();
        var input = dialog.Locator(".mud-input-control", new() { HasText = "The name of the variable." }).Locator("input").First;
        await Assertions.Expect(input).Not.ToHaveValueAsync("", new() { Timeout = 60_000 }); // Studio proposes a name once the form is ready; what was typed before is gone then
        await input.FillAsync(name);
        await input.PressAsync("Tab");
        await Assertions.Expect(input).ToHaveValueAsync(name, new() { Timeout = 60_000 });
        await DoneAsync(() => dialog.GetByRole(AriaRole.Button, new() { Name = "Ok" }).ClickAsync(), model => Holds(model.GetProperty("variables"), name));
        await Assertions.Expect(dialog).ToHaveCountAsync(0, new() { Timeout = 60_000 });
    }

    /// <summary>Writes into an input and leaves it.</summary>
    public Task WriteAsync(ILocator input, string text) => DoneAsync(
        async () =>
        {
            await input.FillAsync(text);
            await input.PressAsync("Tab");
        },
        text);

    /// <summary>Ticks a box of the chosen activity.</summary>
    public Task TickAsync(string name) => DoneAsync(() => _page.GetByRole(AriaRole.Checkbox, new() { Name = name, Exact = true }).CheckAsync(), name);

    /// <summary>Picks an item of a drop-down input of the chosen activity.</summary>
    /// <param name="description">What stands below the input.</param>
    /// <param name="item">What the list calls the item.</param>
    public Task PickAsync(string description, string item) => DoneAsync(
        async () =>
        {
            await Control(description).ClickAsync(new() { Force = true });
            await Popover.GetByText(item, new() { Exact = true }).ClickAsync();
        },
        model => Holds(model.GetProperty("root"), item));

    /// <summary>Makes an input of the chosen activity a JavaScript expression and types it into the editor.</summary>
    public async Task WriteJavaScriptAsync(string label, string script)
    {
        await QuietAsync();
        var row = _page.Locator(".d-flex.flex-row.gap-3", new() { Has = _page.GetByText(label, new() { Exact = true }) }).Last;
        await row.Locator(".mud-menu button").ClickAsync();
        // The editor knows the helper functions only after it is there.
        await _page.RunAndWaitForResponseAsync(() => Popover.GetByText("JavaScript", new() { Exact = true }).ClickAsync(), r => r.Url.Contains("/scripting/javascript/type-definitions/", StringComparison.Ordinal));
        await DoneAsync(
            async () =>
            {
                await row.Locator(".monaco-editor").First.ClickAsync();
                await _page.Keyboard.InsertTextAsync(script);
            },
            script);
    }

    /// <summary>Saves with the button of the toolbar.</summary>
    /// <param name="holding">A text that what is saved must hold.</param>
    public async Task SaveAsync(string holding = "")
    {
        await StillAsync();
        await SavedAsync(() => _page.Locator(Disk).ClickAsync(), model => Holds(model, holding), publish: false);
    }

    /// <summary>Waits until Studio shows that something is not saved.</summary>
    public Task UnsavedAsync() => _page.Locator(Badge + ".mud-theme-warning").WaitForAsync();

    /// <summary>Publishes with the button of the toolbar.</summary>
    public Task PublishAsync() => DoneAsync(() => _page.Locator(".mud-toolbar button.mud-primary-text").ClickAsync(), _ => true, publish: true); // the cloud

    /// <summary>Takes the published version back with the menu of the toolbar.</summary>
    public async Task UnpublishAsync()
    {
        await QuietAsync();
        await _page.Locator(".mud-toolbar .mud-menu button").First.ClickAsync();
        var response = await _page.RunAndWaitForResponseAsync(() => Popover.GetByText("Unpublish", new() { Exact = true }).ClickAsync(), r => r.Url.EndsWith("/retract", StringComparison.Ordinal));
        if (!response.Ok) Assert.Fail($"{response.Status}: {await response.TextAsync()}");
    }

    private Task DoneAsync(Func<Task> gesture, string holding) => DoneAsync(gesture, model => Holds(model, holding));

    /// <summary>Makes a gesture when the page is still and all is saved, and waits until Studio has saved it too.</summary>
    private async Task DoneAsync(Func<Task> gesture, Func<JsonElement, bool> holds, bool publish = false)
    {
        await QuietAsync();
        await SavedAsync(gesture, holds, publish);
    }

    private async Task QuietAsync()
    {
        await StillAsync();
        await _page.Locator(Badge + ".mud-theme-success").WaitForAsync();
    }

    /// <summary>Waits until Studio asks the server for nothing any more.</summary>
    private Task StillAsync() => Eventually.TrueAsync(() => _unanswered.IsEmpty && Environment.TickCount64 - Interlocked.Read(ref _asked) > Still.TotalMilliseconds, "Studio asks for nothing more", Ct);

    /// <summary>Makes a gesture and waits for the server's answer to the save that it leads to.</summary>
    private async Task SavedAsync(Func<Task> gesture, Func<JsonElement, bool> holds, bool publish)
    {
        var answer = _page.WaitForResponseAsync(r => r.Request.Method == "POST" && r.Url.EndsWith("/elsa/api/workflow-definitions", StringComparison.Ordinal) && Is(r.Request.PostData));
        await gesture();
        var response = await answer;
        if (!response.Ok) Assert.Fail($"{response.Status}: {await response.TextAsync()}"); // the body of a good one may be gone already

        bool Is(string? body)
        {
            if (body is null) return false;
            var sent = JsonSerializer.Deserialize<JsonElement>(body);
            return sent.TryGetProperty("publish", out var publishes) && publishes.GetBoolean() == publish && holds(sent.GetProperty("model"));
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
