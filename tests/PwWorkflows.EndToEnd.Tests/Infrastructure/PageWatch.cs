using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace PwWorkflows.EndToEnd.Tests.Infrastructure;

/// <summary>Collects what the console and the network of a page complain of, except what the test says is meant to come.</summary>
internal sealed class PageWatch
{
    private readonly ConcurrentQueue<string> _complaints = new();
    private readonly ConcurrentDictionary<string, bool> _hosts = new();
    private readonly ConcurrentDictionary<int, bool> _expected = new();
    private volatile bool _mayFail;

    public PageWatch(IPage page)
    {
        page.Console += (_, m) =>
        {
            // The browser's own line about an error answer comes beside the answer itself.
            if (m.Type is "error" && !_mayFail && !m.Text.StartsWith("Failed to load resource", StringComparison.Ordinal)) _complaints.Enqueue($"console: {m.Text}");
        };
        page.PageError += (_, e) => _complaints.Enqueue($"error: {e}");
        page.RequestFailed += (_, r) =>
        {
            // A request that the page itself gives up because it is left is no failure.
            if (r.Failure != "net::ERR_ABORTED" && !_mayFail) _complaints.Enqueue($"request failed: {r.Method} {r.Url} {r.Failure}");
        };
        page.Response += (_, r) =>
        {
            if (new Uri(r.Url) is { Authority.Length: > 0 } url) _hosts[url.Authority] = true; // what the page holds itself has none
            if (r.Status >= 400 && !_expected.ContainsKey(r.Status)) _complaints.Enqueue($"{r.Status}: {r.Request.Method} {r.Url}");
        };
    }

    /// <summary>Says that an answer of this status is meant to come from now on.</summary>
    public void Expect(int status) => _expected[status] = true;

    /// <summary>Says that the server will be away from now on.</summary>
    public void ExpectFailures() => _mayFail = true;

    /// <summary>
    /// Closes what the page is in, and fails the test when there was a console error, a failed request or an error answer that nobody expected, or when something came from another host. A test that has
    /// failed by itself must not lose its own words to what follows from that, so nothing is thrown here: see <see cref="PageFaults"/>.
    /// </summary>
    public async ValueTask EndAsync(Func<Task> close)
    {
        try
        {
            await close();
        }
        catch (Exception e)
        {
            PageFaults.Note($"not closed: {e}");
        }

        foreach (var complaint in _complaints) PageFaults.Note(complaint);
        if (_hosts.Count != 1) PageFaults.Note($"expected everything from one host, found: {string.Join(", ", _hosts.Keys.Order(StringComparer.Ordinal))}");
    }
}
