using System.Data.Common;
using Npgsql;

namespace PwWorkflows.Engine.Storage;

/// <summary>PostgreSQL for the product's own tables: pooled connections with the settings of the operator.</summary>
internal sealed class PostgresDatabase : IEngineDatabase
{
    private readonly Action _countRoundTrip;
    private readonly PostgresLookUps _lookUps;
    private readonly Func<EnlistedWrite, CancellationToken, Task<int>> _execute;

    public PostgresDatabase(string connectionString, Action countRoundTrip, Func<EnlistedWrite, CancellationToken, Task<int>> execute, PostgresLookUps lookUps)
    {
        _lookUps = lookUps;
        _countRoundTrip = countRoundTrip;
        _execute = execute;
        var builder = new NpgsqlConnectionStringBuilder(connectionString);
        // Several nodes share a server of 100 connections by default; who sets another size gets it.
        if (builder.MaxPoolSize == new NpgsqlConnectionStringBuilder().MaxPoolSize) builder.MaxPoolSize = 20;
        if (builder.MaxAutoPrepare == 0) builder.MaxAutoPrepare = 100;
        // Nothing here changes a session, so there is nothing to reset each time a connection goes back to the pool.
        builder.NoResetOnClose = true;
        ConnectionString = connectionString;
        Source = new NpgsqlDataSourceBuilder(builder.ConnectionString).Build();
    }

    public NpgsqlDataSource Source { get; }
    public DatabaseProvider Provider => DatabaseProvider.PostgreSql;
    public string ConnectionString { get; }

    public async Task<T> ReadAsync<T>(Func<DbConnection, CancellationToken, Task<T>> read, CancellationToken ct)
    {
        _countRoundTrip();
        await using var connection = await Source.OpenConnectionAsync(ct).ConfigureAwait(false);
        return await read(connection, ct).ConfigureAwait(false);
    }

    public Task<List<T>> LookUpAsync<T>(EnlistedWrite query, Func<DbDataReader, T> map, CancellationToken ct) =>
        _lookUps.TryFind(query, map, ct) ?? throw new ArgumentException($"A look-up is one SELECT with values, without comments and quoted names: {query.Sql}", nameof(query));

    public Task<int> ExecuteAsync(EnlistedWrite write, CancellationToken ct) => _execute(write, ct);

    public async Task<T> WriteAsync<T>(Func<DbConnection, DbTransaction, CancellationToken, Task<T>> write, CancellationToken ct)
    {
        await using var connection = await Source.OpenConnectionAsync(ct).ConfigureAwait(false);
        await using var transaction = await connection.BeginTransactionAsync(ct).ConfigureAwait(false);
        var result = await write(connection, transaction, ct).ConfigureAwait(false);
        _countRoundTrip();
        // Once sent, the outcome is waited for.
        await transaction.CommitAsync(CancellationToken.None).ConfigureAwait(false);
        return result;
    }
}
