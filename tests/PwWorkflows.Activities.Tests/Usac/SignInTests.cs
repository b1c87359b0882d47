using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Activities.Usac;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.Activities.Tests.Usac;

[Collection("usac-portal")]
public sealed class SignInTests
{
    readonly PortalFixture _portal;

    public SignInTests(PortalFixture portal)
    {
        _portal = portal;
        _portal.Clean();
    }

    static CancellationToken Ct => TestContext.Current.CancellationToken;

    static UsacCredentials Demo => new(UsacDemo.Default.Username, UsacDemo.Default.Password, UsacDemo.Default.TotpSeed);

    /// <summary>A moment of the sandbox's clock with much of the code's 30 seconds left, so that no test waits for the next code.</summary>
    UsacPortal PortalAtFreshCode()
    {
        var now = DateTimeOffset.FromUnixTimeSeconds((TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() / 30 * 30) + 2);
        _portal.Sandbox.Clock.Set(now);
        return new(_portal.Browsers, PageMap.Load(PortalFixture.MapPath), _portal.Options, new FakeTimeProvider(now), Microsoft.Extensions.Logging.Abstractions.NullLogger<UsacPortal>.Instance);
    }

    [Fact]
    public async Task Password_and_one_time_code_open_a_session_that_can_be_stored()
    {
        var state = await PortalAtFreshCode().SignInAsync(Demo, Ct);
        Assert.Contains(UsacDemo.SessionCookie, state, StringComparison.Ordinal);
        Assert.Equal(UsacProbe.SignedIn, await _portal.Portal().ProbeAsync(state, Ct));
    }

    [Fact]
    public async Task A_wrong_password_is_refused_without_saying_it()
    {
        var refused = await Assert.ThrowsAsync<NonRetryableException>(() => PortalAtFreshCode().SignInAsync(Demo with { Password = "marked-secret-value" }, Ct));
        Assert.Contains("refused", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("marked-secret-value", refused.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Demo.TotpSeed, refused.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_code_used_before_is_refused_and_the_next_one_is_tried_once()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.FromUnixTimeSeconds((TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() / 30 * 30) + 2));
        _portal.Sandbox.Clock.Set(clock.GetUtcNow());
        var portal = new UsacPortal(_portal.Browsers, PageMap.Load(PortalFixture.MapPath), _portal.Options, clock, Microsoft.Extensions.Logging.Abstractions.NullLogger<UsacPortal>.Instance);
        await portal.SignInAsync(Demo, Ct);

        var again = portal.SignInAsync(Demo, Ct);
        while (!again.IsCompleted)
        {
            // Once the old code was refused, the sign-in waits on our clock for the next one; the portal's clock follows.
            if (_portal.Usac.Log.Read().Count(e => e.Method == "POST" && e.Path == "/usac/one-time-code") >= 2)
            {
                clock.Advance(TimeSpan.FromSeconds(1));
                _portal.Sandbox.Clock.Set(clock.GetUtcNow());
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), Ct);
        }

        Assert.Contains(UsacDemo.SessionCookie, await again, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_session_idle_for_fourteen_days_is_signed_out()
    {
        var state = _portal.SignedIn();
        _portal.Sandbox.Clock.Advance(UsacDemo.SessionIdle);
        Assert.Equal(UsacProbe.SignedOut, await _portal.Portal().ProbeAsync(state, Ct));
    }

    [Fact]
    public async Task A_portal_that_does_not_answer_is_unavailable()
    {
        var options = new UsacOptions { PortalUrl = new Uri("http://127.0.0.1:9/usac/"), PageMapPath = PortalFixture.MapPath };
        await Assert.ThrowsAsync<PortalUnavailableException>(() => _portal.Portal(options: options).ProbeAsync(_portal.SignedIn(), Ct));
    }
}
