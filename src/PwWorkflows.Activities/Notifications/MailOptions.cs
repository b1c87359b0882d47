using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Notifications;

/// <summary>How mail goes out.</summary>
public sealed class MailOptions
{
    /// <summary><c>SMTP_HOST</c>: the mail relay; empty means that no mail can be sent (each try fails, so that none is lost in silence).</summary>
    public string Host { get; set; } = "";

    /// <summary><c>SMTP_PORT</c>; default 587.</summary>
    public int Port { get; set; } = 587;

    /// <summary><c>SMTP_USER</c>; empty for a relay without sign-in.</summary>
    public string User { get; set; } = "";

    /// <summary><c>SMTP_PASS</c>.</summary>
    public string Password { get; set; } = "";

    /// <summary>
    /// <c>SMTP_TLS</c>: <c>required</c> (STARTTLS or nothing), <c>auto</c> (STARTTLS when offered), <c>implicit</c> (TLS from the first byte).
    /// Default <c>required</c> when there is a user, else <c>auto</c>.
    /// </summary>
    public string Tls { get; set; } = "auto";

    /// <summary><c>FROM_EMAIL</c>: the sender.</summary>
    public string From { get; set; } = "notifications@performancewest.net";

    /// <summary><c>ADMIN_EMAIL</c>: gets what is for administrators, and outside production and sandbox everything.</summary>
    public string Admin { get; set; } = "ops@performancewest.net";

    /// <summary><c>REPLY_EMAIL</c>: where answers go.</summary>
    public string ReplyTo { get; set; } = "info@performancewest.net";

    /// <summary><c>PW_MAIL_TEMPLATES</c>: folder of the templates; default <c>templates/mail</c> beside the program.</summary>
    public string Templates { get; set; } = Path.Combine(AppContext.BaseDirectory, "templates", "mail");

    /// <summary><c>SMTP_TIMEOUT_SECONDS</c>, 1 to 300; default 30.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Whether mail goes to the people it is for (production and sandbox), or all to the administrator.</summary>
    public bool ReachesCustomers { get; set; }

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        Host = settings.Text("SMTP_HOST");
        Port = settings.Number("SMTP_PORT", 587, 1, 65535);
        User = settings.Text("SMTP_USER");
        Password = settings.Secret("SMTP_PASS");
        Tls = settings.Choice("SMTP_TLS", User.Length > 0 ? "required" : "auto", "required", "auto", "implicit");
        From = Address(settings, "FROM_EMAIL", From);
        Admin = Address(settings, "ADMIN_EMAIL", Admin);
        ReplyTo = Address(settings, "REPLY_EMAIL", ReplyTo);
        Templates = settings.Text("PW_MAIL_TEMPLATES", Templates);
        Timeout = TimeSpan.FromSeconds(settings.Number("SMTP_TIMEOUT_SECONDS", 30, 1, 300));
        var environment = settings.Choice("PW_ENVIRONMENT", "development", "production", "sandbox", "development");
        ReachesCustomers = environment is "production" or "sandbox";
        if (environment == "production" && Host.Length == 0) settings.Problem("SMTP_HOST: expected the mail relay's name, found nothing.");
        if (User.Length > 0 && Password.Length == 0) settings.Problem("SMTP_PASS: expected the password of SMTP_USER, found nothing.");
        if (!Directory.Exists(Templates)) settings.Problem($"PW_MAIL_TEMPLATES: expected a folder of mail templates, found none at '{Templates}'.");
    }

    private static string Address(SettingsReader settings, string name, string fallback)
    {
        var address = settings.Text(name, fallback);
        if (!CustomerAddresses.IsWellFormed(address)) settings.Problem($"{name}: expected a mail address, found '{address}'.");
        return address;
    }
}
