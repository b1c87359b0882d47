using System.Data.Common;
using System.Text.Json.Nodes;
using Elsa.Workflows.Runtime;
using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Records;

namespace PwWorkflows.Activities.Approvals;

/// <summary>What became of somebody's word.</summary>
public abstract record DecideResult
{
    private DecideResult() { }

    /// <summary>There is no such request.</summary>
    public sealed record Unknown : DecideResult;

    /// <summary>The word was taken. The request has ended, unless it was the first of two.</summary>
    /// <param name="Approval">How it stands now.</param>
    public sealed record Taken(Approval Approval) : DecideResult;

    /// <summary>The same person had said the same before (a double click): nothing was changed.</summary>
    /// <param name="Approval">How it stands.</param>
    public sealed record Repeated(Approval Approval) : DecideResult;

    /// <summary>It had ended before: somebody else decided, the time ran out, or the workflow no longer waits.</summary>
    /// <param name="Approval">How it ended, and by whom.</param>
    public sealed record TooLate(Approval Approval) : DecideResult;

    /// <summary>The rules do not let this person decide so.</summary>
    /// <param name="Approval">How it stands.</param>
    /// <param name="Why">The rules that were not met.</param>
    public sealed record Refused(Approval Approval, IReadOnlyList<PolicyCheck> Why) : DecideResult;
}

