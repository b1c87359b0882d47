using System.Globalization;
using System.Text.Json;
using PwWorkflows.Server.Http;
using Spectre.Console;

namespace PwWorkflows.Server.Commands;

/// <summary>Prints listings.</summary>
internal static class Output
{
    private static readonly JsonSerializerOptions Indented = new(PwJson.Options) { WriteIndented = true };

    /// <summary>Prints a value as JSON.</summary>
    public static void Json<T>(T value) => Console.Out.WriteLine(JsonSerializer.Serialize(value, Indented));

    /// <summary>Prints rows as a table, or as a JSON array.</summary>
    public static void List<T>(bool json, IReadOnlyList<T> rows, params (string Title, Func<T, string?> Value)[] columns)
    {
        if (json)
        {
            Json(rows);
            return;
        }

        if (rows.Count == 0)
        {
            Console.Out.WriteLine("none");
            return;
        }

        var table = new Table { Border = TableBorder.Simple };
        foreach (var (title, _) in columns) table.AddColumn(new TableColumn(new Text(title)));
        foreach (var row in rows) table.AddRow(columns.Select(c => (Spectre.Console.Rendering.IRenderable)new Text(Printable(c.Value(row) ?? ""))).ToArray());
        if (Console.IsOutputRedirected) AnsiConsole.Profile.Width = 400;
        AnsiConsole.Write(table);
    }

    /// <summary>A time as operators read it.</summary>
    public static string Time(DateTimeOffset? time) => time?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "";

    /// <summary>Cents as dollars.</summary>
    public static string Money(long cents) => (cents / 100m).ToString("0.00", CultureInfo.InvariantCulture);

    // Texts come from outside: a control character could move the cursor or colour the screen.
    private static string Printable(string text) => string.Concat(text.Select(static c => char.IsControl(c) ? ' ' : c));
}
