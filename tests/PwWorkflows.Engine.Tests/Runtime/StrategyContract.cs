using Elsa.Workflows;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>Activation and incident strategies by Elsa's names, also when two nodes race.</summary>
public abstract class StrategyContract(ITestDatabase database) : EngineHostTest(database)
{
    private static string Waits(string id, string? activation) => $$"""
        {"definitionId":"{{id}}","name":"{{id}}","options":{"activationStrategyType":{{(activation is null ? "null" : $"\"{activation}, Elsa.Workflows.Runtime\"")}}},
         "root":{"type":"Elsa.Event","id":"e","eventName":{"typeName":"String","expression":{"type":"Literal","value":"go"} } } }
        """;

    /// <summary>Starts each of two definitions for each of two correlations six times, spread over two nodes.</summary>
    private async Task<(string Definition, string Correlation)[]> RaceAsync(string? strategy)
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        foreach (var id in new[] { "a", "b" }) await one.Publisher.PublishAsync(Waits(id, strategy), null, null, Ct);
        await two.Services.GetRequiredService<WorkflowCatalog>().RefreshAsync(Ct);
        var starts = from definition in new[] { "a", "b" } from correlation in new[] { "c1", "c2" } from n in Enumerable.Range(0, 6) select (definition, correlation, host: n % 2 == 0 ? one : two);
        var answers = await Task.WhenAll(starts.Select(s => Task.Run(async () =>
        {
            var answer = await s.host.Services.GetRequiredService<IWorkflowStarter>().StartWorkflowAsync(new StartWorkflowRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId(s.definition), CorrelationId = s.correlation }, Ct);
            return (s.definition, s.correlation, answer.CannotStart);
        }, Ct)));
        var (items, _) = await one.Store.ListInstancesAsync(new InstanceFilter(), 0, 100, Ct);
        // Who was told that it started is who is there.
        var started = answers.Where(a => !a.CannotStart).Select(a => (a.definition, a.correlation)).Order().ToArray();
        Assert.Equal(started, items.Select(i => (i.DefinitionId, i.CorrelationId!)).Order());
        if (strategy is null) return started;

        // When they have ended there is room again.
        await one.Services.GetRequiredService<IEventPublisher>().PublishAsync("go", cancellationToken: Ct);
        await Eventually.TrueAsync(async () => await one.Store.CountInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Suspended, InstanceStatus.Running]), Ct) == 0, "all end", Ct);
        var again = await two.Services.GetRequiredService<IWorkflowStarter>().StartWorkflowAsync(new StartWorkflowRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId("a"), CorrelationId = "c1" }, Ct);
        Assert.False(again.CannotStart);
        return started;
    }

    [Fact]
    public async Task Without_a_strategy_every_start_is_allowed() => Assert.Equal(24, (await RaceAsync(null)).Length);

    [Fact]
    public async Task Always_allows_every_start() => Assert.Equal(24, (await RaceAsync("Elsa.Workflows.ActivationValidators.AllowAlwaysStrategy")).Length);

    [Fact]
    public async Task Singleton_allows_one_of_each_definition() =>
        Assert.Equal(["a", "b"], (await RaceAsync("Elsa.Workflows.Runtime.ActivationValidators.SingletonStrategy")).Select(s => s.Definition));

    [Fact]
    public async Task Correlation_allows_one_of_each_correlation_whatever_the_definition() =>
        Assert.Equal(["c1", "c2"], (await RaceAsync("Elsa.Workflows.Runtime.ActivationValidators.CorrelationStrategy")).Select(s => s.Correlation).Order());

    [Fact]
    public async Task Correlated_singleton_allows_one_of_each_definition_and_correlation() =>
        Assert.Equal([("a", "c1"), ("a", "c2"), ("b", "c1"), ("b", "c2")], await RaceAsync("Elsa.Workflows.Runtime.ActivationValidators.CorrelatedSingletonStrategy"));

    [Theory]
    [InlineData(null, InstanceStatus.Faulted)]
    [InlineData("FaultStrategy", InstanceStatus.Faulted)]
    [InlineData("ContinueWithIncidentsStrategy", InstanceStatus.Suspended)]
    public async Task Incident_strategy_says_what_a_fault_ends(string? strategy, InstanceStatus expected)
    {
        await using var host = await StartAsync();
        await host.Publisher.PublishAsync($$"""
            {"definitionId":"x","name":"x","options":{"incidentStrategyType":{{(strategy is null ? "null" : $"\"Elsa.Workflows.IncidentStrategies.{strategy}, Elsa.Workflows.Core\"")}}},
             "root":{"type":"Elsa.Flowchart","id":"f","activities":[{"type":"Elsa.Start","id":"s"},{"type":"Elsa.Fault","id":"bad","message":{"typeName":"String","expression":{"type":"Literal","value":"It broke"} } },
               {"type":"Elsa.Correlate","id":"good","correlationId":{"typeName":"String","expression":{"type":"Literal","value":"went on"} } }],
              "connections":[{"source":{"activity":"s"},"target":{"activity":"bad"} },{"source":{"activity":"s"},"target":{"activity":"good"} }]} }
            """, null, null, Ct);
        var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(Ct);
        var run = await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId("x") }, Ct);
        var row = (await host.Store.GetInstanceAsync(run.WorkflowInstanceId, Ct))!;
        Assert.Equal((expected, 1, "went on"), (row.Status, row.IncidentCount, row.CorrelationId));
    }
}

public sealed class StrategyOnSqlite() : StrategyContract(new OnSqliteFile());

public sealed class StrategyOnPostgres(PostgresFixture postgres) : StrategyContract(new OnPostgresServer(postgres));
