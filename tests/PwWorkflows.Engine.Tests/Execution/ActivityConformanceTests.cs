using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.IncidentStrategies;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.Options;
using Elsa.Workflows.Signals;
using PwWorkflows.Engine.Execution;
using static PwWorkflows.Engine.Tests.Execution.Build;

namespace PwWorkflows.Engine.Tests.Execution;

public sealed class ActivityConformanceTests
{
    [Fact]
    public async Task Fault_in_a_sequence_ends_the_workflow_as_faulted()
    {
        var w = await new InMemoryWorkflow(Sequence(new Step("a"), new Fault { Id = "f", Code = new("E1"), Message = new("no") }, new Step("c")).Named("seq")).StartAsync();
        Assert.Equal(("a", "Finished/Faulted"), (w.Steps, w.Status));
        var incident = Assert.Single(w.Incidents);
        Assert.Equal(("f", "Workflow1:seq:f", "Elsa.Fault", "no"), (incident.ActivityId, incident.ActivityNodeId, incident.ActivityType, incident.Message));
        Assert.Equal("E1", incident.Exception!.Metadata!["Code"].ToString());
        Assert.Equal(["Workflow1:Running", "seq:Running", "f:Faulted"], w.Run.ActivityExecutionContexts.Select(c => $"{c.Activity.Id}:{c.Status}"));
        Assert.All(w.Run.ActivityExecutionContexts, c => Assert.Equal(1, c.AggregateFaultCount));
    }

    [Fact]
    public async Task Continue_with_incidents_leaves_a_blocked_sequence_suspended()
    {
        var w = await new InMemoryWorkflow(Sequence(new Step("a"), new Fault(), new Step("c")), configure: x => x.Options.IncidentStrategyType = typeof(ContinueWithIncidentsStrategy)).StartAsync();
        Assert.Equal(("a", "Running/Suspended", 1), (w.Steps, w.Status, w.Incidents.Count));
    }

