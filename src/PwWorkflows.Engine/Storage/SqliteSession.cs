using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace PwWorkflows.Engine.Storage;

/// <summary>One SQLite connection with its prepared statements. Used by one thread at a time.</summary>
internal sealed class SqliteSession : IDisposable
{
    private readonly Dictionary<string, SqliteCommand> _prepared = new(StringComparer.Ordinal);

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
        }
        catch
        {
            Connection.Dispose();
            throw;
        }
    }

    public SqliteConnection Connection { get; }

    public int Execute(string sql, params ReadOnlySpan<object?> args) => Bind(sql, args).ExecuteNonQuery();

    public List<T> Query<T>(string sql, ReadOnlySpan<object?> args, Func<DbDataReader, T> map)
    {
        using var reader = Bind(sql, args).ExecuteReader();
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
            if (_prepared.Count >= 200) Forget();
            _prepared.Add(sql, command);
        }

        for (var i = 0; i < args.Length; i++) command.Parameters[i].Value = SqliteValue.Of(args[i]);
        return command;
    }

    private void Forget()
    {
        foreach (var command in _prepared.Values) command.Dispose();
        _prepared.Clear();
    }

    public void Dispose()
    {
        Forget();
        Connection.Dispose();
    }
}
