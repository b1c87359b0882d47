using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using static PwWorkflows.Engine.Tests.Execution.Build;
using Parallel = Elsa.Workflows.Activities.Parallel;

namespace PwWorkflows.Engine.Tests.Execution;

public sealed class LoopTests
{
    [Fact]
    public async Task While_runs_its_body_as_long_as_the_condition_holds()
    {
        var n = 0;
        var w = await new InMemoryWorkflow(new While(_ => n++ < 3, new Step("b"))).StartAsync();
        Assert.Equal(("b b b", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task While_without_a_body_says_so_instead_of_spinning()
    {
        var w = await new InMemoryWorkflow(new While(new Input<bool>(true))).StartAsync();
        Assert.Contains("Body is not set", Assert.Single(w.Incidents).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Break_ends_a_for_each()
    {
        var body = Sequence(new Step("b"), new If(c => c.GetVariable<int>("CurrentValue") == 2) { Then = new Break() }, new Step("z"));
        var w = await new InMemoryWorkflow(new ForEach<int>(new List<int> { 1, 2, 3 }) { Body = body }).StartAsync();
        Assert.Equal(("b z b", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task For_each_whose_body_waits_keeps_its_place_and_its_items()
    {
        var items = new List<string> { "x", "y", "z" };
        var loop = new ForEach<string>(_ => items) { Body = Sequence(Say.Variable("CurrentValue"), new Wait("w"), Say.Variable("CurrentIndex")) };
        var w = await new InMemoryWorkflow(Sequence(loop, new Step("end"))).StartAsync();
        items[1] = "changed";
        await w.ResumeAllAsync();
        Assert.Equal(("x w w! 0 y w w! 1 z w w! 2 end", "Finished/Finished", 4), (w.Steps, w.Status, w.Reloads));
    }

    [Fact]
    public async Task Nested_loops_that_wait_run_every_pair()
    {
        var inner = new ForEach<string>(new List<string> { "1", "2" }) { Body = Sequence(new Wait("w"), Say.Variable("Inner")) };
        var outerValue = new Variable<string>("Outer", "").WithWorkflowStorage();
        var innerValue = new Variable<string>("Inner", "").WithWorkflowStorage();
        inner.CurrentValue = new Output<string>(innerValue);
        var outer = new ForEach<string>(new List<string> { "a", "b" }) { CurrentValue = new Output<string>(outerValue), Body = Sequence(Say.Variable("Outer"), inner) };
        var w = await new InMemoryWorkflow(new Sequence { Variables = { outerValue, innerValue }, Activities = { outer } }).StartAsync();
        await w.ResumeAllAsync();
        Assert.Equal(("a w w! 1 w w! 2 b w w! 1 w w! 2", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Break_ends_only_the_inner_loop()
    {
        var inner = new ForEach<int>(new List<int> { 1, 2 }) { Body = Sequence(new Step("i"), new Wait("w"), new Break(), new Step("never")) };
        var outer = new ForEach<int>(new List<int> { 1, 2 }) { Body = Sequence(new Step("o"), inner, new Step("after")) };
        var w = await new InMemoryWorkflow(outer).StartAsync();
        await w.ResumeAllAsync();
        Assert.Equal(("o i w w! after o i w w! after", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Break_in_a_flowchart_body_ends_the_loop()
    {
        Step a = new("a"), b = new("b");
        var stop = new Break { Id = "stop" };
        var w = await new InMemoryWorkflow(Sequence(new ForEach<int>(new List<int> { 1, 2, 3 }) { Body = Chart([a, stop, b], (a, null, stop), (stop, null, b)) }, new Step("end"))).StartAsync();
        Assert.Equal(("a end", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Break_cancels_parallel_branches_that_wait()
    {
        var body = new Parallel(new Wait("w"), Sequence(new Step("s"), new Break()));
        var w = await new InMemoryWorkflow(Sequence(new ForEach<int>(new List<int> { 1, 2 }) { Body = body }, new Step("end"))).StartAsync();
        Assert.Equal(("w s end", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Empty(w.Bookmarks);
    }

    [Theory]
    [InlineData(1, 3, 1, true, "1 2 3"), InlineData(1, 3, 1, false, "1 2"), InlineData(3, 1, -1, true, "3 2 1"), InlineData(0, 5, 2, true, "0 2 4"), InlineData(2, 1, 1, true, "")]
    public async Task For_counts_between_its_bounds(int start, int end, int step, bool inclusive, string steps)
    {
        var w = await new InMemoryWorkflow(new For(start, end) { Step = new(step), OuterBoundInclusive = new(inclusive), Body = Say.Variable("CurrentValue") }).StartAsync();
        Assert.Equal((steps, "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task For_with_a_step_of_zero_is_refused()
    {
        var w = await new InMemoryWorkflow(new For(1, 2) { Step = new(0), Body = new Step("b") }).StartAsync();
        Assert.Contains("Step must not be 0", Assert.Single(w.Incidents).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task For_whose_body_waits_goes_on_counting()
    {
        var w = await new InMemoryWorkflow(new For(1, 3) { Body = Sequence(Say.Variable("CurrentValue"), new Wait("w")) }).StartAsync();
        await w.ResumeAllAsync();
        Assert.Equal(("1 w w! 2 w w! 3 w w!", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task While_whose_body_waits_evaluates_its_condition_again()
    {
        var count = new Variable<int>("Count", 0).WithWorkflowStorage();
        var body = Sequence(new Wait("w"), new SetVariable<int>(count, c => c.GetVariable<int>("Count") + 1));
        var w = await new InMemoryWorkflow(new Sequence { Variables = { count }, Activities = { new While(c => c.GetVariable<int>("Count") < 2, body), Say.Variable("Count") } }).StartAsync();
        await w.ResumeAllAsync();
        Assert.Equal(("w w! w w! 2", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Parallel_for_each_waits_for_all_rounds_in_any_order()
    {
        var loop = new ParallelForEach { Items = new("[\"x\",\"y\",\"z\"]"), Body = Sequence(new Wait("w"), Say.Variable("CurrentValue")) };
        var w = await new InMemoryWorkflow(Sequence(loop, new Step("end"))).StartAsync();
        Assert.Equal(3, w.Bookmarks.Count);
        await w.ResumeBookmarkAsync(w.Bookmarks[2].Id);
        await w.ResumeBookmarkAsync(w.Bookmarks[0].Id);
        Assert.Equal(("w w w w! z w! x", "Running/Suspended"), (w.Steps, w.Status));
        await w.ResumeAllAsync();
        Assert.Equal(("w w w w! z w! x w! y end", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Break_in_one_round_of_a_parallel_for_each_cancels_the_others()
    {
        var body = Sequence(new Wait("w"), new Break());
        var w = await new InMemoryWorkflow(Sequence(new ParallelForEach<int> { Items = new(new[] { 1, 2 }), Body = body }, new Step("end"))).StartAsync();
        await w.ResumeBookmarkAsync(w.Bookmarks[1].Id);
        Assert.Equal(("w w w! end", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Parallel_completes_when_all_branches_have()
    {
        var w = await new InMemoryWorkflow(Sequence(new Parallel(new Wait("x"), new Step("b"), new Wait("y")), new Step("end"))).StartAsync();
        await w.ResumeAsync("y");
        Assert.Equal("x b y y!", w.Steps);
        await w.ResumeAsync("x");
        Assert.Equal(("x b y y! x! end", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Empty_loops_complete_at_once()
    {
        var w = await new InMemoryWorkflow(Sequence(new ForEach<int>(new List<int>()), new ParallelForEach(), new Parallel(), new Step("end"))).StartAsync();
        Assert.Equal(("end", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Switch_takes_the_first_match_or_all_or_the_default()
    {
        Assert.Equal("b", await Run(SwitchMode.MatchFirst, false, true, true));
        Assert.Equal("b c", await Run(SwitchMode.MatchAny, false, true, true));
        Assert.Equal("d", await Run(SwitchMode.MatchAny, false, false, false));

        static async Task<string> Run(SwitchMode mode, params bool[] matches)
        {
            var w = await new InMemoryWorkflow(new Switch
            {
                Mode = new(mode),
                Cases = [new("A", _ => matches[0], new Step("a")), new("B", _ => matches[1], new Step("b")), new("C", _ => matches[2], new Step("c"))],
                Default = new Step("d"),
            }).StartAsync();
            Assert.Equal("Finished/Finished", w.Status);
            return w.Steps;
        }
    }

    [Fact]
    public async Task Flow_switch_and_fork_leave_by_their_labels()
    {
        var fork = new Elsa.Workflows.Activities.Flowchart.Activities.FlowFork { Id = "f", Branches = new(new List<string> { "L", "R" }) };
        var choice = new Elsa.Workflows.Activities.Flowchart.Activities.FlowSwitch { Id = "s", Cases = [new("Small", _ => false), new("Large", _ => true)] };
        Step l = new("l"), r = new("r"), small = new("small"), large = new("large"), other = new("other");
        var w = await new InMemoryWorkflow(Chart([fork, l, r, choice, small, large, other], (fork, "L", l), (fork, "R", choice), (fork, "X", r), (choice, "Small", small), (choice, "Large", large), (choice, "Default", other))).StartAsync();
        Assert.Equal(("l large", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Case_that_fails_names_its_label()
    {
        var w = await new InMemoryWorkflow(new Switch { Cases = [new SwitchCase("High", _ => throw new InvalidOperationException("no number"), null)] }).StartAsync();
        Assert.Contains("case 'High'", Assert.Single(w.Incidents).Message, StringComparison.Ordinal);
    }
}
