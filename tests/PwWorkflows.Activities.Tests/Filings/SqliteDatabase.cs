using System.Data.Common;
using Microsoft.Data.Sqlite;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Tests.Filings;

/// <summary>The product's tables in a SQLite file of this test. Enlisted statements wait for <see cref="CommitAsync"/>, as in a workflow step.</summary>
sealed class SqliteDatabase : IPwDatabase, IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("pw-filings-").FullName;
    readonly SemaphoreSlim _writer = new(1, 1);
    readonly List<(string Sql, IReadOnlyList<KeyValuePair<string, object?>> Parameters)> _enlisted = [];

    public bool IsPostgres => false;

    public string Folder => _folder;

    public static async Task<SqliteDatabase> CreateAsync(CancellationToken ct)
    {
        var database = new SqliteDatabase();
        await using var connection = await database.OpenAsync(ct);
        await PwMigrations.RunAsync(connection, false, TimeProvider.System.GetUtcNow(), ct);
        return database;
    }

    public async Task<T> ReadAsync<T>(Func<DbConnection, CancellationToken, Task<T>> read, CancellationToken ct)
    {
        await using var connection = await OpenAsync(ct);
        return await read(connection, ct);
    }

    public async Task<T> WriteAsync<T>(Func<DbConnection, DbTransaction, CancellationToken, Task<T>> write, CancellationToken ct)
    {
        await _writer.WaitAsync(ct);
        try
        {
            await using var connection = await OpenAsync(ct);
            await using var transaction = await connection.BeginTransactionAsync(ct);
            var result = await write(connection, transaction, ct);
            await transaction.CommitAsync(ct);
            return result;
        }
        finally
        {
            _writer.Release();
        }
    }

    public Task<int> ExecuteAsync(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, CancellationToken ct) =>
        WriteAsync((connection, transaction, token) => connection.ExecuteAsync(transaction, sql, parameters, token), ct);

    public void Enlist(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, int? expectedRows = null) => _enlisted.Add((sql, parameters));

    public Task<int> CommitAsync(CancellationToken ct) => WriteAsync(async (connection, transaction, token) =>
    {
        foreach (var (sql, parameters) in _enlisted) await connection.ExecuteAsync(transaction, sql, parameters, token);
        var count = _enlisted.Count;
        _enlisted.Clear();
        return count;
    }, ct);

    public Task<int> RunAsync(string sql, CancellationToken ct) => ExecuteAsync(sql, Parameters.None, ct);

    public ValueTask DisposeAsync()
    {
        SqliteConnection.ClearAllPools();
        _writer.Dispose();
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    async Task<SqliteConnection> OpenAsync(CancellationToken ct)
    {
        var connection = new SqliteConnection($"Data Source={Path.Combine(_folder, "pw.db")};Pooling=False");
        await connection.OpenAsync(ct);
        return connection;
    }
}
