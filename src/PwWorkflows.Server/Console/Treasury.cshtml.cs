using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/treasury</c>: where is the money? Nothing here moves any.</summary>
internal sealed class TreasuryPage(IPwDatabase database, RecordDesk desk) : ConsolePage
{
    private sealed record Hot(string Crypto, string Amount, long Cents, long Float, long Excess, string Decision, string Note, DateTimeOffset LookedAt);

    private sealed record Payment(long Id, string Order, string Crypto, string Tx, string Amount, long Cents, string State, string? Note, DateTimeOffset ReceivedAt);

    private sealed record Deposit(long Id, long Cents, DateTimeOffset At, string From, string? Memo, string Source, string? Order, string? By);

    private sealed record Mail(long Id, string From, string Subject, DateTimeOffset At, string Kind, string? Reason, string? Key);

    private sealed record Earned(long Id, string Order, int Seq, string Partner, long Base, int Rate, long Amount, string Status, string ClearsOn, string? Reason, string? Statement);

    /// <summary>The tables of the section.</summary>
    public static IReadOnlyList<(string Name, string Path)> Parts { get; } =
        [("Hot wallets", "/treasury"), ("Crypto payments", "/treasury/crypto"), ("Deposits", "/treasury/deposits"), ("Bank mails", "/treasury/mails"), ("Commissions", "/treasury/commissions"), ("Partners", "/treasury/partners")];

    public override string? Topic => LiveFeed.Treasury;

    /// <summary>Which table is shown; empty for the hot wallets.</summary>
    public string Part { get; private set; } = "";

    /// <summary>What counts, in a few figures.</summary>
    public IReadOnlyList<(string Label, string Value)> Standing { get; private set; } = [];

    public List<string> Wrong { get; } = [];

    public Partner Form { get; private set; } = new("", "", "", 0, true);

    public async Task<IActionResult> OnGetAsync(string? part, CancellationToken ct)
    {
        Part = part ?? "";
        if (Parts.All(p => p.Path != "/treasury" + (Part.Length > 0 ? "/" + Part : "")))
            return Problem(StatusCodes.Status404NotFound, $"The treasury has no part “{part}”.", "The link is wrong.", "Choose one of the parts above the table.");
        if (Request.Query["format"] != "csv") await StandAsync(ct).ConfigureAwait(false);
        return Part switch
        {
            "crypto" => await TableAsync(Crypto(), ct).ConfigureAwait(false),
            "deposits" => await TableAsync(Deposits(), ct).ConfigureAwait(false),
            "mails" => await TableAsync(Mails(), ct).ConfigureAwait(false),
            "commissions" => await TableAsync(Commissions(), ct).ConfigureAwait(false),
            "partners" => await TableAsync(Partners(), ct).ConfigureAwait(false),
            _ => await TableAsync(HotWallets(), ct).ConfigureAwait(false),
        };
    }

    public async Task<IActionResult> OnPostPartnerAsync(string? code, string? name, string? email, string? percent, bool active, CancellationToken ct)
    {
        var rate = decimal.TryParse(percent, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var p) && p is >= 0 and <= 100 && decimal.Round(p, 2) == p ? (int)(p * 100) : -1;
        Form = new((code ?? "").Trim(), (name ?? "").Trim(), (email ?? "").Trim(), Math.Max(rate, 0), active);
        if (rate < 0) Wrong.Add("Commission: expected a percentage from 0 to 100 with at most two decimals.");
        if (Wrong.Count == 0) Wrong.AddRange((await desk.SetPartnerAsync(Form, HttpContext.UserName(), ct).ConfigureAwait(false)).Words());
        if (Wrong.Count == 0) return GoTo("/treasury/partners", $"{Form.Name} is on record.");
        Response.StatusCode = StatusCodes.Status422UnprocessableEntity;
        return await OnGetAsync("partners", ct).ConfigureAwait(false);
    }

