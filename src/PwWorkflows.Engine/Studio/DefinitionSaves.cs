using System.Globalization;
using System.Text.Json.Nodes;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Studio;

/// <summary>Somebody else has saved the definition since the one who saves now had read it. What was to be saved is kept as a revision.</summary>
internal sealed class DefinitionOvertakenException(string message) : Exception(message);

/// <summary>
/// Saves what an editor sends. Studio knows no versions of a draft: it saves whenever something changes and the last one wins. So every definition it is served carries the hash of its content in a custom
/// property, which comes back with the save. When the newest version has another content by then, and somebody else saved any of what came in between, the save is refused and kept as a revision.
/// Saves of the same person never refuse each other: auto-saves overtake the answers to those before them.
/// </summary>
internal sealed class DefinitionSaves(DefinitionPublisher publisher, IEngineStore store, TimeProvider time)
{
    private const int LookBack = 200;

    /// <summary>Saves a definition as a draft, and publishes it when asked to.</summary>
    /// <returns>The saved version, and whether that content was published before.</returns>
    /// <exception cref="DefinitionInvalidException">It can't be published; it is saved as a draft.</exception>
    /// <exception cref="DefinitionOvertakenException">Somebody else was quicker.</exception>
    public async Task<(DefinitionRow Row, bool AlreadyPublished)> SaveAsync(JsonObject model, bool publish, string? user, CancellationToken ct)
    {
        var id = DefinitionJson.Text(model, "definitionId")?.Trim();
        var latest = string.IsNullOrEmpty(id) ? null : await publisher.FindAsync(id, Elsa.Common.Models.VersionOptions.Latest, ct);
        var (json, served) = DefinitionModels.Received(model, latest);
        try
        {
            if (!publish) return (await publisher.SaveDraftAsync(json, user, ct, Guard), false);
            var before = latest is { IsPublished: true } ? latest.Id : null;
            var row = await publisher.PublishAsync(json, null, user, ct, Guard);
            return (row, row.Id == before);
        }
        catch (DefinitionInvalidException) when (publish)
        {
            await publisher.SaveDraftAsync(json, user, ct, Guard);
            throw;
        }
        catch (OvertakenException e)
        {
            var revision = await store.AddRefusedRevisionAsync(e.Latest with { Name = DefinitionJson.Text(model, "name"), Description = DefinitionJson.Text(model, "description"), Content = json, ContentHash = DefinitionPublisher.Hash(json), CreatedBy = user }, ct);
            throw new DefinitionOvertakenException(string.Create(CultureInfo.InvariantCulture,
                $"{e.By ?? "The system"} saved this workflow at {e.At:HH:mm:ss} UTC on {e.At:yyyy-MM-dd}, after you had opened it. Your change is not saved over it; it is kept as revision {revision}. Reload the page to see the other change and make yours again, or restore the revision."));
        }

        // Runs within the turn in which the save is made, on what is stored then.
        async Task Guard(IReadOnlyList<DefinitionRow> versions)
        {
            if (served is null || versions.FirstOrDefault(v => v.IsLatest) is not { } now || now.ContentHash == served || now.ContentHash == DefinitionPublisher.Hash(json)) return;
            var since = (await store.ListRevisionsAsync(now.DefinitionId, 0, LookBack, ct)).Where(r => r.Accepted).TakeWhile(r => r.ContentHash != served).ToList();
            if (since.Find(r => r.SavedBy != user) is { } other) throw new OvertakenException(now, other.SavedBy, other.SavedAt);
            if (since.Count == 0 && now.CreatedBy != user) throw new OvertakenException(now, now.CreatedBy, time.GetUtcNow());
        }
    }

    private sealed class OvertakenException(DefinitionRow latest, string? by, DateTimeOffset at) : Exception
    {
        public DefinitionRow Latest { get; } = latest;
        public string? By { get; } = by;
        public DateTimeOffset At { get; } = at;
    }
}
