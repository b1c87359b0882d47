using System.Globalization;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>Says in words what a cadence means, for people who don't read cron.</summary>
public static class CadenceWords
{
    private static readonly string[] Days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    private static readonly string[] Months = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

    /// <summary>Such as <c>every day at 09:00</c> or <c>every 7 days from 2026-01-05 06:00</c>; an expression of rarer kinds is shown as it is.</summary>
    public static string Of(ScheduleSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.Interval is { } interval)
            return $"every {Length(interval)}{(settings.Anchor is { } anchor ? " from " + anchor.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture) + " UTC" : "")}";
        return Cron(settings.Cron ?? "");
    }

    /// <summary>A length of time: <c>7 days</c>, <c>90 seconds</c>, <c>1 hour 30 minutes</c>.</summary>
    public static string Length(TimeSpan length)
    {
        var parts = new List<string>();
        Part((long)length.TotalDays, "day");
        Part(length.Hours, "hour");
        Part(length.Minutes, "minute");
        Part(length.Seconds, "second");
        return parts.Count == 0 ? "0 seconds" : string.Join(' ', parts);

        void Part(long count, string unit)
        {
            if (count > 0) parts.Add(string.Create(CultureInfo.InvariantCulture, $"{count} {unit}{(count == 1 ? "" : "s")}"));
        }
    }

    /// <summary>A length of time in its two largest units, as short as lists need it: <c>2 days 5h</c>, <c>17min 3s</c>.</summary>
    public static string Rough(TimeSpan length)
    {
        if (length < TimeSpan.Zero) length = -length;
        return length.TotalDays >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{(long)length.TotalDays} day{(length.TotalDays < 2 ? "" : "s")}{(length.Hours > 0 ? $" {length.Hours}h" : "")}")
            : length.TotalHours >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{length.Hours}h{(length.Minutes > 0 ? $" {length.Minutes}min" : "")}")
            : length.TotalMinutes >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{length.Minutes}min{(length.Seconds > 0 ? $" {length.Seconds}s" : "")}")
            : string.Create(CultureInfo.InvariantCulture, $"{length.Seconds}s");
    }

    private static string Cron(string expression)
    {
        var fields = expression.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length == 6 && fields[0] == "0") fields = fields[1..];
        var plain = $"by cron '{expression}'";
        if (fields.Length == 6) return fields[1..].All(static f => f == "*") && Step(fields[0]) is { } seconds ? Every(seconds, "second") : plain;
        if (fields.Length != 5) return plain;
        if (Day(fields[2], fields[3], fields[4]) is not { } day) return plain;
        var when = day.Length == 0 ? "" : " " + day;
        if (fields[1] == "*")
        {
            if (Step(fields[0]) is { } minutes) return Every(minutes, "minute") + when;
            return Numbers(fields[0], 0, 59) is { } at ? $"every hour at minute {And([.. at.Select(Number)])}{when}" : plain;
        }

        if (Numbers(fields[0], 0, 59) is not { } minute) return plain;
        if (fields[1].StartsWith("*/", StringComparison.Ordinal) && minute.Count == 1 && Step(fields[1]) is { } hours) return $"{Every(hours, "hour")} at minute {Number(minute[0])}{when}";
        if (Numbers(fields[1], 0, 23) is not { } hour || hour.Count * minute.Count > 6) return plain;
        var times = And([.. hour.SelectMany(h => minute.Select(m => string.Create(CultureInfo.InvariantCulture, $"{h:00}:{m:00}")))]);
        return day.Length == 0 ? $"every day at {times}" : $"{day} at {times}";
    }

    /// <summary>Which days; empty for every day, <c>null</c> when it can't be said in words.</summary>
    private static string? Day(string ofMonth, string month, string ofWeek)
    {
        var months = month == "*" ? [] : Names(month, Months, 1);
        var weekdays = ofWeek is "*" or "?" ? [] : Names(ofWeek, Days, 0);
        if (months is null || weekdays is null) return null;
        var days = ofMonth is "*" or "?" ? [] : ofMonth == "L" ? ["the last day"] : Numbers(ofMonth, 1, 31)?.Select(static d => "day " + Number(d)).ToList();
        if (days is null || (days.Count > 0 && weekdays.Count > 0)) return null;
        var when = days.Count > 0 ? $"on {And(days)} of {(months.Count > 0 ? And(months) : "the month")}"
            : weekdays is ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"] ? "on weekdays"
            : weekdays.Count > 0 ? "on " + And([.. weekdays.Select(static d => d + "s")]) : "";
        return days.Count == 0 && months.Count > 0 ? $"{(when.Length > 0 ? when + " " : "every day ")}in {And(months)}" : when;
    }

    private static List<string>? Names(string field, string[] names, int first)
    {
        var numbers = new List<int>();
        foreach (var part in field.Split(','))
        {
            var ends = part.Split('-').Select(p => int.TryParse(p, CultureInfo.InvariantCulture, out var n) ? n : first + Array.FindIndex(names, name => name.StartsWith(p, StringComparison.OrdinalIgnoreCase) && p.Length == 3)).ToList();
            if (ends.Count > 2 || ends.Exists(e => e < first || e > first + names.Length - (first == 0 ? 0 : 1)) || ends[0] > ends[^1]) return null;
            for (var n = ends[0]; n <= ends[^1]; n++) numbers.Add(n);
        }

        return [.. numbers.Select(n => names[(n - first) % names.Length])];
    }

    private static List<int>? Numbers(string field, int least, int most)
    {
        var numbers = new List<int>();
        foreach (var part in field.Split(','))
        {
            if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number < least || number > most) return null;
            numbers.Add(number);
        }

        numbers.Sort();
        return numbers;
    }

    private static int? Step(string field) =>
        field == "*" ? 1 : field.StartsWith("*/", StringComparison.Ordinal) && int.TryParse(field.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out var step) && step > 0 ? step : null;

    private static string Every(int count, string unit) => count == 1 ? $"every {unit}" : string.Create(CultureInfo.InvariantCulture, $"every {count} {unit}s");

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string And(IReadOnlyList<string> parts) => parts.Count == 1 ? parts[0] : string.Join(", ", parts.Take(parts.Count - 1)) + " and " + parts[^1];
}
