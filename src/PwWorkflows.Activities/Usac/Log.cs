using Microsoft.Extensions.Logging;

namespace PwWorkflows.Activities.Usac;

static partial class Log
{
    [LoggerMessage(EventId = 4100, Level = LogLevel.Information, Message = "[worker] process_compliance_service: {Order} ({Handler})")]
    public static partial void ServiceStarted(ILogger logger, string order, string handler);

    [LoggerMessage(EventId = 4101, Level = LogLevel.Information, Message = "[usac] Browser started: Chromium {Version}")]
    public static partial void BrowserStarted(ILogger logger, string version);

    [LoggerMessage(EventId = 4102, Level = LogLevel.Warning, Message = "[usac] The browser was gone; starting another")]
    public static partial void BrowserLost(ILogger logger);

    [LoggerMessage(EventId = 4103, Level = LogLevel.Information, Message = "[usac] Filed: {Order} confirmation {ConfirmationNumber}")]
    public static partial void Filed(ILogger logger, string order, string confirmationNumber);

    [LoggerMessage(EventId = 4104, Level = LogLevel.Warning, Message = "[usac] Not filed: {Order}: {Why}")]
    public static partial void NotFiled(ILogger logger, string order, string why);

    [LoggerMessage(EventId = 4105, Level = LogLevel.Warning, Message = "[usac] A picture of page {Step} could not be taken for {Order}: {Why}")]
    public static partial void NoPicture(ILogger logger, string step, string order, string why);

    [LoggerMessage(EventId = 4106, Level = LogLevel.Information, Message = "[usac] Session of carrier {Entity} is there; {Orders} order(s) go on")]
    public static partial void SessionArrived(ILogger logger, int entity, int orders);

    [LoggerMessage(EventId = 4107, Level = LogLevel.Error, Message = "[usac] Looking for awaited sessions failed; trying again later")]
    public static partial void WatchFailed(ILogger logger, Exception error);
}
