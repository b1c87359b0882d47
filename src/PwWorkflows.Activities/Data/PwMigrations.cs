using System.Data.Common;
using System.Reflection;

namespace PwWorkflows.Activities.Data;

/// <summary>Brings the product's tables up to date: runs the numbered SQL files of <c>Data/Migrations</c> that have not run yet.</summary>
/// <remarks>
/// Each file is one transaction together with its line in <c>pw_schema_versions</c>. Nodes that start at once wait for each other
/// (advisory lock on PostgreSQL, write lock on SQLite). A file that has run is never run again, so a published file is never edited.
/// </remarks>
public static class PwMigrations
{
    private const long AdvisoryLock = 0x5057_4D49_4752; // "PWMIGR"

    /// <summary>Runs what is missing.</summary>
    /// <param name="connection">An open connection of nobody else's.</param>
    /// <param name="isPostgres">Which of the two databases it leads to.</param>
    /// <param name="at">The time to write down.</param>
    /// <param name="ct">Stops between two files.</param>
    /// <returns>The names of the files that ran now.</returns>
    public static async Task<IReadOnlyList<string>> RunAsync(DbConnection connection, bool isPostgres, DateTimeOffset at, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (isPostgres) await RunTextAsync(connection, null, $"SELECT pg_advisory_lock({AdvisoryLock})", ct).ConfigureAwait(false);
        try
        {
            await RunTextAsync(connection, null, "CREATE TABLE IF NOT EXISTS pw_schema_versions (name text PRIMARY KEY, applied_at text NOT NULL)", ct).ConfigureAwait(false);
            var done = await AppliedAsync(connection, null, ct).ConfigureAwait(false);
            var ran = new List<string>();
            foreach (var (name, resource) in Files(isPostgres))
            {
                if (done.Contains(name)) continue;
                if (await RunFileAsync(connection, isPostgres, name, resource, at, ct).ConfigureAwait(false)) ran.Add(name);
            }

            return ran;
        }
        finally
        {
            if (isPostgres) await RunTextAsync(connection, null, $"SELECT pg_advisory_unlock({AdvisoryLock})", CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>The files for a database, by name in the order they run.</summary>
    internal static IReadOnlyList<(string Name, string Resource)> Files(bool isPostgres)
    {
        var prefix = $"{typeof(PwMigrations).Namespace}.Migrations.{(isPostgres ? "postgres" : "sqlite")}.";
        return [.. typeof(PwMigrations).Assembly.GetManifestResourceNames()
            .Where(n => n.StartsWith(prefix, StringComparison.Ordinal))
            .Select(n => (n[prefix.Length..], n))
            .OrderBy(f => f.Item1, StringComparer.Ordinal)];
    }

    private static async Task<bool> RunFileAsync(DbConnection connection, bool isPostgres, string name, string resource, DateTimeOffset at, CancellationToken ct)
    {
        await using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(resource)!;
        using var reader = new StreamReader(stream);
        var sql = await reader.ReadToEndAsync(ct).ConfigureAwait(false);
        // A Sqlite transaction begins IMMEDIATE here: another process's files are seen after its lock is let go.
        await using var transaction = await connection.BeginTransactionAsync(ct).ConfigureAwait(false);
        if (!isPostgres && (await AppliedAsync(connection, transaction, ct).ConfigureAwait(false)).Contains(name)) return false;
        try
        {
            await RunTextAsync(connection, transaction, sql, ct).ConfigureAwait(false);
        }
        catch (DbException e)
        {
            throw new InvalidOperationException($"The migration {name} failed: {e.Message}", e);
        }

        await using (var mark = connection.CreateCommand())
        {
            mark.Transaction = transaction;
            mark.CommandText = "INSERT INTO pw_schema_versions (name, applied_at) VALUES (@name, @at)";
            Add(mark, "name", name);
            Add(mark, "at", at.UtcDateTime.ToString("O", System.Globalization.CultureInfo.InvariantCulture));
            await mark.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
        }

        await transaction.CommitAsync(ct).ConfigureAwait(false);
        return true;
    }

    private static async Task<HashSet<string>> AppliedAsync(DbConnection connection, DbTransaction? transaction, CancellationToken ct)
    {
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "SELECT name FROM pw_schema_versions";
        await using var rows = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (await rows.ReadAsync(ct).ConfigureAwait(false)) names.Add(rows.GetString(0));
        return names;
    }

    private static async Task RunTextAsync(DbConnection connection, DbTransaction? transaction, string sql, CancellationToken ct)
    {
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
#pragma warning disable CA2100 // The text comes from this assembly.
        command.CommandText = sql;
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    private static void Add(DbCommand command, string name, object value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.Value = value;
        command.Parameters.Add(parameter);
    }
}
