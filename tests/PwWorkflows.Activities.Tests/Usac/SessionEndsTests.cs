using System.Text;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Activities.Storage;
using PwWorkflows.Activities.Usac;

namespace PwWorkflows.Activities.Tests.Usac;

/// <summary>Which stored sessions end soon, as a page learns it that asks every few seconds.</summary>
public sealed class SessionEndsTests : IDisposable
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 30, 9, 0, 0, TimeSpan.Zero));
    private readonly UsacOptions _options = new() { PortalUrl = new Uri("https://forms.example.org/") };
    private readonly string _folder = Directory.CreateTempSubdirectory("pw-ends-").FullName;
    private readonly FolderObjectStore _store;
    private readonly UsacSessions _here;
    private readonly UsacSessionEnds _ends;

    public SessionEndsTests()
    {
        _store = new(_folder);
        _here = Sessions();
        _ends = new(_here, _time);
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _ends.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    // The portal is not asked.
    private UsacSessions Sessions() => new(_store, null!, _options, _time);

    private string State(double days) =>
        $$"""{"cookies": [{"name": "s", "value": "v", "domain": "forms.example.org", "expires": {{_time.GetUtcNow().AddDays(days).ToUnixTimeSeconds()}}}]}""";

    private async Task<string> EndingAsync() => string.Join(' ', (await _ends.EndingAsync(Ct)).Select(static e => e.TelecomEntityId));

    [Fact]
    public async Task Sessions_that_have_ended_or_end_soon_are_told_the_earliest_first()
    {
        await _here.SaveAsync(1, State(2), Ct);
        await _here.SaveAsync(2, State(-1), Ct);
        await _here.SaveAsync(3, State(10), Ct);
        await _here.SaveAsync(4, "no session", Ct);
        Assert.Equal([(2, _time.GetUtcNow().AddDays(-1)), (4, _time.GetUtcNow()), (1, _time.GetUtcNow().AddDays(2))], await _ends.EndingAsync(Ct));
        // Time alone brings the others near.
        _time.Advance(TimeSpan.FromDays(8));
        Assert.Equal("2 1 4 3", await EndingAsync());
    }

    [Fact]
    public async Task What_is_stored_here_is_known_at_once()
    {
        await _here.SaveAsync(1, State(2), Ct);
        Assert.Equal("1", await EndingAsync());
        var before = _ends.Version;
        await _here.SaveAsync(1, State(10), Ct);
        Assert.NotEqual(before, _ends.Version);
        Assert.Equal("", await EndingAsync());
        await _here.SaveAsync(2, State(1), Ct);
        Assert.Equal("2", await EndingAsync());
    }

    [Fact]
    public async Task What_another_process_stores_or_removes_is_known_after_a_moment()
    {
        await _here.SaveAsync(1, State(2), Ct);
        await _here.SaveAsync(2, State(2), Ct);
        Assert.Equal("1 2", await EndingAsync());
        await Sessions().SaveAsync(1, State(10), Ct);
        await _store.DeleteAsync(_options.StorageBucket, UsacSessions.Key(2), Ct);
        _time.Advance(TimeSpan.FromSeconds(14));
        Assert.Equal("1 2", await EndingAsync());
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("", await EndingAsync());

        // One that was not known to end soon is found when all are looked through.
        await Sessions().SaveAsync(3, State(1), Ct);
        Assert.Equal("", await EndingAsync());
        _time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal("3", await EndingAsync());
    }
}
