using Elsa.Expressions.Models;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Expressions;

namespace PwWorkflows.Engine.Tests.Expressions;

/// <summary>A script that runs away is stopped with an error; the process and the next script go on. Nothing of the machine can be reached.</summary>
public sealed class JavaScriptLimitTests : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().BuildServiceProvider();
    private readonly JavaScriptHandler _handler = new();

    public void Dispose() => _services.Dispose();

    private async Task<object?> EvaluateAsync(string script) =>
        await _handler.EvaluateAsync(new Expression("JavaScript", script), typeof(object), new ExpressionExecutionContext(_services, new MemoryRegister(), null, null, TestContext.Current.CancellationToken));

    private async Task RefusedAsync(string script, string? why = null)
    {
        var refused = await Assert.ThrowsAsync<JavaScriptException>(() => EvaluateAsync(script));
        if (why is not null) Assert.Contains(why, refused.Message, StringComparison.Ordinal);
        Assert.Equal(3L, await EvaluateAsync("1 + 2"));
    }

    [Theory]
    [InlineData("const o = { toString() { return '' + this; } }; '' + o", null)]
    [InlineData("function f() { return f(); } f()", "nested too deep")]
    [InlineData("while (true) { }", "statements")]
    [InlineData("let s = 'x'; while (true) s += s", "32 MB")]
    [InlineData("const a = []; while (true) a.push('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' + a.length)", null)]
    [InlineData("/(a+)+$/.test('a'.repeat(50) + 'b')", "regular expression")]
    [InlineData("'x'.repeat(500000000)", "repeats a text")]
    [InlineData("'x'['rep' + 'eat'](500000000)", "repeats a text")]
    [InlineData("'x'.padStart(500000000)", "32 MB")]
    [InlineData("new Array(1e9)", "memory")]
    [InlineData("[...Array(1e8).keys()]", "memory")]
    [InlineData("new ArrayBuffer(1e9)", "not defined")]
    [InlineData("new globalThis['Uint8' + 'Array'](1e9)", "not a constructor")]
    [InlineData("3n ** 300000000n", null)]
    public Task Script_that_runs_away_is_stopped_and_the_next_one_runs(string script, string? why) => RefusedAsync(script, why);

    [Theory]
    [InlineData("({ get a() { while (true) { } } })", "statements")]
    [InlineData("({ get a() { let s = 'x'; while (true) s += s } })", "32 MB")]
    [InlineData("new Proxy({}, { ownKeys() { while (true) { } } })", "statements")]
    [InlineData("new Proxy({ a: 1 }, { get() { while (true) { } } })", "statements")]
    [InlineData("({ get a() { throw new Error('not for you') } })", "not for you")]
    [InlineData("const a = {}; a.a = a; a", "contains itself")]
    [InlineData("const a = []; a.push(a); a", "contains itself")]
    [InlineData("({ get self() { return { get self() { return this } } } })", "contains itself")]
    [InlineData("let a = [1]; for (let i = 0; i < 60; i++) a = [a, a]; a", "more than 100000 parts")]
    [InlineData("Array.from({ length: 200000 }, (_, i) => i)", "more than 100000 parts")]
    [InlineData("const a = []; a[900000] = 1; a", "needs more than 32 MB")]
    [InlineData("const s = 'x'.repeat(3000000); [s, s]", "more than 4194304 characters")]
    [InlineData("x => x", "a function")]
    [InlineData("({ a: [1, { b: () => 1 }] })", "a function")]
    [InlineData("class A { }; new A().constructor", "a function")]
    [InlineData("Symbol('a')", "a symbol")]
    [InlineData("[10n]", "a BigInt")]
    [InlineData("new Map([[1, 2]])", "a Map or Set")]
    [InlineData("new Promise(() => { })", "Nothing in a script can wait")]
    [InlineData("Promise.reject(new Error('refused'))", "refused")]
    public Task Value_that_is_not_plain_data_is_refused_within_the_limits(string script, string why) => RefusedAsync(script, why);

    [Fact]
    public async Task Value_up_to_the_limits_is_read()
    {
        Assert.Equal(90_000, Assert.IsType<List<object?>>(await EvaluateAsync("Array.from({ length: 90000 }, (_, i) => i)")).Count);
        Assert.Equal(4_000_000, Assert.IsType<string>(await EvaluateAsync("'x'.repeat(4000000)")).Length);
        var map = Assert.IsType<IDictionary<string, object?>>(await EvaluateAsync("({ a: null, b: undefined, c: [1, 2.5, true, 'x', new Date(0)], toJSON() { return 1 } , ...{ d: {} } })".Replace("toJSON() { return 1 } , ", "", StringComparison.Ordinal)), exactMatch: false);
        Assert.Equal(["a", "b", "c", "d"], map.Keys);
        Assert.Equal([1L, 2.5, true, "x", DateTimeOffset.UnixEpoch], Assert.IsType<List<object?>>(map["c"]));
    }

    [Theory]
    [InlineData("typeof System + typeof importNamespace + typeof clr + typeof host", "undefinedundefinedundefinedundefined")]
    [InlineData("typeof require + typeof process + typeof module + typeof fetch + typeof XMLHttpRequest", "undefinedundefinedundefinedundefinedundefined")]
    [InlineData("typeof Deno + typeof Bun + typeof WebAssembly + typeof setTimeout + typeof console", "undefinedundefinedundefinedundefinedundefined")]
    [InlineData("typeof ''.GetType + typeof ({}).GetType + typeof (() => 1).Method", "undefinedundefinedundefined")]
    [InlineData("typeof getVariable.GetType + typeof getVariable.Target + typeof getVariable.DynamicInvoke", "undefinedundefinedundefined")]
    [InlineData("typeof newGuid().GetType + typeof newGuid().ToByteArray", "undefinedundefined")]
    [InlineData("Object.getOwnPropertyNames(globalThis).filter(n => /system|clr|net|host|file|env/i.test(n)).join()", "")]
    public async Task Nothing_of_the_machine_is_in_reach(string script, string expected) => Assert.Equal(expected, await EvaluateAsync(script));

    [Theory]
    [InlineData("eval('1 + 1')")]
    [InlineData("new Function('return 1')()")]
    [InlineData("(function () { }).constructor('return this')()")]
    [InlineData("this.constructor.constructor('return process')()")]
    [InlineData("(async () => { }).constructor('return 1')()")]
    [InlineData("getVariable.constructor('return 1')()")]
    [InlineData("[].map.constructor('return 1')()")]
    [InlineData("Reflect.construct(Object.getPrototypeOf(function* () { }).constructor, ['yield 1'])")]
    [InlineData("import('fs')")]
    [InlineData("import.meta.url")]
    [InlineData("throw { toString() { throw new Error('twice') } }")]
    public Task Text_never_becomes_code(string script) => RefusedAsync(script);

    [Fact]
    public async Task What_a_script_leaves_behind_is_not_seen_by_the_next()
    {
        await EvaluateAsync("globalThis.x = 1; y = 2; Array.prototype.foo = 3; 0");
        Assert.Equal("undefined undefined undefined", await EvaluateAsync("typeof globalThis.x + ' ' + typeof y + ' ' + typeof [].foo"));
    }

    [Fact]
    public async Task Cancelled_run_stops_its_script()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        var context = new ExpressionExecutionContext(_services, new MemoryRegister(), null, null, stop.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await _handler.EvaluateAsync(new Expression("JavaScript", "const a = Array(500000).fill(1); for (;;) a.map(x => x)"), typeof(object), context));
    }
}
