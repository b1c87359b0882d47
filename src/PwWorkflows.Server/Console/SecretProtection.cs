using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary>
/// Seals cookies and form tokens with keys derived from <c>ADMIN_JWT_SECRET</c>: every node opens what another sealed, a restart signs nobody out, and no key file lies anywhere.
/// </summary>
internal sealed class SecretProtection(string secret, string purpose) : IDataProtector
{
    private const int NonceLength = 12, TagLength = 16;

    private readonly Lazy<byte[]> _key = new(() => HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret), 32, info: Encoding.UTF8.GetBytes(purpose)));

    public static SecretProtection Create(IServiceProvider services) => new(services.GetRequiredService<IOptions<ServerOptions>>().Value.AdminJwtSecret, "pw-workflows");

    public IDataProtector CreateProtector(string purpose1) => new SecretProtection(secret, purpose + "\n" + purpose1);

    public byte[] Protect(byte[] plaintext)
    {
        var bytes = new byte[NonceLength + TagLength + plaintext.Length];
        RandomNumberGenerator.Fill(bytes.AsSpan(0, NonceLength));
        using var cipher = new AesGcm(_key.Value, TagLength);
        cipher.Encrypt(bytes.AsSpan(0, NonceLength), plaintext, bytes.AsSpan(NonceLength + TagLength), bytes.AsSpan(NonceLength, TagLength));
        return bytes;
    }

    /// <exception cref="CryptographicException">It was not sealed here, or was changed since.</exception>
    public byte[] Unprotect(byte[] protectedData)
    {
        if (protectedData.Length < NonceLength + TagLength) throw new CryptographicException("The sealed bytes are too short.");
        var plain = new byte[protectedData.Length - NonceLength - TagLength];
        using var cipher = new AesGcm(_key.Value, TagLength);
        cipher.Decrypt(protectedData.AsSpan(0, NonceLength), protectedData.AsSpan(NonceLength + TagLength), protectedData.AsSpan(NonceLength, TagLength), plain);
        return plain;
    }
}
