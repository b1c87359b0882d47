using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using PwWorkflows.Benchmarks.Parts;

namespace PwWorkflows.Benchmarks.Benches;

/// <summary>Studio's lists over 100,000 finished instances and their million journal entries, each page asked for again and again by one reader.</summary>
public sealed class StudioList : IBench
{
    private const int Instances = 100_000;
    private const int Looks = 100;

    public string Name => "studio-list";

    public async Task<IReadOnlyList<Result>> MeasureAsync(Run run, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(run);
        var connection = await run.NewDatabaseAsync(ct);
        var server = await run.ServeAsync(connection, HttpWorkflow.Definitions(run, "http.json"), ct);
        var request = HttpWorkflow.Request(server.Address);
        await Load.HttpAsync(server.Address, 8, TimeSpan.FromMinutes(10), () => request, ct, Instances);
        using var client = new HttpClient { BaseAddress = server.Address };
        using (var signedIn = await client.PostAsJsonAsync("api/v1/admin/login", new { username = "admin", password = "admin" }, ct))
        {
            var answer = await signedIn.Content.ReadFromJsonAsync<JsonElement>(ct);
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", answer.GetProperty("token").GetString());
        }

        var newest = await PageAsync(new { page = 0, pageSize = 25 });
        var first = newest.GetProperty("items")[0];
        var id = first.GetProperty("id").GetString()!;
        (string Name, Func<Task> Look)[] pages =
        [
            ("first-page", () => PageAsync(new { page = 0, pageSize = 25 })),
            ("of-a-definition", () => PageAsync(new { page = 0, pageSize = 25, definitionIds = new[] { first.GetProperty("definitionId").GetString() } })),
            ("last-executed", () => PageAsync(new { page = 0, pageSize = 25, orderBy = "LastExecuted", orderDirection = "Descending" })),
            ("faulted", () => PageAsync(new { page = 0, pageSize = 25, subStatuses = new[] { "Faulted" } })),
            ("search-by-id", () => PageAsync(new { page = 0, pageSize = 25, searchTerm = id })),
            ("journal", () => client.GetAsync($"elsa/api/workflow-instances/{id}/journal?page=0&pageSize=100", ct)),
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
    }
}
