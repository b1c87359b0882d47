using System.Reflection;

namespace PwWorkflows.Engine.Expressions;

/// <summary>The time zones of the machine, as Jint reads them.</summary>
internal static class SystemTimeZones
{
    // Whoever comes second waits: an engine made before the field is filled would have the list sorted after all.
    private static readonly Lazy<bool> Filled = new(Fill);

    /// <summary>
    /// Lets the runtime keep its list of time zones without sorting it. Jint asks for that list when it is first used and takes the ids alone; the runtime sorts it by names in the
    /// user's language, which it looks up one by one: a third of a second of a start that takes less than two. There is no public way to hand Jint another list, so the runtime's own
    /// field is filled; where a runtime has no such field the list is sorted as ever.
    /// </summary>
    /// <returns>Whether the runtime has such a field.</returns>
    public static bool LeaveUnsorted() => Filled.Value;

    private static bool Fill()
    {
        var zones = TimeZoneInfo.GetSystemTimeZones(skipSorting: true);
        var cache = typeof(TimeZoneInfo).GetField("s_cachedData", BindingFlags.Static | BindingFlags.NonPublic)?.GetValue(null);
        var sorted = cache?.GetType().GetField("_readOnlySystemTimeZones", BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic);
        if (sorted?.FieldType.IsInstanceOfType(zones) != true) return false;
        sorted.SetValue(cache, zones);
        return true;
    }
}
