using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace PwWorkflows.Sandbox.Stripe;

/// <summary>Stripe's signature header, made by hand.</summary>
public static class StripeSignature
{
    /// <summary>
    /// Makes <c>t=&lt;seconds&gt;,v1=&lt;hex&gt;</c> with one <c>v1</c> per secret, as during the rotation of secrets. The whole secret is the key,
    /// its <c>whsec_</c> included; the message is <c>&lt;t&gt;.&lt;body&gt;</c>.
    /// </summary>
    public static string Header(string body, DateTimeOffset at, params IEnumerable<string> secrets)
    {
        ArgumentNullException.ThrowIfNull(secrets);
        var time = at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var message = Encoding.UTF8.GetBytes(time + "." + body);
        var header = new StringBuilder("t=").Append(time);
        foreach (var secret in secrets)
            header.Append(",v1=").Append(Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), message)));
        return header.ToString();
    }
}
