using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Records;

namespace PwWorkflows.Activities.Approvals;

/// <summary>
/// Does what time brings: announces new requests, reminds, escalates, ends what ran out or is no longer waited for, wakes workflows that have not heard, and
/// sends the mails. Any number of nodes may watch: each step is one conditional change of a row.
/// </summary>
public sealed class ApprovalWatch(
    IPwDatabase database, ApprovalStore store, ApprovalDesk desk, ApprovalLinks links, ApprovalOptions options, AuditLog audit, IMailSender mails, TimeProvider time, ILogger<ApprovalWatch> logger)
    : BackgroundService
{
    /// <summary>Name of the mail's template.</summary>
    internal const string Template = "approval";

    private const string StepDue = "status = 'waiting' AND (announced_at IS NULL OR expires_at <= @now OR next_reminder_at <= @now OR (escalate_at <= @now AND escalated_at IS NULL))";
    private const string MailDue = "mailed_at IS NULL AND send_after <= @now";
    private const int Batch = 50;
    private static readonly TimeSpan MailRetry = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestMailRetry = TimeSpan.FromHours(1);

    // Whether a workflow still waits is asked for a few requests at a time, round and round.
    private static readonly TimeSpan LivenessPause = TimeSpan.FromSeconds(15);
    private (string After, DateTimeOffset At) _liveness = ("", DateTimeOffset.MinValue);

    /// <summary>Looks once at everything that is due, apart from mails.</summary>
    /// <param name="first">The first look of this process: wake-ups that a process before it did not get rid of are sent at once.</param>
    /// <param name="ct">Stops between two steps.</param>
    /// <returns>How many steps were taken.</returns>
    internal async Task<int> LookAsync(bool first, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var ids = await database.QueryAsync(
            $"SELECT id FROM approvals WHERE {StepDue} ORDER BY expires_at LIMIT {Batch}", Parameters.Of(("now", now)), static r => r.GetString(0), ct).ConfigureAwait(false);
        var done = 0;
        foreach (var id in ids) done += await StepAsync(id, ct).ConfigureAwait(false) ? 1 : 0;
        done += await desk.DeliverAsync(first, ct).ConfigureAwait(false);
        if (now - _liveness.At >= LivenessPause) done += await WithdrawAsync(now, ct).ConfigureAwait(false);
        return done;
    }

    private async Task<bool> StepAsync(string id, CancellationToken ct)
    {
        if (await store.FindAsync(id, ct).ConfigureAwait(false) is not { Status: ApprovalStatuses.Waiting } seen) return false;
        if (seen.ExpiresAt <= time.GetUtcNow()) return await desk.EndAsync(id, ApprovalStatuses.Expired, ct).ConfigureAwait(false);
        return await database.WriteAsync(
            async (connection, transaction, token) =>
            {
                var now = time.GetUtcNow();
                if (await store.FindAsync(connection, transaction, id, true, token).ConfigureAwait(false) is not { } approval || !approval.IsOpenAt(now)) return false;
                var people = await ApprovalStore.ApproversAsync(connection, transaction, token).ConfigureAwait(false);
                if (approval.AnnouncedAt is null)
                {
                    var mailed = await MakeMailsAsync(connection, transaction, approval, "requested", people, now, token).ConfigureAwait(false);
                    await desk.AnnounceAsync(connection, transaction, approval, mailed, now, token).ConfigureAwait(false);
                }

                if (approval.EscalateAt <= now && approval.EscalatedAt is null) approval = await EscalateAsync(connection, transaction, approval, people, now, token).ConfigureAwait(false);
                if (approval.NextReminderAt <= now) await RemindAsync(connection, transaction, approval, people, now, token).ConfigureAwait(false);
                return true;
            },
            ct).ConfigureAwait(false);
    }

    private async Task<Approval> EscalateAsync(DbConnection connection, DbTransaction transaction, Approval approval, IReadOnlyList<Approver> people, DateTimeOffset now, CancellationToken ct)
    {
        await connection.ExecuteAsync(transaction, "UPDATE approvals SET escalated_at = @now WHERE id = @id", Parameters.Of(("now", now), ("id", approval.Id)), ct).ConfigureAwait(false);
        approval = approval with { EscalatedAt = now };
        // Those it is escalated to; without names, all who may decide now.
        var to = approval.EscalateTo.Count == 0 ? people : [.. people.Where(p => approval.EscalateTo.Any(n => ApprovalPolicy.IsSame(n, p.Username)))];
        var mailed = await MakeMailsAsync(connection, transaction, approval, "escalated", to, now, ct).ConfigureAwait(false);
        var (sql, values) = ToDoRows.Raise(
            approval.OrderNumber ?? approval.Id, approval.DefinitionId, ApprovalDesk.OverdueMarker(approval.Id),
            $"“{approval.Title}” has waited for an approval since {ApprovalPolicy.Time(approval.RequestedAt)} and runs out at {ApprovalPolicy.Time(approval.ExpiresAt)}. Decide it: "
                + $"{new Uri(options.PublicUrl, "/approvals/" + approval.Id)} or pw approvals show {approval.Id}",
            now);
        await connection.ExecuteAsync(transaction, sql, values, ct).ConfigureAwait(false);
        await audit.AppendAsync(connection, transaction, "system", "approval-escalated", approval.Id, new JsonObject { ["title"] = approval.Title, ["mailed"] = string.Join(", ", mailed) }, ct).ConfigureAwait(false);
        return approval;
    }

    private async Task RemindAsync(DbConnection connection, DbTransaction transaction, Approval approval, IReadOnlyList<Approver> people, DateTimeOffset now, CancellationToken ct)
    {
        var number = approval.RemindersSent + 1;
        // After a standstill one reminder goes out, not all that were missed.
        var next = approval.NextReminderAt!.Value;
        var every = approval.RemindEvery!.Value;
        next += TimeSpan.FromTicks(every.Ticks * (((now - next).Ticks / every.Ticks) + 1));
        await connection.ExecuteAsync(
            transaction, "UPDATE approvals SET reminders_sent = @number, next_reminder_at = @next WHERE id = @id",
            Parameters.Of(("number", number), ("next", next < approval.ExpiresAt ? next : null), ("id", approval.Id)), ct).ConfigureAwait(false);
        var mailed = await MakeMailsAsync(connection, transaction, approval, string.Create(CultureInfo.InvariantCulture, $"reminder-{number}"), people, now, ct).ConfigureAwait(false);
        await audit.AppendAsync(
            connection, transaction, "system", "approval-reminded", approval.Id, new JsonObject { ["title"] = approval.Title, ["number"] = number, ["mailed"] = string.Join(", ", mailed) }, ct).ConfigureAwait(false);
    }

    /// <summary>Makes a link for each person who is asked; the mails follow from the rows.</summary>
    private async Task<IReadOnlyList<string>> MakeMailsAsync(
        DbConnection connection, DbTransaction transaction, Approval approval, string mail, IReadOnlyList<Approver> people, DateTimeOffset now, CancellationToken ct)
    {
        var asked = people.Where(p => ApprovalPolicy.IsAsked(approval, p) && CustomerAddresses.IsWellFormed(p.Email)).ToList();
        if (asked.Count == 0) ApprovalLog.NobodyToMail(logger, approval.Id);
        // Whole seconds, as in the signature.
        var until = DateTimeOffset.FromUnixTimeSeconds((approval.ExpiresAt < now + options.LinkLifetime ? approval.ExpiresAt : now + options.LinkLifetime).ToUnixTimeSeconds());
        foreach (var person in asked)
        {
            await connection.ExecuteAsync(
                transaction,
                """
                INSERT INTO approval_links (id, approval_id, username, mail, created_at, expires_at, send_after) VALUES (@id, @approval, @user, @mail, @now, @until, @now)
                ON CONFLICT (approval_id, username, mail) DO NOTHING
                """,
                Parameters.Of(("id", Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))), ("approval", approval.Id), ("user", person.Username), ("mail", mail), ("now", now), ("until", until)),
                ct).ConfigureAwait(false);
        }

        return [.. asked.Select(static p => p.Username)];
    }

    /// <summary>Ends requests whose workflow was cancelled, deleted, or went another way.</summary>
    private async Task<int> WithdrawAsync(DateTimeOffset now, CancellationToken ct)
    {
        var ids = await database.QueryAsync(
            $"SELECT id FROM approvals WHERE status = 'waiting' AND id > @after ORDER BY id LIMIT {Batch}", Parameters.Of(("after", _liveness.After)), static r => r.GetString(0), ct).ConfigureAwait(false);
        _liveness = (ids.Count < Batch ? "" : ids[^1], now);
        var ended = 0;
        foreach (var id in ids)
        {
            if (await store.FindAsync(id, ct).ConfigureAwait(false) is { Status: ApprovalStatuses.Waiting } approval && !await desk.IsWaitedForAsync(approval, ct).ConfigureAwait(false)
                && await desk.EndAsync(id, ApprovalStatuses.Withdrawn, ct).ConfigureAwait(false)) ended++;
        }

        return ended;
    }

    /// <summary>Sends the mails that are due.</summary>
    /// <returns>How many went out.</returns>
    internal async Task<int> SendMailsAsync(CancellationToken ct)
    {
        var due = await database.QueryAsync(
            $"SELECT id, approval_id, username, mail, expires_at, used_at, attempts FROM approval_links WHERE {MailDue} ORDER BY send_after LIMIT {Batch}",
            Parameters.Of(("now", time.GetUtcNow())),
            static r => (Link: new ApprovalLink(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.Time(4), r.TimeOrNull(5)), Attempts: r.GetInt32(6)), ct).ConfigureAwait(false);
        var sent = 0;
        foreach (var (link, attempts) in due) sent += await SendAsync(link, attempts, ct).ConfigureAwait(false) ? 1 : 0;
        return sent;
    }

    private async Task<bool> SendAsync(ApprovalLink link, int attempts, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var approval = await store.FindAsync(link.ApprovalId, ct).ConfigureAwait(false);
        var person = await store.ApproverAsync(link.Username, ct).ConfigureAwait(false);
        // Decided, or no longer theirs to decide: a mail would only mislead.
        if (approval is null || person is null || !approval.IsOpenAt(now) || link.UsedAt is not null || link.ExpiresAt <= now || !ApprovalPolicy.IsAsked(approval, person))
        {
            await DoneAsync(link.Id, "not sent: it was no longer needed", ct).ConfigureAwait(false);
            return false;
        }

        var address = links.Address(link).ToString();
        try
        {
            await mails.SendAsync(
                new MailToSend($"mail:approval:{link.Id}", person.Email, Template, Values(approval, person, link, address, now), approval.OrderNumber) { Secrets = [address, links.Token(link)] }, ct).ConfigureAwait(false);
            await DoneAsync(link.Id, null, ct).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is not OperationCanceledException || !ct.IsCancellationRequested)
        {
            ApprovalLog.MailNotSent(logger, link.Mail, approval.Id, link.Username, e.Message);
            var wait = TimeSpan.FromTicks(Math.Min(LongestMailRetry.Ticks, MailRetry.Ticks << Math.Min(attempts, 10)));
            await database.ExecuteAsync(
                "UPDATE approval_links SET attempts = attempts + 1, send_after = @after, last_error = @error WHERE id = @id",
                Parameters.Of(("after", now + wait), ("error", e.Message), ("id", link.Id)), ct).ConfigureAwait(false);
            return false;
        }
    }

    private Task<int> DoneAsync(string link, string? note, CancellationToken ct) => database.ExecuteAsync(
        "UPDATE approval_links SET mailed_at = @now, last_error = @note WHERE id = @id", Parameters.Of(("now", time.GetUtcNow()), ("note", note), ("id", link)), ct);

    private Dictionary<string, object?> Values(Approval approval, Approver person, ApprovalLink link, string address, DateTimeOffset now) => new()
    {
        ["kind"] = link.Mail.Split('-')[0],
        ["name"] = person.DisplayName,
        ["id"] = approval.Id,
        ["title"] = approval.Title,
        ["order_number"] = approval.OrderNumber,
        ["amount"] = approval.Amount(),
        ["requested_by"] = approval.RequestedBy ?? $"the workflow {approval.DefinitionId}",
        ["subject"] = approval.Subject,
        ["requested_at"] = ApprovalPolicy.Time(approval.RequestedAt),
        ["left"] = ApprovalPolicy.Duration(approval.ExpiresAt - now),
        ["expires_at"] = ApprovalPolicy.Time(approval.ExpiresAt),
        ["people"] = approval.People,
        ["if_approved"] = approval.IfApproved,
        ["if_rejected"] = approval.IfRejected,
        ["details"] = approval.Details.Select(static d => new Dictionary<string, object> { ["name"] = d.Name, ["value"] = d.Value }).ToArray(),
        ["link"] = address,
        ["link_expires_at"] = ApprovalPolicy.Time(link.ExpiresAt),
    };

    /// <inheritdoc />
    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Mails by a loop of their own: a relay that hangs must not hold up what runs out.
        var mailsDue = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        return Task.WhenAll(WatchAsync(mailsDue.Writer, stoppingToken), MailAsync(mailsDue.Reader, stoppingToken));
    }

    private async Task WatchAsync(ChannelWriter<bool> mailsDue, CancellationToken ct)
    {
        using var timer = new PeriodicTimer(options.WatchInterval, time);
        var first = true;
        try
        {
            do
            {
                try
                {
                    var (steps, mails) = await DueAsync(ct).ConfigureAwait(false);
                    if (steps || first || time.GetUtcNow() - _liveness.At >= LivenessPause) await LookAsync(first, ct).ConfigureAwait(false);
                    first = false;
                    // A step may have made some.
                    if (mails || steps) mailsDue.TryWrite(true);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    ApprovalLog.WatchFailed(logger, e);
                }
            }
            while (await timer.WaitForNextTickAsync(ct).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // The host stops.
        }
    }

    private async Task MailAsync(ChannelReader<bool> mailsDue, CancellationToken ct)
    {
        try
        {
            await foreach (var _ in mailsDue.ReadAllAsync(ct).ConfigureAwait(false))
            {
                try
                {
                    await SendMailsAsync(ct).ConfigureAwait(false);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    ApprovalLog.WatchFailed(logger, e);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The host stops.
        }
    }

    /// <summary>Whether there is anything to do: one statement for all, since nearly always there is nothing.</summary>
    private async Task<(bool Steps, bool Mails)> DueAsync(CancellationToken ct) => (await database.QueryAsync(
        $"""
         SELECT EXISTS (SELECT 1 FROM approvals WHERE {StepDue}) OR EXISTS (SELECT 1 FROM approvals WHERE status <> 'waiting' AND delivered_at IS NULL AND send_after <= @now),
           EXISTS (SELECT 1 FROM approval_links WHERE {MailDue})
         """,
        Parameters.Of(("now", time.GetUtcNow())), static r => (r.GetBoolean(0), r.GetBoolean(1)), ct).ConfigureAwait(false))[0];
}
