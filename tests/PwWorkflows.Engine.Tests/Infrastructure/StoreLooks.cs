using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Tests.Infrastructure;

/// <summary>For nodes whose clock stands still.</summary>
public static class StoreLooks
{
    /// <summary>Makes the store's node look at its queue again: it gets an item that is due in a hundred years, which is then taken away.</summary>
    public static async Task LookAgainAsync(this IEngineStore store, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(store);
        var id = $"look-{Guid.NewGuid():N}";
        await store.EnqueueAsync([new WorkItem(id, WorkKind.Stimulus, null, DateTimeOffset.UtcNow.AddYears(100), "{}"u8.ToArray(), OwnerKey: id)], "nobody", null, TimeSpan.FromMinutes(1), ct);
        await store.RemoveWorkByOwnerAsync(id, ct);
    }
}
