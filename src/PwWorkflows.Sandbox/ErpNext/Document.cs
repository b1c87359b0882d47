using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PwWorkflows.Sandbox.ErpNext;

/// <summary>One stored state of a document. Never changed after it is stored: a save stores a new one.</summary>
public sealed class Document
{
    static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    byte[]? _json;

    /// <summary>Wraps <paramref name="fields"/>, standard fields included; the caller gives them up.</summary>
    public Document(DocType type, Dictionary<string, JsonNode?> fields) => (Type, Fields) = (type, fields);

    /// <summary>The doctype.</summary>
    public DocType Type { get; }

    /// <summary>Field values in order; a missing field is null.</summary>
    public IReadOnlyDictionary<string, JsonNode?> Fields { get; }

    /// <summary>The document's name.</summary>
    public string Name => Text("name")!;

    /// <summary>0 draft, 1 submitted, 2 cancelled.</summary>
    public int DocStatus => Fields["docstatus"]!.GetValue<int>();

    /// <summary>The field as text, or null.</summary>
    public string? Text(string field) => Fields.GetValueOrDefault(field) is { } node
        ? node.GetValueKind() == JsonValueKind.String ? node.GetValue<string>() : node.ToJsonString()
        : null;

    /// <summary>The document as the REST API shows it, passwords masked; made once.</summary>
    public byte[] Json => _json ??= Serialise();

    byte[] Serialise()
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer, WriterOptions)) Write(writer);
        return buffer.WrittenSpan.ToArray();
    }

    void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        foreach (var (name, value) in Fields)
        {
            writer.WritePropertyName(name);
            WriteValue(writer, name, value);
        }
        writer.WriteString("doctype", Type.Name);
        writer.WriteEndObject();
    }

    /// <summary>Writes one field as the REST API shows it.</summary>
    public void WriteValue(Utf8JsonWriter writer, string name, JsonNode? value)
    {
        if (value is null) writer.WriteNullValue();
        else if (Type.Field(name)?.Kind == FieldKind.Password) writer.WriteStringValue("*****");
        else value.WriteTo(writer);
    }
}
