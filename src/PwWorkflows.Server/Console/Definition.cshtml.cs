using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Html;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Rendering;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Commands;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/definitions/service-fcc-499a</c>: what changed from one version or save to another; saves are looked at and restored.</summary>
internal sealed class DefinitionPage(IWorkflowAdmin workflows) : ConsolePage
{
    /// <summary>Most saves that are listed, and of these the newest that are offered to be compared.</summary>
    private const int MostSaves = 5000, ComparedSaves = 100;

    public string Id { get; private set; } = "";
    public IReadOnlyList<WorkflowVersionInfo> Versions { get; private set; } = [];
    public IReadOnlyList<WorkflowRevisionInfo> Revisions { get; private set; } = [];

    /// <summary>The name in the newest version; the id when there is none.</summary>
    public string Title => Versions is [var newest, ..] ? newest.Name ?? Id : Id;

    /// <summary>The versions; <c>null</c> when the workflow was deleted.</summary>
    public TableView? VersionsTable { get; private set; }

    public TableView SavesTable { get; private set; } = null!;

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

    public async Task<IActionResult> OnGetAsync(string id, string? from, string? to, long? revision, CancellationToken ct)
    {
        Id = id;
        Versions = await workflows.ListVersionsAsync(id, ct).ConfigureAwait(false);
        Revisions = await workflows.ListRevisionsAsync(id, 0, MostSaves, ct).ConfigureAwait(false);
        // What was deleted can be brought back as long as its saves are kept.
        if (Versions.Count == 0 && Revisions.Count == 0) return Missing(id);
        var (versions, saves) = (VersionsOf(), SavesOf());
        if (versions.IsCsv(HttpContext)) return versions.Csv(HttpContext);
        if (saves.IsCsv(HttpContext)) return saves.Csv(HttpContext);
        if (Versions.Count > 0) VersionsTable = versions.Read(HttpContext);
        SavesTable = saves.Read(HttpContext);
        Choices = [.. Versions.Select(static v => (Key(v), Name(v))), .. Revisions.Where((r, i) => i < ComparedSaves || Key(r) == from || Key(r) == to).Select(r => (Key(r), string.Create(CultureInfo.InvariantCulture, $"save of {Show.Local(r.SavedAt, "MMM d, HH:mm:ss")} by {r.SavedBy ?? "system"}")))];
        To = to ?? Choices[0].Key;
        From = from ?? (Choices.Count > 1 ? Choices[1] : Choices[0]).Key;
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
    }

    /// <summary>Address of a workflow's page.</summary>
    public static string UrlOf(string id) => "/definitions/" + Uri.EscapeDataString(id);

    private static string Key(WorkflowVersionInfo v) => string.Create(CultureInfo.InvariantCulture, $"v{v.Version}");

    private static string Key(WorkflowRevisionInfo r) => string.Create(CultureInfo.InvariantCulture, $"r{r.Id}");

    private static string Name(WorkflowVersionInfo v) => string.Create(CultureInfo.InvariantCulture, $"version {v.Version}{(v.IsPublished ? ", published" : v.IsLatest ? ", draft" : "")}");

    private static string StateOf(WorkflowVersionInfo v) => v.IsPublished ? "published" : v.IsLatest ? "draft" : "earlier";

    private static string StateOf(WorkflowRevisionInfo r) => r.Accepted ? "saved" : "refused";

    private static string Iso(DateTimeOffset at) => at.ToString("O", CultureInfo.InvariantCulture);

    private string Compare(string from, string to) => $"{UrlOf(Id)}?from={from}&to={to}";

    private ListTable<WorkflowVersionInfo> VersionsOf() => new()
    {
        Name = $"{Id}-versions",
        Prefix = "v-",
        Label = "the versions",
        Rows = Versions,
        Columns =
        [
            new("Version", v => Show.Text(v.Version.ToString(CultureInfo.InvariantCulture)), static v => v.Version.ToString(CultureInfo.InvariantCulture)) { Sort = "version" },
            new("State", v => Show.Badge(StateOf(v), v.IsPublished ? Tone.Good : v.IsLatest ? Tone.Warn : Tone.Idle), StateOf),
            new("Made", v => Show.Time(v.CreatedAt), static v => Iso(v.CreatedAt)) { Sort = "made" },
            new("By", v => Show.Text(v.CreatedBy ?? "system"), static v => v.CreatedBy),
            new("Compare", v => Versions.FirstOrDefault(o => o.Version == v.Version - 1) is { } before ? Show.Link($"with {before.Version}", Compare(Key(before), Key(v))) : Show.Text(""), static _ => null),
        ],
        Sorts = new Dictionary<string, Func<WorkflowVersionInfo, IComparable?>> { ["version"] = static v => v.Version, ["made"] = static v => v.CreatedAt },
        Filters = [new("by", "By", static (v, by) => (v.CreatedBy ?? "system") == by, TableFilter.Words([.. Versions.Select(static v => v.CreatedBy ?? "system").Distinct().Order(StringComparer.Ordinal)]))],
        Empty = new("There is no version.", "It was deleted."),
    };

