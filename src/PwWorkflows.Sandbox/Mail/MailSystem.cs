using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using PwWorkflows.Sandbox.Core;

namespace PwWorkflows.Sandbox.Mail;

/// <summary>
/// The mail sink: an SMTP server that keeps every message, and pages to read them at <c>/mail</c>. Nothing ever leaves the machine.
/// </summary>
/// <remarks>
/// Faults, all on SMTP, matched by the sender's or a recipient's address: <c>refuse</c> (the recipient is refused with <c>status</c>, 421 to 554; 451 unless
/// given), <c>slow</c> (the recipient is answered after <c>delay_ms</c>), <c>drop_answer</c> (the message is kept, but the answer to DATA never
/// arrives), <c>down</c> (connections are turned away with 421), <c>refuse_auth</c> (credentials are refused with 535; matched by the mechanism).
/// </remarks>
public sealed class MailSystem : SandboxSystem, ISmtpHandler, IDisposable
{
    /// <summary>Fault kind: the recipient is refused.</summary>
    public const string Refuse = "refuse";

    /// <summary>Fault kind: connections are turned away.</summary>
    public const string Down = "down";

    /// <summary>Fault kind: credentials are refused.</summary>
    public const string RefuseAuth = "refuse_auth";

    /// <summary>Most messages kept; older ones are forgotten.</summary>
    const int Capacity = 10_000;

    readonly SmtpServer _smtp;
    readonly Lock _gate = new();
    readonly Queue<StoredMail> _mails = new();
    int _count;

    /// <summary>Creates the sink.</summary>
    public MailSystem(SandboxContext context) : base("mail", context, Refuse, FaultKinds.Slow, FaultKinds.DropAnswer, Down, RefuseAuth) =>
        _smtp = new SmtpServer(this, Context.Options.SmtpCertificate);

    /// <inheritdoc />
    public override bool SpeaksHttp => false;

    /// <summary>The port of the SMTP server, once started.</summary>
    public int SmtpPort => _smtp.Port;

    /// <summary>The messages kept, oldest first.</summary>
    public IReadOnlyList<StoredMail> Messages
    {
        get
        {
            lock (_gate) return _mails.ToArray();
        }
    }

    /// <inheritdoc />
    public override Task StartAsync(CancellationToken ct)
    {
        _smtp.Start(Context.Options.SmtpPort);
        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public override Task StopAsync(CancellationToken ct) => _smtp.StopAsync();

    /// <inheritdoc />
    public void Dispose() => _smtp.Dispose();

    /// <inheritdoc />
    public override void Reset()
    {
        lock (_gate)
        {
            _mails.Clear();
            _count = 0;
        }
    }

    /// <inheritdoc />
    public override void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/", () => Page("Mail", List()));
        routes.MapGet("/{id:int}", (int id) => Find(id) is { } mail ? Page(mail.View().Subject, Show(mail)) : Missing(id));
        routes.MapGet("/{id:int}/raw", (int id) => Find(id) is { } mail ? Results.Bytes(mail.Raw, "text/plain; charset=utf-8") : Missing(id));
        // The message's own HTML must not run anything or fetch anything.
        routes.MapGet("/{id:int}/html", (int id, HttpContext http) =>
        {
            if (Find(id) is not { } mail || mail.View().Html is not { } html) return Missing(id);
            http.Response.Headers.ContentSecurityPolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";
            return Results.Content(html, "text/html; charset=utf-8");
        });
        routes.MapGet("/api/messages", (string? to) => SandboxJson.Ok(
            Messages.Where(m => to is null || m.Recipients.Contains(to, StringComparer.OrdinalIgnoreCase)).Select(m => m.View())));
        routes.MapGet("/api/messages/{id:int}", (int id) => Find(id) is { } mail ? SandboxJson.Ok(mail.View()) : Missing(id));
    }

    async Task<string?> ISmtpHandler.BeforeAsync(string verb, string argument, CancellationToken ct)
    {
        switch (verb)
        {
            case "CONNECT" when Faults.Take(Down, verb, "") is not null:
                Log.Add(new SystemLogEntry(Clock.GetUtcNow(), "SMTP", "/mail", 421) { Fault = Down });
                return "421 4.3.2 Service not available";
            case "AUTH" when Faults.Take(RefuseAuth, verb, argument) is not null:
                Log.Add(new SystemLogEntry(Clock.GetUtcNow(), "SMTP", "/mail", 535) { Fault = RefuseAuth });
                return "535 5.7.8 Authentication credentials invalid";
            case "RCPT" when Faults.Take(Refuse, verb, argument) is { } fault:
                var code = fault.Status is >= 421 and <= 554 ? fault.Status : 451;
                // 500 is what a fault has when no status was given.
                if (fault.Status == 500) code = 451;
                Log.Add(new SystemLogEntry(Clock.GetUtcNow(), "SMTP", "/mail", code) { Fault = Refuse, Body = argument });
                return string.Create(CultureInfo.InvariantCulture, $"{code} {code / 100}.3.0 Refused");
            case "RCPT" when Faults.Take(FaultKinds.Slow, verb, argument) is { } slow:
                await Task.Delay(TimeSpan.FromMilliseconds(slow.DelayMs), Clock, ct);
                return null;
            default:
                return null;
        }
    }

