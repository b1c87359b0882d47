using System.Globalization;
using System.Text;
using PwWorkflows.Benchmarks.Parts;

namespace PwWorkflows.Benchmarks.Benches;

/// <summary>An HTTP endpoint, a script, a decision and an answer; the finished instance and its journal are on disk when the caller has the answer.</summary>
public sealed class HttpWorkflow : IBench
{
    internal const string Newest = "SELECT * FROM workflow_instances ORDER BY created_at DESC LIMIT 1";
    internal const string NewestJournal = "SELECT * FROM workflow_journal ORDER BY created_at DESC LIMIT 1";

    public string Name => "http-workflow";

    public async Task<IReadOnlyList<Result>> MeasureAsync(Run run, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(run);
        var connection = await run.NewDatabaseAsync(ct);
        var server = await run.ServeAsync(connection, Definitions(run, "http.json"), ct);
        var request = Request(server.Address);
        await Load.HttpAsync(server.Address, 1, TimeSpan.FromSeconds(1), () => request, ct);
        var rows = await RowsAsync(run, connection, ct);
        var floor = await run.FloorAsync(rows, ct);
        var floorRequest = Request(floor.Address);

        await Load.HttpAsync(server.Address, 16, Run.WarmUp, () => request, ct);
        await Load.HttpAsync(floor.Address, 16, Run.WarmUp, () => floorRequest, ct);
        var results = new List<Result>();
        foreach (var clients in run.Options.Clients)
        {
            results.Add(await run.CompareAsync(
                Name, clients, duration => Load.HttpAsync(floor.Address, clients, duration, () => floorRequest, ct), duration => Load.HttpAsync(server.Address, clients, duration, () => request, ct), "requests/s", floor, server));
        }

        if (run.IsPostgres) results.Add(await LogBytesAsync(run, connection, server.Address, request, ct));
        return results;
    }

    /// <summary>A folder with these definitions of ours.</summary>
    internal static string Definitions(Run run, params string[] files)
    {
        var folder = run.Folder("workflows");
        foreach (var file in files) File.Copy(Path.Combine(AppContext.BaseDirectory, "definitions", file), Path.Combine(folder, file), overwrite: true);
        return folder;
    }

    internal static byte[] Request(Uri server) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"GET /workflows/anchor/hello HTTP/1.1\r\nHost: 127.0.0.1:{server.Port}\r\nAccept: */*\r\n\r\n"));

    internal static async Task<byte[][]> RowsAsync(Run run, string connection, CancellationToken ct)
    {
        await using var opened = await run.ConnectAsync(connection, ct);
        return [await Floors.RowAsync(opened, Newest, ct), await Floors.RowAsync(opened, NewestJournal, ct)];
    }

    private static async Task<Result> LogBytesAsync(Run run, string connection, Uri server, byte[] request, CancellationToken ct)
    {
        const string Position = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn";
        await run.ExecuteAsync(connection, "CHECKPOINT", ct);
        await Load.HttpAsync(server, 1, TimeSpan.FromSeconds(30), () => request, ct, most: 200);
        var before = await run.ScalarAsync<long>(connection, Position, ct);
        const int Runs = 2000;
        await Load.HttpAsync(server, 8, TimeSpan.FromSeconds(60), () => request, ct, most: Runs);
        var after = await run.ScalarAsync<long>(connection, Position, ct);
        return new Result("http-workflow/write-ahead-log", run.Database, 8, (after - before) / (double)Runs, "bytes/run");
    }
}
