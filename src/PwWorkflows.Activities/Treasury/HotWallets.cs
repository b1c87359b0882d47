using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Jobs;

namespace PwWorkflows.Activities.Treasury;

/// <summary>SHKeeper can't tell the balances now. Worth another try.</summary>
public sealed class ShkeeperUnavailableException : Exception
{
    /// <summary>Creates the exception.</summary>
    public ShkeeperUnavailableException() { }

    /// <summary>Creates the exception with what happened.</summary>
    public ShkeeperUnavailableException(string message) : base(message) { }

    /// <summary>Creates the exception with what happened and its cause.</summary>
    public ShkeeperUnavailableException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>What lies in a hot wallet.</summary>
/// <param name="Crypto">SHKeeper's name of the coin, such as <c>ETH-USDC</c>.</param>
/// <param name="Amount">In coins.</param>
/// <param name="FiatCents">Worth in cents, rounded down.</param>
/// <param name="ServerStatus">Free text; only <c>Synced</c> can be believed: a backend that is down says 0.</param>
public sealed record HotBalance(string Crypto, decimal Amount, long FiatCents, string ServerStatus)
{
    /// <summary>As one text, for a loop.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Crypto}|{Amount}|{FiatCents}|{ServerStatus}");

    /// <summary>Reads <see cref="ToString"/>.</summary>
    /// <exception cref="NonRetryableException">It is something else.</exception>
    public static HotBalance Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split('|', 4) is [var crypto, var amount, var cents, var status] && decimal.TryParse(amount, NumberStyles.Float, CultureInfo.InvariantCulture, out var a) && long.TryParse(cents, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var c)
            ? new(crypto, a, c, status)
            : throw new NonRetryableException($"'{text}' is no balance.");
    }
}

/// <summary>What would be swept of a hot wallet.</summary>
/// <param name="Decision"><c>BelowFloat</c>, <c>WouldSweep</c>, <c>NeedsApproval</c>, <c>NoAddress</c> or <c>NotSynced</c>.</param>
/// <param name="ExcessCents">What is above the float.</param>
/// <param name="Coins">The same in coins, rounded down.</param>
/// <param name="Address">Where it would go.</param>
public sealed record SweepPlan(string Decision, long ExcessCents, decimal Coins, string? Address);

/// <summary>Looks at the hot wallets and tells what would be swept to the cold ones. It has no way to move anything.</summary>
public sealed class HotWallets(IHttpClientFactory clients, IPwDatabase database, TimeProvider time, IOptions<TreasuryOptions> options)
{
    /// <summary>Name of the HTTP client.</summary>
    internal const string HttpClientName = "shkeeper";

    private const int Places = 8;

    /// <summary>The balances; <c>null</c>: there are no hot wallets.</summary>
    /// <exception cref="ShkeeperUnavailableException">SHKeeper can't tell now.</exception>
    /// <exception cref="NonRetryableException">SHKeeper refused.</exception>
    public async Task<IReadOnlyList<HotBalance>?> ReadAsync(CancellationToken ct)
    {
        if (options.Value.ShkeeperUrl is not { } url) return null;
        using var client = clients.CreateClient(HttpClientName);
        using var request = new HttpRequestMessage(HttpMethod.Get, url.AbsoluteUri.TrimEnd('/') + "/api/v1/crypto/balances");
        request.Headers.Add("X-Shkeeper-Api-Key", options.Value.ShkeeperApiKey);
        try
        {
            using var answer = await client.SendAsync(request, ct).ConfigureAwait(false);
            var text = await answer.Content.ReadAsStringAsync(ct).ConfigureAwait(false);
            if (!answer.IsSuccessStatusCode) throw new ShkeeperUnavailableException(string.Create(CultureInfo.InvariantCulture, $"SHKeeper answered {(int)answer.StatusCode} when asked for the balances."));
            return JsonNode.Parse(text) switch
            {
                JsonArray rows => [.. rows.Select(r => Read(r!.AsObject()))],
                // Most of its errors come as 200.
                JsonObject error => throw new NonRetryableException($"SHKeeper refused to tell the balances: {error["message"]}"),
                _ => throw new ShkeeperUnavailableException("SHKeeper's answer is not understood."),
            };
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or InvalidOperationException or FormatException || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            throw new ShkeeperUnavailableException($"SHKeeper can't tell the balances: {e.Message}", e);
        }
    }

