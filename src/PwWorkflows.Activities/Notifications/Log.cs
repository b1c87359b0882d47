using Microsoft.Extensions.Logging;

namespace PwWorkflows.Activities.Notifications;

internal static partial class NotificationLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "[mail] Sent {Template} to {To} ({MessageId})")]
    public static partial void MailSent(ILogger logger, string template, string to, string messageId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[mail] {Key} not sent: {Why}")]
    public static partial void MailFailed(ILogger logger, string key, string why);

    [LoggerMessage(Level = LogLevel.Information, Message = "[todo] [{Slug}] {Order}: {Marker}")]
    public static partial void ToDoRaised(ILogger logger, string slug, string order, string marker);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[todo] [{Slug}] {Order}: {Marker}: ERPNext did not take it, kept here: {Why}")]
    public static partial void ToDoNotCreated(ILogger logger, string slug, string order, string marker, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[todo] The list of ToDos could not be gone through")]
    public static partial void OutboxFailed(ILogger logger, Exception error);
}
