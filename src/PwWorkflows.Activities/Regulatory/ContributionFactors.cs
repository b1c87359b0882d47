using System.Data.Common;
using System.Globalization;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Regulatory;

/// <summary>A contribution factor on record.</summary>
/// <param name="Published">What was published.</param>
/// <param name="Source">Where it was read.</param>
/// <param name="Announce">Whether customers are told of it.</param>
/// <param name="NotifiedAt">When the last customer was told (UTC); <c>null</c>: none yet.</param>
/// <param name="NotificationCount">How many customers were told.</param>
public sealed record StoredFactor(PublishedFactor Published, string Source, bool Announce, DateTimeOffset? NotifiedAt, int NotificationCount);

/// <summary>What the page says beyond what is on record.</summary>
/// <param name="New">Quarters not on record.</param>
/// <param name="Changed">Quarters that have not begun and are published with other figures.</param>
/// <param name="Completed">Quarters on record without circularity factor or notice, which the page gives.</param>
/// <param name="Conflicts">Quarters that have begun and are published with another factor: never overwritten, for a person.</param>
public sealed record FactorDifferences(
    IReadOnlyList<PublishedFactor> New, IReadOnlyList<PublishedFactor> Changed, IReadOnlyList<PublishedFactor> Completed, IReadOnlyList<(PublishedFactor Published, decimal OnRecord)> Conflicts)
{
    /// <summary>Whether there are any.</summary>
    public bool Any => New.Count + Changed.Count + Completed.Count + Conflicts.Count > 0;

    /// <summary>Them in words.</summary>
    public string Words => string.Join("; ", New.Select(f => $"new {f.Quarter}: {ContributionFactors.Show(f.Percent)} %")
        .Concat(Changed.Select(f => $"{f.Quarter} now {ContributionFactors.Show(f.Percent)} %"))
        .Concat(Completed.Select(f => $"{f.Quarter} completed"))
        .Concat(Conflicts.Select(c => $"{c.Published.Quarter} has begun with {ContributionFactors.Show(c.OnRecord)} % on record, but {ContributionFactors.Show(c.Published.Percent)} % is published")));
}

