namespace PwWorkflows.Engine.Storage;

/// <summary>The one state of a workflow instance. A check constraint in the database allows exactly these, so no two columns can contradict each other.</summary>
public enum InstanceStatus
{
    /// <summary>Recorded, not started yet.</summary>
    Pending,
    /// <summary>A node runs it (and holds its lease), or ran it and died.</summary>
    Running,
    /// <summary>Waits for a bookmark, or is blocked by an incident.</summary>
    Suspended,
    /// <summary>Ended well.</summary>
    Finished,
    /// <summary>Ended by a fault; can be retried from the failed activity.</summary>
    Faulted,
    /// <summary>Ended by a person or by its own cancel.</summary>
    Cancelled,
    /// <summary>Set aside after too many nodes died while running it; only a person starts it again.</summary>
    Parked,
}

/// <summary>A workflow instance as stored. <see cref="State"/> is opaque to the store.</summary>
/// <param name="Id">Instance id.</param>
/// <param name="DefinitionId">Definition over all versions.</param>
/// <param name="DefinitionVersionId">The version that runs.</param>
/// <param name="Version">Number of that version, from 1.</param>
/// <param name="ContentHash">SHA-256 (upper-case hex) of the definition content the instance is pinned to.</param>
/// <param name="Status">State of the instance.</param>
/// <param name="CorrelationId">Business key, such as an order number.</param>
/// <param name="Name">Display name, may be null.</param>
/// <param name="ParentInstanceId">The instance that dispatched this one and waits for it, may be null.</param>
/// <param name="ActivationKey">While not null no other instance may have the same (unique); set for singleton strategies, cleared when the instance ends.</param>
/// <param name="IncidentCount">Incidents recorded so far.</param>
/// <param name="CreatedAt">When the instance was made (UTC).</param>
/// <param name="UpdatedAt">When it was last committed (UTC).</param>
/// <param name="FinishedAt">When it ended (UTC), null while it lives.</param>
/// <param name="State">Serialized execution state (UTF-8 JSON).</param>
public sealed record InstanceRow(
    string Id, string DefinitionId, string DefinitionVersionId, int Version, string ContentHash, InstanceStatus Status,
    string? CorrelationId, string? Name, string? ParentInstanceId, string? ActivationKey, int IncidentCount,
    DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, DateTimeOffset? FinishedAt, ReadOnlyMemory<byte> State);

/// <summary>What a waiting instance can be found by. The full bookmark lives in the instance state.</summary>
public sealed record BookmarkRow(string Id, string InstanceId, string Hash, string Name, string ActivityInstanceId, string? CorrelationId, DateTimeOffset CreatedAt);

/// <summary>What a work item asks for.</summary>
public enum WorkKind
{
    /// <summary>Start an instance whose id is already chosen (a dispatch).</summary>
    Start,
    /// <summary>Resume one bookmark of one instance (a stimulus that found its waiter, a timer, a child's end).</summary>
    Resume,
    /// <summary>Deliver a stimulus: start matching triggers and resume matching bookmarks, or wait for a bookmark.</summary>
    Stimulus,
    /// <summary>A due time of a scheduled trigger (Timer, Cron, StartAt): starts an instance and enqueues the next due time.</summary>
    Trigger,
    /// <summary>Cancel an instance.</summary>
    Cancel,
    /// <summary>Run again a faulted instance from its failed activity.</summary>
    Retry,
    /// <summary>Continue an instance whose node died or whose commit must be followed by more work.</summary>
    Continue,
}

/// <summary>A row of the durable queue. The row is the truth; signals are hints.</summary>
/// <param name="Id">Unique id (UUIDv7 text, "N" format), chosen by the sender; enqueuing an id twice keeps the first row.</param>
/// <param name="Kind">What to do.</param>
/// <param name="InstanceId">The instance concerned; null only for <see cref="WorkKind.Stimulus"/> and <see cref="WorkKind.Trigger"/>.</param>
/// <param name="DueAt">Not before this time (UTC).</param>
/// <param name="Payload">Opaque to the store (UTF-8 JSON).</param>
/// <param name="Hash">Stimulus hash, for <see cref="WorkKind.Stimulus"/>.</param>
/// <param name="CorrelationId">Business key or null.</param>
/// <param name="OwnerKey">What the item belongs to, so that all items of it can be removed: a bookmark id for timers, "trigger:{definitionId}" for scheduled triggers.</param>
/// <param name="Attempts">How often it was taken.</param>
public sealed record WorkItem(
    string Id, WorkKind Kind, string? InstanceId, DateTimeOffset DueAt, ReadOnlyMemory<byte> Payload,
    string? Hash = null, string? CorrelationId = null, string? OwnerKey = null, int Attempts = 0);

