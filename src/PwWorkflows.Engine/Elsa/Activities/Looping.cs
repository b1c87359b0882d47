using System.Runtime.CompilerServices;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.Signals;
using Elsa.Workflows.UIHints;

namespace Elsa.Workflows.Activities;

/// <summary>
/// What the loops share. A loop may wait in its body and go on after a restart: everything it needs lies in the context. Its inputs are those it started with,
/// kept as the activity's state, so that a list which changes while the body waits does not change the loop.
/// </summary>
internal static class Loops
{
    private const string Breaking = "IsBreaking";

    /// <summary>Ends the loop when the round that sent the signal is over; other branches of the round, and other rounds, are cancelled.</summary>
    public static void OnBreak(BreakSignal signal, SignalContext context)
    {
        context.StopPropagation();
        var loop = context.ReceiverActivityExecutionContext;
        loop.SetProperty(Breaking, true);
        var run = loop.WorkflowExecutionContext;
        for (var c = context.SenderActivityExecutionContext; c != loop && c.ParentActivityExecutionContext is { } parent; c = parent)
        {
            run.Scheduler.Remove(s => s.Owner == parent && s.Existing != c);
            foreach (var other in parent.Children.Where(x => x != c).ToList()) run.Runner.CancelActivity(other);
        }
    }

    public static bool IsBreaking(this ActivityExecutionContext loop) => loop.GetProperty<bool>(Breaking);

    /// <summary>An input as it was when the loop started.</summary>
    public static T? StateOf<T>(this ActivityExecutionContext loop, string input, T? otherwise = default) =>
        loop.ActivityState.TryGetValue(input, out var value) && value is not null ? value.ConvertTo<T>() : otherwise;

    public static Variable[] Round(object? value, long index) => [new Variable("CurrentIndex", index), new Variable("CurrentValue", value)];

    public static InvalidOperationException NoBody(ActivityExecutionContext loop) => new($"{loop.Activity.Type} ({loop.Activity.Id}): Body is not set.");
}

