using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Hosting;

/// <summary>What the command line says about the host; it wins over the environment.</summary>
/// <param name="EnvFile">File of <c>NAME=value</c> lines; the environment wins over it.</param>
/// <param name="Data">Data folder.</param>
/// <param name="Urls">Addresses to listen on.</param>
/// <param name="QuietLogs">Only warnings and errors: for commands whose output people read.</param>
public sealed record HostSettings(string? EnvFile = null, string? Data = null, string? Urls = null, bool QuietLogs = false);

/// <summary>The start was refused; each problem names the variable, what is expected and what was found.</summary>
public sealed class StartRefusedException(IReadOnlyList<string> problems) : Exception(
    string.Create(CultureInfo.InvariantCulture, $"the start is refused, {problems.Count} setting(s) are wrong:{Environment.NewLine}")
    + string.Join(Environment.NewLine, problems.Select(static p => "  " + p)))
{
    /// <summary>The problems.</summary>
    public IReadOnlyList<string> Problems { get; } = problems;
}

/// <summary>Builds the server, for <c>serve</c> and for the other commands.</summary>
public static class ServerHost
{
    /// <summary>Builds the host and checks every setting; starts nothing and connects to nothing.</summary>
    /// <exception cref="ConfigurationException">A file of settings can't be read.</exception>
    /// <exception cref="StartRefusedException">Settings are wrong or dangerous.</exception>
    public static WebApplication Build(HostSettings settings) => Build(settings, null);

