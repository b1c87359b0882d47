using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using PwWorkflows.Engine.Definitions;

namespace PwWorkflows.Engine.Tests.Api;

public sealed partial class DocumentationTests
{
    [GeneratedRegex(@"`(Elsa\.\w+)`")]
    private static partial Regex TypeName();

    [Fact]
    public void Compatibility_page_lists_exactly_the_activities_there_are()
    {
        var registry = new ActivityRegistry();
        registry.RegisterFrom(typeof(EngineServices).Assembly);
        var page = File.ReadAllLines(Path.Combine(Path.GetDirectoryName(SourceFile())!, "..", "..", "..", "docs", "elsa-compatibility.md"));
        var listed = TypeName().Matches(page.Single(l => l.StartsWith("| supported | `Elsa.", StringComparison.Ordinal))).Select(m => m.Groups[1].Value);
        Assert.Equal(registry.All.Select(c => c.TypeName).Where(t => t != "Elsa.Workflow").Order(), listed.Order());
    }

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
