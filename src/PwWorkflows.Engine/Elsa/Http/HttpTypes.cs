using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Microsoft.AspNetCore.Http;
using PwWorkflows.Engine;
using PwWorkflows.Engine.Http;

namespace Elsa.Http;

/// <summary>What an HTTP endpoint waits for.</summary>
/// <param name="Path">Path with a leading slash, without a trailing one.</param>
/// <param name="Method">Method in lower case.</param>
/// <param name="Authorize">Only signed-in callers.</param>
/// <param name="Policy">Policy the caller must satisfy.</param>
/// <param name="RequestTimeout">Longest time for the request; null: no limit of its own.</param>
/// <param name="RequestSizeLimit">Largest body in bytes; null: the server's limit.</param>
public sealed record HttpEndpointBookmarkPayload(string Path, string Method,
    [property: ExcludeFromHash] bool? Authorize = null, [property: ExcludeFromHash] string? Policy = null,
    [property: ExcludeFromHash] TimeSpan? RequestTimeout = null, [property: ExcludeFromHash] long? RequestSizeLimit = null);

/// <summary>What a custom endpoint listens to.</summary>
public sealed class HttpEndpointOptions
{
    /// <summary>Path below the base path of workflows; may hold route values such as {id}.</summary>
    public string Path { get; set; } = "";
    /// <summary>Methods; GET when there are none.</summary>
    public ICollection<string> Methods { get; set; } = new List<string>();
    /// <summary>Only signed-in callers.</summary>
    public bool Authorize { get; set; }
    /// <summary>Policy the caller must satisfy.</summary>
    public string? Policy { get; set; }
    /// <summary>Longest time for the request.</summary>
    public TimeSpan? RequestTimeout { get; set; }
    /// <summary>Largest body in bytes.</summary>
    public long? RequestSizeLimit { get; set; }

    /// <summary>What to wait for in the middle of a workflow, one for each method: found by the path in lower case. Throws <see cref="InvalidOperationException"/> for what no request could meet, or anybody's.</summary>
    internal IEnumerable<object> Waits(ActivityExecutionContext context)
    {
        // What is worked out when the workflow runs was not seen when it was published.
        if (EndpointRules.Problems(this, starts: false, context.GetService<EngineOptions>() ?? new EngineOptions()).FirstOrDefault() is { Property: not null } wrong)
            throw new InvalidOperationException($"{context.Activity.Type} ({context.Activity.Id}), {wrong.Property}: {wrong.Message}");
        return Payloads(context.Activity).Cast<HttpEndpointBookmarkPayload>().Select(p => p with { Path = p.Path.ToLowerInvariant() });
    }

    /// <summary>One payload per method. Throws <see cref="InvalidOperationException"/> when the path is empty.</summary>
    internal IEnumerable<object> Payloads(IActivity activity)
    {
        if (string.IsNullOrWhiteSpace(Path)) throw new InvalidOperationException($"{activity.Type} ({activity.Id}): Path is empty.");
        var path = "/" + Path.Trim().Trim('/');
        return (Methods is { Count: > 0 } ? Methods : ["GET"])
            .Select(m => m.Trim().ToLowerInvariant()).Where(m => m.Length > 0).Distinct()
            .Select(m => (object)new HttpEndpointBookmarkPayload(path, m, Authorize, string.IsNullOrWhiteSpace(Policy) ? null : Policy, RequestTimeout, RequestSizeLimit)).ToList();
    }
}

/// <summary>Headers by name.</summary>
[JsonConverter(typeof(HttpHeadersConverter))]
public sealed class HttpHeaders : Dictionary<string, string[]>
{
    /// <summary>No headers.</summary>
    public HttpHeaders() : base(StringComparer.OrdinalIgnoreCase) { }

    /// <summary>These headers.</summary>
    public HttpHeaders(IEnumerable<KeyValuePair<string, string[]>> headers) : this()
    {
        foreach (var (name, values) in headers) this[name] = values;
    }

    /// <summary>Content type, when there is one.</summary>
    public string? ContentType => TryGetValue("Content-Type", out var values) ? values.FirstOrDefault() : null;

