using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace PwWorkflows.Sandbox.Mail;

/// <summary>What the SMTP server asks of its owner.</summary>
interface ISmtpHandler
{
    /// <summary>Asked at each command; a reply ends the command there. May wait.</summary>
    Task<string?> BeforeAsync(string verb, string argument, CancellationToken ct);

    /// <summary>Takes a message; true answers 250, false drops the connection without an answer.</summary>
    bool Accept(string from, IReadOnlyList<string> recipients, byte[] raw, bool encrypted);
}

/// <summary>
/// A small SMTP server (RFC 5321) on 127.0.0.1: EHLO, AUTH PLAIN and LOGIN (any credentials), MAIL, RCPT, DATA, RSET, NOOP, VRFY, QUIT, and with a
/// certificate STARTTLS (RFC 3207). Takes every message and sends none on.
/// </summary>
sealed class SmtpServer(ISmtpHandler handler, X509Certificate2? certificate) : IDisposable
{
    /// <summary>Largest message in bytes, announced with SIZE.</summary>
    public const int MaxMessageBytes = 25 * 1024 * 1024;

    const int MaxLineBytes = 64 * 1024;

    readonly CancellationTokenSource _stop = new();
    readonly Lock _gate = new();
    readonly HashSet<Task> _sessions = [];
    TcpListener? _listener;
    Task _accepting = Task.CompletedTask;

    /// <summary>The port listened on.</summary>
    public int Port { get; private set; }

