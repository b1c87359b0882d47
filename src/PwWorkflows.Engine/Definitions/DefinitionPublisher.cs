using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Elsa.Common.Models;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Http;
using Elsa.Scheduling;
using Elsa.Scheduling.Activities;
using Elsa.Workflows;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Expressions;
using PwWorkflows.Engine.Http;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Definitions;

/// <summary>Something that keeps a definition from being published.</summary>
/// <param name="ActivityId">The activity; empty for the definition itself.</param>
/// <param name="ActivityType">Its type.</param>
/// <param name="Property">The input or setting, or null.</param>
/// <param name="Message">What is wrong and what was expected.</param>
public sealed record DefinitionProblem(string ActivityId, string? ActivityType, string? Property, string Message)
{
    /// <inheritdoc />
    public override string ToString() => ActivityId.Length == 0 ? Message : $"{ActivityId} ({ActivityType}){(Property is null ? "" : $", {Property}")}: {Message}";
}

/// <summary>A definition was not published; tells all problems at once. Nothing of it was stored as published.</summary>
public sealed class DefinitionInvalidException(IReadOnlyList<DefinitionProblem> problems) : Exception(string.Join(Environment.NewLine, problems))
{
    /// <summary>All problems.</summary>
    public IReadOnlyList<DefinitionProblem> Problems { get; } = problems;
}

/// <summary>What became of a definition file.</summary>
public enum DefinitionImport
{
    /// <summary>It is published now.</summary>
    Published,
    /// <summary>Its content was published before.</summary>
    Unchanged,
    /// <summary>An operator has published something newer, which stays.</summary>
    Kept,
}

/// <summary>What became of a publication.</summary>
/// <param name="Row">The published version.</param>
/// <param name="AlreadyPublished">It was published before; nothing changed.</param>
public sealed record DefinitionPublication(DefinitionRow Row, bool AlreadyPublished);

/// <summary>
/// Saves, publishes, retracts and deletes definitions. Triggers, routes and due times are derived from the published version and change in the same transaction.
/// Changes of definitions take turns, on all nodes: each is planned on what is stored and refused by the store when something came in between, then planned again.
/// </summary>
public sealed class DefinitionPublisher(IEngineStore store, DefinitionReader reader, ActivityRegistry registry, DefinitionWriter writer, ExpressionEvaluator evaluator, IStimulusHasher hasher, WorkflowCatalog catalog, IServiceProvider services, EngineOptions options, TimeProvider time, IEnumerable<IPublicationRecorder> recorders) : IDisposable
{
    private const int MaxTries = 50;
    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>All versions of a definition, newest first; empty when there is no such definition.</summary>
    public Task<IReadOnlyList<DefinitionRow>> ListVersionsAsync(string definitionId, CancellationToken ct) => store.GetDefinitionsAsync(definitionId, ct);

    /// <summary>The version of a definition that the options name (of several the newest), or null.</summary>
    public async Task<DefinitionRow?> FindAsync(string definitionId, VersionOptions options, CancellationToken ct) => (await store.GetDefinitionsAsync(definitionId, ct)).Pick(options);

    /// <summary>One version by its id, or null.</summary>
    public Task<DefinitionRow?> FindVersionAsync(string versionId, CancellationToken ct) => store.GetDefinitionVersionAsync(versionId, ct);

