using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Records;

/// <summary>An entry of the audit log.</summary>
/// <param name="Id">Its place, from 1 without gaps.</param>
/// <param name="At">When it was written (UTC, whole milliseconds).</param>
/// <param name="Actor">The user, or <c>system</c>.</param>
/// <param name="Action">Short stable name, such as <c>sign-in</c>.</param>
/// <param name="Subject">What it is about, such as an order number.</param>
/// <param name="Detail">More about it, as JSON.</param>
/// <param name="PreviousHash">Hash of the entry before; 64 zeros for the first.</param>
/// <param name="Hash">SHA-256 over everything above, lower case hexadecimal.</param>
public sealed record AuditEntry(long Id, DateTimeOffset At, string Actor, string Action, string Subject, string Detail, string PreviousHash, string Hash);

/// <summary>
/// Who did what, when (table <c>audit_log</c>). Each entry carries the hash of the one before, so that a changed or missing entry shows.
/// Secrets never go into it.
/// </summary>
public sealed class AuditLog(IPwDatabase database, TimeProvider time)
{
    private const long AdvisoryLock = 0x5057_4155_4449; // "PWAUDI"
    private const string Columns = "id, at, actor, action, subject, detail, previous_hash, hash";
    private static readonly string NoPredecessor = new('0', 64);

    /// <summary>Writes an entry; it is committed when the call returns.</summary>
    public Task WriteAsync(string actor, string action, string subject, JsonObject? detail, CancellationToken ct) =>
        database.WriteAsync((connection, transaction, token) => AppendAsync(connection, transaction, actor, action, subject, detail, token), ct);

    /// <summary>Writes an entry within a transaction, so that what happened and its trace are there together or not at all.</summary>
    public async Task<int> AppendAsync(DbConnection connection, DbTransaction transaction, string actor, string action, string subject, JsonObject? detail, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(actor);
        ArgumentException.ThrowIfNullOrEmpty(action);
        ArgumentNullException.ThrowIfNull(subject);
        var text = detail?.ToJsonString() ?? "{}";
        // Two writers at once would both follow the same entry.
        if (database.IsPostgres) await connection.ExecuteAsync(transaction, $"SELECT pg_advisory_xact_lock({AdvisoryLock})", Parameters.None, ct).ConfigureAwait(false);
        var last = await connection.QueryAsync(
            transaction, "SELECT id, hash FROM audit_log ORDER BY id DESC LIMIT 1", Parameters.None, static r => (Id: r.GetInt64(0), Hash: r.GetString(1)), ct).ConfigureAwait(false);
        var (id, previous) = last is [var l] ? (l.Id + 1, l.Hash) : (1L, NoPredecessor);
        var at = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
        return await connection.ExecuteAsync(
            transaction,
            $"INSERT INTO audit_log ({Columns}) VALUES (@id, @at, @actor, @action, @subject, @detail, @previous, @hash)",
            Parameters.Of(("id", id), ("at", at), ("actor", actor), ("action", action), ("subject", subject), ("detail", text), ("previous", previous),
                ("hash", HashOf(id, at, actor, action, subject, text, previous))),
            ct).ConfigureAwait(false);
    }

    /// <summary>The newest entries, newest first.</summary>
    /// <param name="take">At most so many, 1 to 1000.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<IReadOnlyList<AuditEntry>> LatestAsync(int take, CancellationToken ct) =>
        await database.QueryAsync($"SELECT {Columns} FROM audit_log ORDER BY id DESC LIMIT @take", Parameters.Of(("take", (long)take)), Map, ct).ConfigureAwait(false);

    /// <summary>The first thing wrong with the chain; <c>null</c> when every entry is as written and none is missing between the first and the last.</summary>
    public async Task<string?> FindFaultAsync(CancellationToken ct)
    {
        var (expected, previous) = (1L, NoPredecessor);
        while (true)
        {
            var entries = await database.QueryAsync(
                $"SELECT {Columns} FROM audit_log WHERE id >= @from ORDER BY id LIMIT 1000", Parameters.Of(("from", expected)), Map, ct).ConfigureAwait(false);
            foreach (var e in entries)
            {
                if (e.Id != expected) return $"Entry {expected} is missing.";
                if (e.PreviousHash != previous) return $"Entry {e.Id} does not follow entry {e.Id - 1}.";
                if (e.Hash != HashOf(e.Id, e.At, e.Actor, e.Action, e.Subject, e.Detail, e.PreviousHash)) return $"Entry {e.Id} was changed.";
                (expected, previous) = (e.Id + 1, e.Hash);
            }

            if (entries.Count < 1000) return null;
        }
    }

    private static AuditEntry Map(DbDataReader r) =>
        new(r.GetInt64(0), r.Time(1), r.GetString(2), r.GetString(3), r.GetString(4), r.GetString(5), r.GetString(6), r.GetString(7));

    private static string HashOf(long id, DateTimeOffset at, string actor, string action, string subject, string detail, string previous)
    {
        // Lengths before the parts: no two different entries make the same text.
        var text = new StringBuilder();
        foreach (var part in (string[])[id.ToString(CultureInfo.InvariantCulture), at.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture), actor, action, subject, detail, previous])
            text.Append(CultureInfo.InvariantCulture, $"{part.Length}:{part}");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
