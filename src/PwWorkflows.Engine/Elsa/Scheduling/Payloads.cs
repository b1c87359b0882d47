using System.Globalization;
using Elsa.Workflows;

namespace Elsa.Scheduling
{
    /// <summary>A timer as a trigger.</summary>
    /// <param name="Interval">Time between two runs.</param>
    /// <param name="StartAt">First run; one interval after publishing when null.</param>
    public sealed record TimerTriggerPayload(TimeSpan Interval, DateTimeOffset? StartAt = null);

    /// <summary>A cron schedule as a trigger.</summary>
    /// <param name="CronExpression">Five fields, or six with seconds first.</param>
    /// <param name="TimeZone">IANA name; UTC when null.</param>
    public sealed record CronTriggerPayload(string CronExpression, string? TimeZone = null);

    /// <summary>A point in time as a trigger.</summary>
    /// <param name="ExecuteAt">When it runs, once.</param>
    public sealed record StartAtPayload(DateTimeOffset ExecuteAt);

    /// <summary>What a waiting <see cref="Activities.Delay"/> is resumed by.</summary>
    /// <param name="ResumeAt">When it is due (UTC).</param>
    public sealed record DelayPayload(DateTimeOffset ResumeAt);

    /// <summary>What a waiting <see cref="Activities.Timer"/> is resumed by.</summary>
    /// <param name="ResumeAt">When it is due (UTC).</param>
    public sealed record TimerBookmarkPayload(DateTimeOffset ResumeAt);

    /// <summary>What a waiting <see cref="Activities.Cron"/> is resumed by.</summary>
    /// <param name="ExecuteAt">When it is due (UTC).</param>
    /// <param name="CronExpression">The schedule.</param>
    public sealed record CronBookmarkPayload(DateTimeOffset ExecuteAt, string CronExpression);
}

namespace PwWorkflows.Engine.Scheduling
{
    /// <summary>Bookmarks with a due time.</summary>
    internal static class DueBookmarks
    {
        /// <summary>Metadata that makes the engine resume a bookmark by itself: when, as round-trip text in UTC.</summary>
        public const string DueAt = "DueAt";

        /// <summary>Waits until the time.</summary>
        public static void WaitUntil(this ActivityExecutionContext context, DateTimeOffset due, object stimulus) =>
            context.CreateBookmark(stimulus, new Dictionary<string, string> { [DueAt] = due.UtcDateTime.ToString("O", CultureInfo.InvariantCulture) });
    }
}
