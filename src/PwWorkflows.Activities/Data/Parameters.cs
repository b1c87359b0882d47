namespace PwWorkflows.Activities.Data;

/// <summary>Builds the parameter lists of <see cref="IPwDatabase"/>.</summary>
public static class Parameters
{
    /// <summary>No parameters.</summary>
    public static IReadOnlyList<KeyValuePair<string, object?>> None { get; } = [];

    /// <summary>A list of named values.</summary>
    /// <param name="values">Name (without <c>@</c>) and value.</param>
    public static IReadOnlyList<KeyValuePair<string, object?>> Of(params ReadOnlySpan<(string Name, object? Value)> values)
    {
        var list = new KeyValuePair<string, object?>[values.Length];
        for (var i = 0; i < values.Length; i++) list[i] = new(values[i].Name, values[i].Value);
        return list;
    }
}