/// <summary>The right to run an instance. A commit with a token that is no longer the newest fails.</summary>
public sealed record Lease(string InstanceId, long Token);

/// <summary>One stretch of the journal, written by one commit: log entries and activity records as one blob. Sequence numbers begin at 0 and have no gaps.</summary>
/// <param name="InstanceId">The instance it belongs to.</param>
/// <param name="FirstSequence">Sequence number of the first log entry in it.</param>
/// <param name="LastSequence">Sequence number of the last log entry in it.</param>
/// <param name="CreatedAt">When it was written (UTC).</param>
/// <param name="Entries">UTF-8 JSON, opaque to the store.</param>
public sealed record JournalSegment(string InstanceId, long FirstSequence, long LastSequence, DateTimeOffset CreatedAt, ReadOnlyMemory<byte> Entries);

/// <summary>A write of the product's own tables that must be in the same transaction as the instance's commit.</summary>
/// <param name="Sql">One statement in the dialect of the database, with named parameters (@name).</param>
/// <param name="Parameters">Values: string, long, int, bool, decimal, byte[], DateTimeOffset or null.</param>
/// <param name="ExpectedRows">When given, another number of affected rows fails the commit with <see cref="CommitConflictException"/>.</param>
public sealed record EnlistedWrite(string Sql, IReadOnlyList<KeyValuePair<string, object?>> Parameters, int? ExpectedRows = null);

/// <summary>Everything one commit of one instance writes, all or nothing.</summary>
public sealed class InstanceCommit
{
    /// <summary>The instance after the burst.</summary>
    public required InstanceRow Instance { get; init; }
    /// <summary>True when this is its first commit (insert); false for an update.</summary>
    public bool IsNew { get; init; }
    /// <summary>The lease under which it ran; null only for a new instance that needed none. A stale one fails the commit.</summary>
    public Lease? Lease { get; init; }
    /// <summary>Give the lease back in this commit. With <see cref="Lease"/> null and this false, a new lease is taken for <see cref="NodeId"/> (first commit of an instance that goes on running).</summary>
    public bool ReleaseLease { get; init; } = true;
    /// <summary>The node that commits.</summary>
    public required string NodeId { get; init; }
    /// <summary>How long a lease taken or renewed by this commit lasts.</summary>
    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>Bookmarks made.</summary>
    public IReadOnlyList<BookmarkRow> AddedBookmarks { get; init; } = [];
    /// <summary>Bookmarks consumed or dropped; their timers (work items with this owner key) go too.</summary>
    public IReadOnlyList<string> RemovedBookmarkIds { get; init; } = [];
    /// <summary>Work to enqueue: dispatches, timers, resumptions.</summary>
    public IReadOnlyList<WorkItem> Enqueue { get; init; } = [];
    /// <summary>Items of <see cref="Enqueue"/> that this node will run at once: stored as taken by this node (lease on the item), so no other node takes them while it lives.</summary>
    public IReadOnlySet<string> TakenHere { get; init; } = new HashSet<string>();
    /// <summary>Work items this burst carried out; each must still exist, else the commit fails.</summary>
    public IReadOnlyList<string> CompletedWorkIds { get; init; } = [];
    /// <summary>Journal of the burst, in order; empty when nothing was recorded.</summary>
    public IReadOnlyList<JournalSegment> Journal { get; init; } = [];
    /// <summary>Product writes in the same transaction, in order, before everything else.</summary>
    public IReadOnlyList<EnlistedWrite> Writes { get; init; } = [];
}

