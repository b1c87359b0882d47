namespace PwWorkflows.Sandbox.Core;

/// <summary>What every system of the sandbox is given.</summary>
/// <param name="Clock">The sandbox's clock; the only source of the time of day.</param>
/// <param name="Options">How the sandbox was started.</param>
/// <param name="Masking">Hides secrets in logs.</param>
public sealed record SandboxContext(SandboxClock Clock, SandboxOptions Options, Masking Masking);

/// <summary>
/// One outside system the sandbox stands in for, mounted at <c>/&lt;name&gt;</c>. The core adds <c>_log</c> and <c>_faults</c>,
/// writes every request that isn't a control one (first segment beginning with an underscore) to the log, and plays HTTP faults on it.
/// State is in memory and guarded by the system itself.
/// </summary>
public abstract class SandboxSystem
{
    /// <summary>Creates the system.</summary>
    /// <param name="name">Name and path prefix, lower case.</param>
    /// <param name="context">What the core gives.</param>
    /// <param name="faultKinds">Fault kinds that the system plays itself, taken with <see cref="FaultBoard.Take"/>.</param>
    protected SandboxSystem(string name, SandboxContext context, params string[] faultKinds)
    {
        Name = name;
        Context = context;
        OwnFaultKinds = faultKinds;
        Log = new SystemLog(context.Masking);
    }

    /// <summary>Name and path prefix, lower case.</summary>
    public string Name { get; }

    /// <summary>What it received and did.</summary>
    public SystemLog Log { get; }

    /// <summary>The faults set on it.</summary>
    public FaultBoard Faults { get; } = new();

    /// <summary>Fault kinds that the system plays itself.</summary>
    public IReadOnlyList<string> OwnFaultKinds { get; }

    /// <summary>
    /// Whether the core logs HTTP requests and plays faults on them. False for a system whose work is not HTTP and whose pages
    /// are only for looking at (mail).
    /// </summary>
    public virtual bool SpeaksHttp => true;

    /// <summary>Where a person looks at the system.</summary>
    public virtual string HomePath => "/" + Name;

    /// <summary>What the core gave.</summary>
    protected SandboxContext Context { get; }

    /// <summary>The sandbox's clock.</summary>
    protected SandboxClock Clock => Context.Clock;

    /// <summary>Maps the routes; <paramref name="routes"/> is already at <c>/&lt;name&gt;</c>.</summary>
    public abstract void Map(IEndpointRouteBuilder routes);

    /// <summary>Forgets everything and starts clean; the core clears the log and the faults.</summary>
    public abstract void Reset();

    /// <summary>Starts what runs besides HTTP; called before the first request.</summary>
    public virtual Task StartAsync(CancellationToken ct) => Task.CompletedTask;

    /// <summary>Stops what <see cref="StartAsync"/> started.</summary>
    public virtual Task StopAsync(CancellationToken ct) => Task.CompletedTask;

    /// <summary>Body and content type of an injected <c>status</c> fault, in the manner of the system.</summary>
    public virtual (string ContentType, string Body) FaultBody(int status) => ("text/plain", $"Injected fault: {status}");

    /// <summary>The maintenance page of the system.</summary>
    public virtual string MaintenancePage =>
        "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>We'll be back soon</h1>"
        + "<p>The system is being updated. Please try again in a few minutes.</p></body></html>";
}
