using System.IO.Compression;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace PwWorkflows.Engine.Studio;

/// <summary>Reads files that are sent: JSON, or zips of JSON.</summary>
internal static class StudioFiles
{
    private const int LongestText = 8 * 1024 * 1024; // A zip may unpack to more than was sent.

    /// <summary>Texts of the files by their names; what can't be read is added to the problems.</summary>
    public static async Task<List<(string Name, string Json)>> ReadAsync(IFormFileCollection files, List<string> problems, CancellationToken ct)
    {
        var texts = new List<(string, string)>();
        foreach (var file in files)
            try
            {
                await using var stream = file.OpenReadStream();
                if (!file.FileName.EndsWith(".zip", StringComparison.OrdinalIgnoreCase))
                {
                    texts.Add((file.FileName, await ReadAsync(stream, ct)));
                    continue;
                }
                await using var zip = new ZipArchive(stream, ZipArchiveMode.Read);
                foreach (var entry in zip.Entries.Where(e => e.Name.EndsWith(".json", StringComparison.OrdinalIgnoreCase)))
                {
                    await using var content = await entry.OpenAsync(ct);
                    texts.Add((entry.FullName, await ReadAsync(content, ct)));
                }
            }
            catch (InvalidDataException e)
            {
                problems.Add($"{file.FileName}: {e.Message}");
            }
        return texts;
    }

    private static async Task<string> ReadAsync(Stream stream, CancellationToken ct)
    {
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var buffer = new char[4096];
        var text = new StringBuilder();
        for (int read; (read = await reader.ReadAsync(buffer, ct)) > 0;)
            if (text.Append(buffer, 0, read).Length > LongestText) throw new InvalidDataException("It is too large.");
        return text.ToString();
    }
}
