using System.Text.Json.Nodes;

namespace PwWorkflows.Server.Hosting;

/// <summary>A definition file: Elsa's JSON.</summary>
/// <param name="Path">Path below the workflows folder with forward slashes, such as <c>orders/order-fulfilment.json</c>.</param>
/// <param name="Content">The text.</param>
public sealed record WorkflowFile(string Path, string Content);

/// <summary>A definition as stored.</summary>
/// <param name="DefinitionId">Its id over all versions.</param>
/// <param name="Name">Display name.</param>
/// <param name="LatestVersion">Newest version, from 1.</param>
/// <param name="PublishedVersion">The version that triggers start; <c>null</c> when none is published.</param>
/// <param name="SourceFile">The file it came from; <c>null</c> when made in the designer.</param>
/// <param name="CreatedAt">When the newest version was made.</param>
public sealed record WorkflowDefinitionInfo(string DefinitionId, string? Name, int LatestVersion, int? PublishedVersion, string? SourceFile, DateTimeOffset CreatedAt);

/// <summary>A version of a definition.</summary>
/// <param name="Version">Its number, from 1.</param>
/// <param name="Name">Display name in it.</param>
/// <param name="IsPublished">Whether it is the one that runs.</param>
/// <param name="IsLatest">Whether it is the newest.</param>
/// <param name="CreatedAt">When it was made (UTC).</param>
/// <param name="CreatedBy">Who made it; <c>null</c> for the system.</param>
/// <param name="Text">The definition with stable formatting, as in a file.</param>
public sealed record WorkflowVersionInfo(int Version, string? Name, bool IsPublished, bool IsLatest, DateTimeOffset CreatedAt, string? CreatedBy, string Text);

/// <summary>One saved state of a definition.</summary>
/// <param name="Id">Number of the save; a later one is higher.</param>
/// <param name="Version">The version it was saved into.</param>
/// <param name="Accepted">False when it was refused, because somebody else had saved meanwhile.</param>
/// <param name="SavedAt">When (UTC).</param>
/// <param name="SavedBy">Who; <c>null</c> for the system.</param>
public sealed record WorkflowRevisionInfo(long Id, int Version, bool Accepted, DateTimeOffset SavedAt, string? SavedBy);

/// <summary>What became of a file at its import.</summary>
/// <param name="Path">The file.</param>
/// <param name="DefinitionId">The definition in it; empty when the file can't be read.</param>
/// <param name="Outcome"><c>imported</c>, <c>unchanged</c>, <c>edited</c> (an operator's newer version stays) or <c>refused</c>.</param>
/// <param name="Version">The version that is newest now; 0 when refused.</param>
/// <param name="Message">Why, for people; empty when there is nothing to say.</param>
public sealed record WorkflowImport(string Path, string DefinitionId, string Outcome, int Version, string Message);

/// <summary>Something wrong with a definition.</summary>
/// <param name="Path">The file.</param>
/// <param name="ActivityId">The activity; empty when it concerns the whole definition.</param>
/// <param name="ActivityType">Its type; empty when it concerns the whole definition.</param>
/// <param name="Property">The property; empty when it concerns the whole activity.</param>
/// <param name="Message">What was expected and found.</param>
public sealed record WorkflowFault(string Path, string ActivityId, string ActivityType, string Property, string Message);

/// <summary>A definition in files beside the stored one, both with stable formatting and without layout noise.</summary>
/// <param name="DefinitionId">The definition.</param>
/// <param name="Path">The file; for a definition that has none, the path an export would use.</param>
/// <param name="FileText">What the file says; <c>null</c> when there is none.</param>
/// <param name="StoredText">What is stored; <c>null</c> when it is not.</param>
public sealed record WorkflowComparison(string DefinitionId, string Path, string? FileText, string? StoredText)
{
    /// <summary><c>same</c>, <c>changed</c>, <c>only-in-files</c> or <c>only-stored</c>.</summary>
    public string State => (FileText, StoredText) switch
    {
        (not null, null) => "only-in-files",
        (null, not null) => "only-stored",
        _ => FileText == StoredText ? "same" : "changed",
    };
}

