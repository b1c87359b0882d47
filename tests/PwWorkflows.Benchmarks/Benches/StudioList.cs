using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Benchmarks.Parts;

namespace PwWorkflows.Benchmarks.Benches;

/// <summary>
/// Studio's lists over 100,000 finished instances and 1,000,000 journal rows, each page asked for again and again by one reader. Of the journals one is of an instance as they mostly are, and nine are very long: 100,000 rows
/// with 200,000 entries each.
/// </summary>
public sealed class StudioList : IBench
{
    private const int Instances = 100_000;
    private const int JournalRows = 1_000_000;
    private const int LongJournals = 9;
    private const int Looks = 100;
    private const string LongJournal = "long-1";

    public string Name => "studio-list";

    public async Task<IReadOnlyList<Result>> MeasureAsync(Run run, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(run);
        var connection = await run.NewDatabaseAsync(ct);
        var server = await run.ServeAsync(connection, HttpWorkflow.Definitions(run, "http.json"), ct);
        var request = HttpWorkflow.Request(server.Address);
        await Load.HttpAsync(server.Address, 8, TimeSpan.FromMinutes(10), () => request, ct, Instances);
        var rows = await FillJournalAsync(run, connection, ct);
        using var client = new HttpClient { BaseAddress = server.Address };
        using (var signedIn = await client.PostAsJsonAsync("api/v1/admin/login", new { username = "admin", password = "admin" }, ct))
        {
            var answer = await signedIn.Content.ReadFromJsonAsync<JsonElement>(ct);
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", answer.GetProperty("token").GetString());
        }

        var newest = await PageAsync(new { page = 0, pageSize = 25 });
        var first = newest.GetProperty("items")[0];
        var id = first.GetProperty("id").GetString()!;
        var middle = rows.EntriesOfLong / 2;
        // Studio asks for the entries of what the workflow's root holds.
        var scoped = new { filter = new { activityNodeIds = new[] { rows.Node } } };
        (string Name, Func<Task> Look)[] pages =
        [
            ("first-page", () => PageAsync(new { page = 0, pageSize = 25 })),
            ("of-a-definition", () => PageAsync(new { page = 0, pageSize = 25, definitionIds = new[] { first.GetProperty("definitionId").GetString() } })),
            ("last-executed", () => PageAsync(new { page = 0, pageSize = 25, orderBy = "LastExecuted", orderDirection = "Descending" })),
            ("faulted", () => PageAsync(new { page = 0, pageSize = 25, subStatuses = new[] { "Faulted" } })),
            ("search-by-id", () => PageAsync(new { page = 0, pageSize = 25, searchTerm = id })),
            ("journal", () => JournalAsync(id, 0, new { })),
            ("long-journal", () => JournalAsync(LongJournal, 0, new { })),
            ("long-journal/middle", () => JournalAsync(LongJournal, middle, new { })),
            ("long-journal/scoped", () => JournalAsync(LongJournal, 0, scoped)),
        ];
        var results = new List<Result>();
        foreach (var (name, look) in pages)
        {
            for (var i = 0; i < 20; i++) await look();
            var times = new List<double>();
            for (var i = 0; i < Looks; i++)
            {
                var begun = Stopwatch.GetTimestamp();
                await look();
                times.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            }

            times.Sort();
            results.Add(new Result($"{Name}/{name}", run.Database, 1, times[Looks / 2], "ms", P50: times[Looks / 2], P99: times[Looks * 99 / 100]));
        }

        return results;

        async Task<JsonElement> PageAsync(object filter)
        {
            using var answer = await client.PostAsJsonAsync("elsa/api/workflow-instances", filter, ct);
            answer.EnsureSuccessStatusCode();
            var page = await answer.Content.ReadFromJsonAsync<JsonElement>(ct);
            if (page.GetProperty("totalCount").GetInt64() < 1 && page.GetProperty("items").GetArrayLength() > 0) throw new InvalidOperationException("A list has items and no count.");
            return page;
        }

        async Task JournalAsync(string instance, int skip, object filter)
        {
            using var answer = await client.PostAsJsonAsync($"elsa/api/workflow-instances/{instance}/journal?skip={skip.ToString(CultureInfo.InvariantCulture)}&take=100", filter, ct);
            answer.EnsureSuccessStatusCode();
            var items = (await answer.Content.ReadFromJsonAsync<JsonElement>(ct)).GetProperty("items");
            if (items.GetArrayLength() == 0) throw new InvalidOperationException($"The journal of {instance} has no page at {skip}.");
            if (instance == LongJournal && items[0].GetProperty("sequence").GetInt64() != skip) throw new InvalidOperationException($"The page at {skip} begins with another entry: {items[0]}");
        }
    }

