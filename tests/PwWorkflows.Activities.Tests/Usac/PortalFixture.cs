using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Activities.Usac;
using PwWorkflows.Sandbox;
using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.Activities.Tests.Usac;

/// <summary>One sandbox and one browser for the tests of the portal; each test starts with clean books.</summary>
public sealed class PortalFixture : IAsyncLifetime
{
    public SandboxHost Sandbox { get; private set; } = null!;
    public UsacSystem Usac => Sandbox.System<UsacSystem>();
    public UsacOptions Options { get; private set; } = null!;
    public ChromiumPool Browsers { get; private set; } = null!;

    public static string MapPath
    {
        get
        {
            var folder = new DirectoryInfo(AppContext.BaseDirectory);
            while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "PwWorkflows.sln"))) folder = folder.Parent;
            return Path.Combine(folder!.FullName, "portals", "usac-499a.json");
        }
    }

    public async ValueTask InitializeAsync()
    {
        Sandbox = await SandboxHost.StartAsync(null, CancellationToken.None);
        Options = new()
        {
            PortalUrl = new Uri(Sandbox.BaseUrl + "/usac/"),
            PageMapPath = MapPath,
            StepTimeout = TimeSpan.FromSeconds(20),
        };
        Browsers = new(Options, TimeProvider.System, NullLogger<ChromiumPool>.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        await Browsers.DisposeAsync();
        await Sandbox.DisposeAsync();
    }

    public void Clean()
    {
        Usac.Faults.Clear();
        Usac.Reset();
        Usac.Log.Clear();
        Sandbox.Clock.Reset();
    }

    public UsacPortal Portal(PageMap? map = null, UsacOptions? options = null) =>
        new(Browsers, map ?? PageMap.Load(MapPath), options ?? Options, TimeProvider.System, NullLogger<UsacPortal>.Instance);

    public string SignedIn(int entity = 1) => Usac.StorageState(entity, new Uri(Sandbox.BaseUrl));

    public static FilingRequest Request(Form499A? form = null, bool authorized = true, string order = SampleForm.OrderNumber)
    {
        form ??= SampleForm.Form();
        return new(form, order, authorized ? SampleForm.Authorize(form, TimeProvider.System.GetUtcNow()) : null);
    }

    public void Fault(string kind, string? match = null, string? method = null, int? count = 1, int status = 500, string? field = null, int delayMs = 0) =>
        Usac.Faults.Add(new Fault
        {
            Kind = kind,
            Match = match,
            Method = method,
            Count = count,
            Status = status,
            DelayMs = delayMs,
            Data = field is null ? null : new() { ["field"] = field },
        });
}

/// <summary>Evidence in memory.</summary>
public sealed class EvidenceInMemory : IFilingEvidence
{
    public ConcurrentDictionary<string, byte[]> Files { get; } = new();

    /// <summary>Called after each file, with its name: what happens elsewhere at that moment.</summary>
    public Func<string, Task> Added { get; set; } = static _ => Task.CompletedTask;

    public Task AddAsync(string name, ReadOnlyMemory<byte> content, string contentType, CancellationToken ct)
    {
        Files[name] = content.ToArray();
        return Added(name);
    }

    public string Text(string name) => Encoding.UTF8.GetString(Files[name]);
}

/// <summary>The ledger's promise, in memory: done is given back, started is reconciled, never repeated blindly.</summary>
public sealed class LedgerInMemory : IEffectLedger
{
    readonly Dictionary<string, object> _done = [];
    readonly HashSet<string> _started = [];

    public int Performed { get; private set; }

    public bool IsStarted(string key) => _started.Contains(key);

    public async Task<T> RunAsync<T>(string key, string kind, Func<CancellationToken, Task<T>> perform, Func<CancellationToken, Task<Reconciliation<T>>> reconcile, CancellationToken ct)
    {
        if (_done.TryGetValue(key, out var known)) return (T)known;
        if (_started.Contains(key))
        {
            switch (await reconcile(ct))
            {
                case Reconciliation<T>.Happened happened:
                    _done[key] = happened.Result!;
                    return happened.Result;
                case Reconciliation<T>.Unknown unknown:
                    throw new EffectUncertainException(key, unknown.Why);
            }
        }

        _started.Add(key);
        try
        {
            var result = await perform(ct);
            Performed++;
            _done[key] = result!;
            return result;
        }
        catch (EffectNotPerformedException)
        {
            _started.Remove(key);
            throw;
        }
    }

    public Task ConfirmAsync(string key, CancellationToken ct) => Task.CompletedTask;
}

[CollectionDefinition("usac-portal")]
public sealed class PortalCollection : ICollectionFixture<PortalFixture>;
