using Elsa.Workflows;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>The engine in a web host on a free loopback port, on a database that outlives it.</summary>
internal sealed class EngineHost : IAsyncDisposable
{
    private readonly WebApplication _app;

    private EngineHost(WebApplication app) => _app = app;

    public HttpClient Http { get; private set; } = null!;
    public IServiceProvider Services => _app.Services;
    public IEngineStore Store => Services.GetRequiredService<IEngineStore>();
    public DefinitionPublisher Publisher => Services.GetRequiredService<DefinitionPublisher>();

    public static async Task<EngineHost> StartAsync(StoreOptions options, CancellationToken ct, Action<EngineOptions>? configure = null, Action<IServiceCollection>? services = null, Action<WebApplication>? map = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddWorkflowEngine(p => EngineStore.Create(options, p.GetRequiredService<TimeProvider>()), o =>
        {
            o.PollInterval = TimeSpan.FromMilliseconds(100);
            configure?.Invoke(o);
        });
        builder.Services.AddSingleton<IStandardOutStreamProvider>(new StandardOutStreamProvider(TextWriter.Null)); // what workflows print would drown what the tests say
        services?.Invoke(builder.Services);
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.UseWorkflowHttpEndpoints();
        map?.Invoke(app);
        var host = new EngineHost(app);
        await host.Store.MigrateAsync(ct);
        await app.StartAsync(ct);
        host.Http = new HttpClient { BaseAddress = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()) };
        return host;
    }

    public static string Definition(string name) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data", "definitions", name + ".json"));

    public Task<DefinitionRow> PublishAsync(string name, CancellationToken ct) => Publisher.PublishAsync(Definition(name), null, null, ct);

    /// <summary>Lets a stopped instance go on, as a person's retry does.</summary>
    public Task RetryAsync(string instanceId, CancellationToken ct) =>
        Store.EnqueueAsync([new WorkItem("retry", WorkKind.Retry, instanceId, Services.GetRequiredService<TimeProvider>().GetUtcNow(), "{}"u8.ToArray())], "test", null, TimeSpan.FromSeconds(30), ct);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }
}

/// <summary>A database for each test, and hosts on it.</summary>
public abstract class EngineHostTest(ITestDatabase database) : IAsyncLifetime
{
    private StoreOptions _options = null!;

    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _options = await database.CreateAsync(Ct);

    public async ValueTask DisposeAsync()
    {
        await database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    internal Task<EngineHost> StartAsync(Action<EngineOptions>? configure = null, Action<IServiceCollection>? services = null, Action<WebApplication>? map = null) =>
        EngineHost.StartAsync(_options, Ct, configure, services, map);
}
