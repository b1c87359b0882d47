using System.Text.Json;
using Elsa.Http;
using Elsa.Workflows;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Http;

/// <summary>Serves the routes of published HTTP endpoints. A request's answer is held back until the run that wrote it is committed, so a success answer means committed.</summary>
internal sealed class WorkflowHttpMiddleware(RequestDelegate next, WorkflowCatalog catalog, InstanceRunner runner, IEngineStore store, IStimulusHasher hasher, EngineOptions options, TimeProvider time, ILogger<WorkflowHttpMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext http)
    {
        var request = http.Request;
        if (!request.Path.StartsWithSegments(options.HttpBasePath, out var rest))
        {
            // At the root the host's own endpoints go first. What answers 405 for one of them is no endpoint of its own.
            if (!options.HttpAtRoot || http.GetEndpoint() is RouteEndpoint)
            {
                await next(http);
                return;
            }
            rest = request.Path;
        }
        var path = rest.HasValue ? rest.Value! : "/";
        BookmarkRow? bookmark = null;
        if (!catalog.Routes.TryMatch(request.Method, path, out var route, out var values))
        {
            bookmark = await FindWaitingAsync(request.Method, path, http.RequestAborted);
            if (bookmark is null)
            {
                await next(http);
                return;
            }
        }
        Guard(http.Response);
        var limit = (route is not null ? route.RequestSizeLimit : await SizeLimitAsync(http, bookmark!)) ?? options.HttpRequestSizeLimit;
        if (!await BufferAsync(http, limit))
        {
            await ProblemAsync(http, StatusCodes.Status413PayloadTooLarge, "The request is too large.", $"This endpoint takes at most {limit} bytes.");
            return;
        }
        if (values is not null)
            foreach (var (key, value) in values)
                request.RouteValues[key] = value;
        await RunAsync(http, route?.Trigger, bookmark);
    }

    /// <summary>The endpoint in the middle of a workflow that waits at a path; null when there is none, or more than one.</summary>
    private async Task<BookmarkRow?> FindWaitingAsync(string method, string path, CancellationToken ct)
    {
        var given = path.TrimEnd('/');
        if (given.Length == 0) return null;
        var lower = given.ToLowerInvariant();
        // Those that began to wait before paths were put in lower case are found by the path as it was written.
        foreach (var form in lower == given ? [lower] : (string[])[lower, given])
        {
            var waiting = await store.FindBookmarksAsync(hasher.Hash(HttpEndpoint.StimulusName, new HttpEndpointBookmarkPayload(form, method.ToLowerInvariant())), null, null, null, ct);
            if (waiting.Count > 0) return waiting.Count == 1 ? waiting[0] : null;
        }
        return null;
    }

    /// <summary>The limit of an endpoint that waits, which is in the state of its instance; not read for a request that has no body.</summary>
    private async Task<long?> SizeLimitAsync(HttpContext http, BookmarkRow bookmark)
    {
        if (http.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false } || await store.GetInstanceAsync(bookmark.InstanceId, http.RequestAborted) is not { } row) return null;
        using var state = JsonDocument.Parse(row.State);
        foreach (var waiting in state.RootElement.GetProperty("bookmarks").EnumerateArray())
            if (waiting.GetProperty("id").ValueEquals(bookmark.Id))
                return waiting.TryGetProperty("payload", out var payload) && payload.TryGetProperty("requestSizeLimit", out var limit) && limit.ValueKind == JsonValueKind.Number ? limit.GetInt64() : null;
        return null;
    }

    /// <summary>
    /// What a workflow answers is content, not a page of the host: a browser must not run it with what this origin may do, nor take the host's cookies from it.
    /// Done when the answer begins, so that no header of the workflow's stands in the way.
    /// </summary>
    private void Guard(HttpResponse response) => response.OnStarting(() =>
    {
        response.Headers.ContentSecurityPolicy = "sandbox";
        response.Headers.XContentTypeOptions = "nosniff";
        if (options.HttpReservedCookies is { Length: > 0 } reserved && response.Headers.SetCookie is { Count: > 0 } cookies)
            // A cookie without a name is sent back as if its value were name and value.
            response.Headers.SetCookie = cookies.Where(c => c is not null && !c.AsSpan().TrimStart(" \t=").StartsWith(reserved, StringComparison.OrdinalIgnoreCase)).ToArray();
        return Task.CompletedTask;
    });

    private async Task RunAsync(HttpContext http, TriggerRow? trigger, BookmarkRow? bookmark)
    {
        var real = http.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
        using var buffer = new MemoryStream();
        var held = new StreamResponseBodyFeature(buffer);
        http.Features.Set<IHttpResponseBodyFeature>(held);
        RunOutcome? outcome;
        try
        {
            // The caller's going away must not undo what is about to be committed.
            var answer = new HeldAnswer(http, buffer);
            if (trigger is not null)
            {
                var compiled = await catalog.GetVersionAsync(trigger.DefinitionVersionId, null, http.RequestAborted);
                outcome = await runner.StartAsync(compiled, new StartArguments(Ids.Row(time.GetUtcNow()), null, null, TriggerActivityId: trigger.ActivityId) { Answer = answer }, CancellationToken.None);
            }
            else outcome = await runner.ResumeAsync(bookmark!.InstanceId, bookmark.Id, null, [], CancellationToken.None, answer);
        }
        catch (Exception e)
        {
            http.Features.Set(real);
            logger.LogError(e, "The workflow of {Method} {Path} could not be run", http.Request.Method, http.Request.Path);
            http.Response.Clear();
            http.Response.Headers.RetryAfter = "5";
            await ProblemAsync(http, StatusCodes.Status503ServiceUnavailable, "The request could not be confirmed.", "It may or may not be stored; send it again.");
            return;
        }
        http.Features.Set(real);
        if (outcome is null or { Matched: false } or { CannotStart: true })
        {
            http.Response.Clear();
            await ProblemAsync(http, StatusCodes.Status409Conflict, "The workflow can't take this request now.", "Another instance is running, or another request came first.");
        }
        else if (outcome.SubStatus == WorkflowSubStatus.Faulted)
        {
            http.Response.Clear();
            await ProblemAsync(http, StatusCodes.Status500InternalServerError, "The workflow failed.", "Quote the instance id when asking for help.", outcome.InstanceId);
        }
        else if (buffer.Length == 0 && http.Response.StatusCode == StatusCodes.Status200OK && outcome.Status == WorkflowStatus.Running)
        {
            http.Response.StatusCode = StatusCodes.Status202Accepted;
            await http.Response.WriteAsJsonAsync(new { workflowInstanceId = outcome.InstanceId }, http.RequestAborted);
        }
        else if (buffer.Length > 0)
        {
            http.Response.ContentLength = buffer.Length;
            await http.Response.Body.WriteAsync(buffer.GetBuffer().AsMemory(0, (int)buffer.Length), http.RequestAborted);
        }
    }

    /// <summary>The answer as far as it is written.</summary>
    private sealed class HeldAnswer(HttpContext http, MemoryStream body) : IHeldAnswer
    {
        private KeyValuePair<string, StringValues>[] _headers = [];
        private int _status = StatusCodes.Status200OK;
        private long _length;

        public void Keep() => (_headers, _status, _length) = ([.. http.Response.Headers], http.Response.StatusCode, body.Length);

        public void Restore()
        {
            body.SetLength(_length);
            http.Response.Headers.Clear();
            foreach (var (name, value) in _headers) http.Response.Headers[name] = value;
            http.Response.StatusCode = _status;
            http.Request.Body.Position = 0;
        }
    }

    /// <summary>Reads the body into memory, counting the bytes that come rather than trusting the header. False when there are too many.</summary>
    private static async Task<bool> BufferAsync(HttpContext http, long limit)
    {
        if (http.Request.ContentLength > limit) return false;
        var body = new MemoryStream();
        http.Response.RegisterForDispose(body);
        var chunk = new byte[16 * 1024];
        int read;
        while ((read = await http.Request.Body.ReadAsync(chunk, http.RequestAborted)) > 0)
        {
            if (body.Length + read > limit) return false;
            body.Write(chunk, 0, read);
        }
        body.Position = 0;
        http.Request.Body = body;
        return true;
    }

    private static Task ProblemAsync(HttpContext http, int status, string title, string detail, string? instanceId = null)
    {
        http.Response.StatusCode = status;
        var problem = new ProblemDetails { Status = status, Title = title, Detail = detail };
        if (instanceId is not null) problem.Extensions["workflowInstanceId"] = instanceId;
        return http.Response.WriteAsJsonAsync(problem, (JsonSerializerOptions?)null, "application/problem+json", CancellationToken.None);
    }
}
