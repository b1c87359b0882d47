using System.Net;
using System.Text.Json;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>Requests that start workflows, and requests that workflows wait for.</summary>
public abstract class HttpEndpointContract(ITestDatabase database) : EngineHostTest(database)
{
    private static string Text(string value) => $$"""{"typeName":"String","expression":{"type":"Literal","value":"{{value}}"} }""";

    private static string Script(string value) => $$"""{"typeName":"Object","expression":{"type":"JavaScript","value":"{{value}}"} }""";

    private static string Endpoint(string id, string path, string more = "", bool starts = true) =>
        $$"""{"type":"Elsa.HttpEndpoint","id":"{{id}}","customProperties":{"canStartWorkflow":{{(starts ? "true" : "false")}} },"path":{{path}},"supportedMethods":{"typeName":"String[]","expression":{"type":"Object","value":"[\"GET\",\"POST\"]"} }{{more}} }""";

    private static string Answer(string id, string content) => $$"""{"type":"Elsa.WriteHttpResponse","id":"{{id}}","content":{{content}},"contentType":{{Text("text/plain")}} }""";

    private static Task PublishAsync(EngineHost host, string id, params string[] activities) => host.Publisher.PublishAsync(
        $$"""
        {"definitionId":"{{id}}","name":"{{id}}","variables":[{"id":"route","name":"Route","typeName":"ObjectDictionary"},{"id":"body","name":"Body","typeName":"Object"}],
         "root":{"type":"Elsa.Sequence","id":"s","activities":[{{string.Join(",", activities)}}]} }
        """, null, null, Ct);

