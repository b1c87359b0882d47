namespace PwWorkflows.Activities.Scheduling;

/// <summary>A statement with the number of rows it must touch; <c>null</c> for any.</summary>
internal sealed record ScheduleWrite(string Sql, IReadOnlyList<KeyValuePair<string, object?>> Parameters, int? ExpectedRows = null);

/// <summary>A run to be started.</summary>
/// <param name="InstanceId">Id its workflow instance gets.</param>
/// <param name="VersionId">The definition's version.</param>
/// <param name="ActivityId">The <see cref="Schedule"/> it starts from.</param>
/// <param name="Name">Display name of the instance.</param>
/// <param name="Input">Workflow input.</param>
/// <param name="Properties">What the instance keeps, so that its end finds the run's row.</param>
internal sealed record ScheduleStart(string InstanceId, string VersionId, string ActivityId, string Name, IDictionary<string, object?> Input, IDictionary<string, object?> Properties);

/// <summary>What has become of the instance of a run.</summary>
/// <param name="Outcome"><c>finished</c>, <c>failed</c> or <c>cancelled</c>; <c>null</c> while it lives or waits to be started.</param>
/// <param name="EndedAt">When it ended.</param>
internal sealed record InstanceFate(string? Outcome, DateTimeOffset? EndedAt);

/// <summary>All that schedules need of the workflow engine. Differs between engines.</summary>
internal interface IScheduleEngine
{
    /// <summary>Name of this node, for the record.</summary>
    string Node { get; }

    /// <summary>A clock in place of the database's; <c>null</c> for the database's own.</summary>
    DateTimeOffset? Clock { get; }

    /// <summary>Writes rows, starts runs and asks instances to stop, all in one transaction.</summary>
    /// <returns><c>false</c> when a statement touched another number of rows than it must, or a key was there already: nothing was written.</returns>
    Task<bool> CommitAsync(IReadOnlyList<ScheduleWrite> writes, IReadOnlyList<ScheduleStart> starts, IReadOnlyCollection<string> cancels, DateTimeOffset now, CancellationToken ct);

    /// <summary>What has become of instances; those that are neither there nor waiting to be started are left out.</summary>
    Task<IReadOnlyDictionary<string, InstanceFate>> FatesAsync(IReadOnlyCollection<string> instanceIds, CancellationToken ct);
}
