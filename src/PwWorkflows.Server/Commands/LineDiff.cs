namespace PwWorkflows.Server.Commands;

/// <summary>Tells where two texts differ, line by line.</summary>
internal static class LineDiff
{
    /// <summary>Cells of the table of common lengths, 16 MB of them; texts that differ in more are shown one after the other.</summary>
    private const long MostCells = 4_000_000;

    /// <summary>Lines only in <paramref name="before"/> with <c>-</c>, lines only in <paramref name="after"/> with <c>+</c>, with two lines around each change.</summary>
    public static IReadOnlyList<string> Of(IReadOnlyList<string> before, IReadOnlyList<string> after)
    {
        // Equal heads and tails go first: what is left is small, so the table of common lengths is too.
        var head = 0;
        while (head < before.Count && head < after.Count && before[head] == after[head]) head++;
        var tail = 0;
        while (tail < before.Count - head && tail < after.Count - head && before[^(tail + 1)] == after[^(tail + 1)]) tail++;
        var (m, n) = (before.Count - head - tail, after.Count - head - tail);
        if ((long)m * n > MostCells)
            return Around([.. before.Take(head).Select(static l => "  " + l), .. before.Skip(head).Take(m).Select(static l => "- " + l), .. after.Skip(head).Take(n).Select(static l => "+ " + l), .. before.Skip(before.Count - tail).Select(static l => "  " + l)]);
        var common = new int[m + 1, n + 1];
        for (var i = m - 1; i >= 0; i--)
        {
            for (var j = n - 1; j >= 0; j--)
                common[i, j] = before[head + i] == after[head + j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
        }

        var all = before.Take(head).Select(static l => "  " + l).ToList();
        var (x, y) = (0, 0);
        while (x < m || y < n)
        {
            if (x < m && y < n && before[head + x] == after[head + y])
            {
                all.Add("  " + before[head + x]);
                (x, y) = (x + 1, y + 1);
            }
            else if (x < m && (y == n || common[x + 1, y] >= common[x, y + 1])) all.Add("- " + before[head + x++]);
            else all.Add("+ " + after[head + y++]);
        }

        all.AddRange(before.Skip(before.Count - tail).Select(static l => "  " + l));
        return Around(all);
    }

    private static List<string> Around(List<string> lines)
    {
        const int Context = 2;
        var shown = new List<string>();
        var last = -1;
        for (var i = 0; i < lines.Count; i++)
        {
            var near = Enumerable.Range(Math.Max(0, i - Context), Math.Min(lines.Count, i + Context + 1) - Math.Max(0, i - Context)).Any(k => lines[k][0] != ' ');
            if (!near) continue;
            if (last >= 0 && i > last + 1) shown.Add("  …");
            shown.Add(lines[i]);
            last = i;
        }

        return shown;
    }
}
