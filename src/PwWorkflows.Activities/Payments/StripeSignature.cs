using System.Text;
using Stripe;

namespace PwWorkflows.Activities.Payments;

/// <summary>Checks the <c>Stripe-Signature</c> header over the raw body.</summary>
internal static class StripeSignature
{
    /// <summary>How far the signature's time may be from ours, in seconds, both ways.</summary>
    public const long ToleranceSeconds = 300;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>What is wrong with the signature; <c>null</c> when it is right. Never throws for what a sender can send.</summary>
    public static string? Check(ReadOnlySpan<byte> body, string? header, string secret, DateTimeOffset now)
    {
        if (secret.Length == 0) return "STRIPE_WEBHOOK_SECRET is not set, so no event can be believed";
        if (string.IsNullOrWhiteSpace(header)) return "the Stripe-Signature header is missing";
        if (header.Length > 4096) return "the Stripe-Signature header is too long";
        try
        {
            EventUtility.ValidateSignature(Strict.GetString(body), header, secret, ToleranceSeconds, now.ToUnixTimeSeconds());
            return null;
        }
        catch (StripeException e)
        {
            return e.Message;
        }
        catch (DecoderFallbackException)
        {
            return "the body is not UTF-8";
        }
        catch (Exception e) when (e is NullReferenceException or ArgumentException or FormatException or OverflowException or IndexOutOfRangeException or InvalidOperationException)
        {
            // Stripe.net throws these on headers it does not foresee.
            return "the Stripe-Signature header is not understood";
        }
    }
}
