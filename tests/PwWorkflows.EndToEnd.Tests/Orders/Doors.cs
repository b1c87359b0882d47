using System.Net.Http.Json;
using System.Text;

namespace PwWorkflows.EndToEnd.Tests.Orders;

/// <summary>The doors to fulfilment besides payment.</summary>
internal static class Doors
{
    public static Task<HttpResponseMessage> JobAsync(OrderServer server, object body, string? secret = null) =>
        SendAsync(server, "/jobs", JsonContent.Create(body), ("Authorization", "Bearer " + (secret ?? server.Settings["WEBHOOK_SECRET"])));

    public static Task<HttpResponseMessage> QueuedAsync(OrderServer server, object body) =>
        SendAsync(server, "/api/v1/webhooks/service/queued", JsonContent.Create(body), ("X-Webhook-Secret", server.Settings["WEBHOOK_SECRET"]));

    public static async Task<HttpResponseMessage> SendAsync(OrderServer server, string path, HttpContent content, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return await server.Http.SendAsync(request, TestContext.Current.CancellationToken);
    }

    /// <summary>Bytes without a content type, as Frappe sends them.</summary>
    public static ByteArrayContent Bare(string body) => new(Encoding.UTF8.GetBytes(body));
}
