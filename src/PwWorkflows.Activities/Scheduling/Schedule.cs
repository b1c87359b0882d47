using System.Runtime.CompilerServices;
using Elsa.Expressions.Helpers;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Elsa.Workflows.UIHints;
using PwWorkflows.Engine.Studio;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>Starts its workflow by the clock. Every due time ends as ran, caught up, skipped (with the reason) or missed (and reported), once over all nodes.</summary>
[Activity("Pw", "Scheduling", "Starts the workflow by the clock: a cron expression in a time zone, or an interval. Every due time runs once, is caught up, or is recorded as skipped or missed.", DisplayName = "Schedule")]
[ChangesNothing]
public sealed class Schedule : Trigger
{
    /// <summary>Creates the activity.</summary>
    public Schedule([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>When it is due, as a cron expression.</summary>
    [Input(Description = "When it is due: five fields (minute hour day month weekday), such as 0 9 * * *, or six with seconds in front. Empty for an interval.", UIHandler = typeof(DueTimes))]
    public Input<string?> Cron { get; set; } = default!;

    /// <summary>The zone the cron fields are meant in.</summary>
    [Input(DisplayName = "Time Zone", Description = "The IANA time zone of the cron fields, such as America/Chicago. UTC when empty.", UIHint = InputUIHints.DropDown, UIHandler = typeof(TimeZoneChoices))]
    public Input<string?> TimeZone { get; set; } = default!;

    /// <summary>Elapsed time between two due times, instead of a cron expression.</summary>
    [Input(Description = "Instead of cron: time between two due times, such as 7.00:00:00 for seven days.", UIHandler = typeof(DueTimes))]
    public Input<TimeSpan?> Interval { get; set; } = default!;

    /// <summary>A due time of the interval.</summary>
    [Input(Description = "A due time of the interval, such as 2026-01-05T06:00:00Z. When empty the first is one interval after publishing.")]
    public Input<DateTimeOffset?> Anchor { get; set; } = default!;

    /// <summary>What becomes of missed times.</summary>
    [Input(DisplayName = "Catch Up", Description = "What becomes of times missed while the service was down: Skip records them, RunOnce makes up for all with one run, RunEach runs each.")]
    public Input<CatchUp?> CatchUp { get; set; } = new(Scheduling.CatchUp.RunOnce);

    /// <summary>Most runs of RunEach.</summary>
    [Input(DisplayName = "Catch Up Limit", Description = "Most missed times that RunEach runs (the newest); 1 to 1000.", DefaultValue = 10)]
    public Input<int> CatchUpLimit { get; set; } = new(10);

    /// <summary>How old a missed time may be to be caught up.</summary>
    [Input(DisplayName = "Catch Up Window", Description = "Missed times older than this are not caught up, such as 3.00:00:00. Empty for any age.")]
    public Input<TimeSpan?> CatchUpWindow { get; set; } = default!;

    /// <summary>What becomes of a due time while a run goes on.</summary>
    [Input(Description = "What becomes of a due time while an earlier run goes on: Skip, QueueOne, CancelRunning or Allow.")]
    public Input<Overlap?> Overlap { get; set; } = new(Scheduling.Overlap.Skip);

    /// <summary>Spreads runs out.</summary>
    [Input(Description = "Runs start up to this long after their nominal time, each by its own fixed amount, such as 00:00:30.")]
    public Input<TimeSpan?> Jitter { get; set; } = default!;

    /// <summary>When to alert.</summary>
    [Input(Description = "A run that starts later than this, or takes longer, raises a ToDo, such as 00:30:00.")]
    public Input<TimeSpan?> Deadline { get; set; } = default!;

    /// <summary>Whether it is due at all.</summary>
    [Input(Description = "Off: the schedule is kept, but never due.", DefaultValue = true)]
    public Input<bool> Enabled { get; set; } = new(true);

    /// <summary>The due time this run stands for (UTC); when started by hand, that moment.</summary>
    [Output(DisplayName = "Nominal Time", Description = "The due time this run stands for (UTC); for a run started by hand the moment of its start.")]
    public Output<DateTimeOffset> NominalTime { get; set; } = default!;

    /// <summary>Whether the run makes up for a missed time.</summary>
    [Output(DisplayName = "Caught Up", Description = "Whether this run makes up for a time that was missed.")]
    public Output<bool> CaughtUp { get; set; } = default!;

    /// <summary>Whether the run shall only tell what it would do.</summary>
    [Output(DisplayName = "Dry Run", Description = "Whether this run was asked to tell what it would do, and to change nothing.")]
    public Output<bool> DryRun { get; set; } = default!;

    /// <summary>How many due times the run stands for.</summary>
    [Output(Description = "How many due times this run stands for: more than 1 when it makes up for several.")]
    public Output<int> Covers { get; set; } = default!;

    /// <inheritdoc />
    protected override object GetTriggerPayload(TriggerIndexingContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Settings(
            context.Get(Cron), context.Get(TimeZone), context.Get(Interval), context.Get(Anchor), context.Get(CatchUp), context.Get(CatchUpLimit), context.Get(CatchUpWindow), context.Get(Overlap),
            context.Get(Jitter), context.Get(Deadline), context.Get(Enabled));
    }

    /// <summary>The settings as far as they are literal values; <c>null</c> when one must be evaluated, or can't be read as what it is meant to be.</summary>
    internal ScheduleSettings? Literals()
    {
        try
        {
            return Settings(
                Literal(Cron), Literal(TimeZone), Literal(Interval), Literal(Anchor), Literal(CatchUp), Literal(CatchUpLimit), Literal(CatchUpWindow), Literal(Overlap), Literal(Jitter), Literal(Deadline), Literal(Enabled));
        }
        catch (Exception e) when (e is NotSupportedException or TypeConversionException)
        {
            return null;
        }

        static T? Literal<T>(Input<T>? input) => input?.Expression switch
        {
            null => default,
            { Type: "Literal" } literal => literal.Value.ConvertTo<T>(),
            _ => throw new NotSupportedException(),
        };
    }

    private static ScheduleSettings Settings(
        string? cron, string? zone, TimeSpan? interval, DateTimeOffset? anchor, CatchUp? catchUp, int limit, TimeSpan? window, Overlap? overlap, TimeSpan? jitter, TimeSpan? deadline, bool enabled)
    {
        return new ScheduleSettings(
            Text(cron), Text(zone), interval, anchor, catchUp ?? Scheduling.CatchUp.RunOnce, limit, window, overlap ?? Scheduling.Overlap.Skip, jitter ?? TimeSpan.Zero, deadline, enabled);

        static string? Text(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
    }

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (!context.IsTriggerOfWorkflow() && !CanStartWorkflow) throw new NonRetryableException($"{Type} ({Id}) starts workflows; inside of one use Elsa.Delay to wait.");
        // Started by hand there is no due time, and nothing was missed.
        context.Set(NominalTime, context.TryGetWorkflowInput<DateTimeOffset>(nameof(NominalTime), out var nominal) ? nominal : context.WorkflowExecutionContext.CreatedAt);
        context.Set(CaughtUp, context.TryGetWorkflowInput<bool>(nameof(CaughtUp), out var late) && late);
        context.Set(DryRun, context.TryGetWorkflowInput<bool>(nameof(DryRun), out var dry) && dry);
        context.Set(Covers, context.TryGetWorkflowInput<int>(nameof(Covers), out var covers) ? covers : 1);
        await context.CompleteActivityAsync();
    }
}
