namespace PwWorkflows.Server.Hosting;

/// <summary>A setting can't be read; the message says which and what was expected.</summary>
public sealed class ConfigurationException(string message) : Exception(message);

/// <summary>Reads settings from files: <c>--env-file</c> and the <c>…_FILE</c> variables of containers.</summary>
public static class EnvironmentFiles
{
    /// <summary>The variables whose value may come from the file that <c>NAME_FILE</c> names.</summary>
    public static IReadOnlyList<string> FromFile { get; } =
    [
        "ADMIN_JWT_SECRET", "STRIPE_WEBHOOK_SECRET", "WEBHOOK_SECRET", "SHKEEPER_API_KEY", "DATABASE_URL", "ERPNEXT_API_KEY", "ERPNEXT_API_SECRET",
        "ERPNEXT_SENSITIVE_API_KEY", "ERPNEXT_SENSITIVE_API_SECRET", "SMTP_USER", "SMTP_PASS", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "BRIDGE_API_KEY",
    ];

    /// <summary>Reads a file of <c>NAME=value</c> lines; empty lines and lines that begin with <c>#</c> are left out, a value may stand in quotes.</summary>
    /// <exception cref="ConfigurationException">The file is missing, or a line is not understood.</exception>
    public static IReadOnlyDictionary<string, string?> ReadEnvFile(string path)
    {
        try
        {
            return Parse(File.ReadAllText(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"--env-file {path}: expected a file of NAME=value lines: {e.Message}");
        }
    }

    /// <summary>As <see cref="ReadEnvFile"/>, from text.</summary>
    internal static IReadOnlyDictionary<string, string?> Parse(string text, string path)
    {
        var values = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.Trim();
            if (line.Length == 0 || line[0] == '#') continue;
            if (line.StartsWith("export ", StringComparison.Ordinal)) line = line["export ".Length..].TrimStart();
            var at = line.IndexOf('=', StringComparison.Ordinal);
            // The line is not shown: it may hold a secret.
            if (at <= 0 || !line[..at].All(static c => char.IsAsciiLetterOrDigit(c) || c == '_')) throw new ConfigurationException($"--env-file {path}, line {number}: expected NAME=value.");
            var value = line[(at + 1)..].Trim();
            if (value is ['"', .., '"'] or ['\'', .., '\'']) value = value[1..^1];
            values[line[..at]] = value;
        }

        return values;
    }

    /// <summary>The values of the <c>…_FILE</c> variables, by the name they stand for.</summary>
    /// <exception cref="ConfigurationException">A file can't be read, or a value is given both ways; all of them in one message.</exception>
    public static IReadOnlyDictionary<string, string?> ReadFileVariables(Func<string, string?> get)
    {
        ArgumentNullException.ThrowIfNull(get);
        var values = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        var problems = new List<string>();
        foreach (var name in FromFile)
        {
            if (get(name + "_FILE") is not { Length: > 0 } path) continue;
            if (get(name) is { Length: > 0 })
            {
                problems.Add($"{name}_FILE: expected either {name} or {name}_FILE, found both.");
                continue;
            }

            try
            {
                values[name] = File.ReadAllText(path).Trim();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                problems.Add($"{name}_FILE: expected a readable file, found '{path}': {e.Message}");
            }
        }

        return problems.Count == 0 ? values : throw new ConfigurationException(string.Join(Environment.NewLine, problems));
    }
}
