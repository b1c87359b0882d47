using System.CommandLine;
using System.Data.Common;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Commands;

/// <summary>The command line <c>pw</c>.</summary>
internal static class CommandLine
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>Failed, with the reason on standard error.</summary>
    public const int Failed = 1;

    /// <summary>Wrong use.</summary>
    public const int WrongUse = 2;

    public static Option<string?> EnvFile { get; } = new("--env-file") { Description = "File of NAME=value lines; the environment wins over it.", HelpName = "PATH", Recursive = true };

    public static Option<string?> Data { get; } = new("--data") { Description = "Folder of everything the server writes (PW_DATA, default ./data).", HelpName = "DIR", Recursive = true };

    public static Option<string?> Urls { get; } = new("--urls") { Description = "Addresses to listen on (PW_URLS, default http://127.0.0.1:8080).", HelpName = "URLS", Recursive = true };

    public static Option<bool> Json { get; } = new("--json") { Description = "Print JSON instead of a table." };

    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand("Performance West's workflows: telecom filings from payment to proof.") { EnvFile, Data, Urls };
        root.Add(ServeCommands.Serve());
        root.Add(ServeCommands.Migrate());
        root.Add(ServeCommands.Health());
        root.Add(ServeCommands.AdminUser());
        root.Add(WorkflowCommands.Workflows());
        root.Add(WorkflowCommands.Smoke());
        root.Add(OrderCommands.Orders());
        root.Add(OrderCommands.ToDos());
        root.Add(OrderCommands.Filings());
        root.Add(OrderCommands.Webhooks());
        root.Add(ApprovalCommands.Approvals());
        root.Add(ScheduleCommands.Schedules());
        root.Add(InstanceCommands.Instances());
        root.Add(InstanceCommands.Effects());
        root.SetAction(ServeCommands.ServeAsync);

        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors) await Console.Error.WriteLineAsync("pw: " + error.Message).ConfigureAwait(false);
            await Console.Error.WriteLineAsync("pw: see pw --help").ConfigureAwait(false);
            return WrongUse;
        }

        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, CancellationToken.None).ConfigureAwait(false);
        }
        catch (WrongUseException e)
        {
            await Console.Error.WriteLineAsync("pw: " + e.Message).ConfigureAwait(false);
            return WrongUse;
        }
        catch (Exception e) when (Explain(e) is { } reason)
        {
            await Console.Error.WriteLineAsync("pw: " + reason).ConfigureAwait(false);
            return Failed;
        }
    }

    /// <summary>Host settings of a command that isn't the server.</summary>
    public static HostSettings Quiet(ParseResult parsed) => new(parsed.GetValue(EnvFile), parsed.GetValue(Data), parsed.GetValue(Urls), QuietLogs: true);

    /// <summary>Runs a command with the server's services; none of the background work starts.</summary>
    public static async Task<int> WithServicesAsync(ParseResult parsed, Func<IServiceProvider, Task<int>> run)
    {
        await using var app = ServerHost.Build(Quiet(parsed));
        return await run(app.Services).ConfigureAwait(false);
    }

    private static string? Explain(Exception error) => error switch
    {
        StartRefusedException or ConfigurationException or NotSupportedException => error.Message,
        DbException e when IsMissingTable(e) => "the database is not set up: run pw migrate first",
        DbException e => "the database does not answer as expected: " + e.Message,
        IOException or UnauthorizedAccessException or HttpRequestException => error.Message,
        OperationCanceledException => "stopped",
        _ => null,
    };

    private static bool IsMissingTable(DbException e) => e.SqlState == "42P01" || e.Message.Contains("no such table", StringComparison.Ordinal) || e.Message.Contains("unable to open database file", StringComparison.Ordinal);
}

/// <summary>The command was used wrongly in a way the parser can't see.</summary>
internal sealed class WrongUseException(string message) : Exception(message);
