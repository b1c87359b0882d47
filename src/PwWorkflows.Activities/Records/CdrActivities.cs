using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using PwWorkflows.Activities.Jobs;

namespace PwWorkflows.Activities.Records;

/// <summary>Finds call records whose time is over.</summary>
[Activity("Pw", "Records", "Finds the files of call detail records whose retention is over: never under 18 months, 5 years for what backs a Form 499, and never under a legal hold.", DisplayName = "Find Expired CDR Files")]
[FlowNode(Found, None)]
public sealed class FindExpiredCdrFiles : FindStep
{
    /// <summary>Creates the activity.</summary>
    public FindExpiredCdrFiles([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override string One => "file past its retention";

    /// <inheritdoc />
    protected override async Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await context.GetRequiredService<CdrFiles>().FindExpiredAsync(context.CancellationToken);
    }
}

/// <summary>Deletes call records whose time is over.</summary>
[Activity("Pw", "Records", "Deletes a file of call detail records whose retention is over, when it is what was uploaded, and keeps a certificate.", DisplayName = "Delete CDR File", Kind = ActivityKind.Task)]
[FlowNode("Deleted", "Kept", "Refused")]
public sealed class DeleteCdrFile : JobStep
{
    /// <summary>Creates the activity.</summary>
    public DeleteCdrFile([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Number of the file.</summary>
    [Input(Description = "Number of the file, as Find Expired CDR Files gave it.")]
    public Input<string> File { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<CdrFiles>().DeleteAsync(File.Get(context), context.WorkflowExecutionContext.Id, dryRun, context.CancellationToken);
    }
}