    public void Start(int port)
    {
        _listener = new TcpListener(IPAddress.Loopback, port);
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync(_listener);
    }

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        _listener?.Stop();
        await _accepting;
        Task[] sessions;
        lock (_gate) sessions = [.. _sessions];
        await Task.WhenAll(sessions);
    }

    public void Dispose()
    {
        _listener?.Dispose();
        _stop.Dispose();
    }

    async Task AcceptAsync(TcpListener listener)
    {
        while (!_stop.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await listener.AcceptSocketAsync(_stop.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
            var session = RunAsync(socket);
            lock (_gate) _sessions.Add(session);
            _ = session.ContinueWith(t =>
            {
                lock (_gate) _sessions.Remove(t);
            }, TaskScheduler.Default);
        }
    }

    async Task RunAsync(Socket socket)
    {
        try
        {
            using (socket)
            {
                await using var stream = new NetworkStream(socket);
                await using var session = new Session(handler, stream, certificate, _stop.Token);
                await session.RunAsync();
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or AuthenticationException)
        {
            // The client left or does not trust the certificate, or the sandbox stops.
        }
    }

    sealed class Session(ISmtpHandler handler, NetworkStream plain, X509Certificate2? certificate, CancellationToken ct) : IAsyncDisposable
    {
        static readonly StreamPipeReaderOptions Shared = new(leaveOpen: true);

        readonly List<string> _recipients = [];
        Stream _stream = plain;
        PipeReader _reader = PipeReader.Create(plain, Shared);
        SslStream? _encrypted;
        string? _from;
        bool _greeted;

        public async Task RunAsync()
        {
            if (await handler.BeforeAsync("CONNECT", "", ct) is { } refusal)
            {
                await ReplyAsync(refusal);
                return;
            }
            await ReplyAsync("220 sandbox.localhost ESMTP");
            while (await ReadLineAsync() is { } line)
            {
                var space = line.IndexOf(' ', StringComparison.Ordinal);
                var verb = (space < 0 ? line : line[..space]).ToUpperInvariant();
                var argument = space < 0 ? "" : line[(space + 1)..].Trim();
                if (verb == "QUIT")
                {
                    await ReplyAsync("221 2.0.0 Bye");
                    return;
                }
                if (await handler.BeforeAsync(verb, argument, ct) is { } reply) await ReplyAsync(reply);
                else if (verb == "STARTTLS" && certificate is not null && _encrypted is null) await EncryptAsync(certificate);
                else if (verb == "DATA")
                {
                    if (!await DataAsync()) return;
                }
                else await ReplyAsync(verb == "AUTH" ? await AuthAsync(argument) : Command(verb, argument));
            }
        }

        public async ValueTask DisposeAsync()
        {
            if (_encrypted is not null) await _encrypted.DisposeAsync();
        }

        async Task EncryptAsync(X509Certificate2 certificate)
        {
            await ReplyAsync("220 2.0.0 Ready to start TLS");
            // What came in the clear behind the command is not taken for something said under encryption.
            await _reader.CompleteAsync();
            _encrypted = new SslStream(plain, leaveInnerStreamOpen: true);
            await _encrypted.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, ct);
            (_stream, _reader, _greeted) = (_encrypted, PipeReader.Create(_encrypted, Shared), false);
            Forget();
        }

        string Command(string verb, string argument)
        {
            switch (verb)
            {
                case "EHLO":
                    Begin();
                    return string.Create(CultureInfo.InvariantCulture,
                        $"250-sandbox.localhost\r\n250-SIZE {MaxMessageBytes}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n{(certificate is not null && _encrypted is null ? "250-STARTTLS\r\n" : "")}250 AUTH PLAIN LOGIN");
                case "HELO":
                    Begin();
                    return "250 sandbox.localhost";
                case "MAIL":
                    if (!_greeted) return "503 5.5.1 Say EHLO first";
                    if (_from is not null) return "503 5.5.1 A sender is already given";
                    if (Path(argument, "FROM:") is not { } from) return "501 5.5.4 Expected MAIL FROM:<address>";
                    if (Size(argument) > MaxMessageBytes) return "552 5.3.4 Message too big";
                    _from = from;
                    return "250 2.1.0 Ok";
                case "RCPT":
                    if (_from is null) return "503 5.5.1 MAIL first";
                    if (Path(argument, "TO:") is not { Length: > 0 } to) return "501 5.5.4 Expected RCPT TO:<address>";
                    if (_recipients.Count >= 1000) return "452 4.5.3 Too many recipients";
                    _recipients.Add(to);
                    return "250 2.1.5 Ok";
                case "RSET":
                    Forget();
                    return "250 2.0.0 Ok";
                case "NOOP":
                    return "250 2.0.0 Ok";
                case "VRFY":
                    return "252 2.5.2 Cannot verify, but will accept";
                default:
                    return "500 5.5.2 Unknown command";
            }
        }

        async Task<string> AuthAsync(string argument)
        {
            // Whatever is given opens the door: the sink has no accounts, and keeps nothing of it.
            var parts = argument.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            switch (parts.FirstOrDefault()?.ToUpperInvariant())
            {
                case "PLAIN":
                    if (parts.Length == 1)
                    {
                        await ReplyAsync("334 ");
                        if (await ReadLineAsync() is null or "*") return "501 5.7.0 Cancelled";
                    }
                    return "235 2.7.0 Authentication successful";
                case "LOGIN":
                    if (parts.Length == 1)
                    {
                        await ReplyAsync("334 VXNlcm5hbWU6");
                        if (await ReadLineAsync() is null or "*") return "501 5.7.0 Cancelled";
                    }
                    await ReplyAsync("334 UGFzc3dvcmQ6");
                    return await ReadLineAsync() is null or "*" ? "501 5.7.0 Cancelled" : "235 2.7.0 Authentication successful";
                default:
                    return "504 5.5.4 Expected AUTH PLAIN or AUTH LOGIN";
            }
        }

        /// <summary>Takes the message; false when the connection is to be dropped.</summary>
        async Task<bool> DataAsync()
        {
            if (_from is null || _recipients.Count == 0)
            {
                await ReplyAsync("503 5.5.1 MAIL and RCPT first");
                return true;
            }
            await ReplyAsync("354 End data with <CR><LF>.<CR><LF>");
            using var message = new MemoryStream();
            var tooBig = false;
            while (true)
            {
                if (await ReadLineBytesAsync(MaxMessageBytes) is not { } line) return false;
                if (line is [(byte)'.']) break;
                // A line that begins with a dot was sent with one more (RFC 5321, 4.5.2).
                var content = line.AsMemory(line is [(byte)'.', ..] ? 1 : 0);
                tooBig |= message.Length + content.Length + 2 > MaxMessageBytes;
                if (tooBig) continue;
                message.Write(content.Span);
                message.Write("\r\n"u8);
            }
            if (tooBig) await ReplyAsync("552 5.3.4 Message too big");
            else if (!handler.Accept(_from, [.. _recipients], message.ToArray(), _encrypted is not null)) return false;
            else await ReplyAsync("250 2.0.0 Ok: kept");
            Forget();
            return true;
        }

        void Begin()
        {
            _greeted = true;
            Forget();
        }

        void Forget()
        {
            _from = null;
            _recipients.Clear();
        }

        static string? Path(string argument, string keyword)
        {
            if (!argument.StartsWith(keyword, StringComparison.OrdinalIgnoreCase)) return null;
            var rest = argument[keyword.Length..].TrimStart();
            var end = rest.IndexOf('>', StringComparison.Ordinal);
            return rest.StartsWith('<') && end > 0 ? rest[1..end] : null;
        }

        static long Size(string argument)
        {
            var at = argument.IndexOf("SIZE=", StringComparison.OrdinalIgnoreCase);
            if (at < 0) return 0;
            var digits = argument[(at + 5)..].Split(' ')[0];
            return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var size) ? size : long.MaxValue;
        }

        async Task ReplyAsync(string reply)
        {
            await _stream.WriteAsync(Encoding.ASCII.GetBytes(reply + "\r\n"), ct);
        }

        async Task<string?> ReadLineAsync() => await ReadLineBytesAsync(MaxLineBytes) is { } line ? Encoding.UTF8.GetString(line) : null;

        async Task<byte[]?> ReadLineBytesAsync(int limit)
        {
            while (true)
            {
                var result = await _reader.ReadAsync(ct);
                if (result.Buffer.PositionOf((byte)'\n') is { } end)
                {
                    var line = result.Buffer.Slice(0, end).ToArray();
                    _reader.AdvanceTo(result.Buffer.GetPosition(1, end));
                    return line is [.., (byte)'\r'] ? line[..^1] : line;
                }
                if (result.IsCompleted || result.Buffer.Length > limit) return null;
                _reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            }
        }
    }
}
