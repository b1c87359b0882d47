namespace PwWorkflows.Sandbox.Usac;

/// <summary>What can be made to go wrong at the portal.</summary>
/// <param name="Kind">
/// <c>maintenance</c> (the maintenance page, 503), <c>expired_session</c> (the session ends at that page), <c>changed_layout</c> (the box
/// <paramref name="Field"/> gets another id and label), <c>robot</c> (a CAPTCHA page), <c>error</c> (500), <c>slow</c> (waits
/// <paramref name="DelayMs"/> ms), <c>drop_answer</c> (does the work, then closes the connection), <c>no_confirmation</c> (the confirmation
/// page lacks its number).
/// </param>
/// <param name="Page">Page it strikes: a page key such as <c>block-3</c>, <c>review</c>, <c>certify</c>, <c>confirmation</c>, <c>dashboard</c>, <c>filings</c>; null for every page.</param>
/// <param name="Field">Line of the box that <c>changed_layout</c> renames, such as <c>303.1.a</c>.</param>
/// <param name="Method">HTTP method it strikes; null for every method.</param>
/// <param name="Times">How often it strikes; null until cleared.</param>
/// <param name="DelayMs">Delay of <c>slow</c> in milliseconds.</param>
public sealed record UsacFault(string Kind, string? Page = null, string? Field = null, string? Method = null, int? Times = null, int DelayMs = 0);

/// <summary>The faults switched on at the portal. Safe for concurrent use.</summary>
public sealed class UsacFaults
{
    /// <summary>The known kinds.</summary>
    public static IReadOnlyList<string> Kinds { get; } =
        ["maintenance", "expired_session", "changed_layout", "robot", "error", "slow", "drop_answer", "no_confirmation"];

    readonly Lock _gate = new();
    readonly List<UsacFault> _faults = [];

    /// <summary>Switches a fault on.</summary>
    /// <exception cref="ArgumentException">The kind is unknown.</exception>
    public void Add(UsacFault fault)
    {
        ArgumentNullException.ThrowIfNull(fault);
        if (!Kinds.Contains(fault.Kind)) throw new ArgumentException($"kind: expected one of {string.Join(", ", Kinds)}, got '{fault.Kind}'.", nameof(fault));
        lock (_gate) _faults.Add(fault);
    }

    /// <summary>Switches every fault off.</summary>
    public void Clear()
    {
        lock (_gate) _faults.Clear();
    }

    /// <summary>The fault of this kind that strikes here, used up by one; null when none does.</summary>
    internal UsacFault? Take(string kind, string page, string method)
    {
        lock (_gate)
        {
            var at = _faults.FindIndex(f => f.Kind == kind && (f.Page is null || f.Page == page) && (f.Method is null || string.Equals(f.Method, method, StringComparison.OrdinalIgnoreCase)));
            if (at < 0) return null;
            var fault = _faults[at];
            if (fault.Times is { } times)
            {
                if (times <= 1) _faults.RemoveAt(at);
                else _faults[at] = fault with { Times = times - 1 };
            }

            return fault;
        }
    }
}
