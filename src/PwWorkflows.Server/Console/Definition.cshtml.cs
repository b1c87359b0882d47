using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Commands;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/definitions/service-fcc-499a</c>: what changed from one version or save to another; saves are looked at and restored.</summary>
internal sealed class DefinitionPage(IWorkflowAdmin workflows) : ConsolePage
{
    /// <summary>Saves on a page.</summary>
    public const int RevisionsShown = 50;

    public string Id { get; private set; } = "";
    public IReadOnlyList<WorkflowVersionInfo> Versions { get; private set; } = [];
    public IReadOnlyList<WorkflowRevisionInfo> Revisions { get; private set; } = [];
    public bool MoreRevisions { get; private set; }
    public int Skip { get; private set; }

    /// <summary>What can be compared: versions as <c>v3</c>, saves as <c>r17</c>.</summary>
    public IReadOnlyList<(string Key, string Name)> Choices { get; private set; } = [];
    public string? From { get; private set; }
    public string? To { get; private set; }

    /// <summary>The changes in words; <c>null</c> when nothing is compared.</summary>
    public IReadOnlyList<string>? Words { get; private set; }
    public IReadOnlyList<string> Lines { get; private set; } = [];

    /// <summary>A save that is looked at.</summary>
    public string? Text { get; private set; }
    public long RevisionId { get; private set; }

    public async Task<IActionResult> OnGetAsync(string id, string? from, string? to, long? revision, int? skip, CancellationToken ct)
    {
        (Id, Skip) = (id, Math.Clamp(skip ?? 0, 0, 1_000_000));
        Versions = await workflows.ListVersionsAsync(id, ct).ConfigureAwait(false);
        if (Versions.Count == 0) return Missing(id);
        var revisions = await workflows.ListRevisionsAsync(id, Skip, RevisionsShown + 1, ct).ConfigureAwait(false);
        (Revisions, MoreRevisions) = ([.. revisions.Take(RevisionsShown)], revisions.Count > RevisionsShown);
        Choices = [.. Versions.Select(static v => (Key(v.Version), Name(v))), .. Revisions.Select(r => (string.Create(CultureInfo.InvariantCulture, $"r{r.Id}"), string.Create(CultureInfo.InvariantCulture, $"save of {Show.Local(r.SavedAt, "MMM d, HH:mm:ss")} by {r.SavedBy ?? "system"}")))];
        To = to ?? Key(Versions[0].Version);
        From = from ?? Key(Versions.Count > 1 ? Versions[1].Version : Versions[0].Version);
        if (from is not null && to is not null)
        {
            if (await TextOfAsync(from, ct).ConfigureAwait(false) is not { } before || await TextOfAsync(to, ct).ConfigureAwait(false) is not { } after)
                return Problem(StatusCodes.Status404NotFound, "One of the two can't be compared.", "It was deleted, or it is older than 30 days.", "Choose two from the lists.");
            Words = DefinitionChanges.InWords(before, after);
            Lines = LineDiff.Of(before.Split('\n'), after.Split('\n'));
        }
        else if (revision is { } asked)
        {
            if (await workflows.GetRevisionAsync(id, asked, ct).ConfigureAwait(false) is not var (_, text)) return Problem(StatusCodes.Status404NotFound, "There is no such save.", "Saves are kept for 30 days.", "Choose one from the list.");
            (RevisionId, Text) = (asked, text);
        }

        return Page();

        static string Key(int version) => string.Create(CultureInfo.InvariantCulture, $"v{version}");
        static string Name(WorkflowVersionInfo v) => string.Create(CultureInfo.InvariantCulture, $"version {v.Version}{(v.IsPublished ? ", published" : v.IsLatest ? ", draft" : "")}");
    }

    [NeedsRole(Roles.Operator)]
    public async Task<IActionResult> OnPostRestoreAsync(string id, long revision, CancellationToken ct)
    {
        if (await workflows.RestoreRevisionAsync(id, revision, HttpContext.UserName(), ct).ConfigureAwait(false) is not { } version)
            return Problem(StatusCodes.Status404NotFound, "There is no such save.", "Saves are kept for 30 days. Nothing was changed.", "Choose one from the list.");
        await AuditAsync("revision-restored", id, new JsonObject { ["revision"] = revision, ["version"] = version }, ct).ConfigureAwait(false);
        return GoTo("/definitions/" + Uri.EscapeDataString(id), string.Create(CultureInfo.InvariantCulture, $"The save is the draft again, version {version}. Publish it in the designer when it is right."));
    }

    private async Task<string?> TextOfAsync(string key, CancellationToken ct) =>
        key.Length > 1 && long.TryParse(key[1..], NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? key[0] switch
            {
                'v' => Versions.FirstOrDefault(v => v.Version == number)?.Text,
                'r' => (await workflows.GetRevisionAsync(Id, number, ct).ConfigureAwait(false))?.Text,
                _ => null,
            }
            : null;

    private IActionResult Missing(string id) => Problem(StatusCodes.Status404NotFound, $"There is no workflow “{id}”.", "It was deleted, or the name is wrong.", "Look for it in the list of workflows.");
}
