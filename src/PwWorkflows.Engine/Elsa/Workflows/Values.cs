using System.Text.Json.Serialization;
using Elsa.Expressions.Models;
using Elsa.Workflows.Memory;

namespace Elsa.Workflows.Models
{
    /// <summary>A value that an activity takes or gives, with the place in memory where it is kept.</summary>
    public abstract class Argument
    {
        /// <summary>An argument of a place.</summary>
        protected Argument(MemoryBlockReference reference) : this(() => reference) { }

        /// <summary>An argument of a place found later.</summary>
        protected Argument(Func<MemoryBlockReference> reference) => MemoryBlockReference = reference;

        /// <summary>Gives the place.</summary>
        [JsonIgnore]
        public Func<MemoryBlockReference> MemoryBlockReference { get; set; }
    }

    /// <summary>An input: an expression, and the place of its value once evaluated.</summary>
    public abstract class Input : Argument
    {
        /// <summary>An input of an expression.</summary>
        protected Input(Expression? expression, MemoryBlockReference reference, Type type) : base(reference)
        {
            Expression = expression;
            Type = type;
        }

        /// <summary>How the value is found; null when the value stands in memory.</summary>
        public Expression? Expression { get; }

        /// <summary>Type of the value.</summary>
        [JsonPropertyName("typeName")]
        public Type Type { get; set; }
    }

    /// <summary>An input of type <typeparamref name="T"/>.</summary>
    public class Input<T> : Input
    {
        /// <summary>Reads a place in memory.</summary>
        public Input(MemoryBlockReference reference) : base(null, reference, typeof(T)) { }
        /// <summary>A fixed value.</summary>
        public Input(T literal, string? id = null) : this(new Literal<T>(literal, id)) { }
        /// <summary>A function.</summary>
        public Input(Func<T> func, string? id = null) : base(Expression.DelegateExpression(() => func()), Place(id), typeof(T)) { }
        /// <summary>A function of the scope.</summary>
        public Input(Func<ExpressionExecutionContext, T> func, string? id = null) : base(Expression.DelegateExpression(c => (object?)func(c)), Place(id), typeof(T)) { }
        /// <summary>An asynchronous function.</summary>
        public Input(Func<ValueTask<T?>> func, string? id = null) : base(Expression.DelegateExpression(async _ => (object?)await func()), Place(id), typeof(T)) { }
        /// <summary>An asynchronous function of the scope.</summary>
        public Input(Func<ExpressionExecutionContext, ValueTask<T?>> func, string? id = null) : base(Expression.DelegateExpression(async c => (object?)await func(c)), Place(id), typeof(T)) { }
        /// <summary>The value of a variable.</summary>
        public Input(Variable variable) : base(new Expression("Variable", variable), new MemoryBlockReference(), typeof(T)) { }
        /// <summary>The value of an output.</summary>
        public Input(Output output) : base(Expression.DelegateExpression(c => c.Get(output.MemoryBlockReference())), new MemoryBlockReference(), typeof(T)) { }
        /// <summary>A fixed value.</summary>
        public Input(Literal<T> literal) : base(Expression.LiteralExpression(literal.Value), literal, typeof(T)) { }
        /// <summary>A fixed value.</summary>
        public Input(Literal literal) : base(Expression.LiteralExpression(literal.Value), literal, typeof(T)) { }
        /// <summary>An object as JSON.</summary>
        public Input(ObjectLiteral<T> literal) : base(new Expression("Object", literal.Value), literal, typeof(T)) { }
        /// <summary>An object as JSON.</summary>
        public Input(ObjectLiteral literal) : base(new Expression("Object", literal.Value), literal, typeof(T)) { }
        /// <summary>An expression with the place of its value.</summary>
        public Input(Expression? expression, MemoryBlockReference reference) : base(expression, reference, typeof(T)) { }
        /// <summary>An expression.</summary>
        public Input(Expression expression) : this(expression, new MemoryBlockReference()) { }

        private static MemoryBlockReference Place(string? id) => id is null ? new MemoryBlockReference() : new MemoryBlockReference(id);
    }

    /// <summary>An output: the place where its value goes.</summary>
    public class Output : Argument
    {
        /// <summary>An output of its own.</summary>
        public Output() : this(new MemoryBlockReference()) { }
        /// <summary>Writes to a place, such as a variable.</summary>
        public Output(MemoryBlockReference reference) : base(reference) { }
        /// <summary>Writes to a place found later.</summary>
        public Output(Func<MemoryBlockReference> reference) : base(reference) { }
    }

