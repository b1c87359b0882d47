using System.Collections;
using System.ComponentModel;
using System.Dynamic;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Elsa.Expressions.Helpers;

/// <summary>Converts values between the types that activities, scripts and stored JSON use. Text is read in the invariant culture.</summary>
public static class ObjectConverter
{
    /// <summary>JSON rules for values: camelCase, case-insensitive, enums as text.</summary>
    internal static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(), new PlainObjectConverter() },
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Converts to <typeparamref name="T"/>; null becomes the default. Throws <see cref="TypeConversionException"/> when it can't.</summary>
    public static T? ConvertTo<T>(this object? value)
    {
        if (value is T typed && !(typeof(T) == typeof(object) && value is JsonElement or JsonNode)) return typed;
        return ConvertTo(value, typeof(T)) is T converted ? converted : default;
    }

    /// <summary>Converts to a type; null becomes null (or the default of a value type). Throws <see cref="TypeConversionException"/> when it can't.</summary>
    public static object? ConvertTo(this object? value, Type target)
    {
        var type = Nullable.GetUnderlyingType(target) ?? target;
        if (value is null) return target.IsValueType && type == target ? Activator.CreateInstance(target) : null;
        if (type == typeof(object)) return value is JsonElement or JsonNode ? PlainObjectConverter.ToPlain(value) : value;
        if (type.IsInstanceOfType(value)) return value;
        try
        {
            return ConvertCore(value, type, target);
        }
        catch (Exception e) when (e is not TypeConversionException)
        {
            // Messages of parsers repeat the whole text; that of a long one (a token, a document) does not belong into a log.
            var detail = e is JsonException or OverflowException || !IsLong(ToText(value)) ? $": {e.Message}" : ".";
            throw new TypeConversionException($"{Describe(value)} can't be read as {type.Name}{detail}", value, target, detail.Length > 1 ? e : null);
        }
    }

    private static object? ConvertCore(object value, Type type, Type target)
    {
        if (type == typeof(string)) return ToText(value);
        if (value is JsonElement { ValueKind: JsonValueKind.String } e) value = e.GetString()!;
        if (value is JsonValue jv && jv.TryGetValue<string>(out var jsonText)) value = jsonText;
        if (value is string text) return FromText(text, type, target);
        if (type.IsEnum) return Enum.ToObject(type, Convert.ToInt64(value is JsonElement je ? je.GetInt64() : value, CultureInfo.InvariantCulture));
        if (value is JsonElement or JsonNode)
        {
            if (type == typeof(JsonNode)) return JsonSerializer.SerializeToNode(value, Json);
            var plain = PlainObjectConverter.ToPlain(value);
            if (plain is null) return target.IsValueType && type == target ? Activator.CreateInstance(type) : null;
            if (plain is IConvertible && typeof(IConvertible).IsAssignableFrom(type)) return Convert.ChangeType(plain, type, CultureInfo.InvariantCulture);
            return JsonSerializer.Deserialize(JsonSerializer.SerializeToUtf8Bytes(value, Json), type, Json);
        }
        if (value is IConvertible && type.IsPrimitive || type == typeof(decimal)) return Convert.ChangeType(value, type, CultureInfo.InvariantCulture);
        if (type == typeof(TimeSpan) && value is IConvertible) return TimeSpan.FromMilliseconds(Convert.ToDouble(value, CultureInfo.InvariantCulture));
        if (type == typeof(DateTimeOffset) && value is DateTime dt) return new DateTimeOffset(DateTime.SpecifyKind(dt, dt.Kind == DateTimeKind.Unspecified ? DateTimeKind.Utc : dt.Kind));
        if (type == typeof(DateTime) && value is DateTimeOffset dto) return dto.UtcDateTime;
        if (type == typeof(JsonNode)) return JsonSerializer.SerializeToNode(value, value.GetType(), Json);
        if (type == typeof(JsonElement)) return JsonSerializer.SerializeToElement(value, value.GetType(), Json);
        if (type == typeof(ExpandoObject)) return ToExpando(value);
        if (typeof(IEnumerable).IsAssignableFrom(type) && value is IEnumerable items && value is not IDictionary && !IsDictionary(type))
            return ToCollection(items, type);
        return JsonSerializer.Deserialize(JsonSerializer.SerializeToUtf8Bytes(value, value.GetType(), Json), type, Json);
    }

    private static object? FromText(string text, Type type, Type target)
    {
        if (text.Length == 0 && (type != target || !type.IsValueType)) return null;
        if (type.IsEnum) return Enum.Parse(type, text, ignoreCase: true);
        if (text.Length == 0 && type.IsValueType) return Activator.CreateInstance(type);
        if (type == typeof(bool)) return bool.Parse(text);
        if (type == typeof(int)) return int.Parse(text, NumberStyles.Integer | NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
        if (type == typeof(long)) return long.Parse(text, NumberStyles.Integer | NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
        if (type == typeof(double)) return double.Parse(text, CultureInfo.InvariantCulture);
        if (type == typeof(float)) return float.Parse(text, CultureInfo.InvariantCulture);
        if (type == typeof(decimal)) return decimal.Parse(text, NumberStyles.Number | NumberStyles.AllowExponent, CultureInfo.InvariantCulture);
        if (type == typeof(short)) return short.Parse(text, CultureInfo.InvariantCulture);
        if (type == typeof(TimeSpan)) return TimeSpan.Parse(text, CultureInfo.InvariantCulture);
        if (type == typeof(DateTimeOffset)) return DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
        if (type == typeof(DateTime)) return DateTime.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);
        if (type == typeof(Guid)) return Guid.Parse(text);
        if (type == typeof(Uri)) return new Uri(text, UriKind.RelativeOrAbsolute);
        if (type == typeof(byte[])) return Convert.FromBase64String(text);
        if (type == typeof(Type)) return Type.GetType(text);
        if (type.IsPrimitive) return Convert.ChangeType(text, type, CultureInfo.InvariantCulture);
        var trimmed = text.AsSpan().Trim();
        if (trimmed.Length > 0 && (trimmed[0] is '{' or '[' or '"'))
        {
            if (type == typeof(ExpandoObject)) return ToExpando(JsonSerializer.Deserialize<JsonElement>(text, Json));
            return JsonSerializer.Deserialize(text, type, Json);
        }
        if (type != typeof(ExpandoObject) && typeof(IEnumerable).IsAssignableFrom(type) && !IsDictionary(type)) return ToCollection(new[] { text }, type);
        var converter = TypeDescriptor.GetConverter(type);
        if (converter.CanConvertFrom(typeof(string))) return converter.ConvertFromInvariantString(text);
        throw new FormatException($"'{text}' is not {type.Name}");
    }

    /// <summary>Text of a value as workflows see it: invariant; objects and collections as JSON.</summary>
    internal static string? ToText(object? value) => value switch
    {
        null => null,
        string s => s,
        bool b => b ? "true" : "false",
        JsonElement { ValueKind: JsonValueKind.String } e => e.GetString(),
        JsonValue v when v.TryGetValue<string>(out var text) => text,
        DateTimeOffset d => d.ToString("O", CultureInfo.InvariantCulture),
        DateTime d => d.ToString("O", CultureInfo.InvariantCulture),
        Enum e => e.ToString(),
        Uri u => u.ToString(),
        IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
        Type t => t.AssemblyQualifiedName,
        _ => JsonSerializer.Serialize(value, value.GetType(), Json),
    };

    private static bool IsDictionary(Type type) =>
        typeof(IDictionary).IsAssignableFrom(type) || type.IsGenericType && type.GetGenericTypeDefinition() is { } g && (g == typeof(IDictionary<,>) || g == typeof(IReadOnlyDictionary<,>));

    private static object ToCollection(IEnumerable items, Type type)
    {
        var element = type.IsArray ? type.GetElementType()! : type.IsGenericType ? type.GetGenericArguments()[0] : typeof(object);
        var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(element))!;
        foreach (var item in items) list.Add(ConvertTo(item, element));
        if (type.IsArray)
        {
            var array = Array.CreateInstance(element, list.Count);
            list.CopyTo(array, 0);
            return array;
        }
        if (type.IsInstanceOfType(list)) return list;
        var setType = typeof(HashSet<>).MakeGenericType(element);
        if (type.IsAssignableFrom(setType)) return Activator.CreateInstance(setType, list)!;
        return Activator.CreateInstance(type, list) ?? throw new FormatException($"a list can't be made into {type.Name}");
    }

    private static object? ToExpando(object value) =>
        PlainObjectConverter.ToPlain(value is JsonElement or JsonNode ? value : JsonSerializer.SerializeToElement(value, value.GetType(), Json));

    /// <summary>A copy that shares nothing with the original which a run could change. What can't be copied is given as it is.</summary>
    internal static object? Copy(object? value)
    {
        switch (value)
        {
            case null or string or ValueType or Uri or Type or Delegate or Version: return value;
            case JsonNode node: return node.DeepClone();
            case ExpandoObject map:
                IDictionary<string, object?> copy = new ExpandoObject();
                foreach (var (key, item) in map) copy[key] = Copy(item);
                return copy;
            case List<object?> list: return list.ConvertAll(Copy);
            case byte[] bytes: return bytes.Clone();
            case not IEnumerable when value.GetType().Namespace?.StartsWith("System", StringComparison.Ordinal) == true: return value;
        }
        try
        {
            return JsonSerializer.Deserialize(JsonSerializer.SerializeToUtf8Bytes(value, value.GetType(), Json), value.GetType(), Json);
        }
        catch (Exception e) when (e is NotSupportedException or JsonException or InvalidOperationException)
        {
            return value;
        }
    }

    private static bool IsLong(string? text) => text?.Length > 60;

    private static string Describe(object value)
    {
        var text = ToText(value) ?? "";
        return IsLong(text) ? $"a {value.GetType().Name} of {text.Length} characters" : $"'{text}'";
    }
}

