using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using MailKit;
using MailKit.Net.Imap;
using MailKit.Search;
using MailKit.Security;
using Microsoft.Extensions.Options;
using MimeKit;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Jobs;

namespace PwWorkflows.Activities.Relay;

/// <summary>The mailbox can't be read now: down, refused, too slow. Worth another try. The text holds no password.</summary>
public sealed class MailboxUnavailableException : Exception
{
    /// <summary>Creates the exception.</summary>
    public MailboxUnavailableException() { }

    /// <summary>Creates the exception with what happened.</summary>
    public MailboxUnavailableException(string message) : base(message) { }

    /// <summary>Creates the exception with what happened and its cause.</summary>
    public MailboxUnavailableException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>
/// Reads the mailbox of the bank's alerts. How far it was read is remembered by UIDVALIDITY and UID and moves in the transaction that writes a mail down, so that none is lost or read twice.
/// When UIDVALIDITY changes everything is looked at again, and a mail known by Message-ID and content is left out. The folder is opened read-only: what people have read does not matter.
/// </summary>
public sealed class RelayMailbox(IPwDatabase database, JobEvidence evidence, TimeProvider time, IOptions<RelayOptions> options)
{
    /// <summary>The job.</summary>
    public const string Job = "pw-relay-deposit-monitor";

    /// <summary>Most mails read in one run.</summary>
    internal const int Most = 200;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    private sealed record Position(uint Validity, uint LastUid);

    /// <summary>Reads what is new.</summary>
    /// <param name="dryRun">Only tell how many there are.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <returns>How many mails were read, and how many of them claim to be the bank's; <c>null</c>: there is no mailbox.</returns>
    /// <exception cref="MailboxUnavailableException">It can't be read now.</exception>
    public async Task<(int Read, int Claimed)?> ReadAsync(bool dryRun, CancellationToken ct)
    {
        var o = options.Value;
        if (o.Host.Length == 0) return null;
        using var imap = new ImapClient { Timeout = (int)Timeout.TotalMilliseconds };
        try
        {
            await imap.ConnectAsync(o.Host, o.Port, o.Tls switch { "implicit" => SecureSocketOptions.SslOnConnect, "required" => SecureSocketOptions.StartTls, _ => SecureSocketOptions.None }, ct).ConfigureAwait(false);
            await imap.AuthenticateAsync(o.User, o.Password, ct).ConfigureAwait(false);
            var folder = await imap.GetFolderAsync(o.Folder, ct).ConfigureAwait(false);
            await folder.OpenAsync(FolderAccess.ReadOnly, ct).ConfigureAwait(false);
            var done = await ReadAsync(folder, dryRun, ct).ConfigureAwait(false);
            await imap.DisconnectAsync(true, ct).ConfigureAwait(false);
            return done;
        }
        catch (Exception e) when (e is SocketException or IOException or ProtocolException or CommandException or AuthenticationException or SslHandshakeException or NotSupportedException or FolderNotFoundException or TimeoutException)
        {
            throw new MailboxUnavailableException($"The mailbox {o.User} at {o.Host}:{o.Port.ToString(CultureInfo.InvariantCulture)} can't be read: {e.GetType().Name}: {e.Message}", e);
        }
    }

    /// <summary>Numbers of the mails that wait to be noted, oldest first.</summary>
    public async Task<IReadOnlyList<string>> PendingAsync(CancellationToken ct) =>
        await database.QueryAsync("SELECT id FROM relay_mails WHERE kind = 'new' ORDER BY id", Parameters.None, static r => r.GetInt64(0).ToString(CultureInfo.InvariantCulture), ct).ConfigureAwait(false);

