using System.Text.Json.Serialization;
using Microsoft.Extensions.DependencyInjection;

namespace Elsa.Expressions.Models;

/// <summary>Names a place in memory: a variable, an input's value, an output's value.</summary>
public class MemoryBlockReference
{
    /// <summary>A reference without an id; one is given when the workflow is built.</summary>
    public MemoryBlockReference() { }

    /// <summary>A reference to the block with this id.</summary>
    public MemoryBlockReference(string id) => Id = id;

    /// <summary>Id of the block, unique in its scope.</summary>
    public string Id { get; set; } = "";

    /// <summary>Makes the block that this reference declares.</summary>
    public virtual MemoryBlock Declare() => new();

    /// <summary>The value, or null when there is none.</summary>
    public object? Get(ExpressionExecutionContext context) => context.Get(this);

    /// <summary>The value converted to <typeparamref name="T"/>.</summary>
    public T? Get<T>(ExpressionExecutionContext context) => context.Get<T>(this);

    /// <summary>Reads the value; false when the block is not declared in any scope.</summary>
    public bool TryGet(ExpressionExecutionContext context, out object? value) => context.TryGet(this, out value);

    /// <summary>Writes the value into the scope that declares the block.</summary>
    public void Set(ExpressionExecutionContext context, object? value) => context.Set(this, value);
}

/// <summary>A value in memory.</summary>
public sealed class MemoryBlock
{
    /// <summary>An empty block.</summary>
    public MemoryBlock() { }

    /// <summary>A block with a value.</summary>
    public MemoryBlock(object? value, object? metadata = null)
    {
        Value = value;
        Metadata = metadata;
    }

    /// <summary>The value.</summary>
    public object? Value { get; set; }

    /// <summary>What declared it, such as a variable.</summary>
    public object? Metadata { get; set; }
}

/// <summary>The blocks of one scope.</summary>
public sealed class MemoryRegister
{
    private Dictionary<string, MemoryBlock>? _blocks;

    /// <summary>All blocks by id.</summary>
    public IDictionary<string, MemoryBlock> Blocks => _blocks ??= new Dictionary<string, MemoryBlock>(StringComparer.Ordinal);

    /// <summary>True when the block is declared here.</summary>
    public bool HasBlock(string id) => _blocks?.ContainsKey(id) == true;

    /// <summary>Finds a block of this scope.</summary>
    public bool TryGetBlock(string id, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out MemoryBlock? block)
    {
        block = null;
        return _blocks is not null && _blocks.TryGetValue(id, out block);
    }

    /// <summary>Declares a block here unless it is.</summary>
    public MemoryBlock Declare(MemoryBlockReference reference)
    {
        if (TryGetBlock(reference.Id, out var existing)) return existing;
        var block = reference.Declare();
        Blocks[reference.Id] = block;
        return block;
    }
}

/// <summary>A value given as it is.</summary>
public class Literal : MemoryBlockReference
{
    /// <summary>An empty literal.</summary>
    public Literal() { }

    /// <summary>A literal of this value.</summary>
    public Literal(object? value, string? id = null)
    {
        Value = value;
        if (id is not null) Id = id;
    }

    /// <summary>The value.</summary>
    public object? Value { get; set; }
}

/// <summary>A typed literal.</summary>
public class Literal<T> : Literal
{
    /// <summary>An empty literal.</summary>
    public Literal() { }

    /// <summary>A literal of this value.</summary>
    public Literal(T value, string? id = null) : base(value, id) { }
}

/// <summary>An object written as JSON.</summary>
public class ObjectLiteral : MemoryBlockReference
{
    /// <summary>An empty object literal.</summary>
    public ObjectLiteral() { }

    /// <summary>An object literal from JSON text.</summary>
    public ObjectLiteral(string? value, string? id = null)
    {
        Value = value;
        if (id is not null) Id = id;
    }

    /// <summary>JSON text.</summary>
    public string? Value { get; set; }
}

/// <summary>A typed object written as JSON.</summary>
public class ObjectLiteral<T> : ObjectLiteral
{
    /// <summary>An empty object literal.</summary>
    public ObjectLiteral() { }

    /// <summary>An object literal from JSON text.</summary>
    public ObjectLiteral(string? value, string? id = null) : base(value, id) { }
}

/// <summary>How a value is found: a language (such as Literal, JavaScript, Liquid, Variable) and its text.</summary>
public class Expression
{
    /// <summary>For deserialisation.</summary>
    [JsonConstructor]
    public Expression() { }

    /// <summary>An expression of a language.</summary>
    public Expression(string type, object? value)
    {
        Type = type;
        Value = value;
    }

