using Elsa.Extensions;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;

namespace Elsa.Workflows;

/// <summary>Builds a workflow in code.</summary>
public interface IWorkflowBuilder
{
    /// <summary>Definition over all versions.</summary>
    string? DefinitionId { get; set; }
    /// <summary>Id of this version.</summary>
    string? Id { get; set; }
    /// <summary>Tenant; not used here.</summary>
    string? TenantId { get; set; }
    /// <summary>Version number, from 1.</summary>
    int Version { get; set; }
    /// <summary>Shown name.</summary>
    string? Name { get; set; }
    /// <summary>What it does.</summary>
    string? Description { get; set; }
    /// <summary>Not editable.</summary>
    bool IsReadonly { get; set; }
    /// <summary>Not shown.</summary>
    bool IsSystem { get; set; }
    /// <summary>Options.</summary>
    WorkflowOptions WorkflowOptions { get; }
    /// <summary>Root activity.</summary>
    IActivity? Root { get; set; }
    /// <summary>Variables.</summary>
    ICollection<Variable> Variables { get; set; }
    /// <summary>Inputs.</summary>
    ICollection<InputDefinition> Inputs { get; set; }
    /// <summary>Outputs.</summary>
    ICollection<OutputDefinition> Outputs { get; set; }
    /// <summary>Outcomes as an activity.</summary>
    ICollection<string> Outcomes { get; set; }
    /// <summary>The variable that holds the result.</summary>
    Variable? Result { get; set; }
    /// <summary>Free data.</summary>
    IDictionary<string, object> CustomProperties { get; set; }
    /// <summary>Sets the definition id.</summary>
    IWorkflowBuilder WithDefinitionId(string definitionId);
    /// <summary>Sets the version id.</summary>
    IWorkflowBuilder WithId(string id);
    /// <summary>Adds a variable.</summary>
    Variable<T> WithVariable<T>();
    /// <summary>Adds a variable.</summary>
    Variable<T> WithVariable<T>(string name, T value);
    /// <summary>Adds a variable.</summary>
    IWorkflowBuilder WithVariable(Variable variable);
    /// <summary>Adds variables.</summary>
    IWorkflowBuilder WithVariables(params Variable[] variables);
    /// <summary>Adds an input.</summary>
    InputDefinition WithInput<T>(string name, string? description = null);
    /// <summary>Adds an input.</summary>
    InputDefinition WithInput(string name, Type type, string? description = null);
    /// <summary>Adds an output.</summary>
    OutputDefinition WithOutput<T>(string name, string? description = null);
    /// <summary>Adds free data.</summary>
    IWorkflowBuilder WithCustomProperty(string name, object value);
    /// <summary>Sets the activation strategy.</summary>
    IWorkflowBuilder WithActivationStrategyType<T>();
    /// <summary>Not editable.</summary>
    IWorkflowBuilder AsReadonly();
    /// <summary>Not shown.</summary>
    IWorkflowBuilder AsSystemWorkflow();
    /// <summary>Builds the workflow of a class.</summary>
    Task<Workflow> BuildWorkflowAsync(IWorkflow workflow, CancellationToken cancellationToken = default);
    /// <summary>Builds what was described.</summary>
    Task<Workflow> BuildWorkflowAsync(CancellationToken cancellationToken = default);
}

/// <summary>Base of workflows written in code.</summary>
public abstract class WorkflowBase : IWorkflow
{
    ValueTask IWorkflow.BuildAsync(IWorkflowBuilder builder, CancellationToken cancellationToken)
    {
        builder.DefinitionId ??= GetType().Name;
        BeforeBuild(builder);
        return BuildAsync(builder, cancellationToken);
    }

    internal virtual void BeforeBuild(IWorkflowBuilder builder) { }

    /// <summary>Describes the workflow.</summary>
    protected virtual ValueTask BuildAsync(IWorkflowBuilder builder, CancellationToken cancellationToken)
    {
        Build(builder);
        return ValueTask.CompletedTask;
    }

    /// <summary>Describes the workflow.</summary>
    protected virtual void Build(IWorkflowBuilder builder) { }
}

/// <summary>Base of workflows written in code with a result.</summary>
public abstract class WorkflowBase<TResult> : WorkflowBase
{
    /// <summary>Holds the result.</summary>
    protected Variable<TResult> Result { get; } = new() { Name = "Result", Id = "Result" };

    internal override void BeforeBuild(IWorkflowBuilder builder)
    {
        builder.WithVariable(Result);
        builder.Result = Result;
    }
}

