using System.Globalization;
using System.Text.Json;

namespace PwWorkflows.Activities.Payments;

/// <summary>
/// A Stripe event as far as we read it: only fields that have kept their meaning over API versions, so that a version we have not heard of
/// costs no event.
/// </summary>
internal sealed record StripeEvent(string Id, string Type, bool LiveMode, JsonElement Object)
{
    /// <summary>Reads the body; <paramref name="problem"/> says what is missing when it is none.</summary>
    public static StripeEvent? Parse(ReadOnlyMemory<byte> body, out string problem)
    {
        if (JsonReading.TryParse(body, out var root) is { } fault) problem = fault;
        else if (root.Text("id") is not { Length: > 0 and <= 255 } id) problem = "id: expected the event's id, a text";
        else if (root.Text("type") is not { Length: > 0 and <= 255 } type) problem = "type: expected the event's type, a text";
        else
        {
            var data = root.TryGetProperty("data", out var d) && d.ValueKind == JsonValueKind.Object
                && d.TryGetProperty("object", out var o) && o.ValueKind == JsonValueKind.Object ? o : default;
            problem = "";
            return new StripeEvent(id, type, root.Flag("livemode"), data);
        }

        return null;
    }
}

/// <summary>Lenient reading of JSON from outside.</summary>
internal static class JsonReading
{
    /// <summary>Reads a body that must be one JSON object of proper text.</summary>
    /// <returns>What is wrong with it; <c>null</c> when nothing is.</returns>
    public static string? TryParse(ReadOnlyMemory<byte> body, out JsonElement root)
    {
        root = default;
        try
        {
            using var document = JsonDocument.Parse(body);
            // The parser takes broken UTF-8 and half surrogate pairs, and throws when such a text is read.
            if (!IsText(document.RootElement)) return "the body holds text that is not Unicode";
            root = document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            return $"the body is not JSON: {e.Message}";
        }

        return root.ValueKind == JsonValueKind.Object ? null : "the body is not a JSON object";
    }

    private static bool IsText(JsonElement root)
    {
        try
        {
            Read(root);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }

        static void Read(JsonElement element)
        {
            switch (element.ValueKind)
            {
                case JsonValueKind.Object:
                    foreach (var property in element.EnumerateObject())
                    {
                        _ = property.Name;
                        Read(property.Value);
                    }

                    break;
                case JsonValueKind.Array:
                    foreach (var item in element.EnumerateArray()) Read(item);
                    break;
                case JsonValueKind.String:
                    _ = element.GetString();
                    break;
            }
        }
    }

    /// <summary>A text; <c>null</c> when there is none, or one with a NUL, which no database takes.</summary>
    public static string? Text(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
        && value.GetString() is { } text && !text.Contains('\0', StringComparison.Ordinal) ? text : null;

    public static bool Flag(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    public static long? Number(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number)
            ? number
            : null;

    /// <summary>The id of a referenced object, which Stripe gives as its id or expanded.</summary>
    public static string? Reference(this JsonElement element, string name) =>
        element.Child(name) is { ValueKind: JsonValueKind.Object } expanded ? expanded.Text("id") : element.Text(name);

    public static JsonElement Child(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? value : default;

    /// <summary>Cents as people read them, such as <c>499.00 USD</c>.</summary>
    public static string Money(long cents, string currency) =>
        string.Create(CultureInfo.InvariantCulture, $"{cents / 100m:0.00} {currency.ToUpperInvariant()}");
}
