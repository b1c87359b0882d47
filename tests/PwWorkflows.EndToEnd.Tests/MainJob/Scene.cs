using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using Npgsql;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Sandbox;
using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.ErpNext;
using PwWorkflows.Sandbox.Mail;
using PwWorkflows.Sandbox.Stripe;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.EndToEnd.Tests.MainJob;

/// <summary>Everything an order needs: a sandbox, a database, an object store and one server process that can be killed and started again.</summary>
public sealed class Scene : IAsyncDisposable
{
    // Far more than anything takes; only a test that has failed gets there.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly TemporaryFolder _folder = new();
    private readonly List<ServerProcess> _earlier = [];
    private PostgresFixture? _postgres;
    private S3Server? _s3;

    private Scene(SandboxHost sandbox)
    {
        Sandbox = sandbox;
        Settings = SandboxSettings.For(sandbox.BaseUrl, sandbox.SmtpPort);
    }

    public SandboxHost Sandbox { get; }
    public Dictionary<string, string> Settings { get; }
    public ServerProcess Server { get; private set; } = null!;
    public string Token { get; private set; } = "";

    /// <summary>Connection string of the PostgreSQL database; null on SQLite.</summary>
    public string? Database { get; private set; }

    /// <summary>The portal's session cookies that were stored.</summary>
    public List<string> Cookies { get; } = [];

    /// <summary>Where the S3 server keeps its objects; null without one.</summary>
    public string? ObjectsFolder => _s3?.Folder;

    public string Folder => _folder.FullPath;
    public string Data => Path.Combine(_folder.FullPath, "data");
    public UsacSystem Usac => Sandbox.System<UsacSystem>();
    public ErpNextSystem Erp => Sandbox.System<ErpNextSystem>();

    /// <summary>What every life of the server has written.</summary>
    public string Logs => string.Join('\n', _earlier.Append(Server).Select(s => s.Log));

    /// <summary>When each earlier life of the server ended.</summary>
    public IEnumerable<DateTimeOffset> Deaths => _earlier.Select(s => s.EndedAt);

