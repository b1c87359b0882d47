namespace PwWorkflows.Engine.Storage;

/// <summary>What one caller wants written: the commit of an instance, or work to enqueue, to complete or to replace without one, or one statement of the product.</summary>
internal sealed class WriteRequest
{
    public InstanceCommit? Commit { get; init; }
    /// <summary>Token of the lease to take, when the commit takes one.</summary>
    public long NewToken { get; init; }
    public IReadOnlyList<WorkItem> Items { get; init; } = [];
    public IReadOnlySet<string>? TakenHere { get; init; }
    public string NodeId { get; init; } = "";
    public TimeSpan ItemLease { get; init; }
    /// <summary>Items to delete; unknown ones are ignored.</summary>
    public IReadOnlyCollection<string> CompletedWork { get; init; } = [];
    /// <summary>Items to delete that must still be there.</summary>
    public IReadOnlyCollection<string> ReplacedWork { get; init; } = [];
    /// <summary>A statement of the product's own.</summary>
    public EnlistedWrite? Write { get; init; }
    /// <summary>Statements of the product's own, each with the rows it must touch.</summary>
    public IReadOnlyList<EnlistedWrite> Writes { get; init; } = [];
    /// <summary>How many rows <see cref="Write"/> touched, once it is written.</summary>
    public int Rows { get; set; }
    public CancellationToken Cancellation { get; init; }
    public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The instance has ended: nothing waits for it any more.</summary>
    public bool Ends => Commit is { } c && IsEnded(c.Instance.Status);

    /// <summary>The lease goes with this commit.</summary>
    public bool Releases => Commit is { Lease: not null } c && (c.ReleaseLease || Ends);

    /// <summary>The commit takes a lease it did not have.</summary>
    public bool TakesLease => Commit is { Lease: null, ReleaseLease: false } && !Ends;

    /// <summary>The lease held once the commit is written.</summary>
    public Lease? LeaseAfter => Commit switch
    {
        null => null,
        _ when TakesLease => new Lease(Commit.Instance.Id, NewToken),
        { Lease: { } held } when !Releases => held,
        _ => null,
    };

    public static bool IsEnded(InstanceStatus status) => status is InstanceStatus.Finished or InstanceStatus.Faulted or InstanceStatus.Cancelled;
}
