using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PwWorkflows.Engine;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Benchmarks.Parts;

/// <summary>The engine without a web server, for benches that call it directly.</summary>
public sealed class EngineInProcess : IAsyncDisposable
{
    private readonly IHost _host;

    private EngineInProcess(IHost host) => _host = host;

    public static async Task<EngineInProcess> StartAsync(Run run, string connection, CancellationToken ct, params string[] definitions)
    {
        ArgumentNullException.ThrowIfNull(run);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.ClearProviders();
        var store = new StoreOptions { Provider = run.IsPostgres ? DatabaseProvider.PostgreSql : DatabaseProvider.Sqlite, ConnectionString = connection };
        builder.Services.AddWorkflowEngine(p => EngineStore.Create(store, p.GetRequiredService<TimeProvider>()), null, static r => r.RegisterFrom(typeof(EngineInProcess).Assembly));
        var engine = new EngineInProcess(builder.Build());
        await engine.Get<IEngineStore>().MigrateAsync(ct);
        await engine._host.StartAsync(ct);
        foreach (var name in definitions)
            await engine.Get<DefinitionPublisher>().PublishAsync(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "definitions", name), ct), null, null, ct);
        return engine;
    }

    public T Get<T>() where T : notnull => _host.Services.GetRequiredService<T>();

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        if (_host is IAsyncDisposable disposable) await disposable.DisposeAsync();
    }
}
