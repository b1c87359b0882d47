using Microsoft.AspNetCore.Mvc;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/search</c>: from any id to its page.</summary>
internal sealed class SearchPage(IEnumerable<ISearch> sources) : ConsolePage
{
    public string Text { get; private set; } = "";

    public IReadOnlyList<SearchHit> Hits { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync(string? q, CancellationToken ct)
    {
        Text = (q ?? "").Trim();
        if (Text.Length is 0 or > 200 || Text.Contains('\0', StringComparison.Ordinal)) return Page();
        var hits = new List<SearchHit>();
        foreach (var source in sources) hits.AddRange(await source.FindAsync(Text, ct).ConfigureAwait(false));
        if (hits is [var only]) return LocalRedirect(only.Href);
        Hits = hits;
        return Page();
    }
}
