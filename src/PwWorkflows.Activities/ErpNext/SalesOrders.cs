using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.ErpNext;

/// <summary>The customer and Sales Order of one of our orders.</summary>
/// <param name="Customer">Name of the Customer.</param>
/// <param name="SalesOrder">Name of the Sales Order.</param>
public sealed record SalesOrderLink(string Customer, string SalesOrder);

/// <summary>How moving a Sales Order went.</summary>
public abstract record AdvanceResult
{
    private AdvanceResult() { }

    /// <summary>It is at the state asked for, or beyond.</summary>
    /// <param name="State">The state it is in.</param>
    /// <param name="Moved">Whether we moved it (else it was there already).</param>
    public sealed record Reached(string State, bool Moved) : AdvanceResult;

    /// <summary>It can't get there from where it is (cancelled, failed).</summary>
    /// <param name="State">The state it is in.</param>
    /// <param name="Why">Why not, for people.</param>
    public sealed record NotAllowed(string State, string Why) : AdvanceResult;

    /// <summary>There is no such Sales Order.</summary>
    public sealed record Missing : AdvanceResult;
}

/// <summary>What fulfilment does in ERPNext; every change goes through the effect ledger.</summary>
public sealed class SalesOrders
{
    private const string SalesOrder = "Sales Order";

    private readonly ErpNextClient _erp;
    private readonly IEffectLedger _effects;
    private readonly TimeProvider _time;
    private readonly ErpNextOptions _options;
    private readonly Lazy<ErpNextWorkflow> _workflow;

    // Transitions that ERPNext itself has offered in this process: the file's labels are right for them.
    private readonly ConcurrentDictionary<SalesOrderTransition, bool> _confirmed = new();

    /// <summary>Creates the service.</summary>
    public SalesOrders(ErpNextClient erp, IEffectLedger effects, TimeProvider time, IOptions<ErpNextOptions> options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _erp = erp;
        _effects = effects;
        _time = time;
        _options = options.Value;
        _workflow = new(() => ErpNextWorkflow.Load(_options.WorkflowFile));
    }

    /// <summary>The states, actions and items in force.</summary>
    public ErpNextWorkflow Workflow => _workflow.Value;

    private sealed record Name(string Value);

    private sealed record State(string Value, bool Moved);

    /// <summary>The customer with this e-mail address, made when there is none.</summary>
    public async Task<string> FindOrCreateCustomerAsync(string email, string customerName, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(email);
        var address = email.Trim().ToLowerInvariant();
        if (await FindCustomerAsync(address, ct).ConfigureAwait(false) is { } found) return found;
        var created = await _effects.RunAsync(
            $"erp:customer:{address}",
            "erpnext.customer",
            async token =>
            {
                var document = new JsonObject { ["customer_name"] = customerName, ["customer_type"] = "Company", ["email_id"] = address };
                return new Name(Required(await _erp.CreateAsync("Customer", document, token).ConfigureAwait(false), "name"));
            },
            async token => await FindCustomerAsync(address, token).ConfigureAwait(false) is { } name
                ? new Reconciliation<Name>.Happened(new Name(name))
                : new Reconciliation<Name>.DidNotHappen(),
            ct).ConfigureAwait(false);
        return created.Value;
    }

