using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Storage;
using PwWorkflows.Activities.Usac;

namespace PwWorkflows.Activities.Filings;

/// <summary>One file of a filing's evidence as the manifest lists it.</summary>
/// <param name="Name">File name in the evidence folder.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Sha256">Lower case hexadecimal.</param>
/// <param name="ContentType">Media type.</param>
public sealed record EvidenceFile(string Name, long Size, string Sha256, string ContentType);

/// <summary>
/// What is said of a filing and its evidence: <c>manifest.json</c>. Its own SHA-256 stands in the next filing's manifest, so no filing can be
/// changed or taken out unnoticed.
/// </summary>
public sealed record FilingManifest
{
    /// <summary>Version of this shape.</summary>
    public int Format { get; init; } = 1;
    /// <summary>Place in the chain, from 1.</summary>
    public long Sequence { get; init; }
    /// <summary>SHA-256 of the manifest before; 64 zeros for the first.</summary>
    public string PreviousManifestSha256 { get; init; } = "";
    /// <summary>The order.</summary>
    public required string OrderNumber { get; init; }
    /// <summary>The service.</summary>
    public required string ServiceSlug { get; init; }
    /// <summary>The form, such as <c>499-A</c>.</summary>
    public required string Form { get; init; }
    /// <summary>Its year.</summary>
    public required int Year { get; init; }
    /// <summary>Whose form it is.</summary>
    public required string FilerId { get; init; }
    /// <summary>The filer's name.</summary>
    public required string LegalName { get; init; }
    /// <summary>The portal's number.</summary>
    public required string ConfirmationNumber { get; init; }
    /// <summary>Our reference on the form.</summary>
    public required string Reference { get; init; }
    /// <summary>Time of submission as the portal shows it.</summary>
    public required string SubmittedAt { get; init; }
    /// <summary>Hash of the submitted values, which the officer authorized.</summary>
    public required string ValuesSha256 { get; init; }
    /// <summary>Version of the page map.</summary>
    public required string PageMapVersion { get; init; }
    /// <summary>SHA-256 of the page map file.</summary>
    public required string PageMapSha256 { get; init; }
    /// <summary>Version id of the workflow definition that ran.</summary>
    public required string WorkflowDefinitionVersionId { get; init; }
    /// <summary>The workflow instance that filed.</summary>
    public required string WorkflowInstanceId { get; init; }
    /// <summary>When this was written.</summary>
    public required DateTimeOffset RecordedAt { get; init; }
    /// <summary>Every file, by name.</summary>
    public IReadOnlyList<EvidenceFile> Files { get; init; } = [];

    internal static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
}

/// <summary>A filing on record.</summary>
/// <param name="Sequence">Place in the chain.</param>
/// <param name="OrderNumber">The order.</param>
/// <param name="ConfirmationNumber">The portal's number.</param>
/// <param name="Bucket">Bucket of the evidence.</param>
/// <param name="ManifestKey">Key of the manifest; the evidence lies beside it.</param>
/// <param name="ManifestSha256">Hash of the manifest.</param>
public sealed record FilingRecord(long Sequence, string OrderNumber, string ConfirmationNumber, string Bucket, string ManifestKey, string ManifestSha256)
{
    /// <summary>Where the evidence lies: <c>bucket/slug/order/evidence</c>.</summary>
    public string EvidencePath => $"{Bucket}/{ManifestKey[..ManifestKey.LastIndexOf('/')]}";

    /// <summary>Our reference on the form.</summary>
    public string Reference { get; init; } = "";

    /// <summary>Time of submission as the portal shows it.</summary>
    public string SubmittedAt { get; init; } = "";
}

/// <summary>Keeps the evidence of filings in the object store and their chain in the table <c>filings</c>.</summary>
public sealed partial class FilingEvidence(IObjectStore store, IPwDatabase database, UsacOptions options, TimeProvider clock)
{
    /// <summary>What the first manifest names as its predecessor.</summary>
    public static readonly string NoPredecessor = new('0', 64);

    const string ManifestName = "manifest.json";

