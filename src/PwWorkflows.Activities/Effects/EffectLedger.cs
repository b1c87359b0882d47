using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Effects;

/// <summary>The effect ledger over the product's database (table <c>effects</c>).</summary>
/// <remarks>
/// The runner of an effect holds it by a lease on the database's clock and renews it while it works. Another caller of the same key
/// waits for the result while the lease lives; after that it takes the effect over and asks the outside. A runner of the same
/// machine whose process is gone is not waited for. A runner that was silent for too long, such as on a frozen machine, learns that it
/// has lost the effect from the next renewal, which calls its work off, or from <see cref="ConfirmAsync"/>.
/// </remarks>
public sealed class EffectLedger : IEffectLedger
{
    /// <summary>How long a runner that says nothing is taken to be alive.</summary>
    internal const int LeaseSeconds = 30;

    private static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(LeaseSeconds / 3.0);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(250);

    private readonly IPwDatabase _database;
    private readonly TimeProvider _time;
    private readonly ILogger<EffectLedger> _logger;
    private readonly string _owner;
    private readonly Dictionary<string, Gate> _gates = new(StringComparer.Ordinal);

    /// <summary>Creates the ledger.</summary>
    public EffectLedger(IPwDatabase database, TimeProvider time, ILogger<EffectLedger> logger)
        : this(database, time, logger, $"{ProcessIdentity.Current}|{Guid.NewGuid():N}")
    {
    }

    internal EffectLedger(IPwDatabase database, TimeProvider time, ILogger<EffectLedger> logger, string owner)
    {
        _database = database;
        _time = time;
        _logger = logger;
        _owner = owner;
    }

    private sealed record Row(string Status, string Owner, bool LeaseAlive, string? Result, string? Note);

    /// <inheritdoc />
    public async Task<T> RunAsync<T>(
        string key, string kind, Func<CancellationToken, Task<T>> perform, Func<CancellationToken, Task<Reconciliation<T>>> reconcile, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(key);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(key.Length, 300, nameof(key));
        ArgumentException.ThrowIfNullOrWhiteSpace(kind);
        ArgumentNullException.ThrowIfNull(perform);
        ArgumentNullException.ThrowIfNull(reconcile);

        // Callers of this process queue here, so that only one of them talks to the database about the key, and a row of ours
        // found started is certainly a failed try and not one under way.
        var gate = Enter(key);
        try
        {
            await gate.Turn.WaitAsync(ct).ConfigureAwait(false);
            try
            {
                return await RunOneAsync(key, kind, perform, reconcile, ct).ConfigureAwait(false);
            }
            finally
            {
                gate.Turn.Release();
            }
        }
        finally
        {
            Leave(key, gate);
        }
    }

    private sealed class Gate
    {
        public SemaphoreSlim Turn { get; } = new(1, 1);

        public int Users { get; set; }
    }

    private Gate Enter(string key)
    {
        lock (_gates)
        {
            if (!_gates.TryGetValue(key, out var gate)) _gates.Add(key, gate = new Gate());
            gate.Users++;
            return gate;
        }
    }

    private void Leave(string key, Gate gate)
    {
        lock (_gates)
        {
            if (--gate.Users > 0) return;
            _gates.Remove(key);
            gate.Turn.Dispose();
        }
    }

    /// <inheritdoc />
    public async Task ConfirmAsync(string key, CancellationToken ct)
    {
        if (!await HoldAsync(key, ct).ConfigureAwait(false)) throw EffectLeaseLostException.BeforeAnything(key);
    }

