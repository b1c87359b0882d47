using Elsa.Http;
using Elsa.Workflows;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Http;

/// <summary>Serves the routes of published HTTP endpoints. A request's answer is held back until the run that wrote it is committed, so a success answer means committed.</summary>
internal sealed class WorkflowHttpMiddleware(RequestDelegate next, WorkflowCatalog catalog, InstanceRunner runner, IEngineStore store, IStimulusHasher hasher, EngineOptions options, TimeProvider time, ILogger<WorkflowHttpMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext http)
    {
        if (Find(http.Request) is not { } found)
        {
            await next(http);
            return;
        }
        var (path, trigger, values) = found;
        BookmarkRow? bookmark = null;
        if (trigger is null)
        {
            var waiting = await store.FindBookmarksAsync(hasher.Hash("Elsa.HttpEndpoint", new HttpEndpointBookmarkPayload(path.TrimEnd('/'), http.Request.Method.ToLowerInvariant())), null, null, null, http.RequestAborted);
            if (waiting.Count != 1)
            {
                await next(http);
                return;
            }
            bookmark = waiting[0];
        }
        Guard(http.Response);
        var limit = trigger is null ? options.HttpRequestSizeLimit : SizeLimit(trigger);
        if (!await BufferAsync(http, limit))
        {
            await ProblemAsync(http, StatusCodes.Status413PayloadTooLarge, "The request is too large.", $"This endpoint takes at most {limit} bytes.");
            return;
        }
        if (values is not null)
            foreach (var (key, value) in values)
                http.Request.RouteValues[key] = value;
        await RunAsync(http, trigger, bookmark);
    }

    private (string Path, TriggerRow? Trigger, RouteValueDictionary? Values)? Find(HttpRequest request)
    {
        var full = request.Path.Value ?? "/";
        if (request.Path.StartsWithSegments(options.HttpBasePath, out var rest))
            return catalog.Routes.TryMatch(request.Method, rest.Value ?? "/", out var t, out var v) ? (rest.Value!, t, v) : (rest.Value ?? "/", null, null);
        return options.HttpAtRoot && catalog.Routes.TryMatch(request.Method, full, out var trigger, out var values) ? (full, trigger, values) : null;
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
            if (trigger is not null)
            {
                var compiled = await catalog.GetVersionAsync(trigger.DefinitionVersionId, null, http.RequestAborted);
                outcome = await runner.StartAsync(compiled, new StartArguments(Ids.Row(time.GetUtcNow()), null, null, TriggerActivityId: trigger.ActivityId) { BeforeEachRun = () => Reset(http, buffer) }, CancellationToken.None);
            }
            else
            {
                Reset(http, buffer);
                outcome = await runner.ResumeAsync(bookmark!.InstanceId, bookmark.Id, null, [], CancellationToken.None);
            }
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

    /// <summary>A run that is repeated starts from the request as it came.</summary>
    private static void Reset(HttpContext http, MemoryStream buffer)
    {
        buffer.SetLength(0);
        http.Response.Headers.Clear();
        http.Response.StatusCode = StatusCodes.Status200OK;
        http.Request.Body.Position = 0;
    }

    private long SizeLimit(TriggerRow trigger)
    {
        using var payload = System.Text.Json.JsonDocument.Parse(trigger.Payload);
        return payload.RootElement.TryGetProperty("requestSizeLimit", out var limit) && limit.ValueKind == System.Text.Json.JsonValueKind.Number ? limit.GetInt64() : options.HttpRequestSizeLimit;
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
        return http.Response.WriteAsJsonAsync(problem, (System.Text.Json.JsonSerializerOptions?)null, "application/problem+json", CancellationToken.None);
    }
}
