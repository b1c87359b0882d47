using System.Text.Json;
using System.Text.Json.Serialization;

namespace PwWorkflows.Activities.ErpNext;

/// <summary>One arrow of the Sales Order workflow.</summary>
/// <param name="From">State it leaves.</param>
/// <param name="Action">Label of the action, as <c>apply_workflow</c> wants it.</param>
/// <param name="To">State it leads to.</param>
public sealed record SalesOrderTransition(string From, string Action, string To);

/// <summary>A service as it is sold.</summary>
/// <param name="Item">ERPNext's item code.</param>
/// <param name="Name">What customers call it.</param>
public sealed record ServiceItem(string Item, string Name);

/// <summary>
/// What we know of the Sales Order workflow and the items, kept in a file because the site's administrators can change them:
/// <c>config/erpnext-workflow.json</c>.
/// </summary>
public sealed class ErpNextWorkflow
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        ReadCommentHandling = JsonCommentHandling.Skip,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    /// <summary>The main states in their order; who is at a later one has been through the earlier ones.</summary>
    public IReadOnlyList<string> States { get; init; } = [];

    /// <summary>States beside the main way, from which we don't move an order (cancelled, failed).</summary>
    public IReadOnlyList<string> SideStates { get; init; } = [];

    /// <summary>The arrows we use.</summary>
    public IReadOnlyList<SalesOrderTransition> Transitions { get; init; } = [];

    /// <summary>Custom fields of the Sales Order that take our <c>order_number</c>, <c>service_slug</c> and <c>batch_number</c>, where the site has them.</summary>
    public IReadOnlyDictionary<string, string> OrderFields { get; init; } = new Dictionary<string, string>();

    /// <summary>Item and name per service slug.</summary>
    public IReadOnlyDictionary<string, ServiceItem> Services { get; init; } = new Dictionary<string, ServiceItem>();

    /// <summary>Reads and checks the file.</summary>
    /// <exception cref="InvalidOperationException">It says nothing sensible; the message names the file and the mistake.</exception>
    public static ErpNextWorkflow Load(string path)
    {
        ErpNextWorkflow workflow;
        try
        {
            workflow = JsonSerializer.Deserialize<ErpNextWorkflow>(File.ReadAllBytes(path), Json) ?? throw new JsonException("the file is empty");
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"{path}: {e.Message}", e);
        }

        if (workflow.States.Count < 2) throw new InvalidOperationException($"{path}: states: expected at least two state names in their order.");
        var known = workflow.States.Concat(workflow.SideStates).ToHashSet(StringComparer.Ordinal);
        foreach (var t in workflow.Transitions)
        {
            if (!known.Contains(t.From)) throw new InvalidOperationException($"{path}: transitions: '{t.From}' is no state of the list.");
            if (!known.Contains(t.To)) throw new InvalidOperationException($"{path}: transitions: '{t.To}' is no state of the list.");
            if (string.IsNullOrWhiteSpace(t.Action)) throw new InvalidOperationException($"{path}: transitions: the one from '{t.From}' to '{t.To}' has no action.");
        }

        return workflow;
    }

    /// <summary>Whether an order in <paramref name="current"/> is at <paramref name="target"/> or beyond.</summary>
    public bool IsAtOrAfter(string current, string target)
    {
        var at = IndexOf(current);
        return at >= 0 && at >= IndexOf(target);
    }

    /// <summary>The arrows that lead forward from one state to another; <c>null</c> when none do.</summary>
    public IReadOnlyList<SalesOrderTransition>? Path(string from, string to)
    {
        var ways = new Dictionary<string, IReadOnlyList<SalesOrderTransition>>(StringComparer.Ordinal) { [from] = [] };
        var next = new Queue<string>([from]);
        while (next.TryDequeue(out var state))
        {
            if (state == to) return ways[state];
            foreach (var t in Transitions.Where(t => t.From == state && !SideStates.Contains(t.To) && !ways.ContainsKey(t.To)))
            {
                ways[t.To] = [.. ways[state], t];
                next.Enqueue(t.To);
            }
        }

        return null;
    }

    /// <summary>The item code of a service: the one of the file, else the slug in capitals.</summary>
    public string ItemFor(string slug)
    {
        ArgumentNullException.ThrowIfNull(slug);
        return Services.TryGetValue(slug, out var service) ? service.Item : slug.ToUpperInvariant();
    }

    /// <summary>What customers call a service: the name of the file, else the slug.</summary>
    public string NameFor(string slug) => Services.TryGetValue(slug, out var service) ? service.Name : slug;

    private int IndexOf(string state)
    {
        for (var i = 0; i < States.Count; i++)
        {
            if (States[i] == state) return i;
        }

        return -1;
    }
}
