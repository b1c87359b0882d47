using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Storage;
using PwWorkflows.Activities.Usac;

namespace PwWorkflows.Activities.Filings;

/// <summary>Events that orders of the filing services wait for.</summary>
public static class FilingEvents
{
    /// <summary>The order's answers have changed.</summary>
    public static string IntakeUpdated(string orderNumber) => "intake-updated:" + orderNumber;

    /// <summary>The portal session an order waits for is there.</summary>
    public static string SessionReady(string orderNumber) => "usac-session:" + orderNumber;

    /// <summary>An officer's authorization was recorded.</summary>
    public static string OfficerAuthorization(string orderNumber) => OfficerAuthorizations.EventName(orderNumber);
}

/// <summary>Markers of the ToDos that the filing services raise.</summary>
static class FilingMarkers
{
    public const string Intake = "intake-incomplete";
    public const string Session = "usac-session-missing";
    public const string Authorization = "officer-authorization-missing";
    public const string Validation = "usac-values-refused";
    public const string Layout = "usac-page-changed";
    public const string Rejected = "approval-rejected";
}

/// <summary>What a look at an order's answers found.</summary>
/// <param name="Faults">What is missing or wrong; empty when the form may be filed.</param>
/// <param name="Approval">What an administrator must approve first; <c>null</c> when nothing is.</param>
public sealed record IntakeCheck(IReadOnlyList<FormFault> Faults, FilingApproval? Approval);

