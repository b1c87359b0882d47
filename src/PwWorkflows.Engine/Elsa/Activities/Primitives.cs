using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Workflows.Activities.Flowchart.Models;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Exceptions;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.Signals;
using Elsa.Workflows.UIHints;

namespace Elsa.Workflows
{
    /// <summary>Where <see cref="Activities.WriteLine"/> writes.</summary>
    public interface IStandardOutStreamProvider
    {
        /// <summary>The writer.</summary>
        TextWriter GetTextWriter();
    }

    /// <summary>Gives one writer.</summary>
    public sealed class StandardOutStreamProvider(TextWriter textWriter) : IStandardOutStreamProvider
    {
        /// <inheritdoc />
        public TextWriter GetTextWriter() => textWriter;
    }
}

namespace Elsa.Workflows.Activities
{
    /// <summary>Ends the nearest loop.</summary>
    [Activity("Elsa", "Looping", "Break out of a loop.")]
    public sealed class Break : CodeActivity, ITerminalNode
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public Break([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

        /// <inheritdoc />
        protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.SendSignalAsync(new BreakSignal());
    }

    /// <summary>Ends the workflow: what is scheduled or waits is dropped.</summary>
    [Activity("Elsa", "Primitives", "Mark the workflow as finished.")]
    public sealed class Finish : Activity, ITerminalNode
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public Finish([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

        /// <inheritdoc />
        protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
        {
            await context.CompleteActivityAsync();
            if (context.WorkflowExecutionContext.Status == WorkflowStatus.Running) context.WorkflowExecutionContext.Runner.Finish(context.WorkflowExecutionContext);
        }
    }

    /// <summary>Completes the enclosing composite (a workflow used as an activity, or the workflow itself) with outcomes.</summary>
    [Activity("Elsa", "Composition", "Signals the current composite activity to complete itself as a whole.")]
    public sealed class Complete : Activity, ITerminalNode
    {
        /// <summary>To be filled in.</summary>
        public Complete() { }
        /// <summary>With outcomes.</summary>
        public Complete(IEnumerable<string> outcomes, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => Outcomes = new Input<object>(outcomes.ToArray());
        /// <summary>With outcomes found at run time.</summary>
        public Complete(Func<ExpressionExecutionContext, ICollection<string>> outcomes, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) =>
            Outcomes = new Input<object>(c => (object)outcomes(c));

        /// <summary>One outcome (text) or several (an array of texts); Done when not set.</summary>
        [Input(Description = "The outcome or set of outcomes to complete this activity with.", DefaultSyntax = "Object", UIHint = InputUIHints.OutcomePicker)]
        public Input<object>? Outcomes { get; set; }

        /// <inheritdoc />
        protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
        {
            var value = context.Get(Outcomes);
            var names = value is null or "" ? ["Done"] : value.ConvertTo<string[]>()!;
            context.JournalData["Outcomes"] = names;
            await context.CompleteCompositeAsync(names);
            await context.CompleteActivityAsync();
        }
    }

    /// <summary>Fails on purpose, with codes for people and reports.</summary>
    [Activity("Elsa", "Primitives", "Faults the workflow.")]
    public sealed class Fault : Activity
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public Fault([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

        /// <summary>Code, such as ORDER-1.</summary>
        [Input(Description = "Code to categorize the fault.")]
        public Input<string> Code { get; set; } = new("0");
        /// <summary>Category, such as HTTP.</summary>
        [Input(Description = "Category to categorize the fault. Examples: HTTP, Alteration, Azure, etc.")]
        public Input<string> Category { get; set; } = new("General");
        /// <summary>System, Business, Integration.</summary>
        [Input(DisplayName = "Type", Description = "The type of fault. Examples: System, Business, Integration, etc.")]
        public Input<string> FaultType { get; set; } = new("System");
        /// <summary>What went wrong.</summary>
        [Input(Description = "The message to include with the fault.")]
        public Input<string?> Message { get; set; } = null!;

        /// <summary>A fault with all its parts.</summary>
        public static Fault Create(string code, string category, string type, string? message = null, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) =>
            new(source, line) { Code = new(code), Category = new(category), FaultType = new(type), Message = new(message) };

        /// <inheritdoc />
        protected override void Execute(ActivityExecutionContext context) =>
            throw new FaultException(context.Get(Code) ?? "0", context.Get(Category) ?? "General", context.Get(FaultType) ?? "System", context.Get(Message));
    }

    /// <summary>Where a flowchart starts.</summary>
    [Activity("Elsa", "Flow", "A milestone activity that marks the start of a flowchart.")]
    public sealed class Start : CodeActivity, IStartNode
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public Start([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
    }

    /// <summary>Where a flowchart ends.</summary>
    [Activity("Elsa", "Flow", "A milestone activity that marks the end of a flowchart.")]
    public sealed class End : CodeActivity, ITerminalNode
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public End([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
    }

    /// <summary>Gives the instance a name.</summary>
    [Activity("Elsa", "Primitives", "Set the name of the workflow instance to a specified value.")]
    public sealed class SetName : CodeActivity
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public SetName([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
        /// <summary>With a name.</summary>
        public SetName(Input<string> value, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(source, line) => Value = value;

        /// <summary>The name.</summary>
        [Input]
        public Input<string> Value { get; set; } = null!;

        /// <inheritdoc />
        protected override void Execute(ActivityExecutionContext context) => context.WorkflowExecutionContext.Name = context.Get(Value);
    }

    /// <summary>Gives the instance its business key.</summary>
    [Activity("Elsa", "Primitives", "Set the CorrelationId of the workflow to a given value.")]
    public sealed class Correlate : CodeActivity
    {
        /// <summary>To be filled in.</summary>
        public Correlate() { }
        /// <summary>With a key.</summary>
        public Correlate(string correlationId, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => CorrelationId = new(correlationId);
        /// <summary>With a key found at run time.</summary>
        public Correlate(Func<ExpressionExecutionContext, string> correlationId, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => CorrelationId = new(correlationId);
        /// <summary>With a key.</summary>
        public Correlate(Input<string> correlationId, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => CorrelationId = correlationId;

        /// <summary>The key.</summary>
        [Input(Description = "An expression that evaluates to the value to store as the correlation id")]
        public Input<string> CorrelationId { get; set; } = null!;

        /// <inheritdoc />
        protected override void Execute(ActivityExecutionContext context) => context.WorkflowExecutionContext.CorrelationId = context.Get(CorrelationId);
    }

    /// <summary>Writes a line of text to the console.</summary>
    [Activity("Elsa", "Console", "Write a line of text to the console.")]
    public sealed class WriteLine : CodeActivity
    {
        [JsonConstructor]
        private WriteLine([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => Text = null!;
        /// <summary>A fixed text.</summary>
        public WriteLine(string text, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<string>(text), source, line) { }
        /// <summary>A text found at run time.</summary>
        public WriteLine(Func<string> text, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<string>(text), source, line) { }
        /// <summary>A text found at run time.</summary>
        public WriteLine(Func<ExpressionExecutionContext, string?> text, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<string>(c => text(c)!), source, line) { }
        /// <summary>The value of a variable.</summary>
        public WriteLine(Variable<string> variable, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<string>((Variable)variable), source, line) { }
        /// <summary>A text.</summary>
        public WriteLine(Input<string> text, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => Text = text;

        /// <summary>The text.</summary>
        [Input(Description = "The text to write.")]
        public Input<string> Text { get; set; }

        /// <inheritdoc />
        protected override void Execute(ActivityExecutionContext context) =>
            (context.GetService<IStandardOutStreamProvider>()?.GetTextWriter() ?? Console.Out).WriteLine(context.Get(Text));
    }

    /// <summary>Writes a variable.</summary>
    [Activity("Elsa", "Primitives", "Assign a value to a workflow variable.")]
    public sealed class SetVariable : CodeActivity
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public SetVariable([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
        /// <summary>A variable and its new value.</summary>
        public SetVariable(Variable variable, Input<object?> value, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(source, line)
        {
            Variable = variable;
            Value = value;
        }

        /// <summary>The variable.</summary>
        [Required]
        [Input(Description = "The variable to assign the value to.", UIHint = InputUIHints.VariablePicker)]
        public Variable Variable { get; set; } = null!;
        /// <summary>Its new value; converted to the variable's type.</summary>
        [Input(Description = "The value to assign.")]
        public Input<object?> Value { get; set; } = null!;

        /// <inheritdoc />
        protected override void Execute(ActivityExecutionContext context) => Assign(context, Variable, context.Get(Value));

        internal static void Assign(ActivityExecutionContext context, Variable? variable, object? value)
        {
            if (variable is null) throw new InvalidOperationException($"{context.Activity.Type} ({context.Activity.Id}): Variable is not set.");
            var scope = context.ExpressionExecutionContext;
            var block = (variable.Id.Length > 0 ? scope.FindBlock(variable.Id) : null) ?? (variable.Name.Length > 0 ? scope.FindVariable(variable.Name) : null)
                ?? throw new InvalidOperationException($"{context.Activity.Type} ({context.Activity.Id}): there is no variable '{(variable.Name.Length > 0 ? variable.Name : variable.Id)}' in this scope.");
            block.Value = block.Metadata is Variable { ValueType: var type } && type != typeof(object) ? value.ConvertTo(type) : value;
        }
    }

    /// <summary>Writes a variable of type <typeparamref name="T"/>.</summary>
    [Activity("Elsa", "Primitives", "Assign a value to a workflow variable.")]
    public sealed class SetVariable<T> : CodeActivity
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public SetVariable([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
        /// <summary>A variable and its new value.</summary>
        public SetVariable(Variable<T> variable, Input<T> value, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(source, line)
        {
            Variable = variable;
            Value = value;
        }

        /// <summary>A variable and the variable to read.</summary>
        public SetVariable(Variable<T> variable, Variable<T> value, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(variable, new Input<T>((Variable)value), source, line) { }
        /// <summary>A variable and a function of the scope.</summary>
        public SetVariable(Variable<T> variable, Func<ExpressionExecutionContext, T> value, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(variable, new Input<T>(value), source, line) { }
        /// <summary>A variable and a function.</summary>
        public SetVariable(Variable<T> variable, Func<T> value, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(variable, new Input<T>(value), source, line) { }
        /// <summary>A variable and its new value.</summary>
        public SetVariable(Variable<T> variable, T value, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(variable, new Input<T>(value), source, line) { }

        /// <summary>The variable.</summary>
        [Required]
        [Input(Description = "The variable to assign the value to.", UIHint = InputUIHints.VariablePicker)]
        public Variable<T> Variable { get; set; } = null!;
        /// <summary>Its new value.</summary>
        [Input(Description = "The value to assign.")]
        public Input<T> Value { get; set; } = null!;

        /// <inheritdoc />
        protected override void Execute(ActivityExecutionContext context) => SetVariable.Assign(context, Variable, context.Get(Value));
    }
}

namespace Elsa.Workflows.Management.Activities.SetOutput
{
    /// <summary>Sets an output of the nearest enclosing activity that has it, else of the workflow.</summary>
    [Activity("Elsa", "Composition", "Assigns a given value to a the container's output.")]
    public sealed class SetOutput : CodeActivity
    {
        /// <inheritdoc cref="Activity(string?, int?)" />
        public SetOutput([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

        /// <summary>Name of the output.</summary>
        [Required]
        [Input(DisplayName = "Output", Description = "The output to assign.", UIHint = InputUIHints.OutputPicker)]
        public Input<string> OutputName { get; set; } = null!;
        /// <summary>Its value.</summary>
        [Input(Description = "The value to assign.")]
        public Input<object?> OutputValue { get; set; } = null!;

        /// <inheritdoc />
        protected override void Execute(ActivityExecutionContext context)
        {
            var name = OutputName.Get(context);
            if (string.IsNullOrWhiteSpace(name)) throw new InvalidOperationException($"{Type} ({Id}): OutputName is empty.");
            var value = context.Get(OutputValue);
            foreach (var owner in context.GetAncestors())
                if (owner.ParentActivityExecutionContext is not null && FindOutput(owner, name) is { } output)
                {
                    owner.Set(output, value);
                    return;
                }
            var run = context.WorkflowExecutionContext;
            var declared = run.Workflow.Outputs.FirstOrDefault(o => o.Name == name);
            run.Output[name] = (declared is null ? value : value.ConvertTo(declared.IsArray ? declared.Type.MakeArrayType() : declared.Type))!;
        }

        private static Output? FindOutput(ActivityExecutionContext owner, string name)
        {
            if (owner.Activity.SyntheticProperties.TryGetValue(name, out var synthetic) && synthetic is Output known) return known;
            return Array.Find(owner.Node.Class.Outputs, o => o.Name == name)?.Access.Get(owner.Activity) as Output;
        }
    }
}
