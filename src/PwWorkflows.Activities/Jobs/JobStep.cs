using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Microsoft.Extensions.Logging;

namespace PwWorkflows.Activities.Jobs;

/// <summary>How a step of a job ended.</summary>
/// <param name="Outcome">The way the workflow goes on; one of the step's outcomes.</param>
/// <param name="Report">What was done, or in a dry run would be done, for people. Never a secret.</param>
public sealed record StepResult(string Outcome, string Report);

/// <summary>
/// A step of a scheduled job: it has a dry run that tells what it would do and changes nothing, and it says in plain words what it did. The words go into
/// the output <see cref="Report"/>, the journal (event <c>Report</c> or <c>DryRun</c>) and the log.
/// </summary>
public abstract class JobStep : Activity
{
    /// <summary>Creates the activity.</summary>
    protected JobStep(string? source, int? line) : base(source, line) { }

    /// <summary>Tell what would be done and change nothing.</summary>
    [Input(DisplayName = "Dry run", Description = "Tell what would be done and change nothing.")]
    public Input<bool> DryRun { get; set; } = new(false);

    /// <summary>What was done, or would be done.</summary>
    [Output(Description = "What was done, or in a dry run would be done.")]
    public Output<string> Report { get; set; } = default!;

    /// <summary>Does the step.</summary>
    /// <param name="context">The execution.</param>
    /// <param name="dryRun">Change nothing: only tell.</param>
    protected abstract Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun);

    /// <inheritdoc />
    protected sealed override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var dryRun = DryRun.GetOrDefault(context);
        var result = await RunAsync(context, dryRun);
        context.Set(Report, result.Report);
        context.AddExecutionLogEntry(dryRun ? "DryRun" : "Report", result.Report);
        JobLog.Reported(context.GetRequiredService<ILoggerFactory>().CreateLogger("PwWorkflows.Jobs"), dryRun ? "dry run" : "job", context.Activity.Type, result.Report);
        await context.CompleteActivityWithOutcomesAsync(result.Outcome);
    }

    /// <summary><c>1 file</c>, <c>3 files</c>, <c>no files</c>.</summary>
    protected static string Count(int number, string one, string? many = null) => number switch
    {
        0 => $"no {many ?? one + "s"}",
        1 => $"1 {one}",
        _ => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{number} {many ?? one + "s"}"),
    };
}

/// <summary>A <see cref="JobStep"/> that finds what there is to do: a list for a loop.</summary>
[ChangesNothing]
public abstract class FindStep : JobStep
{
    /// <summary>Outcome: there is something to do.</summary>
    protected const string Found = "Found";
    /// <summary>Outcome: there is nothing to do.</summary>
    protected const string None = "None";

    /// <summary>Creates the activity.</summary>
    protected FindStep(string? source, int? line) : base(source, line) { }

    /// <summary>What was found, for a ForEach.</summary>
    [Output(Description = "What was found, for a ForEach.")]
    public Output<ICollection<string>> Items { get; set; } = default!;

    /// <summary>Finds it.</summary>
    /// <param name="context">The execution.</param>
    protected abstract Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context);

    /// <summary>What one of them is called, such as <c>order</c>.</summary>
    protected abstract string One { get; }

    /// <inheritdoc />
    protected sealed override async Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        var items = await FindAsync(context);
        context.Set(Items, (ICollection<string>)[.. items]);
        return new StepResult(items.Count > 0 ? Found : None, Count(items.Count, One));
    }
}

internal static partial class JobLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "[{Kind}] {Step}: {Report}")]
    public static partial void Reported(ILogger logger, string kind, string step, string report);
}
