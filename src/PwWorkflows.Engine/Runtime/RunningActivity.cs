using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine;

/// <summary>What code inside an activity can ask of the run that it is part of.</summary>
public static class RunningActivity
{
    /// <summary>Correlation id of the instance that runs here; null when none does or it has none.</summary>
    public static string? CorrelationId => Ambient.Current?.CorrelationId;

    /// <summary>Adds a statement to the transaction of the instance's next commit. Throws <see cref="InvalidOperationException"/> when no activity is running here.</summary>
    public static void Enlist(EnlistedWrite write)
    {
        var run = Ambient.Current ?? throw new InvalidOperationException("No activity is running here, so there is no commit to join.");
        run.Burst.Writes.Add(write);
    }
}
