using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine;

/// <summary>An instance whose commit ends it.</summary>
/// <param name="InstanceId">The instance.</param>
/// <param name="DefinitionId">Its definition.</param>
/// <param name="Status"><see cref="InstanceStatus.Finished"/>, <see cref="InstanceStatus.Faulted"/> or <see cref="InstanceStatus.Cancelled"/>.</param>
/// <param name="Properties">Its properties, with those it was started with.</param>
/// <param name="Message">What its last incident says; null when there is none.</param>
/// <param name="CreatedAt">When it was made (UTC).</param>
/// <param name="At">When it ended (UTC).</param>
public sealed record EndedInstance(string InstanceId, string DefinitionId, InstanceStatus Status, IDictionary<string, object> Properties, string? Message, DateTimeOffset CreatedAt, DateTimeOffset At);

/// <summary>Makes the product's rows about instances that end. They are written in the very commit that ends the instance; an instance that is retried after a fault goes on and ends again.</summary>
public interface IEndRecorder
{
    /// <summary>The rows for an instance that ended by a fault and goes on, because it is retried; none for most. They are written before it does anything.</summary>
    /// <param name="properties">Its properties, with those it was started with.</param>
    /// <param name="at">When it goes on (UTC).</param>
    IEnumerable<EnlistedWrite> GoesOn(IDictionary<string, object> properties, DateTimeOffset at);

    /// <summary>The rows for an instance that ends; none for most.</summary>
    IEnumerable<EnlistedWrite> Ended(EndedInstance instance);
}
