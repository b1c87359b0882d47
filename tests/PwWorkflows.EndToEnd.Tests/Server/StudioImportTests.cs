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

    private static string Folder => Path.Combine(S3Server.Root(), "tests", "PwWorkflows.Engine.Tests", "Data", "definitions");

    public static TheoryData<string> Definitions => [.. Directory.GetFiles(Folder, "*.json").Select(f => Path.GetFileNameWithoutExtension(f)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Definitions))]
    public async Task A_definition_of_a_stock_elsa_is_imported_saved_as_it_was_got_and_exported_without_a_loss(string name)
    {
        var token = await running.TokenAsync("operator", Ct);
        var (id, original) = await ImportAsync(name, token);
        var got = await LatestAsync(id, token);
        using (var saved = await Api.SendAsync(running.Http, HttpMethod.Post, "/elsa/api/workflow-definitions", token, new { model = got, publish = false }, Ct)) Assert.True(saved.IsSuccessStatusCode, await saved.Content.ReadAsStringAsync(Ct));
        await AssertWholeAsync(original, id, token);
        var after = await LatestAsync(id, token);
        Assert.Equal((got.GetProperty("id").GetString(), got.GetProperty("version").GetInt32(), got.GetProperty("isPublished").GetBoolean()), (after.GetProperty("id").GetString(), after.GetProperty("version").GetInt32(), after.GetProperty("isPublished").GetBoolean()));
    }

    [Fact]
    public async Task Definitions_of_a_stock_elsa_opened_saved_unchanged_and_published_in_the_designer_lose_nothing()
    {
        var token = await running.TokenAsync("operator", Ct);
        await using var browser = await StudioBrowser.StartAsync(running.Server.BaseUrl);
        var designer = new Designer(browser.Page);
        foreach (var (name, shows) in ((string, string)[])[("http", "WriteHttpResponse"), ("foreach", "ForEach")])
        {
            var (id, original) = await ImportAsync(name, token);
            var version = (await LatestAsync(id, token)).GetProperty("version").GetInt32();
            if (name == "http") await browser.SignInAsync("operator", "/studio/host/editor?id=" + id);
            else await browser.Page.GotoAsync("/studio/host/editor?id=" + id);
            await browser.Page.Locator(".x6-node", new() { HasText = shows }).First.WaitForAsync();
            await browser.PictureAsync("editor-imported-" + name);
            await designer.SaveAsync();
            await AssertWholeAsync(original, id, token);
            Assert.Equal(version, (await LatestAsync(id, token)).GetProperty("version").GetInt32());
            await designer.PublishAsync();
            await AssertWholeAsync(original, id, token);
            Assert.True((await LatestAsync(id, token)).GetProperty("isPublished").GetBoolean());
        }
    }

    private async Task<(string Id, JsonElement Original)> ImportAsync(string name, string token)
    {
        var original = JsonSerializer.Deserialize<JsonElement>(await File.ReadAllTextAsync(Path.Combine(Folder, name + ".json"), Ct));
        using var imported = await Api.SendAsync(running.Http, HttpMethod.Post, "/elsa/api/workflow-definitions/import", token, original, Ct);
        Assert.True(imported.IsSuccessStatusCode, await imported.Content.ReadAsStringAsync(Ct));
        return (original.GetProperty("definitionId").GetString()!, original);
    }

    private Task<JsonElement> LatestAsync(string id, string token) => Api.GetAsync(running.Http, $"/elsa/api/workflow-definitions/by-definition-id/{id}?versionOptions=Latest", token, Ct);

    private async Task AssertWholeAsync(JsonElement original, string id, string token)
    {
        var lost = new List<string>();
        Compare("", original, await Api.GetAsync(running.Http, $"/elsa/api/workflow-definitions/{id}/export?versionOptions=Latest", token, Ct), lost);
        Assert.True(lost.Count == 0, string.Join('\n', lost));
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
