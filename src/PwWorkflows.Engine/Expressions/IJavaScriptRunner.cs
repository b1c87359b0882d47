using Elsa.Expressions.Models;

namespace PwWorkflows.Engine.Expressions;

/// <summary>Runs a whole script, with functions of the caller's beside those that every script has.</summary>
public interface IJavaScriptRunner
{
    /// <summary>Runs a script and gives the value of its <c>return</c> or of its last expression as plain data.</summary>
    /// <param name="script">Text of the script.</param>
    /// <param name="context">Scope of variables, inputs and outputs.</param>
    /// <param name="functions">Functions that the script can call, by name. Arguments arrive as plain data (text, numbers, booleans, lists, expando objects); a <c>params object?[]</c> parameter takes all that are left.</param>
    /// <param name="ct">Stops the script.</param>
    /// <exception cref="JavaScriptException">The script is malformed, threw, or went over a limit of time, memory, statements or recursion.</exception>
    Task<object?> RunAsync(string script, ExpressionExecutionContext context, IReadOnlyDictionary<string, Delegate> functions, CancellationToken ct);
}

/// <summary>A script is malformed, threw, or went over a limit; the message names the line when it is known.</summary>
public sealed class JavaScriptException(string message, Exception? inner = null) : Exception(message, inner);
