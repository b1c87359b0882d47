using System.Data.Common;
using System.Globalization;
using System.Text.Json.Nodes;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Regulatory;

namespace PwWorkflows.Activities.Records;

/// <summary>A figure of Form 499-A that changes with the form year.</summary>
/// <param name="FormYear">The form year, 2000 to 2100.</param>
/// <param name="What"><see cref="RecordDesk.DeMinimis"/>, or one of <see cref="FactorRows.Categories"/> for a safe harbor.</param>
/// <param name="Value">The de minimis factor, above 0 and below 1; or the safe harbor in percent, above 0 up to 100. Four decimals at most.</param>
/// <param name="Source">Where it is published, such as the name of the instructions and the page.</param>
public sealed record FormFigure(int FormYear, string What, decimal Value, string Source);

/// <summary>A partner who brings customers.</summary>
/// <param name="Code">What orders carry: 2 to 40 lower case letters, digits and hyphens.</param>
/// <param name="Name">For people.</param>
/// <param name="Email">Where statements go.</param>
/// <param name="RateBps">The commission in hundredths of a percent, 0 to 10000.</param>
/// <param name="Active">Whether new orders may name the partner.</param>
public sealed record Partner(string Code, string Name, string Email, int RateBps, bool Active);

/// <summary>A reseller's yearly signed certification (FCC Form 499-A, Block 3, line 303, and the form's instructions on revenue from resellers: signed each year).</summary>
/// <param name="TelecomEntityId">The carrier who sells to the reseller.</param>
/// <param name="ResellerFilerId">The reseller's Filer ID: 6 digits.</param>
/// <param name="ResellerName">The reseller.</param>
/// <param name="ContactEmail">Whom to ask for the next one; empty when not known.</param>
/// <param name="CertifiedOn">Day of the signature, not in the future.</param>
/// <param name="SignerName">Who signed.</param>
/// <param name="SignerTitle">The signer's title.</param>
public sealed record ResellerCertification(int TelecomEntityId, string ResellerFilerId, string ResellerName, string ContactEmail, DateOnly CertifiedOn, string SignerName, string SignerTitle);

/// <summary>What became of an entry.</summary>
/// <param name="Wrong">Field and what was expected; nothing was changed when there are any.</param>
/// <param name="Id">Number of a new row.</param>
public sealed record EntryResult(IReadOnlyList<(string Field, string Expected)> Wrong, long? Id = null)
{
    /// <summary>Whether it is on record now.</summary>
    public bool IsKept => Wrong.Count == 0;
}

/// <summary>Data that people enter by hand. What is entered and its line in the audit log are one commit.</summary>
public sealed class RecordDesk(IPwDatabase database, AuditLog audit, TimeProvider time)
{
    /// <summary>The de minimis factor among <see cref="FormFigure.What"/>.</summary>
    public const string DeMinimis = "deminimis";

    private delegate Task<EntryResult> Change(DbConnection connection, DbTransaction transaction, CancellationToken ct);

    /// <summary>Puts a figure on record, in place of the one of that year.</summary>
    public Task<EntryResult> SetFigureAsync(FormFigure figure, string by, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(figure);
        var wrong = new List<(string, string)>();
        if (figure.FormYear is < 2000 or > 2100) wrong.Add(("form_year", "Expected a year from 2000 to 2100."));
        var factor = figure.What == DeMinimis;
        if (!factor && !FactorRows.Categories.Contains(figure.What)) wrong.Add(("what", $"Expected one of {DeMinimis}, {string.Join(", ", FactorRows.Categories)}."));
        if (factor && (figure.Value is <= 0 or >= 1)) wrong.Add(("value", "Expected a factor above 0 and below 1, such as 0.256."));
        if (!factor && (figure.Value is <= 0 or > 100)) wrong.Add(("value", "Expected a percentage above 0 up to 100, such as 64.9."));
        if (decimal.Round(figure.Value, 4) != figure.Value) wrong.Add(("value", "Expected at most four decimals."));
        Check(wrong, "source", figure.Source, 300);
        if (wrong.Count > 0) return Task.FromResult(new EntryResult(wrong));
        return WriteAsync(by, factor ? "deminimis-factor-set" : "safe-harbor-set", $"Form 499-A {figure.FormYear.ToString(CultureInfo.InvariantCulture)}",
            new JsonObject { ["what"] = figure.What, ["value"] = figure.Value, ["source"] = figure.Source },
            async (connection, transaction, token) =>
            {
                await connection.ExecuteAsync(
                    transaction,
                    factor
                        ? "INSERT INTO fcc_deminimis_factors (form_year, factor, source) VALUES (@year, @value, @source) ON CONFLICT (form_year) DO UPDATE SET factor = excluded.factor, source = excluded.source"
                        : "INSERT INTO fcc_safe_harbor_percentages (form_year, category, percent, source) VALUES (@year, @what, @value, @source) ON CONFLICT (form_year, category) DO UPDATE SET percent = excluded.percent, source = excluded.source",
                    factor ? Parameters.Of(("year", figure.FormYear), ("value", figure.Value), ("source", figure.Source)) : Parameters.Of(("year", figure.FormYear), ("what", figure.What), ("value", figure.Value), ("source", figure.Source)),
                    token).ConfigureAwait(false);
                return new EntryResult([]);
            }, ct);
    }

