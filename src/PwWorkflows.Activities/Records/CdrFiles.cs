using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Storage;

namespace PwWorkflows.Activities.Records;

/// <summary>How long call detail records are kept.</summary>
public sealed class CdrOptions
{
    /// <summary>Least months: carriers keep toll records eighteen months (47 CFR 42.6).</summary>
    public const int LeastMonths = 18;

    /// <summary>Years after the filing for what backs a Form 499 (47 CFR 54.706(e), 54.711(a)).</summary>
    public const int FilingYears = 5;

    /// <summary><c>CDR_RETENTION_MONTHS</c>: calendar months after the last call, 18 to 240; default 18.</summary>
    public int Months { get; set; } = LeastMonths;

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        Months = settings.Number("CDR_RETENTION_MONTHS", LeastMonths, LeastMonths, 240);
    }
}

/// <summary>A file of uploaded call detail records: a row of <c>cdr_files</c>.</summary>
/// <param name="Id">Its number.</param>
/// <param name="TelecomEntityId">The carrier.</param>
/// <param name="Bucket">Bucket of the object.</param>
/// <param name="Key">Key of the object.</param>
/// <param name="FirstCall">Day of the first call in it.</param>
/// <param name="LastCall">Day of the last call in it.</param>
/// <param name="Records">Number of its lines that are not empty.</param>
/// <param name="Sha256">Hash of its bytes.</param>
/// <param name="BacksFormYear">The Form 499-A year whose figures come from it; <c>null</c> when none do.</param>
/// <param name="LegalHold">Must not be deleted, whatever its age.</param>
/// <param name="FiledOn">Day the form it backs was last filed (UTC); <c>null</c>: not yet.</param>
public sealed record CdrFile(
    long Id, int TelecomEntityId, string Bucket, string Key, DateOnly FirstCall, DateOnly LastCall, long Records, string Sha256, int? BacksFormYear, bool LegalHold, DateOnly? FiledOn);

/// <summary>Whether a file may go, and why.</summary>
/// <param name="MayDelete">It may.</param>
/// <param name="KeepUntil">Last day it must be kept; <c>null</c>: no end is known.</param>
/// <param name="Rule">The rule that decides.</param>
public sealed record RetentionDecision(bool MayDelete, DateOnly? KeepUntil, string Rule);

