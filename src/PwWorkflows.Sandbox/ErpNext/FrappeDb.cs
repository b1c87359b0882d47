using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Mail;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.Sandbox.ErpNext;

/// <summary>
/// The site's documents. Writes run one after the other, as row locks make them do on a real site; reads take no lock, because a
/// stored document never changes.
/// </summary>
public sealed class FrappeDb(TimeProvider clock)
{
    sealed class Table
    {
        public ConcurrentDictionary<string, Document> Docs { get; } = new(StringComparer.Ordinal);
        public ConcurrentDictionary<(string Field, string Value), ConcurrentDictionary<string, bool>> Index { get; } = new();
        public Dictionary<int, int> Series { get; } = [];
    }

    readonly Lock _gate = new();
    readonly Dictionary<string, Table> _tables = Site.DocTypes.Keys.ToDictionary(n => n, _ => new Table());

    /// <summary>The Sales Order workflow in force.</summary>
    public OrderWorkflow Workflow { get; set; } = OrderWorkflow.Default;

    /// <summary>Called after each save with the state before (null for a new document) and after, outside the lock.</summary>
    public Action<Document?, Document>? Saved { get; set; }

    /// <summary>Empties the site and puts the roles, users and items of a fresh one in.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            Workflow = OrderWorkflow.Default;
            foreach (var table in _tables.Values)
            {
                table.Docs.Clear();
                table.Index.Clear();
                table.Series.Clear();
            }
            foreach (var role in new[] { "Sales User", "Sales Manager", "Accounting Advisor", "Support Team", "Customer", Site.SystemManager })
                Seed("Role", new JsonObject { ["role_name"] = role });
            foreach (var (email, first) in new[]
            {
                ("Administrator", "Administrator"), (FrappeUser.OrderUser, "API"), (FrappeUser.ManagerUser, "Sensitive"), ("ops@performancewest.net", "Operations"),
            })
                Seed("User", new JsonObject { ["email"] = email, ["first_name"] = first, ["user_type"] = "System User", ["send_welcome_email"] = 0 });
            foreach (var (code, name, cents) in new[]
            {
                ("FCC-499A", "FCC Form 499-A", 49900), ("FCC-499A-ZERO", "FCC Form 499-A, zero revenue", 17900),
                ("FCC-COMPLIANCE-CHECKUP", "FCC Compliance Checkup", 79900), ("FCC-499A-499Q", "FCC Forms 499-A and 499-Q", 59900),
                ("FCC-499A-DISCONTINUANCE", "FCC Form 499-A discontinuance", 29900), ("FCC-499-INITIAL", "FCC Form 499 initial registration", 34900),
                ("RMD-FILING", "Robocall Mitigation Database filing", 24900), ("CPNI-CERTIFICATION", "CPNI certification", 14900),
                ("STIR-SHAKEN", "STIR/SHAKEN implementation", 39900),
            })
                Seed("Item", new JsonObject { ["item_code"] = code, ["item_name"] = name, ["standard_rate"] = cents / 100m });
            foreach (var carrier in UsacDemo.Entities)
            {
                foreach (var (kind, type, value) in new[] { ("totp", "TOTP", carrier.TotpSeed), ("username", "USERNAME", carrier.Username), ("password", "PASSWORD", carrier.Password) })
                    Seed("Sensitive ID", new JsonObject
                    {
                        ["name"] = string.Create(CultureInfo.InvariantCulture, $"usac-{kind}-{carrier.TelecomEntityId}"),
                        ["id_type"] = type,
                        ["encrypted_value"] = value,
                    });
            }
        }

        void Seed(string type, JsonObject fields) => Store(null, Build(Site.DocTypes[type], fields, "Administrator"));
    }

    /// <summary>The document, or null.</summary>
    public Document? Find(string type, string name) => _tables[type].Docs.GetValueOrDefault(name);

    /// <summary>The document.</summary>
    /// <exception cref="FrappeException">404: there is none.</exception>
    public Document Get(string type, string name) => Find(type, name) ?? throw FrappeException.NotFound(type, name);

    /// <summary>The documents a listing selects, in its order, cut to its page.</summary>
    public IEnumerable<Document> List(DocType type, ListQuery query) => query.Page(Candidates(type, query).Where(query.Matches));

    /// <summary>How many documents fulfil the conditions, whatever the page.</summary>
    public int Count(DocType type, ListQuery query) => Candidates(type, query).Count(query.Matches);

    IEnumerable<Document> Candidates(DocType type, ListQuery query)
    {
        var table = _tables[type.Name];
        ICollection<string>? fewest = null;
        foreach (var condition in query.Filters)
        {
            if (condition.Operator != "=" || condition.Value?.ToString() is not { Length: > 0 } value) continue;
            ICollection<string> names;
            if (condition.Field == "name") names = [value];
            else if (type.Field(condition.Field) is { Indexed: true })
                names = table.Index.TryGetValue((condition.Field, value.ToUpperInvariant()), out var set) ? set.Keys : [];
            else continue;
            if (fewest is null || names.Count < fewest.Count) fewest = names;
        }
        return fewest is null
            ? table.Docs.Values
            : fewest.Select(n => table.Docs.GetValueOrDefault(n)).OfType<Document>();
    }

    /// <summary>Creates a document.</summary>
    /// <exception cref="FrappeException">It breaks a rule, or its name is taken (409).</exception>
    public Document Insert(DocType type, JsonObject fields, FrappeUser user)
    {
        Document doc;
        lock (_gate)
        {
            doc = Build(type, fields, user.Name);
            Store(null, doc);
        }
        Saved?.Invoke(null, doc);
        return doc;
    }

    /// <summary>Changes a document; a <c>modified</c> among the changes must be the stored one.</summary>
    /// <exception cref="FrappeException">404; or 417: changed meanwhile, a rule broken, or no such workflow transition.</exception>
    public (Document Before, Document After) Update(DocType type, string name, JsonObject changes, FrappeUser user)
    {
        Document before, after;
        lock (_gate)
        {
            before = Get(type.Name, name);
            if (changes["modified"]?.ToString() is { } seen && seen != before.Text("modified"))
                throw FrappeException.Validation("TimestampMismatchError",
                    $"Error: Document has been modified after you have opened it ({before.Text("modified")}, {seen}). Please refresh to get the latest document.");
            after = Change(before, changes, user);
            Store(before, after);
        }
        Saved?.Invoke(before, after);
        return (before, after);
    }

    /// <summary>Takes the transition labelled <paramref name="action"/> of a Sales Order, document status included.</summary>
    /// <exception cref="FrappeException">404; or 417: no such action from here, or not by its owner.</exception>
    public (Document Before, Document After) ApplyWorkflow(string name, string action, FrappeUser user)
    {
        Document before, after;
        lock (_gate)
        {
            before = Get("Sales Order", name);
            var transition = Workflow.From(before.Text("workflow_state"), user.Roles).FirstOrDefault(t => t.Action == action)
                ?? throw FrappeException.Validation("WorkflowTransitionError", "Not a valid Workflow Action");
            if (!transition.AllowSelfApproval && before.Text("owner") == user.Name)
                throw FrappeException.Validation("Self approval is not allowed");
            var status = Workflow.States[transition.NextState];
            if (status < before.DocStatus || status - before.DocStatus > 1)
                throw FrappeException.Validation($"Illegal Document Status for {transition.NextState}");
            after = Change(before, new JsonObject { ["workflow_state"] = transition.NextState, ["docstatus"] = status }, user);
            Store(before, after);
        }
        Saved?.Invoke(before, after);
        return (before, after);
    }

    /// <summary>Deletes a document.</summary>
    /// <exception cref="FrappeException">404; or 417: it is submitted.</exception>
    public void Delete(DocType type, string name)
    {
        lock (_gate)
        {
            var doc = Get(type.Name, name);
            if (doc.DocStatus == 1)
                throw FrappeException.Validation($"{type.Name} <strong>{name}</strong>: Submitted Record cannot be deleted. You must cancel it first.");
            var table = _tables[type.Name];
            foreach (var field in type.Fields) if (field.Indexed) Unindex(table, doc, field.Name);
            table.Docs.TryRemove(name, out _);
        }
    }

    Document Build(DocType type, JsonObject input, string owner)
    {
        var now = Now();
        var fields = new Dictionary<string, JsonNode?>(StringComparer.Ordinal)
        {
            ["name"] = null,
            ["owner"] = owner,
            ["creation"] = now,
            ["modified"] = now,
            ["modified_by"] = owner,
            ["docstatus"] = 0,
            ["idx"] = 0,
        };
        foreach (var field in type.Fields)
        {
            var value = Coerce(field, input[field.Name]);
            if (value is null && field.Default is not null) value = Default(field.Default);
            fields[field.Name] = value;
        }
        var name = Name(type, fields, input);
        fields["name"] = name;
        Complete(type, fields, null, now);
        Check(type, fields, name);
        if (type.Name == "Sales Order" && fields["workflow_state"]!.ToString() is var state && state != Workflow.First)
            throw NoTransition(Workflow.First, state);
        // Only now, so that a refused document uses up no number.
        if (type.Naming == Naming.Series) _tables[type.Name].Series[Year()] = _tables[type.Name].Series.GetValueOrDefault(Year()) + 1;
        return new Document(type, fields);
    }

    Document Change(Document before, JsonObject changes, FrappeUser user)
    {
        var fields = new Dictionary<string, JsonNode?>(before.Fields, StringComparer.Ordinal);
        foreach (var (key, value) in changes)
        {
            if (before.Type.Field(key) is not { } field) continue;
            // A masked password that comes back means: leave it.
            if (field.Kind == FieldKind.Password && value?.ToString().All(c => c == '*') == true) continue;
            var coerced = Coerce(field, value);
            if (before.DocStatus == 1 && !field.AllowOnSubmit && coerced?.ToJsonString() != before.Fields.GetValueOrDefault(key)?.ToJsonString())
                throw FrappeException.Validation("UpdateAfterSubmitError",
                    $"Not allowed to change <strong>{field.Label}</strong> after submission");
            fields[key] = coerced;
        }
        if (changes["docstatus"] is { } wanted && int.TryParse(wanted.ToString(), CultureInfo.InvariantCulture, out var status) && status != before.DocStatus)
        {
            if (status != before.DocStatus + 1 || status > 2)
                throw FrappeException.Validation("DocstatusTransitionError", $"Cannot change docstatus from {before.DocStatus} to {status}");
            fields["docstatus"] = status;
        }
        var now = Now();
        if (string.CompareOrdinal(now, before.Text("modified")) <= 0)
            now = Format(DateTime.ParseExact(before.Text("modified")!, TimeFormat, CultureInfo.InvariantCulture).AddMicroseconds(1));
        fields["modified"] = now;
        fields["modified_by"] = user.Name;
        Complete(before.Type, fields, before, now);
        Check(before.Type, fields, before.Name);
        if (before.Type.Name == "Sales Order")
        {
            var (from, to) = (before.Text("workflow_state"), fields["workflow_state"]!.ToString());
            if (from != to && !Workflow.From(from, user.Roles).Any(t => t.NextState == to)) throw NoTransition(from, to);
        }
        return new Document(before.Type, fields);
    }

    static FrappeException NoTransition(string? from, string to) => FrappeException.Validation("WorkflowPermissionError",
        $"Workflow State transition not allowed from <strong>{from}</strong> to <strong>{to}</strong>");

    string Name(DocType type, Dictionary<string, JsonNode?> fields, JsonObject input)
    {
        var docs = _tables[type.Name].Docs;
        switch (type.Naming)
        {
            case Naming.Series:
                var series = _tables[type.Name].Series;
                return string.Create(CultureInfo.InvariantCulture, $"{type.NamingKey}-{Year()}-{series.GetValueOrDefault(Year()) + 1:00000}");
            case Naming.Hash:
                return Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(5));
            case Naming.FieldNumbered:
                var wanted = fields[type.NamingKey]?.ToString() ?? "";
                var name = wanted;
                for (var i = 1; docs.ContainsKey(name); i++) name = string.Create(CultureInfo.InvariantCulture, $"{wanted} - {i}");
                return name;
            default:
                name = type.Naming == Naming.Prompt
                    ? (input["name"] ?? input["__newname"])?.ToString() ?? throw FrappeException.Validation("Please set the document name")
                    : fields[type.NamingKey]?.ToString().Trim() ?? "";
                if (type.Name == "User" && name.Contains('@', StringComparison.Ordinal)) name = name.ToLowerInvariant();
                if (docs.ContainsKey(name)) throw new FrappeException("DuplicateEntryError", 409, $"{type.Name} <strong>{name}</strong> already exists");
                return name;
        }
    }

    /// <summary>What the doctypes' own code sets before validation.</summary>
    void Complete(DocType type, Dictionary<string, JsonNode?> fields, Document? before, string now)
    {
        switch (type.Name)
        {
            case "Sales Order":
                fields["transaction_date"] ??= now[..10];
                fields["workflow_state"] ??= Workflow.First;
                fields["customer_name"] = fields["customer"] is { } customer ? Find("Customer", customer.ToString())?.Text("customer_name") : null;
                fields["title"] ??= fields["customer_name"]?.DeepClone();
                fields["status"] = fields["docstatus"]!.GetValue<int>() switch { 1 => "To Deliver and Bill", 2 => "Cancelled", _ => fields["status"] };
                CompleteItems(fields, before);
                break;
            case "User":
                fields["email"] = fields["email"]?.ToString().Trim();
                fields["full_name"] = string.Join(' ', new[] { fields["first_name"], fields["last_name"] }.OfType<JsonNode>().Select(n => n.ToString()));
                break;
            case "Item":
                fields["item_name"] ??= fields["item_code"]?.DeepClone();
                fields["description"] ??= fields["item_name"]?.DeepClone();
                break;
        }
    }

    void CompleteItems(Dictionary<string, JsonNode?> fields, Document? before)
    {
        if (fields["items"] is not JsonArray rows || ReferenceEquals(rows, before?.Fields["items"])) return;
        decimal total = 0, count = 0;
        foreach (var row in rows.OfType<JsonObject>())
        {
            var item = row["item_code"] is { } code ? Find("Item", code.ToString()) : null;
            row["item_name"] ??= item?.Text("item_name");
            row["description"] ??= item?.Text("description");
            row["rate"] ??= item?.Fields["standard_rate"]?.DeepClone() ?? Money(0);
            row["delivery_date"] ??= fields["delivery_date"]?.DeepClone();
            var amount = Amount(row["qty"]) * Amount(row["rate"]);
            row["amount"] = Money(amount);
            total += amount;
            count += Amount(row["qty"]);
        }
        fields["delivery_date"] ??= rows.OfType<JsonObject>().Select(r => r["delivery_date"]?.ToString()).Max();
        fields["total_qty"] = Money(count);
        fields["total"] = Money(total);
        fields["grand_total"] = Money(total);
    }

    void Check(DocType type, Dictionary<string, JsonNode?> fields, string name)
    {
        var (missing, messages) = (new List<string>(), new List<string>());
        CheckMandatory(type, fields.GetValueOrDefault, "", missing, messages);
        if (missing.Count > 0)
            throw new FrappeException("MandatoryError", 417, $"[{type.Name}, {name}]: {string.Join(", ", missing)}") { ServerMessages = messages };
        foreach (var field in type.Fields) CheckField(field, fields[field.Name], fields.GetValueOrDefault, "");

        if (type.Name == "Sales Order")
        {
            if (fields["order_type"]?.ToString() == "Sales" && fields["delivery_date"] is null)
                throw FrappeException.Validation("Please enter Delivery Date");
            if (fields["po_no"]?.ToString() is { Length: > 0 } po && Twin(po, fields["customer"]!.ToString(), name) is { } other)
                throw FrappeException.Validation(
                    $"Sales Order {other} already exists against Customer's Purchase Order {po}. To allow multiple Sales Orders, Enable Allow Multiple Sales Orders Against a Customer's Purchase Order in Selling Settings");
        }
        if (type.Name == "User" && fields["email"]!.ToString() is var email && email != "Administrator" && !MailAddress.TryCreate(email, out _))
            throw FrappeException.Validation("InvalidEmailAddressError", $"{email} is not a valid Email Address");
    }

    string? Twin(string po, string customer, string name)
    {
        if (!_tables["Sales Order"].Index.TryGetValue(("po_no", po.ToUpperInvariant()), out var names)) return null;
        return names.Keys.FirstOrDefault(n => n != name && Find("Sales Order", n) is { DocStatus: < 2 } o && o.Text("customer") == customer);
    }

    static void CheckMandatory(DocType type, Func<string, JsonNode?> get, string row, List<string> missing, List<string> messages)
    {
        foreach (var field in type.Fields)
        {
            var value = get(field.Name);
            if (field.Mandatory && (value is null || (value is JsonArray { Count: 0 }) || value.ToString().Length == 0))
            {
                missing.Add(field.Name);
                messages.Add(field.Kind == FieldKind.Table
                    ? $"Error: Data missing in table: {field.Label}"
                    : $"Error: Value missing for {type.Name}: {row}{field.Label}");
            }
            if (field.Kind != FieldKind.Table || value is not JsonArray rows) continue;
            var child = Site.DocTypes[field.Target!];
            for (var i = 0; i < rows.Count; i++)
                if (rows[i] is JsonObject o)
                    CheckMandatory(child, n => o[n], string.Create(CultureInfo.InvariantCulture, $"Row #{i + 1}: "), missing, messages);
        }
    }

    void CheckField(FieldDef field, JsonNode? value, Func<string, JsonNode?> get, string row)
    {
        if (value is null) return;
        switch (field.Kind)
        {
            case FieldKind.Select when value.ToString() is { Length: > 0 } text && !field.Options.Contains(text):
                throw FrappeException.Validation(
                    $"{row}{field.Label} cannot be \"{text}\". It should be one of {string.Join(", ", field.Options.Where(o => o.Length > 0).Select(o => $"\"{o}\""))}");
            case FieldKind.Link when value.ToString() is { Length: > 0 } link && Find(field.Target!, link) is null:
                throw FrappeException.Validation("LinkValidationError", $"Could not find {row}{field.Label}: {link}");
            case FieldKind.DynamicLink when value.ToString() is { Length: > 0 } link:
                var type = get(field.Target!)?.ToString();
                if (type is null || !_tables.ContainsKey(type) || Find(type, link) is null)
                    throw FrappeException.Validation("LinkValidationError", $"Could not find {row}{field.Label}: {link}");
                break;
            case FieldKind.Table:
                var rows = (JsonArray)value;
                for (var i = 0; i < rows.Count; i++)
                    foreach (var column in Site.DocTypes[field.Target!].Fields)
                        CheckField(column, rows[i]![column.Name], n => rows[i]![n], string.Create(CultureInfo.InvariantCulture, $"Row #{i + 1}: "));
                break;
        }
    }

    static JsonNode? Coerce(FieldDef field, JsonNode? value)
    {
        if (value is null) return null;
        switch (field.Kind)
        {
            case FieldKind.Number:
                return int.TryParse(value.ToString(), CultureInfo.InvariantCulture, out var n) ? n : 0;
            case FieldKind.Check:
                return value.ToString() is "1" or "true" or "True" ? 1 : 0;
            case FieldKind.Currency:
                return Money(Amount(value));
            case FieldKind.Table:
                if (value is not JsonArray rows) throw FrappeException.Validation($"{field.Label} must be a list of rows");
                var child = Site.DocTypes[field.Target!];
                var stored = new JsonArray();
                foreach (var row in rows)
                {
                    if (row is not JsonObject given) throw FrappeException.Validation($"{field.Label} must be a list of rows");
                    var o = new JsonObject
                    {
                        ["name"] = given["name"]?.ToString() ?? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(5)),
                        ["idx"] = stored.Count + 1,
                        ["doctype"] = child.Name,
                        ["parentfield"] = field.Name,
                    };
                    foreach (var column in child.Fields)
                        o[column.Name] = Coerce(column, given[column.Name]) ?? (column.Default is null ? null : Default(column.Default));
                    stored.Add(o);
                }
                return stored;
            default:
                // Text columns take whatever scalar comes; an object is a mistake that MariaDB would refuse.
                return value is JsonObject or JsonArray
                    ? throw FrappeException.Validation($"{field.Label} must be text")
                    : value.GetValueKind() == JsonValueKind.String ? value.DeepClone() : value.ToString();
        }
    }

    static JsonNode Default(object value) => value switch
    {
        int n => n,
        decimal d => Money(d),
        _ => (string)value,
    };

    // Python writes a float with a fraction always; a decimal keeps its scale in JSON.
    static JsonValue Money(decimal amount) => JsonValue.Create(amount % 1 == 0 ? decimal.Truncate(amount) + 0.0m : amount);

    static decimal Amount(JsonNode? value) => decimal.TryParse(value?.ToString(), CultureInfo.InvariantCulture, out var d) ? d : 0;

    void Store(Document? before, Document doc)
    {
        var table = _tables[doc.Type.Name];
        table.Docs[doc.Name] = doc;
        foreach (var field in doc.Type.Fields)
        {
            if (!field.Indexed) continue;
            if (before is not null)
            {
                if (before.Text(field.Name) == doc.Text(field.Name)) continue;
                Unindex(table, before, field.Name);
            }
            if (doc.Text(field.Name) is { Length: > 0 } value)
                table.Index.GetOrAdd((field.Name, value.ToUpperInvariant()), _ => new())[doc.Name] = true;
        }
    }

    static void Unindex(Table table, Document doc, string field)
    {
        if (doc.Text(field) is { Length: > 0 } value && table.Index.TryGetValue((field, value.ToUpperInvariant()), out var names))
            names.TryRemove(doc.Name, out _);
    }

    const string TimeFormat = "yyyy-MM-dd HH:mm:ss.ffffff";

    static string Format(DateTime time) => time.ToString(TimeFormat, CultureInfo.InvariantCulture);

    string Now() => Format(clock.GetUtcNow().UtcDateTime);

    int Year() => clock.GetUtcNow().Year;
}
