using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.Sandbox.Stripe;

/// <summary>
/// The demo order, from the embedded <c>demo-order.json</c>: a carrier with complete answers for Form 499-A, and the lines its officer saw and
/// authorized.
/// </summary>
public static class DemoOrder
{
    static readonly JsonSerializerOptions Canonical = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    static readonly JsonObject Source = Load();

    /// <summary>The paying customer: <c>name</c> and <c>email</c>.</summary>
    public static JsonObject Customer() => Part("customer");

    /// <summary>The carrier: <c>id</c>, <c>legal_name</c>, <c>frn</c>, <c>filer_id_499</c> and its other fields.</summary>
    /// <param name="entity">Which of the carriers with a portal account; its identity replaces the one of the file.</param>
    public static JsonObject TelecomEntity(UsacDemoEntity entity)
    {
        ArgumentNullException.ThrowIfNull(entity);
        var fields = Part("telecom_entity");
        fields["id"] = entity.TelecomEntityId;
        fields["legal_name"] = entity.LegalName;
        fields["frn"] = entity.Frn;
        fields["filer_id_499"] = entity.FilerId;
        return fields;
    }

    /// <summary>The customer's answers for a filing year.</summary>
    public static JsonObject IntakeData(int filingYear)
    {
        var intake = Part("intake_data");
        intake["filing_year"] = filingYear;
        return intake;
    }

    /// <summary>
    /// The officer's word for exactly the demo's values: <c>officer_name</c>, <c>officer_title</c>, <c>phone</c>, <c>email</c>, <c>authorized_at</c>
    /// and <c>values_sha256</c>, the SHA-256 of <c>{"form":"499-A","filing_year":…,"lines":{…}}</c> without white space, lines in ordinal order.
    /// </summary>
    public static JsonObject OfficerAuthorization(UsacDemoEntity entity, int filingYear, DateTimeOffset at)
    {
        ArgumentNullException.ThrowIfNull(entity);
        var officer = Part("officer");
        officer["authorized_at"] = at.ToString("O", System.Globalization.CultureInfo.InvariantCulture);
        officer["values_sha256"] = ValuesSha256(entity, filingYear);
        return officer;
    }

    static string ValuesSha256(UsacDemoEntity entity, int filingYear)
    {
        var given = Part("authorized_lines");
        given["101"] = entity.FilerId;
        given["102"] = entity.LegalName;
        given["107"] = entity.Frn;
        var lines = new JsonObject();
        foreach (var (line, value) in given.OrderBy(l => l.Key, StringComparer.Ordinal)) lines[line] = value!.GetValue<string>();
        var seen = new JsonObject { ["form"] = "499-A", ["filing_year"] = filingYear, ["lines"] = lines };
        var json = JsonSerializer.SerializeToUtf8Bytes(seen, Canonical);
        return Convert.ToHexStringLower(SHA256.HashData(json));
    }

    static JsonObject Part(string name) => (JsonObject)Source[name]!.DeepClone();

    static JsonObject Load()
    {
        using var stream = typeof(DemoOrder).Assembly.GetManifestResourceStream("demo-order.json")
            ?? throw new InvalidOperationException("The sandbox lacks its embedded demo-order.json.");
        return (JsonObject)JsonNode.Parse(stream)!;
    }
}
