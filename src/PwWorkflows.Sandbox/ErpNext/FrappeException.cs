using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PwWorkflows.Sandbox.ErpNext;

/// <summary>An error in Frappe's manner: an exception class with its HTTP status and the messages a user would see.</summary>
/// <param name="type">Class name without module, such as <c>ValidationError</c>.</param>
/// <param name="status">HTTP status Frappe gives that class.</param>
/// <param name="message">Text; may hold HTML, as Frappe's own messages do.</param>
public sealed class FrappeException(string type, int status, string message) : Exception(message)
{
    static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Class name without module.</summary>
    public string Type { get; } = type;

    /// <summary>HTTP status.</summary>
    public int Status { get; } = status;

    /// <summary>Messages shown to the user; empty for errors that Frappe raises without one.</summary>
    public IReadOnlyList<string> ServerMessages { get; init; } = message.Length == 0 ? [] : [message];

    /// <summary>417: the document breaks a rule.</summary>
    public static FrappeException Validation(string message) => new("ValidationError", 417, message);

    /// <summary>417: a subclass of ValidationError.</summary>
    public static FrappeException Validation(string type, string message) => new(type, 417, message);

    /// <summary>404.</summary>
    public static FrappeException NotFound(string docType, string name) => new("DoesNotExistError", 404, $"{docType} {name} not found");

    /// <summary>403.</summary>
    public static FrappeException Permission(string message) => new("PermissionError", 403, message);

    /// <summary>401; Frappe raises it without a message.</summary>
    public static FrappeException Authentication() => new("AuthenticationError", 401, "");

    /// <summary>
    /// The body: <c>_server_messages</c> is a JSON string that holds an array of JSON strings, so a client parses three times.
    /// </summary>
    public string ToJson()
    {
        var exception = "frappe.exceptions." + Type + (Message.Length == 0 ? "" : ": " + Message);
        var body = new JsonObject
        {
            ["exception"] = exception,
            ["exc_type"] = Type,
            ["exc"] = JsonSerializer.Serialize(new[] { "Traceback (most recent call last):\n  File \"apps/frappe/frappe/app.py\", in application\n" + exception + "\n" }, Plain),
        };
        if (ServerMessages.Count > 0)
        {
            body["_server_messages"] = JsonSerializer.Serialize(ServerMessages.Select(m =>
                JsonSerializer.Serialize(new { message = m, title = "Message", indicator = "red", raise_exception = 1 }, Plain)), Plain);
        }
        return body.ToJsonString(Plain);
    }
}
