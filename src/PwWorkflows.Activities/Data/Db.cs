using System.Data.Common;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PwWorkflows.Activities.Data;

/// <summary>The little SQL plumbing that the stores share.</summary>
internal static class Db
{
    /// <summary>The text to put where a JSON parameter goes.</summary>
    public static string Json(this IPwDatabase database, string parameter) => database.IsPostgres ? $"CAST({parameter} AS jsonb)" : parameter;

    /// <summary>The database's own time in unix seconds, as SQL.</summary>
    public static string UnixNow(this IPwDatabase database) =>
        database.IsPostgres ? "CAST(extract(epoch FROM clock_timestamp()) AS bigint)" : "unixepoch()";

    /// <summary>Runs a query and maps each row.</summary>
    public static Task<List<T>> QueryAsync<T>(
        this IPwDatabase database, string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, Func<DbDataReader, T> map, CancellationToken ct) =>
        database.ReadAsync((connection, token) => connection.QueryAsync(null, sql, parameters, map, token), ct);

    /// <summary>Runs a query and maps each row.</summary>
    public static async Task<List<T>> QueryAsync<T>(
        this DbConnection connection, DbTransaction? transaction, string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, Func<DbDataReader, T> map, CancellationToken ct)
    {
        await using var command = Command(connection, transaction, sql, parameters);
        await using var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        var rows = new List<T>();
        while (await reader.ReadAsync(ct).ConfigureAwait(false)) rows.Add(map(reader));
        return rows;
    }

    /// <summary>Runs a statement; gives the number of rows changed.</summary>
    public static async Task<int> ExecuteAsync(
        this DbConnection connection, DbTransaction? transaction, string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, CancellationToken ct)
    {
        await using var command = Command(connection, transaction, sql, parameters);
        return await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    public static string? Text(this DbDataReader row, int i) => row.IsDBNull(i) ? null : row.GetString(i);

    public static int? Int(this DbDataReader row, int i) => row.IsDBNull(i) ? null : row.GetInt32(i);

    public static DateTimeOffset Time(this DbDataReader row, int i) => row.GetFieldValue<DateTimeOffset>(i).ToUniversalTime();

    public static DateTimeOffset? TimeOrNull(this DbDataReader row, int i) => row.IsDBNull(i) ? null : row.Time(i);

    public static JsonObject Object(this DbDataReader row, int i) =>
        row.IsDBNull(i) ? [] : JsonNode.Parse(row.GetString(i)) as JsonObject ?? throw new JsonException($"The column {row.GetName(i)} holds no JSON object.");

    private static DbCommand Command(DbConnection connection, DbTransaction? transaction, string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters)
    {
        var command = connection.CreateCommand();
        command.Transaction = transaction;
#pragma warning disable CA2100 // The texts are constants of this assembly; values travel as parameters.
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach (var (name, value) in parameters)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            parameter.Value = value switch
            {
                null => DBNull.Value,
                DateTimeOffset time => time.ToUniversalTime(),
                _ => value,
            };
            command.Parameters.Add(parameter);
        }

        return command;
    }
}
