using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Engine;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.EndToEnd.Tests.Scheduling;

/// <summary>Several nodes on one PostgreSQL, of which any may die or freeze at any moment, and clocks that are set: every due time has one fate, and none runs twice.</summary>
public sealed class ScheduleNodesTests(PostgresFixture postgres) : ScheduleTest(async ct => await (await postgres.ServerAsync(ct)).CreateDatabaseAsync(ct))
{
    private const int Kills = 12;

    /// <summary>Rules of all kinds for a year in which nodes die; the product's own schedules have few of them.</summary>
    private static readonly Dictionary<string, (string Name, string Value)[]> Rules = new()
    {
        ["pw-usf-factor-monitor"] = [("Jitter", "00:05:00")],
        ["pw-deminimis-factor-check"] = [("CatchUp", "RunEach")],
        ["pw-relay-deposit-monitor"] = [("CatchUp", "RunEach"), ("CatchUpLimit", "2"), ("CatchUpWindow", "03:00:00")],
        ["pw-crypto-payment-worker"] = [("CatchUp", "RunOnce")],
        ["pw-commission-worker"] = [("Overlap", "QueueOne")],
        ["pw-renewal-worker"] = [("CatchUp", "RunEach"), ("Overlap", "Allow")],
        ["pw-cdr-retention"] = [("CatchUp", "Skip")],
        ["pw-payment-reminder"] = [("Overlap", "CancelRunning")],
    };

