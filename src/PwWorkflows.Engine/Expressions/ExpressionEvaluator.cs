using System.Collections.Frozen;
using System.Text.Json;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Extensions;
using Elsa.Workflows.Memory;

namespace PwWorkflows.Engine.Expressions;

/// <summary>Evaluates the expressions of one language.</summary>
public interface IExpressionHandler
{
    /// <summary>Names of the language in definitions; the first is the one written.</summary>
    IReadOnlyList<string> Types { get; }

    /// <summary>Value of the expression. The evaluator converts it to the wanted type.</summary>
    ValueTask<object?> EvaluateAsync(Expression expression, Type returnType, ExpressionExecutionContext context);

    /// <summary>What is wrong with the text of an expression, or null. Called when a definition is published.</summary>
    string? Validate(Expression expression, Type returnType);
}

/// <summary>Finds the handler of an expression's language and converts the value to the type that is wanted.</summary>
public sealed class ExpressionEvaluator(IEnumerable<IExpressionHandler> handlers)
{
    private readonly FrozenDictionary<string, IExpressionHandler> _handlers = handlers.SelectMany(h => h.Types.Select(t => (t, h))).ToFrozenDictionary(x => x.t, x => x.h, StringComparer.OrdinalIgnoreCase);

    /// <summary>Languages that can be used.</summary>
    public IEnumerable<string> Types => _handlers.Keys;

    /// <summary>The handler of a language, or null.</summary>
    public IExpressionHandler? Find(string type) => _handlers.GetValueOrDefault(type);

    /// <summary>Value of the expression as <paramref name="returnType"/>. Throws what the expression throws, or <see cref="TypeConversionException"/>.</summary>
    public ValueTask<object?> EvaluateAsync(Expression expression, Type returnType, ExpressionExecutionContext context)
    {
        if (expression.Compiled is ConstantValue constant && constant.Type == returnType) return ValueTask.FromResult(constant.Value);
        var handler = _handlers.GetValueOrDefault(expression.Type) ?? throw new InvalidOperationException($"There is no expression language '{expression.Type}'; known are {string.Join(", ", _handlers.Keys.Order())}.");
        var task = handler.EvaluateAsync(expression, returnType, context);
        if (!task.IsCompletedSuccessfully) return Convert(task, returnType);
        var value = task.Result;
        return ValueTask.FromResult(value is null && !returnType.IsValueType || value?.GetType() == returnType ? value : value.ConvertTo(returnType));
    }

    private static async ValueTask<object?> Convert(ValueTask<object?> task, Type returnType) => (await task).ConvertTo(returnType);
}

/// <summary>A literal converted once for all runs.</summary>
internal sealed record ConstantValue(Type Type, object? Value);

/// <summary>Fixed values. Text is converted to the input's type; JSON text to objects and collections.</summary>
internal sealed class LiteralHandler : IExpressionHandler
{
    public IReadOnlyList<string> Types { get; } = ["Literal"];

    public ValueTask<object?> EvaluateAsync(Expression expression, Type returnType, ExpressionExecutionContext context)
    {
        var value = expression.Value.ConvertTo(returnType);
        // Only values that no run can change may be shared between runs.
        if (value is null or string or bool or int or long or double or decimal or Enum or TimeSpan or DateTimeOffset or Uri) expression.Compiled = new ConstantValue(returnType, value);
        return ValueTask.FromResult(value);
    }

    public string? Validate(Expression expression, Type returnType)
    {
        if (expression.Value is null or "") return null;
        try
        {
            expression.Value.ConvertTo(returnType);
            return null;
        }
        catch (TypeConversionException e)
        {
            return e.Message;
        }
    }
}

/// <summary>JSON text that becomes an object of the input's type.</summary>
internal sealed class ObjectHandler : IExpressionHandler
{
    public IReadOnlyList<string> Types { get; } = ["Object", "Json"];

    public ValueTask<object?> EvaluateAsync(Expression expression, Type returnType, ExpressionExecutionContext context)
    {
        if (expression.Value is not string text) return ValueTask.FromResult(expression.Value);
        if (string.IsNullOrWhiteSpace(text)) return ValueTask.FromResult<object?>(null);
        return ValueTask.FromResult(returnType == typeof(string) ? text : (object?)JsonSerializer.Deserialize<JsonElement>(text));
    }

