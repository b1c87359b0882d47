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

    /// <summary>When mails that a job starts may go to customers; <c>MAIL_TIME_ZONE</c>, <c>MAIL_QUIET_HOURS</c>, <c>MAIL_WORKING_HOURS</c>, <c>MAIL_WORKING_DAYS</c>, <c>MAIL_HOLIDAYS</c>.</summary>
    public MailHours Hours { get; set; } = new();

    /// <summary><c>MAIL_PER_MINUTE</c>: how many mails a minute all nodes together hand to the relay, 0 to 10000; 0 for any number. Default 100, in the sandbox 0.</summary>
    public int PerMinute { get; set; }

    /// <summary><c>SITE_URL</c>: the customers' site, for links in mails.</summary>
    public Uri Site { get; set; } = new("https://performancewest.net/");

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
        Hours = MailHours.Read(settings, TimeProvider.System.GetUtcNow());
        PerMinute = settings.Number("MAIL_PER_MINUTE", environment == "sandbox" ? 0 : 100, 0, 10_000);
        Site = settings.Url("SITE_URL") ?? Site;
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