/// <summary>A workflow instance.</summary>
/// <param name="Id">Its id.</param>
/// <param name="DefinitionId">The definition.</param>
/// <param name="Version">The version it is pinned to.</param>
/// <param name="Status"><c>pending</c>, <c>running</c>, <c>suspended</c>, <c>finished</c>, <c>faulted</c>, <c>cancelled</c> or <c>parked</c>.</param>
/// <param name="CorrelationId">Business key, such as an order number.</param>
/// <param name="Incidents">Number of incidents.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="UpdatedAt">When it last did something.</param>
/// <param name="FinishedAt">When it ended.</param>
public sealed record WorkflowInstanceInfo(
    string Id, string DefinitionId, int Version, string Status, string? CorrelationId, int Incidents, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, DateTimeOffset? FinishedAt);

/// <summary>Which instances to list; all given conditions must hold.</summary>
public sealed record WorkflowInstanceQuery
{
    /// <summary>Only those of a business key.</summary>
    public string? CorrelationId { get; init; }
    /// <summary>Only those of a definition.</summary>
    public string? DefinitionId { get; init; }
    /// <summary>Only those in a state (see <see cref="WorkflowInstanceInfo.Status"/>).</summary>
    public string? Status { get; init; }
    /// <summary>Only those that an instance started.</summary>
    public string? ParentId { get; init; }
    /// <summary>Leave out so many.</summary>
    public int Skip { get; init; }
    /// <summary>At most so many, 1 to 500.</summary>
    public int Take { get; init; } = 50;
}

/// <summary>An entry of an instance's journal.</summary>
/// <param name="Sequence">Its place.</param>
/// <param name="At">When it happened.</param>
/// <param name="ActivityId">The activity.</param>
/// <param name="ActivityType">Its type, such as <c>Pw.KeepEvidence</c>.</param>
/// <param name="Event">What happened, such as <c>Completed</c>.</param>
/// <param name="Message">More about it, for people; may be <c>null</c>.</param>
public sealed record WorkflowJournalEntry(long Sequence, DateTimeOffset At, string? ActivityId, string? ActivityType, string Event, string? Message);

/// <summary>What became of an order to an instance.</summary>
public enum InstanceCommandResult
{
    /// <summary>It is stored and will be carried out.</summary>
    Accepted,
    /// <summary>There is no such instance.</summary>
    NotFound,
    /// <summary>Its state does not allow it.</summary>
    WrongState,
}

/// <summary>How the work queue fares.</summary>
/// <param name="IsHealthy">It takes work and does it in time.</param>
/// <param name="Detail">What is wrong, or a short figure; for operators.</param>
/// <param name="OldestDue">When the oldest due item became due; <c>null</c> when none waits.</param>
public sealed record QueueHealth(bool IsHealthy, string Detail, DateTimeOffset? OldestDue);

/// <summary>What the admin API and the command line need of the workflow engine, whichever engine it is.</summary>
public interface IWorkflowAdmin
{
    /// <summary>Brings all tables up to date, the product's and the engine's. Safe on several nodes at once.</summary>
    /// <returns>The names of what ran now.</returns>
    Task<IReadOnlyList<string>> MigrateAsync(CancellationToken ct);

    /// <summary>The stored definitions, by id.</summary>
    Task<IReadOnlyList<WorkflowDefinitionInfo>> ListDefinitionsAsync(CancellationToken ct);

    /// <summary>All versions of a definition, newest first; empty when there is none.</summary>
    Task<IReadOnlyList<WorkflowVersionInfo>> ListVersionsAsync(string definitionId, CancellationToken ct);

