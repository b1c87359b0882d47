using System.Threading.Channels;

namespace PwWorkflows.Engine.Storage;

/// <summary>What one caller waits for.</summary>
internal abstract class RoundRequest
{
    /// <summary>Forgets what a round that failed has brought.</summary>
    public abstract void Reset();
    public abstract void Complete();
    public abstract void Fail(Exception exception);
}

/// <summary>Requests of several callers that come while one round trip is under way share the next. When one of them breaks it, each is made alone.</summary>
internal abstract class PostgresRounds<TRequest> : IAsyncDisposable where TRequest : RoundRequest
{
    private const int MaxPerRoundTrip = 64;

    private readonly Channel<TRequest> _waiting = Channel.CreateUnbounded<TRequest>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Task _loop;

    protected PostgresRounds() => _loop = Task.Run(RunAsync);

    protected void Ask(TRequest request) => ObjectDisposedException.ThrowIf(!_waiting.Writer.TryWrite(request), typeof(IEngineStore));

    /// <summary>Makes them all in one round trip, without completing them. What is made alone may wait as long as it takes, since nobody waits behind it.</summary>
    protected abstract Task MakeAsync(IReadOnlyList<TRequest> requests, bool alone);

    private async Task RunAsync()
    {
        while (await _waiting.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            var taken = new List<TRequest>();
            while (taken.Count < MaxPerRoundTrip && _waiting.Reader.TryRead(out var request)) taken.Add(request);
            try
            {
                await MakeAsync(taken, alone: false).ConfigureAwait(false);
                foreach (var request in taken) request.Complete();
            }
            catch (Exception)
            {
                foreach (var request in taken) _ = AloneAsync(request);
            }
        }
    }

    private async Task AloneAsync(TRequest request)
    {
        try
        {
            request.Reset();
            await MakeAsync([request], alone: true).ConfigureAwait(false);
            request.Complete();
        }
        catch (Exception exception)
        {
            request.Fail(exception);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _loop.ConfigureAwait(false);
    }
}
