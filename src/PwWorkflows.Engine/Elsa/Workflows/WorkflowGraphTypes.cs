using Elsa.Workflows.Activities;
using Elsa.Workflows.Models;

namespace Elsa.Workflows.Models
{
    /// <summary>What is known of an activity type, for the designer and the engine.</summary>
    public sealed class ActivityDescriptor
    {
        /// <summary>Full type name.</summary>
        public string TypeName { get; set; } = "";
        /// <summary>CLR type.</summary>
        public Type ClrType { get; set; } = typeof(object);
        /// <summary>First part of the type name.</summary>
        public string Namespace { get; set; } = "";
        /// <summary>Last part of the type name.</summary>
        public string Name { get; set; } = "";
        /// <summary>Version.</summary>
        public int Version { get; set; } = 1;
        /// <summary>Group in the picker.</summary>
        public string Category { get; set; } = "";
        /// <summary>Shown name.</summary>
        public string? DisplayName { get; set; }
        /// <summary>What it does.</summary>
        public string? Description { get; set; }
        /// <summary>Sort of work.</summary>
        public ActivityKind Kind { get; set; }
        /// <summary>Holds a list of children.</summary>
        public bool IsContainer { get; set; }
        /// <summary>Shown in the picker.</summary>
        public bool IsBrowsable { get; set; } = true;
        /// <summary>Starts a flowchart.</summary>
        public bool IsStart { get; set; }
        /// <summary>Ends a flowchart.</summary>
        public bool IsTerminal { get; set; }
        /// <summary>Inputs.</summary>
        public ICollection<InputDescriptor> Inputs { get; set; } = [];
        /// <summary>Outputs.</summary>
        public ICollection<OutputDescriptor> Outputs { get; set; } = [];
        /// <summary>Ports.</summary>
        public ICollection<Port> Ports { get; set; } = [];
        /// <summary>Free data.</summary>
        public IDictionary<string, object> CustomProperties { get; set; } = new Dictionary<string, object>();
    }

    /// <summary>What is known of an input.</summary>
    public sealed class InputDescriptor
    {
        /// <summary>Name.</summary>
        public string Name { get; set; } = "";
        /// <summary>Type of the value.</summary>
        public Type Type { get; set; } = typeof(object);
        /// <summary>Shown name.</summary>
        public string? DisplayName { get; set; }
        /// <summary>What it means.</summary>
        public string? Description { get; set; }
        /// <summary>Place among the inputs.</summary>
        public float Order { get; set; }
        /// <summary>Takes expressions.</summary>
        public bool IsWrapped { get; set; }
        /// <summary>Control.</summary>
        public string UIHint { get; set; } = "singleline";
        /// <summary>Tab.</summary>
        public string? Category { get; set; }
        /// <summary>Value when not set.</summary>
        public object? DefaultValue { get; set; }
        /// <summary>Language offered first.</summary>
        public string? DefaultSyntax { get; set; }
        /// <summary>Shown, not editable.</summary>
        public bool? IsReadOnly { get; set; }
        /// <summary>Shown.</summary>
        public bool? IsBrowsable { get; set; } = true;
        /// <summary>Kept with the state.</summary>
        public bool? IsSerializable { get; set; } = true;
        /// <summary>May hold a secret.</summary>
        public bool IsSensitive { get; set; }
        /// <summary>No property stands for it.</summary>
        public bool IsSynthetic { get; set; }
        /// <summary>Evaluated before the activity runs.</summary>
        public bool AutoEvaluate { get; set; } = true;
        /// <summary>Options of the control.</summary>
        public IDictionary<string, object>? UISpecifications { get; set; }
    }

    /// <summary>What is known of an output.</summary>
    public sealed class OutputDescriptor
    {
        /// <summary>Name.</summary>
        public string Name { get; set; } = "";
        /// <summary>Shown name.</summary>
        public string? DisplayName { get; set; }
        /// <summary>What it means.</summary>
        public string? Description { get; set; }
        /// <summary>Type of the value.</summary>
        public Type Type { get; set; } = typeof(object);
        /// <summary>Shown.</summary>
        public bool? IsBrowsable { get; set; } = true;
        /// <summary>Kept with the records.</summary>
        public bool? IsSerializable { get; set; } = true;
    }

    /// <summary>Where a flow leaves an activity, or where a child sits.</summary>
    public sealed class Port
    {
        /// <summary>Name.</summary>
        public string Name { get; set; } = "";
        /// <summary>Shown name.</summary>
        public string? DisplayName { get; set; }
        /// <summary>Embedded or flow.</summary>
        public PortType Type { get; set; }
        /// <summary>Shown.</summary>
        public bool? IsBrowsable { get; set; } = true;
    }

    /// <summary>Kind of port.</summary>
    public enum PortType
    {
        /// <summary>Holds a child activity.</summary>
        Embedded,
        /// <summary>An outcome.</summary>
        Flow,
    }

