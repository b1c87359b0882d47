using System.Net;
using Elsa.Http;
using Elsa.Workflows.Attributes;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Runtime;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Management;

/// <summary>What publishing refuses: all of it at once, each with activity, type and property, and nothing half done.</summary>
public abstract class ValidationContract(ITestDatabase database) : EngineHostTest(database)
{
    /// <summary>A definition around the inside of a flowchart.</summary>
    internal static string Chart(string activities, string connections = "", string top = "") =>
        $$"""
        {"definitionId":"checked","name":"Checked",{{top}} "variables":[{"id":"v1","name":"Total","typeName":"Int32"}],"inputs":[{"type":"String","name":"Order"}],"outputs":[{"type":"String","name":"Answer"}],
         "root":{"type":"Elsa.Flowchart","id":"flow","activities":[{{activities}}],"connections":[{{connections}}]} }
        """;

    private static string Line(string from, string port, string to) => $$"""{"source":{"activity":"{{from}}","port":"{{port}}"},"target":{"activity":"{{to}}","port":"In"} }""";

    private static string Write(string id, string more = "") => $$"""{"type":"Elsa.WriteLine","id":"{{id}}"{{more}}}""";

    [Fact]
    public async Task Every_fault_is_told_at_once_and_what_was_published_stays()
    {
        await using var host = await StartAsync();
        var good = Chart("""{"type":"Elsa.HttpEndpoint","id":"a","customProperties":{"canStartWorkflow":true},"path":{"typeName":"String","expression":{"type":"Literal","value":"checked"} } }""");
        var published = await host.Publisher.PublishAsync(good, null, null, Ct);
        var bad = Chart(
            """
            {"type":"Elsa.HttpEndpoint","id":"a","customProperties":{"canStartWorkflow":true},"path":{"typeName":"String","expression":{"type":"Literal","value":"elsewhere"} } },
            {"type":"Acme.Gone","id":"gone1"},
            {"type":"Acme.AlsoGone","id":"gone2"},
            {"type":"Elsa.WriteLine","id":"twice","text":{"typeName":"String","expression":{"type":"JavaScript","value":"getTotal(("} } },
            {"type":"Elsa.WriteLine","id":"twice"},
            {"type":"Elsa.FlowDecision","id":"choice","condition":{"typeName":"Boolean","expression":{"type":"CSharp","value":"true"} } },
            {"type":"Elsa.Cron","id":"clock","customProperties":{"canStartWorkflow":true},"cronExpression":{"typeName":"String","expression":{"type":"Literal","value":"not a cron"} },"timeZone":{"typeName":"String","expression":{"type":"Literal","value":"Mars/Base"} } },
            {"type":"Elsa.Event","id":"waits"},
            {"type":"Elsa.SetVariable","id":"set","variable":{"id":"nope","name":"Nope"},"value":{"typeName":"Object","expression":{"type":"Literal","value":"1"} } },
            {"type":"Elsa.If","id":"if","condition":{"typeName":"Boolean","expression":{"type":"Variable","value":"{\"name\":\"Missing\"}"} },"result":{"typeName":"Boolean","memoryReference":{"id":"nowhere"} } },
            {"type":"Elsa.WriteLine","id":"liquid","text":{"typeName":"String","expression":{"type":"Liquid","value":"{% if %}"} },"customProperties":{"resilienceStrategy":{"attempts":0},"mergeMode":"Sometimes","commitStrategyName":"Whenever"} },
            {"type":"Elsa.WriteLine","id":"island"}
            """,
            string.Join(",", Line("a", "Done", "gone1"), Line("gone1", "Done", "gone2"), Line("gone2", "Done", "twice"), Line("twice", "Done", "choice"), Line("choice", "Maybe", "waits"), Line("choice", "True", "waits"),
                Line("waits", "Done", "set"), Line("set", "Done", "if"), Line("if", "Done", "liquid"), Line("nobody", "Done", "a"), Line("liquid", "Done", "noone")),
            """
            "options":{"activationStrategyType":"Acme.Sometimes","incidentStrategyType":"Acme.Shrug","commitStrategyName":"Never"},
            """);
        bad = bad.Replace("\"typeName\":\"Int32\"}]", "\"typeName\":\"Int32\"},{\"id\":\"v2\",\"name\":\"Odd\",\"typeName\":\"Acme.Odd\"}]", StringComparison.Ordinal);
        var refused = await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.PublishAsync(bad, null, null, Ct));
        (string Id, string? Type, string? Property)[] expected =
        [
            ("gone1", "Acme.Gone", "type"), ("gone2", "Acme.AlsoGone", "type"), ("twice", "Elsa.WriteLine", "id"), ("twice", "Elsa.WriteLine", "Text"), ("choice", "Elsa.FlowDecision", "Condition"),
            ("choice", "Elsa.FlowDecision", "connections"), ("clock", "Elsa.Cron", "CronExpression"), ("clock", "Elsa.Cron", "TimeZone"), ("waits", "Elsa.Event", "EventName"), ("set", "Elsa.SetVariable", "Variable"),
            ("if", "Elsa.If", "Condition"), ("if", "Elsa.If", "Result"), ("liquid", "Elsa.WriteLine", "Text"), ("liquid", "Elsa.WriteLine", "resilienceStrategy"), ("liquid", "Elsa.WriteLine", "mergeMode"),
            ("liquid", "Elsa.WriteLine", "commitStrategyName"), ("island", "Elsa.WriteLine", null), ("flow", "Elsa.Flowchart", "connections"), ("flow", "Elsa.Flowchart", "connections"),
            ("", null, "options.activationStrategyType"), ("", null, "options.incidentStrategyType"), ("", null, "options.commitStrategyName"), ("", null, "variables"), ("twice", "Elsa.WriteLine", null),
        ];
        Assert.Equal(expected.Order(), refused.Problems.Select(p => (p.ActivityId, p.ActivityType, p.Property)).Order());
        Assert.Contains("choice (Elsa.FlowDecision), connections: is left by 'Maybe' to 'waits', but its outcomes are True, False.", refused.Message, StringComparison.Ordinal);
        Assert.Equal(published, await host.Publisher.FindAsync("checked", Elsa.Common.Models.VersionOptions.Latest, Ct));
        Assert.Equal("GET checked", Assert.Single(await host.Store.GetTriggersAsync(Ct)).RouteKey?.Replace("/", "", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.OK, (await host.Http.GetAsync("/workflows/checked", Ct)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await host.Http.GetAsync("/workflows/elsewhere", Ct)).StatusCode);
    }

