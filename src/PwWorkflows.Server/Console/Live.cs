using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Authentication;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary>
/// What open pages are told of: a topic such as <c>order:CO-1</c> has a mark that changes whenever anything of it does, whichever node changed it. Marks are read once a second while somebody listens,
/// once for all who listen to the same topic, and not at all while nobody does.
/// </summary>
internal sealed class LiveFeed(IPwDatabase database, IWorkflowAdmin workflows, TimeProvider time)
{
    /// <summary>What needs a person, the last filings, today's orders.</summary>
    public const string Overview = "overview";
    /// <summary>All requests for approval.</summary>
    public const string Approvals = "approvals";
    /// <summary>All schedules and their runs.</summary>
    public const string Schedules = "schedules";

    /// <summary>Hot wallets, receipts, deposits, commissions.</summary>
    public const string Treasury = "treasury";

    /// <summary>What is stuck, and what of it was told to go on.</summary>
    public const string Stuck = "stuck";

    private static readonly TimeSpan KeepFor = TimeSpan.FromMilliseconds(900);
    private static readonly TimeSpan ForgetAfter = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, (long At, Task<string> Mark)> _marks = new(StringComparer.Ordinal);

    /// <summary>The topic of an order's page.</summary>
    public static string Order(string number) => "order:" + number;

    /// <summary>The topic of a schedule's page.</summary>
    public static string Schedule(string name) => "schedule:" + name;

    /// <summary>The topic of the page of one run of a schedule.</summary>
    public static string Run(string id) => "run:" + id;

    /// <summary>Whether there is such a topic.</summary>
    public static bool IsTopic(string text) => text is Overview or Approvals or Schedules or Treasury or Stuck || (text.Length <= 200 && text.Split(':', 2) is ["order" or "schedule" or "run", { Length: > 0 } id] && !id.AsSpan().ContainsAny('\0', '\n', '\r'));

    /// <summary>The mark of a topic as it is now, at most a second old.</summary>
    public Task<string> MarkAsync(string topic, CancellationToken ct)
    {
        var now = time.GetTimestamp();
        if (_marks.TryGetValue(topic, out var known) && (!known.Mark.IsCompleted || (known.Mark.IsCompletedSuccessfully && time.GetElapsedTime(known.At, now) < KeepFor))) return known.Mark.WaitAsync(ct);
        foreach (var (old, entry) in _marks)
            if (time.GetElapsedTime(entry.At, now) > ForgetAfter) _marks.TryRemove(new(old, entry));
        var mark = ReadAsync(topic); // Not the caller's token: others wait for the same.
        _marks[topic] = (now, mark);
        return mark.WaitAsync(ct);
    }

    /// <summary>The mark as it is now, for a page that is about to be read: never one from before.</summary>
    public Task<string> FreshMarkAsync(string topic) => ReadAsync(topic);

    private Task<string> ReadAsync(string topic) => topic.Split(':', 2) switch
    {
        [Overview] => SumAsync(
            """
            SELECT (SELECT COUNT(*) FROM approvals WHERE status = 'waiting'), (SELECT MAX(requested_at) FROM approvals WHERE status = 'waiting'),
                (SELECT COUNT(*) FROM admin_todos WHERE status = 'open'), (SELECT MAX(id) FROM admin_todos WHERE status = 'open'), (SELECT COUNT(*) FROM stuck_instances), (SELECT MAX(at) FROM stuck_instances),
                (SELECT MAX(sequence) FROM filings), (SELECT MAX(id) FROM order_timeline), (SELECT MAX(id) FROM audit_log), (SELECT SUM(revision) FROM schedules), (SELECT MAX(first_seen_at) FROM usf_contribution_factors), (SELECT MAX(evidence_key) FROM usf_contribution_factors)
            """, Parameters.None),
        [Approvals] => SumAsync("SELECT (SELECT COUNT(*) FROM approvals WHERE status = 'waiting'), (SELECT MAX(requested_at) FROM approvals), (SELECT MAX(id) FROM audit_log)", Parameters.None),
        [Schedules] => SumAsync("SELECT COUNT(*), SUM(revision) FROM schedules", Parameters.None),
        [Treasury] => SumAsync(
            "SELECT (SELECT MAX(looked_at) FROM cold_wallet_positions), (SELECT MAX(updated_at) FROM crypto_payment_jobs), (SELECT MAX(id) FROM relay_mails), (SELECT MAX(noted_at) FROM relay_mails), (SELECT COUNT(*) FROM relay_deposits WHERE matched_order_id IS NULL), (SELECT SUM(amount_cents) FROM commissions WHERE status = 'payable' AND statement IS NULL)",
            Parameters.None),
        [Stuck] => SumAsync("SELECT COUNT(*), COUNT(retried_at), MAX(at), MAX(retried_at) FROM stuck_instances", Parameters.None),
        ["schedule", var name] => SumAsync(
            "SELECT SUM(revision), (SELECT COUNT(*) FROM schedule_runs r WHERE r.schedule_id IN (SELECT id FROM schedules WHERE name = @name) AND r.outcome IN ('waiting', 'running')) FROM schedules WHERE name = @name",
            Parameters.Of(("name", name))),
        ["run", var id] => RunAsync(id),
        ["order", var number] => OrderAsync(number),
        _ => Task.FromResult(""),
    };

