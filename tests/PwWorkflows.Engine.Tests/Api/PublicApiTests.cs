using System.Runtime.CompilerServices;
using PublicApiGenerator;

namespace PwWorkflows.Engine.Tests.Api;

public sealed class PublicApiTests
{
    /// <summary>Pins what activities and workflows can see in Elsa's namespaces: sources written against them must go on compiling.</summary>
    [Fact]
    public void Public_surface_of_the_elsa_namespaces_is_the_approved_one()
    {
        var folder = Path.GetDirectoryName(SourceFile())!;
        var approvedFile = Path.Combine(folder, "PublicApi.approved.txt");
        var all = typeof(Elsa.Workflows.Activity).Assembly.GeneratePublicApi(new ApiGeneratorOptions { IncludeAssemblyAttributes = false }).ReplaceLineEndings("\n");
        // Namespaces come in order, so those of the product follow Elsa's.
        var actual = all[..(all.IndexOf("\nnamespace PwWorkflows", StringComparison.Ordinal) + 1)];
        if (Environment.GetEnvironmentVariable("PW_ACCEPT_API") == "1") File.WriteAllText(approvedFile, actual);
        var approved = File.Exists(approvedFile) ? File.ReadAllText(approvedFile).ReplaceLineEndings("\n") : "";
        var (was, now) = (approved.Split('\n').ToHashSet(), actual.Split('\n').ToHashSet());
        Assert.True(approved == actual, $"""
            The public API of the Elsa.* namespaces changed. If that is meant, accept it with
              PW_ACCEPT_API=1 dotnet run --project tests/PwWorkflows.Engine.Tests -- -class {typeof(PublicApiTests).FullName}
            Gone:
            {string.Join('\n', was.Except(now))}
            New:
            {string.Join('\n', now.Except(was))}
            """);
    }

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