    /// <summary>The Sales Order of an order, made when there is none. It carries the order's number as the customer's purchase order number.</summary>
    public async Task<SalesOrderLink> EnsureSalesOrderAsync(Order order, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(order);
        return await _effects.RunAsync(
            $"erp:so:{order.OrderNumber}",
            "erpnext.sales_order",
            async token =>
            {
                if (await FindSalesOrderAsync(order.OrderNumber, token).ConfigureAwait(false) is { } found) return found;
                var customer = await FindOrCreateCustomerAsync(order.CustomerEmail, order.CustomerName, token).ConfigureAwait(false);
                var today = _time.GetUtcNow().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
                var document = new JsonObject
                {
                    ["customer"] = customer,
                    ["transaction_date"] = today,
                    ["delivery_date"] = today,
                    ["order_type"] = "Sales",
                    ["po_no"] = order.OrderNumber,
                    ["currency"] = order.Currency.ToUpperInvariant(),
                    ["items"] = new JsonArray(new JsonObject
                    {
                        ["item_code"] = Workflow.ItemFor(order.ServiceSlug),
                        ["qty"] = 1,
                        ["rate"] = order.AmountCents / 100m,
                        ["delivery_date"] = today,
                    }),
                };
                foreach (var (ours, value) in new[] { ("order_number", order.OrderNumber), ("service_slug", order.ServiceSlug), ("batch_number", order.BatchNumber) })
                {
                    if (value is not null && Workflow.OrderFields.TryGetValue(ours, out var field)) document[field] = value;
                }

                if (_options.Company.Length > 0) document["company"] = _options.Company;
                var created = await _erp.CreateAsync(SalesOrder, document, token).ConfigureAwait(false);
                return new SalesOrderLink(customer, Required(created, "name"));
            },
            async token => await FindSalesOrderAsync(order.OrderNumber, token).ConfigureAwait(false) is { } found
                ? new Reconciliation<SalesOrderLink>.Happened(found)
                : new Reconciliation<SalesOrderLink>.DidNotHappen(),
            ct).ConfigureAwait(false);
    }

    /// <summary>Makes the customer's portal account unless there is one. ERPNext mails the invitation.</summary>
    /// <returns><c>false</c> when the address can't receive mail and no account was made.</returns>
    public async Task<bool> EnsurePortalUserAsync(string email, string fullName, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(email);
        var address = email.Trim().ToLowerInvariant();
        if (CustomerAddresses.IsPlaceholder(address)) return false;
        await _effects.RunAsync(
            $"erp:user:{address}",
            "erpnext.portal_user",
            async token =>
            {
                if (await _erp.GetDocumentAsync("User", address, token).ConfigureAwait(false) is not null) return new Name(address);
                var user = new JsonObject
                {
                    ["email"] = address,
                    ["first_name"] = fullName.Length is > 0 and <= 140 ? fullName : address,
                    ["user_type"] = "Website User",
                    ["send_welcome_email"] = 1,
                };
                try
                {
                    await _erp.CreateAsync("User", user, token).ConfigureAwait(false);
                }
                catch (ErpNextRefusedException e) when (e.ErrorType == "DuplicateEntryError")
                {
                    // Someone else made it between our look and our write: all we want.
                }

                return new Name(address);
            },
            async token => await _erp.GetDocumentAsync("User", address, token).ConfigureAwait(false) is not null
                ? new Reconciliation<Name>.Happened(new Name(address))
                : new Reconciliation<Name>.DidNotHappen(),
            ct).ConfigureAwait(false);
        return true;
    }

    /// <summary>Moves a Sales Order forward to a state, over the states between when there is no direct way. At or beyond it already counts as done.</summary>
    /// <exception cref="NonRetryableException">The configured states or actions don't fit ERPNext's own.</exception>
    public async Task<AdvanceResult> AdvanceAsync(string salesOrder, string target, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(salesOrder);
        if (!Workflow.States.Contains(target))
            throw new NonRetryableException($"'{target}' is no state of the Sales Order workflow; expected one of {string.Join(", ", Workflow.States)}.");
        try
        {
            var reached = await _effects.RunAsync(
                $"erp:{salesOrder}:{target}",
                "erpnext.state",
                token => MoveAsync(salesOrder, target, token),
                async token => await StateAsync(salesOrder, token).ConfigureAwait(false) is { } state && Workflow.IsAtOrAfter(state, target)
                    ? new Reconciliation<State>.Happened(new State(state, true))
                    : new Reconciliation<State>.DidNotHappen(),
                ct).ConfigureAwait(false);
            return new AdvanceResult.Reached(reached.Value, reached.Moved);
        }
        catch (CannotAdvanceException e)
        {
            return e.State is null ? new AdvanceResult.Missing() : new AdvanceResult.NotAllowed(e.State, e.Message);
        }
    }

    /// <summary>The clear text of a Sensitive ID, such as <c>usac-totp-7</c>; <c>null</c> when there is none. Use it at once and forget it.</summary>
    public Task<string?> GetSecretAsync(string name, CancellationToken ct) => _erp.GetPasswordAsync("Sensitive ID", name, "encrypted_value", ct);

