using System.ComponentModel;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using Elsa.Common;
using Elsa.Common.Models;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Scheduling.Activities;
using Elsa.Workflows;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Activities.Flowchart.Activities;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Activities.Flowchart.Models;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Exceptions;
using Elsa.Workflows.IncidentStrategies;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.Options;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Activities;
using Elsa.Workflows.Runtime.Filters;
using Elsa.Workflows.Runtime.Messages;
using Elsa.Workflows.Runtime.Options;
using Elsa.Workflows.Runtime.Results;
using Elsa.Workflows.Signals;
using Elsa.Workflows.UIHints;
using Elsa.Workflows.UIHints.Dropdown;
using Endpoint = Elsa.Workflows.Activities.Flowchart.Models.Endpoint;

// Sources as the authors of activities and workflows write them. That this file compiles is the test: it uses every member of the authoring API that the project promises.
namespace PwWorkflows.Engine.Tests.Api.Samples;

public sealed record OrderStimulus(string OrderId, [property: ExcludeFromHash] string? Hint);

public enum Level { Low, High }

public sealed class Sites : DropDownOptionsProviderBase
{
    protected override bool RefreshOnChange => true;
    protected override ValueTask<ICollection<SelectListItem>> GetItemsAsync(PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken) =>
        ValueTask.FromResult<ICollection<SelectListItem>>([new SelectListItem("North", "north")]);
}

public sealed class DefaultSite : IActivityPropertyDefaultValueProvider
{
    public object GetDefaultValue(PropertyInfo property) => "north";
}