/// <summary>Runs its body as long as a condition holds.</summary>
[Activity("Elsa", "Looping", "Execute an activity while a given condition evaluates to true.")]
public sealed class While : Activity
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public While([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => OnSignalReceived<BreakSignal>(Loops.OnBreak);
    /// <summary>With a body.</summary>
    public While(IActivity? body, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(source, line) => Body = body;
    /// <summary>On a condition.</summary>
    public While(Input<bool> condition, IActivity? body = null, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(body, source, line) => Condition = condition;
    /// <summary>On a function of the scope.</summary>
    public While(Func<ExpressionExecutionContext, bool> condition, IActivity? body = null, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<bool>(condition), body, source, line) { }
    /// <summary>On a function.</summary>
    public While(Func<bool> condition, IActivity? body = null, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<bool>(condition), body, source, line) { }

    /// <summary>For ever, until a <see cref="Break"/>.</summary>
    public static While True(IActivity body, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) => new(new Input<bool>(true), body, source, line);

    /// <summary>The condition, evaluated before each round.</summary>
    [Input(AutoEvaluate = false, UIHint = InputUIHints.SingleLine)]
    public Input<bool> Condition { get; set; } = new(false);
    /// <summary>Runs each round.</summary>
    [Port]
    public IActivity? Body { get; set; }

    /// <inheritdoc />
    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => NextAsync(context);

    private ValueTask OnBodyCompletedAsync(ActivityCompletedContext context) => NextAsync(context.TargetContext);

    private async ValueTask NextAsync(ActivityExecutionContext context)
    {
        if (context.IsBreaking() || !await context.EvaluateInputPropertyAsync<While, bool>(x => x.Condition)) await context.CompleteActivityAsync();
        else await context.ScheduleActivityAsync(Body ?? throw Loops.NoBody(context), OnBodyCompletedAsync);
    }
}

/// <summary>Runs its body for each number from a start to an end.</summary>
[Activity("Elsa", "Looping", "Iterate over a sequence of steps between a start and an end number.")]
public sealed class For : Activity
{
    private const string Next = "NextValue";
    private const string Rounds = "Rounds";

    /// <inheritdoc cref="Activity(string?, int?)" />
    public For([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => OnSignalReceived<BreakSignal>(Loops.OnBreak);
    /// <summary>With its bounds.</summary>
    public For(int start, int end, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(source, line)
    {
        Start = new(start);
        End = new(end);
    }

    /// <summary>First number.</summary>
    [Input(Description = "The start step.")]
    public Input<int> Start { get; set; } = new(0);
    /// <summary>Last number.</summary>
    [Input(Description = "The end step.")]
    public Input<int> End { get; set; } = new(0);
    /// <summary>Added each round; negative to count down, not 0.</summary>
    [Input(Description = "The step size. To count down, enter a negative number.")]
    public Input<int> Step { get; set; } = new(1);
    /// <summary>The end is part of the loop.</summary>
    [Input(Description = "Controls whether the end step is upper/lowerbound inclusive or exclusive. True (inclusive) by default.", DefaultValue = true)]
    public Input<bool> OuterBoundInclusive { get; set; } = new(true);
    /// <summary>Runs each round.</summary>
    [Port]
    public IActivity? Body { get; set; }
    /// <summary>The number of the round.</summary>
    [Output]
    public Output<object?>? CurrentValue { get; set; }

    /// <inheritdoc />
    protected override ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        context.SetProperty(Next, (long)context.StateOf<int>(nameof(Start)));
        return NextAsync(context);
    }

    private ValueTask OnBodyCompletedAsync(ActivityCompletedContext context) => NextAsync(context.TargetContext);

    private async ValueTask NextAsync(ActivityExecutionContext context)
    {
        long end = context.StateOf<int>(nameof(End)), step = context.StateOf(nameof(Step), 1), value = context.GetProperty<long>(Next);
        if (step == 0) throw new InvalidOperationException($"{Type} ({Id}): Step must not be 0.");
        var inclusive = context.StateOf(nameof(OuterBoundInclusive), true);
        var more = step > 0 ? inclusive ? value <= end : value < end : inclusive ? value >= end : value > end;
        if (!more || context.IsBreaking())
        {
            await context.CompleteActivityAsync();
            return;
        }
        if (Body is null) throw Loops.NoBody(context);
        var round = context.UpdateProperty<long>(Rounds, n => n + 1) - 1;
        context.SetProperty(Next, value + step);
        context.Set(CurrentValue, (int)value);
        await context.ScheduleActivityAsync(Body, OnBodyCompletedAsync, variables: Loops.Round((int)value, round));
    }
}

/// <summary>Runs its body for each item, one after the other.</summary>
[Activity("Elsa", "Looping", "Iterate over a set of values.")]
public class ForEach<T> : Activity
{
    private const string Index = "CurrentIndex";

    /// <inheritdoc cref="Activity(string?, int?)" />
    public ForEach([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => OnSignalReceived<BreakSignal>(Loops.OnBreak);
    /// <summary>Over these items.</summary>
    public ForEach(ICollection<T> items, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<ICollection<T>>(items), source, line) { }
    /// <summary>Over the items of an input.</summary>
    public ForEach(Input<ICollection<T>> items, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(source, line) => Items = items;
    /// <summary>Over items found at run time.</summary>
    public ForEach(Func<ExpressionExecutionContext, ICollection<T>> items, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<ICollection<T>>(items), source, line) { }
    /// <summary>Over items found at run time.</summary>
    public ForEach(Func<ICollection<T>> items, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<ICollection<T>>(items), source, line) { }

    /// <summary>The items.</summary>
    [Input(Description = "The set of values to iterate.")]
    public Input<ICollection<T>> Items { get; set; } = new(new List<T>());
    /// <summary>Runs for each item.</summary>
    [Port]
    public IActivity? Body { get; set; }
    /// <summary>The item of the round.</summary>
    [Output(Description = "Assign the current value to the specified variable.")]
    public Output<T>? CurrentValue { get; set; }

    /// <inheritdoc />
    protected override ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        context.SetProperty(Index, 0L);
        return NextAsync(context);
    }

    private ValueTask OnBodyCompletedAsync(ActivityCompletedContext context) => NextAsync(context.TargetContext);

    private async ValueTask NextAsync(ActivityExecutionContext context)
    {
        var items = context.StateOf<IList<T>>(nameof(Items), []);
        var index = context.GetProperty<long>(Index);
        if (index >= items!.Count || context.IsBreaking())
        {
            await context.CompleteActivityAsync();
            return;
        }
        if (Body is null) throw Loops.NoBody(context);
        var item = items[(int)index];
        context.SetProperty(Index, index + 1);
        context.Set(CurrentValue, item);
        await context.ScheduleActivityAsync(Body, OnBodyCompletedAsync, variables: Loops.Round(item, index));
    }
}

/// <summary>Runs its body for each item, one after the other.</summary>
[Activity("Elsa", "Looping", "Iterate over a set of values.")]
public sealed class ForEach : ForEach<object>
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public ForEach([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
    /// <summary>Over these items.</summary>
    public ForEach(ICollection<object> items, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(items, source, line) { }
    /// <summary>Over the items of an input.</summary>
    public ForEach(Input<ICollection<object>> items, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(items, source, line) { }
}

/// <summary>Runs its body for all items at once and completes when all have.</summary>
[Activity("Elsa", "Looping", "Schedule an activity for each item in parallel.")]
public class ParallelForEach<T> : Activity
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public ParallelForEach([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => OnSignalReceived<BreakSignal>(Loops.OnBreak);

    /// <summary>The items: a list, or text that holds a JSON array.</summary>
    [Input(Description = "The items to iterate through.")]
    public Input<object> Items { get; set; } = new(Array.Empty<T>());
    /// <summary>Runs for each item.</summary>
    [Port]
    public IActivity? Body { get; set; }

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var items = context.Get(Items).ConvertTo<List<T>>() ?? [];
        if (items.Count == 0)
        {
            await context.CompleteActivityAsync();
            return;
        }
        if (Body is null) throw Loops.NoBody(context);
        for (var i = 0; i < items.Count; i++)
            await context.ScheduleActivityAsync(Body, OnBodyCompletedAsync, variables: Loops.Round(items[i], i));
    }

    private async ValueTask OnBodyCompletedAsync(ActivityCompletedContext context)
    {
        if (!context.TargetContext.HasOtherChildren(context.ChildContext)) await context.TargetContext.CompleteActivityAsync();
    }
}

/// <summary>Runs its body for all items at once and completes when all have.</summary>
[Activity("Elsa", "Looping", "Schedule an activity for each item in parallel.")]
public sealed class ParallelForEach : ParallelForEach<object>
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public ParallelForEach([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
}
