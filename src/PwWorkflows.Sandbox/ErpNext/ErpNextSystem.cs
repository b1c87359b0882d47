using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Sandbox.Core;

namespace PwWorkflows.Sandbox.ErpNext;

/// <summary>
/// ERPNext's REST API (Frappe v15, API v1) at <c>/erpnext</c>: token auth, resources, the Sales Order workflow, password fields,
/// Frappe's error bodies and its webhooks.
/// </summary>
public sealed class ErpNextSystem : SandboxSystem, IDisposable
{
    /// <summary>Fault kind: the next save is refused because somebody else changed the document.</summary>
    public const string TimestampMismatch = "timestamp_mismatch";

    /// <summary>Fault kind: the next save loses a database deadlock.</summary>
    public const string Deadlock = "deadlock";

    static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    readonly FrappeAuth _auth;
    readonly FrappeDb _db;
    readonly WebhookSender _webhooks;

    /// <summary>Creates the system with a fresh site.</summary>
    public ErpNextSystem(SandboxContext context) : base("erpnext", context, TimestampMismatch, Deadlock)
    {
        _auth = new FrappeAuth(context.Options.Secrets);
        _db = new FrappeDb(Clock);
        _webhooks = new WebhookSender(Log, Clock);
        _db.Saved = (_, after) => _webhooks.OnSaved(after);
        _db.Reset();
    }

    /// <summary>The site's documents.</summary>
    public FrappeDb Db => _db;

    /// <inheritdoc />
    public override string HomePath => "/erpnext/_desk";

    /// <inheritdoc />
    public override string MaintenancePage =>
        "<!DOCTYPE html><html><head><title>Updating</title></head><body><h3>Updating</h3><p>Your system is being updated. Please refresh again after a few moments.</p></body></html>";

    /// <inheritdoc />
    public override void Reset()
    {
        _webhooks.Config = null;
        _db.Reset();
    }

