using Microsoft.Data.Sqlite;
using Npgsql;

namespace PwWorkflows.Engine.Storage;

/// <summary>Which database the engine uses and how hard.</summary>
public sealed record StoreOptions
{
    private const string Expected =
        "expected postgres://user:password@host:port/database?sslmode=require, or Npgsql's form Host=...;Database=...;Username=...;Password=..., " +
        "or nothing for SQLite in the data folder";

    /// <summary>Which database.</summary>
    public required DatabaseProvider Provider { get; init; }

    /// <summary>Connection string in the form of the provider. Holds the password: never print it.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>PostgreSQL only: how many transactions of commits may be under way at once, 1 to 8. While one waits for the disk the next is prepared.</summary>
    public int CommitLoops { get; init; } = 1;

    /// <summary>Most commits written in one transaction, 1 to 1000.</summary>
    public int MaxCommitsPerTransaction { get; init; } = 64;

    /// <summary>
    /// Reads the value of <c>DATABASE_URL</c>: <c>postgres://user:pass@host:port/db?sslmode=...</c>, Npgsql's key=value form, or nothing, which means the file
    /// <c>pw.db</c> in <paramref name="dataFolder"/> (made when missing).
    /// </summary>
    /// <exception cref="FormatException">The value is none of these. The message names DATABASE_URL and what is expected, and never holds the password.</exception>
    public static StoreOptions Parse(string? databaseUrl, string dataFolder)
    {
        if (string.IsNullOrWhiteSpace(databaseUrl))
        {
            Directory.CreateDirectory(dataFolder);
            return Sqlite(Path.Combine(dataFolder, "pw.db"));
        }

        var text = databaseUrl.Trim();
        if (text.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase) || text.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase))
            return new StoreOptions { Provider = DatabaseProvider.PostgreSql, ConnectionString = FromUrl(text) };
        if (!text.Contains("://", StringComparison.Ordinal) && text.Contains('=', StringComparison.Ordinal))
            return new StoreOptions { Provider = DatabaseProvider.PostgreSql, ConnectionString = FromKeyValues(text) };
        throw new FormatException($"DATABASE_URL is not understood: {Expected}.");
    }

    /// <summary>SQLite in the given file.</summary>
    public static StoreOptions Sqlite(string file) => new()
    {
        Provider = DatabaseProvider.Sqlite,
        ConnectionString = new SqliteConnectionStringBuilder { DataSource = file }.ConnectionString,
    };

    private static string FromUrl(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url))
            throw new FormatException($"DATABASE_URL is not a valid address (special characters in the password must be percent-encoded): {Expected}.");
        var database = Uri.UnescapeDataString(url.AbsolutePath.TrimStart('/'));
        if (url.Host.Length == 0 || database.Length == 0)
            throw new FormatException($"DATABASE_URL names no {(url.Host.Length == 0 ? "host" : "database")}: {Expected}.");

        var builder = new NpgsqlConnectionStringBuilder { Host = Uri.UnescapeDataString(url.IdnHost), Port = url.Port > 0 ? url.Port : 5432, Database = database };
        var user = url.UserInfo.Split(':', 2);
        if (user[0].Length > 0) builder.Username = Uri.UnescapeDataString(user[0]);
        if (user.Length > 1) builder.Password = Uri.UnescapeDataString(user[1]);

        foreach (var pair in url.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = pair.Split('=', 2);
            var name = Uri.UnescapeDataString(parts[0]);
            var value = parts.Length > 1 ? Uri.UnescapeDataString(parts[1].Replace('+', ' ')) : "";
            if (string.Equals(name, "sslmode", StringComparison.OrdinalIgnoreCase)) builder.SslMode = ParseSslMode(value);
            else Set(builder, name, value);
        }

        return builder.ConnectionString;
    }

    private static SslMode ParseSslMode(string value) => value.ToLowerInvariant() switch
    {
        "disable" => SslMode.Disable,
        "allow" => SslMode.Allow,
        "prefer" => SslMode.Prefer,
        "require" => SslMode.Require,
        "verify-ca" or "verifyca" => SslMode.VerifyCA,
        "verify-full" or "verifyfull" => SslMode.VerifyFull,
        _ => throw new FormatException("DATABASE_URL has an unknown sslmode: expected disable, allow, prefer, require, verify-ca or verify-full."),
    };

    // Parameters that libpq spells otherwise than Npgsql.
    private static void Set(NpgsqlConnectionStringBuilder builder, string name, string value)
    {
        var key = name.ToLowerInvariant() switch
        {
            "connect_timeout" => "Timeout",
            "application_name" => "Application Name",
            "sslrootcert" => "Root Certificate",
            "sslcert" => "SSL Certificate",
            "sslkey" => "SSL Key",
            "target_session_attrs" => "Target Session Attributes",
            _ => name.Replace('_', ' '),
        };
        try
        {
            builder[key] = value;
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or InvalidCastException or OverflowException)
        {
            throw new FormatException($"DATABASE_URL has the parameter {name}, which is not known or has a value that does not fit: {Expected}.");
        }
    }

    private static string FromKeyValues(string text)
    {
        NpgsqlConnectionStringBuilder builder;
        try
        {
            builder = new NpgsqlConnectionStringBuilder(text);
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or InvalidCastException or OverflowException or KeyNotFoundException)
        {
            // The cause may quote a part of the password, so it is not passed on.
            throw new FormatException($"DATABASE_URL has a part that Npgsql does not know: {Expected}.");
        }

        if (string.IsNullOrWhiteSpace(builder.Host)) throw new FormatException($"DATABASE_URL names no host: {Expected}.");
        if (string.IsNullOrWhiteSpace(builder.Database)) throw new FormatException($"DATABASE_URL names no database: {Expected}.");
        return builder.ConnectionString;
    }
}