    internal static HttpHeaders Of(HttpResponseMessage response) =>
        new(((IEnumerable<KeyValuePair<string, IEnumerable<string>>>)response.Headers).Concat(response.Content.Headers)
            .Select(h => KeyValuePair.Create(h.Key, SensitiveHeaders.IsSensitive(h.Key) ? [SensitiveHeaders.Mask] : h.Value.ToArray())));
}

/// <summary>Reads a header's value as text or as an array of texts.</summary>
internal sealed class HttpHeadersConverter : JsonConverter<HttpHeaders>
{
    public override HttpHeaders Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using var doc = JsonDocument.ParseValue(ref reader);
        if (doc.RootElement.ValueKind != JsonValueKind.Object) throw new JsonException("headers must be an object such as {\"X-Name\":\"value\"}");
        var headers = new HttpHeaders();
        foreach (var p in doc.RootElement.EnumerateObject())
            headers[p.Name] = p.Value.ValueKind switch
            {
                JsonValueKind.Array => [.. p.Value.EnumerateArray().Select(Text)],
                JsonValueKind.Null => [],
                _ => [Text(p.Value)],
            };
        return headers;
    }

    public override void Write(Utf8JsonWriter writer, HttpHeaders value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        foreach (var (name, values) in value)
        {
            writer.WriteStartArray(name);
            foreach (var v in values) writer.WriteStringValue(v);
            writer.WriteEndArray();
        }
        writer.WriteEndObject();
    }

    private static string Text(JsonElement e) => e.ValueKind == JsonValueKind.String ? e.GetString()! : e.GetRawText();
}

/// <summary>Headers whose values never reach a variable, a journal or a page.</summary>
internal static class SensitiveHeaders
{
    public const string Mask = "***";
    private static readonly string[] Parts = ["authorization", "cookie", "secret", "token", "key", "signature", "password"];

    public static bool IsSensitive(string name) => Array.Exists(Parts, p => name.Contains(p, StringComparison.OrdinalIgnoreCase));
}

/// <summary>The request or response that a workflow run belongs to, as long as somebody waits for it.</summary>
internal static class CurrentHttp
{
    public static HttpContext? Of(ActivityExecutionContext context) => context.GetService<IHttpContextAccessor>()?.HttpContext;
}

/// <summary>Reads bodies by their content type.</summary>
internal static class HttpContentReader
{
    /// <summary>JSON as plain data, text (and XML) as text, anything else as bytes; null when empty. Malformed JSON throws <see cref="JsonException"/>.</summary>
    public static object? Parse(byte[] body, string? contentType)
    {
        if (body.Length == 0) return null;
        var type = MediaTypeHeaderValue.TryParse(contentType, out var parsed) ? parsed : null;
        var media = type?.MediaType ?? "";
        if (media.EndsWith("/json", StringComparison.OrdinalIgnoreCase) || media.EndsWith("+json", StringComparison.OrdinalIgnoreCase))
            return Elsa.Expressions.Helpers.PlainObjectConverter.ToPlain(JsonSerializer.Deserialize<JsonElement>(body.AsSpan(StartsWithBom(body) ? 3 : 0)));
        if (media.StartsWith("text/", StringComparison.OrdinalIgnoreCase) || media.EndsWith("/xml", StringComparison.OrdinalIgnoreCase) || media.EndsWith("+xml", StringComparison.OrdinalIgnoreCase)
            || media.Equals("application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase) || media.Equals("application/javascript", StringComparison.OrdinalIgnoreCase))
            return EncodingOf(type?.CharSet).GetString(body);
        return body;
    }

    private static bool StartsWithBom(byte[] body) => body is [0xEF, 0xBB, 0xBF, ..];

    private static System.Text.Encoding EncodingOf(string? charset)
    {
        try
        {
            return string.IsNullOrWhiteSpace(charset) ? System.Text.Encoding.UTF8 : System.Text.Encoding.GetEncoding(charset.Trim('"'));
        }
        catch (ArgumentException)
        {
            return System.Text.Encoding.UTF8;
        }
    }
}
