using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using PwWorkflows.Sandbox.Core;

namespace PwWorkflows.Sandbox.ErpNext;

/// <summary>A webhook on Sales Order, as <c>POST /erpnext/_webhook</c> takes it.</summary>
public sealed record WebhookConfig
{
    /// <summary>Where to send.</summary>
    public required string Url { get; init; }

    /// <summary>Key of the signature; null sends none ("Enable Security" off).</summary>
    public string? Secret { get; init; }

    /// <summary>State that makes a save fire.</summary>
    public string State { get; init; } = "Service Queued";

    /// <summary>Static header rows; none by default, so no Content-Type either.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>Body: key to field name of the order.</summary>
    public IReadOnlyDictionary<string, string> Data { get; init; } = new Dictionary<string, string>
    {
        ["name"] = "name",
        ["order_number"] = "custom_order_number",
        ["service_slug"] = "custom_service_slug",
        ["workflow_state"] = "workflow_state",
        ["customer"] = "customer",
    };

    /// <summary>Pauses after each failed try in milliseconds; Frappe's are 1, 4 and 7 seconds.</summary>
    public IReadOnlyList<int> RetryDelaysMs { get; init; } = [1000, 4000, 7000];
}

/// <summary>Sends Frappe's webhooks in the background after the save, in order, three tries each.</summary>
sealed class WebhookSender(SystemLog log, SandboxClock clock) : IDisposable
{
    readonly Channel<(WebhookConfig Config, string Order, string Body)> _queue = Channel.CreateUnbounded<(WebhookConfig, string, string)>();
    readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = true }) { Timeout = TimeSpan.FromSeconds(5) };
    readonly CancellationTokenSource _stop = new();
    Task _work = Task.CompletedTask;

    public WebhookConfig? Config { get; set; }

    public void Start() => _work = RunAsync();

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _work;
    }

    /// <summary>Queues the webhook of a saved order when its condition holds. Every save counts, not only a change of state.</summary>
    public void OnSaved(Document doc)
    {
        if (Config is not { } config || doc.Type.Name != "Sales Order" || doc.Text("workflow_state") != config.State) return;
        var data = new JsonObject();
        foreach (var (key, field) in config.Data) data[key] = doc.Fields.GetValueOrDefault(field)?.DeepClone();
        _queue.Writer.TryWrite((config, doc.Name, PythonJson.Dumps(data)));
    }

    async Task RunAsync()
    {
        try
        {
            await foreach (var (config, order, body) in _queue.Reader.ReadAllAsync(_stop.Token)) await SendAsync(config, order, body);
        }
        catch (OperationCanceledException)
        {
            // The sandbox stops; what is left in the queue is lost, as on a site that is shut down.
        }
    }

    async Task SendAsync(WebhookConfig config, string order, string body)
    {
        for (var attempt = 0; attempt < 3; attempt++)
        {
            var (status, error, pause) = (0, (string?)null, true);
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, config.Url);
                // Bytes, not text: a text content would bring a Content-Type that Frappe does not send.
                request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
                foreach (var (name, value) in config.Headers)
                    if (!request.Headers.TryAddWithoutValidation(name, value)) request.Content.Headers.TryAddWithoutValidation(name, value);
                if (config.Secret is { Length: > 0 } secret)
                    request.Headers.Add("X-Frappe-Webhook-Signature", Convert.ToBase64String(
                        HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(body))));
                using var response = await _http.SendAsync(request, _stop.Token);
                status = (int)response.StatusCode;
            }
            catch (TaskCanceledException) when (!_stop.IsCancellationRequested)
            {
                (error, pause) = ("read timeout", false);
            }
            catch (HttpRequestException e)
            {
                error = e.Message;
            }
            log.Add(new SystemLogEntry(clock.GetUtcNow(), "POST", config.Url, status)
            {
                Direction = "out",
                Body = body,
                Changed = [string.Create(CultureInfo.InvariantCulture, $"webhook for {order}, try {attempt + 1}{(error is null ? "" : ": " + error)}")],
            });
            if (status is >= 200 and < 300) return;
            if (pause && attempt < config.RetryDelaysMs.Count && attempt < 2)
                await Task.Delay(TimeSpan.FromMilliseconds(config.RetryDelaysMs[attempt]), clock, _stop.Token);
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        _stop.Dispose();
    }
}
