using System.Text;
using System.Text.Json.Nodes;
using PwWorkflows.Activities.Storage;
using PwWorkflows.Activities.Usac;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.Activities.Tests.Usac;

[Collection("usac-portal")]
public sealed class SessionTests : IDisposable
{
    readonly PortalFixture _portal;
    readonly string _folder = Directory.CreateTempSubdirectory("pw-session-").FullName;
    readonly FolderObjectStore _store;
    readonly UsacSessions _sessions;

    public SessionTests(PortalFixture portal)
    {
        _portal = portal;
        _portal.Clean();
        _store = new(_folder);
        _sessions = new(_store, portal.Portal(), portal.Options, TimeProvider.System);
    }

    static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    Task PutAsync(string text, string? exportedAt = null) => _store.PutAsync(
        _portal.Options.StorageBucket, "usac/1/storage_state.json", Encoding.UTF8.GetBytes(text), "application/json",
        exportedAt is null ? null : new Dictionary<string, string> { [UsacSessions.ExportedAt] = exportedAt }, Ct);

    [Fact]
    public async Task A_session_that_was_never_exported_is_missing() =>
        Assert.Equal(new UsacSession.Missing("usac/1/storage_state.json"), await _sessions.OpenAsync(1, Ct));

    [Fact]
    public async Task A_live_session_is_ready_and_prints_no_cookie()
    {
        await PutAsync(_portal.SignedIn());
        var ready = Assert.IsType<UsacSession.Ready>(await _sessions.OpenAsync(1, Ct));
        Assert.Equal("Ready", ready.ToString());
    }

    [Fact]
    public async Task Cookies_that_ran_out_are_seen_without_asking_the_portal()
    {
        var state = JsonNode.Parse(_portal.SignedIn())!;
        state["cookies"]![0]!["expires"] = TimeProvider.System.GetUtcNow().AddMinutes(-1).ToUnixTimeMilliseconds() / 1000.0;
        await PutAsync(state.ToJsonString());
        Assert.Contains("ran out", Assert.IsType<UsacSession.Expired>(await _sessions.OpenAsync(1, Ct)).Why, StringComparison.Ordinal);
        Assert.Empty(_portal.Usac.Log.Read());
    }

    [Theory]
    [InlineData(-13.9, true)]
    [InlineData(-14.1, false)]
    public async Task A_session_exported_14_days_ago_is_taken_for_expired(double days, bool ready)
    {
        await PutAsync(_portal.SignedIn(), TimeProvider.System.GetUtcNow().AddDays(days).ToString("O"));
        Assert.Equal(ready, await _sessions.OpenAsync(1, Ct) is UsacSession.Ready);
    }

    [Fact]
    public async Task A_session_the_portal_has_ended_is_expired()
    {
        await PutAsync(_portal.SignedIn());
        _portal.Usac.ExpireSessions();
        Assert.Contains("sign-in", Assert.IsType<UsacSession.Expired>(await _sessions.OpenAsync(1, Ct)).Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("{}")]
    [InlineData("""{"cookies":[]}""")]
    [InlineData("""{"cookies":[{"name":"a","value":"b","domain":"other.test","path":"/"}]}""")]
    public async Task What_is_no_session_of_the_portal_is_expired(string text)
    {
        await PutAsync(text);
        Assert.IsType<UsacSession.Expired>(await _sessions.OpenAsync(1, Ct));
    }

    [Fact]
    public async Task A_portal_under_maintenance_does_not_make_a_session_expired()
    {
        await PutAsync(_portal.SignedIn());
        _portal.Fault("maintenance");
        await Assert.ThrowsAsync<PortalUnavailableException>(() => _sessions.OpenAsync(1, Ct));
    }

    [Fact]
    public async Task Refreshing_signs_in_with_the_stored_secrets_and_stores_a_session_that_opens()
    {
        var demo = UsacDemo.Default;
        var secrets = new Secrets(new() { ["usac-username-1"] = demo.Username, ["usac-password-1"] = demo.Password, ["usac-totp-1"] = demo.TotpSeed });
        await _sessions.RefreshAsync(1, secrets, Ct);
        Assert.IsType<UsacSession.Ready>(await _sessions.OpenAsync(1, Ct));

        var missing = await Assert.ThrowsAsync<NonRetryableException>(() => _sessions.RefreshAsync(2, secrets, Ct));
        Assert.Contains("usac-username-2", missing.Message, StringComparison.Ordinal);
    }

    sealed class Secrets(Dictionary<string, string> values) : ISecretSource
    {
        public Task<string?> ReadAsync(string name, CancellationToken ct) => Task.FromResult(values.GetValueOrDefault(name));
    }
}
