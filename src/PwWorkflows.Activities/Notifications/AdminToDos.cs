using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.ErpNext;

namespace PwWorkflows.Activities.Notifications;

/// <summary>A ToDo of the administrators.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Order">The order, or what stands for it.</param>
/// <param name="Slug">The service or workflow.</param>
/// <param name="Marker">Short stable word for the reason.</param>
/// <param name="Instructions">What happened and what to do.</param>
/// <param name="Status"><c>open</c> or <c>closed</c>.</param>
/// <param name="ErpnextName">Its name in ERPNext; <c>null</c> while ERPNext has not taken it.</param>
/// <param name="CreatedAt">When it was raised (UTC).</param>
/// <param name="ClosedAt">When its reason went away (UTC).</param>
public sealed record AdminToDo(long Id, string Order, string Slug, string Marker, string Instructions, string Status, string? ErpnextName, DateTimeOffset CreatedAt, DateTimeOffset? ClosedAt);

/// <summary>The administrators' work list: the table <c>admin_todos</c>, copied to ERPNext's ToDo.</summary>
public sealed class AdminToDos(IPwDatabase database, ErpNextClient erp, IEffectLedger effects, TimeProvider time, ILogger<AdminToDos> logger) : IAdminToDos
{
    private sealed record Row(long Id, string Order, string Slug, string Marker, string Instructions, string? SalesOrder);

    private sealed record Name(string Value);

    /// <inheritdoc />
    public async Task RaiseAsync(ToDoRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentException.ThrowIfNullOrWhiteSpace(request.Order);
        ArgumentException.ThrowIfNullOrWhiteSpace(request.Marker);
        var added = await database.ExecuteAsync(
            """
            INSERT INTO admin_todos (order_number, service_slug, marker, instructions, sales_order, status, created_at)
            VALUES (@order, @slug, @marker, @instructions, @sales_order, 'open', @now)
            ON CONFLICT (order_number, marker) WHERE status = 'open' DO NOTHING
            """,
            Parameters.Of(("order", request.Order), ("slug", request.Slug), ("marker", request.Marker), ("instructions", request.Instructions),
                ("sales_order", request.SalesOrder), ("now", time.GetUtcNow())),
            ct).ConfigureAwait(false);
        if (added > 0) NotificationLog.ToDoRaised(logger, request.Slug, request.Order, request.Marker);
        var rows = await OpenAsync(request.Order, request.Marker, ct).ConfigureAwait(false);
        foreach (var row in rows) await TryCreateAsync(row, ct).ConfigureAwait(false);
    }

    /// <inheritdoc />
    public async Task CloseAsync(string order, string marker, CancellationToken ct)
    {
        var closed = await database.ExecuteAsync(
            "UPDATE admin_todos SET status = 'closed', closed_at = @now WHERE order_number = @order AND marker = @marker AND status = 'open'",
            Parameters.Of(("now", time.GetUtcNow()), ("order", order), ("marker", marker)),
            ct).ConfigureAwait(false);
        if (closed > 0) await CloseThereAsync(order, marker, ct).ConfigureAwait(false);
    }

