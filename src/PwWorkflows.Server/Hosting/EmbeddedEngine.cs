using System.Data.Common;
using System.Text.Json.Nodes;
using Elsa.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PwWorkflows.Activities;
using PwWorkflows.Activities.Data;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Server.Hosting;

/// <summary>Puts PwWorkflows.Engine under the server.</summary>
internal static class EmbeddedEngine
{
    public static IServiceCollection AddWorkflowEngine(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSettings<StoreSettings>(static (o, s) => o.Bind(s));
        services.TryAddSingleton<IEngineStore>(static p =>
            EngineStore.Create(p.GetRequiredService<Microsoft.Extensions.Options.IOptions<StoreSettings>>().Value.Options!, p.GetRequiredService<TimeProvider>(), p.GetRequiredService<ILoggerFactory>().CreateLogger("PwWorkflows.Engine.Storage")));
        services.TryAddSingleton<IPwDatabase, EnginePwDatabase>();
        services.TryAddSingleton<IWorkflowAdmin, EngineAdmin>();
        services.TryAddSingleton<IEventPublisher, NoEvents>();
        return services;
    }

    public static WebApplication UseWorkflowEngine(this WebApplication app) => app;

    private sealed class StoreSettings
    {
        public StoreOptions? Options { get; private set; }

        public void Bind(SettingsReader settings)
        {
            try
            {
                Options = StoreOptions.Parse(settings.Secret("DATABASE_URL"), settings.Text("PW_DATA", "./data"));
            }
            catch (FormatException e)
            {
                settings.Problem(e.Message);
            }
        }
    }

    private sealed class NoEvents : IEventPublisher
    {
        public Task PublishAsync(string eventName, string? correlationId, string? workflowInstanceId, string? activityInstanceId, object? payload, bool asynchronous, CancellationToken cancellationToken) =>
            throw new NotSupportedException("The engine does not take events yet.");
    }

    private sealed class EnginePwDatabase(IEngineStore store) : IPwDatabase
    {
        public bool IsPostgres => store.Database.Provider == DatabaseProvider.PostgreSql;

        public Task<T> ReadAsync<T>(Func<DbConnection, CancellationToken, Task<T>> read, CancellationToken ct) => store.Database.ReadAsync(read, ct);

        public Task<T> WriteAsync<T>(Func<DbConnection, DbTransaction, CancellationToken, Task<T>> write, CancellationToken ct) => store.Database.WriteAsync(write, ct);

        public Task<int> ExecuteAsync(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, CancellationToken ct) =>
            WriteAsync((connection, transaction, token) => connection.ExecuteAsync(transaction, sql, parameters, token), ct);

        public void Enlist(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, int? expectedRows = null) =>
            throw new InvalidOperationException("No workflow step is running here.");
    }

    private sealed class EngineAdmin(IEngineStore store, IPwDatabase database, TimeProvider time) : IWorkflowAdmin
    {
        public IReadOnlyList<string> ActivityTypes => [];

        public async Task<IReadOnlyList<string>> MigrateAsync(CancellationToken ct)
        {
            await store.MigrateAsync(ct).ConfigureAwait(false);
            await using DbConnection connection = database.IsPostgres
                ? new Npgsql.NpgsqlConnection(store.Database.ConnectionString)
                : new Microsoft.Data.Sqlite.SqliteConnection(store.Database.ConnectionString);
            await connection.OpenAsync(ct).ConfigureAwait(false);
            return await PwMigrations.RunAsync(connection, database.IsPostgres, time.GetUtcNow(), ct).ConfigureAwait(false);
        }

        public async Task<IReadOnlyList<WorkflowDefinitionInfo>> ListDefinitionsAsync(CancellationToken ct) =>
            [.. (await store.GetDefinitionsAsync(null, ct).ConfigureAwait(false)).GroupBy(static d => d.DefinitionId).Select(static g =>
            {
                var latest = g.MaxBy(static d => d.Version)!;
                return new WorkflowDefinitionInfo(g.Key, latest.Name, latest.Version, g.FirstOrDefault(static d => d.IsPublished)?.Version, latest.SourceFile, latest.CreatedAt);
            }).OrderBy(static d => d.DefinitionId, StringComparer.Ordinal)];

