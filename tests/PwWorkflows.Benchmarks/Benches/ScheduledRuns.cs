using System.Globalization;
using System.Text;
using PwWorkflows.Benchmarks.Parts;

namespace PwWorkflows.Benchmarks.Benches;

/// <summary>10,000 schedules (<c>Pw.Schedule</c>) that are due within one minute, on two servers: how late each run started, that none is lost and none ran twice, and what the clock costs while nothing is due.</summary>
internal static class ScheduledRuns
{
    private const int Definitions = 20;
    private const int Each = 500;
    private const int Count = Definitions * Each;
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(20);

    public static async Task<IReadOnlyList<Result>> MeasureAsync(Run run, CancellationToken ct)
    {
        var connection = await run.NewDatabaseAsync(ct);
        // Long enough ahead that all are published and the idle time is over before the first is due.
        var first = DateTimeOffset.UtcNow.AddMinutes(4);
        first = new DateTimeOffset(first.Ticks - (first.Ticks % TimeSpan.TicksPerMinute), TimeSpan.Zero);
        var folder = run.Folder("schedules");
        for (var d = 0; d < Definitions; d++) await File.WriteAllTextAsync(Path.Combine(folder, $"s{d}.json"), Definition(d, first), ct);
        var one = await run.ServeAsync(connection, folder, ct);
        var two = await run.ServeAsync(connection, folder, ct);
        var known = await run.ScalarAsync<long>(connection, "SELECT count(*) FROM schedules WHERE state = 'active'", ct);
        if (known != Count) throw new InvalidOperationException($"{known} schedules are published where {Count} were expected.");
        var ready = DateTimeOffset.UtcNow;
        if (ready + Settling + Idle + TimeSpan.FromSeconds(5) > first) throw new InvalidOperationException("The schedules were not published in time.");

        // What looks once a second is compiled anew at its thirtieth look; then only the clock is looked at.
        await Task.Delay(Settling, ct);
        var before = one.ProcessorTime + two.ProcessorTime;
        await Task.Delay(Idle, ct);
        var idle = (one.ProcessorTime + two.ProcessorTime - before) / 2 / Idle * 100;

        await Task.Delay(first - DateTimeOffset.UtcNow + TimeSpan.FromMinutes(1), ct);
        await Run.UntilAsync(async () => await run.ScalarAsync<long>(connection, "SELECT count(*) FROM schedule_runs WHERE outcome = 'finished'", ct) >= Count, TimeSpan.FromMinutes(2), "all schedules ran", ct);
        var late = new List<double>();
        await using (var opened = await run.ConnectAsync(connection, ct))
        {
            await using var command = opened.CreateCommand();
            // By the workflow's own start, not by the decision to start it.
            command.CommandText = "SELECT CAST(extract(epoch FROM i.created_at - r.nominal_at) * 1000 AS double precision) FROM schedule_runs r JOIN workflow_instances i ON i.id = r.instance_id WHERE r.cause = 'due' ORDER BY 1";
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct)) late.Add(reader.GetDouble(0));
        }

        var instances = await run.ScalarAsync<long>(connection, "SELECT count(*) FROM workflow_instances", ct);
        if (late.Count != Count || instances != Count) throw new InvalidOperationException($"{late.Count} due times have a run and there are {instances} instances, where {Count} were expected of each.");
        if (late[0] < 0) throw new InvalidOperationException($"A schedule ran {-late[0]} ms early.");
        var byNode = await run.ScalarAsync<long>(connection, "SELECT count(DISTINCT node) FROM schedule_runs", ct);
        return
        [
            new Result("timers/schedules", run.Database, (int)byNode, late[^1], "ms late (the last of 10,000 within a minute)", P50: late[late.Count / 2], P99: late[late.Count * 99 / 100]),
            new Result("timers/idle", run.Database, 2, idle, "% of a core a node, 10,000 schedules, none due"),
        ];
    }

    /// <summary>A workflow of many schedules, each once a day at a second of the minute.</summary>
    private static string Definition(int number, DateTimeOffset first)
    {
        const string Schedule = """{"type":"Pw.Schedule","id":"ID","name":"ID","customProperties":{"canStartWorkflow":true},"cron":{"typeName":"String","expression":{"type":"Literal","value":"CRON"}}}""";
        var text = new StringBuilder("""{"definitionId":"NAME","id":"NAME","name":"NAME","version":1,"root":{"type":"Elsa.Flowchart","id":"f","connections":[],"activities":[""".Replace("NAME", $"bench-{number.ToString(CultureInfo.InvariantCulture)}", StringComparison.Ordinal));
        for (var i = 0; i < Each; i++)
        {
            var at = first.AddSeconds((number * Each + i) % 60);
            text.Append(i == 0 ? "" : ",").Append(Schedule.Replace("ID", $"s{i.ToString(CultureInfo.InvariantCulture)}", StringComparison.Ordinal)
                .Replace("CRON", string.Create(CultureInfo.InvariantCulture, $"{at.Second} {at.Minute} {at.Hour} * * *"), StringComparison.Ordinal));
        }

        return text.Append("]}}").ToString();
    }
}
