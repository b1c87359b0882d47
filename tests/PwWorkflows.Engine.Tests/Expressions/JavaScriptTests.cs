using System.Dynamic;
using Elsa.Expressions.JavaScript.Activities;
using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Expressions;
using PwWorkflows.Engine.Tests.Execution;
using static PwWorkflows.Engine.Tests.Execution.Build;

namespace PwWorkflows.Engine.Tests.Expressions;

/// <summary>What scripts can ask of their workflow. The names are those that a stock server declares for its editor.</summary>
public sealed class JavaScriptTests
{
    private static Say Js(string script) => new() { Text = new Input<string>(new Expression("JavaScript", script)) };

    private static RunJavaScript Script(string script) => new(script);

    private static Task<InMemoryWorkflow> RunAsync(IActivity root, Action<Workflow>? configure = null, IDictionary<string, object>? input = null) =>
        new InMemoryWorkflow(root, configure: configure, services: s => s.AddSingleton<IJavaScriptRunner>(new JavaScriptHandler())).StartAsync(input);

    private static async Task<string> EvaluateAsync(string script)
    {
        var w = await RunAsync(Sequence(Js(script)), x =>
        {
            x.DefinitionId = "order-intake";
            x.VersionId = "order-intake:3";
            x.DefinitionVersion = 3;
            x.Variables.Add(new Variable<int>("Stock", 5).WithWorkflowStorage());
            x.Variables.Add(new Variable<string>("Order Note", "fragile").WithWorkflowStorage());
            x.Inputs.Add(new InputDefinition { Name = "OrderId", Type = typeof(string) });
        }, new Dictionary<string, object> { ["OrderId"] = "42", ["Extra"] = new Dictionary<string, object> { ["a"] = 1 } });
        Assert.Equal("Finished/Finished", w.Incidents.Count > 0 ? w.Incidents[0].Message : w.Status);
        return w.Steps;
    }

    [Theory]
    [InlineData("getVariable('Stock') + 1", "6")]
    [InlineData("getStock() + 1", "6")]
    [InlineData("variables.Stock + 1", "6")]
    [InlineData("getOrderNote()", "fragile")]
    [InlineData("variables['Order Note']", "fragile")]
    [InlineData("String(getVariable('Gone'))", "null")]
    [InlineData("setVariable('Stock', 7); getStock()", "7")]
    [InlineData("setStock('8'); getStock() + 1", "9")]
    [InlineData("variables.Stock = 9; variables.Stock", "9")]
    [InlineData("Object.keys(variables).join()", "Stock,Order Note")]
    [InlineData("getInput('OrderId') + getOrderId()", "4242")]
    [InlineData("getInput('Extra').a", "1")]
    [InlineData("String(getInput('Gone'))", "null")]
    [InlineData("getWorkflowInstanceId()", "instance-1")]
    [InlineData("getWorkflowDefinitionId() + getWorkflowDefinitionVersionId() + getWorkflowDefinitionVersion()", "order-intakeorder-intake:33")]
    [InlineData("String(getCorrelationId())", "null")]
    [InlineData("setCorrelationId('c-1'); getCorrelationId()", "c-1")]
    [InlineData("setWorkflowInstanceName('Order 42'); getWorkflowInstanceName()", "Order 42")]
    [InlineData("[isNullOrEmpty(null), isNullOrEmpty(undefined), isNullOrEmpty(''), isNullOrEmpty(' ')].join()", "true,true,true,false")]
    [InlineData("[isNullOrWhiteSpace(null), isNullOrWhiteSpace(' '), isNullOrWhiteSpace('x')].join()", "true,true,false")]
    [InlineData("[newGuid(), newGuidString(), getGuid(), getGuidString()].every(g => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(g))", "true")]
    [InlineData("newGuid() !== newGuid() && newShortGuid() !== getShortGuid()", "true")]
    [InlineData("/^[A-Za-z0-9_-]{22}$/.test(newShortGuid()) && /^[A-Za-z0-9_-]{22}$/.test(getShortGuid())", "true")]
    [InlineData("parseGuid('{0F8FAD5B-D9CB-469F-A165-70867728950E}')", "0f8fad5b-d9cb-469f-a165-70867728950e")]
    [InlineData("toJson({ a: 1, b: ['x', null, true] })", """{"a":1,"b":["x",null,true]}""")]
    [InlineData("bytesFromString('Zoë').join()", "90,111,195,171")]
    [InlineData("bytesToString(bytesFromString('Zoë'))", "Zoë")]
    [InlineData("bytesToBase64([1, 2, 255])", "AQL/")]
    [InlineData("bytesFromBase64('AQL/').join()", "1,2,255")]
    [InlineData("stringFromBase64(stringToBase64('Zoë'))", "Zoë")]
    public async Task Function_gives_what_a_stock_server_gives(string script, string expected) => Assert.Equal(expected, await EvaluateAsync(script));

