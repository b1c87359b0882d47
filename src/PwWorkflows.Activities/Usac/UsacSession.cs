using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using PwWorkflows.Activities.Storage;

namespace PwWorkflows.Activities.Usac;

/// <summary>Gives secrets by name, such as <c>usac-totp-1</c>. Whoever asks must not keep them.</summary>
public interface ISecretSource
{
    /// <summary>A secret's value; null when there is none of that name.</summary>
    Task<string?> ReadAsync(string name, CancellationToken ct);
}

/// <summary>What is known of a carrier's stored session at the portal.</summary>
public abstract record UsacSession
{
    private UsacSession() { }

    /// <summary>Usable as far as can be told.</summary>
    /// <param name="StorageState">Playwright storage state: live cookies, so never log it.</param>
    public sealed record Ready(string StorageState) : UsacSession
    {
        /// <summary>Shows no cookie.</summary>
        public override string ToString() => "Ready";
    }

    /// <summary>There is none.</summary>
    /// <param name="Key">Where it is expected.</param>
    public sealed record Missing(string Key) : UsacSession;

    /// <summary>There is one that no longer works.</summary>
    /// <param name="Key">Where it is.</param>
    /// <param name="Why">How that shows.</param>
    /// <param name="Fingerprint">SHA-256 of the stored text: another one means that it was renewed.</param>
    public sealed record Expired(string Key, string Why, string Fingerprint) : UsacSession;
}

/// <summary>
/// The stored sessions: <c>usac/&lt;telecom_entity_id&gt;/storage_state.json</c> in the bucket <see cref="UsacOptions.StorageBucket"/>, exported by an
/// operator or by the refresh job, with the time of export beside it.
/// </summary>
public sealed class UsacSessions(IObjectStore store, UsacPortal portal, UsacOptions options, TimeProvider clock)
{
    /// <summary>How long the portal's last word on a session is good for: a look costs a browser window, and a filing notices an ended session by itself.</summary>
    static readonly TimeSpan GoodFor = TimeSpan.FromMinutes(1);

    readonly ConcurrentDictionary<int, (string Cookies, DateTimeOffset At)> _letIn = new();

    /// <summary>A carrier's session was stored by this process.</summary>
    internal event Action<int>? Stored;

    /// <summary>Name of the metadata entry that tells when a session was exported (ISO 8601).</summary>
    public const string ExportedAt = "exported-at";

    /// <summary>Key of a carrier's session.</summary>
    public static string Key(int telecomEntityId) => string.Create(CultureInfo.InvariantCulture, $"usac/{telecomEntityId}/storage_state.json");

    /// <summary>
    /// Reads a carrier's session and judges it: by the cookies' own expiry, by its age since export, and, when those look good, by whether the
    /// portal still lets it in.
    /// </summary>
    /// <exception cref="PortalUnavailableException">The portal can't be asked.</exception>
    public async Task<UsacSession> OpenAsync(int telecomEntityId, CancellationToken ct)
    {
        var session = await ReadAsync(telecomEntityId, ct).ConfigureAwait(false);
        if (session is not UsacSession.Ready ready) return session;
        if (_letIn.TryGetValue(telecomEntityId, out var last) && clock.GetUtcNow() - last.At < GoodFor && last.Cookies == Cookies(ready.StorageState)) return ready;
        if (await portal.ProbeAsync(ready.StorageState, ct).ConfigureAwait(false) != UsacProbe.SignedIn)
            return new UsacSession.Expired(Key(telecomEntityId), "the portal asks for a sign-in", Fingerprint(ready.StorageState));
        NoteLetIn(telecomEntityId, ready.StorageState);
        return ready;
    }

    /// <summary>The portal has just let a session in.</summary>
    public void NoteLetIn(int telecomEntityId, string storageState) => _letIn[telecomEntityId] = (Cookies(storageState), clock.GetUtcNow());

    /// <summary>The portal has just asked for a sign-in.</summary>
    public void NoteSignedOut(int telecomEntityId) => _letIn.TryRemove(telecomEntityId, out _);

    /// <summary>As <see cref="OpenAsync"/>, without asking the portal.</summary>
    public async Task<UsacSession> ReadAsync(int telecomEntityId, CancellationToken ct)
    {
        var key = Key(telecomEntityId);
        if (await store.GetAsync(options.StorageBucket, key, ct).ConfigureAwait(false) is not { } stored) return new UsacSession.Missing(key);
        var text = Encoding.UTF8.GetString(stored.Content.Span);
        var why = WhyExpired(text, stored.Metadata);
        return why is null ? new UsacSession.Ready(text) : new UsacSession.Expired(key, why, Fingerprint(text));
    }

    /// <summary>When the stored sessions of carriers end, or ended: by their age since export or their cookies' own expiry, whichever comes first. Those that can't be read end now.</summary>
    /// <param name="take">At most so many carriers.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<IReadOnlyList<(int TelecomEntityId, DateTimeOffset EndsAt)>> EndsAsync(int take, CancellationToken ct)
    {
        var ends = new List<(int, DateTimeOffset)>();
        await foreach (var key in store.ListAsync(options.StorageBucket, "usac/", ct).ConfigureAwait(false))
        {
            if (ends.Count == take) break;
            if (key.Split('/') is not [_, var id, _] || !int.TryParse(id, CultureInfo.InvariantCulture, out var entity) || key != Key(entity)) continue;
            if (await EndAsync(entity, ct).ConfigureAwait(false) is { } end) ends.Add((entity, end));
        }

        return ends;
    }

