using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Html;

namespace PwWorkflows.Server.Pages;

/// <summary>Shows times, money, ids and states the same way on every page. Everything it is given becomes text, never markup.</summary>
internal sealed class Show(IHttpContextAccessor accessor, TimeProvider time, HtmlEncoder encoder)
{
    /// <summary>The cookie in which the browser tells its time zone.</summary>
    public const string ZoneCookie = "pw-zone";

    private static readonly JsonSerializerOptions Pretty = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The viewer's time zone; UTC until the browser has told it.</summary>
    public TimeZoneInfo Zone => field ??= Find(accessor.HttpContext?.Request.Cookies[ZoneCookie]);

    /// <summary>Now.</summary>
    public DateTimeOffset Now => time.GetUtcNow();

    /// <summary>A time by its distance ("3 min ago", "in 2 h"), the exact one on hover.</summary>
    public IHtmlContent Time(DateTimeOffset? at) => at is { } t ? Element(t, Distance(t - Now), "relative") : Nothing;

    /// <summary>A time to the second in the viewer's zone, UTC on hover.</summary>
    public IHtmlContent Exact(DateTimeOffset? at) => at is { } t ? Element(t, Local(t, "MMM d, HH:mm:ss"), null) : Nothing;

    /// <summary>How long something took.</summary>
    public static string Duration(TimeSpan took) => took switch
    {
        { TotalSeconds: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{took.TotalMilliseconds:0} ms"),
        { TotalMinutes: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{took.TotalSeconds:0.0} s"),
        { TotalHours: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)took.TotalMinutes} min {took.Seconds} s"),
        { TotalDays: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{(int)took.TotalHours} h {took.Minutes} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(int)took.TotalDays} days {took.Hours} h"),
    };

    /// <summary>Money from whole cents, with its currency.</summary>
    public static string Money(long cents, string currency) => string.Create(CultureInfo.InvariantCulture, $"{cents / 100m:#,##0.00} {currency.ToUpperInvariant()}");

    /// <summary>An id: monospace, shortened in the middle, with a button that copies all of it, linked to its page.</summary>
    public IHtmlContent Id(string? value, string? href = null, int longest = 20)
    {
        if (string.IsNullOrEmpty(value)) return Nothing;
        var shown = value.Length <= longest ? value : $"{value[..(longest / 2)]}…{value[^(longest / 2 - 1)..]}";
        var (text, all) = (encoder.Encode(shown), encoder.Encode(value));
        var title = shown == value ? "" : $" title=\"{all}\"";
        var name = href is null ? $"<code{title}>{text}</code>" : $"<a href=\"{encoder.Encode(href)}\"{title}><code>{text}</code></a>";
        return new HtmlString($"<span class=\"id\">{name}<button type=\"button\" class=\"copy\" data-copy=\"{all}\" aria-label=\"Copy {all}\"></button></span>");
    }

    /// <summary>A state: a coloured dot and its word.</summary>
    public IHtmlContent State(string? state) => string.IsNullOrEmpty(state) ? Nothing : Badge(state.Replace('_', ' '), ToneOf(state));

    /// <summary>A word with a coloured dot.</summary>
    public IHtmlContent Badge(string text, Tone tone) => new HtmlString($"<span class=\"badge {Class(tone)}\">{encoder.Encode(text)}</span>");

    /// <summary>Plain text.</summary>
    public IHtmlContent Text(string? text) => string.IsNullOrEmpty(text) ? Nothing : new HtmlString(encoder.Encode(text));

    /// <summary>A value with a quieter line below it.</summary>
    public IHtmlContent Lines(string? first, string? second) => Lines(Text(first), second);

    /// <inheritdoc cref="Lines(string, string)" />
    public IHtmlContent Lines(IHtmlContent first, string? second) => Lines(first, string.IsNullOrEmpty(second) ? null : new HtmlString($"<span class=\"quiet\">{encoder.Encode(second)}</span>"));

    /// <inheritdoc cref="Lines(string, string)" />
    public IHtmlContent Lines(IHtmlContent first, IHtmlContent? second) => second is null ? first : new HtmlContentBuilder().AppendHtml(first).AppendHtml("<br>").AppendHtml(second);

    /// <summary>A link within the console.</summary>
    public IHtmlContent Link(string text, string href) => new HtmlString($"<a href=\"{encoder.Encode(href)}\">{encoder.Encode(text)}</a>");

    /// <summary>JSON with line breaks; other text as it is.</summary>
    public static string Json(string text)
    {
        try
        {
            return JsonNode.Parse(text)?.ToJsonString(Pretty) ?? "null";
        }
        catch (JsonException)
        {
            return text;
        }
    }

    /// <summary>A time in the viewer's zone.</summary>
    public string Local(DateTimeOffset at, string format) => TimeZoneInfo.ConvertTime(at, Zone).ToString(format, CultureInfo.InvariantCulture);

    /// <summary>The class of a tone in the style sheet.</summary>
    public static string Class(Tone tone) => tone switch { Tone.Good => "good", Tone.Busy => "busy", Tone.Warn => "warn", Tone.Bad => "bad", _ => "idle" };

    /// <summary>The tone of a state of ours.</summary>
    public static Tone ToneOf(string state) => state switch
    {
        "applied" or "finished" or "completed" or "filed" or "paid" or "done" or "sent" or "ok" or "closed" or "approved" or "active" => Tone.Good,
        "running" or "pending" or "in_progress" or "begun" or "service_queued" or "processing" or "sending" or "started" => Tone.Busy,
        "suspended" or "waiting" or "suspicious" or "partially_refunded" or "ready_to_file" or "awaiting_intake" or "awaiting_authorization" or "waiting_on_activation" or "open" or "paused" or "warning" or "overdue" or "missed" => Tone.Warn,
        "faulted" or "failed" or "rejected" or "gave_up" or "disputed" or "parked" or "uncertain" or "expired" => Tone.Bad,
        _ => Tone.Idle,
    };

    private static IHtmlContent Nothing { get; } = new HtmlString("<span class=\"quiet\">–</span>");

    private HtmlString Element(DateTimeOffset at, string shown, string? kind)
    {
        var utc = at.UtcDateTime;
        var zone = Zone.BaseUtcOffset == TimeSpan.Zero && !Zone.SupportsDaylightSavingTime ? "" : $"{Local(at, "yyyy-MM-dd HH:mm:ss zzz")} ({Zone.Id}) · ";
        var title = string.Create(CultureInfo.InvariantCulture, $"{zone}{utc:yyyy-MM-dd HH:mm:ss} UTC");
        return new HtmlString(string.Create(CultureInfo.InvariantCulture, $"<time datetime=\"{utc:yyyy-MM-ddTHH:mm:ss.fffZ}\" title=\"{encoder.Encode(title)}\"{(kind is null ? "" : $" data-{kind}")}>{encoder.Encode(shown)}</time>"));
    }

    private static string Distance(TimeSpan from)
    {
        var length = from.Duration();
        var text = length switch
        {
            { TotalSeconds: < 5 } => null,
            { TotalMinutes: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)length.TotalSeconds} s"),
            { TotalHours: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)length.TotalMinutes} min"),
            { TotalDays: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{(int)length.TotalHours} h"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{(int)length.TotalDays} days"),
        };
        return text is null ? "now" : from < TimeSpan.Zero ? text + " ago" : "in " + text;
    }

    private static TimeZoneInfo Find(string? id) => !string.IsNullOrEmpty(id) && id.Length < 64 && TimeZoneInfo.TryFindSystemTimeZoneById(Uri.UnescapeDataString(id), out var zone) ? zone : TimeZoneInfo.Utc;
}

/// <summary>How a state feels.</summary>
internal enum Tone
{
    /// <summary>Nothing to see.</summary>
    Idle,
    /// <summary>Done well.</summary>
    Good,
    /// <summary>Under way.</summary>
    Busy,
    /// <summary>Waits for somebody.</summary>
    Warn,
    /// <summary>Went wrong.</summary>
    Bad,
}
