using System.Globalization;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Usac;

/// <summary>
/// Signs carriers in at the portal anew and exports the sessions, so that filings find a fresh one. User name, password and seed are the secrets <c>usac-username-N</c>, <c>usac-password-N</c> and
/// <c>usac-totp-N</c>; they and the session never leave this class for a variable, the journal or a log.
/// </summary>
public sealed class SessionRefresh(IPwDatabase database, UsacSessions sessions, ISecretSource secrets, IEffectLedger effects, IAdminToDos todos, TimeProvider time)
{
    /// <summary>The job.</summary>
    public const string Job = "pw-usac-session-refresh";

    private const string Unreached = "usac-portal-unreachable";

    private sealed record Export(DateTimeOffset At);

    /// <summary>Carriers that file at the portal, by number.</summary>
    public async Task<IReadOnlyList<string>> FindAsync(CancellationToken ct) =>
        await database.QueryAsync("SELECT id FROM telecom_entities WHERE filer_id_499 IS NOT NULL ORDER BY id", Parameters.None, static r => r.GetInt32(0).ToString(CultureInfo.InvariantCulture), ct).ConfigureAwait(false);

    /// <summary>Carriers that could not be signed in because the portal was not to be reached, by number.</summary>
    public async Task<IReadOnlyList<string>> FindUnreachedAsync(CancellationToken ct)
    {
        var subjects = (await database.QueryAsync("SELECT order_number FROM admin_todos WHERE marker = @marker AND status = 'open'", Parameters.Of(("marker", Unreached)), static r => r.GetString(0), ct).ConfigureAwait(false)).ToHashSet(StringComparer.Ordinal);
        return subjects.Count == 0 ? [] : [.. (await FindAsync(ct).ConfigureAwait(false)).Where(c => subjects.Contains(Subject(c)))];
    }

    private static string Subject(string carrier) => "carrier " + carrier;

    /// <summary>Signs a carrier in and exports its session.</summary>
    /// <param name="carrier">Number of the carrier.</param>
    /// <param name="instanceId">The workflow instance: one sign-in each.</param>
    /// <param name="dryRun">Only tell what would be done.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<StepResult> RefreshAsync(string carrier, string instanceId, bool dryRun, CancellationToken ct)
    {
        if (!int.TryParse(carrier, NumberStyles.None, CultureInfo.InvariantCulture, out var entity)) throw new NonRetryableException($"'{carrier}' is no number of a carrier.");
        List<string> missing = [];
        foreach (var kind in (string[])["username", "password", "totp"])
        {
            var name = $"usac-{kind}-{carrier}";
            if (await secrets.ReadAsync(name, ct).ConfigureAwait(false) is not { Length: > 0 }) missing.Add(name);
        }

        var subject = Subject(carrier);
        if (missing.Count > 0)
        {
            // A carrier of which nothing is stored is signed in by hand, or not ours to file for.
            var inUse = await sessions.ReadAsync(entity, ct).ConfigureAwait(false) is not UsacSession.Missing || missing.Count < 3;
            if (inUse && !dryRun)
                await todos.RaiseAsync(new ToDoRequest(Job, subject, "usac-secret-missing", $"The portal session of carrier {carrier} can't be refreshed: the Sensitive ID {string.Join(", ", missing)} is missing in ERPNext. Without it the session ends about 14 days after its last use."), ct).ConfigureAwait(false);
            return new("NoSecret", $"Carrier {carrier} is not refreshed: {string.Join(", ", missing)} {(missing.Count == 1 ? "is" : "are")} missing.");
        }

        if (dryRun) return new("Refreshed", $"Would sign carrier {carrier} in and export its session to {UsacSessions.Key(entity)}.");
        try
        {
            var export = await effects.RunAsync(
                $"usac:session:{carrier}:{instanceId}",
                "usac.session",
                async token =>
                {
                    await sessions.RefreshAsync(entity, secrets, token).ConfigureAwait(false);
                    return new Export(time.GetUtcNow());
                },
                // Signing in once more does no harm; only the newest session is used.
                static _ => Task.FromResult<Reconciliation<Export>>(new Reconciliation<Export>.DidNotHappen()),
                ct).ConfigureAwait(false);
            await todos.CloseAsync(subject, "usac-secret-missing", ct).ConfigureAwait(false);
            await todos.CloseAsync(subject, "usac-sign-in-refused", ct).ConfigureAwait(false);
            await todos.CloseAsync(subject, Unreached, ct).ConfigureAwait(false);
            return new("Refreshed", string.Create(CultureInfo.InvariantCulture, $"Carrier {carrier} was signed in; its session of {export.At:yyyy-MM-dd HH:mm} UTC is at {UsacSessions.Key(entity)}."));
        }
        catch (NonRetryableException e)
        {
            await todos.RaiseAsync(new ToDoRequest(Job, subject, "usac-sign-in-refused", $"Carrier {carrier} could not be signed in at the portal: {e.Message} Sign in by hand and export the session; check the Sensitive IDs usac-username-{carrier}, usac-password-{carrier} and usac-totp-{carrier}."), ct).ConfigureAwait(false);
            await todos.CloseAsync(subject, Unreached, ct).ConfigureAwait(false);
            return new("Refused", $"Carrier {carrier} could not be signed in: {e.Message}");
        }
        catch (PortalUnavailableException e)
        {
            // The carriers after this one do not wait a week because of it; the job comes back to it.
            await todos.RaiseAsync(new ToDoRequest(Job, subject, Unreached, $"Carrier {carrier} could not be signed in: the portal was not to be reached ({e.Message}). The run tries once more, and the next one again; to have it now: pw schedules run {Job}"), ct).ConfigureAwait(false);
            return new("Unreached", $"Carrier {carrier} could not be signed in: the portal was not to be reached ({e.Message}).");
        }
    }
}
