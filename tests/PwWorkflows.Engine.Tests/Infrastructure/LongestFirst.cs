using Xunit.Sdk;
using Xunit.v3;

namespace PwWorkflows.Tests.Infrastructure;

/// <summary>Begins with the classes that take long, so that none of them runs alone at the end while the machine idles.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Longest = ["MainJob.NodesTests", "MainJob.CrashOnPostgresTests", "MainJob.CrashOnSqliteTests", "Usac.FilingTests", "usac-portal", "Relay.RelayOnPostgresTests", "Relay.RelayOnSqliteTests"];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections) where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(static c => Array.FindIndex(Longest, l => c.TestCollectionDisplayName.Contains(l, StringComparison.Ordinal)) is >= 0 and var place ? place : Longest.Length)];
}
