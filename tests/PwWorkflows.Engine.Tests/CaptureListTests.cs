using System.Runtime.CompilerServices;

namespace PwWorkflows.Engine.Tests;

/// <summary>Every recorded call of a stock server is compared somewhere, or there is a reason why not.</summary>
public sealed class CaptureListTests
{
    private const string SignIn = "signing in is the host's (PwWorkflows.EndToEnd.Tests, StudioSignInTests)";
    private const string Resilience = "belongs to the resilience feature, which is not reported; retry policies are in the definition";
    private const string RuntimeAdmin = "belongs to a feature that is not reported: a node is stopped by its process";
    private const string Binary = "holds the size of a file only; what is in ours is compared in ";

    private static readonly Dictionary<string, string> NotCompared = new(StringComparer.Ordinal)
    {
        ["001-login"] = SignIn,
        ["002-login-wrong"] = SignIn,
        ["003-refresh-token"] = SignIn,
        ["004-refresh-token-with-access-token"] = SignIn,
        ["005-access-with-refresh-token"] = SignIn,
        ["007-api-key"] = SignIn,
        ["008-secrets-hash"] = SignIn,
        ["015-descriptors-activities-excerpt"] = "part of another capture that is compared",
        ["026-resilience-strategies"] = Resilience,
        ["027-activity-input-options"] = "of an activity that the stock server's host had; providers of options are in Api/SampleActivities",
        ["029-activity-input-options-missing"] = "the stock server breaks the connection off; here it is 404 (DescriptorTests)",
        ["062-definition-subgraph-no-parent"] = "the stock server answers 500; here it is the root (DefinitionContract)",
        ["067-definition-export"] = "has the stock server's own defaults in it; that what is exported is what was imported is in DefinitionContract",
        ["068-definitions-bulk-export"] = Binary + "DefinitionContract",
        ["088-js-type-definitions"] = Binary + "DescriptorTests",
        ["121-resilience-retries"] = Resilience,
        ["134-event-trigger-public"] = "links that trigger an event for everybody are not offered",
        ["137-instance-export"] = "the form of a state is each server's own; that it can be imported again is in InstanceContract",
        ["138-instances-bulk-export"] = Binary + "InstanceContract",
        ["149-runtime-status"] = RuntimeAdmin,
        ["150-runtime-pause"] = RuntimeAdmin,
        ["151-runtime-resume"] = RuntimeAdmin,
        ["152-dead-letters"] = "stimuli that nobody waits for end by themselves; there are no dead letters",
    };

    [Fact]
    public void Every_capture_is_compared_or_has_a_reason_why_not()
    {
        var folder = Path.GetDirectoryName(SourceFile())!;
        var sources = string.Concat(Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Where(f => f != SourceFile() && !Path.GetRelativePath(folder, f).StartsWith("obj", StringComparison.Ordinal)).Select(File.ReadAllText));
        var captures = Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Data", "captures")).Select(f => Path.GetFileName(f).Split('.')[0]).ToHashSet(StringComparer.Ordinal);
        var compared = captures.Where(c => sources.Contains($"\"{c}\"", StringComparison.Ordinal) || sources.Contains($"\"{c}.json\"", StringComparison.Ordinal)).ToHashSet(StringComparer.Ordinal);
        Assert.Empty(captures.Except(compared).Except(NotCompared.Keys));
        Assert.Empty(NotCompared.Keys.Except(captures.Except(compared)));
    }

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
