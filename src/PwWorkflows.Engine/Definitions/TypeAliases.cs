using System.Dynamic;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PwWorkflows.Engine.Definitions;

/// <summary>Names of types in definitions. A closed list: a name that is not on it is never looked up among the loaded assemblies, so a definition can't name code to load.</summary>
public static class TypeAliases
{
    private static readonly Dictionary<string, Type> ByName = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Object"] = typeof(object),
        ["String"] = typeof(string),
        ["Boolean"] = typeof(bool),
        ["Int16"] = typeof(short),
        ["Int32"] = typeof(int),
        ["Int64"] = typeof(long),
        ["Long"] = typeof(long),
        ["Single"] = typeof(float),
        ["Double"] = typeof(double),
        ["Decimal"] = typeof(decimal),
        ["Guid"] = typeof(Guid),
        ["DateTime"] = typeof(DateTime),
        ["DateTimeOffset"] = typeof(DateTimeOffset),
        ["TimeSpan"] = typeof(TimeSpan),
        ["ByteArray"] = typeof(byte[]),
        ["Stream"] = typeof(Stream),
        ["JSON"] = typeof(ExpandoObject),
        ["JsonElement"] = typeof(JsonElement),
        ["JsonNode"] = typeof(JsonNode),
        ["JsonObject"] = typeof(JsonObject),
        ["JsonArray"] = typeof(JsonArray),
        ["StringDictionary"] = typeof(IDictionary<string, string>),
        ["ObjectDictionary"] = typeof(IDictionary<string, object>),
        ["StringMap"] = typeof(Dictionary<string, string>),
        ["ObjectMap"] = typeof(Dictionary<string, object>),
    };

    private static readonly Dictionary<Type, string> ByType = ByName.Where(p => p.Key != "Long").ToDictionary(p => p.Value, p => p.Key);
    private static readonly Lock Gate = new();

    /// <summary>Adds a type that variables and payloads may use.</summary>
    public static void Register(Type type, string? alias = null)
    {
        lock (Gate)
        {
            ByName[alias ?? type.Name] = type;
            ByName[$"{type.FullName}, {type.Assembly.GetName().Name}"] = type;
            ByType[type] = alias ?? type.Name;
        }
    }

    /// <summary>The type of a name, its array and list forms, or null when the name is not on the list.</summary>
    public static Type? Find(string? name)
    {
        if (string.IsNullOrWhiteSpace(name)) return null;
        name = name.Trim();
        if (name.EndsWith("[]", StringComparison.Ordinal)) return Find(name[..^2])?.MakeArrayType();
        if (name.EndsWith('?')) return Find(name[..^1]) is { IsValueType: true } v ? typeof(Nullable<>).MakeGenericType(v) : null;
        if (name.StartsWith("List<", StringComparison.Ordinal) && name.EndsWith('>')) return Find(name[5..^1]) is { } item ? typeof(List<>).MakeGenericType(item) : null;
        lock (Gate)
        {
            if (ByName.TryGetValue(name, out var type)) return type;
            if (name.StartsWith("System.", StringComparison.Ordinal) && ByName.TryGetValue(name.Split(',')[0].Split('.')[^1], out var system)) return system;
        }
        return null;
    }

    /// <summary>Name of a type in definitions.</summary>
    public static string NameOf(Type type)
    {
        lock (Gate)
            if (ByType.TryGetValue(type, out var name)) return name;
        if (Nullable.GetUnderlyingType(type) is { } inner) return NameOf(inner) + "?";
        if (type.IsArray) return NameOf(type.GetElementType()!) + "[]";
        if (type.IsGenericType && type.GetGenericTypeDefinition() is { } g && (g == typeof(List<>) || g == typeof(ICollection<>) || g == typeof(IEnumerable<>))) return $"List<{NameOf(type.GetGenericArguments()[0])}>";
        return $"{type.FullName}, {type.Assembly.GetName().Name}";
    }
}
