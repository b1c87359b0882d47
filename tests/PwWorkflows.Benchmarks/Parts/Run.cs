using System.Collections.Concurrent;
using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace PwWorkflows.Benchmarks.Parts;

/// <summary>What one bench has on one database: databases, processes and a folder, all gone at its end.</summary>
public sealed class Run(string database, BenchOptions options) : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pw-bench-").FullName;
    private readonly List<Program> _programs = [];
    private readonly List<string> _databases = [];
    private static readonly Dictionary<string, string> None = [];
    private int _count;

    public string Database => database;

    public BenchOptions Options => options;

    public bool IsPostgres => database == "postgres";

    private static string Server => Environment.GetEnvironmentVariable("PW_TEST_POSTGRES") ?? throw new InvalidOperationException("PW_TEST_POSTGRES is not set; ./bench sets it.");

    /// <summary>A folder of its own.</summary>
    public string Folder(string name) => Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;

    /// <summary>A new empty database; its connection string.</summary>
    public async Task<string> NewDatabaseAsync(CancellationToken ct)
    {
        var number = Interlocked.Increment(ref _count).ToString(CultureInfo.InvariantCulture);
        if (!IsPostgres) return new SqliteConnectionStringBuilder { DataSource = Path.Combine(Folder("db" + number), "pw.db") }.ConnectionString;
        var name = $"bench_{Environment.ProcessId}_{number}_{Guid.NewGuid():N}"[..40];
        await using var source = NpgsqlDataSource.Create(Server);
        await using var command = source.CreateCommand($"CREATE DATABASE {name}");
        await command.ExecuteNonQueryAsync(ct);
        _databases.Add(name);
        return new NpgsqlConnectionStringBuilder(Server) { Database = name }.ConnectionString;
    }

    public async Task<DbConnection> ConnectAsync(string connection, CancellationToken ct)
    {
        DbConnection opened = IsPostgres ? new NpgsqlConnection(connection) : new SqliteConnection(connection);
        await opened.OpenAsync(ct);
        return opened;
    }

    /// <summary>One value.</summary>
    public async Task<T> ScalarAsync<T>(string connection, string sql, CancellationToken ct)
    {
        await using var opened = await ConnectAsync(connection, ct);
        await using var command = opened.CreateCommand();
        command.CommandText = sql;
        command.CommandTimeout = 300;
        return (T)Convert.ChangeType((await command.ExecuteScalarAsync(ct))!, typeof(T), CultureInfo.InvariantCulture);
    }

    /// <summary>Runs a statement.</summary>
    public async Task ExecuteAsync(string connection, string sql, CancellationToken ct)
    {
        await using var opened = await ConnectAsync(connection, ct);
        await using var command = opened.CreateCommand();
        command.CommandText = sql;
        command.CommandTimeout = 300;
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The settings that lead <c>pw</c> to a database of <see cref="NewDatabaseAsync"/>.</summary>
    public Dictionary<string, string> SettingsFor(string connection) => IsPostgres
        ? new() { ["DATABASE_URL"] = connection, ["PW_DATA"] = Folder("data") }
        : new() { ["PW_DATA"] = Path.GetDirectoryName(new SqliteConnectionStringBuilder(connection).DataSource)! };

    /// <summary>Starts <c>pw serve</c> in the sandbox's settings, with these definitions.</summary>
    public async Task<Program> ServeAsync(string connection, string workflows, CancellationToken ct, IReadOnlyDictionary<string, string>? more = null)
    {
        var settings = SandboxSettings();
        foreach (var (name, value) in SettingsFor(connection)) settings[name] = value;
        settings["PW_WORKFLOWS"] = workflows;
        foreach (var (name, value) in more ?? new Dictionary<string, string>()) settings[name] = value;
        return await StartAsync([Built("PwWorkflows.Server", "pw.dll"), "serve", "--urls", "http://127.0.0.1:0"], settings, "ready ", ct);
    }

    /// <summary>Starts the sandbox; its settings for the server.</summary>
    public async Task<(Program Program, Dictionary<string, string> Settings)> SandboxAsync(CancellationToken ct)
    {
        var smtp = FreePort();
        var program = await StartAsync([Built("PwWorkflows.Sandbox", "pw-sandbox.dll"), "--urls", "http://127.0.0.1:0", "--smtp-port", smtp.ToString(CultureInfo.InvariantCulture)], None, "sandbox ready ", ct);
        return (program, new Dictionary<string, string>
        {
            ["ERPNEXT_URL"] = new Uri(program.Address, "erpnext").ToString(),
            ["USAC_PORTAL_URL"] = new Uri(program.Address, "usac/").ToString(),
            ["SMTP_HOST"] = "127.0.0.1",
            ["SMTP_PORT"] = smtp.ToString(CultureInfo.InvariantCulture),
        });
    }

    /// <summary>Starts the floor behind its bare endpoint on a database of its own.</summary>
    public async Task<Program> FloorAsync(IReadOnlyList<byte[]> rows, CancellationToken ct)
    {
        var files = new List<string>();
        foreach (var row in rows)
        {
            files.Add(Path.Combine(_folder, $"row{files.Count}-{Guid.NewGuid():N}.bin"));
            await File.WriteAllBytesAsync(files[^1], row, ct);
        }

        return await StartAsync([typeof(Run).Assembly.Location, "floor", database, await NewDatabaseAsync(ct), .. files], None, "ready ", ct);
    }

    /// <summary>Long enough for the compilers to be done with what a loaded server runs; both get the same.</summary>
    public static TimeSpan WarmUp { get; } = TimeSpan.FromSeconds(10);

    /// <summary>Measures the floor and the engine in turn, the same number of rounds each. Both must be warm.</summary>
    public async Task<Result> CompareAsync(string name, int clients, Func<TimeSpan, Task<Outcome>> floor, Func<TimeSpan, Task<Outcome>> ours, string unit, Program? floorProgram = null, Program? program = null)
    {
        ArgumentNullException.ThrowIfNull(floor);
        ArgumentNullException.ThrowIfNull(ours);
        List<Outcome> floors = [], mine = [];
        List<double> cpus = [], floorCpus = [];
        for (var round = 0; round < options.Rounds; round++)
        {
            floors.Add(await TimedAsync(floor, floorProgram, floorCpus));
            mine.Add(await TimedAsync(ours, program, cpus));
        }

        async Task<Outcome> TimedAsync(Func<TimeSpan, Task<Outcome>> load, Program? server, List<double> cpu)
        {
            var before = server?.ProcessorTime;
            var outcome = await load(options.Duration);
            if (server is not null) cpu.Add((server.ProcessorTime - before!.Value).TotalMicroseconds / outcome.Count);
            return outcome;
        }

        return new Result(name, database, clients, Median(mine, static o => o.PerSecond), unit, Median(floors, static o => o.PerSecond),
            Median(mine, static o => o.Percentile(0.5)), Median(mine, static o => o.Percentile(0.99)), Median(floors, static o => o.Percentile(0.99)),
            cpus.Count > 0 ? Median(cpus) : null, floorCpus.Count > 0 ? Median(floorCpus) : null);
    }

    public static double Median(IEnumerable<Outcome> outcomes, Func<Outcome, double> value) => Median(outcomes.Select(value));

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[sorted.Length / 2] + sorted[(sorted.Length / 2) - 1]) / 2;
    }

    /// <summary>Waits for a condition, looking often.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition, TimeSpan limit, string what, CancellationToken ct)
    {
        var start = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(start) > limit) throw new TimeoutException($"Not within {limit.TotalSeconds} s: {what}");
            await Task.Delay(20, ct);
        }
    }

    public async Task<Program> StartAsync(IReadOnlyList<string> args, IReadOnlyDictionary<string, string> settings, string ready, CancellationToken ct)
    {
        var program = await Program.StartAsync(args, settings, ready, ct);
        _programs.Add(program);
        return program;
    }

    /// <summary>Ends a program before the run's end.</summary>
    public async Task StopAsync(Program program)
    {
        ArgumentNullException.ThrowIfNull(program);
        _programs.Remove(program);
        await program.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var program in _programs) await program.DisposeAsync();
        if (IsPostgres && _databases.Count > 0)
        {
            await using var source = NpgsqlDataSource.Create(Server);
            foreach (var name in _databases)
            {
                await using var command = source.CreateCommand($"DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                await command.ExecuteNonQueryAsync();
            }
        }

        SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>The repository's folder.</summary>
    public static string Root { get; } = FindRoot();

    private static string Built(string project, string file)
    {
        var path = Path.Combine(Root, "src", project, "bin", "Release", "net10.0", file);
        return File.Exists(path) ? path : throw new InvalidOperationException($"{path} is missing; ./bench builds it.");
    }

    private static Dictionary<string, string> SandboxSettings() => File.ReadAllLines(Path.Combine(Root, ".env.sandbox"))
        .Where(static l => l.Length > 0 && l[0] != '#').Select(static l => l.Split('=', 2)).ToDictionary(static p => p[0], static p => p[1], StringComparer.Ordinal);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "PwWorkflows.sln"))) return folder.FullName;
        throw new InvalidOperationException("The benchmarks run outside of the repository.");
    }

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }
}

