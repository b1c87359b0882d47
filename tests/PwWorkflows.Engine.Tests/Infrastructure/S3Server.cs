using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PwWorkflows.Tests.Infrastructure;

/// <summary>An S3 server (s3rver, from <c>tests/npm</c>) on a free loopback port, its objects in a folder of its own.</summary>
public sealed class S3Server : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private readonly Process _process;
    private readonly TemporaryFolder _folder;

    private S3Server(Process process, TemporaryFolder folder, string endpoint) => (_process, _folder, Endpoint) = (process, folder, endpoint);

    /// <summary><c>host:port</c>.</summary>
    public string Endpoint { get; }

    /// <summary>Where its objects are.</summary>
    public string Folder => _folder.FullPath;

    /// <summary>The server's settings that lead to it.</summary>
    public IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["MINIO_ENDPOINT"] = Endpoint,
        ["MINIO_ACCESS_KEY"] = "S3RVER",
        ["MINIO_SECRET_KEY"] = "S3RVER",
        ["MINIO_USE_SSL"] = "false",
    };

    /// <summary>Starts it.</summary>
    /// <exception cref="InvalidOperationException">The npm parts are missing, or it does not start.</exception>
    public static async Task<S3Server> StartAsync(CancellationToken ct)
    {
        var npm = Path.Combine(Root(), "tests", "npm");
        var script = Path.Combine(npm, "node_modules", "s3rver", "bin", "s3rver.js");
        if (!File.Exists(script)) throw new InvalidOperationException("s3rver is missing: run npm ci in tests/npm, as ./test does.");
        var port = FreePort().ToString(CultureInfo.InvariantCulture);
        var folder = new TemporaryFolder();
        var start = new ProcessStartInfo("node") { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (var arg in (string[])["--require", Path.Combine(npm, "s3-preload.js"), script, "--directory", folder.FullPath, "--address", "127.0.0.1", "--port", port, "--silent", "--no-vhost-buckets"]) start.ArgumentList.Add(arg);
        var process = Process.Start(start) ?? throw new InvalidOperationException("node can't be started.");
        var server = new S3Server(process, folder, "127.0.0.1:" + port);
        try
        {
            using var http = new HttpClient { BaseAddress = new Uri("http://" + server.Endpoint) };
            var watch = Stopwatch.StartNew();
            await Eventually.TrueAsync(
                async () =>
                {
                    if (process.HasExited) throw new InvalidOperationException("s3rver ended: " + await process.StandardError.ReadToEndAsync(ct));
                    if (watch.Elapsed > Limit) throw new InvalidOperationException("s3rver is not ready in time.");
                    try
                    {
                        using var answer = await http.GetAsync("/", ct);
                        return true;
                    }
                    catch (HttpRequestException)
                    {
                        return false;
                    }
                },
                "s3rver answers",
                ct);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _folder.Dispose();
    }

    /// <summary>The repository's root.</summary>
    internal static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "PwWorkflows.sln"))) return folder.FullName;
        throw new InvalidOperationException("The tests run outside of the repository.");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
