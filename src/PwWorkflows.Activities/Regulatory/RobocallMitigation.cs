using System.Globalization;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Regulatory;

/// <summary>
/// Watches the FCC's Robocall Mitigation Database for our customers' carriers: whoever is removed loses its traffic, because others must stop taking its calls within two business days
/// (47 CFR 64.6305(g)). Absence is the only signal, and a bad page looks the same, so that a listing must be of a sane size, is read twice, and is a matter for an administrator until a later
/// run sees the same: only then the customer is told. An order of removal is believed at once.
/// </summary>
public sealed class RobocallMitigation(
    IPwDatabase database, PublicPages pages, JobEvidence evidence, IMailSender mails, IAdminToDos todos, TimeProvider time, IOptions<RegulatoryOptions> options, IOptions<MailOptions> mailOptions)
{
    /// <summary>The job.</summary>
    public const string Job = "pw-fcc-rmd-removed";

    /// <summary>A listing with fewer rows than this share of the one before is not believed, in percent.</summary>
    internal const int LeastShare = 80;

    /// <summary>Looks that are closer together are one: a step that was tried again, or a page that is kept ready for an hour.</summary>
    internal static readonly TimeSpan Apart = TimeSpan.FromHours(12);

    /// <summary>Days that a filing may take to show in the listing.</summary>
    internal const int DaysToShow = 14;

    private const string Unconfirmed = "rmd-unconfirmed";

    private sealed record Carrier(int Id, string Name, string Frn);

    /// <summary>Reads the listing and writes down which of our carriers it has.</summary>
    /// <returns>The outcome <c>First</c>, <c>Taken</c> or <c>NotAsExpected</c>, and the key of the kept listing.</returns>
    /// <exception cref="PageUnavailableException">It can't be read now.</exception>
    public async Task<(StepResult Result, string Key)> TakeAsync(bool dryRun, CancellationToken ct)
    {
        PublicPage? page = null;
        try
        {
            (page, var frns, var rows) = await ReadListingAsync(ct).ConfigureAwait(false);
            var before = (await database.QueryAsync("SELECT listed FROM rmd_snapshots ORDER BY id DESC LIMIT 1", Parameters.None, static r => r.GetInt32(0), ct).ConfigureAwait(false)).Cast<int?>().FirstOrDefault();
            if (rows < options.Value.RmdMinRows) throw new PageShapeException(string.Create(CultureInfo.InvariantCulture, $"it lists {rows} filers, expected at least {options.Value.RmdMinRows}"));
            if (before is { } b && rows * 100L < b * (long)LeastShare) throw new PageShapeException(string.Create(CultureInfo.InvariantCulture, $"it lists {rows} filers, {b} the time before"));
            if (options.Value.RmdControlFrn is { Length: > 0 } control && !frns.Contains(control)) throw new PageShapeException($"the FRN {control}, which is always listed, is not");
            var carriers = await CarriersAsync(ct).ConfigureAwait(false);
            var ever = await EverListedAsync(ct).ConfigureAwait(false);
            var listed = carriers.Where(c => frns.Contains(c.Frn)).Select(c => c.Frn).ToHashSet(StringComparer.Ordinal);
            PublicPage? second = null;
            if (carriers.Any(c => !listed.Contains(c.Frn) && ever.Contains(c.Frn)))
            {
                // Someone seems to be gone: only what two looks agree on is believed.
                (second, var again, _) = await ReadListingAsync(ct).ConfigureAwait(false);
                listed.UnionWith(carriers.Where(c => again.Contains(c.Frn)).Select(c => c.Frn));
            }

            var words = string.Create(CultureInfo.InvariantCulture, $"The listing has {rows} filers, {listed.Count} of our {carriers.Count} carriers among them");
            if (dryRun) return (new(before is null ? "First" : "Taken", $"{words}. Gone: {Names(carriers.Where(c => ever.Contains(c.Frn) && !listed.Contains(c.Frn)))}."), "");
            var key = await evidence.KeepAsync(Job, page.Url.AbsoluteUri, "rmd-listing.csv", page.Content, "text/csv", words, ct).ConfigureAwait(false);
            if (second is not null) await evidence.KeepAsync(Job, second.Url.AbsoluteUri, "rmd-listing-again.csv", second.Content, "text/csv", "The second look of a run whose first missed somebody", ct).ConfigureAwait(false);
            await database.WriteAsync(
                async (connection, transaction, token) =>
                {
                    var id = (await connection.QueryAsync(
                        transaction, "INSERT INTO rmd_snapshots (taken_at, listed, evidence_key) VALUES (@now, @rows, @key) RETURNING id",
                        Parameters.Of(("now", time.GetUtcNow()), ("rows", rows), ("key", key)), static r => r.GetInt64(0), token).ConfigureAwait(false))[0];
                    foreach (var frn in listed)
                        await connection.ExecuteAsync(transaction, "INSERT INTO rmd_snapshot_carriers (snapshot_id, frn) VALUES (@id, @frn)", Parameters.Of(("id", id), ("frn", frn)), token).ConfigureAwait(false);
                    return id;
                },
                ct).ConfigureAwait(false);
            return (new(before is null ? "First" : "Taken", words + "." + (before is null ? " It is the first: nobody is alarmed." : "")), key);
        }
        catch (PageShapeException e)
        {
            var key = page is null || dryRun ? "" : await evidence.KeepAsync(Job, page.Url.AbsoluteUri, "rmd-listing.txt", page.Content, page.ContentType, "not as expected: " + e.Message, ct).ConfigureAwait(false);
            return (new("NotAsExpected", $"The listing of the Robocall Mitigation Database at {options.Value.RmdUrl} is not as expected: {e.Message}. Nobody was compared with it.{(key.Length > 0 ? " Page kept: " + key : "")}"), key);
        }
    }

    /// <summary>
    /// Compares the newest snapshot with those before it: who was listed once and is not, and who had us file two weeks ago or more and never was. Whoever is gone for the first time is told to an
    /// administrator; a later run that sees the same confirms it.
    /// </summary>
    public async Task<StepResult> CompareAsync(bool dryRun, CancellationToken ct)
    {
        if (dryRun) return new("Done", "Nothing is changed in a dry run; the step before tells who is gone.");
        var snapshots = await database.QueryAsync("SELECT id, taken_at FROM rmd_snapshots ORDER BY id DESC LIMIT 1", Parameters.None, static r => (Id: r.GetInt64(0), At: r.Time(1)), ct).ConfigureAwait(false);
        // A first look that was tried again is still the first.
        if (snapshots is not [var newest]
            || (await database.QueryAsync("SELECT id FROM rmd_snapshots WHERE taken_at <= @before LIMIT 1", Parameters.Of(("before", newest.At - Apart)), static r => r.GetInt64(0), ct).ConfigureAwait(false)).Count == 0)
            return new("Done", "There is nothing to compare the first snapshot with.");
        var now = time.GetUtcNow();
        var listed = (await database.QueryAsync("SELECT frn FROM rmd_snapshot_carriers WHERE snapshot_id = @id", Parameters.Of(("id", newest.Id)), static r => r.GetString(0), ct).ConfigureAwait(false)).ToHashSet(StringComparer.Ordinal);
        var ever = await EverListedAsync(ct).ConfigureAwait(false);
        var filed = (await database.QueryAsync(
            "SELECT DISTINCT telecom_entity_id FROM compliance_orders WHERE service_slug = 'rmd-filing' AND fulfillment_status IN ('filed', 'completed') AND telecom_entity_id IS NOT NULL AND updated_at <= @before",
            Parameters.Of(("before", newest.At.AddDays(-DaysToShow))), static r => r.GetInt32(0), ct).ConfigureAwait(false)).ToHashSet();
        var known = (await database.QueryAsync("SELECT frn, reason, found_at, confirmed_at FROM rmd_removals WHERE resolved_at IS NULL", Parameters.None,
            static r => (Frn: r.GetString(0), Reason: r.GetString(1), At: r.Time(2), Confirmed: !r.IsDBNull(3)), ct).ConfigureAwait(false)).ToDictionary(static r => r.Frn, StringComparer.Ordinal);
        List<Carrier> gone = [], confirmed = [], back = [];
        foreach (var c in await CarriersAsync(ct).ConfigureAwait(false))
        {
            var open = known.TryGetValue(c.Frn, out var removal);
            if (listed.Contains(c.Frn))
            {
                // An order takes some days to show in the listing: it is not over because it does not show yet.
                if (!open || (removal.Reason == "order" && removal.At >= now.AddDays(-30))) continue;
                await todos.CloseAsync("RMD " + c.Frn, Unconfirmed, ct).ConfigureAwait(false);
                await database.ExecuteAsync("UPDATE rmd_removals SET resolved_at = @now WHERE frn = @frn AND resolved_at IS NULL", Parameters.Of(("now", now), ("frn", c.Frn)), ct).ConfigureAwait(false);
                back.Add(c);
            }
            else if (open)
            {
                if (removal.Confirmed || removal.At > newest.At - Apart) continue;
                await database.ExecuteAsync("UPDATE rmd_removals SET confirmed_at = @now WHERE frn = @frn AND resolved_at IS NULL AND confirmed_at IS NULL", Parameters.Of(("now", now), ("frn", c.Frn)), ct).ConfigureAwait(false);
                confirmed.Add(c);
            }
            else if ((ever.Contains(c.Frn) ? "removed" : filed.Contains(c.Id) ? "missing" : null) is { } reason)
            {
                // The ToDo first: noted without one, nobody would look.
                await todos.RaiseAsync(new ToDoRequest(Job, "RMD " + c.Frn, Unconfirmed,
                    $"{c.Name} (FRN {c.Frn}) {(reason == "removed" ? "was listed" : "was filed for")}, but is not in today's listing of the Robocall Mitigation Database. Others must stop taking its calls within two business days of a removal, and a bad listing looks the same: look it up there now. The customer is told when the next run sees the same; to have it today: pw schedules run {Job}"), ct).ConfigureAwait(false);
                if (await AddAsync(c, reason, "snapshot " + newest.Id.ToString(CultureInfo.InvariantCulture), null, ct).ConfigureAwait(false)) gone.Add(c);
            }
        }

        return new("Done", $"Gone since last time: {Names(gone)}. Still gone: {Names(confirmed)}. Back: {Names(back)}.");
    }

    /// <summary>Reads the removal orders that are new. Those that were there before we looked first alarm nobody.</summary>
    /// <returns><c>Read</c>, or <c>NotAsExpected</c> when the page or an order was not understood.</returns>
    public async Task<StepResult> ReadOrdersAsync(bool dryRun, CancellationToken ct)
    {
        var list = await pages.GetAsync(options.Value.RmdOrdersUrl, ct).ConfigureAwait(false);
        IReadOnlyList<(string Document, Uri Text)> orders;
        try
        {
            orders = RmdListing.Orders(list.Text, list.Url);
        }
        catch (PageShapeException e)
        {
            var key = dryRun ? "" : await evidence.KeepAsync(Job, list.Url.AbsoluteUri, "rmd-orders.html", list.Content, "text/html", "not as expected: " + e.Message, ct).ConfigureAwait(false);
            return new("NotAsExpected", $"The page of removal orders {list.Url} is not as expected: {e.Message}. {key}");
        }

        var known = (await database.QueryAsync("SELECT document FROM rmd_removal_orders", Parameters.None, static r => r.GetString(0), ct).ConfigureAwait(false)).ToHashSet(StringComparer.Ordinal);
        var fresh = orders.Where(o => !known.Contains(o.Document)).ToList();
        if (known.Count == 0)
        {
            if (!dryRun)
            {
                var first = await evidence.KeepAsync(Job, list.Url.AbsoluteUri, "rmd-orders.html", list.Content, "text/html", "the orders that were there before we looked first", ct).ConfigureAwait(false);
                // All in one transaction: what is missing of it would look new.
                await database.WriteAsync(
                    async (connection, transaction, token) =>
                    {
                        foreach (var (document, _) in fresh)
                        {
                            var (sql, values) = Seen(document, true, 0, first);
                            await connection.ExecuteAsync(transaction, sql, values, token).ConfigureAwait(false);
                        }

                        return true;
                    },
                    ct).ConfigureAwait(false);
            }

            return new("Read", string.Create(CultureInfo.InvariantCulture, $"{fresh.Count} removal orders were there before we looked first: nobody is alarmed."));
        }

        var carriers = await CarriersAsync(ct).ConfigureAwait(false);
        List<string> problems = [];
        List<Carrier> named = [];
        foreach (var (document, address) in fresh)
        {
            PublicPage text;
            try
            {
                text = await pages.GetAsync(address, ct).ConfigureAwait(false);
            }
            catch (PageUnavailableException e)
            {
                // Not read is not seen: the next run reads it. The others must not wait for it.
                problems.Add($"{document}: {e.Message}");
                continue;
            }

            var key = dryRun ? "" : await evidence.KeepAsync(Job, address.AbsoluteUri, document + ".txt", text.Content, "text/plain", "removal order", ct).ConfigureAwait(false);
            try
            {
                var frns = RmdListing.FrnsOf(text.Text);
                var ours = carriers.Where(c => frns.Contains(c.Frn)).ToList();
                named.AddRange(ours);
                if (dryRun) continue;
                foreach (var c in ours) await AddAsync(c, "order", document, time.GetUtcNow(), ct).ConfigureAwait(false);
                var (sql, values) = Seen(document, false, frns.Count, key);
                await database.ExecuteAsync(sql, values, ct).ConfigureAwait(false);
            }
            catch (PageShapeException e)
            {
                problems.Add($"{document}: {e.Message} ({address})");
            }
        }

        var words = string.Create(CultureInfo.InvariantCulture, $"{fresh.Count} new removal orders name of our carriers: {Names(named)}.");
        return problems.Count == 0 ? new("Read", words) : new("NotAsExpected", $"{words} Not read or not understood: {string.Join("; ", problems)}. What is not read now is read by the next run; to have it today: pw schedules run {Job}");
    }

    /// <summary>Removals that are certain and that nobody was told of.</summary>
    public async Task<IReadOnlyList<string>> FindAlertsAsync(CancellationToken ct) =>
        await database.QueryAsync("SELECT id FROM rmd_removals WHERE alerted_at IS NULL AND resolved_at IS NULL AND confirmed_at IS NOT NULL ORDER BY id", Parameters.None, static r => r.GetInt64(0).ToString(CultureInfo.InvariantCulture), ct).ConfigureAwait(false);

    /// <summary>Tells an administrator, and the customer with an offer to file again.</summary>
    public async Task<StepResult> AlertAsync(string id, bool dryRun, CancellationToken ct)
    {
        if (!long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) throw new NonRetryableException($"'{id}' is no removal.");
        var rows = await database.QueryAsync(
            """
            SELECT e.legal_name, r.frn, r.reason, r.source, o.customer_name, o.customer_email FROM rmd_removals r JOIN telecom_entities e ON e.id = r.telecom_entity_id
            LEFT JOIN compliance_orders o ON o.order_number = (SELECT x.order_number FROM compliance_orders x WHERE x.telecom_entity_id = e.id AND x.payment_status IN ('paid', 'partially_refunded') ORDER BY x.created_at DESC, x.order_number LIMIT 1)
            WHERE r.id = @id AND r.alerted_at IS NULL AND r.resolved_at IS NULL AND r.confirmed_at IS NOT NULL
            """,
            Parameters.Of(("id", number)),
            static r => (Carrier: r.GetString(0), Frn: r.GetString(1), Reason: r.GetString(2), Source: r.GetString(3), Name: r.Text(4), Email: r.Text(5)), ct).ConfigureAwait(false);
        if (rows is not [var removal]) return new("NotDue", $"Removal {id} needs no alert.");
        var what = removal.Reason switch { "order" => $"is named in the FCC's removal order {removal.Source}", "missing" => "was filed for, but is not listed", _ => "is not listed any more" };
        if (dryRun) return new("Alerted", $"Would tell that {removal.Carrier} ({removal.Frn}) {what}.");
        var email = removal.Email is { } address && CustomerAddresses.IsWellFormed(address) && !CustomerAddresses.IsPlaceholder(address) ? address : null;
        await todos.RaiseAsync(new ToDoRequest(Job, "RMD " + removal.Frn, "rmd-" + removal.Reason,
            $"{removal.Carrier} (FRN {removal.Frn}) {what} in the Robocall Mitigation Database. Others must stop taking its calls within two business days of a removal. {(email is null ? "There is no customer to tell." : $"{email} is told and offered to file again.")}"), ct).ConfigureAwait(false);
        await todos.CloseAsync("RMD " + removal.Frn, Unconfirmed, ct).ConfigureAwait(false);
        var refused = "";
        if (email is not null)
        {
            var values = new Dictionary<string, object?>
            {
                ["customer_name"] = removal.Name,
                ["carrier"] = removal.Carrier,
                ["frn"] = removal.Frn,
                ["reason"] = removal.Reason,
                ["source"] = removal.Source,
                ["refile_url"] = $"{mailOptions.Value.Site.AbsoluteUri.TrimEnd('/')}/order?service=rmd-filing&frn={removal.Frn}",
            };
            try
            {
                await mails.SendAsync(new MailToSend("mail:rmd-removed:" + id, email, "rmd-removed", values) { Bulk = true, Hold = MailHold.QuietHours, CopyAdmin = true }, ct).ConfigureAwait(false);
            }
            catch (MailHeldException e)
            {
                return new("Held", $"{removal.Carrier} ({removal.Frn}) {what}; {email} is told later. {e.Message}");
            }
            catch (NonRetryableException e)
            {
                refused = $" The mail to {email} was refused: {e.Message}";
                await todos.RaiseAsync(new ToDoRequest(Job, "RMD " + removal.Frn, "rmd-mail-refused", $"{removal.Carrier} can't be told that it {what}: {e.Message}. Call the customer."), ct).ConfigureAwait(false);
            }
        }

        await database.ExecuteAsync("UPDATE rmd_removals SET alerted_at = @now WHERE id = @id AND alerted_at IS NULL", Parameters.Of(("now", time.GetUtcNow()), ("id", number)), ct).ConfigureAwait(false);
        return new("Alerted", $"{removal.Carrier} ({removal.Frn}) {what}.{refused}");
    }

    private async Task<(PublicPage Page, IReadOnlySet<string> Frns, int Rows)> ReadListingAsync(CancellationToken ct)
    {
        var page = await pages.GetAsync(options.Value.RmdUrl, ct).ConfigureAwait(false);
        if (page.ContentType == "text/html")
            page = await pages.GetAsync(RmdListing.CsvLink(page.Text, page.Url) ?? throw new PageShapeException("the page has not exactly one link to a CSV file"), ct).ConfigureAwait(false);
        var (frns, rows) = RmdListing.Parse(page.Text);
        return (page, frns, rows);
    }

    /// <summary>Notes a removal; an order makes certain what was only an absence.</summary>
    private async Task<bool> AddAsync(Carrier c, string reason, string source, DateTimeOffset? confirmed, CancellationToken ct) =>
        await database.ExecuteAsync(
            """
            INSERT INTO rmd_removals (telecom_entity_id, frn, reason, source, found_at, confirmed_at) VALUES (@entity, @frn, @reason, @source, @now, @confirmed)
            ON CONFLICT (frn) WHERE resolved_at IS NULL DO UPDATE SET reason = excluded.reason, source = excluded.source, confirmed_at = excluded.confirmed_at
            WHERE rmd_removals.confirmed_at IS NULL AND excluded.confirmed_at IS NOT NULL
            """,
            Parameters.Of(("entity", c.Id), ("frn", c.Frn), ("reason", reason), ("source", source), ("now", time.GetUtcNow()), ("confirmed", confirmed)), ct).ConfigureAwait(false) == 1;

    private (string Sql, IReadOnlyList<KeyValuePair<string, object?>> Values) Seen(string document, bool baseline, int frns, string? key) => (
        "INSERT INTO rmd_removal_orders (document, baseline, frns, evidence_key, seen_at) VALUES (@document, @baseline, @frns, @key, @now) ON CONFLICT (document) DO NOTHING",
        Parameters.Of(("document", document), ("baseline", baseline), ("frns", frns), ("key", key), ("now", time.GetUtcNow())));

    private async Task<HashSet<string>> EverListedAsync(CancellationToken ct) =>
        (await database.QueryAsync("SELECT DISTINCT frn FROM rmd_snapshot_carriers", Parameters.None, static r => r.GetString(0), ct).ConfigureAwait(false)).ToHashSet(StringComparer.Ordinal);

    private async Task<IReadOnlyList<Carrier>> CarriersAsync(CancellationToken ct) =>
        [.. (await database.QueryAsync("SELECT id, legal_name, frn FROM telecom_entities WHERE frn IS NOT NULL ORDER BY id", Parameters.None, static r => new Carrier(r.GetInt32(0), r.GetString(1), r.GetString(2).Trim().PadLeft(10, '0')), ct).ConfigureAwait(false)).DistinctBy(c => c.Frn)];

    private static string Names(IEnumerable<Carrier> carriers) => string.Join(", ", carriers.Select(c => $"{c.Name} ({c.Frn})")) is { Length: > 0 } names ? names : "nobody";
}
