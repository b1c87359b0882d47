using System.Collections.Frozen;
using System.Globalization;

namespace PwWorkflows.Sandbox.ErpNext;

/// <summary>Kinds of fields that behave differently.</summary>
public enum FieldKind
{
    /// <summary>Text.</summary>
    Data,

    /// <summary>Whole number.</summary>
    Number,

    /// <summary>Amount with a fraction.</summary>
    Currency,

    /// <summary>0 or 1.</summary>
    Check,

    /// <summary>Text out of a list of options.</summary>
    Select,

    /// <summary>Name of a document of the doctype in <see cref="FieldDef.Target"/>.</summary>
    Link,

    /// <summary>Name of a document of the doctype that the field in <see cref="FieldDef.Target"/> names.</summary>
    DynamicLink,

    /// <summary>Rows of the doctype in <see cref="FieldDef.Target"/>.</summary>
    Table,

    /// <summary>Write only; reads as five stars.</summary>
    Password,
}

/// <summary>A field of a doctype.</summary>
/// <param name="Name">Field name.</param>
/// <param name="Kind">How it behaves.</param>
public sealed record FieldDef(string Name, FieldKind Kind = FieldKind.Data)
{
    /// <summary>Whether a document without it is refused.</summary>
    public bool Mandatory { get; init; }

    /// <summary>Value when none is given.</summary>
    public object? Default { get; init; }

    /// <summary>Doctype linked or of the rows; for a dynamic link the field that names it.</summary>
    public string? Target { get; init; }

    /// <summary>Options of a Select.</summary>
    public string[] Options { get; init; } = [];

    /// <summary>Whether it may change after submission.</summary>
    public bool AllowOnSubmit { get; init; }

    /// <summary>Whether equality filters on it use an index.</summary>
    public bool Indexed { get; init; }

    /// <summary>Label as messages show it.</summary>
    public string Label { get; } = CultureInfo.InvariantCulture.TextInfo.ToTitleCase(
        (Name.StartsWith("custom_", StringComparison.Ordinal) ? Name["custom_".Length..] : Name).Replace('_', ' '));
}

/// <summary>How a doctype names its documents.</summary>
public enum Naming
{
    /// <summary>A series with the year, such as <c>SAL-ORD-2026-00001</c>.</summary>
    Series,

    /// <summary>The value of a field; a second one is refused.</summary>
    Field,

    /// <summary>The value of a field; a second one gets <c> - 1</c> behind it.</summary>
    FieldNumbered,

    /// <summary>A random hash of ten characters.</summary>
    Hash,

    /// <summary>The caller names it.</summary>
    Prompt,
}

/// <summary>A doctype: its fields, naming and who may do what.</summary>
public sealed class DocType
{
    readonly FrozenDictionary<string, FieldDef> _byName;

    /// <summary>Creates the doctype.</summary>
    public DocType(string name, Naming naming, string namingKey, string[] readers, string[] writers, params FieldDef[] fields)
    {
        (Name, Naming, NamingKey, Readers, Writers, Fields) = (name, naming, namingKey, readers, writers, fields);
        _byName = fields.ToFrozenDictionary(f => f.Name);
    }

    /// <summary>Name, such as <c>Sales Order</c>.</summary>
    public string Name { get; }

    /// <summary>How documents are named.</summary>
    public Naming Naming { get; }

    /// <summary>Prefix of the series, or the field that gives the name.</summary>
    public string NamingKey { get; }

    /// <summary>Roles that may read.</summary>
    public string[] Readers { get; }

    /// <summary>Roles that may create, change and delete.</summary>
    public string[] Writers { get; }

    /// <summary>Fields in order, besides the standard ones every document has.</summary>
    public FieldDef[] Fields { get; }

    /// <summary>The field of this name, or null.</summary>
    public FieldDef? Field(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Fields every document has.</summary>
    public static FrozenSet<string> Standard { get; } = new[] { "name", "owner", "creation", "modified", "modified_by", "docstatus", "idx" }.ToFrozenSet();
}

/// <summary>The doctypes of the sandbox's site: ERPNext's own as far as the product touches them, and the site's custom ones.</summary>
public static class Site
{
    /// <summary>Role of whoever may do everything, reading passwords included.</summary>
    public const string SystemManager = "System Manager";

    static readonly string[] Office = ["Sales User", "Sales Manager", SystemManager];
    static readonly string[] Managers = [SystemManager];

