namespace PwWorkflows.Server.Hosting;

/// <summary>The sandbox's clock: the machine's time plus what was added to it. Only the time of day moves; delays and elapsed time run at the machine's pace.</summary>
internal sealed class MovableClock : TimeProvider
{
    private long _ahead;

    /// <summary>How far ahead of the machine's clock it is.</summary>
    public TimeSpan Ahead => TimeSpan.FromTicks(Interlocked.Read(ref _ahead));

    /// <summary>Moves it forward.</summary>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        Interlocked.Add(ref _ahead, by.Ticks);
    }

    /// <inheritdoc />
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Ahead;
}
