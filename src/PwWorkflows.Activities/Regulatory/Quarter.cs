using System.Globalization;

namespace PwWorkflows.Activities.Regulatory;

/// <summary>A calendar quarter.</summary>
/// <param name="Year">Calendar year.</param>
/// <param name="Number">1 to 4.</param>
public readonly record struct Quarter(int Year, int Number) : IComparable<Quarter>
{
    /// <summary>Its first day.</summary>
    public DateOnly Start => new(Year, (Number * 3) - 2, 1);

    /// <summary>Its last day.</summary>
    public DateOnly End => Start.AddMonths(3).AddDays(-1);

    /// <summary>The quarter after it.</summary>
    public Quarter Next => Number == 4 ? new(Year + 1, 1) : this with { Number = Number + 1 };

    /// <summary>The quarter before it.</summary>
    public Quarter Previous => Number == 1 ? new(Year - 1, 4) : this with { Number = Number - 1 };

    /// <summary>As USAC writes it, such as <c>January – March 2027</c>.</summary>
    public string Name => string.Create(CultureInfo.InvariantCulture, $"{Start:MMMM} – {End:MMMM} {Year}");

    /// <summary>The quarter of a date.</summary>
    public static Quarter Of(DateOnly date) => new(date.Year, ((date.Month - 1) / 3) + 1);

    /// <summary>Reads <c>2027Q1</c>.</summary>
    /// <exception cref="FormatException">It is something else.</exception>
    public static Quarter Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length == 6 && text[4] == 'Q' && int.TryParse(text[..4], NumberStyles.None, CultureInfo.InvariantCulture, out var year) && text[5] is >= '1' and <= '4') return new(year, text[5] - '0');
        throw new FormatException($"'{text}' is no quarter: expected something like 2027Q1.");
    }

    /// <inheritdoc />
    public int CompareTo(Quarter other) => Start.CompareTo(other.Start);

    /// <summary><c>2027Q1</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Year:0000}Q{Number}");

    /// <summary>Earlier.</summary>
    public static bool operator <(Quarter left, Quarter right) => left.CompareTo(right) < 0;
    /// <summary>Later.</summary>
    public static bool operator >(Quarter left, Quarter right) => left.CompareTo(right) > 0;
    /// <summary>Earlier or the same.</summary>
    public static bool operator <=(Quarter left, Quarter right) => left.CompareTo(right) <= 0;
    /// <summary>Later or the same.</summary>
    public static bool operator >=(Quarter left, Quarter right) => left.CompareTo(right) >= 0;
}
