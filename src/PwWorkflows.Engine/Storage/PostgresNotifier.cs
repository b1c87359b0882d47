using Microsoft.Extensions.Logging;
using Npgsql;

namespace PwWorkflows.Engine.Storage;

/// <summary>
/// Hints between nodes by LISTEN and NOTIFY. A hint is sent after the commit it is about and apart from it, because NOTIFY makes commits wait for each other; many hints
/// at once become one. A lost hint costs time only: the rows are the truth.
/// </summary>
internal sealed class PostgresNotifier(NpgsqlDataSource source, string connectionString, StoreSignal signal, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private const string Channel = "pw_engine";
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Reconnect = TimeSpan.FromSeconds(1);

    private readonly string _self = Guid.CreateVersion7().ToString("N");
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private Task? _listening;
    private Task _telling = Task.CompletedTask;
    private bool _again;

    public void Tell()
    {
        lock (_gate)
        {
            _again = true;
            if (_telling.IsCompleted && !_stop.IsCancellationRequested) _telling = Task.Run(TellAsync);
        }
    }

    private async Task TellAsync()
    {
        while (true)
        {
            lock (_gate)
            {
                if (!_again || _stop.IsCancellationRequested)
                {
                    _telling = Task.CompletedTask;
                    return;
                }

                _again = false;
            }

            try
            {
                await using (var command = source.CreateCommand($"SELECT set_config('synchronous_commit', 'off', true), pg_notify('{Channel}', '{_self}')"))
                    await command.ExecuteNonQueryAsync(_stop.Token).ConfigureAwait(false);
                await Task.Delay(Pause, time, _stop.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is NpgsqlException or OperationCanceledException or ObjectDisposedException)
            {
                if (!_stop.IsCancellationRequested) Log.HintNotSent(logger, exception);
            }
        }
    }

    /// <summary>Begins to listen, if it does not yet.</summary>
    public void Listen()
    {
        if (Volatile.Read(ref _listening) is not null) return;
        lock (_gate)
        {
            if (_listening is null && !_stop.IsCancellationRequested) _listening = Task.Run(ListenAsync);
        }
    }

    private async Task ListenAsync()
    {
        // A connection that broke without a word is found out by the keepalive.
        var own = new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, KeepAlive = 30, Enlist = false }.ConnectionString;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await using var connection = new NpgsqlConnection(own);
                connection.Notification += (_, e) =>
                {
                    if (e.Payload != _self) signal.Set();
                };
                await connection.OpenAsync(_stop.Token).ConfigureAwait(false);
                await using (var command = new NpgsqlCommand("LISTEN " + Channel, connection)) await command.ExecuteNonQueryAsync(_stop.Token).ConfigureAwait(false);
                // Something may have been said before this connection listened.
                signal.Set();
                while (true) await connection.WaitAsync(_stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (exception is NpgsqlException or IOException or TimeoutException or System.Net.Sockets.SocketException)
            {
                Log.ListenerLost(logger, exception);
                await Task.Delay(Reconnect, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task telling;
        Task? listening;
        lock (_gate)
        {
            _stop.Cancel();
            (telling, listening) = (_telling, _listening);
        }

        await telling.ConfigureAwait(false);
        if (listening is not null) await listening.ConfigureAwait(false);
        _stop.Dispose();
    }
}
