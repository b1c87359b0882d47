using System.Security.Cryptography;

namespace PwWorkflows.Engine.Studio;

/// <summary>How the API that Elsa Studio speaks is served.</summary>
public sealed class StudioOptions
{
    /// <summary>Path in front of <c>/api</c> and <c>/hubs</c>. Default: /elsa.</summary>
    public string BasePath { get; set; } = "/elsa";

    /// <summary>Authentication schemes of the host that callers may use; their principals carry claims of type <see cref="StudioPermissions.ClaimType"/> and a name. Empty: the host's default scheme.</summary>
    public IReadOnlyList<string> AuthenticationSchemes { get; set; } = [];

    /// <summary>
    /// Whether an activity, by its class, may be tried out by itself: it then really runs, and nothing that it enlists is committed. Tasks, jobs and what hands work to the engine never
    /// may. Default: all others.
    /// </summary>
    public Func<Type, bool> MayTryOut { get; set; } = static _ => true;

    /// <summary>Signs links that resume bookmarks; the same on all nodes. Default: a random one, whose links end with the process.</summary>
    public ReadOnlyMemory<byte> LinkKey { get; set; } = RandomNumberGenerator.GetBytes(32);
}
