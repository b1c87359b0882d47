using System.Globalization;
using PwWorkflows.Activities.Data;

namespace PwWorkflows.Activities.Regulatory;

/// <summary>
/// Whether the figures of Form 499-A that change each year are on record: the de minimis estimation factor (Appendix A, line 10) and the safe harbors. They are
/// published with the year's instructions; nothing is changed by itself.
/// </summary>
public sealed class FactorRows(IPwDatabase database, TimeProvider time)
{
    /// <summary>The job.</summary>
    public const string Job = "pw-deminimis-factor-check";

    /// <summary>The categories that have a safe harbor.</summary>
    public static IReadOnlyList<string> Categories { get; } = ["voip_interconnected", "wireless", "paging", "smr"];

    /// <summary>
    /// The form years whose figures must be on record on a day. A form year is in force from its due date, April 1 (47 CFR 54.711(a) and the instructions), to the next;
    /// from February on, when the new instructions are out, the coming one is needed too.
    /// </summary>
    public static IReadOnlyList<int> YearsNeeded(DateOnly today) => today.Month switch
    {
        1 => [today.Year - 1],
        2 or 3 => [today.Year - 1, today.Year],
        _ => [today.Year],
    };

    /// <summary>What is missing or can't be right today, for people; none when all is there.</summary>
    public async Task<IReadOnlyList<string>> FindProblemsAsync(CancellationToken ct)
    {
        var factors = (await database.QueryAsync("SELECT form_year, factor FROM fcc_deminimis_factors", Parameters.None, static r => (Year: r.GetInt32(0), Factor: r.GetDecimal(1)), ct).ConfigureAwait(false))
            .ToDictionary(static r => r.Year, static r => r.Factor);
        var harbors = (await database.QueryAsync("SELECT form_year, category, percent FROM fcc_safe_harbor_percentages", Parameters.None,
            static r => (Key: (r.GetInt32(0), r.GetString(1)), Percent: r.GetDecimal(2)), ct).ConfigureAwait(false)).ToDictionary(static r => r.Key, static r => r.Percent);
        var problems = new List<string>();
        foreach (var year in YearsNeeded(DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime)))
        {
            if (!factors.TryGetValue(year, out var factor)) problems.Add(string.Create(CultureInfo.InvariantCulture, $"form year {year}: no de minimis factor"));
            else if (factor is <= 0 or >= 1) problems.Add(string.Create(CultureInfo.InvariantCulture, $"form year {year}: the de minimis factor {factor} is not between 0 and 1"));
            foreach (var category in Categories)
            {
                if (!harbors.TryGetValue((year, category), out var percent)) problems.Add(string.Create(CultureInfo.InvariantCulture, $"form year {year}: no safe harbor for {category}"));
                else if (percent is <= 0 or > 100) problems.Add(string.Create(CultureInfo.InvariantCulture, $"form year {year}: the safe harbor {percent} for {category} is not between 0 and 100"));
            }
        }

        return problems;
    }
}