/// <summary>A .NET program as a process of its own.</summary>
public sealed class Program : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly TaskCompletionSource<Uri> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Program(Process process) => _process = process;

    public Uri Address { get; private set; } = null!;

    /// <summary>From the process's start to its being ready.</summary>
    public TimeSpan StartTime { get; private set; }

    /// <summary>Resident memory in MiB.</summary>
    public double ResidentMegabytes
    {
        get
        {
            var line = File.ReadLines($"/proc/{_process.Id}/status").First(static l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
            return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
        }
    }

    /// <summary>Processor time used so far.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>Starts it and waits for the line that says it is ready, with its address.</summary>
    public static async Task<Program> StartAsync(IReadOnlyList<string> args, IReadOnlyDictionary<string, string> settings, string ready, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var info = new ProcessStartInfo("dotnet", args) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Path.GetTempPath() };
        foreach (var name in (string[])["DATABASE_URL", "PW_DATA", "PW_URLS", "PW_WORKFLOWS"]) info.Environment.Remove(name);
        foreach (var (name, value) in settings) info.Environment[name] = value;
        var begun = Stopwatch.GetTimestamp();
        var program = new Program(Process.Start(info) ?? throw new InvalidOperationException("dotnet can't be started."));
        _ = program.DrainAsync(program._process.StandardOutput, ready, begun);
        _ = program.DrainAsync(program._process.StandardError, ready, begun);
        try
        {
            program.Address = await program._ready.Task.WaitAsync(TimeSpan.FromSeconds(60), ct);
        }
        catch (TimeoutException)
        {
            await program.DisposeAsync();
            throw new InvalidOperationException($"{args[0]} was not ready in time:{Environment.NewLine}{program.Log}");
        }

        return program;
    }

    public string Log => string.Join(Environment.NewLine, _lines);

    // Looked through until the program is ready; then only kept flowing, since reading lines costs the processor that is measured.
    private async Task DrainAsync(StreamReader output, string ready, long begun)
    {
        while (!_ready.Task.IsCompleted && await output.ReadLineAsync() is { } line)
        {
            _lines.Enqueue(line);
            if (!line.StartsWith(ready, StringComparison.Ordinal)) continue;
            StartTime = Stopwatch.GetElapsedTime(begun);
            _ready.TrySetResult(new Uri(line[ready.Length..].Split(' ')[0]));
        }

        var buffer = new byte[1 << 16];
        while (await output.BaseStream.ReadAsync(buffer) > 0) { }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
