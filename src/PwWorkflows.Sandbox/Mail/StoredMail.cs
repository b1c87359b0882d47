using System.Text;
using MimeKit;

namespace PwWorkflows.Sandbox.Mail;

/// <summary>A message the sink took.</summary>
/// <param name="Id">Number from 1.</param>
/// <param name="ReceivedAt">When it was taken, on the sandbox's clock.</param>
/// <param name="From">Sender of the envelope; empty for a bounce.</param>
/// <param name="Recipients">Recipients of the envelope.</param>
/// <param name="Raw">The message as received, dot-stuffing undone.</param>
public sealed record StoredMail(int Id, DateTimeOffset ReceivedAt, string From, IReadOnlyList<string> Recipients, byte[] Raw)
{
    /// <summary>Parses the message.</summary>
    /// <exception cref="FormatException">It is not a message.</exception>
    public MimeMessage Parse()
    {
        using var stream = new MemoryStream(Raw, writable: false);
        return MimeMessage.Load(stream);
    }

    /// <summary>The message as <c>GET /mail/api/messages</c> shows it; what can't be parsed shows as plain text.</summary>
    public MailView View()
    {
        try
        {
            using var message = Parse();
            return View(message);
        }
        catch (FormatException)
        {
            return new MailView(Id, ReceivedAt, From, Recipients, "", Encoding.UTF8.GetString(Raw), null, null, new Dictionary<string, string>(), []);
        }
    }

    MailView View(MimeMessage message) =>
        new(Id, ReceivedAt, message.From.ToString(), Recipients, message.Subject ?? "", message.TextBody, message.HtmlBody, message.MessageId,
            message.Headers.GroupBy(h => h.Field, StringComparer.OrdinalIgnoreCase).ToDictionary(h => h.Key, h => h.First().Value),
            [.. message.Attachments.Select(a => new AttachmentView(a.ContentDisposition?.FileName ?? a.ContentType.Name ?? "", a.ContentType.MimeType, Length(a)))]);

    static long Length(MimeEntity entity)
    {
        if (entity is not MimePart { Content: { } content }) return 0;
        using var stream = new MemoryStream();
        content.DecodeTo(stream);
        return stream.Length;
    }
}

/// <summary>A message for reading.</summary>
/// <param name="Id">Number from 1.</param>
/// <param name="ReceivedAt">When it was taken.</param>
/// <param name="From">The From header.</param>
/// <param name="To">Recipients of the envelope.</param>
/// <param name="Subject">Subject, decoded.</param>
/// <param name="Text">Plain text body, or null.</param>
/// <param name="Html">HTML body, or null.</param>
/// <param name="MessageId">Message-ID without brackets, or null.</param>
/// <param name="Headers">Headers by name; of repeated ones the first.</param>
/// <param name="Attachments">What is attached.</param>
public sealed record MailView(
    int Id, DateTimeOffset ReceivedAt, string From, IReadOnlyList<string> To, string Subject, string? Text, string? Html, string? MessageId,
    IReadOnlyDictionary<string, string> Headers, IReadOnlyList<AttachmentView> Attachments);

/// <summary>An attachment.</summary>
/// <param name="Name">File name, or empty.</param>
/// <param name="ContentType">Media type.</param>
/// <param name="Length">Size in bytes, decoded.</param>
public sealed record AttachmentView(string Name, string ContentType, long Length);
