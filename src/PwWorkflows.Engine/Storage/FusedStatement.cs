using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Npgsql;

namespace PwWorkflows.Engine.Storage;

/// <summary>
/// Equal statements of several callers as one, with their values as arrays: the database plans, starts and ends one statement instead of many. Only where the one means
/// exactly what the many mean: an insert of one row, an update that must touch one row for each set of values and finds it by a column that equals a value, each another
/// one, so that no row can belong to two; or a look-up. Rows of other tables that an update counts are counted as they are before any of the updates, as callers that
/// look first and write then would see them.
/// </summary>
internal sealed partial class FusedStatement
{
    private static readonly ConcurrentDictionary<string, FusedStatement?> Known = new(StringComparer.Ordinal);

    private readonly Kind _kind;
    private readonly string _head;
    private readonly string _tail;
    private readonly IReadOnlyList<string> _keys;
    private readonly ConcurrentDictionary<string, string> _texts = new(StringComparer.Ordinal);

    private enum Kind
    {
        Insert,
        Update,
        Select,
    }

    /// <param name="kind">What it is.</param>
    /// <param name="head">What comes before the values.</param>
    /// <param name="tail">What comes after them.</param>
    /// <param name="keys">Of an update: parameters that a column must equal.</param>
    private FusedStatement(Kind kind, string head, string tail, IReadOnlyList<string>? keys = null)
    {
        _kind = kind;
        _keys = keys ?? [];
        _head = head;
        _tail = tail;
    }

    /// <summary>Whether nothing but an error can keep a plain insert of one row from adding one row.</summary>
    public bool AlwaysAddsOne => _kind == Kind.Insert && _tail.Length == 0;

    /// <summary>What the statement can be fused to; null when it can't.</summary>
    public static FusedStatement? Of(string sql) => Known.GetOrAdd(sql, Parse);

    /// <summary>Whether a write may be one of several.</summary>
    public bool Takes(EnlistedWrite write) => _kind != Kind.Select && (write.ExpectedRows == 1 || (_kind == Kind.Insert && write.ExpectedRows is null));

    /// <summary>Whether it is a look-up: its rows then have one more column at the end, the number of the caller's values, from 1.</summary>
    public bool IsSelect => _kind == Kind.Select;

    /// <summary>The one statement; null when the values do not fit together.</summary>
    public NpgsqlBatchCommand? Fuse(IReadOnlyList<EnlistedWrite> writes)
    {
        var first = writes[0].Parameters;
        var columns = new List<(string Name, string Type)>(first.Count);
        var parameters = new List<NpgsqlParameter>(first.Count);
        var nulls = new List<string>();
        for (var p = 0; p < first.Count; p++)
        {
            var name = first[p].Key.TrimStart('@');
            object? sample = null;
            foreach (var write in writes)
            {
                if (write.Parameters.Count != first.Count || write.Parameters[p].Key != first[p].Key) return null;
                sample ??= write.Parameters[p].Value;
            }

            // A literal takes the type of where it stands; an array of nothing has none.
            if (sample is null) nulls.Add(name);
            else if (Array(writes, p, sample) is not (var type, { } parameter)) return null;
            else
            {
                columns.Add((name, type));
                parameters.Add(parameter);
            }
        }

        if (columns.Count == 0 || (_kind == Kind.Update && !_keys.Any(k => AreDistinct(writes, k)))) return null;
        var expected = writes[0].ExpectedRows is not null && !AlwaysAddsOne;
        var key = (expected ? "!" : "") + string.Join(',', columns.Select(static c => c.Name + " " + c.Type));
        var command = new NpgsqlBatchCommand(_texts.GetOrAdd(key, _ => Text(columns, nulls, expected)));
        foreach (var parameter in parameters) command.Parameters.Add(parameter);
        if (expected) command.Parameters.Add(PostgresCommit.Typed((long)writes.Count));
        return command;
    }

    private static bool AreDistinct(IReadOnlyList<EnlistedWrite> writes, string name)
    {
        var seen = new HashSet<object>(writes.Count);
        return writes.All(w => w.Parameters.FirstOrDefault(p => p.Key.TrimStart('@') == name).Value is { } value && seen.Add(value));
    }

