using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Net.Http.Headers;
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
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Http;

namespace Elsa.Http;

/// <summary>
/// What the activities share that send HTTP requests. A retry policy of the activity goes before its ports for failures: as long as an attempt is left, a failed connection or a timeout is a fault that is tried again.
/// </summary>
[Output(IsSerializable = false)]
public abstract class SendHttpRequestBase : Activity<HttpResponseMessage>
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected SendHttpRequestBase(string? source = null, int? line = null) : base(source, line) { }

    /// <summary>Where to.</summary>
    [Required]
    [Input]
    public Input<Uri?> Url { get; set; } = null!;
    /// <summary>Method.</summary>
    [Input(Description = "The HTTP method to use when sending the request.", DefaultValue = "GET", Order = 1, UIHint = InputUIHints.DropDown, Options = new[] { "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD" })]
    public Input<string> Method { get; set; } = new("GET");
    /// <summary>Text is sent as it is, bytes and streams as bytes, anything else as JSON (or as a form, by the content type).</summary>
    [Input(Description = "The content to send with the request. Can be a string, an object, a byte array or a stream.", Order = 2)]
    public Input<object?> Content { get; set; } = null!;
    /// <summary>Content type; by the kind of content when not set.</summary>
    [Input(Description = "The content type to use when sending the request.", Order = 3, UIHint = InputUIHints.DropDown, Options = new[] { "", "application/json", "application/soap+xml", "application/x-www-form-urlencoded", "application/xml", "text/html", "text/json", "text/plain", "text/richtext", "text/xml" })]
    public Input<string?> ContentType { get; set; } = null!;
    /// <summary>Authorization header. Never reaches the journal or the state.</summary>
    [Input(Description = "The Authorization header value to send with the request. For example: Bearer {some-access-token}", Category = "Security", CanContainSecrets = true, Order = 4)]
    public Input<string?> Authorization { get; set; } = null!;
    /// <summary>Send the Authorization header as it is, even if it is malformed.</summary>
    [Input(Description = "A value that allows to add the Authorization header without validation.", Category = "Security", Order = 5)]
    public Input<bool> DisableAuthorizationHeaderValidation { get; set; } = null!;
    /// <summary>More headers. May hold secrets: never reaches the journal or the state.</summary>
    [Input(Description = "The headers to send along with the request.", Category = "Advanced", CanContainSecrets = true, Order = 6, UIHint = InputUIHints.JsonEditor)]
    public Input<HttpHeaders?> RequestHeaders { get; set; } = new(new HttpHeaders());
    /// <summary>Obsolete switch of a built-in retry. Not supported: a value of true fails the activity; use the activity's retry policy.</summary>
    [Input(Description = "Obsolete. Use the common Resilience Strategy setting instead.")]
    public Input<bool> EnableResiliency { get; set; } = null!;

    /// <summary>Status code of the answer.</summary>
    [Output(Description = "The HTTP response status code")]
    public Output<int>? StatusCode { get; set; }
    /// <summary>Body of the answer: JSON as data, text as text, anything else as bytes.</summary>
    [Output(Description = "The parsed content, if any.")]
    public Output<object?>? ParsedContent { get; set; }
    /// <summary>Headers of the answer; those that carry secrets are masked.</summary>
    [Output(Description = "The response headers that were received.")]
    public Output<HttpHeaders?>? ResponseHeaders { get; set; }

    /// <summary>The answer came.</summary>
    protected abstract ValueTask HandleResponseAsync(ActivityExecutionContext context, HttpResponseMessage response);
    /// <summary>No connection.</summary>
    protected abstract ValueTask HandleRequestExceptionAsync(ActivityExecutionContext context, HttpRequestException exception);
    /// <summary>No answer in time.</summary>
    protected abstract ValueTask HandleTimeoutExceptionAsync(ActivityExecutionContext context, Exception exception);

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (context.Get(EnableResiliency)) throw new NotSupportedException($"{Type} ({Id}): EnableResiliency is not supported; set a retry policy (resilienceStrategy) on the activity.");
        using var request = RequestOf(context);
        if (await context.GetRequiredService<IOutboundHttpGuard>().CheckAsync(request.RequestUri!, context.CancellationToken) is { } reason) throw new OutboundRefusedException(reason);
        using var client = context.GetRequiredService<IHttpClientFactory>().CreateClient(OutboundHttp.ClientName);
        HttpResponseMessage response;
        byte[] body;
        try
        {
            response = await client.SendAsync(request, context.CancellationToken);
            body = await response.Content.ReadAsByteArrayAsync(context.CancellationToken);
        }
        catch (HttpRequestException e) when (RefusedIn(e) is { } refused)
        {
            throw refused;
        }
        catch (HttpRequestException e) when (e.HttpRequestError != HttpRequestError.ConfigurationLimitExceeded && !WillRetry(context, e))
        {
            context.AddExecutionLogEntry("Failed to connect", e.Message);
            await HandleRequestExceptionAsync(context, e);
            return;
        }
        catch (TaskCanceledException e) when (!context.CancellationToken.IsCancellationRequested)
        {
            var timeout = new TimeoutException($"{request.RequestUri!.Host} did not answer within {client.Timeout}.", e);
            if (WillRetry(context, timeout)) throw timeout;
            context.AddExecutionLogEntry("Timeout", timeout.Message);
            await HandleTimeoutExceptionAsync(context, timeout);
            return;
        }
        context.Set(Result, response);
        context.Set(StatusCode, (int)response.StatusCode);
        context.Set(ResponseHeaders, HttpHeaders.Of(response));
        if (ParsedContent is not null) context.Set(ParsedContent, HttpContentReader.Parse(body, response.Content.Headers.ContentType?.ToString()));
        context.JournalData["StatusCode"] = (int)response.StatusCode;
        await HandleResponseAsync(context, response);
    }

    private static bool WillRetry(ActivityExecutionContext context, Exception e) => context.Node.Retry?.Allows(e, context.Attempt) == true;

    private static OutboundRefusedException? RefusedIn(Exception e)
    {
        for (var x = e; x is not null; x = x.InnerException)
            if (x is OutboundRefusedException refused)
                return refused;
        return null;
    }

    private HttpRequestMessage RequestOf(ActivityExecutionContext context)
    {
        var url = context.Get(Url) ?? throw new InvalidOperationException($"{Type} ({Id}): Url is not set.");
        var method = context.Get(Method);
        var request = new HttpRequestMessage(new HttpMethod(string.IsNullOrWhiteSpace(method) ? "GET" : method.Trim().ToUpperInvariant()), url);
        request.Content = ContentOf(context.Get(Content), context.Get(ContentType));
        foreach (var (name, values) in context.Get(RequestHeaders) ?? [])
            if (!request.Headers.TryAddWithoutValidation(name, values))
                request.Content?.Headers.TryAddWithoutValidation(name, values);
        if (context.Get(Authorization) is { Length: > 0 } authorization)
        {
            if (context.Get(DisableAuthorizationHeaderValidation)) request.Headers.TryAddWithoutValidation("Authorization", authorization);
            else request.Headers.Authorization = AuthenticationHeaderValue.TryParse(authorization, out var parsed) ? parsed
                : throw new FormatException($"{Type} ({Id}): Authorization is not a scheme followed by its value, such as Bearer {{token}}.");
        }
        return request;
    }

    private HttpContent? ContentOf(object? content, string? contentType)
    {
        if (content is null or "") return null;
        var type = string.IsNullOrWhiteSpace(contentType) ? content switch { string => "text/plain", byte[] or Stream => "application/octet-stream", _ => "application/json" } : contentType.Trim();
        if (!MediaTypeHeaderValue.TryParse(type, out var media)) throw new FormatException($"{Type} ({Id}): ContentType '{type}' is not a media type such as application/json.");
        if (media.MediaType == "application/x-www-form-urlencoded" && content is not (string or byte[] or Stream))
        {
            var fields = content.ConvertTo<Dictionary<string, object?>>() ?? [];
            return new FormUrlEncodedContent(fields.Select(f => KeyValuePair.Create(f.Key, Convert.ToString(f.Value, CultureInfo.InvariantCulture) ?? "")));
        }
        HttpContent body = content switch
        {
            string text => new ByteArrayContent(Encoding.UTF8.GetBytes(text)),
            byte[] bytes => new ByteArrayContent(bytes),
            Stream stream => new StreamContent(stream),
            _ => new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(content, content.GetType(), ObjectConverter.Json)),
        };
        body.Headers.ContentType = media;
        return body;
    }
}