    /// <inheritdoc />
    public override Task StartAsync(CancellationToken ct)
    {
        _webhooks.Start();
        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public override Task StopAsync(CancellationToken ct) => _webhooks.StopAsync();

    /// <inheritdoc />
    public void Dispose() => _webhooks.Dispose();

    /// <inheritdoc />
    public override (string ContentType, string Body) FaultBody(int status) => status switch
    {
        429 => ("text/plain", "Too Many Requests"),
        503 => ("application/json", new FrappeException("SessionStopped", 503, "Site is being updated").ToJson()),
        401 => ("application/json", FrappeException.Authentication().ToJson()),
        403 => ("application/json", FrappeException.Permission("Not permitted").ToJson()),
        417 => ("application/json", FrappeException.Validation("Injected validation error").ToJson()),
        _ => ("application/json", new FrappeException("OperationalError", status, "(2006, 'MySQL server has gone away')").ToJson()),
    };

    /// <inheritdoc />
    public override void Map(IEndpointRouteBuilder routes)
    {
        routes.Map("/api/resource/{doctype}", http => RunAsync(http, CollectionAsync));
        routes.Map("/api/resource/{doctype}/{**name}", http => RunAsync(http, DocumentAsync));
        routes.Map("/api/method/{method}", http => RunAsync(http, MethodAsync));
        routes.MapPost("/_webhook", (WebhookConfig config) =>
        {
            _webhooks.Config = config;
            return SandboxJson.Ok(new { status = "set", url = config.Url, state = config.State });
        });
        routes.MapDelete("/_webhook", () =>
        {
            _webhooks.Config = null;
            return SandboxJson.Ok(new { status = "removed" });
        });
        routes.MapPost("/_workflow", (WorkflowChange change) => ChangeWorkflow(change));
        routes.MapGet("/_desk", () => Results.Content(Desk(), "text/html; charset=utf-8"));
    }

    /// <summary>New states (in order, with document status) or transitions for the Sales Order workflow; what is null stays.</summary>
    internal sealed record WorkflowChange(Dictionary<string, int>? States, List<OrderTransition>? Transitions);

    IResult ChangeWorkflow(WorkflowChange change)
    {
        var workflow = _db.Workflow;
        workflow = new OrderWorkflow(change.States ?? workflow.States, change.Transitions ?? workflow.Transitions);
        if (workflow.Transitions.FirstOrDefault(t => !workflow.States.ContainsKey(t.State) || !workflow.States.ContainsKey(t.NextState)) is { } bad)
            return SandboxJson.Problem(400, $"transitions: {bad.State} - {bad.Action} - {bad.NextState} names an unknown state");
        _db.Workflow = workflow;
        return SandboxJson.Ok(new { states = workflow.States.Keys, transitions = workflow.Transitions });
    }

    async Task RunAsync(HttpContext http, Func<HttpContext, FrappeUser, Task> work)
    {
        try
        {
            await work(http, _auth.Authenticate(http.Request.Headers.Authorization));
        }
        catch (FrappeException e)
        {
            http.Response.StatusCode = e.Status;
            await WriteAsync(http, Encoding.UTF8.GetBytes(e.ToJson()));
        }
    }

    async Task CollectionAsync(HttpContext http, FrappeUser user)
    {
        var type = TypeOf(http);
        if (HttpMethods.IsGet(http.Request.Method))
        {
            Require(user, type, type.Readers, "read");
            var query = ListQuery.Parse(type, name => http.Request.Query[name]);
            await WriteAsync(http, Rows("data", type, query));
        }
        else if (HttpMethods.IsPost(http.Request.Method))
        {
            Require(user, type, type.Writers, "create");
            var doc = Insert(http, type, await BodyAsync(http), user);
            await WriteDocAsync(http, "data", doc);
        }
        else http.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
    }

    async Task DocumentAsync(HttpContext http, FrappeUser user)
    {
        var type = TypeOf(http);
        // The server leaves an encoded slash alone, so that it does not split the path.
        var name = ((string)http.Request.RouteValues["name"]!).Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        switch (http.Request.Method)
        {
            case "GET":
                Require(user, type, type.Readers, "read");
                await WriteDocAsync(http, "data", _db.Get(type.Name, name));
                break;
            case "PUT":
                Require(user, type, type.Writers, "write");
                var doc = Update(http, type, name, await BodyAsync(http), user);
                await WriteDocAsync(http, "data", doc);
                break;
            case "DELETE":
                Require(user, type, type.Writers, "delete");
                _db.Delete(type, name);
                http.Changed($"{type.Name} {name}: deleted");
                http.Response.StatusCode = StatusCodes.Status202Accepted;
                await WriteAsync(http, "{\"data\":\"ok\"}"u8.ToArray());
                break;
            default:
                http.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
                break;
        }
    }

    async Task MethodAsync(HttpContext http, FrappeUser user)
    {
        var method = (string)http.Request.RouteValues["method"]!;
        if (method == "ping")
        {
            await WriteAsync(http, "{\"message\":\"pong\"}"u8.ToArray());
            return;
        }
        if (user == FrappeUser.Guest) throw FrappeException.Permission($"Login to access: Function frappe.{method} is not whitelisted.");
        var body = HttpMethods.IsGet(http.Request.Method) ? [] : await BodyAsync(http);
        string? Argument(string name) => body[name] is { } node ? node.GetValueKind() == JsonValueKind.String ? node.GetValue<string>() : node.ToJsonString()
            : http.Request.Query.TryGetValue(name, out var value) ? value.ToString() : null;
        string Needed(string name) => Argument(name) ?? throw FrappeException.Validation($"{method}: missing argument '{name}'");

        switch (method)
        {
            case "frappe.auth.get_logged_user":
                await WriteMessageAsync(http, user.Name);
                break;
            case "frappe.model.workflow.get_transitions":
                await WriteMessageAsync(http, Transitions(Reference(Needed("doc")), user));
                break;
            case "frappe.model.workflow.apply_workflow":
                var (_, name) = Reference(Needed("doc"));
                InjectSaveFaults(http);
                var (before, after) = _db.ApplyWorkflow(name, Needed("action"), user);
                NoteSave(http, before, after);
                await WriteDocAsync(http, "message", after);
                break;
            case "frappe.client.get_password":
                if (!user.Roles.Contains(Site.SystemManager)) throw FrappeException.Permission("Not permitted");
                await WriteMessageAsync(http, Password(Needed("doctype"), Needed("name"), Argument("fieldname") ?? "password"));
                break;
            case "frappe.client.get":
                var read = TypeNamed(Needed("doctype"));
                Require(user, read, read.Readers, "read");
                await WriteDocAsync(http, "message", _db.Get(read.Name, Needed("name")));
                break;
            case "frappe.client.get_list":
                var listed = TypeNamed(Needed("doctype"));
                Require(user, listed, listed.Readers, "read");
                await WriteAsync(http, Rows("message", listed, ListQuery.Parse(listed, Argument)));
                break;
            case "frappe.client.get_count":
                var counted = TypeNamed(Needed("doctype"));
                Require(user, counted, counted.Readers, "read");
                await WriteMessageAsync(http, _db.Count(counted, ListQuery.Parse(counted, Argument)));
                break;
            case "frappe.client.insert":
                var fresh = Parse(Needed("doc"));
                var created = TypeNamed(fresh["doctype"]?.ToString() ?? "");
                Require(user, created, created.Writers, "create");
                await WriteDocAsync(http, "message", Insert(http, created, fresh, user));
                break;
            case "frappe.client.save":
                var whole = Parse(Needed("doc"));
                var saved = TypeNamed(whole["doctype"]?.ToString() ?? "");
                Require(user, saved, saved.Writers, "write");
                // Saving a whole document always compares the time; without one it counts as changed.
                whole["modified"] ??= "";
                await WriteDocAsync(http, "message", Update(http, saved, whole["name"]?.ToString() ?? "", whole, user));
                break;
            case "frappe.client.set_value":
                var changed = TypeNamed(Needed("doctype"));
                Require(user, changed, changed.Writers, "write");
                var field = Needed("fieldname");
                var values = field.StartsWith('{') ? Parse(field) : new JsonObject { [field] = body["value"]?.DeepClone() ?? Argument("value") };
                values.Remove("modified");
                await WriteDocAsync(http, "message", Update(http, changed, Needed("name"), values, user));
                break;
            default:
                throw FrappeException.Validation($"Failed to get method for command {method} with not a whitelisted function of this sandbox");
        }
    }

    JsonArray Transitions((string Type, string Name) reference, FrappeUser user)
    {
        var doc = _db.Get(reference.Type, reference.Name);
        var rows = new JsonArray();
        foreach (var t in _db.Workflow.From(doc.Text("workflow_state"), user.Roles))
            rows.Add(new JsonObject
            {
                ["doctype"] = "Workflow Transition",
                ["parent"] = "Compliance Order",
                ["state"] = t.State,
                ["action"] = t.Action,
                ["next_state"] = t.NextState,
                ["allowed"] = t.Allowed,
                ["allow_self_approval"] = t.AllowSelfApproval ? 1 : 0,
                ["condition"] = null,
            });
        return rows;
    }

    string Password(string docType, string name, string fieldName)
    {
        var doc = _db.Get(TypeNamed(docType).Name, name);
        return doc.Type.Field(fieldName)?.Kind == FieldKind.Password && doc.Text(fieldName) is { } secret
            ? secret
            : throw new FrappeException("AuthenticationError", 401, $"Password not found for {docType} {name} {fieldName}");
    }

    Document Insert(HttpContext http, DocType type, JsonObject fields, FrappeUser user)
    {
        InjectSaveFaults(http);
        var doc = _db.Insert(type, fields, user);
        http.Changed($"{type.Name} {doc.Name}: created" + (type.Name == "Sales Order" ? $", workflow_state {doc.Text("workflow_state")}" : ""));
        if (type.Name == "User" && doc.Text("send_welcome_email") == "1") http.Changed($"User {doc.Name}: invitation mailed");
        return doc;
    }

    Document Update(HttpContext http, DocType type, string name, JsonObject changes, FrappeUser user)
    {
        InjectSaveFaults(http);
        var (before, after) = _db.Update(type, name, changes, user);
        NoteSave(http, before, after);
        return after;
    }

    static void NoteSave(HttpContext http, Document before, Document after)
    {
        var changed = after.Fields.Where(f => f.Key is not ("modified" or "modified_by")
            && f.Value?.ToJsonString() != before.Fields.GetValueOrDefault(f.Key)?.ToJsonString()).ToArray();
        if (changed.Length == 0) http.Changed($"{after.Type.Name} {after.Name}: saved unchanged");
        foreach (var (key, value) in changed)
            http.Changed($"{after.Type.Name} {after.Name}: {key} " + (after.Type.Field(key)?.Kind == FieldKind.Password ? Masking.Mask : value?.ToString() ?? "null"));
    }

    void InjectSaveFaults(HttpContext http)
    {
        if (!Faults.Any) return;
        var path = http.Request.Path.Value!;
        if (Faults.Take(TimestampMismatch, http.Request.Method, path) is not null)
        {
            http.Exchange().Fault = TimestampMismatch;
            throw FrappeException.Validation("TimestampMismatchError",
                "Error: Document has been modified after you have opened it. Please refresh to get the latest document.");
        }
        if (Faults.Take(Deadlock, http.Request.Method, path) is not null)
        {
            http.Exchange().Fault = Deadlock;
            throw new FrappeException("QueryDeadlockError", 500, "(1213, 'Deadlock found when trying to get lock; try restarting transaction')");
        }
    }

    static (string Type, string Name) Reference(string doc)
    {
        var o = Parse(doc);
        var type = o["doctype"]?.ToString() ?? throw FrappeException.Validation("doc: missing doctype");
        var name = o["name"]?.ToString() ?? throw FrappeException.Validation("doc: missing name");
        return type == "Sales Order" ? (type, name) : throw FrappeException.Validation("WorkflowStateError", $"No Workflow on {type}");
    }

    static DocType TypeOf(HttpContext http) => TypeNamed((string)http.Request.RouteValues["doctype"]!);

    static DocType TypeNamed(string name) => Site.DocTypes.GetValueOrDefault(name) ?? throw FrappeException.NotFound("DocType", name);

    static void Require(FrappeUser user, DocType type, string[] roles, string right)
    {
        if (!roles.Any(user.Roles.Contains))
            throw FrappeException.Permission($"User <strong>{user.Name}</strong> does not have doctype access via role permission for document <strong>{type.Name}</strong> ({right})");
    }

    static async Task<JsonObject> BodyAsync(HttpContext http)
    {
        if (http.Request.HasFormContentType)
        {
            var form = await http.ReadFormNotedAsync();
            if (form.TryGetValue("data", out var data)) return Parse(data.ToString());
            var fields = new JsonObject();
            foreach (var (key, value) in form) fields[key] = value.ToString();
            return fields;
        }
        var text = await http.ReadTextAsync();
        return text.Length == 0 ? [] : Parse(text);
    }

    static JsonObject Parse(string json)
    {
        try
        {
            return JsonNode.Parse(json) as JsonObject ?? throw FrappeException.Validation("Invalid request arguments");
        }
        catch (JsonException)
        {
            throw FrappeException.Validation("Invalid request arguments");
        }
    }

    byte[] Rows(string property, DocType type, ListQuery query)
    {
        var all = query.Fields.Contains("*");
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(buffer, WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteStartArray(property);
            foreach (var doc in _db.List(type, query))
            {
                writer.WriteStartObject();
                foreach (var field in all ? doc.Fields.Keys.Where(k => type.Field(k) is not { Kind: FieldKind.Table }) : query.Fields)
                {
                    writer.WritePropertyName(field);
                    doc.WriteValue(writer, field, doc.Fields.GetValueOrDefault(field));
                }
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    static Task WriteMessageAsync(HttpContext http, JsonNode? message) =>
        WriteAsync(http, Encoding.UTF8.GetBytes(new JsonObject { ["message"] = message }.ToJsonString()));

    static async Task WriteDocAsync(HttpContext http, string property, Document doc)
    {
        var json = doc.Json;
        http.Response.ContentType = "application/json";
        http.Response.ContentLength = json.Length + property.Length + 5;
        var writer = http.Response.BodyWriter;
        writer.Write(property == "data" ? "{\"data\":"u8 : "{\"message\":"u8);
        writer.Write(json);
        writer.Write("}"u8);
        await writer.FlushAsync(http.RequestAborted);
    }

    static async Task WriteAsync(HttpContext http, byte[] json)
    {
        http.Response.ContentType = "application/json";
        http.Response.ContentLength = json.Length;
        await http.Response.BodyWriter.WriteAsync(json, http.RequestAborted);
    }

    string Desk()
    {
        var html = new StringBuilder("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>ERPNext sandbox</title>")
            .Append("<style>body{font:15px system-ui;margin:2rem}table{border-collapse:collapse}td,th{padding:.3rem .8rem;border-bottom:1px solid #ccc;text-align:left;vertical-align:top}</style></head><body>");
        Table("Sales Orders", "Sales Order", "name", "custom_order_number", "customer_name", "custom_service_slug", "workflow_state", "modified");
        Table("To do", "ToDo", "name", "status", "priority", "description", "reference_name", "modified");
        return html.Append("</body></html>").ToString();

        void Table(string title, string type, params string[] fields)
        {
            html.Append(CultureInfo.InvariantCulture, $"<h1>{title}</h1><table><tr>");
            foreach (var field in fields) html.Append(CultureInfo.InvariantCulture, $"<th>{field}</th>");
            html.Append("</tr>");
            var query = ListQuery.Parse(Site.DocTypes[type], name => name == "limit" ? "200" : null);
            foreach (var doc in _db.List(Site.DocTypes[type], query))
            {
                html.Append("<tr>");
                foreach (var field in fields) html.Append(CultureInfo.InvariantCulture, $"<td>{WebUtility.HtmlEncode(doc.Text(field))}</td>");
                html.Append("</tr>");
            }
            html.Append("</table>");
        }
    }
}