    private async Task StandAsync(CancellationToken ct)
    {
        var row = (await database.QueryAsync(
            """
            SELECT (SELECT COALESCE(SUM(fiat_cents), 0) FROM cold_wallet_positions), (SELECT COALESCE(SUM(excess_cents), 0) FROM cold_wallet_positions),
                (SELECT COUNT(*) FROM crypto_payment_jobs WHERE state IN ('received', 'manual')), (SELECT COUNT(*) FROM relay_deposits WHERE matched_order_id IS NULL AND source_kind = 'offramp_bridge'),
                (SELECT COUNT(*) FROM relay_mails WHERE kind IN ('unknown', 'doubtful')), (SELECT COALESCE(SUM(amount_cents), 0) FROM commissions WHERE status = 'payable' AND statement IS NULL)
            """,
            Parameters.None, static r => Enumerable.Range(0, 6).Select(i => Convert.ToInt64(r.GetValue(i), CultureInfo.InvariantCulture)).ToList(), ct).ConfigureAwait(false))[0];
        Standing =
        [
            ("In hot wallets", Show.Money(row[0], "usd")), ("Above the floats", Show.Money(row[1], "usd")), ("Crypto payments parked", Count(row[2])), ("Off-ramp deposits unmatched", Count(row[3])),
            ("Mails not understood", Count(row[4])), ("Commissions payable", Show.Money(row[5], "usd")),
        ];
    }

    private Table<Hot> HotWallets() => new()
    {
        Name = "hot-wallets",
        Select = "w.crypto, w.amount_crypto, w.fiat_cents, w.float_cents, w.excess_cents, w.decision, w.note, w.looked_at",
        From = "cold_wallet_positions w",
        Key = "w.crypto",
        Map = static r => new(r.GetString(0), r.GetString(1), r.GetInt64(2), r.GetInt64(3), r.GetInt64(4), r.GetString(5), r.GetString(6), r.Time(7)),
        Sorts = [new("coin", "w.crypto"), new("worth", "w.fiat_cents", Descending: true)],
        Columns =
        [
            new("Coin", h => Show.Text(h.Crypto), static h => h.Crypto) { Sort = "coin" },
            new("Amount", h => Show.Text(h.Amount), static h => h.Amount) { Right = true },
            new("Worth", h => Show.Text(Show.Money(h.Cents, "usd")), static h => Plain(h.Cents)) { Sort = "worth", Right = true },
            new("Float", h => Show.Text(Show.Money(h.Float, "usd")), static h => Plain(h.Float)) { Right = true },
            new("Above it", h => Show.Text(Show.Money(h.Excess, "usd")), static h => Plain(h.Excess)) { Right = true },
            new("What the sweep said", h => Show.Text(h.Note), static h => h.Note),
            new("Looked at", h => Show.Time(h.LookedAt), static h => Iso(h.LookedAt)),
            new("Decision", h => Show.Text(h.Decision), static h => h.Decision) { CsvOnly = true },
        ],
        Empty = new("Nobody has looked at the hot wallets yet.", "The cold-wallet sweep looks and tells what it would move; it moves nothing.", "/schedules/pw-cold-wallet-sweep", "Its schedule"),
    };

