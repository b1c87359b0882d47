using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.Relay;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Activities.Tests.Jobs;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Activities.Tests.Relay;

/// <summary>The bank's alerts over a real IMAP server.</summary>
public abstract class RelayTests(PostgresFixture? postgres) : JobTests(postgres)
{
    private DovecotServer _imap = null!;
    private int _mails;

    protected override void Register(IServiceCollection services) => services.AddRelay();

    protected override Dictionary<string, string?> Settings { get; } = [];

    public override async ValueTask InitializeAsync()
    {
        _imap = await DovecotServer.StartAsync(Ct);
        Settings["OPS_IMAP_HOST"] = "127.0.0.1";
        Settings["OPS_IMAP_PORT"] = _imap.Port.ToString(CultureInfo.InvariantCulture);
        Settings["OPS_IMAP_USER"] = DovecotServer.User;
        Settings["OPS_IMAP_PASS"] = DovecotServer.Password;
        Settings["OPS_IMAP_TLS"] = "none";
        await base.InitializeAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await _imap.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private void Deliver(string subject, string body, string from = "Relay <alerts@relayfi.com>", string? id = null, string headers = "") => _imap.Deliver(string.Create(CultureInfo.InvariantCulture, $"""
        {headers}From: {from}
        To: {DovecotServer.User}
        Subject: {subject}
        Date: Wed, 25 Nov 2026 09:30:00 -0600
        Message-ID: <{id ?? "m" + ++_mails}@relayfi.com>
        Content-Type: text/plain; charset=utf-8

        {body}

        """).TrimStart('\n'));

    private void DeliverDeposit(string amount = "1,508.19", string who = "Bridge Ventures", string memo = "PW-ORDER-CO-00000001", string? id = null, string headers = "", string from = "Relay <alerts@relayfi.com>") =>
        Deliver("You received a deposit", $"Amount: ${amount}\nFrom: {who}\nMemo: {memo}\n", from, id, headers);

    private async Task<int> ReadAsync() => (await Get<RelayMailbox>().ReadAsync(dryRun: false, Ct))!.Value.Read;

    /// <summary>What the job does in one run.</summary>
    private async Task<List<string>> RunAsync()
    {
        await ReadAsync();
        var outcomes = new List<string>();
        foreach (var mail in await Get<RelayMailbox>().PendingAsync(Ct)) outcomes.Add((await Get<RelayDeposits>().NoteAsync(mail, false, Ct)).Outcome);
        return outcomes;
    }

    [Fact]
    public async Task Each_mail_is_read_once_and_deposits_and_charges_are_noted()
    {
        await OrderAsync("CO-00000001");
        Assert.Equal(0, await ReadAsync());
        DeliverDeposit();
        Deliver("Card purchase alert", "Amount: $104.00\nMerchant: FCC *RMD FEE\nCard ending in 4242\n");
        Assert.Equal((2, 0), await Get<RelayMailbox>().ReadAsync(dryRun: true, Ct));
        Assert.Null(await ValueAsync("SELECT last_uid FROM imap_positions"));
        Assert.Equal(["Deposit", "Charge"], await RunAsync());
        Assert.Equal("150819 Bridge Ventures PW-ORDER-CO-00000001 offramp_bridge CO-00000001 memo", await ValueAsync("SELECT amount_cents || ' ' || counterparty || ' ' || memo || ' ' || source_kind || ' ' || matched_order_id || ' ' || matched_by FROM relay_deposits"));
        Assert.Equal("10400 FCC *RMD FEE 4242", await ValueAsync("SELECT amount_cents || ' ' || merchant || ' ' || card_last4 FROM relay_card_charges"));

        Assert.Equal(0, await ReadAsync()); // The server answers the last one again when there is nothing new.
        DeliverDeposit("20.00", id: "later");
        Assert.Equal(1, await ReadAsync());
        Assert.Equal("3", await ValueAsync("SELECT COUNT(*) FROM relay_mails"));
        Assert.Equal("3", await ValueAsync("SELECT last_uid FROM imap_positions"));
        Assert.Empty(await ToDosAsync());
    }

    [Fact]
    public async Task New_UIDVALIDITY_reads_everything_again_and_notes_only_what_is_new()
    {
        DeliverDeposit("1.00");
        DeliverDeposit("2.00");
        await RunAsync();
        var before = await ValueAsync("SELECT uid_validity FROM imap_positions");
        _imap.ForgetNumbers(1_900_000_000);
        DeliverDeposit("3.00");
        Assert.Equal(3, await ReadAsync());
        Assert.NotEqual(before, await ValueAsync("SELECT uid_validity FROM imap_positions"));
        Assert.Equal("3", await ValueAsync("SELECT COUNT(*) FROM relay_mails"));
        Assert.Equal(["Deposit"], await RunAsync());
        Assert.Equal("600", await ValueAsync("SELECT SUM(amount_cents) FROM relay_deposits"));
    }

    [Fact]
    public async Task Mail_that_is_not_in_the_store_is_for_a_person_and_holds_up_no_other()
    {
        await OrderAsync("CO-00000001");
        DeliverDeposit("1.00");
        DeliverDeposit("2.00");
        await ReadAsync();
        await SqlAsync("UPDATE relay_mails SET evidence_key = 'gone/' || evidence_key WHERE id = 1");
        Assert.Equal(["Refused", "Deposit"], await RunAsync());
        Assert.Equal(["Refused"], await RunAsync());
        Assert.Equal("relay mail 1 relay-mail-missing", Assert.Single(await ToDosAsync()));
        await SqlAsync("UPDATE relay_mails SET evidence_key = substr(evidence_key, 6) WHERE id = 1");
        Assert.Equal(["Deposit"], await RunAsync());
        Assert.Empty(await ToDosAsync());
    }

    [Fact]
    public async Task Mail_that_was_written_down_but_not_noted_is_noted_by_the_next_run_once()
    {
        DeliverDeposit();
        await ReadAsync();
        Assert.Equal(["Deposit"], await RunAsync());
        await SqlAsync("UPDATE relay_mails SET kind = 'new', noted_at = NULL");
        Assert.Equal(["Deposit"], await RunAsync());
        Assert.Equal("1", await ValueAsync("SELECT COUNT(*) FROM relay_deposits"));
    }

    [Theory]
    [InlineData("Your statement is ready", "Amount: $5.00\nFrom: X\n")]
    [InlineData("You received a deposit", "Amount: 5.00 EUR\nFrom: X\n")]
    [InlineData("You received a deposit", "Amount: $5.00\nAmount: $6.00\nFrom: X\n")]
    [InlineData("You received a deposit", "Amount: $0.00\nFrom: X\n")]
    [InlineData("You received a deposit", "Amount: $5.00\n")]
    public async Task Unknown_shape_is_kept_and_shown_and_nothing_is_guessed(string subject, string body)
    {
        Deliver(subject, body);
        Assert.Equal(["Unknown"], await RunAsync());
        Assert.Equal("unknown", await ValueAsync("SELECT kind FROM relay_mails"));
        Assert.NotNull(await Get<PwWorkflows.Activities.Jobs.JobEvidence>().ReadAsync((await ValueAsync("SELECT evidence_key FROM relay_mails"))!, Ct));
        Assert.Equal([$"relay mail {await ValueAsync("SELECT id FROM relay_mails")} relay-mail-unknown"], await ToDosAsync());
        Assert.Null(await ValueAsync("SELECT id FROM relay_deposits"));
        Assert.Empty(await RunAsync());
    }

    [Fact]
    public async Task Malformed_mail_is_kept_and_shown_and_read_once_and_stops_nothing()
    {
        const string bank = "From: alerts@relayfi.com\n", deposit = bank + "Subject: You received a deposit\n", text = "\nAmount: $5.00\nFrom: Bridge\n";
        (string Raw, string Outcome)[] mails =
        [
            ("", "Unknown"), // Not a byte.
            ("\n\n\n", ""), // From nobody.
            ("\u0001\u0002\u0003", "Unknown"),
            (deposit + "\n", "Unknown"),
            (bank, "Unknown"),
            (bank + text, "Unknown"),
            (deposit + "Content-Type: text/html\n\n<p>Amount: $5.00</p>\n", "Unknown"),
            (deposit + "Content-Type: text/plain; charset=no-such\nContent-Transfer-Encoding: base64\n\n%%%\n", "Unknown"),
            ("From: Relay: alerts@relayfi.com, other@relayfi.com;\nSubject: You received a deposit\n" + text, "Doubtful"),
            (deposit + text, "Deposit"), // No date.
            (deposit + "Date: Fri, 31 Dec 9999 23:59:59 -2359\n" + text, "Deposit"),
            (deposit + "Date: Thu, 01 Jan 1970 00:00:00 +1400\n" + text, "Deposit"),
            (deposit + "Date: soon\nDate: later\n" + text, "Deposit"),
            // What no text of a database may hold, and more than one of its indices may.
            (bank + "Subject: =?utf-8?B?WW91IHJlY2VpdmVkIGEgZGVwb3NpdAA=?=\nMessage-ID: <a\0b>\n\nAmount: $5.00\nFrom: X\0Y\nMemo: \0\n", "Deposit"),
            (deposit + $"Message-ID: <{Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(9000))}@x>\n" + text, "Deposit"),
        ];
        foreach (var (raw, _) in mails) _imap.Deliver(raw);
        DeliverDeposit("7.00", "Acme");
        Assert.Equal([.. mails.Select(m => m.Outcome).Where(o => o.Length > 0), "Deposit"], await RunAsync());
        Assert.Empty(await RunAsync());
        Assert.Equal(mails.Length + 1, int.Parse((await ValueAsync("SELECT COUNT(*) FROM relay_mails"))!, CultureInfo.InvariantCulture));
        Assert.Equal("0", await ValueAsync("SELECT COUNT(*) FROM relay_mails WHERE kind <> 'other' AND evidence_key IS NULL"));
        Assert.Equal(mails.Count(m => m.Outcome is "Unknown" or "Doubtful"), (await ToDosAsync()).Count(t => t.Contains("relay-mail-", StringComparison.Ordinal)));
        var times = await ((PwWorkflows.Activities.Data.IPwDatabase)Database).ReadAsync(
            (c, token) => PwWorkflows.Activities.Data.Db.QueryAsync(c, null, "SELECT received_at FROM relay_deposits", PwWorkflows.Activities.Data.Parameters.None, static r => r.GetFieldValue<DateTimeOffset>(0), token), Ct);
        Assert.All(times, at => Assert.InRange(at, new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), Time.GetUtcNow().AddDays(1)));

        // A group of senders is no sender, whoever signed it.
        Settings["RELAY_TRUSTED_AUTHSERV"] = "mx.ours.test";
        Build();
        _imap.Deliver("Authentication-Results: mx.ours.test; dkim=pass header.d=relayfi.com\nFrom: Relay: alerts@relayfi.com, other@relayfi.com;\nSubject: You received a deposit\nX: 2\n" + text);
        Assert.Equal(["Doubtful"], await RunAsync());
    }

