namespace PwWorkflows.Sandbox;

/// <summary>
/// The secrets that server and sandbox share. Those of <see cref="Published"/> stand in <c>.env.sandbox</c> for everyone to read; production
/// refuses them all. Names of the environment variables follow the production runbook.
/// </summary>
public sealed record SandboxSecrets
{
    /// <summary>The published values.</summary>
    public static SandboxSecrets Published { get; } = new();

    /// <summary><c>STRIPE_WEBHOOK_SECRET</c>: key of the Stripe signature, prefix included.</summary>
    public string StripeWebhookSecret { get; init; } = "whsec_sandbox_7f3a9c1e5b2d4f60a8c7e9b1d3f5a7c9";

    /// <summary><c>WEBHOOK_SECRET</c>: shared with ERPNext and the order intake.</summary>
    public string WebhookSecret { get; init; } = "sandbox-webhook-secret-2c4e6a8b0d1f3957";

    /// <summary><c>ERPNEXT_API_KEY</c>: key of the order user <c>api@performancewest.net</c>.</summary>
    public string ErpNextApiKey { get; init; } = "sandboxorderkey01";

    /// <summary><c>ERPNEXT_API_SECRET</c>: secret of the order user.</summary>
    public string ErpNextApiSecret { get; init; } = "sandboxordersecret01";

    /// <summary><c>ERPNEXT_SENSITIVE_API_KEY</c>: key of the System Manager who may read password fields.</summary>
    public string ErpNextSensitiveApiKey { get; init; } = "sandboxmanagerkey01";

    /// <summary><c>ERPNEXT_SENSITIVE_API_SECRET</c>: secret of the System Manager.</summary>
    public string ErpNextSensitiveApiSecret { get; init; } = "sandboxmanagersecret01";

    /// <summary><c>SHKEEPER_API_KEY</c>: key of SHKeeper's API.</summary>
    public string ShkeeperApiKey { get; init; } = "sandbox-shkeeper-api-key-9b7d5f3e1a2c4860";

    /// <summary>The published values, each replaced by the environment variable of its name where that is set.</summary>
    /// <param name="get">Reads an environment variable; null or empty when unset.</param>
    public static SandboxSecrets FromEnvironment(Func<string, string?> get)
    {
        string Or(string name, string published) => get(name) is { Length: > 0 } value ? value : published;
        return new SandboxSecrets
        {
            StripeWebhookSecret = Or("STRIPE_WEBHOOK_SECRET", Published.StripeWebhookSecret),
            WebhookSecret = Or("WEBHOOK_SECRET", Published.WebhookSecret),
            ErpNextApiKey = Or("ERPNEXT_API_KEY", Published.ErpNextApiKey),
            ErpNextApiSecret = Or("ERPNEXT_API_SECRET", Published.ErpNextApiSecret),
            ErpNextSensitiveApiKey = Or("ERPNEXT_SENSITIVE_API_KEY", Published.ErpNextSensitiveApiKey),
            ErpNextSensitiveApiSecret = Or("ERPNEXT_SENSITIVE_API_SECRET", Published.ErpNextSensitiveApiSecret),
            ShkeeperApiKey = Or("SHKEEPER_API_KEY", Published.ShkeeperApiKey),
        };
    }

    /// <summary>Every secret value, for masking.</summary>
    public IEnumerable<string> All =>
        [StripeWebhookSecret, WebhookSecret, ErpNextApiSecret, ErpNextSensitiveApiSecret, ShkeeperApiKey];
}