public sealed class PlainHandler : PropertyUIHandlerBase
{
    public override float Priority => 1;
    public override ValueTask<IDictionary<string, object>> GetUIPropertiesAsync(PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult<IDictionary<string, object>>(new Dictionary<string, object>());
}

[Activity("Acme", "Stock", "Looks up the stock of an article.", DisplayName = "Check stock", Kind = ActivityKind.Task, RunAsynchronously = false, Version = 1)]
[FlowNode("In stock", "Sold out")]
[Output(Description = "What is left")]
public sealed class CheckStock : CodeActivity<int>
{
    public CheckStock([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
    public CheckStock(MemoryBlockReference? output, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(output, source, line) { }
    public CheckStock(Output<int>? output, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(output, source, line) { }

    [Input(Name = "Sku", UIHint = InputUIHints.SingleLine, DisplayName = "Article", Description = "Number", Category = "Main", Order = 1, DefaultValue = "A", DefaultSyntax = "Literal", SupportedSyntaxes = new[] { "Literal", "JavaScript" },
        IsReadOnly = false, IsBrowsable = true, AutoEvaluate = true, IsSerializable = true, CanContainSecrets = false)]
    public Input<string> Sku { get; set; } = new("A");
    [Input(Options = new[] { "a", "b" }, DefaultValueProvider = typeof(DefaultSite), UIHandler = typeof(Sites), UIHandlers = new[] { typeof(PlainHandler) })]
    public Input<string?> Site { get; set; } = null!;
    public Input<Level>? Level { get; set; }
    [Input(AutoEvaluate = false, EvaluatorType = null)]
    public Input<int> Lazy { get; set; } = new(() => 5);
    [Output(Name = "Where", DisplayName = "Where", Description = "Shelf", IsBrowsable = true, IsSerializable = true)]
    public Output<string>? Shelf { get; set; }

    protected override bool CanExecute(ActivityExecutionContext context) => true;

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var sku = Sku.Get(context);
        var site = Site.GetOrDefault(context, () => "north") ?? context.Get(Site);
        var lazy = await context.EvaluateInputPropertyAsync<CheckStock, int>(x => x.Lazy) + await context.EvaluateAsync(Lazy);
        context.Set(Shelf, site);
        Shelf.Set(context, sku);
        context.SetResult(lazy);
        context.JournalData["Sku"] = sku;
        context.AddExecutionLogEntry("Looked up", sku, "stock", new { site });
        await context.CompleteActivityWithOutcomesAsync(lazy > 0 ? "In stock" : "Sold out");
    }
}

[Activity("Acme", type: "Everything", version: 2, description: "Uses all of the context", category: "Tests")]
[DisplayName("Everything")]
[Category("Tests")]
[Description("Uses all of the context")]
[Browsable(false)]
public sealed class Everything : Activity
{
    [JsonConstructor]
    private Everything() => OnSignalReceived<BreakSignal>((_, c) => c.StopPropagation());
    public Everything(string name) : base("Acme.Everything", 2) => Name = name;

    [Port("Body", "Body")]
    public IActivity? Body { get; set; }
    public ICollection<IActivity> Branches { get; set; } = new List<IActivity>();

    protected override ValueTask<bool> CanExecuteAsync(ActivityExecutionContext context) => ValueTask.FromResult(context.Activity is not null);

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var facts = (context.Id, context.WorkflowExecutionContext, context.ParentActivityExecutionContext, context.ExpressionExecutionContext, context.ActivityDescriptor, context.NodeId, context.CancellationToken, context.Status,
            context.StartedAt, context.CompletedAt, context.Exception, context.Tag, context.Variables, context.Properties, context.TransientProperties, context.Metadata, context.WorkflowInput, context.ActivityInput, context.ActivityState,
            context.Children, context.Bookmarks, context.NewBookmarks, context.AggregateFaultCount, context.IsExecuting);
        context.JournalData["facts"] = facts.NodeId;
        _ = context.GetRequiredService<ISystemClock>().UtcNow;
        _ = context.GetRequiredService(typeof(ISystemClock));
        _ = context.GetService<ISystemClock>();
        _ = context.GetServices<ISystemClock>();
        _ = context.GetOrCreateService<List<string>>();
        var reference = new MemoryBlockReference("x");
        context.Set(reference, 1);
        _ = context.Get(reference);
        _ = context.Get<int>(reference);
        _ = context.TryGet(reference, out _);
        context.SetProperty("a", 1);
        _ = context.GetProperty<int>("a") + context.GetProperty("b", () => 2) + context.UpdateProperty<int>("a", n => n + 1);
        context.RemoveProperty("a");
        _ = context.GetWorkflowInput<string>();
        _ = context.GetWorkflowInput<string>("k");
        _ = context.TryGetWorkflowInput<string>("k", out _);
        _ = context.GetVariable<int>("v");
        context.SetVariable("v", 2);
        context.CreateVariable("w", 3);
        _ = context.IsTriggerOfWorkflow();
        await context.SendSignalAsync(new BreakSignal());
        _ = context.GetActivityOutput(() => Body!);
        _ = context.GetLastResult();
        _ = context.GetAncestors().Count();
        _ = context.FindParent(p => p.Activity is Sequence);
        await context.ScheduleActivityAsync(Body, OnBodyCompletedAsync, tag: "t", variables: [new Variable("x", 1)]);
        await context.ScheduleActivityAsync(Body, new ScheduleWorkOptions { CompletionCallback = OnBodyCompletedAsync, Tag = 1, Variables = [], ExistingActivityExecutionContext = null, PreventDuplicateScheduling = true, Input = new Dictionary<string, object>() });
        await context.ScheduleActivityAsync(Body, context, new ScheduleWorkOptions());
        await context.ScheduleActivitiesAsync([.. Branches]);
        await context.ScheduleActivities(Branches);
        var run = context.WorkflowExecutionContext;
        run.CorrelationId = run.Name = run.Id;
        _ = (run.Workflow, run.ParentWorkflowInstanceId, run.Status, run.SubStatus, run.Input, run.Output, run.Properties, run.TransientProperties, run.Bookmarks, run.Incidents, run.ActivityExecutionContexts, run.Scheduler,
            run.ExpressionExecutionContext, run.Variables, run.TriggerActivityId, run.CancellationToken, run.CreatedAt, run.UpdatedAt, run.FinishedAt);
        run.SetProperty("p", 1);
        _ = run.GetProperty<int>("p") + run.UpdateProperty<int>("p", n => n + 1);
        _ = run.GetRequiredService<ISystemClock>();
        await run.CommitAsync();
    }

    private async ValueTask OnBodyCompletedAsync(ActivityCompletedContext context)
    {
        _ = (context.TargetContext, context.ChildContext, context.Result, context.CancellationToken, context.GetRequiredService<ISystemClock>());
        await context.CompleteActivityWithOutcomesAsync("Done");
        await context.CompleteActivityAsync(new Outcomes("Done"));
    }

    protected override ValueTask OnSignalReceivedAsync(object signal, SignalContext context) => context.IsSelf ? ValueTask.CompletedTask : base.OnSignalReceivedAsync(signal, context);

    protected override void OnSignalReceived(object signal, SignalContext context)
    {
        _ = (context.ReceiverActivityExecutionContext, context.SenderActivityExecutionContext, context.CancellationToken);
        if (signal is CompleteCompositeSignal or ActivityCompleted) context.StopPropagation();
    }

    internal static async ValueTask Ends(ActivityExecutionContext context)
    {
        await context.CompleteCompositeAsync("Done");
        await context.CancelActivityAsync();
        context.WorkflowExecutionContext.TransitionTo(WorkflowSubStatus.Finished);
        context.WorkflowExecutionContext.Cancel();
        throw new FaultException("1", "Orders", "Business", "no");
    }
}

[Activity("Acme", "Orders")]
public sealed class OrderReceived : Trigger<string>
{
    public Input<string> OrderId { get; set; } = null!;
    protected override object GetTriggerPayload(TriggerIndexingContext context)
    {
        context.TriggerName = "Acme.OrderReceived";
        _ = (context.WorkflowIndexingContext, context.Trigger, context.CancellationToken, OrderId.Get(context.ExpressionExecutionContext), OrderId.GetOrDefault(context.ExpressionExecutionContext, () => ""));
        return new OrderStimulus(context.Get(OrderId)!, null);
    }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (context.IsTriggerOfWorkflow()) return OnReceivedAsync(context);
        var stimulus = new OrderStimulus(OrderId.Get(context), null);
        context.CreateBookmark(stimulus, OnReceivedAsync, includeActivityInstanceId: false, customProperties: null);
        context.CreateBookmark(stimulus, false);
        context.CreateBookmark(stimulus);
        context.CreateBookmark(OnReceivedAsync);
        context.CreateBookmark();
        var bookmark = context.CreateBookmark(new CreateBookmarkArgs { BookmarkId = "1", Stimulus = stimulus, Callback = OnReceivedAsync, BookmarkName = "n", AutoBurn = true, IncludeActivityInstanceId = true, AutoComplete = false, Metadata = new Dictionary<string, string>() });
        _ = (bookmark.Id, bookmark.Name, bookmark.Hash, bookmark.Payload, bookmark.ActivityId, bookmark.ActivityNodeId, bookmark.ActivityInstanceId, bookmark.CreatedAt, bookmark.AutoBurn, bookmark.CallbackMethodName, bookmark.AutoComplete, bookmark.Metadata);
        context.CreateBookmarks([stimulus], OnReceivedAsync, includeActivityInstanceId: false, bookmarkName: "n");
        return ValueTask.CompletedTask;
    }

    private async ValueTask OnReceivedAsync(ActivityExecutionContext context)
    {
        context.SetResult(context.GetWorkflowInput<string>("Order"));
        await context.CompleteActivityAsync();
    }
}

public sealed class Ticks : EventGenerator
{
    protected override IEnumerable<object> GetTriggerPayloads(TriggerIndexingContext context) => ["tick"];
    protected override ValueTask<IEnumerable<object>> GetTriggerPayloadsAsync(TriggerIndexingContext context) => base.GetTriggerPayloadsAsync(context);
    protected override void Execute(ActivityExecutionContext context) => context.CreateBookmark("tick");
}

public sealed class Mark : CodeActivity, IStartNode, ITerminalNode;

public sealed class Untyped : CodeActivityWithResult
{
    protected override void Execute(ActivityExecutionContext context) => context.SetResult("x");
}

public sealed class Together : Elsa.Workflows.Activities.Container
{
    protected override void ScheduleChildren(ActivityExecutionContext context) => _ = (Activities, Variables);
    protected override ValueTask ScheduleChildrenAsync(ActivityExecutionContext context) => context.ScheduleActivities(Activities);
}

public sealed class Greeting : Composite<string>
{
    public Greeting() => Root = new Sequence { Activities = { new WriteLine("hello") } };
    protected override ValueTask OnCompletedAsync(ActivityCompletedContext context)
    {
        context.TargetContext.Set(Result, "done");
        return ValueTask.CompletedTask;
    }

