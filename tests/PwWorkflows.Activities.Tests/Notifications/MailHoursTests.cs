using System.Globalization;
using Microsoft.Extensions.Configuration;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Tests.Notifications;

/// <summary>When jobs may mail customers.</summary>
public sealed class MailHoursTests
{
    private static readonly TimeZoneInfo Chicago = TimeZoneInfo.FindSystemTimeZoneById("America/Chicago");

    private static DateTimeOffset At(string local)
    {
        var time = DateTime.ParseExact(local, "yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
        return new DateTimeOffset(time, Chicago.GetUtcOffset(time));
    }

    private static (MailHours Hours, IReadOnlyList<string> Problems) Read(params (string Name, string Value)[] values)
    {
        var reader = new SettingsReader(new ConfigurationBuilder().AddInMemoryCollection(values.ToDictionary(v => v.Name, v => (string?)v.Value)).Build());
        return (MailHours.Read(reader, At("2026-11-25 12:00")), reader.Problems);
    }

    private static MailHours Office => Read(("MAIL_WORKING_HOURS", "09:00-17:00"), ("MAIL_WORKING_DAYS", "Mon,Tue,Wed,Thu,Fri"), ("MAIL_HOLIDAYS", "2026-11-26, 12-25")).Hours;

    [Theory]
    [InlineData("2026-11-25 20:59", true)]
    [InlineData("2026-11-25 21:00", false)]
    [InlineData("2026-11-26 00:00", false)]
    [InlineData("2026-11-26 07:59", false)]
    [InlineData("2026-11-26 08:00", true)]
    public void Quiet_hours_go_over_midnight_and_hold_urgent_mail_too(string now, bool open)
    {
        Assert.Equal(open, new MailHours().IsOpen(At(now), urgent: true));
        Assert.Equal(open, new MailHours().IsOpen(At(now), urgent: false));
    }

    [Theory]
    [InlineData("2026-11-25 09:00", true)] // Wednesday
    [InlineData("2026-11-25 08:59", false)]
    [InlineData("2026-11-25 17:00", false)]
    [InlineData("2026-11-26 12:00", false)] // The holiday of this year.
    [InlineData("2027-11-26 12:00", true)]
    [InlineData("2026-12-25 12:00", false)] // The holiday of every year.
    [InlineData("2028-12-25 12:00", false)]
    [InlineData("2026-11-28 12:00", false)] // Saturday
    public void Working_time_holds_routine_mail_only(string now, bool open)
    {
        Assert.Equal(open, Office.IsOpen(At(now), urgent: false));
        Assert.True(Office.IsOpen(At(now), urgent: true));
    }

    [Theory]
    [InlineData("2026-11-25 17:00", "2026-11-27 09:00")] // Over the holiday.
    [InlineData("2026-11-27 18:00", "2026-11-30 09:00")] // Over the weekend.
    [InlineData("2026-11-25 10:30", "2026-11-25 10:30")]
    public void Held_mail_is_told_when_it_may_go(string now, string opens) => Assert.Equal(At(opens), Office.NextOpen(At(now), urgent: false));

    [Theory]
    [InlineData("2026-03-08 01:00", "2026-03-08T08:00:00Z")] // 02:30 does not exist: the jump, 03:00 CDT.
    [InlineData("2026-11-01 00:30", "2026-11-01T07:30:00Z")] // 02:30 is after the night's second pass of 01:00 to 02:00.
    public void Nights_of_daylight_saving_have_one_opening(string now, string opens) =>
        Assert.Equal(DateTimeOffset.Parse(opens, CultureInfo.InvariantCulture) + (opens.Contains("11-01", StringComparison.Ordinal) ? TimeSpan.FromHours(1) : TimeSpan.Zero),
            Read(("MAIL_QUIET_HOURS", "21:00-02:30")).Hours.NextOpen(At(now), urgent: true));

    [Fact]
    public void Opening_that_comes_twice_in_autumn_opens_the_second_time_too()
    {
        var hours = Read(("MAIL_QUIET_HOURS", "21:00-01:30")).Hours;
        Assert.Equal(new DateTimeOffset(2026, 11, 1, 6, 30, 0, TimeSpan.Zero), hours.NextOpen(new DateTimeOffset(2026, 11, 1, 6, 10, 0, TimeSpan.Zero), urgent: true));
        Assert.Equal(new DateTimeOffset(2026, 11, 1, 7, 30, 0, TimeSpan.Zero), hours.NextOpen(new DateTimeOffset(2026, 11, 1, 7, 10, 0, TimeSpan.Zero), urgent: true));
    }

    [Fact]
    public void Every_wrong_setting_is_named_at_once()
    {
        var (_, problems) = Read(("MAIL_TIME_ZONE", "Chicago"), ("MAIL_QUIET_HOURS", "9pm-8am"), ("MAIL_WORKING_HOURS", "09:00-09:00"), ("MAIL_WORKING_DAYS", "Mon,Funday"), ("MAIL_HOLIDAYS", "12-25,02-30"));
        Assert.Equal(["MAIL_HOLIDAYS", "MAIL_QUIET_HOURS", "MAIL_TIME_ZONE", "MAIL_WORKING_DAYS", "MAIL_WORKING_HOURS"], problems.Select(p => p.Split(':')[0]).Order());
        Assert.Contains("found '02-30'", string.Join('\n', problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Hours_that_leave_no_time_are_refused() =>
        Assert.Contains("found none within a year", Assert.Single(Read(("MAIL_WORKING_HOURS", "22:00-23:00")).Problems), StringComparison.Ordinal);
}
