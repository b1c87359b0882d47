namespace PwWorkflows.Activities.Effects;

/// <summary>What the outside says about an effect that was started and of which no result is on record.</summary>
/// <typeparam name="T">The effect's result.</typeparam>
public abstract record Reconciliation<T>
{
    private Reconciliation() { }

    /// <summary>It happened.</summary>
    /// <param name="Result">Its result, as the outside shows it.</param>
    public sealed record Happened(T Result) : Reconciliation<T>;

    /// <summary>It certainly did not happen; doing it is safe.</summary>
    public sealed record DidNotHappen : Reconciliation<T>;

    /// <summary>The outside can't tell. A person must look.</summary>
    /// <param name="Why">What was asked and what came back, for the person.</param>
    public sealed record Unknown(string Why) : Reconciliation<T>;
}

/// <summary>
/// The one way to change the outside: each change has a business key and happens at most once, across duplicates, crashes and
/// nodes. A row says <c>started</c> before the change and <c>done</c> with the result after it; a row left <c>started</c> is never
/// simply repeated, the outside is asked first.
/// </summary>
public interface IEffectLedger
{
    /// <summary>Performs an effect once and gives its result; a later call with the same key gives the stored result.</summary>
    /// <typeparam name="T">The result; stored as JSON, so it must read back equal, and it must never contain a secret.</typeparam>
    /// <param name="key">The business key, such as <c>erp:SAL-ORD-2026-00042:Service Queued</c>; at most 300 characters.</param>
    /// <param name="kind">What kind of effect it is, such as <c>erpnext.state</c>, for people who read the ledger.</param>
    /// <param name="perform">
    /// Changes the outside. Its token is cancelled when the caller's is, and when another node has taken the effect over because this one was silent for
    /// too long; right before a step that can't be taken back it asks <see cref="ConfirmAsync"/>. When it throws an <see cref="IEffectFailure"/> that says so (or the connection was refused before anything was
    /// sent) the key is free again; any other exception leaves the effect started, and the next call reconciles.
    /// </param>
    /// <param name="reconcile">Asks the outside whether the effect happened. Must only read.</param>
    /// <param name="ct">Stops the wait; an effect under way is left started.</param>
    /// <exception cref="EffectUncertainException">The outside can't tell whether it happened: park the workflow and ask a person.</exception>
    /// <exception cref="EffectLeaseLostException">Another node has taken the effect over: the next call waits for its result.</exception>
    Task<T> RunAsync<T>(
        string key,
        string kind,
        Func<CancellationToken, Task<T>> perform,
        Func<CancellationToken, Task<Reconciliation<T>>> reconcile,
        CancellationToken ct);

    /// <summary>
    /// Asked by an effect under way right before a step that can't be taken back, and before it has changed anything: is it still this node's to take? The lease
    /// then lasts for half a minute more, within which the step must have been taken.
    /// </summary>
    /// <param name="key">The effect's key.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <exception cref="EffectLeaseLostException">Another node has taken the effect over, so the step must not be taken. The other's row stays as it is.</exception>
    Task ConfirmAsync(string key, CancellationToken ct);
}

/// <summary>Implemented by exceptions that know whether the outside was left unchanged.</summary>
public interface IEffectFailure
{
    /// <summary><c>true</c> when the effect certainly did not happen (refused, invalid, not sent), so that it may simply be tried again.</summary>
    bool NothingHappened { get; }
}

/// <summary>Thrown by an effect that certainly changed nothing (refused, invalid, not sent), so that it may be tried again.</summary>
public sealed class EffectNotPerformedException : Exception, IEffectFailure
{
    /// <inheritdoc />
    public bool NothingHappened => true;

    /// <summary>Creates the exception.</summary>
    public EffectNotPerformedException() { }

    /// <summary>Creates the exception with the reason.</summary>
    public EffectNotPerformedException(string message) : base(message) { }

    /// <summary>Creates the exception with the reason and the error from outside.</summary>
    public EffectNotPerformedException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>
/// Another node has taken an effect over because this one was silent for longer than its lease. What the other does of it counts: the next try waits for it and
/// takes its result, or asks the outside when the other has ended without one.
/// </summary>
public sealed class EffectLeaseLostException : Exception, IEffectFailure
{
    /// <inheritdoc />
    public bool NothingHappened { get; private init; }

    /// <summary>Creates the exception.</summary>
    public EffectLeaseLostException() { }

    /// <summary>Creates the exception with a message.</summary>
    public EffectLeaseLostException(string message) : base(message) { }

    /// <summary>Creates the exception for work that was called off; how far it had come is not known.</summary>
    /// <param name="key">The effect's key.</param>
    /// <param name="innerException">How the work ended.</param>
    public EffectLeaseLostException(string key, Exception innerException) : base(Text(key), innerException) { }

    internal static EffectLeaseLostException BeforeAnything(string key) => new(Text(key)) { NothingHappened = true };

    private static string Text(string key) => $"Another node has taken the effect '{key}' over while this one was silent; the next try takes its result.";
}

/// <summary>Nobody can tell whether an effect happened. It must not be repeated before a person has looked.</summary>
public sealed class EffectUncertainException : NonRetryableException
{
    /// <summary>Creates the exception.</summary>
    public EffectUncertainException() { }

    /// <summary>Creates the exception with a message.</summary>
    public EffectUncertainException(string message) : base(message) { }

    /// <summary>Creates the exception with a message and the error from outside.</summary>
    public EffectUncertainException(string message, Exception innerException) : base(message, innerException) { }

    /// <summary>Creates the exception for one effect.</summary>
    /// <param name="key">The effect's key.</param>
    /// <param name="why">What the outside answered.</param>
    public EffectUncertainException(string key, string why)
        : base($"It is not known whether the effect '{key}' happened: {why} Look at the other system, then tell: pw effects settle.") => Key = key;

    /// <summary>The effect's key.</summary>
    public string Key { get; } = "";
}
