using System.Text.Json.Nodes;
using Elsa.Common.Models;
using Elsa.Workflows;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Runtime;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Management;

/// <summary>A workflow used as an activity of another.</summary>
public abstract class UsedWorkflowContract(ITestDatabase database) : EngineHostTest(database)
{
    /// <summary>Greets somebody; "Nobody" leaves by another outcome. Its ids are those of the workflow around, on purpose.</summary>
    private static string Greeter(string greeting, string before = "") =>
        $$"""
        {"definitionId":"greeter","name":"greet somebody","options":{"usableAsActivity":true},"outcomes":["Greeted","Nobody"],
         "variables":[{"id":"v1","name":"Text","typeName":"String","storageDriverTypeName":"WorkflowInstanceStorageDriver"}],"inputs":[{"name":"Who","type":"String"},{"name":"Times","type":"Int32"}],"outputs":[{"name":"Greeting","type":"String"},{"name":"Count","type":"Int32"}],
         "root":{"type":"Elsa.Sequence","id":"flow","activities":[{{before}}
           {"type":"Elsa.SetVariable","id":"a","variable":{"id":"v1","name":"Text"},"value":{"typeName":"Object","expression":{"type":"JavaScript","value":"'{{greeting}} ' + getWho() + ' ' + (getInput('Times') + 1)"} } },
           {"type":"Elsa.SetOutput","id":"b","outputName":{"typeName":"String","expression":{"type":"Literal","value":"Greeting"} },"outputValue":{"typeName":"Object","expression":{"type":"Liquid","value":"{{"{{"}} Variables.Text {{"}}"}}/{{"{{"}} Input.Who {{"}}"}}"} } },
           {"type":"Elsa.RunJavaScript","id":"c","script":{"typeName":"String","expression":{"type":"Literal","value":"return 7"} },"result":{"typeName":"Int32","memoryReference":{"id":"Count"} } },
           {"type":"Elsa.Complete","id":"d","outcomes":{"typeName":"Object","expression":{"type":"JavaScript","value":"getWho() == 'nobody' ? 'Nobody' : 'Greeted'"} } },
           {"type":"Elsa.Fault","id":"e","message":{"typeName":"String","expression":{"type":"Literal","value":"must not be reached"} } }]} }
        """;

    private static string Consumer(string who, string more = "", string id = "consumer") =>
        $$"""
        {"definitionId":"{{id}}","name":"Consumer","variables":[{"id":"v1","name":"Who","typeName":"String","value":"{{who}}","storageDriverTypeName":"WorkflowInstanceStorageDriver"},{"id":"v2","name":"Said","typeName":"String","storageDriverTypeName":"WorkflowInstanceStorageDriver"},{"id":"v3","name":"Count","typeName":"Int32","storageDriverTypeName":"WorkflowInstanceStorageDriver"}],
         "inputs":[{"name":"Who","type":"String"}],
         "root":{"type":"Elsa.Flowchart","id":"flow","activities":[
           {"type":"GreetSomebody","id":"a"{{more}},"who":{"typeName":"String","expression":{"type":"Variable","value":"{\"id\":\"v1\",\"name\":\"Who\"}"} },"times":{"typeName":"Int32","expression":{"type":"Literal","value":"2"} },"greeting":{"typeName":"String","memoryReference":{"id":"v2"} },"count":{"typeName":"Int32","memoryReference":{"id":"v3"} } },
           {"type":"Elsa.Correlate","id":"b","correlationId":{"typeName":"String","expression":{"type":"JavaScript","value":"getSaid() + '|' + getCount() + '|' + getVariable('Who') + '|' + getInput('Who')"} } },
           {"type":"Elsa.Correlate","id":"c","correlationId":{"typeName":"String","expression":{"type":"JavaScript","value":"'nobody:' + getSaid()"} } }],
          "connections":[{"source":{"activity":"a","port":"Greeted"},"target":{"activity":"b"} },{"source":{"activity":"a","port":"Nobody"},"target":{"activity":"c"} }]} }
        """;