/// <summary>
/// Decides requests, once. A request's row is the only truth: whoever changes it from <c>waiting</c> has decided, with the audit entry and the order's history
/// in the same transaction. The workflow is woken afterwards over the durable queue, again and again until it has taken the outcome, so that a crash in
/// between loses nothing.
/// </summary>
public sealed class ApprovalDesk(
    IPwDatabase database, ApprovalStore store, ApprovalOptions options, AuditLog audit, IWorkflowDispatcher dispatcher, IWorkflowRuntime runtime, TimeProvider time, ILogger<ApprovalDesk> logger)
{
    /// <summary>Most characters of a note.</summary>
    public const int LongestNote = 2000;

    /// <summary>A wake-up that was not taken is sent again after this time, and later each <see cref="SendAgain"/>.</summary>
    private static readonly TimeSpan SendFirst = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan SendAgain = TimeSpan.FromHours(1);

    /// <summary>The rules as they stand for a person now.</summary>
    public IReadOnlyList<PolicyCheck> Check(Approval approval, Approver person) => ApprovalPolicy.Check(approval, person, time.GetUtcNow(), options.TwoPeopleFromCents);

    /// <summary>Takes somebody's word.</summary>
    /// <param name="id">The request.</param>
    /// <param name="username">Who decides: signed in, or named by a mail's link.</param>
    /// <param name="approve">Approved or rejected.</param>
    /// <param name="note">What they say; at most <see cref="LongestNote"/> characters.</param>
    /// <param name="via">One of <see cref="ApprovalDoors"/>.</param>
    /// <param name="ct">Stops the wait. What is committed stays.</param>
    /// <param name="here">Whether this process wakes the workflow; else the servers do within a second.</param>
    public async Task<DecideResult> DecideAsync(string id, string username, bool approve, string note, string via, CancellationToken ct, bool here = true)
    {
        ArgumentNullException.ThrowIfNull(note);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(note.Length, LongestNote, nameof(note));
        if (await store.FindAsync(id, ct).ConfigureAwait(false) is not { } seen) return new DecideResult.Unknown();
        // What nobody waits for any more must not be decided, or people believe that something will happen.
        if (seen.Status == ApprovalStatuses.Waiting && !await IsWaitedForAsync(seen, ct).ConfigureAwait(false)) await EndAsync(id, ApprovalStatuses.Withdrawn, ct).ConfigureAwait(false);
        var result = await database.WriteAsync((connection, transaction, token) => DecideAsync(connection, transaction, id, username, approve, note.Trim(), via, here, token), ct).ConfigureAwait(false);
        var ended = result switch
        {
            DecideResult.Taken { Approval: { Status: not ApprovalStatuses.Waiting } decided } => decided,
            // It ran out before the watch had looked: this call ended it.
            DecideResult.TooLate { Approval: { Status: ApprovalStatuses.Expired } late } when seen.Status == ApprovalStatuses.Waiting => late,
            _ => null,
        };
        if (here && ended is not null) await TryWakeAsync(ended).ConfigureAwait(false);
        return result;
    }

    private async Task<DecideResult> DecideAsync(
        DbConnection connection, DbTransaction transaction, string id, string username, bool approve, string note, string via, bool here, CancellationToken ct)
    {
        if (await store.FindAsync(connection, transaction, id, true, ct).ConfigureAwait(false) is not { } approval) return new DecideResult.Unknown();
        var now = time.GetUtcNow();
        var word = approve ? ApprovalStatuses.Approved : ApprovalStatuses.Rejected;
        if (approval.Decisions.Any(d => d.Username == username && d.Decision == word)) return new DecideResult.Repeated(approval);
        if (approval.Status != ApprovalStatuses.Waiting) return new DecideResult.TooLate(approval);
        if (approval.ExpiresAt <= now)
        {
            await AnnounceAsync(connection, transaction, approval, [], now, ct).ConfigureAwait(false);
            return new DecideResult.TooLate(await EndAsync(connection, transaction, approval, ApprovalStatuses.Expired, "system", now, here ? now + SendFirst : now, ct).ConfigureAwait(false));
        }

        // The roles of now: who was deactivated or is no administrator any more decides nothing, by no door.
        var people = await ApprovalStore.ApproversAsync(connection, transaction, ct).ConfigureAwait(false);
        var person = people.FirstOrDefault(p => p.Username == username) ?? new Approver(username, username, "", false, false);
        var checks = ApprovalPolicy.Check(approval, person, now, options.TwoPeopleFromCents);
        if (!ApprovalPolicy.Allows(checks, approve))
        {
            var why = checks.Where(c => !c.Passed && (approve || !c.OnlyApproving)).ToList();
            await audit.AppendAsync(connection, transaction, username, "approval-refused", id, new JsonObject { ["decision"] = word, ["via"] = via, ["rules"] = string.Join(", ", why.Select(static c => c.Rule)) }, ct).ConfigureAwait(false);
            return new DecideResult.Refused(approval, why);
        }

        await AnnounceAsync(connection, transaction, approval, [], now, ct).ConfigureAwait(false);
        await connection.ExecuteAsync(
            transaction, "INSERT INTO approval_decisions (approval_id, username, decision, note, via, at) VALUES (@id, @user, @word, @note, @via, @now)",
            Parameters.Of(("id", id), ("user", username), ("word", word), ("note", note), ("via", via), ("now", now)), ct).ConfigureAwait(false);
        await connection.ExecuteAsync(
            transaction, "UPDATE approval_links SET used_at = @now WHERE approval_id = @id AND username = @user AND used_at IS NULL",
            Parameters.Of(("now", now), ("id", id), ("user", username)), ct).ConfigureAwait(false);
        var decisions = approval.Decisions.Append(new ApprovalDecision(username, person.DisplayName, word, note, via, now)).ToList();
        approval = approval with { Decisions = decisions };
        var detail = new JsonObject { ["title"] = approval.Title, ["decision"] = word, ["via"] = via, ["note"] = note, ["amount_cents"] = approval.AmountCents, ["subject"] = approval.Subject };
        await audit.AppendAsync(connection, transaction, username, approve ? "approval-approved" : "approval-rejected", id, detail, ct).ConfigureAwait(false);
        if (approve && decisions.Count < approval.People)
        {
            await NoteOnOrderAsync(connection, transaction, approval, "approval-first", $"{person.DisplayName} approved “{approval.Title}”; a second person is needed.", now, ct).ConfigureAwait(false);
            return new DecideResult.Taken(approval);
        }

        return new DecideResult.Taken(await EndAsync(connection, transaction, approval, word, null, now, here ? now + SendFirst : now, ct).ConfigureAwait(false));
    }

    /// <summary>Ends a request whose time ran out, or that nobody waits for any more, unless somebody decided before.</summary>
    /// <returns>Whether this call ended it.</returns>
    internal async Task<bool> EndAsync(string id, string status, CancellationToken ct)
    {
        var ended = await database.WriteAsync(
            async (connection, transaction, token) =>
            {
                var now = time.GetUtcNow();
                if (await store.FindAsync(connection, transaction, id, true, token).ConfigureAwait(false) is not { Status: ApprovalStatuses.Waiting } approval) return null;
                if (status == ApprovalStatuses.Expired && approval.ExpiresAt > now) return null;
                await AnnounceAsync(connection, transaction, approval, [], now, token).ConfigureAwait(false);
                return await EndAsync(connection, transaction, approval, status, "system", now, now + SendFirst, token).ConfigureAwait(false);
            },
            ct).ConfigureAwait(false);
        if (ended is { Status: not ApprovalStatuses.Withdrawn }) await TryWakeAsync(ended).ConfigureAwait(false);
        return ended is not null;
    }

    // Whoever calls holds the row's lock and has seen it waiting.
    private async Task<Approval> EndAsync(
        DbConnection connection, DbTransaction transaction, Approval approval, string status, string? actor, DateTimeOffset now, DateTimeOffset sendAfter, CancellationToken ct)
    {
        var changed = await connection.ExecuteAsync(
            transaction,
            "UPDATE approvals SET status = @status, decided_at = @now, send_after = @send, delivered_at = @delivered WHERE id = @id AND status = 'waiting'",
            Parameters.Of(("status", status), ("now", now), ("send", sendAfter), ("delivered", status == ApprovalStatuses.Withdrawn ? now : null), ("id", approval.Id)), ct).ConfigureAwait(false);
        if (changed != 1) throw new InvalidOperationException($"The request {approval.Id} was decided under the lock of another.");
        approval = approval with { Status = status, DecidedAt = now };
        if (actor is not null) await audit.AppendAsync(connection, transaction, actor, "approval-" + status, approval.Id, new JsonObject { ["title"] = approval.Title }, ct).ConfigureAwait(false);
        await NoteOnOrderAsync(connection, transaction, approval, "approval-" + status, $"“{approval.Title}”: {approval.Standing()}", now, ct).ConfigureAwait(false);
        if (approval.OrderNumber is not null && status != ApprovalStatuses.Approved)
        {
            // An order that waited for this word shows how it came out.
            await connection.ExecuteAsync(
                transaction, "UPDATE compliance_orders SET hold_reason = @reason, updated_at = @now WHERE order_number = @order AND fulfillment_status = 'ready_to_file'",
                Parameters.Of(("reason", approval.Standing()), ("now", now), ("order", approval.OrderNumber)), ct).ConfigureAwait(false);
        }

        var (sql, values) = ToDoRows.Close(OverdueMarker(approval.Id), now);
        await connection.ExecuteAsync(transaction, sql, values, ct).ConfigureAwait(false);
        ApprovalLog.Ended(logger, approval.Id, status);
        return approval;
    }

    private static Task NoteOnOrderAsync(DbConnection connection, DbTransaction transaction, Approval approval, string @event, string message, DateTimeOffset now, CancellationToken ct) =>
        approval.OrderNumber is null ? Task.CompletedTask : connection.ExecuteAsync(
            transaction, OrderStore.TimelineInsert, Parameters.Of(("order", approval.OrderNumber), ("at", now), ("event", @event), ("message", message)), ct);

    internal static string OverdueMarker(string id) => "approval-overdue:" + id;

    /// <summary>Writes a request into the audit log, once.</summary>
    /// <returns>Whether it was not there yet.</returns>
    internal async Task<bool> AnnounceAsync(DbConnection connection, DbTransaction transaction, Approval approval, IReadOnlyList<string> mailed, DateTimeOffset now, CancellationToken ct)
    {
        var first = await connection.ExecuteAsync(
            transaction, "UPDATE approvals SET announced_at = @now WHERE id = @id AND announced_at IS NULL", Parameters.Of(("now", now), ("id", approval.Id)), ct).ConfigureAwait(false) == 1;
        if (!first) return false;
        var detail = new JsonObject
        {
            ["title"] = approval.Title,
            ["workflow"] = approval.DefinitionId,
            ["instance"] = approval.InstanceId,
            ["order"] = approval.OrderNumber,
            ["subject"] = approval.Subject,
            ["amount_cents"] = approval.AmountCents,
            ["currency"] = approval.Currency,
            ["people"] = approval.People,
            ["expires_at"] = ApprovalPolicy.Time(approval.ExpiresAt),
            ["mailed"] = string.Join(", ", mailed),
        };
        await audit.AppendAsync(connection, transaction, approval.RequestedBy ?? "system", "approval-requested", approval.Id, detail, ct).ConfigureAwait(false);
        return true;
    }

    /// <summary>Wakes the workflows whose requests have ended and who have not taken the outcome.</summary>
    /// <param name="all">Also those to whom a wake-up was sent a moment ago: what a process that died did not get rid of.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <returns>How many were woken.</returns>
    internal async Task<int> DeliverAsync(bool all, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var rows = await database.QueryAsync(
            $"SELECT id FROM approvals WHERE status <> 'waiting' AND delivered_at IS NULL{(all ? "" : " AND send_after <= @now")} ORDER BY send_after LIMIT 100",
            all ? Parameters.None : Parameters.Of(("now", now)), static r => r.GetString(0), ct).ConfigureAwait(false);
        var sent = 0;
        foreach (var id in rows)
        {
            // The row first: a wake-up too few is sent again, one too many finds nobody.
            await database.ExecuteAsync("UPDATE approvals SET send_after = @again WHERE id = @id AND delivered_at IS NULL", Parameters.Of(("again", now + SendAgain), ("id", id)), ct).ConfigureAwait(false);
            if (await store.FindAsync(id, ct).ConfigureAwait(false) is not { DeliveredAt: null } approval) continue;
            if (!await IsWaitedForAsync(approval, ct).ConfigureAwait(false))
            {
                if (await database.ExecuteAsync("UPDATE approvals SET delivered_at = @now WHERE id = @id AND delivered_at IS NULL", Parameters.Of(("now", now), ("id", id)), ct).ConfigureAwait(false) > 0)
                    ApprovalLog.NobodyWaits(logger, id, approval.InstanceId);
                continue;
            }

            if (await TryWakeAsync(approval).ConfigureAwait(false)) sent++;
        }

        return sent;
    }

    private async Task<bool> TryWakeAsync(Approval approval)
    {
        try
        {
            // Through the queue: the answer comes when the wake-up is stored. The caller may have gone, the wake-up must not.
            var request = new DispatchResumeWorkflowsRequest(RequestApproval.TypeName, new ApprovalStimulus(approval.Id)) { WorkflowInstanceId = approval.InstanceId };
            await dispatcher.DispatchAsync(request, cancellationToken: CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is DbException or InvalidOperationException or IOException)
        {
            ApprovalLog.NotWoken(logger, e, approval.Id);
            return false;
        }
    }

    /// <summary>
    /// Whether the workflow still waits for a request. One that faulted elsewhere counts: it can be retried, and waits again then.
    /// </summary>
    internal async Task<bool> IsWaitedForAsync(Approval approval, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(approval);
        var client = await runtime.CreateClientAsync(approval.InstanceId, ct).ConfigureAwait(false);
        if (!await client.InstanceExistsAsync(ct).ConfigureAwait(false)) return false;
        var state = await client.ExportStateAsync(ct).ConfigureAwait(false);
        return state.SubStatus == Elsa.Workflows.WorkflowSubStatus.Faulted || state.Bookmarks.Any(b => b.ActivityInstanceId == approval.ActivityInstanceId);
    }
}