    private async Task<T> RunOneAsync<T>(
        string key, string kind, Func<CancellationToken, Task<T>> perform, Func<CancellationToken, Task<Reconciliation<T>>> reconcile, CancellationToken ct)
    {
        if (await TryStartAsync(key, kind, ct).ConfigureAwait(false)) return await PerformAsync(key, kind, perform, ct).ConfigureAwait(false);
        while (true)
        {
            var row = await ReadAsync(key, ct).ConfigureAwait(false);
            if (row is null)
            {
                // The one who held it found that nothing was done, and let go.
                if (await TryStartAsync(key, kind, ct).ConfigureAwait(false)) return await PerformAsync(key, kind, perform, ct).ConfigureAwait(false);
                continue;
            }

            if (row.Status == "done") return Read<T>(key, row.Result!);
            var mine = row.Owner == _owner;
            if (row.LeaseAlive && !mine && ProcessIdentity.MayBeAlive(row.Owner))
            {
                await Task.Delay(LookEvery, _time, ct).ConfigureAwait(false);
                continue;
            }

            if (await TakeOverAsync(key, row, ct).ConfigureAwait(false)) return await ReconcileAsync(key, kind, perform, reconcile, ct).ConfigureAwait(false);
        }
    }

    private async Task<T> PerformAsync<T>(string key, string kind, Func<CancellationToken, Task<T>> perform, CancellationToken ct)
    {
        T result;
        try
        {
            result = await WithLeaseAsync(key, perform, ct).ConfigureAwait(false);
        }
        catch (Exception e) when (ProvesNothingHappened(e))
        {
            await DeleteAsync(key).ConfigureAwait(false);
            throw;
        }
        catch (Exception e)
        {
            // Left started: whoever comes next asks the outside first, and need not wait for the lease.
            await ReleaseAsync(key, kind, e.GetType().Name).ConfigureAwait(false);
            throw;
        }

        await FinishAsync(key, kind, result).ConfigureAwait(false);
        return result;
    }

    private async Task<T> ReconcileAsync<T>(
        string key, string kind, Func<CancellationToken, Task<T>> perform, Func<CancellationToken, Task<Reconciliation<T>>> reconcile, CancellationToken ct)
    {
        Reconciliation<T> answer;
        try
        {
            answer = await WithLeaseAsync(key, reconcile, ct).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await ReleaseAsync(key, kind, e.GetType().Name).ConfigureAwait(false);
            throw;
        }

        switch (answer)
        {
            case Reconciliation<T>.Happened happened:
                EffectLog.Reconciled(_logger, key, "it had happened");
                await FinishAsync(key, kind, happened.Result).ConfigureAwait(false);
                return happened.Result;
            case Reconciliation<T>.DidNotHappen:
                EffectLog.Reconciled(_logger, key, "it had not happened");
                // An answer that came too late says nothing about what another has done since.
                await ConfirmAsync(key, ct).ConfigureAwait(false);
                return await PerformAsync(key, kind, perform, ct).ConfigureAwait(false);
            case Reconciliation<T>.Unknown unknown:
                EffectLog.Uncertain(_logger, key, unknown.Why);
                await _database.ExecuteAsync(
                    "UPDATE effects SET status = 'uncertain', note = @why, lease_until = 0 WHERE key = @key AND owner = @owner AND status <> 'done'",
                    Parameters.Of(("why", unknown.Why), ("key", key), ("owner", _owner)),
                    CancellationToken.None).ConfigureAwait(false);
                throw new EffectUncertainException(key, unknown.Why);
            default:
                throw new InvalidOperationException($"The reconciliation of '{key}' gave nothing.");
        }
    }

