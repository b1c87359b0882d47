using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http.Features;

namespace PwWorkflows.Server.Http;

/// <summary>Reads request bodies that must be one JSON object.</summary>
public static class JsonBody
{
    /// <summary>Largest body: 1 MiB.</summary>
    public const int MaxBytes = 1024 * 1024;

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 64, AllowDuplicateProperties = false };

    /// <summary>Reads the object.</summary>
    /// <returns>The fields, or the answer to give (400, 413, 415).</returns>
    public static async Task<(Fields? Fields, IResult? Problem)> ReadAsync(HttpContext http, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(http);
        if (!http.Request.HasJsonContentType())
            return (null, Problems.Of(StatusCodes.Status415UnsupportedMediaType, "Expected a body with Content-Type: application/json."));
        if (http.Request.ContentLength > MaxBytes) return (null, TooLarge());
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = MaxBytes;

        using var buffer = new MemoryStream();
        var chunk = ArrayPool<byte>.Shared.Rent(16 * 1024);
        try
        {
            int read;
            while ((read = await http.Request.Body.ReadAsync(chunk, ct).ConfigureAwait(false)) > 0)
            {
                if (buffer.Length + read > MaxBytes) return (null, TooLarge());
                buffer.Write(chunk, 0, read);
            }
        }
        catch (BadHttpRequestException e) when (e.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            return (null, TooLarge());
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(chunk);
        }

        try
        {
            if (JsonNode.Parse(buffer.GetBuffer().AsSpan(0, (int)buffer.Length), documentOptions: Strict) is not JsonObject body)
                return (null, Problems.Of(StatusCodes.Status400BadRequest, "Expected a JSON object."));
            return WhereNoText(body, "") is { } where
                ? (null, Problems.OfFields(new Dictionary<string, string[]> { [where] = ["Expected text that is Unicode and holds no NUL character."] }))
                : (new Fields(body), null);
        }
        catch (JsonException e)
        {
            return (null, Problems.Of(StatusCodes.Status400BadRequest,
                string.Create(CultureInfo.InvariantCulture, $"The body is not valid JSON (line {e.LineNumber + 1}, byte {e.BytePositionInLine}).")));
        }
    }

    // Half surrogate pairs, broken UTF-8 and NULs pass the parser, and no database takes them.
    private static string? WhereNoText(JsonNode? node, string path)
    {
        switch (node)
        {
            case JsonObject fields:
                foreach (var (name, value) in fields)
                {
                    var inner = path.Length == 0 ? name : $"{path}.{name}";
                    if (name.Contains('\0', StringComparison.Ordinal)) return inner.Replace("\0", "\\u0000", StringComparison.Ordinal);
                    if (WhereNoText(value, inner) is { } where) return where;
                }

                return null;
            case JsonArray items:
                for (var i = 0; i < items.Count; i++)
                    if (WhereNoText(items[i], string.Create(CultureInfo.InvariantCulture, $"{path}[{i}]")) is { } where) return where;
                return null;
            case JsonValue value when value.GetValueKind() == JsonValueKind.String:
                try
                {
                    return value.GetValue<string>().Contains('\0', StringComparison.Ordinal) ? path : null;
                }
                catch (InvalidOperationException)
                {
                    return path;
                }

            default:
                return null;
        }
    }

    private static IResult TooLarge() => Problems.Of(StatusCodes.Status413PayloadTooLarge, "Expected a body of at most 1 MiB.");
}

/// <summary>The fields of a JSON object; collects everything that is wrong with them.</summary>
public sealed class Fields(JsonObject body, string prefix = "", Dictionary<string, List<string>>? errors = null)
{
    private readonly Dictionary<string, List<string>> _errors = errors ?? new(StringComparer.Ordinal);

    /// <summary>The object.</summary>
    public JsonObject Body { get; } = body;

    /// <summary>Whether nothing was wrong so far.</summary>
    public bool AreGood => _errors.Count == 0;

    /// <summary>The answer that names every wrong field.</summary>
    public IResult Problem() => Problems.OfFields(_errors.ToDictionary(static e => e.Key, static e => e.Value.ToArray(), StringComparer.Ordinal));

    /// <summary>Writes down what is wrong with a field.</summary>
    public void Wrong(string name, string expected)
    {
        if (!_errors.TryGetValue(prefix + name, out var list)) _errors.Add(prefix + name, list = []);
        list.Add(expected);
    }

    /// <summary>A text; empty when optional and not there.</summary>
    /// <param name="name">The field.</param>
    /// <param name="max">Most characters.</param>
    /// <param name="required">Whether it must be there and not be blank.</param>
    public string Text(string name, int max, bool required = true)
    {
        switch (Body[name])
        {
            case null:
                if (required) Wrong(name, "Expected a text, found nothing.");
                return "";
            case JsonValue value when value.TryGetValue<string>(out var text):
                if (text.Length > max) Wrong(name, $"Expected at most {max} characters, found {text.Length}.");
                else if (required && string.IsNullOrWhiteSpace(text)) Wrong(name, "Expected a text, found a blank one.");
                return text.Length > max ? "" : text;
            default:
                Wrong(name, "Expected a text.");
                return "";
        }
    }

    /// <summary>A whole number within limits; <c>null</c> when optional and not there.</summary>
    public long? Whole(string name, long min, long max, bool required = true)
    {
        if (Body[name] is null)
        {
            if (required) Wrong(name, $"Expected a whole number from {min} to {max}, found nothing.");
            return null;
        }

        if (Body[name] is JsonValue value && value.GetValueKind() == JsonValueKind.Number && value.TryGetValue<long>(out var number) && number >= min && number <= max) return number;
        Wrong(name, $"Expected a whole number from {min} to {max}.");
        return null;
    }

    /// <summary>A truth value; <c>false</c> when not there.</summary>
    public bool Flag(string name)
    {
        if (Body[name] is null) return false;
        if (Body[name] is JsonValue value && value.TryGetValue<bool>(out var flag)) return flag;
        Wrong(name, "Expected true or false.");
        return false;
    }

    /// <summary>A time; <c>null</c> when optional and not there.</summary>
    public DateTimeOffset? Time(string name, bool required = true)
    {
        var text = Text(name, 40, required);
        if (text.Length == 0) return null;
        if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)) return time;
        Wrong(name, "Expected a time such as 2026-11-24T12:00:00Z.");
        return null;
    }

    /// <summary>An object within the object; <c>null</c> when optional and not there. Its faults are collected here.</summary>
    public Fields? Object(string name, bool required = true)
    {
        if (Body[name] is JsonObject inner) return new Fields(inner, prefix + name + ".", _errors);
        if (Body[name] is not null) Wrong(name, "Expected an object.");
        else if (required) Wrong(name, "Expected an object, found nothing.");
        return null;
    }
}
