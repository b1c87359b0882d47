using System.Data;
using System.Data.Common;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace PwWorkflows.Benchmarks.Parts;

/// <summary>The same bytes in one commit, and nothing else: one table a row, each with only its key.</summary>
public interface IFloor : IAsyncDisposable
{
    /// <summary>Writes one row into each table and waits until they are on disk.</summary>
    Task CommitAsync(CancellationToken ct);
}

/// <summary>Makes floors, and the rows they write from the rows that the engine wrote.</summary>
public static class Floors
{
    public static async Task<IFloor> OpenAsync(string database, string connection, IReadOnlyList<byte[]> rows, CancellationToken ct)
    {
        if (database == "sqlite") return SqliteFloor.Open(connection, rows);
        return await PostgresFloor.OpenAsync(connection, rows, ct);
    }

    /// <summary>The bytes of the newest row that a statement gives, all of its columns one after the other.</summary>
    public static async Task<byte[]> RowAsync(DbConnection connection, string sql, CancellationToken ct)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await using var reader = await command.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct)) throw new InvalidOperationException("No row to take the floor's bytes from: " + sql);
        using var bytes = new MemoryStream();
        for (var i = 0; i < reader.FieldCount; i++)
        {
            if (await reader.IsDBNullAsync(i, ct)) continue;
            var value = reader.GetValue(i);
            bytes.Write(value is byte[] blob ? blob : Encoding.UTF8.GetBytes(Convert.ToString(value, CultureInfo.InvariantCulture)!));
        }

        return bytes.ToArray();
    }

    internal static byte[] NewKey() => Guid.CreateVersion7().ToByteArray(bigEndian: true);
}

internal sealed class PostgresFloor(NpgsqlDataSource source, IReadOnlyList<byte[]> rows) : IFloor
{
    public static async Task<PostgresFloor> OpenAsync(string connection, IReadOnlyList<byte[]> rows, CancellationToken ct)
    {
        var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connection) { MaxAutoPrepare = 20, AutoPrepareMinUsages = 1, MaxPoolSize = 40, NoResetOnClose = true }.ConnectionString);
        for (var i = 0; i < rows.Count; i++)
        {
            await using var command = source.CreateCommand($"CREATE TABLE IF NOT EXISTS floor_{i} (id bytea PRIMARY KEY, payload bytea NOT NULL); ALTER TABLE floor_{i} ALTER COLUMN payload SET COMPRESSION lz4");
            await command.ExecuteNonQueryAsync(ct);
        }

        return new PostgresFloor(source, rows);
    }

    public async Task CommitAsync(CancellationToken ct)
    {
        // One round trip: the statements of a batch are one transaction.
        await using var batch = source.CreateBatch();
        for (var i = 0; i < rows.Count; i++)
        {
            var command = new NpgsqlBatchCommand(Statements[i]);
            command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = Floors.NewKey() });
            command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = rows[i] });
            batch.BatchCommands.Add(command);
        }

        await batch.ExecuteNonQueryAsync(ct);
    }

    public ValueTask DisposeAsync() => source.DisposeAsync();

    private static readonly string[] Statements = [.. Enumerable.Range(0, 16).Select(static i => $"INSERT INTO floor_{i} (id, payload) VALUES ($1, $2)")];
}

internal sealed class SqliteFloor : IFloor
{
    private readonly Lock _gate = new();
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _begin;
    private readonly SqliteCommand _commit;
    private readonly List<SqliteCommand> _inserts = [];

    private SqliteFloor(SqliteConnection connection)
    {
        _connection = connection;
        _begin = Command("BEGIN IMMEDIATE");
        _commit = Command("COMMIT");
    }

    public static SqliteFloor Open(string connection, IReadOnlyList<byte[]> rows)
    {
        var opened = new SqliteConnection(connection);
        opened.Open();
        var floor = new SqliteFloor(opened);
        foreach (var sql in (string[])["PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"]) floor.Run(sql);
        for (var i = 0; i < rows.Count; i++)
        {
            floor.Run($"CREATE TABLE IF NOT EXISTS floor_{i} (id blob PRIMARY KEY, payload blob NOT NULL)");
            var insert = floor.Command($"INSERT INTO floor_{i} (id, payload) VALUES ($1, $2)");
            insert.Parameters.Add("$1", SqliteType.Blob);
            insert.Parameters.Add("$2", SqliteType.Blob).Value = rows[i];
            floor._inserts.Add(insert);
        }

        return floor;
    }

    public Task CommitAsync(CancellationToken ct)
    {
        lock (_gate)
        {
            _begin.ExecuteNonQuery();
            foreach (var insert in _inserts)
            {
                insert.Parameters[0].Value = Floors.NewKey();
                insert.ExecuteNonQuery();
            }

            _commit.ExecuteNonQuery();
        }

        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        foreach (var command in (IEnumerable<SqliteCommand>)[_begin, _commit, .. _inserts]) command.Dispose();
        return _connection.DisposeAsync();
    }

    private SqliteCommand Command(string sql)
    {
        var command = _connection.CreateCommand();
#pragma warning disable CA2100 // The bench's own statements.
        command.CommandText = sql;
#pragma warning restore CA2100
        return command;
    }

    private void Run(string sql)
    {
        using var command = Command(sql);
        command.ExecuteNonQuery();
    }
}

/// <summary>A bare endpoint in front of a floor, a process of its own: <c>floor DATABASE CONNECTION ROWS-FILE...</c>.</summary>
public static class FloorServer
{
    public static async Task<int> RunAsync(string[] args)
    {
        ArgumentNullException.ThrowIfNull(args);
        var rows = new List<byte[]>();
        foreach (var file in args.Skip(2)) rows.Add(await File.ReadAllBytesAsync(file));
        await using var floor = await Floors.OpenAsync(args[0], args[1], rows, CancellationToken.None);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        await using var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.Run(async http =>
        {
            // Read whole, as one that checks a signature must.
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body, http.RequestAborted);
            await floor.CommitAsync(http.RequestAborted);
            http.Response.ContentType = "application/json";
            http.Response.ContentLength = Answer.Length;
            await http.Response.Body.WriteAsync(Answer, http.RequestAborted);
        });
        await app.StartAsync();
        Console.Out.WriteLine("ready " + app.Urls.First());
        await app.WaitForShutdownAsync();
        return 0;
    }

    private static readonly byte[] Answer = """{"received":true}"""u8.ToArray();
}