/// <summary>Why a commit was refused.</summary>
public enum CommitConflict
{
    /// <summary>Another node has taken the instance over.</summary>
    LeaseLost,
    /// <summary>A completed work item was gone: another node did it.</summary>
    WorkGone,
    /// <summary>A unique key was already there: an enlisted write, the activation key or the instance id.</summary>
    UniqueKey,
    /// <summary>An enlisted write touched another number of rows than expected.</summary>
    UnexpectedRows,
    /// <summary>Definitions were changed since the stamp that the change was made for.</summary>
    DefinitionsChanged,
}

/// <summary>The commit was refused and nothing of it was written; the run must be repeated from the last commit or given up.</summary>
public sealed class CommitConflictException(CommitConflict conflict, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Why.</summary>
    public CommitConflict Conflict { get; } = conflict;

    /// <summary>The run had committed something before: it goes on from there instead of beginning again.</summary>
    internal bool RunHasCommitted { get; set; }
}

/// <summary>A stored definition version.</summary>
/// <param name="Id">Version id, unique over all versions.</param>
/// <param name="DefinitionId">Definition over all versions.</param>
/// <param name="Version">From 1.</param>
/// <param name="Name">Display name.</param>
/// <param name="Description">Text or null.</param>
/// <param name="IsLatest">The newest version.</param>
/// <param name="IsPublished">The version that triggers start. At most one per definition (unique index).</param>
/// <param name="ContentHash">SHA-256 of <paramref name="Content"/>.</param>
/// <param name="Content">The definition JSON as given.</param>
/// <param name="SourceFile">The file it was imported from (relative), null when made in the designer.</param>
/// <param name="SourceHash">Hash of that file's content when imported.</param>
/// <param name="CreatedAt">When the version was made (UTC).</param>
/// <param name="CreatedBy">Who saved it, null for the system.</param>
public sealed record DefinitionRow(
    string Id, string DefinitionId, int Version, string? Name, string? Description, bool IsLatest, bool IsPublished,
    string ContentHash, string Content, string? SourceFile, string? SourceHash, DateTimeOffset CreatedAt, string? CreatedBy);

/// <summary>One saved state of a definition. Versions have the last of them only.</summary>
/// <param name="Id">Number of the save; a later one is higher.</param>
/// <param name="DefinitionId">Definition over all versions.</param>
/// <param name="DefinitionVersionId">The version it was saved into.</param>
/// <param name="Version">Number of that version.</param>
/// <param name="Name">Display name.</param>
/// <param name="Description">Text or null.</param>
/// <param name="ContentHash">SHA-256 of the content.</param>
/// <param name="Content">The definition JSON; empty in lists.</param>
/// <param name="Accepted">False when it was refused, because somebody else had saved meanwhile.</param>
/// <param name="SavedAt">When (UTC).</param>
/// <param name="SavedBy">Who saved it, null for the system.</param>
public sealed record DefinitionRevision(
    long Id, string DefinitionId, string DefinitionVersionId, int Version, string? Name, string? Description, string ContentHash, string Content, bool Accepted, DateTimeOffset SavedAt, string? SavedBy)
{
    /// <summary>As a version that is not stored.</summary>
    public DefinitionRow AsDefinition() => new(DefinitionVersionId, DefinitionId, Version, Name, Description, false, false, ContentHash, Content, null, null, SavedAt, SavedBy);
}

/// <summary>A trigger of a published version.</summary>
/// <param name="Id">Trigger id.</param>
/// <param name="DefinitionId">Definition over all versions.</param>
/// <param name="DefinitionVersionId">The published version.</param>
/// <param name="ActivityId">The trigger activity in it.</param>
/// <param name="Name">Name of the stimulus, such as "Elsa.Event".</param>
/// <param name="Hash">Stimulus hash that starts it.</param>
/// <param name="RouteKey">"METHOD /path" for HTTP triggers (unique over all published), else null.</param>
/// <param name="Payload">Opaque to the store (JSON).</param>
public sealed record TriggerRow(string Id, string DefinitionId, string DefinitionVersionId, string ActivityId, string Name, string Hash, string? RouteKey, string Payload);