    private static (string Type, NpgsqlParameter? Parameter) Array(IReadOnlyList<EnlistedWrite> writes, int p, object sample) =>
        sample switch
        {
            string => ("text", Column<string?>(writes, p, static v => (string)v)),
            long => ("bigint", Column<long?>(writes, p, static v => (long)v)),
            int => ("integer", Column<int?>(writes, p, static v => (int)v)),
            bool => ("boolean", Column<bool?>(writes, p, static v => (bool)v)),
            decimal => ("numeric", Column<decimal?>(writes, p, static v => (decimal)v)),
            double => ("double precision", Column<double?>(writes, p, static v => (double)v)),
            DateTimeOffset => ("timestamptz", Column<DateTimeOffset?>(writes, p, static v => ((DateTimeOffset)v).ToUniversalTime())),
            byte[] => ("bytea", Column<byte[]?>(writes, p, static v => (byte[])v)),
            _ => ("", null),
        };

    private static NpgsqlParameter? Column<T>(IReadOnlyList<EnlistedWrite> writes, int p, Func<object, T> value)
    {
        var type = Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T);
        var column = new T[writes.Count];
        for (var i = 0; i < column.Length; i++)
        {
            if (writes[i].Parameters[p].Value is not { } given) continue;
            if (!type.IsInstanceOfType(given)) return null;
            column[i] = value(given);
        }

