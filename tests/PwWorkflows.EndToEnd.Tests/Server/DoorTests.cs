using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Server;

public sealed class DoorTests(RunningServer running)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static string NewNumber() => "CO-" + Convert.ToHexString(RandomNumberGenerator.GetBytes(4));

    private static JsonObject Order(string number) => new()
    {
        ["order_number"] = number,
        ["service_slug"] = "fcc-499a",
        ["amount_cents"] = 49900,
        ["customer"] = new JsonObject { ["name"] = "Sandbox Voice LLC", ["email"] = "regulatory@sandboxvoice.net" },
        ["telecom_entity"] = new JsonObject { ["id"] = 41, ["legal_name"] = "Sandbox Voice LLC", ["frn"] = "0031234567", ["filer_id_499"] = "831234", ["ceo_name"] = "Dana" },
        ["intake_data"] = new JsonObject { ["filing_year"] = 2026 },
    };

    private async Task<HttpResponseMessage> PlaceAsync(HttpContent content, string? secret = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/orders") { Content = content };
        request.Headers.Add("X-Webhook-Secret", secret ?? running.Settings["WEBHOOK_SECRET"]);
        return await running.Http.SendAsync(request, Ct);
    }

    private Task<HttpResponseMessage> PlaceAsync(JsonObject order) => PlaceAsync(JsonContent.Create(order));

    [Fact]
    public async Task A_placed_order_can_be_looked_at()
    {
        var number = NewNumber();
        using (var placed = await PlaceAsync(Order(number)))
        {
            Assert.Equal(HttpStatusCode.Created, placed.StatusCode);
            Assert.Equal(number, (await placed.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("order_number").GetString());
        }

        var token = await running.TokenAsync("viewer", Ct);
        var order = await Api.GetAsync(running.Http, "/api/v1/admin/orders/" + number, token, Ct);
        Assert.Equal("pending", order.GetProperty("status").GetString());
        Assert.Equal("new", order.GetProperty("fulfillment_status").GetString());
        Assert.Equal(JsonValueKind.Null, order.GetProperty("sales_order").ValueKind);
        Assert.Equal(JsonValueKind.Null, order.GetProperty("filing").ValueKind);
        Assert.Equal(0, order.GetProperty("workflow_instances").GetArrayLength());
        Assert.Equal("placed", order.GetProperty("timeline")[0].GetProperty("event").GetString());
        var listed = await Api.GetAsync(running.Http, "/api/v1/admin/orders?take=500", token, Ct);
        Assert.Contains(listed.GetProperty("orders").EnumerateArray(), o => o.GetProperty("order_number").GetString() == number);
    }

    [Fact]
    public async Task The_same_order_placed_many_times_at_once_is_one_order()
    {
        var order = Order(NewNumber());
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Task.Run(() => PlaceAsync((JsonObject)order.DeepClone()), Ct)));
        Assert.Single(answers, a => a.StatusCode == HttpStatusCode.Created);
        Assert.Equal(11, answers.Count(a => a.StatusCode == HttpStatusCode.OK));
        foreach (var answer in answers) answer.Dispose();
    }

    [Fact]
    public async Task Another_order_under_a_known_number_is_refused()
    {
        var order = Order(NewNumber());
        using (await PlaceAsync((JsonObject)order.DeepClone()))
        {
            order["amount_cents"] = 1;
        }

        using var second = await PlaceAsync(order);
        await Api.ProblemAsync(second, 409, Ct);
    }

    public static TheoryData<string, string?, string> WrongFields => new()
    {
        { "order_number", "\"CO-12\"", "order_number" },
        { "order_number", null, "order_number" },
        { "service_slug", "\"../x\"", "service_slug" },
        { "amount_cents", "-1", "amount_cents" },
        { "amount_cents", "1.5", "amount_cents" },
        { "amount_cents", "\"499\"", "amount_cents" },
        { "currency", "\"dollars\"", "currency" },
        { "payment_method", "\"cash\"", "payment_method" },
        { "customer", "7", "customer" },
        { "customer", """{"name":"n","email":"nobody"}""", "customer.email" },
        { "customer", """{"name":"n","email":"noreply@carrier.net"}""", "customer.email" },
        { "customer", """{"name":" ","email":"a@carrier.net"}""", "customer.name" },
        { "telecom_entity", """{"id":0,"legal_name":"x"}""", "telecom_entity.id" },
        { "telecom_entity", """{"id":1,"legal_name":"x","frn":"12"}""", "telecom_entity.frn" },
        { "telecom_entity", """{"id":1,"legal_name":"x","filer_id_499":"123456"}""", "telecom_entity.filer_id_499" },
        { "intake_data", "[]", "intake_data" },
        { "officer_authorization", "\"yes\"", "officer_authorization" },
    };

    [Theory]
    [MemberData(nameof(WrongFields))]
    public async Task A_wrong_field_is_named_and_nothing_is_stored(string field, string? value, string named)
    {
        var number = NewNumber();
        var order = Order(number);
        if (value is null) order.Remove(field);
        else order[field] = JsonNode.Parse(value);
        using var answer = await PlaceAsync(order);
        var problem = await Api.ProblemAsync(answer, 400, Ct);
        Assert.Equal([named], problem.GetProperty("errors").EnumerateObject().Select(e => e.Name));
        using var look = await Api.SendAsync(running.Http, HttpMethod.Get, "/api/v1/admin/orders/" + number, await running.TokenAsync("viewer", Ct), null, Ct);
        await Api.ProblemAsync(look, 404, Ct);
    }

    [Fact]
    public async Task All_wrong_fields_are_named_at_once()
    {
        using var answer = await PlaceAsync([]);
        var errors = (await Api.ProblemAsync(answer, 400, Ct)).GetProperty("errors");
        Assert.Equal(["amount_cents", "customer", "intake_data", "order_number", "service_slug"], errors.EnumerateObject().Select(e => e.Name).Order());
    }

    [Theory]
    [InlineData("")]
    [InlineData("wrong")]
    public async Task An_order_without_the_shared_secret_is_refused(string secret)
    {
        using var answer = await PlaceAsync(JsonContent.Create(Order(NewNumber())), secret);
        await Api.ProblemAsync(answer, 401, Ct);
    }

    [Theory]
    [InlineData("{", 400)]
    [InlineData("[]", 400)]
    [InlineData("null", 400)]
    [InlineData("\"text\"", 400)]
    [InlineData("{\"order_number\":\"a\",\"order_number\":\"b\"}", 400)]
    [InlineData("{\"a\":\"\\ud800\"}", 400)]
    [InlineData("", 400)]
    public async Task A_body_that_is_no_json_object_is_refused(string body, int status)
    {
        using var answer = await PlaceAsync(new StringContent(body, Encoding.UTF8, "application/json"));
        await Api.ProblemAsync(answer, status, Ct);
    }

    [Fact]
    public async Task A_deeply_nested_body_is_refused()
    {
        using var answer = await PlaceAsync(new StringContent(string.Concat(Enumerable.Repeat("{\"a\":", 1000)) + "1" + new string('}', 1000), Encoding.UTF8, "application/json"));
        await Api.ProblemAsync(answer, 400, Ct);
    }

    [Fact]
    public async Task Another_media_type_is_refused()
    {
        using var answer = await PlaceAsync(new StringContent("<order/>", Encoding.UTF8, "application/xml"));
        await Api.ProblemAsync(answer, 415, Ct);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_body_over_one_mebibyte_is_refused(bool chunked)
    {
        var bytes = Encoding.UTF8.GetBytes("{\"a\":\"" + new string('x', 1024 * 1024) + "\"}");
        using var content = chunked ? (HttpContent)new StreamContent(new Unseekable(bytes)) : new ByteArrayContent(bytes);
        content.Headers.ContentType = new("application/json");
        using var answer = await PlaceAsync(content);
        await Api.ProblemAsync(answer, 413, Ct);
    }

    /// <summary>A stream whose length nobody knows: it is sent in chunks.</summary>
    private sealed class Unseekable(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }

    [Theory]
    [InlineData("GET", "/no/such/path", 404)]
    [InlineData("DELETE", "/health", 405)]
    [InlineData("GET", "/api/v1/orders", 405)]
    public async Task Unknown_paths_and_methods_answer_problem_documents(string method, string path, int status)
    {
        using var answer = await Api.SendAsync(running.Http, new HttpMethod(method), path, null, null, Ct);
        await Api.ProblemAsync(answer, status, Ct);
    }

    [Theory]
    [InlineData("take=0")]
    [InlineData("take=501")]
    [InlineData("skip=-1")]
    [InlineData("take=many")]
    public async Task Wrong_paging_is_refused(string query)
    {
        using var answer = await Api.SendAsync(running.Http, HttpMethod.Get, "/api/v1/admin/orders?" + query, await running.TokenAsync("viewer", Ct), null, Ct);
        Assert.Equal(query.Split('=')[0], (await Api.ProblemAsync(answer, 400, Ct)).GetProperty("errors").EnumerateObject().Single().Name);
    }

    [Fact]
    public async Task Unknown_orders_instances_and_webhooks_answer_404()
    {
        var token = await running.TokenAsync("operator", Ct);
        foreach (var (method, path) in ((string, string)[])[("GET", "/api/v1/admin/orders/CO-FFFFFFFF"), ("GET", "/api/v1/admin/workflow-instances/none"), ("POST", "/api/v1/admin/workflow-instances/none/retry"),
            ("POST", "/api/v1/admin/workflow-instances/none/cancel"), ("POST", "/api/v1/admin/webhooks/999999/replay")])
        {
            using var answer = await Api.SendAsync(running.Http, new HttpMethod(method), path, token, null, Ct);
            await Api.ProblemAsync(answer, 404, Ct);
        }
    }

    [Fact]
    public async Task An_officers_authorization_needs_every_part()
    {
        var number = NewNumber();
        using (await PlaceAsync(Order(number)))
        using (var answer = await Api.SendAsync(running.Http, HttpMethod.Post, $"/api/v1/admin/orders/{number}/officer-authorization", await running.TokenAsync("operator", Ct),
            new { officer_name = "Dana", values_sha256 = "abc", authorized_at = "2999-01-01T00:00:00Z", email = "x" }, Ct))
        {
            var errors = (await Api.ProblemAsync(answer, 400, Ct)).GetProperty("errors").EnumerateObject().Select(e => e.Name).Order();
            Assert.Equal(["authorized_at", "email", "officer_title", "phone", "values_sha256"], errors);
        }
    }

    [Fact]
    public async Task A_portal_session_is_stored_and_never_shown()
    {
        var token = await running.TokenAsync("operator", Ct);
        using (var wrong = await Api.SendAsync(running.Http, HttpMethod.Put, "/api/v1/admin/entities/7/usac-session", token, new { cookies = "none" }, Ct)) await Api.ProblemAsync(wrong, 400, Ct);
        const string Cookie = "very-secret-cookie-9d1c";
        using var stored = await Api.SendAsync(running.Http, HttpMethod.Put, "/api/v1/admin/entities/7/usac-session", token,
            new { cookies = new[] { new { name = "usac_session", value = Cookie, domain = "127.0.0.1", path = "/" } }, origins = Array.Empty<object>() }, Ct);
        Assert.Equal(HttpStatusCode.NoContent, stored.StatusCode);
        Assert.Contains(Cookie, await File.ReadAllTextAsync(Path.Combine(running.Data, "objects", "playwright-storage", "usac", "7", "storage_state.json"), Ct), StringComparison.Ordinal);
        Assert.DoesNotContain(Cookie, running.Server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_tells_that_configuration_and_database_work()
    {
        using var answer = await running.Http.GetAsync("/health", Ct);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var health = await answer.Content.ReadFromJsonAsync<JsonElement>(Ct);
        Assert.Equal("ok", health.GetProperty("status").GetString());
        Assert.Equal("ok", health.GetProperty("checks").GetProperty("database").GetProperty("status").GetString());
    }

    [Fact]
    public async Task Deep_health_asks_every_part_the_main_job_needs()
    {
        using var answer = await running.Http.GetAsync("/health/deep", Ct);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Ct));
        var checks = (await answer.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("checks");
        Assert.Equal(["database", "erpnext", "object_store", "schedules", "work_queue"], checks.EnumerateObject().Select(c => c.Name).Order());
    }

    [Fact]
    public async Task Deep_health_tells_which_parts_failed_and_the_server_stays_up()
    {
        using var folder = new TemporaryFolder();
        // A server that takes requests in and carries nothing out.
        var settings = new Dictionary<string, string>(running.Settings) { ["ERPNEXT_URL"] = "http://127.0.0.1:1/erpnext", ["WORKFLOW_CONCURRENCY"] = "0" };
        await using var server = await ServerProcess.StartAsync(settings, folder.FullPath, Ct);
        Assert.Equal(["erpnext"], await FailedAsync());

        Directory.Delete(Path.Combine(folder.FullPath, "objects"), recursive: true);
        await AdvanceAsync(6);
        Assert.Equal(["erpnext", "object_store"], await FailedAsync());

        var number = NewNumber();
        await PostAsync("/api/v1/orders", Order(number));
        await PostAsync("/jobs", new JsonObject { ["action"] = "process_compliance_service", ["order_number"] = number });
        await AdvanceAsync(240);
        Assert.Equal(["erpnext", "object_store"], await FailedAsync());
        await AdvanceAsync(120);
        Assert.Equal(["erpnext", "object_store", "work_queue"], await FailedAsync());
        using var shallow = await server.Http.GetAsync("/health", Ct);
        Assert.Equal(HttpStatusCode.OK, shallow.StatusCode);

        async Task PostAsync(string path, JsonObject body)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
            request.Headers.Add("X-Webhook-Secret", running.Settings["WEBHOOK_SECRET"]);
            request.Headers.Add("Authorization", "Bearer " + running.Settings["WEBHOOK_SECRET"]);
            using var taken = await server.Http.SendAsync(request, Ct);
            Assert.True(taken.IsSuccessStatusCode, await taken.Content.ReadAsStringAsync(Ct));
        }

        // What was found is kept for five seconds of the server's clock.
        async Task AdvanceAsync(int seconds)
        {
            var admin = await Api.TokenAsync(server.Http, "admin", "admin", Ct);
            using var moved = await Api.SendAsync(server.Http, HttpMethod.Post, "/api/v1/admin/clock", admin, new { advance_seconds = seconds }, Ct);
            Assert.True(moved.IsSuccessStatusCode, await moved.Content.ReadAsStringAsync(Ct));
        }

        async Task<IEnumerable<string>> FailedAsync()
        {
            using var deep = await server.Http.GetAsync("/health/deep", Ct);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, deep.StatusCode);
            var health = await deep.Content.ReadFromJsonAsync<JsonElement>(Ct);
            Assert.Equal("failed", health.GetProperty("status").GetString());
            return health.GetProperty("checks").EnumerateObject().Where(c => c.Value.GetProperty("status").GetString() == "failed").Select(c => c.Name).Order();
        }
    }

    [Fact]
    public async Task Orders_survive_a_kill_of_the_server()
    {
        using var folder = new TemporaryFolder();
        var number = NewNumber();
        var port = 0;
        await using (var server = await ServerProcess.StartAsync(running.Settings, folder.FullPath, Ct))
        {
            port = server.BaseUrl.Port;
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/orders") { Content = JsonContent.Create(Order(number)) };
            request.Headers.Add("X-Webhook-Secret", running.Settings["WEBHOOK_SECRET"]);
            using var placed = await server.Http.SendAsync(request, Ct);
            Assert.Equal(HttpStatusCode.Created, placed.StatusCode);
            await server.KillAsync();
        }

        await using var again = await ServerProcess.StartAsync(running.Settings, folder.FullPath, Ct, port);
        Assert.Equal(port, again.BaseUrl.Port);
        var order = await Api.GetAsync(again.Http, "/api/v1/admin/orders/" + number, await Api.TokenAsync(again.Http, "viewer", "viewer", Ct), Ct);
        Assert.Equal(number, order.GetProperty("order_number").GetString());
        Assert.Equal(49900.ToString(CultureInfo.InvariantCulture), order.GetProperty("amount_cents").GetRawText());
    }
}
