using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Orders;

public sealed class FulfilmentOnSqliteTests(SqliteOrderServer server) : FulfilmentContract(server), IClassFixture<SqliteOrderServer>;

public sealed class FulfilmentOnPostgresTests(PostgresOrderServer server) : FulfilmentContract(server), IClassFixture<PostgresOrderServer>;

/// <summary>From a paid order to its started service: doors, batches, cycles, government fees, and an ERPNext that says no or nothing.</summary>
public abstract class FulfilmentContract(OrderServer server)
{
    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    private async Task<string> SalesOrderAsync(string order)
    {
        await server.WaitAsync(async () => (await server.ShowAsync(order)).GetProperty("sales_order").ValueKind == JsonValueKind.String, $"{order} has its Sales Order");
        return (await server.ShowAsync(order)).GetProperty("sales_order").GetString()!;
    }

    private async Task<JsonElement> ErpAsync(string doctype, string filters, string fields = "[\"*\"]")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"erpnext/api/resource/{doctype}?limit_page_length=0&fields={Uri.EscapeDataString(fields)}&filters={Uri.EscapeDataString(filters)}");
        request.Headers.TryAddWithoutValidation("Authorization", $"token {server.Settings["ERPNEXT_SENSITIVE_API_KEY"]}:{server.Settings["ERPNEXT_SENSITIVE_API_SECRET"]}");
        using var answer = await server.Sandbox.Http.SendAsync(request, Ct);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Ct));
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("data");
    }

    private async Task OneSalesOrderAsync(string order, string state = "Service Queued")
    {
        var found = await ErpAsync("Sales%20Order", $"[[\"po_no\",\"=\",\"{order}\"]]", "[\"name\",\"workflow_state\"]");
        Assert.Equal((1, state), (found.GetArrayLength(), found[0].GetProperty("workflow_state").GetString()));
    }

    private async Task ServedOnceAsync(string order)
    {
        await server.RanAsync(order);
        await server.EndedAsync("order-fulfilment", order);
        Assert.Single(await server.RunsAsync(order));
        await OneSalesOrderAsync(order);
    }

    [Fact]
    public async Task Order_whose_customer_has_no_real_address_is_served_and_a_person_is_asked_for_one()
    {
        var order = await server.PlaceAsync();
        await server.ExecuteAsync("UPDATE compliance_orders SET customer_email = 'noreply@carrier.net' WHERE order_number = @order", ("order", order));
        await server.PayAsync(order);
        await ServedOnceAsync(order);
        Assert.Contains("stands in for an address", await server.ToDoAsync(order, "customer-address"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_order_by_four_doors_at_once_is_served_once()
    {
        var order = await server.PlaceAsync();
        var (id, _) = await server.PayAsync(order);
        var salesOrder = await SalesOrderAsync(order);
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Task.Run(async () =>
        {
            switch (i % 4)
            {
                case 0:
                    return (await server.ResendAsync(id)).Answers[0];
                case 1:
                    using (var queued = await Doors.QueuedAsync(server, new { name = salesOrder })) return (int)queued.StatusCode;
                case 2:
                    using (var job = await Doors.JobAsync(server, new { action = "process_compliance_service", order_number = order })) return (int)job.StatusCode;
                default:
                    return (await server.PayAsync(order)).Answers[0];
            }
        }, Ct)));
        Assert.All(answers, a => Assert.InRange(a, 200, 299));
        await ServedOnceAsync(order);
        Assert.Equal(1, await server.CountAsync("SELECT COUNT(*) FROM order_fulfilments WHERE order_number = @o", ("o", order)));
        Assert.Equal(1, await server.CountAsync("SELECT COUNT(*) FROM mails WHERE order_number = @o", ("o", order)));

        // Called up again, a begun order stays as it is.
        using (var job = await Doors.JobAsync(server, new { action = "process_compliance_service", order_number = order })) Assert.True(job.IsSuccessStatusCode);
        await server.EndedAsync("order-fulfilment", order);
        Assert.Single(await server.RunsAsync(order));
    }

    [Fact]
    public async Task Frappes_own_webhook_is_taken_as_it_comes()
    {
        var order = await server.PlaceAsync();
        var body = $"{{\"name\": \"none\", \"custom_order_number\": \"{order}\", \"customer\": \"Caf\\u00e9\"}}";
        var signature = Convert.ToBase64String(HMACSHA256.HashData(Encoding.UTF8.GetBytes(server.Settings["WEBHOOK_SECRET"]), Encoding.UTF8.GetBytes(body)));
        using (var wrong = await Doors.SendAsync(server, "/api/v1/webhooks/service/queued", Doors.Bare(body + " "), ("X-Frappe-Webhook-Signature", signature))) Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
        using (var answer = await Doors.SendAsync(server, "/api/v1/webhooks/service/queued", Doors.Bare(body), ("X-Frappe-Webhook-Signature", signature))) Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await ServedOnceAsync(order);
        Assert.Contains(server.Log.Read(), l => l.Contains($"Begun without a payment on record: compliance {order} is pending", StringComparison.Ordinal));
    }

    public static TheoryData<string, string, string?, int, string> WrongCalls => new()
    {
        { "/jobs", "{}", null, 401, "WEBHOOK_SECRET" },
        { "/jobs", "{}", "wrong", 401, "WEBHOOK_SECRET" },
        { "/jobs", "{}", "right", 400, "action" },
        { "/jobs", "[]", "right", 400, "object" },
        { "/jobs", "not json", "right", 400, "JSON" },
        { "/jobs", "", "right", 400, "JSON" },
        { "/jobs", """{"action":7}""", "right", 400, "action" },
        { "/jobs", """{"action":"process_crtc_order","order_number":"CO-1"}""", "right", 400, "process_crtc_order" },
        { "/jobs", """{"action":"process_compliance_service"}""", "right", 400, "order_number" },
        { "/jobs", """{"action":"process_compliance_service","order_number":["CO-1"]}""", "right", 400, "order_number" },
        { "/jobs", """{"action":"process_compliance_service","order_number":"CO-\u0000"}""", "right", 400, "order_number" },
        { "/jobs", """{"action":"process_compliance_service","order_number":"\ud800"}""", "right", 400, "Unicode" },
        { "/jobs", """{"action":"process_compliance_service","order_number":"CO-FFFFFFFF"}""", "right", 404, "no such order" },
        { "/api/v1/webhooks/service/queued", "{}", null, 401, "WEBHOOK_SECRET" },
        { "/api/v1/webhooks/service/queued", "{}", "wrong", 401, "WEBHOOK_SECRET" },
        { "/api/v1/webhooks/service/queued", "{}", "right", 400, "sales_order" },
        { "/api/v1/webhooks/service/queued", "null", "right", 400, "object" },
        { "/api/v1/webhooks/service/queued", """{"name":"SAL-ORD-2000-99999"}""", "right", 404, "no such order" },
    };

    [Theory]
    [MemberData(nameof(WrongCalls))]
    public async Task A_wrong_call_is_refused_with_its_reason_and_only_the_attempt_is_kept(string path, string body, string? secret, int status, string because)
    {
        var (inbox, begun) = (await server.CountAsync("SELECT COUNT(*) FROM webhook_inbox"), await server.CountAsync("SELECT COUNT(*) FROM order_fulfilments"));
        (string, string)[] headers = secret is null ? [] : [("X-Webhook-Secret", secret == "right" ? server.Settings["WEBHOOK_SECRET"] : secret)];
        using var answer = await Doors.SendAsync(server, path, Doors.Bare(body), headers);
        var text = await answer.Content.ReadAsStringAsync(Ct);
        Assert.True(status == (int)answer.StatusCode, $"{(int)answer.StatusCode}: {text}");
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        Assert.Contains(because, JsonSerializer.Deserialize<JsonElement>(text).GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal((inbox + 1, begun), (await server.CountAsync("SELECT COUNT(*) FROM webhook_inbox"), await server.CountAsync("SELECT COUNT(*) FROM order_fulfilments")));
        using var health = await server.Http.GetAsync("/health", Ct);
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);
    }

    [Fact]
    public async Task A_batch_is_one_payment_and_one_mail_and_each_of_its_orders_is_served()
    {
        var batch = OrderServer.NewNumber("CB-");
        var email = $"{batch.ToLowerInvariant()}@probetelecom.net";
        var orders = new List<string>();
        for (var i = 0; i < 3; i++) orders.Add(await server.PlaceAsync(OrderServer.Order(OrderServer.NewNumber(), cents: 10000 + i, batch: batch, email: email)));
        await server.PayAsync(batch, new { resource = new { amount_total = 30003 } });
        foreach (var order in orders) await ServedOnceAsync(order);
        await server.WaitAsync(() => Task.FromResult(server.Mail.Messages.Any(m => m.Recipients.Contains(email))), "the customer is mailed");
        Assert.Single(server.Mail.Messages, m => m.Recipients.Contains(email));
        Assert.Equal(30003, await server.CountAsync("SELECT SUM(p.amount_cents) FROM order_payments p JOIN compliance_orders o ON o.order_number = p.order_number WHERE o.batch_number = @b", ("b", batch)));

        await server.EventAsync("charge.refunded", batch, new { metadata = false, resource = new { amount = 30003, amount_refunded = 30003, refunded = true } });
        foreach (var order in orders) await server.WaitAsync(async () => await server.FulfilmentAsync(order) == "stopped", $"{order} is stopped");
        Assert.Equal(0, await server.CountAsync("SELECT SUM(p.amount_cents) FROM order_payments p JOIN compliance_orders o ON o.order_number = p.order_number WHERE o.batch_number = @b", ("b", batch)));
    }

    [Fact]
    public async Task A_paid_cycle_runs_the_service_once_more_and_the_first_invoice_does_not()
    {
        var (order, subscription) = (await server.PlaceAsync(), "sub_" + Guid.NewGuid().ToString("N"));
        await server.PayAsync(order, new { resource = new { mode = "subscription", subscription, payment_intent = (string?)null } });
        await ServedOnceAsync(order);
        object Invoice(string id, string reason) => new { billing_reason = reason, resource = new { id, parent = (object?)null, subscription } };
        var first = await server.EventAsync("invoice.paid", order, Invoice("in_first_" + order[3..], "subscription_create"));
        Assert.Equal("ignored", (await server.InboxLineAsync(first.Id))!.Value.GetProperty("status").GetString());

        var cycle = "in_" + order[3..];
        await server.EventAsync("invoice.paid", order, Invoice(cycle, "subscription_cycle"));
        await server.EventAsync("invoice.paid", order, Invoice(cycle, "subscription_cycle"));
        await server.RanAsync(order, 2);
        await server.EndedAsync("order-fulfilment", $"{order}#{cycle}");
        Assert.Equal(["cycle= gov_fee_paid=false", $"cycle={cycle} gov_fee_paid=false"], await server.RunsAsync(order));
        Assert.Contains((await server.ShowAsync(order)).GetProperty("workflow_instances").EnumerateArray(), i => i.GetProperty("correlation_id").GetString() == $"{order}#{cycle}");

        var unpaid = "in_unpaid_" + order[3..];
        await server.EventAsync("invoice.payment_failed", order, new { resource = new { id = unpaid, parent = (object?)null, subscription } });
        Assert.Contains(unpaid, await server.ToDoAsync(order, "renewal-unpaid"), StringComparison.Ordinal);
        await server.WaitAsync(async () => await server.CountAsync("SELECT COUNT(*) FROM mails WHERE order_number = @o AND template = 'renewal-unpaid' AND status = 'sent'", ("o", order)) == 1, "the customer is told");
        await server.EventAsync("customer.subscription.deleted", order, new { resource = new { id = subscription } });
        Assert.Contains("no further cycle", await server.ToDoAsync(order, "subscription-ended"), StringComparison.Ordinal);
        Assert.Equal(2, (await server.RunsAsync(order)).Count);
    }

    [Fact]
    public async Task A_paid_government_fee_goes_on_with_its_parent_once()
    {
        var parent = await server.PlaceAsync();
        await server.PayAsync(parent);
        await ServedOnceAsync(parent);
        var fee = await server.PlaceAsync(OrderServer.Order(OrderServer.NewNumber("CG-"), "gov-fee", 17500, parent: parent));
        var (id, _) = await server.PayAsync(fee, new { resource = new { amount_total = 17500 } });
        await server.RanAsync(parent, 2);
        await server.ResendAsync(id);
        using (var job = await Doors.JobAsync(server, new { action = "process_compliance_service", order_number = fee })) Assert.True(job.IsSuccessStatusCode);
        await server.EndedAsync("order-fulfilment", fee);
        Assert.Equal(["cycle= gov_fee_paid=false", "cycle= gov_fee_paid=true"], await server.RunsAsync(parent));
        Assert.Equal("completed", await server.FulfilmentAsync(fee));
        Assert.Equal(0, (await ErpAsync("Sales%20Order", $"[[\"po_no\",\"=\",\"{fee}\"]]")).GetArrayLength());
    }

    [Fact]
    public async Task A_government_fee_paid_before_its_parent_is_told_when_the_service_starts()
    {
        var parent = await server.PlaceAsync();
        var fee = await server.PlaceAsync(OrderServer.Order(OrderServer.NewNumber("CG-"), "gov-fee", parent: parent));
        await server.PayAsync(fee);
        await server.EndedAsync("order-fulfilment", fee);
        await server.PayAsync(parent);
        await ServedOnceAsync(parent);
        Assert.Equal(["cycle= gov_fee_paid=true"], await server.RunsAsync(parent));
    }

    [Fact]
    public async Task A_government_fee_needs_a_parent_that_exists()
    {
        foreach (var parent in (string?[])[null, "CO-FFFFFFFF", "CG-00000000"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/orders") { Content = JsonContent.Create(OrderServer.Order(OrderServer.NewNumber("CG-"), "gov-fee", parent: parent)) };
            request.Headers.Add("X-Webhook-Secret", server.Settings["WEBHOOK_SECRET"]);
            using var answer = await server.Http.SendAsync(request, Ct);
            var problem = await Api.ProblemAsync(answer, 400, Ct);
            Assert.Equal("parent_order_number", Assert.Single(problem.GetProperty("errors").EnumerateObject()).Name);
        }
    }

    [Theory]
    [InlineData("""{"note":"a\u0000b"}""", "intake_data.note")]
    [InlineData("""{"notes":["good","\ud800"]}""", "intake_data.notes[1]")]
    public async Task Text_that_no_database_takes_is_named(string intake, string field)
    {
        var number = OrderServer.NewNumber();
        var body = OrderServer.Order(number).ToJsonString().Replace("\"intake_data\":{}", "\"intake_data\":" + intake, StringComparison.Ordinal);
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var answer = await Doors.SendAsync(server, "/api/v1/orders", content, ("X-Webhook-Secret", server.Settings["WEBHOOK_SECRET"]));
        Assert.Equal(field, Assert.Single((await Api.ProblemAsync(answer, 400, Ct)).GetProperty("errors").EnumerateObject()).Name);
        Assert.Equal(0, await server.CountAsync("SELECT COUNT(*) FROM compliance_orders WHERE order_number = @o", ("o", number)));
    }

    [Fact]
    public async Task A_service_without_a_workflow_becomes_a_ToDo_in_the_shape_of_the_original()
    {
        var order = await server.PlaceAsync("fcc-compliance-checkup");
        await server.PayAsync(order);
        await server.ToDoAsync(order, "unknown-service");
        await server.WaitAsync(async () => (await ErpAsync("ToDo", $"[[\"description\",\"like\",\"%{order}%\"]]")).GetArrayLength() == 1, "ERPNext has the ToDo");
        var todo = (await ErpAsync("ToDo", $"[[\"description\",\"like\",\"%{order}%\"]]"))[0];
        Assert.StartsWith($"[fcc-compliance-checkup] {order}\n\nNo workflow service-fcc-compliance-checkup is published", todo.GetProperty("description").GetString(), StringComparison.Ordinal);
        Assert.Equal(("High", "Accounting Advisor", "Open"), (todo.GetProperty("priority").GetString(), todo.GetProperty("role").GetString(), todo.GetProperty("status").GetString()));
        // The ToDo is on record before the step that asks for it ends.
        await server.WaitAsync(async () => await server.FulfilmentAsync(order) == "service_queued", "the order is queued");
        await OneSalesOrderAsync(order);
    }

    public static TheoryData<string> PassingFaults =>
    [
        """{"kind":"status","status":500,"count":2}""",
        """{"kind":"status","status":503,"count":2}""",
        """{"kind":"html","count":2}""",
        """{"kind":"drop","count":2}""",
        """{"kind":"status","status":429,"retry_after":1,"count":2}""",
        """{"kind":"status","status":429,"retry_after":3600,"count":1}""",
        """{"kind":"timestamp_mismatch","count":3}""",
        """{"kind":"deadlock","count":2}""",
        """{"kind":"drop_answer","method":"POST","match":"Sales","count":1}""",
        """{"kind":"drop_answer","method":"POST","match":"Customer","count":1}""",
        """{"kind":"drop_answer","match":"apply_workflow","count":1}""",
    ];

    [Theory]
    [MemberData(nameof(PassingFaults))]
    public async Task What_passes_in_ERPNext_is_tried_again_and_leaves_one_Sales_Order(string fault)
    {
        var order = await server.PlaceAsync();
        await server.FaultAsync("erpnext", JsonNode.Parse(fault)!);
        await server.PayAsync(order);
        await server.WaitAsync(
            async () =>
            {
                server.Clock.Advance(TimeSpan.FromSeconds(2));
                return (await server.RunsAsync(order)).Count > 0;
            },
            $"{order} gets over {fault}");
        await ServedOnceAsync(order);
    }

    [Theory]
    [InlineData(403, "PermissionError")]
    [InlineData(417, "Injected validation error")]
    [InlineData(401, "AuthenticationError")]
    public async Task A_no_of_ERPNext_stops_the_order_and_tells_its_words(int status, string words)
    {
        var order = await server.PlaceAsync();
        await server.FaultAsync("erpnext", new { kind = "status", status, method = "POST", match = "Sales", count = 1 });
        await server.PayAsync(order);
        await server.WaitAsync(async () => (await server.InstancesAsync("order-fulfilment", order)) is [var i] && i.GetProperty("status").GetString() == "faulted", "the fulfilment stops");
        var instance = (await server.InstancesAsync("order-fulfilment", order))[0].GetProperty("id").GetString()!;
        Assert.Contains(words, await server.ToDoAsync(order, "workflow-stopped:" + instance), StringComparison.Ordinal);
        using var retry = await Api.SendAsync(server.Http, HttpMethod.Post, $"/api/v1/admin/workflow-instances/{instance}/retry", await server.TokenAsync(), null, Ct);
        Assert.True(retry.IsSuccessStatusCode);
        await ServedOnceAsync(order);
    }

    [Fact]
    public async Task ERPNext_away_for_hours_needs_no_hands()
    {
        var order = await server.PlaceAsync();
        await server.FaultAsync("erpnext", new { kind = "status", status = 503 });
        await server.PayAsync(order);
        await server.WaitAsync(async () => (await server.InstancesAsync("order-fulfilment", order)) is [var i] && i.GetProperty("status").GetString() == "suspended", "the fulfilment waits");
        for (var minutes = 0; minutes < 120; minutes += 20)
        {
            var before = server.Clock.GetUtcNow();
            server.Clock.Advance(TimeSpan.FromMinutes(20));
            await server.WaitAsync(async () => (await server.InstancesAsync("order-fulfilment", order))[0].GetProperty("updated_at").GetDateTimeOffset() > before.AddMinutes(19), "it was tried again");
        }

        using (var cleared = await server.Sandbox.Http.DeleteAsync("erpnext/_faults", Ct)) Assert.True(cleared.IsSuccessStatusCode);
        server.Clock.Advance(TimeSpan.FromMinutes(3));
        await ServedOnceAsync(order);
        var journal = await server.AdminAsync($"workflow-instances/{(await server.InstancesAsync("order-fulfilment", order))[0].GetProperty("id").GetString()}/journal?take=500");
        Assert.True(journal.GetProperty("entries").EnumerateArray().Count(e => e.GetProperty("message").GetString()?.Contains("503", StringComparison.Ordinal) == true) >= 6, journal.ToString());
    }

    [Fact]
    public async Task A_Sales_Order_at_the_state_or_beyond_counts_as_done_and_a_cancelled_one_becomes_a_ToDo()
    {
        foreach (var (action, state, served) in ((string, string, bool)[])[("Queue Service", "Service Queued", true), ("Cancel Order", "Cancelled", false)])
        {
            var order = await server.PlaceAsync();
            // The Sales Order is made, and then somebody moves it before we do.
            await server.FaultAsync("erpnext", new { kind = "status", status = 503, match = "get_transitions" });
            await server.FaultAsync("erpnext", new { kind = "status", status = 503, match = "/User" });
            await server.PayAsync(order);
            var name = await SalesOrderAsync(order);
            using (var request = new HttpRequestMessage(HttpMethod.Post, "erpnext/api/method/frappe.model.workflow.apply_workflow")
            {
                Content = JsonContent.Create(new { doc = JsonSerializer.Serialize(new { doctype = "Sales Order", name }), action }),
            })
            {
                request.Headers.TryAddWithoutValidation("Authorization", $"token {server.Settings["ERPNEXT_API_KEY"]}:{server.Settings["ERPNEXT_API_SECRET"]}");
                using var moved = await server.Sandbox.Http.SendAsync(request, Ct);
                Assert.True(moved.IsSuccessStatusCode, await moved.Content.ReadAsStringAsync(Ct));
            }

            using (var cleared = await server.Sandbox.Http.DeleteAsync("erpnext/_faults", Ct)) Assert.True(cleared.IsSuccessStatusCode);
            server.Clock.Advance(TimeSpan.FromMinutes(3));
            if (served) await ServedOnceAsync(order);
            else Assert.Contains("Cancelled", await server.ToDoAsync(order, "sales-order-stuck"), StringComparison.Ordinal);
            await OneSalesOrderAsync(order, state);
        }
    }

    [Fact]
    public async Task The_three_lines_operators_grep_for_are_written_word_for_word_and_once()
    {
        var order = await server.PlaceAsync();
        await server.PayAsync(order);
        await ServedOnceAsync(order);
        var name = await SalesOrderAsync(order);
        string[] expected =
        [
            $"[checkout] Payment confirmed: compliance {order} via card",
            $"[checkout] Advanced compliance Sales Order {name} to Service Queued",
            string.Create(CultureInfo.InvariantCulture, $"[checkout] Worker dispatched: {order} (probe)"),
        ];
        Assert.Equal(expected, server.Log.Read().Where(l => l.Contains(order, StringComparison.Ordinal) || l.Contains(name, StringComparison.Ordinal)).Where(l => l.StartsWith("[checkout]", StringComparison.Ordinal)));
    }
}
