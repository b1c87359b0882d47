using PwWorkflows.Tests.Infrastructure;

// Many of these wait for a browser, a mail server or a disk: two at once leave a third of two cores idle.
[assembly: Xunit.v3.Parallelization(MaxThreads = 3)]
[assembly: TestCollectionOrderer(typeof(LongestFirst))]
