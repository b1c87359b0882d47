using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace PwWorkflows.Tests.Infrastructure;

/// <summary>
/// A PostgreSQL server for tests: its own cluster in a temporary folder, on a free loopback port, with fsync on. PostgreSQL refuses to run as root, so as root it is run
/// as the user postgres. With <c>PW_TEST_POSTGRES</c> set to a connection string, that running server is used instead and only databases are made on it.
/// </summary>
public sealed class PostgresServer : IAsyncDisposable
{
    private readonly string? _folder;
    private readonly string _programs;
    private readonly string _connectionString;
    private int _databases;

    private PostgresServer(string? folder, string programs, string connectionString) => (_folder, _programs, _connectionString) = (folder, programs, connectionString);

    /// <summary>Connection string of the maintenance database.</summary>
    public string AdminConnectionString => _connectionString;

    /// <summary>Makes and starts a server, or takes the one of <c>PW_TEST_POSTGRES</c>.</summary>
    /// <exception cref="InvalidOperationException">The PostgreSQL programs are missing or the server does not start; the message holds its own words.</exception>
    public static async Task<PostgresServer> StartAsync(CancellationToken ct)
    {
        if (Environment.GetEnvironmentVariable("PW_TEST_POSTGRES") is { Length: > 0 } running) return new PostgresServer(null, "", running);

        var programs = FindPrograms();
        var folder = Path.Combine(Path.GetTempPath(), "pw-test-postgres-" + Guid.NewGuid().ToString("N")[..12]);
        Directory.CreateDirectory(folder);
        if (Environment.UserName == "root") await RunAsync("chown", ["postgres", folder], ct);
        try
        {
            var data = Path.Combine(folder, "data");
            await RunAsOwnerAsync(Path.Combine(programs, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"], ct);
            for (var attempt = 1; ; attempt++)
            {
                var port = FreePort();
                var settings = $"-p {port.ToString(CultureInfo.InvariantCulture)} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300 -c shared_buffers=128MB -c fsync=on -c logging_collector=off";
                try
                {
                    await RunAsOwnerAsync(Path.Combine(programs, "pg_ctl"), ["-D", data, "-w", "-t", "60", "-l", Path.Combine(folder, "log"), "-o", settings, "start"], ct);
                }
                catch (InvalidOperationException) when (attempt < 5)
                {
                    // Somebody else took the port in between.
                    continue;
                }

                return new PostgresServer(folder, programs, new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = port, Username = "postgres", Database = "postgres" }.ConnectionString);
            }
        }
        catch
        {
            Directory.Delete(folder, recursive: true);
            throw;
        }
    }

    /// <summary>Makes a database and returns its connection string: an empty one, or a copy of another to which nobody is connected.</summary>
    public async Task<string> CreateDatabaseAsync(CancellationToken ct, string? template = null)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"pw_{Environment.ProcessId}_{Interlocked.Increment(ref _databases)}_{Guid.NewGuid().ToString("N")[..6]}");
        await ExecuteAsync(template is null ? $"CREATE DATABASE {name}" : $"CREATE DATABASE {name} TEMPLATE {new NpgsqlConnectionStringBuilder(template).Database}", ct);
        return new NpgsqlConnectionStringBuilder(_connectionString) { Database = name }.ConnectionString;
    }

    /// <summary>Drops a database made by <see cref="CreateDatabaseAsync"/>, also when connections to it are open. On a server of our own it stays until the server goes.</summary>
    public async Task DropDatabaseAsync(string connectionString, CancellationToken ct)
    {
        // A server of our own goes with all its databases.
        if (_folder is null) await ExecuteAsync($"DROP DATABASE IF EXISTS {new NpgsqlConnectionStringBuilder(connectionString).Database} WITH (FORCE)", ct);
    }

    private async Task ExecuteAsync(string sql, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(ct);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Stops the server and removes its folder; a server of <c>PW_TEST_POSTGRES</c> stays.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_folder is null) return;
        await RunAsOwnerAsync(Path.Combine(_programs, "pg_ctl"), ["-D", Path.Combine(_folder, "data"), "-m", "immediate", "-w", "stop"], CancellationToken.None);
        Directory.Delete(_folder, recursive: true);
    }

    private static string FindPrograms()
    {
        var folders = new List<string>();
        if (Directory.Exists("/usr/lib/postgresql"))
        {
            folders.AddRange(Directory.GetDirectories("/usr/lib/postgresql")
                .OrderByDescending(d => int.TryParse(Path.GetFileName(d), CultureInfo.InvariantCulture, out var version) ? version : 0).Select(d => Path.Combine(d, "bin")));
        }

        folders.AddRange((Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator));
        return folders.Find(f => File.Exists(Path.Combine(f, "initdb")) && File.Exists(Path.Combine(f, "pg_ctl")))
            ?? throw new InvalidOperationException("The PostgreSQL programs are missing: install the Debian package postgresql, or set PW_TEST_POSTGRES to the connection string of a running server.");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static Task RunAsOwnerAsync(string program, string[] arguments, CancellationToken ct) =>
        Environment.UserName == "root" ? RunAsync("runuser", ["-u", "postgres", "--", program, .. arguments], ct) : RunAsync(program, arguments, ct);

    private static async Task RunAsync(string program, string[] arguments, CancellationToken ct)
    {
        // Output goes to a file: a server started here would keep a pipe open and the reading of it would never end.
        var output = Path.GetTempFileName();
        try
        {
            var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = Path.GetTempPath(), UseShellExecute = false };
            foreach (var argument in (string[])["-c", "out=$1; shift; exec \"$@\" >\"$out\" 2>&1 </dev/null", "sh", output, program, .. arguments]) start.ArgumentList.Add(argument);
            using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} can't be started.");
            await process.WaitForExitAsync(ct);
            if (process.ExitCode != 0)
                throw new InvalidOperationException($"{program} ended with {process.ExitCode}: {await File.ReadAllTextAsync(output, ct)}");
        }
        finally
        {
            File.Delete(output);
        }
    }
}
