using Elsa.Workflows.Activities.Flowchart.Models;

namespace PwWorkflows.Engine;

/// <summary>How the engine runs on this node.</summary>
public sealed class EngineOptions
{
    /// <summary>Name of this node in leases. Default: machine, its start, process id and a random part, so that no two processes share one and a process that is gone can be told.</summary>
    public string NodeId { get; set; } = NodeNames.New();

    /// <summary>Names of properties that an instance hands on to those it starts.</summary>
    public ISet<string> InheritedProperties { get; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>How many instances of the queue run at once on this node; with 0 it only takes requests in, and other nodes carry out what they ask for. Default: 32.</summary>
    public int MaxConcurrency { get; set; } = 32;

    /// <summary>How long a node owns an instance or a work item without renewing. Default: 10 seconds.</summary>
    /// <remarks>Shortening it on a live system takes running instances away from slow nodes.</remarks>
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Longest time between two looks at the queue; signals wake it sooner. Default: 1 second.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>After so many nodes died while running an instance it is parked with an incident. Default: 3.</summary>
    public int MaxTakeovers { get; set; } = 3;

    /// <summary>How long a stimulus waits for its bookmark. Default: 1 day.</summary>
    public TimeSpan StimulusRetention { get; set; } = TimeSpan.FromDays(1);

    /// <summary>Path in front of HTTP endpoint routes. Default: /workflows.</summary>
    public string HttpBasePath { get; set; } = "/workflows";

    /// <summary>Serve HTTP endpoint routes without the base path as well, so that a route such as /api/v1/webhooks/stripe keeps its address. The host's own endpoints go before them. Default: false.</summary>
    public bool HttpAtRoot { get; set; }

    /// <summary>Paths of the host itself, such as /health: no endpoint can be published at or below them while <see cref="HttpAtRoot"/> is set. Each begins with a slash. Default: none.</summary>
    public IReadOnlyList<string> HttpReservedPaths { get; set; } = [];

    /// <summary>How the names of the host's own cookies begin: what a workflow answers can't set those. Default: none.</summary>
    public string? HttpReservedCookies { get; set; }

    /// <summary>Largest request body in bytes unless an endpoint says otherwise. Default: 1 MiB.</summary>
    public long HttpRequestSizeLimit { get; set; } = 1024 * 1024;

    /// <summary>How long an ended instance and its journal are kept, unless its definition says otherwise (custom property <c>retention</c>). Default: 90 days; null: for ever.</summary>
    public TimeSpan? Retention { get; set; } = TimeSpan.FromDays(90);

    /// <summary>Least time a faulted instance is kept, because a person may still retry it. Default: 365 days.</summary>
    public TimeSpan FaultedRetention { get; set; } = TimeSpan.FromDays(365);

    /// <summary>Time between two looks for instances whose time is over. Default: 1 hour.</summary>
    public TimeSpan RetentionInterval { get; set; } = TimeSpan.FromHours(1);

    /// <summary>How many instances one transaction deletes at most. Default: 100.</summary>
    public int RetentionBatch { get; set; } = 100;

    /// <summary>How flowcharts join unless a run says otherwise. Default: counter-based, as the library's.</summary>
    public FlowchartExecutionMode FlowchartMode { get; set; } = FlowchartExecutionMode.CounterBased;

    /// <summary>How long every saved state of a definition is kept, so that it can be looked at and restored. Default: 30 days.</summary>
    public TimeSpan RevisionRetention { get; set; } = TimeSpan.FromDays(30);
}
