using System.Runtime.InteropServices;

namespace PwWorkflows.Engine.Storage;

/// <summary>How values are spelled in the database, the same on both.</summary>
internal static class StoreText
{
    private static readonly string[] Statuses = Enum.GetNames<InstanceStatus>();
    private static readonly string[] Kinds = Enum.GetNames<WorkKind>();

    public static string Of(InstanceStatus status) => Statuses[(int)status];

    public static string Of(WorkKind kind) => Kinds[(int)kind];

    public static InstanceStatus Status(string text) => (InstanceStatus)Array.IndexOf(Statuses, text);

    public static WorkKind Kind(string text) => (WorkKind)Array.IndexOf(Kinds, text);

    /// <summary>The bytes as an array, without a copy where they are a whole array.</summary>
    public static byte[] Bytes(ReadOnlyMemory<byte> memory) =>
        MemoryMarshal.TryGetArray(memory, out var segment) && segment.Array is { } array && segment.Offset == 0 && segment.Count == array.Length ? array : memory.ToArray();
}
