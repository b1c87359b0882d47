using Microsoft.AspNetCore.Mvc.Infrastructure;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace PwWorkflows.Server.Pages;

/// <summary>A place in the rail.</summary>
/// <param name="Name">Its word.</param>
/// <param name="Path">Its address.</param>
/// <param name="Key">The letter after <c>g</c> that leads there.</param>
/// <param name="Icon">The strokes of its picture, 16 by 16.</param>
/// <param name="Role">Who sees it; <c>null</c> for everybody.</param>
internal sealed record RailItem(string Name, string Path, char Key, string Icon, string? Role = null);

/// <summary>The sections. One whose page does not exist is not shown, so that it appears with its page.</summary>
internal sealed class Rail(IActionDescriptorCollectionProvider pages)
{
    private static readonly RailItem[] All =
    [
        new("Overview", "/", 'o', "M2 8l6-6 6 6M4 7v7h8V7"),
        new("Approvals", "/approvals", 'a', "M3 8l3 3 7-7M2 14h12"),
        new("Orders", "/orders", 'r', "M3 2h10v12H3zM6 5h4M6 8h4M6 11h2"),
        new("Filings", "/filings", 'f', "M4 2h6l3 3v9H4zM10 2v3h3M6 9l2 2 3-4"),
        new("Schedules", "/schedules", 's', "M8 2a6 6 0 1 0 .01 0M8 5v3l2 2"),
        new("Treasury", "/treasury", 't', "M2 5l6-3 6 3zM3 13h10M4 6v6M8 6v6M12 6v6"),
        new("Webhooks", "/webhooks", 'w', "M2 8h8M7 5l3 3-3 3M12 2v12"),
        new("Records", "/records", 'c', "M3 4c0-3 10-3 10 0v8c0 3-10 3-10 0zM3 4c0 3 10 3 10 0M3 8c0 3 10 3 10 0"),
        new("Workflows", "/definitions", 'd', "M2 3h4v4H2zM10 9h4v4h-4zM6 5h4c2 0 2 2 2 4"),
        new("Instances", "/instances", 'i', "M3 3l4 5-4 5M8 3l4 5-4 5"),
        new("Health", "/status", 'h', "M1 8h3l2-5 3 10 2-5h4"),
        new("Audit", "/audit", 'u', "M8 1l6 2v5c0 4-3 6-6 7-3-1-6-3-6-7V3z"),
        new("Settings", "/settings", 'e', "M8 6a2 2 0 1 0 .01 0M8 1v3M8 12v3M1 8h3M12 8h3", Admin.Roles.Admin),
    ];

    private readonly Lazy<IReadOnlyList<RailItem>> _items = new(() =>
    {
        var ours = pages.ActionDescriptors.Items.OfType<PageActionDescriptor>().Select(static p => "/" + p.AttributeRouteInfo?.Template?.Replace("/{part?}", "", StringComparison.Ordinal)).ToHashSet(StringComparer.OrdinalIgnoreCase);
        return [.. All.Where(i => ours.Contains(i.Path))];
    });

    /// <summary>The sections there are, in their order.</summary>
    public IReadOnlyList<RailItem> Items => _items.Value;

    /// <summary>The section an address belongs to.</summary>
    public RailItem? Current(PathString path) => Items.FirstOrDefault(i => i.Path == "/" ? path == "/" : path.StartsWithSegments(i.Path));
}
