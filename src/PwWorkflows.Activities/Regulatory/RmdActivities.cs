using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using PwWorkflows.Activities.Jobs;

namespace PwWorkflows.Activities.Regulatory;

/// <summary>Reads the listing of the Robocall Mitigation Database.</summary>
[Activity("Pw", "Regulatory", "Reads the listing of the FCC's Robocall Mitigation Database, keeps it, and writes down which of our carriers it has. A listing of another shape or size is not believed.", DisplayName = "Take RMD Snapshot", Kind = ActivityKind.Task)]
[FlowNode("First", "Taken", "NotAsExpected")]
public sealed class TakeRmdSnapshot : JobStep
{
    /// <summary>Creates the activity.</summary>
    public TakeRmdSnapshot([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Key of the kept listing.</summary>
    [Output(Description = "Key of the kept listing; empty when none was kept.")]
    public Output<string> Page { get; set; } = default!;

    /// <inheritdoc />
    protected override async Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        var (result, key) = await context.GetRequiredService<RobocallMitigation>().TakeAsync(dryRun, context.CancellationToken);
        context.Set(Page, key);
        return result;
    }
}

/// <summary>Finds who is gone from the listing.</summary>
[Activity("Pw", "Regulatory", "Compares the newest snapshot with those before it: carriers that are gone, or had us file and never appeared. The first snapshot alarms nobody.", DisplayName = "Find RMD Removals", Kind = ActivityKind.Task)]
[FlowNode("Done")]
public sealed class FindRmdRemovals : JobStep
{
    /// <summary>Creates the activity.</summary>
    public FindRmdRemovals([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<RobocallMitigation>().CompareAsync(dryRun, context.CancellationToken);
    }
}

/// <summary>Reads the removal orders.</summary>
[Activity("Pw", "Regulatory", "Reads the FCC's removal orders that are new, keeps them, and finds our carriers in them.", DisplayName = "Read RMD Orders", Kind = ActivityKind.Task)]
[FlowNode("Read", "NotAsExpected")]
public sealed class ReadRmdOrders : JobStep
{
    /// <summary>Creates the activity.</summary>
    public ReadRmdOrders([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<RobocallMitigation>().ReadOrdersAsync(dryRun, context.CancellationToken);
    }
}

/// <summary>Finds removals to tell of.</summary>
[Activity("Pw", "Regulatory", "Finds removals that nobody was told of.", DisplayName = "Find RMD Alerts")]
[FlowNode(Found, None)]
public sealed class FindRmdAlerts : FindStep
{
    /// <summary>Creates the activity.</summary>
    public FindRmdAlerts([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override string One => "removal to tell of";

    /// <inheritdoc />
    protected override async Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await context.GetRequiredService<RobocallMitigation>().FindAlertsAsync(context.CancellationToken);
    }
}

/// <summary>Tells of a removal.</summary>
[Activity("Pw", "Regulatory", "Tells an administrator of a removal, and the customer with an offer to file again, once.", DisplayName = "Alert RMD Removal", Kind = ActivityKind.Task)]
[FlowNode("Alerted", "NotDue", "Held")]
public sealed class AlertRmdRemoval : JobStep
{
    /// <summary>Creates the activity.</summary>
    public AlertRmdRemoval([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The removal, as Find RMD Alerts gave it.</summary>
    [Input(Description = "The removal, as Find RMD Alerts gave it.")]
    public Input<string> Removal { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<RobocallMitigation>().AlertAsync(Removal.Get(context), dryRun, context.CancellationToken);
    }
}
