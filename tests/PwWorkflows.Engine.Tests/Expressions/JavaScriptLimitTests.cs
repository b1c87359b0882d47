using Elsa.Expressions.Models;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Expressions;

namespace PwWorkflows.Engine.Tests.Expressions;

/// <summary>A script that runs away is stopped with an error; the process and the next script go on.</summary>
public sealed class JavaScriptLimitTests
{
    [Theory]
    [InlineData("const o = { toString() { return '' + this; } }; '' + o")]
    [InlineData("function f() { return f(); } f()")]
    [InlineData("const a = {}; a.a = a; a")]
    [InlineData("const a = []; a.push(a); a")]
    [InlineData("while (true) { }")]
    public async Task Script_that_runs_away_is_stopped_and_the_next_one_runs(string script)
    {
        await using var services = new ServiceCollection().BuildServiceProvider();
        var context = new ExpressionExecutionContext(services, new MemoryRegister(), null, null, TestContext.Current.CancellationToken);
        var handler = new JavaScriptHandler();
        await Assert.ThrowsAnyAsync<Exception>(async () => await handler.EvaluateAsync(new Expression("JavaScript", script), typeof(object), context));
        Assert.Equal(3L, await handler.EvaluateAsync(new Expression("JavaScript", "1 + 2"), typeof(object), context));
    }

    [Fact]
    public async Task What_a_script_leaves_behind_is_not_seen_by_the_next()
    {
        await using var services = new ServiceCollection().BuildServiceProvider();
        var context = new ExpressionExecutionContext(services, new MemoryRegister(), null, null, TestContext.Current.CancellationToken);
        var handler = new JavaScriptHandler();
        await handler.EvaluateAsync(new Expression("JavaScript", "globalThis.x = 1; y = 2; Array.prototype.foo = 3; 0"), typeof(object), context);
        Assert.Equal("undefined undefined undefined", await handler.EvaluateAsync(new Expression("JavaScript", "typeof globalThis.x + ' ' + typeof y + ' ' + typeof [].foo"), typeof(object), context));
    }
}
