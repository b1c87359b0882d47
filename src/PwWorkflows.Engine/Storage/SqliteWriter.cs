using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace PwWorkflows.Engine.Storage;

/// <summary>A write that can be repeated: it is run again on its own when the transaction it shared had to be rolled back.</summary>
internal abstract class SqliteJob(CancellationToken cancellation)
{
    public CancellationToken Cancellation { get; } = cancellation;
    /// <summary>Wants a transaction of its own and manages it itself.</summary>
    public virtual bool Alone => false;
    public abstract void Run(SqliteSession session);
    public abstract void Succeed();
    public abstract void Fail(Exception exception);
    public abstract void Cancel();
}

internal sealed class SqliteJob<T>(Func<SqliteSession, T> work, bool alone, CancellationToken cancellation) : SqliteJob(cancellation)
{
    private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T _result = default!;

    public Task<T> Task => _done.Task;
    public override bool Alone { get; } = alone;
    public override void Run(SqliteSession session) => _result = work(session);
    public override void Succeed() => _done.TrySetResult(_result);
    public override void Fail(Exception exception) => _done.TrySetException(exception);
    public override void Cancel() => _done.TrySetCanceled(Cancellation);
}

/// <summary>
/// The one writer of a SQLite file in this process: a thread that writes everything that is ready in one transaction, so that many callers share one flush. When a job
/// fails, the transaction is rolled back and written again with a savepoint around each job, so that only the bad one is left out.
/// </summary>
internal sealed class SqliteWriter
{
    private readonly string _connectionString;
    private readonly int _most;
    private readonly Action _countRoundTrip;
    private readonly ILogger _logger;
    private readonly Lock _start = new();
    private readonly object _gate = new();
    private readonly Queue<SqliteJob> _queue = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    // Set while a product's write runs on the writer: waiting there for the writer would wait for ever.
    private readonly AsyncLocal<bool> _inside = new();
    private SqliteSession? _session;
    private Thread? _thread;
    private bool _closed;

    public SqliteWriter(string connectionString, int most, Action countRoundTrip, ILogger logger)
    {
        _connectionString = connectionString;
        _most = most;
        _countRoundTrip = countRoundTrip;
        _logger = logger;
    }

    public Task<T> RunAsync<T>(Func<SqliteSession, T> work, CancellationToken ct) => Enqueue(new SqliteJob<T>(work, alone: false, ct));

    /// <summary>Runs a write of the product in a transaction of its own, in turn with the commits.</summary>
    public Task<T> RunAloneAsync<T>(Func<SqliteConnection, SqliteTransaction, CancellationToken, Task<T>> write, CancellationToken ct) =>
        Enqueue(new SqliteJob<T>(
            session =>
            {
                using var transaction = session.Connection.BeginTransaction(deferred: false);
                _inside.Value = true;
                try
                {
                    // The methods of the SQLite provider complete synchronously; a delegate that awaits something else holds up the writer meanwhile.
                    var result = write(session.Connection, transaction, ct).GetAwaiter().GetResult();
                    transaction.Commit();
                    return result;
                }
                finally
                {
                    _inside.Value = false;
                }
            }, alone: true, ct));

    private Task<T> Enqueue<T>(SqliteJob<T> job)
    {
        if (_inside.Value) throw new InvalidOperationException("A write inside a write: use the connection and transaction that were given.");
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, typeof(IEngineStore));
            _queue.Enqueue(job);
            if (_thread is null)
            {
                _thread = new Thread(Loop) { IsBackground = true, Name = "sqlite writer" };
                _thread.Start();
            }

            Monitor.Pulse(_gate);
        }

        return job.Task;
    }

    private void Loop()
    {
        var jobs = new List<SqliteJob>(_most);
        while (Next(jobs))
        {
            try
            {
                _session ??= new SqliteSession(_connectionString, readOnly: false);
                _countRoundTrip();
                if (jobs[0].Alone) RunAlone(_session, jobs[0]);
                else RunJointly(_session, jobs);
            }
            catch (Exception exception)
            {
                // The file can't be written, or the outcome is not known: every caller is told, and the next one gets a fresh connection.
                foreach (var job in jobs) job.Fail(exception);
                _session?.Dispose();
                _session = null;
            }
        }

        _session?.Dispose();
        _ended.TrySetResult();
    }

    private bool Next(List<SqliteJob> jobs)
    {
        jobs.Clear();
        lock (_gate)
        {
            while (jobs.Count == 0)
            {
                while (_queue.Count == 0)
                {
                    if (_closed) return false;
                    Monitor.Wait(_gate);
                }

                while (jobs.Count < _most && _queue.TryPeek(out var job))
                {
                    if (job.Alone && jobs.Count > 0) break;
                    _queue.Dequeue();
                    if (job.Cancellation.IsCancellationRequested) job.Cancel();
                    else jobs.Add(job);
                    if (job.Alone && jobs.Count > 0) break;
                }
            }

            return true;
        }
    }

    private static void RunAlone(SqliteSession session, SqliteJob job)
    {
        try
        {
            job.Run(session);
        }
        catch (Exception exception)
        {
            job.Fail(exception);
            // Its transaction was rolled back as it was disposed of.
            return;
        }

        job.Succeed();
    }

    private void RunJointly(SqliteSession session, List<SqliteJob> jobs)
    {
        session.Execute("BEGIN IMMEDIATE");
        try
        {
            foreach (var job in jobs) job.Run(session);
        }
        catch (Exception exception)
        {
            Rollback(session);
            if (jobs.Count == 1)
            {
                jobs[0].Fail(exception);
                return;
            }

            Log.JointCommitRefused(_logger, jobs.Count, exception.Message);
            RunWithSavepoints(session, jobs);
            return;
        }

        session.Execute("COMMIT");
        foreach (var job in jobs) job.Succeed();
    }

    private static void RunWithSavepoints(SqliteSession session, List<SqliteJob> jobs)
    {
        var done = new List<SqliteJob>(jobs.Count);
        session.Execute("BEGIN IMMEDIATE");
        foreach (var job in jobs)
        {
            session.Execute("SAVEPOINT one");
            try
            {
                job.Run(session);
                done.Add(job);
            }
            catch (Exception exception)
            {
                session.Execute("ROLLBACK TO one");
                job.Fail(exception);
            }

            session.Execute("RELEASE one");
        }

        session.Execute("COMMIT");
        foreach (var job in done) job.Succeed();
    }

    private static void Rollback(SqliteSession session)
    {
        try
        {
            session.Execute("ROLLBACK");
        }
        catch (SqliteException exception) when (exception.SqliteErrorCode == SQLitePCL.raw.SQLITE_ERROR)
        {
            // SQLite has rolled back by itself (disk full, for one).
        }
    }

    public Task CloseAsync()
    {
        lock (_gate)
        {
            _closed = true;
            if (_thread is null) _ended.TrySetResult();
            Monitor.PulseAll(_gate);
        }

        return _ended.Task;
    }
}
