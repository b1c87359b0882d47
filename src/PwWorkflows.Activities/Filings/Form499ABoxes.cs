using System.Collections.Frozen;
using System.Globalization;

namespace PwWorkflows.Activities.Filings;

/// <summary>Every box a Form 499-A may fill.</summary>
internal static class Form499ABoxes
{
    /// <summary>Box to the values it may take, or null when it takes any text.</summary>
    public static FrozenDictionary<string, IReadOnlyList<string>?> All { get; } = List().ToFrozenDictionary(b => b.Box, b => b.Values);

    static IEnumerable<(string Box, IReadOnlyList<string>? Values)> List()
    {
        foreach (var line in Form499ALines.Texts) yield return (line.Line, null);
        for (var rank = 1; rank <= 5; rank++) yield return (string.Create(CultureInfo.InvariantCulture, $"105.{rank}"), Form499ALines.Categories);
        yield return ("221.count", null);
        yield return ("227", null);
        foreach (var line in Form499ALines.Block3.Concat(Form499ALines.Block4))
        {
            yield return (line + ".a", null);
            if (Form499ALines.TotalOnly.Contains(line)) continue;
            foreach (var column in "bcde") yield return ($"{line}.{column}", null);
        }

        foreach (var line in "315 419 420 421 422 423".Split(' '))
            foreach (var column in "ade") yield return ($"{line}.{column}", null);
        foreach (var line in Form499ALines.Regions.Concat("510 511 512 513 514".Split(' ')))
            foreach (var column in "ab") yield return ($"{line}.{column}", null);
        foreach (var (line, _) in Form499ALines.Flags) yield return (line, null);
        yield return ("612", Form499ALines.FilingTypes);
    }
}
