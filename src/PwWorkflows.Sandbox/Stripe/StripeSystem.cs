using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.ErpNext;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.Sandbox.Stripe;

/// <summary>
/// Stripe's sender at <c>/stripe</c>: makes checkouts and events, signs them and delivers them to the server's webhook, as often and in
/// whatever order a test wants.
/// </summary>
/// <remarks>
/// Own faults, matched by event type: <c>lost</c> (never sent), <c>duplicate</c> (sent twice), <c>reorder</c> (held back until another event was sent).
/// </remarks>
public sealed class StripeSystem : SandboxSystem, IDisposable
{
    /// <summary>Path of the server's webhook.</summary>
    public const string WebhookPath = "/api/v1/webhooks/stripe";

    /// <summary>Path of the server's order intake.</summary>
    public const string OrdersPath = "/api/v1/orders";

    /// <summary>Fault kind: the event is made, but never sent.</summary>
    public const string Lost = "lost";

    /// <summary>Fault kind: the event is sent twice.</summary>
    public const string DuplicateDelivery = "duplicate";

    /// <summary>Fault kind: the event is sent after the next one.</summary>
    public const string Reorder = "reorder";

    /// <summary>Most events and checkouts kept; older ones are forgotten, so that long benches stay flat.</summary>
    const int Capacity = 20_000;

    static readonly JsonSerializerOptions Pretty = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    static readonly Dictionary<string, long> Prices = new()
    {
        ["fcc-499a"] = 49900,
        ["fcc-499a-zero"] = 17900,
        ["fcc-compliance-checkup"] = 79900,
        ["fcc-499a-499q"] = 59900,
        ["fcc-499a-discontinuance"] = 29900,
        ["oig-sam-screening"] = 7900,
    };

    readonly ConcurrentDictionary<string, StripeEvent> _events = new();
    readonly ConcurrentDictionary<string, StripeCheckout> _checkouts = new();
    readonly ConcurrentQueue<string> _eventOrder = new();
    readonly ConcurrentQueue<string> _checkoutOrder = new();
    readonly ErpNextSystem _erp;
    readonly StripeSender _sender;

    /// <summary>Creates the sender; <paramref name="erp"/> is where Sales Orders are looked up for the answer of a checkout.</summary>
    public StripeSystem(SandboxContext context, ErpNextSystem erp) : base("stripe", context, Lost, DuplicateDelivery, Reorder)
    {
        ArgumentNullException.ThrowIfNull(context);
        _erp = erp;
        ServerUrl = context.Options.ServerUrl;
        _sender = new StripeSender(this, Clock, context.Options.Secrets.StripeWebhookSecret);
    }

    /// <summary>Base address of the server, without a slash at the end.</summary>
    public string ServerUrl { get; set; }

    /// <inheritdoc />
    public override string HomePath => "/stripe/_log";

    /// <inheritdoc />
    public override void Reset()
    {
        _sender.Reset();
        _events.Clear();
        _checkouts.Clear();
        _eventOrder.Clear();
        _checkoutOrder.Clear();
    }

    /// <inheritdoc />
    public override Task StopAsync(CancellationToken ct) => _sender.StopAsync();

    /// <inheritdoc />
    public void Dispose() => _sender.Dispose();

    /// <inheritdoc />
    public override (string ContentType, string Body) FaultBody(int status) =>
        ("application/json", Error("api_error", "An unknown error occurred").ToJsonString());

    internal sealed record ServerRequest(string Url);

    internal sealed record ScheduleRequest(IReadOnlyList<int> RetryDelaysMs);