    /// <summary>The product's schedules as its files have them, apart from <see cref="Rules"/>.</summary>
    private static List<(string Name, Dictionary<string, string> Inputs)> Twelve()
    {
        var all = new List<(string Name, Dictionary<string, string> Inputs)>();
        foreach (var file in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "workflows", "schedules"), "*.json").Order(StringComparer.Ordinal))
        {
            var definition = JsonNode.Parse(File.ReadAllText(file))!;
            var name = (string)definition["definitionId"]!;
            var schedule = definition["root"]!["activities"]!.AsArray().Single(static a => (string?)a!["type"] == "Pw.Schedule")!.AsObject();
            var inputs = schedule.Where(static p => p.Value is JsonObject input && input.ContainsKey("expression")).ToDictionary(static p => p.Key, static p => p.Value!["expression"]!["value"]!.ToString(), StringComparer.OrdinalIgnoreCase);
            foreach (var (rule, value) in Rules.GetValueOrDefault(name, [])) inputs[rule] = value;
            all.Add((name, inputs));
        }

        return all;
    }

    [Fact]
    public async Task A_whole_year_of_twelve_schedules_on_two_nodes_with_random_kills_accounts_for_every_due_time_and_runs_none_twice()
    {
        const int Seed = 20260406;
        var random = new Random(Seed);
        await StartNodeAsync();
        var twelve = Twelve();
        Assert.Equal(12, twelve.Count);
        Assert.Superset(Rules.Keys.ToHashSet(), twelve.Select(static t => t.Name).ToHashSet());
        foreach (var (name, inputs) in twelve) await PublishAsync(Definition(name, inputs));
        var begin = Now;
        var end = begin.AddDays(365);
        var step = 0;
        var dead = new List<ScheduleNode>();
        while (Now < end)
        {
            Clock.Advance(TimeSpan.FromMinutes(random.Next(2) == 0 ? random.Next(30, 600) : random.Next(600, 1800)));
            if (++step % 38 == 0 && dead.Count < Kills)
            {
                // In the middle of whatever it does just now.
                await Task.Delay(random.Next(0, 25), Ct);
                var victim = Nodes[random.Next(Nodes.Count)];
                victim.Line.Cut();
                dead.Add(victim);
                Forget(victim);
                await StartNodeAsync();
            }

            await IdleAsync();
        }

        Assert.Equal(Kills, dead.Count);
        await IdleAsync();
        var notes = await NotesAsync();
        Assert.Equal(notes.Count, notes.DistinctBy(n => (n.Schedule, n.Nominal)).Count());
        foreach (var (name, _) in twelve)
        {
            var shown = await ShowAsync(name);
            var runs = (await RunsAsync(name)).Where(r => r.Cause == "due").OrderBy(r => r.NominalAt).ToList();
            // One after the other, the rows cover exactly the due times of the year.
            var due = shown.ToCadence().Between(begin, Now).ToList();
            Assert.Equal(due.Count, runs.Sum(r => r.Covers));
            var next = 0;
            foreach (var run in runs)
            {
                Assert.Equal((due[next], due[next + (int)run.Covers - 1]), (run.CoversFrom, run.NominalAt));
                next += (int)run.Covers;
            }

            Assert.All(runs, r => Assert.True(r.Outcome is "finished" or "skipped" or "missed", $"{name} {r.NominalAt:O}: {r.Outcome} {r.Error}"));
            Assert.All(runs, r => Assert.True(r.StartedAt is null || r.StartedAt >= r.DueAt));
            Assert.All(runs, r => Assert.Equal(r.Outcome is "skipped" or "missed", r.Reason is not null));
            var mine = notes.Where(n => n.Schedule == name).ToList();
            Assert.All(mine, n => Assert.True(n.RanAt >= n.Nominal));
            Assert.Equal(runs.Where(r => r.Outcome == "finished").Select(r => r.NominalAt), mine.Select(n => n.Nominal).Order());
            Assert.Equal(due.Count, shown.Counts.Values.Sum());
            Assert.Equal((0, 0), (shown.Running, shown.Waiting));
        }

        foreach (var node in dead) await node.DisposeAsync();
    }

    /// <summary>Where the node is when it stops: before or after the commit that starts the run, before or after a commit of the run itself.</summary>
    [Theory]
    [InlineData("WriteAsync", false)]
    [InlineData("WriteAsync", true)]
    [InlineData("CommitAsync", false)]
    [InlineData("CommitAsync", true)]
    [InlineData("TakeDueAsync", true)]
    public async Task A_node_that_is_frozen_for_ten_minutes_and_goes_on_runs_nothing_twice(string at, bool after)
    {
        await PublishAsync(Definition("pw-hourly", Cron("0 * * * *")));
        var frozen = Node;
        frozen.Line.FreezeAt(at, after);
        Clock.SetUtcNow(At("2026-04-06T13:00:00Z"));
        await UntilFrozenAsync(frozen);
        Forget(frozen);
        await StartNodeAsync();
        for (var minute = 0; minute < 10; minute++)
        {
            Clock.Advance(TimeSpan.FromMinutes(1));
            await UntilAsync(async () => (await ShowAsync("pw-hourly")).NextRunAt > Now, "the clock is followed");
        }

        // The other node has done it meanwhile.
        await UntilAsync(async () => (await RunsAsync("pw-hourly")) is [{ Outcome: "finished" }], "the run has finished");
        Assert.Single(await NotesAsync());
        frozen.Line.Thaw();
        Clock.SetUtcNow(At("2026-04-06T14:00:00Z"));
        await UntilAsync(async () => (await RunsAsync("pw-hourly")) is [{ Outcome: "finished" }, { Outcome: "finished" }], "the next run has finished");
        await IdleAsync();
        Assert.Equal([At("2026-04-06T13:00:00Z"), At("2026-04-06T14:00:00Z")], (await NotesAsync()).Select(n => n.Nominal));
        Assert.Equal(2, (await ShowAsync("pw-hourly")).Counts["ran"] + (await ShowAsync("pw-hourly")).Counts.GetValueOrDefault("caught_up"));
        await frozen.DisposeAsync();
    }

    [Fact]
    public async Task A_clock_that_is_set_back_and_forward_runs_nothing_twice_and_loses_nothing()
    {
        var random = new Random(7);
        await PublishAsync(Definition("pw-minute", Cron("* * * * *", ("CatchUp", "RunEach"), ("CatchUpLimit", "1000"), ("Overlap", "QueueOne"))));
        var (begin, latest) = (Now, Now);
        for (var i = 0; i < 60; i++)
        {
            Clock.Advance(TimeSpan.FromSeconds(random.Next(20, 50)));
            if (Now > latest) latest = Now;
            await IdleAsync();
            Clock.Advance(TimeSpan.FromSeconds(random.Next(-90, 91)));
            if (Now > latest) latest = Now;
            await IdleAsync();
        }

        // At last the clock is right again, and everything that was due until its latest time has run.
        if (Now < latest) Clock.Advance(latest - Now);
        await IdleAsync();
        var due = (await ShowAsync("pw-minute")).ToCadence().Between(begin, latest).ToList();
        Assert.Equal(due, (await RunsAsync("pw-minute")).Where(r => r.Outcome is "finished").Select(r => r.NominalAt));
        Assert.Equal(due, (await NotesAsync()).Select(n => n.Nominal));
        Assert.Equal(due.Count, (await ShowAsync("pw-minute")).Counts.Values.Sum());
    }

    [Fact]
    public async Task An_instance_that_comes_out_of_the_queue_between_two_looks_is_not_lost()
    {
        var row = await PublishAsync(Definition("pw-hourly", Cron("0 * * * *"), Hang));
        var store = Node.Services.GetRequiredService<IEngineStore>();
        await store.WriteAsync([], [QueuedWork.Start("one", row.Id, "schedule", null, new Dictionary<string, object?> { ["ScheduleName"] = "pw-hourly" }, new Dictionary<string, object?>(), Now.AddMinutes(30))], Ct);
        // A node that only looks, and stops between its two looks.
        var env = Path.Combine(DataFolder, "looks.env");
        await File.WriteAllLinesAsync(env, Settings.Append(new("WORKFLOW_CONCURRENCY", "0")).Select(s => $"{s.Key}={s.Value}"), Ct);
        await using var looks = await ScheduleNode.StartAsync(env, DataFolder, Clock, Fails, Ct);
        looks.Line.FreezeAt(nameof(IEngineStore.ListInstancesAsync), after: true);
        var asked = looks.Services.GetRequiredService<IScheduleEngine>().FatesAsync(["one", "none"], Ct);
        await Eventually.TrueAsync(() => looks.Line.IsFrozen, "it has looked once", Ct);
        Clock.Advance(TimeSpan.FromMinutes(30));
        await UntilAsync(async () => (await store.GetInstanceAsync("one", Ct))?.Status == InstanceStatus.Suspended, "the instance lives");
        looks.Line.Thaw();
        Assert.Equal(new InstanceFate(null, null), Assert.Single(await asked, f => f.Key == "one").Value);
        Assert.DoesNotContain("none", (await asked).Keys);
    }

    [Fact]
    public async Task A_publication_on_one_node_takes_effect_on_the_other_at_once()
    {
        var other = await StartNodeAsync();
        await PublishAsync(Definition("pw-job", Cron("0 13 * * *")), Nodes[0]);
        await PublishAsync(Definition("pw-job", Cron("0 14 * * *")), other);
        Clock.SetUtcNow(At("2026-04-06T13:00:00Z"));
        await IdleAsync();
        Assert.Empty(await NotesAsync());
        Clock.SetUtcNow(At("2026-04-06T14:00:00Z"));
        await UntilAsync(async () => (await NotesAsync()).Count == 1, "it runs at the new time");
        Assert.True(await Nodes[0].Services.GetRequiredService<Engine.Definitions.DefinitionPublisher>().RetractAsync("pw-job", Ct));
        Clock.SetUtcNow(At("2026-04-07T14:00:00Z"));
        await IdleAsync();
        Assert.Single(await NotesAsync());
    }

    private static Task UntilFrozenAsync(ScheduleNode node) => Eventually.TrueAsync(async () =>
    {
        if (node.Line.IsFrozen) return true;
        _ = node.Services.GetRequiredService<Engine.Storage.IEngineStore>().LookAgainAsync(Ct);
        await Task.Yield();
        return node.Line.IsFrozen;
    }, "the node is frozen", Ct);

    /// <summary>
    /// Waits until nothing is due that nobody has come to and nothing runs. What a dead node held is free when its time is over: so the clock goes on a little while something is stuck.
    /// </summary>
    private async Task IdleAsync()
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        await UntilAsync(async () =>
        {
            var busy = (await Database.QueryAsync(
                """
                SELECT (SELECT count(*) FROM instance_leases) + (SELECT count(*) FROM work_items WHERE taken_by IS NOT NULL OR due_at <= @now) + (SELECT count(*) FROM schedules WHERE wake_at <= @now OR (state = 'active' AND next_at <= @now))
                  + (SELECT count(*) FROM schedule_runs WHERE outcome IN ('running', 'waiting'))
                """, Parameters.Of(("now", Now)), static r => r.GetInt64(0), Ct))[0];
            if (busy == 0) return true;
            if (watch.ElapsedMilliseconds > 500)
            {
                Clock.Advance(TimeSpan.FromSeconds(11));
                watch.Restart();
            }

            return false;
        }, "nothing is left to do");
    }
}