    private static async Task<(HttpStatusCode Status, string Body)> SendAsync(EngineHost host, string path, string? body = null)
    {
        using var response = body is null ? await host.Http.GetAsync(path, Ct) : await host.Http.PostAsync(path, new StringContent(body), Ct);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Ct));
    }

    [Fact]
    public async Task Parameters_of_the_path_reach_the_workflow_and_an_exact_path_goes_before_them()
    {
        await using var host = await StartAsync(o => o.HttpBasePath = "/flows/v1");
        await PublishAsync(host, "one", Endpoint("e", Text("orders/{orderId}"), ",\"routeData\":{\"typeName\":\"ObjectDictionary\",\"memoryReference\":{\"id\":\"route\"} }"), Answer("a", Script("getRoute().orderId")));
        await PublishAsync(host, "all", Endpoint("e", Text("orders/open")), Answer("a", Text("those open")));
        Assert.Equal((HttpStatusCode.OK, "CO-1"), await SendAsync(host, "/flows/v1/orders/CO-1"));
        Assert.Equal((HttpStatusCode.OK, "Müller & Söhne"), await SendAsync(host, "/flows/v1/Orders/M%C3%BCller%20%26%20S%C3%B6hne/"));
        // An encoded slash divides nothing, and stays as it was sent.
        Assert.Equal((HttpStatusCode.OK, "a%2Fb"), await SendAsync(host, "/flows/v1/orders/a%2Fb"));
        Assert.Equal((HttpStatusCode.OK, "those open"), await SendAsync(host, "/flows/v1/orders/Open"));
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(host, "/flows/v1/orders/a/b")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(host, "/workflows/orders/CO-1")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(host, "/orders/CO-1")).Status);
    }

    [Fact]
    public async Task At_the_root_the_endpoints_of_the_host_go_first()
    {
        await using var host = await StartAsync(o => o.HttpAtRoot = true, map: app => app.MapGet("/own/{id}", (string id) => "own " + id));
        await PublishAsync(host, "drawn", Endpoint("e", Text("{first}/{second}")), Answer("a", Text("drawn")));
        Assert.Equal((HttpStatusCode.OK, "own 1"), await SendAsync(host, "/own/1"));
        Assert.Equal((HttpStatusCode.OK, "drawn"), await SendAsync(host, "/own/1", "a method that the host has not"));
        Assert.Equal((HttpStatusCode.OK, "drawn"), await SendAsync(host, "/other/1"));
        Assert.Equal((HttpStatusCode.OK, "drawn"), await SendAsync(host, "/workflows/own/1"));
    }

    [Fact]
    public async Task A_request_resumes_the_endpoint_that_waits_for_it_in_the_middle_of_a_workflow()
    {
        await using var host = await StartAsync(o => (o.HttpAtRoot, o.HttpRequestSizeLimit) = (true, 100));
        await PublishAsync(host, "waits", Endpoint("first", Text("Begin")),
            Endpoint("second", Script("'Approve/' + getWorkflowInstanceId()"), ",\"parsedContent\":{\"typeName\":\"Object\",\"memoryReference\":{\"id\":\"body\"} },\"requestSizeLimit\":{\"typeName\":\"Int64\",\"expression\":{\"type\":\"Literal\",\"value\":\"200\"} }", false), Answer("a", Script("'got ' + getBody()")),
            Endpoint("third", Script("'cancel/' + getWorkflowInstanceId()"), starts: false), Answer("b", Text("cancelled")));
        var (status, body) = await SendAsync(host, "/begin");
        Assert.Equal(HttpStatusCode.Accepted, status);
        var id = JsonDocument.Parse(body).RootElement.GetProperty("workflowInstanceId").GetString()!;
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(host, $"/cancel/{id}")).Status);
        // Its own limit, which may be above the server's. What is too large leaves it waiting.
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await SendAsync(host, $"/workflows/approve/{id}", new string('x', 201))).Status);
        Assert.Equal((HttpStatusCode.OK, "got " + new string('x', 200)), await SendAsync(host, $"/APPROVE/{id}/", new string('x', 200)));
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(host, $"/approve/{id}")).Status);
        Assert.Equal((HttpStatusCode.OK, "cancelled"), await SendAsync(host, $"/workflows/cancel/{id}"));
        Assert.Equal(InstanceStatus.Finished, (await host.Store.GetInstanceAsync(id, Ct))!.Status);
    }

    [Theory, InlineData("'approve/{id}'"), InlineData("'approve/CO-1{'")]
    public async Task A_path_that_no_request_can_meet_faults_the_workflow_that_works_it_out(string path)
    {
        await using var host = await StartAsync();
        await PublishAsync(host, "waits", Endpoint("first", Text("begin")), Endpoint("second", Script(path), starts: false));
        var (status, body) = await SendAsync(host, "/workflows/begin");
        Assert.Equal(HttpStatusCode.InternalServerError, status);
        var instance = JsonDocument.Parse(body).RootElement.GetProperty("workflowInstanceId").GetString()!;
        var outcome = await host.Services.GetRequiredService<InstanceRunner>().GetOutcomeAsync(instance, Ct);
        Assert.StartsWith("Elsa.HttpEndpoint (second), Path: ", Assert.Single(outcome!.Incidents).Message, StringComparison.Ordinal);
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task Answer_of_a_run_that_is_repeated_is_given_once_with_what_was_written_before_its_last_commit(bool resumed)
    {
        await using var host = await StartAsync(null, s => s.AddSingleton<Turns>());
        var registry = host.Services.GetRequiredService<ActivityRegistry>();
        foreach (var type in (Type[])[typeof(Writes), typeof(WritesAsTask), typeof(WritesAndConflicts)]) registry.Register(type);
        static string Step(string type, string text) => $$"""{"type":"Test.{{type}}","id":"{{type}}","text":{{Text(text)}} }""";
        string[] writes = [Step("Writes", "one "), Step("WritesAsTask", "two "), Step("WritesAndConflicts", "three")];
        await PublishAsync(host, "writes", [Endpoint("e", Text("begin")), .. resumed ? [Endpoint("again", Text("again"), starts: false)] : Array.Empty<string>(), .. writes]);
        if (resumed) Assert.Equal(HttpStatusCode.Accepted, (await SendAsync(host, "/workflows/begin")).Status);
        using var response = await host.Http.GetAsync(resumed ? "/workflows/again" : "/workflows/begin", Ct);
        Assert.Equal("one two three", await response.Content.ReadAsStringAsync(Ct));
        Assert.Equal(["one", "two", "three"], response.Headers.GetValues("X-Step"));
        Assert.Equal(["one ", "two ", "three", "three"], host.Services.GetRequiredService<Turns>().Taken);
    }

    /// <summary>Texts that were written, also by runs that were repeated.</summary>
    public sealed class Turns
    {
        public List<string> Taken { get; } = [];
    }

    /// <summary>Writes a text into the answer.</summary>
    [Activity("Test", "Test")]
    public class Writes : CodeActivity
    {
        public Input<string> Text { get; set; } = null!;

        protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
        {
            var (response, text) = (context.GetRequiredService<IHttpContextAccessor>().HttpContext!.Response, Text.Get(context));
            context.GetRequiredService<Turns>().Taken.Add(text);
            response.Headers.Append("X-Step", text.Trim());
            await response.WriteAsync(text, context.CancellationToken);
        }
    }

    /// <summary>The state is committed before and after it.</summary>
    [Activity("Test", "Test", Kind = ActivityKind.Task)]
    public sealed class WritesAsTask : Writes;

    /// <summary>The commit of its first turn meets a conflict.</summary>
    [Activity("Test", "Test")]
    public sealed class WritesAndConflicts : Writes
    {
        protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
        {
            await base.ExecuteAsync(context);
            if (context.GetRequiredService<Turns>().Taken.FindAll(t => t == Text.Get(context)).Count == 1)
                RunningActivity.Enlist(new EnlistedWrite("UPDATE workflow_instances SET name = 'x' WHERE id = @id", [new("id", "nobody")], ExpectedRows: 1));
        }
    }
}

public sealed class HttpEndpointsOnSqlite() : HttpEndpointContract(new OnSqliteFile());

public sealed class HttpEndpointsOnPostgres(PostgresFixture postgres) : HttpEndpointContract(new OnPostgresServer(postgres));