/// <summary>Retention of call detail records, with a certificate for each deletion.</summary>
public sealed class CdrFiles(
    IPwDatabase database, IObjectStore store, IEffectLedger effects, IAdminToDos todos, AuditLog audit, TimeProvider time, IOptions<CdrOptions> options, IOptions<RecordsOptions> records)
{
    /// <summary>The job.</summary>
    public const string Job = "pw-cdr-retention";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private sealed record Deletion(string CertificateKey, string CertificateSha256);

    private sealed class HeldException : NonRetryableException, IEffectFailure
    {
        public HeldException() : base("it was held or deleted meanwhile") { }

        public bool NothingHappened => true;
    }

    private DateOnly Today => DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime);

    /// <summary>
    /// Whether a file may be deleted on a day. Months are calendar months; a day that a month lacks is its last. A legal hold wins over everything; what backs a form is kept until five years
    /// after that form was last filed, and as long as it is not filed.
    /// </summary>
    public static RetentionDecision Decide(CdrFile file, DateOnly today, int months)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (file.LegalHold) return new(false, null, "legal hold");
        var until = file.LastCall.AddMonths(Math.Max(months, CdrOptions.LeastMonths));
        var rule = string.Create(CultureInfo.InvariantCulture, $"{Math.Max(months, CdrOptions.LeastMonths)} months after the last call (47 CFR 42.6: at least {CdrOptions.LeastMonths})");
        if (file.BacksFormYear is { } year)
        {
            if (file.FiledOn is not { } filed) return new(false, null, string.Create(CultureInfo.InvariantCulture, $"backs the Form 499-A of {year}, which is not filed"));
            if (filed.AddYears(CdrOptions.FilingYears) is var five && five > until)
                (until, rule) = (five, string.Create(CultureInfo.InvariantCulture, $"{CdrOptions.FilingYears} years after the Form 499-A of {year} was filed (47 CFR 54.706(e))"));
        }

        return new(today > until, until, rule);
    }

    /// <summary>Numbers of the files whose time is over.</summary>
    public async Task<IReadOnlyList<string>> FindExpiredAsync(CancellationToken ct)
    {
        // What is younger than the least retention can't be due; the rest is judged by the rule.
        var files = await ListAsync("f.last_call_on < @before", ("before", Iso(Today.AddMonths(-CdrOptions.LeastMonths).AddDays(3))), ct).ConfigureAwait(false);
        return [.. files.Where(f => Decide(f, Today, options.Value.Months).MayDelete).Select(f => f.Id.ToString(CultureInfo.InvariantCulture))];
    }

    /// <summary>Deletes a file whose time is over, if it is what its row says, and keeps a certificate of it.</summary>
    /// <param name="id">Its number.</param>
    /// <param name="instanceId">The workflow instance that deletes it.</param>
    /// <param name="dryRun">Only tell what would be deleted.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<StepResult> DeleteAsync(string id, string instanceId, bool dryRun, CancellationToken ct)
    {
        if (!long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) throw new NonRetryableException($"'{id}' is no number of a file.");
        if (await ListAsync("f.id = @id", ("id", number), ct).ConfigureAwait(false) is not [var file]) return new("Kept", $"File {id} is not there any more.");
        var decision = Decide(file, Today, options.Value.Months);
        if (!decision.MayDelete) return new("Kept", $"File {id} is kept: {decision.Rule}{(decision.KeepUntil is { } until ? ", until " + Iso(until) : "")}.");
        var range = $"calls from {Iso(file.FirstCall)} to {Iso(file.LastCall)}, {file.Records.ToString(CultureInfo.InvariantCulture)} records";
        if (await DifferenceAsync(file, ct).ConfigureAwait(false) is { } difference)
        {
            // Gone after a deletion that was under way is what was wanted.
            if (!await IsBeingDeletedAsync(number, ct).ConfigureAwait(false))
            {
                if (!dryRun) await todos.RaiseAsync(new ToDoRequest(Job, "CDR file " + id, "cdr-file-differs", $"The file {file.Bucket}/{file.Key} is due for deletion, but {difference}. It was not deleted. Find out what happened to it."), ct).ConfigureAwait(false);
                return new("Refused", $"File {id} was not deleted: {difference}.");
            }
        }

        if (dryRun) return new("Deleted", $"Would delete file {id} ({range}): {decision.Rule}, over since {Iso(decision.KeepUntil!.Value)}.");
        try
        {
            var key = $"certificates/cdr/{id}.json";
            var deletion = await effects.RunAsync(
                $"cdr:delete:{id}",
                "cdr.delete",
                async token =>
                {
                    // From here on no hold can be laid on it.
                    if (await database.ExecuteAsync(
                        $"UPDATE cdr_files SET deleting_at = @now WHERE id = @id AND deleted_at IS NULL AND NOT legal_hold", Parameters.Of(("now", time.GetUtcNow()), ("id", number)), token).ConfigureAwait(false) != 1)
                        throw new HeldException();
                    var certificate = Certificate(file, decision, instanceId);
                    await store.PutAsync(records.Value.Bucket, key, certificate, "application/json", null, token).ConfigureAwait(false);
                    await store.DeleteAsync(file.Bucket, file.Key, token).ConfigureAwait(false);
                    return new Deletion(key, Convert.ToHexStringLower(SHA256.HashData(certificate)));
                },
                async token =>
                {
                    if (await store.ExistsAsync(file.Bucket, file.Key, token).ConfigureAwait(false)) return new Reconciliation<Deletion>.DidNotHappen();
                    return await store.GetAsync(records.Value.Bucket, key, token).ConfigureAwait(false) is { } certificate
                        ? new Reconciliation<Deletion>.Happened(new Deletion(key, Convert.ToHexStringLower(SHA256.HashData(certificate.Content.Span))))
                        : new Reconciliation<Deletion>.Unknown("the file is gone and there is no certificate.");
                },
                ct).ConfigureAwait(false);
            if (await database.ExecuteAsync(
                "UPDATE cdr_files SET deleted_at = @now, certificate_key = @key, certificate_sha256 = @hash WHERE id = @id AND deleted_at IS NULL",
                Parameters.Of(("now", time.GetUtcNow()), ("key", deletion.CertificateKey), ("hash", deletion.CertificateSha256), ("id", number)), ct).ConfigureAwait(false) == 1)
                await audit.WriteAsync("system", "cdr-deleted", $"CDR file {id}",
                    new JsonObject { ["records"] = file.Records, ["first_call"] = Iso(file.FirstCall), ["last_call"] = Iso(file.LastCall), ["sha256"] = file.Sha256, ["rule"] = decision.Rule, ["certificate"] = deletion.CertificateKey, ["certificate_sha256"] = deletion.CertificateSha256 }, ct).ConfigureAwait(false);
            await todos.CloseAsync("CDR file " + id, "cdr-deletion-uncertain", ct).ConfigureAwait(false);
            return new("Deleted", $"Deleted file {id} ({range}): {decision.Rule}. Certificate: {deletion.CertificateKey}");
        }
        catch (HeldException e)
        {
            return new("Kept", $"File {id} is kept: {e.Message}.");
        }
        catch (NonRetryableException e)
        {
            // One file that nobody can tell about must not hold up those after it.
            await todos.RaiseAsync(new ToDoRequest(Job, "CDR file " + id, "cdr-deletion-uncertain", $"The file {file.Bucket}/{file.Key} is due for deletion, but could not be deleted: {e.Message}"), ct).ConfigureAwait(false);
            return new("Refused", $"File {id} was not deleted: {e.Message}");
        }
    }

    /// <summary>Lays a legal hold on a file, or lifts it, within a transaction.</summary>
    /// <returns><c>false</c> when the file is deleted or being deleted, or not there.</returns>
    internal static async Task<bool> HoldAsync(DbConnection connection, DbTransaction transaction, long id, bool hold, string reason, CancellationToken ct) =>
        await connection.ExecuteAsync(
            transaction, "UPDATE cdr_files SET legal_hold = @hold, legal_hold_reason = @reason WHERE id = @id AND deleting_at IS NULL AND deleted_at IS NULL",
            Parameters.Of(("hold", hold), ("reason", reason), ("id", id)), ct).ConfigureAwait(false) == 1;

    private async Task<string?> DifferenceAsync(CdrFile file, CancellationToken ct)
    {
        if (await store.GetAsync(file.Bucket, file.Key, ct).ConfigureAwait(false) is not { } stored) return "it is not in the object store";
        if (Convert.ToHexStringLower(SHA256.HashData(stored.Content.Span)) != file.Sha256) return "its bytes are not those that were uploaded";
        var lines = CountLines(stored.Content.Span);
        return lines == file.Records ? null : string.Create(CultureInfo.InvariantCulture, $"it has {lines} records and not {file.Records}");
    }

    private async Task<bool> IsBeingDeletedAsync(long id, CancellationToken ct) =>
        (await database.QueryAsync("SELECT id FROM cdr_files WHERE id = @id AND deleting_at IS NOT NULL", Parameters.Of(("id", id)), static r => r.GetInt64(0), ct).ConfigureAwait(false)).Count > 0;

    /// <summary>Lines that are not empty.</summary>
    internal static long CountLines(ReadOnlySpan<byte> text)
    {
        long lines = 0;
        foreach (var part in text.Split((byte)'\n'))
        {
            if (text[part].Trim("\r \t"u8).Length > 0) lines++;
        }

        return lines;
    }

    private byte[] Certificate(CdrFile file, RetentionDecision decision, string instanceId) => JsonSerializer.SerializeToUtf8Bytes(
        new JsonObject
        {
            ["certificate"] = "deletion of call detail records",
            ["file"] = file.Id,
            ["telecom_entity_id"] = file.TelecomEntityId,
            ["object"] = $"{file.Bucket}/{file.Key}",
            ["first_call"] = Iso(file.FirstCall),
            ["last_call"] = Iso(file.LastCall),
            ["records"] = file.Records,
            ["sha256"] = file.Sha256,
            ["backs_form_year"] = file.BacksFormYear,
            ["form_filed_on"] = file.FiledOn is { } filed ? Iso(filed) : null,
            ["rule"] = decision.Rule,
            ["kept_until"] = Iso(decision.KeepUntil!.Value),
            ["deleted_by"] = $"{Job}, workflow instance {instanceId}",
            ["deleted_at"] = time.GetUtcNow().ToString("O", CultureInfo.InvariantCulture),
        },
        Indented);

    private Task<List<CdrFile>> ListAsync(string where, (string Name, object? Value) value, CancellationToken ct) => database.QueryAsync(
        $"""
         SELECT f.id, f.telecom_entity_id, f.bucket, f.object_key, f.first_call_on, f.last_call_on, f.records, f.sha256, f.backs_form_year, f.legal_hold,
             (SELECT MAX(x.filed_at) FROM filings x WHERE x.filer_id = e.filer_id_499 AND x.year = f.backs_form_year)
         FROM cdr_files f JOIN telecom_entities e ON e.id = f.telecom_entity_id WHERE f.deleted_at IS NULL AND {where} ORDER BY f.id
         """,
        Parameters.Of(value), Map, ct);

    private static CdrFile Map(DbDataReader r) => new(
        r.GetInt64(0), r.GetInt32(1), r.GetString(2), r.GetString(3), Day(r.GetString(4)), Day(r.GetString(5)), r.GetInt64(6), r.GetString(7), r.Int(8), r.GetBoolean(9),
        r.TimeOrNull(10) is { } filed ? DateOnly.FromDateTime(filed.UtcDateTime) : null);

    private static DateOnly Day(string text) => DateOnly.ParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Iso(DateOnly date) => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
