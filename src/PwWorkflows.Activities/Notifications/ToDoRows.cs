using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Notifications;

/// <summary>ToDos written in a transaction of somebody else; the outbox hands them to ERPNext afterwards.</summary>
internal static class ToDoRows
{
    /// <summary>Opens a ToDo; nothing is written while one with the same order and marker is open.</summary>
    public static (string Sql, IReadOnlyList<KeyValuePair<string, object?>> Values) Raise(string order, string slug, string marker, string instructions, DateTimeOffset at) =>
        ("""
         INSERT INTO admin_todos (order_number, service_slug, marker, instructions, sales_order, status, created_at)
         VALUES (@order, @slug, @marker, @instructions, (SELECT erpnext_sales_order FROM compliance_orders WHERE order_number = @order), 'open', @now)
         ON CONFLICT (order_number, marker) WHERE status = 'open' DO NOTHING
         """,
         Parameters.Of(("order", order), ("slug", slug), ("marker", marker), ("instructions", instructions), ("now", at)));

    /// <summary>Closes the ToDo of a marker that names one thing only; nothing happens when there is none.</summary>
    public static (string Sql, IReadOnlyList<KeyValuePair<string, object?>> Values) Close(string marker, DateTimeOffset at) =>
        ("UPDATE admin_todos SET status = 'closed', closed_at = @now WHERE marker = @marker AND status = 'open'", Parameters.Of(("now", at), ("marker", marker)));
}
