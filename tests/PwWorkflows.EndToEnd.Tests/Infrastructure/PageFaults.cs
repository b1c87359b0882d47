using System.Collections.Concurrent;
using System.Reflection;
using Xunit.v3;

namespace PwWorkflows.EndToEnd.Tests.Infrastructure;

/// <summary>
/// What was wrong with the pages that a test looked at, told when the test has ended. Thrown while its tabs close, as <c>await using</c> would have it, it would take the place of the test's own failure;
/// thrown after the test, both are told.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly)]
internal sealed class PageFaultsAttribute : BeforeAfterTestAttribute
{
    public override void After(MethodInfo methodUnderTest, IXunitTest test)
    {
        var faults = PageFaults.Take(test.UniqueID);
        Assert.True(faults.Count == 0, "The pages were not as they should be:\n" + string.Join('\n', faults));
    }
}

/// <inheritdoc cref="PageFaultsAttribute" />
internal static class PageFaults
{
    private static readonly ConcurrentDictionary<string, ConcurrentQueue<string>> Noted = new();

    /// <summary>Notes it for the test that runs; where none runs, as when a class or a fixture is disposed of, it is thrown.</summary>
    public static void Note(string fault)
    {
        if (TestContext.Current is not { Test: { } test, TestStatus: TestEngineStatus.Running }) throw new InvalidOperationException(fault);
        Noted.GetOrAdd(test.UniqueID, static _ => new()).Enqueue(fault);
    }

    /// <summary>Takes what was noted for a test.</summary>
    public static IReadOnlyList<string> Take(string test) => Noted.TryRemove(test, out var faults) ? [.. faults] : [];
}