/// <summary>
/// USAC's contribution factors (table <c>usf_contribution_factors</c>): what is published, what that changes, who is to be told. The factor is set each quarter
/// (47 CFR 54.709(a)); a carrier's line item may not exceed it (47 CFR 54.712(a)).
/// </summary>
public sealed class ContributionFactors(
    IPwDatabase database, PublicPages pages, JobEvidence evidence, IMailSender mails, IAdminToDos todos, TimeProvider time, IOptions<RegulatoryOptions> options, IOptions<MailOptions> mailOptions)
{
    /// <summary>The job.</summary>
    public const string Job = "pw-usf-factor-monitor";

    /// <summary>Day of the month before a quarter by which its factor is published; later is worth a look.</summary>
    internal const int ExpectedByDay = 20;

    private const string Columns = "year, quarter, factor_pct, circularity_pct, fcc_public_notice, source, announce, notified_at, notification_count";

    private DateOnly Today => mailOptions.Value.Hours.DateOf(time.GetUtcNow());

    /// <summary>The factors published before this program: <c>contribution-factors.csv</c>.</summary>
    /// <exception cref="InvalidOperationException">The file is broken.</exception>
    public static IReadOnlyList<(PublishedFactor Factor, string Source)> Seeds()
    {
        using var stream = typeof(ContributionFactors).Assembly.GetManifestResourceStream("PwWorkflows.Activities.Regulatory.contribution-factors.csv")!;
        using var reader = new StreamReader(stream);
        var seeds = new List<(PublishedFactor, string)>();
        foreach (var line in reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Skip(1))
        {
            if (line.Split(',', 3) is not [var quarter, var factor, var source]) throw new InvalidOperationException($"contribution-factors.csv: '{line}' has no three fields.");
            seeds.Add((new PublishedFactor(Quarter.Parse(quarter), decimal.Parse(factor, CultureInfo.InvariantCulture) * 100, null, FactorPage.NoticeIn(source)), source));
        }

        return seeds;
    }

    /// <summary>Puts the seeds that are missing on record. They are history: nobody is told of them.</summary>
    /// <returns>How many were missing.</returns>
    public async Task<int> SeedAsync(bool dryRun, CancellationToken ct)
    {
        var known = (await ListAsync(ct).ConfigureAwait(false)).Select(f => f.Published.Quarter).ToHashSet();
        var missing = Seeds().Where(s => !known.Contains(s.Factor.Quarter)).ToList();
        if (dryRun) return missing.Count;
        foreach (var (factor, source) in missing) await InsertAsync(factor, source, null, announce: false, ct).ConfigureAwait(false);
        return missing.Count;
    }

    /// <summary>Everything on record, oldest first.</summary>
    public async Task<IReadOnlyList<StoredFactor>> ListAsync(CancellationToken ct) =>
        await database.QueryAsync($"SELECT {Columns} FROM usf_contribution_factors ORDER BY year, quarter", Parameters.None, Map, ct).ConfigureAwait(false);

    /// <summary>Reads the page; changes nothing.</summary>
    /// <exception cref="PageUnavailableException">It can't be read now.</exception>
    public Task<PublicPage> FetchAsync(CancellationToken ct) => pages.GetAsync(options.Value.FactorsUrl, ct);

    /// <summary>Keeps a page.</summary>
    /// <returns>Its key.</returns>
    public Task<string> KeepAsync(PublicPage page, string note, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(page);
        return evidence.KeepAsync(Job, page.Url.AbsoluteUri, "contribution-factors.html", page.Content, "text/html", note, ct);
    }

    /// <summary>What a page says beyond the record.</summary>
    /// <exception cref="PageShapeException">The page is not as expected.</exception>
    public async Task<FactorDifferences> CompareAsync(string html, CancellationToken ct) =>
        Compare(FactorPage.Parse(html), [.. (await ListAsync(ct).ConfigureAwait(false)).Select(f => f.Published)], Today);

    /// <summary>What a page says beyond the record.</summary>
    /// <param name="published">The page's rows.</param>
    /// <param name="stored">What is on record.</param>
    /// <param name="today">The day; a quarter whose first day it is has begun.</param>
    public static FactorDifferences Compare(IReadOnlyList<PublishedFactor> published, IReadOnlyList<PublishedFactor> stored, DateOnly today)
    {
        ArgumentNullException.ThrowIfNull(published);
        var known = stored.ToDictionary(f => f.Quarter);
        List<PublishedFactor> added = [], changed = [], completed = [];
        List<(PublishedFactor, decimal)> conflicts = [];
        foreach (var row in published.OrderBy(f => f.Quarter))
        {
            if (!known.TryGetValue(row.Quarter, out var before)) added.Add(row);
            else if (row.Percent != before.Percent)
            {
                if (row.Quarter.Start > today) changed.Add(row);
                else conflicts.Add((row, before.Percent));
            }
            else if ((before.Circularity is null && row.Circularity is not null) || (before.Notice is null && row.Notice is not null)) completed.Add(row);
            else if (row.Quarter.Start > today && ((row.Circularity is { } circularity && circularity != before.Circularity) || (row.Notice is { } notice && notice != before.Notice))) changed.Add(row);
        }

        return new FactorDifferences(added, changed, completed, conflicts);
    }

    /// <summary>Puts on record what a kept page says. A quarter that has begun keeps its factor; customers are told of new quarters that have not begun.</summary>
    /// <param name="pageKey">Key of the kept page.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <returns>What was changed.</returns>
    /// <exception cref="NonRetryableException">There is no such page, or it is not as expected.</exception>
    public async Task<FactorDifferences> SaveAsync(string pageKey, CancellationToken ct)
    {
        var page = await evidence.ReadAsync(pageKey, ct).ConfigureAwait(false) ?? throw new NonRetryableException($"There is no kept page '{pageKey}'.");
        var differences = await CompareAsync(System.Text.Encoding.UTF8.GetString(page.Span), ct).ConfigureAwait(false);
        var today = Today;
        var source = options.Value.FactorsUrl.AbsoluteUri;
        foreach (var f in differences.New) await InsertAsync(f, source, pageKey, announce: f.Quarter.Start > today, ct).ConfigureAwait(false);
        foreach (var f in differences.Changed)
        {
            var told = (await database.QueryAsync(
                "SELECT COUNT(*) FROM usf_factor_notices WHERE year = @year AND quarter = @quarter",
                Parameters.Of(("year", f.Quarter.Year), ("quarter", f.Quarter.Number)), static r => r.GetInt64(0), ct).ConfigureAwait(false))[0];
            // The ToDo first: once the record is changed the page says nothing new. By the figure, so that a second correction is told too.
            await todos.RaiseAsync(new ToDoRequest(Job, $"USF {f.Quarter}", "factor-corrected:" + Show(f.Percent),
                $"USAC changed the contribution factor of {f.Quarter} to {Show(f.Percent)} % ({f.Notice ?? "no notice named"}) before the quarter began. {told} customers had been told the earlier one; nobody is mailed again by itself. Page kept: {pageKey}"), ct).ConfigureAwait(false);
            await UpdateAsync(f, pageKey, ct).ConfigureAwait(false);
        }

        foreach (var f in differences.Completed) await UpdateAsync(f, pageKey, ct).ConfigureAwait(false);
        foreach (var (f, onRecord) in differences.Conflicts)
            await todos.RaiseAsync(new ToDoRequest(Job, $"USF {f.Quarter}", "factor-conflict",
                $"The contribution factor of {f.Quarter} is on record with {Show(onRecord)} %, but USAC publishes {Show(f.Percent)} %. The quarter has begun, so the record was not changed. Find out which is right. Page kept: {pageKey}"), ct).ConfigureAwait(false);
        return differences;
    }

    /// <summary>Whether the coming quarter's factor is on record, not yet to be expected, or overdue.</summary>
    public async Task<(string Outcome, Quarter Coming)> CheckComingAsync(CancellationToken ct)
    {
        var coming = Quarter.Of(Today).Next;
        return ((await ListAsync(ct).ConfigureAwait(false)).Any(f => f.Published.Quarter == coming) ? "Known" : IsOverdue(Today) ? "Overdue" : "NotYet", coming);
    }

    /// <summary>Whether the coming quarter's factor should be published by a day: from the 20th of the quarter's last month on.</summary>
    public static bool IsOverdue(DateOnly today) => today.Month % 3 == 0 && today.Day >= ExpectedByDay;

    /// <summary>Which mails are to be sent: <c>2027Q1|dana@carrier.net</c>, one per coming quarter and customer that has an FCC carrier.</summary>
    public async Task<IReadOnlyList<string>> FindMailsAsync(CancellationToken ct)
    {
        var today = Today;
        var quarters = (await ListAsync(ct).ConfigureAwait(false)).Where(f => f.Announce && f.Published.Quarter.Start > today).Select(f => f.Published.Quarter).ToList();
        if (quarters.Count == 0) return [];
        var told = (await database.QueryAsync(
            "SELECT n.year, n.quarter, n.email FROM usf_factor_notices n JOIN usf_contribution_factors f ON f.year = n.year AND f.quarter = n.quarter WHERE f.announce AND f.effective_start > @today",
            Parameters.Of(("today", Iso(today))), static r => (new Quarter(r.GetInt32(0), r.GetInt32(1)), r.GetString(2)), ct).ConfigureAwait(false)).ToHashSet();
        var customers = await CustomersAsync(null, ct).ConfigureAwait(false);
        return [.. from q in quarters from c in customers where !told.Contains((q, c.Email)) select $"{q}|{c.Email}"];
    }

    /// <summary>Tells one customer of one quarter, once.</summary>
    /// <param name="item">As <see cref="FindMailsAsync"/> gave it.</param>
    /// <param name="dryRun">Only tell what would be sent.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<StepResult> MailAsync(string item, bool dryRun, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(item);
        if (item.Split('|', 2) is not [var quarterText, var email]) throw new NonRetryableException($"'{item}' is no quarter and address.");
        var quarter = Quarter.Parse(quarterText);
        var all = await ListAsync(ct).ConfigureAwait(false);
        var customer = (await CustomersAsync(email, ct).ConfigureAwait(false)).FirstOrDefault(c => c.Email == email);
        if (customer is null || all.FirstOrDefault(f => f.Published.Quarter == quarter) is not { Announce: true } stored || quarter.Start <= Today)
            return new StepResult("NotDue", $"{email} is not told of {quarter} any more.");
        var before = all.FirstOrDefault(f => f.Published.Quarter == quarter.Previous)?.Published.Percent;
        var carriers = string.Join(", ", customer.Carriers);
        if (dryRun) return new StepResult("Sent", $"Would tell {email} of {quarter} ({Show(stored.Published.Percent)} %) for {carriers}.");
        var values = new Dictionary<string, object?>
        {
            ["customer_name"] = customer.Name,
            ["quarter"] = quarter.ToString(),
            ["quarter_name"] = quarter.Name,
            ["factor"] = Show(stored.Published.Percent),
            ["previous_factor"] = before is { } b ? Show(b) : null,
            ["direction"] = before is not { } p ? null : stored.Published.Percent > p ? "up" : stored.Published.Percent < p ? "down" : "unchanged",
            ["effective_start"] = quarter.Start.ToString("MMMM d, yyyy", CultureInfo.InvariantCulture),
            ["notice"] = stored.Published.Notice,
            ["carriers"] = customer.Carriers.ToList(),
        };
        try
        {
            await mails.SendAsync(new MailToSend($"mail:usf-factor:{quarter}:{email}", email, "usf-factor", values) { Bulk = true, Hold = MailHold.QuietHours, CopyAdmin = true }, ct).ConfigureAwait(false);
        }
        catch (MailHeldException e)
        {
            return new StepResult("Held", $"{email} is told of {quarter} later. {e.Message}");
        }
        catch (NonRetryableException e)
        {
            await todos.RaiseAsync(new ToDoRequest(Job, $"USF {quarter}", "factor-mail:" + email, $"The customer {email} ({carriers}) could not be told of the contribution factor of {quarter}: {e.Message}"), ct).ConfigureAwait(false);
            return new StepResult("Refused", $"{email} could not be told of {quarter}: {e.Message}");
        }

        var now = time.GetUtcNow();
        var added = await database.ExecuteAsync(
            "INSERT INTO usf_factor_notices (year, quarter, email, mailed_at) VALUES (@year, @quarter, @email, @now) ON CONFLICT (year, quarter, email) DO NOTHING",
            Parameters.Of(("year", quarter.Year), ("quarter", quarter.Number), ("email", email), ("now", now)), ct).ConfigureAwait(false);
        if (added > 0)
            await database.ExecuteAsync(
                "UPDATE usf_contribution_factors SET notified_at = @now, notification_count = (SELECT COUNT(*) FROM usf_factor_notices n WHERE n.year = @year AND n.quarter = @quarter) WHERE year = @year AND quarter = @quarter",
                Parameters.Of(("now", now), ("year", quarter.Year), ("quarter", quarter.Number)), ct).ConfigureAwait(false);
        return new StepResult("Sent", $"Told {email} of {quarter} for {carriers}.");
    }

    /// <summary>A percentage without needless zeros.</summary>
    internal static string Show(decimal percent) => percent.ToString("0.####", CultureInfo.InvariantCulture);

    private sealed record Customer(string Email, string Name, IReadOnlyList<string> Carriers);

    /// <param name="email">Only this one; <c>null</c>: all.</param>
    /// <param name="ct">Stops the wait.</param>
    private async Task<IReadOnlyList<Customer>> CustomersAsync(string? email, CancellationToken ct)
    {
        var rows = await database.QueryAsync(
            $"""
             SELECT o.customer_email, o.customer_name, e.legal_name FROM compliance_orders o JOIN telecom_entities e ON e.id = o.telecom_entity_id
             WHERE o.payment_status IN ('paid', 'partially_refunded') {(email is null ? "" : "AND lower(trim(o.customer_email)) = @email")} ORDER BY o.created_at DESC, o.order_number
             """,
            email is null ? Parameters.None : Parameters.Of(("email", email)), static r => (Email: r.GetString(0).Trim().ToLowerInvariant(), Name: r.GetString(1), Carrier: r.GetString(2)), ct).ConfigureAwait(false);
        return [.. rows.Where(r => CustomerAddresses.IsWellFormed(r.Email) && !CustomerAddresses.IsPlaceholder(r.Email)).GroupBy(r => r.Email)
            .Select(g => new Customer(g.Key, g.First().Name, [.. g.Select(r => r.Carrier).Distinct().Order(StringComparer.Ordinal)])).OrderBy(c => c.Email, StringComparer.Ordinal)];
    }

    private Task<int> InsertAsync(PublishedFactor f, string source, string? page, bool announce, CancellationToken ct) => database.ExecuteAsync(
        """
        INSERT INTO usf_contribution_factors (year, quarter, effective_start, effective_end, factor_pct, circularity_pct, fcc_public_notice, source, evidence_key, first_seen_at, announce)
        VALUES (@year, @quarter, @start, @end, @factor, @circularity, @notice, @source, @page, @now, @announce) ON CONFLICT (year, quarter) DO NOTHING
        """,
        Parameters.Of(("year", f.Quarter.Year), ("quarter", f.Quarter.Number), ("start", Iso(f.Quarter.Start)), ("end", Iso(f.Quarter.End)), ("factor", f.Percent), ("circularity", f.Circularity),
            ("notice", f.Notice), ("source", source), ("page", page), ("now", time.GetUtcNow()), ("announce", announce)), ct);

    private Task<int> UpdateAsync(PublishedFactor f, string page, CancellationToken ct) => database.ExecuteAsync(
        """
        UPDATE usf_contribution_factors SET factor_pct = @factor, circularity_pct = COALESCE(@circularity, circularity_pct), fcc_public_notice = COALESCE(@notice, fcc_public_notice), evidence_key = @page
        WHERE year = @year AND quarter = @quarter
        """,
        Parameters.Of(("year", f.Quarter.Year), ("quarter", f.Quarter.Number), ("factor", f.Percent), ("circularity", f.Circularity), ("notice", f.Notice), ("page", page)), ct);

    private static string Iso(DateOnly date) => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static StoredFactor Map(DbDataReader r) => new(
        new PublishedFactor(new Quarter(r.GetInt32(0), r.GetInt32(1)), r.GetDecimal(2), r.IsDBNull(3) ? null : r.GetDecimal(3), r.Text(4)),
        r.GetString(5), r.GetBoolean(6), r.TimeOrNull(7), r.GetInt32(8));
}