        return PostgresCommit.Typed(column);
    }

    private string Text(List<(string Name, string Type)> columns, List<string> nulls, bool expected)
    {
        // In a select list, not in FROM: see PostgresCommit.Rows.
        var values = string.Join(", ", columns.Select(static (c, i) => string.Create(CultureInfo.InvariantCulture, $"unnest(${i + 1}::{c.Type}[]) AS {Field(c.Name)}")));
        var numbered = $"(SELECT {values}, generate_subscripts($1::{columns[0].Type}[], 1)::bigint AS row_of_given) AS given";
        string Named(string part) => Replace(part, name => nulls.Contains(name, StringComparer.Ordinal) ? "NULL" : "given." + Field(name));
        var sql = _kind switch
        {
            Kind.Insert => $"{Named(_head)} FROM (SELECT {values}) AS given{_tail}",
            Kind.Update => $"{Named(_head)} FROM {numbered} WHERE {Named(_tail)}",
            _ => $"SELECT found.*, given.row_of_given FROM {numbered} CROSS JOIN LATERAL ({Named(_head)}) found",
        };
        if (!expected) return sql;
        var count = string.Create(CultureInfo.InvariantCulture, $"${columns.Count + 1}");
        return _kind == Kind.Insert
            ? $"WITH enlisted AS ({sql}\nRETURNING 1) SELECT engine_require((SELECT count(*) FROM enlisted), {count}, '{PostgresCommit.UnexpectedRows}')"
            : $"WITH enlisted AS ({sql}\nRETURNING given.row_of_given) SELECT engine_require((SELECT CASE WHEN count(*) = count(DISTINCT row_of_given) THEN count(*) ELSE -1 END FROM enlisted), {count}, '{PostgresCommit.UnexpectedRows}')";
    }

    private static string Field(string name) => "given_" + name;

    private static FusedStatement? Parse(string text)
    {
        var sql = text.Trim().TrimEnd(';');
        // What a comment or a quoted word hides is not looked into.
        if (sql.Contains("--", StringComparison.Ordinal) || sql.Contains("/*", StringComparison.Ordinal) || sql.Contains("$$", StringComparison.Ordinal) || sql.Contains('"')) return null;
        if (Returning().IsMatch(sql)) return null;
        if (Insert().Match(sql) is { Success: true } insert)
        {
            var open = insert.Index + insert.Length;
            var close = Closing(sql, open);
            // A look into a table would see the same state for all of them.
            if (close < 0 || From().IsMatch(sql[open..close])) return null;
            var tail = sql[(close + 1)..];
            if (tail.Length > 0 && !Conflict().IsMatch(tail)) return null;
            return tail.Contains('@') ? null : new FusedStatement(Kind.Insert, $"{insert.Groups[1].Value} SELECT {sql[open..close]}", tail);
        }

        if (Update().Match(sql) is { Success: true } update && !From().IsMatch(WithoutCounts(sql, update.Groups["table"].Value)))
        {
            var keys = KeysOf(update.Groups[2].Value);
            return keys.Count == 0 ? null : new FusedStatement(Kind.Update, update.Groups[1].Value, update.Groups[2].Value, keys);
        }

        return Select().IsMatch(sql) && !Locks().IsMatch(sql) ? new FusedStatement(Kind.Select, sql, "") : null;
    }

    /// <summary>A statement without its counts of rows of other tables than the one it updates.</summary>
    private static string WithoutCounts(string sql, string table) => Counts().Replace(sql, count => Regex.IsMatch(count.Value, $@"\b{Regex.Escape(table)}\b", RegexOptions.IgnoreCase) ? count.Value : "");

    /// <summary>The parameters that some column must equal for the condition to hold.</summary>
    private static List<string> KeysOf(string where)
    {
        var flat = new StringBuilder(where.Length);
        var depth = 0;
        var quoted = false;
        foreach (var c in where)
        {
            if (c == '\'') quoted = !quoted;
            else if (!quoted && c == '(') depth++;
            else if (!quoted && c == ')') depth--;
            else if (!quoted && depth == 0) flat.Append(c);
        }

        var condition = flat.ToString();
        return Or().IsMatch(condition) ? [] : [.. And().Split(condition).Select(static part => Equal().Match(part)).Where(static m => m.Success).Select(static m => m.Groups[1].Value)];
    }

    /// <summary>Where the bracket closes that is open at <paramref name="from"/>; -1 when it does not.</summary>
    private static int Closing(string sql, int from)
    {
        var depth = 1;
        var quoted = false;
        for (var i = from; i < sql.Length; i++)
        {
            if (sql[i] == '\'') quoted = !quoted;
            else if (quoted) continue;
            else if (sql[i] == '(') depth++;
            else if (sql[i] == ')' && --depth == 0) return i;
        }

        return -1;
    }

    /// <summary>Gives each parameter outside of quotes its new name.</summary>
    private static string Replace(string sql, Func<string, string> name)
    {
        var result = new StringBuilder(sql.Length + 64);
        var quoted = false;
        for (var i = 0; i < sql.Length; i++)
        {
            if (sql[i] == '\'') quoted = !quoted;
            if (quoted || sql[i] != '@' || i + 1 == sql.Length || !(char.IsLetter(sql[i + 1]) || sql[i + 1] == '_'))
            {
                result.Append(sql[i]);
                continue;
            }

            var end = i + 1;
            while (end < sql.Length && (char.IsLetterOrDigit(sql[end]) || sql[end] == '_')) end++;
            result.Append(name(sql[(i + 1)..end]));
            i = end - 1;
        }

        return result.ToString();
    }

    [GeneratedRegex(@"\breturning\b", RegexOptions.IgnoreCase)]
    private static partial Regex Returning();

    [GeneratedRegex(@"\A(INSERT\s+INTO\s+[a-z_][a-z0-9_.]*\s*\([^()]*\))\s*VALUES\s*\(", RegexOptions.IgnoreCase)]
    private static partial Regex Insert();

    [GeneratedRegex(@"\A\s+ON\s+CONFLICT\b", RegexOptions.IgnoreCase)]
    private static partial Regex Conflict();

    [GeneratedRegex(@"\A(UPDATE\s+(?<table>[a-z_][a-z0-9_.]*)\s+SET\s.+?)\sWHERE\s(.+)\z", RegexOptions.IgnoreCase | RegexOptions.Singleline)]
    private static partial Regex Update();

    [GeneratedRegex(@"\b(from|select)\b", RegexOptions.IgnoreCase)]
    private static partial Regex From();

    // A count of rows of one table, with no brackets inside.
    [GeneratedRegex(@"\(\s*SELECT\s+COUNT\(\*\)\s+FROM\s[^()]*\)", RegexOptions.IgnoreCase)]
    private static partial Regex Counts();

    [GeneratedRegex(@"\bor\b", RegexOptions.IgnoreCase)]
    private static partial Regex Or();

    [GeneratedRegex(@"\band\b", RegexOptions.IgnoreCase)]
    private static partial Regex And();

    [GeneratedRegex(@"\A\s*[a-z_][a-z0-9_]*\s*=\s*@([A-Za-z_][A-Za-z0-9_]*)\s*\z", RegexOptions.IgnoreCase)]
    private static partial Regex Equal();

    [GeneratedRegex(@"\Aselect\b", RegexOptions.IgnoreCase)]
    private static partial Regex Select();

    [GeneratedRegex(@"\bfor\s+(update|share|no\s+key|key)\b", RegexOptions.IgnoreCase)]
    private static partial Regex Locks();
}
