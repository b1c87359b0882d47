using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Storage;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/filings/1</c>: the proof of a filing.</summary>
internal sealed class FilingPage(IPwDatabase database, IObjectStore store, EvidenceVerifier verifier) : ConsolePage
{
    private string _bucket = "", _folder = "";

    public FilingManifest Manifest { get; private set; } = null!;

    public string ManifestSha256 { get; private set; } = "";

    /// <summary>The lines of the form as they were sent.</summary>
    public IReadOnlyList<(string Line, string Value)> Values { get; private set; } = [];

    /// <summary>What the verification found; <c>null</c> when none was asked for.</summary>
    public EvidenceReport? Report { get; private set; }

    public async Task<IActionResult> OnGetAsync(long sequence, CancellationToken ct) => await LoadAsync(sequence, ct).ConfigureAwait(false) ? Page() : Missing(sequence);

    /// <summary>Compares every byte; reading is all it does, so whoever may look may ask for it.</summary>
    [NeedsRole(Roles.Viewer)]
    public async Task<IActionResult> OnPostVerifyAsync(long sequence, CancellationToken ct)
    {
        if (!await LoadAsync(sequence, ct).ConfigureAwait(false)) return Missing(sequence);
        Report = await verifier.VerifyAsync(Manifest.OrderNumber, ct).ConfigureAwait(false);
        await AuditAsync("filings-verify", Manifest.OrderNumber, new JsonObject { ["good"] = Report.IsGood, ["faults"] = Report.Faults.Count }, ct).ConfigureAwait(false);
        return Page();
    }

    /// <summary>What a file shows, from its name.</summary>
    public static string Caption(string name)
    {
        var words = Path.GetFileNameWithoutExtension(name).TrimStart('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '-').Replace('-', ' ');
        return words.Length == 0 ? name : char.ToUpperInvariant(words[0]) + words[1..];
    }

    private async Task<bool> LoadAsync(long sequence, CancellationToken ct)
    {
        if (await FindAsync(database, sequence, ct).ConfigureAwait(false) is not var (bucket, folder, manifest, sha)) return false;
        (_bucket, _folder, Manifest, ManifestSha256) = (bucket, folder, manifest, sha);
        Values = await ValuesAsync(ct).ConfigureAwait(false);
        return true;
    }

    private async Task<IReadOnlyList<(string, string)>> ValuesAsync(CancellationToken ct)
    {
        try
        {
            var file = await store.GetAsync(_bucket, _folder + "values.json", ct).ConfigureAwait(false);
            return file is not null && JsonNode.Parse(file.Content.Span) is JsonObject values && values["lines"] is JsonObject lines ? [.. lines.Select(static l => (l.Key, l.Value?.ToString() ?? ""))] : [];
        }
        catch (Exception e) when (e is JsonException or ObjectStoreException)
        {
            return [];
        }
    }

    /// <summary>Where a filing's evidence is, and its manifest.</summary>
    internal static async Task<(string Bucket, string Folder, FilingManifest Manifest, string Sha256)?> FindAsync(IPwDatabase database, long sequence, CancellationToken ct)
    {
        var rows = await database.QueryAsync(
            "SELECT bucket, manifest_key, manifest, manifest_sha256 FROM filings WHERE sequence = @sequence", Parameters.Of(("sequence", sequence)),
            static r => (r.GetString(0), Folder: r.GetString(1)[..(r.GetString(1).LastIndexOf('/') + 1)], Manifest: JsonSerializer.Deserialize<FilingManifest>(r.GetString(2), FilingManifest.Json)!, r.GetString(3)), ct).ConfigureAwait(false);
        return rows is [var row] ? row : null;
    }

    private IActionResult Missing(long sequence) =>
        Problem(StatusCodes.Status404NotFound, $"There is no filing {sequence.ToString(CultureInfo.InvariantCulture)}.", "The number is wrong, or nothing was filed under it.", "Look for the order or the confirmation number in the list of filings.");
}

/// <summary><c>/filings/1/files/confirmation.pdf</c>: a file of the evidence, only of those that the manifest lists.</summary>
internal static class FilingFiles
{
    // A file is shown by itself or in our frame and can do nothing.
    private const string Policy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'self'";

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/filings/{sequence:long}/files/{name}", ReadAsync).RequireAuthorization(ConsoleSetup.PolicyOf(Roles.Viewer));

    private static async Task<IResult> ReadAsync(long sequence, string name, HttpContext http, IPwDatabase database, IObjectStore store, CancellationToken ct)
    {
        if (await FilingPage.FindAsync(database, sequence, ct).ConfigureAwait(false) is not var (bucket, folder, manifest, _)
            || manifest.Files.FirstOrDefault(f => f.Name == name) is not { } listed || await store.GetAsync(bucket, folder + name, ct).ConfigureAwait(false) is not { } file)
            return Http.Problems.Of(StatusCodes.Status404NotFound, "There is no such file in the evidence.");
        http.Response.Headers.ContentSecurityPolicy = Policy;
        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.Headers.CacheControl = "private, max-age=300";
        // Pages that a portal sent would run as ours: what is no picture or PDF is text.
        var type = listed.ContentType is "image/png" or "application/pdf" ? listed.ContentType : "text/plain; charset=utf-8";
        return Results.Bytes(file.Content, type);
    }
}
