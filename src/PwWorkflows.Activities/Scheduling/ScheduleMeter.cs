using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>The counter <c>pw.schedule.due_times</c> of meter <c>PwWorkflows.Schedules</c>: due times by schedule, outcome and reason, as this node decided them.</summary>
internal static class ScheduleMeter
{
    private static readonly Meter Meter = new("PwWorkflows.Schedules");
    private static readonly Counter<long> DueTimes = Meter.CreateCounter<long>("pw.schedule.due_times", "{due time}", "Due times of schedules by outcome (ran, caught_up, skipped, missed) and reason.");

    /// <summary>Counts once what led to it is written.</summary>
    public static void Count(List<Action<ILogger>> afterCommit, string schedule, string fate, long by)
    {
        var parts = fate.Split(' ', 2);
        afterCommit.Add(_ => DueTimes.Add(by, new("schedule", schedule), new("outcome", parts[0]), new("reason", parts.Length > 1 ? parts[1] : "")));
    }
}