    /// <summary>Starts everything and stores the demo carriers' portal sessions.</summary>
    /// <param name="ct">Stops the wait.</param>
    /// <param name="postgres">Gives a PostgreSQL database; null for SQLite.</param>
    /// <param name="s3">Keep objects on an S3 server instead of in the data folder.</param>
    /// <param name="options">The sandbox's options; null for free ports and the published secrets.</param>
    /// <param name="configure">Changes the server's settings before it starts.</param>
    public static async Task<Scene> StartAsync(CancellationToken ct, PostgresFixture? postgres = null, bool s3 = false, SandboxOptions? options = null, Action<Scene>? configure = null)
    {
        var scene = new Scene(await SandboxHost.StartAsync(options, ct));
        try
        {
            if (postgres is not null)
            {
                scene._postgres = postgres;
                scene.Settings["DATABASE_URL"] = scene.Database = await postgres.RentDatabaseAsync(ct);
            }

            if (s3)
            {
                scene._s3 = await S3Server.StartAsync(ct);
                foreach (var (name, value) in scene._s3.Settings) scene.Settings[name] = value;
            }

            configure?.Invoke(scene);
            await scene.StartServerAsync(ct);
            scene.Token = await Api.TokenAsync(scene.Server.Http, "admin", "admin", ct);
            foreach (var entity in UsacDemo.Entities) await scene.StoreSessionAsync(ct, entity.TelecomEntityId);
            return scene;
        }
        catch
        {
            await scene.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the server again on the same data; one that still runs is killed first.</summary>
    /// <param name="ct">Stops the wait.</param>
    /// <param name="killAt">Value of <c>PW_KILL_AT</c> for this life only.</param>
    public async Task RestartAsync(CancellationToken ct, string? killAt = null)
    {
        await Server.KillAsync();
        _earlier.Add(Server);
        await StartServerAsync(ct, killAt);
    }

    /// <summary>Writes into the database past the server, as another node would; only with PostgreSQL.</summary>
    public async Task SqlAsync(string sql, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(Database);
        await connection.OpenAsync(ct);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(ct);
    }

    private async Task StartServerAsync(CancellationToken ct, string? killAt = null)
    {
        var settings = killAt is null ? Settings : new Dictionary<string, string>(Settings) { ["PW_KILL_AT"] = killAt };
        Server = await ServerProcess.StartAsync(settings, Data, ct);
        Sandbox.System<StripeSystem>().ServerUrl = Server.BaseUrl.ToString().TrimEnd('/');
    }

    /// <summary>Stores a fresh portal session of a carrier, as an operator does.</summary>
    public async Task StoreSessionAsync(CancellationToken ct, int entity = 1)
    {
        var state = JsonSerializer.Deserialize<JsonElement>(Usac.StorageState(entity, new Uri(Sandbox.BaseUrl)));
        Cookies.Add(state.GetProperty("cookies")[0].GetProperty("value").GetString()!);
        await CallAsync(HttpMethod.Put, $"/api/v1/admin/entities/{entity}/usac-session", state, ct);
    }

    /// <summary>Places a paid order at the sandbox's checkout, which sends its signed event unless asked not to.</summary>
    public async Task<JsonElement> CheckoutAsync(object request, CancellationToken ct) => await SandboxAsync("stripe/_checkout", request, ct);

    /// <summary>Places a paid order for Form 499-A; its number.</summary>
    public async Task<string> OrderAsync(CancellationToken ct, int entity = 1) =>
        (await CheckoutAsync(new { service_slug = "fcc-499a", entity }, ct)).GetProperty("order_number").GetString()!;

    /// <summary>Posts to a control endpoint of the sandbox.</summary>
    public async Task<JsonElement> SandboxAsync(string path, object request, CancellationToken ct)
    {
        using var answer = await Sandbox.Http.PostAsJsonAsync(path, request, ct);
        var text = await answer.Content.ReadAsStringAsync(ct);
        Assert.True(answer.IsSuccessStatusCode, $"{path}: {text}");
        return JsonSerializer.Deserialize<JsonElement>(text);
    }

    /// <summary>Calls the admin API; the answer, undefined when it is empty.</summary>
    public async Task<JsonElement> CallAsync(HttpMethod method, string path, object? body, CancellationToken ct)
    {
        using var answer = await Api.SendAsync(Server.Http, method, path, Token, body, ct);
        var text = await answer.Content.ReadAsStringAsync(ct);
        Assert.True(answer.IsSuccessStatusCode, $"{method} {path} answered {(int)answer.StatusCode}: {text}");
        return text.Length == 0 ? default : JsonSerializer.Deserialize<JsonElement>(text);
    }

    public Task<JsonElement> ShowAsync(string order, CancellationToken ct) => CallAsync(HttpMethod.Get, "/api/v1/admin/orders/" + order, null, ct);

    public async Task<IReadOnlyList<JsonElement>> ToDosAsync(string order, CancellationToken ct, bool all = false) =>
        [.. (await CallAsync(HttpMethod.Get, $"/api/v1/admin/todos?take=500&all={(all ? "true" : "false")}", null, ct)).GetProperty("todos").EnumerateArray().Where(t => t.GetProperty("order").GetString() == order)];

    /// <summary>Moves the server's clock forward as soon as nothing runs.</summary>
    public Task AdvanceAsync(int seconds, CancellationToken ct) => CallAsync(HttpMethod.Post, "/api/v1/admin/clock", new { advance_seconds = seconds }, ct);

    /// <summary>Moves the clock whenever the order waits for another try, until it is completed.</summary>
    public async Task CompletedInTimeAsync(string order, CancellationToken ct)
    {
        var watch = Stopwatch.StartNew();
        while (Text(await ShowAsync(order, ct), "fulfillment_status") != "completed")
        {
            if (watch.Elapsed > Limit) Assert.Fail($"{order} never ends:\n{Server.Log}");
            await AdvanceAsync(3, ct);
            await Task.Delay(Pause * 5, ct);
        }
    }

    /// <summary>Waits until an order looks as expected; what it looked like last is told when it never does.</summary>
    public async Task<JsonElement> UntilAsync(string order, Func<JsonElement, bool> condition, string expectation, CancellationToken ct)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            var seen = await ShowAsync(order, ct);
            if (condition(seen)) return seen;
            if (watch.Elapsed > Limit) Assert.Fail($"{order} is not {expectation}: {seen}\n{Server.Log}");
            await Task.Delay(Pause, ct);
        }
    }