    /// <summary>Prefix of an order's evidence in the bucket <see cref="UsacOptions.EvidenceBucket"/>; each billing cycle of a renewal has its own.</summary>
    public static string Prefix(string slug, string orderNumber, string cycle = "") => cycle.Length == 0 ? $"{slug}/{orderNumber}/evidence/" : $"{slug}/{orderNumber}/{cycle}/evidence/";

    /// <summary>A folder to put evidence into as it comes up.</summary>
    /// <exception cref="ArgumentException">Slug, order number or cycle could leave the folder.</exception>
    public IFilingEvidence Folder(string slug, string orderNumber, string cycle = "")
    {
        if (!NameShape().IsMatch(slug)) throw new ArgumentException($"slug: expected letters, digits and hyphens, got '{slug}'.", nameof(slug));
        if (!NameShape().IsMatch(orderNumber)) throw new ArgumentException($"order: expected letters, digits and hyphens, got '{orderNumber}'.", nameof(orderNumber));
        if (cycle.Length > 0 && !CycleShape().IsMatch(cycle)) throw new ArgumentException($"cycle: expected letters, digits, hyphens and underscores, got '{cycle}'.", nameof(cycle));
        return new EvidenceFolder(store, options.EvidenceBucket, Prefix(slug, orderNumber, cycle));
    }

    /// <summary>The filing of an order's form on record; null when there is none.</summary>
    public async Task<FilingRecord?> FindAsync(string orderNumber, string form, int year, CancellationToken ct)
    {
        var rows = await database.QueryAsync(Select + " WHERE order_number = @order AND form = @form AND year = @year", Parameters.Of(("order", orderNumber), ("form", form), ("year", year)), Record, ct).ConfigureAwait(false);
        return rows is [var row, ..] ? row : null;
    }

    /// <summary>The filings of an order, oldest first.</summary>
    public async Task<IReadOnlyList<FilingRecord>> OfOrderAsync(string orderNumber, CancellationToken ct) =>
        await database.QueryAsync(Select + " WHERE order_number = @order ORDER BY sequence", Parameters.Of(("order", orderNumber)), Record, ct).ConfigureAwait(false);

