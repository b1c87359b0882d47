using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Server.Hosting;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>POST /api/v1/orders</c>: the checkout places an order before it asks for money.</summary>
internal static partial class OrderIntake
{
    private const long MostCents = 100_000_000;
    private static readonly string[] Methods = ["card", "ach", "klarna", "paypal", "crypto"];

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/api/v1/orders", PlaceAsync).AllowAnonymous();

    private sealed record PlacedView(string OrderNumber, string Status, string FulfillmentStatus);

    private static async Task<IResult> PlaceAsync(HttpContext http, IOrders orders, IOptions<ServerOptions> options, TimeProvider time, CancellationToken ct)
    {
        if (!IsOurs(http.Request.Headers["X-Webhook-Secret"].ToString(), options.Value.WebhookSecret))
            return Problems.Of(StatusCodes.Status401Unauthorized, "Expected the shared secret in the header X-Webhook-Secret.");
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var (order, entity) = Read(fields, time.GetUtcNow());
        if (order is null) return fields.Problem();

        if (await orders.GetAsync(order.OrderNumber, ct).ConfigureAwait(false) is { } known) return Known(known, order);
        if (order.ParentOrderNumber is { } of && await orders.GetAsync(of, ct).ConfigureAwait(false) is null)
        {
            fields.Wrong("parent_order_number", $"Expected an order that exists, found none of the number {of}.");
            return fields.Problem();
        }

        if (entity is not null) await orders.SaveEntityAsync(entity, ct).ConfigureAwait(false);
        try
        {
            await orders.AddAsync(order, ct).ConfigureAwait(false);
        }
        catch (InvalidOperationException)
        {
            // Placed twice at the same moment: the other one was first.
            if (await orders.GetAsync(order.OrderNumber, ct).ConfigureAwait(false) is { } other) return Known(other, order);
            throw;
        }

        await orders.AddTimelineAsync(order.OrderNumber, "placed", $"Order placed for {order.ServiceSlug}.", ct).ConfigureAwait(false);
        return PwJson.Ok(View(order), StatusCodes.Status201Created);
    }

    /// <summary>Reads an order; every fault is in <paramref name="fields"/>, and then no order comes back.</summary>
    internal static (Order? Order, TelecomEntity? Entity) Read(Fields fields, DateTimeOffset now)
    {
        var number = fields.Text("order_number", 11);
        if (number.Length > 0 && !OrderNumber().IsMatch(number)) fields.Wrong("order_number", "Expected CO- (a service) or CG- (a government fee) and eight upper-case hexadecimal digits.");
        var isFee = number.StartsWith("CG-", StringComparison.Ordinal);
        var parent = fields.Text("parent_order_number", 11, required: isFee);
        if (parent.Length > 0 && !isFee) fields.Wrong("parent_order_number", "Expected only with a CG- order, which pays the government fee of another one.");
        else if (parent.Length > 0 && !ServiceOrderNumber().IsMatch(parent)) fields.Wrong("parent_order_number", "Expected CO- and eight upper-case hexadecimal digits.");
        var batch = fields.Text("batch_number", 11, required: false);
        if (batch.Length > 0 && !BatchNumber().IsMatch(batch)) fields.Wrong("batch_number", "Expected CB- and eight upper-case hexadecimal digits.");
        var slug = fields.Text("service_slug", 64);
        if (slug.Length > 0 && !Slug().IsMatch(slug)) fields.Wrong("service_slug", "Expected lower-case letters, digits and hyphens, such as fcc-499a.");
        var amount = fields.Whole("amount_cents", 0, MostCents);
        var currency = fields.Text("currency", 3, required: false);
        if (currency.Length > 0 && !Currency().IsMatch(currency)) fields.Wrong("currency", "Expected a lower-case ISO 4217 code, such as usd.");
        var method = fields.Text("payment_method", 20, required: false);
        if (method.Length > 0 && !Methods.Contains(method)) fields.Wrong("payment_method", $"Expected one of {string.Join(", ", Methods)}.");

        var customer = fields.Object("customer");
        var name = customer?.Text("name", 200) ?? "";
        var email = customer?.Text("email", 254) ?? "";
        if (email.Length > 0 && !CustomerAddresses.IsWellFormed(email)) customer!.Wrong("email", "Expected an e-mail address.");
        else if (email.Length > 0 && CustomerAddresses.IsPlaceholder(email)) customer!.Wrong("email", "Expected the customer's own address, found a placeholder.");

        var entity = ReadEntity(fields.Object("telecom_entity", required: false));
        var intake = (JsonObject?)fields.Object("intake_data")?.Body.DeepClone() ?? [];
        if (fields.Object("officer_authorization", required: false) is { } authorization) intake["officer_authorization"] = authorization.Body.DeepClone();
        var engaged = fields.Time("engagement_accepted_at", required: false);
        var approval = fields.Flag("approval_required");
        if (!fields.AreGood) return (null, null);

        return (
            new Order(number, slug, name, email)
            {
                BatchNumber = batch.Length > 0 ? batch : null,
                ParentOrderNumber = parent.Length > 0 ? parent : null,
                TelecomEntityId = entity?.Id,
                AmountCents = amount!.Value,
                Currency = currency.Length > 0 ? currency : "usd",
                PaymentMethod = method.Length > 0 ? method : null,
                IntakeData = intake,
                EngagementAcceptedAt = engaged,
                ApprovalRequired = approval,
                CreatedAt = now,
            },
            entity);
    }

