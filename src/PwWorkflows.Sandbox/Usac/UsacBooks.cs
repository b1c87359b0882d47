using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using OtpNet;

namespace PwWorkflows.Sandbox.Usac;

/// <summary>A form begun at the portal. <see cref="Values"/> maps a line such as <c>303.1.a</c> to what was typed.</summary>
internal sealed class PortalForm(string id, UsacDemoEntity account, int year, string reference, DateTimeOffset begunAt)
{
    public string Id { get; } = id;
    public UsacDemoEntity Account { get; } = account;
    public int Year { get; } = year;
    public string Reference { get; } = reference;
    public DateTimeOffset BegunAt { get; } = begunAt;
    public ConcurrentDictionary<string, string> Values { get; } = new(StringComparer.Ordinal);
    public bool Submitted { get; set; }
}

/// <summary>A filing the portal has accepted. It never changes again.</summary>
internal sealed record PortalFiling(
    string ConfirmationNumber, string FormId, string FilerId, string LegalName, int Year, string Reference, DateTimeOffset SubmittedAt,
    string OfficerName, string OfficerTitle, IReadOnlyDictionary<string, string> Values);

/// <summary>What the portal remembers: sessions, forms, filings. Safe for concurrent use; gone when the sandbox is reset.</summary>
internal sealed class UsacBooks(TimeProvider clock)
{
    sealed record Session(UsacDemoEntity Account, DateTimeOffset LastUsed);

    readonly Lock _gate = new();
    readonly Dictionary<string, Session> _sessions = [];
    readonly Dictionary<string, UsacDemoEntity> _pending = [];
    readonly Dictionary<string, long> _lastCodeStep = [];
    readonly Dictionary<string, PortalForm> _forms = [];
    readonly List<PortalFiling> _filings = [];
    int _formCount;

    public void Reset()
    {
        lock (_gate)
        {
            _sessions.Clear();
            _pending.Clear();
            _lastCodeStep.Clear();
            _forms.Clear();
            _filings.Clear();
            _formCount = 0;
        }
    }

    /// <summary>First half of a sign-in. Returns the token that the one-time code completes, or null when the password is wrong.</summary>
    public string? CheckPassword(string username, string password)
    {
        var account = UsacDemo.Entities.FirstOrDefault(e => e.Username == username && e.Password == password);
        if (account is null) return null;
        var token = Token();
        lock (_gate) _pending[token] = account;
        return token;
    }

    /// <summary>Second half. A code is good once: the step of the last accepted code and everything before it is refused.</summary>
    public string? CheckCode(string? pending, string code)
    {
        lock (_gate)
        {
            if (pending is null || !_pending.TryGetValue(pending, out var account)) return null;
            var totp = new Totp(Base32Encoding.ToBytes(account.TotpSeed));
            if (!totp.VerifyTotp(clock.GetUtcNow().UtcDateTime, code, out var step, new VerificationWindow(previous: 1, future: 1))) return null;
            if (_lastCodeStep.TryGetValue(account.Username, out var used) && step <= used) return null;
            _lastCodeStep[account.Username] = step;
            _pending.Remove(pending);
            return OpenSession(account);
        }
    }

    public string OpenSession(UsacDemoEntity account)
    {
        var token = Token();
        lock (_gate) _sessions[token] = new(account, clock.GetUtcNow());
        return token;
    }

    /// <summary>The account of a live session, which counts as use; null when unknown or idle for 14 days.</summary>
    public UsacDemoEntity? Use(string? token)
    {
        if (token is null) return null;
        var now = clock.GetUtcNow();
        lock (_gate)
        {
            if (!_sessions.TryGetValue(token, out var session)) return null;
            if (now - session.LastUsed >= UsacDemo.SessionIdle)
            {
                _sessions.Remove(token);
                return null;
            }

            _sessions[token] = session with { LastUsed = now };
            return session.Account;
        }
    }

    public void Close(string? token)
    {
        if (token is null) return;
        lock (_gate) _sessions.Remove(token);
    }

    public void CloseAll()
    {
        lock (_gate) _sessions.Clear();
    }

    public PortalForm Begin(UsacDemoEntity account, int year, string reference)
    {
        lock (_gate)
        {
            var form = new PortalForm((++_formCount).ToString("D6", CultureInfo.InvariantCulture), account, year, reference, clock.GetUtcNow());
            return _forms[form.Id] = form;
        }
    }

    public PortalForm? Form(string id, UsacDemoEntity account)
    {
        lock (_gate) return _forms.TryGetValue(id, out var form) && form.Account.FilerId == account.FilerId ? form : null;
    }

    public IReadOnlyList<PortalForm> OpenForms(UsacDemoEntity account)
    {
        lock (_gate) return [.. _forms.Values.Where(f => f.Account.FilerId == account.FilerId && !f.Submitted)];
    }

    /// <summary>Accepts the form as a filing. Sent twice it becomes two filings, as a portal without protection would do: a client must see to it.</summary>
    public PortalFiling Submit(PortalForm form, string officerName, string officerTitle)
    {
        lock (_gate)
        {
            var number = $"499A-{form.Year}-{RandomNumberGenerator.GetInt32(100_000_000):D8}";
            var filing = new PortalFiling(
                number, form.Id, form.Account.FilerId, form.Account.LegalName, form.Year, form.Reference, clock.GetUtcNow(), officerName, officerTitle,
                new Dictionary<string, string>(form.Values));
            form.Submitted = true;
            _filings.Add(filing);
            return filing;
        }
    }

    public IReadOnlyList<PortalFiling> Filings(string? filerId = null)
    {
        lock (_gate) return [.. _filings.Where(f => filerId is null || f.FilerId == filerId)];
    }

    static string Token() => Convert.ToHexString(RandomNumberGenerator.GetBytes(24));
}