/// <summary>Builds workflows in code.</summary>
public sealed class WorkflowBuilder : IWorkflowBuilder
{
    /// <inheritdoc />
    public string? DefinitionId { get; set; }
    /// <inheritdoc />
    public string? Id { get; set; }
    /// <inheritdoc />
    public string? TenantId { get; set; }
    /// <inheritdoc />
    public int Version { get; set; } = 1;
    /// <inheritdoc />
    public string? Name { get; set; }
    /// <inheritdoc />
    public string? Description { get; set; }
    /// <inheritdoc />
    public bool IsReadonly { get; set; }
    /// <inheritdoc />
    public bool IsSystem { get; set; }
    /// <inheritdoc />
    public WorkflowOptions WorkflowOptions { get; } = new();
    /// <inheritdoc />
    public IActivity? Root { get; set; }
    /// <inheritdoc />
    public ICollection<Variable> Variables { get; set; } = [];
    /// <inheritdoc />
    public ICollection<InputDefinition> Inputs { get; set; } = [];
    /// <inheritdoc />
    public ICollection<OutputDefinition> Outputs { get; set; } = [];
    /// <inheritdoc />
    public ICollection<string> Outcomes { get; set; } = [];
    /// <inheritdoc />
    public Variable? Result { get; set; }
    /// <inheritdoc />
    public IDictionary<string, object> CustomProperties { get; set; } = new Dictionary<string, object>();

    /// <inheritdoc />
    public IWorkflowBuilder WithDefinitionId(string definitionId)
    {
        DefinitionId = definitionId;
        return this;
    }

    /// <inheritdoc />
    public IWorkflowBuilder WithId(string id)
    {
        Id = id;
        return this;
    }

    /// <inheritdoc />
    public Variable<T> WithVariable<T>() => Add(new Variable<T>());
    /// <inheritdoc />
    public Variable<T> WithVariable<T>(string name, T value) => Add(new Variable<T>(name, value));

    /// <inheritdoc />
    public IWorkflowBuilder WithVariable(Variable variable)
    {
        Add(variable);
        return this;
    }

    /// <inheritdoc />
    public IWorkflowBuilder WithVariables(params Variable[] variables)
    {
        foreach (var v in variables) Add(v);
        return this;
    }

    private TVariable Add<TVariable>(TVariable variable) where TVariable : Variable
    {
        variable.StorageDriverType ??= typeof(WorkflowInstanceStorageDriver);
        Variables.Add(variable);
        return variable;
    }

    /// <inheritdoc />
    public InputDefinition WithInput<T>(string name, string? description = null) => WithInput(name, typeof(T), description);

    /// <inheritdoc />
    public InputDefinition WithInput(string name, Type type, string? description = null)
    {
        var input = new InputDefinition { Name = name, Type = type, Description = description ?? "" };
        Inputs.Add(input);
        return input;
    }

    /// <inheritdoc />
    public OutputDefinition WithOutput<T>(string name, string? description = null)
    {
        var output = new OutputDefinition { Name = name, Type = typeof(T), Description = description ?? "" };
        Outputs.Add(output);
        return output;
    }

    /// <inheritdoc />
    public IWorkflowBuilder WithCustomProperty(string name, object value)
    {
        CustomProperties[name] = value;
        return this;
    }

    /// <inheritdoc />
    public IWorkflowBuilder WithActivationStrategyType<T>()
    {
        WorkflowOptions.ActivationStrategyType = typeof(T);
        return this;
    }

    /// <inheritdoc />
    public IWorkflowBuilder AsReadonly()
    {
        IsReadonly = true;
        return this;
    }

    /// <inheritdoc />
    public IWorkflowBuilder AsSystemWorkflow()
    {
        IsSystem = true;
        return this;
    }

    /// <inheritdoc />
    public async Task<Workflow> BuildWorkflowAsync(IWorkflow workflow, CancellationToken cancellationToken = default)
    {
        await workflow.BuildAsync(this, cancellationToken);
        return await BuildWorkflowAsync(cancellationToken);
    }

    /// <inheritdoc />
    public Task<Workflow> BuildWorkflowAsync(CancellationToken cancellationToken = default)
    {
        var definitionId = DefinitionId ?? PwWorkflows.Engine.Execution.Ids.Part();
        return Task.FromResult(new Workflow(Root ?? new Sequence())
        {
            DefinitionId = definitionId,
            VersionId = Id ?? $"{definitionId}:v{Version}",
            DefinitionVersion = Version,
            DefinitionName = Name ?? definitionId,
            Variables = Variables,
            Inputs = Inputs,
            Outputs = Outputs,
            Outcomes = Outcomes,
            Options = WorkflowOptions,
            CustomProperties = CustomProperties,
            ResultVariable = Result,
        });
    }
}
