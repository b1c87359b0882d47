namespace PwWorkflows.Server.Admin;

/// <summary>
/// Slows down who guesses passwords: after some wrong tries the next one must wait, ever longer. Counted per account and address, per address
/// and per account; nobody is locked out for good, and a stranger's tries delay an account's owner by at most half a minute.
/// </summary>
public sealed class LoginThrottle(TimeProvider time)
{
    private const int Capacity = 50_000;
    private static readonly TimeSpan Forget = TimeSpan.FromMinutes(15);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, (int Failures, DateTimeOffset Last)> _counters = new(StringComparer.Ordinal);

    /// <summary>How long the next try must wait; zero when it may go on.</summary>
    public TimeSpan Wait(string account, string address)
    {
        var now = time.GetUtcNow();
        var longest = TimeSpan.Zero;
        lock (_lock)
        {
            foreach (var (key, free, most) in Keys(account, address))
            {
                if (!_counters.TryGetValue(key, out var counter) || now - counter.Last > Forget || counter.Failures < free) continue;
                var delay = TimeSpan.FromSeconds(Math.Min(most, Math.Pow(2, Math.Min(counter.Failures - free, 20))));
                var left = counter.Last + delay - now;
                if (left > longest) longest = left;
            }
        }

        return longest;
    }

    /// <summary>Counts a wrong try.</summary>
    public void Failed(string account, string address)
    {
        var now = time.GetUtcNow();
        lock (_lock)
        {
            if (_counters.Count >= Capacity) Prune(now);
            foreach (var (key, _, _) in Keys(account, address))
            {
                var failures = _counters.TryGetValue(key, out var counter) && now - counter.Last <= Forget ? counter.Failures : 0;
                _counters[key] = (failures + 1, now);
            }
        }
    }

    /// <summary>Forgets the wrong tries of an account from an address: its owner has signed in there.</summary>
    public void Succeeded(string account, string address)
    {
        lock (_lock) _counters.Remove(PairKey(account, address));
    }

    private void Prune(DateTimeOffset now)
    {
        foreach (var key in _counters.Where(c => now - c.Value.Last > Forget).Select(static c => c.Key).ToList()) _counters.Remove(key);
        // Still full: somebody tries from everywhere. The oldest half goes.
        if (_counters.Count < Capacity) return;
        foreach (var key in _counters.OrderBy(static c => c.Value.Last).Take(Capacity / 2).Select(static c => c.Key).ToList()) _counters.Remove(key);
    }

    private static (string Key, int Free, double MostSeconds)[] Keys(string account, string address) =>
        [(PairKey(account, address), 3, 300), ("address " + address, 30, 300), ("account " + account.ToLowerInvariant(), 15, 30)];

    private static string PairKey(string account, string address) => $"both {address} {account.ToLowerInvariant()}";
}
