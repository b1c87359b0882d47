using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Activities.Tests.Jobs;
using PwWorkflows.Activities.Treasury;
using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.Shkeeper;

namespace PwWorkflows.Activities.Tests.Treasury;

/// <summary>Hot wallets are looked at and crypto payments parked; nothing is moved.</summary>
public abstract class TreasuryTests(PostgresFixture? postgres) : JobTests(postgres)
{
    private const string Ethereum = "0x52908400098527886E0F7030069857D2E4169EE7";

    protected override Dictionary<string, string?> Settings { get; } = new()
    {
        ["SHKEEPER_API_KEY"] = "sandbox-shkeeper-api-key-9b7d5f3e1a2c4860",
        ["COLD_WALLET_BTC_ADDR"] = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        ["COLD_WALLET_USDC_ADDR"] = Ethereum,
    };

    protected override void Register(IServiceCollection services) => services.AddTreasury();

    private HotWallets Wallets => Get<HotWallets>();

    private ShkeeperSystem Shkeeper => Sandbox.System<ShkeeperSystem>();

    private async Task<Dictionary<string, string>> RunAsync(bool dryRun = false)
    {
        var decisions = new Dictionary<string, string>();
        foreach (var balance in (await Wallets.ReadAsync(Ct))!) decisions[balance.Crypto] = (await Wallets.PlanAsync(balance.ToString(), dryRun, Ct)).Outcome;
        return decisions;
    }

    [Fact]
    public async Task Surplus_is_told_coin_by_coin_and_nothing_is_moved()
    {
        Shkeeper.Set(new HotWallet("ETH-USDC", 6_000m, 1m));
        Shkeeper.Set(new HotWallet("ETH", 1m, 3_000m));
        Shkeeper.Set(new HotWallet("USDT", 900m, 1m, "Offline"));
        Assert.Equal(
            [("BTC", "WouldSweep"), ("ETH", "NoAddress"), ("ETH-USDC", "NeedsApproval"), ("USDT", "NotSynced")],
            (await RunAsync(dryRun: true)).Select(d => (d.Key, d.Value)).Order());
        Assert.Null(await ValueAsync("SELECT crypto FROM cold_wallet_positions"));
        await RunAsync();
        await RunAsync();
        Assert.Equal("4", await ValueAsync("SELECT COUNT(*) FROM cold_wallet_positions"));
        Assert.Equal("31600", await ValueAsync("SELECT excess_cents FROM cold_wallet_positions WHERE crypto = 'BTC'"));
        Assert.Contains("Nothing was moved", await ValueAsync("SELECT note FROM cold_wallet_positions WHERE crypto = 'BTC'"), StringComparison.Ordinal);
        Assert.All(Shkeeper.Log.Read(), e => Assert.Equal("GET", e.Method));
    }

    [Fact]
    public async Task Refusal_that_comes_as_success_is_told_and_a_server_that_is_down_is_worth_another_try()
    {
        Shkeeper.Faults.Add(new Fault { Kind = FaultKinds.Status, Status = 502, Count = 1 });
        await Assert.ThrowsAsync<ShkeeperUnavailableException>(() => Wallets.ReadAsync(Ct));
        Shkeeper.Faults.Add(new Fault { Kind = FaultKinds.Drop, Count = 1 });
        await Assert.ThrowsAsync<ShkeeperUnavailableException>(() => Wallets.ReadAsync(Ct));
        Settings["SHKEEPER_API_KEY"] = "wrong";
        Build();
        Assert.Contains("Bad API key", (await Assert.ThrowsAsync<NonRetryableException>(() => Wallets.ReadAsync(Ct))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Received_payment_is_parked_once_with_a_ToDo()
    {
        var payments = Get<CryptoPayments>();
        foreach (var (id, state) in new[] { (1, "received"), (2, "received"), (3, "settled") })
            await SqlAsync(string.Create(CultureInfo.InvariantCulture, $"INSERT INTO crypto_payment_jobs (id, order_number, crypto, txid, amount_crypto, amount_fiat_cents, state, received_at, updated_at) VALUES ({id}, 'CO-00000001', 'ETH', '0x{id}', '0.0108', 14900, '{state}', '2026-11-25 10:00:00+00:00', '2026-11-25 10:00:00+00:00')"));
        Assert.Equal(["1", "2"], await payments.FindReceivedAsync(Ct));
        Assert.Equal("Parked", (await payments.ParkAsync("1", true, Ct)).Outcome);
        Assert.Empty(await ToDosAsync());
        foreach (var id in await payments.FindReceivedAsync(Ct)) Assert.Equal("Parked", (await payments.ParkAsync(id, false, Ct)).Outcome);
        Assert.Equal(["CO-00000001 crypto-payment-manual:1", "CO-00000001 crypto-payment-manual:2"], await ToDosAsync());
        Assert.Empty(await payments.FindReceivedAsync(Ct));
        Assert.Equal("NotDue", (await payments.ParkAsync("1", false, Ct)).Outcome);
        Assert.Equal("settled", await ValueAsync("SELECT state FROM crypto_payment_jobs WHERE id = 3"));
        // Died after the ToDo.
        await SqlAsync("UPDATE crypto_payment_jobs SET state = 'received' WHERE id = 1");
        await payments.ParkAsync("1", false, Ct);
        Assert.Equal(2, (await ToDosAsync()).Count);
    }
}

public sealed class TreasuryOnSqliteTests() : TreasuryTests(null);

public sealed class TreasuryOnPostgresTests(PostgresFixture postgres) : TreasuryTests(postgres), IClassFixture<PostgresFixture>;

/// <summary>The rules of the sweep at their edges.</summary>
public sealed class SweepRuleTests
{
    private const string Ethereum = "0x52908400098527886E0F7030069857D2E4169EE7", Tron = "TJRyWwFs9wTFGZg3JbrVriFbNfCug5tDeC";

    [Theory]
    [InlineData(50_000, "BelowFloat", 0, "0")]
    [InlineData(50_001, "WouldSweep", 1, "0.00001999")]
    [InlineData(550_000, "WouldSweep", 500_000, "0.90909090")]
    [InlineData(550_001, "NeedsApproval", 500_001, "0.90909107")]
    [InlineData(0, "BelowFloat", 0, "0")]
    public void Float_stays_and_the_ceiling_needs_a_person(long cents, string decision, long excess, string coins)
    {
        var plan = HotWallets.Plan(new HotBalance("ETH", 1m, cents, "Synced"), new TreasuryOptions { ColdWallets = new Dictionary<string, string> { ["ETH"] = Ethereum } });
        Assert.Equal((decision, excess, decimal.Parse(coins, CultureInfo.InvariantCulture)), (plan.Decision, plan.ExcessCents, plan.Coins));
    }

    [Theory]
    [InlineData("ETH-USDT", Ethereum, true)]
    [InlineData("ETH-USDT", Tron, false)]
    [InlineData("USDT", Tron, true)] // A bare one is on TRON.
    [InlineData("USDT", Ethereum, false)]
    [InlineData("BNB-USDT", Ethereum, false)] // Another chain with the same kind of address.
    [InlineData("LTC", Ethereum, false)]
    public void Coins_never_go_to_an_address_of_another_chain(string crypto, string address, bool fits) =>
        Assert.Equal(fits ? address : null, new TreasuryOptions { ColdWallets = new Dictionary<string, string> { ["USDT"] = address } }.WalletOf(crypto));
}
