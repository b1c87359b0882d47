using System.Diagnostics;
using System.Text.RegularExpressions;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.MainJob;

/// <summary>What a newcomer does first: the script <c>run</c>; and what is deployed after that.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed partial class RunScriptTests(PostgresFixture postgres)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(8);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Run_once_files_the_demo_order_on_sqlite_and_a_folder()
    {
        using var folder = new TemporaryFolder();
        var result = await RunAsync([.. Once, "--data", folder.FullPath]);
        var filed = AssertFiled(result);
        Assert.True(File.Exists(Path.Combine(filed.Groups["evidence"].Value, "manifest.json")), result.Output);
        Assert.True(File.Exists(Path.Combine(folder.FullPath, "pw.db")));
    }

    [Fact]
    public async Task Run_once_files_the_demo_order_on_postgresql_and_s3()
    {
        using var folder = new TemporaryFolder();
        var database = await postgres.RentDatabaseAsync(Ct);
        await using (var s3 = await S3Server.StartAsync(Ct))
        {
            var result = await RunAsync([.. Once, "--data", folder.FullPath, "--database-url", database], s3.Settings);
            var filed = AssertFiled(result);
            Assert.Equal($"filings/fcc-499a/{filed.Groups["order"].Value}/evidence", filed.Groups["evidence"].Value);
            Assert.False(File.Exists(Path.Combine(folder.FullPath, "pw.db")));
            Assert.False(Directory.Exists(Path.Combine(folder.FullPath, "objects")));
            await using var connection = new Npgsql.NpgsqlConnection(database);
            await connection.OpenAsync(Ct);
            await using var command = new Npgsql.NpgsqlCommand("SELECT confirmation_number FROM filings WHERE order_number = $1", connection) { Parameters = { new() { Value = filed.Groups["order"].Value } } };
            Assert.Equal(filed.Groups["confirmation"].Value, await command.ExecuteScalarAsync(Ct));
        }

        Npgsql.NpgsqlConnection.ClearAllPools();
        await postgres.ReturnDatabaseAsync(database, Ct);
    }

    [Fact]
    public async Task Run_stays_up_with_an_order_that_waits_for_an_approval_and_prints_where_it_is_given()
    {
        using var folder = new TemporaryFolder();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(Limit);
        using var process = Start(["--port", "0", "--sandbox-port", "0", "--data", folder.FullPath], null);
        try
        {
            var lines = new List<string>();
            while (!lines.Exists(l => l.Contains("the server stays up", StringComparison.Ordinal)))
                lines.Add(await process.StandardOutput.ReadLineAsync(limit.Token) ?? throw new InvalidOperationException(string.Join('\n', lines) + await process.StandardError.ReadToEndAsync(limit.Token)));
            Assert.Single(lines, l => FiledLine().IsMatch(l));
            using var http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false });
            var page = Assert.Single(lines, l => ApprovalLine().IsMatch(l));
            using var signIn = await http.GetAsync(page, limit.Token);
            Assert.StartsWith("/sign-in?next=%2Fapprovals%2FAP-", signIn.Headers.Location!.PathAndQuery, StringComparison.Ordinal);
            var link = Assert.Single(lines, l => l.Contains("/approvals/link?t=", StringComparison.Ordinal));
            Assert.Contains("You decide as <strong>Sandbox Admin</strong>", await http.GetStringAsync(link, limit.Token), StringComparison.Ordinal);
        }
        finally
        {
            if (!process.HasExited)
            {
                using var kill = Process.Start("kill", ["-TERM", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
                await kill.WaitForExitAsync(CancellationToken.None);
            }

            await process.WaitForExitAsync(CancellationToken.None);
        }

        Assert.Equal(143, process.ExitCode);
    }

    [Fact]
    public async Task Wrong_use_is_told_in_a_line_with_the_usage()
    {
        var unknown = await RunAsync(["--twice"]);
        Assert.Equal(2, unknown.ExitCode);
        Assert.Contains("run: unknown option --twice", unknown.Error, StringComparison.Ordinal);
        Assert.Contains("Usage: ./run", unknown.Error, StringComparison.Ordinal);

        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        var port = ((System.Net.IPEndPoint)taken.LocalEndpoint).Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        using var folder = new TemporaryFolder();
        var busy = await RunAsync(["--once", "--port", port, "--data", folder.FullPath]);
        Assert.Equal(1, busy.ExitCode);
        Assert.Contains($"port {port} is taken", busy.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_machine_that_lacks_something_and_can_not_install_it_is_told_what_in_one_line()
    {
        // A machine with the shell's own tools only, and a user who is not root.
        using var folder = new TemporaryFolder();
        foreach (var tool in (string[])["bash", "dirname", "sed", "env"])
            File.CreateSymbolicLink(Path.Combine(folder.FullPath, tool), File.Exists("/usr/bin/" + tool) ? "/usr/bin/" + tool : "/bin/" + tool);
        await File.WriteAllTextAsync(Path.Combine(folder.FullPath, "id"), "#!/bin/bash\necho 1000\n", Ct);
        File.SetUnixFileMode(Path.Combine(folder.FullPath, "id"), UnixFileMode.UserRead | UnixFileMode.UserExecute);

        var result = await RunAsync(["--once"], new Dictionary<string, string> { ["PATH"] = folder.FullPath });
        Assert.Equal(1, result.ExitCode);
        Assert.Matches(@"^run: install these packages first: [a-z0-9. -]*curl[a-z0-9. -]*dotnet-sdk-10.0[a-z0-9. -]*\n$", result.Error);
    }

    [Fact]
    public async Task Published_program_brings_all_it_serves_and_starts_from_any_folder()
    {
        using var folder = new TemporaryFolder();
        // As these tests were built: publishing copies what is there.
        var configuration = Directory.GetParent(AppContext.BaseDirectory.TrimEnd('/'))!.Name;
        var published = Path.Combine(folder.FullPath, "app");
        var result = await FinishAsync(Process.Start(new ProcessStartInfo(
            "dotnet", ["publish", Path.Combine(S3Server.Root(), "src", "PwWorkflows.Server"), "-c", configuration, "--no-build", "--no-restore", "-v", "q", "-o", published])
        { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!);
        Assert.True(result.ExitCode == 0, result.Output + result.Error);
        Assert.All((string[])["studio/index.html", "workflows/orders/order-fulfilment.json", "portals/usac-499a.json", ".playwright/package/package.json"], f => Assert.True(File.Exists(Path.Combine(published, f)), f + " is missing"));
        Assert.False(Directory.Exists(Path.Combine(published, "node_modules")));

        var version = await FinishAsync(Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(published, "pw.dll"), "--version"])
        { WorkingDirectory = "/", RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!);
        Assert.True(version.ExitCode == 0, version.Error);
    }

    private static readonly string[] Once = ["--once", "--port", "0", "--sandbox-port", "0", "--timeout", "240"];

    private static Match AssertFiled(PwResult result)
    {
        Assert.True(result.ExitCode == 0, result.Output + result.Error);
        var last = result.Output.TrimEnd().Split('\n')[^1];
        var match = FiledLine().Match(last);
        Assert.True(match.Success, last);
        Assert.Matches(@"(?m)^ready http://127\.0\.0\.1:\d+$", result.Output);
        return match;
    }

    private static Process Start(IReadOnlyList<string> args, IReadOnlyDictionary<string, string>? environment)
    {
        var start = new ProcessStartInfo("/bin/bash") { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.ArgumentList.Add(Path.Combine(S3Server.Root(), "run"));
        foreach (var arg in args) start.ArgumentList.Add(arg);
        foreach (var name in start.Environment.Keys.Where(n => n.StartsWith("PW_", StringComparison.Ordinal) || n.StartsWith("MINIO_", StringComparison.Ordinal) || n == "DATABASE_URL").ToList()) start.Environment.Remove(name);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    private static async Task<PwResult> RunAsync(IReadOnlyList<string> args, IReadOnlyDictionary<string, string>? environment = null)
    {
        return await FinishAsync(Start(args, environment));
    }

    private static async Task<PwResult> FinishAsync(Process started)
    {
        using var process = started;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(Limit);
        var (output, error) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
        try
        {
            await process.WaitForExitAsync(limit.Token);
            return new PwResult(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    [GeneratedRegex(@"^filed (?<order>CO-[0-9A-F]{8}) confirmation (?<confirmation>\S+) evidence (?<evidence>\S+) in [0-9.]+ s$")]
    private static partial Regex FiledLine();

    [GeneratedRegex(@"^http://127\.0\.0\.1:\d+/approvals/AP-[0-9A-F]{20}$")]
    private static partial Regex ApprovalLine();
}
