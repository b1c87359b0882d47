using System.Collections.Frozen;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http.Features;

namespace PwWorkflows.Sandbox.Core;

/// <summary>Logs what each system receives and plays the faults set on it.</summary>
sealed class SandboxMiddleware(RequestDelegate next, IEnumerable<SandboxSystem> systems, SandboxClock clock, IHostApplicationLifetime lifetime)
{
    readonly FrozenDictionary<string, SandboxSystem> _systems =
        systems.Where(s => s.SpeaksHttp).ToFrozenDictionary(s => s.Name, StringComparer.Ordinal);

    public Task InvokeAsync(HttpContext http)
    {
        var path = http.Request.Path.Value ?? "/";
        var end = path.IndexOf('/', 1);
        var first = end < 0 ? path.AsSpan(1) : path.AsSpan(1, end - 1);
        var control = end >= 0 && end + 1 < path.Length && path[end + 1] == '_';
        return !control && _systems.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(first, out var system)
            ? ServeAsync(system, http, path)
            : next(http);
    }

    async Task ServeAsync(SandboxSystem system, HttpContext http, string path)
    {
        var at = clock.GetUtcNow();
        var exchange = http.Exchange();
        var (answered, abort, noted) = (true, false, false);
        // Before the first byte leaves: whoever has an answer finds it in the log.
        http.Response.OnStarting(() =>
        {
            Note();
            return Task.CompletedTask;
        });
        try
        {
            var (slow, other) = system.Faults.TakeHttp(http.Request.Method, path);
            if (slow is not null)
            {
                exchange.Fault = slow.Kind;
                await WaitAsync(http, TimeSpan.FromMilliseconds(slow.DelayMs));
            }
            if (other is not null) exchange.Fault = other.Kind;
            switch (other?.Kind)
            {
                case FaultKinds.Status:
                    await AnswerStatusAsync(system, http, other);
                    break;
                case FaultKinds.Html:
                    http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                    http.Response.ContentType = "text/html; charset=utf-8";
                    await http.Response.WriteAsync(system.MaintenancePage, http.RequestAborted);
                    break;
                case FaultKinds.Timeout:
                    (answered, abort) = (false, true);
                    await WaitAsync(http, TimeSpan.FromSeconds(other.Seconds));
                    break;
                case FaultKinds.Drop:
                    (answered, abort) = (false, true);
                    break;
                case FaultKinds.DropAnswer:
                    abort = true;
                    http.Features.Set<IHttpResponseBodyFeature>(new DiscardedBody());
                    await next(http);
                    break;
                default:
                    await next(http);
                    break;
            }
        }
        catch (Exception) when (!http.Response.HasStarted && !http.RequestAborted.IsCancellationRequested)
        {
            http.Response.StatusCode = StatusCodes.Status500InternalServerError;
            throw;
        }
        finally
        {
            Note();
            if (abort) http.Abort();
        }

        void Note()
        {
            if (noted) return;
            noted = true;
            system.Log.Add(new SystemLogEntry(at, http.Request.Method, path, answered ? http.Response.StatusCode : 0)
            {
                Query = http.Request.QueryString.HasValue ? http.Request.QueryString.Value : null,
                Changed = [.. exchange.Changes],
                Fault = exchange.Fault,
                Body = exchange.Body,
            });
        }
    }

    async Task WaitAsync(HttpContext http, TimeSpan time)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, lifetime.ApplicationStopping);
        try
        {
            await Task.Delay(time, clock, stop.Token);
        }
        catch (OperationCanceledException)
        {
            // The client left or the sandbox stops: there is nobody to hold up any more.
        }
    }

    static async Task AnswerStatusAsync(SandboxSystem system, HttpContext http, Fault fault)
    {
        var (type, body) = system.FaultBody(fault.Status);
        http.Response.StatusCode = fault.Status;
        http.Response.ContentType = type;
        if (fault.RetryAfter is { } seconds) http.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        await http.Response.WriteAsync(fault.Body ?? body, http.RequestAborted);
    }

    /// <summary>Swallows an answer, so that not even its headers leave before the connection is dropped.</summary>
    sealed class DiscardedBody : IHttpResponseBodyFeature
    {
        public Stream Stream => Stream.Null;
        public PipeWriter Writer { get; } = PipeWriter.Create(Stream.Null);
        public void DisableBuffering()
        {
            // Nothing is ever sent.
        }
        public Task StartAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;
        public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) => Task.CompletedTask;
        public Task CompleteAsync() => Task.CompletedTask;
    }
}
