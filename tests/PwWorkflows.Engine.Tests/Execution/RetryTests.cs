using static PwWorkflows.Engine.Tests.Execution.Build;

namespace PwWorkflows.Engine.Tests.Execution;

public sealed class RetryTests
{
    private static Flaky With(Flaky activity, object policy)
    {
        activity.CustomProperties["resilienceStrategy"] = policy;
        return activity;
    }

    [Fact]
    public async Task Failed_activity_is_tried_again_after_its_backoff()
    {
        var flaky = With(new Flaky("f", 2), new { attempts = 3, backoff = "exponential", initialDelay = "00:00:10", maxDelay = "00:01:00", jitter = false });
        var w = await new InMemoryWorkflow(Sequence(new Step("a"), flaky, new Step("c"))).StartAsync();
        Assert.Equal(("a", "Running/Suspended"), (w.Steps, w.Status));
        Assert.Equal(w.Time.GetUtcNow().AddSeconds(10), w.Queued[^1].DueAt);
        w.Time.Advance(TimeSpan.FromSeconds(10));
        await w.ResumeAsync();
        Assert.Equal(w.Time.GetUtcNow().AddSeconds(20), w.Queued[^1].DueAt);
        await w.ResumeAsync();
        Assert.Equal(("a f c", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Empty(w.Incidents);
        Assert.Contains("Attempt 2 of 3 failed", w.Journal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Spent_policy_makes_an_incident_that_names_the_attempt()
    {
        var flaky = With(new Flaky("f", 9), new { attempts = 3, backoff = "constant", initialDelay = "00:00:01", jitter = false });
        var w = await new InMemoryWorkflow(flaky).StartAsync();
        await w.ResumeAllAsync();
        Assert.Equal("Finished/Faulted", w.Status);
        var incident = Assert.Single(w.Incidents);
        Assert.Equal((3, "f failed at try 3"), (incident.Attempt, incident.Message));
    }

    [Fact]
    public async Task Exception_that_is_excluded_is_not_retried()
    {
        var flaky = With(new Flaky("f", 9), new { attempts = 3, notOn = new[] { "InvalidOperationException" } });
        var w = await new InMemoryWorkflow(flaky).StartAsync();
        Assert.Equal(("Finished/Faulted", 1), (w.Status, Assert.Single(w.Incidents).Attempt));
    }

    [Fact]
    public async Task Retrying_a_faulted_workflow_runs_exactly_the_failed_activity()
    {
        var w = await new InMemoryWorkflow(Sequence(new Step("a"), new Flaky("f", 1), new Step("c"))).StartAsync();
        Assert.Equal(("a", "Finished/Faulted"), (w.Steps, w.Status));
        Assert.Equal(1, await w.RetryFaultedAsync());
        Assert.Equal(("a f c", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Equal(1, Assert.Single(w.Incidents).Attempt);
    }

    [Fact]
    public async Task Retrying_keeps_every_attempt_as_an_incident()
    {
        var w = await new InMemoryWorkflow(new Flaky("f", 2)).StartAsync();
        await w.RetryFaultedAsync();
        Assert.Equal("Finished/Faulted", w.Status);
        await w.RetryFaultedAsync();
        Assert.Equal(("f", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Equal([1, 2], w.Incidents.Select(i => i.Attempt));
    }

    [Fact]
    public async Task Fault_inside_a_loop_is_retried_in_its_round()
    {
        var loop = new Elsa.Workflows.Activities.ForEach<int>(new List<int> { 1, 2 }) { Body = Sequence(Say.Variable("CurrentValue"), new Flaky("f", 1)) };
        var w = await new InMemoryWorkflow(loop).StartAsync();
        await w.RetryFaultedAsync();
        await w.RetryFaultedAsync();
        Assert.Equal(("1 f 2 f", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory]
    [InlineData("exponential", 1, 1), InlineData("exponential", 3, 4), InlineData("exponential", 20, 30), InlineData("linear", 3, 3), InlineData("constant", 9, 1)]
    public void Backoff_grows_as_it_says_up_to_its_maximum(string backoff, int attempt, int seconds)
    {
        var policy = new PwWorkflows.Engine.Execution.RetryPolicy(30, backoff, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30), false, ["*"], []);
        Assert.Equal(TimeSpan.FromSeconds(seconds), policy.Delay(attempt, 0.5));
        var spread = policy with { Jitter = true };
        Assert.Equal(seconds * 0.8, spread.Delay(attempt, 0).TotalSeconds, 3);
        Assert.Equal(seconds * 1.2, spread.Delay(attempt, 1).TotalSeconds, 3);
    }

    [Fact]
    public void Malformed_policy_names_the_field()
    {
        var e = Assert.Throws<FormatException>(() => PwWorkflows.Engine.Execution.RetryPolicy.Parse(System.Text.Json.JsonSerializer.SerializeToElement(new { attempts = 0 })));
        Assert.Contains("resilienceStrategy.attempts must be a whole number from 1", e.Message, StringComparison.Ordinal);
    }
}