/// <summary>What changes in one publishing transaction. Everything derived from the published version changes with it.</summary>
public sealed class DefinitionChange
{
    /// <summary>When given, the change is refused unless no definition has changed since <see cref="IEngineStore.GetDefinitionsStampAsync"/> gave this number.</summary>
    public long? IfStamp { get; init; }
    /// <summary>Versions to insert or replace (by id).</summary>
    public IReadOnlyList<DefinitionRow> Save { get; init; } = [];
    /// <summary>Version ids to delete.</summary>
    public IReadOnlyList<string> Delete { get; init; } = [];
    /// <summary>Definition ids whose triggers and scheduled trigger items are replaced by <see cref="Triggers"/> and <see cref="Schedules"/>.</summary>
    public IReadOnlyList<string> ReplaceTriggersOf { get; init; } = [];
    /// <summary>New triggers.</summary>
    public IReadOnlyList<TriggerRow> Triggers { get; init; } = [];
    /// <summary>First due times of scheduled triggers (owner key "trigger:{definitionId}").</summary>
    public IReadOnlyList<WorkItem> Schedules { get; init; } = [];
    /// <summary>Rows of the product that follow from it; one that touches another number of rows than it expects refuses the change as if definitions had changed.</summary>
    public IReadOnlyList<EnlistedWrite> Writes { get; init; } = [];
}

/// <summary>Narrowing of an instance listing; all given conditions must hold.</summary>
public sealed record InstanceFilter(
    IReadOnlyCollection<string>? Ids = null, IReadOnlyCollection<string>? DefinitionIds = null, IReadOnlyCollection<string>? DefinitionVersionIds = null,
    IReadOnlyCollection<InstanceStatus>? Statuses = null, string? CorrelationId = null, string? ParentInstanceId = null, bool? HasIncidents = null, string? SearchTerm = null,
    int? Version = null, IReadOnlyCollection<InstanceTimeCondition>? Times = null);

/// <summary>A time of an instance.</summary>
public enum InstanceTime
{
    /// <summary>When it was made.</summary>
    Created,
    /// <summary>When it was last committed.</summary>
    Updated,
    /// <summary>When it ended.</summary>
    Finished,
}

/// <summary>How a time is compared.</summary>
public enum TimeComparison
{
#pragma warning disable CS1591 // the names say it
    Is,
    IsNot,
    LessThan,
    GreaterThan,
    LessThanOrEqual,
    GreaterThanOrEqual,
#pragma warning restore CS1591
}

/// <summary>A condition on a time of an instance.</summary>
public sealed record InstanceTimeCondition(InstanceTime Time, TimeComparison Comparison, DateTimeOffset At);

/// <summary>What a listing of instances is ordered by; those alike by id.</summary>
public enum InstanceOrder
{
    /// <summary>When it was made; needs no sorting.</summary>
    Created,
    /// <summary>When it was last committed.</summary>
    Updated,
    /// <summary>When it ended; those that live come last in either direction.</summary>
    Finished,
    /// <summary>Its name.</summary>
    Name,
}

/// <summary>
/// The engine's database. One implementation per database, same behaviour (one test suite runs on both).
/// Times of leases and due times are compared with the database's own clock, or with <see cref="ClockOverride"/> while that is set; on SQLite the injected TimeProvider is the database clock.
/// Every method throws <see cref="OperationCanceledException"/> when <c>ct</c> is cancelled before anything was written.
/// </summary>
public interface IEngineStore : IAsyncDisposable
{
    /// <summary>Shift of the lease and due-time clock against the database clock; zero except in tests that move a fake clock.</summary>
    Func<DateTimeOffset>? ClockOverride { get; set; }

    /// <summary>Round trips made to the database since the start, for tests and benches.</summary>
    long RoundTrips { get; }

    /// <summary>Brings the schema up to date. Safe on several nodes at once.</summary>
    Task MigrateAsync(CancellationToken ct);

    /// <summary>Writes a commit. Commits that are ready at the same time share one database transaction; when that fails they are written one by one, so a bad one harms nobody. Returns the lease now held (null when released or never taken). Throws <see cref="CommitConflictException"/>.</summary>
    Task<Lease?> CommitAsync(InstanceCommit commit, CancellationToken ct);

