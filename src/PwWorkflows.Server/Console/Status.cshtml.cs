using System.Net.Sockets;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Usac;
using PwWorkflows.Server.Endpoints;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/status</c>: does everything work that the orders need?</summary>
internal sealed class StatusPage(OutsideHealth health, IWorkflowAdmin workflows, IPwDatabase database) : ConsolePage
{
    public IReadOnlyDictionary<string, HealthCheckView> Checks { get; private set; } = new Dictionary<string, HealthCheckView>();
    public DateTimeOffset CheckedAt { get; private set; }
    public QueueHealth Queue { get; private set; } = null!;
    public DateTimeOffset? LastEvent { get; private set; }
    public long Uncertain { get; private set; }
    public string Version { get; } = typeof(StatusPage).Assembly.GetName().Version?.ToString() ?? "";

    public async Task OnGetAsync(CancellationToken ct)
    {
        (Checks, CheckedAt) = await health.ReadAsync(ct).ConfigureAwait(false);
        Queue = await workflows.GetQueueHealthAsync(ct).ConfigureAwait(false);
        LastEvent = (await database.QueryAsync("SELECT received_at FROM webhook_inbox ORDER BY id DESC LIMIT 1", Parameters.None, static r => (DateTimeOffset?)r.Time(0), ct).ConfigureAwait(false)).FirstOrDefault();
        Uncertain = (await database.QueryAsync("SELECT COUNT(*) FROM effects WHERE status = 'uncertain'", Parameters.None, static r => r.GetInt64(0), ct).ConfigureAwait(false))[0];
    }

    public async Task<PartialViewResult> OnGetPartAsync(CancellationToken ct)
    {
        await OnGetAsync(ct).ConfigureAwait(false);
        return Partial("_Status", this);
    }

    /// <summary>The name of a check for people.</summary>
    public static string NameOf(string check) => check switch
    {
        "database" => "Database",
        "erpnext" => "ERPNext",
        "object_store" => "Object store",
        "work_queue" => "Work queue",
        "portal" => "USAC E-File",
        "mail" => "Mail relay",
        "schedules" => "Schedules",
        _ => check.Replace('_', ' '),
    };

    public static string Purpose(string check) => check switch
    {
        "database" => "everything",
        "erpnext" => "Sales Orders, customers, ToDos",
        "object_store" => "evidence and portal sessions",
        "work_queue" => "carrying workflows out",
        "portal" => "filing",
        "mail" => "telling customers and administrators",
        "schedules" => "the jobs that run by the clock",
        _ => "",
    };
}

/// <summary>The health of what the server works with, the portal and the mail relay too: those may be down for a while without a server being taken out of service.</summary>
internal sealed class OutsideHealth(HealthChecks health, UsacOptions usac, IOptions<MailOptions> mail, IHttpClientFactory clients, TimeProvider time)
{
    /// <summary>Name of the HTTP client.</summary>
    public const string ClientName = "console-health";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan KeepFor = TimeSpan.FromSeconds(20);

    private readonly Lock _lock = new();
    private Task<(string, HealthCheckView)[]>? _outside;
    private long _readAt;

    /// <summary>All checks. Those of the portal and the mail relay are made at most every 20 seconds, however many look; the others as <see cref="HealthChecks.DeepAsync"/> makes them.</summary>
    public async Task<(IReadOnlyDictionary<string, HealthCheckView> Checks, DateTimeOffset CheckedAt)> ReadAsync(CancellationToken ct)
    {
        Task<(string Name, HealthCheckView Check)[]> outside;
        lock (_lock)
        {
            if (_outside is null || (_outside.IsCompleted && time.GetElapsedTime(_readAt) >= KeepFor))
            {
                _readAt = time.GetTimestamp();
                _outside = Task.WhenAll(CheckAsync("portal", PortalAsync), CheckAsync("mail", MailAsync));
            }

            outside = _outside;
        }

        var deep = await health.DeepAsync(ct).ConfigureAwait(false);
        var all = new Dictionary<string, HealthCheckView>(deep.Checks, StringComparer.Ordinal);
        foreach (var (name, check) in await outside.WaitAsync(ct).ConfigureAwait(false)) all[name] = check;
        return (all, deep.CheckedAt);
    }

    private async Task<string?> PortalAsync(CancellationToken ct)
    {
        using var client = clients.CreateClient(ClientName);
        using var answer = await client.GetAsync(usac.PortalUrl, HttpCompletionOption.ResponseHeadersRead, ct).ConfigureAwait(false);
        // A page that wants a sign-in or leads elsewhere is there.
        return (int)answer.StatusCode >= 500 ? "it answers with an error" : null;
    }

    private async Task<string?> MailAsync(CancellationToken ct)
    {
        if (string.IsNullOrEmpty(mail.Value.Host)) return "SMTP_HOST is not set";
        using var client = new TcpClient();
        await client.ConnectAsync(mail.Value.Host, mail.Value.Port, ct).ConfigureAwait(false);
        return null;
    }

    private async Task<(string, HealthCheckView)> CheckAsync(string name, Func<CancellationToken, Task<string?>> check)
    {
        var started = time.GetTimestamp();
        using var limit = new CancellationTokenSource(Limit, time);
        string? wrong;
        try
        {
            wrong = await check(limit.Token).WaitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            wrong = $"no answer within {Limit.TotalSeconds:0} s";
        }
        catch (Exception e)
        {
            wrong = e is HttpRequestException or SocketException ? "it does not answer" : e.GetType().Name;
        }

        return (name, new HealthCheckView(wrong is null ? "ok" : "failed", (long)time.GetElapsedTime(started).TotalMilliseconds, wrong));
    }
}
