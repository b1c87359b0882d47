using System.Data.Common;

namespace PwWorkflows.Activities.Data;

/// <summary>
/// The product's door to its database: the same one the workflow engine commits to, so that what a workflow step
/// writes can become part of the commit of its workflow instance.
/// </summary>
/// <remarks>
/// SQL is written in the part that PostgreSQL and SQLite share, with parameters named <c>@name</c>; where the two differ,
/// <see cref="IsPostgres"/> decides. Values are <c>null</c>, text, whole numbers, <see cref="decimal"/>, <see cref="bool"/>,
/// byte arrays and <see cref="DateTimeOffset"/> (always written in UTC).
/// </remarks>
public interface IPwDatabase
{
    /// <summary><c>true</c> on PostgreSQL, <c>false</c> on SQLite.</summary>
    bool IsPostgres { get; }

    /// <summary>Runs a query on an open connection. Sees what is committed, not what the running step has enlisted.</summary>
    /// <typeparam name="T">What the query gives.</typeparam>
    /// <param name="read">Gets an open connection; must not keep it.</param>
    /// <param name="ct">Stops the wait.</param>
    Task<T> ReadAsync<T>(Func<DbConnection, CancellationToken, Task<T>> read, CancellationToken ct);

    /// <summary>
    /// A short look-up by key that workflow steps make all the time: those of several callers may share a round trip. For queries that may take long there is <see cref="ReadAsync"/>.
    /// Sees what is committed, not what the running step has enlisted.
    /// </summary>
    /// <typeparam name="T">What a row gives.</typeparam>
    /// <param name="sql">One <c>SELECT</c>.</param>
    /// <param name="parameters">Its parameters, names without <c>@</c>; at least one of them is not null.</param>
    /// <param name="map">Reads a row.</param>
    /// <param name="ct">Stops the wait.</param>
    Task<List<T>> LookUpAsync<T>(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, Func<DbDataReader, T> map, CancellationToken ct) =>
        this.QueryAsync(sql, parameters, map, ct);

    /// <summary>Runs several statements in one transaction of their own, committed when the function returns and rolled back when it throws.</summary>
    /// <typeparam name="T">What the function gives.</typeparam>
    /// <param name="write">Gets the connection and its transaction; must not commit. May run a second time after a serialization failure.</param>
    /// <param name="ct">Stops the wait.</param>
    Task<T> WriteAsync<T>(Func<DbConnection, DbTransaction, CancellationToken, Task<T>> write, CancellationToken ct);

    /// <summary>Runs one statement that is committed when the call returns; statements of several callers may share one commit.</summary>
    /// <param name="sql">One statement.</param>
    /// <param name="parameters">Its parameters, names without <c>@</c>.</param>
    /// <param name="ct">Stops the wait. A statement already handed to the database may still be committed.</param>
    /// <returns>The number of rows changed.</returns>
    Task<int> ExecuteAsync(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, CancellationToken ct);

    /// <summary>
    /// Adds a statement to the next commit of the workflow instance that is running here: it happens together with the
    /// instance's progress, or not at all.
    /// </summary>
    /// <remarks>
    /// A unique violation, or another row count than expected, makes the engine throw the burst away and run it again from
    /// the last commit. So look first, then enlist: the repeated burst sees the other's row and takes the other way.
    /// </remarks>
    /// <param name="sql">One statement.</param>
    /// <param name="parameters">Its parameters, names without <c>@</c>.</param>
    /// <param name="expectedRows">How many rows it must change; <c>null</c> for any number.</param>
    /// <exception cref="InvalidOperationException">No workflow step is running here.</exception>
    void Enlist(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters, int? expectedRows = null);
}
