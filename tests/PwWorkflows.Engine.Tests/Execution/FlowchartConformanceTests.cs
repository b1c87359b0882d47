using Elsa.Workflows.Activities;
using Elsa.Workflows.Activities.Flowchart.Activities;
using Elsa.Workflows.Activities.Flowchart.Models;
using Elsa.Workflows.Models;
using static PwWorkflows.Engine.Tests.Execution.Build;
using Mode = Elsa.Workflows.Activities.Flowchart.Models.FlowchartExecutionMode;

namespace PwWorkflows.Engine.Tests.Execution;

public sealed class FlowchartConformanceTests
{
    private static FlowDecision Decision(bool value, string id = "dec") => new(new Input<bool>(value)) { Id = id };

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Diamond_runs_its_last_activity_once(Mode mode)
    {
        Step a = new("a"), b = new("b"), c = new("c"), d = new("d");
        var w = await new InMemoryWorkflow(Chart([a, b, c, d], (a, null, b), (a, null, c), (b, null, d), (c, null, d)), mode).StartAsync();
        Assert.Equal(("a b c d", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Branch_not_taken_does_not_block_a_plain_activity(Mode mode)
    {
        Step b = new("b"), c = new("c"), d = new("d");
        var dec = Decision(true);
        var w = await new InMemoryWorkflow(Chart([dec, b, c, d], (dec, "True", b), (dec, "False", c), (b, null, d), (c, null, d)), mode).StartAsync();
        Assert.Equal(("b d", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory]
    [InlineData(Mode.CounterBased, FlowJoinMode.WaitAll), InlineData(Mode.TokenBased, FlowJoinMode.WaitAll)]
    [InlineData(Mode.CounterBased, FlowJoinMode.WaitAllActive), InlineData(Mode.TokenBased, FlowJoinMode.WaitAllActive)]
    [InlineData(Mode.CounterBased, FlowJoinMode.WaitAny), InlineData(Mode.TokenBased, FlowJoinMode.WaitAny)]
    public async Task Join_of_branches_in_memory_lets_the_rest_run_once(Mode mode, FlowJoinMode join)
    {
        Step a = new("a"), b = new("b"), b2 = new("b2"), c = new("c"), d = new("d");
        var j = new FlowJoin(new Input<FlowJoinMode>(join)) { Id = "j" };
        var w = await new InMemoryWorkflow(Chart([a, b, b2, c, j, d], (a, null, b), (b, null, b2), (b2, null, j), (a, null, c), (c, null, j), (j, null, d)), mode).StartAsync();
        Assert.Equal(("a b c b2 d", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory]
    [InlineData(Mode.CounterBased, FlowJoinMode.WaitAll, "b", "Finished/Finished")]
    [InlineData(Mode.TokenBased, FlowJoinMode.WaitAll, "b", "Running/Suspended")]
    [InlineData(Mode.CounterBased, FlowJoinMode.WaitAllActive, "b d", "Finished/Finished")]
    [InlineData(Mode.TokenBased, FlowJoinMode.WaitAllActive, "b", "Running/Suspended")]
    [InlineData(Mode.CounterBased, FlowJoinMode.WaitAny, "b d", "Finished/Finished")]
    [InlineData(Mode.TokenBased, FlowJoinMode.WaitAny, "b d", "Finished/Finished")]
    public async Task Join_after_a_decision_follows_its_mode(Mode mode, FlowJoinMode join, string steps, string status)
    {
        Step b = new("b"), c = new("c"), d = new("d");
        var dec = Decision(true);
        var j = new FlowJoin(new Input<FlowJoinMode>(join)) { Id = "j" };
        var w = await new InMemoryWorkflow(Chart([dec, b, c, j, d], (dec, "True", b), (b, null, j), (dec, "False", c), (c, null, j), (j, null, d)), mode).StartAsync();
        Assert.Equal((steps, status), (w.Steps, w.Status));
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Loop_goes_back_as_often_as_the_decision_says(Mode mode)
    {
        var rounds = 0;
        Step s = new("s"), a = new("a"), e = new("e");
        var dec = new FlowDecision(_ => rounds++ < 2) { Id = "dec" };
        var w = await new InMemoryWorkflow(Chart([s, a, dec, e], (s, null, a), (a, null, dec), (dec, "True", a), (dec, "False", e)), mode).StartAsync();
        Assert.Equal(("s a a a e", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Loop_whose_body_waits_goes_on_after_a_restart(Mode mode)
    {
        var rounds = 0;
        Step s = new("s"), e = new("e");
        var a = new Wait("a");
        var dec = new FlowDecision(_ => rounds++ < 2) { Id = "dec" };
        var w = await new InMemoryWorkflow(Chart([s, a, dec, e], (s, null, a), (a, null, dec), (dec, "True", a), (dec, "False", e)), mode).StartAsync();
        await w.ResumeAllAsync();
        Assert.Equal(("s a a! a a! a a! e", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Decision_without_a_matching_connection_ends_the_flow(Mode mode)
    {
        var dec = Decision(false);
        var b = new Step("b");
        var w = await new InMemoryWorkflow(Chart([dec, b], (dec, "True", b)), mode).StartAsync();
        Assert.Equal(("", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory]
    [InlineData(Mode.CounterBased, true, "Finished/Faulted"), InlineData(Mode.TokenBased, true, "Finished/Faulted")]
    [InlineData(Mode.CounterBased, false, "Running/Suspended"), InlineData(Mode.TokenBased, false, "Running/Suspended")]
    public async Task Fault_lets_scheduled_work_run_but_not_what_follows_it(Mode mode, bool faults, string status)
    {
        Step a = new("a"), c = new("c"), d = new("d");
        var fault = new Fault { Id = "f", Message = new("broken") };
        var w = await new InMemoryWorkflow(Chart([a, fault, c, d], (a, null, fault), (a, null, c), (fault, null, d)), mode,
            x => x.Options.IncidentStrategyType = faults ? typeof(Elsa.Workflows.IncidentStrategies.FaultStrategy) : typeof(Elsa.Workflows.IncidentStrategies.ContinueWithIncidentsStrategy)).StartAsync();
        Assert.Equal(("a c", status), (w.Steps, w.Status));
        Assert.Equal("broken", Assert.Single(w.Incidents).Message);
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Finish_drops_the_other_branches(Mode mode)
    {
        Step a = new("a"), c = new("c"), d = new("d");
        var finish = new Finish { Id = "f" };
        var w = await new InMemoryWorkflow(Chart([a, finish, c, d], (a, null, finish), (a, null, c), (c, null, d)), mode).StartAsync();
        Assert.Equal(("a", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Without_connections_only_the_first_activity_runs(Mode mode)
    {
        var w = await new InMemoryWorkflow(Chart([new Step("a"), new Step("b")]), mode).StartAsync();
        Assert.Equal(("a", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Connection_without_ports_is_followed_on_done(Mode mode)
    {
        Step a = new("a"), b = new("b");
        var chart = new Flowchart { Activities = { a, b }, Connections = { new Connection(new Endpoint(a, null), new Endpoint(b, null)) } };
        var w = await new InMemoryWorkflow(chart, mode).StartAsync();
        Assert.Equal(("a b", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Empty_flowchart_completes_at_once(Mode mode) => Assert.Equal("Finished/Finished", (await new InMemoryWorkflow(new Flowchart(), mode).StartAsync()).Status);

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Wait_any_cancels_the_branch_that_still_waits(Mode mode)
    {
        Step a = new("a"), b = new("b"), d = new("d");
        var slow = new Wait("slow");
        var j = new FlowJoin { Id = "j" };
        var w = await new InMemoryWorkflow(Chart([a, slow, b, j, d], (a, null, slow), (a, null, b), (slow, null, j), (b, null, j), (j, null, d)), mode).StartAsync();
        Assert.Equal(("a slow b d", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Empty(w.Bookmarks);
        Assert.Contains("\"Canceled\"", w.Journal, StringComparison.Ordinal);
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Wait_all_waits_for_both_waiting_branches(Mode mode)
    {
        var a = new Step("a");
        Wait x = new("x"), y = new("y");
        var j = new FlowJoin(new Input<FlowJoinMode>(FlowJoinMode.WaitAll)) { Id = "j" };
        var d = new Step("d");
        var w = await new InMemoryWorkflow(Chart([a, x, y, j, d], (a, null, x), (a, null, y), (x, null, j), (y, null, j), (j, null, d)), mode).StartAsync();
        await w.ResumeAsync("y");
        Assert.Equal("a x y y!", w.Steps);
        await w.ResumeAsync("x");
        Assert.Equal(("a x y y! x! d", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Branch_that_lost_one_round_can_win_the_next(Mode mode)
    {
        // Both branches wait; x wins the first round, y the second.
        Step a = new("a"), d = new("d"), e = new("e");
        Wait x = new("x"), y = new("y");
        var j = new FlowJoin { Id = "j" };
        var rounds = 0;
        var dec = new FlowDecision(_ => rounds++ < 1) { Id = "dec" };
        var w = await new InMemoryWorkflow(Chart([a, x, y, j, d, dec, e], (a, null, x), (a, null, y), (x, null, j), (y, null, j), (j, null, d), (d, null, dec), (dec, "True", a), (dec, "False", e)), mode).StartAsync();
        await w.ResumeAsync("x");
        Assert.Equal("a x y x! d a x y", w.Steps);
        await w.ResumeAsync("y");
        Assert.Equal(("a x y x! d a x y y! d e", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Wait_any_cancels_a_branch_that_waits_inside_a_container(Mode mode)
    {
        Step a = new("a"), b = new("b"), d = new("d");
        var slow = Sequence(new Wait("slow")).Named("seq");
        var j = new FlowJoin { Id = "j" };
        var w = await new InMemoryWorkflow(Chart([a, slow, b, j, d], (a, null, slow), (a, null, b), (slow, null, j), (b, null, j), (j, null, d)), mode).StartAsync();
        Assert.Equal(("a d", "Finished/Finished"), (w.Steps.Replace(" b", "", StringComparison.Ordinal).Replace(" slow", "", StringComparison.Ordinal), w.Status));
        Assert.Empty(w.Bookmarks);
    }

    [Fact]
    public async Task Execution_mode_of_a_run_overrides_the_default()
    {
        Step b = new("b"), d = new("d");
        var dec = Decision(true);
        var j = new FlowJoin(new Input<FlowJoinMode>(FlowJoinMode.WaitAllActive)) { Id = "j" };
        var c = new Step("c");
        var w = new InMemoryWorkflow(Chart([dec, b, c, j, d], (dec, "True", b), (b, null, j), (dec, "False", c), (c, null, j), (j, null, d)));
        w.Run.Properties[Flowchart.ExecutionModeProperty] = "TokenBased";
        await w.StartAsync();
        Assert.Equal(("b", "Running/Suspended"), (w.Steps, w.Status));
    }

    // Merge modes of the token mode.

    private static (Flowchart Chart, Step D) Diamond(string? merge, Elsa.Workflows.IActivity left)
    {
        Step a = new("a"), c = new("c"), d = new("d"), e = new("e");
        if (merge is not null) d.Merge(merge);
        return (Chart([a, left, c, d, e], (a, null, left), (a, null, c), (left, null, d), (c, null, d), (d, null, e)), d);
    }

    [Theory]
    [InlineData(null, "a b c d e"), InlineData("Stream", "a b c d e"), InlineData("None", "a b c d e"), InlineData("Merge", "a b c d e"), InlineData("Converge", "a b c d e"), InlineData("Cascade", "a b c d d e")]
    public async Task Merge_mode_decides_how_often_an_activity_runs(string? merge, string steps)
    {
        var w = await new InMemoryWorkflow(Diamond(merge, new Step("b")).Chart, Mode.TokenBased).StartAsync();
        Assert.Equal((steps, "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory]
    [InlineData("Stream", "a w c", "a w c w! d e"), InlineData("Merge", "a w c", "a w c w! d e"), InlineData("Cascade", "a w c d e", "a w c d e w! d e")]
    public async Task Merge_mode_decides_whether_a_waiting_branch_is_awaited(string merge, string before, string after)
    {
        var w = await new InMemoryWorkflow(Diamond(merge, new Wait("w")).Chart, Mode.TokenBased).StartAsync();
        Assert.Equal((before, "Running/Suspended"), (w.Steps, w.Status));
        await w.ResumeAsync();
        Assert.Equal((after, "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Race_runs_on_the_first_token_and_cancels_the_other_branch()
    {
        var w = await new InMemoryWorkflow(Diamond("Race", new Wait("w")).Chart, Mode.TokenBased).StartAsync();
        Assert.Equal(("a w c d e", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Empty(w.Bookmarks);
    }

    [Fact]
    public async Task Merge_waits_for_a_branch_that_was_not_taken()
    {
        Step b = new("b"), c = new("c");
        var d = new Step("d").Merge("Merge");
        var dec = Decision(true);
        var w = await new InMemoryWorkflow(Chart([dec, b, c, d], (dec, "True", b), (dec, "False", c), (b, null, d), (c, null, d)), Mode.TokenBased).StartAsync();
        Assert.Equal(("b", "Running/Suspended"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Converge_counts_the_connection_that_comes_back()
    {
        var s = new Step("s");
        var a = new Step("a").Merge("Converge");
        var dec = Decision(false);
        var w = await new InMemoryWorkflow(Chart([s, a, dec], (s, null, a), (a, null, dec), (dec, "True", a)), Mode.TokenBased).StartAsync();
        Assert.Equal(("s", "Running/Suspended"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Converge_runs_with_the_token_that_comes_back_and_not_on_that_token_alone()
    {
        // b is entered from s as well, so its way back to a has a token before a has run: with the one from s they are all. After that round a token comes back again, and none from s.
        Step s = new("s"), b = new Step("b").Merge("Cascade");
        var a = new Step("a").Merge("Converge");
        var w = await new InMemoryWorkflow(Chart([s, a, b], (s, null, a), (s, null, b), (a, null, b), (b, null, a)), Mode.TokenBased).StartAsync();
        Assert.Equal(("s b a b", "Running/Suspended"), (w.Steps, w.Status));
    }

    [Theory]
    [InlineData(Mode.CounterBased, FlowJoinMode.WaitAll), InlineData(Mode.CounterBased, FlowJoinMode.WaitAllActive), InlineData(Mode.CounterBased, FlowJoinMode.WaitAny)]
    [InlineData(Mode.TokenBased, FlowJoinMode.WaitAll), InlineData(Mode.TokenBased, FlowJoinMode.WaitAllActive), InlineData(Mode.TokenBased, FlowJoinMode.WaitAny)]
    public async Task Join_that_a_loop_goes_back_to_runs_again_without_its_branches(Mode mode, FlowJoinMode join)
    {
        var rounds = 0;
        Step s = new("s"), b = new("b"), c = new("c"), d = new("d"), e = new("e");
        var j = new FlowJoin(new Input<FlowJoinMode>(join)) { Id = "j" };
        var dec = new FlowDecision(_ => rounds++ < 2) { Id = "dec" };
        var w = await new InMemoryWorkflow(
            Chart([s, b, c, j, d, dec, e], (s, null, b), (s, null, c), (b, null, j), (c, null, j), (j, null, d), (d, null, dec), (dec, "True", j), (dec, "False", e)), mode).StartAsync();
        Assert.Equal(("s b c d d d e", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Loop_that_can_be_entered_past_its_target_is_refused()
    {
        // dec → a is entered from both s and b, so going back to b does not dominate its source.
        Step s = new("s"), b = new("b"), c = new("c");
        var w = await new InMemoryWorkflow(Chart([s, b, c], (s, null, b), (s, null, c), (b, null, c), (c, null, b))).StartAsync();
        Assert.Equal("Finished/Faulted", w.Status);
        Assert.Contains("loop", Assert.Single(w.Incidents).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null), InlineData("Stream"), InlineData("Merge"), InlineData("Cascade"), InlineData("Race")]
    public async Task Loop_back_into_any_merge_mode_but_converge_runs_each_round(string? merge)
    {
        var rounds = 0;
        Step s = new("s"), a = new("a"), e = new("e");
        if (merge is not null) a.Merge(merge);
        var dec = new FlowDecision(_ => rounds++ < 2) { Id = "dec" };
        var w = await new InMemoryWorkflow(Chart([s, a, dec, e], (s, null, a), (a, null, dec), (dec, "True", a), (dec, "False", e)), Mode.TokenBased).StartAsync();
        Assert.Equal(("s a a a e", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Cascade_runs_once_for_each_of_many_tokens_and_so_does_what_follows()
    {
        Step a = new("a"), b = new("b"), c = new("c"), x = new("x"), e = new("e");
        var d = new Step("d").Merge("Cascade");
        e.Merge("Cascade");
        var w = await new InMemoryWorkflow(Chart([a, b, c, x, d, e], (a, null, b), (a, null, c), (a, null, x), (b, null, d), (c, null, d), (x, null, d), (d, null, e)), Mode.TokenBased).StartAsync();
        Assert.Equal(("a b c x d d d e e e", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Race_of_waiting_branches_goes_to_the_first_and_cancels_the_rest()
    {
        var a = new Step("a");
        Wait x = new("x"), y = new("y"), z = new("z");
        var d = new Step("d").Merge("Race");
        var w = await new InMemoryWorkflow(Chart([a, x, y, z, d], (a, null, x), (a, null, y), (a, null, z), (x, null, d), (y, null, d), (z, null, d)), Mode.TokenBased).StartAsync();
        await w.ResumeAsync("y");
        Assert.Equal(("a x y z y! d", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Empty(w.Bookmarks);
    }

    [Fact]
    public async Task Race_in_a_loop_is_run_anew_in_each_round()
    {
        var rounds = 0;
        Step a = new("a"), e = new("e");
        Wait x = new("x"), y = new("y");
        var d = new Step("d").Merge("Race");
        var dec = new FlowDecision(_ => rounds++ < 1) { Id = "dec" };
        var w = await new InMemoryWorkflow(Chart([a, x, y, d, dec, e], (a, null, x), (a, null, y), (x, null, d), (y, null, d), (d, null, dec), (dec, "True", a), (dec, "False", e)), Mode.TokenBased).StartAsync();
        await w.ResumeAsync("x");
        await w.ResumeAsync("y");
        Assert.Equal(("a x y x! d a x y y! d e", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task Activity_behind_a_dead_and_a_waiting_branch_awaits_the_waiting_one_only(Mode mode)
    {
        Step s = new("s"), b = new("b"), c = new("c"), d = new("d");
        var dec = Decision(true);
        var wait = new Wait("w");
        var w = await new InMemoryWorkflow(Chart([s, dec, b, wait, c, d], (s, null, dec), (s, null, b), (dec, "True", wait), (dec, "False", c), (wait, null, d), (c, null, d), (b, null, d)), mode).StartAsync();
        Assert.Equal(("s b w", "Running/Suspended"), (w.Steps, w.Status));
        await w.ResumeAsync();
        Assert.Equal(("s b w w! d", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory, InlineData(Mode.CounterBased), InlineData(Mode.TokenBased)]
    public async Task End_completes_the_flowchart_and_cancels_what_waits(Mode mode)
    {
        Step a = new("a"), after = new("after");
        var wait = new Wait("w");
        var end = new End { Id = "end" };
        var w = await new InMemoryWorkflow(Sequence(Chart([a, wait, end], (a, null, wait), (a, null, end)), after), mode).StartAsync();
        Assert.Equal(("a w after", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Empty(w.Bookmarks);
    }

    [Theory]
    [InlineData("trigger", "t"), InlineData("start", "x"), InlineData("startNode", "n"), InlineData("canStart", "c"), InlineData("inbound", "i"), InlineData("cycle", "p")]
    public async Task Flowchart_starts_at_the_first_that_applies(string rule, string first)
    {
        Step p = new("p"), i = new("i"), c = new("c") { CanStartWorkflow = true }, n = new("n"), x = new("x"), t = new("t");
        var node = new Start { Id = "node" };
        var waits = new Wait("p");
        // Each rule has all candidates of the rules after it as well.
        var chart = rule switch
        {
            "cycle" => Chart([waits, i], (waits, null, i), (i, null, waits)),
            "inbound" => Chart([p, i], (i, null, p)),
            "canStart" => Chart([p, i, c], (i, null, p)),
            "startNode" => Chart([p, i, c, node, n], (i, null, p), (node, null, n)),
            _ => Chart([p, i, c, node, n, x, t], (i, null, p), (node, null, n)),
        };
        if (rule is "start" or "trigger") chart.Start = x;
        var w = await new InMemoryWorkflow(chart).StartAsync(trigger: rule == "trigger" ? "t" : null);
        Assert.Equal(first, w.Steps.Split(' ')[0]);
    }
}
