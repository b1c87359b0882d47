using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;

namespace PwWorkflows.Engine.Studio;

/// <summary>Elsa's JSON: camelCase, enums by name, nulls left out.</summary>
internal static class StudioJson
{
    private const string MediaType = "application/json; charset=utf-8";

    public static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter() },
    };

    public static IResult Ok<T>(T value, int status = StatusCodes.Status200OK) => Results.Json(value, Options, MediaType, status);

    /// <summary>A list with its count.</summary>
    public static IResult List<T>(IReadOnlyCollection<T> items) => Ok(new { items, count = items.Count });

    /// <summary>JSON that is text already.</summary>
    public static IResult Text(string json, int status = StatusCodes.Status200OK) => Results.Text(json, MediaType, statusCode: status);

    /// <summary>What is wrong with a request; Studio shows each text.</summary>
    public static IResult WrongField(string field, params IEnumerable<string> messages) =>
        Results.Json(new { statusCode = 400, message = "One or more errors occurred!", errors = new Dictionary<string, IEnumerable<string>> { [field] = messages } }, Options, "application/problem+json", StatusCodes.Status400BadRequest);

    /// <summary>What is wrong, as far as no field is to blame.</summary>
    public static IResult Wrong(params IEnumerable<string> messages) => WrongField("generalErrors", messages);

    /// <summary>Reads the body as a JSON object; an empty body is an empty object.</summary>
    /// <returns>The object, or what to answer instead.</returns>
    public static async Task<(JsonObject Body, IResult? Problem)> ReadAsync(HttpRequest request, CancellationToken ct)
    {
        using var buffer = new MemoryStream();
        await request.Body.CopyToAsync(buffer, ct);
        if (buffer.Length == 0) return ([], null);
        try
        {
            var node = JsonNode.Parse(buffer.GetBuffer().AsSpan(0, (int)buffer.Length), new JsonNodeOptions { PropertyNameCaseInsensitive = true });
            return node is JsonObject o ? (o, null) : node is null ? ([], null) : ([], WrongField("serializerErrors", "Expected a JSON object."));
        }
        catch (JsonException e)
        {
            return ([], WrongField("serializerErrors", e.Message));
        }
        catch (ArgumentException)
        {
            return ([], WrongField("serializerErrors", "A property is there twice."));
        }
    }

    public static string? Text(this JsonObject o, string name) => o[name] is JsonValue v ? v.TryGetValue<string>(out var s) ? s : v.ToJsonString() : null;

    public static bool? Flag(this JsonObject o, string name) =>
        o[name] is not JsonValue v ? null : v.TryGetValue<bool>(out var b) ? b : v.TryGetValue<string>(out var s) && bool.TryParse(s, out var parsed) ? parsed : null;

    public static int? Number(this JsonObject o, string name) =>
        o[name] is not JsonValue v ? null : v.TryGetValue<int>(out var n) ? n : v.TryGetValue<string>(out var s) && int.TryParse(s, System.Globalization.CultureInfo.InvariantCulture, out var parsed) ? parsed : null;

    /// <summary>Texts of an array; null when it is missing, null or empty, which all mean "no such condition".</summary>
    public static List<string>? Texts(this JsonObject o, string name) =>
        o[name] is JsonArray { Count: > 0 } a ? [.. a.OfType<JsonValue>().Select(v => v.TryGetValue<string>(out var s) ? s : v.ToJsonString())] : null;

    /// <summary>One value of the query; null when it is missing or empty.</summary>
    public static string? Text(this IQueryCollection query, string name) => query[name].ToString() is { Length: > 0 } text ? text : null;

    /// <summary>All values of a repeated query name; null when there is none.</summary>
    public static List<string>? Texts(this IQueryCollection query, string name) =>
        query[name].Where(v => !string.IsNullOrEmpty(v)).Select(v => v!).ToList() is { Count: > 0 } values ? values : null;

    public static bool? Flag(this IQueryCollection query, string name) => bool.TryParse(query.Text(name), out var flag) ? flag : null;

    public static int? Number(this IQueryCollection query, string name) => int.TryParse(query.Text(name), System.Globalization.CultureInfo.InvariantCulture, out var number) ? number : null;
}
