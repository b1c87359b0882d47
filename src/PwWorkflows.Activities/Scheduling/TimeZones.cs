using System.Reflection;
using Elsa.Workflows.UIHints.Dropdown;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>IANA time zones as choices in the designer, UTC first.</summary>
public sealed class TimeZones : DropDownOptionsProviderBase
{
    private static readonly Lazy<ICollection<SelectListItem>> Zones = new(static () =>
        [new("UTC", "UTC"), .. TimeZoneInfo.GetSystemTimeZones().Select(static z => z.Id).Where(static id => id.Contains('/', StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(static id => new SelectListItem(id, id))]);

    /// <inheritdoc />
    protected override ValueTask<ICollection<SelectListItem>> GetItemsAsync(PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken) => ValueTask.FromResult(Zones.Value);
}
