using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>Published triggers of the clock start their workflow at each nominal time once, and not before.</summary>
public abstract class ScheduleContract(ITestDatabase database) : EngineHostTest(database)
{
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 4, 1, 12, 0, 0, TimeSpan.Zero));

    private async Task<EngineHost> StartAsync()
    {
        var host = await StartAsync(null, s => s.AddSingleton<TimeProvider>(_clock));
        host.Store.ClockOverride = () => _clock.GetUtcNow();
        return host;
    }

    private static Task RanAsync(EngineHost host, int count) => Eventually.TrueAsync(async () =>
    {
        // The clock may have been moved between the engine's look and its wait, which then ends with the next move: a signal makes it look again.
        await host.Store.LookAgainAsync(Ct);
        var all = await host.Store.CountInstancesAsync(new InstanceFilter(), Ct);
        Assert.InRange(all, 0, count);
        return all == count && await host.Store.CountInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Finished]), Ct) == count;
    }, $"{count} instances have run", Ct);

    private static Task NextIsAsync(EngineHost host, DateTimeOffset? due) => Eventually.TrueAsync(async () => await host.Store.NextDueAsync(Ct) == due, $"the next time is {due:O}", Ct);

    private static string Definition(string name, string trigger, string input) =>
        """
        {"definitionId":"NAME","id":"NAME:1","name":"NAME","version":1,
         "root":{"type":"Elsa.Sequence","id":"s","activities":[{"type":"TRIGGER","id":"t","customProperties":{"canStartWorkflow":true},INPUT},
          {"type":"Elsa.SetName","id":"n","value":{"typeName":"String","expression":{"type":"JavaScript","value":"getInput('NominalTime')"}}}]}}
        """.Replace("NAME", name, StringComparison.Ordinal).Replace("TRIGGER", trigger, StringComparison.Ordinal).Replace("INPUT", input, StringComparison.Ordinal);

    [Fact]
    public async Task A_timer_runs_at_each_interval_also_those_that_passed_while_nobody_looked()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("timer", Ct);
        var start = _clock.GetUtcNow();
        await NextIsAsync(host, start.AddSeconds(15));
        _clock.Advance(TimeSpan.FromSeconds(14));
        Assert.Equal(0, await host.Store.CountInstancesAsync(new InstanceFilter(), Ct));
        _clock.Advance(TimeSpan.FromSeconds(1));
        await RanAsync(host, 1);
        await NextIsAsync(host, start.AddSeconds(30));
        _clock.Advance(TimeSpan.FromSeconds(60));
        await RanAsync(host, 5);
        await NextIsAsync(host, start.AddSeconds(90));
        Assert.True(await host.Publisher.RetractAsync("anchor-timer", Ct));
        await NextIsAsync(host, null);
    }

    [Theory]
    [InlineData("*/20 * * * * *", 20, 40)]
    [InlineData("30 0 12 * * *", 30, 86_430)]
    [InlineData("*/5 * * * *", 300, 600)]
    public async Task A_cron_of_six_or_five_fields_runs_at_its_times(string cron, int first, int second)
    {
        await using var host = await StartAsync();
        var start = _clock.GetUtcNow();
        await host.Publisher.PublishAsync(Definition("cron", "Elsa.Cron", """
            "cronExpression":{"typeName":"String","expression":{"type":"Literal","value":"CRON"}}
            """.Replace("CRON", cron, StringComparison.Ordinal)), null, null, Ct);
        await NextIsAsync(host, start.AddSeconds(first));
        _clock.Advance(TimeSpan.FromSeconds(first));
        await RanAsync(host, 1);
        await NextIsAsync(host, start.AddSeconds(second));
        var (items, _) = await host.Store.ListInstancesAsync(new InstanceFilter(), 0, 10, Ct);
        Assert.Equal(start.AddSeconds(first), DateTimeOffset.Parse(Assert.Single(items).Name!, System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task A_start_at_runs_once()
    {
        await using var host = await StartAsync();
        await host.Publisher.PublishAsync(Definition("once", "Elsa.StartAt", """
            "dateTime":{"typeName":"DateTimeOffset","expression":{"type":"Literal","value":"2026-04-01T12:05:00+00:00"}}
            """), null, null, Ct);
        await NextIsAsync(host, _clock.GetUtcNow().AddMinutes(5));
        _clock.Advance(TimeSpan.FromHours(1));
        await RanAsync(host, 1);
        await NextIsAsync(host, null);
    }

    [Fact]
    public async Task Two_nodes_run_each_time_once()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        await one.PublishAsync("timer", Ct);
        await NextIsAsync(one, _clock.GetUtcNow().AddSeconds(15));
        for (var i = 1; i <= 10; i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(15));
            await RanAsync(two, i);
        }
    }
}

public sealed class SchedulesOnSqlite() : ScheduleContract(new OnSqliteFile());

public sealed class SchedulesOnPostgres(PostgresFixture postgres) : ScheduleContract(new OnPostgresServer(postgres));