    /// <summary>
    /// Saves a draft: into the newest version, or as a new version when the newest is published. An unknown or missing definition id makes version 1 (of a new definition).
    /// A draft may be invalid in every way but one: it must be a JSON object. The same content again changes nothing; a change of layout alone goes into the newest version even when that is published.
    /// </summary>
    /// <param name="json">The definition.</param>
    /// <param name="user">Who saves, null for the system.</param>
    /// <param name="ct">Stops it.</param>
    /// <param name="guard">Looks at the stored versions in the turn in which the change is made; an exception of it stops the change.</param>
    /// <returns>The newest version.</returns>
    /// <exception cref="DefinitionInvalidException">The text is no JSON object.</exception>
    public async Task<DefinitionRow> SaveDraftAsync(string json, string? user, CancellationToken ct, Func<IReadOnlyList<DefinitionRow>, Task>? guard = null)
    {
        await catalog.RefreshAsync(ct);
        var given = new Given(json, registry, writer);
        return await ChangeAsync(async () =>
        {
            var versions = await store.GetDefinitionsAsync(given.DefinitionId, ct);
            if (guard is not null) await guard(versions);
            if (versions.FirstOrDefault(v => v.IsLatest) is { } latest && given.SameAs(latest.Content)) return (null, latest);
            if (Layout(given, versions, user) is { } moved) return (new DefinitionChange { Save = [moved] }, moved);
            var (rows, row) = Draft(given, versions, await IsLatestUsedAsync(versions, ct), user);
            return (new DefinitionChange { Save = rows }, row);
        }, ct);
    }

    /// <summary>
    /// Saves a definition and publishes it. Without a source file it is saved as <see cref="SaveDraftAsync"/> does; a file always makes a new version, so that no draft is lost.
    /// Content that is published already makes no new version.
    /// </summary>
    /// <param name="json">The definition.</param>
    /// <param name="sourceFile">The file it comes from, or null.</param>
    /// <param name="user">Who publishes, null for the system.</param>
    /// <param name="ct">Stops it.</param>
    /// <param name="guard">As for <see cref="SaveDraftAsync"/>.</param>
    /// <exception cref="DefinitionInvalidException">All that is wrong with it; nothing was stored.</exception>
    public async Task<DefinitionRow> PublishAsync(string json, string? sourceFile, string? user, CancellationToken ct, Func<IReadOnlyList<DefinitionRow>, Task>? guard = null)
    {
        await catalog.RefreshAsync(ct);
        var given = new Given(json, registry, writer);
        return await ChangeAsync(async () =>
        {
            var versions = await store.GetDefinitionsAsync(given.DefinitionId, ct);
            if (guard is not null) await guard(versions);
            if (versions.FirstOrDefault(v => v.IsPublished) is { } published && (sourceFile is not null ? given.SameFileAs(published.Content) : published.IsLatest && given.SameAs(published.Content))) return (null, published);
            if (sourceFile is null && Layout(given, versions, user) is { } moved) return (new DefinitionChange { Save = [moved] }, moved);
            List<DefinitionRow> rows;
            DefinitionRow row;
            if (sourceFile is null)
            {
                if (versions.FirstOrDefault(v => v.IsLatest) is { } latest && given.SameAs(latest.Content)) (rows, row) = ([latest], latest);
                else (rows, row) = Draft(given, versions, await IsLatestUsedAsync(versions, ct), user);
            }
            else
            {
                if (versions.FirstOrDefault(v => v.IsLatest) is { } newest) given.TakeLayoutOf(newest.Content);
                row = New(given, versions, user) with { SourceFile = sourceFile, SourceHash = given.FileHash };
                rows = [.. versions.Where(v => v.IsLatest).Select(v => v with { IsLatest = false }), row];
            }
            return await PublicationAsync(row, rows, versions, ct);
        }, ct);
    }

    /// <summary>Publishes a stored version; by default the newest. Null when there is none.</summary>
    /// <exception cref="DefinitionInvalidException">All that is wrong with it; what was published stays published.</exception>
    public async Task<DefinitionPublication?> PublishVersionAsync(string definitionId, VersionOptions? options, CancellationToken ct) => await ChangeAsync<DefinitionPublication?>(async () =>
    {
        var versions = await store.GetDefinitionsAsync(definitionId, ct);
        if (versions.Pick(options ?? VersionOptions.Latest) is not { } row) return (null, null);
        if (row.IsPublished) return (null, new DefinitionPublication(row, true));
        var (change, published) = await PublicationAsync(row, [row], versions, ct);
        return (change, new DefinitionPublication(published, false));
    }, ct);

