using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;
using PwWorkflows.Sandbox.Mail;

namespace PwWorkflows.Activities.Tests.Sandbox;

public sealed class MailTests : SandboxTest
{
    MailSystem Mail => Host.System<MailSystem>();

    static MimeMessage Message(string subject = "Ihre Meldung – 499-A", string to = "dana@carrier.net")
    {
        var message = new MimeMessage();
        message.From.Add(MailboxAddress.Parse("notifications@performancewest.net"));
        message.To.Add(MailboxAddress.Parse(to));
        message.Subject = subject;
        message.Body = new BodyBuilder { TextBody = ".first line\n..second line\nend\n", HtmlBody = "<p>Filed</p>", Attachments = { { "a.pdf", "%PDF"u8.ToArray() } } }.ToMessageBody();
        return message;
    }

    async Task SendAsync(MimeMessage message, bool signIn = false)
    {
        using var client = new SmtpClient();
        await client.ConnectAsync("127.0.0.1", Host.SmtpPort, SecureSocketOptions.None, Ct);
        if (signIn) await client.AuthenticateAsync("user", "pass", Ct);
        await client.SendAsync(message, Ct);
        await client.DisconnectAsync(true, Ct);
    }

    [Fact]
    public async Task Mail_arrives_as_it_was_sent()
    {
        await SendAsync(Message());
        using var message = Assert.Single(Mail.Messages).Parse();
        Assert.Equal("Ihre Meldung – 499-A", message.Subject);
        Assert.Equal(".first line\n..second line\nend\n", message.TextBody!.ReplaceLineEndings("\n"));
        var view = JsonNode.Parse(await Http.GetStringAsync("mail/api/messages?to=dana@carrier.net", Ct))!.AsArray().Single()!;
        Assert.Equal("dana@carrier.net", view["to"]![0]!.GetValue<string>());
        Assert.Equal("a.pdf", view["attachments"]![0]!["name"]!.GetValue<string>());
        Assert.Equal(4, view["attachments"]![0]!["length"]!.GetValue<long>());
        Assert.Empty(JsonNode.Parse(await Http.GetStringAsync("mail/api/messages?to=else@carrier.net", Ct))!.AsArray());
    }

    [Theory]
    [InlineData("PLAIN")]
    [InlineData("LOGIN")]
    public async Task Any_credentials_open_the_door(string mechanism)
    {
        using var client = new SmtpClient();
        await client.ConnectAsync("127.0.0.1", Host.SmtpPort, SecureSocketOptions.None, Ct);
        foreach (var other in client.AuthenticationMechanisms.Where(m => m != mechanism).ToArray()) client.AuthenticationMechanisms.Remove(other);
        await client.AuthenticateAsync("someone", "whatever", Ct);
        Assert.True(client.IsAuthenticated);
        await client.SendAsync(Message(), Ct);
        Assert.Single(Mail.Messages);
    }

    [Fact]
    public async Task One_connection_carries_several_mails()
    {
        using var client = new SmtpClient();
        await client.ConnectAsync("127.0.0.1", Host.SmtpPort, SecureSocketOptions.None, Ct);
        for (var i = 1; i <= 3; i++) await client.SendAsync(Message($"no {i}"), Ct);
        Assert.Equal(["no 1", "no 2", "no 3"], Mail.Messages.Select(m => m.View().Subject));
    }

    [Fact]
    public async Task Commands_out_of_turn_are_refused()
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, Host.SmtpPort, Ct);
        using var reader = new StreamReader(tcp.GetStream(), Encoding.ASCII);
        await using var writer = new StreamWriter(tcp.GetStream(), Encoding.ASCII) { AutoFlush = true, NewLine = "\r\n" };
        Assert.StartsWith("220", await reader.ReadLineAsync(Ct), StringComparison.Ordinal);
        foreach (var (command, code) in new[]
        {
            ("MAIL FROM:<a@b.net>", "503"), ("HELO me", "250"), ("RCPT TO:<x@y.net>", "503"), ("DATA", "503"), ("MAIL a@b.net", "501"), ("MAIL FROM:<a@b.net> SIZE=99999999999", "552"),
            ("MAIL FROM:<>", "250"), ("MAIL FROM:<a@b.net>", "503"), ("RCPT TO:<>", "501"), ("RCPT TO:<x@y.net>", "250"), ("RSET", "250"), ("DATA", "503"), ("NOOP", "250"), ("XYZZY", "500"), ("QUIT", "221"),
        })
        {
            await writer.WriteLineAsync(command.AsMemory(), Ct);
            var reply = await reader.ReadLineAsync(Ct);
            Assert.True(reply?.StartsWith(code, StringComparison.Ordinal), $"{command}: {reply}");
        }
        Assert.Null(await reader.ReadLineAsync(Ct));
        Assert.Empty(Mail.Messages);
    }

    [Fact]
    public async Task Refused_recipients_leave_no_mail()
    {
        await FaultAsync("mail", """{"kind":"refuse","status":550,"count":1}""");
        var error = await Assert.ThrowsAsync<SmtpCommandException>(() => SendAsync(Message()));
        Assert.Equal(550, (int)error.StatusCode);
        Assert.Empty(Mail.Messages);
        await SendAsync(Message());
        Assert.Single(Mail.Messages);
    }

    [Fact]
    public async Task Refusal_is_temporary_unless_said_otherwise()
    {
        await FaultAsync("mail", """{"kind":"refuse","match":"dana@carrier.net"}""");
        var error = await Assert.ThrowsAsync<SmtpCommandException>(() => SendAsync(Message()));
        Assert.Equal(451, (int)error.StatusCode);
        await SendAsync(Message(to: "else@carrier.net"));
        Assert.Single(Mail.Messages);
    }

    [Fact]
    public async Task Lost_answer_after_data_keeps_the_mail()
    {
        await FaultAsync("mail", """{"kind":"drop_answer","count":1}""");
        await Assert.ThrowsAnyAsync<Exception>(() => SendAsync(Message()));
        Assert.Single(Mail.Messages);
        var entry = Assert.Single(await LogAsync("mail"))!;
        Assert.Equal("drop_answer", entry["fault"]!.GetValue<string>());
        Assert.Contains("mail 1", entry["changed"]![0]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_that_is_down_turns_connections_away()
    {
        await FaultAsync("mail", """{"kind":"down","count":1}""");
        await Assert.ThrowsAsync<SmtpCommandException>(() => SendAsync(Message()));
        await SendAsync(Message());
        Assert.Single(Mail.Messages);
    }

    [Fact]
    public async Task Slow_server_still_takes_the_mail()
    {
        await FaultAsync("mail", """{"kind":"slow","delay_ms":20,"count":1}""");
        await SendAsync(Message());
        Assert.Single(Mail.Messages);
    }

    [Fact]
    public async Task Pages_show_mail_and_escape_it()
    {
        await SendAsync(Message("<script>alert(1)</script>"));
        var list = await Http.GetStringAsync("mail", Ct);
        Assert.Contains("&lt;script&gt;", list, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>", list, StringComparison.Ordinal);
        Assert.Contains("dana@carrier.net", await Http.GetStringAsync("mail/1", Ct), StringComparison.Ordinal);
        using var html = await Http.GetAsync("mail/1/html", Ct);
        Assert.Contains("sandbox", html.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        using var missing = await Http.GetAsync("mail/2", Ct);
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
    }

    [Fact]
    public async Task Reset_forgets_the_mail()
    {
        await SendAsync(Message());
        await PostOkAsync("_reset", "");
        Assert.Empty(Mail.Messages);
    }
}
