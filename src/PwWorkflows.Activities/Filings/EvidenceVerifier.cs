using System.Globalization;
using System.Text;
using System.Text.Json;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Storage;
using PwWorkflows.Activities.Usac;

namespace PwWorkflows.Activities.Filings;

/// <summary>Kinds of things that can be wrong with evidence.</summary>
public enum EvidenceFaultKind
{
    /// <summary>A file's bytes are not those that were recorded.</summary>
    FileChanged,
    /// <summary>A recorded file is gone.</summary>
    FileMissing,
    /// <summary>A file lies in the folder that was not recorded.</summary>
    FileUnlisted,
    /// <summary>The manifest is gone from the object store.</summary>
    ManifestMissing,
    /// <summary>The manifest in the object store is not the recorded one.</summary>
    ManifestChanged,
    /// <summary>The row of the filing says something else than its manifest.</summary>
    RecordChanged,
    /// <summary>A filing is missing from the chain.</summary>
    LinkMissing,
    /// <summary>A filing does not follow the one before it.</summary>
    OutOfOrder,
    /// <summary>The newest filings are gone.</summary>
    TailCut,
    /// <summary>There is a manifest of a filing that is not on record.</summary>
    NotOnRecord,
}

/// <summary>Something wrong with the evidence.</summary>
/// <param name="Kind">What kind.</param>
/// <param name="OrderNumber">The order; empty when it concerns the whole chain.</param>
/// <param name="Name">File, row or place in the chain.</param>
/// <param name="Message">What was expected and found, for people.</param>
public sealed record EvidenceFault(EvidenceFaultKind Kind, string OrderNumber, string Name, string Message)
{
    /// <inheritdoc />
    public override string ToString() => $"{(OrderNumber.Length > 0 ? OrderNumber + " " : "")}{Name}: {Message}";
}

/// <summary>Result of a verification.</summary>
/// <param name="Filings">Filings looked at.</param>
/// <param name="Files">Files whose bytes were compared.</param>
/// <param name="Faults">Everything wrong; empty when all is as recorded.</param>
public sealed record EvidenceReport(int Filings, int Files, IReadOnlyList<EvidenceFault> Faults)
{
    /// <summary>Nothing is wrong, and there was something to look at.</summary>
    public bool IsGood => Faults.Count == 0 && Filings > 0;
}

/// <summary>Tells whether anybody touched the evidence since it was recorded.</summary>
public sealed class EvidenceVerifier(IObjectStore store, IPwDatabase database, UsacOptions options)
{
    sealed record Row(
        long Sequence, string Order, string Slug, string Form, int Year, string Filer, string Number, string Reference, string Submitted, string Values, string MapVersion,
        string Bucket, string Key, string Manifest, string Sha256, string Previous);

    /// <summary>Verifies the chain and the files of one order or of all.</summary>
    /// <param name="orderNumber">The order; null for all.</param>
    /// <param name="ct">Stops the work.</param>
    public async Task<EvidenceReport> VerifyAsync(string? orderNumber, CancellationToken ct)
    {
        var faults = new List<EvidenceFault>();
        var rows = await RowsAsync(ct).ConfigureAwait(false);
        await ChainAsync(rows, faults, ct).ConfigureAwait(false);
        var (filings, files) = (0, 0);
        foreach (var row in rows.Where(r => orderNumber is null || r.Order == orderNumber))
        {
            filings++;
            files += await FilingAsync(row, faults, ct).ConfigureAwait(false);
        }

        if (orderNumber is null) await StrayAsync(rows, faults, ct).ConfigureAwait(false);
        return new(filings, files, faults);
    }

    Task<List<Row>> RowsAsync(CancellationToken ct) => database.QueryAsync(
        """
        SELECT sequence, order_number, slug, form, year, filer_id, confirmation_number, reference, submitted_at, values_sha256, page_map_version,
          bucket, manifest_key, manifest, manifest_sha256, previous_manifest_sha256 FROM filings ORDER BY sequence
        """,
        Parameters.None,
        r => new Row(
            r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetInt32(4), r.GetString(5), r.GetString(6), r.GetString(7), r.GetString(8), r.GetString(9), r.GetString(10),
            r.GetString(11), r.GetString(12), r.GetString(13), r.GetString(14), r.GetString(15)),
        ct);

    async Task ChainAsync(List<Row> rows, List<EvidenceFault> faults, CancellationToken ct)
    {
        var heads = await database.QueryAsync("SELECT sequence, manifest_sha256 FROM filing_chain", Parameters.None, r => (Sequence: r.GetInt64(0), Sha256: r.GetString(1)), ct).ConfigureAwait(false);
        var (expected, previous) = (1L, FilingEvidence.NoPredecessor);
        foreach (var row in rows)
        {
            // Without the one before, nothing can be said about its link.
            var hasPredecessor = expected == row.Sequence;
            while (expected < row.Sequence)
            {
                faults.Add(new(EvidenceFaultKind.LinkMissing, "", Place(expected), $"the filing at this place of the chain is missing; {row.Order} follows it."));
                expected++;
            }

            if (row.Previous != previous && hasPredecessor)
                faults.Add(new(EvidenceFaultKind.OutOfOrder, row.Order, Place(row.Sequence), $"it names {Short(row.Previous)} as the manifest before it, but {Short(previous)} is."));
            (expected, previous) = (row.Sequence + 1, row.Sha256);
        }

        if (heads is not [var head])
        {
            faults.Add(new(EvidenceFaultKind.TailCut, "", "filing_chain", "the end of the chain is not on record."));
            return;
        }

        for (; expected <= head.Sequence; expected++)
            faults.Add(new(EvidenceFaultKind.TailCut, "", Place(expected), "the filing at the end of the chain is missing."));
        if (rows.Count > 0 && rows[^1].Sequence >= head.Sequence && (rows[^1].Sequence != head.Sequence || rows[^1].Sha256 != head.Sha256))
            faults.Add(new(EvidenceFaultKind.OutOfOrder, rows[^1].Order, Place(rows[^1].Sequence), "the chain's recorded end is another manifest."));
    }

