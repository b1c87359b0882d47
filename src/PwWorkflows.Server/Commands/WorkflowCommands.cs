using System.CommandLine;
using Microsoft.Extensions.Options;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Commands;

/// <summary><c>workflows</c> and <c>smoke</c>.</summary>
internal static class WorkflowCommands
{
    private static readonly Argument<string?> Folder = new("folder") { Description = "Folder of the definition files; default PW_WORKFLOWS.", Arity = ArgumentArity.ZeroOrOne };

    public static Command Workflows()
    {
        var list = new Command("list", "List the stored definitions.") { CommandLine.Json };
        list.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            Output.List(parsed.GetValue(CommandLine.Json), await services.GetRequiredService<IWorkflowAdmin>().ListDefinitionsAsync(ct).ConfigureAwait(false),
                ("WORKFLOW", static d => d.DefinitionId), ("NAME", static d => d.Name), ("LATEST", static d => d.LatestVersion.ToString(System.Globalization.CultureInfo.InvariantCulture)),
                ("PUBLISHED", static d => d.PublishedVersion?.ToString(System.Globalization.CultureInfo.InvariantCulture)), ("FILE", static d => d.SourceFile), ("SINCE", static d => Output.Time(d.CreatedAt)));
            return CommandLine.Done;
        }));

        var force = new Option<bool>("--force") { Description = "Also replace what an operator edited since." };
        var import = new Command("import", "Import and publish definition files whose content is new.") { Folder, force, CommandLine.Json };
        import.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var imports = await services.GetRequiredService<IWorkflowAdmin>().ImportAsync(await ReadAsync(services, parsed, ct).ConfigureAwait(false), parsed.GetValue(force), "command-line", ct).ConfigureAwait(false);
            Output.List(parsed.GetValue(CommandLine.Json), imports,
                ("FILE", static i => i.Path), ("WORKFLOW", static i => i.DefinitionId), ("OUTCOME", static i => i.Outcome), ("VERSION", static i => i.Version.ToString(System.Globalization.CultureInfo.InvariantCulture)), ("", static i => i.Message));
            return imports.Any(static i => i.Outcome == "refused") ? CommandLine.Failed : CommandLine.Done;
        }));

        var export = new Command("export", "Write the current versions as files, with stable formatting.") { Folder };
        export.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var folder = FolderOf(services, parsed);
            foreach (var file in await services.GetRequiredService<IWorkflowAdmin>().ExportAsync(ct).ConfigureAwait(false))
            {
                var path = Path.GetFullPath(Path.Combine(folder, file.Path));
                // A definition's id comes from the designer: it must not lead out of the folder.
                if (!path.StartsWith(Path.GetFullPath(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal)) throw new IOException($"'{file.Path}' lies outside of {folder}");
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                await File.WriteAllTextAsync(path, file.Content, ct).ConfigureAwait(false);
                Console.Out.WriteLine(file.Path);
            }

            return CommandLine.Done;
        }));

        var diff = new Command("diff", "Show where files and stored definitions differ; exit code 1 when they do.") { Folder, CommandLine.Json };
        diff.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var all = await services.GetRequiredService<IWorkflowAdmin>().CompareAsync(await ReadAsync(services, parsed, ct).ConfigureAwait(false), ct).ConfigureAwait(false);
            var different = all.Where(static c => c.State != "same").ToList();
            if (parsed.GetValue(CommandLine.Json)) Output.Json(different);
            else
            {
                foreach (var c in different)
                {
                    Console.Out.WriteLine($"{c.DefinitionId} ({c.Path}): {c.State}");
                    if (c is not { FileText: { } file, StoredText: { } stored }) continue;
                    foreach (var line in LineDiff.Of(stored.Split('\n'), file.Split('\n'))) Console.Out.WriteLine("  " + line);
                }

                if (different.Count == 0) Console.Out.WriteLine("no difference");
            }

            return different.Count == 0 ? CommandLine.Done : CommandLine.Failed;
        }));

        var lint = new Command("lint", "Tell everything in the definition files that would be refused at publish.") { Folder, CommandLine.Json };
        lint.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var files = await ReadAsync(services, parsed, ct).ConfigureAwait(false);
            var faults = await services.GetRequiredService<IWorkflowAdmin>().LintAsync(files, ct).ConfigureAwait(false);
            if (parsed.GetValue(CommandLine.Json) || faults.Count > 0)
                Output.List(parsed.GetValue(CommandLine.Json), faults, ("FILE", static f => f.Path), ("ACTIVITY", static f => f.ActivityId), ("TYPE", static f => f.ActivityType), ("PROPERTY", static f => f.Property), ("FAULT", static f => f.Message));
            else Console.Out.WriteLine($"{files.Count} file(s), no fault");
            return faults.Count == 0 ? CommandLine.Done : CommandLine.Failed;
        }));

        var format = new Command("format", "Bring definition files into the form that export writes.") { Folder };
        format.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var admin = services.GetRequiredService<IWorkflowAdmin>();
            foreach (var file in await ReadAsync(services, parsed, ct).ConfigureAwait(false))
            {
                var text = admin.Format(file);
                if (text == file.Content) continue;
                await File.WriteAllTextAsync(Path.Combine(FolderOf(services, parsed), file.Path), text, ct).ConfigureAwait(false);
                Console.Out.WriteLine(file.Path);
            }

            return CommandLine.Done;
        }));
        return new Command("workflows", "Workflow definitions.") { list, import, export, diff, lint, format };
    }

    /// <summary>What runs before every release: the parts fit together and every definition is good.</summary>
    public static Command Smoke()
    {
        var command = new Command("smoke", "Check that settings, activities and definitions fit together, without running anything.");
        command.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var failed = false;
            void Check(string what, bool good, string detail)
            {
                failed |= !good;
                Console.Out.WriteLine($"{(good ? "ok    " : "FAILED")} {what}: {detail}");
            }

            Check("settings", true, "every setting is as expected");
            var workflows = services.GetRequiredService<IWorkflowAdmin>();
            var own = workflows.ActivityTypes.Count(static t => t.StartsWith("Pw.", StringComparison.Ordinal));
            Check("activities", own > 0, $"{workflows.ActivityTypes.Count} registered, {own} of them ours");
            var files = await ReadFolderAsync(services.GetRequiredService<IOptions<ServerOptions>>().Value.WorkflowsFolder, ct).ConfigureAwait(false);
            Check("definitions", files.Count > 0, $"{files.Count} file(s)");
            Check("services", files.Any(static f => f.Path.StartsWith("services/service-", StringComparison.Ordinal)), string.Join(", ", files.Where(static f => f.Path.StartsWith("services/", StringComparison.Ordinal)).Select(static f => Path.GetFileNameWithoutExtension(f.Path))));
            var faults = await workflows.LintAsync(files, ct).ConfigureAwait(false);
            Check("lint", faults.Count == 0, faults.Count == 0 ? "no fault" : $"{faults.Count} fault(s)");
            foreach (var fault in faults) Console.Out.WriteLine($"       {fault.Path} {fault.ActivityId} {fault.Property}: {fault.Message}");
            return failed ? CommandLine.Failed : CommandLine.Done;
        }));
        return command;
    }

    private static string FolderOf(IServiceProvider services, ParseResult parsed) => parsed.GetValue(Folder) ?? services.GetRequiredService<IOptions<ServerOptions>>().Value.WorkflowsFolder;

    private static Task<IReadOnlyList<WorkflowFile>> ReadAsync(IServiceProvider services, ParseResult parsed, CancellationToken ct) => ReadFolderAsync(FolderOf(services, parsed), ct);

    private static async Task<IReadOnlyList<WorkflowFile>> ReadFolderAsync(string folder, CancellationToken ct)
    {
        if (!Directory.Exists(folder)) throw new WrongUseException($"expected a folder of workflow definitions, found none at '{folder}'");
        var files = new List<WorkflowFile>();
        foreach (var path in Directory.EnumerateFiles(folder, "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            files.Add(new WorkflowFile(Path.GetRelativePath(folder, path).Replace(Path.DirectorySeparatorChar, '/'), await File.ReadAllTextAsync(path, ct).ConfigureAwait(false)));
        return files;
    }
}
