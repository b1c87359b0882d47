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

/// <summary>Shows beside an input of the designer when something runs next, as it is typed.</summary>
public static class ComingRuns
{
    private const int Shown = 5;

    /// <summary>What the designer is told of an input: the text beside it, and to ask again when another input changes.</summary>
    /// <param name="text">The text; <c>null</c>: nothing is shown.</param>
    public static IDictionary<string, object> Beside(string? text)
    {
        var result = new Dictionary<string, object> { ["Refresh"] = true };
        if (text is not null) result["singleline"] = new { AdornmentText = text, EnableCopyAdornment = false };
        return result;
    }

    /// <summary>The next five runs in their zone.</summary>
    /// <param name="next">The first run after a time; <c>null</c> when none comes.</param>
    /// <param name="now">The time.</param>
    /// <param name="zone">The zone they are shown in.</param>
    public static string Text(Func<DateTimeOffset, DateTimeOffset?> next, DateTimeOffset now, TimeZoneInfo zone)
    {
        ArgumentNullException.ThrowIfNull(next);
        ArgumentNullException.ThrowIfNull(zone);
        var runs = new List<string>();
        for (var at = next(now); at is { } run && runs.Count < Shown; at = next(run)) runs.Add(TimeZoneInfo.ConvertTime(run, zone).ToString("ddd yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture));
        return runs.Count == 0 ? "never runs" : $"next: {string.Join(" · ", runs)} ({zone.Id})";
    }
}

/// <summary>Shows beside a cron expression its next five runs, as it is typed.</summary>
internal sealed class CronRunsHandler(TimeProvider time) : PropertyUIHandlerBase
{
    public override ValueTask<IDictionary<string, object>> GetUIPropertiesAsync(PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken = default)
    {
        var text = DesignerContext.Literal(context, "cronExpression") is { Length: > 0 } cron ? Runs(cron, DesignerContext.Literal(context, "timeZone")) : null;
        return ValueTask.FromResult(ComingRuns.Beside(text));
    }

    private string Runs(string cron, string? zoneName)
    {
        try
        {
            var zone = Schedules.Zone(zoneName);
            var schedule = Schedules.Parse(cron);
            return ComingRuns.Text(after => schedule.GetNextOccurrence(after, zone), time.GetUtcNow(), zone);
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
        [new("UTC", "UTC"), .. TimeZoneInfo.GetSystemTimeZones(skipSorting: true).Select(z => z.Id).Where(id => id.Contains('/', StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(id => new SelectListItem(id, id))]);

    /// <inheritdoc />
    protected override ValueTask<ICollection<SelectListItem>> GetItemsAsync(PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken) => ValueTask.FromResult(Zones.Value);
}
