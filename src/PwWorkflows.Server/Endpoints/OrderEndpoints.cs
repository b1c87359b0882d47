using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Elsa.Workflows.Runtime;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>/api/v1/admin/orders</c>.</summary>
internal static partial class OrderEndpoints
{
    public static void Map(IEndpointRouteBuilder admin)
    {
        var orders = admin.MapGroup("/orders");
        orders.MapGet("", ListAsync).RequireAuthorization(Roles.Viewer);
        orders.MapGet("/{order}", ShowAsync).RequireAuthorization(Roles.Viewer);
        orders.MapPost("/{order}/officer-authorization", AuthorizeAsync).RequireAuthorization(Roles.Operator);
        orders.MapPut("/{order}/intake", ReplaceIntakeAsync).RequireAuthorization(Roles.Operator);
    }

    private static async Task<IResult> ListAsync(HttpContext http, OrderReader reader, CancellationToken ct)
    {
        if (!Paging.TryRead(http, out var skip, out var take, out var problem)) return problem;
        return PwJson.Ok(new { orders = await reader.ListAsync(http.Request.Query["fulfillment_status"], skip, take, ct).ConfigureAwait(false) });
    }

    private static async Task<IResult> ShowAsync(string order, OrderReader reader, CancellationToken ct) =>
        await reader.FindAsync(order, ct).ConfigureAwait(false) is { } view ? PwJson.Ok(view) : Missing(order);

    private static async Task<IResult> AuthorizeAsync(
        string order, HttpContext http, IOrders orders, OfficerAuthorizations authorizations, AuditLog audit, TimeProvider time, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var now = time.GetUtcNow();
        var hash = fields.Text("values_sha256", 64);
        if (hash.Length > 0 && !Sha256().IsMatch(hash)) fields.Wrong("values_sha256", "Expected 64 hexadecimal digits: the hash of the values the officer saw.");
        var at = fields.Time("authorized_at", required: false) ?? now;
        if (at > now.AddMinutes(5)) fields.Wrong("authorized_at", "Expected a time that is not in the future.");
        var email = fields.Text("email", 254);
        if (email.Length > 0 && !CustomerAddresses.IsWellFormed(email)) fields.Wrong("email", "Expected an e-mail address.");
        var given = new OfficerAuthorization(fields.Text("officer_name", 200).Trim(), fields.Text("officer_title", 200).Trim(), fields.Text("phone", 40).Trim(), email, at, hash.ToLowerInvariant());
        if (!fields.AreGood) return fields.Problem();
        if (await orders.GetAsync(order, ct).ConfigureAwait(false) is not { } row) return Missing(order);
        if (row.IsStopped) return Problems.Of(StatusCodes.Status409Conflict, "The order was stopped; nothing is filed any more.");
        if (row.IsFiled) return Problems.Of(StatusCodes.Status409Conflict, "The order has been filed.");

        // In the record's transaction, which comes before the wake-up: an authorization without a trace must not exist, nor a trace without it.
        await authorizations.RecordAsync(
            order, given, http.UserName(), ct,
            async (connection, transaction, token) =>
            {
                await audit.AppendAsync(
                    connection, transaction, http.UserName(), "officer-authorization", order, new JsonObject { ["officer_name"] = given.OfficerName, ["values_sha256"] = given.ValuesSha256 }, token).ConfigureAwait(false);
                await connection.ExecuteAsync(
                    transaction, OrderStore.TimelineInsert,
                    Parameters.Of(("order", order), ("at", now), ("event", "officer-authorized"), ("message", $"{given.OfficerName} ({given.OfficerTitle}) authorized the certification; recorded by {http.UserName()}.")),
                    token).ConfigureAwait(false);
            }).ConfigureAwait(false);
        return PwJson.Ok(new { order_number = order, officer_name = given.OfficerName, authorized_at = given.AuthorizedAt, values_sha256 = given.ValuesSha256 }, StatusCodes.Status202Accepted);
    }

    private static async Task<IResult> ReplaceIntakeAsync(
        string order, HttpContext http, IOrders orders, IPwDatabase database, [FromServices] IEventPublisher events, AuditLog audit, TimeProvider time, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        if (fields.Object("intake_data") is not { } intake) return fields.Problem();
        if (await orders.GetAsync(order, ct).ConfigureAwait(false) is not { } row) return Missing(order);
        if (row.IsStopped || row.IsFiled) return Problems.Of(StatusCodes.Status409Conflict, $"The order is {row.FulfillmentStatus}; its answers stay as they are.");

        var (now, answers) = (time.GetUtcNow(), intake.Body.ToJsonString());
        await database.WriteAsync(
            async (connection, transaction, token) =>
            {
                await connection.ExecuteAsync(
                    transaction, $"UPDATE compliance_orders SET intake_data = {database.Json("@intake")}, updated_at = @now WHERE order_number = @order",
                    Parameters.Of(("intake", answers), ("now", now), ("order", order)), token).ConfigureAwait(false);
                await audit.AppendAsync(connection, transaction, http.UserName(), "intake-replaced", order, null, token).ConfigureAwait(false);
                return await connection.ExecuteAsync(
                    transaction, OrderStore.TimelineInsert,
                    Parameters.Of(("order", order), ("at", now), ("event", "intake-updated"), ("message", $"The answers were replaced by {http.UserName()}.")), token).ConfigureAwait(false);
            },
            ct).ConfigureAwait(false);
        await events.PublishAsync(FilingEvents.IntakeUpdated(order), cancellationToken: ct).ConfigureAwait(false);
        return PwJson.Ok(new { order_number = order }, StatusCodes.Status202Accepted);
    }

    private static IResult Missing(string order) => Problems.Of(StatusCodes.Status404NotFound, $"There is no order '{order}'.");

    [GeneratedRegex("^[0-9a-fA-F]{64}$")]
    private static partial Regex Sha256();
}

/// <summary>Reads <c>skip</c> and <c>take</c> of a listing.</summary>
internal static class Paging
{
    public static bool TryRead(HttpContext http, out int skip, out int take, out IResult problem)
    {
        var errors = new Dictionary<string, string[]>(StringComparer.Ordinal);
        skip = Number(http, "skip", 0, 0, 1_000_000, errors);
        take = Number(http, "take", 50, 1, 500, errors);
        problem = Problems.OfFields(errors);
        return errors.Count == 0;
    }

    private static int Number(HttpContext http, string name, int fallback, int min, int max, Dictionary<string, string[]> errors)
    {
        var text = http.Request.Query[name].ToString();
        if (text.Length == 0) return fallback;
        if (int.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var number) && number >= min && number <= max) return number;
        errors[name] = [$"Expected a whole number from {min} to {max}."];
        return fallback;
    }
}