    [Fact]
    public async Task Routes_taken_here_and_elsewhere_are_told_together()
    {
        await using var host = await StartAsync();
        static string Endpoint(string id, string path, string methods = "GET") =>
            $$"""{"type":"Elsa.HttpEndpoint","id":"{{id}}","customProperties":{"canStartWorkflow":true},"path":{"typeName":"String","expression":{"type":"Literal","value":"{{path}}"} },"supportedMethods":{"typeName":"String[]","expression":{"type":"Literal","value":"[\"{{methods}}\"]"} } }""";
        await host.Publisher.PublishAsync(Chart(string.Join(",", Endpoint("other", "Taken/Here"), Endpoint("lines", "orders/{id}/lines"))).Replace("\"checked\"", "\"first\"", StringComparison.Ordinal), null, null, Ct);
        var refused = await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.PublishAsync(Chart(string.Join(",",
            Endpoint("a", "mine"), Endpoint("b", "MINE"), Endpoint("c", "mine", "POST"), Endpoint("d", "taken/here"), Endpoint("e", " "),
            Endpoint("f", "Orders/{number}/Lines"), Endpoint("g", "orders/{id}/{part}"), Endpoint("h", "orders/{no}/{what}"), Endpoint("i", "orders/{id}/lines", "POST"))), null, null, Ct));
        Assert.Equal(["b", "d", "e", "f", "h"], refused.Problems.Select(p => p.ActivityId).Order());
        Assert.All(refused.Problems, p => Assert.Equal("Path", p.Property));
        Assert.All((string[])["d", "f"], id => Assert.Contains("'first'", refused.Problems.Single(p => p.ActivityId == id).Message, StringComparison.Ordinal));