    public async Task<JsonElement> CompletedAsync(string order, CancellationToken ct) => await UntilAsync(order, o => Text(o, "fulfillment_status") == "completed", "completed", ct);

    public Task<JsonElement> HasStatusAsync(string order, string status, CancellationToken ct) => UntilAsync(order, o => Text(o, "fulfillment_status") == status, status, ct);

    /// <summary>Waits for something else than an order.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition, Func<string> expectation, CancellationToken ct)
    {
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            if (watch.Elapsed > Limit) Assert.Fail("never: " + expectation());
            await Task.Delay(Pause, ct);
        }
    }

    public void Fault(SandboxSystem system, string kind, string? match = null, string? method = null, int? count = null, string? field = null, int status = 500) =>
        system.Faults.Add(new Fault { Kind = kind, Match = match, Method = method, Count = count, Status = status, Data = field is null ? null : new() { ["field"] = field } });

    /// <summary>The mails that tell of an order's filing.</summary>
    public async Task<IReadOnlyList<MailView>> FiledMailsAsync(string confirmation, CancellationToken ct) =>
        [.. (await Sandbox.Http.GetFromJsonAsync<MailView[]>("mail/api/messages", Snake, ct))!.Where(m => m.Text?.Contains(confirmation, StringComparison.Ordinal) == true)];

    private static readonly JsonSerializerOptions Snake = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static string? Text(JsonElement json, params string[] path)
    {
        foreach (var name in path)
        {
            if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty(name, out json)) return null;
        }

        return json.ValueKind == JsonValueKind.String ? json.GetString() : null;
    }

    /// <summary>Checks that an order was served exactly once, by everybody's books; the portal's confirmation number.</summary>
    public async Task<string> AssertServedOnceAsync(string order, CancellationToken ct)
    {
        var seen = await ShowAsync(order, ct);
        Assert.Equal("completed", Text(seen, "fulfillment_status"));
        Assert.Equal(1, Usac.CountFilings(order));
        string[] workflows = [.. seen.GetProperty("workflow_instances").EnumerateArray().Select(i => i.GetProperty("definition_id").GetString()!).Order(StringComparer.Ordinal)];
        Assert.Equal(["order-fulfilment", "service-" + Text(seen, "service_slug")], workflows);
        Assert.All(seen.GetProperty("workflow_instances").EnumerateArray(), i => Assert.Equal("finished", i.GetProperty("status").GetString()));
        var salesOrder = Text(seen, "sales_order")!;
        string[] changes = [.. Erp.Log.Read().SelectMany(e => e.Changed).Where(c => c.StartsWith($"Sales Order {salesOrder}: ", StringComparison.Ordinal) && c.Contains("workflow_state", StringComparison.Ordinal))];
        Assert.Single(changes, c => c.Contains(": created", StringComparison.Ordinal));
        Assert.Single(changes, c => c.EndsWith("workflow_state Service Queued", StringComparison.Ordinal));
        return Text(seen, "filing", "confirmation_number")!;
    }

    /// <summary>Runs <c>pw filings verify</c> over everything filed.</summary>
    public async Task VerifyEvidenceAsync(CancellationToken ct, string? order = null)
    {
        var result = await Pw.RunAsync(order is null ? ["filings", "verify", "--data", Data] : ["filings", "verify", order, "--data", Data], Settings, ct);
        Assert.True(result.ExitCode == 0, result.Output + result.Error);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _earlier) await server.DisposeAsync();
        if (Server is not null) await Server.DisposeAsync();
        await Sandbox.DisposeAsync();
        if (_s3 is not null) await _s3.DisposeAsync();
        if (_postgres is not null && Database is not null)
        {
            NpgsqlConnection.ClearAllPools();
            await _postgres.ReturnDatabaseAsync(Database, CancellationToken.None);
        }

        _folder.Dispose();
    }
}