    /// <summary>
    /// Closes the evidence of a filing: lists and hashes what lies in its folder, appends it to the chain and writes <c>manifest.json</c>. Called
    /// again, as after a crash, it gives the same manifest.
    /// </summary>
    /// <param name="filing">What was filed; sequence, predecessor, time and files are filled in here.</param>
    /// <param name="cycle">The billing cycle of a renewal; empty for the order itself.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<FilingRecord> SealAsync(FilingManifest filing, string cycle, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(filing);
        var prefix = Prefix(filing.ServiceSlug, filing.OrderNumber, cycle);
        var files = await FilesAsync(prefix, ct).ConfigureAwait(false);
        var now = clock.GetUtcNow();
        var (record, manifest) = await database.WriteAsync((connection, transaction, token) => AppendAsync(connection, transaction, filing, prefix, files, now, token), ct).ConfigureAwait(false);
        // The row is the truth and carries the manifest: a crash before this line is mended by the next call.
        var bytes = Encoding.UTF8.GetBytes(manifest);
        var there = await store.GetAsync(record.Bucket, record.ManifestKey, ct).ConfigureAwait(false);
        if (there is null) await store.PutAsync(record.Bucket, record.ManifestKey, bytes, "application/json", null, ct).ConfigureAwait(false);
        return record;
    }

    const string Select = "SELECT sequence, order_number, confirmation_number, bucket, manifest_key, manifest_sha256, reference, submitted_at FROM filings";

    static FilingRecord Record(System.Data.Common.DbDataReader row) =>
        new(row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5)) { Reference = row.GetString(6), SubmittedAt = row.GetString(7) };

    async Task<(FilingRecord Record, string Manifest)> AppendAsync(
        System.Data.Common.DbConnection connection, System.Data.Common.DbTransaction transaction, FilingManifest filing, string prefix, IReadOnlyList<EvidenceFile> files, DateTimeOffset now, CancellationToken ct)
    {
        // Taking the head first makes appends wait for each other.
        await connection.ExecuteAsync(transaction, "UPDATE filing_chain SET sequence = sequence WHERE id = 1", Parameters.None, ct).ConfigureAwait(false);
        var known = await connection.QueryAsync(
            transaction, "SELECT sequence, order_number, confirmation_number, bucket, manifest_key, manifest_sha256, reference, submitted_at, manifest FROM filings WHERE order_number = @order AND form = @form AND year = @year",
            Parameters.Of(("order", filing.OrderNumber), ("form", filing.Form), ("year", filing.Year)), r => (Record(r), r.GetString(8)), ct).ConfigureAwait(false);
        if (known.Count > 0) return known[0];
        var (sequence, previous) = (await connection.QueryAsync(
            transaction, "SELECT sequence, manifest_sha256 FROM filing_chain WHERE id = 1", Parameters.None, r => (r.GetInt64(0) + 1, r.GetString(1)), ct).ConfigureAwait(false))[0];
        var manifest = JsonSerializer.Serialize(filing with { Sequence = sequence, PreviousManifestSha256 = previous, RecordedAt = now, Files = files }, FilingManifest.Json) + "\n";
        var sha256 = Sha256(Encoding.UTF8.GetBytes(manifest));
        var record = new FilingRecord(sequence, filing.OrderNumber, filing.ConfirmationNumber, options.EvidenceBucket, prefix + ManifestName, sha256)
        {
            Reference = filing.Reference,
            SubmittedAt = filing.SubmittedAt,
        };
        await connection.ExecuteAsync(
            transaction,
            """
            INSERT INTO filings (sequence, order_number, slug, form, year, filer_id, confirmation_number, reference, submitted_at, values_sha256, page_map_version,
              bucket, manifest_key, manifest, manifest_sha256, previous_manifest_sha256, filed_at)
            VALUES (@sequence, @order, @slug, @form, @year, @filer, @number, @reference, @submitted, @values, @map, @bucket, @key, @manifest, @sha, @previous, @now)
            """,
            Parameters.Of(
                ("sequence", sequence), ("order", filing.OrderNumber), ("slug", filing.ServiceSlug), ("form", filing.Form), ("year", filing.Year), ("filer", filing.FilerId),
                ("number", filing.ConfirmationNumber), ("reference", filing.Reference), ("submitted", filing.SubmittedAt), ("values", filing.ValuesSha256), ("map", filing.PageMapVersion),
                ("bucket", record.Bucket), ("key", record.ManifestKey), ("manifest", manifest), ("sha", sha256), ("previous", previous), ("now", now)),
            ct).ConfigureAwait(false);
        await connection.ExecuteAsync(
            transaction, "UPDATE filing_chain SET sequence = @sequence, manifest_sha256 = @sha WHERE id = 1", Parameters.Of(("sequence", sequence), ("sha", sha256)), ct).ConfigureAwait(false);
        return (record, manifest);
    }

    async Task<IReadOnlyList<EvidenceFile>> FilesAsync(string prefix, CancellationToken ct)
    {
        var files = new List<EvidenceFile>();
        await foreach (var key in store.ListAsync(options.EvidenceBucket, prefix, ct).ConfigureAwait(false))
        {
            var name = key[prefix.Length..];
            if (name == ManifestName || await store.GetAsync(options.EvidenceBucket, key, ct).ConfigureAwait(false) is not { } file) continue;
            files.Add(new(name, file.Content.Length, Sha256(file.Content.Span), file.ContentType));
        }

        return files;
    }

    internal static string Sha256(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9-]{0,79}$")] private static partial Regex NameShape();

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$")] private static partial Regex CycleShape();

    sealed partial class EvidenceFolder(IObjectStore store, string bucket, string prefix) : IFilingEvidence
    {
        public Task AddAsync(string name, ReadOnlyMemory<byte> content, string contentType, CancellationToken ct) =>
            FileShape().IsMatch(name)
                ? store.PutAsync(bucket, prefix + name, content, contentType, null, ct)
                : throw new ArgumentException($"name: expected letters, digits, dots and hyphens, got '{name}'.", nameof(name));

        [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$")] private static partial Regex FileShape();
    }
}