    [Theory]
    [InlineData("parseGuid('no')", "'no' is not a GUID")]
    [InlineData("bytesToString([1, 256])", "array of numbers from 0 to 255")]
    [InlineData("bytesFromBase64('%')", "expected base64 text")]
    [InlineData("getOutputFrom('Gone', 'Result')", "no activity 'Gone'")]
    [InlineData("const a = 1;\nboo()", "boo is not defined (line 2)")]
    [InlineData("throw new Error('no stock')", "no stock")]
    [InlineData("throw 'plain text'", "plain text")]
    public async Task What_went_wrong_in_a_script_is_told(string script, string message)
    {
        var w = await RunAsync(Sequence(Js(script)));
        Assert.Equal("Finished/Faulted", w.Status);
        Assert.Contains(message, Assert.Single(w.Incidents).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("return 5; 6", "5")]
    [InlineData("if (false) return 1; 2", "2")]
    [InlineData("for (const x of [1, 2, 3]) { if (x > 1) return x }", "2")]
    [InlineData("'please return' + ' it'", "please return it")]
    [InlineData("const f = () => { return 3 }; f() + 1", "4")]
    [InlineData("/* return 1 */ 7", "7")]
    [InlineData("function g() { return 1 } 8", "8")]
    [InlineData("(async () => 9)()", "9")]
    [InlineData("const text = `return ${1 + 1}`; text", "return 2")]
    public async Task Value_is_that_of_the_return_or_of_the_last_expression(string script, string expected) => Assert.Equal(expected, await EvaluateAsync(script));

    [Fact]
    public async Task Outputs_of_activities_are_read_by_id_by_name_and_by_their_own_function()
    {
        var w = await RunAsync(Sequence(
            Script("({ total: 3 })").Named("r1"),
            new RunJavaScript("4") { Id = "r2", Name = "Read From Disk" },
            Js("getOutputFrom('r1', 'Result').total + getOutputFrom('r1').total"),
            Js("getOutputFrom('Read From Disk') + getResultFromReadFromDisk()"),
            Js("getResultFromR1().total"),
            Js("getLastResult()"),
            Js("String(getOutputFrom('r1', 'Gone'))")));
        Assert.Equal(("6 8 3 4 null", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Outputs_that_are_not_bound_last_until_the_workflow_waits()
    {
        var kept = new Variable("Kept").WithWorkflowStorage();
        var bound = Script("5").Named("bound");
        bound.Result = new Output<object?>(kept);
        var w = await RunAsync(new Sequence { Variables = { kept }, Activities = { Script("4").Named("r1"), bound, Js("getOutputFrom('r1')"), new Wait("w"), Js("String(getOutputFrom('r1')) + getKept()") } });
        await w.ResumeAsync();
        Assert.Equal("4 w w! null5", w.Steps);
    }

    [Fact]
    public async Task Outcomes_are_chosen_by_the_script()
    {
        Step a = new("a"), b = new("b"), done = new("done");
        RunJavaScript one = Script("setOutcome('A'); setOutcome('B')").Named("one"), two = Script("setOutcome('A'); setOutcomes(['B'])").Named("two"), none = Script("1").Named("none");
        var w = await RunAsync(Chart([one, a, b, done], (one, "A", a), (one, "B", b), (one, "Done", done)));
        Assert.Equal("a b", w.Steps);
        w = await RunAsync(Chart([two, a, b, done], (two, "A", a), (two, "B", b), (two, "Done", done)));
        Assert.Equal("b", w.Steps);
        w = await RunAsync(Chart([none, a, b, done], (none, "A", a), (none, "B", b), (none, "Done", done)));
        Assert.Equal("done", w.Steps);
    }

    [Fact]
    public async Task Loop_variables_are_seen_in_the_body_innermost_first()
    {
        var inner = new ForEach<string>(new List<string> { "x", "y" }) { Body = Js("getCurrentValue() + getCurrentIndex() + currentValue + currentIndex + variables.CurrentValue") };
        var w = await RunAsync(Sequence(
            new ForEach<int>(new List<int> { 7 }) { Body = Sequence(inner, Js("currentValue + 1")) },
            Js("typeof currentValue")));
        Assert.Equal(("x0x0x y1y1y 8 undefined", "Finished/Finished"), (w.Steps, w.Status));
    }

    [Fact]
    public async Task Changes_of_a_variables_list_or_object_in_place_are_kept()
    {
        var list = new Variable("List", new List<object?> { 1L }).WithWorkflowStorage();
        var map = new Variable("Map").WithWorkflowStorage();
        var w = await RunAsync(new Sequence
        {
            Variables = { list, map },
            Activities =
            {
                Script("variables.List.push(2); getList().push(3); setVariable('Map', { n: 1 })"),
                Script("getVariable('Map').n++; variables.Map.deep = { a: [] }; variables.Map.deep.a.push('x')"),
                new Wait("w"),
                Js("toJson(getList()) + toJson(getMap())"),
                Script("const old = getList(); setList([9]); old.push(10)"),
                Js("toJson(getList())"),
            },
        });
        await w.ResumeAsync();
        Assert.Equal("""w w! [1,2,3]{"n":2,"deep":{"a":["x"]}} [9]""", w.Steps);
    }

    [Fact]
    public async Task First_values_of_variables_are_each_runs_own()
    {
        IDictionary<string, object?> first = new ExpandoObject();
        first["items"] = new List<object?> { "a" };
        var workflow = new Workflow(Sequence(Script("variables.Typed.push(3); variables.Map.items.push('b'); variables.Plain.push(2)"), Js("toJson(getMap()) + toJson(getPlain()) + toJson(getTyped())")))
        {
            Variables = { new Variable("Map", first), new Variable("Plain", new List<object?> { 1L }), new Variable<List<int>>("Typed", [1]), new Variable<Dictionary<string, int>>("Counts", new() { ["a"] = 1 }) },
        };
        for (var run = 0; run < 2; run++)
        {
            var w = await RunAsync(workflow);
            Assert.Equal("""{"items":["a","b"]}[1,2][1,3]""", w.Steps);
        }
        var blocks = workflow.Variables.Select(v => (v.Declare().Value, v.Value));
        Assert.All(blocks, b => Assert.NotSame(b.Item1, b.Item2));
    }

    [Fact]
    public void Refused_script_is_told_at_publish()
    {
        var handler = new JavaScriptHandler();
        Assert.Null(handler.Validate(new Expression("JavaScript", "return getStock()"), typeof(object)));
        Assert.Contains("is not JavaScript", handler.Validate(new Expression("JavaScript", "getStock(("), typeof(object)), StringComparison.Ordinal);
    }
}
