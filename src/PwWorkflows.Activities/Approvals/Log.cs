using Microsoft.Extensions.Logging;

namespace PwWorkflows.Activities.Approvals;

internal static partial class ApprovalLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "[approvals] {Id} ended as {Status}")]
    public static partial void Ended(ILogger logger, string id, string status);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[approvals] {Id} is decided, but the workflow could not be told yet; it is told again")]
    public static partial void NotWoken(ILogger logger, Exception exception, string id);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[approvals] {Id} is decided, but the instance {InstanceId} no longer waits for it")]
    public static partial void NobodyWaits(ILogger logger, string id, string instanceId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[approvals] the mail {Mail} of {Id} to {Username} did not go out and is tried again: {Reason}")]
    public static partial void MailNotSent(ILogger logger, string mail, string id, string username, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[approvals] nobody can be mailed about {Id}: no administrator who may decide has a mail address")]
    public static partial void NobodyToMail(ILogger logger, string id);

    [LoggerMessage(Level = LogLevel.Error, Message = "[approvals] the look at what is due failed; it is done again")]
    public static partial void WatchFailed(ILogger logger, Exception exception);
}
