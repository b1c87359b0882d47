using System.Data.Common;
using Elsa.Workflows.Runtime;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Filings;

/// <summary>The officers' authorizations on record (table <c>officer_authorizations</c>, or brought by the order's answers).</summary>
public sealed class OfficerAuthorizations(IPwDatabase database, IEventPublisher events, TimeProvider clock)
{
    /// <summary>Name of the event an order waits for when an authorization is missing.</summary>
    public static string EventName(string orderNumber) => "officer-authorization:" + orderNumber;

    /// <summary>
    /// The authorization for exactly these values, or the newest for other values of the order (which then tells whom to ask again), or null.
    /// </summary>
    public async Task<OfficerAuthorization?> FindAsync(Order order, Form499A form, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(order);
        ArgumentNullException.ThrowIfNull(form);
        var hash = form.ValuesSha256();
        var rows = await database.QueryAsync(
            """
            SELECT officer_name, officer_title, phone, email, authorized_at, values_sha256 FROM officer_authorizations WHERE order_number = @order
            ORDER BY CASE WHEN values_sha256 = @hash THEN 0 ELSE 1 END, authorized_at DESC
            """,
            Parameters.Of(("order", order.OrderNumber), ("hash", hash)),
            r => new OfficerAuthorization(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.Time(4), r.GetString(5)),
            ct).ConfigureAwait(false);
        var brought = OfficerAuthorization.FromIntake(order.IntakeData);
        if (rows is [var first, ..] && (first.ValuesSha256 == hash || brought?.ValuesSha256 != hash)) return first;
        return brought;
    }

    /// <summary>Records an officer's word and wakes the order that waits for it.</summary>
    /// <param name="orderNumber">The order.</param>
    /// <param name="authorization">Who, when, for which values.</param>
    /// <param name="recordedBy">The user who recorded it.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <param name="also">Written in the same transaction, such as the entry of the audit log.</param>
    public async Task RecordAsync(string orderNumber, OfficerAuthorization authorization, string recordedBy, CancellationToken ct, Func<DbConnection, DbTransaction, CancellationToken, Task>? also = null)
    {
        ArgumentNullException.ThrowIfNull(authorization);
        await database.WriteAsync(
            async (connection, transaction, token) =>
            {
                await connection.ExecuteAsync(
                    transaction,
                    """
                    INSERT INTO officer_authorizations (order_number, values_sha256, officer_name, officer_title, phone, email, authorized_at, recorded_by, recorded_at)
                    VALUES (@order, @hash, @name, @title, @phone, @email, @at, @by, @now) ON CONFLICT (order_number, values_sha256) DO NOTHING
                    """,
                    Parameters.Of(
                        ("order", orderNumber), ("hash", authorization.ValuesSha256), ("name", authorization.OfficerName), ("title", authorization.OfficerTitle), ("phone", authorization.Phone),
                        ("email", authorization.Email), ("at", authorization.AuthorizedAt), ("by", recordedBy), ("now", clock.GetUtcNow())),
                    token).ConfigureAwait(false);
                if (also is not null) await also(connection, transaction, token).ConfigureAwait(false);
                return true;
            },
            ct).ConfigureAwait(false);
        // The name holds the order; a renewal's instance is correlated by its cycle as well.
        await events.PublishAsync(EventName(orderNumber), cancellationToken: ct).ConfigureAwait(false);
    }
}
