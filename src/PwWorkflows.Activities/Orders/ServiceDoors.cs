using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Payments;

namespace PwWorkflows.Activities.Orders;

/// <summary>The doors besides payment: ERPNext's webhook and the old job-server call. Both prove themselves by <c>WEBHOOK_SECRET</c>.</summary>
public sealed class ServiceDoors(IPwDatabase database, OrderStore orders, TimeProvider time, IOptions<PaymentOptions> options, ILogger<ServiceDoors> logger)
{
    internal const string Accepted = "Accepted";
    internal const string Rejected = "Rejected";
    internal const string Invalid = "Invalid";
    internal const string Unknown = "Unknown";

    private static readonly string[] OrderFields = ["order_number", "custom_order_number", "po_no", "order_id", "compliance_order"];
    private static readonly string[] SalesOrderFields = ["sales_order", "name", "docname", "erpnext_sales_order"];

    /// <summary>Checks a call of ERPNext's and finds the order it speaks of.</summary>
    internal async Task<(string Outcome, string Reason, string Order)> QueuedAsync(IncomingRequest request, string instanceId, CancellationToken ct)
    {
        var proven = SharedSecret.Matches(request.Header("X-Webhook-Secret"), options.Value.WebhookSecret)
            || SharedSecret.Signs(request.Header("X-Frappe-Webhook-Signature"), request.Body.Span, options.Value.WebhookSecret);
        return await TakeAsync("erpnext", "service/queued", proven, null, request, instanceId, ct).ConfigureAwait(false);
    }

    /// <summary>Checks a call to <c>/jobs</c>.</summary>
    internal async Task<(string Outcome, string Reason, string Order)> JobAsync(IncomingRequest request, string instanceId, CancellationToken ct)
    {
        var proven = SharedSecret.Matches(request.Header("X-Webhook-Secret"), options.Value.WebhookSecret)
            || SharedSecret.Matches(SharedSecret.Bearer(request.Header("Authorization")), options.Value.WebhookSecret);
        return await TakeAsync("jobs", "jobs", proven, "process_compliance_service", request, instanceId, ct).ConfigureAwait(false);
    }

    private async Task<(string Outcome, string Reason, string Order)> TakeAsync(
        string provider, string door, bool proven, string? action, IncomingRequest request, string instanceId, CancellationToken ct)
    {
        var (outcome, reason, order) = proven
            ? await ReadAsync(action, request.Body, ct).ConfigureAwait(false)
            : (Rejected, "the caller did not prove that it knows WEBHOOK_SECRET", "");
        if (outcome != Accepted) OrderLog.Refused(logger, door, reason);
        var kept = outcome == Accepted || request.Body.Length <= 4096 ? request.Body : request.Body[..4096];
        database.Enlist(
            """
            INSERT INTO webhook_inbox (provider, event_id, event_type, received_at, status, reason, order_number, instance_id, headers, body)
            VALUES (@provider, NULL, @type, @at, @status, @reason, @order, @instance, @headers, @body)
            """,
            Parameters.Of(("provider", provider), ("type", action ?? "service_queued"), ("at", time.GetUtcNow()), ("status", outcome == Accepted ? "applied" : "rejected"),
                ("reason", reason), ("order", order.Length == 0 ? null : order), ("instance", instanceId),
                ("headers", KeptHeaders.Of(request.Headers.Select(static h => new KeyValuePair<string, string>(h.Key, h.Value.ToString())))), ("body", kept.ToArray())),
            1);
        return (outcome, reason, order);
    }

    private async Task<(string Outcome, string Reason, string Order)> ReadAsync(string? action, ReadOnlyMemory<byte> body, CancellationToken ct)
    {
        if (JsonReading.TryParse(body, out var root) is { } fault) return (Invalid, fault, "");
        if (action is not null && root.Text("action") != action) return (Invalid, $"action: expected '{action}', found '{root.Text("action") ?? "nothing"}'", "");

        // ERPNext sends what its webhook's rows name, the old job server a flat object or one level of 'order'.
        JsonElement[] places = [root, root.Child("order"), root.Child("data"), root.Child("doc")];
        foreach (var number in Texts(places, OrderFields))
        {
            if (await orders.GetAsync(number, ct).ConfigureAwait(false) is { } order) return (Accepted, "", order.OrderNumber);
        }

        var named = Texts(places, SalesOrderFields).ToList();
        foreach (var name in named)
        {
            if (await orders.FindBySalesOrderAsync(name, ct).ConfigureAwait(false) is { } order) return (Accepted, "", order.OrderNumber);
        }

        return named.Count == 0 && !Texts(places, OrderFields).Any()
            ? (Invalid, $"expected the order in one of {string.Join(", ", OrderFields.Concat(SalesOrderFields))}, a text", "")
            : (Unknown, "there is no such order", "");
    }

    private static IEnumerable<string> Texts(JsonElement[] places, string[] fields) =>
        places.SelectMany(p => fields.Select(f => p.Text(f))).OfType<string>().Where(static t => t.Length is > 0 and <= 140).Distinct(StringComparer.Ordinal);
}
