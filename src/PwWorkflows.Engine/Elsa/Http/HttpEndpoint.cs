using System.ComponentModel.DataAnnotations;
using System.Dynamic;
using System.Runtime.CompilerServices;
using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.UIHints;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine;
using PwWorkflows.Engine.Http;

namespace Elsa.Http;

/// <summary>Base of activities that start or resume a workflow on an HTTP request they handle themselves, such as a webhook.</summary>
/// <typeparam name="TResult">Type of the result.</typeparam>
public abstract class HttpEndpointBase<TResult> : Trigger<TResult>, IListensToHttp
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected HttpEndpointBase(string? source = null, int? line = null) : base(source, line) { }

    /// <summary>What it listens to. Called when the definition is checked and published and when the activity waits; depends on nothing of a run.</summary>
    protected abstract HttpEndpointOptions GetOptions();

    HttpEndpointOptions IListensToHttp.Options => GetOptions();

    /// <summary>Handles the request. The activity completes afterwards unless this has completed it (for instance with outcomes of its own).</summary>
    protected virtual ValueTask OnHttpRequestReceivedAsync(ActivityExecutionContext context, HttpContext httpContext)
    {
        OnHttpRequestReceived(context, httpContext);
        return ValueTask.CompletedTask;
    }

    /// <summary>Handles the request.</summary>
    protected virtual void OnHttpRequestReceived(ActivityExecutionContext context, HttpContext httpContext) { }

    /// <inheritdoc />
    protected override IEnumerable<object> GetTriggerPayloads(TriggerIndexingContext context)
    {
        context.TriggerName = HttpEndpoint.StimulusName;
        return GetOptions().Payloads(this);
    }

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (context.IsTriggerOfWorkflow()) await OnResumeAsync(context);
        else context.CreateBookmarks(GetOptions().Waits(context), OnResumeAsync, includeActivityInstanceId: false, HttpEndpoint.StimulusName);
    }

    private async ValueTask OnResumeAsync(ActivityExecutionContext context)
    {
        await OnHttpRequestReceivedAsync(context, HttpEndpoint.RequestOf(context));
        if (context.Status == ActivityStatus.Running) await context.CompleteActivityAsync();
    }
}

/// <summary>Base of activities that handle an HTTP request themselves and have no typed result.</summary>
public abstract class HttpEndpointBase : HttpEndpointBase<object>
{
    /// <inheritdoc cref="Activity(string?, int?)" />
    protected HttpEndpointBase(string? source = null, int? line = null) : base(source, line) { }
}

/// <summary>Starts or resumes a workflow on an HTTP request.</summary>
[Activity("Elsa", "HTTP", "Wait for an inbound HTTP request that matches the specified path and methods.", DisplayName = "HTTP Endpoint")]
[Output(IsSerializable = false)]
public sealed class HttpEndpoint : Trigger<HttpRequest>
{
    /// <summary>Name with which the payloads of all HTTP endpoints are hashed.</summary>
    internal const string StimulusName = "Elsa.HttpEndpoint";
    internal const string RequestTooLarge = "Request too large", FileTooLarge = "File too large", InvalidFileExtension = "Invalid file extension", InvalidFileMimeType = "Invalid file MIME type";