    internal static ValueTask Leave(ActivityExecutionContext context) => CompleteAsync(context, "Left");
}

public sealed class Lenient : IIncidentStrategy
{
    public void HandleIncident(ActivityExecutionContext context) { }
}

public sealed class HelloWorkflow : WorkflowBase
{
    protected override void Build(IWorkflowBuilder builder)
    {
        builder.DefinitionId = "hello";
        builder.Id = "hello:1";
        builder.TenantId = null;
        (builder.Version, builder.Name, builder.Description, builder.IsReadonly, builder.IsSystem) = (1, "Hello", "Says it", false, false);
        builder.WorkflowOptions.IncidentStrategyType = typeof(FaultStrategy);
        builder.WorkflowOptions.IncidentStrategyType = typeof(ContinueWithIncidentsStrategy);
        var count = builder.WithVariable("Count", 1);
        var text = builder.WithVariable<string>().WithName("Text").WithId("text").WithValue("a").WithStorageDriver<WorkflowInstanceStorageDriver>();
        builder.WithVariable(new Variable<int>("Other", 2).WithMemoryStorage()).WithVariables(new Variable("A"), new Variable("B", 1), new Variable("C", 1, "c"), new Variable<int>("D", 1, "d").WithWorkflowStorage());
        builder.WithInput<string>("OrderId", "Order");
        var number = typeof(int);
        builder.WithInput("Amount", number);
        builder.WithOutput<int>("Total", "Sum");
        builder.WithCustomProperty("k", 1).WithActivationStrategyType<Elsa.Workflows.ActivationValidators.SingletonStrategy>().AsReadonly().AsSystemWorkflow().WithDefinitionId("hello").WithId("hello:1");
        builder.Outcomes.Add("Done");
        _ = (builder.Inputs, builder.Outputs, builder.Variables, builder.Result, builder.CustomProperties);
        var check = new CheckStock { Sku = new(text), Result = new Output<int>(count), Level = new(Level.High) };
        var decision = new FlowDecision(c => c.GetVariable<int>("Count") > 0);
        var line = new WriteLine("ok");
        builder.Root = new Sequence
        {
            Activities =
            {
                new Flowchart
                {
                    Activities = { check, decision, line },
                    Connections = { new Connection(check, decision), new Connection(new Endpoint(check, "In stock"), new Endpoint(decision)), new Connection(new Endpoint(decision, "True"), new Endpoint(line)) },
                },
                new WriteLine(() => "x"), new WriteLine(c => c.GetInput<string>("OrderId")), new WriteLine(text), new WriteLine(new Input<string>("y")),
                new SetVariable<int>(count, 2), new SetVariable<int>(count, new Input<int>(3)), new SetVariable<int>(count, c => count.Get(c) + 1), new SetVariable<string>(text, text),
                new SetVariable { Variable = text, Value = new("b") },
                new If(c => count.Get(c) > 1) { Then = new Finish(), Else = new Fault { Message = new("no") } }, new If(new Input<bool>(true)),
                new ForEach<string>(new List<string> { "a" }) { Body = new Break() }, new While(new Input<bool>(false), new Break()), new While(c => false) { Body = new Break() },
                new Delay(TimeSpan.FromSeconds(1)), Delay.FromSeconds(1), new Event("OrderPaid"), new RunTask("Ship"), new Correlate("c"),
                new Switch { Cases = { new SwitchCase("A", _ => true, new WriteLine("a")), new SwitchCase("B", new Expression("JavaScript", "true"), null) } },
            },
        };
    }
}

public sealed class SumWorkflow : WorkflowBase<int>
{
    protected override async ValueTask BuildAsync(IWorkflowBuilder builder, CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        builder.Root = new SetVariable<int>(Result, 42);
    }
}

public static class Parts
{
    public static object?[] Of(Activity activity, IActivityWithResult untyped, IActivityWithResult<int> typed, IVariableContainer container, IComposite composite, IEventGenerator generator, ActivityIncident incident)
    {
        (activity.CanStartWorkflow, activity.RunAsynchronously, activity.CommitStrategy) = (true, false, "Executed");
        activity.SyntheticProperties = new Dictionary<string, object>(activity.SyntheticProperties);
        (untyped.Result, typed.Result) = (new Output(), new Output<int>());
        composite.Setup();
        ITrigger trigger = generator;
        ExceptionState? state = incident.Exception ?? ExceptionState.FromException(new FaultException("1", "Orders", "Business", "no"));
        return [activity.Behaviors.Select(b => b.Owner), container.Variables, trigger.Type, state?.Type, state?.Message, state?.StackTrace, state?.InnerException, state?.Metadata,
            incident.ActivityId, incident.ActivityNodeId, incident.ActivityType, incident.Message, incident.Timestamp];
    }

