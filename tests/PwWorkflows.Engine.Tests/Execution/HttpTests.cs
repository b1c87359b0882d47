using System.Net;
using System.Net.Sockets;
using System.Text;
using Elsa.Extensions;
using Elsa.Http;
using Elsa.Workflows;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using PwWorkflows.Engine.Http;
using static PwWorkflows.Engine.Tests.Execution.Build;

namespace PwWorkflows.Engine.Tests.Execution;

public sealed class HttpTests
{
    private static DefaultHttpContext Request(string method, string body = "", string? contentType = null)
    {
        var http = new DefaultHttpContext();
        http.Request.Method = method;
        http.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes(body));
        http.Request.ContentLength = Encoding.UTF8.GetByteCount(body);
        http.Request.ContentType = contentType;
        http.Response.Body = new MemoryStream();
        return http;
    }

    private static Action<IServiceCollection> With(HttpContext? http) => s => s.AddSingleton<IHttpContextAccessor>(new Accessor { HttpContext = http });

    private sealed class Accessor : IHttpContextAccessor
    {
        public HttpContext? HttpContext { get; set; }
    }

    private static string Answer(HttpContext http) => Encoding.UTF8.GetString(((MemoryStream)http.Response.Body).ToArray());

    private static Variable<object> Kept(string name) => new Variable<object>(name, null!).WithWorkflowStorage();

    [Fact]
    public async Task Endpoint_that_started_the_run_reads_the_request()
    {
        var http = Request("POST", "{\"amount\":10}", "application/json; charset=utf-8");
        http.Request.QueryString = new QueryString("?name=Ann&tag=1&tag=2");
        http.Request.RouteValues["id"] = "42";
        http.Request.Headers["Stripe-Signature"] = "t=1,v1=abcdef";
        http.Request.Headers.Authorization = "Bearer abcdef";
        http.Request.Headers["X-Plain"] = "plain";
        Variable<object> content = Kept("C"), route = Kept("R"), query = Kept("Q"), headers = Kept("H");
        var endpoint = new HttpEndpoint(new Input<string>("orders/{id}"))
        {
            Id = "in",
            ParsedContent = new(content),
            RouteData = new(route),
            QueryStringData = new(query),
            Headers = new(headers),
        };
        var w = await new InMemoryWorkflow(new Elsa.Workflows.Activities.Sequence { Variables = { content, route, query, headers }, Activities = { endpoint, new Wait("w") } }, services: With(http)).StartAsync(trigger: "in");
        Assert.Equal("Running/Suspended", w.Status);
        Assert.Contains("\"amount\":10", w.State, StringComparison.Ordinal);
        Assert.Contains("\"id\":\"42\"", w.State, StringComparison.Ordinal);
        Assert.Contains("\"name\":\"Ann\",\"tag\":[\"1\",\"2\"]", w.State, StringComparison.Ordinal);
        Assert.Contains("\"X-Plain\":\"plain\"", w.State, StringComparison.Ordinal);
        Assert.Contains("\"Stripe-Signature\":\"***\"", w.State, StringComparison.Ordinal);
        Assert.DoesNotContain("abcdef", w.State + w.Journal, StringComparison.Ordinal);
        Assert.Equal(0, http.Request.Body.Position);
    }

    [Fact]
    public async Task Endpoint_in_the_middle_waits_with_one_bookmark_per_method()
    {
        var http = Request("GET");
        var accessor = new Accessor();
        var w = await new InMemoryWorkflow(Sequence(new HttpEndpoint(new Input<string>("/anchor/hello/")) { Id = "in", SupportedMethods = new(new List<string> { "GET", "POST" }) }, new Step("end")), services: s => s.AddSingleton<IHttpContextAccessor>(accessor)).StartAsync();
        Assert.Equal(["D8AE1B387DEDC7A39444DE03D2F43C9C1E37921D190FF3F0BB9E1FB6B4D5033B", "109E7C2862F9094276536518A4B69AAD695A082AC8E3B3DEEB6B0039D6067622"], w.Bookmarks.Select(b => b.Hash));
        Assert.All(w.Bookmarks, b => Assert.Equal(("Elsa.HttpEndpoint", "OnResumeAsync"), (b.Name, b.CallbackMethodName)));
        accessor.HttpContext = http;
        await w.ResumeAsync("in");
        Assert.Equal(("end", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Empty(w.Bookmarks);
    }

    [Fact]
    public async Task Endpoint_without_a_request_faults_instead_of_going_on_empty()
    {
        var w = await new InMemoryWorkflow(new HttpEndpoint(new Input<string>("x")) { Id = "in" }, services: With(null)).StartAsync(trigger: "in");
        Assert.Contains("there is no HTTP request", Assert.Single(w.Incidents).Message, StringComparison.Ordinal);
    }

    [Theory, InlineData(false, 413), InlineData(true, 200)]
    public async Task Body_over_the_limit_is_answered_413_or_leaves_by_its_outcome(bool exposed, int status)
    {
        var http = Request("POST", "0123456789", "text/plain");
        var endpoint = new HttpEndpoint(new Input<string>("x")) { Id = "in", RequestSizeLimit = new(5L), ExposeRequestTooLargeOutcome = exposed };
        Step done = new("done"), large = new("large");
        var w = await new InMemoryWorkflow(Chart(exposed ? [endpoint, done, large] : [endpoint, done], [(endpoint, "Done", done), .. exposed ? new[] { ((IActivity)endpoint, (string?)"Request too large", (IActivity)large) } : []]), services: With(http)).StartAsync(trigger: "in");
        Assert.Equal((exposed ? "large" : "", status, "Finished/Finished"), (w.Steps, http.Response.StatusCode, w.Status));
    }

    [Fact]
    public async Task Malformed_json_faults_the_endpoint()
    {
        var content = Kept("C");
        var w = await new InMemoryWorkflow(new Elsa.Workflows.Activities.Sequence { Variables = { content }, Activities = { new HttpEndpoint(new Input<string>("x")) { Id = "in", ParsedContent = new(content) } } }, services: With(Request("POST", "{broken", "application/json"))).StartAsync(trigger: "in");
        Assert.Equal("Finished/Faulted", w.Status);
    }

    [Fact]
    public async Task Custom_endpoint_handles_the_request_itself()
    {
        var http = Request("POST", "raw body");
        var hook = new Hook { Id = "hook" };
        var payload = Assert.IsType<HttpEndpointBookmarkPayload>(Assert.Single(hook.Payloads()));
        Assert.Equal(("/hooks/x", "post", 1024L), (payload.Path, payload.Method, payload.RequestSizeLimit));
        Step ok = new("ok"), bad = new("bad");
        var w = await new InMemoryWorkflow(Chart([hook, ok, bad], (hook, "Accepted", ok), (hook, "Done", bad)), services: With(http)).StartAsync(trigger: "hook");
        Assert.Equal(("raw-body ok", 202), (w.Steps, http.Response.StatusCode));
    }

    private sealed class Hook : HttpEndpointBase
    {
        protected override HttpEndpointOptions GetOptions() => new() { Path = "hooks/x", Methods = [HttpMethods.Post], RequestSizeLimit = 1024 };

        protected override async ValueTask OnHttpRequestReceivedAsync(ActivityExecutionContext context, HttpContext httpContext)
        {
            using var reader = new StreamReader(httpContext.Request.Body);
            context.GetRequiredService<Trace>().Add((await reader.ReadToEndAsync(context.CancellationToken)).Replace(' ', '-'));
            httpContext.Response.StatusCode = 202;
            await context.CompleteActivityWithOutcomesAsync("Accepted");
        }

        public IEnumerable<object> Payloads() => GetOptions().Payloads(this);
    }

    [Fact]
    public async Task Response_is_written_as_json_or_text_with_its_headers()
    {
        var http = Request("GET");
        await new InMemoryWorkflow(new WriteHttpResponse { StatusCode = new(HttpStatusCode.Created), Content = new((object)new Dictionary<string, object> { ["greeting"] = "hi" }), ResponseHeaders = new(new HttpHeaders { ["X-A"] = ["1"] }) }, services: With(http)).StartAsync();
        Assert.Equal((201, "application/json", "{\"greeting\":\"hi\"}", "1"), (http.Response.StatusCode, http.Response.ContentType, Answer(http), http.Response.Headers["X-A"].ToString()));

        var text = Request("GET");
        await new InMemoryWorkflow(new WriteHttpResponse { Content = new((object)"<b>hi</b>"), ContentType = new("text/html") }, services: With(text)).StartAsync();
        Assert.Equal((200, "text/html", "<b>hi</b>"), (text.Response.StatusCode, text.Response.ContentType, Answer(text)));
    }

    [Fact]
    public async Task Response_that_nobody_waits_for_is_noted_and_the_workflow_goes_on()
    {
        var w = await new InMemoryWorkflow(Sequence(new WriteHttpResponse { Content = new((object)"x") }, new Step("end")), services: With(null)).StartAsync();
        Assert.Equal(("end", "Finished/Finished"), (w.Steps, w.Status));
        Assert.Contains("Response skipped", w.Journal, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", 0), InlineData("{\"X-A\":\"1\",\"X-B\":[\"1\",\"2\"],\"X-C\":3}", 3)]
    public void Headers_are_read_from_text(string json, int count)
    {
        var headers = Elsa.Expressions.Helpers.ObjectConverter.ConvertTo<HttpHeaders>(json)!;
        Assert.Equal(count, headers.Count);
        if (count > 0) Assert.Equal(["1", "2", "3"], [.. headers["x-b"], .. headers["X-C"]]);
    }

    // Requests out

    private sealed class Stub(Func<HttpRequestMessage, Task<HttpResponseMessage>> answer) : HttpMessageHandler
    {
        public List<string> Seen { get; } = [];
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Seen.Add($"{request.Method} {request.RequestUri} {request.Headers.Authorization} {request.Content?.Headers.ContentType} {(request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken))}".TrimEnd());
            return await answer(request);
        }
    }

    private static Action<IServiceCollection> Client(HttpMessageHandler handler) => s => s.AddOutboundHttp().AddHttpClient(OutboundHttp.ClientName).ConfigurePrimaryHttpMessageHandler(() => handler);

    private static HttpResponseMessage Json(HttpStatusCode status, string json) => new(status) { Content = new StringContent(json, Encoding.UTF8, "application/json") };

    [Fact]
    public async Task Request_sends_its_content_and_gives_the_parsed_answer()
    {
        using var stub = new Stub(_ => Task.FromResult(Json(HttpStatusCode.OK, "{\"id\":7}")));
        var content = Kept("C");
        var status = new Variable<int>("S", 0).WithWorkflowStorage();
        var send = new SendHttpRequest
        {
            Url = new(new Uri("https://example.org/a")),
            Method = new("post"),
            Content = new((object)new Dictionary<string, object> { ["x"] = 1 }),
            Authorization = new("Bearer s3cr3t"),
            ParsedContent = new(content),
            StatusCode = new(status),
            ExpectedStatusCodes = [new(200, new Step("ok"))],
            UnmatchedStatusCode = new Step("other"),
        };
        var w = await new InMemoryWorkflow(new Elsa.Workflows.Activities.Sequence { Variables = { content, status }, Activities = { send, new Wait("w") } }, services: Client(stub)).StartAsync();
        Assert.Equal(["POST https://example.org/a Bearer s3cr3t application/json {\"x\":1}"], stub.Seen);
        Assert.Equal("ok w", w.Steps);
        Assert.Contains("\"id\":7", w.State, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cr3t", w.State + w.Journal, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(200, "ok done"), InlineData(404, "missing done"), InlineData(500, "other done")]
    public async Task Flow_request_leaves_by_the_status_code(int status, string steps)
    {
        using var stub = new Stub(_ => Task.FromResult(Json((HttpStatusCode)status, "{}")));
        var send = new FlowSendHttpRequest { Id = "send", Url = new(new Uri("https://example.org/")), ExpectedStatusCodes = new(new List<int> { 200, 404 }) };
        Step ok = new("ok"), missing = new("missing"), other = new("other"), done = new("done");
        var w = await new InMemoryWorkflow(Chart([send, ok, missing, other, done], (send, "200", ok), (send, "404", missing), (send, "Unmatched status code", other), (send, "Done", done)), services: Client(stub)).StartAsync();
        Assert.Equal((steps, "Finished/Finished"), (w.Steps, w.Status));
    }

    [Theory, InlineData(true, "Failed to connect"), InlineData(false, "Timeout")]
    public async Task Flow_request_leaves_by_its_failure(bool connect, string outcome)
    {
        using var stub = new Stub(_ => Task.FromException<HttpResponseMessage>(connect ? new HttpRequestException("refused") : new TaskCanceledException("late")));
        var send = new FlowSendHttpRequest { Id = "send", Url = new(new Uri("https://example.org/")) };
        var failed = new Step("failed");
        var w = await new InMemoryWorkflow(Chart([send, failed], (send, outcome, failed)), services: Client(stub)).StartAsync();
        Assert.Equal(("failed", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Failure_without_a_port_faults_and_a_retry_policy_goes_first()
    {
        var calls = 0;
        using var stub = new Stub(_ => ++calls < 3 ? Task.FromException<HttpResponseMessage>(new HttpRequestException("refused")) : Task.FromResult(Json(HttpStatusCode.OK, "{}")));
        var plain = await new InMemoryWorkflow(new SendHttpRequest { Url = new(new Uri("https://example.org/")) }, services: Client(stub)).StartAsync();
        Assert.Equal(("Finished/Faulted", "refused"), (plain.Status, Assert.Single(plain.Incidents).Message));
        var send = new SendHttpRequest { Url = new(new Uri("https://example.org/")), FailedToConnect = new Step("failed") };
        send.CustomProperties["resilienceStrategy"] = new { attempts = 2, backoff = "constant", initialDelay = "00:00:01" };
        var w = await new InMemoryWorkflow(send, services: Client(stub)).StartAsync();
        await w.ResumeAsync();
        Assert.Equal(("", "Finished/Finished", 3), (w.Steps, w.Status, calls));
    }

    [Theory]
    [InlineData("ftp://example.org/", "scheme 'ftp'"), InlineData("http://user:pw@example.org/", "user name or password"), InlineData("http://127.0.0.1:9/", "127.0.0.1, which is not a public address"), InlineData("http://[::1]/", "not a public address"), InlineData("http://169.254.169.254/latest", "not a public address")]
    public async Task Address_that_workflows_may_not_call_is_refused(string url, string why)
    {
        using var stub = new Stub(_ => throw new InvalidOperationException("must not be called"));
        var w = await new InMemoryWorkflow(new SendHttpRequest { Url = new(new Uri(url)), FailedToConnect = new Step("failed") }, services: Client(stub)).StartAsync();
        Assert.Contains(why, Assert.Single(w.Incidents).Message, StringComparison.Ordinal);
        Assert.Empty(stub.Seen);
    }

    [Fact]
    public async Task Name_that_points_inside_is_refused_at_connect_unless_the_operator_allows_it()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var url = new Uri($"http://localhost:{port}/");
        var refused = await new InMemoryWorkflow(new SendHttpRequest { Url = new(url), FailedToConnect = new Step("failed") }, services: s => s.AddOutboundHttp()).StartAsync();
        Assert.Contains("not a public address", Assert.Single(refused.Incidents).Message, StringComparison.Ordinal);
        Assert.False(listener.Pending());

        var ct = TestContext.Current.CancellationToken;
        var served = Task.Run(async () =>
        {
            using var client = await listener.AcceptTcpClientAsync(ct);
            var stream = client.GetStream();
            var buffer = new byte[4096];
            _ = await stream.ReadAsync(buffer, ct);
            await stream.WriteAsync("HTTP/1.1 302 Found\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray(), ct);
        }, ct);
        var allowed = await new InMemoryWorkflow(new SendHttpRequest { Url = new(url), ExpectedStatusCodes = [new(302, new Step("redirect"))] }, services: s => s.AddOutboundHttp(o => o.AllowedHosts.Add($"localhost:{port}"))).StartAsync();
        await served;
        Assert.Equal(("redirect", "Finished/Finished"), (allowed.Steps, allowed.Status));
    }

    [Theory]
    [InlineData("8.8.8.8", true), InlineData("1.1.1.1", true), InlineData("172.32.0.1", true), InlineData("2606:4700::1111", true)]
    [InlineData("0.0.0.0", false), InlineData("10.1.2.3", false), InlineData("100.64.0.1", false), InlineData("127.1.1.1", false), InlineData("169.254.169.254", false), InlineData("172.16.0.1", false), InlineData("172.31.255.255", false)]
    [InlineData("192.168.0.1", false), InlineData("192.0.2.1", false), InlineData("198.18.0.1", false), InlineData("203.0.113.5", false), InlineData("224.0.0.1", false), InlineData("255.255.255.255", false)]
    [InlineData("::1", false), InlineData("::", false), InlineData("fe80::1", false), InlineData("fd00::1", false), InlineData("::ffff:127.0.0.1", false), InlineData("64:ff9b::7f00:1", false), InlineData("2002:7f00:1::", false), InlineData("2001:db8::1", false)]
    public void Only_addresses_of_the_public_internet_are_public(string address, bool isPublic) => Assert.Equal(isPublic, OutboundHttpGuard.IsPublic(IPAddress.Parse(address)));

    [Theory, InlineData("api.example.org", true), InlineData("example.org", false), InlineData("badexample.org", false), InlineData("intranet", true), InlineData("INTRANET", true)]
    public void Allowed_hosts_match_by_name_and_wildcard(string host, bool allowed)
    {
        var options = new OutboundHttpOptions { AllowedHosts = { "*.example.org", "intranet" } };
        Assert.Equal(allowed, new OutboundHttpGuard(Options.Create(options)).Check(host, 80, IPAddress.Parse("10.0.0.1")) is null);
    }
}