/// <summary>A value could not be converted; names the value and the type.</summary>
public sealed class TypeConversionException(string message, object? value, Type targetType, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What was given.</summary>
    public object? Value { get; } = value;
    /// <summary>What was wanted.</summary>
    public Type TargetType { get; } = targetType;
}

/// <summary>Reads untyped JSON as plain data (text, numbers, booleans, lists, expando objects), never as a type that the JSON names.</summary>
internal sealed class PlainObjectConverter : JsonConverter<object>
{
    public override object? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using var doc = JsonDocument.ParseValue(ref reader);
        return ToPlain(doc.RootElement);
    }

    public override void Write(Utf8JsonWriter writer, object value, JsonSerializerOptions options)
    {
        if (value.GetType() == typeof(object)) { writer.WriteStartObject(); writer.WriteEndObject(); }
        else JsonSerializer.Serialize(writer, value, value.GetType(), options);
    }

    public static object? ToPlain(object? value)
    {
        switch (value)
        {
            case JsonNode node: return ToPlain(JsonSerializer.SerializeToElement(node));
            case JsonElement e:
                switch (e.ValueKind)
                {
                    case JsonValueKind.String: return e.GetString();
                    case JsonValueKind.True: return true;
                    case JsonValueKind.False: return false;
                    case JsonValueKind.Number: return e.TryGetInt64(out var l) ? (object)l : e.GetDouble();
                    case JsonValueKind.Array:
                        var list = new List<object?>(e.GetArrayLength());
                        foreach (var item in e.EnumerateArray()) list.Add(ToPlain(item));
                        return list;
                    case JsonValueKind.Object:
                        IDictionary<string, object?> expando = new ExpandoObject();
                        foreach (var p in e.EnumerateObject()) expando[p.Name] = ToPlain(p.Value);
                        return expando;
                    default: return null;
                }
            default: return value;
        }
    }
}