    /// <summary>Enqueues work outside of a commit (joint transaction with others as in <see cref="CommitAsync"/>). Those in <paramref name="takenHere"/> are stored as taken by <paramref name="nodeId"/>.</summary>
    Task EnqueueAsync(IReadOnlyList<WorkItem> items, string nodeId, IReadOnlySet<string>? takenHere, TimeSpan itemLease, CancellationToken ct);

    /// <summary>Writes statements of the product and enqueues work, all in one transaction (a joint one with others as in <see cref="CommitAsync"/>). Throws <see cref="CommitConflictException"/> when a statement touches another number of rows than it expects, or a key is already there; nothing is written then.</summary>
    Task WriteAsync(IReadOnlyList<EnlistedWrite> writes, IReadOnlyList<WorkItem> items, CancellationToken ct);

    /// <summary>Takes due items (oldest due first) whose instance is not leased by a living owner and which nobody else holds; marks them taken by the node for <paramref name="itemLease"/> and raises their attempts.</summary>
    Task<IReadOnlyList<WorkItem>> TakeDueAsync(string nodeId, int max, TimeSpan itemLease, CancellationToken ct);

    /// <summary>Whether a row of the queue is still there: due or not, taken or not.</summary>
    Task<bool> IsQueuedAsync(string workId, CancellationToken ct);

    /// <summary>Deletes items that were carried out without an instance commit. Unknown ids are ignored.</summary>
    Task CompleteWorkAsync(IReadOnlyCollection<string> ids, CancellationToken ct);

    /// <summary>Takes items out of the queue and puts others in their place, in one transaction (a joint one with others as in <see cref="CommitAsync"/>). Those in <paramref name="takenHere"/> are stored as taken by <paramref name="nodeId"/>. Throws <see cref="CommitConflictException"/> with <see cref="CommitConflict.WorkGone"/> when one of <paramref name="ids"/> is no longer there; nothing is written then.</summary>
    Task ReplaceWorkAsync(IReadOnlyCollection<string> ids, IReadOnlyList<WorkItem> items, string nodeId, IReadOnlySet<string>? takenHere, TimeSpan itemLease, CancellationToken ct);

    /// <summary>Extends the hold of <paramref name="nodeId"/> on items it has taken; those that are gone or held by another are left alone.</summary>
    Task RenewWorkAsync(IReadOnlyCollection<string> ids, string nodeId, TimeSpan itemLease, CancellationToken ct);

    /// <summary>Gives items back: nobody holds them, due at <paramref name="dueAt"/>.</summary>
    Task ReturnWorkAsync(IReadOnlyCollection<string> ids, DateTimeOffset dueAt, CancellationToken ct);

    /// <summary>When the next untaken item becomes due, or null when none is stored.</summary>
    Task<DateTimeOffset?> NextDueAsync(CancellationToken ct);

    /// <summary>Deletes all items with the owner key; returns how many.</summary>
    Task<int> RemoveWorkByOwnerAsync(string ownerKey, CancellationToken ct);

    /// <summary>Takes the lease of an instance if nobody living has it and loads the instance with it. Null instance: no such instance. Null lease: held by another.</summary>
    Task<(InstanceRow? Instance, Lease? Lease)> ClaimInstanceAsync(string instanceId, string nodeId, TimeSpan lease, CancellationToken ct);

    /// <summary>Claims up to <paramref name="max"/> instances with status Running whose lease has lapsed or is missing; raises their takeover count. Returns them with the number of takeovers since the last clean release.</summary>
    Task<IReadOnlyList<(InstanceRow Instance, Lease Lease, int Takeovers)>> ClaimLapsedAsync(string nodeId, int max, TimeSpan lease, CancellationToken ct);

    /// <summary>Ends at once what nodes that are gone still hold: leases of instances and work they had taken. Asks <paramref name="isGone"/> about each node that holds anything.</summary>
    /// <returns>The nodes found gone.</returns>
    Task<IReadOnlyList<string>> LapseAsync(Func<string, bool> isGone, CancellationToken ct);

    /// <summary>Extends the leases still held; returns those that were lost.</summary>
    Task<IReadOnlyList<Lease>> RenewLeasesAsync(IReadOnlyCollection<Lease> leases, TimeSpan lease, CancellationToken ct);