    /// <summary>All doctypes by name.</summary>
    public static FrozenDictionary<string, DocType> DocTypes { get; } = new DocType[]
    {
        new("Customer", Naming.FieldNumbered, "customer_name", Office, Office,
            new("customer_name") { Mandatory = true, Indexed = true },
            new("customer_type", FieldKind.Select) { Mandatory = true, Default = "Company", Options = ["Company", "Individual", "Partnership"] },
            new("customer_group") { Default = "Commercial" },
            new("territory") { Default = "United States" },
            new("email_id") { Indexed = true },
            new("mobile_no"),
            new("tax_id"),
            new("website"),
            new("disabled", FieldKind.Check) { Default = 0 },
            new("custom_frn") { Indexed = true },
            new("custom_filer_id") { Indexed = true },
            new("custom_telecom_entity_id", FieldKind.Number)),
        new("Sales Order", Naming.Series, "SAL-ORD", Office, Office,
            new("customer", FieldKind.Link) { Target = "Customer", Mandatory = true, Indexed = true },
            new("customer_name"),
            new("title"),
            new("company") { Mandatory = true, Default = "Performance West" },
            new("order_type", FieldKind.Select) { Mandatory = true, Default = "Sales", Options = ["", "Sales", "Maintenance", "Shopping Cart"] },
            new("transaction_date") { Mandatory = true },
            new("delivery_date"),
            new("po_no") { Indexed = true, AllowOnSubmit = true },
            new("po_date"),
            new("contact_email"),
            new("currency") { Mandatory = true, Default = "USD" },
            new("items", FieldKind.Table) { Target = "Sales Order Item", Mandatory = true },
            new("total_qty", FieldKind.Currency),
            new("total", FieldKind.Currency),
            new("grand_total", FieldKind.Currency),
            new("status", FieldKind.Select)
            {
                Mandatory = true, Default = "Draft",
                Options = ["", "Draft", "On Hold", "To Deliver and Bill", "To Bill", "To Deliver", "Completed", "Cancelled", "Closed"],
            },
            new("workflow_state") { AllowOnSubmit = true, Indexed = true },
            new("custom_order_number") { Indexed = true },
            new("custom_batch_number") { Indexed = true },
            new("custom_service_slug") { Indexed = true },
            new("custom_telecom_entity_id", FieldKind.Number),
            new("custom_payment_method") { AllowOnSubmit = true },
            new("custom_payment_reference") { AllowOnSubmit = true },
            new("custom_confirmation_number") { AllowOnSubmit = true },
            new("custom_evidence") { AllowOnSubmit = true }),
        new("Sales Order Item", Naming.Hash, "", Office, Office,
            new("item_code", FieldKind.Link) { Target = "Item", Mandatory = true },
            new("item_name"),
            new("description"),
            new("delivery_date"),
            new("qty", FieldKind.Currency) { Mandatory = true, Default = 1.0m },
            new("uom") { Default = "Nos" },
            new("rate", FieldKind.Currency),
            new("amount", FieldKind.Currency)),
        new("Item", Naming.Field, "item_code", Office, Office,
            new("item_code") { Mandatory = true, Indexed = true },
            new("item_name"),
            new("item_group") { Mandatory = true, Default = "Services" },
            new("stock_uom") { Mandatory = true, Default = "Nos" },
            new("is_stock_item", FieldKind.Check) { Default = 0 },
            new("standard_rate", FieldKind.Currency),
            new("description"),
            new("disabled", FieldKind.Check) { Default = 0 }),
        new("User", Naming.Field, "email", Office, Office,
            new("email") { Mandatory = true, Indexed = true },
            new("first_name") { Mandatory = true },
            new("last_name"),
            new("full_name"),
            new("enabled", FieldKind.Check) { Default = 1 },
            new("user_type", FieldKind.Select) { Default = "Website User", Options = ["Website User", "System User"] },
            new("send_welcome_email", FieldKind.Check) { Default = 1 },
            new("new_password", FieldKind.Password),
            new("roles", FieldKind.Table) { Target = "Has Role" }),
        new("Has Role", Naming.Hash, "", Office, Office, new FieldDef("role", FieldKind.Link) { Target = "Role" }),
        new("Role", Naming.Field, "role_name", Office, Managers, new FieldDef("role_name") { Mandatory = true }),
        new("ToDo", Naming.Hash, "", Office, Office,
            new("description") { Mandatory = true },
            new("status", FieldKind.Select) { Default = "Open", Options = ["Open", "Closed", "Cancelled"], Indexed = true },
            new("priority", FieldKind.Select) { Default = "Medium", Options = ["High", "Medium", "Low"] },
            new("date"),
            new("color"),
            new("allocated_to", FieldKind.Link) { Target = "User", Indexed = true },
            new("role", FieldKind.Link) { Target = "Role" },
            new("reference_type"),
            new("reference_name", FieldKind.DynamicLink) { Target = "reference_type", Indexed = true },
            new("assigned_by", FieldKind.Link) { Target = "User" },
            new("sender"),
            new("assignment_rule")),
        new("Sensitive ID", Naming.Prompt, "", Office, Managers,
            new("id_type") { Mandatory = true },
            new("encrypted_value", FieldKind.Password) { Mandatory = true }),
        new("Commission Ledger Entry", Naming.Field, "reference", Office, Office,
            new("reference") { Mandatory = true, Indexed = true },
            new("order_number") { Mandatory = true, Indexed = true },
            new("partner") { Mandatory = true, Indexed = true },
            new("entry_type", FieldKind.Select) { Mandatory = true, Options = ["Earned", "Adjustment"] },
            new("amount", FieldKind.Currency) { Mandatory = true },
            new("status", FieldKind.Select) { Mandatory = true, Options = ["pending", "payable", "reversed"] },
            new("clears_on"),
            new("statement"),
            new("reason")),
        new("Issue", Naming.Series, "ISS", Office, Office,
            new("subject") { Mandatory = true },
            new("status", FieldKind.Select) { Default = "Open", Options = ["Open", "Replied", "On Hold", "Resolved", "Closed"], Indexed = true },
            new("priority"),
            new("customer", FieldKind.Link) { Target = "Customer", Indexed = true },
            new("raised_by"),
            new("description")),
        new("Webhook Request Log", Naming.Hash, "", Managers, [],
            new("webhook"),
            new("reference_document"),
            new("url"),
            new("headers"),
            new("data"),
            new("response"),
            new("error")),
    }.ToFrozenDictionary(d => d.Name);
}
