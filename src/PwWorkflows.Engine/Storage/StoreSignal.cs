namespace PwWorkflows.Engine.Storage;

/// <summary>Wakes those who wait; when nobody waits, the next one to wait is woken at once, so that a signal between a look and a wait is not lost.</summary>
internal sealed class StoreSignal(TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly List<TaskCompletionSource<bool>> _waiting = [];
    private bool _pending;

    public void Set()
    {
        TaskCompletionSource<bool>[] woken;
        lock (_gate)
        {
            if (_waiting.Count == 0)
            {
                _pending = true;
                return;
            }

            woken = [.. _waiting];
            _waiting.Clear();
        }

        foreach (var waiter in woken) waiter.TrySetResult(true);
    }

    /// <returns><c>false</c> when the time was over.</returns>
    public async Task<bool> WaitAsync(TimeSpan atMost, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var waiter = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_pending)
            {
                _pending = false;
                return true;
            }

            if (atMost <= TimeSpan.Zero) return false;
            _waiting.Add(waiter);
        }

        try
        {
            await using var cancelled = ct.Register(() => waiter.TrySetCanceled(ct));
            await using var timer = atMost == Timeout.InfiniteTimeSpan || atMost >= TimeSpan.FromDays(40)
                ? null
                : time.CreateTimer(static state => ((TaskCompletionSource<bool>)state!).TrySetResult(false), waiter, atMost, Timeout.InfiniteTimeSpan);
            return await waiter.Task.ConfigureAwait(false);
        }
        finally
        {
            lock (_gate) _waiting.Remove(waiter);
        }
    }
}
