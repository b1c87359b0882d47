using System.Globalization;
using System.Text.Json;
using Elsa.Expressions.Helpers;
using PwWorkflows.Engine.Definitions;

namespace PwWorkflows.Engine;

/// <summary>
/// How long ended instances of a definition are kept. Read from the definition's custom property <c>retention</c>: a number of days (<c>30</c>), a duration (<c>"30.00:00:00"</c>)
/// or <c>"forever"</c>.
/// </summary>
public static class RetentionPeriod
{
    /// <summary>Name of the custom property.</summary>
    public const string PropertyName = "retention";

    /// <summary>The period of a definition; <c>null</c> when it has none of its own, <see cref="Timeout.InfiniteTimeSpan"/> for ever. Throws <see cref="FormatException"/> naming what is expected.</summary>
    public static TimeSpan? Read(IDictionary<string, object> customProperties)
    {
        ArgumentNullException.ThrowIfNull(customProperties);
        if (!customProperties.TryGetValue(PropertyName, out var raw) || raw is null) return null;
        switch (PlainObjectConverter.ToPlain(raw))
        {
            case string text when string.Equals(text, "forever", StringComparison.OrdinalIgnoreCase): return Timeout.InfiniteTimeSpan;
            case string text when TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var span) && span > TimeSpan.Zero: return span;
            case IConvertible number and not string and not bool when Convert.ToDouble(number, CultureInfo.InvariantCulture) is > 0 and <= 100_000 and var days: return TimeSpan.FromDays(days);
        }
        throw new FormatException($"must be a number of days above 0, a duration such as \"30.00:00:00\", or \"forever\", but is {JsonSerializer.Serialize(raw, ObjectConverter.Json)}.");
    }

    /// <summary>The period in definition JSON; as <see cref="Read(IDictionary{string, object})"/>.</summary>
    internal static TimeSpan? Read(string definition)
    {
        using var document = JsonDocument.Parse(definition, DefinitionReader.JsonOptions);
        foreach (var p in document.RootElement.EnumerateObject())
            if (string.Equals(p.Name, "customProperties", StringComparison.OrdinalIgnoreCase) && p.Value.ValueKind == JsonValueKind.Object)
                return Read(p.Value.EnumerateObject().DistinctBy(x => x.Name).ToDictionary(x => x.Name, x => (object)x.Value));
        return null;
    }
}
