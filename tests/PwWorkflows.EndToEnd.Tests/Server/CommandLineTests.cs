using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Server.Commands;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.EndToEnd.Tests.Server;

public sealed class CommandLineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    private Task<PwResult> RunAsync(params string[] args) => Pw.RunAsync([.. args, "--data", _folder.FullPath], SandboxSettings.Published, Ct);

    [Theory]
    [InlineData("no-such-command")]
    [InlineData("orders", "list", "--take", "0")]
    [InlineData("orders", "list", "--take", "x")]
    [InlineData("orders", "show")]
    [InlineData("webhooks", "replay", "abc")]
    [InlineData("admin", "add-user", "bob")]
    [InlineData("admin", "add-user", "bob", "--email", "b@c.net", "--role", "king")]
    [InlineData("health", "--server", "not a url")]
    [InlineData("workflows", "lint", "/no/such/folder")]
    public async Task Wrong_use_ends_with_exit_code_2_and_says_why(params string[] args)
    {
        var result = await RunAsync(args);
        Assert.Equal(2, result.ExitCode);
        Assert.StartsWith("pw: ", result.Error, StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    [Fact]
    public async Task Help_names_every_command()
    {
        var result = await RunAsync("--help");
        Assert.Equal(0, result.ExitCode);
        Assert.All((string[])["serve", "migrate", "workflows", "webhooks", "orders", "filings", "admin", "health", "smoke"], c => Assert.Contains(c, result.Output, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_command_before_migrate_says_what_to_do()
    {
        var result = await RunAsync("orders", "list");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("run pw migrate first", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Migrate_runs_once_and_listings_are_empty_json_arrays()
    {
        var first = await RunAsync("migrate");
        Assert.Equal((0, true), (first.ExitCode, first.Output.StartsWith("ran ", StringComparison.Ordinal)));
        Assert.Equal("up to date", (await RunAsync("migrate")).Output.Trim());
        foreach (var listing in (string[][])[["orders", "list", "--json"], ["webhooks", "list", "--json"]])
        {
            var result = await RunAsync(listing);
            Assert.Equal(0, result.ExitCode);
            Assert.Equal(0, JsonSerializer.Deserialize<JsonElement>(result.Output).GetArrayLength());
        }
    }

    [Fact]
    public async Task Verify_says_that_an_order_has_no_filing()
    {
        await RunAsync("migrate");
        Assert.Equal(0, (await RunAsync("filings", "verify")).ExitCode);
        var result = await RunAsync("filings", "verify", "CO-00000000");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("CO-00000000 has no filing", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Definitions_exported_imported_and_exported_again_are_the_same_bytes()
    {
        await RunAsync("migrate");
        Assert.Equal(0, (await RunAsync("workflows", "import")).ExitCode);
        var diff = await RunAsync("workflows", "diff");
        Assert.Equal((0, "no difference"), (diff.ExitCode, diff.Output.Trim()));
        var (first, second) = (Path.Combine(_folder.FullPath, "first"), Path.Combine(_folder.FullPath, "second"));
        Assert.Equal(0, (await RunAsync("workflows", "export", first)).ExitCode);
        var again = JsonSerializer.Deserialize<JsonElement>((await RunAsync("workflows", "import", first, "--json")).Output);
        Assert.NotEmpty(again.EnumerateArray());
        Assert.All(again.EnumerateArray(), i => Assert.Equal("unchanged", i.GetProperty("outcome").GetString()));
        Assert.Equal(0, (await RunAsync("workflows", "export", second)).ExitCode);
        var files = Directory.GetFiles(first, "*.json", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(first, f)).Order().ToList();
        Assert.Contains(Path.Combine("orders", "order-fulfilment.json"), files);
        Assert.Equal(files, Directory.GetFiles(second, "*.json", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(second, f)).Order());
        Assert.All(files, f => Assert.Equal(File.ReadAllBytes(Path.Combine(first, f)), File.ReadAllBytes(Path.Combine(second, f))));

        // Another order of properties and a moved box are no difference; a changed text is one, and shows alone.
        var path = Path.Combine(first, "orders", "order-attention.json");
        var edited = JsonNode.Parse(await File.ReadAllTextAsync(path, Ct))!.AsObject();
        edited["createdAt"] = "2026-01-31T09:00:00+00:00";
        edited["root"]!["activities"]![0]!["metadata"]!["designer"] = JsonNode.Parse("""{"position":{"x":1,"y":2}}""");
        await File.WriteAllTextAsync(path, edited.ToJsonString(), Ct);
        Assert.Equal(0, (await RunAsync("workflows", "diff", first)).ExitCode);
        edited["description"] = "Changed by hand.";
        await File.WriteAllTextAsync(path, edited.ToJsonString(), Ct);
        diff = await RunAsync("workflows", "diff", first);
        Assert.Equal(1, diff.ExitCode);
        Assert.Contains("order-attention (orders/order-attention.json): changed", diff.Output, StringComparison.Ordinal);
        Assert.Contains("Changed by hand.", diff.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("createdAt", diff.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("designer", diff.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lint_names_every_fault_with_activity_and_property()
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder.FullPath, "bad")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "bad.json"), """
            {"definitionId":"bad","root":{"type":"Elsa.Flowchart","id":"f","activities":[{"type":"Pw.CheckIntake","id":"check"},{"type":"Acme.Gone","id":"gone"}],
             "connections":[{"source":{"activity":"check","port":"Nowhere"},"target":{"activity":"gone"}}]}}
            """, Ct);
        var lint = await RunAsync("workflows", "lint", folder, "--json");
        Assert.Equal(1, lint.ExitCode);
        var faults = JsonSerializer.Deserialize<JsonElement>(lint.Output).EnumerateArray().Select(f => $"{f.GetProperty("activity_id").GetString()} {f.GetProperty("activity_type").GetString()} {f.GetProperty("property").GetString()}").Order(StringComparer.Ordinal);
        Assert.Equal(["check Pw.CheckIntake OrderNumber", "check Pw.CheckIntake connections", "gone Acme.Gone type"], faults);
    }

    [Fact]
    public async Task A_user_added_by_command_can_sign_in_and_a_weak_password_is_refused()
    {
        await RunAsync("migrate");
        string[] add = ["admin", "add-user", "grace", "--email", "grace@performancewest.net", "--role", "viewer"];
        var weak = await Pw.RunAsync([.. add, "--data", _folder.FullPath], SandboxSettings.Published, Ct, "short\n");
        Assert.Equal(2, weak.ExitCode);
        Assert.Contains("password: expected 12 characters to 72 bytes", weak.Error, StringComparison.Ordinal);
        var added = await Pw.RunAsync([.. add, "--data", _folder.FullPath], SandboxSettings.Published, Ct, "a long enough password\n");
        Assert.Equal((0, "added grace (viewer)"), (added.ExitCode, added.Output.Trim()));
        var twice = await Pw.RunAsync([.. add, "--data", _folder.FullPath], SandboxSettings.Published, Ct, "a long enough password\n");
        Assert.Equal(1, twice.ExitCode);

        await using var server = await ServerProcess.StartAsync(SandboxSettings.Published, _folder.FullPath, Ct);
        Assert.NotEmpty(await Api.TokenAsync(server.Http, "grace", "a long enough password", Ct));
        var health = await RunAsync("health", "--server", server.BaseUrl.ToString());
        Assert.Equal(0, health.ExitCode);
        Assert.Equal("ok", JsonSerializer.Deserialize<JsonElement>(health.Output).GetProperty("status").GetString());
    }

    [Fact]
    public async Task Health_of_a_server_that_is_down_fails_with_the_reason()
    {
        var result = await RunAsync("health", "--server", "http://127.0.0.1:1");
        Assert.Equal(1, result.ExitCode);
        Assert.StartsWith("pw: ", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_come_from_a_file_and_the_environment_wins()
    {
        var file = Path.Combine(_folder.FullPath, "settings.env");
        await File.WriteAllTextAsync(file, string.Join('\n', SandboxSettings.Published.Select(s => $"{s.Key}=\"{s.Value}\"").Prepend("# comment").Append("export ADMIN_TOKEN_MINUTES=3")), Ct);
        var fromFile = await Pw.RunAsync(["migrate", "--env-file", file, "--data", _folder.FullPath], new Dictionary<string, string>(), Ct);
        Assert.Equal(1, fromFile.ExitCode);
        Assert.Contains("ADMIN_TOKEN_MINUTES: expected a whole number from 5 to 1440, found '3'", fromFile.Error, StringComparison.Ordinal);
        var overridden = await Pw.RunAsync(["migrate", "--env-file", file, "--data", _folder.FullPath], new Dictionary<string, string> { ["ADMIN_TOKEN_MINUTES"] = "30" }, Ct);
        Assert.Equal(0, overridden.ExitCode);

        await File.WriteAllTextAsync(file, "ADMIN_TOKEN_MINUTES=30\nthis is no setting with secret-word\n", Ct);
        var broken = await Pw.RunAsync(["migrate", "--env-file", file], new Dictionary<string, string>(), Ct);
        Assert.Equal(1, broken.ExitCode);
        Assert.Contains("line 2: expected NAME=value", broken.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("secret-word", broken.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_difference_shows_changed_lines_with_two_around_them()
    {
        string[] before = ["a", "b", "c", "d", "e", "f", "g", "h"];
        string[] after = ["a", "b", "c", "D", "e", "f", "g", "h", "i"];
        Assert.Equal(["  b", "  c", "- d", "+ D", "  e", "  f", "  g", "  h", "+ i"], LineDiff.Of(before, after));
        Assert.Empty(LineDiff.Of(before, before));
    }

    [Fact]
    public void A_comparison_names_its_state()
    {
        Assert.Equal("same", new WorkflowComparison("a", "a.json", "x", "x").State);
        Assert.Equal("changed", new WorkflowComparison("a", "a.json", "x", "y").State);
        Assert.Equal("only-in-files", new WorkflowComparison("a", "a.json", "x", null).State);
        Assert.Equal("only-stored", new WorkflowComparison("a", "a.json", null, "x").State);
    }
}