    public string? Validate(Expression expression, Type returnType)
    {
        if (expression.Value is not string text || string.IsNullOrWhiteSpace(text)) return null;
        try
        {
            using var _ = JsonDocument.Parse(text);
            return null;
        }
        catch (JsonException e)
        {
            return $"is not JSON: {e.Message}";
        }
    }
}

/// <summary>The current value of a variable.</summary>
internal sealed class VariableHandler : IExpressionHandler
{
    public IReadOnlyList<string> Types { get; } = ["Variable"];

    public ValueTask<object?> EvaluateAsync(Expression expression, Type returnType, ExpressionExecutionContext context)
    {
        if (expression.Value is Variable variable) return ValueTask.FromResult(context.Get(variable));
        var (id, name) = ReferencedNames.Of(expression, "Variable");
        if (id is not null && context.FindBlock(id) is { } byId) return ValueTask.FromResult(byId.Value);
        if (name is not null && context.FindVariable(name) is { } byName) return ValueTask.FromResult(byName.Value);
        throw new InvalidOperationException($"There is no variable '{name ?? id}'.");
    }

    public string? Validate(Expression expression, Type returnType) => expression.Value is Variable ? null : ReferencedNames.Of(expression, "Variable") is (null, null) ? "names no variable" : null;
}

/// <summary>An input of the workflow.</summary>
internal sealed class InputHandler : IExpressionHandler
{
    public IReadOnlyList<string> Types { get; } = ["Input"];

    public ValueTask<object?> EvaluateAsync(Expression expression, Type returnType, ExpressionExecutionContext context)
    {
        var (_, name) = ReferencedNames.Of(expression, "Input");
        return ValueTask.FromResult(name is null ? null : context.GetInput(name));
    }

    public string? Validate(Expression expression, Type returnType) => ReferencedNames.Of(expression, "Input").Name is null ? "names no input" : null;
}

/// <summary>A function, for workflows written in code.</summary>
internal sealed class DelegateHandler : IExpressionHandler
{
    public IReadOnlyList<string> Types { get; } = ["Delegate"];

    public ValueTask<object?> EvaluateAsync(Expression expression, Type returnType, ExpressionExecutionContext context) => ((Func<ExpressionExecutionContext, ValueTask<object?>>)expression.Value!)(context);

    public string? Validate(Expression expression, Type returnType) => null;
}

/// <summary>Id and name in the JSON of a variable or input definition, parsed once.</summary>
internal sealed record ReferencedNames(string? Id, string? Name)
{
    public static ReferencedNames Of(Expression expression, string what)
    {
        if (expression.Compiled is ReferencedNames known) return known;
        var names = Parse(expression.Value, what);
        expression.Compiled = names;
        return names;
    }

    private static ReferencedNames Parse(object? value, string what)
    {
        switch (value)
        {
            case string text when text.TrimStart().StartsWith('{'):
                using (var doc = JsonDocument.Parse(text)) return FromElement(doc.RootElement);
            case string text: return new ReferencedNames(text, text);
            case JsonElement e: return FromElement(e);
            case IDictionary<string, object?> map: return new ReferencedNames(map.TryGetValue("id", out var i) ? i as string : null, map.TryGetValue("name", out var n) ? n as string : null);
            case null: return new ReferencedNames(null, null);
            default: throw new InvalidOperationException($"{what} expression holds a {value.GetType().Name}; expected the JSON of a {what.ToLowerInvariant()}.");
        }
    }

    private static ReferencedNames FromElement(JsonElement e) => e.ValueKind == JsonValueKind.String ? new(e.GetString(), e.GetString()) : e.ValueKind != JsonValueKind.Object ? new(null, null) :
        new(Text(e, "id"), Text(e, "name"));

    private static string? Text(JsonElement e, string name)
    {
        foreach (var p in e.EnumerateObject())
            if (string.Equals(p.Name, name, StringComparison.OrdinalIgnoreCase) && p.Value.ValueKind == JsonValueKind.String)
                return p.Value.GetString();
        return null;
    }


}