    bool ISmtpHandler.Accept(string from, IReadOnlyList<string> recipients, byte[] raw, bool encrypted)
    {
        StoredMail mail;
        lock (_gate)
        {
            mail = new StoredMail(++_count, Clock.GetUtcNow(), from, recipients, raw);
            _mails.Enqueue(mail);
            if (_mails.Count > Capacity) _mails.Dequeue();
        }
        var dropped = Faults.Take(FaultKinds.DropAnswer, "DATA", from + " " + string.Join(' ', recipients)) is not null;
        Log.Add(new SystemLogEntry(mail.ReceivedAt, "SMTP", "/mail", dropped ? 0 : 250)
        {
            Fault = dropped ? FaultKinds.DropAnswer : null,
            Changed = [string.Create(CultureInfo.InvariantCulture, $"mail {mail.Id}: {mail.View().Subject}")],
            Detail = new JsonObject { ["id"] = mail.Id, ["tls"] = encrypted, ["from"] = from, ["to"] = new JsonArray([.. recipients.Select(r => (JsonNode)r)]) },
        });
        return !dropped;
    }

    StoredMail? Find(int id) => Messages.FirstOrDefault(m => m.Id == id);

    static IResult Missing(int id) => SandboxJson.Problem(404, $"there is no such message: {id}");

    static IResult Page(string title, string body) => Results.Content(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>" + Text(title) + "</title>"
        + "<style>body{font:16px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}table{border-collapse:collapse;width:100%}"
        + "td,th{padding:.4rem .6rem;border-bottom:1px solid #ccc;text-align:left}pre{white-space:pre-wrap;background:#f6f6f6;padding:1rem}"
        + "iframe{width:100%;height:30rem;border:1px solid #ccc}dt{float:left;width:5rem;color:#555}</style></head><body>" + body + "</body></html>",
        "text/html; charset=utf-8");

    string List()
    {
        var html = new StringBuilder("<h1>Mail</h1>");
        var mails = Messages.Reverse().Select(m => m.View()).ToArray();
        if (mails.Length == 0) return html.Append("<p>No mail yet.</p>").ToString();
        html.Append("<table><tr><th>Received</th><th>To</th><th>Subject</th></tr>");
        foreach (var m in mails)
            html.Append(CultureInfo.InvariantCulture,
                $"<tr><td>{m.ReceivedAt:yyyy-MM-dd HH:mm:ss}</td><td>{Text(string.Join(", ", m.To))}</td><td><a href=\"/mail/{m.Id}\">{Text(m.Subject.Length == 0 ? "(no subject)" : m.Subject)}</a></td></tr>");
        return html.Append("</table>").ToString();
    }

    static string Show(StoredMail mail)
    {
        var m = mail.View();
        var html = new StringBuilder("<p><a href=\"/mail\">All mail</a></p>");
        html.Append(CultureInfo.InvariantCulture, $"<h1>{Text(m.Subject)}</h1><dl><dt>From</dt><dd>{Text(m.From)}</dd><dt>To</dt><dd>{Text(string.Join(", ", m.To))}</dd>");
        html.Append(CultureInfo.InvariantCulture, $"<dt>Received</dt><dd>{m.ReceivedAt:yyyy-MM-dd HH:mm:ss} UTC</dd></dl>");
        if (m.Html is not null) html.Append(CultureInfo.InvariantCulture, $"<iframe sandbox src=\"/mail/{m.Id}/html\" title=\"Message\"></iframe>");
        if (m.Text is not null) html.Append(CultureInfo.InvariantCulture, $"<pre>{Text(m.Text)}</pre>");
        foreach (var a in m.Attachments) html.Append(CultureInfo.InvariantCulture, $"<p>Attached: {Text(a.Name)} ({Text(a.ContentType)}, {a.Length} bytes)</p>");
        return html.Append(CultureInfo.InvariantCulture, $"<p><a href=\"/mail/{m.Id}/raw\">Raw message</a></p>").ToString();
    }

    static string Text(string text) => WebUtility.HtmlEncode(text);
}
