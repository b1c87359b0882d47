using System.Globalization;
using Microsoft.Extensions.Options;
using MimeKit;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Relay;

/// <summary>
/// What the bank's alerts say: deposits (table <c>relay_deposits</c>), matched to orders where that is certain, and card charges. They are what a mail said and no more: an e-mail alone releases
/// no money.
/// </summary>
public sealed class RelayDeposits(IPwDatabase database, JobEvidence evidence, IAdminToDos todos, TimeProvider time, IOptions<RelayOptions> options)
{
    /// <summary>How long after its payment an order's deposit may come.</summary>
    private static readonly TimeSpan Window = TimeSpan.FromDays(10);

    private const string Missing = "relay-mail-missing";

    /// <summary>Notes what a mail says.</summary>
    /// <param name="id">Number of the mail.</param>
    /// <param name="dryRun">Only tell what it says.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<StepResult> NoteAsync(string id, bool dryRun, CancellationToken ct)
    {
        if (!long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) throw new NonRetryableException($"'{id}' is no number of a mail.");
        var rows = await database.QueryAsync(
            "SELECT evidence_key, from_address, subject, received_at FROM relay_mails WHERE id = @id AND kind = 'new'", Parameters.Of(("id", number)),
            static r => (Key: r.GetString(0), From: r.GetString(1), Subject: r.GetString(2), At: r.Time(3)), ct).ConfigureAwait(false);
        if (rows is not [var mail]) return new("Noted", $"Mail {id} is noted.");
        if (await evidence.ReadAsync(mail.Key, ct).ConfigureAwait(false) is not { } raw)
        {
            // It waits for its bytes; the mails after it do not wait for it.
            var gone = $"The mail '{mail.Subject}' from {mail.From} is not in the store any more ({mail.Key}), so that nothing can be noted from it.";
            if (!dryRun) await todos.RaiseAsync(new ToDoRequest(RelayMailbox.Job, "relay mail " + id, Missing, $"{gone} Find out what happened to it; put back, the next run notes it."), ct).ConfigureAwait(false);
            return new("Refused", gone);
        }

        if (!dryRun) await todos.CloseAsync("relay mail " + id, Missing, ct).ConfigureAwait(false);
        using var message = await RelayMailbox.ParseAsync(raw, ct).ConfigureAwait(false);
        var patterns = RelayPatterns.Load(options.Value.Patterns);
        switch (message is null ? new RelayMail.Unknown("it is no mail that can be read") : RelayMail.Read(message, mail.At, patterns, options.Value))
        {
            case RelayMail.Deposit d:
                var source = SourceOf(d);
                var match = await MatchAsync(d, ct).ConfigureAwait(false);
                var words = $"{Money(d.Cents)} from {d.Counterparty}{(d.Memo is null ? "" : $", memo '{d.Memo}'")} ({source}){(match is { } m ? $", for {m.Order} by {m.By}" : "")}";
                if (dryRun) return new("Deposit", $"Would note a deposit: {words}.");
                // The ToDo first: it is raised once per mail however often this step is run.
                if (match is null && source is "offramp_bridge")
                    await todos.RaiseAsync(new ToDoRequest(RelayMailbox.Job, "relay mail " + id, "relay-deposit-unmatched", $"A deposit can't be matched to an order: {words}. Find the order by the bank's statement. Mail kept: {mail.Key}"), ct).ConfigureAwait(false);
                await WriteAsync(number, "deposit", "patterns " + patterns.Version,
                    "INSERT INTO relay_deposits (mail_id, amount_cents, received_at, counterparty, memo, source_kind, matched_order_id, matched_by, matched_at) VALUES (@id, @cents, @at, @who, @memo, @source, @order, @by, @matched) ON CONFLICT (mail_id) DO NOTHING",
                    Parameters.Of(("id", number), ("cents", d.Cents), ("at", d.At), ("who", d.Counterparty), ("memo", d.Memo), ("source", source), ("order", match?.Order), ("by", match?.By), ("matched", match is null ? null : time.GetUtcNow())), ct).ConfigureAwait(false);
                return new("Deposit", $"Deposit of {words}.");
            case RelayMail.CardCharge c:
                var charge = $"{Money(c.Cents)} at {c.Merchant}{(c.CardLast4 is null ? "" : ", card " + c.CardLast4)}";
                if (dryRun) return new("Charge", $"Would note a card charge: {charge}.");
                await WriteAsync(number, "card", "patterns " + patterns.Version,
                    "INSERT INTO relay_card_charges (mail_id, amount_cents, merchant, card_last4, charged_at) VALUES (@id, @cents, @merchant, @card, @at) ON CONFLICT (mail_id) DO NOTHING",
                    Parameters.Of(("id", number), ("cents", c.Cents), ("merchant", c.Merchant), ("card", c.CardLast4), ("at", c.At)), ct).ConfigureAwait(false);
                return new("Charge", $"Card charge of {charge}.");
            case RelayMail.Doubtful d:
                return await AsideAsync(number, "doubtful", $"The mail '{mail.Subject}' says it is from {mail.From}, but {d.Why}. Nothing was noted from it.", mail.Key, dryRun, ct).ConfigureAwait(false);
            case RelayMail.Unknown u:
                return await AsideAsync(number, "unknown", $"The mail '{mail.Subject}' from {mail.From} is of no known shape: {u.Why}. Nothing was noted from it. A new shape goes into RELAY_MAIL_PATTERNS.", mail.Key, dryRun, ct).ConfigureAwait(false);
            default:
                throw new InvalidOperationException("The mail was read as nothing.");
        }
    }

