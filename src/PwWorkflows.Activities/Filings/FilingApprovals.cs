using System.Globalization;
using PwWorkflows.Activities.Approvals;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Filings;

/// <summary>What an administrator is asked to approve before a form is filed.</summary>
/// <param name="Title">In one line.</param>
/// <param name="Subject">Stable key of the order, cycle and exactly these values.</param>
/// <param name="Details">The facts shown.</param>
public sealed record FilingApproval(string Title, string Subject, IReadOnlyDictionary<string, object?> Details);

/// <summary>The gate before a filing: orders that say so, or all (<c>FILING_APPROVAL</c>), need an administrator's approval of exactly the values to be filed.</summary>
public sealed class FilingApprovals(ApprovalStore approvals, ApprovalOptions options)
{
    /// <summary>Whether a filing of this order needs an approval at all.</summary>
    public bool IsNeeded(Order order)
    {
        ArgumentNullException.ThrowIfNull(order);
        return order.ApprovalRequired || options.EveryFiling;
    }

    /// <summary>What must be approved still; <c>null</c> when nothing needs to be or these values are.</summary>
    public async Task<FilingApproval?> MissingAsync(Order order, string cycle, Form499A form, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(form);
        if (!IsNeeded(order)) return null;
        var hash = form.ValuesSha256();
        var subject = string.Create(CultureInfo.InvariantCulture, $"filing:499-A:{form.FilingYear}:{Fulfilment.Correlation(order.OrderNumber, cycle)}:{hash}");
        var title = string.Create(CultureInfo.InvariantCulture, $"File FCC Form 499-A {form.FilingYear} for {form.LegalName}");
        var details = new Dictionary<string, object?>
        {
            ["Carrier"] = form.LegalName,
            ["Filer ID"] = form.FilerId,
            ["Filing year"] = form.FilingYear,
            ["Customer"] = $"{order.CustomerName} ({order.CustomerEmail})",
            ["Paid"] = string.Create(CultureInfo.InvariantCulture, $"{order.AmountCents / 100m:#,##0.00} {order.Currency.ToUpperInvariant()}{(order.PaymentMethod is null ? "" : $" by {order.PaymentMethod}")}"),
            ["Gross revenue (line 419)"] = string.Create(CultureInfo.InvariantCulture, $"{form.Line419.Total:#,##0} USD"),
            ["Contribution base (line 423)"] = string.Create(CultureInfo.InvariantCulture, $"{form.Line423.Total:#,##0} USD, interstate {form.Line423.Interstate:#,##0}, international {form.Line423.International:#,##0}"),
            ["Hash of the values"] = hash,
        };
        // Whoever draws workflows names the subject: an approval counts only when people were shown what this gate shows them.
        return await approvals.IsApprovedAsync(subject, title, order.OrderNumber, details, ct).ConfigureAwait(false) ? null : new(title, subject, details);
    }
}
