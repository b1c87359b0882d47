using Elsa.Workflows;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>Workflows that start others and wait for them, through queue and commits.</summary>
public abstract class ChildWorkflowContract(ITestDatabase database) : EngineHostTest(database)
{
    private const string Double = """
        {"definitionId":"double","id":"double:1","name":"double","version":1,"inputs":[{"type":"Int32","name":"Item"}],"outputs":[{"type":"Int32","name":"Total"}],
         "root":{"type":"Elsa.Sequence","id":"s","activities":[
          {"type":"Elsa.SetOutput","id":"o","outputName":{"typeName":"String","expression":{"type":"Literal","value":"Total"}},"outputValue":{"typeName":"Object","expression":{"type":"JavaScript","value":"getItem() * 2"}}}]}}
        """;

    private static string Calls(string child) => """
        {"definitionId":"calls","id":"calls:1","name":"calls","version":1,"outputs":[{"type":"Object","name":"Answer"}],
         "variables":[{"id":"r","name":"Report","typeName":"Object","storageDriverTypeName":"WorkflowInstanceStorageDriver"}],
         "root":{"type":"Elsa.Sequence","id":"s","activities":[
          {"type":"Elsa.ExecuteWorkflow","id":"x","workflowDefinitionId":{"typeName":"String","expression":{"type":"Literal","value":"CHILD"}},"waitForCompletion":{"typeName":"Boolean","expression":{"type":"Literal","value":"True"}},
           "input":{"typeName":"ObjectDictionary","expression":{"type":"JavaScript","value":"({ Item: 21 })"}},"result":{"typeName":"Object","memoryReference":{"id":"r"}}},
          {"type":"Elsa.SetOutput","id":"o","outputName":{"typeName":"String","expression":{"type":"Literal","value":"Answer"}},
           "outputValue":{"typeName":"Object","expression":{"type":"JavaScript","value":"getReport().subStatus + ' ' + getReport().output?.Total"}}}]}}
        """.Replace("CHILD", child, StringComparison.Ordinal);

    private const string Bulk = """
        {"definitionId":"bulk","id":"bulk:1","name":"bulk","version":1,"outputs":[{"type":"String","name":"Ended"}],
         "root":{"type":"Elsa.Flowchart","id":"f","activities":[
          {"type":"Elsa.BulkDispatchWorkflows","id":"b","workflowDefinitionId":{"typeName":"String","expression":{"type":"Literal","value":"double"}},"items":{"typeName":"Object","expression":{"type":"JavaScript","value":"[1, 2, 3, 4, 5]"}}},
          {"type":"Elsa.SetOutput","id":"o","outputName":{"typeName":"String","expression":{"type":"Literal","value":"Ended"}},"outputValue":{"typeName":"Object","expression":{"type":"Literal","value":"all"}}}],
          "connections":[{"source":{"activity":"b","port":"Completed"},"target":{"activity":"o","port":"In"}}]}}
        """;

    [Theory]
    [InlineData("double", "Finished 42"), InlineData("anchor-faulty", "Faulted undefined"), InlineData("anchor-event", "Cancelled undefined")]
    public async Task A_parent_waits_for_its_child_and_learns_how_it_ended(string child, string answer)
    {
        await using var host = await StartAsync();
        await host.Publisher.PublishAsync(Double, null, null, Ct);
        await host.PublishAsync("faulty", Ct);
        await host.PublishAsync("event", Ct);
        await host.Publisher.PublishAsync(Calls(child), null, null, Ct);
        var id = await RunAsync(host, "calls");
        if (child == "anchor-event")
        {
            var waiting = "";
            await Eventually.TrueAsync(async () =>
            {
                foreach (var c in (await host.Store.ListInstancesAsync(new InstanceFilter(ParentInstanceId: id, Statuses: [InstanceStatus.Suspended]), 0, 1, Ct)).Items) waiting = c.Id;
                return waiting.Length > 0;
            }, "the child waits", Ct);
            await (await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(waiting, Ct)).CancelAsync(Ct);
        }
        await EndsAsync(host, id);
        Assert.Equal(answer, (await StateAsync(host, id)).Output["Answer"]);
    }

    [Fact]
    public async Task A_bulk_dispatch_waits_for_all_its_children()
    {
        await using var host = await StartAsync();
        await host.Publisher.PublishAsync(Double, null, null, Ct);
        await host.Publisher.PublishAsync(Bulk, null, null, Ct);
        var id = await RunAsync(host, "bulk");
        await EndsAsync(host, id);
        Assert.Equal("all", (await StateAsync(host, id)).Output["Ended"]);
        var (children, _) = await host.Store.ListInstancesAsync(new InstanceFilter(ParentInstanceId: id), 0, 100, Ct);
        var totals = new List<string>();
        foreach (var child in children) totals.Add((await StateAsync(host, child.Id)).Output["Total"].ToString()!);
        Assert.Equal(["10", "2", "4", "6", "8"], totals.Order(StringComparer.Ordinal));
        Assert.All(children, c => Assert.Equal(InstanceStatus.Finished, c.Status));
        Assert.Null(await host.Store.NextDueAsync(Ct));
    }

    private static Task EndsAsync(EngineHost host, string id) => Eventually.TrueAsync(async () => (await host.Store.GetInstanceAsync(id, Ct))!.Status == InstanceStatus.Finished, "the parent ends", Ct);

    private static async Task<Elsa.Workflows.State.WorkflowState> StateAsync(EngineHost host, string id) =>
        await (await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(id, Ct)).ExportStateAsync(Ct);

    private static async Task<string> RunAsync(EngineHost host, string definition)
    {
        var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(Ct);
        return (await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId(definition) }, Ct)).WorkflowInstanceId;
    }
}

public sealed class ChildWorkflowsOnSqlite() : ChildWorkflowContract(new OnSqliteFile());

public sealed class ChildWorkflowsOnPostgres(PostgresFixture postgres) : ChildWorkflowContract(new OnPostgresServer(postgres));
