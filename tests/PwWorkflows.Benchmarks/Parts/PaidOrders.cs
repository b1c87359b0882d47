using System.Globalization;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using PwWorkflows.Sandbox.Stripe;

namespace PwWorkflows.Benchmarks.Parts;

/// <summary>Orders that wait for their payment, and the signed events that pay them, one each.</summary>
public sealed class PaidOrders
{
    private const string Number = "CO-00000001";
    private readonly string[] _parts;
    private readonly byte[] _secret;
    private readonly string _head;
    private int _next = 1;

    private PaidOrders(string json, Uri server)
    {
        // The order, and what must differ from event to event: their ids end in the order's eight digits.
        _parts = json.Split("00000001");
        _secret = Encoding.UTF8.GetBytes(Setting("STRIPE_WEBHOOK_SECRET"));
        _head = string.Create(CultureInfo.InvariantCulture, $"POST /api/v1/webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1:{server.Port}\r\nContent-Type: application/json; charset=utf-8\r\nStripe-Signature: t=");
    }

    /// <summary>Places one order at the server's intake and multiplies it in the database.</summary>
    public static async Task<PaidOrders> PlaceAsync(Run run, string connection, Uri server, int count, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(run);
        using var http = new HttpClient { BaseAddress = server };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/orders")
        {
            Content = JsonContent.Create(new
            {
                order_number = Number,
                service_slug = "fcc-499a",
                amount_cents = 49900,
                customer = new { name = "Example Carrier LLC", email = "billing@prairiewavetelecom.net" },
                telecom_entity = new { id = 1, legal_name = "Example Carrier LLC", frn = "0012345678", filer_id_499 = "812345" },
                intake_data = new { filing_type = "original" },
            }),
        };
        request.Headers.Add("X-Webhook-Secret", Setting("WEBHOOK_SECRET"));
        using var answer = await http.SendAsync(request, ct);
        if (!answer.IsSuccessStatusCode) throw new InvalidOperationException("The order was not placed: " + await answer.Content.ReadAsStringAsync(ct));

        var columns = new List<string>();
        await using (var opened = await run.ConnectAsync(connection, ct))
        {
            await using var command = opened.CreateCommand();
            command.CommandText = "SELECT * FROM compliance_orders LIMIT 1";
            await using var reader = await command.ExecuteReaderAsync(ct);
            for (var i = 0; i < reader.FieldCount; i++) columns.Add(reader.GetName(i));
        }

        string Copy(string prefix, string number) => string.Join(", ", columns.Select(c => c == "order_number" ? number : prefix + c));
        await run.ExecuteAsync(
            connection,
            run.IsPostgres
                ? $"INSERT INTO compliance_orders ({string.Join(", ", columns)}) SELECT {Copy("o.", "'CO-' || lpad(upper(to_hex(n)), 8, '0')")} FROM compliance_orders o CROSS JOIN generate_series(2, {count}) n; ANALYZE compliance_orders; CHECKPOINT"
                : $"WITH RECURSIVE s(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) INSERT INTO compliance_orders ({string.Join(", ", columns)}) SELECT {Copy("o.", "printf('CO-%08X', n)")} FROM compliance_orders o CROSS JOIN s; PRAGMA wal_checkpoint(TRUNCATE)",
            ct);

        var checkout = new StripeCheckout(Number, "compliance", 49900, "billing@prairiewavetelecom.net", "Example Carrier LLC", "card") { Created = DateTimeOffset.UtcNow };
        var json = StripeObjects.Event("evt_1BENCHMARK00000001", "checkout.session.completed", DateTimeOffset.UtcNow, StripeObjects.ApiVersion, StripeObjects.Session(checkout, "complete", "paid", StripeObjects.Metadata(checkout))).ToJsonString();
        json = json.Replace(checkout.SessionId, checkout.SessionId[..^8] + "00000001", StringComparison.Ordinal).Replace(checkout.PaymentIntent, checkout.PaymentIntent[..^8] + "00000001", StringComparison.Ordinal);
        return new PaidOrders(json, server);
    }

    /// <summary>The request of the next event; <paramref name="spend"/> false for a floor, which does not look at it.</summary>
    public ReadOnlyMemory<byte> Next(bool spend = true)
    {
        var number = spend ? Interlocked.Increment(ref _next) - 1 : 1;
        var time = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var body = string.Join(number.ToString("X8", CultureInfo.InvariantCulture), _parts);
        var signature = Convert.ToHexStringLower(HMACSHA256.HashData(_secret, Encoding.UTF8.GetBytes(time + "." + body)));
        return Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{_head}{time},v1={signature}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}"));
    }

    private static string Setting(string name) => File.ReadLines(Path.Combine(Run.Root, ".env.sandbox")).First(l => l.StartsWith(name + "=", StringComparison.Ordinal))[(name.Length + 1)..];
}
