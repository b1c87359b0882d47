using System.Diagnostics;

namespace PwWorkflows.Tests.Infrastructure;

/// <summary>Waits for a condition by looking again and again. The limit only ends a test that has failed.</summary>
public static class Eventually
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    public static async Task TrueAsync(Func<Task<bool>> condition, string expectation, CancellationToken ct)
    {
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            if (watch.Elapsed > Limit) Assert.Fail($"Not within {Limit.TotalSeconds} s: {expectation}");
            await Task.Delay(Pause, ct);
        }
    }

    public static Task TrueAsync(Func<bool> condition, string expectation, CancellationToken ct) => TrueAsync(() => Task.FromResult(condition()), expectation, ct);
}
