using System.Reflection;
using System.Text.Json.Nodes;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using PwWorkflows.Activities.Filings;

namespace PwWorkflows.Activities.Tests.Filings;

/// <summary>The shipped definition fits the activity classes it names.</summary>
public sealed class ServiceDefinitionTests
{
    static readonly Dictionary<string, Type> Ours = typeof(CheckIntake).Assembly.GetExportedTypes()
        .Where(t => !t.IsAbstract && t.IsAssignableTo(typeof(IActivity)))
        .ToDictionary(t => $"{t.GetCustomAttribute<ActivityAttribute>()?.Namespace}.{t.GetCustomAttribute<ActivityAttribute>()?.Type ?? t.Name}");

    static JsonObject Read(string name)
    {
        var root = Path.GetDirectoryName(Path.GetDirectoryName(Usac.PortalFixture.MapPath))!;
        return (JsonObject)JsonNode.Parse(File.ReadAllText(Path.Combine(root, "workflows", "services", name + ".json")))!;
    }

    static string[] Outcomes(string type) => !Ours.TryGetValue(type, out var clr) ? ["Done"] : clr.GetCustomAttribute<FlowNodeAttribute>()?.Outcomes.ToArray() ?? ["Done"];

    [Theory]
    [InlineData("service-fcc-499a")]
    [InlineData("service-fcc-499a-zero")]
    public void Every_step_exists_and_names_only_inputs_and_outputs_that_it_has(string name)
    {
        var definition = Read(name);
        Assert.Equal(name, definition["definitionId"]!.GetValue<string>());
        var ours = definition["root"]!["activities"]!.AsArray().Where(a => a!["type"]!.GetValue<string>().StartsWith("Pw.", StringComparison.Ordinal)).ToList();
        Assert.Equal(7, ours.Count);
        string[] common = ["type", "version", "id", "nodeId", "name", "customProperties", "metadata"];
        foreach (var activity in ours)
        {
            var type = Ours[activity!["type"]!.GetValue<string>()];
            var given = activity.AsObject().Select(p => p.Key).Except(common).ToList();
            var known = type.GetProperties().Where(p => p.PropertyType.IsAssignableTo(typeof(Argument))).Select(p => char.ToLowerInvariant(p.Name[0]) + p.Name[1..]);
            // Files leave out what is not set and not bound.
            Assert.Empty(given.Except(known));
            Assert.Contains("orderNumber", given);
        }
    }

    [Theory]
    [InlineData("service-fcc-499a")]
    [InlineData("service-fcc-499a-zero")]
    public void Every_outcome_leads_on_except_where_the_service_ends(string name)
    {
        var root = Read(name)["root"]!;
        var types = root["activities"]!.AsArray().ToDictionary(a => a!["id"]!.GetValue<string>(), a => a!["type"]!.GetValue<string>());
        var connections = root["connections"]!.AsArray().Select(c => (
            From: c!["source"]!["activity"]!.GetValue<string>(), Port: c["source"]!["port"]!.GetValue<string>(), To: c["target"]!["activity"]!.GetValue<string>())).ToList();
        Assert.All(connections, c => Assert.Contains(c.Port, Outcomes(types[c.From])));
        Assert.All(connections, c => Assert.True(types.ContainsKey(c.To)));
        var open = types.SelectMany(t => Outcomes(t.Value).Select(o => (t.Key, o))).Where(o => !connections.Any(c => (c.From, c.Port) == o));
        Assert.Equal([("deliver", "Done"), ("fileForm", "Stopped")], open.OrderBy(o => o.Key));
    }

    [Fact]
    public void What_the_service_waits_for_is_what_its_code_publishes()
    {
        var waits = Read("service-fcc-499a")["root"]!["activities"]!.AsArray().Where(a => a!["type"]!.GetValue<string>() == "Elsa.Event")
            .Select(a => a!["eventName"]!["expression"]!["value"]!.GetValue<string>()).Distinct().Order();
        string[] published = [FilingEvents.IntakeUpdated(""), FilingEvents.OfficerAuthorization(""), FilingEvents.SessionReady("")];
        Assert.Equal(published.Select(p => $"return '{p}' + getInput('OrderNumber')"), waits);
    }
}
