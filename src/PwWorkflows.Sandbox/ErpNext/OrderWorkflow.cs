namespace PwWorkflows.Sandbox.ErpNext;

/// <summary>A transition of the Sales Order workflow.</summary>
/// <param name="State">State it starts from.</param>
/// <param name="Action">Label of the action.</param>
/// <param name="NextState">State it leads to.</param>
/// <param name="Allowed">Role that may take it.</param>
/// <param name="AllowSelfApproval">Whether the owner of the document may take it.</param>
public sealed record OrderTransition(string State, string Action, string NextState, string Allowed, bool AllowSelfApproval = true);

/// <summary>The site's workflow on Sales Order: its states in order with their document status, and its transitions.</summary>
/// <param name="States">State and the <c>docstatus</c> it asks for.</param>
/// <param name="Transitions">Every transition.</param>
public sealed record OrderWorkflow(IReadOnlyDictionary<string, int> States, IReadOnlyList<OrderTransition> Transitions)
{
    const string Api = "Sales User";

    /// <summary>The workflow of a fresh site.</summary>
    public static OrderWorkflow Default { get; } = new(
        new Dictionary<string, int>
        {
            ["Pending Payment"] = 0,
            ["Service Queued"] = 0,
            ["In Progress"] = 0,
            ["Review"] = 0,
            ["Delivered"] = 1,
            ["Revision Requested"] = 0,
            ["Failed"] = 0,
            ["On Hold"] = 0,
            ["Cancelled"] = 0,
        },
        [
            new("Pending Payment", "Queue Service", "Service Queued", Api),
            new("Pending Payment", "Cancel Order", "Cancelled", Api),
            new("Service Queued", "Start Work", "In Progress", Api),
            new("Service Queued", "Put On Hold", "On Hold", Api),
            new("Service Queued", "Mark Failed", "Failed", Api),
            new("Service Queued", "Cancel Order", "Cancelled", Api),
            new("In Progress", "Submit for Review", "Review", Api),
            new("In Progress", "Put On Hold", "On Hold", Api),
            new("In Progress", "Mark Failed", "Failed", Api),
            new("In Progress", "Cancel Order", "Cancelled", Api),
            new("Review", "Deliver", "Delivered", Api),
            new("Review", "Request Revision", "Revision Requested", Api),
            new("Review", "Put On Hold", "On Hold", Api),
            new("Review", "Cancel Order", "Cancelled", Api),
            new("Revision Requested", "Resume Work", "In Progress", Api),
            new("Revision Requested", "Cancel Order", "Cancelled", Api),
            new("Failed", "Queue Service", "Service Queued", Api),
            new("Failed", "Cancel Order", "Cancelled", Api),
            new("On Hold", "Queue Service", "Service Queued", Api),
            new("On Hold", "Resume Work", "In Progress", Api),
            new("On Hold", "Cancel Order", "Cancelled", Api),
            new("Cancelled", "Reinstate", "Pending Payment", Site.SystemManager, AllowSelfApproval: false),
        ]);

    /// <summary>The state a new order has.</summary>
    public string First => States.Keys.First();

    /// <summary>The transitions out of <paramref name="state"/> for someone with <paramref name="roles"/>.</summary>
    public IReadOnlyList<OrderTransition> From(string? state, IReadOnlySet<string> roles) =>
        [.. Transitions.Where(t => t.State == state && roles.Contains(t.Allowed))];
}