    /// <summary>Name of the language.</summary>
    public string Type { get; set; } = "Literal";

    /// <summary>Text of the expression, or the value itself.</summary>
    public object? Value { get; set; }

    /// <summary>What a handler has made of the text, kept with the definition (a parsed script or template).</summary>
    [JsonIgnore]
    internal object? Compiled { get; set; }

    /// <summary>The value itself.</summary>
    public static Expression LiteralExpression(object? value) => new("Literal", value);

    /// <summary>A function, for workflows written in code; it can't be stored.</summary>
    public static Expression DelegateExpression(Func<ExpressionExecutionContext, ValueTask<object?>> value) => new("Delegate", value);

    /// <summary>A function, for workflows written in code; it can't be stored.</summary>
    public static Expression DelegateExpression(Func<ExpressionExecutionContext, object?> value) =>
        new("Delegate", (Func<ExpressionExecutionContext, ValueTask<object?>>)(c => ValueTask.FromResult(value(c))));

    /// <summary>A function, for workflows written in code; it can't be stored.</summary>
    public static Expression DelegateExpression(Func<object?> value) =>
        new("Delegate", (Func<ExpressionExecutionContext, ValueTask<object?>>)(_ => ValueTask.FromResult(value())));
}

/// <summary>The scope in which an expression is evaluated: memory of an activity, and of its ancestors behind it.</summary>
public sealed class ExpressionExecutionContext
{
    private IDictionary<object, object>? _transient;

    /// <summary>A scope.</summary>
    public ExpressionExecutionContext(IServiceProvider serviceProvider, MemoryRegister memory, ExpressionExecutionContext? parentContext = null,
        IDictionary<object, object>? transientProperties = null, CancellationToken cancellationToken = default)
    {
        ServiceProvider = serviceProvider;
        Memory = memory;
        ParentContext = parentContext;
        _transient = transientProperties;
        CancellationToken = cancellationToken;
    }

    /// <summary>Services of the run.</summary>
    public IServiceProvider ServiceProvider { get; }
    /// <summary>Blocks declared in this scope.</summary>
    public MemoryRegister Memory { get; }
    /// <summary>The scope around this one.</summary>
    public ExpressionExecutionContext? ParentContext { get; internal set; }
    /// <summary>Values of this burst only.</summary>
    public IDictionary<object, object> TransientProperties => _transient ??= new Dictionary<object, object>();
    /// <summary>Stops the run.</summary>
    public CancellationToken CancellationToken { get; }

    internal Elsa.Workflows.ActivityExecutionContext? ActivityContext { get; init; }
    internal Elsa.Workflows.WorkflowExecutionContext? WorkflowContext { get; init; }

    /// <summary>A service of the run.</summary>
    public T GetRequiredService<T>() where T : notnull => ServiceProvider.GetRequiredService<T>();

    /// <summary>The block from the innermost scope that declares it. Throws <see cref="InvalidOperationException"/> when none does.</summary>
    public MemoryBlock GetBlock(MemoryBlockReference reference) =>
        FindBlock(reference.Id) ?? throw new InvalidOperationException($"Nothing is declared as '{reference.Id}' in this scope.");

    /// <summary>Finds the block from the innermost scope that declares it.</summary>
    public bool TryGetBlock(MemoryBlockReference reference, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out MemoryBlock? block) =>
        (block = FindBlock(reference.Id)) is not null;

    /// <summary>The value, or null when nothing is declared under the reference.</summary>
    public object? Get(MemoryBlockReference reference) => FindBlock(reference.Id)?.Value;

    /// <summary>The value converted to <typeparamref name="T"/>.</summary>
    public T? Get<T>(MemoryBlockReference reference) => Helpers.ObjectConverter.ConvertTo<T>(Get(reference));

    /// <summary>Reads a value; false when nothing is declared under the reference.</summary>
    public bool TryGet(MemoryBlockReference reference, out object? value)
    {
        var block = FindBlock(reference.Id);
        value = block?.Value;
        return block is not null;
    }

    /// <summary>Writes a value into the scope that declares the reference, else into this one.</summary>
    public void Set(MemoryBlockReference reference, object? value)
    {
        var block = FindBlock(reference.Id);
        if (block is null) Memory.Blocks[reference.Id] = block = reference.Declare();
        block.Value = value;
    }

    /// <summary>Writes what a function gives.</summary>
    public void Set(Func<MemoryBlockReference> reference, object? value) => Set(reference(), value);

    internal MemoryBlock? FindBlock(string id)
    {
        for (var scope = this; scope is not null; scope = scope.ParentContext)
            if (scope.Memory.TryGetBlock(id, out var block))
                return block;
        return null;
    }
}
