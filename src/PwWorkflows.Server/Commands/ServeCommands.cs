using System.CommandLine;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Commands;

/// <summary><c>serve</c>, <c>migrate</c>, <c>health</c>, <c>admin add-user</c>.</summary>
internal static class ServeCommands
{
    public static Command Serve()
    {
        var command = new Command("serve", "Run the server (the default).");
        command.SetAction(ServeAsync);
        return command;
    }

    public static async Task<int> ServeAsync(ParseResult parsed, CancellationToken ct)
    {
        await using var app = ServerHost.Build(new HostSettings(parsed.GetValue(CommandLine.EnvFile), parsed.GetValue(CommandLine.Data), parsed.GetValue(CommandLine.Urls)));
        ServerHost.CheckAddresses(app);
        await ServerHost.PrepareAsync(app, ct).ConfigureAwait(false);
        await app.StartAsync(ct).ConfigureAwait(false);
        foreach (var url in app.Urls) Console.Out.WriteLine("ready " + url);
        _ = GiveBackAsync(app.Lifetime.ApplicationStopping);
        await Console.Out.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        await app.WaitForShutdownAsync(CancellationToken.None).ConfigureAwait(false);
        return CommandLine.Done;
    }

    public static Command Migrate()
    {
        var command = new Command("migrate", "Bring the database's tables up to date.");
        command.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            Directory.CreateDirectory(services.GetRequiredService<IOptions<ServerOptions>>().Value.DataFolder);
            var ran = await services.GetRequiredService<IWorkflowAdmin>().MigrateAsync(ct).ConfigureAwait(false);
            Console.Out.WriteLine(ran.Count == 0 ? "up to date" : "ran " + string.Join(", ", ran));
            return CommandLine.Done;
        }));
        return command;
    }

    public static Command Health()
    {
        var server = new Option<string>("--server") { Description = "Address of a running server.", DefaultValueFactory = static _ => "http://127.0.0.1:8080", HelpName = "URL" };
        var deep = new Option<bool>("--deep") { Description = "Also ask ERPNext, the object store and the work queue." };
        var command = new Command("health", "Ask a running server whether it works.") { server, deep };
        command.SetAction(async (parsed, ct) =>
        {
            if (!Uri.TryCreate(parsed.GetValue(server), UriKind.Absolute, out var url)) throw new WrongUseException("--server: expected an address such as http://127.0.0.1:8080");
            using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(10) };
            using var response = await client.GetAsync(new Uri(url, parsed.GetValue(deep) ? "/health/deep" : "/health"), ct).ConfigureAwait(false);
            Output.Json(await response.Content.ReadFromJsonAsync<JsonElement>(ct).ConfigureAwait(false));
            return response.IsSuccessStatusCode ? CommandLine.Done : CommandLine.Failed;
        });
        return command;
    }

    public static Command AdminUser()
    {
        var name = new Argument<string>("username") { Description = "Sign-in name." };
        var email = new Option<string>("--email") { Description = "Address.", Required = true };
        var display = new Option<string?>("--display-name") { Description = "Name shown; default the sign-in name." };
        var role = new Option<string>("--role") { Description = "admin, operator or viewer.", DefaultValueFactory = static _ => Roles.Operator };
        role.AcceptOnlyFromAmong([.. Roles.All]);
        var file = new Option<string?>("--password-file") { Description = "File that holds the password; without it the password is read from standard input.", HelpName = "PATH" };
        var add = new Command("add-user", "Add a person who may sign in.") { name, email, display, role, file };
        add.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var username = parsed.GetValue(name)!;
            if (AdminUsers.WhyBadName(username) is { } badName) throw new WrongUseException("username: " + badName);
            if (!CustomerAddresses.IsWellFormed(parsed.GetValue(email))) throw new WrongUseException("--email: expected an e-mail address");
            var password = await ReadPasswordAsync(parsed.GetValue(file), ct).ConfigureAwait(false);
            if (AdminUsers.WhyBadPassword(password) is { } badPassword) throw new WrongUseException("password: " + badPassword);

            var user = new AdminUser(username, AdminUsers.Hash(password), parsed.GetValue(display) ?? username, parsed.GetValue(email)!, [parsed.GetValue(role)!], true);
            var added = await services.GetRequiredService<AdminUsers>().AddAsync(
                user, ct,
                (connection, transaction, token) => services.GetRequiredService<AuditLog>().AppendAsync(
                    connection, transaction, "command-line", "user-added", username, new() { ["role"] = parsed.GetValue(role) }, token)).ConfigureAwait(false);
            if (!added)
            {
                await Console.Error.WriteLineAsync($"pw: there is a user {username} already").ConfigureAwait(false);
                return CommandLine.Failed;
            }

            Console.Out.WriteLine($"added {username} ({parsed.GetValue(role)})");
            return CommandLine.Done;
        }));
        return new Command("admin", "People who may sign in.") { add };
    }

    /// <summary>Reads a password from a file or from standard input.</summary>
    internal static async Task<string> ReadPasswordAsync(string? file, CancellationToken ct)
    {
        if (file is not null) return (await File.ReadAllTextAsync(file, ct).ConfigureAwait(false)).TrimEnd('\r', '\n');
        if (!Console.IsInputRedirected) await Console.Error.WriteAsync("password: ").ConfigureAwait(false);
        return (await Console.In.ReadLineAsync(ct).ConfigureAwait(false) ?? "").TrimEnd('\r');
    }

    /// <summary>What the start used and nobody needs any more goes back to the machine once: a server that waits would keep it for hours.</summary>
    private static async Task GiveBackAsync(CancellationToken stopping)
    {
        await Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!stopping.IsCancellationRequested) GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }
}
