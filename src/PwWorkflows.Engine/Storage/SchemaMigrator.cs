using System.Data.Common;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace PwWorkflows.Engine.Storage;

/// <summary>
/// Brings tables up to date from SQL scripts embedded in an assembly. Each script runs once, in the order of its name; what ran is kept in the table
/// <c>schema_migrations</c>. All scripts of a call run in one transaction that other nodes wait for, so any number of nodes may start at once.
/// </summary>
public static class SchemaMigrator
{
    // Any fixed number does; all nodes of one database must agree on it.
    private const long PostgresLock = 7_203_577_015_046_981;

    /// <summary>Runs the scripts of a module that have not run yet.</summary>
    /// <param name="database">The database.</param>
    /// <param name="module">Name of the owner of the scripts, such as "engine"; names need be unique only within it.</param>
    /// <param name="assembly">Where the scripts are embedded.</param>
    /// <param name="resourcePrefix">Resource names start with this plus "postgres." or "sqlite.", such as "PwWorkflows.Engine.Storage.Migrations.".</param>
    /// <param name="ct">Cancels before the transaction is committed.</param>
    /// <returns>Names of the scripts that ran now, in order.</returns>
    /// <exception cref="InvalidOperationException">There are no such scripts, or one that has run already was changed since.</exception>
    public static async Task<IReadOnlyList<string>> ApplyAsync(IEngineDatabase database, string module, Assembly assembly, string resourcePrefix, CancellationToken ct)
    {
        var postgres = database.Provider == DatabaseProvider.PostgreSql;
        var scripts = Load(assembly, resourcePrefix + (postgres ? "postgres." : "sqlite."));
        return await database.WriteAsync(async (connection, transaction, token) =>
        {
            if (postgres) await ExecuteAsync(connection, transaction, $"SELECT pg_advisory_xact_lock({PostgresLock})", token).ConfigureAwait(false);
            await ExecuteAsync(
                connection, transaction,
                "CREATE TABLE IF NOT EXISTS schema_migrations (module text NOT NULL, name text NOT NULL, hash text NOT NULL, " +
                $"applied_at {(postgres ? "timestamptz NOT NULL DEFAULT now()" : "text NOT NULL DEFAULT (datetime('now'))")}, PRIMARY KEY (module, name))",
                token).ConfigureAwait(false);

            var done = await AppliedAsync(connection, transaction, module, token).ConfigureAwait(false);
            var ran = new List<string>();
            foreach (var (name, sql) in scripts)
            {
                var hash = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(sql)));
                if (done.TryGetValue(name, out var was))
                {
                    if (was != hash)
                        throw new InvalidOperationException($"The migration {module}/{name} was changed after it had run on this database; add a new script instead.");
                    continue;
                }

                await ExecuteAsync(connection, transaction, sql, token).ConfigureAwait(false);
                await using var record = connection.CreateCommand();
                record.Transaction = transaction;
                record.CommandText = "INSERT INTO schema_migrations (module, name, hash) VALUES (@module, @name, @hash)";
                Add(record, "module", module);
                Add(record, "name", name);
                Add(record, "hash", hash);
                await record.ExecuteNonQueryAsync(token).ConfigureAwait(false);
                ran.Add(name);
            }

            return (IReadOnlyList<string>)ran;
        }, ct).ConfigureAwait(false);
    }

    private static List<(string Name, string Sql)> Load(Assembly assembly, string prefix)
    {
        var scripts = new List<(string, string)>();
        foreach (var resource in assembly.GetManifestResourceNames().Where(n => n.StartsWith(prefix, StringComparison.Ordinal) && n.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!, Encoding.UTF8);
            scripts.Add((resource[prefix.Length..^4], reader.ReadToEnd().ReplaceLineEndings("\n")));
        }

        return scripts.Count > 0 ? scripts : throw new InvalidOperationException($"{assembly.GetName().Name} has no scripts embedded as {prefix}*.sql.");
    }

    private static async Task<Dictionary<string, string>> AppliedAsync(DbConnection connection, DbTransaction transaction, string module, CancellationToken ct)
    {
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "SELECT name, hash FROM schema_migrations WHERE module = @module";
        Add(command, "module", module);
        await using var reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        var done = new Dictionary<string, string>(StringComparer.Ordinal);
        while (await reader.ReadAsync(ct).ConfigureAwait(false)) done.Add(reader.GetString(0), reader.GetString(1));
        return done;
    }

    private static async Task ExecuteAsync(DbConnection connection, DbTransaction transaction, string sql, CancellationToken ct)
    {
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
#pragma warning disable CA2100 // The text comes from scripts embedded in our own assemblies.
        command.CommandText = sql;
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    private static void Add(DbCommand command, string name, string value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.Value = value;
        command.Parameters.Add(parameter);
    }
}
