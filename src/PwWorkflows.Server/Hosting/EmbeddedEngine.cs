using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Elsa.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PwWorkflows.Activities;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Engine;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Studio;

namespace PwWorkflows.Server.Hosting;

/// <summary>Puts PwWorkflows.Engine under the server.</summary>
internal static class EmbeddedEngine
{
    /// <summary>Where the server's own endpoints are: nobody can draw a workflow at or below one of them. A new page or API belongs into it.</summary>
    public static IReadOnlyList<string> OwnPaths { get; } =
    [
        "/api/v1/admin", "/api/v1/orders", "/approvals", "/audit", "/console", "/definitions", "/diagnostics", "/elsa", "/filings", "/health", "/instances", "/live", "/mails", "/orders", "/records", "/schedules", "/search", "/settings", "/sign-in",
        "/sign-out", "/status", "/studio", "/todos", "/treasury", "/webhooks",
    ];

    public static IServiceCollection AddWorkflowEngine(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSettings<StoreSettings>(static (o, s) => o.Bind(s));
        services.AddSettings<RetentionSettings>(static (o, s) => o.Bind(s));
        services.AddWorkflowEngine(
            static p =>
            {
                var store = EngineStore.Create(p.GetRequiredService<Microsoft.Extensions.Options.IOptions<StoreSettings>>().Value.Options!, p.GetRequiredService<TimeProvider>(), p.GetRequiredService<ILoggerFactory>().CreateLogger("PwWorkflows.Engine.Storage"));
                return p.GetService<KillPoint>() is { IsSet: true } kill ? kill.Watch(store) : store;
            },
            o =>
            {
                // The runbook's addresses have no base path; those drawn in the designer are reached below /workflows as well.
                o.HttpAtRoot = true;
                o.InheritedProperties.Add(ScheduleEnds.By);
                o.HttpReservedPaths = OwnPaths;
                o.HttpReservedCookies = "pw-";
                var retention = new RetentionSettings();
                retention.Bind(new SettingsReader(configuration));
                (o.Retention, o.FaultedRetention) = (retention.Ended, retention.Faulted);
                // A wrong value is told by the check of the settings, before anything starts.
                o.MaxConcurrency = Concurrency(new SettingsReader(configuration));
                o.HttpBasePath = BasePath(new SettingsReader(configuration));
            },
            static registry => registry.RegisterFrom(typeof(IPwDatabase).Assembly));
        services.TryAddSingleton<Activities.Filings.IDefinitionVersionSource, DefinitionVersions>();
        services.TryAddSingleton<IPwDatabase, EnginePwDatabase>();
        services.TryAddSingleton<IWorkflowAdmin, EngineAdmin>();
        services.AddSingleton<IFaultRecorder, FaultToDos>();
        services.TryAddSingleton<IScheduleEngine, EngineSchedules>();
        services.AddSingleton<IPublicationRecorder, PublishedSchedules>();
        services.AddSingleton<IEndRecorder, EndedRuns>();
        services.AddStudioApi(o =>
        {
            o.AuthenticationSchemes = [Admin.AdminAuthentication.StudioScheme];
            o.MayTryOut = static type => type.Assembly != typeof(IPwDatabase).Assembly || type.IsDefined(typeof(ChangesNothingAttribute), inherit: true);
            if (new SettingsReader(configuration).Secret("ADMIN_JWT_SECRET") is { Length: > 0 } secret) o.LinkKey = HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), "pw-bookmark-links"u8);
        });
        return services;
    }

    public static WebApplication UseWorkflowEngine(this WebApplication app)
    {
        app.UseWorkflowHttpEndpoints();
        app.MapStudioApi();
        return app;
    }

    /// <summary><c>WORKFLOW_CONCURRENCY</c>: how many workflows this node carries out at once; 0 for a node that only takes requests in.</summary>
    private static int Concurrency(SettingsReader settings) => settings.Number("WORKFLOW_CONCURRENCY", new EngineOptions().MaxConcurrency, 0, 1000);

    /// <summary><c>WORKFLOW_HTTP_BASE_PATH</c>: below which path the routes of published workflows are served as well.</summary>
    private static string BasePath(SettingsReader settings)
    {
        var fallback = new EngineOptions().HttpBasePath;
        var path = settings.Text("WORKFLOW_HTTP_BASE_PATH", fallback);
        var parts = path.Split('/');
        if (parts.Length > 1 && parts[0].Length == 0 && parts.Skip(1).All(static p => p.Length > 0 && p.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
            && !OwnPaths.Any(own => new PathString(path).StartsWithSegments(own) || new PathString(own).StartsWithSegments(path))) return path;
        settings.Problem($"WORKFLOW_HTTP_BASE_PATH: expected a path such as {fallback}, of letters, digits, - and _, that is none of the server's own, found '{path}'.");
        return fallback;
    }

    private sealed class DefinitionVersions : Activities.Filings.IDefinitionVersionSource
    {
        public string VersionOf(Elsa.Workflows.ActivityExecutionContext context) => context.WorkflowExecutionContext.Workflow.VersionId;

        public string DefinitionOf(Elsa.Workflows.ActivityExecutionContext context) => context.WorkflowExecutionContext.Workflow.DefinitionId;
    }

    private sealed class StoreSettings
    {
        public StoreOptions? Options { get; private set; }

        public void Bind(SettingsReader settings)
        {
            Concurrency(settings);
            BasePath(settings);
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

    private sealed class RetentionSettings
    {
        private const int Longest = 36_500;

        /// <summary>How long ended instances and their journals are kept; null: for ever.</summary>
        public TimeSpan? Ended { get; private set; }
        /// <summary>Least time a faulted instance is kept, because it can still be retried.</summary>
        public TimeSpan Faulted { get; private set; }

        public void Bind(SettingsReader settings)
        {
            var days = settings.Number("WORKFLOW_RETENTION_DAYS", 90, 0, Longest);
            Ended = days == 0 ? null : TimeSpan.FromDays(days);
            Faulted = TimeSpan.FromDays(settings.Number("WORKFLOW_FAULTED_RETENTION_DAYS", 365, 1, Longest));
        }
    }

    private sealed class EnginePwDatabase(IEngineStore store, IServiceProvider services) : IPwDatabase
    {
        private readonly KillPoint? _kill = services.GetService<KillPoint>() is { IsSet: true } kill ? kill : null;

        public bool IsPostgres => store.Database.Provider == DatabaseProvider.PostgreSql;

        public Task<T> ReadAsync<T>(Func<DbConnection, CancellationToken, Task<T>> read, CancellationToken ct) => store.Database.ReadAsync(read, ct);

        public Task<List<T>> LookUpAsync<T>(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, Func<DbDataReader, T> map, CancellationToken ct) =>
            store.Database.LookUpAsync(new EnlistedWrite(sql, parameters), map, ct);

        public Task<T> WriteAsync<T>(Func<DbConnection, DbTransaction, CancellationToken, Task<T>> write, CancellationToken ct) =>
            Watched([], "a transaction", () => store.Database.WriteAsync(write, ct));

        public Task<int> ExecuteAsync(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, CancellationToken ct) => Watched(
            parameters.Select(static p => p.Value), sql.AsSpan().Trim()[..Math.Min(40, sql.AsSpan().Trim().Length)].ToString(), () => store.Database.ExecuteAsync(new EnlistedWrite(sql, parameters), ct));

        private Task<T> Watched<T>(IEnumerable<object?> values, string what, Func<Task<T>> write) =>
            _kill is null ? write() : _kill.CommitAsync(RunningActivity.CorrelationId, values, what, write);

        public void Enlist(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, int? expectedRows = null) =>
            RunningActivity.Enlist(new EnlistedWrite(sql, parameters, expectedRows));
    }

    private sealed class FaultToDos : IFaultRecorder
    {
        public IEnumerable<EnlistedWrite> Stuck(StuckInstance instance)
        {
            ArgumentNullException.ThrowIfNull(instance);
            var (sql, values) = ScheduleEnds.ScheduleOf(instance.Properties) is { } schedule
                ? StuckWorkflowToDos.RaiseOfSchedule(schedule, instance.InstanceId, instance.DefinitionId, instance.ActivityId, instance.Message, instance.At)
                : StuckWorkflowToDos.Raise(instance.InstanceId, instance.DefinitionId, instance.CorrelationId, instance.ActivityId, instance.Message, instance.At);
            var (noted, row) = StuckInstances.Note(instance.InstanceId, instance.DefinitionId, instance.CorrelationId, instance.ActivityId, instance.Message, instance.At, ScheduleEnds.ScheduleOf(instance.Properties));
            return [new EnlistedWrite(sql, values), new EnlistedWrite(noted, row)];
        }

        public IEnumerable<EnlistedWrite> Mended(string instanceId, DateTimeOffset at)
        {
            var (sql, values) = StuckWorkflowToDos.Close(instanceId, at);
            var (forget, id) = StuckInstances.Forget(instanceId);
            return [new EnlistedWrite(sql, values), new EnlistedWrite(forget, id)];
        }
    }

    private sealed class EngineSchedules(IEngineStore store, IPwDatabase database, EngineOptions options) : IScheduleEngine
    {
        public string Node => options.NodeId;

        public DateTimeOffset? Clock => store.ClockOverride?.Invoke();

        public async Task<bool> CommitAsync(IReadOnlyList<ScheduleWrite> writes, IReadOnlyList<ScheduleStart> starts, IReadOnlyCollection<string> cancels, DateTimeOffset now, CancellationToken ct)
        {
            var work = starts.Select(s => QueuedWork.Start(s.InstanceId, s.VersionId, s.ActivityId, s.Name, s.Input, s.Properties, now)).Concat(cancels.Select(c => QueuedWork.Cancel(c, now)));
            try
            {
                await store.WriteAsync([.. writes.Select(Enlisted)], [.. work], ct).ConfigureAwait(false);
                return true;
            }
            catch (CommitConflictException e) when (e.Conflict is CommitConflict.UnexpectedRows or CommitConflict.UniqueKey)
            {
                return false;
            }
        }

        public async Task<IReadOnlyDictionary<string, InstanceFate>> FatesAsync(IReadOnlyCollection<string> instanceIds, CancellationToken ct)
        {
            // Those that no node has come to yet. They first: an instance comes into being in the commit that ends its place in the queue, so the other way round one could be in neither.
            var names = instanceIds.Select(static (_, n) => "i" + n.ToString(CultureInfo.InvariantCulture)).ToList();
            var queued = await database.QueryAsync(
                $"SELECT instance_id FROM work_items WHERE kind = 'Start' AND id IN ({string.Join(", ", names.Select(static n => "@" + n))})",
                [.. names.Zip(instanceIds, static (n, i) => KeyValuePair.Create(n, (object?)QueuedWork.StartId(i)))], static r => r.GetString(0), ct).ConfigureAwait(false);
            var fates = queued.ToDictionary(static i => i, static _ => new InstanceFate(null, null), StringComparer.Ordinal);
            var (found, _) = await store.ListInstancesAsync(new InstanceFilter(Ids: instanceIds), 0, instanceIds.Count, ct).ConfigureAwait(false);
            foreach (var i in found)
                fates[i.Id] = new InstanceFate(i.Status switch { InstanceStatus.Finished => "finished", InstanceStatus.Faulted => "failed", InstanceStatus.Cancelled => "cancelled", _ => null }, i.FinishedAt);
            return fates;
        }

        public static EnlistedWrite Enlisted(ScheduleWrite write) => new(write.Sql, write.Parameters, write.ExpectedRows);
    }

    private sealed class PublishedSchedules(IServiceProvider services, TimeProvider time) : IPublicationRecorder
    {
        /// <summary>What there is to tell of a definition once its rows are written.</summary>
        private readonly ConcurrentDictionary<string, Action> _tells = new(StringComparer.Ordinal);

        public IEnumerable<DefinitionProblem> Check(Elsa.Workflows.IActivity activity)
        {
            if (activity is not Schedule schedule) return [];
            if (!schedule.CanStartWorkflow) return [new DefinitionProblem(activity.Id, activity.Type, "canStartWorkflow", "is not set; a schedule starts its workflow. Inside of one use Elsa.Delay to wait.")];
            return (schedule.Literals()?.Problems(time.GetUtcNow()) ?? []).Select(p => new DefinitionProblem(activity.Id, activity.Type, p.Field, p.Message));
        }

        public async Task<IReadOnlyList<EnlistedWrite>> RowsAsync(string definitionId, PublishedVersion? published, ICollection<DefinitionProblem> problems, CancellationToken ct)
        {
            var schedules = (published?.Triggers ?? []).Where(static t => t.Payload is ScheduleSettings).ToList();
            foreach (var trigger in schedules)
            {
                foreach (var (field, message) in ((ScheduleSettings)trigger.Payload).Problems(time.GetUtcNow())) problems.Add(new DefinitionProblem(trigger.ActivityId, trigger.ActivityType, field, message));
                if (schedules.Exists(other => other != trigger && (other.ActivityName ?? other.ActivityId) == (trigger.ActivityName ?? trigger.ActivityId)))
                    problems.Add(new DefinitionProblem(trigger.ActivityId, trigger.ActivityType, "name", $"'{trigger.ActivityName}' is the name of more than one schedule of this workflow; expected a name of its own, by which operators know it."));
            }

            if (problems.Count > 0) return [];
            // Asked for here: the book needs the engine's parts, which need this.
            var (rows, tell) = await services.GetRequiredService<ScheduleBook>().PublishAsync(
                definitionId, published?.VersionId ?? "", published?.Version ?? 0, [.. schedules.Select(static t => (t.ActivityId, t.ActivityName, (ScheduleSettings)t.Payload))], ct).ConfigureAwait(false);
            _tells[definitionId] = tell;
            return [.. rows.Select(EngineSchedules.Enlisted)];
        }

        public void Written(string definitionId)
        {
            if (_tells.TryRemove(definitionId, out var tell)) tell();
        }
    }

    private sealed class EndedRuns : IEndRecorder
    {
        public IEnumerable<EnlistedWrite> GoesOn(IDictionary<string, object> properties, DateTimeOffset at) => ScheduleEnds.GoesOn(properties, at).Select(EngineSchedules.Enlisted);

        public IEnumerable<EnlistedWrite> Ended(EndedInstance instance)
        {
            ArgumentNullException.ThrowIfNull(instance);
            var outcome = instance.Status switch { InstanceStatus.Finished => "finished", InstanceStatus.Faulted => "failed", _ => "cancelled" };
            return ScheduleEnds.Of(instance.DefinitionId, instance.Properties, outcome, instance.Message, instance.CreatedAt, instance.At).Select(EngineSchedules.Enlisted);
        }
    }

    private sealed class EngineAdmin(IEngineStore store, IPwDatabase database, DefinitionPublisher publisher, DefinitionWriter writer, ActivityRegistry registry, TimeProvider time) : IWorkflowAdmin
    {
        public IReadOnlyList<string> ActivityTypes => [.. registry.All.Select(static c => c.TypeName).Distinct().Order(StringComparer.Ordinal)];

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
            [.. (await store.GetDefinitionHeadsAsync(ct).ConfigureAwait(false)).GroupBy(static d => d.DefinitionId).Select(static g =>
            {
                var latest = g.MaxBy(static d => d.Version)!;
                return new WorkflowDefinitionInfo(g.Key, latest.Name, latest.Version, g.FirstOrDefault(static d => d.IsPublished)?.Version, latest.SourceFile, latest.CreatedAt);
            }).OrderBy(static d => d.DefinitionId, StringComparer.Ordinal)];

        public async Task<IReadOnlyList<WorkflowVersionInfo>> ListVersionsAsync(string definitionId, CancellationToken ct) =>
            [.. (await store.GetDefinitionsAsync(definitionId, ct).ConfigureAwait(false)).Select(d => new WorkflowVersionInfo(d.Version, d.Name, d.IsPublished, d.IsLatest, d.CreatedAt, d.CreatedBy, writer.Export(d.Content)))];

        public async Task<IReadOnlyList<(string DefinitionId, DateTimeOffset SavedAt)>> ListDeletedAsync(int take, CancellationToken ct) =>
            [.. (await store.ListDeletedAsync(take, ct).ConfigureAwait(false)).Select(static r => (r.DefinitionId, r.SavedAt))];

        public async Task<IReadOnlyList<WorkflowRevisionInfo>> ListRevisionsAsync(string definitionId, int skip, int take, CancellationToken ct) =>
            [.. (await store.ListRevisionsAsync(definitionId, skip, take, ct).ConfigureAwait(false)).Select(static r => new WorkflowRevisionInfo(r.Id, r.Version, r.Accepted, r.SavedAt, r.SavedBy))];

        public async Task<(WorkflowRevisionInfo Revision, string Text)?> GetRevisionAsync(string definitionId, long id, CancellationToken ct) =>
            await store.GetRevisionAsync(definitionId, id, ct).ConfigureAwait(false) is { } r ? (new WorkflowRevisionInfo(r.Id, r.Version, r.Accepted, r.SavedAt, r.SavedBy), writer.Export(r.Content)) : null;

        public async Task<int?> RestoreRevisionAsync(string definitionId, long id, string by, CancellationToken ct) =>
            await store.GetRevisionAsync(definitionId, id, ct).ConfigureAwait(false) is { } r ? (await publisher.SaveDraftAsync(r.Content, by, ct).ConfigureAwait(false)).Version : null;

        public async Task<IReadOnlyDictionary<string, long>> CountRunsAsync(DateTimeOffset since, CancellationToken ct)
        {
            var counts = new Dictionary<string, long>(StringComparer.Ordinal);
            foreach (var status in (InstanceStatus[])[InstanceStatus.Running, InstanceStatus.Suspended, InstanceStatus.Finished, InstanceStatus.Faulted])
#pragma warning disable CA1308 // The names are shown, not compared.
                counts[status.ToString().ToLowerInvariant()] = await store.CountInstancesAsync(new InstanceFilter(Statuses: [status], Times: [new InstanceTimeCondition(InstanceTime.Created, TimeComparison.GreaterThanOrEqual, since)]), ct).ConfigureAwait(false);
#pragma warning restore CA1308
            return counts;
        }

        public async Task<IReadOnlyList<WorkflowImport>> ImportAsync(IReadOnlyList<WorkflowFile> files, bool force, string by, CancellationToken ct)
        {
            var done = new List<WorkflowImport>();
            foreach (var file in files)
            {
                try
                {
                    var result = await publisher.ImportFileAsync(file.Path, file.Content, force, by, ct).ConfigureAwait(false);
                    var outcome = result.Outcome switch { DefinitionImport.Published => "imported", DefinitionImport.Kept => "edited", _ => "unchanged" };
                    done.Add(new WorkflowImport(file.Path, result.Row.DefinitionId, outcome, result.Row.Version, outcome == "edited" ? $"version {result.Row.Version}, made by an operator, differs from the file and stays" : ""));
                }
                catch (DefinitionInvalidException e)
                {
                    done.Add(new WorkflowImport(file.Path, "", "refused", 0, e.Message));
                }
            }
            return done;
        }

        public string Format(WorkflowFile file)
        {
            try
            {
                return writer.Export(file.Content);
            }
            catch (DefinitionFormatException e)
            {
                throw new FormatException($"{file.Path}: {e.Message}", e);
            }
        }

        public async Task<IReadOnlyList<WorkflowFile>> ExportAsync(CancellationToken ct) => [.. (await CurrentAsync(ct).ConfigureAwait(false)).Select(static c => c.File)];

        public async Task<IReadOnlyList<WorkflowComparison>> CompareAsync(IReadOnlyList<WorkflowFile> files, CancellationToken ct)
        {
            // By definition, not by path: a file may have been moved.
            var stored = (await CurrentAsync(ct).ConfigureAwait(false)).ToDictionary(static c => c.DefinitionId, static c => c.File, StringComparer.Ordinal);
            var given = files.Select(f => (Id: IdOf(f), File: f)).ToList();
            return [.. given.Select(g => new WorkflowComparison(g.Id, g.File.Path, FormatOrText(g.File), stored.GetValueOrDefault(g.Id)?.Content))
                .Concat(stored.Where(s => given.TrueForAll(g => g.Id != s.Key)).Select(static s => new WorkflowComparison(s.Key, s.Value.Path, null, s.Value.Content)))
                .OrderBy(static c => c.Path, StringComparer.Ordinal)];

            string FormatOrText(WorkflowFile file)
            {
                try
                {
                    return Format(file);
                }
                catch (FormatException)
                {
                    return file.Content;
                }
            }

            static string IdOf(WorkflowFile file)
            {
                try
                {
                    return (string?)JsonNode.Parse(file.Content, documentOptions: new System.Text.Json.JsonDocumentOptions { CommentHandling = System.Text.Json.JsonCommentHandling.Skip, AllowTrailingCommas = true })?["definitionId"] ?? "";
                }
                catch (Exception e) when (e is System.Text.Json.JsonException or InvalidOperationException or ArgumentException)
                {
                    return Path.GetFileNameWithoutExtension(file.Path);
                }
            }
        }

        /// <summary>The published versions as files. One that an operator edited keeps the file it once came from.</summary>
        private async Task<List<(string DefinitionId, WorkflowFile File)>> CurrentAsync(CancellationToken ct) =>
            [.. (await store.GetDefinitionsAsync(null, ct).ConfigureAwait(false)).GroupBy(static d => d.DefinitionId).Where(static g => g.Any(static d => d.IsPublished)).Select(g =>
            {
                var path = g.OrderByDescending(static d => d.Version).FirstOrDefault(static d => d.SourceFile is not null)?.SourceFile ?? g.Key + ".json";
                return (g.Key, new WorkflowFile(path, writer.Export(g.First(static d => d.IsPublished).Content)));
            }).OrderBy(static c => c.Item2.Path, StringComparer.Ordinal)];

        public Task<IReadOnlyList<WorkflowFault>> LintAsync(IReadOnlyList<WorkflowFile> files, CancellationToken ct) =>
            Task.FromResult<IReadOnlyList<WorkflowFault>>([.. files.SelectMany(f => publisher.Check(f.Content).Select(p => new WorkflowFault(f.Path, p.ActivityId, p.ActivityType ?? "", p.Property ?? "", p.Message)))]);

        public async Task<(IReadOnlyList<WorkflowInstanceInfo> Items, long Total)> ListInstancesAsync(WorkflowInstanceQuery query, CancellationToken ct)
        {
            var filter = new InstanceFilter(
                DefinitionIds: query.DefinitionId is null ? null : [query.DefinitionId],
                Statuses: query.Status is null ? null : [Enum.Parse<InstanceStatus>(query.Status, ignoreCase: true)],
                CorrelationId: query.CorrelationId,
                ParentInstanceId: query.ParentId);
            var (items, total) = await store.ListInstancesAsync(filter, query.Skip, query.Take, ct).ConfigureAwait(false);
            return ([.. items.Select(Info)], total);
        }

        public async Task<(WorkflowInstanceInfo Instance, JsonObject Detail)?> GetInstanceAsync(string id, CancellationToken ct) =>
            await store.GetInstanceAsync(id, ct).ConfigureAwait(false) is { } row ? (Info(row), []) : null;

        public async Task<IReadOnlyList<WorkflowJournalEntry>?> GetJournalAsync(string id, long fromSequence, int take, CancellationToken ct)
        {
            if (await store.GetInstanceAsync(id, ct).ConfigureAwait(false) is null) return null;
            var segments = await store.GetJournalAsync(id, fromSequence, take, ct).ConfigureAwait(false);
            return [.. segments.SelectMany(InstanceJournal.Read).Where(l => l.Sequence >= fromSequence).Take(take).Select(static l =>
                new WorkflowJournalEntry(l.Sequence, l.At, l.ActivityNodeId[(l.ActivityNodeId.LastIndexOf(':') + 1)..], l.ActivityType, l.Event, l.Message))];
        }

        public Task<InstanceCommandResult> RetryAsync(string id, CancellationToken ct) => CommandAsync(id, WorkKind.Retry, static s => s is InstanceStatus.Faulted or InstanceStatus.Parked, ct);

        public Task<InstanceCommandResult> CancelAsync(string id, CancellationToken ct) =>
            CommandAsync(id, WorkKind.Cancel, static s => s is not (InstanceStatus.Finished or InstanceStatus.Faulted or InstanceStatus.Cancelled), ct);

        /// <summary>Work that nobody has taken for so long: no node works any more, or there are far too few.</summary>
        private static readonly TimeSpan Stalled = TimeSpan.FromMinutes(5);

        public async Task<QueueHealth> GetQueueHealthAsync(CancellationToken ct)
        {
            if (!await store.IsHealthyAsync(ct).ConfigureAwait(false)) return new QueueHealth(false, "the database does not answer", null);
            var due = await store.NextDueAsync(ct).ConfigureAwait(false);
            var late = (store.ClockOverride?.Invoke() ?? time.GetUtcNow()) - due;
            return late > Stalled
                ? new QueueHealth(false, string.Create(CultureInfo.InvariantCulture, $"work has been due for {late.Value.TotalMinutes:0} min and nobody takes it"), due)
                : new QueueHealth(true, "", due);
        }

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
