using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/webhooks/1</c>: what came, and what became of it.</summary>
internal sealed class WebhookPage(WebhookReplay inbox, IServer server) : ConsolePage
{
    private const string Masked = "••••••";
    private static readonly string[] Secret = ["secret", "signature", "token", "authorization", "cookie", "password", "api-key", "api_key"];

    public InboxEvent Event { get; private set; } = null!;

    /// <summary>The headers that were kept; what looks like a secret is masked.</summary>
    public IReadOnlyList<(string Name, string Value)> Headers { get; private set; } = [];

    /// <summary>The body as text, JSON with line breaks; what looks like a secret is masked.</summary>
    public string? Body { get; private set; }

    public async Task<IActionResult> OnGetAsync(long id, CancellationToken ct)
    {
        if (await inbox.FindAsync(id, ct).ConfigureAwait(false) is not { } found) return Missing(id);
        Event = found;
        Headers = JsonNode.Parse(found.Headers) is JsonObject headers ? [.. headers.Select(static h => (h.Key, IsSecret(h.Key) ? Masked : h.Value?.ToString() ?? ""))] : [];
        Body = found.Body is null ? null : Text(found.Body);
        return Page();
    }

    [NeedsRole(Roles.Operator)]
    public async Task<IActionResult> OnPostReplayAsync(long id, CancellationToken ct)
    {
        switch (await inbox.ReplayAsync(id, WebhookReplay.OwnAddress(server, HttpContext), ct).ConfigureAwait(false))
        {
            case ReplayResult.Delivered delivered:
                await AuditAsync("webhook-replay", delivered.EventId, null, ct).ConfigureAwait(false);
                return GoTo("/webhooks?event=" + Uri.EscapeDataString(delivered.EventId), $"{delivered.EventId} was delivered again and taken.");
            case ReplayResult.Refused refused:
                return Problem(StatusCodes.Status409Conflict, "The event was not delivered again.", refused.Why, "Look at its order: it may have gone on already.");
            default:
                return Missing(id);
        }
    }

    private IActionResult Missing(long id) => Problem(StatusCodes.Status404NotFound, $"There is no request {id.ToString(CultureInfo.InvariantCulture)} in the inbox.", "The number is wrong.", "Look for it in the list of webhooks.");

    private static bool IsSecret(string name) => Secret.Any(s => name.Contains(s, StringComparison.OrdinalIgnoreCase));

    private static string Text(byte[] body)
    {
        try
        {
            var json = JsonNode.Parse(body);
            Mask(json);
            return Show.Json(json?.ToJsonString() ?? "null");
        }
        catch (JsonException)
        {
            // Whatever a stranger sent: shown as text, its control characters taken out.
            return string.Concat(Encoding.UTF8.GetString(body).Where(static c => !char.IsControl(c) || c is '\n' or '\t'));
        }
    }

    private static void Mask(JsonNode? node)
    {
        switch (node)
        {
            case JsonObject fields:
                foreach (var (name, value) in fields.ToList())
                {
                    if (value is JsonValue && IsSecret(name)) fields[name] = Masked;
                    else Mask(value);
                }

                break;
            case JsonArray items:
                foreach (var item in items) Mask(item);
                break;
        }
    }
}
