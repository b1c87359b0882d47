namespace PwWorkflows.Engine.Tests.Storage;

/// <summary>Lets many do the same thing at the same moment.</summary>
internal static class Race
{
    /// <summary>Runs all at once; gives for each its exception or null.</summary>
    public static async Task<Exception?[]> OutcomesAsync(int count, Func<int, Task> run) =>
        await ResultsAsync(count, async i => (Exception?)await Record.ExceptionAsync(() => run(i)));

    /// <summary>Runs all at once; gives for each its result.</summary>
    public static async Task<T[]> ResultsAsync<T>(int count, Func<int, Task<T>> run)
    {
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var tasks = Enumerable.Range(0, count).Select(i => Task.Run(async () =>
        {
            await ready.Task;
            return await run(i);
        })).ToArray();
        ready.SetResult();
        return await Task.WhenAll(tasks);
    }
}
