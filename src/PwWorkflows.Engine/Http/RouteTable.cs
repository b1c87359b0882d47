using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Template;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Http;

/// <summary>Routes of published HTTP endpoints: exact paths by look-up, templates such as orders/{id} by trial.</summary>
public sealed class RouteTable
{
    private readonly Dictionary<string, TriggerRow> _exact = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<(string Method, TemplateMatcher Matcher, TriggerRow Trigger)> _templates = [];

    private RouteTable() { }

    /// <summary>No routes.</summary>
    public static RouteTable Empty { get; } = new();

    /// <summary>A table of triggers that have a route key.</summary>
    public static RouteTable Build(IEnumerable<TriggerRow> triggers)
    {
        var table = new RouteTable();
        foreach (var t in triggers)
        {
            var (method, path) = Split(t.RouteKey!);
            if (path.Contains('{', StringComparison.Ordinal)) table._templates.Add((method, new TemplateMatcher(TemplateParser.Parse(path.TrimStart('/')), []), t));
            else table._exact[$"{method} {path.TrimEnd('/')}"] = t;
        }
        return table;
    }

    /// <summary>Key of a route: method and normalised path.</summary>
    public static string Key(string method, string path) => $"{method.ToUpperInvariant()} /{path.Trim().Trim('/')}";

    /// <summary>Finds the trigger of a request.</summary>
    public bool TryMatch(string method, string path, [NotNullWhen(true)] out TriggerRow? trigger, out RouteValueDictionary? values)
    {
        values = null;
        if (_exact.TryGetValue($"{method} {path.TrimEnd('/')}", out trigger)) return true;
        foreach (var (m, matcher, t) in _templates)
        {
            if (!string.Equals(m, method, StringComparison.OrdinalIgnoreCase)) continue;
            var found = new RouteValueDictionary();
            if (!matcher.TryMatch(path, found)) continue;
            trigger = t;
            values = found;
            return true;
        }
        return false;
    }

    private static (string Method, string Path) Split(string key)
    {
        var space = key.IndexOf(' ', StringComparison.Ordinal);
        return (key[..space], key[(space + 1)..]);
    }
}