        // A row that was stored when keys were as the path was written takes its route as well.
        await host.Store.ChangeDefinitionsAsync(new DefinitionChange
        {
            ReplaceTriggersOf = ["first"],
            Triggers = [.. (await host.Store.GetTriggersAsync(Ct)).Select(t => t with { RouteKey = "as it was written " + t.Id })],
        }, Ct);
        refused = await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.PublishAsync(Chart(Endpoint("d", "taken/here")), null, null, Ct));
        Assert.Equal(("d", "Path"), (Assert.Single(refused.Problems).ActivityId, refused.Problems[0].Property));
    }

    [Fact]
    public async Task Endpoint_that_asks_for_what_is_not_there_is_refused_and_what_is_published_goes_on()
    {
        await using var host = await StartAsync(o => (o.HttpAtRoot, o.HttpReservedPaths) = (true, ["/health", "/api/v1/admin"]));
        host.Services.GetRequiredService<ActivityRegistry>().Register(typeof(Guarded));
        static string Endpoint(string id, string path, string more = "", bool starts = true) =>
            $$"""{"type":"Elsa.HttpEndpoint","id":"{{id}}","customProperties":{"canStartWorkflow":{{(starts ? "true" : "false")}}},"path":{"typeName":"String","expression":{{path}} }{{more}} }""";
        static string Text(string value) => $$"""{"type":"Literal","value":"{{value}}"}""";
        static string Input(string name, string expression) => $$""","{{name}}":{"typeName":"Object","expression":{{expression}} }""";
        string[] endpoints =
        [
            Endpoint("open", Text("orders/{id")), Endpoint("beside", Text("a/{x}{y}")), Endpoint("constraint", Text("b/{id:int}")), Endpoint("question", Text("c?x=1")), Endpoint("script", """{"type":"JavaScript","value":"'d/{id:int}'"}"""),
            Endpoint("authorize", Text("e"), Input("authorize", """{"type":"Literal","value":true}""")), Endpoint("perhaps", Text("f"), Input("authorize", """{"type":"JavaScript","value":"false"}""")),
            Endpoint("policy", Text("g"), Input("policy", Text("Admins"))), Endpoint("timeout", Text("h"), Input("requestTimeout", Text("00:00:10"))),
            Endpoint("health", Text("Health")), Endpoint("admin", Text("api/v1/admin/login")), Endpoint("adminScript", """{"type":"JavaScript","value":"'API/V1/admin'"}"""),
            Endpoint("middle", Text("j/{id}"), starts: false), Endpoint("middleAuthorize", Text("k"), Input("authorize", Text("True")), false), Endpoint("middleAdmin", Text("health/deep"), starts: false),
            """{"type":"Test.Guarded","id":"custom","customProperties":{"canStartWorkflow":true} }""", """{"type":"Test.Guarded","id":"customMiddle"}""",
            Endpoint("fine", Text("api/v1/administrators"), Input("authorize", Text("False")) + Input("policy", Text("")) + Input("requestTimeout", """{"type":"Literal"}""")), Endpoint("alsoFine", Text("l"), ",\"authorize\":null", false),
        ];
        var lines = endpoints.Select(e => System.Text.Json.Nodes.JsonNode.Parse(e)!["id"]!.ToString()).Skip(1).Select(id => Line("open", "Done", id));
        var bad = Chart(string.Join(",", endpoints), string.Join(",", lines));
        var refused = await Assert.ThrowsAsync<DefinitionInvalidException>(() => host.Publisher.PublishAsync(bad, null, null, Ct));
        (string, string?)[] expected =
        [
            ("open", "Path"), ("beside", "Path"), ("constraint", "Path"), ("question", "Path"), ("script", "Path"), ("authorize", "Authorize"), ("perhaps", "Authorize"), ("policy", "Policy"), ("timeout", "RequestTimeout"), ("health", "Path"),
            ("admin", "Path"), ("adminScript", "Path"), ("middle", "Path"), ("middleAuthorize", "Authorize"), ("middleAdmin", "Path"),
            ("custom", "Authorize"), ("custom", "Policy"), ("custom", "RequestTimeout"), ("customMiddle", "Authorize"), ("customMiddle", "Policy"), ("customMiddle", "RequestTimeout"), ("customMiddle", "Path"),
        ];
        Assert.Equal(expected.Order(), refused.Problems.Select(p => (p.ActivityId, p.Property)).Order());
        // What needs no expression to be worked out is told without a database as well.
        Assert.Equal(expected.Where(e => !e.Item1.EndsWith("cript", StringComparison.Ordinal)).Order(), host.Publisher.Check(bad).Select(p => (p.ActivityId, p.Property)).Order());
        Assert.Contains("constraint 'int' on {id}", refused.Message, StringComparison.Ordinal);
        Assert.Contains("(/api/v1/admin)", refused.Problems.Single(p => p.ActivityId == "adminScript").Message, StringComparison.Ordinal);

        await host.PublishAsync("http", Ct);
        Assert.Equal(HttpStatusCode.OK, (await host.Http.GetAsync("/anchor/hello", Ct)).StatusCode);
    }

    [Activity("Test", "Test")]
    public sealed class Guarded : HttpEndpointBase
    {
        protected override HttpEndpointOptions GetOptions() => new() { Path = "custom/{id}", Authorize = true, Policy = "Admins", RequestTimeout = TimeSpan.FromSeconds(1), Methods = ["GET", "POST"] };
    }

    [Fact]
    public async Task Outcomes_come_from_what_the_activity_says_here()
    {
        await using var host = await StartAsync();
        var activities = string.Join(",",
            """{"type":"Elsa.FlowSwitch","id":"s","customProperties":{"canStartWorkflow":true},"cases":[{"label":"High","condition":{"type":"JavaScript","value":"true"} }]}""",
            """{"type":"Elsa.FlowFork","id":"f","branches":{"typeName":"String[]","expression":{"type":"Object","value":"[\"Left\",\"Right\"]"} } }""",
            """{"type":"Elsa.FlowFork","id":"g","branches":{"typeName":"String[]","expression":{"type":"JavaScript","value":"['a']"} } }""",
            """{"type":"Elsa.RunJavaScript","id":"j","script":{"typeName":"String","expression":{"type":"Literal","value":"setOutcome('Good')"} },"possibleOutcomes":{"typeName":"String[]","expression":{"type":"Object","value":"[\"Good\"]"} } }""",
            """{"type":"Elsa.FlowSendHttpRequest","id":"h","url":{"typeName":"Uri","expression":{"type":"Literal","value":"http://127.0.0.1/"} },"expectedStatusCodes":{"typeName":"Int32[]","expression":{"type":"Object","value":"[201]"} } }""",
            """{"type":"Elsa.HttpEndpoint","id":"e","path":{"typeName":"String","expression":{"type":"Literal","value":"x"} },"exposeFileTooLargeOutcome":true}""",
            Write("w"));
        string[] good = [Line("s", "High", "f"), Line("s", "Default", "w"), Line("f", "Left", "g"), Line("f", "Right", "g"), Line("g", "anything", "j"), Line("j", "Good", "h"), Line("j", "Done", "h"),
            Line("h", "201", "e"), Line("h", "Unmatched status code", "w"), Line("h", "Timeout", "w"), Line("h", "Failed to connect", "w"), Line("e", "Done", "w"), Line("e", "File too large", "w")];
        Assert.Empty(host.Publisher.Check(Chart(activities, string.Join(",", good))));
        string[] wrong = [Line("s", "Low", "w"), Line("f", "Middle", "w"), Line("j", "Bad", "w"), Line("h", "404", "w"), Line("e", "Request too large", "w"), Line("w", "True", "f")];
        var problems = host.Publisher.Check(Chart(activities, string.Join(",", good.Concat(wrong))));
        Assert.Equal(["e", "f", "h", "j", "s", "w"], problems.Select(p => p.ActivityId).Order());
        Assert.All(problems, p => Assert.Equal("connections", p.Property));
    }

    [Theory]
    [InlineData("""{"type":"Elsa.DispatchWorkflow","id":"x"}""", "WorkflowDefinitionId", "is required, but not set.")]
    [InlineData("""{"type":"Elsa.DispatchWorkflow","id":"x","workflowDefinitionId":{"typeName":"String","expression":{"type":"Literal","value":""} } }""", "WorkflowDefinitionId", "is required, but not set.")]
    [InlineData("""{"type":"Elsa.Cron","id":"x"}""", "CronExpression", "is required, but not set.")]
    [InlineData("""{"type":"Elsa.HttpEndpoint","id":"x"}""", "Path", "is required, but not set.")]
    [InlineData("""{"type":"Elsa.SetVariable","id":"x"}""", "Variable", "is required, but not set.")]
    [InlineData("""{"type":"Elsa.WriteLine","id":"x","text":{"typeName":"String","expression":{"type":"Input","value":"{\"name\":\"Unknown\"}"} } }""", "Text", "reads the input 'Unknown', which the workflow does not declare.")]
    [InlineData("""{"type":"Elsa.WriteLine","id":"x","text":{"typeName":"String","expression":{"type":"Variable","value":"{broken"} } }""", "Text", "is not the JSON of a variable")]
    [InlineData("""{"type":"Elsa.WriteLine","id":"x","text":{"typeName":"String","expression":{"type":"Object","value":"{broken"} } }""", "Text", "is not JSON")]
    [InlineData("""{"type":"Elsa.Delay","id":"x","timeSpan":{"typeName":"TimeSpan","expression":{"type":"Literal","value":"soon"} } }""", "TimeSpan", "soon")]
    [InlineData("""{"type":"Elsa.RunJavaScript","id":"x","script":{"typeName":"String","expression":{"type":"Literal","value":"return ((;"} } }""", "Script", "is not JavaScript")]
    [InlineData("""{"type":"Elsa.FlowSwitch","id":"x","cases":[{"label":"A","condition":{"type":"JavaScript","value":"(("} }]}""", "Cases, A", "is not JavaScript")]
    [InlineData("""{"type":"Elsa.ForEach","id":"l","items":{"typeName":"Object","expression":{"type":"Object","value":"[1]"} },"body":{"type":"Acme.Inner","id":"x"} }""", "type", "Acme.Inner")]
    public async Task Fault_names_its_property(string activity, string property, string message)
    {
        await using var host = await StartAsync();
        var problem = Assert.Single(host.Publisher.Check(Chart(activity)));
        Assert.Equal(("x", property), (problem.ActivityId, problem.Property));
        Assert.Contains(message, problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"type":"Elsa.WriteLine","id":"x","text":{"typeName":"String","expression":{"type":"Variable","value":"{\"id\":\"v1\",\"name\":\"Total\"}"} } }""")]
    [InlineData("""{"type":"Elsa.WriteLine","id":"x","text":{"typeName":"String","expression":{"type":"Variable","value":{"id":"v1"} } } }""")]
    [InlineData("""{"type":"Elsa.WriteLine","id":"x","text":{"typeName":"String","expression":{"type":"Input","value":"{\"name\":\"order\"}"} } }""")]
    [InlineData("""{"type":"Elsa.If","id":"x","result":{"typeName":"Boolean","memoryReference":{"id":"Answer"} } }""")]
    [InlineData("""{"type":"Elsa.If","id":"x","result":{"typeName":"Boolean","memoryReference":{"id":"x:output-result"} } }""")]
    [InlineData("""{"type":"Elsa.ForEach","id":"x","body":{"type":"Elsa.WriteLine","id":"y","text":{"typeName":"String","expression":{"type":"Variable","value":"{\"name\":\"CurrentValue\"}"} } } }""")]
    [InlineData("""{"type":"Elsa.Sequence","id":"x","variables":[{"name":"Inner","typeName":"String"}],"activities":[{"type":"Elsa.SetVariable","id":"y","variable":{"name":"Inner"} }]}""")]
    [InlineData("""{"type":"Elsa.WriteLine","id":"x","customProperties":{"mergeMode":"none","commitStrategyName":"CommitNever","resilienceStrategy":null} }""")]
    [InlineData("""{"type":"Elsa.Cron","id":"x","cronExpression":{"typeName":"String","expression":{"type":"Literal","value":"0 0 3 * * *"} } }""")]
    [InlineData("""{"type":"Elsa.Cron","id":"x","cronExpression":{"typeName":"String","expression":{"type":"Literal","value":"0 3 * * 1-5"} },"timeZone":{"typeName":"String","expression":{"type":"Literal","value":"America/Chicago"} } }""")]
    public async Task What_names_something_known_is_let_through(string activity)
    {
        await using var host = await StartAsync();
        Assert.Empty(host.Publisher.Check(Chart(activity)));
    }
}

public sealed class ValidationOnSqlite() : ValidationContract(new OnSqliteFile());

public sealed class ValidationOnPostgres(PostgresFixture postgres) : ValidationContract(new OnPostgresServer(postgres));
