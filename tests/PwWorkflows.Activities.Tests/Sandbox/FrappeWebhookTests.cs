using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using PwWorkflows.Sandbox;
using PwWorkflows.Sandbox.ErpNext;

namespace PwWorkflows.Activities.Tests.Sandbox;

public sealed class FrappeWebhookTests : SandboxTest
{
    Receiver _receiver = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _receiver = await Receiver.StartAsync(Ct);
        Http.DefaultRequestHeaders.Add("Authorization", $"token {SandboxSecrets.Published.ErpNextApiKey}:{SandboxSecrets.Published.ErpNextApiSecret}");
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await _receiver.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    async Task<string> QueuedOrderAsync(string customer = "Acmé \"Tel\"")
    {
        var name = new JsonObject { ["customer_name"] = customer }.ToJsonString();
        await PostOkAsync("erpnext/api/resource/Customer", name);
        var order = new JsonObject
        {
            ["customer"] = customer,
            ["delivery_date"] = "2026-12-01",
            ["custom_order_number"] = "CO-1",
            ["custom_service_slug"] = "fcc-499a",
            ["items"] = new JsonArray(new JsonObject { ["item_code"] = "FCC-499A" }),
        };
        var created = await PostOkAsync("erpnext/api/resource/Sales%20Order", order.ToJsonString());
        var id = created["data"]!["name"]!.GetValue<string>();
        await PostOkAsync("erpnext/api/method/frappe.model.workflow.apply_workflow",
            new JsonObject { ["doc"] = new JsonObject { ["doctype"] = "Sales Order", ["name"] = id }, ["action"] = "Queue Service" }.ToJsonString());
        return id;
    }

    [Fact]
    public async Task Body_and_signature_are_as_python_makes_them()
    {
        await PostOkAsync("erpnext/_webhook", $$"""{"url":"{{_receiver.Url}}/hook","secret":"s3cret"}""");
        var order = await QueuedOrderAsync();
        await UntilAsync(() => !_receiver.Requests.IsEmpty);
        var got = _receiver.Requests.Single();
        Assert.Equal(
            $"{{\"name\": \"{order}\", \"order_number\": \"CO-1\", \"service_slug\": \"fcc-499a\", \"workflow_state\": \"Service Queued\", \"customer\": \"Acm\\u00e9 \\\"Tel\\\"\"}}",
            got.Body);
        Assert.Equal(Convert.ToBase64String(HMACSHA256.HashData("s3cret"u8, Encoding.UTF8.GetBytes(got.Body))), got.Headers["X-Frappe-Webhook-Signature"]);
        Assert.False(got.Headers.ContainsKey("Content-Type"));
    }

    [Fact]
    public async Task Static_headers_are_sent_and_security_may_be_off()
    {
        await PostOkAsync("erpnext/_webhook", $$$"""{"url":"{{{_receiver.Url}}}/hook","headers":{"X-Webhook-Secret":"abc","Content-Type":"application/json"}}""");
        await QueuedOrderAsync();
        await UntilAsync(() => !_receiver.Requests.IsEmpty);
        var got = _receiver.Requests.Single();
        Assert.Equal("abc", got.Headers["X-Webhook-Secret"]);
        Assert.Equal("application/json", got.Headers["Content-Type"]);
        Assert.False(got.Headers.ContainsKey("X-Frappe-Webhook-Signature"));
    }

    [Fact]
    public async Task Every_save_in_the_state_fires_again()
    {
        await PostOkAsync("erpnext/_webhook", $$"""{"url":"{{_receiver.Url}}/hook"}""");
        var order = await QueuedOrderAsync();
        using var saved = await Http.PutAsync("erpnext/api/resource/Sales%20Order/" + order, Json("""{"workflow_state":"Service Queued"}"""), Ct);
        await UntilAsync(() => _receiver.Requests.Count == 2);
        Assert.Equal(_receiver.Requests.First().Body, _receiver.Requests.Last().Body);
    }

    [Fact]
    public async Task Failed_webhooks_are_tried_three_times_in_all()
    {
        _receiver.Answer(500, 503, 500, 200);
        await PostOkAsync("erpnext/_webhook", $$"""{"url":"{{_receiver.Url}}/hook","retry_delays_ms":[1,1,1]}""");
        await QueuedOrderAsync();
        await UntilAsync(() => _receiver.Requests.Count == 3);
        // A second order's webhook comes after the first one's tries, so no fourth try can be under way.
        await QueuedOrderAsync("Other");
        await UntilAsync(() => _receiver.Requests.Count == 4);
        Assert.Contains("Other", _receiver.Requests.Last().Body, StringComparison.Ordinal);
        // A try is logged once its answer is back, which is after the receiver has seen it.
        int[] statuses = [];
        await UntilAsync(async () => (statuses = [.. (await LogAsync("erpnext")).Where(e => e!["direction"]!.GetValue<string>() == "out").Select(e => e!["status"]!.GetValue<int>())]).Length >= 4);
        Assert.Equal([500, 503, 500, 200], statuses);
    }

    [Fact]
    public void Python_writes_json_its_own_way()
    {
        var node = JsonNode.Parse("""{"a":[1,2.50,true,null,"é\u0001\n/<\uD83D\uDE00"],"b":{},"c":[]}""");
        Assert.Equal("""{"a": [1, 2.50, true, null, "\u00e9\u0001\n/<\ud83d\ude00"], "b": {}, "c": []}""", PythonJson.Dumps(node));
    }
}
