using System.Globalization;
using System.Reflection;
using Elsa.Workflows;
using PwWorkflows.Engine.Studio;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>Shows beside the cron expression or the interval of a schedule its next five due times, as it is typed in the designer; what is wrong with it when it can't be read.</summary>
public sealed class DueTimes(TimeProvider time) : PropertyUIHandlerBase
{
    /// <inheritdoc />
    public override ValueTask<IDictionary<string, object>> GetUIPropertiesAsync(PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(propertyInfo);
        return ValueTask.FromResult(ComingRuns.Beside(Text(propertyInfo.Name == nameof(Schedule.Interval), context)));
    }

    private string? Text(bool interval, object? context)
    {
        string? Given(string input) => DesignerContext.Literal(context, input) is { Length: > 0 } literal ? literal : null;
        try
        {
            return Read(interval, Given) is { } cadence ? ComingRuns.Text(cadence.Next, time.GetUtcNow(), cadence.Zone) : null;
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
