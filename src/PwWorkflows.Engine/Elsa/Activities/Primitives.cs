using System.ComponentModel;
using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Signals;

namespace Elsa.Workflows.Activities;

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
