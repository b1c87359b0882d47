using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Activities.Storage;

namespace PwWorkflows.Activities.Tests.Storage;

/// <summary>An S3 server that refuses, breaks or says nothing: one kind of error, which says what was asked, and no secret.</summary>
public sealed class ObjectStoreFailureTests : IAsyncLifetime
{
    private const string Secret = "marked-secret-key";

    private readonly FakeTimeProvider _time = new();
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private WebApplication _app = null!;
    private MinioObjectStore _store = null!;
    private Func<HttpContext, Task> _answer = static _ => Task.CompletedTask;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        _app = builder.Build();
        _app.Run(http => _answer(http));
        await _app.StartAsync(Ct);
        _store = Store(new Uri(_app.Urls.First()).Authority);
    }

    public async ValueTask DisposeAsync()
    {
        _store.Dispose();
        await _app.DisposeAsync();
    }

    private MinioObjectStore Store(string endpoint) => new(new ObjectStorageOptions { Endpoint = endpoint, AccessKey = "marked-access", SecretKey = Secret }, _time);

    private void Answer(int status, string body, string contentType = "application/xml") => _answer = async http =>
    {
        http.Response.StatusCode = status;
        if (HttpMethods.IsHead(http.Request.Method) || body.Length == 0) return;
        http.Response.ContentType = contentType;
        await http.Response.WriteAsync(body, http.RequestAborted);
    };

    private static string Error(string code, string message) => $"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message><BucketName>filings</BucketName><Key>a/b.pdf</Key><RequestId>1</RequestId></Error>";

    private static readonly Dictionary<string, Func<MinioObjectStore, CancellationToken, Task>> Calls = new()
    {
        ["put"] = static (s, ct) => s.PutAsync("filings", "a/b.pdf", "x"u8.ToArray(), "application/pdf", null, ct),
        ["get"] = static (s, ct) => s.GetAsync("filings", "a/b.pdf", ct),
        ["exists"] = static (s, ct) => s.ExistsAsync("filings", "a/b.pdf", ct),
        ["list"] = static (s, ct) => s.ListAsync("filings", "a/b.pdf", ct).ToListAsync(ct).AsTask(),
        ["delete"] = static (s, ct) => s.DeleteAsync("filings", "a/b.pdf", ct),
    };

    private static async Task FailsAsync(string call, MinioObjectStore store, params string[] expected)
    {
        var error = await Assert.ThrowsAsync<ObjectStoreException>(() => Calls[call](store, Ct));
        Assert.StartsWith("filings/a/b.pdf could not be ", error.Message, StringComparison.Ordinal);
        Assert.All(expected, part => Assert.Contains(part, error.Message, StringComparison.OrdinalIgnoreCase));
        Assert.DoesNotContain(Secret, error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("Signature=", error.ToString(), StringComparison.Ordinal);
    }

    public static TheoryData<string, int, string> Failures
    {
        get
        {
            var data = new TheoryData<string, int, string>();
            foreach (var call in Calls.Keys)
                foreach (var (status, kind) in ((int, string)[])[(403, "xml"), (403, "nothing"), (500, "xml"), (500, "html"), (500, "nothing"), (503, "xml"), (503, "html")]) data.Add(call, status, kind);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Refusal_or_breakdown_is_an_error_that_says_what_was_asked(string call, int status, string kind)
    {
        var (code, message) = status switch { 403 => ("AccessDenied", "Access Denied."), 500 => ("InternalError", "We encountered an internal error."), _ => ("SlowDown", "Reduce your request rate.") };
        Answer(status, kind switch { "xml" => Error(code, message), "html" => "<html><body><h1>Bad gateway</body></html>", _ => "" }, kind == "html" ? "text/html" : "application/xml");
        await FailsAsync(call, _store);
    }

    [Fact]
    public async Task Missing_thing_is_none_and_a_write_to_it_an_error()
    {
        Answer(404, Error("NoSuchBucket", "The specified bucket does not exist"));
        Assert.Null(await _store.GetAsync("filings", "a/b.pdf", Ct));
        Assert.False(await _store.ExistsAsync("filings", "a/b.pdf", Ct));
        Assert.Empty(await _store.ListAsync("filings", "", Ct).ToListAsync(Ct));
        await _store.DeleteAsync("filings", "a/b.pdf", Ct);
        await FailsAsync("put", _store);
    }

    [Fact]
    public async Task Server_that_keeps_other_bytes_than_it_was_sent_is_found_out()
    {
        _answer = async http =>
        {
            http.Response.Headers.ETag = "\"0\"";
            http.Response.Headers.LastModified = "Mon, 30 Mar 2026 09:00:00 GMT";
            http.Response.ContentType = "application/pdf";
            if (HttpMethods.IsGet(http.Request.Method)) await http.Response.WriteAsync("other", http.RequestAborted);
        };
        var error = await Assert.ThrowsAsync<ObjectStoreException>(() => Calls["put"](_store, Ct));
        Assert.Contains("reads back differently: 1 bytes sent, 5 found", error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string> AllCalls => [.. Calls.Keys];

    [Theory]
    [MemberData(nameof(AllCalls))]
    public async Task Server_that_does_not_answer_is_given_up(string call)
    {
        _answer = Hold;
        var calling = FailsAsync(call, _store, "60 s");
        await _asked.Task.WaitAsync(Ct);
        _time.Advance(TimeSpan.FromSeconds(60));
        await calling;
    }

    [Theory]
    [MemberData(nameof(AllCalls))]
    public async Task Caller_that_stops_is_told_so(string call)
    {
        _answer = Hold;
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var calling = Calls[call](_store, caller.Token);
        await _asked.Task.WaitAsync(Ct);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => calling);
    }

    private async Task Hold(HttpContext http)
    {
        _asked.TrySetResult();
        await Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(static _ => { }, TaskScheduler.Default);
    }

    [Theory]
    [MemberData(nameof(AllCalls))]
    public async Task Server_that_is_not_there_is_an_error(string call)
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var endpoint = free.LocalEndpoint.ToString()!;
        free.Stop();
        using var store = Store(endpoint);
        await FailsAsync(call, store);
        Assert.False(await store.IsHealthyAsync(Ct));
    }
}
