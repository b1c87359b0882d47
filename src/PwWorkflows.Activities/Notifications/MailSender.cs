using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using MailKit;
using MailKit.Net.Smtp;
using MailKit.Security;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using MimeKit;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Notifications;

/// <summary>Sends mail over one SMTP relay and keeps each mail with its outcome (table <c>mails</c>).</summary>
/// <remarks>
/// A mail is sent once per key. A relay can't be asked whether it took a mail, so when the process died between handing a mail over
/// and writing that down, the mail goes out once more: with the same Message-ID, by which mailboxes drop the second copy, and with
/// the header <c>X-PW-Possible-Repeat</c>. The same when the relay's answer was lost. A mail handed over twice without an answer is for a person.
/// </remarks>
public sealed class MailSender : IMailSender
{
    /// <summary>Note of a mail that may have reached its reader before; begins the note of whatever becomes of it.</summary>
    private const string PossibleRepeat = "possible repeat";

    /// <summary>What the kept copy shows where the mail had a text for its reader only.</summary>
    private const string Dots = "•••";

    private readonly IPwDatabase _database;
    private readonly IEffectLedger _effects;
    private readonly TimeProvider _time;
    private readonly MailOptions _options;
    private readonly MailTemplates _templates;
    private readonly MailSlots _slots;
    private readonly ILogger<MailSender> _logger;

    /// <summary>Creates the sender.</summary>
    public MailSender(IPwDatabase database, IEffectLedger effects, TimeProvider time, IOptions<MailOptions> options, ILogger<MailSender> logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        _database = database;
        _effects = effects;
        _time = time;
        _options = options.Value;
        _templates = new MailTemplates(_options.Templates);
        _slots = new MailSlots(database, time, _options.PerMinute);
        _logger = logger;
    }

    /// <summary>Which certificates to trust; without it those that lead to a root of the machine.</summary>
    internal RemoteCertificateValidationCallback? CertificateCheck { get; init; }

    /// <inheritdoc />
    public async Task<MailSent> SendAsync(MailToSend mail, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(mail);
        if (!CustomerAddresses.IsWellFormed(mail.To)) throw new NonRetryableException($"'{mail.To}' is no mail address.");
        if (CustomerAddresses.IsPlaceholder(mail.To)) throw new NonRetryableException($"'{mail.To}' stands in for an address: nobody reads what is sent there.");
        return await _effects.RunAsync(
            mail.Key,
            "mail",
            token => DeliverAsync(mail, token),
            async token =>
            {
                return await OutcomeAsync(mail.Key, token).ConfigureAwait(false) switch
                {
                    ("sent", _, var sent) => new Reconciliation<MailSent>.Happened(sent),
                    ("sending", { } note, _) when IsRepeat(note) => new Reconciliation<MailSent>.Unknown("the mail was handed to the relay twice and the answer was lost both times."),
                    _ => new Reconciliation<MailSent>.DidNotHappen(),
                };
            },
            ct).ConfigureAwait(false);
    }

    private void RefuseWhenClosed(MailToSend mail)
    {
        if (mail.Hold != MailHold.None && _options.Hours.Held(_time.GetUtcNow(), urgent: mail.Hold == MailHold.QuietHours) is { } held) throw new MailHeldException(held);
    }

    private static bool IsRepeat(string? note) => note?.StartsWith(PossibleRepeat, StringComparison.Ordinal) == true;

