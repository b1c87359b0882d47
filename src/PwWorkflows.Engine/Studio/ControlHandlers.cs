using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;
using Elsa.Workflows;
using Elsa.Workflows.UIHints.Dropdown;
using Microsoft.AspNetCore.Http;

namespace PwWorkflows.Engine.Studio;

/// <summary>Reads what the designer sends of the other inputs of an activity.</summary>
public static class DesignerContext
{
    /// <summary>The literal text of an input, or null when it is not set or is another kind of expression.</summary>
    public static string? Literal(object? context, string input) =>
        (context as JsonObject)?.FirstOrDefault(p => string.Equals(p.Key, input, StringComparison.OrdinalIgnoreCase)).Value is JsonObject wrapped && wrapped["expression"] is JsonObject expression
        && expression["type"]?.ToString() is "Literal" or null ? (wrapped["expression"] as JsonObject)?["value"]?.ToString() : null;
}

/// <summary>Shows in front of a path the address it will be served at.</summary>
internal sealed class HttpPathHandler(EngineOptions options, IHttpContextAccessor accessor) : PropertyUIHandlerBase
{
    public override ValueTask<IDictionary<string, object>> GetUIPropertiesAsync(PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken = default)
    {
        var origin = accessor.HttpContext?.Request is { } r ? $"{r.Scheme}://{r.Host}" : "";
        return ValueTask.FromResult<IDictionary<string, object>>(new Dictionary<string, object>
        {
            ["singleline"] = new { AdornmentText = $"{origin}{(options.HttpAtRoot ? "" : options.HttpBasePath)}/", EnableCopyAdornment = true },
            ["Refresh"] = true,
        });
    }
}

/// <summary>Shows beside a cron expression its next five runs, as it is typed.</summary>
internal sealed class CronRunsHandler(TimeProvider time) : PropertyUIHandlerBase
{
    private const int Shown = 5;

    public override ValueTask<IDictionary<string, object>> GetUIPropertiesAsync(PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken = default)
    {
        var result = new Dictionary<string, object> { ["Refresh"] = true };
        if (DesignerContext.Literal(context, "cronExpression") is { Length: > 0 } cron) result["singleline"] = new { AdornmentText = Runs(cron, DesignerContext.Literal(context, "timeZone")), EnableCopyAdornment = false };
        return ValueTask.FromResult<IDictionary<string, object>>(result);
    }

    private string Runs(string cron, string? zoneName)
    {
        try
        {
            var zone = Schedules.Zone(zoneName);
            var schedule = Schedules.Parse(cron);
            var runs = new List<string>();
            for (var at = schedule.GetNextOccurrence(time.GetUtcNow(), zone); at is { } next && runs.Count < Shown; at = schedule.GetNextOccurrence(next, zone))
                runs.Add(TimeZoneInfo.ConvertTime(next, zone).ToString("ddd yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture));
            return runs.Count == 0 ? "never runs" : $"next: {string.Join(" · ", runs)} ({zone.Id})";
        }
        catch (FormatException e)
        {
            return e.Message;
        }
    }
}

/// <summary>IANA time zones, UTC first.</summary>
public sealed class TimeZoneChoices : DropDownOptionsProviderBase
{
    private static readonly Lazy<ICollection<SelectListItem>> Zones = new(static () =>
        [new("UTC", "UTC"), .. TimeZoneInfo.GetSystemTimeZones().Select(z => z.Id).Where(id => id.Contains('/', StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(id => new SelectListItem(id, id))]);

    /// <inheritdoc />
    protected override ValueTask<ICollection<SelectListItem>> GetItemsAsync(PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken) => ValueTask.FromResult(Zones.Value);
}
