using System.Text.RegularExpressions;

namespace PwWorkflows.Activities.Treasury;

/// <summary>The hot wallets at SHKeeper and where their surplus belongs.</summary>
public sealed partial class TreasuryOptions
{
    /// <summary><c>SHKEEPER_URL</c>: address of SHKeeper; unset: there are no hot wallets. In the sandbox by default the stand-in's beside <c>USAC_PORTAL_URL</c>.</summary>
    public Uri? ShkeeperUrl { get; set; }

    /// <summary><c>SHKEEPER_API_KEY</c>.</summary>
    public string ShkeeperApiKey { get; set; } = "";

    /// <summary><c>COLD_WALLET_BTC_ADDR</c>, <c>_ETH_ADDR</c>, <c>_USDC_ADDR</c>, <c>_USDT_ADDR</c>: the cold wallets by coin.</summary>
    public IReadOnlyDictionary<string, string> ColdWallets { get; set; } = new Dictionary<string, string>();

    /// <summary><c>COLD_WALLET_HOT_FLOAT_USD_CENTS</c>: stays hot of each coin; default 50000.</summary>
    public long FloatCents { get; set; } = 50_000;

    /// <summary><c>COLD_WALLET_AUTO_SWEEP_CEILING_USD_CENTS</c>: more than this needs an approval; default 500000.</summary>
    public long CeilingCents { get; set; } = 500_000;

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var stands = settings.Choice("PW_ENVIRONMENT", "development", "production", "sandbox", "development") == "sandbox" ? settings.Url("USAC_PORTAL_URL") : null;
        ShkeeperUrl = settings.Url("SHKEEPER_URL") ?? (stands is null ? null : new Uri(stands, "../shkeeper"));
        ShkeeperApiKey = settings.Secret("SHKEEPER_API_KEY");
        FloatCents = settings.Number("COLD_WALLET_HOT_FLOAT_USD_CENTS", (int)FloatCents, 0, int.MaxValue);
        CeilingCents = settings.Number("COLD_WALLET_AUTO_SWEEP_CEILING_USD_CENTS", (int)CeilingCents, 0, int.MaxValue);
        var wallets = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var coin in (string[])["BTC", "ETH", "USDC", "USDT"])
        {
            var address = settings.Text($"COLD_WALLET_{coin}_ADDR");
            if (address.Length == 0) continue;
            if (IsAddress(coin, address)) wallets[coin] = address;
            else settings.Problem($"COLD_WALLET_{coin}_ADDR: expected {coin switch { "BTC" => "a Bitcoin address", "ETH" => "an Ethereum address (0x and 40 hexadecimal digits)", _ => "an Ethereum (0x…) or TRON (T…) address" }}, found '{address}'.");
        }

        ColdWallets = wallets;
    }

    /// <summary>
    /// The cold wallet of a coin of SHKeeper's; <c>null</c>: none fits. A bare <c>USDT</c> or <c>USDC</c> is on TRON, <c>ETH-USDT</c> on Ethereum: coins sent to an address of the other chain are
    /// lost, so the kind of address decides.
    /// </summary>
    public string? WalletOf(string crypto)
    {
        ArgumentNullException.ThrowIfNull(crypto);
        var (chain, coin) = crypto.Split('-') switch { [var c] => (c is "USDC" or "USDT" ? "TRON" : c, c), [var n, var c] => (n, c), _ => ("", "") };
        if (!ColdWallets.TryGetValue(coin, out var address)) return null;
        return (chain, coin) switch
        {
            ("BTC", "BTC") or ("ETH", "ETH") => address,
            ("ETH", "USDC" or "USDT") when Ethereum().IsMatch(address) => address,
            ("TRON", "USDC" or "USDT") when Tron().IsMatch(address) => address,
            _ => null,
        };
    }

    private static bool IsAddress(string coin, string address) => coin switch
    {
        "BTC" => Bitcoin().IsMatch(address),
        "ETH" => Ethereum().IsMatch(address),
        _ => Ethereum().IsMatch(address) || Tron().IsMatch(address),
    };

    [GeneratedRegex("^(?:bc1[02-9ac-hj-np-z]{11,87}|[13][1-9A-HJ-NP-Za-km-z]{25,34})$", RegexOptions.None, 1000)]
    private static partial Regex Bitcoin();

    [GeneratedRegex("^0x[0-9a-fA-F]{40}$", RegexOptions.None, 1000)]
    private static partial Regex Ethereum();

    [GeneratedRegex("^T[1-9A-HJ-NP-Za-km-z]{33}$", RegexOptions.None, 1000)]
    private static partial Regex Tron();
}