    private ListTable<WorkflowRevisionInfo> SavesOf()
    {
        List<Column<WorkflowRevisionInfo>> columns =
        [
            new("Saved", r => Show.Time(r.SavedAt), static r => Iso(r.SavedAt)) { Sort = "saved" },
            new("By", r => Show.Text(r.SavedBy ?? "system"), static r => r.SavedBy),
            new("Into", r => Show.Text($"version {r.Version}"), static r => r.Version.ToString(CultureInfo.InvariantCulture)),
            new("State", r => Show.Badge(StateOf(r), r.Accepted ? Tone.Good : Tone.Bad), StateOf),
            new("Look", LookAt, static _ => null),
        ];
        if (May(Roles.Operator)) columns.Add(new("Restore", r => CellForm("Restore", [("revision", r.Id.ToString(CultureInfo.InvariantCulture))], CellButton("Restore", $"Restore save {r.Id}", Asks())), static _ => null));
        return new()
        {
            Name = $"{Id}-saves",
            Prefix = "s-",
            Label = "the saves",
            Rows = Revisions,
            Columns = columns,
            Sorts = new Dictionary<string, Func<WorkflowRevisionInfo, IComparable?>> { ["saved"] = static r => r.SavedAt },
            Filters =
            [
                new("by", "By", static (r, by) => (r.SavedBy ?? "system") == by, TableFilter.Words([.. Revisions.Select(static r => r.SavedBy ?? "system").Distinct().Order(StringComparer.Ordinal)])),
                new("state", "State", static (r, state) => StateOf(r) == state, TableFilter.Words("saved", "refused")),
            ],
            Empty = new("Nothing was saved.", "Every save in the designer is kept here for 30 days and can be restored."),
        };
    }

    private IHtmlContent LookAt(WorkflowRevisionInfo r)
    {
        var look = new HtmlContentBuilder().AppendHtml(Link("look", $"{UrlOf(Id)}?revision={r.Id}", $"Look at save {r.Id}"));
        return Versions is [var newest, ..] ? look.AppendHtml(" · ").AppendHtml(Link("compare", Compare(Key(r), Key(newest)), $"Compare save {r.Id} with the newest version")) : look;
    }

    private static TagBuilder Link(string text, string href, string label)
    {
        var link = new TagBuilder("a") { Attributes = { ["href"] = href, ["aria-label"] = label } };
        link.InnerHtml.Append(text);
        return link;
    }

    /// <summary>Whose draft would make way is told before.</summary>
    private string Asks()
    {
        if (Versions is not [{ IsPublished: false, CreatedBy: { } by }, ..] || by == HttpContext.UserName()) return "Make this save the draft again? The draft of now stays among the saves.";
        var at = Revisions.FirstOrDefault(static r => r.Accepted)?.SavedAt ?? Versions[0].CreatedAt;
        return $"The draft of now is {by}'s, saved on {Show.Local(at, "MMM d, HH:mm:ss")}. Make this save the draft instead? {by}'s stays among the saves.";
    }

    [NeedsRole(Roles.Operator)]
    public async Task<IActionResult> OnPostRestoreAsync(string id, long revision, CancellationToken ct)
    {
        if (await workflows.RestoreRevisionAsync(id, revision, HttpContext.UserName(), ct).ConfigureAwait(false) is not { } version)
            return Problem(StatusCodes.Status404NotFound, "There is no such save.", "Saves are kept for 30 days. Nothing was changed.", "Choose one from the list.");
        await AuditAsync("revision-restored", id, new JsonObject { ["revision"] = revision, ["version"] = version }, ct).ConfigureAwait(false);
        return GoTo(UrlOf(id), string.Create(CultureInfo.InvariantCulture, $"The save is the draft again, version {version}. Publish it in the designer when it is right."));
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