    public static async Task<object?[]> RunAsync(IWorkflowBuilder builder, IWorkflowRunner runner, WorkflowGraph graph, CancellationToken ct)
    {
        var own = await builder.BuildWorkflowAsync(ct);
        var other = await builder.BuildWorkflowAsync(new HelloWorkflow(), ct);
        return [(await runner.RunAsync(own, null, ct)).Result, (await runner.RunAsync(graph, null, ct)).Result, graph.Workflow, other.Root];
    }
}

public static class Values
{
    public static object[] Inputs(Variable variable, Output<int> output) =>
    [
        new Input<int>(new MemoryBlockReference("r")), new Input<int>(1), new Input<int>(1, "id"), new Input<int>(() => 1), new Input<int>(_ => 1), new Input<int>(() => ValueTask.FromResult(1)), new Input<int>(_ => ValueTask.FromResult(1)),
        new Input<int>(variable), new Input<int>((Output)output), new Input<int>(new Literal<int>(1)), new Input<int>(new Literal(1)), new Input<int>(new ObjectLiteral<int>("1")), new Input<int>(new ObjectLiteral("1")),
        new Input<int>(new Expression("Literal", "1"), new MemoryBlockReference("r")), new Input<int>(Expression.LiteralExpression(1)), new Input<int>(Expression.DelegateExpression(() => 1)),
        new Output(), new Output(variable), new Output(() => variable), new Output<int>(), new Output<int>(variable), new Output<int>(() => variable),
    ];