    private async Task<State> MoveAsync(string salesOrder, string target, CancellationToken ct)
    {
        var moved = false;
        for (var races = 0; ;)
        {
            var state = await StateAsync(salesOrder, ct).ConfigureAwait(false)
                ?? throw new CannotAdvanceException(null, $"There is no Sales Order {salesOrder}.");
            if (Workflow.IsAtOrAfter(state, target)) return new State(state, moved);
            var path = Workflow.Path(state, target)
                ?? throw new CannotAdvanceException(state, $"Sales Order {salesOrder} is '{state}', from where no configured action leads to '{target}'.");
            try
            {
                foreach (var step in path)
                {
                    await CheckOfferedAsync(salesOrder, step, ct).ConfigureAwait(false);
                    state = await _erp.ApplyWorkflowAsync(SalesOrder, salesOrder, step.Action, ct).ConfigureAwait(false);
                    moved = true;
                }

                return new State(state, true);
            }
            catch (ErpNextUnavailableException e) when (e.LostRace && races++ < 4)
            {
                // Someone saved the document meanwhile: look again where it is.
            }
            catch (ErpNextRefusedException e) when (e.ErrorType is "WorkflowTransitionError" or "WorkflowPermissionError" && races++ < 1)
            {
                // Perhaps it was moved between our look and our action; if not, the second look ends the same way.
            }
        }
    }

    private async Task CheckOfferedAsync(string salesOrder, SalesOrderTransition step, CancellationToken ct)
    {
        if (_confirmed.ContainsKey(step)) return;
        var offered = await _erp.GetTransitionsAsync(SalesOrder, salesOrder, ct).ConfigureAwait(false);
        foreach (var transition in offered) _confirmed.TryAdd(transition, true);
        if (_confirmed.ContainsKey(step)) return;

        // Not offered here: the document moved on meanwhile, or the file is wrong.
        var state = await StateAsync(salesOrder, ct).ConfigureAwait(false);
        if (state != step.From) throw new ErpNextUnavailableException($"{salesOrder} changed while it was moved.", null, true) { LostRace = true };
        var list = offered.Count == 0 ? "none" : string.Join(", ", offered.Select(static t => $"'{t.Action}' to '{t.To}'"));
        throw new CannotAdvanceException(
            state, $"{_options.WorkflowFile} says that '{step.Action}' leads from '{step.From}' to '{step.To}', but ERPNext offers us for {salesOrder}: {list}.");
    }

    private async Task<string?> StateAsync(string salesOrder, CancellationToken ct) =>
        await _erp.GetDocumentAsync(SalesOrder, salesOrder, ct).ConfigureAwait(false) is { } document
            ? ErpNextClient.Text(document, "workflow_state") ?? ""
            : null;

    private async Task<string?> FindCustomerAsync(string email, CancellationToken ct)
    {
        var rows = await _erp.ListAsync("Customer", [("email_id", "=", email)], ["name"], 1, ct).ConfigureAwait(false);
        return rows.Count == 0 ? null : Required(rows[0], "name");
    }

    private async Task<SalesOrderLink?> FindSalesOrderAsync(string orderNumber, CancellationToken ct)
    {
        var rows = await _erp.ListAsync(SalesOrder, [("po_no", "=", orderNumber), ("docstatus", "<", "2")], ["name", "customer"], 1, ct).ConfigureAwait(false);
        return rows.Count == 0 ? null : new SalesOrderLink(ErpNextClient.Text(rows[0], "customer") ?? "", Required(rows[0], "name"));
    }

    private static string Required(JsonObject document, string field) =>
        ErpNextClient.Text(document, field) ?? throw new ErpNextUnavailableException($"ERPNext answered a document without '{field}'.");

    private sealed class CannotAdvanceException(string? state, string message) : NonRetryableException(message), IEffectFailure
    {
        public string? State { get; } = state;

        // Some steps of a longer way may have been made; the state says where it stands, so beginning anew is safe.
        public bool NothingHappened => true;
    }
}