    /// <summary>Works while the lease is renewed; the work is called off when a renewal finds that another has taken the effect over.</summary>
    private async Task<T> WithLeaseAsync<T>(string key, Func<CancellationToken, Task<T>> work, CancellationToken ct)
    {
        using var lost = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var timer = new PeriodicTimer(RenewEvery, _time);
        var renewing = RenewAsync(key, timer, lost);
        try
        {
            return await work(lost.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (lost.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            throw new EffectLeaseLostException(key, e);
        }
        finally
        {
            timer.Dispose();
            await renewing.ConfigureAwait(false);
        }
    }

    private async Task RenewAsync(string key, PeriodicTimer timer, CancellationTokenSource lost)
    {
        while (await timer.WaitForNextTickAsync(CancellationToken.None).ConfigureAwait(false))
        {
            try
            {
                if (await HoldAsync(key, CancellationToken.None).ConfigureAwait(false)) continue;
                EffectLog.LeaseLost(_logger, key);
                await lost.CancelAsync().ConfigureAwait(false);
                return;
            }
            catch (Exception e)
            {
                EffectLog.RenewFailed(_logger, e, key);
            }
        }
    }

    /// <summary>Renews the lease, also one that has lapsed and that nobody has taken.</summary>
    /// <returns><c>false</c> when the effect is no longer this owner's.</returns>
    private async Task<bool> HoldAsync(string key, CancellationToken ct) =>
        await _database.ExecuteAsync(
            $"UPDATE effects SET lease_until = {_database.UnixNow()} + {LeaseSeconds} WHERE key = @key AND owner = @owner AND status = 'started'",
            Parameters.Of(("key", key), ("owner", _owner)),
            ct).ConfigureAwait(false) == 1;

    private async Task<bool> TryStartAsync(string key, string kind, CancellationToken ct) =>
        await _database.ExecuteAsync(
            $"""
             INSERT INTO effects (key, kind, status, owner, lease_until, started_at)
             VALUES (@key, @kind, 'started', @owner, {_database.UnixNow()} + {LeaseSeconds}, @now) ON CONFLICT (key) DO NOTHING
             """,
            Parameters.Of(("key", key), ("kind", kind), ("owner", _owner), ("now", _time.GetUtcNow())),
            ct).ConfigureAwait(false) == 1;

    private async Task<Row?> ReadAsync(string key, CancellationToken ct)
    {
        var rows = await _database.LookUpAsync(
            $"SELECT status, owner, CASE WHEN lease_until > {_database.UnixNow()} THEN 1 ELSE 0 END, result, note FROM effects WHERE key = @key",
            Parameters.Of(("key", key)),
            static r => new Row(r.GetString(0), r.GetString(1), r.GetInt32(2) == 1, r.Text(3), r.Text(4)),
            ct).ConfigureAwait(false);
        return rows.Count == 0 ? null : rows[0];
    }

    private async Task<bool> TakeOverAsync(string key, Row row, CancellationToken ct) =>
        await _database.ExecuteAsync(
            $"""
             UPDATE effects SET status = 'started', owner = @owner, attempts = attempts + 1, lease_until = {_database.UnixNow()} + {LeaseSeconds}
             WHERE key = @key AND status = @status AND owner = @before AND ({(row.LeaseAlive ? "1 = 1" : $"lease_until <= {_database.UnixNow()}")})
             """,
            Parameters.Of(("owner", _owner), ("key", key), ("status", row.Status), ("before", row.Owner)),
            ct).ConfigureAwait(false) == 1;

    // What has happened outside is written down even when the caller has gone away, and whoever has the row by now.
    private async Task FinishAsync<T>(string key, string kind, T result)
    {
        var json = JsonSerializer.Serialize(result, JsonSerializerOptions.Web);
        if (await _database.ExecuteAsync(
            "UPDATE effects SET status = 'done', result = @result, note = NULL, finished_at = @now WHERE key = @key AND status <> 'done'",
            Parameters.Of(("result", json), ("now", _time.GetUtcNow()), ("key", key)),
            CancellationToken.None).ConfigureAwait(false) == 0) await PutAsync(key, kind, "done", json, null).ConfigureAwait(false);
    }

    /// <summary>Writes the row of an effect when there is none: another had taken the effect over meanwhile, proved that its own try did nothing, and so freed the key.</summary>
    private async Task PutAsync(string key, string kind, string status, string? result, string? why) =>
        await _database.ExecuteAsync(
            """
            INSERT INTO effects (key, kind, status, owner, lease_until, result, note, started_at, finished_at)
            VALUES (@key, @kind, @status, @owner, 0, @result, @why, @now, @finished) ON CONFLICT (key) DO NOTHING
            """,
            Parameters.Of(
                ("key", key), ("kind", kind), ("status", status), ("owner", _owner), ("result", result), ("why", why), ("now", _time.GetUtcNow()),
                ("finished", result is null ? null : _time.GetUtcNow())),
            CancellationToken.None).ConfigureAwait(false);

    private async Task DeleteAsync(string key) =>
        await _database.ExecuteAsync(
            "DELETE FROM effects WHERE key = @key AND owner = @owner AND status = 'started'",
            Parameters.Of(("key", key), ("owner", _owner)),
            CancellationToken.None).ConfigureAwait(false);

    private async Task ReleaseAsync(string key, string kind, string why)
    {
        if (await _database.ExecuteAsync(
            "UPDATE effects SET lease_until = 0, note = @why WHERE key = @key AND owner = @owner AND status = 'started'",
            Parameters.Of(("why", why), ("key", key), ("owner", _owner)),
            CancellationToken.None).ConfigureAwait(false) == 0) await PutAsync(key, kind, "started", null, why).ConfigureAwait(false);
    }

    private static T Read<T>(string key, string json) =>
        JsonSerializer.Deserialize<T>(json, JsonSerializerOptions.Web)
        ?? throw new InvalidOperationException($"The result on record for the effect '{key}' is empty.");

    internal static bool ProvesNothingHappened(Exception e) => e switch
    {
        IEffectFailure failure => failure.NothingHappened,
        HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError } => true,
        SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostNotFound or SocketError.HostUnreachable or SocketError.NetworkUnreachable } => true,
        _ => false,
    };
}