    private async Task<string> RunAsync(string id)
    {
        var run = await database.QueryAsync("SELECT outcome, instance_id FROM schedule_runs WHERE id = @id", Parameters.Of(("id", id)), static r => (Outcome: r.GetString(0), Instance: r.Text(1)), default).ConfigureAwait(false);
        if (run is not [var (outcome, instance)]) return "";
        var found = instance is null ? null : await workflows.GetInstanceAsync(instance, default).ConfigureAwait(false);
        return Hash([outcome, found?.Instance.Status, found?.Instance.UpdatedAt]);
    }

    private async Task<string> OrderAsync(string number)
    {
        var row = await database.QueryAsync(
            """
            SELECT (SELECT updated_at FROM compliance_orders WHERE order_number = @order), (SELECT MAX(id) FROM order_timeline WHERE order_number = @order), (SELECT COUNT(*) FROM mails WHERE order_number = @order AND status = 'sent'),
                (SELECT MAX(at) FROM mails WHERE order_number = @order), (SELECT MAX(id) FROM admin_todos WHERE order_number = @order AND status = 'open'), (SELECT COUNT(*) FROM admin_todos WHERE order_number = @order AND status = 'open'),
                (SELECT MAX(sequence) FROM filings WHERE order_number = @order), (SELECT MAX(id) FROM audit_log WHERE subject = @order), (SELECT COUNT(*) FROM approvals WHERE order_number = @order AND status = 'waiting')
            """,
            Parameters.Of(("order", number)), Values, default).ConfigureAwait(false);
        var values = new List<object?>(row[0]);
        var cycles = await database.QueryAsync("SELECT cycle FROM order_fulfilments WHERE order_number = @order AND cycle <> ''", Parameters.Of(("order", number)), static r => r.GetString(0), default).ConfigureAwait(false);
        foreach (var cycle in (string[])["", .. cycles])
            foreach (var i in (await workflows.ListInstancesAsync(new WorkflowInstanceQuery { CorrelationId = Fulfilment.Correlation(number, cycle), Take = 200 }, default).ConfigureAwait(false)).Items)
                values.AddRange([i.Id, i.Status, i.UpdatedAt]);
        return Hash(values);
    }

    private async Task<string> SumAsync(string sql, IReadOnlyList<KeyValuePair<string, object?>> parameters) => Hash((await database.QueryAsync(sql, parameters, Values, default).ConfigureAwait(false))[0]);

    private static object?[] Values(DbDataReader row)
    {
        var values = new object[row.FieldCount];
        row.GetValues(values);
        return values;
    }

    private static string Hash(IEnumerable<object?> values) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', values.Select(static v => Convert.ToString(v is DateTime time ? time.Ticks : v is DateTimeOffset at ? at.UtcTicks : v, CultureInfo.InvariantCulture)))))[..8]);
}

