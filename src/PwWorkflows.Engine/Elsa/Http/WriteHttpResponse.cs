using System.Net;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Elsa.Expressions.Helpers;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.UIHints;

namespace Elsa.Http;

/// <summary>Answers the HTTP request that the workflow run belongs to. When nobody waits for the answer any more, the journal says so and the workflow goes on.</summary>
[Activity("Elsa", "HTTP", "Write a response to the current HTTP response object.", DisplayName = "HTTP Response")]
public sealed class WriteHttpResponse : Activity
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public WriteHttpResponse([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Status code.</summary>
    [Input(Description = "The status code to return.", DefaultValue = HttpStatusCode.OK, UIHint = InputUIHints.DropDown)]
    public Input<HttpStatusCode> StatusCode { get; set; } = new(HttpStatusCode.OK);
    /// <summary>Text is sent as it is, bytes and streams as bytes, anything else as JSON.</summary>
    [Input(Description = "The content to write back. String values will be sent as-is, while objects will be serialized to a JSON string. Byte arrays and streams will be sent as files.")]
    public Input<object?> Content { get; set; } = null!;
    /// <summary>Content type; by the kind of content when not set.</summary>
    [Input(Description = "The content type to write when sending the response.", UIHint = InputUIHints.DropDown, Options = new[] { "", "application/json", "application/soap+xml", "application/x-www-form-urlencoded", "application/xml", "text/html", "text/json", "text/plain", "text/richtext", "text/xml" })]
    public Input<string?> ContentType { get; set; } = null!;
    /// <summary>More headers.</summary>
    [Input(Description = "The headers to send along with the response.", Category = "Advanced", UIHint = InputUIHints.JsonEditor)]
    public Input<HttpHeaders?> ResponseHeaders { get; set; } = new(new HttpHeaders());

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (CurrentHttp.Of(context)?.Response is not { } response) context.AddExecutionLogEntry("Response skipped", "Nobody waits for the response any more.");
        else if (response.HasStarted) context.AddExecutionLogEntry("Response skipped", "A response has been sent already.");
        else
        {
            response.StatusCode = (int)context.Get(StatusCode);
            foreach (var (name, values) in context.Get(ResponseHeaders) ?? []) response.Headers[name] = values;
            var (body, usual) = BodyOf(context.Get(Content));
            if (context.Get(ContentType) is { Length: > 0 } contentType) response.ContentType = contentType;
            else if (body.Length > 0 && response.ContentType is null) response.ContentType = usual;
            if (body.Length > 0) await response.Body.WriteAsync(body, context.CancellationToken);
        }
        await context.CompleteActivityAsync();
    }

    private static (byte[] Body, string ContentType) BodyOf(object? content)
    {
        switch (content)
        {
            case null: return ([], "text/plain");
            case string text: return (Encoding.UTF8.GetBytes(text), "text/plain; charset=utf-8");
            case byte[] bytes: return (bytes, "application/octet-stream");
            case Stream stream:
                using (var copy = new MemoryStream())
                {
                    stream.CopyTo(copy);
                    return (copy.ToArray(), "application/octet-stream");
                }
            default: return (JsonSerializer.SerializeToUtf8Bytes(content, content.GetType(), ObjectConverter.Json), "application/json");
        }
    }
}
