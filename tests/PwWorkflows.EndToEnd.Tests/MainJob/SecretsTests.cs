using System.Buffers.Binary;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Npgsql;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Sandbox;
using PwWorkflows.Sandbox.Usac;
using UglyToad.PdfPig;

namespace PwWorkflows.EndToEnd.Tests.MainJob;

/// <summary>The main job with marked secrets: none is in anything that it wrote.</summary>
public sealed class SecretsTests(PostgresFixture postgres)
{
    private static readonly Dictionary<string, string> Marked = new()
    {
        ["ADMIN_JWT_SECRET"] = "marked-jwt-b81f0c7a2e4d4f6f9a3c5e7d1b2a4c6e8f",
        ["STRIPE_WEBHOOK_SECRET"] = "whsec_marked9d7c5b3a1f2e4d6c8b0a",
        ["WEBHOOK_SECRET"] = "marked-webhook-5e3c1a9f7d5b",
        ["SHKEEPER_API_KEY"] = "marked-shkeeper-0a2c4e6f8b",
        ["ERPNEXT_API_KEY"] = "markederpkey7f5d3b",
        ["ERPNEXT_API_SECRET"] = "markederpsecret1c3e5a",
        ["ERPNEXT_SENSITIVE_API_KEY"] = "markedsensitivekey9b7d",
        ["ERPNEXT_SENSITIVE_API_SECRET"] = "markedsensitivesecret2f4a",
        ["SMTP_USER"] = "marked-smtp-user-6a8c",
        ["SMTP_PASS"] = "marked-smtp-pass-3d5f7b",
        ["MINIO_SECRET_KEY"] = "marked-minio-secret-8e0a2c",
    };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task No_secret_is_in_anything_that_the_main_job_wrote(bool postgresAndS3)
    {
        const string databasePassword = "marked-database-password-4b6d8f";
        var secrets = new SandboxSecrets
        {
            StripeWebhookSecret = Marked["STRIPE_WEBHOOK_SECRET"],
            WebhookSecret = Marked["WEBHOOK_SECRET"],
            ErpNextApiKey = Marked["ERPNEXT_API_KEY"],
            ErpNextApiSecret = Marked["ERPNEXT_API_SECRET"],
            ErpNextSensitiveApiKey = Marked["ERPNEXT_SENSITIVE_API_KEY"],
            ErpNextSensitiveApiSecret = Marked["ERPNEXT_SENSITIVE_API_SECRET"],
        };
        await using var scene = await Scene.StartAsync(Ct, postgresAndS3 ? postgres : null, postgresAndS3, new SandboxOptions { Urls = "http://127.0.0.1:0", SmtpPort = 0, Secrets = secrets }, s =>
        {
            foreach (var (name, value) in Marked) s.Settings[name] = value;
            s.Settings["SMTP_TLS"] = "auto";
            // The server trusts this machine and takes any password.
            if (postgresAndS3) s.Settings["DATABASE_URL"] = new NpgsqlConnectionStringBuilder(s.Database) { Password = databasePassword }.ConnectionString;
        });

        // One order goes through, with a lost answer and a failed attempt on the way, for what errors say; one event and one sign-in are refused.
        scene.Fault(scene.Usac, "maintenance", "/block-5", "GET", count: 1);
        scene.Fault(scene.Erp, "status", "/api/", status: 500, count: 1);
        scene.Fault(scene.Usac, "drop_answer", "/certify", "POST", count: 1);
        var order = await scene.OrderAsync(Ct);
        await scene.SandboxAsync("stripe/_event", new { order_number = order, secrets = new[] { "whsec_wrong" }, retry = false }, Ct);
        using (var refused = await scene.Server.Http.PostAsync("/api/v1/admin/login", new StringContent("{\"username\":\"admin\",\"password\":\"wrong\"}", Encoding.UTF8, "application/json"), Ct)) Assert.Equal(401, (int)refused.StatusCode);
        await scene.CompletedInTimeAsync(order, Ct);

        var texts = new List<(string Where, byte[] Content)>();
        foreach (var path in (string[])["orders/" + order, "orders", "workflow-instances", "todos?all=true", "effects", "webhooks"])
            texts.Add(("GET " + path, Encoding.UTF8.GetBytes((await scene.CallAsync(HttpMethod.Get, "/api/v1/admin/" + path, null, Ct)).GetRawText())));
        foreach (var instance in (await scene.CallAsync(HttpMethod.Get, "/api/v1/admin/workflow-instances?take=500", null, Ct)).GetProperty("workflow_instances").EnumerateArray())
        {
            var path = $"/api/v1/admin/workflow-instances/{Scene.Text(instance, "id")}";
            texts.Add(("GET " + path, Encoding.UTF8.GetBytes((await scene.CallAsync(HttpMethod.Get, path, null, Ct)).GetRawText())));
            texts.Add(("GET " + path + "/journal", Encoding.UTF8.GetBytes((await scene.CallAsync(HttpMethod.Get, path + "/journal", null, Ct)).GetRawText())));
        }

        foreach (var page in (string[])["/health", "/health/deep"]) texts.Add((page, await (await scene.Server.Http.GetAsync(page, Ct)).Content.ReadAsByteArrayAsync(Ct)));
        foreach (var mail in (await scene.Sandbox.Http.GetFromJsonAsync<JsonElement>("mail/api/messages", Ct)).EnumerateArray())
            texts.Add(("mail", await scene.Sandbox.Http.GetByteArrayAsync($"mail/{mail.GetProperty("id").GetInt32()}/raw", Ct)));
        if (scene.Database is not null) texts.AddRange(await DumpAsync(scene.Database));
        await scene.Server.StopAsync(Ct);
        texts.Add(("log", Encoding.UTF8.GetBytes(scene.Logs)));
        var folders = scene.ObjectsFolder is { } objects ? [scene.Data, objects] : new[] { scene.Data };
        foreach (var file in folders.Where(Directory.Exists).SelectMany(f => Directory.EnumerateFiles(f, "*", SearchOption.AllDirectories)).Where(f => !f.Contains("storage_state", StringComparison.Ordinal)))
        {
            var content = await File.ReadAllBytesAsync(file, Ct);
            texts.Add((file, content));
            if (file.EndsWith(".pdf", StringComparison.Ordinal)) texts.Add((file + " (text)", Encoding.UTF8.GetBytes(PdfText(content))));
            if (content is [0x89, (byte)'P', (byte)'N', (byte)'G', ..]) Assert.Empty(TextChunks(content));
        }

        Assert.True(texts.Count(t => t.Where.Contains("/evidence/", StringComparison.Ordinal)) > 20, string.Join('\n', texts.Select(t => t.Where)));
        string[] hidden =
        [
            .. Marked.Values, databasePassword, scene.Token, .. scene.Cookies, .. UsacDemo.Entities.SelectMany(e => new[] { e.Password, e.TotpSeed }),
            Convert.ToBase64String(Encoding.UTF8.GetBytes(Marked["ERPNEXT_API_KEY"] + ":" + Marked["ERPNEXT_API_SECRET"])),
        ];
        Assert.Equal(3, scene.Cookies.Count);
        Assert.All(hidden, s => Assert.True(s.Length > 12, s));
        var found = from text in texts from secret in hidden where text.Content.AsSpan().IndexOf(Encoding.UTF8.GetBytes(secret)) >= 0 select $"{text.Where}: {secret}";
        Assert.Empty(found);
    }

