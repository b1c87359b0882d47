using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.Data;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Sandbox;
using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.ErpNext;
using PwWorkflows.Sandbox.Mail;
using PwWorkflows.Server.Hosting;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Orders;

/// <summary>What a host wrote to its log.</summary>
public sealed class LogLines : ILoggerProvider
{
    private readonly ConcurrentQueue<string> _lines = new();

    public IReadOnlyList<string> Read() => [.. _lines];

    public ILogger CreateLogger(string categoryName) => new Logger(_lines);

    public void Dispose() { }

    private sealed class Logger(ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue(formatter(state, exception) + (exception is null ? "" : "\n" + exception));
    }
}

/// <summary>
/// The server as it is composed for <c>pw serve</c>, inside this process: the real definitions of <c>workflows/</c> and one more service,
/// <c>probe</c>, that only writes down that it ran. Sandbox and server share a clock that a test can move.
/// </summary>
public class OrderServer(Func<CancellationToken, Task<string?>> database) : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<WebApplication> _nodes = [];
    private readonly List<HttpClient> _clients = [];
    private (string Token, DateTimeOffset Since)? _token;

    internal MovableClock Clock { get; } = new();

    public LogLines Log { get; } = new();

    public SandboxHost Sandbox { get; private set; } = null!;

    public Dictionary<string, string> Settings { get; private set; } = null!;

    public string Data => Path.Combine(_folder.FullPath, "data");

    /// <summary>Definitions besides the shipped ones, by their file's name.</summary>
    protected virtual IReadOnlyDictionary<string, string> MoreWorkflows { get; } = new Dictionary<string, string>();

    /// <summary>A client of the first node.</summary>
    public HttpClient Http => _clients[0];

    public HttpClient Node(int node) => _clients[node];

    public IServiceProvider Services => _nodes[0].Services;

    public IPwDatabase Database => Services.GetRequiredService<IPwDatabase>();

    public ErpNextSystem Erp => Sandbox.System<ErpNextSystem>();

    public MailSystem Mail => Sandbox.System<MailSystem>();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Sandbox = await SandboxHost.StartAsync(new SandboxOptions { Urls = "http://127.0.0.1:0", SmtpPort = 0, TimeProvider = Clock }, Ct);
        Settings = SandboxSettings.For(Sandbox.BaseUrl, Sandbox.SmtpPort);
        if (await database(Ct) is { } url) Settings["DATABASE_URL"] = url;
        var workflows = Path.Combine(_folder.FullPath, "workflows");
        CopyFolder(Path.Combine(AppContext.BaseDirectory, "workflows"), workflows);
        await File.WriteAllTextAsync(Path.Combine(workflows, "services", "service-probe.json"), Probe, Ct);
        foreach (var (name, json) in MoreWorkflows) await File.WriteAllTextAsync(Path.Combine(workflows, name + ".json"), json, Ct);
        Settings["PW_WORKFLOWS"] = workflows;
        using (var item = new HttpRequestMessage(HttpMethod.Post, "erpnext/api/resource/Item") { Content = JsonContent.Create(new { item_code = "PROBE", item_name = "Probe", item_group = "Services", stock_uom = "Nos" }) })
        {
            item.Headers.TryAddWithoutValidation("Authorization", $"token {Settings["ERPNEXT_SENSITIVE_API_KEY"]}:{Settings["ERPNEXT_SENSITIVE_API_SECRET"]}");
            using var made = await Sandbox.Http.SendAsync(item, Ct);
            Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(Ct));
        }

        await StartNodeAsync();
        using var _ = await Sandbox.Http.PostAsJsonAsync("stripe/_server", new { url = Http.BaseAddress }, Ct);
    }

    /// <summary>Starts one more node on the same database (PostgreSQL only).</summary>
    public async Task StartNodeAsync()
    {
        var env = Path.Combine(_folder.FullPath, "env" + _nodes.Count.ToString(CultureInfo.InvariantCulture));
        await File.WriteAllLinesAsync(env, Settings.Select(s => $"{s.Key}={s.Value}"), Ct);
        var app = ServerHost.Build(new HostSettings(env, Data, "http://127.0.0.1:0"), builder =>
        {
            builder.Services.AddSingleton(Clock).AddSingleton<TimeProvider>(Clock);
            builder.Logging.ClearProviders().AddProvider(Log);
        });
        // PostgreSQL would go by its own clock.
        app.Services.GetRequiredService<IEngineStore>().ClockOverride = Clock.GetUtcNow;
        await ServerHost.PrepareAsync(app, Ct);
        await app.StartAsync(Ct);
        _nodes.Add(app);
        _clients.Add(new HttpClient { BaseAddress = new Uri(app.Urls.First()) });
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients) client.Dispose();
        foreach (var app in _nodes)
        {
            await app.StopAsync(CancellationToken.None);
            await app.DisposeAsync();
        }

        await Sandbox.DisposeAsync();
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Waits for a condition; when it does not come true, the message holds the end of the server's log.</summary>
    public async Task WaitAsync(Func<Task<bool>> condition, string expectation)
    {
        try
        {
            await Eventually.TrueAsync(condition, expectation, Ct);
        }
        catch (Xunit.Sdk.FailException e)
        {
            var todos = (await AdminAsync("todos?take=5")).GetProperty("todos").EnumerateArray().Select(t => t.GetProperty("instructions").GetString());
            Assert.Fail($"{e.Message}\n{string.Join('\n', todos)}\n{string.Join('\n', Log.Read().TakeLast(40))}");
        }
    }

    // Orders

    public static string NewNumber(string prefix = "CO-") => prefix + Convert.ToHexString(RandomNumberGenerator.GetBytes(4));

    public static JsonObject Order(string number, string slug = "probe", long cents = 49900, string? batch = null, string? parent = null, string? email = null)
    {
        var order = new JsonObject
        {
            ["order_number"] = number,
            ["service_slug"] = slug,
            ["amount_cents"] = cents,
            ["customer"] = new JsonObject { ["name"] = "Probe Telecom LLC", ["email"] = email ?? $"billing-{number[3..].ToLowerInvariant()}@probetelecom.net" },
            ["intake_data"] = new JsonObject(),
        };
        if (batch is not null) order["batch_number"] = batch;
        if (parent is not null) order["parent_order_number"] = parent;
        return order;
    }

    public async Task<string> PlaceAsync(JsonObject order)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/orders") { Content = JsonContent.Create(order) };
        request.Headers.Add("X-Webhook-Secret", Settings["WEBHOOK_SECRET"]);
        using var answer = await Http.SendAsync(request, Ct);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Ct));
        return order["order_number"]!.GetValue<string>();
    }

    public Task<string> PlaceAsync(string slug = "probe", long cents = 49900) => PlaceAsync(Order(NewNumber(), slug, cents));

    public async Task<string> TokenAsync()
    {
        // A test that moved the clock has outlived its token.
        if (_token is { } known && Clock.GetUtcNow() - known.Since < TimeSpan.FromHours(6)) return known.Token;
        var token = await Api.TokenAsync(Http, "admin", "admin", Ct);
        _token = (token, Clock.GetUtcNow());
        return token;
    }

    public async Task<JsonElement> AdminAsync(string path) => await Api.GetAsync(Http, "/api/v1/admin/" + path, await TokenAsync(), Ct);

    public Task<JsonElement> ShowAsync(string order) => AdminAsync("orders/" + order);

    public async Task<string> PaymentAsync(string order) => (await ShowAsync(order)).GetProperty("status").GetString()!;

    public async Task<string> FulfilmentAsync(string order) => (await ShowAsync(order)).GetProperty("fulfillment_status").GetString()!;

    public async Task<IReadOnlyList<(string Event, string Message)>> TimelineAsync(string order) =>
        [.. (await ShowAsync(order)).GetProperty("timeline").EnumerateArray().Select(t => (t.GetProperty("event").GetString()!, t.GetProperty("message").GetString()!))];

    /// <summary>How often the service ran for an order: what it wrote down each time.</summary>
    public async Task<IReadOnlyList<string>> RunsAsync(string order) => [.. (await TimelineAsync(order)).Where(t => t.Event == "probe-ran").Select(t => t.Message)];

    public Task RanAsync(string order, int times = 1) =>
        WaitAsync(async () => (await RunsAsync(order)).Count >= times, $"the service of {order} ran {times} time(s)");

    public async Task<IReadOnlyList<(string Order, string Slug, string Marker, string Instructions, string Status)>> ToDosAsync(string order) =>
        [.. (await AdminAsync("todos?all=true&take=500")).GetProperty("todos").EnumerateArray()
            .Select(t => (t.GetProperty("order").GetString()!, t.GetProperty("slug").GetString()!, t.GetProperty("marker").GetString()!, t.GetProperty("instructions").GetString()!, t.GetProperty("status").GetString()!))
            .Where(t => t.Item1 == order)];

    public async Task<string> ToDoAsync(string order, string marker)
    {
        await WaitAsync(async () => (await ToDosAsync(order)).Any(t => t.Marker == marker), $"there is a ToDo {marker} for {order}");
        return (await ToDosAsync(order)).First(t => t.Marker == marker).Instructions;
    }

    public async Task<IReadOnlyList<JsonElement>> InboxAsync(string? status = null) =>
        [.. (await AdminAsync("webhooks?take=500" + (status is null ? "" : "&status=" + status))).GetProperty("webhooks").EnumerateArray()];

    public async Task<JsonElement?> InboxLineAsync(string eventId)
    {
        foreach (var line in await InboxAsync())
            if (line.GetProperty("event_id").GetString() == eventId) return line;
        return null;
    }

    public async Task<IReadOnlyList<JsonElement>> InstancesAsync(string definition, string? correlation = null) =>
        [.. (await AdminAsync($"workflow-instances?take=500&definition_id={definition}{(correlation is null ? "" : "&correlation_id=" + Uri.EscapeDataString(correlation))}")).GetProperty("workflow_instances").EnumerateArray()];

    public Task EndedAsync(string definition, string correlation) => WaitAsync(
        async () => await InstancesAsync(definition, correlation) is { Count: > 0 } all && all.All(i => i.GetProperty("status").GetString() == "finished"),
        $"{definition} of {correlation} ended");

    public async Task<long> CountAsync(string sql, params (string Name, object? Value)[] values) =>
        (await Database.QueryAsync(sql, Parameters.Of(values), static r => Convert.ToInt64(r.GetValue(0), CultureInfo.InvariantCulture), Ct))[0];

    public Task<int> ExecuteAsync(string sql, params (string Name, object? Value)[] values) => Database.ExecuteAsync(sql, Parameters.Of(values), Ct);

    // Stripe

    /// <summary>Makes an event at the sandbox's Stripe and has it delivered; gives its id and the answers.</summary>
    public async Task<(string Id, int[] Answers)> EventAsync(string type, string order, object? more = null)
    {
        var body = JsonSerializer.SerializeToNode(more ?? new { })!.AsObject();
        body["type"] = type;
        body["order_number"] = order;
        body["retry"] ??= false;
        return await StripeAsync("stripe/_event", body);
    }

    public Task<(string Id, int[] Answers)> PayAsync(string order, object? more = null) => EventAsync("checkout.session.completed", order, more);

    public Task<(string Id, int[] Answers)> ResendAsync(string eventId, int duplicate = 0) =>
        StripeAsync("stripe/_resend", new JsonObject { ["event_id"] = eventId, ["duplicate"] = duplicate, ["retry"] = false });

    private async Task<(string Id, int[] Answers)> StripeAsync(string path, JsonObject body)
    {
        using var answer = await Sandbox.Http.PostAsJsonAsync(path, body, Ct);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Ct));
        var made = await answer.Content.ReadFromJsonAsync<JsonElement>(Ct);
        return (made.GetProperty("event_id").GetString()!, [.. made.GetProperty("deliveries").EnumerateArray().Select(d => d.GetProperty("status").GetInt32())]);
    }

    /// <summary>Sends bytes to the Stripe door.</summary>
    public async Task<(int Status, string Body)> PostStripeAsync(byte[] body, string? signature, string? contentType = "application/json", int node = 0)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/webhooks/stripe") { Content = new ByteArrayContent(body) };
        if (contentType is not null) request.Content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        if (signature is not null) request.Headers.TryAddWithoutValidation("Stripe-Signature", signature);
        using var answer = await Node(node).SendAsync(request, Ct);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(Ct));
    }

    public string Sign(byte[] body, string? secret = null, TimeSpan late = default)
    {
        var at = (Clock.GetUtcNow() - late).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        return $"t={at},v1={Hmac(body, secret ?? Settings["STRIPE_WEBHOOK_SECRET"], at)}";
    }

    public static string Hmac(byte[] body, string secret, string at) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), (byte[])[.. Encoding.UTF8.GetBytes(at + "."), .. body]));

    public async Task FaultAsync(string system, object fault)
    {
        using var answer = await Sandbox.Http.PostAsJsonAsync(system + "/_faults", fault, Ct);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Ct));
    }

    private static void CopyFolder(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*.json", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    private const string Probe = """
        {
          "definitionId": "service-probe", "id": "service-probe-v1", "name": "Probe", "version": 1, "isLatest": true, "isPublished": true, "variables": [], "outputs": [],
          "inputs": [{ "type": "String", "name": "OrderNumber" }, { "type": "String", "name": "Cycle" }, { "type": "Boolean", "name": "GovFeePaid" }],
          "root": {
            "type": "Elsa.Flowchart", "version": 1, "id": "flow", "customProperties": {}, "metadata": {}, "variables": [], "connections": [],
            "activities": [{
              "type": "Pw.RecordTimeline", "version": 1, "id": "note", "name": "Note", "customProperties": {}, "metadata": {},
              "orderNumber": { "typeName": "String", "expression": { "type": "Input", "value": "{\"name\": \"OrderNumber\"}" } },
              "event": { "typeName": "String", "expression": { "type": "Literal", "value": "probe-ran" } },
              "message": { "typeName": "String", "expression": { "type": "JavaScript", "value": "'cycle=' + (getInput('Cycle') || '') + ' gov_fee_paid=' + (getInput('GovFeePaid') === true)" } }
            }]
          }
        }
        """;
}

public sealed class SqliteOrderServer() : OrderServer(static _ => Task.FromResult<string?>(null));

public sealed class PostgresOrderServer(PostgresFixture postgres) : OrderServer(async ct => await (await postgres.ServerAsync(ct)).CreateDatabaseAsync(ct));
