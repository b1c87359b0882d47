using System.Reflection;
using Xunit.v3;

namespace PwWorkflows.EndToEnd.Tests.Infrastructure;

/// <summary>What a page complains of fails the test that looked at it, and hides nothing.</summary>
public sealed class PageFaultsTests
{
    [Fact]
    public async Task What_is_noted_while_a_tab_closes_is_told_after_the_test_and_leaves_its_own_failure_alone()
    {
        var own = await Assert.ThrowsAsync<TimeoutException>(static async () =>
        {
            await using var tab = new Tab();
            throw new TimeoutException("the test's own");
        });
        Assert.Equal("the test's own", own.Message);
        var test = Assert.IsAssignableFrom<IXunitTest>(TestContext.Current.Test);
        var told = Assert.ThrowsAny<Exception>(() => new PageFaultsAttribute().After((MethodInfo)MethodBase.GetCurrentMethod()!, test));
        Assert.Contains("console: it broke", told.Message, StringComparison.Ordinal);
        // Told once.
        Assert.Empty(PageFaults.Take(test.UniqueID));
    }

    private sealed class Tab : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            PageFaults.Note("console: it broke");
            return ValueTask.CompletedTask;
        }
    }
}
