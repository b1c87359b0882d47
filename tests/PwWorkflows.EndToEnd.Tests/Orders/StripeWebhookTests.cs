using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Orders;

public sealed class StripeWebhookOnSqliteTests(SqliteOrderServer server) : StripeWebhookContract(server), IClassFixture<SqliteOrderServer>;

public sealed class StripeWebhookOnPostgresTests(PostgresOrderServer server) : StripeWebhookContract(server), IClassFixture<PostgresOrderServer>;

/// <summary>Who may tell us about money, and what is kept of those who may not.</summary>
public abstract class StripeWebhookContract(OrderServer server)
{
    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] Event(string type = "customer.updated", string? apiVersion = "\"2026-10-28.endive\"", string? id = null, string resource = "{\"id\":\"cus_1\",\"object\":\"customer\"}") =>
        Bytes($$$"""{"id":"{{{id ?? "evt_" + Guid.NewGuid().ToString("N")}}}","object":"event","api_version":{{{apiVersion}}},"created":1767225600,"livemode":false,"type":"{{{type}}}","data":{"object":{{{resource}}} } }""");

    private byte[] Paid(string order, string session, long cents = 49900, string apiVersion = "\"2026-10-28.endive\"", string more = "") =>
        Event("checkout.session.completed", apiVersion, resource:
            $$"""{"id":"{{session}}","object":"checkout.session","payment_status":"paid","amount_total":{{cents}},"currency":"usd","payment_intent":"pi_{{session}}","payment_method_types":["card"],"metadata":{"order_id":"{{order}}"}{{more}}}""");

    private async Task RefusedAsync(byte[] body, string? signature, string because)
    {
        var (before, instances) = (await server.CountAsync("SELECT COUNT(*) FROM webhook_inbox"), (await server.InstancesAsync("order-fulfilment")).Count);
        var (status, text) = await server.PostStripeAsync(body, signature);
        Assert.True(status == 400, $"{status}: {text}");
        var problem = JsonSerializer.Deserialize<JsonElement>(text);
        Assert.Equal(400, problem.GetProperty("status").GetInt32());
        Assert.Contains(because, problem.GetProperty("detail").GetString(), StringComparison.OrdinalIgnoreCase);
        // The attempt, and nothing else.
        Assert.Equal(before + 1, await server.CountAsync("SELECT COUNT(*) FROM webhook_inbox"));
        var line = (await server.InboxAsync("rejected"))[0];
        Assert.Equal(JsonValueKind.Null, line.GetProperty("event_id").ValueKind);
        Assert.Equal(problem.GetProperty("detail").GetString(), line.GetProperty("reason").GetString());
        Assert.Equal(instances, (await server.InstancesAsync("order-fulfilment")).Count);
    }

    public static TheoryData<string, string> WrongSignatures => new()
    {
        { "none", "missing" },
        { "", "missing" },
        { "garbage", "" },
        { "t=,v1=", "" },
        { "t=abc,v1={v1}", "" },
        { "t=99999999999999999999,v1={v1}", "" },
        { "t=-1,v1={v1}", "" },
        { "v1={v1}", "" },
        { "t={t}", "" },
        { "t={t},v0={v1}", "" },
        { "t={t},v1={V1}", "" },
        { "t={t},v1={v1}x", "" },
        { "t={t},v1={short}", "" },
        { "t={t},t={t},v1={wrong}", "" },
        { "t={t},v1={wrong},v1={wrong}", "" },
        { "=,=,=", "" },
        { "t={t};v1={v1}", "" },
    };

    [Theory]
    [MemberData(nameof(WrongSignatures))]
    public async Task A_wrong_signature_is_refused(string header, string because)
    {
        var body = Event();
        var at = server.Clock.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var right = OrderServer.Hmac(body, server.Settings["STRIPE_WEBHOOK_SECRET"], at);
        await RefusedAsync(body, header == "none" ? null : header.Replace("{v1}", right, StringComparison.Ordinal).Replace("{V1}", right.ToUpperInvariant(), StringComparison.Ordinal)
            .Replace("{short}", right[..60], StringComparison.Ordinal).Replace("{wrong}", OrderServer.Hmac(body, "whsec_other", at), StringComparison.Ordinal).Replace("{t}", at, StringComparison.Ordinal), because);
    }

    [Fact]
    public async Task A_signature_longer_than_any_of_Stripes_is_refused()
    {
        var body = Event();
        await RefusedAsync(body, server.Sign(body) + string.Concat(Enumerable.Repeat(",v1=" + new string('0', 64), 100)), "too long");
    }

    [Fact]
    public async Task Another_body_or_the_same_body_written_anew_is_refused()
    {
        var body = Event();
        var signature = server.Sign(body);
        await RefusedAsync(Bytes(Encoding.UTF8.GetString(body).Replace("evt_", "evt_x", StringComparison.Ordinal)), signature, "");
        await RefusedAsync(Bytes(JsonNode.Parse(body)!.ToJsonString(new() { WriteIndented = true })), signature, "");
        await RefusedAsync(body[..^1], signature, "");
    }

    [Theory]
    [InlineData(302, false)]
    [InlineData(298, true)]
    [InlineData(-298, true)]
    [InlineData(-302, false)]
    public async Task A_signature_counts_for_five_minutes_both_ways(int secondsAgo, bool taken)
    {
        var body = Event();
        var signature = server.Sign(body, late: TimeSpan.FromSeconds(secondsAgo));
        if (taken) Assert.Equal(200, (await server.PostStripeAsync(body, signature)).Status);
        else await RefusedAsync(body, signature, "tolerance");
    }

    [Fact]
    public async Task The_tolerance_goes_by_the_servers_clock()
    {
        var body = Event();
        var signature = server.Sign(body);
        server.Clock.Advance(TimeSpan.FromSeconds(310));
        await RefusedAsync(body, signature, "tolerance");
    }

    [Fact]
    public async Task One_right_signature_of_several_is_enough_while_a_secret_is_changed()
    {
        var body = Event();
        var at = server.Clock.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var right = OrderServer.Hmac(body, server.Settings["STRIPE_WEBHOOK_SECRET"], at);
        Assert.Equal(200, (await server.PostStripeAsync(body, $"t={at},v1={OrderServer.Hmac(body, "whsec_new", at)},v1={right},v0=abc")).Status);
    }

    [Theory]
    [InlineData("", "not JSON")]
    [InlineData("not json", "not JSON")]
    [InlineData("[]", "object")]
    [InlineData("7", "object")]
    [InlineData("null", "object")]
    [InlineData("{}", "id")]
    [InlineData("""{"id":7,"type":"a"}""", "id")]
    [InlineData("""{"id":"","type":"a"}""", "id")]
    [InlineData("""{"id":"evt_1"}""", "type")]
    [InlineData("""{"id":"evt_1","type":{}}""", "type")]
    [InlineData("""{"id":"evt_\u0000","type":"a"}""", "id")]
    [InlineData("""{"id":"evt_\ud800","type":"a"}""", "Unicode")]
    [InlineData("""{"id":"evt_1","type":"a","\ud800":1}""", "Unicode")]
    [InlineData("""{"id":"evt_1","type":"checkout.session.completed"}""", "data.object.id")]
    [InlineData("""{"id":"evt_1","type":"checkout.session.completed","data":[]}""", "data.object.id")]
    [InlineData("""{"id":"evt_1","type":"checkout.session.completed","data":{"object":{"id":"cs_1"}}}""", "payment_status")]
    [InlineData("""{"id":"evt_1","type":"checkout.session.completed","data":{"object":{"id":"cs_1","payment_status":5}}}""", "payment_status")]
    [InlineData("""{"id":"evt_1","type":"charge.refunded","data":{"object":{"id":"ch_1","amount_refunded":"5"}}}""", "amount_refunded")]
    [InlineData("""{"id":"evt_1","type":"charge.refunded","data":{"object":{"id":"ch_1","amount_refunded":1e40}}}""", "amount_refunded")]
    [InlineData("""{"id":"evt_1","type":"invoice.paid","data":{"object":{"billing_reason":"subscription_cycle","id":"in_1"}}}""", "subscription")]
    [InlineData("""{"id":"evt_1","type":"customer.subscription.deleted","data":{"object":{}}}""", "data.object.id")]
    public async Task A_signed_body_that_is_no_event_is_refused(string body, string because) => await RefusedAsync(Bytes(body), server.Sign(Bytes(body)), because);

    [Fact]
    public async Task A_signed_body_of_absurd_depth_is_refused()
    {
        var body = Bytes(string.Concat(Enumerable.Repeat("{\"a\":", 1000)) + "1" + new string('}', 1000));
        await RefusedAsync(body, server.Sign(body), "not JSON");
    }

    [Fact]
    public async Task Broken_UTF8_is_refused()
    {
        byte[] body = [.. Bytes("{\"id\":\"evt_"), 0xff, 0xfe, .. Bytes("\",\"type\":\"a\"}")];
        await RefusedAsync(body, server.Sign(body), "UTF-8");
    }

    [Theory]
    [InlineData("null")]
    [InlineData("\"2020-08-27\"")]
    [InlineData("\"2025-03-31.basil\"")]
    [InlineData("\"2099-01-01.zenith\"")]
    [InlineData("7")]
    public async Task An_event_of_another_API_version_pays_all_the_same(string version)
    {
        var order = await server.PlaceAsync();
        var body = Paid(order, "cs_" + order, apiVersion: version);
        Assert.Equal(200, (await server.PostStripeAsync(body, server.Sign(body))).Status);
        await server.RanAsync(order);
        Assert.Equal("paid", await server.PaymentAsync(order));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("multipart/form-data; boundary=x")]
    [InlineData("application/json; charset=latin1")]
    public async Task The_content_type_does_not_matter(string? contentType)
    {
        var body = Event();
        Assert.Equal(200, (await server.PostStripeAsync(body, server.Sign(body), contentType)).Status);
    }

    [Theory]
    [InlineData("customer.updated", "not used")]
    [InlineData("checkout.session.completed", "no order number")]
    [InlineData("a.type.nobody.knows", "not used")]
    public async Task What_is_not_for_us_is_acknowledged_and_recorded_as_ignored(string type, string because)
    {
        var id = "evt_" + Guid.NewGuid().ToString("N");
        var body = Event(type, id: id, resource: """{"id":"x_1","object":"never.heard.of","payment_status":"paid"}""");
        Assert.Equal(200, (await server.PostStripeAsync(body, server.Sign(body))).Status);
        var line = (await server.InboxLineAsync(id))!.Value;
        Assert.Equal("ignored", line.GetProperty("status").GetString());
        Assert.Contains(because, line.GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_body_over_one_mebibyte_is_too_large_and_one_of_exactly_that_is_not(bool chunked)
    {
        var before = await server.CountAsync("SELECT COUNT(*) FROM webhook_inbox");
        foreach (var (size, status) in ((int, HttpStatusCode)[])[(1024 * 1024, HttpStatusCode.OK), (1024 * 1024 + 1, HttpStatusCode.RequestEntityTooLarge)])
        {
            var body = Bytes(Encoding.UTF8.GetString(Event()).PadRight(size));
            using var content = chunked ? (HttpContent)new StreamContent(new Unseekable(body)) : new ByteArrayContent(body);
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/webhooks/stripe") { Content = content };
            request.Headers.TryAddWithoutValidation("Stripe-Signature", server.Sign(body));
            using var answer = await server.Http.SendAsync(request, Ct);
            Assert.Equal(status, answer.StatusCode);
        }

        Assert.Equal(before + 1, await server.CountAsync("SELECT COUNT(*) FROM webhook_inbox"));
    }

    private sealed class Unseekable(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }

    [Fact]
    public async Task A_refused_attempt_is_kept_without_anything_that_proves_something()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/webhooks/stripe") { Content = new ByteArrayContent(Bytes("{\"id\":\"evt_forged\"}" + new string(' ', 9000))) };
        request.Headers.TryAddWithoutValidation("Stripe-Signature", "t=1,v1=marked-signature");
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer marked-token");
        request.Headers.TryAddWithoutValidation("Cookie", "marked-cookie=1");
        request.Headers.TryAddWithoutValidation("User-Agent", "forger/1.0");
        using var answer = await server.Http.SendAsync(request, Ct);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var headers = (await server.Database.ReadAsync(async (c, ct) =>
        {
            await using var command = c.CreateCommand();
            command.CommandText = "SELECT headers, body FROM webhook_inbox ORDER BY id DESC LIMIT 1";
            await using var reader = await command.ExecuteReaderAsync(ct);
            Assert.True(await reader.ReadAsync(ct));
            return (Headers: reader.GetString(0), Body: reader.GetFieldValue<byte[]>(1));
        }, Ct));
        Assert.Contains("forger/1.0", headers.Headers, StringComparison.Ordinal);
        Assert.DoesNotContain("marked", headers.Headers, StringComparison.Ordinal);
        Assert.Equal(4096, headers.Body.Length);
        Assert.DoesNotContain(server.Log.Read(), l => l.Contains("marked-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_same_event_fifty_times_at_once_is_one_fulfilment_and_every_delivery_is_acknowledged()
    {
        if (server.Database.IsPostgres) await server.StartNodeAsync();
        var nodes = server.Database.IsPostgres ? 2 : 1;
        var order = await server.PlaceAsync();
        var body = Paid(order, "cs_" + order);
        var signature = server.Sign(body);
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Run(() => server.PostStripeAsync(body, signature, node: i % nodes), Ct)));
        Assert.All(answers, a => Assert.Equal(200, a.Status));
        await server.RanAsync(order);
        await server.EndedAsync("order-fulfilment", order);
        Assert.Single(await server.RunsAsync(order));
        Assert.Single(await server.InstancesAsync("order-fulfilment", order));
        Assert.Equal(1, await server.CountAsync("SELECT COUNT(*) FROM order_payments WHERE order_number = @order", ("order", order)));
        Assert.Equal(1, await server.CountAsync("SELECT COUNT(*) FROM webhook_inbox WHERE order_number = @order", ("order", order)));
    }

    [Fact]
    public async Task Many_events_for_one_payment_are_one_payment()
    {
        var order = await server.PlaceAsync();
        var bodies = Enumerable.Range(0, 12).Select(_ => Paid(order, "cs_" + order)).ToList();
        var answers = await Task.WhenAll(bodies.Select(b => Task.Run(() => server.PostStripeAsync(b, server.Sign(b)), Ct)));
        Assert.All(answers, a => Assert.Equal(200, a.Status));
        await server.RanAsync(order);
        Assert.Single(await server.RunsAsync(order));
        Assert.Equal(1, await server.CountAsync("SELECT COUNT(*) FROM order_payments WHERE order_number = @order", ("order", order)));
        Assert.Equal(11, await server.CountAsync("SELECT COUNT(*) FROM webhook_inbox WHERE order_number = @order AND status = 'duplicate'", ("order", order)));
    }
}
