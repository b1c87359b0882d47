using System.Globalization;
using PwWorkflows.Activities.Scheduling;

namespace PwWorkflows.Activities.Tests.Scheduling;

/// <summary>Due times against an oracle that shares nothing with the product: no cron parser and no time zone data, only the law's dates of daylight saving in the United States.</summary>
public sealed class CadenceTests
{
    private const string Chicago = "America/Chicago";
    private static readonly DateTimeOffset From = At("2026-01-01T00:00:00Z");
    private static readonly DateTimeOffset Until = At("2036-01-01T00:00:00Z");

    /// <summary>Cron, the minutes of the day at which it is due by the wall clock, the only weekday (or -1), whether it keeps running through the hour that comes twice.</summary>
    public static TheoryData<string, string, int, bool> Cadences => new()
    {
        { "0 9 * * *", "540", -1, false },
        { "0 3 * * *", "180", -1, false },
        { "*/30 * * * *", "every 30", -1, true },
        { "* * * * *", "every 1", -1, true },
        { "*/5 * * * *", "every 5", -1, true },
        { "0 2 * * *", "120", -1, false },
        { "0 4 * * *", "240", -1, false },
        { "0 5 * * *", "300", -1, false },
        { "0 10 * * *", "600", -1, false },
        { "0 11 * * *", "660", -1, false },
        { "0 8 * * 3", "480", 3, false },
        // The two nights themselves.
        { "30 2 * * *", "150", -1, false },
        { "30 1 * * *", "90", -1, false },
        { "15 1,2,3 * * *", "75,135,195", -1, false },
        { "0 0 * * *", "0", -1, false },
        { "30 1 * * SUN", "90", 0, false },
    };

    [Theory]
    [MemberData(nameof(Cadences))]
    public void Ten_years_in_Chicago_are_as_an_independent_oracle_says(string cron, string minutes, int weekday, bool keepsRunning)
    {
        var cadence = Cadence.OfCron(cron, Chicago);
        var expected = Oracle(minutes, weekday, keepsRunning).ToList();
        Assert.Equal(expected, cadence.Between(From.AddTicks(-1), Until.AddTicks(-1)));
        Assert.True(expected.Count > 500);
    }

    [Fact]
    public void Every_seven_days_counts_elapsed_time_through_ten_years()
    {
        var cadence = Cadence.OfInterval(TimeSpan.FromDays(7), At("2026-01-05T06:00:00Z"), Chicago);
        var times = cadence.Between(From, Until).ToList();
        Assert.Equal(522, times.Count);
        Assert.All(times, (at, i) => Assert.Equal(At("2026-01-05T06:00:00Z").AddDays(7 * i), at));
        // The wall clock moves by an hour in March: what counts is the time in between.
        Assert.Equal([0, 1], times.Select(t => TimeZoneInfo.ConvertTime(t, cadence.Zone).Hour).Distinct().Order());
    }

    [Fact]
    public void A_time_in_the_gap_runs_at_the_jump()
    {
        // 2026-03-08: 02:00 CST becomes 03:00 CDT, which is 08:00 UTC.
        var cadence = Cadence.OfCron("30 2 * * *", Chicago);
        Assert.Equal(At("2026-03-08T08:00:00Z"), cadence.Next(At("2026-03-08T00:00:00Z")));
        Assert.Equal(At("2026-03-09T07:30:00Z"), cadence.Next(At("2026-03-08T08:00:00Z")));
    }

    [Fact]
    public void A_time_that_exists_twice_runs_the_first_time_only()
    {
        // 2026-11-01: 01:30 CDT is 06:30 UTC, and an hour later it is 01:30 CST.
        var cadence = Cadence.OfCron("30 1 * * *", Chicago);
        Assert.Equal(At("2026-11-01T06:30:00Z"), cadence.Next(At("2026-11-01T00:00:00Z")));
        Assert.Equal(At("2026-11-02T07:30:00Z"), cadence.Next(At("2026-11-01T06:30:00Z")));
    }

