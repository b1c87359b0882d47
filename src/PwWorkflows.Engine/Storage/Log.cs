using Microsoft.Extensions.Logging;

namespace PwWorkflows.Engine.Storage;

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Warning, "[store] The database does not answer")]
    public static partial void DatabaseUnhealthy(ILogger logger, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "[store] The connection that listens for signals was lost; polling goes on meanwhile")]
    public static partial void ListenerLost(ILogger logger, Exception exception);

    [LoggerMessage(3, LogLevel.Warning, "[store] A joint commit of {Count} was refused and is written one by one: {Reason}")]
    public static partial void JointCommitRefused(ILogger logger, int count, string reason);

    [LoggerMessage(4, LogLevel.Debug, "[store] A hint to other nodes could not be sent")]
    public static partial void HintNotSent(ILogger logger, Exception exception);
}