/// <summary><c>GET /live?on=TOPIC~MARK</c>: server-sent events, <c>changed</c> with <c>TOPIC~MARK</c> whenever a topic has another mark. A mark that is empty stands for what is now.</summary>
internal static class LiveEndpoint
{
    /// <summary>Address of the events.</summary>
    public const string Path = "/live";

    private const int MostTopics = 8;
    /// <summary>Streams of one node; who comes later does with the slow renewal.</summary>
    private const int MostStreams = 500;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Check = TimeSpan.FromSeconds(5);
    private static int _streams;

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet(Path, static async (HttpContext http, LiveFeed feed, AdminUsers users, TimeProvider time, IHostApplicationLifetime host) =>
        {
            ConsoleFilter.Protect(http);
            var topics = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var on in http.Request.Query["on"])
            {
                var parts = (on ?? "").Split('~', 2);
                if (!LiveFeed.IsTopic(parts[0])) return Results.Problem($"on: expected a topic such as overview or order:CO-1, found '{parts[0]}'.", statusCode: StatusCodes.Status400BadRequest);
                topics[parts[0]] = parts.Length > 1 ? parts[1] : "";
            }

            if (topics.Count is 0 or > MostTopics) return Results.Problem($"on: expected 1 to {MostTopics} topics, found {topics.Count}.", statusCode: StatusCodes.Status400BadRequest);
            // No content: the browser does not try again, and complains of nothing.
            if (Volatile.Read(ref _streams) >= MostStreams) return Results.NoContent();
            var ends = (await http.AuthenticateAsync(ConsoleSetup.Scheme).ConfigureAwait(false)).Properties?.ExpiresUtc;
            return ends is null ? Results.NoContent() : TypedResults.ServerSentEvents(EventsAsync(http, feed, users, time, topics, ends.Value, host.ApplicationStopping, http.RequestAborted));
        }).RequireAuthorization(ConsoleSetup.PolicyOf(Roles.Viewer));

    private static async IAsyncEnumerable<SseItem<string>> EventsAsync(
        HttpContext http, LiveFeed feed, AdminUsers users, TimeProvider time, Dictionary<string, string> seen, DateTimeOffset ends, CancellationToken stopping, [EnumeratorCancellation] CancellationToken ct)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, stopping);
        Interlocked.Increment(ref _streams);
        try
        {
            yield return new SseItem<string>("", "here") { ReconnectionInterval = TimeSpan.FromSeconds(3) };
            for (var checkedAt = time.GetTimestamp(); ;)
            {
                foreach (var topic in seen.Keys)
                {
                    if (await MarkAsync(feed, topic, either.Token).ConfigureAwait(false) is not { } mark) continue;
                    if (seen[topic] == mark) continue;
                    var first = seen[topic].Length == 0;
                    seen[topic] = mark;
                    if (!first) yield return new SseItem<string>($"{topic}~{mark}", "changed");
                }

                if (!await WaitAsync(time, either.Token).ConfigureAwait(false)) yield break;
                if (time.GetUtcNow() >= ends) break;
                if (time.GetElapsedTime(checkedAt) < Check) continue;
                checkedAt = time.GetTimestamp();
                // Signed out, deactivated, another password: the stream ends with it. The event also finds out whether anybody is there.
                if (await users.OfSessionAsync(http.User, either.Token).ConfigureAwait(false) is null) break;
                yield return new SseItem<string>("", "here");
            }

            yield return new SseItem<string>("", "end");
        }
        finally
        {
            Interlocked.Decrement(ref _streams);
        }
    }

    /// <returns><c>null</c> when the database can't tell now: it is asked again.</returns>
    private static async Task<string?> MarkAsync(LiveFeed feed, string topic, CancellationToken ct)
    {
        try
        {
            return await feed.MarkAsync(topic, ct).ConfigureAwait(false);
        }
        catch (Exception e) when (e is DbException or OperationCanceledException)
        {
            return null;
        }
    }

    private static async Task<bool> WaitAsync(TimeProvider time, CancellationToken ct)
    {
        try
        {
            await Task.Delay(Interval, time, ct).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
