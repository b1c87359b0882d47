using System.Net;
using System.Text.Json.Nodes;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Sandbox;
using PwWorkflows.Sandbox.Stripe;
using PwWorkflows.Sandbox.Usac;
using Stripe;
using Stripe.Checkout;

namespace PwWorkflows.Activities.Tests.Sandbox;

public sealed class StripeTests : SandboxTest
{
    Receiver _server = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _server = await Receiver.StartAsync(Ct);
        await PostOkAsync("stripe/_server", $$"""{"url":"{{_server.Url}}"}""");
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    IReadOnlyList<Received> Events => _server.At(StripeSystem.WebhookPath);

    static Event Construct(Received got, bool throwOnApiVersionMismatch = true) => EventUtility.ConstructEvent(
        got.Body, got.Headers["Stripe-Signature"], SandboxSecrets.Published.StripeWebhookSecret, throwOnApiVersionMismatch: throwOnApiVersionMismatch);

    [Fact]
    public async Task Checkout_places_the_order_before_its_signed_event()
    {
        var answer = await PostOkAsync("stripe/_checkout", """{"service_slug":"fcc-499a"}""");
        var number = answer["order_number"]!.GetValue<string>();
        Assert.Matches("^CO-[0-9A-F]{8}$", number);
        Assert.Null(answer["sales_order"]);
        Assert.Equal([StripeSystem.OrdersPath, StripeSystem.WebhookPath], _server.Requests.Select(r => r.Path));

        var placed = _server.At(StripeSystem.OrdersPath).Single();
        Assert.Equal(SandboxSecrets.Published.WebhookSecret, placed.Headers["X-Webhook-Secret"]);
        var order = JsonNode.Parse(placed.Body)!;
        Assert.Equal(number, order["order_number"]!.GetValue<string>());
        Assert.Equal("fcc-499a", order["service_slug"]!.GetValue<string>());
        Assert.Equal("card", order["payment_method"]!.GetValue<string>());
        Assert.Equal(49900, order["amount_cents"]!.GetValue<int>());

        var e = Construct(Events.Single());
        Assert.Equal(answer["event_id"]!.GetValue<string>(), e.Id);
        Assert.Equal("checkout.session.completed", e.Type);
        Assert.Equal(StripeConfiguration.ApiVersion, e.ApiVersion);
        var session = Assert.IsType<Session>(e.Data.Object);
        Assert.Equal("paid", session.PaymentStatus);
        Assert.Equal("complete", session.Status);
        Assert.Equal(49900, session.AmountTotal);
        Assert.Equal(number, session.ClientReferenceId);
        Assert.Equal(number, session.Metadata["order_id"]);
        Assert.Equal("compliance", session.Metadata["order_type"]);
        Assert.StartsWith("cs_test_", session.Id, StringComparison.Ordinal);
        Assert.Equal(answer["payment_intent"]!.GetValue<string>(), session.PaymentIntentId);
        Assert.False(e.Livemode);
    }

