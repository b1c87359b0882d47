using Xunit.Sdk;
using Xunit.v3;

namespace PwWorkflows.EndToEnd.Tests.Infrastructure;

/// <summary>Begins with the classes that take minutes, so that none of them runs alone at the end while the machine idles.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Longest = ["NodesTests", "CrashOnPostgresTests", "CrashOnSqliteTests"];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections) where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(static c => Array.FindIndex(Longest, l => c.TestCollectionDisplayName.Contains($".MainJob.{l}", StringComparison.Ordinal)) is >= 0 and var place ? place : Longest.Length)];
}