        public Task<IReadOnlyList<WorkflowImport>> ImportAsync(IReadOnlyList<WorkflowFile> files, bool force, string by, CancellationToken ct) => throw new NotSupportedException("The engine does not import yet.");

        public Task<IReadOnlyList<WorkflowFile>> ExportAsync(CancellationToken ct) => throw new NotSupportedException("The engine does not export yet.");

        public Task<IReadOnlyList<WorkflowComparison>> CompareAsync(IReadOnlyList<WorkflowFile> files, CancellationToken ct) => throw new NotSupportedException("The engine does not compare yet.");

        public Task<IReadOnlyList<WorkflowFault>> LintAsync(IReadOnlyList<WorkflowFile> files, CancellationToken ct) => throw new NotSupportedException("The engine does not check definitions yet.");

        public async Task<(IReadOnlyList<WorkflowInstanceInfo> Items, long Total)> ListInstancesAsync(WorkflowInstanceQuery query, CancellationToken ct)
        {
            var filter = new InstanceFilter(
                DefinitionIds: query.DefinitionId is null ? null : [query.DefinitionId],
                Statuses: query.Status is null ? null : [Enum.Parse<InstanceStatus>(query.Status, ignoreCase: true)],
                CorrelationId: query.CorrelationId);
            var (items, total) = await store.ListInstancesAsync(filter, query.Skip, query.Take, ct).ConfigureAwait(false);
            return ([.. items.Select(Info)], total);
        }

        public async Task<(WorkflowInstanceInfo Instance, JsonObject Detail)?> GetInstanceAsync(string id, CancellationToken ct) =>
            await store.GetInstanceAsync(id, ct).ConfigureAwait(false) is { } row ? (Info(row), []) : null;

        public Task<IReadOnlyList<WorkflowJournalEntry>?> GetJournalAsync(string id, long fromSequence, int take, CancellationToken ct) => throw new NotSupportedException("The engine does not show journals yet.");

        public Task<InstanceCommandResult> RetryAsync(string id, CancellationToken ct) => CommandAsync(id, WorkKind.Retry, static s => s is InstanceStatus.Faulted or InstanceStatus.Parked, ct);

        public Task<InstanceCommandResult> CancelAsync(string id, CancellationToken ct) =>
            CommandAsync(id, WorkKind.Cancel, static s => s is not (InstanceStatus.Finished or InstanceStatus.Faulted or InstanceStatus.Cancelled), ct);

        public async Task<QueueHealth> GetQueueHealthAsync(CancellationToken ct) =>
            await store.IsHealthyAsync(ct).ConfigureAwait(false)
                ? new QueueHealth(true, "", await store.NextDueAsync(ct).ConfigureAwait(false))
                : new QueueHealth(false, "the database does not answer", null);

        private async Task<InstanceCommandResult> CommandAsync(string id, WorkKind kind, Func<InstanceStatus, bool> allowed, CancellationToken ct)
        {
            if (await store.GetInstanceAsync(id, ct).ConfigureAwait(false) is not { } row) return InstanceCommandResult.NotFound;
            if (!allowed(row.Status)) return InstanceCommandResult.WrongState;
            var item = new WorkItem(Guid.CreateVersion7().ToString("N"), kind, id, time.GetUtcNow(), "{}"u8.ToArray(), CorrelationId: row.CorrelationId);
            await store.EnqueueAsync([item], "admin", null, TimeSpan.FromSeconds(30), ct).ConfigureAwait(false);
            return InstanceCommandResult.Accepted;
        }

        private static WorkflowInstanceInfo Info(InstanceRow r) => new(
#pragma warning disable CA1308 // The names are shown, not compared.
            r.Id, r.DefinitionId, r.Version, r.Status.ToString().ToLowerInvariant(), r.CorrelationId, r.IncidentCount, r.CreatedAt, r.UpdatedAt, r.FinishedAt);
#pragma warning restore CA1308
    }
}
