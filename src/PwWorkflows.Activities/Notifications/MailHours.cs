using System.Globalization;

namespace PwWorkflows.Activities.Notifications;

/// <summary>A span of a day; one whose end is before its start goes over midnight.</summary>
/// <param name="From">First minute in it.</param>
/// <param name="To">First minute after it.</param>
public sealed record DaySpan(TimeOnly From, TimeOnly To)
{
    /// <summary>Whether a time of day lies in it.</summary>
    public bool Contains(TimeOnly time) => From <= To ? time >= From && time < To : time >= From || time < To;
}

/// <summary>A day of the year without routine mail: a date, or a month and day of every year.</summary>
/// <param name="Year"><c>null</c>: every year.</param>
/// <param name="Month">1 to 12.</param>
/// <param name="Day">1 to 31.</param>
public sealed record Holiday(int? Year, int Month, int Day)
{
    /// <summary>Whether a date is it.</summary>
    public bool Is(DateOnly date) => date.Month == Month && date.Day == Day && (Year is null || date.Year == Year);
}

/// <summary>
/// When mails that a job starts may go to customers. Quiet hours hold all of them; working days, working hours and holidays hold routine ones
/// (reminders, renewals) only. Answers to what a customer just did are not held at all.
/// </summary>
public sealed class MailHours
{
    private const int LongestSearchDays = 400;

    /// <summary>The zone all times are meant in; <c>MAIL_TIME_ZONE</c>, default America/Chicago.</summary>
    public TimeZoneInfo Zone { get; init; } = TimeZoneInfo.FindSystemTimeZoneById("America/Chicago");

    /// <summary>No mail of a job in these hours; <c>MAIL_QUIET_HOURS</c>, default 21:00-08:00; <c>null</c>: none.</summary>
    public DaySpan? Quiet { get; init; } = new(new(21, 0), new(8, 0));

    /// <summary>Routine mail in these hours only; <c>MAIL_WORKING_HOURS</c>; <c>null</c>: any hour.</summary>
    public DaySpan? Working { get; init; }

    /// <summary>Routine mail on these days only; <c>MAIL_WORKING_DAYS</c>, default every day.</summary>
    public IReadOnlySet<DayOfWeek> Days { get; init; } = Enum.GetValues<DayOfWeek>().ToHashSet();

    /// <summary>No routine mail on these days; <c>MAIL_HOLIDAYS</c>.</summary>
    public IReadOnlyList<Holiday> Holidays { get; init; } = [];

    /// <summary>Whether a mail may go out now.</summary>
    /// <param name="now">The moment.</param>
    /// <param name="urgent">Held by quiet hours only.</param>
    public bool IsOpen(DateTimeOffset now, bool urgent)
    {
        var local = TimeZoneInfo.ConvertTime(now, Zone);
        var time = TimeOnly.FromDateTime(local.DateTime);
        if (Quiet?.Contains(time) == true) return false;
        if (urgent) return true;
        var date = DateOnly.FromDateTime(local.DateTime);
        return Working?.Contains(time) != false && Days.Contains(date.DayOfWeek) && !Holidays.Any(h => h.Is(date));
    }

    /// <summary>The first moment from <paramref name="now"/> on at which a mail may go out; <c>null</c> when none comes within 400 days.</summary>
    public DateTimeOffset? NextOpen(DateTimeOffset now, bool urgent)
    {
        if (IsOpen(now, urgent)) return now;
        // It can only open where a day or a span begins or ends.
        TimeOnly[] edges = [.. new[] { TimeOnly.MinValue, Quiet?.From, Quiet?.To, Working?.From, Working?.To }.OfType<TimeOnly>().Distinct().Order()];
        var first = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(now, Zone).DateTime);
        for (var date = first; date < first.AddDays(LongestSearchDays); date = date.AddDays(1))
        {
            if (edges.SelectMany(edge => Instants(date.ToDateTime(edge))).Where(at => at > now && IsOpen(at, urgent)).Order().Cast<DateTimeOffset?>().FirstOrDefault() is { } opens) return opens;
        }

