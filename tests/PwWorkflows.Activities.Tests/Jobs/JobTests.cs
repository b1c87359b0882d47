using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.ErpNext;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Sandbox;
using PwWorkflows.Sandbox.Mail;

namespace PwWorkflows.Activities.Tests.Jobs;

/// <summary>The parts of a job as the server wires them, over a real database and the sandbox; the clock is moved by hand.</summary>
public abstract class JobTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private ServiceProvider _services = null!;

    private protected FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 11, 25, 16, 0, 0, TimeSpan.Zero));
    private protected TestDatabase Database { get; private set; } = null!;
    private protected SandboxHost Sandbox { get; private set; } = null!;

    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>More settings of the job, by their environment variables.</summary>
    protected virtual Dictionary<string, string?> Settings => [];

    /// <summary>The job's own parts.</summary>
    protected abstract void Register(IServiceCollection services);

    protected T Get<T>() where T : notnull => _services.GetRequiredService<T>();

    public virtual async ValueTask InitializeAsync()
    {
        Database = await TestDatabase.CreateAsync(Ct, postgres);
        Sandbox = await SandboxHost.StartAsync(new SandboxOptions { Urls = "http://127.0.0.1:0", SmtpPort = 0, TimeProvider = Time }, Ct);
        Build();
    }

    /// <summary>Wires the parts anew, with the settings as they are now.</summary>
    protected void Build()
    {
        _services?.Dispose();
        var settings = new Dictionary<string, string?>
        {
            ["PW_ENVIRONMENT"] = "sandbox",
            ["PW_DATA"] = Database.Folder,
            ["ERPNEXT_URL"] = Sandbox.BaseUrl + "/erpnext",
            ["ERPNEXT_API_KEY"] = "sandboxorderkey01",
            ["ERPNEXT_API_SECRET"] = "sandboxordersecret01",
            ["ERPNEXT_SENSITIVE_API_KEY"] = "sandboxmanagerkey01",
            ["ERPNEXT_SENSITIVE_API_SECRET"] = "sandboxmanagersecret01",
            ["USAC_PORTAL_URL"] = Sandbox.BaseUrl + "/usac/",
            ["SMTP_HOST"] = "127.0.0.1",
            ["SMTP_PORT"] = Sandbox.SmtpPort.ToString(CultureInfo.InvariantCulture),
        };
        foreach (var (name, value) in Settings) settings[name] = value;
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(settings).Build());
        services.AddLogging();
        services.AddSingleton<TimeProvider>(Time);
        services.AddSingleton<IPwDatabase>(Database);
        services.AddEffectLedger();
        services.AddSingleton<OrderStore>();
        services.AddSingleton<IOrders>(p => p.GetRequiredService<OrderStore>());
        services.AddJobs();
        services.AddNotifications();
        Register(services);
        _services = services.BuildServiceProvider();
    }

    public virtual async ValueTask DisposeAsync()
    {
        await _services.DisposeAsync();
        await Sandbox.DisposeAsync();
        await Database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Moves the clock forward to a moment of Chicago.</summary>
    protected void ItIs(string chicago)
    {
        var zone = TimeZoneInfo.FindSystemTimeZoneById("America/Chicago");
        var local = DateTime.ParseExact(chicago, "yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
        var at = new DateTimeOffset(local, zone.GetUtcOffset(local));
        Time.SetUtcNow(at.ToUniversalTime());
    }

    protected Task<int> SqlAsync(string sql) => Database.RunAsync(sql, Ct);

    protected async Task<string?> ValueAsync(string sql)
    {
        var rows = await Database.QueryAsync(sql, Parameters.None, static r => r.IsDBNull(0) ? null : Convert.ToString(r.GetValue(0), CultureInfo.InvariantCulture), Ct);
        return rows.Count == 0 ? null : rows[0];
    }

    /// <summary>The open ToDos: subject and marker.</summary>
    protected async Task<IReadOnlyList<string>> ToDosAsync() =>
        await Database.QueryAsync("SELECT order_number, marker FROM admin_todos WHERE status = 'open' ORDER BY order_number, marker", Parameters.None, static r => r.GetString(0) + " " + r.GetString(1), Ct);

    /// <summary>What the mail sink took, oldest first.</summary>
    protected IReadOnlyList<MailView> Mails => [.. Sandbox.System<MailSystem>().Messages.Select(m => m.View())];

    protected Task EntityAsync(int id, string name, string? frn = null) =>
        Get<IOrders>().SaveEntityAsync(new TelecomEntity(id, name) { Frn = frn ?? $"00312345{id:00}", FilerId499 = $"8312{id:00}" }, Ct);

    protected async Task<Order> OrderAsync(string number, string email = "dana@carrier.net", int? entity = null, Func<Order, Order>? change = null)
    {
        var order = new Order(number, "fcc-499a", "Dana", email) { TelecomEntityId = entity, AmountCents = 49_900, PaymentStatus = PaymentStatuses.Paid, PaidAt = Time.GetUtcNow(), CreatedAt = Time.GetUtcNow() };
        order = change?.Invoke(order) ?? order;
        await Get<IOrders>().AddAsync(order, Ct);
        return order;
    }
}
