using System.Text.Json;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Server;

/// <summary>What a stock Elsa exported goes through the real designer and comes out whole.</summary>
public sealed class StudioImportTests(RunningServer running)
{
    // What a server gives anew, and where the designer puts the boxes.
    private static readonly string[] Given = ["id", "version", "isLatest", "isPublished", "createdAt", "toolVersion", "links"];
    private static readonly string[] Layout = ["position", "size"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("http", "WriteHttpResponse")]
    [InlineData("foreach", "ForEach")]
    public async Task A_definition_of_a_stock_elsa_is_imported_opened_published_unchanged_and_exported_without_a_loss(string name, string shows)
    {
        var token = await running.TokenAsync("operator", Ct);
        var original = JsonSerializer.Deserialize<JsonElement>(await File.ReadAllTextAsync(Path.Combine(S3Server.Root(), "tests", "PwWorkflows.Engine.Tests", "Data", "definitions", name + ".json"), Ct));
        var id = original.GetProperty("definitionId").GetString()!;
        using (var imported = await Api.SendAsync(running.Http, HttpMethod.Post, "/elsa/api/workflow-definitions/import", token, original, Ct)) Assert.True(imported.IsSuccessStatusCode, await imported.Content.ReadAsStringAsync(Ct));

        await using var browser = await StudioBrowser.StartAsync(running.Server.BaseUrl);
        await browser.SignInAsync("operator", "/studio/host/editor?id=" + id);
        await browser.Page.Locator(".x6-node", new() { HasText = shows }).First.WaitForAsync();
        await browser.PictureAsync("editor-imported-" + name);
        var saved = browser.Page.WaitForResponseAsync(r => r.Request.Method == "POST" && r.Url.EndsWith("/elsa/api/workflow-definitions", StringComparison.Ordinal));
        await browser.Page.Locator(".mud-toolbar button.mud-primary-text").ClickAsync(); // the cloud: publish
        Assert.True((await saved).Ok);
        var exported = await Api.GetAsync(running.Http, $"/elsa/api/workflow-definitions/{id}/export?versionOptions=Latest", token, Ct);
        Assert.True(exported.GetProperty("isPublished").GetBoolean());
        var lost = new List<string>();
        Compare("", original, exported, lost);
        Assert.True(lost.Count == 0, string.Join('\n', lost));
        Assert.True(browser.Complaints.Count == 0, string.Join('\n', browser.Complaints));
    }

    /// <summary>Lists what the one has and the other has not, or has otherwise.</summary>
    private static void Compare(string path, JsonElement wanted, JsonElement found, List<string> lost)
    {
        if (wanted.ValueKind != found.ValueKind)
        {
            lost.Add($"{path}: {wanted.GetRawText()} is {found.GetRawText()}");
            return;
        }

        switch (wanted.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in wanted.EnumerateObject().Where(p => (path.Length > 0 || !Given.Contains(p.Name)) && !Layout.Contains(p.Name)))
                {
                    if (found.TryGetProperty(property.Name, out var value)) Compare($"{path}/{property.Name}", property.Value, value, lost);
                    else if (property.Value.ValueKind != JsonValueKind.Null) lost.Add($"{path}/{property.Name}: {property.Value.GetRawText()} is gone");
                }

                break;
            case JsonValueKind.Array:
                if (wanted.GetArrayLength() != found.GetArrayLength()) lost.Add($"{path}: {wanted.GetArrayLength()} elements are {found.GetArrayLength()}");
                else for (var i = 0; i < wanted.GetArrayLength(); i++) Compare($"{path}/{i}", wanted[i], found[i], lost);
                break;
            default:
                if (wanted.GetRawText() != found.GetRawText()) lost.Add($"{path}: {wanted.GetRawText()} is {found.GetRawText()}");
                break;
        }
    }
}
