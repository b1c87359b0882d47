namespace PwWorkflows.Activities.Payments;

/// <summary>What we need to believe a message about money.</summary>
public sealed class PaymentOptions
{
    /// <summary><c>STRIPE_WEBHOOK_SECRET</c>: the endpoint's signing secret, prefix <c>whsec_</c> included. Empty: every event is refused.</summary>
    public string StripeWebhookSecret { get; set; } = "";

    /// <summary><c>WEBHOOK_SECRET</c>: shared with ERPNext and callers of <c>/jobs</c>. Empty: every call is refused.</summary>
    public string WebhookSecret { get; set; } = "";

    /// <summary>Whether events must be of Stripe's live mode (production) or of its test mode (everywhere else).</summary>
    public bool ExpectsLiveMode { get; set; }

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        StripeWebhookSecret = settings.Secret("STRIPE_WEBHOOK_SECRET");
        WebhookSecret = settings.Secret("WEBHOOK_SECRET");
        ExpectsLiveMode = settings.Choice("PW_ENVIRONMENT", "development", "production", "sandbox", "development") == "production";
    }
}
