using System.Text;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Tests.Infrastructure;

[assembly: AssemblyFixture(typeof(PostgresFixture))]

namespace PwWorkflows.Engine.Tests.Storage;

/// <summary>Makes an empty database for a test and opens stores on it.</summary>
public interface ITestDatabase : IAsyncDisposable
{
    Task<StoreOptions> CreateAsync(CancellationToken ct);
}

internal sealed class OnSqliteFile : ITestDatabase
{
    private readonly TemporaryFolder _folder = new();

    public Task<StoreOptions> CreateAsync(CancellationToken ct) => Task.FromResult(StoreOptions.Parse(null, _folder.FullPath));

    public ValueTask DisposeAsync()
    {
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }
}

internal sealed class OnPostgresServer(PostgresFixture postgres) : ITestDatabase
{
    private string? _connectionString;

    public async Task<StoreOptions> CreateAsync(CancellationToken ct)
    {
        _connectionString = await postgres.RentDatabaseAsync(ct);
        return StoreOptions.Parse(_connectionString, "");
    }

    public async ValueTask DisposeAsync()
    {
        if (_connectionString is not null) await postgres.ReturnDatabaseAsync(_connectionString, CancellationToken.None);
    }
}

/// <summary>A store with an empty, migrated database and a clock that stands still until a test moves it.</summary>
public abstract class StoreTestBase(ITestDatabase database) : IAsyncLifetime
{
    protected static readonly TimeSpan HalfMinute = TimeSpan.FromSeconds(30);
    private readonly List<IEngineStore> _stores = [];
    private int _ids;

    protected static CancellationToken Ct => TestContext.Current.CancellationToken;
    protected FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 4, 1, 12, 0, 0, TimeSpan.Zero));
    protected StoreOptions Options { get; private set; } = null!;
    protected IEngineStore Store { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Options = await database.CreateAsync(Ct);
        Store = Open(Options);
        await Store.MigrateAsync(Ct);
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var store in _stores) await store.DisposeAsync();
        await database.DisposeAsync();
    }

    /// <summary>Another node on the same database.</summary>
    protected IEngineStore OpenAnother() => Open(Options);

    protected IEngineStore Open(StoreOptions options)
    {
        var store = EngineStore.Create(options, Clock);
        store.ClockOverride = () => Clock.GetUtcNow();
        _stores.Add(store);
        return store;
    }

    protected string NewId(string prefix) => $"{prefix}-{Interlocked.Increment(ref _ids):D5}";

    protected static ReadOnlyMemory<byte> Bytes(string text) => Encoding.UTF8.GetBytes(text);

    protected InstanceRow Instance(string? id = null, InstanceStatus status = InstanceStatus.Running, string definition = "order", string? correlation = null, string? activationKey = null, string state = "{}")
    {
        var now = Clock.GetUtcNow();
        return new InstanceRow(
            id ?? NewId("instance"), definition, definition + ":1", 1, "HASH-" + definition, status, correlation, null, null, activationKey, 0, now, now,
            status is InstanceStatus.Finished or InstanceStatus.Faulted or InstanceStatus.Cancelled ? now : null, Bytes(state));
    }

    protected InstanceRow Ended(InstanceRow row, InstanceStatus status = InstanceStatus.Finished) => row with { Status = status, UpdatedAt = Clock.GetUtcNow(), FinishedAt = Clock.GetUtcNow() };

    protected WorkItem Item(string? id = null, WorkKind kind = WorkKind.Start, string? instance = "someone", TimeSpan? dueIn = null, string? hash = null, string? owner = null) =>
        new(id ?? NewId("item"), kind, instance, Clock.GetUtcNow() + (dueIn ?? TimeSpan.Zero), Bytes("""{"a":1}"""), hash, null, owner);

    protected BookmarkRow Bookmark(string instance, string hash = "H", string? correlation = null, string? id = null) =>
        new(id ?? NewId("bookmark"), instance, hash, "Elsa.Event", "activity-1", correlation, Clock.GetUtcNow());

    /// <summary>Stores a new instance that goes on running under a lease of node-1.</summary>
    protected async Task<Lease> StartAsync(InstanceRow row, TimeSpan? lease = null, string node = "node-1") =>
        (await Store.CommitAsync(new InstanceCommit { Instance = row, IsNew = true, ReleaseLease = false, NodeId = node, LeaseDuration = lease ?? HalfMinute }, Ct))!;

    /// <summary>Stores a new instance that waits for a bookmark, without a lease.</summary>
    protected async Task SuspendNewAsync(InstanceRow row, params BookmarkRow[] bookmarks) =>
        await Store.CommitAsync(new InstanceCommit { Instance = row, IsNew = true, NodeId = "node-1", AddedBookmarks = bookmarks }, Ct);

    protected static Task<CommitConflictException> ConflictAsync(Task commit) => Assert.ThrowsAsync<CommitConflictException>(() => commit);
}
