using System.Reflection;
using Elsa.Workflows.UIHints.Dropdown;

namespace PwWorkflows.Activities.Notifications;

/// <summary>The mail templates as choices in the designer: those of the folder, an operator's too.</summary>
internal sealed class MailTemplateChoices(MailPreviews previews) : DropDownOptionsProviderBase
{
    protected override ValueTask<ICollection<SelectListItem>> GetItemsAsync(PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken) =>
        ValueTask.FromResult<ICollection<SelectListItem>>([.. previews.List().Select(static n => new SelectListItem(n, n))]);
}
