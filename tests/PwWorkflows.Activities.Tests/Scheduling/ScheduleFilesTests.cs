using System.Runtime.CompilerServices;
using System.Text.Json;
using Elsa.Workflows.Activities.Flowchart.Activities;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Execution;

namespace PwWorkflows.Activities.Tests.Scheduling;

/// <summary>What the files of <c>workflows/schedules</c> say, as the engine reads them.</summary>
public sealed class ScheduleFilesTests
{
    private const string Chicago = "America/Chicago";

    /// <summary>The runbook's timers: names, cadences and zones that operators know.</summary>
    private static readonly Dictionary<string, ScheduleSettings> Runbook = new()
    {
        ["pw-usf-factor-monitor"] = Cron("0 9 * * *", Chicago, CatchUp.RunOnce, hours: 2),
        ["pw-deminimis-factor-check"] = Cron("0 3 * * *", "UTC", CatchUp.RunOnce, hours: 1),
        ["pw-cold-wallet-sweep"] = Cron("*/30 * * * *", "UTC", CatchUp.Skip, hours: 0.5),
        ["pw-crypto-payment-worker"] = Cron("* * * * *", "UTC", CatchUp.Skip, hours: 5 / 60.0),
        ["pw-relay-deposit-monitor"] = Cron("*/5 * * * *", "UTC", CatchUp.RunOnce, hours: 0.25),
        ["pw-commission-worker"] = Cron("0 2 * * *", "UTC", CatchUp.RunOnce, hours: 2),
        ["pw-renewal-worker"] = Cron("0 4 * * *", "UTC", CatchUp.RunOnce, hours: 2),
        ["pw-cdr-retention"] = Cron("0 5 * * *", "UTC", CatchUp.RunOnce, hours: 2),
        ["pw-cdr-unlock-nudge"] = Cron("0 10 * * *", Chicago, CatchUp.RunOnce, hours: 2),
        ["pw-payment-reminder"] = Cron("0 11 * * *", Chicago, CatchUp.RunOnce, hours: 2),
        ["pw-fcc-rmd-removed"] = Cron("0 8 * * WED", Chicago, CatchUp.RunOnce, hours: 4),
        ["pw-usac-session-refresh"] = Cron(null, null, CatchUp.RunOnce, hours: 6) with { Interval = TimeSpan.FromDays(7), Anchor = new DateTimeOffset(2026, 1, 5, 9, 0, 0, TimeSpan.Zero) },
    };

    /// <summary>Steps that only look at the clock, the settings or the workflow itself, or hand work to the engine within the commit of the step: nothing of them fails because something else is down.</summary>
    private static readonly HashSet<string> Inside =
    [
        "Elsa.Delay", "Elsa.DispatchWorkflow", "Elsa.ExecuteWorkflow", "Elsa.Fault", "Elsa.Flowchart", "Elsa.FlowDecision", "Elsa.ForEach", "Elsa.SetVariable", "Elsa.StartAt", "Pw.CheckMailHours", "Pw.Schedule",
    ];

    private static ScheduleSettings Cron(string? cron, string? zone, CatchUp catchUp, double hours) =>
        new(cron, zone, null, null, catchUp, 10, null, Overlap.Skip, TimeSpan.Zero, TimeSpan.FromHours(hours), Enabled: true);

    private static string Folder([CallerFilePath] string source = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(source)!, "..", "..", "..", "workflows"));

    [Fact]
    public void Twelve_schedules_are_due_as_the_runbook_says_and_there_is_no_other()
    {
        var registry = new ActivityRegistry();
        registry.RegisterFrom(typeof(DefinitionReader).Assembly);
        registry.RegisterFrom(typeof(IPwDatabase).Assembly);
        var reader = new DefinitionReader(registry);
        var files = Directory.GetFiles(Path.Combine(Folder(), "schedules"), "*").ToDictionary(static f => Path.GetFileName(f)!, static f => File.ReadAllText(f));
        Assert.Equal(Runbook.Keys.Select(static n => n + ".json").Order(StringComparer.Ordinal), files.Keys.Order(StringComparer.Ordinal));
        foreach (var (file, text) in files)
        {
            var workflow = reader.Read(text);
            var name = workflow.DefinitionId;
            Assert.Equal(file, name + ".json");
            var schedule = Assert.Single(Assert.IsType<Flowchart>(workflow.Root).Activities.OfType<Schedule>());
            Assert.True(schedule.CanStartWorkflow, name);
            Assert.Equal((name, Runbook[name]), (name, schedule.Literals()));
        }
    }

    [Fact]
    public void Every_step_of_a_job_that_can_fail_because_something_else_is_down_is_tried_again()
    {
        var definitions = Directory.GetFiles(Folder(), "*.json", SearchOption.AllDirectories).Select(static f => JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(f))).ToDictionary(static d => d.GetProperty("definitionId").GetString()!);
        var jobs = new Queue<string>(Runbook.Keys);
        var seen = new HashSet<string>(Runbook.Keys);
        var steps = 0;
        while (jobs.TryDequeue(out var job))
        {
            foreach (var step in Steps(definitions[job].GetProperty("root")))
            {
                var (id, type) = ($"{job}: {step.GetProperty("id").GetString()}", step.GetProperty("type").GetString()!);
                // What it starts is part of the job.
                if (step.TryGetProperty("workflowDefinitionId", out var started) && started.GetProperty("expression").GetProperty("value").GetString() is { } other && seen.Add(other)) jobs.Enqueue(other);
                if (Inside.Contains(type)) continue;
                steps++;
                Assert.True(step.TryGetProperty("customProperties", out var custom) && custom.TryGetProperty(RetryPolicy.PropertyName, out _), $"{id} ({type}) has no {RetryPolicy.PropertyName}");
                var policy = RetryPolicy.Parse(custom.GetProperty(RetryPolicy.PropertyName));
                Assert.True(policy.Attempts >= 3, $"{id} is tried {policy.Attempts} times.");
                // What trying again can't mend goes to a person at once.
                Assert.Equal((id, "*", typeof(NonRetryableException).FullName), (id, Assert.Single(policy.RetryOn), Assert.Single(policy.NotOn)));
            }
        }

        Assert.Equal(Runbook.Count + 7, seen.Count);
        Assert.True(steps > 40, $"{steps} steps");
    }

    /// <summary>All activities of a definition, those within others too.</summary>
    private static IEnumerable<JsonElement> Steps(JsonElement node) => node.ValueKind switch
    {
        JsonValueKind.Object => (node.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && node.TryGetProperty("id", out _) && type.GetString()!.Contains('.', StringComparison.Ordinal) ? [node] : Enumerable.Empty<JsonElement>())
            .Concat(node.EnumerateObject().SelectMany(static p => Steps(p.Value))),
        JsonValueKind.Array => node.EnumerateArray().SelectMany(Steps),
        _ => [],
    };
}