    /// <summary>A workflow ready to run.</summary>
    public sealed class WorkflowGraph
    {
        internal WorkflowGraph(PwWorkflows.Engine.Execution.CompiledWorkflow compiled) => Compiled = compiled;
        internal PwWorkflows.Engine.Execution.CompiledWorkflow Compiled { get; }
        /// <summary>The workflow.</summary>
        public Workflow Workflow => Compiled.Workflow;
    }

    /// <summary>Result of a run in memory.</summary>
    public sealed record RunWorkflowResult(WorkflowExecutionContext WorkflowExecutionContext, Workflow Workflow, object? Result)
    {
        /// <summary>State after the run.</summary>
        public State.WorkflowState WorkflowState { get; init; } = new();
    }

    /// <summary>Result of a run in memory, typed.</summary>
    public sealed record RunWorkflowResult<TResult>(WorkflowExecutionContext WorkflowExecutionContext, Workflow Workflow, TResult Result)
    {
        /// <summary>State after the run.</summary>
        public State.WorkflowState WorkflowState { get; init; } = new();
    }
}

namespace Elsa.Workflows.State
{
    /// <summary>State of a workflow instance as others may see it.</summary>
    public sealed class WorkflowState
    {
        /// <summary>Instance id.</summary>
        public string Id { get; set; } = "";
        /// <summary>Definition.</summary>
        public string DefinitionId { get; set; } = "";
        /// <summary>Version id.</summary>
        public string DefinitionVersionId { get; set; } = "";
        /// <summary>Version number.</summary>
        public int DefinitionVersion { get; set; }
        /// <summary>Business key.</summary>
        public string? CorrelationId { get; set; }
        /// <summary>Name.</summary>
        public string? Name { get; set; }
        /// <summary>Whether it lives.</summary>
        public WorkflowStatus Status { get; set; }
        /// <summary>Finer state.</summary>
        public WorkflowSubStatus SubStatus { get; set; }
        /// <summary>Where it waits.</summary>
        public ICollection<Bookmark> Bookmarks { get; set; } = [];
        /// <summary>Faults.</summary>
        public ICollection<ActivityIncident> Incidents { get; set; } = [];
        /// <summary>Input.</summary>
        public IDictionary<string, object> Input { get; set; } = new Dictionary<string, object>();
        /// <summary>Output.</summary>
        public IDictionary<string, object> Output { get; set; } = new Dictionary<string, object>();
        /// <summary>Kept properties.</summary>
        public IDictionary<string, object> Properties { get; set; } = new Dictionary<string, object>();
        /// <summary>When it was made.</summary>
        public DateTimeOffset CreatedAt { get; set; }
        /// <summary>When it was last committed.</summary>
        public DateTimeOffset UpdatedAt { get; set; }
        /// <summary>When it ended.</summary>
        public DateTimeOffset? FinishedAt { get; set; }
    }
}

namespace Elsa.Workflows
{
    /// <summary>Options of a run in memory.</summary>
    public sealed class RunWorkflowOptions
    {
        /// <summary>Instance id; generated when null.</summary>
        public string? WorkflowInstanceId { get; set; }
        /// <summary>Business key.</summary>
        public string? CorrelationId { get; set; }
        /// <summary>Input.</summary>
        public IDictionary<string, object>? Input { get; set; }
        /// <summary>Kept properties.</summary>
        public IDictionary<string, object>? Properties { get; set; }
        /// <summary>The activity that starts the run.</summary>
        public string? TriggerActivityId { get; set; }
    }

    /// <summary>Runs workflows in memory, without storing them.</summary>
    public interface IWorkflowRunner
    {
        /// <summary>Runs an activity.</summary>
        Task<RunWorkflowResult> RunAsync(IActivity activity, RunWorkflowOptions? options = null, CancellationToken cancellationToken = default);
        /// <summary>Runs a workflow written in code.</summary>
        Task<RunWorkflowResult> RunAsync(IWorkflow workflow, RunWorkflowOptions? options = null, CancellationToken cancellationToken = default);
        /// <summary>Runs a workflow.</summary>
        Task<RunWorkflowResult> RunAsync(Workflow workflow, RunWorkflowOptions? options = null, CancellationToken cancellationToken = default);
        /// <summary>Runs a workflow.</summary>
        Task<RunWorkflowResult> RunAsync(WorkflowGraph workflowGraph, RunWorkflowOptions? options = null, CancellationToken cancellationToken = default);
        /// <summary>Runs a workflow written in code.</summary>
        Task<RunWorkflowResult> RunAsync<T>(RunWorkflowOptions? options = null, CancellationToken cancellationToken = default) where T : IWorkflow, new();
        /// <summary>Runs a workflow written in code and gives its result.</summary>
        Task<TResult> RunAsync<T, TResult>(RunWorkflowOptions? options = null, CancellationToken cancellationToken = default) where T : WorkflowBase<TResult>, new();
    }
}
