using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.UIHints;
using PwWorkflows.Engine;
using PwWorkflows.Engine.Scheduling;

namespace Elsa.Scheduling.Activities;

/// <summary>Waits for a while.</summary>
[Activity("Elsa", "Scheduling", "Delay execution for the specified amount of time.")]
public sealed class Delay : Activity
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public Delay([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
    /// <summary>For a fixed time.</summary>
    public Delay(TimeSpan timeSpan, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<TimeSpan>(timeSpan), source, line) { }
    /// <summary>For a time found at run time.</summary>
    public Delay(Func<ExpressionExecutionContext, TimeSpan> timeSpan, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<TimeSpan>(timeSpan), source, line) { }
    /// <summary>For the time in a variable.</summary>
    public Delay(Variable<TimeSpan> timeSpan, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<TimeSpan>((Variable)timeSpan), source, line) { }
    /// <summary>For a time.</summary>
    public Delay(Input<TimeSpan> timeSpan, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => TimeSpan = timeSpan;

    /// <summary>How long; 0 or less does not wait.</summary>
    [Input(Description = "The timespan to delay workflow execution.", DefaultValue = "00:01:00")]
    public Input<TimeSpan> TimeSpan { get; set; } = new(System.TimeSpan.FromMinutes(1));

    /// <summary>Waits for milliseconds.</summary>
    public static Delay FromMilliseconds(double value) => new(System.TimeSpan.FromMilliseconds(value));
    /// <summary>Waits for seconds.</summary>
    public static Delay FromSeconds(double value) => new(System.TimeSpan.FromSeconds(value));
    /// <summary>Waits for minutes.</summary>
    public static Delay FromMinutes(double value) => new(System.TimeSpan.FromMinutes(value));
    /// <summary>Waits for hours.</summary>
    public static Delay FromHours(double value) => new(System.TimeSpan.FromHours(value));
    /// <summary>Waits for days.</summary>
    public static Delay FromDays(double value) => new(System.TimeSpan.FromDays(value));

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var wait = context.Get(TimeSpan);
        if (wait <= System.TimeSpan.Zero)
        {
            await context.CompleteActivityAsync();
            return;
        }
        var due = context.WorkflowExecutionContext.Now + wait;
        context.JournalData["ResumeAt"] = due;
        context.WaitUntil(due, new DelayPayload(due));
    }
}

/// <summary>Starts a workflow at a time, or waits for it.</summary>
[Activity("Elsa", "Scheduling", "Trigger execution at a specific time in the future.", DisplayName = "Start at")]
public sealed class StartAt : Trigger
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public StartAt([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
    /// <summary>At a fixed time.</summary>
    public StartAt(DateTimeOffset dateTime, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<DateTimeOffset>(dateTime), source, line) { }
    /// <summary>At a time found at run time.</summary>
    public StartAt(Func<ExpressionExecutionContext, DateTimeOffset> dateTime, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<DateTimeOffset>(dateTime), source, line) { }
    /// <summary>At a time.</summary>
    public StartAt(Input<DateTimeOffset> dateTime, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => DateTime = dateTime;

    /// <summary>When. In a running workflow a time that is past does not wait.</summary>
    [Required]
    [Input]
    public Input<DateTimeOffset> DateTime { get; set; } = null!;

    /// <inheritdoc />
    protected override object GetTriggerPayload(TriggerIndexingContext context) => new StartAtPayload(context.Get(DateTime));

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var at = DateTime.Get(context);
        if (context.IsTriggerOfWorkflow() || at <= context.WorkflowExecutionContext.Now)
        {
            await context.CompleteActivityAsync();
            return;
        }
        context.JournalData["ExecuteAt"] = at;
        context.WaitUntil(at, new StartAtPayload(at));
    }
}

/// <summary>Starts a workflow again and again, or waits for one interval.</summary>
[Activity("Elsa", "Scheduling", "Trigger workflow execution at a specific interval.")]
public sealed class Timer : EventGenerator
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public Timer([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
    /// <summary>With a fixed interval.</summary>
    public Timer(TimeSpan interval, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<TimeSpan>(interval), source, line) { }
    /// <summary>With an interval.</summary>
    public Timer(Input<TimeSpan> interval, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => Interval = interval;

    /// <summary>Time between two runs; more than 0.</summary>
    [Input(Description = "The interval at which the timer should execute.", DefaultValue = "00:01:00")]
    public Input<TimeSpan> Interval { get; set; } = new(TimeSpan.FromMinutes(1));

    /// <summary>A timer of seconds.</summary>
    public static Timer FromSeconds(double value) => new(TimeSpan.FromSeconds(value));

    /// <inheritdoc />
    protected override object GetTriggerPayload(TriggerIndexingContext context) => new TimerTriggerPayload(Checked(context.Get(Interval)));

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (context.IsTriggerOfWorkflow())
        {
            await context.CompleteActivityAsync();
            return;
        }
        var due = context.WorkflowExecutionContext.Now + Checked(context.Get(Interval));
        context.JournalData["ResumeAt"] = due;
        context.WaitUntil(due, new TimerBookmarkPayload(due));
    }

    private TimeSpan Checked(TimeSpan interval) => interval > TimeSpan.Zero ? interval : throw new FormatException($"{Type} ({Id}): Interval must be more than 0, but is {interval}.");
}

/// <summary>Starts a workflow by a cron schedule, or waits for its next time.</summary>
[Activity("Elsa", "Scheduling", "Trigger workflow execution at a specific interval using a CRON expression.")]
public sealed class Cron : EventGenerator
{
    /// <summary>To be filled in.</summary>
    public Cron() { }
    /// <summary>By a fixed schedule.</summary>
    public Cron(string cronExpression, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : this(new Input<string>(cronExpression), source, line) { }
    /// <summary>By a schedule.</summary>
    public Cron(Input<string> cronExpression, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => CronExpression = cronExpression;

    /// <summary>Five fields, or six with seconds first.</summary>
    [Required]
    [Input(Description = "The CRON expression at which the timer should execute.", UIHandler = typeof(PwWorkflows.Engine.Studio.CronRunsHandler))]
    public Input<string> CronExpression { get; set; } = null!;
    /// <summary>IANA name of the zone the fields are meant in; UTC when not set.</summary>
    [Input(DisplayName = "Time Zone", Description = "The IANA time zone of the CRON expression, such as America/New_York. UTC when empty.", UIHint = InputUIHints.DropDown, UIHandler = typeof(PwWorkflows.Engine.Studio.TimeZoneChoices))]
    public Input<string?> TimeZone { get; set; } = null!;

    /// <inheritdoc />
    protected override object GetTriggerPayload(TriggerIndexingContext context)
    {
        var (cron, zone) = (context.Get(CronExpression), context.Get(TimeZone));
        Schedules.Parse(cron ?? "");
        Schedules.Zone(zone);
        return new CronTriggerPayload(cron!, string.IsNullOrWhiteSpace(zone) ? null : zone);
    }

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (context.IsTriggerOfWorkflow())
        {
            await context.CompleteActivityAsync();
            return;
        }
        var cron = context.Get(CronExpression) ?? "";
        var due = Schedules.Parse(cron).GetNextOccurrence(context.WorkflowExecutionContext.Now, Schedules.Zone(context.Get(TimeZone)))
            ?? throw new InvalidOperationException($"{Type} ({Id}): the schedule '{cron}' never comes round again.");
        context.JournalData["ExecuteAt"] = due;
        context.WaitUntil(due, new CronBookmarkPayload(due, cron));
    }
}
