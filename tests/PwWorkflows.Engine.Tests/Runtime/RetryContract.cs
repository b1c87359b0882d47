using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>A fault ends an instance with all that waits in it. A retry makes it wait again.</summary>
public abstract class RetryContract(ITestDatabase database) : EngineHostTest(database)
{
    private const string TwoBranchesWaitAndOneFails =
        """
        {"definitionId":"waits","id":"waits:1","name":"waits","version":1,
         "variables":[{"id":"v","name":"Tried","typeName":"Boolean","isArray":false,"storageDriverTypeName":"WorkflowInstanceStorageDriver"}],
         "root":{"type":"Elsa.Parallel","id":"p","activities":[
          {"type":"Elsa.Sequence","id":"s","activities":[
            {"type":"Elsa.Event","id":"e","eventName":{"typeName":"String","expression":{"type":"Literal","value":"go on"}}},
            {"type":"Elsa.SetName","id":"n","value":{"typeName":"String","expression":{"type":"Literal","value":"went on"}}}]},
          {"type":"Elsa.Delay","id":"d","timeSpan":{"typeName":"TimeSpan","expression":{"type":"Literal","value":"1.00:00:00"}}},
          {"type":"Elsa.RunJavaScript","id":"f","script":{"typeName":"String","expression":{"type":"Literal","value":"if (!getVariable('Tried')) { setVariable('Tried', true); throw new Error('not yet'); }"}}}]}}
        """;

    [Fact]
    public async Task A_branch_that_waited_when_another_failed_waits_again_after_the_retry_and_gets_what_came_in_between()
    {
        await using var host = await StartAsync();
        await host.Services.GetRequiredService<DefinitionPublisher>().PublishAsync(TwoBranchesWaitAndOneFails, null, null, Ct);
        var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(Ct);
        var id = (await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId("waits") }, Ct)).WorkflowInstanceId;
        Assert.Equal(InstanceStatus.Faulted, (await host.Store.GetInstanceAsync(id, Ct))!.Status);
        await host.Services.GetRequiredService<IEventPublisher>().PublishAsync("go on", cancellationToken: Ct);

        await host.RetryAsync(id, Ct);
        await Eventually.TrueAsync(async () => await host.Store.GetInstanceAsync(id, Ct) is { Name: "went on", Status: InstanceStatus.Suspended }, "the event is delivered", Ct);
        // And the timer of the other one runs again.
        await Eventually.TrueAsync(async () => await host.Store.NextDueAsync(Ct) > DateTimeOffset.UtcNow.AddHours(12), "only the timer is left", Ct);
        Assert.Equal(1, (await host.Store.GetInstanceAsync(id, Ct))!.IncidentCount);
    }
}

public sealed class RetryOnSqlite() : RetryContract(new OnSqliteFile());

public sealed class RetryOnPostgres(PostgresFixture postgres) : RetryContract(new OnPostgresServer(postgres));
