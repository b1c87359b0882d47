using System.ComponentModel;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using Elsa.Workflows.Activities.Flowchart.Models;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Options;
using PwWorkflows.Engine.Execution;

namespace Elsa.Workflows.Activities.Flowchart.Models
{
    /// <summary>Names of the outcomes an activity completed with.</summary>
    public sealed class Outcomes(params string[] names)
    {
        /// <summary>Done.</summary>
        public static readonly Outcomes Default = new("Done");
        /// <summary>The names.</summary>
        public string[] Names { get; } = names;
    }

    /// <summary>One end of a connection.</summary>
    public sealed class Endpoint
    {
        /// <summary>An end to be filled in.</summary>
        [JsonConstructor]
        public Endpoint() => Activity = null!;

        /// <summary>An activity and one of its ports.</summary>
        public Endpoint(IActivity activity, string? port = null)
        {
            Activity = activity;
            Port = port;
        }

        /// <summary>The activity.</summary>
        public IActivity Activity { get; set; }
        /// <summary>The port; null is Done at a source and In at a target.</summary>
        public string? Port { get; set; }
    }

    /// <summary>A line from an outcome of one activity to another activity.</summary>
    public sealed class Connection
    {
        /// <summary>A connection to be filled in.</summary>
        [JsonConstructor]
        public Connection() : this(new Endpoint(), new Endpoint()) { }

        /// <summary>On Done.</summary>
        public Connection(IActivity source, IActivity target) : this(new Endpoint(source), new Endpoint(target)) { }

        /// <summary>Between two ends.</summary>
        public Connection(Endpoint source, Endpoint target)
        {
            Source = source;
            Target = target;
        }

        /// <summary>Where it leaves.</summary>
        public Endpoint Source { get; set; }
        /// <summary>Where it goes.</summary>
        public Endpoint Target { get; set; }

        internal string SourcePort => string.IsNullOrEmpty(Source.Port) ? "Done" : Source.Port;
        internal string TargetPort => string.IsNullOrEmpty(Target.Port) ? "In" : Target.Port;
        private string? _key;

        internal string Key => _key ?? $"{Source.Activity.Id}:{SourcePort}->{Target.Activity.Id}:{TargetPort}";

        /// <summary>The connection is part of a graph now and does not change any more.</summary>
        internal void FixKey() => _key = Key;
    }

    /// <summary>How a flowchart decides when an activity with several inbound connections runs.</summary>
    public enum FlowchartExecutionMode
    {
        /// <summary>By counting visits of connections; an activity waits for all its active branches. The default.</summary>
        CounterBased,
        /// <summary>By tokens; the activity's merge mode decides.</summary>
        TokenBased,
    }

    /// <summary>What a join waits for.</summary>
    public enum FlowJoinMode
    {
        /// <summary>All branches, and all must have been followed.</summary>
        WaitAll,
        /// <summary>All branches that are active.</summary>
        WaitAllActive,
        /// <summary>The first branch; the others are cancelled.</summary>
        WaitAny,
    }

    /// <summary>When an activity runs in token mode.</summary>
    public enum MergeMode
    {
        /// <summary>When no unconsumed token sits on a direct predecessor.</summary>
        Stream,
        /// <summary>When every forward inbound connection has a token.</summary>
        Merge,
        /// <summary>Like merge, counting backward connections too.</summary>
        Converge,
        /// <summary>Once per token.</summary>
        Cascade,
        /// <summary>On the first token; the other branches are cancelled.</summary>
        Race,
    }
}

namespace Elsa.Workflows.Activities.Flowchart.Activities
{
    /// <summary>Runs activities along connections, chosen by the outcomes they complete with.</summary>
    [Activity("Elsa", "Flow", "A flowchart is a collection of activities and connections between them.")]
    [DisplayName("Flowchart")]
    [Browsable(false)]
    public sealed class Flowchart : Container
    {
        /// <summary>Property of a run that overrides the execution mode.</summary>
        public const string ExecutionModeProperty = "Flowchart:ExecutionMode";

        private readonly Lock _gate = new();
        private FlowGraph? _graph;

