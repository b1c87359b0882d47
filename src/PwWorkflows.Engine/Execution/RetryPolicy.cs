using System.Globalization;
using System.Text.Json;
using Elsa.Workflows;

namespace PwWorkflows.Engine.Execution;

/// <summary>
/// How often and when a failed activity is tried again. Read from the activity's custom property <c>resilienceStrategy</c>, so that it can be seen and edited in the designer:
/// <c>{"attempts":5,"backoff":"exponential|linear|constant","initialDelay":"00:00:01","maxDelay":"00:01:00","jitter":true,"retryOn":["*"],"notOn":["Some.Exception"]}</c>.
/// Between attempts the instance waits without holding anything.
/// </summary>
/// <param name="Attempts">All attempts, the first included; at least 1.</param>
/// <param name="Backoff">constant, linear or exponential.</param>
/// <param name="InitialDelay">Wait before the second attempt.</param>
/// <param name="MaxDelay">Longest wait.</param>
/// <param name="Jitter">Spread each wait by up to a fifth either way.</param>
/// <param name="RetryOn">Exception types (full or short name) worth a retry; "*" is all.</param>
/// <param name="NotOn">Exception types never retried; wins over <paramref name="RetryOn"/>.</param>
public sealed record RetryPolicy(int Attempts, string Backoff, TimeSpan InitialDelay, TimeSpan MaxDelay, bool Jitter, IReadOnlyList<string> RetryOn, IReadOnlyList<string> NotOn)
{
    /// <summary>Name of the custom property.</summary>
    public const string PropertyName = "resilienceStrategy";

    /// <summary>The policy of an activity, or null. A malformed one throws <see cref="FormatException"/> naming the field.</summary>
    public static RetryPolicy? Read(IActivity activity)
    {
        if (!activity.CustomProperties.TryGetValue(PropertyName, out var raw) || raw is null) return null;
        var json = raw as JsonElement? ?? JsonSerializer.SerializeToElement(raw, Elsa.Expressions.Helpers.ObjectConverter.Json);
        return json.ValueKind == JsonValueKind.Object ? Parse(json) : null;
    }

    /// <summary>Reads the JSON form.</summary>
    public static RetryPolicy Parse(JsonElement json)
    {
        var attempts = json.TryGetProperty("attempts", out var a) ? a.ValueKind == JsonValueKind.Number && a.TryGetInt32(out var n) && n >= 1 ? n : throw Bad("attempts", "a whole number from 1", a) : 3;
        var backoff = json.TryGetProperty("backoff", out var b) ? b.GetString() is "constant" or "linear" or "exponential" ? b.GetString()! : throw Bad("backoff", "constant, linear or exponential", b) : "exponential";
        return new RetryPolicy(attempts, backoff, Span("initialDelay", TimeSpan.FromSeconds(1)), Span("maxDelay", TimeSpan.FromMinutes(1)),
            !json.TryGetProperty("jitter", out var j) || j.ValueKind != JsonValueKind.False, Names("retryOn", ["*"]), Names("notOn", []));

        TimeSpan Span(string name, TimeSpan otherwise) => !json.TryGetProperty(name, out var v) ? otherwise
            : v.ValueKind == JsonValueKind.String && TimeSpan.TryParse(v.GetString(), CultureInfo.InvariantCulture, out var t) && t >= TimeSpan.Zero ? t : throw Bad(name, "a duration such as 00:00:05", v);
        IReadOnlyList<string> Names(string name, string[] otherwise) => !json.TryGetProperty(name, out var v) ? otherwise
            : v.ValueKind == JsonValueKind.Array ? [.. v.EnumerateArray().Select(x => x.GetString() ?? "")] : throw Bad(name, "an array of exception type names", v);
        static FormatException Bad(string field, string expected, JsonElement found) => new($"{PropertyName}.{field} must be {expected}, but is {found.GetRawText()}.");
    }

    /// <summary>Whether this failure is worth another attempt after <paramref name="attempt"/> attempts.</summary>
    public bool Allows(Exception e, int attempt)
    {
        if (attempt >= Attempts) return false;
        for (var x = e; x is not null; x = x.InnerException)
            if (Matches(NotOn, x)) return false;
        return RetryOn.Contains("*") || Matches(RetryOn, e);
    }

    private static bool Matches(IReadOnlyList<string> names, Exception e)
    {
        if (names.Count == 0) return false;
        for (var t = e.GetType(); t is not null && t != typeof(object); t = t.BaseType)
            if (names.Contains(t.Name) || names.Contains(t.FullName!)) return true;
        return false;
    }

    /// <summary>Wait before the attempt after <paramref name="attempt"/>.</summary>
    public TimeSpan Delay(int attempt, double random)
    {
        var factor = Backoff switch { "constant" => 1d, "linear" => attempt, _ => Math.Pow(2, Math.Min(attempt - 1, 30)) };
        var ticks = Math.Min(InitialDelay.Ticks * factor, MaxDelay.Ticks);
        if (Jitter) ticks *= 0.8 + 0.4 * random;
        return TimeSpan.FromTicks((long)ticks);
    }
}
