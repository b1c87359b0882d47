using PwWorkflows.Engine.Expressions;

namespace PwWorkflows.Engine.Tests.Expressions;

public sealed class SystemTimeZonesTests
{
    [Fact]
    public void The_runtime_lists_every_time_zone_without_looking_up_its_name()
    {
        Assert.True(SystemTimeZones.LeaveUnsorted());
        var zones = TimeZoneInfo.GetSystemTimeZones();
        Assert.Same(TimeZoneInfo.GetSystemTimeZones(skipSorting: true), zones);
        Assert.Contains(zones, z => z.Id == "America/Chicago");
        Assert.True(zones.Count > 300, $"{zones.Count} time zones");
    }
}