    [Fact]
    public void Hand_made_signature_is_the_one_stripe_makes()
    {
        var at = DateTimeOffset.FromUnixTimeSeconds(1767225600);
        const string body = "{\"id\":\"evt_é\"}";
        Assert.Equal(EventUtility.GenerateSignatureHeader(body, "whsec_one", at.ToUnixTimeSeconds()), StripeSignature.Header(body, at, "whsec_one"));
        var both = StripeSignature.Header(body, at, "whsec_old", "whsec_one");
        EventUtility.ValidateSignature(body, both, "whsec_one", 300, at.ToUnixTimeSeconds());
        EventUtility.ValidateSignature(body, both, "whsec_old", 300, at.ToUnixTimeSeconds());
        Assert.Throws<StripeException>(() => EventUtility.ValidateSignature(body, both, "whsec_new", 300, at.ToUnixTimeSeconds()));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Demo_order_is_a_complete_form_that_its_officer_authorized(int entity)
    {
        await PostOkAsync("stripe/_checkout", $$"""{"service_slug":"fcc-499a","entity":{{entity}}}""");
        var order = JsonNode.Parse(_server.At(StripeSystem.OrdersPath).Single().Body)!;
        var given = (JsonObject)order["telecom_entity"]!;
        var carrier = new TelecomEntity(given["id"]!.GetValue<int>(), given["legal_name"]!.GetValue<string>())
        {
            Frn = given["frn"]!.GetValue<string>(),
            FilerId499 = given["filer_id_499"]!.GetValue<string>(),
            Fields = given,
        };
        var account = UsacDemo.Entities.Single(e => e.TelecomEntityId == entity);
        Assert.Equal((account.LegalName, account.Frn, account.FilerId), (carrier.LegalName, carrier.Frn, carrier.FilerId499));

        var (form, faults) = Form499AReader.Read((JsonObject)order["intake_data"]!, carrier, 1999);
        Assert.Empty(faults);
        Assert.Empty(Form499ARules.Check(form));
        Assert.Equal(Host.Clock.GetUtcNow().Year, form.FilingYear);
        var word = OfficerAuthorization.FromIntake(new JsonObject { ["officer_authorization"] = order["officer_authorization"]!.DeepClone() });
        Assert.NotNull(word);
        Assert.Null(word.Refusal(form, Host.Clock.GetUtcNow()));
    }

    [Fact]
    public async Task Overrides_reach_order_and_event()
    {
        await PostOkAsync("stripe/_checkout", """
            {"service_slug":"rmd-filing","order_number":"CO-12345678","email":"pat@carrier.net","customer_name":"Pat","method":"klarna","payment_status":"no_payment_required",
             "amount_cents":1234,"entity":{"frn":null,"legal_name":"Other LLC"},"intake":{"a":1},"officer_authorization":{"officer_name":"Pat"}}
            """);
        var order = JsonNode.Parse(_server.At(StripeSystem.OrdersPath).Single().Body)!;
        Assert.Equal("""{"a":1}""", order["intake_data"]!.ToJsonString());
        Assert.Equal("Pat", order["officer_authorization"]!["officer_name"]!.GetValue<string>());
        Assert.Null(order["telecom_entity"]!["frn"]);
        Assert.Equal("Other LLC", order["telecom_entity"]!["legal_name"]!.GetValue<string>());
        var session = (Session)Construct(Events.Single()).Data.Object;
        Assert.Equal(("CO-12345678", 1234L, "no_payment_required", "pat@carrier.net"), (session.ClientReferenceId, session.AmountTotal, session.PaymentStatus, session.CustomerDetails.Email));
    }

    [Fact]
    public async Task Authorization_can_be_left_out_and_answers_patched()
    {
        await PostOkAsync("stripe/_checkout", """{"service_slug":"fcc-499a","officer_authorization":false,"intake_patch":{"filing_type":null,"exempt_usf":true}}""");
        var order = JsonNode.Parse(_server.At(StripeSystem.OrdersPath).Single().Body)!;
        Assert.Null(order["officer_authorization"]);
        Assert.Null(order["intake_data"]!["filing_type"]);
        Assert.True(order["intake_data"]!["exempt_usf"]!.GetValue<bool>());
        Assert.NotNull(order["intake_data"]!["revenue"]);
    }

    [Fact]
    public async Task Bank_debit_completes_unpaid_and_succeeds_later()
    {
        await PostOkAsync("stripe/_checkout", """{"service_slug":"fcc-499a","method":"ach"}""");
        var events = Events.Select(e => Construct(e)).ToArray();
        Assert.Equal(["checkout.session.completed", "checkout.session.async_payment_succeeded"], events.Select(e => e.Type));
        Assert.Equal(["unpaid", "paid"], events.Select(e => ((Session)e.Data.Object).PaymentStatus));
        Assert.Single(events.Select(e => ((Session)e.Data.Object).Id).Distinct());
    }

    [Fact]
    public async Task Batch_is_many_orders_and_one_event()
    {
        var answer = await PostOkAsync("stripe/_checkout", """{"batch":["fcc-499a","fcc-compliance-checkup"]}""");
        var batch = answer["order_number"]!.GetValue<string>();
        Assert.Matches("^CB-[0-9A-F]{8}$", batch);
        var orders = _server.At(StripeSystem.OrdersPath).Select(r => JsonNode.Parse(r.Body)!).ToArray();
        Assert.Equal(["fcc-499a", "fcc-compliance-checkup"], orders.Select(o => o["service_slug"]!.GetValue<string>()));
        Assert.All(orders, o => Assert.Equal(batch, o["batch_number"]!.GetValue<string>()));
        var session = (Session)Construct(Events.Single()).Data.Object;
        Assert.Equal(("compliance_batch", batch, 129800L), (session.Metadata["order_type"], session.Metadata["order_id"], session.AmountTotal));
    }

    [Fact]
    public async Task Crypto_is_not_there_yet()
    {
        using var answer = await Http.PostAsync("stripe/_checkout", Json("""{"service_slug":"fcc-499a","method":"crypto"}"""), Ct);
        Assert.Equal(HttpStatusCode.NotImplemented, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        Assert.Empty(_server.Requests);
    }

    [Theory]
    [InlineData("{}", "service_slug")]
    [InlineData("""{"service_slug":"x","method":"cash"}""", "method")]
    [InlineData("""{"service_slug":"x","payment_status":"perhaps"}""", "payment_status")]
    [InlineData("""{"service_slug":"x","entity":9}""", "entity")]
    public async Task Wrong_checkouts_are_refused_by_name(string json, string named)
    {
        using var answer = await Http.PostAsync("stripe/_checkout", Json(json), Ct);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(named, await answer.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
        Assert.Empty(_server.Requests);
    }

    [Fact]
    public async Task Server_that_refuses_the_order_gets_no_event()
    {
        _server.Answer(422);
        using var answer = await Http.PostAsync("stripe/_checkout", Json("""{"service_slug":"fcc-499a"}"""), Ct);
        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        Assert.Contains("422", await answer.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
        Assert.Empty(Events);
    }

    [Fact]
    public async Task Undelivered_event_is_sent_by_a_resend()
    {
        var answer = await PostOkAsync("stripe/_checkout", """{"service_slug":"fcc-499a","deliver":false}""");
        Assert.Empty(Events);
        await PostOkAsync("stripe/_resend", $$"""{"event_id":"{{answer["event_id"]!.GetValue<string>()}}"}""");
        Assert.Equal(answer["event_id"]!.GetValue<string>(), Construct(Events.Single()).Id);
    }

    [Fact]
    public async Task Resend_has_the_same_bytes_and_a_fresh_time()
    {
        var answer = await PostOkAsync("stripe/_checkout", """{"service_slug":"fcc-499a"}""");
        await PostOkAsync("_clock", """{"advance_seconds":3600}""");
        await PostOkAsync("stripe/_resend", $$"""{"event_id":"{{answer["event_id"]!.GetValue<string>()}}"}""");
        var (first, second) = (Events[0], Events[1]);
        Assert.Equal(first.Body, second.Body);
        Assert.True(Time(second) - Time(first) >= 3600);
        using var unknown = await Http.PostAsync("stripe/_resend", Json("""{"event_id":"evt_none"}"""), Ct);
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);

        static long Time(Received r) => long.Parse(r.Headers["Stripe-Signature"].Split(',')[0][2..], System.Globalization.CultureInfo.InvariantCulture);
    }

    [Fact]
    public async Task Failed_deliveries_are_tried_until_taken()
    {
        await PostOkAsync("stripe/_schedule", """{"retry_delays_ms":[1,1,1,1]}""");
        _server.Answer(500, 302, 400, 200);
        var answer = await PostOkAsync("stripe/_event", """{"type":"checkout.session.completed"}""");
        Assert.Equal(500, answer["deliveries"]![0]!["status"]!.GetValue<int>());
        await UntilAsync(() => Events.Count == 4);
        Assert.Single(Events.Select(e => e.Body).Distinct());
        await PostOkAsync("stripe/_event", """{"type":"ping"}""");
        Assert.Equal(5, Events.Count);
    }

    [Fact]
    public async Task Retries_end_with_the_schedule()
    {
        await PostOkAsync("stripe/_schedule", """{"retry_delays_ms":[1]}""");
        _server.Answer(500, 500);
        await PostOkAsync("stripe/_event", """{"type":"ping","event_id":"evt_given_up"}""");
        await UntilAsync(() => Events.Count == 2);
        await PostOkAsync("stripe/_event", """{"type":"ping"}""");
        Assert.Equal(3, Events.Count);
        var undelivered = await ListAsync("delivery_success=false");
        Assert.Equal("evt_given_up", Assert.Single(undelivered["data"]!.AsArray())!["id"]!.GetValue<string>());
    }

    [Fact]
    public async Task Duplicates_are_the_same_event()
    {
        await PostOkAsync("stripe/_event", """{"type":"checkout.session.completed","duplicate":4}""");
        Assert.Equal(5, Events.Count);
        Assert.Single(Events.Select(e => Construct(e).Id).Distinct());
    }

    [Theory]
    [InlineData("checkout.session.completed", "checkout.session")]
    [InlineData("checkout.session.async_payment_succeeded", "checkout.session")]
    [InlineData("checkout.session.async_payment_failed", "checkout.session")]
    [InlineData("checkout.session.expired", "checkout.session")]
    [InlineData("charge.refunded", "charge")]
    [InlineData("charge.dispute.created", "dispute")]
    [InlineData("invoice.paid", "invoice")]
    [InlineData("invoice.payment_failed", "invoice")]
    [InlineData("customer.subscription.deleted", "subscription")]
    public async Task Every_type_in_use_parses_into_its_own_class(string type, string kind)
    {
        await PostOkAsync("stripe/_event", $$"""{"type":"{{type}}","order_number":"CO-00000001"}""");
        var e = Construct(Events.Single());
        Assert.NotNull(e.Data.Object);
        Assert.Equal(kind, e.Data.Object.Object);
    }

    [Fact]
    public async Task Session_statuses_fit_the_type()
    {
        foreach (var type in new[] { "async_payment_failed", "expired" })
            await PostOkAsync("stripe/_event", $$"""{"type":"checkout.session.{{type}}","order_number":"CO-00000001"}""");
        var sessions = Events.Select(e => (Session)Construct(e).Data.Object).ToArray();
        Assert.Equal([("complete", "unpaid"), ("expired", "unpaid")], sessions.Select(s => (s.Status, s.PaymentStatus)));
    }

    [Fact]
    public async Task Refunds_grow_to_the_full_amount_and_carry_no_metadata()
    {
        var checkout = await PostOkAsync("stripe/_checkout", """{"service_slug":"fcc-499a","order_number":"CO-00000001"}""");
        await PostOkAsync("stripe/_event", """{"type":"charge.refunded","order_number":"CO-00000001","amount_refunded":10000}""");
        await PostOkAsync("stripe/_event", """{"type":"charge.refunded","order_number":"CO-00000001"}""");
        var charges = Events.Skip(1).Select(e => (Charge)Construct(e).Data.Object).ToArray();
        Assert.Equal([(10000L, false), (49900L, true)], charges.Select(c => (c.AmountRefunded, c.Refunded)));
        Assert.All(charges, c => Assert.Equal(checkout["payment_intent"]!.GetValue<string>(), c.PaymentIntentId));
        Assert.All(charges, c => Assert.Empty(c.Metadata));
    }

    [Fact]
    public async Task Dispute_names_the_payment_but_not_the_order()
    {
        var checkout = await PostOkAsync("stripe/_checkout", """{"service_slug":"fcc-499a","order_number":"CO-00000001"}""");
        await PostOkAsync("stripe/_event", """{"type":"charge.dispute.created","order_number":"CO-00000001","dispute_status":"warning_needs_response"}""");
        var dispute = (Dispute)Construct(Events[1]).Data.Object;
        Assert.Equal(checkout["payment_intent"]!.GetValue<string>(), dispute.PaymentIntentId);
        Assert.Equal("warning_needs_response", dispute.Status);
        Assert.Empty(dispute.Metadata);
        Assert.DoesNotContain("CO-00000001", Events[1].Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Renewal_names_subscription_and_reason()
    {
        var checkout = await PostOkAsync("stripe/_checkout", """{"service_slug":"oig-sam-screening","order_number":"CO-00000001","subscription":true}""");
        await PostOkAsync("stripe/_event", """{"type":"invoice.paid","order_number":"CO-00000001"}""");
        var session = (Session)Construct(Events[0]).Data.Object;
        Assert.Equal("subscription", session.Mode);
        Assert.Equal(checkout["subscription"]!.GetValue<string>(), session.SubscriptionId);
        var invoice = (Invoice)Construct(Events[1]).Data.Object;
        Assert.Equal("subscription_cycle", invoice.BillingReason);
        Assert.Equal(session.SubscriptionId, invoice.Parent.SubscriptionDetails.SubscriptionId);
        Assert.Equal("CO-00000001", invoice.Parent.SubscriptionDetails.Metadata["order_id"]);
    }

    [Fact]
    public async Task Forged_stale_and_odd_events_fail_verification_as_stripes_library_says()
    {
        await PostOkAsync("stripe/_schedule", """{"retry_delays_ms":[]}""");
        foreach (var options in new[]
        {
            """{"type":"ping","secrets":["whsec_wrong"]}""", """{"type":"ping","timestamp_offset":-302}""", """{"type":"ping","timestamp_offset":400}""",
            """{"type":"ping","signature_header":"garbage"}""", """{"type":"checkout.session.completed","api_version":"2024-01-01.acacia"}""",
        })
            await PostOkAsync("stripe/_event", options);
        Assert.Equal(5, Events.Count);
        Assert.All(Events, e => Assert.Throws<StripeException>(() => Construct(e)));

        await PostOkAsync("stripe/_event", """{"type":"ping","api_version":null}""");
        Assert.Throws<NullReferenceException>(() => Construct(Events[5]));
        await PostOkAsync("stripe/_event", """{"type":"ping","body":"hello"}""");
        Assert.ThrowsAny<Exception>(() => Construct(Events[6]));
        EventUtility.ValidateSignature(Events[6].Body, Events[6].Headers["Stripe-Signature"], SandboxSecrets.Published.StripeWebhookSecret);
        await PostOkAsync("stripe/_event", $$"""{"type":"checkout.session.completed","secrets":["whsec_old","{{SandboxSecrets.Published.StripeWebhookSecret}}"],"timestamp_offset":-290}""");
        Assert.Equal("checkout.session.completed", Construct(Events[7]).Type);
    }

    [Fact]
    public async Task Metadata_can_be_left_out_and_fields_replaced()
    {
        await PostOkAsync("stripe/_event", """{"type":"checkout.session.completed","metadata":false,"resource":{"amount_total":1,"client_reference_id":null}}""");
        var session = (Session)Construct(Events.Single()).Data.Object;
        Assert.Empty(session.Metadata);
        Assert.Null(session.ClientReferenceId);
        Assert.Equal(1, session.AmountTotal);
    }

    [Fact]
    public async Task Unknown_types_are_sent_like_any_other()
    {
        await PostOkAsync("stripe/_event", """{"type":"issuing_card.shipped"}""");
        Assert.Equal("issuing_card.shipped", Construct(Events.Single()).Type);
    }

    [Fact]
    public async Task Several_events_go_out_in_reverse()
    {
        await PostOkAsync("stripe/_events", """{"order":"reverse","events":[{"type":"a","event_id":"evt_1"},{"type":"b","event_id":"evt_2"},{"type":"c","event_id":"evt_3"}]}""");
        Assert.Equal(["evt_3", "evt_2", "evt_1"], Events.Select(e => Construct(e).Id));
    }

    [Fact]
    public async Task Several_events_go_out_at_once()
    {
        var events = new JsonArray([.. Enumerable.Range(0, 20).Select(i => (JsonNode)new JsonObject { ["type"] = "ping", ["event_id"] = $"evt_{i}" })]);
        await PostOkAsync("stripe/_events", new JsonObject { ["order"] = "random", ["parallel"] = 8, ["events"] = events }.ToJsonString());
        Assert.Equal(20, Events.Select(e => Construct(e).Id).Distinct().Count());
    }

    [Fact]
    public async Task Faults_lose_double_and_hold_back_deliveries()
    {
        await FaultAsync("stripe", """{"kind":"lost","count":1,"match":"checkout"}""");
        await PostOkAsync("stripe/_event", """{"type":"checkout.session.completed"}""");
        Assert.Empty(Events);
        await FaultAsync("stripe", """{"kind":"duplicate","count":1}""");
        await PostOkAsync("stripe/_event", """{"type":"ping"}""");
        Assert.Equal(2, Events.Count);
        await FaultAsync("stripe", """{"kind":"reorder","count":1}""");
        await PostOkAsync("stripe/_event", """{"type":"first"}""");
        Assert.Equal(2, Events.Count);
        await PostOkAsync("stripe/_event", """{"type":"second"}""");
        Assert.Equal(["second", "first"], Events.Skip(2).Select(e => Construct(e).Type));
    }

    [Fact]
    public async Task Events_are_listed_newest_first_by_key()
    {
        using var refused = await Http.GetAsync("stripe/v1/events", Ct);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        for (var i = 1; i <= 3; i++) await PostOkAsync("stripe/_event", $$"""{"type":"t{{i % 2}}","event_id":"evt_{{i}}"}""");
        var page = await ListAsync("limit=2");
        Assert.Equal(["evt_3", "evt_2"], page["data"]!.AsArray().Select(e => e!["id"]!.GetValue<string>()));
        Assert.True(page["has_more"]!.GetValue<bool>());
        var rest = await ListAsync("limit=2&starting_after=evt_2");
        Assert.Equal("evt_1", Assert.Single(rest["data"]!.AsArray())!["id"]!.GetValue<string>());
        Assert.Equal(2, (await ListAsync("type=t1"))["data"]!.AsArray().Count);
    }

    [Fact]
    public async Task Answer_names_the_sales_order_once_there_is_one()
    {
        Http.DefaultRequestHeaders.Add("Authorization", $"token {SandboxSecrets.Published.ErpNextApiKey}:{SandboxSecrets.Published.ErpNextApiSecret}");
        await PostOkAsync("erpnext/api/resource/Customer", """{"customer_name":"Acme"}""");
        var order = await PostOkAsync("erpnext/api/resource/Sales%20Order", """{"customer":"Acme","po_no":"CO-00000001","delivery_date":"2026-12-01","items":[{"item_code":"FCC-499A"}]}""");
        var answer = await PostOkAsync("stripe/_checkout", """{"service_slug":"fcc-499a","order_number":"CO-00000001"}""");
        Assert.Equal(order["data"]!["name"]!.GetValue<string>(), answer["sales_order"]!.GetValue<string>());
    }

    [Fact]
    public async Task Log_tells_every_delivery_without_secrets()
    {
        await PostOkAsync("stripe/_checkout", """{"service_slug":"fcc-499a"}""");
        var log = await LogAsync("stripe");
        Assert.Equal(2, log.Count);
        Assert.All(log, e => Assert.Equal("out", e!["direction"]!.GetValue<string>()));
        Assert.All(log, e => Assert.Equal(200, e!["status"]!.GetValue<int>()));
        Assert.DoesNotContain(SandboxSecrets.Published.WebhookSecret, log.ToJsonString(), StringComparison.Ordinal);
    }

    async Task<JsonNode> ListAsync(string query)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "stripe/v1/events?" + query);
        request.Headers.Add("Authorization", "Bearer sk_test_sandbox");
        using var answer = await Http.SendAsync(request, Ct);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync(Ct))!;
    }
}
