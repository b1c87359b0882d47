using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/definitions</c>: which workflows run, and which have a draft.</summary>
internal sealed class DefinitionsPage(IWorkflowAdmin workflows) : ConsolePage
{
    private const int ShownDeleted = 50;

    /// <summary>Those that were deleted and can be brought back.</summary>
    public IReadOnlyList<(string DefinitionId, DateTimeOffset SavedAt)> Deleted { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync(CancellationToken ct)
    {
        Deleted = await workflows.ListDeletedAsync(ShownDeleted, ct).ConfigureAwait(false);
        return ListOf(await TableAsync(ct).ConfigureAwait(false));
    }

    private async Task<ListTable<WorkflowDefinitionInfo>> TableAsync(CancellationToken ct) => new()
    {
        Name = "workflows",
        Rows = await workflows.ListDefinitionsAsync(ct).ConfigureAwait(false),
        Columns =
        [
            new("Workflow", d => Show.Link(d.DefinitionId, "/definitions/" + Uri.EscapeDataString(d.DefinitionId)), static d => d.DefinitionId) { Sort = "id" },
            new("Name", d => Show.Text(d.Name), static d => d.Name) { Sort = "name" },
            new("Runs", d => d.PublishedVersion is { } p ? Show.Badge(Version("version", p), Tone.Good) : Show.Badge("not published", Tone.Idle), static d => d.PublishedVersion?.ToString(CultureInfo.InvariantCulture)),
            new("Newest", d => d.LatestVersion == d.PublishedVersion ? Show.Text(Version("version", d.LatestVersion)) : Show.Badge(Version("draft", d.LatestVersion), Tone.Warn), static d => d.LatestVersion.ToString(CultureInfo.InvariantCulture)),
            new("From file", d => Show.Text(d.SourceFile), static d => d.SourceFile),
            new("Changed", d => Show.Time(d.CreatedAt), static d => d.CreatedAt.ToString("O", CultureInfo.InvariantCulture)) { Sort = "changed" },
            new("Designer", d => Show.Link("Open", "/studio/host/editor?id=" + Uri.EscapeDataString(d.DefinitionId)), static _ => null),
        ],
        Sorts = new Dictionary<string, Func<WorkflowDefinitionInfo, IComparable?>> { ["id"] = static d => d.DefinitionId, ["name"] = static d => d.Name, ["changed"] = static d => d.CreatedAt },
        Filters =
        [
            new("q", "Id or name holds", static (d, text) => d.DefinitionId.Contains(text, StringComparison.OrdinalIgnoreCase) || d.Name?.Contains(text, StringComparison.OrdinalIgnoreCase) == true),
            new("state", "State", static (d, state) => state switch { "published" => d.PublishedVersion is not null, "draft" => d.LatestVersion != d.PublishedVersion, _ => false }, [("published", "published"), ("draft", "has a draft")]),
        ],
        Empty = new("There are no workflows.", "Draw one in Studio, or put its file into the folder workflows/ and start the server again.", "/studio/host/workflows", "Studio"),
    };

    private static string Version(string word, int number) => string.Create(CultureInfo.InvariantCulture, $"{word} {number}");
}
