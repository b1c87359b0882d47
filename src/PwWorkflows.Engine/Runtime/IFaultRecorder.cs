using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine;

/// <summary>An instance that can't go on without a person: faulted, parked, or left with incidents and nothing to wait for.</summary>
/// <param name="InstanceId">The instance.</param>
/// <param name="DefinitionId">Its definition.</param>
/// <param name="CorrelationId">Its business key; <c>null</c> when it has none.</param>
/// <param name="ActivityId">The activity of the last incident; empty when it is the whole workflow.</param>
/// <param name="Message">What the last incident says; empty when none is on record.</param>
/// <param name="At">When it came to a stop (UTC).</param>
/// <param name="Properties">Its properties, with those it was started with.</param>
public sealed record StuckInstance(string InstanceId, string DefinitionId, string? CorrelationId, string ActivityId, string Message, DateTimeOffset At, IDictionary<string, object> Properties);

/// <summary>
/// Makes the product's rows about instances that can't go on. They are written in the very commit that stops the instance, so that no
/// crash leaves one stopped and nobody told.
/// </summary>
public interface IFaultRecorder
{
    /// <summary>The rows for an instance that came to a stop. Must do nothing when they are there already.</summary>
    IEnumerable<EnlistedWrite> Stuck(StuckInstance instance);

    /// <summary>The rows for an instance that had incidents and goes on, ended well or was cancelled. Must do nothing when there is nothing to clear.</summary>
    /// <param name="instanceId">The instance.</param>
    /// <param name="at">When it went on (UTC).</param>
    IEnumerable<EnlistedWrite> Mended(string instanceId, DateTimeOffset at);
}
