using Microsoft.Data.Sqlite;

namespace PwWorkflows.Engine.Storage;

/// <summary>LIKE for SQLite that takes no notice of the case of any letter. Its own one does so for the letters of ASCII only, and a search for "ärger" would not find "Ärger".</summary>
internal static class SqliteLike
{
    public static void AddTo(SqliteConnection connection)
    {
        connection.CreateFunction("like", static (string? pattern, string? text) => Matches(pattern, text, null), isDeterministic: true);
        connection.CreateFunction("like", static (string? pattern, string? text, string? escape) => Matches(pattern, text, escape is { Length: 1 } ? escape[0] : null), isDeterministic: true);
    }

    /// <summary>Whether a text is as a pattern says: <c>%</c> stands for any characters, <c>_</c> for one, and the escape takes that from the character after it. <c>null</c> when either is.</summary>
    public static bool? Matches(string? pattern, string? text, char? escape)
    {
        if (pattern is null || text is null) return null;
        var (p, t) = (0, 0);
        // Where to go on when what follows the last % does not fit here.
        var (afterAny, tried) = (-1, 0);
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '%' && escape != '%')
            {
                (afterAny, tried) = (++p, t);
                continue;
            }

            var escaped = p < pattern.Length - 1 && pattern[p] == escape;
            var at = escaped ? p + 1 : p;
            if (at < pattern.Length && ((!escaped && pattern[at] == '_') || char.ToUpperInvariant(pattern[at]) == char.ToUpperInvariant(text[t])))
            {
                (p, t) = (at + 1, t + 1);
                continue;
            }

            if (afterAny < 0) return false;
            (p, t) = (afterAny, ++tried);
        }

        while (p < pattern.Length && pattern[p] == '%') p++;
        return p == pattern.Length;
    }
}
