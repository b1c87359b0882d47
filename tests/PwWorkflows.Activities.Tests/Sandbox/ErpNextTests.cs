using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Sandbox;
using PwWorkflows.Sandbox.ErpNext;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.Activities.Tests.Sandbox;

public sealed class ErpNextTests : SandboxTest
{
    static readonly SandboxSecrets Secrets = SandboxSecrets.Published;

    async Task<(HttpStatusCode Status, JsonNode Body)> SendAsync(HttpMethod method, string path, string? json = null, string? authorization = "order")
    {
        using var request = new HttpRequestMessage(method, "erpnext/" + path);
        if (json is not null) request.Content = Json(json);
        var header = authorization switch
        {
            "order" => $"token {Secrets.ErpNextApiKey}:{Secrets.ErpNextApiSecret}",
            "manager" => $"token {Secrets.ErpNextSensitiveApiKey}:{Secrets.ErpNextSensitiveApiSecret}",
            _ => authorization,
        };
        if (header is not null) request.Headers.TryAddWithoutValidation("Authorization", header);
        using var response = await Http.SendAsync(request, Ct);
        return (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(Ct))!);
    }

    Task<(HttpStatusCode Status, JsonNode Body)> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    Task<(HttpStatusCode Status, JsonNode Body)> PostAsync(string path, string json) => SendAsync(HttpMethod.Post, path, json);

    Task<(HttpStatusCode Status, JsonNode Body)> PutAsync(string path, string json) => SendAsync(HttpMethod.Put, path, json);

    async Task<JsonNode> CreateAsync(string type, string json)
    {
        var (status, body) = await PostAsync("api/resource/" + Uri.EscapeDataString(type), json);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        return body["data"]!;
    }

    async Task<JsonNode> OrderAsync(string number = "CO-0A1B2C3D")
    {
        var (_, found) = await GetAsync("api/resource/Customer?filters=" + Uri.EscapeDataString("""[["email_id","=","a@acme.net"]]"""));
        if (found["data"]!.AsArray().Count == 0) await CreateAsync("Customer", """{"customer_name":"Acme Telecom","email_id":"a@acme.net"}""");
        return await CreateAsync("Sales Order",
            $$"""{"customer":"Acme Telecom","delivery_date":"2026-12-01","po_no":"{{number}}","custom_order_number":"{{number}}","items":[{"item_code":"FCC-499A","qty":1}]}""");
    }

    Task<(HttpStatusCode Status, JsonNode Body)> ApplyAsync(string order, string action) =>
        PostAsync("api/method/frappe.model.workflow.apply_workflow", new JsonObject
        {
            ["doc"] = new JsonObject { ["doctype"] = "Sales Order", ["name"] = order }.ToJsonString(),
            ["action"] = action,
        }.ToJsonString());

    static string Message(JsonNode body)
    {
        // Three times: the body, the string in it, and each string in that.
        var list = JsonNode.Parse(body["_server_messages"]!.GetValue<string>())!.AsArray();
        return JsonNode.Parse(list[0]!.GetValue<string>())!["message"]!.GetValue<string>();
    }

    static void AssertError((HttpStatusCode Status, JsonNode Body) answer, int status, string type)
    {
        Assert.Equal(status, (int)answer.Status);
        Assert.Equal(type, answer.Body["exc_type"]!.GetValue<string>());
        Assert.StartsWith("frappe.exceptions." + type, answer.Body["exception"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ping_answers_without_signing_in()
    {
        var (status, body) = await SendAsync(HttpMethod.Get, "api/method/ping", authorization: null);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("pong", body["message"]!.GetValue<string>());
    }

    [Fact]
    public async Task Logged_user_proves_the_token()
    {
        var (_, order) = await GetAsync("api/method/frappe.auth.get_logged_user");
        Assert.Equal(FrappeUser.OrderUser, order["message"]!.GetValue<string>());
        var pair = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"{Secrets.ErpNextApiKey}:{Secrets.ErpNextApiSecret}"));
        var (_, basic) = await SendAsync(HttpMethod.Get, "api/method/frappe.auth.get_logged_user", authorization: "Basic " + pair);
        Assert.Equal(FrappeUser.OrderUser, basic["message"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("token wrong:pair")]
    [InlineData("token sandboxorderkey01:wrong")]
    [InlineData("Bearer nothing")]
    [InlineData("Basic !!!")]
    public async Task Wrong_tokens_are_401_everywhere(string header)
    {
        AssertError(await SendAsync(HttpMethod.Get, "api/resource/Customer", authorization: header), 401, "AuthenticationError");
    }

    [Fact]
    public async Task Guests_are_403()
    {
        AssertError(await SendAsync(HttpMethod.Get, "api/resource/Customer", authorization: null), 403, "PermissionError");
    }

    [Fact]
    public async Task Create_answers_200_and_the_document()
    {
        var order = await OrderAsync();
        Assert.Matches(@"^SAL-ORD-\d{4}-00001$", order["name"]!.GetValue<string>());
        Assert.Equal("Pending Payment", order["workflow_state"]!.GetValue<string>());
        Assert.Equal(0, order["docstatus"]!.GetValue<int>());
        Assert.Equal("Acme Telecom", order["customer_name"]!.GetValue<string>());
        Assert.Equal(499.0m, order["grand_total"]!.GetValue<decimal>());
        Assert.Equal("FCC-499A", order["items"]![0]!["item_code"]!.GetValue<string>());
        Assert.Matches(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$", order["modified"]!.GetValue<string>());
    }

    [Fact]
    public async Task Series_numbers_are_not_used_up_by_refused_documents()
    {
        await OrderAsync("CO-00000001");
        AssertError(await PostAsync("api/resource/Sales%20Order", """{"customer":"Acme Telecom"}"""), 417, "MandatoryError");
        Assert.EndsWith("-00002", (await OrderAsync("CO-00000002"))["name"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Missing_mandatory_fields_are_417_and_named()
    {
        var answer = await PostAsync("api/resource/Sales%20Order", "{}");
        AssertError(answer, 417, "MandatoryError");
        Assert.Contains("customer, items", answer.Body["exception"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal("Error: Value missing for Sales Order: Customer", Message(answer.Body));
    }

    [Fact]
    public async Task Unknown_documents_and_doctypes_are_404()
    {
        AssertError(await GetAsync("api/resource/Sales%20Order/SAL-ORD-2026-99999"), 404, "DoesNotExistError");
        AssertError(await GetAsync("api/resource/Spaceship"), 404, "DoesNotExistError");
        AssertError(await PutAsync("api/resource/ToDo/none", "{}"), 404, "DoesNotExistError");
    }

    [Fact]
    public async Task Second_user_of_an_address_is_409()
    {
        await CreateAsync("User", """{"email":"Jo@Acme.net","first_name":"Jo","send_welcome_email":1}""");
        AssertError(await PostAsync("api/resource/User", """{"email":"jo@acme.net","first_name":"Jo"}"""), 409, "DuplicateEntryError");
        var (_, body) = await GetAsync("api/resource/User/jo@acme.net");
        Assert.Equal("Website User", body["data"]!["user_type"]!.GetValue<string>());
    }

    [Fact]
    public async Task Second_customer_of_a_name_gets_a_number()
    {
        await CreateAsync("Customer", """{"customer_name":"Twin"}""");
        Assert.Equal("Twin - 1", (await CreateAsync("Customer", """{"customer_name":"Twin"}"""))["name"]!.GetValue<string>());
    }

    [Fact]
    public async Task Names_with_slashes_are_found()
    {
        await CreateAsync("Customer", """{"customer_name":"Acme/West"}""");
        var (status, body) = await GetAsync("api/resource/Customer/Acme%2FWest");
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("Acme/West", body["data"]!["name"]!.GetValue<string>());
    }

    [Fact]
    public async Task Purchase_order_numbers_are_taken_once_per_customer()
    {
        await OrderAsync();
        var answer = await PostAsync("api/resource/Sales%20Order",
            """{"customer":"Acme Telecom","delivery_date":"2026-12-01","po_no":"CO-0A1B2C3D","items":[{"item_code":"FCC-499A"}]}""");
        AssertError(answer, 417, "ValidationError");
        Assert.Contains("already exists against Customer's Purchase Order", Message(answer.Body), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"description":"x","allocated_to":"nobody@x.net"}""", "LinkValidationError")]
    [InlineData("""{"description":"x","reference_type":"Sales Order","reference_name":"SAL-ORD-1"}""", "LinkValidationError")]
    [InlineData("""{"description":"x","priority":"Urgent"}""", "ValidationError")]
    [InlineData("""{"description":{"a":1}}""", "ValidationError")]
    [InlineData("[]", "ValidationError")]
    [InlineData("nonsense", "ValidationError")]
    public async Task Broken_documents_are_417(string json, string type)
    {
        AssertError(await PostAsync("api/resource/ToDo", json), 417, type);
    }

    [Fact]
    public async Task Delete_answers_202()
    {
        var todo = (await CreateAsync("ToDo", """{"description":"x"}"""))["name"]!.GetValue<string>();
        Assert.Matches("^[0-9a-f]{10}$", todo);
        var (status, body) = await SendAsync(HttpMethod.Delete, "api/resource/ToDo/" + todo);
        Assert.Equal(HttpStatusCode.Accepted, status);
        Assert.Equal("ok", body["data"]!.GetValue<string>());
        AssertError(await GetAsync("api/resource/ToDo/" + todo), 404, "DoesNotExistError");
    }

    [Fact]
    public async Task Listing_pages_by_twenty_and_shows_names_only()
    {
        for (var i = 0; i < 23; i++) await CreateAsync("ToDo", $$"""{"description":"t{{i:00}}"}""");
        var (_, page) = await GetAsync("api/resource/ToDo");
        Assert.Equal(20, page["data"]!.AsArray().Count);
        Assert.Equal(["name"], page["data"]![0]!.AsObject().Select(p => p.Key));
        var (_, all) = await GetAsync("api/resource/ToDo?limit_page_length=0");
        Assert.Equal(23, all["data"]!.AsArray().Count);
        var (_, third) = await GetAsync("api/resource/ToDo?limit_start=20&limit=2&order_by=" + Uri.EscapeDataString("description asc") + "&fields=" + Uri.EscapeDataString("""["description"]"""));
        Assert.Equal(["t20", "t21"], third["data"]!.AsArray().Select(d => d!["description"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("""[["status","=","Open"]]""", 2)]
    [InlineData("""[["ToDo","status","=","open"]]""", 2)]
    [InlineData("""{"status":"Open","priority":"High"}""", 1)]
    [InlineData("""{"priority":["in",["High","Low"]]}""", 2)]
    [InlineData("""[["priority","!=","High"]]""", 2)]
    [InlineData("""[["description","like","%CO-1%"]]""", 2)]
    [InlineData("""[["description","not like","%CO-1%"]]""", 1)]
    [InlineData("""[["date","is","set"]]""", 1)]
    [InlineData("""[["date","between",["2026-01-01","2026-12-31"]]]""", 1)]
    [InlineData("""[["date",">","2026-06-01"]]""", 0)]
    public async Task Filters_select(string filters, int count)
    {
        await CreateAsync("ToDo", """{"description":"[a] CO-1","priority":"High","date":"2026-05-01"}""");
        await CreateAsync("ToDo", """{"description":"[b] CO-1","priority":"Low","status":"Closed"}""");
        await CreateAsync("ToDo", """{"description":"[c] CO-2"}""");
        var (_, body) = await GetAsync("api/resource/ToDo?filters=" + Uri.EscapeDataString(filters));
        Assert.Equal(count, body["data"]!.AsArray().Count);
    }

    [Theory]
    [InlineData("fields", """["secret_field"]""")]
    [InlineData("filters", """[["secret_field","=","1"]]""")]
    [InlineData("filters", """[["status","resembles","1"]]""")]
    [InlineData("filters", "[[")]
    [InlineData("order_by", "secret_field desc")]
    public async Task Broken_listings_are_417(string argument, string value)
    {
        var (status, _) = await GetAsync($"api/resource/ToDo?{argument}={Uri.EscapeDataString(value)}");
        Assert.Equal(417, (int)status);
    }

    [Fact]
    public async Task Listing_leaves_child_tables_out()
    {
        await OrderAsync();
        var (_, body) = await GetAsync("api/resource/Sales%20Order?fields=" + Uri.EscapeDataString("""["*"]"""));
        var row = Assert.Single(body["data"]!.AsArray())!.AsObject();
        Assert.False(row.ContainsKey("items"));
        Assert.True(row.ContainsKey("workflow_state"));
    }

    [Fact]
    public async Task Index_follows_changes()
    {
        var name = (await OrderAsync())["name"]!.GetValue<string>();
        await PutAsync("api/resource/Sales%20Order/" + name, """{"custom_order_number":"CO-FFFFFFFF"}""");
        var (_, old) = await GetAsync("api/resource/Sales%20Order?filters=" + Uri.EscapeDataString("""[["custom_order_number","=","CO-0A1B2C3D"]]"""));
        Assert.Empty(old["data"]!.AsArray());
        var (_, now) = await GetAsync("api/resource/Sales%20Order?filters=" + Uri.EscapeDataString("""[["custom_order_number","=","co-ffffffff"]]"""));
        Assert.Single(now["data"]!.AsArray());
    }

    [Fact]
    public async Task Stale_modified_is_417_and_leaves_the_document()
    {
        var order = await OrderAsync();
        var (name, seen) = (order["name"]!.GetValue<string>(), order["modified"]!.GetValue<string>());
        var (ok, changed) = await PutAsync("api/resource/Sales%20Order/" + name, $$"""{"modified":"{{seen}}","contact_email":"first@acme.net"}""");
        Assert.Equal(HttpStatusCode.OK, ok);
        Assert.True(string.CompareOrdinal(changed["data"]!["modified"]!.GetValue<string>(), seen) > 0);
        var answer = await PutAsync("api/resource/Sales%20Order/" + name, $$"""{"modified":"{{seen}}","contact_email":"second@acme.net"}""");
        AssertError(answer, 417, "TimestampMismatchError");
        Assert.Contains("Please refresh to get the latest document", Message(answer.Body), StringComparison.Ordinal);
        var (_, body) = await GetAsync("api/resource/Sales%20Order/" + name);
        Assert.Equal("first@acme.net", body["data"]!["contact_email"]!.GetValue<string>());
    }

    [Fact]
    public async Task Without_modified_the_last_writer_wins()
    {
        var name = (await OrderAsync())["name"]!.GetValue<string>();
        await PutAsync("api/resource/Sales%20Order/" + name, """{"contact_email":"first@acme.net"}""");
        var (_, body) = await PutAsync("api/resource/Sales%20Order/" + name, """{"contact_email":"second@acme.net"}""");
        Assert.Equal("second@acme.net", body["data"]!["contact_email"]!.GetValue<string>());
    }

    [Fact]
    public async Task Whole_document_save_always_compares_the_time()
    {
        var order = (JsonObject)(await OrderAsync()).DeepClone();
        order["contact_email"] = "a@b.net";
        var (status, saved) = await PostAsync("api/method/frappe.client.save", new JsonObject { ["doc"] = order.DeepClone() }.ToJsonString());
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("a@b.net", saved["message"]!["contact_email"]!.GetValue<string>());
        AssertError(await PostAsync("api/method/frappe.client.save", new JsonObject { ["doc"] = order }.ToJsonString()), 417, "TimestampMismatchError");
    }

    [Fact]
    public async Task Apply_workflow_takes_an_action_label_not_a_state()
    {
        var name = (await OrderAsync())["name"]!.GetValue<string>();
        var wrong = await ApplyAsync(name, "Service Queued");
        AssertError(wrong, 417, "WorkflowTransitionError");
        Assert.Equal("Not a valid Workflow Action", Message(wrong.Body));
        var (status, body) = await ApplyAsync(name, "Queue Service");
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("Service Queued", body["message"]!["workflow_state"]!.GetValue<string>());
    }

    [Fact]
    public async Task Second_apply_of_the_same_action_fails()
    {
        var name = (await OrderAsync())["name"]!.GetValue<string>();
        await ApplyAsync(name, "Queue Service");
        AssertError(await ApplyAsync(name, "Queue Service"), 417, "WorkflowTransitionError");
    }

    [Fact]
    public async Task Only_apply_workflow_submits_the_document()
    {
        var applied = (await OrderAsync("CO-00000001"))["name"]!.GetValue<string>();
        foreach (var action in new[] { "Queue Service", "Start Work", "Submit for Review", "Deliver" })
            Assert.Equal(HttpStatusCode.OK, (await ApplyAsync(applied, action)).Status);
        var (_, submitted) = await GetAsync("api/resource/Sales%20Order/" + applied);
        Assert.Equal(1, submitted["data"]!["docstatus"]!.GetValue<int>());

        var put = (await OrderAsync("CO-00000002"))["name"]!.GetValue<string>();
        foreach (var state in new[] { "Service Queued", "In Progress", "Review", "Delivered" })
            Assert.Equal(HttpStatusCode.OK, (await PutAsync("api/resource/Sales%20Order/" + put, $$"""{"workflow_state":"{{state}}"}""")).Status);
        var (_, draft) = await GetAsync("api/resource/Sales%20Order/" + put);
        Assert.Equal("Delivered", draft["data"]!["workflow_state"]!.GetValue<string>());
        Assert.Equal(0, draft["data"]!["docstatus"]!.GetValue<int>());
    }

    [Fact]
    public async Task Submitted_documents_keep_their_fields_except_those_allowed()
    {
        var name = (await OrderAsync())["name"]!.GetValue<string>();
        foreach (var action in new[] { "Queue Service", "Start Work", "Submit for Review", "Deliver" }) await ApplyAsync(name, action);
        AssertError(await PutAsync("api/resource/Sales%20Order/" + name, """{"contact_email":"x@y.net"}"""), 417, "UpdateAfterSubmitError");
        var (status, _) = await PutAsync("api/resource/Sales%20Order/" + name, """{"custom_confirmation_number":"499A-1"}""");
        Assert.Equal(HttpStatusCode.OK, status);
        AssertError(await SendAsync(HttpMethod.Delete, "api/resource/Sales%20Order/" + name), 417, "ValidationError");
    }

    [Fact]
    public async Task Plain_put_of_a_state_is_checked_against_the_workflow()
    {
        var name = (await OrderAsync())["name"]!.GetValue<string>();
        var answer = await PutAsync("api/resource/Sales%20Order/" + name, """{"workflow_state":"Delivered"}""");
        AssertError(answer, 417, "WorkflowPermissionError");
        Assert.Equal("Workflow State transition not allowed from <strong>Pending Payment</strong> to <strong>Delivered</strong>", Message(answer.Body));
        Assert.Equal(HttpStatusCode.OK, (await PutAsync("api/resource/Sales%20Order/" + name, """{"workflow_state":"Pending Payment"}""")).Status);
    }

    [Fact]
    public async Task New_orders_begin_in_the_first_state()
    {
        await CreateAsync("Customer", """{"customer_name":"Acme Telecom"}""");
        AssertError(await PostAsync("api/resource/Sales%20Order",
            """{"customer":"Acme Telecom","delivery_date":"2026-12-01","workflow_state":"Service Queued","items":[{"item_code":"FCC-499A"}]}"""), 417, "WorkflowPermissionError");
    }

    [Fact]
    public async Task Transitions_offered_depend_on_state_and_role()
    {
        var name = (await OrderAsync())["name"]!.GetValue<string>();
        Assert.Equal([("Queue Service", "Service Queued"), ("Cancel Order", "Cancelled")], await OfferedAsync("order"));
        await ApplyAsync(name, "Cancel Order");
        Assert.Empty(await OfferedAsync("order"));
        Assert.Equal([("Reinstate", "Pending Payment")], await OfferedAsync("manager"));

        async Task<(string, string)[]> OfferedAsync(string user)
        {
            var (_, body) = await SendAsync(HttpMethod.Post, "api/method/frappe.model.workflow.get_transitions",
                new JsonObject { ["doc"] = new JsonObject { ["doctype"] = "Sales Order", ["name"] = name } }.ToJsonString(), user);
            return [.. body["message"]!.AsArray().Select(t => (t!["action"]!.GetValue<string>(), t["next_state"]!.GetValue<string>()))];
        }
    }

    [Fact]
    public async Task Workflow_table_can_be_changed()
    {
        var name = (await OrderAsync())["name"]!.GetValue<string>();
        await PostOkAsync("erpnext/_workflow", """{"transitions":[{"state":"Pending Payment","action":"Send to Queue","next_state":"Service Queued","allowed":"Sales User","allow_self_approval":false}]}""");
        AssertError(await ApplyAsync(name, "Queue Service"), 417, "WorkflowTransitionError");
        var own = await ApplyAsync(name, "Send to Queue");
        AssertError(own, 417, "ValidationError");
        Assert.Equal("Self approval is not allowed", Message(own.Body));
        using var refused = await Http.PostAsync("erpnext/_workflow", Json("""{"transitions":[{"state":"Limbo","action":"x","next_state":"Review","allowed":"Sales User"}]}"""), Ct);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
    }

    [Fact]
    public async Task Password_fields_read_as_stars_and_open_only_for_the_system_manager()
    {
        const string path = "api/resource/Sensitive%20ID/usac-totp-1";
        var (_, body) = await GetAsync(path);
        Assert.Equal("*****", body["data"]!["encrypted_value"]!.GetValue<string>());
        const string request = """{"doctype":"Sensitive ID","name":"usac-totp-1","fieldname":"encrypted_value"}""";
        AssertError(await PostAsync("api/method/frappe.client.get_password", request), 403, "PermissionError");
        var (_, secret) = await SendAsync(HttpMethod.Post, "api/method/frappe.client.get_password", request, "manager");
        Assert.Equal(UsacDemo.Default.TotpSeed, secret["message"]!.GetValue<string>());
    }

    [Fact]
    public async Task Stars_sent_back_leave_the_password()
    {
        const string path = "api/resource/Sensitive%20ID/usac-totp-2";
        await SendAsync(HttpMethod.Put, path, """{"id_type":"SEED","encrypted_value":"*****"}""", "manager");
        var (_, secret) = await SendAsync(HttpMethod.Post, "api/method/frappe.client.get_password",
            """{"doctype":"Sensitive ID","name":"usac-totp-2","fieldname":"encrypted_value"}""", "manager");
        Assert.Equal(UsacDemo.Entities[1].TotpSeed, secret["message"]!.GetValue<string>());
    }

    [Fact]
    public async Task Only_the_system_manager_writes_sensitive_ids()
    {
        AssertError(await PostAsync("api/resource/Sensitive%20ID", """{"name":"x","id_type":"y","encrypted_value":"z"}"""), 403, "PermissionError");
        AssertError(await SendAsync(HttpMethod.Post, "api/resource/Sensitive%20ID", """{"id_type":"y","encrypted_value":"z"}""", "manager"), 417, "ValidationError");
    }

    [Theory]
    [InlineData("timestamp_mismatch", 417, "TimestampMismatchError")]
    [InlineData("deadlock", 500, "QueryDeadlockError")]
    public async Task Save_faults_leave_the_document(string kind, int status, string type)
    {
        var name = (await OrderAsync())["name"]!.GetValue<string>();
        await FaultAsync("erpnext", $$"""{"kind":"{{kind}}","count":1,"match":"apply_workflow"}""");
        AssertError(await ApplyAsync(name, "Queue Service"), status, type);
        Assert.Equal(HttpStatusCode.OK, (await ApplyAsync(name, "Queue Service")).Status);
    }

    [Fact]
    public async Task Too_many_requests_are_plain_text()
    {
        await FaultAsync("erpnext", """{"kind":"status","status":429,"retry_after":3,"count":1}""");
        using var answer = await Http.GetAsync("erpnext/api/method/ping", Ct);
        Assert.Equal("Too Many Requests", await answer.Content.ReadAsStringAsync(Ct));
        Assert.Equal("text/plain", answer.Content.Headers.ContentType!.MediaType);
    }

    [Fact]
    public async Task Client_methods_work_like_the_resources()
    {
        var (_, inserted) = await PostAsync("api/method/frappe.client.insert", """{"doc":{"doctype":"ToDo","description":"x"}}""");
        var name = inserted["message"]!["name"]!.GetValue<string>();
        var (_, set) = await PostAsync("api/method/frappe.client.set_value", $$"""{"doctype":"ToDo","name":"{{name}}","fieldname":"status","value":"Closed"}""");
        Assert.Equal("Closed", set["message"]!["status"]!.GetValue<string>());
        var (_, read) = await GetAsync("api/method/frappe.client.get?doctype=ToDo&name=" + name);
        Assert.Equal("Closed", read["message"]!["status"]!.GetValue<string>());
        var (_, list) = await PostAsync("api/method/frappe.client.get_list", """{"doctype":"ToDo","filters":{"status":"Closed"}}""");
        Assert.Single(list["message"]!.AsArray());
        var (_, count) = await PostAsync("api/method/frappe.client.get_count", """{"doctype":"ToDo"}""");
        Assert.Equal(1, count["message"]!.GetValue<int>());
        AssertError(await PostAsync("api/method/frappe.client.explode", "{}"), 417, "ValidationError");
    }

    [Fact]
    public async Task Parallel_writers_leave_every_order_once()
    {
        await CreateAsync("Customer", """{"customer_name":"Acme Telecom"}""");
        await Parallel.ForEachAsync(Enumerable.Range(1, 60), Ct, async (i, ct) =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "erpnext/api/resource/Sales%20Order")
            {
                Content = Json($$"""{"customer":"Acme Telecom","delivery_date":"2026-12-01","po_no":"CO-{{i:X8}}","items":[{"item_code":"FCC-499A"}]}"""),
            };
            request.Headers.Add("Authorization", $"token {Secrets.ErpNextApiKey}:{Secrets.ErpNextApiSecret}");
            using var response = await Http.SendAsync(request, ct);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        });
        var (_, body) = await GetAsync("api/resource/Sales%20Order?limit_page_length=0");
        Assert.Equal(60, body["data"]!.AsArray().Select(d => d!["name"]!.GetValue<string>()).Distinct().Count());
    }

    [Fact]
    public async Task Desk_shows_orders_to_a_person()
    {
        var name = (await OrderAsync())["name"]!.GetValue<string>();
        Assert.Contains(name, await Http.GetStringAsync("erpnext/_desk", Ct), StringComparison.Ordinal);
    }
}