/// <summary>What runs on a status code.</summary>
public sealed class HttpStatusCodeCase
{
    /// <summary>A case to be filled in.</summary>
    [System.Text.Json.Serialization.JsonConstructor]
    public HttpStatusCodeCase() { }

    /// <summary>A case.</summary>
    public HttpStatusCodeCase(int statusCode, IActivity? activity)
    {
        StatusCode = statusCode;
        Activity = activity;
    }

    /// <summary>The status code.</summary>
    public int StatusCode { get; set; }
    /// <summary>What runs.</summary>
    public IActivity? Activity { get; set; }
}

/// <summary>Sends an HTTP request and runs the activity of the case that its answer falls under. A failure without an activity of its own is a fault.</summary>
[Activity("Elsa", "HTTP", "Send an HTTP request.", DisplayName = "HTTP Request", Kind = ActivityKind.Task)]
public sealed class SendHttpRequest : SendHttpRequestBase, IHasMoreChildren
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public SendHttpRequest([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>What runs on which status code.</summary>
    [Input(Description = "A list of expected status codes to handle and the corresponding activity to execute when the status code matches.", UIHint = InputUIHints.HttpStatusCodes)]
    public ICollection<HttpStatusCodeCase> ExpectedStatusCodes { get; set; } = new List<HttpStatusCodeCase>();
    /// <summary>Runs on any other status code.</summary>
    [Port]
    public IActivity? UnmatchedStatusCode { get; set; }
    /// <summary>Runs when there is no connection; a fault when not set.</summary>
    [Port]
    public IActivity? FailedToConnect { get; set; }
    /// <summary>Runs when there is no answer in time; a fault when not set.</summary>
    [Port]
    public IActivity? Timeout { get; set; }

    IEnumerable<IActivity> IHasMoreChildren.MoreChildren => ExpectedStatusCodes.Select(c => c.Activity).OfType<IActivity>();

    /// <inheritdoc />
    protected override ValueTask HandleResponseAsync(ActivityExecutionContext context, HttpResponseMessage response)
    {
        ArgumentNullException.ThrowIfNull(response);
        var match = ExpectedStatusCodes.FirstOrDefault(c => c.StatusCode == (int)response.StatusCode);
        return context.ScheduleActivityAsync(match is null ? UnmatchedStatusCode : match.Activity, OnChildActivityCompletedAsync);
    }

    /// <inheritdoc />
    protected override ValueTask HandleRequestExceptionAsync(ActivityExecutionContext context, HttpRequestException exception) =>
        FailedToConnect is null ? throw exception : context.ScheduleActivityAsync(FailedToConnect, OnChildActivityCompletedAsync);

    /// <inheritdoc />
    protected override ValueTask HandleTimeoutExceptionAsync(ActivityExecutionContext context, Exception exception) =>
        Timeout is null ? throw exception : context.ScheduleActivityAsync(Timeout, OnChildActivityCompletedAsync);

    private ValueTask OnChildActivityCompletedAsync(ActivityCompletedContext context) => context.TargetContext.CompleteActivityAsync();
}

/// <summary>Sends an HTTP request and leaves by the status code of its answer.</summary>
[Activity("Elsa", "HTTP", "Send an HTTP request.", DisplayName = "HTTP Request (flow)", Kind = ActivityKind.Task)]
public sealed class FlowSendHttpRequest : SendHttpRequestBase
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    public FlowSendHttpRequest([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Status codes that are outcomes.</summary>
    [Input(Description = "A list of expected status codes to handle.", UIHint = InputUIHints.MultiText, Order = 5.1f, DefaultValue = new[] { 200 })]
    public Input<ICollection<int>> ExpectedStatusCodes { get; set; } = new(new List<int> { 200 });

    /// <inheritdoc />
    protected override ValueTask HandleResponseAsync(ActivityExecutionContext context, HttpResponseMessage response)
    {
        ArgumentNullException.ThrowIfNull(response);
        var code = (int)response.StatusCode;
        var expected = context.Get(ExpectedStatusCodes);
        if (expected is not { Count: > 0 }) return context.CompleteActivityWithOutcomesAsync("Done");
        return context.CompleteActivityWithOutcomesAsync(expected.Contains(code) ? code.ToString(CultureInfo.InvariantCulture) : "Unmatched status code", "Done");
    }

    /// <inheritdoc />
    protected override ValueTask HandleRequestExceptionAsync(ActivityExecutionContext context, HttpRequestException exception) => context.CompleteActivityWithOutcomesAsync("Failed to connect");

    /// <inheritdoc />
    protected override ValueTask HandleTimeoutExceptionAsync(ActivityExecutionContext context, Exception exception) => context.CompleteActivityWithOutcomesAsync("Timeout");
}
