using System.Collections.Concurrent;
using Npgsql;

namespace PwWorkflows.Tests.Infrastructure;

/// <summary>
/// The PostgreSQL server of a test run, started when the first test asks for it. Register once per test project:
/// <c>[assembly: AssemblyFixture(typeof(PostgresFixture))]</c>, and take it as a constructor parameter.
/// </summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly ConcurrentBag<string> _idle = [];
    private PostgresServer? _server;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async Task<PostgresServer> ServerAsync(CancellationToken ct)
    {
        if (_server is { } running) return running;
        await _gate.WaitAsync(ct);
        try
        {
            return _server ??= await PostgresServer.StartAsync(ct);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Connection string of an empty database: one given back before, else a new one (making and dropping databases takes longer than most tests).</summary>
    public async Task<string> RentDatabaseAsync(CancellationToken ct) =>
        _idle.TryTake(out var connectionString) ? connectionString : await (await ServerAsync(ct)).CreateDatabaseAsync(ct);

    /// <summary>Empties a database for the next test. All connections to it must be closed.</summary>
    public async Task ReturnDatabaseAsync(string connectionString, CancellationToken ct)
    {
        await using (var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString))
        {
            await connection.OpenAsync(ct);
            await using var command = new NpgsqlCommand("DROP SCHEMA public CASCADE; CREATE SCHEMA public", connection);
            await command.ExecuteNonQueryAsync(ct);
        }

        _idle.Add(connectionString);
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            while (_idle.TryTake(out var connectionString)) await _server.DropDatabaseAsync(connectionString, CancellationToken.None);
            await _server.DisposeAsync();
        }

        _gate.Dispose();
    }
}
