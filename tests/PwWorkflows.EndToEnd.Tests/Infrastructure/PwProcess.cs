using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Reflection;

namespace PwWorkflows.EndToEnd.Tests.Infrastructure;

/// <summary>What a finished <c>pw</c> said.</summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Output">Its standard output.</param>
/// <param name="Error">Its standard error.</param>
public sealed record PwResult(int ExitCode, string Output, string Error);

/// <summary>The real program <c>pw</c> as a process of its own, with an environment of its own.</summary>
public static class Pw
{
    // ./test names the published program, which is compiled ahead: hundreds of servers start in a run. Without it, the one that was built is as good.
    private static readonly string Program = Environment.GetEnvironmentVariable("PW_PROGRAM") is { Length: > 0 } published
        ? published
        : typeof(Pw).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Program").Value!;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    /// <summary>Runs a command to its end.</summary>
    public static Task<PwResult> RunAsync(IReadOnlyList<string> args, IReadOnlyDictionary<string, string> environment, CancellationToken ct, string? input = null) => RunAsync(StartInfo(args, environment), input, ct);

    /// <summary>Runs a command to its end on a terminal, on which somebody types.</summary>
    public static Task<PwResult> RunOnTerminalAsync(IReadOnlyList<string> args, IReadOnlyDictionary<string, string> environment, string typed, CancellationToken ct)
    {
        var start = StartInfo(args, environment);
        var command = string.Join(' ', start.ArgumentList.Prepend(start.FileName).Select(static a => $"'{a}'"));
        start.FileName = "script"; // Gives it a terminal.
        start.ArgumentList.Clear();
        foreach (var arg in (string[])["-qec", command, "/dev/null"]) start.ArgumentList.Add(arg);
        return RunAsync(start, typed, ct);
    }

    private static async Task<PwResult> RunAsync(ProcessStartInfo start, string? input, CancellationToken ct)
    {
        using var process = Process.Start(start) ?? throw new InvalidOperationException("pw can't be started.");
        if (input is not null) await process.StandardInput.WriteAsync(input.AsMemory(), ct);
        process.StandardInput.Close();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(Limit);
        var output = process.StandardOutput.ReadToEndAsync(limit.Token);
        var error = process.StandardError.ReadToEndAsync(limit.Token);
        try
        {
            await process.WaitForExitAsync(limit.Token);
            return new PwResult(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
    }

    internal static ProcessStartInfo StartInfo(IReadOnlyList<string> args, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = Path.GetTempPath(),
        };
        start.ArgumentList.Add(Program);
        foreach (var arg in args) start.ArgumentList.Add(arg);
        // Settings of whoever runs the tests must not reach the program.
        var kept = ((string[])["PATH", "HOME", "DOTNET_ROOT", "TMPDIR", "LANG"]).Select(n => (Name: n, Value: Environment.GetEnvironmentVariable(n))).Where(v => v.Value is not null).ToList();
        start.Environment.Clear();
        foreach (var (name, value) in kept) start.Environment[name] = value;
        start.Environment["DOTNET_NOLOGO"] = "1";
        // Most servers of tests live for seconds: code compiled a second time, better, seldom pays them back. Only what is called thousands of times is (4096; the setting is hexadecimal).
        start.Environment["DOTNET_TieredPGO"] = "0";
        start.Environment["DOTNET_TC_CallCountThreshold"] = "1000";
        // Code pages that are never writable and executable at once are for servers that strangers reach; they make each start slower.
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        foreach (var (name, value) in environment) start.Environment[name] = value;
        return start;
    }
}

/// <summary>A running <c>pw serve</c>. It can be killed at any point and started again on the same data.</summary>
public sealed class ServerProcess : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly TaskCompletionSource<Uri> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ServerProcess(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, e) => Take(e.Data);
        process.ErrorDataReceived += (_, e) => Take(e.Data);
        process.Exited += (_, _) => _ended.TrySetResult();
        process.EnableRaisingEvents = true;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        Http = new HttpClient();
    }

    /// <summary>The server's address.</summary>
    public Uri BaseUrl { get; private set; } = null!;

    /// <summary>A client whose base address is <see cref="BaseUrl"/>.</summary>
    public HttpClient Http { get; }

    /// <summary>The process's id.</summary>
    public int ProcessId => _process.Id;

    /// <summary>Everything written to standard output and standard error so far.</summary>
    public string Log => string.Join('\n', _lines);

    /// <summary>Whether the process has ended.</summary>
    public bool HasEnded => _process.HasExited;

    /// <summary>When the process ended; only of one that has.</summary>
    public DateTimeOffset EndedAt => _process.ExitTime;

    /// <summary>Starts the server on a free port (or the one given) and waits until it is ready.</summary>
    /// <param name="environment">Its settings.</param>
    /// <param name="data">Its data folder.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <param name="port">Port to listen on; 0 for a free one.</param>
    /// <exception cref="InvalidOperationException">It ended, or was not ready in time; the message holds its log.</exception>
    public static async Task<ServerProcess> StartAsync(IReadOnlyDictionary<string, string> environment, string data, CancellationToken ct, int port = 0)
    {
        var url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}");
        var process = Process.Start(Pw.StartInfo(["serve", "--urls", url, "--data", data], environment)) ?? throw new InvalidOperationException("pw can't be started.");
        var server = new ServerProcess(process);
        if (await Task.WhenAny(server._ready.Task, server._ended.Task).WaitAsync(Limit, ct) == server._ready.Task)
        {
            server.BaseUrl = await server._ready.Task;
            server.Http.BaseAddress = server.BaseUrl;
            return server;
        }

        await process.WaitForExitAsync(ct);
        throw new InvalidOperationException($"pw serve ended with {process.ExitCode}:\n{server.Log}");
    }

    /// <summary>Ends the process at once, as a crash of the machine would (SIGKILL).</summary>
    public async Task KillAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Asks the process to stop (SIGTERM) and waits for it.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> StopAsync(CancellationToken ct)
    {
        if (!_process.HasExited) await SignalAsync("-TERM", ct);
        await _process.WaitForExitAsync(ct).WaitAsync(Limit, ct);
        return _process.ExitCode;
    }

    /// <summary>Lets the process stand still (SIGSTOP), as a suspended machine does.</summary>
    public Task FreezeAsync(CancellationToken ct) => SignalAsync("-STOP", ct);

    /// <summary>Lets a frozen process go on (SIGCONT).</summary>
    public Task ThawAsync(CancellationToken ct) => SignalAsync("-CONT", ct);

    private async Task SignalAsync(string signal, CancellationToken ct)
    {
        using var kill = Process.Start("kill", [signal, _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(ct);
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process.Dispose();
        Http.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null) return;
        _lines.Enqueue(line);
        if (line.StartsWith("ready http", StringComparison.Ordinal)) _ready.TrySetResult(new Uri(line["ready ".Length..]));
    }
}
