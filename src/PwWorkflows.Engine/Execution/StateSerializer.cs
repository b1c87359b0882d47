using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Elsa.Expressions.Helpers;
using Elsa.Expressions.Models;
using Elsa.Workflows;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;

namespace PwWorkflows.Engine.Execution;

/// <summary>Writes and reads the state of an instance: plain JSON, no type names inside.</summary>
internal sealed class StateSerializer
{
    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>Properties that the engine keeps beside those of activities.</summary>
    private const string VariablesProperty = "Variables";

    public byte[] Write(WorkflowExecutionContext wf)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var w = new Utf8JsonWriter(buffer, WriterOptions)) Write(w, wf);
        return buffer.WrittenSpan.ToArray();
    }

    private void Write(Utf8JsonWriter w, WorkflowExecutionContext wf)
    {
        w.WriteStartObject();
        w.WriteString("id", wf.Id);
        w.WriteString("definitionId", wf.Compiled.DefinitionId);
        w.WriteString("definitionVersionId", wf.Workflow.VersionId);
        w.WriteNumber("definitionVersion", wf.Workflow.DefinitionVersion);
        if (wf.CorrelationId is not null) w.WriteString("correlationId", wf.CorrelationId);
        if (wf.Name is not null) w.WriteString("name", wf.Name);
        if (wf.ParentWorkflowInstanceId is not null) w.WriteString("parentWorkflowInstanceId", wf.ParentWorkflowInstanceId);
        if (wf.TriggerActivityId is not null) w.WriteString("triggerActivityId", wf.TriggerActivityId);
        w.WriteString("status", wf.Status.ToString());
        w.WriteString("subStatus", wf.SubStatus.ToString());
        w.WriteStartArray("bookmarks");
        foreach (var (b, owner) in wf.BookmarkList)
        {
            w.WriteStartObject();
            w.WriteString("id", b.Id);
            w.WriteString("name", b.Name);
            w.WriteString("hash", b.Hash);
            if (b.Payload is not null) { w.WritePropertyName("payload"); WriteValue(w, b.Payload); }
            w.WriteString("activityId", b.ActivityId);
            w.WriteString("activityNodeId", b.ActivityNodeId);
            w.WriteString("activityInstanceId", owner.Id);
            w.WriteString("createdAt", b.CreatedAt);
            w.WriteBoolean("autoBurn", b.AutoBurn);
            if (b.CallbackMethodName is not null) w.WriteString("callbackMethodName", b.CallbackMethodName);
            w.WriteBoolean("autoComplete", b.AutoComplete);
            if (b.Metadata is not null) { w.WritePropertyName("metadata"); WriteValue(w, b.Metadata); }
            w.WriteEndObject();
        }
        w.WriteEndArray();
        w.WriteStartArray("incidents");
        foreach (var i in wf.IncidentList) JsonSerializer.Serialize(w, i, ObjectConverter.Json);
        w.WriteEndArray();
        w.WriteStartArray("completionCallbacks");
        foreach (var c in wf.Contexts)
            if (c.CompletionCallbackName is { } method && c.ParentActivityExecutionContext is { } owner)
            {
                w.WriteStartObject();
                w.WriteString("ownerInstanceId", owner.Id);
                w.WriteString("childInstanceId", c.Id);
                w.WriteString("childNodeId", c.NodeId);
                w.WriteString("methodName", method);
                w.WriteEndObject();
            }
        w.WriteEndArray();
        w.WriteStartArray("activityExecutionContexts");
        foreach (var c in wf.Contexts) WriteContext(w, c);
        w.WriteEndArray();
        w.WriteStartArray("scheduledActivities");
        foreach (var s in wf.Scheduler.Items)
        {
            w.WriteStartObject();
            w.WriteString("activityNodeId", s.Node.NodeId);
            if (s.Owner is not null) w.WriteString("ownerContextId", s.Owner.Id);
            if (s.Existing is not null) w.WriteString("existingContextId", s.Existing.Id);
            if (s.Callback is not null) w.WriteString("callbackMethodName", s.Callback.Method.Name);
            if (s.Tag is not null) { w.WritePropertyName("tag"); WriteValue(w, s.Tag); }
            if (s.Variables is { Count: > 0 }) { w.WritePropertyName("variables"); WriteVariables(w, s.Variables, v => v.Value); }
            if (s.Input is { Count: > 0 }) { w.WritePropertyName("input"); WriteMap(w, s.Input!); }
            w.WriteEndObject();
        }
        w.WriteEndArray();
        w.WriteNumber("executionLogSequence", wf.Journal.NextSequence);
        w.WritePropertyName("input");
        WriteMap(w, wf.StoredInput!);
        w.WritePropertyName("output");
        WriteMap(w, wf.Output!);
        w.WritePropertyName("properties");
        WriteMap(w, wf.Properties!);
        w.WriteString("createdAt", wf.CreatedAt);
        w.WriteString("updatedAt", wf.UpdatedAt);
        if (wf.FinishedAt is { } f) w.WriteString("finishedAt", f);
        w.WriteEndObject();
    }

    private void WriteContext(Utf8JsonWriter w, ActivityExecutionContext c)
    {
        w.WriteStartObject();
        w.WriteString("id", c.Id);
        if (c.ParentActivityExecutionContext is { } p) w.WriteString("parentContextId", p.Id);
        w.WriteString("scheduledActivityNodeId", c.NodeId);
        if (c.ParentActivityExecutionContext is { } o) w.WriteString("ownerActivityNodeId", o.NodeId);
        w.WriteStartObject("properties");
        if (c.PropertiesOrNull is { } properties)
            foreach (var (key, value) in properties)
            {
                w.WritePropertyName(key);
                WriteValue(w, value);
            }
        if (c.Activity is IVariableContainer { Variables.Count: > 0 } container)
        {
            w.WriteStartObject(VariablesProperty);
            foreach (var v in container.Variables)
                if (IsKept(v) && c.ExpressionExecutionContext.Memory.TryGetBlock(v.Id, out var block) && block.Value is not null)
                {
                    w.WritePropertyName(v.Id);
                    WriteValue(w, block.Value);
                }
            w.WriteEndObject();
        }
        w.WriteEndObject();
        w.WritePropertyName("activityState");
        WriteMap(w, c.ActivityState!);
        if (c.DynamicVariables is { Count: > 0 } dynamic)
        {
            w.WritePropertyName("dynamicVariables");
            WriteVariables(w, dynamic, v => c.ExpressionExecutionContext.Memory.TryGetBlock(v.Id, out var b) ? b.Value : v.Value);
        }
        w.WriteString("status", c.Status.ToString());
        if (c.IsExecuting)
        {
            w.WriteBoolean("isExecuting", true);
            if (c.ExecutingCallbackName is { } callback) w.WriteString("executingCallback", callback);
        }
        w.WriteNumber("faultCount", c.AggregateFaultCount);
        if (c.Attempt > 1) w.WriteNumber("attempt", c.Attempt);
        w.WriteString("startedAt", c.StartedAt);
        if (c.CompletedAt is { } done) w.WriteString("completedAt", done);
        if (c.Tag is not null) { w.WritePropertyName("tag"); WriteValue(w, c.Tag); }
        w.WriteEndObject();
    }

    private void WriteVariables(Utf8JsonWriter w, IEnumerable<Variable> variables, Func<Variable, object?> value)
    {
        w.WriteStartArray();
        foreach (var v in variables)
        {
            w.WriteStartObject();
            w.WriteString("id", v.Id);
            w.WriteString("name", v.Name);
            w.WritePropertyName("value");
            WriteValue(w, value(v));
            w.WriteEndObject();
        }
        w.WriteEndArray();
    }

    internal static bool IsKept(Variable v) => v.StorageDriverType is { } d && d != typeof(MemoryStorageDriver);

    public void WriteMap(Utf8JsonWriter w, IEnumerable<KeyValuePair<string, object?>> map)
    {
        w.WriteStartObject();
        foreach (var (key, value) in map)
        {
            w.WritePropertyName(key);
            WriteValue(w, value);
        }
        w.WriteEndObject();
    }

    public void WriteValue(Utf8JsonWriter w, object? value)
    {
        switch (value)
        {
            case null: w.WriteNullValue(); break;
            case string s: w.WriteStringValue(s); break;
            case bool b: w.WriteBooleanValue(b); break;
            case int i: w.WriteNumberValue(i); break;
            case long l: w.WriteNumberValue(l); break;
            case double d when double.IsFinite(d): w.WriteNumberValue(d); break;
            case double d: w.WriteStringValue(d.ToString(CultureInfo.InvariantCulture)); break;
            case decimal m: w.WriteNumberValue(m); break;
            case DateTimeOffset t: w.WriteStringValue(t); break;
            case DateTime t: w.WriteStringValue(t); break;
            case Guid g: w.WriteStringValue(g); break;
            case TimeSpan t: w.WriteStringValue(t.ToString("c", CultureInfo.InvariantCulture)); break;
            case Enum e: w.WriteStringValue(e.ToString()); break;
            case byte[] bytes: w.WriteBase64StringValue(bytes); break;
            case JsonElement e: e.WriteTo(w); break;
            case JsonNode n: n.WriteTo(w); break;
            case Type t: w.WriteStringValue(t.FullName); break;
            case Microsoft.AspNetCore.Http.IFormFile file: WriteMap(w, new Dictionary<string, object?> { ["fileName"] = file.FileName, ["contentType"] = file.ContentType, ["length"] = file.Length }); break;
            case HttpResponseMessage response: WriteMap(w, new Dictionary<string, object?> { ["statusCode"] = (int)response.StatusCode, ["reasonPhrase"] = response.ReasonPhrase }); break;
            case Microsoft.AspNetCore.Http.HttpRequest request: WriteMap(w, new Dictionary<string, object?> { ["method"] = request.Method, ["path"] = request.Path.Value }); break;
            case Delegate or Stream or Exception: w.WriteStringValue(value.GetType().Name); break;
            case IDictionary<string, object?> map: WriteMap(w, map); break;
            case IDictionary map:
                w.WriteStartObject();
                foreach (DictionaryEntry x in map)
                {
                    w.WritePropertyName(ObjectConverter.ToText(x.Key) ?? "");
                    WriteValue(w, x.Value);
                }
                w.WriteEndObject();
                break;
            case IEnumerable<string> texts:
                w.WriteStartArray();
                foreach (var s in texts) w.WriteStringValue(s);
                w.WriteEndArray();
                break;
            case IList list:
                w.WriteStartArray();
                foreach (var x in list) WriteValue(w, x);
                w.WriteEndArray();
                break;
            default: JsonSerializer.Serialize(w, value, value.GetType(), ObjectConverter.Json); break;
        }
    }

    /// <summary>Rebuilds a run from its stored state. Unknown nodes (the definition is pinned, so there are none unless the store was tampered with) throw.</summary>
    public void Read(ReadOnlySpan<byte> state, WorkflowExecutionContext wf)
    {
        var reader = new Utf8JsonReader(state);
        using var doc = JsonDocument.ParseValue(ref reader);
        var root = doc.RootElement;
        wf.CorrelationId = Text(root, "correlationId");
        wf.Name = Text(root, "name");
        wf.ParentWorkflowInstanceId = Text(root, "parentWorkflowInstanceId");
        wf.TriggerActivityId = Text(root, "triggerActivityId");
        wf.SubStatus = Enum.Parse<WorkflowSubStatus>(Text(root, "subStatus")!);
        wf.Journal.NextSequence = root.GetProperty("executionLogSequence").GetInt64();
        foreach (var p in root.GetProperty("input").EnumerateObject()) wf.Input[p.Name] = PlainObjectConverter.ToPlain(p.Value)!;
        wf.StoredInput = new Dictionary<string, object>(wf.Input, StringComparer.OrdinalIgnoreCase);
        foreach (var p in root.GetProperty("output").EnumerateObject()) wf.Output[p.Name] = PlainObjectConverter.ToPlain(p.Value)!;
        foreach (var p in root.GetProperty("properties").EnumerateObject()) wf.Properties[p.Name] = PlainObjectConverter.ToPlain(p.Value)!;
        wf.CreatedAt = root.GetProperty("createdAt").GetDateTimeOffset();
        wf.UpdatedAt = root.GetProperty("updatedAt").GetDateTimeOffset();
        if (root.TryGetProperty("finishedAt", out var f)) wf.FinishedAt = f.GetDateTimeOffset();
        foreach (var i in root.GetProperty("incidents").EnumerateArray()) wf.IncidentList.Add(i.Deserialize<ActivityIncident>(ObjectConverter.Json)!);

        var contexts = new Dictionary<string, ActivityExecutionContext>(StringComparer.Ordinal);
        foreach (var e in root.GetProperty("activityExecutionContexts").EnumerateArray()) ReadContext(e, wf, contexts);
        foreach (var e in root.GetProperty("completionCallbacks").EnumerateArray())
        {
            var child = contexts[Text(e, "childInstanceId")!];
            Bind(child, contexts[Text(e, "ownerInstanceId")!], Text(e, "methodName")!);
        }
        foreach (var e in root.GetProperty("bookmarks").EnumerateArray())
        {
            var owner = contexts[Text(e, "activityInstanceId")!];
            wf.BookmarkList.Add(new BookmarkEntry(new Bookmark(Text(e, "id")!, Text(e, "name")!, Text(e, "hash")!,
                e.TryGetProperty("payload", out var payload) ? PlainObjectConverter.ToPlain(payload) : null, Text(e, "activityId")!, Text(e, "activityNodeId")!, owner.Id,
                e.GetProperty("createdAt").GetDateTimeOffset(), e.GetProperty("autoBurn").GetBoolean(), Text(e, "callbackMethodName"), e.GetProperty("autoComplete").GetBoolean(),
                e.TryGetProperty("metadata", out var m) ? m.Deserialize<Dictionary<string, string>>() : null), owner));
        }
        foreach (var e in root.GetProperty("scheduledActivities").EnumerateArray())
        {
            var owner = Text(e, "ownerContextId") is { } o ? contexts.GetValueOrDefault(o) : null;
            var node = wf.Compiled.FindNodeById(Text(e, "activityNodeId")!) ?? throw new InvalidOperationException($"Instance {wf.Id} has scheduled {Text(e, "activityNodeId")}, which its definition does not have.");
            wf.Scheduler.Schedule(new ScheduledWork(node, owner, Text(e, "callbackMethodName") is { } name && owner is not null ? Callback(owner, name) : null,
                e.TryGetProperty("tag", out var tag) ? PlainObjectConverter.ToPlain(tag) : null,
                e.TryGetProperty("variables", out var vars) ? [.. ReadVariables(vars)] : null,
                Text(e, "existingContextId") is { } x ? contexts.GetValueOrDefault(x) : null,
                e.TryGetProperty("input", out var input) ? (IDictionary<string, object>)PlainObjectConverter.ToPlain(input)! : null));
        }
    }

    private static void ReadContext(JsonElement e, WorkflowExecutionContext wf, Dictionary<string, ActivityExecutionContext> contexts)
    {
        var nodeId = Text(e, "scheduledActivityNodeId")!;
        var node = wf.Compiled.FindNodeById(nodeId) ?? throw new InvalidOperationException($"Instance {wf.Id} runs {nodeId}, which its definition does not have.");
        var parent = Text(e, "parentContextId") is { } p ? contexts.GetValueOrDefault(p) : null;
        var c = new ActivityExecutionContext(wf, parent, node, Text(e, "id")!)
        {
            Status = Enum.Parse<ActivityStatus>(Text(e, "status")!),
            AggregateFaultCount = e.GetProperty("faultCount").GetInt32(),
            StartedAt = e.GetProperty("startedAt").GetDateTimeOffset(),
            Attempt = e.TryGetProperty("attempt", out var a) ? a.GetInt32() : 1,
            IsExecuting = e.TryGetProperty("isExecuting", out var executing) && executing.GetBoolean(),
            ExecutingCallbackName = Text(e, "executingCallback"),
            Tag = e.TryGetProperty("tag", out var tag) ? PlainObjectConverter.ToPlain(tag) : null,
            CompletedAt = e.TryGetProperty("completedAt", out var done) ? done.GetDateTimeOffset() : null,
        };
        var state = new Dictionary<string, object>();
        foreach (var s in e.GetProperty("activityState").EnumerateObject()) state[s.Name] = PlainObjectConverter.ToPlain(s.Value)!;
        c.ActivityState = state;
        wf.Runner.DeclareVariables(c);
        foreach (var property in e.GetProperty("properties").EnumerateObject())
        {
            if (property.Name == VariablesProperty && c.Activity is IVariableContainer container)
            {
                foreach (var kept in property.Value.EnumerateObject())
                    if (c.ExpressionExecutionContext.Memory.TryGetBlock(kept.Name, out var block))
                        block.Value = ReadTyped(kept.Value, container.Variables.FirstOrDefault(v => v.Id == kept.Name));
            }
            else c.Properties[property.Name] = PlainObjectConverter.ToPlain(property.Value)!;
        }
        if (e.TryGetProperty("dynamicVariables", out var dynamic))
            foreach (var v in ReadVariables(dynamic))
                wf.Runner.DeclareDynamic(c, v);
        contexts[c.Id] = c;
        wf.Contexts.Add(c);
    }

    private static object? ReadTyped(JsonElement e, Variable? variable) =>
        variable is null || variable.ValueType == typeof(object) ? PlainObjectConverter.ToPlain(e) : ObjectConverter.ConvertTo(PlainObjectConverter.ToPlain(e), variable.ValueType);

    private static IEnumerable<Variable> ReadVariables(JsonElement e) =>
        e.EnumerateArray().Select(v => new Variable(Text(v, "name") ?? "", PlainObjectConverter.ToPlain(v.GetProperty("value")), Text(v, "id")));

    internal static void Bind(ActivityExecutionContext child, ActivityExecutionContext owner, string method)
    {
        child.CompletionCallbackName = method;
        child.CompletionCallback = Callback(owner, method);
    }

    private static ActivityCompletionCallback Callback(ActivityExecutionContext owner, string method) =>
        owner.Node.Class.Method(method)?.CreateDelegate<ActivityCompletionCallback>(owner.Activity)
        ?? throw new InvalidOperationException($"{owner.Activity.Type} has no method {method} to call when a child completes.");

    private static string? Text(JsonElement e, string name) => e.TryGetProperty(name, out var v) ? v.GetString() : null;
}
