using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Server.Pages;

namespace PwWorkflows.EndToEnd.Tests.Pages;

/// <summary>What needs a person is read seldom, however many look, but never shown when it is known to be out of date.</summary>
public sealed class NeedsBoardTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly Source _source = new();
    private readonly NeedsBoard _board;

    public NeedsBoardTests() => _board = new NeedsBoard([_source], _time, NullLogger<NeedsBoard>.Instance);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    // Which reading is shown: the source counts them.
    private async Task<long> ShownAsync(string? mark = null) => (await _board.ReadAsync(Ct, mark))[0].Needs!.Count;

    [Fact]
    public async Task Many_who_look_within_seconds_share_one_reading()
    {
        Assert.Equal((1L, 1L, 1L), (await ShownAsync("a"), await ShownAsync("a"), await ShownAsync()));
        Assert.Equal(1, (await _board.CountsAsync(Ct))["/there"]);
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal((2L, 2L), (await ShownAsync(), await ShownAsync("a")));
    }

    [Fact]
    public async Task A_page_that_is_renewed_for_a_change_shows_nothing_from_before_it()
    {
        Assert.Equal(1, await ShownAsync("a"));
        Assert.Equal(2, await ShownAsync("b"));
        Assert.Equal(2, (await _board.CountsAsync(Ct, "b"))["/there"]);
    }

    [Fact]
    public async Task A_source_that_says_it_changed_is_read_at_once()
    {
        Assert.Equal(1, await ShownAsync("a"));
        _source.Version++;
        Assert.Equal((2L, 2L), (await ShownAsync("a"), await ShownAsync()));
    }

    private sealed class Source : INeeds
    {
        private int _reads;

        public string Title => "Things";
        public string Section => "/there";
        public string? All => null;
        public long Version { get; set; }

        public Task<NeedsOfSection> ReadAsync(CancellationToken ct) => Task.FromResult(new NeedsOfSection(++_reads, []));
    }
}
