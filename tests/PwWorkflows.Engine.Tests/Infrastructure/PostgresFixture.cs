namespace PwWorkflows.Tests.Infrastructure;

/// <summary>
/// The PostgreSQL server of a test run, started when the first test asks for it. Register once per test project:
/// <c>[assembly: AssemblyFixture(typeof(PostgresFixture))]</c>, and take it as a constructor parameter.
/// </summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    private readonly SemaphoreSlim _gate = new(1, 1);
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

    /// <summary>Connection string of a new, empty database.</summary>
    public async Task<string> CreateDatabaseAsync(CancellationToken ct) => await (await ServerAsync(ct)).CreateDatabaseAsync(ct);

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        _gate.Dispose();
    }
}
