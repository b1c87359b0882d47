using PwWorkflows.Activities.Effects;

namespace PwWorkflows.Activities.Notifications;

/// <summary>A file that goes with a mail.</summary>
/// <param name="FileName">Its name as the reader sees it.</param>
/// <param name="ContentType">Its media type.</param>
/// <param name="Content">Its bytes.</param>
public sealed record MailAttachment(string FileName, string ContentType, ReadOnlyMemory<byte> Content);

/// <summary>One mail to send.</summary>
/// <param name="Key">Business key, such as <c>mail:CO-1A2B3C4D:order-filed</c>. A mail with the same key goes out once.</param>
/// <param name="To">Address of the reader.</param>
/// <param name="Template">Name of the Liquid template, such as <c>order-filed</c>.</param>
/// <param name="Values">What the template shows.</param>
/// <param name="Order">The order it is about, if any.</param>
/// <param name="Attachments">Files that go with it, if any.</param>
public sealed record MailToSend(
    string Key,
    string To,
    string Template,
    IReadOnlyDictionary<string, object?> Values,
    string? Order = null,
    IReadOnlyList<MailAttachment>? Attachments = null)
{
    /// <summary>Sent by a job and not as an answer to what its reader just did: it waits when the mails of the minute are used up.</summary>
    public bool Bulk { get; init; }

    /// <summary>What keeps it from being sent at a wrong hour: <see cref="MailHeldException"/> is thrown then.</summary>
    public MailHold Hold { get; init; }

    /// <summary>The administrator gets a blind copy.</summary>
    public bool CopyAdmin { get; init; }

    /// <summary>Texts for the reader's eyes only, such as a link that acts for him: the kept copy shows dots in their place.</summary>
    public IReadOnlyList<string> Secrets { get; init; } = [];
}

/// <summary>Which of the <see cref="MailHours"/> a mail keeps.</summary>
public enum MailHold
{
    /// <summary>None: an answer to what its reader just did.</summary>
    None,

    /// <summary>Quiet hours: a job's mail that can't wait for a working day.</summary>
    QuietHours,

    /// <summary>All: a job's routine mail.</summary>
    AllHours,
}

/// <summary>Thrown for a mail that must not go out at this hour. Nothing was sent; the job's next run finds it again.</summary>
/// <param name="message">Until when mail is held, for people.</param>
public sealed class MailHeldException(string message) : Exception(message), IEffectFailure
{
    /// <inheritdoc />
    public bool NothingHappened => true;
}

/// <summary>How a mail fared.</summary>
/// <param name="MessageId">The mail's Message-ID, derived from its key.</param>
/// <param name="To">The address it really went to (outside production: the administrator's).</param>
/// <param name="Subject">Its subject.</param>
public sealed record MailSent(string MessageId, string To, string Subject);

/// <summary>The one sender of mail.</summary>
public interface IMailSender
{
    /// <summary>Sends a mail once; a second call with the same key tells how the first went.</summary>
    /// <exception cref="NonRetryableException">The address is not one, or the template is missing or broken.</exception>
    /// <exception cref="MailHeldException">It keeps hours (<see cref="MailToSend.Hold"/>), and customers may not be mailed now.</exception>
    Task<MailSent> SendAsync(MailToSend mail, CancellationToken ct);
}

/// <summary>Work for a person, raised when the machine must not or can't go on.</summary>
/// <param name="Slug">The service, such as <c>fcc-499a</c>.</param>
/// <param name="Order">The order's number.</param>
/// <param name="Marker">Short stable word for the reason, such as <c>usac-session-missing</c>: no second ToDo with it while one is open.</param>
/// <param name="Instructions">What happened and what to do, in plain text.</param>
public sealed record ToDoRequest(string Slug, string Order, string Marker, string Instructions)
{
    /// <summary>ERPNext document it belongs to, such as <c>SAL-ORD-2026-00042</c>; <c>null</c> when the order has none.</summary>
    public string? SalesOrder { get; init; }
}

/// <summary>The administrators' work list: ToDos in ERPNext, each also kept here.</summary>
public interface IAdminToDos
{
    /// <summary>
    /// Raises a ToDo unless an open one with the same order and marker exists. Never fails the job: when ERPNext can't take it, that
    /// is logged and the ToDo stays on the local list, from where it is tried again.
    /// </summary>
    Task RaiseAsync(ToDoRequest request, CancellationToken ct);

    /// <summary>Closes the open ToDo of an order and marker, when the reason has gone away. Nothing happens when there is none.</summary>
    Task CloseAsync(string order, string marker, CancellationToken ct);
}