    /// <summary>What would be swept. The float stays of each coin; above the ceiling a person must approve.</summary>
    public static SweepPlan Plan(HotBalance balance, TreasuryOptions options)
    {
        ArgumentNullException.ThrowIfNull(balance);
        ArgumentNullException.ThrowIfNull(options);
        if (balance.ServerStatus != "Synced") return new("NotSynced", 0, 0, null);
        var excess = balance.FiatCents - options.FloatCents;
        if (excess <= 0) return new("BelowFloat", 0, 0, null);
        var scale = (decimal)Math.Pow(10, Places);
        var coins = Math.Floor(balance.Amount * excess / balance.FiatCents * scale) / scale;
        var address = options.WalletOf(balance.Crypto);
        return new(address is null ? "NoAddress" : excess > options.CeilingCents ? "NeedsApproval" : "WouldSweep", excess, coins, address);
    }

    /// <summary>Plans for one coin and writes the plan down as the newest look.</summary>
    public async Task<StepResult> PlanAsync(string item, bool dryRun, CancellationToken ct)
    {
        var balance = HotBalance.Parse(item);
        var plan = Plan(balance, options.Value);
        var words = string.Create(CultureInfo.InvariantCulture, $"{balance.Crypto}: {balance.Amount} worth {Money(balance.FiatCents)}, float {Money(options.Value.FloatCents)}. ") + plan.Decision switch
        {
            "WouldSweep" => string.Create(CultureInfo.InvariantCulture, $"Would sweep {plan.Coins} ({Money(plan.ExcessCents)}) to {plan.Address}. Nothing was moved."),
            "NeedsApproval" => string.Create(CultureInfo.InvariantCulture, $"Would ask to approve {plan.Coins} ({Money(plan.ExcessCents)}) to {plan.Address}, above {Money(options.Value.CeilingCents)}. Nothing was moved."),
            "NoAddress" => $"{Money(plan.ExcessCents)} are above the float, but there is no cold wallet for it.",
            "NotSynced" => $"Not looked at: its server says '{balance.ServerStatus}'.",
            _ => "Nothing to sweep.",
        };
        if (!dryRun)
            await database.ExecuteAsync(
                """
                INSERT INTO cold_wallet_positions (crypto, amount_crypto, fiat_cents, float_cents, excess_cents, decision, note, looked_at) VALUES (@crypto, @amount, @fiat, @float, @excess, @decision, @note, @now)
                ON CONFLICT (crypto) DO UPDATE SET amount_crypto = excluded.amount_crypto, fiat_cents = excluded.fiat_cents, float_cents = excluded.float_cents, excess_cents = excluded.excess_cents,
                    decision = excluded.decision, note = excluded.note, looked_at = excluded.looked_at
                """,
                Parameters.Of(("crypto", balance.Crypto), ("amount", balance.Amount.ToString(CultureInfo.InvariantCulture)), ("fiat", balance.FiatCents), ("float", options.Value.FloatCents), ("excess", plan.ExcessCents),
                    ("decision", plan.Decision), ("note", words), ("now", time.GetUtcNow())), ct).ConfigureAwait(false);
        return new(plan.Decision, words);
    }

    private static HotBalance Read(JsonObject row)
    {
        decimal Number(string name) => decimal.Parse(row[name]?.ToString() ?? throw new FormatException($"a balance has no {name}"), NumberStyles.Float, CultureInfo.InvariantCulture);
        return new(row["name"]?.ToString() ?? throw new FormatException("a balance has no name"), Number("amount_crypto"), (long)Math.Floor(Number("amount_fiat") * 100), row["server_status"]?.ToString() ?? "");
    }

    private static string Money(long cents) => string.Create(CultureInfo.InvariantCulture, $"${cents / 100m:#,0.00}");
}
