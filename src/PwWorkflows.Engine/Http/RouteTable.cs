using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using Elsa.Expressions.Helpers;
using Elsa.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Template;
using Microsoft.Extensions.Logging;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Http;

/// <summary>The route of a published HTTP endpoint.</summary>
/// <param name="Trigger">What it starts.</param>
/// <param name="RequestSizeLimit">Largest body in bytes; null: the server's limit.</param>
public sealed record HttpRoute(TriggerRow Trigger, long? RequestSizeLimit);

/// <summary>Routes of published HTTP endpoints: exact paths by look-up, templates such as orders/{id} by trial, the more exact ones first.</summary>
public sealed class RouteTable
{
    private readonly Dictionary<string, HttpRoute> _exact = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<(string Method, decimal Precedence, TemplateMatcher Matcher, HttpRoute Route)> _templates = [];

    private RouteTable() { }

    /// <summary>No routes.</summary>
    public static RouteTable Empty { get; } = new();

    /// <summary>A table of triggers that have a route key. One that can't be served is left out and told to the log: the others must not go down with it.</summary>
    public static RouteTable Build(IEnumerable<TriggerRow> triggers, ILogger logger)
    {
        var table = new RouteTable();
        var keys = new Dictionary<string, TriggerRow>(StringComparer.Ordinal);
        foreach (var t in triggers)
        {
            try
            {
                var endpoint = Read(t);
                // It was published before such endpoints were refused. Who asks for a guard must not be open.
                if (endpoint.Authorize == true || endpoint.Policy is not null) throw new FormatException("it asks for a signed-in caller, which is not supported");
                var key = Key(endpoint.Method, endpoint.Path);
                if (!keys.TryAdd(key, t)) throw new FormatException($"the workflow '{keys[key].DefinitionId}' has the same route");
                table.Add(endpoint, t);
            }
            catch (FormatException e)
            {
                logger.LogError("The route {Route} of the workflow {DefinitionId} is not served: {Reason}", t.RouteKey, t.DefinitionId, e.Message);
            }
        }
        table._templates.Sort((a, b) => a.Precedence.CompareTo(b.Precedence));
        return table;
    }

    /// <summary>Key of a route: the same for all that the same requests would meet, whatever the case of their paths and the names of their parameters.</summary>
    /// <exception cref="FormatException">The path can't be a route; tells why.</exception>
    public static string Key(string method, string path)
    {
        var key = new StringBuilder(method.ToUpperInvariant()).Append(' ');
        var parameters = 0;
        foreach (var segment in Parse(path).Segments)
        {
            key.Append('/');
            foreach (var part in segment.Parts)
            {
                if (!part.IsParameter) key.Append(part.Text!.ToLowerInvariant());
                else key.Append(part.IsCatchAll ? "{*" : "{").Append(++parameters).Append('}');
            }
        }
        return key.ToString();
    }

    /// <summary>Key of a stored trigger's route. Read from what it listens to: a row that is older than the rule above has another in its column.</summary>
    internal static string? KeyOf(TriggerRow trigger)
    {
        if (trigger.RouteKey is null) return null;
        try
        {
            var endpoint = Read(trigger);
            return Key(endpoint.Method, endpoint.Path);
        }
        catch (FormatException)
        {
            return trigger.RouteKey;
        }
    }

    /// <summary>Whether a path has parameters, such as {id}.</summary>
    internal static bool IsTemplate(string path) => path.Contains('{', StringComparison.Ordinal);

    /// <summary>Finds the route of a request.</summary>
    public bool TryMatch(string method, string path, [NotNullWhen(true)] out HttpRoute? route, out RouteValueDictionary? values)
    {
        values = null;
        if (_exact.TryGetValue($"{method} {path.TrimEnd('/')}", out route)) return true;
        foreach (var (m, _, matcher, r) in _templates)
        {
            if (!string.Equals(m, method, StringComparison.OrdinalIgnoreCase)) continue;
            var found = new RouteValueDictionary();
            if (!matcher.TryMatch(path, found)) continue;
            route = r;
            values = found;
            return true;
        }
        return false;
    }

    private void Add(HttpEndpointBookmarkPayload endpoint, TriggerRow trigger)
    {
        var route = new HttpRoute(trigger, endpoint.RequestSizeLimit);
        if (!IsTemplate(endpoint.Path))
        {
            _exact[$"{endpoint.Method} {endpoint.Path.TrimEnd('/')}"] = route;
            return;
        }
        var template = Parse(endpoint.Path);
        var defaults = new RouteValueDictionary(template.Parameters.Where(p => p.DefaultValue is not null).Select(p => KeyValuePair.Create(p.Name!, p.DefaultValue)));
        _templates.Add((endpoint.Method, RoutePrecedence.ComputeInbound(template), new TemplateMatcher(template, defaults), route));
    }

    private static RouteTemplate Parse(string path)
    {
        RouteTemplate template;
        try
        {
            template = TemplateParser.Parse(path.Trim().Trim('/'));
        }
        catch (ArgumentException e)
        {
            throw new FormatException($"'{path}' is not a path such as orders/{{id}}: {e.InnerException?.Message ?? e.Message}", e);
        }
        return template.Parameters.FirstOrDefault(p => p.InlineConstraints.Any()) is { } constrained
            ? throw new FormatException($"'{path}' has the constraint '{constrained.InlineConstraints.First().Constraint}' on {{{constrained.Name}}}; constraints are not supported, so check the value in the workflow.")
            : template;
    }

    private static HttpEndpointBookmarkPayload Read(TriggerRow trigger)
    {
        try
        {
            if (JsonSerializer.Deserialize<HttpEndpointBookmarkPayload>(trigger.Payload, ObjectConverter.Json) is { Path: not null, Method: not null } endpoint) return endpoint;
        }
        catch (JsonException e)
        {
            throw new FormatException($"what it listens to can't be read: {e.Message}", e);
        }
        throw new FormatException("what it listens to has no path or no method");
    }
}