    /// <summary>Gives a lease back without a commit. Unknown or stale: ignored.</summary>
    Task ReleaseLeaseAsync(Lease lease, CancellationToken ct);

    /// <summary>Loads one instance, null when there is none.</summary>
    Task<InstanceRow?> GetInstanceAsync(string id, CancellationToken ct);

    /// <summary>Lists instances newest first (by created_at, id), or in another order, without their state (empty <see cref="InstanceRow.State"/>), with the total that matches (exact up to 10,000, then the planner's or a cached count).</summary>
    Task<(IReadOnlyList<InstanceRow> Items, long Total)> ListInstancesAsync(InstanceFilter filter, int skip, int take, CancellationToken ct, InstanceOrder order = InstanceOrder.Created, bool descending = true);

    /// <summary>Number of instances matching.</summary>
    Task<long> CountInstancesAsync(InstanceFilter filter, CancellationToken ct);

    /// <summary>Deletes instances with their bookmarks, journal, leases and work in one transaction; returns how many.</summary>
    Task<int> DeleteInstancesAsync(IReadOnlyCollection<string> ids, CancellationToken ct);

    /// <summary>
    /// Deletes up to <paramref name="max"/> ended instances of a definition (null: of those not in <paramref name="except"/>) that finished before <paramref name="before"/>, faulted ones only
    /// when also before <paramref name="faultedBefore"/>; returns how many. Those that somebody runs or that have work in the queue, such as a retry, are spared.
    /// </summary>
    Task<int> DeleteFinishedAsync(string? definitionId, IReadOnlyCollection<string> except, DateTimeOffset before, DateTimeOffset faultedBefore, int max, CancellationToken ct);

    /// <summary>Hashes of up to <paramref name="max"/> contents that no definition version and no instance uses.</summary>
    Task<IReadOnlyList<string>> FindUnusedContentsAsync(int max, CancellationToken ct);

    /// <summary>Deletes those of the contents that still no definition version and no instance uses; returns how many.</summary>
    Task<int> DeleteContentsAsync(IReadOnlyCollection<string> hashes, CancellationToken ct);

    /// <summary>Journal segments of an instance that overlap the sequences from <paramref name="fromSequence"/>, in order, at most <paramref name="maxSegments"/>.</summary>
    Task<IReadOnlyList<JournalSegment>> GetJournalAsync(string instanceId, long fromSequence, int maxSegments, CancellationToken ct);

    /// <summary>Bookmarks that match a stimulus hash, optionally of one instance or one correlation id. A given correlation id never matches a bookmark of another.</summary>
    Task<IReadOnlyList<BookmarkRow>> FindBookmarksAsync(string hash, string? instanceId, string? correlationId, string? activityInstanceId, CancellationToken ct);

    /// <summary>One bookmark by id, or null.</summary>
    Task<BookmarkRow?> GetBookmarkAsync(string id, CancellationToken ct);

    /// <summary>Whether an instance (not ended) holds the activation key.</summary>
    Task<bool> IsActiveAsync(string? definitionId, string? correlationId, CancellationToken ct);

    /// <summary>Applies a change of definitions in one transaction. Throws <see cref="CommitConflictException"/> with <see cref="CommitConflict.UniqueKey"/> when a route is taken by another definition, <see cref="CommitConflict.DefinitionsChanged"/> when <see cref="DefinitionChange.IfStamp"/> is no longer the stamp.</summary>
    Task ChangeDefinitionsAsync(DefinitionChange change, CancellationToken ct);

    /// <summary>All versions, or those of one definition, newest version first.</summary>
    Task<IReadOnlyList<DefinitionRow>> GetDefinitionsAsync(string? definitionId, CancellationToken ct);

    /// <summary>All versions of all definitions without their contents, which are empty.</summary>
    Task<IReadOnlyList<DefinitionRow>> GetDefinitionHeadsAsync(CancellationToken ct);

    /// <summary>The published versions.</summary>
    Task<IReadOnlyList<DefinitionRow>> GetPublishedAsync(CancellationToken ct);

    /// <summary>All versions whose content says that the workflow can be used as an activity.</summary>
    Task<IReadOnlyList<DefinitionRow>> GetUsableDefinitionsAsync(CancellationToken ct);

