using System.Diagnostics;
using System.Net.Sockets;

namespace PwWorkflows.Benchmarks.Parts;

/// <summary>What a load got done.</summary>
/// <param name="Count">Calls answered as expected.</param>
/// <param name="Elapsed">How long it took.</param>
/// <param name="Latencies">Ticks of each call, sorted.</param>
public sealed record Outcome(int Count, TimeSpan Elapsed, long[] Latencies)
{
    public double PerSecond => Count / Elapsed.TotalSeconds;

    public double Percentile(double p) => Latencies.Length == 0 ? 0 : Stopwatch.GetElapsedTime(0, Latencies[Math.Min(Latencies.Length - 1, (int)(Latencies.Length * p))]).TotalMilliseconds;
}

/// <summary>Closed loops: each caller sends its next call when the last is answered.</summary>
public static class Load
{
    /// <summary>Runs <paramref name="callers"/> loops until the time is over or <paramref name="most"/> calls are done.</summary>
    public static async Task<Outcome> RunAsync(int callers, TimeSpan duration, Func<int, Func<Task>> caller, CancellationToken ct, int most = int.MaxValue)
    {
        var begun = 0;
        var all = new List<long>[callers];
        var calls = Enumerable.Range(0, callers).Select(caller).ToArray();
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(i => Task.Run(
            async () =>
            {
                var mine = all[i] = new List<long>(100_000);
                while (Stopwatch.GetElapsedTime(start) < duration && Interlocked.Increment(ref begun) <= most)
                {
                    ct.ThrowIfCancellationRequested();
                    var at = Stopwatch.GetTimestamp();
                    await calls[i]();
                    mine.Add(Stopwatch.GetTimestamp() - at);
                }
            }, ct)));
        var elapsed = Stopwatch.GetElapsedTime(start);
        var latencies = all.SelectMany(static l => l).ToArray();
        Array.Sort(latencies);
        return new Outcome(latencies.Length, elapsed, latencies);
    }

    /// <summary>HTTP on one kept-alive connection a caller.</summary>
    /// <param name="address">Server.</param>
    /// <param name="callers">Connections.</param>
    /// <param name="duration">How long.</param>
    /// <param name="request">The bytes of each request, head and body.</param>
    /// <param name="ct">Stops it.</param>
    /// <param name="most">Most calls.</param>
    public static async Task<Outcome> HttpAsync(Uri address, int callers, TimeSpan duration, Func<ReadOnlyMemory<byte>> request, CancellationToken ct, int most = int.MaxValue)
    {
        var connections = new List<HttpConnection>();
        try
        {
            for (var i = 0; i < callers; i++) connections.Add(await HttpConnection.OpenAsync(address, ct));
            return await RunAsync(callers, duration, i => () => connections[i].SendAsync(request(), ct), ct, most);
        }
        finally
        {
            foreach (var connection in connections) connection.Dispose();
        }
    }
}

/// <summary>A client that costs next to nothing, so that the two cores belong to what is measured.</summary>
public sealed class HttpConnection : IDisposable
{
    private readonly Socket _socket;
    private byte[] _buffer = new byte[16 * 1024];

    private HttpConnection(Socket socket) => _socket = socket;

    public static async Task<HttpConnection> OpenAsync(Uri address, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(address);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(address.Host, address.Port, ct);
        return new HttpConnection(socket);
    }

    /// <summary>Sends a request and reads its whole answer.</summary>
    /// <exception cref="InvalidOperationException">The answer is no 2xx.</exception>
    public async Task SendAsync(ReadOnlyMemory<byte> request, CancellationToken ct)
    {
        await _socket.SendAsync(request, ct);
        var have = 0;
        while (true)
        {
            if (have == _buffer.Length) Array.Resize(ref _buffer, have * 2);
            var read = await _socket.ReceiveAsync(_buffer.AsMemory(have), ct);
            if (read == 0) throw new InvalidOperationException("The server closed the connection: " + Text(have));
            have += read;
            if (!IsComplete(_buffer.AsSpan(0, have))) continue;
            if (_buffer[9] != (byte)'2') throw new InvalidOperationException("Expected a 2xx answer, got: " + Text(have));
            return;
        }
    }

    public void Dispose() => _socket.Dispose();

    private string Text(int length) => System.Text.Encoding.UTF8.GetString(_buffer, 0, Math.Min(length, 2000));

    private static bool IsComplete(ReadOnlySpan<byte> answer)
    {
        var end = answer.IndexOf("\r\n\r\n"u8);
        if (end < 0) return false;
        var head = answer[..end];
        var body = answer[(end + 4)..];
        var length = head.IndexOf("Content-Length: "u8);
        if (length < 0) return head.IndexOf("Transfer-Encoding: chunked"u8) < 0 || body.EndsWith("0\r\n\r\n"u8);
        var digits = head[(length + 16)..];
        var stop = digits.IndexOf((byte)'\r');
        return body.Length >= int.Parse(stop < 0 ? digits : digits[..stop], System.Globalization.CultureInfo.InvariantCulture);
    }
}
