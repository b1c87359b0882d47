using System.Collections.Concurrent;
using System.Data.Common;

namespace PwWorkflows.Engine.Storage;

/// <summary>SQLite for the product's own tables: reading connections of its own, and turns on the one writer.</summary>
internal sealed class SqliteDatabase(string connectionString, SqliteWriter writer, Action countRoundTrip, Func<EnlistedWrite, CancellationToken, Task<int>> execute) : IEngineDatabase, IDisposable
{
    private readonly ConcurrentBag<SqliteSession> _idle = [];
    private volatile bool _closed;

    public DatabaseProvider Provider => DatabaseProvider.Sqlite;
    public string ConnectionString { get; } = connectionString;

    public async Task<T> ReadAsync<T>(Func<DbConnection, CancellationToken, Task<T>> read, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var session = Rent();
        try
        {
            return await read(session.Connection, ct).ConfigureAwait(false);
        }
        finally
        {
            Return(session);
        }
    }

    /// <summary>A query of the engine, with a prepared statement.</summary>
    public List<T> Query<T>(string sql, object?[] args, Func<DbDataReader, T> map)
    {
        var session = Rent();
        try
        {
            return session.Query(sql, args, map);
        }
        finally
        {
            Return(session);
        }
    }

    public Task<List<T>> LookUpAsync<T>(EnlistedWrite query, Func<DbDataReader, T> map, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var session = Rent();
        try
        {
            return Task.FromResult(session.QueryNamed(query.Sql, query.Parameters, map));
        }
        catch (Exception exception)
        {
            return Task.FromException<List<T>>(exception);
        }
        finally
        {
            Return(session);
        }
    }

    public Task<int> ExecuteAsync(EnlistedWrite write, CancellationToken ct) => execute(write, ct);

    public Task<T> WriteAsync<T>(Func<DbConnection, DbTransaction, CancellationToken, Task<T>> write, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        return writer.RunAloneAsync((connection, transaction, token) => write(connection, transaction, token), ct);
    }

    private SqliteSession Rent()
    {
        ObjectDisposedException.ThrowIf(_closed, typeof(IEngineStore));
        countRoundTrip();
        return _idle.TryTake(out var session) ? session : new SqliteSession(ConnectionString, readOnly: true);
    }

    private void Return(SqliteSession session)
    {
        if (_closed || _idle.Count >= 8) session.Dispose();
        else _idle.Add(session);
    }

    public void Dispose()
    {
        _closed = true;
        while (_idle.TryTake(out var session)) session.Dispose();
    }
}
