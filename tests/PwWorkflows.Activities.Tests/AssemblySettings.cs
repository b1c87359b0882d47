using PwWorkflows.Tests.Infrastructure;

// Many of these wait for a browser, a mail server or a disk: two at once leave two cores idle for much of the time.
[assembly: Xunit.v3.Parallelization(MaxThreads = 3)]
[assembly: TestCollectionOrderer(typeof(LongestFirst))]