/// <summary>What the steps of <c>service-fcc-499a</c> do; the activities only call these.</summary>
public sealed class Form499AService(
    IOrders orders, IPwDatabase database, IAdminToDos todos, UsacSessions sessions, UsacPortal portal, FilingEvidence evidence, OfficerAuthorizations authorizations,
    FilingApprovals approvals, IEffectLedger ledger, IObjectStore store, UsacOptions options, TimeProvider clock, ILogger<Form499AService> logger)
{
    /// <summary>Name of this handler in the log.</summary>
    public const string Handler = "Form499AHandler";

    const string FormName = "499-A";

    /// <summary>Writes the log line that operators grep for when a service starts.</summary>
    public void LogStart(string orderNumber) => Usac.Log.ServiceStarted(logger, orderNumber, Handler);

    /// <summary>
    /// Checks the answers and the gates of an order. Raises a ToDo when something is missing and closes it when all is there.
    /// </summary>
    /// <param name="orderNumber">The order.</param>
    /// <param name="cycle">The billing cycle of a renewal; empty for the order itself.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<IntakeCheck> CheckIntakeAsync(string orderNumber, string cycle, CancellationToken ct)
    {
        var (order, form, faults) = await ReadAsync(orderNumber, ct).ConfigureAwait(false);
        faults = [.. faults, .. Form499ARules.Check(form)];
        if (order is { EngagementEsignRequired: true, EngagementEsignSignedAt: null })
            faults.Insert(0, new("-", "engagement_esign_signed_at", "The engagement letter of this past-due or multi-year filing is not signed."));
        // The answers on record are those of an earlier cycle until the customer gives new ones.
        if (await evidence.FindAsync(orderNumber, FormName, form.FilingYear, ct).ConfigureAwait(false) is { } known && !IsOf(known, order, cycle))
            faults.Insert(0, new("-", "filing_year", $"The form for {form.FilingYear} was filed (confirmation {known.ConfirmationNumber}). This is another billing cycle: the answers for the next filing year are missing."));
        if (faults.Count == 0)
        {
            await todos.CloseAsync(orderNumber, FilingMarkers.Intake, ct).ConfigureAwait(false);
            var approval = await approvals.MissingAsync(order, cycle, form, ct).ConfigureAwait(false);
            if (approvals.IsNeeded(order)) await todos.CloseAsync(orderNumber, FilingMarkers.Rejected, ct).ConfigureAwait(false);
            if (approval is null)
            {
                orders.EnlistFulfillmentStatus(orderNumber, FulfillmentStatuses.InProgress);
            }
            else
            {
                orders.EnlistFulfillmentStatus(orderNumber, FulfillmentStatuses.ReadyToFile, "Waits for an administrator's approval.");
                orders.EnlistTimeline(orderNumber, "approval-requested", $"An administrator is asked to approve: {approval.Title}.");
            }

            return new(faults, approval);
        }

        await todos.RaiseAsync(Todo(order, FilingMarkers.Intake,
            $"The answers for FCC Form 499-A are not complete. Ask {order.CustomerName} ({order.CustomerEmail}) for:\n{string.Join('\n', faults.Select(f => "- " + f))}\n"
            + "The order goes on by itself when the answers are changed."), ct).ConfigureAwait(false);
        orders.EnlistFulfillmentStatus(orderNumber, FulfillmentStatuses.AwaitingIntake, $"{faults.Count} answer(s) are missing or wrong; first: {faults[0]}");
        orders.EnlistTimeline(orderNumber, "intake-incomplete", $"{faults.Count} answer(s) are missing or wrong.");
        return new(faults, null);
    }

    /// <summary>Looks for a session of the order's carrier; without one a ToDo tells the administrator and the order is put on the watch list.</summary>
    /// <exception cref="NonRetryableException">The order names no carrier.</exception>
    /// <exception cref="PortalUnavailableException">The portal can't be asked.</exception>
    public async Task<UsacSession> OpenSessionAsync(string orderNumber, CancellationToken ct)
    {
        var order = await OrderAsync(orderNumber, ct).ConfigureAwait(false);
        var entity = EntityId(order);
        var session = await sessions.OpenAsync(entity, ct).ConfigureAwait(false);
        if (session is UsacSession.Ready)
        {
            await todos.CloseAsync(orderNumber, FilingMarkers.Session, ct).ConfigureAwait(false);
            database.Enlist("DELETE FROM usac_session_waits WHERE order_number = @order", Parameters.Of(("order", orderNumber)));
            orders.EnlistFulfillmentStatus(orderNumber, FulfillmentStatuses.InProgress);
            return session;
        }

        var (key, what, fingerprint) = session switch
        {
            UsacSession.Missing missing => (missing.Key, "There is no stored USAC session", ""),
            UsacSession.Expired expired => (expired.Key, $"The stored USAC session no longer works ({expired.Why})", expired.Fingerprint),
            _ => throw new InvalidOperationException($"Unknown session state {session}."),
        };
        await todos.RaiseAsync(Todo(order, FilingMarkers.Session,
            $"{what} for carrier {entity}. Sign in to USAC E-File as the carrier, export the browser's storage state and store it as {key} in the bucket {options.StorageBucket}. "
            + "The order goes on by itself when it is there."), ct).ConfigureAwait(false);
        database.Enlist(
            """
            INSERT INTO usac_session_waits (order_number, telecom_entity_id, fingerprint, since) VALUES (@order, @entity, @fingerprint, @now)
            ON CONFLICT (order_number) DO UPDATE SET telecom_entity_id = excluded.telecom_entity_id, fingerprint = excluded.fingerprint, since = excluded.since
            """,
            Parameters.Of(("order", orderNumber), ("entity", entity), ("fingerprint", fingerprint), ("now", clock.GetUtcNow())));
        orders.EnlistFulfillmentStatus(orderNumber, FulfillmentStatuses.WaitingOnActivation, what + ".");
        orders.EnlistTimeline(orderNumber, "usac-session-missing", what + ".");
        return session;
    }

    /// <summary>Files the order's form, or finds it filed. What needs a person becomes a ToDo.</summary>
    /// <exception cref="PortalUnavailableException">The portal is down: worth another try later.</exception>
    /// <exception cref="NonRetryableException">The portal's pages have changed; an operator must mend the page map, then retry.</exception>
    /// <exception cref="EffectUncertainException">Nobody can tell whether an earlier submission arrived.</exception>
    public async Task<FilingOutcome> FileAsync(string orderNumber, string cycle, CancellationToken ct)
    {
        var (order, form, faults) = await ReadAsync(orderNumber, ct).ConfigureAwait(false);
        if (faults.Count > 0) throw new NonRetryableException($"The answers of {orderNumber} can't be read: {faults[0]}");
        // Sealed evidence is not touched again: a repeated step takes the result from the record.
        if (await evidence.FindAsync(orderNumber, FormName, form.FilingYear, ct).ConfigureAwait(false) is { } known)
            return IsOf(known, order, cycle)
                ? new FilingOutcome.Filed(new(known.ConfirmationNumber, known.Reference, known.SubmittedAt), true)
                : throw new NonRetryableException($"The form of {orderNumber} for {form.FilingYear} was filed for another billing cycle (confirmation {known.ConfirmationNumber}).");
        if (order.IsStopped) return Stop(order, order.HoldReason ?? order.PaymentStatus);
        // Asked again here: the answers may have changed since they were approved.
        if (await approvals.MissingAsync(order, cycle, form, ct).ConfigureAwait(false) is not null) return new FilingOutcome.ApprovalMissing();
        var entity = EntityId(order);
        if (await sessions.ReadAsync(entity, ct).ConfigureAwait(false) is not UsacSession.Ready session) return new FilingOutcome.SessionExpired();
        var request = new FilingRequest(form, orderNumber, await authorizations.FindAsync(order, form, ct).ConfigureAwait(false))
        {
            Cycle = cycle,
            StopReason = async token => await orders.IsStoppedAsync(orderNumber, token).ConfigureAwait(false) ? "the order was stopped" : null,
        };
        var (outcome, state) = await portal.FileAsync(request, session.StorageState, evidence.Folder(order.ServiceSlug, orderNumber, cycle), ledger, ct).ConfigureAwait(false);
        // The portal has just let us in, so this is a good session; using it has also moved its end.
        if (state is not null)
        {
            await sessions.SaveAsync(entity, state, ct).ConfigureAwait(false);
            sessions.NoteLetIn(entity, state);
        }
        else if (outcome is FilingOutcome.SessionExpired)
        {
            sessions.NoteSignedOut(entity);
        }

        await ActOnAsync(order, form, outcome, ct).ConfigureAwait(false);
        return outcome;
    }

    /// <summary>Closes the evidence of a filing and notes it on the order.</summary>
    /// <param name="orderNumber">The order.</param>
    /// <param name="cycle">The billing cycle of a renewal; empty for the order itself.</param>
    /// <param name="filed">What the portal confirmed.</param>
    /// <param name="definitionVersionId">Version of the workflow definition that ran.</param>
    /// <param name="instanceId">The workflow instance.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <exception cref="NonRetryableException">The submitted values are not in the evidence.</exception>
    public async Task<FilingRecord> KeepEvidenceAsync(string orderNumber, string cycle, FiledForm filed, string definitionVersionId, string instanceId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(filed);
        var order = await OrderAsync(orderNumber, ct).ConfigureAwait(false);
        // The values as submitted, not as the order's answers say today.
        var values = await store.GetAsync(options.EvidenceBucket, FilingEvidence.Prefix(order.ServiceSlug, orderNumber, cycle) + "values.json", ct).ConfigureAwait(false)
            ?? throw new NonRetryableException($"The evidence of {orderNumber} has no values.json: the submitted values are not known.");
        var submitted = JsonNode.Parse(values.Content.Span)!;
        var record = await evidence.SealAsync(new()
        {
            OrderNumber = orderNumber,
            ServiceSlug = order.ServiceSlug,
            Form = FormName,
            Year = submitted["filing_year"]!.GetValue<int>(),
            FilerId = submitted["lines"]!["101"]!.GetValue<string>(),
            LegalName = submitted["lines"]!["102"]!.GetValue<string>(),
            ConfirmationNumber = filed.ConfirmationNumber,
            Reference = filed.Reference,
            SubmittedAt = filed.SubmittedAt,
            ValuesSha256 = Convert.ToHexStringLower(SHA256.HashData(values.Content.Span)),
            PageMapVersion = portal.Map.Version,
            PageMapSha256 = portal.Map.Sha256,
            WorkflowDefinitionVersionId = definitionVersionId,
            WorkflowInstanceId = instanceId,
            RecordedAt = clock.GetUtcNow(),
        }, cycle, ct).ConfigureAwait(false);
        orders.EnlistFilingStatus(orderNumber, new JsonObject
        {
            ["confirmation_number"] = record.ConfirmationNumber,
            ["evidence"] = record.EvidencePath,
            ["manifest_sha256"] = record.ManifestSha256,
            ["submitted_at"] = record.SubmittedAt,
        });
        orders.EnlistFulfillmentStatus(orderNumber, FulfillmentStatuses.Filed);
        orders.EnlistTimeline(orderNumber, "filed", $"FCC Form 499-A filed, confirmation {record.ConfirmationNumber}.");
        return record;
    }

    async Task ActOnAsync(Order order, Form499A form, FilingOutcome outcome, CancellationToken ct)
    {
        switch (outcome)
        {
            case FilingOutcome.Filed:
                foreach (var marker in new[] { FilingMarkers.Authorization, FilingMarkers.Validation, FilingMarkers.Layout })
                    await todos.CloseAsync(order.OrderNumber, marker, ct).ConfigureAwait(false);
                break;
            case FilingOutcome.SavedUnsubmitted saved:
                await todos.RaiseAsync(Todo(order, FilingMarkers.Authorization,
                    $"FCC Form 499-A of {form.LegalName} (Filer ID {form.FilerId}, year {form.FilingYear}) is saved and unsubmitted at USAC for {saved.ForWhom}: {saved.Why}. "
                    + $"Get the officer's authorization for the values with hash {saved.ValuesSha256} and record it. The order goes on by itself then."), ct).ConfigureAwait(false);
                orders.EnlistFulfillmentStatus(order.OrderNumber, FulfillmentStatuses.AwaitingAuthorization, $"Saved and unsubmitted for {saved.ForWhom}: {saved.Why}.");
                orders.EnlistTimeline(order.OrderNumber, "saved-unsubmitted", $"The form is saved and unsubmitted for {saved.ForWhom}.");
                break;
            case FilingOutcome.ValidationFailed failed:
                await todos.RaiseAsync(Todo(order, FilingMarkers.Validation,
                    $"USAC refused values on page {failed.Step}:\n{string.Join('\n', failed.Errors.Select(e => "- " + e.Message))}\nCorrect the order's answers. The order goes on by itself when they are changed."), ct).ConfigureAwait(false);
                orders.EnlistFulfillmentStatus(order.OrderNumber, FulfillmentStatuses.AwaitingIntake, $"USAC refused values on page {failed.Step}.");
                orders.EnlistTimeline(order.OrderNumber, "values-refused", $"USAC refused: {string.Join(' ', failed.Errors.Select(e => e.Message))}");
                break;
            case FilingOutcome.Stopped stopped:
                Stop(order, stopped.Why);
                break;
            case FilingOutcome.LayoutChanged changed:
                await todos.RaiseAsync(Todo(order, FilingMarkers.Layout,
                    $"USAC's page {changed.Step} is not as the page map {portal.Map.Version} says, at {changed.Field}: {changed.Why}. Nothing was submitted unless the filing list says so. "
                    + "Mend the page map, restart, then retry the failed step."), ct).ConfigureAwait(false);
                throw new NonRetryableException($"USAC's page {changed.Step} has changed at {changed.Field}: {changed.Why}");
            case FilingOutcome.PortalUnavailable down:
                throw new PortalUnavailableException(down.Why);
        }
    }

    FilingOutcome.Stopped Stop(Order order, string why)
    {
        orders.EnlistTimeline(order.OrderNumber, "stopped", $"Not filed: {why}.");
        return new(why);
    }

    async Task<(Order Order, Form499A Form, List<FormFault> Faults)> ReadAsync(string orderNumber, CancellationToken ct)
    {
        var order = await OrderAsync(orderNumber, ct).ConfigureAwait(false);
        var entity = order.TelecomEntityId is { } id ? await orders.GetEntityAsync(id, ct).ConfigureAwait(false) : null;
        var (form, faults) = Form499AReader.Read(order, entity);
        return (order, form, [.. faults]);
    }

    async Task<Order> OrderAsync(string orderNumber, CancellationToken ct) =>
        await orders.GetAsync(orderNumber, ct).ConfigureAwait(false) ?? throw new NonRetryableException($"There is no order {orderNumber}.");

    // Where the evidence lies tells whose filing it is.
    static bool IsOf(FilingRecord record, Order order, string cycle) => record.ManifestKey.StartsWith(FilingEvidence.Prefix(order.ServiceSlug, order.OrderNumber, cycle), StringComparison.Ordinal);

    static int EntityId(Order order) => order.TelecomEntityId ?? throw new NonRetryableException($"The order {order.OrderNumber} names no carrier (telecom_entity_id).");

    static ToDoRequest Todo(Order order, string marker, string instructions) => new(order.ServiceSlug, order.OrderNumber, marker, instructions) { SalesOrder = order.SalesOrder };
}