    private static async Task<RunWorkflowInstanceResponse> RunAsync(EngineHost host, string id = "consumer")
    {
        var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(Ct);
        return await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId(id), Input = new Dictionary<string, object> { ["Who"] = "outer" } }, Ct);
    }

    private static async Task<string?> SaidAsync(EngineHost host, RunWorkflowInstanceResponse run)
    {
        Assert.Empty(run.Incidents);
        Assert.Equal(WorkflowSubStatus.Finished, run.SubStatus);
        return (await host.Store.GetInstanceAsync(run.WorkflowInstanceId, Ct))!.CorrelationId;
    }

    [Fact]
    public async Task Runs_inside_the_instance_in_a_scope_of_its_own_and_leaves_by_its_outcomes()
    {
        await using var host = await StartAsync();
        await host.Publisher.PublishAsync(Greeter("Hello"), null, null, Ct);
        await host.Publisher.PublishAsync(Consumer("Bob"), null, null, Ct);
        Assert.Equal("Hello Bob 3/Bob|7|Bob|outer", await SaidAsync(host, await RunAsync(host)));
        Assert.Equal(1, await host.Store.CountInstancesAsync(new InstanceFilter(), Ct));
        await host.Publisher.PublishAsync(Consumer("nobody"), null, null, Ct);
        Assert.Equal("nobody:Hello nobody 3/nobody", await SaidAsync(host, await RunAsync(host)));
    }

    [Fact]
    public async Task Survives_a_wait_inside_of_it_and_keeps_the_version_it_began_with()
    {
        const string wait = """{"type":"Elsa.Event","id":"w","eventName":{"typeName":"String","expression":{"type":"JavaScript","value":"'go-' + getWho()"} } },""";
        RunWorkflowInstanceResponse run;
        await using (var host = await StartAsync())
        {
            var first = await host.Publisher.PublishAsync(Greeter("Hello", wait), null, null, Ct);
            await host.Publisher.PublishAsync(Consumer("Bob"), null, null, Ct);
            run = await RunAsync(host);
            Assert.Equal(WorkflowSubStatus.Suspended, run.SubStatus);
            await host.Publisher.PublishAsync(Greeter("Bye"), null, null, Ct);
            // The version is in use: neither it nor the definition can go, and no draft is saved into it.
            await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.DeleteVersionAsync(first.Id, Ct));
            await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.DeleteAsync("greeter", Ct));
            // The consumer itself may go.
            Assert.True(await host.Publisher.DeleteAsync("consumer", Ct));
            await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.DeleteVersionAsync(first.Id, Ct));
        }
        await using (var host = await StartAsync())
        {
            await host.Services.GetRequiredService<IEventPublisher>().PublishAsync("go-Bob", cancellationToken: Ct);
            await Eventually.TrueAsync(async () => (await host.Store.GetInstanceAsync(run.WorkflowInstanceId, Ct))!.Status == InstanceStatus.Finished, "the instance ends", Ct);
            Assert.Equal("Hello Bob 3/Bob|7|Bob|outer", (await host.Store.GetInstanceAsync(run.WorkflowInstanceId, Ct))!.CorrelationId);
        }
    }

    [Fact]
    public async Task Definition_names_the_version_it_was_saved_with_until_another_is_chosen()
    {
        await using var host = await StartAsync();
        var first = await host.Publisher.PublishAsync(Greeter("Hello"), null, null, Ct);
        var row = await host.Publisher.PublishAsync(Consumer("Bob"), null, null, Ct);
        var activity = JsonNode.Parse(row.Content)!["root"]!["activities"]![0]!;
        Assert.Equal(("greeter", first.Id, 1), ((string?)activity["workflowDefinitionId"], (string?)activity["workflowDefinitionVersionId"], (int)activity["latestAvailablePublishedVersion"]!));
        var second = await host.Publisher.PublishAsync(Greeter("Bye"), null, null, Ct);
        Assert.Equal("Hello Bob 3/Bob|7|Bob|outer", await SaidAsync(host, await RunAsync(host)));
        await host.Publisher.PublishAsync(row.Content.Replace(first.Id, second.Id, StringComparison.Ordinal), null, null, Ct);
        Assert.Equal("Bye Bob 3/Bob|7|Bob|outer", await SaidAsync(host, await RunAsync(host)));

        // A retracted version that is in use is not written over by a draft.
        await host.Publisher.RetractAsync("greeter", Ct);
        var draft = await host.Publisher.SaveDraftAsync(Greeter("Draft"), null, Ct);
        Assert.Equal(3, draft.Version);
        Assert.Equal("Bye Bob 3/Bob|7|Bob|outer", await SaidAsync(host, await RunAsync(host)));
    }

    [Fact]
    public async Task Designer_sees_it_as_known_and_a_file_names_the_definition_only()
    {
        await using var host = await StartAsync();
        var writer = host.Services.GetRequiredService<DefinitionWriter>();
        var first = await host.Publisher.PublishAsync(Greeter("Hello"), null, null, Ct);
        var row = await host.Publisher.SaveDraftAsync(Consumer("Bob"), null, Ct);
        Assert.Equal("GreetSomebody", (string?)writer.View(row)["root"]!["activities"]![0]!["type"]);
        var file = writer.Export(row.Content);
        Assert.Contains("\"workflowDefinitionId\": \"greeter\"", file, StringComparison.Ordinal);
        Assert.DoesNotContain(first.Id, file, StringComparison.Ordinal);
        Assert.Equal(["GreetSomebody"], host.Services.GetRequiredService<ActivityRegistry>().Workflows.Published.Select(UsableWorkflows.TypeNameOf));
        // Written for another server's versions: the definition counts.
        await host.Publisher.PublishAsync(Consumer("Bob", """,name":"x","workflowDefinitionId":"greeter","workflowDefinitionVersionId":"elsewhere" """.Replace(",name", ",\"name", StringComparison.Ordinal)), null, null, Ct);
        Assert.Equal("Hello Bob 3/Bob|7|Bob|outer", await SaidAsync(host, await RunAsync(host)));
    }

    [Fact]
    public async Task Faults_in_its_use_are_refused_at_publish()
    {
        await using var host = await StartAsync();
        async Task<DefinitionProblem> Refused(string json) => Assert.Single((await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.PublishAsync(json, null, null, Ct))).Problems);
        var unknown = await Refused(Consumer("Bob", ",\"workflowDefinitionId\":\"greeter\""));
        Assert.Equal(("a", "GreetSomebody", "workflowDefinitionId"), (unknown.ActivityId, unknown.ActivityType, unknown.Property));
        await host.Publisher.PublishAsync(Greeter("Hello"), null, null, Ct);
        var outcome = await Refused(Consumer("Bob").Replace("\"port\":\"Greeted\"", "\"port\":\"Ignored\"", StringComparison.Ordinal).Replace("{\"source\":{\"activity\":\"a\",\"port\":\"Nobody\"}", "{\"source\":{\"activity\":\"a\",\"port\":\"Greeted\"},\"target\":{\"activity\":\"b\"} },{\"source\":{\"activity\":\"a\",\"port\":\"Nobody\"}", StringComparison.Ordinal));
        Assert.Equal(("a", "connections"), (outcome.ActivityId, outcome.Property));
        var input = await Refused(Consumer("Bob").Replace("{\"type\":\"Literal\",\"value\":\"2\"}", "{\"type\":\"Literal\",\"value\":\"two\"}", StringComparison.Ordinal));
        Assert.Equal(("a", "Times"), (input.ActivityId, input.Property));
        var output = await Refused(Consumer("Bob").Replace("\"memoryReference\":{\"id\":\"v3\"}", "\"memoryReference\":{\"id\":\"v9\"}", StringComparison.Ordinal));
        Assert.Equal(("a", "Count"), (output.ActivityId, output.Property));
        // A uses B, so B can't use A.
        await host.Publisher.PublishAsync(Consumer("Bob").Replace("\"name\":\"Consumer\",", "\"name\":\"Consumer\",\"options\":{\"usableAsActivity\":true},", StringComparison.Ordinal), null, null, Ct);
        var circle = await Refused(Greeter("Hello", """{"type":"Consumer","id":"circle"},"""));
        Assert.Equal(("circle", "workflowDefinitionId"), (circle.ActivityId, circle.Property));
        Assert.Contains("greeter > consumer > greeter", circle.Message, StringComparison.Ordinal);
        Assert.Equal("Hello Bob 3/Bob|7|Bob|outer", await SaidAsync(host, await RunAsync(host)));
    }
}

public sealed class UsedWorkflowOnSqlite() : UsedWorkflowContract(new OnSqliteFile());

public sealed class UsedWorkflowOnPostgres(PostgresFixture postgres) : UsedWorkflowContract(new OnPostgresServer(postgres));