    /// <summary>Builds the host with parts of the caller's own, such as another clock: they win over the sandbox's and the defaults.</summary>
    internal static WebApplication Build(HostSettings settings, Action<WebApplicationBuilder>? own)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory, ApplicationName = typeof(ServerHost).Assembly.GetName().Name });
        Configure(builder.Configuration, settings);
        // Guard first: a setting that is wrong here must not be used to build anything.
        var problems = new List<string>(StartGuard.Problems(builder.Configuration));

        builder.Logging.ClearProviders();
        builder.Logging.AddSimpleConsole(static console =>
        {
            console.SingleLine = true;
            console.UseUtcTimestamp = true;
            console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
            console.ColorBehavior = LoggerColorBehavior.Disabled;
        });
        builder.Services.Configure<ConsoleLoggerOptions>(o => o.LogToStandardErrorThreshold = settings.QuietLogs ? LogLevel.Trace : LogLevel.None);
        builder.Logging.SetMinimumLevel(settings.QuietLogs ? LogLevel.Warning : LogLevel.Information);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("System.Net.Http", LogLevel.Warning);
        builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 8 * 1024 * 1024; // Imports of definitions; the doors of money and orders take 1 MiB.
        });

        if (StartGuard.IsSandbox(builder.Configuration)) builder.Services.AddSandboxTools();
        own?.Invoke(builder);
        builder.Services.AddCapabilities();
        builder.Services.AddDoors();
        builder.Services.AddWorkflowEngine(builder.Configuration);
        builder.Services.Configure<HostOptions>(static o => o.ShutdownTimeout = TimeSpan.FromSeconds(30));

        var app = builder.Build();
        problems.AddRange(OptionProblems(app.Services));
        if (problems.Count > 0)
        {
            // What the container made so far is let go by the process's end: the start stops here.
            throw new StartRefusedException([.. problems.Distinct(StringComparer.Ordinal)]);
        }

        app.Urls.Clear();
        foreach (var url in app.Services.GetRequiredService<IOptions<ServerOptions>>().Value.Urls.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)) app.Urls.Add(url);
        app.UseProblems();
        // All cookies, those of forms and notices too. Their own setting refuses plain requests, which a proxy that speaks TLS for us makes.
        if (app.Services.GetRequiredService<IOptions<ServerOptions>>().Value.Platform.IsProduction) app.UseCookiePolicy(new CookiePolicyOptions { Secure = CookieSecurePolicy.Always });
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseWorkflowEngine();
        app.MapDoors();
        return app;
    }

    /// <summary>Makes sure that the addresses can be listened on, before anything begins that would have to be stopped for it.</summary>
    /// <exception cref="IOException">One is taken, or not ours to use.</exception>
    public static void CheckAddresses(WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        foreach (var url in app.Urls)
        {
            var address = BindingAddress.Parse(url);
            if (address.IsUnixPipe || address.Port == 0) continue;
            var host = address.Host is "localhost" ? IPAddress.Loopback : IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip) ? ip : IPAddress.Any;
            try
            {
                using var socket = new Socket(host.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                socket.Bind(new IPEndPoint(host, address.Port));
                socket.Listen();
            }
            catch (SocketException e)
            {
                // The system's own words begin with a capital.
                throw new IOException($"can't listen on {url}: {char.ToLowerInvariant(e.Message[0])}{e.Message[1..]}; give another with --urls or PW_URLS", e);
            }
        }
    }

    /// <summary>Makes the host ready to start: folders, tables, the sandbox's users.</summary>
    /// <exception cref="StartRefusedException">The database holds what production refuses.</exception>
    public static async Task PrepareAsync(WebApplication app, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(app);
        var options = app.Services.GetRequiredService<IOptions<ServerOptions>>().Value;
        Directory.CreateDirectory(options.DataFolder);
        await app.Services.GetRequiredService<IWorkflowAdmin>().MigrateAsync(ct).ConfigureAwait(false);
        await ImportDefinitionsAsync(app, options.WorkflowsFolder, ct).ConfigureAwait(false);
        var users = app.Services.GetRequiredService<AdminUsers>();
        if (options.Platform.IsSandbox) await users.AddPublishedAsync(ct).ConfigureAwait(false);
        if (options.Platform.IsProduction && await users.WithPublishedPasswordAsync(ct).ConfigureAwait(false) is { Count: > 0 } known)
            throw new StartRefusedException([$"admin_users: expected no published passwords in production, found the sandbox's user(s) {string.Join(", ", known)}; deactivate them or change their passwords."]);
    }

    /// <summary>Publishes the definition files whose content is new; says which were refused and which an operator has changed since.</summary>
    private static async Task ImportDefinitionsAsync(WebApplication app, string folder, CancellationToken ct)
    {
        var files = new List<WorkflowFile>();
        foreach (var path in Directory.EnumerateFiles(folder, "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            files.Add(new WorkflowFile(Path.GetRelativePath(folder, path).Replace(Path.DirectorySeparatorChar, '/'), await File.ReadAllTextAsync(path, ct).ConfigureAwait(false)));
        foreach (var import in await app.Services.GetRequiredService<IWorkflowAdmin>().ImportAsync(files, force: false, "start", ct).ConfigureAwait(false))
        {
            if (import.Outcome == "refused") app.Logger.LogError("Workflow file {Path} is refused: {Problems}", import.Path, import.Message);
            else if (import.Message.Length > 0) app.Logger.LogWarning("Workflow file {Path}: {Message}", import.Path, import.Message);
        }
    }

    private static void Configure(ConfigurationManager configuration, HostSettings settings)
    {
        configuration.Sources.Clear();
        // Unset means production: whoever forgets the variable must not get the lenient rules.
        configuration.AddInMemoryCollection([new("PW_ENVIRONMENT", "production")]);
        if (settings.EnvFile is not null) configuration.AddInMemoryCollection(EnvironmentFiles.ReadEnvFile(settings.EnvFile));
        configuration.AddEnvironmentVariables();
        configuration.AddInMemoryCollection(EnvironmentFiles.ReadFileVariables(name => configuration[name]));
        var given = new Dictionary<string, string?>();
        if (settings.Data is not null) given["PW_DATA"] = settings.Data;
        if (settings.Urls is not null) given["PW_URLS"] = settings.Urls;
        configuration.AddInMemoryCollection(given);
    }

    private static IEnumerable<string> OptionProblems(IServiceProvider services)
    {
        try
        {
            services.GetService<IStartupValidator>()?.Validate();
            return [];
        }
        catch (OptionsValidationException e)
        {
            return e.Failures;
        }
        catch (AggregateException e) when (e.InnerExceptions.All(static i => i is OptionsValidationException))
        {
            return e.InnerExceptions.Cast<OptionsValidationException>().SelectMany(static i => i.Failures);
        }
    }
}
