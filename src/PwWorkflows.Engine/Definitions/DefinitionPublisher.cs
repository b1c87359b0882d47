using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
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

/// <summary>Saves, publishes and retracts definitions. Triggers, routes and due times are derived from the published version and change in the same transaction.</summary>
public sealed class DefinitionPublisher(IEngineStore store, DefinitionReader reader, ExpressionEvaluator evaluator, IStimulusHasher hasher, WorkflowCatalog catalog, IServiceProvider services, TimeProvider time)
{
    /// <summary>Publishes definition JSON as a new version, unless the published one has the same content. Throws <see cref="DefinitionInvalidException"/>.</summary>
    public async Task<DefinitionRow> PublishAsync(string json, string? sourceFile, string? user, CancellationToken ct)
    {
        var problems = new List<DefinitionProblem>();
        Elsa.Workflows.Activities.Workflow workflow;
        try
        {
            workflow = reader.Read(json);
        }
        catch (DefinitionFormatException e)
        {
            throw new DefinitionInvalidException([new DefinitionProblem("", null, null, e.Message)]);
        }
        if (workflow.DefinitionId.Length == 0) throw new DefinitionInvalidException([new DefinitionProblem("", null, "definitionId", "is missing; expected the id of the workflow over all versions")]);
        var versions = await store.GetDefinitionsAsync(workflow.DefinitionId, ct);
        var hash = Hash(json);
        if (versions.FirstOrDefault(v => v.IsPublished) is { } published && published.ContentHash == hash) return published;
        var number = versions.Count == 0 ? 1 : versions.Max(v => v.Version) + 1;
        var row = new DefinitionRow(Ids.Row(time.GetUtcNow()), workflow.DefinitionId, number, workflow.DefinitionName, null, true, true, hash, json, sourceFile, sourceFile is null ? null : hash, time.GetUtcNow(), user);
        workflow.VersionId = row.Id;
        workflow.DefinitionVersion = number;
        Check(workflow, problems);
        var (triggers, schedules) = problems.Count == 0 ? await IndexAsync(CompiledWorkflow.Compile(workflow, hash), row, problems, ct) : ([], []);
        if (problems.Count > 0) throw new DefinitionInvalidException(problems);
        try
        {
            await store.ChangeDefinitionsAsync(new DefinitionChange
            {
                Save = [.. versions.Where(v => v.IsLatest || v.IsPublished).Select(v => v with { IsLatest = false, IsPublished = false }), row],
                ReplaceTriggersOf = [row.DefinitionId],
                Triggers = triggers,
                Schedules = schedules,
            }, ct);
        }
        catch (CommitConflictException e) when (e.Conflict == CommitConflict.UniqueKey)
        {
            var existing = await store.GetTriggersAsync(ct);
            var clash = existing.Where(t => t.RouteKey is not null && t.DefinitionId != row.DefinitionId && triggers.Any(n => n.RouteKey == t.RouteKey)).ToList();
            throw new DefinitionInvalidException(clash.Count > 0
                ? [.. clash.Select(t => new DefinitionProblem(triggers.First(n => n.RouteKey == t.RouteKey).ActivityId, "Elsa.HttpEndpoint", "Path", $"{t.RouteKey} is already taken by the workflow '{t.DefinitionId}'."))]
                : [new DefinitionProblem("", null, null, e.Message)]);
        }
        await catalog.RefreshAsync(ct, force: true);
        return row;
    }

    /// <summary>Takes the published version back: its routes and due times are gone. False when none was published.</summary>
    public async Task<bool> RetractAsync(string definitionId, CancellationToken ct)
    {
        var published = (await store.GetDefinitionsAsync(definitionId, ct)).FirstOrDefault(v => v.IsPublished);
        if (published is null) return false;
        await store.ChangeDefinitionsAsync(new DefinitionChange { Save = [published with { IsPublished = false }], ReplaceTriggersOf = [definitionId] }, ct);
        await catalog.RefreshAsync(ct, force: true);
        return true;
    }