    /// <summary>Whether the content of another definition, stored or kept for an instance, has the version id in it.</summary>
    Task<bool> IsNamedInContentAsync(string versionId, string definitionId, CancellationToken ct);

    /// <summary>One version by its id, or null.</summary>
    Task<DefinitionRow?> GetDefinitionVersionAsync(string versionId, CancellationToken ct);

    /// <summary>The content pinned by instances, by hash, also when the version row has been deleted since; null when unknown.</summary>
    Task<string?> GetContentAsync(string contentHash, CancellationToken ct);

    /// <summary>The last save of each definition that has been deleted since, newest first, without the content.</summary>
    Task<IReadOnlyList<DefinitionRevision>> ListDeletedAsync(int take, CancellationToken ct);

    /// <summary>What was saved of a definition, newest first, without the content. Every change of a version's content is there until <see cref="DeleteRevisionsAsync"/> takes it, also when the definition has been deleted since.</summary>
    Task<IReadOnlyList<DefinitionRevision>> ListRevisionsAsync(string definitionId, int skip, int take, CancellationToken ct);

    /// <summary>One saved state with its content, or null.</summary>
    Task<DefinitionRevision?> GetRevisionAsync(string definitionId, long id, CancellationToken ct);

    /// <summary>Keeps what could not be saved; returns its number.</summary>
    Task<long> AddRefusedRevisionAsync(DefinitionRow row, CancellationToken ct);

    /// <summary>Deletes up to <paramref name="max"/> revisions that were saved before a time; returns how many.</summary>
    Task<int> DeleteRevisionsAsync(DateTimeOffset before, int max, CancellationToken ct);

    /// <summary>Triggers of all published versions.</summary>
    Task<IReadOnlyList<TriggerRow>> GetTriggersAsync(CancellationToken ct);

    /// <summary>A number that changes with every change of definitions on any node; cheap to read.</summary>
    Task<long> GetDefinitionsStampAsync(CancellationToken ct);

    /// <summary>Waits until another node (or this one) signals new work or changed definitions, or until the time is over. PostgreSQL: LISTEN/NOTIFY; SQLite: in-process. Only a hint.</summary>
    /// <returns><c>false</c> when the time was over.</returns>
    Task<bool> WaitForSignalAsync(TimeSpan atMost, CancellationToken ct);

    /// <summary>True when the database answers.</summary>
    Task<bool> IsHealthyAsync(CancellationToken ct);

    /// <summary>The database itself, for the product's own tables.</summary>
    IEngineDatabase Database { get; }
}

/// <summary>Which database.</summary>
public enum DatabaseProvider
{
    /// <summary>SQLite file, WAL, synchronous=FULL; one writer.</summary>
    Sqlite,
    /// <summary>PostgreSQL 15 or newer.</summary>
    PostgreSql,
}

/// <summary>Connections for tables that are not the engine's. On SQLite all writers of the process take turns, so none sees "database is locked".</summary>
public interface IEngineDatabase
{
    /// <summary>Which database.</summary>
    DatabaseProvider Provider { get; }
    /// <summary>Connection string, for migrations.</summary>
    string ConnectionString { get; }
    /// <summary>Runs a read on a pooled open connection.</summary>
    Task<T> ReadAsync<T>(Func<System.Data.Common.DbConnection, CancellationToken, Task<T>> read, CancellationToken ct);
    /// <summary>
    /// A short look-up by key, one <c>SELECT</c> with at least one value that is not null; look-ups of several callers may share a round trip. Sees what is committed.
    /// </summary>
    Task<List<T>> LookUpAsync<T>(EnlistedWrite query, Func<System.Data.Common.DbDataReader, T> map, CancellationToken ct);
    /// <summary>Runs one statement and commits it, together with whatever else is ready to be written; the number of rows it touched.</summary>
    Task<int> ExecuteAsync(EnlistedWrite write, CancellationToken ct);
    /// <summary>Runs a write in one transaction and commits it; an exception rolls back. On SQLite it waits for its turn.</summary>
    Task<T> WriteAsync<T>(Func<System.Data.Common.DbConnection, System.Data.Common.DbTransaction, CancellationToken, Task<T>> write, CancellationToken ct);
}
