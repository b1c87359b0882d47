namespace PwWorkflows.Sandbox.Usac;

/// <summary>One carrier that has an account at the sandbox portal. Everything here is published and worthless outside the sandbox.</summary>
/// <param name="TelecomEntityId">Id of the carrier in <c>telecom_entities</c>.</param>
/// <param name="FilerId">Form 499 Filer ID: six digits beginning with 8.</param>
/// <param name="LegalName">Legal name the portal has on file.</param>
/// <param name="Frn">FCC Registration Number: ten digits.</param>
/// <param name="Username">Sign-in name.</param>
/// <param name="Password">Sign-in password.</param>
/// <param name="TotpSeed">Base32 seed of the one-time code (RFC 6238, SHA-1, 30 s, 6 digits).</param>
public sealed record UsacDemoEntity(
    int TelecomEntityId, string FilerId, string LegalName, string Frn, string Username, string Password, string TotpSeed);

/// <summary>The accounts of the sandbox USAC portal.</summary>
public static class UsacDemo
{
    /// <summary>Name of the portal's session cookie.</summary>
    public const string SessionCookie = "usac_session";

    /// <summary>How long a session lives without use.</summary>
    public static readonly TimeSpan SessionIdle = TimeSpan.FromDays(14);

    /// <summary>Every carrier with an account, by ascending id.</summary>
    public static IReadOnlyList<UsacDemoEntity> Entities { get; } =
    [
        new(1, "831234", "Sandbox Voice LLC", "0031234567", "filer831234@example.test", "sandbox-password-1", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        new(2, "831235", "Prairie Fiber Telephone Inc", "0031234568", "filer831235@example.test", "sandbox-password-2", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
        new(3, "831236", "Gulf Wireless Partners LP", "0031234569", "filer831236@example.test", "sandbox-password-3", "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"),
    ];

    /// <summary>The carrier that demo orders are placed for.</summary>
    public static UsacDemoEntity Default => Entities[0];
}