    /// <summary>Adds a partner, or changes one. Commissions already entered keep their rate.</summary>
    public Task<EntryResult> SetPartnerAsync(Partner partner, string by, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(partner);
        var wrong = new List<(string, string)>();
        if (partner.Code.Length is < 2 or > 40 || partner.Code.Any(static c => !char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '-')) wrong.Add(("code", "Expected 2 to 40 lower case letters, digits and hyphens."));
        Check(wrong, "name", partner.Name, 200);
        if (!CustomerAddresses.IsWellFormed(partner.Email)) wrong.Add(("email", "Expected an e-mail address."));
        if (partner.RateBps is < 0 or > 10_000) wrong.Add(("rate_bps", "Expected hundredths of a percent, 0 to 10000."));
        if (wrong.Count > 0) return Task.FromResult(new EntryResult(wrong));
        return WriteAsync(by, "partner-set", partner.Code, new JsonObject { ["name"] = partner.Name, ["rate_bps"] = partner.RateBps, ["active"] = partner.Active },
            async (connection, transaction, token) =>
            {
                await connection.ExecuteAsync(
                    transaction,
                    """
                    INSERT INTO partners (code, name, email, rate_bps, active) VALUES (@code, @name, @email, @rate, @active)
                    ON CONFLICT (code) DO UPDATE SET name = excluded.name, email = excluded.email, rate_bps = excluded.rate_bps, active = excluded.active
                    """,
                    Parameters.Of(("code", partner.Code), ("name", partner.Name), ("email", partner.Email), ("rate", partner.RateBps), ("active", partner.Active)), token).ConfigureAwait(false);
                return new EntryResult([]);
            }, ct);
    }