        /// <inheritdoc cref="Activity(string?, int?)" />
        public Flowchart([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

        /// <summary>Where it starts, when not worked out.</summary>
        [Browsable(false)]
        public IActivity? Start { get; set; }

        /// <summary>Lines between the activities.</summary>
        public ICollection<Connection> Connections { get; set; } = new List<Connection>();

        private FlowGraph Graph
        {
            get
            {
                if (_graph is { } known) return known;
                lock (_gate) return _graph ??= new FlowGraph(this);
            }
        }

        /// <inheritdoc />
        protected override async ValueTask ScheduleChildrenAsync(ActivityExecutionContext context)
        {
            if (Activities.Count == 0 || StartActivity(context) is not { } start)
            {
                await context.CompleteActivityAsync();
                return;
            }
            if (ModeOf(context) == FlowchartExecutionMode.CounterBased) FlowCounts.Of(context).VisitActivity(start.Id);
            await context.ScheduleActivityAsync(start, OnChildCompletedAsync);
        }

        private IActivity? StartActivity(ActivityExecutionContext context)
        {
            // A workflow used as an activity has ids of its own: the trigger is not in it.
            var trigger = PwWorkflows.Engine.Definitions.WorkflowDefinitionActivity.Around(context) is null ? context.WorkflowExecutionContext.TriggerActivityId : null;
            return Activities.FirstOrDefault(a => a.Id == trigger) ?? FindStart();
        }

        /// <summary>Where a run starts that no activity of this flowchart has triggered; null when it is empty.</summary>
        internal IActivity? FindStart() =>
            Start
            ?? Activities.FirstOrDefault(a => a is IStartNode)
            ?? Activities.FirstOrDefault(a => a is Activity { CanStartWorkflow: true })
            ?? Activities.FirstOrDefault(a => Graph.Inbound(a).Count == 0)
            ?? Activities.FirstOrDefault();

        internal static FlowchartExecutionMode ModeOf(ActivityExecutionContext context)
        {
            var run = context.WorkflowExecutionContext;
            return run.Properties.TryGetValue(ExecutionModeProperty, out var text) && Enum.TryParse<FlowchartExecutionMode>(text?.ToString(), out var mode) ? mode : run.Runner.DefaultFlowchartMode;
        }

        private ValueTask OnChildCompletedAsync(ActivityCompletedContext completed)
        {
            var flow = completed.TargetContext;
            if (flow.Status != ActivityStatus.Running) return ValueTask.CompletedTask;
            if (completed.ChildContext.Activity is ITerminalNode) return flow.CompleteActivityAsync();
            var outcomes = completed.Result is Outcomes o ? o.Names : Outcomes.Default.Names;
            return ModeOf(flow) == FlowchartExecutionMode.TokenBased ? WithTokensAsync(flow, completed.ChildContext, outcomes) : WithCountersAsync(flow, completed.ChildContext, outcomes);
        }

        private async ValueTask WithCountersAsync(ActivityExecutionContext flow, ActivityExecutionContext child, string[] outcomes)
        {
            var counts = FlowCounts.Of(flow);
            await VisitOutboundAsync(flow, counts, child.Activity, outcomes);
            await CompleteIfIdleAsync(flow, child);
        }

        private async ValueTask VisitOutboundAsync(ActivityExecutionContext flow, FlowCounts counts, IActivity source, string[]? outcomes)
        {
            foreach (var connection in Graph.Outbound(source))
            {
                var followed = outcomes is not null && Array.IndexOf(outcomes, connection.SourcePort) >= 0;
                counts.VisitConnection(connection.Key, followed);
                var target = connection.Target.Activity;
                if (Graph.IsBackward(connection))
                {
                    if (!followed) continue;
                    if (!Graph.IsValidLoop(connection)) throw new InvalidOperationException($"The connection {connection.Key} goes back to an activity that not every path to its source passes through; such a loop can't be run.");
                    // The target's visit count stays: it counts rounds that came by forward connections, which the loop is not.
                    await flow.ScheduleActivityAsync(target, OnChildCompletedAsync);
                    continue;
                }
                var inbound = Graph.ForwardInbound(target);
                var visits = counts.ActivityVisits(target.Id);
                var mode = target is IFlowJoin join ? join.ModeOf(flow) : FlowJoinMode.WaitAllActive;
                var allVisited = inbound.TrueForAll(c => counts.ConnectionVisits(c.Key) > visits);
                bool run, skip;
                switch (mode)
                {
                    case FlowJoinMode.WaitAny:
                        run = followed && counts.ConnectionVisits(connection.Key) > visits;
                        skip = !run && allVisited && !inbound.Exists(c => counts.WasFollowed(c.Key));
                        if (run)
                        {
                            CancelInbound(flow, target);
                            // A branch that was cancelled never arrives: it counts as visited, so that it is not one round behind when the flow comes here again.
                            foreach (var other in inbound)
                                if (other != connection && counts.ConnectionVisits(other.Key) <= visits && !IsAlive(flow, other.Source.Activity, source))
                                    counts.VisitConnection(other.Key, false);
                        }
                        break;
                    case FlowJoinMode.WaitAll:
                        run = allVisited && inbound.TrueForAll(c => counts.WasFollowed(c.Key));
                        skip = allVisited && !run;
                        break;
                    default:
                        run = allVisited && inbound.Exists(c => counts.WasFollowed(c.Key));
                        skip = allVisited && !run;
                        break;
                }
                if (run)
                {
                    counts.VisitActivity(target.Id);
                    await flow.ScheduleActivityAsync(target, OnChildCompletedAsync);
                }
                else if (skip)
                {
                    counts.VisitActivity(target.Id);
                    await VisitOutboundAsync(flow, counts, target, null);
                }
            }
        }

        /// <summary>Cancels what has started and not ended on the way to an activity: it waits, or its children do. What is only scheduled still runs. Gives what was cancelled.</summary>
        private List<IActivity> CancelInbound(ActivityExecutionContext flow, IActivity target)
        {
            var runner = flow.WorkflowExecutionContext.Runner;
            var ancestors = Graph.ForwardAncestors(target);
            var cancelled = new List<IActivity>();
            foreach (var running in flow.Children.Where(c => ancestors.Contains(c.Activity) && c.Status is ActivityStatus.Running or ActivityStatus.Pending).ToList())
            {
                runner.CancelActivity(running);
                cancelled.Add(running.Activity);
            }
            return cancelled;
        }

        /// <summary>Whether a branch can still arrive over <paramref name="last"/>: something on it runs, is scheduled, or is being completed just now.</summary>
        private bool IsAlive(ActivityExecutionContext flow, IActivity last, IActivity completing)
        {
            var branch = Graph.ForwardAncestors(last);
            bool On(IActivity a) => a == last || branch.Contains(a);
            return On(completing) || flow.WorkflowExecutionContext.Scheduler.Any(s => s.Owner == flow && On(s.Node.Activity))
                || flow.Children.Any(c => c.Status is ActivityStatus.Running or ActivityStatus.Pending && On(c.Activity));
        }

        private static async ValueTask CompleteIfIdleAsync(ActivityExecutionContext flow, ActivityExecutionContext finished)
        {
            if (flow.Status != ActivityStatus.Running) return;
            var run = flow.WorkflowExecutionContext;
            if (run.Scheduler.Any(s => s.Owner == flow)) return;
            foreach (var c in run.Contexts)
                if (c != finished && c.ParentActivityExecutionContext == flow && c.Status is not (ActivityStatus.Completed or ActivityStatus.Canceled))
                    return;
            await flow.CompleteActivityAsync();
        }

        private async ValueTask WithTokensAsync(ActivityExecutionContext flow, ActivityExecutionContext child, string[] outcomes)
        {
            var tokens = FlowTokens.Of(flow);
            tokens.Consume(child.Activity.Id, onlyOne: MergeModeOf(flow, child.Activity) == MergeMode.Cascade);
            foreach (var connection in Graph.Outbound(child.Activity))
            {
                if (Array.IndexOf(outcomes, connection.SourcePort) < 0) continue;
                if (tokens.TakeBlock(connection.Key)) continue;
                tokens.Add(connection.Key, connection.Source.Activity.Id, connection.Target.Activity.Id);
            }
            foreach (var target in Graph.Outbound(child.Activity).Where(c => Array.IndexOf(outcomes, c.SourcePort) >= 0).Select(c => c.Target.Activity).Distinct().ToList())
                await OfferAsync(flow, tokens, target);
            // A stream target waits for its predecessors; one that died with this completion may free it.
            foreach (var waiting in tokens.WaitingTargets().Where(id => id != child.Activity.Id).ToList())
                if (Graph.Find(waiting) is { } target && MergeModeOf(flow, target) == MergeMode.Stream)
                    await OfferAsync(flow, tokens, target);
            tokens.Save(flow);
            if (!tokens.AnyLeft) await CompleteIfIdleAsync(flow, child);
        }

        private async ValueTask OfferAsync(ActivityExecutionContext flow, FlowTokens tokens, IActivity target)
        {
            var arrived = tokens.At(target.Id);
            if (arrived.Count == 0) return;
            switch (MergeModeOf(flow, target))
            {
                case MergeMode.Cascade:
                    foreach (var t in arrived.Where(t => !t.Scheduled)) await RunAsync(t);
                    return;
                case MergeMode.Race:
                    if (arrived.Exists(t => t.Scheduled)) return;
                    foreach (var cancelled in CancelInbound(flow, target)) tokens.Consume(cancelled.Id, onlyOne: false);
                    foreach (var ancestor in Graph.ForwardAncestors(target)) tokens.DropWaiting(ancestor.Id);
                    foreach (var other in Graph.ForwardInbound(target))
                        if (!arrived.Exists(t => t.Connection == other.Key) && tokens.AnyOn(other.Source.Activity.Id, Graph.ForwardAncestors(other.Source.Activity)))
                            tokens.Block(other.Key);
                    break;
                case MergeMode.Merge:
                case MergeMode.Converge:
                    var converges = MergeModeOf(flow, target) == MergeMode.Converge;
                    var inbound = converges ? Graph.Inbound(target) : Graph.ForwardInbound(target);
                    // A token that comes back starts a merge's next round by itself. To one that converges it is one of those awaited.
                    var byLoop = !converges && arrived.Exists(t => !t.Scheduled && Graph.IsBackwardKey(t.Connection));
                    if (inbound.Count > 1 && !byLoop && !inbound.TrueForAll(c => arrived.Exists(t => t.Connection == c.Key && !t.Scheduled))) return;
                    break;
                default:
                    if (Graph.Inbound(target).Exists(c => c.Source.Activity != target && !Graph.IsBackward(c) && tokens.At(c.Source.Activity.Id).Count > 0)) return;
                    break;
            }
            if (arrived.TrueForAll(t => t.Scheduled)) return;
            foreach (var t in arrived) t.Scheduled = true;
            await flow.ScheduleActivityAsync(target, OnChildCompletedAsync);
            return;

            async ValueTask RunAsync(FlowToken token)
            {
                token.Scheduled = true;
                await flow.ScheduleActivityAsync(target, OnChildCompletedAsync);
            }
        }

        private static MergeMode MergeModeOf(ActivityExecutionContext flow, IActivity target)
        {
            if (target is IFlowJoin join) return join.ModeOf(flow) == FlowJoinMode.WaitAny ? MergeMode.Race : MergeMode.Merge;
            return target.CustomProperties.TryGetValue("mergeMode", out var text) && Enum.TryParse<MergeMode>(text?.ToString(), true, out var mode) ? mode : MergeMode.Stream;
        }
    }

    /// <summary>An activity that joins branches by a mode of its own.</summary>
    internal interface IFlowJoin
    {
        /// <summary>The mode, evaluated in the flowchart's scope.</summary>
        FlowJoinMode ModeOf(ActivityExecutionContext flowchart);
    }

    /// <summary>The connections of a flowchart, worked out once.</summary>
    internal sealed class FlowGraph
    {
        private static readonly List<Connection> None = [];
        private readonly Dictionary<IActivity, List<Connection>> _outbound = [];
        private readonly Dictionary<IActivity, List<Connection>> _inbound = [];
        private readonly Dictionary<IActivity, List<Connection>> _forward = [];
        private readonly Dictionary<IActivity, HashSet<IActivity>> _ancestors = [];
        private readonly HashSet<Connection> _backward = [];
        private readonly HashSet<string> _backwardKeys = [];
        private readonly Dictionary<string, IActivity> _byId;
        private readonly List<IActivity> _roots;

        public FlowGraph(Flowchart chart)
        {
            _byId = chart.Activities.GroupBy(a => a.Id).ToDictionary(g => g.Key, g => g.First());
            foreach (var c in chart.Connections)
            {
                if (c.Source.Activity is null || c.Target.Activity is null || !chart.Activities.Contains(c.Source.Activity) || !chart.Activities.Contains(c.Target.Activity)) continue;
                c.FixKey();
                Get(_outbound, c.Source.Activity).Add(c);
                Get(_inbound, c.Target.Activity).Add(c);
            }
            _roots = [.. chart.Activities.Where(a => a is IStartNode or Activity { CanStartWorkflow: true } || Inbound(a).Count == 0)];
            if (chart.Start is { } start && !_roots.Contains(start)) _roots.Insert(0, start);
            if (_roots.Count == 0 && chart.Activities.Count > 0) _roots.Add(chart.Activities.First());
            var done = new HashSet<IActivity>();
            foreach (var root in _roots) MarkBackward(root, done);
            foreach (var (target, list) in _inbound) _forward[target] = [.. list.Where(c => !_backward.Contains(c))];

            static List<Connection> Get(Dictionary<IActivity, List<Connection>> map, IActivity key) => map.TryGetValue(key, out var l) ? l : map[key] = [];
        }

        public List<Connection> Outbound(IActivity a) => _outbound.GetValueOrDefault(a, None);
        public List<Connection> Inbound(IActivity a) => _inbound.GetValueOrDefault(a, None);
        public List<Connection> ForwardInbound(IActivity a) => _forward.GetValueOrDefault(a, None);
        public bool IsBackward(Connection c) => _backward.Contains(c);
        public bool IsBackwardKey(string key) => _backwardKeys.Contains(key);
        public IActivity? Find(string id) => _byId.GetValueOrDefault(id);

        public HashSet<IActivity> ForwardAncestors(IActivity target)
        {
            lock (_ancestors)
            {
                if (_ancestors.TryGetValue(target, out var known)) return known;
                var found = new HashSet<IActivity>();
                var open = new Stack<IActivity>([target]);
                while (open.TryPop(out var a))
                    foreach (var c in ForwardInbound(a))
                        if (found.Add(c.Source.Activity))
                            open.Push(c.Source.Activity);
                return _ancestors[target] = found;
            }
        }

        /// <summary>Every path from a start to the source passes through the target.</summary>
        public bool IsValidLoop(Connection loop)
        {
            var seen = new HashSet<IActivity>();
            var open = new Stack<IActivity>(_roots.Where(r => r != loop.Target.Activity));
            while (open.TryPop(out var a))
            {
                if (a == loop.Source.Activity) return false;
                if (!seen.Add(a)) continue;
                foreach (var c in Outbound(a))
                    if (c.Target.Activity != loop.Target.Activity)
                        open.Push(c.Target.Activity);
            }
            return true;
        }

        private void MarkBackward(IActivity root, HashSet<IActivity> done)
        {
            // Iterative depth-first search; a connection to an activity that is still on the path goes back.
            var path = new HashSet<IActivity>();
            var stack = new Stack<(IActivity Activity, int Next)>();
            stack.Push((root, 0));
            path.Add(root);
            while (stack.TryPop(out var top))
            {
                var outbound = Outbound(top.Activity);
                if (top.Next >= outbound.Count)
                {
                    path.Remove(top.Activity);
                    done.Add(top.Activity);
                    continue;
                }
                stack.Push((top.Activity, top.Next + 1));
                var c = outbound[top.Next];
                if (path.Contains(c.Target.Activity))
                {
                    _backward.Add(c);
                    _backwardKeys.Add(c.Key);
                }
                else if (!done.Contains(c.Target.Activity))
                {
                    path.Add(c.Target.Activity);
                    stack.Push((c.Target.Activity, 0));
                }
            }
        }
    }

    /// <summary>Visit counts of a run of a flowchart, kept in its properties.</summary>
    internal sealed class FlowCounts
    {
        private const string Property = "FlowScope";
        private readonly Dictionary<string, object> _activities;
        private readonly Dictionary<string, object> _connections;
        private readonly Dictionary<string, object> _followed;

        private FlowCounts(Dictionary<string, object> activities, Dictionary<string, object> connections, Dictionary<string, object> followed) => (_activities, _connections, _followed) = (activities, connections, followed);

        public static FlowCounts Of(ActivityExecutionContext flow)
        {
            if (flow.TransientProperties.TryGetValue(typeof(FlowCounts), out var known)) return (FlowCounts)known;
            var stored = flow.Properties.TryGetValue(Property, out var s) ? s as IDictionary<string, object?> : null;
            var counts = new FlowCounts(Copy("activitiesVisitCount"), Copy("connectionVisitCount"), Copy("connectionLastVisitFollowed"));
            flow.Properties[Property] = new Dictionary<string, object> { ["activitiesVisitCount"] = counts._activities, ["connectionVisitCount"] = counts._connections, ["connectionLastVisitFollowed"] = counts._followed };
            flow.TransientProperties[typeof(FlowCounts)] = counts;
            return counts;

            Dictionary<string, object> Copy(string name) => stored is not null && stored.TryGetValue(name, out var map) && map is IEnumerable<KeyValuePair<string, object?>> pairs ? pairs.ToDictionary(p => p.Key, p => p.Value!) : [];
        }

        public long ActivityVisits(string id) => _activities.TryGetValue(id, out var n) ? Convert.ToInt64(n, System.Globalization.CultureInfo.InvariantCulture) : 0;
        public long ConnectionVisits(string key) => _connections.TryGetValue(key, out var n) ? Convert.ToInt64(n, System.Globalization.CultureInfo.InvariantCulture) : 0;
        public bool WasFollowed(string key) => _followed.TryGetValue(key, out var f) && f is true;
        public void VisitActivity(string id) => _activities[id] = ActivityVisits(id) + 1;

        public void VisitConnection(string key, bool followed)
        {
            _connections[key] = ConnectionVisits(key) + 1;
            _followed[key] = followed;
        }
    }

    /// <summary>A token on its way to an activity.</summary>
    internal sealed class FlowToken
    {
        public required string Connection { get; init; }
        public required string Source { get; init; }
        public required string Target { get; init; }
        public bool Scheduled { get; set; }
    }

    /// <summary>Tokens of a run of a flowchart, kept in its properties.</summary>
    internal sealed class FlowTokens
    {
        private const string Property = "FlowTokens";
        private readonly List<FlowToken> _tokens = [];
        private readonly List<string> _blocked = [];

        public static FlowTokens Of(ActivityExecutionContext flow)
        {
            if (flow.TransientProperties.TryGetValue(typeof(FlowTokens), out var known)) return (FlowTokens)known;
            var tokens = new FlowTokens();
            if (flow.Properties.TryGetValue(Property, out var s) && s is IDictionary<string, object?> map)
            {
                foreach (var t in (map["tokens"] as IEnumerable<object?> ?? []).OfType<IDictionary<string, object?>>())
                    tokens._tokens.Add(new FlowToken { Connection = (string)t["c"]!, Source = (string)t["s"]!, Target = (string)t["t"]!, Scheduled = t["r"] is true });
                tokens._blocked.AddRange((map["blocked"] as IEnumerable<object?> ?? []).OfType<string>());
            }
            flow.TransientProperties[typeof(FlowTokens)] = tokens;
            return tokens;
        }

        public bool AnyLeft => _tokens.Count > 0;
        public List<FlowToken> At(string target) => _tokens.FindAll(t => t.Target == target);
        public IEnumerable<string> WaitingTargets() => _tokens.Where(t => !t.Scheduled).Select(t => t.Target).Distinct();
        public void Add(string connection, string source, string target) => _tokens.Add(new FlowToken { Connection = connection, Source = source, Target = target });
        /// <summary>A token on the activity or on one before it: the branch can still arrive.</summary>
        public bool AnyOn(string last, IEnumerable<IActivity> before) => At(last).Count > 0 || before.Any(a => At(a.Id).Count > 0);
        public void DropWaiting(string target) => _tokens.RemoveAll(t => t.Target == target && !t.Scheduled);
        public void Block(string connection) => _blocked.Add(connection);
        public bool TakeBlock(string connection) => _blocked.Remove(connection);

        /// <summary>A cascade run consumes one token; every other mode scheduled all of them together.</summary>
        public void Consume(string target, bool onlyOne)
        {
            if (!onlyOne) _tokens.RemoveAll(t => t.Target == target && t.Scheduled);
            else if (_tokens.FindIndex(t => t.Target == target && t.Scheduled) is >= 0 and var first) _tokens.RemoveAt(first);
        }

        public void Save(ActivityExecutionContext flow) => flow.Properties[Property] = new Dictionary<string, object>
        {
            ["tokens"] = _tokens.Select(t => (object)new Dictionary<string, object> { ["c"] = t.Connection, ["s"] = t.Source, ["t"] = t.Target, ["r"] = t.Scheduled }).ToList(),
            ["blocked"] = _blocked.ToList(),
        };
    }
}
