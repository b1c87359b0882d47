using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using PwWorkflows.Sandbox.Core;

namespace PwWorkflows.Sandbox.Stripe;

/// <summary>An event that was made; its body never changes.</summary>
/// <param name="Id">Event id.</param>
/// <param name="Type">Event type.</param>
/// <param name="Body">The bytes sent, as text.</param>
/// <param name="Created">When it was made.</param>
public sealed record StripeEvent(string Id, string Type, string Body, DateTimeOffset Created)
{
    volatile bool _delivered;

    /// <summary>Whether some delivery was answered 2xx.</summary>
    public bool Delivered
    {
        get => _delivered;
        set => _delivered = value;
    }
}

/// <summary>How one delivery went.</summary>
/// <param name="Status">Status answered; 0 when none came.</param>
/// <param name="Error">Why none came.</param>
public sealed record DeliveryResult(int Status, string? Error)
{
    /// <summary>Any 2xx; redirects and everything else are failures.</summary>
    public bool Succeeded => Status is >= 200 and < 300;
}

/// <summary>Signs and sends events to the server, and tries failed ones again on a shortened schedule.</summary>
sealed class StripeSender(StripeSystem system, SandboxClock clock, string secret) : IDisposable
{
    /// <summary>Pauses between tries; Stripe's own stretch over days.</summary>
    public static IReadOnlyList<int> DefaultRetryDelaysMs { get; } = [500, 1000, 2000, 4000, 8000, 15000, 30000, 60000];

    readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false }) { Timeout = TimeSpan.FromSeconds(30) };
    readonly ConcurrentDictionary<Task, bool> _retries = new();
    readonly Lock _gate = new();
    CancellationTokenSource _stop = new();
    (StripeEvent Event, DeliveryRequest How)? _held;

    public IReadOnlyList<int> RetryDelaysMs { get; set; } = DefaultRetryDelaysMs;

    /// <summary>Sends an event as asked, playing the faults set; null when it was lost or is held back.</summary>
    public async Task<IReadOnlyList<DeliveryResult>> SendAsync(StripeEvent e, DeliveryRequest how, CancellationToken ct)
    {
        if (!how.Deliver || Fault(StripeSystem.Lost, e)) return [];
        if (Fault(StripeSystem.Reorder, e))
        {
            lock (_gate) _held = (e, how);
            return [];
        }
        var results = new List<DeliveryResult>();
        var times = 1 + how.Duplicate + (Fault(StripeSystem.DuplicateDelivery, e) ? 1 : 0);
        for (var i = 0; i < times; i++)
        {
            var result = await DeliverAsync(e, how, 1, ct);
            results.Add(result);
            if (!result.Succeeded && how.Retry && i == times - 1) Retry(e, how);
        }
        (StripeEvent Event, DeliveryRequest How)? held;
        lock (_gate) (held, _held) = (_held, null);
        if (held is { } late) await SendAsync(late.Event, late.How, ct);
        return results;
    }

    /// <summary>Gives up every retry and forgets what is held back.</summary>
    public void Reset()
    {
        CancellationTokenSource old;
        lock (_gate)
        {
            _held = null;
            (old, _stop) = (_stop, new CancellationTokenSource());
        }
        old.Cancel();
        RetryDelaysMs = DefaultRetryDelaysMs;
    }

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_retries.Keys);
    }

    /// <summary>Sends to another path of the server, unsigned; how the checkout places its order.</summary>
    public async Task<(int Status, string Body)> PostAsync(string url, JsonObject body, string header, string value, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, url);
        request.Headers.Add(header, value);
        request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var response = await _http.SendAsync(request, ct);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(ct));
    }

    void Retry(StripeEvent e, DeliveryRequest how)
    {
        var (delays, stop) = (RetryDelaysMs, _stop.Token);
        var task = RunAsync();
        _retries[task] = true;
        _ = task.ContinueWith(t => _retries.TryRemove(t, out _), TaskScheduler.Default);

        async Task RunAsync()
        {
            try
            {
                for (var i = 0; i < delays.Count; i++)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(delays[i]), clock, stop);
                    if ((await DeliverAsync(e, how, i + 2, stop)).Succeeded) return;
                }
            }
            catch (OperationCanceledException)
            {
                // The sandbox was reset or stops.
            }
        }
    }

    async Task<DeliveryResult> DeliverAsync(StripeEvent e, DeliveryRequest how, int attempt, CancellationToken ct)
    {
        var url = system.ServerUrl + StripeSystem.WebhookPath;
        DeliveryResult result;
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, url);
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(e.Body));
            request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/json; charset=utf-8");
            request.Headers.TryAddWithoutValidation("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)");
            var signature = how.SignatureHeader
                ?? StripeSignature.Header(e.Body, clock.GetUtcNow().AddSeconds(how.TimestampOffset), how.Secrets ?? [secret]);
            request.Headers.TryAddWithoutValidation("Stripe-Signature", signature);
            using var response = await _http.SendAsync(request, ct);
            result = new DeliveryResult((int)response.StatusCode, null);
        }
        catch (HttpRequestException x)
        {
            result = new DeliveryResult(0, x.Message);
        }
        catch (TaskCanceledException) when (!ct.IsCancellationRequested)
        {
            result = new DeliveryResult(0, "no answer in time");
        }
        if (result.Succeeded) e.Delivered = true;
        system.Log.Add(new SystemLogEntry(clock.GetUtcNow(), "POST", url, result.Status)
        {
            Direction = "out",
            Body = e.Body,
            Changed = [string.Create(CultureInfo.InvariantCulture, $"{e.Id} {e.Type}: try {attempt}{(result.Error is null ? "" : ", " + result.Error)}")],
            Detail = new JsonObject { ["event_id"] = e.Id, ["type"] = e.Type, ["attempt"] = attempt },
        });
        return result;
    }

    bool Fault(string kind, StripeEvent e) => system.Faults.Take(kind, "POST", e.Type) is not null;

    public void Dispose()
    {
        _http.Dispose();
        _stop.Dispose();
    }
}
