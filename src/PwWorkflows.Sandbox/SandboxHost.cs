namespace PwWorkflows.Sandbox;

/// <summary>A running sandbox inside this process, for tests: real HTTP on free loopback ports.</summary>
public sealed class SandboxHost : IAsyncDisposable
{
    readonly WebApplication _app;

    SandboxHost(WebApplication app)
    {
        _app = app;
        BaseUrl = app.Urls.First().TrimEnd('/');
        Http = new HttpClient { BaseAddress = new Uri(BaseUrl + "/") };
    }

    /// <summary>Address without a slash at the end, such as <c>http://127.0.0.1:41234</c>.</summary>
    public string BaseUrl { get; }

    /// <summary>A client whose base address is <see cref="BaseUrl"/>; paths are relative (<c>erpnext/_log</c>).</summary>
    public HttpClient Http { get; }

    /// <summary>The port of the SMTP sink.</summary>
    public int SmtpPort => System<Mail.MailSystem>().SmtpPort;

    /// <summary>The system of type <typeparamref name="T"/>.</summary>
    public T System<T>() where T : Core.SandboxSystem => _app.Services.GetRequiredService<T>();

    /// <summary>The sandbox's clock.</summary>
    public Core.SandboxClock Clock => _app.Services.GetRequiredService<Core.SandboxClock>();

    /// <summary>Starts a sandbox; without <paramref name="options"/> on free ports with the published secrets.</summary>
    public static async Task<SandboxHost> StartAsync(SandboxOptions? options, CancellationToken ct)
    {
        var app = SandboxApp.Create(options ?? new SandboxOptions { Urls = "http://127.0.0.1:0", SmtpPort = 0 });
        await app.StartAsync(ct);
        return new SandboxHost(app);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        // Disposing the app does not stop what runs besides HTTP: without this a sink would take mail after its end.
        var systems = _app.Services.GetServices<Core.SandboxSystem>().ToArray();
        foreach (var system in systems) await system.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
        foreach (var system in systems) (system as IDisposable)?.Dispose();
    }
}