    [Fact]
    public async Task Text_that_takes_too_long_to_read_is_an_unknown_shape()
    {
        Settings["RELAY_MAIL_PATTERNS"] = Path.Combine(Database.Folder, "patterns.json");
        await File.WriteAllTextAsync(Settings["RELAY_MAIL_PATTERNS"]!, """{ "version": "1", "patterns": [ { "name": "slow", "kind": "deposit", "subject": "^You", "amount": "^(a+)+$", "counterparty": "^x" } ] }""", Ct);
        Build();
        Deliver("You received a deposit", new string('a', 60) + "!");
        Assert.Equal(["Unknown"], await RunAsync());
    }

    [Fact]
    public async Task Mail_of_others_is_passed_over_unread()
    {
        Deliver("You received a deposit", "Amount: $5.00\nFrom: X\n", "Relay <alerts@relayfi.com.evil.test>");
        Assert.Empty(await RunAsync());
        Assert.Equal("other  ", await ValueAsync("SELECT kind || ' ' || subject || ' ' || from_address FROM relay_mails"));
        Assert.Null(await ValueAsync("SELECT object_key FROM job_evidence"));
    }

    [Theory]
    [InlineData("Authentication-Results: mx.ours.test; dkim=pass header.d=relayfi.com", "Deposit")]
    [InlineData("Authentication-Results: mx.ours.test; dkim=fail header.d=relayfi.com", "Doubtful")]
    [InlineData("Authentication-Results: mx.ours.test; dkim=pass header.d=evil.test", "Doubtful")]
    [InlineData("Authentication-Results: mx.evil.test; dkim=pass header.d=relayfi.com\nAuthentication-Results: mx.ours.test; dkim=pass header.d=relayfi.com", "Doubtful")]
    [InlineData("X-Nothing: here", "Doubtful")]
    public async Task Mail_is_believed_by_the_stamp_of_our_own_server_only(string headers, string outcome)
    {
        Settings["RELAY_TRUSTED_AUTHSERV"] = "mx.ours.test";
        Build();
        await OrderAsync("CO-00000001");
        DeliverDeposit(headers: headers + "\n");
        Assert.Equal([outcome], await RunAsync());
        Assert.Equal(outcome == "Deposit" ? 0 : 1, (await ToDosAsync()).Count);
    }

