using System.Collections.Concurrent;

namespace PwWorkflows.Activities.Usac;

/// <summary>
/// When the stored sessions end, for pages that ask every few seconds. The object store can't be asked for it: every session is an object of its own that has to be read. So all are looked through
/// every five minutes; a session that this process stores is looked at at once, and those that end soon, which are the ones somebody may just have renewed elsewhere, every quarter of a minute.
/// </summary>
public sealed class UsacSessionEnds : IDisposable
{
    /// <summary>So long before its end a session ends soon.</summary>
    public static readonly TimeSpan Soon = TimeSpan.FromDays(3);

    /// <summary>At most so many carriers are looked at.</summary>
    public const int Looked = 500;

    private static readonly TimeSpan All = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Ending = TimeSpan.FromSeconds(15);

    private readonly UsacSessions _sessions;
    private readonly TimeProvider _clock;
    private readonly SemaphoreSlim _gate = new(1);
    private readonly ConcurrentDictionary<int, bool> _stored = new();
    private Dictionary<int, DateTimeOffset>? _ends;
    private long _allAt;
    private long _endingAt;
    private long _version;

    /// <summary>Listens to what is stored from now on.</summary>
    public UsacSessionEnds(UsacSessions sessions, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(sessions);
        (_sessions, _clock) = (sessions, clock);
        sessions.Stored += OnStored;
    }

    /// <summary>Changes when this process has stored a session: what was read before is out of date.</summary>
    public long Version => Volatile.Read(ref _version);

    /// <summary>The carriers whose sessions end within <see cref="Soon"/> or have ended, the earliest end first.</summary>
    /// <exception cref="Storage.ObjectStoreException">The store can't be asked.</exception>
    public async Task<IReadOnlyList<(int TelecomEntityId, DateTimeOffset EndsAt)>> EndingAsync(CancellationToken ct)
    {
        await _gate.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            await LookAsync(ct).ConfigureAwait(false);
            return [.. SoonOf(_ends!).OrderBy(static e => e.Value).Select(static e => (e.Key, e.Value))];
        }
        catch
        {
            // What was to be looked at is not known any more.
            _ends = null;
            throw;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _sessions.Stored -= OnStored;
        _gate.Dispose();
    }

    private async Task LookAsync(CancellationToken ct)
    {
        var now = _clock.GetTimestamp();
        if (_ends is null || _clock.GetElapsedTime(_allAt, now) >= All)
        {
            _stored.Clear();
            _ends = (await _sessions.EndsAsync(Looked, ct).ConfigureAwait(false)).ToDictionary(static e => e.TelecomEntityId, static e => e.EndsAt);
            (_allAt, _endingAt) = (now, now);
            return;
        }

        var look = new HashSet<int>();
        if (_clock.GetElapsedTime(_endingAt, now) >= Ending)
        {
            look.UnionWith(SoonOf(_ends).Select(static e => e.Key));
            _endingAt = now;
        }

        // Taken out before it is read: what is stored meanwhile is looked at once more.
        foreach (var entity in _stored.Keys)
            if (_stored.TryRemove(entity, out _)) look.Add(entity);
        foreach (var entity in look)
        {
            if (await _sessions.EndAsync(entity, ct).ConfigureAwait(false) is { } end) _ends[entity] = end;
            else _ends.Remove(entity);
        }
    }

    private IEnumerable<KeyValuePair<int, DateTimeOffset>> SoonOf(Dictionary<int, DateTimeOffset> ends)
    {
        var until = _clock.GetUtcNow() + Soon;
        return ends.Where(e => e.Value < until);
    }

    private void OnStored(int entity)
    {
        _stored[entity] = true;
        Interlocked.Increment(ref _version);
    }
}
