using Npgsql;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Scheduling;

/// <summary>Two server processes on one PostgreSQL, of which one is stopped (SIGSTOP) for longer than its leases last and then goes on.</summary>
public sealed class FrozenNodeTests(PostgresFixture postgres) : IAsyncLifetime
{
    // Each run is for a second between two commits, so that the frozen node is caught in the middle of one.
    private const string Definition =
        """
        {"definitionId":"pw-tick","id":"pw-tick:1","name":"pw-tick","version":1,
         "root":{"type":"Elsa.Sequence","id":"s","activities":[
          {"type":"Pw.Schedule","id":"schedule","customProperties":{"canStartWorkflow":true},"cron":{"typeName":"String","expression":{"type":"Literal","value":"* * * * * *"}},
           "catchUp":{"typeName":"String","expression":{"type":"Literal","value":"RunEach"}},"catchUpLimit":{"typeName":"Int32","expression":{"type":"Literal","value":"500"}},
           "overlap":{"typeName":"String","expression":{"type":"Literal","value":"Allow"}}},
          {"type":"Elsa.Delay","id":"wait","timeSpan":{"typeName":"TimeSpan","expression":{"type":"Literal","value":"00:00:01"}}},
          {"type":"Elsa.WriteLine","id":"work","text":{"typeName":"String","expression":{"type":"Literal","value":"ticked"}}}]}}
        """;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    private readonly TemporaryFolder _folder = new();
    private NpgsqlDataSource _database = null!;
    private string _connection = "";
    private Dictionary<string, string> _settings = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var workflows = Directory.CreateDirectory(Path.Combine(_folder.FullPath, "workflows")).FullName;
        await File.WriteAllTextAsync(Path.Combine(workflows, "pw-tick.json"), Definition, Ct);
        _connection = await postgres.RentDatabaseAsync(Ct);
        _database = NpgsqlDataSource.Create(_connection);
        _settings = SandboxSettings.For("http://127.0.0.1:9", 9);
        _settings["PW_WORKFLOWS"] = workflows;
        _settings["DATABASE_URL"] = _connection;
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        NpgsqlConnection.ClearAllPools();
        await postgres.ReturnDatabaseAsync(_connection, CancellationToken.None);
        _folder.Dispose();
    }

    [Fact]
    public async Task A_frozen_node_that_goes_on_runs_no_due_time_that_the_other_has_run()
    {
        await using var frozen = await ServerProcess.StartAsync(_settings, Path.Combine(_folder.FullPath, "data"), Ct);
        await using var other = await ServerProcess.StartAsync(_settings, Path.Combine(_folder.FullPath, "data"), Ct);
        string Logs() => $"{frozen.Log}\n----\n{other.Log}";

        await UntilAsync("SELECT count(DISTINCT node) = 2 AND count(*) FILTER (WHERE outcome = 'finished') > 3 FROM schedule_runs", Logs);
        await frozen.FreezeAsync(Ct);
        var at = await ScalarAsync<DateTime>("SELECT max(nominal_at) FROM schedule_runs");
        // The frozen node's leases have lapsed when what it had begun is ended by the other.
        await UntilAsync($"SELECT count(*) FILTER (WHERE nominal_at <= '{at:O}' AND outcome = 'running') = 0 AND count(*) FILTER (WHERE nominal_at > '{at:O}' AND outcome = 'finished') > 10 FROM schedule_runs", Logs);
        var nodes = await ScalarAsync<long>($"SELECT count(DISTINCT node) FROM schedule_runs WHERE nominal_at > '{at.AddSeconds(1):O}'");
        var thawed = await ScalarAsync<DateTime>("SELECT max(nominal_at) FROM schedule_runs");
        await frozen.ThawAsync(Ct);
        await UntilAsync($"SELECT count(DISTINCT node) = 2 AND count(*) FILTER (WHERE outcome = 'finished') > 5 FROM schedule_runs WHERE nominal_at > '{thawed:O}'", Logs);
        await frozen.StopAsync(Ct);
        await other.StopAsync(Ct);

        Assert.Equal(1, nodes);
        // Every second has its run and every run its one instance.
        Assert.Equal(
            await ScalarAsync<long>("SELECT extract(epoch FROM max(nominal_at) - min(nominal_at))::bigint + 1 FROM schedule_runs"),
            await ScalarAsync<long>("SELECT count(DISTINCT nominal_at) FROM schedule_runs"));
        Assert.Equal(0, await ScalarAsync<long>("SELECT count(*) FROM (SELECT FROM schedule_runs GROUP BY nominal_at HAVING count(*) > 1) d"));
        Assert.Equal(0, await ScalarAsync<long>("SELECT count(*) FROM schedule_runs WHERE outcome NOT IN ('finished', 'running')"));
        Assert.Equal(
            await ScalarAsync<long>("SELECT count(*) FROM schedule_runs WHERE instance_id IS NOT NULL"),
            await ScalarAsync<long>("SELECT count(DISTINCT instance_id) FROM schedule_runs"));
        Assert.Equal(0, await ScalarAsync<long>("SELECT count(*) FROM workflow_instances i WHERE definition_id = 'pw-tick' AND NOT EXISTS (SELECT FROM schedule_runs r WHERE r.instance_id = i.id)"));
        Assert.Equal(0, await ScalarAsync<long>("SELECT count(*) FROM workflow_instances WHERE incident_count > 0"));
    }

    private async Task UntilAsync(string condition, Func<string> logs)
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        while (!await ScalarAsync<bool>(condition))
        {
            if (watch.Elapsed > Limit) Assert.Fail($"never: {condition}\n{logs()}");
            await Task.Delay(TimeSpan.FromMilliseconds(100), Ct);
        }
    }

    private async Task<T> ScalarAsync<T>(string sql)
    {
        await using var command = _database.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync(Ct))!;
    }
}