    private async Task<StepResult> AsideAsync(long id, string kind, string words, string key, bool dryRun, CancellationToken ct)
    {
        var outcome = kind == "unknown" ? "Unknown" : "Doubtful";
        if (dryRun) return new(outcome, words);
        await todos.RaiseAsync(new ToDoRequest(RelayMailbox.Job, "relay mail " + id.ToString(CultureInfo.InvariantCulture), "relay-mail-" + kind, $"{words} Mail kept: {key}"), ct).ConfigureAwait(false);
        await WriteAsync(id, kind, words, null, [], ct).ConfigureAwait(false);
        return new(outcome, words);
    }

    private Task<int> WriteAsync(long id, string kind, string reason, string? sql, IReadOnlyList<KeyValuePair<string, object?>> values, CancellationToken ct) => database.WriteAsync(
        async (connection, transaction, token) =>
        {
            if (sql is not null) await connection.ExecuteAsync(transaction, sql, values, token).ConfigureAwait(false);
            return await connection.ExecuteAsync(
                transaction, "UPDATE relay_mails SET kind = @kind, reason = @reason, noted_at = @now WHERE id = @id AND kind = 'new'",
                Parameters.Of(("kind", kind), ("reason", reason), ("now", time.GetUtcNow()), ("id", id)), token).ConfigureAwait(false);
        },
        ct);

    private string SourceOf(RelayMail.Deposit d)
    {
        bool Says(string word) => d.Counterparty.Contains(word, StringComparison.OrdinalIgnoreCase) || d.Memo?.Contains(word, StringComparison.OrdinalIgnoreCase) == true;
        return Says("bridge") || Says(options.Value.MemoPrefix) ? "offramp_bridge" : Says("stripe") ? "stripe_payout" : Says("paypal") ? "paypal_payout" : "other";
    }

    /// <summary>The order of a deposit: by its memo, or the only crypto order of about that amount in the days before.</summary>
    private async Task<(string Order, string By)?> MatchAsync(RelayMail.Deposit d, CancellationToken ct)
    {
        if (d.Memo is { } memo && memo.IndexOf(options.Value.MemoPrefix, StringComparison.OrdinalIgnoreCase) is >= 0 and var at)
        {
            var number = new string([.. memo[(at + options.Value.MemoPrefix.Length)..].TakeWhile(static c => char.IsAsciiLetterOrDigit(c) || c == '-')]).ToUpperInvariant();
            var named = await database.QueryAsync("SELECT order_number FROM compliance_orders WHERE order_number = @order", Parameters.Of(("order", number)), static r => r.GetString(0), ct).ConfigureAwait(false);
            if (named is [var order]) return (order, "memo");
        }

        if (SourceOf(d) != "offramp_bridge") return null;
        var near = await database.QueryAsync(
            """
            SELECT o.order_number FROM compliance_orders o WHERE o.payment_method = 'crypto' AND o.paid_at <= @at AND o.paid_at >= @from
                AND ABS(o.amount_cents - @cents) * 10000 <= o.amount_cents * @bps AND NOT EXISTS (SELECT 1 FROM relay_deposits r WHERE r.matched_order_id = o.order_number)
            """,
            Parameters.Of(("at", d.At), ("from", d.At - Window), ("cents", d.Cents), ("bps", (long)options.Value.SlippageBps)), static r => r.GetString(0), ct).ConfigureAwait(false);
        return near is [var only] ? (only, "amount") : null;
    }

    private static string Money(long cents) => string.Create(CultureInfo.InvariantCulture, $"${cents / 100m:#,0.00}");
}