    public static object?[] Scope(ExpressionExecutionContext c, Variable<int> variable, Input<int> input)
    {
        variable.Set(c, 1);
        c.SetVariable("n", 1);
        c.Set(variable, 2);
        variable.Set(c, 3);
        return [c.ServiceProvider, c.Memory, c.ParentContext, c.TransientProperties, c.CancellationToken, c.Get(variable), c.Get<int>(variable), c.TryGet(variable, out _), c.GetBlock(variable), c.GetRequiredService<ISystemClock>(),
            c.GetInput<string>("x"), c.GetVariable<int>("n"), c.GetWorkflowExecutionContext(), c.GetActivityExecutionContext(), c.Get(input), variable.Get(c), input.Expression, input.Type, input.MemoryBlockReference(), "5".ConvertTo<int>()];
    }

    public static object?[] Context(ActivityExecutionContext c, Variable<int> variable)
    {
        variable.Set(c, 1);
        return [variable.Get(c), variable.Name, variable.Value, variable.StorageDriverType, ((Variable)variable).Get(c)];
    }
}

public static class Senders
{
    public static async Task<object?[]> UseAsync(IWorkflowRuntime runtime, IWorkflowStarter starter, IStimulusSender stimuli, IBookmarkResumer resumer, IEventPublisher events, ITaskReporter tasks, ITaskDispatcher taskDispatcher, IBookmarkQueue queue,
        IWorkflowDispatcher dispatcher, IWorkflowRunner runner, IStimulusHasher hasher, ActivityExecutionContext context, CancellationToken ct)
    {
        var client = await runtime.CreateClientAsync(ct);
        client = await runtime.CreateClientAsync(client.WorkflowInstanceId, ct);
        var handle = WorkflowDefinitionHandle.ByDefinitionId("hello", VersionOptions.Published);
        _ = WorkflowDefinitionHandle.ByDefinitionVersionId("hello:1");
        await client.CreateInstanceAsync(new CreateWorkflowInstanceRequest { WorkflowDefinitionHandle = handle }, ct);
        var ran = await client.RunInstanceAsync(new RunWorkflowInstanceRequest { TriggerActivityId = "t", BookmarkId = "b", ActivityHandle = ActivityHandle.FromActivityId("a"), Properties = null, Input = null, Variables = null, IncludeWorkflowOutput = true }, ct);
        ran = await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest
        {
            WorkflowDefinitionHandle = handle,
            CorrelationId = "c",
            Name = "n",
            Input = null,
            Variables = null,
            Properties = null,
            ParentId = null,
            TriggerActivityId = null,
            ActivityHandle = null,
            IncludeWorkflowOutput = true,
        }, ct);
        await client.ImportStateAsync(await client.ExportStateAsync(ct), ct);
        await client.CancelAsync(ct);
        var gone = await client.InstanceExistsAsync(ct) && await client.DeleteAsync(ct);
        var started = await starter.StartWorkflowAsync(new StartWorkflowRequest { WorkflowDefinitionHandle = handle, CorrelationId = "c", Input = null, TriggerActivityId = null }, ct);
        var metadata = new StimulusMetadata { WorkflowInstanceId = "i", CorrelationId = "c", ActivityInstanceId = "a", BookmarkId = "b", ParentWorkflowInstanceId = "p", Input = null, Properties = null };
        SendStimulusResult sent = await stimuli.SendAsync("Acme.OrderReceived", new OrderStimulus("1", null), metadata, ct);
        sent = await stimuli.SendAsync(hasher.Hash("Acme.OrderReceived", new OrderStimulus("1", null), null), metadata, ct);
        var options = new ResumeBookmarkOptions { Input = null, Properties = null };
        ResumeBookmarkResult resumed = await resumer.ResumeAsync<OrderReceived>(new OrderStimulus("1", null), options, ct);
        resumed = await resumer.ResumeAsync<OrderReceived>(new OrderStimulus("1", null), "i", options, ct);
        resumed = await resumer.ResumeAsync("b", new Dictionary<string, object>(), ct);
        resumed = await resumer.ResumeAsync(new ResumeBookmarkRequest { WorkflowInstanceId = "i", BookmarkId = "b" }, ct);
        resumed = await resumer.ResumeAsync(new BookmarkFilter { BookmarkId = "b" }, options, ct);
        await events.PublishAsync("OrderPaid", correlationId: "c", workflowInstanceId: "i", activityInstanceId: "a", payload: 1, asynchronous: true, cancellationToken: ct);
        await tasks.ReportCompletionAsync("t", "result", ct);
        await taskDispatcher.DispatchAsync(new RunTaskRequest(context, "t", "Ship", null), ct);
        await queue.EnqueueAsync(new NewBookmarkQueueItem { WorkflowInstanceId = "i", BookmarkId = "b", StimulusHash = "h", ActivityInstanceId = "a", CorrelationId = "c", ActivityTypeName = "t", Options = options }, ct);
        await dispatcher.DispatchAsync(new DispatchWorkflowDefinitionRequest("hello:1") { CorrelationId = "c" }, new DispatchWorkflowOptions(), ct);
        await dispatcher.DispatchAsync(new DispatchWorkflowInstanceRequest("i") { BookmarkId = "b" }, cancellationToken: ct);
        await dispatcher.DispatchAsync(new DispatchTriggerWorkflowsRequest("t", "p"), cancellationToken: ct);
        await dispatcher.DispatchAsync(new DispatchResumeWorkflowsRequest("t", "p"), cancellationToken: ct);
        var memory = await runner.RunAsync(new WriteLine("x"), new RunWorkflowOptions { CorrelationId = "c" }, ct);
        memory = await runner.RunAsync(new HelloWorkflow(), null, ct);
        memory = await runner.RunAsync<HelloWorkflow>(null, ct);
        var sum = await runner.RunAsync<SumWorkflow, int>(null, ct);
        return [ran.WorkflowInstanceId, ran.Status, ran.SubStatus, ran.Bookmarks, ran.Incidents, ran.Output, gone, started.CannotStart, started.WorkflowInstanceId, started.Status, started.SubStatus, started.Bookmarks, started.Incidents,
            sent.WorkflowInstanceResponses, resumed.Matched, resumed.Response, memory.WorkflowState, memory.Workflow, memory.Result, sum];
    }
}
