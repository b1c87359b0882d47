using System.Reflection;
using Elsa.Workflows.UIHints.Dropdown;

namespace PwWorkflows.Activities.ErpNext;

/// <summary>The states of Sales Orders as choices in the designer: those of the site's own workflow.</summary>
internal sealed class SalesOrderStates(SalesOrders orders) : DropDownOptionsProviderBase
{
    protected override ValueTask<ICollection<SelectListItem>> GetItemsAsync(PropertyInfo propertyInfo, object? context, CancellationToken cancellationToken) =>
        ValueTask.FromResult<ICollection<SelectListItem>>([.. orders.Workflow.States.Concat(orders.Workflow.SideStates).Select(static s => new SelectListItem(s, s))]);
}
