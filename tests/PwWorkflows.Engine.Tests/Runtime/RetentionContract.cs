using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>Ended instances go when their time is over; what lives, what can be retried and what belongs to the product stays.</summary>
public abstract class RetentionContract(ITestDatabase database) : EngineHostTest(database)
{
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 4, 1, 12, 0, 0, TimeSpan.Zero));

    private async Task<EngineHost> StartAsync(Action<EngineOptions>? configure = null)
    {
        var host = await StartAsync(configure, s => s.AddSingleton<TimeProvider>(_clock));
        host.Store.ClockOverride = () => _clock.GetUtcNow();
        return host;
    }

    private static Task CleanAsync(EngineHost host) => host.Services.GetServices<IHostedService>().OfType<RetentionWorker>().Single().CleanAsync(Ct);

    private static string Definition(string name, string id, string? retention) => EngineHost.Definition(name)
        .Replace($"\"anchor-{name}\"", $"\"{id}\"", StringComparison.Ordinal)
        .Replace("\"customProperties\": {},\n  \"isReadonly\"", $"\"customProperties\": {{{(retention is null ? "" : $"\"retention\": {retention}")}}},\n  \"isReadonly\"", StringComparison.Ordinal);

    private static async Task<string> RunAsync(EngineHost host, string definitionId)
    {
        var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(Ct);
        return (await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId(definitionId) }, Ct)).WorkflowInstanceId;
    }

    /// <summary>Cleans and expects exactly these to be left. The engine's own look, which the clock has started, may be deleting the same rows at this moment; it is awaited.</summary>
    private static async Task LeavesAsync(EngineHost host, Dictionary<string, string> names, params string[] expected)
    {
        await CleanAsync(host);
        var left = "";
        await Eventually.TrueAsync(async () =>
        {
            var (items, _) = await host.Store.ListInstancesAsync(new InstanceFilter(), 0, 100, Ct);
            left = string.Join(' ', items.Select(i => names[i.Id]).Order(StringComparer.Ordinal));
            Assert.All(expected, e => Assert.Contains(e, left, StringComparison.Ordinal));
            return left == string.Join(' ', expected);
        }, $"left are {string.Join(' ', expected)}", Ct);
    }

    [Fact]
    public async Task Each_instance_goes_when_the_time_of_its_definition_is_over()
    {
        await using var host = await StartAsync(o => (o.Retention, o.FaultedRetention) = (TimeSpan.FromDays(90), TimeSpan.FromDays(365)));
        foreach (var (id, retention) in new (string, string?)[] { ("normal", null), ("short", "\"5.00:00:00\""), ("days", "10"), ("forever", "\"forever\"") })
            await host.Publisher.PublishAsync(Definition("foreach", id, retention), null, null, Ct);
        await host.PublishAsync("faulty", Ct);
        await host.PublishAsync("event", Ct);
        var names = new Dictionary<string, string>();
        foreach (var id in (string[])["normal", "short", "days", "forever", "anchor-faulty", "anchor-event"]) names[await RunAsync(host, id)] = id;

        _clock.Advance(TimeSpan.FromDays(4.9));
        await LeavesAsync(host, names, "anchor-event", "anchor-faulty", "days", "forever", "normal", "short");
        _clock.Advance(TimeSpan.FromDays(0.2));
        await LeavesAsync(host, names, "anchor-event", "anchor-faulty", "days", "forever", "normal");
        _clock.Advance(TimeSpan.FromDays(5));
        await LeavesAsync(host, names, "anchor-event", "anchor-faulty", "forever", "normal");
        _clock.Advance(TimeSpan.FromDays(80));
        await LeavesAsync(host, names, "anchor-event", "anchor-faulty", "forever");
        _clock.Advance(TimeSpan.FromDays(275));
        await LeavesAsync(host, names, "anchor-event", "forever");
        foreach (var (id, name) in names)
            Assert.Equal(name is "anchor-event" or "forever", (await host.Store.GetJournalAsync(id, 0, 1, Ct)).Count > 0);
    }

    [Fact]
    public async Task The_clock_alone_makes_it_happen_in_batches()
    {
        await using var host = await StartAsync(o => o.RetentionBatch = 3);
        await host.PublishAsync("foreach", Ct);
        for (var i = 0; i < 10; i++) await RunAsync(host, "anchor-foreach");
        _clock.Advance(TimeSpan.FromDays(89));
        Assert.Equal(10, await host.Store.CountInstancesAsync(new InstanceFilter(), Ct));
        await Eventually.TrueAsync(async () =>
        {
            _clock.Advance(TimeSpan.FromHours(1));
            return await host.Store.CountInstancesAsync(new InstanceFilter(), Ct) == 0;
        }, "the instances are deleted when their time is over", Ct);
        Assert.InRange(_clock.GetUtcNow(), new DateTimeOffset(2026, 6, 30, 12, 0, 0, TimeSpan.Zero), DateTimeOffset.MaxValue);
    }

    [Fact]
    public async Task Nothing_goes_when_retention_is_off()
    {
        await using var host = await StartAsync(o => o.Retention = null);
        await host.PublishAsync("foreach", Ct);
        await RunAsync(host, "anchor-foreach");
        _clock.Advance(TimeSpan.FromDays(4000));
        await CleanAsync(host);
        Assert.Equal(1, await host.Store.CountInstancesAsync(new InstanceFilter(), Ct));
    }

    [Fact]
    public async Task Two_nodes_clean_at_once_and_both_go_on_running()
    {
        await using var one = await StartAsync(o => o.RetentionBatch = 5);
        await one.PublishAsync("foreach", Ct);
        for (var i = 0; i < 30; i++) await RunAsync(one, "anchor-foreach");
        await using var two = await StartAsync(o => o.RetentionBatch = 5);
        _clock.Advance(TimeSpan.FromDays(100));
        var living = await RunAsync(two, "anchor-foreach");
        await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(() => CleanAsync(i % 2 == 0 ? one : two), Ct)));
        // A node skips rows that another is about to delete.
        await LeavesAsync(one, (await one.Store.ListInstancesAsync(new InstanceFilter(), 0, 100, Ct)).Items.ToDictionary(i => i.Id, i => i.Id), living);
        await RunAsync(one, "anchor-foreach");
    }

    [Fact]
    public async Task Content_that_nothing_uses_goes_once_its_revisions_are_gone_and_pinned_content_stays()
    {
        await using var host = await StartAsync();
        var pinned = await host.PublishAsync("event", Ct);
        await RunAsync(host, "anchor-event");
        var unused = await host.PublishAsync("foreach", Ct);
        await host.Store.ChangeDefinitionsAsync(new DefinitionChange { Delete = [pinned.Id, unused.Id] }, Ct);

        // What was saved can be looked at and restored for a while.
        for (var look = 0; look < 3; look++) await CleanAsync(host);
        Assert.NotNull(await host.Store.GetContentAsync(unused.ContentHash, Ct));
        _clock.Advance(TimeSpan.FromDays(31));

        // It goes at the second look; the host's own worker may look as well.
        for (var look = 0; look < 2; look++) await CleanAsync(host);
        Assert.Null(await host.Store.GetContentAsync(unused.ContentHash, Ct));
        Assert.NotNull(await host.Store.GetContentAsync(pinned.ContentHash, Ct));
    }

    [Theory]
    [InlineData("0"), InlineData("-3"), InlineData("true"), InlineData("\"soon\""), InlineData("\"-1.00:00:00\""), InlineData("{}")]
    public async Task Retention_that_makes_no_sense_is_refused_at_publish(string retention)
    {
        await using var host = await StartAsync();
        var refused = await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.PublishAsync(Definition("foreach", "bad", retention), null, null, Ct));
        var problem = Assert.Single(refused.Problems);
        Assert.Equal("customProperties.retention", problem.Property);
        Assert.Contains("must be a number of days above 0, a duration such as", problem.Message, StringComparison.Ordinal);
    }
}

public sealed class RetentionOnSqlite() : RetentionContract(new OnSqliteFile());

public sealed class RetentionOnPostgres(PostgresFixture postgres) : RetentionContract(new OnPostgresServer(postgres));
