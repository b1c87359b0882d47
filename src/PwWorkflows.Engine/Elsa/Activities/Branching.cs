using System.ComponentModel;
using System.Runtime.CompilerServices;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Activities.Flowchart.Models;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.UIHints;
using PwWorkflows.Engine.Execution;

namespace Elsa.Workflows
{
    /// <summary>How many matching cases a switch takes.</summary>
    public enum SwitchMode
    {
        /// <summary>The first that matches.</summary>
        MatchFirst,
        /// <summary>All that match.</summary>
        MatchAny,
    }
}

namespace Elsa.Workflows.Activities
{
    /// <summary>Runs one of two branches.</summary>
    [Activity("Elsa", "Branching", "Evaluate a Boolean condition to determine which activity to execute next.")]
    public sealed class If : Activity<bool>
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public If([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
        /// <summary>On a condition.</summary>
        public If(Input<bool> condition, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => Condition = condition;
        /// <summary>On a function of the scope.</summary>
        public If(Func<ExpressionExecutionContext, bool> condition, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<bool>(condition), source, line) { }
        /// <summary>On a function.</summary>
        public If(Func<bool> condition, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<bool>(condition), source, line) { }

        /// <summary>The condition; false when not set.</summary>
        [Input(UIHint = InputUIHints.SingleLine)]
        public Input<bool> Condition { get; set; } = new(false);
        /// <summary>Runs when it is true.</summary>
        [Port]
        public IActivity? Then { get; set; }
        /// <summary>Runs when it is false.</summary>
        [Port]
        public IActivity? Else { get; set; }

        /// <inheritdoc />
        protected override ValueTask ExecuteAsync(ActivityExecutionContext context)
        {
            var condition = context.Get(Condition);
            context.Set(Result, condition);
            return context.ScheduleActivityAsync(condition ? Then : Else, OnChildCompletedAsync);
        }

        private ValueTask OnChildCompletedAsync(ActivityCompletedContext context) => context.TargetContext.CompleteActivityAsync();
    }

    /// <summary>A case of a <see cref="Switch"/>.</summary>
    public sealed class SwitchCase
    {
        /// <summary>A case to be filled in.</summary>
        [System.Text.Json.Serialization.JsonConstructor]
        public SwitchCase() { }

        /// <summary>A case.</summary>
        public SwitchCase(string label, Expression condition, IActivity? activity)
        {
            Label = label;
            Condition = condition;
            Activity = activity;
        }

        /// <summary>A case on a function of the scope.</summary>
        public SwitchCase(string label, Func<ExpressionExecutionContext, bool> condition, IActivity? activity) : this(label, Expression.DelegateExpression(c => (object?)condition(c)), activity) { }

        /// <summary>Its name.</summary>
        public string Label { get; set; } = "";
        /// <summary>When it matches.</summary>
        public Expression Condition { get; set; } = Expression.LiteralExpression(false);
        /// <summary>What runs then.</summary>
        public IActivity? Activity { get; set; }
    }

    /// <summary>Runs the branch of the case that matches, or of all that match.</summary>
    [Activity("Elsa", "Branching", "Evaluate a set of case conditions and schedule the activity for a matching case.")]
    public sealed class Switch : Activity, IHasMoreChildren
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public Switch([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

        /// <summary>The cases, in order.</summary>
        [Input(Description = "The cases to evaluate.", UIHint = InputUIHints.SwitchEditor)]
        public ICollection<SwitchCase> Cases { get; set; } = new List<SwitchCase>();
        /// <summary>The first match, or all.</summary>
        [Input(Description = "The switch mode determines whether the first match should be scheduled, or all matches.", UIHint = InputUIHints.DropDown)]
        public Input<SwitchMode> Mode { get; set; } = new(SwitchMode.MatchFirst);
        /// <summary>Runs when no case matches.</summary>
        [Port]
        public IActivity? Default { get; set; }
        /// <summary>Labels of the cases that matched.</summary>
        [Output]
        public Output<object>? Output { get; set; }

        IEnumerable<IActivity> IHasMoreChildren.MoreChildren => Cases.Select(c => c.Activity).OfType<IActivity>();

        /// <inheritdoc />
        protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
        {
            var matches = await Matches.OfAsync(context, Cases.Select(c => (c, c.Label, c.Condition)), context.Get(Mode));
            context.Set(Output, matches.ConvertAll(m => m.Label));
            var branches = matches.Count == 0 ? [Default] : matches.ConvertAll(m => m.Activity);
            var scheduled = branches.OfType<IActivity>().ToList();
            if (scheduled.Count == 0) await context.CompleteActivityAsync();
            foreach (var branch in scheduled) await context.ScheduleActivityAsync(branch, OnChildCompletedAsync);
        }

        private async ValueTask OnChildCompletedAsync(ActivityCompletedContext context)
        {
            if (!context.TargetContext.HasOtherChildren(context.ChildContext)) await context.TargetContext.CompleteActivityAsync();
        }
    }

    /// <summary>Runs its activities at once and completes when all have.</summary>
    [Activity("Elsa", "Workflows", "Execute a set of activities in parallel.")]
    [Browsable(false)]
    public sealed class Parallel : Container
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public Parallel([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
        /// <summary>Of these activities.</summary>
        public Parallel(params IActivity[] activities) : base(null, null) => Activities = [.. activities];

        /// <inheritdoc />
        protected override async ValueTask ScheduleChildrenAsync(ActivityExecutionContext context)
        {
            if (Activities.Count == 0) await context.CompleteActivityAsync();
            foreach (var child in Activities) await context.ScheduleActivityAsync(child, OnChildCompletedAsync);
        }

        private async ValueTask OnChildCompletedAsync(ActivityCompletedContext context)
        {
            if (!context.TargetContext.HasOtherChildren(context.ChildContext)) await context.TargetContext.CompleteActivityAsync();
        }
    }

    internal static class Matches
    {
        /// <summary>The cases whose condition holds, in order.</summary>
        public static async ValueTask<List<T>> OfAsync<T>(ActivityExecutionContext context, IEnumerable<(T Case, string Label, Expression Condition)> cases, SwitchMode mode)
        {
            var found = new List<T>();
            foreach (var (item, label, condition) in cases)
            {
                object? holds;
                try
                {
                    holds = await context.WorkflowExecutionContext.Runner.Evaluator.EvaluateAsync(condition, typeof(bool), context.ExpressionExecutionContext);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    throw new InputEvaluationException(context.Activity.Type, $"Cases, case '{label}'", e);
                }
                if (holds is not true) continue;
                found.Add(item);
                if (mode == SwitchMode.MatchFirst) break;
            }
            return found;
        }
    }

    internal static class ChildQueries
    {
        /// <summary>Whether anything below <paramref name="owner"/> is scheduled, runs, waits or has failed, apart from a child that has just completed.</summary>
        public static bool HasOtherChildren(this ActivityExecutionContext owner, ActivityExecutionContext completed)
        {
            var run = owner.WorkflowExecutionContext;
            return run.Scheduler.Any(s => s.Owner == owner)
                || run.Contexts.Exists(c => c != completed && c.ParentActivityExecutionContext == owner && c.Status is not (ActivityStatus.Completed or ActivityStatus.Canceled));
        }
    }
}

namespace Elsa.Workflows.Activities.Flowchart.Models
{
    /// <summary>A case of a <see cref="Activities.FlowSwitch"/>: its label is the outcome.</summary>
    public sealed class FlowSwitchCase
    {
        /// <summary>A case to be filled in.</summary>
        [System.Text.Json.Serialization.JsonConstructor]
        public FlowSwitchCase() { }

        /// <summary>A case.</summary>
        public FlowSwitchCase(string label, Expression condition)
        {
            Label = label;
            Condition = condition;
        }

        /// <summary>A case on a function of the scope.</summary>
        public FlowSwitchCase(string label, Func<ExpressionExecutionContext, bool> condition) : this(label, Expression.DelegateExpression(c => (object?)condition(c))) { }

        /// <summary>Its outcome.</summary>
        public string Label { get; set; } = "";
        /// <summary>When it matches.</summary>
        public Expression Condition { get; set; } = Expression.LiteralExpression(false);
    }
}

namespace Elsa.Workflows.Activities.Flowchart.Activities
{
    /// <summary>Leaves by True or False.</summary>
    [FlowNode("True", "False")]
    [Activity("Elsa", "Branching", "Evaluate a Boolean condition to determine which path to execute next.", DisplayName = "Decision")]
    public sealed class FlowDecision : Activity
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public FlowDecision([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
        /// <summary>On a function of the scope.</summary>
        public FlowDecision(Func<ExpressionExecutionContext, bool> condition, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(source, line) => Condition = new(condition);
        /// <summary>On a condition.</summary>
        public FlowDecision(Input<bool> condition, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(source, line) => Condition = condition;

        /// <summary>The condition; false when not set.</summary>
        [Input(UIHint = InputUIHints.SingleLine)]
        public Input<bool> Condition { get; set; } = new(false);

        /// <inheritdoc />
        protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.CompleteActivityWithOutcomesAsync(context.Get(Condition) ? "True" : "False");
    }

    /// <summary>Leaves by the label of the case that matches, or of all that match; by Default when none does.</summary>
    [FlowNode("Default")]
    [Activity("Elsa", "Branching", "Evaluate a set of case conditions and schedule the activity for a matching case.", DisplayName = "Switch (flow)")]
    public sealed class FlowSwitch : Activity
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public FlowSwitch([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

        /// <summary>The cases, in order.</summary>
        [Input(UIHint = InputUIHints.FlowSwitchEditor)]
        public ICollection<FlowSwitchCase> Cases { get; set; } = new List<FlowSwitchCase>();
        /// <summary>The first match, or all.</summary>
        [Input(Description = "The switch mode determines whether the first match should be scheduled, or all matches.", UIHint = InputUIHints.DropDown)]
        public Input<SwitchMode> Mode { get; set; } = new(SwitchMode.MatchFirst);

        /// <inheritdoc />
        protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
        {
            var matches = await Matches.OfAsync(context, Cases.Select(c => (c, c.Label, c.Condition)), context.Get(Mode));
            await context.CompleteActivityWithOutcomesAsync(matches.Count == 0 ? ["Default"] : [.. matches.Select(m => m.Label)]);
        }
    }

    /// <summary>Leaves by all its branches at once.</summary>
    [Activity("Elsa", "Branching", "Branch execution into multiple branches that will be executed in parallel.", DisplayName = "Fork (flow)")]
    public sealed class FlowFork : Activity
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public FlowFork([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

        /// <summary>Outcomes to leave by; Done when there are none.</summary>
        [Input(Description = "A list of expected outcomes to handle.", UIHint = InputUIHints.DynamicOutcomes)]
        public Input<ICollection<string>> Branches { get; set; } = new(new List<string>());

        /// <inheritdoc />
        protected override ValueTask ExecuteAsync(ActivityExecutionContext context)
        {
            var branches = context.Get(Branches);
            return context.CompleteActivityWithOutcomesAsync(branches is { Count: > 0 } ? [.. branches] : ["Done"]);
        }
    }

    /// <summary>Joins branches. The flowchart asks for the mode when a branch arrives, before the join itself runs.</summary>
    [Activity("Elsa", "Branching", "Explicitly merge multiple branches into a single branch of execution.", DisplayName = "Join")]
    public sealed class FlowJoin : CodeActivity, IFlowJoin
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public FlowJoin([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
        /// <summary>With a mode.</summary>
        public FlowJoin(Input<FlowJoinMode> mode, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(source, line) => Mode = mode;

        /// <summary>What it waits for.</summary>
        [Input(Description = "The join mode determines whether this activity should continue as soon as one inbound path comes in (WaitAny), or once all inbound paths have executed (WaitAll). To wait for all activated inbound paths, set the mode to WaitAllActive.",
            DefaultValue = FlowJoinMode.WaitAny, UIHint = InputUIHints.DropDown)]
        public Input<FlowJoinMode> Mode { get; set; } = new(FlowJoinMode.WaitAny);

        FlowJoinMode IFlowJoin.ModeOf(ActivityExecutionContext flowchart)
        {
            if (Mode?.Expression is not { } expression) return FlowJoinMode.WaitAny;
            var task = flowchart.WorkflowExecutionContext.Runner.Evaluator.EvaluateAsync(expression, typeof(FlowJoinMode), flowchart.ExpressionExecutionContext);
            if (!task.IsCompleted) throw new InvalidOperationException($"{Type} ({Id}): Mode must be a value or an expression that gives one at once.");
            return task.Result.ConvertTo<FlowJoinMode>();
        }
    }

    /// <summary>Runs one activity inside.</summary>
    [DisplayName("Container")]
    [Activity("Elsa", "Flow", "A simple container that executes the specified activity.")]
    public sealed class FlowNode : Activity
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public FlowNode([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

        /// <summary>The activity.</summary>
        [Port]
        public IActivity? Body { get; set; }

        /// <inheritdoc />
        protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.ScheduleActivityAsync(Body, OnChildCompletedAsync);

        private ValueTask OnChildCompletedAsync(ActivityCompletedContext context) => context.TargetContext.CompleteActivityAsync();
    }
}
