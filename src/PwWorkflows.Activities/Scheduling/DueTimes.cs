using System.Globalization;
using System.Reflection;
using Elsa.Workflows;
using PwWorkflows.Engine.Studio;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>Shows beside the cron expression or the interval of a schedule its next five due times, as it is typed in the designer; what is wrong with it when it can't be read.</summary>
public sealed class DueTimes(TimeProvider time) : PropertyUIHandlerBase
{
    private const int Shown = 5;

    /// <inheritdoc />
    public override ValueTask<IDictionary<string, object>> GetUIPropertiesAsync(PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(propertyInfo);
        var result = new Dictionary<string, object> { ["Refresh"] = true };
        if (Text(propertyInfo.Name == nameof(Schedule.Interval), context) is { } text) result["singleline"] = new { AdornmentText = text, EnableCopyAdornment = false };
        return ValueTask.FromResult<IDictionary<string, object>>(result);
    }

    private string? Text(bool interval, object? context)
    {
        string? Given(string input) => DesignerContext.Literal(context, input) is { Length: > 0 } literal ? literal : null;
        try
        {
            if (Read(interval, Given) is not { } cadence) return null;
            var due = new List<string>();
            for (var at = cadence.Next(time.GetUtcNow()); at is { } next && due.Count < Shown; at = cadence.Next(next))
                due.Add(TimeZoneInfo.ConvertTime(next, cadence.Zone).ToString("ddd yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture));
            return due.Count == 0 ? "never due" : $"next: {string.Join(" · ", due)} ({cadence.Zone.Id})";
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            return e.Message;
        }
    }

    /// <summary>The cadence as far as it is written down; an interval without an anchor counts from its publication, which nobody knows yet.</summary>
    private static Cadence? Read(bool interval, Func<string, string?> given)
    {
        if (!interval) return given(nameof(Schedule.Cron)) is { } cron ? Cadence.OfCron(cron, given(nameof(Schedule.TimeZone))) : null;
        return given(nameof(Schedule.Interval)) is { } length && given(nameof(Schedule.Anchor)) is { } anchor
            ? Cadence.OfInterval(TimeSpan.Parse(length, CultureInfo.InvariantCulture), DateTimeOffset.Parse(anchor, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal), given(nameof(Schedule.TimeZone)))
            : null;
    }
}
