using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>An instance that kills the nodes that run it is set aside.</summary>
public abstract class TakeoverContract(ITestDatabase database) : EngineHostTest(database)
{
    [Fact]
    public async Task Instance_whose_nodes_died_too_often_is_parked_with_an_incident_until_a_retry_ends_it()
    {
        await using var host = await StartAsync(o => (o.MaxTakeovers, o.Lease) = (1, TimeSpan.FromSeconds(1)), s => s.AddSingleton<Gate>());
        host.Services.GetRequiredService<ActivityRegistry>().Register(typeof(Stuck));
        await host.Publisher.PublishAsync("""{"definitionId":"deadly","name":"deadly","root":{"type":"Test.Stuck","id":"stuck"} }""", null, null, Ct);
        await host.Services.GetRequiredService<IWorkflowDispatcher>().DispatchAsync(new DispatchWorkflowDefinitionRequest { DefinitionId = "deadly", InstanceId = "x" }, null, Ct);
        await Eventually.TrueAsync(async () => await host.Store.GetInstanceAsync("x", Ct) is { Status: InstanceStatus.Running }, "a node runs it", Ct);

        // The node that has it dies, and so has the one before: it was taken over once, and nobody keeps its lease any more.
        Assert.Equal(1, await host.Store.Database.ExecuteAsync(new EnlistedWrite("UPDATE instance_leases SET owner = 'dead', token = -token, takeovers = 1 WHERE instance_id = @id", [new("id", "x")]), Ct));
        var runner = host.Services.GetRequiredService<InstanceRunner>();
        await Eventually.TrueAsync(async () =>
        {
            // Whoever sees first that the lease has lapsed: this node by itself, or this look.
            foreach (var (row, lease, takeovers) in await host.Store.ClaimLapsedAsync("test", 16, TimeSpan.FromMinutes(1), Ct)) await runner.RecoverAsync(row, lease, takeovers, Ct);
            return await host.Store.GetInstanceAsync("x", Ct) is { Status: InstanceStatus.Parked, IncidentCount: 1 };
        }, "it is parked", Ct);
        Assert.Contains("2 nodes died while running this instance", Assert.Single((await runner.GetOutcomeAsync("x", Ct))!.Incidents).Message, StringComparison.Ordinal);
        Assert.Empty(await host.Store.ClaimLapsedAsync("test", 16, TimeSpan.FromMinutes(1), Ct));

        host.Services.GetRequiredService<Gate>().Open.SetResult();
        await host.RetryAsync("x", Ct);
        await Eventually.TrueAsync(async () => await host.Store.GetInstanceAsync("x", Ct) is { Status: InstanceStatus.Finished, IncidentCount: 1 }, "the retry ends it", Ct);
    }

    public sealed class Gate
    {
        public TaskCompletionSource Open { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Does not end until the gate is open.</summary>
    [Activity("Test", "Test", Kind = ActivityKind.Task)]
    public sealed class Stuck : CodeActivity
    {
        protected override async ValueTask ExecuteAsync(ActivityExecutionContext context) => await context.GetRequiredService<Gate>().Open.Task;
    }
}

public sealed class TakeoversOnSqlite() : TakeoverContract(new OnSqliteFile());

public sealed class TakeoversOnPostgres(PostgresFixture postgres) : TakeoverContract(new OnPostgresServer(postgres));