    /// <summary>Publishes a definition file whose content is new. An operator's newer version stays until the file changes, unless forced.</summary>
    /// <param name="path">Path of the file below the definitions folder.</param>
    /// <param name="json">Its content.</param>
    /// <param name="force">Replace what an operator published since.</param>
    /// <param name="user">Who imports, null for the system.</param>
    /// <param name="ct">Stops it.</param>
    /// <exception cref="DefinitionInvalidException">The definition was refused.</exception>
    public async Task<(DefinitionRow Row, DefinitionImport Outcome)> ImportFileAsync(string path, string json, bool force, string? user, CancellationToken ct)
    {
        var hash = Hash(json);
        string definitionId;
        try
        {
            definitionId = reader.Read(json).DefinitionId;
        }
        catch (DefinitionFormatException e)
        {
            throw new DefinitionInvalidException([new DefinitionProblem("", null, null, e.Message)]);
        }
        var versions = await store.GetDefinitionsAsync(definitionId, ct);
        var published = versions.FirstOrDefault(v => v.IsPublished);
        if (!force && versions.Any(v => v.SourceHash == hash)) return published is null || published.ContentHash == hash ? (published ?? versions[0], DefinitionImport.Unchanged) : (published, DefinitionImport.Kept);
        if (published?.ContentHash == hash) return (published, DefinitionImport.Unchanged);
        return (await PublishAsync(json, path, user, ct), DefinitionImport.Published);
    }

    /// <summary>Everything that would be refused at publish, apart from routes that other workflows have. Needs no database.</summary>
    public IReadOnlyList<DefinitionProblem> Check(string json)
    {
        var problems = new List<DefinitionProblem>();
        try
        {
            Check(reader.Read(json), problems);
        }
        catch (DefinitionFormatException e)
        {
            problems.Add(new DefinitionProblem("", null, null, e.Message));
        }
        return problems;
    }

