using System.Text;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Activities.Flowchart.Activities;
using Elsa.Workflows.Activities.Flowchart.Models;
using Elsa.Workflows.IncidentStrategies;
using Elsa.Workflows.Models;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Expressions;

namespace PwWorkflows.Engine.Tests.Execution;

/// <summary>What the activities of a test have done, in order.</summary>
internal sealed class Trace
{
    private readonly List<string> _steps = [];
    public void Add(string step) => _steps.Add(step);
    public string Text => string.Join(' ', _steps);
}

/// <summary>Runs a workflow in memory. Between two bursts its state is written and read again, so whatever waits also proves that it survives a restart.</summary>
internal sealed class InMemoryWorkflow
{
    private readonly CompiledWorkflow _compiled;
    private readonly ServiceProvider _services;
    private readonly StringBuilder _journal = new();
    private WorkflowExecutionContext _run;

    public InMemoryWorkflow(IActivity root, FlowchartExecutionMode mode = FlowchartExecutionMode.CounterBased, Action<Workflow>? configure = null, Action<IServiceCollection>? services = null)
    {
        var collection = new ServiceCollection();
        collection.AddSingleton(Trace);
        services?.Invoke(collection);
        _services = collection.BuildServiceProvider();
        Runner = new WorkflowRunner(new ExpressionEvaluator([new LiteralHandler(), new ObjectHandler(), new VariableHandler(), new InputHandler(), new DelegateHandler(), new JavaScriptHandler()]),
            new StimulusHasher(), Time, [new FaultStrategy(), new ContinueWithIncidentsStrategy()])
        { DefaultFlowchartMode = mode };
        var workflow = root as Workflow ?? new Workflow(root);
        if (workflow.DefinitionId.Length == 0) (workflow.DefinitionId, workflow.VersionId) = ("test", "test:1");
        configure?.Invoke(workflow);
        _compiled = CompiledWorkflow.Compile(workflow);
        _run = Runner.Create(_compiled, _services, "instance-1", TestContext.Current.CancellationToken);
    }

    public Trace Trace { get; } = new();
    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 3, 2, 9, 0, 0, TimeSpan.Zero));
    public WorkflowRunner Runner { get; }
    public WorkflowExecutionContext Run => _run;
    public string Steps => Trace.Text;
    public string State { get; private set; } = "";
    public string Journal => _journal.ToString();
    public string Status => $"{_run.Status}/{_run.SubStatus}";
    public List<Bookmark> Bookmarks => [.. _run.Bookmarks];
    public List<ActivityIncident> Incidents => [.. _run.Incidents];
    public List<PwWorkflows.Engine.Storage.WorkItem> Queued { get; } = [];
    public int Reloads { get; private set; }

    public async Task<InMemoryWorkflow> StartAsync(IDictionary<string, object>? input = null, string? trigger = null)
    {
        if (input is not null)
            foreach (var (key, value) in input)
                _run.Input[key] = value;
        _run.TriggerActivityId = trigger;
        await Runner.StartAsync(_run);
        Reload();
        return this;
    }

    /// <summary>Resumes the only bookmark, or the one of an activity (id) or with a payload that names it.</summary>
    public async Task<InMemoryWorkflow> ResumeAsync(string? activityId = null, IDictionary<string, object>? input = null)
    {
        var bookmark = activityId is null ? Assert.Single(Bookmarks) : Bookmarks.First(b => b.ActivityId == activityId);
        Assert.True(await Runner.ResumeAsync(_run, bookmark.Id, input));
        Reload();
        return this;
    }

    public async Task<bool> ResumeBookmarkAsync(string id, IDictionary<string, object>? input = null)
    {
        var found = await Runner.ResumeAsync(_run, id, input);
        Reload();
        return found;
    }

    public async Task<int> RetryFaultedAsync()
    {
        var count = await Runner.RetryFaultedAsync(_run);
        Reload();
        return count;
    }

    public async Task ResumeAllAsync()
    {
        for (var i = 0; Bookmarks.Count > 0; i++)
        {
            Assert.True(i < 100, "the workflow waits again and again");
            await ResumeBookmarkAsync(Bookmarks[0].Id);
        }
    }

    private void Reload()
    {
        foreach (var segment in _run.Journal.TakeSegments(Time.GetUtcNow(), Runner.Serializer)) _journal.AppendLine(Encoding.UTF8.GetString(segment.Entries.Span));
        Queued.AddRange(_run.Burst.Enqueue);
        var bytes = Runner.Serializer.Write(_run);
        State = Encoding.UTF8.GetString(bytes);
        var again = Runner.Create(_compiled, _services, _run.Id, TestContext.Current.CancellationToken);
        Runner.Serializer.Read(bytes, again);
        _run = again;
        Reloads++;
    }
}

/// <summary>Logs its name.</summary>
internal sealed class Step : CodeActivity
{
    public Step() { }
    public Step(string name) => Name = Id = name;

    protected override void Execute(ActivityExecutionContext context) => context.GetRequiredService<Trace>().Add(Id);
}

/// <summary>Logs a text found at run time.</summary>
internal sealed class Say : CodeActivity
{
    public Input<string> Text { get; set; } = null!;
    public static Say Variable(string name) => new() { Text = new(c => Convert.ToString(c.GetVariable<object>(name), System.Globalization.CultureInfo.InvariantCulture)!) };
    protected override void Execute(ActivityExecutionContext context) => context.GetRequiredService<Trace>().Add(context.Get(Text)!);
}

/// <summary>Logs its name, waits, and logs its name with an exclamation mark when resumed.</summary>
internal sealed class Wait : CodeActivity
{
    public Wait() { }
    public Wait(string name) => Name = Id = name;

    protected override void Execute(ActivityExecutionContext context)
    {
        context.GetRequiredService<Trace>().Add(Id);
        context.CreateBookmark(OnResumed);
    }

    private ValueTask OnResumed(ActivityExecutionContext context)
    {
        context.GetRequiredService<Trace>().Add(Id + "!");
        return context.CompleteActivityAsync();
    }
}

/// <summary>Fails the first times, then logs its name.</summary>
internal sealed class Flaky : CodeActivity
{
    private const string Failures = "failures";
    public Flaky() { }
    public Flaky(string name, int failures)
    {
        Id = name;
        CustomProperties[Failures] = failures;
    }

    protected override void Execute(ActivityExecutionContext context)
    {
        var attempt = context.UpdateProperty<int>("tries", n => n + 1);
        if (attempt <= Convert.ToInt32(CustomProperties[Failures], System.Globalization.CultureInfo.InvariantCulture)) throw new InvalidOperationException($"{Id} failed at try {attempt}");
        context.GetRequiredService<Trace>().Add(Id);
    }
}

internal static class Build
{
    public static Flowchart Chart(IEnumerable<IActivity> activities, params (IActivity From, string? Port, IActivity To)[] connections) => new()
    {
        Activities = [.. activities],
        Connections = [.. connections.Select(c => new Connection(new Endpoint(c.From, c.Port), new Endpoint(c.To)))],
    };

    public static Sequence Sequence(params IActivity[] activities) => new() { Activities = [.. activities] };

    public static T Named<T>(this T activity, string id) where T : IActivity
    {
        activity.Id = id;
        return activity;
    }

    public static T Merge<T>(this T activity, string mode) where T : IActivity
    {
        activity.CustomProperties["mergeMode"] = mode;
        return activity;
    }
}
