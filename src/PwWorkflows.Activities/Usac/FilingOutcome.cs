using PwWorkflows.Activities.Filings;

namespace PwWorkflows.Activities.Usac;

/// <summary>A message of the portal about a form line.</summary>
/// <param name="Line">The line, such as <c>303.1.a</c>; empty when the portal named none.</param>
/// <param name="Message">The portal's text.</param>
public sealed record PortalError(string Line, string Message)
{
    /// <inheritdoc />
    public override string ToString() => Message;
}

/// <summary>A form that is in at the portal. Kept in the effect ledger: no secrets.</summary>
/// <param name="ConfirmationNumber">The portal's number.</param>
/// <param name="Reference">Our reference on the form.</param>
/// <param name="SubmittedAt">Time of submission as the portal shows it.</param>
public sealed record FiledForm(string ConfirmationNumber, string Reference, string SubmittedAt);

/// <summary>A filing to make.</summary>
/// <param name="Form">The values.</param>
/// <param name="OrderNumber">The order.</param>
/// <param name="Authorization">The officer's word, if any is on record.</param>
public sealed record FilingRequest(Form499A Form, string OrderNumber, OfficerAuthorization? Authorization)
{
    /// <summary>Business key of the effect.</summary>
    public string EffectKey => $"usac:499a:{Form.FilingYear}:{Form.FilerId}:{OrderNumber}{(Cycle.Length == 0 ? "" : ":" + Cycle)}";

    /// <summary>The billing cycle of a renewal; empty for the order itself.</summary>
    public string Cycle { get; init; } = "";

    /// <summary>What goes into the portal's reference box: the order and the beginning of the values' hash, at most 40 characters.</summary>
    public string Reference => $"{OrderNumber}/{Form.ValuesSha256()[..12]}";

    /// <summary>Asked right before submission: why the form must no longer be filed, such as a refund; null to go on.</summary>
    public Func<CancellationToken, Task<string?>>? StopReason { get; init; }
}

/// <summary>How an attempt to file ended.</summary>
public abstract record FilingOutcome
{
    private FilingOutcome() { }

    /// <summary>The form is in.</summary>
    /// <param name="Form">What the portal confirmed.</param>
    /// <param name="Reconciled">Whether it was found in the filing list instead of being submitted now.</param>
    public sealed record Filed(FiledForm Form, bool Reconciled) : FilingOutcome;

    /// <summary>The form is complete and saved at the portal; an officer must authorize it.</summary>
    /// <param name="ForWhom">The officer whose word is missing.</param>
    /// <param name="Why">What is missing.</param>
    /// <param name="ValuesSha256">Hash of the values to authorize.</param>
    public sealed record SavedUnsubmitted(string ForWhom, string Why, string ValuesSha256) : FilingOutcome;

    /// <summary>The portal refused values.</summary>
    /// <param name="Step">Page that refused.</param>
    /// <param name="Errors">Its messages by line.</param>
    public sealed record ValidationFailed(string Step, IReadOnlyList<PortalError> Errors) : FilingOutcome;

    /// <summary>The portal wants a new sign-in.</summary>
    public sealed record SessionExpired : FilingOutcome;

    /// <summary>The portal is down, slow or under maintenance: try again later.</summary>
    /// <param name="Why">What was seen.</param>
    public sealed record PortalUnavailable(string Why) : FilingOutcome;

    /// <summary>A page is not as the page map says: a person must look.</summary>
    /// <param name="Step">The page.</param>
    /// <param name="Field">The box, button or <c>page</c>.</param>
    /// <param name="Why">What was expected and seen.</param>
    public sealed record LayoutChanged(string Step, string Field, string Why) : FilingOutcome;

    /// <summary>The order was stopped before submission.</summary>
    /// <param name="Why">Why.</param>
    public sealed record Stopped(string Why) : FilingOutcome;

    /// <summary>An administrator must approve these values first.</summary>
    public sealed record ApprovalMissing : FilingOutcome;
}

/// <summary>Takes the evidence of one filing.</summary>
public interface IFilingEvidence
{
    /// <summary>Keeps a file; one of the same name is replaced.</summary>
    /// <param name="name">File name of letters, digits, dots and hyphens.</param>
    /// <param name="content">Its bytes.</param>
    /// <param name="contentType">Its media type.</param>
    /// <param name="ct">Stops the wait.</param>
    Task AddAsync(string name, ReadOnlyMemory<byte> content, string contentType, CancellationToken ct);
}
