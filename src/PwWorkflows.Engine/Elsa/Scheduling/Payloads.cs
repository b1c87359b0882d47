using System.Globalization;
using Cronos;
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
    /// <summary>A cron schedule in a time zone.</summary>
    internal sealed class CronSchedule
    {
        private readonly CronExpression _expression;
        private readonly TimeZoneInfo _zone;

        private CronSchedule(CronExpression expression, TimeZoneInfo zone)
        {
            _expression = expression;
            _zone = zone;
        }

        /// <summary>Reads five fields, six with seconds first, or a macro such as @daily. Throws <see cref="FormatException"/> naming what is wrong.</summary>
        public static CronSchedule Parse(string? text, string? timeZone)
        {
            if (string.IsNullOrWhiteSpace(text)) throw new FormatException("CronExpression is empty; expected five fields, or six with seconds first.");
            var fields = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            var zone = TimeZoneInfo.Utc;
            if (!string.IsNullOrWhiteSpace(timeZone) && !TimeZoneInfo.TryFindSystemTimeZoneById(timeZone.Trim(), out zone!))
                throw new FormatException($"TimeZone '{timeZone}' is not known; expected an IANA name such as America/New_York.");
            if (fields.Length is not (5 or 6) && text.TrimStart()[0] != '@') throw new FormatException($"CronExpression '{text}' has {fields.Length} fields; expected five, or six with seconds first.");
            try
            {
                return new CronSchedule(CronExpression.Parse(text.Trim(), fields.Length == 6 ? CronFormat.IncludeSeconds : CronFormat.Standard), zone);
            }
            catch (CronFormatException e)
            {
                throw new FormatException($"CronExpression '{text}': {e.Message}", e);
            }
        }

        /// <summary>First time after <paramref name="after"/>, in UTC; null when there is none any more (such as 30 February).</summary>
        public DateTimeOffset? NextAfter(DateTimeOffset after) => _expression.GetNextOccurrence(after, _zone)?.ToUniversalTime();
    }

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
