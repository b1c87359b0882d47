using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using PwWorkflows.Activities.Jobs;

namespace PwWorkflows.Activities.Usac;

/// <summary>Finds the carriers that file at the portal.</summary>
[Activity("Pw", "USAC", "Finds the carriers that file at USAC E-File.", DisplayName = "Find USAC Carriers")]
[FlowNode(Found, None)]
public sealed class FindUsacEntities : FindStep
{
    /// <summary>Creates the activity.</summary>
    public FindUsacEntities([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override string One => "carrier that files";

    /// <inheritdoc />
    protected override async Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await context.GetRequiredService<SessionRefresh>().FindAsync(context.CancellationToken);
    }
}

/// <summary>Finds the carriers that the portal kept waiting.</summary>
[Activity("Pw", "USAC", "Finds the carriers that could not be signed in because USAC E-File was not to be reached. A dry run signs nobody in and finds none.", DisplayName = "Find Unreached USAC Carriers")]
[FlowNode(Found, None)]
public sealed class FindUnreachedUsacEntities : FindStep
{
    /// <summary>Creates the activity.</summary>
    public FindUnreachedUsacEntities([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override string One => "carrier that was not reached";

    /// <inheritdoc />
    protected override async Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return DryRun.GetOrDefault(context) ? [] : await context.GetRequiredService<SessionRefresh>().FindUnreachedAsync(context.CancellationToken);
    }
}

/// <summary>Refreshes the session of a carrier.</summary>
[Activity("Pw", "USAC", "Signs a carrier in at USAC E-File with its stored secrets and exports the session.", DisplayName = "Refresh USAC Session", Kind = ActivityKind.Task)]
[FlowNode("Refreshed", "NoSecret", "Refused", "Unreached")]
public sealed class RefreshUsacSession : JobStep
{
    /// <summary>Creates the activity.</summary>
    public RefreshUsacSession([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The carrier, as Find USAC Carriers gave it.</summary>
    [Input(Description = "The carrier, as Find USAC Carriers gave it.")]
    public Input<string> Carrier { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<SessionRefresh>().RefreshAsync(Carrier.Get(context), context.WorkflowExecutionContext.Id, dryRun, context.CancellationToken);
    }
}