    [Fact]
    public void Every_five_minutes_keeps_running_through_both_nights()
    {
        var cadence = Cadence.OfCron("*/5 * * * *", Chicago);
        foreach (var night in new[] { "2026-03-08T00:00:00Z", "2026-11-01T00:00:00Z" })
        {
            var times = cadence.Between(At(night), At(night).AddDays(1)).ToList();
            Assert.Equal(288, times.Count);
            Assert.All(times.Zip(times.Skip(1)), pair => Assert.Equal(TimeSpan.FromMinutes(5), pair.Second - pair.First));
        }
    }

    [Theory]
    [InlineData("0 9 * * *")]
    [InlineData("*/7 * * * * *")]
    [InlineData("0 8 * * 3")]
    public void The_next_time_is_after_the_one_before_and_the_same_in_whatever_offset_it_is_asked(string cron)
    {
        var cadence = Cadence.OfCron(cron, Chicago);
        var at = From;
        for (var i = 0; i < 1000; i++)
        {
            var next = cadence.Next(at)!.Value;
            Assert.True(next > at);
            Assert.Equal(next, cadence.Next(at.ToOffset(TimeSpan.FromHours(i % 27 - 13))));
            // Asked a moment before it, the answer is the time itself and nothing earlier.
            Assert.Equal(next, cadence.Next(next.AddTicks(-1)));
            at = next;
        }
    }

    [Fact]
    public void An_interval_is_due_on_its_grid_before_and_after_the_anchor()
    {
        var cadence = Cadence.OfInterval(TimeSpan.FromMinutes(20), At("2026-06-01T00:00:00Z"));
        Assert.Equal(At("2026-05-31T23:40:00Z"), cadence.Next(At("2026-05-31T23:20:01Z")));
        Assert.Equal(At("2026-05-31T23:40:00Z"), cadence.Next(At("2026-05-31T23:39:59.999Z")));
        Assert.Equal(At("2026-06-01T00:00:00Z"), cadence.Next(At("2026-05-31T23:40:00Z")));
        Assert.Equal(At("2026-06-01T00:20:00Z"), cadence.Next(At("2026-06-01T00:00:00Z")));
    }

    [Theory]
    [InlineData("0 9 * * *", "every day at 09:00")]
    [InlineData("0 3 * * *", "every day at 03:00")]
    [InlineData("*/30 * * * *", "every 30 minutes")]
    [InlineData("* * * * *", "every minute")]
    [InlineData("*/10 * * * * *", "every 10 seconds")]
    [InlineData("0 0 9 * * *", "every day at 09:00")]
    [InlineData("0 8 * * 3", "on Wednesdays at 08:00")]
    [InlineData("0 8 * * WED", "on Wednesdays at 08:00")]
    [InlineData("0 8,17 * * MON-FRI", "on weekdays at 08:00 and 17:00")]
    [InlineData("0 8 * * 6,7", "on Saturdays and Sundays at 08:00")]
    [InlineData("15 */4 * * *", "every 4 hours at minute 15")]
    [InlineData("5 * * * *", "every hour at minute 5")]
    [InlineData("0 0 1 * *", "on day 1 of the month at 00:00")]
    [InlineData("0 0 1 4,10 *", "on day 1 of April and October at 00:00")]
    [InlineData("0 6 L * *", "on the last day of the month at 06:00")]
    [InlineData("0 6 * 4 *", "every day in April at 06:00")]
    [InlineData("0 9 13 * FRI", "by cron '0 9 13 * FRI'")]
    public void Cadences_are_told_in_words(string cron, string words) => Assert.Equal(words, CadenceWords.Of(Settings(cron: cron)));

    [Fact]
    public void Intervals_are_told_in_words() =>
        Assert.Equal("every 7 days from 2026-01-05 06:00 UTC", CadenceWords.Of(Settings(interval: TimeSpan.FromDays(7), anchor: At("2026-01-05T06:00:00Z"))));

