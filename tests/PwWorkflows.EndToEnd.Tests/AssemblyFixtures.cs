using PwWorkflows.EndToEnd.Tests.Infrastructure;

[assembly: AssemblyFixture(typeof(PostgresFixture))]
[assembly: AssemblyFixture(typeof(RunningServer))]
[assembly: TestCollectionOrderer(typeof(LongestFirst))]
[assembly: PageFaults]
