using System.Globalization;
using PwWorkflows.Sandbox.Core;

namespace PwWorkflows.Sandbox.Shkeeper;

/// <summary>A hot wallet of the stand-in.</summary>
/// <param name="Coin">SHKeeper's name of the coin.</param>
/// <param name="AmountCrypto">What lies in it, in coins.</param>
/// <param name="Rate">Dollars for one coin.</param>
/// <param name="ServerStatus">Free text of its backend; <c>Synced</c> when all is well.</param>
public sealed record HotWallet(string Coin, decimal AmountCrypto, decimal Rate, string ServerStatus = "Synced");

/// <summary>
/// A stand-in for SHKeeper's balances: the list of coins and what lies in the hot wallets. As the real one, it answers most errors with 200 and <c>"status":"error"</c>, leaves a coin whose
/// backend fails out of the list, and a backend that is down says 0.
/// </summary>
/// <param name="context">What the core gives.</param>
public sealed class ShkeeperSystem(SandboxContext context) : SandboxSystem("shkeeper", context)
{
    static readonly HotWallet[] First = [new("BTC", 0.012m, 68_000m), new("ETH", 0.1m, 3_379.24m), new("ETH-USDC", 149m, 1m), new("USDT", 0m, 1m)];

    readonly Lock _gate = new();
    List<HotWallet> _wallets = [.. First];

    /// <inheritdoc />
    public override string HomePath => "/shkeeper/api/v1/crypto";

    /// <inheritdoc />
    public override void Reset()
    {
        lock (_gate) _wallets = [.. First];
    }

    /// <summary>Sets what lies in a hot wallet.</summary>
    public void Set(HotWallet wallet)
    {
        ArgumentNullException.ThrowIfNull(wallet);
        lock (_gate)
        {
            _wallets.RemoveAll(w => w.Coin == wallet.Coin);
            _wallets.Add(wallet);
        }
    }

    /// <inheritdoc />
    public override void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/v1/crypto", () => SandboxJson.Ok(new { status = "success", crypto = Wallets().Select(w => w.Coin), crypto_list = Wallets().Select(w => new { name = w.Coin, display_name = w.Coin }) }));
        routes.MapGet("/api/v1/crypto/balances", (HttpContext http, string? includes) =>
            Refusal(http) ?? SandboxJson.Ok(Wallets().Where(w => includes is null || includes.Split(',').Contains(w.Coin)).Select(View)));
        routes.MapGet("/api/v1/{coin}/balance", (HttpContext http, string coin) =>
            Refusal(http) ?? (Wallets().FirstOrDefault(w => w.Coin == coin) is { } wallet ? SandboxJson.Ok(View(wallet)) : Error($"{coin} payment gateway is unavailable")));
        routes.MapPost("/_wallet", (HotWallet wallet) =>
        {
            Set(wallet);
            return SandboxJson.Ok(Wallets());
        });
    }

    IReadOnlyList<HotWallet> Wallets()
    {
        lock (_gate) return [.. _wallets];
    }

    IResult? Refusal(HttpContext http)
    {
        var key = http.Request.Headers["X-Shkeeper-Api-Key"].ToString();
        return key.Length == 0 ? Error("No API key") : key != Context.Options.Secrets.ShkeeperApiKey ? Error("Bad API key") : null;
    }

    static IResult Error(string message) => SandboxJson.Ok(new { status = "error", message });

    static object View(HotWallet w)
    {
        var amount = w.ServerStatus == "Offline" ? 0 : w.AmountCrypto;
        return new
        {
            name = w.Coin,
            display_name = w.Coin,
            amount_crypto = amount.ToString(CultureInfo.InvariantCulture),
            rate = w.Rate.ToString(CultureInfo.InvariantCulture),
            fiat = "USD",
            amount_fiat = (amount * w.Rate).ToString(CultureInfo.InvariantCulture),
            server_status = w.ServerStatus,
        };
    }
}