    [Fact]
    public async Task Continue_with_incidents_lets_other_branches_go_on()
    {
        Step a = new("a"), c = new("c"), d = new("d");
        var f = new Fault { Id = "f" };
        var w = await new InMemoryWorkflow(Chart([a, f, c, d], (a, null, f), (a, null, c), (c, null, d)), configure: x => x.Options.IncidentStrategyType = typeof(ContinueWithIncidentsStrategy)).StartAsync();
        Assert.Equal(("a c d", "Running/Suspended"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Bookmark_suspends_and_its_private_callback_reads_what_the_resumer_passed()
    {
        var ask = new Ask { Id = "w" };
        var w = await new InMemoryWorkflow(Sequence(new Step("a"), ask, new Step("c"))).StartAsync();
        Assert.Equal(("a w", "Running/Suspended"), (w.Steps, w.Status));
        var b = Assert.Single(w.Bookmarks);
        Assert.Equal((ask.Type, "OnAnswered", true, "w"), (b.Name, b.CallbackMethodName, b.AutoBurn, b.ActivityId));
        await w.ResumeAsync(input: new Dictionary<string, object> { ["Answer"] = "yes" });
        Assert.Equal(("a w yes c", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Empty(w.Bookmarks);
        Assert.DoesNotContain("\"Answer\"", w.State, StringComparison.Ordinal);
    }

    private sealed class Ask : CodeActivity
    {
        protected override void Execute(ActivityExecutionContext context)
        {
            context.GetRequiredService<Trace>().Add(Id);
            context.CreateBookmark(OnAnswered);
        }

        private async ValueTask OnAnswered(ActivityExecutionContext context)
        {
            context.GetRequiredService<Trace>().Add(context.GetWorkflowInput<string>("Answer")!);
            await context.CompleteActivityAsync();
        }
    }

    [Fact]
    public async Task Consumed_bookmark_resumes_nothing_a_second_time()
    {
        var w = await new InMemoryWorkflow(Sequence(new Wait("w"), new Wait("x"))).StartAsync();
        var first = Assert.Single(w.Bookmarks).Id;
        Assert.True(await w.ResumeBookmarkAsync(first));
        Assert.False(await w.ResumeBookmarkAsync(first));
        Assert.Equal("w w! x", w.Steps);
    }

    [Fact]
    public async Task Activity_that_neither_completes_nor_waits_suspends_for_ever()
    {
        var w = await new InMemoryWorkflow(Sequence(new Idle(), new Step("b"))).StartAsync();
        Assert.Equal(("", "Running/Suspended"), (w.Steps, w.Status));
    }

    private sealed class Idle : Activity;

    [Fact]
    public async Task Exception_in_an_input_faults_the_activity_and_names_the_input()
    {
        var w = await new InMemoryWorkflow(Sequence(new Say { Id = "s", Text = new((Func<string>)(() => throw new FormatException("bad text"))) })).StartAsync();
        Assert.Equal("Finished/Faulted", w.Status);
        var incident = Assert.Single(w.Incidents);
        Assert.Equal("s", incident.ActivityId);
        Assert.Contains("Text", incident.Message, StringComparison.Ordinal);
        Assert.Contains("bad text", incident.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unset_input_reads_as_default_through_the_context_but_throws_through_the_input()
    {
        var probe = new UnsetInput();
        var w = await new InMemoryWorkflow(probe).StartAsync();
        Assert.Equal(("0 true default", "Finished/Finished"), (w.Steps, w.Status));
    }

    private sealed class UnsetInput : CodeActivity
    {
        public Input<int>? Number { get; set; }

        protected override void Execute(ActivityExecutionContext context)
        {
            var trace = context.GetRequiredService<Trace>();
            trace.Add(context.Get(Number).ToString(System.Globalization.CultureInfo.InvariantCulture));
            try
            {
                Number.Get(context);
            }
            catch (InvalidOperationException)
            {
                trace.Add("true");
            }
            trace.Add(Number.GetOrDefault(context, () => 7) == 7 || context.Get(Number) == 0 ? "default" : "other");
        }
    }

    [Fact]
    public async Task Finished_workflow_keeps_only_its_own_context()
    {
        var w = await new InMemoryWorkflow(Sequence(new Step("a"), Sequence(new Step("b")))).StartAsync();
        var context = Assert.Single(w.Run.ActivityExecutionContexts);
        Assert.Equal(("Workflow1", ActivityStatus.Completed), (context.Activity.Id, context.Status));
    }

    [Fact]
    public async Task Ids_are_given_per_type_in_visiting_order()
    {
        var line = new Say { Text = new("x") };
        await new InMemoryWorkflow(Sequence(new If(new Input<bool>(true)) { Then = line })).StartAsync();
        Assert.Equal("Workflow1:Sequence1:If1:Say1", line.NodeId);
    }

    [Fact]
    public async Task Signal_travels_up_until_an_ancestor_stops_it()
    {
        var w = await new InMemoryWorkflow(new Hears { Id = "outer", Body = new Hears { Id = "middle", Stops = true, Body = new Hears { Id = "inner", Body = new Shouts() } } }).StartAsync();
        Assert.Equal(("inner:hey middle:hey", "Finished/Finished"), (w.Steps, w.Status));
    }

    private sealed record Shout(string Text);

    private sealed class Shouts : CodeActivity
    {
        protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.SendSignalAsync(new Shout("hey"));
    }

    private sealed class Hears : Activity
    {
        public Hears() => OnSignalReceived<Shout>((s, c) =>
        {
            c.ReceiverActivityExecutionContext.GetRequiredService<Trace>().Add($"{Id}:{s.Text}");
            if (Stops) c.StopPropagation();
        });

        public IActivity? Body { get; set; }
        public bool Stops { get; set; }
        protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.ScheduleActivityAsync(Body, OnDone);
        private ValueTask OnDone(ActivityCompletedContext context) => context.CompleteActivityAsync();
    }

    [Fact]
    public async Task Input_that_is_not_evaluated_by_itself_is_evaluated_on_demand()
    {
        var evaluations = 0;
        var w = await new InMemoryWorkflow(new Lazily { Text = new(_ => $"v{++evaluations}") }).StartAsync();
        Assert.Equal("- v1 v2", w.Steps);
    }

    private sealed class Lazily : CodeActivity
    {
        [Input(AutoEvaluate = false)]
        public Input<string> Text { get; set; } = null!;

        protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
        {
            var trace = context.GetRequiredService<Trace>();
            trace.Add(context.Get(Text) ?? "-");
            trace.Add((await context.EvaluateInputPropertyAsync<Lazily, string>(x => x.Text))!);
            trace.Add((await context.EvaluateAsync(Text))!);
        }
    }

    [Fact]
    public async Task Secret_input_reaches_neither_the_state_nor_the_journal()
    {
        var w = await new InMemoryWorkflow(new Keeps { Token = new("hunter2-secret"), Plain = new("visible") }).StartAsync();
        Assert.Equal("hunter2-secret", w.Steps);
        Assert.Equal("Running/Suspended", w.Status);
        Assert.DoesNotContain("hunter2", w.State + w.Journal, StringComparison.Ordinal);
        Assert.Contains("\"Token\":\"***\"", w.State, StringComparison.Ordinal);
        Assert.Contains("\"Token\":\"***\"", w.Journal, StringComparison.Ordinal);
        Assert.Contains("visible", w.Journal, StringComparison.Ordinal);
    }

    private sealed class Keeps : CodeActivity
    {
        [Input(CanContainSecrets = true)]
        public Input<string> Token { get; set; } = null!;
        public Input<string> Plain { get; set; } = null!;

        protected override void Execute(ActivityExecutionContext context)
        {
            context.GetRequiredService<Trace>().Add(context.Get(Token)!);
            context.CreateBookmark();
        }
    }

    [Fact]
    public async Task Scheduling_an_activity_outside_the_workflow_is_an_error()
    {
        var w = await new InMemoryWorkflow(new Strays()).StartAsync();
        Assert.Equal("Finished/Faulted", w.Status);
        Assert.Contains("not part of workflow", Assert.Single(w.Incidents).Message, StringComparison.Ordinal);
    }

    private sealed class Strays : Activity
    {
        protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.ScheduleActivityAsync(new Step("x"), new ScheduleWorkOptions());
    }

    [Fact]
    public async Task Completing_twice_is_ignored_and_cancels_running_children_once()
    {
        var w = await new InMemoryWorkflow(Sequence(new Eager { Body = new Wait("w") }, new Step("z"))).StartAsync();
        Assert.Equal(("z", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Empty(w.Bookmarks);
    }

    private sealed class Eager : Activity
    {
        public IActivity? Body { get; set; }
        protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
        {
            await context.ScheduleActivityAsync(Body, (ScheduleWorkOptions?)null);
            await context.CompleteActivityAsync();
            await context.CompleteActivityAsync();
        }
    }

    [Fact]
    public async Task Precondition_that_fails_runs_nothing()
    {
        var w = await new InMemoryWorkflow(new Never()).StartAsync();
        Assert.Equal(("", "Running/Suspended"), (w.Steps, w.Status));
        Assert.Contains("Precondition Failed", w.Journal, StringComparison.Ordinal);
    }

    private sealed class Never : CodeActivity
    {
        protected override bool CanExecute(ActivityExecutionContext context) => false;
        protected override void Execute(ActivityExecutionContext context) => context.GetRequiredService<Trace>().Add("ran");
    }

    [Fact]
    public async Task Unbound_output_is_ignored_and_a_bound_one_sets_its_variable()
    {
        var target = new Variable<int>("Target", 0) { StorageDriverType = typeof(WorkflowInstanceStorageDriver) };
        var root = new Sequence { Variables = { target }, Activities = { new Gives(), new Gives { Result = new Output<int>(target) }, Say.Variable("Target") } };
        var w = await new InMemoryWorkflow(root).StartAsync();
        Assert.Equal(("42", "Finished/Finished"), (w.Steps, w.Status));
    }

    private sealed class Gives : CodeActivity<int>
    {
        protected override void Execute(ActivityExecutionContext context) => context.SetResult("42");
    }

    [Fact]
    public async Task Variables_kept_with_the_instance_survive_and_those_in_memory_do_not()
    {
        var kept = new Variable<string>("Kept", "first").WithWorkflowStorage();
        var lost = new Variable<string>("Lost", "first").WithMemoryStorage();
        var root = new Sequence
        {
            Variables = { kept, lost },
            Activities = { new SetVariable<string>(kept, "second"), new SetVariable<string>(lost, "second"), new Wait("w"), Say.Variable("Kept"), Say.Variable("Lost") },
        };
        var w = await new InMemoryWorkflow(root).StartAsync();
        await w.ResumeAsync();
        Assert.Equal("w w! second first", w.Steps);
    }

    [Fact]
    public async Task Setting_an_unknown_variable_faults_and_names_it()
    {
        var w = await new InMemoryWorkflow(new SetVariable(new Variable("Gone"), new Input<object?>("x"))).StartAsync();
        Assert.Contains("'Gone'", Assert.Single(w.Incidents).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Set_variable_converts_to_the_type_of_the_variable()
    {
        var number = new Variable<int>("N", 1);
        var w = await new InMemoryWorkflow(new Sequence { Variables = { number }, Activities = { new SetVariable(new Variable("N"), new Input<object?>("12")), new Say { Text = new(c => (number.Get(c) + 1).ToString(System.Globalization.CultureInfo.InvariantCulture)) } } }).StartAsync();
        Assert.Equal("13", w.Steps);
    }

    [Fact]
    public async Task Name_and_correlation_are_set_on_the_instance()
    {
        var w = await new InMemoryWorkflow(Sequence(new SetName(new Input<string>("Order 42")), new Correlate("order-42"), new Wait("w"))).StartAsync();
        Assert.Equal(("Order 42", "order-42"), (w.Run.Name, w.Run.CorrelationId));
    }

    [Fact]
    public async Task Set_output_sets_the_output_of_the_workflow_in_its_declared_type()
    {
        var w = await new InMemoryWorkflow(Sequence(new Elsa.Workflows.Management.Activities.SetOutput.SetOutput { OutputName = new("Total"), OutputValue = new("17") }),
            configure: x => x.Outputs.Add(new OutputDefinition { Name = "Total", Type = typeof(int) })).StartAsync();
        Assert.Equal(17L, w.Run.Output["Total"]);
    }

    [Fact]
    public async Task Complete_ends_the_workflow_with_its_outcomes()
    {
        var w = await new InMemoryWorkflow(Sequence(new Step("a"), new Complete(["Approved"]), new Step("b"))).StartAsync();
        Assert.Equal(("a", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Contains("Approved", w.Journal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Complete_ends_only_the_nearest_composite()
    {
        var w = await new InMemoryWorkflow(Sequence(new Part { Root = Sequence(new Step("a"), new Complete(), new Step("b")) }, new Step("c"))).StartAsync();
        Assert.Equal(("a c", "Finished/Finished"), (w.Steps, w.Status));
    }

    private sealed class Part : Composite;

    [Fact]
    public async Task Write_line_writes_to_the_given_writer()
    {
        using var text = new StringWriter();
        await new InMemoryWorkflow(new WriteLine("hello"), services: s => Microsoft.Extensions.DependencyInjection.ServiceCollectionServiceExtensions.AddSingleton<IStandardOutStreamProvider>(s, new StandardOutStreamProvider(text))).StartAsync();
        Assert.Equal("hello" + Environment.NewLine, text.ToString());
    }

    [Fact]
    public void Every_built_in_activity_can_be_made_without_arguments_and_has_an_elsa_type()
    {
        var types = typeof(Activity).Assembly.GetExportedTypes().Where(t => typeof(IActivity).IsAssignableFrom(t) && t is { IsAbstract: false, IsInterface: false, IsGenericTypeDefinition: false }).ToList();
        Assert.True(types.Count >= 35, $"only {types.Count} activities");
        foreach (var type in types)
        {
            var activity = ActivityClass.Of(type).Create();
            Assert.StartsWith("Elsa.", activity.Type, StringComparison.Ordinal);
        }
    }
}
