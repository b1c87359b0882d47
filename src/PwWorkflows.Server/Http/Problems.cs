using System.Diagnostics;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.WebUtilities;

namespace PwWorkflows.Server.Http;

/// <summary>The JSON of <c>/api/v1</c>: snake_case, nulls left out.</summary>
public static class PwJson
{
    /// <summary>How it is written.</summary>
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        DefaultIgnoreCondition = JsonIgnoreCondition.Never,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>An answer in that JSON.</summary>
    public static IResult Ok<T>(T value, int status = StatusCodes.Status200OK) => Results.Json(value, Options, "application/json", status);
}

/// <summary>Problem documents (RFC 9457): what is wrong, in words the caller can act on, and a trace id; never internals.</summary>
public static class Problems
{
    /// <summary>The media type.</summary>
    public const string MediaType = "application/problem+json";

    private sealed record Document(
        string Type, string Title, int Status, string? Detail, string TraceId,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyDictionary<string, string[]>? Errors);

    /// <summary>A problem as an endpoint's answer.</summary>
    public static IResult Of(int status, string? detail) => new ProblemResult(status, detail, null);

    /// <summary>Wrong fields, each with what was expected.</summary>
    public static IResult OfFields(IReadOnlyDictionary<string, string[]> errors, int status = StatusCodes.Status400BadRequest) =>
        new ProblemResult(status, "Fields are missing or wrong.", errors);

    /// <summary>Writes a problem as the whole answer.</summary>
    public static Task WriteAsync(HttpContext http, int status, string? detail, IReadOnlyDictionary<string, string[]>? errors = null)
    {
        ArgumentNullException.ThrowIfNull(http);
        if (Pages.ConsoleProblem.IsForPeople(http)) return Pages.ConsoleProblem.Of(status, detail).WriteAsync(http);
        http.Response.StatusCode = status;
        http.Response.Headers.CacheControl = "no-store";
        var document = new Document("about:blank", ReasonPhrases.GetReasonPhrase(status), status, detail, TraceId(http), errors);
        return http.Response.WriteAsJsonAsync(document, PwJson.Options, MediaType, http.RequestAborted);
    }

    /// <summary>Turns what escapes an endpoint and empty error answers into problem documents.</summary>
    public static WebApplication UseProblems(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        app.UseExceptionHandler(new ExceptionHandlerOptions { ExceptionHandler = HandleAsync, AllowStatusCode404Response = true });
        app.UseStatusCodePages(static context => WriteAsync(context.HttpContext, context.HttpContext.Response.StatusCode, null));
        return app;
    }

    private static Task HandleAsync(HttpContext http)
    {
        var error = http.Features.Get<IExceptionHandlerFeature>()?.Error;
        return error is BadHttpRequestException bad
            ? WriteAsync(http, bad.StatusCode, bad.StatusCode == StatusCodes.Status413PayloadTooLarge ? "The body is too large." : "The request can't be read.")
            : WriteAsync(http, StatusCodes.Status500InternalServerError, "Something went wrong on the server. The trace id finds it in the log.");
    }

    private static string TraceId(HttpContext http) => Activity.Current?.TraceId.ToString() ?? http.TraceIdentifier;

    private sealed class ProblemResult(int status, string? detail, IReadOnlyDictionary<string, string[]>? errors) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext) => WriteAsync(httpContext, status, detail, errors);
    }
}
