using System.Collections;
using System.Collections.Concurrent;
using System.Dynamic;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Workflows;
using Jint;
using Jint.Native;
using Jint.Native.Object;
using Jint.Runtime;
using Jint.Runtime.Descriptors;
using Jint.Runtime.Interop;
using JsEngine = Jint.Engine;

namespace PwWorkflows.Engine.Expressions;

/// <summary>
/// JavaScript by Jint: no CLR, limits on time, memory, statements and recursion. A script is parsed once per definition; it runs in an engine of its own,
/// so nothing a script leaves behind is seen by another run. Reading its value is part of the run: getters and proxies are under the same limits.
/// </summary>
internal sealed partial class JavaScriptHandler : IExpressionHandler, IJavaScriptRunner
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(5);
    private const long MemoryLimit = 32 * 1024 * 1024;
    private const int StatementLimit = 2_000_000;
    private const int ArrayLimit = 1_000_000;
    private const int MostKeptScripts = 500;

    /// <summary>What can allocate without bounds in one call, and what workflows have no use for.</summary>
    private static readonly JsValue[] Withheld = [.. new[]
    {
        "ArrayBuffer", "SharedArrayBuffer", "DataView", "Atomics", "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array",
        "Float16Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array", "WeakRef", "FinalizationRegistry", "ShadowRealm",
    }.Select(n => (JsValue)new JsString(n))];

    /// <summary>Ways to something withheld: its name, or a way to reach properties by names put together at run time.</summary>
    private static readonly HashSet<string> WaysToWithheld = [.. Withheld.Select(n => n.AsString()), "repeat", "globalThis", "this", "Object", "Reflect", "constructor"];

    private static readonly ConcurrentDictionary<string, Script> Kept = new(StringComparer.Ordinal);

    public IReadOnlyList<string> Types { get; } = ["JavaScript"];

    private sealed record Script(Prepared<Acornima.Ast.Script> Code, string[] Names, bool MayReachWithheld);

    public ValueTask<object?> EvaluateAsync(Expression expression, Type returnType, ExpressionExecutionContext context)
    {
        if (expression.Value is not string text || string.IsNullOrWhiteSpace(text)) return ValueTask.FromResult<object?>(null);
        var script = expression.Compiled as Script ?? (Script)(expression.Compiled = Prepare(text));
        return ValueTask.FromResult(Run(script, context, null, context.CancellationToken));
    }

    /// <inheritdoc />
    public Task<object?> RunAsync(string script, ExpressionExecutionContext context, IReadOnlyDictionary<string, Delegate> functions, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        if (!Kept.TryGetValue(script, out var prepared))
        {
            // Scripts are mostly fixed texts of definitions; made-up ones must not pile up.
            if (Kept.Count >= MostKeptScripts) Kept.Clear();
            Kept[script] = prepared = Prepare(script);
        }
        return Task.FromResult(Run(prepared, context, functions, ct));
    }

    public string? Validate(Expression expression, Type returnType)
    {
        if (expression.Value is not string text || string.IsNullOrWhiteSpace(text)) return null;
        try
        {
            Prepare(text);
            return null;
        }
        catch (JavaScriptException e)
        {
            return e.Message;
        }
    }

    private static Script Prepare(string text)
    {
        SystemTimeZones.LeaveUnsorted();
        var names = Identifier().Matches(text).Select(m => m.Value).Distinct(StringComparer.Ordinal).ToArray();
        try
        {
            // A return at the top ends the script with that value, otherwise the last expression is the value.
            return new Script(JsEngine.PrepareScript(text), names, text.AsSpan().IndexOfAny('[', '\\') >= 0 || names.Any(WaysToWithheld.Contains));
        }
        catch (ScriptPreparationException e)
        {
            throw new JavaScriptException($"is not JavaScript: {e.InnerException?.Message ?? e.Message}", e);
        }
    }

    private static object? Run(Script script, ExpressionExecutionContext context, IReadOnlyDictionary<string, Delegate>? functions, CancellationToken ct)
    {
        var engine = new JsEngine(o =>
        {
            o.TimeoutInterval(TimeLimit).LimitMemory(MemoryLimit).MaxStatements(StatementLimit).LimitRecursion(256).RegexTimeoutInterval(TimeLimit).CancellationToken(ct).DisableStringCompilation();
            o.Constraints.MaxArraySize = ArrayLimit;
            // The recursion limit counts calls of functions only; conversions such as toString recurse past it and would end the process.
            o.Constraints.StackOverflowGuard = true;
        });
        try
        {
            if (script.MayReachWithheld) Withhold(engine);
            var scope = new ScriptScope(engine, context);
            scope.Install(script.Names);
            if (functions is not null)
                foreach (var (name, function) in functions)
                    engine.SetValue(name, function);
            var value = engine.Evaluate(script.Code);
            if (value is not ObjectInstance && !scope.HasObjects) return new ValueReader(engine).Read(value);
            object? result = null;
            engine.Invoke(new ClrFunction(engine, "read", (_, a) =>
            {
                result = new ValueReader(engine).Read(a[0]);
                scope.KeepChanges();
                return JsValue.Undefined;
            }), value);
            return result;
        }
        catch (ExecutionCanceledException e)
        {
            throw new OperationCanceledException("The script was stopped.", e, ct);
        }
        catch (Jint.Runtime.JavaScriptException e)
        {
            // Other objects are not asked for their text: that would run the script's code again.
            var thrown = e.Error is ObjectInstance and not JsError ? "An object that is not an Error was thrown" : e.Message;
            throw new JavaScriptException($"{thrown}{(e.Location.Start.Line > 0 ? $" (line {e.Location.Start.Line})" : "")}", e);
        }
        catch (InvalidOperationException e)
        {
            throw new JavaScriptException(e.Message, e);
        }
        catch (Exception e) when (LimitOf(e) is { } limit)
        {
            throw new JavaScriptException($"The script was stopped: {limit}.", e);
        }
    }

    private static string? LimitOf(Exception e) => e switch
    {
        RegexMatchTimeoutException => $"a regular expression took longer than {TimeLimit.TotalSeconds:0} seconds",
        TimeoutException => $"it ran longer than {TimeLimit.TotalSeconds:0} seconds",
        MemoryLimitExceededException => $"it needs more than {MemoryLimit / 1024 / 1024} MB of memory",
        StatementsCountOverflowException => $"it ran more than {StatementLimit.ToString("N0", CultureInfo.InvariantCulture)} statements",
        RecursionDepthOverflowException => "its calls are nested too deep",
        _ => null,
    };

    private static void Withhold(JsEngine engine)
    {
        foreach (var name in Withheld) engine.Global.Delete(name);
        var text = engine.Global.Get("String").AsObject().Get("prototype").AsObject();
        var repeat = text.Get("repeat");
        text.FastSetProperty("repeat", new PropertyDescriptor(new ClrFunction(engine, "repeat", (self, a) =>
        {
            if (TypeConverter.ToString(self).Length * TypeConverter.ToNumber(a.At(0)) > ValueReader.MostCharacters)
                throw new JavaScriptException($"The script was stopped: it repeats a text to more than {ValueReader.MostCharacters} characters.");
            return engine.Call(repeat, self, a);
        }, 1), true, false, true));
    }

    [GeneratedRegex(@"[A-Za-z_$][\w$]*")]
    private static partial Regex Identifier();

    /// <summary>Reads a script's value as plain data, within limits of number, length and depth.</summary>
    private sealed class ValueReader(JsEngine engine)
    {
        public const int MostCharacters = 4 * 1024 * 1024;
        private const int MostValues = 100_000;
        private const int Deepest = 100;
        private int _values;
        private long _characters;

        public object? Read(JsValue value) => Read(value, 0);

        private object? Read(JsValue value, int depth)
        {
            if (depth > Deepest) throw new JavaScriptException($"The script's value is nested more than {Deepest} deep, or contains itself.");
            if (++_values > MostValues) throw TooMany();
            if ((_values & 0xFF) == 0) engine.Constraints.Check();
            switch (value)
            {
                case JsNull or JsUndefined: return null;
                case JsString text: return Text(text);
                case JsBoolean flag: return flag == JsBoolean.True;
                case JsNumber number:
                    var d = number.AsNumber();
                    return d == Math.Floor(d) && Math.Abs(d) < 9e15 ? (object)(long)d : d;
                case JsDate date: return new DateTimeOffset(date.ToDateTime(), TimeSpan.Zero);
                case ObjectInstance promise when promise.IsPromise(): return Read(Settled(promise), depth + 1);
                case Jint.Native.Function.Function: throw Refused("a function");
                case JsMap or JsSet: throw Refused("a Map or Set; make it an object or an array");
                case JsSymbol: throw Refused("a symbol");
                case JsBigInt: throw Refused("a BigInt; make it a number or a text");
                case ObjectInstance array when array.IsArray():
                    var length = TypeConverter.ToNumber(array.Get("length"));
                    if (length > MostValues) throw TooMany();
                    var list = new List<object?>((int)length);
                    for (uint i = 0; i < length; i++) list.Add(Read(array.Get(i), depth + 1));
                    return list;
                case ObjectInstance map:
                    IDictionary<string, object?> read = new ExpandoObject();
                    foreach (var key in map.GetOwnPropertyKeys(Jint.Runtime.Types.String))
                        if (key is JsString name && map.GetOwnProperty(key).Enumerable)
                            read[Text(name)] = Read(map.Get(key), depth + 1);
                    return read;
                default: throw Refused($"a {value.Type}");
            }
        }

        private string Text(JsString text)
        {
            if ((_characters += text.Length) > MostCharacters) throw new JavaScriptException($"The script's value has more than {MostCharacters} characters.");
            return text.ToString();
        }

        private static JsValue Settled(ObjectInstance promise)
        {
            try
            {
                return promise.UnwrapIfPromise(TimeSpan.FromMilliseconds(1));
            }
            catch (PromiseRejectedException e)
            {
                throw new JavaScriptException($"The script's promise did not give a value: {e.RejectedValue}. Nothing in a script can wait.", e);
            }
        }

        private static JavaScriptException TooMany() => new($"The script's value has more than {MostValues} parts.");

        private static JavaScriptException Refused(string what) => new($"A script can't give {what} as its value.");
    }

    /// <summary>The functions and variables that a script sees.</summary>
    private sealed class ScriptScope(JsEngine engine, ExpressionExecutionContext context)
    {
        private readonly WorkflowExecutionContext? _run = context.WorkflowContext;
        private readonly List<(string Name, MemoryBlock Block, object Value, ObjectInstance Seen, string Before)> _objects = [];

        /// <summary>The script holds lists or objects of variables.</summary>
        public bool HasObjects => _objects.Count > 0;

        /// <summary>Gives the script only what it mentions: most scripts use one or two of some forty functions.</summary>
        public void Install(string[] names)
        {
            foreach (var name in names)
            {
                switch (name)
                {
                    case "variables": engine.SetValue(name, Variables()); break;
                    case "getVariable": Define(name, a => Value(Text(a, 0), context.FindVariable(Text(a, 0)))); break;
                    case "setVariable": Define(name, a => Set(Text(a, 0), a.At(1))); break;
                    case "getInput": Define(name, a => In(_run is null ? null : context.GetInput(Text(a, 0)))); break;
                    case "getOutputFrom": Define(name, a => In(Output(Text(a, 0), a.At(1).IsUndefined() ? "Result" : Text(a, 1)))); break;
                    case "getLastResult": Define(name, _ => In(_run?.LastResult)); break;
                    case "getWorkflowInstanceId": Define(name, _ => In(_run?.Id)); break;
                    case "getWorkflowDefinitionId": Define(name, _ => In(_run?.Workflow.DefinitionId)); break;
                    case "getWorkflowDefinitionVersionId": Define(name, _ => In(_run?.Workflow.VersionId)); break;
                    case "getWorkflowDefinitionVersion": Define(name, _ => In(_run?.Workflow.DefinitionVersion ?? 0)); break;
                    case "getCorrelationId": Define(name, _ => In(_run?.CorrelationId)); break;
                    case "setCorrelationId": Define(name, a => Done(() => Run(name).CorrelationId = TextOrNull(a, 0))); break;
                    case "getWorkflowInstanceName": Define(name, _ => In(_run?.Name)); break;
                    case "setWorkflowInstanceName": Define(name, a => Done(() => Run(name).Name = TextOrNull(a, 0))); break;
                    case "isNullOrEmpty": Define(name, a => In(string.IsNullOrEmpty(TextOrNull(a, 0)))); break;
                    case "isNullOrWhiteSpace": Define(name, a => In(string.IsNullOrWhiteSpace(TextOrNull(a, 0)))); break;
                    case "newGuid" or "newGuidString" or "getGuid" or "getGuidString": Define(name, _ => In(Guid.NewGuid())); break;
                    case "newShortGuid" or "getShortGuid": Define(name, _ => In(Convert.ToBase64String(Guid.NewGuid().ToByteArray()).TrimEnd('=').Replace('+', '-').Replace('/', '_'))); break;
                    case "parseGuid": Define(name, a => In(Guid.TryParse(Text(a, 0), out var id) ? id : throw new JavaScriptException($"{name}: '{Text(a, 0)}' is not a GUID."))); break;
                    case "toJson": Define(name, a => In(JsonSerializer.Serialize(Read(a.At(0)), ObjectConverter.Json))); break;
                    // Bytes are arrays of numbers from 0 to 255.
                    case "bytesToString": Define(name, a => In(Encoding.UTF8.GetString(Bytes(name, a)))); break;
                    case "bytesFromString": Define(name, a => In(Encoding.UTF8.GetBytes(Text(a, 0)))); break;
                    case "bytesToBase64": Define(name, a => In(Convert.ToBase64String(Bytes(name, a)))); break;
                    case "bytesFromBase64": Define(name, a => In(FromBase64(name, a))); break;
                    case "stringToBase64": Define(name, a => In(Convert.ToBase64String(Encoding.UTF8.GetBytes(Text(a, 0))))); break;
                    case "stringFromBase64": Define(name, a => In(Encoding.UTF8.GetString(FromBase64(name, a)))); break;
                    case "currentValue" or "currentIndex" when context.FindVariable(Pascal(name)) is { } loop: engine.SetValue(name, Value(Pascal(name), loop)); break;
                    default:
                        if (name.Length <= 3 || !char.IsUpper(name[3])) break;
                        if (name.StartsWith("get", StringComparison.Ordinal)) InstallGetter(name);
                        else if (name.StartsWith("set", StringComparison.Ordinal) && InScope(name[3..]) is { } variable) Define(name, a => Set(variable.Name, a.At(0)));
                        break;
                }
            }
        }

        private void InstallGetter(string name)
        {
            var rest = name[3..];
            if (InScope(rest) is { } variable) Define(name, _ => Value(variable.Name, context.FindVariable(variable.Name)));
            else if (_run is not null && context.DeclaredInputs().FirstOrDefault(i => Pascal(i.Name) == rest) is { } input) Define(name, _ => In(context.GetInput(input.Name)));
            else if (_run is not null)
                // Both names may contain From: the first cut that names an activity counts.
                for (var cut = rest.IndexOf("From", StringComparison.Ordinal); cut >= 0; cut = rest.IndexOf("From", cut + 1, StringComparison.Ordinal))
                {
                    var (output, activity) = (rest[..cut], rest[(cut + 4)..]);
                    if (cut == 0 || _run.Compiled.Nodes.FirstOrDefault(n => Pascal(n.Activity.Name ?? "") == activity || Pascal(n.Activity.Id) == activity) is not { } node) continue;
                    Define(name, _ => In(Output(node.Activity.Id, output)));
                    return;
                }
        }

        private Elsa.Workflows.Memory.Variable? InScope(string pascal) => context.VariablesInScope().FirstOrDefault(v => Pascal(v.Variable.Name) == pascal).Variable;

        private object? Output(string activity, string output)
        {
            if (_run is null) return null;
            var node = _run.Compiled.FindByIdOrName(activity) ?? throw new JavaScriptException($"getOutputFrom: there is no activity '{activity}'.");
            return _run.FindOutput(node.Activity.Id, output);
        }

        private JsObject Variables()
        {
            var holder = new JsObject(engine);
            foreach (var (variable, block) in context.VariablesInScope())
            {
                var name = variable.Name;
                holder.DefineOwnProperty(name, new GetSetPropertyDescriptor(
                    new ClrFunction(engine, name, (_, _) => Value(name, block)), new ClrFunction(engine, name, (_, a) => Set(name, a.At(0))), true, true));
            }
            return holder;
        }

        /// <summary>The value of a variable. A list or object is handed out once, so that what the script changes in it can be kept.</summary>
        private JsValue Value(string name, MemoryBlock? block)
        {
            if (block?.Value is not { } value) return JsValue.Null;
            foreach (var known in _objects)
                if (ReferenceEquals(known.Block, block) && ReferenceEquals(known.Value, value))
                    return known.Seen;
            var seen = In(value);
            if (seen is ObjectInstance o) _objects.Add((name, block, value, o, Json(o)));
            return seen;
        }

        /// <summary>Writes back lists and objects of variables that the script changed in place.</summary>
        public void KeepChanges()
        {
            foreach (var (name, block, value, seen, before) in _objects)
                if (ReferenceEquals(block.Value, value) && Json(seen) != before)
                    context.SetVariable(name, Read(seen));
        }

        private JsValue Set(string name, JsValue value) => Done(() => context.SetVariable(name, Read(value)));

        private WorkflowExecutionContext Run(string function) => _run ?? throw new JavaScriptException($"{function}: there is no workflow here.");

        private object? Read(JsValue value) => new ValueReader(engine).Read(value);

        private string Json(ObjectInstance value) => JsonSerializer.Serialize(Read(value), ObjectConverter.Json);

        private byte[] Bytes(string function, JsValue[] a)
        {
            try
            {
                return Read(a.At(0)).ConvertTo<byte[]>() ?? [];
            }
            catch (TypeConversionException e)
            {
                throw new JavaScriptException($"{function}: expected an array of numbers from 0 to 255.", e);
            }
        }

        private static byte[] FromBase64(string function, JsValue[] a)
        {
            try
            {
                return Convert.FromBase64String(Text(a, 0));
            }
            catch (FormatException e)
            {
                throw new JavaScriptException($"{function}: expected base64 text.", e);
            }
        }

        private void Define(string name, Func<JsValue[], JsValue> function) => engine.SetValue(name, new ClrFunction(engine, name, (_, a) => function(a)));

        private static JsValue Done(Action action)
        {
            action();
            return JsValue.Undefined;
        }

        private static string Text(JsValue[] a, int index) => TypeConverter.ToString(a.At(index));

        private static string? TextOrNull(JsValue[] a, int index) => a.At(index) is JsNull or JsUndefined ? null : Text(a, index);

        /// <summary>Plain data for the script: objects of the CLR never get in.</summary>
        private JsValue In(object? value)
        {
            switch (value)
            {
                case null: return JsValue.Null;
                case string s: return new JsString(s);
                case bool b: return b ? JsBoolean.True : JsBoolean.False;
                case int or long or short or byte or double or float or decimal: return new JsNumber(Convert.ToDouble(value, CultureInfo.InvariantCulture));
                case Enum e: return new JsString(e.ToString());
                case IDictionary<string, object?> map:
                    var o = new JsObject(engine);
                    // Defined, not set: a key such as __proto__ is data like any other.
                    foreach (var (k, v) in map) o.FastSetDataProperty(k, In(v));
                    return o;
                case JsonElement or System.Text.Json.Nodes.JsonNode: return In(PlainObjectConverter.ToPlain(value));
                case Guid or DateTime or DateTimeOffset or TimeSpan or Uri: return new JsString(ObjectConverter.ToText(value)!);
                case IEnumerable items and not IDictionary: return new JsArray(engine, [.. items.Cast<object?>().Select(In)]);
                default: return In(JsonSerializer.SerializeToElement(value, value.GetType(), ObjectConverter.Json));
            }
        }
    }

    private static string Pascal(string name) => name.Length == 0 ? name : char.ToUpperInvariant(name[0]) + name[1..].Replace(" ", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal);
}
