using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Storage;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Activities.Usac;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.Activities.Tests.Usac;

/// <summary>The job that signs carriers in anew: in a real browser at the sandbox portal.</summary>
[Collection("usac-portal")]
public sealed class SessionRefreshTests : IAsyncLifetime
{
    private readonly PortalFixture _portal;
    private readonly ToDos _todos = new();
    private readonly Dictionary<string, string> _secrets = [];
    private TestDatabase _database = null!;
    private FolderObjectStore _store = null!;
    private UsacSessions _sessions = null!;
    private SessionRefresh _refresh = null!;

    public SessionRefreshTests(PortalFixture portal)
    {
        _portal = portal;
        _portal.Clean();
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private sealed class ToDos : IAdminToDos
    {
        public Dictionary<string, string> Open { get; } = [];

        public Task RaiseAsync(ToDoRequest request, CancellationToken ct)
        {
            Open.TryAdd(request.Marker, request.Instructions);
            return Task.CompletedTask;
        }

        public Task CloseAsync(string order, string marker, CancellationToken ct)
        {
            Open.Remove(marker);
            return Task.CompletedTask;
        }
    }

    private sealed class Secrets(Dictionary<string, string> values) : ISecretSource
    {
        public Task<string?> ReadAsync(string name, CancellationToken ct) => Task.FromResult(values.GetValueOrDefault(name));
    }

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(Ct);
        _store = new(Path.Combine(_database.Folder, "objects"));
        _sessions = new(_store, _portal.Portal(), _portal.Options, TimeProvider.System);
        _refresh = new(_database, _sessions, new Secrets(_secrets), new EffectLedger(_database, TimeProvider.System, NullLogger<EffectLedger>.Instance), _todos, TimeProvider.System);
        await new OrderStore(_database, TimeProvider.System).SaveEntityAsync(SampleForm.Entity, Ct);
        var account = UsacDemo.Entities[0];
        (_secrets["usac-username-1"], _secrets["usac-password-1"], _secrets["usac-totp-1"]) = (account.Username, account.Password, account.TotpSeed);
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task Carrier_is_signed_in_with_its_seed_and_its_session_opens_the_portal()
    {
        Assert.Equal(["1"], await _refresh.FindAsync(Ct));
        Assert.Equal("Refreshed", (await _refresh.RefreshAsync("1", "i1", dryRun: true, Ct)).Outcome);
        Assert.IsType<UsacSession.Missing>(await _sessions.ReadAsync(1, Ct));
        var result = await _refresh.RefreshAsync("1", "i1", false, Ct);
        Assert.Equal("Refreshed", result.Outcome);
        Assert.IsType<UsacSession.Ready>(await _sessions.OpenAsync(1, Ct));

        // No secret and no cookie is in what is reported and kept.
        var stored = (await _store.GetAsync(_portal.Options.StorageBucket, UsacSessions.Key(1), Ct))!;
        var cookies = JsonNode.Parse(stored.Content.Span)!["cookies"]!.AsArray().Select(c => c!["value"]!.GetValue<string>()).ToList();
        var kept = result.Report + Encoding.Latin1.GetString(await File.ReadAllBytesAsync(Path.Combine(_database.Folder, "pw.db"), Ct));
        Assert.All(cookies.Concat(_secrets.Values), s => Assert.DoesNotContain(s, kept, StringComparison.Ordinal));

        // The same run signs in once.
        _portal.Usac.Log.Clear();
        await _refresh.RefreshAsync("1", "i1", false, Ct);
        Assert.Empty(_portal.Usac.Log.Read());
    }

    [Fact]
    public async Task Refused_sign_in_is_for_a_person_and_leaves_the_old_session()
    {
        await _sessions.SaveAsync(1, _portal.SignedIn(), Ct);
        _secrets["usac-password-1"] = "wrong-password";
        var result = await _refresh.RefreshAsync("1", "i1", false, Ct);
        Assert.Equal("Refused", result.Outcome);
        Assert.DoesNotContain("wrong-password", result.Report + _todos.Open["usac-sign-in-refused"], StringComparison.Ordinal);
        Assert.IsType<UsacSession.Ready>(await _sessions.OpenAsync(1, Ct));
    }

    [Fact]
    public async Task Carrier_whom_the_portal_kept_waiting_is_come_back_to()
    {
        _portal.Usac.Faults.Add(new() { Kind = "maintenance", Count = 1 });
        Assert.Equal("Unreached", (await _refresh.RefreshAsync("1", "i1", false, Ct)).Outcome);
        Assert.Contains("pw schedules run pw-usac-session-refresh", _todos.Open["usac-portal-unreachable"], StringComparison.Ordinal);
        Assert.Empty(await _refresh.FindUnreachedAsync(Ct)); // These ToDos are not in the table.
        await _database.RunAsync("INSERT INTO admin_todos (order_number, service_slug, marker, instructions, status, created_at) VALUES ('carrier 1', 'x', 'usac-portal-unreachable', 'x', 'open', '2026-11-25 15:00:00+00:00'), ('carrier 2', 'x', 'usac-portal-unreachable', 'x', 'open', '2026-11-25 15:00:00+00:00')", Ct);
        Assert.Equal(["1"], await _refresh.FindUnreachedAsync(Ct));
        Assert.Equal("Refreshed", (await _refresh.RefreshAsync("1", "i1", false, Ct)).Outcome);
        Assert.Empty(_todos.Open);
    }

    [Fact]
    public async Task Missing_seed_is_told_of_carriers_in_use_only()
    {
        _secrets.Remove("usac-totp-1");
        Assert.Equal("NoSecret", (await _refresh.RefreshAsync("1", "i1", false, Ct)).Outcome);
        Assert.Contains("usac-totp-1 is missing", _todos.Open["usac-secret-missing"], StringComparison.Ordinal);
        _todos.Open.Clear();
        _secrets.Clear();
        Assert.Equal("NoSecret", (await _refresh.RefreshAsync("1", "i2", false, Ct)).Outcome);
        Assert.Empty(_todos.Open);
    }
}
