using System.Text.RegularExpressions;

namespace PwWorkflows.Sandbox.Core;

/// <summary>Takes secrets out of text before it is kept or shown.</summary>
public sealed partial class Masking
{
    /// <summary>What stands in a secret's place.</summary>
    public const string Mask = "*****";

    readonly string[] _values;

    /// <summary>Creates a mask that hides <paramref name="secrets"/> wherever they occur, besides fields named like secrets.</summary>
    public Masking(IEnumerable<string> secrets) =>
        // Short values would mask ordinary words.
        _values = secrets.Where(s => s.Length >= 8).Distinct().OrderByDescending(s => s.Length).ToArray();

    /// <summary>Returns <paramref name="text"/> without the values of secret-looking JSON and form fields and without known secrets.</summary>
    public string Apply(string text)
    {
        if (text.Length == 0) return text;
        foreach (var value in _values) text = text.Replace(value, Mask, StringComparison.Ordinal);
        text = JsonField().Replace(text, "$1\"" + Mask + "\"");
        return FormField().Replace(text, "$1$2=" + Mask);
    }

    const string Names = "password|passwd|pwd|new_password|secret|api_secret|api_key|token|access_token|authorization|otp|totp|totp_seed|code|encrypted_value|cvv|card_number|cookie";

    [GeneratedRegex("(\"(?:" + Names + ")\"\\s*:\\s*)\"(?:[^\"\\\\]|\\\\.)*\"", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex JsonField();

    [GeneratedRegex("(^|[&?])(" + Names + ")=[^&\\s]*", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex FormField();
}
