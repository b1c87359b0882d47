using Microsoft.Extensions.Logging;

namespace PwWorkflows.Activities.Scheduling;

internal static partial class ScheduleLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "[schedule] {Schedule}: {Nominal:yyyy-MM-ddTHH:mm:ssZ} started as {InstanceId}, {LateMs} ms late")]
    public static partial void Started(ILogger logger, string schedule, DateTimeOffset nominal, string instanceId, long lateMs);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[schedule] {Schedule}: {Covers} due time(s) up to {Nominal:yyyy-MM-ddTHH:mm:ssZ} {Outcome}: {Reason}")]
    public static partial void NotRun(ILogger logger, string schedule, long covers, DateTimeOffset nominal, string outcome, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[schedule] {Schedule}: overdue, the last finished due time is {Last:yyyy-MM-ddTHH:mm:ssZ}")]
    public static partial void Overdue(ILogger logger, string schedule, DateTimeOffset? last);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[schedule] {Schedule}: the run {RunId} is past its deadline")]
    public static partial void PastDeadline(ILogger logger, string schedule, string runId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[schedule] {Schedule}: the run {RunId} has no workflow instance any more")]
    public static partial void Lost(ILogger logger, string schedule, string runId);

    [LoggerMessage(Level = LogLevel.Error, Message = "[schedule] Schedules could not be looked at; trying again")]
    public static partial void LookFailed(ILogger logger, Exception error);

    [LoggerMessage(Level = LogLevel.Error, Message = "[schedule] {Schedule} could not be brought up to date; trying again")]
    public static partial void AdvanceFailed(ILogger logger, string schedule, Exception error);
}
