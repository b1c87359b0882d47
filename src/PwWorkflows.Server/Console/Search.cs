using System.Globalization;
using PwWorkflows.Activities.Data;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary>Something found by its id.</summary>
/// <param name="Kind">What it is, such as <c>Order</c>.</param>
/// <param name="Name">Its id or name.</param>
/// <param name="Href">Its page.</param>
internal sealed record SearchHit(string Kind, string Name, string Href);

/// <summary>Finds things by what is typed into the bar: register one as a singleton for every kind of id. It must cost an indexed look-up.</summary>
internal interface ISearch
{
    /// <summary>The hits for a text, at most a few; none when it can't be one of this kind.</summary>
    Task<IReadOnlyList<SearchHit>> FindAsync(string text, CancellationToken ct);
}

/// <summary>Orders by number, batch, Sales Order, FRN, Filer ID and customer.</summary>
internal sealed class OrderSearch(IPwDatabase database) : ISearch
{
    public async Task<IReadOnlyList<SearchHit>> FindAsync(string text, CancellationToken ct)
    {
        var exact = await database.QueryAsync(
            "SELECT order_number FROM compliance_orders WHERE order_number = @q UNION SELECT order_number FROM compliance_orders WHERE erpnext_sales_order = @q", Parameters.Of(("q", text.ToUpperInvariant())),
            static r => new SearchHit("Order", r.GetString(0), OrdersPage.Url(r.GetString(0))), ct).ConfigureAwait(false);
        if (exact.Count > 0) return exact;
        var where = text.All(char.IsAsciiDigit)
            ? "telecom_entity_id IN (SELECT id FROM telecom_entities WHERE frn = @q UNION SELECT id FROM telecom_entities WHERE filer_id_499 = @q)"
            : $"{CustomerBegins(database, "customer_name", "@q")} OR batch_number = @q";
        var some = await database.QueryAsync(
            $"SELECT order_number FROM compliance_orders WHERE {where} LIMIT 1", Parameters.Of(("q", text)), static r => r.GetString(0), ct).ConfigureAwait(false);
        return some.Count == 0 ? [] : [new SearchHit("Orders of", text, "/orders?q=" + Uri.EscapeDataString(text))];
    }

    /// <summary>A condition on how a name begins, in any case, that an index on <c>lower(…)</c> answers.</summary>
    public static string CustomerBegins(IPwDatabase database, string column, string parameter)
    {
        var name = database.IsPostgres ? $"lower({column}) COLLATE \"C\"" : $"lower({column})";
        return $"({name} >= lower({parameter}) AND {name} < lower({parameter}) || '\U0010FFFF')";
    }
}

/// <summary>Events by the sender's id.</summary>
internal sealed class EventSearch(IPwDatabase database) : ISearch
{
    public async Task<IReadOnlyList<SearchHit>> FindAsync(string text, CancellationToken ct) =>
        await database.QueryAsync(
            "SELECT id FROM webhook_inbox WHERE provider IN ('stripe', 'erpnext', 'jobs') AND event_id = @q", Parameters.Of(("q", text)),
            r => new SearchHit("Webhook", text, "/webhooks/" + r.GetInt64(0).ToString(CultureInfo.InvariantCulture)), ct).ConfigureAwait(false);
}

/// <summary>Filings by confirmation number.</summary>
internal sealed class FilingSearch(IPwDatabase database) : ISearch
{
    public async Task<IReadOnlyList<SearchHit>> FindAsync(string text, CancellationToken ct) =>
        await database.QueryAsync(
            "SELECT sequence FROM filings WHERE confirmation_number = @q", Parameters.Of(("q", text.ToUpperInvariant())),
            r => new SearchHit("Filing", text, "/filings/" + r.GetInt64(0).ToString(CultureInfo.InvariantCulture)), ct).ConfigureAwait(false);
}

/// <summary>Workflow instances by id.</summary>
internal sealed class InstanceSearch(IWorkflowAdmin workflows) : ISearch
{
    public async Task<IReadOnlyList<SearchHit>> FindAsync(string text, CancellationToken ct) =>
        text.Length is >= 16 and <= 64 && text.All(char.IsAsciiHexDigit) && await workflows.GetInstanceAsync(text, ct).ConfigureAwait(false) is { } found
            ? [new SearchHit("Instance", found.Instance.DefinitionId, "/studio/host/instance?id=" + Uri.EscapeDataString(text))] : [];
}
