using System.Runtime.CompilerServices;
using Elsa.Expressions.Helpers;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;
using Elsa.Workflows.UIHints;
using PwWorkflows.Engine.Expressions;

namespace Elsa.Expressions.JavaScript.Activities;

/// <summary>Runs a script. It may choose outcomes with <c>setOutcome(name)</c> or <c>setOutcomes([...])</c>.</summary>
[Activity("Elsa", "Scripting", "Executes JavaScript code", DisplayName = "Run JavaScript")]
public sealed class RunJavaScript : Activity<object?>
{
    /// <summary>To be filled in.</summary>
    public RunJavaScript() { }
    /// <summary>A script.</summary>
    public RunJavaScript(string script, [CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) => Script = new(script);

    /// <summary>The script; what it returns, or its last expression, is the result.</summary>
    [Input(Description = "The script to run.", DefaultSyntax = "JavaScript", UIHint = InputUIHints.CodeEditor, Options = "javascript")]
    public Input<string> Script { get; set; } = new("");
    /// <summary>Outcomes that the script may choose; shown as ports.</summary>
    [Input(Description = "A list of possible outcomes.", UIHint = InputUIHints.DynamicOutcomes)]
    public Input<ICollection<string>> PossibleOutcomes { get; set; } = null!;

    /// <inheritdoc />
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var script = context.Get(Script);
        var outcomes = new List<string>();
        if (!string.IsNullOrWhiteSpace(script))
        {
            var functions = new Dictionary<string, Delegate>
            {
                ["setOutcome"] = (Action<string>)outcomes.Add,
                ["setOutcomes"] = (Action<object?>)(names =>
                {
                    outcomes.Clear();
                    outcomes.AddRange(names.ConvertTo<List<string>>() ?? []);
                }),
            };
            context.SetResult(await context.GetRequiredService<IJavaScriptRunner>().RunAsync(script, context.ExpressionExecutionContext, functions, context.CancellationToken));
        }
        await context.CompleteActivityWithOutcomesAsync(outcomes.Count == 0 ? ["Done"] : [.. outcomes]);
    }
}
