using Elsa.Expressions.Models;
using Elsa.Extensions;
using Fluid;

namespace PwWorkflows.Engine.Expressions;

/// <summary>Liquid templates by Fluid, parsed once per definition; no files, no includes, limits on steps and recursion. Templates see <c>Variables</c>, <c>Input</c>, <c>CorrelationId</c>, <c>WorkflowInstanceId</c>.</summary>
internal sealed class LiquidHandler : IExpressionHandler
{
    private const int StepLimit = 100_000;
    private static readonly FluidParser Parser = new();
    private static readonly TemplateOptions Options = new() { MaxSteps = StepLimit, MaxRecursion = 64 };

    public IReadOnlyList<string> Types { get; } = ["Liquid"];

    public async ValueTask<object?> EvaluateAsync(Expression expression, Type returnType, ExpressionExecutionContext context)
    {
        if (expression.Value is not string text || text.Length == 0) return "";
        if (expression.Compiled is not IFluidTemplate template)
        {
            if (!Parser.TryParse(text, out template, out var error)) throw new InvalidOperationException($"The Liquid template is malformed: {error}");
            expression.Compiled = template;
        }
        var scope = new TemplateContext(Options);
        scope.SetValue("Variables", context.VariablesInScope().ToDictionary(v => v.Variable.Name, v => v.Block.Value));
        if (context.WorkflowContext is { } run)
        {
            scope.SetValue("Input", context.InputValues());
            scope.SetValue("CorrelationId", run.CorrelationId);
            scope.SetValue("WorkflowInstanceId", run.Id);
            scope.SetValue("WorkflowDefinitionId", run.Workflow.DefinitionId);
        }
        return await template.RenderAsync(scope);
    }

    public string? Validate(Expression expression, Type returnType) =>
        expression.Value is string { Length: > 0 } text && !Parser.TryParse(text, out _, out var error) ? $"is not a Liquid template: {error}" : null;
}
