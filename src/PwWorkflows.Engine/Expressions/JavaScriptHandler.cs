using System.Collections;
using System.Dynamic;
using System.Text.Json;
using System.Text.RegularExpressions;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Workflows;
using Jint;
using Jint.Native;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using JsEngine = Jint.Engine;

namespace PwWorkflows.Engine.Expressions;

/// <summary>
/// JavaScript by Jint: no CLR, limits on time, memory, statements and recursion. A script is parsed once per definition; it runs in an engine of its own,
/// so nothing a script leaves behind is seen by another run.
/// </summary>
internal sealed partial class JavaScriptHandler : IExpressionHandler, IJavaScriptRunner
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(5);
    private const long MemoryLimit = 32 * 1024 * 1024;
    private const int StatementLimit = 2_000_000;
    private const int DepthLimit = 100;

    public IReadOnlyList<string> Types { get; } = ["JavaScript"];

    private sealed record Script(Prepared<Acornima.Ast.Script> Code, string[] Names);

    public ValueTask<object?> EvaluateAsync(Expression expression, Type returnType, ExpressionExecutionContext context)
    {
        if (expression.Value is not string text || string.IsNullOrWhiteSpace(text)) return ValueTask.FromResult<object?>(null);
        var script = expression.Compiled as Script ?? (Script)(expression.Compiled = Prepare(text));
        return ValueTask.FromResult(Run(script, context, null));
    }

    /// <inheritdoc />
    public Task<object?> RunAsync(string script, ExpressionExecutionContext context, IReadOnlyDictionary<string, Delegate> functions, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        return Task.FromResult(Run(Prepare(script), context, functions));
    }

    public string? Validate(Expression expression, Type returnType)
    {
        if (expression.Value is not string text || string.IsNullOrWhiteSpace(text)) return null;
        try
        {
            Prepare(text);
            return null;
        }
        catch (ScriptPreparationException e)
        {
            return $"is not JavaScript: {e.InnerException?.Message ?? e.Message}";
        }
    }

    private static Script Prepare(string text)
    {
        var names = Identifier().Matches(text).Select(m => m.Value).Distinct(StringComparer.Ordinal).ToArray();
        // A script with a return at its top is the body of a function.
        if (ReturnWord().IsMatch(text))
            try
            {
                return new Script(JsEngine.PrepareScript(text), names);
            }
            catch (ScriptPreparationException)
            {
                return new Script(JsEngine.PrepareScript($"(function () {{\n{text}\n}})()"), names);
            }
        return new Script(JsEngine.PrepareScript(text), names);
    }

    private static object? Run(Script script, ExpressionExecutionContext context, IReadOnlyDictionary<string, Delegate>? functions)
    {
        var engine = new JsEngine(o =>
        {
            o.TimeoutInterval(TimeLimit).LimitMemory(MemoryLimit).MaxStatements(StatementLimit).LimitRecursion(256).CancellationToken(context.CancellationToken).DisableStringCompilation();
            // The recursion limit counts calls of functions only; conversions such as toString recurse past it and would end the process.
            o.Constraints.StackOverflowGuard = true;
        });
        Install(engine, script.Names, context);
        if (functions is not null)
            foreach (var (name, function) in functions)
                engine.SetValue(name, function);
        return ToPlain(engine.Evaluate(script.Code));
    }

    /// <summary>Gives the script only what it mentions: most scripts use one or two of some thirty functions.</summary>
    private static void Install(JsEngine engine, string[] names, ExpressionExecutionContext context)
    {
        var run = context.WorkflowContext;
        foreach (var name in names)
        {
            switch (name)
            {
                case "getVariable": engine.SetValue(name, (string n) => In(engine, context.FindVariable(n)?.Value)); break;
                case "setVariable": engine.SetValue(name, (string n, JsValue v) => { context.SetVariable(n, ToPlain(v)); }); break;
                case "variables": engine.SetValue(name, Variables(engine, context)); break;
                case "getInput": engine.SetValue(name, (string n) => In(engine, run is null ? null : context.GetInput(n))); break;
                case "getOutputFrom": engine.SetValue(name, (string activity, string output) => In(engine, Output(run, activity, output))); break;
                case "getLastResult": engine.SetValue(name, () => In(engine, run?.LastResult)); break;
                case "getWorkflowInstanceId": engine.SetValue(name, () => run?.Id); break;
                case "getWorkflowDefinitionId": engine.SetValue(name, () => run?.Workflow.DefinitionId); break;
                case "getWorkflowDefinitionVersionId": engine.SetValue(name, () => run?.Workflow.VersionId); break;
                case "getWorkflowDefinitionVersion": engine.SetValue(name, () => run?.Workflow.DefinitionVersion ?? 0); break;
                case "getCorrelationId": engine.SetValue(name, () => run?.CorrelationId); break;
                case "setCorrelationId": engine.SetValue(name, (string? v) => { run!.CorrelationId = v; }); break;
                case "getWorkflowInstanceName": engine.SetValue(name, () => run?.Name); break;
                case "setWorkflowInstanceName": engine.SetValue(name, (string? v) => { run!.Name = v; }); break;
                case "isNullOrEmpty": engine.SetValue(name, (string? s) => string.IsNullOrEmpty(s)); break;
                case "isNullOrWhiteSpace": engine.SetValue(name, (string? s) => string.IsNullOrWhiteSpace(s)); break;
                case "newGuid": engine.SetValue(name, () => Guid.NewGuid().ToString()); break;
                case "newGuidString": engine.SetValue(name, () => Guid.NewGuid().ToString()); break;
                case "newShortGuid": engine.SetValue(name, () => Convert.ToBase64String(Guid.NewGuid().ToByteArray()).TrimEnd('=').Replace('+', '-').Replace('/', '_')); break;
                case "parseGuid": engine.SetValue(name, (string s) => Guid.Parse(s).ToString()); break;
                case "toJson": engine.SetValue(name, (JsValue v) => JsonSerializer.Serialize(ToPlain(v), ObjectConverter.Json)); break;
                case "getQuery": engine.SetValue(name, () => In(engine, Query(context))); break;
                default:
                    if (name.StartsWith("get", StringComparison.Ordinal) && name.Length > 3 && char.IsUpper(name[3])) InstallGetter(engine, name, context);
                    else if (name.StartsWith("set", StringComparison.Ordinal) && name.Length > 3 && char.IsUpper(name[3]))
                    {
                        if (context.VariablesInScope().FirstOrDefault(v => Pascal(v.Variable.Name) == name[3..]).Variable is { } variable)
                            engine.SetValue(name, (JsValue v) => { context.SetVariable(variable.Name, ToPlain(v)); });
                    }
                    break;
            }
        }
    }

    private static void InstallGetter(JsEngine engine, string name, ExpressionExecutionContext context)
    {
        var rest = name[3..];
        foreach (var (variable, block) in context.VariablesInScope())
            if (Pascal(variable.Name) == rest)
            {
                engine.SetValue(name, () => In(engine, block.Value));
                return;
            }
        if (context.WorkflowContext is not { } run) return;
        if (run.Workflow.Inputs.FirstOrDefault(i => Pascal(i.Name) == rest) is { } input)
        {
            engine.SetValue(name, () => In(engine, context.GetInput(input.Name)));
            return;
        }
        var from = rest.LastIndexOf("From", StringComparison.Ordinal);
        if (from > 0) engine.SetValue(name, () => In(engine, Output(run, rest[(from + 4)..], rest[..from])));
    }

    private static object? Output(WorkflowExecutionContext? run, string activity, string output)
    {
        if (run?.Compiled.FindByIdOrName(activity) is not { } node) return null;
        return run.OutputRegister.GetValueOrDefault((node.Activity.Id, output));
    }

    private static IDictionary<string, object>? Query(ExpressionExecutionContext context) =>
        context.ServiceProvider.GetService<IHttpContextAccessor>()?.HttpContext?.Request.Query.ToDictionary(q => q.Key, q => (object)q.Value.ToString());

    private static JsValue Variables(JsEngine engine, ExpressionExecutionContext context)
    {
        var holder = new Jint.Native.JsObject(engine);
        foreach (var (variable, block) in context.VariablesInScope())
        {
            var name = variable.Name;
            holder.DefineOwnProperty(name, new Jint.Runtime.Descriptors.GetSetPropertyDescriptor(
                new Jint.Runtime.Interop.ClrFunction(engine, name, (_, _) => In(engine, block.Value)),
                new Jint.Runtime.Interop.ClrFunction(engine, name, (_, a) => { context.SetVariable(name, ToPlain(a.Length > 0 ? a[0] : JsValue.Undefined)); return JsValue.Undefined; }), true, true));
        }
        return holder;
    }

    private static string Pascal(string name) => name.Length == 0 ? name : char.ToUpperInvariant(name[0]) + name[1..].Replace(" ", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal);

    /// <summary>Plain data for the script: objects of the CLR never get in.</summary>
    private static JsValue In(JsEngine engine, object? value)
    {
        switch (value)
        {
            case null: return JsValue.Null;
            case JsValue js: return js;
            case string s: return new JsString(s);
            case bool b: return b ? JsBoolean.True : JsBoolean.False;
            case int or long or short or double or float or decimal: return new JsNumber(Convert.ToDouble(value, System.Globalization.CultureInfo.InvariantCulture));
            case Enum e: return new JsString(e.ToString());
            case IDictionary<string, object?> map:
                var o = new Jint.Native.JsObject(engine);
                foreach (var (k, v) in map) o.Set(k, In(engine, v));
                return o;
            case JsonElement or System.Text.Json.Nodes.JsonNode: return In(engine, PlainObjectConverter.ToPlain(value));
            case Guid or DateTime or DateTimeOffset or TimeSpan or Uri: return new JsString(ObjectConverter.ToText(value)!);
            case IEnumerable items and not IDictionary: return new JsArray(engine, [.. items.Cast<object?>().Select(i => In(engine, i))]);
            default: return In(engine, JsonSerializer.SerializeToElement(value, value.GetType(), ObjectConverter.Json));
        }
    }

    private static object? ToPlain(JsValue value) => ToPlain(value, 0);

    private static object? ToPlain(JsValue value, int depth)
    {
        if (depth > DepthLimit) throw new InvalidOperationException($"The script's value is nested more than {DepthLimit} deep, or contains itself.");
        if (value.IsNull() || value.IsUndefined()) return null;
        if (value.IsString()) return value.AsString();
        if (value.IsBoolean()) return value.AsBoolean();
        if (value.IsNumber())
        {
            var d = value.AsNumber();
            return d == Math.Floor(d) && Math.Abs(d) < 9e15 ? (object)(long)d : d;
        }
        if (value.IsDate()) return new DateTimeOffset(value.AsDate().ToDateTime(), TimeSpan.Zero);
        if (value.IsArray()) return value.AsArray().Select(v => ToPlain(v, depth + 1)).ToList();
        if (value is Jint.Native.Function.Function) throw new InvalidOperationException("A script can't give a function as its value.");
        if (value.IsObject())
        {
            IDictionary<string, object?> map = new ExpandoObject();
            foreach (var (key, descriptor) in value.AsObject().GetOwnProperties())
                if (descriptor.Enumerable && key.IsString())
                    map[key.AsString()] = ToPlain(value.AsObject().Get(key), depth + 1);
            return map;
        }
        return value.ToString();
    }

    [GeneratedRegex(@"[A-Za-z_$][\w$]*")]
    private static partial Regex Identifier();

    [GeneratedRegex(@"\breturn\b")]
    private static partial Regex ReturnWord();
}
