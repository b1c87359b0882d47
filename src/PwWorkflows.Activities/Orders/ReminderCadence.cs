namespace PwWorkflows.Activities.Orders;

/// <summary>How often customers are reminded.</summary>
public sealed class ReminderOptions
{
    /// <summary><c>INTAKE_REMINDER_DAILY_PHASE</c>: so many reminders come day by day; default 10.</summary>
    public int DailyPhase { get; set; } = 10;

    /// <summary><c>INTAKE_REMINDER_WEEKLY_INTERVAL_DAYS</c>: days between the later ones; default 7.</summary>
    public int IntervalDays { get; set; } = 7;

    /// <summary><c>INTAKE_REMINDER_MAX</c>: after so many there are no more; default 60.</summary>
    public int Max { get; set; } = 60;

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        DailyPhase = settings.Number("INTAKE_REMINDER_DAILY_PHASE", DailyPhase, 0, 1000);
        IntervalDays = settings.Number("INTAKE_REMINDER_WEEKLY_INTERVAL_DAYS", IntervalDays, 1, 365);
        Max = settings.Number("INTAKE_REMINDER_MAX", Max, 1, 1000);
    }
}

/// <summary>What the cadence says of a reminder now.</summary>
public enum ReminderTurn
{
    /// <summary>It is to be sent.</summary>
    Due,
    /// <summary>Its day has not come.</summary>
    NotYet,
    /// <summary>All were sent.</summary>
    Ended,
}

/// <summary>
/// When the next reminder is due: the first on the day after it began to be missed, then one a calendar day, later one every so many days, and after the last none. A person who
/// clears the last date starts it anew, at once.
/// </summary>
public static class ReminderCadence
{
    /// <summary>The turn, and the number the reminder would have (from 1).</summary>
    /// <param name="sent">How many were sent since the last start.</param>
    /// <param name="last">Day of the last one; <c>null</c>: none yet, or cleared.</param>
    /// <param name="since">Day on which it began to be missed.</param>
    /// <param name="today">The day.</param>
    /// <param name="options">How often.</param>
    public static (ReminderTurn Turn, int Number) Of(int sent, DateOnly? last, DateOnly since, DateOnly today, ReminderOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (last is not { } before) return sent > 0 || today > since ? (ReminderTurn.Due, 1) : (ReminderTurn.NotYet, 1);
        if (sent >= options.Max) return (ReminderTurn.Ended, sent);
        var next = before.AddDays(sent < options.DailyPhase ? 1 : options.IntervalDays);
        return (today >= next ? ReminderTurn.Due : ReminderTurn.NotYet, sent + 1);
    }
}