    async Task<int> FilingAsync(Row row, List<EvidenceFault> faults, CancellationToken ct)
    {
        void Fault(EvidenceFaultKind kind, string name, string message) => faults.Add(new(kind, row.Order, name, message));
        FilingManifest? manifest = null;
        if (FilingEvidence.Sha256(Encoding.UTF8.GetBytes(row.Manifest)) != row.Sha256) Fault(EvidenceFaultKind.RecordChanged, "filings.manifest", "the recorded manifest does not have its recorded hash.");
        var stored = await store.GetAsync(row.Bucket, row.Key, ct).ConfigureAwait(false);
        if (stored is null) Fault(EvidenceFaultKind.ManifestMissing, row.Key, "the manifest is gone.");
        else if (FilingEvidence.Sha256(stored.Content.Span) != row.Sha256) Fault(EvidenceFaultKind.ManifestChanged, row.Key, $"the manifest has the hash {Short(FilingEvidence.Sha256(stored.Content.Span))} instead of {Short(row.Sha256)}.");
        try
        {
            manifest = JsonSerializer.Deserialize<FilingManifest>(row.Manifest, FilingManifest.Json);
        }
        catch (JsonException e)
        {
            Fault(EvidenceFaultKind.RecordChanged, "filings.manifest", $"the recorded manifest can't be read: {e.Message}");
        }

        if (manifest is null) return 0;
        foreach (var (column, record, said) in new (string, string, string)[]
        {
            ("sequence", Text(row.Sequence), Text(manifest.Sequence)), ("order_number", row.Order, manifest.OrderNumber), ("slug", row.Slug, manifest.ServiceSlug), ("form", row.Form, manifest.Form),
            ("year", Text(row.Year), Text(manifest.Year)), ("filer_id", row.Filer, manifest.FilerId), ("confirmation_number", row.Number, manifest.ConfirmationNumber),
            ("reference", row.Reference, manifest.Reference), ("submitted_at", row.Submitted, manifest.SubmittedAt), ("values_sha256", row.Values, manifest.ValuesSha256),
            ("page_map_version", row.MapVersion, manifest.PageMapVersion), ("previous_manifest_sha256", row.Previous, manifest.PreviousManifestSha256),
        })
        {
            if (record != said) Fault(EvidenceFaultKind.RecordChanged, "filings." + column, $"the row says '{record}', the manifest '{said}'.");
        }

        var prefix = row.Key[..(row.Key.LastIndexOf('/') + 1)];
        foreach (var file in manifest.Files)
        {
            if (await store.GetAsync(row.Bucket, prefix + file.Name, ct).ConfigureAwait(false) is not { } found) Fault(EvidenceFaultKind.FileMissing, file.Name, "the file is gone.");
            else if (found.Content.Length != file.Size || FilingEvidence.Sha256(found.Content.Span) != file.Sha256)
                Fault(EvidenceFaultKind.FileChanged, file.Name, $"{found.Content.Length} bytes with hash {Short(FilingEvidence.Sha256(found.Content.Span))} instead of {file.Size} with {Short(file.Sha256)}.");
        }

        var listed = manifest.Files.Select(f => prefix + f.Name).Append(row.Key).ToHashSet();
        await foreach (var key in store.ListAsync(row.Bucket, prefix, ct).ConfigureAwait(false))
            if (!listed.Contains(key)) Fault(EvidenceFaultKind.FileUnlisted, key[prefix.Length..], "the file was not there when the evidence was recorded.");
        return manifest.Files.Count;
    }

    /// <summary>Manifests of filings nobody knows of: what remains when rows and the chain's end were cut together.</summary>
    async Task StrayAsync(List<Row> rows, List<EvidenceFault> faults, CancellationToken ct)
    {
        var known = rows.Select(r => r.Key).ToHashSet();
        await foreach (var key in store.ListAsync(options.EvidenceBucket, "", ct).ConfigureAwait(false))
            if (key.EndsWith("/evidence/manifest.json", StringComparison.Ordinal) && !known.Contains(key))
                faults.Add(new(EvidenceFaultKind.NotOnRecord, key.Split('/') is [.., var order, _, _] ? order : "", key, "there is evidence of a filing that is not on record."));
    }

    static string Place(long sequence) => "filing #" + Text(sequence);

    static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    static string Short(string hash) => hash.Length > 12 ? hash[..12] + "…" : hash;
}
