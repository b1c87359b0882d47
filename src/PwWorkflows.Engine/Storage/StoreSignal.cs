namespace PwWorkflows.Engine.Storage;

/// <summary>Wakes those who wait; when nobody waits, the next one to wait is woken at once, so that a signal between a look and a wait is not lost.</summary>
internal sealed class StoreSignal(TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly List<TaskCompletionSource> _waiting = [];
    private bool _pending;

    public void Set()
    {
        TaskCompletionSource[] woken;
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

        foreach (var waiter in woken) waiter.TrySetResult();
    }

    public async Task WaitAsync(TimeSpan atMost, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_pending)
            {
                _pending = false;
                return;
            }

            if (atMost <= TimeSpan.Zero) return;
            _waiting.Add(waiter);
        }

        try
        {
            await using var cancelled = ct.Register(() => waiter.TrySetCanceled(ct));
            await using var timer = atMost == Timeout.InfiniteTimeSpan || atMost >= TimeSpan.FromDays(40)
                ? null
                : time.CreateTimer(static state => ((TaskCompletionSource)state!).TrySetResult(), waiter, atMost, Timeout.InfiniteTimeSpan);
            await waiter.Task.ConfigureAwait(false);
        }
        finally
        {
            lock (_gate) _waiting.Remove(waiter);
        }
    }
}
