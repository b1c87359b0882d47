using System.Collections;
using System.Collections.Frozen;
using Elsa.Expressions.Models;
using Elsa.Workflows;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Activities.Flowchart.Models;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;

namespace PwWorkflows.Engine.Execution;

/// <summary>An activity at its place in a workflow, with what the engine needs at each run worked out once.</summary>
public sealed class ActivityNode
{
    private readonly (Output Output, OutputProperty Property)[] _outputs;

    internal ActivityNode(IActivity activity, ActivityNode? parent, int index)
    {
        Activity = activity;
        Parent = parent;
        Index = index;
        Class = ActivityClass.Of(activity.GetType());
        NodeId = activity.NodeId;
        Inputs = [.. Class.Inputs.Where(i => i.IsWrapped && i.AutoEvaluate).Select(i => (i, (Input?)i.Access.Get(activity))).Where(x => x.Item2 is not null).Select(x => (x.i, x.Item2!))];
        RawInputs = [.. Class.Inputs.Where(i => !i.IsWrapped && i.IsSerializable && IsSimple(i.ValueType)).Select(i => (i.Name, i.Access.Get(activity)))];
        _outputs = [.. Class.Outputs.Select(o => ((Output?)o.Access.Get(activity), o)).Where(x => x.Item1 is not null).Select(x => (x.Item1!, x.o))];
        Retry = RetryPolicy.Read(activity);
    }

    /// <summary>The activity.</summary>
    public IActivity Activity { get; }
    /// <summary>Its class.</summary>
    public ActivityClass Class { get; }
    /// <summary>The activity around it.</summary>
    public ActivityNode? Parent { get; }
    /// <summary>Place in visiting order.</summary>
    public int Index { get; }
    /// <summary>Ids from the root down.</summary>
    public string NodeId { get; }
    /// <summary>Wrapped inputs that are set and evaluated before each run.</summary>
    internal (InputProperty Property, Input Input)[] Inputs { get; }
    internal (string Name, object? Value)[] RawInputs { get; }
    internal RetryPolicy? Retry { get; }
    /// <summary>Direct children.</summary>
    public List<ActivityNode> Children { get; } = [];

    internal OutputProperty? OutputOf(Output output)
    {
        foreach (var (o, property) in _outputs)
            if (ReferenceEquals(o, output)) return property;
        return null;
    }

    private static bool IsSimple(Type type) => type.IsPrimitive || type.IsEnum || type == typeof(string) || type == typeof(decimal) || type == typeof(TimeSpan);
}

/// <summary>A definition made ready to run: one object serves all its runs.</summary>
public sealed class CompiledWorkflow
{
    private readonly FrozenDictionary<string, ActivityNode> _byNodeId;
    private readonly Dictionary<string, ActivityNode> _byId;
    private readonly Dictionary<IActivity, ActivityNode> _byActivity;

    private CompiledWorkflow(Workflow workflow, List<ActivityNode> nodes, string contentHash)
    {
        Workflow = workflow;
        Nodes = nodes;
        ContentHash = contentHash;
        _byNodeId = nodes.ToFrozenDictionary(n => n.NodeId, StringComparer.Ordinal);
        _byActivity = nodes.ToDictionary(n => n.Activity, (IEqualityComparer<IActivity>)new ByReference());
        _byId = new Dictionary<string, ActivityNode>(StringComparer.Ordinal);
        foreach (var n in nodes) _byId.TryAdd(n.Activity.Id, n);
        OutputNames = workflow.Outputs.Select(o => o.Name).ToFrozenSet(StringComparer.Ordinal);
    }

    /// <summary>The root activity around the stored root.</summary>
    public Workflow Workflow { get; }
    /// <summary>All nodes in visiting order; the first is the workflow itself.</summary>
    public IReadOnlyList<ActivityNode> Nodes { get; }
    /// <summary>Hash of the content it was made from.</summary>
    public string ContentHash { get; }
    /// <summary>Definition over all versions.</summary>
    public string DefinitionId => Workflow.DefinitionId;
    internal FrozenSet<string> OutputNames { get; }
    internal ActivityNode Root => Nodes[0];