    /// <summary>An output of type <typeparamref name="T"/>.</summary>
    public class Output<T> : Output
    {
        /// <summary>An output of its own.</summary>
        public Output() { }
        /// <summary>Writes to a place, such as a variable.</summary>
        public Output(MemoryBlockReference reference) : base(reference) { }
        /// <summary>Writes to a place found later.</summary>
        public Output(Func<MemoryBlockReference> reference) : base(reference) { }
    }

    /// <summary>A declared input of a workflow.</summary>
    public sealed class InputDefinition : ArgumentDefinition
    {
        /// <summary>Control in the designer.</summary>
        public string? UIHint { get; set; }
        /// <summary>Makes it a persisted variable as well.</summary>
        public Type? StorageDriverType { get; set; }
    }

    /// <summary>A declared output of a workflow.</summary>
    public sealed class OutputDefinition : ArgumentDefinition;

    /// <summary>What declared inputs and outputs share.</summary>
    public abstract class ArgumentDefinition
    {
        /// <summary>Type of the value.</summary>
        public Type Type { get; set; } = typeof(object);
        /// <summary>An array of <see cref="Type"/>.</summary>
        public bool IsArray { get; set; }
        /// <summary>Name, unique among inputs (or outputs).</summary>
        public string Name { get; set; } = "";
        /// <summary>Shown name.</summary>
        public string DisplayName { get; set; } = "";
        /// <summary>What it means.</summary>
        public string Description { get; set; } = "";
        /// <summary>Group.</summary>
        public string Category { get; set; } = "";
    }
}

namespace Elsa.Workflows.Memory
{
    /// <summary>A named value of a workflow or a container.</summary>
    public class Variable : MemoryBlockReference
    {
        /// <summary>A variable without a name.</summary>
        public Variable() { }
        /// <summary>A named variable.</summary>
        public Variable(string name) : this(name, null) { }
        /// <summary>A named variable with a first value.</summary>
        public Variable(string name, object? value = null) : this(name, value, null) { }
        /// <summary>A named variable with a first value and an id.</summary>
        public Variable(string name, object? value = null, string? id = null)
        {
            Name = name;
            Value = value;
            Id = id ?? "";
        }

        /// <summary>Name, unique in its container.</summary>
        public string Name { get; set; } = "";
        /// <summary>First value.</summary>
        public object? Value { get; set; }
        /// <summary>Where the value is kept while the workflow waits; null: not at all.</summary>
        public Type? StorageDriverType { get; set; }

        /// <summary>Type of the value.</summary>
        internal virtual Type ValueType => typeof(object);

        /// <inheritdoc />
        public override MemoryBlock Declare() => new(Elsa.Expressions.Helpers.ObjectConverter.Copy(Value), this);
    }

    /// <summary>A variable of type <typeparamref name="T"/>.</summary>
    public class Variable<T> : Variable
    {
        /// <summary>A variable without a name.</summary>
        public Variable() { }
        /// <summary>A variable with a first value.</summary>
        public Variable(T value) : base("", value) { }
        /// <summary>A named variable with a first value.</summary>
        public Variable(string name, T value) : base(name, value) { }
        /// <summary>A named variable with a first value and an id.</summary>
        public Variable(string name, T value, string? id = null) : base(name, value, id) { }

        internal override Type ValueType => typeof(T);

        /// <summary>Current value.</summary>
        public T? Get(ActivityExecutionContext context) => context.ExpressionExecutionContext.Get<T>(this);
        /// <summary>Current value.</summary>
        public new T? Get(ExpressionExecutionContext context) => context.Get<T>(this);

        /// <summary>Chooses where the value is kept.</summary>
        public Variable<T> WithStorageDriver<TDriver>()
        {
            StorageDriverType = typeof(TDriver);
            return this;
        }

        /// <summary>Sets the id.</summary>
        public Variable<T> WithId(string id)
        {
            Id = id;
            return this;
        }

        /// <summary>Sets the name.</summary>
        public Variable<T> WithName(string name)
        {
            Name = name;
            return this;
        }

        /// <summary>Sets the first value.</summary>
        public Variable<T> WithValue(T value)
        {
            Value = value;
            return this;
        }
    }
}

namespace Elsa.Workflows
{
    /// <summary>Keeps variables of a waiting workflow somewhere.</summary>
    public interface IStorageDriver;

    /// <summary>Keeps variables in the instance's state.</summary>
    public sealed class WorkflowInstanceStorageDriver : IStorageDriver;

    /// <summary>Older name of <see cref="WorkflowInstanceStorageDriver"/>.</summary>
    public sealed class WorkflowStorageDriver : IStorageDriver;

    /// <summary>Keeps variables in memory only: they are lost when the workflow waits.</summary>
    public sealed class MemoryStorageDriver : IStorageDriver;
}
