namespace PwWorkflows.Sandbox.Core;

/// <summary>
/// The sandbox's clock: the host's time plus an offset that a test may move. Only the time of day moves; timers and
/// elapsed time run at the host's pace, so that a moved clock never fires or starves a held-up answer.
/// </summary>
/// <param name="inner">The clock of the host.</param>
public sealed class SandboxClock(TimeProvider inner) : TimeProvider
{
    long _offsetTicks;

    /// <inheritdoc />
    public override long TimestampFrequency => inner.TimestampFrequency;

    /// <inheritdoc />
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <inheritdoc />
    public override DateTimeOffset GetUtcNow() => inner.GetUtcNow().AddTicks(Volatile.Read(ref _offsetTicks));

    /// <inheritdoc />
    public override long GetTimestamp() => inner.GetTimestamp();

    /// <inheritdoc />
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        inner.CreateTimer(callback, state, dueTime, period);

    /// <summary>Moves the clock by <paramref name="by"/>; a negative value moves it back.</summary>
    public void Advance(TimeSpan by) => Interlocked.Add(ref _offsetTicks, by.Ticks);

    /// <summary>Sets the clock to <paramref name="now"/>; it goes on from there.</summary>
    public void Set(DateTimeOffset now) => Interlocked.Exchange(ref _offsetTicks, (now - inner.GetUtcNow()).Ticks);

    /// <summary>Follows the host's clock again.</summary>
    public void Reset() => Interlocked.Exchange(ref _offsetTicks, 0);
}
