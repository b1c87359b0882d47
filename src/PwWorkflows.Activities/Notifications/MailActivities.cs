using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Microsoft.Extensions.Options;

namespace PwWorkflows.Activities.Notifications;

/// <summary>Asks whether mails to customers may go out now.</summary>
[Activity("Pw", "Notifications", "Asks whether a job may mail customers now (quiet hours, working days and hours, holidays), and if not, from when on.", DisplayName = "Check Mail Hours")]
[FlowNode("Open", "Closed")]
[ChangesNothing]
public sealed class CheckMailHours : Activity
{
    /// <summary>Creates the activity.</summary>
    public CheckMailHours([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Held by quiet hours only.</summary>
    [Input(Description = "Urgent mail is held by quiet hours only, not by working days, working hours and holidays.")]
    public Input<bool> Urgent { get; set; } = new(false);

    /// <summary>From when on mails may go out.</summary>
    [Output(DisplayName = "Opens at", Description = "From when on mails may go out; now when they may.")]
    public Output<DateTimeOffset> OpensAt { get; set; } = default!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var hours = context.GetRequiredService<IOptions<MailOptions>>().Value.Hours;
        var now = context.GetRequiredService<TimeProvider>().GetUtcNow();
        var next = hours.NextOpen(now, Urgent.GetOrDefault(context)) ?? throw new NonRetryableException("The settings of the mail hours leave no time for mail within a year.");
        context.Set(OpensAt, next);
        if (hours.Held(now, Urgent.GetOrDefault(context)) is { } held) context.AddExecutionLogEntry("Report", held);
        await context.CompleteActivityWithOutcomesAsync(next > now ? "Closed" : "Open");
    }
}

/// <summary>Closes a ToDo whose reason has gone away.</summary>
[Activity("Pw", "Notifications", "Closes the administrators' open ToDo of a subject and marker. Nothing happens when there is none.", DisplayName = "Close ToDo")]
public sealed class CloseToDo : CodeActivity
{
    /// <summary>Creates the activity.</summary>
    public CloseToDo([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The order, or what else it is about.</summary>
    [Input(Description = "The order, such as CO-1A2B3C4D, or what else it is about.")]
    public Input<string> Subject { get; set; } = default!;

    /// <summary>Short stable word for the reason.</summary>
    [Input(Description = "Short stable word for the reason.")]
    public Input<string> Marker { get; set; } = default!;

    /// <summary>Close nothing.</summary>
    [Input(DisplayName = "Dry run", Description = "Close nothing.")]
    public Input<bool> DryRun { get; set; } = new(false);

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (DryRun.GetOrDefault(context)) return;
        await context.GetRequiredService<IAdminToDos>().CloseAsync(Subject.Get(context), Marker.Get(context), context.CancellationToken);
    }
}