    /// <inheritdoc cref="Activity(string?, int?)" />
    public HttpEndpoint([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }
    /// <summary>On a path.</summary>
    public HttpEndpoint(Input<string> path, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => Path = path;

    /// <summary>Path below the base path of workflows; may hold route values such as {id}.</summary>
    [Required]
    [Input(Description = "The path to associate with the workflow.", UIHandler = typeof(PwWorkflows.Engine.Studio.HttpPathHandler))]
    public Input<string> Path { get; set; } = null!;
    /// <summary>Methods; GET when not set.</summary>
    [Input(Description = "The HTTP methods to accept.", Options = new[] { "GET", "POST", "PUT", "HEAD", "DELETE" }, UIHint = InputUIHints.CheckList)]
    public Input<ICollection<string>> SupportedMethods { get; set; } = new(new List<string> { "GET" });
    /// <summary>Only signed-in callers.</summary>
    [Input(Description = "Allow authenticated requests only.", Category = "Security")]
    public Input<bool> Authorize { get; set; } = new(false);
    /// <summary>Policy the caller must satisfy.</summary>
    [Input(Description = "Provide a policy to evaluate. If the policy fails, the request is forbidden.", Category = "Security")]
    public Input<string?> Policy { get; set; } = null!;
    /// <summary>Longest time for the request.</summary>
    [Input(Description = "The maximum time allowed to process the request.", Category = "Upload")]
    public Input<TimeSpan?> RequestTimeout { get; set; } = null!;
    /// <summary>Largest body in bytes.</summary>
    [Input(Description = "The maximum request size allowed in bytes.", Category = "Upload")]
    public Input<long?> RequestSizeLimit { get; set; } = null!;
    /// <summary>Largest file in bytes.</summary>
    [Input(Description = "The maximum file size allowed in bytes for an individual file.", Category = "Upload")]
    public Input<long?> FileSizeLimit { get; set; } = null!;
    /// <summary>Extensions that files may have; all when empty.</summary>
    [Input(Description = "Only file extensions in this list are allowed. Leave empty to allow all extensions", Category = "Upload", UIHint = InputUIHints.MultiText)]
    public Input<ICollection<string>?> AllowedFileExtensions { get; set; } = null!;
    /// <summary>Extensions that files may not have.</summary>
    [Input(Description = "File extensions in this list are forbidden. Leave empty to not block any extension.", Category = "Upload", UIHint = InputUIHints.MultiText)]
    public Input<ICollection<string>?> BlockedFileExtensions { get; set; } = null!;
    /// <summary>MIME types that files may have; all when empty.</summary>
    [Input(Description = "Only MIME types in this list are allowed. Leave empty to allow all types", Category = "Upload", UIHint = InputUIHints.MultiText)]
    public Input<ICollection<string>?> AllowedMimeTypes { get; set; } = null!;
    /// <summary>Leave by "Request too large" instead of answering 413.</summary>
    [Input(Description = "A value indicating whether to expose the \"Request too large\" outcome.", Category = "Outcomes")]
    public bool ExposeRequestTooLargeOutcome { get; set; }
    /// <summary>Leave by "File too large" instead of answering 413.</summary>
    [Input(Description = "A value indicating whether to expose the \"File too large\" outcome.", Category = "Outcomes")]
    public bool ExposeFileTooLargeOutcome { get; set; }
    /// <summary>Leave by "Invalid file extension" instead of answering 415.</summary>
    [Input(Description = "A value indicating whether to expose the \"Invalid file extension\" outcome.", Category = "Outcomes")]
    public bool ExposeInvalidFileExtensionOutcome { get; set; }
    /// <summary>Leave by "Invalid file MIME type" instead of answering 415.</summary>
    [Input(Description = "A value indicating whether to expose the \"Invalid file MIME type\" outcome.", Category = "Outcomes")]
    public bool ExposeInvalidFileMimeTypeOutcome { get; set; }

    /// <summary>The body: JSON as data, text as text, a form as an object, anything else as bytes.</summary>
    [Output(Description = "The parsed request content, if any.")]
    public Output<object?>? ParsedContent { get; set; }
    /// <summary>Uploaded files.</summary>
    [Output(Description = "The uploaded files, if any.", IsSerializable = false)]
    public Output<IFormFile[]>? Files { get; set; }
    /// <summary>First uploaded file.</summary>
    [Output(Description = "The first uploaded file, if any.", IsSerializable = false)]
    public Output<IFormFile>? File { get; set; }
    /// <summary>Route values.</summary>
    [Output(Description = "The parsed route data, if any.")]
    public Output<IDictionary<string, object>>? RouteData { get; set; }
    /// <summary>Query string values.</summary>
    [Output(Description = "The querystring data, if any.")]
    public Output<IDictionary<string, object>>? QueryStringData { get; set; }
    /// <summary>Headers; those that carry secrets are masked.</summary>
    [Output(Description = "The headers, if any.")]
    public Output<IDictionary<string, object>>? Headers { get; set; }

    /// <inheritdoc />
    protected override IEnumerable<object> GetTriggerPayloads(TriggerIndexingContext context) => Options(context.ExpressionExecutionContext).Payloads(this);

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (context.IsTriggerOfWorkflow()) await OnResumeAsync(context);
        else context.CreateBookmarks(Options(context.ExpressionExecutionContext).Waits(context), OnResumeAsync, includeActivityInstanceId: false);
    }

    /// <summary>The request that waits for this run. Throws <see cref="InvalidOperationException"/> when nobody waits any more.</summary>
    internal static HttpContext RequestOf(ActivityExecutionContext context) => CurrentHttp.Of(context)
        ?? throw new InvalidOperationException($"{context.Activity.Type} ({context.Activity.Id}): there is no HTTP request; it was not started by one, or the caller is gone.");

    private HttpEndpointOptions Options(ExpressionExecutionContext context) => new()
    {
        Path = Path.GetOrDefault(context) ?? "",
        Methods = SupportedMethods.GetOrDefault(context) ?? [],
        Authorize = Authorize.GetOrDefault(context),
        Policy = Policy.GetOrDefault(context),
        RequestTimeout = RequestTimeout.GetOrDefault(context),
        RequestSizeLimit = SizeLimit(context),
    };

    /// <summary>The limit that the server keeps. With an outcome for what is too large, the workflow must see that too: then the activity keeps it, below the server's own.</summary>
    private long? SizeLimit(ExpressionExecutionContext context)
    {
        var limit = RequestSizeLimit.GetOrDefault(context);
        return ExposeRequestTooLargeOutcome && limit < (context.ServiceProvider.GetService<EngineOptions>() ?? new EngineOptions()).HttpRequestSizeLimit ? null : limit;
    }

    private async ValueTask OnResumeAsync(ActivityExecutionContext context)
    {
        var http = RequestOf(context);
        var request = http.Request;
        context.Set(Result, request);
        Give(RouteData, nameof(RouteData), () => request.RouteValues.ToDictionary(v => v.Key, v => v.Value!));
        Give(QueryStringData, nameof(QueryStringData), () => request.Query.ToDictionary(q => q.Key, q => Values(q.Value)));
        Give(Headers, nameof(Headers), () => request.Headers.ToDictionary(h => h.Key, h => SensitiveHeaders.IsSensitive(h.Key) ? SensitiveHeaders.Mask : Values(h.Value)));
        var outcome = await ReadContentAsync(context, request);
        if (outcome is null) await context.CompleteActivityAsync();
        else await RefuseAsync(context, http, outcome);

        // Most workflows ask for none of them: one that is not bound is made when a script asks for it.
        void Give(Output<IDictionary<string, object>>? output, string name, Func<IDictionary<string, object>> make)
        {
            if (output is null) context.Set((Output?)null, new Lazy<object?>(make), name);
            else context.Set(output, make(), name);
        }
    }

    private async ValueTask<string?> ReadContentAsync(ActivityExecutionContext context, HttpRequest request)
    {
        if (context.Get(RequestSizeLimit) is { } limit && (request.Body.CanSeek ? request.Body.Length : request.ContentLength) > limit) return RequestTooLarge;
        // A form that nobody asked for is not read: a caller who names the wrong content type must not fail for it.
        if (request.HasFormContentType && (Files is not null || File is not null || ParsedContent is not null))
        {
            var form = await request.ReadFormAsync(context.CancellationToken);
            foreach (var file in form.Files)
                if (WhyRefused(context, file) is { } why)
                    return why;
            if (Files is not null) context.Set(Files, [.. form.Files]);
            if (File is not null && form.Files.Count > 0) context.Set(File, form.Files[0]);
            if (ParsedContent is not null)
            {
                IDictionary<string, object?> fields = new ExpandoObject();
                foreach (var (name, value) in form) fields[name] = Values(value);
                context.Set(ParsedContent, fields);
            }
            return null;
        }
        if (ParsedContent is null) return null;
        request.EnableBuffering();
        request.Body.Position = 0;
        using var buffer = new MemoryStream();
        await request.Body.CopyToAsync(buffer, context.CancellationToken);
        request.Body.Position = 0;
        if (context.Get(RequestSizeLimit) is { } most && buffer.Length > most) return RequestTooLarge;
        context.Set(ParsedContent, HttpContentReader.Parse(buffer.ToArray(), request.ContentType));
        return null;
    }

    private string? WhyRefused(ActivityExecutionContext context, IFormFile file)
    {
        if (context.Get(FileSizeLimit) is { } limit && file.Length > limit) return FileTooLarge;
        var extension = System.IO.Path.GetExtension(file.FileName).TrimStart('.');
        if (context.Get(AllowedFileExtensions) is { Count: > 0 } allowed && !Has(allowed, extension)) return InvalidFileExtension;
        if (context.Get(BlockedFileExtensions) is { Count: > 0 } blocked && Has(blocked, extension)) return InvalidFileExtension;
        return context.Get(AllowedMimeTypes) is { Count: > 0 } types && !types.Contains(file.ContentType, StringComparer.OrdinalIgnoreCase) ? InvalidFileMimeType : null;

        static bool Has(ICollection<string> list, string extension) => list.Any(e => string.Equals(e.Trim().TrimStart('.'), extension, StringComparison.OrdinalIgnoreCase));
    }

    private ValueTask RefuseAsync(ActivityExecutionContext context, HttpContext http, string outcome)
    {
        var (exposed, status) = outcome switch
        {
            RequestTooLarge => (ExposeRequestTooLargeOutcome, StatusCodes.Status413PayloadTooLarge),
            FileTooLarge => (ExposeFileTooLargeOutcome, StatusCodes.Status413PayloadTooLarge),
            InvalidFileExtension => (ExposeInvalidFileExtensionOutcome, StatusCodes.Status415UnsupportedMediaType),
            _ => (ExposeInvalidFileMimeTypeOutcome, StatusCodes.Status415UnsupportedMediaType),
        };
        if (!exposed)
        {
            context.AddExecutionLogEntry("Refused", outcome);
            http.Response.StatusCode = status;
        }
        return context.CompleteActivityWithOutcomesAsync(outcome);
    }

    private static object Values(Microsoft.Extensions.Primitives.StringValues values) => values.Count == 1 ? values[0] ?? "" : values.ToArray();
}