    private async Task<(int, int)> ReadAsync(IMailFolder folder, bool dryRun, CancellationToken ct)
    {
        var (account, name) = (Account, options.Value.Folder);
        var known = (await database.QueryAsync(
            "SELECT uid_validity, last_uid FROM imap_positions WHERE account = @account AND folder = @folder",
            Parameters.Of(("account", account), ("folder", name)), static r => new Position((uint)r.GetInt64(0), (uint)r.GetInt64(1)), ct).ConfigureAwait(false)).FirstOrDefault();
        var last = known is not null && known.Validity == folder.UidValidity ? known.LastUid : 0;
        // A server answers 'from the next one on' with the last one when there is no next: what is not newer is left out.
        var found = await folder.SearchAsync(SearchQuery.Uids(new UniqueIdRange(new UniqueId(folder.UidValidity, last + 1), UniqueId.MaxValue)), ct).ConfigureAwait(false);
        var uids = found.Where(u => u.Id > last).OrderBy(u => u.Id).Take(Most).ToList();
        if (dryRun) return (uids.Count, 0);
        var claimed = 0;
        foreach (var uid in uids)
        {
            byte[]? raw;
            var arrived = time.GetUtcNow();
            try
            {
                var summary = await folder.FetchAsync([uid], MessageSummaryItems.InternalDate | MessageSummaryItems.UniqueId, ct).ConfigureAwait(false);
                if (summary is [{ InternalDate: { } taken }] && taken < arrived) arrived = taken.ToUniversalTime();
                using var stream = await folder.GetStreamAsync(uid, ct).ConfigureAwait(false);
                using var copy = new MemoryStream();
                await stream.CopyToAsync(copy, ct).ConfigureAwait(false);
                raw = copy.ToArray();
            }
            catch (MessageNotFoundException)
            {
                raw = null; // Somebody deleted it between the search and now.
            }

            if (await WriteAsync(account, name, folder.UidValidity, uid.Id, raw, arrived, ct).ConfigureAwait(false)) claimed++;
        }

        return (uids.Count, claimed);
    }

    /// <summary>Reads the bytes of a mail; <c>null</c> when they are none that can be read.</summary>
    internal static async Task<MimeMessage?> ParseAsync(ReadOnlyMemory<byte> raw, CancellationToken ct)
    {
        using var content = new MemoryStream(raw.ToArray());
        try
        {
            return await MimeMessage.LoadAsync(content, ct).ConfigureAwait(false);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private string Account => $"{options.Value.User}@{options.Value.Host}";

    private async Task<bool> WriteAsync(string account, string folder, uint validity, uint uid, byte[]? raw, DateTimeOffset arrived, CancellationToken ct)
    {
        (string MessageId, string From, string Subject, DateTimeOffset At, string Hash, bool Claims, string? Key)? mail = null;
        if (raw is not null)
        {
            using var message = await ParseAsync(raw, ct).ConfigureAwait(false);
            var hash = Convert.ToHexStringLower(SHA256.HashData(raw));
            // What can't be read at all may be the bank's: a person looks.
            var claims = message is null || RelayMail.ClaimsToBeTheBank(message, options.Value.Domains);
            // Private mail of the mailbox is none of our business: only that it was there is noted.
            var key = claims ? await evidence.KeepAsync(Job, $"imap:{account}/{folder}", "alert.eml", raw, "message/rfc822", "alert mail", ct).ConfigureAwait(false) : null;
            mail = (RelayMail.Clean(message?.MessageId), RelayMail.Clean(message?.From.Mailboxes.FirstOrDefault()?.Address), claims ? RelayMail.Clean(message?.Subject) : "",
                message is null ? arrived : RelayMail.WrittenAt(message, arrived, time.GetUtcNow()), hash, claims, key);
        }

        var now = time.GetUtcNow();
        await database.WriteAsync(
            async (connection, transaction, token) =>
            {
                if (mail is { } m)
                    await connection.ExecuteAsync(
                        transaction,
                        """
                        INSERT INTO relay_mails (account, folder, uid_validity, uid, message_id, sha256, from_address, subject, received_at, kind, evidence_key, read_at)
                        VALUES (@account, @folder, @validity, @uid, @message_id, @hash, @from, @subject, @at, @kind, @key, @now) ON CONFLICT DO NOTHING
                        """,
                        Parameters.Of(("account", account), ("folder", folder), ("validity", (long)validity), ("uid", (long)uid), ("message_id", m.MessageId), ("hash", m.Hash), ("from", m.Claims ? m.From : ""), ("subject", m.Subject),
                            ("at", m.At), ("kind", m.Claims ? "new" : "other"), ("key", m.Key), ("now", now)), token).ConfigureAwait(false);
                return await connection.ExecuteAsync(
                    transaction,
                    """
                    INSERT INTO imap_positions (account, folder, uid_validity, last_uid, read_at) VALUES (@account, @folder, @validity, @uid, @now)
                    ON CONFLICT (account, folder) DO UPDATE SET uid_validity = excluded.uid_validity, last_uid = excluded.last_uid, read_at = excluded.read_at
                    WHERE imap_positions.uid_validity <> excluded.uid_validity OR imap_positions.last_uid < excluded.last_uid
                    """,
                    Parameters.Of(("account", account), ("folder", folder), ("validity", (long)validity), ("uid", (long)uid), ("now", now)), token).ConfigureAwait(false);
            },
            ct).ConfigureAwait(false);
        return mail?.Claims == true;
    }
}
