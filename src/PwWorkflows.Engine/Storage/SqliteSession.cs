using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace PwWorkflows.Engine.Storage;

/// <summary>One SQLite connection with its prepared statements. Used by one thread at a time.</summary>
internal sealed class SqliteSession : IDisposable
{
    private readonly Dictionary<string, SqliteCommand> _prepared = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SqliteCommand> _named = new(StringComparer.Ordinal);

    public SqliteSession(string connectionString, bool readOnly)
    {
        // Own pooling, so that the settings below are made once per connection.
        Connection = new SqliteConnection(new SqliteConnectionStringBuilder(connectionString) { Pooling = false, DefaultTimeout = 30 }.ConnectionString);
        try
        {
            Connection.Open();
            // Waiting for another process is SQLite's own business; synchronous=FULL means that a commit is on disk.
            Execute("PRAGMA busy_timeout = 10000");
            if (!readOnly) Execute("PRAGMA journal_mode = WAL");
            Execute("PRAGMA synchronous = FULL");
            Execute("PRAGMA temp_store = MEMORY");
            Execute("PRAGMA cache_size = -16000");
            if (readOnly) Execute("PRAGMA query_only = ON");
            SqliteLike.AddTo(Connection);
        }
        catch
        {
            Connection.Dispose();
            throw;
        }
    }

    public SqliteConnection Connection { get; }

    public int Execute(string sql, params ReadOnlySpan<object?> args) => Bind(sql, args).ExecuteNonQuery();

    /// <summary>Runs a statement of the product, whose parameters have names.</summary>
    public int Execute(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters) => Bind(sql, parameters).ExecuteNonQuery();

    /// <summary>Runs a query of the product, whose parameters have names.</summary>
    public List<T> QueryNamed<T>(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, Func<DbDataReader, T> map) => Read(Bind(sql, parameters), map);

    private SqliteCommand Bind(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters)
    {
        if (!_named.TryGetValue(sql, out var command))
        {
            command = Connection.CreateCommand();
#pragma warning disable CA2100 // Written by the product's own code, with parameters.
            command.CommandText = sql;
#pragma warning restore CA2100
            if (_named.Count >= 200) Forget(_named);
            _named.Add(sql, command);
        }

        command.Parameters.Clear();
        foreach (var (name, value) in parameters)
        {
            command.Parameters.Add(new SqliteParameter(name.StartsWith('@') ? name : "@" + name, value switch
            {
                null => DBNull.Value,
                // Texts of one offset sort by time.
                DateTimeOffset time => time.ToUniversalTime(),
                ReadOnlyMemory<byte> bytes => StoreText.Bytes(bytes),
                _ => value,
            }));
        }

        return command;
    }

    public List<T> Query<T>(string sql, ReadOnlySpan<object?> args, Func<DbDataReader, T> map) => Read(Bind(sql, args), map);

    private static List<T> Read<T>(SqliteCommand command, Func<DbDataReader, T> map)
    {
        using var reader = command.ExecuteReader();
        var rows = new List<T>();
        while (reader.Read()) rows.Add(map(reader));
        return rows;
    }

    private SqliteCommand Bind(string sql, ReadOnlySpan<object?> args)
    {
        if (!_prepared.TryGetValue(sql, out var command))
        {
            command = Connection.CreateCommand();
            command.CommandText = sql;
            for (var i = 0; i < args.Length; i++) command.Parameters.Add(new SqliteParameter { ParameterName = SqliteValue.Name(i) });
            // Statements that are made up as they come must not pile up.
            if (_prepared.Count >= 200) Forget(_prepared);
            _prepared.Add(sql, command);
        }

        for (var i = 0; i < args.Length; i++) command.Parameters[i].Value = SqliteValue.Of(args[i]);
        return command;
    }

    private static void Forget(Dictionary<string, SqliteCommand> commands)
    {
        foreach (var command in commands.Values) command.Dispose();
        commands.Clear();
    }

    public void Dispose()
    {
        Forget(_prepared);
        Forget(_named);
        Connection.Dispose();
    }
}