    /// <summary>Definitions that were deleted and have saves of the last 30 days, with when the last one was made; at most so many, newest first.</summary>
    Task<IReadOnlyList<(string DefinitionId, DateTimeOffset SavedAt)>> ListDeletedAsync(int take, CancellationToken ct);

    /// <summary>What was saved of a definition in the last 30 days, newest first.</summary>
    Task<IReadOnlyList<WorkflowRevisionInfo>> ListRevisionsAsync(string definitionId, int skip, int take, CancellationToken ct);

    /// <summary>One saved state with its text (stable formatting); <c>null</c> when there is none.</summary>
    Task<(WorkflowRevisionInfo Revision, string Text)?> GetRevisionAsync(string definitionId, long id, CancellationToken ct);

    /// <summary>Makes a saved state the draft again.</summary>
    /// <returns>The version that holds it; <c>null</c> when there is no such state.</returns>
    Task<int?> RestoreRevisionAsync(string definitionId, long id, string by, CancellationToken ct);

    /// <summary>How many instances began since a time, by what they are now: <c>running</c>, <c>suspended</c>, <c>finished</c>, <c>faulted</c>.</summary>
    Task<IReadOnlyDictionary<string, long>> CountRunsAsync(DateTimeOffset since, CancellationToken ct);

    /// <summary>Imports and publishes files whose content is new; all faults of all files come back, and a file with a fault changes nothing.</summary>
    /// <param name="files">The files.</param>
    /// <param name="force">Also replace what an operator edited since.</param>
    /// <param name="by">Who imports.</param>
    /// <param name="ct">Stops the wait.</param>
    Task<IReadOnlyList<WorkflowImport>> ImportAsync(IReadOnlyList<WorkflowFile> files, bool force, string by, CancellationToken ct);

    /// <summary>A definition file with stable formatting: always the same order, without layout and what the server manages. Needs no database.</summary>
    /// <exception cref="FormatException">It is no JSON object.</exception>
    string Format(WorkflowFile file);

    /// <summary>The published versions as files, with the formatting of <see cref="Format"/>.</summary>
    Task<IReadOnlyList<WorkflowFile>> ExportAsync(CancellationToken ct);

    /// <summary>Compares files with what is stored.</summary>
    Task<IReadOnlyList<WorkflowComparison>> CompareAsync(IReadOnlyList<WorkflowFile> files, CancellationToken ct);

    /// <summary>Everything that would be refused at publish; needs no database.</summary>
    Task<IReadOnlyList<WorkflowFault>> LintAsync(IReadOnlyList<WorkflowFile> files, CancellationToken ct);

    /// <summary>The types of all registered activities, by name.</summary>
    IReadOnlyList<string> ActivityTypes { get; }

    /// <summary>Instances, newest first, with the number that matches.</summary>
    Task<(IReadOnlyList<WorkflowInstanceInfo> Items, long Total)> ListInstancesAsync(WorkflowInstanceQuery query, CancellationToken ct);

    /// <summary>An instance with its waiting points and incidents (no variables: they may be personal); <c>null</c> when there is none.</summary>
    Task<(WorkflowInstanceInfo Instance, JsonObject Detail)?> GetInstanceAsync(string id, CancellationToken ct);

    /// <summary>The journal of an instance from a sequence on; <c>null</c> when there is no such instance.</summary>
    Task<IReadOnlyList<WorkflowJournalEntry>?> GetJournalAsync(string id, long fromSequence, int take, CancellationToken ct);

    /// <summary>Runs a faulted (or parked) instance again from its failed activity.</summary>
    Task<InstanceCommandResult> RetryAsync(string id, CancellationToken ct);

    /// <summary>Cancels a living instance.</summary>
    Task<InstanceCommandResult> CancelAsync(string id, CancellationToken ct);

    /// <summary>How the work queue fares. Throws nothing but for cancellation.</summary>
    Task<QueueHealth> GetQueueHealthAsync(CancellationToken ct);
}
