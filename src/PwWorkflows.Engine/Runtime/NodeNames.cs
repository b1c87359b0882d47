using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace PwWorkflows.Engine;

/// <summary>Names of nodes. A node that starts again after a crash need not wait for the leases of its earlier life: it can see that that process is gone.</summary>
internal static class NodeNames
{
    private const string BootIdFile = "/proc/sys/kernel/random/boot_id";

    /// <summary>Machines may share a name; what they were given at their start tells them apart.</summary>
    private static readonly string Machine = $"{Environment.MachineName}-{(File.Exists(BootIdFile) ? File.ReadAllText(BootIdFile).Trim()[..8] : "")}-";

    private static readonly ConcurrentDictionary<string, byte> Mine = new(StringComparer.Ordinal);

    /// <summary>A name for a node in this process.</summary>
    public static string New()
    {
        while (true)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"{Machine}{Environment.ProcessId}-{Random.Shared.Next(0x10000):x4}");
            if (Mine.TryAdd(name, 0)) return name;
        }
    }

    /// <summary>True only for a node of this machine whose process certainly no longer runs; of other machines nothing is known.</summary>
    public static bool IsGone(string node)
    {
        if (Mine.ContainsKey(node) || !node.StartsWith(Machine, StringComparison.Ordinal)) return false;
        var end = node.LastIndexOf('-');
        if (end <= Machine.Length || !int.TryParse(node.AsSpan(Machine.Length, end - Machine.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var id)) return false;
        // Our own number in another life, as every container has it.
        if (id == Environment.ProcessId) return true;
        try
        {
            using var process = Process.GetProcessById(id);
            return process.HasExited;
        }
        catch (ArgumentException)
        {
            return true;
        }
    }
}