    /// <summary>Enters a signed certification. It is due again a year after its signature.</summary>
    public Task<EntryResult> AddCertificationAsync(ResellerCertification certification, string by, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(certification);
        var wrong = new List<(string, string)>();
        var today = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime);
        if (certification.ResellerFilerId.Length != 6 || !certification.ResellerFilerId.All(char.IsAsciiDigit)) wrong.Add(("reseller_filer_id_499", "Expected a Filer ID of 6 digits."));
        Check(wrong, "reseller_legal_name", certification.ResellerName, 200);
        if (certification.ContactEmail.Length > 0 && !CustomerAddresses.IsWellFormed(certification.ContactEmail)) wrong.Add(("reseller_contact_email", "Expected an e-mail address."));
        if (certification.CertifiedOn > today || certification.CertifiedOn < today.AddYears(-5)) wrong.Add(("certification_date", "Expected the day of the signature, within the last five years and not in the future."));
        Check(wrong, "signer_name", certification.SignerName, 200);
        Check(wrong, "signer_title", certification.SignerTitle, 200);
        if (wrong.Count > 0) return Task.FromResult(new EntryResult(wrong));
        return WriteAsync(by, "reseller-certification-added", $"reseller {certification.ResellerFilerId}",
            new JsonObject { ["telecom_entity_id"] = certification.TelecomEntityId, ["reseller"] = certification.ResellerName, ["certified_on"] = Iso(certification.CertifiedOn), ["signer"] = certification.SignerName },
            async (connection, transaction, token) =>
            {
                if ((await connection.QueryAsync(transaction, "SELECT id FROM telecom_entities WHERE id = @id", Parameters.Of(("id", certification.TelecomEntityId)), static r => r.GetInt32(0), token).ConfigureAwait(false)).Count == 0)
                    return new EntryResult([("telecom_entity_id", "Expected the number of a carrier on record.")]);
                var id = await connection.QueryAsync(
                    transaction,
                    """
                    INSERT INTO reseller_certifications (filer_telecom_entity_id, reseller_filer_id_499, reseller_legal_name, reseller_contact_email, certification_date, signer_name, signer_title, renewal_due)
                    VALUES (@entity, @filer, @name, @email, @on, @signer, @title, @due) RETURNING id
                    """,
                    Parameters.Of(("entity", certification.TelecomEntityId), ("filer", certification.ResellerFilerId), ("name", certification.ResellerName), ("email", certification.ContactEmail.Length > 0 ? certification.ContactEmail : null),
                        ("on", Iso(certification.CertifiedOn)), ("signer", certification.SignerName), ("title", certification.SignerTitle), ("due", Iso(certification.CertifiedOn.AddYears(1)))), static r => Convert.ToInt64(r.GetValue(0), CultureInfo.InvariantCulture), token).ConfigureAwait(false);
                return new EntryResult([], id[0]);
            }, ct);
    }

    /// <summary>Revokes a certification that is active.</summary>
    public Task<EntryResult> RevokeCertificationAsync(long id, string reason, string by, CancellationToken ct)
    {
        var wrong = new List<(string, string)>();
        Check(wrong, "reason", reason, 500);
        if (wrong.Count > 0) return Task.FromResult(new EntryResult(wrong));
        return WriteAsync(by, "reseller-certification-revoked", $"certification {id.ToString(CultureInfo.InvariantCulture)}", new JsonObject { ["reason"] = reason },
            async (connection, transaction, token) => await connection.ExecuteAsync(
                transaction, "UPDATE reseller_certifications SET status = 'revoked', notes = @reason WHERE id = @id AND status = 'active'", Parameters.Of(("reason", reason), ("id", id)), token).ConfigureAwait(false) == 1
                ? new EntryResult([], id) : new EntryResult([("id", "Expected the number of an active certification.")]), ct);
    }

    /// <summary>Lays a legal hold on a file of call records, or lifts it.</summary>
    public Task<EntryResult> HoldAsync(long id, bool hold, string reason, string by, CancellationToken ct)
    {
        var wrong = new List<(string, string)>();
        Check(wrong, "reason", reason, 500);
        if (wrong.Count > 0) return Task.FromResult(new EntryResult(wrong));
        return WriteAsync(by, hold ? "cdr-hold-laid" : "cdr-hold-lifted", $"CDR file {id.ToString(CultureInfo.InvariantCulture)}", new JsonObject { ["reason"] = reason },
            async (connection, transaction, token) => await CdrFiles.HoldAsync(connection, transaction, id, hold, reason, token).ConfigureAwait(false)
                ? new EntryResult([], id) : new EntryResult([("id", "Expected the number of a file that is kept: it is deleted, being deleted, or not there.")]), ct);
    }

    private Task<EntryResult> WriteAsync(string by, string action, string subject, JsonObject detail, Change change, CancellationToken ct) => database.WriteAsync(
        async (connection, transaction, token) =>
        {
            var result = await change(connection, transaction, token).ConfigureAwait(false);
            if (result.IsKept) await audit.AppendAsync(connection, transaction, by, action, subject, (JsonObject)detail.DeepClone(), token).ConfigureAwait(false);
            return result;
        },
        ct);

    private static string Iso(DateOnly date) => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>Expects one line of text for people.</summary>
    private static void Check(List<(string, string)> wrong, string field, string text, int longest)
    {
        if (string.IsNullOrWhiteSpace(text)) wrong.Add((field, "Expected a text, found nothing."));
        else if (text.Length > longest) wrong.Add((field, $"Expected at most {longest} characters, found {text.Length}."));
        else if (text.Any(char.IsControl)) wrong.Add((field, "Expected one line of plain text."));
    }
}