    /// <summary>As <see cref="EndsAsync"/>, of one carrier; <c>null</c> when none is stored.</summary>
    internal async Task<DateTimeOffset?> EndAsync(int telecomEntityId, CancellationToken ct)
    {
        if (await store.GetAsync(options.StorageBucket, Key(telecomEntityId), ct).ConfigureAwait(false) is not { } stored) return null;
        var (expiries, why) = Expiries(Encoding.UTF8.GetString(stored.Content.Span));
        if (why is not null) return clock.GetUtcNow();
        var byCookies = expiries.Any(static e => e is null) ? DateTimeOffset.MaxValue : expiries.Max()!.Value;
        var byAge = Exported(stored.Metadata) is { } at ? at + options.SessionIdle : DateTimeOffset.MaxValue;
        return byCookies < byAge ? byCookies : byAge;
    }

    /// <summary>Stores a session that is known to be signed in, in place of the old one.</summary>
    public async Task SaveAsync(int telecomEntityId, string storageState, CancellationToken ct)
    {
        try
        {
            await store.PutAsync(
                options.StorageBucket, Key(telecomEntityId), Encoding.UTF8.GetBytes(storageState), "application/json",
                new Dictionary<string, string> { [ExportedAt] = clock.GetUtcNow().ToString("O", CultureInfo.InvariantCulture) }, ct).ConfigureAwait(false);
        }
        finally
        {
            // Also when it failed: the store may have taken it all the same.
            Stored?.Invoke(telecomEntityId);
        }
    }

    /// <summary>Signs in anew with the stored name, password and TOTP seed, and stores the session. What the refresh job does.</summary>
    /// <exception cref="NonRetryableException">A secret is missing, or the portal refused.</exception>
    public async Task RefreshAsync(int telecomEntityId, ISecretSource secrets, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(secrets);
        async Task<string> SecretAsync(string kind)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"usac-{kind}-{telecomEntityId}");
            return await secrets.ReadAsync(name, ct).ConfigureAwait(false) is { Length: > 0 } value ? value : throw new NonRetryableException($"The secret '{name}' is missing.");
        }

        var credentials = new UsacCredentials(
            await SecretAsync("username").ConfigureAwait(false), await SecretAsync("password").ConfigureAwait(false), await SecretAsync("totp").ConfigureAwait(false));
        await SaveAsync(telecomEntityId, await portal.SignInAsync(credentials, ct).ConfigureAwait(false), ct).ConfigureAwait(false);
    }

    /// <summary>Tells sessions apart by their cookies, whose expiry moves with each use.</summary>
    static string Cookies(string storageState)
    {
        using var state = JsonDocument.Parse(storageState);
        return Fingerprint(string.Join('\n', state.RootElement.GetProperty("cookies").EnumerateArray().Select(c => $"{c.GetProperty("name")}={c.GetProperty("value")}").Order(StringComparer.Ordinal)));
    }

    /// <summary>SHA-256 of a stored text, lower case hexadecimal.</summary>
    internal static string Fingerprint(string text) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    string? WhyExpired(string text, IReadOnlyDictionary<string, string> metadata)
    {
        var now = clock.GetUtcNow();
        if (Exported(metadata) is { } at && now - at >= options.SessionIdle) return $"it was exported on {at:yyyy-MM-dd}, longer ago than the portal keeps an idle session";
        var (expiries, why) = Expiries(text);
        return why ?? (expiries.All(e => e is { } expiry && expiry <= now) ? $"its cookies ran out on {expiries.Max():yyyy-MM-dd}" : null);
    }

    /// <summary>When the portal's cookies of a stored text run out, at least one; or why it is of no use.</summary>
    (IReadOnlyList<DateTimeOffset?> Expiries, string? Why) Expiries(string text)
    {
        try
        {
            using var state = JsonDocument.Parse(text);
            if (state.RootElement.ValueKind != JsonValueKind.Object || !state.RootElement.TryGetProperty("cookies", out var cookies) || cookies.ValueKind != JsonValueKind.Array)
                return ([], "it is not a storage state");
            var ours = cookies.EnumerateArray().Where(IsOfPortal).Select(Expiry).ToList();
            return (ours, ours.Count == 0 ? $"it holds no cookie for {options.PortalUrl.Host}" : null);
        }
        catch (JsonException)
        {
            return ([], "it is not JSON");
        }
    }

    static DateTimeOffset? Exported(IReadOnlyDictionary<string, string> metadata) =>
        metadata.TryGetValue(ExportedAt, out var text) && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;

    bool IsOfPortal(JsonElement cookie)
    {
        var domain = cookie.TryGetProperty("domain", out var d) ? (d.GetString() ?? "").TrimStart('.') : "";
        var host = options.PortalUrl.Host;
        return domain.Length > 0 && (host.Equals(domain, StringComparison.OrdinalIgnoreCase) || host.EndsWith("." + domain, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>When a cookie runs out; null for one that lives as long as the browser.</summary>
    static DateTimeOffset? Expiry(JsonElement cookie) =>
        cookie.TryGetProperty("expires", out var expires) && expires.ValueKind == JsonValueKind.Number && expires.GetDouble() >= 0
            ? DateTimeOffset.FromUnixTimeMilliseconds((long)(expires.GetDouble() * 1000))
            : null;
}