    /// <summary>ToDos, newest first.</summary>
    /// <param name="all"><c>false</c>: only open ones.</param>
    /// <param name="take">At most so many.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<IReadOnlyList<AdminToDo>> ListAsync(bool all, int take, CancellationToken ct) =>
        await database.QueryAsync(
            $"SELECT id, order_number, service_slug, marker, instructions, status, erpnext_name, created_at, closed_at FROM admin_todos {(all ? "" : "WHERE status = 'open'")} ORDER BY id DESC LIMIT @take",
            Parameters.Of(("take", (long)take)),
            static r => new AdminToDo(r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4), r.GetString(5), r.Text(6), r.Time(7), r.TimeOrNull(8)),
            ct).ConfigureAwait(false);

    /// <summary>Tries again what ERPNext has not taken yet.</summary>
    /// <returns>How many are still not there.</returns>
    public async Task<int> FlushAsync(CancellationToken ct)
    {
        if (!erp.IsConfigured) return 0;
        var left = 0;
        foreach (var row in await OpenAsync(null, null, ct).ConfigureAwait(false))
        {
            if (!await TryCreateAsync(row, ct).ConfigureAwait(false)) left++;
        }

        return left + await CloseThereAsync(null, null, ct).ConfigureAwait(false);
    }

    /// <summary>Closes in ERPNext what is closed here.</summary>
    /// <returns>How many ERPNext did not take.</returns>
    private async Task<int> CloseThereAsync(string? order, string? marker, CancellationToken ct)
    {
        var rows = await database.QueryAsync(
            $"""
             SELECT id, service_slug, order_number, marker, erpnext_name FROM admin_todos
             WHERE status = 'closed' AND erpnext_name IS NOT NULL AND NOT erpnext_closed {(order is null ? "" : "AND order_number = @order AND marker = @marker")} ORDER BY id LIMIT 100
             """,
            order is null ? Parameters.None : Parameters.Of(("order", order), ("marker", marker)),
            static r => (Id: r.GetInt64(0), Slug: r.GetString(1), Order: r.GetString(2), Marker: r.GetString(3), Name: r.GetString(4)),
            ct).ConfigureAwait(false);
        var left = 0;
        foreach (var row in rows)
        {
            try
            {
                await erp.UpdateAsync("ToDo", row.Name, new JsonObject { ["status"] = "Closed" }, ct).ConfigureAwait(false);
            }
            catch (ErpNextRefusedException e) when (e.Status == HttpStatusCode.NotFound)
            {
                // Somebody deleted it there: nothing is left to close.
            }
            catch (Exception e) when (e is ErpNextRefusedException or ErpNextUnavailableException)
            {
                NotificationLog.ToDoNotCreated(logger, row.Slug, row.Order, row.Marker, $"could not be closed there: {e.Message}");
                left++;
                continue;
            }

            await database.ExecuteAsync($"UPDATE admin_todos SET erpnext_closed = {(database.IsPostgres ? "true" : "1")} WHERE id = @id", Parameters.Of(("id", row.Id)), ct).ConfigureAwait(false);
        }

        return left;
    }

    /// <summary>What ERPNext has not taken; what it refused before comes last, so that it holds nothing new up.</summary>
    private Task<List<Row>> OpenAsync(string? order, string? marker, CancellationToken ct) =>
        database.QueryAsync(
            $"""
             SELECT id, order_number, service_slug, marker, instructions, sales_order FROM admin_todos
             WHERE status = 'open' AND erpnext_name IS NULL {(order is null ? "" : "AND order_number = @order AND marker = @marker")} ORDER BY CASE WHEN last_error IS NULL THEN 0 ELSE 1 END, id LIMIT 100
             """,
            order is null ? Parameters.None : Parameters.Of(("order", order), ("marker", marker)),
            static r => new Row(r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4), r.Text(5)),
            ct);

    // The job that needed a person must not fail because the list is down: the ToDo stays here and is tried again.
    private async Task<bool> TryCreateAsync(Row row, CancellationToken ct)
    {
        try
        {
            var name = await effects.RunAsync(
                $"erp:todo:{row.Order}:{row.Marker}:{row.Id}",
                "erpnext.todo",
                async token => await FindAsync(row, token).ConfigureAwait(false) ?? await CreateAsync(row, token).ConfigureAwait(false),
                async token => await FindAsync(row, token).ConfigureAwait(false) is { } found
                    ? new Reconciliation<Name>.Happened(found)
                    : new Reconciliation<Name>.DidNotHappen(),
                ct).ConfigureAwait(false);
            await database.ExecuteAsync(
                "UPDATE admin_todos SET erpnext_name = @name, last_error = NULL WHERE id = @id",
                Parameters.Of(("name", name.Value), ("id", row.Id)),
                ct).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is ErpNextRefusedException or ErpNextUnavailableException or NonRetryableException)
        {
            NotificationLog.ToDoNotCreated(logger, row.Slug, row.Order, row.Marker, e.Message);
            await database.ExecuteAsync(
                "UPDATE admin_todos SET last_error = @error WHERE id = @id", Parameters.Of(("error", e.Message), ("id", row.Id)), ct).ConfigureAwait(false);
            return false;
        }
    }

    // An open one with the same order and marker may be left from an earlier life of this database.
    private async Task<Name?> FindAsync(Row row, CancellationToken ct)
    {
        var heading = Heading(row);
        var rows = await erp.ListAsync(
            "ToDo", [("status", "=", "Open"), ("description", "like", $"{heading}%{Reference(row)}%")], ["name", "description"], 100, ct).ConfigureAwait(false);
        foreach (var todo in rows)
        {
            // 'certification 5' is not 'certification 51'.
            if (ErpNextClient.Text(todo, "description") is { } text && text.StartsWith(heading, StringComparison.Ordinal) && (text.Length == heading.Length || char.IsWhiteSpace(text[heading.Length]) || text[heading.Length] == '<')
                && text.Contains(Reference(row), StringComparison.Ordinal) && ErpNextClient.Text(todo, "name") is { } name)
                return new Name(name);
        }

        return null;
    }

    private static string Heading(Row row) => $"[{row.Slug}] {row.Order}";

    private async Task<Name> CreateAsync(Row row, CancellationToken ct)
    {
        var document = new JsonObject
        {
            ["description"] = $"{Heading(row)}\n\n{Encode(row.Instructions)}\n\n{Reference(row)}",
            ["priority"] = "High",
            ["role"] = "Accounting Advisor",
            ["status"] = "Open",
        };
        if (row.SalesOrder is not null)
        {
            document["reference_type"] = "Sales Order";
            document["reference_name"] = row.SalesOrder;
        }

        var created = await erp.CreateAsync("ToDo", document, ct).ConfigureAwait(false);
        return ErpNextClient.Text(created, "name") is { } name ? new Name(name) : throw new ErpNextUnavailableException("ERPNext answered a ToDo without 'name'.");
    }

    private static string Reference(Row row) => $"(ref: {row.Marker})";

    // The field holds HTML; what customers typed must not become markup.
    private static string Encode(string text) => text
        .Replace("&", "&amp;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal);
}

/// <summary>Once a minute tries to hand ERPNext the ToDos it has not taken.</summary>
public sealed class AdminToDoOutbox(AdminToDos todos, TimeProvider time, ILogger<AdminToDoOutbox> logger) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Pause, time);
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
        {
            try
            {
                await todos.FlushAsync(stoppingToken).ConfigureAwait(false);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                NotificationLog.OutboxFailed(logger, e);
            }
        }
    }
}