/// <summary>Tells one run of one process of this machine from every other; any process of the machine finds the same of another.</summary>
/// <param name="Machine">The machine in this life: its name, what it was given at its boot, and who counts its processes, as a container does by itself.</param>
/// <param name="ProcessId">The process.</param>
/// <param name="StartedAt">When it started, in clock ticks since the boot: a process id is used again. 0 where the machine does not tell.</param>
internal sealed record ProcessIdentity(string Machine, int ProcessId, long StartedAt)
{
    private const string BootIdFile = "/proc/sys/kernel/random/boot_id";

    private static readonly string ThisMachine =
        $"{Environment.MachineName} {(File.Exists(BootIdFile) ? File.ReadAllText(BootIdFile).Trim() : "")} {new FileInfo("/proc/self/ns/pid").LinkTarget}";

    public static ProcessIdentity Current { get; } = Of(Environment.ProcessId);

    public static ProcessIdentity Of(int processId) => new(ThisMachine, processId, StartOf(processId) ?? 0);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Machine}|{ProcessId}|{StartedAt}");

    /// <summary><c>false</c> only when the owner was a process of this machine that is gone. Of owners written otherwise, such as by earlier versions, nothing is known.</summary>
    public static bool MayBeAlive(string owner)
    {
        if (owner.Split('|') is not [var machine, var id, var started, ..] || machine != ThisMachine
            || !int.TryParse(id, CultureInfo.InvariantCulture, out var processId)) return true;
        return StartOf(processId) switch
        {
            null => false,
            0 => true,
            var now => started is "0" || started == now.Value.ToString(CultureInfo.InvariantCulture),
        };
    }

    /// <summary>The kernel's own figure. Process.StartTime is counted from a start of the machine that each process works out for itself, so two processes differ by some ticks.</summary>
    /// <returns><c>null</c> when no such process runs; 0 when one does whose start can't be told.</returns>
    private static long? StartOf(int processId)
    {
        string stat;
        try
        {
            stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Runs(processId) ? 0 : null;
        }

        // The name in parentheses may hold anything. What follows it begins with the third field, the state; the start is the 22nd.
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        // One that has ended and whose parent has not asked yet is dead as well.
        return fields[0] is "Z" or "X" ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
    }

    private static bool Runs(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}

internal static partial class EffectLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "[effects] {Key} was left started; asked the outside: {Answer}")]
    public static partial void Reconciled(ILogger logger, string key, string answer);

    [LoggerMessage(Level = LogLevel.Error, Message = "[effects] {Key}: nobody can tell whether it happened: {Why}")]
    public static partial void Uncertain(ILogger logger, string key, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[effects] {Key}: another node has taken it over while this one was silent; its work on it is called off")]
    public static partial void LeaseLost(ILogger logger, string key);

    [LoggerMessage(Level = LogLevel.Warning, Message = "[effects] {Key}: the lease could not be renewed")]
    public static partial void RenewFailed(ILogger logger, Exception error, string key);
}