    private static TelecomEntity? ReadEntity(Fields? fields)
    {
        if (fields is null) return null;
        var id = fields.Whole("id", 1, int.MaxValue);
        var name = fields.Text("legal_name", 300);
        var frn = fields.Text("frn", 20, required: false);
        if (frn.Length > 0 && !Frn().IsMatch(frn)) fields.Wrong("frn", "Expected ten digits.");
        var filer = fields.Text("filer_id_499", 20, required: false);
        if (filer.Length > 0 && !FilerId().IsMatch(filer)) fields.Wrong("filer_id_499", "Expected six digits that begin with 8.");
        var rest = (JsonObject)fields.Body.DeepClone();
        foreach (var column in (string[])["id", "legal_name", "frn", "filer_id_499"]) rest.Remove(column);
        return new TelecomEntity((int)(id ?? 0), name) { Frn = frn.Length > 0 ? frn : null, FilerId499 = filer.Length > 0 ? filer : null, Fields = rest };
    }

    private static IResult Known(Order known, Order given) =>
        known.ServiceSlug == given.ServiceSlug && known.AmountCents == given.AmountCents && string.Equals(known.CustomerEmail, given.CustomerEmail, StringComparison.OrdinalIgnoreCase)
            ? PwJson.Ok(View(known))
            : Problems.Of(StatusCodes.Status409Conflict, $"There is another order {known.OrderNumber}: its service, price or customer differ.");

    private static PlacedView View(Order order) => new(order.OrderNumber, order.PaymentStatus, order.FulfillmentStatus);

    private static bool IsOurs(string presented, string secret) =>
        secret.Length > 0 && presented.Length > 0
        && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(presented)), SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    [GeneratedRegex("^C[OG]-[0-9A-F]{8}$")]
    private static partial Regex OrderNumber();

    [GeneratedRegex("^CO-[0-9A-F]{8}$")]
    private static partial Regex ServiceOrderNumber();

    [GeneratedRegex("^CB-[0-9A-F]{8}$")]
    private static partial Regex BatchNumber();

    [GeneratedRegex("^[a-z0-9][a-z0-9-]{0,62}[a-z0-9]$")]
    private static partial Regex Slug();

    [GeneratedRegex("^[a-z]{3}$")]
    private static partial Regex Currency();

    [GeneratedRegex("^[0-9]{10}$")]
    private static partial Regex Frn();

    [GeneratedRegex("^8[0-9]{5}$")]
    private static partial Regex FilerId();
}