    /// <inheritdoc />
    public override void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/_checkout", (CheckoutRequest r, CancellationToken ct) => CheckoutAsync(r, ct));
        routes.MapPost("/_event", (EventRequest r, CancellationToken ct) => EventAsync(r, ct));
        routes.MapPost("/_events", (EventsRequest r, CancellationToken ct) => EventsAsync(r, ct));
        routes.MapPost("/_resend", (ResendRequest r, CancellationToken ct) => ResendAsync(r, ct));
        routes.MapPost("/_server", (ServerRequest r) =>
        {
            if (!Uri.TryCreate(r.Url, UriKind.Absolute, out var url) || !url.IsLoopback)
                return SandboxJson.Problem(400, $"url: expected an address on this machine, got {r.Url}");
            ServerUrl = r.Url.TrimEnd('/');
            return SandboxJson.Ok(new { url = ServerUrl });
        });
        routes.MapPost("/_schedule", (ScheduleRequest r) =>
        {
            _sender.RetryDelaysMs = r.RetryDelaysMs;
            return SandboxJson.Ok(new { retry_delays_ms = _sender.RetryDelaysMs });
        });
        routes.MapGet("/v1/events", ListEvents);
        routes.MapGet("/v1/events/{id}", (HttpContext http, string id) =>
            Authorised(http) ?? (_events.TryGetValue(id, out var e)
                ? Results.Content(e.Body, "application/json")
                : Json(404, Error("invalid_request_error", $"No such event: '{id}'"))));
    }

    async Task<IResult> CheckoutAsync(CheckoutRequest r, CancellationToken ct)
    {
        if (r.Method == "crypto") return SandboxJson.Problem(501, "method crypto: the sandbox has no SHKeeper yet");
        if (r.Method is not ("card" or "ach" or "klarna")) return SandboxJson.Problem(400, $"method: expected card, ach or klarna, got {r.Method}");
        if (r.PaymentStatus is not (null or "paid" or "unpaid" or "no_payment_required"))
            return SandboxJson.Problem(400, $"payment_status: expected paid, unpaid or no_payment_required, got {r.PaymentStatus}");
        var batch = r.Batch is { Count: > 0 };
        if (!batch && string.IsNullOrWhiteSpace(r.ServiceSlug)) return SandboxJson.Problem(400, "service_slug: expected the slug of a service, such as fcc-499a");

        var id = r.OrderNumber ?? NewNumber(batch ? "CB-" : "CO-");
        var orders = new List<JsonObject>();
        try
        {
            if (batch) foreach (var slug in r.Batch!) orders.Add(Order(r, slug, NewNumber("CO-"), id));
            else orders.Add(Order(r, r.ServiceSlug!, id, null));
        }
        catch (ArgumentException e)
        {
            return SandboxJson.Problem(400, e.Message);
        }
        if (r.Place)
            foreach (var order in orders)
                if (await PlaceAsync(order, ct) is { } problem) return problem;

        var customer = orders[0]["customer"]!;
        var checkout = new StripeCheckout(id, batch ? "compliance_batch" : "compliance", orders.Sum(o => o["amount_cents"]!.GetValue<long>()),
            customer["email"]!.GetValue<string>(), customer["name"]!.GetValue<string>(), r.Method)
        {
            Created = Clock.GetUtcNow(),
            Subscription = r.Subscription ? StripeIds.New("sub_", 24) : null,
        };
        Keep(_checkouts, _checkoutOrder, id, checkout);

        var late = r.Method == "ach" && r.PaymentStatus is null;
        var results = new List<DeliveryResult>();
        var e1 = MakeSessionEvent(checkout, "checkout.session.completed", r.PaymentStatus ?? (late ? "unpaid" : "paid"));
        results.AddRange(await _sender.SendAsync(e1, r, ct));
        if (late)
        {
            e1 = MakeSessionEvent(checkout, "checkout.session.async_payment_succeeded", "paid");
            results.AddRange(await _sender.SendAsync(e1, r, ct));
        }

        var first = orders[0]["order_number"]!.GetValue<string>();
        return SandboxJson.Ok(new
        {
            order_number = id,
            sales_order = await SalesOrderAsync(first, TimeSpan.FromSeconds(r.WaitSeconds), ct),
            event_id = e1.Id,
            session_id = checkout.SessionId,
            payment_intent = checkout.PaymentIntent,
            subscription = checkout.Subscription,
            orders = orders.Select(o => o["order_number"]!.GetValue<string>()),
            deliveries = results,
        });
    }

    JsonObject Order(CheckoutRequest r, string slug, string number, string? batch)
    {
        var now = Clock.GetUtcNow();
        var entity = UsacDemo.Default;
        if (r.Entity is JsonValue value)
            entity = UsacDemo.Entities.FirstOrDefault(e => value.TryGetValue<int>(out var id) && e.TelecomEntityId == id)
                ?? throw new ArgumentException($"entity: expected one of {string.Join(", ", UsacDemo.Entities.Select(e => e.TelecomEntityId))} or an object, got {value.ToJsonString()}");
        var carrier = DemoOrder.TelecomEntity(entity);
        if (r.Entity is JsonObject fields) Merge(carrier, fields);
        var intake = (JsonObject?)r.Intake?.DeepClone() ?? DemoOrder.IntakeData(now.Year);
        if (r.IntakePatch is not null) Merge(intake, r.IntakePatch);
        var customer = DemoOrder.Customer();
        if (r.Email is not null) customer["email"] = r.Email;
        if (r.CustomerName is not null) customer["name"] = r.CustomerName;
        else if (r.Entity is not null) customer["name"] = carrier["legal_name"]?.DeepClone();

        var order = new JsonObject
        {
            ["order_number"] = number,
            ["service_slug"] = slug,
            ["customer"] = customer,
            ["telecom_entity"] = carrier,
            ["intake_data"] = intake,
            ["payment_method"] = r.Method,
            ["amount_cents"] = r.AmountCents ?? Prices.GetValueOrDefault(slug, 9900),
        };
        var authorization = r.OfficerAuthorization switch
        {
            JsonObject given => given.DeepClone(),
            null when r.Intake is null && r.Entity is not JsonObject && slug == "fcc-499a" => DemoOrder.OfficerAuthorization(entity, now.Year, now),
            _ => null,
        };
        if (authorization is not null) order["officer_authorization"] = authorization;
        if (batch is not null) order["batch_number"] = batch;
        if (r.ApprovalRequired) order["approval_required"] = true;
        return order;
    }

    async Task<IResult?> PlaceAsync(JsonObject order, CancellationToken ct)
    {
        var url = ServerUrl + OrdersPath;
        var number = order["order_number"]!.GetValue<string>();
        var (status, answer) = (0, "");
        try
        {
            (status, answer) = await _sender.PostAsync(url, order, "X-Webhook-Secret", Context.Options.Secrets.WebhookSecret, ct);
        }
        catch (HttpRequestException e)
        {
            answer = e.Message;
        }
        Log.Add(new SystemLogEntry(Clock.GetUtcNow(), "POST", url, status) { Direction = "out", Body = order.ToJsonString(), Changed = [$"order {number} placed at the server: {status}"] });
        return status is >= 200 and < 300 ? null : SandboxJson.Problem(502, $"the server did not take order {number} at {url}: {status} {answer}");
    }

    async Task<IResult> EventAsync(EventRequest r, CancellationToken ct)
    {
        StripeEvent e;
        try
        {
            e = Make(r);
        }
        catch (ArgumentException x)
        {
            return SandboxJson.Problem(400, x.Message);
        }
        var results = await _sender.SendAsync(e, r, ct);
        return SandboxJson.Ok(new { event_id = e.Id, type = e.Type, deliveries = results });
    }

    async Task<IResult> EventsAsync(EventsRequest r, CancellationToken ct)
    {
        if (r.Order is not ("given" or "reverse" or "random")) return SandboxJson.Problem(400, $"order: expected given, reverse or random, got {r.Order}");
        if (r.Parallel is < 1 or > 256) return SandboxJson.Problem(400, "parallel: expected a number from 1 to 256");
        (StripeEvent Event, EventRequest How)[] made;
        try
        {
            made = [.. r.Events.Select(how => (Make(how), how))];
        }
        catch (ArgumentException x)
        {
            return SandboxJson.Problem(400, x.Message);
        }
        if (r.Order == "reverse") Array.Reverse(made);
        if (r.Order == "random") RandomNumberGenerator.Shuffle(made.AsSpan());
        var results = new ConcurrentDictionary<string, IReadOnlyList<DeliveryResult>>();
        await Parallel.ForEachAsync(made, new ParallelOptions { MaxDegreeOfParallelism = r.Parallel, CancellationToken = ct },
            async (m, stop) => results[m.Event.Id] = await _sender.SendAsync(m.Event, m.How, stop));
        return SandboxJson.Ok(made.Select(m => new { event_id = m.Event.Id, type = m.Event.Type, deliveries = results[m.Event.Id] }));
    }

    async Task<IResult> ResendAsync(ResendRequest r, CancellationToken ct)
    {
        if (!_events.TryGetValue(r.EventId, out var e)) return SandboxJson.Problem(404, $"event_id: there is no event {r.EventId}");
        var results = await _sender.SendAsync(e, r, ct);
        return SandboxJson.Ok(new { event_id = e.Id, type = e.Type, deliveries = results });
    }

    StripeEvent Make(EventRequest r)
    {
        var now = Clock.GetUtcNow();
        var id = r.EventId ?? StripeIds.New("evt_", 24);
        if (r.Body is { } raw) return Remember(new StripeEvent(id, r.Type, raw, now));
        if (string.IsNullOrWhiteSpace(r.Type)) throw new ArgumentException("type: expected an event type");
        var subscription = r.Type.StartsWith("invoice.", StringComparison.Ordinal) || r.Type.StartsWith("customer.subscription.", StringComparison.Ordinal);
        var number = r.OrderNumber ?? NewNumber("CO-");
        if (!_checkouts.TryGetValue(number, out var c) || (subscription && c.Subscription is null))
        {
            c = new StripeCheckout(number, number.StartsWith("CB-", StringComparison.Ordinal) ? "compliance_batch" : "compliance",
                c?.AmountCents ?? 49900, c?.Email ?? DemoOrder.Customer()["email"]!.GetValue<string>(),
                c?.CustomerName ?? DemoOrder.Customer()["name"]!.GetValue<string>(), c?.Method ?? "card")
            {
                Created = now,
                Subscription = subscription ? StripeIds.New("sub_", 24) : null,
            };
            Keep(_checkouts, _checkoutOrder, number, c);
        }
        var resource = MakeResource(r, c, now);
        if (r.Resource is not null) Merge(resource, r.Resource);
        return Remember(new StripeEvent(id, r.Type, StripeObjects.Event(id, r.Type, now, r.ApiVersion?.DeepClone(), resource).ToJsonString(Pretty), now));
    }

    static JsonObject MakeResource(EventRequest r, StripeCheckout c, DateTimeOffset now)
    {
        JsonObject Metadata(bool byDefault) => r.Metadata switch
        {
            JsonObject given => (JsonObject)given.DeepClone(),
            JsonValue v when v.TryGetValue<bool>(out var wanted) => wanted ? StripeObjects.Metadata(c) : [],
            null => byDefault ? StripeObjects.Metadata(c) : [],
            _ => throw new ArgumentException("metadata: expected an object, true or false"),
        };
        switch (r.Type)
        {
            case "checkout.session.completed":
            case "checkout.session.async_payment_succeeded":
                return StripeObjects.Session(c, "complete", r.PaymentStatus ?? "paid", Metadata(true));
            case "checkout.session.async_payment_failed":
                return StripeObjects.Session(c, "complete", r.PaymentStatus ?? "unpaid", Metadata(true));
            case "checkout.session.expired":
                return StripeObjects.Session(c, "expired", r.PaymentStatus ?? "unpaid", Metadata(true));
            case "charge.refunded":
                c.RefundedCents = Math.Min(c.AmountCents, c.RefundedCents + (r.AmountRefunded ?? c.AmountCents));
                return StripeObjects.Charge(c, c.RefundedCents, Metadata(false));
            case "charge.dispute.created":
                return StripeObjects.Dispute(c, r.DisputeStatus, r.DisputeReason, now);
            case "invoice.paid":
                return StripeObjects.Invoice(c, true, r.BillingReason, Metadata(true), now);
            case "invoice.payment_failed":
                return StripeObjects.Invoice(c, false, r.BillingReason, Metadata(true), now);
            case "customer.subscription.deleted":
                return StripeObjects.EndedSubscription(c, Metadata(true), now);
            default:
                // Whatever the type, an event has a resource with an id and a kind.
                return new JsonObject { ["id"] = StripeIds.New("obj_", 24), ["object"] = r.Type.Split('.')[0], ["metadata"] = Metadata(true) };
        }
    }

    StripeEvent MakeSessionEvent(StripeCheckout c, string type, string paymentStatus)
    {
        var (id, now) = (StripeIds.New("evt_", 24), Clock.GetUtcNow());
        var session = StripeObjects.Session(c, "complete", paymentStatus, StripeObjects.Metadata(c));
        return Remember(new StripeEvent(id, type, StripeObjects.Event(id, type, now, StripeObjects.ApiVersion, session).ToJsonString(Pretty), now));
    }

    StripeEvent Remember(StripeEvent e)
    {
        Keep(_events, _eventOrder, e.Id, e);
        return e;
    }

    static void Keep<T>(ConcurrentDictionary<string, T> store, ConcurrentQueue<string> order, string key, T value)
    {
        store[key] = value;
        order.Enqueue(key);
        if (order.Count > Capacity && order.TryDequeue(out var oldest)) store.TryRemove(oldest, out _);
    }

    async Task<string?> SalesOrderAsync(string number, TimeSpan wait, CancellationToken ct)
    {
        var started = Clock.GetTimestamp();
        while (true)
        {
            foreach (var field in new[] { "custom_order_number", "po_no" })
            {
                var query = ListQuery.Parse(Site.DocTypes["Sales Order"], a => a == "filters" ? new JsonObject { [field] = number }.ToJsonString() : null);
                if (_erp.Db.List(Site.DocTypes["Sales Order"], query).FirstOrDefault() is { } doc) return doc.Name;
            }
            if (Clock.GetElapsedTime(started) >= wait) return null;
            await Task.Delay(TimeSpan.FromMilliseconds(20), Clock, ct);
        }
    }

    IResult ListEvents(HttpContext http)
    {
        if (Authorised(http) is { } refused) return refused;
        var query = http.Request.Query;
        var limit = int.TryParse(query["limit"], NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? Math.Clamp(n, 1, 100) : 10;
        // Newest first, thirty days back, as Stripe keeps them.
        var events = _eventOrder.Reverse().Distinct().Select(id => _events.GetValueOrDefault(id)).OfType<StripeEvent>()
            .Where(e => e.Created > Clock.GetUtcNow().AddDays(-30));
        if (query["type"].ToString() is { Length: > 0 } type) events = events.Where(e => e.Type == type);
        if (query["delivery_success"].ToString() is { Length: > 0 } success) events = events.Where(e => e.Delivered == (success == "true"));
        if (long.TryParse(query["created[gte]"], NumberStyles.None, CultureInfo.InvariantCulture, out var since)) events = events.Where(e => e.Created.ToUnixTimeSeconds() >= since);
        if (query["starting_after"].ToString() is { Length: > 0 } after) events = events.SkipWhile(e => e.Id != after).Skip(1);
        var page = events.Take(limit + 1).ToArray();
        var data = new JsonArray();
        foreach (var e in page.Take(limit))
        {
            // An event with a made-up body may not be JSON; Stripe itself has only JSON ones.
            try
            {
                data.Add(JsonNode.Parse(e.Body));
            }
            catch (JsonException)
            {
                continue;
            }
        }
        return Json(200, new JsonObject { ["object"] = "list", ["data"] = data, ["has_more"] = page.Length > limit, ["url"] = "/v1/events" });
    }

    static IResult? Authorised(HttpContext http) =>
        http.Request.Headers.Authorization.ToString().StartsWith("Bearer sk_test_", StringComparison.Ordinal)
            ? null
            : Json(401, Error("invalid_request_error", "You did not provide an API key. Expected Authorization: Bearer sk_test_..."));

    static JsonObject Error(string type, string message) => new() { ["error"] = new JsonObject { ["message"] = message, ["type"] = type } };

    static IResult Json(int status, JsonObject body) => Results.Content(body.ToJsonString(Pretty), "application/json", statusCode: status);

    static string NewNumber(string prefix) => prefix + Convert.ToHexString(RandomNumberGenerator.GetBytes(4));

    static void Merge(JsonObject target, JsonObject changes)
    {
        foreach (var (key, value) in changes)
        {
            if (value is null) target.Remove(key);
            else target[key] = value.DeepClone();
        }
    }
}
