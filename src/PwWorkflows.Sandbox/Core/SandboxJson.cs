using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace PwWorkflows.Sandbox.Core;

/// <summary>The JSON the sandbox's own control endpoints speak: snake_case, nulls written.</summary>
public static class SandboxJson
{
    /// <summary>Options for control endpoints; safe to share.</summary>
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        // A misspelt option would otherwise do nothing, and a test would prove nothing.
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <summary>Answers <paramref name="value"/> as JSON.</summary>
    public static IResult Ok<T>(T value, int status = StatusCodes.Status200OK) => Results.Json(value, Options, statusCode: status);

    /// <summary>Answers a problem document (RFC 9457); how every control endpoint refuses.</summary>
    public static IResult Problem(int status, string detail) => Results.Problem(detail, statusCode: status);
}