    /// <summary>Writes the very long journals, so many rows that there are <see cref="JournalRows"/> in all.</summary>
    /// <returns>How many entries each of them has, and the node that all of them are of.</returns>
    private static async Task<(int EntriesOfLong, string Node)> FillJournalAsync(Run run, string connection, CancellationToken ct)
    {
        const string Node = "Workflow1:main";
        // Two entries of one execution a row; what stands for numbers is put in by the database.
        const string Row = """{"a":[{"i":"e#N#","n":"Workflow1:main","t":"Elsa.WriteLine","s":2,"st":638000000000000000,"ct":638000000000000000}],"e":[[#F#,638000000000000000,0,"Started"],[#L#,638000000000000000,0,"Completed"]]}""";
        var rowsOfLong = (JournalRows - (int)await run.ScalarAsync<long>(connection, "SELECT count(*) FROM workflow_journal", ct)) / LongJournals;
        await using var opened = await run.ConnectAsync(connection, ct);
        JsonNode state;
        await using (var read = opened.CreateCommand())
        {
            read.CommandText = "SELECT state FROM workflow_instances ORDER BY created_at DESC, id DESC LIMIT 1";
            state = JsonNode.Parse((byte[])(await read.ExecuteScalarAsync(ct))!)!;
        }

        // The newest instance again, with a journal as long as the state says. A little older, so that the lists' first pages stay as they are.
        state["executionLogSequence"] = 2 * rowsOfLong;
        var older = run.IsPostgres ? "created_at - interval '1 day'" : "created_at - 86400000000";
        await using var write = opened.CreateCommand();
        write.CommandTimeout = 600;
        write.CommandText =
            "INSERT INTO workflow_instances (id, definition_id, definition_version_id, version, content_hash, status, correlation_id, name, parent_instance_id, activation_key, incident_count, created_at, updated_at, finished_at, state) " +
            $"SELECT @id, definition_id, definition_version_id, version, content_hash, status, correlation_id, name, parent_instance_id, activation_key, incident_count, {older}, updated_at, finished_at, @state " +
            "FROM workflow_instances WHERE id = (SELECT id FROM workflow_instances ORDER BY created_at DESC, id DESC LIMIT 1)";
        var id = Add("@id", "");
        Add("@state", JsonSerializer.SerializeToUtf8Bytes(state));
        for (var i = 1; i <= LongJournals; i++)
        {
            id.Value = $"long-{i.ToString(CultureInfo.InvariantCulture)}";
            await write.ExecuteNonQueryAsync(ct);
        }

        var entries = "replace(replace(replace(@row, '#N#', {0}), '#F#', {1}), '#L#', {2})";
        write.Parameters.Clear();
        write.CommandText = run.IsPostgres
            ? $"INSERT INTO workflow_journal (instance_id, first_sequence, last_sequence, created_at, entries) SELECT 'long-' || i, 2 * n, 2 * n + 1, now(), convert_to({string.Format(CultureInfo.InvariantCulture, entries, "n::text", "(2 * n)::text", "(2 * n + 1)::text")}, 'UTF8') " +
              $"FROM generate_series(1, {LongJournals}) i, generate_series(0::bigint, @rows - 1) n"
            : $"WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < {LongJournals}), n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < @rows - 1) " +
              $"INSERT INTO workflow_journal (instance_id, first_sequence, last_sequence, created_at, entries) SELECT 'long-' || i, 2 * n, 2 * n + 1, 0, CAST({string.Format(CultureInfo.InvariantCulture, entries, "n", "2 * n", "2 * n + 1")} AS BLOB) FROM i, n";
        Add("@row", Row);
        Add("@rows", (long)rowsOfLong);
        await write.ExecuteNonQueryAsync(ct);
        await run.ExecuteAsync(connection, "ANALYZE", ct);
        return (2 * rowsOfLong, Node);

        DbParameter Add(string name, object value)
        {
            var parameter = write.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            write.Parameters.Add(parameter);
            return parameter;
        }
    }
}
