using Microsoft.AspNetCore.Html;

namespace PwWorkflows.Server.Pages;

/// <summary>An entry of a story: an actor, a verb, an object, a time, and a way to see the raw thing.</summary>
/// <param name="At">When.</param>
/// <param name="Actor">Who or what did it, such as <c>Stripe</c>.</param>
/// <param name="Verb">What was done, such as <c>paid</c>.</param>
/// <param name="Object">To what; text or a link.</param>
/// <param name="Tone">How it feels.</param>
internal sealed record TimelineItem(DateTimeOffset At, string Actor, string Verb, IHtmlContent Object, Tone Tone = Tone.Idle)
{
    /// <summary>A sentence more.</summary>
    public string? Detail { get; init; }
    /// <summary>The raw thing, shown when asked for.</summary>
    public string? Raw { get; init; }
    /// <summary>Pictures: where they are and what they show.</summary>
    public IReadOnlyList<(string Url, string Caption)> Pictures { get; init; } = [];
    /// <summary>Order among entries of the same moment.</summary>
    public int Rank { get; init; }
}
