using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.ErpNext;
using PwWorkflows.Sandbox.Fcc;
using PwWorkflows.Sandbox.Mail;
using PwWorkflows.Sandbox.Shkeeper;
using PwWorkflows.Sandbox.Stripe;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.Sandbox;

/// <summary>Builds the sandbox, for the command line and for tests.</summary>
public static class SandboxApp
{
    /// <summary>Every system of the sandbox, in the order shown.</summary>
    static IReadOnlyList<SandboxSystem> CreateSystems(SandboxContext context)
    {
        var erp = new ErpNextSystem(context);
        return [erp, new UsacSystem(context), new StripeSystem(context, erp), new MailSystem(context), new FccSystem(context), new ShkeeperSystem(context)];
    }

    /// <summary>
    /// Builds the sandbox; start it with <c>StartAsync</c> and read the bound address from <c>app.Urls</c>. Each system is a singleton
    /// service of its own type.
    /// </summary>
    /// <exception cref="SandboxOptionException">The options are refused; the message says why.</exception>
    public static WebApplication Create(SandboxOptions options)
    {
        options.Validate();
        var clock = new SandboxClock(options.TimeProvider);
        var systems = CreateSystems(new SandboxContext(clock, options, new Masking(options.Secrets.All)));

        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            ApplicationName = typeof(SandboxApp).Assembly.GetName().Name,
            ContentRootPath = AppContext.BaseDirectory,
            EnvironmentName = "Sandbox",
        });
        // Settings of whatever process hosts the sandbox must not leak into it.
        builder.Configuration.Sources.Clear();
        builder.Configuration.AddInMemoryCollection();
        builder.WebHost.UseUrls(options.Urls);
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton(clock);
        builder.Services.AddSingleton(options);
        foreach (var system in systems)
        {
            builder.Services.AddSingleton(system.GetType(), system);
            builder.Services.AddSingleton(system);
        }
        builder.Services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.PropertyNamingPolicy = SandboxJson.Options.PropertyNamingPolicy;
            json.SerializerOptions.Encoder = SandboxJson.Options.Encoder;
            json.SerializerOptions.UnmappedMemberHandling = SandboxJson.Options.UnmappedMemberHandling;
        });
        builder.Services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        builder.Services.AddHostedService<SystemsService>();

        var app = builder.Build();
        app.Use(ExplainBadRequestsAsync);
        app.UseMiddleware<SandboxMiddleware>();
        app.MapCore(systems, clock);
        return app;
    }

    /// <summary>Tells what is wrong with the JSON of a control request, where ASP.NET would answer an empty 400.</summary>
    static async Task ExplainBadRequestsAsync(HttpContext http, RequestDelegate next)
    {
        try
        {
            await next(http);
        }
        catch (BadHttpRequestException e) when (!http.Response.HasStarted)
        {
            await SandboxJson.Problem(e.StatusCode, e.InnerException?.Message ?? e.Message).ExecuteAsync(http);
        }
    }

    /// <summary>Starts and stops what the systems run besides HTTP.</summary>
    sealed class SystemsService(IEnumerable<SandboxSystem> systems) : IHostedService
    {
        public async Task StartAsync(CancellationToken cancellationToken)
        {
            foreach (var system in systems) await system.StartAsync(cancellationToken);
        }

        public async Task StopAsync(CancellationToken cancellationToken)
        {
            foreach (var system in systems)
            {
                await system.StopAsync(cancellationToken);
                (system as IDisposable)?.Dispose();
            }
        }
    }
}
