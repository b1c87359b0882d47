using System.IO.Compression;
using System.Text.Json;

namespace PwWorkflows.Engine.Tests.Studio;

/// <summary>One recorded call of a stock Elsa server.</summary>
internal sealed record Capture(JsonElement Request, JsonElement Response)
{
    public JsonElement Body => Response.GetProperty("body");
    public int Status => Response.GetProperty("status").GetInt32();
    public string Path => Request.GetProperty("path").GetString()!;
    public JsonElement RequestBody => Request.GetProperty("body");

    public static Capture Read(string name)
    {
        var path = System.IO.Path.Combine(AppContext.BaseDirectory, "Data", "captures", name + ".json");
        using Stream file = File.Exists(path) ? File.OpenRead(path) : new GZipStream(File.OpenRead(path + ".gz"), CompressionMode.Decompress);
        using var document = JsonDocument.Parse(file);
        var root = document.RootElement.Clone();
        return new Capture(root.GetProperty("request"), root.GetProperty("response"));
    }
}

/// <summary>Compares the shape of answers: which properties there are and of what kind.</summary>
internal static class Shape
{
    /// <summary>All differences between what a stock server answered and what we do. Of arrays of different lengths each of our items is compared with the stock server's nearest one.</summary>
    /// <param name="stock">The recorded answer.</param>
    /// <param name="ours">Ours.</param>
    /// <param name="except">Paths that may differ, such as <c>$.items[].description</c>; with what is below them.</param>
    public static IReadOnlyList<string> Differences(JsonElement stock, JsonElement ours, params string[] except)
    {
        var found = new List<string>();
        Compare(stock, ours, "$");
        return found;

        void Compare(JsonElement a, JsonElement b, string path)
        {
            if (except.Contains(path)) return;
            if (Kind(a) != Kind(b))
            {
                found.Add($"{path}: {Kind(a)} there, {Kind(b)} here");
                return;
            }
            switch (a.ValueKind)
            {
                case JsonValueKind.Object:
                    foreach (var p in a.EnumerateObject())
                        if (b.TryGetProperty(p.Name, out var other)) Compare(p.Value, other, $"{path}.{p.Name}");
                        else if (!except.Contains($"{path}.{p.Name}")) found.Add($"{path}.{p.Name}: missing here");
                    foreach (var p in b.EnumerateObject())
                        if (!a.TryGetProperty(p.Name, out _) && !except.Contains($"{path}.{p.Name}")) found.Add($"{path}.{p.Name}: only here");
                    break;
                case JsonValueKind.Array when a.GetArrayLength() > 0:
                    for (var i = 0; i < b.GetArrayLength(); i++) Compare(a[Math.Min(i, a.GetArrayLength() - 1)], b[i], path + "[]");
                    break;
            }
        }
    }

    private static string Kind(JsonElement e) => e.ValueKind is JsonValueKind.True or JsonValueKind.False ? "Boolean" : e.ValueKind.ToString();
}
