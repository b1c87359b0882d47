using System.Data.Common;
using System.Globalization;
using System.Text.Json;

namespace PwWorkflows.Engine.Storage;

/// <summary>How the engine's own tables keep values on SQLite: times as microseconds since 1970 (UTC), lists of texts as a JSON array.</summary>
internal static class SqliteValue
{
    private static readonly string[] Names = [.. Enumerable.Range(1, 32).Select(i => "$" + i.ToString(CultureInfo.InvariantCulture))];

    public static string Name(int index) => Names[index];

    public static long Of(DateTimeOffset time) => (time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;

    public static DateTimeOffset Time(DbDataReader reader, int column) => DateTimeOffset.UnixEpoch.AddTicks(reader.GetInt64(column) * TimeSpan.TicksPerMicrosecond);

    public static object Of(object? value) => value switch
    {
        null => DBNull.Value,
        DateTimeOffset time => Of(time),
        string[] texts => JsonSerializer.Serialize(texts, JsonSerializerOptions.Default),
        ReadOnlyMemory<byte> bytes => StoreText.Bytes(bytes),
        _ => value,
    };
}