    private static async Task<IReadOnlyList<(string Where, byte[] Content)>> DumpAsync(string database)
    {
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync(Ct);
        var tables = new List<string>();
        await using (var command = new NpgsqlCommand("SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'", connection))
        await using (var reader = await command.ExecuteReaderAsync(Ct))
            while (await reader.ReadAsync(Ct)) tables.Add(reader.GetString(0));
        Assert.Contains("workflow_instances", tables);
        var texts = new List<(string, byte[])>();
        foreach (var table in tables)
        {
            // The binary form holds blobs as they are, not as hexadecimal digits.
            using var content = new MemoryStream();
            await using (var copy = await connection.BeginRawBinaryCopyAsync($"COPY {table} TO STDOUT (FORMAT binary)", Ct)) await copy.CopyToAsync(content, Ct);
            texts.Add((table, content.ToArray()));
        }

        return texts;
    }

    private static string PdfText(byte[] content)
    {
        using var pdf = PdfDocument.Open(content);
        return string.Concat(pdf.GetPages().Select(p => p.Text)) + pdf.Information;
    }

    private static IEnumerable<string> TextChunks(byte[] png)
    {
        for (var at = 8; at + 8 <= png.Length; at += 12 + BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at)))
        {
            var type = Encoding.ASCII.GetString(png, at + 4, 4);
            if (type is "tEXt" or "zTXt" or "iTXt" or "eXIf") yield return type;
        }
    }
}
