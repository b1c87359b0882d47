using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using PwWorkflows.Activities.Effects;

namespace PwWorkflows.Activities.ErpNext;

/// <summary>ERPNext said no, and will say no again: wrong token, missing right, missing document, broken rule.</summary>
public sealed class ErpNextRefusedException : NonRetryableException, IEffectFailure
{
    /// <summary>Creates the exception.</summary>
    public ErpNextRefusedException() { }

    /// <summary>Creates the exception with a message.</summary>
    public ErpNextRefusedException(string message) : base(message) { }

    /// <summary>Creates the exception with a message and its cause.</summary>
    public ErpNextRefusedException(string message, Exception innerException) : base(message, innerException) { }

    internal ErpNextRefusedException(string what, HttpStatusCode status, string type, string message)
        : base($"ERPNext refused to {what}: {type} ({(int)status}): {message}")
    {
        Status = status;
        ErrorType = type;
    }

    /// <summary>The HTTP status.</summary>
    public HttpStatusCode Status { get; }

    /// <summary>Frappe's <c>exc_type</c>, such as <c>WorkflowPermissionError</c>.</summary>
    public string ErrorType { get; } = "";

    /// <summary>Frappe rolls a refused request back.</summary>
    public bool NothingHappened => true;
}

/// <summary>ERPNext can't answer now, or its answer is no answer: down, updating, overloaded, too slow, a lost race. Worth another try.</summary>
public sealed class ErpNextUnavailableException : Exception, IEffectFailure
{
    /// <summary>Creates the exception.</summary>
    public ErpNextUnavailableException() { }

    /// <summary>Creates the exception with a message.</summary>
    public ErpNextUnavailableException(string message) : base(message) { }

    /// <summary>Creates the exception with a message and its cause.</summary>
    public ErpNextUnavailableException(string message, Exception innerException) : base(message, innerException) { }

    internal ErpNextUnavailableException(string message, Exception? innerException, bool nothingHappened) : base(message, innerException) =>
        NothingHappened = nothingHappened;

    /// <inheritdoc />
    public bool NothingHappened { get; }

    /// <summary>Someone else changed the document meanwhile (TimestampMismatch, deadlock): read again, then try again.</summary>
    public bool LostRace { get; internal init; }
}

/// <summary>Frappe's error body.</summary>
internal sealed partial record FrappeError(string Type, string Message)
{
    /// <summary>Reads the body of an error answer; whatever it is, something readable comes out.</summary>
    public static FrappeError Parse(HttpStatusCode status, string body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            if (json.RootElement.ValueKind == JsonValueKind.Object)
            {
                var root = json.RootElement;
                var type = Text(root, "exc_type") ?? status.ToString();
                var message = ServerMessages(Text(root, "_server_messages")) ?? Text(root, "exception") ?? Text(root, "message") ?? type;
                return new FrappeError(type, Shorten(StripTags(message)));
            }
        }
        catch (JsonException)
        {
            // A proxy or an updating site answers HTML.
        }

        return new FrappeError(status.ToString(), Shorten(StripTags(body)));
    }

    // A JSON text with an array of JSON texts: unwrapped layer by layer, each as far as it goes.
    private static string? ServerMessages(string? encoded)
    {
        if (string.IsNullOrEmpty(encoded)) return null;
        try
        {
            var messages = JsonSerializer.Deserialize<List<JsonElement>>(encoded) ?? [];
            var texts = messages.Select(static m =>
            {
                if (m.ValueKind != JsonValueKind.String) return m.ValueKind == JsonValueKind.Object ? Text(m, "message") : m.ToString();
                var inner = m.GetString()!;
                try
                {
                    using var parsed = JsonDocument.Parse(inner);
                    return parsed.RootElement.ValueKind == JsonValueKind.Object ? Text(parsed.RootElement, "message") ?? inner : inner;
                }
                catch (JsonException)
                {
                    return inner;
                }
            });
            var all = string.Join("; ", texts.Where(static t => !string.IsNullOrWhiteSpace(t)));
            return all.Length > 0 ? all : null;
        }
        catch (JsonException)
        {
            return encoded;
        }
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static string StripTags(string text) => WebUtility.HtmlDecode(Space().Replace(Tag().Replace(text, " "), " ")).Trim();

    private static string Shorten(string text) => text.Length <= 500 ? text : text[..500] + "…";

    [GeneratedRegex("<(script|style)[^>]*>.*?</\\1>|<[^>]*>", RegexOptions.Singleline | RegexOptions.IgnoreCase, 1000)]
    private static partial Regex Tag();

    [GeneratedRegex("\\s+", RegexOptions.None, 1000)]
    private static partial Regex Space();
}
