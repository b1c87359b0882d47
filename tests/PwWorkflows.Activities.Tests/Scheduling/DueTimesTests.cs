using System.Text.Json.Nodes;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Activities.Scheduling;

namespace PwWorkflows.Activities.Tests.Scheduling;

/// <summary>What the designer shows beside the cadence of a schedule while it is typed.</summary>
public sealed class DueTimesTests
{
    private static readonly FakeTimeProvider Clock = new(new DateTimeOffset(2026, 3, 6, 16, 0, 0, TimeSpan.Zero));

    [Theory]
    // Clocks go forward on the 8th: nine o'clock stays nine o'clock, and half past two runs at the jump.
    [InlineData("Cron", """{"cron":"0 9 * * *","timeZone":"America/Chicago"}""", "next: Sat 2026-03-07 09:00:00 · Sun 2026-03-08 09:00:00 · Mon 2026-03-09 09:00:00 · Tue 2026-03-10 09:00:00 · Wed 2026-03-11 09:00:00 (America/Chicago)")]
    [InlineData("Cron", """{"cron":"30 2 8 3 *","timeZone":"America/Chicago"}""", "next: Sun 2026-03-08 03:00:00 · Mon 2027-03-08 02:30:00 · Wed 2028-03-08 02:30:00 · Thu 2029-03-08 02:30:00 · Fri 2030-03-08 02:30:00 (America/Chicago)")]
    [InlineData("Interval", """{"interval":"7.00:00:00","anchor":"2026-01-05T06:00:00Z"}""", "next: Mon 2026-03-09 06:00:00 · Mon 2026-03-16 06:00:00 · Mon 2026-03-23 06:00:00 · Mon 2026-03-30 06:00:00 · Mon 2026-04-06 06:00:00 (UTC)")]
    [InlineData("Cron", """{"cron":"0 0 30 2 *"}""", "never runs")]
    [InlineData("Cron", """{"cron":"every day"}""", "'every day' has 2 fields; expected five fields (minute hour day month weekday), such as '0 9 * * *' for every day at 09:00, or six with seconds in front, such as '0 0 9 * * *'.")]
    [InlineData("Cron", """{"cron":"0 9 * * *","timeZone":"Chicago"}""", "'Chicago' is not an IANA time zone; expected a name such as 'America/Chicago' or 'UTC'.")]
    [InlineData("Cron", """{"interval":"7.00:00:00","anchor":"2026-01-05T06:00:00Z"}""", null)]
    [InlineData("Interval", """{"interval":"7.00:00:00"}""", null)]
    public async Task Five_due_times_are_shown_in_the_zone_of_the_schedule_or_what_is_wrong(string property, string given, string? expected)
    {
        var context = new JsonObject(JsonNode.Parse(given)!.AsObject().Select(p => KeyValuePair.Create(
            p.Key, (JsonNode?)new JsonObject { ["typeName"] = "String", ["expression"] = new JsonObject { ["type"] = "Literal", ["value"] = p.Value!.GetValue<string>() } })));
        var shown = await new DueTimes(Clock).GetUIPropertiesAsync(typeof(Schedule).GetProperty(property)!, context, TestContext.Current.CancellationToken);
        Assert.Equal(true, shown["Refresh"]);
        Assert.Equal(expected, shown.TryGetValue("singleline", out var line) ? (string?)line.GetType().GetProperty("AdornmentText")!.GetValue(line) : null);
    }
}
