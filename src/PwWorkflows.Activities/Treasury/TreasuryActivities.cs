using System.Runtime.CompilerServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using PwWorkflows.Activities.Jobs;

namespace PwWorkflows.Activities.Treasury;

/// <summary>Reads the hot wallets.</summary>
[Activity("Pw", "Treasury", "Reads what lies in the hot wallets at SHKeeper.", DisplayName = "Read Hot Balances", Kind = ActivityKind.Task)]
[FlowNode("Read", "NotConfigured")]
public sealed class ReadHotBalances : JobStep
{
    /// <summary>Creates the activity.</summary>
    public ReadHotBalances([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The balances, for a ForEach.</summary>
    [Output(Description = "The balances, for a ForEach.")]
    public Output<ICollection<string>> Items { get; set; } = default!;

    /// <inheritdoc />
    protected override async Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        var balances = await context.GetRequiredService<HotWallets>().ReadAsync(context.CancellationToken);
        context.Set(Items, (ICollection<string>)[.. (balances ?? []).Select(b => b.ToString())]);
        return balances is null
            ? new StepResult("NotConfigured", "SHKEEPER_URL is not set: there are no hot wallets.")
            : new StepResult("Read", $"Read {Count(balances.Count, "hot wallet")}.");
    }
}

/// <summary>Tells what would be swept.</summary>
[Activity("Pw", "Treasury", "Tells what would be swept of a hot wallet to its cold one: what is above the float, up to the ceiling. Moves nothing.", DisplayName = "Plan Cold Sweep", Kind = ActivityKind.Task)]
[FlowNode("BelowFloat", "WouldSweep", "NeedsApproval", "NoAddress", "NotSynced")]
public sealed class PlanColdSweep : JobStep
{
    /// <summary>Creates the activity.</summary>
    public PlanColdSweep([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The balance, as Read Hot Balances gave it.</summary>
    [Input(Description = "The balance, as Read Hot Balances gave it.")]
    public Input<string> Coin { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<HotWallets>().PlanAsync(Coin.Get(context), dryRun, context.CancellationToken);
    }
}

/// <summary>Finds received crypto payments.</summary>
[Activity("Pw", "Treasury", "Finds crypto payments that were received and not picked up.", DisplayName = "Find Received Crypto Payments")]
[FlowNode(Found, None)]
public sealed class FindReceivedCryptoPayments : FindStep
{
    /// <summary>Creates the activity.</summary>
    public FindReceivedCryptoPayments([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <inheritdoc />
    protected override string One => "received crypto payment";

    /// <inheritdoc />
    protected override async Task<IReadOnlyCollection<string>> FindAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return await context.GetRequiredService<CryptoPayments>().FindReceivedAsync(context.CancellationToken);
    }
}

/// <summary>Parks a crypto payment.</summary>
[Activity("Pw", "Treasury", "Parks a received crypto payment for a person, with a ToDo.", DisplayName = "Park Crypto Payment", Kind = ActivityKind.Task)]
[FlowNode("Parked", "NotDue")]
public sealed class ParkCryptoPayment : JobStep
{
    /// <summary>Creates the activity.</summary>
    public ParkCryptoPayment([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    /// <summary>The payment, as Find Received Crypto Payments gave it.</summary>
    [Input(Description = "The payment, as Find Received Crypto Payments gave it.")]
    public Input<string> Payment { get; set; } = default!;

    /// <inheritdoc />
    protected override Task<StepResult> RunAsync(ActivityExecutionContext context, bool dryRun)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.GetRequiredService<CryptoPayments>().ParkAsync(Payment.Get(context), dryRun, context.CancellationToken);
    }
}
