using System.Globalization;
using System.Text.Json.Nodes;

namespace PwWorkflows.Activities.Filings;

/// <summary>
/// An officer's word that a form with exactly these values may be certified and submitted in the officer's name. Certification is under
/// penalty of perjury (18 U.S.C. 1001, 47 CFR 1.17) and belongs to a person; software only carries the word out.
/// </summary>
/// <param name="OfficerName">Name as printed on lines 221, 223 or 225 and on line 607.</param>
/// <param name="OfficerTitle">Position with the filer, line 608.</param>
/// <param name="Phone">Business telephone, line 609.</param>
/// <param name="Email">Email, line 610.</param>
/// <param name="AuthorizedAt">When the officer gave the word.</param>
/// <param name="ValuesSha256">Hash of the values the officer saw, see <see cref="Form499A.ValuesSha256"/>.</param>
public sealed record OfficerAuthorization(string OfficerName, string OfficerTitle, string Phone, string Email, DateTimeOffset AuthorizedAt, string ValuesSha256)
{
    /// <summary>
    /// Reads the authorization that an order's answers bring as <c>officer_authorization: {officer_name, officer_title, phone, email,
    /// authorized_at, values_sha256}</c>; null when there is none or a part is missing.
    /// </summary>
    public static OfficerAuthorization? FromIntake(JsonObject intake)
    {
        ArgumentNullException.ThrowIfNull(intake);
        if (intake["officer_authorization"] is not JsonObject given) return null;
        string Part(string name) => given[name] is JsonValue v && v.TryGetValue<string>(out var text) ? text.Trim() : "";
        string[] parts = [Part("officer_name"), Part("officer_title"), Part("phone"), Part("email"), Part("values_sha256")];
        return parts.All(p => p.Length > 0)
            && DateTimeOffset.TryParse(Part("authorized_at"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            ? new(parts[0], parts[1], parts[2], parts[3], at, parts[4])
            : null;
    }

    /// <summary>The shape <see cref="FromIntake"/> reads.</summary>
    public JsonObject ToJson() => new()
    {
        ["officer_name"] = OfficerName,
        ["officer_title"] = OfficerTitle,
        ["phone"] = Phone,
        ["email"] = Email,
        ["authorized_at"] = AuthorizedAt.ToString("O", CultureInfo.InvariantCulture),
        ["values_sha256"] = ValuesSha256,
    };

    /// <summary>Why this authorization does not cover a form; null when it does.</summary>
    /// <param name="form">The form about to be certified.</param>
    /// <param name="now">The time now.</param>
    public string? Refusal(Form499A form, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(form);
        if (!string.Equals(ValuesSha256, form.ValuesSha256(), StringComparison.OrdinalIgnoreCase)) return "the values have changed since the officer authorized them";
        if (!form.Officers.Contains(OfficerName, StringComparer.OrdinalIgnoreCase)) return $"{OfficerName} is not an officer named in lines 221 to 226";
        // Five minutes for clocks that differ.
        return AuthorizedAt > now + TimeSpan.FromMinutes(5) ? "it is dated in the future" : null;
    }
}
