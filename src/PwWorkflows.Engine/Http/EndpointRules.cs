using Elsa.Http;
using Microsoft.AspNetCore.Http;

namespace PwWorkflows.Engine.Http;

/// <summary>An activity that says in code what it listens to.</summary>
internal interface IListensToHttp
{
    /// <summary>What it listens to; may throw whatever its author's code throws.</summary>
    HttpEndpointOptions Options { get; }
}

/// <summary>What an HTTP endpoint can't ask for. Told at publish where it is known by then, else where the endpoint begins to wait.</summary>
internal static class EndpointRules
{
    public const string NoCallers = "asks for a signed-in caller, which this server does not look for: the endpoint would be open to everybody. Take it out, and check a signature or a shared secret in the workflow.";
    public const string NoTimeout = "is not supported; take it out.";
    private const string NoParameters = "has parameters, which only an endpoint that starts the workflow can have; expected a path that is known when the workflow begins to wait, such as one with the instance's id.";

    /// <summary>All that is wrong with what an endpoint listens to.</summary>
    public static IEnumerable<(string Property, string Message)> Problems(HttpEndpointOptions o, bool starts, EngineOptions options)
    {
        if (o.Authorize) yield return (nameof(o.Authorize), NoCallers);
        if (!string.IsNullOrWhiteSpace(o.Policy)) yield return (nameof(o.Policy), NoCallers);
        if (o.RequestTimeout is not null) yield return (nameof(o.RequestTimeout), NoTimeout);
        if (PathProblem(o.Path, starts, options) is { } wrong) yield return (nameof(o.Path), wrong);
    }

    /// <summary>What is wrong with a path; null when it is fine.</summary>
    /// <param name="path">The path, with or without slashes around it.</param>
    /// <param name="starts">The endpoint starts its workflow; false: it waits in the middle of one.</param>
    /// <param name="options">Says which paths are the host's.</param>
    public static string? PathProblem(string path, bool starts, EngineOptions options)
    {
        var trimmed = path.Trim().Trim('/');
        if (trimmed.Length == 0) return "is required; expected a path such as orders/{id}.";
        try
        {
            RouteTable.Key("", trimmed);
        }
        catch (FormatException e)
        {
            return e.Message;
        }
        if (!starts && RouteTable.IsTemplate(trimmed)) return NoParameters;
        if (!options.HttpAtRoot) return null;
        var full = new PathString("/" + trimmed);
        return options.HttpReservedPaths.FirstOrDefault(p => full.StartsWithSegments(p)) is { } reserved ? $"'{path}' is at an address of the server itself ({reserved}); expected another path." : null;
    }
}