    /// <summary>Node of an activity object.</summary>
    public ActivityNode? FindNode(IActivity activity) => _byActivity.GetValueOrDefault(activity);
    /// <summary>Node by node id.</summary>
    public ActivityNode? FindNodeById(string nodeId) => _byNodeId.GetValueOrDefault(nodeId);
    /// <summary>First node with the activity id.</summary>
    public ActivityNode? FindActivity(string activityId) => _byId.GetValueOrDefault(activityId);
    /// <summary>First node whose activity has the id or the name.</summary>
    public ActivityNode? FindByIdOrName(string idOrName) => FindActivity(idOrName) ?? Nodes.FirstOrDefault(n => n.Activity.Name == idOrName);

    /// <summary>Visits the tree, gives ids, node ids and places in memory where they are missing, and indexes it.</summary>
    public static CompiledWorkflow Compile(Workflow workflow, string contentHash = "")
    {
        var counters = new Dictionary<string, int>(StringComparer.Ordinal);
        var nodes = new List<ActivityNode>();
        if (string.IsNullOrEmpty(workflow.Id)) workflow.Id = "Workflow1";
        Visit(workflow, null);
        return new CompiledWorkflow(workflow, nodes, contentHash);

        void Visit(IActivity activity, ActivityNode? parent)
        {
            if (string.IsNullOrEmpty(activity.Id))
            {
                var shortType = activity.Type.Split('.')[^1];
                var n = counters[shortType] = counters.GetValueOrDefault(shortType) + 1;
                activity.Id = $"{shortType}{n}";
            }
            activity.NodeId = parent is null ? activity.Id : $"{parent.NodeId}:{activity.Id}";
            if (activity is IComposite composite) composite.Setup();
            if (activity is IVariableContainer container) GiveIds(container.Variables, activity.Id);
            AssignPlaces(activity);
            var node = new ActivityNode(activity, parent, nodes.Count);
            nodes.Add(node);
            parent?.Children.Add(node);
            foreach (var child in ChildrenOf(activity)) Visit(child, node);
        }
    }

    /// <summary>Children in the order of ports, then collections.</summary>
    public static IEnumerable<IActivity> ChildrenOf(IActivity activity)
    {
        var c = ActivityClass.Of(activity.GetType());
        foreach (var port in c.Ports)
            // The start of a flowchart is one of its activities, which are listed below.
            if (port.Access.Get(activity) is IActivity child && !c.ChildCollections.Exists(list => ((IEnumerable?)list.Get(activity))?.Cast<object>().Contains(child) == true))
                yield return child;
        foreach (var collection in c.ChildCollections)
            foreach (var child in (IEnumerable)(collection.Get(activity) ?? Array.Empty<IActivity>()))
                if (child is IActivity a)
                    yield return a;
        if (activity is IHasMoreChildren more)
            foreach (var child in more.MoreChildren)
                yield return child;
    }

    /// <summary>Gives ids to variables that have none.</summary>
    internal static void GiveIds(ICollection<Variable> variables, string owner)
    {
        var n = 0;
        foreach (var v in variables)
        {
            n++;
            if (v.Id.Length == 0) v.Id = v.Name.Length > 0 ? $"{owner}:variable-{ActivityClass.Kebab(v.Name)}" : $"{owner}:variable-{n}";
        }
    }

    /// <summary>Gives places in memory to inputs and outputs that have none.</summary>
    internal static void AssignPlaces(IActivity activity)
    {
        var c = ActivityClass.Of(activity.GetType());
        foreach (var i in c.Inputs)
            if (i.IsWrapped && i.Access.Get(activity) is Input input && input.MemoryBlockReference() is { Id.Length: 0 } place)
                place.Id = $"{activity.Id}:input-{ActivityClass.Kebab(i.Name)}";
        foreach (var o in c.Outputs)
            if (o.Access.Get(activity) is Output output && output.MemoryBlockReference() is { Id.Length: 0 } place)
                place.Id = $"{activity.Id}:output-{ActivityClass.Kebab(o.Name)}";
    }

    private sealed class ByReference : IEqualityComparer<IActivity>
    {
        public bool Equals(IActivity? x, IActivity? y) => ReferenceEquals(x, y);
        public int GetHashCode(IActivity obj) => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(obj);
    }
}

/// <summary>An activity whose children are not all in ports and collections, such as the cases of a switch.</summary>
internal interface IHasMoreChildren
{
    IEnumerable<IActivity> MoreChildren { get; }
}