    /// <summary>Takes the published version back: its routes and due times are gone. False when none was published.</summary>
    public async Task<bool> RetractAsync(string definitionId, CancellationToken ct) => await ChangeAsync(async () =>
    {
        var published = (await store.GetDefinitionsAsync(definitionId, ct)).FirstOrDefault(v => v.IsPublished);
        return published is null ? (null, false) : (new DefinitionChange { Save = [published with { IsPublished = false }], ReplaceTriggersOf = [definitionId], Writes = await RowsAsync(definitionId, null, [], ct) }, true);
    }, ct);

    /// <summary>Copies an older version as a new draft, the newest version from now on. Null when there is no such version.</summary>
    public async Task<DefinitionRow?> RevertAsync(string definitionId, int version, string? user, CancellationToken ct) => await ChangeAsync<DefinitionRow?>(async () =>
    {
        var versions = await store.GetDefinitionsAsync(definitionId, ct);
        if (versions.FirstOrDefault(v => v.Version == version) is not { } old) return (null, null);
        var row = New(new Given(old.Content, registry, writer), versions, user);
        return (new DefinitionChange { Save = [.. versions.Where(v => v.IsLatest).Select(v => v with { IsLatest = false }), row] }, row);
    }, ct);

    /// <summary>Deletes one version, with its triggers when it is the published one; the newest that remains becomes the latest. Running instances keep its content. False when there is no such version.</summary>
    /// <exception cref="DefinitionInvalidException">Another workflow uses it as an activity.</exception>
    public async Task<bool> DeleteVersionAsync(string versionId, CancellationToken ct) => await ChangeAsync(async () =>
    {
        if (await store.GetDefinitionVersionAsync(versionId, ct) is not { } row) return (null, false);
        await RefuseIfUsedAsync([row], ct);
        var newest = (await store.GetDefinitionsAsync(row.DefinitionId, ct)).FirstOrDefault(v => v.Id != versionId);
        return (new DefinitionChange
        {
            Delete = [versionId],
            Save = newest is { IsLatest: false } ? [newest with { IsLatest = true }] : [],
            ReplaceTriggersOf = row.IsPublished ? [row.DefinitionId] : [],
            Writes = row.IsPublished ? await RowsAsync(row.DefinitionId, null, [], ct) : [],
        }, true);
    }, ct);

    /// <summary>Deletes a definition with all its versions, triggers and due times. Running instances keep their content. False when there is no such definition.</summary>
    /// <exception cref="DefinitionInvalidException">Another workflow uses one of its versions as an activity.</exception>
    public async Task<bool> DeleteAsync(string definitionId, CancellationToken ct) => await ChangeAsync(async () =>
    {
        var versions = await store.GetDefinitionsAsync(definitionId, ct);
        await RefuseIfUsedAsync(versions, ct);
        return versions.Count == 0 ? (null, false) : (new DefinitionChange { Delete = [.. versions.Select(v => v.Id)], ReplaceTriggersOf = [definitionId], Writes = await RowsAsync(definitionId, null, [], ct) }, true);
    }, ct);

    /// <summary>Publishes a definition file whose content is new. An operator's newer version stays until the file changes, unless forced.</summary>
    /// <param name="path">Path of the file below the definitions folder.</param>
    /// <param name="json">Its content.</param>
    /// <param name="force">Replace what an operator published since.</param>
    /// <param name="user">Who imports, null for the system.</param>
    /// <param name="ct">Stops it.</param>
    /// <exception cref="DefinitionInvalidException">The definition was refused.</exception>
    public async Task<(DefinitionRow Row, DefinitionImport Outcome)> ImportFileAsync(string path, string json, bool force, string? user, CancellationToken ct)
    {
        var given = new Given(json, registry, writer);
        if (given.IsNew) throw new DefinitionInvalidException([new DefinitionProblem("", null, "definitionId", "is missing; expected the id of the workflow over all versions")]);
        var known = await ChangeAsync<(DefinitionRow Row, DefinitionImport Outcome)?>(async () =>
        {
            var versions = await store.GetDefinitionsAsync(given.DefinitionId, ct);
            var published = versions.FirstOrDefault(v => v.IsPublished);
            var same = published is not null && given.SameFileAs(published.Content);
            // The file as it was last taken in: what came after is an operator's.
            if (!force && versions.FirstOrDefault(v => v.SourceHash is not null)?.SourceHash == given.FileHash)
                return (null, (published ?? versions[0], published is null || same ? DefinitionImport.Unchanged : DefinitionImport.Kept));
            if (!same) return (null, null);
            var noted = published! with { SourceFile = path, SourceHash = given.FileHash };
            return (noted == published ? null : new DefinitionChange { Save = [noted] }, (noted, DefinitionImport.Unchanged));
        }, ct);
        return known ?? (await PublishAsync(json, path, user, ct), DefinitionImport.Published);
    }

