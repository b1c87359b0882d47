using System.Data.Common;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Effects;

/// <summary>A row of the effect ledger, for people.</summary>
/// <param name="Key">Business key.</param>
/// <param name="Kind">What kind of effect it is.</param>
/// <param name="Status"><c>started</c>, <c>done</c> or <c>uncertain</c>.</param>
/// <param name="Attempts">How often it was tried or asked about.</param>
/// <param name="Note">What the outside last said, when it is not done.</param>
/// <param name="Result">Its result as JSON, when it is done.</param>
/// <param name="StartedAt">When it was first tried (UTC).</param>
/// <param name="FinishedAt">When its result was known (UTC).</param>
public sealed record EffectRecord(string Key, string Kind, string Status, int Attempts, string? Note, string? Result, DateTimeOffset StartedAt, DateTimeOffset? FinishedAt);

/// <summary>Reads the effect ledger, and takes a person's word on an effect of which the outside could not tell whether it happened.</summary>
public sealed class EffectRecords(IPwDatabase database, TimeProvider time)
{
    private const string Columns = "key, kind, status, attempts, note, result, started_at, finished_at";

    /// <summary>Effects, newest first.</summary>
    /// <param name="status">Only those of a status; <c>null</c> for all.</param>
    /// <param name="take">At most so many.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<IReadOnlyList<EffectRecord>> ListAsync(string? status, int take, CancellationToken ct) =>
        await database.QueryAsync(
            $"SELECT {Columns} FROM effects WHERE (@status = '' OR status = @status) ORDER BY started_at DESC, key LIMIT @take",
            Parameters.Of(("status", status ?? ""), ("take", (long)take)), Map, ct).ConfigureAwait(false);

    /// <summary>
    /// Settles an uncertain effect: one that happened gets its result, one that did not is free to be tried again. The workflow that waits on it
    /// is retried by whoever settled it.
    /// </summary>
    /// <param name="key">Business key of the effect.</param>
    /// <param name="result">What it would have answered, as a JSON object; <c>null</c> when it did not happen.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <param name="also">Written in the same transaction when it is, such as the entry of the audit log.</param>
    /// <returns>Why it can't be settled like this; <c>null</c> when it is settled.</returns>
    public Task<string?> SettleAsync(string key, string? result, CancellationToken ct, Func<DbConnection, DbTransaction, CancellationToken, Task>? also = null) => database.WriteAsync(
        async (connection, transaction, token) =>
        {
            var rows = await connection.QueryAsync(transaction, $"SELECT {Columns} FROM effects WHERE key = @key", Parameters.Of(("key", key)), Map, token).ConfigureAwait(false);
            if (rows is not [var effect]) return $"There is no effect '{key}'.";
            if (effect.Status != "uncertain") return $"The effect '{key}' is {effect.Status}; only an uncertain one needs a person's word.";
            if (result is not null)
            {
                if (Fields(result) is not { } given) return "result: expected a JSON object.";
                var like = await connection.QueryAsync(
                    transaction, "SELECT result FROM effects WHERE kind = @kind AND status = 'done' ORDER BY started_at DESC LIMIT 1",
                    Parameters.Of(("kind", effect.Kind)), static r => r.GetString(0), token).ConfigureAwait(false);
                if (like is [var example] && Fields(example) is { } expected && !expected.SetEquals(given))
                    return $"result: expected the fields {string.Join(", ", expected)}, as other effects of the kind {effect.Kind} have.";
            }

            var settled = result is null
                ? await connection.ExecuteAsync(transaction, "DELETE FROM effects WHERE key = @key AND status = 'uncertain'", Parameters.Of(("key", key)), token).ConfigureAwait(false)
                : await connection.ExecuteAsync(
                    transaction, "UPDATE effects SET status = 'done', result = @result, finished_at = @now WHERE key = @key AND status = 'uncertain'",
                    Parameters.Of(("result", result), ("now", time.GetUtcNow()), ("key", key)), token).ConfigureAwait(false);
            if (settled != 1) return $"Somebody else settled '{key}'.";
            if (also is not null) await also(connection, transaction, token).ConfigureAwait(false);
            return null;
        },
        ct);

    private static HashSet<string>? Fields(string json)
    {
        try
        {
            return JsonNode.Parse(json) is JsonObject o ? [.. o.Select(static p => p.Key)] : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static EffectRecord Map(DbDataReader r) =>
        new(r.GetString(0), r.GetString(1), r.GetString(2), r.GetInt32(3), r.Text(4), r.Text(5), r.Time(6), r.TimeOrNull(7));
}
