using System.Text.Json.Nodes;

namespace PwWorkflows.EndToEnd.Tests.Jobs;

/// <summary>What holds for the drawings of all jobs and their mails, read from their files.</summary>
public sealed class JobDrawingTests
{
    private static IEnumerable<(string File, JsonNode Root)> Drawings(string folder) =>
        Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "workflows", folder), "*.json").Order(StringComparer.Ordinal).Select(static f => (Path.GetFileNameWithoutExtension(f), JsonNode.Parse(File.ReadAllText(f))!["root"]!));

    private static IEnumerable<(string Id, string Type)> Steps(JsonNode root) => root["activities"]!.AsArray().Select(static a => ((string)a!["id"]!, (string)a["type"]!));

    private static IEnumerable<string> Ports(JsonNode root, string step) =>
        root["connections"]!.AsArray().Where(c => (string?)c!["source"]!["activity"] == step).Select(static c => (string)c!["source"]!["port"]!).Order(StringComparer.Ordinal);

    [Fact]
    public void Closed_mail_hours_lead_somewhere_in_every_job()
    {
        var asked = Drawings("schedules").Concat(Drawings("mails")).SelectMany(static d => Steps(d.Root).Where(static s => s.Type == "Pw.CheckMailHours").Select(s => (d.File, Ports: string.Join(' ', Ports(d.Root, s.Id))))).ToList();
        Assert.Equal(12, asked.Count);
        Assert.All(asked, static a => Assert.Equal((a.File, "Closed Open"), a));
    }

    [Fact]
    public void No_job_itself_waits_for_the_mail_hours()
    {
        // It would hold up everything else that it does, and its next due times.
        Assert.All(Drawings("schedules"), static d => Assert.DoesNotContain(Steps(d.Root), static s => s.Type == "Elsa.StartAt"));
        Assert.All(Drawings("mails"), static d => Assert.Contains(Steps(d.Root), static s => s.Type == "Elsa.StartAt"));
    }

    [Fact]
    public void Job_that_waits_for_another_workflow_asks_how_that_ended()
    {
        foreach (var (file, root) in Drawings("schedules"))
        {
            foreach (var (id, _) in Steps(root).Where(static s => s.Type == "Elsa.ExecuteWorkflow"))
            {
                var next = root["connections"]!.AsArray().Where(c => (string?)c!["source"]!["activity"] == id).Select(static c => (string)c!["target"]!["activity"]!).ToList();
                Assert.Contains(Steps(root), s => next.Contains(s.Id) && s.Type == "Elsa.FlowDecision");
            }

            Assert.DoesNotContain(root["activities"]!.AsArray(), a => (string?)a!["type"] == "Elsa.DispatchWorkflow" && a["waitForCompletion"] is not null);
            Assert.NotEmpty(file);
        }
    }
}
