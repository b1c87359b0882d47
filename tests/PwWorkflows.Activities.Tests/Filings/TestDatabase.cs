using System.Data.Common;
using Microsoft.Data.Sqlite;
using Npgsql;
using PwWorkflows.Activities.Data;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Activities.Tests.Filings;

/// <summary>One PostgreSQL server for the tests that need it.</summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    public PostgresServer Server { get; private set; } = null!;

    /// <summary>A database with the product's tables, for copies.</summary>
    public string Migrated { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Server = await PostgresServer.StartAsync(CancellationToken.None);
        Migrated = await Server.CreateDatabaseAsync(CancellationToken.None);
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(Migrated) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await PwMigrations.RunAsync(connection, isPostgres: true, TimeProvider.System.GetUtcNow(), CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (Migrated is not null) await Server.DropDatabaseAsync(Migrated, CancellationToken.None);
        await Server.DisposeAsync();
    }
}

/// <summary>The product's tables in a database of this test: a SQLite file, or a PostgreSQL database. Enlisted statements wait for <see cref="CommitAsync"/>, as in a workflow step.</summary>
sealed class TestDatabase : IPwDatabase, IAsyncDisposable
{
    const string FileName = "pw.db";

    // The product's tables, made once: each test begins with a copy.
    static readonly Lazy<Task<byte[]>> MigratedFile = new(MigrateFileAsync);

    readonly string _folder = Directory.CreateTempSubdirectory("pw-filings-").FullName;
    readonly PostgresServer? _server;
    readonly string _connectionString;
    readonly SemaphoreSlim _writer = new(1, 1);
    readonly List<(string Sql, IReadOnlyList<KeyValuePair<string, object?>> Parameters)> _enlisted = [];

    TestDatabase(PostgresServer? server, string? connectionString)
    {
        _server = server;
        _connectionString = connectionString ?? $"Data Source={Path.Combine(_folder, FileName)};Pooling=False";
    }

    public bool IsPostgres => _server is not null;

    public string Folder => _folder;

    public static async Task<TestDatabase> CreateAsync(CancellationToken ct, PostgresFixture? postgres = null)
    {
        if (postgres is not null) return new(postgres.Server, await postgres.Server.CreateDatabaseAsync(ct, postgres.Migrated));
        var database = new TestDatabase(null, null);
        await File.WriteAllBytesAsync(Path.Combine(database._folder, FileName), await MigratedFile.Value, ct);
        return database;
    }

    static async Task<byte[]> MigrateFileAsync()
    {
        await using var database = new TestDatabase(null, null);
        await using (var connection = await database.OpenAsync(CancellationToken.None))
            await PwMigrations.RunAsync(connection, isPostgres: false, TimeProvider.System.GetUtcNow(), CancellationToken.None);
        return await File.ReadAllBytesAsync(Path.Combine(database._folder, FileName));
    }

    public async Task<T> ReadAsync<T>(Func<DbConnection, CancellationToken, Task<T>> read, CancellationToken ct)
    {
        await using var connection = await OpenAsync(ct);
        return await read(connection, ct);
    }

    public async Task<T> WriteAsync<T>(Func<DbConnection, DbTransaction, CancellationToken, Task<T>> write, CancellationToken ct)
    {
        // SQLite has one writer; PostgreSQL must cope by itself.
        if (!IsPostgres) await _writer.WaitAsync(ct);
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
            if (!IsPostgres) _writer.Release();
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

    public async ValueTask DisposeAsync()
    {
        _writer.Dispose();
        if (_server is not null)
        {
            await using (var pooled = new NpgsqlConnection(_connectionString)) NpgsqlConnection.ClearPool(pooled);
            await _server.DropDatabaseAsync(_connectionString, CancellationToken.None);
        }

        Directory.Delete(_folder, recursive: true);
    }

    async Task<DbConnection> OpenAsync(CancellationToken ct)
    {
        DbConnection connection = IsPostgres ? new NpgsqlConnection(_connectionString) : new SqliteConnection(_connectionString);
        await connection.OpenAsync(ct);
        return connection;
    }
}
