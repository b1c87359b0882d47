using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using MailKit.Security;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Sandbox;
using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.Mail;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Activities.Tests.Notifications;

/// <summary>One mail per key over real SMTP: whatever the relay does in between.</summary>
public sealed class MailSenderTests : IAsyncLifetime
{
    private const string Password = "marked-smtp-password";

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 30, 9, 0, 0, TimeSpan.Zero));
    private readonly X509Certificate2 _certificate = SelfMade();
    private readonly CapturedLog _log = new();
    private TestDatabase _database = null!;
    private SandboxHost _sandbox = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private MailSystem Sink => _sandbox.System<MailSystem>();

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(Ct);
        _sandbox = await StartAsync(certificate: null);
    }

    public async ValueTask DisposeAsync()
    {
        await _sandbox.DisposeAsync();
        await _database.DisposeAsync();
        _certificate.Dispose();
    }

    private static Task<SandboxHost> StartAsync(X509Certificate2? certificate, int port = 0) =>
        SandboxHost.StartAsync(new SandboxOptions { Urls = "http://127.0.0.1:0", SmtpPort = port, SmtpCertificate = certificate }, Ct);

    private async Task OfferTlsAsync()
    {
        await _sandbox.DisposeAsync();
        _sandbox = await StartAsync(_certificate);
    }

    private static X509Certificate2 SelfMade()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        var request = new CertificateRequest("CN=sandbox.localhost", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    /// <summary>A sender as a node of its own has it.</summary>
    private MailSender Sender(string tls = "auto", string user = "", int? port = null, bool trusting = false, int perMinute = 0, bool reachesCustomers = true, MailHours? hours = null) => new(
        _database, new EffectLedger(_database, _time, NullLogger<EffectLedger>.Instance), _time,
        Options.Create(new MailOptions { Host = "127.0.0.1", Port = port ?? _sandbox.SmtpPort, Tls = tls, User = user, Password = user.Length > 0 ? Password : "", ReachesCustomers = reachesCustomers, PerMinute = perMinute, Hours = hours ?? new MailHours() }), _log)
    {
        CertificateCheck = trusting ? (_, certificate, _, _) => certificate!.GetCertHashString() == _certificate.GetCertHashString() : null,
    };

    private static MailToSend Mail(string key = "mail:CO-1A2B3C4D:order-received") => new(
        key, "dana@carrier.net", "order-received",
        new Dictionary<string, object?> { ["order_number"] = "CO-1A2B3C4D", ["customer_name"] = "Dana", ["service_name"] = "FCC Form 499-A" }, "CO-1A2B3C4D");

    private void FailOnce(string kind, int status = 500) => Sink.Faults.Add(new Fault { Kind = kind, Status = status, DelayMs = 3_600_000, Count = 1 });

    private async Task<IReadOnlyList<(string Status, string? Note)>> KeptAsync() =>
        await _database.QueryAsync("SELECT status, note FROM mails ORDER BY key", Parameters.None, static r => (r.GetString(0), r.Text(1)), Ct);

    private List<(string Id, bool Repeat)> Arrived() => [.. Sink.Messages.Select(static m =>
    {
        using var message = m.Parse();
        return (message.MessageId!, message.Headers["X-PW-Possible-Repeat"] is not null);
    })];

    private static void IsRetryable(Exception e, bool nothingHappened)
    {
        Assert.IsNotAssignableFrom<NonRetryableException>(e);
        Assert.IsNotAssignableFrom<OperationCanceledException>(e);
        Assert.Equal(nothingHappened, Assert.IsAssignableFrom<IEffectFailure>(e).NothingHappened);
    }

    /// <summary>A try whose answer the relay swallows after it took the mail.</summary>
    private async Task LoseTheAnswerAsync(MailSender sender)
    {
        FailOnce(FaultKinds.DropAnswer);
        IsRetryable(await Assert.ThrowsAsync<MailOutcomeUnknownException>(() => sender.SendAsync(Mail(), Ct)), nothingHappened: false);
    }

    [Fact]
    public async Task A_text_for_the_readers_eyes_only_arrives_but_is_not_kept()
    {
        const string secret = "<b>dana's & only</b>";
        var mail = Mail() with { Values = new Dictionary<string, object?>(Mail().Values) { ["customer_name"] = secret, ["service_name"] = secret }, Secrets = [secret] };
        await Sender().SendAsync(mail, Ct);
        using var arrived = Assert.Single(Sink.Messages).Parse();
        Assert.Contains(secret, arrived.TextBody, StringComparison.Ordinal);
        Assert.Contains(System.Text.Encodings.Web.HtmlEncoder.Default.Encode(secret), arrived.HtmlBody, StringComparison.Ordinal);
        var kept = Assert.Single(await _database.QueryAsync("SELECT subject || body_text || body_html FROM mails", Parameters.None, static r => r.GetString(0), Ct));
        Assert.Contains("•••", kept, StringComparison.Ordinal);
        Assert.DoesNotContain("dana", kept, StringComparison.Ordinal);
        Assert.DoesNotContain("•••", arrived.TextBody + arrived.HtmlBody, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mail_that_another_node_has_taken_over_meanwhile_is_left_to_that_node()
    {
        var sender = Sender(perMinute: 1);
        await sender.SendAsync(Mail("mail:CO-1A2B3C4D:first"), Ct);
        var waiting = sender.SendAsync(Mail() with { Bulk = true }, Ct);
        await Eventually.TrueAsync(
            async () => await _database.RunAsync($"UPDATE effects SET owner = 'another', lease_until = {_database.UnixNow()} + 30 WHERE status = 'started'", Ct) == 1, "the mail waits for its minute", Ct);
        await Eventually.TrueAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromSeconds(20));
                return waiting.IsCompleted;
            },
            "the minute is over", Ct);
        await Assert.ThrowsAsync<EffectLeaseLostException>(() => waiting);
        Assert.Single(Arrived());
        Assert.Single(await KeptAsync());
    }

    [Fact]
    public async Task One_key_is_one_mail_on_any_node_and_its_Message_ID_comes_from_the_key()
    {
        var first = await Sender().SendAsync(Mail(), Ct);
        Assert.Equal(first, await Sender().SendAsync(Mail(), Ct));
        Assert.Equal((first.MessageId, false), Assert.Single(Arrived()));
        Assert.Equal(("sent", (string?)null), Assert.Single(await KeptAsync()));
        var other = await Sender().SendAsync(Mail("mail:CO-1A2B3C4D:again"), Ct);
        Assert.NotEqual(first.MessageId, other.MessageId);
        Assert.Equal(2, Sink.Messages.Count);
    }

    [Fact]
    public async Task Lost_answer_is_a_mail_sent_once_more_with_the_same_Message_ID_and_marked()
    {
        await LoseTheAnswerAsync(Sender());
        var sent = await Sender().SendAsync(Mail(), Ct);
        Assert.Equal([(sent.MessageId, false), (sent.MessageId, true)], Arrived());
        Assert.Equal(("sent", "possible repeat"), Assert.Single(await KeptAsync()));
        Assert.Equal(sent, await Sender().SendAsync(Mail(), Ct));
        Assert.Equal(2, Sink.Messages.Count);
    }

    [Fact]
    public async Task Mails_of_jobs_wait_for_a_slot_of_the_minute_on_all_nodes_and_answers_do_not()
    {
        var (one, other) = (Sender(perMinute: 2), Sender(perMinute: 2));
        await one.SendAsync(Mail("mail:1") with { Bulk = true }, Ct);
        _time.Advance(TimeSpan.FromSeconds(20));
        await other.SendAsync(Mail("mail:2") with { Bulk = true }, Ct);
        await one.SendAsync(Mail("mail:answer"), Ct);
        var waiting = other.SendAsync(Mail("mail:3") with { Bulk = true }, Ct);
        _time.Advance(TimeSpan.FromSeconds(39));
        Assert.False(waiting.IsCompleted);
        Assert.Equal(3, Sink.Messages.Count);
        // The answer took a slot too: two are used until its minute is over.
        await Eventually.TrueAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                return waiting.IsCompleted;
            }, "the slot is free", Ct);
        await waiting;
        Assert.Equal(4, Sink.Messages.Count);
    }

    [Fact]
    public async Task Mail_of_a_job_that_waited_for_its_slot_until_the_hours_ended_is_held_and_one_that_answers_is_not()
    {
        // The slots of this minute are used up, and the hours end before the next.
        var hours = new MailHours { Zone = TimeZoneInfo.Utc, Quiet = new(new(9, 1), new(17, 0)) };
        var sender = Sender(perMinute: 1, hours: hours);
        await sender.SendAsync(Mail("mail:1") with { Bulk = true, Hold = MailHold.AllHours }, Ct);
        var waiting = sender.SendAsync(Mail("mail:2") with { Bulk = true, Hold = MailHold.AllHours }, Ct);
        await Eventually.TrueAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                return waiting.IsCompleted;
            }, "the slot is free", Ct);
        Assert.Contains("2026-03-30 17:00 UTC", (await Assert.ThrowsAsync<MailHeldException>(() => waiting)).Message, StringComparison.Ordinal);
        await sender.SendAsync(Mail("mail:answer"), Ct);
        Assert.Equal(2, Sink.Messages.Count);
        _time.SetUtcNow(new DateTimeOffset(2026, 3, 30, 17, 0, 0, TimeSpan.Zero));
        await sender.SendAsync(Mail("mail:2") with { Bulk = true, Hold = MailHold.AllHours }, Ct);
        Assert.Equal(3, Sink.Messages.Count);
        Assert.All(Arrived(), static m => Assert.False(m.Repeat));
    }

    [Fact]
    public async Task Outside_production_the_administrator_alone_gets_everything()
    {
        await Sender(reachesCustomers: false).SendAsync(Mail() with { CopyAdmin = true }, Ct);
        Assert.Equal(["ops@performancewest.net"], Assert.Single(Sink.Messages).Recipients);
    }

    [Fact]
    public async Task Copy_for_the_administrator_is_blind()
    {
        await Sender().SendAsync(Mail() with { CopyAdmin = true }, Ct);
        var mail = Assert.Single(Sink.Messages);
        Assert.Equal(["dana@carrier.net", "ops@performancewest.net"], mail.Recipients.Order());
        using var message = mail.Parse();
        Assert.DoesNotContain(message.Headers, h => h.Value.Contains("ops@performancewest.net", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(450)]
    [InlineData(550)]
    public async Task Blind_copy_that_is_refused_holds_nothing_up_and_is_told(int status)
    {
        Sink.Faults.Add(new Fault { Kind = MailSystem.Refuse, Status = status, Match = "ops@performancewest.net" });
        await Sender().SendAsync(Mail() with { CopyAdmin = true }, Ct);
        await Sender().SendAsync(Mail() with { CopyAdmin = true }, Ct);
        Assert.Equal(["dana@carrier.net"], Assert.Single(Sink.Messages).Recipients);
        var (kept, note) = Assert.Single(await KeptAsync());
        Assert.Equal("sent", kept);
        Assert.StartsWith("the blind copy was refused: ", note, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dana@example.com")]
    [InlineData("dana@mail.example.org")]
    [InlineData("dana@carrier.invalid")]
    [InlineData("noreply@carrier.net")]
    [InlineData("Placeholder@carrier.net")]
    public async Task Placeholder_is_never_mailed(string address)
    {
        var failure = await Assert.ThrowsAsync<NonRetryableException>(() => Sender().SendAsync(Mail() with { To = address }, Ct));
        Assert.Contains(address, failure.Message, StringComparison.Ordinal);
        Assert.Empty(Sink.Messages);
        Assert.Empty(await KeptAsync());
    }

    [Theory]
    [InlineData(MailSystem.Down)]
    [InlineData(MailSystem.Refuse)]
    public async Task Repeat_stays_marked_when_the_relay_puts_it_off_in_between(string kind)
    {
        await LoseTheAnswerAsync(Sender());
        FailOnce(kind);
        IsRetryable(await Assert.ThrowsAsync<EffectNotPerformedException>(() => Sender().SendAsync(Mail(), Ct)), nothingHappened: true);
        var sent = await Sender().SendAsync(Mail(), Ct);
        Assert.Equal([(sent.MessageId, false), (sent.MessageId, true)], Arrived());
    }

    [Fact]
    public async Task Answer_lost_twice_is_for_a_person()
    {
        await LoseTheAnswerAsync(Sender());
        await LoseTheAnswerAsync(Sender());
        await Assert.ThrowsAsync<EffectUncertainException>(() => Sender().SendAsync(Mail(), Ct));
        Assert.Equal(2, Sink.Messages.Count);
    }

    [Fact]
    public async Task Relay_that_does_not_answer_in_time_is_a_retryable_failure_of_unknown_outcome()
    {
        FailOnce(FaultKinds.Slow);
        var sending = Sender().SendAsync(Mail(), Ct);
        await Eventually.TrueAsync(async () => await KeptAsync() is [("sending", null)], "the mail is being handed over", Ct);
        _time.Advance(TimeSpan.FromSeconds(30));
        var failure = await Assert.ThrowsAsync<MailOutcomeUnknownException>(() => sending);
        IsRetryable(failure, nothingHappened: false);
        Assert.Contains("30 s", failure.Message, StringComparison.Ordinal);
        var sent = await Sender().SendAsync(Mail(), Ct);
        Assert.Equal((sent.MessageId, true), Assert.Single(Arrived()));
    }

    [Fact]
    public async Task Caller_that_stops_is_told_so_and_the_mail_goes_out_marked_later()
    {
        FailOnce(FaultKinds.Slow);
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var sending = Sender().SendAsync(Mail(), caller.Token);
        await Eventually.TrueAsync(async () => await KeptAsync() is [("sending", null)], "the mail is being handed over", Ct);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        var sent = await Sender().SendAsync(Mail(), Ct);
        Assert.Equal((sent.MessageId, true), Assert.Single(Arrived()));
    }

    [Fact]
    public async Task Relay_that_takes_the_connection_and_says_nothing_has_done_nothing()
    {
        using var mute = new TcpListener(IPAddress.Loopback, 0);
        mute.Start();
        var sending = Sender(port: ((IPEndPoint)mute.LocalEndpoint).Port).SendAsync(Mail(), Ct);
        using var taken = await mute.AcceptTcpClientAsync(Ct);
        _time.Advance(TimeSpan.FromSeconds(30));
        IsRetryable(await Assert.ThrowsAsync<EffectNotPerformedException>(() => sending), nothingHappened: true);
        await Sender().SendAsync(Mail(), Ct);
        Assert.False(Assert.Single(Arrived()).Repeat);
    }

    [Fact]
    public async Task Relay_that_was_down_gets_the_mail_when_it_is_back()
    {
        var port = _sandbox.SmtpPort;
        await _sandbox.DisposeAsync();
        IsRetryable(await Assert.ThrowsAsync<EffectNotPerformedException>(() => Sender(port: port).SendAsync(Mail(), Ct)), nothingHappened: true);
        _sandbox = await StartAsync(certificate: null, port);
        await Sender().SendAsync(Mail(), Ct);
        Assert.False(Assert.Single(Arrived()).Repeat);
    }

    [Theory]
    [InlineData(421, true)]
    [InlineData(451, true)]
    [InlineData(452, true)]
    [InlineData(550, false)]
    [InlineData(554, false)]
    public async Task Refusal_is_tried_again_only_when_the_relay_says_so(int status, bool retryable)
    {
        FailOnce(MailSystem.Refuse, status);
        var failure = await Assert.ThrowsAnyAsync<Exception>(() => Sender().SendAsync(Mail(), Ct));
        if (retryable) IsRetryable(failure, nothingHappened: true);
        else Assert.True(Assert.IsAssignableFrom<NonRetryableException>(failure) is IEffectFailure { NothingHappened: true });
        Assert.Contains("dana@carrier.net", failure.Message, StringComparison.Ordinal);
        Assert.Equal("failed", Assert.Single(await KeptAsync()).Status);
        Assert.Empty(Sink.Messages);

        await Sender().SendAsync(Mail(), Ct);
        Assert.False(Assert.Single(Arrived()).Repeat);
        Assert.Equal(("sent", (string?)null), Assert.Single(await KeptAsync()));
    }

    [Theory]
    [InlineData("required")]
    [InlineData("auto")]
    public async Task Relay_with_STARTTLS_gets_password_and_mail_encrypted(string tls)
    {
        await OfferTlsAsync();
        await Sender(tls, user: "pw", trusting: true).SendAsync(Mail(), Ct);
        Assert.Single(Sink.Messages);
        Assert.True(Assert.Single(Sink.Log.Read()).Detail!["tls"]!.GetValue<bool>());
    }

    [Fact]
    public async Task Relay_with_implicit_TLS_gets_all_of_it_encrypted_from_the_first_byte()
    {
        await using var relay = TlsRelay.Start(_certificate, _sandbox.SmtpPort);
        await Sender("implicit", user: "pw", port: relay.Port, trusting: true).SendAsync(Mail(), Ct);
        Assert.Single(Sink.Messages);
        Assert.Equal(1, relay.Sessions);

        // Nobody vouches for the certificate: not even the name of the user is said.
        IsRetryable(await Assert.ThrowsAsync<EffectNotPerformedException>(() => Sender("implicit", user: "pw", port: relay.Port).SendAsync(Mail("mail:other"), Ct)), nothingHappened: true);
        Assert.Single(Sink.Messages);
    }

    [Fact]
    public async Task Implicit_TLS_refuses_a_relay_that_speaks_plainly()
    {
        IsRetryable(await Assert.ThrowsAsync<EffectNotPerformedException>(() => Sender("implicit", user: "pw").SendAsync(Mail(), Ct)), nothingHappened: true);
        Assert.Empty(Sink.Messages);
    }

    [Fact]
    public async Task Required_encryption_refuses_a_relay_without_it()
    {
        var failure = await Assert.ThrowsAsync<EffectNotPerformedException>(() => Sender("required", user: "pw").SendAsync(Mail(), Ct));
        IsRetryable(failure, nothingHappened: true);
        Assert.Contains("STARTTLS", failure.Message, StringComparison.Ordinal);
        Assert.Empty(Sink.Messages);
    }

    [Theory]
    [InlineData("required")]
    [InlineData("auto")]
    public async Task Certificate_nobody_vouches_for_is_refused(string tls)
    {
        await OfferTlsAsync();
        IsRetryable(await Assert.ThrowsAsync<EffectNotPerformedException>(() => Sender(tls, user: "pw").SendAsync(Mail(), Ct)), nothingHappened: true);
        Assert.Empty(Sink.Messages);
    }

    [Fact]
    public async Task Refused_credentials_are_said_without_the_password_and_tried_again()
    {
        await OfferTlsAsync();
        Sink.Faults.Add(new Fault { Kind = MailSystem.RefuseAuth });
        var failure = await Assert.ThrowsAsync<EffectNotPerformedException>(() => Sender("required", user: "pw", trusting: true).SendAsync(Mail(), Ct));
        IsRetryable(failure, nothingHappened: true);
        Assert.IsType<AuthenticationException>(failure.InnerException);
        var encoded = Convert.ToBase64String(Encoding.UTF8.GetBytes("\0pw\0" + Password));
        Assert.All((string[])[failure.ToString(), .. _log.Lines], text =>
        {
            Assert.DoesNotContain(Password, text, StringComparison.Ordinal);
            Assert.DoesNotContain(encoded, text, StringComparison.Ordinal);
        });
        Assert.NotEmpty(_log.Lines);
        Sink.Faults.Clear();
        await Sender("required", user: "pw", trusting: true).SendAsync(Mail(), Ct);
        Assert.Single(Sink.Messages);
    }

    [Fact]
    public async Task Without_a_relay_no_mail_is_lost_in_silence()
    {
        var sender = new MailSender(_database, new EffectLedger(_database, _time, NullLogger<EffectLedger>.Instance), _time, Options.Create(new MailOptions()), _log);
        Assert.Contains("SMTP_HOST", (await Assert.ThrowsAsync<EffectNotPerformedException>(() => sender.SendAsync(Mail(), Ct))).Message, StringComparison.Ordinal);
        await Sender().SendAsync(Mail(), Ct);
        Assert.Single(Sink.Messages);
    }

    /// <summary>A port at which TLS is spoken from the first byte, in front of a relay that speaks plainly.</summary>
    private sealed class TlsRelay : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stop = new();
        private readonly X509Certificate2 _certificate;
        private readonly int _behind;
        private Task _accepting = Task.CompletedTask;
        private int _sessions;

        private TlsRelay(X509Certificate2 certificate, int behind) => (_certificate, _behind) = (certificate, behind);

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        /// <summary>Sessions whose handshake both sides were content with.</summary>
        public int Sessions => Volatile.Read(ref _sessions);

        public static TlsRelay Start(X509Certificate2 certificate, int behind)
        {
            var relay = new TlsRelay(certificate, behind);
            relay._listener.Start();
            relay._accepting = relay.AcceptAsync();
            return relay;
        }

        private async Task AcceptAsync()
        {
            var sessions = new List<Task>();
            try
            {
                while (true) sessions.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
            catch (OperationCanceledException)
            {
                await Task.WhenAll(sessions);
            }
        }

        private async Task ServeAsync(TcpClient client)
        {
            try
            {
                using (client)
                using (var behind = new TcpClient())
                await using (var encrypted = new SslStream(client.GetStream()))
                {
                    await encrypted.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _stop.Token);
                    // What a client refuses it says after the handshake: it counts once something came through it.
                    var first = new byte[1];
                    await behind.ConnectAsync(IPAddress.Loopback, _behind, _stop.Token);
                    var answers = behind.GetStream().CopyToAsync(encrypted, _stop.Token);
                    if (await encrypted.ReadAsync(first, _stop.Token) == 0) return;
                    Interlocked.Increment(ref _sessions);
                    await behind.GetStream().WriteAsync(first, _stop.Token);
                    await Task.WhenAny(encrypted.CopyToAsync(behind.GetStream(), _stop.Token), answers);
                }
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or System.Security.Authentication.AuthenticationException)
            {
                // The other side went away, which is its right.
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _accepting;
            _listener.Dispose();
            _stop.Dispose();
        }
    }

    private sealed class CapturedLog : ILogger<MailSender>
    {
        private readonly ConcurrentQueue<string> _lines = new();

        public string[] Lines => [.. _lines];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _lines.Enqueue(formatter(state, exception) + exception);
    }
}

/// <summary>The limit of mails a minute on nodes whose clocks differ.</summary>
public sealed class MailSlotTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task Nodes_whose_clocks_differ_share_the_slots_of_one_minute()
    {
        var ct = TestContext.Current.CancellationToken;
        await using var database = await TestDatabase.CreateAsync(ct, postgres);
        var now = TimeProvider.System.GetUtcNow();
        var (behind, ahead) = (new MailSlots(database, new FakeTimeProvider(now.AddHours(-1)), 2), new MailSlots(database, new FakeTimeProvider(now.AddHours(1)), 2));
        Assert.Equal(0, await behind.TryTakeAsync(limited: true, ct));
        Assert.Equal(0, await ahead.TryTakeAsync(limited: true, ct));
        Assert.InRange(await behind.TryTakeAsync(limited: true, ct), 1, 60_000);
        Assert.InRange(await ahead.TryTakeAsync(limited: true, ct), 1, 60_000);
    }
}