        return null;
    }

    /// <summary>Why a mail must wait, for people: until when mail to customers is held. <c>null</c> when it may go out now.</summary>
    public string? Held(DateTimeOffset now, bool urgent)
    {
        if (IsOpen(now, urgent)) return null;
        return NextOpen(now, urgent) is { } next
            ? string.Create(CultureInfo.InvariantCulture, $"Mail to customers is held until {TimeZoneInfo.ConvertTime(next, Zone):yyyy-MM-dd HH:mm} {Zone.Id}.")
            : "Mail to customers is held: the settings of the mail hours leave no time for it within a year.";
    }

    /// <summary>The date at a moment in the zone.</summary>
    public DateOnly DateOf(DateTimeOffset now) => DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(now, Zone).DateTime);

    /// <summary>Reads the settings.</summary>
    public static MailHours Read(SettingsReader settings, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var hours = new MailHours
        {
            Zone = ReadZone(settings, "MAIL_TIME_ZONE", "America/Chicago"),
            Quiet = Span(settings, "MAIL_QUIET_HOURS", "21:00-08:00"),
            Working = Span(settings, "MAIL_WORKING_HOURS", "none"),
            Days = ReadDays(settings),
            Holidays = ReadHolidays(settings),
        };
        if (hours.Days.Count > 0 && hours.NextOpen(now, urgent: false) is null)
            settings.Problem("MAIL_WORKING_HOURS: expected hours, days and holidays that leave some time outside of MAIL_QUIET_HOURS, found none within a year.");
        return hours;
    }

    /// <summary>When the clocks show a wall time. One that they leave out in spring is the moment of the jump; one that comes twice in autumn is both.</summary>
    private IEnumerable<DateTimeOffset> Instants(DateTime local)
    {
        while (Zone.IsInvalidTime(local)) local = local.AddMinutes(1);
        var offsets = Zone.IsAmbiguousTime(local) ? Zone.GetAmbiguousTimeOffsets(local) : [Zone.GetUtcOffset(local)];
        return offsets.Select(offset => new DateTimeOffset(local, offset).ToUniversalTime());
    }

    private static TimeZoneInfo ReadZone(SettingsReader settings, string name, string fallback)
    {
        var id = settings.Text(name, fallback);
        if (TimeZoneInfo.TryFindSystemTimeZoneById(id, out var zone)) return zone;
        settings.Problem($"{name}: expected an IANA time zone such as America/Chicago, found '{id}'.");
        return TimeZoneInfo.Utc;
    }

    private static DaySpan? Span(SettingsReader settings, string name, string fallback)
    {
        var text = settings.Text(name, fallback);
        if (text.Equals("none", StringComparison.OrdinalIgnoreCase)) return null;
        if (text.Split('-', StringSplitOptions.TrimEntries) is [var from, var to]
            && TimeOnly.TryParseExact(from, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var start)
            && TimeOnly.TryParseExact(to, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var end) && start != end) return new DaySpan(start, end);
        settings.Problem($"{name}: expected hours such as 21:00-08:00, or none, found '{text}'.");
        return null;
    }

    private static HashSet<DayOfWeek> ReadDays(SettingsReader settings)
    {
        var text = settings.Text("MAIL_WORKING_DAYS", "Mon,Tue,Wed,Thu,Fri,Sat,Sun");
        var days = new HashSet<DayOfWeek>();
        foreach (var word in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var day = Enum.GetValues<DayOfWeek>().Cast<DayOfWeek?>().FirstOrDefault(d => d.ToString()![..3].Equals(word, StringComparison.OrdinalIgnoreCase));
            if (day is { } known) days.Add(known);
            else settings.Problem($"MAIL_WORKING_DAYS: expected days such as Mon,Tue,Wed,Thu,Fri, found '{word}'.");
        }

        if (days.Count == 0) settings.Problem("MAIL_WORKING_DAYS: expected at least one day, found none.");
        return days;
    }

    private static List<Holiday> ReadHolidays(SettingsReader settings)
    {
        var holidays = new List<Holiday>();
        foreach (var word in settings.Text("MAIL_HOLIDAYS").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            // 2024 is a leap year, so that 02-29 is a day.
            if (DateOnly.TryParseExact(word, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date)) holidays.Add(new(date.Year, date.Month, date.Day));
            else if (DateOnly.TryParseExact("2024-" + word, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var yearly)) holidays.Add(new(null, yearly.Month, yearly.Day));
            else settings.Problem($"MAIL_HOLIDAYS: expected dates such as 2026-11-26 or 12-25 (every year), found '{word}'.");
        }

        return holidays;
    }
}
