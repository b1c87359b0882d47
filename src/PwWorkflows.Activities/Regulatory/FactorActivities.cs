using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Jobs;

namespace PwWorkflows.Activities.Regulatory;

/// <summary>Puts the factors of the past on record.</summary>
[Activity("Pw", "Regulatory", "Puts the contribution factors published before on record, as history.", DisplayName = "Seed Contribution Factors")]
[FlowNode("Done")]
public sealed class SeedContributionFactors : JobStep
{
    /// <summary>Creates the activity.</summary>
    public SeedContributionFactors([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Whether this run is dry.</summary>
    [Output(DisplayName = "Is dry", Description = "Whether this run changes nothing, because it was asked to or because of USF_MONITOR_DRY_RUN. The steps after this one need it.")]
    public Output<bool> IsDry { get; set; } = default!;

    /// <inheritdoc />
    protected override async Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        dryRun |= context.GetRequiredService<IOptions<RegulatoryOptions>>().Value.MonitorDryRun;
        context.Set(IsDry, dryRun);
        var missing = await context.GetRequiredService<ContributionFactors>().SeedAsync(dryRun, context.CancellationToken);
        return new StepResult("Done", $"{Count(missing, "quarter")} {(dryRun ? "would be put" : "put")} on record from the list of the past.");
    }
}

/// <summary>Reads USAC's page of contribution factors.</summary>
[Activity("Pw", "Regulatory", "Reads USAC's page of contribution factors and compares it with the record. A page that says something new, or is not as expected, is kept.", DisplayName = "Read Contribution Factors")]
[FlowNode("Changed", "Unchanged", "ShapeChanged")]
public sealed class ReadContributionFactors : JobStep
{
    /// <summary>Creates the activity.</summary>
    public ReadContributionFactors([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Key of the kept page.</summary>
    [Output(Description = "Key of the kept page; empty when none was kept.")]
    public Output<string> Page { get; set; } = default!;

    /// <inheritdoc />
    protected override async Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        dryRun |= context.GetRequiredService<IOptions<RegulatoryOptions>>().Value.MonitorDryRun;
        var (factors, ct) = (context.GetRequiredService<ContributionFactors>(), context.CancellationToken);
        var page = await factors.FetchAsync(ct);
        context.Set(Page, "");
        try
        {
            var differences = await factors.CompareAsync(page.Text, ct);
            if (!differences.Any) return new StepResult("Unchanged", "The page says nothing new.");
            if (!dryRun) context.Set(Page, await factors.KeepAsync(page, differences.Words, ct));
            return new StepResult("Changed", "The page says: " + differences.Words + ".");
        }
        catch (PageShapeException e)
        {
            var key = dryRun ? "" : await factors.KeepAsync(page, "not as expected: " + e.Message, ct);
            context.Set(Page, key);
            return new StepResult("ShapeChanged", $"The page {page.Url} is not as expected: {e.Message}. Nothing was read from it.{(key.Length > 0 ? " Page kept: " + key : "")}");
        }
    }
}

/// <summary>Puts on record what a kept page says.</summary>
[Activity("Pw", "Regulatory", "Puts on record what a kept page of contribution factors says. A quarter that has begun is never overwritten.", DisplayName = "Save Contribution Factors", Kind = ActivityKind.Task)]
[FlowNode("Done")]
public sealed class SaveContributionFactors : JobStep
{
    /// <summary>Creates the activity.</summary>
    public SaveContributionFactors([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Key of the kept page.</summary>
    [Input(Description = "Key of the kept page.")]
    public Input<string?> Page { get; set; } = default!;

    /// <inheritdoc />
    protected override async Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        var page = Page.GetOrDefault(context) ?? "";
        if (dryRun || page.Length == 0) return new StepResult("Done", "Nothing is changed in a dry run; the step before tells what is new.");
        return new StepResult("Done", "On record now: " + (await context.GetRequiredService<ContributionFactors>().SaveAsync(page, context.CancellationToken)).Words + ".");
    }
}

/// <summary>Asks whether the coming quarter's factor is known.</summary>
[Activity("Pw", "Regulatory", "Asks whether the coming quarter's contribution factor is on record; from the 20th of the month before the quarter it is overdue.", DisplayName = "Check Coming Factor")]
[FlowNode("Known", "NotYet", "Overdue")]
[ChangesNothing]
public sealed class CheckComingFactor : JobStep
{
    /// <summary>Creates the activity.</summary>
    public CheckComingFactor([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The coming quarter.</summary>
    [Output(Description = "The coming quarter, such as 2027Q1.")]
    public Output<string> Quarter { get; set; } = default!;

    /// <inheritdoc />
    protected override async Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        var (outcome, coming) = await context.GetRequiredService<ContributionFactors>().CheckComingAsync(context.CancellationToken);
        context.Set(Quarter, coming.ToString());
        return new StepResult(outcome, $"The factor of {coming} is {outcome switch { "Known" => "on record", "Overdue" => "overdue", _ => "not published yet" }}.");
    }
}

/// <summary>Finds whom to tell of new factors.</summary>
[Activity("Pw", "Regulatory", "Finds the customers to be told of a coming quarter's contribution factor: each once per quarter.", DisplayName = "Find Factor Mails")]
[FlowNode(Found, None)]
public sealed class FindFactorMails : FindStep
{
    /// <summary>Creates the activity.</summary>
    public FindFactorMails([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override string One => "customer to tell of a coming quarter";

    /// <inheritdoc />
    protected override async Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await context.GetRequiredService<ContributionFactors>().FindMailsAsync(context.CancellationToken);
    }
}

/// <summary>Tells a customer of a new factor.</summary>
[Activity("Pw", "Regulatory", "Tells one customer of a coming quarter's contribution factor, all its carriers in one mail, once.", DisplayName = "Mail Factor Change", Kind = ActivityKind.Task)]
[FlowNode("Sent", "NotDue", "Refused", "Held")]
public sealed class MailFactorChange : JobStep
{
    /// <summary>Creates the activity.</summary>
    public MailFactorChange([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>Quarter and customer.</summary>
    [Input(Description = "Quarter and customer, as Find Factor Mails gave them.")]
    public Input<string> Item { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        dryRun |= context.GetRequiredService<IOptions<RegulatoryOptions>>().Value.MonitorDryRun;
        return context.GetRequiredService<ContributionFactors>().MailAsync(Item.Get(context), dryRun, context.CancellationToken);
    }
}

/// <summary>Asks whether the year's figures are on record.</summary>
[Activity("Pw", "Regulatory", "Asks whether the de minimis factor and the safe harbors of the form years in question are on record.", DisplayName = "Check De Minimis Factors")]
[FlowNode("Complete", "Missing")]
[ChangesNothing]
public sealed class CheckDeMinimisFactors : JobStep
{
    /// <summary>Creates the activity.</summary>
    public CheckDeMinimisFactors([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override async Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        var problems = await context.GetRequiredService<FactorRows>().FindProblemsAsync(context.CancellationToken);
        return problems.Count == 0
            ? new StepResult("Complete", "The figures of the form year are on record.")
            : new StepResult("Missing", $"Enter what the year's Form 499-A instructions say into fcc_deminimis_factors and fcc_safe_harbor_percentages, with the source: {string.Join("; ", problems)}.");
    }
}
