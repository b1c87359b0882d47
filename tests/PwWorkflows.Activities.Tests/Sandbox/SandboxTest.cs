using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using PwWorkflows.Sandbox;

namespace PwWorkflows.Activities.Tests.Sandbox;

/// <summary>A fresh sandbox over real HTTP for each test.</summary>
public abstract class SandboxTest : IAsyncLifetime
{
    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    protected SandboxHost Host { get; private set; } = null!;

    protected HttpClient Http => Host.Http;

    public virtual async ValueTask InitializeAsync() => Host = await SandboxHost.StartAsync(null, Ct);

    public virtual async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected static StringContent Json(string json) => new(json, Encoding.UTF8, "application/json");

    protected async Task<JsonNode> PostOkAsync(string path, string json)
    {
        using var response = await Http.PostAsync(path, Json(json), Ct);
        var text = await response.Content.ReadAsStringAsync(Ct);
        Assert.True(response.IsSuccessStatusCode, $"{path}: {(int)response.StatusCode} {text}");
        return JsonNode.Parse(text)!;
    }

    protected async Task<JsonArray> LogAsync(string system) => (JsonArray)JsonNode.Parse(await Http.GetStringAsync($"{system}/_log", Ct))!;

    protected Task FaultAsync(string system, string json) => PostOkAsync($"{system}/_faults", json);

    /// <summary>Waits until a condition holds; fails the test when it doesn't within half a minute.</summary>
    protected static Task UntilAsync(Func<bool> condition) => UntilAsync(() => Task.FromResult(condition()));

    protected static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        while (!await condition()) await Task.Delay(10, patience.Token);
    }
}

/// <summary>A request that arrived at a <see cref="Receiver"/>.</summary>
public sealed record Received(string Path, string Body, IReadOnlyDictionary<string, string> Headers);

/// <summary>Stands where the server will stand: keeps what arrives and answers as told.</summary>
public sealed class Receiver : IAsyncDisposable
{
    readonly WebApplication _app;
    readonly ConcurrentQueue<int> _answers = new();

    Receiver(WebApplication app) => _app = app;

    public ConcurrentQueue<Received> Requests { get; } = new();

    public string Url => _app.Urls.First();

    public IReadOnlyList<Received> At(string path) => [.. Requests.Where(r => r.Path == path)];

    /// <summary>Statuses of the next answers; 200 after them.</summary>
    public void Answer(params int[] statuses)
    {
        foreach (var status in statuses) _answers.Enqueue(status);
    }

    public static async Task<Receiver> StartAsync(CancellationToken ct)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var receiver = new Receiver(app);
        app.Run(async http =>
        {
            using var reader = new StreamReader(http.Request.Body, Encoding.UTF8);
            var body = await reader.ReadToEndAsync(http.RequestAborted);
            receiver.Requests.Enqueue(new(http.Request.Path, body,
                http.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase)));
            http.Response.StatusCode = receiver._answers.TryDequeue(out var status) ? status : 200;
        });
        await app.StartAsync(ct);
        return receiver;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