    [Fact]
    public void Everything_that_is_wrong_is_told_at_once_with_its_field_and_a_right_example()
    {
        var problems = new ScheduleSettings("61 9 * * *", "America/Chikago", null, From, (CatchUp)9, 0, TimeSpan.Zero, Overlap.Skip, TimeSpan.FromSeconds(-1), TimeSpan.Zero, true).Problems(From);
        Assert.Equal(["Cron", "TimeZone", "Anchor", "CatchUp", "CatchUpLimit", "CatchUpWindow", "Deadline", "Jitter"], problems.Select(p => p.Field));
        Assert.Contains("'0 9 * * *'", problems[0].Message, StringComparison.Ordinal);
        Assert.Contains("'America/Chicago'", problems[1].Message, StringComparison.Ordinal);
        Assert.Contains("RunOnce", problems[3].Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "Cron")]
    [InlineData("0 9 * *", "Cron")]
    [InlineData("0 9 31 2 *", "Cron")]
    [InlineData("nonsense", "Cron")]
    public void A_cron_expression_that_never_runs_is_refused(string cron, string field) =>
        Assert.Equal(field, Assert.Single(Settings(cron: cron).Problems(From)).Field);

    [Fact]
    public void Jitter_must_leave_the_order_of_runs_as_it_is()
    {
        Assert.Equal("Jitter", Assert.Single((Settings(cron: "* * * * *") with { Jitter = TimeSpan.FromMinutes(1) }).Problems(From)).Field);
        Assert.Empty((Settings(cron: "* * * * *") with { Jitter = TimeSpan.FromSeconds(59) }).Problems(From));
        // Whenever it is published: times need not be equally far apart.
        foreach (var hour in Enumerable.Range(0, 24))
        {
            var (field, message) = Assert.Single((Settings(cron: "0 9,10 * * *") with { Jitter = TimeSpan.FromHours(1) }).Problems(From.AddHours(hour)));
            Assert.Equal("Jitter", field);
            Assert.Contains("only 1 hour apart; expected less than that, such as '00:30:00'", message, StringComparison.Ordinal);
        }
    }

    internal static ScheduleSettings Settings(string? cron = null, TimeSpan? interval = null, DateTimeOffset? anchor = null, string? zone = Chicago) =>
        new(cron, zone, interval, anchor, CatchUp.RunOnce, 10, null, Overlap.Skip, TimeSpan.Zero, null, true);

    private static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    /// <summary>Walks every minute of ten years with the wall clock of Chicago in hand.</summary>
    private static IEnumerable<DateTimeOffset> Oracle(string minutes, int weekday, bool keepsRunning)
    {
        var step = minutes.StartsWith("every ", StringComparison.Ordinal) ? int.Parse(minutes[6..], CultureInfo.InvariantCulture) : 0;
        var times = step > 0 ? [] : minutes.Split(',').Select(m => int.Parse(m, CultureInfo.InvariantCulture)).ToHashSet();
        bool IsDue(DateTime wall)
        {
            var minute = wall.Hour * 60 + wall.Minute;
            return (weekday < 0 || (int)wall.DayOfWeek == weekday) && (step > 0 ? minute % step == 0 : times.Contains(minute));
        }

        var seen = new HashSet<DateTime>();
        var before = Wall(From.AddMinutes(-1));
        for (var at = From; at < Until; at = at.AddMinutes(1))
        {
            var wall = Wall(at);
            var due = IsDue(wall) && (keepsRunning || seen.Add(wall));
            // What the jump passed over is made up for at the jump, once.
            if (wall - before > TimeSpan.FromMinutes(1))
                for (var lost = before.AddMinutes(1); lost < wall; lost = lost.AddMinutes(1)) due |= IsDue(lost);
            if (due) yield return at;
            before = wall;
        }
    }

    /// <summary>The wall clock of Chicago: 15 U.S.C. 260a, second Sunday of March to first Sunday of November, each at 02:00 of the time in force.</summary>
    private static DateTime Wall(DateTimeOffset at)
    {
        static DateTime Sunday(int year, int month, int nth)
        {
            var first = new DateTime(year, month, 1);
            return first.AddDays((7 - (int)first.DayOfWeek) % 7 + 7 * (nth - 1));
        }

        var utc = at.UtcDateTime;
        var begins = Sunday(utc.Year, 3, 2).AddHours(8);
        var ends = Sunday(utc.Year, 11, 1).AddHours(7);
        return DateTime.SpecifyKind(utc.AddHours(utc >= begins && utc < ends ? -5 : -6), DateTimeKind.Unspecified);
    }
}
