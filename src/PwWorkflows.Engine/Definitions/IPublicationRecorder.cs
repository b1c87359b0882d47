using Elsa.Workflows;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Definitions;

/// <summary>A trigger of a version that is being published.</summary>
/// <param name="ActivityId">The activity.</param>
/// <param name="ActivityName">Its name in the definition; null when it has none.</param>
/// <param name="ActivityType">Its type.</param>
/// <param name="Payload">What it listens to, as the activity gave it.</param>
public sealed record PublishedTrigger(string ActivityId, string? ActivityName, string ActivityType, object Payload);

/// <summary>A version that is being published.</summary>
/// <param name="VersionId">Its id.</param>
/// <param name="Version">Its number, from 1.</param>
/// <param name="Triggers">What starts it.</param>
public sealed record PublishedVersion(string VersionId, int Version, IReadOnlyList<PublishedTrigger> Triggers);

/// <summary>
/// Makes rows of the product's own that follow from what is published. They are written in the very transaction that publishes, retracts or deletes, so that no node
/// sees one without the other.
/// </summary>
public interface IPublicationRecorder
{
    /// <summary>What is wrong with an activity of a definition, as far as literal values tell; nothing is evaluated.</summary>
    IEnumerable<DefinitionProblem> Check(IActivity activity);

    /// <summary>The rows for a definition that is published, or no longer. Called again when definitions change or a row can't be written as expected.</summary>
    /// <param name="definitionId">The definition.</param>
    /// <param name="published">The version; null when none is published from now on.</param>
    /// <param name="problems">Gets what keeps it from being published.</param>
    /// <param name="ct">Stops it.</param>
    Task<IReadOnlyList<EnlistedWrite>> RowsAsync(string definitionId, PublishedVersion? published, ICollection<DefinitionProblem> problems, CancellationToken ct);

    /// <summary>The rows that were made last for a definition are written.</summary>
    /// <param name="definitionId">The definition.</param>
    void Written(string definitionId);
}
