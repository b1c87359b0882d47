using Microsoft.Extensions.Logging;

namespace PwWorkflows.Activities.Orders;

/// <summary>Lines that operators grep for, word for word as the original wrote them.</summary>
internal static partial class OrderLog
{
    [LoggerMessage(EventId = 3100, Level = LogLevel.Information, Message = "[checkout] Payment confirmed: compliance {Order} via {Method}")]
    public static partial void PaymentConfirmed(ILogger logger, string order, string method);

    [LoggerMessage(EventId = 3101, Level = LogLevel.Information, Message = "[checkout] Advanced compliance Sales Order {SalesOrder} to {State}")]
    public static partial void Advanced(ILogger logger, string salesOrder, string state);

    [LoggerMessage(EventId = 3102, Level = LogLevel.Information, Message = "[checkout] Worker dispatched: {Order} ({Slug})")]
    public static partial void Dispatched(ILogger logger, string order, string slug);

    [LoggerMessage(EventId = 3103, Level = LogLevel.Warning, Message = "[checkout] No workflow serves {Slug}: {Order} stays queued")]
    public static partial void UnknownService(ILogger logger, string order, string slug);

    [LoggerMessage(EventId = 3104, Level = LogLevel.Warning, Message = "[checkout] Stopped {Order}: {Reason}")]
    public static partial void Stopped(ILogger logger, string order, string reason);

    [LoggerMessage(EventId = 3106, Level = LogLevel.Warning, Message = "[checkout] Begun without a payment on record: compliance {Order} is {Status}, called up by {Door}")]
    public static partial void BegunUnpaid(ILogger logger, string order, string status, string door);

    [LoggerMessage(EventId = 3105, Level = LogLevel.Warning, Message = "[webhook] Refused a request to {Door}: {Reason}")]
    public static partial void Refused(ILogger logger, string door, string reason);
}
