using System.Collections.Concurrent;
using System.Collections.Frozen;
using Elsa.Common.Models;
using Elsa.Workflows;
using Elsa.Workflows.Models;
using Microsoft.Extensions.Logging;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Http;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine;

/// <summary>The definitions of this node: compiled once per content, with the triggers and routes of what is published.</summary>
public sealed class WorkflowCatalog(IEngineStore store, DefinitionReader reader, ActivityRegistry registry, ILogger<WorkflowCatalog> logger) : IDisposable
{
    private readonly ConcurrentDictionary<string, CompiledWorkflow> _byVersionId = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _refresh = new(1, 1);
    private volatile Snapshot _current = new([], FrozenDictionary<string, IReadOnlyList<TriggerRow>>.Empty, RouteTable.Empty, -1);

    private sealed record Snapshot(Dictionary<string, DefinitionRow> Published, FrozenDictionary<string, IReadOnlyList<TriggerRow>> ByHash, RouteTable Routes, long Stamp);

    /// <summary>Routes of published HTTP endpoints.</summary>
    public RouteTable Routes => _current.Routes;

    /// <summary>Loads the published set again when it has changed on any node.</summary>
    /// <returns>Whether it was loaded.</returns>
    public async Task<bool> RefreshAsync(CancellationToken ct, bool force = false)
    {
        await _refresh.WaitAsync(ct);
        try
        {
            var stamp = await store.GetDefinitionsStampAsync(ct);
            if (!force && stamp == _current.Stamp) return false;
            var published = (await store.GetPublishedAsync(ct)).ToDictionary(d => d.DefinitionId, StringComparer.Ordinal);
            var triggers = await store.GetTriggersAsync(ct);
            // Before what uses them is compiled.
            registry.Workflows = new UsableWorkflows(await store.GetUsableDefinitionsAsync(ct));
            _byVersionId.Clear();
            var byHash = triggers.GroupBy(t => t.Hash).ToFrozenDictionary(g => g.Key, g => (IReadOnlyList<TriggerRow>)g.ToList());
            _current = new Snapshot(published, byHash, RouteTable.Build(triggers.Where(t => t.RouteKey is not null), logger), stamp);
            return true;
        }
        finally
        {
            _refresh.Release();
        }
    }

    /// <summary>The published version of a definition, or null.</summary>
    public CompiledWorkflow? FindPublished(string definitionId) => _current.Published.TryGetValue(definitionId, out var row) ? Compile(row) : null;

    /// <summary>The row of the published version, or null.</summary>
    public DefinitionRow? FindPublishedRow(string definitionId) => _current.Published.GetValueOrDefault(definitionId);

    /// <summary>Triggers of published definitions that listen for a stimulus.</summary>
    public IReadOnlyList<TriggerRow> FindTriggers(string hash) => _current.ByHash.GetValueOrDefault(hash, []);

    /// <summary>A definition by its handle. Throws <see cref="WorkflowNotFoundException"/>.</summary>
    public async Task<CompiledWorkflow> ResolveAsync(WorkflowDefinitionHandle handle, CancellationToken ct)
    {
        if (handle.DefinitionVersionId is { } versionId) return await GetVersionAsync(versionId, null, ct);
        var id = handle.DefinitionId ?? throw new ArgumentException("A definition handle needs a definition id or a version id.", nameof(handle));
        var options = handle.VersionOptions ?? VersionOptions.Published;
        if (options.IsPublished && FindPublished(id) is { } published) return published;
        var versions = await store.GetDefinitionsAsync(id, ct);
        var row = versions.Pick(options);
        return row is null ? throw new WorkflowNotFoundException($"There is no {(options.IsPublished ? "published " : "")}workflow '{id}'.") : Compile(row);
    }

    /// <summary>One version, by its id; a deleted one still by the content that an instance is pinned to.</summary>
    public async Task<CompiledWorkflow> GetVersionAsync(string versionId, InstanceRow? pinned, CancellationToken ct)
    {
        if (_byVersionId.TryGetValue(versionId, out var known) && (pinned is null || known.ContentHash == pinned.ContentHash)) return known;
        var row = await store.GetDefinitionVersionAsync(versionId, ct);
        if (row is not null && (pinned is null || row.ContentHash == pinned.ContentHash)) return Compile(row);
        if (pinned is not null)
        {
            if (_byVersionId.TryGetValue(pinned.ContentHash, out var byContent)) return byContent;
            if (await store.GetContentAsync(pinned.ContentHash, ct) is { } content)
                return _byVersionId[pinned.ContentHash] = reader.Compile(new DefinitionRow(pinned.DefinitionVersionId, pinned.DefinitionId, pinned.Version, null, null, false, false, pinned.ContentHash, content, null, null, pinned.CreatedAt, null));
        }
        throw new WorkflowNotFoundException($"There is no workflow version '{versionId}'.");
    }

    /// <inheritdoc />
    public void Dispose() => _refresh.Dispose();

    private CompiledWorkflow Compile(DefinitionRow row)
    {
        if (_byVersionId.TryGetValue(row.Id, out var known) && known.ContentHash == row.ContentHash) return known;
        try
        {
            return _byVersionId[row.Id] = reader.Compile(row);
        }
        catch (Exception e)
        {
            logger.LogError(e, "Workflow {DefinitionId} version {Version} can't be read", row.DefinitionId, row.Version);
            throw;
        }
    }
}

/// <summary>No such workflow.</summary>
public sealed class WorkflowNotFoundException(string message) : Exception(message);
