using PwWorkflows.Engine.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Storage;

public abstract class MigrationContract(ITestDatabase database) : IAsyncLifetime
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private StoreOptions _options = null!;

    public async ValueTask InitializeAsync() => _options = await database.CreateAsync(Ct);

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await database.DisposeAsync();
    }

    [Fact]
    public async Task Many_nodes_migrate_an_empty_database_at_once()
    {
        var nodes = Enumerable.Range(0, 8).Select(_ => EngineStore.Create(_options, TimeProvider.System)).ToList();
        var outcomes = await Race.OutcomesAsync(nodes.Count, i => nodes[i].MigrateAsync(Ct));
        Assert.All(outcomes, Assert.Null);
        foreach (var node in nodes)
        {
            Assert.True(await node.IsHealthyAsync(Ct));
            await node.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_database_without_tables_is_not_healthy_until_it_is_migrated()
    {
        await using var store = EngineStore.Create(_options, TimeProvider.System);
        Assert.False(await store.IsHealthyAsync(Ct));
        await store.MigrateAsync(Ct);
        Assert.True(await store.IsHealthyAsync(Ct));
        await store.MigrateAsync(Ct);
        Assert.True(await store.IsHealthyAsync(Ct));
    }

    [Fact]
    public async Task A_script_changed_after_it_ran_is_refused()
    {
        await using var store = EngineStore.Create(_options, TimeProvider.System);
        await store.MigrateAsync(Ct);
        await store.Database.WriteAsync(async (connection, transaction, ct) =>
        {
            await using var command = connection.CreateCommand();
            command.Transaction = transaction;
            command.CommandText = "UPDATE schema_migrations SET hash = 'other'";
            return await command.ExecuteNonQueryAsync(ct);
        }, Ct);
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => store.MigrateAsync(Ct));
        Assert.Contains("engine/0001_initial", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_stored_is_there_after_a_new_start()
    {
        var now = DateTimeOffset.UtcNow;
        await using (var store = EngineStore.Create(_options, TimeProvider.System))
        {
            await store.MigrateAsync(Ct);
            await store.EnqueueAsync([new WorkItem("kept", WorkKind.Stimulus, null, now.AddDays(-1), "x"u8.ToArray(), "H")], "node-1", null, TimeSpan.FromSeconds(30), Ct);
        }

        await using var again = EngineStore.Create(_options, TimeProvider.System);
        await again.MigrateAsync(Ct);
        Assert.Equal("kept", Assert.Single(await again.TakeDueAsync("node-1", 10, TimeSpan.FromSeconds(30), Ct)).Id);
    }
}

public sealed class MigrationOnSqlite() : MigrationContract(new OnSqliteFile());

public sealed class MigrationOnPostgres(PostgresFixture postgres) : MigrationContract(new OnPostgresServer(postgres));
