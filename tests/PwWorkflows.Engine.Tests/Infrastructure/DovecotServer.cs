using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PwWorkflows.Tests.Infrastructure;

/// <summary>
/// A real Dovecot (Debian's <c>dovecot-imapd</c>) on a free loopback port with one mailbox. <c>DOVECOT_ROOT</c> leads to an unpacked package where it is not installed.
/// </summary>
public sealed class DovecotServer : IAsyncDisposable
{
    public const string User = "ops@example.test";
    public const string Password = "marked-imap-password";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private readonly Process _process;
    private readonly string _folder;
    private int _delivered;

    private DovecotServer(Process process, string folder, int port) => (_process, _folder, Port) = (process, folder, port);

    public int Port { get; }

    private string Maildir => Path.Combine(_folder, "home", User, "Maildir");

    /// <exception cref="InvalidOperationException">It is not installed, or does not start.</exception>
    public static async Task<DovecotServer> StartAsync(CancellationToken ct)
    {
        var root = Environment.GetEnvironmentVariable("DOVECOT_ROOT") ?? "";
        var program = root + "/usr/sbin/dovecot";
        if (!File.Exists(program)) throw new InvalidOperationException("Dovecot is missing: install dovecot-imapd, as ./test does.");
        // Unix sockets have short names only.
        var folder = Directory.CreateTempSubdirectory("dvc").FullName;
        var port = FreePort();
        var (id, group, name, groupName) = await WhoAsync(ct);
        var asRoot = id == 0;
        if (asRoot)
        {
            (id, group, name, groupName) = (8, 8, "mail", "mail");
            using var open = Process.Start("chmod", ["755", folder]);
            await open.WaitForExitAsync(ct);
        }

        var users = Path.Combine(folder, "users");
        await File.WriteAllTextAsync(users, $"{User}:{{PLAIN}}{Password}\n", ct);
        var configuration = Path.Combine(folder, "dovecot.conf");
        await File.WriteAllTextAsync(configuration, string.Create(CultureInfo.InvariantCulture, $$"""
            protocols = imap
            listen = 127.0.0.1
            base_dir = {{folder}}/base
            state_dir = {{folder}}/state
            log_path = {{folder}}/dovecot.log
            {{(root.Length > 0 ? $"libexec_dir = {root}/usr/lib/dovecot\nmail_plugin_dir = {root}/usr/lib/dovecot/modules\nimport_environment = TZ LD_LIBRARY_PATH" : "")}}
            ssl = no
            disable_plaintext_auth = no
            default_internal_user = {{name}}
            default_internal_group = {{groupName}}
            default_login_user = {{(asRoot ? "nobody" : name)}}
            first_valid_uid = 0
            mail_location = maildir:~/Maildir
            passdb {
              driver = passwd-file
              args = scheme=PLAIN username_format=%u {{users}}
            }
            userdb {
              driver = static
              args = uid={{id}} gid={{group}} home={{folder}}/home/%u
            }
            namespace inbox {
              inbox = yes
            }
            service imap-login {
              chroot =
              inet_listener imap {
                port = {{port}}
              }
              inet_listener imaps {
                port = 0
              }
            }
            service anvil {
              chroot =
            }

            """), ct);
        var start = new ProcessStartInfo(program) { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true };
        start.ArgumentList.Add("-F");
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(configuration);
        if (root.Length > 0) start.Environment["LD_LIBRARY_PATH"] = $"{root}/usr/lib/dovecot:{root}/usr/lib/dovecot/modules:{root}/usr/lib/dovecot/modules/old-stats";
        var process = Process.Start(start) ?? throw new InvalidOperationException("dovecot can't be started.");
        var server = new DovecotServer(process, folder, port);
        try
        {
            server.Prepare(id, group);
            await Eventually.TrueAsync(
                async () =>
                {
                    if (process.HasExited) throw new InvalidOperationException("dovecot ended: " + await process.StandardError.ReadToEndAsync(ct) + server.Log);
                    try
                    {
                        using var client = new TcpClient();
                        await client.ConnectAsync(IPAddress.Loopback, port, ct);
                        return true;
                    }
                    catch (SocketException)
                    {
                        return false;
                    }
                }, "dovecot answers", ct);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>What it wrote to its log.</summary>
    public string Log => File.Exists(Path.Combine(_folder, "dovecot.log")) ? File.ReadAllText(Path.Combine(_folder, "dovecot.log")) : "";

    /// <summary>Puts a mail into the mailbox, as a mail server does.</summary>
    public void Deliver(string mail)
    {
        var file = string.Create(CultureInfo.InvariantCulture, $"{++_delivered:000000}.M{Environment.ProcessId}.test");
        var written = Path.Combine(Maildir, "tmp", file);
        File.WriteAllText(written, mail.ReplaceLineEndings("\r\n"));
        Own(written);
        File.Move(written, Path.Combine(Maildir, "new", file));
    }

    /// <summary>Throws the server's own numbering away: the next look finds another UIDVALIDITY.</summary>
    public void ForgetNumbers(uint validity)
    {
        foreach (var file in Directory.GetFiles(Maildir, "dovecot*")) File.Delete(file);
        var list = Path.Combine(Maildir, "dovecot-uidlist");
        File.WriteAllText(list, string.Create(CultureInfo.InvariantCulture, $"3 V{validity} N1 G{Guid.NewGuid():N}\n"));
        Own(list);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            using var term = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
            await term.WaitForExitAsync();
            await _process.WaitForExitAsync().WaitAsync(Limit);
        }

        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private uint _owner, _group;

    private void Prepare(uint owner, uint group)
    {
        (_owner, _group) = (owner, group);
        foreach (var part in (string[])["tmp", "new", "cur"]) Directory.CreateDirectory(Path.Combine(Maildir, part));
        foreach (var path in (string[])[Path.Combine(_folder, "home"), Path.GetDirectoryName(Maildir)!, Maildir, Path.Combine(Maildir, "tmp"), Path.Combine(Maildir, "new"), Path.Combine(Maildir, "cur")]) Own(path);
    }

    private void Own(string path)
    {
        using var change = Process.Start("chown", [string.Create(CultureInfo.InvariantCulture, $"{_owner}:{_group}"), path]);
        change.WaitForExit();
    }

    private static async Task<(uint Id, uint Group, string Name, string GroupName)> WhoAsync(CancellationToken ct)
    {
        async Task<string> AskAsync(string option)
        {
            using var id = Process.Start(new ProcessStartInfo("id", option) { RedirectStandardOutput = true, UseShellExecute = false })!;
            return (await id.StandardOutput.ReadToEndAsync(ct)).Trim();
        }

        return (uint.Parse(await AskAsync("-u"), CultureInfo.InvariantCulture), uint.Parse(await AskAsync("-g"), CultureInfo.InvariantCulture), await AskAsync("-un"), await AskAsync("-gn"));
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