    [Theory]
    [InlineData("497.00", "Bridge", "PAYOUT", "CO-00000001 amount")]
    [InlineData("484.03", "Bridge", "PAYOUT", "CO-00000001 amount")] // 3 percent below 499.00.
    [InlineData("484.02", "Bridge", "PAYOUT", null)]
    [InlineData("499.00", "STRIPE", "PAYOUT", null)] // Not from the offramp.
    [InlineData("499.00", "Bridge", "PW-ORDER-CO-99999999", "CO-00000001 amount")] // There is no such order.
    public async Task Deposit_is_matched_by_memo_or_by_the_only_order_of_about_its_amount(string amount, string who, string memo, string? match)
    {
        await OrderAsync("CO-00000001", change: o => o with { PaymentMethod = "crypto", PaidAt = new DateTimeOffset(2026, 11, 20, 0, 0, 0, TimeSpan.Zero) });
        DeliverDeposit(amount, who, memo);
        await RunAsync();
        Assert.Equal(match, await ValueAsync("SELECT matched_order_id || ' ' || matched_by FROM relay_deposits"));
        Assert.Equal(match is null && who == "Bridge" ? 1 : 0, (await ToDosAsync()).Count);
    }

    [Fact]
    public async Task Two_orders_of_the_amount_are_no_match()
    {
        foreach (var number in new[] { "CO-00000001", "CO-00000002" }) await OrderAsync(number, change: o => o with { PaymentMethod = "crypto", PaidAt = new DateTimeOffset(2026, 11, 20, 0, 0, 0, TimeSpan.Zero) });
        DeliverDeposit("499.00", memo: "PAYOUT");
        await RunAsync();
        Assert.Null(await ValueAsync("SELECT matched_order_id FROM relay_deposits"));
        Assert.Single(await ToDosAsync());
    }

    [Fact]
    public async Task Wrong_password_and_a_server_that_is_down_are_told_without_the_secret()
    {
        Settings["OPS_IMAP_PASS"] = "wrong-secret";
        Build();
        Assert.DoesNotContain("wrong-secret", (await Assert.ThrowsAsync<MailboxUnavailableException>(ReadAsync)).ToString(), StringComparison.Ordinal);
        Settings["OPS_IMAP_PORT"] = "1";
        Build();
        await Assert.ThrowsAsync<MailboxUnavailableException>(ReadAsync);
        Settings["OPS_IMAP_HOST"] = "";
        Build();
        Assert.Null(await Get<RelayMailbox>().ReadAsync(false, Ct));
    }
}

public sealed class RelayOnSqliteTests() : RelayTests(null);

public sealed class RelayOnPostgresTests(PostgresFixture postgres) : RelayTests(postgres), IClassFixture<PostgresFixture>;