    /// <inheritdoc />
    public void Dispose() => _turn.Dispose();

    /// <summary>Plans a change and makes it; plans again when definitions have changed in between.</summary>
    private async Task<T> ChangeAsync<T>(Func<Task<(DefinitionChange? Change, T Result)>> plan, CancellationToken ct)
    {
        await _turn.WaitAsync(ct);
        try
        {
            for (var tries = 1; ; tries++)
            {
                var stamp = await store.GetDefinitionsStampAsync(ct);
                await catalog.RefreshAsync(ct);
                var (change, result) = await plan();
                if (change is null) return result;
                try
                {
                    await store.ChangeDefinitionsAsync(new DefinitionChange
                    {
                        IfStamp = stamp,
                        Save = change.Save,
                        Delete = change.Delete,
                        ReplaceTriggersOf = change.ReplaceTriggersOf,
                        Triggers = change.Triggers,
                        Schedules = change.Schedules,
                        Writes = change.Writes,
                    }, ct);
                }
                catch (CommitConflictException e) when (e.Conflict == CommitConflict.DefinitionsChanged && tries < MaxTries)
                {
                    continue;
                }
                foreach (var definitionId in change.ReplaceTriggersOf)
                    foreach (var recorder in recorders)
                        recorder.Written(definitionId);
                await catalog.RefreshAsync(ct, force: true);
                return result;
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task RefuseIfUsedAsync(IEnumerable<DefinitionRow> rows, CancellationToken ct)
    {
        foreach (var row in rows)
            if (registry.Workflows.FindVersion(row.Id) is not null && await store.IsNamedInContentAsync(row.Id, row.DefinitionId, ct))
                throw new DefinitionInvalidException([new DefinitionProblem("", null, null, $"Version {row.Version} of '{row.DefinitionId}' is used as an activity by another workflow, or by an instance that still runs; it can't be deleted.")]);
    }

    /// <summary>Whether another definition, stored or still running, uses the newest version as an activity: then its content must stay.</summary>
    private async Task<bool> IsLatestUsedAsync(IReadOnlyList<DefinitionRow> versions, CancellationToken ct) =>
        versions.FirstOrDefault(v => v.IsLatest) is { } latest && registry.Workflows.FindVersion(latest.Id) is not null && await store.IsNamedInContentAsync(latest.Id, latest.DefinitionId, ct);

    /// <summary>The published newest version with the given layout, when nothing else is different. Nothing that is derived from it changes.</summary>
    private static DefinitionRow? Layout(Given given, IReadOnlyList<DefinitionRow> versions, string? user) =>
        versions.FirstOrDefault(v => v is { IsLatest: true, IsPublished: true }) is { } latest && given.MeansTheSameAs(latest.Content) ? latest with { Content = given.Content, ContentHash = given.ContentHash, CreatedBy = user } : null;

    /// <summary>The rows that saving a draft changes, and the draft.</summary>
    private (List<DefinitionRow> Rows, DefinitionRow Draft) Draft(Given given, IReadOnlyList<DefinitionRow> versions, bool latestIsUsed, string? user)
    {
        if (versions.FirstOrDefault(v => v.IsLatest) is not { } latest)
        {
            var first = New(given, versions, user);
            return ([first], first);
        }
        if (!latest.IsPublished && !latestIsUsed)
        {
            var saved = latest with { Name = given.Name, Description = given.Description, ContentHash = given.ContentHash, Content = given.Content, CreatedBy = user };
            return ([saved], saved);
        }
        var next = New(given, versions, user);
        return ([latest with { IsLatest = false }, next], next);
    }

    private DefinitionRow New(Given given, IReadOnlyList<DefinitionRow> versions, string? user)
    {
        var now = time.GetUtcNow();
        now = now.AddTicks(-(now.Ticks % TimeSpan.TicksPerMicrosecond)); // As precise as the databases, so that the row given back is the row stored.
        return new DefinitionRow(Ids.Row(now), given.DefinitionId, versions.Count == 0 ? 1 : versions.Max(v => v.Version) + 1, given.Name, given.Description, true, false, given.ContentHash, given.Content, null, null, now, user);
    }

    /// <summary>The change that publishes a row. Throws <see cref="DefinitionInvalidException"/> with all that is wrong.</summary>
    private async Task<(DefinitionChange Change, DefinitionRow Published)> PublicationAsync(DefinitionRow row, List<DefinitionRow> rows, IReadOnlyList<DefinitionRow> versions, CancellationToken ct)
    {
        var (workflow, problems) = ReadAndCheck(row.Content);
        workflow.DefinitionId = row.DefinitionId;
        workflow.VersionId = row.Id;
        workflow.DefinitionVersion = row.Version;
        var found = new List<PublishedTrigger>();
        var (triggers, schedules) = await IndexAsync(workflow, row, problems, found, ct);
        foreach (var taken in await store.GetTriggersAsync(ct))
            if (taken.DefinitionId != row.DefinitionId && RouteTable.KeyOf(taken) is { } key && triggers.FirstOrDefault(t => t.RouteKey == key) is { } mine)
                problems.Add(new DefinitionProblem(mine.ActivityId, "Elsa.HttpEndpoint", "Path", $"{key} is already taken by the workflow '{taken.DefinitionId}'."));
        var writes = await RowsAsync(row.DefinitionId, new PublishedVersion(row.Id, row.Version, found), problems, ct);
        if (problems.Count > 0) throw new DefinitionInvalidException(problems);
        var published = row with { IsPublished = true };
        // The version published until now may be among the rows that change anyway.
        var all = rows.Where(r => r.Id != row.Id).Select(r => r with { IsPublished = false }).ToList();
        all.AddRange(versions.Where(v => v.IsPublished && v.Id != row.Id && all.TrueForAll(r => r.Id != v.Id)).Select(v => v with { IsPublished = false }));
        return (new DefinitionChange { Save = [.. all, published], ReplaceTriggersOf = [row.DefinitionId], Triggers = triggers, Schedules = schedules, Writes = writes }, published);
    }

    private async Task<IReadOnlyList<EnlistedWrite>> RowsAsync(string definitionId, PublishedVersion? published, ICollection<DefinitionProblem> problems, CancellationToken ct)
    {
        var rows = new List<EnlistedWrite>();
        foreach (var recorder in recorders) rows.AddRange(await recorder.RowsAsync(definitionId, published, problems, ct));
        return rows;
    }

    /// <summary>A definition that someone gave, ready to be stored.</summary>
    private sealed class Given
    {
        private readonly JsonObject _definition;
        private readonly ActivityRegistry _registry;
        private readonly DefinitionWriter _writer;
        private readonly string _file;

        public Given(string json, ActivityRegistry registry, DefinitionWriter writer)
        {
            (_registry, _writer) = (registry, writer);
            try
            {
                _definition = DefinitionJson.Parse(json);
            }
            catch (DefinitionFormatException e)
            {
                throw new DefinitionInvalidException([new DefinitionProblem("", null, null, e.Message)]);
            }
            IsNew = DefinitionJson.Text(_definition, "definitionId")?.Trim() is not { Length: > 0 };
            DefinitionId = IsNew ? Ids.Part() : DefinitionJson.Text(_definition, "definitionId")!.Trim();
            var changed = DefinitionJson.Prepare(_definition, registry);
            if (IsNew)
            {
                DefinitionJson.Set(_definition, "definitionId", DefinitionId, after: "id");
                changed = true;
            }
            Content = changed ? _definition.ToJsonString(DefinitionJson.Compact) : json;
            ContentHash = Hash(Content);
            _file = writer.Export(_definition);
            FileHash = Hash(_file);
            Name = DefinitionJson.Text(_definition, "name")?.Trim();
            Description = DefinitionJson.Text(_definition, "description")?.Trim();
        }

        public bool IsNew { get; }
        public string DefinitionId { get; }
        public string Content { get; private set; }
        public string ContentHash { get; private set; }
        public string FileHash { get; }
        public string? Name { get; }
        public string? Description { get; }

        /// <summary>Whether it says the same as a stored version, or as what the designer was shown of it.</summary>
        public bool SameAs(string content)
        {
            var stored = DefinitionJson.Parse(content);
            if (DefinitionJson.Same(_definition, stored)) return true;
            DefinitionLayout.Complete(stored, _registry);
            return DefinitionJson.Same(_definition, DefinitionJson.Parse(stored.ToJsonString(DefinitionJson.Compact)));
        }

        /// <summary>Whether only the layout is different, or what says nothing.</summary>
        public bool MeansTheSameAs(string content) =>
            JsonNode.DeepEquals(DefinitionJson.Meaning(DefinitionJson.Parse(_file)), DefinitionJson.Meaning(DefinitionJson.Parse(_writer.Export(content))));

        /// <summary>Whether it is the same file as a stored version would be.</summary>
        public bool SameFileAs(string content) => _file == _writer.Export(content);

        /// <summary>Takes over the places of activities from another version: files have none.</summary>
        public void TakeLayoutOf(string content)
        {
            if (!DefinitionLayout.Copy(DefinitionJson.Parse(content), _definition, _registry)) return;
            Content = _definition.ToJsonString(DefinitionJson.Compact);
            ContentHash = Hash(Content);
        }
    }

    /// <summary>Everything that would be refused at publish, apart from routes that other workflows have. Needs no database.</summary>
    public IReadOnlyList<DefinitionProblem> Check(string json)
    {
        try
        {
            var given = new Given(json, registry, writer);
            var problems = ReadAndCheck(given.Content).Problems;
            if (given.IsNew) problems.Insert(0, new DefinitionProblem("", null, "definitionId", "is missing; expected the id of the workflow over all versions"));
            return problems;
        }
        catch (DefinitionInvalidException e)
        {
            return e.Problems;
        }
    }

    /// <summary>Hash of definition JSON as it is stored.</summary>
    internal static string Hash(string json) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(json)));

    private (Elsa.Workflows.Activities.Workflow Workflow, List<DefinitionProblem> Problems) ReadAndCheck(string content)
    {
        var (workflow, found) = reader.ReadAll(content);
        var problems = found.Select(p => p.Problem).ToList();
        new DefinitionValidator(evaluator, options).Check(workflow, problems);
        foreach (var activity in All(workflow.Root))
            foreach (var recorder in recorders)
                problems.AddRange(recorder.Check(activity));
        return (workflow, problems);
    }

    private async Task<(List<TriggerRow> Triggers, List<WorkItem> Schedules)> IndexAsync(Elsa.Workflows.Activities.Workflow workflow, DefinitionRow row, List<DefinitionProblem> problems, List<PublishedTrigger> found, CancellationToken ct)
    {
        var triggers = new List<TriggerRow>();
        var schedules = new List<WorkItem>();
        var routes = new HashSet<string>(StringComparer.Ordinal);
        foreach (var activity in TriggersIn(workflow.Root).ToList())
        {
            // One that is known to be wrong is not asked what it listens to: it could only tell of the same fault again.
            if (problems.Exists(p => p.ActivityId == activity.Id)) continue;
            var trigger = (ITrigger)activity;
            CompiledWorkflow.AssignPlaces(activity);
            var scope = new ExpressionExecutionContext(services, new MemoryRegister(), null, null, ct);
            var context = new TriggerIndexingContext(new WorkflowIndexingContext(workflow, ct), scope, trigger, ct);
            IEnumerable<object> payloads;
            try
            {
                foreach (var property in ActivityClass.Of(activity.GetType()).Inputs)
                    if (property is { IsWrapped: true, AutoEvaluate: true } && property.Access.Get(activity) is Elsa.Workflows.Models.Input { Expression: { } expression } input)
                        scope.Memory.Blocks[input.MemoryBlockReference().Id] = new MemoryBlock(await evaluator.EvaluateAsync(expression, property.FullType, scope));
                payloads = await trigger.GetTriggerPayloadsAsync(context);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                problems.Add(new DefinitionProblem(activity.Id, activity.Type, null, $"can't be a trigger: {e.Message}"));
                continue;
            }
            foreach (var payload in payloads)
            {
                string? route = null;
                found.Add(new PublishedTrigger(activity.Id, activity.Name, activity.Type, payload));
                switch (payload)
                {
                    case HttpEndpointBookmarkPayload http:
                        if (EndpointProblems(http) is { Count: > 0 } wrong)
                        {
                            // Said once, not for each of its methods.
                            problems.AddRange(wrong.Select(w => new DefinitionProblem(activity.Id, activity.Type, w.Property, w.Message)).Except(problems));
                            continue;
                        }
                        route = RouteTable.Key(http.Method, http.Path);
                        if (!routes.Add(route)) problems.Add(new DefinitionProblem(activity.Id, activity.Type, "Path", $"{route} is listened to by more than one activity of this workflow."));
                        break;
                    case CronTriggerPayload cron:
                        Add(activity, new WorkItems.TriggerPayload(row.DefinitionId, row.Id, activity.Id, activity.Type, cron.CronExpression, cron.TimeZone, null, default));
                        break;
                    case TimerTriggerPayload timer when timer.Interval <= TimeSpan.Zero:
                        problems.Add(new DefinitionProblem(activity.Id, activity.Type, "Interval", $"must be more than zero, but is {timer.Interval}."));
                        break;
                    case TimerTriggerPayload timer:
                        Add(activity, new WorkItems.TriggerPayload(row.DefinitionId, row.Id, activity.Id, activity.Type, null, null, timer.Interval, default));
                        break;
                    case StartAtPayload at:
                        schedules.Add(Schedules.Item(new WorkItems.TriggerPayload(row.DefinitionId, row.Id, activity.Id, activity.Type, null, null, null, at.ExecuteAt)));
                        break;
                }
                triggers.Add(new TriggerRow(Ids.Row(time.GetUtcNow()), row.DefinitionId, row.Id, activity.Id, context.TriggerName, hasher.Hash(context.TriggerName, payload), route, JsonSerializer.Serialize(payload, payload.GetType(), ObjectConverter.Json)));
            }
        }
        return (triggers, schedules);

        void Add(IActivity activity, WorkItems.TriggerPayload p)
        {
            try
            {
                if (Schedules.Next(p, time.GetUtcNow()) is { } first) schedules.Add(Schedules.Item(p with { Nominal = first }));
                else problems.Add(new DefinitionProblem(activity.Id, activity.Type, null, "has no time at which it would run."));
            }
            catch (FormatException e)
            {
                problems.Add(new DefinitionProblem(activity.Id, activity.Type, null, e.Message));
            }
        }
    }

    private List<(string Property, string Message)> EndpointProblems(HttpEndpointBookmarkPayload http) =>
        [.. EndpointRules.Problems(new HttpEndpointOptions { Path = http.Path, Authorize = http.Authorize == true, Policy = http.Policy, RequestTimeout = http.RequestTimeout }, starts: true, options)];

    private static IEnumerable<IActivity> All(IActivity activity) => activity is WorkflowDefinitionActivity ? [activity] : CompiledWorkflow.ChildrenOf(activity).SelectMany(All).Prepend(activity);

    private static IEnumerable<IActivity> TriggersIn(IActivity activity)
    {
        if (activity is ITrigger and Activity { CanStartWorkflow: true }) yield return activity;
        // Triggers of a workflow that is used here start that workflow, not this one.
        if (activity is WorkflowDefinitionActivity) yield break;
        foreach (var child in CompiledWorkflow.ChildrenOf(activity))
            foreach (var trigger in TriggersIn(child))
                yield return trigger;
    }
}