    private static string Hash(string json) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(json)));

    private void Check(Elsa.Workflows.Activities.Workflow workflow, List<DefinitionProblem> problems)
    {
        try
        {
            RetentionPeriod.Read(workflow.CustomProperties);
        }
        catch (FormatException e)
        {
            problems.Add(new DefinitionProblem("", null, "customProperties.retention", $"customProperties.{RetentionPeriod.PropertyName} {e.Message}"));
        }
        var seen = new HashSet<string>(StringComparer.Ordinal);
        Visit(workflow.Root);

        void Visit(IActivity activity)
        {
            if (activity.Id.Length > 0 && !seen.Add(activity.Id)) problems.Add(new DefinitionProblem(activity.Id, activity.Type, "id", "is used by more than one activity."));
            var c = ActivityClass.Of(activity.GetType());
            foreach (var input in c.Inputs)
            {
                if (!input.IsWrapped) continue;
                var value = (Elsa.Workflows.Models.Input?)input.Property.GetValue(activity);
                if (value?.Expression is not { } expression)
                {
                    if (value is null && input.IsRequired) problems.Add(new DefinitionProblem(activity.Id, activity.Type, input.Name, "is required, but not set."));
                    continue;
                }
                if (evaluator.Find(expression.Type) is not { } handler) problems.Add(new DefinitionProblem(activity.Id, activity.Type, input.Name, $"uses '{expression.Type}' expressions, which are not supported; use Literal, Object, Variable, Input, JavaScript or Liquid."));
                else if (handler.Validate(expression, input.FullType) is { } wrong) problems.Add(new DefinitionProblem(activity.Id, activity.Type, input.Name, wrong));
            }
            try
            {
                RetryPolicy.Read(activity);
            }
            catch (FormatException e)
            {
                problems.Add(new DefinitionProblem(activity.Id, activity.Type, RetryPolicy.PropertyName, e.Message));
            }
            if (activity is Cron cron && cron.CronExpression?.Expression is { Type: "Literal", Value: string text })
                try
                {
                    Schedules.Parse(text);
                    if (cron.TimeZone?.Expression is { Type: "Literal", Value: string zone }) Schedules.Zone(zone);
                }
                catch (FormatException e)
                {
                    problems.Add(new DefinitionProblem(activity.Id, activity.Type, nameof(Cron.CronExpression), e.Message));
                }
            foreach (var child in CompiledWorkflow.ChildrenOf(activity)) Visit(child);
        }
    }

    private async Task<(List<TriggerRow> Triggers, List<WorkItem> Schedules)> IndexAsync(CompiledWorkflow compiled, DefinitionRow row, List<DefinitionProblem> problems, CancellationToken ct)
    {
        var triggers = new List<TriggerRow>();
        var schedules = new List<WorkItem>();
        var routes = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var node in compiled.Nodes)
        {
            if (node.Activity is not ITrigger trigger || node.Activity is not Activity { CanStartWorkflow: true }) continue;
            var scope = new ExpressionExecutionContext(services, new MemoryRegister(), null, null, ct);
            var context = new TriggerIndexingContext(new WorkflowIndexingContext(compiled.Workflow, ct), scope, trigger, ct);
            IEnumerable<object> payloads;
            try
            {
                foreach (var (property, input) in node.Inputs)
                    if (input.Expression is { } expression)
                        scope.Memory.Blocks[input.MemoryBlockReference().Id] = new MemoryBlock(await evaluator.EvaluateAsync(expression, property.FullType, scope));
                payloads = await trigger.GetTriggerPayloadsAsync(context);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                problems.Add(new DefinitionProblem(node.Activity.Id, node.Activity.Type, null, $"can't be a trigger: {e.Message}"));
                continue;
            }
            foreach (var payload in payloads)
            {
                string? route = null;
                switch (payload)
                {
                    case HttpEndpointBookmarkPayload http:
                        route = RouteTable.Key(http.Method, http.Path);
                        if (http.Path.Trim('/').Length == 0) problems.Add(new DefinitionProblem(node.Activity.Id, node.Activity.Type, "Path", "is required; expected a path such as orders/{id}."));
                        else if (!routes.Add(route)) problems.Add(new DefinitionProblem(node.Activity.Id, node.Activity.Type, "Path", $"{route} is listened to by more than one activity of this workflow."));
                        break;
                    case CronTriggerPayload cron:
                        Add(node, new WorkItems.TriggerPayload(row.DefinitionId, row.Id, node.Activity.Id, node.Activity.Type, cron.CronExpression, cron.TimeZone, null, default));
                        break;
                    case TimerTriggerPayload timer when timer.Interval <= TimeSpan.Zero:
                        problems.Add(new DefinitionProblem(node.Activity.Id, node.Activity.Type, "Interval", $"must be more than zero, but is {timer.Interval}."));
                        break;
                    case TimerTriggerPayload timer:
                        Add(node, new WorkItems.TriggerPayload(row.DefinitionId, row.Id, node.Activity.Id, node.Activity.Type, null, null, timer.Interval, default));
                        break;
                    case StartAtPayload at:
                        schedules.Add(Schedules.Item(new WorkItems.TriggerPayload(row.DefinitionId, row.Id, node.Activity.Id, node.Activity.Type, null, null, null, at.ExecuteAt)));
                        break;
                }
                triggers.Add(new TriggerRow(Ids.Row(time.GetUtcNow()), row.DefinitionId, row.Id, node.Activity.Id, context.TriggerName, hasher.Hash(context.TriggerName, payload), route, JsonSerializer.Serialize(payload, payload.GetType(), ObjectConverter.Json)));
            }
        }
        return (triggers, schedules);

        void Add(ActivityNode node, WorkItems.TriggerPayload p)
        {
            try
            {
                if (Schedules.Next(p, time.GetUtcNow()) is { } first) schedules.Add(Schedules.Item(p with { Nominal = first }));
                else problems.Add(new DefinitionProblem(node.Activity.Id, node.Activity.Type, null, "has no time at which it would run."));
            }
            catch (FormatException e)
            {
                problems.Add(new DefinitionProblem(node.Activity.Id, node.Activity.Type, null, e.Message));
            }
        }
    }
}
