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
            var revision = await KeepAsync(e.Latest, json, user, ct);
            throw new DefinitionOvertakenException(string.Create(CultureInfo.InvariantCulture,
                $"{e.By ?? "The system"} saved this workflow at {Time(e.At)}, after you had opened it. Your change is not saved over it; it is kept as revision {revision}. Reload the page to see the other change and make yours again, or restore the revision."));
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

    /// <summary>Saves as a draft what was not read here before, such as a file: nothing tells what it was made from, so it is not saved over another person's draft.</summary>
    /// <exception cref="DefinitionInvalidException">It is no definition.</exception>
    /// <exception cref="DefinitionOvertakenException">The newest version is another person's draft. What was to be saved is kept as a revision.</exception>
    public async Task<DefinitionRow> TakeInAsync(string json, string? user, CancellationToken ct)
    {
        try
        {
            return await publisher.SaveDraftAsync(json, user, ct, async versions =>
            {
                if (await OtherDraftAsync(versions, json, user, ct) is { } other) throw other;
            });
        }
        catch (OvertakenException e)
        {
            var revision = await KeepAsync(e.Latest, json, user, ct);
            throw new DefinitionOvertakenException(string.Create(CultureInfo.InvariantCulture, $"{Told(e)} What you import is not saved over it; it is kept as revision {revision}, which can be restored."));
        }
    }

    /// <summary>Whose draft a definition would be saved over, for people; <c>null</c> when nobody else's.</summary>
    public async Task<string?> InTheWayAsync(string json, string? user, CancellationToken ct) =>
        DefinitionJson.Text(DefinitionJson.Parse(json), "definitionId") is { Length: > 0 } id && await OtherDraftAsync(await store.GetDefinitionsAsync(id, ct), json, user, ct) is { } other ? Told(other) : null;

    private async Task<OvertakenException?> OtherDraftAsync(IReadOnlyList<DefinitionRow> versions, string json, string? user, CancellationToken ct)
    {
        if (versions.FirstOrDefault(v => v.IsLatest) is not { IsPublished: false, CreatedBy: { } by } draft || by == user || draft.ContentHash == DefinitionPublisher.Hash(json)) return null;
        var saved = (await store.ListRevisionsAsync(draft.DefinitionId, 0, LookBack, ct)).FirstOrDefault(r => r.Accepted);
        return new OvertakenException(draft, by, saved?.SavedAt ?? draft.CreatedAt);
    }

    private async Task<long> KeepAsync(DefinitionRow latest, string json, string? user, CancellationToken ct)
    {
        var definition = DefinitionJson.Parse(json);
        return await store.AddRefusedRevisionAsync(
            latest with { Name = DefinitionJson.Text(definition, "name"), Description = DefinitionJson.Text(definition, "description"), Content = json, ContentHash = DefinitionPublisher.Hash(json), CreatedBy = user }, ct);
    }

    private static string Told(OvertakenException e) => $"{e.By} saved a draft of “{e.Latest.Name ?? e.Latest.DefinitionId}” at {Time(e.At)} that is not published yet.";

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("HH:mm:ss 'UTC on' yyyy-MM-dd", CultureInfo.InvariantCulture);

    private sealed class OvertakenException(DefinitionRow latest, string? by, DateTimeOffset at) : Exception
    {
        public DefinitionRow Latest { get; } = latest;
        public string? By { get; } = by;
        public DateTimeOffset At { get; } = at;
    }
}
