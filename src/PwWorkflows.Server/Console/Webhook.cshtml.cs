using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Mvc;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/webhooks/1</c>: what came, and what became of it.</summary>
internal sealed partial class WebhookPage(WebhookReplay inbox, IServer server) : ConsolePage
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
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            // Whatever a stranger sent, such as a name that stands twice or half a character: shown as text, its control characters taken out.
            return MaskText(string.Concat(Encoding.UTF8.GetString(body).Where(static c => !char.IsControl(c) || c is '\n' or '\t')));
        }
    }

    /// <summary>Masks what stands behind names of secrets in text that is no good JSON. Every quote may begin a name, so that a stray one hides none.</summary>
    private static string MaskText(string text)
    {
        var shown = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length;)
        {
            var next = at + 1;
            if (text[at] == '"')
            {
                var end = EndOfString(text, at);
                var colon = PastBlanks(text, end);
                if (colon == text.Length || text[colon] != ':')
                {
                    // No name. Its last quote may be the first of the next.
                    next = Math.Max(next, end - 1);
                }
                else
                {
                    next = end;
                    var value = PastBlanks(text, colon + 1);
                    var name = UnicodeEscape().Replace(text[at..end], static m => ((char)int.Parse(m.ValueSpan[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToString());
                    if (value < text.Length && text[value] is not ('{' or '[') && IsSecret(name))
                    {
                        shown.Append(text, at, value - at).Append('"').Append(Masked).Append('"');
                        at = text[value] == '"' ? EndOfString(text, value) : text.AsSpan(value).IndexOfAny(",}]\n") is >= 0 and var length ? value + length : text.Length;
                        continue;
                    }
                }
            }

            shown.Append(text, at, next - at);
            at = next;
        }

        return shown.ToString();
    }

    private static int PastBlanks(string text, int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
        return at;
    }

    /// <summary>Where the string that begins with the quote at a place has ended; the text's end when it has no other quote.</summary>
    private static int EndOfString(string text, int at)
    {
        for (at++; at < text.Length; at++)
        {
            if (text[at] == '"') return at + 1;
            if (text[at] == '\\') at++;
        }

        return text.Length;
    }

    [GeneratedRegex(@"\\u[0-9A-Fa-f]{4}")]
    private static partial Regex UnicodeEscape();

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