    private async Task<MailSent> DeliverAsync(MailToSend mail, CancellationToken ct)
    {
        if (_options.Host.Length == 0) throw new EffectNotPerformedException("SMTP_HOST is not set, so no mail can be sent.");
        // Asked here and not of the ledger: its row goes when a try in between proves to have done nothing, what came before it doesn't.
        var repeat = await OutcomeAsync(mail.Key, ct).ConfigureAwait(false) is { } before && (before.Status == "sending" || IsRepeat(before.Note));
        var mark = repeat ? PossibleRepeat : null;
        var values = new Dictionary<string, object?>(mail.Values) { ["reply_address"] = _options.ReplyTo, ["site_url"] = _options.Site.AbsoluteUri.TrimEnd('/') };
        var content = await _templates.RenderAsync(mail.Template, values, ct).ConfigureAwait(false);
        var message = Compose(mail, content, repeat);
        var sentTo = message.To.Mailboxes.First().Address;
        var sent = new MailSent(message.MessageId!, sentTo, content.Subject);

        RefuseWhenClosed(mail);
        await _slots.TakeAsync(mail.Bulk, ct).ConfigureAwait(false);
        // The hour may have ended while it waited for its turn.
        RefuseWhenClosed(mail);
        using var timeout = new CancellationTokenSource(_options.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        using var smtp = new Client(sentTo) { ServerCertificateValidationCallback = CertificateCheck };
        try
        {
            await ConnectAsync(smtp, either.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or IOException or ProtocolException or CommandException or AuthenticationException or SslHandshakeException or NotSupportedException
            || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            var why = e is OperationCanceledException ? string.Create(CultureInfo.InvariantCulture, $"no answer within {_options.Timeout.TotalSeconds:0.#} s") : e.Message;
            NotificationLog.MailFailed(_logger, mail.Key, why);
            throw new EffectNotPerformedException($"The mail relay {_options.Host}:{_options.Port} did not take the connection: {why}", e);
        }

        // It may have waited for long. From here on the relay may have the mail.
        await _effects.ConfirmAsync(mail.Key, ct).ConfigureAwait(false);
        content = Kept(content, mail.Secrets);
        await KeepAsync(mail, content, sent, "sending", mark).ConfigureAwait(false);
        try
        {
            await smtp.SendAsync(message, either.Token).ConfigureAwait(false);
        }
        catch (SmtpCommandException e)
        {
            await KeepAsync(mail, content, sent, "failed", repeat ? $"{PossibleRepeat}: {e.Message}" : e.Message).ConfigureAwait(false);
            NotificationLog.MailFailed(_logger, mail.Key, e.Message);
            if ((int)e.StatusCode >= 500) throw new NonRetryableMailException($"The mail relay refused the mail to {sentTo}: {e.Message}", e);
            throw new EffectNotPerformedException($"The mail relay put the mail to {sentTo} off: {e.Message}", e);
        }
        catch (Exception e) when (e is SocketException or IOException or ProtocolException || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            var why = e is OperationCanceledException
                ? string.Create(CultureInfo.InvariantCulture, $"the relay did not answer within {_options.Timeout.TotalSeconds:0.#} s")
                : e.Message;
            NotificationLog.MailFailed(_logger, mail.Key, why);
            throw new MailOutcomeUnknownException($"It is not known whether the mail relay took the mail to {sentTo}: {why}", e);
        }

        await KeepAsync(mail, content, sent, "sent", smtp.CopyRefused is { } refused ? $"{(mark is null ? "" : mark + ": ")}the blind copy was refused: {refused}" : mark).ConfigureAwait(false);
        NotificationLog.MailSent(_logger, mail.Template, sentTo, sent.MessageId);
        try
        {
            await smtp.DisconnectAsync(true, either.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or ProtocolException or CommandException or OperationCanceledException)
        {
            // The mail is out; how the relay says goodbye doesn't matter.
        }

        return sent;
    }

    private async Task ConnectAsync(SmtpClient smtp, CancellationToken ct)
    {
        var security = _options.Tls switch
        {
            "required" => SecureSocketOptions.StartTls,
            "implicit" => SecureSocketOptions.SslOnConnect,
            _ => SecureSocketOptions.StartTlsWhenAvailable,
        };
        await smtp.ConnectAsync(_options.Host, _options.Port, security, ct).ConfigureAwait(false);
        if (_options.User.Length == 0) return;
        var loopback = IPAddress.TryParse(_options.Host, out var address) ? IPAddress.IsLoopback(address) : _options.Host == "localhost";
        if (!smtp.IsSecure && !loopback) throw new AuthenticationException("the connection is not encrypted, so the password is not sent");
        await smtp.AuthenticateAsync(new NetworkCredential(_options.User, _options.Password), ct).ConfigureAwait(false);
    }

    private MimeMessage Compose(MailToSend mail, RenderedMail content, bool repeat)
    {
        var message = new MimeMessage { Subject = content.Subject, Date = _time.GetUtcNow(), MessageId = MessageIdOf(mail.Key) };
        message.From.Add(new MailboxAddress("Performance West", _options.From));
        message.ReplyTo.Add(new MailboxAddress("Performance West", _options.ReplyTo));
        message.To.Add(new MailboxAddress("", _options.ReachesCustomers ? mail.To : _options.Admin));
        if (!_options.ReachesCustomers) message.Headers.Add("X-PW-Original-To", mail.To);
        else if (mail.CopyAdmin && !_options.Admin.Equals(mail.To, StringComparison.OrdinalIgnoreCase)) message.Bcc.Add(new MailboxAddress("", _options.Admin));
        if (repeat) message.Headers.Add("X-PW-Possible-Repeat", "yes");
        var body = new BodyBuilder { TextBody = content.Text, HtmlBody = content.Html };
        foreach (var attachment in mail.Attachments ?? [])
            body.Attachments.Add(attachment.FileName, attachment.Content.ToArray(), ContentType.Parse(attachment.ContentType));
        message.Body = body.ToMessageBody();
        return message;
    }

    private static RenderedMail Kept(RenderedMail content, IReadOnlyList<string> secrets)
    {
        foreach (var secret in secrets.Where(static s => s.Length > 0))
        {
            var encoded = HtmlEncoder.Default.Encode(secret);
            content = new(
                content.Subject.Replace(secret, Dots, StringComparison.Ordinal), content.Text.Replace(secret, Dots, StringComparison.Ordinal),
                content.Html.Replace(encoded, Dots, StringComparison.Ordinal).Replace(secret, Dots, StringComparison.Ordinal));
        }

        return content;
    }

    /// <summary>The same key gives the same Message-ID on every node and try.</summary>
    internal string MessageIdOf(string key) =>
        $"{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..40]}@{_options.From[(_options.From.IndexOf('@', StringComparison.Ordinal) + 1)..]}";

    private async Task KeepAsync(MailToSend mail, RenderedMail content, MailSent sent, string status, string? note) =>
        await _database.ExecuteAsync(
            """
            INSERT INTO mails (key, order_number, template, addressed_to, sent_to, subject, message_id, body_text, body_html, status, note, at)
            VALUES (@key, @order, @template, @to, @sent_to, @subject, @id, @text, @html, @status, @note, @at)
            ON CONFLICT (key) DO UPDATE SET sent_to = excluded.sent_to, subject = excluded.subject, body_text = excluded.body_text,
                body_html = excluded.body_html, status = excluded.status, note = excluded.note, at = excluded.at
            """,
            Parameters.Of(
                ("key", mail.Key), ("order", mail.Order), ("template", mail.Template), ("to", mail.To), ("sent_to", sent.To), ("subject", sent.Subject),
                ("id", sent.MessageId), ("text", content.Text), ("html", content.Html), ("status", status), ("note", note), ("at", _time.GetUtcNow())),
            CancellationToken.None).ConfigureAwait(false);

    private async Task<(string Status, string? Note, MailSent Sent)?> OutcomeAsync(string key, CancellationToken ct)
    {
        var rows = await _database.LookUpAsync(
            "SELECT status, note, message_id, sent_to, subject FROM mails WHERE key = @key",
            Parameters.Of(("key", key)),
            static r => (r.GetString(0), r.Text(1), new MailSent(r.GetString(2), r.GetString(3), r.GetString(4))),
            ct).ConfigureAwait(false);
        return rows.Count == 0 ? null : rows[0];
    }

    /// <summary>A relay that refuses the blind copy takes the mail to its reader all the same.</summary>
    private sealed class Client(string reader) : SmtpClient
    {
        /// <summary>What the relay said to the copy; <c>null</c>: it took it, or there was none.</summary>
        public string? CopyRefused { get; private set; }

        protected override void OnRecipientNotAccepted(MimeMessage message, MailboxAddress mailbox, SmtpResponse response)
        {
            if (mailbox.Address == reader) base.OnRecipientNotAccepted(message, mailbox, response);
            else CopyRefused = response.Response;
        }
    }

    private sealed class NonRetryableMailException(string message, Exception inner) : NonRetryableException(message, inner), IEffectFailure
    {
        public bool NothingHappened => true;
    }
}

/// <summary>The mail relay was lost while it had the mail. The next try sends the mail once more, marked as a possible repeat.</summary>
public sealed class MailOutcomeUnknownException : Exception, IEffectFailure
{
    /// <summary>Creates the exception.</summary>
    public MailOutcomeUnknownException() { }

    /// <summary>Creates the exception with a message.</summary>
    public MailOutcomeUnknownException(string message) : base(message) { }

    /// <summary>Creates the exception with a message and its cause.</summary>
    public MailOutcomeUnknownException(string message, Exception innerException) : base(message, innerException) { }

    /// <inheritdoc />
    public bool NothingHappened => false;
}