    private Table<Payment> Crypto() => new()
    {
        Name = "crypto-payments",
        Select = "j.id, j.order_number, j.crypto, j.txid, j.amount_crypto, j.amount_fiat_cents, j.state, j.note, j.received_at",
        From = "crypto_payment_jobs j",
        Key = "j.id",
        Map = static r => new(r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4), r.GetInt64(5), r.GetString(6), r.Text(7), r.Time(8)),
        Sorts = [new("received", "j.id", Descending: true)],
        Filters = [new("state", "State", "j.state = @state", TableFilter.Words("received", "manual", "approved", "offramp_requested", "offramp_pending", "settled", "failed", "cancelled")), new("order", "Order", "j.order_number = @order")],
        Columns =
        [
            new("Order", p => Show.Id(p.Order, OrdersPage.Url(p.Order)), static p => p.Order),
            new("Coin", p => Show.Text(p.Crypto), static p => p.Crypto),
            new("Amount", p => Show.Text(p.Amount), static p => p.Amount) { Right = true },
            new("Worth", p => Show.Text(Show.Money(p.Cents, "usd")), static p => Plain(p.Cents)) { Right = true },
            new("State", p => Show.State(p.State), static p => p.State),
            new("Transaction", p => Show.Id(p.Tx), static p => p.Tx),
            new("Received", p => Show.Time(p.ReceivedAt), static p => Iso(p.ReceivedAt)) { Sort = "received" },
            new("Note", p => Show.Text(p.Note), static p => p.Note) { CsvOnly = true },
        ],
        Empty = new("No crypto payment has come.", "One shows up here when SHKeeper reports it; it is parked until a person turns it into dollars."),
    };

    private Table<Deposit> Deposits() => new()
    {
        Name = "deposits",
        Select = "d.id, d.amount_cents, d.received_at, d.counterparty, d.memo, d.source_kind, d.matched_order_id, d.matched_by",
        From = "relay_deposits d",
        Key = "d.id",
        Map = static r => new(r.GetInt64(0), r.GetInt64(1), r.Time(2), r.GetString(3), r.Text(4), r.GetString(5), r.Text(6), r.Text(7)),
        Sorts = [new("noted", "d.id", Descending: true), new("amount", "d.amount_cents", Descending: true)],
        Filters =
        [
            new("matched", "Matched", "(CASE WHEN d.matched_order_id IS NULL THEN 'no' ELSE 'yes' END) = @matched", TableFilter.Words("yes", "no")),
            new("source", "Source", "d.source_kind = @source", TableFilter.Words("offramp_bridge", "stripe_payout", "paypal_payout", "other")),
            new("order", "Order", "d.matched_order_id = @order"),
        ],
        Columns =
        [
            new("Received", d => Show.Time(d.At), static d => Iso(d.At)) { Sort = "noted" },
            new("Amount", d => Show.Text(Show.Money(d.Cents, "usd")), static d => Plain(d.Cents)) { Sort = "amount", Right = true },
            new("From", d => Show.Text(d.From), static d => d.From),
            new("Memo", d => Show.Text(d.Memo), static d => d.Memo),
            new("Source", d => Show.Text(d.Source.Replace('_', ' ')), static d => d.Source),
            new("Order", d => d.Order is null ? Show.Badge("not matched", d.Source == "offramp_bridge" ? Tone.Warn : Tone.Idle) : Show.Id(d.Order, OrdersPage.Url(d.Order)), static d => d.Order),
            new("Matched by", d => Show.Text(d.By), static d => d.By),
            new("Number", _ => Show.Text(""), static d => Plain(d.Id)) { CsvOnly = true },
        ],
        Empty = new("No deposit was noted.", "The bank's alerts are read from the mailbox of OPS_IMAP_*; each deposit in them shows up here.", "/schedules/pw-relay-deposit-monitor", "The schedule that reads them"),
    };

    private Table<Mail> Mails() => new()
    {
        Name = "bank-mails",
        Select = "m.id, m.from_address, m.subject, m.received_at, m.kind, m.reason, m.evidence_key",
        From = "relay_mails m",
        Where = "m.kind <> 'other'",
        Key = "m.id",
        Map = static r => new(r.GetInt64(0), r.GetString(1), r.GetString(2), r.Time(3), r.GetString(4), r.Text(5), r.Text(6)),
        Sorts = [new("read", "m.id", Descending: true)],
        Filters = [new("kind", "Kind", "m.kind = @kind", TableFilter.Words("unknown", "doubtful", "deposit", "card", "new"))],
        Columns =
        [
            new("Received", m => Show.Time(m.At), static m => Iso(m.At)) { Sort = "read" },
            new("From", m => Show.Text(m.From), static m => m.From),
            new("Subject", m => Show.Text(m.Subject), static m => m.Subject),
            new("Kind", m => Show.Badge(m.Kind, m.Kind is "unknown" or "doubtful" ? Tone.Warn : Tone.Good), static m => m.Kind),
            new("Why", m => Show.Text(m.Reason), static m => m.Reason),
            new("Kept as", m => Show.Id(m.Key), static m => m.Key),
        ],
        Empty = new("No mail of the bank was read.", "A mail of a shape that is not known is listed here, until its shape is added to RELAY_MAIL_PATTERNS."),
    };

    private Table<Earned> Commissions() => new()
    {
        Name = "commissions",
        Select = "c.id, c.order_number, c.seq, c.partner_code, c.base_cents, c.rate_bps, c.amount_cents, c.status, c.clears_on, c.reason, c.statement",
        From = "commissions c",
        Key = "c.id",
        Map = static r => new(r.GetInt64(0), r.GetString(1), r.GetInt32(2), r.GetString(3), r.GetInt64(4), r.GetInt32(5), r.GetInt64(6), r.GetString(7), r.GetString(8), r.Text(9), r.Text(10)),
        Sorts = [new("entered", "c.id", Descending: true), new("amount", "c.amount_cents", Descending: true)],
        Filters = [new("status", "State", "c.status = @status", TableFilter.Words("pending", "payable", "reversed")), new("partner", "Partner", "c.partner_code = @partner"), new("order", "Order", "c.order_number = @order")],
        Columns =
        [
            new("Order", c => Show.Id(c.Order, OrdersPage.Url(c.Order)), static c => c.Order) { Sort = "entered" },
            new("Partner", c => Show.Text(c.Partner), static c => c.Partner),
            new("On", c => Show.Text(Show.Money(c.Base, "usd")), static c => Plain(c.Base)) { Right = true },
            new("Commission", c => Show.Text(Show.Money(c.Amount, "usd")), static c => Plain(c.Amount)) { Sort = "amount", Right = true },
            new("State", c => Show.State(c.Status), static c => c.Status),
            new("Clears on", c => Show.Text(c.ClearsOn), static c => c.ClearsOn),
            new("Statement", c => Show.Text(c.Statement ?? c.Reason), static c => c.Statement),
            new("Rate in hundredths of a percent", _ => Show.Text(""), static c => Plain(c.Rate)) { CsvOnly = true },
            new("Entry", _ => Show.Text(""), static c => Plain(c.Seq)) { CsvOnly = true },
            new("Reason", _ => Show.Text(""), static c => c.Reason) { CsvOnly = true },
        ],
        Empty = new("No commission was earned.", "An order that names a partner earns one when it is paid.", "/treasury/partners", "Partners"),
    };

    private Table<Partner> Partners() => new()
    {
        Name = "partners",
        Select = "p.code, p.name, p.email, p.rate_bps, p.active",
        From = "partners p",
        Key = "p.code",
        Map = static r => new(r.GetString(0), r.GetString(1), r.GetString(2), r.GetInt32(3), r.GetBoolean(4)),
        Sorts = [new("code", "p.code")],
        Columns =
        [
            new("Code", p => Show.Id(p.Code, "/treasury/commissions?partner=" + Uri.EscapeDataString(p.Code)), static p => p.Code) { Sort = "code" },
            new("Name", p => Show.Text(p.Name), static p => p.Name),
            new("Mail", p => Show.Text(p.Email), static p => p.Email),
            new("Commission", p => Show.Text((p.RateBps / 100m).ToString("0.00", CultureInfo.InvariantCulture) + " %"), static p => Plain(p.RateBps)) { Right = true },
            new("State", p => p.Active ? Show.Badge("active", Tone.Good) : Show.Badge("not for new orders", Tone.Idle), static p => p.Active ? "active" : "inactive"),
        ],
        Empty = new("No partner is on record.", "An administrator adds partners below."),
    };

    private static string Count(long count) => count.ToString("#,##0", CultureInfo.InvariantCulture);

    private static string Plain(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Iso(DateTimeOffset at) => at.ToString("O", CultureInfo.InvariantCulture);
}

/// <summary>Says what became of an entry.</summary>
internal static class EntryWords
{
    /// <summary>What is wrong, one line a field.</summary>
    public static IEnumerable<string> Words(this EntryResult result) => result.Wrong.Select(static w => $"{char.ToUpperInvariant(w.Field[0])}{w.Field[1..].Replace('_', ' ')}: {char.ToLowerInvariant(w.Expected[0])}{w.Expected[1..]}");
}
